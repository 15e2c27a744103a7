#include "http/json_text.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "http/json_scan.h"

/* ---- strings ---- */

static int
hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		char low = (char)(c | 0x20);

		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v << 4 | (low - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* What stands for \c, or -1. */
static int
simple_escape(char c)
{
	switch (c) {
	case '"':
	case '\\':
	case '/':
		return c;
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return -1;
	}
}

bool
json_escapes_are_good(struct ag_str inside)
{
	const char *p = inside.p, *end = p + inside.n;

	while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
		if (end - p < 2)
			return false;
		if (p[1] == 'u' ? hex4(p + 2, end) < 0 : simple_escape(p[1]) < 0)
			return false;
		p += p[1] == 'u' ? 6 : 2;
	}
	return true;
}

static size_t
put_utf8(char out[4], uint32_t cp)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

/* The escape at *p (a backslash) as UTF-8; moves *p behind it.  Returns the length, 0: bad. */
static size_t
decode_escape(const char **p, const char *end, char out[4])
{
	const char *at = *p;
	int unit, low;

	if (end - at < 2)
		return 0;
	if (at[1] != 'u') {
		unit = simple_escape(at[1]);
		*p = at + 2;
		out[0] = (char)unit;
		return unit < 0 ? 0 : 1;
	}
	unit = hex4(at + 2, end);
	*p = at + 6;
	if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
		return 0;
	if (unit < 0xd800 || unit > 0xdbff)
		return put_utf8(out, (uint32_t)unit);
	if (end - at < 12 || at[6] != '\\' || at[7] != 'u')
		return 0;
	low = hex4(at + 8, end);
	if (low < 0xdc00 || low > 0xdfff)
		return 0;
	*p = at + 12;
	return put_utf8(out,
	    0x10000u + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
}

ssize_t
json_decode(struct ag_str inside, char *out, size_t cap)
{
	const char *p = inside.p, *end = p + inside.n;
	size_t n = 0;

	assert(cap >= inside.n);
	while (p < end) {
		const char *esc = memchr(p, '\\', (size_t)(end - p));
		size_t run = (size_t)((esc ? esc : end) - p);
		char tmp[4];
		size_t len;

		memcpy(out + n, p, run);
		n += run;
		p += run;
		if (!esc)
			break;
		len = decode_escape(&p, end, tmp);
		if (len == 0)
			return -EINVAL;
		memcpy(out + n, tmp, len);
		n += len;
	}
	return (ssize_t)n;
}

static bool
inside_of(struct ag_str raw, struct ag_str *out)
{
	if (raw.n < 2 || raw.p[0] != '"' || raw.p[raw.n - 1] != '"')
		return false;
	*out = ag_str_n(raw.p + 1, raw.n - 2);
	return true;
}

bool
ag_json_string_plain(struct ag_str raw, struct ag_str *out)
{
	struct ag_str inside;

	if (!inside_of(raw, &inside) || memchr(inside.p, '\\', inside.n))
		return false;
	*out = inside;
	return true;
}

int
ag_json_string_decode(struct ag_str raw, struct ag_buf *out)
{
	struct ag_str inside;
	ssize_t n;
	char *at;

	if (!inside_of(raw, &inside))
		return -EINVAL;
	if (inside.n == 0)
		return out->failed ? -ENOBUFS : 0;
	/* Decoded is never longer than written. */
	at = ag_buf_reserve(out, inside.n);
	if (!at)
		return -ENOBUFS;
	n = json_decode(inside, at, inside.n);
	if (n < 0)
		return (int)n;
	ag_buf_commit(out, (size_t)n);
	return 0;
}

bool
ag_json_string_eq(struct ag_str raw, struct ag_str want)
{
	struct ag_str inside;
	const char *p, *end;

	if (!inside_of(raw, &inside))
		return false;
	p = inside.p;
	end = p + inside.n;
	while (p < end) {
		char tmp[4];
		size_t len = 1;

		if (*p == '\\')
			len = decode_escape(&p, end, tmp);
		else
			tmp[0] = *p++;
		if (len == 0 || len > want.n || memcmp(tmp, want.p, len) != 0)
			return false;
		want = ag_str_skip(want, len);
	}
	return want.n == 0;
}

/* ---- numbers ---- */

static size_t
digits_len(struct ag_str s, size_t from)
{
	size_t i = from;

	while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
		i++;
	return i - from;
}

size_t
json_number_len(struct ag_str s)
{
	size_t i = s.n > 0 && s.p[0] == '-' ? 1 : 0, len = digits_len(s, i);

	if (len == 0 || (len > 1 && s.p[i] == '0'))
		return 0;
	i += len;
	if (i < s.n && s.p[i] == '.') {
		len = digits_len(s, i + 1);
		if (len == 0)
			return 0;
		i += 1 + len;
	}
	if (i < s.n && (s.p[i] | 0x20) == 'e') {
		i++;
		if (i < s.n && (s.p[i] == '+' || s.p[i] == '-'))
			i++;
		len = digits_len(s, i);
		if (len == 0)
			return 0;
		i += len;
	}
	return i;
}

/* The exponent at s ("e-7"), held within +-1e9: any text is shorter than that. */
static int64_t
exponent_of(struct ag_str s)
{
	int64_t v = 0;
	bool is_negative;

	if (s.n == 0)
		return 0;
	is_negative = s.p[1] == '-';
	for (size_t i = 1; i < s.n; i++)
		if (s.p[i] >= '0' && s.p[i] <= '9' && v < 1000000000)
			v = v * 10 + (s.p[i] - '0');
	return is_negative ? -v : v;
}

int
ag_json_u64(struct ag_str raw, uint64_t *out)
{
	bool is_negative = raw.n > 0 && raw.p[0] == '-', saw_point = false;
	int64_t shift = 0;
	uint64_t v = 0;
	size_t i, last, end;

	/* Up to 19 digits and nothing else: the usual kind, which cannot overflow. */
	for (i = 0; i < raw.n && i < 19 && raw.p[i] >= '0' && raw.p[i] <= '9'; i++)
		v = v * 10 + (uint64_t)(raw.p[i] - '0');
	if (i == raw.n && i > 0 && (i == 1 || raw.p[0] != '0')) {
		*out = v;
		return 0;
	}
	v = 0;
	if (raw.n == 0 || json_number_len(raw) != raw.n)
		return -EINVAL;
	for (end = 0; end < raw.n && (raw.p[end] | 0x20) != 'e'; end++) {
		shift -= saw_point;
		saw_point |= raw.p[end] == '.';
	}
	shift += exponent_of(ag_str_skip(raw, end));
	/* Up to the last digit that is not 0; each 0 behind it is worth a power of ten. */
	for (last = end; last > 0 && (raw.p[last - 1] < '1' || raw.p[last - 1] > '9'); last--)
		shift += raw.p[last - 1] == '0';
	for (i = 0; i < last; i++) {
		if (raw.p[i] < '0' || raw.p[i] > '9')
			continue;
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(raw.p[i] - '0'), &v))
			return shift < 0 ? -EDOM : -ERANGE;
	}
	if (v != 0 && shift < 0)
		return -EDOM;
	if (v != 0 && is_negative)
		return -ERANGE;
	for (; v != 0 && shift > 0; shift--)
		if (__builtin_mul_overflow(v, 10u, &v))
			return -ERANGE;
	*out = v;
	return 0;
}
