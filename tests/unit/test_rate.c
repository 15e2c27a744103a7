#include "base/clock.h"
#include "shm_fixture.h"
#include "tap.h"

#include <unistd.h>

#define NOW   (ag_civil_to_days(2026, 11, 23) * AG_US_PER_DAY)
#define SLICE (AG_US_PER_MIN / 16)

static struct ag_shm shm;
static int64_t next_id = 1;

static struct ag_meter_def
rate(int64_t limit, enum ag_unit unit)
{
	return (struct ag_meter_def){ .id = next_id++, .kind = AG_METER_RATE, .unit = unit,
		.level = AG_LEVEL_KEY, .limit = limit, .alert_at = INT64_MAX, .window_us = AG_US_PER_MIN };
}

/* Each take that is allowed tells what a reading right behind it tells. */
static enum ag_take
take(uint32_t ix, int64_t amount, int64_t now, struct ag_hold *h)
{
	struct ag_meter *m = ag_metertab_at(&shm, ix);
	struct ag_rate_left left = { .is_rate = false };
	struct ag_meter_state s;
	enum ag_take verdict = ag_meter_take_telling(m, ix, amount, now, h, &left);

	if (verdict != AG_TAKE_OK)
		return verdict;
	ag_meter_read(m, 0, now, &s);
	if (!left.is_rate || left.limit != s.limit || left.remaining != s.remaining ||
	    (amount > 0 && left.resets_at_us != s.resets_at_us))
		ok(false, "a take tells what a reading tells: amount %lld", (long long)amount);
	return verdict;
}

static struct ag_meter_state
state(uint32_t ix, int64_t want, int64_t now)
{
	struct ag_meter_state s;

	ag_meter_read(ag_metertab_at(&shm, ix), want, now, &s);
	return s;
}

static void
the_window_slides(void)
{
	struct ag_meter_def def = rate(3, AG_UNIT_REQUESTS);
	uint32_t ix = fixture_meter(&shm, &def);
	struct ag_hold h;

	is_i64(take(ix, 1, NOW, &h), AG_TAKE_OK, "first");
	is_i64(take(ix, 2, NOW + 5 * SLICE, &h), AG_TAKE_OK, "second and third");
	is_i64(take(ix, 1, NOW + 5 * SLICE, &h), AG_TAKE_DENIED, "no fourth");
	is_i64(state(ix, 1, NOW + 5 * SLICE).fits_at_us, NOW + 17 * SLICE, "the first leaves after a window");
	is_i64(state(ix, 2, NOW + 5 * SLICE).fits_at_us, NOW + 22 * SLICE, "two fit when the others left");
	is_i64(state(ix, 4, NOW).fits_at_us, INT64_MAX, "four never fit");
	is_i64(state(ix, 1, NOW + 5 * SLICE).used, 3, "three are used");
	is_i64(state(ix, 1, NOW + 5 * SLICE).resets_at_us, NOW + 22 * SLICE, "empty then");
	is_i64(take(ix, 1, NOW + 17 * SLICE - 1, &h), AG_TAKE_DENIED, "a moment too early");
	is_i64(take(ix, 1, NOW + 17 * SLICE, &h), AG_TAKE_OK, "now it fits");
	is_i64(take(ix, 3, NOW + 1000 * SLICE, &h), AG_TAKE_OK, "long after all fit");
	is_i64(take(ix, 1, NOW + 990 * SLICE, &h), AG_TAKE_DENIED, "a late clock finds the newest slice");
}

static void
a_late_clock_adds_to_the_newest_slice(void)
{
	struct ag_meter_def def = rate(10, AG_UNIT_TOKENS);
	uint32_t ix = fixture_meter(&shm, &def);
	struct ag_hold early, now, late;

	is_i64(take(ix, 1, NOW, &early), AG_TAKE_OK, "a slice with room");
	is_i64(take(ix, 8, NOW + 3 * SLICE, &now), AG_TAKE_OK, "a later one");
	is_i64(take(ix, 2, NOW, &late), AG_TAKE_DENIED, "who is late finds the room of now");
	is_i64(take(ix, 1, NOW, &late), AG_TAKE_OK, "and takes it");
	is_i64(late.period, now.period, "in the slice of now");
	is_i64(take(ix, 8, NOW + 18 * SLICE, &late), AG_TAKE_DENIED, "where it stays as long");
}

/* As left by who died after sealing the slice of now for the sake of the next, and before that was open. */
static void
a_sealed_slice_without_a_next_stops_nobody(void)
{
	struct ag_meter_def def = rate(10, AG_UNIT_TOKENS);
	uint32_t ix = fixture_meter(&shm, &def);
	struct ag_meter *m = ag_metertab_at(&shm, ix);
	struct ag_hold first, second;

	is_i64(take(ix, 4, NOW, &first), AG_TAKE_OK, "four");
	for (int i = 0; i < AG_RATE_BUCKETS; i++)
		if (ag_a64_get(&m->rate.bucket[i].hi) >> 1 == first.period)
			ag_a64_set(&m->rate.bucket[i].hi, first.period * 2 + 1);
	alarm(10); /* it would turn for ever */
	is_i64(take(ix, 6, NOW, &second), AG_TAKE_OK, "the rest, by a clock that has not moved");
	alarm(0);
	is_i64(second.period, first.period + 1, "in the next slice");
	is_i64(take(ix, 1, NOW + SLICE, &second), AG_TAKE_DENIED, "and no more than the rest");
}

static void
tokens_come_back_and_go_into_debt(void)
{
	struct ag_meter_def def = rate(1000, AG_UNIT_TOKENS);
	uint32_t ix = fixture_meter(&shm, &def);
	struct ag_meter *m = ag_metertab_at(&shm, ix);
	struct ag_hold a, b;

	is_i64(take(ix, 800, NOW, &a), AG_TAKE_OK, "estimate");
	is_i64(take(ix, 800, NOW + SLICE, &b), AG_TAKE_DENIED, "no room for two");
	ag_meter_settle(m, &a, 100, NOW + SLICE);
	is_i64(state(ix, 0, NOW + SLICE).used, 100, "the rest of the estimate came back");
	is_i64(take(ix, 800, NOW + SLICE, &b), AG_TAKE_OK, "now there is");
	ag_meter_settle(m, &b, 1900, NOW + 2 * SLICE);
	is_i64(state(ix, 0, NOW + 2 * SLICE).used, 2000, "what was used counts, past the limit too");
	is_i64(state(ix, 900, NOW + 2 * SLICE).fits_at_us, NOW + 19 * SLICE, "the debt is of its own slice");
	is_i64(take(ix, 1, NOW + 17 * SLICE, &b), AG_TAKE_DENIED, "in debt");
	is_i64(take(ix, 900, NOW + 19 * SLICE, &b), AG_TAKE_OK, "out of it");
	ag_meter_release(m, &b);
	is_i64(state(ix, 0, NOW + 19 * SLICE).used, 0, "a refused request consumes nothing");
	ag_meter_settle(m, &a, 0, NOW + 100 * SLICE);
	is_i64(state(ix, 0, NOW + 100 * SLICE).used, 0, "what left the window cannot come back");
}

static void
requests_stay_counted(void)
{
	struct ag_meter_def def = rate(1, AG_UNIT_REQUESTS);
	uint32_t ix = fixture_meter(&shm, &def);
	struct ag_hold h;

	is_i64(take(ix, 1, NOW, &h), AG_TAKE_OK, "one");
	ag_meter_settle(ag_metertab_at(&shm, ix), &h, 0, NOW);
	is_i64(take(ix, 1, NOW, &h), AG_TAKE_DENIED, "a settled request still counts");
}

static void
a_new_window_begins_empty(void)
{
	struct ag_meter_def def = rate(1, AG_UNIT_REQUESTS);
	uint32_t ix = fixture_meter(&shm, &def);
	struct ag_hold h;

	is_i64(take(ix, 1, NOW, &h), AG_TAKE_OK, "one a minute");
	def.window_us = AG_US_PER_HOUR;
	fixture_meter(&shm, &def);
	is_i64(take(ix, 1, NOW, &h), AG_TAKE_OK, "one an hour");
	is_i64(take(ix, 1, NOW + AG_US_PER_MIN * 2, &h), AG_TAKE_DENIED, "not more");
	is_i64(state(ix, 1, NOW).fits_at_us, NOW + 17 * AG_US_PER_HOUR / 16, "the wait is right");
	def.window_us = AG_US_PER_SEC;
	fixture_meter(&shm, &def);
	is_i64(take(ix, 1, NOW, &h), AG_TAKE_OK, "one a second");
	is_i64(take(ix, 1, NOW + 2 * AG_US_PER_SEC, &h), AG_TAKE_OK, "and another");
}

static void
nothing_is_allowed_by_a_limit_of_nothing(void)
{
	struct ag_meter_def def = rate(0, AG_UNIT_REQUESTS);
	uint32_t ix = fixture_meter(&shm, &def);
	struct ag_hold h;

	is_i64(take(ix, 1, NOW, &h), AG_TAKE_DENIED, "limit 0");
	is_i64(take(ix, 1, NOW + AG_US_PER_HOUR, &h), AG_TAKE_DENIED, "ever");
}

/* A naive model with every admission remembered; time and amounts from a fixed generator. */
static void
agrees_with_a_list_of_admissions(void)
{
	static struct { int64_t slice, amount; struct ag_hold hold; } log[20000];
	struct ag_meter_def def = rate(50, AG_UNIT_TOKENS);
	uint32_t ix = fixture_meter(&shm, &def);
	uint64_t seed = 12345;
	int64_t now = NOW;
	size_t n = 0, settled = 0;
	bool good = true;

	for (int i = 0; i < 20000 && good; i++) {
		int64_t amount, sum = 0, e;
		struct ag_hold h;
		enum ag_take got;

		seed = ag_mix64(seed + 1);
		now += (int64_t)(seed % 4 == 0 ? seed % (uint64_t)(3 * SLICE) : seed % 1000);
		if (seed % 997 == 0)
			now += 20 * SLICE;
		amount = (int64_t)(seed >> 20 & 15);
		e = now / SLICE;
		for (size_t k = n; k-- > 0 && log[k].slice >= e - 16;)
			sum += log[k].amount;
		got = take(ix, amount, now, &h);
		good = (got == AG_TAKE_OK) == (sum + amount <= 50);
		if (got == AG_TAKE_OK) {
			log[n].slice = e;
			log[n].hold = h;
			log[n++].amount = amount;
			sum += amount;
		}
		good = good && state(ix, 0, now).used == sum;
		/* One of the last forty cost less than it held, whatever slice it stands in by now. */
		if (n > 40 && seed >> 30 & 1) {
			size_t k = n - 1 - (seed >> 32) % 40;

			ag_meter_settle(ag_metertab_at(&shm, ix), &log[k].hold, log[k].amount / 2, now);
			log[k].amount /= 2;
			log[k].hold.amount = log[k].amount;
			settled++;
		}
	}
	ok(good && n > 1000 && settled > 1000,
	    "20000 steps as a list of all admissions says (%zu admitted, %zu lowered)", n, settled);
}

int
main(void)
{
	shm = fixture_shm();
	the_window_slides();
	a_late_clock_adds_to_the_newest_slice();
	a_sealed_slice_without_a_next_stops_nobody();
	tokens_come_back_and_go_into_debt();
	requests_stay_counted();
	a_new_window_begins_empty();
	nothing_is_allowed_by_a_limit_of_nothing();
	agrees_with_a_list_of_admissions();
	ag_shm_unmap(&shm);
	return done();
}
