/* keytab_writer.c - the one writer of the key table: control.
 *
 * What readers need stands in the segment; what only the writer needs (index by id, free metadata)
 * is private memory, rebuilt by one scan.  The order of every change is: new metadata into units
 * nobody points to, slot under its seqlock, old metadata given back. */
#include <errno.h>
#include <stdlib.h>

#include "shm/blob_units.h"
#include "shm/crash_point.h"
#include "shm/keytab.h"
#include "shm/words.h"

#define NONE UINT32_MAX
#define HALF 96u /* of a key: a point to die at in the middle */

struct ag_keytab_writer {
	const struct ag_shm *shm;   /* borrowed */
	struct ag_blob_units *units; /* owned */
	uint32_t *by_id;            /* owned; slot + 1, 0 = empty; linear probing by ag_mix64(name) */
	uint32_t mask;              /* of the slots and of by_id: both have as many places */
	uint32_t count;
	uint32_t n_formers;         /* of count: slots of former secrets */
	uint64_t serial;
};

/* ---- slots ---- */

/* A copy for the writer itself, who needs no seqlock. */
static void
slot_get(const struct ag_keytab_writer *w, uint32_t ix, struct ag_key *out)
{
	ag_words_read(out, w->shm->keys[ix].word, sizeof(*out));
}

static void
slot_set(struct ag_keytab_writer *w, uint32_t ix, const struct ag_key *key)
{
	struct ag_key_slot *s = &w->shm->keys[ix];
	uint32_t seq = ag_a32_get(&s->seq) | 1; /* | 1: its last writer may have died inside */
	const uint8_t *from = (const void *)key;

	AG_CRASH_POINT();
	ag_a32_set(&s->seq, seq);
	atomic_thread_fence(memory_order_release);               /* (C) with (B) in the reader */
	ag_words_write(s->word, from, HALF);
	AG_CRASH_POINT();
	ag_words_write(s->word + HALF / 8, from + HALF, sizeof(*key) - HALF);
	AG_CRASH_POINT();
	ag_a32_publish(&s->seq, seq + 1);                        /* (D) with (A) */
	/* What follows may write to metadata units that this slot pointed to until now. */
	atomic_thread_fence(memory_order_release);
}

/* A slot left odd by a dead writer says nothing about itself; probes must go on past it. */
static uint32_t
slot_state(const struct ag_keytab_writer *w, uint32_t ix)
{
	const struct ag_key_slot *s = &w->shm->keys[ix];

	if (ag_a32_get(&s->seq) & 1)
		return AG_KEY_TOMB;
	return (uint32_t)ag_a64_get(&s->word[offsetof(struct ag_key, state) / 8]);
}

static uint64_t
home_of(const uint8_t hash[AG_SHA256_LEN])
{
	uint64_t home;

	memcpy(&home, hash, sizeof(home));
	return home;
}

/* Empties a slot.  At the end of a chain it, and the tombs before it, become free again, so that
 * probes for unknown keys stay short however many keys come and go. */
static void
slot_clear(struct ag_keytab_writer *w, uint32_t ix)
{
	struct ag_key gone = { .state = AG_KEY_TOMB };

	slot_set(w, ix, &gone);
	if (slot_state(w, (ix + 1) & w->mask) != AG_KEY_FREE)
		return;
	gone.state = AG_KEY_FREE;
	while (slot_state(w, ix) == AG_KEY_TOMB) {
		slot_set(w, ix, &gone);
		ix = (ix - 1) & w->mask;
	}
}

/* The slot that has this hash, or the one to put it into; NONE when the table is full. */
static uint32_t
slot_for_hash(const struct ag_keytab_writer *w, const uint8_t hash[AG_SHA256_LEN])
{
	uint64_t home = home_of(hash);
	uint32_t tomb = NONE;

	for (uint32_t i = 0; i <= w->mask; i++) {
		uint32_t ix = (uint32_t)(home + i) & w->mask;
		uint32_t state = slot_state(w, ix);
		struct ag_key key;

		if (state == AG_KEY_FREE)
			return tomb != NONE ? tomb : ix;
		if (state == AG_KEY_TOMB) {
			if (tomb == NONE)
				tomb = ix;
			continue;
		}
		slot_get(w, ix, &key);
		if (memcmp(key.hash, hash, AG_SHA256_LEN) == 0)
			return ix;
	}
	return tomb;
}

/* ---- index by id ---- */

/* A slot's name: the id of its key, and whether it holds the former secret. */
static uint64_t
name_of(int64_t id, bool is_former)
{
	return (uint64_t)id << 1 | is_former;
}

static uint64_t
key_name(const struct ag_key *key)
{
	return name_of(key->id, (key->flags & AG_KEY_FLAG_FORMER) != 0);
}

static uint64_t
name_at(const struct ag_keytab_writer *w, uint32_t place)
{
	const struct ag_key_slot *s = &w->shm->keys[w->by_id[place] - 1];
	struct { uint32_t before, flags; } word;
	int64_t v = ag_a64_get(&s->word[offsetof(struct ag_key, flags) / 8]);

	static_assert(offsetof(struct ag_key, flags) % 8 == 4, "flags end a word");
	memcpy(&word, &v, sizeof(word));
	return name_of(ag_a64_get(&s->word[offsetof(struct ag_key, id) / 8]),
	    (word.flags & AG_KEY_FLAG_FORMER) != 0);
}

/* Place of the name in by_id, or of the empty one that ends its chain. */
static uint32_t
name_place(const struct ag_keytab_writer *w, uint64_t name)
{
	uint32_t place = (uint32_t)ag_mix64(name) & w->mask;

	while (w->by_id[place] != 0 && name_at(w, place) != name)
		place = (place + 1) & w->mask;
	return place;
}

static uint32_t
name_find(const struct ag_keytab_writer *w, uint64_t name)
{
	uint32_t place = name_place(w, name);

	return w->by_id[place] != 0 ? w->by_id[place] - 1 : NONE;
}

static void
count_name(struct ag_keytab_writer *w, uint64_t name, int more)
{
	w->count += (uint32_t)more;
	if (name & 1)
		w->n_formers += (uint32_t)more;
}

/* Must be called while the slot still holds the key; closes the gap by moving later ones up. */
static void
name_remove(struct ag_keytab_writer *w, uint64_t name)
{
	uint32_t gap = name_place(w, name), place = gap;

	if (w->by_id[gap] == 0)
		return;
	for (;;) {
		uint32_t home;

		place = (place + 1) & w->mask;
		if (w->by_id[place] == 0)
			break;
		home = (uint32_t)ag_mix64(name_at(w, place)) & w->mask;
		if (((place - home) & w->mask) >= ((place - gap) & w->mask)) {
			w->by_id[gap] = w->by_id[place];
			gap = place;
		}
	}
	w->by_id[gap] = 0;
	count_name(w, name, -1);
}

/* ---- rebuilding ---- */

/* Takes a key into the books; false: it cannot stand beside what was found before. */
static bool
writer_adopt(struct ag_keytab_writer *w, uint32_t ix, const struct ag_key *key)
{
	uint32_t place;

	if (key->state != AG_KEY_ACTIVE && key->state != AG_KEY_DISABLED)
		return false;
	if (key->blob_bytes > 0 && !ag_blob_units_claim(w->units, key->blob_unit, key->blob_bytes))
		return false;
	place = name_place(w, key_name(key));
	assert(w->by_id[place] == 0);
	w->by_id[place] = ix + 1;
	count_name(w, key_name(key), 1);
	if (key->serial > w->serial)
		w->serial = key->serial;
	return true;
}

static void
writer_drop(struct ag_keytab_writer *w, uint32_t ix)
{
	struct ag_key key;

	slot_get(w, ix, &key);
	name_remove(w, key_name(&key));
	slot_clear(w, ix);
	if (key.blob_bytes > 0)
		ag_blob_units_give(w->units, key.blob_unit, key.blob_bytes);
}

/* One slot of the scan; returns 1 when something had to be repaired. */
static unsigned
writer_scan_slot(struct ag_keytab_writer *w, uint32_t ix)
{
	struct ag_key key, twin;
	uint32_t other;

	if (ag_a32_get(&w->shm->keys[ix].seq) & 1) {
		slot_clear(w, ix);
		return 1;
	}
	slot_get(w, ix, &key);
	if (key.state == AG_KEY_FREE || key.state == AG_KEY_TOMB)
		return 0;
	other = name_find(w, key_name(&key));
	if (other == NONE) {
		if (writer_adopt(w, ix, &key))
			return 0;
		slot_clear(w, ix);
		return 1;
	}
	/* Died between publishing the new slot and clearing the old one. */
	slot_get(w, other, &twin);
	if (twin.serial > key.serial) {
		slot_clear(w, ix);
		return 1;
	}
	writer_drop(w, other);
	if (!writer_adopt(w, ix, &key))
		slot_clear(w, ix);
	return 1;
}

struct ag_keytab_writer *
ag_keytab_writer_new(const struct ag_shm *shm, unsigned *out_repaired)
{
	struct ag_keytab_writer *w = calloc(1, sizeof(*w));
	unsigned repaired = 0;

	if (!w)
		return NULL;
	w->shm = shm;
	w->mask = shm->hdr->sizes.keys - 1;
	w->by_id = calloc(shm->hdr->sizes.keys, sizeof(*w->by_id));
	w->units = ag_blob_units_new(shm->hdr->sizes.blob_units);
	if (!w->by_id || !w->units) {
		ag_keytab_writer_free(w);
		return NULL;
	}
	for (uint32_t ix = 0; ix <= w->mask; ix++)
		repaired += writer_scan_slot(w, ix);
	*out_repaired = repaired;
	return w;
}

void
ag_keytab_writer_free(struct ag_keytab_writer *w)
{
	if (!w)
		return;
	ag_blob_units_free(w->units);
	free(w->by_id);
	free(w);
}

/* ---- changes ---- */

static int
metadata_put(struct ag_keytab_writer *w, struct ag_key *key, struct ag_str metadata)
{
	int rc;

	key->blob_unit = 0;
	key->blob_bytes = (uint32_t)metadata.n;
	if (metadata.n == 0)
		return 0;
	rc = ag_blob_units_take(w->units, key->blob_bytes, &key->blob_unit);
	if (rc == 0)
		ag_words_write(w->shm->blobs + (size_t)key->blob_unit * AG_BLOB_UNIT, metadata.p,
		    metadata.n);
	return rc;
}

/* The slot `ix` is about to hold another key: what it held leaves the books. */
static void
forget_slot(struct ag_keytab_writer *w, uint32_t ix, struct ag_key *out_old)
{
	slot_get(w, ix, out_old);
	if (out_old->state != AG_KEY_ACTIVE && out_old->state != AG_KEY_DISABLED) {
		out_old->blob_bytes = 0;
		return;
	}
	name_remove(w, key_name(out_old));
}

int
ag_keytab_put(struct ag_keytab_writer *w, const struct ag_key *key, struct ag_str metadata)
{
	uint32_t same = name_find(w, key_name(key)), ix = slot_for_hash(w, key->hash), place;
	struct ag_key mine = *key, old;
	int rc;

	assert(key->state == AG_KEY_ACTIVE || key->state == AG_KEY_DISABLED);
	if (metadata.n > AG_BLOB_BYTES_MAX)
		return -E2BIG;
	if (ix == NONE || (same == NONE && w->count > w->mask / 2))
		return -ENOSPC;
	rc = metadata_put(w, &mine, metadata);
	if (rc < 0)
		return rc;
	mine.serial = ++w->serial;
	forget_slot(w, ix, &old); /* the same key, a free slot, or (never in practice) a stranger */
	AG_CRASH_POINT();
	slot_set(w, ix, &mine);
	AG_CRASH_POINT();
	if (old.blob_bytes > 0)
		ag_blob_units_give(w->units, old.blob_unit, old.blob_bytes);
	if (same != NONE && same != ix)
		writer_drop(w, same); /* the hash changed: the old key works until here */
	place = name_place(w, key_name(key));
	w->by_id[place] = ix + 1;
	count_name(w, key_name(key), 1);
	ag_a32_add(&w->shm->hdr->key_epoch, 1);
	return 0;
}

static int
del_named(struct ag_keytab_writer *w, uint64_t name)
{
	uint32_t ix = name_find(w, name);

	if (ix == NONE)
		return -ENOENT;
	writer_drop(w, ix);
	ag_a32_add(&w->shm->hdr->key_epoch, 1);
	return 0;
}

int
ag_keytab_del(struct ag_keytab_writer *w, int64_t key_id)
{
	/* The former secret first: what a dead control leaves is then the key, not a remnant. */
	int former = del_named(w, name_of(key_id, true)), rc = del_named(w, name_of(key_id, false));

	return rc == 0 ? 0 : former;
}

int
ag_keytab_del_former(struct ag_keytab_writer *w, int64_t key_id)
{
	return del_named(w, name_of(key_id, true));
}

static int
get_named(struct ag_keytab_writer *w, uint64_t name, struct ag_key *out)
{
	uint32_t ix = name_find(w, name);

	if (ix == NONE)
		return -ENOENT;
	slot_get(w, ix, out);
	return 0;
}

int
ag_keytab_get_by_id(struct ag_keytab_writer *w, int64_t key_id, struct ag_key *out)
{
	return get_named(w, name_of(key_id, false), out);
}

int
ag_keytab_get_former(struct ag_keytab_writer *w, int64_t key_id, struct ag_key *out)
{
	return get_named(w, name_of(key_id, true), out);
}

unsigned
ag_keytab_sweep_formers(struct ag_keytab_writer *w, int64_t now_us)
{
	unsigned swept = 0;

	for (uint32_t ix = 0; w->n_formers > 0 && ix <= w->mask; ix++) {
		struct ag_key key;

		slot_get(w, ix, &key);
		if (key.state != AG_KEY_ACTIVE && key.state != AG_KEY_DISABLED)
			continue;
		if (!(key.flags & AG_KEY_FLAG_FORMER) || key.expires_at_us > now_us)
			continue;
		writer_drop(w, ix);
		swept++;
	}
	return swept;
}

uint32_t
ag_keytab_count(const struct ag_keytab_writer *w)
{
	return w->count;
}

void
ag_keytab_each(struct ag_keytab_writer *w,
    void (*fn)(int64_t key_id, bool is_former, void *arg), void *arg)
{
	for (uint32_t ix = 0; ix <= w->mask; ix++) {
		struct ag_key key;

		slot_get(w, ix, &key);
		if (key.state == AG_KEY_ACTIVE || key.state == AG_KEY_DISABLED)
			fn(key.id, (key.flags & AG_KEY_FLAG_FORMER) != 0, arg);
	}
}
