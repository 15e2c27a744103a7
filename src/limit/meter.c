/* meter.c - one door to the three kinds of meter. */
#include "limit/meter.h"

#include "limit/algorithms.h"

/* The meter of a hold, unless its slot has changed hands since. */
static enum ag_meter_kind
kind_for_hold(const struct ag_meter *m, const struct ag_hold *h)
{
	if (ag_a64_observe(&m->id) != h->meter_id || h->meter_id <= 0)
		return AG_METER_FREE;
	return ag_a32_observe(&m->kind);
}

enum ag_take
ag_meter_take_or_note(struct ag_meter *m, uint32_t meter_ix, int64_t amount, int64_t least,
    int64_t now_us, struct ag_hold *out, struct ag_rate_left *out_left, bool *out_would_refuse)
{
	int64_t id = ag_a64_observe(&m->id), period = 0;
	enum ag_take verdict = AG_TAKE_GONE;

	assert(amount >= 0);
	*out_would_refuse = false;
	if (id <= 0)
		return AG_TAKE_GONE;
	switch ((enum ag_meter_kind)ag_a32_observe(&m->kind)) {
	case AG_METER_FREE:
		return AG_TAKE_GONE;
	case AG_METER_BUDGET:
		verdict = ag_budget_take(m, amount, least, now_us, &period, out_would_refuse);
		break;
	case AG_METER_RATE:
		verdict = ag_rate_take(m, amount, now_us, &period, out_left);
		break;
	case AG_METER_GAUGE:
		verdict = ag_gauge_take(m, amount);
		break;
	}
	if (verdict == AG_TAKE_OK) {
		out->meter_id = id;
		out->meter_ix = meter_ix;
		out->unit = ag_a32_get(&m->unit);
		out->period = period;
		out->amount = amount;
	}
	return verdict;
}

void
ag_meter_settle(struct ag_meter *m, const struct ag_hold *h, int64_t actual, int64_t now_us)
{
	assert(actual >= 0);
	switch (kind_for_hold(m, h)) {
	case AG_METER_FREE:
		break;
	case AG_METER_BUDGET:
		ag_budget_settle(m, h, actual);
		break;
	case AG_METER_RATE:
		ag_rate_settle(m, h, actual, now_us);
		break;
	case AG_METER_GAUGE:
		ag_gauge_release(m, h);
		break;
	}
}

void
ag_meter_release(struct ag_meter *m, const struct ag_hold *h)
{
	switch (kind_for_hold(m, h)) {
	case AG_METER_FREE:
		break;
	case AG_METER_BUDGET:
		ag_budget_release(m, h);
		break;
	case AG_METER_RATE:
		ag_rate_release(m, h);
		break;
	case AG_METER_GAUGE:
		ag_gauge_release(m, h);
		break;
	}
}

enum ag_take
ag_meter_raise(struct ag_meter *m, const struct ag_hold *h, int64_t by)
{
	assert(by >= 0);
	return kind_for_hold(m, h) == AG_METER_BUDGET ? ag_budget_raise(m, h, by) : AG_TAKE_OK;
}

void
ag_meter_lower(struct ag_meter *m, const struct ag_hold *h, int64_t by)
{
	assert(by >= 0);
	if (kind_for_hold(m, h) == AG_METER_BUDGET)
		ag_budget_lower(m, h, by);
}

void
ag_meter_read(const struct ag_meter *m, int64_t want, int64_t now_us, struct ag_meter_state *out)
{
	switch ((enum ag_meter_kind)ag_a32_observe(&m->kind)) {
	case AG_METER_FREE:
		*out = (struct ag_meter_state){ .resets_at_us = INT64_MAX, .fits_at_us = INT64_MAX };
		break;
	case AG_METER_BUDGET:
		ag_budget_read(m, want, now_us, out);
		break;
	case AG_METER_RATE:
		ag_rate_read(m, want, now_us, out);
		break;
	case AG_METER_GAUGE:
		ag_gauge_read(m, want, now_us, out);
		break;
	}
}
