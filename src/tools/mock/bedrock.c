/* bedrock.c - Converse: paths, credentials, answers, the event stream, errors. */
#include "tools/mock/bedrock.h"

#include <errno.h>
#include <stdio.h>

#include "base/hash.h"
#include "tools/mock/sigv4.h"

#define BODY_MAX (40u * 1024u * 1024u)

static int
bedrock_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
	      struct ag_str *out_id)
{
	static const struct {
		struct ag_str verb;
		enum mock_endpoint ep;
	} row[] = {{AG_STR("/converse"), MOCK_EP_CHAT},
		   {AG_STR("/converse-stream"), MOCK_EP_CHAT},
		   {AG_STR("/invoke"), MOCK_EP_INVOKE},
		   {AG_STR("/invoke-with-response-stream"), MOCK_EP_INVOKE}};
	static const struct ag_str mark = AG_STR("/model/");
	const char *at = memmem(path.p, path.n, mark.p, mark.n);
	struct ag_str id = at ? ag_str_skip(path, (size_t)(at - path.p) + mark.n) : AG_STR_NONE;
	const char *slash = id.n > 0 ? memchr(id.p, '/', id.n) : NULL;
	struct ag_str verb = slash ? ag_str_skip(id, (size_t)(slash - id.p)) : AG_STR_NONE;

	for (size_t i = 0; i < AG_ARRAY_LEN(row); i++) {
		if (!ag_str_eq(verb, row[i].verb) || slash == id.p)
			continue;
		*out = row[i].ep;
		*out_id = ag_str_n(id.p, (size_t)(slash - id.p));
		return ag_str_eq(method, AG_STR("POST")) ? 0 : 405;
	}
	return 404;
}

/* A key of Bedrock's own, or the id of the one that signed. */
static struct ag_str
bedrock_key(const struct mock_req *req, const struct ag_buf *in)
{
	struct ag_str bearer = mock_key_bearer(req, in);

	return bearer.n > 0 ? bearer : mock_span_str(req->header[MOCK_H_AUTHORIZATION], in);
}

void
mock_bedrock_headers(const struct mock_job *job, struct ag_buf *out)
{
	ag_buf_printf(out, "x-amzn-requestid: 00000000-mock-%012llu\r\n",
		      (unsigned long long)job->serial);
}

static const char *
error_type(int status)
{
	switch (status) {
	case 401:
	case 403:
		return "AccessDeniedException";
	case 404:
		return "ResourceNotFoundException";
	case 408:
		return "ModelTimeoutException";
	case 424:
		return "ModelErrorException";
	case 429:
		return "ThrottlingException";
	case 500:
		return "InternalServerException";
	case 503:
		return "ServiceUnavailableException";
	default:
		return "ValidationException";
	}
}

static void
bedrock_refuse(const struct mock_job *job, const struct mock_error *e, struct mock_answer *a)
{
	struct ag_str message = e->message.n > 0 ? e->message : AG_STR("scripted");
	struct ag_str type = ag_str(e->type && e->status != 404 ? e->type : error_type(e->status));
	struct ag_buf b, headers;

	if (job->what) {
		message = mock_do_text(job->what, MOCK_KEY_ERROR_MESSAGE, message);
		type = mock_do_text(job->what, MOCK_KEY_ERROR_TYPE, type);
	}
	ag_buf_init(&b, BODY_MAX);
	ag_buf_init(&headers, 4096);
	mock_bedrock_headers(job, &headers);
	ag_buf_printf(&headers, "x-amzn-errortype: %.*s:http://internal.amazon.com/\r\n",
		      AG_STR_ARG(type));
	if (e->retry_after >= 0)
		ag_buf_printf(&headers, "retry-after: %lld\r\n", (long long)e->retry_after);
	ag_buf_puts(&b, "{\"message\":");
	mock_put_text(&b, message);
	ag_buf_putc(&b, '}');
	mock_put_whole(job, a, e->status == 401 ? 403 : e->status, NULL, ag_buf_str(&headers), &b);
	ag_buf_fini(&headers);
	ag_buf_fini(&b);
}

/* ---- frames ---- */

static void
put_u32(struct ag_buf *b, uint32_t v)
{
	const unsigned char byte[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16),
				       (unsigned char)(v >> 8), (unsigned char)v};

	ag_buf_put(b, byte, sizeof(byte));
}

static void
put_header(struct ag_buf *b, const char *name, const char *value)
{
	size_t n = strlen(value);

	ag_buf_putc(b, (char)strlen(name));
	ag_buf_puts(b, name);
	ag_buf_putc(b, 7); /* a string */
	ag_buf_putc(b, (char)(n >> 8));
	ag_buf_putc(b, (char)n);
	ag_buf_puts(b, value);
}

void
mock_bedrock_frame(struct mock_answer *a, const char *kind, const char *name,
		   const struct ag_buf *payload, int32_t chunks)
{
	struct ag_buf headers, b;
	char which[32];

	ag_buf_init(&headers, 1024);
	ag_buf_init(&b, BODY_MAX);
	snprintf(which, sizeof(which), ":%s-type", kind);
	put_header(&headers, which, name);
	put_header(&headers, ":content-type", "application/json");
	put_header(&headers, ":message-type", kind);
	put_u32(&b, (uint32_t)(16 + headers.n + payload->n));
	put_u32(&b, (uint32_t)headers.n);
	put_u32(&b, ag_crc32(0, b.p, b.n));
	ag_buf_put_str(&b, ag_buf_str(&headers));
	ag_buf_put_str(&b, ag_buf_str(payload));
	put_u32(&b, ag_crc32(0, b.p, b.n));
	a->failed |= payload->failed || b.failed;
	mock_answer_put(a, ag_buf_str(&b), chunks, true);
	ag_buf_fini(&b);
	ag_buf_fini(&headers);
}

/* ---- answers ---- */

static const char *const stops[3] = {"end_turn", "max_tokens", "tool_use"};

static void
put_usage(struct ag_buf *b, const struct mock_job *job, const struct mock_reply *r)
{
	const struct mock_figures *n = &r->n;
	int64_t written = n->written + n->written_1h;

	ag_buf_printf(b,
		      "\"usage\":{\"inputTokens\":%lld,\"outputTokens\":%lld,\"totalTokens\":%lld",
		      (long long)n->in, (long long)n->out,
		      (long long)n->in + (long long)n->out + (long long)n->cached + (long long)written);
	if (n->cached > 0)
		mock_put_num(b, "cacheReadInputTokens", n->cached);
	if (written > 0)
		mock_put_num(b, "cacheWriteInputTokens", written);
	if (n->written_1h > 0)
		ag_buf_printf(
			b,
			",\"cacheDetails\":[{\"ttl\":\"1h\",\"inputTokens\":%lld},{\"ttl\":\"5m\",\"inputTokens\":%lld}]",
			(long long)n->written_1h, (long long)n->written);
	ag_buf_puts(b, "}");
	if (mock_do_has(job->what, MOCK_KEY_SERVICE_TIER)) {
		ag_buf_puts(b, ",\"serviceTier\":{\"type\":");
		mock_put_text(b, mock_do_text(job->what, MOCK_KEY_SERVICE_TIER, AG_STR_NONE));
		ag_buf_putc(b, '}');
	}
}

static void
put_content(struct ag_buf *b, const struct mock_reply *r)
{
	const char *comma = "";

	if (r->thinking.n > 0) {
		ag_buf_puts(b, "{\"reasoningContent\":{\"reasoningText\":{\"text\":");
		mock_put_text(b, r->thinking);
		ag_buf_puts(b, ",\"signature\":\"c2lnLW1vY2s=\"}}}");
		comma = ",";
	}
	if (r->text.n > 0 || r->calls == 0) {
		ag_buf_printf(b, "%s{\"text\":", comma);
		mock_put_text(b, r->text);
		ag_buf_putc(b, '}');
		comma = ",";
	}
	for (unsigned i = 0; i < r->calls; i++, comma = ",") {
		ag_buf_printf(b, "%s{\"toolUse\":{\"toolUseId\":\"%s\",\"name\":", comma,
			      r->call[i].id);
		mock_put_text(b, r->call[i].name);
		ag_buf_puts(b, ",\"input\":");
		ag_buf_put_str(b, r->call[i].args);
		ag_buf_puts(b, "}}");
	}
}

static void
render_whole(const struct mock_job *job, const struct mock_reply *r, struct ag_str headers,
	     struct mock_answer *a)
{
	struct ag_buf b;

	ag_buf_init(&b, BODY_MAX);
	ag_buf_puts(&b, "{\"metrics\":{\"latencyMs\":7},\"output\":{\"message\":{\"content\":[");
	put_content(&b, r);
	ag_buf_puts(&b, "],\"role\":\"assistant\"}},\"stopReason\":");
	mock_put_text(&b, mock_reply_finish(r, job, stops));
	if (r->has_usage) {
		ag_buf_putc(&b, ',');
		put_usage(&b, job, r);
	}
	ag_buf_putc(&b, '}');
	mock_put_whole(job, a, (int)mock_do_num(job->what, MOCK_KEY_STATUS, 200), NULL, headers,
		       &b);
	ag_buf_fini(&b);
}

struct stream {
	const struct mock_job *job;
	const struct mock_reply *r;
	struct mock_answer *a;
	struct ag_buf b;
	int block;
	int32_t chunks;
};

/* Every payload is padded to a length that tells nothing. */
static void
emit(struct stream *s, const char *name)
{
	ag_buf_puts(&s->b, ",\"p\":\"abcdefghij\"}");
	mock_bedrock_frame(s->a, "event", name, &s->b, s->chunks);
	ag_buf_reset(&s->b);
}

static bool
put_exception(struct stream *s)
{
	if (s->r->error_after != s->chunks)
		return false;
	ag_buf_puts(
		&s->b,
		"{\"message\":\"The system encountered an unexpected error during processing.\"}");
	mock_bedrock_frame(s->a, "exception", "modelStreamErrorException", &s->b, -1);
	ag_buf_reset(&s->b);
	return true;
}

static void
begin_delta(struct stream *s)
{
	ag_buf_printf(&s->b, "{\"contentBlockIndex\":%d,\"delta\":", s->block);
}

static void
stop_block(struct stream *s)
{
	ag_buf_printf(&s->b, "{\"contentBlockIndex\":%d", s->block++);
	emit(s, "contentBlockStop");
}

static void
put_thinking(struct stream *s)
{
	begin_delta(s);
	ag_buf_puts(&s->b, "{\"reasoningContent\":{\"text\":");
	mock_put_text(&s->b, s->r->thinking);
	ag_buf_puts(&s->b, "}}");
	emit(s, "contentBlockDelta");
	begin_delta(s);
	ag_buf_puts(&s->b, "{\"reasoningContent\":{\"signature\":\"c2lnLW1vY2s=\"}}");
	emit(s, "contentBlockDelta");
	stop_block(s);
}

static bool
put_text(struct stream *s)
{
	for (int64_t k = 0; k < s->r->slices; k++) {
		begin_delta(s);
		ag_buf_puts(&s->b, "{\"text\":");
		mock_put_text(&s->b, mock_reply_slice(s->r, k));
		ag_buf_putc(&s->b, '}');
		s->chunks++;
		if (k == 0 && mock_do_flag(s->job->what, MOCK_KEY_GARBAGE_CHUNK))
			s->b.n /= 2;
		emit(s, "contentBlockDelta");
		if (put_exception(s))
			return false;
	}
	stop_block(s);
	return true;
}

static void
put_tool_input(struct stream *s, struct ag_str part)
{
	begin_delta(s);
	ag_buf_puts(&s->b, "{\"toolUse\":{\"input\":");
	mock_put_text(&s->b, part);
	ag_buf_puts(&s->b, "}}");
	emit(s, "contentBlockDelta");
}

static void
put_tool(struct stream *s, const struct mock_call *c)
{
	size_t half = c->args.n / 2;

	while (half < c->args.n && ((unsigned char)c->args.p[half] & 0xc0) == 0x80)
		half++;
	ag_buf_printf(
		&s->b,
		"{\"contentBlockIndex\":%d,\"start\":{\"toolUse\":{\"toolUseId\":\"%s\",\"name\":",
		s->block, c->id);
	mock_put_text(&s->b, c->name);
	ag_buf_puts(&s->b, "}}");
	emit(s, "contentBlockStart");
	put_tool_input(s, ag_str_n(c->args.p, half));
	s->chunks++;
	put_tool_input(s, ag_str_skip(c->args, half));
	stop_block(s);
}

static void
put_frames(struct stream *s)
{
	const struct mock_reply *r = s->r;

	ag_buf_puts(&s->b, "{\"role\":\"assistant\"");
	emit(s, "messageStart");
	if (put_exception(s))
		return;
	if (r->thinking.n > 0)
		put_thinking(s);
	if ((r->text.n > 0 || r->calls == 0) && !put_text(s))
		return;
	for (unsigned i = 0; i < r->calls; i++)
		put_tool(s, &r->call[i]);
	if (!mock_do_flag(s->job->what, MOCK_KEY_NO_DONE)) {
		ag_buf_puts(&s->b, "{\"stopReason\":");
		mock_put_text(&s->b, mock_reply_finish(r, s->job, stops));
		emit(s, "messageStop");
	}
	if (!r->has_usage)
		return;
	ag_buf_puts(&s->b, "{\"metrics\":{\"latencyMs\":7},");
	put_usage(&s->b, s->job, r);
	emit(s, "metadata");
}

static void
render_converse(const struct mock_job *job, struct mock_answer *a)
{
	struct stream s = {.job = job, .a = a};
	struct mock_reply r;
	struct ag_buf headers;

	mock_reply_init(&r, job, "tooluse_");
	ag_buf_init(&headers, 4096);
	ag_buf_init(&s.b, BODY_MAX);
	mock_bedrock_headers(job, &headers);
	s.r = &r; /* cppcheck-suppress autoVariables */
	if (job->facts->stream) {
		mock_put_stream(job, a, "application/vnd.amazon.eventstream", ag_buf_str(&headers));
		put_frames(&s);
		mock_answer_end(a);
	} else {
		render_whole(job, &r, ag_buf_str(&headers), a);
	}
	mock_reply_count(&r, a, r.n.in + r.n.cached + r.n.written + r.n.written_1h, r.n.out);
	ag_buf_fini(&s.b);
	ag_buf_fini(&headers);
	mock_reply_fini(&r);
}

static void
bedrock_render(const struct mock_job *job, struct mock_answer *a)
{
	if (mock_put_scripted(job, bedrock_refuse, a))
		return;
	if (job->facts->endpoint == MOCK_EP_CHAT)
		render_converse(job, a);
	else
		mock_bedrock_invoke(job, a);
}

static void
bedrock_id(enum mock_endpoint ep, uint64_t serial, char *out, size_t cap)
{
	(void)ep;
	snprintf(out, cap, "00000000-mock-%012llu", (unsigned long long)serial);
}

const struct mock_format mock_format_bedrock = {
	.name = "bedrock",
	.route = bedrock_route,
	.key = bedrock_key,
	.key_headers = 1u << MOCK_H_AUTHORIZATION,
	.read = mock_bedrock_read,
	.render = bedrock_render,
	.refuse = bedrock_refuse,
	.id = bedrock_id,
};
