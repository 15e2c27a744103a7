#include "base/str.h"

#include <openssl/crypto.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

struct ag_str
ag_str_trim(struct ag_str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

#if defined(__SSE2__)
/* Which of 16 places begin with what[0] and have its last byte where it belongs. */
static unsigned
may_begin(const char *at, struct ag_str what)
{
	__m128i begin = _mm_loadu_si128((const __m128i *)(const void *)at);
	__m128i end = _mm_loadu_si128((const __m128i *)(const void *)(at + what.n - 1));

	return (unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(begin, _mm_set1_epi8(what.p[0])),
	    _mm_cmpeq_epi8(end, _mm_set1_epi8(what.p[what.n - 1]))));
}

const char *
ag_str_find(struct ag_str s, struct ag_str what)
{
	size_t places;

	if (what.n == 0)
		return s.p;
	if (s.n < what.n + 15)
		return s.n < what.n ? NULL : memmem(s.p, s.n, what.p, what.n);
	places = s.n - what.n + 1;
	for (size_t i = 0; i < places; i += 16) {
		/* The last sixteen overlap those before. */
		const char *at = s.p + (i + 16 <= places ? i : places - 16);

		for (unsigned may = may_begin(at, what); may; may &= may - 1) {
			const char *found = at + __builtin_ctz(may);

			if (memcmp(found, what.p, what.n) == 0)
				return found;
		}
	}
	return NULL;
}
#else
const char *
ag_str_find(struct ag_str s, struct ag_str what)
{
	return what.n == 0 ? s.p : s.n < what.n ? NULL : memmem(s.p, s.n, what.p, what.n);
}
#endif

bool
ag_str_copy(struct ag_str s, char *out, size_t cap)
{
	size_t n = s.n < cap ? s.n : cap - 1;

	if (n > 0)
		memcpy(out, s.p, n);
	out[n] = '\0';
	return n == s.n;
}

bool
ag_mem_eq_secret(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

void
ag_mem_wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}
