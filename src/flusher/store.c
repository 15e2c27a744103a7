#include "flusher/store.h"

#include <assert.h>
#include <errno.h>
#include <libpq-fe.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "flusher/params.h"
#include "flusher/sql.h"

#define BACKOFF_FIRST_US (100 * AG_US_PER_MS)
#define BACKOFF_MAX_US   (5 * AG_US_PER_SEC)
#define CONNECT_MAX_US   (10 * AG_US_PER_SEC)
#define SILENCE_MAX_US   (60 * AG_US_PER_SEC) /* then the connection is taken for dead */
#define COPY_PIECE       ((size_t)128 << 10)
#define TRUTH_MAX        512u

enum store_state { STORE_OFF, STORE_CONNECTING, STORE_SETUP, STORE_READY, STORE_BUSY };

/* What is sent; the answer decides what comes next. */
enum store_step {
	STEP_NONE,
	STEP_PREPARE,    /* SETUP: one after the other */
	STEP_PARTITIONS,
	STEP_POSITIONS,
	STEP_BEGIN,      /* BUSY: a batch, in this order */
	STEP_POSITION,
	STEP_COPY,
	STEP_USAGE,
	STEP_BUDGET,
	STEP_GAP,
	STEP_QUARANTINE,
	STEP_COMMIT,
	STEP_ROLLBACK,   /* what went wrong stands in result and why */
	STEP_TRUTH,
	STEP_PARTITIONS_AGAIN,
};

static const struct { enum store_step step; const char *name, *sql; } prepared[] = {
	{ STEP_POSITION, "position", AG_SQL_POSITION },
	{ STEP_USAGE, "usage", AG_SQL_USAGE },
	{ STEP_BUDGET, "budget", AG_SQL_BUDGET },
	{ STEP_GAP, "gap", AG_SQL_GAP },
	{ STEP_QUARANTINE, "quarantine", AG_SQL_QUARANTINE },
	{ STEP_TRUTH, "truth", AG_SQL_TRUTH },
};

struct ag_store {
	struct event_base *base;        /* borrowed */
	const char *conninfo;           /* borrowed: conf */
	const struct ag_store_ops *ops; /* borrowed */
	void *arg;

	PGconn *pg;                     /* owned; NULL in OFF */
	struct event *ev_io;            /* owned: reading, or the connection being made */
	struct event *ev_write;         /* owned: while libpq has bytes to send */
	struct event *ev_timer;         /* owned: time to connect again */
	enum store_state state;
	enum store_step step;
	size_t preparing;               /* row of prepared[] */
	int64_t backoff_us, since_us;   /* since_us: start of CONNECTING, SETUP or BUSY */
	bool wants_partitions, was_told_down;

	struct ag_params params;
	const struct ag_batch *batch;   /* borrowed: caller, while BUSY */
	size_t copied;                  /* bytes of its rows that are sent */
	bool is_copying, has_failed;    /* has_failed: this step's answer was an error */
	enum ag_store_result result;
	char sqlstate[6], why[AG_REASON_MAX];
	int64_t truth[TRUTH_MAX];
	size_t n_truth;
	int64_t answer;                 /* single number of the last answer */
};

static void store_on_io(evutil_socket_t fd, short what, void *arg);
static void store_on_write(evutil_socket_t fd, short what, void *arg);
static void store_on_answer(struct ag_store *st);
static void store_send(struct ag_store *st, enum store_step step);

/* ---- coming and going --------------------------------------------------------------------- */

static void
store_unwatch(struct ag_store *st)
{
	if (st->ev_io)
		event_free(st->ev_io);
	if (st->ev_write)
		event_free(st->ev_write);
	st->ev_io = st->ev_write = NULL;
}

static void
store_arm_timer(struct ag_store *st, int64_t us)
{
	struct timeval tv = { .tv_sec = us / AG_US_PER_SEC, .tv_usec = us % AG_US_PER_SEC };

	event_add(st->ev_timer, &tv);
}

static void
store_trim_message(char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\n')
			s[i] = ' ';
	}
	while (n > 0 && s[n - 1] == ' ')
		s[--n] = '\0';
}

/* The connection is gone, or given up.  Tells whoever waits for an answer. */
static void
store_lose(struct ag_store *st, const char *why)
{
	enum store_state was = st->state;
	enum store_step step = st->step;
	char text[AG_REASON_MAX];

	ag_str_copy(ag_str(why), text, sizeof(text));
	store_trim_message(text);
	store_unwatch(st);
	PQfinish(st->pg);
	st->pg = NULL;
	st->state = STORE_OFF;
	st->step = STEP_NONE;
	st->is_copying = false;
	if (!st->was_told_down)
		ag_warn("PostgreSQL is not reachable: %s, keeping records in the journal", text);
	st->was_told_down = true;
	store_arm_timer(st, st->backoff_us);
	st->backoff_us = st->backoff_us * 2 > BACKOFF_MAX_US ? BACKOFF_MAX_US : st->backoff_us * 2;
	if (was != STORE_BUSY)
		return;
	if (st->batch) {
		st->batch = NULL;
		st->ops->on_batch(AG_STORE_LOST, text, st->arg);
	} else if (step == STEP_TRUTH) {
		st->ops->on_truth(NULL, 0, st->arg);
	}
}

static bool
store_watch(struct ag_store *st, short what)
{
	int fd = PQsocket(st->pg);

	store_unwatch(st);
	st->ev_io = event_new(st->base, fd, what, store_on_io, st);
	st->ev_write = event_new(st->base, fd, EV_WRITE, store_on_write, st);
	if (st->ev_io && st->ev_write && event_add(st->ev_io, NULL) == 0)
		return true;
	store_lose(st, "out of memory");
	return false;
}

static void
store_on_connecting(struct ag_store *st)
{
	switch (PQconnectPoll(st->pg)) {
	case PGRES_POLLING_READING:
		store_watch(st, EV_READ);
		return;
	case PGRES_POLLING_WRITING:
	case PGRES_POLLING_ACTIVE:
		store_watch(st, EV_WRITE);
		return;
	case PGRES_POLLING_FAILED:
		store_lose(st, PQerrorMessage(st->pg));
		return;
	case PGRES_POLLING_OK:
		break;
	}
	if (PQsetnonblocking(st->pg, 1) < 0) {
		store_lose(st, PQerrorMessage(st->pg));
		return;
	}
	if (!store_watch(st, EV_READ | EV_PERSIST))
		return;
	st->state = STORE_SETUP;
	st->since_us = ag_clock_mono_us();
	st->preparing = 0;
	store_send(st, STEP_PREPARE);
}

static void
store_quiet(void *arg, const char *message)
{
	(void)arg;
	ag_debug("PostgreSQL says: %s", message);
}

static void
store_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ag_store *st = arg;
	const char *keys[] = { "dbname", "fallback_application_name", NULL };
	const char *values[] = { st->conninfo, "aigated flusher", NULL };

	(void)fd;
	(void)what;
	assert(st->state == STORE_OFF);
	st->pg = PQconnectStartParams(keys, values, 1);
	st->state = STORE_CONNECTING;
	st->since_us = ag_clock_mono_us();
	if (!st->pg || PQstatus(st->pg) == CONNECTION_BAD) {
		store_lose(st, st->pg ? PQerrorMessage(st->pg) : "out of memory");
		return;
	}
	PQsetNoticeProcessor(st->pg, store_quiet, NULL);
	store_watch(st, EV_WRITE);
}

struct ag_store *
ag_store_new(struct event_base *base, const char *conninfo, const struct ag_store_ops *ops,
    void *arg)
{
	struct ag_store *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->base = base;
	st->conninfo = conninfo;
	st->ops = ops;
	st->arg = arg;
	st->backoff_us = BACKOFF_FIRST_US;
	ag_params_init(&st->params);
	st->ev_timer = event_new(base, -1, 0, store_on_timer, st);
	if (!st->ev_timer) {
		ag_store_free(st);
		return NULL;
	}
	store_arm_timer(st, 0);
	return st;
}

void
ag_store_free(struct ag_store *st)
{
	if (!st)
		return;
	store_unwatch(st);
	if (st->ev_timer)
		event_free(st->ev_timer);
	PQfinish(st->pg);
	ag_params_fini(&st->params);
	free(st);
}

/* ---- sending ------------------------------------------------------------------------------ */

/* Pushes what libpq has buffered; true when all is out. */
static bool
store_flush(struct ag_store *st)
{
	int rc = PQflush(st->pg);

	if (rc < 0) {
		store_lose(st, PQerrorMessage(st->pg));
		return false;
	}
	if (rc > 0)
		event_add(st->ev_write, NULL);
	return rc == 0;
}

/* Rows go out a piece at a time, as fast as PostgreSQL takes them. */
static void
store_copy_more(struct ag_store *st)
{
	const struct ag_buf *rows = &st->batch->rows;

	while (st->is_copying) {
		size_t left = rows->n - st->copied, n = left < COPY_PIECE ? left : COPY_PIECE;
		int rc;

		rc = n ? PQputCopyData(st->pg, rows->p + st->copied, (int)n) : PQputCopyEnd(st->pg, NULL);
		if (rc < 0) {
			store_lose(st, PQerrorMessage(st->pg));
			return;
		}
		if (rc > 0) {
			st->copied += n;
			if (n == 0)
				st->is_copying = false;
		}
		if (!store_flush(st))
			return;
	}
}

static void
store_on_write(evutil_socket_t fd, short what, void *arg)
{
	struct ag_store *st = arg;

	(void)fd;
	(void)what;
	if (!store_flush(st) || !st->is_copying)
		return;
	store_copy_more(st);
	/* PostgreSQL may have refused a row long ago, and its answer been read: no event will say so. */
	if (st->pg && !st->is_copying)
		store_on_answer(st);
}

static bool
store_make_params(struct ag_store *st, enum store_step step)
{
	switch (step) {
	case STEP_POSITION:
		return ag_params_position(&st->params, st->batch);
	case STEP_USAGE:
		return ag_params_usage(&st->params, st->batch);
	case STEP_BUDGET:
		return ag_params_budget(&st->params, st->batch);
	case STEP_GAP:
		return ag_params_gap(&st->params, st->batch);
	case STEP_QUARANTINE:
		return ag_params_quarantine(&st->params, st->batch);
	case STEP_TRUTH:
		return true; /* made by the asker */
	case STEP_NONE:
	case STEP_PREPARE:
	case STEP_PARTITIONS:
	case STEP_POSITIONS:
	case STEP_BEGIN:
	case STEP_COPY:
	case STEP_COMMIT:
	case STEP_ROLLBACK:
	case STEP_PARTITIONS_AGAIN:
		break;
	}
	assert(!"a step without parameters");
	return false;
}

static int
store_send_prepared(struct ag_store *st, enum store_step step)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(prepared); i++) {
		const struct ag_params *p = &st->params;

		if (prepared[i].step != step)
			continue;
		if (!store_make_params(st, step))
			return 0;
		return PQsendQueryPrepared(st->pg, prepared[i].name, p->n, p->values, p->lengths,
		    p->formats, 0);
	}
	assert(!"a step without a statement");
	return 0;
}

static void
store_send(struct ag_store *st, enum store_step step)
{
	int ok = 0;

	st->step = step;
	st->has_failed = false;
	switch (step) {
	case STEP_PREPARE:
		ok = PQsendPrepare(st->pg, prepared[st->preparing].name, prepared[st->preparing].sql, 0,
		    NULL);
		break;
	case STEP_PARTITIONS:
	case STEP_PARTITIONS_AGAIN:
		ok = PQsendQuery(st->pg, AG_SQL_PARTITIONS);
		break;
	case STEP_POSITIONS:
		ok = PQsendQuery(st->pg, AG_SQL_POSITIONS);
		break;
	case STEP_BEGIN:
		ok = PQsendQuery(st->pg, "begin");
		break;
	case STEP_COPY:
		ok = PQsendQuery(st->pg, AG_SQL_COPY);
		break;
	case STEP_COMMIT:
		ok = PQsendQuery(st->pg, "commit");
		break;
	case STEP_ROLLBACK:
		ok = PQsendQuery(st->pg, "rollback");
		break;
	case STEP_POSITION:
	case STEP_USAGE:
	case STEP_BUDGET:
	case STEP_GAP:
	case STEP_QUARANTINE:
	case STEP_TRUTH:
		ok = store_send_prepared(st, step);
		break;
	case STEP_NONE:
		assert(!"nothing to send");
	}
	if (!ok)
		store_lose(st, *PQerrorMessage(st->pg) ? PQerrorMessage(st->pg) : "out of memory");
	else
		store_flush(st);
}

/* ---- answers ------------------------------------------------------------------------------ */

static void
store_idle(struct ag_store *st)
{
	st->state = STORE_READY;
	st->step = STEP_NONE;
	st->batch = NULL;
	if (!st->wants_partitions)
		return;
	st->wants_partitions = false;
	st->state = STORE_BUSY;
	st->since_us = ag_clock_mono_us();
	store_send(st, STEP_PARTITIONS_AGAIN);
}

static void
store_batch_done(struct ag_store *st, enum ag_store_result result)
{
	char why[AG_REASON_MAX];

	memcpy(why, st->why, sizeof(why));
	store_idle(st);
	st->ops->on_batch(result, why, st->arg);
}

/* Data that will be refused again, however often it is sent: no retry mends these. */
static bool
is_data_error(const char *sqlstate)
{
	static const char classes[][3] = { "21", "22", "23", "54" };

	for (size_t i = 0; i < AG_ARRAY_LEN(classes); i++) {
		if (memcmp(sqlstate, classes[i], 2) == 0)
			return true;
	}
	return false;
}

static void
store_note_error(struct ag_store *st, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	struct ag_err err;

	if (st->has_failed) /* the first one says it */
		return;
	st->has_failed = true;
	ag_str_copy(ag_str(state ? state : "?????"), st->sqlstate, sizeof(st->sqlstate));
	ag_err_set(&err, 0, "%s: %s", st->sqlstate, message ? message : PQresultErrorMessage(res));
	store_trim_message(err.text);
	ag_str_copy(ag_str(err.text), st->why, sizeof(st->why));
}

static enum store_step
store_step_after(const struct ag_store *st, enum store_step step)
{
	const struct ag_batch *b = st->batch;

	switch (step) {
	case STEP_BEGIN:
		return STEP_POSITION;
	case STEP_POSITION:
		if (b->n_rows)
			return STEP_COPY;
		/* fall through */
	case STEP_COPY:
		if (b->rollup.n_usage)
			return STEP_USAGE;
		/* fall through */
	case STEP_USAGE:
		if (b->rollup.n_budget)
			return STEP_BUDGET;
		/* fall through */
	case STEP_BUDGET:
		if (b->n_gaps)
			return STEP_GAP;
		/* fall through */
	case STEP_GAP:
		if (b->is_quarantine)
			return STEP_QUARANTINE;
		/* fall through */
	case STEP_QUARANTINE:
		return STEP_COMMIT;
	case STEP_NONE:
	case STEP_PREPARE:
	case STEP_PARTITIONS:
	case STEP_POSITIONS:
	case STEP_COMMIT:
	case STEP_ROLLBACK:
	case STEP_TRUTH:
	case STEP_PARTITIONS_AGAIN:
		break;
	}
	assert(!"no step of a batch");
	return STEP_NONE;
}

/* A step of a batch has its whole answer. */
static void
store_batch_step(struct ag_store *st)
{
	if (st->has_failed) {
		st->result = is_data_error(st->sqlstate) ? AG_STORE_REFUSED : AG_STORE_FAILED;
		if (st->step == STEP_ROLLBACK)
			store_lose(st, st->why);
		else
			store_send(st, STEP_ROLLBACK);
		return;
	}
	if (st->step == STEP_POSITION && st->answer != (int64_t)st->batch->n_advance) {
		st->result = AG_STORE_MOVED;
		ag_str_copy(AG_STR("positions moved"), st->why, sizeof(st->why));
		store_send(st, STEP_ROLLBACK);
	} else if (st->step == STEP_COMMIT) {
		store_batch_done(st, AG_STORE_STORED);
	} else if (st->step == STEP_ROLLBACK && st->result == AG_STORE_MOVED) {
		store_send(st, STEP_POSITIONS); /* then MOVED is told, with streams up to date */
	} else if (st->step == STEP_ROLLBACK) {
		store_batch_done(st, st->result);
	} else {
		store_send(st, store_step_after(st, st->step));
	}
}

static void
store_setup_step(struct ag_store *st)
{
	if (st->has_failed && st->step == STEP_PARTITIONS) {
		/* Months ahead are there as a rule: no reason to store nothing. */
		ag_warn("could not make ledger partitions ahead: %s, trying again tomorrow", st->why);
		store_send(st, STEP_POSITIONS);
	} else if (st->has_failed) {
		if (!st->was_told_down)
			ag_error("PostgreSQL cannot be used: %s", st->why);
		store_lose(st, st->why);
	} else if (st->step == STEP_PREPARE && ++st->preparing < AG_ARRAY_LEN(prepared)) {
		store_send(st, STEP_PREPARE);
	} else if (st->step == STEP_PREPARE) {
		store_send(st, STEP_PARTITIONS);
	} else if (st->step == STEP_PARTITIONS) {
		store_send(st, STEP_POSITIONS);
	} else {
		if (st->was_told_down)
			ag_notice("PostgreSQL is reachable again");
		st->was_told_down = false;
		st->backoff_us = BACKOFF_FIRST_US;
		store_idle(st);
		st->ops->on_ready(st->arg);
	}
}

static void
store_step_done(struct ag_store *st)
{
	size_t n = st->n_truth;

	if (st->state == STORE_SETUP) {
		store_setup_step(st);
	} else if (st->step == STEP_PARTITIONS_AGAIN) {
		if (st->has_failed)
			ag_warn("could not make ledger partitions ahead: %s, trying again tomorrow", st->why);
		store_idle(st);
		st->ops->on_ready(st->arg);
	} else if (st->step == STEP_TRUTH) {
		bool has_failed = st->has_failed;

		store_idle(st);
		st->ops->on_truth(has_failed ? NULL : st->truth, n, st->arg);
	} else if (st->step == STEP_POSITIONS && !st->has_failed) {
		store_batch_done(st, AG_STORE_MOVED);
	} else if (st->batch) {
		store_batch_step(st);
	}
}

static int64_t
result_number(const PGresult *res, int row, int column)
{
	int64_t v = 0;

	if (ag_parse_i64(ag_str_n(PQgetvalue(res, row, column), (size_t)PQgetlength(res, row, column)),
	        INT64_MIN, INT64_MAX, &v) < 0)
		return 0;
	return v;
}

static void
store_take_rows(struct ag_store *st, const PGresult *res)
{
	int n = PQntuples(res);

	if (st->step == STEP_POSITION && n == 1)
		st->answer = result_number(res, 0, 0);
	st->n_truth = 0;
	for (int i = 0; st->step == STEP_TRUTH && i < n && st->n_truth < TRUTH_MAX; i++)
		st->truth[st->n_truth++] = result_number(res, i, 0);
	for (int i = 0; st->step == STEP_POSITIONS && i < n; i++)
		st->ops->on_position((uint64_t)result_number(res, i, 0),
		    (uint32_t)result_number(res, i, 1), (uint64_t)result_number(res, i, 2), st->arg);
}

/* False when the connection is gone, or rows are to be sent before more is heard. */
static bool
store_take_result(struct ag_store *st, PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);

	switch (status) {
	case PGRES_TUPLES_OK:
		store_take_rows(st, res);
		break;
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
		/* COMMIT of a transaction that had failed answers ROLLBACK, without an error. */
		if (st->step == STEP_COMMIT && strcmp(PQcmdStatus(res), "COMMIT") != 0) {
			st->has_failed = true;
			ag_str_copy(AG_STR("?????"), st->sqlstate, sizeof(st->sqlstate));
			ag_str_copy(AG_STR("commit rolled back"), st->why, sizeof(st->why));
		}
		break;
	case PGRES_COPY_IN:
		PQclear(res);
		st->copied = 0;
		st->is_copying = true;
		store_copy_more(st);
		return st->pg && !st->is_copying;
	case PGRES_BAD_RESPONSE:
	case PGRES_NONFATAL_ERROR:
	case PGRES_FATAL_ERROR:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
	case PGRES_SINGLE_TUPLE:
	case PGRES_PIPELINE_SYNC:
	case PGRES_PIPELINE_ABORTED:
		store_note_error(st, res);
		st->is_copying = false;
		break;
	}
	PQclear(res);
	return true;
}

static void
store_on_answer(struct ag_store *st)
{
	if (!PQconsumeInput(st->pg)) {
		store_lose(st, PQerrorMessage(st->pg));
		return;
	}
	if (st->state == STORE_READY) { /* nothing was asked: a notice, or the end */
		if (PQstatus(st->pg) == CONNECTION_BAD)
			store_lose(st, PQerrorMessage(st->pg));
		return;
	}
	while (st->pg && st->step != STEP_NONE && !PQisBusy(st->pg)) {
		PGresult *res;

		/* While rows go out PQgetResult() would only say so again. */
		if (st->is_copying && PQstatus(st->pg) != CONNECTION_BAD)
			return;
		res = PQgetResult(st->pg);
		if (res) {
			if (!store_take_result(st, res))
				return;
			continue;
		}
		if (PQstatus(st->pg) == CONNECTION_BAD) {
			store_lose(st, PQerrorMessage(st->pg));
			return;
		}
		store_step_done(st);
	}
}

static void
store_on_io(evutil_socket_t fd, short what, void *arg)
{
	struct ag_store *st = arg;

	(void)fd;
	(void)what;
	if (st->state == STORE_CONNECTING)
		store_on_connecting(st);
	else
		store_on_answer(st);
}

/* ---- asked by the flusher ----------------------------------------------------------------- */

bool
ag_store_is_ready(const struct ag_store *st)
{
	return st->state == STORE_READY;
}

bool
ag_store_is_up(const struct ag_store *st)
{
	return st->state == STORE_READY || st->state == STORE_BUSY;
}

int64_t
ag_store_busy_since_us(const struct ag_store *st)
{
	return st->state == STORE_BUSY ? st->since_us : 0;
}

static void
store_start(struct ag_store *st, enum store_step step)
{
	assert(st->state == STORE_READY);
	st->state = STORE_BUSY;
	st->since_us = ag_clock_mono_us();
	store_send(st, step);
}

void
ag_store_commit(struct ag_store *st, const struct ag_batch *b)
{
	assert(b->n_records > 0);
	st->batch = b;
	store_start(st, STEP_BEGIN);
}

void
ag_store_ask_truth(struct ag_store *st, const int64_t *meter_ids, const int64_t *periods, size_t n)
{
	assert(n <= TRUTH_MAX);
	if (!ag_params_truth(&st->params, meter_ids, periods, n)) {
		st->ops->on_truth(NULL, 0, st->arg);
		return;
	}
	store_start(st, STEP_TRUTH);
}

void
ag_store_want_partitions(struct ag_store *st)
{
	st->wants_partitions = true;
	if (st->state == STORE_READY)
		store_idle(st);
}

void
ag_store_tick(struct ag_store *st, int64_t now_us)
{
	int64_t waited = now_us - st->since_us;

	if (st->state == STORE_CONNECTING && waited > CONNECT_MAX_US)
		store_lose(st, "no answer while connecting");
	else if ((st->state == STORE_SETUP || st->state == STORE_BUSY) && waited > SILENCE_MAX_US)
		store_lose(st, "no answer for a minute");
}
