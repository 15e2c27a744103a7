#include "control/secret.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#define RANDOM_BYTES 32
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

int
ag_new_key_make(struct ag_new_key *out)
{
	static const char digits[] =
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint8_t number[RANDOM_BYTES];
	ssize_t n;

	do {
		n = getrandom(number, sizeof(number), 0);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(number))
		return n < 0 ? -errno : -EIO;
	memcpy(out->text, "ag-", 3);
	for (int i = KEY_CHARS - 1; i >= 0; i--)
		out->text[3 + i] = digits[divide_62(number)];
	out->text[3 + KEY_CHARS] = '\0';
	ag_mem_wipe(number, sizeof(number));
	ag_sha256(out->text, 3 + KEY_CHARS, out->hash);
	ag_secret_mask(ag_str(out->text), out->mask);
	return 0;
}
