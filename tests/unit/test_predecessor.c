/* Who still uses the segment: locks that die with their process, and what a new master does. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "master/predecessor.h"
#include "shm/segment.h"
#include "tap.h"

static char name[64];
static const struct ag_shm_sizes sizes = {
	.workers = 2, .inflight = 1, .keys = 16, .meters = 16, .blob_units = 32, .counters = 1, .objects = 8,
	.ring_bytes = 65536, .catalog_bytes = 4096,
};

/* A process that holds the lock of a slot until it is killed, as a child of a dead master. */
static pid_t
start_holder(uint32_t proc_ix, struct ag_shm *master)
{
	struct ag_err err;
	int fd = ag_child_lock(name, proc_ix, &err);
	pid_t pid = fd < 0 ? -1 : fork();

	if (pid == 0) {
		if (master)
			ag_shm_unmap(master); /* the lock of the segment is the master's alone */
		alarm(60);
		for (;;)
			pause();
	}
	close(fd); /* now the holder alone has it */
	return pid;
}

static void
a_lock_is_the_childs_until_it_dies(void)
{
	pid_t pid = start_holder(2, NULL);
	struct ag_err err;
	int fd;

	ok(pid > 0, "the lock is taken before the fork");
	is_i64(ag_child_lock(name, 2, &err), -EBUSY, "nobody else gets it");
	fd = ag_child_lock(name, 3, &err);
	ok(fd >= 0, "another slot's is free");
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fd = ag_child_lock(name, 2, &err);
	ok(fd >= 0, "after its death it is free, whatever the death");
	close(fd);
}

static void
who_outstays_his_time_is_killed(void)
{
	struct ag_shm shm;
	struct ag_err err;
	bool is_fresh;
	pid_t pid;
	int status = 0;

	if (ag_shm_open(name, &sizes, false, &shm, &is_fresh, &err) < 0)
		abort();
	pid = start_holder(2, &shm);
	ag_a32_set(&ag_shm_proc(&shm, 2)->pid, (uint32_t)pid);
	/* A stale pid in a slot whose lock nobody holds must be left alone: here, our own. */
	ag_a32_set(&ag_shm_proc(&shm, 3)->pid, (uint32_t)getpid());
	is_i64(ag_predecessor_wait(name, 0, &err), -EBUSY, "not while another master has the segment");
	is_i64(kill(pid, 0), 0, "a living master's child is not touched");
	ag_shm_unmap(&shm);
	is_i64(ag_predecessor_wait(name, 0, &err), 0, "the way is free");
	is_i64(waitpid(pid, &status, WNOHANG), pid, "the holder is gone,");
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "killed");
	is_i64(ag_predecessor_wait(name, 0, &err), 0, "nothing to wait for any more");
}

int
main(void)
{
	struct ag_shm shm;
	struct ag_err err;
	bool is_fresh;

	snprintf(name, sizeof(name), "/ag-test-pred-%ld", (long)getpid());
	ag_log_level = AG_LOG_ERROR;
	alarm(60);
	is_i64(ag_predecessor_wait(name, 0, &err), 0, "no segment, nobody to wait for");
	if (ag_shm_open(name, &sizes, false, &shm, &is_fresh, &err) < 0) {
		printf("# %s\n", err.text);
		return 99;
	}
	ag_shm_unmap(&shm);
	a_lock_is_the_childs_until_it_dies();
	who_outstays_his_time_is_killed();
	ag_shm_unlink(name);
	return done();
}
