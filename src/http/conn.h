/* conn.h - a non-blocking byte stream: TCP or unix socket, plain or TLS, either direction.
 *
 * libevent lives here (struct event, nothing above it).  Owner: whoever made it; only
 * ag_conn_free() ends it, and that is allowed inside any callback.  One thread.
 *
 * 1. No call made by the owner calls back; what is to be told is told from the event loop.
 * 2. A failure is told once: by the return value where a call found it, by on_closed where the
 *    loop did.  After a failed write the owner may still read what the peer had sent.
 * 3. on_readable is level-triggered: it comes again while there is something to read and reading
 *    is not paused.  Read once a call.  EOF is a read that returns 0; after it, and after a read
 *    error, on_readable does not come again, so a half-closed peer costs nothing.
 * 4. Writes are taken (and queued) from the start: a request may be written before the
 *    connection stands and leaves when it does, before on_open is told. */
#ifndef AG_HTTP_CONN_H
#define AG_HTTP_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <openssl/types.h>

#include "base/attr.h"

typedef struct ssl_session_st SSL_SESSION; /* as <openssl/ssl.h> has it, which is large */
struct ag_buf;
struct ag_conn;
struct event_base;

struct ag_conn_ops {                   /* each may be NULL */
	void (*on_open)(void *arg);     /* connected, and the TLS handshake is done */
	void (*on_readable)(void *arg);
	/* The loop emptied the output queue, or room came after ag_conn_write_some() took less
	 * than it was given.  Not told where a call or the opening itself sent the last byte. */
	void (*on_drained)(void *arg);
	/* err: -errno; why: static text ("could not connect", "TLS handshake failed" ...).  No
	 * other callback follows, the owner frees when it likes.  -ETIMEDOUT: too late. */
	void (*on_closed)(void *arg, int err, const char *why);
	void (*on_timer)(void *arg);    /* ag_conn_timer_set() */
};

struct ag_conn_conf {
	const struct ag_conn_ops *ops; /* borrowed, outlives the connection */
	void *arg;
	SSL_CTX *tls;                  /* NULL: plain */
	/* Client with TLS: name to send and to verify (or an IP address in text); NULL: the
	 * certificate is not checked for a name. */
	const char *host;
	SSL_SESSION *session;          /* client with TLS: to resume, borrowed; NULL: none */
	size_t out_max;                /* ceiling of the output queue in bytes; 0: 1 MiB */
};

/* Takes the fd (made non-blocking), also on failure.  NULL: no memory or no event. */
struct ag_conn *ag_conn_accepted(struct event_base *base, int fd, const struct ag_conn_conf *conf);

/* Starts connecting.  timeout_us bounds connecting and handshake together, 0: the owner's
 * business.  0 and *out_conn, or -errno when it failed at once (no callback then). */
int ag_conn_connect(struct event_base *base, const struct sockaddr *addr, socklen_t addr_len,
    const struct ag_conn_conf *conf, int64_t timeout_us, struct ag_conn **out_conn) AG_MUST_CHECK;

/* Sends close_notify if the socket takes it at once; drops what is queued.  NULL is fine. */
void ag_conn_free(struct ag_conn *c);

/* A connection changes hands (pools). */
void ag_conn_set_owner(struct ag_conn *c, const struct ag_conn_ops *ops, void *arg);

/* > 0 bytes, 0 EOF, -EAGAIN, -errno.  TLS: the end of the socket without close_notify is
 * -ECONNRESET, never EOF: a body that ends at EOF was cut. */
ssize_t ag_conn_read(struct ag_conn *c, void *p, size_t n) AG_MUST_CHECK;

/* The same to the end of `in`, at most max_at_once and never past its ceiling (-ENOBUFS: it is
 * full).  Of TLS as many records as have arrived.  Call once per on_readable. */
ssize_t ag_conn_fill(struct ag_conn *c, struct ag_buf *in, size_t max_at_once) AG_MUST_CHECK;

void ag_conn_read_pause(struct ag_conn *c);  /* no on_readable until resumed */
void ag_conn_read_resume(struct ag_conn *c);

/* Takes all or nothing: sends what the socket takes now, queues the rest.  0, -ENOBUFS (queue
 * plus this would pass the ceiling: nothing was taken), -EPIPE after ag_conn_shutdown(), -errno
 * of the socket.  One system call for all pieces; TLS: few records, one call. */
int ag_conn_writev(struct ag_conn *c, const struct iovec *iov, int n_iov) AG_MUST_CHECK;
int ag_conn_write(struct ag_conn *c, const void *p, size_t n) AG_MUST_CHECK;

/* For large bodies the owner holds anyway: takes as much as goes out now without queueing
 * (TLS: at most a bounded amount at a time) and returns how much, 0 included; if that is not
 * all, on_drained tells when to go on.  -errno as above. */
ssize_t ag_conn_write_some(struct ag_conn *c, const void *p, size_t n) AG_MUST_CHECK;

size_t ag_conn_pending(const struct ag_conn *c); /* bytes queued; TLS: as encrypted */
/* The same and what the kernel holds: while it falls, the peer is reading.  A system call. */
size_t ag_conn_unacked(const struct ag_conn *c);

/* Between them writes only queue; uncork sends it all at once.  0 or -errno as for write. */
void ag_conn_cork(struct ag_conn *c);
int ag_conn_uncork(struct ag_conn *c) AG_MUST_CHECK;

/* No more writes: when the queue is out, close_notify and FIN follow.  Reading goes on. */
void ag_conn_shutdown(struct ag_conn *c);

/* One timer a connection: on_timer, once, when that time has passed.  Before on_open it is the deadline of
 * connecting and handshake (-ETIMEDOUT) and ends with them: an accepted TLS connection wants one.
 * Setting again starts anew, and costs next to nothing. */
void ag_conn_timer_set(struct ag_conn *c, int64_t us);
void ag_conn_timer_clear(struct ag_conn *c);

/* It will be written to, or read from, soon. */
void ag_conn_warm(const struct ag_conn *c);

bool ag_conn_is_open(const struct ag_conn *c); /* on_open was told (or is about to be) */
int ag_conn_fd(const struct ag_conn *c);       /* to look at, not to use */
SSL *ag_conn_ssl(const struct ag_conn *c);     /* borrowed; NULL: plain */
/* Of a handshake that failed: the library's or the verifier's reason; "" when there is none. */
const char *ag_conn_tls_error(const struct ag_conn *c);

/* Client side: a session to resume the next connection to the same place with, the caller
 * frees it (SSL_SESSION_free); NULL: none.  Ask after the first answer was read: TLS 1.3 sends
 * tickets late. */
SSL_SESSION *ag_conn_tls_session_get(const struct ag_conn *c);
bool ag_conn_tls_is_resumed(const struct ag_conn *c);

#endif
