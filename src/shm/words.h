/* words.h - copying memory that another process may be changing, word by word.
 *
 * Relaxed 64-bit loads and stores: each word is whole, together they may be torn; the caller's
 * seqlock or generation tells.  Shared addresses are 8-byte aligned; the last word is copied
 * whole on the shared side, so areas end on a multiple of 8. */
#ifndef AG_SHM_WORDS_H
#define AG_SHM_WORDS_H

#include <stdint.h>
#include <string.h>

#include "base/atomic.h"

static inline void
ag_words_read(void *to, const void *shared, size_t bytes)
{
	const struct ag_a64 *from = shared;
	uint8_t *out = to;
	int64_t word;

	for (; bytes >= 8; bytes -= 8, out += 8) {
		word = ag_a64_get(from++);
		memcpy(out, &word, 8);
	}
	if (bytes > 0) {
		word = ag_a64_get(from);
		memcpy(out, &word, bytes);
	}
}

/* The rest of the last word becomes zero. */
static inline void
ag_words_write(void *shared, const void *from, size_t bytes)
{
	struct ag_a64 *to = shared;
	const uint8_t *in = from;
	int64_t word;

	for (; bytes >= 8; bytes -= 8, in += 8) {
		memcpy(&word, in, 8);
		ag_a64_set(to++, word);
	}
	if (bytes > 0) {
		word = 0;
		memcpy(&word, in, bytes);
		ag_a64_set(to, word);
	}
}

#endif
