/* metertab.h - where a meter's slot is: open addressing over meter.id.
 *
 * Finding takes no lock.  Making a meter does: a record lock on one byte of the segment's file,
 * which the kernel drops when its holder dies, so control and (for meters made on first use)
 * workers may both insert and never make one meter twice.  A freed slot may be claimed again only
 * when no in-flight slot refers to it any more. */
#ifndef AG_SHM_METERTAB_H
#define AG_SHM_METERTAB_H

#include "base/str.h"
#include "base/warm.h"
#include "shm/segment.h"

/* How a meter is to stand; units as in struct ag_meter. */
struct ag_meter_def {
	int64_t id;
	enum ag_meter_kind kind;
	enum ag_unit unit;
	enum ag_scope_kind level;
	int64_t limit;
	int64_t alert_at;     /* INT64_MAX none */
	int64_t window_us;    /* rates */
	enum ag_period_kind period_kind;
	uint32_t period_days, anchor_day;
	uint32_t resets;
	enum ag_enforcement enforcement; /* budgets */
	enum ag_exhaust on_exhaust;
	int64_t owner;        /* policy.id of a meter of level policy, else 0 */
	struct ag_str name;   /* of a policy's budget: its value key, cut to AG_METER_NAME_MAX */
};

/* -ENOENT. */
int ag_metertab_find(const struct ag_shm *shm, int64_t id, uint32_t *out_ix) AG_MUST_CHECK;

/* Finds or claims the slot of def->id and makes limits, window and period as def says; `used`
 * is never touched on an existing slot.  A kind or unit that differs from what stands is
 * -EINVAL (a meter never changes its nature: control makes a new row).  -ENOSPC when full.
 * -EAGAIN when another process holds the lock for long (stopped by a debugger).
 * A rate's window is 1 s to 400 days, a multiple of 16 us, else -EINVAL; when it changes, the
 * rate begins again empty. */
int ag_metertab_put(const struct ag_shm *shm, const struct ag_meter_def *def,
    uint32_t *out_ix, bool *out_is_new) AG_MUST_CHECK;

/* Recovery only, before the segment is READY: the settled spend of a budget's period from the
 * ledger.  An older period than the account already has is ignored. */
void ag_metertab_restore(const struct ag_shm *shm, uint32_t ix, int64_t period, int64_t settled);

/* Takes the slot out of use.  Its index is claimed again only by ag_metertab_put() calls that
 * come after ag_metertab_sweep_freed() twice saw no hold on it: between the first and the second
 * a request that had copied the index before the meter went must have taken its holds. */
void ag_metertab_free(const struct ag_shm *shm, uint32_t ix);
/* control, some seconds apart: releases freed slots that nobody holds; returns how many. */
uint32_t ag_metertab_sweep_freed(const struct ag_shm *shm);

/* The lock of insertions, for who must see or change several things as one: at most milliseconds,
 * no call that may block.  -EAGAIN as above. */
int ag_metertab_lock(const struct ag_shm *shm) AG_MUST_CHECK;
void ag_metertab_unlock(const struct ag_shm *shm);
/* ag_metertab_put() for the holder of the lock. */
int ag_metertab_put_locked(const struct ag_shm *shm, const struct ag_meter_def *def,
    uint32_t *out_ix, bool *out_is_new) AG_MUST_CHECK;
/* Indices that requests in flight refer to, a bit each; NULL: no memory.  The caller frees it. */
uint8_t *ag_metertab_referenced(const struct ag_shm *shm);
/* The next run of slots from ix on that have a meter or had one a moment ago, [*out_from, *out_to);
 * false: none.  For walks through the table: to look at the other slots would make the kernel give them
 * memory, and every walk longer.  A slot of a run may have lost its meter, or not have it yet: look at
 * the id first. */
bool ag_metertab_next_run(const struct ag_shm *shm, uint32_t ix, uint32_t *out_from, uint32_t *out_to);

/* The same slot by slot, for walks with pauses in between; all zeros begins.  false: the end, and the
 * next call begins anew. */
struct ag_meter_walk {
	uint32_t at, to; /* what is left of the run at hand */
};
bool ag_metertab_walk(const struct ag_shm *shm, struct ag_meter_walk *walk, uint32_t *out_ix);

static inline uint32_t
ag_meter_period_days(const struct ag_meter *m)
{
	return ag_a32_get(&m->days_and_mode) & 0xffff;
}

static inline enum ag_enforcement
ag_meter_enforcement(const struct ag_meter *m)
{
	return (enum ag_enforcement)(ag_a32_get(&m->days_and_mode) >> 16 & 0xff);
}

static inline enum ag_exhaust
ag_meter_on_exhaust(const struct ag_meter *m)
{
	return (enum ag_exhaust)(ag_a32_get(&m->days_and_mode) >> 24);
}

/* It will be asked soon: what stands in front of a rate's buckets, and the first of these. */
static inline void
ag_metertab_warm(const struct ag_shm *shm, uint32_t ix)
{
	ag_warm(&shm->meters[ix], 2 * AG_CACHELINE);
}

static inline struct ag_meter *
ag_metertab_at(const struct ag_shm *shm, uint32_t ix)
{
	assert(ix < shm->hdr->sizes.meters);
	return &shm->meters[ix];
}

#endif
