#include "tools/mock/format.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"

#define WORD_BYTES 5
#define EVENT_MAX  (40u * 1024u * 1024u)

/* All of one length, so that the place of the n-th is known without counting. */
static const char word[16][WORD_BYTES + 1] = { "amber", "birch", "cedar", "delta", "ember", "flint",
	                                       "grove", "heath", "inlet", "jetty", "knoll", "lunar",
	                                       "maple", "north", "ocean", "pearl" };

static const char *const model_list[] = { "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-3.5-turbo-instruct",
	                                  "text-embedding-3-small", "text-embedding-3-large" };

/* What an answer to chat or completions consists of, worked out before a byte is rendered. */
struct plan {
	const struct mock_job *job;
	bool is_chat;
	struct ag_str text;  /* given by script; n 0: words */
	int64_t words;       /* visible ones, per choice */
	int64_t chunks;      /* content chunks, per choice; 1 without stream */
	int64_t pad;         /* bytes added to the content of all choices */
	int64_t prompt, completion;
	const char *finish;
	char id[48];
	struct ag_str model, tier;
	int64_t error_after;
};

static int
openai_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
             struct ag_str *out_id)
{
	static const struct {
		struct ag_str path;
		const char *method;
		enum mock_endpoint ep;
	} row[] = {
		{ AG_STR("/v1/chat/completions"), "POST", MOCK_EP_CHAT },
		{ AG_STR("/v1/completions"), "POST", MOCK_EP_COMPLETIONS },
		{ AG_STR("/v1/embeddings"), "POST", MOCK_EP_EMBEDDINGS },
		{ AG_STR("/v1/models"), "GET", MOCK_EP_MODELS },
		{ AG_STR("/v1/models/"), "GET", MOCK_EP_MODEL },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(row); i++) {
		bool is_prefix = row[i].ep == MOCK_EP_MODEL;

		if (is_prefix ? !ag_str_starts(path, row[i].path) || path.n == row[i].path.n
		              : !ag_str_eq(path, row[i].path))
			continue;
		if (!ag_str_eq(method, ag_str(row[i].method)))
			return 405;
		*out = row[i].ep;
		*out_id = ag_str_skip(path, row[i].path.n);
		return 0;
	}
	return 404;
}

static struct ag_str
openai_key(const struct mock_req *req, const struct ag_buf *in)
{
	struct ag_str v = mock_span_str(req->header[MOCK_H_AUTHORIZATION], in);

	if (v.n < 7 || !ag_str_ieq(ag_str_n(v.p, 7), AG_STR("bearer ")))
		return AG_STR_NONE;
	return ag_str_trim(ag_str_skip(v, 7));
}

static void
openai_id(enum mock_endpoint ep, uint64_t serial, char *out, size_t cap)
{
	const char *prefix = ep == MOCK_EP_CHAT ? "chatcmpl-" : ep == MOCK_EP_COMPLETIONS ? "cmpl-" : "";

	snprintf(out, cap, "%smock%020llu", prefix, (unsigned long long)serial);
}

static void
put_headers(const struct mock_job *job, struct ag_buf *out)
{
	ag_buf_printf(out,
	              "x-request-id: req_mock%020llu\r\n"
	              "openai-processing-ms: 7\r\nopenai-version: 2020-10-01\r\n"
	              "x-ratelimit-limit-requests: 10000\r\n"
	              "x-ratelimit-limit-tokens: 2000000\r\n"
	              "x-ratelimit-remaining-requests: 9999\r\n"
	              "x-ratelimit-remaining-tokens: 1999990\r\n"
	              "x-ratelimit-reset-requests: 6ms\r\nx-ratelimit-reset-tokens: 0s\r\n",
	              (unsigned long long)job->serial);
}

static enum mock_framing
framing(const struct mock_job *job, bool wants_chunks)
{
	if (job->what && mock_do_flag(job->what, MOCK_KEY_UNTIL_EOF))
		return MOCK_FRAME_EOF;
	if (!wants_chunks && !(job->what && mock_do_flag(job->what, MOCK_KEY_CHUNKED)))
		return MOCK_FRAME_LENGTH;
	return job->is_http10 ? MOCK_FRAME_EOF : MOCK_FRAME_CHUNKED;
}

static void
send_whole(const struct mock_job *job, struct mock_answer *a, int status, const char *type,
           const struct ag_buf *body)
{
	struct ag_buf headers;

	ag_buf_init(&headers, 4096);
	put_headers(job, &headers);
	a->framing = framing(job, false);
	a->closes = job->closes;
	a->failed |= body->failed;
	mock_answer_whole(a, status, type, ag_buf_str(&headers), ag_buf_str(body));
	ag_buf_fini(&headers);
}

/* ------------------------------------------------------------------ errors */

struct error_row {
	int status;
	const char *type, *code, *message;
};

static const struct error_row *
error_row(int status)
{
	static const struct error_row row[] = {
		{ 400, "invalid_request_error", NULL, "the request is not valid" },
		{ 401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided" },
		{ 403, "invalid_request_error", "unsupported_country_region_territory",
		  "Country, region, or territory not supported" },
		{ 404, "invalid_request_error", "model_not_found", "The model does not exist" },
		{ 408, "timeout", NULL, "Request timed out" },
		{ 409, "conflict", NULL, "The resource is locked" },
		{ 413, "invalid_request_error", NULL, "The request is too large" },
		{ 429, "tokens", "rate_limit_exceeded", "Rate limit reached" },
		{ 502, "server_error", NULL, "Bad gateway" },
		{ 503, "server_error", "overloaded", "The engine is currently overloaded" },
		{ 504, "server_error", NULL, "Gateway timed out" },
		{ 500, "server_error", NULL, "The server had an error" },
	};
	size_t i = 0;

	while (i + 1 < AG_ARRAY_LEN(row) && row[i].status != status)
		i++;
	return &row[i];
}

static void
put_text_or_null(struct ag_buf *out, const char *name, struct ag_str s)
{
	ag_buf_printf(out, "\"%s\":", name);
	if (s.n == 0) {
		ag_buf_puts(out, "null");
		return;
	}
	ag_buf_putc(out, '"');
	ag_buf_put_json(out, s);
	ag_buf_putc(out, '"');
}

static void
put_error(struct ag_buf *out, const struct mock_job *job, const struct mock_error *e)
{
	const struct error_row *row = error_row(e->status);
	static const struct mock_do nothing;
	const struct mock_do *what = job->what ? job->what : &nothing;
	struct ag_str message = e->message.n > 0 ? e->message : ag_str(row->message);

	ag_buf_puts(out, "{\"error\":{");
	put_text_or_null(out, "message", mock_do_text(what, MOCK_KEY_ERROR_MESSAGE, message));
	ag_buf_putc(out, ',');
	put_text_or_null(out, "type", mock_do_text(what, MOCK_KEY_ERROR_TYPE,
	                                           ag_str(e->type ? e->type : row->type)));
	ag_buf_putc(out, ',');
	put_text_or_null(out, "param", ag_str(e->param));
	ag_buf_putc(out, ',');
	put_text_or_null(out, "code", mock_do_text(what, MOCK_KEY_ERROR_CODE,
	                                           ag_str(e->code ? e->code : row->code)));
	ag_buf_puts(out, "}}");
}

static void
openai_refuse(const struct mock_job *job, const struct mock_error *e, struct mock_answer *a)
{
	struct ag_buf body, headers;

	ag_buf_init(&body, EVENT_MAX);
	ag_buf_init(&headers, 4096);
	put_error(&body, job, e);
	put_headers(job, &headers);
	if (e->retry_after >= 0)
		ag_buf_printf(&headers, "retry-after: %lld\r\nretry-after-ms: %lld000\r\n",
		              (long long)e->retry_after, (long long)e->retry_after);
	a->framing = framing(job, false);
	a->closes = job->closes;
	mock_answer_whole(a, e->status, "application/json", ag_buf_str(&headers), ag_buf_str(&body));
	ag_buf_fini(&headers);
	ag_buf_fini(&body);
}

/* ------------------------------------------------------------------ content */

/* The bytes of words [from, to) of an answer, blanks between them included. */
static void
put_words(struct ag_buf *out, int64_t from, int64_t to)
{
	for (int64_t i = from; i < to && !out->failed; i++) {
		if (i > 0)
			ag_buf_putc(out, ' ');
		ag_buf_put(out, word[i & 15], WORD_BYTES);
	}
}

/* Where slice k of n begins in a text; never inside a character. */
static size_t
slice_at(struct ag_str s, int64_t k, int64_t n)
{
	size_t at = (size_t)((__int128)s.n * k / n);

	while (at < s.n && ((unsigned char)s.p[at] & 0xc0) == 0x80)
		at++;
	return at;
}

/* Slice k of the content of choice c, escaped for JSON. */
static void
put_content(struct ag_buf *out, const struct plan *p, int64_t k, int64_t c)
{
	int64_t slices = p->chunks * p->job->facts->n, slice = k * p->job->facts->n + c;
	int64_t pad = p->pad / slices + (slice < p->pad % slices ? 1 : 0);
	char *at;

	if (p->text.n > 0) {
		size_t from = slice_at(p->text, k, p->chunks), to = slice_at(p->text, k + 1, p->chunks);

		ag_buf_put_json(out, ag_str_n(p->text.p + from, to - from));
	} else {
		put_words(out, p->words * k / p->chunks, p->words * (k + 1) / p->chunks);
	}
	at = pad > 0 ? ag_buf_reserve(out, (size_t)pad) : NULL;
	if (at) {
		memset(at, 'x', (size_t)pad);
		ag_buf_commit(out, (size_t)pad);
	}
}

static void
plan_tokens(struct plan *p, const struct mock_job *job)
{
	const struct mock_facts *f = job->facts;
	const struct mock_do *d = job->what;
	int64_t chunks = mock_do_num(d, MOCK_KEY_CHUNKS, -1);
	int64_t want = mock_do_num(d, MOCK_KEY_TOKENS, f->stream && chunks > 0 ? chunks : 16);

	p->finish = "stop";
	if (f->max_tokens >= 0 && want > f->max_tokens && !mock_do_flag(d, MOCK_KEY_IGNORE_MAX)) {
		want = f->max_tokens;
		p->finish = "length";
	}
	p->words = want - mock_do_num(d, MOCK_KEY_REASONING_TOKENS, 0);
	if (p->words < 0)
		p->words = 0;
	p->prompt = mock_do_num(d, MOCK_KEY_PROMPT_TOKENS, (int64_t)((f->body_bytes + 3) / 4));
	p->completion = want * f->n;
	p->chunks = 1;
	if (f->stream) {
		int64_t most = p->text.n > 0 ? (int64_t)p->text.n : p->words;

		p->chunks = chunks >= 0 && chunks < most ? chunks : most;
		if (chunks < 0 && p->text.n > 0 && p->words > 0 && p->words < most)
			p->chunks = p->words;
		if (p->chunks < 1)
			p->chunks = 1;
	}
}

static void
plan_make(struct plan *p, const struct mock_job *job)
{
	const struct mock_do *d = job->what;

	*p = (struct plan){ .job = job, .is_chat = job->facts->endpoint == MOCK_EP_CHAT };
	p->text = mock_do_text(d, MOCK_KEY_TEXT, AG_STR_NONE);
	p->model = mock_do_text(d, MOCK_KEY_MODEL_SERVED, job->facts->model);
	p->tier = mock_do_text(d, MOCK_KEY_SERVICE_TIER, AG_STR("default"));
	p->error_after = mock_do_num(d, MOCK_KEY_ERROR_AFTER_CHUNKS, -1);
	openai_id(job->facts->endpoint, job->serial, p->id, sizeof(p->id));
	plan_tokens(p, job);
}

static void
put_usage_members(struct ag_buf *out, const struct mock_do *d, int64_t prompt, int64_t completion)
{
	ag_buf_printf(out, "{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld",
	              (long long)prompt, (long long)completion, (long long)(prompt + completion));
	ag_buf_printf(out, ",\"prompt_tokens_details\":{\"cached_tokens\":%lld,",
	              (long long)mock_do_num(d, MOCK_KEY_CACHED_TOKENS, 0));
	if (mock_do_has(d, MOCK_KEY_CACHE_WRITE_TOKENS))
		ag_buf_printf(out, "\"cache_write_tokens\":%lld,",
		              (long long)mock_do_num(d, MOCK_KEY_CACHE_WRITE_TOKENS, 0));
	ag_buf_printf(out,
	              "\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":%lld,"
	              "\"audio_tokens\":0,\"accepted_prediction_tokens\":0,"
	              "\"rejected_prediction_tokens\":0}}",
	              (long long)mock_do_num(d, MOCK_KEY_REASONING_TOKENS, 0));
}

static void
put_usage(struct ag_buf *out, const struct plan *p, struct mock_answer *a)
{
	const struct mock_do *d = p->job->what;
	static const struct mock_do nothing;

	if (mock_do_flag(d, MOCK_KEY_USAGE_ZERO)) {
		put_usage_members(out, &nothing, 0, 0);
	} else if (mock_do_flag(d, MOCK_KEY_USAGE_NEGATIVE)) {
		put_usage_members(out, &nothing, -5, -7);
	} else {
		put_usage_members(out, d, p->prompt, p->completion);
		a->usage_prompt = p->prompt;
		a->usage_completion = p->completion;
	}
}

/* ------------------------------------------------------------------ answers in one piece */

static void
put_choices(struct ag_buf *out, const struct plan *p)
{
	for (int64_t c = 0; c < p->job->facts->n; c++) {
		ag_buf_printf(out, "%s{\"index\":%lld,", c > 0 ? "," : "", (long long)c);
		ag_buf_puts(out, p->is_chat ? "\"message\":{\"role\":\"assistant\",\"content\":\"" : "\"text\":\"");
		put_content(out, p, 0, c);
		ag_buf_puts(out, p->is_chat ? "\",\"refusal\":null,\"annotations\":[]}" : "\"");
		ag_buf_printf(out, ",\"logprobs\":null,\"finish_reason\":\"%s\"}", p->finish);
	}
}

static void
put_intro(struct ag_buf *out, const struct plan *p, const char *object)
{
	ag_buf_printf(out, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"model\":\"", p->id,
	              object, (long long)(p->job->wall_us / AG_US_PER_SEC));
	ag_buf_put_json(out, p->model);
	ag_buf_puts(out, "\",\"service_tier\":\"");
	ag_buf_put_json(out, p->tier);
	ag_buf_puts(out, "\",\"system_fingerprint\":\"fp_mock\",\"choices\":[");
}

static void
put_whole_body(struct ag_buf *out, const struct plan *p, struct mock_answer *a)
{
	put_intro(out, p, p->is_chat ? "chat.completion" : "text_completion");
	if (mock_do_flag(p->job->what, MOCK_KEY_GARBAGE_CHUNK)) {
		ag_buf_puts(out, "{\"index\":0,\"mess");
		return;
	}
	put_choices(out, p);
	ag_buf_putc(out, ']');
	if (!mock_do_flag(p->job->what, MOCK_KEY_NO_USAGE)) {
		ag_buf_puts(out, ",\"usage\":");
		put_usage(out, p, a);
	}
	ag_buf_puts(out, "}\n");
}

static void
render_whole(struct plan *p, struct mock_answer *a)
{
	int64_t bytes = mock_do_num(p->job->what, MOCK_KEY_BODY_BYTES, 0);
	struct ag_buf body;

	ag_buf_init(&body, MOCK_OUT_MAX);
	put_whole_body(&body, p, a);
	if (bytes > (int64_t)body.n) {
		p->pad = bytes - (int64_t)body.n;
		ag_buf_reset(&body);
		put_whole_body(&body, p, a);
	}
	send_whole(p->job, a, (int)mock_do_num(p->job->what, MOCK_KEY_STATUS, 200), "application/json",
	           &body);
	if (a->usage_prompt > 0 || a->usage_completion > 0)
		a->usage_end = a->out.n;
	ag_buf_fini(&body);
}

/* ------------------------------------------------------------------ streams */

struct stream {
	const struct plan *p;
	struct mock_answer *a;
	struct ag_buf intro; /* the members that every event begins with */
	struct ag_buf event;
};

static void
event_begin(struct stream *s)
{
	ag_buf_reset(&s->event);
	ag_buf_puts(&s->event, "data: ");
	ag_buf_put_str(&s->event, ag_buf_str(&s->intro));
}

static void
event_end(struct stream *s, bool has_choice, int32_t chunks)
{
	if (has_choice) {
		ag_buf_putc(&s->event, ']');
		if (s->p->job->facts->include_usage && !mock_do_flag(s->p->job->what, MOCK_KEY_NO_USAGE))
			ag_buf_puts(&s->event, ",\"usage\":null");
		ag_buf_puts(&s->event, "}\n\n");
	}
	s->a->failed |= s->event.failed;
	mock_answer_put(s->a, ag_buf_str(&s->event), chunks, true);
}

static void
put_role_event(struct stream *s, int64_t c)
{
	event_begin(s);
	ag_buf_printf(&s->event,
	              "{\"index\":%lld,\"delta\":{\"role\":\"assistant\",\"content\":\"\","
	              "\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}",
	              (long long)c);
	event_end(s, true, -1);
}

static void
put_content_event(struct stream *s, int64_t k, int64_t c)
{
	bool is_last = c + 1 == s->p->job->facts->n;

	event_begin(s);
	ag_buf_printf(&s->event, "{\"index\":%lld,%s", (long long)c,
	              s->p->is_chat ? "\"delta\":{\"content\":\"" : "\"text\":\"");
	put_content(&s->event, s->p, k, c);
	ag_buf_printf(&s->event, "\"%s,\"logprobs\":null,\"finish_reason\":null}",
	              s->p->is_chat ? "}" : "");
	event_end(s, true, is_last ? (int32_t)(k + 1) : -1);
}

static void
put_finish_event(struct stream *s, int64_t c)
{
	event_begin(s);
	ag_buf_printf(&s->event, "{\"index\":%lld,%s,\"logprobs\":null,\"finish_reason\":\"%s\"}",
	              (long long)c, s->p->is_chat ? "\"delta\":{}" : "\"text\":\"\"", s->p->finish);
	event_end(s, true, -1);
}

static void
put_raw_event(struct stream *s, const char *text)
{
	ag_buf_reset(&s->event);
	ag_buf_puts(&s->event, text);
	event_end(s, false, -1);
}

static void
put_error_event(struct stream *s)
{
	struct mock_error e = { .status = 500, .retry_after = -1 };

	ag_buf_reset(&s->event);
	ag_buf_puts(&s->event, "data: ");
	put_error(&s->event, s->p->job, &e);
	ag_buf_puts(&s->event, "\n\n");
	event_end(s, false, -1);
}

static void
put_usage_event(struct stream *s)
{
	event_begin(s);
	ag_buf_puts(&s->event, "],\"usage\":");
	put_usage(&s->event, s->p, s->a);
	ag_buf_puts(&s->event, "}\n\n");
	event_end(s, false, -1);
	s->a->usage_end = s->a->out.n;
}

/* False when the script ended the stream with an error event. */
static bool
put_content_events(struct stream *s)
{
	const struct mock_facts *f = s->p->job->facts;

	if (s->p->error_after == 0) {
		put_error_event(s);
		return false;
	}
	for (int64_t c = 0; s->p->is_chat && c < f->n; c++)
		put_role_event(s, c);
	for (int64_t k = 0; k < s->p->chunks && !s->a->failed; k++) {
		for (int64_t c = 0; c < f->n; c++)
			put_content_event(s, k, c);
		if (k == 0 && mock_do_flag(s->p->job->what, MOCK_KEY_GARBAGE_CHUNK))
			put_raw_event(s, "data: {\"id\":\"chatcmpl-mock\",\"choices\":[{\"ind\n\n");
		if (s->p->error_after == k + 1) {
			put_error_event(s);
			return false;
		}
	}
	return true;
}

static void
put_stream(struct plan *p, struct mock_answer *a)
{
	const struct mock_do *d = p->job->what;
	struct stream s = { .p = p, .a = a };
	struct ag_buf headers;

	ag_buf_init(&headers, 4096);
	ag_buf_init(&s.intro, EVENT_MAX);
	ag_buf_init(&s.event, EVENT_MAX);
	put_headers(p->job, &headers);
	ag_buf_puts(&headers, "cache-control: no-cache\r\n");
	put_intro(&s.intro, p, p->is_chat ? "chat.completion.chunk" : "text_completion");
	a->framing = framing(p->job, true);
	a->closes = p->job->closes;
	a->is_stream = true;
	mock_answer_head(a, (int)mock_do_num(d, MOCK_KEY_STATUS, 200), "text/event-stream; charset=utf-8",
	                 ag_buf_str(&headers), 0);
	if (put_content_events(&s)) {
		for (int64_t c = 0; c < p->job->facts->n; c++)
			put_finish_event(&s, c);
		if (p->job->facts->include_usage && !mock_do_flag(d, MOCK_KEY_NO_USAGE))
			put_usage_event(&s);
		if (!mock_do_flag(d, MOCK_KEY_NO_DONE))
			put_raw_event(&s, "data: [DONE]\n\n");
	}
	mock_answer_end(a);
	ag_buf_fini(&s.event);
	ag_buf_fini(&s.intro);
	ag_buf_fini(&headers);
}

static void
render_stream(struct plan *p, struct mock_answer *a)
{
	int64_t bytes = mock_do_num(p->job->what, MOCK_KEY_BODY_BYTES, 0);

	put_stream(p, a);
	if (bytes > (int64_t)a->payload_n && !a->failed) {
		p->pad = bytes - (int64_t)a->payload_n;
		mock_answer_reset(a);
		put_stream(p, a);
	}
}

/* ------------------------------------------------------------------ the other endpoints */

static void
put_base64(struct ag_buf *out, const unsigned char *p, size_t n)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
		             (left > 2 ? (uint32_t)p[i + 2] : 0);

		ag_buf_putc(out, set[v >> 18]);
		ag_buf_putc(out, set[(v >> 12) & 63]);
		ag_buf_putc(out, left > 1 ? set[(v >> 6) & 63] : '=');
		ag_buf_putc(out, left > 2 ? set[v & 63] : '=');
	}
}

/* Numbers of three decimals that differ by place and by entry. */
static void
put_vector(struct ag_buf *out, const struct mock_facts *f, int64_t entry)
{
	float v[4096];

	assert(f->dimensions <= (int64_t)AG_ARRAY_LEN(v));
	if (!f->is_base64)
		ag_buf_putc(out, '[');
	for (int64_t i = 0; i < f->dimensions; i++) {
		int64_t milli = (i * 37 + entry * 11) % 200 - 100;

		v[i] = (float)milli / 1000.0f;
		if (!f->is_base64)
			ag_buf_printf(out, "%s%s0.%03lld", i > 0 ? "," : "", milli < 0 ? "-" : "",
			              (long long)(milli < 0 ? -milli : milli));
	}
	if (!f->is_base64) {
		ag_buf_putc(out, ']');
		return;
	}
	ag_buf_putc(out, '"');
	put_base64(out, (const unsigned char *)v, (size_t)f->dimensions * sizeof(v[0]));
	ag_buf_putc(out, '"');
}

static void
render_embeddings(struct plan *p, struct mock_answer *a)
{
	const struct mock_do *d = p->job->what;
	int64_t prompt = mock_do_flag(d, MOCK_KEY_USAGE_ZERO)       ? 0
	                 : mock_do_flag(d, MOCK_KEY_USAGE_NEGATIVE) ? -5
	                                                            : p->prompt;
	struct ag_buf body;

	ag_buf_init(&body, MOCK_OUT_MAX);
	ag_buf_puts(&body, "{\"object\":\"list\",\"data\":[");
	for (int64_t i = 0; i < p->job->facts->inputs && !body.failed; i++) {
		ag_buf_printf(&body, "%s{\"object\":\"embedding\",\"index\":%lld,\"embedding\":",
		              i > 0 ? "," : "", (long long)i);
		put_vector(&body, p->job->facts, i);
		ag_buf_putc(&body, '}');
	}
	ag_buf_puts(&body, "],\"model\":\"");
	ag_buf_put_json(&body, p->model);
	ag_buf_putc(&body, '"');
	if (!mock_do_flag(d, MOCK_KEY_NO_USAGE))
		ag_buf_printf(&body, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}",
		              (long long)prompt, (long long)prompt);
	ag_buf_puts(&body, "}\n");
	p->completion = 0;
	send_whole(p->job, a, 200, "application/json", &body);
	if (!mock_do_flag(d, MOCK_KEY_NO_USAGE) && prompt > 0) {
		a->usage_prompt = prompt;
		a->usage_end = a->out.n;
	}
	ag_buf_fini(&body);
}

static void
put_model(struct ag_buf *out, struct ag_str id)
{
	ag_buf_puts(out, "{\"id\":\"");
	ag_buf_put_json(out, id);
	ag_buf_puts(out, "\",\"object\":\"model\",\"created\":1715367049,\"owned_by\":\"system\"}");
}

static void
render_models(const struct mock_job *job, struct mock_answer *a)
{
	struct mock_error missing = { .status = 404, .param = "model", .retry_after = -1 };
	bool is_found = false;
	struct ag_buf body;

	ag_buf_init(&body, EVENT_MAX);
	if (job->facts->endpoint == MOCK_EP_MODELS)
		ag_buf_puts(&body, "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; i < AG_ARRAY_LEN(model_list); i++) {
		struct ag_str id = ag_str(model_list[i]);

		if (job->facts->endpoint == MOCK_EP_MODEL && !ag_str_eq(id, job->model_id))
			continue;
		if (is_found)
			ag_buf_putc(&body, ',');
		put_model(&body, id);
		is_found = true;
	}
	if (job->facts->endpoint == MOCK_EP_MODELS)
		ag_buf_puts(&body, "]}");
	ag_buf_putc(&body, '\n');
	if (is_found)
		send_whole(job, a, 200, "application/json", &body);
	else
		openai_refuse(job, &missing, a);
	ag_buf_fini(&body);
}

/* A body given by script, sent as it is; a stream goes event by event. */
static void
render_verbatim(const struct mock_job *job, struct mock_answer *a)
{
	const struct mock_do *d = job->what;
	struct ag_str body = mock_do_text(d, MOCK_KEY_BODY, AG_STR_NONE);
	struct ag_str type = mock_do_text(d, MOCK_KEY_CONTENT_TYPE, AG_STR("application/json"));
	char content_type[260];
	struct ag_buf headers;
	int32_t chunks = 0;

	ag_str_copy(type, content_type, sizeof(content_type));
	a->is_stream = ag_str_starts(type, AG_STR("text/event-stream"));
	a->framing = framing(job, a->is_stream);
	a->closes = job->closes;
	ag_buf_init(&headers, 4096);
	put_headers(job, &headers);
	mock_answer_head(a, (int)mock_do_num(d, MOCK_KEY_STATUS, 200), content_type,
	                 ag_buf_str(&headers), body.n);
	ag_buf_fini(&headers);
	while (body.n > 0) {
		const char *gap = a->is_stream ? memmem(body.p, body.n, "\n\n", 2) : NULL;
		struct ag_str part = ag_str_n(body.p, gap ? (size_t)(gap - body.p) + 2 : body.n);

		mock_answer_put(a, part, ++chunks, a->is_stream);
		body = ag_str_skip(body, part.n);
	}
	mock_answer_end(a);
}

static void
openai_render(const struct mock_job *job, struct mock_answer *a)
{
	int64_t status = mock_do_num(job->what, MOCK_KEY_STATUS, 200);
	struct mock_error e = { .status = (int)status,
		                .retry_after = mock_do_num(job->what, MOCK_KEY_RETRY_AFTER, -1) };
	struct plan p;

	plan_make(&p, job);
	if (mock_do_has(job->what, MOCK_KEY_BODY)) {
		render_verbatim(job, a);
	} else if (status < 200 || status >= 300) {
		openai_refuse(job, &e, a);
	} else {
		switch (job->facts->endpoint) {
		case MOCK_EP_CHAT:
		case MOCK_EP_COMPLETIONS:
			if (job->facts->stream)
				render_stream(&p, a);
			else
				render_whole(&p, a);
			break;
		case MOCK_EP_EMBEDDINGS:
			render_embeddings(&p, a);
			break;
		case MOCK_EP_MODELS:
		case MOCK_EP_MODEL:
			render_models(job, a);
			return;
		}
		a->prompt_tokens = p.prompt;
		a->completion_tokens = p.completion;
	}
}

const struct mock_format mock_format_openai = {
	.name = "openai",
	.route = openai_route,
	.key = openai_key,
	.render = openai_render,
	.refuse = openai_refuse,
	.id = openai_id,
};
