/* cohere.c - Cohere's v2: chat, embed, rerank. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "base/json.h"
#include "tools/mock/openai.h"
#include "tools/mock/reply.h"
#include "tools/mock/shape.h"

#define BODY_MAX (40u * 1024u * 1024u)

/* ---- what it takes ---- */

static const struct mock_field image_url[] = {MOCK_ROW("url", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
					      {"detail", MOCK_S, NULL, "auto low high", 0, 0},
					      MOCK_END};
static const struct mock_field part_text[] = {MOCK_TYPE, MOCK_ROW("text", MOCK_S | MOCK_REQUIRED),
					      MOCK_END};
static const struct mock_field part_thinking[] = {
	MOCK_TYPE, MOCK_ROW("thinking", MOCK_S | MOCK_REQUIRED), MOCK_END};
static const struct mock_field part_image[] = {
	MOCK_TYPE, {"image_url", MOCK_O | MOCK_REQUIRED, image_url, NULL, 0, 0}, MOCK_END};
static const struct mock_field part_document[] = {
	MOCK_TYPE, MOCK_ROW("document", MOCK_O | MOCK_REQUIRED), MOCK_END};
static const struct mock_field parts[] = {
	MOCK_OF("text", part_text), MOCK_OF("image_url", part_image),
	MOCK_OF("thinking", part_thinking), MOCK_OF("document", part_document), MOCK_END};
static const struct mock_field called[] = {MOCK_ROW("name", MOCK_S | MOCK_REQUIRED),
					   MOCK_ROW("arguments", MOCK_S | MOCK_REQUIRED), MOCK_END};
static const struct mock_field call[] = {MOCK_ROW("id", MOCK_S | MOCK_REQUIRED),
					 {"type", MOCK_S | MOCK_REQUIRED, NULL, "function", 0, 0},
					 {"function", MOCK_O | MOCK_REQUIRED, called, NULL, 0, 0},
					 MOCK_END};
static const struct mock_field message[] = {
	{"role", MOCK_S | MOCK_REQUIRED, NULL, "system user assistant tool", 0, 0},
	{"content", MOCK_S | MOCK_A | MOCK_BY_TYPE, parts, NULL, 0, 0},
	{"tool_calls", MOCK_A, call, NULL, 0, 0},
	MOCK_ROW("tool_plan", MOCK_S),
	MOCK_ROW("citations", MOCK_A),
	MOCK_ROW("tool_call_id", MOCK_S),
	MOCK_END};
static const struct mock_field function[] = {
	MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME), MOCK_ROW("description", MOCK_S),
	MOCK_ROW("parameters", MOCK_O | MOCK_REQUIRED), MOCK_END};
static const struct mock_field tool[] = {{"type", MOCK_S | MOCK_REQUIRED, NULL, "function", 0, 0},
					 {"function", MOCK_O | MOCK_REQUIRED, function, NULL, 0, 0},
					 MOCK_END};
static const struct mock_field format[] = {
	{"type", MOCK_S | MOCK_REQUIRED, NULL, "text json_object", 0, 0},
	MOCK_ROW("json_schema", MOCK_O),
	MOCK_END};
static const struct mock_field thinking[] = {
	{"type", MOCK_S | MOCK_REQUIRED, NULL, "enabled disabled", 0, 0},
	{"token_budget", MOCK_I, NULL, NULL, 1, 1e9},
	MOCK_END};
static const struct mock_field chat[] = {
	MOCK_ROW("model", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	{"messages", MOCK_A | MOCK_REQUIRED | MOCK_SOME, message, NULL, 0, 0},
	{"tools", MOCK_A, tool, NULL, 0, 0},
	MOCK_ROW("strict_tools", MOCK_B),
	MOCK_ROW("documents", MOCK_A),
	MOCK_ROW("citation_options", MOCK_O),
	{"response_format", MOCK_O, format, NULL, 0, 0},
	{"safety_mode", MOCK_S, NULL, "CONTEXTUAL STRICT OFF NONE", 0, 0},
	{"max_tokens", MOCK_I, NULL, NULL, 1, 1e9},
	{"stop_sequences", MOCK_A | MOCK_TEXTS, NULL, NULL, 0, 5},
	{"temperature", MOCK_N, NULL, NULL, 0, 2},
	MOCK_ROW("seed", MOCK_I),
	{"frequency_penalty", MOCK_N, NULL, NULL, 0, 1},
	{"presence_penalty", MOCK_N, NULL, NULL, 0, 1},
	{"k", MOCK_N, NULL, NULL, 0, 500},
	{"p", MOCK_N, NULL, NULL, 0.01, 0.99},
	MOCK_ROW("logprobs", MOCK_B),
	{"tool_choice", MOCK_S, NULL, "REQUIRED NONE", 0, 0},
	{"thinking", MOCK_O, thinking, NULL, 0, 0},
	MOCK_ROW("stream", MOCK_B),
	{"priority", MOCK_I, NULL, NULL, 0, 999},
	MOCK_END};
static const struct mock_field embed[] = {
	MOCK_ROW("model", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	{"texts", MOCK_A | MOCK_TEXTS | MOCK_SOME, NULL, NULL, 0, 96},
	MOCK_ROW("images", MOCK_A | MOCK_TEXTS),
	{"inputs", MOCK_A, NULL, NULL, 0, 96},
	{"input_type", MOCK_S | MOCK_REQUIRED, NULL,
	 "search_document search_query classification clustering image", 0, 0},
	MOCK_ROW("embedding_types", MOCK_A | MOCK_TEXTS),
	{"output_dimension", MOCK_I, NULL, NULL, 1, 4096},
	{"truncate", MOCK_S, NULL, "NONE START END", 0, 0},
	MOCK_ROW("max_tokens", MOCK_I),
	MOCK_ROW("priority", MOCK_I),
	MOCK_END};
static const struct mock_field rerank[] = {
	MOCK_ROW("model", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("query", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	{"documents", MOCK_A | MOCK_REQUIRED | MOCK_SOME | MOCK_TEXTS, NULL, NULL, 0, 10000},
	{"top_n", MOCK_I, NULL, NULL, 1, 1e9},
	MOCK_ROW("max_tokens_per_doc", MOCK_I),
	MOCK_ROW("priority", MOCK_I),
	MOCK_END};

static int
cohere_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
	     struct ag_str *out_id)
{
	static const struct {
		struct ag_str tail;
		enum mock_endpoint ep;
	} row[] = {{AG_STR("/v2/chat"), MOCK_EP_CHAT},
		   {AG_STR("/v2/embed"), MOCK_EP_EMBEDDINGS},
		   {AG_STR("/v2/rerank"), MOCK_EP_RERANK}};

	*out_id = AG_STR_NONE;
	for (size_t i = 0; i < AG_ARRAY_LEN(row); i++) {
		if (path.n < row[i].tail.n ||
		    !ag_str_eq(ag_str_skip(path, path.n - row[i].tail.n), row[i].tail))
			continue;
		*out = row[i].ep;
		return ag_str_eq(method, AG_STR("POST")) ? 0 : 405;
	}
	return 404;
}

/* A tool message answers a call of the assistant before it; there are no calls without an answer. */
static int
check_turns(json_object *messages, struct mock_flaw *flaw)
{
	size_t open = 0;

	for (size_t i = 0; i < ag_json_len(messages); i++) {
		json_object *m = ag_json_at(messages, i);
		bool is_tool = mock_is(m, "role", "tool");

		if (is_tool ? open == 0 : open > 0)
			return mock_flaw_sense(
				flaw, "messages", "invalid request: %s",
				is_tool ? "all elements in tool messages must match a tool call before"
					: "all tool calls must have a tool result right behind them");
		if (is_tool && mock_get_str(m, "tool_call_id").n == 0)
			return mock_flaw_sense(
				flaw, "messages",
				"invalid request: tool_call_id must be provided in tool messages");
		if (!is_tool && !mock_get(m, "content") && !mock_get(m, "tool_calls") &&
		    !mock_get(m, "tool_plan"))
			return mock_flaw_sense(
				flaw, "messages",
				"invalid request: message at %zu has neither content nor calls", i);
		open = is_tool ? open - 1 : ag_json_len(mock_get(m, "tool_calls"));
	}
	return open > 0 ? mock_flaw_sense(flaw, "messages",
					  "invalid request: the last tool calls have no results")
			: 0;
}

static int
check_chat(struct mock_facts *f, struct mock_flaw *flaw)
{
	json_object *tools = mock_get(f->tree, "tools"),
		    *how = mock_get(f->tree, "response_format");

	if (check_turns(mock_get(f->tree, "messages"), flaw) < 0)
		return -EINVAL;
	for (size_t i = 0; i < ag_json_len(tools); i++) {
		json_object *fn = mock_get(ag_json_at(tools, i), "function");

		mock_facts_tool(f, mock_get_str(fn, "name"), mock_get(fn, "parameters"));
	}
	if (mock_get(f->tree, "tool_choice") && ag_json_len(tools) == 0)
		return mock_flaw_sense(
			flaw, "tool_choice",
			"invalid request: tool_choice cannot be specified without tools");
	if (mock_is(f->tree, "tool_choice", "REQUIRED"))
		mock_facts_force(f, AG_STR_NONE);
	f->wants_json = mock_is(how, "type", "json_object");
	f->schema = mock_get(how, "json_schema");
	if (f->wants_json && (ag_json_len(tools) > 0 || mock_get(f->tree, "documents")))
		return mock_flaw_sense(
			flaw, "response_format",
			"invalid request: response_format is not supported with tools or "
			"documents");
	f->stream = f->include_usage = mock_get_bool(f->tree, "stream");
	f->max_tokens = mock_get_int(f->tree, "max_tokens", -1);
	return 0;
}

static int
check_embed(struct mock_facts *f, struct mock_flaw *flaw)
{
	size_t n = ag_json_len(mock_get(f->tree, "texts")) + ag_json_len(mock_get(f->tree, "images")) +
		   ag_json_len(mock_get(f->tree, "inputs"));

	if (n == 0)
		return mock_flaw_sense(
			flaw, "texts",
			"invalid request: one of texts, images or inputs must be given");
	f->inputs = (int64_t)n;
	f->dimensions = mock_get_int(f->tree, "output_dimension", f->dimensions);
	return 0;
}

static int
cohere_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
	    struct mock_fault *fault)
{
	struct mock_shape shape = {.fields = ep == MOCK_EP_CHAT         ? chat
					     : ep == MOCK_EP_EMBEDDINGS ? embed
									: rerank};
	struct mock_flaw flaw;
	struct mock_facts f;
	int rc;

	if (mock_facts_tree(job->body, ep, &f, fault) < 0)
		return -EINVAL;
	rc = mock_shape_check(&shape, f.tree, &flaw);
	if (rc == 0 && ep != MOCK_EP_RERANK)
		rc = ep == MOCK_EP_CHAT ? check_chat(&f, &flaw) : check_embed(&f, &flaw);
	if (rc < 0) {
		if (flaw.kind == MOCK_FLAW_SENSE)
			snprintf(fault->message, sizeof(fault->message), "%s", flaw.why);
		else
			snprintf(fault->message, sizeof(fault->message),
				 "invalid request: %s '%s' %s",
				 flaw.kind == MOCK_FLAW_UNKNOWN ? "unknown field: parameter"
								: "field",
				 flaw.path, flaw.why);
		mock_facts_fini(&f);
		return rc;
	}
	f.model = mock_get_str(f.tree, "model");
	if (f.model.n > 0 && f.model.p[0] == '@') {
		*fault = (struct mock_fault){
			.is_violation = true,
			.message = "'model' still names a provider of the gateway"};
		mock_facts_fini(&f);
		return -EINVAL;
	}
	*out = f;
	return 0;
}

/* ---- what it says ---- */

static void
cohere_refuse(const struct mock_job *job, const struct mock_error *e, struct mock_answer *a)
{
	struct ag_str text = e->message.n > 0   ? e->message
			     : e->status == 401 ? AG_STR("invalid api token")
						: AG_STR("scripted");
	struct ag_buf b, headers;

	if (job->what)
		text = mock_do_text(job->what, MOCK_KEY_ERROR_MESSAGE, text);
	ag_buf_init(&headers, 64);
	if (e->retry_after >= 0)
		ag_buf_printf(&headers, "retry-after: %lld\r\n", (long long)e->retry_after);
	ag_buf_init(&b, BODY_MAX);
	ag_buf_printf(&b, "{\"id\":\"mock%llu\",\"message\":", (unsigned long long)job->serial);
	mock_put_text(&b, text);
	ag_buf_putc(&b, '}');
	mock_put_whole(job, a, e->status, NULL, ag_buf_str(&headers), &b);
	ag_buf_fini(&headers);
	ag_buf_fini(&b);
}

static const char *const finishes[3] = {"COMPLETE", "MAX_TOKENS", "TOOL_CALL"};

/* What is billed leaves out what Cohere adds to a prompt itself. */
static void
put_usage(struct ag_buf *b, const struct mock_reply *r)
{
	ag_buf_printf(
		b,
		"{\"billed_units\":{\"input_tokens\":%lld,\"output_tokens\":%lld},\"tokens\":{\"input_tokens\":%lld,"
		"\"output_tokens\":%lld},\"cached_tokens\":%lld}",
		(long long)r->n.in, (long long)r->n.out,
		(long long)(r->n.in > 0 ? r->n.in + 495 : r->n.in),
		(long long)(r->n.out > 0 ? r->n.out + 2 : r->n.out), (long long)r->n.cached);
}

static void
put_call(struct ag_buf *b, const struct mock_call *c, struct ag_str args)
{
	ag_buf_printf(b, "{\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":", c->id);
	mock_put_text(b, c->name);
	ag_buf_puts(b, ",\"arguments\":");
	mock_put_text(b, args);
	ag_buf_puts(b, "}}");
}

static void
render_whole(const struct mock_job *job, const struct mock_reply *r, struct mock_answer *a)
{
	const char *comma = "";
	struct ag_buf b;

	ag_buf_init(&b, BODY_MAX);
	ag_buf_printf(&b, "{\"id\":\"mock%llu\",\"message\":{\"role\":\"assistant\"",
		      (unsigned long long)job->serial);
	if (r->text.n > 0 || r->thinking.n > 0 || r->calls == 0) {
		ag_buf_puts(&b, ",\"content\":[");
		if (r->thinking.n > 0) {
			ag_buf_puts(&b, "{\"type\":\"thinking\",\"thinking\":");
			mock_put_text(&b, r->thinking);
			ag_buf_putc(&b, '}');
			comma = ",";
		}
		if (r->text.n > 0 || r->calls == 0) {
			ag_buf_printf(&b, "%s{\"type\":\"text\",\"text\":", comma);
			mock_put_text(&b, r->text);
			ag_buf_putc(&b, '}');
		}
		ag_buf_putc(&b, ']');
	}
	if (r->calls > 0)
		ag_buf_puts(&b, ",\"tool_plan\":\"I will look it up.\",\"tool_calls\":[");
	for (unsigned i = 0; i < r->calls; i++) {
		ag_buf_puts(&b, i > 0 ? "," : "");
		put_call(&b, &r->call[i], r->call[i].args);
	}
	ag_buf_puts(&b, r->calls > 0 ? "]},\"finish_reason\":" : "},\"finish_reason\":");
	mock_put_text(&b, mock_reply_finish(r, job, finishes));
	if (r->has_usage) {
		ag_buf_puts(&b, ",\"usage\":");
		put_usage(&b, r);
	}
	ag_buf_putc(&b, '}');
	mock_put_whole(job, a, (int)mock_do_num(job->what, MOCK_KEY_STATUS, 200), NULL, AG_STR_NONE,
		       &b);
	ag_buf_fini(&b);
}

struct stream {
	const struct mock_job *job;
	const struct mock_reply *r;
	struct mock_answer *a;
	struct ag_buf b;
	int index;
	int32_t chunks;
};

static void
emit(struct stream *s, const char *type)
{
	mock_put_event(s->a, type, &s->b, "\n", s->chunks);
	ag_buf_reset(&s->b);
}

static void
begin(struct stream *s, const char *type)
{
	ag_buf_printf(&s->b, "{\"type\":\"%s\",\"index\":%d", type, s->index);
}

static void
put_end(struct stream *s, struct ag_str finish, const char *error)
{
	ag_buf_puts(&s->b, "{\"type\":\"message-end\",\"delta\":{\"finish_reason\":");
	mock_put_text(&s->b, finish);
	if (error)
		ag_buf_printf(&s->b, ",\"error\":\"%s\"", error);
	if (s->r->has_usage) {
		ag_buf_puts(&s->b, ",\"usage\":");
		put_usage(&s->b, s->r);
	}
	ag_buf_puts(&s->b, "}}");
	emit(s, "message-end");
}

static bool
put_error(struct stream *s)
{
	if (s->r->error_after != s->chunks)
		return false;
	put_end(s, AG_STR("ERROR"), "internal error during generation");
	return true;
}

static void
content_start(struct stream *s, const char *type)
{
	begin(s, "content-start");
	ag_buf_printf(&s->b,
		      ",\"delta\":{\"message\":{\"content\":{\"type\":\"%s\",\"%s\":\"\"}}}}", type,
		      type);
	emit(s, "content-start");
}

static void
content_delta(struct stream *s, const char *type, struct ag_str text)
{
	begin(s, "content-delta");
	ag_buf_printf(&s->b, ",\"delta\":{\"message\":{\"content\":{\"%s\":", type);
	mock_put_text(&s->b, text);
	ag_buf_puts(&s->b, "}}}}");
	if (s->chunks == 1 && mock_do_flag(s->job->what, MOCK_KEY_GARBAGE_CHUNK))
		s->b.n /= 2;
	emit(s, "content-delta");
}

static void
end_part(struct stream *s, const char *type)
{
	begin(s, type);
	ag_buf_putc(&s->b, '}');
	emit(s, type);
	s->index++;
}

static void
put_call_events(struct stream *s, const struct mock_call *c)
{
	size_t half = c->args.n / 2;

	begin(s, "tool-call-start");
	ag_buf_puts(&s->b, ",\"delta\":{\"message\":{\"tool_calls\":");
	put_call(&s->b, c, AG_STR(""));
	ag_buf_puts(&s->b, "}}}");
	emit(s, "tool-call-start");
	while (half < c->args.n && ((unsigned char)c->args.p[half] & 0xc0) == 0x80)
		half++;
	s->chunks++;
	for (int k = 0; k < 2; k++) {
		begin(s, "tool-call-delta");
		ag_buf_puts(
			&s->b,
			",\"delta\":{\"message\":{\"tool_calls\":{\"function\":{\"arguments\":");
		mock_put_text(&s->b, k ? ag_str_skip(c->args, half) : ag_str_n(c->args.p, half));
		ag_buf_puts(&s->b, "}}}}}");
		emit(s, "tool-call-delta");
	}
	end_part(s, "tool-call-end");
}

/* False when the script ended it with an error. */
static bool
put_parts(struct stream *s)
{
	const struct mock_reply *r = s->r;

	if (r->thinking.n > 0) {
		content_start(s, "thinking");
		content_delta(s, "thinking", r->thinking);
		end_part(s, "content-end");
	}
	if (r->text.n > 0 || r->calls == 0) {
		content_start(s, "text");
		for (int64_t k = 0; k < r->slices; k++) {
			s->chunks++;
			content_delta(s, "text", mock_reply_slice(r, k));
			if (put_error(s))
				return false;
		}
		end_part(s, "content-end");
	}
	s->index = 0;
	if (r->calls > 0) {
		ag_buf_puts(
			&s->b,
			"{\"type\":\"tool-plan-delta\",\"delta\":{\"message\":{\"tool_plan\":\"I will look it up.\"}}}");
		emit(s, "tool-plan-delta");
	}
	for (unsigned i = 0; i < r->calls; i++)
		put_call_events(s, &r->call[i]);
	return true;
}

static void
render_stream(const struct mock_job *job, const struct mock_reply *r, struct mock_answer *a)
{
	struct stream s = {.job = job, .r = r, .a = a};

	ag_buf_init(&s.b, BODY_MAX);
	mock_put_stream(job, a, "text/event-stream", AG_STR_NONE);
	ag_buf_printf(
		&s.b,
		"{\"type\":\"message-start\",\"id\":\"mock%llu\",\"delta\":{\"message\":{\"role\":\"assistant\",\"content\":[],"
		"\"tool_plan\":\"\",\"tool_calls\":[],\"citations\":[]}}}",
		(unsigned long long)job->serial);
	emit(&s, "message-start");
	if (!put_error(&s) && put_parts(&s) && !mock_do_flag(job->what, MOCK_KEY_NO_DONE))
		put_end(&s, mock_reply_finish(r, job, finishes), NULL);
	if (!mock_do_flag(job->what, MOCK_KEY_NO_DONE)) {
		ag_buf_puts(&s.b, "[DONE]");
		mock_put_event(a, NULL, &s.b, "\n", s.chunks);
	}
	mock_answer_end(a);
	ag_buf_fini(&s.b);
}

static void
render_chat(const struct mock_job *job, struct mock_answer *a)
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
render_embed(const struct mock_job *job, struct mock_answer *a)
{
	const struct mock_facts *f = job->facts;
	json_object *texts = mock_get(f->tree, "texts");
	int64_t tokens = mock_do_num(job->what, MOCK_KEY_PROMPT_TOKENS, 4 * f->inputs);
	struct ag_buf b;

	ag_buf_init(&b, BODY_MAX);
	ag_buf_printf(&b, "{\"id\":\"mock%llu\",\"embeddings\":{\"float\":[",
		      (unsigned long long)job->serial);
	for (int64_t i = 0; i < f->inputs; i++) {
		ag_buf_puts(&b, i > 0 ? ",[" : "[");
		for (int64_t k = 0; k < f->dimensions; k++)
			ag_buf_printf(&b, "%s0.%03lld", k > 0 ? "," : "",
				      (long long)((k * 37 + i * 11) % 900 + 10));
		ag_buf_putc(&b, ']');
	}
	ag_buf_puts(&b, "]},\"texts\":");
	ag_buf_puts(&b,
		    texts ? json_object_to_json_string_ext(texts, JSON_C_TO_STRING_PLAIN) : "[]");
	ag_buf_printf(
		&b,
		",\"meta\":{\"api_version\":{\"version\":\"2\"},\"billed_units\":{\"input_tokens\":%lld}},"
		"\"response_type\":\"embeddings_by_type\"}",
		(long long)tokens);
	mock_put_whole(job, a, 200, NULL, AG_STR_NONE, &b);
	a->prompt_tokens = a->usage_prompt = tokens;
	a->usage_end = a->out.n;
	ag_buf_fini(&b);
}

/* The last document is the best one. */
static void
render_rerank(const struct mock_job *job, struct mock_answer *a)
{
	int64_t n = (int64_t)ag_json_len(mock_get(job->facts->tree, "documents"));
	int64_t most = mock_get_int(job->facts->tree, "top_n", n);
	struct ag_buf b;

	ag_buf_init(&b, BODY_MAX);
	ag_buf_printf(&b, "{\"id\":\"mock%llu\",\"results\":[", (unsigned long long)job->serial);
	for (int64_t i = 0; i < n && i < most; i++)
		ag_buf_printf(&b, "%s{\"index\":%lld,\"relevance_score\":0.%03lld}",
			      i > 0 ? "," : "", (long long)(n - 1 - i), (long long)(999 - i % 999));
	ag_buf_printf(
		&b,
		"],\"meta\":{\"api_version\":{\"version\":\"2\"},\"billed_units\":{\"search_units\":%lld}}}",
		(long long)mock_do_num(job->what, MOCK_KEY_SEARCHES, (n + 99) / 100));
	mock_put_whole(job, a, 200, NULL, AG_STR_NONE, &b);
	ag_buf_fini(&b);
}

static void
cohere_render(const struct mock_job *job, struct mock_answer *a)
{
	if (mock_put_scripted(job, cohere_refuse, a))
		return;
	if (job->facts->endpoint == MOCK_EP_CHAT)
		render_chat(job, a);
	else if (job->facts->endpoint == MOCK_EP_EMBEDDINGS)
		render_embed(job, a);
	else
		render_rerank(job, a);
}

static void
cohere_id(enum mock_endpoint ep, uint64_t serial, char *out, size_t cap)
{
	(void)ep;
	snprintf(out, cap, "mock%llu", (unsigned long long)serial);
}

const struct mock_format mock_format_cohere = {
	.name = "cohere",
	.route = cohere_route,
	.key = mock_key_bearer,
	.key_headers = 1u << MOCK_H_AUTHORIZATION,
	.read = cohere_read,
	.render = cohere_render,
	.refuse = cohere_refuse,
	.id = cohere_id,
};
