/* anthropic.c - the Messages API, and any path whose answer is scripted whole. */
#include <assert.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/mock/openai.h"

#define BODY_MAX (40u * 1024u * 1024u)

static struct ag_str
any_key(const struct mock_req *req, const struct ag_buf *in)
{
	static const enum mock_header own[] = {MOCK_H_X_API_KEY, MOCK_H_API_KEY, MOCK_H_GOOG_API_KEY};
	struct ag_str v = mock_span_str(req->header[MOCK_H_AUTHORIZATION], in);

	if (v.n >= 7 && ag_str_ieq(ag_str_n(v.p, 7), AG_STR("bearer ")))
		return ag_str_trim(ag_str_skip(v, 7));
	for (size_t i = 0; i < AG_ARRAY_LEN(own) && v.n == 0; i++)
		v = mock_span_str(req->header[own[i]], in);
	return v;
}

static int
anthropic_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out, struct ag_str *out_id)
{
	*out_id = AG_STR_NONE;
	*out = ag_str_eq(path, AG_STR("/v1/messages")) ? MOCK_EP_CHAT : MOCK_EP_MODEL;
	return ag_str_eq(method, AG_STR("POST")) ? 0 : 405;
}

static void
put_headers(const struct mock_job *job, struct ag_buf *out)
{
	ag_buf_printf(out,
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
	a->framing = mock_openai_framing(job, false);
	a->closes = job->closes;
	a->failed |= body->failed;
	mock_answer_whole(a, status, "application/json", ag_buf_str(&headers), ag_buf_str(body));
	ag_buf_fini(&headers);
}

static const char *
error_type(int status)
{
	switch (status) {
	case 401:
		return "authentication_error";
	case 403:
		return "permission_error";
	case 404:
		return "not_found_error";
	case 413:
		return "request_too_large";
	case 429:
		return "rate_limit_error";
	case 529:
		return "overloaded_error";
	default:
		return status < 500 ? "invalid_request_error" : "api_error";
	}
}

static void
anthropic_refuse(const struct mock_job *job, const struct mock_error *e, struct mock_answer *a)
{
	struct ag_str message = e->message.n > 0 ? e->message : AG_STR("scripted");
	struct ag_buf b;

	if (job->what)
		message = mock_do_text(job->what, MOCK_KEY_ERROR_MESSAGE, message);
	ag_buf_init(&b, BODY_MAX);
	ag_buf_printf(&b, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"",
		      error_type(e->status));
	ag_buf_put_json(&b, message);
	ag_buf_puts(&b, "\"},\"request_id\":\"req_mock\"}");
	put_whole(job, a, e->status, &b, e->retry_after);
	ag_buf_fini(&b);
}

/* What the API would not take; NULL: good. */
static const char *
fault_of(struct json_object *o)
{
	static const char *const foreign[] = {"stream_options", "n", "max_completion_tokens", "stop",
					      "logprobs", "store", "response_format"};
	struct json_object *v;

	if (!json_object_object_get_ex(o, "max_tokens", &v) || json_object_get_int64(v) <= 0)
		return "max_tokens: field required";
	if (!json_object_object_get_ex(o, "messages", &v) || !json_object_is_type(v, json_type_array))
		return "messages: field required";
	for (size_t i = 0; i < AG_ARRAY_LEN(foreign); i++)
		if (json_object_object_get_ex(o, foreign[i], NULL))
			return "Extra inputs are not permitted";
	return NULL;
}

struct figures {
	int64_t in, read, write, out;
	struct ag_str text;
	const char *stop;
};

static struct figures
figures_of(const struct mock_job *job)
{
	const struct mock_do *d = job->what;
	struct figures f = {.in = mock_do_num(d, MOCK_KEY_PROMPT_TOKENS, 12),
			    .read = mock_do_num(d, MOCK_KEY_CACHED_TOKENS, 0),
			    .write = mock_do_num(d, MOCK_KEY_CACHE_WRITE_TOKENS, 0),
			    .out = mock_do_num(d, MOCK_KEY_TOKENS, 5),
			    .text = mock_do_text(d, MOCK_KEY_TEXT, AG_STR("Hello from the mock.")),
			    .stop = "end_turn"};

	if (job->facts->max_tokens > 0 && f.out > job->facts->max_tokens &&
	    !mock_do_flag(d, MOCK_KEY_IGNORE_MAX)) {
		f.out = job->facts->max_tokens;
		f.stop = "max_tokens";
	}
	return f;
}

static void
put_message(const struct mock_job *job, const struct figures *f, bool is_start, struct ag_buf *b)
{
	ag_buf_printf(b, "{\"id\":\"msg_mock%llu\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"",
		      (unsigned long long)job->serial);
	ag_buf_put_json(b, mock_do_text(job->what, MOCK_KEY_MODEL_SERVED, job->facts->model));
	ag_buf_puts(b, "\",\"content\":[");
	if (!is_start) {
		ag_buf_puts(b, "{\"type\":\"text\",\"text\":\"");
		ag_buf_put_json(b, f->text);
		ag_buf_puts(b, "\"}");
	}
	ag_buf_puts(b, "],\"stop_reason\":");
	if (is_start)
		ag_buf_puts(b, "null");
	else
		ag_buf_printf(b, "\"%s\"", f->stop);
	ag_buf_printf(b,
		      ",\"stop_sequence\":null,\"usage\":{\"input_tokens\":%lld,"
		      "\"cache_creation_input_tokens\":%lld,\"cache_read_input_tokens\":%lld,"
		      "\"output_tokens\":%lld,\"service_tier\":\"standard\"}}",
		      (long long)f->in, (long long)f->write, (long long)f->read,
		      (long long)(is_start ? 1 : f->out));
}

static void
put_event(struct mock_answer *a, const char *name, struct ag_str data, int32_t chunks)
{
	struct ag_buf b;

	ag_buf_init(&b, BODY_MAX);
	ag_buf_printf(&b, "event: %s\ndata: ", name);
	ag_buf_put_str(&b, data);
	ag_buf_puts(&b, "\n\n");
	mock_answer_put(a, ag_buf_str(&b), chunks, true);
	a->failed |= b.failed;
	ag_buf_fini(&b);
}

static void
render_stream(const struct mock_job *job, const struct figures *f, struct mock_answer *a)
{
	struct ag_buf b;
	struct ag_str left = f->text;
	int32_t chunks = 0;

	ag_buf_init(&b, BODY_MAX);
	put_headers(job, &b);
	a->is_stream = true;
	a->framing = mock_openai_framing(job, true);
	a->closes = job->closes;
	mock_answer_head(a, 200, "text/event-stream; charset=utf-8", ag_buf_str(&b), 0);
	ag_buf_reset(&b);
	ag_buf_puts(&b, "{\"type\":\"message_start\",\"message\":");
	put_message(job, f, true, &b);
	ag_buf_putc(&b, '}');
	put_event(a, "message_start", ag_buf_str(&b), 0);
	put_event(a, "content_block_start",
		  AG_STR("{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}"), 0);
	put_event(a, "ping", AG_STR("{\"type\":\"ping\"}"), 0);
	while (left.n > 0) {
		struct ag_str run = ag_str_n(left.p, left.n < 8 ? left.n : 8);

		ag_buf_reset(&b);
		ag_buf_puts(&b, "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"");
		ag_buf_put_json(&b, run);
		ag_buf_puts(&b, "\"}}");
		put_event(a, "content_block_delta", ag_buf_str(&b), ++chunks);
		left = ag_str_skip(left, run.n);
	}
	put_event(a, "content_block_stop", AG_STR("{\"type\":\"content_block_stop\",\"index\":0}"), chunks);
	ag_buf_reset(&b);
	ag_buf_printf(&b, "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":%lld}}",
		      f->stop, (long long)f->out);
	put_event(a, "message_delta", ag_buf_str(&b), chunks);
	if (!mock_do_flag(job->what, MOCK_KEY_NO_DONE))
		put_event(a, "message_stop", AG_STR("{\"type\":\"message_stop\"}"), chunks);
	a->failed |= b.failed;
	mock_answer_end(a);
	ag_buf_fini(&b);
}

static void
render_message(const struct mock_job *job, struct mock_answer *a)
{
	struct figures f = figures_of(job);
	struct ag_buf b;

	a->prompt_tokens = a->usage_prompt = f.in + f.read + f.write;
	a->completion_tokens = a->usage_completion = f.out;
	if (job->facts->stream) {
		render_stream(job, &f, a);
		return;
	}
	ag_buf_init(&b, BODY_MAX);
	put_message(job, &f, false, &b);
	put_whole(job, a, 200, &b, -1);
	ag_buf_fini(&b);
}

static void
render_count(const struct mock_job *job, struct mock_answer *a)
{
	struct ag_buf b;

	ag_buf_init(&b, 256);
	ag_buf_printf(&b, "{\"input_tokens\":%lld}", (long long)mock_do_num(job->what, MOCK_KEY_PROMPT_TOKENS, 12));
	put_whole(job, a, 200, &b, -1);
	ag_buf_fini(&b);
}

static void
anthropic_render(const struct mock_job *job, struct mock_answer *a)
{
	struct mock_error e = {.status = (int)mock_do_num(job->what, MOCK_KEY_STATUS, 200),
			       .retry_after = mock_do_num(job->what, MOCK_KEY_RETRY_AFTER, -1)};
	struct json_object *o = json_tokener_parse(job->body.p ? job->body.p : "{}");
	const char *fault = job->facts->endpoint == MOCK_EP_CHAT ? fault_of(o) : NULL;

	json_object_put(o);
	if (mock_do_has(job->what, MOCK_KEY_BODY) || mock_do_has(job->what, MOCK_KEY_BODY_FILE)) {
		mock_openai_verbatim(job, a);
	} else if (e.status >= 300) {
		anthropic_refuse(job, &e, a);
	} else if (fault) {
		e.status = 400;
		e.message = ag_str(fault);
		anthropic_refuse(job, &e, a);
	} else if (job->facts->endpoint == MOCK_EP_CHAT) {
		render_message(job, a);
	} else {
		render_count(job, a);
	}
}

static void
anthropic_id(enum mock_endpoint ep, uint64_t serial, char *out, size_t cap)
{
	(void)ep;
	snprintf(out, cap, "msg_mock%llu", (unsigned long long)serial);
}

const struct mock_format mock_format_anthropic = {
	.name = "anthropic",
	.route = anthropic_route,
	.key = any_key,
	.render = anthropic_render,
	.refuse = anthropic_refuse,
	.id = anthropic_id,
};

/* ---- any other path: what the script says, whole ---- */

static int
scripted_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out, struct ag_str *out_id)
{
	(void)method;
	(void)path;
	*out_id = AG_STR_NONE;
	*out = MOCK_EP_MODEL;
	return 0;
}

static void
scripted_render(const struct mock_job *job, struct mock_answer *a)
{
	mock_openai_verbatim(job, a);
}

const struct mock_format mock_format_scripted = {
	.name = "scripted",
	.route = scripted_route,
	.key = any_key,
	.render = scripted_render,
	.refuse = anthropic_refuse,
	.id = anthropic_id,
};
