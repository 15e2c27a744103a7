/* rule_defaults.c - configs and guardrails in force without being named: of an organisation, of a
 * workspace, of a key. */
#include <stdio.h>

#include "base/json.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/publish.h"
#include "control/rules.h"
#include "control/rules_sql.h"

#define DEFAULTS_MAX   20
#define WORKSPACES_MAX 1000

static struct json_object *
member(struct json_object *obj, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(obj, name, &v);
	return v;
}

static int
run(struct ag_call *c, const char *sql, const struct ag_pg_args *a)
{
	PGresult *res = ag_call_sql(c, sql, a);

	PQclear(res);
	return res ? 0 : -1;
}

/* ---- guardrails --------------------------------------------------------------------------- */

/* A slug, an id, or an object that holds one of them. */
static const char *
name_of(struct json_object *one)
{
	struct json_object *v = one;

	if (json_object_is_type(one, json_type_object))
		v = member(one, "slug") ? member(one, "slug") : member(one, "id");
	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
}

/* The list replaces what stands; workspace_id 0: of the organisation. */
static int
set_guardrails(struct ag_call *c, const char *path, int64_t workspace_id, struct json_object *list)
{
	size_t n = ag_json_len(list);
	struct ag_pg_args clear = { 0 };

	if (n > DEFAULTS_MAX)
		return ag_call_invalid(c, "%s: at most %d", path, DEFAULTS_MAX);
	ag_pg_arg_i64(&clear, c->actor.org_id);
	ag_pg_arg_i64(&clear, workspace_id);
	if (run(c, SQL_GUARDRAIL_DEFAULTS_CLEAR, &clear) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const char *name = name_of(ag_json_at(list, i));
		struct ag_pg_args a = { 0 };
		int64_t id;

		if (!name)
			return ag_call_invalid(c, "%s[%zu]: must be the slug of a guardrail", path, i);
		if (ag_guardrail_find(c, path, workspace_id, name, &id) < 0)
			return -1;
		ag_pg_arg_i64(&a, c->actor.org_id);
		ag_pg_arg_i64(&a, workspace_id);
		ag_pg_arg_i64(&a, id);
		ag_pg_arg_i64(&a, (int64_t)i);
		if (run(c, SQL_GUARDRAIL_DEFAULT_ADD, &a) < 0)
			return -1;
	}
	return 0;
}

/* ---- a workspace -------------------------------------------------------------------------- */

static int
set_user_config(struct ag_call *c, int64_t workspace_id, const char *name)
{
	struct ag_pg_args a = { 0 };
	char slug[AG_SLUG_MAX + 1];
	int64_t id;

	if (ag_config_find(c, "defaults.user_api_key_config", workspace_id, name, &id, slug) < 0)
		return -1;
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_i64(&a, id);
	return run(c, SQL_WORKSPACE_SET_USER_CONFIG, &a);
}

static int
set_config(struct ag_call *c, int64_t workspace_id, const char *name)
{
	char slug[AG_SLUG_MAX + 1];
	int64_t id;

	if (ag_config_find(c, "defaults.config_id", workspace_id, name, &id, slug) < 0)
		return -1;
	return ag_config_make_default(c, workspace_id, id);
}

/* config_id, or config_slug: the same thing under two names. */
static enum ag_field
config_member(struct ag_call *c, struct json_object *defaults, const char **out)
{
	enum ag_field f = ag_field_text(c, defaults, "defaults.config_id", AG_SLUG_MAX, out);

	return f == AG_FIELD_ABSENT
	    ? ag_field_text(c, defaults, "defaults.config_slug", AG_SLUG_MAX, out) : f;
}

int
ag_rules_of_workspace(struct ag_call *c, int64_t workspace_id)
{
	struct json_object *defaults = NULL, *list = NULL;
	const char *config = NULL, *user_config = NULL;
	enum ag_field f = ag_field_object(c, c->body, "defaults", &defaults), list_f, config_f, user_f;

	if (f == AG_FIELD_BAD)
		return -1;
	if (f == AG_FIELD_ABSENT)
		return 0;
	list_f = ag_field_array(c, defaults, "defaults.input_guardrails", &list);
	config_f = config_member(c, defaults, &config);
	user_f = ag_field_text(c, defaults, "defaults.user_api_key_config", AG_SLUG_MAX, &user_config);
	if (list_f == AG_FIELD_BAD || config_f == AG_FIELD_BAD || user_f == AG_FIELD_BAD)
		return -1;
	/* defaults null: none of them. */
	if ((f == AG_FIELD_NULL || list_f != AG_FIELD_ABSENT) &&
	    set_guardrails(c, "defaults.input_guardrails", workspace_id, list) < 0)
		return -1;
	if ((f == AG_FIELD_NULL || config_f != AG_FIELD_ABSENT) && set_config(c, workspace_id, config) < 0)
		return -1;
	if (f == AG_FIELD_NULL || user_f != AG_FIELD_ABSENT)
		return set_user_config(c, workspace_id, user_config);
	return 0;
}

/* ---- a key -------------------------------------------------------------------------------- */

int
ag_rules_of_key(struct ag_call *c, int64_t key_id, int64_t workspace_id)
{
	struct json_object *defaults = NULL;
	enum ag_field f = ag_field_object(c, c->body, "defaults", &defaults), config_f;
	char slug[AG_SLUG_MAX + 1];
	struct ag_pg_args a = { 0 };
	const char *name = NULL;
	int64_t id;

	if (f == AG_FIELD_BAD || f == AG_FIELD_ABSENT)
		return f == AG_FIELD_BAD ? -1 : 0;
	config_f = config_member(c, defaults, &name);
	if (config_f == AG_FIELD_BAD)
		return -1;
	if (f != AG_FIELD_NULL && config_f == AG_FIELD_ABSENT)
		return 0;
	if (name && !*name)
		name = NULL;
	if (name && workspace_id == 0)
		return ag_call_invalid(c, "defaults.config_id: an organisation's key makes no requests");
	if (ag_config_find(c, "defaults.config_id", workspace_id, name, &id, slug) < 0)
		return -1;
	ag_pg_arg_i64(&a, key_id);
	ag_pg_arg_text(&a, name ? slug : NULL);
	return run(c, SQL_KEY_SET_CONFIG, &a);
}

/* ---- an organisation ---------------------------------------------------------------------- */

static int
need_whole_org(struct ag_call *c)
{
	if (c->actor.workspace_id == 0)
		return 0;
	return ag_call_fail(c, 403, "AB03", "the API key belongs to a workspace, not to the organisation");
}

static int
read_on_org(struct ag_call *c, const char *sql, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	return ag_call_json(c, sql, &a, out);
}

void
ag_org_defaults_get(struct ag_call *c)
{
	struct json_object *obj = NULL;

	if (need_whole_org(c) == 0 && read_on_org(c, SQL_ORG_DEFAULTS, &obj) == 0)
		ag_call_ok(c, obj);
}

void
ag_org_defaults_update(struct ag_call *c)
{
	static const char *const unserved[] = { "output_guardrails", NULL };
	struct json_object *before = NULL, *after = NULL, *list = NULL;
	enum ag_field f;

	if (need_whole_org(c) < 0 || ag_field_refuse(c, c->body, unserved, "") < 0)
		return;
	f = ag_field_array(c, c->body, "input_guardrails", &list);
	if (f != AG_FIELD_BAD && read_on_org(c, SQL_ORG_DEFAULTS, &before) == 0 &&
	    (f == AG_FIELD_ABSENT || set_guardrails(c, "input_guardrails", 0, list) == 0) &&
	    read_on_org(c, SQL_ORG_DEFAULTS, &after) == 0 &&
	    ag_call_audit(c, "update", "organisation_defaults", NULL, before, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
	json_object_put(before);
	json_object_put(after);
}

/* ---- exclusions --------------------------------------------------------------------------- */

void
ag_exclusions_get(struct ag_call *c)
{
	struct json_object *list = NULL, *data;

	if (need_whole_org(c) < 0 || read_on_org(c, SQL_EXCLUSIONS, &list) < 0)
		return;
	/* Nobody is exempt from checks on answers: there are none. */
	data = member(list, "data");
	for (size_t i = 0; strstr(c->uri, "output-guardrails") && i < ag_json_len(data); i++)
		json_object_object_add(ag_json_at(data, i), "excluded",
		    json_object_new_boolean(0));
	ag_call_ok(c, list);
}

static int
exclude(struct ag_call *c, struct json_object *one, size_t i)
{
	const char *name = NULL;
	struct ag_pg_args a = { 0 };
	bool excluded = false;
	char path[48];
	int64_t id;

	snprintf(path, sizeof(path), "workspaces[%zu].workspace_id", i);
	if (!json_object_is_type(one, json_type_object))
		return ag_call_invalid(c, "workspaces[%zu]: must be an object", i);
	if (ag_field_text(c, one, path, AG_SLUG_MAX, &name) == AG_FIELD_BAD)
		return -1;
	if (!name)
		return ag_call_invalid(c, "%s: is required", path);
	snprintf(path, sizeof(path), "workspaces[%zu].excluded", i);
	if (ag_field_bool(c, one, path, &excluded) == AG_FIELD_BAD ||
	    ag_workspace_resolve(c, name, true, &id) < 0)
		return -1;
	ag_pg_arg_i64(&a, id);
	return run(c, excluded ? SQL_EXCLUSION_ADD : SQL_EXCLUSION_DROP, &a);
}

static int
set_exclusions(struct ag_call *c)
{
	struct json_object *list = NULL;
	struct ag_pg_args a = { 0 };
	bool override = false;

	if (ag_field_bool(c, c->body, "override_existing", &override) == AG_FIELD_BAD ||
	    ag_field_array(c, c->body, "workspaces", &list) == AG_FIELD_BAD)
		return -1;
	if (!list || ag_json_len(list) > WORKSPACES_MAX)
		return ag_call_invalid(c, "workspaces: is required, an array of at most %d", WORKSPACES_MAX);
	ag_pg_arg_i64(&a, c->actor.org_id);
	if (override && run(c, SQL_EXCLUSIONS_CLEAR, &a) < 0)
		return -1;
	for (size_t i = 0; i < ag_json_len(list); i++)
		if (exclude(c, ag_json_at(list, i), i) < 0)
			return -1;
	return 0;
}

void
ag_exclusions_update(struct ag_call *c)
{
	struct json_object *before = NULL, *after = NULL;

	if (need_whole_org(c) == 0 && read_on_org(c, SQL_EXCLUSIONS, &before) == 0 &&
	    set_exclusions(c) == 0 && read_on_org(c, SQL_EXCLUSIONS, &after) == 0 &&
	    ag_call_audit(c, "update", "guardrail_exclusions", NULL, before, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
	json_object_put(before);
	json_object_put(after);
}

void
ag_output_exclusions_update(struct ag_call *c)
{
	(void)ag_call_fail(c, 501, "AB04", "not implemented by this gateway: checks on answers");
}
