/* org_defaults.c - guardrails an organisation presets for all its workspaces, and workspaces exempt from them. */
#include <stdio.h>

#include "control/field.h"
#include "control/handlers.h"
#include "control/publish.h"
#include "control/sql_settings.h"

#define GUARDRAILS_MAX 100

/* What is preset binds all workspaces: a key of one of them may not touch it. */
static int
need_whole_org(struct ag_call *c)
{
	if (c->actor.workspace_id == 0)
		return 0;
	return ag_call_fail(c, 403, "AB03", "the API key belongs to a workspace, not to the organisation");
}

static int
read_defaults(struct ag_call *c, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	if (ag_call_json(c, SQL_ORG_DEFAULTS_GET, &a, out) < 0)
		return -1;
	return *out ? 0 : ag_call_not_found(c, "organisation", c->org_name);
}

void
ag_org_defaults_get(struct ag_call *c)
{
	struct json_object *obj = NULL;

	if (need_whole_org(c) < 0 || read_defaults(c, &obj) < 0)
		return;
	ag_call_tag(c, obj);
	ag_call_strip(obj);
	ag_call_ok(c, obj);
}

/* A guardrail of the organisation by slug or id, as {id, slug}.  Guardrails are not served yet, so there
 * is none to be found. */
static struct json_object *
find_guardrail(struct ag_call *c, const char *name, const char *path)
{
	ag_call_invalid(c, "%s: there is no guardrail \"%.255s\"", path, name);
	return NULL;
}

/* One of the two lists, checked, into patch. */
static int
read_list(struct ag_call *c, const char *name, struct json_object *patch)
{
	struct json_object *given = NULL, *list;
	enum ag_field f = ag_field_array(c, c->body, name, &given);
	char path[64];

	if (f == AG_FIELD_ABSENT)
		return 0;
	if (f == AG_FIELD_BAD)
		return -1;
	list = json_object_new_array();
	json_object_object_add(patch, name, list);
	if (given && json_object_array_length(given) > GUARDRAILS_MAX)
		return ag_call_invalid(c, "%s: at most %d", name, GUARDRAILS_MAX);
	for (size_t i = 0; given && i < json_object_array_length(given); i++) {
		struct json_object *one = json_object_array_get_idx(given, i), *found;

		snprintf(path, sizeof(path), "%s[%zu]", name, i);
		if (!json_object_is_type(one, json_type_string))
			return ag_call_invalid(c, "%s: must be the slug or id of a guardrail", path);
		found = find_guardrail(c, json_object_get_string(one), path);
		if (!found)
			return -1;
		json_object_array_add(list, found);
	}
	return 0;
}

static int
merge(struct ag_call *c, struct json_object *patch)
{
	struct ag_pg_args a = { 0 };
	PGresult *res;

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_json(&a, patch);
	res = ag_call_sql(c, SQL_SETTINGS_MERGE, &a);
	PQclear(res);
	return res ? 0 : -1;
}

void
ag_org_defaults_update(struct ag_call *c)
{
	struct json_object *before = NULL, *after = NULL, *uuid, *patch = json_object_new_object();

	if (need_whole_org(c) == 0 && read_list(c, "input_guardrails", patch) == 0 &&
	    read_list(c, "output_guardrails", patch) == 0 && read_defaults(c, &before) == 0 &&
	    ag_call_match(c, before) == 0 && merge(c, patch) == 0 && read_defaults(c, &after) == 0 &&
	    json_object_object_get_ex(before, "_uuid", &uuid) &&
	    ag_call_audit(c, "update", "organisation_defaults", json_object_get_string(uuid), before, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0) {
		ag_call_tag(c, after);
		ag_call_ok(c, NULL);
	}
	json_object_put(patch);
	json_object_put(before);
	json_object_put(after);
}

/* ---- exclusions ---- */

static const struct direction {
	const char *name, *list, *clear, *set;
} directions[] = {
	{ "input-guardrails", SQL_EXCLUSIONS_LIST("skips_input_guardrails"),
	  SQL_EXCLUSIONS_CLEAR("skips_input_guardrails"), SQL_EXCLUSIONS_SET("skips_input_guardrails") },
	{ "output-guardrails", SQL_EXCLUSIONS_LIST("skips_output_guardrails"),
	  SQL_EXCLUSIONS_CLEAR("skips_output_guardrails"), SQL_EXCLUSIONS_SET("skips_output_guardrails") },
};

static const struct direction *
direction_in_path(struct ag_call *c)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(directions); i++)
		if (strcmp(directions[i].name, c->arg[0]) == 0)
			return &directions[i];
	ag_call_not_found(c, "kind of exclusion", c->arg[0]);
	return NULL;
}

static int
read_exclusions(struct ag_call *c, const struct direction *d, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	return ag_call_json(c, d->list, &a, out);
}

void
ag_exclusions_list(struct ag_call *c)
{
	const struct direction *d = direction_in_path(c);
	struct json_object *list = NULL, *data;

	if (!d || need_whole_org(c) < 0 || read_exclusions(c, d, &list) < 0)
		return;
	json_object_object_get_ex(list, "data", &data);
	json_object_object_add(list, "workspaces", json_object_get(data)); /* as the update calls them */
	ag_call_ok(c, list);
}

static int
set_one(struct ag_call *c, const struct direction *d, struct json_object *one, size_t i)
{
	char id_path[64], flag_path[64];
	const char *name = NULL;
	bool is_excluded = true;
	struct ag_pg_args a = { 0 };
	int64_t workspace_id;
	PGresult *res;

	snprintf(id_path, sizeof(id_path), "workspaces[%zu].workspace_id", i);
	snprintf(flag_path, sizeof(flag_path), "workspaces[%zu].excluded", i);
	if (!json_object_is_type(one, json_type_object))
		return ag_call_invalid(c, "workspaces[%zu]: must be {workspace_id, excluded}", i);
	if (ag_field_text(c, one, id_path, AG_SLUG_MAX, &name) == AG_FIELD_BAD ||
	    ag_field_bool(c, one, flag_path, &is_excluded) == AG_FIELD_BAD)
		return -1;
	if (!name)
		return ag_call_invalid(c, "%s: is required", id_path);
	if (ag_workspace_resolve(c, name, true, &workspace_id) < 0)
		return -1;
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_bool(&a, is_excluded);
	res = ag_call_sql(c, d->set, &a);
	PQclear(res);
	return res ? 0 : -1;
}

static int
set_all(struct ag_call *c, const struct direction *d)
{
	struct json_object *workspaces = NULL;
	struct ag_pg_args a = { 0 };
	bool override = false;
	PGresult *res;

	if (ag_field_array(c, c->body, "workspaces", &workspaces) == AG_FIELD_BAD ||
	    ag_field_bool(c, c->body, "override_existing", &override) == AG_FIELD_BAD)
		return -1;
	if (!workspaces)
		return ag_call_invalid(c, "workspaces: is required, an array of {workspace_id, excluded}");
	if (override) {
		ag_pg_arg_i64(&a, c->actor.org_id);
		res = ag_call_sql(c, d->clear, &a);
		PQclear(res);
		if (!res)
			return -1;
	}
	for (size_t i = 0; i < json_object_array_length(workspaces); i++)
		if (set_one(c, d, json_object_array_get_idx(workspaces, i), i) < 0)
			return -1;
	return 0;
}

void
ag_exclusions_update(struct ag_call *c)
{
	const struct direction *d = direction_in_path(c);
	struct json_object *before = NULL, *after = NULL;

	if (d && need_whole_org(c) == 0 && read_exclusions(c, d, &before) == 0 && set_all(c, d) == 0 &&
	    read_exclusions(c, d, &after) == 0 &&
	    ag_call_audit(c, "update", "guardrail_exclusion", NULL, before, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
	json_object_put(before);
	json_object_put(after);
}
