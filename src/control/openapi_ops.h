/* openapi_ops.h - what the routes take and answer: schemas of openapi_schemas.h, and words of the query. */
#ifndef AG_CONTROL_OPENAPI_OPS_H
#define AG_CONTROL_OPENAPI_OPS_H

#include <stddef.h>

#define PAGE "page_size current_page"
#define SPAN "time_of_generation_min time_of_generation_max workspace_slug"

/* list, create, read, update, delete at path and path/{}. */
#define CRUD(path, what, query, one, write, made)                                      \
	{ "GET", path, "List " what "s", query, NULL, one "List" },                         \
	{ "POST", path, "Make a " what, "", write, made },                                  \
	{ "GET", path "/{}", "Read a " what, "", NULL, one },                               \
	{ "PUT", path "/{}", "Change a " what ": members that are not named stay", "", write, NULL }, \
	{ "DELETE", path "/{}", "Delete a " what, "", NULL, NULL }

static const struct op {
	const char *method, *path, *summary, *query; /* words of the query */
	const char *in, *out;                        /* schemas; in NULL: no body, out NULL: an object */
} ops[] = {
	{ "DELETE", "/v1/admin/workspaces/{}", "Delete a workspace; its name is given to be sure", "", "WorkspaceDelete",
	  NULL },
	CRUD("/v1/admin/workspaces", "workspace", PAGE " name exact_name status", "Workspace", "WorkspaceWrite",
	     "Workspace"),
	{ "GET", "/v1/admin/workspaces/{}/users", "List the members of a workspace", PAGE " role email", NULL,
	  "MemberList" },
	{ "POST", "/v1/admin/workspaces/{}/users", "Add members to a workspace", "", "MembersAdd", NULL },
	{ "GET", "/v1/admin/workspaces/{}/users/{}", "Read a member", "", NULL, "Member" },
	{ "PUT", "/v1/admin/workspaces/{}/users/{}", "Give a member another role", "", "RoleWrite", NULL },
	{ "DELETE", "/v1/admin/workspaces/{}/users/{}", "Take a member out; the person's keys there are deleted", "", NULL,
	  NULL },
	CRUD("/v1/admin/users/invites", "invite", PAGE " role email status", "Invite", "InviteWrite", "InviteMade"),
	{ "POST", "/v1/admin/users/invites/{}/resend", "Give an invite a new link", "", NULL, "InviteLink" },
	{ "POST", "/v1/invites/accept", "Accept an invite; needs no key", "", "InviteAccept", NULL },
	{ "GET", "/v1/admin/users", "List the persons of the organisation", PAGE " role email", NULL, "UserList" },
	{ "GET", "/v1/admin/users/{}", "Read a person", "", NULL, "User" },
	{ "PUT", "/v1/admin/users/{}", "Give a person another role", "", "RoleWrite", NULL },
	{ "DELETE", "/v1/admin/users/{}", "Remove a person and the person's keys", "", NULL, NULL },
	{ "POST", "/v1/api-keys/{}/rotate", "Give a key a new secret, told once", "", "KeyRotate", "KeyRotated" },
	{ "POST", "/v1/api-keys/{}/new-secret", "Tell the secret a key got by its timetable", "", NULL, "KeyRotated" },
	{ "POST", "/v1/api-keys/{}/{}", "Make a key (organisation/service, workspace/service or workspace/user); its secret"
	  " is told once", "", "KeyWrite", "KeyMade" },
	CRUD("/v1/api-keys", "key", PAGE " workspace_id ids", "Key", "KeyWrite", "KeyMade"),
	{ "GET", "/v1/api-keys/{}/limits", "All limits that bind a key, used and left", "model", NULL, NULL },
	{ "DELETE", "/v1/api-keys/{}/former-secret", "End the former secret of a rotated key now", "", NULL, NULL },
	{ "GET", "/v1/usage", "What the calling key may spend and has spent", "", NULL, NULL },
	CRUD("/v1/integrations", "integration", PAGE " workspace_id type", "Integration", "IntegrationWrite", "Made"),
	{ "GET", "/v1/integrations/{}/models", "Models an integration names", "", NULL, "ModelList" },
	{ "PUT", "/v1/integrations/{}/models", "Change models; those not named stay", "", "ModelsWrite", NULL },
	{ "DELETE", "/v1/integrations/{}/models", "Delete models of its own: slugs, or models in a body", "slugs", NULL, NULL },
	{ "GET", "/v1/integrations/{}/integration-models", "The same as /models", "", NULL, "ModelList" },
	{ "PUT", "/v1/integrations/{}/integration-models", "The same as /models", "", "ModelsWrite", NULL },
	{ "DELETE", "/v1/integrations/{}/integration-models", "The same as /models", "slugs", NULL, NULL },
	{ "GET", "/v1/integrations/{}/workspaces", "Which workspaces may use an integration, on what limits", "", NULL,
	  "GrantList" },
	{ "PUT", "/v1/integrations/{}/workspaces", "Grant and withdraw; workspaces not named stay", "", "GrantsWrite", NULL },
	CRUD("/v1/providers", "provider", PAGE " workspace_id", "Provider", "ProviderWrite", "Made"),
	CRUD("/v1/virtual-keys", "virtual key", PAGE " workspace_id", "VirtualKey", "VirtualKeyWrite", NULL),
	{ "GET", "/v1/policies/usage-limits/{}/entities", "Values a policy counts apart", PAGE " status search", NULL,
	  "PolicyValueList" },
	{ "PUT", "/v1/policies/usage-limits/{}/entities/{}/reset", "Set what a value has used to nought", "", NULL, NULL },
	CRUD("/v1/policies/usage-limits", "usage policy", PAGE " workspace_id status type", "UsagePolicy",
	     "UsagePolicyWrite", "Made"),
	CRUD("/v1/policies/rate-limits", "rate policy", PAGE " workspace_id status type unit", "RatePolicy",
	     "RatePolicyWrite", "Made"),
	{ "GET", "/v1/admin/organisation/settings", "Limits and settings of the organisation", "", NULL, "OrgSettings" },
	{ "PUT", "/v1/admin/organisation/settings", "Change them", "", "OrgSettings", NULL },
	{ "GET", "/v1/admin/organisation/properties", "The same as settings", "", NULL, "OrgSettings" },
	{ "PUT", "/v1/admin/organisation/properties", "The same as settings", "", "OrgSettings", NULL },
	{ "GET", "/v1/admin/organisation/defaults", "Guardrails in force everywhere", "", NULL, "OrgDefaults" },
	{ "PUT", "/v1/admin/organisation/defaults", "Replace them", "", "OrgDefaults", NULL },
	{ "GET", "/v2/admin/organisation/defaults", "The same as under /v1", "", NULL, "OrgDefaults" },
	{ "PUT", "/v2/admin/organisation/defaults", "The same as under /v1", "", "OrgDefaults", NULL },
	{ "GET", "/v1/configs/{}/versions", "All versions of a config", PAGE, NULL, "ConfigList" },
	CRUD("/v1/configs", "config", PAGE " workspace_id", "Config", "ConfigWrite", "Made"),
	CRUD("/v1/guardrails", "guardrail", PAGE " workspace_id organisation_id ids", "Guardrail", "GuardrailWrite", "Made"),
	{ "GET", "/v1/workspace-exclusions/input-guardrails", "Workspaces exempt from the organisation's guardrails", "",
	  NULL, "Exclusions" },
	{ "PUT", "/v1/workspace-exclusions/input-guardrails", "Change them", "", "ExclusionsWrite", NULL },
	{ "GET", "/v1/workspace-exclusions/output-guardrails", "The same as input-guardrails", "", NULL, "Exclusions" },
	{ "PUT", "/v1/workspace-exclusions/output-guardrails", "Refused: answers are not checked", "", "ExclusionsWrite",
	  NULL },
	CRUD("/v1/secret-references", "secret reference", PAGE " manager_type search tags", "SecretRef", "SecretRefWrite",
	     "Made"),
	{ "GET", "/v1/analytics/summary/cache", "Requests a cache answered", SPAN, NULL, NULL },
	{ "GET", "/v1/analytics/graphs/{}", "A figure over time", SPAN, NULL, NULL },
	{ "GET", "/v1/analytics/graphs/{}/{}", "A figure over time", SPAN, NULL, NULL },
	{ "GET", "/v1/analytics/groups/{}", "Figures by what requests have in common", SPAN " columns " PAGE, NULL, NULL },
	{ "GET", "/v1/analytics/groups/metadata/{}", "Figures by a key of the metadata", SPAN " columns " PAGE, NULL, NULL },
	{ "POST", "/v1/logs", "Store a log of one's own, or an array of them", "", NULL, NULL },
	{ "GET", "/v1/logs/{}", "Read a log", "", NULL, NULL },
	{ "POST", "/v1/logs/exports", "Make an export of logs", "", "ExportWrite", NULL },
	{ "GET", "/v1/logs/exports", "List exports", "workspace_id " PAGE, NULL, NULL },
	{ "GET", "/v1/logs/exports/field-restrictions", "Members an export may not ask for", "workspace_id", NULL, NULL },
	{ "GET", "/v1/logs/exports/{}", "Read an export", "", NULL, NULL },
	{ "PUT", "/v1/logs/exports/{}", "Change an export", "", "ExportWrite", NULL },
	{ "POST", "/v1/logs/exports/{}/start", "Start an export", "", NULL, NULL },
	{ "POST", "/v1/logs/exports/{}/cancel", "Stop an export", "", NULL, NULL },
	{ "GET", "/v1/logs/exports/{}/download", "An address the file can be fetched from for a while", "", NULL, NULL },
	{ "GET", "/v1/logs/exports/{}/file", "The file; the address is the proof", "", NULL, NULL },
	{ "POST", "/v1/feedback", "Say how good an answer was, once or in an array", "", NULL, NULL },
	{ "PUT", "/v1/feedback/{}", "Say it anew", "", NULL, NULL },
	{ "GET", "/v1/audit-logs", "Who changed what", PAGE " start_time end_time method uri request_id user_id user_type"
	  " workspace_id response_status_code resource_type action client_ip", NULL, NULL },
	{ "GET", "/v1/openapi.json", "This description; needs no key", "", NULL, NULL },
};

/* Served by the workers, in the form of the providers: described by those. */
static const struct {
	const char *method, *path, *summary;
} data_plane[] = {
	{ "POST", "/v1/chat/completions", "Chat completion, streamed or not" },
	{ "POST", "/v1/completions", "Completion, streamed or not" },
	{ "POST", "/v1/embeddings", "Embeddings" },
	{ "POST", "/v1/messages", "Messages, streamed or not" },
	{ "POST", "/v1/messages/count_tokens", "Tokens of a message" },
	{ "POST", "/v1/responses", "Response, streamed or not" },
	{ "POST", "/v1/moderations", "Moderation" },
	{ "POST", "/v1/rerank", "Reranking" },
	{ "POST", "/v1/images/generations", "Images" },
	{ "POST", "/v1/images/edits", "Edits of images" },
	{ "POST", "/v1/images/variations", "Variations of an image" },
	{ "POST", "/v1/audio/speech", "Speech" },
	{ "POST", "/v1/audio/transcriptions", "Transcription" },
	{ "POST", "/v1/audio/translations", "Translation of speech" },
	{ "GET", "/v1/models", "Models the key may call" },
	{ "GET", "/v1/models/{}", "One of them" },
	{ "GET", "/v1/limits", "All limits that bind the key, used and left" },
	{ "GET", "/v1/health", "Whether a worker answers; needs no key" },
};

#endif
