/* responses_build.c - a chat as a request of /v1/responses, for models that answer only there. */
#include <errno.h>

#include "base/json.h"
#include "translate/chat_check.h"
#include "translate/json_out.h"
#include "translate/openai.h"
#include "translate/responses.h"
#include "translate/tree.h"

#define LIMIT_LEAST 16u
#define MODEL "this model"

struct build {
	const struct ag_build_in *in;
	struct ag_buf *b;
	struct ag_err *err;
};

/* ---- items ------------------------------------------------------------------------------- */

static void
put_breakpoint(struct build *s, struct json_object *part)
{
	if (ag_tree_object(part, "prompt_cache_breakpoint"))
		ag_jo_tree(s->b, "prompt_cache_breakpoint", ag_tree_get(part, "prompt_cache_breakpoint"));
}

static void
put_text(struct build *s, bool is_answer, struct ag_str text, struct json_object *part)
{
	ag_jo_open(s->b, NULL, '{');
	ag_jo_str(s->b, "type", is_answer ? AG_STR("output_text") : AG_STR("input_text"));
	ag_jo_str(s->b, "text", text);
	if (is_answer)
		ag_jo_raw(s->b, "annotations", AG_STR("[]"));
	put_breakpoint(s, part);
	ag_jo_close(s->b, '}');
}

static int
put_part(struct build *s, struct json_object *part, bool is_answer, size_t at)
{
	struct json_object *image = ag_tree_object(part, "image_url"), *file = ag_tree_object(part, "file");

	if (ag_tree_is(part, "type", "text")) {
		put_text(s, is_answer, ag_tree_str(part, "text"), part);
		return 0;
	}
	if (ag_tree_is(part, "type", "refusal")) {
		ag_jo_open(s->b, NULL, '{');
		ag_jo_str(s->b, "type", AG_STR("refusal"));
		ag_jo_str(s->b, "refusal", ag_tree_str(part, "refusal"));
		ag_jo_close(s->b, '}');
		return 0;
	}
	if (!image && !file)
		return ag_err_set(s->err, -EINVAL, "messages[%zu].content: a part of type \"%.40s\" is not supported by this model",
		    at, ag_tree_str(part, "type").p ? ag_tree_str(part, "type").p : "");
	ag_jo_open(s->b, NULL, '{');
	ag_jo_str(s->b, "type", image ? AG_STR("input_image") : AG_STR("input_file"));
	if (image) {
		ag_jo_str(s->b, "image_url", ag_tree_str(image, "url"));
		if (ag_tree_str(image, "detail").n > 0)
			ag_jo_str(s->b, "detail", ag_tree_str(image, "detail"));
	} else {
		ag_json_foreach(file, name, value) {
			ag_jo_tree(s->b, name, value);
		}
	}
	put_breakpoint(s, part);
	ag_jo_close(s->b, '}');
	return 0;
}

static int
put_content(struct build *s, struct json_object *m, const char *key, bool is_answer, size_t at)
{
	struct json_object *content = ag_tree_get(m, "content");
	int rc = 0;

	ag_jo_open(s->b, key, '[');
	if (json_object_is_type(content, json_type_string))
		put_text(s, is_answer, ag_tree_text(content), NULL);
	for (size_t i = 0; i < ag_json_len(content) && rc == 0; i++)
		rc = put_part(s, ag_json_at(content, i), is_answer, at);
	ag_jo_close(s->b, ']');
	return rc;
}

static int
put_call(struct build *s, struct json_object *call, size_t at)
{
	struct json_object *fn = ag_tree_object(call, "function");

	if (!fn)
		return ag_err_set(s->err, -EINVAL, "messages[%zu].tool_calls: only functions are supported by this model", at);
	ag_jo_open(s->b, NULL, '{');
	ag_jo_str(s->b, "type", AG_STR("function_call"));
	ag_jo_str(s->b, "call_id", ag_tree_str(call, "id"));
	ag_jo_str(s->b, "name", ag_tree_str(fn, "name"));
	ag_jo_str(s->b, "arguments", ag_tree_str(fn, "arguments").n > 0 ? ag_tree_str(fn, "arguments") : AG_STR("{}"));
	ag_jo_close(s->b, '}');
	return 0;
}

static int
put_result(struct build *s, struct json_object *m, size_t at)
{
	struct json_object *content = ag_tree_get(m, "content");
	int rc = 0;

	ag_jo_open(s->b, NULL, '{');
	ag_jo_str(s->b, "type", AG_STR("function_call_output"));
	ag_jo_str(s->b, "call_id", ag_tree_str(m, "tool_call_id"));
	if (json_object_is_type(content, json_type_array))
		rc = put_content(s, m, "output", false, at);
	else
		ag_jo_str(s->b, "output", ag_tree_text(content));
	ag_jo_close(s->b, '}');
	return rc;
}

static int
put_message(struct build *s, struct json_object *m, size_t at)
{
	struct json_object *calls = ag_tree_array(m, "tool_calls"), *content = ag_tree_get(m, "content");
	struct ag_str role = ag_tree_str(m, "role");
	bool is_answer = ag_str_eq(role, AG_STR("assistant"));
	int rc = 0;

	if (ag_str_eq(role, AG_STR("tool")))
		return put_result(s, m, at);
	if (!is_answer && !ag_str_eq(role, AG_STR("user")) && !ag_str_eq(role, AG_STR("system")) &&
	    !ag_str_eq(role, AG_STR("developer")))
		return ag_err_set(s->err, -EINVAL, "messages[%zu].role: not supported by this model", at);
	if (!is_answer || ag_tree_text(content).n > 0 || ag_json_len(ag_tree_array(m, "content")) > 0) {
		ag_jo_open(s->b, NULL, '{');
		ag_jo_str(s->b, "type", AG_STR("message"));
		ag_jo_str(s->b, "role", role);
		rc = put_content(s, m, "content", is_answer, at);
		ag_jo_close(s->b, '}');
	}
	for (size_t i = 0; i < ag_json_len(calls) && rc == 0; i++)
		rc = put_call(s, ag_json_at(calls, i), at);
	return rc;
}

/* ---- tools ------------------------------------------------------------------------------- */

static int
put_tools(struct build *s)
{
	struct json_object *tools = ag_tree_array(s->in->chat, "tools");

	if (ag_json_len(tools) == 0)
		return 0;
	ag_jo_open(s->b, "tools", '[');
	for (size_t i = 0; i < ag_json_len(tools); i++) {
		struct json_object *fn = ag_tree_object(ag_json_at(tools, i), "function");

		if (!fn)
			return ag_err_set(s->err, -EINVAL, "tools[%zu].type: only functions are supported by this model", i);
		ag_jo_open(s->b, NULL, '{');
		ag_jo_str(s->b, "type", AG_STR("function"));
		ag_jo_str(s->b, "name", ag_tree_str(fn, "name"));
		if (ag_tree_str(fn, "description").n > 0)
			ag_jo_str(s->b, "description", ag_tree_str(fn, "description"));
		ag_jo_tree(s->b, "parameters", ag_tree_get(fn, "parameters"));
		/* Left out it would be true there. */
		ag_jo_bool(s->b, "strict", ag_tree_true(fn, "strict"));
		ag_jo_close(s->b, '}');
	}
	ag_jo_close(s->b, ']');
	return 0;
}

static void
put_named(struct build *s, const char *key, struct json_object *named)
{
	ag_jo_open(s->b, key, '{');
	ag_jo_str(s->b, "type", AG_STR("function"));
	ag_jo_str(s->b, "name", ag_tree_str(ag_tree_object(named, "function"), "name"));
	ag_jo_close(s->b, '}');
}

static void
put_tool_choice(struct build *s)
{
	struct json_object *choice = ag_tree_get(s->in->chat, "tool_choice"), *allowed = ag_tree_object(choice, "allowed_tools");

	if (!choice)
		return;
	if (allowed) {
		ag_jo_open(s->b, "tool_choice", '{');
		ag_jo_str(s->b, "type", AG_STR("allowed_tools"));
		ag_jo_str(s->b, "mode", ag_tree_str(allowed, "mode"));
		ag_jo_open(s->b, "tools", '[');
		for (size_t i = 0; i < ag_json_len(ag_tree_array(allowed, "tools")); i++)
			put_named(s, NULL, ag_json_at(ag_tree_array(allowed, "tools"), i));
		ag_buf_puts(s->b, "]}");
	} else if (ag_tree_object(choice, "function")) {
		put_named(s, "tool_choice", choice);
	} else {
		ag_jo_tree(s->b, "tool_choice", choice);
	}
}

/* ---- the rest ---------------------------------------------------------------------------- */

static void
put_text_config(struct build *s)
{
	struct json_object *format = ag_tree_object(s->in->chat, "response_format"), *schema;
	struct ag_str verbosity = ag_tree_str(s->in->chat, "verbosity");

	if (!format && verbosity.n == 0)
		return;
	ag_jo_open(s->b, "text", '{');
	if (format) {
		schema = ag_tree_object(format, "json_schema");
		ag_jo_open(s->b, "format", '{');
		ag_jo_str(s->b, "type", ag_tree_str(format, "type"));
		if (schema) {
			ag_json_foreach(schema, name, value)
				ag_jo_tree(s->b, name, value);
		}
		ag_jo_close(s->b, '}');
	}
	if (verbosity.n > 0)
		ag_jo_str(s->b, "verbosity", verbosity);
	ag_jo_close(s->b, '}');
}

static void
put_rest(struct build *s)
{
	static const char *const sampling[] = { "temperature", "top_p" };
	static const char *const same[] = { "top_logprobs", "parallel_tool_calls", "metadata",
		"service_tier", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_options",
		"prompt_cache_retention", "moderation" };
	struct ag_str effort = ag_tree_str(s->in->chat, "reasoning_effort");

	for (size_t i = 0; i < AG_ARRAY_LEN(sampling); i++)
		if (ag_chat_sampling(s->in, sampling[i]))
			ag_jo_tree(s->b, sampling[i], ag_chat_sampling(s->in, sampling[i]));
	for (size_t i = 0; i < AG_ARRAY_LEN(same); i++)
		if (ag_tree_get(s->in->chat, same[i]))
			ag_jo_tree(s->b, same[i], ag_tree_get(s->in->chat, same[i]));
	if (ag_tree_true(s->in->chat, "logprobs"))
		ag_jo_raw(s->b, "include", AG_STR("[\"message.output_text.logprobs\"]"));
	if (effort.n > 0) {
		ag_jo_open(s->b, "reasoning", '{');
		ag_jo_str(s->b, "effort", effort);
		if (!ag_str_eq(effort, AG_STR("none")))
			ag_jo_str(s->b, "summary", AG_STR("auto"));
		ag_jo_close(s->b, '}');
	}
	ag_jo_bool(s->b, "store", false);
	if (s->in->is_stream)
		ag_jo_bool(s->b, "stream", true);
}

static const struct ag_chat_fields fields = {
	.chat = {
		.taken = { "temperature", "top_p", "logprobs", "top_logprobs", "parallel_tool_calls", "metadata",
		    "service_tier", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_options",
		    "prompt_cache_retention", "moderation", "verbosity", "reasoning_effort" },
		.left = { "top_k", "store" },
	},
	.message = { .left = { "name", "cache_control" } },
	.part = { .taken = { "prompt_cache_breakpoint" }, .left = { "cache_control" } },
	.image = { .taken = { "detail" } },
	.file = { .taken = { "file_data", "filename", "file_id" } },
	.tool = { .left = { "cache_control" } },
	.function = { .taken = { "strict" } },
	.schema = { .taken = { "name", "description", "strict" } },
	.n_max = 1,
};

static int
check(const struct ag_build_in *in, struct ag_err *err)
{
	int rc = ag_chat_check(in, &fields, MODEL, err);

	if (rc == 0 && ag_tree_get(in->chat, "stop"))
		rc = ag_err_set(err, -EINVAL, "stop: not supported by " MODEL);
	if (rc == 0 && in->limit < LIMIT_LEAST)
		rc = ag_err_set(err, -EINVAL, "max_completion_tokens: this model takes no less than %u", LIMIT_LEAST);
	return rc;
}

int
ag_responses_build(const struct ag_build_in *in, struct ag_buf *out, struct ag_err *err)
{
	struct build s = { .in = in, .b = out, .err = err };
	struct json_object *messages = ag_tree_array(in->chat, "messages");
	int rc = check(in, err);

	if (rc < 0)
		return rc;
	ag_jo_open(out, NULL, '{');
	ag_jo_str(out, "model", in->model);
	ag_jo_u64(out, "max_output_tokens", in->limit);
	ag_jo_open(out, "input", '[');
	for (size_t i = 0; i < ag_json_len(messages) && rc == 0; i++)
		rc = put_message(&s, ag_json_at(messages, i), i);
	ag_jo_close(out, ']');
	if (rc == 0)
		rc = put_tools(&s);
	if (rc < 0)
		return rc;
	put_tool_choice(&s);
	put_text_config(&s);
	put_rest(&s);
	ag_jo_close(out, '}');
	return out->failed ? ag_err_set(err, -ENOBUFS, "the request is too large") : 0;
}
