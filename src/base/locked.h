/* locked.h - memory for secrets: locked, left out of core files, zero in a fork, wiped when it goes. */
#ifndef AG_BASE_LOCKED_H
#define AG_BASE_LOCKED_H

#include <stddef.h>

/* n bytes, zeroed; NULL: no memory.  Where the right to lock is missing the memory may reach swap. */
void *ag_locked_new(size_t n);
void ag_locked_free(void *p, size_t n); /* NULL-safe; the same n */

#endif
