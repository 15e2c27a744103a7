/* hash.h - SHA-256 for keys and signatures, CRC-32C for records, a mixer for table indices. */
#ifndef AG_BASE_HASH_H
#define AG_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define AG_SHA256_LEN 32

/* One shot; keeps a context per process (not per thread), so that a call costs no fetch. */
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

/* FNV-1a, 64 bits: for tables over trusted names, not against an attacker. */
static inline uint64_t
ag_fnv1a(struct ag_str s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (uint8_t)s.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

#endif
