/* warm.h - memory that will be needed shortly, asked for now.
 *
 * A worker serves many requests in turns, and each turn pushes the others out of the caches.  What is known
 * to come next is fetched while something else is done: while the kernel copies, while a head is parsed. */
#ifndef AG_BASE_WARM_H
#define AG_BASE_WARM_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/* Every line of the n bytes at p; changes nothing, and any address will do. */
static inline void
ag_warm(const void *p, size_t n)
{
	uintptr_t at = (uintptr_t)p & ~(uintptr_t)(AG_CACHELINE - 1), end = (uintptr_t)p + n;

	for (; at < end; at += AG_CACHELINE)
		__builtin_prefetch((const void *)at); /* NOLINT(performance-no-int-to-ptr) */
}

#endif
