/* ring.h - the usage ring of one worker: checksummed records, one producer, one consumer.
 *
 * A record is contiguous: when it does not fit before the end, a filler runs to the end.  The
 * head is published after the record, so a producer that dies in between has pushed nothing,
 * and next_seq tells its successor which numbers were used. Nothing is ever overwritten. */
#ifndef AG_SHM_RING_H
#define AG_SHM_RING_H

#include "aigated/record.h"
#include "base/warm.h"
#include "shm/segment.h"

struct ag_ring {
	struct ag_ring_hdr *hdr; /* borrowed: segment */
	uint8_t *data;
	uint64_t mask;
};

struct ag_ring ag_ring_of(const struct ag_shm *shm, uint32_t worker_ix);

/* Bytes that can be pushed for certain, fillers allowed for. */
uint64_t ag_ring_room(const struct ag_ring *r);
/* Number the next record will get. */
uint64_t ag_ring_next_seq(const struct ag_ring *r);
/* Copies rec (rec->len bytes), sets its seq and crc in the copy, publishes. -ENOSPC. */
int ag_ring_push(struct ag_ring *r, const struct ag_record *rec) AG_MUST_CHECK;

/* One will be pushed soon: the place it goes to was last touched a ring ago. */
static inline void
ag_ring_warm(const struct ag_ring *r)
{
	ag_warm(r->data + ((uint64_t)ag_a64_get(&r->hdr->head) & r->mask), AG_RECORD_USUAL);
}

/* The two halves of a push, for a producer that notes in between where the record stands
 * (holds.c), so that its successor can do the second half.  The bytes stay as prepared until the
 * next prepare or push. */
int ag_ring_prepare(struct ag_ring *r, const struct ag_record *rec, uint64_t *out_at) AG_MUST_CHECK;
void ag_ring_commit(struct ag_ring *r, uint64_t at); /* does nothing when it was done before */

/* A successor, before its first push: next_seq is made to follow the last published record, since
 * its predecessor may have died after counting and before publishing. */
void ag_ring_recover(struct ag_ring *r);

/* Consumer: the record at *cursor (a byte count, start at hdr->tail), skipping fillers; *cursor
 * moves past it.  NULL when there is none.  Valid until the tail passes it.  A record whose
 * checksum or length is wrong sets *out_is_corrupt and leaves *cursor, and the consumer must
 * resynchronise at the head. */
const struct ag_record *ag_ring_peek(const struct ag_ring *r, uint64_t *cursor,
    bool *out_is_corrupt);
/* Everything before cursor is safe elsewhere: its room may be used again.  A consumer that died in
 * here finds records up to safe_seq once more: it skips them. */
void ag_ring_release(struct ag_ring *r, uint64_t cursor, uint64_t safe_seq);

/* Assembles fixed part, charges and strings into out; sets len, n_charges and str_len, not seq
 * and crc.  Strings that do not fit are cut, metadata becomes "{}".  Returns the length. */
size_t ag_record_build(const struct ag_record *fixed, const struct ag_charge *charges,
    uint16_t n_charges, const struct ag_str strs[AG_RS_COUNT], uint8_t *out, size_t cap);
/* Whether len, version, counts and crc agree. */
bool ag_record_is_valid(const struct ag_record *rec, size_t room);
bool ag_record_is_shaped(const struct ag_record *rec, size_t room); /* the same without crc */
void ag_record_seal(struct ag_record *rec); /* crc over the rest */
int64_t ag_record_config_id(const struct ag_record *rec); /* 0: none, or not known then */
int64_t ag_record_price_adjustment_id(const struct ag_record *rec); /* the same */
size_t ag_record_fixed_bytes(uint16_t version); /* of the fixed part; 0: there is no such version */
const struct ag_charge *ag_record_charges(const struct ag_record *rec);
struct ag_str ag_record_string(const struct ag_record *rec, enum ag_record_str which);

#endif
