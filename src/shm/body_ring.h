/* body_ring.h - the ring of bodies of one worker: one producer, one consumer, entries of struct
 * ag_body.
 *
 * An entry is contiguous: when it does not fit before the end, a filler runs to the end.
 * Nothing is overwritten and nobody waits: without room an entry is not made, and its maker
 * counts that.  A producer that dies before the commit has pushed nothing. */
#ifndef AG_SHM_BODY_RING_H
#define AG_SHM_BODY_RING_H

#include "aigated/body.h"
#include "base/str.h"
#include "shm/segment.h"

struct ag_body_ring {
	struct ag_body_ring_hdr *hdr; /* borrowed: segment; NULL: it has no such rings */
	uint8_t *data;
	uint64_t mask;
};

struct ag_body_ring ag_body_ring_of(const struct ag_shm *shm, uint32_t worker_ix);

/* The longest body an entry can carry, twice, in a ring that is empty. */
uint64_t ag_body_ring_longest(const struct ag_body_ring *r);

/* Room for an entry with bodies of these lengths, lengths filled in and all else zero; the caller
 * writes the rest and commits.  NULL: no room. */
struct ag_body *ag_body_ring_reserve(struct ag_body_ring *r, size_t request_len, size_t response_len);
void ag_body_ring_commit(struct ag_body_ring *r, const struct ag_body *b);

/* Consumer: the entry at *cursor (begin at hdr->tail), which moves past it.  NULL: there is
 * none; or the ring is damaged, and *cursor stands at its head.  Valid until the tail passes
 * it. */
const struct ag_body *ag_body_ring_peek(const struct ag_body_ring *r, uint64_t *cursor);
void ag_body_ring_release(struct ag_body_ring *r, uint64_t cursor);

static inline struct ag_str
ag_body_request(const struct ag_body *b)
{
	return ag_str_n((const char *)(b + 1), b->request_len);
}

static inline struct ag_str
ag_body_response(const struct ag_body *b)
{
	return ag_str_n((const char *)(b + 1) + b->request_len, b->response_len);
}

#endif
