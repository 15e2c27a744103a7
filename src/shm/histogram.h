/* histogram.h - how times are spread: one row each in tbl/histograms.h, kept as cells behind the counters of
 * each process, so that readers sum them as they sum counters.
 *
 * Bounds are 2, 3, 4, 6, 8, 12 ... microseconds, two an octave up to 2^27 (134 s), and one cell for
 * what is longer: an observation costs a few instructions, and no bound is off by more than a third. */
#ifndef AG_SHM_HISTOGRAM_H
#define AG_SHM_HISTOGRAM_H

#include "shm/counters.h"

enum ag_histogram {
#define H(name, brief, text) AG_HIST_##name,
#include "aigated/tbl/histograms.h"
#undef H
	AG_HISTOGRAMS
};

/* Cells of a process: ag_shm_sizes.counters. */
#define AG_COUNTER_CELLS ((uint32_t)AG_COUNTERS + (uint32_t)AG_HISTOGRAMS * AG_HIST_CELLS)

struct ag_histogram_def {
	const char *name, *brief, *text;
};
extern const struct ag_histogram_def ag_histogram_defs[AG_HISTOGRAMS];

/* The bucket of the least bound that is not below us. */
static inline unsigned
ag_histogram_bucket(uint64_t us)
{
	uint64_t v = us - 1;
	unsigned msb, ix;

	if (us <= 2)
		return 0;
	msb = 63u - (unsigned)__builtin_clzll(v);
	ix = (msb - 1) * 2 + (unsigned)(v >> (msb - 1) & 1) + 1;
	return ix < AG_HIST_BUCKETS ? ix : AG_HIST_BUCKETS - 1;
}

/* Upper bound of a bucket, in us; UINT64_MAX: the last. */
static inline uint64_t
ag_histogram_bound(unsigned bucket)
{
	if (bucket >= AG_HIST_BUCKETS - 1)
		return UINT64_MAX;
	if (bucket == 0)
		return 2;
	return bucket & 1 ? UINT64_C(3) << ((bucket - 1) / 2) : UINT64_C(4) << ((bucket - 1) / 2);
}

static inline void
ag_observe(enum ag_histogram h, uint64_t us)
{
	struct ag_a64 *cell = ag_counters_mine + AG_COUNTERS + (uint32_t)h * AG_HIST_CELLS;
	struct ag_a64 *sum = cell + AG_HIST_BUCKETS;

	cell += ag_histogram_bucket(us);
	ag_a64_set(cell, ag_a64_get(cell) + 1);
	ag_a64_set(sum, ag_a64_get(sum) + (int64_t)us);
}

/* Sums over all processes. */
struct ag_histogram_sum {
	int64_t bucket[AG_HIST_BUCKETS];
	int64_t count, sum_us;
};
void ag_histogram_sum(const struct ag_shm *shm, enum ag_histogram h, struct ag_histogram_sum *out);

#endif
