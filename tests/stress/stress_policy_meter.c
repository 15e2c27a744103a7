/* stress_policy_meter.c - requests stand on meters that are made on first use while a janitor takes
 * every meter away that counts nothing at the moment.
 *
 * Were a meter made twice, or taken from under a request, two meters of one value would count apart,
 * and more than the limit would hold it at a time.  Some of the requests' processes, and the janitor,
 * are killed at a random step; what they leave is swept, and it goes on. */
#include <stdlib.h>

#include "base/clock.h"
#include "limit/holds.h"
#include "limit/policy_meter.h"
#include "stress.h"
#include "../unit/shm_fixture.h"
#include "../unit/tap.h"

#define PROCS  3
#define VALUES 8
#define LIMIT  2
#define OPEN   4

static struct ag_shm shm;
static struct shared {
	struct ag_a64 ops, violations, missed, made, evicted;
	struct ag_a64 at_a_time[VALUES];
} *sh;
static int64_t ops_max;

static struct ag_meter_def
def_of(uint64_t value)
{
	return (struct ag_meter_def){ .id = AG_METER_DERIVED + 1000 + (int64_t)value,
		.kind = AG_METER_GAUGE, .unit = AG_UNIT_REQUESTS, .level = AG_LEVEL_POLICY,
		.limit = LIMIT, .alert_at = INT64_MAX, .owner = 1 };
}

/* As a worker does: look it up, take, see that it was this one, else look again. */
static bool
admit(struct ag_inflight *slot, uint64_t value)
{
	struct ag_meter_def def = def_of(value);
	struct ag_amounts one = { .requests = 1 };

	for (int tries = 0; tries < 100; tries++) {
		uint32_t ix, denied;

		if (ag_policy_meter_use(&shm, &def, &ix) < 0)
			continue;
		if (ag_holds_take(&shm, slot, 1, &ix, 1, &one, ag_clock_wall_us(), &denied) == AG_TAKE_OK) {
			if (ag_a32_get(&slot->progress) == 1 && slot->holds[0].meter_id == def.id)
				return true;
			ag_holds_release(&shm, slot);
			ag_a64_add(&sh->missed, 1);
		} else if (!ag_policy_meter_is_going(ag_metertab_at(&shm, ix), def.id)) {
			return false;
		}
	}
	return false;
}

static int
requests(void *arg)
{
	uint32_t worker = (uint32_t)(uintptr_t)arg;
	int64_t value[OPEN] = { -1, -1, -1, -1 };

	stress_seed(worker + 7);
	while (ag_a64_add(&sh->ops, 1) < ops_max) {
		uint64_t k = stress_random(OPEN), want = stress_random(VALUES);
		struct ag_inflight *slot = ag_shm_inflight(&shm, worker, (uint32_t)k);

		if (value[k] >= 0) {
			ag_a64_add(&sh->at_a_time[value[k]], -1);
			ag_holds_release(&shm, slot);
			value[k] = -1;
		} else if (admit(slot, want)) {
			if (ag_a64_add(&sh->at_a_time[want], 1) >= LIMIT)
				ag_a64_add(&sh->violations, 1);
			value[k] = (int64_t)want;
		}
	}
	for (uint32_t k = 0; k < OPEN; k++)
		if (value[k] >= 0) {
			ag_a64_add(&sh->at_a_time[value[k]], -1);
			ag_holds_release(&shm, ag_shm_inflight(&shm, worker, k));
		}
	return 0;
}

static bool
none_gone(int64_t policy_id, void *arg)
{
	(void)policy_id;
	(void)arg;
	return false;
}

static int
janitor(void *arg)
{
	bool is_alone = arg != NULL; /* nobody else counts on */
	int64_t ids[16];

	while (ag_a64_get(&sh->ops) < ops_max) {
		struct ag_meter_def def = def_of(stress_random(VALUES));
		uint32_t ix;

		size_t n = ag_policy_meters_evict(&shm, ag_clock_wall_us(), none_gone, NULL, ids, 16);

		ag_a64_add(&sh->evicted, (int64_t)n);
		ag_metertab_sweep_freed(&shm);
		if (is_alone && (ag_policy_meter_use(&shm, &def, &ix) < 0 ||
		    ag_a64_add(&sh->ops, 1) < 0))
			return 1;
	}
	return 0;
}

/* Slots with a meter, or with one that went and is not released, which a walk would leave out. */
static unsigned
missed_by_walks(void)
{
	unsigned missed = 0;

	for (uint32_t ix = 0; ix < shm.hdr->sizes.meters; ix++) {
		int64_t id = ag_a64_observe(&shm.meters[ix].id);
		uint32_t from, to;

		if (id != 0 && id != -1 && (!ag_metertab_next_run(&shm, ix, &from, &to) || from != ix))
			missed++;
	}
	return missed;
}

static void
no_value_is_held_more_often_than_its_limit(void)
{
	pid_t pids[PROCS + 1];

	for (uintptr_t i = 0; i < PROCS; i++)
		pids[i] = stress_fork(requests, (void *)i, 0);
	pids[PROCS] = stress_fork(janitor, NULL, 0);
	for (int i = 0; i <= PROCS; i++)
		ok(!stress_reap(pids[i]), "process %d ended", i);
	is_i64(ag_a64_get(&sh->violations), 0, "never more than the limit at a time");
	ok(ag_a64_get(&sh->evicted) > 0, "meters were taken away: %lld, and missed in time: %lld",
	    (long long)ag_a64_get(&sh->evicted), (long long)ag_a64_get(&sh->missed));
	is_i64(missed_by_walks(), 0, "walks meet every meter");
}

/* One process dies somewhere in using, holding or evicting; the next finds all in order. */
static void
a_death_anywhere_leaves_a_table_that_works(void)
{
	unsigned died = 0, missed = 0;
	int bad = 0;

	for (int at = 1; at <= 60; at++) {
		struct ag_sweep out = { 0 };

		ag_a64_set(&sh->ops, 0);
		died += stress_reap(at % 2 ? stress_fork(requests, NULL, at) : stress_fork(janitor, sh, at));
		missed += missed_by_walks();
		ag_holds_sweep(&shm, 0, ag_clock_wall_us(), &out);
		for (uint64_t v = 0; v < VALUES; v++) {
			struct ag_inflight *slot = ag_shm_inflight(&shm, 1, (uint32_t)v);
			struct ag_meter_def def = def_of(v);
			uint32_t ix;

			/* What is in doubt keeps its place until the reconciler comes. */
			if (ag_policy_meter_use(&shm, &def, &ix) == 0)
				ag_a64_set(&ag_metertab_at(&shm, ix)->gauge.used, 0);
			ag_a32_set(&ag_metertab_at(&shm, ix)->suspect, 0);
			if (!admit(slot, v))
				bad++;
			else
				ag_holds_release(&shm, slot);
		}
	}
	ok(died > 0, "%u died", died);
	is_i64(missed, 0, "walks met every meter after each death");
	is_i64(bad, 0, "and everything could be used again");
}

int
main(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();

	sizes.workers = PROCS;
	shm = fixture_open(&sizes);
	sh = stress_shared(sizeof(*sh));
	ops_max = stress_ops(4000000);
	no_value_is_held_more_often_than_its_limit();
	ops_max = 400;
	a_death_anywhere_leaves_a_table_that_works();
	ag_shm_unmap(&shm);
	return done();
}
