/* keytab.c - the reader's half of the key table; the writer's is keytab_writer.c. */
#include "shm/keytab.h"

#include <errno.h>
#include <sched.h>

#include "shm/blob_units.h"
#include "shm/words.h"

/* From this try on a reader lets others run first: the writer may have been put off the very
 * processor the reader spins on, in the middle of its few dozen stores. */
#define YIELD_FROM (AG_SEQ_TRIES - 100)

enum match { MATCH_NO, MATCH_END, MATCH_YES, MATCH_TORN, MATCH_TOO_BIG };

static int64_t
word_at(const struct ag_key_slot *s, size_t offset)
{
	return ag_a64_get(&s->word[offset / 8]);
}

static enum match
slot_compare(const struct ag_key_slot *s, const uint8_t hash[AG_SHA256_LEN])
{
	/* state shares its word with kind: little-endian, state is the low half */
	uint32_t state = (uint32_t)word_at(s, offsetof(struct ag_key, state));
	int64_t want[AG_SHA256_LEN / 8];

	static_assert(offsetof(struct ag_key, state) % 8 == 0, "state begins a word");
	static_assert(offsetof(struct ag_key, hash) == 0, "the hash comes first");
	if (state == AG_KEY_FREE)
		return MATCH_END;
	if (state == AG_KEY_TOMB)
		return MATCH_NO;
	memcpy(want, hash, AG_SHA256_LEN);
	for (size_t i = 0; i < AG_ARRAY_LEN(want); i++)
		if (ag_a64_get(&s->word[i]) != want[i])
			return MATCH_NO;
	return MATCH_YES;
}

static enum match
blob_read(const struct ag_shm *shm, const struct ag_key *key, char *blob, size_t cap)
{
	uint64_t at = (uint64_t)key->blob_unit * AG_BLOB_UNIT;

	/* A torn key may point anywhere. */
	if (key->blob_bytes > AG_BLOB_BYTES_MAX ||
	    at + key->blob_bytes > (uint64_t)shm->hdr->sizes.blob_units * AG_BLOB_UNIT)
		return MATCH_TORN;
	if (key->blob_bytes > cap)
		return MATCH_TOO_BIG;
	ag_words_read(blob, shm->blobs + at, key->blob_bytes);
	return MATCH_YES;
}

static enum match
slot_read(const struct ag_shm *shm, const struct ag_key_slot *s,
    const uint8_t hash[AG_SHA256_LEN], struct ag_key *out, char *blob, size_t blob_cap)
{
	uint32_t seq = ag_a32_observe(&s->seq);                  /* (A) with (D) in the writer */
	enum match m;

	if (seq & 1)
		return MATCH_TORN;
	m = slot_compare(s, hash);
	if (m == MATCH_YES) {
		ag_words_read(out, s->word, sizeof(*out));
		if (blob_cap > 0)
			m = blob_read(shm, out, blob, blob_cap);
	}
	atomic_thread_fence(memory_order_acquire);               /* (B) with (C) */
	return ag_a32_get(&s->seq) == seq ? m : MATCH_TORN;
}

static enum match
slot_read_surely(const struct ag_shm *shm, const struct ag_key_slot *s,
    const uint8_t hash[AG_SHA256_LEN], struct ag_key *out, char *blob, size_t blob_cap)
{
	for (int tries = 0; tries < AG_SEQ_TRIES; tries++) {
		enum match m = slot_read(shm, s, hash, out, blob, blob_cap);

		if (AG_LIKELY(m != MATCH_TORN))
			return m;
		if (tries >= YIELD_FROM)
			sched_yield();
	}
	return MATCH_TORN;
}

int
ag_keytab_find(const struct ag_shm *shm, const uint8_t hash[AG_SHA256_LEN],
    struct ag_key *out, char *blob, size_t blob_cap, size_t *out_blob_bytes)
{
	uint32_t mask = shm->hdr->sizes.keys - 1;
	struct ag_key key;
	uint64_t home;

	memcpy(&home, hash, sizeof(home));
	for (uint32_t i = 0; i <= mask; i++) {
		const struct ag_key_slot *s = &shm->keys[(home + i) & mask];

		switch (slot_read_surely(shm, s, hash, &key, blob, blob_cap)) {
		case MATCH_NO:
			continue;
		case MATCH_END:
			return -ENOENT;
		case MATCH_TORN:
			return -EAGAIN;
		case MATCH_TOO_BIG:
			return -E2BIG;
		case MATCH_YES:
			*out = key;
			if (blob_cap > 0)
				*out_blob_bytes = key.blob_bytes;
			return 0;
		}
	}
	return -ENOENT;
}
