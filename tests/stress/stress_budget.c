/* stress_budget.c - processes take and settle on one budget while months turn under them.
 *
 * Used never passes the limit at any observation; in the end the two open accounts hold exactly
 * what the processes settled in them. */
#include <stdlib.h>

#include "base/clock.h"
#include "stress.h"
#include "../unit/shm_fixture.h"
#include "../unit/tap.h"

#define PROCS   4
#define OPEN    6
#define LIMIT   100000
#define PERIODS 65536 /* by the low bits of the number */

static struct ag_shm shm;
static uint32_t ix;
static struct shared {
	struct ag_a64 clock_us, ops, violations, denied, turns;
	struct ag_a64 settled[PERIODS];
} *sh;
static int64_t ops_max;

/* Everybody's clock is the shared one, a little behind or ahead. */
static int64_t
clock_read(void)
{
	return ag_a64_get(&sh->clock_us) + (int64_t)stress_random(2 * AG_US_PER_HOUR) - AG_US_PER_HOUR;
}

static void
observe_used(void)
{
	for (int i = 0; i < 2; i++)
		if (ag_a64_get(&shm.meters[ix].budget.account[i].lo) > LIMIT)
			ag_a64_add(&sh->violations, 1);
}

static void
finish(struct ag_hold *h)
{
	struct ag_meter *m = &shm.meters[ix];

	if (stress_random(4) == 0) {
		ag_meter_release(m, h);
	} else {
		int64_t actual = (int64_t)stress_random((uint64_t)h->amount + 1);

		ag_a64_add(&sh->settled[h->period % PERIODS], actual);
		ag_meter_settle(m, h, actual, clock_read());
	}
	h->meter_id = 0;
}

static int
worker(void *arg)
{
	struct ag_hold open[OPEN] = { 0 };

	stress_seed((uint64_t)(uintptr_t)arg);
	while (ag_a64_add(&sh->ops, 1) < ops_max) {
		struct ag_hold *h = &open[stress_random(OPEN)];

		if (h->meter_id != 0)
			finish(h);
		else if (ag_meter_take(&shm.meters[ix], ix, (int64_t)stress_random(LIMIT / 8), clock_read(), h) !=
		    AG_TAKE_OK)
			ag_a64_add(&sh->denied, 1);
		observe_used();
		if (stress_random((uint64_t)ops_max / 500 + 1) == 0) {
			ag_a64_add(&sh->clock_us, 3 * AG_US_PER_DAY);
			ag_a64_add(&sh->turns, 1);
		}
	}
	for (int i = 0; i < OPEN; i++)
		if (open[i].meter_id != 0)
			finish(&open[i]);
	return 0;
}

static void
race(enum ag_period_kind kind, int64_t id)
{
	struct ag_meter_def def = { .id = id, .kind = AG_METER_BUDGET, .unit = AG_UNIT_NUSD,
		.limit = LIMIT, .alert_at = INT64_MAX, .period_kind = kind, .period_days = 4 };
	pid_t pid[PROCS];

	ix = fixture_meter(&shm, &def);
	for (size_t i = 0; i < PERIODS; i++)
		ag_a64_set(&sh->settled[i], 0);
	ag_a64_set(&sh->ops, 0);
	ag_a64_set(&sh->denied, 0);
	ag_a64_set(&sh->clock_us, ag_civil_to_days(2026, 11, 23) * AG_US_PER_DAY);
	for (int i = 0; i < PROCS; i++)
		pid[i] = stress_fork(worker, (void *)(uintptr_t)(i + 1), 0);
	for (int i = 0; i < PROCS; i++)
		ok(!stress_reap(pid[i]), "process %d ended", i);
	is_i64(ag_a64_get(&sh->violations), 0, "the limit was never passed");
	ok(ag_a64_get(&sh->denied) > 0, "and it was met");
	for (int i = 0; i < 2; i++) {
		struct ag_pair p = ag_a128_peek(&shm.meters[ix].budget.account[i]);

		is_i64(p.lo, ag_a64_get(&sh->settled[p.hi % PERIODS]), "used is what was settled");
	}
	is_i64(ag_a32_get(&shm.meters[ix].suspect), 0, "nothing is suspect");
}

int
main(void)
{
	sh = stress_shared(sizeof(*sh));
	shm = fixture_shm();
	ops_max = stress_ops(2000000);
	race(AG_PERIOD_NONE, 1);
	race(AG_PERIOD_WEEKLY, 2);
	race(AG_PERIOD_MONTHLY, 3);
	race(AG_PERIOD_DAYS, 4);
	printf("# %lld steps of the clock\n", (long long)ag_a64_get(&sh->turns));
	ag_shm_unmap(&shm);
	return done();
}
