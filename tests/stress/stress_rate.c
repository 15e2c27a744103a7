/* stress_rate.c - processes race for one sliding window while a shared clock runs.
 *
 * Every admission is logged by its slice, and the slice is checked against the clock before and
 * after; afterwards no 17 neighbouring slices, and so no interval of the window's length, may
 * hold more than the limit, and capacity must have come back. */
#include <stdlib.h>

#include "base/clock.h"
#include "stress.h"
#include "../unit/shm_fixture.h"
#include "../unit/tap.h"

#define PROCS  4
#define LIMIT  500
#define WINDOW AG_US_PER_SEC
#define SLICE  (WINDOW / 16)
#define START  (INT64_C(1795392000) * AG_US_PER_SEC)
#define LOG    (1 << 20)

static struct ag_shm shm;
static uint32_t ix;
static int64_t base; /* number of the slice at START */
static bool gives_back;
static struct shared {
	struct ag_a64 clock_us, ops, wrong_slice, over, admitted;
	struct ag_a64 log[LOG];
} *sh;
static int64_t ops_max;

static int64_t
slice_at(int64_t clock_us)
{
	return base + (clock_us - START) / SLICE;
}

static int64_t
slice_now(void)
{
	return slice_at(ag_a64_observe(&sh->clock_us));
}

static void
log_add(int64_t slice, int64_t n)
{
	if (slice < base || slice - base >= LOG)
		abort();
	ag_a64_add(&sh->log[slice - base], n);
}

static void
one_op(bool is_ticker)
{
	struct ag_meter *m = &shm.meters[ix];
	int64_t amount = 1 + (int64_t)stress_random(8);
	static int64_t clock_us;
	struct ag_hold h;

	if (is_ticker)
		ag_a64_add(&sh->clock_us, (int64_t)stress_random(stress_random(2000) == 0 ? 20 * SLICE : SLICE / 10));
	/* As loops do, the clock is read once for many requests, and some are late. */
	if (clock_us == 0 || stress_random(is_ticker ? 4 : 100) == 0)
		clock_us = ag_a64_observe(&sh->clock_us);
	/* Hours of rest, then a rush: what a late one adds to a slice that had room must count. */
	if ((ag_a64_get(&sh->clock_us) - START) / (20 * SLICE) % 2 == 0 && stress_random(50) != 0)
		return;
	if (ag_meter_take(m, ix, amount, clock_us, &h) != AG_TAKE_OK)
		return;
	if (h.period < slice_at(clock_us) || h.period > slice_now())
		ag_a64_add(&sh->wrong_slice, 1);
	ag_a64_add(&sh->admitted, amount);
	if (!gives_back) {
		log_add(h.period, amount);
		return;
	}
	/* Logged only what stays: a hold that was given back counts for nobody. */
	switch (stress_random(3)) {
	case 0:
		ag_meter_release(m, &h);
		break;
	case 1:
		log_add(h.period, amount / 2);
		ag_meter_settle(m, &h, amount / 2, clock_us);
		break;
	default:
		log_add(h.period, amount);
	}
}

static int
worker(void *arg)
{
	stress_seed((uint64_t)(uintptr_t)arg);
	while (ag_a64_add(&sh->ops, 1) < ops_max)
		one_op((uintptr_t)arg == 1);
	return 0;
}

static void
check_windows(void)
{
	int64_t last = slice_now() - base, sum = 0, most = 0;

	for (int64_t i = 0; i <= last && i < LOG; i++) {
		sum += ag_a64_get(&sh->log[i]);
		if (i > 16)
			sum -= ag_a64_get(&sh->log[i - 17]);
		if (sum > most)
			most = sum;
	}
	ok(most <= LIMIT, "no window holds more than %d: the fullest holds %lld", LIMIT, (long long)most);
	ok(most > LIMIT / 2, "the limit was met");
	printf("# %lld slices, %lld admitted\n", (long long)last, (long long)ag_a64_get(&sh->admitted));
}

static void
race(int64_t id, bool is_giving_back)
{
	struct ag_meter_def def = { .id = id, .kind = AG_METER_RATE, .unit = AG_UNIT_TOKENS,
		.limit = LIMIT, .alert_at = INT64_MAX, .window_us = WINDOW };
	struct ag_hold h;
	pid_t pid[PROCS];

	gives_back = is_giving_back;
	ix = fixture_meter(&shm, &def);
	for (size_t i = 0; i < LOG; i++)
		ag_a64_set(&sh->log[i], 0);
	ag_a64_set(&sh->ops, 0);
	ag_a64_set(&sh->admitted, 0);
	ag_a64_set(&sh->clock_us, START);
	is_i64(ag_meter_take(&shm.meters[ix], ix, 0, START, &h), AG_TAKE_OK, "a first slice");
	base = h.period;
	for (int i = 0; i < PROCS; i++)
		pid[i] = stress_fork(worker, (void *)(uintptr_t)(i + 1), 0);
	for (int i = 0; i < PROCS; i++)
		ok(!stress_reap(pid[i]), "process %d ended", i);
	is_i64(ag_a64_get(&sh->wrong_slice), 0, "every admission stands in a slice of its time");
	check_windows();
	ag_a64_add(&sh->clock_us, 17 * SLICE);
	is_i64(ag_meter_take(&shm.meters[ix], ix, LIMIT, ag_a64_get(&sh->clock_us), &h), AG_TAKE_OK,
	    "all of the capacity came back");
}

int
main(void)
{
	sh = stress_shared(sizeof(*sh));
	shm = fixture_shm();
	ops_max = stress_ops(2000000);
	if (ops_max > INT64_C(50) * LOG)
		ops_max = INT64_C(50) * LOG; /* what the log has room for */
	race(1, false);
	race(2, true);
	ag_shm_unmap(&shm);
	return done();
}
