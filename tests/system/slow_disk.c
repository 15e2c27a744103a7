/* slow_disk.c - for tests, preloaded: a disk under the journal that is stuck or broken.
 *
 * In the directory SLOW_DISK names:
 *   gate     a FIFO: fdatasync() of a journal segment waits until somebody opens it for writing
 *   waiting  made when one begins to wait
 *   broken   fdatasync() of a journal segment fails with EIO
 * Other files are synced as ever. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool
is_journal(int fd)
{
	static const char suffix[] = ".journal";
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < (ssize_t)sizeof(suffix))
		return false;
	path[n] = '\0';
	return strcmp(path + n - (sizeof(suffix) - 1), suffix) == 0;
}

int
fdatasync(int fd)
{
	const char *dir = getenv("SLOW_DISK");
	char path[PATH_MAX];
	struct stat st;

	if (!dir || !is_journal(fd))
		return (int)syscall(SYS_fdatasync, fd);
	snprintf(path, sizeof(path), "%s/gate", dir);
	if (stat(path, &st) == 0) {
		char mark[PATH_MAX];
		int gate;

		snprintf(mark, sizeof(mark), "%s/waiting", dir);
		close(open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		gate = open(path, O_RDONLY | O_CLOEXEC); /* until the other end is opened */
		if (gate >= 0)
			close(gate);
	}
	snprintf(path, sizeof(path), "%s/broken", dir);
	if (stat(path, &st) == 0) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}
