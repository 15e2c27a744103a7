#include "shm/counters.h"

#include "shm/histogram.h"

const struct ag_counter_def ag_counter_defs[AG_COUNTERS] = {
#define X(name, kind, level, brief, text) { #name, AG_COUNTER_##kind, #level, brief, text },
#include "aigated/tbl/counters.h"
#undef X
};

/* Counts made before ag_counters_use(), or by a process that has no row, go nowhere. */
static struct ag_a64 scratch[AG_COUNTER_CELLS];
struct ag_a64 *ag_counters_mine = scratch;

void
ag_counters_use(const struct ag_shm *shm, uint32_t proc_ix)
{
	/* The segment's row may be of another build only if its size said so, which attaching
	 * refuses; but a test may map one with fewer. */
	assert(shm->hdr->sizes.counters >= AG_COUNTER_CELLS);
	ag_counters_mine = ag_shm_counter_row(shm, proc_ix);
}

int64_t
ag_counter_sum(const struct ag_shm *shm, enum ag_counter c)
{
	uint32_t procs = AG_PROC_WORKER(shm->hdr->sizes.workers);
	int64_t sum = 0;

	assert((uint32_t)c < shm->hdr->sizes.counters);
	for (uint32_t i = 0; i < procs; i++)
		sum += ag_a64_get(&ag_shm_counter_row(shm, i)[c]);
	return sum;
}
