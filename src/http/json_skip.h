/* json_skip.h - jumping over a JSON string or a bracketed value, 64 bytes at a time.
 * Internal to json_*.c.  One set of functions per instruction set, all with the same results. */
#ifndef AG_HTTP_JSON_SKIP_H
#define AG_HTTP_JSON_SKIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define JSON_HAS_SIMD 1
#include <immintrin.h>
#else
#define JSON_HAS_SIMD 0
#endif

/* What was seen of a bracketed value in passing. */
struct json_nested {
	uint32_t n_children; /* brackets opened directly inside it */
	uint32_t depth;      /* the most that were open at once, its own included */
};

struct json_skip {
	/* at: behind the opening quote.  Returns the offset behind the closing one, or 0 with
	 * *out_why.  *out_has_escape: a backslash stood between them. */
	size_t (*string)(const char *p, size_t at, size_t n, bool *out_has_escape,
	    const char **out_why);
	/* at: at the opening bracket.  Returns the offset behind its closing one, or 0 with
	 * *out_why.  max_depth (<= AG_JSON_DEPTH_MAX) counts this bracket. */
	size_t (*nested)(const char *p, size_t at, size_t n, unsigned max_depth,
	    struct json_nested *out, const char **out_why);
};

/* The set in use; chosen at the first call. */
const struct json_skip *json_skip_get(void);

/* Most strings are names and end within a few bytes: not worth a call.  The place behind the closing
 * quote, or 0 when the string is longer, nears the end of the text, or holds an escape or a control
 * byte.  *out_is_ascii: nor does it hold a byte above 0x7f. */
static inline size_t
json_short_string(const char *p, size_t at, size_t n, bool *out_is_ascii)
{
#if JSON_HAS_SIMD
	unsigned high = 0;

	for (size_t end = at + 32; at < end && n - at >= 16; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + at));
		unsigned quote = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
		unsigned other = (unsigned)_mm_movemask_epi8(_mm_or_si128(
		    _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')),
		    _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v)));

		/* quote - 1: all that stands before the first quote; everything when there is none. */
		if (other & (quote - 1))
			return 0;
		high |= (unsigned)_mm_movemask_epi8(v) & (quote - 1);
		if (quote) {
			*out_is_ascii = high == 0;
			return at + (size_t)__builtin_ctz(quote) + 1;
		}
	}
#else
	(void)p, (void)at, (void)n, (void)out_is_ascii;
#endif
	return 0;
}

#endif
