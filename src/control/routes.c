#include "control/routes.h"

#include <event2/http.h>
#include <stdlib.h>

#include "control/handlers.h"
#include "control/openapi.h"

#define NONE AG_SCOPE_NONE

static const struct ag_route routes[] = {
	{ "POST", "/v1/admin/workspaces", ag_workspace_create, AG_SCOPE_WORKSPACES_CREATE, 0 },
	{ "GET", "/v1/admin/workspaces", ag_workspace_list, AG_SCOPE_WORKSPACES_LIST, 0 },
	{ "GET", "/v1/admin/workspaces/{}", ag_workspace_get, AG_SCOPE_WORKSPACES_READ, 0 },
	{ "PUT", "/v1/admin/workspaces/{}", ag_workspace_update, AG_SCOPE_WORKSPACES_UPDATE, 0 },
	{ "DELETE", "/v1/admin/workspaces/{}", ag_workspace_delete, AG_SCOPE_WORKSPACES_DELETE, 0 },

	{ "POST", "/v1/admin/workspaces/{}/users", ag_member_add, AG_SCOPE_WORKSPACE_USERS_CREATE, 0 },
	{ "GET", "/v1/admin/workspaces/{}/users", ag_member_list, AG_SCOPE_WORKSPACE_USERS_LIST, 0 },
	{ "GET", "/v1/admin/workspaces/{}/users/{}", ag_member_get, AG_SCOPE_WORKSPACE_USERS_READ, 0 },
	{ "PUT", "/v1/admin/workspaces/{}/users/{}", ag_member_update, AG_SCOPE_WORKSPACE_USERS_UPDATE,
	    0 },
	{ "DELETE", "/v1/admin/workspaces/{}/users/{}", ag_member_remove,
	    AG_SCOPE_WORKSPACE_USERS_DELETE, 0 },

	{ "POST", "/v1/admin/users/invites", ag_invite_create, AG_SCOPE_ORGANISATION_USERS_CREATE, 0 },
	{ "GET", "/v1/admin/users/invites", ag_invite_list, AG_SCOPE_ORGANISATION_USERS_LIST, 0 },
	{ "GET", "/v1/admin/users/invites/{}", ag_invite_get, AG_SCOPE_ORGANISATION_USERS_READ, 0 },
	{ "DELETE", "/v1/admin/users/invites/{}", ag_invite_cancel, AG_SCOPE_ORGANISATION_USERS_DELETE,
	    0 },
	{ "POST", "/v1/admin/users/invites/{}/resend", ag_invite_resend,
	    AG_SCOPE_ORGANISATION_USERS_CREATE, 0 },
	{ "POST", "/v1/invites/accept", ag_invite_accept, NONE, AG_ROUTE_SIGNED },
	{ "GET", "/v1/admin/users", ag_user_list, AG_SCOPE_ORGANISATION_USERS_LIST, 0 },
	{ "GET", "/v1/admin/users/{}", ag_user_get, AG_SCOPE_ORGANISATION_USERS_READ, 0 },
	{ "PUT", "/v1/admin/users/{}", ag_user_update, AG_SCOPE_ORGANISATION_USERS_UPDATE, 0 },
	{ "DELETE", "/v1/admin/users/{}", ag_user_delete, AG_SCOPE_ORGANISATION_USERS_DELETE, 0 },

	{ "GET", "/v1/api-keys", ag_api_key_list, NONE, 0 },
	{ "POST", "/v1/api-keys/{}/rotate", ag_api_key_rotate, NONE, 0 },
	{ "POST", "/v1/api-keys/{}/new-secret", ag_api_key_tell, NONE, 0 },
	{ "POST", "/v1/api-keys/{}/{}", ag_api_key_create, NONE, 0 },
	{ "GET", "/v1/api-keys/{}", ag_api_key_get, NONE, 0 },
	{ "GET", "/v1/api-keys/{}/limits", ag_api_key_limits, NONE, 0 },
	{ "PUT", "/v1/api-keys/{}", ag_api_key_update, NONE, 0 },
	{ "DELETE", "/v1/api-keys/{}", ag_api_key_delete, NONE, 0 },
	{ "DELETE", "/v1/api-keys/{}/former-secret", ag_api_key_forget, NONE, 0 },

	{ "GET", "/v1/usage", ag_usage_get, NONE, 0 },

	{ "GET", "/v1/integrations", ag_integration_list, NONE, 0 },
	{ "POST", "/v1/integrations", ag_integration_create, NONE, 0 },
	{ "GET", "/v1/integrations/{}", ag_integration_get, NONE, 0 },
	{ "PUT", "/v1/integrations/{}", ag_integration_update, NONE, 0 },
	{ "DELETE", "/v1/integrations/{}", ag_integration_delete, NONE, 0 },
	{ "GET", "/v1/integrations/{}/models", ag_model_list, NONE, 0 },
	{ "PUT", "/v1/integrations/{}/models", ag_model_update, NONE, 0 },
	{ "DELETE", "/v1/integrations/{}/models", ag_model_delete, NONE, 0 },
	{ "GET", "/v1/integrations/{}/integration-models", ag_model_list, NONE, 0 },
	{ "PUT", "/v1/integrations/{}/integration-models", ag_model_update, NONE, 0 },
	{ "DELETE", "/v1/integrations/{}/integration-models", ag_model_delete, NONE, 0 },
	{ "GET", "/v1/integrations/{}/workspaces", ag_grant_list, NONE, 0 },
	{ "PUT", "/v1/integrations/{}/workspaces", ag_grant_update, NONE, 0 },

	{ "GET", "/v1/providers", ag_provider_list, AG_SCOPE_PROVIDERS_LIST, 0 },
	{ "POST", "/v1/providers", ag_provider_create, AG_SCOPE_PROVIDERS_CREATE, 0 },
	{ "GET", "/v1/providers/{}", ag_provider_get, AG_SCOPE_PROVIDERS_READ, 0 },
	{ "PUT", "/v1/providers/{}", ag_provider_update, AG_SCOPE_PROVIDERS_UPDATE, 0 },
	{ "DELETE", "/v1/providers/{}", ag_provider_delete, AG_SCOPE_PROVIDERS_DELETE, 0 },

	{ "GET", "/v1/virtual-keys", ag_virtual_key_list, AG_SCOPE_VIRTUAL_KEYS_LIST, 0 },
	{ "POST", "/v1/virtual-keys", ag_virtual_key_create, AG_SCOPE_VIRTUAL_KEYS_CREATE, 0 },
	{ "GET", "/v1/virtual-keys/{}", ag_virtual_key_get, AG_SCOPE_VIRTUAL_KEYS_READ, 0 },
	{ "PUT", "/v1/virtual-keys/{}", ag_virtual_key_update, AG_SCOPE_VIRTUAL_KEYS_UPDATE, 0 },
	{ "DELETE", "/v1/virtual-keys/{}", ag_virtual_key_delete, AG_SCOPE_VIRTUAL_KEYS_DELETE, 0 },

	{ "POST", "/v1/policies/usage-limits", ag_usage_policy_create, AG_SCOPE_POLICIES_CREATE, 0 },
	{ "GET", "/v1/policies/usage-limits", ag_usage_policy_list, AG_SCOPE_POLICIES_LIST, 0 },
	{ "GET", "/v1/policies/usage-limits/{}", ag_usage_policy_get, AG_SCOPE_POLICIES_READ, 0 },
	{ "PUT", "/v1/policies/usage-limits/{}", ag_usage_policy_update, AG_SCOPE_POLICIES_UPDATE, 0 },
	{ "DELETE", "/v1/policies/usage-limits/{}", ag_usage_policy_delete, AG_SCOPE_POLICIES_DELETE, 0 },
	{ "POST", "/v1/policies/rate-limits", ag_rate_policy_create, AG_SCOPE_POLICIES_CREATE, 0 },
	{ "GET", "/v1/policies/rate-limits", ag_rate_policy_list, AG_SCOPE_POLICIES_LIST, 0 },
	{ "GET", "/v1/policies/rate-limits/{}", ag_rate_policy_get, AG_SCOPE_POLICIES_READ, 0 },
	{ "PUT", "/v1/policies/rate-limits/{}", ag_rate_policy_update, AG_SCOPE_POLICIES_UPDATE, 0 },
	{ "DELETE", "/v1/policies/rate-limits/{}", ag_rate_policy_delete, AG_SCOPE_POLICIES_DELETE, 0 },
	{ "GET", "/v1/policies/usage-limits/{}/entities", ag_policy_value_list,
	    AG_SCOPE_POLICIES_READ, 0 },
	{ "PUT", "/v1/policies/usage-limits/{}/entities/{}/reset", ag_policy_value_reset,
	    AG_SCOPE_POLICIES_UPDATE, 0 },

	{ "GET", "/v1/admin/organisation/settings", ag_org_settings_get,
	    AG_SCOPE_ORGANISATION_SETTINGS_READ, 0 },
	{ "PUT", "/v1/admin/organisation/settings", ag_org_settings_update,
	    AG_SCOPE_ORGANISATION_SETTINGS_UPDATE, 0 },

	{ "POST", "/v1/configs", ag_config_create, AG_SCOPE_CONFIGS_CREATE, 0 },
	{ "GET", "/v1/configs", ag_config_list, AG_SCOPE_CONFIGS_LIST, 0 },
	{ "GET", "/v1/configs/{}", ag_config_get, AG_SCOPE_CONFIGS_READ, 0 },
	{ "GET", "/v1/configs/{}/versions", ag_config_versions, AG_SCOPE_CONFIGS_READ, 0 },
	{ "PUT", "/v1/configs/{}", ag_config_update, AG_SCOPE_CONFIGS_UPDATE, 0 },
	{ "DELETE", "/v1/configs/{}", ag_config_delete, AG_SCOPE_CONFIGS_DELETE, 0 },

	{ "POST", "/v1/guardrails", ag_guardrail_create, NONE, 0 },
	{ "GET", "/v1/guardrails", ag_guardrail_list, NONE, 0 },
	{ "GET", "/v1/guardrails/{}", ag_guardrail_get, NONE, 0 },
	{ "PUT", "/v1/guardrails/{}", ag_guardrail_update, NONE, 0 },
	{ "DELETE", "/v1/guardrails/{}", ag_guardrail_delete, NONE, 0 },

	{ "GET", "/v1/admin/organisation/defaults", ag_org_defaults_get,
	    AG_SCOPE_ORGANISATION_SETTINGS_READ, 0 },
	{ "PUT", "/v1/admin/organisation/defaults", ag_org_defaults_update,
	    AG_SCOPE_ORGANISATION_SETTINGS_UPDATE, 0 },
	/* The Terraform provider asks for them here. */
	{ "GET", "/v2/admin/organisation/defaults", ag_org_defaults_get,
	    AG_SCOPE_ORGANISATION_SETTINGS_READ, 0 },
	{ "PUT", "/v2/admin/organisation/defaults", ag_org_defaults_update,
	    AG_SCOPE_ORGANISATION_SETTINGS_UPDATE, 0 },
	{ "GET", "/v1/workspace-exclusions/input-guardrails", ag_exclusions_get,
	    AG_SCOPE_ORGANISATION_EXCLUSIONS_LIST, 0 },
	{ "PUT", "/v1/workspace-exclusions/input-guardrails", ag_exclusions_update,
	    AG_SCOPE_ORGANISATION_EXCLUSIONS_UPDATE, 0 },
	{ "GET", "/v1/workspace-exclusions/output-guardrails", ag_exclusions_get,
	    AG_SCOPE_ORGANISATION_EXCLUSIONS_LIST, 0 },
	{ "PUT", "/v1/workspace-exclusions/output-guardrails", ag_output_exclusions_update,
	    AG_SCOPE_ORGANISATION_EXCLUSIONS_UPDATE, 0 },
	{ "GET", "/v1/admin/organisation/properties", ag_org_settings_get,
	    AG_SCOPE_ORGANISATION_SETTINGS_READ, 0 },
	{ "PUT", "/v1/admin/organisation/properties", ag_org_settings_update,
	    AG_SCOPE_ORGANISATION_SETTINGS_UPDATE, 0 },

	{ "POST", "/v1/secret-references", ag_secret_ref_create, AG_SCOPE_SECRET_REFERENCES_CREATE, 0 },
	{ "GET", "/v1/secret-references", ag_secret_ref_list, AG_SCOPE_SECRET_REFERENCES_LIST, 0 },
	{ "GET", "/v1/secret-references/{}", ag_secret_ref_get, AG_SCOPE_SECRET_REFERENCES_READ, 0 },
	{ "PUT", "/v1/secret-references/{}", ag_secret_ref_update, AG_SCOPE_SECRET_REFERENCES_UPDATE, 0 },
	{ "DELETE", "/v1/secret-references/{}", ag_secret_ref_delete, AG_SCOPE_SECRET_REFERENCES_DELETE,
	    0 },

	/* Before the graphs and groups by name. */
	{ "GET", "/v1/analytics/summary/cache", ag_analytics_cache, AG_SCOPE_ANALYTICS_VIEW, 0 },
	{ "GET", "/v1/analytics/graphs/{}", ag_analytics_graph, AG_SCOPE_ANALYTICS_VIEW, 0 },
	{ "GET", "/v1/analytics/graphs/{}/{}", ag_analytics_graph, AG_SCOPE_ANALYTICS_VIEW, 0 },
	{ "GET", "/v1/analytics/groups/{}", ag_analytics_group, AG_SCOPE_ANALYTICS_VIEW, 0 },
	{ "GET", "/v1/analytics/groups/metadata/{}", ag_analytics_metadata, AG_SCOPE_ANALYTICS_VIEW, 0 },

	{ "POST", "/v1/logs", ag_log_create, NONE, AG_ROUTE_LIST },
	{ "POST", "/v1/logs/exports", ag_export_create, AG_SCOPE_LOGS_EXPORT, 0 },
	{ "GET", "/v1/logs/exports", ag_export_list, AG_SCOPE_LOGS_EXPORT, 0 },
	{ "GET", "/v1/logs/exports/field-restrictions", ag_export_fields, AG_SCOPE_LOGS_EXPORT, 0 },
	{ "GET", "/v1/logs/exports/{}", ag_export_get, AG_SCOPE_LOGS_EXPORT, 0 },
	{ "PUT", "/v1/logs/exports/{}", ag_export_update, AG_SCOPE_LOGS_EXPORT, 0 },
	{ "POST", "/v1/logs/exports/{}/start", ag_export_start, AG_SCOPE_LOGS_EXPORT, 0 },
	{ "POST", "/v1/logs/exports/{}/cancel", ag_export_cancel, AG_SCOPE_LOGS_EXPORT, 0 },
	{ "GET", "/v1/logs/exports/{}/download", ag_export_download, AG_SCOPE_LOGS_EXPORT, 0 },
	{ "GET", "/v1/logs/exports/{}/file", ag_export_file, NONE, AG_ROUTE_SIGNED },
	{ "GET", "/v1/logs/{}", ag_log_get, NONE, 0 },

	{ "POST", "/v1/feedback", ag_feedback_create, AG_SCOPE_LOGS_WRITE, AG_ROUTE_LIST },
	{ "PUT", "/v1/feedback/{}", ag_feedback_update, AG_SCOPE_LOGS_WRITE, 0 },

	{ "GET", "/v1/audit-logs", ag_audit_list, AG_SCOPE_AUDIT_LOGS_LIST, 0 },

	{ "GET", "/v1/openapi.json", ag_openapi_get, NONE, AG_ROUTE_SIGNED },

	{ "POST", "/v1/operator/bootstrap", ag_operator_bootstrap, NONE, AG_ROUTE_OPERATOR },
	{ "GET", "/v1/operator/routes", ag_operator_routes, NONE, AG_ROUTE_OPERATOR },
	{ "GET", "/v1/operator/status", ag_operator_status, NONE, AG_ROUTE_OPERATOR },
	{ "POST", "/v1/operator/reload", ag_operator_reload, NONE, AG_ROUTE_OPERATOR },
};

/* Documented by the API we follow, not served here (yet): told apart from what does not exist. */
static const struct {
	const char *method; /* NULL: any */
	const char *path;   /* a last segment "*" stands for any rest, the empty one included */
	const char *what;
} later[] = {
	{ NULL, "/v1/prompts/*", "prompts" },
	{ NULL, "/v1/collections/*", "prompt collections" },
	{ NULL, "/v1/labels/*", "prompt labels" },
	{ NULL, "/v1/mcp-integrations/*", "MCP integrations" },
	{ NULL, "/v1/mcp-servers/*", "MCP servers" },
	{ NULL, "/v1/scim/*", "SCIM" },
};

const struct ag_route *
ag_route_at(size_t i)
{
	return i < AG_ARRAY_LEN(routes) ? &routes[i] : NULL;
}

/* One segment of path, without the slash before it; empty at the end. */
static struct ag_str
segment(const char **path)
{
	const char *p = *path;
	size_t n;

	if (*p == '/')
		p++;
	n = strcspn(p, "/");
	*path = p + n;
	return ag_str_n(p, n);
}

static bool
keep_arg(struct ag_str s, char out[AG_SLUG_MAX + 1])
{
	char raw[3 * AG_SLUG_MAX + 1];
	size_t n = 0;
	char *plain;
	bool ok;

	if (s.n == 0 || !ag_str_copy(s, raw, sizeof(raw)))
		return false;
	plain = evhttp_uridecode(raw, 0, &n);
	ok = plain && n > 0 && n <= AG_SLUG_MAX && strlen(plain) == n;
	if (ok)
		memcpy(out, plain, n + 1);
	free(plain);
	return ok;
}

static bool
matches(const char *pattern, const char *path, char args[AG_CALL_ARGS_MAX][AG_SLUG_MAX + 1])
{
	int n = 0;

	for (;;) {
		struct ag_str want = segment(&pattern), have;

		if (ag_str_eq(want, AG_STR("*")))
			return true;
		have = segment(&path);
		if (want.n == 0)
			return have.n == 0 && *path == '\0';
		if (ag_str_eq(want, AG_STR("{}"))) {
			assert(n < AG_CALL_ARGS_MAX);
			if (!keep_arg(have, args[n++]))
				return false;
		} else if (!ag_str_eq(want, have)) {
			return false;
		}
	}
}

enum ag_route_miss
ag_route_find(const char *method, const char *path, char args[AG_CALL_ARGS_MAX][AG_SLUG_MAX + 1],
    const struct ag_route **out, const char **out_what)
{
	bool is_known = false;

	for (size_t i = 0; i < AG_ARRAY_LEN(later); i++)
		if ((!later[i].method || strcmp(later[i].method, method) == 0) &&
		    matches(later[i].path, path, args)) {
			*out_what = later[i].what;
			return AG_ROUTE_LATER;
		}
	for (size_t i = 0; i < AG_ARRAY_LEN(routes); i++) {
		if (!matches(routes[i].path, path, args))
			continue;
		is_known = true;
		if (strcmp(routes[i].method, method) == 0) {
			*out = &routes[i];
			return AG_ROUTE_FOUND;
		}
	}
	return is_known ? AG_ROUTE_WRONG_METHOD : AG_ROUTE_UNKNOWN;
}
