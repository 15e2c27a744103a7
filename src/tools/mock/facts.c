#include "tools/mock/facts.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include <json-c/json.h>

#include "base/json.h"

#define DEPTH_MAX 128
#define INPUTS_MAX 2048
#define DIMENSIONS_MAX 4096
#define DIMENSIONS_DEF 16
#define CHOICES_MAX 128

static AG_PRINTF(5, 6) int refuse(struct mock_fault *f, bool is_violation, const char *code,
				  const char *param, const char *fmt, ...)
{
	va_list ap;

	*f = (struct mock_fault){.is_violation = is_violation, .code = code, .param = param};
	va_start(ap, fmt);
	vsnprintf(f->message, sizeof(f->message), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* Members that stand in the text of an object, told by their colons.  A tree keeps only one of
 * two equal names, so more colons than members means that a name stood twice. */
static size_t
count_members(struct ag_str s)
{
	size_t members = 0;
	int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			depth--;
		} else if (c == ':' && depth == 1) {
			members++;
		}
	}
	return members;
}

static json_object *
parse_one(struct ag_str text)
{
	json_tokener *tok;
	json_object *o = NULL;

	if (text.n == 0 || text.n > INT_MAX || memchr(text.p, 0, text.n))
		return NULL;
	tok = json_tokener_new_ex(DEPTH_MAX);
	if (!tok)
		return NULL;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tok, text.p, (int)text.n);
	if (json_tokener_get_error(tok) != json_tokener_success ||
	    json_tokener_get_parse_end(tok) != text.n ||
	    !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(tok);
	return o;
}

json_object *
mock_json_parse(struct ag_str text)
{
	json_object *o = parse_one(text);

	if (o && ag_json_members(o) != count_members(text)) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

/* Absent and null are the same.  False when it is there with another type. */
static bool
member(json_object *o, const char *name, json_type type, json_object **out)
{
	*out = NULL;
	if (!json_object_object_get_ex(o, name, out) || !*out)
		return true;
	return json_object_is_type(*out, type);
}

static int
read_int(json_object *o, const char *name, int64_t most, int64_t *out, struct mock_fault *f)
{
	json_object *v;

	if (!member(o, name, json_type_int, &v))
		return refuse(f, false, "invalid_type", name, "'%s' is not an integer", name);
	if (!v)
		return 0;
	if (json_object_get_int64(v) < 1 || json_object_get_int64(v) > most)
		return refuse(f, false, "integer_out_of_range", name, "'%s' is out of range", name);
	*out = json_object_get_int64(v);
	return 0;
}

static int
read_model(struct mock_facts *facts, struct mock_fault *f)
{
	json_object *v;

	if (!member(facts->tree, "model", json_type_string, &v) || !v)
		return refuse(f, true, "missing_required_parameter", "model",
			      "you must provide a model parameter");
	facts->model = ag_str_n(json_object_get_string(v), (size_t)json_object_get_string_len(v));
	if (facts->model.n == 0)
		return refuse(f, true, "missing_required_parameter", "model", "'model' is empty");
	if (facts->model.p[0] == '@')
		return refuse(f, true, "model_not_found", "model",
			      "'model' still names a provider of the gateway");
	return 0;
}

static int
read_stream(struct mock_facts *facts, struct mock_fault *f)
{
	json_object *v, *usage;

	if (!member(facts->tree, "stream", json_type_boolean, &v))
		return refuse(f, false, "invalid_type", "stream", "'stream' is not a boolean");
	facts->stream = v && json_object_get_boolean(v);
	if (!member(facts->tree, "stream_options", json_type_object, &v))
		return refuse(f, false, "invalid_type", "stream_options",
			      "'stream_options' is not an object");
	if (v && !facts->stream)
		return refuse(f, false, NULL, "stream_options",
			      "'stream_options' is only allowed when 'stream' is enabled");
	if (v && !member(v, "include_usage", json_type_boolean, &usage))
		return refuse(f, false, "invalid_type", "stream_options.include_usage",
			      "'include_usage' is not a boolean");
	facts->include_usage = v && usage && json_object_get_boolean(usage);
	return 0;
}

static int
read_limits(struct mock_facts *facts, struct mock_fault *f)
{
	int64_t old = -1, new = -1;

	if (read_int(facts->tree, "n", CHOICES_MAX, &facts->n, f) < 0 ||
	    read_int(facts->tree, "max_tokens", INT64_MAX, &old, f) < 0)
		return -EINVAL;
	if (facts->endpoint == MOCK_EP_CHAT &&
	    read_int(facts->tree, "max_completion_tokens", INT64_MAX, &new, f) < 0)
		return -EINVAL;
	if (old >= 0 && new >= 0)
		return refuse(f, false, "invalid_parameter_combination", "max_tokens",
			      "'max_tokens' and 'max_completion_tokens' cannot both be set");
	facts->max_tokens = new >= 0 ? new : old;
	return 0;
}

static int
read_chat(struct mock_facts *facts, struct mock_fault *f)
{
	json_object *v;

	if (facts->endpoint == MOCK_EP_CHAT) {
		if (!member(facts->tree, "messages", json_type_array, &v))
			return refuse(f, false, "invalid_type", "messages",
				      "'messages' is not an array");
		if (ag_json_len(v) == 0)
			return refuse(f, false, "missing_required_parameter", "messages",
				      "missing required parameter: 'messages'");
	} else if (!json_object_object_get_ex(facts->tree, "prompt", &v) || !v) {
		return refuse(f, false, "missing_required_parameter", "prompt",
			      "missing required parameter: 'prompt'");
	}
	if (read_stream(facts, f) < 0)
		return -EINVAL;
	return read_limits(facts, f);
}

static int
read_embeddings(struct mock_facts *facts, struct mock_fault *f)
{
	json_object *v;

	if (!json_object_object_get_ex(facts->tree, "input", &v) || !v)
		return refuse(f, false, "missing_required_parameter", "input",
			      "missing required parameter: 'input'");
	/* An array of numbers is one entry, given as tokens. */
	if (json_object_is_type(v, json_type_array)) {
		size_t n = ag_json_len(v);
		json_object *first = n > 0 ? ag_json_at(v, 0) : NULL;

		if (n == 0 || n > INPUTS_MAX)
			return refuse(f, false, "invalid_value", "input", "'input' has %zu entries",
				      n);
		facts->inputs = json_object_is_type(first, json_type_int) ? 1 : (int64_t)n;
	}
	if (!member(facts->tree, "encoding_format", json_type_string, &v))
		return refuse(f, false, "invalid_type", "encoding_format",
			      "'encoding_format' is not a string");
	facts->is_base64 = v && strcmp(json_object_get_string(v), "base64") == 0;
	return read_int(facts->tree, "dimensions", DIMENSIONS_MAX, &facts->dimensions, f);
}

static int
read_user(struct mock_facts *facts, struct mock_fault *f)
{
	json_object *v;

	if (!member(facts->tree, "user", json_type_string, &v))
		return refuse(f, false, "invalid_type", "user", "'user' is not a string");
	if (v)
		facts->user =
			ag_str_n(json_object_get_string(v), (size_t)json_object_get_string_len(v));
	return 0;
}

static void
facts_init(struct mock_facts *f, struct ag_str body, enum mock_endpoint ep)
{
	*f = (struct mock_facts){.endpoint = ep,
				 .max_tokens = -1,
				 .n = 1,
				 .inputs = 1,
				 .dimensions = DIMENSIONS_DEF,
				 .body_bytes = body.n};
}

int
mock_facts_tree(struct ag_str body, enum mock_endpoint ep, struct mock_facts *out,
		struct mock_fault *out_fault)
{
	struct mock_facts f;

	facts_init(&f, body, ep);
	f.tree = parse_one(body);
	if (!f.tree)
		return refuse(out_fault, true, NULL, NULL, "body is not exactly one JSON object");
	if (ag_json_members(f.tree) != count_members(body)) {
		mock_facts_fini(&f);
		return refuse(out_fault, true, NULL, NULL, "body has a member twice");
	}
	*out = f;
	return 0;
}

int
mock_facts_read(struct ag_str body, enum mock_endpoint ep, struct mock_facts *out,
		struct mock_fault *out_fault)
{
	struct mock_facts f = { .tree = NULL };
	int rc = mock_facts_tree(body, ep, &f, out_fault);

	if (rc < 0)
		return rc;
	if ((rc = read_model(&f, out_fault)) == 0 && (rc = read_user(&f, out_fault)) == 0)
		rc = ep == MOCK_EP_EMBEDDINGS ? read_embeddings(&f, out_fault)
					      : read_chat(&f, out_fault);
	if (rc < 0) {
		mock_facts_fini(&f);
		return rc;
	}
	*out = f;
	return 0;
}

static bool
has(struct ag_str body, const char *what)
{
	return body.n > 0 && memmem(body.p, body.n, what, strlen(what)) != NULL;
}

void
mock_facts_scan(struct ag_str body, enum mock_endpoint ep, struct mock_facts *out)
{
	static const struct ag_str model = AG_STR("\"model\":");
	const char *at = body.n > 0 ? memmem(body.p, body.n, model.p, model.n) : NULL;

	facts_init(out, body, ep);
	if (at) {
		struct ag_str rest = ag_str_skip(body, (size_t)(at - body.p) + model.n);
		const char *end;

		if (rest.n > 0 && rest.p[0] == ' ')
			rest = ag_str_skip(rest, 1);
		rest = ag_str_skip(rest, 1);
		end = rest.n > 0 ? memchr(rest.p, '"', rest.n) : NULL;
		if (end)
			out->model = ag_str_n(rest.p, (size_t)(end - rest.p));
	}
	out->stream = has(body, "\"stream\":true") || has(body, "\"stream\": true");
	out->include_usage = out->stream && (has(body, "\"include_usage\":true") ||
					     has(body, "\"include_usage\": true"));
}

void
mock_facts_tool(struct mock_facts *f, struct ag_str name, json_object *schema)
{
	if (f->tools < MOCK_TOOLS_MAX)
		f->tool[f->tools++] = (struct mock_tool){.name = name, .schema = schema};
}

void
mock_facts_force(struct mock_facts *f, struct ag_str name)
{
	f->must_call = true;
	for (unsigned i = 0; i < f->tools && name.n > 0; i++) {
		if (!ag_str_eq(f->tool[i].name, name))
			continue;
		f->tool[0] = f->tool[i];
		f->tools = 1;
	}
}

void
mock_facts_fini(struct mock_facts *f)
{
	if (f->is_schema_owned)
		json_object_put(f->schema);
	json_object_put(f->tree);
	f->tree = f->schema = NULL;
}
