/* policy_meter.h - meters that appear on first use: one for each value a policy groups by.
 *
 * Made and kept as the policy says by workers, with no look at PostgreSQL; taken out of use by
 * control when nobody needs what they count.  Whoever makes, changes or removes one holds the lock
 * of insertions, so that none is made twice and none goes while a request comes to stand on it. */
#ifndef AG_LIMIT_POLICY_METER_H
#define AG_LIMIT_POLICY_METER_H

#include "limit/meter.h"
#include "shm/metertab.h"

/* Policies may take this share of the table of limits: 1 / AG_POLICY_METERS_SHARE. */
#define AG_POLICY_METERS_SHARE 2

/* The slot of def->id with limits, window and period as def says; made when it is not there.  No lock
 * when all is as it should be.  -ENOSPC: the policies' share, or the table, is full; -EAGAIN: the lock
 * was held for long; -EINVAL: the id stands for something else. */
int ag_policy_meter_use(const struct ag_shm *shm, const struct ag_meter_def *def,
    uint32_t *out_ix) AG_MUST_CHECK;

/* Whether a refusal came of the meter going rather than of its limit: look for it again. */
static inline bool
ag_policy_meter_is_going(const struct ag_meter *m, int64_t id)
{
	return ag_a64_observe(&m->id) != id || ag_a64_get(&m->limit) == AG_METER_CLOSED;
}

/* control, now and then: takes out of use what nobody holds and that either belongs to a policy that
 * is_gone() says is no more, or counts nothing: a budget without spend in its period that was never
 * reset by hand, a rate whose window is empty, a gauge at zero.  So a meter made again with the same
 * id begins where the old one stood.  out_ids[] gets the ids, at most max a call; returns how many.
 * Also puts hdr->policy_meters right. */
size_t ag_policy_meters_evict(const struct ag_shm *shm, int64_t now_us,
    bool (*is_gone)(int64_t policy_id, void *arg), void *arg, int64_t *out_ids, size_t max);

#endif
