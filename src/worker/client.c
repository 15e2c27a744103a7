#include "worker/client.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "shm/counters.h"
#include "shm/keytab.h"
#include "worker/request.h"

#define CLIENT_READ      16384   /* bytes read at once while a head is awaited */
#define CLIENT_READ_BODY 262144
#define INVITE_BODY_MAX  4096    /* who accepts an invite brings a token and a name */
#define CLIENT_OUT_MAX   ((size_t)8 << 20)
#define CLIENT_KEEP_BUF  CLIENT_READ /* what an empty buffer grows to: kept for the next request */

static void client_run(struct ag_client *c);

/* ---- memory ------------------------------------------------------------------------------ */

static size_t
large(size_t cap)
{
	return cap > CLIENT_KEEP_BUF ? cap : 0;
}

void
ag_client_count(struct ag_client *c)
{
	size_t now = large(c->in.cap) + (c->req ? large(c->req->msg.cap) + large(c->req->merged.cap) +
	    large(c->req->acc.cap) + (c->req->xl ? large(ag_xlate_bytes(c->req)) : 0) +
	    (c->req->bodies ? c->req->bodies->request_len + c->req->bodies->cap : 0) : 0);

	c->w->body_bytes += now - c->counted_bytes; /* modulo 2^64: may be less */
	c->counted_bytes = now;
}

/* An idle connection has no buffer; those that speak take turns with a few that the worker keeps. */
static void
client_borrow(struct ag_client *c)
{
	struct ag_worker *w = c->w;
	size_t max = c->in.max;

	if (c->in.mem || w->n_spare_bufs == 0)
		return;
	c->in = w->spare_buf[--w->n_spare_bufs];
	c->in.max = max;
}

static void
buf_give(struct ag_worker *w, struct ag_buf *b)
{
	size_t max = b->max;

	if (b->cap == CLIENT_KEEP_BUF && w->n_spare_bufs < AG_WORKER_SPARE_BUFS) {
		ag_buf_reset(b);
		w->spare_buf[w->n_spare_bufs++] = *b;
		ag_buf_init(b, max);
	} else {
		ag_buf_fini(b);
	}
}

/* A body of known length takes what it needs and leaves what follows it to the next read. */
static size_t
bytes_to_read(const struct ag_client *c)
{
	uint64_t rest = c->head_len + c->body_len - c->in.n;

	if (c->state != AG_CLIENT_BODY)
		return CLIENT_READ;
	return c->is_chunked || rest > CLIENT_READ_BODY ? CLIENT_READ_BODY : (size_t)rest;
}

/* false: there is no memory for more of this body; answered and on its way out. */
static bool
client_may_grow(struct ag_client *c)
{
	ag_client_count(c);
	if (c->state != AG_CLIENT_BODY || c->counted_bytes == 0 || c->w->body_bytes <= c->w->conf->body_memory)
		return true;
	ag_count(AG_CNT_req_denied_capacity);
	ag_buf_fini(&c->in);
	ag_client_count(c);
	ag_reply_bad_message(c, 503, "the gateway has no memory for this body: body_memory is in use");
	return false;
}

/* ---- what the loop tells ----------------------------------------------------------------- */

static void
client_on_readable(void *arg)
{
	struct ag_client *c = arg;
	ssize_t got;

	assert(c->magic == AG_CLIENT_MAGIC);
	if (c->state == AG_CLIENT_CLOSING) {
		char sink[4096];

		/* The peer still talks to a connection that is ending: drop it until it stops. */
		got = ag_conn_read(c->conn, sink, sizeof(sink));
		if (got == 0 || (got < 0 && got != -EAGAIN))
			ag_client_free(c);
		return;
	}
	client_borrow(c);
	got = ag_conn_fill(c->conn, &c->in, bytes_to_read(c));
	if (got <= 0 && c->in.n == 0)
		buf_give(c->w, &c->in);
	if (got == -EAGAIN)
		return;
	if (got <= 0) {
		if (c->state == AG_CLIENT_BUSY)
			ag_req_on_client_gone(c->req);
		ag_client_free(c);
		return;
	}
	ag_count_add(AG_CNT_bytes_client_in, got);
	if (!client_may_grow(c))
		return;
	if (c->state == AG_CLIENT_BUSY) {
		/* The next request, early: one head's worth may wait. */
		if (c->in.n >= c->w->conf->max_head) {
			c->is_paused = true;
			ag_conn_read_pause(c->conn);
		}
		return;
	}
	client_run(c);
}

void
ag_client_await_reader(struct ag_client *c)
{
	c->unread = ag_conn_unacked(c->conn);
	ag_conn_timer_set(c->conn, c->w->conf->client_write_timeout);
}

static void
client_on_drained(void *arg)
{
	struct ag_client *c = arg;

	switch (c->state) {
	case AG_CLIENT_CLOSING:
		ag_conn_shutdown(c->conn);
		break;
	case AG_CLIENT_BUSY:
		ag_conn_timer_clear(c->conn);
		ag_req_on_client_drained(c->req);
		break;
	case AG_CLIENT_IDLE:
		ag_conn_timer_set(c->conn, c->w->conf->keepalive_timeout);
		break;
	case AG_CLIENT_HEAD:
	case AG_CLIENT_BODY:
		break;
	}
}

static void
client_on_closed(void *arg, int err, const char *why)
{
	struct ag_client *c = arg;

	if (ag_conn_ssl(c->conn) && !ag_conn_is_open(c->conn))
		ag_count(AG_CNT_tls_failed);
	ag_debug("client %s: %s: %s", c->peer, why, strerror(-err));
	if (c->state == AG_CLIENT_BUSY)
		ag_req_on_client_gone(c->req);
	ag_client_free(c);
}

static void
client_on_open(void *arg)
{
	struct ag_client *c = arg;

	if (ag_conn_ssl(c->conn))
		ag_count(AG_CNT_tls_handshakes);
}

/* An answer that waits is being read, if slowly: what the peer took shows in what is left. */
static bool
client_is_reading(struct ag_client *c)
{
	return ag_conn_pending(c->conn) > 0 && ag_conn_unacked(c->conn) < c->unread;
}

/* The one timer: a head, a body, an idle connection or an unread answer took too long. */
static void
client_on_timer(void *arg)
{
	struct ag_client *c = arg;

	if (c->state != AG_CLIENT_HEAD && c->state != AG_CLIENT_BODY && client_is_reading(c)) {
		ag_client_await_reader(c);
		return;
	}
	switch (c->state) {
	case AG_CLIENT_HEAD:
	case AG_CLIENT_BODY:
		ag_count(AG_CNT_conn_timeout);
		ag_reply_bad_message(c, 408, "the request did not arrive in time");
		return;
	case AG_CLIENT_BUSY:
		ag_count(AG_CNT_conn_timeout);
		ag_req_on_client_gone(c->req);
		break;
	case AG_CLIENT_IDLE:
	case AG_CLIENT_CLOSING:
		break;
	}
	ag_client_free(c);
}

static const struct ag_conn_ops client_ops = {
	.on_open = client_on_open,
	.on_readable = client_on_readable,
	.on_drained = client_on_drained,
	.on_closed = client_on_closed,
	.on_timer = client_on_timer,
};

void
ag_client_accept(struct ag_worker *w, int fd, bool is_tls, const char *peer)
{
	struct ag_client *c = calloc(1, sizeof(*c));
	struct ag_conn_conf conf = {
		.ops = &client_ops,
		.tls = is_tls ? w->tls_server : NULL,
		.out_max = CLIENT_OUT_MAX,
	};

	if (!c) {
		close(fd);
		return;
	}
	c->magic = AG_CLIENT_MAGIC;
	c->w = w;
	c->is_tls = is_tls;
	ag_list_init(&c->defer);
	(void)ag_str_copy(ag_str(peer), c->peer, sizeof(c->peer));
	ag_buf_init(&c->in, w->conf->max_head + w->conf->max_body + 65536);
	ag_list_push_back(&w->clients, &c->node);
	w->n_clients++;
	ag_a32_set(&w->proc->connections, w->n_clients);
	conf.arg = c;
	c->conn = ag_conn_accepted(w->base, fd, &conf);
	if (!c->conn) {
		ag_client_free(c);
		return;
	}
	/* Until the first byte: a silent peer gets a head's time, not a keep-alive's. */
	ag_conn_timer_set(c->conn, w->conf->client_head_timeout);
}

void
ag_client_free(struct ag_client *c)
{
	struct ag_worker *w;

	if (!c)
		return;
	w = c->w;
	if (c->req)
		ag_req_free(c->req);
	ag_conn_free(c->conn);
	ag_buf_fini(&c->in);
	c->req = NULL;
	ag_client_count(c);
	free(c->head);
	ag_list_remove(&c->node);
	ag_list_remove(&c->defer);
	w->n_clients--;
	ag_a32_set(&w->proc->connections, w->n_clients);
	c->magic = 0;
	free(c);
	ag_worker_check_drained(w);
}

static void
client_dispatch(struct ag_client *c, const struct ag_http_head *head)
{
	struct ag_buf msg = c->in;
	size_t whole = c->head_len + c->body_len;

	/* The message leaves with its buffer; what is behind it starts a new one. */
	ag_buf_init(&c->in, msg.max);
	if (msg.n > whole) {
		ag_buf_put(&c->in, msg.p + whole, msg.n - whole);
		msg.n = whole;
	}
	c->state = AG_CLIENT_BUSY;
	c->n_requests++;
	ag_conn_timer_clear(c->conn);
	ag_req_start(c, head, &msg, c->head_len, c->body_len);
}

/* Decodes what has come of a chunked body in place, behind the head. AG_PARSE_DONE: body_len is
 * the length and what follows was moved up behind it. */
static enum ag_parse
client_unchunk(struct ag_client *c, size_t *at)
{
	enum ag_parse rc = AG_PARSE_MORE;

	while (*at < c->in.n && rc == AG_PARSE_MORE) {
		struct ag_str run;
		size_t used;

		rc = ag_chunk_decode(&c->chunk, c->in.p + *at, c->in.n - *at, &used, &run);
		if (run.n > 0) {
			memmove(c->in.p + c->head_len + c->body_len, run.p, run.n);
			c->body_len += run.n;
		}
		*at += used;
		if (c->body_len > c->w->conf->max_body)
			return AG_PARSE_BAD;
	}
	return rc;
}

/* Closes the gap between what was decoded and what was not. */
static void
client_close_gap(struct ag_client *c, size_t at)
{
	size_t whole = c->head_len + c->body_len;

	memmove(c->in.p + whole, c->in.p + at, c->in.n - at);
	c->in.n -= at - whole;
}

/* BAD: answered and on its way out; c must not be touched any more. */
static enum ag_parse
client_take_body(struct ag_client *c)
{
	size_t at = c->head_len + c->body_len;
	enum ag_parse rc;

	if (!c->is_chunked)
		return c->in.n >= at ? AG_PARSE_DONE : AG_PARSE_MORE;
	rc = client_unchunk(c, &at);
	if (rc == AG_PARSE_BAD) {
		ag_count(AG_CNT_req_bad);
		if (c->body_len > c->w->conf->max_body)
			ag_reply_bad_message(c, 413, "the body is larger than max_body");
		else
			ag_reply_bad_message(c, 400, "the chunked body is malformed");
		return rc;
	}
	client_close_gap(c, at);
	return rc;
}

/* Nobody's body is worth waiting for: who has no key is answered by the head alone. */
static bool
is_stranger(const struct ag_client *c, const struct ag_http_head *head)
{
	struct ag_str text = ag_admit_key_of(head);
	uint8_t hash[AG_SHA256_LEN];
	struct ag_key key;
	int rc;

	if (ag_a32_observe(&c->w->shm->hdr->state) != AG_SHM_READY)
		return false;
	if (text.n == 0)
		return true;
	ag_sha256(text.p, text.n, hash);
	rc = ag_keytab_find(c->w->shm, hash, &key, NULL, 0, NULL);
	return rc < 0 && rc != -EAGAIN;
}

/* But for the token of an invite, which is all a newcomer has, and short. */
static bool
is_newcomer(const struct ag_client *c, const struct ag_http_head *head)
{
	return !c->is_chunked && c->body_len <= INVITE_BODY_MAX &&
	    ag_str_eq(head->path, AG_STR("/v1/invites/accept"));
}

/* The head is whole in the scratch head: take note of the body, or refuse it. */
static bool
client_begin_body(struct ag_client *c, const struct ag_http_head *head)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	ag_count(AG_CNT_req_total);
	c->head_len = head->head_len;
	c->is_chunked = head->framing == AG_HTTP_BODY_CHUNKED;
	c->body_len = c->is_chunked || !head->has_content_length ? 0 : head->content_length;
	if (c->body_len > c->w->conf->max_body) {
		ag_reply_bad_message(c, 413, "the body is larger than max_body");
		return false;
	}
	if ((c->is_chunked || c->in.n < c->head_len + c->body_len) && is_stranger(c, head) &&
	    !is_newcomer(c, head)) {
		c->is_chunked = false;
		c->body_len = 0;
		c->is_body_left = true;
	}
	if (c->is_chunked)
		ag_chunk_dec_init(&c->chunk);
	if (head->expects_continue && c->in.n == c->head_len && (c->is_chunked || c->body_len > 0) &&
	    ag_conn_write(c->conn, go_on, sizeof(go_on) - 1) < 0) {
		ag_client_free(c);
		return false;
	}
	c->state = AG_CLIENT_BODY;
	return true;
}

/* Parses with the worker's scratch head; a head that trickles gets one of its own, so that the
 * parser resumes instead of starting over. */
static enum ag_parse
client_parse(struct ag_client *c, struct ag_http_head **out_head)
{
	struct ag_http_head *head = c->head ? c->head : &c->w->head;
	enum ag_parse rc;

	if (!c->head) {
		ag_http_head_init(head, c->w->conf->max_head);
		c->w->head_of = NULL;
	}
	rc = ag_http_parse_request(c->in.p, c->in.n, head);
	if (rc == AG_PARSE_MORE && !c->head) {
		c->head = malloc(sizeof(*c->head));
		if (c->head)
			*c->head = *head;
	}
	*out_head = head;
	return rc;
}

static void
client_run(struct ag_client *c)
{
	struct ag_http_head *head = NULL;

	if (c->state == AG_CLIENT_IDLE && c->in.n > 0) {
		c->state = AG_CLIENT_HEAD;
		ag_conn_timer_set(c->conn, c->w->conf->client_head_timeout);
	}
	if (c->state == AG_CLIENT_HEAD) {
		switch (client_parse(c, &head)) {
		case AG_PARSE_MORE:
			return;
		case AG_PARSE_BAD:
			ag_count(AG_CNT_req_bad);
			ag_reply_bad_message(c, head->bad_status, head->bad_why);
			return;
		case AG_PARSE_DONE:
			if (!client_begin_body(c, head))
				return;
		}
	}
	if (c->state != AG_CLIENT_BODY)
		return;
	switch (client_take_body(c)) {
	case AG_PARSE_BAD:
		return;
	case AG_PARSE_MORE:
		ag_conn_timer_set(c->conn, c->w->conf->client_body_timeout);
		return;
	case AG_PARSE_DONE:
		break;
	}
	if (!head || head != &c->w->head) {
		/* The buffer moved while the body came: the views are made anew. */
		free(c->head);
		c->head = NULL;
		head = &c->w->head;
		ag_http_head_init(head, c->w->conf->max_head);
		if (ag_http_parse_request(c->in.p, c->head_len, head) != AG_PARSE_DONE)
			assert(!"a head that was whole is whole");
	}
	head->is_keep_alive &= !c->is_body_left;
	client_dispatch(c, head);
}

void
ag_client_end(struct ag_client *c)
{
	c->state = AG_CLIENT_CLOSING;
	ag_client_await_reader(c);
	if (ag_conn_pending(c->conn) == 0)
		ag_conn_shutdown(c->conn);
}

void
ag_client_request_done(struct ag_client *c, bool keep)
{
	struct ag_buf msg;

	ag_req_forget_head(c->req);
	msg = c->req->msg;
	ag_buf_init(&c->req->msg, 0);
	ag_req_free(c->req);
	c->req = NULL;
	if (c->is_paused) {
		c->is_paused = false;
		ag_conn_read_resume(c->conn);
	}
	if (!keep || c->is_body_left || c->w->is_draining || c->n_requests >= c->w->conf->keepalive_requests) {
		buf_give(c->w, &msg);
		buf_give(c->w, &c->in);
		ag_client_count(c);
		ag_client_end(c);
		return;
	}
	c->state = AG_CLIENT_IDLE;
	buf_give(c->w, &msg);
	if (c->in.n == 0)
		buf_give(c->w, &c->in);
	ag_client_count(c);
	if (c->in.n > 0)
		ag_worker_defer(c->w, &c->defer);
	else if (ag_conn_pending(c->conn) > 0)
		ag_client_await_reader(c);
	else
		ag_conn_timer_set(c->conn, c->w->conf->keepalive_timeout);
}

void
ag_client_go_on(struct ag_list *defer)
{
	struct ag_client *c = AG_LIST_ENTRY(defer, struct ag_client, defer);

	assert(c->magic == AG_CLIENT_MAGIC);
	if (c->state == AG_CLIENT_IDLE)
		client_run(c);
}
