#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "tap.h"

static bool
is_written_right(uint64_t v)
{
	char own[AG_U64_DIGITS + 1] = "", libc[32];
	size_t n = ag_fmt_u64(own, v);

	snprintf(libc, sizeof(libc), "%" PRIu64, v);
	return n == strlen(libc) && memcmp(own, libc, n + 1) == 0;
}

/* Where a digit more begins, and where a bit more does. */
static void
digits_are_counted_right(void)
{
	int wrong = 0;

	for (uint64_t v = 1;; v *= 10) {
		wrong += !is_written_right(v - 1) + !is_written_right(v) + !is_written_right(v + 1);
		if (v > UINT64_MAX / 10)
			break;
	}
	for (int bit = 0; bit < 64; bit++)
		wrong += !is_written_right(UINT64_C(1) << bit) + !is_written_right((UINT64_C(1) << bit) - 1);
	wrong += !is_written_right(UINT64_MAX);
	ok(wrong == 0, "numbers at each power of ten and of two, %d wrong", wrong);
}

int
main(void)
{
	digits_are_counted_right();
	return done();
}
