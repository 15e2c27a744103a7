/* security.h - the switches of a workspace (security_settings) and what they close to whom.
 *
 * A person's key does what its scopes and the person's role allow, and of that what the switches
 * of the workspace leave open to the role.  The switches are read anew for each call, so they
 * hold at once.  Which they are stands in tbl/security_settings.h; which scope falls under which,
 * in security.c. */
#ifndef AG_CONTROL_SECURITY_H
#define AG_CONTROL_SECURITY_H

#include <json-c/json.h>

#include "base/attr.h"
#include "base/scope.h"
#include "control/roles.h"

struct ag_call;

/* Whom a switch binds. */
enum ag_bound { AG_BOUND_NOBODY, AG_BOUND_MEMBER, AG_BOUND_MANAGER, AG_BOUND_ORG_ADMIN };

/* What a switch is about. */
enum ag_subject {
	AG_SUBJECT_NONE, /* no switch is about it */
	AG_SUBJECT_VIEW_LOGS,
	AG_SUBJECT_VIEW_LOG_METADATA,
	AG_SUBJECT_VIEW_ALL_DATA,     /* off: logs and reports of the person's own keys alone */
	AG_SUBJECT_VIEW_ANALYTICS,
	AG_SUBJECT_VIEW_API_KEYS,
	AG_SUBJECT_WRITE_API_KEYS,
	AG_SUBJECT_VIEW_CONFIGS,
	AG_SUBJECT_WRITE_CONFIGS,
	AG_SUBJECT_VIEW_PROMPTS,
	AG_SUBJECT_WRITE_PROMPTS,
	AG_SUBJECT_VIEW_GUARDRAILS,
	AG_SUBJECT_WRITE_GUARDRAILS,
	AG_SUBJECT_VIEW_VIRTUAL_KEYS,
	AG_SUBJECT_WRITE_VIRTUAL_KEYS,
	AG_SUBJECT_UPDATE_WS,
	AG_SUBJECT_WRITE_WS_USERS,
	AG_SUBJECT_WRITE_WS_INTEGRATIONS,
	AG_SUBJECT_WRITE_WS_MCP_INTEGRATIONS,
	AG_SUBJECT_WRITE_MCP_SERVERS,
};

/* The switches that are off for one person in one workspace: a bit for each row of the table. */
struct ag_closed { uint64_t rows; };

/* The name of the switch that keeps the subject, or what the scope is for, closed; NULL: open. */
const char *ag_security_closes(struct ag_closed closed, enum ag_subject subject);
const char *ag_security_closes_scope(struct ag_closed closed, enum ag_scope scope);
/* What stored settings (NULL: none) close to those who are bound like that. */
struct ag_closed ag_security_closed(struct json_object *stored, enum ag_bound bound);
enum ag_bound ag_security_bound(enum ag_role_in role); /* of who is no admin of the organisation */

/* What is closed to the caller, into c->actor; a key of nobody is closed nothing.  Reads, and
 * leaves no transaction open.  < 0: answered. */
int ag_security_read_caller(struct ag_call *c) AG_MUST_CHECK;
/* 403 with the name of the switch when the subject is closed to the caller. */
int ag_security_need(struct ag_call *c, enum ag_subject subject) AG_MUST_CHECK;
/* The person whose keys alone the caller may look at what they did; 0: everybody's. */
int64_t ag_security_only_person(const struct ag_call *c);

/* The same for somebody with that role in the workspace. */
int ag_security_of_role(struct ag_call *c, int64_t workspace_id, enum ag_role_in role,
    struct ag_closed *out) AG_MUST_CHECK;

/* Member security_settings of c->body, checked, borrowed; NULL when it is absent.  *out_given:
 * it is there, null too: then all are as they were at first.  Only admins of the workspace may
 * send it. */
int ag_security_read(struct ag_call *c, struct json_object **out, bool *out_given) AG_MUST_CHECK;
/* Those of a workspace as it is read, where they are not stored: the switches as they are at
 * first. */
void ag_security_show(struct json_object *workspace);

#endif
