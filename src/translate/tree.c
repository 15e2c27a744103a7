#include "translate/tree.h"

#include <errno.h>

#include "base/json_weight.h"

#define DEPTH_MAX 64

static bool is_short; /* one thread a process */

int
ag_tree_parse(struct ag_str text, struct json_object **out, struct ag_err *err)
{
	struct json_tokener *t;
	struct json_object *o;
	enum json_tokener_error e;

	*out = NULL;
	if (ag_json_weight(text) > AG_JSON_WEIGHT_MAX)
		return ag_err_set(err, -EINVAL, "the body holds too many values to be translated");
	t = json_tokener_new_ex(DEPTH_MAX);
	if (!t)
		return ag_err_set(err, -ENOMEM, "out of memory");
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8 | JSON_TOKENER_ALLOW_TRAILING_CHARS);
	o = text.n > INT32_MAX ? NULL : json_tokener_parse_ex(t, text.p, (int)text.n);
	e = json_tokener_get_error(t);
	json_tokener_free(t);
	if (!o || !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		return ag_err_set(err, -EINVAL, "the body is no JSON object: %s",
		    e == json_tokener_success ? "another value" : json_tokener_error_desc(e));
	}
	*out = o;
	return 0;
}

struct json_object *
ag_tree_get(struct json_object *obj, const char *key)
{
	struct json_object *v = NULL;

	return json_object_is_type(obj, json_type_object) && json_object_object_get_ex(obj, key, &v) ? v : NULL;
}

static struct json_object *
of_type(struct json_object *obj, const char *key, enum json_type type)
{
	struct json_object *v = ag_tree_get(obj, key);

	return v && json_object_is_type(v, type) ? v : NULL;
}

struct json_object *
ag_tree_array(struct json_object *obj, const char *key)
{
	return of_type(obj, key, json_type_array);
}

struct json_object *
ag_tree_object(struct json_object *obj, const char *key)
{
	return of_type(obj, key, json_type_object);
}

struct ag_str
ag_tree_text(struct json_object *node)
{
	if (!node || !json_object_is_type(node, json_type_string))
		return AG_STR_NONE;
	return ag_str_n(json_object_get_string(node), (size_t)json_object_get_string_len(node));
}

struct ag_str
ag_tree_str(struct json_object *obj, const char *key)
{
	return ag_tree_text(ag_tree_get(obj, key));
}

bool
ag_tree_true(struct json_object *obj, const char *key)
{
	struct json_object *v = of_type(obj, key, json_type_boolean);

	return v && json_object_get_boolean(v);
}

int64_t
ag_tree_int(struct json_object *obj, const char *key, int64_t otherwise)
{
	struct json_object *v = ag_tree_get(obj, key);

	if (v && json_object_is_type(v, json_type_int))
		return json_object_get_int64(v);
	return otherwise;
}

int64_t
ag_tree_count(struct json_object *obj, const char *key)
{
	struct json_object *v = ag_tree_get(obj, key);
	double d = json_object_is_type(v, json_type_double) || json_object_is_type(v, json_type_int)
	    ? json_object_get_double(v) : -1;

	return d >= 0 && d <= UINT32_MAX ? (int64_t)d : -1;
}

void
ag_tree_put(struct json_object *obj, const char *key, struct json_object *value)
{
	if (!obj || !value || json_object_object_add(obj, key, value) < 0) {
		json_object_put(value);
		is_short = true;
	}
}

void
ag_tree_push(struct json_object *array, struct json_object *value)
{
	if (!array || !value || json_object_array_add(array, value) < 0) {
		json_object_put(value);
		is_short = true;
	}
}

void
ag_tree_put_str(struct json_object *obj, const char *key, struct ag_str s)
{
	ag_tree_put(obj, key, s.n > INT32_MAX ? NULL : json_object_new_string_len(s.p ? s.p : "", (int)s.n));
}

void
ag_tree_put_int(struct json_object *obj, const char *key, int64_t v)
{
	ag_tree_put(obj, key, json_object_new_int64(v));
}

void
ag_tree_put_true(struct json_object *obj, const char *key, bool v)
{
	ag_tree_put(obj, key, json_object_new_boolean(v));
}

void
ag_tree_share(struct json_object *obj, const char *key, struct json_object *value)
{
	if (value)
		ag_tree_put(obj, key, json_object_get(value));
}

struct json_object *
ag_tree_new(void)
{
	struct json_object *o = json_object_new_object();

	is_short |= o == NULL;
	return o;
}

struct json_object *
ag_tree_new_array(void)
{
	struct json_object *o = json_object_new_array();

	is_short |= o == NULL;
	return o;
}

bool
ag_tree_is_short(void)
{
	bool was = is_short;

	is_short = false;
	return was;
}

void
ag_tree_write(struct json_object *value, struct ag_buf *out)
{
	size_t n = 0;
	const char *text;

	if (!value) {
		ag_buf_put(out, "null", 4);
		return;
	}
	text = json_object_to_json_string_length(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);
	if (!text)
		out->failed = true;
	else
		ag_buf_put(out, text, n);
}
