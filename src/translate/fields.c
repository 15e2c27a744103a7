#include "translate/fields.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

#define PLACE_MAX 256

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

/* ---- kinds ------------------------------------------------------------------------------- */

/* 0: any. */
static unsigned
kinds_of(const struct ag_kind *row, const char *name)
{
	for (; row && row->kinds; row++)
		if (ag_fields_has(row->names, AG_ARRAY_LEN(row->names), name))
			return row->kinds;
	return 0;
}

static bool
is_array_of(struct json_object *v, enum json_type type)
{
	for (size_t i = 0; i < ag_json_len(v); i++)
		if (!json_object_is_type(ag_json_at(v, i), type))
			return false;
	return true;
}

static bool
is_of(struct json_object *v, unsigned kinds)
{
	switch (json_object_get_type(v)) {
	case json_type_null:
		return true;
	case json_type_string:
		return kinds & AG_KIND_TEXT;
	case json_type_int:
	case json_type_double:
		return kinds & AG_KIND_NUMBER;
	case json_type_boolean:
		return kinds & AG_KIND_BOOL;
	case json_type_object:
		return kinds & AG_KIND_OBJECT;
	case json_type_array:
		return kinds & AG_KIND_ARRAY || (kinds & AG_KIND_TEXTS && is_array_of(v, json_type_string)) ||
		    (kinds & AG_KIND_OBJECTS && is_array_of(v, json_type_object));
	}
	return false;
}

/* "a text or an array of objects" */
static void
print_kinds(unsigned kinds, struct ag_buf *out)
{
	static const char *const words[] = { "a text", "a number", "true or false", "an object", "an array of texts",
		"an array of objects", "an array" };

	for (size_t i = 0; i < AG_ARRAY_LEN(words); i++) {
		if (!(kinds & 1u << i))
			continue;
		kinds &= ~(1u << i);
		ag_buf_puts(out, words[i]);
		ag_buf_puts(out, kinds ? " or " : "");
	}
}

/* ---- refusals ---------------------------------------------------------------------------- */

static void
print_index(char *out, size_t cap, size_t at)
{
	*out = '\0';
	if (at != AG_NOWHERE)
		snprintf(out, cap, "[%zu]", at);
}

/* "messages[3].content[1].text" */
static void
print_place(struct ag_place place, const char *name, char *out, size_t cap)
{
	char at[24], in_at[24];

	print_index(at, sizeof(at), place.at);
	print_index(in_at, sizeof(in_at), place.in_at);
	if (!place.of)
		snprintf(out, cap, "%.80s", name);
	else if (!place.in)
		snprintf(out, cap, "%s%s.%.80s", place.of, at, name);
	else
		snprintf(out, cap, "%s%s.%s%s.%.80s", place.of, at, place.in, in_at, name);
}

int
ag_fields_refuse(struct ag_place place, const char *name, const struct ag_refuser *r)
{
	char where[PLACE_MAX];

	print_place(place, name, where, sizeof(where));
	return ag_err_set(r->err, -EINVAL, "%s: not supported by %s", where, r->by);
}

static int
refuse_kind(struct ag_place place, const char *name, unsigned kinds, const struct ag_refuser *r)
{
	char where[PLACE_MAX];
	struct ag_buf words;
	int rc;

	print_place(place, name, where, sizeof(where));
	ag_buf_init(&words, 128);
	print_kinds(kinds, &words);
	rc = ag_err_set(r->err, -EINVAL, "%s: must be %.*s", where, (int)words.n, words.p ? words.p : "");
	ag_buf_fini(&words);
	return rc;
}

int
ag_fields_check(struct json_object *obj, const struct ag_fields *f, const struct ag_fields *more,
    struct ag_place place, const struct ag_refuser *r)
{
	if (!json_object_is_type(obj, json_type_object))
		return 0;
	ag_json_foreach(obj, name, value) {
		if (ag_fields_is_taken(f, name) || ag_fields_is_taken(more, name)) {
			unsigned kinds = f ? kinds_of(f->own, name) : 0;

			kinds = kinds ? kinds : kinds_of(r->kinds, name);
			if (kinds && !is_of(value, kinds))
				return refuse_kind(place, name, kinds, r);
		} else if (!(!r->is_strict && (is_left(f, name) || is_left(more, name))) &&
		    ag_fields_is_asking(name, value)) {
			return ag_fields_refuse(place, name, r);
		}
	}
	return 0;
}
