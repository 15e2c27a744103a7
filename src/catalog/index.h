/* index.h - a private hash table from a hash to rows: open addressing, built once, never changed.
 * Holds row numbers only; the caller compares what they stand for. */
#ifndef AG_CATALOG_INDEX_H
#define AG_CATALOG_INDEX_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "aigated/shm_layout.h"

struct ag_cat_index {
	uint32_t *slot; /* owned; AG_NONE_IX = empty */
	uint32_t mask;
};

static inline int
ag_cat_index_init(struct ag_cat_index *ix, uint32_t rows)
{
	uint64_t size = 8;

	while (size < (uint64_t)rows * 2)
		size *= 2;
	ix->slot = malloc(size * sizeof(*ix->slot));
	if (!ix->slot)
		return -ENOMEM;
	for (uint64_t i = 0; i < size; i++)
		ix->slot[i] = AG_NONE_IX;
	ix->mask = (uint32_t)(size - 1);
	return 0;
}

static inline void
ag_cat_index_put(struct ag_cat_index *ix, uint64_t hash, uint32_t row)
{
	uint32_t at = (uint32_t)hash & ix->mask;

	while (ix->slot[at] != AG_NONE_IX)
		at = (at + 1) & ix->mask;
	ix->slot[at] = row;
}

/* Walks the candidates of a hash: for (at = hash & mask; (row = slot[at]) != AG_NONE_IX; ...) */
#define AG_CAT_INDEX_FOREACH(row, ix, hash)                                                \
	for (uint32_t at_ = (uint32_t)(hash) & (ix)->mask, row; (row = (ix)->slot[at_]) != \
	    AG_NONE_IX; at_ = (at_ + 1) & (ix)->mask)

#endif
