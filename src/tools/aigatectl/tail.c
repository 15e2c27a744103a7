/* tail.c - the ledger as it grows, a line an attempt.
 *
 * Rows become visible when the flusher commits, and not in the order of their times.  Within one
 * stream (boot and worker) they do in the order of seq, and ledger_position says how far, in the same
 * transaction.  So what is followed is each stream from one position to the next: nothing is missed,
 * nothing shown twice, whatever is committed when. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "tools/aigatectl/ctl.h"

#define POLL_NS   (300 * 1000 * 1000)
#define RETRY_S   1
#define AT_ONCE   1000 /* rows of one stream a turn */
#define STREAMS_AT_ONCE 64
#define BACKLOG   "10"

struct stream {
	int64_t boot_id, worker;
	int64_t seq;      /* shown up to here */
	int64_t ready;    /* stored up to here */
};

struct tail {
	struct ctl *ctl;
	struct stream *v;     /* owned */
	size_t n, cap;
	const char *filter[7]; /* workspace, key, model, status, errors, organisation, trace; NULL none */
	uint64_t left;        /* rows to show, 0: no end */
	bool has_end;
};

#define COLUMNS                                                                              \
	" to_char(l.received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS at," \
	" split_part(w.slug, '~', 1) AS workspace, k.name AS api_key, l.provider_slug AS provider," \
	" coalesce(nullif(l.served_model, ''), l.requested_model) AS model, l.status, l.outcome," \
	" l.input_fresh + l.cache_read + l.cache_write_5m + l.cache_write_1h AS input_tokens,"   \
	" l.output_total AS output_tokens, trim_scale(l.cost_nusd / 1000000000::numeric) AS cost_usd," \
	" round(extract(epoch FROM l.finished_at - l.received_at)::numeric * 1000, 1) AS ms,"    \
	" l.attempt, l.is_final, l.request_id, l.trace_id, l.boot_id, l.worker, l.seq"
#define JOINS                                                                                \
	" LEFT JOIN aigate.workspace w ON w.id = l.workspace_id LEFT JOIN aigate.api_key k ON k.id = l.api_key_id"
#define FILTERS                                                                              \
	" AND ($1::text IS NULL OR w.slug = $1) AND ($2::text IS NULL OR k.name = $2 OR k.uuid::text = lower($2))" \
	" AND ($3::text IS NULL OR $3 IN (l.served_model, l.requested_model))"                   \
	" AND ($4::text IS NULL OR l.status::text LIKE replace($4, 'x', '_'))"                   \
	" AND ($5::text IS NULL OR l.outcome <> 'answered')"                                     \
	" AND ($6::text IS NULL OR l.organisation_id = (SELECT id FROM aigate.organisation"      \
	" WHERE slug = $6 OR uuid::text = lower($6))) AND ($7::text IS NULL OR l.trace_id = $7)"

static const char sql_positions[] = "SELECT boot_id, worker, seq FROM aigate.ledger_position";
/* Ranges of streams are joined by union all, each with its numbers in the text: the planner sees them
 * and asks the index of streams, where for parameters it would read the whole ledger. */
static const char sql_range[] =
	"SELECT * FROM aigate.ledger WHERE boot_id = %lld AND worker = %lld AND seq > %lld AND seq <= %lld";
static const char sql_rows_head[] = "SELECT row_to_json(r) FROM (SELECT" COLUMNS " FROM (";
static const char sql_rows_tail[] = ") l" JOINS " WHERE true" FILTERS
	" ORDER BY l.finished_at, l.boot_id, l.worker, l.seq) r";
/* The last $9 of what was there when the positions, $8, were read. */
static const char sql_backlog[] =
	"SELECT row_to_json(r) FROM (SELECT" COLUMNS " FROM aigate.ledger l"
	" JOIN jsonb_to_recordset($8::jsonb) s(b bigint, w int, hi bigint)"
	" ON l.boot_id = s.b AND l.worker = s.w AND l.seq <= s.hi" JOINS
	" WHERE l.received_at > now() - interval '7 days'" FILTERS
	" ORDER BY l.received_at DESC LIMIT $9::bigint) r ORDER BY r.at, r.boot_id, r.worker, r.seq";

static struct stream *
stream_get(struct tail *t, int64_t boot_id, int64_t worker)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].boot_id == boot_id && t->v[i].worker == worker)
			return &t->v[i];
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 64;
		t->v = reallocarray(t->v, t->cap, sizeof(*t->v));
		if (!t->v)
			abort();
	}
	t->v[t->n] = (struct stream){ .boot_id = boot_id, .worker = worker };
	return &t->v[t->n++];
}

static int64_t
number(const PGresult *res, int row, int col)
{
	int64_t v = 0;

	if (ag_parse_i64(ag_str(PQgetvalue(res, row, col)), INT64_MIN, INT64_MAX, &v) < 0)
		return 0;
	return v;
}

static enum ctl_exit
read_positions(struct tail *t, bool is_first)
{
	PGresult *res = PQexec(t->ctl->db, sql_positions);
	enum ctl_exit status = ctl_db_check(t->ctl->db, res, "read the positions");

	for (int r = 0; status == CTL_OK && r < PQntuples(res); r++) {
		struct stream *s = stream_get(t, number(res, r, 0), number(res, r, 1));

		s->ready = number(res, r, 2);
		if (is_first)
			s->seq = s->ready;
	}
	PQclear(res);
	return status;
}

/* ---- printing ---- */

static void
print_row(const struct tail *t, const char *text)
{
	static const struct { const char *name; int width; } columns[] = {
		{ "at", 24 }, { "workspace", 16 }, { "api_key", 18 }, { "provider", 12 }, { "model", 22 },
		{ "status", 6 }, { "outcome", 18 }, { "input_tokens", 8 }, { "output_tokens", 8 }, { "cost_usd", 12 },
		{ "ms", 9 }, { "trace_id", 0 },
	};
	struct json_object *row;
	struct ctl_table line;
	const char *titles[AG_ARRAY_LEN(columns)];

	if (t->ctl->output == CTL_OUT_JSON) {
		puts(text);
		return;
	}
	row = json_tokener_parse(text);
	for (size_t c = 0; c < AG_ARRAY_LEN(columns); c++)
		titles[c] = columns[c].name;
	/* A table's cells hold nothing that moves the cursor. */
	ctl_table_init(&line, AG_ARRAY_LEN(columns), titles);
	for (size_t c = 0; c < AG_ARRAY_LEN(columns); c++)
		ctl_table_add(&line, ag_str(ctl_json_text(row, columns[c].name)));
	for (size_t c = 0; c < line.n; c++)
		printf("%-*s%s", columns[c].width, line.cells[c], c + 1 == line.n ? "\n" : "  ");
	ctl_table_fini(&line);
	json_object_put(row);
}

static void
print_rows(struct tail *t, const PGresult *res)
{
	for (int r = 0; r < PQntuples(res); r++) {
		if (t->has_end && t->left == 0)
			return;
		t->left -= t->has_end;
		print_row(t, PQgetvalue(res, r, 0));
	}
	fflush(stdout);
}

/* ---- reading ---- */

static enum ctl_exit
show_result(struct tail *t, PGresult *res)
{
	enum ctl_exit status = ctl_db_check(t->ctl->db, res, "read the ledger");

	if (status == CTL_OK)
		print_rows(t, res);
	PQclear(res);
	return status;
}

static enum ctl_exit
show_ranges(struct tail *t, const int64_t (*ranges)[4], size_t n)
{
	struct ag_buf sql;
	PGresult *res;

	ag_buf_init(&sql, 16u << 20);
	ag_buf_puts(&sql, sql_rows_head);
	for (size_t i = 0; i < n; i++) {
		ag_buf_puts(&sql, i > 0 ? " UNION ALL " : "");
		ag_buf_printf(&sql, sql_range, (long long)ranges[i][0], (long long)ranges[i][1],
		              (long long)ranges[i][2], (long long)ranges[i][3]);
	}
	ag_buf_puts(&sql, sql_rows_tail);
	ag_buf_putc(&sql, '\0');
	if (sql.failed)
		abort();
	res = PQexecParams(t->ctl->db, sql.p, AG_ARRAY_LEN(t->filter), NULL, t->filter, NULL, NULL, 0);
	ag_buf_fini(&sql);
	return show_result(t, res);
}

/* All that is ready, in turns. */
static enum ctl_exit
catch_up(struct tail *t)
{
	int64_t (*ranges)[4] = reallocarray(NULL, t->n ? t->n : 1, sizeof(*ranges));
	enum ctl_exit status = CTL_OK;
	size_t n;

	if (!ranges)
		abort();
	do {
		n = 0;
		for (size_t i = 0; i < t->n && n < STREAMS_AT_ONCE; i++) {
			const struct stream *s = &t->v[i];

			if (s->ready <= s->seq)
				continue;
			ranges[n][0] = s->boot_id;
			ranges[n][1] = s->worker;
			ranges[n][2] = s->seq;
			ranges[n++][3] = s->ready - s->seq > AT_ONCE ? s->seq + AT_ONCE : s->ready;
		}
		status = n > 0 ? show_ranges(t, ranges, n) : CTL_OK;
		for (size_t i = 0; status == CTL_OK && i < n; i++)
			stream_get(t, ranges[i][0], ranges[i][1])->seq = ranges[i][3];
	} while (status == CTL_OK && n > 0 && !(t->has_end && t->left == 0));
	free(ranges);
	return status;
}

static enum ctl_exit
show_backlog(struct tail *t, const char *lines)
{
	const char *values[AG_ARRAY_LEN(t->filter) + 2];
	struct ag_buf json;
	enum ctl_exit status;

	ag_buf_init(&json, 16u << 20);
	for (size_t i = 0; i < t->n; i++)
		ag_buf_printf(&json, "%s{\"b\":%lld,\"w\":%lld,\"hi\":%lld}", i > 0 ? "," : "[",
		              (long long)t->v[i].boot_id, (long long)t->v[i].worker, (long long)t->v[i].seq);
	ag_buf_puts(&json, t->n > 0 ? "]" : "[]");
	ag_buf_putc(&json, '\0');
	if (json.failed)
		abort();
	memcpy(values, t->filter, sizeof(t->filter));
	values[AG_ARRAY_LEN(t->filter)] = json.p;
	values[AG_ARRAY_LEN(t->filter) + 1] = lines;
	status = show_result(t, PQexecParams(t->ctl->db, sql_backlog, AG_ARRAY_LEN(values), NULL, values, NULL,
	                                     NULL, 0));
	ag_buf_fini(&json);
	return status;
}

/* Away for a while is no end: what came meanwhile is shown afterwards. */
static enum ctl_exit
follow(struct tail *t)
{
	const struct timespec pause = { .tv_nsec = POLL_NS }, retry = { .tv_sec = RETRY_S };

	while (!(t->has_end && t->left == 0)) {
		enum ctl_exit status = t->ctl->db ? CTL_OK : ctl_db_open(t->ctl);

		if (status == CTL_OK)
			status = read_positions(t, false);
		if (status == CTL_OK)
			status = catch_up(t);
		if (status == CTL_UNREACHABLE) {
			PQfinish(t->ctl->db);
			t->ctl->db = NULL;
			nanosleep(&retry, NULL);
		} else if (status != CTL_OK) {
			return status;
		} else if (ferror(stdout)) {
			return CTL_FAILED;
		} else if (!(t->has_end && t->left == 0)) {
			nanosleep(&pause, NULL);
		}
	}
	return CTL_OK;
}

static enum ctl_exit
check(const char *lines, const char *count, const char *status, struct tail *t)
{
	uint64_t n;

	if (ag_parse_u64(ag_str(lines), 1000000, &n) < 0)
		return ctl_fail(CTL_USAGE, "lines is a number, not \"%s\"", lines);
	if (count && (ag_parse_u64(ag_str(count), INT64_MAX, &t->left) < 0 || t->left == 0))
		return ctl_fail(CTL_USAGE, "count is a number from 1, not \"%s\"", count);
	t->has_end = count != NULL;
	if (status && (strlen(status) != 3 || strspn(status, "0123456789x") != 3))
		return ctl_fail(CTL_USAGE, "status is three digits such as 429 or 5xx, not \"%s\"", status);
	return CTL_OK;
}

enum ctl_exit
ctl_tail(struct ctl *ctl, int argc, char **argv)
{
	const char *lines = BACKLOG, *count = NULL;
	bool errors = false;
	struct tail t = { .ctl = ctl };
	const struct ctl_opt opts[] = {
		{ "workspace", CTL_OPT_TEXT, &t.filter[0] }, { "key", CTL_OPT_TEXT, &t.filter[1] },
		{ "model", CTL_OPT_TEXT, &t.filter[2] },     { "status", CTL_OPT_TEXT, &t.filter[3] },
		{ "errors", CTL_OPT_FLAG, &errors },         { "trace", CTL_OPT_TEXT, &t.filter[6] },
		{ "lines", CTL_OPT_TEXT, &lines },           { "count", CTL_OPT_TEXT, &count },
		{ NULL, CTL_OPT_END, NULL },
	};
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, NULL, 0);

	if (status == CTL_OK)
		status = check(lines, count, t.filter[3], &t);
	t.filter[4] = errors ? "t" : NULL;
	t.filter[5] = ctl->organisation;
	if (status == CTL_OK)
		status = ctl_db_open(ctl);
	if (status == CTL_OK)
		status = read_positions(&t, true);
	if (status == CTL_OK)
		status = show_backlog(&t, lines);
	if (status == CTL_OK)
		status = follow(&t);
	free(t.v);
	return status;
}
