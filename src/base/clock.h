/* clock.h - the two clocks, both in microseconds.
 *
 * Durations and deadlines use the monotonic clock, windows and rows the wall clock.  Loops read
 * them once a turn and pass the values down. */
#ifndef AG_BASE_CLOCK_H
#define AG_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define AG_US_PER_MS   INT64_C(1000)
#define AG_US_PER_SEC  INT64_C(1000000)
#define AG_US_PER_MIN  (60 * AG_US_PER_SEC)
#define AG_US_PER_HOUR (60 * AG_US_PER_MIN)
#define AG_US_PER_DAY  (24 * AG_US_PER_HOUR)

int64_t ag_clock_mono_us(void);
int64_t ag_clock_wall_us(void);
/* The monotonic clock as it stood at the last tick of the kernel, up to 10 ms ago: for deadlines. */
int64_t ag_clock_coarse_us(void);

/* "2026-05-03T17:08:55.000Z", always UTC; out holds 25 bytes. */
#define AG_ISO8601_LEN 25
void ag_clock_iso8601(int64_t wall_us, char out[AG_ISO8601_LEN]);

/* Days since 1970-01-01 of a proleptic Gregorian date; month 1..12. */
int64_t ag_civil_to_days(int64_t year, int month, int day);
void ag_civil_from_days(int64_t days, int64_t *out_year, int *out_month, int *out_day);

#endif
