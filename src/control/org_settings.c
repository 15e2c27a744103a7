/* org_settings.c - what holds for a whole organisation: its usage and rate limits. */
#include "control/field.h"
#include "control/handlers.h"
#include "control/limits.h"
#include "control/meters.h"
#include "control/publish.h"
#include "control/sql.h"

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
	ag_call_strip(obj);
	ag_call_ok(c, obj);
}

struct settings_body {
	bool has_usage, has_rates, reset_usage;
	struct json_object *usage, *rates; /* owned, stored form */
};

static int
settings_body_read(struct ag_call *c, struct settings_body *b)
{
	static const char *const unserved[] = { "api_key_metadata_schema", "workspace_metadata_schema",
		NULL };

	if (ag_field_refuse(c, c->body, unserved, "") < 0 ||
	    ag_field_bool(c, c->body, "reset_usage", &b->reset_usage) == AG_FIELD_BAD ||
	    ag_limits_usage_member(c, c->body, "usage_limits", AG_LIMITS_ARRAY, &b->has_usage,
	    &b->usage) < 0)
		return -1;
	return ag_limits_rate_member(c, c->body, "rate_limits", AG_LIMITS_ARRAY, &b->has_rates,
	    &b->rates);
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
	    read_settings(c, &before) == 0 && store(c, &b, uuid) == 0 &&
	    read_settings(c, &after) == 0 &&
	    ag_call_audit(c, "update", "organisation_settings", uuid, before, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
	json_object_put(before);
	json_object_put(after);
	json_object_put(b.usage);
	json_object_put(b.rates);
}
