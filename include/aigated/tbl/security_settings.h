/* security_settings.h - one row is the whole truth of a switch that a workspace sets for its
 * people.
 *
 * X(WHO, SUBJECT, "name", DEFAULT): WHO are the persons it binds: members and managers of the
 * workspace, and admins of the organisation who are not admins of the workspace.  SUBJECT is
 * what they may do while it is on; control/security.c says which scopes that is.  Admins of the
 * workspace, owners, and keys that belong to nobody are bound by none.  A WHO and a SUBJECT meet
 * in at most one row; at most 64 rows.
 * Included many times: no guard. */
X(MEMBER, VIEW_LOGS, "membersViewLogs", true)
X(MEMBER, VIEW_LOG_METADATA, "membersViewLogMetadata", true)
X(MEMBER, VIEW_ALL_DATA, "membersViewAllData", true)
X(MEMBER, VIEW_ANALYTICS, "membersViewAnalytics", true)
X(MEMBER, VIEW_API_KEYS, "membersViewApiKeys", true)
X(MEMBER, WRITE_API_KEYS, "membersWriteApiKeys", true)
X(MEMBER, VIEW_CONFIGS, "membersViewConfigs", true)
X(MEMBER, WRITE_CONFIGS, "membersWriteConfigs", false)
X(MEMBER, VIEW_PROMPTS, "membersViewPrompts", true)
X(MEMBER, WRITE_PROMPTS, "membersWritePrompts", true)
X(MEMBER, VIEW_GUARDRAILS, "membersViewGuardrails", true)
X(MEMBER, WRITE_GUARDRAILS, "membersWriteGuardrails", false)
X(MEMBER, VIEW_VIRTUAL_KEYS, "membersViewVirtualKeys", true)
X(MEMBER, WRITE_VIRTUAL_KEYS, "membersWriteVirtualKeys", true)
X(MANAGER, VIEW_LOGS, "managersViewLogs", true)
X(MANAGER, VIEW_LOG_METADATA, "managersViewLogMetadata", true)
X(MANAGER, VIEW_ALL_DATA, "managersViewAllData", true)
X(MANAGER, VIEW_ANALYTICS, "managersViewAnalytics", true)
X(MANAGER, VIEW_API_KEYS, "managersViewApiKeys", true)
X(MANAGER, WRITE_API_KEYS, "managersWriteApiKeys", true)
X(MANAGER, VIEW_CONFIGS, "managersViewConfigs", true)
X(MANAGER, WRITE_CONFIGS, "managersWriteConfigs", true)
X(MANAGER, VIEW_PROMPTS, "managersViewPrompts", true)
X(MANAGER, WRITE_PROMPTS, "managersWritePrompts", true)
X(MANAGER, VIEW_GUARDRAILS, "managersViewGuardrails", true)
X(MANAGER, WRITE_GUARDRAILS, "managersWriteGuardrails", true)
X(MANAGER, VIEW_VIRTUAL_KEYS, "managersViewVirtualKeys", true)
X(MANAGER, WRITE_VIRTUAL_KEYS, "managersWriteVirtualKeys", true)
X(MANAGER, UPDATE_WS, "managersUpdateWs", true)
X(MANAGER, WRITE_WS_USERS, "managersWriteWsUsers", true)
X(MANAGER, WRITE_WS_INTEGRATIONS, "managersWriteWsIntegrations", true)
X(MANAGER, WRITE_WS_MCP_INTEGRATIONS, "managersWriteWsMcpIntegrations", true)
X(MANAGER, WRITE_MCP_SERVERS, "managersWriteMcpServers", true)
X(ORG_ADMIN, VIEW_LOGS, "organisationAdminsViewLogs", true)
X(ORG_ADMIN, VIEW_LOG_METADATA, "organisationAdminsViewLogMetadata", true)
