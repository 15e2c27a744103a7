/* keytab.h - the API keys, found by the SHA-256 of their bytes.
 *
 * Open addressing, linear probing, a seqlock per slot, one writer (control).  A lookup never
 * blocks: after AG_SEQ_TRIES torn reads (a writer that died half-way) it reports -EAGAIN and the
 * caller answers 503; control repairs such a slot when it starts.  At most half of the slots
 * are ever in use, so probes stay short; tombstones are reused by inserts. */
#ifndef AG_SHM_KEYTAB_H
#define AG_SHM_KEYTAB_H

#include "shm/segment.h"

#define AG_SEQ_TRIES 1000

/* Any process.  0, -ENOENT, -EAGAIN.  When blob_cap > 0 also copies the metadata text (no NUL)
 * consistently with the slot: *out_blob_bytes bytes, or -E2BIG. */
int ag_keytab_find(const struct ag_shm *shm, const uint8_t hash[AG_SHA256_LEN],
    struct ag_key *out, char *blob, size_t blob_cap, size_t *out_blob_bytes) AG_MUST_CHECK;

/* ---- control only ---- */

/* Private bookkeeping of the single writer: index by key id, free lists of metadata units. Built
 * by scanning the segment, so a restarted control continues where the dead one stood; slots
 * left odd are freed and reported through out_repaired. */
struct ag_keytab_writer;
struct ag_keytab_writer *ag_keytab_writer_new(const struct ag_shm *shm, unsigned *out_repaired);
void ag_keytab_writer_free(struct ag_keytab_writer *w);

/* Inserts, or replaces what stands for the same id and AG_KEY_FLAG_FORMER (also when its hash changed: the
 * new slot is published before the old one goes).  To rotate, put the former secret first: its slot
 * becomes that in place, so there is no moment at which neither works.  blob_unit and blob_bytes of key
 * are ignored: metadata is copied into the segment.  Visible to every process when it returns.
 * -ENOSPC (table or metadata area full), -E2BIG (metadata over 2048 bytes). */
int ag_keytab_put(struct ag_keytab_writer *w, const struct ag_key *key,
    struct ag_str metadata) AG_MUST_CHECK;
int ag_keytab_del(struct ag_keytab_writer *w, int64_t key_id); /* both its slots; -ENOENT */
int ag_keytab_del_former(struct ag_keytab_writer *w, int64_t key_id); /* its former secret; -ENOENT */
/* Borrowed view of what stands for this id, its former secret apart; -ENOENT. */
int ag_keytab_get_by_id(struct ag_keytab_writer *w, int64_t key_id, struct ag_key *out) AG_MUST_CHECK;
int ag_keytab_get_former(struct ag_keytab_writer *w, int64_t key_id, struct ag_key *out) AG_MUST_CHECK;
/* Gives back the slots of former secrets that ended; returns how many.  A walk when there are any. */
unsigned ag_keytab_sweep_formers(struct ag_keytab_writer *w, int64_t now_us);
uint32_t ag_keytab_count(const struct ag_keytab_writer *w); /* slots in use */
/* Calls fn for each slot in use, for the comparison with PostgreSQL after a restart. */
void ag_keytab_each(struct ag_keytab_writer *w,
    void (*fn)(int64_t key_id, bool is_former, void *arg), void *arg);

#endif
