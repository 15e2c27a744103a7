/* gemini_parse.c - a request of generateContent as a chat.
 *
 * What stays in the chat though OpenAI does not know it: top_k, and the thoughtSignature of a call, where
 * Google's own compatible endpoint has it (extra_content.google.thought_signature). */
#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "translate/chat.h"
#include "translate/fields.h"
#include "translate/gemini.h"

#define CALLS_MAX  256u
#define SCHEMA_DEPTH 32
#define SPELL_DEPTH  12 /* what is not a client's own is less deep */

/* What the members are, where another protocol would read them. */
static const struct ag_kind kinds[] = {
	{ AG_KIND_TEXT, { "text", "thoughtSignature", "mimeType", "data", "fileUri", "id", "name",
	    "role", "serviceTier", "responseMimeType", "thinkingLevel", "mode", "description" } },
	{ AG_KIND_NUMBER, { "temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "seed",
	    "presencePenalty", "frequencyPenalty", "logprobs", "thinkingBudget" } },
	{ AG_KIND_BOOL, { "thought", "responseLogprobs", "includeThoughts" } },
	{ AG_KIND_OBJECT, { "inlineData", "fileData", "functionCall", "functionResponse", "args",
	    "response", "systemInstruction", "generationConfig", "toolConfig", "labels",
	    "responseSchema", "thinkingConfig", "functionCallingConfig", "parameters" } },
	{ AG_KIND_BOOL | AG_KIND_OBJECT, { "responseJsonSchema", "parametersJsonSchema" } },
	{ AG_KIND_OBJECTS, { "contents", "parts", "tools", "functionDeclarations" } },
	{ AG_KIND_TEXTS, { "stopSequences", "responseModalities", "allowedFunctionNames" } },
	{ 0, { NULL } },
};

/* Calls that wait for their results: those without an id are told apart by name, in order. */
struct call {
	struct ag_str name; /* in the body's tree */
	char id[72];
	bool is_answered;
};

struct parse {
	struct json_object *messages; /* of the chat, borrowed */
	struct call call[CALLS_MAX];
	uint32_t n_calls;
	struct ag_refuser r;
	struct ag_err *err;
};

static int
check(const struct parse *p, struct json_object *obj, const struct ag_fields *f, struct ag_place place)
{
	return ag_fields_check(obj, f, NULL, place, &p->r);
}

/* ---- spellings --------------------------------------------------------------------------- */

/* Google reads a member in either spelling, and where there may be several also one that is in no list; here
 * they are read in one way.  What a client names itself (arguments, schemas, labels) stays.  NULL and s->rc:
 * a member is there in both spellings. */
struct speller {
	struct ag_err *err;
	int rc;
};

/* Takes v over. */
static struct json_object *
listed(const char *name, struct json_object *v)
{
	static const char *const lists[] = { "contents", "parts", "tools", "functionDeclarations", "safetySettings",
		"stopSequences", "responseModalities", "allowedFunctionNames" };
	struct json_object *list;

	if (!v || json_object_is_type(v, json_type_array) || !ag_fields_has(lists, AG_ARRAY_LEN(lists), name))
		return v;
	list = ag_tree_new_array();
	ag_tree_push(list, v);
	return list;
}

static struct json_object *
spelled(struct json_object *v, int depth, struct speller *s)
{
	static const char *const own[] = { "args", "response", "parameters", "parametersJsonSchema", "responseSchema",
		"responseJsonSchema", "labels" };
	bool is_array = json_object_is_type(v, json_type_array);
	struct json_object *out, *one;

	if (depth > SPELL_DEPTH || (!is_array && !json_object_is_type(v, json_type_object)))
		return json_object_get(v);
	out = is_array ? ag_tree_new_array() : ag_tree_new();
	for (size_t i = 0; is_array && i < ag_json_len(v); i++) {
		one = spelled(ag_json_at(v, i), depth + 1, s);
		if (s->rc < 0)
			break;
		if (one)
			ag_tree_push(out, one);
		else
			json_object_array_add(out, NULL); /* null, to be refused where it stands */
	}
	if (!is_array) {
		ag_json_foreach(v, key, value) {
			char name[64];
			size_t n = 0;

			for (const char *c = key; *c && n < sizeof(name) - 1; c++)
				name[n++] = *c == '_' && c[1] >= 'a' && c[1] <= 'z' ? (char)(*++c & ~0x20) : *c;
			name[n] = '\0';
			if (json_object_object_get_ex(out, name, NULL))
				s->rc = ag_err_set(s->err, -EINVAL, "%s: stands there twice, in two spellings", name);
			one = ag_fields_has(own, AG_ARRAY_LEN(own), name) ? json_object_get(value)
			    : spelled(value, depth + 1, s);
			if (one)
				ag_tree_put(out, name, listed(name, one));
			if (s->rc < 0)
				break;
		}
	}
	if (s->rc == 0)
		return out;
	json_object_put(out);
	return NULL;
}

static void
push_part(struct json_object *parts, const char *type, const char *key, struct json_object *value)
{
	struct json_object *part = ag_tree_new();

	ag_tree_put_str(part, "type", ag_str(type));
	ag_tree_put(part, key, value);
	ag_tree_push(parts, part);
}

static int
put_inline(struct parse *p, struct json_object *parts, struct json_object *blob, size_t at)
{
	struct ag_str type = ag_tree_str(blob, "mimeType"), data = ag_tree_str(blob, "data");
	struct json_object *o = ag_tree_new();

	if (ag_str_starts(type, AG_STR("image/"))) {
		ag_chat_put_data_url(o, "url", type, data);
		push_part(parts, "image_url", "image_url", o);
		return 0;
	}
	if (ag_str_eq(type, AG_STR("audio/wav")) || ag_str_eq(type, AG_STR("audio/x-wav")) ||
	    ag_str_eq(type, AG_STR("audio/mp3")) || ag_str_eq(type, AG_STR("audio/mpeg"))) {
		ag_tree_put_str(o, "data", data);
		ag_tree_put_str(o, "format", memmem(type.p, type.n, "wav", 3) ? AG_STR("wav") : AG_STR("mp3"));
		push_part(parts, "input_audio", "input_audio", o);
		return 0;
	}
	if (ag_str_eq(type, AG_STR("application/pdf"))) {
		ag_chat_put_data_url(o, "file_data", type, data);
		ag_tree_put_str(o, "filename", AG_STR("document.pdf"));
		push_part(parts, "file", "file", o);
		return 0;
	}
	json_object_put(o);
	return ag_err_set(p->err, -EINVAL, "contents[%zu].parts: inlineData of type \"%.40s\" is not supported by this "
	    "provider", at, type.p ? type.p : "");
}

static int
put_file(struct parse *p, struct json_object *parts, struct json_object *file, size_t at)
{
	struct ag_str uri = ag_tree_str(file, "fileUri"), type = ag_tree_str(file, "mimeType");
	struct json_object *o;

	if (!ag_str_starts(uri, AG_STR("https://")) || !ag_str_starts(type, AG_STR("image/")))
		return ag_err_set(p->err, -EINVAL, "contents[%zu].parts: fileData can only be an image at an https address "
		    "with this provider", at);
	o = ag_tree_new();
	ag_tree_put_str(o, "url", uri);
	push_part(parts, "image_url", "image_url", o);
	return 0;
}

/* A part, and what is in it. */
static int
check_part(const struct parse *p, struct json_object *part, size_t at, size_t k)
{
	static const struct ag_fields fields = { .taken = { "text", "inlineData", "fileData", "functionCall",
	    "functionResponse", "thought", "thoughtSignature", "executableCode", "codeExecutionResult" } };
	static const struct { const char *name; struct ag_fields f; } rows[] = {
		{ "inlineData", { .taken = { "mimeType", "data" }, .left = { "displayName" } } },
		{ "fileData", { .taken = { "fileUri", "mimeType" }, .left = { "displayName" } } },
		{ "functionCall", { .taken = { "id", "name", "args" } } },
		{ "functionResponse", { .taken = { "id", "name", "response" } } },
	};
	struct ag_place here = AG_IN("contents", at, "parts", k);
	int rc = check(p, part, &fields, here);

	for (size_t i = 0; i < AG_ARRAY_LEN(rows) && rc == 0; i++)
		rc = check(p, ag_tree_get(part, rows[i].name), &rows[i].f, here);
	return rc;
}

static int
put_part(struct parse *p, struct json_object *parts, struct json_object *part, size_t at)
{
	struct json_object *text = ag_tree_get(part, "text");

	if (json_object_is_type(text, json_type_string)) {
		push_part(parts, "text", "text", json_object_get(text));
		return 0;
	}
	if (ag_tree_object(part, "inlineData"))
		return put_inline(p, parts, ag_tree_object(part, "inlineData"), at);
	if (ag_tree_object(part, "fileData"))
		return put_file(p, parts, ag_tree_object(part, "fileData"), at);
	ag_json_foreach(part, name, value) {
		(void)value;
		return ag_err_set(p->err, -EINVAL, "contents[%zu].parts: %.40s is not supported by this provider", at, name);
	}
	return ag_err_set(p->err, -EINVAL, "contents[%zu].parts: an empty part", at);
}

/* ---- turns ------------------------------------------------------------------------------- */

static int
push_call(struct parse *p, struct json_object *calls, struct json_object *part, size_t at)
{
	struct json_object *from = ag_tree_object(part, "functionCall"), *args = ag_tree_object(from, "args");
	struct json_object *one = ag_tree_new(), *fn = ag_tree_new();
	struct ag_str proof = ag_tree_str(part, "thoughtSignature");
	struct call *c;

	if (p->n_calls == CALLS_MAX) {
		json_object_put(one);
		json_object_put(fn);
		return ag_err_set(p->err, -EINVAL, "contents[%zu].parts: more than %u calls", at, CALLS_MAX);
	}
	c = &p->call[p->n_calls++];
	c->name = ag_tree_str(from, "name");
	if (ag_tree_str(from, "id").n > 0)
		(void)ag_str_copy(ag_tree_str(from, "id"), c->id, sizeof(c->id));
	else
		snprintf(c->id, sizeof(c->id), "call_%u", p->n_calls);
	ag_tree_put_str(one, "id", ag_str(c->id));
	ag_tree_put_str(one, "type", AG_STR("function"));
	ag_tree_put_str(fn, "name", c->name);
	ag_tree_put_str(fn, "arguments", ag_chat_arguments(args));
	ag_tree_put(one, "function", fn);
	if (proof.n > 0) {
		struct json_object *extra = ag_tree_new(), *google = ag_tree_new();

		ag_tree_put_str(google, "thought_signature", proof);
		ag_tree_put(extra, "google", google);
		ag_tree_put(one, "extra_content", extra);
	}
	ag_tree_push(calls, one);
	return 0;
}

static int
parse_model(struct parse *p, struct json_object *from, size_t at)
{
	struct json_object *m = ag_tree_new(), *parts = ag_tree_new_array(), *calls = ag_tree_new_array();
	struct ag_buf thoughts;
	int rc = 0;

	ag_buf_init(&thoughts, (size_t)16 << 20);
	for (size_t i = 0; i < ag_json_len(from) && rc == 0; i++) {
		struct json_object *part = ag_json_at(from, i);

		rc = check_part(p, part, at, i);
		if (rc < 0)
			break;
		if (ag_tree_object(part, "functionCall"))
			rc = push_call(p, calls, part, at);
		else if (ag_tree_true(part, "thought"))
			ag_buf_put_str(&thoughts, ag_tree_str(part, "text"));
		else
			rc = put_part(p, parts, part, at);
	}
	ag_tree_put_str(m, "role", AG_STR("assistant"));
	if (thoughts.n > 0)
		ag_tree_put_str(m, "reasoning_content", ag_buf_str(&thoughts));
	if (ag_json_len(parts) > 0)
		ag_chat_put_content(m, json_object_get(parts));
	else
		json_object_object_add(m, "content", NULL);
	if (ag_json_len(calls) > 0)
		ag_tree_share(m, "tool_calls", calls);
	json_object_put(parts);
	json_object_put(calls);
	ag_buf_fini(&thoughts);
	ag_tree_push(p->messages, m);
	return rc;
}

static struct call *
call_of(struct parse *p, struct ag_str id, struct ag_str name)
{
	for (uint32_t i = 0; i < p->n_calls; i++) {
		struct call *c = &p->call[i];

		if (!c->is_answered && (id.n > 0 ? ag_str_eq(id, ag_str(c->id)) : ag_str_eq(name, c->name)))
			return c;
	}
	return NULL;
}

static int
push_result(struct parse *p, struct json_object *from, size_t at)
{
	struct json_object *response = ag_tree_object(from, "response"), *m;
	struct json_object *output = ag_tree_get(response, "output");
	struct call *c = call_of(p, ag_tree_str(from, "id"), ag_tree_str(from, "name"));

	if (!c)
		return ag_err_set(p->err, -EINVAL, "contents[%zu].parts: no earlier functionCall waits for the result of "
		    "\"%.40s\"", at, ag_tree_str(from, "name").p ? ag_tree_str(from, "name").p : "");
	c->is_answered = true;
	m = ag_tree_new();
	ag_tree_put_str(m, "role", AG_STR("tool"));
	ag_tree_put_str(m, "tool_call_id", ag_str(c->id));
	if (json_object_is_type(output, json_type_string) && ag_json_members(response) == 1)
		ag_tree_share(m, "content", output);
	else
		ag_tree_put_str(m, "content", ag_chat_arguments(response));
	ag_tree_push(p->messages, m);
	return 0;
}

static int
parse_user(struct parse *p, struct json_object *from, size_t at)
{
	struct json_object *parts = ag_tree_new_array();
	int rc = 0;

	for (size_t i = 0; i < ag_json_len(from) && rc == 0; i++) {
		struct json_object *part = ag_json_at(from, i);

		rc = check_part(p, part, at, i);
		if (rc == 0)
			rc = ag_tree_object(part, "functionResponse")
			    ? push_result(p, ag_tree_object(part, "functionResponse"), at) : put_part(p, parts, part, at);
	}
	if (rc == 0 && ag_json_len(parts) > 0)
		ag_chat_push(p->messages, "user", json_object_get(parts));
	json_object_put(parts);
	return rc;
}

static int
parse_contents(struct parse *p, struct json_object *body)
{
	static const struct ag_fields fields = { .taken = { "role", "parts" } };
	struct json_object *contents = ag_tree_array(body, "contents"), *system = ag_tree_object(body, "systemInstruction");
	int rc = check(p, system, &fields, AG_AT("systemInstruction", AG_NOWHERE));

	if (rc < 0)
		return rc;
	if (ag_json_len(contents) == 0)
		return ag_err_set(p->err, -EINVAL, "contents: an array that is not empty is required");
	if (system) {
		struct json_object *from = ag_tree_array(system, "parts"), *parts = ag_tree_new_array();

		for (size_t i = 0; i < ag_json_len(from) && rc == 0; i++)
			rc = put_part(p, parts, ag_json_at(from, i), 0);
		ag_chat_push(p->messages, "system", parts);
	}
	for (size_t i = 0; i < ag_json_len(contents) && rc == 0; i++) {
		struct json_object *one = ag_json_at(contents, i), *parts = ag_tree_array(one, "parts");
		struct ag_str role = ag_tree_str(one, "role");

		rc = check(p, one, &fields, AG_AT("contents", i));
		if (rc < 0)
			break;
		if (ag_str_eq(role, AG_STR("model")))
			rc = parse_model(p, parts, i);
		else if (role.n == 0 || ag_str_eq(role, AG_STR("user")) || ag_str_eq(role, AG_STR("function")))
			rc = parse_user(p, parts, i);
		else
			rc = ag_err_set(p->err, -EINVAL, "contents[%zu].role: must be user or model", i);
	}
	return rc;
}

/* ---- tools ------------------------------------------------------------------------------- */

/* Google's schemas are OpenAPI's with upper-case types. */
static struct json_object *
lower_schema(struct json_object *v, int depth)
{
	struct json_object *out;

	if (depth > SCHEMA_DEPTH)
		return NULL;
	if (json_object_is_type(v, json_type_array)) {
		out = ag_tree_new_array();
		for (size_t i = 0; i < ag_json_len(v); i++)
			ag_tree_push(out, lower_schema(ag_json_at(v, i), depth + 1));
		return out;
	}
	if (!json_object_is_type(v, json_type_object))
		return json_object_get(v);
	out = ag_tree_new();
	ag_json_foreach(v, name, value) {
		if (strcmp(name, "type") == 0 && json_object_is_type(value, json_type_string)) {
			char type[24];

			(void)ag_str_copy(ag_tree_text(value), type, sizeof(type));
			for (char *c = type; *c; c++)
				*c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
			ag_tree_put_str(out, name, ag_str(type));
		} else if (!value) {
			json_object_object_add(out, name, NULL);
		} else {
			ag_tree_put(out, name, lower_schema(value, depth + 1));
		}
	}
	return out;
}

static int
parse_tool(const struct parse *p, struct json_object *tool, struct json_object *out, size_t at)
{
	static const struct ag_fields fields = { .taken = { "name", "description", "parameters", "parametersJsonSchema" },
		.left = { "response", "responseJsonSchema" } };
	static const struct ag_fields only = { .taken = { "functionDeclarations" } };
	struct json_object *declared = ag_tree_array(tool, "functionDeclarations");
	int rc;

	ag_json_foreach(tool, kind, value)
		if (value && strcmp(kind, "functionDeclarations") != 0)
			return ag_err_set(p->err, -EINVAL, "tools[%zu]: %.40s is a tool that this provider does not run", at, kind);
	rc = check(p, tool, &only, AG_AT("tools", at));
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < ag_json_len(declared); i++) {
		struct json_object *d = ag_json_at(declared, i), *one, *fn;

		if (ag_tree_is(d, "behavior", "BLOCKING") || ag_tree_is(d, "behavior", "UNSPECIFIED"))
			json_object_object_del(d, "behavior");
		rc = check(p, d, &fields, AG_IN("tools", at, "functionDeclarations", i));
		if (rc < 0)
			return rc;
		one = ag_tree_new();
		fn = ag_tree_new();
		ag_tree_put_str(fn, "name", ag_tree_str(d, "name"));
		ag_tree_share(fn, "description", ag_tree_get(d, "description"));
		if (ag_tree_get(d, "parametersJsonSchema"))
			ag_tree_share(fn, "parameters", ag_tree_get(d, "parametersJsonSchema"));
		else if (ag_tree_object(d, "parameters"))
			ag_tree_put(fn, "parameters", lower_schema(ag_tree_get(d, "parameters"), 0));
		ag_tree_put_str(one, "type", AG_STR("function"));
		ag_tree_put(one, "function", fn);
		ag_tree_push(out, one);
	}
	return 0;
}

static int
parse_tools(const struct parse *p, struct json_object *body, struct json_object *chat)
{
	struct json_object *tools = ag_tree_array(body, "tools"), *out = ag_tree_new_array();
	int rc = 0;

	for (size_t i = 0; i < ag_json_len(tools) && rc == 0; i++)
		rc = parse_tool(p, ag_json_at(tools, i), out, i);
	if (ag_json_len(out) > 0)
		ag_tree_share(chat, "tools", out);
	json_object_put(out);
	return rc;
}

static int
parse_tool_config(const struct parse *p, struct json_object *body, struct json_object *chat)
{
	static const struct ag_fields fields = { .taken = { "functionCallingConfig" } };
	static const struct ag_fields inner = { .taken = { "mode", "allowedFunctionNames" } };
	struct json_object *config = ag_tree_object(body, "toolConfig"), *c = ag_tree_object(config, "functionCallingConfig");
	struct json_object *names = ag_tree_array(c, "allowedFunctionNames"), *choice, *allowed, *list;
	bool is_any = ag_tree_is(c, "mode", "ANY");
	int rc = check(p, config, &fields, AG_AT("toolConfig", AG_NOWHERE));

	if (rc == 0)
		rc = check(p, c, &inner, AG_IN("toolConfig", AG_NOWHERE, "functionCallingConfig", AG_NOWHERE));
	if (rc < 0 || !c || !ag_tree_get(chat, "tools"))
		return rc;
	if (ag_json_len(names) == 1 && is_any) {
		ag_tree_put(chat, "tool_choice", ag_chat_function(ag_tree_text(ag_json_at(names, 0))));
	} else if (ag_json_len(names) > 0) {
		choice = ag_tree_new();
		allowed = ag_tree_new();
		list = ag_tree_new_array();
		for (size_t i = 0; i < ag_json_len(names); i++)
			ag_tree_push(list, ag_chat_function(ag_tree_text(ag_json_at(names, i))));
		ag_tree_put_str(choice, "type", AG_STR("allowed_tools"));
		ag_tree_put_str(allowed, "mode", is_any ? AG_STR("required") : AG_STR("auto"));
		ag_tree_put(allowed, "tools", list);
		ag_tree_put(choice, "allowed_tools", allowed);
		ag_tree_put(chat, "tool_choice", choice);
	} else {
		ag_tree_put_str(chat, "tool_choice", is_any ? AG_STR("required")
		    : ag_tree_is(c, "mode", "NONE") ? AG_STR("none") : AG_STR("auto"));
	}
	return 0;
}

/* ---- generationConfig -------------------------------------------------------------------- */

static int
parse_format(struct json_object *config, struct json_object *chat, struct ag_err *err)
{
	struct json_object *schema = ag_tree_get(config, "responseSchema"), *json = ag_tree_get(config, "responseJsonSchema");
	struct json_object *modes = ag_tree_array(config, "responseModalities"), *format, *inner;
	struct ag_str type = ag_tree_str(config, "responseMimeType");

	for (size_t i = 0; i < ag_json_len(modes); i++)
		if (!ag_str_eq(ag_tree_text(ag_json_at(modes, i)), AG_STR("TEXT")))
			return ag_err_set(err, -EINVAL, "generationConfig.responseModalities: only TEXT is supported by this provider");
	if ((type.n == 0 || ag_str_eq(type, AG_STR("text/plain"))) && (schema || json))
		return ag_err_set(err, -EINVAL, "generationConfig.%s: needs responseMimeType application/json",
		    schema ? "responseSchema" : "responseJsonSchema");
	if (type.n == 0 || ag_str_eq(type, AG_STR("text/plain")))
		return 0;
	if (!ag_str_eq(type, AG_STR("application/json")))
		return ag_err_set(err, -EINVAL, "generationConfig.responseMimeType: \"%.40s\" is not supported by this provider",
		    type.p);
	format = ag_tree_new();
	ag_tree_put_str(format, "type", schema || json ? AG_STR("json_schema") : AG_STR("json_object"));
	if (schema || json) {
		inner = ag_tree_new();
		ag_tree_put_str(inner, "name", AG_STR("output"));
		ag_tree_put(inner, "schema", json ? json_object_get(json) : lower_schema(schema, 0));
		ag_tree_put(format, "json_schema", inner);
	}
	ag_tree_put(chat, "response_format", format);
	return 0;
}

static void
parse_thinking(struct json_object *config, struct json_object *chat)
{
	struct json_object *thinking = ag_tree_object(config, "thinkingConfig");
	struct ag_str level = ag_tree_str(thinking, "thinkingLevel");
	int64_t budget = ag_tree_int(thinking, "thinkingBudget", -1);
	char word[16];

	if (level.n > 0) {
		(void)ag_str_copy(level, word, sizeof(word));
		for (char *c = word; *c; c++)
			*c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
		ag_tree_put_str(chat, "reasoning_effort", ag_str(word));
	} else if (budget >= 0) {
		ag_tree_put_str(chat, "reasoning_effort", budget == 0 ? AG_STR("none") : budget <= 2048 ? AG_STR("low")
		    : budget <= 8192 ? AG_STR("medium") : AG_STR("high"));
	}
}

static int
parse_config(const struct parse *p, struct json_object *body, struct json_object *chat)
{
	static const struct ag_fields fields = { .taken = { "temperature", "topP", "topK", "candidateCount",
	    "maxOutputTokens", "seed", "presencePenalty", "frequencyPenalty", "responseLogprobs", "logprobs", "stopSequences",
	    "responseMimeType", "responseSchema", "responseJsonSchema", "responseModalities", "thinkingConfig" } };
	static const struct ag_fields thinking = { .taken = { "includeThoughts", "thinkingBudget", "thinkingLevel" } };
	static const struct { const char *from, *to; } rows[] = {
		{ "temperature", "temperature" }, { "topP", "top_p" }, { "topK", "top_k" }, { "candidateCount", "n" },
		{ "maxOutputTokens", "max_completion_tokens" }, { "seed", "seed" },
		{ "presencePenalty", "presence_penalty" }, { "frequencyPenalty", "frequency_penalty" },
		{ "responseLogprobs", "logprobs" }, { "logprobs", "top_logprobs" },
	};
	struct json_object *config = ag_tree_object(body, "generationConfig"), *stop = ag_tree_array(config, "stopSequences");

	int rc = check(p, config, &fields, AG_AT("generationConfig", AG_NOWHERE));

	if (rc == 0)
		rc = check(p, ag_tree_get(config, "thinkingConfig"), &thinking,
		    AG_IN("generationConfig", AG_NOWHERE, "thinkingConfig", AG_NOWHERE));
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++)
		ag_tree_share(chat, rows[i].to, ag_tree_get(config, rows[i].from));
	if (ag_json_len(stop) > 0)
		ag_tree_share(chat, "stop", stop);
	parse_thinking(config, chat);
	return parse_format(config, chat, p->err);
}

/* Filters that are switched off are what a provider without them does. */
static bool
is_safety_off(struct json_object *settings)
{
	static const char *const off[] = { "OFF", "BLOCK_NONE", "HARM_BLOCK_THRESHOLD_UNSPECIFIED" };

	for (size_t i = 0; i < ag_json_len(settings); i++) {
		bool is_off = false;

		for (size_t k = 0; k < AG_ARRAY_LEN(off); k++)
			is_off |= ag_tree_is(ag_json_at(settings, i), "threshold", off[k]);
		if (!is_off)
			return false;
	}
	return true;
}

static int
check_body(const struct parse *p, struct json_object *body)
{
	static const struct ag_fields fields = { .taken = { "contents", "systemInstruction", "generationConfig", "tools",
	    "toolConfig", "serviceTier", "labels" }, .left = { "model" } };

	if (!p->r.is_strict && is_safety_off(ag_tree_array(body, "safetySettings")) && ag_tree_array(body, "safetySettings"))
		json_object_object_del(body, "safetySettings");
	return check(p, body, &fields, AG_BODY);
}

int
ag_gemini_parse(const struct ag_parse_in *in, struct json_object **out_chat, struct ag_err *err)
{
	struct parse p = { .err = err,
		.r = { .by = AG_THIS_PROVIDER, .is_strict = in->is_strict, .kinds = kinds, .err = err } };
	struct speller speller = { .err = err };
	struct json_object *raw, *body, *chat;
	struct ag_str tier;
	int rc = ag_tree_parse(in->body, &raw, err);

	if (rc < 0)
		return rc;
	body = spelled(raw, 0, &speller);
	json_object_put(raw);
	if (!body)
		return speller.rc < 0 ? speller.rc : ag_err_set(err, -ENOMEM, "out of memory");
	chat = ag_tree_new();
	p.messages = ag_tree_new_array();
	ag_tree_put_str(chat, "model", in->path_model);
	ag_tree_put(chat, "messages", p.messages);
	if (in->path_stream)
		ag_tree_put_true(chat, "stream", true);
	rc = check_body(&p, body);
	tier = ag_tree_str(body, "serviceTier");
	if (tier.n > 0)
		ag_tree_put_str(chat, "service_tier", ag_str_eq(tier, AG_STR("standard")) ? AG_STR("default") : tier);
	ag_tree_share(chat, "metadata", ag_tree_object(body, "labels"));
	if (rc == 0)
		rc = parse_contents(&p, body);
	if (rc == 0)
		rc = parse_tools(&p, body, chat);
	if (rc == 0)
		rc = parse_config(&p, body, chat);
	if (rc == 0)
		rc = parse_tool_config(&p, body, chat);
	json_object_put(body);
	return ag_chat_done(chat, rc, out_chat, err);
}
