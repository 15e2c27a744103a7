/* rules.h - configs and guardrails, for those who are under them. */
#ifndef AG_CONTROL_RULES_H
#define AG_CONTROL_RULES_H

#include "control/call.h"

/* What defaults of the body say of the config of a key (config_id): looked up and stored.  < 0: answered. */
int ag_rules_of_key(struct ag_call *c, int64_t key_id, int64_t workspace_id) AG_MUST_CHECK;
/* The same of a workspace: input_guardrails, config_id, user_api_key_config. */
int ag_rules_of_workspace(struct ag_call *c, int64_t workspace_id) AG_MUST_CHECK;

/* A config that may be a default; *out_id 0: name is NULL.  < 0: answered. */
int ag_config_find(struct ag_call *c, const char *path, int64_t workspace_id, const char *name,
    int64_t *out_id, char slug[AG_SLUG_MAX + 1]) AG_MUST_CHECK;
/* Makes it the workspace's default; id 0: there is none. */
int ag_config_make_default(struct ag_call *c, int64_t workspace_id, int64_t id) AG_MUST_CHECK;
/* A guardrail of the organisation or (workspace_id > 0) of that workspace, too. */
int ag_guardrail_find(struct ag_call *c, const char *path, int64_t workspace_id, const char *name,
    int64_t *out_id) AG_MUST_CHECK;
/* prefix, up to six letters of the name, six random digits. */
int ag_rules_slug(struct ag_call *c, const char *prefix, const char *name, char out[32]) AG_MUST_CHECK;

#endif
