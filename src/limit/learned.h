/* learned.h - how much output answers usually take, by key and model.
 *
 * Counts in shared memory, in ranges of a quarter of a power of two, halved now and then so that
 * old answers fade.  Adaptive budgets hold a quantile of it.  Nothing relies on it being right: it
 * is counted without care for races, and a slot may pass to another key and model at any moment;
 * a wrong guess is topped up (raise.c) or ends as the budget says. */
#ifndef AG_LIMIT_LEARNED_H
#define AG_LIMIT_LEARNED_H

#include <stdbool.h>

#include "base/str.h"
#include "shm/segment.h"

/* Never 0. */
int64_t ag_learned_tag(int64_t key_id, struct ag_str family, struct ag_str model);

/* An answer took that many tokens of output, all choices together. */
void ag_learned_add(const struct ag_shm *shm, int64_t tag, uint64_t tokens, int64_t now_us);

/* What `permille` of a thousand answers did not exceed (rounded up to the end of its range); false
 * when fewer than `samples` are known. */
bool ag_learned_quantile(const struct ag_shm *shm, int64_t tag, uint32_t permille, uint32_t samples,
    uint64_t *out_tokens);

#endif
