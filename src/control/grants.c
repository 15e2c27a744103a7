/* grants.c - which workspaces may use an integration, on what limits; and the providers that come
 * of it. */
#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/limits.h"
#include "control/meters.h"
#include "control/publish.h"
#include "control/sql.h"

#define WORKSPACES_MAX 1000

static int
provider_insert(struct ag_call *c, const struct ag_integration_ref *to, int64_t workspace_id,
    int64_t grant_id, const char *slug)
{
	AG_AUTO(ag_pgres) PGresult *has = NULL;
	struct ag_pg_args q = { 0 }, a = { 0 };
	PGresult *res;

	ag_pg_arg_i64(&q, grant_id);
	has = ag_call_sql(c, SQL_GRANT_HAS_PROVIDER, &q);
	if (!has)
		return -1;
	if (PQntuples(has) > 0)
		return 0;
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_i64(&a, grant_id);
	ag_pg_arg_text(&a, slug ? slug : to->slug);
	ag_pg_arg_text(&a, to->name);
	res = ag_call_sql(c, SQL_PROVIDER_INSERT, &a);
	PQclear(res);
	return res ? 0 : -1;
}

/* Whoever deleted the provider of a grant and then changes the grant's limits does not mean to have
 * it back, without its own limits. */
static int
had_access(struct ag_call *c, const struct ag_integration_ref *to, int64_t workspace_id, bool *out)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, to->id);
	ag_pg_arg_i64(&a, workspace_id);
	res = ag_call_sql(c, SQL_GRANT_IS_ENABLED, &a);
	if (!res)
		return -1;
	*out = PQntuples(res) > 0 && ag_pg_bool(res, 0, 0);
	return 0;
}

int
ag_grant_apply(struct ag_call *c, const struct ag_integration_ref *to, int64_t workspace_id,
    const struct ag_grant_wish *w)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };
	bool is_old = false;
	int64_t id;

	if (had_access(c, to, workspace_id, &is_old) < 0)
		return -1;
	ag_pg_arg_i64(&a, to->id);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_bool(&a, w->is_enabled);
	ag_pg_arg_bool(&a, w->has_usage);
	ag_pg_arg_json(&a, w->usage);
	ag_pg_arg_bool(&a, w->has_rates);
	ag_pg_arg_json(&a, w->rates);
	res = ag_call_sql(c, SQL_GRANT_UPSERT, &a);
	if (!res)
		return -1;
	id = ag_pg_i64(res, 0, 0);
	if (ag_meters_sync(c, "grant", id, ag_pg_text(res, 0, 1), ag_pg_text(res, 0, 2),
	    w->reset_usage) < 0)
		return -1;
	if (!w->is_enabled || !w->wants_provider || (is_old && !w->asks_provider))
		return 0;
	return provider_insert(c, to, workspace_id, id, w->provider_slug);
}

static struct json_object *
member(struct json_object *obj, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(obj, name, &v);
	return v;
}

int
ag_grant_global(struct ag_call *c, int64_t workspace_id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	res = ag_call_sql(c, SQL_GLOBAL_INTEGRATIONS, &a);
	for (int i = 0; res && i < PQntuples(res); i++) {
		struct ag_integration_ref ref = { .id = ag_pg_i64(res, i, 0) };
		struct json_object *access = json_tokener_parse(PQgetvalue(res, i, 3));
		struct ag_grant_wish w = { .is_enabled = true, .has_usage = true, .has_rates = true,
			.wants_provider = true, .usage = member(access, "usage_limits"),
			.rates = member(access, "rate_limits") };
		int rc;

		ag_str_copy(ag_pg_text(res, i, 1), ref.slug, sizeof(ref.slug));
		ag_str_copy(ag_pg_text(res, i, 2), ref.name, sizeof(ref.name));
		rc = ag_grant_apply(c, &ref, workspace_id, &w);
		json_object_put(access);
		if (rc < 0)
			return -1;
	}
	return res ? 0 : -1;
}

/* ---- reading ---- */

static int
read_list(struct ag_call *c, int64_t integration_id, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, integration_id);
	return ag_call_json(c, SQL_GRANT_LIST, &a, out);
}

/* The Python SDK declares an object where the API documents an array of at most one. */
static void
unwrap(struct json_object *one, const char *name)
{
	struct json_object *v = member(one, name);

	if (json_object_is_type(v, json_type_array))
		json_object_object_add(one, name,
		    json_object_get(ag_json_at(v, 0)));
}

void
ag_grant_list(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *meters = NULL;
	struct json_object *list = NULL, *all;
	struct ag_integration_ref ref;

	if (ag_integration_find(c, c->arg[0], AG_VERB_READ, &ref) < 0 ||
	    read_list(c, ref.id, &list) < 0)
		return;
	all = member(list, "workspaces");
	meters = ag_meters_of(c, "grant", all);
	if (!meters) {
		json_object_put(list);
		return;
	}
	for (size_t i = 0; i < ag_json_len(all); i++) {
		struct json_object *one = ag_json_at(all, i);

		ag_limits_decorate(c, one, meters, json_object_get_int64(member(one, "_id")));
		ag_call_strip(one);
		if (c->from_python) {
			unwrap(one, "usage_limits");
			unwrap(one, "rate_limits");
		}
	}
	ag_call_ok(c, list);
}

/* ---- changing ---- */

static bool
says_provider(struct json_object *obj)
{
	return member(obj, "create_default_provider") || member(obj, "default_provider_slug");
}

/* What each element (and global_workspace_access) may say; usage and rates are the caller's. */
static int
read_wish(struct ag_call *c, struct json_object *obj, const char *path, struct ag_grant_wish *w)
{
	char p[80];

	if (!json_object_is_type(obj, json_type_object))
		return ag_call_invalid(c, "%s: must be an object", path);
	snprintf(p, sizeof(p), "%s.enabled", path);
	if (ag_field_bool(c, obj, p, &w->is_enabled) == AG_FIELD_BAD)
		return -1;
	snprintf(p, sizeof(p), "%s.reset_usage", path);
	if (ag_field_bool(c, obj, p, &w->reset_usage) == AG_FIELD_BAD)
		return -1;
	snprintf(p, sizeof(p), "%s.create_default_provider", path);
	if (ag_field_bool(c, obj, p, &w->wants_provider) == AG_FIELD_BAD)
		return -1;
	w->asks_provider |= says_provider(obj);
	snprintf(p, sizeof(p), "%s.default_provider_slug", path);
	if (ag_field_slug(c, obj, p, &w->provider_slug) == AG_FIELD_BAD ||
	    ag_limits_usage_member(c, obj, "usage_limits", AG_LIMITS_ARRAY_OF_ONE, &w->has_usage,
	    &w->usage) < 0)
		return -1;
	return ag_limits_rate_member(c, obj, "rate_limits", AG_LIMITS_ARRAY_OF_ONE, &w->has_rates,
	    &w->rates);
}

static void
wish_fini(struct ag_grant_wish *w)
{
	json_object_put(w->usage);
	json_object_put(w->rates);
}

static int
update_one(struct ag_call *c, const struct ag_integration_ref *to, struct json_object *obj, size_t i,
    const struct ag_grant_wish *defaults)
{
	struct ag_grant_wish w = *defaults;
	const char *name = NULL;
	char path[48], p[64];
	int64_t workspace_id;
	int rc = -1;

	snprintf(path, sizeof(path), "workspaces[%zu]", i);
	if (read_wish(c, obj, path, &w) == 0) {
		snprintf(p, sizeof(p), "%s.id", path);
		if (ag_field_text(c, obj, p, AG_SLUG_MAX, &name) == AG_FIELD_BAD)
			rc = -1;
		else if (!name)
			rc = ag_call_invalid(c, "%s: is required", p);
		else if (!member(obj, "enabled"))
			rc = ag_call_invalid(c, "%s.enabled: is required", path);
		else if (ag_workspace_resolve(c, name, true, &workspace_id) == 0)
			rc = to->workspace_id && to->workspace_id != workspace_id
			    ? ag_call_invalid(c, "%s: the integration belongs to another workspace", p)
			    : ag_grant_apply(c, to, workspace_id, &w);
	}
	wish_fini(&w);
	return rc;
}

/* Stores what new workspaces will get, and gives it to those that stand. */
static int
update_global(struct ag_call *c, const struct ag_integration_ref *to, struct json_object *obj,
    bool is_override, struct ag_grant_wish *w)
{
	AG_AUTO(ag_pgres) PGresult *set = NULL, *targets = NULL;
	struct json_object *stored = json_object_new_object();
	struct ag_pg_args a = { 0 }, q = { 0 };

	if (read_wish(c, obj, "global_workspace_access", w) < 0) {
		json_object_put(stored);
		return -1;
	}
	json_object_object_add(stored, "enabled", json_object_new_boolean(w->is_enabled));
	json_object_object_add(stored, "usage_limits", json_object_get(w->usage));
	json_object_object_add(stored, "rate_limits", json_object_get(w->rates));
	ag_pg_arg_i64(&a, to->id);
	ag_pg_arg_json(&a, stored);
	set = ag_call_sql(c, SQL_GLOBAL_ACCESS_SET, &a);
	json_object_put(stored);
	if (!set)
		return -1;
	if (!w->is_enabled && !is_override)
		return 0;
	w->has_usage = w->has_rates = true;
	ag_pg_arg_i64(&q, to->id);
	ag_pg_arg_i64(&q, c->actor.org_id);
	ag_pg_arg_bool(&q, is_override);
	targets = ag_call_sql(c, SQL_GLOBAL_TARGETS, &q);
	for (int i = 0; targets && i < PQntuples(targets); i++)
		if (ag_grant_apply(c, to, ag_pg_i64(targets, i, 0), w) < 0)
			return -1;
	return targets ? 0 : -1;
}

static int
update_all(struct ag_call *c, const struct ag_integration_ref *to)
{
	struct ag_grant_wish defaults = { .is_enabled = true, .wants_provider = true }, global;
	struct json_object *workspaces = NULL, *access = NULL;
	bool is_override = false;
	int rc = 0;

	if (ag_field_array(c, c->body, "workspaces", &workspaces) == AG_FIELD_BAD ||
	    ag_field_object(c, c->body, "global_workspace_access", &access) == AG_FIELD_BAD ||
	    ag_field_bool(c, c->body, "override_existing_workspace_access", &is_override) ==
	    AG_FIELD_BAD ||
	    ag_field_bool(c, c->body, "override_existing_workspaces_access", &is_override) ==
	    AG_FIELD_BAD ||
	    ag_field_bool(c, c->body, "create_default_provider", &defaults.wants_provider) ==
	    AG_FIELD_BAD ||
	    ag_field_slug(c, c->body, "default_provider_slug", &defaults.provider_slug) == AG_FIELD_BAD)
		return -1;
	defaults.asks_provider = says_provider(c->body);
	if (ag_json_len(workspaces) > WORKSPACES_MAX)
		return ag_call_invalid(c, "workspaces: at most %d in one call", WORKSPACES_MAX);
	if (access && to->workspace_id)
		return ag_call_invalid(c, "global_workspace_access: the integration is a workspace's own");
	if (access) {
		global = defaults;
		rc = update_global(c, to, access, is_override, &global);
		wish_fini(&global);
	}
	for (size_t i = 0; rc == 0 && i < ag_json_len(workspaces); i++)
		rc = update_one(c, to, ag_json_at(workspaces, i), i, &defaults);
	return rc;
}

void
ag_grant_update(struct ag_call *c)
{
	struct json_object *before = NULL, *after = NULL;
	struct ag_integration_ref ref;

	if (ag_integration_find(c, c->arg[0], AG_VERB_UPDATE, &ref) == 0 &&
	    read_list(c, ref.id, &before) == 0 && update_all(c, &ref) == 0 &&
	    read_list(c, ref.id, &after) == 0 &&
	    ag_call_audit(c, "update", "integration_workspace", ref.uuid, before, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
	json_object_put(before);
	json_object_put(after);
}
