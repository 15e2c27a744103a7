#include <stdlib.h>

#include "base/attr.h"
#include "base/hash.h"
#include "tap.h"

/* Bit by bit, as the polynomial says. */
static uint32_t
plainly(uint32_t crc, const uint8_t *p, size_t n)
{
	crc = ~crc;
	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int k = 0; k < 8; k++)
			crc = (crc >> 1) ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
	}
	return ~crc;
}

/* Lengths around those at which lanes begin and end; each in memory of just its size. */
static void
crc32c_is_what_the_polynomial_says(void)
{
	static const size_t edges[] = { 191, 192, 193, 215, 216, 3071, 3072, 3073, 3080, 3264, 6144, 9000 };
	uint64_t seed = 3;
	size_t wrong = 0;

	for (size_t i = 0; i < 700 + AG_ARRAY_LEN(edges); i++) {
		size_t n = i < 700 ? i : edges[i - 700];
		uint8_t *p = malloc(n ? n : 1);
		uint32_t before;

		if (!p)
			abort();
		for (size_t k = 0; k < n; k++)
			p[k] = (uint8_t)(seed = ag_mix64(seed + 1));
		before = (uint32_t)(seed >> 32);
		wrong += ag_crc32c(before, p, n) != plainly(before, p, n);
		free(p);
	}
	ok(wrong == 0, "712 texts, %zu sums wrong", wrong);
	ok(ag_crc32c(0, "123456789", 9) == UINT32_C(0xe3069283), "the check value of RFC 3720's polynomial");
}

static void
crc32c_chains(void)
{
	uint8_t text[4096];
	bool good = true;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7);
	for (size_t cut = 0; cut <= sizeof(text); cut += 61)
		good = good && ag_crc32c(ag_crc32c(0, text, cut), text + cut, sizeof(text) - cut) ==
		    ag_crc32c(0, text, sizeof(text));
	ok(good, "a text in two parts, wherever it is cut");
}

/* Each in memory of just its size; a byte changed anywhere, and one more or less, is another name. */
static void
names_hash_by_all_their_bytes(void)
{
	unsigned alike = 0;

	for (size_t n = 0; n < 70; n++) {
		char *name = malloc(n + 1);
		uint64_t whole;

		if (!name)
			abort();
		for (size_t i = 0; i <= n; i++)
			name[i] = (char)('a' + i % 26);
		whole = ag_hash_name(ag_str_n(name, n + 1));
		alike += whole == ag_hash_name(ag_str_n(name, n));
		for (size_t i = 0; i <= n; i++) {
			name[i] ^= 1;
			alike += whole == ag_hash_name(ag_str_n(name, n + 1));
			name[i] ^= 1;
		}
		free(name);
	}
	ok(alike == 0, "names of 0 to 70 bytes, %u hash alike", alike);
}

int
main(void)
{
	names_hash_by_all_their_bytes();
	crc32c_is_what_the_polynomial_says();
	crc32c_chains();
	return done();
}
