#include "http/conn.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/warm.h"
#include "http/conn_impl.h"

#define OUT_MAX_DEFAULT ((size_t)1 << 20)
/* TLS makes more bytes of what it is given, and speaks on its own: room above the ceiling. */
#define TLS_SLACK(max)  (65536 + (max) / 64)

static void on_read(evutil_socket_t fd, short what, void *arg);
static void on_write(evutil_socket_t fd, short what, void *arg);
static void on_soon(evutil_socket_t fd, short what, void *arg);
static void on_timer(evutil_socket_t fd, short what, void *arg);

/* ---- arming ---- */

static void
update_read(struct ag_conn *c)
{
	bool want = c->state == CONN_HANDSHAKE ||
	            (c->state == CONN_OPEN && !c->is_paused && !c->is_read_over);

	if (want == c->is_read_armed)
		return;
	c->is_read_armed = want;
	if (want)
		event_add(&c->ev_read, NULL);
	else
		event_del(&c->ev_read);
}

void
conn_update_write(struct ag_conn *c)
{
	bool has_work = c->state == CONN_OPEN
	                    ? (c->out.n > 0 || c->wants_drained) && !c->is_corked
	                    : c->state == CONN_HANDSHAKE && c->out.n > 0;
	bool want = c->state == CONN_CONNECTING || (has_work && c->write_error == 0);

	if (want == c->is_write_armed)
		return;
	c->is_write_armed = want;
	if (want)
		event_add(&c->ev_write, NULL);
	else
		event_del(&c->ev_write);
}

/* Bytes wait inside the TLS library, where no descriptor becomes readable. */
static void
update_more(struct ag_conn *c)
{
	if (c->has_more && c->state == CONN_OPEN && !c->is_paused && !c->is_read_over)
		event_active(&c->ev_soon, EV_READ, 0);
}

static void
disarm(struct ag_conn *c)
{
	event_del(&c->ev_read);
	event_del(&c->ev_write);
	event_del(&c->ev_soon);
	event_del(&c->ev_timer);
	c->deadline_us = c->rings_us = 0;
	c->is_read_armed = c->is_write_armed = false;
}

/* Deadlines move with every message and are hardly ever met.  The event stays where it is: it rings when
 * the earliest of them would have passed, and then moves on to the one that stands. */
static void
timer_arm(struct ag_conn *c, int64_t now_us)
{
	int64_t us = c->deadline_us - now_us;
	struct timeval tv = { .tv_sec = us / AG_US_PER_SEC, .tv_usec = us % AG_US_PER_SEC };

	c->rings_us = c->deadline_us;
	event_add(&c->ev_timer, &tv);
}

void
ag_conn_timer_set(struct ag_conn *c, int64_t us)
{
	int64_t now_us = ag_clock_coarse_us();

	c->deadline_us = now_us + us;
	if (c->rings_us == 0 || c->rings_us > c->deadline_us)
		timer_arm(c, now_us);
}

void
ag_conn_timer_clear(struct ag_conn *c)
{
	c->deadline_us = 0;
}

/* ---- making and freeing ---- */

static void
release(struct ag_conn *c)
{
	conn_tls_fini(c);
	ag_buf_fini(&c->out);
	ag_buf_fini(&c->early);
	ag_fd_close(&c->fd);
	c->magic = 0;
	free(c);
}

static struct ag_conn *
conn_new(struct event_base *base, int fd, const struct ag_conn_conf *conf, bool is_server)
{
	struct ag_conn *c = calloc(1, sizeof(*c));
	size_t out_max = conf->out_max ? conf->out_max : OUT_MAX_DEFAULT;
	int one = 1;

	if (!c) {
		ag_fd_close(&fd);
		return NULL;
	}
	c->magic = CONN_MAGIC;
	c->fd = fd;
	c->base = base;
	c->ops = conf->ops;
	c->arg = conf->arg;
	c->has_secrets = !is_server;
	c->out_max = out_max;
	ag_buf_init(&c->out, conf->tls ? out_max + TLS_SLACK(out_max) : out_max);
	ag_buf_init(&c->early, out_max);
	/* Not a TCP socket: fails, and does not matter. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (event_assign(&c->ev_read, base, fd, EV_READ | EV_PERSIST, on_read, c) < 0 ||
	    event_assign(&c->ev_write, base, fd, EV_WRITE | EV_PERSIST, on_write, c) < 0 ||
	    event_assign(&c->ev_soon, base, -1, 0, on_soon, c) < 0 ||
	    event_assign(&c->ev_timer, base, -1, 0, on_timer, c) < 0 ||
	    (conf->tls && conn_tls_init(c, conf, is_server) < 0)) {
		release(c);
		return NULL;
	}
	return c;
}

struct ag_conn *
ag_conn_accepted(struct event_base *base, int fd, const struct ag_conn_conf *conf)
{
	struct ag_conn *c;

	if (ag_fd_set_nonblock(fd) < 0) {
		ag_fd_close(&fd);
		return NULL;
	}
	c = conn_new(base, fd, conf, true);
	if (!c)
		return NULL;
	c->state = conf->tls ? CONN_HANDSHAKE : CONN_OPEN;
	if (!conf->tls && conf->ops->on_open) {
		c->soon_open = true;
		event_active(&c->ev_soon, EV_READ, 0);
	}
	update_read(c);
	return c;
}

int
ag_conn_connect(struct event_base *base, const struct sockaddr *addr, socklen_t addr_len,
    const struct ag_conn_conf *conf, int64_t timeout_us, struct ag_conn **out_conn)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct ag_conn *c;

	if (fd < 0)
		return -errno;
	/* A signal does not stop the attempt: it goes on as one in progress. */
	if (connect(fd, addr, addr_len) < 0 && errno != EINPROGRESS && errno != EINTR) {
		int rc = -errno;

		ag_fd_close(&fd);
		return rc;
	}
	c = conn_new(base, fd, conf, false);
	if (!c)
		return -ENOMEM;
	/* Connected at once or not: the first write event tells, from the loop. */
	c->state = CONN_CONNECTING;
	conn_update_write(c);
	if (timeout_us > 0)
		ag_conn_timer_set(c, timeout_us);
	*out_conn = c;
	return 0;
}

void
ag_conn_free(struct ag_conn *c)
{
	if (!c)
		return;
	assert(c->magic == CONN_MAGIC && !c->is_dead);
	disarm(c);
	if (c->ssl && c->state == CONN_OPEN && c->read_error == 0 && c->write_error == 0 &&
	    c->out.n == 0 && !c->has_sent_notify) {
		int sent;

		conn_sink_open(c);
		conn_tls_notify(c);
		sent = conn_sink_close(c); /* as a courtesy; nobody is left to hear of a failure */
		(void)sent;
		disarm(c);
	}
	c->is_dead = true;
	if (c->busy == 0)
		release(c);
}

void
ag_conn_set_owner(struct ag_conn *c, const struct ag_conn_ops *ops, void *arg)
{
	c->ops = ops;
	c->arg = arg;
}

/* ---- reading ---- */

static ssize_t
read_once(struct ag_conn *c, void *p, size_t n)
{
	ssize_t got;

	if (c->ssl)
		return conn_tls_read(c, p, n);
	do
		got = recv(c->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* A read inside on_readable is followed by a look at what is left; one outside is not. */
static void
told_outside(struct ag_conn *c)
{
	if (c->busy == 0)
		update_more(c);
}

/* EOF and errors stay readable for ever: the event must not turn in circles over them. */
static ssize_t
read_told(struct ag_conn *c, ssize_t got)
{
	if (got <= 0 && got != -EAGAIN) {
		c->is_read_over = true;
		update_read(c);
	}
	told_outside(c);
	return got;
}

static bool
may_read(const struct ag_conn *c)
{
	return c->state >= CONN_OPEN && (!c->ssl || SSL_is_init_finished(c->ssl));
}

ssize_t
ag_conn_read(struct ag_conn *c, void *p, size_t n)
{
	assert(n > 0);
	return may_read(c) ? read_told(c, read_once(c, p, n)) : -EAGAIN;
}

ssize_t
ag_conn_fill(struct ag_conn *c, struct ag_buf *in, size_t max_at_once)
{
	size_t want = in->n < in->max ? in->max - in->n : 0, got = 0;
	ssize_t rc;
	char *at;

	if (want > max_at_once)
		want = max_at_once;
	if (want == 0)
		return -ENOBUFS;
	if (!may_read(c))
		return -EAGAIN;
	at = ag_buf_reserve(in, want);
	if (!at)
		return -ENOMEM;
	do {
		rc = read_once(c, at + got, want - got);
		if (rc > 0)
			got += (size_t)rc;
	} while (c->ssl && rc > 0 && got < want);
	ag_buf_commit(in, got);
	if (got == 0)
		return read_told(c, rc);
	/* The end behind the bytes is for the next call, which no event need cause. */
	if (rc <= 0 && rc != -EAGAIN)
		c->has_more = true;
	told_outside(c);
	return (ssize_t)got;
}

void
ag_conn_read_pause(struct ag_conn *c)
{
	c->is_paused = true;
	update_read(c);
}

void
ag_conn_read_resume(struct ag_conn *c)
{
	c->is_paused = false;
	update_read(c);
	update_more(c);
}

/* ---- what the loop tells ---- */

static void
enter(struct ag_conn *c)
{
	assert(c->magic == CONN_MAGIC && !c->is_dead);
	c->busy++;
}

static void
leave(struct ag_conn *c)
{
	if (--c->busy == 0 && c->is_dead)
		release(c);
}

/* After this c may be dead, but it is still there: release() waits for leave(). */
static void
tell(struct ag_conn *c, void (*callback)(void *))
{
	if (callback && !c->is_dead && c->state == CONN_OPEN)
		callback(c->arg);
}

static void
tell_closed(struct ag_conn *c, int err, const char *why)
{
	disarm(c);
	c->state = CONN_CLOSED;
	c->may_recv = true; /* no event will say so any more */
	if (c->ops->on_closed)
		c->ops->on_closed(c->arg, err, why);
}

static void
tell_readable(struct ag_conn *c)
{
	if (c->is_dead || c->is_paused || c->is_read_over)
		return;
	tell(c, c->ops->on_readable);
	if (!c->is_dead)
		update_more(c);
}

static void
tell_open(struct ag_conn *c)
{
	c->soon_open = false;
	tell(c, c->ops->on_open);
}

static int
send_early(struct ag_conn *c)
{
	struct iovec iov = { .iov_base = c->early.p, .iov_len = c->early.n };
	int rc = c->early.n > 0 ? conn_write_tls(c, &iov, 1) : 0;

	ag_buf_fini(&c->early);
	if (rc == 0 && !c->ssl && c->out.n > 0 && !c->is_corked)
		rc = conn_flush(c);
	if (rc == 0 && c->wants_shutdown && c->out.n == 0)
		rc = conn_end_writing(c);
	return rc;
}

/* Connected, and through the handshake if there is one. */
static void
become_open(struct ag_conn *c)
{
	int rc;

	c->state = CONN_OPEN;
	ag_conn_timer_clear(c);
	rc = send_early(c);
	if (rc < 0) {
		tell_closed(c, rc, "could not send");
		return;
	}
	update_read(c);
	conn_update_write(c);
	update_more(c);
	tell_open(c);
}

static void
step_handshake(struct ag_conn *c)
{
	const char *why = NULL;
	int rc = conn_tls_handshake(c, &why);

	if (rc < 0)
		tell_closed(c, rc, why);
	else if (rc == 1)
		become_open(c);
}

static void
step_connect(struct ag_conn *c)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err != 0) {
		tell_closed(c, -err, "could not connect");
		return;
	}
	if (!c->ssl) {
		become_open(c);
		return;
	}
	c->state = CONN_HANDSHAKE;
	update_read(c);
	conn_update_write(c);
	step_handshake(c);
}

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct ag_conn *c = arg;

	(void)fd;
	(void)what;
	enter(c);
	c->may_recv = true;
	if (c->soon_open)
		tell_open(c);
	if (!c->is_dead && c->state == CONN_HANDSHAKE)
		step_handshake(c);
	else
		tell_readable(c);
	leave(c);
}

static void
step_drained(struct ag_conn *c)
{
	int rc;

	if (c->wants_shutdown) {
		rc = conn_end_writing(c);
		if (rc < 0)
			tell_closed(c, rc, "could not send");
		return;
	}
	c->wants_drained = false;
	conn_update_write(c);
	tell(c, c->ops->on_drained);
}

static void
on_write(evutil_socket_t fd, short what, void *arg)
{
	struct ag_conn *c = arg;
	int rc;

	(void)fd;
	(void)what;
	enter(c);
	if (c->state == CONN_CONNECTING) {
		step_connect(c);
	} else if ((rc = conn_flush(c)) < 0) {
		tell_closed(c, rc, "could not send");
	} else if (c->state == CONN_OPEN && c->out.n == 0) {
		step_drained(c);
	}
	leave(c);
}

static void
on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct ag_conn *c = arg;

	(void)fd;
	(void)what;
	enter(c);
	if (c->soon_open)
		tell_open(c);
	/* What is inside the library only: were the socket read here too, a fast sender would keep
	 * this event active and every other connection waiting. */
	c->may_recv = false;
	if (!c->is_dead && c->has_more)
		tell_readable(c);
	leave(c);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ag_conn *c = arg;

	int64_t now_us = ag_clock_coarse_us();

	(void)fd;
	(void)what;
	c->rings_us = 0;
	if (c->deadline_us == 0)
		return;
	if (c->deadline_us > now_us) {
		timer_arm(c, now_us);
		return;
	}
	c->deadline_us = 0;
	enter(c);
	if (c->state == CONN_CONNECTING)
		tell_closed(c, -ETIMEDOUT, "connecting timed out");
	else if (c->state == CONN_HANDSHAKE)
		tell_closed(c, -ETIMEDOUT, "TLS handshake timed out");
	else
		tell(c, c->ops->on_timer);
	leave(c);
}

void
ag_conn_warm(const struct ag_conn *c)
{
	ag_warm(c, offsetof(struct ag_conn, ev_read));
}

bool
ag_conn_is_open(const struct ag_conn *c)
{
	return c->state == CONN_OPEN;
}

int
ag_conn_fd(const struct ag_conn *c)
{
	return c->fd;
}
