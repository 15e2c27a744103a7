/* alert.h - when a budget is used up, and which of its alerts are due.
 *
 * Used up ("exhausted"): what was settled has reached the limit, or the budget refused a request
 * under this limit, in this period, while nothing was held (so that waiting would not have helped)
 * and at least half of the limit is settled.  The second case is the usual one: a strict budget
 * never spends its last fraction of a cent, it refuses the request that does not fit.  A single
 * request larger than half of a budget does not make it used up.
 *
 * Alerts are read from the meter's words, not from events: whoever looks later sees the same, and
 * both accounts are looked at, so that a crossing in the last moment of a period is found after
 * its turn.  Whether an alert was raised already is the caller's to know. */
#ifndef AG_LIMIT_ALERT_H
#define AG_LIMIT_ALERT_H

#include "limit/meter.h"

/* Bits of ag_alert_look.due */
#define AG_ALERT_THRESHOLD 1u /* settled >= alert_at */
#define AG_ALERT_EXHAUSTED 2u

struct ag_alert_look {
	unsigned due;
	bool is_closed;       /* its period is over */
	bool is_refused;      /* used up by a refusal, not by reaching the limit */
	int64_t period;
	int64_t settled, held, limit, alert_at;
	int64_t resets_at_us; /* end of the period; INT64_MAX never, 0 it is over */
};

/* One look at account `side` (0, 1) of a budget; false: not opened yet, or no budget.  A value seen
 * within the instant in which a period turns may be the old one: believe what two looks agree on. */
bool ag_alert_look(const struct ag_meter *m, unsigned side, int64_t now_us, struct ag_alert_look *out);

/* The state was read by ag_meter_read(). */
bool ag_budget_is_exhausted(const struct ag_meter *m, const struct ag_meter_state *s);

/* Worker, when a request is refused for want of this budget and could not be made to fit.  Writes
 * only when nothing is held, and only what is not there yet. */
void ag_budget_note_refusal(struct ag_meter *m, int64_t now_us);

#endif
