#include "telemetry/json.h"

/* Bytes of the character of UTF-8 that s begins with; 0: it begins with none (RFC 3629). */
static size_t
character(struct ag_str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	/* Too long for what it says, half of a pair, or past the last one. */
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (s.n < n || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

void
ag_json_put_text(struct ag_buf *b, struct ag_str s)
{
	struct ag_str good = ag_str_n(s.p, 0);

	while (s.n > 0) {
		size_t n = character(s);

		if (n > 0) {
			good.n += n;
			s = ag_str_skip(s, n);
			continue;
		}
		ag_buf_put_json(b, good);
		ag_buf_puts(b, "\\ufffd");
		s = ag_str_skip(s, 1);
		good = ag_str_n(s.p, 0);
	}
	ag_buf_put_json(b, good);
}

void
ag_json_name(struct ag_buf *b, const char *name)
{
	if (b->n > 0 && b->p[b->n - 1] != '{')
		ag_buf_putc(b, ',');
	ag_buf_putc(b, '"');
	ag_buf_puts(b, name);
	ag_buf_put(b, "\":", 2);
}

void
ag_json_str(struct ag_buf *b, const char *name, struct ag_str v)
{
	ag_json_name(b, name);
	ag_buf_putc(b, '"');
	ag_json_put_text(b, v);
	ag_buf_putc(b, '"');
}

void
ag_json_int(struct ag_buf *b, const char *name, int64_t v)
{
	ag_json_name(b, name);
	ag_buf_put_i64(b, v);
}

void
ag_json_bool(struct ag_buf *b, const char *name, bool v)
{
	ag_json_name(b, name);
	ag_buf_puts(b, v ? "true" : "false");
}

void
ag_json_str_if(struct ag_buf *b, const char *name, struct ag_str v)
{
	if (v.n > 0)
		ag_json_str(b, name, v);
}

void
ag_json_int_if(struct ag_buf *b, const char *name, int64_t v)
{
	if (v != 0)
		ag_json_int(b, name, v);
}
