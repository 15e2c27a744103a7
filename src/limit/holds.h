/* holds.h - all the meters of one request, taken and given back as one.
 *
 * The in-flight slot in shared memory is the journal: what is about to happen is written there
 * before it happens, so that whoever finds the slot of a dead worker can finish.  Order on every
 * path: intent -> holds -> (sent) -> record -> meters -> slot free.  Where a death leaves it
 * open whether the last step happened, the sweep errs towards refusing: a hold that may have been
 * taken is not given back, a settlement that may have been done is repeated only when it adds;
 * the meter is marked suspect and the flusher's reconciler restores the exact value.
 *
 * One owner: the worker process, one slot per request, never shared between threads. */
#ifndef AG_LIMIT_HOLDS_H
#define AG_LIMIT_HOLDS_H

#include "aigated/record.h"
#include "limit/meter.h"
#include "shm/ring.h"
#include "shm/segment.h"

/* Takes amounts (each meter its unit) on n meters, all or none.  Slot must be FREE.
 * AG_TAKE_DENIED: *out_denied = position in meters[] of the first that refused; nothing is held,
 * the slot is FREE again.  AG_TAKE_OK: state HELD.  Meters that are gone are left out; duplicates
 * in meters[] are taken once.  n <= AG_HOLDS_MAX. */
enum ag_take ag_holds_take(const struct ag_shm *shm, struct ag_inflight *slot, uint32_t incarnation,
    const uint32_t *meters, uint32_t n, const struct ag_amounts *amounts, int64_t now_us,
    uint32_t *out_denied) AG_MUST_CHECK;

/* What a meter of that unit counts of it. */
int64_t ag_amount_of(enum ag_unit unit, const struct ag_amounts *a);

/* What to take of one meter. */
struct ag_ask {
	uint32_t meter_ix;
	bool is_adaptive;  /* the amount may be less than the worst case, and may be raised */
	int64_t amount;    /* in the meter's unit */
	int64_t least;     /* shadow budgets: with less than that left strict would have refused */
};

/* The same with an amount for each meter; worst: what strict meters hold.  Bits of
 * slot->would_refuse: shadow budgets that strict would have refused.  out_left[i]: what the rate of
 * ask[i] has left; NULL: nobody asks. */
enum ag_take ag_holds_take_each(const struct ag_shm *shm, struct ag_inflight *slot, uint32_t incarnation,
    const struct ag_ask *ask, uint32_t n, const struct ag_amounts *worst, int64_t now_us,
    uint32_t *out_denied, struct ag_rate_left out_left[AG_HOLDS_MAX]) AG_MUST_CHECK;

/* While SENT: the holds of mask (bits by index, of budgets) become what `to` says where that is
 * more, all or none; other holds stay.  DENIED: holds[*out_denied] has no room, all is as it was.
 * raise.c. */
enum ag_take ag_holds_raise(const struct ag_shm *shm, struct ag_inflight *slot, uint32_t mask,
    const struct ag_amounts *to, uint32_t *out_denied) AG_MUST_CHECK;

/* By how much the requests in flight can still pass the budget, at most: of a strict one 0.  Of an
 * adaptive one that finishes streams, the worst case of each less what is held for it; of one that
 * cuts them, as much again as is held for it, or that if it is less.  Goes through all slots. */
int64_t ag_holds_bound(const struct ag_shm *shm, uint32_t meter_ix);

/* HELD -> SENT: from here on a death is charged.  The draft must be complete: ag_record_build() into
 * slot->draft, without charges, its length in draft_bytes; from now on it is not touched.  Called
 * before the first byte goes to the provider. */
void ag_holds_sent(struct ag_inflight *slot);

/* HELD -> gone: nothing was sent, everything goes back, no record. */
void ag_holds_release(const struct ag_shm *shm, struct ag_inflight *slot);

/* SENT -> gone: pushes rec (which is the final record; its charges are filled in here from the
 * budget holds and `actual`, its seq is told to the caller) and settles the meters.  -ENOSPC: the
 * ring has no room, nothing was done (admission keeps room for every slot, so this is a bug or a
 * mis-sized ring). */
int ag_holds_settle(const struct ag_shm *shm, struct ag_ring *ring, struct ag_inflight *slot,
    struct ag_record *rec, const struct ag_str strs[AG_RS_COUNT], const struct ag_amounts *actual,
    int64_t now_us) AG_MUST_CHECK;

/* SENT -> gone without a record, by configuration, when the ring is full: the meters are settled
 * all the same, so that no budget is passed. */
void ag_holds_forgo_record(const struct ag_shm *shm, struct ag_inflight *slot,
    const struct ag_amounts *actual, int64_t now_us);

/* SENT -> HELD: a failed attempt that will be followed by another: pushes a record without charges;
 * holds stay.  Build a new draft and call ag_holds_sent() before the next attempt.  -ENOSPC. */
int ag_holds_record_attempt(struct ag_ring *ring, struct ag_inflight *slot, struct ag_record *rec,
    const struct ag_str strs[AG_RS_COUNT]) AG_MUST_CHECK;

/* returned, charged, finished: requests; suspect: meters marked; waiting: requests that must be
 * recorded but found no room in the ring: call again before the worker takes requests. */
struct ag_sweep { unsigned returned, charged, finished, suspect, waiting; };

/* By the successor of a dead worker before it accepts: every slot of worker_ix is brought to
 * FREE.  Not sent: returned.  Sent: each meter charged what is held of it (AG_USAGE_UNKNOWN,
 * AG_OUT_WORKER_DIED) and recorded from the draft.  Recorded: settled. */
void ag_holds_sweep(const struct ag_shm *shm, uint32_t worker_ix, int64_t now_us, struct ag_sweep *out);

#endif
