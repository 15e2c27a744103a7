#include "translate/chat_check.h"

#include <errno.h>
#include <string.h>

#include "aigated/catalog.h"
#include "base/json.h"
#include "translate/chat.h"

/* Of names that only one protocol knows, the provider itself says what they must be. */
const struct ag_kind ag_chat_kinds[] = {
	{ AG_KIND_TEXT, { "model", "role", "type", "text", "refusal", "url", "detail", "data", "format",
	    "filename", "file_data", "file_id", "id", "name", "description", "arguments",
	    "tool_call_id", "signature", "reasoning_content", "reasoning_effort", "verbosity",
	    "prompt_cache_key", "prompt_cache_retention", "service_tier", "safety_identifier", "user" } },
	{ AG_KIND_NUMBER, { "max_completion_tokens", "max_tokens", "n", "temperature", "top_p", "top_k",
	    "presence_penalty", "frequency_penalty", "top_logprobs", "seed", "best_of", "index" } },
	{ AG_KIND_BOOL, { "stream", "include_usage", "include_obfuscation", "logprobs",
	    "parallel_tool_calls", "store", "strict", "prefix" } },
	{ AG_KIND_OBJECT, { "stream_options", "response_format", "json_schema", "schema", "logit_bias",
	    "audio", "prediction", "prompt_cache_options", "metadata", "web_search_options",
	    "input_audio", "file", "image_url", "function", "custom", "parameters", "extra_content",
	    "cache_control", "function_call" } },
	{ AG_KIND_OBJECTS, { "messages", "tools", "tool_calls", "thinking_blocks" } },
	{ AG_KIND_TEXTS, { "modalities" } },
	{ AG_KIND_TEXT | AG_KIND_TEXTS, { "stop" } },
	{ AG_KIND_TEXT | AG_KIND_OBJECT, { "tool_choice" } },
	{ AG_KIND_TEXT | AG_KIND_OBJECTS, { "content" } },
	{ 0, { NULL } },
};

struct check {
	const struct ag_chat_fields *f;
	struct ag_refuser r;
};

/* ---- messages ---------------------------------------------------------------------------- */

static int
check_part(const struct check *c, struct json_object *part, size_t at, size_t k)
{
	static const struct ag_fields common = { .taken = { "type", "text", "refusal", "image_url", "input_audio", "file" } };
	static const struct ag_fields url = { .taken = { "url" } };
	static const struct ag_fields audio = { .taken = { "data", "format" } };
	struct ag_place here = AG_IN("messages", at, "content", k);
	int rc = ag_fields_check(part, &c->f->part, &common, here, &c->r);

	if (rc == 0)
		rc = ag_fields_check(ag_tree_get(part, "image_url"), &c->f->image, &url, here, &c->r);
	if (rc == 0)
		rc = ag_fields_check(ag_tree_get(part, "input_audio"), &audio, NULL, here, &c->r);
	return rc < 0 ? rc : ag_fields_check(ag_tree_get(part, "file"), &c->f->file, NULL, here, &c->r);
}

static int
check_call(const struct check *c, struct json_object *call, size_t at, size_t k)
{
	static const struct ag_fields common = { .taken = { "id", "type", "function", "index", "extra_content" } };
	static const struct ag_fields function = { .taken = { "name", "arguments" } };
	struct ag_place here = AG_IN("messages", at, "tool_calls", k);
	int rc = ag_fields_check(call, &c->f->call, &common, here, &c->r);

	return rc < 0 ? rc : ag_fields_check(ag_tree_get(call, "function"), &function, NULL, here, &c->r);
}

static int
check_message(const struct check *c, struct json_object *m, size_t at)
{
	/* What an answer said beside its text comes back in the next request, and asks for nothing. */
	static const struct ag_fields common = { .taken = { "role", "content", "tool_calls", "tool_call_id",
	    "reasoning", "reasoning_details", "reasoning_content", "thinking_blocks", "annotations" } };
	static const struct ag_kind words[] = { { AG_KIND_TEXT, { "thinking" } }, { 0, { NULL } } };
	static const struct ag_fields thought = { .taken = { "type", "thinking", "signature", "data" },
		.left = { "cache_control" }, .own = words };
	struct json_object *parts = ag_tree_array(m, "content"), *calls = ag_tree_array(m, "tool_calls");
	struct json_object *thoughts = ag_tree_array(m, "thinking_blocks");
	int rc = ag_fields_check(m, &c->f->message, &common, AG_AT("messages", at), &c->r);

	for (size_t k = 0; k < ag_json_len(parts) && rc == 0; k++)
		rc = check_part(c, ag_json_at(parts, k), at, k);
	for (size_t k = 0; k < ag_json_len(calls) && rc == 0; k++)
		rc = check_call(c, ag_json_at(calls, k), at, k);
	for (size_t k = 0; k < ag_json_len(thoughts) && rc == 0; k++)
		rc = ag_fields_check(ag_json_at(thoughts, k), &thought, NULL, AG_IN("messages", at, "thinking_blocks", k), &c->r);
	return rc;
}

/* ---- tools ------------------------------------------------------------------------------- */

static int
check_tool(const struct check *c, struct json_object *tool, size_t at)
{
	static const struct ag_fields common = { .taken = { "type", "function", "custom" } };
	static const struct ag_fields function = { .taken = { "name", "description", "parameters" } };
	int rc = ag_fields_check(tool, &c->f->tool, &common, AG_AT("tools", at), &c->r);

	return rc < 0 ? rc : ag_fields_check(ag_tree_get(tool, "function"), &c->f->function, &function,
	    AG_IN("tools", at, "function", AG_NOWHERE), &c->r);
}

static int
check_allowed(const struct check *c, struct json_object *allowed)
{
	struct json_object *tools = ag_tree_array(allowed, "tools");

	if (ag_json_len(tools) == 0)
		return ag_err_set(c->r.err, -EINVAL, "tool_choice.allowed_tools.tools: an array that is not empty is required");
	if (!ag_tree_is(allowed, "mode", "auto") && !ag_tree_is(allowed, "mode", "required"))
		return ag_err_set(c->r.err, -EINVAL, "tool_choice.allowed_tools.mode: must be auto or required");
	for (size_t i = 0; i < ag_json_len(tools); i++)
		if (ag_tree_str(ag_tree_object(ag_json_at(tools, i), "function"), "name").n == 0)
			return ag_err_set(c->r.err, -EINVAL, "tool_choice.allowed_tools.tools[%zu]: only functions are supported "
			    "by %s", i, c->r.by);
	return 0;
}

static int
check_tool_choice(const struct check *c, struct json_object *chat)
{
	struct json_object *choice = ag_tree_get(chat, "tool_choice");
	struct ag_str word = ag_tree_text(choice);
	bool is_free = ag_str_eq(word, AG_STR("auto")) || ag_str_eq(word, AG_STR("none"));

	if (!choice || is_free)
		return 0;
	if (ag_json_len(ag_tree_array(chat, "tools")) == 0)
		return ag_err_set(c->r.err, -EINVAL, "tool_choice: there are no tools to choose from");
	if (ag_tree_object(choice, "allowed_tools"))
		return check_allowed(c, ag_tree_object(choice, "allowed_tools"));
	if (ag_str_eq(word, AG_STR("required")) || ag_tree_str(ag_tree_object(choice, "function"), "name").n > 0)
		return 0;
	return ag_err_set(c->r.err, -EINVAL, "tool_choice: must be none, auto, required, a function or allowed_tools with %s",
	    c->r.by);
}

int
ag_chat_refuse_tier(const struct ag_build_in *in, struct ag_err *err)
{
	struct ag_str tier = ag_tree_str(in->chat, "service_tier");

	return ag_err_set(err, -EINVAL, "service_tier: \"%.40s\" is not supported by %s", tier.p ? tier.p : "",
	    in->family->name);
}

bool
ag_chat_is_allowed(struct json_object *choice, struct ag_str name)
{
	struct json_object *list = ag_tree_array(ag_tree_object(choice, "allowed_tools"), "tools");

	if (!list)
		return true;
	for (size_t i = 0; i < ag_json_len(list); i++)
		if (ag_str_eq(ag_tree_str(ag_tree_object(ag_json_at(list, i), "function"), "name"), name))
			return true;
	return false;
}

/* ---- the chat itself --------------------------------------------------------------------- */

static int
check_format(const struct check *c, struct json_object *format)
{
	static const struct ag_fields common = { .taken = { "type", "json_schema" } };
	/* A name is a label; where a schema binds at all it binds strictly. */
	static const struct ag_fields schema = { .taken = { "schema", "name", "strict" }, .left = { "description" } };
	struct json_object *inner = ag_tree_object(format, "json_schema");
	struct ag_str type = ag_tree_str(format, "type");
	int rc;

	if (!format)
		return 0;
	if (!ag_str_eq(type, AG_STR("text")) && !ag_str_eq(type, AG_STR("json_object")) &&
	    !ag_str_eq(type, AG_STR("json_schema")))
		return ag_err_set(c->r.err, -EINVAL, "response_format.type: \"%.40s\" is not supported by %s",
		    type.p ? type.p : "", c->r.by);
	if (ag_str_eq(type, AG_STR("json_schema")) && !ag_tree_object(inner, "schema"))
		return ag_err_set(c->r.err, -EINVAL, "response_format.json_schema.schema: an object is required");
	rc = ag_fields_check(format, &common, NULL, AG_AT("response_format", AG_NOWHERE), &c->r);
	return rc < 0 ? rc : ag_fields_check(inner, &c->f->schema, &schema,
	    AG_IN("response_format", AG_NOWHERE, "json_schema", AG_NOWHERE), &c->r);
}

static int
check_stop(const struct check *c, struct json_object *stop)
{
	bool is_array = json_object_is_type(stop, json_type_array);
	bool is_good = is_array || json_object_is_type(stop, json_type_string);

	if (!stop)
		return 0;
	for (size_t i = 0; is_array && i < ag_json_len(stop); i++)
		is_good &= json_object_is_type(ag_json_at(stop, i), json_type_string);
	if (!is_good)
		return ag_err_set(c->r.err, -EINVAL, "stop: must be a text or an array of texts");
	if (is_array && c->f->stops_max > 0 && ag_json_len(stop) > c->f->stops_max)
		return ag_err_set(c->r.err, -EINVAL, "stop: at most %u with %s", c->f->stops_max, c->r.by);
	return 0;
}

/* How many answers, and how likely their words were. */
static int
check_n(const struct check *c, struct json_object *chat)
{
	int64_t n = ag_tree_int(chat, "n", 1);

	if (ag_tree_int(chat, "top_logprobs", 0) > 0 && !ag_tree_true(chat, "logprobs"))
		return ag_err_set(c->r.err, -EINVAL, "top_logprobs: only together with logprobs");
	if (n <= 1 || n <= c->f->n_max)
		return 0;
	if (c->f->n_max > 1)
		return ag_err_set(c->r.err, -EINVAL, "n: at most %u with %s", c->f->n_max, c->r.by);
	return ag_err_set(c->r.err, -EINVAL, "n: only 1 is supported by %s", c->r.by);
}

/* Text is what all of them answer with. */
static int
check_modalities(const struct check *c, struct json_object *chat)
{
	struct json_object *list = ag_tree_array(chat, "modalities");

	for (size_t i = 0; i < ag_json_len(list); i++)
		if (!ag_str_eq(ag_tree_text(ag_json_at(list, i)), AG_STR("text")) &&
		    !ag_fields_is_taken(&c->f->chat, "modalities"))
			return ag_err_set(c->r.err, -EINVAL, "modalities: only text is supported by %s", c->r.by);
	return 0;
}

static int
check_chat(const struct check *c, struct json_object *chat)
{
	static const struct ag_fields common = { .taken = { "model", "messages", "max_completion_tokens", "stream",
	    "stream_options", "modalities", "tools", "tool_choice", "response_format", "stop", "n" } };
	static const struct ag_fields options = { .taken = { "include_usage", "include_obfuscation" } };

	int rc = ag_fields_check(chat, &c->f->chat, &common, AG_BODY, &c->r);

	return rc < 0 ? rc : ag_fields_check(ag_tree_get(chat, "stream_options"), &options, NULL,
	    AG_AT("stream_options", AG_NOWHERE), &c->r);
}

struct json_object *
ag_chat_sampling(const struct ag_build_in *in, const char *name)
{
	return in->model_flags & AG_MF_NO_SAMPLING ? NULL : ag_tree_get(in->chat, name);
}

static int
check_sampling(const struct ag_build_in *in, struct ag_err *err)
{
	static const char *const names[] = { "temperature", "top_p", "top_k" };

	for (size_t i = 0; in->is_strict && i < AG_ARRAY_LEN(names); i++)
		if (ag_tree_get(in->chat, names[i]) && !ag_chat_sampling(in, names[i]))
			return ag_err_set(err, -EINVAL, "%s: not supported by this model", names[i]);
	return 0;
}

int
ag_chat_check(const struct ag_build_in *in, const struct ag_chat_fields *f, const char *by, struct ag_err *err)
{
	const struct check c = { .f = f,
		.r = { .by = by ? by : in->family->name, .is_strict = in->is_strict, .kinds = ag_chat_kinds,
		    .err = err } };
	struct json_object *messages = ag_tree_array(in->chat, "messages"), *tools = ag_tree_array(in->chat, "tools");
	int rc = check_n(&c, in->chat);

	if (rc == 0)
		rc = check_sampling(in, err);
	if (rc == 0)
		rc = check_chat(&c, in->chat);
	if (rc == 0)
		rc = check_modalities(&c, in->chat);
	if (rc == 0)
		rc = check_stop(&c, ag_tree_get(in->chat, "stop"));
	if (rc == 0)
		rc = check_format(&c, ag_tree_get(in->chat, "response_format"));
	for (size_t i = 0; i < ag_json_len(tools) && rc == 0; i++)
		rc = check_tool(&c, ag_json_at(tools, i), i);
	if (rc == 0)
		rc = check_tool_choice(&c, in->chat);
	for (size_t i = 0; i < ag_json_len(messages) && rc == 0; i++)
		rc = check_message(&c, ag_json_at(messages, i), i);
	return rc;
}
