#include "master/predecessor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aigated/shm_layout.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "shm/segment.h"

#define SLOTS        AG_PROC_WORKER(AG_WORKERS_MAX)
#define KILL_WAIT_US (5 * AG_US_PER_SEC)
#define LOCK_WAIT_US (500 * AG_US_PER_MS)

static struct flock
byte_lock(uint32_t proc_ix)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = AG_SHM_LOCK_PROCS + (off_t)proc_ix,
		.l_len = 1 };
}

int
ag_child_lock(const char *shm_name, uint32_t proc_ix, struct ag_err *err)
{
	struct flock lock = byte_lock(proc_ix);
	int fd = shm_open(shm_name, O_RDWR | O_CLOEXEC, 0);

	if (fd < 0)
		return ag_err_set(err, -errno, "could not open segment \"%s\": %s", shm_name, strerror(errno));
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		int rc = errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;

		close(fd);
		return ag_err_set(err, rc, "could not lock process slot %u of segment \"%s\": %s", proc_ix,
		    shm_name, strerror(-rc));
	}
	return fd;
}

static bool
is_held(int fd, uint32_t proc_ix)
{
	struct flock lock = byte_lock(proc_ix);

	/* When in doubt it is held: waiting costs less than two producers. */
	return fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

static unsigned
count_held(int fd)
{
	unsigned n = 0;

	for (uint32_t ix = 0; ix < SLOTS; ix++)
		n += is_held(fd, ix);
	return n;
}

static unsigned
wait_until_free(int fd, int64_t patience_us)
{
	int64_t until = ag_clock_mono_us() + patience_us;
	unsigned n;

	while ((n = count_held(fd)) > 0 && ag_clock_mono_us() < until)
		poll(NULL, 0, 50); /* a lock of another process cannot be waited for in slices but so */
	return n;
}

/* Held until fd is closed: of two that start at once one goes on.  A child that was forked the
 * instant before its master was killed has the old lock for another instant. */
static bool
lock_segment(int fd)
{
	int64_t until = ag_clock_mono_us() + LOCK_WAIT_US;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (ag_clock_mono_us() >= until)
			return false;
		poll(NULL, 0, 10);
	}
	return true;
}

/* The slot names the pid, the lock proves that it still is that process. */
static void
kill_held(const char *shm_name, int fd)
{
	struct ag_shm shm;
	struct ag_err why;

	if (ag_shm_attach(shm_name, &shm, &why) < 0) {
		ag_warn("could not tell who uses the segment: %s, waiting on", why.text);
		return;
	}
	for (uint32_t ix = 0; ix < AG_PROC_WORKER(shm.hdr->sizes.workers); ix++) {
		int32_t pid = (int32_t)ag_a32_get(&ag_shm_proc(&shm, ix)->pid);

		if (pid > 1 && is_held(fd, ix)) {
			ag_warn("process %d of an earlier master did not leave in time, killing it", pid);
			kill(pid, SIGKILL);
		}
	}
	ag_shm_unmap(&shm);
}

int
ag_predecessor_wait(const char *shm_name, int64_t patience_us, struct ag_err *err)
{
	AG_AUTO(ag_fd) int fd = shm_open(shm_name, O_RDWR | O_CLOEXEC, 0);
	unsigned n;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return ag_err_set(err, -errno, "could not open segment \"%s\": %s", shm_name, strerror(errno));
	if (!lock_segment(fd))
		return ag_err_set(err, -EBUSY, "segment \"%s\" is in use by another master", shm_name);
	n = count_held(fd);
	if (n == 0)
		return 0;
	ag_notice("waiting for %u processes of an earlier master to leave", n);
	if (wait_until_free(fd, patience_us) == 0)
		return 0;
	kill_held(shm_name, fd);
	n = wait_until_free(fd, KILL_WAIT_US);
	if (n > 0)
		return ag_err_set(err, -EBUSY, "%u processes of an earlier master still use segment \"%s\"", n,
		    shm_name);
	return 0;
}
