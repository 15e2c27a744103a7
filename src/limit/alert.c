#include "limit/alert.h"

#include "base/hash.h"
#include "limit/algorithms.h"

/* Period and limit in one word, so that they are written together; never 0. */
static int64_t
refusal_mark(int64_t period, int64_t limit)
{
	return (int64_t)(ag_mix64((uint64_t)period) ^ ag_mix64(~(uint64_t)limit)) | 1;
}

static bool
was_refused(const struct ag_meter *m, int64_t period, int64_t limit)
{
	return ag_a64_get(&m->budget.refused) == refusal_mark(period, limit);
}

static bool
is_half_spent(int64_t settled, int64_t limit)
{
	return settled >= limit - settled;
}

static bool
is_used_up(const struct ag_meter *m, int64_t period, int64_t settled, int64_t limit)
{
	if (limit == INT64_MAX || limit < 0)
		return false; /* none, or about to go */
	return settled >= limit || (is_half_spent(settled, limit) && was_refused(m, period, limit));
}

bool
ag_budget_is_exhausted(const struct ag_meter *m, const struct ag_meter_state *s)
{
	return ag_a32_get(&m->kind) == AG_METER_BUDGET && is_used_up(m, s->period, s->settled, s->limit);
}

void
ag_budget_note_refusal(struct ag_meter *m, int64_t now_us)
{
	struct ag_meter_state s;

	if (ag_a32_observe(&m->kind) != AG_METER_BUDGET)
		return;
	ag_budget_read(m, 0, now_us, &s);
	if (s.held > 0 || !is_half_spent(s.settled, s.limit) || was_refused(m, s.period, s.limit))
		return;
	ag_a64_set(&m->budget.refused, refusal_mark(s.period, s.limit));
}

/* The account may be opened for a new period between the two reads of its number: then what stands
 * beside it belongs to neither. */
static bool
read_account(const struct ag_meter *m, unsigned side, struct ag_pair *out_account, int64_t *out_settled)
{
	*out_account = ag_pair_read(&m->budget.account[side]);
	*out_settled = ag_a64_observe(&m->budget.settled[side]);
	return out_account->hi != 0 && ag_a64_observe(&m->budget.account[side].hi) == out_account->hi;
}

bool
ag_alert_look(const struct ag_meter *m, unsigned side, int64_t now_us, struct ag_alert_look *out)
{
	struct ag_meter_state now;
	struct ag_pair account;
	int64_t settled;

	if (ag_a32_observe(&m->kind) != AG_METER_BUDGET || !read_account(m, side, &account, &settled))
		return false;
	ag_budget_read(m, 0, now_us, &now);
	if (settled < 0)
		settled = 0;
	if (settled > account.lo)
		settled = account.lo;
	*out = (struct ag_alert_look){
		.period = account.hi,
		.is_closed = account.hi != now.period,
		.settled = settled,
		.held = account.lo - settled,
		.limit = now.limit,
		.alert_at = ag_a64_get(&m->alert_at),
		.resets_at_us = account.hi == now.period ? now.resets_at_us : 0,
	};
	if (out->alert_at != INT64_MAX && settled >= out->alert_at)
		out->due |= AG_ALERT_THRESHOLD;
	if (is_used_up(m, out->period, settled, out->limit)) {
		out->due |= AG_ALERT_EXHAUSTED;
		out->is_refused = settled < out->limit;
	}
	return true;
}
