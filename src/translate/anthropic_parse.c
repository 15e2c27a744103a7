/* anthropic_parse.c - a request of the Messages API as a chat.
 *
 * What stays in the chat though OpenAI does not know it: top_k, thinking_blocks of a message (with
 * their signatures), cache_control of parts and tools, which other protocols have a place for. */
#include <errno.h>

#include "base/json.h"
#include "translate/anthropic.h"
#include "translate/chat.h"
#include "translate/fields.h"

/* What the members are, where another protocol would read them. */
static const struct ag_kind kinds[] = {
	{ AG_KIND_TEXT, { "model", "service_tier", "speed", "anthropic_version", "type", "text",
	    "title", "id", "name", "tool_use_id", "signature", "data", "media_type", "url", "role",
	    "description", "effort", "user_id", "thinking" } },
	{ AG_KIND_NUMBER, { "max_tokens", "temperature", "top_p", "top_k", "budget_tokens" } },
	{ AG_KIND_BOOL, { "stream", "is_error", "strict", "disable_parallel_tool_use" } },
	{ AG_KIND_OBJECT, { "tool_choice", "output_config", "metadata", "cache_control", "source",
	    "input", "input_schema", "format", "schema" } },
	{ AG_KIND_OBJECTS, { "messages", "tools" } },
	{ AG_KIND_TEXT | AG_KIND_OBJECTS, { "system", "content" } },
	{ AG_KIND_TEXTS, { "stop_sequences" } },
	{ 0, { NULL } },
};

struct parse {
	struct json_object *messages; /* of the chat, borrowed */
	struct ag_refuser r;
	struct ag_err *err;
};

static int
check(const struct parse *p, struct json_object *obj, const struct ag_fields *f, struct ag_place place)
{
	return ag_fields_check(obj, f, NULL, place, &p->r);
}

/* A block of a message, and its source where it has one. */
static int
check_block(const struct parse *p, struct json_object *block, size_t at, size_t k)
{
	static const struct { const char *type; struct ag_fields f; } rows[] = {
		{ "text", { .taken = { "type", "text", "cache_control" }, .left = { "citations" } } },
		{ "image", { .taken = { "type", "source", "cache_control" } } },
		{ "document", { .taken = { "type", "source", "title", "cache_control" } } },
		{ "tool_use", { .taken = { "type", "id", "name", "input" }, .left = { "cache_control", "caller" } } },
		{ "tool_result", { .taken = { "type", "tool_use_id", "content", "is_error" },
		    .left = { "cache_control" } } },
		{ "thinking", { .taken = { "type", "thinking", "signature" } } },
		{ "redacted_thinking", { .taken = { "type", "data" } } },
	};
	static const struct ag_fields source = { .taken = { "type", "media_type", "data", "url" } };
	struct ag_place here = AG_IN("messages", at, "content", k);
	int rc = 0;

	for (size_t i = 0; i < AG_ARRAY_LEN(rows) && rc == 0; i++)
		if (ag_tree_is(block, "type", rows[i].type))
			rc = check(p, block, &rows[i].f, here);
	return rc < 0 ? rc : check(p, ag_tree_get(block, "source"), &source, here);
}

static void
put_part_text(struct json_object *parts, struct ag_str text, struct json_object *block)
{
	struct json_object *part = ag_tree_new();

	ag_tree_put_str(part, "type", AG_STR("text"));
	ag_tree_put_str(part, "text", text);
	ag_tree_share(part, "cache_control", ag_tree_get(block, "cache_control"));
	ag_tree_push(parts, part);
}

static int
put_part_image(struct parse *p, struct json_object *parts, struct json_object *block, size_t at)
{
	struct json_object *source = ag_tree_object(block, "source"), *part, *url;

	if (!ag_tree_is(source, "type", "base64") && !ag_tree_is(source, "type", "url"))
		return ag_err_set(p->err, -EINVAL, "messages[%zu].content: an image needs a source of base64 or url", at);
	part = ag_tree_new();
	url = ag_tree_new();
	ag_tree_put_str(part, "type", AG_STR("image_url"));
	if (ag_tree_is(source, "type", "url"))
		ag_tree_put_str(url, "url", ag_tree_str(source, "url"));
	else
		ag_chat_put_data_url(url, "url", ag_tree_str(source, "media_type"), ag_tree_str(source, "data"));
	ag_tree_put(part, "image_url", url);
	ag_tree_share(part, "cache_control", ag_tree_get(block, "cache_control"));
	ag_tree_push(parts, part);
	return 0;
}

static int
put_part_document(struct parse *p, struct json_object *parts, struct json_object *block, size_t at)
{
	struct json_object *source = ag_tree_object(block, "source"), *part, *file;
	struct ag_str title = ag_tree_str(block, "title");

	if (ag_tree_is(source, "type", "text")) {
		put_part_text(parts, ag_tree_str(source, "data"), block);
		return 0;
	}
	if (!ag_tree_is(source, "type", "base64"))
		return ag_err_set(p->err, -EINVAL, "messages[%zu].content: a document needs a source of base64 or "
		    "text here", at);
	part = ag_tree_new();
	file = ag_tree_new();
	ag_chat_put_data_url(file, "file_data", ag_tree_str(source, "media_type"), ag_tree_str(source, "data"));
	ag_tree_put_str(file, "filename", title.n > 0 ? title : AG_STR("document.pdf"));
	ag_tree_put_str(part, "type", AG_STR("file"));
	ag_tree_put(part, "file", file);
	ag_tree_share(part, "cache_control", ag_tree_get(block, "cache_control"));
	ag_tree_push(parts, part);
	return 0;
}

static int
put_part(struct parse *p, struct json_object *parts, struct json_object *block, size_t at)
{
	if (ag_tree_is(block, "type", "text")) {
		put_part_text(parts, ag_tree_str(block, "text"), block);
		return 0;
	}
	if (ag_tree_is(block, "type", "image"))
		return put_part_image(p, parts, block, at);
	if (ag_tree_is(block, "type", "document"))
		return put_part_document(p, parts, block, at);
	return ag_err_set(p->err, -EINVAL, "messages[%zu].content: a block of type \"%.40s\" is not supported by "
	    "this provider", at, ag_tree_str(block, "type").p ? ag_tree_str(block, "type").p : "");
}

/* ---- tool results ---- */

/* Texts of a result, joined; its images go to `images`. */
static int
put_result(struct parse *p, struct json_object *block, struct json_object *images, size_t at)
{
	struct json_object *content = ag_tree_get(block, "content"), *m = ag_tree_new();
	struct ag_buf text;
	int rc = 0;

	ag_buf_init(&text, (size_t)64 << 20);
	if (ag_tree_true(block, "is_error"))
		ag_buf_puts(&text, "Error: ");
	ag_buf_put_str(&text, ag_tree_text(content));
	for (size_t i = 0; i < ag_json_len(content) && rc == 0; i++) {
		struct json_object *inner = ag_json_at(content, i);

		rc = check_block(p, inner, at, i);
		if (rc < 0)
			break;
		if (ag_tree_is(inner, "type", "text")) {
			if (i > 0 && text.n > 0)
				ag_buf_putc(&text, '\n');
			ag_buf_put_str(&text, ag_tree_str(inner, "text"));
		} else {
			rc = put_part(p, images, inner, at);
		}
	}
	ag_tree_put_str(m, "role", AG_STR("tool"));
	ag_tree_put_str(m, "tool_call_id", ag_tree_str(block, "tool_use_id"));
	ag_tree_put_str(m, "content", ag_buf_str(&text));
	if (text.failed && rc == 0)
		rc = ag_err_set(p->err, -ENOBUFS, "messages[%zu]: too large", at);
	ag_buf_fini(&text);
	ag_tree_push(p->messages, m);
	return rc;
}

static int
parse_user(struct parse *p, struct json_object *content, size_t at)
{
	struct json_object *parts = ag_tree_new_array(), *images = ag_tree_new_array();
	int rc = 0;

	for (size_t i = 0; i < ag_json_len(content) && rc == 0; i++) {
		struct json_object *block = ag_json_at(content, i);

		rc = check_block(p, block, at, i);
		if (rc == 0)
			rc = ag_tree_is(block, "type", "tool_result") ? put_result(p, block, images, at)
			    : put_part(p, parts, block, at);
	}
	if (ag_json_len(images) > 0)
		ag_chat_push(p->messages, "user", json_object_get(images));
	if (ag_json_len(parts) > 0)
		ag_chat_push(p->messages, "user", json_object_get(parts));
	json_object_put(images);
	json_object_put(parts);
	return rc;
}

/* ---- assistant ---- */

static void
push_call(struct json_object *calls, struct json_object *block)
{
	struct json_object *call = ag_tree_new(), *fn = ag_tree_new(), *input = ag_tree_get(block, "input");

	ag_tree_put_str(call, "id", ag_tree_str(block, "id"));
	ag_tree_put_str(call, "type", AG_STR("function"));
	ag_tree_put_str(fn, "name", ag_tree_str(block, "name"));
	ag_tree_put_str(fn, "arguments", ag_chat_arguments(input));
	ag_tree_put(call, "function", fn);
	ag_tree_push(calls, call);
}

static int
parse_assistant(struct parse *p, struct json_object *content, size_t at)
{
	struct json_object *m = ag_tree_new(), *parts = ag_tree_new_array(), *calls = ag_tree_new_array();
	struct json_object *thoughts = ag_tree_new_array();
	struct ag_buf reasoning;
	int rc = 0;

	ag_buf_init(&reasoning, (size_t)16 << 20);
	for (size_t i = 0; i < ag_json_len(content) && rc == 0; i++) {
		struct json_object *block = ag_json_at(content, i);

		rc = check_block(p, block, at, i);
		if (rc < 0)
			break;
		if (ag_tree_is(block, "type", "tool_use")) {
			push_call(calls, block);
		} else if (ag_tree_is(block, "type", "thinking") || ag_tree_is(block, "type", "redacted_thinking")) {
			ag_buf_put_str(&reasoning, ag_tree_str(block, "thinking"));
			ag_tree_push(thoughts, json_object_get(block));
		} else {
			rc = put_part(p, parts, block, at);
		}
	}
	ag_tree_put_str(m, "role", AG_STR("assistant"));
	if (reasoning.n > 0)
		ag_tree_put_str(m, "reasoning_content", ag_buf_str(&reasoning));
	if (ag_json_len(thoughts) > 0)
		ag_tree_share(m, "thinking_blocks", thoughts);
	if (ag_json_len(parts) > 0)
		ag_chat_put_content(m, json_object_get(parts));
	else
		json_object_object_add(m, "content", NULL);
	if (ag_json_len(calls) > 0)
		ag_tree_share(m, "tool_calls", calls);
	json_object_put(parts);
	json_object_put(calls);
	json_object_put(thoughts);
	ag_buf_fini(&reasoning);
	ag_tree_push(p->messages, m);
	return rc;
}

/* Texts alone. */
static int
parse_system(struct parse *p, struct json_object *blocks, const char *of)
{
	static const struct ag_fields fields = { .taken = { "type", "text", "cache_control" }, .left = { "citations" } };
	struct json_object *parts = ag_tree_new_array();
	int rc = 0;

	for (size_t i = 0; i < ag_json_len(blocks) && rc == 0; i++) {
		struct json_object *block = ag_json_at(blocks, i);

		if (!ag_tree_is(block, "type", "text"))
			rc = ag_err_set(p->err, -EINVAL, "%s[%zu].type: a system prompt is made of texts", of, i);
		if (rc == 0)
			rc = check(p, block, &fields, AG_AT(of, i));
		put_part_text(parts, ag_tree_str(block, "text"), block);
	}
	ag_chat_push(p->messages, "system", parts);
	return rc;
}

static int
parse_message(struct parse *p, struct json_object *m, size_t at)
{
	static const struct ag_fields fields = { .taken = { "role", "content" } };
	struct json_object *content = ag_tree_get(m, "content"), *blocks;
	int rc = check(p, m, &fields, AG_AT("messages", at));

	if (rc < 0)
		return rc;
	if (!ag_tree_is(m, "role", "user") && !ag_tree_is(m, "role", "assistant") && !ag_tree_is(m, "role", "system"))
		return ag_err_set(p->err, -EINVAL, "messages[%zu].role: must be user or assistant", at);
	if (json_object_is_type(content, json_type_string)) {
		blocks = ag_tree_new_array();
		put_part_text(blocks, ag_tree_text(content), NULL);
	} else if (json_object_is_type(content, json_type_array)) {
		blocks = json_object_get(content);
	} else {
		return ag_err_set(p->err, -EINVAL, "messages[%zu].content: a text or an array is required", at);
	}
	if (ag_tree_is(m, "role", "assistant")) {
		rc = parse_assistant(p, blocks, at);
	} else if (ag_tree_is(m, "role", "user")) {
		rc = parse_user(p, blocks, at);
	} else {
		rc = parse_system(p, blocks, "messages");
	}
	json_object_put(blocks);
	return rc;
}

static int
parse_messages(struct parse *p, struct json_object *body)
{
	struct json_object *messages = ag_tree_array(body, "messages"), *system = ag_tree_get(body, "system");
	int rc = 0;

	if (ag_json_len(messages) == 0)
		return ag_err_set(p->err, -EINVAL, "messages: an array that is not empty is required");
	if (json_object_is_type(system, json_type_string)) {
		struct json_object *parts = ag_tree_new_array();

		put_part_text(parts, ag_tree_text(system), NULL);
		ag_chat_push(p->messages, "system", parts);
	} else if (system) {
		rc = parse_system(p, ag_tree_array(body, "system"), "system");
	}
	for (size_t i = 0; i < ag_json_len(messages) && rc == 0; i++)
		rc = parse_message(p, ag_json_at(messages, i), i);
	return rc;
}

/* ---- the rest of the body ---- */

static int
parse_tools(const struct parse *p, struct json_object *body, struct json_object *chat)
{
	static const struct ag_fields fields = {
		.taken = { "type", "name", "description", "input_schema", "strict", "cache_control" },
		.left = { "input_examples", "eager_input_streaming" },
	};
	struct json_object *tools = ag_tree_array(body, "tools"), *out;

	int rc;

	if (ag_json_len(tools) == 0)
		return 0;
	out = ag_tree_new_array();
	for (size_t i = 0; i < ag_json_len(tools); i++) {
		struct json_object *t = ag_json_at(tools, i), *tool, *fn;
		struct ag_str type = ag_tree_str(t, "type");

		rc = type.n > 0 && !ag_str_eq(type, AG_STR("custom"))
		    ? ag_err_set(p->err, -EINVAL, "tools[%zu].type: \"%.40s\" is a tool that this provider does not run", i, type.p)
		    : check(p, t, &fields, AG_AT("tools", i));
		if (rc < 0) {
			json_object_put(out);
			return rc;
		}
		tool = ag_tree_new();
		fn = ag_tree_new();
		ag_tree_put_str(tool, "type", AG_STR("function"));
		ag_tree_put_str(fn, "name", ag_tree_str(t, "name"));
		ag_tree_share(fn, "description", ag_tree_get(t, "description"));
		ag_tree_share(fn, "parameters", ag_tree_get(t, "input_schema"));
		ag_tree_share(fn, "strict", ag_tree_get(t, "strict"));
		ag_tree_put(tool, "function", fn);
		ag_tree_share(tool, "cache_control", ag_tree_get(t, "cache_control"));
		ag_tree_push(out, tool);
	}
	ag_tree_put(chat, "tools", out);
	return 0;
}

static int
parse_tool_choice(const struct parse *p, struct json_object *body, struct json_object *chat)
{
	static const struct ag_fields fields = { .taken = { "type", "name", "disable_parallel_tool_use" } };
	struct json_object *choice = ag_tree_object(body, "tool_choice");
	int rc = check(p, choice, &fields, AG_AT("tool_choice", AG_NOWHERE));

	if (!choice || rc < 0)
		return rc;
	if (ag_tree_true(choice, "disable_parallel_tool_use"))
		ag_tree_put_true(chat, "parallel_tool_calls", false);
	if (ag_tree_is(choice, "type", "tool")) {
		ag_tree_put(chat, "tool_choice", ag_chat_function(ag_tree_str(choice, "name")));
	} else if (ag_tree_is(choice, "type", "any")) {
		ag_tree_put_str(chat, "tool_choice", AG_STR("required"));
	} else if (ag_tree_is(choice, "type", "auto") || ag_tree_is(choice, "type", "none")) {
		ag_tree_share(chat, "tool_choice", ag_tree_get(choice, "type"));
	} else {
		return ag_err_set(p->err, -EINVAL, "tool_choice.type: must be auto, any, tool or none");
	}
	return 0;
}

static int
parse_thinking(const struct parse *p, struct json_object *body, struct json_object *chat)
{
	static const struct ag_fields fields = { .taken = { "type", "budget_tokens" }, .left = { "display" } };
	struct json_object *thinking = ag_tree_object(body, "thinking");
	struct ag_str effort = ag_tree_str(ag_tree_object(body, "output_config"), "effort");
	int rc = check(p, thinking, &fields, AG_AT("thinking", AG_NOWHERE));

	if (rc < 0)
		return rc;
	if (ag_tree_get(body, "thinking") && !ag_tree_is(thinking, "type", "disabled") &&
	    !ag_tree_is(thinking, "type", "enabled") && !ag_tree_is(thinking, "type", "adaptive"))
		return ag_err_set(p->err, -EINVAL, "thinking.type: must be adaptive, enabled or disabled for this provider");
	if (ag_tree_is(thinking, "type", "disabled")) {
		ag_tree_put_str(chat, "reasoning_effort", AG_STR("none"));
	} else if (effort.n > 0) {
		ag_tree_put_str(chat, "reasoning_effort", ag_str_eq(effort, AG_STR("max")) ? AG_STR("xhigh") : effort);
	} else if (ag_tree_is(thinking, "type", "enabled")) {
		int64_t budget = ag_tree_int(thinking, "budget_tokens", 0);

		ag_tree_put_str(chat, "reasoning_effort", budget <= 2048 ? AG_STR("low")
		    : budget <= 8192 ? AG_STR("medium") : AG_STR("high"));
	}
	return 0;
}

static int
parse_format(const struct parse *p, struct json_object *body, struct json_object *chat)
{
	static const struct ag_fields fields = { .taken = { "effort", "format" } };
	static const struct ag_fields inner = { .taken = { "type", "schema" } };
	struct json_object *config = ag_tree_object(body, "output_config"), *format = ag_tree_object(config, "format");
	struct json_object *out, *schema;
	int rc = check(p, config, &fields, AG_AT("output_config", AG_NOWHERE));

	if (rc == 0)
		rc = check(p, format, &inner, AG_IN("output_config", AG_NOWHERE, "format", AG_NOWHERE));
	if (rc < 0 || !format)
		return rc;
	if (!ag_tree_is(format, "type", "json_schema") || !ag_tree_object(format, "schema"))
		return ag_err_set(p->err, -EINVAL, "output_config.format: must be a json_schema with its schema");
	out = ag_tree_new();
	schema = ag_tree_new();
	ag_tree_put_str(schema, "name", AG_STR("output"));
	ag_tree_share(schema, "schema", ag_tree_get(format, "schema"));
	ag_tree_put_true(schema, "strict", true);
	ag_tree_put_str(out, "type", AG_STR("json_schema"));
	ag_tree_put(out, "json_schema", schema);
	ag_tree_put(chat, "response_format", out);
	return 0;
}

static void
parse_rest(struct json_object *body, struct json_object *chat)
{
	struct json_object *stop = ag_tree_array(body, "stop_sequences");
	struct ag_str user = ag_tree_str(ag_tree_object(body, "metadata"), "user_id");

	ag_tree_share(chat, "model", ag_tree_get(body, "model"));
	ag_tree_share(chat, "max_completion_tokens", ag_tree_get(body, "max_tokens"));
	ag_tree_share(chat, "temperature", ag_tree_get(body, "temperature"));
	ag_tree_share(chat, "top_p", ag_tree_get(body, "top_p"));
	ag_tree_share(chat, "top_k", ag_tree_get(body, "top_k"));
	ag_tree_share(chat, "stream", ag_tree_get(body, "stream"));
	if (ag_json_len(stop) > 0)
		ag_tree_share(chat, "stop", stop);
	if (user.n > 0)
		ag_tree_put_str(chat, "user", user);
	if (ag_tree_is(body, "service_tier", "standard_only"))
		ag_tree_put_str(chat, "service_tier", AG_STR("default"));
	else
		ag_tree_share(chat, "service_tier", ag_tree_get(body, "service_tier"));
	if (ag_tree_is(body, "speed", "fast"))
		ag_tree_put_str(chat, "service_tier", AG_STR("priority"));
}

/* Where an answer is made, and by whose tools, is not for another provider to say. */
static int
check_body(const struct parse *p, struct json_object *body)
{
	static const struct ag_kind own[] = { { AG_KIND_OBJECT, { "thinking" } }, { 0, { NULL } } };
	static const struct ag_fields fields = {
		.taken = { "model", "messages", "max_tokens", "system", "stop_sequences", "temperature", "top_p", "top_k",
		    "stream", "tools", "tool_choice", "thinking", "output_config", "metadata", "service_tier", "speed",
		    "anthropic_version" },
		.left = { "cache_control", "anthropic_beta" },
		.own = own,
	};
	static const struct ag_fields metadata = { .taken = { "user_id" } };
	struct ag_str geo = ag_tree_str(body, "inference_geo"), speed = ag_tree_str(body, "speed");
	int rc;

	/* Anywhere is where others are. */
	if (ag_str_eq(geo, AG_STR("global")) || ag_str_eq(geo, AG_STR("not_available")))
		json_object_object_del(body, "inference_geo");
	rc = check(p, body, &fields, AG_BODY);
	if (rc == 0)
		rc = check(p, ag_tree_get(body, "metadata"), &metadata, AG_AT("metadata", AG_NOWHERE));
	if (rc == 0 && ag_tree_int(body, "max_tokens", 1) <= 0)
		rc = ag_err_set(p->err, -EINVAL, "max_tokens: must be at least 1 for this provider");
	if (rc == 0 && speed.n > 0 && !ag_str_eq(speed, AG_STR("standard")) && !ag_str_eq(speed, AG_STR("fast")))
		rc = ag_err_set(p->err, -EINVAL, "speed: must be standard or fast");
	return rc;
}

int
ag_anthropic_parse(const struct ag_parse_in *in, struct json_object **out_chat, struct ag_err *err)
{
	struct parse p = { .err = err,
		.r = { .by = AG_THIS_PROVIDER, .is_strict = in->is_strict, .kinds = kinds, .err = err } };
	struct json_object *body, *chat;
	int rc = ag_chat_open(in->body, &body, &chat, &p.messages, err);

	if (rc < 0)
		return rc;
	rc = check_body(&p, body);
	if (rc == 0)
		rc = parse_messages(&p, body);
	if (rc == 0)
		rc = parse_tools(&p, body, chat);
	if (rc == 0)
		rc = parse_tool_choice(&p, body, chat);
	if (rc == 0)
		rc = parse_thinking(&p, body, chat);
	if (rc == 0)
		rc = parse_format(&p, body, chat);
	parse_rest(body, chat);
	json_object_put(body);
	return ag_chat_done(chat, rc, out_chat, err);
}
