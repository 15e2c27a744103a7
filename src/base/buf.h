/* buf.h - a growing byte queue, born with a ceiling.
 *
 * Bytes are appended at the end and consumed at the front; what is unread is contiguous at
 * p[0..n).  An append that would pass the ceiling, or finds no memory, sets `failed` and changes
 * nothing; later appends are ignored, so a caller appends many times and checks once.
 * Owner: whoever embeds it.  Memory is taken on the first append. */
#ifndef AG_BASE_BUF_H
#define AG_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

struct ag_buf {
	char *p;       /* first unread byte */
	size_t n;      /* unread bytes */
	char *mem;     /* owned */
	size_t cap;    /* bytes at mem */
	size_t max;    /* ceiling of n */
	bool failed;   /* sticky */
};

void ag_buf_init(struct ag_buf *b, size_t max);
void ag_buf_fini(struct ag_buf *b); /* wipes nothing: see ag_buf_wipe() */
void ag_buf_wipe(struct ag_buf *b); /* overwrite, then free: for secrets */
void ag_buf_reset(struct ag_buf *b); /* empty again, memory kept, error cleared */
void ag_buf_shrink(struct ag_buf *b); /* gives the memory back when nothing is unread */

/* Room for at least want more bytes; returns where to write them, or NULL (and fails). */
char *ag_buf_reserve(struct ag_buf *b, size_t want);
/* n bytes were written at what ag_buf_reserve() returned. */
void ag_buf_commit(struct ag_buf *b, size_t n);
/* Bytes that may be written at p + n without a new reserve. */
size_t ag_buf_room(const struct ag_buf *b);

void ag_buf_put_slow(struct ag_buf *b, const void *p, size_t n); /* as ag_buf_put() */

/* Inline, since heads are built of some fifty pieces: where there is room, a copy is all. */
static inline void
ag_buf_put(struct ag_buf *b, const void *p, size_t n)
{
	if (AG_LIKELY(!b->failed && b->mem && n <= b->cap - (size_t)(b->p - b->mem) - b->n &&
	        n <= b->max - b->n)) {
		if (n > 0)
			memcpy(b->p + b->n, p, n);
		b->n += n;
		return;
	}
	ag_buf_put_slow(b, p, n);
}

static inline void
ag_buf_puts(struct ag_buf *b, const char *cstr)
{
	ag_buf_put(b, cstr, strlen(cstr));
}

static inline void
ag_buf_put_str(struct ag_buf *b, struct ag_str s)
{
	ag_buf_put(b, s.p, s.n);
}

static inline void
ag_buf_putc(struct ag_buf *b, char c)
{
	ag_buf_put(b, &c, 1);
}

void ag_buf_put_u64(struct ag_buf *b, uint64_t v);
void ag_buf_put_i64(struct ag_buf *b, int64_t v);
void ag_buf_put_hex(struct ag_buf *b, const void *p, size_t n);
/* As the inside of a JSON string (no quotes): ", \ and control bytes escaped. */
void ag_buf_put_json(struct ag_buf *b, struct ag_str s);
/* Not on the hot path. */
void ag_buf_printf(struct ag_buf *b, const char *fmt, ...) AG_PRINTF(2, 3);
void ag_buf_vprintf(struct ag_buf *b, const char *fmt, va_list ap) AG_PRINTF(2, 0);

/* Forget the first n unread bytes; n <= b->n. */
void ag_buf_consume(struct ag_buf *b, size_t n);

static inline struct ag_str
ag_buf_str(const struct ag_buf *b)
{
	return (struct ag_str){ .p = b->p, .n = b->n };
}

static inline void
ag_buf_cleanup(struct ag_buf *b)
{
	ag_buf_fini(b);
}

#endif
