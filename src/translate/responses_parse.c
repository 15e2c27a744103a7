/* responses_parse.c - a request of /v1/responses as a chat.
 *
 * Its input is a row of items: messages, calls, their results, thinking.  What belongs to one turn of the
 * assistant stands in items of its own there, and in one message of the chat. */
#include <errno.h>

#include "base/json.h"
#include "translate/chat.h"
#include "translate/fields.h"
#include "translate/responses.h"

#define SCHEMA_DEPTH_MAX 32u

/* What the members are, where another protocol would read them. */
static const struct ag_kind kinds[] = {
	{ AG_KIND_TEXT, { "model", "instructions", "service_tier", "user", "safety_identifier",
	    "prompt_cache_key", "prompt_cache_retention", "truncation", "effort", "type", "text",
	    "refusal", "image_url", "detail", "file_id", "file_data", "file_url", "filename", "role",
	    "id", "status", "phase", "call_id", "name", "arguments", "encrypted_content", "description",
	    "mode", "verbosity" } },
	{ AG_KIND_NUMBER, { "max_output_tokens", "temperature", "top_p", "top_logprobs" } },
	{ AG_KIND_BOOL, { "parallel_tool_calls", "stream", "include_obfuscation", "strict" } },
	{ AG_KIND_OBJECT, { "reasoning", "stream_options", "metadata", "prompt_cache_options",
	    "input_audio", "extra_content", "parameters", "format", "schema" } },
	{ AG_KIND_ARRAY, { "annotations", "logprobs" } },
	{ AG_KIND_TEXTS, { "include" } },
	{ AG_KIND_OBJECTS, { "tools", "summary" } },
	{ AG_KIND_TEXT | AG_KIND_OBJECT, { "tool_choice" } },
	{ AG_KIND_TEXT | AG_KIND_OBJECTS, { "input", "content", "output" } },
	{ 0, { NULL } },
};

struct parse {
	struct json_object *messages; /* of the chat, borrowed */
	struct json_object *turn;     /* the assistant's that is open, borrowed; NULL: none */
	struct json_object *images;   /* of results, told behind the last of them; owned, NULL: none */
	struct ag_refuser r;
	struct ag_err *err;
};

static int
check(const struct parse *p, struct json_object *obj, const struct ag_fields *f, struct ag_place place)
{
	return ag_fields_check(obj, f, NULL, place, &p->r);
}

static const char *
or_empty(struct ag_str s)
{
	return s.p ? s.p : "";
}

/* ---- parts ------------------------------------------------------------------------------- */

static int
put_image(struct parse *p, struct json_object *parts, struct json_object *part, size_t at)
{
	struct json_object *out, *url;

	if (ag_tree_str(part, "image_url").n == 0)
		return ag_err_set(p->err, -EINVAL, "input[%zu].content: an input_image needs image_url here; file_id is "
		    "kept by its own provider", at);
	out = ag_tree_new();
	url = ag_tree_new();
	ag_tree_share(url, "url", ag_tree_get(part, "image_url"));
	ag_tree_share(url, "detail", ag_tree_get(part, "detail"));
	ag_tree_put_str(out, "type", AG_STR("image_url"));
	ag_tree_share(out, "prompt_cache_breakpoint", ag_tree_get(part, "prompt_cache_breakpoint"));
	ag_tree_put(out, "image_url", url);
	ag_tree_push(parts, out);
	return 0;
}

static int
put_file(struct parse *p, struct json_object *parts, struct json_object *part, size_t at)
{
	struct json_object *out, *file;

	if (ag_tree_str(part, "file_data").n == 0)
		return ag_err_set(p->err, -EINVAL, "input[%zu].content: an input_file needs file_data here; file_url and "
		    "file_id are not fetched", at);
	out = ag_tree_new();
	file = ag_tree_new();
	ag_tree_share(file, "file_data", ag_tree_get(part, "file_data"));
	ag_tree_share(file, "filename", ag_tree_get(part, "filename"));
	ag_tree_put_str(out, "type", AG_STR("file"));
	ag_tree_share(out, "prompt_cache_breakpoint", ag_tree_get(part, "prompt_cache_breakpoint"));
	ag_tree_put(out, "file", file);
	ag_tree_push(parts, out);
	return 0;
}

static void
put_text(struct json_object *parts, const char *kind, struct ag_str text, struct json_object *part)
{
	struct json_object *out = ag_tree_new();

	ag_tree_put_str(out, "type", ag_str(kind));
	ag_tree_put_str(out, kind, text);
	ag_tree_share(out, "prompt_cache_breakpoint", ag_tree_get(part, "prompt_cache_breakpoint"));
	ag_tree_push(parts, out);
}

static int
put_part(struct parse *p, struct json_object *parts, struct json_object *part, size_t at)
{
	/* What an answer said beside its text comes back with it. */
	static const struct ag_fields fields = { .taken = { "type", "text", "refusal", "image_url", "detail", "file_id",
	    "file_data", "file_url", "filename", "input_audio", "prompt_cache_breakpoint", "annotations", "logprobs" } };
	struct ag_str type = ag_tree_str(part, "type");
	int rc = check(p, part, &fields, AG_AT("input", at));

	if (rc < 0)
		return rc;

	if (ag_str_eq(type, AG_STR("input_text")) || ag_str_eq(type, AG_STR("output_text")) ||
	    ag_str_eq(type, AG_STR("text"))) {
		put_text(parts, "text", ag_tree_str(part, "text"), part);
		return 0;
	}
	if (ag_str_eq(type, AG_STR("refusal"))) {
		put_text(parts, "refusal", ag_tree_str(part, "refusal"), NULL);
		return 0;
	}
	if (ag_str_eq(type, AG_STR("input_image")))
		return put_image(p, parts, part, at);
	if (ag_str_eq(type, AG_STR("input_file")))
		return put_file(p, parts, part, at);
	if (ag_str_eq(type, AG_STR("input_audio"))) {
		ag_tree_push(parts, json_object_get(part));
		return 0;
	}
	return ag_err_set(p->err, -EINVAL, "input[%zu].content: a part of type \"%.40s\" is not supported by this provider",
	    at, or_empty(type));
}

/* ---- turns of the assistant -------------------------------------------------------------- */

static struct json_object *
open_turn(struct parse *p)
{
	if (!p->turn) {
		p->turn = ag_tree_new();
		ag_tree_put_str(p->turn, "role", AG_STR("assistant"));
		if (p->turn)
			json_object_object_add(p->turn, "content", NULL);
		ag_tree_push(p->messages, p->turn);
	}
	return p->turn;
}

/* Thinking and text come before calls; what comes behind them is another turn. */
static void
end_turn_that_speaks(struct parse *p)
{
	if (ag_tree_get(p->turn, "content") || ag_tree_array(p->turn, "tool_calls"))
		p->turn = NULL;
}

static struct json_object *
array_in(struct json_object *obj, const char *key)
{
	struct json_object *list = ag_tree_array(obj, key);

	if (!list) {
		list = ag_tree_new_array();
		ag_tree_put(obj, key, list);
	}
	return list;
}

static void
put_summary(struct json_object *turn, struct json_object *thought, struct json_object *summary)
{
	struct ag_buf text;

	ag_buf_init(&text, (size_t)16 << 20);
	for (size_t i = 0; i < ag_json_len(summary); i++)
		ag_buf_put_str(&text, ag_tree_str(ag_json_at(summary, i), "text"));
	ag_tree_put_str(thought, "thinking", ag_buf_str(&text));
	if (text.n > 0)
		ag_tree_put_str(turn, "reasoning_content", ag_buf_str(&text));
	ag_buf_fini(&text);
}

/* Thinking with a proof of ours goes back to who made it; other thinking says nothing to anybody else. */
static void
parse_reasoning(struct parse *p, struct json_object *item)
{
	struct ag_str sealed = ag_tree_str(item, "encrypted_content");
	struct json_object *turn, *block;

	if (!ag_str_starts(sealed, AG_STR(AG_RESPONSES_PROOF)) && !ag_str_starts(sealed, AG_STR(AG_RESPONSES_REDACTED)))
		return;
	end_turn_that_speaks(p);
	turn = open_turn(p);
	block = ag_tree_new();
	if (ag_str_starts(sealed, AG_STR(AG_RESPONSES_REDACTED))) {
		ag_tree_put_str(block, "type", AG_STR("redacted_thinking"));
		ag_tree_put_str(block, "data", ag_str_skip(sealed, sizeof(AG_RESPONSES_REDACTED) - 1));
	} else {
		ag_tree_put_str(block, "type", AG_STR("thinking"));
		put_summary(turn, block, ag_tree_array(item, "summary"));
		ag_tree_put_str(block, "signature", ag_str_skip(sealed, sizeof(AG_RESPONSES_PROOF) - 1));
	}
	ag_tree_push(array_in(turn, "thinking_blocks"), block);
}

static int
parse_call(struct parse *p, struct json_object *item, size_t at)
{
	struct json_object *call, *fn;

	if (ag_tree_str(item, "call_id").n == 0 || ag_tree_str(item, "name").n == 0)
		return ag_err_set(p->err, -EINVAL, "input[%zu]: a function_call needs call_id and name", at);
	call = ag_tree_new();
	fn = ag_tree_new();
	ag_tree_put_str(call, "id", ag_tree_str(item, "call_id"));
	ag_tree_put_str(call, "type", AG_STR("function"));
	ag_tree_put_str(fn, "name", ag_tree_str(item, "name"));
	ag_tree_put_str(fn, "arguments", ag_tree_str(item, "arguments"));
	ag_tree_put(call, "function", fn);
	ag_tree_share(call, "extra_content", ag_tree_get(item, "extra_content"));
	ag_tree_push(array_in(open_turn(p), "tool_calls"), call);
	return 0;
}

/* ---- results ----------------------------------------------------------------------------- */

static int
parse_result(struct parse *p, struct json_object *item, size_t at)
{
	struct json_object *output = ag_tree_get(item, "output"), *m, *texts;
	int rc = 0;

	p->turn = NULL;
	if (ag_tree_str(item, "call_id").n == 0)
		return ag_err_set(p->err, -EINVAL, "input[%zu]: a function_call_output needs call_id", at);
	if (!json_object_is_type(output, json_type_string) && !json_object_is_type(output, json_type_array))
		return ag_err_set(p->err, -EINVAL, "input[%zu].output: a text or an array is required", at);
	m = ag_tree_new();
	ag_tree_put_str(m, "role", AG_STR("tool"));
	ag_tree_put_str(m, "tool_call_id", ag_tree_str(item, "call_id"));
	if (json_object_is_type(output, json_type_string)) {
		ag_tree_share(m, "content", output);
		ag_tree_push(p->messages, m);
		return 0;
	}
	texts = ag_tree_new_array();
	if (!p->images)
		p->images = ag_tree_new_array();
	for (size_t i = 0; i < ag_json_len(output) && rc == 0; i++) {
		struct json_object *part = ag_json_at(output, i);

		rc = put_part(p, ag_tree_is(part, "type", "input_text") ? texts : p->images, part, at);
	}
	if (ag_json_len(texts) > 0) {
		ag_chat_put_content(m, texts);
	} else {
		json_object_put(texts);
		ag_tree_put_str(m, "content", AG_STR(""));
	}
	ag_tree_push(p->messages, m);
	return rc;
}

/* Results stand one behind the other: what they show follows the last of them. */
static void
flush_images(struct parse *p)
{
	if (ag_json_len(p->images) > 0)
		ag_chat_push(p->messages, "user", p->images);
	else
		json_object_put(p->images);
	p->images = NULL;
}

/* ---- items ------------------------------------------------------------------------------- */

static int
parse_message(struct parse *p, struct json_object *item, size_t at)
{
	struct ag_str role = ag_tree_str(item, "role");
	struct json_object *content = ag_tree_get(item, "content"), *parts;
	int rc = 0;

	if (!ag_str_eq(role, AG_STR("user")) && !ag_str_eq(role, AG_STR("assistant")) &&
	    !ag_str_eq(role, AG_STR("system")) && !ag_str_eq(role, AG_STR("developer")))
		return ag_err_set(p->err, -EINVAL, "input[%zu].role: must be user, assistant, system or developer", at);
	if (!json_object_is_type(content, json_type_string) && !json_object_is_type(content, json_type_array))
		return ag_err_set(p->err, -EINVAL, "input[%zu].content: a text or an array is required", at);
	parts = ag_tree_new_array();
	if (json_object_is_type(content, json_type_string))
		put_text(parts, "text", ag_tree_text(content), NULL);
	for (size_t i = 0; i < ag_json_len(content) && rc == 0; i++)
		rc = put_part(p, parts, ag_json_at(content, i), at);
	if (rc < 0) {
		json_object_put(parts);
		return rc;
	}
	if (ag_str_eq(role, AG_STR("assistant"))) {
		end_turn_that_speaks(p);
		ag_chat_put_content(open_turn(p), parts);
	} else {
		p->turn = NULL;
		ag_chat_push(p->messages, role.p, parts);
	}
	return 0;
}

/* Ids and states of items are their provider's, and nothing that is asked for. */
static int
check_item(const struct parse *p, struct json_object *item, size_t at)
{
	static const struct { const char *type; struct ag_fields f; } rows[] = {
		{ "message", { .taken = { "type", "role", "content", "id", "status", "phase" } } },
		{ "function_call", { .taken = { "type", "call_id", "name", "arguments", "extra_content", "id", "status" } } },
		{ "function_call_output", { .taken = { "type", "call_id", "output", "id", "status" } } },
		{ "reasoning", { .taken = { "type", "summary", "content", "encrypted_content", "id", "status" } } },
	};
	static const struct ag_fields said = { .taken = { "type", "text" } };
	struct ag_str type = ag_tree_str(item, "type");
	struct json_object *summary = ag_tree_array(item, "summary");
	int rc = 0;

	for (size_t i = 0; i < AG_ARRAY_LEN(rows) && rc == 0; i++)
		if (ag_str_eq(type.n > 0 ? type : AG_STR("message"), ag_str(rows[i].type)))
			rc = check(p, item, &rows[i].f, AG_AT("input", at));
	for (size_t i = 0; i < ag_json_len(summary) && rc == 0; i++)
		rc = check(p, ag_json_at(summary, i), &said, AG_IN("input", at, "summary", i));
	return rc;
}

static int
parse_item(struct parse *p, struct json_object *item, size_t at)
{
	struct ag_str type = ag_tree_str(item, "type");
	int rc = check_item(p, item, at);

	if (rc < 0)
		return rc;
	if (ag_str_eq(type, AG_STR("function_call_output")))
		return parse_result(p, item, at);
	flush_images(p);
	if (type.n == 0 || ag_str_eq(type, AG_STR("message")))
		return parse_message(p, item, at);
	if (ag_str_eq(type, AG_STR("function_call")))
		return parse_call(p, item, at);
	if (ag_str_eq(type, AG_STR("reasoning"))) {
		parse_reasoning(p, item);
		return 0;
	}
	if (ag_str_eq(type, AG_STR("item_reference")))
		return ag_err_set(p->err, -EINVAL, "input[%zu]: an item_reference needs a response that is kept, and none is "
		    "kept here: send the item itself", at);
	return ag_err_set(p->err, -EINVAL, "input[%zu]: an item of type \"%.40s\" is not supported by this provider", at,
	    type.p);
}

static int
parse_input(struct parse *p, struct json_object *body)
{
	struct json_object *input = ag_tree_get(body, "input"), *parts;
	int rc = 0;

	if (ag_tree_str(body, "instructions").n > 0) {
		parts = ag_tree_new_array();
		put_text(parts, "text", ag_tree_str(body, "instructions"), NULL);
		ag_chat_push(p->messages, "system", parts);
	}
	if (json_object_is_type(input, json_type_string)) {
		parts = ag_tree_new_array();
		put_text(parts, "text", ag_tree_text(input), NULL);
		ag_chat_push(p->messages, "user", parts);
		return 0;
	}
	if (ag_json_len(input) == 0)
		return ag_err_set(p->err, -EINVAL, "input: a text, or an array that is not empty, is required");
	for (size_t i = 0; i < ag_json_len(input) && rc == 0; i++)
		rc = parse_item(p, ag_json_at(input, i), i);
	flush_images(p);
	return rc;
}

/* ---- tools ------------------------------------------------------------------------------- */

/* Strict is what a function is there when nothing is said; elsewhere only a schema that closes every
 * object and requires all it has can be strict. */
static bool
can_be_strict(struct json_object *schema, unsigned depth)
{
	struct json_object *properties = ag_tree_object(schema, "properties"), *more = ag_tree_get(schema, "additionalProperties");

	if (!schema || depth > SCHEMA_DEPTH_MAX)
		return false;
	if (ag_tree_is(schema, "type", "array"))
		return can_be_strict(ag_tree_object(schema, "items"), depth + 1);
	if (!ag_tree_is(schema, "type", "object"))
		return ag_tree_get(schema, "type") || ag_tree_get(schema, "enum");
	if (!more || !json_object_is_type(more, json_type_boolean) || json_object_get_boolean(more))
		return false;
	if (!properties)
		return true;
	if (ag_json_len(ag_tree_array(schema, "required")) != ag_json_members(properties))
		return false;
	ag_json_foreach(properties, name, one) {
		(void)name;
		if (!can_be_strict(json_object_is_type(one, json_type_object) ? one : NULL, depth + 1))
			return false;
	}
	return true;
}

static int
parse_tools(const struct parse *p, struct json_object *body, struct json_object *chat)
{
	static const struct ag_fields fields = { .taken = { "type", "name", "description", "parameters", "strict" } };
	struct json_object *tools = ag_tree_array(body, "tools"), *out;
	int rc;

	if (ag_json_len(tools) == 0)
		return 0;
	out = ag_tree_new_array();
	for (size_t i = 0; i < ag_json_len(tools); i++) {
		struct json_object *t = ag_json_at(tools, i), *tool, *fn;

		rc = ag_tree_is(t, "type", "function") ? check(p, t, &fields, AG_AT("tools", i))
		    : ag_err_set(p->err, -EINVAL, "tools[%zu].type: \"%.40s\" is a tool that this provider does not run", i,
		    or_empty(ag_tree_str(t, "type")));
		if (rc < 0) {
			json_object_put(out);
			return rc;
		}
		tool = ag_tree_new();
		fn = ag_tree_new();
		ag_tree_put_str(tool, "type", AG_STR("function"));
		ag_tree_put_str(fn, "name", ag_tree_str(t, "name"));
		ag_tree_share(fn, "description", ag_tree_get(t, "description"));
		ag_tree_share(fn, "parameters", ag_tree_get(t, "parameters"));
		if (ag_tree_get(t, "strict"))
			ag_tree_share(fn, "strict", ag_tree_get(t, "strict"));
		else if (can_be_strict(ag_tree_object(t, "parameters"), 0))
			ag_tree_put_true(fn, "strict", true);
		ag_tree_put(tool, "function", fn);
		ag_tree_push(out, tool);
	}
	ag_tree_put(chat, "tools", out);
	return 0;
}

static int
parse_tool_choice(const struct parse *p, struct json_object *body, struct json_object *chat)
{
	static const struct ag_fields fields = { .taken = { "type", "name", "mode", "tools" } };
	struct json_object *choice = ag_tree_get(body, "tool_choice"), *tools = ag_tree_array(choice, "tools"), *out, *allowed;
	int rc = check(p, choice, &fields, AG_AT("tool_choice", AG_NOWHERE));

	if (!choice || rc < 0)
		return rc;
	if (json_object_is_type(choice, json_type_string)) {
		ag_tree_share(chat, "tool_choice", choice);
		return 0;
	}
	if (ag_tree_is(choice, "type", "function")) {
		ag_tree_put(chat, "tool_choice", ag_chat_function(ag_tree_str(choice, "name")));
		return 0;
	}
	if (!ag_tree_is(choice, "type", "allowed_tools"))
		return ag_err_set(p->err, -EINVAL, "tool_choice.type: \"%.40s\" is not supported by this provider",
		    or_empty(ag_tree_str(choice, "type")));
	out = ag_tree_new();
	allowed = ag_tree_new();
	ag_tree_put_str(out, "type", AG_STR("allowed_tools"));
	ag_tree_share(allowed, "mode", ag_tree_get(choice, "mode"));
	for (size_t i = 0; i < ag_json_len(tools); i++)
		ag_tree_push(array_in(allowed, "tools"), ag_chat_function(ag_tree_str(ag_json_at(tools, i), "name")));
	ag_tree_put(out, "allowed_tools", allowed);
	ag_tree_put(chat, "tool_choice", out);
	return 0;
}

/* ---- the rest of the body ---------------------------------------------------------------- */

static int
parse_format(const struct parse *p, struct json_object *body, struct json_object *chat)
{
	static const struct ag_fields fields = { .taken = { "format", "verbosity" } };
	static const struct ag_fields inner = { .taken = { "type", "name", "description", "schema", "strict" } };
	struct json_object *text = ag_tree_object(body, "text"), *format = ag_tree_object(text, "format"), *out, *schema;
	int rc = check(p, text, &fields, AG_AT("text", AG_NOWHERE));

	if (rc == 0)
		rc = check(p, format, &inner, AG_IN("text", AG_NOWHERE, "format", AG_NOWHERE));
	if (rc < 0)
		return rc;
	ag_tree_share(chat, "verbosity", ag_tree_get(text, "verbosity"));
	if (ag_tree_is(format, "type", "json_object"))
		ag_tree_share(chat, "response_format", format);
	else if (format && !ag_tree_is(format, "type", "json_schema") && !ag_tree_is(format, "type", "text"))
		return ag_err_set(p->err, -EINVAL, "text.format.type: \"%.40s\" is not supported by this provider",
		    or_empty(ag_tree_str(format, "type")));
	if (!ag_tree_is(format, "type", "json_schema"))
		return 0;
	out = ag_tree_new();
	schema = ag_tree_new();
	ag_tree_share(schema, "name", ag_tree_get(format, "name"));
	ag_tree_share(schema, "description", ag_tree_get(format, "description"));
	ag_tree_share(schema, "schema", ag_tree_get(format, "schema"));
	ag_tree_share(schema, "strict", ag_tree_get(format, "strict"));
	ag_tree_put_str(out, "type", AG_STR("json_schema"));
	ag_tree_put(out, "json_schema", schema);
	ag_tree_put(chat, "response_format", out);
	return 0;
}

static void
parse_rest(struct json_object *body, struct json_object *chat)
{
	static const char *const same[] = { "model", "stream", "temperature", "top_p", "parallel_tool_calls", "metadata",
		"service_tier", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_options",
		"prompt_cache_retention" };
	struct json_object *effort = ag_tree_get(ag_tree_object(body, "reasoning"), "effort");
	int64_t top = ag_tree_int(body, "top_logprobs", 0);

	for (size_t i = 0; i < AG_ARRAY_LEN(same); i++)
		ag_tree_share(chat, same[i], ag_tree_get(body, same[i]));
	ag_tree_share(chat, "max_completion_tokens", ag_tree_get(body, "max_output_tokens"));
	ag_tree_share(chat, "reasoning_effort", effort);
	if (top > 0) {
		ag_tree_put_true(chat, "logprobs", true);
		ag_tree_put_int(chat, "top_logprobs", top);
	}
}

/* More of an answer than it holds of itself: proofs of thinking always come along. */
static int
parse_include(const struct parse *p, struct json_object *body, struct json_object *chat)
{
	struct json_object *include = ag_tree_array(body, "include");

	for (size_t i = 0; i < ag_json_len(include); i++) {
		struct ag_str what = ag_tree_text(ag_json_at(include, i));

		if (ag_str_eq(what, AG_STR("message.output_text.logprobs")))
			ag_tree_put_true(chat, "logprobs", true);
		else if (!ag_str_eq(what, AG_STR("reasoning.encrypted_content")))
			return ag_err_set(p->err, -EINVAL, "include[%zu]: \"%.60s\" is not supported by this provider", i,
			    or_empty(what));
	}
	return 0;
}

/* Responses are not kept.  That they be kept is the default there and not asked for by name: who does
 * not say anything is told by "store": false in the answer. */
static int
refuse_state(const struct parse *p, struct json_object *body)
{
	static const char *const names[] = { "previous_response_id", "conversation", "prompt" };

	for (size_t i = 0; i < AG_ARRAY_LEN(names); i++)
		if (ag_tree_get(body, names[i]))
			return ag_err_set(p->err, -EINVAL, "%s: needs what its own provider keeps; it is not supported by this provider",
			    names[i]);
	if (ag_tree_true(body, "store"))
		return ag_err_set(p->err, -EINVAL, "store: responses of this provider cannot be kept");
	if (ag_tree_true(body, "background"))
		return ag_err_set(p->err, -EINVAL, "background: an answer that is not waited for is not supported");
	return 0;
}

static int
check_body(const struct parse *p, struct json_object *body)
{
	static const struct ag_kind own[] = { { AG_KIND_OBJECT, { "text" } }, { 0, { NULL } } };
	static const struct ag_fields fields = { .taken = { "model", "input", "instructions", "max_output_tokens", "tools",
	    "tool_choice", "parallel_tool_calls", "text", "reasoning", "temperature", "top_p", "top_logprobs", "include",
	    "stream", "stream_options", "metadata", "service_tier", "user", "safety_identifier", "prompt_cache_key",
	    "prompt_cache_options", "prompt_cache_retention", "truncation" }, .own = own };
	static const struct ag_fields reasoning = { .taken = { "effort" }, .left = { "summary", "generate_summary" } };
	static const struct ag_fields options = { .taken = { "include_obfuscation" } };
	struct json_object *truncation = ag_tree_get(body, "truncation");
	int rc = refuse_state(p, body);

	if (rc == 0)
		rc = check(p, body, &fields, AG_BODY);
	if (rc == 0)
		rc = check(p, ag_tree_get(body, "reasoning"), &reasoning, AG_AT("reasoning", AG_NOWHERE));
	if (rc == 0)
		rc = check(p, ag_tree_get(body, "stream_options"), &options, AG_AT("stream_options", AG_NOWHERE));
	if (rc == 0 && truncation && !ag_str_eq(ag_tree_text(truncation), AG_STR("disabled")))
		rc = ag_err_set(p->err, -EINVAL, "truncation: only \"disabled\" is supported by this provider");
	return rc;
}

int
ag_responses_parse(const struct ag_parse_in *in, struct json_object **out_chat, struct ag_err *err)
{
	struct parse p = { .err = err,
		.r = { .by = AG_THIS_PROVIDER, .is_strict = in->is_strict, .kinds = kinds, .err = err } };
	struct json_object *body, *chat;
	int rc = ag_chat_open(in->body, &body, &chat, &p.messages, err);

	if (rc < 0)
		return rc;
	rc = check_body(&p, body);
	if (rc == 0)
		rc = parse_input(&p, body);
	if (rc == 0)
		rc = parse_tools(&p, body, chat);
	if (rc == 0)
		rc = parse_tool_choice(&p, body, chat);
	if (rc == 0)
		rc = parse_format(&p, body, chat);
	if (rc == 0)
		rc = parse_include(&p, body, chat);
	if (rc == 0 && ag_json_len(p.messages) == 0)
		rc = ag_err_set(err, -EINVAL, "input: nothing is left to answer");
	parse_rest(body, chat);
	json_object_put(p.images);
	json_object_put(body);
	return ag_chat_done(chat, rc, out_chat, err);
}
