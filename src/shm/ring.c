#include "shm/ring.h"

#include <errno.h>

#include "shm/crash_point.h"

/* Every record begins on a multiple of STEP, so what is left before the end of the data always
 * holds the head of a filler. */
#define STEP 16u

struct filler {
	uint32_t len; /* to the end of the data */
	uint32_t crc;
	uint16_t version;
	uint16_t zero[3];
};
static_assert(sizeof(struct filler) == STEP, "a filler fits into the smallest rest");
static_assert(offsetof(struct filler, version) == offsetof(struct ag_record, version),
    "fillers and records are told apart by version");

static uint64_t
step_up(uint64_t n)
{
	return (n + STEP - 1) & ~(uint64_t)(STEP - 1);
}

struct ag_ring
ag_ring_of(const struct ag_shm *shm, uint32_t worker_ix)
{
	return (struct ag_ring){
		.hdr = ag_shm_ring(shm, worker_ix),
		.data = ag_shm_ring_data(shm, worker_ix),
		.mask = shm->hdr->sizes.ring_bytes - 1,
	};
}

static uint64_t
ring_free(const struct ag_ring *r)
{
	uint64_t head = (uint64_t)ag_a64_get(&r->hdr->head);
	uint64_t tail = (uint64_t)ag_a64_observe(&r->hdr->tail); /* with ag_ring_release() */

	assert(head - tail <= r->mask + 1);
	return r->mask + 1 - (head - tail);
}

uint64_t
ag_ring_room(const struct ag_ring *r)
{
	uint64_t room = ring_free(r);

	/* Whatever is pushed into it, the end of the data is met at most once, and the filler there
	 * is shorter than the record that did not fit. */
	return room > AG_RECORD_MAX ? room - AG_RECORD_MAX : 0;
}

uint64_t
ag_ring_next_seq(const struct ag_ring *r)
{
	int64_t seq = ag_a64_get(&r->hdr->next_seq);

	return seq > 0 ? (uint64_t)seq : 1;
}

int
ag_ring_prepare(struct ag_ring *r, const struct ag_record *rec, uint64_t *out_at)
{
	uint64_t head = (uint64_t)ag_a64_get(&r->hdr->head);
	uint64_t to_end = r->mask + 1 - (head & r->mask);
	uint64_t fill = step_up(rec->len) > to_end ? to_end : 0;
	struct ag_record *copy;

	assert(rec->version == AG_RECORD_VERSION && rec->len >= sizeof(*rec) &&
	    rec->len <= AG_RECORD_MAX && rec->len % 8 == 0);
	if (fill + step_up(rec->len) > ring_free(r))
		return -ENOSPC;
	if (fill > 0) {
		struct filler f = { .len = (uint32_t)fill, .version = AG_RECORD_PAD };

		memcpy(r->data + (head & r->mask), &f, sizeof(f));
	}
	AG_CRASH_POINT();
	copy = (void *)(r->data + ((head + fill) & r->mask));
	memcpy(copy, rec, rec->len);
	copy->seq = ag_ring_next_seq(r);
	ag_record_seal(copy);
	*out_at = head + fill;
	return 0;
}

void
ag_ring_commit(struct ag_ring *r, uint64_t at)
{
	const struct ag_record *rec = (const void *)(r->data + (at & r->mask));

	if ((uint64_t)ag_a64_get(&r->hdr->head) > at)
		return;
	ag_a64_set(&r->hdr->next_seq, (int64_t)rec->seq + 1);
	AG_CRASH_POINT();
	ag_a64_publish(&r->hdr->head, (int64_t)(at + step_up(rec->len)));   /* (A) */
}

int
ag_ring_push(struct ag_ring *r, const struct ag_record *rec)
{
	uint64_t at;
	int rc = ag_ring_prepare(r, rec, &at);

	if (rc == 0)
		ag_ring_commit(r, at);
	return rc;
}

const struct ag_record *
ag_ring_peek(const struct ag_ring *r, uint64_t *cursor, bool *out_is_corrupt)
{
	uint64_t head = (uint64_t)ag_a64_observe(&r->hdr->head);            /* with (A) */

	*out_is_corrupt = false;
	while (*cursor != head) {
		uint64_t pos = *cursor & r->mask;
		uint64_t room = r->mask + 1 - pos;
		const struct ag_record *rec = (const void *)(r->data + pos);

		if (room > head - *cursor)
			room = head - *cursor;
		if (head - *cursor > r->mask + 1 || *cursor % STEP != 0) {
			*out_is_corrupt = true;
			return NULL;
		}
		if (rec->version == AG_RECORD_PAD && rec->len == r->mask + 1 - pos) {
			*cursor += rec->len;
			continue;
		}
		if (!ag_record_is_valid(rec, room)) {
			*out_is_corrupt = true;
			return NULL;
		}
		*cursor += step_up(rec->len);
		return rec;
	}
	return NULL;
}

void
ag_ring_release(struct ag_ring *r, uint64_t cursor, uint64_t safe_seq)
{
	/* In this order: a producer that finds the ring empty knows the last number from safe_seq. */
	ag_a64_set(&r->hdr->safe_seq, (int64_t)safe_seq);
	AG_CRASH_POINT();
	ag_a64_publish(&r->hdr->tail, (int64_t)cursor);
}

void
ag_ring_recover(struct ag_ring *r)
{
	/* tail before safe_seq: if the consumer moves on meanwhile, safe_seq is the newer one. */
	uint64_t cursor = (uint64_t)ag_a64_observe(&r->hdr->tail);
	uint64_t last = (uint64_t)ag_a64_get(&r->hdr->safe_seq);
	const struct ag_record *rec;
	bool is_corrupt;

	while ((rec = ag_ring_peek(r, &cursor, &is_corrupt)) != NULL)
		if (rec->seq > last)
			last = rec->seq;
	/* A ring that cannot be read to its end: rather a hole in the numbers, which raises an
	 * alarm, than a number given twice. */
	if (is_corrupt && (uint64_t)ag_a64_get(&r->hdr->next_seq) > last)
		return;
	ag_a64_set(&r->hdr->next_seq, (int64_t)last + 1);
}
