/* stream.h - the streams of records, (boot id, worker), and how far each is stored.
 *
 * `stored` is what PostgreSQL said last: it only grows.  Owner: the flusher. */
#ifndef AG_FLUSHER_STREAM_H
#define AG_FLUSHER_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct ag_stream {
	uint64_t boot_id;
	uint32_t worker;
	bool is_in_batch;
	uint64_t stored;   /* last number in PostgreSQL, 0 none */
	uint64_t taken;    /* last number in the batch being made, while is_in_batch */
	uint64_t until;    /* last number of a batch that is being taken apart, 0 none */
};

struct ag_streams {
	struct ag_stream *at; /* owned */
	size_t n, cap, last;  /* last: the one found last */
};

void ag_streams_fini(struct ag_streams *s);
/* Adds it when it is new.  NULL: out of memory. Valid until the next call. */
struct ag_stream *ag_streams_get(struct ag_streams *s, uint64_t boot_id, uint32_t worker);

#endif
