#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum ag_log_level ag_log_level = AG_LOG_INFO;

static int log_fd = STDERR_FILENO;
static char log_path[256];
static char log_ident[32] = "aigated";

static const char *const level_name[] = { "error", "warn", "notice", "info", "debug" };

int
ag_log_open(const char *path, struct ag_err *err)
{
	int fd;

	if (!path || strcmp(path, "stderr") == 0) {
		log_path[0] = '\0';
		return 0;
	}
	if (strlen(path) >= sizeof(log_path))
		return ag_err_set(err, -ENAMETOOLONG, "path of the log file \"%s\" is too long", path);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return ag_err_set(err, -errno, "could not open log file \"%s\": %s", path, strerror(errno));
	if (log_fd != STDERR_FILENO)
		close(log_fd);
	log_fd = fd;
	snprintf(log_path, sizeof(log_path), "%s", path);
	return 0;
}

int
ag_log_reopen(void)
{
	int fd;

	if (log_path[0] == '\0')
		return 0;
	fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	if (dup3(fd, log_fd, O_CLOEXEC) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	close(fd);
	return 0;
}

void
ag_log_set_ident(const char *ident)
{
	snprintf(log_ident, sizeof(log_ident), "%s", ident);
}

int
ag_log_fd(void)
{
	return log_fd;
}

void
ag_log(enum ag_log_level level, const char *fmt, ...)
{
	char line[2048], at[AG_ISO8601_LEN];
	int saved = errno, n;
	size_t len;
	va_list ap;

	if (level > ag_log_level)
		return;
	ag_clock_iso8601(ag_clock_wall_us(), at);
	n = snprintf(line, sizeof(line), "%s %s[%ld] %s: ", at, log_ident, (long)getpid(),
	    level_name[level]);
	errno = saved; /* for %m */
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	len = (size_t)n < sizeof(line) - 1 ? (size_t)n : sizeof(line) - 2;
	/* A control byte in a value must not forge a second line. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	while (write(log_fd, line, len) < 0 && errno == EINTR)
		;
	errno = saved;
}

bool
ag_log_allowed(struct ag_log_limit *limit, unsigned burst)
{
	int64_t now = ag_clock_mono_us();

	if (now - limit->window_at_us >= AG_US_PER_MIN) {
		if (limit->dropped > 0)
			ag_log(AG_LOG_INFO, "left out %u messages like the next one", limit->dropped);
		limit->window_at_us = now;
		limit->n = limit->dropped = 0;
	}
	if (limit->n < burst) {
		limit->n++;
		return true;
	}
	limit->dropped++;
	return false;
}
