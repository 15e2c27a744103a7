#include "worker/upstream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <openssl/ssl.h>

#include "base/log.h"
#include "base/warm.h"
#include "shm/counters.h"
#include "worker/request.h"

#define UP_READ    65536
#define UP_IN_MAX  ((size_t)1 << 20)
#define UP_OUT_MAX ((size_t)1 << 20)
#define UP_RUNS    32        /* payload runs told at once */

/* All connections read into one buffer that the worker lends: a connection has memory of its own only
 * while a piece of an answer waits for the rest of it. */
static void
up_borrow(struct ag_upstream *up)
{
	struct ag_buf *lent = &up->w->read_buf;

	if (up->in.mem || !lent->mem)
		return;
	up->in = *lent;
	up->in.max = UP_IN_MAX;
	ag_buf_init(lent, UP_IN_MAX);
}

static void
up_give(struct ag_upstream *up)
{
	struct ag_buf *lent = &up->w->read_buf;

	if (up->in.mem && !lent->mem && up->in.cap == UP_READ) {
		*lent = up->in;
		ag_buf_reset(lent);
		ag_buf_init(&up->in, UP_IN_MAX);
	} else {
		ag_buf_fini(&up->in);
	}
}

static void
up_fail(struct ag_upstream *up, enum ag_outcome outcome, const char *why)
{
	struct ag_req *req = up->req;

	up->may_keep = false;
	if (!req) {
		ag_upstream_free(up);
		return;
	}
	ag_req_on_upstream_failed(req, outcome, why);
}

static enum ag_outcome
broke(const struct ag_upstream *up)
{
	switch (up->state) {
	case AG_UP_OPENING:
		return AG_OUT_CONNECT_FAILED;
	case AG_UP_BODY:
		return AG_OUT_UPSTREAM_BROKE_DURING;
	case AG_UP_SENDING:
	case AG_UP_IDLE:
		break;
	}
	return AG_OUT_UPSTREAM_BROKE_BEFORE;
}

/* Decodes the payload at the front of `in`; returns false when the attempt ended in it. */
static bool
up_feed_body(struct ag_upstream *up)
{
	struct ag_str runs[UP_RUNS];
	size_t n_runs = 0, at = 0;
	bool is_last = false;

	while (at < up->in.n && !is_last && n_runs < UP_RUNS) {
		struct ag_str run = AG_STR_NONE;
		size_t used = up->in.n - at;
		enum ag_parse rc = AG_PARSE_MORE;

		switch ((enum ag_http_framing)up->framing) {
		case AG_HTTP_BODY_CHUNKED:
			rc = ag_chunk_decode(&up->chunk, up->in.p + at, used, &used, &run);
			break;
		case AG_HTTP_BODY_LENGTH:
			if (used > up->left)
				used = (size_t)up->left;
			run = ag_str_n(up->in.p + at, used);
			up->left -= used;
			rc = up->left == 0 ? AG_PARSE_DONE : AG_PARSE_MORE;
			break;
		case AG_HTTP_BODY_UNTIL_EOF:
			run = ag_str_n(up->in.p + at, used);
			break;
		case AG_HTTP_BODY_NONE:
			used = 0;
			rc = AG_PARSE_DONE;
			break;
		}
		if (rc == AG_PARSE_BAD) {
			up_fail(up, AG_OUT_UPSTREAM_BROKE_DURING, "its chunked body is malformed");
			return false;
		}
		if (run.n > 0)
			runs[n_runs++] = run;
		at += used;
		is_last = rc == AG_PARSE_DONE;
	}
	if (is_last && at < up->in.n)
		up->may_keep = false; /* bytes nobody asked for: not a connection to trust */
	up->in.p += at;
	up->in.n -= at;
	if (n_runs > 0 || is_last) {
		struct ag_req *req = up->req;

		ag_req_on_payload(req, runs, n_runs, is_last);
		if (is_last)
			return false;
		/* The request may have ended and left the connection: it tells by detaching. */
		return up->magic == AG_UPSTREAM_MAGIC && up->req == req;
	}
	return true;
}

/* Parses what has come.  Everything is told from here; up may be gone afterwards. */
static void
up_run(struct ag_upstream *up)
{
	struct ag_http_head *head = &up->w->head;

	while (up->state == AG_UP_SENDING && up->in.n > 0) {
		ag_http_head_init(head, 65536);
		up->w->head_of = NULL;
		switch (ag_http_parse_response(up->in.p, up->in.n, up->req->is_head_method && up->req->is_admin,
		    head)) {
		case AG_PARSE_MORE:
			return;
		case AG_PARSE_BAD:
			up->has_bad_head = true;
			up_fail(up, AG_OUT_UPSTREAM_BROKE_BEFORE, head->bad_why);
			return;
		case AG_PARSE_DONE:
			break;
		}
		if (head->status < 200) {
			ag_buf_consume(&up->in, head->head_len);
			continue;
		}
		up->state = AG_UP_BODY;
		ag_conn_timer_set(up->conn, up->w->conf->stream_idle_timeout);
		up->framing = (int)head->framing;
		up->left = head->content_length;
		up->may_keep = head->is_keep_alive && head->framing != AG_HTTP_BODY_UNTIL_EOF && up->n_iov == 0;
		ag_chunk_dec_init(&up->chunk);
		ag_req_on_head(up->req, head);
		up->in.p += head->head_len;
		up->in.n -= head->head_len;
		if (head->framing == AG_HTTP_BODY_NONE ||
		    (head->framing == AG_HTTP_BODY_LENGTH && head->content_length == 0)) {
			ag_req_on_payload(up->req, NULL, 0, true);
			return;
		}
	}
	while (up->state == AG_UP_BODY && up->in.n > 0)
		if (!up_feed_body(up))
			return;
	if (up->magic != AG_UPSTREAM_MAGIC || !up->req)
		return;
	if (up->in.n == 0)
		up_give(up);
	ag_req_flush(up->req);
}

/* What an answer needs of its request, untouched since that was sent; then what these point to. */
static void
warm_request(const struct ag_req *r)
{
	if (!r)
		return;
	ag_warm(r, offsetof(struct ag_req, arena));
	ag_warm(&r->target, sizeof(r->target));
	ag_warm(&r->slot, 1);
	ag_warm(&r->rec, offsetof(struct ag_req, meters) - offsetof(struct ag_req, rec));
}

static void
warm_behind_request(const struct ag_req *r)
{
	if (!r)
		return;
	ag_warm(r->client, sizeof(*r->client));
	if (r->slot)
		ag_warm(r->slot, offsetof(struct ag_inflight, holds) + r->n_meters * sizeof(struct ag_hold));
}

static void
up_on_readable(void *arg)
{
	struct ag_upstream *up = arg;
	ssize_t got;

	assert(up->magic == AG_UPSTREAM_MAGIC);
	warm_request(up->req);
	up_borrow(up);
	got = ag_conn_fill(up->conn, &up->in, UP_READ);
	if (got <= 0 && up->in.n == 0)
		up_give(up);
	if (got == -EAGAIN)
		return;
	if (up->state == AG_UP_IDLE) {
		/* The provider closed a kept connection, or says what nobody asked. */
		ag_upstream_free(up);
		return;
	}
	if (got < 0) {
		up_fail(up, broke(up), strerror((int)-got));
		return;
	}
	if (got == 0) {
		if (up->state == AG_UP_BODY && up->framing == AG_HTTP_BODY_UNTIL_EOF) {
			up->may_keep = false;
			ag_req_on_payload(up->req, NULL, 0, true);
			return;
		}
		up_fail(up, broke(up), "the connection was closed");
		return;
	}
	warm_behind_request(up->req);
	ag_count_add(AG_CNT_bytes_upstream_in, got);
	/* Until the head is whole its deadline stands, however busy the provider looks. */
	if (up->state == AG_UP_BODY)
		ag_conn_timer_set(up->conn, up->w->conf->stream_idle_timeout);
	if (up->origin && ag_origin_is_tls(up->origin) && !up->has_session) {
		SSL_SESSION *session = ag_conn_tls_session_get(up->conn);

		if (session) {
			ag_origin_session_set(up->origin, session);
			up->has_session = true;
		}
	}
	up_run(up);
}

/* A large request: as much as the socket takes, piece by piece. */
static int
up_push(struct ag_upstream *up)
{
	while (up->n_iov > 0) {
		size_t rest = up->iov->iov_len - up->iov_off;
		ssize_t put = ag_conn_write_some(up->conn, (const char *)up->iov->iov_base + up->iov_off, rest);

		if (put < 0)
			return (int)put;
		up->iov_off += (size_t)put;
		if ((size_t)put < rest)
			return 0;
		up->iov++;
		up->n_iov--;
		up->iov_off = 0;
	}
	return 0;
}

static void
up_on_drained(void *arg)
{
	struct ag_upstream *up = arg;

	if (up->n_iov > 0) {
		int rc = up_push(up);

		/* A provider may refuse a body half-way and answer: the answer is still read. */
		if (rc < 0)
			up->n_iov = 0, up->may_keep = false;
		else
			ag_conn_timer_set(up->conn, up->w->conf->upstream_first_byte_timeout);
	}
}

static void
up_on_open(void *arg)
{
	struct ag_upstream *up = arg;

	assert(up->magic == AG_UPSTREAM_MAGIC && up->req);
	up->state = AG_UP_SENDING;
	ag_req_write(up->req);
}

static void
up_on_closed(void *arg, int err, const char *why)
{
	struct ag_upstream *up = arg;
	char text[256];

	if (up->state == AG_UP_IDLE) {
		ag_upstream_free(up);
		return;
	}
	if (up->state == AG_UP_OPENING)
		ag_origin_addr_failed(up->origin);
	snprintf(text, sizeof(text), "%s: %s%s%s", why, strerror(-err),
	    *ag_conn_tls_error(up->conn) ? ": " : "", ag_conn_tls_error(up->conn));
	up_fail(up, broke(up), text);
}

static void
up_on_timer(void *arg)
{
	struct ag_upstream *up = arg;

	if (up->state == AG_UP_IDLE) {
		ag_upstream_free(up);
		return;
	}
	if (up->is_paused) {
		/* The silence is ours: the client does not read, and has a timer of its own. */
		ag_conn_timer_set(up->conn, up->w->conf->stream_idle_timeout);
		return;
	}
	up_fail(up, up->state == AG_UP_BODY ? AG_OUT_TIMEOUT_STREAM : AG_OUT_TIMEOUT_FIRST_BYTE,
	    "it was silent for too long");
}

static const struct ag_conn_ops up_ops = {
	.on_open = up_on_open,
	.on_readable = up_on_readable,
	.on_drained = up_on_drained,
	.on_closed = up_on_closed,
	.on_timer = up_on_timer,
};

void
ag_upstream_warm_idle(struct ag_origin *o)
{
	struct ag_list *idle = ag_origin_idle(o);

	if (!ag_list_is_empty(idle))
		ag_warm(AG_LIST_ENTRY(idle->next, struct ag_upstream, node), sizeof(struct ag_upstream));
}

struct ag_upstream *
ag_upstream_take_idle(struct ag_origin *o, struct ag_req *req)
{
	struct ag_list *idle = ag_origin_idle(o);
	struct ag_upstream *up;

	if (ag_list_is_empty(idle))
		return NULL;
	up = AG_LIST_ENTRY(idle->next, struct ag_upstream, node);
	ag_list_remove(&up->node);
	--*ag_origin_n_idle(o);
	ag_conn_warm(up->conn);
	up->req = req;
	up->is_reused = true;
	up->state = AG_UP_SENDING;
	ag_count(AG_CNT_upstream_conn_reused);
	return up;
}

int
ag_upstream_open(struct ag_worker *w, struct ag_origin *o, const struct sockaddr *addr,
    socklen_t addr_len, struct ag_req *req, struct ag_upstream **out)
{
	struct ag_upstream *up = calloc(1, sizeof(*up));
	struct ag_conn_conf conf = { .ops = &up_ops, .out_max = UP_OUT_MAX };
	int rc;

	if (!up)
		return -ENOMEM;
	up->magic = AG_UPSTREAM_MAGIC;
	up->w = w;
	up->origin = o;
	up->req = req;
	up->state = AG_UP_OPENING;
	ag_list_init(&up->node);
	ag_buf_init(&up->in, UP_IN_MAX);
	conf.arg = up;
	if (ag_origin_is_tls(o)) {
		conf.tls = w->tls_client;
		conf.host = ag_origin_host(o);
		conf.session = ag_origin_session(o);
	}
	rc = ag_conn_connect(w->base, addr, addr_len, &conf, w->conf->upstream_connect_timeout, &up->conn);
	if (rc < 0) {
		ag_origin_addr_failed(o);
		ag_upstream_free(up);
		return rc;
	}
	ag_count(AG_CNT_upstream_conn_opened);
	*out = up;
	return 0;
}

int
ag_upstream_send(struct ag_upstream *up, const struct iovec *iov, int n_iov)
{
	size_t total = 0;
	int rc;

	for (int i = 0; i < n_iov; i++)
		total += iov[i].iov_len;
	ag_count_add(AG_CNT_bytes_upstream_out, (int64_t)total);
	ag_conn_timer_set(up->conn, up->req->timeout_us > 0 ? up->req->timeout_us
	    : up->w->conf->upstream_first_byte_timeout);
	if (total <= AG_UPSTREAM_AT_ONCE)
		return ag_conn_writev(up->conn, iov, n_iov);
	up->iov = iov;
	up->n_iov = n_iov;
	up->iov_off = 0;
	rc = up_push(up);
	return rc;
}

void
ag_upstream_done(struct ag_upstream *up)
{
	struct ag_list *idle = ag_origin_idle(up->origin);
	uint32_t *n_idle = ag_origin_n_idle(up->origin);

	up->req = NULL;
	if (!up->may_keep || up->n_iov > 0 || up->in.n > 0 || ag_conn_pending(up->conn) > 0 ||
	    *n_idle >= up->w->conf->upstream_keepalive || up->w->is_draining) {
		ag_upstream_free(up);
		return;
	}
	ag_upstream_resume(up);
	up_give(up);
	up->state = AG_UP_IDLE;
	ag_list_push_front(idle, &up->node);
	++*n_idle;
	ag_conn_timer_set(up->conn, up->w->conf->upstream_keepalive_timeout);
}

void
ag_upstream_free(struct ag_upstream *up)
{
	if (!up)
		return;
	if (up->state == AG_UP_IDLE && up->node.next != &up->node)
		--*ag_origin_n_idle(up->origin);
	ag_list_remove(&up->node);
	ag_conn_free(up->conn);
	up->conn = NULL;
	up_give(up);
	up->magic = 0;
	up->req = NULL;
	/* Callers up the stack still look at it: the memory goes at the end of the turn. */
	ag_worker_bury(up->w, &up->node);
}

void
ag_upstream_release(struct ag_list *node)
{
	free(AG_LIST_ENTRY(node, struct ag_upstream, node));
}

void
ag_upstream_pause(struct ag_upstream *up)
{
	if (!up->is_paused) {
		up->is_paused = true;
		ag_conn_read_pause(up->conn);
	}
}

void
ag_upstream_resume(struct ag_upstream *up)
{
	if (up->is_paused) {
		up->is_paused = false;
		ag_conn_read_resume(up->conn);
	}
}
