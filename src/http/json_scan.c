#include "http/json_scan.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/attr.h"
#include "http/json_skip.h"
#include "http/json_text.h"

/* Longest name a field may have, and the most bytes a key that means it can be written in
 * (six for each as \u0073). */
#define NAME_MAX_LEN 63
#define KEY_MAX_LEN  (6 * NAME_MAX_LEN)

struct reader {
	const struct json_skip *skip;
	const char *p;
	size_t n, at;
	const char *why;
};

static bool
fail(struct reader *r, const char *why)
{
	r->why = why;
	return false;
}

static void
skip_blanks(struct reader *r)
{
	while (r->at < r->n && (r->p[r->at] == ' ' || r->p[r->at] == '\n' ||
	                           r->p[r->at] == '\r' || r->p[r->at] == '\t'))
		r->at++;
}

/* Takes c, with blanks before and behind it.  Compact text, the usual kind, has none. */
static inline bool
take(struct reader *r, char c)
{
	if (r->at == r->n || r->p[r->at] != c) {
		skip_blanks(r);
		if (r->at == r->n || r->p[r->at] != c)
			return false;
	}
	r->at++;
	if (r->at < r->n && (unsigned char)r->p[r->at] <= ' ')
		skip_blanks(r);
	return true;
}

static bool
take_string(struct reader *r, bool *out_has_escape)
{
	size_t from = r->at + 1;
	size_t end = r->skip->string(r->p, from, r->n, out_has_escape, &r->why);

	if (end == 0)
		return false;
	if (*out_has_escape && !json_escapes_are_good(ag_str_n(r->p + from, end - 1 - from)))
		return fail(r, "bad escape in a string");
	r->at = end;
	return true;
}

static bool
take_literal(struct reader *r, struct ag_str word)
{
	if (r->n - r->at < word.n || memcmp(r->p + r->at, word.p, word.n) != 0)
		return fail(r, "bad literal");
	r->at += word.n;
	return true;
}

static bool
take_number(struct reader *r)
{
	size_t len = json_number_len(ag_str_n(r->p + r->at, r->n - r->at));

	if (len == 0)
		return fail(r, "bad number");
	r->at += len;
	return true;
}

static bool
take_nested(struct reader *r, uint32_t *out_n_children)
{
	/* The bracket around this value is one. */
	size_t end = r->skip->nested(r->p, r->at, r->n, AG_JSON_DEPTH_MAX - 1, out_n_children,
	    &r->why);

	if (end == 0)
		return false;
	r->at = end;
	return true;
}

static bool
take_typed(struct reader *r, struct ag_json_value *v)
{
	bool has_escape;

	switch (r->p[r->at]) {
	case '"':
		v->type = AG_JSON_STRING;
		return take_string(r, &has_escape);
	case '{':
		v->type = AG_JSON_OBJECT;
		return take_nested(r, &v->n_children);
	case '[':
		v->type = AG_JSON_ARRAY;
		return take_nested(r, &v->n_children);
	case 't':
		v->type = AG_JSON_TRUE;
		return take_literal(r, AG_STR("true"));
	case 'f':
		v->type = AG_JSON_FALSE;
		return take_literal(r, AG_STR("false"));
	case 'n':
		v->type = AG_JSON_NULL;
		return take_literal(r, AG_STR("null"));
	default:
		v->type = AG_JSON_NUMBER;
		return take_number(r);
	}
}

/* The value at r->at, into all of *v but its key. */
static bool
take_value(struct reader *r, struct ag_json_value *v)
{
	if (r->at == r->n)
		return fail(r, "value missing");
	v->off = (uint32_t)r->at;
	v->n_children = 0;
	if (!take_typed(r, v))
		return false;
	v->len = (uint32_t)(r->at - v->off);
	return true;
}

/* "key":  with the value's first byte next. */
static bool
take_key(struct reader *r, struct ag_json_value *v, bool *out_has_escape)
{
	if (r->at == r->n || r->p[r->at] != '"')
		return fail(r, "field name expected");
	v->key_off = (uint32_t)r->at;
	if (!take_string(r, out_has_escape))
		return false;
	v->key_len = (uint32_t)(r->at - v->key_off);
	return take(r, ':') ? true : fail(r, "colon expected");
}

static bool
reader_init(struct reader *r, struct ag_str text)
{
	*r = (struct reader){ .skip = json_skip_get(), .p = text.p, .n = text.n };
	return text.n <= UINT32_MAX ? true : fail(r, "too large");
}

/* ---- scanning for fields ---- */

struct table {
	const struct ag_str *name;
	size_t n;
	uint64_t lengths; /* bit n: some name is n long */
};

#define NO_FIELD (-1)
#define IN_OTHER_CASE (-2)
#define BAD_KEY (-3)

/* The two letters outside ASCII that some readers fold into it: U+017F to s, U+212A to k.  ASCII
 * is left to the comparison.  In place; returns the new length. */
static size_t
fold(char *s, size_t n)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (n - i >= 2 && memcmp(s + i, "\xc5\xbf", 2) == 0) {
			c = 's';
			i += 1;
		} else if (n - i >= 3 && memcmp(s + i, "\xe2\x84\xaa", 3) == 0) {
			c = 'k';
			i += 2;
		}
		s[out++] = c;
	}
	return out;
}

static int
field_exact(const struct table *t, struct ag_str key)
{
	if (key.n > NAME_MAX_LEN || !(t->lengths >> key.n & 1))
		return NO_FIELD;
	for (size_t i = 0; i < t->n; i++)
		if (ag_str_eq(t->name[i], key))
			return (int)i;
	return NO_FIELD;
}

static int
field_folded(const struct table *t, struct ag_str key)
{
	if (key.n > NAME_MAX_LEN || !(t->lengths >> key.n & 1))
		return NO_FIELD;
	for (size_t i = 0; i < t->n; i++)
		if (ag_str_ieq(t->name[i], key))
			return IN_OTHER_CASE;
	return NO_FIELD;
}

static int
field_written_oddly(const struct table *t, struct ag_str key)
{
	char plain[KEY_MAX_LEN];
	ssize_t n;
	int field;

	if (key.n > sizeof(plain))
		return NO_FIELD;
	n = json_decode(key, plain, sizeof(plain));
	if (n < 0)
		return BAD_KEY;
	field = field_exact(t, ag_str_n(plain, (size_t)n));
	if (field != NO_FIELD)
		return field;
	return field_folded(t, ag_str_n(plain, fold(plain, (size_t)n)));
}

/* A key of plain ASCII: the name itself, or one that differs in case. */
static int
field_plain(const struct table *t, struct ag_str key)
{
	int found = NO_FIELD;

	if (key.n == 0 || key.n > NAME_MAX_LEN || !(t->lengths >> key.n & 1))
		return NO_FIELD;
	for (size_t i = 0; i < t->n; i++) {
		if (t->name[i].n != key.n || ((t->name[i].p[0] ^ key.p[0]) & ~0x20) != 0)
			continue;
		if (memcmp(t->name[i].p, key.p, key.n) == 0)
			return (int)i;
		if (strncasecmp(t->name[i].p, key.p, key.n) == 0)
			found = IN_OTHER_CASE;
	}
	return found;
}

/* Which field a key means.  Some readers match names without regard to case, so that a name we
 * know in a case we do not know is somebody else's field: neither ours nor nobody's. */
static int
field_of(const struct table *t, struct ag_str key, bool has_escape)
{
	if (has_escape)
		return field_written_oddly(t, key);
	for (size_t i = 0; i < key.n && key.n <= KEY_MAX_LEN; i++)
		if (AG_UNLIKELY((unsigned char)key.p[i] >= 0x80))
			return field_written_oddly(t, key);
	return field_plain(t, key);
}

static bool
scan_member(struct reader *r, const struct table *t, struct ag_json_value *out,
    struct ag_json_fault *fault)
{
	struct ag_json_value v;
	bool has_escape;
	int field;

	if (!take_key(r, &v, &has_escape))
		return false;
	field = field_of(t, ag_str_n(r->p + v.key_off + 1, v.key_len - 2), has_escape);
	if (field == BAD_KEY)
		return fail(r, "bad escape in a field name");
	if (field == IN_OTHER_CASE)
		return fail(r, "field name in another case than ours");
	if (!take_value(r, &v))
		return false;
	if (field < 0)
		return true;
	if (out[field].type != AG_JSON_ABSENT) {
		fault->field = field;
		return fail(r, "duplicate field");
	}
	out[field] = v;
	return true;
}

static bool
scan_object(struct reader *r, const struct table *t, struct ag_json_value *out,
    struct ag_json_fault *fault)
{
	if (!take(r, '{'))
		return fail(r, "not an object");
	if (!take(r, '}')) {
		do {
			if (!scan_member(r, t, out, fault))
				return false;
		} while (take(r, ','));
		if (!take(r, '}'))
			return fail(r, "comma or closing brace expected");
	}
	return r->at == r->n ? true : fail(r, "bytes behind the object");
}

int
ag_json_scan(struct ag_str text, const struct ag_str *names, size_t n_names,
    struct ag_json_value *out, struct ag_json_fault *out_fault)
{
	struct table t = { .name = names, .n = n_names };
	struct ag_json_fault fault = { .field = -1 };
	struct reader r;

	assert(n_names <= AG_JSON_FIELDS_MAX);
	for (size_t i = 0; i < n_names; i++) {
		assert(names[i].n <= NAME_MAX_LEN);
		t.lengths |= UINT64_C(1) << names[i].n;
		out[i] = (struct ag_json_value){ .type = AG_JSON_ABSENT };
	}
	if (reader_init(&r, text) && scan_object(&r, &t, out, &fault))
		return 0;
	fault.why = r.why;
	fault.at = r.at;
	*out_fault = fault;
	return -EINVAL;
}

/* ---- iterating ---- */

void
ag_json_iter_init(struct ag_json_iter *it, struct ag_str raw)
{
	*it = (struct ag_json_iter){ .text = raw, .is_first = true };
}

/* 1: a member follows at r->at, 0: the end, -EINVAL. */
static int
iter_step(struct ag_json_iter *it, struct reader *r, char open, char close)
{
	if (!it->is_first && it->text.n == 0)
		return 0; /* the end was told before */
	if (!reader_init(r, it->text))
		return -EINVAL;
	r->at = it->at;
	if (it->is_first ? !take(r, open) : !take(r, ',')) {
		if (it->is_first || !take(r, close))
			return -EINVAL;
	} else if (!it->is_first || !take(r, close)) {
		return 1;
	}
	it->text.n = 0;
	it->is_first = false;
	return r->at == r->n ? 0 : -EINVAL;
}

int
ag_json_array_next(struct ag_json_iter *it, struct ag_json_value *out)
{
	struct ag_json_value v = { .type = AG_JSON_ABSENT };
	struct reader r;
	int rc = iter_step(it, &r, '[', ']');

	if (rc <= 0)
		return rc;
	if (!take_value(&r, &v))
		return -EINVAL;
	it->at = r.at;
	it->is_first = false;
	*out = v;
	return 1;
}

int
ag_json_object_next(struct ag_json_iter *it, struct ag_json_value *out)
{
	struct ag_json_value v = { .type = AG_JSON_ABSENT };
	struct reader r;
	bool has_escape;
	int rc = iter_step(it, &r, '{', '}');

	if (rc <= 0)
		return rc;
	if (!take_key(&r, &v, &has_escape) || !take_value(&r, &v))
		return -EINVAL;
	it->at = r.at;
	it->is_first = false;
	*out = v;
	return 1;
}

int64_t
ag_json_array_count(struct ag_str raw)
{
	struct ag_json_iter it;
	struct ag_json_value v;
	int64_t n = 0;
	int rc;

	ag_json_iter_init(&it, raw);
	while ((rc = ag_json_array_next(&it, &v)) == 1)
		n++;
	return rc < 0 ? rc : n;
}
