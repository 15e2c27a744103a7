/* tap.h - a test program's few words.  Each check prints "ok N - text" or "not ok N - text";
 * done() prints the plan and returns the exit status. */
#ifndef TESTS_UNIT_TAP_H
#define TESTS_UNIT_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Weak: a program of several files counts once. */
__attribute__((weak)) int tap_run, tap_failed, tap_planned = -1;

static inline void
plan(int n)
{
	tap_planned = n;
}

__attribute__((format(printf, 2, 3))) static inline bool
ok(bool is_true, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", is_true ? "" : "not ", ++tap_run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	if (!is_true)
		tap_failed++;
	fflush(stdout);
	return is_true;
}

static inline bool
is_i64(int64_t got, int64_t want, const char *text)
{
	if (!ok(got == want, "%s", text)) {
		printf("# got %lld, want %lld\n", (long long)got, (long long)want);
		return false;
	}
	return true;
}

static inline bool
is_str(const char *got, const char *want, const char *text)
{
	if (!ok(got && want && strcmp(got, want) == 0, "%s", text)) {
		printf("# got \"%s\", want \"%s\"\n", got ? got : "(null)", want ? want : "(null)");
		return false;
	}
	return true;
}

static inline int
done(void)
{
	bool short_run = tap_planned >= 0 && tap_planned != tap_run;

	printf("1..%d\n", tap_planned >= 0 ? tap_planned : tap_run);
	return tap_failed > 0 || short_run;
}

#endif
