#include "base/clock.h"
#include "shm_fixture.h"
#include "tap.h"

#define NOW (ag_civil_to_days(2026, 11, 23) * AG_US_PER_DAY)

static struct ag_shm shm;
static int64_t next_id = 1;

static struct ag_meter_def
budget(int64_t limit, enum ag_period_kind period)
{
	return (struct ag_meter_def){ .id = next_id++, .kind = AG_METER_BUDGET, .unit = AG_UNIT_NUSD,
		.level = AG_LEVEL_KEY, .limit = limit, .alert_at = INT64_MAX, .period_kind = period };
}

static enum ag_take
take(uint32_t ix, int64_t amount, int64_t now, struct ag_hold *h)
{
	return ag_meter_take(ag_metertab_at(&shm, ix), ix, amount, now, h);
}

static struct ag_meter_state
state(uint32_t ix, int64_t want, int64_t now)
{
	struct ag_meter_state s;

	ag_meter_read(ag_metertab_at(&shm, ix), want, now, &s);
	return s;
}

static void
settling_below_the_hold_frees_room(void)
{
	struct ag_meter_def def = budget(100, AG_PERIOD_NONE);
	uint32_t ix = fixture_meter(&shm, &def);
	struct ag_hold h, h2;

	is_i64(take(ix, 60, NOW, &h), AG_TAKE_OK, "first hold fits");
	is_i64(h.meter_id, def.id, "the hold names its meter");
	is_i64(h.amount, 60, "and its amount");
	is_i64(take(ix, 60, NOW, &h2), AG_TAKE_DENIED, "second would pass the limit");
	ag_meter_settle(ag_metertab_at(&shm, ix), &h, 10, NOW);
	is_i64(take(ix, 60, NOW, &h2), AG_TAKE_OK, "after settling at 10 it fits");
	is_i64(state(ix, 0, NOW).used, 70, "used is settled and held");
	is_i64(state(ix, 0, NOW).settled, 10, "settled");
	is_i64(state(ix, 0, NOW).held, 60, "held");
	is_i64(state(ix, 31, NOW).fits_at_us, INT64_MAX, "without a period nothing comes back");
	ag_meter_release(ag_metertab_at(&shm, ix), &h2);
	is_i64(state(ix, 0, NOW).used, 10, "a released hold leaves nothing");
	is_i64(take(ix, 0, NOW, &h2), AG_TAKE_OK, "a hold of nothing is one");
	ag_meter_settle(ag_metertab_at(&shm, ix), &h2, 500, NOW);
	is_i64(state(ix, 0, NOW).used, 510, "what was used is charged, past the limit too");
	is_i64(state(ix, 0, NOW).remaining, 0, "nothing remains");
	is_i64(take(ix, 1, NOW, &h2), AG_TAKE_DENIED, "and nothing more is taken");
}

static void
limits_may_change_either_way(void)
{
	struct ag_meter_def def = budget(100, AG_PERIOD_NONE);
	uint32_t ix = fixture_meter(&shm, &def);
	struct ag_hold h, h2;

	is_i64(take(ix, 80, NOW, &h), AG_TAKE_OK, "80 of 100");
	def.limit = 10;
	fixture_meter(&shm, &def);
	is_i64(take(ix, 1, NOW, &h2), AG_TAKE_DENIED, "a limit below used refuses");
	is_i64(state(ix, 1, NOW).used, 80, "used was not touched");
	def.limit = INT64_MAX;
	fixture_meter(&shm, &def);
	is_i64(take(ix, INT64_MAX - 80, NOW, &h2), AG_TAKE_OK, "unlimited means all that can be counted");
	ag_meter_settle(ag_metertab_at(&shm, ix), &h, INT64_MAX, NOW);
	is_i64(state(ix, 1, NOW).used, INT64_MAX, "and then it stays there");
}

static void
periods_turn_and_charges_stay_where_they_were_admitted(void)
{
	struct ag_meter_def def = budget(100, AG_PERIOD_MONTHLY);
	uint32_t ix = fixture_meter(&shm, &def);
	struct ag_meter *m = ag_metertab_at(&shm, ix);
	int64_t dec = ag_civil_to_days(2026, 12, 1) * AG_US_PER_DAY;
	int64_t jan = ag_civil_to_days(2027, 1, 1) * AG_US_PER_DAY;
	struct ag_hold nov1, nov2, d, j;

	is_i64(take(ix, 90, dec - 1, &nov1), AG_TAKE_OK, "November");
	is_i64(state(ix, 20, dec - 1).fits_at_us, dec, "more fits in December");
	is_i64(take(ix, 90, dec, &d), AG_TAKE_OK, "December is empty");
	is_i64(take(ix, 90, dec - 1, &nov2), AG_TAKE_DENIED, "a late clock does not go back to November");
	ag_meter_settle(m, &nov1, 70, dec);
	is_i64(state(ix, 0, dec).used, 90, "November's charge is not December's");
	is_i64(ag_a64_get(&m->budget.account[nov1.period & 1].lo), 70, "it went to November");
	is_i64(take(ix, 90, jan, &j), AG_TAKE_OK, "January takes November's account");
	is_i64(state(ix, 0, jan).settled, 0, "with nothing settled");
	ag_meter_settle(m, &nov1, 50, jan);
	is_i64(state(ix, 0, jan).used, 90, "what comes for November now is too late");
	def.resets = 1;
	fixture_meter(&shm, &def);
	is_i64(state(ix, 0, jan).used, 0, "a reset begins a new account");
	is_i64(take(ix, 100, jan, &d), AG_TAKE_OK, "with all of the limit");
	def.period_kind = AG_PERIOD_WEEKLY;
	fixture_meter(&shm, &def);
	is_i64(take(ix, 100, jan + 8 * AG_US_PER_DAY, &d), AG_TAKE_OK, "a month may become a week");
}

static void
recovery_and_correction(void)
{
	struct ag_meter_def def = budget(100, AG_PERIOD_MONTHLY);
	uint32_t ix = fixture_meter(&shm, &def);
	struct ag_meter *m = ag_metertab_at(&shm, ix);
	int64_t period = state(ix, 0, NOW).period;
	struct ag_hold h;

	ag_metertab_restore(&shm, ix, period, 95);
	is_i64(state(ix, 0, NOW).settled, 95, "restored spend is settled");
	is_i64(take(ix, 6, NOW, &h), AG_TAKE_DENIED, "and binds");
	is_i64(take(ix, 5, NOW, &h), AG_TAKE_OK, "to the last nano-dollar");
	ok(!ag_meter_correct(m, period, 95, 1), "a moved account is not corrected");
	ok(ag_meter_correct(m, period, 100, 7), "one that stood still is");
	is_i64(state(ix, 0, NOW).used, 7, "to the truth");
	ag_metertab_restore(&shm, ix, period - 2, 50);
	is_i64(state(ix, 0, NOW).used, 7, "an older period is not restored over it");
}

static void
a_meter_that_is_gone_is_not_counted(void)
{
	struct ag_meter_def def = budget(100, AG_PERIOD_NONE);
	uint32_t ix = fixture_meter(&shm, &def), found;
	struct ag_hold h, h2;

	is_i64(take(ix, 1, NOW, &h), AG_TAKE_OK, "held");
	ag_metertab_free(&shm, ix);
	is_i64(take(ix, 1, NOW, &h2), AG_TAKE_GONE, "a freed meter takes nothing");
	ag_meter_settle(ag_metertab_at(&shm, ix), &h, 5, NOW);
	is_i64(ag_metertab_find(&shm, def.id, &found), -2, "and is not found");
}

static void
a_gauge_counts_what_is_open(void)
{
	struct ag_meter_def def = { .id = next_id++, .kind = AG_METER_GAUGE, .unit = AG_UNIT_REQUESTS,
		.level = AG_LEVEL_KEY, .limit = 2, .alert_at = INT64_MAX };
	uint32_t ix = fixture_meter(&shm, &def);
	struct ag_hold a, b, c;

	is_i64(take(ix, 1, NOW, &a), AG_TAKE_OK, "one");
	is_i64(take(ix, 1, NOW, &b), AG_TAKE_OK, "two");
	is_i64(take(ix, 1, NOW, &c), AG_TAKE_DENIED, "not three");
	ag_meter_settle(ag_metertab_at(&shm, ix), &a, 1, NOW);
	is_i64(take(ix, 1, NOW, &c), AG_TAKE_OK, "one ended, one begins");
	ag_meter_release(ag_metertab_at(&shm, ix), &b);
	ag_meter_release(ag_metertab_at(&shm, ix), &c);
	is_i64(state(ix, 1, NOW).used, 0, "all ended");
	is_i64(ag_a32_get(&ag_metertab_at(&shm, ix)->suspect), 0, "nothing is suspect");
}

int
main(void)
{
	shm = fixture_shm();
	settling_below_the_hold_frees_room();
	limits_may_change_either_way();
	periods_turn_and_charges_stay_where_they_were_admitted();
	recovery_and_correction();
	a_meter_that_is_gone_is_not_counted();
	a_gauge_counts_what_is_open();
	ag_shm_unmap(&shm);
	return done();
}
