/* hash.h - SHA-256 for keys and signatures, CRC-32C for records, a mixer for table indices. */
#ifndef AG_BASE_HASH_H
#define AG_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

#define AG_SHA256_LEN 32

/* One shot, over one piece or several. */
void ag_sha256(const void *p, size_t n, uint8_t out[AG_SHA256_LEN]);
struct iovec;
void ag_sha256_iov(const struct iovec *iov, int n, uint8_t out[AG_SHA256_LEN]);

/* HMAC-SHA-256 (RFC 2104). */
void ag_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n, uint8_t out[AG_SHA256_LEN]);

/* Castagnoli polynomial, as in RFC 3720; crc starts at 0 and chains. */
uint32_t ag_crc32c(uint32_t crc, const void *p, size_t n);
/* IEEE 802.3 polynomial, as of gzip and Ethernet: for formats of others. */
uint32_t ag_crc32(uint32_t crc, const void *p, size_t n);

/* Bijective 64-bit finaliser: neighbours end far apart. */
static inline uint64_t
ag_mix64(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* Eight bytes of text a step: a product of 128 bits folded to 64, the words of the text being its factors. */
static inline uint64_t
ag_fold64(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* For tables over trusted names, not against an attacker.  Of this process: never stored, never sent. */
static inline uint64_t
ag_hash_name(struct ag_str s)
{
	uint64_t h = s.n ^ UINT64_C(0x9e3779b97f4a7c15), word = 0;
	size_t i = 0;

	for (; s.n - i >= 8; i += 8) {
		memcpy(&word, s.p + i, 8);
		h = ag_fold64(h ^ word, UINT64_C(0xd6e8feb86659fd93));
	}
	if (s.n >= 8) {
		if (i == s.n)
			return h;
		memcpy(&word, s.p + s.n - 8, 8); /* the last eight, some of them for the second time */
	} else {
		word = 0;
		for (; i < s.n; i++)
			word = word << 8 | (uint8_t)s.p[i];
	}
	return ag_fold64(h ^ word, UINT64_C(0xd6e8feb86659fd93));
}

/* FNV-1a, 64 bits: where the figure itself is kept or compared with another process's. */
static inline uint64_t
ag_fnv1a(struct ag_str s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (uint8_t)s.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

#endif
