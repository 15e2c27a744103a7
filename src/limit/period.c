/* period.c - which budget period a moment belongs to.
 *
 * Numbers of periods only ever grow, whatever an operator does to the meter, because an account
 * is never reopened for a lower one (budget.c).  So that a period that was monthly may become
 * weekly, numbers of all kinds are made from the same thing, the day on which the period begins:
 *
 *     number = resets * (2^32 + 1) + 2 * (first day + DAY_BASE) + (ordinal & 1)
 *
 * The last term makes the numbers of neighbouring periods differ in parity, and so does a reset:
 * their accounts take turns.  A meter without a period has number 1 + the term of resets, lower
 * than all others: it goes on with the account it had. */
#include "base/clock.h"
#include "limit/meter.h"

#define DAY_BASE    1000000 /* far enough before 1970 that no number is negative */
#define RESET_STEP ((INT64_C(1) << 32) + 1)
#define RESETS_MAX 0x3fffffffu

struct span {
	int64_t ordinal;   /* consecutive within its kind */
	int64_t first_day; /* since 1970 */
	int64_t next_day;
};

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Runs of n days counted from the day `anchor`. */
static struct span
span_days(int64_t day, int64_t anchor, int64_t n)
{
	int64_t ordinal = floor_div(day - anchor, n);
	int64_t first = anchor + ordinal * n;

	return (struct span){ .ordinal = ordinal, .first_day = first, .next_day = first + n };
}

/* Nearly all who ask mean the same day: today. */
static struct span
span_month(int64_t day)
{
	static _Thread_local struct { int64_t day; struct span span; } last = { .day = INT64_MIN };
	int64_t year;
	int month, mday;

	if (last.day == day)
		return last.span;
	ag_civil_from_days(day, &year, &month, &mday);
	last.day = day;
	last.span = (struct span){
		.ordinal = year * 12 + month,
		.first_day = day - (mday - 1),
		.next_day = month == 12 ? ag_civil_to_days(year + 1, 1, 1)
		                        : ag_civil_to_days(year, month + 1, 1),
	};
	return last.span;
}

int64_t
ag_period_number(enum ag_period_kind kind, uint32_t days, uint32_t anchor_day,
    uint32_t resets, int64_t now_us, int64_t *out_start_us, int64_t *out_end_us)
{
	int64_t day = floor_div(now_us, AG_US_PER_DAY);
	int64_t shift = (resets & RESETS_MAX) * RESET_STEP;
	struct span s = { 0 };

	switch (kind) {
	case AG_PERIOD_WEEKLY:
		s = span_days(day, -4, 7); /* 1969-12-28, a Sunday */
		break;
	case AG_PERIOD_WEEKLY_MONDAY:
		s = span_days(day, -3, 7);
		break;
	case AG_PERIOD_MONTHLY:
		s = span_month(day);
		break;
	case AG_PERIOD_DAYS:
		s = span_days(day, (int32_t)anchor_day, days > 0 ? days : 1);
		break;
	case AG_PERIOD_NONE:
		*out_start_us = 0;
		*out_end_us = INT64_MAX;
		return 1 + shift;
	}
	*out_start_us = s.first_day * AG_US_PER_DAY;
	*out_end_us = s.next_day * AG_US_PER_DAY;
	return shift + 2 * (s.first_day + DAY_BASE) + (s.ordinal & 1);
}
