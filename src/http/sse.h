/* sse.h - server-sent events, scanned in place as the bytes pass.
 *
 * Pieces are fed as they arrive, cut anywhere.  Each block that a blank line ends is told once,
 * with its fields and its raw bytes; the raw bytes of all blocks, in order, are the stream, so
 * a caller relays, rewrites or withholds each.  A block that stands whole in one piece is not
 * copied; the tail of a piece is kept (up to the ceiling) until its block is whole.
 * Line ends may be LF, CRLF or CR.  A BOM is skipped as a field, but is part of the raw bytes.
 * Where a piece ends between the CR and the LF of a blank line the event is told at once and
 * the LF counts to the raw bytes of the next block. */
#ifndef AG_HTTP_SSE_H
#define AG_HTTP_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#define AG_SSE_EVENT_MAX ((size_t)16 << 20) /* a usual ceiling: raw bytes of one block */

/* Views are good during the callback only. */
struct ag_sse_event {
	struct ag_str event;    /* p NULL: no event: line, so "message" */
	struct ag_str data;     /* data: lines joined with LF */
	bool has_data;          /* false: comments, a bare event: or nothing: relay, do not parse */
	bool is_in_piece;       /* raw points into the piece being fed, not into the carry */
	struct ag_str raw;      /* the block with its blank line */
	uint64_t at;            /* offset of raw in the stream since init */
};

/* Returning anything but 0 ends ag_sse_feed() at once with that value, and the scanner is not
 * touched again: it may have been freed. */
typedef int ag_sse_fn(void *arg, const struct ag_sse_event *ev);

struct ag_sse {
	struct ag_buf carry;  /* the unfinished block's raw bytes */
	struct ag_buf joined; /* data of an event with several data: lines */
	uint64_t at;          /* stream offset of the first byte of the unfinished block */
	bool is_line_open;    /* the current line has at least one byte */
	bool has_cr;          /* the byte before was CR: an LF now belongs to it */
};

void ag_sse_init(struct ag_sse *s, size_t max_event_bytes);
void ag_sse_fini(struct ag_sse *s);

/* 0, -EMSGSIZE (a block above the ceiling), -ENOMEM, or what fn returned.  After anything but 0
 * the scanner is good for ag_sse_fini() only. */
int ag_sse_feed(struct ag_sse *s, const char *p, size_t n, ag_sse_fn *fn,
    void *arg) AG_MUST_CHECK;

/* At the end of the stream: true when an unfinished block was left, which a reader must throw
 * away (a lone line end is not one).  *out_rest (may be NULL) is its raw bytes, good until
 * ag_sse_fini(). */
bool ag_sse_finish(const struct ag_sse *s, struct ag_str *out_rest);

#endif
