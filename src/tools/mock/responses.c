/* responses.c - OpenAI's responses: what they take, what they say, their typed events. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "tools/mock/openai.h"
#include "tools/mock/reply.h"

#define BODY_MAX (40u * 1024u * 1024u)

/* ---- what they take ---- */

static const struct mock_field part_text[] = {MOCK_TYPE,
					      MOCK_ROW("text", MOCK_S | MOCK_REQUIRED),
					      MOCK_ROW("annotations", MOCK_A),
					      MOCK_ROW("logprobs", MOCK_A),
					      MOCK_ROW("prompt_cache_breakpoint", MOCK_O),
					      MOCK_END};
static const struct mock_field part_image[] = {
	MOCK_TYPE,
	MOCK_ROW("image_url", MOCK_S),
	MOCK_ROW("file_id", MOCK_S),
	{"detail", MOCK_S, NULL, "auto low high original", 0, 0},
	MOCK_END};
static const struct mock_field part_file[] = {MOCK_TYPE,
					      MOCK_ROW("file_data", MOCK_S),
					      MOCK_ROW("file_id", MOCK_S),
					      MOCK_ROW("file_url", MOCK_S),
					      MOCK_ROW("filename", MOCK_S),
					      MOCK_END};
static const struct mock_field part_refusal[] = {
	MOCK_TYPE, MOCK_ROW("refusal", MOCK_S | MOCK_REQUIRED), MOCK_END};
static const struct mock_field parts[] = {
	MOCK_OF("input_text", part_text),   MOCK_OF("output_text", part_text),
	MOCK_OF("input_image", part_image), MOCK_OF("input_file", part_file),
	MOCK_OF("refusal", part_refusal),   MOCK_END};
static const struct mock_field message[] = {
	MOCK_ROW("type", MOCK_S),
	MOCK_ROW("id", MOCK_S),
	MOCK_ROW("status", MOCK_S),
	MOCK_ROW("phase", MOCK_S),
	{"role", MOCK_S | MOCK_REQUIRED, NULL, "user assistant system developer", 0, 0},
	{"content", MOCK_S | MOCK_A | MOCK_REQUIRED | MOCK_BY_TYPE, parts, NULL, 0, 0},
	MOCK_END};
static const struct mock_field function_call[] = {
	MOCK_TYPE,
	MOCK_ROW("id", MOCK_S),
	MOCK_ROW("status", MOCK_S),
	MOCK_ROW("call_id", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("arguments", MOCK_S | MOCK_REQUIRED),
	MOCK_END};
static const struct mock_field function_output[] = {
	MOCK_TYPE,
	MOCK_ROW("id", MOCK_S),
	MOCK_ROW("status", MOCK_S),
	MOCK_ROW("call_id", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	{"output", MOCK_S | MOCK_A | MOCK_REQUIRED | MOCK_BY_TYPE, parts, NULL, 0, 0},
	MOCK_END};
static const struct mock_field items[] = {MOCK_OF("", message),
					  MOCK_OF("message", message),
					  MOCK_OF("function_call", function_call),
					  MOCK_OF("function_call_output", function_output),
					  MOCK_OF("reasoning", NULL),
					  MOCK_OF("item_reference", NULL),
					  MOCK_OF("custom_tool_call", NULL),
					  MOCK_OF("custom_tool_call_output", NULL),
					  MOCK_OF("web_search_call", NULL),
					  MOCK_OF("file_search_call", NULL),
					  MOCK_OF("code_interpreter_call", NULL),
					  MOCK_OF("image_generation_call", NULL),
					  MOCK_OF("mcp_call", NULL),
					  MOCK_OF("compaction", NULL),
					  MOCK_END};
static const struct mock_field tool_function[] = {
	MOCK_TYPE,
	MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("description", MOCK_S),
	MOCK_ROW("parameters", MOCK_O | MOCK_REQUIRED),
	MOCK_ROW("strict", MOCK_B),
	MOCK_END};
static const struct mock_field tools[] = {MOCK_OF("function", tool_function),
					  MOCK_OF("custom", NULL),
					  MOCK_OF("web_search", NULL),
					  MOCK_OF("web_search_preview", NULL),
					  MOCK_OF("file_search", NULL),
					  MOCK_OF("code_interpreter", NULL),
					  MOCK_OF("image_generation", NULL),
					  MOCK_OF("mcp", NULL),
					  MOCK_END};
static const struct mock_field format_type[] = {MOCK_TYPE, MOCK_END};
static const struct mock_field format_schema[] = {
	MOCK_TYPE,
	MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("schema", MOCK_O | MOCK_REQUIRED),
	MOCK_ROW("strict", MOCK_B),
	MOCK_ROW("description", MOCK_S),
	MOCK_END};
static const struct mock_field formats[] = {MOCK_OF("text", format_type),
					    MOCK_OF("json_object", format_type),
					    MOCK_OF("json_schema", format_schema), MOCK_END};
static const struct mock_field text[] = {{"format", MOCK_O | MOCK_BY_TYPE, formats, NULL, 0, 0},
					 {"verbosity", MOCK_S, NULL, "low medium high", 0, 0},
					 MOCK_END};
static const struct mock_field reasoning[] = {
	{"effort", MOCK_S, NULL, "none minimal low medium high xhigh max", 0, 0},
	{"summary", MOCK_S, NULL, "auto concise detailed", 0, 0},
	MOCK_ROW("context", MOCK_S),
	MOCK_ROW("mode", MOCK_S),
	MOCK_ROW("generate_summary", MOCK_S),
	MOCK_END};
static const struct mock_field request[] = {
	MOCK_ROW("model", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	{"input", MOCK_S | MOCK_A | MOCK_SOME | MOCK_BY_TYPE, items, NULL, 0, 0},
	MOCK_ROW("instructions", MOCK_S),
	{"max_output_tokens", MOCK_I, NULL, NULL, 16, 1e9},
	MOCK_ROW("max_tool_calls", MOCK_I),
	{"tools", MOCK_A | MOCK_BY_TYPE, tools, NULL, 0, 0},
	MOCK_ROW("tool_choice", MOCK_S | MOCK_O),
	MOCK_ROW("parallel_tool_calls", MOCK_B),
	{"text", MOCK_O, text, NULL, 0, 0},
	{"reasoning", MOCK_O, reasoning, NULL, 0, 0},
	{"temperature", MOCK_N, NULL, NULL, 0, 2},
	{"top_p", MOCK_N, NULL, NULL, 0, 1},
	{"top_logprobs", MOCK_I, NULL, NULL, 0, 20},
	MOCK_ROW("include", MOCK_A | MOCK_TEXTS),
	MOCK_ROW("store", MOCK_B),
	MOCK_ROW("previous_response_id", MOCK_S),
	MOCK_ROW("conversation", MOCK_S | MOCK_O),
	MOCK_ROW("prompt", MOCK_O),
	MOCK_ROW("background", MOCK_B),
	MOCK_ROW("stream", MOCK_B),
	MOCK_ROW("stream_options", MOCK_O),
	{"truncation", MOCK_S, NULL, "auto disabled", 0, 0},
	MOCK_ROW("metadata", MOCK_O),
	MOCK_ROW("service_tier", MOCK_S),
	MOCK_ROW("prompt_cache_key", MOCK_S),
	MOCK_ROW("prompt_cache_options", MOCK_O),
	MOCK_ROW("prompt_cache_retention", MOCK_S),
	MOCK_ROW("safety_identifier", MOCK_S),
	MOCK_ROW("user", MOCK_S),
	MOCK_ROW("moderation", MOCK_O),
	MOCK_ROW("context_management", MOCK_O),
	MOCK_END};

static bool
has_call_before(json_object *input, size_t i, struct ag_str id)
{
	while (i-- > 0)
		if (mock_is(ag_json_at(input, i), "type", "function_call") &&
		    ag_str_eq(mock_get_str(ag_json_at(input, i), "call_id"), id))
			return true;
	return false;
}

static bool
has_output(json_object *input, struct ag_str id)
{
	for (size_t i = 0; i < ag_json_len(input); i++)
		if (mock_is(ag_json_at(input, i), "type", "function_call_output") &&
		    ag_str_eq(mock_get_str(ag_json_at(input, i), "call_id"), id))
			return true;
	return false;
}

/* Each call has its output, each output the call before it. */
static int
check_calls(json_object *input, struct mock_flaw *flaw)
{
	for (size_t i = 0; i < ag_json_len(input); i++) {
		json_object *item = ag_json_at(input, i);
		struct ag_str id = mock_get_str(item, "call_id");

		if (mock_is(item, "type", "function_call_output") && !has_call_before(input, i, id))
			return mock_flaw_sense(
				flaw, "input",
				"No tool call found for function call output with call_id %.64s.",
				id.p);
		if (mock_is(item, "type", "function_call") && !has_output(input, id))
			return mock_flaw_sense(flaw, "input",
					       "No tool output found for function call %.64s.",
					       id.p);
	}
	return 0;
}

static void
take_tools(struct mock_facts *f)
{
	json_object *list = mock_get(f->tree, "tools"), *how = mock_get(f->tree, "tool_choice");

	for (size_t i = 0; i < ag_json_len(list); i++)
		if (mock_is(ag_json_at(list, i), "type", "function"))
			mock_facts_tool(f, mock_get_str(ag_json_at(list, i), "name"),
					mock_get(ag_json_at(list, i), "parameters"));
	if (mock_is(f->tree, "tool_choice", "required"))
		mock_facts_force(f, AG_STR_NONE);
	else if (mock_is(how, "type", "function"))
		mock_facts_force(f, mock_get_str(how, "name"));
}

int
mock_responses_read(const struct mock_job *job, struct mock_facts *out, struct mock_fault *fault)
{
	static const struct mock_shape shape = {.fields = request};
	json_object *format;
	struct mock_flaw flaw;
	struct mock_facts f;

	if (mock_facts_tree(job->body, MOCK_EP_RESPONSES, &f, fault) < 0)
		return -EINVAL;
	if (mock_shape_check(&shape, f.tree, &flaw) < 0 ||
	    check_calls(mock_get_array(f.tree, "input"), &flaw) < 0) {
		mock_openai_word(&flaw, fault);
		mock_facts_fini(&f);
		return -EINVAL;
	}
	f.model = mock_get_str(f.tree, "model");
	if (f.model.p[0] == '@') {
		*fault = (struct mock_fault){
			.is_violation = true,
			.message = "'model' still names a provider of the gateway"};
		mock_facts_fini(&f);
		return -EINVAL;
	}
	f.user = mock_get_str(f.tree, "user");
	f.stream = f.include_usage = mock_get_bool(f.tree, "stream");
	f.max_tokens = mock_get_int(f.tree, "max_output_tokens", -1);
	format = mock_get(mock_get(f.tree, "text"), "format");
	f.schema = mock_get(format, "schema");
	f.wants_json = f.schema || mock_is(format, "type", "json_object");
	take_tools(&f);
	*out = f;
	return 0;
}

/* ---- what they say ---- */

struct say {
	const struct mock_job *job;
	const struct mock_reply *r;
	struct mock_answer *a;
	struct ag_buf b;
	int64_t sequence;
	int index; /* of the item */
	int32_t chunks;
};

static void
put_reasoning(struct ag_buf *b, const struct say *s)
{
	ag_buf_printf(
		b,
		"{\"type\":\"reasoning\",\"id\":\"rs_mock%llu\",\"summary\":[{\"type\":\"summary_text\",\"text\":",
		(unsigned long long)s->job->serial);
	mock_put_text(b, s->r->thinking);
	ag_buf_puts(b, "}]}");
}

static void
put_part(struct ag_buf *b, struct ag_str t)
{
	ag_buf_puts(b, "{\"type\":\"output_text\",\"text\":");
	mock_put_text(b, t.p ? t : AG_STR(""));
	ag_buf_puts(b, ",\"annotations\":[]}");
}

static void
put_message(struct ag_buf *b, const struct say *s, bool is_done)
{
	ag_buf_printf(
		b,
		"{\"type\":\"message\",\"id\":\"msg_mock%llu\",\"status\":\"%s\",\"role\":\"assistant\",\"content\":[",
		(unsigned long long)s->job->serial, is_done ? "completed" : "in_progress");
	if (is_done)
		put_part(b, s->r->text);
	ag_buf_puts(b, "]}");
}

static void
put_call(struct ag_buf *b, const struct mock_call *c, bool is_done)
{
	ag_buf_printf(b,
		      "{\"type\":\"function_call\",\"id\":\"fc_%s\",\"call_id\":\"%s\",\"name\":",
		      c->id, c->id);
	mock_put_text(b, c->name);
	ag_buf_puts(b, ",\"arguments\":");
	mock_put_text(b, is_done ? c->args : AG_STR(""));
	ag_buf_printf(b, ",\"status\":\"%s\"}", is_done ? "completed" : "in_progress");
}

static bool
has_message(const struct mock_reply *r)
{
	return r->text.n > 0 || r->calls == 0;
}

static void
put_output(struct ag_buf *b, const struct say *s)
{
	bool is_first = true;

	if (s->r->thinking.n > 0) {
		put_reasoning(b, s);
		is_first = false;
	}
	if (has_message(s->r)) {
		ag_buf_puts(b, is_first ? "" : ",");
		put_message(b, s, true);
		is_first = false;
	}
	for (unsigned i = 0; i < s->r->calls; i++) {
		ag_buf_puts(b, is_first ? "" : ",");
		put_call(b, &s->r->call[i], true);
		is_first = false;
	}
}

/* A member of the request, as it came. */
static void
put_echo(struct ag_buf *b, const struct say *s, const char *name, const char *absent)
{
	json_object *v = s->job->facts->tree ? mock_get(s->job->facts->tree, name) : NULL;

	ag_buf_printf(b, ",\"%s\":", name);
	ag_buf_puts(b, v ? json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN) : absent);
}

static void
put_usage(struct ag_buf *b, const struct mock_figures *n)
{
	ag_buf_printf(
		b,
		"{\"input_tokens\":%lld,\"input_tokens_details\":{\"cached_tokens\":%lld,\"cache_write_tokens\":%lld},"
		"\"output_tokens\":%lld,\"output_tokens_details\":{\"reasoning_tokens\":%lld},\"total_tokens\":%lld}",
		(long long)n->in, (long long)n->cached, (long long)n->written, (long long)n->out,
		(long long)n->reasoning, (long long)n->in + (long long)n->out);
}

static void
put_response(struct ag_buf *b, const struct say *s, const char *status)
{
	bool is_running = strcmp(status, "in_progress") == 0,
	     is_short = strcmp(status, "incomplete") == 0;
	bool is_failed = strcmp(status, "failed") == 0;

	ag_buf_printf(
		b,
		"{\"id\":\"resp_mock%llu\",\"object\":\"response\",\"created_at\":%lld,\"status\":\"%s\"",
		(unsigned long long)s->job->serial, (long long)(s->job->wall_us / AG_US_PER_SEC),
		status);
	ag_buf_puts(
		b,
		is_failed
			? ",\"error\":{\"code\":\"server_error\",\"message\":\"The server had an error\"}"
			: ",\"error\":null");
	ag_buf_puts(b, is_short ? ",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}"
				: ",\"incomplete_details\":null");
	put_echo(b, s, "instructions", "null");
	put_echo(b, s, "metadata", "{}");
	ag_buf_puts(b, ",\"model\":");
	mock_put_text(b, mock_do_text(s->job->what, MOCK_KEY_MODEL_SERVED, s->job->facts->model));
	ag_buf_puts(b, ",\"output\":[");
	if (!is_running)
		put_output(b, s);
	ag_buf_putc(b, ']');
	put_echo(b, s, "parallel_tool_calls", "true");
	put_echo(b, s, "temperature", "1.0");
	put_echo(b, s, "tool_choice", "\"auto\"");
	put_echo(b, s, "tools", "[]");
	put_echo(b, s, "top_p", "1.0");
	ag_buf_puts(b, ",\"service_tier\":");
	mock_put_text(b, mock_do_text(s->job->what, MOCK_KEY_SERVICE_TIER, AG_STR("default")));
	ag_buf_puts(b, ",\"usage\":");
	if (is_running || is_failed || !s->r->has_usage)
		ag_buf_puts(b, "null");
	else
		put_usage(b, &s->r->n);
	ag_buf_putc(b, '}');
}

/* Closes the event begun in s->b. */
static void
emit(struct say *s, const char *type)
{
	ag_buf_printf(&s->b, ",\"sequence_number\":%lld}", (long long)s->sequence++);
	mock_put_event(s->a, type, &s->b, "\n", s->chunks);
	ag_buf_reset(&s->b);
}

static void
put_state(struct say *s, const char *type, const char *status)
{
	ag_buf_printf(&s->b, "{\"type\":\"%s\",\"response\":", type);
	put_response(&s->b, s, status);
	emit(s, type);
}

/* Of an item: its begin or its end. */
static void
put_item(struct say *s, const struct mock_call *c, bool is_reasoning, bool is_done)
{
	const char *type = is_done ? "response.output_item.done" : "response.output_item.added";

	ag_buf_printf(&s->b, "{\"type\":\"%s\",\"output_index\":%d,\"item\":", type, s->index);
	if (c)
		put_call(&s->b, c, is_done);
	else if (is_reasoning && !is_done)
		ag_buf_printf(&s->b,
			      "{\"type\":\"reasoning\",\"id\":\"rs_mock%llu\",\"summary\":[]}",
			      (unsigned long long)s->job->serial);
	else if (is_reasoning)
		put_reasoning(&s->b, s);
	else
		put_message(&s->b, s, is_done);
	emit(s, type);
	s->index += is_done;
}

static void
begin(struct say *s, const char *type, const char *item, const char *more)
{
	ag_buf_printf(&s->b, "{\"type\":\"%s\",\"item_id\":\"%s\",\"output_index\":%d%s", type,
		      item, s->index, more);
}

static void
put_text_event(struct say *s, const char *type, const char *item, const char *more,
	       const char *member, struct ag_str t)
{
	begin(s, type, item, more);
	ag_buf_printf(&s->b, ",\"%s\":", member);
	mock_put_text(&s->b, t.p ? t : AG_STR(""));
	if (s->chunks == 1 && mock_do_flag(s->job->what, MOCK_KEY_GARBAGE_CHUNK))
		s->b.n /= 2;
	emit(s, type);
}

static void
put_part_event(struct say *s, const char *type, const char *item, struct ag_str t)
{
	begin(s, type, item, ",\"content_index\":0,\"part\":");
	put_part(&s->b, t);
	emit(s, type);
}

static bool
put_error(struct say *s)
{
	if (s->r->error_after != s->chunks)
		return false;
	ag_buf_puts(
		&s->b,
		"{\"type\":\"error\",\"code\":\"server_error\",\"message\":\"The server had an error\",\"param\":null");
	emit(s, "error");
	put_state(s, "response.failed", "failed");
	return true;
}

static void
put_thinking(struct say *s)
{
	char id[48];

	snprintf(id, sizeof(id), "rs_mock%llu", (unsigned long long)s->job->serial);
	put_item(s, NULL, true, false);
	begin(s, "response.reasoning_summary_part.added", id,
	      ",\"summary_index\":0,\"part\":{\"type\":\"summary_text\",\"text\":\"\"}");
	emit(s, "response.reasoning_summary_part.added");
	put_text_event(s, "response.reasoning_summary_text.delta", id, ",\"summary_index\":0",
		       "delta", s->r->thinking);
	put_text_event(s, "response.reasoning_summary_text.done", id, ",\"summary_index\":0",
		       "text", s->r->thinking);
	put_item(s, NULL, true, true);
}

static bool
put_text(struct say *s)
{
	char id[48];

	snprintf(id, sizeof(id), "msg_mock%llu", (unsigned long long)s->job->serial);
	put_item(s, NULL, false, false);
	put_part_event(s, "response.content_part.added", id, AG_STR(""));
	for (int64_t k = 0; k < s->r->slices; k++) {
		s->chunks++;
		put_text_event(s, "response.output_text.delta", id,
			       ",\"content_index\":0,\"logprobs\":[]", "delta",
			       mock_reply_slice(s->r, k));
		if (put_error(s))
			return false;
	}
	put_text_event(s, "response.output_text.done", id, ",\"content_index\":0,\"logprobs\":[]",
		       "text", s->r->text);
	put_part_event(s, "response.content_part.done", id, s->r->text);
	put_item(s, NULL, false, true);
	return true;
}

static void
put_call_events(struct say *s, const struct mock_call *c)
{
	size_t half = c->args.n / 2;
	char id[64];

	snprintf(id, sizeof(id), "fc_%s", c->id);
	while (half < c->args.n && ((unsigned char)c->args.p[half] & 0xc0) == 0x80)
		half++;
	put_item(s, c, false, false);
	put_text_event(s, "response.function_call_arguments.delta", id, "", "delta",
		       ag_str_n(c->args.p, half));
	put_text_event(s, "response.function_call_arguments.delta", id, "", "delta",
		       ag_str_skip(c->args, half));
	put_text_event(s, "response.function_call_arguments.done", id, "", "arguments", c->args);
	put_item(s, c, false, true);
	s->chunks++;
}

static void
put_events(struct say *s)
{
	bool is_short = s->r->finish == MOCK_FINISH_LENGTH;

	put_state(s, "response.created", "in_progress");
	put_state(s, "response.in_progress", "in_progress");
	if (put_error(s))
		return;
	if (s->r->thinking.n > 0)
		put_thinking(s);
	if (has_message(s->r) && !put_text(s))
		return;
	for (unsigned i = 0; i < s->r->calls; i++)
		put_call_events(s, &s->r->call[i]);
	if (!mock_do_flag(s->job->what, MOCK_KEY_NO_DONE))
		put_state(s, is_short ? "response.incomplete" : "response.completed",
			  is_short ? "incomplete" : "completed");
}

void
mock_responses_render(const struct mock_job *job, struct mock_answer *a)
{
	struct say s = {.job = job, .a = a};
	struct mock_reply r;
	struct ag_buf headers;

	mock_reply_init(&r, job, "call_");
	s.r = &r; /* cppcheck-suppress autoVariables */
	ag_buf_init(&s.b, BODY_MAX);
	ag_buf_init(&headers, 4096);
	mock_openai_headers(job, &headers);
	if (job->facts->stream) {
		mock_put_stream(job, a, "text/event-stream; charset=utf-8", ag_buf_str(&headers));
		put_events(&s);
		mock_answer_end(a);
	} else {
		put_response(&s.b, &s, r.finish == MOCK_FINISH_LENGTH ? "incomplete" : "completed");
		mock_put_whole(job, a, (int)mock_do_num(job->what, MOCK_KEY_STATUS, 200), NULL,
			       ag_buf_str(&headers), &s.b);
	}
	mock_reply_count(&r, a, r.n.in, r.n.out);
	ag_buf_fini(&headers);
	ag_buf_fini(&s.b);
	mock_reply_fini(&r);
}
