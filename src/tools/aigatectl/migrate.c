/* migrate.c - db migrate, db status: the schema's files, each once and in order.
 *
 * A file is one transaction and leaves its number and checksum in schema_migration.  An advisory
 * lock keeps two migrations apart.  Views and grants follow, then prices. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/num.h"
#include "tools/aigatectl/ctl.h"

#define SQL_FILE_MAX (4u << 20)
#define FILES_MAX    1000
#define LOCK_NUMBER  "7020395481226346497" /* any number nobody else uses */

static const char sql_table[] =
	"CREATE SCHEMA IF NOT EXISTS aigate;"
	"CREATE TABLE IF NOT EXISTS aigate.schema_migration (version int PRIMARY KEY,"
	" name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())";
static const char sql_applied[] =
	"SELECT version, name, checksum, to_char(applied_at, 'YYYY-MM-DD HH24:MI:SS')"
	" FROM aigate.schema_migration ORDER BY version";

struct sql_file {
	char name[128];
	uint64_t version;
	struct ag_buf text;
	char checksum[2 * AG_SHA256_LEN + 1];
	const char *applied_at; /* borrowed from the result; NULL: pending */
};

struct sql_files {
	struct sql_file *v; /* owned */
	size_t n;
	char dir[1024];
};

static void
files_fini(struct sql_files *files)
{
	for (size_t i = 0; i < files->n; i++)
		ag_buf_fini(&files->v[i].text);
	free(files->v);
	*files = (struct sql_files){ 0 };
}

static void
sql_files_cleanup(struct sql_files *files)
{
	files_fini(files);
}

static int
is_sql(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 4 && n < sizeof(((struct sql_file *)NULL)->name) && entry->d_name[0] != '.' &&
	       strcmp(entry->d_name + n - 4, ".sql") == 0;
}

static enum ctl_exit
file_read(struct sql_file *file, const char *dir)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t sum[AG_SHA256_LEN];
	struct ag_err err = { "" };
	char path[1280];

	ag_buf_init(&file->text, SQL_FILE_MAX);
	snprintf(path, sizeof(path), "%s/%s", dir, file->name);
	if (ag_file_slurp(path, &file->text, &err) < 0)
		return ctl_fail(CTL_BAD_FILE, "%s", err.text);
	ag_sha256(file->text.p, file->text.n, sum);
	for (size_t i = 0; i < sizeof(sum); i++) {
		file->checksum[2 * i] = hex[sum[i] >> 4];
		file->checksum[2 * i + 1] = hex[sum[i] & 15];
	}
	ag_buf_putc(&file->text, '\0');
	if (file->text.failed)
		return ctl_fail(CTL_BAD_FILE, "%s is too long", path);
	return CTL_OK;
}

/* Files of a directory by name; is_numbered: NNNN_what.sql, each number once. */
static enum ctl_exit
files_load(struct ctl *ctl, const char *what, bool is_numbered, struct sql_files *files)
{
	enum ctl_exit status = ctl_share_find(ctl, what, files->dir, sizeof(files->dir));
	struct dirent **entries = NULL;
	int n;

	if (status != CTL_OK)
		return status;
	n = scandir(files->dir, &entries, is_sql, alphasort);
	if (n < 0 || n > FILES_MAX)
		return ctl_fail(CTL_BAD_FILE, "cannot read %s", files->dir);
	files->v = calloc((size_t)n + 1, sizeof(*files->v));
	if (!files->v)
		abort();
	for (int i = 0; i < n; i++) {
		struct sql_file *file = &files->v[files->n++];
		const char *name = entries[i]->d_name;

		ag_str_copy(ag_str(name), file->name, sizeof(file->name));
		if (status == CTL_OK && is_numbered &&
		    (strcspn(name, "_") != 4 || ag_parse_u64(ag_str_n(name, 4), 9999, &file->version) < 0 ||
		     (i > 0 && file->version == file[-1].version)))
			status = ctl_fail(CTL_BAD_FILE, "%s/%s: a migration is named NNNN_what.sql, each number once",
			                  files->dir, name);
		if (status == CTL_OK)
			status = file_read(file, files->dir);
		free(entries[i]);
	}
	free(entries);
	return status;
}

/* Matches what the database has against the files.  Everything that was ever applied must be
 * there, unchanged, and nothing may have slipped in before it. */
static enum ctl_exit
files_compare(struct sql_files *files, const PGresult *applied)
{
	int rows = PQntuples(applied);
	size_t k = 0;

	for (int r = 0; r < rows; r++, k++) {
		uint64_t version = strtoull(PQgetvalue(applied, r, 0), NULL, 10);

		if (k >= files->n || files->v[k].version > version)
			return ctl_fail(CTL_BAD_FILE,
			                "the database has migration %s, which is not in %s: use the newer release that made it",
			                PQgetvalue(applied, r, 1), files->dir);
		if (files->v[k].version < version)
			return ctl_fail(CTL_BAD_FILE,
			                "%s/%s was never applied, but later ones were: give it a new number",
			                files->dir, files->v[k].name);
		if (strcmp(files->v[k].checksum, PQgetvalue(applied, r, 2)) != 0)
			return ctl_fail(CTL_BAD_FILE,
			                "%s/%s was edited after it had been applied: put it back and write a new migration",
			                files->dir, files->v[k].name);
		files->v[k].applied_at = PQgetvalue(applied, r, 3);
	}
	return CTL_OK;
}

/* "file:line: message" */
static enum ctl_exit
report_sql_error(const PGresult *res, const char *dir, const struct sql_file *file)
{
	const char *position = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
	uint64_t at = 0;
	unsigned line = 1;

	if (position && ag_parse_u64(ag_str(position), SQL_FILE_MAX, &at) == 0) {
		for (size_t i = 0; i + 1 < at && i < file->text.n; i++)
			line += file->text.p[i] == '\n';
	}
	return ctl_fail(CTL_FAILED, "%s/%s:%u: %s%s%s", dir, file->name, line,
	                text ? text : PQresultErrorMessage(res), detail ? ": " : "",
	                detail ? detail : "");
}

static enum ctl_exit
run_file(PGconn *db, const char *dir, const struct sql_file *file, bool is_recorded)
{
	enum ctl_exit status = ctl_db_exec(db, "BEGIN", "begin");
	PGresult *res;
	char version[16];
	const char *values[] = { version, file->name, file->checksum };

	if (status != CTL_OK)
		return status;
	res = PQexec(db, file->text.p);
	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
		status = report_sql_error(res, dir, file);
	PQclear(res);
	if (status == CTL_OK && is_recorded) {
		snprintf(version, sizeof(version), "%u", (unsigned)file->version);
		res = PQexecParams(db,
		                   "INSERT INTO aigate.schema_migration (version, name, checksum)"
		                   " VALUES ($1, $2, $3)",
		                   3, NULL, values, NULL, NULL, 0);
		status = ctl_db_check(db, res, "record the migration");
		PQclear(res);
	}
	if (status == CTL_OK)
		return ctl_db_exec(db, "COMMIT", "commit");
	PQclear(PQexec(db, "ROLLBACK"));
	return status;
}

static enum ctl_exit
lock(PGconn *db)
{
	PGresult *res = PQexec(db, "SELECT pg_try_advisory_lock(" LOCK_NUMBER ")");
	enum ctl_exit status = ctl_db_check(db, res, "lock the schema");
	bool is_ours = status == CTL_OK && PQgetvalue(res, 0, 0)[0] == 't';

	PQclear(res);
	if (status != CTL_OK || is_ours)
		return status;
	ctl_say("another migration is running, waiting for it to end");
	return ctl_db_exec(db, "SELECT pg_advisory_lock(" LOCK_NUMBER ")", "lock the schema");
}

static bool
has_table(PGconn *db)
{
	PGresult *res = PQexec(db, "SELECT to_regclass('aigate.schema_migration') IS NOT NULL");
	bool is_there = PQntuples(res) == 1 && PQgetvalue(res, 0, 0)[0] == 't';

	PQclear(res);
	return is_there;
}

/* Files and what was applied of them; out_applied keeps the dates alive. */
static enum ctl_exit
load_state(struct ctl *ctl, struct sql_files *files, PGresult **out_applied)
{
	enum ctl_exit status = files_load(ctl, "sql/migrations", true, files);

	if (status != CTL_OK || !has_table(ctl->db))
		return status;
	*out_applied = PQexec(ctl->db, sql_applied);
	status = ctl_db_check(ctl->db, *out_applied, "read aigate.schema_migration");
	return status == CTL_OK ? files_compare(files, *out_applied) : status;
}

static enum ctl_exit
run_repeatables(struct ctl *ctl)
{
	AG_AUTO(sql_files) struct sql_files views = { 0 };
	AG_AUTO(sql_files) struct sql_files top = { 0 };
	enum ctl_exit status = files_load(ctl, "sql/views", false, &views);

	if (status == CTL_OK)
		status = files_load(ctl, "sql", false, &top);
	for (size_t i = 0; status == CTL_OK && i < views.n; i++)
		status = run_file(ctl->db, views.dir, &views.v[i], false);
	for (size_t i = 0; status == CTL_OK && i < top.n; i++) {
		if (strcmp(top.v[i].name, "grants.sql") == 0)
			status = run_file(ctl->db, top.dir, &top.v[i], false);
	}
	return status;
}

static enum ctl_exit
apply_pending(struct ctl *ctl, const struct sql_files *files, bool is_dry_run, unsigned *out_n)
{
	enum ctl_exit status = CTL_OK;

	for (size_t i = 0; status == CTL_OK && i < files->n; i++) {
		if (files->v[i].applied_at)
			continue;
		*out_n += 1;
		if (!is_dry_run)
			status = run_file(ctl->db, files->dir, &files->v[i], true);
		if (status == CTL_OK)
			printf("%s %s\n", is_dry_run ? "would apply" : "applied", files->v[i].name);
	}
	return status;
}

enum ctl_exit
ctl_db_migrate(struct ctl *ctl, int argc, char **argv)
{
	bool is_dry_run = false;
	const struct ctl_opt opts[] = { { "dry-run", CTL_OPT_FLAG, &is_dry_run },
		                            { NULL, CTL_OPT_END, NULL } };
	AG_AUTO(sql_files) struct sql_files files = { 0 };
	AG_AUTO(ctl_pgres) PGresult *applied = NULL;
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, NULL, 0);
	unsigned n = 0;

	if (status == CTL_OK)
		status = ctl_db_open(ctl);
	if (status == CTL_OK)
		status = lock(ctl->db);
	if (status == CTL_OK && !is_dry_run)
		status = ctl_db_exec(ctl->db, sql_table, "make the schema aigate");
	if (status == CTL_OK)
		status = load_state(ctl, &files, &applied);
	if (status == CTL_OK)
		status = apply_pending(ctl, &files, is_dry_run, &n);
	if (status == CTL_OK && !is_dry_run)
		status = run_repeatables(ctl);
	if (status == CTL_OK && !(is_dry_run && n > 0))
		status = ctl_prices_import_newer(ctl, is_dry_run);
	if (status == CTL_OK && !is_dry_run)
		printf("schema is at version %u\n", files.n ? (unsigned)files.v[files.n - 1].version : 0);
	return status;
}

enum ctl_exit
ctl_db_status(struct ctl *ctl, int argc, char **argv)
{
	static const char *const titles[] = { "version", "name", "applied" };
	AG_AUTO(sql_files) struct sql_files files = { 0 };
	AG_AUTO(ctl_pgres) PGresult *applied = NULL;
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, NULL, 0);
	struct ctl_table t;

	if (status == CTL_OK)
		status = ctl_db_open(ctl);
	if (status == CTL_OK)
		status = load_state(ctl, &files, &applied);
	if (status != CTL_OK)
		return status;
	if (ctl->output != CTL_OUT_TABLE) {
		printf("[");
		for (size_t i = 0; i < files.n; i++)
			printf("%s\n {\"version\": %u, \"name\": \"%s\", \"applied_at\": %s%s%s}", i ? "," : "",
			       (unsigned)files.v[i].version, files.v[i].name,
			       files.v[i].applied_at ? "\"" : "",
			       files.v[i].applied_at ? files.v[i].applied_at : "null",
			       files.v[i].applied_at ? "\"" : "");
		puts("\n]");
		return CTL_OK;
	}
	ctl_table_init(&t, 3, titles);
	for (size_t i = 0; i < files.n; i++) {
		ctl_table_add(&t, ag_str_n(files.v[i].name, 4));
		ctl_table_add(&t, ag_str(files.v[i].name));
		ctl_table_add(&t, ag_str(files.v[i].applied_at ? files.v[i].applied_at : "pending"));
	}
	ctl_table_print(&t, stdout);
	ctl_table_fini(&t);
	return CTL_OK;
}
