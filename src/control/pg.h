/* pg.h - one connection to PostgreSQL, parameterised statements, a deadline on every answer.
 *
 * Blocking, with poll(): control is off the request path.  A connection that breaks or does not
 * answer in time is dropped and made anew by the next ag_pg_begin().  Owner: struct ag_control. */
#ifndef AG_CONTROL_PG_H
#define AG_CONTROL_PG_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "base/err.h"
#include "base/str.h"

struct json_object;
struct ag_pg;

#define AG_PG_ARGS_MAX 32
#define AG_PG_DEADLINE_US  (10 * INT64_C(1000000)) /* of one statement */
#define AG_PG_LOAD_US     (120 * INT64_C(1000000)) /* of one statement while loading */

/* Parameters of one statement, borrowed until it has run.  Start from { 0 }. */
struct ag_pg_args {
	int n;
	const char *value[AG_PG_ARGS_MAX];
	int bytes[AG_PG_ARGS_MAX];
	int format[AG_PG_ARGS_MAX];
	char number[AG_PG_ARGS_MAX][24];
};

void ag_pg_arg_text(struct ag_pg_args *a, const char *s); /* NULL is null */
void ag_pg_arg_i64(struct ag_pg_args *a, int64_t v);
void ag_pg_arg_bool(struct ag_pg_args *a, bool v);
void ag_pg_arg_bytes(struct ag_pg_args *a, struct ag_str s); /* n 0 is null */
void ag_pg_arg_json(struct ag_pg_args *a, struct json_object *j); /* NULL is null */

enum ag_pg_fault {
	AG_PG_OK,
	AG_PG_LOST,     /* no connection, or it broke: what ran may or may not have been done */
	AG_PG_CONFLICT, /* a unique or foreign key, a serialisation failure */
	AG_PG_DATA,     /* a value PostgreSQL cannot store (class 22, a failed check) */
	AG_PG_FAILED,   /* anything else: our mistake */
};

struct ag_pg *ag_pg_new(const char *conninfo);
void ag_pg_free(struct ag_pg *pg); /* NULL-safe */
bool ag_pg_is_up(const struct ag_pg *pg);
enum ag_pg_fault ag_pg_fault(const struct ag_pg *pg); /* of the last statement */
const char *ag_pg_constraint(const struct ag_pg *pg); /* of the last conflict, "" none */
void ag_pg_set_deadline(struct ag_pg *pg, int64_t us);
/* Called every few seconds of a wait: who waits for longer than the master's patience lives. */
void ag_pg_on_wait(struct ag_pg *pg, void (*fn)(void *arg), void *arg);

enum ag_pg_mode {
	AG_PG_WRITE,  /* each statement sees what is there */
	AG_PG_CHANGE, /* all see one moment; what another node changed behind it is a conflict, not overwritten */
	AG_PG_READ,   /* all see one moment, nothing can be written */
};
/* Connects when need be; a connection found dead is replaced once. */
int ag_pg_begin(struct ag_pg *pg, enum ag_pg_mode mode, struct ag_err *err) AG_MUST_CHECK;
/* -EIO: not done; -EINPROGRESS: nobody knows. */
int ag_pg_commit(struct ag_pg *pg, struct ag_err *err) AG_MUST_CHECK;
void ag_pg_rollback(struct ag_pg *pg);

/* NULL and err on any failure; args NULL: none.  The result is the caller's (PQclear). */
PGresult *ag_pg_exec(struct ag_pg *pg, const char *sql, const struct ag_pg_args *args,
    struct ag_err *err);
/* The same in two steps: PostgreSQL works while we do.  Each send is followed by one wait. */
int ag_pg_send(struct ag_pg *pg, const char *sql, const struct ag_pg_args *args,
    struct ag_err *err) AG_MUST_CHECK;
PGresult *ag_pg_wait(struct ag_pg *pg, struct ag_err *err);

/* Fields of a result. */
int64_t ag_pg_i64(const PGresult *res, int row, int col); /* 0 for null */
bool ag_pg_bool(const PGresult *res, int row, int col);
struct ag_str ag_pg_text(const PGresult *res, int row, int col); /* p NULL for null */
int ag_pg_uuid(const PGresult *res, int row, int col, uint8_t out[16]) AG_MUST_CHECK;
/* "\x..." of a bytea to out; -EMSGSIZE. */
int ag_pg_bytea(const PGresult *res, int row, int col, uint8_t *out, size_t cap,
    size_t *out_n) AG_MUST_CHECK;

static inline void
ag_pgres_cleanup(PGresult **res)
{
	PQclear(*res);
}

#endif
