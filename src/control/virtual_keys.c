/* virtual_keys.c - a provider with a credential of its own, as the older API knows it.
 *
 * Below it stands an integration of the workspace, made for it alone; every other provider is seen
 * as a virtual key too, but its credential is its integration's. */
#include <stdio.h>

#include "base/json.h"
#include "control/family.h"
#include "control/field.h"
#include "control/providers.h"
#include "control/publish.h"
#include "control/sql_providers.h"

/* What this API says in members of its own, as settings of an integration of that family. */
static const struct {
	const char *member, *family, *setting;
} settings[] = {
	{ "apiVersion", "azure-openai", NULL }, /* both of one deployment */
	{ "deploymentName", "azure-openai", NULL },
	{ "deploymentConfig", "azure-openai", NULL },
	{ "resourceName", "azure-openai", "azure_resource_name" },
	{ "awsAccessKeyId", "bedrock", "aws_access_key_id" },
	{ "awsSecretAccessKey", "bedrock", "aws_secret_access_key" },
	{ "awsRegion", "bedrock", "aws_region" },
	{ "vertexProjectId", "vertex-ai", "vertex_project_id" },
	{ "vertexRegion", "vertex-ai", "vertex_region" },
	{ "workersAiAccountId", "workers-ai", "workers_ai_account_id" },
};

static const char *const unserved[] = { "secret_mappings", "configurations", NULL };

void
ag_virtual_key_list(struct ag_call *c)
{
	ag_provider_answer_list(c, SQL_VIRTUAL_KEY_LIST);
}

/* The SDKs name no workspace here: with an admin key the slug must then tell. */
static int
workspace_of_slug(struct ag_call *c, int64_t *out_id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct json_object *named = NULL;
	struct ag_pg_args a = { 0 };

	if (c->actor.workspace_id || ag_call_query(c, "workspace_id") ||
	    (c->body && json_object_object_get_ex(c->body, "workspace_id", &named)))
		return ag_provider_workspace(c, out_id);
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, c->arg[0]);
	res = ag_call_sql(c, SQL_VIRTUAL_KEY_WORKSPACES, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_not_found(c, "virtual key", c->arg[0]);
	if (PQntuples(res) > 1)
		return ag_call_invalid(c, "workspace_id: is required, several workspaces have a virtual "
		    "key \"%s\"", c->arg[0]);
	*out_id = ag_pg_i64(res, 0, 0);
	return 0;
}

void
ag_virtual_key_get(struct ag_call *c)
{
	int64_t workspace_id;

	if (workspace_of_slug(c, &workspace_id) == 0)
		ag_provider_answer_one(c, SQL_VIRTUAL_KEY_GET, workspace_id);
}

/* Some clients read the slug in "data", others beside it. */
static void
answer_made(struct ag_call *c, const struct ag_provider_ref *ref)
{
	struct json_object *answer = ag_provider_made(ref), *data = json_object_new_object();

	json_object_object_add(data, "slug", json_object_new_string(ref->slug));
	json_object_object_add(answer, "success", json_object_new_boolean(true));
	json_object_object_add(answer, "data", data);
	json_object_object_add(answer, "object", json_object_new_string("virtual-key"));
	ag_call_ok(c, answer);
}

/* ---- settings of clouds ---- */

static struct json_object *
member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, name, &v);
	return v;
}

static void
put(struct json_object *to, const char *name, struct json_object *value)
{
	if (value)
		json_object_object_add(to, name, json_object_get(value));
}

static struct json_object *
deployment_new(struct json_object *said)
{
	struct json_object *one = json_object_new_object();

	put(one, "azure_deployment_name", member(said, "deploymentName"));
	put(one, "azure_api_version", member(said, "apiVersion"));
	put(one, "alias", member(said, "alias"));
	put(one, "is_default", member(said, "is_default"));
	return one;
}

/* What a change does not say of the one deployment that stands. */
static void
complete(struct json_object *one, struct json_object *standing)
{
	static const char *const members[] = { "azure_deployment_name", "azure_api_version", "alias" };

	if (ag_json_len(standing) != 1)
		return;
	for (size_t i = 0; i < AG_ARRAY_LEN(members); i++)
		if (!member(one, members[i]))
			put(one, members[i], member(ag_json_at(standing, 0), members[i]));
}

/* One deployment beside the key, or a list of them. */
static int
add_deployments(struct ag_call *c, struct json_object *conf)
{
	struct json_object *said = member(c->body, "deploymentConfig"), *list, *one;
	bool has_one = member(c->body, "deploymentName") || member(c->body, "apiVersion");

	if (!said && !has_one)
		return 0;
	if (said && has_one)
		return ag_call_invalid(c, "deploymentConfig, deploymentName, apiVersion: a list, or one: not both");
	if (said && !json_object_is_type(said, json_type_array))
		return ag_call_invalid(c, "deploymentConfig: must be an array");
	list = json_object_new_array();
	for (size_t i = 0; i < ag_json_len(said); i++)
		json_object_array_add(list, deployment_new(ag_json_at(said, i)));
	if (has_one) {
		one = deployment_new(c->body);
		complete(one, member(conf, "azure_deployment_config"));
		json_object_object_add(one, "is_default", json_object_new_boolean(true));
		json_object_array_add(list, one);
	}
	json_object_object_add(conf, "azure_deployment_config", list);
	return 0;
}

static void
put_unless_said(struct json_object *conf, const char *name, const char *value)
{
	if (!member(conf, name))
		json_object_object_add(conf, name, json_object_new_string(value));
}

/* Lays what the body says over conf; null takes away. */
static int
take_settings(struct ag_call *c, const char *family, struct json_object *conf)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(settings); i++) {
		struct json_object *value = NULL;

		if (!json_object_object_get_ex(c->body, settings[i].member, &value))
			continue;
		if (value && strcmp(settings[i].family, family) != 0)
			return ag_call_invalid(c, "%s: is a setting of %s, not of %s", settings[i].member,
			    settings[i].family, family);
		if (!value && settings[i].setting)
			json_object_object_del(conf, settings[i].setting);
		if (settings[i].setting)
			put(conf, settings[i].setting, value);
	}
	if (strcmp(family, "azure-openai") == 0)
		put_unless_said(conf, "azure_auth_mode", "default");
	if (member(conf, "aws_access_key_id"))
		put_unless_said(conf, "aws_auth_type", "accessKey");
	if (member(conf, "vertex_project_id"))
		put_unless_said(conf, "vertex_auth_type", "basic");
	return add_deployments(c, conf);
}

static int
read_settings(struct ag_call *c, struct json_object *conf)
{
	const char *provider = NULL, *family = NULL;
	struct ag_family_needs needs;

	if (ag_field_text(c, c->body, "provider", 64, &provider) == AG_FIELD_BAD)
		return -1;
	if (!provider || ag_family_find(ag_str(provider), &needs, &family) != AG_FAMILY_SPOKEN)
		return 0; /* which is told soon enough */
	return take_settings(c, family, conf);
}

/* ---- making, changing, deleting ---- */

static int
body_read(struct ag_call *c, struct ag_provider_body *b)
{
	if (ag_field_refuse(c, c->body, unserved, "") < 0)
		return -1;
	return ag_provider_body_read(c, b);
}

void
ag_virtual_key_create(struct ag_call *c)
{
	struct ag_provider_body b = { 0 };
	struct ag_provider_ref ref = { .owns_integration = true };
	struct json_object *after = NULL, *conf;
	int64_t workspace_id, grant_id = 0;

	if (body_read(c, &b) < 0 || ag_provider_workspace(c, &workspace_id) < 0) {
		ag_provider_body_fini(&b);
		return;
	}
	conf = json_object_new_object();
	if (!b.name)
		ag_call_invalid(c, "name: is required");
	else if (read_settings(c, conf) == 0 &&
	    ag_integration_own(c, workspace_id, b.name, conf, &ref.integration_id, &grant_id) == 0 &&
	    ag_provider_make(c, workspace_id, grant_id, &b, &ref) == 0 &&
	    ag_provider_read(c, workspace_id, ref.uuid, &after) == 0 &&
	    ag_call_audit(c, "create", "provider", ref.uuid, NULL, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		answer_made(c, &ref);
	json_object_put(conf);
	json_object_put(after);
	ag_provider_body_fini(&b);
}

/* The first member of the body that is one of the integration's; NULL: none. */
static const char *
said_of_integration(struct ag_call *c)
{
	if (c->body && json_object_object_get_ex(c->body, "custom_host", NULL))
		return "custom_host";
	for (size_t i = 0; c->body && i < AG_ARRAY_LEN(settings); i++)
		if (json_object_object_get_ex(c->body, settings[i].member, NULL))
			return settings[i].member;
	return NULL;
}

/* "" takes the custom host away, as null does. */
static void
take_host(struct ag_call *c, struct json_object *conf)
{
	struct json_object *host = NULL;

	if (!json_object_object_get_ex(c->body, "custom_host", &host))
		return;
	json_object_object_del(conf, "custom_host");
	if (host && !(json_object_is_type(host, json_type_string) && json_object_get_string_len(host) == 0))
		put(conf, "custom_host", host);
}

/* The family is that of the credential. */
static int
check_provider(struct ag_call *c, const char *family)
{
	struct ag_family_needs needs;
	const char *said = NULL, *name = NULL;

	if (ag_field_text(c, c->body, "provider", 64, &said) == AG_FIELD_BAD)
		return -1;
	if (said && (ag_family_find(ag_str(said), &needs, &name) != AG_FAMILY_SPOKEN || strcmp(name, family) != 0))
		return ag_call_invalid(c, "provider: is %s and stays so: make another virtual key", family);
	return 0;
}

static int
change_own(struct ag_call *c, const struct ag_provider_ref *ref, const char *name, bool has_settings)
{
	struct json_object *before = NULL, *conf = NULL;
	const char *family;
	int rc = ag_integration_read(c, ref->integration_id, &before);

	if (rc == 0) {
		family = json_object_get_string(member(before, "ai_provider_id"));
		rc = check_provider(c, family);
	}
	if (rc == 0 && has_settings) {
		conf = json_tokener_parse(json_object_to_json_string(member(before, "configurations")));
		if (!json_object_is_type(conf, json_type_object)) {
			json_object_put(conf);
			conf = json_object_new_object();
		}
		take_host(c, conf);
		rc = take_settings(c, family, conf);
	}
	if (rc == 0)
		rc = ag_integration_change_own(c, ref->integration_id, before, name, conf);
	json_object_put(conf);
	json_object_put(before);
	return rc;
}

/* What of the body is its integration's. */
static int
change_integration(struct ag_call *c, const struct ag_provider_ref *ref, const char *name)
{
	const char *setting = said_of_integration(c);

	if (ref->owns_integration)
		return change_own(c, ref, name, setting != NULL);
	if (c->body && member(c->body, "key"))
		return ag_call_invalid(c, "key: the credential is that of integration \"%s\"; "
		    "change it there", ref->integration_slug);
	if (setting && member(c->body, setting))
		return ag_call_invalid(c, "%s: the settings are those of integration \"%s\"; change them there",
		    setting, ref->integration_slug);
	return 0;
}

void
ag_virtual_key_update(struct ag_call *c)
{
	struct json_object *before = NULL, *after = NULL;
	struct ag_provider_body b = { 0 };
	struct ag_provider_ref ref;
	int64_t workspace_id;

	if (body_read(c, &b) == 0 && workspace_of_slug(c, &workspace_id) == 0 &&
	    ag_provider_lock(c, workspace_id, c->arg[0], &ref) == 0 &&
	    ag_provider_read(c, workspace_id, ref.uuid, &before) == 0 && ag_call_match(c, before) == 0 &&
	    change_integration(c, &ref, b.name) == 0 && ag_provider_change(c, &ref, &b) == 0 &&
	    ag_provider_read(c, workspace_id, ref.uuid, &after) == 0 &&
	    ag_call_audit(c, "update", "provider", ref.uuid, before, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0) {
		ag_call_tag(c, after);
		answer_made(c, &ref);
	}
	json_object_put(before);
	json_object_put(after);
	ag_provider_body_fini(&b);
}

void
ag_virtual_key_delete(struct ag_call *c)
{
	int64_t workspace_id;

	if (workspace_of_slug(c, &workspace_id) == 0)
		ag_provider_delete_in(c, workspace_id);
}
