#include "limit/alert.h"

#include "base/clock.h"
#include "shm_fixture.h"
#include "tap.h"

#define NOW (ag_civil_to_days(2026, 11, 23) * AG_US_PER_DAY) /* a Monday */
#define SUNDAY (ag_civil_to_days(2026, 11, 29) * AG_US_PER_DAY)

static struct ag_shm shm;
static int64_t next_id = 1;

static struct ag_meter *
budget(int64_t limit, int64_t alert_at, enum ag_period_kind period, uint32_t *out_ix)
{
	struct ag_meter_def def = { .id = next_id++, .kind = AG_METER_BUDGET, .unit = AG_UNIT_NUSD,
		.level = AG_LEVEL_KEY, .limit = limit, .alert_at = alert_at, .period_kind = period };

	*out_ix = fixture_meter(&shm, &def);
	return ag_metertab_at(&shm, *out_ix);
}

static void
spend(struct ag_meter *m, uint32_t ix, int64_t hold, int64_t actual, int64_t now)
{
	struct ag_hold h;

	is_i64(ag_meter_take(m, ix, hold, now, &h), AG_TAKE_OK, "what is spent was held");
	ag_meter_settle(m, &h, actual, now);
}

/* What is due on both sides together, of the period in force or of closed ones. */
static unsigned
due(const struct ag_meter *m, bool is_closed, int64_t now)
{
	unsigned all = 0;

	for (unsigned side = 0; side < 2; side++) {
		struct ag_alert_look look;

		if (ag_alert_look(m, side, now, &look) && look.is_closed == is_closed)
			all |= look.due;
	}
	return all;
}

static void
what_is_settled_counts_and_holds_do_not(void)
{
	struct ag_hold h;
	uint32_t ix;
	struct ag_meter *m = budget(100, 80, AG_PERIOD_NONE, &ix);

	is_i64(due(m, false, NOW), 0, "a new budget has nothing to tell");
	is_i64(ag_meter_take(m, ix, 100, NOW, &h), AG_TAKE_OK, "all of it is held");
	is_i64(due(m, false, NOW), 0, "a hold is no spend");
	ag_meter_settle(m, &h, 79, NOW);
	is_i64(due(m, false, NOW), 0, "one below the threshold");
	spend(m, ix, 1, 1, NOW);
	is_i64(due(m, false, NOW), AG_ALERT_THRESHOLD, "at the threshold");
	spend(m, ix, 20, 20, NOW);
	is_i64(due(m, false, NOW), AG_ALERT_THRESHOLD | AG_ALERT_EXHAUSTED, "at the limit");
}

static void
a_refusal_tells_that_it_is_used_up(void)
{
	struct ag_alert_look look;
	struct ag_meter_state s;
	struct ag_hold h;
	uint32_t ix;
	struct ag_meter *m = budget(100, INT64_MAX, AG_PERIOD_NONE, &ix);

	spend(m, ix, 49, 49, NOW);
	ag_budget_note_refusal(m, NOW);
	is_i64(due(m, false, NOW), 0, "less than half is spent: the request was too large");
	spend(m, ix, 41, 41, NOW);
	is_i64(due(m, false, NOW), 0, "nobody was refused since");
	is_i64(ag_meter_take(m, ix, 5, NOW, &h), AG_TAKE_OK, "somebody holds");
	ag_budget_note_refusal(m, NOW);
	is_i64(due(m, false, NOW), 0, "waiting for his hold might have helped");
	ag_meter_release(m, &h);
	ag_budget_note_refusal(m, NOW);
	is_i64(due(m, false, NOW), AG_ALERT_EXHAUSTED, "refused with nothing held");
	ag_alert_look(m, 1, NOW, &look);
	ok(look.is_refused && look.settled == 90 && look.held == 0, "and the look says so");
	ag_meter_read(m, 0, NOW, &s);
	ok(ag_budget_is_exhausted(m, &s), "used up");
	ag_a64_set(&m->limit, 120);
	is_i64(due(m, false, NOW), 0, "a raised limit forgets what was refused under the old one");
	ag_meter_read(m, 0, NOW, &s);
	ok(!ag_budget_is_exhausted(m, &s), "and is not used up");
}

static void
a_crossing_is_found_after_the_turn(void)
{
	struct ag_alert_look look;
	uint32_t ix;
	struct ag_meter *m = budget(100, 50, AG_PERIOD_WEEKLY, &ix);

	spend(m, ix, 60, 60, SUNDAY - 1);
	is_i64(due(m, false, SUNDAY - 1), AG_ALERT_THRESHOLD, "in its period");
	is_i64(due(m, false, SUNDAY), 0, "the new period has spent nothing");
	is_i64(due(m, true, SUNDAY), AG_ALERT_THRESHOLD, "the closed one still tells");
	spend(m, ix, 100, 10, SUNDAY);
	is_i64(due(m, false, SUNDAY), 0, "the new one opens empty");
	is_i64(due(m, true, SUNDAY), AG_ALERT_THRESHOLD, "beside the old one");
	spend(m, ix, 1, 1, SUNDAY + 7 * AG_US_PER_DAY);
	is_i64(due(m, true, SUNDAY + 7 * AG_US_PER_DAY), 0, "whose account goes to the period after next");
	for (unsigned side = 0; side < 2; side++)
		if (ag_alert_look(m, side, SUNDAY, &look))
			is_i64(look.is_closed, look.settled == 10, "a clock that goes back reopens nothing");
}

static void
without_a_limit_nothing_is_used_up(void)
{
	uint32_t ix;
	struct ag_meter *m = budget(INT64_MAX, 10, AG_PERIOD_NONE, &ix);
	struct ag_meter_def rate = { .id = next_id++, .kind = AG_METER_RATE, .unit = AG_UNIT_REQUESTS,
		.level = AG_LEVEL_KEY, .limit = 1, .alert_at = INT64_MAX, .window_us = AG_US_PER_MIN };
	uint32_t rate_ix = fixture_meter(&shm, &rate);
	struct ag_meter *r = ag_metertab_at(&shm, rate_ix);

	spend(m, ix, 1000, 1000, NOW);
	is_i64(due(m, false, NOW), AG_ALERT_THRESHOLD, "the threshold alone");
	spend(r, rate_ix, 1, 1, NOW);
	ag_budget_note_refusal(r, NOW);
	is_i64(due(r, false, NOW), 0, "a rate has no alerts");
}

int
main(void)
{
	shm = fixture_shm();
	what_is_settled_counts_and_holds_do_not();
	a_refusal_tells_that_it_is_used_up();
	a_crossing_is_found_after_the_turn();
	without_a_limit_nothing_is_used_up();
	ag_shm_unmap(&shm);
	return done();
}
