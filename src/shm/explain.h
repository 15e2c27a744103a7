/* explain.h - writing and reading the newest decisions; what they are: aigated/explain.h. */
#ifndef AG_SHM_EXPLAIN_H
#define AG_SHM_EXPLAIN_H

#include <stdbool.h>

#include "aigated/explain.h"
#include "shm/segment.h"

/* The worker: no lock, no allocation, no system call.  Of the full form only the meters there are. */
void ag_explain_put(const struct ag_shm *shm, uint32_t worker_ix, const struct ag_explain *e);
void ag_explain_put_brief(const struct ag_shm *shm, uint32_t worker_ix,
    const struct ag_explain_brief *e);

/* Anybody: the newest decision of any worker with this request id (NULL: not asked for) or trace.
 * 0 none, 1 brief (all else of *out is zero), 2 full. */
int ag_explain_find(const struct ag_shm *shm, const uint8_t *request_id, struct ag_str trace,
    struct ag_explain *out);

#endif
