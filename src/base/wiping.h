/* wiping.h - an allocator for libraries through which secrets pass: what they let go of is overwritten first.
 * Sizes are asked of the C library, so a piece may come from malloc() or be given to free(). */
#ifndef AG_BASE_WIPING_H
#define AG_BASE_WIPING_H

#include <stddef.h>

void *ag_wiping_realloc(void *p, size_t n); /* always moves; NULL: no memory, p stays */
void ag_wiping_free(void *p);               /* NULL-safe */

#endif
