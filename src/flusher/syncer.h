/* syncer.h - the one thread of the flusher that waits for the disk, and its mailbox.
 *
 * Who owns what: everything is the caller's.  The thread borrows a descriptor from
 * ag_syncer_sync() until the result was taken, and the descriptor of the directory as long as it
 * lives; it allocates nothing, logs nothing, and sees no signal.  Mailbox and results stand behind
 * one mutex, which neither side holds while it waits for the disk.
 *
 * One sync at a time; files to delete wait behind it in a queue of their own. */
#ifndef AG_FLUSHER_SYNCER_H
#define AG_FLUSHER_SYNCER_H

#include <stdbool.h>

#include "base/err.h"

#define AG_SYNCER_UNLINKS  64u
#define AG_SYNCER_NAME_LEN 32u

struct ag_syncer;

/* dir_fd: borrowed.  -errno: no memory, no thread. */
int ag_syncer_start(int dir_fd, struct ag_syncer **out) AG_MUST_CHECK;
/* Waits until all that was handed over is done. */
void ag_syncer_stop(struct ag_syncer *s);
/* Readable when a sync has ended; owned by the syncer. */
int ag_syncer_event_fd(const struct ag_syncer *s);

/* fdatasync() of fd, and before it fsync() of the directory when its name is new.  Not while
 * another is under way. */
void ag_syncer_sync(struct ag_syncer *s, int fd, bool with_dir);
/* True, once, when the sync has ended: *out_rc is 0 or -errno.  With is_patient it is waited for. */
bool ag_syncer_take(struct ag_syncer *s, bool is_patient, int *out_rc) AG_MUST_CHECK;

/* Deletes a file of the directory some time later, before ag_syncer_stop() returns.  False: the
 * queue is full. */
bool ag_syncer_unlink(struct ag_syncer *s, const char *name) AG_MUST_CHECK;
/* How many could not be deleted since the last call; *out_errno is that of the last one. */
unsigned ag_syncer_unlinks_failed(struct ag_syncer *s, int *out_errno);

#endif
