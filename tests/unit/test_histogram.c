/* Every time lies in the bucket whose bound is the least that is not below it. */
#include "shm/histogram.h"
#include "tests/unit/tap.h"

static void
bounds_grow_and_end(void)
{
	int wrong = 0;

	for (unsigned b = 1; b < AG_HIST_BUCKETS; b++)
		wrong += ag_histogram_bound(b) <= ag_histogram_bound(b - 1);
	is_i64(wrong, 0, "each bound is above the one before");
	is_i64((int64_t)ag_histogram_bound(AG_HIST_BUCKETS - 2), INT64_C(1) << 27, "the last bound is 2^27 us");
	ok(ag_histogram_bound(AG_HIST_BUCKETS - 1) == UINT64_MAX, "and then there is none");
}

static void
every_time_has_its_bucket(void)
{
	int wrong = 0;

	for (uint64_t us = 0; us < 400000000; us += us < 100000 ? 1 : us / 1000) {
		unsigned b = ag_histogram_bucket(us);

		wrong += us > ag_histogram_bound(b) || (b > 0 && us <= ag_histogram_bound(b - 1));
	}
	is_i64(wrong, 0, "from 0 to 400 s");
	for (unsigned b = 0; b + 1 < AG_HIST_BUCKETS; b++) {
		wrong += ag_histogram_bucket(ag_histogram_bound(b)) != b;
		wrong += ag_histogram_bucket(ag_histogram_bound(b) + 1) != b + 1;
	}
	is_i64(wrong, 0, "on each bound and just above it");
	is_i64(ag_histogram_bucket(UINT64_MAX), AG_HIST_BUCKETS - 1, "however long");
}

int
main(void)
{
	bounds_grow_and_end();
	every_time_has_its_bucket();
	return done();
}
