#include "telemetry/json.h"

#include "base/utf8.h"

void
ag_json_put_text(struct ag_buf *b, struct ag_str s)
{
	struct ag_str good = ag_str_n(s.p, 0);

	while (s.n > 0) {
		size_t n = ag_utf8_len(s);

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
