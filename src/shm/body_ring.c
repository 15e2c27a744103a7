#include "shm/body_ring.h"

#include <assert.h>
#include <string.h>

#define STEP 16u /* every entry begins on a multiple: what is left before the end holds a filler's head */

struct ag_body_ring
ag_body_ring_of(const struct ag_shm *shm, uint32_t worker_ix)
{
	uint64_t bytes = shm->hdr->sizes.body_ring_bytes;
	uint8_t *at = shm->bodies + worker_ix * (sizeof(struct ag_body_ring_hdr) + bytes);

	assert(worker_ix < shm->hdr->sizes.workers);
	if (bytes == 0)
		return (struct ag_body_ring){ .hdr = NULL };
	return (struct ag_body_ring){ .hdr = (void *)at, .data = at + sizeof(struct ag_body_ring_hdr),
		.mask = bytes - 1 };
}

uint64_t
ag_body_ring_longest(const struct ag_body_ring *r)
{
	/* Half of the ring: a filler before it is never longer than the entry. */
	return r->hdr ? ((r->mask + 1) / 2 - sizeof(struct ag_body)) / 2 - STEP : 0;
}

struct ag_body *
ag_body_ring_reserve(struct ag_body_ring *r, size_t request_len, size_t response_len)
{
	uint64_t head, free_bytes, to_end, fill, len;
	struct ag_body *b;

	if (!r->hdr || request_len > r->mask || response_len > r->mask)
		return NULL;
	len = (sizeof(*b) + request_len + response_len + STEP - 1) & ~(uint64_t)(STEP - 1);
	head = (uint64_t)ag_a64_get(&r->hdr->head);
	/* With ag_body_ring_release(). */
	free_bytes = r->mask + 1 - (head - (uint64_t)ag_a64_observe(&r->hdr->tail));
	to_end = r->mask + 1 - (head & r->mask);
	fill = len > to_end ? to_end : 0;
	if (fill + len > free_bytes)
		return NULL;
	if (fill > 0) {
		const uint32_t filler[2] = { (uint32_t)fill, AG_BODY_PAD };

		memcpy(r->data + (head & r->mask), filler, sizeof(filler));
	}
	b = (void *)(r->data + ((head + fill) & r->mask));
	*b = (struct ag_body){ .len = (uint32_t)len, .kind = AG_BODY_ENTRY,
		.request_len = (uint32_t)request_len, .response_len = (uint32_t)response_len };
	return b;
}

void
ag_body_ring_commit(struct ag_body_ring *r, const struct ag_body *b)
{
	uint64_t head = (uint64_t)ag_a64_get(&r->hdr->head);
	uint64_t at = (uint64_t)((const uint8_t *)b - r->data);

	if (at != (head & r->mask))
		head += r->mask + 1 - (head & r->mask); /* behind the filler */
	ag_a64_publish(&r->hdr->head, (int64_t)(head + b->len));            /* (A) */
}

static bool
is_whole(const struct ag_body *b, uint64_t room)
{
	return room >= sizeof(*b) && b->kind == AG_BODY_ENTRY && b->len <= room && b->len % STEP == 0 &&
	    b->len >= sizeof(*b) + (uint64_t)b->request_len + b->response_len;
}

const struct ag_body *
ag_body_ring_peek(const struct ag_body_ring *r, uint64_t *cursor)
{
	uint64_t head;

	if (!r->hdr)
		return NULL;
	head = (uint64_t)ag_a64_observe(&r->hdr->head);                     /* with (A) */
	while (*cursor != head) {
		uint64_t pos = *cursor & r->mask, to_end = r->mask + 1 - pos, waiting = head - *cursor;
		const struct ag_body *b = (const void *)(r->data + pos);

		if (waiting > r->mask + 1 || *cursor % STEP != 0)
			break;
		if (b->kind == AG_BODY_PAD && b->len == to_end && waiting >= to_end) {
			*cursor += to_end;
			continue;
		}
		if (!is_whole(b, waiting < to_end ? waiting : to_end))
			break;
		*cursor += b->len;
		return b;
	}
	*cursor = head;
	return NULL;
}

void
ag_body_ring_release(struct ag_body_ring *r, uint64_t cursor)
{
	ag_a64_publish(&r->hdr->tail, (int64_t)cursor);
}
