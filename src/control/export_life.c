/* export_life.c - files of exports go when they are old: they hold what logs hold, and nobody asks twice.
 *
 * The file goes first, then its row says so: who dies in between finds no file when he tries again. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "control/exports.h"
#include "control/sql_logs.h"

#define LOOK_US  (60 * AG_US_PER_SEC)
#define TICK_US  (3 * AG_US_PER_SEC) /* patience with PostgreSQL */

void
ag_export_unlink(const struct ag_control *ctl, const char *uuid)
{
	static const char *const formats[] = { "jsonl", "csv" };
	char path[1024];

	for (size_t i = 0; i < AG_ARRAY_LEN(formats); i++) {
		ag_export_path(ctl, uuid, formats[i], false, path, sizeof(path));
		if (unlink(path) < 0 && errno != ENOENT)
			ag_warn("could not remove the file of export %s: %s", uuid, strerror(errno));
	}
}

static bool
is_gone(const struct ag_control *ctl, const char *uuid, const char *format)
{
	char path[1024];

	ag_export_path(ctl, uuid, format, false, path, sizeof(path));
	return access(path, F_OK) < 0 && errno == ENOENT;
}

/* Removes what is due, in one transaction; how many, < 0: not now. */
static int
expire_some(struct ag_control *ctl, int64_t lifetime_us, struct ag_err *err)
{
	AG_AUTO(ag_pgres) PGresult *due = NULL;
	struct ag_pg_args a = { 0 };
	int n = 0;

	ag_pg_arg_i64(&a, lifetime_us);
	due = ag_pg_exec(ctl->pg, SQL_EXPORT_DUE, &a, err);
	for (int i = 0; due && i < PQntuples(due); i++) {
		struct ag_pg_args one = { 0 };
		PGresult *res;

		ag_export_unlink(ctl, PQgetvalue(due, i, 1));
		if (!is_gone(ctl, PQgetvalue(due, i, 1), PQgetvalue(due, i, 2)))
			continue;
		ag_pg_arg_i64(&one, ag_pg_i64(due, i, 0));
		res = ag_pg_exec(ctl->pg, SQL_EXPORT_EXPIRED, &one, err);
		PQclear(res);
		if (!res)
			return -EIO;
		n++;
	}
	return due ? n : -EIO;
}

int64_t
ag_exports_expire(struct ag_control *ctl, int64_t now_us)
{
	int64_t lifetime_us = ctl->ctx->conf->export_lifetime;
	int64_t next_us = now_us + (lifetime_us < LOOK_US ? AG_US_PER_SEC : LOOK_US);
	struct ag_err err = { "" };
	int n;

	if (lifetime_us == 0)
		return next_us;
	ag_pg_set_deadline(ctl->pg, TICK_US);
	if (ag_pg_begin(ctl->pg, false, &err) < 0)
		return next_us;
	n = expire_some(ctl, lifetime_us, &err);
	if (n > 0 && ag_pg_commit(ctl->pg, &err) == 0)
		ag_info("removed the files of %d exports past export_lifetime", n);
	else
		ag_pg_rollback(ctl->pg);
	return next_us;
}

void
ag_export_show_life(const struct ag_control *ctl, struct json_object *row)
{
	int64_t lifetime_us = ctl->ctx->conf->export_lifetime;
	struct json_object *ended = NULL, *at = NULL;
	char text[AG_ISO8601_LEN];

	if (lifetime_us > 0 && json_object_object_get_ex(row, "_whole_us", &ended) && ended) {
		ag_clock_iso8601(json_object_get_int64(ended) + lifetime_us, text);
		at = json_object_new_string(text);
	}
	json_object_object_add(row, "expires_at", at);
}
