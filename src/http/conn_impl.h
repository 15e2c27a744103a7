/* conn_impl.h - the inside of struct ag_conn.  Internal to conn*.c.
 *
 * conn.c owns the states, the events and reading; conn_out.c the output queue; conn_tls.c knows
 * OpenSSL and no event.
 * TLS bytes pass through a BIO of our own: it reads from the socket straight into the library's
 * buffer and writes to `sink`, so that all records of one call leave in one system call. */
#ifndef AG_HTTP_CONN_IMPL_H
#define AG_HTTP_CONN_IMPL_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>

#include "base/buf.h"
#include "http/conn.h"

#define CONN_MAGIC 0x6e6e6f63u

enum conn_state {
	CONN_CONNECTING,
	CONN_HANDSHAKE,
	CONN_OPEN,
	CONN_CLOSED, /* on_closed was told; reading what is left is still allowed */
};

/* What each event touches stands in the first two lines of memory: kept connections are many, and cold. */
struct ag_conn {
	uint32_t magic;
	int fd;
	enum conn_state state;
	unsigned busy;                 /* depth of our own event handlers */
	void *arg;
	const struct ag_conn_ops *ops; /* borrowed */
	SSL *ssl;                      /* owned; NULL: plain */
	bool is_dead;                  /* freed inside a callback; the handler releases it */
	bool is_read_armed, is_write_armed;
	bool is_paused, is_corked;
	bool has_secrets;              /* connected by us: what is sent holds a credential of ours */
	bool is_read_over;             /* EOF or an error was returned by a read */
	bool wants_drained;
	bool wants_shutdown, has_sent_notify;
	bool soon_open;                /* on_open waits for ev_soon */
	bool may_recv;                 /* TLS: the socket may hold bytes; not after a short read */
	bool has_eof;                  /* TLS: the socket's end was read */
	bool has_more;                 /* TLS: the library may hold bytes no event tells of */
	int read_error, write_error;   /* sticky */
	struct ag_buf out;             /* bytes for the socket */
	size_t out_max;
	int64_t deadline_us;           /* by ag_clock_coarse_us(); 0: none */
	int64_t rings_us;              /* when ev_timer will be told, never after the deadline; 0: never */
	struct event ev_read, ev_write, ev_soon, ev_timer;
	struct event_base *base;       /* borrowed */
	struct ag_buf *sink;           /* where the BIO writes during a TLS call */
	struct ag_buf early;           /* TLS: clear text written before the handshake was done */
	const char *tls_why;
};

/* ---- conn_tls.c: 0 or -errno unless said otherwise; none of these calls back ---- */

int conn_tls_init(struct ag_conn *c, const struct ag_conn_conf *conf, bool is_server);
void conn_tls_fini(struct ag_conn *c);
/* 1: done, 0: wait for the peer, -errno with *out_why. */
int conn_tls_handshake(struct ag_conn *c, const char **out_why);
ssize_t conn_tls_read(struct ag_conn *c, void *p, size_t n);
/* Encrypts all of it into the sink. */
int conn_tls_encrypt(struct ag_conn *c, const struct iovec *iov, int n_iov);
void conn_tls_notify(struct ag_conn *c); /* close_notify into the sink */

/* ---- conn_out.c: sending; 0 or -errno, none of these calls back ---- */

/* Around each TLS call that may write: choose a sink, then send what is in it. */
void conn_sink_open(struct ag_conn *c);
int conn_sink_close(struct ag_conn *c);

int conn_flush(struct ag_conn *c); /* sends from the queue */
int conn_write_tls(struct ag_conn *c, const struct iovec *iov, int n_iov);
/* Ends our direction once the queue is out; called again when it is. */
int conn_end_writing(struct ag_conn *c);

/* ---- conn.c ---- */

/* Arms or disarms the write event as queue and state want it. */
void conn_update_write(struct ag_conn *c);

#endif
