/* budget.c - used <= limit over a calendar period.
 *
 * account[number & 1] = {hi = number of the period, lo = used}, changed only as a pair.  hi never
 * goes back: an account that belongs to a later period than the caller's clock says is the one
 * to use, and a closed period is never reopened.  settled[] beside it is for people: used alone
 * decides, so nothing bad follows from settled lagging behind for a moment, or from a death
 * between the two, but a `held` that is wrong until the reconciler comes by. */
#include "limit/algorithms.h"
#include "shm/crash_point.h"
#include "shm/metertab.h"

static int64_t
number_now(const struct ag_meter *m, int64_t now_us, int64_t *out_end_us)
{
	enum ag_period_kind kind = ag_a32_observe(&m->period_kind); /* before what belongs to it */
	int64_t start;

	return ag_period_number(kind, ag_meter_period_days(m), ag_a32_get(&m->anchor_day),
	    ag_a32_get(&m->resets), now_us, &start, out_end_us);
}

/* The later of what the clock says and what others have opened already. */
static int64_t
number_in_force(const struct ag_meter *m, int64_t by_clock)
{
	int64_t a = ag_a64_observe(&m->budget.account[0].hi);
	int64_t b = ag_a64_observe(&m->budget.account[1].hi);
	int64_t opened = a > b ? a : b;

	return opened > by_clock ? opened : by_clock;
}

/* The account of `period` was opened with this exchange: what was settled in the period before the
 * last goes.  Subtracted rather than zeroed, because others may already be settling anew. */
static void
settled_restart(struct ag_meter *m, int64_t period, int64_t old_settled)
{
	ag_a64_add(&m->budget.settled[period & 1], -old_settled);
}

static bool
has_room(int64_t used, int64_t limit, int64_t amount)
{
	return used <= limit && amount <= limit - used;
}

static bool
is_shadow(const struct ag_meter *m)
{
	return ag_meter_enforcement(m) == AG_ENFORCE_SHADOW;
}

enum ag_take
ag_budget_take(struct ag_meter *m, int64_t amount, int64_t least, int64_t now_us, int64_t *out_period,
    bool *out_would_refuse)
{
	int64_t end, by_clock = number_now(m, now_us, &end);

	for (;;) {
		int64_t period = number_in_force(m, by_clock);
		struct ag_a128 *account = &m->budget.account[period & 1];
		int64_t old_settled = ag_a64_get(&m->budget.settled[period & 1]);
		int64_t limit = ag_a64_get(&m->limit);
		struct ag_pair cur = ag_pair_read(account), want;
		bool is_stale = cur.hi < period;

		if (cur.hi > period)
			continue; /* opened since we looked: hi only grows, so this ends */
		want = (struct ag_pair){ .hi = period, .lo = is_stale ? 0 : cur.lo };
		/* Closed means about to go, in shadow too: the request must look for it again. */
		if (!has_room(want.lo, limit, amount) && (limit < 0 || !is_shadow(m)))
			return AG_TAKE_DENIED;
		*out_would_refuse = !has_room(want.lo, limit, least) && !has_room(want.lo, limit, amount);
		want.lo = ag_amount_add(want.lo, amount);
		AG_CRASH_POINT();
		if (!ag_a128_cas(account, cur, want))
			continue; /* somebody else got on */
		AG_CRASH_POINT();
		if (is_stale)
			settled_restart(m, period, old_settled);
		*out_period = period;
		return AG_TAKE_OK;
	}
}

/* used += actual - held in one exchange: at no instant is the hold gone and the cost not there.
 * False when the account belongs to a later period by now: nothing is changed. */
static bool
account_replace(struct ag_meter *m, const struct ag_hold *h, int64_t actual)
{
	struct ag_a128 *account = &m->budget.account[h->period & 1];

	for (;;) {
		struct ag_pair cur = ag_pair_read(account), want;

		if (cur.hi != h->period)
			return false;
		want = (struct ag_pair){
			.hi = cur.hi,
			.lo = ag_amount_add(ag_amount_sub(cur.lo, h->amount), actual),
		};
		AG_CRASH_POINT();
		if (!ag_a128_cas(account, cur, want))
			continue;
		AG_CRASH_POINT();
		if (cur.lo < h->amount)
			ag_a32_set(&m->suspect, 1); /* less there than we held: somebody died */
		return true;
	}
}

enum ag_take
ag_budget_raise(struct ag_meter *m, const struct ag_hold *h, int64_t by)
{
	struct ag_a128 *account = &m->budget.account[h->period & 1];

	for (;;) {
		struct ag_pair cur = ag_pair_read(account), want;

		if (cur.hi != h->period)
			return AG_TAKE_OK; /* two periods on: what it costs is counted nowhere any more */
		if (!has_room(cur.lo, ag_a64_get(&m->limit), by) && !is_shadow(m))
			return AG_TAKE_DENIED;
		want = (struct ag_pair){ .hi = cur.hi, .lo = ag_amount_add(cur.lo, by) };
		AG_CRASH_POINT();
		if (!ag_a128_cas(account, cur, want))
			continue;
		AG_CRASH_POINT();
		return AG_TAKE_OK;
	}
}

void
ag_budget_lower(struct ag_meter *m, const struct ag_hold *h, int64_t by)
{
	struct ag_hold part = *h;

	part.amount = by;
	account_replace(m, &part, 0);
}

void
ag_budget_settle(struct ag_meter *m, const struct ag_hold *h, int64_t actual)
{
	if (account_replace(m, h, actual))
		ag_a64_add(&m->budget.settled[h->period & 1], actual);
}

void
ag_budget_release(struct ag_meter *m, const struct ag_hold *h)
{
	account_replace(m, h, 0);
}

void
ag_budget_read(const struct ag_meter *m, int64_t want, int64_t now_us, struct ag_meter_state *out)
{
	int64_t end, period = number_in_force(m, number_now(m, now_us, &end));
	struct ag_pair cur = ag_pair_read(&m->budget.account[period & 1]);
	bool is_open = cur.hi == period;
	struct ag_meter_state s = { .limit = ag_a64_get(&m->limit), .period = period };

	s.used = is_open ? cur.lo : 0;
	s.settled = is_open ? ag_a64_get(&m->budget.settled[period & 1]) : 0;
	if (s.settled < 0)
		s.settled = 0;
	if (s.settled > s.used)
		s.settled = s.used;
	s.held = s.used - s.settled;
	s.remaining = ag_amount_sub(s.limit, s.used);
	s.resets_at_us = end;
	if (want <= s.remaining)
		s.fits_at_us = now_us;
	else
		s.fits_at_us = want <= s.limit ? end : INT64_MAX;
	*out = s;
}

bool
ag_meter_correct(struct ag_meter *m, int64_t period, int64_t seen_used, int64_t truth)
{
	if (ag_a32_observe(&m->kind) == AG_METER_GAUGE)
		return ag_a64_cas(&m->gauge.used, &seen_used, truth);
	if (ag_a32_observe(&m->kind) != AG_METER_BUDGET)
		return false;
	if (!ag_a128_cas(&m->budget.account[period & 1],
	        (struct ag_pair){ .hi = period, .lo = seen_used },
	        (struct ag_pair){ .hi = period, .lo = truth }))
		return false;
	ag_a64_set(&m->budget.settled[period & 1], truth);
	return true;
}
