/* virtual_keys.c - a provider with a credential of its own, as the older API knows it.
 *
 * Below it stands an integration of the workspace, made for it alone; every other provider is seen
 * as a virtual key too, but its credential is its integration's. */
#include "control/field.h"
#include "control/providers.h"
#include "control/publish.h"
#include "control/sql_providers.h"

/* Of families that are not spoken here. */
static const char *const unserved[] = { "apiVersion", "resourceName", "deploymentName",
	"deploymentConfig", "awsAccessKeyId", "awsSecretAccessKey", "awsRegion", "vertexProjectId",
	"vertexRegion", "workersAiAccountId", "secret_mappings", NULL };

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
	struct json_object *after = NULL;
	int64_t workspace_id, grant_id = 0;

	if (body_read(c, &b) < 0 || ag_provider_workspace(c, &workspace_id) < 0) {
		ag_provider_body_fini(&b);
		return;
	}
	if (!b.name)
		ag_call_invalid(c, "name: is required");
	else if (ag_integration_own(c, workspace_id, b.name, &ref.integration_id, &grant_id) == 0 &&
	    ag_provider_make(c, workspace_id, grant_id, &b, &ref) == 0 &&
	    ag_provider_read(c, workspace_id, ref.uuid, &after) == 0 &&
	    ag_call_audit(c, "create", "provider", ref.uuid, NULL, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		answer_made(c, &ref);
	json_object_put(after);
	ag_provider_body_fini(&b);
}

static int
change_credential(struct ag_call *c, const struct ag_provider_ref *ref, const char *name)
{
	struct json_object *key = NULL;

	if (ref->owns_integration)
		return ag_integration_rekey(c, ref->integration_id, ref->integration_uuid, name);
	if (c->body && json_object_object_get_ex(c->body, "key", &key) && key)
		return ag_call_invalid(c, "key: the credential is that of integration \"%s\"; "
		    "change it there", ref->integration_slug);
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
	    change_credential(c, &ref, b.name) == 0 && ag_provider_change(c, &ref, &b) == 0 &&
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
