#include "control/command.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define PATIENCE_US (30 * AG_US_PER_SEC)
#define LOOK_US     (20 * AG_US_PER_MS)
#define TEXT_MAX    65536u /* a pipe takes it whole: writing never waits */

struct ag_command {
	pid_t pid;
	int64_t until_us;       /* monotonic */
	struct event *look;     /* owned */
	ag_command_done done;
	void *arg;
};

extern char **environ;

static void
look_again(struct ag_command *c)
{
	const struct timeval tv = { .tv_usec = LOOK_US };

	event_add(c->look, &tv);
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct ag_command *c = arg;
	ag_command_done done = c->done;
	void *done_arg = c->arg;
	char why[80] = "";
	int status;
	pid_t pid;

	(void)fd;
	(void)what;
	pid = waitpid(c->pid, &status, WNOHANG);
	if (pid == 0 && ag_clock_mono_us() < c->until_us) {
		look_again(c);
		return;
	}
	if (pid == 0) {
		kill(-c->pid, SIGKILL);
		waitpid(c->pid, &status, 0);
		snprintf(why, sizeof(why), "took too long and was killed");
	} else if (pid < 0) {
		snprintf(why, sizeof(why), "its end was not seen");
	} else if (WIFSIGNALED(status)) {
		snprintf(why, sizeof(why), "died of signal %d", WTERMSIG(status));
	} else if (WEXITSTATUS(status) != 0) {
		snprintf(why, sizeof(why), "left with status %d", WEXITSTATUS(status));
	}
	event_free(c->look);
	free(c);
	done(done_arg, why[0] ? why : NULL);
}

/* Signals are blocked and some ignored here; the program shall know nothing of it. */
static int
spawn(const char *path, int stdin_fd, pid_t *out_pid)
{
	char *argv[] = { NULL, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	argv[0] = strdup(path);
	if (!argv[0])
		return -ENOMEM;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_adddup2(&files, stdin_fd, STDIN_FILENO);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_setflags(&attr,
	    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0);
	rc = posix_spawn(out_pid, path, &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	free(argv[0]);
	return -rc;
}

int
ag_command_run(struct event_base *base, const char *path, struct ag_str text, ag_command_done done,
    void *arg, struct ag_command **out)
{
	struct ag_command *c = calloc(1, sizeof(*c));
	int fd[2], rc;

	if (!c)
		return -ENOMEM;
	if (text.n > TEXT_MAX || pipe2(fd, O_CLOEXEC) < 0) {
		rc = text.n > TEXT_MAX ? -EMSGSIZE : -errno;
		free(c);
		return rc;
	}
	*c = (struct ag_command){ .done = done, .arg = arg, .until_us = ag_clock_mono_us() + PATIENCE_US,
		.look = evtimer_new(base, on_look, c) };
	/* Before it runs: there is room for all of it, and nobody to be too slow. */
	rc = !c->look ? -ENOMEM : fcntl(fd[1], F_SETPIPE_SZ, TEXT_MAX) < 0 ? -errno
	    : write(fd[1], text.p, text.n) != (ssize_t)text.n ? -EIO : spawn(path, fd[0], &c->pid);
	close(fd[0]);
	close(fd[1]);
	if (rc < 0) {
		if (c->look)
			event_free(c->look);
		free(c);
		return rc;
	}
	look_again(c);
	*out = c;
	return 0;
}

void
ag_command_cancel(struct ag_command *c)
{
	if (!c)
		return;
	kill(-c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	event_free(c->look);
	free(c);
}
