/* stress_books.c - everything at once on one segment: workers take, send and settle while periods turn
 * under them, control edits limits, and workers are killed between any two steps, injected or not.
 *
 * Afterwards the books agree: what budgets say was settled is what the ledger's records charge, in
 * each period; nothing is held; and in no period of any budget was more charged than its cap.
 * Counts nothing by request, so AG_STRESS_OPS may be a billion: make stress-long. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "limit/holds.h"
#include "shm/crash_point.h"
#include "stress.h"
#include "../unit/shm_fixture.h"
#include "../unit/tap.h"

#define WORKERS 3
#define SLOTS   6
#define METERS  6
#define LEDGER  (1u << 17)     /* meter x period */
#define HOLD_MAX 900
#define START   (INT64_C(20780) * AG_US_PER_DAY) /* 2026-11-23 */

static struct ag_shm shm;
static uint32_t meters[METERS];
static struct shared {
	struct ag_a64 clock_us, violations, denied, doubts, steps[WORKERS];
} *sh;
static int64_t goal, turn_every;
static bool is_deadly; /* workers are killed */

/* ---- the meters ---- */

static const struct {
	enum ag_meter_kind kind;
	enum ag_unit unit;
	enum ag_period_kind period;
	uint32_t days;
	bool is_edited;
	int64_t cap; /* where a period has 3000 steps a half day: of some it binds, of some another */
} kinds[METERS] = {
	{ AG_METER_BUDGET, AG_UNIT_NUSD, AG_PERIOD_DAYS, 1, false, 280000 },
	{ AG_METER_BUDGET, AG_UNIT_NUSD, AG_PERIOD_WEEKLY, 0, true, 1800000 },
	{ AG_METER_RATE, AG_UNIT_REQUESTS, AG_PERIOD_NONE, 0, false, 0 },
	{ AG_METER_BUDGET, AG_UNIT_TOKENS, AG_PERIOD_DAYS, 3, true, 800000 },
	{ AG_METER_GAUGE, AG_UNIT_REQUESTS, AG_PERIOD_NONE, 0, false, 0 },
	{ AG_METER_BUDGET, AG_UNIT_REQUESTS, AG_PERIOD_MONTHLY, 0, false, 33000 },
};

/* Of a budget, whatever it is lowered to meanwhile. */
static int64_t
cap_of(int i)
{
	return kinds[i].cap * (turn_every / 1000) / 3;
}

static struct ag_meter_def
def_of(int i, int64_t limit)
{
	return (struct ag_meter_def){ .id = i + 1, .kind = kinds[i].kind, .unit = kinds[i].unit,
		.level = AG_LEVEL_KEY, .limit = kinds[i].kind == AG_METER_BUDGET ? limit : INT64_MAX / 4,
		.alert_at = INT64_MAX, .period_kind = kinds[i].period, .period_days = kinds[i].days,
		.window_us = kinds[i].kind == AG_METER_RATE ? AG_US_PER_MIN : 0 };
}

static struct ag_meter *
meter(int i)
{
	return ag_metertab_at(&shm, meters[i]);
}

static bool
is_budget(int i)
{
	return kinds[i].kind == AG_METER_BUDGET;
}

static void
open_all(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();

	sizes.workers = WORKERS;
	sizes.inflight = SLOTS;
	sizes.ring_bytes = 1 << 18;
	shm = fixture_open(&sizes);
	for (int i = 0; i < METERS; i++) {
		struct ag_meter_def def = def_of(i, cap_of(i));

		meters[i] = fixture_meter(&shm, &def);
	}
	ag_a64_set(&sh->clock_us, START);
}

/* ---- a worker ---- */

/* A little behind or ahead of everybody else's. */
static int64_t
clock_read(void)
{
	return ag_a64_get(&sh->clock_us) + (int64_t)stress_random(2 * AG_US_PER_HOUR) - AG_US_PER_HOUR;
}

static void
observe_caps(void)
{
	for (int i = 0; i < METERS; i++)
		for (int side = 0; is_budget(i) && side < 2; side++)
			if (ag_a64_get(&meter(i)->budget.account[side].lo) > cap_of(i))
				ag_a64_add(&sh->violations, 1);
}

static void
begin_one(struct ag_ring *ring, struct ag_inflight *slot)
{
	struct ag_amounts held = { .nusd = (int64_t)stress_random(HOLD_MAX),
		.tokens = (int64_t)stress_random(HOLD_MAX), .requests = 1 };
	struct ag_record fixed = { .key_id = 1, .attempt = 1 };
	struct ag_str strs[AG_RS_COUNT] = { [AG_RS_PROVIDER] = AG_STR("openai") };
	uint32_t denied;

	/* Room is kept for what is in flight, as admission does. */
	if (ag_ring_room(ring) < (uint64_t)(SLOTS + 1) * 2 * AG_RECORD_MAX)
		return;
	if (ag_holds_take(&shm, slot, 1, meters, METERS, &held, clock_read(), &denied) != AG_TAKE_OK) {
		ag_a64_add(&sh->denied, 1);
		return;
	}
	AG_CRASH_POINT();
	if (stress_random(6) == 0) {
		ag_holds_release(&shm, slot);
		return;
	}
	slot->draft_bytes = (uint32_t)ag_record_build(&fixed, NULL, 0, strs, slot->draft, AG_DRAFT_BYTES);
	ag_holds_sent(slot);
	AG_CRASH_POINT();
}

static void
end_one(struct ag_ring *ring, struct ag_inflight *slot)
{
	struct ag_amounts actual = { .nusd = (int64_t)stress_random((uint64_t)slot->held.nusd + 1),
		.tokens = (int64_t)stress_random((uint64_t)slot->held.tokens + 1), .requests = 1 };
	struct ag_record fixed = { .key_id = 1, .attempt = 1, .is_final = 1, .outcome = AG_OUT_ANSWERED,
		.charged_nusd = actual.nusd };
	struct ag_str strs[AG_RS_COUNT] = { [AG_RS_PROVIDER] = AG_STR("openai") };

	if (ag_holds_settle(&shm, ring, slot, &fixed, strs, &actual, clock_read()) < 0)
		abort();
}

static int
worker_main(void *arg)
{
	uint32_t worker = (uint32_t)((uintptr_t)arg & 0xff);
	struct ag_ring ring = ag_ring_of(&shm, worker);
	struct ag_sweep s;

	stress_seed((uint64_t)(uintptr_t)arg);
	/* Who dies in the sweep leaves one hold more in doubt than he has told of. */
	ag_a64_add(&sh->doubts, 1);
	ag_holds_sweep(&shm, worker, clock_read(), &s);
	ag_a64_add(&sh->doubts, (int64_t)s.suspect - 1);
	if (s.waiting)
		return 1;
	while (ag_a64_get(&sh->steps[worker]) < goal / WORKERS) {
		struct ag_inflight *slot = ag_shm_inflight(&shm, worker, (uint32_t)stress_random(SLOTS));

		if (ag_a32_get(&slot->state) == AG_INFLIGHT_FREE)
			begin_one(&ring, slot);
		else
			end_one(&ring, slot);
		observe_caps();
		ag_a64_add(&sh->steps[worker], 1);
	}
	for (uint32_t i = 0; i < SLOTS; i++)
		if (ag_a32_get(&ag_shm_inflight(&shm, worker, i)->state) == AG_INFLIGHT_SENT)
			end_one(&ring, ag_shm_inflight(&shm, worker, i));
	return 0;
}

/* ---- the ledger ---- */

static struct entry {
	int64_t meter_id, period, charged; /* meter_id 0: free */
} ledger[LEDGER];

static struct entry *
entry_of(int64_t meter_id, int64_t period)
{
	uint32_t at = (uint32_t)ag_mix64((uint64_t)period * METERS + (uint64_t)meter_id) % LEDGER;

	for (uint32_t i = 0; i < LEDGER; i++, at = (at + 1) % LEDGER) {
		struct entry *e = &ledger[at];

		if (e->meter_id == 0)
			*e = (struct entry){ .meter_id = meter_id, .period = period };
		if (e->meter_id == meter_id && e->period == period)
			return e;
	}
	abort(); /* more periods than were meant */
}

static bool
read_ring(uint32_t worker, uint64_t *cursor, uint64_t *last)
{
	struct ag_ring ring = ag_ring_of(&shm, worker);
	const struct ag_record *rec;
	bool is_corrupt;

	while ((rec = ag_ring_peek(&ring, cursor, &is_corrupt)) != NULL) {
		const struct ag_charge *c = ag_record_charges(rec);

		if (rec->seq != ++*last)
			return false;
		for (uint16_t i = 0; i < rec->n_charges; i++)
			entry_of(c[i].meter_id, c[i].period)->charged += c[i].amount;
	}
	ag_ring_release(&ring, *cursor, *last);
	return !is_corrupt;
}

/* ---- control and the clock ---- */

static int64_t
steps_all(void)
{
	int64_t n = 0;

	for (int w = 0; w < WORKERS; w++)
		n += ag_a64_get(&sh->steps[w]);
	return n;
}

static int64_t n_turns, n_edits;

static void
turn_and_edit(void)
{
	for (; n_turns < steps_all() / turn_every; n_turns++)
		ag_a64_add(&sh->clock_us, AG_US_PER_DAY / 2);
	for (int i = 0; i < METERS; i++) {
		struct ag_meter_def def = def_of(i, stress_random(2) ? cap_of(i) : cap_of(i) / 2);
		bool is_new;
		uint32_t ix;

		if (!kinds[i].is_edited || stress_random(4) != 0)
			continue;
		if (ag_metertab_put(&shm, &def, &ix, &is_new) < 0 || is_new || ix != meters[i])
			abort();
		n_edits++;
	}
}

static pid_t
run_worker(uint32_t worker, uint64_t salt)
{
	int crash_at = !is_deadly || stress_random(3) == 0 ? 0 : 1 + (int)stress_random(8000);

	return stress_fork(worker_main, (void *)(uintptr_t)(salt << 8 | worker), crash_at);
}

/* Until all workers have done their share; returns how many died. */
static int64_t
run_all(bool *out_good)
{
	uint64_t cursor[WORKERS] = { 0 }, last[WORKERS] = { 0 }, salt = 1;
	bool is_done[WORKERS] = { false };
	int64_t deaths = 0;
	pid_t pid[WORKERS];
	int n_done = 0;

	for (uint32_t w = 0; w < WORKERS; w++)
		pid[w] = run_worker(w, salt++);
	for (uint32_t w = 0; n_done < WORKERS; w = (w + 1) % WORKERS) {
		for (uint32_t r = 0; r < WORKERS; r++)
			*out_good = read_ring(r, &cursor[r], &last[r]) && *out_good;
		turn_and_edit();
		usleep((useconds_t)stress_random(600));
		if (is_done[w])
			continue;
		if (is_deadly && stress_random(8) == 0)
			kill(pid[w], SIGKILL);
		else if (!stress_has_ended(pid[w]))
			continue;
		if (stress_reap(pid[w])) {
			deaths++;
			pid[w] = run_worker(w, salt++);
		} else {
			is_done[w] = true;
			n_done++;
		}
	}
	for (uint32_t r = 0; r < WORKERS; r++)
		*out_good = read_ring(r, &cursor[r], &last[r]) && *out_good;
	return deaths;
}

/* ---- the books ---- */

/* As the reconciler does: a meter in doubt gets what the ledger says.  *excess: what it had beyond. */
static bool
account_agrees(int i, int side, int64_t *excess)
{
	struct ag_pair p = ag_a128_peek(&meter(i)->budget.account[side]);
	int64_t truth;

	if (p.hi == 0)
		return true;
	truth = entry_of(i + 1, p.hi)->charged;
	if (p.lo < truth || (p.lo != truth && !ag_a32_get(&meter(i)->suspect))) {
		printf("# meter %d: used %lld, charged %lld\n", i + 1, (long long)p.lo, (long long)truth);
		return false;
	}
	*excess += p.lo - truth;
	return ag_meter_correct(meter(i), p.hi, p.lo, truth) &&
	    ag_a128_peek(&meter(i)->budget.account[side]).lo == truth &&
	    ag_a64_get(&meter(i)->budget.settled[side]) == truth;
}

static bool
no_slot_is_taken(void)
{
	for (uint32_t w = 0; w < WORKERS; w++)
		for (uint32_t i = 0; i < SLOTS; i++)
			if (ag_a32_get(&ag_shm_inflight(&shm, w, i)->state) != AG_INFLIGHT_FREE)
				return false;
	return true;
}

static void
all_at_once(const char *what)
{
	unsigned n_periods = 0, n_full = 0;
	bool is_read = true, agrees = true, is_below = true;
	int64_t deaths, gauge, cap, excess = 0;

	memset(sh, 0, sizeof(*sh));
	memset(ledger, 0, sizeof(ledger));
	n_turns = n_edits = 0;
	open_all();
	deaths = run_all(&is_read);
	ok(is_read, "%s: no record is missing, double or damaged", what);
	ok(no_slot_is_taken(), "nothing is in flight");
	for (int i = 0; i < METERS; i++)
		for (int side = 0; is_budget(i) && side < 2; side++)
			agrees = account_agrees(i, side, &excess) && agrees;
	ok(agrees, "settled is what the ledger charges, and nothing is held");
	ok(excess <= ag_a64_get(&sh->doubts) * (HOLD_MAX - 1),
	    "but for %lld holds in doubt: %lld", (long long)ag_a64_get(&sh->doubts), (long long)excess);
	for (uint32_t i = 0; i < LEDGER; i++) {
		n_periods += ledger[i].meter_id != 0;
		if (ledger[i].meter_id == 0)
			continue;
		cap = cap_of((int)ledger[i].meter_id - 1);
		is_below = is_below && ledger[i].charged <= cap;
		n_full += ledger[i].charged > cap / 4 * 3;
	}
	ok(is_below, "in none of %u periods was more charged than the cap", n_periods);
	ok(n_full > 0, "%u of them came near it", n_full);
	is_i64(ag_a64_get(&sh->violations), 0, "no account passed it at any moment");
	gauge = ag_a64_get(&meter(4)->gauge.used);
	ok(gauge >= 0 && gauge <= ag_a64_get(&sh->doubts), "of those at a time %lld are in doubt",
	    (long long)gauge);
	/* How many are refused depends on how many run at once, which a busy machine decides: told, not judged. */
	ok((deaths > 0) == is_deadly && n_turns > 0 && n_edits > 0,
	    "%lld steps, %lld deaths, %lld half days, %lld edits, %lld refused", (long long)steps_all(),
	    (long long)deaths, (long long)n_turns, (long long)n_edits, (long long)ag_a64_get(&sh->denied));
	ag_shm_unmap(&shm);
}

int
main(void)
{
	sh = stress_shared(sizeof(*sh));
	stress_seed(7);
	goal = stress_ops(1000000) / 2;
	turn_every = goal / 5000 > 3000 ? goal / 5000 : 3000;
	all_at_once("all live");
	is_deadly = true;
	all_at_once("all die");
	return done();
}
