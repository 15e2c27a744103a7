#include "http/baggage.h"

#include <string.h>

#include "base/num.h"
#include "base/utf8.h"

static bool
is_token(struct ag_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		                              "!#$%&'*+-.^_`|~", s.p[i]))
			return false;
	return s.n > 0;
}

/* Up to the first of the separator; what follows it stays in *rest. */
static struct ag_str
cut(struct ag_str *rest, char separator)
{
	const char *at = rest->n > 0 ? memchr(rest->p, separator, rest->n) : NULL;
	struct ag_str first = at ? ag_str_n(rest->p, (size_t)(at - rest->p)) : *rest;

	*rest = ag_str_skip(*rest, at ? first.n + 1 : first.n);
	return ag_str_trim(first);
}

bool
ag_baggage_next(struct ag_str *rest, struct ag_str *out_name, struct ag_str *out_value)
{
	while (rest->n > 0) {
		struct ag_str member = cut(rest, ','), value = cut(&member, ';');
		bool has_value = value.n > 0 && memchr(value.p, '=', value.n);
		struct ag_str name = cut(&value, '=');

		if (!has_value || !is_token(name))
			continue;
		*out_name = name;
		*out_value = ag_str_trim(value);
		return true;
	}
	return false;
}

/* A percent sign that begins no pair stands for itself. */
static size_t
decode(struct ag_str value, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < value.n && n < cap; i++) {
		int high = value.p[i] == '%' && i + 2 < value.n ? ag_hex_value(value.p[i + 1]) : -1;
		int low = high >= 0 ? ag_hex_value(value.p[i + 2]) : -1;

		out[n++] = value.p[i];
		if (low >= 0) {
			out[n - 1] = (char)(high << 4 | low);
			i += 2;
		}
	}
	return n;
}

bool
ag_baggage_put_json(struct ag_buf *b, struct ag_str value)
{
	char text[4096]; /* what the specification has at most, for all members */
	struct ag_str s;

	if (value.n > sizeof(text))
		return false;
	s = ag_str_n(text, decode(value, text, sizeof(text)));
	for (size_t at = 0, step; at < s.n; at += step) {
		step = ag_utf8_len(ag_str_skip(s, at));
		if (step == 0 || s.p[at] == '\0')
			return false;
	}
	ag_buf_put_json(b, s);
	return true;
}
