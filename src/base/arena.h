/* arena.h - memory that lives as long as one request: many small allocations, one free.
 *
 * The first block is kept across resets, so that a request which fits in it costs no malloc.
 * Born with a ceiling; NULL when it is reached. */
#ifndef AG_BASE_ARENA_H
#define AG_BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct ag_arena_block;

struct ag_arena {
	struct ag_arena_block *first; /* owned, kept by reset */
	struct ag_arena_block *top;   /* the block being filled */
	size_t total, max;            /* bytes taken from malloc, ceiling */
};

void ag_arena_init(struct ag_arena *a, size_t max);
void ag_arena_fini(struct ag_arena *a);
void ag_arena_reset(struct ag_arena *a);

void *ag_arena_alloc(struct ag_arena *a, size_t n);            /* 16-byte aligned, zeroed */
struct ag_str ag_arena_dup(struct ag_arena *a, struct ag_str s); /* NUL behind it; p NULL: no room */

#endif
