/* How soon a dead child is started again. */
#include "master/backoff.h"
#include "tap.h"

static void
early_deaths_double_the_delay_up_to_ten_seconds(void)
{
	static const int64_t want_ms[] = { 0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000 };
	struct ag_backoff b = { 0 };

	for (size_t i = 0; i < sizeof(want_ms) / sizeof(want_ms[0]); i++)
		is_i64(ag_backoff_next(&b, 1000, true), want_ms[i] * 1000, "delay after an early death");
	b.early_deaths = UINT32_MAX;
	is_i64(ag_backoff_next(&b, 1000, true), AG_BACKOFF_MAX_US, "and never wraps");
}

static void
a_stable_minute_forgives(void)
{
	struct ag_backoff b = { .early_deaths = 7 };

	is_i64(ag_backoff_next(&b, 30000000, true), 3200000, "half a minute does not");
	is_i64(ag_backoff_next(&b, 60000000, true), 0, "a minute does");
	is_i64(ag_backoff_next(&b, 1000, true), 0, "the next early death is the first again");
}

static void
who_never_served_died_early_at_any_age(void)
{
	struct ag_backoff b = { 0 };

	is_i64(ag_backoff_next(&b, 90000000, false), 0, "the first time at once");
	is_i64(ag_backoff_next(&b, 90000000, false), 100000, "the second time later");
}

int
main(void)
{
	early_deaths_double_the_delay_up_to_ten_seconds();
	a_stable_minute_forgives();
	who_never_served_died_early_at_any_age();
	return done();
}
