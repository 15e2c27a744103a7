/* catalog_area.h - publishing and copying the immutable catalogue blob.
 * Protocol: struct ag_catalog_hdr in shm_layout.h. */
#ifndef AG_SHM_CATALOG_AREA_H
#define AG_SHM_CATALOG_AREA_H

#include "base/buf.h"
#include "shm/segment.h"

/* control: -ENOSPC when the blob is larger than an area.  Returns with the new generation
 * visible to all. */
int ag_catalog_publish(const struct ag_shm *shm, const void *blob, size_t bytes,
    uint32_t *out_generation) AG_MUST_CHECK;

static inline uint32_t
ag_catalog_generation(const struct ag_shm *shm)
{
	return ag_a32_observe(&shm->catalog->generation);
}

/* A private copy of the newest generation in out (reset first); -EAGAIN after too many races,
 * -ENOENT when none was ever published. */
int ag_catalog_copy(const struct ag_shm *shm, struct ag_buf *out, uint32_t *out_generation) AG_MUST_CHECK;

#endif
