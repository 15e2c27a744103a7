/* anthropic.c - the Messages API: answers, streams, errors. */
#include "tools/mock/anthropic.h"

#include <errno.h>
#include <stdio.h>

#define BODY_MAX (40u * 1024u * 1024u)

static int
anthropic_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
		struct ag_str *out_id)
{
	static const struct ag_str messages = AG_STR("/v1/messages"),
				   count = AG_STR("/v1/messages/count_tokens");

	*out_id = AG_STR_NONE;
	if (path.n >= count.n && ag_str_eq(ag_str_skip(path, path.n - count.n), count))
		*out = MOCK_EP_COUNT_TOKENS;
	else if (path.n >= messages.n &&
		 ag_str_eq(ag_str_skip(path, path.n - messages.n), messages))
		*out = MOCK_EP_CHAT;
	else
		return 404;
	return ag_str_eq(method, AG_STR("POST")) ? 0 : 405;
}

/* If both are sent the key of its own wins. */
static struct ag_str
anthropic_key(const struct mock_req *req, const struct ag_buf *in)
{
	struct ag_str own = mock_span_str(req->header[MOCK_H_X_API_KEY], in);

	return own.n > 0 ? own : mock_key_bearer(req, in);
}

static int
anthropic_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
	       struct mock_fault *fault)
{
	return mock_anthropic_read_as(MOCK_CLAUDE_OWN, job, ep, out, fault);
}

static void
put_headers(const struct mock_job *job, struct ag_buf *out)
{
	ag_buf_printf(
		out,
		"request-id: req_mock%020llu\r\nanthropic-ratelimit-requests-remaining: 3999\r\n"
		"anthropic-ratelimit-tokens-remaining: 1990000\r\n",
		(unsigned long long)job->serial);
}

static void
put_whole(const struct mock_job *job, struct mock_answer *a, int status, const struct ag_buf *body,
	  int64_t retry_after)
{
	struct ag_buf headers;

	ag_buf_init(&headers, 4096);
	put_headers(job, &headers);
	if (retry_after >= 0)
		ag_buf_printf(&headers, "retry-after: %lld\r\n", (long long)retry_after);
	mock_put_whole(job, a, status, NULL, ag_buf_str(&headers), body);
	ag_buf_fini(&headers);
}

static const char *
error_type(int status)
{
	switch (status) {
	case 401:
		return "authentication_error";
	case 402:
		return "billing_error";
	case 403:
		return "permission_error";
	case 404:
		return "not_found_error";
	case 413:
		return "request_too_large";
	case 429:
		return "rate_limit_error";
	case 504:
		return "timeout_error";
	case 529:
		return "overloaded_error";
	default:
		return status < 500 ? "invalid_request_error" : "api_error";
	}
}

static void
put_error(struct ag_buf *b, const struct mock_job *job, const struct mock_error *e)
{
	struct ag_str message = e->message.n > 0 ? e->message : AG_STR("scripted");
	struct ag_str type = ag_str(error_type(e->status));

	if (job->what) {
		message = mock_do_text(job->what, MOCK_KEY_ERROR_MESSAGE, message);
		type = mock_do_text(job->what, MOCK_KEY_ERROR_TYPE, type);
	}
	ag_buf_puts(b, "{\"type\":\"error\",\"error\":{\"type\":");
	mock_put_text(b, type);
	ag_buf_puts(b, ",\"message\":");
	mock_put_text(b, message);
	ag_buf_puts(b, "},\"request_id\":\"req_mock\"}");
}

void
mock_anthropic_refuse(const struct mock_job *job, const struct mock_error *e, struct mock_answer *a)
{
	struct ag_buf b;

	ag_buf_init(&b, BODY_MAX);
	put_error(&b, job, e);
	put_whole(job, a, e->status, &b, e->retry_after);
	ag_buf_fini(&b);
}

/* ---- messages ---- */

static void
put_block(struct ag_buf *b, const char *type, const char *member, struct ag_str text)
{
	ag_buf_printf(b, "{\"type\":\"%s\",\"%s\":", type, member);
	mock_put_text(b, text);
	if (strcmp(type, "thinking") == 0)
		ag_buf_puts(b, ",\"signature\":\"c2lnLW1vY2s=\"");
	ag_buf_putc(b, '}');
}

static void
put_use(struct ag_buf *b, const struct mock_call *c, struct ag_str input)
{
	ag_buf_printf(b, "{\"type\":\"tool_use\",\"id\":\"%s\",\"name\":", c->id);
	mock_put_text(b, c->name);
	ag_buf_puts(b, ",\"input\":");
	ag_buf_put_str(b, input);
	ag_buf_putc(b, '}');
}

static void
put_content(struct ag_buf *b, const struct mock_reply *r)
{
	bool has_text = r->text.n > 0 || r->calls == 0;

	if (r->thinking.n > 0)
		put_block(b, "thinking", "thinking", r->thinking);
	if (has_text) {
		ag_buf_puts(b, r->thinking.n > 0 ? "," : "");
		put_block(b, "text", "text", r->text);
	}
	for (unsigned i = 0; i < r->calls; i++) {
		ag_buf_puts(b, i > 0 || has_text || r->thinking.n > 0 ? "," : "");
		put_use(b, &r->call[i], r->call[i].args);
	}
}

/* out: 1 as the message begins, the whole at its end. */
static void
put_usage(struct ag_buf *b, const struct mock_job *job, const struct mock_reply *r, int64_t out)
{
	const struct mock_figures *n = &r->n;

	ag_buf_printf(
		b,
		"{\"input_tokens\":%lld,\"cache_creation_input_tokens\":%lld,"
		"\"cache_read_input_tokens\":%lld,\"cache_creation\":{\"ephemeral_5m_input_tokens\":%lld,"
		"\"ephemeral_1h_input_tokens\":%lld},\"output_tokens\":%lld",
		(long long)n->in, (long long)n->written + (long long)n->written_1h, (long long)n->cached,
		(long long)n->written, (long long)n->written_1h, (long long)out);
	if (n->reasoning > 0 && out == n->out)
		ag_buf_printf(b, ",\"output_tokens_details\":{\"thinking_tokens\":%lld}",
			      (long long)n->reasoning);
	if (n->searches > 0)
		ag_buf_printf(b, ",\"server_tool_use\":{\"web_search_requests\":%lld}",
			      (long long)n->searches);
	ag_buf_puts(b, ",\"service_tier\":");
	mock_put_text(b, mock_do_text(job->what, MOCK_KEY_SERVICE_TIER, AG_STR("standard")));
	ag_buf_putc(b, '}');
}

static const char *const stops[3] = {"end_turn", "max_tokens", "tool_use"};

static void
put_message(const struct mock_job *job, const struct mock_reply *r, bool is_start, struct ag_buf *b)
{
	ag_buf_printf(
		b,
		"{\"id\":\"msg_mock%llu\",\"type\":\"message\",\"role\":\"assistant\",\"model\":",
		(unsigned long long)job->serial);
	mock_put_text(b, mock_do_text(job->what, MOCK_KEY_MODEL_SERVED, job->facts->model));
	ag_buf_puts(b, ",\"content\":[");
	if (!is_start)
		put_content(b, r);
	ag_buf_puts(b, "],\"stop_reason\":");
	mock_put_text(b, is_start ? AG_STR_NONE : mock_reply_finish(r, job, stops));
	ag_buf_puts(b, ",\"stop_sequence\":null");
	if (r->has_usage) {
		ag_buf_puts(b, ",\"usage\":");
		put_usage(b, job, r, is_start && r->n.out > 0 ? 1 : r->n.out);
	}
	ag_buf_putc(b, '}');
}

void
mock_anthropic_message(const struct mock_job *job, const struct mock_reply *r, struct ag_buf *b)
{
	put_message(job, r, false, b);
}

/* ---- the events of a stream ---- */

struct events {
	const struct mock_job *job;
	const struct mock_reply *r;
	mock_anthropic_sink *sink;
	void *arg;
	struct ag_buf b;
	int32_t chunks;
	int index;
};

static void
emit(struct events *e, const char *name)
{
	e->sink(e->arg, name, &e->b, e->chunks);
	ag_buf_reset(&e->b);
}

static void
begin_block(struct events *e, const char *type)
{
	ag_buf_printf(&e->b, "{\"type\":\"%s\",\"index\":%d,", type, e->index);
}

static void
stop_block(struct events *e)
{
	ag_buf_printf(&e->b, "{\"type\":\"content_block_stop\",\"index\":%d}", e->index++);
	emit(e, "content_block_stop");
}

static void
put_delta(struct events *e, const char *type, const char *member, struct ag_str text)
{
	begin_block(e, "content_block_delta");
	ag_buf_printf(&e->b, "\"delta\":{\"type\":\"%s\",\"%s\":", type, member);
	mock_put_text(&e->b, text);
	ag_buf_puts(&e->b, "}}");
	emit(e, "content_block_delta");
}

static void
put_thinking(struct events *e)
{
	begin_block(e, "content_block_start");
	ag_buf_puts(
		&e->b,
		"\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}");
	emit(e, "content_block_start");
	put_delta(e, "thinking_delta", "thinking", e->r->thinking);
	put_delta(e, "signature_delta", "signature", AG_STR("c2lnLW1vY2s="));
	stop_block(e);
}

static bool
put_error_event(struct events *e)
{
	struct mock_error fault = {
		.status = 529, .message = AG_STR("Overloaded"), .retry_after = -1};

	if (e->r->error_after != e->chunks)
		return false;
	put_error(&e->b, e->job, &fault);
	emit(e, "error");
	return true;
}

/* False when the script ended it with an error. */
static bool
put_text_block(struct events *e)
{
	begin_block(e, "content_block_start");
	ag_buf_puts(&e->b, "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}");
	emit(e, "content_block_start");
	ag_buf_puts(&e->b, "{\"type\":\"ping\"}");
	emit(e, "ping");
	for (int64_t k = 0; k < e->r->slices; k++) {
		e->chunks++;
		put_delta(e, "text_delta", "text", mock_reply_slice(e->r, k));
		if (k == 0 && mock_do_flag(e->job->what, MOCK_KEY_GARBAGE_CHUNK)) {
			ag_buf_puts(&e->b, "{\"type\":\"content_block_del");
			emit(e, "content_block_delta");
		}
		if (put_error_event(e))
			return false;
	}
	stop_block(e);
	return true;
}

static void
put_use_block(struct events *e, const struct mock_call *c)
{
	size_t half = c->args.n / 2;

	begin_block(e, "content_block_start");
	ag_buf_puts(&e->b, "\"content_block\":");
	put_use(&e->b, c, AG_STR("{}"));
	ag_buf_putc(&e->b, '}');
	emit(e, "content_block_start");
	while (half < c->args.n && ((unsigned char)c->args.p[half] & 0xc0) == 0x80)
		half++;
	put_delta(e, "input_json_delta", "partial_json", AG_STR(""));
	put_delta(e, "input_json_delta", "partial_json", ag_str_n(c->args.p, half));
	e->chunks++;
	put_delta(e, "input_json_delta", "partial_json", ag_str_skip(c->args, half));
	stop_block(e);
}

void
mock_anthropic_events(const struct mock_job *job, const struct mock_reply *r,
		      mock_anthropic_sink *sink, void *arg)
{
	struct events e = {.job = job, .r = r, .sink = sink, .arg = arg};
	bool is_well;

	ag_buf_init(&e.b, BODY_MAX);
	ag_buf_puts(&e.b, "{\"type\":\"message_start\",\"message\":");
	put_message(job, r, true, &e.b);
	ag_buf_putc(&e.b, '}');
	emit(&e, "message_start");
	is_well = !put_error_event(&e);
	if (is_well && r->thinking.n > 0)
		put_thinking(&e);
	if (is_well && (r->text.n > 0 || r->calls == 0))
		is_well = put_text_block(&e);
	for (unsigned i = 0; i < r->calls && is_well; i++)
		put_use_block(&e, &r->call[i]);
	if (is_well) {
		ag_buf_puts(&e.b, "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":");
		mock_put_text(&e.b, mock_reply_finish(r, job, stops));
		ag_buf_puts(&e.b, ",\"stop_sequence\":null}");
		if (r->has_usage) {
			ag_buf_puts(&e.b, ",\"usage\":");
			put_usage(&e.b, job, r, r->n.out);
		}
		ag_buf_putc(&e.b, '}');
		emit(&e, "message_delta");
		if (!mock_do_flag(job->what, MOCK_KEY_NO_DONE)) {
			ag_buf_puts(&e.b, "{\"type\":\"message_stop\"}");
			emit(&e, "message_stop");
		}
	}
	ag_buf_fini(&e.b);
}

static void
sink_sse(void *arg, const char *name, const struct ag_buf *data, int32_t chunks)
{
	mock_put_event(arg, name, data, "\n", chunks);
}

static void
render_stream(const struct mock_job *job, const struct mock_reply *r, struct mock_answer *a)
{
	struct ag_buf headers;

	ag_buf_init(&headers, 4096);
	put_headers(job, &headers);
	mock_put_stream(job, a, "text/event-stream; charset=utf-8", ag_buf_str(&headers));
	mock_anthropic_events(job, r, sink_sse, a);
	mock_answer_end(a);
	ag_buf_fini(&headers);
}

void
mock_anthropic_count(const struct mock_reply *r, struct mock_answer *a)
{
	mock_reply_count(r, a, r->n.in + r->n.cached + r->n.written + r->n.written_1h, r->n.out);
}

static void
render_message(const struct mock_job *job, struct mock_answer *a)
{
	struct mock_reply r;
	struct ag_buf b;

	mock_reply_init(&r, job, "toolu_");
	if (job->facts->stream) {
		render_stream(job, &r, a);
	} else {
		ag_buf_init(&b, BODY_MAX);
		put_message(job, &r, false, &b);
		put_whole(job, a, (int)mock_do_num(job->what, MOCK_KEY_STATUS, 200), &b, -1);
		ag_buf_fini(&b);
	}
	mock_anthropic_count(&r, a);
	mock_reply_fini(&r);
}

static void
render_count(const struct mock_job *job, struct mock_answer *a)
{
	struct ag_buf b;

	ag_buf_init(&b, 256);
	ag_buf_printf(&b, "{\"input_tokens\":%lld}",
		      (long long)mock_do_num(job->what, MOCK_KEY_PROMPT_TOKENS, 12));
	put_whole(job, a, 200, &b, -1);
	ag_buf_fini(&b);
}

void
mock_anthropic_render(const struct mock_job *job, struct mock_answer *a)
{
	if (mock_put_scripted(job, mock_anthropic_refuse, a))
		return;
	if (job->facts->endpoint == MOCK_EP_CHAT)
		render_message(job, a);
	else
		render_count(job, a);
}

void
mock_anthropic_id(enum mock_endpoint ep, uint64_t serial, char *out, size_t cap)
{
	(void)ep;
	snprintf(out, cap, "msg_mock%llu", (unsigned long long)serial);
}

const struct mock_format mock_format_anthropic = {
	.name = "anthropic",
	.route = anthropic_route,
	.key = anthropic_key,
	.key_headers = 1u << MOCK_H_X_API_KEY | 1u << MOCK_H_AUTHORIZATION,
	.read = anthropic_read,
	.render = mock_anthropic_render,
	.refuse = mock_anthropic_refuse,
	.id = mock_anthropic_id,
};
