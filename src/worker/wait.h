/* wait.h - requests that wait because others hold what they need (directive hold_wait).
 *
 * A request that a budget refused although it would fit once the holds of others were settled, or
 * that found all places of a limit of requests at a time taken, stays in its worker, without an
 * in-flight slot, until there is room or its time is over.  It is then admitted anew from its
 * first byte: a key that was deleted meanwhile, or a lowered limit, counts.
 *
 * Who waits for the same meter is served in the order of arrival, and who comes later does not pass him.
 * Each worker has its own queue and tells the others, for AG_WAITING_TOLD meters, since when its first
 * one waits; for more meters than that there is order within a worker alone, and for a worker that has
 * stopped nobody waits.  A worker that settles looks at once, the others every few milliseconds; who does
 * not wait pays one look at one word. */
#ifndef AG_WORKER_WAIT_H
#define AG_WORKER_WAIT_H

#include "policy/verdict.h"
#include "worker/request.h"

/* Refused by `meter`: r waits from now on, or stays where it stands in the queue.  false: it may not. */
bool ag_wait_enter(struct ag_req *r, enum ag_verdict v, struct ag_str detail, uint32_t meter);
/* Out of the queue; nothing when it is not in it. */
void ag_wait_leave(struct ag_req *r);
/* Somebody who came earlier waits for one of its meters: *out_meter. */
bool ag_wait_is_behind(const struct ag_req *r, uint32_t *out_meter);
/* A hold of this worker was given back. */
void ag_wait_poke(struct ag_worker *w);
/* At the start: what a predecessor told is over. */
void ag_wait_init(struct ag_worker *w);
/* The worker's timer. */
void ag_wait_on_tick(int fd, short what, void *arg);

#endif
