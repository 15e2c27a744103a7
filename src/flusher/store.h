/* store.h - the connection to PostgreSQL: one batch, one transaction, nothing that blocks.
 *
 *   OFF -> CONNECTING -> SETUP -> READY <-> BUSY      any -> OFF when the connection is lost
 *
 * OFF waits (100 ms, doubling to 5 s) and connects again.  SETUP prepares the statements, makes
 * partitions, reads positions.  BUSY runs the steps of a batch or the question of the reconciler.
 * libpq is used in its asynchronous form only; name resolution alone may block, in getaddrinfo.
 *
 * Callbacks come from the event loop; but when sending fails at once, on_batch and on_truth come
 * from inside commit and ask_truth: those must be the last thing their caller does. */
#ifndef AG_FLUSHER_STORE_H
#define AG_FLUSHER_STORE_H

#include <event2/event.h>

#include "flusher/batch.h"

enum ag_store_result {
	AG_STORE_STORED,  /* committed */
	AG_STORE_REFUSED, /* PostgreSQL does not take this data */
	AG_STORE_MOVED,   /* positions differ from ours: read again, streams are up to date */
	AG_STORE_FAILED,  /* not stored for another reason; later */
	AG_STORE_LOST,    /* connection lost: nobody knows until the positions are read */
};

struct ag_store_ops {
	/* Positions are read, a batch may be committed. */
	void (*on_ready)(void *arg);
	void (*on_position)(uint64_t boot_id, uint32_t worker, uint64_t seq, void *arg);
	void (*on_batch)(enum ag_store_result result, const char *why, void *arg);
	/* values in the order asked, NULL when the answer could not be had */
	void (*on_truth)(const int64_t *settled, size_t n, void *arg);
};

struct ag_store;

struct ag_store *ag_store_new(struct event_base *base, const char *conninfo,
    const struct ag_store_ops *ops, void *arg);
void ag_store_free(struct ag_store *st);

bool ag_store_is_ready(const struct ag_store *st); /* connected and idle */
bool ag_store_is_up(const struct ag_store *st);    /* connected: ready or busy */
int64_t ag_store_busy_since_us(const struct ag_store *st); /* monotonic, 0 when not busy */

/* Only when ready; the batch is borrowed until on_batch. */
void ag_store_commit(struct ag_store *st, const struct ag_batch *b);
void ag_store_ask_truth(struct ag_store *st, const int64_t *meter_ids, const int64_t *periods,
    size_t n);
/* By "month" or "day" (static text) from now on. */
void ag_store_set_partitions(struct ag_store *st, const char *unit);
/* Partitions again, when next idle: daily. */
void ag_store_want_partitions(struct ag_store *st);
/* Once a second: gives up a connection that has not answered for very long. */
void ag_store_tick(struct ag_store *st, int64_t now_us);

#endif
