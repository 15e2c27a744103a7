#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "http/conn_impl.h"

#define SOME_MAX    65536  /* clear text ag_conn_write_some() encrypts ahead of the socket */
#define GATHER_KEEP 262144 /* memory kept between TLS calls, one a thread */
#define OUT_KEEP    4096   /* memory kept by an empty queue */
#define SEND_COPY   4096   /* pieces up to this size in all are sent as one copy */

/* Records of a TLS call that finds the queue empty are gathered here, so that a connection which
 * keeps up needs no output memory of its own. */
static _Thread_local struct ag_buf gather = { .max = SIZE_MAX / 2 };

static int
write_failed(struct ag_conn *c, int err)
{
	c->write_error = err;
	conn_update_write(c);
	return err;
}

static ssize_t
sent_or_errno(ssize_t sent)
{
	if (sent >= 0)
		return sent;
	return errno == EAGAIN ? 0 : -errno;
}

static ssize_t
send_one(struct ag_conn *c, const void *p, size_t n)
{
	ssize_t sent;

	do
		sent = send(c->fd, p, n, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent_or_errno(sent);
}

static ssize_t
send_many(struct ag_conn *c, const struct iovec *iov, int n_iov)
{
	/* sendmsg() does not write through the pointer; the C type has no const. */
	struct msghdr msg = { .msg_iovlen = (size_t)n_iov };
	ssize_t sent;

	memcpy(&msg.msg_iov, &iov, sizeof(iov)); /* NOLINT(bugprone-sizeof-expression): the pointer */
	do
		sent = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent_or_errno(sent);
}

/* As much as the socket takes, in one call: bytes, 0 included, or -errno. */
static ssize_t
send_now(struct ag_conn *c, const struct iovec *iov, int n_iov)
{
	char small[SEND_COPY];
	size_t n = 0;
	ssize_t sent;

	/* A copy of a few KiB is cheaper than having the kernel take a vector of pieces apart. */
	for (int i = 0; i < n_iov && n <= sizeof(small); i++)
		n += iov[i].iov_len;
	if (n_iov == 1 || n > sizeof(small))
		return n_iov == 1 ? send_one(c, iov[0].iov_base, iov[0].iov_len) : send_many(c, iov, n_iov);
	n = 0;
	for (int i = 0; i < n_iov; i++) {
		if (iov[i].iov_len > 0)
			memcpy(small + n, iov[i].iov_base, iov[i].iov_len);
		n += iov[i].iov_len;
	}
	sent = send_one(c, small, n);
	/* Towards a provider a credential is among the pieces, and must not stay behind on the stack. */
	if (c->has_secrets)
		ag_mem_wipe(small, n);
	return sent;
}

static ssize_t
send_buf(struct ag_conn *c, struct ag_buf *b)
{
	struct iovec iov = { .iov_base = b->p, .iov_len = b->n };
	ssize_t sent = b->n > 0 ? send_now(c, &iov, 1) : 0;

	if (sent > 0)
		ag_buf_consume(b, (size_t)sent);
	return sent;
}

/* Sends from the queue.  0 or -errno. */
int
conn_flush(struct ag_conn *c)
{
	ssize_t sent = send_buf(c, &c->out);

	if (sent < 0)
		return write_failed(c, (int)sent);
	if (c->out.n == 0 && c->out.cap > OUT_KEEP)
		ag_buf_shrink(&c->out);
	conn_update_write(c);
	return 0;
}

void
conn_sink_open(struct ag_conn *c)
{
	c->sink = &c->out;
	if (c->out.n == 0 && !(c->is_corked && c->state == CONN_OPEN)) {
		ag_buf_reset(&gather);
		c->sink = &gather;
	}
}

int
conn_sink_close(struct ag_conn *c)
{
	struct ag_buf *sink = c->sink;
	ssize_t sent = 0;

	c->sink = NULL;
	if (sink == &gather) {
		if (gather.n > 0 && c->write_error == 0)
			sent = send_buf(c, &gather);
		if (gather.n > 0 && sent >= 0)
			ag_buf_put(&c->out, gather.p, gather.n);
		ag_buf_reset(&gather);
		if (gather.cap > GATHER_KEEP)
			ag_buf_shrink(&gather);
	}
	if (sent < 0)
		return write_failed(c, (int)sent);
	if (c->out.failed)
		return write_failed(c, -ENOMEM);
	conn_update_write(c);
	return 0;
}

static int
queue(struct ag_conn *c, struct ag_buf *b, const struct iovec *iov, int n_iov, size_t skip)
{
	for (int i = 0; i < n_iov; i++) {
		size_t cut = skip < iov[i].iov_len ? skip : iov[i].iov_len;

		ag_buf_put(b, (const char *)iov[i].iov_base + cut, iov[i].iov_len - cut);
		skip -= cut;
	}
	if (b->failed)
		return write_failed(c, -ENOMEM);
	conn_update_write(c);
	return 0;
}

int
conn_write_tls(struct ag_conn *c, const struct iovec *iov, int n_iov)
{
	int rc, sent;

	conn_sink_open(c);
	rc = conn_tls_encrypt(c, iov, n_iov);
	sent = conn_sink_close(c);
	/* Half a call's records may be gone: nothing sensible can follow them. */
	return rc < 0 ? write_failed(c, rc) : sent;
}

static int
may_write(const struct ag_conn *c)
{
	if (c->write_error < 0)
		return c->write_error;
	return c->wants_shutdown || c->state == CONN_CLOSED ? -EPIPE : 0;
}

int
ag_conn_writev(struct ag_conn *c, const struct iovec *iov, int n_iov)
{
	size_t total = 0, pending = ag_conn_pending(c);
	ssize_t sent;
	int rc = may_write(c);

	assert(n_iov >= 0 && n_iov <= IOV_MAX);
	if (rc < 0)
		return rc;
	for (int i = 0; i < n_iov; i++)
		if (__builtin_add_overflow(total, iov[i].iov_len, &total))
			return -ENOBUFS;
	if (pending > c->out_max || total > c->out_max - pending)
		return -ENOBUFS;
	if (total == 0)
		return 0;
	if (c->ssl)
		return c->state == CONN_OPEN ? conn_write_tls(c, iov, n_iov)
		                             : queue(c, &c->early, iov, n_iov, 0);
	if (c->state != CONN_OPEN || c->is_corked || c->out.n > 0)
		return queue(c, &c->out, iov, n_iov, 0);
	sent = send_now(c, iov, n_iov);
	if (sent < 0)
		return write_failed(c, (int)sent);
	return (size_t)sent == total ? 0 : queue(c, &c->out, iov, n_iov, (size_t)sent);
}

int
ag_conn_write(struct ag_conn *c, const void *p, size_t n)
{
	struct iovec iov = { .iov_len = n };

	memcpy(&iov.iov_base, &p, sizeof(p));
	return ag_conn_writev(c, &iov, 1);
}

ssize_t
ag_conn_write_some(struct ag_conn *c, const void *p, size_t n)
{
	struct iovec iov = { .iov_len = n };
	ssize_t taken = 0;
	int rc = may_write(c);

	if (rc < 0)
		return rc;
	memcpy(&iov.iov_base, &p, sizeof(p));
	if (c->state == CONN_OPEN && c->out.n == 0 && !c->is_corked && n > 0) {
		if (c->ssl) {
			iov.iov_len = n < SOME_MAX ? n : SOME_MAX;
			rc = conn_write_tls(c, &iov, 1);
			taken = rc < 0 ? rc : (ssize_t)iov.iov_len;
		} else {
			taken = send_now(c, &iov, 1);
		}
	}
	if (taken < 0)
		return write_failed(c, (int)taken);
	if ((size_t)taken < n) {
		c->wants_drained = true;
		conn_update_write(c);
	}
	return taken;
}

size_t
ag_conn_pending(const struct ag_conn *c)
{
	return c->out.n + c->early.n;
}

size_t
ag_conn_unacked(const struct ag_conn *c)
{
	int in_kernel = 0;

	if (ioctl(c->fd, SIOCOUTQ, &in_kernel) < 0 || in_kernel < 0)
		in_kernel = 0;
	return ag_conn_pending(c) + (size_t)in_kernel;
}

void
ag_conn_cork(struct ag_conn *c)
{
	c->is_corked = true;
	conn_update_write(c);
}

int
ag_conn_uncork(struct ag_conn *c)
{
	c->is_corked = false;
	if (c->write_error < 0)
		return c->write_error;
	return c->state == CONN_OPEN && c->out.n > 0 ? conn_flush(c) : 0;
}

/* Ends our direction once the queue is out; called again when it is. */
int
conn_end_writing(struct ag_conn *c)
{
	int rc = 0;

	if (c->ssl && !c->has_sent_notify) {
		c->has_sent_notify = true;
		conn_sink_open(c);
		conn_tls_notify(c);
		rc = conn_sink_close(c);
	}
	if (rc == 0 && c->out.n == 0)
		(void)shutdown(c->fd, SHUT_WR);
	return rc;
}

void
ag_conn_shutdown(struct ag_conn *c)
{
	int rc = 0;

	if (c->wants_shutdown)
		return;
	c->wants_shutdown = true;
	c->wants_drained = false;
	if (c->is_corked)
		rc = ag_conn_uncork(c);
	if (rc == 0 && c->state == CONN_OPEN && c->out.n == 0 && c->write_error == 0)
		rc = conn_end_writing(c);
	(void)rc; /* a failure here leaves nothing to be done: the owner is reading to the end */
	conn_update_write(c);
}
