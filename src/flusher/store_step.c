/* A step is sent, its whole answer taken, and the answer decides the next step. */
#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "flusher/sql.h"
#include "flusher/store_int.h"

static const struct { enum store_step step; const char *name, *sql; } prepared[] = {
	{ STEP_POSITION, "position", AG_SQL_POSITION },
	{ STEP_USAGE, "usage", AG_SQL_USAGE },
	{ STEP_ERROR, "error", AG_SQL_ERROR },
	{ STEP_LATENCY, "latency", AG_SQL_LATENCY },
	{ STEP_METADATA, "metadata", AG_SQL_METADATA },
	{ STEP_BUDGET, "budget", AG_SQL_BUDGET },
	{ STEP_GAP, "gap", AG_SQL_GAP },
	{ STEP_QUARANTINE, "quarantine", AG_SQL_QUARANTINE },
	{ STEP_OBJECT, "object", AG_SQL_OBJECT },
	{ STEP_TRUTH, "truth", AG_SQL_TRUTH },
	{ STEP_PARTITIONS_FOR, "partitions_for", AG_SQL_PARTITIONS_FOR },
};

/* ---- sending --------------------------------------------------------------------------- */

static bool
store_make_params(struct ag_store *st, enum store_step step)
{
	switch (step) {
	case STEP_POSITION:
		return ag_params_position(&st->params, st->batch);
	case STEP_USAGE:
		return ag_params_groups(&st->params, st->batch, AG_RT_USAGE);
	case STEP_ERROR:
		return ag_params_groups(&st->params, st->batch, AG_RT_ERROR);
	case STEP_LATENCY:
		return ag_params_groups(&st->params, st->batch, AG_RT_LATENCY);
	case STEP_METADATA:
		return ag_params_groups(&st->params, st->batch, AG_RT_METADATA);
	case STEP_PARTITIONS_FOR:
		return ag_params_moments(&st->params, st->batch, st->partition_unit);
	case STEP_BUDGET:
		return ag_params_budget(&st->params, st->batch);
	case STEP_GAP:
		return ag_params_gap(&st->params, st->batch);
	case STEP_QUARANTINE:
		return ag_params_quarantine(&st->params, st->batch);
	case STEP_OBJECT:
		return ag_params_object(&st->params, st->batch);
	case STEP_TRUTH:
		return true; /* made by the asker */
	case STEP_NONE:
	case STEP_PREPARE:
	case STEP_PARTITIONS:
	case STEP_POSITIONS:
	case STEP_BEGIN:
	case STEP_COPY_LEAN:
	case STEP_COPY_FULL:
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

void
ag_store_send(struct ag_store *st, enum store_step step)
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
		ok = PQsendQueryParams(st->pg, AG_SQL_PARTITIONS, 1, NULL, &st->partition_unit, NULL, NULL, 0);
		break;
	case STEP_POSITIONS:
		ok = PQsendQuery(st->pg, AG_SQL_POSITIONS);
		break;
	case STEP_BEGIN:
		ok = PQsendQuery(st->pg, "begin");
		break;
	case STEP_COPY_LEAN:
		ok = PQsendQuery(st->pg, AG_SQL_COPY_LEAN);
		break;
	case STEP_COPY_FULL:
		ok = PQsendQuery(st->pg, AG_SQL_COPY_FULL);
		break;
	case STEP_COMMIT:
		ok = PQsendQuery(st->pg, "commit");
		break;
	case STEP_ROLLBACK:
		ok = PQsendQuery(st->pg, "rollback");
		break;
	case STEP_POSITION:
	case STEP_USAGE:
	case STEP_ERROR:
	case STEP_LATENCY:
	case STEP_METADATA:
	case STEP_BUDGET:
	case STEP_GAP:
	case STEP_QUARANTINE:
	case STEP_OBJECT:
	case STEP_TRUTH:
	case STEP_PARTITIONS_FOR:
		ok = store_send_prepared(st, step);
		break;
	case STEP_NONE:
		assert(!"nothing to send");
	}
	if (!ok)
		ag_store_lose(st, *PQerrorMessage(st->pg) ? PQerrorMessage(st->pg) : "out of memory");
	else
		ag_store_flush(st);
}

/* ---- answers ------------------------------------------------------------------------------ */

void
ag_store_idle(struct ag_store *st)
{
	st->state = STORE_READY;
	st->step = STEP_NONE;
	st->batch = NULL;
	if (!st->wants_partitions)
		return;
	st->wants_partitions = false;
	st->state = STORE_BUSY;
	st->since_us = ag_clock_mono_us();
	ag_store_send(st, STEP_PARTITIONS_AGAIN);
}

static void
store_batch_done(struct ag_store *st, enum ag_store_result result)
{
	char why[AG_REASON_MAX];

	memcpy(why, st->why, sizeof(why));
	if (result == AG_STORE_STORED) /* not before: what connects may still take nothing */
		st->backoff_us = BACKOFF_FIRST_US;
	ag_store_idle(st);
	st->ops->on_batch(result, why, st->arg);
}

/* Data that will be refused again, however often it is sent: no retry mends these. */
static bool
is_data_error(enum store_step step, const char *sqlstate)
{
	static const char classes[][3] = { "21", "22", "23", "54" };

	/* What a lean row leaves out has no default there: the database is older than we are. */
	if (step == STEP_COPY_LEAN && memcmp(sqlstate, "23502", 5) == 0)
		return false;
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
	ag_store_trim_message(err.text);
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
		if (b->n_rows_of[AG_ROW_LEAN])
			return STEP_COPY_LEAN;
		AG_FALLTHROUGH;
	case STEP_COPY_LEAN:
		if (b->n_rows_of[AG_ROW_FULL])
			return STEP_COPY_FULL;
		AG_FALLTHROUGH;
	case STEP_COPY_FULL:
		if (b->rollup.groups[AG_RT_USAGE].n)
			return STEP_USAGE;
		AG_FALLTHROUGH;
	case STEP_USAGE:
		if (b->rollup.groups[AG_RT_ERROR].n)
			return STEP_ERROR;
		AG_FALLTHROUGH;
	case STEP_ERROR:
		if (b->rollup.groups[AG_RT_LATENCY].n)
			return STEP_LATENCY;
		AG_FALLTHROUGH;
	case STEP_LATENCY:
		if (b->rollup.groups[AG_RT_METADATA].n)
			return STEP_METADATA;
		AG_FALLTHROUGH;
	case STEP_METADATA:
		if (b->rollup.n_budget)
			return STEP_BUDGET;
		AG_FALLTHROUGH;
	case STEP_BUDGET:
		if (b->n_gaps)
			return STEP_GAP;
		AG_FALLTHROUGH;
	case STEP_GAP:
		if (b->is_quarantine)
			return STEP_QUARANTINE;
		AG_FALLTHROUGH;
	case STEP_QUARANTINE:
		if (b->n_objects)
			return STEP_OBJECT;
		AG_FALLTHROUGH;
	case STEP_OBJECT:
		return STEP_COMMIT;
	case STEP_NONE:
	case STEP_PREPARE:
	case STEP_PARTITIONS:
	case STEP_POSITIONS:
	case STEP_COMMIT:
	case STEP_ROLLBACK:
	case STEP_TRUTH:
	case STEP_PARTITIONS_AGAIN:
	case STEP_PARTITIONS_FOR:
		break;
	}
	assert(!"no step of a batch");
	return STEP_NONE;
}

/* A row whose partition was dropped, or never made: that is no fault of the row. */
static bool
is_partition_error(const struct ag_store *st)
{
	return ag_store_is_copy(st->step) && memcmp(st->sqlstate, "23514", 5) == 0 &&
	    strstr(st->why, "no partition of relation") != NULL;
}

static void
store_batch_failed(struct ag_store *st)
{
	if (st->step == STEP_ROLLBACK) {
		ag_store_lose(st, st->why);
		return;
	}
	if (st->step == STEP_PARTITIONS_FOR) { /* why the rows were refused stands */
		/* 42P17: bounds made by hand are in the way, and will be. */
		store_batch_done(st,
		    memcmp(st->sqlstate, "42P17", 5) == 0 ? AG_STORE_REFUSED : AG_STORE_FAILED);
		return;
	}
	/* A standby, or one that was told to take nothing: where we would connect now may be another. */
	if (memcmp(st->sqlstate, "25006", 5) == 0) {
		ag_store_lose(st, st->why);
		return;
	}
	st->is_partition_missing = is_partition_error(st);
	st->result = is_data_error(st->step, st->sqlstate) ? AG_STORE_REFUSED : AG_STORE_FAILED;
	ag_store_send(st, STEP_ROLLBACK);
}

static void
store_rolled_back(struct ag_store *st)
{
	if (st->result == AG_STORE_MOVED) {
		ag_store_send(st, STEP_POSITIONS); /* then MOVED is told, with streams up to date */
	} else if (st->is_partition_missing) {
		st->is_partition_missing = false;
		st->answer = 0;
		ag_store_send(st, STEP_PARTITIONS_FOR);
	} else {
		store_batch_done(st, st->result);
	}
}

/* A step of a batch has its whole answer. */
static void
store_batch_step(struct ag_store *st)
{
	if (st->has_failed) {
		store_batch_failed(st);
	} else if (st->step == STEP_POSITION && st->answer != (int64_t)st->batch->n_advance) {
		st->result = AG_STORE_MOVED;
		ag_str_copy(AG_STR("positions moved"), st->why, sizeof(st->why));
		ag_store_send(st, STEP_ROLLBACK);
	} else if (st->step == STEP_COMMIT) {
		store_batch_done(st, AG_STORE_STORED);
	} else if (st->step == STEP_ROLLBACK) {
		store_rolled_back(st);
	} else if (st->step == STEP_PARTITIONS_FOR && st->answer > 0) {
		ag_notice("made %lld ledger partitions that records needed", (long long)st->answer);
		ag_store_send(st, STEP_BEGIN);
	} else if (st->step == STEP_PARTITIONS_FOR) { /* none was missing that may be made */
		store_batch_done(st, AG_STORE_REFUSED);
	} else {
		ag_store_send(st, store_step_after(st, st->step));
	}
}

static void
store_setup_step(struct ag_store *st)
{
	if (st->has_failed && st->step == STEP_PARTITIONS) {
		/* Months ahead are there as a rule: no reason to store nothing. */
		ag_warn("could not make ledger partitions ahead: %s, trying again tomorrow", st->why);
		ag_store_send(st, STEP_POSITIONS);
	} else if (st->has_failed) {
		if (!st->was_told_down)
			ag_error("PostgreSQL cannot be used: %s", st->why);
		ag_store_lose(st, st->why);
	} else if (st->step == STEP_PREPARE && ++st->preparing < AG_ARRAY_LEN(prepared)) {
		ag_store_send(st, STEP_PREPARE);
	} else if (st->step == STEP_PREPARE) {
		ag_store_send(st, STEP_PARTITIONS);
	} else if (st->step == STEP_PARTITIONS) {
		ag_store_send(st, STEP_POSITIONS);
	} else {
		if (st->was_told_down)
			ag_notice("PostgreSQL is reachable again");
		st->was_told_down = false;
		ag_store_idle(st);
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
		ag_store_idle(st);
		st->ops->on_ready(st->arg);
	} else if (st->step == STEP_TRUTH) {
		bool has_failed = st->has_failed;

		ag_store_idle(st);
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

	if ((st->step == STEP_POSITION || st->step == STEP_PARTITIONS_FOR) && n == 1)
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
		ag_store_copy_more(st);
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

void
ag_store_on_answer(struct ag_store *st)
{
	if (!PQconsumeInput(st->pg)) {
		ag_store_lose(st, PQerrorMessage(st->pg));
		return;
	}
	if (st->state == STORE_READY) { /* nothing was asked: a notice, or the end */
		if (PQstatus(st->pg) == CONNECTION_BAD)
			ag_store_lose(st, PQerrorMessage(st->pg));
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
			ag_store_lose(st, PQerrorMessage(st->pg));
			return;
		}
		store_step_done(st);
	}
}
