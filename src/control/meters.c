#include "control/meters.h"

#include <errno.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "control/alerts.h"
#include "control/sql.h"
#include "limit/meter.h"

#define COL_ID     0
#define COL_LEVEL  1
#define COL_KIND   3
#define COL_UNIT   4
#define COL_WINDOW 7
#define COL_PERIOD 8
#define COL_DAYS   9

static const char *const kind_names[] = { [AG_METER_BUDGET] = "budget", [AG_METER_RATE] = "rate",
	[AG_METER_GAUGE] = "gauge" };
static const char *const unit_names[] = { [AG_UNIT_NUSD] = "nusd", [AG_UNIT_TOKENS] = "tokens",
	[AG_UNIT_REQUESTS] = "requests" };
static const char *const period_names[] = { [AG_PERIOD_NONE] = "none", [AG_PERIOD_WEEKLY] = "weekly",
	[AG_PERIOD_MONTHLY] = "monthly", [AG_PERIOD_DAYS] = "days",
	[AG_PERIOD_WEEKLY_MONDAY] = "weekly_monday" };
static const char *const level_names[] = { [AG_LEVEL_KEY] = "key", [AG_LEVEL_WORKSPACE] = "workspace",
	[AG_LEVEL_GRANT] = "grant", [AG_LEVEL_PROVIDER] = "provider", [AG_LEVEL_ORG] = "organisation",
	[AG_LEVEL_POLICY] = "policy" };

static int
name_find(const char *const *names, size_t n, struct ag_str s)
{
	for (size_t i = 0; i < n; i++)
		if (names[i] && ag_str_eq(ag_str(names[i]), s))
			return (int)i;
	return -1;
}
#define NAME_FIND(names, s) name_find(names, AG_ARRAY_LEN(names), s)

int
ag_meters_def(const PGresult *res, int row, struct ag_meter_def *out)
{
	int level = NAME_FIND(level_names, ag_pg_text(res, row, COL_LEVEL));
	int kind = NAME_FIND(kind_names, ag_pg_text(res, row, COL_KIND));
	int unit = NAME_FIND(unit_names, ag_pg_text(res, row, COL_UNIT));
	int period = NAME_FIND(period_names, ag_pg_text(res, row, COL_PERIOD));

	int mode = name_find(ag_enforcement_names, 3, ag_pg_text(res, row, 12));
	int exhaust = name_find(ag_exhaust_names, 2, ag_pg_text(res, row, 13));

	if (level < 0 || kind < 0 || unit < 0 || period < 0 || mode < 0 || exhaust < 0)
		return -EINVAL;
	*out = (struct ag_meter_def){
		.id = ag_pg_i64(res, row, COL_ID),
		.kind = (enum ag_meter_kind)kind,
		.unit = (enum ag_unit)unit,
		.level = (enum ag_scope_kind)level,
		.limit = ag_pg_i64(res, row, 5),
		.alert_at = ag_pg_i64(res, row, 6),
		.window_us = ag_pg_i64(res, row, COL_WINDOW),
		.period_kind = (enum ag_period_kind)period,
		.period_days = (uint32_t)ag_pg_i64(res, row, COL_DAYS),
		.anchor_day = (uint32_t)ag_pg_i64(res, row, 10),
		.resets = (uint32_t)ag_pg_i64(res, row, 11),
		.enforcement = (enum ag_enforcement)mode,
		.on_exhaust = (enum ag_exhaust)exhaust,
	};
	return 0;
}

static void
arg_limit_and_alert(struct ag_pg_args *a, const struct ag_limit *l)
{
	ag_pg_arg_i64(a, l->limit);
	if (l->alert_at == INT64_MAX)
		ag_pg_arg_text(a, NULL);
	else
		ag_pg_arg_i64(a, l->alert_at);
}

static void
arg_period_days(struct ag_pg_args *a, const struct ag_limit *l)
{
	if (l->period_kind == AG_PERIOD_DAYS)
		ag_pg_arg_i64(a, l->period_days);
	else
		ag_pg_arg_text(a, NULL);
}

static void
arg_anchor(struct ag_pg_args *a, const struct ag_limit *l)
{
	if (l->anchor_day == INT32_MIN)
		ag_pg_arg_text(a, NULL);
	else
		ag_pg_arg_i64(a, l->anchor_day);
}

static void
arg_mode(struct ag_pg_args *a, const struct ag_limit *l)
{
	ag_pg_arg_text(a, ag_enforcement_names[l->enforcement]);
	ag_pg_arg_text(a, ag_exhaust_names[l->on_exhaust]);
}

static int
run(struct ag_call *c, const char *sql, const struct ag_pg_args *a)
{
	PGresult *res = ag_call_sql(c, sql, a);

	PQclear(res);
	return res ? 0 : -1;
}

static int
meter_insert(struct ag_call *c, const char *level, int64_t scope_id, const struct ag_limit *l)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, level);
	ag_pg_arg_i64(&a, scope_id);
	ag_pg_arg_text(&a, kind_names[l->kind]);
	ag_pg_arg_text(&a, unit_names[l->unit]);
	arg_limit_and_alert(&a, l);
	if (l->kind == AG_METER_RATE)
		ag_pg_arg_i64(&a, l->window_us);
	else
		ag_pg_arg_text(&a, NULL);
	ag_pg_arg_text(&a, period_names[l->period_kind]);
	arg_period_days(&a, l);
	arg_anchor(&a, l);
	arg_mode(&a, l);
	return run(c, SQL_METER_INSERT, &a);
}

static int64_t
settled_now(struct ag_call *c, int64_t id)
{
	struct ag_meter_state st = { 0 };
	uint32_t ix;

	if (ag_metertab_find(c->ctl->ctx->shm, id, &ix) == 0)
		ag_meter_read(&c->ctl->ctx->shm->meters[ix], 0, ag_clock_wall_us(), &st);
	return st.settled;
}

static int
meter_update(struct ag_call *c, int64_t id, const struct ag_limit *l, bool reset_usage)
{
	struct ag_pg_args a = { 0 };

	if (ag_alerts_before_edit(c, id) < 0)
		return -1;
	ag_pg_arg_i64(&a, id);
	arg_limit_and_alert(&a, l);
	ag_pg_arg_text(&a, period_names[l->period_kind]);
	arg_period_days(&a, l);
	arg_anchor(&a, l);
	ag_pg_arg_i64(&a, reset_usage && l->kind == AG_METER_BUDGET);
	ag_pg_arg_i64(&a, settled_now(c, id));
	arg_mode(&a, l);
	return run(c, SQL_METER_UPDATE, &a);
}

static int
meter_retire(struct ag_call *c, int64_t id)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	if (ag_alerts_before_edit(c, id) < 0)
		return -1;
	if (run(c, SQL_METER_RETIRE, &a) < 0)
		return -1;
	if (ag_plan_meter_gone(&c->plan, id) < 0)
		return ag_call_fail(c, 500, "AB04", "out of memory");
	return 0;
}

/* How well a row fits a limit: 2 the same, 1 the same budget with another period, 0 not. */
static int
fits(const struct ag_meter_def *d, const struct ag_limit *l)
{
	if (d->kind != l->kind || d->unit != l->unit || d->window_us != l->window_us)
		return 0;
	return d->period_kind == l->period_kind && d->period_days == l->period_days ? 2
	    : d->kind == AG_METER_BUDGET;
}

/* Which limit each row serves from now on; -1: none, it is retired. */
static void
match(const struct ag_meter_def *rows, uint32_t n_rows, const struct ag_limits *wanted,
    int *out_of_row, bool *out_has_row)
{
	for (uint32_t i = 0; i < n_rows; i++)
		out_of_row[i] = -1;
	for (int best = 2; best >= 1; best--)
		for (uint32_t i = 0; i < n_rows; i++)
			for (uint32_t k = 0; out_of_row[i] < 0 && k < wanted->n; k++)
				if (!out_has_row[k] && fits(&rows[i], &wanted->row[k]) >= best) {
					out_of_row[i] = (int)k;
					out_has_row[k] = true;
				}
}

static int
parse_stored(struct ag_call *c, struct ag_str usage, struct ag_str rates, struct ag_limits *out)
{
	struct json_object *u = usage.p ? json_tokener_parse(usage.p) : NULL;
	struct json_object *r = rates.p ? json_tokener_parse(rates.p) : NULL;
	int rc = ag_limits_from_stored(u, r, out);

	json_object_put(u);
	json_object_put(r);
	if (rc == -E2BIG)
		return ag_call_invalid(c, "usage_limits, rate_limits: at most %u limits together",
		    AG_KEY_METERS_MAX);
	if (rc < 0)
		return ag_call_fail(c, 500, "AB04", "stored limits cannot be read, trace %s",
		    c->trace_id);
	return 0;
}

/* The rows as they stand now, into the plan. */
static int
plan_rows(struct ag_call *c, const struct ag_pg_args *a)
{
	AG_AUTO(ag_pgres) PGresult *res = ag_call_sql(c, SQL_METERS_LOCK, a);

	for (int i = 0; res && i < PQntuples(res); i++) {
		struct ag_meter_def def;
		struct ag_err err = { "" };
		uint32_t ix;

		if (ag_meters_def(res, i, &def) < 0)
			return ag_call_fail(c, 500, "AB04", "a meter cannot be read, trace %s",
			    c->trace_id);
		if (ag_plan_meter(&c->plan, c->ctl, &def, &ix, &err) < 0)
			return ag_call_fail(c, 503, "AB04", "%s", err.text);
	}
	return res ? 0 : -1;
}

int
ag_meters_sync(struct ag_call *c, const char *level, int64_t scope_id, struct ag_str usage,
    struct ag_str rates, bool reset_usage)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_meter_def rows[64];
	int of_row[AG_ARRAY_LEN(rows)];
	bool has_row[AG_KEY_METERS_MAX] = { false };
	struct ag_limits wanted;
	struct ag_pg_args a = { 0 };
	uint32_t n;

	if (parse_stored(c, usage, rates, &wanted) < 0)
		return -1;
	ag_pg_arg_text(&a, level);
	ag_pg_arg_i64(&a, scope_id);
	res = ag_call_sql(c, SQL_METERS_LOCK, &a);
	if (!res)
		return -1;
	n = (uint32_t)PQntuples(res);
	if (n > AG_ARRAY_LEN(rows))
		return ag_call_fail(c, 500, "AB04", "too many meters on one %s", level);
	for (uint32_t i = 0; i < n; i++)
		if (ag_meters_def(res, (int)i, &rows[i]) < 0)
			return ag_call_fail(c, 500, "AB04", "a meter cannot be read");
	match(rows, n, &wanted, of_row, has_row);
	for (uint32_t i = 0; i < n; i++)
		if ((of_row[i] < 0 ? meter_retire(c, rows[i].id)
		    : meter_update(c, rows[i].id, &wanted.row[of_row[i]], reset_usage)) < 0)
			return -1;
	for (uint32_t k = 0; k < wanted.n; k++)
		if (!has_row[k] && meter_insert(c, level, scope_id, &wanted.row[k]) < 0)
			return -1;
	return plan_rows(c, &a);
}

PGresult *
ag_meters_of(struct ag_call *c, const char *level, struct json_object *objects)
{
	bool is_array = json_object_is_type(objects, json_type_array);
	size_t n = is_array ? ag_json_len(objects) : 1;
	struct json_object *ids = json_object_new_array(), *id;
	struct ag_pg_args a = { 0 };
	PGresult *res;

	for (size_t i = 0; i < n; i++)
		if (json_object_object_get_ex(
		    is_array ? ag_json_at(objects, i) : objects, "_id", &id))
			json_object_array_add(ids, json_object_get(id));
	ag_pg_arg_text(&a, level);
	ag_pg_arg_json(&a, ids);
	res = ag_call_sql(c, SQL_METERS_OF, &a);
	json_object_put(ids);
	return res;
}

int
ag_meters_retired(struct ag_call *c, const char *sql, int64_t scope_id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, scope_id);
	res = ag_call_sql(c, sql, &a);
	for (int i = 0; res && i < PQntuples(res); i++)
		if (ag_plan_meter_gone(&c->plan, ag_pg_i64(res, i, 0)) < 0)
			return ag_call_fail(c, 500, "AB04", "out of memory");
	return res ? 0 : -1;
}
