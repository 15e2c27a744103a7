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
	unsigned depth; /* brackets open around the value at hand */
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
take_long_string(struct reader *r)
{
	size_t from = r->at + 1;
	bool has_escape;
	size_t end = r->skip->string(r->p, from, r->n, &has_escape, &r->why);

	if (end == 0)
		return false;
	if (has_escape && !json_escapes_are_good(ag_str_n(r->p + from, end - 1 - from)))
		return fail(r, "bad escape in a string");
	r->at = end;
	return true;
}

/* *out_is_plain: ASCII without an escape, for all that was seen of it in passing. */
static inline bool
take_string(struct reader *r, bool *out_is_plain)
{
	size_t end = json_short_string(r->p, r->at + 1, r->n, out_is_plain);

	if (AG_LIKELY(end > 0)) {
		r->at = end;
		return true;
	}
	*out_is_plain = false;
	return take_long_string(r);
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
	size_t len = 0, left = r->n - r->at;
	const char *p = r->p + r->at;

	/* Digits and no more, and text behind them: the usual kind. */
	while (len < left && p[len] >= '0' && p[len] <= '9')
		len++;
	if (len == 0 || len == left || p[len] == '.' || (p[len] | 0x20) == 'e' || (p[0] == '0' && len > 1))
		len = json_number_len(ag_str_n(p, left));
	if (len == 0)
		return fail(r, "bad number");
	r->at += len;
	return true;
}

static bool
take_nested(struct reader *r, struct ag_json_value *v)
{
	struct json_nested seen;
	size_t end = r->skip->nested(r->p, r->at, r->n, AG_JSON_DEPTH_MAX - r->depth, &seen, &r->why);

	if (end == 0)
		return false;
	v->n_children = seen.n_children;
	v->depth = seen.depth;
	r->at = end;
	return true;
}

static bool
take_typed(struct reader *r, struct ag_json_value *v)
{
	bool is_plain;

	switch (r->p[r->at]) {
	case '"':
		v->type = AG_JSON_STRING;
		return take_string(r, &is_plain);
	case '{':
		v->type = AG_JSON_OBJECT;
		return take_nested(r, v);
	case '[':
		v->type = AG_JSON_ARRAY;
		return take_nested(r, v);
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
	v->n_children = v->depth = 0;
	if (!take_typed(r, v))
		return false;
	v->len = (uint32_t)(r->at - v->off);
	return true;
}

/* "key":  with the value's first byte next. */
static inline bool
take_key(struct reader *r, struct ag_json_value *v, bool *out_is_plain)
{
	if (r->at == r->n || r->p[r->at] != '"')
		return fail(r, "field name expected");
	v->key_off = (uint32_t)r->at;
	if (!take_string(r, out_is_plain))
		return false;
	v->key_len = (uint32_t)(r->at - v->key_off);
	return take(r, ':') ? true : fail(r, "colon expected");
}

static bool
reader_init(struct reader *r, struct ag_str text)
{
	*r = (struct reader){ .skip = json_skip_get(), .p = text.p, .n = text.n, .depth = 1 };
	return text.n <= UINT32_MAX ? true : fail(r, "too large");
}

/* ---- which field a key means ---- */

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

/* The eight bytes at either end of a name; the same when it is as short.  Fewer than eight are all of them
 * still, some twice: names of one length are equal where these are. */
static inline uint64_t
first_bytes(const char *p, size_t n)
{
	uint32_t from = 0, to = 0;
	uint64_t word;

	if (n >= 8) {
		memcpy(&word, p, 8);
		return word;
	}
	if (n >= 4) {
		memcpy(&from, p, 4);
		memcpy(&to, p + n - 4, 4);
	} else if (n > 0) {
		from = (uint8_t)p[0] | (uint32_t)(uint8_t)p[n / 2] << 8 | (uint32_t)(uint8_t)p[n - 1] << 16;
	}
	return from | (uint64_t)to << 32;
}

static inline uint64_t
last_bytes(const char *p, size_t n)
{
	return n >= 8 ? first_bytes(p + n - 8, 8) : first_bytes(p, n);
}

/* Chains the names by their length, which tells nearly all of them apart. */
static void
fields_index(struct ag_json_fields *f)
{
	static_assert(NAME_MAX_LEN < AG_JSON_FIELDS_MAX, "a length is an index of of_length");
	assert(f->n <= AG_JSON_FIELDS_MAX);
	for (size_t i = 0; i < f->n; i++) {
		assert(f->name[i].n > 0 && f->name[i].n <= NAME_MAX_LEN);
		f->first[i] = first_bytes(f->name[i].p, f->name[i].n);
		f->last[i] = last_bytes(f->name[i].p, f->name[i].n);
		f->next[i] = f->of_length[f->name[i].n];
		f->of_length[f->name[i].n] = (uint8_t)(i + 1);
	}
	for (size_t i = 0; i < f->n_inner; i++) {
		f->inner_of[f->inner[i].field] = (uint8_t)(i + 1);
		if (!f->inner[i].fields->is_indexed)
			fields_index(f->inner[i].fields);
	}
	f->is_indexed = true;
}

/* The name itself, or one that differs in the case of its letters. */
static inline int
field_ascii(const struct ag_json_fields *f, struct ag_str key)
{
	const uint64_t case_bits = UINT64_C(0x2020202020202020);
	uint64_t first, last;
	int found = NO_FIELD;
	size_t i;

	if (key.n > NAME_MAX_LEN || (i = f->of_length[key.n]) == 0)
		return NO_FIELD;
	first = first_bytes(key.p, key.n);
	last = last_bytes(key.p, key.n);
	for (; i > 0; i = f->next[i - 1]) {
		const char *name = f->name[i - 1].p;

		if (((first ^ f->first[i - 1]) & ~case_bits) != 0)
			continue;
		if (first == f->first[i - 1] && last == f->last[i - 1] &&
		    (key.n <= 16 || memcmp(name + 8, key.p + 8, key.n - 16) == 0))
			return (int)i - 1;
		if (strncasecmp(name, key.p, key.n) == 0)
			found = IN_OTHER_CASE;
	}
	return found;
}

static int
field_written_oddly(const struct ag_json_fields *f, struct ag_str key)
{
	char plain[KEY_MAX_LEN];
	ssize_t n;
	int field;

	if (key.n > sizeof(plain))
		return NO_FIELD;
	n = json_decode(key, plain, sizeof(plain));
	if (n < 0)
		return BAD_KEY;
	field = field_ascii(f, ag_str_n(plain, (size_t)n));
	if (field != NO_FIELD)
		return field;
	return field_ascii(f, ag_str_n(plain, fold(plain, (size_t)n))) == NO_FIELD ? NO_FIELD : IN_OTHER_CASE;
}

static bool
is_plain_text(struct ag_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80 || s.p[i] == '\\')
			return false;
	return true;
}

/* Some readers match names without regard to case, so that a name we know in a case we do not know is
 * somebody else's field: neither ours nor nobody's. */
static inline int
field_of(const struct ag_json_fields *f, struct ag_str key, bool is_plain)
{
	return is_plain || is_plain_text(key) ? field_ascii(f, key) : field_written_oddly(f, key);
}

/* ---- scanning for fields ---- */

static bool scan_object(struct reader *r, const struct ag_json_fields *f, struct ag_json_value *out,
    struct ag_json_value *out_seen, struct ag_json_fault *fault);

static void
clear(struct ag_json_value *out, const struct ag_json_fields *f)
{
	static_assert(AG_JSON_ABSENT == 0, "absent is all zeros");
	memset(out, 0, f->n * sizeof(*out));
}

/* An object with fields of its own that are looked for.  What is refused in it is nobody's: then it is
 * a nested value like others. */
static bool
take_inner(struct reader *r, const struct ag_json_inner *inner, struct ag_json_value *out,
    struct ag_json_value *v)
{
	struct reader inside = *r;
	struct ag_json_fault ignored;

	inside.depth++;
	v->type = AG_JSON_OBJECT;
	v->off = (uint32_t)r->at;
	clear(out + inner->at, inner->fields);
	if (scan_object(&inside, inner->fields, out + inner->at, v, &ignored)) {
		r->at = inside.at;
	} else {
		clear(out + inner->at, inner->fields);
		if (!take_nested(r, v))
			return false;
	}
	v->len = (uint32_t)(r->at - v->off);
	return true;
}

/* Where the value of a member goes: straight to its field, so that it is not copied a moment after it
 * was written.  A second one of the same name is looked at aside, and refused. */
static struct ag_json_value *
place_of(struct ag_json_value *out, int field, struct ag_json_value *aside)
{
	struct ag_json_value *v = aside;

	if (field != NO_FIELD && out[field].type == AG_JSON_ABSENT) {
		v = &out[field];
		v->key_off = aside->key_off;
		v->key_len = aside->key_len;
	}
	return v;
}

static bool
scan_member(struct reader *r, const struct ag_json_fields *f, struct ag_json_value *out,
    uint32_t *out_depth, struct ag_json_fault *fault)
{
	const struct ag_json_inner *inner = NULL;
	struct ag_json_value aside, *v;
	bool is_plain;
	int field;

	if (!take_key(r, &aside, &is_plain))
		return false;
	field = field_of(f, ag_str_n(r->p + aside.key_off + 1, aside.key_len - 2), is_plain);
	if (field == BAD_KEY)
		return fail(r, "bad escape in a field name");
	if (field == IN_OTHER_CASE)
		return fail(r, "field name in another case than ours");
	v = place_of(out, field, &aside);
	if (field != NO_FIELD && v != &aside && f->inner_of[field] > 0 && r->at < r->n && r->p[r->at] == '{')
		inner = &f->inner[f->inner_of[field] - 1];
	if (!(inner ? take_inner(r, inner, out, v) : take_value(r, v)))
		return false;
	if (field != NO_FIELD && v == &aside) {
		fault->field = field;
		return fail(r, "duplicate field");
	}
	*out_depth = v->depth;
	return true;
}

/* From the opening brace to behind the closing one; into *out_seen what was seen inside. */
static bool
scan_object(struct reader *r, const struct ag_json_fields *f, struct ag_json_value *out,
    struct ag_json_value *out_seen, struct ag_json_fault *fault)
{
	uint32_t n_children = 0, depth = 1;

	if (!take(r, '{'))
		return fail(r, "not an object");
	if (r->at == r->n || r->p[r->at] != '}') {
		do {
			uint32_t inside;

			if (!scan_member(r, f, out, &inside, fault))
				return false;
			n_children += inside > 0;
			if (depth <= inside)
				depth = inside + 1;
		} while (take(r, ','));
		if (r->at == r->n || r->p[r->at] != '}')
			return fail(r, "comma or closing brace expected");
	}
	r->at++;
	out_seen->n_children = n_children;
	out_seen->depth = depth;
	return true;
}

static bool
scan_text(struct reader *r, const struct ag_json_fields *f, struct ag_json_value *out,
    struct ag_json_fault *fault)
{
	struct ag_json_value seen;

	if (!scan_object(r, f, out, &seen, fault))
		return false;
	skip_blanks(r);
	return r->at == r->n ? true : fail(r, "bytes behind the object");
}

int
ag_json_scan(struct ag_str text, struct ag_json_fields *fields, struct ag_json_value *out,
    struct ag_json_fault *out_fault)
{
	struct ag_json_fault fault = { .field = -1 };
	struct reader r;

	if (AG_UNLIKELY(!fields->is_indexed))
		fields_index(fields);
	clear(out, fields);
	if (reader_init(&r, text) && scan_text(&r, fields, out, &fault))
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
	bool is_plain;
	int rc = iter_step(it, &r, '{', '}');

	if (rc <= 0)
		return rc;
	if (!take_key(&r, &v, &is_plain) || !take_value(&r, &v))
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
