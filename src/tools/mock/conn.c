#include "tools/mock/conn.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/clock.h"
#include "base/fd.h"
#include "tools/mock/mock.h"
#include "tools/mock/serve.h"

#define READ_BYTES    (16u * 1024u)
#define AHEAD_MAX     (1024u * 1024u) /* of later requests, while one is being answered */
#define DRAIN_US      (2 * AG_US_PER_SEC)
#define TLS_WRITE_MAX (64u * 1024u)

/* What to do next with an answer. */
enum go {
	GO_SEND,  /* bytes may be sent */
	GO_HOLD,  /* a timer or a release will come */
	GO_CUT,   /* close as if the process had ended */
	GO_RESET, /* the same with a reset */
	GO_DONE,
};

static void conn_run(struct mock_conn *c);

/* ------------------------------------------------------------------ bytes */

/* > 0 bytes, 0 end, -EAGAIN, other -errno. */
static ssize_t
tls_result(struct mock_conn *c, int rc)
{
	int why;

	if (rc > 0)
		return rc;
	why = SSL_get_error(c->ssl, rc);
	if (why == SSL_ERROR_WANT_WRITE)
		c->tls_wants_write = true;
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	return why == SSL_ERROR_ZERO_RETURN ? 0 : -ECONNRESET;
}

static ssize_t
conn_recv(struct mock_conn *c, void *p, size_t n)
{
	ssize_t got;

	if (c->ssl) {
		ERR_clear_error();
		return tls_result(c, SSL_read(c->ssl, p, (int)n));
	}
	do
		got = recv(c->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static ssize_t
conn_send(struct mock_conn *c, const void *p, size_t n)
{
	ssize_t put;

	if (c->ssl) {
		ERR_clear_error();
		return tls_result(
			c, SSL_write(c->ssl, p, (int)(n < TLS_WRITE_MAX ? n : TLS_WRITE_MAX)));
	}
	do
		put = send(c->fd, p, n, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	return put < 0 ? -errno : put;
}

static bool
conn_tls_ready(struct mock_conn *c)
{
	ssize_t rc;

	if (!c->ssl || c->is_tls_ready)
		return true;
	ERR_clear_error();
	c->tls_wants_write = false;
	rc = tls_result(c, SSL_accept(c->ssl));
	c->is_tls_ready = rc > 0;
	if (rc <= 0 && rc != -EAGAIN)
		c->is_eof = true;
	return c->is_tls_ready;
}

/* Reads what is there; sets is_eof when nothing will ever come again. */
static void
conn_fill(struct mock_conn *c)
{
	for (;;) {
		size_t want = c->state == MOCK_CONN_READ && c->req.length > READ_BYTES ? 256 * 1024
										       : READ_BYTES;
		char *at = ag_buf_reserve(&c->in, want);
		ssize_t got = at ? conn_recv(c, at, want) : -ENOBUFS;

		if (got > 0)
			ag_buf_commit(&c->in, (size_t)got);
		if (got == 0 || (got < 0 && got != -EAGAIN))
			c->is_eof = true;
		/* TLS holds bytes back that no event announces. */
		if (got <= 0 || (!c->ssl && (size_t)got < want) || c->in.n > AHEAD_MAX)
			return;
	}
}

/* ------------------------------------------------------------------ the play */

void
mock_pace_init(struct mock_pace *pace)
{
	*pace = (struct mock_pace){
		.cut_after = -1, .reset_after = -1, .stall_after = -1, .cut_bytes = -1};
}

void
mock_pace_from(struct mock_pace *pace, const struct mock_do *d)
{
	mock_pace_init(pace);
	pace->delay_ms = mock_do_num(d, MOCK_KEY_DELAY_MS, 0);
	pace->chunk_delay_ms = mock_do_num(d, MOCK_KEY_CHUNK_DELAY_MS, 0);
	pace->cut_after = mock_do_num(d, MOCK_KEY_CUT_AFTER_CHUNKS, -1);
	pace->reset_after = mock_do_num(d, MOCK_KEY_RESET_AFTER_CHUNKS, -1);
	pace->stall_after = mock_do_num(d, MOCK_KEY_STALL_AFTER_CHUNKS, -1);
	pace->cut_bytes = mock_do_num(d, MOCK_KEY_CUT_AFTER_BYTES, -1);
	pace->hangs = mock_do_flag(d, MOCK_KEY_HANG_BEFORE_HEAD);
	pace->closes_before = mock_do_flag(d, MOCK_KEY_CLOSE_BEFORE_HEAD);
	pace->resets_before = mock_do_flag(d, MOCK_KEY_RESET_BEFORE_HEAD);
	pace->splits = mock_do_flag(d, MOCK_KEY_SPLIT_WRITES);
	ag_str_copy(mock_do_text(d, MOCK_KEY_WAIT, AG_STR_NONE), pace->wait, sizeof(pace->wait));
}

static enum go
hold_us(struct mock_conn *c, int64_t us)
{
	struct timeval tv = {.tv_sec = us / AG_US_PER_SEC, .tv_usec = us % AG_US_PER_SEC};

	c->play.is_held = true;
	event_add(&c->on_timer, &tv);
	return GO_HOLD;
}

static enum go
hold_name(struct mock_conn *c, const char *otherwise)
{
	struct mock_play *p = &c->play;

	if (p->pace.wait[0] == 0)
		ag_str_copy(ag_str(otherwise), p->pace.wait, sizeof(p->pace.wait));
	p->is_held = p->is_waiting = true;
	c->mock->tally.waiting++;
	return GO_HOLD;
}

unsigned
mock_conn_release(struct mock *m, struct ag_str name)
{
	unsigned n = 0;

	AG_LIST_FOREACH (it, &m->conns) {
		struct mock_conn *c = AG_LIST_ENTRY(it, struct mock_conn, node);
		struct timeval now = {0};

		if (!c->play.is_waiting ||
		    (name.n > 0 && !ag_str_eq(name, ag_str(c->play.pace.wait))))
			continue;
		c->play.is_waiting = false;
		m->tally.waiting--;
		/* By way of the loop: the caller stands in another connection's callback. */
		event_add(&c->on_timer, &now);
		n++;
	}
	return n;
}

static void
play_begins(struct mock_conn *c)
{
	struct mock_play *p = &c->play;
	struct mock_tally *t = &c->mock->tally;
	struct mock_log_entry *e = mock_tally_entry(t, p->log_n, p->log_epoch);

	if (e)
		e->status = p->answer->status;
	if (!p->is_api || p->answer->status >= 300)
		return;
	t->accepted++;
	mock_tally_model(t, ag_str(p->model));
	if (p->answer->is_stream) {
		t->streams++;
		if (!p->stream_asks_usage)
			t->streams_without_usage++;
	}
}

static enum go
play_before_head(struct mock_conn *c)
{
	struct mock_play *p = &c->play;

	if (p->step == 0) {
		p->step = 1;
		if (p->pace.delay_ms > 0)
			return hold_us(c, p->pace.delay_ms * AG_US_PER_MS);
	}
	if (p->step == 1) {
		p->step = 2;
		if (p->pace.hangs)
			return hold_name(c, "hang");
		if (p->pace.wait[0] && p->pace.stall_after < 0)
			return hold_name(c, "");
	}
	if (p->pace.closes_before)
		return GO_CUT;
	if (p->pace.resets_before)
		return GO_RESET;
	p->step = 3;
	play_begins(c);
	return GO_SEND;
}

/* May the next piece go?  Asked when every byte before it is sent. */
static enum go
play_gate(struct mock_conn *c)
{
	struct mock_play *p = &c->play;
	const struct mock_piece *next = &p->answer->piece[p->piece];

	if (p->piece > 0 && next[-1].chunks >= 0) {
		if (next[-1].chunks == p->pace.cut_after)
			return GO_CUT;
		if (next[-1].chunks == p->pace.reset_after)
			return GO_RESET;
		if (next[-1].chunks == p->pace.stall_after) {
			p->pace.stall_after = -1;
			return hold_name(c, "stall");
		}
	}
	if (next->is_event && p->pace.chunk_delay_ms > 0 && !p->is_paid) {
		p->is_paid = true;
		return hold_us(c, p->pace.chunk_delay_ms * AG_US_PER_MS);
	}
	return GO_SEND;
}

/* May anything come between the pieces?  The pace of chunks means nothing to a plain answer. */
static bool
is_gated(const struct mock_play *p)
{
	return (p->pace.chunk_delay_ms > 0 && p->answer->is_stream) || p->pace.cut_after >= 0 ||
	       p->pace.reset_after >= 0 || p->pace.stall_after >= 0;
}

static enum go
play_next(struct mock_conn *c)
{
	struct mock_play *p = &c->play;
	size_t cut =
		p->pace.cut_bytes >= 0 ? p->answer->head_n + (size_t)p->pace.cut_bytes : SIZE_MAX;
	enum go go;

	if (p->is_held)
		return GO_HOLD;
	if (p->step < 3 && (go = play_before_head(c)) != GO_SEND)
		return go;
	if (p->pos < p->limit)
		return GO_SEND;
	if (p->pos >= cut)
		return GO_CUT;
	if (p->piece == p->answer->pieces)
		return GO_DONE;
	if ((go = play_gate(c)) != GO_SEND)
		return go;
	p->is_paid = false;
	/* Without gates ahead the rest goes in one write. */
	p->piece = is_gated(p) ? p->piece + 1 : p->answer->pieces;
	p->limit = p->answer->piece[p->piece - 1].end;
	if (p->limit > cut)
		p->limit = cut;
	return p->pos < p->limit ? GO_SEND : GO_CUT;
}

static void
play_count_sent(struct mock_conn *c)
{
	struct mock_play *p = &c->play;
	const struct mock_answer *a = p->answer;
	struct mock_log_entry *e;

	if (a->usage_end == 0 || p->is_usage_counted || p->pos < a->usage_end || !p->is_api)
		return;
	p->is_usage_counted = true;
	c->mock->tally.prompt_tokens += (uint64_t)a->usage_prompt;
	c->mock->tally.completion_tokens += (uint64_t)a->usage_completion;
	e = mock_tally_entry(&c->mock->tally, p->log_n, p->log_epoch);
	if (e)
		e->is_usage_sent = true;
}

static int32_t
chunks_sent(const struct mock_play *p)
{
	int32_t chunks = 0;

	for (size_t i = 0; i < p->answer->pieces && p->answer->piece[i].end <= p->pos; i++)
		if (p->answer->piece[i].chunks > chunks)
			chunks = p->answer->piece[i].chunks;
	return chunks;
}

/* The answer is over, one way or another; the only place where its end is counted. */
static void
play_ends(struct mock_conn *c, const char *outcome, uint64_t *counter)
{
	struct mock_play *p = &c->play;
	struct mock_tally *t = &c->mock->tally;
	struct mock_log_entry *e;

	event_del(&c->on_timer);
	event_del(&c->on_write);
	if (p->is_waiting)
		t->waiting--;
	p->is_waiting = p->is_held = false;
	if (!p->is_api)
		return;
	mock_tally_inflight(t, -1);
	(*counter)++;
	e = mock_tally_entry(t, p->log_n, p->log_epoch);
	if (!e)
		return;
	e->outcome = outcome;
	e->is_completed = counter == &t->answered;
	e->chunks_sent = p->answer->is_stream ? chunks_sent(p) : 0;
	e->done_us = ag_clock_wall_us();
}

static enum go
play_send(struct mock_conn *c)
{
	static const uint8_t part[] = {1, 2, 5, 13, 31, 67, 127, 251};
	struct mock_play *p = &c->play;
	size_t n = p->limit - p->pos;
	ssize_t put;

	if (p->pace.splits && n > part[p->split % sizeof(part)])
		n = part[p->split % sizeof(part)];
	c->tls_wants_write = false;
	put = conn_send(c, p->answer->out.p + p->pos, n);
	if (put == -EAGAIN) {
		if (!c->ssl || c->tls_wants_write)
			event_add(&c->on_write, NULL);
		return GO_HOLD;
	}
	if (put <= 0) {
		c->is_eof = true;
		return GO_HOLD;
	}
	p->pos += (size_t)put;
	play_count_sent(c);
	if (!p->pace.splits)
		return GO_SEND;
	/* A pause between parts, so that they arrive apart. */
	p->split++;
	return p->pos < p->limit ? hold_us(c, AG_US_PER_MS) : GO_SEND;
}

/* ------------------------------------------------------------------ the connection */

static void
conn_linger(struct mock_conn *c)
{
	struct timeval tv = {.tv_sec = DRAIN_US / AG_US_PER_SEC};

	if (c->ssl)
		(void)SSL_shutdown(c->ssl);
	shutdown(c->fd, SHUT_WR);
	c->state = MOCK_CONN_DRAIN;
	event_add(&c->on_read, NULL);
	event_add(&c->on_timer, &tv);
}

static void
conn_break(struct mock_conn *c, bool has_reset)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	play_ends(c, "broken", &c->mock->tally.broken);
	if (has_reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	mock_conn_free(c);
}

/* The whole answer has gone. */
static void
conn_answered(struct mock_conn *c)
{
	struct mock_tally *t = &c->mock->tally;
	bool is_good = c->play.answer->status < 300;

	play_ends(c, is_good ? "answered" : "error", is_good ? &t->answered : &t->errors);
	if (c->play.answer->closes || c->closes_next) {
		conn_linger(c);
		return;
	}
	mock_answer_trim(&c->answer);
	c->state = MOCK_CONN_READ;
	event_add(&c->on_read, NULL);
}

/* False when c is gone or has to wait. */
static bool
conn_play(struct mock_conn *c)
{
	enum go go = GO_SEND;

	while (go == GO_SEND && !c->is_eof) {
		go = play_next(c);
		if (go == GO_SEND)
			go = play_send(c);
	}
	if (c->is_eof) {
		play_ends(c, "cancelled", &c->mock->tally.cancelled);
		mock_conn_free(c);
		return false;
	}
	switch (go) {
	case GO_SEND:
	case GO_HOLD:
		return false;
	case GO_CUT:
	case GO_RESET:
		conn_break(c, go == GO_RESET);
		return false;
	case GO_DONE:
		break;
	}
	conn_answered(c);
	return true;
}

static void
conn_start_play(struct mock_conn *c)
{
	c->state = MOCK_CONN_PLAY;
	if (c->req.bad)
		ag_buf_reset(&c->in);
	else
		ag_buf_consume(&c->in, c->req.end);
	mock_req_reset(&c->req);
	/* Reading goes on, for it is how the client's leaving is seen. */
	if (c->in.n > AHEAD_MAX)
		event_del(&c->on_read);
	if (c->in.cap > 256 * 1024)
		ag_buf_shrink(&c->in);
}

/* False when c is gone or has to wait. */
static bool
conn_read_request(struct mock_conn *c)
{
	enum mock_parse rc;

	if (c->in.failed)
		rc = MOCK_PARSE_BAD;
	else if (c->in.n > 0)
		rc = mock_req_parse(&c->req, &c->in);
	else
		rc = MOCK_PARSE_MORE;
	if (rc == MOCK_PARSE_MORE) {
		if (c->is_eof) {
			mock_conn_free(c);
			return false;
		}
		if (c->req.expects_continue && c->req.head_n > 0) {
			c->req.expects_continue = false;
			(void)conn_send(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		}
		return false;
	}
	if (rc == MOCK_PARSE_BAD) {
		if (!c->req.bad) {
			c->req.bad = "body is too large";
			c->req.bad_status = 413;
		}
		c->closes_next = true;
		mock_serve_bad(c);
	} else {
		c->closes_next = !c->req.keep_alive;
		mock_serve(c);
	}
	conn_start_play(c);
	return true;
}

/* Does whatever can be done now.  May free c: nothing may follow. */
static void
conn_run(struct mock_conn *c)
{
	bool goes_on = conn_tls_ready(c);

	if (!goes_on && c->tls_wants_write)
		event_add(&c->on_write, NULL);
	if (!goes_on && c->is_eof) {
		mock_conn_free(c);
		return;
	}
	while (goes_on) {
		switch (c->state) {
		case MOCK_CONN_READ:
			goes_on = conn_read_request(c);
			break;
		case MOCK_CONN_PLAY:
			goes_on = conn_play(c);
			break;
		case MOCK_CONN_DRAIN:
			ag_buf_consume(&c->in, c->in.n);
			if (c->is_eof)
				mock_conn_free(c);
			return;
		}
	}
}

static void
conn_on_read(evutil_socket_t fd, short what, void *arg)
{
	struct mock_conn *c = arg;

	(void)fd;
	(void)what;
	assert(c->magic == MOCK_CONN_MAGIC);
	if (conn_tls_ready(c))
		conn_fill(c);
	if (c->state == MOCK_CONN_PLAY && c->in.n > AHEAD_MAX)
		event_del(&c->on_read);
	conn_run(c);
}

static void
conn_on_write(evutil_socket_t fd, short what, void *arg)
{
	struct mock_conn *c = arg;

	(void)fd;
	(void)what;
	assert(c->magic == MOCK_CONN_MAGIC);
	/* What the client sent along with its handshake may be inside the library already. */
	if (c->ssl && conn_tls_ready(c))
		conn_fill(c);
	conn_run(c);
}

static void
conn_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mock_conn *c = arg;

	(void)fd;
	(void)what;
	assert(c->magic == MOCK_CONN_MAGIC);
	if (c->state == MOCK_CONN_DRAIN) {
		mock_conn_free(c);
		return;
	}
	c->play.is_held = false;
	conn_run(c);
}

void
mock_conn_new(struct mock *m, int fd)
{
	struct mock_conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (!c) {
		close(fd);
		return;
	}
	c->magic = MOCK_CONN_MAGIC;
	c->mock = m;
	c->fd = fd;
	ag_buf_init(&c->in, MOCK_IN_MAX);
	mock_req_init(&c->req);
	mock_answer_init(&c->answer);
	ag_list_push_back(&m->conns, &c->node);
	event_assign(&c->on_read, m->base, fd, EV_READ | EV_PERSIST, conn_on_read, c);
	event_assign(&c->on_write, m->base, fd, EV_WRITE, conn_on_write, c);
	event_assign(&c->on_timer, m->base, -1, 0, conn_on_timer, c);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (m->tls) {
		c->ssl = SSL_new(m->tls);
		if (!c->ssl || SSL_set_fd(c->ssl, fd) != 1) {
			mock_conn_free(c);
			return;
		}
		SSL_set_mode(c->ssl,
			     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	}
	if (event_add(&c->on_read, NULL) < 0)
		mock_conn_free(c);
}

void
mock_conn_free(struct mock_conn *c)
{
	struct mock *m;

	if (!c)
		return;
	m = c->mock;
	if (c->is_counted)
		m->tally.open_connections--;
	ag_list_remove(&c->node);
	event_del(&c->on_read);
	event_del(&c->on_write);
	event_del(&c->on_timer);
	SSL_free(c->ssl);
	ag_fd_close(&c->fd);
	mock_answer_fini(&c->answer);
	mock_req_fini(&c->req);
	ag_buf_fini(&c->in);
	c->magic = 0;
	free(c);
	if (m->is_accept_paused) {
		m->is_accept_paused = false;
		event_add(&m->on_accept, NULL);
	}
}
