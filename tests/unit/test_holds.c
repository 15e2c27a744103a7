#include <errno.h>

#include "limit/holds.h"
#include "shm_fixture.h"
#include "tap.h"

#define NOW INT64_C(1795392000000000)

static struct ag_shm shm;
static struct ag_ring ring;
static uint32_t usd, rpm, tpm, gauge;
static uint64_t cursor;

static const struct ag_record *
next_record(void)
{
	bool is_corrupt;

	return ag_ring_peek(&ring, &cursor, &is_corrupt);
}

static int64_t
used(uint32_t ix)
{
	struct ag_meter_state s;

	ag_meter_read(ag_metertab_at(&shm, ix), 0, NOW, &s);
	return s.used;
}

static void
make_meters(void)
{
	struct ag_meter_def def = { .id = 1, .kind = AG_METER_BUDGET, .unit = AG_UNIT_NUSD,
		.limit = 1000, .alert_at = INT64_MAX };

	usd = fixture_meter(&shm, &def);
	def.id = 2;
	def.kind = AG_METER_RATE;
	def.unit = AG_UNIT_REQUESTS;
	def.window_us = 60000000;
	def.limit = 100;
	rpm = fixture_meter(&shm, &def);
	def.id = 3;
	def.unit = AG_UNIT_TOKENS;
	tpm = fixture_meter(&shm, &def);
	def.id = 4;
	def.kind = AG_METER_GAUGE;
	def.unit = AG_UNIT_REQUESTS;
	gauge = fixture_meter(&shm, &def);
}

static struct ag_amounts
amounts(int64_t nusd, int64_t tokens)
{
	return (struct ag_amounts){ .nusd = nusd, .tokens = tokens, .requests = 1 };
}

static enum ag_take
take(struct ag_inflight *slot, int64_t nusd, int64_t tokens, uint32_t *denied)
{
	uint32_t meters[] = { usd, rpm, gauge, tpm, usd };
	struct ag_amounts a = amounts(nusd, tokens);

	return ag_holds_take(&shm, slot, 1, meters, 5, &a, NOW, denied);
}

static void
draft(struct ag_inflight *slot, int64_t key_id)
{
	struct ag_record fixed = { .key_id = key_id, .attempt = 1, .outcome = AG_OUT_ANSWERED };
	struct ag_str strs[AG_RS_COUNT] = { [AG_RS_PROVIDER] = AG_STR("openai") };

	slot->draft_bytes = (uint32_t)ag_record_build(&fixed, NULL, 0, strs, slot->draft, AG_DRAFT_BYTES);
}

static void
all_or_nothing(void)
{
	struct ag_inflight *slot = ag_shm_inflight(&shm, 0, 0);
	uint32_t denied = 99;

	is_i64(take(slot, 100, 101, &denied), AG_TAKE_DENIED, "the fourth refuses");
	is_i64(denied, 3, "and is named");
	is_i64(ag_a32_get(&slot->state), AG_INFLIGHT_FREE, "the slot is free");
	ok(used(usd) == 0 && used(rpm) == 0 && used(tpm) == 0 && used(gauge) == 0, "nothing is held");
	is_i64(take(slot, 100, 40, &denied), AG_TAKE_OK, "all four agree");
	ok(used(usd) == 100 && used(rpm) == 1 && used(tpm) == 40 && used(gauge) == 1,
	    "each is held once, in its unit");
	ag_holds_release(&shm, slot);
	ok(used(usd) == 0 && used(rpm) == 0 && used(tpm) == 0 && used(gauge) == 0, "all came back");
	is_i64(ag_a32_get(&slot->state), AG_INFLIGHT_FREE, "the slot is free");
}

static void
settled_and_recorded(void)
{
	struct ag_inflight *slot = ag_shm_inflight(&shm, 0, 0);
	struct ag_record fixed = { .key_id = 42, .attempt = 2, .outcome = AG_OUT_ANSWERED };
	struct ag_str strs[AG_RS_COUNT] = { [AG_RS_PROVIDER] = AG_STR("openai") };
	struct ag_amounts actual = amounts(30, 12);
	const struct ag_record *rec;
	uint32_t denied;

	is_i64(take(slot, 100, 40, &denied), AG_TAKE_OK, "taken");
	draft(slot, 42);
	ag_holds_sent(slot);
	is_i64(ag_holds_record_attempt(&ring, slot, &fixed, strs), 0, "a failed attempt is recorded");
	is_i64(ag_a32_get(&slot->state), AG_INFLIGHT_HELD, "and the next may be sent");
	rec = next_record();
	ok(rec && rec->n_charges == 0 && rec->key_id == 42, "it charged nothing");
	is_i64(used(usd), 100, "the holds stand");
	draft(slot, 42);
	ag_holds_sent(slot);
	is_i64(ag_holds_settle(&shm, &ring, slot, &fixed, strs, &actual, NOW), 0, "settled");
	rec = next_record();
	ok(rec && rec->seq == 2 && fixed.seq == 2, "the record has the next number");
	ok(rec && rec->n_charges == 1 && ag_record_charges(rec)->meter_id == 1 &&
	    ag_record_charges(rec)->amount == 30, "one charge, for the budget");
	ok(used(usd) == 30 && used(rpm) == 1 && used(tpm) == 12 && used(gauge) == 0, "each meter settled");
	is_i64(ag_a32_get(&slot->state), AG_INFLIGHT_FREE, "the slot is free");
	ok(next_record() == NULL, "nothing else was recorded");
}

static void
meters_that_are_gone_are_left_out(void)
{
	struct ag_inflight *slot = ag_shm_inflight(&shm, 0, 1);
	struct ag_meter_def def = { .id = 9, .kind = AG_METER_BUDGET, .unit = AG_UNIT_NUSD, .limit = 5 };
	uint32_t gone = fixture_meter(&shm, &def), meters[2], denied;
	struct ag_amounts a = amounts(10, 0);

	ag_metertab_free(&shm, gone);
	meters[0] = gone;
	meters[1] = usd;
	is_i64(ag_holds_take(&shm, slot, 1, meters, 2, &a, NOW, &denied), AG_TAKE_OK, "taken");
	is_i64(ag_a32_get(&slot->n_holds), 1, "one hold");
	ag_holds_release(&shm, slot);
}

static void
a_successor_sweeps(void)
{
	struct ag_inflight *held = ag_shm_inflight(&shm, 0, 2), *sent = ag_shm_inflight(&shm, 0, 3);
	int64_t before = used(usd);
	struct ag_sweep s;
	const struct ag_record *rec;
	uint32_t denied;

	is_i64(take(held, 200, 1, &denied), AG_TAKE_OK, "one is held");
	is_i64(take(sent, 300, 1, &denied), AG_TAKE_OK, "one is");
	draft(sent, 77);
	ag_holds_sent(sent);
	ok(true, "sent, and the worker dies");
	ag_holds_sweep(&shm, 0, NOW, &s);
	is_i64(s.returned, 1, "one returned");
	is_i64(s.charged, 1, "one charged");
	is_i64((int64_t)s.suspect, 0, "nothing in doubt");
	is_i64(used(usd), before + 300, "the hold of what was sent is charged");
	is_i64(used(gauge), 0, "nobody is open");
	rec = next_record();
	ok(rec && rec->key_id == 77 && rec->outcome == AG_OUT_WORKER_DIED &&
	    rec->usage.source == AG_USAGE_UNKNOWN && rec->finished_at_us == NOW, "and recorded as what it is");
	ok(rec && rec->charged_nusd == 300 && rec->n_charges == 1 &&
	    ag_record_charges(rec)->amount == 300, "with its charge");
	ok(rec && ag_str_eq(ag_record_string(rec, AG_RS_PROVIDER), AG_STR("openai")), "and its names");
	ag_holds_sweep(&shm, 0, NOW, &s);
	ok(s.returned + s.charged + s.finished == 0 && next_record() == NULL, "a second sweep finds nothing");
}

static void
a_hold_in_doubt_is_kept(void)
{
	struct ag_inflight *slot = ag_shm_inflight(&shm, 0, 4);
	int64_t before = used(usd);
	struct ag_sweep s;
	uint32_t denied;

	is_i64(take(slot, 10, 1, &denied), AG_TAKE_OK, "held");
	ag_a32_set(&slot->state, AG_INFLIGHT_TAKING); /* as if it died after the first exchange */
	ag_a32_set(&slot->progress, 0);
	ag_a32_set(&slot->n_holds, 1);
	ag_holds_sweep(&shm, 0, NOW, &s);
	is_i64(s.suspect, 1, "one in doubt");
	is_i64(used(usd), before + 10, "is not given back");
	is_i64(ag_a32_get(&ag_metertab_at(&shm, usd)->suspect), 1, "and marked");
}

static void
a_full_ring_keeps_the_request(void)
{
	struct ag_inflight *slot = ag_shm_inflight(&shm, 0, 5);
	struct ag_record fixed = { .key_id = 1 };
	struct ag_str strs[AG_RS_COUNT] = { { 0 } };
	uint8_t filler[AG_RECORD_MAX] AG_ALIGNED(8);
	struct ag_amounts actual = amounts(1, 1);
	struct ag_sweep s;
	uint32_t denied;

	ag_record_build(&fixed, NULL, 0, strs, filler, sizeof(filler));
	while (ag_ring_push(&ring, (const void *)filler) == 0)
		;
	is_i64(take(slot, 10, 1, &denied), AG_TAKE_OK, "held");
	draft(slot, 5);
	ag_holds_sent(slot);
	is_i64(ag_holds_settle(&shm, &ring, slot, &fixed, strs, &actual, NOW), -ENOSPC, "no room");
	is_i64(ag_a32_get(&slot->state), AG_INFLIGHT_SENT, "nothing was done");
	ag_holds_sweep(&shm, 0, NOW, &s);
	is_i64(s.waiting, 1, "nor can the sweep");
	while (next_record())
		;
	ag_ring_release(&ring, cursor, ag_ring_next_seq(&ring) - 1);
	ag_holds_sweep(&shm, 0, NOW, &s);
	is_i64(s.charged, 1, "until there is room");
}

int
main(void)
{
	shm = fixture_shm();
	ring = ag_ring_of(&shm, 0);
	make_meters();
	all_or_nothing();
	settled_and_recorded();
	meters_that_are_gone_are_left_out();
	a_successor_sweeps();
	a_hold_in_doubt_is_kept();
	a_full_ring_keeps_the_request();
	ag_shm_unmap(&shm);
	return done();
}
