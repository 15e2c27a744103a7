/* retention.h - drops partitions of the ledger that are older than ledger_retention.
 *
 * On a connection of its own, made when there may be something to drop and closed afterwards:
 * detaching concurrently waits for whoever still reads the partition, and while it waits neither
 * writers nor readers of the ledger do.  Only the owner of the ledger may do that; for others (and
 * before PostgreSQL 14) aigate.drop_partition() does it under a lock, or gives up after half a
 * second.  What could not be dropped is tried again on the next day.  Owner: the flusher. */
#ifndef AG_FLUSHER_RETENTION_H
#define AG_FLUSHER_RETENTION_H

#include <event2/event.h>
#include <stdint.h>

struct ag_retention;

/* conninfo is borrowed.  NULL: out of memory. */
struct ag_retention *ag_retention_new(struct event_base *base, const char *conninfo);
void ag_retention_free(struct ag_retention *r);

/* Drops partitions whose newest possible row is older than keep_us; nothing while it is at it. */
void ag_retention_run(struct ag_retention *r, int64_t keep_us);
/* Once a second: gives up what has taken hours. */
void ag_retention_tick(struct ag_retention *r, int64_t now_us);

#endif
