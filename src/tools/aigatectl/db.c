/* db.c - PostgreSQL: connecting, running, printing. */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "tools/aigatectl/ctl.h"

#include <json-c/json.h>

enum ctl_exit
ctl_db_open(struct ctl *ctl)
{
	const char *conninfo = ctl->database;
	const char *names[] = { "dbname", "fallback_application_name", "connect_timeout",
		                    "client_encoding", NULL };
	const char *values[] = { NULL, "aigatectl", "10", "UTF8", NULL };

	if (ctl->db)
		return CTL_OK;
	if (!conninfo) {
		const struct ag_conf *conf = ctl_conf(ctl);

		if (!conf)
			return CTL_BAD_FILE;
		if (!conf->database || !conf->database[0])
			return ctl_fail(CTL_BAD_FILE, "%s: directive \"database\" is not given",
			                ctl->conf_path);
		conninfo = conf->database;
	}
	values[0] = conninfo; /* expanded: the other keywords are only its defaults */
	ctl->db = PQconnectdbParams(names, values, 1);
	if (!ctl->db)
		abort();
	if (PQstatus(ctl->db) != CONNECTION_OK) {
		struct ag_str why = ag_str_trim(ag_str(PQerrorMessage(ctl->db)));

		while (why.n > 0 && why.p[why.n - 1] == '\n')
			why.n--;
		return ctl_fail(CTL_UNREACHABLE, "could not reach the database: %.*s", AG_STR_ARG(why));
	}
	return ctl_db_exec(ctl->db, "SET timezone TO 'UTC'; SET client_min_messages TO warning",
	                   "set up the session");
}

enum ctl_exit
ctl_db_check(PGconn *db, const PGresult *res, const char *what)
{
	ExecStatusType status = PQresultStatus(res);
	const char *text, *code, *detail;

	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN)
		return CTL_OK;
	code = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
	if (PQstatus(db) != CONNECTION_OK)
		return ctl_fail(CTL_UNREACHABLE, "could not %s: the connection to the database was lost",
		                what);
	if (code && strcmp(code, "42P01") == 0)
		return ctl_fail(CTL_FAILED, "could not %s: %s; run aigatectl db migrate", what, text);
	return ctl_fail(CTL_FAILED, "could not %s: %s%s%s%s%s%s", what, text ? text : PQerrorMessage(db),
	                detail ? ": " : "", detail ? detail : "", code ? " (" : "", code ? code : "",
	                code ? ")" : "");
}

enum ctl_exit
ctl_db_exec(PGconn *db, const char *sql, const char *what)
{
	PGresult *res = PQexec(db, sql);
	enum ctl_exit status = ctl_db_check(db, res, what);

	PQclear(res);
	return status;
}

static bool
is_number_type(Oid type)
{
	return type == 20 || type == 21 || type == 23 || type == 700 || type == 701 || type == 1700;
}

static void
print_result(const PGresult *res)
{
	const char *titles[64];
	struct ctl_table t;
	int columns = PQnfields(res);

	if (columns > (int)AG_ARRAY_LEN(titles))
		columns = (int)AG_ARRAY_LEN(titles);
	for (int c = 0; c < columns; c++)
		titles[c] = PQfname(res, c);
	ctl_table_init(&t, (unsigned)columns, titles);
	for (int c = 0; c < columns; c++) {
		if (is_number_type(PQftype(res, c)))
			t.is_number |= UINT64_C(1) << c;
	}
	for (int r = 0; r < PQntuples(res); r++) {
		for (int c = 0; c < columns; c++)
			ctl_table_add(&t, ag_str_n(PQgetvalue(res, r, c), (size_t)PQgetlength(res, r, c)));
	}
	ctl_table_print(&t, stdout);
	ctl_table_fini(&t);
}

enum ctl_exit
ctl_db_print(struct ctl *ctl, const char *sql, int n, const char *const *values)
{
	enum ctl_exit status = ctl_db_open(ctl);
	struct json_object *rows;
	struct ag_buf b;
	PGresult *res;

	if (status != CTL_OK)
		return status;
	ag_buf_init(&b, 64u << 10);
	if (ctl->output != CTL_OUT_TABLE)
		ag_buf_printf(&b, "SELECT coalesce(json_agg(row_to_json(t)), '[]') FROM (%s) t", sql);
	else
		ag_buf_puts(&b, sql);
	ag_buf_putc(&b, '\0');
	if (b.failed)
		abort();
	res = PQexecParams(ctl->db, b.p, n, NULL, values, NULL, NULL, 0);
	ag_buf_fini(&b);
	status = ctl_db_check(ctl->db, res, "read");
	if (status == CTL_OK && ctl->output == CTL_OUT_YAML) {
		rows = json_tokener_parse(PQgetvalue(res, 0, 0));
		ctl_print_tree(ctl, rows);
		json_object_put(rows);
	} else if (status == CTL_OK && ctl->output == CTL_OUT_JSON)
		puts(PQgetvalue(res, 0, 0));
	else if (status == CTL_OK)
		print_result(res);
	PQclear(res);
	return status;
}
