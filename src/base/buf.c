#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"

#define BUF_FIRST 512

void
ag_buf_init(struct ag_buf *b, size_t max)
{
	*b = (struct ag_buf){ .max = max };
}

void
ag_buf_fini(struct ag_buf *b)
{
	free(b->mem);
	*b = (struct ag_buf){ .max = b->max };
}

void
ag_buf_wipe(struct ag_buf *b)
{
	if (b->mem)
		ag_mem_wipe(b->mem, b->cap);
	ag_buf_fini(b);
}

void
ag_buf_reset(struct ag_buf *b)
{
	b->p = b->mem;
	b->n = 0;
	b->failed = false;
}

void
ag_buf_shrink(struct ag_buf *b)
{
	if (b->n == 0 && b->mem) {
		free(b->mem);
		b->mem = b->p = NULL;
		b->cap = 0;
	}
}

size_t
ag_buf_room(const struct ag_buf *b)
{
	return b->mem ? b->cap - (size_t)(b->p - b->mem) - b->n : 0;
}

char *
ag_buf_reserve(struct ag_buf *b, size_t want)
{
	size_t cap;
	char *mem;

	if (b->failed)
		return NULL;
	if (b->mem && ag_buf_room(b) >= want && want <= b->max && b->n <= b->max - want)
		return b->p + b->n;
	if (want > b->max || b->n > b->max - want) {
		b->failed = true;
		return NULL;
	}
	if (b->mem && b->cap >= b->n + want) {
		/* Enough in all: move the unread bytes to the front. */
		memmove(b->mem, b->p, b->n);
		b->p = b->mem;
		return b->p + b->n;
	}
	cap = b->cap ? b->cap : BUF_FIRST;
	while (cap < b->n + want)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	mem = malloc(cap);
	if (!mem) {
		b->failed = true;
		return NULL;
	}
	if (b->n > 0)
		memcpy(mem, b->p, b->n);
	free(b->mem);
	b->mem = b->p = mem;
	b->cap = cap;
	return b->p + b->n;
}

void
ag_buf_commit(struct ag_buf *b, size_t n)
{
	assert(n <= ag_buf_room(b));
	b->n += n;
}

void
ag_buf_put_slow(struct ag_buf *b, const void *p, size_t n)
{
	char *at = n > 0 ? ag_buf_reserve(b, n) : NULL;

	if (at) {
		memcpy(at, p, n);
		b->n += n;
	}
}

void
ag_buf_put_u64(struct ag_buf *b, uint64_t v)
{
	char tmp[AG_U64_DIGITS];

	if (!b->failed && ag_buf_room(b) >= AG_U64_DIGITS && b->max - b->n >= AG_U64_DIGITS)
		b->n += ag_fmt_u64(b->p + b->n, v);
	else
		ag_buf_put(b, tmp, ag_fmt_u64(tmp, v));
}

void
ag_buf_put_i64(struct ag_buf *b, int64_t v)
{
	if (v < 0)
		ag_buf_putc(b, '-');
	ag_buf_put_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void
ag_buf_put_hex(struct ag_buf *b, const void *p, size_t n)
{
	static const char digit[16] = "0123456789abcdef";
	const unsigned char *in = p;

	for (size_t i = 0; i < n; i++) {
		ag_buf_putc(b, digit[in[i] >> 4]);
		ag_buf_putc(b, digit[in[i] & 15]);
	}
}

void
ag_buf_put_json(struct ag_buf *b, struct ag_str s)
{
	size_t from = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char esc[8];
		int len;

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		ag_buf_put(b, s.p + from, i - from);
		from = i + 1;
		if (c == '"' || c == '\\')
			len = snprintf(esc, sizeof(esc), "\\%c", c);
		else if (c == '\n')
			len = snprintf(esc, sizeof(esc), "\\n");
		else
			len = snprintf(esc, sizeof(esc), "\\u%04x", c);
		ag_buf_put(b, esc, (size_t)len);
	}
	ag_buf_put(b, s.p ? s.p + from : NULL, s.n - from);
}

void
ag_buf_vprintf(struct ag_buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int len;
	char *at;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0) {
		b->failed = true;
		return;
	}
	at = ag_buf_reserve(b, (size_t)len + 1);
	if (at) {
		vsnprintf(at, (size_t)len + 1, fmt, ap);
		b->n += (size_t)len;
	}
}

void
ag_buf_printf(struct ag_buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	ag_buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void
ag_buf_consume(struct ag_buf *b, size_t n)
{
	assert(n <= b->n);
	b->p += n;
	b->n -= n;
	if (b->n == 0)
		b->p = b->mem;
}
