#include "flusher/meta.h"

#include <stdint.h>

#include "base/utf8.h"

#define DEPTH_MAX    32
#define ONES         UINT64_C(0x0101010101010101)
#define HIGH_BITS    UINT64_C(0x8080808080808080)
#define EXPONENT_MAX 4 /* digits of an exponent: numeric holds 131072 before the point */

/* Copies eight bytes at a time while they are ASCII and no NUL, as nearly all text is; returns how many. */
static size_t
copy_ascii(struct ag_str in, char *out)
{
	size_t i = 0;

	for (uint64_t eight; in.n - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, in.p + i, sizeof(eight));
		/* 0 - 1 borrows: the high bit of its byte is set. */
		if (((eight | (eight - ONES)) & HIGH_BITS) != 0)
			break;
		memcpy(out + i, &eight, sizeof(eight));
	}
	while (i < in.n && (unsigned char)(in.p[i] - 1) < 0x7f) {
		out[i] = in.p[i];
		i++;
	}
	return i;
}

void
ag_text_clean(struct ag_str in, char *out)
{
	size_t i = 0;

	while (i < in.n) {
		size_t len;

		i += copy_ascii(ag_str_skip(in, i), out + i);
		if (i == in.n)
			break;
		len = ag_utf8_len(ag_str_skip(in, i));
		if (len == 0 || in.p[i] == '\0') {
			out[i++] = '?';
			continue;
		}
		memcpy(out + i, in.p + i, len);
		i += len;
	}
}

bool
ag_text_is_clean(struct ag_str in)
{
	for (size_t i = 0, len; i < in.n; i += len) {
		len = ag_utf8_len(ag_str_skip(in, i));
		if (len == 0 || in.p[i] == '\0')
			return false;
	}
	return true;
}

/* ---- JSON --------------------------------------------------------------------------------- */

struct scan {
	char *p, *end;        /* what is left, in the copy: changed in place */
	struct ag_meta *meta; /* borrowed */
};

static bool scan_value(struct scan *s, int depth);

static void
skip_blanks(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static int
hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int c = p[i] | 0x20;

		if (p[i] >= '0' && p[i] <= '9')
			v = v << 4 | (p[i] - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (c - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* Behind "\u"; replaces what jsonb refuses. */
static bool
scan_unicode(struct scan *s)
{
	int c = hex4(s->p, s->end);

	if (c < 0)
		return false;
	if (c >= 0xd800 && c <= 0xdbff && s->end - s->p >= 10 && s->p[4] == '\\' && s->p[5] == 'u') {
		int low = hex4(s->p + 6, s->end);

		if (low >= 0xdc00 && low <= 0xdfff) {
			s->p += 10;
			return true;
		}
	}
	if (c == 0 || (c >= 0xd800 && c <= 0xdfff))
		memcpy(s->p, "fffd", 4);
	s->p += 4;
	return true;
}

/* At the opening quote; *out is the inside, as it stands. */
static bool
scan_string(struct scan *s, struct ag_str *out)
{
	char *from = ++s->p;

	while (s->p < s->end) {
		char c = *s->p;

		if (c == '"') {
			*out = ag_str_n(from, (size_t)(s->p++ - from));
			return true;
		}
		if ((unsigned char)c < 0x20)
			*s->p = ' ';
		s->p++;
		if (c != '\\')
			continue;
		if (s->p == s->end || !*s->p || !strchr("\"\\/bfnrtu", *s->p))
			return false;
		if (*s->p++ == 'u' && !scan_unicode(s))
			return false;
	}
	return false;
}

static size_t
skip_digits(struct scan *s)
{
	char *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return (size_t)(s->p - from);
}

static bool
scan_number(struct scan *s)
{
	size_t n;

	if (*s->p == '-')
		s->p++;
	if (s->p < s->end && *s->p == '0')
		s->p++;
	else if (skip_digits(s) == 0)
		return false;
	if (s->p < s->end && *s->p == '.') {
		s->p++;
		if (skip_digits(s) == 0)
			return false;
	}
	if (s->p == s->end || (*s->p != 'e' && *s->p != 'E'))
		return true;
	s->p++;
	if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
		s->p++;
	n = skip_digits(s);
	return n > 0 && n <= EXPONENT_MAX;
}

static bool
scan_word(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	return true;
}

/* "key" : */
static bool
scan_key(struct scan *s, struct ag_str *out)
{
	skip_blanks(s);
	if (s->p == s->end || *s->p != '"' || !scan_string(s, out))
		return false;
	skip_blanks(s);
	return s->p < s->end && *s->p++ == ':';
}

static void
note_member(struct scan *s, struct ag_str key, const char *value)
{
	struct ag_str v = ag_str_n(value, (size_t)(s->p - value));

	if (*value == '{' || *value == '[' || *value == 'n')
		return;
	if (*value == '"')
		v = ag_str_n(value + 1, v.n - 2);
	for (unsigned k = 0; k < s->meta->n; k++) {
		if (ag_str_eq(key, s->meta->key[k]))
			s->meta->value[k] = v;
	}
}

static bool
scan_members(struct scan *s, int depth, bool is_object)
{
	char close = is_object ? '}' : ']';

	s->p++;
	skip_blanks(s);
	if (s->p < s->end && *s->p == close) {
		s->p++;
		return true;
	}
	for (;;) {
		struct ag_str key = AG_STR_NONE;
		char *value;

		if (is_object && !scan_key(s, &key))
			return false;
		skip_blanks(s);
		value = s->p;
		if (!scan_value(s, depth + 1))
			return false;
		if (depth == 0)
			note_member(s, key, value);
		skip_blanks(s);
		if (s->p == s->end)
			return false;
		if (*s->p == close) {
			s->p++;
			return true;
		}
		if (*s->p++ != ',')
			return false;
	}
}

static bool
scan_value(struct scan *s, int depth)
{
	struct ag_str text;

	if (s->p == s->end || depth > DEPTH_MAX)
		return false;
	switch (*s->p) {
	case '{':
	case '[':
		return scan_members(s, depth, *s->p == '{');
	case '"':
		return scan_string(s, &text);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	default:
		return scan_number(s);
	}
}

void
ag_meta_keys(struct ag_meta *m, struct ag_str list)
{
	*m = (struct ag_meta){ .n = 1, .key = { AG_STR("subscription_tier") } };
	while (list.n > 0 && m->n < AG_META_KEYS) {
		const char *comma = memchr(list.p, ',', list.n);
		size_t n = comma ? (size_t)(comma - list.p) : list.n;
		struct ag_str key = ag_str_trim(ag_str_n(list.p, n));

		if (key.n > 0)
			m->key[m->n++] = key;
		list = ag_str_skip(list, n + (comma != NULL));
	}
}

bool
ag_meta_clean(struct ag_str in, char *out, struct ag_meta *m)
{
	struct scan s = { .p = out, .end = out + in.n, .meta = m };

	memset(m->value, 0, sizeof(m->value));
	ag_text_clean(in, out);
	skip_blanks(&s);
	if (s.p < s.end && *s.p == '{' && scan_value(&s, 0)) {
		skip_blanks(&s);
		if (s.p == s.end)
			return true;
	}
	memset(m->value, 0, sizeof(m->value));
	return false;
}
