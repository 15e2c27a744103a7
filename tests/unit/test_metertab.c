#include <errno.h>
#include <sys/wait.h>

#include "shm_fixture.h"
#include "tap.h"

static struct ag_shm shm;

static struct ag_meter_def
def_of(int64_t id)
{
	return (struct ag_meter_def){ .id = id, .kind = AG_METER_BUDGET, .unit = AG_UNIT_NUSD,
		.level = AG_LEVEL_ORG, .limit = 100 + id, .alert_at = 50 };
}

static int
put(int64_t id, uint32_t *ix, bool *is_new)
{
	struct ag_meter_def def = def_of(id);

	return ag_metertab_put(&shm, &def, ix, is_new);
}

static bool
is_walked(const struct ag_shm *s, uint32_t wanted)
{
	uint32_t from, to;

	return ag_metertab_next_run(s, wanted, &from, &to) && from == wanted;
}

static void
meters_are_made_found_and_changed(void)
{
	struct ag_meter_def def = def_of(5);
	uint32_t ix, again;
	bool is_new;

	is_i64(ag_metertab_find(&shm, 5, &ix), -ENOENT, "not there");
	is_i64(put(5, &ix, &is_new), 0, "made");
	ok(is_new, "new");
	is_i64(ag_metertab_find(&shm, 5, &again), 0, "found");
	is_i64(again, ix, "where it was made");
	ag_metertab_restore(&shm, ix, 1, 33);
	def.limit = 7;
	is_i64(ag_metertab_put(&shm, &def, &again, &is_new), 0, "changed");
	ok(!is_new && again == ix, "in its place");
	is_i64(ag_a64_get(&shm.meters[ix].limit), 7, "the limit is new");
	is_i64(ag_a64_get(&shm.meters[ix].budget.account[1].lo), 33, "its spend is not touched");
	def.unit = AG_UNIT_TOKENS;
	is_i64(ag_metertab_put(&shm, &def, &again, &is_new), -EINVAL, "another unit is another meter");
	def = (struct ag_meter_def){ .id = 6, .kind = AG_METER_RATE, .unit = AG_UNIT_REQUESTS,
		.window_us = 1000001 };
	is_i64(ag_metertab_put(&shm, &def, &again, &is_new), -EINVAL, "a window of odd length");
	is_i64(ag_metertab_find(&shm, -1, &again), -ENOENT, "ids are positive");
}

static void
a_freed_slot_rests_until_nobody_holds_it(void)
{
	struct ag_inflight *slot = ag_shm_inflight(&shm, 1, 3);
	uint32_t ix = 0;
	bool is_new;

	is_i64(ag_metertab_find(&shm, 5, &ix), 0, "a meter with spend");
	slot->holds[0] = (struct ag_hold){ .meter_id = 5, .meter_ix = ix };
	ag_a32_set(&slot->n_holds, 1);
	ag_a32_set(&slot->state, AG_INFLIGHT_SENT);
	ag_metertab_free(&shm, ix);
	is_i64(ag_metertab_sweep_freed(&shm), 0, "held: not released");
	is_i64(ag_metertab_sweep_freed(&shm), 0, "however often");
	ag_a32_set(&slot->state, AG_INFLIGHT_FREE);
	is_i64(ag_metertab_sweep_freed(&shm), 0, "one sweep of rest");
	ok(is_walked(&shm, ix), "walks meet it until then");
	is_i64(ag_metertab_sweep_freed(&shm), 1, "then released");
	ok(!is_walked(&shm, ix), "and no longer when it is");
	is_i64(ag_metertab_sweep_freed(&shm), 0, "once");
	is_i64(put(5, &ix, &is_new), 0, "claimed again");
	ok(is_new, "as a new one");
	ok(is_walked(&shm, ix), "which walks meet again");
	is_i64(ag_a64_get(&shm.meters[ix].budget.account[1].lo), 0, "without the old one's spend");
}

static void
a_maker_who_died_half_way_is_helped(void)
{
	uint32_t ix = 0, again;
	bool is_new;

	is_i64(ag_metertab_find(&shm, 5, &ix), 0, "a meter");
	ag_a32_set(&shm.meters[ix].kind, AG_METER_FREE); /* died before he published the kind */
	is_i64(ag_metertab_find(&shm, 5, &again), -ENOENT, "is not found half made");
	is_i64(put(5, &again, &is_new), 0, "is made by the next");
	ok(again == ix && is_new, "in the same place");
}

static void
the_table_fills_and_refuses(void)
{
	uint32_t ix;
	bool is_new;
	int rc = 0;
	int64_t id;

	for (id = 100; rc == 0; id++)
		rc = put(id, &ix, &is_new);
	is_i64(rc, -ENOSPC, "full");
	is_i64(id - 1, 163, "63 and the one before");
	is_i64(ag_metertab_find(&shm, 9999, &ix), -ENOENT, "looking for what is not there ends");
	is_i64(ag_metertab_find(&shm, 130, &ix), 0, "what is there is found");
	ag_metertab_free(&shm, ix);
	ag_metertab_sweep_freed(&shm);
	ag_metertab_sweep_freed(&shm);
	is_i64(put(9999, &ix, &is_new), 0, "a freed place is taken");
}

static void
racing_makers_make_one(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();
	int children = 4, bad = 0, seen = 0;
	uint32_t ix;

	ag_shm_unmap(&shm);
	sizes.meters = 1024;
	shm = fixture_open(&sizes);
	for (int c = 0; c < children; c++) {
		if (fork() != 0)
			continue;
		for (int64_t id = 1; id <= 700; id++) {
			bool is_new;

			if (put(id, &ix, &is_new) < 0 || ag_a64_get(&shm.meters[ix].id) != id)
				_exit(1);
		}
		_exit(0);
	}
	for (int c = 0; c < children; c++) {
		int status;

		wait(&status);
		bad += status != 0;
	}
	for (ix = 0; ix < 1024; ix++)
		seen += ag_a64_get(&shm.meters[ix].id) > 0;
	is_i64(bad, 0, "four processes make the same meters");
	is_i64(seen, 700, "each exists once");
	for (struct ag_meter_walk walk = { 0 }; ag_metertab_walk(&shm, &walk, &ix);)
		seen -= ag_a64_get(&shm.meters[ix].id) > 0;
	is_i64(seen, 0, "and is met by a walk");
}

/* Three meters in a table of some thousand: a walk tells each, and leaves alone what has none. */
static void
a_walk_keeps_to_the_meters(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();
	struct ag_shm big;
	uint32_t ix, n_slots = 0, n_meters = 0;

	sizes.meters = 16384;
	big = fixture_open(&sizes);
	for (int64_t id = 1; id <= 3; id++) {
		struct ag_meter_def def = def_of(id);
		bool is_new;

		ok(ag_metertab_put(&big, &def, &ix, &is_new) == 0 && is_new, "a meter");
	}
	for (int round = 0; round < 2; round++) {
		struct ag_meter_walk walk = { 0 };

		n_slots = n_meters = 0;
		for (; ag_metertab_walk(&big, &walk, &ix); n_slots++)
			n_meters += ag_a64_get(&big.meters[ix].id) > 0;
		is_i64(n_meters, 3, "all meters");
		is_i64(n_slots, 3, "and nothing beside them");
		ok(ag_metertab_walk(&big, &walk, &ix), "behind the end it begins anew");
	}
	ag_shm_unmap(&big);
}

/* First and last slots of words, of tables smaller than a word, and runs across words. */
static void
a_walk_finds_what_lies_at_the_edges(void)
{
	static const uint32_t meters[] = { 16, 64, 128, 4096 };

	for (size_t i = 0; i < AG_ARRAY_LEN(meters); i++) {
		struct ag_shm_sizes sizes = fixture_sizes();
		uint32_t n = sizes.meters = meters[i], from = 0, to = 0;
		struct ag_shm s = fixture_open(&sizes);
		struct ag_a64 *last = &s.meter_bits[(n - 1) / 64];

		ok(!ag_metertab_next_run(&s, 0, &from, &to), "%u slots: none", n);
		ag_a64_set(last, (int64_t)(UINT64_C(1) << (n - 1) % 64));
		ok(ag_metertab_next_run(&s, 0, &from, &to) && from == n - 1 && to == n, "the last");
		ok(!ag_metertab_next_run(&s, to, &from, &to), "and nothing behind it");
		for (uint32_t w = 0; w < (n + 63) / 64; w++)
			ag_a64_set(&s.meter_bits[w], -1);
		ok(ag_metertab_next_run(&s, 0, &from, &to) && from == 0 && to == n, "all");
		ok(ag_metertab_next_run(&s, n - 1, &from, &to) && from == n - 1 && to == n, "their rest");
		ag_a64_set(&s.meter_bits[0], 0x7ffe);
		ok(ag_metertab_next_run(&s, 0, &from, &to) && from == 1 && to == 15, "a run within");
		ok(ag_metertab_next_run(&s, 15, &from, &to) == (n > 64) && (n <= 64 || from == 64),
		    "and what comes next");
		ag_shm_unmap(&s);
	}
}

/* The segment is what knows of its meters: who maps it anew finds them. */
static void
walks_go_on_after_a_restart(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();
	struct ag_meter_def def = def_of(5);
	struct ag_shm s;
	struct ag_err err;
	uint32_t ix;
	bool is_new;

	is_i64(ag_shm_open(fixture_name(), &sizes, false, &s, &is_new, &err), 0, "a segment");
	is_i64(ag_metertab_put(&s, &def, &ix, &is_new), 0, "a meter");
	ag_shm_unmap(&s);
	is_i64(ag_shm_open(fixture_name(), &sizes, false, &s, &is_new, &err), 0, "attached again");
	ok(!is_new && is_walked(&s, ix), "the meter is met");
	s.hdr->meter_bits_off += 64;
	ag_shm_unmap(&s);
	is_i64(ag_shm_attach(fixture_name(), &s, &err), -EPROTO, "bits that lie elsewhere are damage");
	ag_shm_unlink(fixture_name());
}

int
main(void)
{
	a_walk_keeps_to_the_meters();
	a_walk_finds_what_lies_at_the_edges();
	shm = fixture_shm();
	meters_are_made_found_and_changed();
	a_freed_slot_rests_until_nobody_holds_it();
	a_maker_who_died_half_way_is_helped();
	the_table_fills_and_refuses();
	racing_makers_make_one();
	walks_go_on_after_a_restart();
	ag_shm_unmap(&shm);
	return done();
}
