#include "http/json_skip.h"

#include <string.h>

#include "base/attr.h"
#include "http/json_scan.h"

#define BLOCK 64

/* Bit i tells about byte i of a block. */
struct bits {
	uint64_t quote, backslash;
	uint64_t control; /* below 0x20 */
	uint64_t bracket; /* any of {}[] */
	uint64_t odd;     /* any of # ' + / : c | 0x0c is '/' for these four */
};

/* ---- what the sets share ---- */

static inline uint64_t
below_lowest(uint64_t bits)
{
	return (bits & (0 - bits)) - 1;
}

/* Bit i: an odd number of the bits 0..i is set.  Over quotes: inside a string, from the opening
 * quote up to, not with, the closing one. */
static inline uint64_t
prefix_xor(uint64_t x)
{
	x ^= x << 1;
	x ^= x << 2;
	x ^= x << 4;
	x ^= x << 8;
	x ^= x << 16;
	x ^= x << 32;
	return x;
}

/* The bytes that a backslash takes the meaning of.  *carry: the block before ended in a
 * backslash that was not itself escaped. */
static inline uint64_t
escaped_bits(uint64_t backslash, uint64_t *carry)
{
	const uint64_t odd = UINT64_C(0xaaaaaaaaaaaaaaaa);
	uint64_t escaped, after, maybe, escape_and_end;

	if (backslash == 0) {
		escaped = *carry;
		*carry = 0;
		return escaped;
	}
	/* A run of backslashes alternates escaping and escaped.  Subtracting from the odd bits
	 * walks each run from its start and leaves, XORed with them, the alternation. */
	backslash &= ~*carry;
	after = backslash << 1;
	maybe = after | odd;
	escape_and_end = (maybe - backslash) ^ odd;
	escaped = escape_and_end ^ (backslash | *carry);
	*carry = (escape_and_end & backslash) >> 63;
	return escaped;
}

struct nest {
	unsigned depth, max;
	struct json_nested seen;
	const char *why;
	char open[AG_JSON_DEPTH_MAX];
};

/* true: over, by the last closing bracket or by a fault. */
static inline bool
nest_step(struct nest *nest, char c)
{
	bool is_open = c == '{' || c == '[';

	if (is_open) {
		if (nest->depth >= nest->max) {
			nest->why = "nested too deeply";
			return true;
		}
		nest->seen.n_children += nest->depth == 1;
		nest->open[nest->depth++] = c;
		if (nest->seen.depth < nest->depth)
			nest->seen.depth = nest->depth;
		return false;
	}
	/* '{' ^ '}' and '[' ^ ']' are both 6. */
	if ((nest->open[nest->depth - 1] ^ c) != 6) {
		nest->why = "unbalanced brackets";
		return true;
	}
	return --nest->depth == 0;
}

/* A block with bytes that may be at fault.  Outside strings: of control bytes line ends and tabs
 * are allowed, a plus sign may stand in a number, but a backslash may not, nor what begins a
 * comment or a string where a reader is lenient: behind it such a reader sees other quotes. */
static const char *
block_fault(const char *p, size_t n, const struct bits *b, uint64_t in_string, uint64_t seen)
{
	uint64_t outside = (b->control | b->odd) & ~in_string & seen;

	if (b->control & in_string & seen)
		return "control byte in a string";
	if (b->backslash & ~in_string & seen)
		return "backslash outside a string";
	for (; outside; outside &= outside - 1) {
		size_t i = (size_t)__builtin_ctzll(outside);

		if (i < n && (unsigned char)p[i] < 0x20) {
			if (p[i] != '\n' && p[i] != '\r' && p[i] != '\t')
				return "control byte";
		} else if (i < n && p[i] != '+') {
			return "comment or single quote";
		}
	}
	return NULL;
}

/* ---- portable ---- */

enum { IS_QUOTE = 1, IS_BACKSLASH = 2, IS_CONTROL = 4, IS_BRACKET = 8, IS_ODD = 16 };

static const uint8_t class_of[256] = {
	[0 ... 0x1f] = IS_CONTROL, ['"'] = IS_QUOTE, ['\\'] = IS_BACKSLASH,
	['#'] = IS_ODD, ['\''] = IS_ODD, ['+'] = IS_ODD, ['/'] = IS_ODD,
	['{'] = IS_BRACKET, ['}'] = IS_BRACKET, ['['] = IS_BRACKET, [']'] = IS_BRACKET,
};

static inline struct bits
load_portable(const char *p)
{
	struct bits b = { 0 };

	for (unsigned i = 0; i < BLOCK; i++) {
		uint64_t class = class_of[(unsigned char)p[i]];

		b.quote |= (class & 1) << i;
		b.backslash |= (class >> 1 & 1) << i;
		b.control |= (class >> 2 & 1) << i;
		b.bracket |= (class >> 3 & 1) << i;
		b.odd |= (class >> 4) << i;
	}
	return b;
}

static inline bool
is_plain_portable(const char *p)
{
	for (unsigned i = 0; i < BLOCK; i++)
		if (class_of[(unsigned char)p[i]] & (IS_QUOTE | IS_BACKSLASH | IS_CONTROL))
			return false;
	return true;
}

#define NAME(x) x##_portable
#define TARGET
#define LOAD load_portable
#define IS_PLAIN is_plain_portable
#include "http/json_skip.inc"

#if JSON_HAS_SIMD

/* ---- SSE2: every x86-64 ---- */

static inline struct bits
load_sse2(const char *p)
{
	struct bits b = { 0 };

	for (unsigned i = 0; i < BLOCK; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		/* { and [ differ in bit 5 only, so do } and ]. */
		__m128i folded = _mm_or_si128(v, _mm_set1_epi8(0x20));
		__m128i bracket = _mm_or_si128(_mm_cmpeq_epi8(folded, _mm_set1_epi8('{')),
		    _mm_cmpeq_epi8(folded, _mm_set1_epi8('}')));
		__m128i odd = _mm_cmpeq_epi8(_mm_or_si128(v, _mm_set1_epi8(0x0c)),
		    _mm_set1_epi8('/'));
		__m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);

#define TO_BITS(m) ((uint64_t)(unsigned)_mm_movemask_epi8(m) << i)
		b.quote |= TO_BITS(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
		b.backslash |= TO_BITS(_mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
		b.control |= TO_BITS(control);
		b.bracket |= TO_BITS(bracket);
		b.odd |= TO_BITS(odd);
#undef TO_BITS
	}
	return b;
}

static inline bool
is_plain_sse2(const char *p)
{
	__m128i any = _mm_setzero_si128();

	for (unsigned i = 0; i < BLOCK; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));

		any = _mm_or_si128(any, _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
		    _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\\')),
		        _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v))));
	}
	return _mm_movemask_epi8(any) == 0;
}

#define NAME(x) x##_sse2
#define TARGET
#define LOAD load_sse2
#define IS_PLAIN is_plain_sse2
#include "http/json_skip.inc"

/* ---- AVX2 ---- */

#define AVX2 __attribute__((target("avx2,bmi")))

AVX2 static inline struct bits
load_avx2(const char *p)
{
	struct bits b = { 0 };

	for (unsigned i = 0; i < BLOCK; i += 32) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
		__m256i folded = _mm256_or_si256(v, _mm256_set1_epi8(0x20));
		__m256i bracket = _mm256_or_si256(_mm256_cmpeq_epi8(folded, _mm256_set1_epi8('{')),
		    _mm256_cmpeq_epi8(folded, _mm256_set1_epi8('}')));
		__m256i odd = _mm256_cmpeq_epi8(_mm256_or_si256(v, _mm256_set1_epi8(0x0c)),
		    _mm256_set1_epi8('/'));
		__m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1f)), v);

#define TO_BITS(m) ((uint64_t)(unsigned)_mm256_movemask_epi8(m) << i)
		b.quote |= TO_BITS(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')));
		b.backslash |= TO_BITS(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\')));
		b.control |= TO_BITS(control);
		b.bracket |= TO_BITS(bracket);
		b.odd |= TO_BITS(odd);
#undef TO_BITS
	}
	return b;
}

AVX2 static inline bool
is_plain_avx2(const char *p)
{
	__m256i any = _mm256_setzero_si256();

	for (unsigned i = 0; i < BLOCK; i += 32) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));

		any = _mm256_or_si256(any, _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')),
		    _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\')),
		        _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1f)), v))));
	}
	return _mm256_testz_si256(any, any) != 0;
}

#define NAME(x) x##_avx2
#define TARGET AVX2
#define LOAD load_avx2
#define IS_PLAIN is_plain_avx2
#include "http/json_skip.inc"

#endif /* JSON_HAS_SIMD */

/* ---- choosing ---- */

static const struct json_skip *in_use;

bool
ag_json_use(enum ag_json_impl impl)
{
	switch (impl) {
	case AG_JSON_PORTABLE:
		in_use = &skip_portable;
		return true;
#if JSON_HAS_SIMD
	case AG_JSON_SSE2:
		in_use = &skip_sse2;
		return true;
	case AG_JSON_AVX2:
		__builtin_cpu_init();
		if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi"))
			return false;
		in_use = &skip_avx2;
		return true;
#else
	case AG_JSON_SSE2:
	case AG_JSON_AVX2:
		return false;
#endif
	}
	return false;
}

const struct json_skip *
json_skip_get(void)
{
	if (AG_UNLIKELY(!in_use) && !ag_json_use(AG_JSON_AVX2) && !ag_json_use(AG_JSON_SSE2))
		(void)ag_json_use(AG_JSON_PORTABLE);
	return in_use;
}
