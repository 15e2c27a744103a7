#include "stress.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/num.h"
#include "shm/crash_point.h"

static uint64_t seed = 1;

#ifdef AG_CRASH_POINTS
int ag_crash_countdown;

void
ag_crash_point(void)
{
	if (ag_crash_countdown > 0 && --ag_crash_countdown == 0)
		raise(SIGKILL);
}
#endif

int64_t
stress_ops(int64_t by_default)
{
	const char *text = getenv("AG_STRESS_OPS");
	int64_t ops;

	if (!text)
		return by_default;
	if (ag_parse_i64(ag_str(text), 1, INT64_MAX / 2, &ops) < 0) {
		fprintf(stderr, "AG_STRESS_OPS is no number: \"%s\"\n", text);
		exit(99);
	}
	return ops;
}

void
stress_seed(uint64_t s)
{
	seed = ag_mix64(s + 0x9e3779b97f4a7c15);
}

uint64_t
stress_random(uint64_t below)
{
	seed += 0x9e3779b97f4a7c15;
	return ag_mix64(seed) % below;
}

void *
stress_shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(99);
	}
	return p;
}

pid_t
stress_fork(int (*fn)(void *arg), void *arg, int crash_at)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(99);
	}
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
#ifdef AG_CRASH_POINTS
	ag_crash_countdown = crash_at;
#else
	(void)crash_at;
#endif
	_exit(fn(arg));
}

static bool
reap(pid_t pid, pid_t *out_pid)
{
	int status;

	while ((*out_pid = waitpid(pid, &status, 0)) < 0) {
		if (errno != EINTR) {
			perror("waitpid");
			exit(99);
		}
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return false;
	printf("not ok - a child ended with status 0x%x\n", (unsigned)status);
	exit(1);
}

bool
stress_reap(pid_t pid)
{
	pid_t which;

	return reap(pid, &which);
}

bool
stress_has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

bool
stress_reap_any(pid_t *out_pid)
{
	return reap(-1, out_pid);
}
