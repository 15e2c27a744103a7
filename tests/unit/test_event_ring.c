/* The ring of events: what goes in comes out, a full one takes no more, damage costs what is damaged. */
#include "shm/event_ring.h"

#include <stdlib.h>

#include "shm/ring.h"
#include "tap.h"

static struct ag_event_area *area;

static struct ag_event_ring
fresh(void)
{
	struct ag_err err;

	ag_event_area_free(area);
	area = ag_event_area_new(2, 1, &err);
	if (!area)
		abort();
	return ag_event_ring_of(area, 1);
}

static bool
push(struct ag_event_ring *r, int64_t number, size_t path_bytes, bool has_record)
{
	static char path[1024];
	struct ag_event fixed = { .kind = AG_EVENT_REQUEST, .key_id = number };
	struct ag_record rec = { .cost_nusd = number };
	struct ag_str strs[AG_ES_COUNT] = { [AG_ES_PATH] = ag_str_n(path, path_bytes),
		[AG_ES_ERROR] = AG_STR("e") }, rec_strs[AG_RS_COUNT] = { [AG_RS_METADATA] = AG_STR("{}") };
	struct ag_event *e = ag_event_ring_reserve(r);

	memset(path, 'p', sizeof(path));
	if (!e)
		return false;
	ag_event_build(&fixed, strs, has_record ? &rec : NULL, rec_strs, e);
	ag_event_ring_commit(r, e);
	return true;
}

static void
an_event_keeps_its_parts(void)
{
	struct ag_event_ring r = fresh();
	uint64_t cursor = ag_event_ring_tail(&r);
	const struct ag_event *e;

	ok(ag_event_ring_peek(&r, &cursor) == NULL, "an empty ring has none");
	ok(push(&r, 7, 1000, true) && push(&r, 8, 0, false), "two go in");
	e = ag_event_ring_peek(&r, &cursor);
	if (!ok(e != NULL && e->key_id == 7, "the first comes out"))
		return;
	is_i64((int64_t)ag_event_string(e, AG_ES_PATH).n, AG_EVENT_TEXT_MAX, "a long text is cut");
	ok(ag_str_eq(ag_event_string(e, AG_ES_ERROR), AG_STR("e")), "the one behind it is whole");
	ok(ag_event_record(e) && ag_event_record(e)->cost_nusd == 7, "with its record");
	e = ag_event_ring_peek(&r, &cursor);
	ok(e && e->key_id == 8 && !ag_event_record(e), "the second without");
	ok(ag_event_ring_peek(&r, &cursor) == NULL, "and no third");
}

static void
all_come_out_in_order_round_and_round(void)
{
	struct ag_event_ring r = fresh();
	int64_t pushed = 0, seen = 0;
	bool is_good = true;

	for (int round = 0; round < 500; round++) {
		uint64_t cursor = ag_event_ring_tail(&r);
		const struct ag_event *e;

		for (int i = 0; i < 1 + round % 9; i++)
			pushed += push(&r, pushed, (size_t)(round * 37 % 600), round % 3 != 0);
		while ((e = ag_event_ring_peek(&r, &cursor)) != NULL)
			is_good = is_good && e->key_id == seen++;
		ag_event_ring_release(&r, cursor);
	}
	ok(is_good, "in order");
	is_i64(seen, pushed, "and none is missing");
	ok(pushed > 1000, "it went round");
}

static void
a_full_ring_takes_no_more_until_there_is_room(void)
{
	struct ag_event_ring r = fresh();
	uint64_t cursor = ag_event_ring_tail(&r);
	int64_t n = 0;

	while (push(&r, n, 512, true))
		n++;
	ok(n > 5, "some fit");
	ok(!push(&r, n, 0, false), "then even a small one is refused");
	for (int64_t i = 0; i < n; i++) {
		const struct ag_event *e = ag_event_ring_peek(&r, &cursor);

		if (!e || e->key_id != i)
			ok(false, "what was refused overwrote nothing");
	}
	ag_event_ring_release(&r, cursor);
	ok(push(&r, n, 512, true), "with room it takes again");
}

static void
a_producer_that_died_leaves_nothing(void)
{
	struct ag_event_ring r = fresh();
	uint64_t cursor = ag_event_ring_tail(&r);
	struct ag_event *e;

	push(&r, 1, 10, false);
	e = ag_event_ring_reserve(&r);
	memset(e, 0xff, 64);
	push(&r, 2, 10, false);
	ok(ag_event_ring_peek(&r, &cursor)->key_id == 1 && ag_event_ring_peek(&r, &cursor)->key_id == 2,
	    "its successor writes where it was");
}

static void
damage_is_skipped(void)
{
	struct ag_event_ring r = fresh();
	uint64_t cursor = ag_event_ring_tail(&r);
	bool is_good = true;

	push(&r, 1, 10, true);
	for (size_t i = 0; i < sizeof(struct ag_event); i++) {
		struct ag_event *e = (void *)r.data;
		uint8_t was = r.data[i];
		const struct ag_event *seen;

		cursor = 0;
		r.data[i] ^= 0x80;
		seen = ag_event_ring_peek(&r, &cursor);
		is_good = is_good && (!seen || (seen == e && seen->len <= AG_EVENT_MAX)) && cursor <= 65536;
		r.data[i] = was;
	}
	ok(is_good, "a flipped bit never leads out of the ring");
}

int
main(void)
{
	an_event_keeps_its_parts();
	all_come_out_in_order_round_and_round();
	a_full_ring_takes_no_more_until_there_is_room();
	a_producer_that_died_leaves_nothing();
	damage_is_skipped();
	ag_event_area_free(area);
	return done();
}
