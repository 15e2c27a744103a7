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
		size_t left = out->max - out->n;
		char beyond; /* a full buffer: is there one byte more? */
		char *at = left > 0 ? ag_buf_reserve(out, left < 65536 ? left : 65536) : &beyond;
		ssize_t got;

		if (!at)
			return ag_err_set(err, -ENOMEM, "could not read file \"%s\": no memory", path);
		got = read(fd, at, left == 0 ? 1 : ag_buf_room(out) < left ? ag_buf_room(out) : left);
		if (left == 0 && got > 0)
			return ag_err_set(err, -EFBIG, "file \"%s\" is larger than %zu bytes", path, out->max);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return ag_err_set(err, -errno, "could not read file \"%s\": %s", path, strerror(errno));
		if (got == 0)
			return 0;
		ag_buf_commit(out, (size_t)got);
	}
}
