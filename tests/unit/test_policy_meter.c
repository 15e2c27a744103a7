/* test_policy_meter.c - meters that come with their first use and go when nobody needs them. */
#include "limit/policy_meter.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "limit/holds.h"
#include "shm_fixture.h"
#include "tap.h"

#define NOW (INT64_C(1790000000) * 1000000)
#define DAY (INT64_C(86400) * 1000000)

static struct ag_shm shm;

static struct ag_meter_def
budget(int64_t n, int64_t limit)
{
	return (struct ag_meter_def){ .id = AG_METER_DERIVED + n, .kind = AG_METER_BUDGET,
		.unit = AG_UNIT_NUSD, .level = AG_LEVEL_POLICY, .limit = limit, .alert_at = INT64_MAX,
		.period_kind = AG_PERIOD_MONTHLY, .owner = 7, .name = AG_STR("metadata.user:ann") };
}

static struct ag_meter_def
rate(int64_t n, int64_t limit)
{
	return (struct ag_meter_def){ .id = AG_METER_DERIVED + n, .kind = AG_METER_RATE,
		.unit = AG_UNIT_REQUESTS, .level = AG_LEVEL_POLICY, .limit = limit,
		.alert_at = INT64_MAX, .window_us = 60000000, .owner = 8 };
}

static bool
none_gone(int64_t policy_id, void *arg)
{
	(void)arg;
	return policy_id == 99;
}

static size_t
evict(int64_t now_us)
{
	int64_t ids[64];

	return ag_policy_meters_evict(&shm, now_us, none_gone, NULL, ids, 64);
}

static uint32_t
use(const struct ag_meter_def *def)
{
	uint32_t ix = AG_NONE_IX;

	return ag_policy_meter_use(&shm, def, &ix) < 0 ? AG_NONE_IX : ix;
}

static bool
is_there(int64_t n)
{
	uint32_t ix;

	return ag_metertab_find(&shm, AG_METER_DERIVED + n, &ix) == 0;
}

/* A request that stands on the meter; its slot. */
static struct ag_inflight *
hold(uint32_t ix, int64_t nusd, int64_t now_us)
{
	struct ag_amounts a = { .nusd = nusd, .requests = 1 };
	uint32_t denied;

	for (uint32_t i = 0; i < shm.hdr->sizes.inflight; i++) {
		struct ag_inflight *slot = ag_shm_inflight(&shm, 0, i);

		if (ag_a32_get(&slot->state) != AG_INFLIGHT_FREE)
			continue;
		return ag_holds_take(&shm, slot, 1, &ix, 1, &a, now_us, &denied) == AG_TAKE_OK ? slot : NULL;
	}
	return NULL;
}

static void
the_first_use_makes_it_and_the_second_finds_it(void)
{
	struct ag_meter_def def = budget(1, 100);
	uint32_t ix = use(&def);
	struct ag_meter *m = ag_metertab_at(&shm, ix);

	is_i64(use(&def), ix, "the same");
	is_i64(ag_a32_get(&shm.hdr->policy_meters), 1, "one there is");
	is_i64(ag_a64_get(&m->policy.owner), 7, "its policy");
	ok(ag_a32_get(&m->budget.name_len) == def.name.n &&
	    memcmp(m->budget.name, def.name.p, def.name.n) == 0, "its name");
	def.limit = 200;
	is_i64(use(&def), ix, "another limit, the same meter");
	is_i64(ag_a64_get(&m->limit), 200, "which is as the policy says now");
	def.kind = AG_METER_GAUGE;
	is_i64(ag_policy_meter_use(&shm, &def, &ix), -EINVAL, "never another kind");
}

static void
many_at_once_make_one(void)
{
	struct ag_meter_def def = budget(2, 100);
	uint32_t before = ag_a32_get(&shm.hdr->policy_meters), ix;
	int bad = 0, status;

	for (int i = 0; i < 8; i++)
		if (fork() == 0) {
			for (int k = 0; k < 20; k++) {
				def.id = AG_METER_DERIVED + 2000 + k % 4;
				if (use(&def) == AG_NONE_IX)
					_exit(1);
			}
			_exit(0);
		}
	for (int i = 0; i < 8; i++)
		if (wait(&status) < 0 || status != 0)
			bad++;
	is_i64(bad, 0, "all were served");
	is_i64(ag_a32_get(&shm.hdr->policy_meters), before + 4, "four values, four meters");
	for (int k = 0; k < 4; k++)
		ok(ag_metertab_find(&shm, AG_METER_DERIVED + 2000 + k, &ix) == 0, "meter %d", k);
	is_i64((int64_t)evict(NOW), 5, "and go, unused, with the one before");
}

static void
spend_of_its_period_keeps_it_and_the_turn_lets_it_go(void)
{
	struct ag_meter_def def = budget(3, 100);
	uint32_t ix = use(&def);
	struct ag_hold h;

	ok(ag_meter_take(ag_metertab_at(&shm, ix), ix, 10, NOW, &h) == AG_TAKE_OK, "ten held");
	ag_meter_settle(ag_metertab_at(&shm, ix), &h, 4, NOW);
	is_i64((int64_t)evict(NOW), 0, "four spent: stays");
	is_i64((int64_t)evict(NOW + 40 * DAY), 1, "next month: goes");
	ok(!is_there(3), "gone");
	is_i64(ag_a32_get(&shm.hdr->policy_meters), 0, "and counted out");
}

static void
alerts_of_its_last_period_keep_it_until_they_are_told(void)
{
	struct ag_meter_def def = budget(10, 100);
	struct ag_meter *m;
	struct ag_hold h;
	uint32_t ix;

	def.alert_at = 5;
	ix = use(&def);
	m = ag_metertab_at(&shm, ix);
	ok(ag_meter_take(m, ix, 6, NOW, &h) == AG_TAKE_OK, "more than the threshold");
	ag_meter_settle(m, &h, 6, NOW);
	is_i64((int64_t)evict(NOW + 40 * DAY), 0, "next month: somebody is to be told of this one");
	ag_a64_set(&m->budget.told_period, h.period);
	is_i64((int64_t)evict(NOW + 40 * DAY), 1, "has been told: goes");
}

static void
a_budget_for_ever_stays_for_ever(void)
{
	struct ag_meter_def def = budget(4, 100);
	uint32_t ix;
	struct ag_hold h;

	def.period_kind = AG_PERIOD_NONE;
	ix = use(&def);
	ok(ag_meter_take(ag_metertab_at(&shm, ix), ix, 1, NOW, &h) == AG_TAKE_OK, "one held");
	ag_meter_settle(ag_metertab_at(&shm, ix), &h, 1, NOW);
	is_i64((int64_t)evict(NOW + 4000 * DAY), 0, "years later");
	ag_metertab_free(&shm, ix);
}

static void
what_was_reset_by_hand_stays(void)
{
	struct ag_meter_def def = budget(5, 100);
	uint32_t ix;

	def.resets = 1;
	ix = use(&def);
	is_i64((int64_t)evict(NOW), 0, "its number of resets must not be forgotten");
	ag_metertab_free(&shm, ix);
}

static void
a_request_in_flight_keeps_it(void)
{
	struct ag_meter_def def = rate(6, 5);
	uint32_t ix = use(&def);
	struct ag_inflight *slot = hold(ix, 0, NOW);

	ok(slot != NULL, "held");
	is_i64((int64_t)evict(NOW), 0, "the window is not empty");
	is_i64((int64_t)evict(NOW + 120000000), 0, "it is, but somebody stands on it");
	is_i64(ag_a64_get(&ag_metertab_at(&shm, ix)->limit), 5, "and it is open again");
	ag_holds_release(&shm, slot);
	is_i64((int64_t)evict(NOW + 120000000), 1, "nobody does: goes");
}

static void
a_hold_of_last_month_keeps_it(void)
{
	struct ag_meter_def def = budget(7, 100);
	uint32_t ix = use(&def);
	struct ag_inflight *slot = hold(ix, 9, NOW);

	is_i64((int64_t)evict(NOW + 40 * DAY), 0, "its charge is still to come");
	ag_holds_release(&shm, slot);
	is_i64((int64_t)evict(NOW + 40 * DAY), 1, "then it goes");
}

static void
a_closed_meter_refuses_and_the_next_use_opens_it(void)
{
	struct ag_meter_def def = budget(8, 100);
	uint32_t ix = use(&def);
	struct ag_meter *m = ag_metertab_at(&shm, ix);
	struct ag_hold h;

	ag_a64_set(&m->limit, AG_METER_CLOSED); /* as one leaves it who dies while evicting */
	is_i64(ag_meter_take(m, ix, 0, NOW, &h), AG_TAKE_DENIED, "refused, even nothing");
	ok(ag_policy_meter_is_going(m, def.id), "and one can tell why");
	is_i64(use(&def), ix, "used again");
	is_i64(ag_meter_take(m, ix, 100, NOW, &h), AG_TAKE_OK, "and open");
	ag_meter_release(m, &h);
	evict(NOW);
	ok(ag_policy_meter_is_going(m, def.id), "one that is gone is told too");
}

static void
meters_of_a_policy_that_is_no_more_go_with_what_they_count(void)
{
	struct ag_meter_def def = budget(9, 100);
	uint32_t ix;
	struct ag_inflight *slot;

	def.owner = 99;
	ix = use(&def);
	slot = hold(ix, 50, NOW);
	is_i64((int64_t)evict(NOW), 0, "not while it is held");
	ag_holds_release(&shm, slot);
	is_i64((int64_t)evict(NOW), 1, "then at once");
}

static void
policies_take_half_of_the_table_and_no_more(void)
{
	struct ag_meter_def def = rate(0, 5), plain = { .id = 5, .kind = AG_METER_RATE,
		.unit = AG_UNIT_REQUESTS, .level = AG_LEVEL_KEY, .limit = 5, .alert_at = INT64_MAX,
		.window_us = 60000000 };
	uint32_t room = shm.hdr->sizes.meters / 2, ix, made = 0;

	for (uint32_t i = 0; i < 2 * room; i++) {
		def.id = AG_METER_DERIVED + 10000 + i;
		made += ag_policy_meter_use(&shm, &def, &ix) == 0;
	}
	is_i64(made, room, "half of the table");
	is_i64(ag_policy_meter_use(&shm, &def, &ix), -ENOSPC, "then refused");
	def.id = AG_METER_DERIVED + 10000;
	is_i64(ag_policy_meter_use(&shm, &def, &ix), 0, "what is there is found");
	ok(fixture_meter(&shm, &plain) != AG_NONE_IX, "others have room");
	ag_a32_set(&shm.hdr->policy_meters, 3);
	is_i64((int64_t)evict(NOW), room, "all go");
	is_i64(ag_a32_get(&shm.hdr->policy_meters), 0, "and a wrong count is put right");
}

int
main(void)
{
	shm = fixture_shm();
	the_first_use_makes_it_and_the_second_finds_it();
	many_at_once_make_one();
	spend_of_its_period_keeps_it_and_the_turn_lets_it_go();
	alerts_of_its_last_period_keep_it_until_they_are_told();
	a_budget_for_ever_stays_for_ever();
	what_was_reset_by_hand_stays();
	a_request_in_flight_keeps_it();
	a_hold_of_last_month_keeps_it();
	a_closed_meter_refuses_and_the_next_use_opens_it();
	meters_of_a_policy_that_is_no_more_go_with_what_they_count();
	policies_take_half_of_the_table_and_no_more();
	ag_shm_unmap(&shm);
	return done();
}
