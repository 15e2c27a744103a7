#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

void
ag_fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int
ag_fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int
ag_fd_read_all(int fd, void *p, size_t n)
{
	char *at = p;

	while (n > 0) {
		ssize_t got = read(fd, at, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -EPIPE;
		at += got;
		n -= (size_t)got;
	}
	return 0;
}

int
ag_fd_write_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t put = write(fd, at, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		at += put;
		n -= (size_t)put;
	}
	return 0;
}

int
ag_file_slurp(const char *path, struct ag_buf *out, struct ag_err *err)
{
	AG_AUTO(ag_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return ag_err_set(err, -errno, "could not open file \"%s\": %s", path, strerror(errno));
	for (;;) {
		char *at = ag_buf_reserve(out, out->max - out->n < 65536 ? out->max - out->n + 1 : 65536);
		ssize_t got;

		if (!at)
			return ag_err_set(err, -EFBIG, "file \"%s\" is larger than %zu bytes", path, out->max);
		got = read(fd, at, ag_buf_room(out));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return ag_err_set(err, -errno, "could not read file \"%s\": %s", path, strerror(errno));
		if (got == 0)
			return 0;
		ag_buf_commit(out, (size_t)got);
	}
}
