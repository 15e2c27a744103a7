/* segment.h - create, re-attach and map the shared segment.
 *
 * The master calls ag_shm_open() and hands the descriptor to its children, which call
 * ag_shm_map().  Tools attach by name with ag_shm_attach().  struct ag_shm is per process:
 * pointers into this process's mapping, made from the offsets in the header after each was
 * checked against the size. */
#ifndef AG_SHM_SEGMENT_H
#define AG_SHM_SEGMENT_H

#include <stdbool.h>

#include "aigated/shm_layout.h"
#include "base/err.h"

struct ag_explain_ring;

struct ag_shm {
	int fd;                       /* owned, -1 when attached read-only by a tool */
	uint64_t bytes;
	struct ag_shm_hdr *hdr;       /* start of the mapping */
	struct ag_proc_slot *procs;
	struct ag_a64 *counters;
	struct ag_key_slot *keys;
	uint8_t *blobs;
	struct ag_meter *meters;
	struct ag_a64 *meter_bits;
	struct ag_catalog_hdr *catalog;
	uint8_t *catalog_area[2];
	struct ag_inflight *inflight;
	struct ag_learned *learned;
	struct ag_a128 *objects;
	uint8_t *rings;
	uint8_t *bodies;              /* see body_ring.h */
	struct ag_explain_ring *explain;
	uint64_t ring_stride;
	uint64_t counters_stride;     /* in words */
};

/* Bytes a segment of these sizes takes; -EINVAL names the size that is not allowed (powers of
 * two where asked, ceilings), -EOVERFLOW. */
int ag_shm_layout_size(const struct ag_shm_sizes *sizes, uint64_t *out_bytes,
    struct ag_err *err) AG_MUST_CHECK;

/* Re-attaches the segment `name` ("/aigated") when magic, layout and sizes match, else creates
 * it, mode 0600.  A segment that does not match is refused (-EPROTO) naming what differs, unless
 * may_replace, when it is unlinked and made anew, unless records stand in it that
 * are stored nowhere else (-EBUSY).  A half-made one (magic 0) is replaced.
 * Only one master at a time: an exclusive flock on the descriptor; -EBUSY when taken. */
int ag_shm_open(const char *name, const struct ag_shm_sizes *sizes, bool may_replace,
    struct ag_shm *out, bool *out_is_fresh, struct ag_err *err) AG_MUST_CHECK;

/* Maps an inherited descriptor. */
int ag_shm_map(int fd, struct ag_shm *out, struct ag_err *err) AG_MUST_CHECK;

/* Read-only, for tools. */
int ag_shm_attach(const char *name, struct ag_shm *out, struct ag_err *err) AG_MUST_CHECK;

void ag_shm_unmap(struct ag_shm *shm);
int ag_shm_unlink(const char *name);

/* Slot accessors; indices are checked by assert. */
struct ag_proc_slot *ag_shm_proc(const struct ag_shm *shm, uint32_t proc_ix);
struct ag_a64 *ag_shm_counter_row(const struct ag_shm *shm, uint32_t proc_ix);
struct ag_inflight *ag_shm_inflight(const struct ag_shm *shm, uint32_t worker_ix, uint32_t ix);
struct ag_ring_hdr *ag_shm_ring(const struct ag_shm *shm, uint32_t worker_ix);
struct ag_explain_ring *ag_shm_explain(const struct ag_shm *shm, uint32_t worker_ix);
uint8_t *ag_shm_ring_data(const struct ag_shm *shm, uint32_t worker_ix);

#endif
