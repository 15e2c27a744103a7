/* test_enforcement.c - budgets that hold less than the worst case, and those that only watch. */
#include "base/clock.h"
#include "limit/holds.h"
#include "limit/learned.h"
#include "shm_fixture.h"
#include "tap.h"

#define NOW INT64_C(1795392000000000)

static struct ag_shm shm;
static struct ag_ring ring;
static uint64_t cursor;
static int64_t next_id = 1;

static uint32_t
budget(int64_t limit, enum ag_unit unit, enum ag_enforcement mode, enum ag_exhaust on_exhaust)
{
	struct ag_meter_def def = { .id = next_id++, .kind = AG_METER_BUDGET, .unit = unit,
		.level = AG_LEVEL_KEY, .limit = limit, .alert_at = INT64_MAX, .enforcement = mode,
		.on_exhaust = on_exhaust };

	return fixture_meter(&shm, &def);
}

static struct ag_meter *
at(uint32_t ix)
{
	return ag_metertab_at(&shm, ix);
}

static int64_t
used(uint32_t ix)
{
	struct ag_meter_state s;

	ag_meter_read(at(ix), 0, NOW, &s);
	return s.used;
}

static enum ag_take
take(struct ag_inflight *slot, const struct ag_ask *ask, uint32_t n)
{
	struct ag_amounts worst = { .nusd = 1000, .tokens = 500, .requests = 1 };
	uint32_t denied;

	ag_a32_set(&ag_shm_proc(&shm, AG_PROC_WORKER(0))->slots_high, 8);
	return ag_holds_take_each(&shm, slot, 1, ask, n, &worst, NOW, &denied, NULL);
}

static void
sent(struct ag_inflight *slot)
{
	struct ag_record fixed = { .key_id = 3, .attempt = 1 };
	struct ag_str strs[AG_RS_COUNT] = { { 0 } };

	slot->draft_bytes = (uint32_t)ag_record_build(&fixed, NULL, 0, strs, slot->draft, AG_DRAFT_BYTES);
	ag_holds_sent(slot);
}

static void
finish(struct ag_inflight *slot, int64_t nusd)
{
	struct ag_record fixed = { .key_id = 3, .attempt = 1 };
	struct ag_str strs[AG_RS_COUNT] = { { 0 } };
	struct ag_amounts actual = { .nusd = nusd, .tokens = nusd / 2, .requests = 1 };

	is_i64(ag_holds_settle(&shm, &ring, slot, &fixed, strs, &actual, NOW), 0, "settled");
}

static const struct ag_record *
next_record(void)
{
	bool is_corrupt;

	return ag_ring_peek(&ring, &cursor, &is_corrupt);
}

static void
a_shadow_lets_all_through_and_knows_what_strict_had_refused(void)
{
	uint32_t ix = budget(1500, AG_UNIT_NUSD, AG_ENFORCE_SHADOW, 0);
	struct ag_inflight *a = ag_shm_inflight(&shm, 0, 0), *b = ag_shm_inflight(&shm, 0, 1),
	    *c = ag_shm_inflight(&shm, 0, 2);
	struct ag_ask ask = { .meter_ix = ix, .amount = 1000, .least = 400 };

	is_i64(take(a, &ask, 1), AG_TAKE_OK, "the first fits");
	is_i64(a->would_refuse, 0, "as strict would have found");
	is_i64(take(b, &ask, 1), AG_TAKE_OK, "the second does not");
	is_i64(b->would_refuse, 0, "but strict had fitted it: 500 are left, 400 would do");
	is_i64(used(ix), 2000, "what is held is held, limit or not");
	is_i64(take(c, &ask, 1), AG_TAKE_OK, "nor the third");
	is_i64(c->would_refuse, 1, "which strict had refused");
	ag_holds_release(&shm, a);
	ag_holds_release(&shm, b);
	sent(c);
	finish(c, 90);
	is_i64(used(ix), 90, "what is used is exact");
	ag_a32_set(&at(ix)->days_and_mode, AG_ENFORCE_STRICT << 16);
	ag_a64_set(&at(ix)->limit, 500);
	is_i64(take(a, &ask, 1), AG_TAKE_DENIED, "made strict it refuses at once");
	ag_a32_set(&at(ix)->days_and_mode, AG_ENFORCE_SHADOW << 16);
	ag_a64_set(&at(ix)->limit, AG_METER_CLOSED);
	is_i64(take(a, &ask, 1), AG_TAKE_DENIED, "one that is about to go is taken by nobody");
	(void)next_record();
}

static void
each_meter_holds_by_its_own_enforcement_and_grows_alone(void)
{
	uint32_t strict = budget(5000, AG_UNIT_NUSD, AG_ENFORCE_STRICT, 0);
	uint32_t money = budget(900, AG_UNIT_NUSD, AG_ENFORCE_ADAPTIVE, AG_EXHAUST_CUT);
	uint32_t tokens = budget(300, AG_UNIT_TOKENS, AG_ENFORCE_ADAPTIVE, AG_EXHAUST_FINISH);
	struct ag_inflight *slot = ag_shm_inflight(&shm, 0, 0);
	struct ag_ask ask[] = { { .meter_ix = strict, .amount = 1000 },
		{ .meter_ix = money, .is_adaptive = true, .amount = 200 },
		{ .meter_ix = tokens, .is_adaptive = true, .amount = 100 } };
	struct ag_amounts to = { .nusd = 400, .tokens = 200, .requests = 1 };
	uint32_t denied = 99;

	is_i64(take(slot, ask, 3), AG_TAKE_OK, "taken");
	is_i64(slot->adaptive, 6, "the second and third may grow");
	ok(used(strict) == 1000 && used(money) == 200 && used(tokens) == 100, "each holds its own");
	is_i64(ag_holds_bound(&shm, strict), 0, "strict cannot be passed");
	is_i64(ag_holds_bound(&shm, money), 200, "one that cuts by as much again as it holds");
	is_i64(ag_holds_bound(&shm, tokens), 400, "one that finishes by what the worst case is more");
	sent(slot);
	is_i64(ag_holds_raise(&shm, slot, 6, &to, &denied), AG_TAKE_OK, "more is held");
	ok(used(strict) == 1000 && used(money) == 400 && used(tokens) == 200, "of those two alone");
	is_i64(ag_holds_bound(&shm, tokens), 300, "and the bound has sunk");
	to = (struct ag_amounts){ .nusd = 800, .tokens = 400 };
	is_i64(ag_holds_raise(&shm, slot, 6, &to, &denied), AG_TAKE_DENIED, "the tokens have no room for more");
	is_i64(denied, 2, "they are named");
	ok(used(money) == 400 && used(tokens) == 200 && slot->holds[1].amount == 400, "and all is as it was");
	is_i64(ag_a32_get(&slot->raising), 0, "nothing is under way");
	is_i64(ag_holds_raise(&shm, slot, 2, &to, &denied), AG_TAKE_OK, "without them the money grows on");
	is_i64(used(money), 800, "to what was asked");
	is_i64(ag_holds_bound(&shm, money), 200, "no more than the worst case is left to come");
	finish(slot, 850);
	ok(used(strict) == 850 && used(money) == 850 && used(tokens) == 425, "all are charged what it cost");
	is_i64(ag_holds_bound(&shm, tokens), 0, "nothing is in flight");
	(void)next_record();
}

static void
what_a_dead_worker_sent_is_charged_what_each_meter_held(void)
{
	uint32_t strict = budget(5000, AG_UNIT_NUSD, AG_ENFORCE_STRICT, 0);
	uint32_t money = budget(900, AG_UNIT_NUSD, AG_ENFORCE_ADAPTIVE, AG_EXHAUST_CUT);
	struct ag_inflight *slot = ag_shm_inflight(&shm, 0, 0);
	struct ag_ask both[] = { { .meter_ix = money, .is_adaptive = true, .amount = 200 },
		{ .meter_ix = strict, .amount = 1000 } };
	struct ag_amounts to = { .nusd = 300 };
	const struct ag_record *rec;
	struct ag_sweep s;
	uint32_t denied;

	is_i64(take(slot, both, 2), AG_TAKE_OK, "taken");
	sent(slot);
	is_i64(ag_holds_raise(&shm, slot, 1, &to, &denied), AG_TAKE_OK, "raised");
	ag_holds_sweep(&shm, 0, NOW, &s);
	is_i64(s.charged, 1, "the worker died");
	ok(used(money) == 300 && used(strict) == 1000, "none passes its limit by that");
	rec = next_record();
	ok(rec && rec->charged_nusd == 1000 && rec->n_charges == 2 &&
	    ag_record_charges(rec)[0].amount + ag_record_charges(rec)[1].amount == 1300, "and it is recorded so");
}

static void
a_raise_in_doubt_errs_towards_refusing(void)
{
	uint32_t money = budget(900, AG_UNIT_NUSD, AG_ENFORCE_ADAPTIVE, AG_EXHAUST_CUT);
	struct ag_inflight *slot = ag_shm_inflight(&shm, 0, 0);
	struct ag_ask ask = { .meter_ix = money, .is_adaptive = true, .amount = 200 };
	struct ag_sweep s;

	is_i64(take(slot, &ask, 1), AG_TAKE_OK, "taken");
	sent(slot);
	slot->raise_from = 200;
	slot->raise_to = 300;
	ag_a32_set(&slot->raising, 1); /* it died here, or behind the meter */
	is_i64(ag_meter_raise(at(money), &slot->holds[0], 100), AG_TAKE_OK, "say behind");
	ag_holds_sweep(&shm, 0, NOW, &s);
	is_i64(s.suspect, 1, "one in doubt");
	is_i64(used(money), 300, "what may be held is kept");
	ok(ag_a32_get(&at(money)->suspect) == 1 && next_record() != NULL, "and marked");
}

static void
a_raise_belongs_to_the_period_of_the_admission(void)
{
	struct ag_meter_def def = { .id = next_id++, .kind = AG_METER_BUDGET, .unit = AG_UNIT_NUSD,
		.level = AG_LEVEL_KEY, .limit = 1000, .alert_at = INT64_MAX, .period_kind = AG_PERIOD_DAYS,
		.period_days = 1, .enforcement = AG_ENFORCE_ADAPTIVE };
	uint32_t ix = fixture_meter(&shm, &def);
	struct ag_meter_state s;
	struct ag_hold old, fresh;
	int64_t day = AG_US_PER_DAY;

	is_i64(ag_meter_take(at(ix), ix, 600, NOW, &old), AG_TAKE_OK, "today");
	is_i64(ag_meter_take(at(ix), ix, 900, NOW + day, &fresh), AG_TAKE_OK, "tomorrow");
	is_i64(ag_meter_raise(at(ix), &old, 400), AG_TAKE_OK, "today's has room");
	is_i64(ag_meter_raise(at(ix), &old, 1), AG_TAKE_DENIED, "and then none");
	ag_meter_read(at(ix), 0, NOW + day, &s);
	is_i64(s.used, 900, "tomorrow's is not touched");
	is_i64(ag_meter_take(at(ix), ix, 1, NOW + 2 * day, &fresh), AG_TAKE_OK, "the day after");
	is_i64(ag_meter_raise(at(ix), &old, 1), AG_TAKE_OK, "nobody counts today any more");
	ag_meter_read(at(ix), 0, NOW + 2 * day, &s);
	is_i64(s.used, 1, "nor is that touched");
}

static void
quantiles_are_learned_and_fade(void)
{
	int64_t tag = ag_learned_tag(1, AG_STR("openai"), AG_STR("gpt-4.1"));
	uint64_t q = 0;

	ok(tag != 0 && tag != ag_learned_tag(2, AG_STR("openai"), AG_STR("gpt-4.1")) &&
	    tag != ag_learned_tag(1, AG_STR("openai"), AG_STR("gpt-4.1-mini")), "key and model tell apart");
	ok(!ag_learned_quantile(&shm, tag, 950, 20, &q), "nothing is known");
	for (int i = 0; i < 19; i++)
		ag_learned_add(&shm, tag, 200, NOW);
	ok(!ag_learned_quantile(&shm, tag, 950, 20, &q), "of nineteen not enough");
	ag_learned_add(&shm, tag, 30000, NOW);
	ok(ag_learned_quantile(&shm, tag, 950, 20, &q), "of twenty it is");
	ok(q >= 200 && q < 256, "19 of 20 took no more than %llu", (unsigned long long)q);
	ok(ag_learned_quantile(&shm, tag, 990, 20, &q) && q >= 30000 && q < 38000, "but one took %llu",
	    (unsigned long long)q);
	for (int i = 0; i < 4000; i++)
		ag_learned_add(&shm, tag, 3000, NOW);
	ok(ag_learned_quantile(&shm, tag, 950, 20, &q) && q >= 3000 && q < 3600, "habits change: %llu",
	    (unsigned long long)q);
	ok(ag_learned_quantile(&shm, tag, 1, 1, &q) && q >= 3000, "and what was long ago is forgotten");
	for (uint64_t v = 0; v < 5000000; v = v * 5 / 4 + 1) {
		int64_t one = ag_learned_tag((int64_t)v + 100, AG_STR("x"), AG_STR("y"));

		ag_learned_add(&shm, one, v, NOW);
		if (!ag_learned_quantile(&shm, one, 500, 1, &q) || q < v || q > v + v / 4 + 1)
			ok(false, "%llu is told as %llu", (unsigned long long)v, (unsigned long long)q);
	}
	for (int64_t k = 0; k < 20000; k++)
		ag_learned_add(&shm, ag_learned_tag(k, AG_STR("a"), AG_STR("b")), 5, NOW + AG_US_PER_SEC);
	ok(!ag_learned_quantile(&shm, tag, 950, 1, &q), "the table is bounded: what was used long ago goes");
}

int
main(void)
{
	shm = fixture_shm();
	ring = ag_ring_of(&shm, 0);
	a_shadow_lets_all_through_and_knows_what_strict_had_refused();
	each_meter_holds_by_its_own_enforcement_and_grows_alone();
	what_a_dead_worker_sent_is_charged_what_each_meter_held();
	a_raise_in_doubt_errs_towards_refusing();
	a_raise_belongs_to_the_period_of_the_admission();
	quantiles_are_learned_and_fade();
	ag_shm_unmap(&shm);
	return done();
}
