/* algorithms.h - what meter.c hands out by kind of meter.  Private to src/limit. */
#ifndef AG_LIMIT_ALGORITHMS_H
#define AG_LIMIT_ALGORITHMS_H

#include "limit/meter.h"

/* Both halves as they stood at one moment, without writing: hi never goes back (but for a
 * recovery nobody races with), so when it is the same before and after, lo was its own. */
static inline struct ag_pair
ag_pair_read(const struct ag_a128 *a)
{
	struct ag_pair p = { .hi = ag_a64_observe(&a->hi) };

	for (;;) {
		int64_t hi;

		p.lo = ag_a64_observe(&a->lo);
		hi = ag_a64_observe(&a->hi);
		if (AG_LIKELY(hi == p.hi))
			return p;
		p.hi = hi;
	}
}

/* a - b and a + b for amounts >= 0: never below 0, never past INT64_MAX. */
static inline int64_t
ag_amount_sub(int64_t a, int64_t b)
{
	return a > b ? a - b : 0;
}

static inline int64_t
ag_amount_add(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* Fill in period; kind is already known to be theirs. */
enum ag_take ag_budget_take(struct ag_meter *m, int64_t amount, int64_t least, int64_t now_us,
    int64_t *out_period, bool *out_would_refuse);
enum ag_take ag_budget_raise(struct ag_meter *m, const struct ag_hold *h, int64_t by);
void ag_budget_lower(struct ag_meter *m, const struct ag_hold *h, int64_t by);
void ag_budget_settle(struct ag_meter *m, const struct ag_hold *h, int64_t actual);
void ag_budget_release(struct ag_meter *m, const struct ag_hold *h);
void ag_budget_read(const struct ag_meter *m, int64_t want, int64_t now_us,
    struct ag_meter_state *out);

enum ag_take ag_rate_take(struct ag_meter *m, int64_t amount, int64_t now_us, int64_t *out_slice,
    struct ag_rate_left *out_left);
void ag_rate_settle(struct ag_meter *m, const struct ag_hold *h, int64_t actual, int64_t now_us);
void ag_rate_release(struct ag_meter *m, const struct ag_hold *h);
void ag_rate_read(const struct ag_meter *m, int64_t want, int64_t now_us,
    struct ag_meter_state *out);

enum ag_take ag_gauge_take(struct ag_meter *m, int64_t amount);
void ag_gauge_release(struct ag_meter *m, const struct ag_hold *h);
void ag_gauge_read(const struct ag_meter *m, int64_t want, int64_t now_us,
    struct ag_meter_state *out);

#endif
