#include "tools/mock/openai.h"

#include <assert.h>
#include <stdio.h>

#include "tools/mock/reply.h"

#define EVENT_MAX (40u * 1024u * 1024u)

static const char *const model_list[] = {"gpt-4o",
					 "gpt-4o-mini",
					 "gpt-4.1",
					 "gpt-3.5-turbo-instruct",
					 "text-embedding-3-small",
					 "text-embedding-3-large"};

static bool
ends(struct ag_str s, struct ag_str tail)
{
	return s.n >= tail.n && ag_str_eq(ag_str_skip(s, s.n - tail.n), tail);
}

/* The path behind its version, or behind the deployment. */
static int
route_tail(struct ag_str method, struct ag_str path, enum mock_endpoint *out)
{
	static const struct {
		struct ag_str path;
		enum mock_endpoint ep;
	} row[] = {
		{AG_STR("/chat/completions"), MOCK_EP_CHAT},
		{AG_STR("/completions"), MOCK_EP_COMPLETIONS},
		{AG_STR("/embeddings"), MOCK_EP_EMBEDDINGS},
		{AG_STR("/responses"), MOCK_EP_RESPONSES},
		{AG_STR("/moderations"), MOCK_EP_MODERATIONS},
		{AG_STR("/images/generations"), MOCK_EP_IMAGES},
		{AG_STR("/audio/speech"), MOCK_EP_SPEECH},
		{AG_STR("/audio/transcriptions"), MOCK_EP_TRANSCRIPTION},
		{AG_STR("/audio/translations"), MOCK_EP_TRANSCRIPTION},
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(row); i++) {
		if (!ag_str_eq(path, row[i].path))
			continue;
		*out = row[i].ep;
		return ag_str_eq(method, AG_STR("POST")) ? 0 : 405;
	}
	return 404;
}

static int
openai_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
	     struct ag_str *out_id)
{
	static const struct ag_str models = AG_STR("/v1/models"), model = AG_STR("/v1/models/");

	*out_id = AG_STR_NONE;
	if (ag_str_eq(path, models) || (ag_str_starts(path, model) && path.n > model.n)) {
		*out = path.n > model.n ? MOCK_EP_MODEL : MOCK_EP_MODELS;
		*out_id = ag_str_skip(path, model.n);
		return ag_str_eq(method, AG_STR("GET")) ? 0 : 405;
	}
	return ag_str_starts(path, AG_STR("/v1/")) ? route_tail(method, ag_str_skip(path, 3), out)
						   : 404;
}

static const struct ag_str mistral_prefix = AG_STR("/mistral/v1");

static int
mistral_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
	      struct ag_str *out_id)
{
	int status = route_tail(method, ag_str_skip(path, mistral_prefix.n), out);

	*out_id = AG_STR_NONE;
	if (status == 0 && *out != MOCK_EP_CHAT && *out != MOCK_EP_EMBEDDINGS &&
	    *out != MOCK_EP_MODERATIONS && *out != MOCK_EP_TRANSCRIPTION)
		return 404;
	return status;
}

static int
azure_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
	    struct ag_str *out_id)
{
	static const struct ag_str mark = AG_STR("/deployments/");
	const char *at = memmem(path.p, path.n, mark.p, mark.n);
	struct ag_str id = at ? ag_str_skip(path, (size_t)(at - path.p) + mark.n) : AG_STR_NONE;
	const char *slash = id.n > 0 ? memchr(id.p, '/', id.n) : NULL;

	if (!slash || slash == id.p)
		return 404;
	*out_id = ag_str_n(id.p, (size_t)(slash - id.p));
	return route_tail(method, ag_str_skip(id, out_id->n), out);
}

/* A part of the path that only one of them has.  The usual one is asked for first: benchmarks. */
const struct mock_format *
mock_format_of(struct ag_str path)
{
	static const struct {
		struct ag_str part;
		bool at_end;
		const struct mock_format *format;
	} row[] = {
		{AG_STR("/v1/messages"), true, &mock_format_anthropic},
		{AG_STR("/v1/messages/count_tokens"), true, &mock_format_anthropic},
		{AG_STR("/publishers/anthropic/"), false, &mock_format_vertex_claude},
		{AG_STR("/publishers/"), false, &mock_format_vertex},
		{AG_STR("/model/"), false, &mock_format_bedrock},
		{AG_STR("/v2/chat"), true, &mock_format_cohere},
		{AG_STR("/v2/embed"), true, &mock_format_cohere},
		{AG_STR("/v2/rerank"), true, &mock_format_cohere},
		{AG_STR("/deployments/"), false, &mock_format_azure},
		{AG_STR("/token"), true, &mock_format_oauth},
	};
	const char *colon;

	if (ag_str_eq(path, AG_STR("/v1/chat/completions")))
		return &mock_format_openai;
	if (ag_str_starts(path, mistral_prefix))
		return &mock_format_mistral;
	for (size_t i = 0; i < AG_ARRAY_LEN(row); i++)
		if (row[i].at_end ? ends(path, row[i].part)
				  : memmem(path.p, path.n, row[i].part.p, row[i].part.n) != NULL)
			return row[i].format;
	colon = path.n > 0 ? memrchr(path.p, ':', path.n) : NULL;
	if (colon && !memchr(colon, '/', path.n - (size_t)(colon - path.p)) &&
	    memmem(path.p, path.n, "/models/", 8))
		return &mock_format_gemini;
	return &mock_format_openai;
}

struct ag_str
mock_key_bearer(const struct mock_req *req, const struct ag_buf *in)
{
	struct ag_str v = mock_span_str(req->header[MOCK_H_AUTHORIZATION], in);

	if (v.n < 7 || !ag_str_ieq(ag_str_n(v.p, 7), AG_STR("bearer ")))
		return AG_STR_NONE;
	return ag_str_trim(ag_str_skip(v, 7));
}

struct ag_str
mock_key_any(const struct mock_req *req, const struct ag_buf *in)
{
	static const enum mock_header own[] = {MOCK_H_X_API_KEY, MOCK_H_API_KEY,
					       MOCK_H_GOOG_API_KEY, MOCK_H_AUTHORIZATION};
	struct ag_str v = mock_key_bearer(req, in);

	for (size_t i = 0; i < AG_ARRAY_LEN(own) && v.n == 0; i++)
		v = mock_span_str(req->header[own[i]], in);
	return v;
}

static struct ag_str
azure_key(const struct mock_req *req, const struct ag_buf *in)
{
	struct ag_str own = mock_span_str(req->header[MOCK_H_API_KEY], in);

	return own.n > 0 ? own : mock_key_bearer(req, in);
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

static void
put_whole(const struct mock_job *job, struct mock_answer *a, const struct ag_buf *body)
{
	struct ag_buf headers;

	ag_buf_init(&headers, 4096);
	mock_openai_headers(job, &headers);
	mock_put_whole(job, a, 200, NULL, ag_buf_str(&headers), body);
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
	a->framing = mock_framing_of(job, false);
	a->closes = job->closes;
	mock_answer_whole(a, e->status, "application/json", ag_buf_str(&headers),
			  ag_buf_str(&body));
	ag_buf_fini(&headers);
	ag_buf_fini(&body);
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
	mock_put_base64(out, (const unsigned char *)v, (size_t)f->dimensions * sizeof(v[0]));
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
	put_whole(job, a, &body);
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
		put_whole(job, a, &body);
	else
		openai_refuse(job, &missing, a);
	ag_buf_fini(&body);
}

static void
render_as(enum mock_kin kin, const struct mock_format *format, const struct mock_job *job,
	  struct mock_answer *a)
{
	if (mock_put_scripted(job, format->refuse, a))
		return;
	switch (job->facts->endpoint) {
	case MOCK_EP_CHAT:
	case MOCK_EP_COMPLETIONS:
		mock_openai_text(job, kin, a);
		break;
	case MOCK_EP_EMBEDDINGS:
		render_embeddings(job, a);
		break;
	case MOCK_EP_MODELS:
	case MOCK_EP_MODEL:
		render_models(job, a);
		break;
	case MOCK_EP_RESPONSES:
		mock_responses_render(job, a);
		break;
	case MOCK_EP_MODERATIONS:
	case MOCK_EP_IMAGES:
	case MOCK_EP_SPEECH:
	case MOCK_EP_TRANSCRIPTION:
		mock_media_render(job, a);
		break;
	case MOCK_EP_COUNT_TOKENS:
	case MOCK_EP_RERANK:
	case MOCK_EP_EMBED_BATCH:
	case MOCK_EP_PREDICT:
	case MOCK_EP_INVOKE:
	case MOCK_EP_TOKEN:
		assert(!"no route of this format leads here");
	}
}

static void
openai_render(const struct mock_job *job, struct mock_answer *a)
{
	render_as(MOCK_KIN_OPENAI, &mock_format_openai, job, a);
}

const struct mock_format mock_format_openai = {
	.name = "openai",
	.route = openai_route,
	.key = mock_key_bearer,
	.key_headers = 1u << MOCK_H_AUTHORIZATION,
	.read = mock_openai_read,
	.render = openai_render,
	.refuse = openai_refuse,
	.id = mock_openai_id,
};

/* ---- Azure: the deployment in the path, errors of its own ---- */

static void
put_error(const struct mock_job *job, int status, const struct ag_buf *b, int64_t retry_after,
	  struct mock_answer *a)
{
	struct ag_buf headers;

	ag_buf_init(&headers, 4096);
	ag_buf_printf(&headers, "apim-request-id: mock%llu\r\n", (unsigned long long)job->serial);
	if (retry_after >= 0)
		ag_buf_printf(&headers, "retry-after: %lld\r\n", (long long)retry_after);
	mock_put_whole(job, a, status, NULL, ag_buf_str(&headers), b);
	ag_buf_fini(&headers);
}

static void
azure_refuse(const struct mock_job *job, const struct mock_error *e, struct mock_answer *a)
{
	static const struct mock_do nothing;
	const struct mock_do *what = job->what ? job->what : &nothing;
	struct ag_str message =
		e->message.n > 0 ? e->message : ag_str(error_row(e->status)->message);
	char status[12];
	struct ag_buf b;

	snprintf(status, sizeof(status), "%d", e->status);
	ag_buf_init(&b, EVENT_MAX);
	ag_buf_puts(&b, "{\"error\":{\"code\":");
	mock_put_text(&b, mock_do_text(what, MOCK_KEY_ERROR_CODE,
				       ag_str(e->code && e->status == 400 ? e->code : status)));
	ag_buf_puts(&b, ",\"message\":");
	mock_put_text(&b, mock_do_text(what, MOCK_KEY_ERROR_MESSAGE, message));
	ag_buf_puts(&b, "}}");
	put_error(job, e->status, &b, e->retry_after, a);
	ag_buf_fini(&b);
}

static void
azure_render(const struct mock_job *job, struct mock_answer *a)
{
	render_as(MOCK_KIN_AZURE, &mock_format_azure, job, a);
}

const struct mock_format mock_format_azure = {
	.name = "azure",
	.route = azure_route,
	.key = azure_key,
	.key_headers = 1u << MOCK_H_API_KEY | 1u << MOCK_H_AUTHORIZATION,
	.read = mock_azure_read,
	.render = azure_render,
	.refuse = azure_refuse,
	.id = mock_openai_id,
};

/* ---- Mistral ---- */

static void
mistral_refuse(const struct mock_job *job, const struct mock_error *e, struct mock_answer *a)
{
	struct ag_str message =
		e->message.n > 0 ? e->message : ag_str(error_row(e->status)->message);
	struct ag_buf b;

	if (job->what)
		message = mock_do_text(job->what, MOCK_KEY_ERROR_MESSAGE, message);
	ag_buf_init(&b, EVENT_MAX);
	if (e->status == 401) {
		ag_buf_puts(&b, "{\"detail\":\"Unauthorized\"}");
	} else if (e->status == 422) {
		ag_buf_puts(&b, "{\"detail\":[{\"type\":\"value_error\",\"loc\":[\"body\",");
		mock_put_text(&b, ag_str(e->param ? e->param : ""));
		ag_buf_puts(&b, "],\"msg\":");
		mock_put_text(&b, message);
		ag_buf_puts(&b, "}]}");
	} else {
		ag_buf_puts(&b, "{\"object\":\"error\",\"message\":");
		mock_put_text(&b, message);
		ag_buf_printf(&b, ",\"type\":\"%s\",\"param\":null,\"code\":\"%d\"}",
			      e->status == 429 ? "rate_limited" : "invalid_request_error",
			      e->status * 10);
	}
	put_error(job, e->status, &b, e->retry_after, a);
	ag_buf_fini(&b);
}

static void
mistral_render(const struct mock_job *job, struct mock_answer *a)
{
	render_as(MOCK_KIN_MISTRAL, &mock_format_mistral, job, a);
}

const struct mock_format mock_format_mistral = {
	.name = "mistral",
	.route = mistral_route,
	.key = mock_key_bearer,
	.key_headers = 1u << MOCK_H_AUTHORIZATION,
	.read = mock_mistral_read,
	.render = mistral_render,
	.refuse = mistral_refuse,
	.id = mock_openai_id,
};
