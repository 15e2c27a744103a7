#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/str.h"
#include "tap.h"

/* Of three letters, so that there is much that nearly matches; in memory of just that size, so that a
 * sanitizer sees a byte too many. */
static struct ag_str
random_text(uint64_t *seed, size_t n)
{
	char *p = malloc(n ? n : 1);

	if (!p)
		abort();
	for (size_t i = 0; i < n; i++) {
		*seed = ag_mix64(*seed + 1);
		p[i] = "aab"[*seed % 3];
	}
	return ag_str_n(p, n);
}

static void
finds_what_memmem_finds(void)
{
	uint64_t seed = 7;
	size_t found = 0, absent = 0;
	bool good = true;

	for (int i = 0; i < 50000 && good; i++) {
		struct ag_str s = random_text(&seed, (size_t)(seed >> 8) % 70);
		struct ag_str what = random_text(&seed, 1 + (size_t)(seed >> 16) % 12);
		const char *want = s.n < what.n ? NULL : memmem(s.p, s.n, what.p, what.n);

		good = ag_str_find(s, what) == want;
		found += want != NULL;
		absent += want == NULL;
		free((void *)(uintptr_t)s.p);
		free((void *)(uintptr_t)what.p);
	}
	ok(good && found > 1000 && absent > 1000, "50000 searches agree with memmem (%zu found, %zu not)",
	    found, absent);
	ok(ag_str_find(AG_STR("abc"), AG_STR_NONE) != NULL, "nothing stands everywhere");
	ok(ag_str_find(AG_STR_NONE, AG_STR("a")) == NULL, "in nothing stands nothing");
}

static void
case_is_folded_for_letters_alone(void)
{
	ok(ag_str_ieq(AG_STR("x-rateLimit-Reset"), AG_STR("X-RateLimit-rESET")), "letters in any case");
	ok(!ag_str_ieq(AG_STR("x-a"), AG_STR("x\ra")), "a hyphen is no carriage return");
	ok(!ag_str_ieq(AG_STR("@"), AG_STR("`")), "an at sign is no backtick");
	ok(!ag_str_ieq(AG_STR("abc"), AG_STR("abcd")), "a prefix is not the whole");
	ok(ag_str_ieq(AG_STR_NONE, AG_STR("")), "nothing is nothing");
}

/* Each byte in each place of texts of each length, in memory of just their size. */
static void
every_byte_is_compared(void)
{
	int wrong = 0;

	for (size_t n = 1; n <= 20; n++) {
		char *a = malloc(n), *b = malloc(n);

		if (!a || !b)
			abort();
		for (size_t at = 0; at < n; at++)
			for (int was = 'A'; was <= 'k'; was += 21)
				for (int c = 1; c < 256; c++) {
					memset(a, 'x', n);
					memset(b, 'X', n);
					a[at] = (char)was;
					b[at] = (char)c;
					wrong += ag_str_ieq(ag_str_n(a, n), ag_str_n(b, n)) != (strncasecmp(a, b, n) == 0);
				}
		free(a);
		free(b);
	}
	ok(wrong == 0, "texts of 1 to 20 bytes, each byte in each place: %d wrong", wrong);
}

int
main(void)
{
	finds_what_memmem_finds();
	case_is_folded_for_letters_alone();
	every_byte_is_compared();
	return done();
}
