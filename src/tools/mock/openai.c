#include "tools/mock/openai.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"

#define EVENT_MAX (40u * 1024u * 1024u)

static const char *const model_list[] = {"gpt-4o",
					 "gpt-4o-mini",
					 "gpt-4.1",
					 "gpt-3.5-turbo-instruct",
					 "text-embedding-3-small",
					 "text-embedding-3-large"};

static int
openai_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
	     struct ag_str *out_id)
{
	static const struct {
		struct ag_str path;
		const char *method;
		enum mock_endpoint ep;
	} row[] = {
		{AG_STR("/v1/chat/completions"), "POST", MOCK_EP_CHAT},
		{AG_STR("/v1/completions"), "POST", MOCK_EP_COMPLETIONS},
		{AG_STR("/v1/embeddings"), "POST", MOCK_EP_EMBEDDINGS},
		{AG_STR("/v1/models"), "GET", MOCK_EP_MODELS},
		{AG_STR("/v1/models/"), "GET", MOCK_EP_MODEL},
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

void
mock_openai_id(enum mock_endpoint ep, uint64_t serial, char *out, size_t cap)
{
	const char *prefix = ep == MOCK_EP_CHAT          ? "chatcmpl-"
			     : ep == MOCK_EP_COMPLETIONS ? "cmpl-"
							 : "";

	snprintf(out, cap, "%smock%020llu", prefix, (unsigned long long)serial);
}

void
mock_openai_headers(const struct mock_job *job, struct ag_buf *out)
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

enum mock_framing
mock_openai_framing(const struct mock_job *job, bool wants_chunks)
{
	if (job->what && mock_do_flag(job->what, MOCK_KEY_UNTIL_EOF))
		return MOCK_FRAME_EOF;
	if (!wants_chunks && !(job->what && mock_do_flag(job->what, MOCK_KEY_CHUNKED)))
		return MOCK_FRAME_LENGTH;
	return job->is_http10 ? MOCK_FRAME_EOF : MOCK_FRAME_CHUNKED;
}

void
mock_openai_whole(const struct mock_job *job, struct mock_answer *a, int status, const char *type,
		  const struct ag_buf *body)
{
	struct ag_buf headers;

	ag_buf_init(&headers, 4096);
	mock_openai_headers(job, &headers);
	a->framing = mock_openai_framing(job, false);
	a->closes = job->closes;
	a->failed |= body->failed;
	mock_answer_whole(a, status, type, ag_buf_str(&headers), ag_buf_str(body));
	ag_buf_fini(&headers);
}

struct error_row {
	int status;
	const char *type, *code, *message;
};

static const struct error_row *
error_row(int status)
{
	static const struct error_row row[] = {
		{400, "invalid_request_error", NULL, "the request is not valid"},
		{401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided"},
		{403, "invalid_request_error", "unsupported_country_region_territory",
		 "Country, region, or territory not supported"},
		{404, "invalid_request_error", "model_not_found", "The model does not exist"},
		{408, "timeout", NULL, "Request timed out"},
		{409, "conflict", NULL, "The resource is locked"},
		{413, "invalid_request_error", NULL, "The request is too large"},
		{429, "tokens", "rate_limit_exceeded", "Rate limit reached"},
		{502, "server_error", NULL, "Bad gateway"},
		{503, "server_error", "overloaded", "The engine is currently overloaded"},
		{504, "server_error", NULL, "Gateway timed out"},
		{500, "server_error", NULL, "The server had an error"},
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

void
mock_openai_error(struct ag_buf *out, const struct mock_job *job, const struct mock_error *e)
{
	const struct error_row *row = error_row(e->status);
	static const struct mock_do nothing;
	const struct mock_do *what = job->what ? job->what : &nothing;
	struct ag_str message = e->message.n > 0 ? e->message : ag_str(row->message);

	ag_buf_puts(out, "{\"error\":{");
	put_text_or_null(out, "message", mock_do_text(what, MOCK_KEY_ERROR_MESSAGE, message));
	ag_buf_putc(out, ',');
	put_text_or_null(
		out, "type",
		mock_do_text(what, MOCK_KEY_ERROR_TYPE, ag_str(e->type ? e->type : row->type)));
	ag_buf_putc(out, ',');
	put_text_or_null(out, "param", ag_str(e->param));
	ag_buf_putc(out, ',');
	put_text_or_null(
		out, "code",
		mock_do_text(what, MOCK_KEY_ERROR_CODE, ag_str(e->code ? e->code : row->code)));
	ag_buf_puts(out, "}}");
}

static void
openai_refuse(const struct mock_job *job, const struct mock_error *e, struct mock_answer *a)
{
	struct ag_buf body, headers;

	ag_buf_init(&body, EVENT_MAX);
	ag_buf_init(&headers, 4096);
	mock_openai_error(&body, job, e);
	mock_openai_headers(job, &headers);
	if (e->retry_after >= 0)
		ag_buf_printf(&headers, "retry-after: %lld\r\nretry-after-ms: %lld000\r\n",
			      (long long)e->retry_after, (long long)e->retry_after);
	a->framing = mock_openai_framing(job, false);
	a->closes = job->closes;
	mock_answer_whole(a, e->status, "application/json", ag_buf_str(&headers),
			  ag_buf_str(&body));
	ag_buf_fini(&headers);
	ag_buf_fini(&body);
}

static void
put_base64(struct ag_buf *out, const unsigned char *p, size_t n)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): n bytes are set */
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
render_embeddings(const struct mock_job *job, struct mock_answer *a)
{
	const struct mock_do *d = job->what;
	int64_t prompt = mock_do_flag(d, MOCK_KEY_USAGE_ZERO) ? 0
			 : mock_do_flag(d, MOCK_KEY_USAGE_NEGATIVE)
				 ? -5
				 : mock_openai_prompt_tokens(job);
	struct ag_buf body;

	ag_buf_init(&body, MOCK_OUT_MAX);
	ag_buf_puts(&body, "{\"object\":\"list\",\"data\":[");
	for (int64_t i = 0; i < job->facts->inputs && !body.failed; i++) {
		ag_buf_printf(&body, "%s{\"object\":\"embedding\",\"index\":%lld,\"embedding\":",
			      i > 0 ? "," : "", (long long)i);
		put_vector(&body, job->facts, i);
		ag_buf_putc(&body, '}');
	}
	ag_buf_puts(&body, "],\"model\":\"");
	ag_buf_put_json(&body, mock_do_text(d, MOCK_KEY_MODEL_SERVED, job->facts->model));
	ag_buf_putc(&body, '"');
	if (!mock_do_flag(d, MOCK_KEY_NO_USAGE))
		ag_buf_printf(&body, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}",
			      (long long)prompt, (long long)prompt);
	ag_buf_puts(&body, "}\n");
	a->prompt_tokens = mock_openai_prompt_tokens(job);
	mock_openai_whole(job, a, 200, "application/json", &body);
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
	struct mock_error missing = {.status = 404, .param = "model", .retry_after = -1};
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
		mock_openai_whole(job, a, 200, "application/json", &body);
	else
		openai_refuse(job, &missing, a);
	ag_buf_fini(&body);
}

static int
sextet(char c)
{
	static const char table[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(table, c) : NULL;

	return at ? (int)(at - table) : -1;
}

static void
decode_base64(struct ag_str text, struct ag_buf *out)
{
	unsigned bits = 0, n = 0;

	for (size_t i = 0; i < text.n; i++) {
		int v = sextet(text.p[i]);

		if (v < 0)
			continue;
		bits = bits << 6 | (unsigned)v;
		n += 6;
		if (n >= 8) {
			n -= 8;
			ag_buf_putc(out, (char)(bits >> n & 255));
		}
	}
}

static void
read_body_file(struct ag_str name, struct ag_buf *out)
{
	char path[4097];
	struct ag_buf raw;
	FILE *f;
	size_t got;

	ag_str_copy(name, path, sizeof(path));
	f = fopen(path, "r");
	if (!f) {
		out->failed = true;
		return;
	}
	ag_buf_init(&raw, EVENT_MAX);
	do {
		char *at = ag_buf_reserve(&raw, 65536);

		got = at ? fread(at, 1, 65536, f) : 0;
		ag_buf_commit(&raw, got);
	} while (got > 0);
	fclose(f);
	if (name.n > 4 && ag_str_eq(ag_str_skip(name, name.n - 4), AG_STR(".b64")))
		decode_base64(ag_buf_str(&raw), out);
	else
		ag_buf_put_str(out, ag_buf_str(&raw));
	ag_buf_fini(&raw);
}

/* Where the first event ends, behind its empty line. */
static size_t
event_end(struct ag_str body)
{
	const char *lf = memmem(body.p, body.n, "\n\n", 2), *crlf = memmem(body.p, body.n, "\r\n\r\n", 4);

	if (crlf && (!lf || crlf < lf))
		return (size_t)(crlf - body.p) + 4;
	return lf ? (size_t)(lf - body.p) + 2 : body.n;
}

/* "name: value" lines of the script. */
static void
put_scripted_headers(struct ag_str lines, struct ag_buf *out)
{
	while (lines.n > 0) {
		const char *lf = memchr(lines.p, '\n', lines.n);
		struct ag_str one = ag_str_n(lines.p, lf ? (size_t)(lf - lines.p) : lines.n);

		ag_buf_put_str(out, one);
		ag_buf_puts(out, "\r\n");
		lines = ag_str_skip(lines, one.n + 1);
	}
}

/* A stream goes event by event. */
void
mock_openai_verbatim(const struct mock_job *job, struct mock_answer *a)
{
	const struct mock_do *d = job->what;
	struct ag_str body = mock_do_text(d, MOCK_KEY_BODY, AG_STR_NONE);
	struct ag_str type = mock_do_text(d, MOCK_KEY_CONTENT_TYPE, AG_STR("application/json"));
	char content_type[260];
	struct ag_buf headers, file;
	int32_t chunks = 0;

	ag_buf_init(&file, EVENT_MAX);
	if (mock_do_has(d, MOCK_KEY_BODY_FILE)) {
		read_body_file(mock_do_text(d, MOCK_KEY_BODY_FILE, AG_STR_NONE), &file);
		a->failed |= file.failed;
		body = ag_buf_str(&file);
	}
	ag_str_copy(type, content_type, sizeof(content_type));
	a->prompt_tokens = mock_do_num(d, MOCK_KEY_PROMPT_TOKENS, 0);
	a->completion_tokens = mock_do_num(d, MOCK_KEY_TOKENS, 0);
	a->is_stream = ag_str_starts(type, AG_STR("text/event-stream"));
	a->framing = mock_openai_framing(job, a->is_stream);
	a->closes = job->closes;
	ag_buf_init(&headers, 8192);
	mock_openai_headers(job, &headers);
	put_scripted_headers(mock_do_text(d, MOCK_KEY_HEADERS, AG_STR_NONE), &headers);
	mock_answer_head(a, (int)mock_do_num(d, MOCK_KEY_STATUS, 200), content_type,
			 ag_buf_str(&headers), body.n);
	ag_buf_fini(&headers);
	while (body.n > 0) {
		struct ag_str part = ag_str_n(body.p, a->is_stream ? event_end(body) : body.n);

		mock_answer_put(a, part, ++chunks, a->is_stream);
		body = ag_str_skip(body, part.n);
	}
	mock_answer_end(a);
	ag_buf_fini(&file);
}

static void
openai_render(const struct mock_job *job, struct mock_answer *a)
{
	int64_t status = mock_do_num(job->what, MOCK_KEY_STATUS, 200);
	struct mock_error e = {.status = (int)status,
			       .retry_after = mock_do_num(job->what, MOCK_KEY_RETRY_AFTER, -1)};

	if (mock_do_has(job->what, MOCK_KEY_BODY) || mock_do_has(job->what, MOCK_KEY_BODY_FILE)) {
		mock_openai_verbatim(job, a);
		return;
	}
	if (status >= 300) {
		openai_refuse(job, &e, a);
		return;
	}
	switch (job->facts->endpoint) {
	case MOCK_EP_CHAT:
	case MOCK_EP_COMPLETIONS:
		mock_openai_text(job, a);
		break;
	case MOCK_EP_EMBEDDINGS:
		render_embeddings(job, a);
		break;
	case MOCK_EP_MODELS:
	case MOCK_EP_MODEL:
		render_models(job, a);
		break;
	}
}

const struct mock_format mock_format_openai = {
	.name = "openai",
	.route = openai_route,
	.key = openai_key,
	.render = openai_render,
	.refuse = openai_refuse,
	.id = mock_openai_id,
};
