#include "master/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

#define READY_WAIT_MS 60000

/* The first process: its exit status is what the start script sees. */
static AG_NORETURN void
wait_for_daemon(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;
	int n;

	do
		n = poll(&p, 1, READY_WAIT_MS);
	while (n < 0 && errno == EINTR);
	if (n > 0 && read(fd, &byte, 1) == 1)
		_exit(0);
	if (n == 0)
		fputs("aigated: started, but not all processes serve yet, see the log\n", stderr);
	_exit(1);
}

void
ag_daemon_detach(bool keeps_stderr)
{
	AG_AUTO(ag_fd) int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	if (!keeps_stderr)
		dup2(fd, STDERR_FILENO);
}

int
ag_daemon_start(int *out_ready_fd, struct ag_err *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return ag_err_set(err, -errno, "could not make a pipe: %s", strerror(errno));
	pid = fork();
	if (pid > 0) {
		close(fds[1]);
		wait_for_daemon(fds[0]);
	}
	close(fds[0]);
	if (pid == 0 && setsid() >= 0) {
		pid = fork(); /* no longer leader of a session: never gets a terminal again */
		if (pid > 0)
			_exit(0);
	}
	if (pid < 0 || chdir("/") < 0)
		return ag_err_set(err, -errno, "could not become a daemon: %s", strerror(errno));
	ag_daemon_detach(true); /* standard error is for what goes wrong until we serve */
	*out_ready_fd = fds[1];
	return 0;
}

void
ag_daemon_ready(int *ready_fd, bool keeps_stderr)
{
	if (*ready_fd >= 0) {
		ag_daemon_detach(keeps_stderr);
		(void)!write(*ready_fd, "+", 1); /* nobody may be waiting any more */
		ag_fd_close(ready_fd);
	}
	ag_daemon_notify("READY=1");
}

void
ag_daemon_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	AG_AUTO(ag_fd) int fd = -1;
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || n >= sizeof(sa.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(sa.sun_path, path, n);
	if (path[0] == '@')
		sa.sun_path[0] = '\0'; /* an abstract name */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&sa,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}
