#include "translate/fields.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

bool
ag_fields_has(const char *const *names, size_t max, const char *name)
{
	for (size_t i = 0; i < max && names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

bool
ag_fields_is_taken(const struct ag_fields *f, const char *name)
{
	return f && ag_fields_has(f->taken, AG_ARRAY_LEN(f->taken), name);
}

static bool
is_left(const struct ag_fields *f, const char *name)
{
	return f && ag_fields_has(f->left, AG_ARRAY_LEN(f->left), name);
}

static bool
is_object_asking(struct json_object *v)
{
	ag_json_foreach(v, name, value)
		if (ag_fields_is_asking(name, value))
			return true;
	return false;
}

bool
ag_fields_is_asking(const char *name, struct json_object *v)
{
	static const char *const zeros[] = { "presence_penalty", "frequency_penalty", "top_logprobs" };

	switch (json_object_get_type(v)) {
	case json_type_null:
		return false;
	case json_type_boolean:
		return json_object_get_boolean(v);
	case json_type_string:
		return json_object_get_string_len(v) > 0;
	case json_type_array:
		return ag_json_len(v) > 0;
	case json_type_object:
		return is_object_asking(v);
	case json_type_double:
	case json_type_int:
		return json_object_get_double(v) < 0 || json_object_get_double(v) > 0 ||
		    !ag_fields_has(zeros, AG_ARRAY_LEN(zeros), name);
	}
	return true;
}

static void
print_index(char *out, size_t cap, size_t at)
{
	*out = '\0';
	if (at != AG_NOWHERE)
		snprintf(out, cap, "[%zu]", at);
}

int
ag_fields_refuse(struct ag_place place, const char *name, const struct ag_refuser *r)
{
	char at[24], in_at[24];

	print_index(at, sizeof(at), place.at);
	print_index(in_at, sizeof(in_at), place.in_at);
	if (!place.of)
		return ag_err_set(r->err, -EINVAL, "%.80s: not supported by %s", name, r->by);
	if (!place.in)
		return ag_err_set(r->err, -EINVAL, "%s%s.%.80s: not supported by %s", place.of, at, name, r->by);
	return ag_err_set(r->err, -EINVAL, "%s%s.%s%s.%.80s: not supported by %s", place.of, at, place.in, in_at,
	    name, r->by);
}

int
ag_fields_check(struct json_object *obj, const struct ag_fields *f, const struct ag_fields *more,
    struct ag_place place, const struct ag_refuser *r)
{
	if (!json_object_is_type(obj, json_type_object))
		return 0;
	ag_json_foreach(obj, name, value) {
		if (ag_fields_is_taken(f, name) || ag_fields_is_taken(more, name) ||
		    (!r->is_strict && (is_left(f, name) || is_left(more, name))))
			continue;
		if (ag_fields_is_asking(name, value))
			return ag_fields_refuse(place, name, r);
	}
	return 0;
}
