/* holds_step.h - the steps that a worker (holds.c) and its successor (sweep.c) share.
 * Private to src/limit. */
#ifndef AG_LIMIT_HOLDS_STEP_H
#define AG_LIMIT_HOLDS_STEP_H

#include "limit/holds.h"

void ag_holds_goto(struct ag_inflight *slot, enum ag_inflight_state state);
/* What a hold becomes: of `actual` what its meter counts, or itself where nothing is known. */
int64_t ag_hold_actual(const struct ag_inflight *slot, const struct ag_hold *h,
    const struct ag_amounts *actual);

/* actual NULL: given back.  pop_all ends in FREE. */
void ag_holds_pop(const struct ag_shm *shm, struct ag_inflight *slot,
    const struct ag_amounts *actual, int64_t now_us);
void ag_holds_pop_all(const struct ag_shm *shm, struct ag_inflight *slot,
    const struct ag_amounts *actual, int64_t now_us);

/* One charge per budget that surely is held. */
uint16_t ag_holds_charges(const struct ag_shm *shm, const struct ag_inflight *slot,
    const struct ag_amounts *actual, struct ag_charge out[AG_HOLDS_MAX]);
int ag_holds_record(struct ag_ring *ring, struct ag_inflight *slot, const struct ag_record *rec,
    enum ag_inflight_state state) AG_MUST_CHECK;

#endif
