/* event_ring.h - a ring of events from one worker to telemetry: one producer, one consumer, lossy.
 *
 * Memory of its own that the master maps before it forks: it goes with the master, since nothing in it
 * has to last.  Either side may die between two instructions and is followed by a successor.  A full
 * ring takes no more until there is room; who pushes never waits. */
#ifndef AG_SHM_EVENT_RING_H
#define AG_SHM_EVENT_RING_H

#include <stdbool.h>

#include "aigated/event.h"
#include "base/atomic.h"
#include "base/attr.h"
#include "base/err.h"

#define AG_EVENT_RING_MIN (UINT64_C(64) << 10)

struct ag_event_ring_hdr {
	struct ag_a64 head; /* W: worker; bytes ever pushed */
	struct ag_a64 reserved[7];
	struct ag_a64 tail; /* W: telemetry; bytes ever taken */
	struct ag_a64 reserved_t[7];
};
static_assert(sizeof(struct ag_event_ring_hdr) == 2 * AG_CACHELINE, "a line each");

/* Of all workers; the rings follow. */
struct ag_event_area {
	uint64_t ring_bytes; /* a power of two  W: master, before it forks */
	uint32_t rings;
	uint32_t reserved[13];
};
static_assert(sizeof(struct ag_event_area) == AG_CACHELINE, "rings are aligned");

struct ag_event_ring {
	struct ag_event_ring_hdr *hdr; /* borrowed: area; NULL: there is no telemetry */
	uint8_t *data;
	uint64_t mask;
};

/* ring_bytes is rounded up to a power of two.  NULL and err. */
struct ag_event_area *ag_event_area_new(uint32_t rings, uint64_t ring_bytes, struct ag_err *err);
void ag_event_area_free(struct ag_event_area *a);
struct ag_event_ring ag_event_ring_of(struct ag_event_area *a, uint32_t ix); /* a NULL: no ring */

/* Producer: room for AG_EVENT_MAX bytes, to be written in place, or NULL; then len of them pushed. */
struct ag_event *ag_event_ring_reserve(struct ag_event_ring *r);
void ag_event_ring_commit(struct ag_event_ring *r, const struct ag_event *e);

/* Consumer: the event at *cursor (begin at ag_event_ring_tail()), which moves past it, or NULL.  Good
 * until its room is released. */
uint64_t ag_event_ring_tail(const struct ag_event_ring *r);
const struct ag_event *ag_event_ring_peek(const struct ag_event_ring *r, uint64_t *cursor);
void ag_event_ring_release(struct ag_event_ring *r, uint64_t cursor);

/* Puts an event together at out, which has room for AG_EVENT_MAX bytes: fixed part and strings (cut to
 * AG_EVENT_TEXT_MAX), then the record with its strings, unless NULL. */
void ag_event_build(const struct ag_event *fixed, const struct ag_str strs[AG_ES_COUNT],
    const struct ag_record *rec, const struct ag_str rec_strs[AG_RS_COUNT], struct ag_event *out);
/* Whether its lengths agree. */
bool ag_event_is_valid(const struct ag_event *e, size_t room);
struct ag_str ag_event_string(const struct ag_event *e, enum ag_event_str which);
const struct ag_record *ag_event_record(const struct ag_event *e); /* NULL none */

#endif
