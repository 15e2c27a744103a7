#include "control/reader.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "control/call.h"

#define WAITING_MAX  64u
#define ROWS_A_TURN  256u /* then others have a turn of the loop */
#define CONNECT_US   (5 * AG_US_PER_SEC)
#define GRACE_US     (5 * AG_US_PER_SEC) /* PostgreSQL breaks off first and says so */

/* One connection: nothing, connecting, idle, or running `now`. */
struct ag_link {
	struct ag_reader *r;     /* borrowed */
	PGconn *conn;            /* owned; NULL none */
	struct event *io;        /* owned; of the descriptor of conn */
	struct event *timer;     /* owned */
	struct ag_ask *now;      /* borrowed */
	PGresult *res;           /* owned: what came so far */
	bool is_connected;
	bool is_fresh;           /* `now` is its first statement */
};

struct ag_reader {
	struct ag_control *ctl;  /* borrowed */
	struct ag_link *link;    /* owned */
	unsigned n_links;
	int64_t limit_us;
	struct ag_list waiting;  /* struct ag_ask */
	unsigned n_waiting;
	struct event *later;     /* owned: refusals are told from the loop */
	struct ag_list refused;
	bool is_drained;
	char options[160];
};

static void link_on_io(evutil_socket_t fd, short what, void *arg);
static void link_on_timer(evutil_socket_t fd, short what, void *arg);
static void begin(struct ag_link *l);

/* ---- asks ---- */

struct ag_ask *
ag_ask_new(void)
{
	struct ag_ask *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	ag_list_init(&a->node);
	ag_buf_init(&a->sql, AG_ASK_SQL_MAX);
	return a;
}

void
ag_ask_free(struct ag_ask *a)
{
	if (!a)
		return;
	assert(!a->link);
	ag_buf_fini(&a->sql);
	json_object_put(a->kept);
	free(a);
}

int
ag_ask_text(struct ag_ask *a, const char *s)
{
	ag_pg_arg_text(&a->args, s);
	return a->args.n;
}

int
ag_ask_i64(struct ag_ask *a, int64_t v)
{
	ag_pg_arg_i64(&a->args, v);
	return a->args.n;
}

int
ag_ask_keep(struct ag_ask *a, struct ag_str s)
{
	struct json_object *text = json_object_new_string_len(s.p, (int)s.n);

	if (!a->kept)
		a->kept = json_object_new_array();
	json_object_array_add(a->kept, text);
	return ag_ask_text(a, json_object_get_string(text));
}

/* ---- one connection ---- */

static void
watch(struct ag_link *l, short events)
{
	/* While connecting the descriptor may change under us. */
	if (l->io)
		event_free(l->io);
	l->io = event_new(l->r->ctl->base, PQsocket(l->conn), events, link_on_io, l);
	if (l->io)
		event_add(l->io, NULL);
	/* else the timer ends it */
}

static void
drop(struct ag_link *l)
{
	if (l->io)
		event_free(l->io);
	l->io = NULL;
	event_del(l->timer);
	PQclear(l->res);
	l->res = NULL;
	PQfinish(l->conn);
	l->conn = NULL;
	l->is_connected = false;
}

/* Who waited for as long as an answer may take is not made to wait for one as well. */
static void
refuse_old(struct ag_reader *r)
{
	static const struct timeval now;

	while (!ag_list_is_empty(&r->waiting)) {
		struct ag_ask *a = AG_LIST_ENTRY(r->waiting.next, struct ag_ask, node);

		if (ag_clock_mono_us() - a->asked_us < r->limit_us)
			return;
		ag_list_remove(&a->node);
		r->n_waiting--;
		ag_list_push_back(&r->refused, &a->node);
		event_add(r->later, &now);
	}
}

static void
next_one(struct ag_reader *r)
{
	refuse_old(r);
	for (unsigned i = 0; i < r->n_links && !ag_list_is_empty(&r->waiting); i++) {
		struct ag_link *l = &r->link[i];

		if (l->now)
			continue;
		l->now = AG_LIST_ENTRY(r->waiting.next, struct ag_ask, node);
		ag_list_remove(&l->now->node);
		r->n_waiting--;
		l->now->link = l;
		begin(l);
	}
}

/* The ask is over: the link is free before anybody hears of it, since they may ask again. */
static void
end(struct ag_link *l, enum ag_ask_end how, const char *why)
{
	struct ag_ask *a = l->now;
	PGresult *res = l->res;

	assert(a);
	event_del(l->timer);
	l->now = NULL;
	l->res = NULL;
	a->link = NULL;
	a->on_end(a, how, how == AG_ASK_DONE ? res : NULL, why);
	PQclear(res);
	next_one(l->r);
}

/* The connection is no more.  One that died while nobody used it is made anew, once. */
static void
lost_saying(struct ag_link *l, const char *why)
{
	bool may_retry = l->is_connected && !l->is_fresh && !l->now->was_retried && !l->now->has_rows;

	drop(l);
	if (!may_retry) {
		end(l, AG_ASK_LOST, why);
		return;
	}
	l->now->was_retried = true;
	begin(l);
}

static void
lost(struct ag_link *l)
{
	char why[160];
	const char *text = l->conn ? PQerrorMessage(l->conn) : "out of memory";

	snprintf(why, sizeof(why), "%.*s", (int)strcspn(text, "\n"), text);
	lost_saying(l, why);
}

static void
arm(struct ag_link *l, int64_t us)
{
	const struct timeval tv = { .tv_sec = us / AG_US_PER_SEC, .tv_usec = us % AG_US_PER_SEC };

	event_add(l->timer, &tv);
}

static void
flush(struct ag_link *l)
{
	int rc = PQflush(l->conn);

	if (rc < 0)
		lost(l);
	else
		watch(l, rc > 0 ? EV_READ | EV_WRITE : EV_READ);
}

static void
send_now(struct ag_link *l)
{
	const struct ag_ask *a = l->now;

	arm(l, l->r->limit_us + GRACE_US);
	if (!PQsendQueryParams(l->conn, a->sql.p, a->args.n, NULL, a->args.value, a->args.bytes,
	        a->args.format, 0) || (a->on_row && !PQsetSingleRowMode(l->conn))) {
		lost(l);
		return;
	}
	flush(l);
}

static void
begin(struct ag_link *l)
{
	const char *const keys[] = { "dbname", "fallback_application_name", "client_encoding", "options",
		NULL };
	const char *conninfo = l->r->ctl->ctx->conf->database;
	const char *const values[] = { conninfo ? conninfo : "", "aigated reports", "UTF8",
		l->r->options, NULL };

	if (l->is_connected) {
		l->is_fresh = false;
		send_now(l);
		return;
	}
	l->is_fresh = true;
	arm(l, CONNECT_US);
	l->conn = PQconnectStartParams(keys, values, 1);
	if (!l->conn || PQstatus(l->conn) == CONNECTION_BAD)
		/* From the loop: whoever asks is not called back at once. */
		arm(l, 0);
	else
		watch(l, EV_WRITE);
}

static void
connect_on(struct ag_link *l)
{
	switch (PQconnectPoll(l->conn)) {
	case PGRES_POLLING_READING:
		watch(l, EV_READ);
		break;
	case PGRES_POLLING_WRITING:
		watch(l, EV_WRITE);
		break;
	case PGRES_POLLING_OK:
		l->is_connected = true;
		if (PQsetnonblocking(l->conn, 1) < 0)
			lost(l);
		else
			send_now(l);
		break;
	case PGRES_POLLING_FAILED:
	case PGRES_POLLING_ACTIVE:
		lost(l);
		break;
	}
}

static void
refused(struct ag_link *l, const PGresult *res)
{
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	enum ag_ask_end how = AG_ASK_FAILED;
	char why[200];

	snprintf(why, sizeof(why), "%s (%s)", text ? text : "no message", state ? state : "no state");
	if (!state || strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0 ||
	    strncmp(state, "53", 2) == 0)
		how = AG_ASK_LOST;
	else if (strcmp(state, "57014") == 0)
		how = AG_ASK_SLOW;
	else if (strncmp(state, "22", 2) == 0)
		how = AG_ASK_DATA;
	if (how == AG_ASK_FAILED)
		ag_error("could not read: %s", why);
	if (how == AG_ASK_LOST)
		lost_saying(l, why);
	else
		end(l, how, why);
}

/* Takes res.  false: the ask is over. */
static bool
take_result(struct ag_link *l, PGresult *res)
{
	bool goes_on;

	if (PQresultStatus(res) != PGRES_SINGLE_TUPLE) {
		PQclear(l->res);
		l->res = res; /* looked at when no more comes */
		return true;
	}
	l->now->has_rows = true;
	goes_on = l->now->on_row(l->now, res);
	PQclear(res);
	if (goes_on)
		return true;
	drop(l); /* the rest is not even received */
	end(l, AG_ASK_STOPPED, "stopped");
	return false;
}

static void
finished(struct ag_link *l)
{
	PGresult *res = l->res;

	if (!res) {
		lost(l);
		return;
	}
	if (PQresultStatus(res) == PGRES_TUPLES_OK || PQresultStatus(res) == PGRES_COMMAND_OK) {
		end(l, AG_ASK_DONE, "");
		return;
	}
	l->res = NULL;
	refused(l, res);
	PQclear(res);
}

static void
receive(struct ag_link *l, short what)
{
	int rc;

	if ((what & EV_READ) && !PQconsumeInput(l->conn)) {
		lost(l);
		return;
	}
	rc = PQflush(l->conn);
	if (rc < 0) {
		lost(l);
		return;
	}
	for (unsigned i = 0; !PQisBusy(l->conn); i++) {
		PGresult *res;

		if (i == ROWS_A_TURN) {
			event_active(l->io, 0, 0);
			return;
		}
		res = PQgetResult(l->conn);
		if (!res) {
			finished(l);
			return;
		}
		if (!take_result(l, res))
			return;
	}
	watch(l, rc > 0 ? EV_READ | EV_WRITE : EV_READ);
}

static void
link_on_io(evutil_socket_t fd, short what, void *arg)
{
	struct ag_link *l = arg;

	(void)fd;
	assert(l->now);
	if (l->is_connected)
		receive(l, what);
	else
		connect_on(l);
}

static void
link_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ag_link *l = arg;
	bool was_connected = l->is_connected;

	(void)fd;
	(void)what;
	if (!l->now)
		return;
	if (!was_connected && (!l->conn || PQstatus(l->conn) == CONNECTION_BAD)) {
		lost(l);
		return;
	}
	drop(l);
	end(l, was_connected ? AG_ASK_SLOW : AG_ASK_LOST, "no answer in time");
}

/* ---- the reader ---- */

static void
refuse_all(struct ag_reader *r)
{
	while (!ag_list_is_empty(&r->refused)) {
		struct ag_ask *a = AG_LIST_ENTRY(r->refused.next, struct ag_ask, node);

		ag_list_remove(&a->node);
		a->on_end(a, r->is_drained ? AG_ASK_DRAINED : AG_ASK_BUSY, NULL,
		    r->is_drained ? "restarting" : "too many reports are being made");
	}
}

static void
reader_on_later(evutil_socket_t fd, short what, void *arg)
{
	struct ag_reader *r = arg;

	(void)fd;
	(void)what;
	refuse_all(r);
	next_one(r);
}

struct ag_reader *
ag_reader_new(struct ag_control *ctl, unsigned links, int64_t limit_us)
{
	struct ag_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->ctl = ctl;
	r->limit_us = limit_us;
	ag_list_init(&r->waiting);
	ag_list_init(&r->refused);
	snprintf(r->options, sizeof(r->options), "-c timezone=UTC -c datestyle=ISO"
	    " -c default_transaction_read_only=on -c statement_timeout=%lld",
	    (long long)(limit_us / AG_US_PER_MS));
	r->later = evtimer_new(ctl->base, reader_on_later, r);
	r->link = calloc(links, sizeof(*r->link));
	if (!r->link || !r->later) {
		ag_reader_free(r);
		return NULL;
	}
	for (r->n_links = 0; r->n_links < links; r->n_links++) {
		struct ag_link *l = &r->link[r->n_links];

		l->r = r;
		l->timer = evtimer_new(ctl->base, link_on_timer, l);
		if (!l->timer) {
			ag_reader_free(r);
			return NULL;
		}
	}
	return r;
}

void
ag_reader_free(struct ag_reader *r)
{
	if (!r)
		return;
	for (unsigned i = 0; r->link && i < r->n_links; i++) {
		assert(!r->link[i].now);
		drop(&r->link[i]);
		event_free(r->link[i].timer);
	}
	if (r->later)
		event_free(r->later);
	free(r->link);
	free(r);
}

void
ag_reader_ask(struct ag_reader *r, struct ag_ask *a)
{
	static const struct timeval now;

	assert(!a->link && !a->sql.failed);
	ag_buf_putc(&a->sql, '\0');
	a->asked_us = ag_clock_mono_us();
	if (r->is_drained || r->n_waiting >= WAITING_MAX) {
		ag_list_push_back(&r->refused, &a->node);
		event_add(r->later, &now);
		return;
	}
	ag_list_push_back(&r->waiting, &a->node);
	r->n_waiting++;
	event_add(r->later, &now);
}

void
ag_reader_cancel(struct ag_reader *r, struct ag_ask *a)
{
	struct ag_link *l = a->link;

	if (l) {
		l->now = NULL;
		a->link = NULL;
		drop(l);
		next_one(r);
		return;
	}
	AG_LIST_FOREACH(it, &r->waiting)
		if (it == &a->node) {
			r->n_waiting--;
			break;
		}
	ag_list_remove(&a->node);
}

void
ag_reader_drain(struct ag_reader *r)
{
	r->is_drained = true;
	while (!ag_list_is_empty(&r->waiting)) {
		struct ag_list *first = r->waiting.next;

		ag_list_remove(first);
		ag_list_push_back(&r->refused, first);
	}
	r->n_waiting = 0;
	for (unsigned i = 0; i < r->n_links; i++)
		if (r->link[i].now) {
			drop(&r->link[i]);
			end(&r->link[i], AG_ASK_DRAINED, "restarting");
		}
	refuse_all(r);
}

/* ---- for calls ---- */

struct call_read {
	struct ag_call *call;
	void (*then)(struct ag_call *c, struct json_object *value);
};

static void
explain(struct ag_call *c, enum ag_ask_end how, const char *why)
{
	switch (how) {
	case AG_ASK_LOST:
		ag_warn("could not make a report: %s, answering with 503", why);
		ag_call_fail(c, 503, "AB04", "the database is not reachable; traffic is served on");
		break;
	case AG_ASK_SLOW:
		ag_call_fail(c, 503, "AB04",
		    "the report takes too long; ask for a shorter time or with fewer filters");
		break;
	case AG_ASK_BUSY:
		ag_call_fail(c, 503, "AB04", "too many reports are being made, try again");
		break;
	case AG_ASK_DRAINED:
		ag_call_fail(c, 503, "AB04", "restarting, try again");
		break;
	case AG_ASK_DATA:
		ag_call_invalid(c, "a value cannot be used: %s", why);
		break;
	case AG_ASK_DONE:
	case AG_ASK_STOPPED:
	case AG_ASK_FAILED:
		ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
		break;
	}
}

static void
call_on_end(struct ag_ask *a, enum ag_ask_end how, const PGresult *res, const char *why)
{
	struct call_read *read = a->arg;
	struct ag_call *c = read->call;
	struct json_object *value = NULL;

	c->is_deferred = false;
	if (how != AG_ASK_DONE) {
		explain(c, how, why);
	} else {
		if (PQntuples(res) > 0 && !PQgetisnull(res, 0, 0))
			value = json_tokener_parse(PQgetvalue(res, 0, 0));
		read->then(c, value);
	}
	free(read);
	ag_ask_free(a);
	if (!c->is_deferred)
		ag_call_finish(c);
}

void
ag_call_read(struct ag_call *c, struct ag_ask *a,
    void (*then)(struct ag_call *c, struct json_object *value))
{
	struct call_read *read = malloc(sizeof(*read));

	if (!read || a->sql.failed) {
		free(read);
		ag_ask_free(a);
		ag_call_fail(c, 500, "AB04", "out of memory");
		return;
	}
	*read = (struct call_read){ c, then };
	a->arg = read;
	a->on_end = call_on_end;
	ag_call_defer(c);
	ag_reader_ask(c->ctl->reports, a);
}
