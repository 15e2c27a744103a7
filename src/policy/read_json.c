#include "policy/read_json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define MERGE_NAMES_MAX 256

int
ag_read_fail(struct ag_read_fault *f, const char *path, const char *fmt, ...)
{
	va_list ap;

	(void)ag_str_copy(ag_str(path), f->path, sizeof(f->path));
	va_start(ap, fmt);
	vsnprintf(f->why, sizeof(f->why), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int
begin(struct ag_read_iter *it, struct ag_str raw, const char *path, bool is_array,
    struct ag_read_fault *f)
{
	struct ag_str text = ag_str_trim(raw);

	if (text.n == 0 || text.p[0] != (is_array ? '[' : '{'))
		return ag_read_fail(f, path, "must be %s", is_array ? "an array" : "an object");
	*it = (struct ag_read_iter){ .path = path, .is_array = is_array };
	ag_json_iter_init(&it->it, text);
	return 0;
}

int
ag_read_object(struct ag_read_iter *it, struct ag_str raw, const char *path, struct ag_read_fault *f)
{
	return begin(it, raw, path, false, f);
}

int
ag_read_array(struct ag_read_iter *it, struct ag_str raw, const char *path, struct ag_read_fault *f)
{
	return begin(it, raw, path, true, f);
}

/* The name as it reads; what is longer than any name we know is cut, and so is none of them. */
static bool
read_name(struct ag_str text, struct ag_read_value *v)
{
	struct ag_str raw = ag_str_n(text.p + v->v.key_off, v->v.key_len), plain;
	struct ag_buf b;
	bool ok = true;

	if (ag_json_string_plain(raw, &plain)) {
		(void)ag_str_copy(plain, v->name, sizeof(v->name));
		v->name_len = plain.n;
		return !memchr(v->name, '\0', v->name_len < sizeof(v->name) ? v->name_len : sizeof(v->name) - 1);
	}
	ag_buf_init(&b, 16384);
	ok = ag_json_string_decode(raw, &b) == 0 && (b.n == 0 || !memchr(b.p, '\0', b.n));
	(void)ag_str_copy(ok ? ag_buf_str(&b) : AG_STR_NONE, v->name, sizeof(v->name));
	v->name_len = b.n;
	ag_buf_fini(&b);
	return ok;
}

int
ag_read_next(struct ag_read_iter *it, struct ag_read_value *out, struct ag_read_fault *f)
{
	struct ag_str text = it->it.text;
	int rc = it->is_array ? ag_json_array_next(&it->it, &out->v) : ag_json_object_next(&it->it, &out->v);

	if (rc < 0)
		return ag_read_fail(f, it->path, "is not valid JSON");
	if (rc == 0)
		return 0;
	out->raw = ag_json_raw(text, out->v);
	out->name[0] = '\0';
	out->name_len = 0;
	if (it->is_array) {
		snprintf(out->path, sizeof(out->path), "%s[%u]", it->path, it->n++);
		return 1;
	}
	if (!read_name(text, out))
		return ag_read_fail(f, it->path, "has a member whose name cannot be read");
	snprintf(out->path, sizeof(out->path), "%s%s%.64s", it->path, it->path[0] ? "." : "", out->name);
	return 1;
}

int
ag_read_text(const struct ag_read_value *v, size_t max, bool is_name, struct ag_read_text *out,
    struct ag_read_fault *f)
{
	struct ag_str plain;
	struct ag_buf b;
	int rc = 0;

	if (v->v.type != AG_JSON_STRING)
		return ag_read_fail(f, v->path, "must be a string");
	ag_buf_init(&b, 16384);
	if (!ag_json_string_plain(v->raw, &plain)) {
		rc = ag_json_string_decode(v->raw, &b);
		plain = ag_buf_str(&b);
	}
	if (rc < 0 && rc != -ENOBUFS)
		rc = ag_read_fail(f, v->path, "is not a proper string");
	else if (rc < 0 || plain.n > max || plain.n > AG_RULE_TEXT_MAX)
		rc = ag_read_fail(f, v->path, "must have at most %zu bytes",
		    max < AG_RULE_TEXT_MAX ? max : (size_t)AG_RULE_TEXT_MAX);
	else if (plain.n > 0 && memchr(plain.p, '\0', plain.n))
		rc = ag_read_fail(f, v->path, "must not hold a NUL character");
	else if (is_name && plain.n == 0)
		rc = ag_read_fail(f, v->path, "must not be empty");
	if (rc == 0) {
		(void)ag_str_copy(plain, out->p, sizeof(out->p));
		out->n = plain.n;
	}
	ag_buf_fini(&b);
	return rc;
}

int
ag_read_bool(const struct ag_read_value *v, bool *out, struct ag_read_fault *f)
{
	bool is_one = v->v.type == AG_JSON_NUMBER && ag_str_eq(v->raw, AG_STR("1"));
	bool is_zero = v->v.type == AG_JSON_NUMBER && ag_str_eq(v->raw, AG_STR("0"));

	if (v->v.type != AG_JSON_TRUE && v->v.type != AG_JSON_FALSE && !is_one && !is_zero)
		return ag_read_fail(f, v->path, "must be true or false");
	*out = v->v.type == AG_JSON_TRUE || is_one;
	return 0;
}

int
ag_read_uint(const struct ag_read_value *v, uint64_t min, uint64_t max, uint64_t *out,
    struct ag_read_fault *f)
{
	uint64_t n;

	if (v->v.type != AG_JSON_NUMBER || ag_json_u64(v->raw, &n) < 0 || n < min || n > max)
		return ag_read_fail(f, v->path, "must be a whole number from %llu to %llu",
		    (unsigned long long)min, (unsigned long long)max);
	*out = n;
	return 0;
}

bool
ag_read_holds(const struct ag_read_value *v)
{
	switch (v->v.type) {
	case AG_JSON_ABSENT:
	case AG_JSON_NULL:
	case AG_JSON_FALSE:
		return false;
	case AG_JSON_STRING:
	case AG_JSON_ARRAY:
	case AG_JSON_OBJECT:
		return v->raw.n < 2 || ag_str_trim(ag_str_n(v->raw.p + 1, v->raw.n - 2)).n > 0;
	case AG_JSON_TRUE:
	case AG_JSON_NUMBER:
		break;
	}
	return true;
}

/* ---- merging ---- */

struct names {
	struct ag_str raw[MERGE_NAMES_MAX]; /* as they stand */
	size_t n;
};

static bool
has_name(const struct names *names, struct ag_str raw)
{
	struct ag_str name;
	struct ag_buf b;
	bool has = false;

	ag_buf_init(&b, 65536);
	if (!ag_json_string_plain(raw, &name)) {
		if (ag_json_string_decode(raw, &b) < 0) {
			ag_buf_fini(&b);
			return false; /* whoever reads the object next will say so */
		}
		name = ag_buf_str(&b);
	}
	for (size_t i = 0; i < names->n && !has; i++)
		has = ag_json_string_eq(names->raw[i], name);
	ag_buf_fini(&b);
	return has;
}

static int
collect_names(struct ag_str object, struct names *out)
{
	struct ag_json_iter it;
	struct ag_json_value v;
	int rc;

	ag_json_iter_init(&it, object);
	while ((rc = ag_json_object_next(&it, &v)) == 1) {
		if (out->n == MERGE_NAMES_MAX)
			return -E2BIG;
		out->raw[out->n++] = ag_str_n(object.p + v.key_off, v.key_len);
	}
	return rc;
}

static int
put_members(struct ag_str object, const struct names *without, struct ag_buf *out, bool *io_any)
{
	struct ag_json_iter it;
	struct ag_json_value v;
	int rc;

	ag_json_iter_init(&it, object);
	while ((rc = ag_json_object_next(&it, &v)) == 1) {
		struct ag_str key = ag_str_n(object.p + v.key_off, v.key_len);

		if (without && has_name(without, key))
			continue;
		ag_buf_putc(out, *io_any ? ',' : '{');
		ag_buf_put_str(out, key);
		ag_buf_putc(out, ':');
		ag_buf_put_str(out, ag_json_raw(object, v));
		*io_any = true;
	}
	return rc;
}

int
ag_json_merge(struct ag_str base, struct ag_str over, struct ag_buf *out)
{
	struct names names = { .n = 0 };
	bool any = false;
	int rc;

	base = ag_str_trim(base);
	over = ag_str_trim(over);
	rc = collect_names(over, &names);
	if (rc == 0)
		rc = put_members(base, &names, out, &any);
	if (rc == 0)
		rc = put_members(over, NULL, out, &any);
	if (rc < 0)
		return rc;
	ag_buf_puts(out, any ? "}" : "{}");
	return out->failed ? -ENOBUFS : 0;
}
