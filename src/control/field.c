#include "control/field.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/num.h"

#define METADATA_MAX 2048

static enum ag_field
member(struct json_object *obj, const char *path, struct json_object **out)
{
	const char *dot = strrchr(path, '.');

	if (!obj || !json_object_object_get_ex(obj, dot ? dot + 1 : path, out))
		return AG_FIELD_ABSENT;
	return *out ? AG_FIELD_SET : AG_FIELD_NULL;
}

static enum ag_field
typed(struct ag_call *c, struct json_object *obj, const char *path, enum json_type type,
    const char *type_name, struct json_object **out)
{
	struct json_object *v;
	enum ag_field f = member(obj, path, &v);

	if (f != AG_FIELD_SET)
		return f;
	if (json_object_get_type(v) != type) {
		ag_call_invalid(c, "%s: must be %s", path, type_name);
		return AG_FIELD_BAD;
	}
	*out = v;
	return f;
}

enum ag_field
ag_field_text(struct ag_call *c, struct json_object *obj, const char *path, size_t max,
    const char **out)
{
	struct json_object *v;
	enum ag_field f = typed(c, obj, path, json_type_string, "a string", &v);
	size_t n;

	if (f != AG_FIELD_SET)
		return f;
	n = (size_t)json_object_get_string_len(v);
	if (n > max) {
		ag_call_invalid(c, "%s: must have at most %zu bytes, not %zu", path, max, n);
		return AG_FIELD_BAD;
	}
	if (memchr(json_object_get_string(v), '\0', n)) {
		ag_call_invalid(c, "%s: must not hold a NUL character", path);
		return AG_FIELD_BAD;
	}
	*out = json_object_get_string(v);
	return f;
}

enum ag_field
ag_field_bool(struct ag_call *c, struct json_object *obj, const char *path, bool *out)
{
	struct json_object *v;
	enum ag_field f = member(obj, path, &v);

	if (f != AG_FIELD_SET)
		return f;
	/* 0 and 1 are what several of our answers hold in their place. */
	if (json_object_is_type(v, json_type_int) && json_object_get_int64(v) >> 1 == 0) {
		*out = json_object_get_int64(v) == 1;
		return f;
	}
	f = typed(c, obj, path, json_type_boolean, "true or false", &v);
	if (f == AG_FIELD_SET)
		*out = json_object_get_boolean(v);
	return f;
}

enum ag_field
ag_field_object(struct ag_call *c, struct json_object *obj, const char *path,
    struct json_object **out)
{
	return typed(c, obj, path, json_type_object, "an object", out);
}

enum ag_field
ag_field_array(struct ag_call *c, struct json_object *obj, const char *path,
    struct json_object **out)
{
	return typed(c, obj, path, json_type_array, "an array", out);
}

enum ag_field
ag_field_number(struct ag_call *c, struct json_object *obj, const char *path, struct ag_str *out)
{
	struct json_object *v;
	enum ag_field f = member(obj, path, &v);

	if (f != AG_FIELD_SET)
		return f;
	if (!json_object_is_type(v, json_type_int) && !json_object_is_type(v, json_type_double)) {
		ag_call_invalid(c, "%s: must be a number", path);
		return AG_FIELD_BAD;
	}
	/* The parser keeps the text of a fraction, so nothing is lost on the way. */
	*out = ag_str(json_object_to_json_string(v));
	return f;
}

/* n digits at *s as a number; -1 when they are not there. */
static int
digits(struct ag_str *s, size_t n)
{
	uint64_t v;

	if (s->n < n || ag_parse_u64(ag_str_n(s->p, n), 9999, &v) < 0)
		return -1;
	*s = ag_str_skip(*s, n);
	return (int)v;
}

static bool
skip_char(struct ag_str *s, const char *any_of)
{
	if (s->n == 0 || s->p[0] == '\0' || !strchr(any_of, s->p[0]))
		return false;
	*s = ag_str_skip(*s, 1);
	return true;
}

/* ".123456" -> us; digits behind the sixth are dropped. */
static int64_t
fraction_us(struct ag_str *s)
{
	int64_t us = 0, unit = 100000;

	if (!skip_char(s, "."))
		return 0;
	while (s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9') {
		us += (s->p[0] - '0') * unit;
		unit /= 10;
		*s = ag_str_skip(*s, 1);
	}
	return us;
}

/* "Z", "+02:00", "-0530" or nothing (UTC). */
static int
zone_minutes(struct ag_str *s, int *out)
{
	bool is_minus = s->n > 0 && s->p[0] == '-';
	int h, m;

	*out = 0;
	if (s->n == 0 || skip_char(s, "Zz"))
		return 0;
	if (!skip_char(s, "+-") || (h = digits(s, 2)) < 0 || h > 14)
		return -EINVAL;
	skip_char(s, ":");
	m = s->n > 0 ? digits(s, 2) : 0;
	if (m < 0 || m > 59)
		return -EINVAL;
	*out = (is_minus ? -1 : 1) * (h * 60 + m);
	return 0;
}

int
ag_parse_time(struct ag_str s, int64_t *out_us)
{
	int year = digits(&s, 4), month, day, h = 0, m = 0, sec = 0, zone = 0;
	int64_t days, y, us = 0;
	int mo, d;

	if (year < 1970 || !skip_char(&s, "-") || (month = digits(&s, 2)) < 1 || month > 12 ||
	    !skip_char(&s, "-") || (day = digits(&s, 2)) < 1 || day > 31)
		return -EINVAL;
	days = ag_civil_to_days(year, month, day);
	ag_civil_from_days(days, &y, &mo, &d);
	if (mo != month || d != day)
		return -EINVAL; /* 31 February */
	if (s.n > 0) {
		if (!skip_char(&s, "Tt ") || (h = digits(&s, 2)) < 0 || h > 23 ||
		    !skip_char(&s, ":") || (m = digits(&s, 2)) < 0 || m > 59)
			return -EINVAL;
		if (skip_char(&s, ":") && ((sec = digits(&s, 2)) < 0 || sec > 59))
			return -EINVAL;
		us = fraction_us(&s);
		if (zone_minutes(&s, &zone) < 0 || s.n > 0)
			return -EINVAL;
	}
	*out_us = days * AG_US_PER_DAY + h * AG_US_PER_HOUR + (m - zone) * AG_US_PER_MIN +
	    sec * AG_US_PER_SEC + us;
	return 0;
}

enum ag_field
ag_field_time(struct ag_call *c, struct json_object *obj, const char *path, int64_t *out_us)
{
	const char *text;
	enum ag_field f = ag_field_text(c, obj, path, 64, &text);

	if (f != AG_FIELD_SET)
		return f;
	if (ag_parse_time(ag_str(text), out_us) < 0) {
		ag_call_invalid(c, "%s: must be an ISO 8601 time such as 2026-12-31T00:00:00Z, "
		    "not \"%s\"", path, text);
		return AG_FIELD_BAD;
	}
	return f;
}

bool
ag_slug_ok(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return n > 0 && n <= AG_SLUG_MAX && s[n] == '\0';
}

bool
ag_email_ok(const char *s)
{
	const char *at = strchr(s, '@');

	return at && at != s && at[1] && strlen(s) <= 254 && !strpbrk(s, " \t\r\n");
}

enum ag_field
ag_field_slug(struct ag_call *c, struct json_object *obj, const char *path, const char **out)
{
	const char *text;
	enum ag_field f = ag_field_text(c, obj, path, AG_SLUG_MAX, &text);

	if (f != AG_FIELD_SET)
		return f;
	if (!ag_slug_ok(text)) {
		ag_call_invalid(c, "%s: must be letters, digits, _ and -, not \"%s\"", path, text);
		return AG_FIELD_BAD;
	}
	*out = text;
	return f;
}

enum ag_field
ag_field_metadata(struct ag_call *c, struct json_object *obj, const char *path,
    struct json_object **out)
{
	struct json_object *v;
	enum ag_field f = typed(c, obj, path, json_type_object, "an object of strings", &v);
	size_t n;

	if (f != AG_FIELD_SET)
		return f;
	ag_json_foreach(v, key, value) {
		if (!json_object_is_type(value, json_type_string) &&
		    !json_object_is_type(value, json_type_int) &&
		    !json_object_is_type(value, json_type_boolean)) {
			ag_call_invalid(c, "%s.%.64s: must be a string", path, key);
			return AG_FIELD_BAD;
		}
	}
	/* With blanks: never shorter than what PostgreSQL makes of it. */
	n = strlen(json_object_to_json_string_ext(v, JSON_C_TO_STRING_SPACED));
	if (n > METADATA_MAX) {
		ag_call_invalid(c, "%s: must have at most %d bytes as JSON, not %zu", path,
		    METADATA_MAX, n);
		return AG_FIELD_BAD;
	}
	*out = v;
	return f;
}

static bool
holds_something(struct json_object *v)
{
	if (!v)
		return false;
	switch (json_object_get_type(v)) {
	case json_type_object:
		return ag_json_members(v) > 0;
	case json_type_array:
		return ag_json_len(v) > 0;
	case json_type_string:
		return json_object_get_string_len(v) > 0;
	case json_type_null:
		return false;
	case json_type_boolean:
	case json_type_double:
	case json_type_int:
		break;
	}
	return true;
}

int
ag_field_refuse(struct ag_call *c, struct json_object *obj, const char *const *names,
    const char *prefix)
{
	struct json_object *v;

	for (; obj && *names; names++)
		if (json_object_object_get_ex(obj, *names, &v) && holds_something(v))
			return ag_call_invalid(c, "%s%s: not implemented by this gateway; leave it out",
			    prefix, *names);
	return 0;
}
