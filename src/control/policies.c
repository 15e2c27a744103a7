/* policies.c - usage and rate limit policies: the endpoints of both kinds. */
#include "control/policies.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "control/alerts.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/limits.h"
#include "control/policy_rules.h"
#include "control/policy_values.h"
#include "control/publish.h"
#include "control/sql.h"
#include "limit/meter.h"

/* Each is looked at by every request of its workspace. */
#define POLICIES_MAX 200

static struct json_object *
member(struct json_object *obj, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(obj, name, &v);
	return v;
}

static bool
has_member(struct json_object *obj, const char *name)
{
	return json_object_object_get_ex(obj, name, NULL);
}

static bool
is_rate(const char *kind)
{
	return kind[0] == 'r';
}

int
ag_policy_find(struct ag_call *c, const char *kind, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, c->actor.workspace_id);
	ag_pg_arg_text(&a, kind);
	ag_pg_arg_text(&a, c->arg[0]);
	if (ag_call_json(c, SQL_POLICY_GET, &a, out) < 0)
		return -1;
	return *out ? 0 : ag_call_not_found(c, "policy", c->arg[0]);
}

/* ---- bodies ---- */

/* What a body says, checked. */
struct policy_body {
	const char *name, *description;
	bool has_name, has_description;
	struct ag_limit limit;
};

static int
read_texts(struct ag_call *c, struct policy_body *b)
{
	enum ag_field name = ag_field_text(c, c->body, "name", 255, &b->name);
	enum ag_field text = ag_field_text(c, c->body, "description", 500, &b->description);

	b->has_name = name == AG_FIELD_SET || name == AG_FIELD_NULL;
	b->has_description = text == AG_FIELD_SET || text == AG_FIELD_NULL;
	return name == AG_FIELD_BAD || text == AG_FIELD_BAD ? -1 : 0;
}

static int
read_limit(struct ag_call *c, const char *kind, struct json_object *obj, struct ag_limit *out)
{
	const char *target = NULL;

	if (!is_rate(kind))
		return ag_limits_policy_usage(c, obj, out);
	if (ag_field_text(c, obj, "target", 64, &target) == AG_FIELD_BAD)
		return -1;
	if (target && strcmp(target, "llm") != 0)
		return ag_call_invalid(c, "target: only llm is implemented, not \"%s\"", target);
	return ag_limits_policy_rate(c, obj, out);
}

static int
check_rules(struct ag_call *c, const char *kind, struct json_object *conditions,
    struct json_object *groups)
{
	struct ag_policy_rules rules;
	int rc;

	ag_policy_rules_init(&rules);
	rc = ag_policy_rules_read(c, conditions, groups, is_rate(kind), &rules);
	ag_policy_rules_fini(&rules);
	return rc;
}

/* ---- rows ---- */

static const char *const unit_names[] = { [AG_UNIT_NUSD] = "nusd", [AG_UNIT_TOKENS] = "tokens",
	[AG_UNIT_REQUESTS] = "requests" };
static const char *const period_names[] = { [AG_PERIOD_NONE] = "none",
	[AG_PERIOD_MONTHLY] = "monthly", [AG_PERIOD_DAYS] = "days",
	[AG_PERIOD_WEEKLY_MONDAY] = "weekly_monday" };

static void
arg_or_null(struct ag_pg_args *a, bool is_given, int64_t v)
{
	if (is_given)
		ag_pg_arg_i64(a, v);
	else
		ag_pg_arg_text(a, NULL);
}

/* limit_amount, alert_amount, window_us, period_kind, period_days, anchor; and enforcement, on_exhaust. */
static void
arg_limit(struct ag_pg_args *a, const struct ag_limit *l)
{
	ag_pg_arg_i64(a, l->limit);
	arg_or_null(a, l->alert_at != INT64_MAX, l->alert_at);
	arg_or_null(a, l->window_us > 0, l->window_us);
	ag_pg_arg_text(a, period_names[l->period_kind]);
	arg_or_null(a, l->period_kind == AG_PERIOD_DAYS, l->period_days);
	arg_or_null(a, l->anchor_day != INT32_MIN, l->anchor_day);
	ag_pg_arg_text(a, ag_enforcement_names[l->enforcement]);
	ag_pg_arg_text(a, ag_exhaust_names[l->on_exhaust]);
}

static int
need_room(struct ag_call *c, int64_t workspace_id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, workspace_id);
	res = ag_call_sql(c, SQL_POLICY_COUNT, &a);
	if (!res)
		return -1;
	if (ag_pg_i64(res, 0, 0) >= POLICIES_MAX)
		return ag_call_invalid(c, "a workspace can have at most %d policies", POLICIES_MAX);
	return 0;
}

static int
insert(struct ag_call *c, const char *kind, int64_t workspace_id, const struct policy_body *b,
    char uuid[AG_UUID_LEN])
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct json_object *groups = member(c->body, "group_by"), *none = json_object_new_array();
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_text(&a, kind);
	ag_pg_arg_text(&a, b->name);
	ag_pg_arg_text(&a, b->description);
	ag_pg_arg_json(&a, member(c->body, "conditions"));
	ag_pg_arg_json(&a, groups ? groups : none);
	ag_pg_arg_text(&a, unit_names[b->limit.unit]);
	arg_limit(&a, &b->limit);
	res = ag_call_sql(c, SQL_POLICY_INSERT, &a);
	json_object_put(none);
	if (!res)
		return -1;
	ag_str_copy(ag_pg_text(res, 0, 0), uuid, AG_UUID_LEN);
	return 0;
}

/* As it stands in this transaction, for the audit log. */
static int
read_stored(struct ag_call *c, const char *kind, const char *uuid, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, 0);
	ag_pg_arg_text(&a, kind);
	ag_pg_arg_text(&a, uuid);
	return ag_call_json(c, SQL_POLICY_GET, &a, out);
}

static void
create(struct ag_call *c, const char *kind)
{
	const char *workspace = NULL;
	struct policy_body b = { 0 };
	struct json_object *answer, *after = NULL;
	char uuid[AG_UUID_LEN];
	int64_t workspace_id;

	if (read_texts(c, &b) < 0 || read_limit(c, kind, c->body, &b.limit) < 0 ||
	    check_rules(c, kind, member(c->body, "conditions"), member(c->body, "group_by")) < 0 ||
	    ag_field_text(c, c->body, "workspace_id", AG_SLUG_MAX, &workspace) == AG_FIELD_BAD ||
	    ag_workspace_resolve(c, workspace, true, &workspace_id) < 0 ||
	    need_room(c, workspace_id) < 0 || insert(c, kind, workspace_id, &b, uuid) < 0 ||
	    read_stored(c, kind, uuid, &after) < 0)
		return;
	if (ag_call_audit(c, "create", "policy", uuid, NULL, after) < 0 || ag_publish_catalog(c) < 0 ||
	    ag_call_commit(c) < 0) {
		json_object_put(after);
		return;
	}
	json_object_put(after);
	answer = json_object_new_object();
	json_object_object_add(answer, "id", json_object_new_string(uuid));
	json_object_object_add(answer, "object", json_object_new_string(
	    is_rate(kind) ? "policy_rate_limits" : "policy_usage_limits"));
	ag_call_ok(c, answer);
}

/* ---- reading ---- */

static void
add_time(struct json_object *obj, const char *name, bool is_known, int64_t at_us)
{
	char when[AG_ISO8601_LEN];

	if (is_known)
		ag_clock_iso8601(at_us, when);
	json_object_object_add(obj, name, is_known ? json_object_new_string(when) : NULL);
}

/* Usage policies tell when their period began and when it ends. */
static void
add_period(struct json_object *obj)
{
	enum ag_period_kind kind = (enum ag_period_kind)json_object_get_int(member(obj, "_period"));
	int64_t start, end;

	if (!has_member(obj, "_period"))
		return;
	ag_period_number(kind, (uint32_t)json_object_get_int(member(obj, "periodic_reset_days")),
	    (uint32_t)json_object_get_int(member(obj, "_anchor")), 0, ag_clock_wall_us(), &start, &end);
	add_time(obj, "last_reset_at", kind != AG_PERIOD_NONE, start);
	add_time(obj, "next_usage_reset_at", kind != AG_PERIOD_NONE, end);
}

static int
list_filters(struct ag_call *c, const char *kind, const char **out_unit, int64_t *out_window)
{
	static const struct { const char *unit; int64_t window_us; } windows[] = {
		{ "rps", AG_US_PER_SEC }, { "rpm", AG_US_PER_MIN }, { "rph", AG_US_PER_HOUR },
		{ "rpd", AG_US_PER_DAY }, { "rpw", 7 * AG_US_PER_DAY }, { "concurrent", 0 } };
	const char *type = ag_call_query(c, "type"), *unit = ag_call_query(c, "unit");

	*out_unit = type && strcmp(type, "cost") == 0 && !is_rate(kind) ? "nusd" : type;
	*out_window = -1;
	if (!unit || !is_rate(kind))
		return 0;
	for (size_t i = 0; i < AG_ARRAY_LEN(windows); i++)
		if (strcmp(windows[i].unit, unit) == 0) {
			*out_window = windows[i].window_us;
			return 0;
		}
	return ag_call_invalid(c, "unit: must be one of rps, rpm, rph, rpd, rpw, concurrent, not "
	    "\"%.40s\"", unit);
}

static void
list(struct ag_call *c, const char *kind)
{
	const char *status = ag_call_query(c, "status"), *unit;
	struct json_object *all = NULL, *data;
	struct ag_pg_args a = { 0 };
	struct ag_page page;
	int64_t workspace_id, window_us;

	if (ag_call_page(c, 50, &page) < 0 || list_filters(c, kind, &unit, &window_us) < 0 ||
	    ag_workspace_resolve(c, ag_call_query(c, "workspace_id"), false, &workspace_id) < 0)
		return;
	if (status && strcmp(status, "active") != 0 && strcmp(status, "archived") != 0) {
		ag_call_invalid(c, "status: must be active or archived, not \"%.40s\"", status);
		return;
	}
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_text(&a, kind);
	ag_pg_arg_text(&a, status ? status : "active");
	ag_pg_arg_text(&a, unit);
	ag_pg_arg_i64(&a, window_us);
	ag_pg_arg_i64(&a, page.limit);
	ag_pg_arg_i64(&a, page.offset);
	if (ag_call_json(c, SQL_POLICY_LIST, &a, &all) < 0)
		return;
	data = member(all, "data");
	for (size_t i = 0; i < ag_json_len(data); i++) {
		add_period(ag_json_at(data, i));
		ag_call_strip(ag_json_at(data, i));
	}
	ag_call_ok(c, all);
}

static void
get(struct ag_call *c, const char *kind)
{
	const char *status = ag_call_query(c, "status"), *usage = ag_call_query(c, "include_usage");
	bool has_usage = !is_rate(kind) && usage &&
	    (strcmp(usage, "true") == 0 || strcmp(usage, "1") == 0);
	struct json_object *obj = NULL, *map = NULL;

	if ((has_usage && ag_policy_values_note(c) < 0) || ag_policy_find(c, kind, &obj) < 0)
		return;
	if (status && strcmp(status, json_object_get_string(member(obj, "status"))) != 0) {
		ag_call_not_found(c, "policy", c->arg[0]);
	} else if (!has_usage || ag_policy_values_map(c, obj, &map) == 0) {
		if (has_usage)
			json_object_object_add(obj, "value_key_usage_map", map);
		add_period(obj);
		ag_call_tag(c, obj);
		ag_call_strip(obj);
		ag_call_ok(c, json_object_get(obj));
	}
	json_object_put(obj);
}

/* ---- changing ---- */

/* The limit as it stands with what the body says laid over it.  What decides which meter a value
 * has may not change. */
static int
merged_limit(struct ag_call *c, const char *kind, struct json_object *now, struct ag_limit *out)
{
	static const char *const of_usage[] = { "type", "credit_limit", "alert_threshold",
		"periodic_reset", "periodic_reset_days", "enforcement", "on_exhaust", NULL };
	static const char *const of_rate[] = { "type", "unit", "value", "target", NULL };
	const char *const *names = is_rate(kind) ? of_rate : of_usage;
	struct json_object *m = json_object_new_object();
	bool has_period = has_member(c->body, "periodic_reset") ||
	    has_member(c->body, "periodic_reset_days");
	int rc;

	for (; *names; names++) {
		bool is_period = strncmp(*names, "periodic", 8) == 0;
		struct json_object *from = has_member(c->body, *names) || (is_period && has_period)
		    ? c->body : now;

		/* What belongs to adaptive goes with it. */
		if (strcmp(*names, "on_exhaust") == 0 && has_member(c->body, "enforcement"))
			from = c->body;
		if (has_member(from, *names))
			json_object_object_add(m, *names, json_object_get(member(from, *names)));
	}
	if (has_member(c->body, "next_usage_reset_at"))
		json_object_object_add(m, "next_usage_reset_at",
		    json_object_get(member(c->body, "next_usage_reset_at")));
	rc = json_object_equal(member(m, "type"), member(now, "type")) ? 0
	    : ag_call_invalid(c, "type: cannot be changed, make another policy");
	if (rc == 0 && is_rate(kind) && strcmp(json_object_get_string(member(now, "unit")),
	    "concurrent") == 0 && !json_object_equal(member(m, "unit"), member(now, "unit")))
		rc = ag_call_invalid(c, "unit: concurrent cannot be changed, make another policy");
	if (rc == 0)
		rc = read_limit(c, kind, m, out);
	if (rc == 0 && is_rate(kind) && out->kind == AG_METER_GAUGE &&
	    strcmp(json_object_get_string(member(now, "unit")), "concurrent") != 0)
		rc = ag_call_invalid(c, "unit: cannot become concurrent, make another policy");
	json_object_put(m);
	return rc;
}

static int
wanted_state(struct ag_call *c, struct json_object *now, const char **out)
{
	if (ag_field_text(c, c->body, "status", 32, out) == AG_FIELD_BAD)
		return -1;
	if (strcmp(json_object_get_string(member(now, "status")), "archived") == 0)
		return ag_call_fail(c, 409, "AB07", "the policy is archived; make another one");
	if (*out && strcmp(*out, "active") != 0 && strcmp(*out, "archived") != 0)
		return ag_call_invalid(c, "status: must be active or archived, not \"%s\"", *out);
	return 0;
}

static int
update_row(struct ag_call *c, const char *kind, struct json_object *now)
{
	struct json_object *conditions = member(c->body, "conditions");
	struct policy_body b = { 0 };
	struct ag_pg_args a = { 0 };
	const char *status = NULL;
	PGresult *res;

	if (read_texts(c, &b) < 0 || wanted_state(c, now, &status) < 0 ||
	    merged_limit(c, kind, now, &b.limit) < 0)
		return -1;
	if (has_member(c->body, "group_by") &&
	    !json_object_equal(member(c->body, "group_by"), member(now, "group_by")))
		return ag_call_invalid(c, "group_by: cannot be changed, make another policy");
	if (has_member(c->body, "conditions") &&
	    check_rules(c, kind, conditions, member(now, "group_by")) < 0)
		return -1;
	ag_pg_arg_i64(&a, json_object_get_int64(member(now, "_id")));
	ag_pg_arg_bool(&a, b.has_name);
	ag_pg_arg_text(&a, b.name);
	ag_pg_arg_bool(&a, b.has_description);
	ag_pg_arg_text(&a, b.description);
	ag_pg_arg_json(&a, conditions);
	arg_limit(&a, &b.limit);
	ag_pg_arg_text(&a, status);
	res = ag_call_sql(c, SQL_POLICY_UPDATE, &a);
	PQclear(res);
	return res ? 0 : -1;
}

static int
reset_value(struct ag_call *c, struct json_object *now)
{
	const char *value = NULL;
	int n;

	if (ag_field_text(c, c->body, "reset_usage_for_value", 8192, &value) == AG_FIELD_BAD)
		return -1;
	if (!value)
		return 0;
	if (ag_policy_values_reset(c, json_object_get_int64(member(now, "_id")), value, NULL, NULL, &n) < 0)
		return -1;
	return n > 0 ? 0 : ag_call_not_found(c, "value", value);
}

/* How its meters are to stand from now on, for those that are there. */
static int
read_def(struct ag_call *c, int64_t id, struct ag_meter_def *out)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	res = ag_call_sql(c, SQL_POLICY_DEF, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
	ag_policy_value_def(res, 0, out);
	out->name = AG_STR_NONE;
	return 0;
}

static void
update_usage(struct ag_call *c, const char *kind)
{
	struct json_object *now = NULL, *after = NULL;
	struct ag_meter_def def;
	int64_t id;

	if (ag_policy_values_note(c) < 0 || ag_policy_find(c, kind, &now) < 0)
		return;
	id = json_object_get_int64(member(now, "_id"));
	if (ag_call_match(c, now) == 0 && ag_alerts_before_policy_edit(c, id) == 0 &&
	    update_row(c, kind, now) == 0 &&
	    read_def(c, id, &def) == 0 && reset_value(c, now) == 0 &&
	    read_stored(c, kind, json_object_get_string(member(now, "id")), &after) == 0 &&
	    ag_call_audit(c, "update", "policy", json_object_get_string(member(now, "id")), now,
	    after) == 0 && ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0) {
		ag_alerts_policy_edited(c->ctl->alerts, &def);
		ag_call_tag(c, after);
		ag_call_ok(c, NULL);
	}
	json_object_put(now);
	json_object_put(after);
}

static void
update(struct ag_call *c, const char *kind)
{
	struct json_object *now = NULL, *after = NULL;

	if (ag_policy_find(c, kind, &now) < 0)
		return;
	if (ag_call_match(c, now) == 0 && update_row(c, kind, now) == 0 &&
	    read_stored(c, kind, json_object_get_string(member(now, "id")), &after) == 0 &&
	    ag_call_audit(c, "update", "policy", json_object_get_string(member(now, "id")), now,
	    after) == 0 && ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0) {
		ag_call_tag(c, after);
		ag_call_ok(c, NULL);
	}
	json_object_put(now);
	json_object_put(after);
}

static void
archive(struct ag_call *c, const char *kind)
{
	struct json_object *now = NULL;
	struct ag_pg_args a = { 0 };
	PGresult *res;

	if (ag_policy_find(c, kind, &now) < 0)
		return;
	ag_pg_arg_i64(&a, json_object_get_int64(member(now, "_id")));
	res = ag_call_match(c, now) < 0 ||
	    ag_alerts_before_policy_edit(c, json_object_get_int64(member(now, "_id"))) < 0 ? NULL
	    : ag_call_sql(c, SQL_POLICY_ARCHIVE, &a);
	if (res && ag_call_audit(c, "delete", "policy", json_object_get_string(member(now, "id")), now,
	    NULL) == 0 && ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
	PQclear(res);
	json_object_put(now);
}

/* ---- endpoints ---- */

void ag_usage_policy_create(struct ag_call *c) { create(c, "usage"); }
void ag_usage_policy_list(struct ag_call *c) { list(c, "usage"); }
void ag_usage_policy_get(struct ag_call *c) { get(c, "usage"); }
void ag_usage_policy_update(struct ag_call *c) { update_usage(c, "usage"); }
void ag_usage_policy_delete(struct ag_call *c) { archive(c, "usage"); }
void ag_rate_policy_create(struct ag_call *c) { create(c, "rate"); }
void ag_rate_policy_list(struct ag_call *c) { list(c, "rate"); }
void ag_rate_policy_get(struct ag_call *c) { get(c, "rate"); }
void ag_rate_policy_update(struct ag_call *c) { update(c, "rate"); }
void ag_rate_policy_delete(struct ag_call *c) { archive(c, "rate"); }
