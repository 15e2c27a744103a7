/* Of SHA-256 the plain functions, which OpenSSL keeps and calls deprecated. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/hash.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <sys/uio.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#ifdef __x86_64__
#include <nmmintrin.h>
#include <wmmintrin.h>
#endif

void
ag_sha256(const void *p, size_t n, uint8_t out[AG_SHA256_LEN])
{
	struct iovec iov = { (void *)(uintptr_t)p, n };

	ag_sha256_iov(&iov, 1, out);
}

/* The library's plain functions: a digest by its generic interface goes through a provider, which costs as
 * much again as hashing a key does. */
void
ag_sha256_iov(const struct iovec *iov, int n, uint8_t out[AG_SHA256_LEN])
{
	SHA256_CTX ctx;
	int ok = SHA256_Init(&ctx);

	for (int i = 0; i < n; i++)
		ok = ok && SHA256_Update(&ctx, iov[i].iov_base, iov[i].iov_len);
	ok = ok && SHA256_Final(out, &ctx);
	assert(ok);
}

/* A reflected polynomial's table, made when it is first needed; entry 0 of a made one is 0, 1 is not. */
static uint32_t
crc_by_table(uint32_t table[256], uint32_t polynomial, uint32_t crc, const uint8_t *p, size_t n)
{
	if (table[1] == 0)
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i;

			for (int k = 0; k < 8; k++)
				c = (c >> 1) ^ (c & 1 ? polynomial : 0);
			table[i] = c;
		}
	while (n-- > 0)
		crc = (crc >> 8) ^ table[(crc ^ *p++) & 0xff];
	return crc;
}

static uint32_t
crc32c_portable(uint32_t crc, const uint8_t *p, size_t n)
{
	static uint32_t table[256];

	return crc_by_table(table, UINT32_C(0x82f63b78), crc, p, n);
}

uint32_t
ag_crc32(uint32_t crc, const void *p, size_t n)
{
	static uint32_t table[256];

	return ~crc_by_table(table, UINT32_C(0xedb88320), ~crc, p, n);
}

void
ag_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n, uint8_t out[AG_SHA256_LEN])
{
	unsigned int len = AG_SHA256_LEN;

	const unsigned char *mac = HMAC(EVP_sha256(), key, (int)key_n, p, n, out, &len);

	assert(mac); /* what is no signature must not go out as one */
}

#ifdef __x86_64__

/* The instruction takes three cycles and begins one each: three lanes of a text at once, put together by
 * a multiplication without carries.  Words of a lane at most, and a text that is worth it. */
#define LANE_MAX    128u
#define LANES_LEAST 192u

#define SSE42  __attribute__((target("sse4.2")))
#define PCLMUL __attribute__((target("sse4.2,pclmul")))

SSE42 static uint32_t
crc32c_sse42(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t c = crc;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		c = _mm_crc32_u64(c, word);
	}
	for (; n > 0; n--)
		c = _mm_crc32_u8((uint32_t)c, *p++);
	return (uint32_t)c;
}

/* x^(64 * words - 33) modulo the polynomial, reflected: the product with it, which stands a bit too high in
 * 64 bits, put through the instruction (times x^32) is the sum moved on by so many words of zeros. */
static const uint32_t *
shifts(void)
{
	static uint32_t by_words[2 * LANE_MAX + 1];
	uint32_t c = UINT32_C(1) << 31; /* x^0 */

	if (by_words[1] == 0)
		for (size_t bits = 0, words = 1; words <= 2 * LANE_MAX; bits++) {
			if (bits == 64 * words - 33)
				by_words[words++] = c;
			c = (c >> 1) ^ (c & 1 ? UINT32_C(0x82f63b78) : 0);
		}
	return by_words;
}

PCLMUL static uint64_t
times(uint64_t crc, uint32_t shift)
{
	__m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc),
	    _mm_cvtsi64_si128((int64_t)shift), 0);

	return (uint64_t)_mm_cvtsi128_si64(product);
}

PCLMUL static uint32_t
crc32c_lanes(uint32_t crc, const uint8_t *p, size_t n)
{
	const uint32_t *shift = shifts();

	while (n >= LANES_LEAST) {
		size_t words = n / 24 < LANE_MAX ? n / 24 : LANE_MAX;
		uint64_t a = crc, b = 0, c = 0, word;

		for (size_t i = 0; i < 8 * words; i += 8) {
			memcpy(&word, p + i, 8);
			a = _mm_crc32_u64(a, word);
			memcpy(&word, p + 8 * words + i, 8);
			b = _mm_crc32_u64(b, word);
			memcpy(&word, p + 16 * words + i, 8);
			c = _mm_crc32_u64(c, word);
		}
		crc = (uint32_t)(c ^ _mm_crc32_u64(0, times(a, shift[2 * words]) ^ times(b, shift[words])));
		p += 24 * words;
		n -= 24 * words;
	}
	return crc32c_sse42(crc, p, n);
}

#endif

uint32_t
ag_crc32c(uint32_t crc, const void *p, size_t n)
{
#ifdef __x86_64__
	if (n >= LANES_LEAST && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.2"))
		return ~crc32c_lanes(~crc, p, n);
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc32c_sse42(~crc, p, n);
#endif
	return ~crc32c_portable(~crc, p, n);
}
