#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t
clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * AG_US_PER_SEC + ts.tv_nsec / 1000;
}

int64_t
ag_clock_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int64_t
ag_clock_wall_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

int64_t
ag_clock_coarse_us(void)
{
	return clock_us(CLOCK_MONOTONIC_COARSE);
}

/* Days are counted in years that begin in March, so that the leap day is the last of its year;
 * an era is the 400 years after which the calendar repeats. */
int64_t
ag_civil_to_days(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

void
ag_civil_from_days(int64_t days, int64_t *out_year, int *out_month, int *out_day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	int month = (int)(mp < 10 ? mp + 3 : mp - 9);

	*out_year = yoe + era * 400 + (month <= 2);
	*out_month = month;
	*out_day = (int)(doy - (153 * mp + 2) / 5 + 1);
}

void
ag_clock_iso8601(int64_t wall_us, char out[AG_ISO8601_LEN])
{
	int64_t days = wall_us / AG_US_PER_DAY, rest = wall_us % AG_US_PER_DAY, year;
	int month, day;

	if (rest < 0) {
		days--;
		rest += AG_US_PER_DAY;
	}
	ag_civil_from_days(days, &year, &month, &day);
	/* The moduli bound each field for the compiler; only the year can need its own. */
	snprintf(out, AG_ISO8601_LEN, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    (unsigned)(year % 10000) % 10000, (unsigned)month % 100, (unsigned)day % 100,
	    (unsigned)(rest / AG_US_PER_HOUR) % 100, (unsigned)(rest / AG_US_PER_MIN % 60) % 100,
	    (unsigned)(rest / AG_US_PER_SEC % 60) % 100,
	    (unsigned)(rest / AG_US_PER_MS % 1000) % 1000);
}
