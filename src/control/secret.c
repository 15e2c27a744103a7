#include "control/secret.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#define RANDOM_BYTES AG_SHA256_LEN
#define KEY_CHARS    43  /* 62^43 > 2^256 */

/* number /= 62, big-endian; returns the remainder. */
static unsigned
divide_62(uint8_t number[RANDOM_BYTES])
{
	unsigned rest = 0;

	for (int i = 0; i < RANDOM_BYTES; i++) {
		unsigned v = rest << 8 | number[i];

		number[i] = (uint8_t)(v / 62);
		rest = v % 62;
	}
	return rest;
}

void
ag_new_key_of(uint8_t bits[AG_SHA256_LEN], struct ag_new_key *out)
{
	static const char digits[] =
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	memcpy(out->text, "ag-", 3);
	for (int i = KEY_CHARS - 1; i >= 0; i--)
		out->text[3 + i] = digits[divide_62(bits)];
	out->text[3 + KEY_CHARS] = '\0';
	ag_sha256(out->text, 3 + KEY_CHARS, out->hash);
	ag_secret_mask(ag_str(out->text), out->mask);
}

int
ag_random_bits(uint8_t out[AG_SHA256_LEN])
{
	ssize_t n;

	do {
		n = getrandom(out, RANDOM_BYTES, 0);
	} while (n < 0 && errno == EINTR);
	return n == RANDOM_BYTES ? 0 : n < 0 ? -errno : -EIO;
}

int
ag_new_key_make(struct ag_new_key *out)
{
	uint8_t number[RANDOM_BYTES];
	int rc = ag_random_bits(number);

	if (rc < 0)
		return rc;
	ag_new_key_of(number, out);
	ag_mem_wipe(number, sizeof(number));
	return 0;
}
