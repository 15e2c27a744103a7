#include "flusher/bodies.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "flusher/body_batch.h"
#include "flusher/params.h"
#include "flusher/sql.h"
#include "shm/counters.h"

#define SLICE_US    (2 * AG_US_PER_MS)   /* of redaction, before others have their turn */
#define BACKOFF_US  AG_US_PER_SEC
#define PATIENCE_US (60 * AG_US_PER_SEC) /* then the connection is taken for dead */
#define LINGER_US   (60 * AG_US_PER_SEC) /* without work, before it is closed */

enum state { B_OFF, B_CONNECTING, B_IDLE, B_RULES, B_REDACTING, B_PARTITIONS, B_INSERT };

struct ag_bodies_out {
	struct event_base *base;     /* borrowed */
	const char *conninfo;        /* borrowed: conf */
	PGconn *pg;                  /* owned; NULL in OFF */
	struct event *ev_io, *ev_step; /* owned */
	enum state state;
	int64_t since_us, again_us;  /* monotonic: of the state; no attempt to connect before */
	bool was_told;
	struct ag_body_batch batch;
	int64_t day_made;            /* since 1970: its partition stands */
	struct ag_params params;
	char failed[6], why[256];    /* SQLSTATE and message of the step; "" none */
};

static void bodies_on_io(evutil_socket_t fd, short what, void *arg);

/* ---- coming and going ------------------------------------------------------------------------- */

static void
bodies_close(struct ag_bodies_out *b, const char *why)
{
	if (why && !b->was_told)
		ag_warn("could not store bodies: %.*s, keeping those that fit into body_ring",
		    (int)strcspn(why, "\n"), why);
	b->was_told = b->was_told || why;
	if (b->ev_io)
		event_free(b->ev_io);
	b->ev_io = NULL;
	event_del(b->ev_step);
	PQfinish(b->pg);
	b->pg = NULL;
	b->state = B_OFF;
	b->again_us = ag_clock_mono_us() + (why ? BACKOFF_US : 0);
}

static bool
bodies_watch(struct ag_bodies_out *b, short what)
{
	if (b->ev_io)
		event_free(b->ev_io);
	b->ev_io = event_new(b->base, PQsocket(b->pg), what, bodies_on_io, b);
	if (b->ev_io && event_add(b->ev_io, NULL) == 0)
		return true;
	bodies_close(b, "out of memory");
	return false;
}

static void
bodies_enter(struct ag_bodies_out *b, enum state state)
{
	b->state = state;
	b->since_us = ag_clock_mono_us();
}

static void
bodies_quiet(void *arg, const char *message)
{
	(void)arg;
	ag_debug("PostgreSQL says: %s", message);
}

static void
bodies_connect(struct ag_bodies_out *b)
{
	const char *keys[] = { "dbname", "fallback_application_name", NULL };
	const char *values[] = { b->conninfo, "aigated bodies", NULL };

	b->pg = PQconnectStartParams(keys, values, 1);
	bodies_enter(b, B_CONNECTING);
	if (!b->pg || PQstatus(b->pg) == CONNECTION_BAD) {
		bodies_close(b, b->pg ? PQerrorMessage(b->pg) : "out of memory");
		return;
	}
	PQsetNoticeProcessor(b->pg, bodies_quiet, NULL);
	bodies_watch(b, EV_WRITE);
}

/* ---- what is said ------------------------------------------------------------------------------ */

/* A statement may be larger than a socket's buffer: the rest goes out when it takes more. */
static void
bodies_flush(struct ag_bodies_out *b)
{
	int rc = PQflush(b->pg);

	if (rc < 0)
		bodies_close(b, PQerrorMessage(b->pg));
	else
		bodies_watch(b, rc > 0 ? EV_READ | EV_WRITE | EV_PERSIST : EV_READ | EV_PERSIST);
}

static void
bodies_send(struct ag_bodies_out *b, enum state state, const char *sql, bool has_params)
{
	const struct ag_params *p = &b->params;

	b->failed[0] = b->why[0] = '\0';
	bodies_enter(b, state);
	if (!has_params)
		bodies_close(b, "out of memory");
	else if (PQsendQueryParams(b->pg, sql, p->n, NULL, p->values, p->lengths, p->formats, 0) == 1)
		bodies_flush(b);
	else
		bodies_close(b, PQerrorMessage(b->pg));
}

static void
bodies_insert(struct ag_bodies_out *b)
{
	bodies_send(b, B_INSERT, AG_SQL_BODY_INSERT, ag_params_bodies(&b->params, &b->batch));
}

/* Into the partitions of its days, which are made when they are not known to stand. */
static void
bodies_store(struct ag_bodies_out *b)
{
	bool is_made = true;

	for (size_t i = 0; i < b->batch.n; i++)
		is_made = is_made && b->batch.row[i].body->received_at_us / AG_US_PER_DAY == b->day_made;
	if (is_made)
		bodies_insert(b);
	else
		bodies_send(b, B_PARTITIONS, AG_SQL_BODY_PARTITIONS, ag_params_body_days(&b->params, &b->batch));
}

/* The batch is stored, or given up. */
static void
bodies_done(struct ag_bodies_out *b)
{
	ag_body_batch_release(&b->batch);
	bodies_enter(b, B_IDLE);
}

static void
bodies_redact(struct ag_bodies_out *b)
{
	const struct timeval now = { 0 };
	int rc = ag_body_batch_redact(&b->batch, ag_clock_mono_us() + SLICE_US);

	if (rc < 0) {
		bodies_close(b, "out of memory");
	} else if (rc > 0) {
		bodies_store(b);
	} else {
		b->since_us = ag_clock_mono_us();
		event_add(b->ev_step, &now);
	}
}

static void
bodies_on_step(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	bodies_redact(arg);
}

static void
bodies_begin(struct ag_bodies_out *b)
{
	ag_body_batch_take(&b->batch);
	if (b->batch.n == 0)
		ag_body_batch_release(&b->batch);
	else
		bodies_send(b, B_RULES, AG_SQL_BODY_RULES, ag_params_body_workspaces(&b->params, &b->batch));
}

/* ---- answers ------------------------------------------------------------------------------------ */

static int64_t
number(const PGresult *res, int row, int column)
{
	int64_t v = 0;

	return ag_parse_i64(ag_str(PQgetvalue(res, row, column)), 0, INT64_MAX, &v) == 0 ? v : 0;
}

static void
take_rules(struct ag_bodies_out *b, const PGresult *res)
{
	for (int i = 0; i < PQntuples(res); i++)
		ag_body_batch_rule(&b->batch, number(res, i, 0), PQgetvalue(res, i, 1)[0] == 't',
		    (unsigned)number(res, i, 2), ag_str_n(PQgetvalue(res, i, 3), (size_t)PQgetlength(res, i, 3)));
}

static void
bodies_take_result(struct ag_bodies_out *b, const PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	if (status == PGRES_TUPLES_OK && b->state == B_RULES)
		take_rules(b, res);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || b->failed[0])
		return;
	ag_str_copy(ag_str(state ? state : "?????"), b->failed, sizeof(b->failed));
	ag_str_copy(ag_str(message ? message : PQresultErrorMessage(res)), b->why, sizeof(b->why));
}

/* Another session, or another time, may do better: an administrator's stop, a lock, no room. */
static bool
may_pass(const char *sqlstate)
{
	static const char classes[][3] = { "08", "25", "40", "53", "55", "57" };

	for (size_t i = 0; i < AG_ARRAY_LEN(classes); i++)
		if (memcmp(sqlstate, classes[i], 2) == 0)
			return true;
	return false;
}

static void
bodies_failed(struct ag_bodies_out *b)
{
	static struct ag_log_limit limit;

	b->day_made = 0; /* its partition may be what is missing */
	if (may_pass(b->failed)) {
		bodies_close(b, b->why);
		return;
	}
	if (ag_log_allowed(&limit, 5))
		ag_warn("PostgreSQL did not take %zu bodies: %s: %s, giving them up", b->batch.n, b->failed, b->why);
	ag_count_add(AG_CNT_body_refused, (int64_t)b->batch.n);
	bodies_done(b);
}

static void
bodies_step_done(struct ag_bodies_out *b)
{
	if (b->failed[0]) {
		bodies_failed(b);
	} else if (b->state == B_RULES) {
		ag_count_add(AG_CNT_body_refused, (int64_t)ag_body_batch_drop_unwanted(&b->batch));
		bodies_enter(b, B_REDACTING);
		if (b->batch.n == 0)
			bodies_done(b);
		else
			bodies_redact(b);
	} else if (b->state == B_PARTITIONS) {
		b->day_made = b->batch.row[b->batch.n - 1].body->received_at_us / AG_US_PER_DAY;
		bodies_insert(b);
	} else {
		ag_count_add(AG_CNT_body_stored, (int64_t)b->batch.n);
		if (b->was_told)
			ag_notice("bodies are stored again");
		b->was_told = false;
		bodies_done(b);
		if (ag_body_batch_is_waiting(&b->batch))
			bodies_begin(b);
	}
}

static void
bodies_on_answer(struct ag_bodies_out *b)
{
	if (!PQconsumeInput(b->pg)) {
		/* With nothing under way nothing is the matter: the next body connects again. */
		bodies_close(b, b->state == B_IDLE ? NULL : PQerrorMessage(b->pg));
		return;
	}
	while (b->pg && b->state >= B_RULES && b->state != B_REDACTING && !PQisBusy(b->pg)) {
		PGresult *res = PQgetResult(b->pg);

		if (res) {
			bodies_take_result(b, res);
			PQclear(res);
		} else if (PQstatus(b->pg) == CONNECTION_BAD) {
			bodies_close(b, PQerrorMessage(b->pg));
		} else {
			bodies_step_done(b);
		}
	}
}

static void
bodies_on_io(evutil_socket_t fd, short what, void *arg)
{
	struct ag_bodies_out *b = arg;

	(void)fd;
	if (b->state != B_CONNECTING) {
		if (what & EV_WRITE)
			bodies_flush(b);
		if (b->pg && (what & EV_READ))
			bodies_on_answer(b);
		return;
	}
	switch (PQconnectPoll(b->pg)) {
	case PGRES_POLLING_READING:
		bodies_watch(b, EV_READ);
		break;
	case PGRES_POLLING_WRITING:
	case PGRES_POLLING_ACTIVE:
		bodies_watch(b, EV_WRITE);
		break;
	case PGRES_POLLING_FAILED:
		bodies_close(b, PQerrorMessage(b->pg));
		break;
	case PGRES_POLLING_OK:
		if (PQsetnonblocking(b->pg, 1) < 0) {
			bodies_close(b, PQerrorMessage(b->pg));
		} else if (bodies_watch(b, EV_READ | EV_PERSIST)) {
			bodies_enter(b, B_IDLE);
			bodies_begin(b);
		}
		break;
	}
}

/* ---- asked by the flusher ---------------------------------------------------------------------- */

void
ag_bodies_out_tick(struct ag_bodies_out *b, int64_t now_us)
{
	bool is_waiting = ag_body_batch_is_waiting(&b->batch);

	if (b->state == B_OFF && is_waiting && now_us >= b->again_us)
		bodies_connect(b);
	else if (b->state == B_IDLE && is_waiting)
		bodies_begin(b);
	else if (b->state == B_IDLE && now_us - b->since_us > LINGER_US)
		bodies_close(b, NULL);
	else if (b->state != B_OFF && b->state != B_IDLE && now_us - b->since_us > PATIENCE_US)
		bodies_close(b, "no answer for a minute");
}

struct ag_bodies_out *
ag_bodies_out_new(struct event_base *base, struct ag_shm *shm, const char *conninfo)
{
	struct ag_bodies_out *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->base = base;
	b->conninfo = conninfo;
	ag_body_batch_init(&b->batch, shm);
	ag_params_init(&b->params);
	b->ev_step = event_new(base, -1, 0, bodies_on_step, b);
	if (!b->ev_step) {
		ag_bodies_out_free(b);
		return NULL;
	}
	return b;
}

void
ag_bodies_out_free(struct ag_bodies_out *b)
{
	if (!b)
		return;
	if (b->ev_io)
		event_free(b->ev_io);
	if (b->ev_step)
		event_free(b->ev_step);
	PQfinish(b->pg);
	ag_body_batch_fini(&b->batch);
	ag_params_fini(&b->params);
	free(b);
}
