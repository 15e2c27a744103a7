#include "tools/mock/shape.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <json-c/json.h>

#include "base/json.h"

#define DEPTH_MAX 24

/* Where we are in the tree, as the names on the way. */
struct walk {
	const struct mock_shape *shape;
	struct mock_flaw *flaw;
	char path[160];
	size_t n;
	int depth;
};

static size_t
push(struct walk *w, const char *name)
{
	size_t was = w->n;
	int n = snprintf(w->path + w->n, sizeof(w->path) - w->n, "%s%s", w->n > 0 ? "." : "", name);

	w->n = n < 0 ? was : w->n + (size_t)n;
	if (w->n >= sizeof(w->path))
		w->n = sizeof(w->path) - 1;
	return was;
}

static void
pop(struct walk *w, size_t was)
{
	w->n = was;
	w->path[was] = 0;
}

static AG_PRINTF(4, 5) int flawed(struct walk *w, enum mock_flaw_kind kind, const char *name,
				  const char *fmt, ...)
{
	size_t was = push(w, name);
	va_list ap;

	*w->flaw = (struct mock_flaw){.kind = kind};
	snprintf(w->flaw->path, sizeof(w->flaw->path), "%s", w->path);
	snprintf(w->flaw->name, sizeof(w->flaw->name), "%s", name);
	va_start(ap, fmt);
	vsnprintf(w->flaw->why, sizeof(w->flaw->why), fmt, ap);
	va_end(ap);
	pop(w, was);
	return -EINVAL;
}

int
mock_flaw_sense(struct mock_flaw *out, const char *path, const char *fmt, ...)
{
	const char *dot = strrchr(path, '.');
	va_list ap;

	*out = (struct mock_flaw){.kind = MOCK_FLAW_SENSE};
	snprintf(out->path, sizeof(out->path), "%s", path);
	snprintf(out->name, sizeof(out->name), "%s", dot ? dot + 1 : path);
	va_start(ap, fmt);
	vsnprintf(out->why, sizeof(out->why), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool
is_word_of(const char *words, const char *s)
{
	size_t n = strlen(s);

	for (const char *at = words; n > 0 && (at = strstr(at, s)) != NULL; at++)
		if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == 0))
			return true;
	return false;
}

static bool
is_camel_of(const char *camel, const char *snake)
{
	for (; *snake; snake++, camel++) {
		char c = *snake;

		if (c == '_' && islower((unsigned char)snake[1]))
			c = (char)toupper((unsigned char)*++snake);
		if (*camel != c)
			return false;
	}
	return *camel == 0;
}

static const struct mock_field *
find_field(const struct walk *w, const struct mock_field *fields, const char *name)
{
	for (const struct mock_field *f = fields; f->name; f++)
		if (strcmp(f->name, name) == 0 ||
		    (w->shape->is_proto && is_camel_of(f->name, name)))
			return f;
	return NULL;
}

static unsigned
kind_of(json_object *v)
{
	switch (json_object_get_type(v)) {
	case json_type_string:
		return MOCK_S;
	case json_type_int:
		return MOCK_I | MOCK_N;
	case json_type_double:
		return MOCK_N;
	case json_type_boolean:
		return MOCK_B;
	case json_type_object:
		return MOCK_O;
	case json_type_array:
		return MOCK_A;
	case json_type_null:
		break;
	}
	return 0;
}

static int check_object(struct walk *w, const struct mock_field *fields, json_object *o);

/* An object whose member "type" tells what it is. */
static int
check_typed(struct walk *w, const struct mock_field *types, json_object *o)
{
	json_object *type = mock_get(o, "type");
	const struct mock_field *row;

	if (type && !json_object_is_type(type, json_type_string))
		return flawed(w, MOCK_FLAW_TYPE, "type", "is not a string");
	row = find_field(w, types, type ? json_object_get_string(type) : "");
	if (!row && !type)
		return flawed(w, MOCK_FLAW_MISSING, "type", "is missing");
	if (!row)
		return flawed(w, MOCK_FLAW_VALUE, "type",
			      "\"%.60s\" is none of those that there are",
			      json_object_get_string(type));
	return row->of ? check_object(w, row->of, o) : 0;
}

static int
check_entries(struct walk *w, const struct mock_field *f, json_object *array)
{
	char index[24];

	for (size_t i = 0; i < ag_json_len(array); i++) {
		json_object *one = ag_json_at(array, i);
		size_t was;
		int rc;

		snprintf(index, sizeof(index), "%zu", i);
		if ((f->kind & MOCK_TEXTS) && !json_object_is_type(one, json_type_string))
			return flawed(w, MOCK_FLAW_TYPE, index, "is not a string");
		if (!f->of)
			continue;
		if (!json_object_is_type(one, json_type_object))
			return flawed(w, MOCK_FLAW_TYPE, index, "is not an object");
		was = push(w, index);
		rc = f->kind & MOCK_BY_TYPE ? check_typed(w, f->of, one)
					    : check_object(w, f->of, one);
		pop(w, was);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
check_number(struct walk *w, const struct mock_field *f, double v)
{
	if ((f->least != 0 || f->most != 0) && (v < f->least || v > f->most))
		return flawed(w, MOCK_FLAW_VALUE, f->name, "is not within %g and %g", f->least,
			      f->most);
	return 0;
}

static int
check_value(struct walk *w, const struct mock_field *f, json_object *v)
{
	unsigned kind = kind_of(v);
	size_t was;
	int rc = 0;

	if (!(f->kind & kind & MOCK_ANY))
		return flawed(w, MOCK_FLAW_TYPE, f->name, "is of the wrong type");
	if (kind & MOCK_N)
		return check_number(w, f, json_object_get_double(v));
	if (kind == MOCK_S && (f->kind & MOCK_SOME) && json_object_get_string_len(v) == 0)
		return flawed(w, MOCK_FLAW_VALUE, f->name, "is empty");
	if (kind == MOCK_S && f->words && !is_word_of(f->words, json_object_get_string(v)))
		return flawed(w, MOCK_FLAW_VALUE, f->name, "\"%.60s\" is none of: %s",
			      json_object_get_string(v), f->words);
	if (kind == MOCK_A && (f->kind & MOCK_SOME) && ag_json_len(v) == 0)
		return flawed(w, MOCK_FLAW_VALUE, f->name, "is empty");
	if (kind == MOCK_A && f->most > 0 && (double)ag_json_len(v) > f->most)
		return flawed(w, MOCK_FLAW_VALUE, f->name, "has more than %g entries", f->most);
	was = push(w, f->name);
	if (kind == MOCK_A)
		rc = check_entries(w, f, v);
	else if (kind == MOCK_O && f->of)
		rc = f->kind & MOCK_BY_TYPE ? check_typed(w, f->of, v) : check_object(w, f->of, v);
	pop(w, was);
	return rc;
}

static int
check_object(struct walk *w, const struct mock_field *fields, json_object *o)
{
	int rc = ++w->depth > DEPTH_MAX ? flawed(w, MOCK_FLAW_VALUE, "", "is nested too deep") : 0;

	ag_json_foreach (o, name, v) {
		const struct mock_field *f = find_field(w, fields, name);

		if (rc == 0 && !f && !w->shape->allows_unknown)
			rc = flawed(w, MOCK_FLAW_UNKNOWN, name, "is not known");
		if (rc == 0 && f && v)
			rc = check_value(w, f, v);
	}
	for (const struct mock_field *f = fields; f->name && rc == 0; f++)
		if ((f->kind & MOCK_REQUIRED) && !mock_get(o, f->name))
			rc = flawed(w, MOCK_FLAW_MISSING, f->name, "is missing");
	w->depth--;
	return rc;
}

int
mock_shape_check(const struct mock_shape *shape, json_object *o, struct mock_flaw *out)
{
	struct walk w = {.shape = shape, .flaw = out};

	return check_object(&w, shape->fields, o);
}

/* In camelCase; what came in snake_case is found too: a name is written one way or the other. */
json_object *
mock_get(json_object *o, const char *name)
{
	json_object *v = NULL;

	if (!json_object_is_type(o, json_type_object))
		return NULL;
	if (json_object_object_get_ex(o, name, &v))
		return v;
	ag_json_foreach (o, other, found)
		if (strchr(other, '_') && is_camel_of(name, other))
			return found;
	return NULL;
}

json_object *
mock_get_array(json_object *o, const char *name)
{
	json_object *v = mock_get(o, name);

	return json_object_is_type(v, json_type_array) ? v : NULL;
}

struct ag_str
mock_get_str(json_object *o, const char *name)
{
	json_object *v = mock_get(o, name);

	if (!json_object_is_type(v, json_type_string))
		return AG_STR_NONE;
	return ag_str_n(json_object_get_string(v), (size_t)json_object_get_string_len(v));
}

bool
mock_get_bool(json_object *o, const char *name)
{
	json_object *v = mock_get(o, name);

	return json_object_is_type(v, json_type_boolean) && json_object_get_boolean(v);
}

int64_t
mock_get_int(json_object *o, const char *name, int64_t absent)
{
	json_object *v = mock_get(o, name);

	return json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : absent;
}

bool
mock_is(json_object *o, const char *name, const char *value)
{
	return ag_str_eq(mock_get_str(o, name), ag_str(value));
}
