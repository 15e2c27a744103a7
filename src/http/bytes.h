/* bytes.h - finding the first byte of a class, sixteen at a time where the machine can.
 * Internal to this layer. */
#ifndef AG_HTTP_BYTES_H
#define AG_HTTP_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* A control byte other than tab: what may not stand in a header value or a chunk extension. */
static inline bool
byte_is_ctl(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* The first control byte other than tab at or behind p; end: none. */
static inline const char *
bytes_find_ctl(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
		__m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
		__m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
		int bits = _mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del));

		if (bits != 0)
			return p + __builtin_ctz((unsigned)bits);
	}
#endif
	while (p < end && !byte_is_ctl(*p))
		p++;
	return p;
}

/* Over the letters, digits and dashes at p, which is what names of headers are made of: where the first
 * other byte stands, or less than sixteen are left. */
static inline const char *
bytes_skip_name(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i letter = _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
		__m128i digit = _mm_sub_epi8(v, _mm_set1_epi8('0'));
		/* x <= max, without sign: x is the smaller of the two. */
		__m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter);
		__m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
		__m128i is_dash = _mm_cmpeq_epi8(v, _mm_set1_epi8('-'));
		unsigned bits = (unsigned)_mm_movemask_epi8(_mm_or_si128(is_dash, _mm_or_si128(is_letter, is_digit)));

		if (bits != 0xffff)
			return p + __builtin_ctz(~bits);
	}
#else
	(void)end;
#endif
	return p;
}

/* The first LF at or behind p; end: none.  For lines of headers, which are short. */
static inline const char *
bytes_find_lf(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		int bits = _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')));

		if (bits != 0)
			return p + __builtin_ctz((unsigned)bits);
	}
#endif
	while (p < end && *p != '\n')
		p++;
	return p;
}

/* The first LF or CR at or behind p; end: none. */
static inline const char *
bytes_find_eol(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i lf = _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'));
		__m128i cr = _mm_cmpeq_epi8(v, _mm_set1_epi8('\r'));
		int bits = _mm_movemask_epi8(_mm_or_si128(lf, cr));

		if (bits != 0)
			return p + __builtin_ctz((unsigned)bits);
	}
#endif
	while (p < end && *p != '\n' && *p != '\r')
		p++;
	return p;
}

#endif
