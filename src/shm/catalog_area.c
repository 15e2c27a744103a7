#include "shm/catalog_area.h"

#include <errno.h>

#include "shm/words.h"

#define COPY_TRIES 100

int
ag_catalog_publish(const struct ag_shm *shm, const void *blob, size_t bytes,
    uint32_t *out_generation)
{
	struct ag_catalog_hdr *c = shm->catalog;
	uint32_t generation = ag_a32_get(&c->generation) + 1;

	if (bytes > shm->hdr->sizes.catalog_bytes)
		return -ENOSPC;
	if (generation == 0) /* 0 says "never published"; one in four billion, but for ever */
		generation = 2;
	ag_a32_set(&c->writing, generation);
	atomic_thread_fence(memory_order_release);                              /* (A) */
	ag_words_write(shm->catalog_area[generation & 1], blob, bytes);
	ag_a64_set(&c->bytes[generation & 1], (int64_t)bytes);
	ag_a32_publish(&c->generation, generation);                             /* (B) */
	*out_generation = generation;
	return 0;
}

int
ag_catalog_copy(const struct ag_shm *shm, struct ag_buf *out, uint32_t *out_generation)
{
	const struct ag_catalog_hdr *c = shm->catalog;

	for (int tries = 0; tries < COPY_TRIES; tries++) {
		uint32_t generation = ag_a32_observe(&c->generation);           /* with (B) */
		uint64_t bytes = (uint64_t)ag_a64_get(&c->bytes[generation & 1]);
		char *to;

		if (generation == 0)
			return -ENOENT;
		if (bytes > shm->hdr->sizes.catalog_bytes)
			continue;
		ag_buf_reset(out);
		to = ag_buf_reserve(out, bytes + 1); /* + 1: an empty blob is one too */
		if (!to)
			return -ENOMEM;
		ag_words_read(to, shm->catalog_area[generation & 1], bytes);
		atomic_thread_fence(memory_order_acquire);                      /* with (A) */
		/* The area is written anew only for generation + 2. */
		if ((int32_t)(ag_a32_get(&c->writing) - (generation + 2)) < 0) {
			ag_buf_commit(out, bytes);
			*out_generation = generation;
			return 0;
		}
	}
	ag_buf_reset(out);
	return -EAGAIN;
}
