#include "base/clock.h"
#include "limit/meter.h"
#include "tap.h"

#define DAY(y, m, d) (ag_civil_to_days(y, m, d) * AG_US_PER_DAY)

struct p { int64_t number, start, end; };

static struct p
at(enum ag_period_kind kind, uint32_t days, int32_t anchor, uint32_t resets, int64_t now)
{
	struct p p;

	p.number = ag_period_number(kind, days, (uint32_t)anchor, resets, now, &p.start, &p.end);
	return p;
}

static int
weekday(int64_t day) /* 0 = Sunday */
{
	return (int)(((day + 4) % 7 + 7) % 7);
}

/* Walks the calendar a day at a time and checks that the number changes exactly on first days, grows,
 * changes parity, and that start and end are the neighbouring first days. */
static void
agrees_with_a_slow_walk(const char *what, enum ag_period_kind kind, uint32_t n, int32_t anchor,
    int64_t from, int64_t to)
{
	int64_t first = INT64_MIN;
	struct p prev = { 0 };
	bool good = true;

	for (int64_t day = from; day < to && good; day++) {
		int64_t year;
		int month, mday;
		bool is_first = false;
		struct p p = at(kind, n, anchor, 0, day * AG_US_PER_DAY + (day % 2 ? 0 : AG_US_PER_DAY - 1));

		ag_civil_from_days(day, &year, &month, &mday);
		switch (kind) {
		case AG_PERIOD_NONE: break;
		case AG_PERIOD_WEEKLY: is_first = weekday(day) == 0; break;
		case AG_PERIOD_WEEKLY_MONDAY: is_first = weekday(day) == 1; break;
		case AG_PERIOD_MONTHLY: is_first = mday == 1; break;
		case AG_PERIOD_DAYS: is_first = (day - anchor) % (int64_t)n == 0; break;
		}
		if (first != INT64_MIN) {
			if (is_first)
				good = p.number > prev.number && ((p.number ^ prev.number) & 1) &&
				    prev.end == day * AG_US_PER_DAY && p.start == prev.end;
			else
				good = p.number == prev.number && p.start == first * AG_US_PER_DAY &&
				    p.end == prev.end;
		}
		if (is_first)
			first = day;
		good = good && p.number > 0;
		if (!good)
			printf("# day %lld number %lld after %lld\n", (long long)day,
			    (long long)p.number, (long long)prev.number);
		prev = p;
	}
	ok(good && first != INT64_MIN, "%s", what);
}

static void
known_dates(void)
{
	struct p p = at(AG_PERIOD_MONTHLY, 0, 0, 0, DAY(2024, 2, 29) + 5);

	is_i64(p.start, DAY(2024, 2, 1), "leap February begins");
	is_i64(p.end, DAY(2024, 3, 1), "leap February ends");
	p = at(AG_PERIOD_MONTHLY, 0, 0, 0, DAY(2100, 2, 28));
	is_i64(p.end, DAY(2100, 3, 1), "2100 is no leap year");
	p = at(AG_PERIOD_MONTHLY, 0, 0, 0, DAY(2025, 12, 31));
	is_i64(p.end, DAY(2026, 1, 1), "December ends in January");
	p = at(AG_PERIOD_WEEKLY, 0, 0, 0, DAY(2026, 11, 23));
	is_i64(p.start, DAY(2026, 11, 22), "weeks begin on Sunday");
	p = at(AG_PERIOD_WEEKLY_MONDAY, 0, 0, 0, DAY(2026, 11, 22));
	is_i64(p.start, DAY(2026, 11, 16), "weeks of policies begin on Monday");
	p = at(AG_PERIOD_DAYS, 30, -10, 0, -1);
	is_i64(p.start, -10 * AG_US_PER_DAY, "a run of days may begin before 1970");
	p = at(AG_PERIOD_NONE, 0, 0, 0, DAY(2026, 1, 1));
	is_i64(p.number, 1, "without a period there is one account");
	is_i64(p.end, INT64_MAX, "and it never ends");
}

static void
resets_and_changes_of_kind_only_go_up(void)
{
	int64_t now = DAY(2026, 11, 23);
	int64_t month = at(AG_PERIOD_MONTHLY, 0, 0, 0, now).number;
	int64_t week = at(AG_PERIOD_WEEKLY, 0, 0, 0, now).number;
	int64_t none = at(AG_PERIOD_NONE, 0, 0, 0, now).number;

	ok(week > month, "a month that becomes a week begins anew");
	ok(none < month, "one that loses its period goes on");
	ok(at(AG_PERIOD_NONE, 0, 0, 1, now).number > month, "until it is reset");
	ok(at(AG_PERIOD_MONTHLY, 0, 0, 1, now).number > at(AG_PERIOD_MONTHLY, 0, 0, 0,
	    now + 3650 * AG_US_PER_DAY).number, "a reset passes every number before it");
	ok((at(AG_PERIOD_WEEKLY, 0, 0, 1, now).number ^ week) & 1, "a reset takes the other account");
}

int
main(void)
{
	int64_t from = ag_civil_to_days(1896, 1, 1), to = ag_civil_to_days(2130, 1, 1);

	known_dates();
	resets_and_changes_of_kind_only_go_up();
	agrees_with_a_slow_walk("weeks from Sunday", AG_PERIOD_WEEKLY, 0, 0, from, to);
	agrees_with_a_slow_walk("weeks from Monday", AG_PERIOD_WEEKLY_MONDAY, 0, 0, from, to);
	agrees_with_a_slow_walk("months", AG_PERIOD_MONTHLY, 0, 0, from, to);
	for (uint32_t n = 1; n < 400; n += 37) {
		agrees_with_a_slow_walk("runs of days", AG_PERIOD_DAYS, n, 20000, from, to);
		agrees_with_a_slow_walk("runs of days before 1970", AG_PERIOD_DAYS, n, -12345, from, to);
	}
	return done();
}
