/* people.h - what persons have in common: who they are in a workspace, and what their keys are worth. */
#ifndef AG_CONTROL_PEOPLE_H
#define AG_CONTROL_PEOPLE_H

#include "control/call.h"
#include "control/roles.h"

/* What a person is in a workspace; owners and admins of the organisation are admins everywhere. */
int ag_people_role_in(struct ag_call *c, int64_t user_id, int64_t workspace_id,
    enum ag_role_in *out) AG_MUST_CHECK;
/* What the caller is: every key but a person's acts as an admin. */
int ag_people_own_role(struct ag_call *c, enum ag_role_in *out) AG_MUST_CHECK;

/* Members of a new workspace, or more of one: an array of ids or of {id, role}; path names it. */
int ag_people_join(struct ag_call *c, struct json_object *users, const char *path,
    int64_t workspace_id) AG_MUST_CHECK;

/* The person's keys as the roles of now leave them go into c->plan. */
int ag_people_publish_keys(struct ag_call *c, int64_t user_id) AG_MUST_CHECK;
/* They are deleted; workspace_id 0: in all workspaces. */
int ag_people_delete_keys(struct ag_call *c, int64_t user_id, int64_t workspace_id) AG_MUST_CHECK;

/* A role of a workspace as member `path` of obj; "member" when it is absent.  < 0: answered. */
int ag_people_read_role(struct ag_call *c, struct json_object *obj, const char *path,
    enum ag_role_in *out, const char **out_name) AG_MUST_CHECK;

/* An active person of the organisation by uuid; *out_id 0 when there is none. */
int ag_people_find(struct ag_call *c, const char *uuid, int64_t *out_id) AG_MUST_CHECK;

#endif
