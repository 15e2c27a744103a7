/* fd.h - descriptors: close-on-exec, non-blocking, whole reads and writes. */
#ifndef AG_BASE_FD_H
#define AG_BASE_FD_H

#include <stddef.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"

struct ag_buf;

void ag_fd_close(int *fd); /* closes when >= 0 and sets to -1; keeps errno */
int ag_fd_set_nonblock(int fd) AG_MUST_CHECK;

/* All n bytes or -errno; a short file is -EPIPE. Retries EINTR. */
int ag_fd_read_all(int fd, void *p, size_t n) AG_MUST_CHECK;
int ag_fd_write_all(int fd, const void *p, size_t n) AG_MUST_CHECK;

/* A whole file appended to out; its ceiling bounds what is read. */
int ag_file_slurp(const char *path, struct ag_buf *out, struct ag_err *err) AG_MUST_CHECK;

static inline void
ag_fd_cleanup(int *fd)
{
	ag_fd_close(fd);
}

#endif
