/* gemini.c - generateContent and its kin, on Google's own host and on Vertex AI. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "base/clock.h"
#include "tools/mock/google.h"

#define BODY_MAX (40u * 1024u * 1024u)

static const struct {
	struct ag_str verb;
	enum mock_endpoint ep;
} verbs[] = {
	{AG_STR("generateContent"), MOCK_EP_CHAT},
	{AG_STR("streamGenerateContent"), MOCK_EP_CHAT},
	{AG_STR("countTokens"), MOCK_EP_COUNT_TOKENS},
	{AG_STR("embedContent"), MOCK_EP_EMBEDDINGS},
	{AG_STR("batchEmbedContents"), MOCK_EP_EMBED_BATCH},
	{AG_STR("predict"), MOCK_EP_PREDICT},
};

int
mock_google_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
		  struct ag_str *out_id)
{
	static const struct ag_str mark = AG_STR("/models/");
	const char *at = memmem(path.p, path.n, mark.p, mark.n);
	struct ag_str id = at ? ag_str_skip(path, (size_t)(at - path.p) + mark.n) : AG_STR_NONE;
	const char *colon = id.n > 0 ? memrchr(id.p, ':', id.n) : NULL;
	struct ag_str verb = colon ? ag_str_skip(id, (size_t)(colon - id.p) + 1) : AG_STR_NONE;

	for (size_t i = 0; i < AG_ARRAY_LEN(verbs); i++) {
		if (!ag_str_eq(verb, verbs[i].verb) || colon == id.p || memchr(id.p, '/', id.n))
			continue;
		*out = verbs[i].ep;
		*out_id = ag_str_n(id.p, (size_t)(colon - id.p));
		return ag_str_eq(method, AG_STR("POST")) ? 0 : 405;
	}
	return 404;
}

static struct ag_str
gemini_key(const struct mock_req *req, const struct ag_buf *in)
{
	return mock_span_str(req->header[MOCK_H_GOOG_API_KEY], in);
}

/* ---- errors ---- */

static const char *
status_name(int status)
{
	static const struct {
		int status;
		const char *name;
	} row[] = {
		{400, "INVALID_ARGUMENT"}, {401, "UNAUTHENTICATED"},    {403, "PERMISSION_DENIED"},
		{404, "NOT_FOUND"},        {429, "RESOURCE_EXHAUSTED"}, {499, "CANCELLED"},
		{503, "UNAVAILABLE"},      {504, "DEADLINE_EXCEEDED"},  {500, "INTERNAL"}};
	size_t i = 0;

	while (i + 1 < AG_ARRAY_LEN(row) && row[i].status != status)
		i++;
	return row[i].name;
}

static void
put_error(struct ag_buf *b, const struct mock_job *job, const struct mock_error *e)
{
	struct ag_str message = e->message.n > 0 ? e->message : AG_STR("scripted");
	struct ag_str name = ag_str(
		e->code && e->status != 404 && e->status != 405 ? e->code : status_name(e->status));

	if (job->what) {
		message = mock_do_text(job->what, MOCK_KEY_ERROR_MESSAGE, message);
		name = mock_do_text(job->what, MOCK_KEY_ERROR_TYPE, name);
	}
	ag_buf_printf(b, "{\"error\":{\"code\":%d,\"message\":", e->status);
	mock_put_text(b, message);
	ag_buf_puts(b, ",\"status\":");
	mock_put_text(b, name);
	if (e->retry_after >= 0)
		ag_buf_printf(
			b,
			",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
			"\"retryDelay\":\"%llds\"}]",
			(long long)e->retry_after);
	ag_buf_puts(b, "}}");
}

void
mock_google_refuse(const struct mock_job *job, const struct mock_error *given,
		   struct mock_answer *a)
{
	struct mock_error e = *given;
	struct ag_buf b;

	/* A key that is not known is an argument that is not valid; none at all is another matter. */
	if (e.status == 401 && ag_str_starts(job->path, AG_STR("/v1beta")) && e.message.n == 0) {
		e.status = 400;
		e.message = AG_STR("API key not valid. Please pass a valid API key.");
	}
	ag_buf_init(&b, BODY_MAX);
	put_error(&b, job, &e);
	mock_put_whole(job, a, e.status, "application/json; charset=UTF-8", AG_STR_NONE, &b);
	ag_buf_fini(&b);
}

/* ---- answers ---- */

static void
put_modality(struct ag_buf *b, const char *name, int64_t n, bool *is_first)
{
	if (n <= 0)
		return;
	ag_buf_printf(b, "%s{\"modality\":\"%s\",\"tokenCount\":%lld}", *is_first ? "" : ",", name,
		      (long long)n);
	*is_first = false;
}

/* out_so_far: a running total, as each event of a stream has it. */
static void
put_usage(struct ag_buf *b, const struct mock_reply *r, int64_t out)
{
	const struct mock_figures *n = &r->n;
	int64_t visible = n->out < 0 ? n->out : out > n->reasoning ? out - n->reasoning : 0;
	bool is_first = true;

	ag_buf_printf(b, ",\"usageMetadata\":{\"promptTokenCount\":%lld", (long long)n->in);
	if (visible != 0)
		mock_put_num(b, "candidatesTokenCount", visible);
	mock_put_num(b, "totalTokenCount", n->in + n->tool_in + visible + n->reasoning);
	if (n->cached > 0)
		mock_put_num(b, "cachedContentTokenCount", n->cached);
	if (n->reasoning > 0)
		mock_put_num(b, "thoughtsTokenCount", n->reasoning);
	if (n->tool_in > 0)
		mock_put_num(b, "toolUsePromptTokenCount", n->tool_in);
	ag_buf_puts(b, ",\"promptTokensDetails\":[");
	put_modality(b, "TEXT", n->in - n->audio_in - n->image_in, &is_first);
	put_modality(b, "AUDIO", n->audio_in, &is_first);
	put_modality(b, "IMAGE", n->image_in, &is_first);
	ag_buf_putc(b, ']');
	if (n->audio_out > 0) {
		is_first = true;
		ag_buf_puts(b, ",\"candidatesTokensDetails\":[");
		put_modality(b, "TEXT", visible - n->audio_out, &is_first);
		put_modality(b, "AUDIO", n->audio_out, &is_first);
		ag_buf_putc(b, ']');
	}
	ag_buf_putc(b, '}');
}

static void
put_call(struct ag_buf *b, const struct mock_call *c, bool has_id, bool is_signed)
{
	ag_buf_puts(b, "{\"functionCall\":{");
	if (has_id) {
		ag_buf_printf(b, "\"id\":\"%s\",", c->id);
	}
	ag_buf_puts(b, "\"name\":");
	mock_put_text(b, c->name);
	ag_buf_puts(b, ",\"args\":");
	ag_buf_put_str(b, c->args);
	ag_buf_putc(b, '}');
	if (is_signed)
		ag_buf_puts(b, ",\"thoughtSignature\":\"c2lnLW1vY2s=\"");
	ag_buf_putc(b, '}');
}

/* A whole response, or one event of a stream: these parts, that finish (n 0: not yet). */
struct response {
	const struct mock_job *job;
	const struct mock_reply *reply;
	struct ag_str thought, text;
	bool has_text;
	unsigned from_call, to_call;
	struct ag_str finish;
	int64_t out;
};

static void
put_response(struct ag_buf *b, const struct response *p)
{
	struct ag_str model = p->job->model_id;
	bool has_ids = !ag_str_starts(model, AG_STR("gemini-1")) &&
		       !ag_str_starts(model, AG_STR("gemini-2"));
	bool is_first = true;

	ag_buf_puts(b, "{\"candidates\":[{\"content\":{\"parts\":[");
	if (p->thought.n > 0) {
		ag_buf_puts(b, "{\"text\":");
		mock_put_text(b, p->thought);
		ag_buf_puts(b, ",\"thought\":true}");
		is_first = false;
	}
	if (p->has_text) {
		ag_buf_puts(b, is_first ? "{\"text\":" : ",{\"text\":");
		mock_put_text(b, p->text);
		ag_buf_putc(b, '}');
		is_first = false;
	}
	for (unsigned i = p->from_call; i < p->to_call; i++) {
		ag_buf_puts(b, is_first ? "" : ",");
		put_call(b, &p->reply->call[i], has_ids, i == 0);
		is_first = false;
	}
	ag_buf_puts(b, "],\"role\":\"model\"},");
	if (p->finish.n > 0) {
		ag_buf_puts(b, "\"finishReason\":");
		mock_put_text(b, p->finish);
		ag_buf_putc(b, ',');
	}
	ag_buf_puts(b, "\"index\":0}]");
	if (p->reply->has_usage)
		put_usage(b, p->reply, p->out);
	ag_buf_puts(b, ",\"modelVersion\":");
	mock_put_text(b, mock_do_text(p->job->what, MOCK_KEY_MODEL_SERVED, model));
	ag_buf_printf(b, ",\"responseId\":\"mock%llu\"}", (unsigned long long)p->job->serial);
}

static const char *const finishes[3] = {"STOP", "MAX_TOKENS", "STOP"};

static void
render_whole(const struct mock_job *job, const struct mock_reply *r, struct mock_answer *a)
{
	struct response p = {.job = job,
			     .reply = r,
			     .thought = r->thinking,
			     .text = r->text,
			     .has_text = r->calls == 0 || r->text.n > 0,
			     .to_call = r->calls,
			     .finish = mock_reply_finish(r, job, finishes),
			     .out = r->n.out};
	struct ag_buf b;

	ag_buf_init(&b, BODY_MAX);
	put_response(&b, &p);
	mock_put_whole(job, a, (int)mock_do_num(job->what, MOCK_KEY_STATUS, 200),
		       "application/json; charset=UTF-8", AG_STR_NONE, &b);
	ag_buf_fini(&b);
}

struct stream {
	const struct mock_job *job;
	struct mock_answer *a;
	struct ag_buf b;
	bool is_sse; /* else one array */
	unsigned sent;
};

static void
put_piece(struct stream *s, int32_t chunks)
{
	struct ag_buf b;

	if (s->is_sse) {
		mock_put_event(s->a, NULL, &s->b, "\r\n", chunks);
	} else {
		ag_buf_init(&b, BODY_MAX);
		ag_buf_puts(&b, s->sent == 0 ? "[" : ",\r\n");
		ag_buf_put_str(&b, ag_buf_str(&s->b));
		mock_answer_put(s->a, ag_buf_str(&b), chunks, true);
		ag_buf_fini(&b);
	}
	s->a->failed |= s->b.failed;
	s->sent++;
	ag_buf_reset(&s->b);
}

static bool
put_error_piece(struct stream *s, const struct mock_reply *r, int64_t chunks)
{
	struct mock_error e = {
		.status = 503, .message = AG_STR("The model is overloaded."), .retry_after = -1};

	if (r->error_after != chunks)
		return false;
	put_error(&s->b, s->job, &e);
	put_piece(s, -1);
	return true;
}

static void
put_pieces(struct stream *s, const struct mock_reply *r)
{
	const struct mock_job *job = s->job;
	int64_t pieces = r->slices + r->calls, done = 0;

	if (put_error_piece(s, r, 0))
		return;
	if (r->thinking.n > 0) {
		struct response p = {
			.job = job, .reply = r, .thought = r->thinking, .out = r->n.reasoning};

		put_response(&s->b, &p);
		put_piece(s, -1);
	}
	for (int64_t k = 0; k < pieces && !s->a->failed; k++) {
		bool is_call = k >= r->slices;
		unsigned call = is_call ? (unsigned)(k - r->slices) : 0;
		struct response p = {.job = job,
				     .reply = r,
				     .has_text = !is_call,
				     .from_call = call,
				     .to_call = is_call ? call + 1 : 0,
				     .out = r->n.reasoning +
					    (r->n.out - r->n.reasoning) * (k + 1) / pieces};

		if (!is_call)
			p.text = mock_reply_slice(r, k);
		if (k == pieces - 1 && !mock_do_flag(job->what, MOCK_KEY_NO_DONE))
			p.finish = mock_reply_finish(r, job, finishes);
		put_response(&s->b, &p);
		if (k == 0 && mock_do_flag(job->what, MOCK_KEY_GARBAGE_CHUNK))
			s->b.n /= 2;
		put_piece(s, (int32_t)++done);
		if (put_error_piece(s, r, done))
			return;
	}
}

static void
render_stream(const struct mock_job *job, const struct mock_reply *r, struct mock_answer *a)
{
	struct stream s = {.job = job,
			   .a = a,
			   .is_sse = memmem(job->query.p, job->query.n, "alt=sse", 7) != NULL};

	ag_buf_init(&s.b, BODY_MAX);
	mock_put_stream(job, a, s.is_sse ? "text/event-stream" : "application/json; charset=UTF-8",
			AG_STR_NONE);
	put_pieces(&s, r);
	if (!s.is_sse)
		mock_answer_put(a, AG_STR("]\r\n"), -1, false);
	mock_answer_end(a);
	ag_buf_fini(&s.b);
}

static void
render_generate(const struct mock_job *job, struct mock_answer *a)
{
	struct mock_reply r;

	mock_reply_init(&r, job, "call_");
	if (job->facts->stream)
		render_stream(job, &r, a);
	else
		render_whole(job, &r, a);
	mock_reply_count(&r, a, r.n.in, r.n.out);
	mock_reply_fini(&r);
}

static void
render_count(const struct mock_job *job, struct mock_answer *a)
{
	long long n = mock_do_num(job->what, MOCK_KEY_PROMPT_TOKENS, 12);
	struct ag_buf b;

	ag_buf_init(&b, 1024);
	ag_buf_printf(
		&b,
		"{\"totalTokens\":%lld,\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":%lld}]}",
		n, n);
	mock_put_whole(job, a, 200, "application/json; charset=UTF-8", AG_STR_NONE, &b);
	ag_buf_fini(&b);
}

static void
put_values(struct ag_buf *b, int64_t dimensions, int64_t entry)
{
	ag_buf_putc(b, '[');
	for (int64_t i = 0; i < dimensions; i++)
		ag_buf_printf(b, "%s0.%03lld", i > 0 ? "," : "",
			      (long long)((i * 37 + entry * 11) % 900 + 10));
	ag_buf_putc(b, ']');
}

static void
render_embeddings(const struct mock_job *job, struct mock_answer *a)
{
	const struct mock_facts *f = job->facts;
	int64_t tokens = mock_do_num(job->what, MOCK_KEY_PROMPT_TOKENS, 4 * f->inputs);
	bool is_predict = f->endpoint == MOCK_EP_PREDICT,
	     is_one = f->endpoint == MOCK_EP_EMBEDDINGS;
	struct ag_buf b;

	ag_buf_init(&b, BODY_MAX);
	ag_buf_puts(&b, is_predict ? "{\"predictions\":["
			: is_one   ? "{\"embedding\":"
				   : "{\"embeddings\":[");
	for (int64_t i = 0; i < f->inputs; i++) {
		ag_buf_puts(&b, i > 0 ? "," : "");
		ag_buf_puts(&b, is_predict ? "{\"embeddings\":{\"values\":" : "{\"values\":");
		put_values(&b, f->dimensions, i);
		if (is_predict)
			ag_buf_printf(&b,
				      ",\"statistics\":{\"token_count\":%lld,\"truncated\":false}}",
				      (long long)(tokens / f->inputs));
		ag_buf_putc(&b, '}');
	}
	ag_buf_puts(&b, is_one ? "}" : "]}");
	mock_put_whole(job, a, 200, "application/json; charset=UTF-8", AG_STR_NONE, &b);
	a->prompt_tokens = tokens;
	ag_buf_fini(&b);
}

void
mock_google_render(const struct mock_job *job, struct mock_answer *a)
{
	if (mock_put_scripted(job, mock_google_refuse, a))
		return;
	if (job->facts->endpoint == MOCK_EP_CHAT)
		render_generate(job, a);
	else if (job->facts->endpoint == MOCK_EP_COUNT_TOKENS)
		render_count(job, a);
	else
		render_embeddings(job, a);
}

void
mock_google_id(enum mock_endpoint ep, uint64_t serial, char *out, size_t cap)
{
	(void)ep;
	snprintf(out, cap, "mock%llu", (unsigned long long)serial);
}

const struct mock_format mock_format_gemini = {
	.name = "gemini",
	.route = mock_google_route,
	.key = gemini_key,
	.key_headers = 1u << MOCK_H_GOOG_API_KEY,
	.read = mock_gemini_read,
	.render = mock_google_render,
	.refuse = mock_google_refuse,
	.id = mock_google_id,
};
