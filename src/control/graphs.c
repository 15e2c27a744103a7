/* graphs.c - GET /v1/analytics/graphs/...: a number over time and its summary; the cache's summary.
 *
 * A row of the table below is a graph: statements over s (analytics.h) that give its totals (t, one
 * row) and its values by bucket (d), and how both are shown.  Buckets without anything are there
 * too.  They are as wide as a minute up to two hours, an hour up to a week, else a day; days begin
 * at midnight of the offset time_of_generation_min is given in. */
#include "control/analytics.h"
#include "control/handlers.h"
#include "control/sql_analytics.h"

struct graph {
	const char *path;
	bool may_sum;
	const char *with;     /* more tables; NULL none */
	const char *t;        /* totals */
	const char *summary;  /* members, from t */
	const char *d;        /* by bucket; NULL: points is all of data_points */
	const char *points;   /* members beside timestamp, from d; or the whole array */
};

#define PERCENT(a, b) SQL_RATIO("100 * (" a ")", b)
#define LATENCY "avg(latency_us) as a, percentile_disc(array[0.5, 0.9, 0.99]) within group" \
	" (order by latency_us) as p from s where requests = 1"
#define LATENCY_SHOWN(x) "'avg', " SQL_MS(x ".a") ", 'p50', " SQL_MS(x ".p[1]") ", 'p90', "  \
	SQL_MS(x ".p[2]") ", 'p99', " SQL_MS(x ".p[3]")
#define HIT_SUMS "count(*) filter (where cache_status <> 2) as simple, count(*) filter (where cache_status = 2)" \
	" as semantic, coalesce(sum(saved) filter (where cache_status <> 2), 0) as simple_saved,"  \
	" coalesce(sum(saved) filter (where cache_status = 2), 0) as semantic_saved"

static const struct graph graphs[] = {
	{ "requests", true, NULL, "select coalesce(sum(requests), 0)::bigint as v from s", "'total', t.v",
	  "select n, sum(requests)::bigint as v from s group by n", "'total', coalesce(d.v, 0)" },
	{ "cost", true, NULL, "select sum(cost) as v, sum(requests) as r from s",
	  "'total', " SQL_CENTS("t.v") ", 'avg', " SQL_CENTS("t.v / nullif(t.r, 0)"),
	  "select n, sum(cost) as v, sum(requests) as r from s group by n",
	  "'total', " SQL_CENTS("d.v") ", 'avg', " SQL_CENTS("d.v / nullif(d.r, 0)") },
	{ "latency", false, NULL, "select " LATENCY, LATENCY_SHOWN("t"),
	  "select n, " LATENCY " group by n", LATENCY_SHOWN("d") },
	{ "tokens", true, NULL, "select coalesce(sum(tin + tout), 0)::bigint as v, sum(requests) as r from s",
	  "'total', t.v, 'avg', " SQL_RATIO("t.v", "t.r"),
	  "select n, sum(tin + tout)::bigint as v, sum(requests) as r from s group by n",
	  "'total', coalesce(d.v, 0), 'avg', " SQL_RATIO("d.v", "d.r") },
	{ "users", false, NULL, "select count(distinct usr) as v from s where requests = 1", "'total', t.v",
	  "select n, count(distinct usr) as v from s where requests = 1 group by n",
	  "'total', coalesce(d.v, 0)" },
	{ "users/requests", false, NULL,
	  "select count(usr) as v, count(distinct usr) as u from s where requests = 1",
	  "'total', t.v, 'unique', t.u, 'avg', " SQL_RATIO("t.v", "t.u"),
	  "select n, count(usr) as v, count(distinct usr) as u from s where requests = 1 group by n",
	  "'avg', " SQL_RATIO("d.v", "d.u") },
	{ "errors", false, NULL, "select count(*) as v from s where is_error", "'total', t.v",
	  "select n, count(*) as v from s where is_error group by n", "'total', coalesce(d.v, 0)" },
	{ "errors/rate", false, NULL,
	  "select count(*) filter (where is_error) as v, sum(requests) as r from s",
	  "'rate', " PERCENT("t.v", "t.r"),
	  "select n, count(*) filter (where is_error) as v, sum(requests) as r from s group by n",
	  "'rate', " PERCENT("d.v", "d.r") },
	{ "errors/stacks", false, NULL, "select count(*) as v from s where is_error", "'total', t.v",
	  "select n, json_agg(json_build_object('response_status_code', code, 'count', v) order by code) as v"
	  " from (select n, code, count(*) as v from s where is_error group by n, code) x group by n",
	  "'stats', coalesce(d.v, '[]')" },
	{ "errors/status-codes", false, NULL,
	  "select count(*) as v, count(distinct code) as u from s where is_error",
	  "'total_errors', t.v, 'unique_error_codes', t.u", NULL,
	  "select json_agg(json_build_object('status_code', code, 'count', v) order by v desc, code)"
	  " from (select code, count(*) as v from s where is_error group by code) x" },
	{ "requests/rescued", false, SQL_RESCUED,
	  "select count(*) filter (where not is_fallback) as v, count(*) filter (where is_fallback) as u from r",
	  "'retry', t.v, 'fallback', t.u",
	  "select n, json_agg(json_build_object('retry_success_count', attempt - 1, 'count', v) order by attempt)"
	  " filter (where not is_fallback) as v, coalesce(sum(v) filter (where is_fallback), 0)::bigint as u"
	  " from (select n, attempt, is_fallback, count(*) as v from r group by 1, 2, 3) x group by n",
	  "'retry', coalesce(d.v, '[]'), 'fallback', coalesce(d.u, 0)" },
	{ "cache/hit-rate", false, SQL_HITS,
	  "select (select count(*) from h) as v, (select sum(requests) from s) as r",
	  "'total', t.v, 'rate', " PERCENT("t.v", "t.r"),
	  "select b.n, x.*, y.r, sum(x.simple_saved) over (order by b.n) as simple_sum,"
	  " sum(x.semantic_saved) over (order by b.n) as semantic_sum from b"
	  " left join (select n as xn, " HIT_SUMS " from h group by n) x on x.xn = b.n"
	  " left join (select n as yn, sum(requests) as r from s group by n) y on y.yn = b.n",
	  "'simple_hits', coalesce(d.simple, 0), 'semantic_hits', coalesce(d.semantic, 0), 'rate', "
	  PERCENT("d.simple + d.semantic", "d.r") ", 'cumulative_simple_cache_savings', "
	  SQL_CENTS("d.simple_sum / 1000") ", 'cumulative_semantic_cache_savings', "
	  SQL_CENTS("d.semantic_sum / 1000") },
	{ "cache/latency", false, SQL_HITS, "select avg(latency_us) as v from h", "'avg', " SQL_MS("t.v"),
	  "select n, avg(latency_us) as v from h group by n", "'avg', " SQL_MS("d.v") },
	{ "feedbacks", false, SQL_FEEDBACK, "select count(*) as v from f", "'total', t.v",
	  "select n, count(*) as v from f group by n", "'total', coalesce(d.v, 0)" },
	{ "feedbacks/scores", false, SQL_FEEDBACK, "select count(*) as v from f", "'total', t.v", NULL,
	  "select json_agg(json_build_object('score', value, 'total', v) order by value)"
	  " from (select value, count(*) as v from f group by value) x" },
	{ "feedbacks/weighted", false, SQL_FEEDBACK, "select avg(value * weight) as v from f",
	  "'avg', " SQL_RATIO("t.v", "1"), "select n, avg(value * weight) as v from f group by n",
	  "'avg', " SQL_RATIO("d.v", "1") },
	{ "feedbacks/ai-models", false, SQL_FEEDBACK, "select 0 as v", "", NULL,
	  "select json_agg(json_build_object('ai_model', model, 'total', v, 'avg_weighted_feedback', "
	  SQL_RATIO("w", "1") ") order by v desc, model) from"
	  " (select model, count(*) as v, avg(value * weight) as w from f group by model) x" },
};

static void
answer(struct ag_call *c, struct json_object *value)
{
	ag_call_ok(c, value);
}

static void
put_buckets(struct ag_report *r)
{
	ag_buf_printf(&r->ask->sql, ", b as (select n, to_char(to_timestamp(n * %lld - %lld) at time zone 'UTC',"
	    " 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') as ts from generate_series(%lld::bigint, %lld::bigint) n)",
	    (long long)r->width_s, (long long)r->zone_s, (long long)r->first, (long long)r->last);
}

static void
ask_graph(struct ag_call *c, const struct graph *g)
{
	struct ag_report r;
	struct ag_buf *b;

	if (ag_report_begin(c, AG_REPORT_WORKSPACE, g->may_sum, NULL, &r) < 0)
		return;
	b = &r.ask->sql;
	put_buckets(&r);
	if (g->with) {
		ag_buf_puts(b, ", ");
		ag_buf_puts(b, g->with);
	}
	ag_buf_puts(b, ", t as (");
	ag_buf_puts(b, g->t);
	ag_buf_puts(b, ")");
	if (g->d) {
		ag_buf_puts(b, ", d as (");
		ag_buf_puts(b, g->d);
		ag_buf_puts(b, ")");
	}
	ag_buf_puts(b, " select json_build_object('summary', (select json_build_object(");
	ag_buf_puts(b, g->summary);
	ag_buf_puts(b, ") from t), 'data_points', coalesce((");
	if (g->d) {
		ag_buf_puts(b, "select json_agg(json_build_object('timestamp', b.ts, ");
		ag_buf_puts(b, g->points);
		ag_buf_puts(b, ") order by b.n) from b left join d on d.n = b.n");
	} else {
		ag_buf_puts(b, g->points);
	}
	ag_buf_puts(b, "), '[]'), 'object', 'analytics-graph')");
	ag_call_read(c, r.ask, answer);
}

/* As the Node SDK has them. */
static const struct {
	const char *spelled, *path;
} spellings[] = {
	{ "users-requests", "users/requests" },
	{ "errors-rate", "errors/rate" },
	{ "errors-stack", "errors/stacks" },
	{ "errors-status-code", "errors/status-codes" },
	{ "requests-rescued", "requests/rescued" },
	{ "cache-hit-rate", "cache/hit-rate" },
	{ "cache-latency", "cache/latency" },
	{ "feedbacks/score", "feedbacks/scores" },
};

void
ag_analytics_graph(struct ag_call *c)
{
	char asked[2 * AG_SLUG_MAX + 2];
	const char *path = asked;

	snprintf(asked, sizeof(asked), "%s%s%s", c->arg[0], c->arg[1][0] ? "/" : "", c->arg[1]);
	for (size_t i = 0; i < AG_ARRAY_LEN(spellings); i++)
		if (strcmp(spellings[i].spelled, asked) == 0)
			path = spellings[i].path;
	for (size_t i = 0; i < AG_ARRAY_LEN(graphs); i++)
		if (strcmp(graphs[i].path, path) == 0) {
			ask_graph(c, &graphs[i]);
			return;
		}
	ag_call_not_found(c, "graph", asked);
}

void
ag_analytics_cache(struct ag_call *c)
{
	struct ag_report r;

	if (ag_report_begin(c, AG_REPORT_WORKSPACE, false, NULL, &r) < 0)
		return;
	ag_buf_puts(&r.ask->sql, ", t as (select count(*) filter (where cache_status <> 0) as hits, count(*) as v,"
	    " avg(latency_us) filter (where cache_status <> 0) as hit,"
	    " avg(latency_us) filter (where cache_status = 0) as miss from s where requests = 1)"
	    " select json_build_object('summary', (select json_build_object('hits', t.hits,"
	    " 'avg_latency', " SQL_MS("t.hit") ", 'total_requests', t.v, 'cache_speedup', "
	    PERCENT("t.miss - t.hit", "t.miss") ") from t), 'object', 'analytics-summary')");
	ag_call_read(c, r.ask, answer);
}
