/* meter.h - budgets, rates and gauges: algorithms on one meter's shared words.
 *
 * None blocks, allocates or reads a clock: wall time is passed in.  A meter whose slot changed
 * hands (id differs) is treated as absent: nothing is reserved or settled.
 *
 * Budget: used = settled + held is one half of a pair whose other half is the number of the
 * period, changed together by compare-and-exchange: whoever comes first after the turn opens the
 * new account in the same exchange that takes its hold, so nobody can die half-way.  Accounts
 * of even and odd periods take turns; a charge goes to the period of its admission.
 *
 * Rate: 18 slices of 1/16 window.  An admission adds to the slice of now, if the 17 slices that
 * any window ending now can touch hold no more than the limit.  Before a slice takes its first
 * admission all earlier ones are sealed, so their counts can only fall: the sum that was
 * checked is an upper bound at the instant of the exchange, hence strict. */
#ifndef AG_LIMIT_METER_H
#define AG_LIMIT_METER_H

#include <stdbool.h>
#include <stddef.h>

#include "aigated/shm_layout.h"

enum ag_take { AG_TAKE_OK, AG_TAKE_DENIED, AG_TAKE_GONE /* meter no longer exists: do not count it */ };

/* What a rate that was taken from still has: a take that was allowed has counted it anyway. */
struct ag_rate_left {
	bool is_rate; /* else the rest means nothing */
	int64_t limit, remaining, resets_at_us; /* as ag_meter_read() tells them */
};

/* Takes amount (>= 0) and fills out (all fields); on anything but OK takes nothing.  On OK
 * *out_left as well (NULL: nobody asks).  A budget in shadow always lets it; *out_would_refuse: not
 * even `least` was left of it at that moment. */
enum ag_take ag_meter_take_or_note(struct ag_meter *m, uint32_t meter_ix, int64_t amount, int64_t least,
    int64_t now_us, struct ag_hold *out, struct ag_rate_left *out_left,
    bool *out_would_refuse) AG_MUST_CHECK;

static inline enum ag_take AG_MUST_CHECK
ag_meter_take_telling(struct ag_meter *m, uint32_t meter_ix, int64_t amount, int64_t now_us,
    struct ag_hold *out, struct ag_rate_left *out_left)
{
	bool would_refuse;

	return ag_meter_take_or_note(m, meter_ix, amount, amount, now_us, out, out_left, &would_refuse);
}

static inline enum ag_take AG_MUST_CHECK
ag_meter_take(struct ag_meter *m, uint32_t meter_ix, int64_t amount, int64_t now_us, struct ag_hold *out)
{
	return ag_meter_take_telling(m, meter_ix, amount, now_us, out, NULL);
}

/* Adds to what is held of a budget, in the period of the hold, if its limit allows; lower() gives
 * of it back.  h itself stays as it is.  OK, and nothing done, when the meter is gone. */
enum ag_take ag_meter_raise(struct ag_meter *m, const struct ag_hold *h, int64_t by) AG_MUST_CHECK;
void ag_meter_lower(struct ag_meter *m, const struct ag_hold *h, int64_t by);

/* Replaces the hold by what it cost (>= 0; may exceed the hold).  Budgets: one exchange that
 * adds actual - held, and settled += actual.  Rates of tokens: the difference goes back to the
 * slice it came from, an excess to the slice of now.  Rates of requests keep the request.
 * Gauges give the hold back. */
void ag_meter_settle(struct ag_meter *m, const struct ag_hold *h, int64_t actual, int64_t now_us);

/* Gives the hold back whole: as if it had never been taken (rates too: refused requests consume
 * nothing). */
void ag_meter_release(struct ag_meter *m, const struct ag_hold *h);

/* A reading for answers and people. */
struct ag_meter_state {
	int64_t limit;
	int64_t used;        /* settled + held; for rates: admitted in the window ending now */
	int64_t settled;     /* budgets */
	int64_t held;        /* budgets: used - settled; gauges: used */
	int64_t remaining;   /* limit - used, never negative */
	int64_t period;      /* budgets: number of the account read */
	int64_t resets_at_us; /* budgets: start of the next period, INT64_MAX never; rates: when the
	                         window is empty if nothing more comes */
	int64_t fits_at_us;  /* earliest moment an amount of `want` fits, if nothing more comes;
	                         INT64_MAX: never (above the limit, or a budget without period) */
};
void ag_meter_read(const struct ag_meter *m, int64_t want, int64_t now_us, struct ag_meter_state *out);

/* Number of the period at now (calendar number + resets), its start and end (INT64_MAX). */
int64_t ag_period_number(enum ag_period_kind kind, uint32_t days, uint32_t anchor_day,
    uint32_t resets, int64_t now_us, int64_t *out_start_us, int64_t *out_end_us);

/* Reconciler: sets used of the account of `period` from `seen_used` to `truth` in one exchange, and
 * settled to truth; false when the account moved meanwhile. */
bool ag_meter_correct(struct ag_meter *m, int64_t period, int64_t seen_used, int64_t truth);

#endif
