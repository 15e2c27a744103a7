/* gauge.c - at most `limit` at a time. */
#include "limit/algorithms.h"
#include "shm/crash_point.h"

enum ag_take
ag_gauge_take(struct ag_meter *m, int64_t amount)
{
	int64_t used = ag_a64_get(&m->gauge.used);

	do {
		int64_t limit = ag_a64_get(&m->limit);

		if (used > limit || amount > limit - used)
			return AG_TAKE_DENIED;
		AG_CRASH_POINT();
	} while (!ag_a64_cas(&m->gauge.used, &used, used + amount));
	AG_CRASH_POINT();
	return AG_TAKE_OK;
}

void
ag_gauge_release(struct ag_meter *m, const struct ag_hold *h)
{
	int64_t used = ag_a64_get(&m->gauge.used);

	AG_CRASH_POINT();
	while (!ag_a64_cas(&m->gauge.used, &used, ag_amount_sub(used, h->amount)))
		;
	AG_CRASH_POINT();
	if (used < h->amount)
		ag_a32_set(&m->suspect, 1);
}

void
ag_gauge_read(const struct ag_meter *m, int64_t want, int64_t now_us, struct ag_meter_state *out)
{
	struct ag_meter_state s = { .limit = ag_a64_get(&m->limit), .used = ag_a64_get(&m->gauge.used) };

	s.held = s.used;
	s.remaining = ag_amount_sub(s.limit, s.used);
	s.resets_at_us = INT64_MAX;
	s.fits_at_us = want <= s.remaining ? now_us : INT64_MAX;
	*out = s;
}
