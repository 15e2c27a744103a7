/* report.c - what was spent, used, slow or wrong, by anything: a table, CSV or JSON.
 *
 * Spend, usage and top come from the hourly roll-up, errors and latency from the ledger.  The time is
 * in whole hours, UTC.  On a terminal each row shows how it went over the time. */
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "tools/aigatectl/ctl.h"

#define TREND_CELLS 24
#define BAR_CELLS   20
#define SQL_MAX     (64u << 10)

#define USD(sum) "trim_scale(round(" sum " / 1000000000::numeric, 9))"
#define SHARE(v) "round(100 * " v " / nullif(sum(" v ") OVER (), 0), 1)"
#define MS(us) "round((" us ")::numeric / 1000, 1)"
#define PERCENTILE(p, what) MS("percentile_disc(" p ") WITHIN GROUP (ORDER BY " what ") FILTER (WHERE is_final)")

/* What rows can be told apart by; over x, a row of either source, with its key k, workspace w and
 * integration i. */
static const struct dimension {
	const char *name, *column, *sql;
	bool is_time, is_raw; /* raw: the ledger alone knows */
} dimensions[] = {
	{ "hour", "hour", "to_char(x.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:00')", true, false },
	{ "day", "day", "to_char(x.at AT TIME ZONE 'UTC', 'YYYY-MM-DD')", true, false },
	{ "month", "month", "to_char(x.at AT TIME ZONE 'UTC', 'YYYY-MM')", true, false },
	{ "key", "api_key", "coalesce(split_part(w.slug, '~', 1) || '/', '') || coalesce(k.name, x.api_key_id::text)",
	  false, false },
	{ "workspace", "workspace", "split_part(w.slug, '~', 1)", false, false },
	{ "model", "model", "x.family || '/' || x.model", false, false },
	{ "provider", "provider", "coalesce(split_part(i.slug, '~', 1), x.family)", false, false },
	{ "tier", "tier", "x.tier", false, false },
	{ "user", "user", "coalesce(k.metadata ->> 'user_email', k.metadata ->> '_user', k.name)", false, false },
	{ "endpoint", "endpoint", "x.endpoint", false, false },
	{ "outcome", "outcome", "x.outcome", false, true },
	{ "status", "status", "coalesce(x.status::text, 'none')", false, true },
};

static const struct report {
	const char *name, *by;
	bool is_raw, is_ranked; /* ranked: by its value whatever it is told apart by */
	const char *columns;    /* behind the dimension */
	const char *value;      /* what is drawn and ranked by, an aggregate over x */
	const char *having;
} reports[] = {
	{ "spend", "day", false, false,
	  USD("sum(cost_nusd)") " AS cost_usd, " USD("sum(charged_nusd)") " AS charged_usd,"
	  " sum(requests)::bigint AS requests, sum(errors)::bigint AS errors, "
	  "coalesce(" USD("sum(cost_nusd) / nullif(sum(requests), 0)") ", 0) AS usd_per_request",
	  "sum(cost_nusd)", "true" },
	{ "usage", "model", false, false,
	  "sum(requests)::bigint AS requests, sum(input_total)::bigint AS input_tokens,"
	  " sum(output_total)::bigint AS output_tokens, sum(cache_read)::bigint AS cache_read_tokens,"
	  " sum(reasoning)::bigint AS reasoning_tokens", "sum(input_total + output_total)", "true" },
	{ "errors", "outcome", true, false,
	  "count(*) FILTER (WHERE is_error) AS errors, count(*) AS attempts,"
	  " round(100.0 * count(*) FILTER (WHERE is_error) / count(*), 1) AS percent,"
	  " to_char(max(x.at) FILTER (WHERE is_error) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS last_at",
	  "count(*) FILTER (WHERE is_error)", "count(*) FILTER (WHERE is_error) > 0" },
	{ "latency", "model", true, false,
	  "count(*) FILTER (WHERE is_final) AS requests, "
	  MS("avg(latency_us) FILTER (WHERE is_final)") " AS mean_ms, "
	  PERCENTILE("0.5", "latency_us") " AS p50_ms, " PERCENTILE("0.9", "latency_us") " AS p90_ms, "
	  PERCENTILE("0.99", "latency_us") " AS p99_ms, " PERCENTILE("0.5", "first_byte_us") " AS first_byte_p50_ms, "
	  PERCENTILE("0.99", "overhead_us") " AS overhead_p99_ms",
	  "avg(latency_us) FILTER (WHERE is_final)", "count(*) FILTER (WHERE is_final) > 0" },
	{ "top", "key", false, true,
	  USD("sum(cost_nusd)") " AS cost_usd, " SHARE("sum(cost_nusd)") " AS percent,"
	  " sum(requests)::bigint AS requests, sum(input_total + output_total)::bigint AS tokens",
	  "sum(cost_nusd)", "true" },
};

#define ROLL_UP                                                                              \
	"SELECT hour AS at, organisation_id, workspace_id, api_key_id, integration_id, family, model,"  \
	" endpoint, tier, requests, errors, input_total, output_total, cache_read, reasoning,"  \
	" cost_nusd, charged_nusd FROM aigate.usage_hour WHERE hour >= $1 AND hour < $2"
#define LEDGER                                                                               \
	"SELECT received_at AS at, organisation_id, workspace_id, api_key_id, integration_id, family," \
	" coalesce(nullif(served_model, ''), requested_model) AS model, endpoint,"               \
	" coalesce(metadata ->> 'subscription_tier', '') AS tier, outcome, status, is_final,"    \
	" outcome <> 'answered' AS is_error, overhead_us,"                                       \
	" (extract(epoch FROM finished_at - received_at) * 1000000)::bigint AS latency_us,"      \
	" (extract(epoch FROM first_byte_at - sent_at) * 1000000)::bigint AS first_byte_us"      \
	" FROM aigate.ledger WHERE received_at >= $1 AND received_at < $2"

static const char sql_time[] =
	"SELECT date_trunc('hour', CASE WHEN $1 ~ '^[0-9]+d$' THEN date_trunc('day', now())"
	" - rtrim($1, 'd')::int * interval '1 day' WHEN $1 ~ '^[0-9]+h$' THEN now()"
	" - rtrim($1, 'h')::int * interval '1 hour' ELSE $1::timestamptz END),"
	" date_trunc('hour', coalesce($2::timestamptz, now()) + interval '3599.999999 s')";

enum format { TABLE, CSV, JSON };

struct want {
	const struct report *report;
	const struct dimension *by;
	enum format format;
	bool is_drawn;
	char since[64], until[64];
	const char *organisation;
	const char *limit;
};

/* ---- the statement ---- */

static void
put_trend(struct ag_buf *b, const char *value)
{
	ag_buf_puts(b, "ARRAY[");
	for (int n = 0; n < TREND_CELLS; n++) {
		const char *filter = strstr(value, " FILTER (WHERE ");

		/* One more condition on the aggregate. */
		if (filter)
			ag_buf_printf(b, "%s(%.*s FILTER (WHERE cell = %d AND %s)::numeric", n > 0 ? ", " : "",
			              (int)(filter - value), value, n, filter + strlen(" FILTER (WHERE "));
		else
			ag_buf_printf(b, "%s(%s FILTER (WHERE cell = %d))::numeric", n > 0 ? ", " : "", value, n);
	}
	ag_buf_puts(b, "]");
}

/* Digits 0 to 8, each cell against the highest of its row. */
#define TREND_SHOWN                                                                          \
	"(SELECT string_agg(coalesce(ceil(8 * v / nullif(m, 0)), 0)::int::text, '' ORDER BY n)" \
	" FROM unnest(t.drawn) WITH ORDINALITY z(v, n), (SELECT max(y) AS m FROM unnest(t.drawn) y) top)"
/* Eighths of a cell, against the highest of all rows. */
#define BAR_SHOWN "coalesce(ceil(8 * " AG_STRINGIFY(BAR_CELLS) " * t.drawn / nullif(max(t.drawn) OVER (), 0)), 0)::int"
#define AG_STRINGIFY_(x) #x
#define AG_STRINGIFY(x) AG_STRINGIFY_(x)

static void
build(const struct want *w, struct ag_buf *b)
{
	const struct report *r = w->report;
	bool is_raw = r->is_raw || w->by->is_raw;

	ag_buf_printf(b, "WITH x AS (SELECT s.*, least(%d, floor(%d * extract(epoch FROM s.at - $1::timestamptz)"
	              " / extract(epoch FROM $2::timestamptz - $1::timestamptz)))::int AS cell FROM (%s) s",
	              TREND_CELLS - 1, TREND_CELLS, is_raw ? LEDGER : ROLL_UP);
	ag_buf_printf(b, " WHERE $3::text IS NULL OR s.organisation_id = (SELECT id FROM aigate.organisation"
	              " WHERE slug = $3 OR uuid::text = lower($3))), t AS (SELECT %s AS \"%s\", %s", w->by->sql,
	              w->by->column, r->columns);
	ag_buf_printf(b, ", %s AS rank, ", r->value);
	if (w->by->is_time)
		ag_buf_printf(b, "(%s)::numeric AS drawn", r->value);
	else
		put_trend(b, r->value);
	if (!w->by->is_time)
		ag_buf_puts(b, " AS drawn");
	ag_buf_printf(b, " FROM x LEFT JOIN aigate.api_key k ON k.id = x.api_key_id"
	              " LEFT JOIN aigate.workspace w ON w.id = x.workspace_id"
	              " LEFT JOIN aigate.integration i ON i.id = x.integration_id"
	              " GROUP BY 1%s HAVING %s) ", strcmp(w->by->name, "key") == 0 ? ", x.api_key_id" : "", r->having);
	ag_buf_printf(b, "SELECT t.*, %s AS shown FROM t ORDER BY %s LIMIT $4::bigint",
	              w->by->is_time ? BAR_SHOWN : TREND_SHOWN,
	              w->by->is_time && !r->is_ranked ? "1" : "t.rank DESC NULLS LAST, 1");
}

/* ---- drawing ---- */

static void
put_block(struct ag_buf *b, unsigned code)
{
	const unsigned char text[3] = { 0xe2, (unsigned char)(0x80 | (code >> 6 & 0x3f)),
		                            (unsigned char)(0x80 | (code & 0x3f)) };

	ag_buf_put(b, text, sizeof(text));
}

/* U+2581 to U+2588, an eighth each, upwards. */
static void
draw_trend(struct ag_buf *b, const char *digits)
{
	for (; *digits; digits++) {
		if (*digits <= '0')
			ag_buf_putc(b, ' ');
		else
			put_block(b, 0x2580 + (unsigned)(*digits - '0'));
	}
}

/* U+2588 is whole, U+258F an eighth, to the right. */
static void
draw_bar(struct ag_buf *b, const char *eighths)
{
	uint64_t n = 0;

	if (ag_parse_u64(ag_str(eighths), 8 * BAR_CELLS, &n) < 0)
		n = 0;
	for (; n >= 8; n -= 8)
		put_block(b, 0x2588);
	if (n > 0)
		put_block(b, 0x2590 - (unsigned)n);
}

static bool
can_draw(void)
{
	return isatty(STDOUT_FILENO) && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* ---- printing ---- */

/* The last columns are for us: rank, drawn, shown. */
#define INNER 3

static void
print_table(const struct want *w, const PGresult *res)
{
	int shown = PQnfields(res) - INNER, last = PQnfields(res) - 1;
	const char *titles[16];
	struct ctl_table t;
	struct ag_buf b;

	for (int c = 0; c < shown; c++)
		titles[c] = PQfname(res, c);
	titles[shown] = w->by->is_time ? "" : "trend";
	ctl_table_init(&t, (unsigned)(shown + w->is_drawn), titles);
	for (int c = 0; c < shown; c++)
		if (PQftype(res, c) == 20 || PQftype(res, c) == 1700)
			t.is_number |= UINT64_C(1) << c;
	ag_buf_init(&b, 4096);
	for (int r = 0; r < PQntuples(res); r++) {
		for (int c = 0; c < shown; c++)
			ctl_table_add(&t, ag_str_n(PQgetvalue(res, r, c), (size_t)PQgetlength(res, r, c)));
		ag_buf_reset(&b);
		if (w->by->is_time)
			draw_bar(&b, PQgetvalue(res, r, last));
		else
			draw_trend(&b, PQgetvalue(res, r, last));
		if (w->is_drawn)
			ctl_table_add(&t, ag_buf_str(&b));
	}
	ctl_table_print(&t, stdout);
	ag_buf_fini(&b);
	ctl_table_fini(&t);
}

static void
print_csv_cell(const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, stdout);
		return;
	}
	putchar('"');
	for (; *text; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	putchar('"');
}

static void
print_csv(const PGresult *res)
{
	int shown = PQnfields(res) - INNER;

	for (int r = -1; r < PQntuples(res); r++) {
		for (int c = 0; c < shown; c++) {
			if (c > 0)
				putchar(',');
			print_csv_cell(r < 0 ? PQfname(res, c) : PQgetvalue(res, r, c));
		}
		fputs("\r\n", stdout);
	}
}

static void
print_json(const PGresult *res)
{
	int shown = PQnfields(res) - INNER;
	struct ag_buf b;

	ag_buf_init(&b, 64u << 20);
	ag_buf_putc(&b, '[');
	for (int r = 0; r < PQntuples(res); r++) {
		ag_buf_puts(&b, r > 0 ? ",\n {" : "{");
		for (int c = 0; c < shown; c++) {
			bool is_number = PQftype(res, c) == 20 || PQftype(res, c) == 1700;
			struct ag_str v = ag_str_n(PQgetvalue(res, r, c), (size_t)PQgetlength(res, r, c));

			ag_buf_printf(&b, "%s\"%s\": ", c > 0 ? ", " : "", PQfname(res, c));
			if (PQgetisnull(res, r, c)) {
				ag_buf_puts(&b, "null");
			} else if (is_number) {
				ag_buf_put_str(&b, v);
			} else {
				ag_buf_putc(&b, '"');
				ag_buf_put_json(&b, v);
				ag_buf_putc(&b, '"');
			}
		}
		ag_buf_putc(&b, '}');
	}
	ag_buf_puts(&b, "]\n");
	if (b.failed)
		abort();
	fwrite(b.p, 1, b.n, stdout);
	ag_buf_fini(&b);
}

/* ---- the command ---- */

static enum ctl_exit
read_time(struct ctl *ctl, const char *since, const char *until, struct want *w)
{
	const char *values[] = { since, until };
	PGresult *res = PQexecParams(ctl->db, sql_time, 2, NULL, values, NULL, NULL, 0);
	enum ctl_exit status = ctl_db_check(ctl->db, res, "understand the time");

	if (status == CTL_OK) {
		ag_str_copy(ag_str(PQgetvalue(res, 0, 0)), w->since, sizeof(w->since));
		ag_str_copy(ag_str(PQgetvalue(res, 0, 1)), w->until, sizeof(w->until));
	}
	PQclear(res);
	return status;
}

static enum ctl_exit
print(struct ctl *ctl, const struct want *w)
{
	const char *values[] = { w->since, w->until, w->organisation, w->limit };
	enum ctl_exit status;
	struct ag_buf b;
	PGresult *res;

	ag_buf_init(&b, SQL_MAX);
	build(w, &b);
	ag_buf_putc(&b, '\0');
	if (b.failed)
		abort();
	res = PQexecParams(ctl->db, b.p, 4, NULL, values, NULL, NULL, 0);
	ag_buf_fini(&b);
	status = ctl_db_check(ctl->db, res, "make the report");
	if (status == CTL_OK && w->format == JSON)
		print_json(res);
	else if (status == CTL_OK && w->format == CSV)
		print_csv(res);
	else if (status == CTL_OK)
		print_table(w, res);
	PQclear(res);
	return status;
}

static enum ctl_exit
choose(const char *name, const char *by, const char *format, struct want *w)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(reports); i++)
		if (strcmp(reports[i].name, name) == 0)
			w->report = &reports[i];
	if (!w->report)
		return ctl_fail(CTL_USAGE, "report spend, usage, errors, latency or top, not \"%s\"", name);
	by = by ? by : w->report->by;
	for (size_t i = 0; i < AG_ARRAY_LEN(dimensions); i++)
		if (strcmp(dimensions[i].name, by) == 0)
			w->by = &dimensions[i];
	if (!w->by)
		return ctl_fail(CTL_USAGE, "report by hour, day, month, key, workspace, model, provider, tier, user,"
		                           " endpoint, outcome or status, not \"%s\"", by);
	if (w->by->is_raw && !w->report->is_raw)
		return ctl_fail(CTL_USAGE, "report %s knows no %s; errors and latency do", name, by);
	if (!format)
		return CTL_OK;
	if (strcmp(format, "table") != 0 && strcmp(format, "csv") != 0 && strcmp(format, "json") != 0)
		return ctl_fail(CTL_USAGE, "format is table, csv or json, not \"%s\"", format);
	w->format = format[0] == 't' ? TABLE : format[0] == 'c' ? CSV : JSON;
	return CTL_OK;
}

enum ctl_exit
ctl_report(struct ctl *ctl, int argc, char **argv)
{
	const char *by = NULL, *since = "30d", *until = NULL, *format = NULL, *limit = NULL;
	const struct ctl_opt opts[] = {
		{ "by", CTL_OPT_TEXT, &by },         { "since", CTL_OPT_TEXT, &since },
		{ "until", CTL_OPT_TEXT, &until },   { "format", CTL_OPT_TEXT, &format },
		{ "limit", CTL_OPT_TEXT, &limit },   { NULL, CTL_OPT_END, NULL },
	};
	struct ctl_list words = { .n = 0 };
	struct want w = { .report = NULL };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, &words, 1);
	uint64_t n;

	if (status != CTL_OK)
		return status;
	if (words.n != 1)
		return ctl_fail(CTL_USAGE, "report what? spend, usage, errors, latency or top");
	w.format = ctl->output == CTL_OUT_JSON ? JSON : TABLE;
	status = choose(words.v[0], by, format, &w);
	if (status != CTL_OK)
		return status;
	if (limit && (ag_parse_u64(ag_str(limit), 1000000, &n) < 0 || n == 0))
		return ctl_fail(CTL_USAGE, "limit is a number of rows, not \"%s\"", limit);
	w.limit = limit ? limit : w.report->is_ranked ? "10" : NULL;
	w.organisation = ctl->organisation;
	w.is_drawn = can_draw();
	status = ctl_db_open(ctl);
	if (status == CTL_OK)
		status = read_time(ctl, since, until, &w);
	return status == CTL_OK ? print(ctl, &w) : status;
}
