#include "master/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "conf/listen.h"

#define BACKLOG 4096 /* the kernel cuts it to its somaxconn */

static int
bind_one(const struct sockaddr_storage *sa, socklen_t len, bool is_any)
{
	AG_AUTO(ag_fd) int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int on = 1, v6_only = is_any ? 0 : 1;
	int out;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (sa->ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)sa, len) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	out = fd;
	fd = -1;
	return out;
}

static int
listen_one(const char *addr, struct ag_err *err)
{
	struct sockaddr_storage sa;
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	socklen_t len = 0;
	bool is_any = addr[0] == '*';
	int rc = ag_listen_parse(addr, &sa, &len, err);

	if (rc < 0)
		return rc;
	rc = bind_one(&sa, len, is_any);
	if (rc == -EAFNOSUPPORT && is_any) { /* a kernel without IPv6 */
		v4.sin_port = ((const struct sockaddr_in6 *)&sa)->sin6_port;
		memcpy(&sa, &v4, sizeof(v4));
		rc = bind_one(&sa, sizeof(v4), is_any);
	}
	if (rc < 0)
		return ag_err_set(err, rc, "could not listen on \"%s\": %s", addr, strerror(-rc));
	return rc;
}

int
ag_sockets_listen(const struct ag_conf *conf, int *out_fds, uint8_t *out_is_tls, int *out_n,
    struct ag_err *err)
{
	for (*out_n = 0; *out_n < (int)conf->listen.n; (*out_n)++) {
		int fd = listen_one(conf->listen.addr[*out_n], err);

		if (fd < 0)
			return fd; /* those already open are closed by whoever closes out_n of them */
		out_fds[*out_n] = fd;
		out_is_tls[*out_n] = conf->listen.is_tls[*out_n];
	}
	return 0;
}

int
ag_sockets_listen_metrics(const struct ag_conf *conf, int *out_fd, struct ag_err *err)
{
	*out_fd = -1;
	if (!conf->metrics_listen[0])
		return 0;
	*out_fd = listen_one(conf->metrics_listen, err);
	return *out_fd < 0 ? *out_fd : 0;
}

static void
put_name(int fd, const char *how, struct ag_buf *out)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(sa);
	char ip[INET6_ADDRSTRLEN] = "?";
	unsigned port = 0;

	if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0 && sa.ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)&sa;

		inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof(ip));
		port = ntohs(v6->sin6_port);
	} else if (sa.ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)&sa;

		inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof(ip));
		port = ntohs(v4->sin_port);
	}
	ag_buf_printf(out, "%s %u %s", ip, port, how);
}

void
ag_sockets_log(const int *fds, const uint8_t *is_tls, int n, int metrics_fd)
{
	AG_AUTO(ag_buf) struct ag_buf line;

	ag_buf_init(&line, 256);
	for (int i = 0; i < n; i++) {
		ag_buf_reset(&line);
		put_name(fds[i], is_tls[i] ? "tls" : "plain", &line);
		ag_notice("listening on %.*s", AG_STR_ARG(ag_buf_str(&line)));
	}
	if (metrics_fd >= 0) {
		ag_buf_reset(&line);
		put_name(metrics_fd, "metrics", &line);
		ag_notice("listening on %.*s", AG_STR_ARG(ag_buf_str(&line)));
	}
}

int
ag_sockets_write_ports(const char *run_dir, const int *fds, const uint8_t *is_tls, int n,
    int metrics_fd, struct ag_err *err)
{
	AG_AUTO(ag_buf) struct ag_buf text;
	AG_AUTO(ag_fd) int fd = -1;
	char path[512], tmp[520];
	int rc = 0;

	ag_buf_init(&text, 4096);
	for (int i = 0; i < n; i++) {
		put_name(fds[i], is_tls[i] ? "tls" : "plain", &text);
		ag_buf_putc(&text, '\n');
	}
	if (metrics_fd >= 0) {
		put_name(metrics_fd, "metrics", &text);
		ag_buf_putc(&text, '\n');
	}
	snprintf(path, sizeof(path), "%s/ports", run_dir);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	rc = fd < 0 ? -errno : ag_fd_write_all(fd, text.p, text.n);
	/* Who sees the name sees all of it. */
	if (rc == 0 && rename(tmp, path) < 0)
		rc = -errno;
	if (rc < 0)
		return ag_err_set(err, rc, "could not write file \"%s\": %s", path, strerror(-rc));
	return 0;
}

int
ag_sockets_listen_unix(const char *run_dir, const char *name, int *out_fd, struct ag_err *err)
{
	AG_AUTO(ag_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", run_dir, name);
	mode_t old;
	int rc;

	if (fd < 0)
		return ag_err_set(err, -errno, "could not make a unix socket: %s", strerror(errno));
	if (n < 0 || (size_t)n >= sizeof(sa.sun_path))
		return ag_err_set(err, -ENAMETOOLONG,
		    "directive \"run_dir\": \"%s/%s\" is longer than the %zu bytes of a socket's name", run_dir,
		    name, sizeof(sa.sun_path) - 1);
	unlink(sa.sun_path); /* the lock on the pid file says that nobody serves it */
	old = umask(0177);   /* there is no instant at which others may connect */
	rc = bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, BACKLOG) < 0 ? -errno : 0;
	umask(old);
	if (rc < 0)
		return ag_err_set(err, rc, "could not listen on \"%s\": %s", sa.sun_path, strerror(-rc));
	*out_fd = fd;
	fd = -1;
	return 0;
}
