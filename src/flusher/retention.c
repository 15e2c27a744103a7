#include "flusher/retention.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "flusher/sql.h"

#define PARTS_MAX     64u
#define PATIENCE_US   (2 * AG_US_PER_HOUR)
/* 5 s, twice that each time up to some five minutes. */
#define AGAIN_FIRST_US  (5 * AG_US_PER_SEC)
#define AGAIN_DOUBLINGS 6

/* A partition is marked, detached, dropped: what a death leaves marked is found again. */
enum step { STEP_LIST, STEP_MARK, STEP_DETACH, STEP_DROP, STEP_LOCKED };
enum part_state { PART_ATTACHED, PART_DETACHING, PART_DETACHED };

struct part {
	char name[64];
	enum part_state state;
};

static const struct {
	const char *table, *called;  /* called: in what is logged */
	const char *expired, *drop_locked;
} retained[] = {
	[AG_RETAINED_LEDGER] = { "ledger", "ledger partition", AG_SQL_EXPIRED("ledger", "ledger_partitions"),
		AG_SQL_DROP_LOCKED("drop_partition") },
	[AG_RETAINED_BODIES] = { "request_body", "body partition",
		AG_SQL_EXPIRED("request_body", "body_partitions"), AG_SQL_DROP_LOCKED("drop_body_partition") },
};

struct ag_retention {
	enum ag_retained what;
	struct event_base *base; /* borrowed */
	const char *conninfo;    /* borrowed: conf */
	PGconn *pg;              /* owned; NULL: nothing to do */
	struct event *ev_io;     /* owned: while there is a connection */
	bool is_connecting;
	int64_t keep_us, since_us;
	enum step step;
	struct part parts[PARTS_MAX];
	size_t n, at;
	unsigned dropped;
	unsigned cut_off;        /* runs in a row that lost their connection */
	int64_t again_at_us;     /* monotonic; 0: tomorrow will do */
	char failed[6], why[256]; /* SQLSTATE and message of the step; "" none */
};

static void retention_on_io(evutil_socket_t fd, short what, void *arg);

static void
retention_end(struct ag_retention *r)
{
	if (r->dropped)
		ag_notice("dropped %u %ss past their retention", r->dropped, retained[r->what].called);
	r->dropped = 0;
	if (r->ev_io)
		event_free(r->ev_io);
	r->ev_io = NULL;
	PQfinish(r->pg);
	r->pg = NULL;
}

/* NULL: all is done. */
static void
retention_close(struct ag_retention *r, const char *why)
{
	if (why)
		ag_warn("could not drop old %ss: %s, trying again tomorrow", retained[r->what].called, why);
	r->cut_off = 0;
	retention_end(r);
}

/* PostgreSQL went away, or was not there: it may be back any moment. */
static void
retention_cut_off(struct ag_retention *r)
{
	struct ag_str why = ag_str_trim(ag_str(r->failed[0] ? r->why : r->pg ? PQerrorMessage(r->pg) : "out of memory"));
	const char *line_end = memchr(why.p, '\n', why.n);
	int64_t wait_us = AGAIN_FIRST_US << (r->cut_off < AGAIN_DOUBLINGS ? r->cut_off : AGAIN_DOUBLINGS);

	ag_warn("could not drop old %ss: %.*s, trying again in %d s", retained[r->what].called,
	    (int)(line_end ? line_end - why.p : (ptrdiff_t)why.n), why.p, (int)(wait_us / AG_US_PER_SEC));
	r->cut_off++;
	r->again_at_us = ag_clock_mono_us() + wait_us;
	retention_end(r);
}

static bool
retention_watch(struct ag_retention *r, short what)
{
	if (r->ev_io)
		event_free(r->ev_io);
	r->ev_io = event_new(r->base, PQsocket(r->pg), what, retention_on_io, r);
	if (r->ev_io && event_add(r->ev_io, NULL) == 0)
		return true;
	retention_close(r, "out of memory");
	return false;
}

/* ---- what is said ------------------------------------------------------------------------- */

static void
retention_send(struct ag_retention *r, enum step step)
{
	const struct part *p = &r->parts[r->at];
	const char *value = p->name;
	char sql[256], seconds[32];
	int ok = 0;

	r->step = step;
	r->failed[0] = r->why[0] = '\0';
	switch (step) {
	case STEP_LIST:
		snprintf(seconds, sizeof(seconds), "%lld", (long long)(r->keep_us / AG_US_PER_SEC));
		value = seconds;
		ok = PQsendQueryParams(r->pg, retained[r->what].expired, 1, NULL, &value, NULL, NULL, 0);
		break;
	case STEP_LOCKED:
		ok = PQsendQueryParams(r->pg, retained[r->what].drop_locked, 1, NULL, &value, NULL, NULL, 0);
		break;
	case STEP_MARK: /* names hold lower case, digits and '_': AG_SQL_EXPIRED sees to it */
		snprintf(sql, sizeof(sql), AG_SQL_MARK, p->name);
		break;
	case STEP_DETACH:
		snprintf(sql, sizeof(sql), AG_SQL_DETACH, retained[r->what].table, p->name,
		    p->state == PART_DETACHING ? "finalize" : "concurrently");
		break;
	case STEP_DROP:
		snprintf(sql, sizeof(sql), AG_SQL_DROP, p->name);
		break;
	}
	if (step != STEP_LIST && step != STEP_LOCKED)
		ok = PQsendQuery(r->pg, sql);
	if (!ok || PQflush(r->pg) < 0) /* short texts: they fit into the socket */
		retention_cut_off(r);
}

static void
retention_next(struct ag_retention *r)
{
	static const enum step first[] = { [PART_ATTACHED] = STEP_MARK, [PART_DETACHING] = STEP_DETACH,
		[PART_DETACHED] = STEP_DROP };

	if (r->at == r->n)
		retention_close(r, NULL);
	else
		retention_send(r, first[r->parts[r->at].state]);
}

/* ---- answers ------------------------------------------------------------------------------ */

static void
retention_take_list(struct ag_retention *r, const PGresult *res)
{
	r->n = r->at = 0;
	for (int i = 0; i < PQntuples(res) && r->n < PARTS_MAX; i++) {
		struct part *p = &r->parts[r->n];
		char state = PQgetvalue(res, i, 1)[0];

		if (!ag_str_copy(ag_str(PQgetvalue(res, i, 0)), p->name, sizeof(p->name)))
			continue;
		p->state = state == 'a' ? PART_ATTACHED : state == 'i' ? PART_DETACHING : PART_DETACHED;
		r->n++;
	}
}

/* Not the owner of the ledger, or a PostgreSQL that cannot. */
static bool
may_not(const struct ag_retention *r)
{
	return strcmp(r->failed, "42501") == 0 || strcmp(r->failed, "42601") == 0 ||
	    strcmp(r->failed, "0A000") == 0;
}

/* Shut down, restarted or ended by hand: its last word before the connection breaks. */
static bool
is_going(const struct ag_retention *r)
{
	return strncmp(r->failed, "57P", 3) == 0 || strncmp(r->failed, "08", 2) == 0;
}

static void
retention_step_done(struct ag_retention *r)
{
	if (r->failed[0] && may_not(r) && (r->step == STEP_MARK || r->step == STEP_DETACH)) {
		retention_send(r, STEP_LOCKED);
		return;
	}
	if (r->failed[0] && is_going(r)) {
		retention_cut_off(r);
		return;
	}
	if (r->failed[0] && r->step == STEP_LIST) {
		retention_close(r, r->why);
		return;
	}
	if (r->failed[0]) {
		ag_warn("could not drop %s \"%s\": %s: %s, trying again tomorrow",
		    retained[r->what].called, r->parts[r->at].name, r->failed, r->why);
		r->at++;
		retention_next(r);
		return;
	}
	switch (r->step) {
	case STEP_LIST:
		retention_next(r);
		break;
	case STEP_MARK:
		retention_send(r, STEP_DETACH);
		break;
	case STEP_DETACH:
		retention_send(r, STEP_DROP);
		break;
	case STEP_DROP:
	case STEP_LOCKED:
		ag_info("dropped %s \"%s\"", retained[r->what].called, r->parts[r->at].name);
		r->dropped++;
		r->at++;
		retention_next(r);
		break;
	}
}

static void
retention_take_result(struct ag_retention *r, const PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);

	if (status == PGRES_TUPLES_OK && r->step == STEP_LIST)
		retention_take_list(r, res);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || r->failed[0])
		return;
	ag_str_copy(ag_str(PQresultErrorField(res, PG_DIAG_SQLSTATE)
	                       ? PQresultErrorField(res, PG_DIAG_SQLSTATE)
	                       : "?????"),
	    r->failed, sizeof(r->failed));
	ag_str_copy(ag_str(PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY)
	                       ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY)
	                       : "no answer"),
	    r->why, sizeof(r->why));
}

static void
retention_on_answer(struct ag_retention *r)
{
	if (!PQconsumeInput(r->pg)) {
		retention_cut_off(r);
		return;
	}
	while (r->pg && !PQisBusy(r->pg)) {
		PGresult *res = PQgetResult(r->pg);

		if (res) {
			retention_take_result(r, res);
			PQclear(res);
		} else if (PQstatus(r->pg) == CONNECTION_BAD) {
			retention_cut_off(r);
		} else {
			retention_step_done(r);
		}
	}
}

static void
retention_on_io(evutil_socket_t fd, short what, void *arg)
{
	struct ag_retention *r = arg;

	(void)fd;
	(void)what;
	if (!r->is_connecting) {
		retention_on_answer(r);
		return;
	}
	switch (PQconnectPoll(r->pg)) {
	case PGRES_POLLING_READING:
		retention_watch(r, EV_READ);
		break;
	case PGRES_POLLING_WRITING:
	case PGRES_POLLING_ACTIVE:
		retention_watch(r, EV_WRITE);
		break;
	case PGRES_POLLING_FAILED:
		retention_cut_off(r);
		break;
	case PGRES_POLLING_OK:
		r->is_connecting = false;
		if (retention_watch(r, EV_READ | EV_PERSIST))
			retention_send(r, STEP_LIST);
		break;
	}
}

/* ---- asked by the flusher ------------------------------------------------------------------- */

static void
retention_quiet(void *arg, const char *message)
{
	(void)arg;
	ag_debug("PostgreSQL says: %s", message);
}

void
ag_retention_run(struct ag_retention *r, int64_t keep_us)
{
	const char *keys[] = { "dbname", "fallback_application_name", NULL };
	const char *values[] = { r->conninfo, "aigated retention", NULL };

	if (r->pg)
		return;
	r->keep_us = keep_us;
	r->since_us = ag_clock_mono_us();
	r->is_connecting = true;
	r->again_at_us = 0;
	r->failed[0] = r->why[0] = '\0';
	r->n = r->at = 0;
	r->pg = PQconnectStartParams(keys, values, 1);
	if (!r->pg || PQstatus(r->pg) == CONNECTION_BAD) {
		retention_cut_off(r);
		return;
	}
	PQsetNoticeProcessor(r->pg, retention_quiet, NULL);
	retention_watch(r, EV_WRITE);
}

int64_t
ag_retention_again_at_us(const struct ag_retention *r)
{
	return r->again_at_us;
}

void
ag_retention_tick(struct ag_retention *r, int64_t now_us)
{
	if (r->pg && now_us - r->since_us > PATIENCE_US)
		retention_close(r, "somebody has been reading them for hours");
}

struct ag_retention *
ag_retention_new(struct event_base *base, const char *conninfo, enum ag_retained what)
{
	struct ag_retention *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->base = base;
	r->conninfo = conninfo;
	r->what = what;
	return r;
}

void
ag_retention_free(struct ag_retention *r)
{
	if (!r)
		return;
	if (r->ev_io)
		event_free(r->ev_io);
	PQfinish(r->pg);
	free(r);
}
