/* handlers.h - the endpoints, by noun; each takes one call to its answer. */
#ifndef AG_CONTROL_HANDLERS_H
#define AG_CONTROL_HANDLERS_H

#include "control/call.h"

void ag_workspace_create(struct ag_call *c);
void ag_workspace_list(struct ag_call *c);
void ag_workspace_get(struct ag_call *c);
void ag_workspace_update(struct ag_call *c);
void ag_workspace_delete(struct ag_call *c);

void ag_api_key_create(struct ag_call *c);
void ag_api_key_list(struct ag_call *c);
void ag_api_key_get(struct ag_call *c);
void ag_api_key_limits(struct ag_call *c);
void ag_api_key_update(struct ag_call *c);
void ag_api_key_delete(struct ag_call *c);

void ag_api_key_rotate(struct ag_call *c);
void ag_api_key_tell(struct ag_call *c);
void ag_api_key_forget(struct ag_call *c);

void ag_member_add(struct ag_call *c);
void ag_member_list(struct ag_call *c);
void ag_member_get(struct ag_call *c);
void ag_member_update(struct ag_call *c);
void ag_member_remove(struct ag_call *c);

void ag_user_list(struct ag_call *c);
void ag_user_get(struct ag_call *c);
void ag_user_update(struct ag_call *c);
void ag_user_delete(struct ag_call *c);

void ag_invite_create(struct ag_call *c);
void ag_invite_list(struct ag_call *c);
void ag_invite_get(struct ag_call *c);
void ag_invite_cancel(struct ag_call *c);
void ag_invite_resend(struct ag_call *c);
void ag_invite_accept(struct ag_call *c);

void ag_secret_ref_create(struct ag_call *c);
void ag_secret_ref_list(struct ag_call *c);
void ag_secret_ref_get(struct ag_call *c);
void ag_secret_ref_update(struct ag_call *c);
void ag_secret_ref_delete(struct ag_call *c);

void ag_usage_get(struct ag_call *c);
/* Answers with what binds a key the caller was found to be allowed to read. */
void ag_limits_of_key(struct ag_call *c, int64_t key_id);

void ag_integration_create(struct ag_call *c);
void ag_integration_list(struct ag_call *c);
void ag_integration_get(struct ag_call *c);
void ag_integration_update(struct ag_call *c);
void ag_integration_delete(struct ag_call *c);

void ag_model_list(struct ag_call *c);
void ag_model_update(struct ag_call *c);
void ag_model_delete(struct ag_call *c);

void ag_grant_list(struct ag_call *c);
void ag_grant_update(struct ag_call *c);

void ag_provider_list(struct ag_call *c);
void ag_provider_get(struct ag_call *c);
void ag_provider_create(struct ag_call *c);
void ag_provider_update(struct ag_call *c);
void ag_provider_delete(struct ag_call *c);

void ag_virtual_key_list(struct ag_call *c);
void ag_virtual_key_get(struct ag_call *c);
void ag_virtual_key_create(struct ag_call *c);
void ag_virtual_key_update(struct ag_call *c);
void ag_virtual_key_delete(struct ag_call *c);

void ag_org_settings_get(struct ag_call *c);
void ag_org_settings_update(struct ag_call *c);

void ag_usage_policy_create(struct ag_call *c);
void ag_usage_policy_list(struct ag_call *c);
void ag_usage_policy_get(struct ag_call *c);
void ag_usage_policy_update(struct ag_call *c);
void ag_usage_policy_delete(struct ag_call *c);
void ag_rate_policy_create(struct ag_call *c);
void ag_rate_policy_list(struct ag_call *c);
void ag_rate_policy_get(struct ag_call *c);
void ag_rate_policy_update(struct ag_call *c);
void ag_rate_policy_delete(struct ag_call *c);
void ag_policy_value_list(struct ag_call *c);
void ag_policy_value_reset(struct ag_call *c);

void ag_analytics_graph(struct ag_call *c);
void ag_analytics_group(struct ag_call *c);
void ag_analytics_metadata(struct ag_call *c);
void ag_analytics_cache(struct ag_call *c);

void ag_log_create(struct ag_call *c);
void ag_log_get(struct ag_call *c);
void ag_export_create(struct ag_call *c);
void ag_export_list(struct ag_call *c);
void ag_export_fields(struct ag_call *c);
void ag_export_get(struct ag_call *c);
void ag_export_update(struct ag_call *c);
void ag_export_start(struct ag_call *c);
void ag_export_cancel(struct ag_call *c);
void ag_export_download(struct ag_call *c);
void ag_export_file(struct ag_call *c);

void ag_feedback_create(struct ag_call *c);
void ag_feedback_update(struct ag_call *c);

void ag_audit_list(struct ag_call *c);

void ag_config_create(struct ag_call *c);
void ag_config_list(struct ag_call *c);
void ag_config_get(struct ag_call *c);
void ag_config_update(struct ag_call *c);
void ag_config_delete(struct ag_call *c);
void ag_config_versions(struct ag_call *c);

void ag_guardrail_create(struct ag_call *c);
void ag_guardrail_list(struct ag_call *c);
void ag_guardrail_get(struct ag_call *c);
void ag_guardrail_update(struct ag_call *c);
void ag_guardrail_delete(struct ag_call *c);

void ag_org_defaults_get(struct ag_call *c);
void ag_org_defaults_update(struct ag_call *c);
void ag_exclusions_get(struct ag_call *c);
void ag_exclusions_update(struct ag_call *c);
void ag_output_exclusions_update(struct ag_call *c);

void ag_operator_bootstrap(struct ag_call *c);
void ag_operator_status(struct ag_call *c);
void ag_operator_reload(struct ag_call *c);

/* ---- shared between nouns ---- */

/* The workspace a call means: the key's own, else `name` (slug or uuid; NULL or "" none).
 * < 0: answered.  *out_id 0: none was named and none is needed. */
int ag_workspace_resolve(struct ag_call *c, const char *name, bool is_needed,
    int64_t *out_id) AG_MUST_CHECK;

/* An integration by slug or uuid that the caller may use for `what`. */
enum ag_verb { AG_VERB_CREATE, AG_VERB_READ, AG_VERB_UPDATE, AG_VERB_DELETE, AG_VERB_LIST };
struct ag_integration_ref {
	int64_t id;
	int64_t workspace_id;   /* of its owner, 0 the organisation */
	char uuid[AG_UUID_LEN];
	char slug[AG_SLUG_MAX + 1];
	char name[AG_SLUG_MAX + 1];
	char family[64];
};
int ag_integration_find(struct ag_call *c, const char *name, enum ag_verb verb,
    struct ag_integration_ref *out) AG_MUST_CHECK;
enum ag_scope ag_integration_scope(bool is_workspace_owned, enum ag_verb verb);

/* The integration with its grants, their providers and meters; the credential is wiped. */
int ag_integration_archive(struct ag_call *c, int64_t id) AG_MUST_CHECK;
/* One made for a virtual key alone, of the body's provider, key and custom_host and of these settings
 * (which a credential among them leaves); granted to the workspace it belongs to. */
int ag_integration_own(struct ag_call *c, int64_t workspace_id, const char *name,
    struct json_object *settings, int64_t *out_id, int64_t *out_grant_id) AG_MUST_CHECK;
/* The integration as it stands, for people and for what follows; the caller's. */
int ag_integration_read(struct ag_call *c, int64_t id, struct json_object **out) AG_MUST_CHECK;
/* What a change of a virtual key makes of its integration: another name (NULL: the same), the body's key when
 * it has one, and these settings, all of them (NULL: the same; a credential leaves them).  before: as it
 * stands.  A credential is led nowhere else unless it is given again. */
int ag_integration_change_own(struct ag_call *c, int64_t id, struct json_object *before, const char *name,
    struct json_object *settings) AG_MUST_CHECK;

/* Letters, digits, _ and - of the name, or `otherwise`, and six random digits. */
#define AG_SLUG_MADE_LEN 48
int ag_slug_make(struct ag_call *c, const char *name, const char *otherwise,
    char out[AG_SLUG_MADE_LEN]) AG_MUST_CHECK;

/* Gives, changes or takes away a workspace's access. */
struct ag_grant_wish {
	bool is_enabled;
	bool has_usage, has_rates;     /* members were given */
	struct json_object *usage, *rates; /* borrowed; stored form */
	bool reset_usage;
	bool wants_provider;           /* when access is new */
	bool asks_provider;            /* said so: also when access is not new and has none left */
	const char *provider_slug;     /* NULL: the integration's */
};
int ag_grant_apply(struct ag_call *c, const struct ag_integration_ref *to, int64_t workspace_id,
    const struct ag_grant_wish *wish) AG_MUST_CHECK;
/* What a new workspace is granted because its organisation says so. */
int ag_grant_global(struct ag_call *c, int64_t workspace_id) AG_MUST_CHECK;

#endif
