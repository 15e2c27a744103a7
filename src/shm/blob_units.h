/* blob_units.h - which 64-byte units of the metadata area are in use.
 *
 * Private to the one writer of the key table; the segment itself holds no free list, so nothing
 * in it can be left half-linked.  Runs of 1, 2, 4, 8, 16 or 32 units, aligned to their size
 * inside blocks of 32: a block is a 32-bit map, and blocks stand on lists by the longest run they
 * still have, so taking and giving back cost the same however full the area is. */
#ifndef AG_SHM_BLOB_UNITS_H
#define AG_SHM_BLOB_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

#define AG_BLOB_UNIT       64u
#define AG_BLOB_RUN_MAX    32u
#define AG_BLOB_BYTES_MAX  (AG_BLOB_UNIT * AG_BLOB_RUN_MAX)

struct ag_blob_units;

struct ag_blob_units *ag_blob_units_new(uint32_t units); /* all free; NULL: no memory */
void ag_blob_units_free(struct ag_blob_units *b);

/* bytes <= AG_BLOB_BYTES_MAX.  -ENOSPC. */
int ag_blob_units_take(struct ag_blob_units *b, uint32_t bytes, uint32_t *out_unit) AG_MUST_CHECK;
void ag_blob_units_give(struct ag_blob_units *b, uint32_t unit, uint32_t bytes);
/* Rebuilding: marks a run that is in use; false when it cannot be one (range, alignment, taken). */
bool ag_blob_units_claim(struct ag_blob_units *b, uint32_t unit, uint32_t bytes) AG_MUST_CHECK;

#endif
