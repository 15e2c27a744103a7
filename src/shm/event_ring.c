#include "shm/event_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "shm/ring.h"

/* A filler: only these two of an event are there. */
struct filler {
	uint32_t len;
	uint16_t kind;
	uint16_t zero;
};
static_assert(sizeof(struct filler) == 8 && offsetof(struct filler, kind) == offsetof(struct ag_event, kind),
    "a filler fits into the smallest rest");

static size_t
area_bytes(uint32_t rings, uint64_t ring_bytes)
{
	return sizeof(struct ag_event_area) + rings * (sizeof(struct ag_event_ring_hdr) + (size_t)ring_bytes);
}

struct ag_event_area *
ag_event_area_new(uint32_t rings, uint64_t ring_bytes, struct ag_err *err)
{
	struct ag_event_area *a;
	uint64_t bytes = AG_EVENT_RING_MIN;

	while (bytes < ring_bytes)
		bytes *= 2;
	a = mmap(NULL, area_bytes(rings, bytes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (a == MAP_FAILED) {
		(void)ag_err_set(err, -errno, "could not map %zu bytes for events: %s", area_bytes(rings, bytes),
		    strerror(errno));
		return NULL;
	}
	a->rings = rings;
	a->ring_bytes = bytes;
	return a;
}

void
ag_event_area_free(struct ag_event_area *a)
{
	if (a)
		munmap(a, area_bytes(a->rings, a->ring_bytes));
}

struct ag_event_ring
ag_event_ring_of(struct ag_event_area *a, uint32_t ix)
{
	struct ag_event_ring r = { .hdr = NULL };
	uint8_t *at;

	if (!a)
		return r;
	assert(ix < a->rings);
	at = (uint8_t *)(a + 1) + ix * (sizeof(struct ag_event_ring_hdr) + (size_t)a->ring_bytes);
	r.hdr = (void *)at;
	r.data = at + sizeof(struct ag_event_ring_hdr);
	r.mask = a->ring_bytes - 1;
	return r;
}

/* ---- producer ---------------------------------------------------------------------------- */

/* Where the next event goes: at the head, or at the start behind a filler. */
static uint64_t
place_of(const struct ag_event_ring *r, uint64_t head)
{
	uint64_t to_end = r->mask + 1 - (head & r->mask);

	return to_end < AG_EVENT_MAX ? head + to_end : head;
}

struct ag_event *
ag_event_ring_reserve(struct ag_event_ring *r)
{
	uint64_t head = (uint64_t)ag_a64_get(&r->hdr->head);
	uint64_t tail = (uint64_t)ag_a64_observe(&r->hdr->tail); /* with (B) */
	uint64_t at = place_of(r, head);

	if (at + AG_EVENT_MAX - tail > r->mask + 1)
		return NULL;
	if (at != head) {
		struct filler f = { .len = (uint32_t)(at - head), .kind = AG_EVENT_PAD };

		memcpy(r->data + (head & r->mask), &f, sizeof(f));
	}
	return (void *)(r->data + (at & r->mask));
}

void
ag_event_ring_commit(struct ag_event_ring *r, const struct ag_event *e)
{
	uint64_t at = place_of(r, (uint64_t)ag_a64_get(&r->hdr->head));

	assert((const void *)(r->data + (at & r->mask)) == e && e->len <= AG_EVENT_MAX);
	ag_a64_publish(&r->hdr->head, (int64_t)(at + e->len)); /* (A) */
}

/* ---- consumer ---------------------------------------------------------------------------- */

uint64_t
ag_event_ring_tail(const struct ag_event_ring *r)
{
	return (uint64_t)ag_a64_get(&r->hdr->tail);
}

const struct ag_event *
ag_event_ring_peek(const struct ag_event_ring *r, uint64_t *cursor)
{
	uint64_t head = (uint64_t)ag_a64_observe(&r->hdr->head); /* with (A) */

	while (*cursor != head) {
		uint64_t pos = *cursor & r->mask, room = r->mask + 1 - pos;
		const struct ag_event *e = (const void *)(r->data + pos);

		if (e->kind == AG_EVENT_PAD && e->len == room) {
			*cursor += room;
			continue;
		}
		room = room < head - *cursor ? room : head - *cursor;
		if (!ag_event_is_valid(e, room)) {
			/* A wild writer was here: what it left is not worth reading. */
			*cursor = head;
			return NULL;
		}
		*cursor += e->len;
		return e;
	}
	return NULL;
}

void
ag_event_ring_release(struct ag_event_ring *r, uint64_t cursor)
{
	ag_a64_publish(&r->hdr->tail, (int64_t)cursor); /* (B) */
}

/* ---- events ------------------------------------------------------------------------------ */

static size_t
round8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

void
ag_event_build(const struct ag_event *fixed, const struct ag_str strs[AG_ES_COUNT],
    const struct ag_record *rec, const struct ag_str rec_strs[AG_RS_COUNT], struct ag_event *out)
{
	uint8_t *to = (uint8_t *)out;
	size_t at = sizeof(*out), end;

	*out = *fixed;
	for (size_t i = 0; i < AG_ES_COUNT; i++) {
		size_t n = strs[i].n < AG_EVENT_TEXT_MAX ? strs[i].n : AG_EVENT_TEXT_MAX;

		if (n > 0)
			memcpy(to + at, strs[i].p, n);
		out->str_len[i] = (uint16_t)n;
		at += n;
	}
	end = round8(at);
	memset(to + at, 0, end - at);
	out->record_len = rec ? (uint32_t)ag_record_build(rec, NULL, 0, rec_strs, to + end, AG_RECORD_MAX) : 0;
	out->len = (uint32_t)(end + out->record_len);
}

static size_t
text_end(const struct ag_event *e)
{
	size_t end = sizeof(*e);

	for (size_t i = 0; i < AG_ES_COUNT; i++)
		end += e->str_len[i];
	return round8(end);
}

bool
ag_event_is_valid(const struct ag_event *e, size_t room)
{
	size_t end;

	if (room < sizeof(*e) || e->len > room || e->len < sizeof(*e) || e->len % 8 != 0 ||
	    (e->kind != AG_EVENT_REQUEST && e->kind != AG_EVENT_ATTEMPT))
		return false;
	end = text_end(e);
	if (end > e->len || e->record_len != e->len - end)
		return false;
	return e->record_len == 0 ||
	    ag_record_is_shaped((const void *)((const uint8_t *)e + end), e->record_len);
}

struct ag_str
ag_event_string(const struct ag_event *e, enum ag_event_str which)
{
	const char *p = (const char *)(e + 1);

	for (size_t i = 0; i < (size_t)which; i++)
		p += e->str_len[i];
	return ag_str_n(p, e->str_len[which]);
}

const struct ag_record *
ag_event_record(const struct ag_event *e)
{
	return e->record_len > 0 ? (const void *)((const uint8_t *)e + text_end(e)) : NULL;
}
