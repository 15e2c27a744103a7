#include "control/pg.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"

#define WAIT_SLICE_US (2 * AG_US_PER_SEC)
#define CONNECT_US (5 * AG_US_PER_SEC)

struct ag_pg {
	char *conninfo;     /* owned */
	PGconn *conn;       /* owned, NULL when there is none */
	bool in_txn;
	enum ag_pg_fault fault;
	int64_t deadline_us; /* of one statement */
	void (*on_wait)(void *arg);
	void *wait_arg;
	char constraint[64];
};

static void
arg_add(struct ag_pg_args *a, const char *p, int bytes, int format)
{
	assert(a->n < AG_PG_ARGS_MAX);
	a->value[a->n] = p;
	a->bytes[a->n] = bytes;
	a->format[a->n++] = format;
}

void
ag_pg_arg_text(struct ag_pg_args *a, const char *s)
{
	arg_add(a, s, 0, 0);
}

void
ag_pg_arg_i64(struct ag_pg_args *a, int64_t v)
{
	assert(a->n < AG_PG_ARGS_MAX);
	snprintf(a->number[a->n], sizeof(a->number[0]), "%lld", (long long)v);
	arg_add(a, a->number[a->n], 0, 0);
}

void
ag_pg_arg_bool(struct ag_pg_args *a, bool v)
{
	arg_add(a, v ? "t" : "f", 0, 0);
}

void
ag_pg_arg_bytes(struct ag_pg_args *a, struct ag_str s)
{
	arg_add(a, s.n > 0 ? s.p : NULL, (int)s.n, 1);
}

void
ag_pg_arg_json(struct ag_pg_args *a, struct json_object *j)
{
	arg_add(a, j ? json_object_to_json_string_ext(j, JSON_C_TO_STRING_PLAIN) : NULL, 0, 0);
}

struct ag_pg *
ag_pg_new(const char *conninfo)
{
	struct ag_pg *pg = calloc(1, sizeof(*pg));

	if (!pg)
		return NULL;
	pg->deadline_us = AG_PG_DEADLINE_US;
	pg->conninfo = strdup(conninfo);
	if (!pg->conninfo) {
		ag_pg_free(pg);
		return NULL;
	}
	return pg;
}

static void
drop(struct ag_pg *pg)
{
	PQfinish(pg->conn);
	pg->conn = NULL;
	pg->in_txn = false;
}

void
ag_pg_free(struct ag_pg *pg)
{
	if (!pg)
		return;
	drop(pg);
	free(pg->conninfo);
	free(pg);
}

bool
ag_pg_is_up(const struct ag_pg *pg)
{
	return pg->conn != NULL && PQstatus(pg->conn) == CONNECTION_OK;
}

enum ag_pg_fault
ag_pg_fault(const struct ag_pg *pg)
{
	return pg->fault;
}

const char *
ag_pg_constraint(const struct ag_pg *pg)
{
	return pg->constraint;
}

void
ag_pg_set_deadline(struct ag_pg *pg, int64_t us)
{
	pg->deadline_us = us;
}

/* The first line of what libpq says, without its line feed. */
static int
lost(struct ag_pg *pg, struct ag_err *err, const char *what)
{
	const char *text = pg->conn ? PQerrorMessage(pg->conn) : "out of memory";
	int n = (int)strcspn(text, "\n");

	ag_err_set(err, -EIO, "%s: %.*s", what, n < 180 ? n : 180, text);
	pg->fault = AG_PG_LOST;
	drop(pg);
	return -EIO;
}

void
ag_pg_on_wait(struct ag_pg *pg, void (*fn)(void *arg), void *arg)
{
	pg->on_wait = fn;
	pg->wait_arg = arg;
}

/* Until the socket is ready; false when the time is up. */
static bool
wait_io(struct ag_pg *pg, short events, int64_t until_us)
{
	struct pollfd p = { .fd = PQsocket(pg->conn), .events = events };

	for (;;) {
		int64_t left = until_us - ag_clock_mono_us();
		int rc;

		if (left <= 0)
			return false;
		rc = poll(&p, 1, (int)((left < WAIT_SLICE_US ? left : WAIT_SLICE_US) / AG_US_PER_MS) + 1);
		if (pg->on_wait)
			pg->on_wait(pg->wait_arg);
		if (rc > 0)
			return true;
		if (rc < 0 && errno != EINTR)
			return false;
	}
}

static int
connect_now(struct ag_pg *pg, struct ag_err *err)
{
	int64_t until = ag_clock_mono_us() + CONNECT_US;
	const char *const keys[] = { "dbname", "fallback_application_name", "client_encoding", "options",
		NULL };
	const char *const values[] = { pg->conninfo, "aigated control", "UTF8",
		"-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c lock_timeout=8s"
		" -c statement_timeout=120s -c idle_in_transaction_session_timeout=180s", NULL };

	pg->conn = PQconnectStartParams(keys, values, 1);
	if (!pg->conn || PQstatus(pg->conn) == CONNECTION_BAD)
		return lost(pg, err, "could not connect to PostgreSQL");
	for (;;) {
		PostgresPollingStatusType st = PQconnectPoll(pg->conn);

		if (st == PGRES_POLLING_OK)
			break;
		if (st == PGRES_POLLING_FAILED)
			return lost(pg, err, "could not connect to PostgreSQL");
		if (!wait_io(pg, st == PGRES_POLLING_READING ? POLLIN : POLLOUT, until)) {
			drop(pg);
			pg->fault = AG_PG_LOST;
			return ag_err_set(err, -EIO,
			    "could not connect to PostgreSQL: no answer in time");
		}
	}
	if (PQsetnonblocking(pg->conn, 1) < 0)
		return lost(pg, err, "could not connect to PostgreSQL");
	return 0;
}

static enum ag_pg_fault
classify(const char *state)
{
	if (!state)
		return AG_PG_FAILED;
	if (strcmp(state, "23505") == 0 || strcmp(state, "23503") == 0 ||
	    strncmp(state, "40", 2) == 0 || strcmp(state, "55P03") == 0)
		return AG_PG_CONFLICT;
	if (strncmp(state, "22", 2) == 0 || strcmp(state, "23514") == 0)
		return AG_PG_DATA;
	if (strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0 ||
	    strncmp(state, "53", 2) == 0 || strcmp(state, "25006") == 0)
		return AG_PG_LOST;
	return AG_PG_FAILED;
}

static void
note_refusal(struct ag_pg *pg, const PGresult *res, struct ag_err *err)
{
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);

	pg->fault = classify(state);
	if (constraint)
		ag_str_copy(ag_str(constraint), pg->constraint, sizeof(pg->constraint));
	ag_err_set(err, -EIO, "PostgreSQL: %s (%s)", text ? text : "no message",
	    state ? state : "no state");
}

/* All results of what was sent; the last one that says something.  NULL: connection dropped. */
static PGresult *
collect(struct ag_pg *pg, struct ag_err *err)
{
	int64_t until = ag_clock_mono_us() + pg->deadline_us;
	PGresult *last = NULL, *res;
	int rc;

	while ((rc = PQflush(pg->conn)) > 0)
		if (!wait_io(pg, POLLIN | POLLOUT, until) || !PQconsumeInput(pg->conn))
			goto broken;
	if (rc < 0)
		goto broken;
	for (;;) {
		while (PQisBusy(pg->conn))
			if (!wait_io(pg, POLLIN, until) || !PQconsumeInput(pg->conn))
				goto broken;
		res = PQgetResult(pg->conn);
		if (!res)
			break;
		PQclear(last);
		last = res;
	}
	if (last && PQstatus(pg->conn) == CONNECTION_OK)
		return last;
broken:
	PQclear(last);
	if (PQstatus(pg->conn) == CONNECTION_OK) {
		drop(pg);
		pg->fault = AG_PG_LOST;
		ag_err_set(err, -EIO, "PostgreSQL did not answer in time");
	} else {
		lost(pg, err, "lost the connection to PostgreSQL");
	}
	return NULL;
}

int
ag_pg_send(struct ag_pg *pg, const char *sql, const struct ag_pg_args *args, struct ag_err *err)
{
	pg->constraint[0] = '\0';
	if (!pg->conn) {
		pg->fault = AG_PG_LOST;
		return ag_err_set(err, -EIO, "no connection to PostgreSQL");
	}
	if (!PQsendQueryParams(pg->conn, sql, args ? args->n : 0, NULL, args ? args->value : NULL,
	    args ? args->bytes : NULL, args ? args->format : NULL, 0)) {
		lost(pg, err, "lost the connection to PostgreSQL");
		return -EIO;
	}
	return 0;
}

PGresult *
ag_pg_wait(struct ag_pg *pg, struct ag_err *err)
{
	PGresult *res = collect(pg, err);

	if (!res)
		return NULL;
	if (PQresultStatus(res) == PGRES_TUPLES_OK || PQresultStatus(res) == PGRES_COMMAND_OK) {
		pg->fault = AG_PG_OK;
		return res;
	}
	note_refusal(pg, res, err);
	PQclear(res);
	if (pg->fault == AG_PG_LOST)
		drop(pg);
	return NULL;
}

PGresult *
ag_pg_exec(struct ag_pg *pg, const char *sql, const struct ag_pg_args *args, struct ag_err *err)
{
	return ag_pg_send(pg, sql, args, err) < 0 ? NULL : ag_pg_wait(pg, err);
}

int
ag_pg_begin(struct ag_pg *pg, enum ag_pg_mode mode, struct ag_err *err)
{
	static const char *const begin[] = { [AG_PG_WRITE] = "begin",
		[AG_PG_CHANGE] = "begin isolation level repeatable read",
		[AG_PG_READ] = "begin isolation level repeatable read read only" };
	const char *sql = begin[mode];
	bool is_fresh = false;
	PGresult *res;

	assert(!pg->in_txn);
	for (;;) {
		if (!pg->conn) {
			int rc = connect_now(pg, err);

			if (rc < 0)
				return rc;
			is_fresh = true;
		}
		res = ag_pg_exec(pg, sql, NULL, err);
		if (res || is_fresh || pg->fault != AG_PG_LOST)
			break;
	}
	if (!res)
		return -EIO;
	PQclear(res);
	pg->in_txn = true;
	return 0;
}

int
ag_pg_commit(struct ag_pg *pg, struct ag_err *err)
{
	PGresult *res;
	bool is_done;

	assert(pg->in_txn);
	res = ag_pg_exec(pg, "commit", NULL, err);
	pg->in_txn = false;
	if (!res)
		return pg->fault == AG_PG_LOST ? -EINPROGRESS : -EIO;
	/* A commit of a failed transaction answers ROLLBACK. */
	is_done = strcmp(PQcmdStatus(res), "COMMIT") == 0;
	PQclear(res);
	return is_done ? 0 : ag_err_set(err, -EIO, "PostgreSQL rolled the transaction back");
}

void
ag_pg_rollback(struct ag_pg *pg)
{
	PGresult *res;

	if (!pg->in_txn)
		return;
	res = ag_pg_exec(pg, "rollback", NULL, NULL);
	pg->in_txn = false;
	PQclear(res);
}

int64_t
ag_pg_i64(const PGresult *res, int row, int col)
{
	int64_t v = 0;

	if (PQgetisnull(res, row, col) ||
	    ag_parse_i64(ag_pg_text(res, row, col), INT64_MIN, INT64_MAX, &v) < 0)
		return 0;
	return v;
}

bool
ag_pg_bool(const PGresult *res, int row, int col)
{
	return PQgetvalue(res, row, col)[0] == 't';
}

struct ag_str
ag_pg_text(const PGresult *res, int row, int col)
{
	if (PQgetisnull(res, row, col))
		return AG_STR_NONE;
	return ag_str_n(PQgetvalue(res, row, col), (size_t)PQgetlength(res, row, col));
}

/* A table: a load reads a hundred million of them. */
static int
hex_digit(char c)
{
	static const int8_t plus_one[256] = { ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5,
		['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12,
		['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16 };

	return plus_one[(uint8_t)c] - 1;
}

int
ag_pg_uuid(const PGresult *res, int row, int col, uint8_t out[16])
{
	struct ag_str s = ag_pg_text(res, row, col);
	size_t n = 0;

	for (size_t i = 0; i + 1 < s.n && n < 16; i++) {
		int hi, lo;

		if (s.p[i] == '-')
			continue;
		hi = hex_digit(s.p[i]);
		lo = hex_digit(s.p[++i]);
		if (hi < 0 || lo < 0)
			return -EINVAL;
		out[n++] = (uint8_t)(hi << 4 | lo);
	}
	return n == 16 ? 0 : -EINVAL;
}

int
ag_pg_bytea(const PGresult *res, int row, int col, uint8_t *out, size_t cap, size_t *out_n)
{
	struct ag_str s = ag_pg_text(res, row, col);

	if (s.n < 2 || s.p[0] != '\\' || s.p[1] != 'x' || s.n % 2 != 0)
		return -EINVAL;
	if ((s.n - 2) / 2 > cap)
		return -EMSGSIZE;
	for (size_t i = 2; i < s.n; i += 2) {
		int hi = hex_digit(s.p[i]), lo = hex_digit(s.p[i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		out[i / 2 - 1] = (uint8_t)(hi << 4 | lo);
	}
	*out_n = (s.n - 2) / 2;
	return 0;
}
