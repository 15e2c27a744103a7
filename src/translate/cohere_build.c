/* cohere_build.c - a chat as a request of Cohere's /v2/chat. */
#include <errno.h>

#include "base/json.h"
#include "translate/chat_check.h"
#include "translate/cohere.h"
#include "translate/json_out.h"
#include "translate/tree.h"

#define STOPS_MAX 5u

struct build {
	const struct ag_build_in *in;
	struct ag_buf *b;
	struct ag_err *err;
};

/* ---- messages ---------------------------------------------------------------------------- */

static int
put_part(struct build *s, struct json_object *part, bool is_text_only, size_t at)
{
	struct json_object *image = ag_tree_object(part, "image_url");

	if (ag_tree_is(part, "type", "text") || ag_tree_is(part, "type", "refusal")) {
		ag_jo_open(s->b, NULL, '{');
		ag_jo_str(s->b, "type", AG_STR("text"));
		ag_jo_str(s->b, "text", ag_tree_str(part, ag_tree_is(part, "type", "text") ? "text" : "refusal"));
		ag_jo_close(s->b, '}');
		return 0;
	}
	if (!image || is_text_only)
		return ag_err_set(s->err, -EINVAL, "messages[%zu].content: a part of type \"%.40s\" is not supported by %s", at,
		    ag_tree_str(part, "type").p ? ag_tree_str(part, "type").p : "", s->in->family->name);
	ag_jo_open(s->b, NULL, '{');
	ag_jo_str(s->b, "type", AG_STR("image_url"));
	ag_jo_tree(s->b, "image_url", image);
	ag_jo_close(s->b, '}');
	return 0;
}

static int
put_content(struct build *s, struct json_object *m, bool is_text_only, size_t at)
{
	struct json_object *content = ag_tree_get(m, "content");
	int rc = 0;

	if (!json_object_is_type(content, json_type_array)) {
		if (ag_tree_text(content).p)
			ag_jo_str(s->b, "content", ag_tree_text(content));
		return 0;
	}
	ag_jo_open(s->b, "content", '[');
	for (size_t i = 0; i < ag_json_len(content) && rc == 0; i++)
		rc = put_part(s, ag_json_at(content, i), is_text_only, at);
	ag_jo_close(s->b, ']');
	return rc;
}

/* What was thought before calls is their plan there. */
static int
put_calls(struct build *s, struct json_object *m, size_t at)
{
	struct json_object *calls = ag_tree_array(m, "tool_calls");

	if (ag_json_len(calls) == 0)
		return 0;
	if (ag_tree_str(m, "reasoning_content").n > 0)
		ag_jo_str(s->b, "tool_plan", ag_tree_str(m, "reasoning_content"));
	ag_jo_open(s->b, "tool_calls", '[');
	for (size_t i = 0; i < ag_json_len(calls); i++) {
		struct json_object *call = ag_json_at(calls, i), *fn = ag_tree_object(call, "function");

		if (!fn)
			return ag_err_set(s->err, -EINVAL, "messages[%zu].tool_calls: only functions are supported by %s", at,
			    s->in->family->name);
		ag_jo_open(s->b, NULL, '{');
		ag_jo_str(s->b, "id", ag_tree_str(call, "id"));
		ag_jo_str(s->b, "type", AG_STR("function"));
		ag_jo_open(s->b, "function", '{');
		ag_jo_str(s->b, "name", ag_tree_str(fn, "name"));
		ag_jo_str(s->b, "arguments", ag_tree_str(fn, "arguments").n > 0 ? ag_tree_str(fn, "arguments") : AG_STR("{}"));
		ag_buf_puts(s->b, "}}");
	}
	ag_jo_close(s->b, ']');
	return 0;
}

static int
put_message(struct build *s, struct json_object *m, size_t at)
{
	struct ag_str role = ag_tree_str(m, "role");
	bool is_tool = ag_str_eq(role, AG_STR("tool"));
	int rc;

	if (ag_str_eq(role, AG_STR("developer")))
		role = AG_STR("system");
	if (!is_tool && !ag_str_eq(role, AG_STR("system")) && !ag_str_eq(role, AG_STR("user")) &&
	    !ag_str_eq(role, AG_STR("assistant")))
		return ag_err_set(s->err, -EINVAL, "messages[%zu].role: not supported by %s", at, s->in->family->name);
	ag_jo_open(s->b, NULL, '{');
	ag_jo_str(s->b, "role", role);
	if (is_tool)
		ag_jo_str(s->b, "tool_call_id", ag_tree_str(m, "tool_call_id"));
	rc = put_content(s, m, !ag_str_eq(role, AG_STR("user")), at);
	if (rc == 0)
		rc = put_calls(s, m, at);
	ag_jo_close(s->b, '}');
	return rc;
}

/* ---- tools ------------------------------------------------------------------------------- */

/* A choice of some is told by showing no others. */
static bool
is_chosen(struct json_object *choice, struct ag_str name)
{
	struct ag_str one = ag_tree_str(ag_tree_object(choice, "function"), "name");

	return one.n > 0 ? ag_str_eq(one, name) : ag_chat_is_allowed(choice, name);
}

/* All functions are strict there, or none.  -EINVAL: some of these are. */
static int
put_strict(struct build *s, struct json_object *tools, struct json_object *choice)
{
	size_t n = 0, n_strict = 0;

	for (size_t i = 0; i < ag_json_len(tools); i++) {
		struct json_object *fn = ag_tree_object(ag_json_at(tools, i), "function");

		if (!is_chosen(choice, ag_tree_str(fn, "name")))
			continue;
		n++;
		n_strict += ag_tree_true(fn, "strict");
	}
	if (n_strict > 0 && n_strict < n)
		return ag_err_set(s->err, -EINVAL, "tools: function.strict must be the same of all with %s",
		    s->in->family->name);
	if (n_strict > 0)
		ag_jo_bool(s->b, "strict_tools", true);
	return 0;
}

static int
put_tools(struct build *s)
{
	struct json_object *tools = ag_tree_array(s->in->chat, "tools"), *choice = ag_tree_get(s->in->chat, "tool_choice");
	struct ag_str word = ag_tree_text(choice);

	if (ag_json_len(tools) == 0)
		return 0;
	ag_jo_open(s->b, "tools", '[');
	for (size_t i = 0; i < ag_json_len(tools); i++) {
		struct json_object *fn = ag_tree_object(ag_json_at(tools, i), "function");

		if (!fn)
			return ag_err_set(s->err, -EINVAL, "tools[%zu].type: only functions are supported by %s", i,
			    s->in->family->name);
		if (!is_chosen(choice, ag_tree_str(fn, "name")))
			continue;
		ag_jo_open(s->b, NULL, '{');
		ag_jo_str(s->b, "type", AG_STR("function"));
		ag_jo_open(s->b, "function", '{');
		ag_jo_str(s->b, "name", ag_tree_str(fn, "name"));
		if (ag_tree_str(fn, "description").n > 0)
			ag_jo_str(s->b, "description", ag_tree_str(fn, "description"));
		if (ag_tree_object(fn, "parameters"))
			ag_jo_tree(s->b, "parameters", ag_tree_object(fn, "parameters"));
		else
			ag_jo_raw(s->b, "parameters", AG_STR("{\"type\":\"object\",\"properties\":{}}"));
		ag_buf_puts(s->b, "}}");
	}
	ag_jo_close(s->b, ']');
	if (ag_str_eq(word, AG_STR("none")))
		ag_jo_str(s->b, "tool_choice", AG_STR("NONE"));
	else if (ag_str_eq(word, AG_STR("required")) || ag_tree_object(choice, "function") ||
	    ag_tree_is(ag_tree_object(choice, "allowed_tools"), "mode", "required"))
		ag_jo_str(s->b, "tool_choice", AG_STR("REQUIRED"));
	return put_strict(s, tools, choice);
}

/* ---- the rest ---------------------------------------------------------------------------- */

/* A number, or the nearest there is: texts, as JSON is to have them. */
static void
put_between(struct build *s, struct json_object *v, const char *as, double least, const char *least_text, double most,
    const char *most_text)
{
	if (!v)
		return;
	if (json_object_get_double(v) < least)
		ag_jo_raw(s->b, as, ag_str(least_text));
	else if (json_object_get_double(v) > most)
		ag_jo_raw(s->b, as, ag_str(most_text));
	else
		ag_jo_tree(s->b, as, v);
}

static void
put_sampling(struct build *s)
{
	struct json_object *stop = ag_tree_get(s->in->chat, "stop");

	if (ag_chat_sampling(s->in, "temperature"))
		ag_jo_tree(s->b, "temperature", ag_chat_sampling(s->in, "temperature"));
	if (ag_tree_get(s->in->chat, "seed"))
		ag_jo_tree(s->b, "seed", ag_tree_get(s->in->chat, "seed"));
	put_between(s, ag_chat_sampling(s->in, "top_p"), "p", 0.01, "0.01", 0.99, "0.99");
	put_between(s, ag_chat_sampling(s->in, "top_k"), "k", 0, "0", 500, "500");
	put_between(s, ag_tree_get(s->in->chat, "frequency_penalty"), "frequency_penalty", 0, "0", 1, "1");
	put_between(s, ag_tree_get(s->in->chat, "presence_penalty"), "presence_penalty", 0, "0", 1, "1");
	if (!stop)
		return;
	ag_jo_open(s->b, "stop_sequences", '[');
	if (json_object_is_type(stop, json_type_string))
		ag_jo_str(s->b, NULL, ag_tree_text(stop));
	for (size_t i = 0; i < ag_json_len(stop); i++)
		ag_jo_str(s->b, NULL, ag_tree_text(ag_json_at(stop, i)));
	ag_jo_close(s->b, ']');
}

static int
put_format(struct build *s)
{
	struct json_object *format = ag_tree_object(s->in->chat, "response_format");
	bool is_schema = ag_tree_is(format, "type", "json_schema");

	if (!is_schema && !ag_tree_is(format, "type", "json_object"))
		return 0;
	if (ag_json_len(ag_tree_array(s->in->chat, "tools")) > 0)
		return ag_err_set(s->err, -EINVAL, "response_format: not together with tools with %s", s->in->family->name);
	ag_jo_open(s->b, "response_format", '{');
	ag_jo_str(s->b, "type", AG_STR("json_object"));
	if (is_schema && ag_tree_get(ag_tree_object(format, "json_schema"), "schema"))
		ag_jo_tree(s->b, "json_schema", ag_tree_get(ag_tree_object(format, "json_schema"), "schema"));
	ag_jo_close(s->b, '}');
	return 0;
}

/* Thinking counts to the limit, which is paid for and stays. */
static void
put_thinking(struct build *s)
{
	struct ag_str effort = ag_tree_str(s->in->chat, "reasoning_effort");
	uint64_t budget;

	if (effort.n == 0)
		return;
	ag_jo_open(s->b, "thinking", '{');
	if (ag_str_eq(effort, AG_STR("none"))) {
		ag_jo_str(s->b, "type", AG_STR("disabled"));
	} else {
		budget = ag_str_eq(effort, AG_STR("minimal")) || ag_str_eq(effort, AG_STR("low")) ? 1024
		    : ag_str_eq(effort, AG_STR("medium")) ? 8192 : 24576;
		ag_jo_str(s->b, "type", AG_STR("enabled"));
		ag_jo_u64(s->b, "token_budget", budget > s->in->limit / 2 ? (s->in->limit + 1) / 2 : budget);
	}
	ag_jo_close(s->b, '}');
}

static const struct ag_chat_fields fields = {
	.chat = {
		.taken = { "temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty",
		    "reasoning_effort" },
		.left = { "logit_bias", "prediction", "store", "metadata", "user", "safety_identifier", "verbosity",
		    "service_tier", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention" },
	},
	.message = { .left = { "name", "cache_control" } },
	.part = { .left = { "cache_control", "prompt_cache_breakpoint" } },
	.image = { .taken = { "detail" } },
	.tool = { .left = { "cache_control" } },
	.function = { .taken = { "strict" } },
	.stops_max = STOPS_MAX,
	.n_max = 1,
};

/* false is asking for something here. */
static int
check(const struct ag_build_in *in, struct ag_err *err)
{
	struct json_object *parallel = ag_tree_get(in->chat, "parallel_tool_calls");

	if (in->is_strict && parallel && !json_object_get_boolean(parallel))
		return ag_err_set(err, -EINVAL, "parallel_tool_calls: cannot be switched off with %s", in->family->name);
	return ag_chat_check(in, &fields, NULL, err);
}

int
ag_cohere_build(const struct ag_build_in *in, struct ag_buf *out, struct ag_err *err)
{
	struct build s = { .in = in, .b = out, .err = err };
	struct json_object *messages = ag_tree_array(in->chat, "messages");
	int rc = check(in, err);

	if (rc < 0)
		return rc;
	ag_jo_open(out, NULL, '{');
	ag_jo_str(out, "model", in->model);
	ag_jo_open(out, "messages", '[');
	for (size_t i = 0; i < ag_json_len(messages) && rc == 0; i++)
		rc = put_message(&s, ag_json_at(messages, i), i);
	ag_jo_close(out, ']');
	if (rc == 0)
		rc = put_tools(&s);
	if (rc == 0)
		rc = put_format(&s);
	if (rc < 0)
		return rc;
	ag_jo_u64(out, "max_tokens", in->limit);
	put_sampling(&s);
	put_thinking(&s);
	if (in->is_stream)
		ag_jo_bool(out, "stream", true);
	ag_jo_close(out, '}');
	return out->failed ? ag_err_set(err, -ENOBUFS, "the request is too large") : 0;
}
