/* org_settings.c - what holds for a whole organisation: its usage and rate limits, and what it demands of its
 * keys and workspaces.  A setting that is null or absent demands nothing.
 *
 * The schemas are taken bare, wrapped in an object with their own name as the only member, and, for API
 * keys, as the whole body: {"type": "object", ...}. */
#include "base/json.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/limits.h"
#include "control/meters.h"
#include "control/publish.h"
#include "control/schema.h"
#include "control/settings.h"
#include "control/sql_settings.h"

#define LIFETIME_DAYS_MAX 36500

static int
read_settings(struct ag_call *c, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	if (ag_call_json(c, SQL_ORG_SETTINGS_GET, &a, out) < 0)
		return -1;
	return *out ? 0 : ag_call_not_found(c, "organisation", c->org_name);
}

/* An organisation's limits bind all its workspaces: a key of one of them may not touch them. */
static int
need_whole_org(struct ag_call *c)
{
	if (c->actor.workspace_id == 0)
		return 0;
	return ag_call_fail(c, 403, "AB03", "the API key belongs to a workspace, not to the organisation");
}

void
ag_org_settings_get(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *meters = NULL;
	struct json_object *obj = NULL;

	if (need_whole_org(c) < 0 || read_settings(c, &obj) < 0)
		return;
	meters = ag_meters_of(c, "organisation", obj);
	if (!meters) {
		json_object_put(obj);
		return;
	}
	ag_limits_decorate(c, obj, meters, c->actor.org_id);
	ag_call_tag(c, obj);
	ag_call_strip(obj);
	ag_call_ok(c, obj);
}

struct settings_body {
	bool has_usage, has_rates, reset_usage;
	struct json_object *usage, *rates; /* owned, stored form */
	struct json_object *patch;         /* owned: settings that change */
};

/* {"api_key_metadata_schema": {...}} for {...}. */
static struct json_object *
unwrap(struct json_object *v, const char *name)
{
	struct json_object *inner;

	if (json_object_is_type(v, json_type_object) && ag_json_members(v) == 1 &&
	    json_object_object_get_ex(v, name, &inner) && json_object_is_type(inner, json_type_object))
		return inner;
	return v;
}

static int
read_schema(struct ag_call *c, struct json_object *given, const char *name, struct json_object *patch)
{
	struct json_object *schema = given ? unwrap(given, name) : NULL;
	struct ag_err err = { "" };

	if (schema && ag_schema_check(schema, &err) < 0)
		return ag_call_invalid(c, "%s.%s", name, err.text);
	json_object_object_add(patch, name, json_object_get(schema));
	return 0;
}

static int
read_schemas(struct ag_call *c, struct json_object *patch)
{
	static const char *const names[] = { AG_SETTING_KEY_SCHEMA, AG_SETTING_WORKSPACE_SCHEMA };
	struct json_object *v;

	for (size_t i = 0; i < AG_ARRAY_LEN(names); i++)
		if (json_object_object_get_ex(c->body, names[i], &v) && read_schema(c, v, names[i], patch) < 0)
			return -1;
	if (json_object_object_get_ex(c->body, "properties", &v))
		return read_schema(c, c->body, AG_SETTING_KEY_SCHEMA, patch);
	return 0;
}

static int
read_days(struct ag_call *c, const char *name, struct json_object *patch)
{
	struct json_object *v;

	if (!json_object_object_get_ex(c->body, name, &v))
		return 0;
	if (v && (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 1 ||
	    json_object_get_int64(v) > LIFETIME_DAYS_MAX))
		return ag_call_invalid(c, "%s: must be an integer from 1 to %d, or null", name, LIFETIME_DAYS_MAX);
	json_object_object_add(patch, name, json_object_get(v));
	return 0;
}

static int
read_patch(struct ag_call *c, struct json_object *patch)
{
	bool saved_only = false;
	enum ag_field f = ag_field_bool(c, c->body, AG_SETTING_SAVED_ONLY, &saved_only);

	if (f == AG_FIELD_BAD || !c->body)
		return f == AG_FIELD_BAD ? -1 : 0;
	if (f == AG_FIELD_SET || f == AG_FIELD_NULL)
		json_object_object_add(patch, AG_SETTING_SAVED_ONLY, saved_only ? json_object_new_boolean(1) : NULL);
	if (read_schemas(c, patch) < 0 || read_days(c, AG_SETTING_KEY_DAYS, patch) < 0)
		return -1;
	return read_days(c, AG_SETTING_USER_KEY_DAYS, patch);
}

static int
settings_body_read(struct ag_call *c, struct settings_body *b)
{
	static const char *const unserved[] = { "jwks", "jwks_url", "sso", "scim", "log_retention", "debug_log",
		"max_cache_ttl", "custom_hosts", "user_api_key_count", NULL };

	b->patch = json_object_new_object();
	if (ag_field_refuse(c, c->body, unserved, "") < 0 || read_patch(c, b->patch) < 0 ||
	    ag_field_bool(c, c->body, "reset_usage", &b->reset_usage) == AG_FIELD_BAD ||
	    ag_limits_usage_member(c, c->body, "usage_limits", AG_LIMITS_ARRAY, &b->has_usage,
	    &b->usage) < 0)
		return -1;
	return ag_limits_rate_member(c, c->body, "rate_limits", AG_LIMITS_ARRAY, &b->has_rates,
	    &b->rates);
}

static int
merge(struct ag_call *c, struct json_object *patch)
{
	struct ag_pg_args a = { 0 };
	PGresult *res;

	if (ag_json_members(patch) == 0)
		return 0;
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_json(&a, patch);
	res = ag_call_sql(c, SQL_SETTINGS_MERGE, &a);
	PQclear(res);
	return res ? 0 : -1;
}

static int
store(struct ag_call *c, const struct settings_body *b, char uuid[AG_UUID_LEN])
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_bool(&a, b->has_usage);
	ag_pg_arg_json(&a, b->usage);
	ag_pg_arg_bool(&a, b->has_rates);
	ag_pg_arg_json(&a, b->rates);
	res = ag_call_sql(c, SQL_ORG_SETTINGS_UPDATE, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_not_found(c, "organisation", c->org_name);
	ag_str_copy(ag_pg_text(res, 0, 2), uuid, AG_UUID_LEN);
	if (merge(c, b->patch) < 0)
		return -1;
	return ag_meters_sync(c, "organisation", c->actor.org_id, ag_pg_text(res, 0, 0),
	    ag_pg_text(res, 0, 1), b->reset_usage);
}

void
ag_org_settings_update(struct ag_call *c)
{
	struct json_object *before = NULL, *after = NULL;
	struct settings_body b = { 0 };
	char uuid[AG_UUID_LEN];

	if (need_whole_org(c) == 0 && settings_body_read(c, &b) == 0 &&
	    read_settings(c, &before) == 0 && ag_call_match(c, before) == 0 && store(c, &b, uuid) == 0 &&
	    read_settings(c, &after) == 0 &&
	    ag_call_audit(c, "update", "organisation_settings", uuid, before, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0) {
		ag_call_tag(c, after);
		ag_call_ok(c, NULL);
	}
	json_object_put(before);
	json_object_put(after);
	json_object_put(b.usage);
	json_object_put(b.rates);
	json_object_put(b.patch);
}
