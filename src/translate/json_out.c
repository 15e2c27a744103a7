#include "translate/json_out.h"

#include "translate/tree.h"

void
ag_jo_key(struct ag_buf *b, const char *key)
{
	char last = b->n > 0 ? b->p[b->n - 1] : '{';

	if (last != '{' && last != '[' && last != ':' && last != ' ' && last != '\n')
		ag_buf_putc(b, ',');
	if (!key)
		return;
	ag_buf_putc(b, '"');
	ag_buf_puts(b, key);
	ag_buf_put(b, "\":", 2);
}

void
ag_jo_open(struct ag_buf *b, const char *key, char bracket)
{
	ag_jo_key(b, key);
	ag_buf_putc(b, bracket);
}

void
ag_jo_close(struct ag_buf *b, char bracket)
{
	ag_buf_putc(b, bracket);
}

void
ag_jo_str(struct ag_buf *b, const char *key, struct ag_str s)
{
	ag_jo_key(b, key);
	ag_buf_putc(b, '"');
	ag_buf_put_json(b, s);
	ag_buf_putc(b, '"');
}

void
ag_jo_int(struct ag_buf *b, const char *key, int64_t v)
{
	ag_jo_key(b, key);
	ag_buf_put_i64(b, v);
}

void
ag_jo_u64(struct ag_buf *b, const char *key, uint64_t v)
{
	ag_jo_key(b, key);
	ag_buf_put_u64(b, v);
}

void
ag_jo_bool(struct ag_buf *b, const char *key, bool v)
{
	ag_jo_key(b, key);
	ag_buf_puts(b, v ? "true" : "false");
}

void
ag_jo_null(struct ag_buf *b, const char *key)
{
	ag_jo_key(b, key);
	ag_buf_put(b, "null", 4);
}

void
ag_jo_raw(struct ag_buf *b, const char *key, struct ag_str json)
{
	ag_jo_key(b, key);
	ag_buf_put_str(b, json);
}

void
ag_jo_tree(struct ag_buf *b, const char *key, struct json_object *v)
{
	ag_jo_key(b, key);
	ag_tree_write(v, b);
}
