/* anthropic_build.c - a chat as a request of the Messages API. */
#include <errno.h>

#include "base/json.h"
#include "translate/anthropic.h"
#include "translate/chat.h"
#include "translate/chat_check.h"
#include "translate/json_out.h"
#include "translate/openai.h"

/* ---- content ---- */

struct build {
	const struct ag_build_in *in;
	struct ag_claude claude;
	struct ag_buf *b;
	struct ag_err *err;
};

static void
put_cache(struct ag_buf *b, struct json_object *part)
{
	if (ag_tree_object(part, "cache_control"))
		ag_jo_tree(b, "cache_control", ag_tree_get(part, "cache_control"));
	else if (ag_tree_object(part, "prompt_cache_breakpoint"))
		ag_jo_raw(b, "cache_control", AG_STR("{\"type\":\"ephemeral\"}"));
}

static void
put_text(struct ag_buf *b, struct ag_str text, struct json_object *part)
{
	/* Empty text blocks are refused. */
	if (text.n == 0)
		return;
	ag_jo_open(b, NULL, '{');
	ag_jo_str(b, "type", AG_STR("text"));
	ag_jo_str(b, "text", text);
	put_cache(b, part);
	ag_jo_close(b, '}');
}

static void
put_source(struct ag_buf *b, const char *kind, struct ag_str type, struct ag_str data, struct json_object *part)
{
	struct ag_str title = ag_tree_str(ag_tree_object(part, "file"), "filename");

	ag_jo_open(b, NULL, '{');
	ag_jo_str(b, "type", ag_str(kind));
	ag_jo_open(b, "source", '{');
	ag_jo_str(b, "type", type.n > 0 ? AG_STR("base64") : AG_STR("url"));
	if (type.n > 0)
		ag_jo_str(b, "media_type", type);
	ag_jo_str(b, type.n > 0 ? "data" : "url", data);
	ag_jo_close(b, '}');
	if (title.n > 0)
		ag_jo_str(b, "title", title);
	put_cache(b, part);
	ag_jo_close(b, '}');
}

static int
put_part(struct build *s, struct json_object *part, size_t at)
{
	struct ag_str url, type = AG_STR_NONE, data;

	if (ag_tree_is(part, "type", "text") || ag_tree_is(part, "type", "refusal")) {
		put_text(s->b, ag_tree_str(part, ag_tree_is(part, "type", "text") ? "text" : "refusal"), part);
		return 0;
	}
	if (ag_tree_is(part, "type", "image_url")) {
		url = ag_tree_str(ag_tree_object(part, "image_url"), "url");
		if (ag_openai_split_data_url(url, &type, &data))
			put_source(s->b, "image", type, data, part);
		else if (ag_str_starts(url, AG_STR("https://")) || ag_str_starts(url, AG_STR("http://")))
			put_source(s->b, "image", AG_STR_NONE, url, part);
		else
			return ag_err_set(s->err, -EINVAL, "messages[%zu].content: image_url.url is neither base64 nor an address", at);
		return 0;
	}
	if (ag_tree_is(part, "type", "file")) {
		url = ag_tree_str(ag_tree_object(part, "file"), "file_data");
		if (!ag_openai_split_data_url(url, &type, &data) || !ag_str_eq(type, AG_STR("application/pdf")))
			return ag_err_set(s->err, -EINVAL, "messages[%zu].content: a file needs file_data of application/pdf "
			    "for %s", at, s->in->family->name);
		put_source(s->b, "document", type, data, part);
		return 0;
	}
	return ag_err_set(s->err, -EINVAL, "messages[%zu].content: a part of type \"%.40s\" is not supported by %s", at,
	    ag_tree_str(part, "type").p ? ag_tree_str(part, "type").p : "", s->in->family->name);
}

static int
put_content(struct build *s, struct json_object *m, size_t at)
{
	struct json_object *content = ag_tree_get(m, "content");
	int rc = 0;

	if (json_object_is_type(content, json_type_string)) {
		put_text(s->b, ag_tree_text(content), m);
		return 0;
	}
	for (size_t i = 0; i < ag_json_len(ag_tree_array(m, "content")) && rc == 0; i++)
		rc = put_part(s, ag_json_at(content, i), at);
	return rc;
}

/* ---- messages ---- */

/* Thinking of earlier turns goes back as it was, with its proof; without one it would be refused. */
static void
put_thoughts(struct build *s, struct json_object *m)
{
	struct json_object *blocks = ag_tree_array(m, "thinking_blocks");

	for (size_t i = 0; i < ag_json_len(blocks); i++) {
		struct json_object *block = ag_json_at(blocks, i);

		if (ag_tree_is(block, "type", "redacted_thinking") || ag_tree_str(block, "signature").n > 0)
			ag_jo_tree(s->b, NULL, block);
	}
}

static int
put_call(struct build *s, struct json_object *call, size_t at)
{
	struct json_object *fn = ag_tree_object(call, "function"), *input = NULL;
	struct ag_str args = ag_tree_str(fn, "arguments");

	if (!fn)
		return ag_err_set(s->err, -EINVAL, "messages[%zu].tool_calls: only functions are supported by %s", at,
		    s->in->family->name);
	if (args.n > 0 && ag_tree_parse(args, &input, NULL) < 0)
		return ag_err_set(s->err, -EINVAL, "messages[%zu].tool_calls: function.arguments is no JSON object", at);
	ag_jo_open(s->b, NULL, '{');
	ag_jo_str(s->b, "type", AG_STR("tool_use"));
	ag_jo_str(s->b, "id", ag_tree_str(call, "id"));
	ag_jo_str(s->b, "name", ag_tree_str(fn, "name"));
	if (input)
		ag_jo_tree(s->b, "input", input);
	else
		ag_jo_raw(s->b, "input", AG_STR("{}"));
	ag_jo_close(s->b, '}');
	json_object_put(input);
	return 0;
}

static int
put_assistant(struct build *s, struct json_object *m, size_t at)
{
	struct json_object *calls = ag_tree_array(m, "tool_calls");
	int rc;

	put_thoughts(s, m);
	rc = put_content(s, m, at);
	for (size_t i = 0; i < ag_json_len(calls) && rc == 0; i++)
		rc = put_call(s, ag_json_at(calls, i), at);
	return rc;
}

static int
put_result(struct build *s, struct json_object *m, size_t at)
{
	int rc;

	ag_jo_open(s->b, NULL, '{');
	ag_jo_str(s->b, "type", AG_STR("tool_result"));
	ag_jo_str(s->b, "tool_use_id", ag_tree_str(m, "tool_call_id"));
	ag_jo_open(s->b, "content", '[');
	rc = put_content(s, m, at);
	ag_jo_close(s->b, ']');
	ag_jo_close(s->b, '}');
	return rc;
}

/* Those at the front; the others stand in the user's turn that follows. */
static int
put_system(struct build *s, struct json_object *messages, bool wants_json, size_t *out_n)
{
	size_t n = 0, total = ag_json_len(messages);
	int rc = 0;

	while (n < total && ag_chat_is_system(ag_json_at(messages, n)))
		n++;
	*out_n = n;
	if (n == 0 && !wants_json)
		return 0;
	ag_jo_open(s->b, "system", '[');
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = put_content(s, ag_json_at(messages, i), i);
	if (wants_json)
		put_text(s->b, AG_STR("Answer with one JSON object and nothing else."), NULL);
	ag_jo_close(s->b, ']');
	return rc;
}

/* Neighbours of one side are one message: results of tools and what the user says after them. */
static int
put_messages(struct build *s, struct json_object *messages, size_t from)
{
	size_t total = ag_json_len(messages);
	bool is_open = false, was_assistant = false;
	int rc = 0;

	ag_jo_open(s->b, "messages", '[');
	for (size_t i = from; i < total && rc == 0; i++) {
		struct json_object *m = ag_json_at(messages, i);
		bool is_assistant = ag_chat_is_role(m, "assistant");

		if (!is_assistant && !ag_chat_is_role(m, "user") && !ag_chat_is_role(m, "tool") && !ag_chat_is_system(m))
			return ag_err_set(s->err, -EINVAL, "messages[%zu].role: not supported by %s", i, s->in->family->name);
		if (is_open && is_assistant != was_assistant) {
			ag_buf_puts(s->b, "]}");
			is_open = false;
		}
		if (!is_open) {
			ag_jo_open(s->b, NULL, '{');
			ag_jo_str(s->b, "role", is_assistant ? AG_STR("assistant") : AG_STR("user"));
			ag_jo_open(s->b, "content", '[');
			is_open = true;
			was_assistant = is_assistant;
		}
		rc = is_assistant ? put_assistant(s, m, i) : ag_chat_is_role(m, "tool") ? put_result(s, m, i)
		    : put_content(s, m, i);
	}
	if (is_open)
		ag_buf_puts(s->b, "]}");
	ag_jo_close(s->b, ']');
	return rc;
}

/* ---- tools ---- */

static int
put_tools(struct build *s, struct json_object *tools, struct json_object *choice)
{
	ag_jo_open(s->b, "tools", '[');
	for (size_t i = 0; i < ag_json_len(tools); i++) {
		struct json_object *t = ag_json_at(tools, i), *fn = ag_tree_object(t, "function");

		if (!fn)
			return ag_err_set(s->err, -EINVAL, "tools[%zu].type: only functions are supported by %s", i,
			    s->in->family->name);
		if (!ag_chat_is_allowed(choice, ag_tree_str(fn, "name")))
			continue;
		ag_jo_open(s->b, NULL, '{');
		ag_jo_str(s->b, "name", ag_tree_str(fn, "name"));
		if (ag_tree_str(fn, "description").n > 0)
			ag_jo_str(s->b, "description", ag_tree_str(fn, "description"));
		if (ag_tree_object(fn, "parameters"))
			ag_jo_tree(s->b, "input_schema", ag_tree_get(fn, "parameters"));
		else
			ag_jo_raw(s->b, "input_schema", AG_STR("{\"type\":\"object\",\"properties\":{}}"));
		if (ag_tree_true(fn, "strict"))
			ag_jo_bool(s->b, "strict", true);
		put_cache(s->b, t);
		ag_jo_close(s->b, '}');
	}
	ag_jo_close(s->b, ']');
	return 0;
}

/* "auto" "any" "tool" "none", NULL: not said. */
static const char *
choice_type(struct json_object *choice)
{
	struct ag_str text = ag_tree_text(choice);

	if (ag_tree_object(choice, "allowed_tools"))
		return ag_tree_is(ag_tree_object(choice, "allowed_tools"), "mode", "required") ? "any" : "auto";
	if (ag_tree_object(choice, "function"))
		return "tool";
	if (ag_str_eq(text, AG_STR("required")))
		return "any";
	return ag_str_eq(text, AG_STR("none")) ? "none" : ag_str_eq(text, AG_STR("auto")) ? "auto" : NULL;
}

static int
put_tool_choice(struct build *s, struct json_object *choice, const char *type)
{
	struct json_object *parallel = ag_tree_get(s->in->chat, "parallel_tool_calls");
	bool is_alone = parallel && !json_object_get_boolean(parallel);

	if (!type && !is_alone)
		return 0;
	if (!type)
		type = "auto";
	if (s->claude.is_always_thinking && (*type == 't' || strcmp(type, "any") == 0))
		return ag_err_set(s->err, -EINVAL, "tool_choice: a model that always thinks cannot be made to call a tool");
	ag_jo_open(s->b, "tool_choice", '{');
	ag_jo_str(s->b, "type", ag_str(type));
	if (*type == 't')
		ag_jo_str(s->b, "name", ag_tree_str(ag_tree_object(choice, "function"), "name"));
	if (is_alone && strcmp(type, "none") != 0)
		ag_jo_bool(s->b, "disable_parallel_tool_use", true);
	ag_jo_close(s->b, '}');
	return 0;
}

/* ---- sampling, format ---- */

static int
put_format(struct build *s, struct ag_str effort)
{
	struct json_object *format = ag_tree_object(s->in->chat, "response_format");
	bool is_schema = ag_tree_is(format, "type", "json_schema");

	if (is_schema && !s->claude.has_schema)
		return ag_err_set(s->err, -EINVAL, "response_format: json_schema is not supported by this model");
	if (!is_schema && effort.n == 0)
		return 0;
	ag_jo_open(s->b, "output_config", '{');
	if (effort.n > 0)
		ag_jo_str(s->b, "effort", effort);
	if (is_schema) {
		ag_jo_open(s->b, "format", '{');
		ag_jo_str(s->b, "type", AG_STR("json_schema"));
		ag_jo_tree(s->b, "schema", ag_tree_get(ag_tree_object(format, "json_schema"), "schema"));
		ag_jo_close(s->b, '}');
	}
	ag_jo_close(s->b, '}');
	return 0;
}

static void
put_sampling(struct build *s, bool is_thinking)
{
	struct json_object *t = ag_tree_get(s->in->chat, "temperature"), *p = ag_tree_get(s->in->chat, "top_p");
	struct json_object *k = ag_tree_get(s->in->chat, "top_k");

	if (!s->claude.has_sampling || is_thinking)
		return;
	if (t && json_object_get_double(t) > 1.0)
		ag_jo_int(s->b, "temperature", 1);
	else if (t)
		ag_jo_tree(s->b, "temperature", t);
	else if (p)
		ag_jo_tree(s->b, "top_p", p);
	if (k)
		ag_jo_tree(s->b, "top_k", k);
}

static void
put_stop(struct build *s)
{
	struct json_object *stop = ag_tree_get(s->in->chat, "stop");
	size_t n = ag_json_len(stop);

	if (!stop)
		return;
	ag_jo_open(s->b, "stop_sequences", '[');
	if (json_object_is_type(stop, json_type_string) && ag_str_trim(ag_tree_text(stop)).n > 0)
		ag_jo_str(s->b, NULL, ag_tree_text(stop));
	for (size_t i = 0; i < n; i++) {
		struct ag_str one = ag_tree_text(ag_json_at(stop, i));
		size_t blank = 0;

		while (blank < one.n && (one.p[blank] == ' ' || one.p[blank] == '\n' || one.p[blank] == '\t' ||
		        one.p[blank] == '\r'))
			blank++;
		if (blank < one.n)
			ag_jo_str(s->b, NULL, one);
	}
	ag_jo_close(s->b, ']');
}

/* ---- the rest ---- */

/* What it has no place for and what is left out, as the reference of providers has it. */
static const struct ag_chat_fields fields = {
	.chat = {
		.taken = { "temperature", "top_p", "top_k", "parallel_tool_calls", "reasoning_effort", "thinking",
		    "user", "safety_identifier", "service_tier" },
		.left = { "logit_bias", "seed", "presence_penalty", "frequency_penalty", "prediction", "store",
		    "metadata", "verbosity", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention" },
	},
	.message = { .taken = { "cache_control" }, .left = { "name" } },
	.part = { .taken = { "cache_control", "prompt_cache_breakpoint" } },
	.image = { .left = { "detail" } },
	.file = { .taken = { "file_data", "filename" } },
	.tool = { .taken = { "cache_control" } },
	.function = { .taken = { "strict" } },
	.n_max = 1,
};

static int
put_tier(struct build *s)
{
	struct ag_str tier = ag_tree_str(s->in->chat, "service_tier");
	bool is_flex = ag_str_eq(tier, AG_STR("flex"));

	if (ag_str_eq(tier, AG_STR("default")))
		ag_jo_str(s->b, "service_tier", AG_STR("standard_only"));
	else if (ag_str_eq(tier, AG_STR("auto")) || ag_str_eq(tier, AG_STR("priority")))
		ag_jo_str(s->b, "service_tier", AG_STR("auto"));
	else if (ag_tree_get(s->in->chat, "service_tier") && (!is_flex || s->in->is_strict))
		return ag_chat_refuse_tier(s->in, s->err);
	return 0;
}

static int
put_rest(struct build *s)
{
	struct json_object *chat = s->in->chat;
	struct ag_str user = ag_tree_str(chat, "safety_identifier");

	put_stop(s);
	if (user.n == 0)
		user = ag_tree_str(chat, "user");
	if (user.n > 0) {
		ag_jo_open(s->b, "metadata", '{');
		ag_jo_str(s->b, "user_id", user);
		ag_jo_close(s->b, '}');
	}
	return put_tier(s);
}

static int
put_body(struct build *s)
{
	struct json_object *chat = s->in->chat, *messages = ag_tree_array(chat, "messages");
	struct json_object *tools = ag_tree_array(chat, "tools"), *choice = ag_tree_get(chat, "tool_choice");
	const char *type = choice_type(choice);
	bool wants_json = ag_tree_is(ag_tree_object(chat, "response_format"), "type", "json_object");
	bool is_forced = type && (*type == 't' || strcmp(type, "any") == 0), is_thinking;
	struct ag_str effort;
	size_t n_system;
	int rc;

	ag_jo_u64(s->b, "max_tokens", s->in->limit);
	rc = put_system(s, messages, wants_json, &n_system);
	if (rc == 0)
		rc = put_messages(s, messages, n_system);
	if (rc == 0 && ag_json_len(tools) > 0) {
		rc = put_tools(s, tools, choice);
		if (rc == 0)
			rc = put_tool_choice(s, choice, type);
	}
	if (rc < 0)
		return rc;
	rc = ag_claude_put_thinking(&s->claude, s->in, is_forced, s->b, &is_thinking, &effort, s->err);
	if (rc == 0)
		rc = ag_claude_check_sampling(&s->claude, s->in, is_thinking, s->err);
	if (rc < 0)
		return rc;
	put_sampling(s, is_thinking);
	rc = put_rest(s);
	return rc < 0 ? rc : put_format(s, effort);
}

static int
build(const struct ag_build_in *in, const char *version, bool has_stream, struct ag_buf *out, struct ag_err *err)
{
	struct build s = { .in = in, .claude = ag_claude_of(in->model, in->model_flags), .b = out, .err = err };
	int rc = ag_chat_check(in, &fields, NULL, err);

	if (rc < 0)
		return rc;
	ag_jo_open(out, NULL, '{');
	if (version)
		ag_jo_str(out, "anthropic_version", ag_str(version));
	else
		ag_jo_str(out, "model", in->model);
	if (in->is_stream && has_stream)
		ag_jo_bool(out, "stream", true);
	rc = put_body(&s);
	if (rc < 0)
		return rc;
	ag_jo_close(out, '}');
	return out->failed ? ag_err_set(err, -ENOBUFS, "the request is too large") : 0;
}

int
ag_anthropic_build_as(const struct ag_build_in *in, const char *version, struct ag_buf *out, struct ag_err *err)
{
	return build(in, version, false, out, err);
}

int
ag_anthropic_build(const struct ag_build_in *in, struct ag_buf *out, struct ag_err *err)
{
	return build(in, in->family->anthropic_version, true, out, err);
}

const struct ag_protocol ag_protocol_anthropic = {
	.name = "anthropic", .endpoint = AG_EP_MESSAGES, .framing = &ag_framing_sse,
	.parse = ag_anthropic_parse, .writer = &ag_anthropic_writer, .write_error = ag_anthropic_write_error,
	.build = ag_anthropic_build, .thinking = ag_claude_needs, .reader = &ag_anthropic_reader,
	.read_error = ag_anthropic_read_error,
};
