/* groups.c - GET /v1/analytics/groups/...: requests by what they have in common, a page of groups.
 *
 * The value of a group stands under the name the group was asked by; `columns` names what else is
 * wanted, `order_by` one of the columns shown.  Attempts without a value are in no group. */
#include "control/analytics.h"
#include "control/handlers.h"
#include "control/sql_analytics.h"

#define COLUMNS_MAX 24
#define PAGE        50

static const struct group {
	const char *name;      /* in the path */
	const char *shown_as;
	const char *key;       /* over s */
	const char *shown;     /* over k; NULL: as it is */
	const char *columns;   /* always there beside requests */
	bool may_sum;
	bool is_of_organisation;
	bool only_final;
} groups[] = {
	{ "users", "user", "usr", NULL, "cost", false, false, false },
	{ "ai-models", "ai_model", "model", NULL, "cost", true, false, false },
	{ "workspaces", "workspace", "workspace_id", "(select " SQL_SLUG("w.slug") " from aigate.workspace w where w.id = k)",
	  "cost", true, true, false },
	{ "ai_service", "ai_service", "family", NULL, "", true, false, false },
	{ "model", "model", "model", NULL, "", true, false, false },
	{ "status_code", "status_code", "code", NULL, "", false, false, true },
	{ "api_key", "api_key", "api_key_id", "(select a.uuid from aigate.api_key a where a.id = k)", "",
	  true, false, false },
	{ "workspace", "workspace", "workspace_id", "(select " SQL_SLUG("w.slug") " from aigate.workspace w where w.id = k)",
	  "", true, true, false },
	{ "provider", "provider", "provider", NULL, "", false, false, false },
	{ "config", "config", "config_id", SQL_CONFIG_SLUG("k"), "", false, false, false },
};
static const struct group by_metadata = { "metadata", "metadata_value", "mkey", NULL,
	"cost,avg_tokens,avg_weighted_feedback,requests_with_feedback,last_seen", false, false, false };

#define FINAL " filter (where requests = 1)"
#define PERCENTILE(p) SQL_MS("percentile_disc(" p ") within group (order by latency_us)" FINAL)
#define SHARE(what) SQL_RATIO("100 * (count(*) filter (where " what "))", "sum(requests)")

static const struct column {
	const char *name;
	bool is_sum;          /* the roll-up knows it */
	const char *sql;
} columns[] = {
	{ "requests", true, "sum(requests)::bigint" },
	{ "cost", true, SQL_CENTS("sum(cost)") },
	{ "total_tokens", true, "sum(tin + tout)::bigint" },
	{ "avg_tokens", true, SQL_RATIO("sum(tin + tout)", "sum(requests)") },
	{ "avg_input_tokens", true, SQL_RATIO("sum(tin)", "sum(requests)") },
	{ "avg_output_tokens", true, SQL_RATIO("sum(tout)", "sum(requests)") },
	{ "avg_latency", false, SQL_MS("avg(latency_us)" FINAL) },
	{ "p95_latency", false, PERCENTILE("0.95") },
	{ "p99_latency", false, PERCENTILE("0.99") },
	{ "success_rate", false, SHARE("requests = 1 and answered") },
	{ "error_count", false, "count(*) filter (where is_error)" },
	{ "cache_hit_rate", false, SHARE("requests = 1 and cache_status <> 0") },
	{ "last_seen", false, SQL_TIME("max(at)") },
	{ "first_seen", false, SQL_TIME("min(at)") },
	{ "avg_weighted_feedback", false, SQL_RATIO("avg(fb.score)" FINAL, "1") },
	{ "requests_with_feedback", false, "count(fb.score)" FINAL },
};

struct wanted {
	const struct column *column[COLUMNS_MAX];
	unsigned n;
	bool may_sum;
	const struct column *order;
	bool is_asc;
};

static const struct column *
column_find(struct ag_str name)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(columns); i++)
		if (ag_str_eq(name, ag_str(columns[i].name)))
			return &columns[i];
	return NULL;
}

static bool
has_column(const struct wanted *w, const struct column *column)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->column[i] == column)
			return true;
	return false;
}

static int
add_columns(struct ag_call *c, const char *list, struct wanted *w)
{
	struct ag_str rest = ag_str(list);

	while (rest.n > 0) {
		const char *comma = memchr(rest.p, ',', rest.n);
		size_t n = comma ? (size_t)(comma - rest.p) : rest.n;
		struct ag_str name = ag_str_trim(ag_str_n(rest.p, n));
		const struct column *column = column_find(name);

		if (!column)
			return ag_call_invalid(c, "columns: there is no \"%.*s\"", (int)(name.n < 40 ? name.n : 40),
			    name.p);
		if (!has_column(w, column)) {
			w->column[w->n++] = column;
			w->may_sum = w->may_sum && column->is_sum;
		}
		rest = ag_str_skip(rest, comma ? n + 1 : n);
	}
	return 0;
}

static int
read_wanted(struct ag_call *c, const struct group *g, struct wanted *w)
{
	const char *v = ag_call_query(c, "columns"), *dir = ag_call_query(c, "order_by_type");
	const char *total = ag_call_query(c, "include_total");

	w->may_sum = g->may_sum;
	if (add_columns(c, "requests", w) < 0 || add_columns(c, g->columns, w) < 0 ||
	    (v && add_columns(c, v, w) < 0))
		return -1;
	w->order = w->column[0];
	if ((v = ag_call_query(c, "order_by")) != NULL) {
		w->order = column_find(ag_str(v));
		if (!w->order || !has_column(w, w->order))
			return ag_call_invalid(c, "order_by: must be a column that is shown, not \"%.40s\"", v);
	}
	if (dir && strcmp(dir, "asc") != 0 && strcmp(dir, "desc") != 0)
		return ag_call_invalid(c, "order_by_type: must be asc or desc, not \"%.40s\"", dir);
	w->is_asc = dir && dir[0] == 'a';
	/* The total is told whether it is asked for or not. */
	if (total && strcasecmp(total, "true") != 0 && strcasecmp(total, "false") != 0 &&
	    strcmp(total, "1") != 0 && strcmp(total, "0") != 0)
		return ag_call_invalid(c, "include_total: must be true or false, not \"%.40s\"", total);
	return 0;
}

static void
put_groups(struct ag_buf *b, const struct group *g, const struct wanted *w)
{
	ag_buf_printf(b, ", " SQL_FEEDBACK_BY_TRACE ", g as (select %s as k", g->key);
	for (unsigned i = 0; i < w->n; i++) {
		ag_buf_puts(b, ", ");
		ag_buf_puts(b, w->column[i]->sql);
		ag_buf_printf(b, " as %s", w->column[i]->name);
	}
	ag_buf_puts(b, " from s");
	/* Only where it is looked at: sums have no trace. */
	if (has_column(w, column_find(AG_STR("requests_with_feedback"))) ||
	    has_column(w, column_find(AG_STR("avg_weighted_feedback"))))
		ag_buf_puts(b, " left join fb on fb.workspace_id = s.workspace_id and fb.trace_id = s.trace_id");
	ag_buf_printf(b, " where %s is not null%s group by 1)", g->key, g->only_final ? " and requests = 1" : "");
}

static void
answer(struct ag_call *c, struct json_object *value)
{
	ag_call_ok(c, value);
}

static void
ask_group(struct ag_call *c, const struct group *g, const char *metadata_key)
{
	struct wanted w = { .n = 0 };
	struct ag_report r;
	struct ag_page page;
	struct ag_buf *b;

	if (read_wanted(c, g, &w) < 0 || ag_call_page(c, PAGE, &page) < 0 ||
	    ag_report_begin(c, g->is_of_organisation ? AG_REPORT_ORGANISATION : AG_REPORT_WORKSPACE, w.may_sum,
	        metadata_key, &r) < 0)
		return;
	b = &r.ask->sql;
	put_groups(b, g, &w);
	ag_buf_printf(b, ", p as (select *, row_number() over (order by %s %s, k) as o from g order by o limit $%d",
	    w.order->name, w.is_asc ? "asc" : "desc", ag_ask_i64(r.ask, page.limit));
	ag_buf_printf(b, " offset $%d) select json_build_object('total', (select count(*) from g), 'object', 'list',"
	    " 'data', coalesce((select json_agg(json_build_object('%s', ", ag_ask_i64(r.ask, page.offset), g->shown_as);
	ag_buf_puts(b, g->shown ? g->shown : "k");
	for (unsigned i = 0; i < w.n; i++)
		ag_buf_printf(b, ", '%s', p.%s", w.column[i]->name, w.column[i]->name);
	ag_buf_puts(b, ", 'object', 'analytics-group') order by o) from p), '[]'))");
	ag_call_read(c, r.ask, answer);
}

void
ag_analytics_group(struct ag_call *c)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(groups); i++)
		if (strcmp(groups[i].name, c->arg[0]) == 0) {
			ask_group(c, &groups[i], NULL);
			return;
		}
	if (strcmp(c->arg[0], "prompt") == 0)
		ag_call_invalid(c, "group_by: prompt: this gateway has no prompts");
	else
		ag_call_invalid(c, "group_by: must be users, ai-models, workspaces, metadata/KEY, ai_service, model,"
		    " status_code, api_key, workspace, provider or config, not \"%.40s\"", c->arg[0]);
}

void
ag_analytics_metadata(struct ag_call *c)
{
	ask_group(c, &by_metadata, c->arg[0]);
}
