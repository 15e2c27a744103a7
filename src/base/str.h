/* str.h - borrowed views of bytes.  A view never owns and need not end in NUL. */
#ifndef AG_BASE_STR_H
#define AG_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/attr.h"

struct ag_str {
	const char *p; /* borrowed; may be NULL when n is 0 */
	size_t n;
};

#define AG_STR(literal)  ((struct ag_str){ .p = "" literal, .n = sizeof(literal) - 1 })
#define AG_STR_NONE      ((struct ag_str){ .p = NULL, .n = 0 })
/* For printf: "%.*s", AG_STR_ARG(s) */
#define AG_STR_ARG(s)    (int)((s).n > 1024 ? 1024 : (s).n), (s).p ? (s).p : ""

static inline struct ag_str
ag_str(const char *cstr)
{
	return (struct ag_str){ .p = cstr, .n = cstr ? strlen(cstr) : 0 };
}

static inline struct ag_str
ag_str_n(const char *p, size_t n)
{
	return (struct ag_str){ .p = p, .n = n };
}

static inline bool
ag_str_eq(struct ag_str a, struct ag_str b)
{
	AG_KNOWN((a.p || a.n == 0) && (b.p || b.n == 0));
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case folded.  Most of what is compared differs soon, in more than the bit of a letter's case, and then
 * nothing is called; most often what is equal is equal as it stands. */
static inline bool
ag_str_ieq(struct ag_str a, struct ag_str b)
{
	const uint64_t but_case = ~UINT64_C(0x2020202020202020);
	uint64_t x, y;

	if (a.n != b.n)
		return false;
	if (a.n >= 8) {
		memcpy(&x, a.p, 8);
		memcpy(&y, b.p, 8);
		if ((x ^ y) & but_case)
			return false;
	} else if (a.n > 0 && ((a.p[0] ^ b.p[0]) & ~0x20) != 0) {
		return false;
	}
	return a.n == 0 || memcmp(a.p, b.p, a.n) == 0 || strncasecmp(a.p, b.p, a.n) == 0;
}

static inline bool
ag_str_starts(struct ag_str s, struct ag_str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline struct ag_str
ag_str_skip(struct ag_str s, size_t n)
{
	return n >= s.n ? (struct ag_str){ .p = s.p ? s.p + s.n : NULL, .n = 0 }
	                : (struct ag_str){ .p = s.p + n, .n = s.n - n };
}

/* Without leading and trailing blanks and tabs. */
struct ag_str ag_str_trim(struct ag_str s);

/* Where `what` first stands in s, or NULL: memmem(), quicker for what is hardly ever there. */
const char *ag_str_find(struct ag_str s, struct ag_str what);

/* Copies at most cap - 1 bytes and a NUL; returns false when it had to cut. cap > 0. */
bool ag_str_copy(struct ag_str s, char *out, size_t cap);

/* Same time whatever the contents, for secrets and their hashes. */
bool ag_mem_eq_secret(const void *a, const void *b, size_t n);

/* Not removed by the optimiser. */
void ag_mem_wipe(void *p, size_t n);

#endif
