#include "control/security.h"

#include "base/json.h"
#include "control/call.h"
#include "control/field.h"
#include "control/people.h"
#include "control/sql_people.h"

static const struct row {
	enum ag_bound bound;
	enum ag_subject subject;
	const char *name;
	bool is_on; /* unless the workspace says otherwise */
} rows[] = {
#define X(who, about, text, at_first) { AG_BOUND_##who, AG_SUBJECT_##about, text, at_first },
#include "aigated/tbl/security_settings.h"
#undef X
};
static_assert(AG_ARRAY_LEN(rows) <= 64, "a row is a bit");

/* The switch a scope falls under, by its group and by whether it only looks.  What is used
 * rather than looked at or changed (render, invoke, logs.write) falls under none. */
static const struct { const char *group; enum ag_subject look, change; } groups[] = {
	{ "logs.", AG_SUBJECT_VIEW_LOGS, AG_SUBJECT_NONE },
	{ "analytics.", AG_SUBJECT_VIEW_ANALYTICS, AG_SUBJECT_NONE },
	{ "workspace_service_api_keys.", AG_SUBJECT_VIEW_API_KEYS, AG_SUBJECT_WRITE_API_KEYS },
	{ "workspace_user_api_keys.", AG_SUBJECT_VIEW_API_KEYS, AG_SUBJECT_WRITE_API_KEYS },
	{ "configs.", AG_SUBJECT_VIEW_CONFIGS, AG_SUBJECT_WRITE_CONFIGS },
	{ "prompts.", AG_SUBJECT_VIEW_PROMPTS, AG_SUBJECT_WRITE_PROMPTS },
	{ "guardrails.", AG_SUBJECT_VIEW_GUARDRAILS, AG_SUBJECT_WRITE_GUARDRAILS },
	{ "virtual_keys.", AG_SUBJECT_VIEW_VIRTUAL_KEYS, AG_SUBJECT_WRITE_VIRTUAL_KEYS },
	{ "providers.", AG_SUBJECT_VIEW_VIRTUAL_KEYS, AG_SUBJECT_WRITE_VIRTUAL_KEYS },
	{ "workspaces.", AG_SUBJECT_NONE, AG_SUBJECT_UPDATE_WS },
	{ "workspace_users.", AG_SUBJECT_NONE, AG_SUBJECT_WRITE_WS_USERS },
	{ "workspace_integrations.", AG_SUBJECT_NONE, AG_SUBJECT_WRITE_WS_INTEGRATIONS },
	{ "workspace_mcp_integrations.", AG_SUBJECT_NONE, AG_SUBJECT_WRITE_WS_MCP_INTEGRATIONS },
	{ "mcp_servers.", AG_SUBJECT_NONE, AG_SUBJECT_WRITE_MCP_SERVERS },
};

static bool
is_one_of(struct ag_str action, const char *const *names)
{
	for (; *names; names++)
		if (ag_str_eq(action, ag_str(*names)))
			return true;
	return false;
}

static enum ag_subject
subject_of(enum ag_scope scope)
{
	static const char *const looks[] = { "read", "list", "view", "export", NULL };
	static const char *const uses[] = { "render", "invoke", "write", NULL };
	struct ag_str name = ag_str(ag_scope_name(scope));

	for (size_t i = 0; i < AG_ARRAY_LEN(groups); i++) {
		struct ag_str group = ag_str(groups[i].group), action;

		if (!ag_str_starts(name, group))
			continue;
		action = ag_str_skip(name, group.n);
		if (is_one_of(action, uses))
			return AG_SUBJECT_NONE;
		return is_one_of(action, looks) ? groups[i].look : groups[i].change;
	}
	return AG_SUBJECT_NONE;
}

const char *
ag_security_closes(struct ag_closed closed, enum ag_subject subject)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++)
		if ((closed.rows >> i & 1) && rows[i].subject == subject)
			return rows[i].name;
	return NULL;
}

const char *
ag_security_closes_scope(struct ag_closed closed, enum ag_scope scope)
{
	return closed.rows ? ag_security_closes(closed, subject_of(scope)) : NULL;
}

struct ag_closed
ag_security_closed(struct json_object *stored, enum ag_bound bound)
{
	struct ag_closed closed = { 0 };

	for (size_t i = 0; i < AG_ARRAY_LEN(rows) && bound != AG_BOUND_NOBODY; i++) {
		struct json_object *v = NULL;
		bool is_on = rows[i].is_on;

		if (rows[i].bound != bound)
			continue;
		if (stored && json_object_object_get_ex(stored, rows[i].name, &v))
			is_on = json_object_get_boolean(v);
		closed.rows |= (uint64_t)!is_on << i;
	}
	return closed;
}

enum ag_bound
ag_security_bound(enum ag_role_in role)
{
	switch (role) {
	case AG_ROLE_IN_MEMBER: return AG_BOUND_MEMBER;
	case AG_ROLE_IN_MANAGER: return AG_BOUND_MANAGER;
	case AG_ROLE_IN_NONE:
	case AG_ROLE_IN_ADMIN: break;
	}
	return AG_BOUND_NOBODY;
}

/* ---- who calls ---- */

/* An admin of the organisation is bound as such, unless the workspace itself made him its admin. */
static enum ag_bound
bound_of(struct ag_str org_role, struct ag_str role)
{
	if (ag_str_eq(org_role, AG_STR("owner")))
		return AG_BOUND_NOBODY;
	if (ag_str_eq(org_role, AG_STR("admin")))
		return ag_role_find(role) == AG_ROLE_IN_ADMIN ? AG_BOUND_NOBODY : AG_BOUND_ORG_ADMIN;
	return ag_security_bound(ag_role_find(role));
}

static struct ag_closed
closed_in(const PGresult *res, int column, enum ag_bound bound)
{
	struct json_object *stored = json_tokener_parse(PQgetvalue(res, 0, column));
	struct ag_closed closed = ag_security_closed(stored, bound);

	json_object_put(stored);
	return closed;
}

int
ag_security_read_caller(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	if (c->actor.is_operator || c->actor.kind != AG_KEY_WORKSPACE_USER || !c->actor.key_id)
		return 0;
	ag_pg_arg_i64(&a, c->actor.key_id);
	res = ag_call_sql(c, SQL_SECURITY_OF_KEY, &a);
	if (!res)
		return -1;
	/* Gone since it was looked up: nothing it says can be trusted. */
	if (PQntuples(res) == 0)
		return ag_call_fail(c, 401, "AB05", "Invalid API Key");
	c->actor.user_id = ag_pg_i64(res, 0, 0);
	c->actor.closed = closed_in(res, 3, bound_of(ag_pg_text(res, 0, 1), ag_pg_text(res, 0, 2)));
	/* It was only read, see ag_auth_need_org(). */
	ag_pg_rollback(c->ctl->pg);
	c->in_txn = false;
	return 0;
}

int
ag_security_need(struct ag_call *c, enum ag_subject subject)
{
	const char *name = ag_security_closes(c->actor.closed, subject);

	if (!name)
		return 0;
	return ag_call_fail(c, 403, "AB03",
	    "the workspace does not allow it: security_settings.%s is false", name);
}

int64_t
ag_security_only_person(const struct ag_call *c)
{
	return ag_security_closes(c->actor.closed, AG_SUBJECT_VIEW_ALL_DATA) ? c->actor.user_id : 0;
}

int
ag_security_of_role(struct ag_call *c, int64_t workspace_id, enum ag_role_in role,
    struct ag_closed *out)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, workspace_id);
	res = ag_call_sql(c, SQL_SECURITY_OF_WORKSPACE, &a);
	if (!res)
		return -1;
	*out = PQntuples(res) > 0 ? closed_in(res, 0, ag_security_bound(role)) : (struct ag_closed){ 0 };
	return 0;
}

/* ---- as it is written and read ---- */

static bool
is_known(const char *name)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return true;
	return false;
}

int
ag_security_read(struct ag_call *c, struct json_object **out, bool *out_given)
{
	struct json_object *settings = NULL;
	enum ag_field f = ag_field_object(c, c->body, "security_settings", &settings);
	enum ag_role_in own;

	if (f == AG_FIELD_BAD || f == AG_FIELD_ABSENT)
		return f == AG_FIELD_BAD ? -1 : 0;
	/* They bound managers: one who could write them would give himself what they take. */
	if (ag_people_own_role(c, &own) < 0)
		return -1;
	if (own < AG_ROLE_IN_ADMIN)
		return ag_call_fail(c, 403, "AB03",
		    "security_settings: only admins of the workspace and of the organisation may change them");
	if (settings) {
		ag_json_foreach(settings, name, value) {
			if (!is_known(name))
				return ag_call_invalid(c, "security_settings.%.64s: there is no such setting", name);
			if (!json_object_is_type(value, json_type_boolean))
				return ag_call_invalid(c, "security_settings.%s: must be true or false", name);
		}
	}
	*out = settings;
	*out_given = true;
	return 0;
}

void
ag_security_show(struct json_object *workspace)
{
	struct json_object *stored = NULL, *all = json_object_new_object(), *v;

	json_object_object_get_ex(workspace, "security_settings", &stored);
	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		bool is_stored = stored && json_object_object_get_ex(stored, rows[i].name, &v);

		json_object_object_add(all, rows[i].name,
		    is_stored ? json_object_get(v) : json_object_new_boolean(rows[i].is_on));
	}
	json_object_object_add(workspace, "security_settings", all);
}
