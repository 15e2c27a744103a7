/* predecessor.h - two producers on one usage ring would be a disaster: a new master must not fork
 * before the children of the old one are gone, however it died.
 *
 * Each child holds a byte-range lock on the segment, taken by the master before the fork and left
 * to the child alone: the kernel drops it when the child is gone, whatever its end, and no pid that
 * was given to somebody else can stand for it. */
#ifndef AG_MASTER_PREDECESSOR_H
#define AG_MASTER_PREDECESSOR_H

#include <stdint.h>

#include "base/err.h"

/* A descriptor that holds the lock of process slot proc_ix; the child inherits it, the master
 * closes it after the fork.  -EBUSY when another process has it. */
int ag_child_lock(const char *shm_name, uint32_t proc_ix, struct ag_err *err) AG_MUST_CHECK;

/* Waits until nobody holds such a lock: at most patience_us, then kills the ones it can name and
 * waits a little more.  -EBUSY: another master lives, or somebody would not go. */
int ag_predecessor_wait(const char *shm_name, int64_t patience_us, struct ag_err *err) AG_MUST_CHECK;

#endif
