/* retention.h - drops partitions that are older than their retention: of the ledger, of bodies.
 *
 * On a connection of its own, made when there may be something to drop and closed afterwards:
 * detaching concurrently waits for whoever still reads the partition, and while it waits neither
 * writers nor readers of the ledger do.  Only the owner of the table may do that; for others (and
 * before PostgreSQL 14) a function of the schema does it under a lock, or gives up after half a
 * second.  What could not be dropped is tried again on the next day, or when a connection failed within
 * seconds, later minutes.  Owner: the flusher. */
#ifndef AG_FLUSHER_RETENTION_H
#define AG_FLUSHER_RETENTION_H

#include <event2/event.h>
#include <stdint.h>

struct ag_retention;

enum ag_retained { AG_RETAINED_LEDGER, AG_RETAINED_BODIES };

/* conninfo is borrowed.  NULL: out of memory. */
struct ag_retention *ag_retention_new(struct event_base *base, const char *conninfo,
    enum ag_retained what);
void ag_retention_free(struct ag_retention *r);

/* Drops partitions whose newest possible row is older than keep_us; nothing while it is at it. */
void ag_retention_run(struct ag_retention *r, int64_t keep_us);
/* Monotonic time at which to run again because a connection failed; 0: when it is due anyway. */
int64_t ag_retention_again_at_us(const struct ag_retention *r);
/* Once a second: gives up what has taken hours. */
void ag_retention_tick(struct ag_retention *r, int64_t now_us);

#endif
