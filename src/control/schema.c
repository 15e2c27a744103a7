#include "control/schema.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/pattern.h"
#include "base/str.h"

static const char *const said_only[] = { "title", "description", "examples", "$schema", "$id", "$comment", NULL };

static bool
is_in(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static bool
is_text(struct json_object *v)
{
	return json_object_is_type(v, json_type_string);
}

static struct ag_str
text_of(struct json_object *v)
{
	return ag_str_n(json_object_get_string(v), (size_t)json_object_get_string_len(v));
}

static struct json_object *
member(struct json_object *obj, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(obj, name, &v);
	return v;
}

/* Characters, as the standard counts them. */
static int64_t
length_of(struct ag_str s)
{
	int64_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((uint8_t)s.p[i] & 0xc0) != 0x80;
	return n;
}

/* ---- one value against one property ---- */

static int
match_pattern(struct json_object *pattern, struct ag_str value, bool *out)
{
	struct ag_pattern *p;
	struct ag_err why = { "" };
	int rc = ag_pattern_compile(text_of(pattern), &p, &why);

	if (rc < 0)
		return rc;
	*out = ag_pattern_matches(p, value);
	ag_pattern_free(p);
	return 0;
}

static bool
in_enum(struct json_object *list, struct ag_str value)
{
	for (size_t i = 0; i < ag_json_len(list); i++)
		if (ag_str_eq(text_of(ag_json_at(list, i)), value))
			return true;
	return false;
}

static int
hold(const char *name, struct json_object *rule, struct json_object *v, struct ag_err *err)
{
	struct json_object *want;
	bool fits = true;

	if (!is_text(v))
		return ag_err_set(err, -EINVAL, "%.64s: must be a string (type)", name);
	if ((want = member(rule, "enum")) && !in_enum(want, text_of(v)))
		return ag_err_set(err, -EINVAL, "%.64s: must be one of %.160s (enum)", name,
		    json_object_to_json_string_ext(want, JSON_C_TO_STRING_PLAIN));
	if ((want = member(rule, "minLength")) && length_of(text_of(v)) < json_object_get_int64(want))
		return ag_err_set(err, -EINVAL, "%.64s: must have at least %lld characters (minLength)", name,
		    (long long)json_object_get_int64(want));
	if ((want = member(rule, "maxLength")) && length_of(text_of(v)) > json_object_get_int64(want))
		return ag_err_set(err, -EINVAL, "%.64s: must have at most %lld characters (maxLength)", name,
		    (long long)json_object_get_int64(want));
	if ((want = member(rule, "pattern")) && match_pattern(want, text_of(v), &fits) < 0)
		return ag_err_set(err, -ENOMEM, "%.64s: its pattern cannot be used", name);
	if (!fits)
		return ag_err_set(err, -EINVAL, "%.64s: must match %.160s (pattern)", name,
		    json_object_get_string(want));
	return 0;
}

/* ---- the schema itself ---- */

static int
check_enum(const char *name, struct json_object *list, struct ag_err *err)
{
	if (ag_json_len(list) == 0)
		return ag_err_set(err, -EINVAL, "properties.%.64s.enum: must be an array of strings", name);
	for (size_t i = 0; i < ag_json_len(list); i++)
		if (!is_text(ag_json_at(list, i)))
			return ag_err_set(err, -EINVAL, "properties.%.64s.enum: must be an array of strings", name);
	return 0;
}

static int
check_member(const char *name, const char *key, struct json_object *v, struct ag_err *err)
{
	struct ag_pattern *p;
	struct ag_err why = { "" };

	if (is_in(said_only, key))
		return 0;
	if (strcmp(key, "type") == 0)
		return is_text(v) && ag_str_eq(text_of(v), AG_STR("string")) ? 0
		    : ag_err_set(err, -EINVAL, "properties.%.64s.type: must be \"string\"", name);
	if (strcmp(key, "enum") == 0)
		return check_enum(name, v, err);
	if (strcmp(key, "default") == 0)
		return is_text(v) ? 0 : ag_err_set(err, -EINVAL, "properties.%.64s.default: must be a string", name);
	if (strcmp(key, "minLength") == 0 || strcmp(key, "maxLength") == 0)
		return json_object_is_type(v, json_type_int) && json_object_get_int64(v) >= 0 ? 0
		    : ag_err_set(err, -EINVAL, "properties.%.64s.%s: must be an integer from 0", name, key);
	if (strcmp(key, "pattern") != 0)
		return ag_err_set(err, -EINVAL, "properties.%.64s.%.64s: not enforced by this gateway; leave it out",
		    name, key);
	if (!is_text(v))
		return ag_err_set(err, -EINVAL, "properties.%.64s.pattern: must be a string", name);
	if (ag_pattern_compile(text_of(v), &p, &why) < 0)
		return ag_err_set(err, -EINVAL, "properties.%.64s.pattern: %s", name, why.text);
	ag_pattern_free(p);
	return 0;
}

static int
check_property(const char *name, struct json_object *rule, struct ag_err *err)
{
	struct json_object *preset;
	struct ag_err why = { "" };
	int rc;

	if (!json_object_is_type(rule, json_type_object))
		return ag_err_set(err, -EINVAL, "properties.%.64s: must be an object", name);
	ag_json_foreach(rule, key, v) {
		rc = check_member(name, key, v, err);
		if (rc < 0)
			return rc;
	}
	preset = member(rule, "default");
	if (preset && hold(name, rule, preset, &why) < 0)
		return ag_err_set(err, -EINVAL, "properties.%.64s.default: breaks the property's own rule: %.150s",
		    name, why.text);
	return 0;
}

static int
check_properties(struct json_object *v, struct ag_err *err)
{
	if (!json_object_is_type(v, json_type_object))
		return ag_err_set(err, -EINVAL, "properties: must be an object");
	if (ag_json_members(v) > AG_SCHEMA_PROPERTIES_MAX)
		return ag_err_set(err, -EINVAL, "properties: at most %d", AG_SCHEMA_PROPERTIES_MAX);
	ag_json_foreach(v, name, rule) {
		int rc = check_property(name, rule, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
check_required(struct json_object *v, struct ag_err *err)
{
	bool ok = json_object_is_type(v, json_type_array) &&
	    ag_json_len(v) <= AG_SCHEMA_PROPERTIES_MAX;

	for (size_t i = 0; ok && i < ag_json_len(v); i++)
		ok = is_text(ag_json_at(v, i));
	return ok ? 0 : ag_err_set(err, -EINVAL, "required: must be an array of at most %d strings",
	    AG_SCHEMA_PROPERTIES_MAX);
}

static int
check_top(const char *key, struct json_object *v, struct ag_err *err)
{
	if (is_in(said_only, key) || strcmp(key, "type") == 0)
		return 0;
	if (strcmp(key, "properties") == 0)
		return check_properties(v, err);
	if (strcmp(key, "required") == 0)
		return check_required(v, err);
	if (strcmp(key, "additionalProperties") == 0)
		return json_object_is_type(v, json_type_boolean) ? 0
		    : ag_err_set(err, -EINVAL, "additionalProperties: must be true or false");
	return ag_err_set(err, -EINVAL, "%.64s: not enforced by this gateway; leave it out", key);
}

int
ag_schema_check(struct json_object *schema, struct ag_err *err)
{
	struct json_object *type;

	if (!json_object_is_type(schema, json_type_object))
		return ag_err_set(err, -EINVAL, "must be a JSON Schema: an object");
	type = member(schema, "type");
	if (!is_text(type) || !ag_str_eq(text_of(type), AG_STR("object")))
		return ag_err_set(err, -EINVAL, "type: must be \"object\"");
	if (strlen(json_object_to_json_string_ext(schema, JSON_C_TO_STRING_PLAIN)) > AG_SCHEMA_BYTES_MAX)
		return ag_err_set(err, -EINVAL, "must have at most %d bytes", AG_SCHEMA_BYTES_MAX);
	ag_json_foreach(schema, key, v) {
		int rc = check_top(key, v, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- metadata ---- */

static int
apply_property(const char *name, struct json_object *rule, struct json_object *metadata, struct ag_err *err)
{
	struct json_object *v = member(metadata, name), *preset = member(rule, "default");

	if (!v && preset) {
		json_object_object_add(metadata, name, json_object_get(preset));
		return 0;
	}
	return v ? hold(name, rule, v, err) : 0;
}

static int
apply_properties(struct json_object *properties, struct json_object *metadata, struct ag_err *err)
{
	ag_json_foreach(properties, name, rule) {
		int rc = apply_property(name, rule, metadata, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int
ag_schema_apply(struct json_object *schema, struct json_object *metadata, struct ag_err *err)
{
	struct json_object *properties = member(schema, "properties"), *required = member(schema, "required");
	struct json_object *additional = member(schema, "additionalProperties");
	int rc = properties ? apply_properties(properties, metadata, err) : 0;

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < ag_json_len(required); i++) {
		const char *name = json_object_get_string(ag_json_at(required, i));

		if (!member(metadata, name))
			return ag_err_set(err, -EINVAL, "%.64s: is required (required)", name);
	}
	if (!additional || json_object_get_boolean(additional))
		return 0;
	ag_json_foreach(metadata, key, v) {
		(void)v;
		if (!properties || !json_object_object_get_ex(properties, key, NULL))
			return ag_err_set(err, -EINVAL, "%.64s: is not among the properties (additionalProperties)", key);
	}
	return 0;
}
