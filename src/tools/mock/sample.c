#include "tools/mock/sample.h"

#include <json-c/json.h>
#include <stdio.h>

#include "base/json.h"
#include "tools/mock/shape.h"

#define DEPTH_MAX 12

static void put_value(json_object *root, json_object *s, int depth, struct ag_buf *out);

/* "#/$defs/Name": the part it names, or NULL. */
static json_object *
follow(json_object *root, struct ag_str ref)
{
	json_object *at = root;
	char name[128];

	if (!ag_str_starts(ref, AG_STR("#/")))
		return NULL;
	ref = ag_str_skip(ref, 2);
	while (ref.n > 0 && at) {
		const char *slash = memchr(ref.p, '/', ref.n);
		struct ag_str part = ag_str_n(ref.p, slash ? (size_t)(slash - ref.p) : ref.n);

		ag_str_copy(part, name, sizeof(name));
		at = mock_get(at, name);
		ref = ag_str_skip(ref, part.n + 1);
	}
	return at;
}

static const char *
type_of(json_object *s)
{
	json_object *type = mock_get(s, "type");

	if (json_object_is_type(type, json_type_array))
		type = ag_json_at(type, 0);
	if (json_object_is_type(type, json_type_string))
		return json_object_get_string(type);
	return mock_get(s, "properties") ? "object" : mock_get(s, "items") ? "array" : "string";
}

static void
put_object(json_object *root, json_object *s, int depth, struct ag_buf *out)
{
	json_object *members = mock_get(s, "properties");
	bool is_first = true;

	ag_buf_putc(out, '{');
	if (json_object_is_type(members, json_type_object)) {
		ag_json_foreach (members, name, of) {
			ag_buf_puts(out, is_first ? "\"" : ",\"");
			ag_buf_put_json(out, ag_str(name));
			ag_buf_puts(out, "\":");
			put_value(root, of, depth + 1, out);
			is_first = false;
		}
	}
	ag_buf_putc(out, '}');
}

static void
put_array(json_object *root, json_object *s, int depth, struct ag_buf *out)
{
	int64_t n = mock_get_int(s, "minItems", 1);

	ag_buf_putc(out, '[');
	for (int64_t i = 0; i < n && i < 16; i++) {
		if (i > 0)
			ag_buf_putc(out, ',');
		put_value(root, mock_get(s, "items"), depth + 1, out);
	}
	ag_buf_putc(out, ']');
}

static void
put_value(json_object *root, json_object *s, int depth, struct ag_buf *out)
{
	struct ag_str ref = mock_get_str(s, "$ref");
	json_object *one = mock_get(s, "const");
	const char *type;

	if (ref.n > 0 && depth < DEPTH_MAX) {
		put_value(root, follow(root, ref), depth + 1, out);
		return;
	}
	one = one ? one : ag_json_at(mock_get(s, "enum"), 0);
	if (one || depth >= DEPTH_MAX) {
		ag_buf_puts(out, one ? json_object_to_json_string_ext(one, JSON_C_TO_STRING_PLAIN)
				     : "null");
		return;
	}
	one = ag_json_at(mock_get(s, "anyOf"), 0);
	one = one ? one : ag_json_at(mock_get(s, "oneOf"), 0);
	if (one) {
		put_value(root, one, depth + 1, out);
		return;
	}
	type = type_of(s);
	if (strcasecmp(type, "object") == 0)
		put_object(root, s, depth, out);
	else if (strcasecmp(type, "array") == 0)
		put_array(root, s, depth, out);
	else if (strcasecmp(type, "integer") == 0)
		ag_buf_put_i64(out, mock_get_int(s, "minimum", 7));
	else if (strcasecmp(type, "number") == 0)
		ag_buf_puts(out, "7.5");
	else if (strcasecmp(type, "boolean") == 0)
		ag_buf_puts(out, "true");
	else
		ag_buf_puts(out, strcasecmp(type, "null") == 0 ? "null" : "\"sample\"");
}

void
mock_sample_put(json_object *schema, struct ag_buf *out)
{
	if (schema)
		put_value(schema, schema, 0, out);
	else
		ag_buf_puts(out, "{}");
}
