#include "base/wiping.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

void
ag_wiping_free(void *p)
{
	if (p)
		ag_mem_wipe(p, malloc_usable_size(p));
	free(p);
}

/* realloc() itself may leave a copy behind. */
void *
ag_wiping_realloc(void *p, size_t n)
{
	size_t had = p ? malloc_usable_size(p) : 0;
	void *moved = malloc(n > 0 ? n : 1);

	if (!moved)
		return NULL;
	if (p)
		memcpy(moved, p, had < n ? had : n);
	ag_wiping_free(p);
	return moved;
}
