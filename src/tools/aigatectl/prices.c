/* prices.c - prices import, lint, list.
 *
 * A price is never edited: the ledger names the row it was computed with.  Where a file differs
 * from what stands, the new figures count from now on, as a row of their own; prices somebody
 * entered by hand are left alone. */
#include <string.h>
#include <stdlib.h>

#include "tools/aigatectl/ctl.h"
#include "tools/aigatectl/price_file.h"

#define SOURCE "prices.tsv "

#define NUMBER_COLUMNS                                                                    \
	"in_pusd, cached_in_pusd, cache_w_5m_pusd, cache_w_1h_pusd, out_pusd, reasoning_pusd, " \
	"audio_in_pusd, audio_out_pusd, image_in_pusd, image_out_pusd, t_in_pusd, "             \
	"t_cached_in_pusd, t_cache_w_5m_pusd, t_out_pusd, batch_in_pusd, batch_cached_in_pusd, " \
	"batch_out_pusd, flex_in_pusd, flex_cached_in_pusd, flex_out_pusd, prio_in_pusd, "      \
	"prio_cached_in_pusd, prio_out_pusd, unit_pusd, search_pusd, request_pusd, tier_gt, "   \
	"context_window, max_output"
#define FIGURES "mode, unit, flags, tier_is_ge, " NUMBER_COLUMNS

static const char sql_stage[] =
	"CREATE TEMPORARY TABLE price_in ON COMMIT DROP AS SELECT family, model, effective_from, " FIGURES
	" FROM aigate.price WHERE false";
static const char sql_copy[] =
	"COPY price_in (family, model, effective_from, " FIGURES ") FROM STDIN";

/* The span of a row reaches to the next one of its model in the file; what stands for it is the
 * newest list price within. */
#define CHANGES                                                                             \
	" FROM (SELECT *, lead(effective_from) OVER"                                              \
	"   (PARTITION BY family, model ORDER BY effective_from) AS until FROM price_in) i"       \
	" LEFT JOIN LATERAL (SELECT * FROM aigate.price p WHERE p.integration_id IS NULL"         \
	"   AND p.family = i.family AND p.model = i.model AND p.effective_from >= i.effective_from" \
	"   AND (i.until IS NULL OR p.effective_from < i.until)"                                  \
	"   ORDER BY p.effective_from DESC LIMIT 1) st ON true"                                   \
	" WHERE st.id IS NULL OR (st.source LIKE '" SOURCE "%'"                                   \
	"   AND (i.until IS NULL OR i.until > now()) AND (" /* an amended past changes nothing */ \
	"   (SELECT row(" FIGURES ") FROM (SELECT i.*) f) IS DISTINCT FROM"                       \
	"   (SELECT row(" FIGURES ") FROM (SELECT st.*) f)))"

static const char sql_merge[] =
	"INSERT INTO aigate.price (family, model, effective_from, source, " FIGURES ")"
	" SELECT i.family, i.model,"
	"  CASE WHEN st.id IS NULL THEN i.effective_from ELSE greatest(i.effective_from, now()) END,"
	"  $1, i.mode, i.unit, i.flags, i.tier_is_ge, "
	"  i.in_pusd, i.cached_in_pusd, i.cache_w_5m_pusd, i.cache_w_1h_pusd, i.out_pusd, i.reasoning_pusd,"
	"  i.audio_in_pusd, i.audio_out_pusd, i.image_in_pusd, i.image_out_pusd, i.t_in_pusd,"
	"  i.t_cached_in_pusd, i.t_cache_w_5m_pusd, i.t_out_pusd, i.batch_in_pusd, i.batch_cached_in_pusd,"
	"  i.batch_out_pusd, i.flex_in_pusd, i.flex_cached_in_pusd, i.flex_out_pusd, i.prio_in_pusd,"
	"  i.prio_cached_in_pusd, i.prio_out_pusd, i.unit_pusd, i.search_pusd, i.request_pusd, i.tier_gt,"
	"  i.context_window, i.max_output" CHANGES;
/* A line a figure that differs, as it is kept: pico-dollars a unit. */
static const char sql_diff[] =
	"SELECT c.family, c.model, nullif(c.at, '-infinity') AS effective_from, CASE WHEN c.is_new THEN 'new'"
	"  ELSE 'changed' END AS what, k.key AS figure, c.old ->> k.key AS standing, c.new ->> k.key AS file"
	" FROM (SELECT i.family, i.model, (CASE WHEN st.id IS NULL THEN i.effective_from"
	"   ELSE date_trunc('second', greatest(i.effective_from, now())) END)::text AS at,"
	"   st.id IS NULL AS is_new, to_jsonb(i) AS new,"
	"   CASE WHEN st.id IS NULL THEN '{}' ELSE to_jsonb(st) END AS old" CHANGES ") c"
	" CROSS JOIN LATERAL jsonb_object_keys(c.new) k(key)"
	" WHERE k.key NOT IN ('family', 'model', 'effective_from', 'until')"
	"  AND c.old ->> k.key IS DISTINCT FROM c.new ->> k.key ORDER BY 1, 2, 3, 5";

static void
put_text(struct ag_buf *b, struct ag_str s)
{
	if (s.n == 0) {
		ag_buf_puts(b, "\\N\t");
		return;
	}
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			ag_buf_putc(b, '\\');
		ag_buf_putc(b, s.p[i]);
	}
	ag_buf_putc(b, '\t');
}

/* In the order of sql_copy. */
static void
put_row(struct ag_buf *b, const struct price_row *row)
{
	put_text(b, row->family);
	put_text(b, row->model);
	put_text(b, row->effective_from.n ? row->effective_from : AG_STR("-infinity"));
	put_text(b, row->mode);
	put_text(b, row->unit);
	ag_buf_printf(b, "%u\t%s\t", row->flags, row->tier_is_ge ? "t" : "f");
	for (unsigned k = 0; k < PRICE_NUMBERS_N; k++) {
		if (row->v[k] < 0)
			ag_buf_puts(b, "\\N");
		else
			ag_buf_put_i64(b, row->v[k]);
		ag_buf_putc(b, k + 1 < PRICE_NUMBERS_N ? '\t' : '\n');
	}
}

static enum ctl_exit
copy_rows(PGconn *db, const struct price_file *pf)
{
	enum ctl_exit status = ctl_db_exec(db, sql_copy, "copy prices");
	struct ag_buf b;
	PGresult *res;

	if (status != CTL_OK)
		return status;
	ag_buf_init(&b, 64u << 20);
	for (size_t i = 0; i < pf->n; i++)
		put_row(&b, &pf->rows[i]);
	if (b.failed)
		abort();
	if (PQputCopyData(db, b.p, (int)b.n) != 1 || PQputCopyEnd(db, NULL) != 1)
		status = ctl_fail(CTL_UNREACHABLE, "could not copy prices: %s", PQerrorMessage(db));
	ag_buf_fini(&b);
	while ((res = PQgetResult(db)) != NULL) {
		if (status == CTL_OK)
			status = ctl_db_check(db, res, "copy prices");
		PQclear(res);
	}
	return status;
}

static enum ctl_exit
audit(PGconn *db, const char *source, const char *rows)
{
	const char *values[] = { source, rows };
	PGresult *res = PQexecParams(db,
	                             "INSERT INTO aigate.audit_log (actor_kind, action, object_kind, after)"
	                             " VALUES ('operator', 'import', 'price',"
	                             " jsonb_build_object('source', $1::text, 'rows', $2::bigint))",
	                             2, NULL, values, NULL, NULL, 0);
	enum ctl_exit status = ctl_db_check(db, res, "leave a trace of it");

	PQclear(res);
	return status;
}

static enum ctl_exit
merge(PGconn *db, const struct price_file *pf, char *out_rows, size_t cap)
{
	char source[64];
	const char *values[] = { source };
	enum ctl_exit status = ctl_db_exec(db, sql_stage, "prepare the import");
	PGresult *res;

	if (status == CTL_OK)
		status = copy_rows(db, pf);
	if (status != CTL_OK)
		return status;
	snprintf(source, sizeof(source), SOURCE "%s", pf->version);
	res = PQexecParams(db, sql_merge, 1, NULL, values, NULL, NULL, 0);
	status = ctl_db_check(db, res, "take over the prices");
	if (status == CTL_OK)
		ag_str_copy(ag_str(PQcmdTuples(res)), out_rows, cap);
	PQclear(res);
	if (status == CTL_OK && strcmp(out_rows, "0") != 0)
		status = audit(db, source, out_rows);
	return status;
}

/* path NULL: the file of this release; it must outlive pf. */
static enum ctl_exit
load(struct ctl *ctl, const char *path, char *found, size_t cap, struct price_file *pf)
{
	struct ag_err err = { "" };

	if (!path) {
		enum ctl_exit status = ctl_share_find(ctl, "data/prices.tsv", found, cap);

		if (status != CTL_OK)
			return status;
		path = found;
	}
	if (price_file_load(path, stderr, pf, &err) < 0)
		return ctl_fail(CTL_BAD_FILE, "%s", err.text);
	if (pf->mistakes > 0)
		return ctl_fail(CTL_BAD_FILE, "%s: %u mistakes, nothing was taken over", path,
		                pf->mistakes);
	return CTL_OK;
}

enum ctl_exit
ctl_prices_diff(struct ctl *ctl, int argc, char **argv)
{
	AG_AUTO(price_file) struct price_file pf = { 0 };
	struct ctl_list words = { .n = 0 };
	char path[1280];
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, &words, 1);

	if (status == CTL_OK)
		status = load(ctl, words.n ? words.v[0] : NULL, path, sizeof(path), &pf);
	if (status == CTL_OK)
		status = ctl_db_open(ctl);
	if (status == CTL_OK)
		status = ctl_db_exec(ctl->db, "BEGIN", "begin");
	if (status == CTL_OK)
		status = ctl_db_exec(ctl->db, sql_stage, "prepare the comparison");
	if (status == CTL_OK)
		status = copy_rows(ctl->db, &pf);
	if (status == CTL_OK)
		status = ctl_db_print(ctl, sql_diff, 0, NULL);
	if (ctl->db)
		PQclear(PQexec(ctl->db, "ROLLBACK"));
	return status;
}

/* The version of the newest file taken over; "" when there is none. */
static enum ctl_exit
standing_version(PGconn *db, char *out, size_t cap)
{
	PGresult *res = PQexec(db, "SELECT coalesce(max(substr(source, 12)), '') FROM aigate.price"
	                           " WHERE integration_id IS NULL AND source LIKE '" SOURCE "%'");
	enum ctl_exit status = ctl_db_check(db, res, "read aigate.price");

	if (status == CTL_OK)
		ag_str_copy(ag_str(PQgetvalue(res, 0, 0)), out, cap);
	PQclear(res);
	return status;
}

static enum ctl_exit
import(struct ctl *ctl, const struct price_file *pf)
{
	PGconn *db = ctl->db;
	enum ctl_exit status = ctl_db_exec(db, "BEGIN", "begin");
	char rows[32] = "0";

	if (status == CTL_OK)
		status = ctl_db_exec(db, "LOCK TABLE aigate.price IN SHARE ROW EXCLUSIVE MODE",
		                     "lock aigate.price");
	if (status == CTL_OK)
		status = merge(db, pf, rows, sizeof(rows));
	if (status == CTL_OK)
		status = ctl_db_exec(db, "COMMIT", "commit");
	else
		PQclear(PQexec(db, "ROLLBACK"));
	if (status == CTL_OK)
		printf("prices of %s: %zu in the file, %s new\n", pf->version, pf->n, rows);
	if (status == CTL_OK && strcmp(rows, "0") != 0)
		ctl_reload(ctl);
	return status;
}

enum ctl_exit
ctl_prices_import_newer(struct ctl *ctl, bool is_dry_run)
{
	AG_AUTO(price_file) struct price_file pf = { 0 };
	char path[1280], version[64] = "";
	enum ctl_exit status = load(ctl, NULL, path, sizeof(path), &pf);

	if (status == CTL_OK)
		status = standing_version(ctl->db, version, sizeof(version));
	if (status != CTL_OK || strcmp(pf.version, version) <= 0)
		return status;
	if (is_dry_run) {
		printf("would import prices of %s\n", pf.version);
		return CTL_OK;
	}
	return import(ctl, &pf);
}

enum ctl_exit
ctl_prices_import(struct ctl *ctl, int argc, char **argv)
{
	bool is_forced = false;
	const struct ctl_opt opts[] = { { "force", CTL_OPT_FLAG, &is_forced },
		                            { NULL, CTL_OPT_END, NULL } };
	AG_AUTO(price_file) struct price_file pf = { 0 };
	struct ctl_list words = { .n = 0 };
	char path[1280], version[64] = "";
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, &words, 1);

	if (status == CTL_OK)
		status = load(ctl, words.n ? words.v[0] : NULL, path, sizeof(path), &pf);
	if (status == CTL_OK)
		status = ctl_db_open(ctl);
	if (status == CTL_OK)
		status = standing_version(ctl->db, version, sizeof(version));
	if (status == CTL_OK && !is_forced && strcmp(pf.version, version) < 0)
		status = ctl_fail(CTL_FAILED, "prices of %s stand already, %s is older; --force takes it all the same",
		                  version, pf.version);
	return status == CTL_OK ? import(ctl, &pf) : status;
}

enum ctl_exit
ctl_prices_lint(struct ctl *ctl, int argc, char **argv)
{
	AG_AUTO(price_file) struct price_file pf = { 0 };
	struct ctl_list words = { .n = 0 };
	struct ag_err err = { "" };
	char found[1280];
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, &words, 1);

	if (status == CTL_OK && words.n == 0)
		status = ctl_share_find(ctl, "data/prices.tsv", found, sizeof(found));
	if (status != CTL_OK)
		return status;
	if (price_file_load(words.n ? words.v[0] : found, stdout, &pf, &err) < 0)
		return ctl_fail(CTL_BAD_FILE, "%s", err.text);
	printf("%s: version %s, %zu rows, %u mistakes\n", pf.path, pf.version, pf.n, pf.mistakes);
	return pf.mistakes ? CTL_BAD_FILE : CTL_OK;
}

enum ctl_exit
ctl_prices_list(struct ctl *ctl, int argc, char **argv)
{
	static const char sql[] =
		"SELECT family, model, mode, CASE WHEN effective_from = '-infinity' THEN NULL"
		" ELSE to_char(effective_from, 'YYYY-MM-DD HH24:MI') END AS effective_from,"
		" trim_scale(in_pusd / 1e6) AS in_usd_per_m, trim_scale(cached_in_pusd / 1e6) AS cached_in,"
		" trim_scale(out_pusd / 1e6) AS out_usd_per_m, tier_gt, trim_scale(t_in_pusd / 1e6) AS t_in,"
		" trim_scale(t_out_pusd / 1e6) AS t_out, trim_scale(unit_pusd / 1e12) AS usd_per_unit, unit,"
		" source FROM (SELECT *, lead(effective_from) OVER (PARTITION BY family, model"
		"  ORDER BY effective_from) AS until FROM aigate.price WHERE CASE WHEN $4::text IS NULL"
		"  THEN integration_id IS NULL ELSE integration_id IN (SELECT i.id FROM aigate.integration i"
		"  WHERE i.slug = $4) END) p"
		" WHERE ($1::text IS NULL OR family = $1) AND ($2::text IS NULL OR model LIKE"
		"  replace(replace(replace($2, '\\', '\\\\'), '_', '\\_'), '*', '%'))"
		" AND ($3::text IS NOT NULL OR"
		"  (effective_from <= now() AND (until IS NULL OR until > now())))"
		" ORDER BY p.family, p.model, p.effective_from";
	const char *values[4] = { NULL };
	bool is_all = false;
	const struct ctl_opt opts[] = { { "family", CTL_OPT_TEXT, &values[0] },
		                            { "model", CTL_OPT_TEXT, &values[1] },
		                            { "integration", CTL_OPT_TEXT, &values[3] },
		                            { "all", CTL_OPT_FLAG, &is_all },
		                            { NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, NULL, 0);

	values[2] = is_all ? "all" : NULL;
	return status == CTL_OK ? ctl_db_print(ctl, sql, 4, values) : status;
}
