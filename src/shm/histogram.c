#include "shm/histogram.h"

const struct ag_histogram_def ag_histogram_defs[AG_HISTOGRAMS] = {
#define H(name, brief, text) { #name, brief, text },
#include "aigated/tbl/histograms.h"
#undef H
};

void
ag_histogram_sum(const struct ag_shm *shm, enum ag_histogram h, struct ag_histogram_sum *out)
{
	uint32_t procs = AG_PROC_WORKER(shm->hdr->sizes.workers);

	assert(shm->hdr->sizes.counters >= AG_COUNTER_CELLS);
	*out = (struct ag_histogram_sum){ 0 };
	for (uint32_t p = 0; p < procs; p++) {
		const struct ag_a64 *cell = ag_shm_counter_row(shm, p) + AG_COUNTERS + (uint32_t)h * AG_HIST_CELLS;

		for (unsigned b = 0; b < AG_HIST_BUCKETS; b++) {
			int64_t n = ag_a64_get(&cell[b]);

			out->bucket[b] += n;
			out->count += n;
		}
		out->sum_us += ag_a64_get(&cell[AG_HIST_BUCKETS]);
	}
}
