/* noun.c - the table of nouns. */
#include "tools/aigatectl/noun.h"

#include <assert.h>
#include <json-c/json.h>
#include <string.h>

#include "base/json.h"
#include "base/mask.h"

#define LIMITS "usage_limits rate_limits"

static const struct ctl_noun nouns[] = {
	{ .name = "org", .plural = "organisation", .path = "/v1/admin/organisation/settings",
	  .verbs = CTL_VERB_SHOW | CTL_VERB_UPDATE,
	  .members = LIMITS " api_key_metadata_schema workspace_metadata_schema saved_only"
	             " api_key_max_lifetime_days user_api_key_max_lifetime_days",
	  .columns = "name " LIMITS " saved_only api_key_max_lifetime_days user_api_key_max_lifetime_days"
	             " api_key_metadata_schema workspace_metadata_schema" },
	{ .name = "workspace", .plural = "workspaces", .path = "/v1/admin/workspaces", .list = "data",
	  .identity = "slug", .handle = "slug", .verbs = CTL_VERBS, .is_short = true,
	  .members = "slug name description icon defaults settings security_settings " LIMITS " users",
	  .fixed = "slug", .subs = "users",
	  .columns = "slug name status " LIMITS },
	{ .name = "member", .path = "/v1/admin/workspaces/{}/users", .list = "data", .identity = "email",
	  .handle = "id", .wrap = "users", .parent = "workspace", .home = CTL_HOME_PARENT, .verbs = CTL_VERBS,
	  .members = "id role", .columns = "id email role org_role status" },
	{ .name = "secret-reference", .plural = "secret_references", .path = "/v1/secret-references",
	  .list = "data", .identity = "slug", .handle = "slug", .verbs = CTL_VERBS,
	  .members = "slug name description manager_type auth_config secret_path secret_key"
	             " allow_all_workspaces allowed_workspaces allowed_hosts tags",
	  .fixed = "slug manager_type", .secrets = "auth_config.vault_token auth_config.secret_id",
	  .columns = "slug name manager_type secret_path status last_error" },
	{ .name = "integration", .plural = "integrations", .path = "/v1/integrations", .list = "data",
	  .identity = "slug", .handle = "slug", .verbs = CTL_VERBS, .is_short = true,
	  .members = "slug name ai_provider_id description workspace_id key configurations secret_mappings"
	             " pricing_adjustments allow_all_models models global_workspace_access workspaces",
	  .fixed = "slug ai_provider_id workspace_id",
	  .secrets = "key",
	  .subs = "allow_all_models models global_workspace_access workspaces",
	  .columns = "slug name ai_provider_id status created_at" },
	{ .name = "model", .path = "/v1/integrations/{}/models", .list = "models", .identity = "slug",
	  .handle = "slug", .wrap = "models", .parent = "integration", .home = CTL_HOME_PARENT,
	  .verbs = CTL_VERB_LIST | CTL_VERB_SHOW | CTL_VERB_CREATE | CTL_VERB_UPDATE | CTL_VERB_DELETE,
	  .is_upsert = true, .members = "slug enabled is_custom is_finetune base_model_slug pricing_config",
	  .columns = "slug enabled is_custom base_model_slug pricing_config" },
	{ .name = "provider", .plural = "providers", .path = "/v1/providers", .list = "data", .identity = "slug",
	  .handle = "slug", .home = CTL_HOME_QUERY, .verbs = CTL_VERBS,
	  .members = "slug name workspace_id integration_id note expires_at " LIMITS,
	  .fixed = "slug workspace_id integration_id", .columns = "slug name integration_id status " LIMITS },
	{ .name = "guardrail", .plural = "guardrails", .path = "/v1/guardrails", .list = "data",
	  .identity = "name", .handle = "slug", .home = CTL_HOME_EITHER, .verbs = CTL_VERBS, .is_short = true,
	  .members = "name workspace_id checks actions", .fixed = "name workspace_id",
	  .columns = "slug name workspace_id status" },
	{ .name = "config", .plural = "configs", .path = "/v1/configs", .list = "data", .identity = "name",
	  .handle = "slug", .home = CTL_HOME_WORKSPACE, .verbs = CTL_VERBS, .is_short = true,
	  .members = "name workspace_id config is_default", .fixed = "name workspace_id",
	  .columns = "slug name workspace_id is_default status" },
	{ .name = "policy", .plural = "usage_policies", .path = "/v1/policies/usage-limits", .list = "data",
	  .identity = "name", .handle = "id", .home = CTL_HOME_WORKSPACE, .verbs = CTL_VERBS,
	  .members = "name workspace_id description conditions group_by type credit_limit alert_threshold"
	             " periodic_reset periodic_reset_days enforcement on_exhaust",
	  .fixed = "name workspace_id type group_by",
	  .columns = "id name workspace_id type credit_limit alert_threshold periodic_reset enforcement" },
	{ .name = "rate-policy", .plural = "rate_policies", .path = "/v1/policies/rate-limits", .list = "data",
	  .identity = "name", .handle = "id", .home = CTL_HOME_WORKSPACE, .verbs = CTL_VERBS,
	  .members = "name workspace_id description conditions group_by type unit value target",
	  .fixed = "name workspace_id type group_by target", .columns = "id name workspace_id type unit value" },
	{ .name = "key", .plural = "keys", .path = "/v1/api-keys", .make = "/v1/api-keys/workspace/service",
	  .list = "data", .identity = "name", .handle = "id", .home = CTL_HOME_WORKSPACE, .verbs = CTL_VERBS,
	  .members = "id name workspace_id user_id description scopes defaults " LIMITS " alert_emails expires_at"
	             " rotation_policy",
	  .fixed = "id name workspace_id user_id", .columns = "id name key type status workspace_id " LIMITS },
	{ .name = "org-defaults", .plural = "organisation_defaults", .path = "/v1/admin/organisation/defaults",
	  .verbs = CTL_VERB_SHOW | CTL_VERB_UPDATE, .members = "input_guardrails", .columns = "input_guardrails" },
	{ .name = "user", .plural = "users", .path = "/v1/admin/users", .list = "data", .identity = "email",
	  .handle = "id", .verbs = CTL_VERB_LIST | CTL_VERB_SHOW | CTL_VERB_UPDATE | CTL_VERB_DELETE,
	  .members = "email role", .fixed = "email",
	  .columns = "id email role first_name last_name created_at" },
	{ .name = "invite", .path = "/v1/admin/users/invites", .list = "data", .identity = "email", .handle = "id",
	  .verbs = CTL_VERB_LIST | CTL_VERB_SHOW | CTL_VERB_CREATE | CTL_VERB_DELETE,
	  .members = "email role workspaces workspace_api_key_details",
	  .columns = "id email role status expires_at" },
	{ .name = "virtual-key", .path = "/v1/virtual-keys", .list = "data", .identity = "slug", .handle = "slug",
	  .home = CTL_HOME_QUERY, .verbs = CTL_VERBS, .secrets = "key",
	  .members = "slug name workspace_id provider key custom_host note expires_at " LIMITS,
	  .columns = "slug name provider status " LIMITS },
	{ .name = "audit", .path = "/v1/audit-logs", .list = "records", .verbs = CTL_VERB_LIST,
	  .columns = "timestamp method uri response_status_code user_type user_id action resource_type client_ip" },
};

const struct ctl_noun *
ctl_noun_at(size_t i)
{
	return i < AG_ARRAY_LEN(nouns) ? &nouns[i] : NULL;
}

const struct ctl_noun *
ctl_noun_find(const char *name)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(nouns); i++)
		if (strcmp(nouns[i].name, name) == 0)
			return &nouns[i];
	return strcmp(name, "organisation") == 0 ? &nouns[0] : NULL;
}

const char *
ctl_verb_name(enum ctl_verb verb)
{
	switch (verb) {
	case CTL_VERB_LIST: return "list";
	case CTL_VERB_SHOW: return "show";
	case CTL_VERB_CREATE: return "create";
	case CTL_VERB_UPDATE: return "update";
	case CTL_VERB_DELETE: return "delete";
	case CTL_VERBS: break;
	}
	return "";
}

bool
ctl_has_word(const char *words, const char *word, size_t n)
{
	for (const char *p = words; p && *p;) {
		size_t len = strcspn(p, " ");

		if (len == n && strncmp(p, word, n) == 0)
			return true;
		p += len + (p[len] == ' ');
	}
	return false;
}

bool
ctl_is_masked_as(const char *secret, const char *mask)
{
	char own[AG_MASK_LEN];

	ag_secret_mask(ag_str(secret), own);
	return strcmp(own, mask) == 0;
}

/* ---- paths and lists ---- */

const char *
ctl_noun_path(const struct ctl_noun *noun, const char *home, const char *handle)
{
	static char path[2048];
	const char *hole = strstr(noun->path, "{}");
	struct ag_buf b;

	ag_buf_init(&b, sizeof(path) - 1);
	ag_buf_put(&b, noun->path, hole ? (size_t)(hole - noun->path) : strlen(noun->path));
	if (hole) {
		assert(home);
		ctl_put_segment(&b, home);
		ag_buf_puts(&b, hole + 2);
	}
	if (handle) {
		ag_buf_putc(&b, '/');
		ctl_put_segment(&b, handle);
	}
	if (noun->home == CTL_HOME_QUERY && home) {
		ag_buf_puts(&b, "?workspace_id=");
		ctl_put_segment(&b, home);
	}
	ag_str_copy(b.failed ? AG_STR("/") : ag_buf_str(&b), path, sizeof(path));
	ag_buf_fini(&b);
	return path;
}

#define PAGE 1000

enum ctl_exit
ctl_noun_list(struct ctl *ctl, const struct ctl_noun *noun, const char *home, struct json_object **out)
{
	struct json_object *all = json_object_new_array();
	enum ctl_exit status = CTL_OK;
	bool is_more = true;

	for (int page = 0; status == CTL_OK && is_more; page++) {
		const char *base = ctl_noun_path(noun, home, NULL);
		struct json_object *answer = NULL, *data;
		char path[2200];
		size_t n;

		snprintf(path, sizeof(path), "%s%cpage_size=%d&current_page=%d", base, strchr(base, '?') ? '&' : '?',
		         PAGE, page);
		status = ctl_api(ctl, "GET", path, NULL, &answer);
		data = ctl_json_at(answer, noun->list);
		n = ag_json_len(data);
		for (size_t i = 0; i < n; i++)
			json_object_array_add(all, json_object_get(ag_json_at(data, i)));
		is_more = n == PAGE && !noun->is_upsert;
		json_object_put(answer);
	}
	if (status == CTL_OK)
		*out = all;
	else
		json_object_put(all);
	return status;
}
