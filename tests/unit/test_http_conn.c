#include "http/conn.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "http/tls.h"
#include "tap.h"

#define DEADLINE_US (20 * AG_US_PER_SEC)
#define BIG         (3u << 20)

static struct event_base *base;
static SSL_CTX *server_ctx, *client_ctx, *stranger_ctx;
static char cert_path[64], key_path[64];

/* One end, and what happened to it. */
struct end {
	struct ag_conn *c;
	struct ag_buf in;
	int n_open, n_readable, n_drained, n_closed, n_timer, err;
	char why[64];
	bool has_eof, is_echo, pause_on_readable, free_on_readable, free_on_open, free_on_closed, free_on_drained;
	bool is_in_call; /* the test is inside a call: no callback may come */
	int read_error;
	size_t at_once;
	int64_t timeout_us; /* of connecting */
	const char *body; /* sent with write_some as it drains */
	size_t body_n;
};

static void
free_end(struct end *e)
{
	ag_conn_free(e->c);
	e->c = NULL;
}

static void
no_call_is_running(struct end *e)
{
	if (e->is_in_call)
		ok(false, "no callback from within a call");
}

static void
send_body(struct end *e)
{
	while (e->body_n > 0) {
		ssize_t sent = ag_conn_write_some(e->c, e->body, e->body_n);

		if (sent < 0)
			ok(false, "a piece of the body is taken");
		if (sent <= 0)
			return;
		e->body += sent;
		e->body_n -= (size_t)sent;
	}
}

static void
end_on_open(void *arg)
{
	struct end *e = arg;

	no_call_is_running(e);
	e->n_open++;
	if (e->free_on_open)
		free_end(e);
	else if (e->body_n > 0)
		send_body(e);
}

static void
end_on_readable(void *arg)
{
	struct end *e = arg;
	ssize_t got;

	no_call_is_running(e);
	e->n_readable++;
	if (e->free_on_readable) {
		free_end(e);
		return;
	}
	if (e->pause_on_readable) {
		ag_conn_read_pause(e->c);
		return;
	}
	got = ag_conn_fill(e->c, &e->in, e->at_once ? e->at_once : 65536);
	if (got == 0)
		e->has_eof = true;
	if (got < 0 && got != -EAGAIN)
		e->read_error = (int)got;
	if (got == -ENOBUFS)
		ag_conn_read_pause(e->c);
	if (got > 0 && e->is_echo) {
		if (ag_conn_write(e->c, e->in.p, e->in.n) == -ENOBUFS)
			ag_conn_read_pause(e->c);
		else
			ag_buf_reset(&e->in);
	}
}

static void
end_on_drained(void *arg)
{
	struct end *e = arg;

	no_call_is_running(e);
	e->n_drained++;
	if (e->free_on_drained) {
		free_end(e);
		return;
	}
	send_body(e);
	if (e->is_echo) {
		if (e->in.n > 0 && ag_conn_write(e->c, e->in.p, e->in.n) == 0)
			ag_buf_reset(&e->in);
		ag_conn_read_resume(e->c);
	}
}

static void
end_on_closed(void *arg, int err, const char *why)
{
	struct end *e = arg;

	no_call_is_running(e);
	e->n_closed++;
	e->err = err;
	ag_str_copy(ag_str(why), e->why, sizeof(e->why));
	if (e->free_on_closed)
		free_end(e);
}

static void
end_on_timer(void *arg)
{
	struct end *e = arg;

	e->n_timer++;
}

static const struct ag_conn_ops end_ops = {
	.on_open = end_on_open,
	.on_readable = end_on_readable,
	.on_drained = end_on_drained,
	.on_closed = end_on_closed,
	.on_timer = end_on_timer,
};

static void
end_init(struct end *e)
{
	*e = (struct end){ 0 };
	ag_buf_init(&e->in, 2 * BIG);
}

static void
end_fini(struct end *e)
{
	ag_conn_free(e->c);
	ag_buf_fini(&e->in);
}

/* Turns the loop until the condition holds; a deadline far away catches a hang. */
#define until(condition)                                                              \
	do {                                                                          \
		int64_t give_up_at = ag_clock_mono_us() + DEADLINE_US;                \
		while (!(condition) && ag_clock_mono_us() < give_up_at)               \
			turn();                                                       \
	} while (0)

static void
turn(void)
{
	struct timeval tick = { .tv_usec = 20000 };

	event_base_loopexit(base, &tick);
	event_base_loop(base, EVLOOP_ONCE);
}

static void
small_buffers(int fd)
{
	int size = 4096;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

struct listener {
	int fd;
	socklen_t len;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_un un;
	} addr;
};

static struct listener
listener_open(int family)
{
	struct listener l = { .fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0) };

	l.addr.any.sa_family = (sa_family_t)family;
	l.len = sizeof(l.addr.in);
	if (family == AF_INET)
		l.addr.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		l.len = sizeof(sa_family_t); /* an abstract name of the kernel's choice: no file */
	if (bind(l.fd, &l.addr.any, l.len) < 0 || listen(l.fd, 8) < 0)
		abort();
	l.len = sizeof(l.addr);
	if (getsockname(l.fd, &l.addr.any, &l.len) < 0)
		abort();
	return l;
}

/* A connected pair over loopback; tls: what the server speaks.  is_small: buffers so small that
 * they are full at once, over a unix socket, since TCP answers a tiny window with long waits. */
static void
connect_pair(struct end *client, struct end *server, const struct ag_conn_conf *client_conf,
    SSL_CTX *tls, bool is_small)
{
	struct listener l = listener_open(is_small ? AF_UNIX : AF_INET);
	struct ag_conn_conf conf = *client_conf;
	int fd;

	conf.ops = &end_ops;
	conf.arg = client;
	client->is_in_call = server->is_in_call = true;
	if (ag_conn_connect(base, &l.addr.any, l.len, &conf, client->timeout_us, &client->c) < 0)
		abort();
	fd = accept(l.fd, NULL, NULL);
	if (is_small) {
		small_buffers(fd);
		small_buffers(ag_conn_fd(client->c));
	}
	server->c = ag_conn_accepted(base, fd,
	    &(struct ag_conn_conf){ .ops = &end_ops, .arg = server, .tls = tls,
	        .out_max = client_conf->out_max });
	client->is_in_call = server->is_in_call = false;
	close(l.fd);
}

static struct ag_conn_conf
client_conf(bool is_tls)
{
	return (struct ag_conn_conf){ .tls = is_tls ? client_ctx : NULL,
		.host = is_tls ? "gw.test" : NULL };
}

static void
fill_pattern(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 31 + i / 4099);
}

static void
bytes_travel_both_ways(bool is_tls)
{
	struct end a, b;
	struct ag_conn_conf conf = client_conf(is_tls);
	struct iovec iov[2] = { { .iov_base = (char[]){ "GET / " }, .iov_len = 6 },
		{ .iov_base = (char[]){ "HTTP/1.1" }, .iov_len = 8 } };

	end_init(&a);
	end_init(&b);
	b.is_echo = true;
	connect_pair(&a, &b, &conf, is_tls ? server_ctx : NULL, false);
	a.is_in_call = true;
	is_i64(ag_conn_writev(a.c, iov, 2), 0, "a write before the connection stands is taken");
	a.is_in_call = false;
	until(a.in.n == 14);
	ok(ag_str_eq(ag_buf_str(&a.in), AG_STR("GET / HTTP/1.1")), "and comes back");
	ok(a.n_open == 1 && b.n_open == 1, "both ends were told they are open");
	ok(ag_conn_is_open(a.c) && (ag_conn_ssl(a.c) != NULL) == is_tls, "and are what they should be");
	is_i64((int64_t)ag_conn_pending(a.c), 0, "nothing is queued");
	ag_conn_shutdown(a.c);
	is_i64(ag_conn_write(a.c, "x", 1), -EPIPE, "no write after the last");
	until(b.has_eof);
	ok(b.has_eof && b.read_error == 0, "the other end sees the end");
	is_i64(ag_conn_write(b.c, "bye", 3), 0, "and can still answer");
	until(a.in.n == 17);
	is_i64((int64_t)a.in.n, 17, "which arrives");
	free_end(&b);
	until(a.has_eof);
	ok(a.has_eof && a.read_error == 0, "closing is an orderly end");
	end_fini(&a);
	end_fini(&b);
}

static void
large_transfers_survive_small_buffers(bool is_tls)
{
	struct end a, b;
	struct ag_conn_conf conf = client_conf(is_tls);
	char *body = malloc(BIG);

	fill_pattern(body, BIG);
	end_init(&a);
	end_init(&b);
	a.body = body;
	a.body_n = BIG;
	b.is_echo = true;
	conf.out_max = 100000;
	connect_pair(&a, &b, &conf, is_tls ? server_ctx : NULL, true);
	until(a.in.n == BIG);
	ok(a.in.n == BIG && memcmp(a.in.p, body, BIG) == 0, "%s: all bytes come back in order",
	    is_tls ? "tls" : "plain");
	ok(a.n_drained > 0 && a.body_n == 0, "after waiting for room");
	free(body);
	end_fini(&a);
	end_fini(&b);
}

/* Turns the loop until e has read n bytes; how often one turn told it to read, at most. */
static int
most_told_in_one_turn(struct end *e, size_t n)
{
	int64_t give_up_at = ag_clock_mono_us() + DEADLINE_US;
	int most = 0;

	while (e->in.n < n && ag_clock_mono_us() < give_up_at) {
		int before = e->n_readable;

		turn();
		if (e->n_readable - before > most)
			most = e->n_readable - before;
	}
	return most;
}

static void
records_are_read_in_small_bites(void)
{
	struct end a, b;
	struct ag_conn_conf conf = client_conf(true);
	char *body = malloc(300000);
	int n_most;

	fill_pattern(body, 300000);
	end_init(&a);
	end_init(&b);
	a.body = body;
	a.body_n = 300000;
	b.at_once = 1000; /* far below a record: the rest waits where no descriptor tells of it */
	connect_pair(&a, &b, &conf, server_ctx, false);
	n_most = most_told_in_one_turn(&b, 300000);
	ok(b.in.n == 300000 && memcmp(b.in.p, body, 300000) == 0, "nothing stays behind in the library");
	ok(n_most < 100, "and one turn of the loop does not go on until the socket is empty");
	free(body);
	end_fini(&a);
	end_fini(&b);
}

static void
the_queue_has_a_ceiling(bool is_tls)
{
	struct end a, b;
	struct ag_conn_conf conf = client_conf(is_tls);
	char piece[8192];
	size_t taken = 0, pending;
	int rc = 0;

	memset(piece, 'q', sizeof(piece));
	end_init(&a);
	end_init(&b);
	conf.out_max = 50000;
	connect_pair(&a, &b, &conf, is_tls ? server_ctx : NULL, true);
	until(ag_conn_is_open(a.c) && ag_conn_is_open(b.c));
	ag_conn_read_pause(b.c);
	while (taken < 100 * BIG && (rc = ag_conn_write(a.c, piece, sizeof(piece))) == 0)
		taken += sizeof(piece);
	pending = ag_conn_pending(a.c);
	is_i64(rc, -ENOBUFS, "a peer that does not read fills it");
	ok(pending > 40000 && pending <= 52000, "to the ceiling and not above");
	is_i64(ag_conn_write(a.c, piece, sizeof(piece)), -ENOBUFS, "refused again");
	is_i64((int64_t)ag_conn_pending(a.c), (int64_t)pending, "and nothing of it was taken");
	is_i64(ag_conn_write_some(a.c, piece, sizeof(piece)), 0, "nor by write_some");
	is_i64(a.n_drained, 0, "nothing has drained");
	for (int i = 0; i < 5; i++)
		turn();
	is_i64((int64_t)b.in.n, 0, "a paused end reads nothing");
	ag_conn_read_resume(b.c);
	until(a.n_drained > 0 && b.in.n == taken);
	is_i64((int64_t)b.in.n, (int64_t)taken, "all that was taken arrives, no more");
	is_i64(a.n_drained, 1, "and the sender is told once");
	is_i64(ag_conn_write(a.c, piece, 1), 0, "there is room again");
	end_fini(&a);
	end_fini(&b);
}

static void
corked_writes_leave_together(bool is_tls)
{
	struct end a, b;
	struct ag_conn_conf conf = client_conf(is_tls);

	end_init(&a);
	end_init(&b);
	connect_pair(&a, &b, &conf, is_tls ? server_ctx : NULL, false);
	until(ag_conn_is_open(a.c) && ag_conn_is_open(b.c));
	ag_conn_cork(a.c);
	is_i64(ag_conn_write(a.c, "one", 3), 0, "taken");
	is_i64(ag_conn_write(a.c, "two", 3), 0, "taken");
	for (int i = 0; i < 5; i++)
		turn();
	ok(b.in.n == 0 && ag_conn_pending(a.c) >= 6, "and held");
	is_i64(ag_conn_uncork(a.c), 0, "until uncorked");
	is_i64((int64_t)ag_conn_pending(a.c), 0, "which sends at once");
	until(b.in.n == 6);
	ok(ag_str_eq(ag_buf_str(&b.in), AG_STR("onetwo")), "in order");
	is_i64(b.n_readable, 1, "as one piece");
	end_fini(&a);
	end_fini(&b);
}

static void
freeing_inside_any_callback_is_safe(bool is_tls)
{
	struct ag_conn_conf conf = client_conf(is_tls);
	SSL_CTX *tls = is_tls ? server_ctx : NULL;
	char *body = malloc(BIG);
	struct end a, b;

	fill_pattern(body, BIG);
	end_init(&a);
	end_init(&b);
	b.free_on_open = true;
	connect_pair(&a, &b, &conf, tls, false);
	until(!b.c && a.has_eof);
	ok(!b.c && b.n_open == 1, "in on_open");
	end_fini(&a);
	end_fini(&b);
	end_init(&a);
	end_init(&b);
	b.free_on_readable = true;
	connect_pair(&a, &b, &conf, tls, false);
	(void)!ag_conn_write(a.c, "x", 1);
	until(!b.c);
	ok(!b.c && b.n_readable == 1, "in on_readable");
	end_fini(&a);
	end_fini(&b);
	end_init(&a);
	end_init(&b);
	conf.out_max = 2 * BIG;
	a.free_on_drained = true;
	connect_pair(&a, &b, &conf, tls, true);
	(void)!ag_conn_write(a.c, body, BIG);
	until(!a.c && b.in.n == BIG && b.has_eof);
	ok(!a.c && a.n_drained == 1 && b.in.n == BIG, "in on_drained, when all has been sent");
	ok(b.has_eof && b.read_error == 0, "and the end is orderly");
	free(body);
	end_fini(&a);
	end_fini(&b);
}

static void
failures_are_told_once(void)
{
	struct listener l = listener_open(AF_INET);
	struct ag_conn_conf conf = { .ops = &end_ops };
	struct end a;

	close(l.fd); /* the port is free again: nobody listens */
	end_init(&a);
	conf.arg = &a;
	a.free_on_closed = true;
	is_i64(ag_conn_connect(base, &l.addr.any, l.len, &conf, 0, &a.c), 0,
	    "connecting begins");
	until(a.n_closed);
	is_i64(a.err, -ECONNREFUSED, "refused");
	is_str(a.why, "could not connect", "with words");
	ok(!a.c && a.n_open == 0, "and freed in the callback");
	end_fini(&a);
}

static void
a_write_failure_found_by_the_loop_is_told(void)
{
	struct ag_conn_conf conf = client_conf(false);
	struct end a, b;
	char *body = calloc(1, BIG);

	end_init(&a);
	end_init(&b);
	conf.out_max = 2 * BIG;
	connect_pair(&a, &b, &conf, NULL, true);
	until(ag_conn_is_open(a.c));
	ag_conn_read_pause(b.c);
	ag_conn_read_pause(a.c);
	is_i64(ag_conn_write(a.c, body, BIG), 0, "a large write is queued");
	free_end(&b); /* with bytes unread: a reset */
	until(a.n_closed);
	ok(a.n_closed == 1 && (a.err == -ECONNRESET || a.err == -EPIPE), "the loop tells");
	is_str(a.why, "could not send", "what could not be done");
	ok(ag_conn_write(a.c, "x", 1) < 0, "later writes fail by return value");
	is_i64(a.n_closed, 1, "and are not told again");
	free(body);
	end_fini(&a);
	end_fini(&b);
}

static void
a_peer_that_says_nothing_times_out(void)
{
	struct listener l = listener_open(AF_INET);
	struct ag_conn_conf conf = { .ops = &end_ops, .tls = client_ctx, .host = "gw.test" };
	struct end a;

	end_init(&a);
	conf.arg = &a;
	is_i64(ag_conn_connect(base, &l.addr.any, l.len, &conf, 50000, &a.c), 0,
	    "connecting to one who never accepts");
	until(a.n_closed);
	is_i64(a.err, -ETIMEDOUT, "times out");
	is_str(a.why, "TLS handshake timed out", "in the handshake");
	close(l.fd);
	end_fini(&a);
}

static void
timers_ring(void)
{
	struct ag_conn_conf conf = client_conf(false);
	struct end a, b;
	int64_t start_us;

	end_init(&a);
	end_init(&b);
	connect_pair(&a, &b, &conf, NULL, false);
	until(ag_conn_is_open(a.c) && ag_conn_is_open(b.c));
	ag_conn_timer_set(a.c, 1000);
	ag_conn_timer_set(b.c, 1000);
	ag_conn_timer_clear(b.c);
	until(a.n_timer);
	ok(a.n_timer == 1 && b.n_timer == 0, "the one that was set, once");
	start_us = ag_clock_coarse_us();
	ag_conn_timer_set(a.c, 20 * AG_US_PER_MS);
	ag_conn_timer_set(a.c, 100 * AG_US_PER_MS);
	ag_conn_timer_set(b.c, 3600 * AG_US_PER_SEC);
	ag_conn_timer_set(b.c, 50 * AG_US_PER_MS);
	until(a.n_timer == 2);
	ok(ag_clock_coarse_us() >= start_us + 100 * AG_US_PER_MS, "a deadline moved away is met, not the first");
	is_i64(b.n_timer, 1, "one moved closer was met before");
	ag_conn_timer_set(a.c, 20 * AG_US_PER_MS);
	ag_conn_timer_clear(a.c);
	ag_conn_timer_set(b.c, 60 * AG_US_PER_MS);
	until(b.n_timer == 2);
	is_i64(a.n_timer, 2, "one that was taken back is not");
	end_fini(&a);
	end_fini(&b);
}

static void
the_deadline_of_connecting_ends_with_it(void)
{
	struct ag_conn_conf conf = client_conf(false);
	struct end a, b;

	end_init(&a);
	end_init(&b);
	a.timeout_us = AG_US_PER_SEC / 2;
	connect_pair(&a, &b, &conf, NULL, false);
	until(a.n_open && b.n_open);
	ag_conn_timer_set(b.c, a.timeout_us);
	until(b.n_timer);
	ok(b.n_timer == 1 && a.n_timer == 0 && a.n_closed == 0, "a later timer rings, that one does not");
	end_fini(&a);
	end_fini(&b);
}

static void
unix_sockets_work(void)
{
	struct listener l = listener_open(AF_UNIX);
	struct ag_conn_conf conf = { .ops = &end_ops };
	struct end a, b;

	end_init(&a);
	end_init(&b);
	conf.arg = &a;
	a.is_in_call = true;
	is_i64(ag_conn_connect(base, &l.addr.any, l.len, &conf, 0, &a.c), 0, "connects at once");
	is_i64(ag_conn_write(a.c, "hello", 5), 0, "and takes a write");
	a.is_in_call = false;
	conf.arg = &b;
	b.c = ag_conn_accepted(base, accept(l.fd, NULL, NULL), &conf);
	until(b.in.n == 5);
	ok(b.in.n == 5 && a.n_open == 1, "which arrives");
	close(l.fd);
	end_fini(&a);
	end_fini(&b);
}

static void
a_connection_changes_hands(void)
{
	struct ag_conn_conf conf = client_conf(false);
	struct end a, b, next;

	end_init(&a);
	end_init(&b);
	end_init(&next);
	connect_pair(&a, &b, &conf, NULL, false);
	until(ag_conn_is_open(a.c) && ag_conn_is_open(b.c));
	next.c = a.c;
	a.c = NULL;
	ag_conn_set_owner(next.c, &end_ops, &next);
	is_i64(ag_conn_write(b.c, "x", 1), 0, "a byte");
	until(next.in.n == 1);
	ok(next.in.n == 1 && a.in.n == 0, "goes to the new owner");
	end_fini(&a);
	end_fini(&b);
	end_fini(&next);
}

/* ---- TLS of its own ---- */

static void
certificates_are_verified(void)
{
	static const struct {
		const char *host, *what;
		bool is_stranger, is_good;
	} table[] = {
		{ "gw.test", "the right name", false, true },
		{ "127.0.0.1", "the right address", false, true },
		{ "other.test", "another name", false, false },
		{ "127.0.0.2", "another address", false, false },
		{ "gw.test", "an authority that does not know it", true, false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ag_conn_conf conf = { .tls = table[i].is_stranger ? stranger_ctx : client_ctx,
			.host = table[i].host };
		struct end a, b;

		end_init(&a);
		end_init(&b);
		connect_pair(&a, &b, &conf, server_ctx, false);
		until((a.n_open && b.n_open) || (a.n_closed && (b.n_closed || b.read_error)));
		if (table[i].is_good) {
			ok(a.n_open && !a.n_closed, "accepted: %s", table[i].what);
		} else {
			ok(a.n_closed && !a.n_open && a.err == -EKEYREJECTED && *ag_conn_tls_error(a.c),
			    "refused: %s", table[i].what);
		}
		end_fini(&a);
		end_fini(&b);
	}
}

static void
a_session_is_resumed(void)
{
	struct ag_conn_conf conf = client_conf(true);
	SSL_SESSION *session = NULL;

	for (int round = 0; round < 2; round++) {
		struct end a, b;

		end_init(&a);
		end_init(&b);
		b.is_echo = true;
		conf.session = session;
		connect_pair(&a, &b, &conf, server_ctx, false);
		(void)!ag_conn_write(a.c, "x", 1);
		until(a.in.n == 1);
		ok(a.in.n == 1 && ag_conn_tls_is_resumed(a.c) == (round == 1), "round %d", round);
		if (round == 0)
			session = ag_conn_tls_session_get(a.c);
		end_fini(&a);
		end_fini(&b);
	}
	ok(session != NULL, "there was a session to keep");
	SSL_SESSION_free(session);
}

static void
an_end_without_goodbye_is_an_error(void)
{
	struct ag_conn_conf conf = client_conf(true);
	struct end a, b;

	end_init(&a);
	end_init(&b);
	connect_pair(&a, &b, &conf, server_ctx, false);
	until(a.n_open && b.n_open);
	is_i64(ag_conn_write(b.c, "half a bo", 9), 0, "a body is begun");
	until(a.in.n == 9);
	shutdown(ag_conn_fd(b.c), SHUT_RDWR);
	until(a.read_error);
	ok(a.read_error == -ECONNRESET && !a.has_eof, "cut, not ended");
	end_fini(&a);
	end_fini(&b);
}

/* A record is read by hand in bites, outside any callback; what is left in the library is told. */
static void
a_read_outside_callbacks_leaves_nothing_behind(void)
{
	struct ag_conn_conf conf = client_conf(true);
	struct end a, b;
	char bite[10];

	end_init(&a);
	end_init(&b);
	connect_pair(&a, &b, &conf, server_ctx, false);
	until(a.n_open && b.n_open);
	b.pause_on_readable = true;
	is_i64(ag_conn_write(a.c, "0123456789abcdef", 16), 0, "one record");
	until(b.n_readable);
	b.pause_on_readable = false;
	ag_conn_read_resume(b.c);
	is_i64(ag_conn_read(b.c, bite, sizeof(bite)), 10, "ten bytes of it by hand");
	until(b.in.n == 6);
	ok(ag_str_eq(ag_buf_str(&b.in), AG_STR("abcdef")), "the rest by on_readable");
	is_i64(ag_conn_read(b.c, bite, sizeof(bite)), -EAGAIN, "and no more");
	end_fini(&a);
	end_fini(&b);
}

/* A peer may say goodbye right behind its last bytes and keep its socket open. */
static void
a_goodbye_behind_the_last_bytes_is_told(void)
{
	int fd[2], yes = 1;
	struct end b;
	SSL *peer = SSL_new(client_ctx);

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0 || ioctl(fd[0], FIONBIO, &yes) < 0)
		abort();
	end_init(&b);
	b.c = ag_conn_accepted(base, fd[1],
	    &(struct ag_conn_conf){ .ops = &end_ops, .arg = &b, .tls = server_ctx });
	SSL_set_fd(peer, fd[0]);
	until((b.n_open && SSL_is_init_finished(peer)) || (SSL_connect(peer), false));
	is_i64(SSL_write(peer, "last", 4), 4, "last bytes");
	is_i64(SSL_shutdown(peer), 0, "goodbye");
	until(b.has_eof);
	ok(b.in.n == 4 && b.has_eof && b.read_error == 0, "both are told");
	SSL_free(peer);
	close(fd[0]);
	end_fini(&b);
}

static void
garbage_is_no_handshake(void)
{
	struct ag_conn_conf conf = client_conf(false);
	struct end a, b;

	end_init(&a);
	end_init(&b);
	connect_pair(&a, &b, &conf, server_ctx, false);
	(void)!ag_conn_write(a.c, "GET / HTTP/1.1\r\n\r\n", 18);
	until(b.n_closed);
	ok(b.n_closed == 1 && b.n_open == 0 && b.err == -EPROTO, "plain text on a TLS port");
	ok(*ag_conn_tls_error(b.c) != '\0', "with the library's reason");
	end_fini(&a);
	end_fini(&b);
}

static void
only_our_protocol_is_agreed_on(void)
{
	struct ag_conn_conf conf = client_conf(true);
	const unsigned char *name;
	unsigned len;
	struct end a, b;

	end_init(&a);
	end_init(&b);
	connect_pair(&a, &b, &conf, server_ctx, false);
	until(a.n_open && b.n_open);
	SSL_get0_alpn_selected(ag_conn_ssl(a.c), &name, &len);
	ok(len == 8 && memcmp(name, "http/1.1", 8) == 0, "http/1.1");
	is_str(SSL_get_cipher_name(ag_conn_ssl(a.c)), "TLS_AES_128_GCM_SHA256", "AES-128-GCM first");
	ok(SSL_version(ag_conn_ssl(a.c)) >= TLS1_2_VERSION, "1.2 or better");
	end_fini(&a);
	end_fini(&b);
}

/* ---- a certificate of our own ---- */

static void
add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

static void
make_certificate(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	FILE *f;

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
	    (const unsigned char *)"gw.test", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(cert, NID_subject_alt_name, "DNS:gw.test,IP:127.0.0.1");
	X509_sign(cert, key, EVP_sha256());
	snprintf(cert_path, sizeof(cert_path), "test_http_conn.%d.crt", getpid());
	snprintf(key_path, sizeof(key_path), "test_http_conn.%d.key", getpid());
	f = fopen(cert_path, "w");
	PEM_write_X509(f, cert);
	fclose(f);
	f = fopen(key_path, "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void
contexts_are_made(void)
{
	struct ag_err err;
	unsigned char ticket_key[AG_TLS_TICKET_KEY_LEN] = { 1 };

	make_certificate();
	server_ctx = ag_tls_server_new(cert_path, key_path, &err);
	client_ctx = ag_tls_client_new(cert_path, &err);
	stranger_ctx = ag_tls_client_new(NULL, &err);
	ok(server_ctx && client_ctx && stranger_ctx, "all three");
	is_i64(ag_tls_server_ticket_key(server_ctx, ticket_key), 0, "a key for tickets");
	ok(!ag_tls_server_new("/nonexistent", key_path, &err) && strstr(err.text, "/nonexistent"),
	    "a missing certificate is named");
	ok(!ag_tls_server_new(cert_path, cert_path, &err) && strstr(err.text, "private key"),
	    "so is a wrong key");
	ok(!ag_tls_client_new("/nonexistent", &err) && strstr(err.text, "/nonexistent"),
	    "so is a missing authority");
	unlink(cert_path);
	unlink(key_path);
}

int
main(void)
{
	struct event_config *config = event_config_new();

	signal(SIGPIPE, SIG_DFL); /* no write of ours may raise it */
	event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	base = event_base_new_with_config(config);
	event_config_free(config);
	contexts_are_made();
	for (int is_tls = 0; is_tls < 2; is_tls++) {
		bytes_travel_both_ways(is_tls);
		large_transfers_survive_small_buffers(is_tls);
		the_queue_has_a_ceiling(is_tls);
		corked_writes_leave_together(is_tls);
		freeing_inside_any_callback_is_safe(is_tls);
	}
	failures_are_told_once();
	a_write_failure_found_by_the_loop_is_told();
	a_peer_that_says_nothing_times_out();
	timers_ring();
	the_deadline_of_connecting_ends_with_it();
	unix_sockets_work();
	a_connection_changes_hands();
	records_are_read_in_small_bites();
	certificates_are_verified();
	a_session_is_resumed();
	an_end_without_goodbye_is_an_error();
	a_read_outside_callbacks_leaves_nothing_behind();
	a_goodbye_behind_the_last_bytes_is_told();
	garbage_is_no_handshake();
	only_our_protocol_is_agreed_on();
	SSL_CTX_free(server_ctx);
	SSL_CTX_free(client_ctx);
	SSL_CTX_free(stranger_ctx);
	event_base_free(base);
	return done();
}
