#include "base/locked.h"

#include <sys/mman.h>

#include "base/buf.h"
#include "base/log.h"

void *
ag_locked_new(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (mlock(p, n) < 0)
		ag_debug("could not lock memory for credentials: %m");
	madvise(p, n, MADV_DONTDUMP);
	madvise(p, n, MADV_WIPEONFORK);
	return p;
}

void
ag_locked_free(void *p, size_t n)
{
	if (!p)
		return;
	ag_mem_wipe(p, n);
	munmap(p, n);
}
