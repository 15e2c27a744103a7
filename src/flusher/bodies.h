/* bodies.h - bodies of requests and answers, from the rings to PostgreSQL, redacted on the way.
 *
 *   OFF -> CONNECTING -> IDLE -> RULES -> REDACTING -> PARTITIONS -> INSERT -> IDLE     any -> OFF
 *
 * On a connection of its own, made when there is something and closed after a minute without: records
 * of the ledger neither share it nor wait for it.  Some entries at a time: what their workspaces want
 * taken out is asked (RULES), taken out a few milliseconds at a time, and only what is left leaves the
 * memory of this process.  Then the rings are released.
 *
 * Nothing goes through the journal: while PostgreSQL is away bodies wait in their rings, and when those
 * are full the workers give them up.  What PostgreSQL refuses is given up here.  Stored at most once:
 * (request_id, attempt) is unique.  Owner: the flusher. */
#ifndef AG_FLUSHER_BODIES_H
#define AG_FLUSHER_BODIES_H

#include <event2/event.h>

#include "shm/segment.h"

struct ag_bodies_out;

/* shm and conninfo are borrowed.  NULL: out of memory. */
struct ag_bodies_out *ag_bodies_out_new(struct event_base *base, struct ag_shm *shm, const char *conninfo);
void ag_bodies_out_free(struct ag_bodies_out *b); /* what is not stored stays in the rings */

/* At each tick: begins when something waits. */
void ag_bodies_out_tick(struct ag_bodies_out *b, int64_t now_us);

#endif
