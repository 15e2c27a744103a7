/* members.c - who belongs to a workspace, and as what. */
#include "base/json.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/people.h"
#include "control/publish.h"
#include "control/sql_people.h"

/* The workspace of the path: a workspace's key reaches its own only. */
static int
workspace_in_path(struct ag_call *c, int64_t *out_id, char uuid[AG_UUID_LEN])
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, c->arg[0]);
	res = ag_call_sql(c, SQL_WORKSPACE_FIND, &a);
	if (!res)
		return -1;
	if (c->actor.workspace_id &&
	    (PQntuples(res) == 0 || ag_pg_i64(res, 0, 0) != c->actor.workspace_id))
		return ag_call_fail(c, 403, "AB03", "the API key belongs to another workspace");
	if (PQntuples(res) == 0)
		return ag_call_not_found(c, "workspace", c->arg[0]);
	*out_id = ag_pg_i64(res, 0, 0);
	ag_str_copy(ag_pg_text(res, 0, 1), uuid, AG_UUID_LEN);
	return 0;
}

/* scopes: what a key of this member may do. */
static void
finish_object(struct json_object *member)
{
	struct json_object *name, *stored, *list = json_object_new_array();
	struct ag_closed closed;
	enum ag_role_in role;

	json_object_object_get_ex(member, "role", &name);
	json_object_object_get_ex(member, "_security", &stored);
	role = ag_role_find(ag_str(json_object_get_string(name)));
	closed = ag_security_closed(stored, ag_security_bound(role));
	for (unsigned i = 0; i < AG_SCOPES; i++)
		if (ag_role_may(role, (enum ag_scope)i) && !ag_security_closes_scope(closed, (enum ag_scope)i))
			json_object_array_add(list, json_object_new_string(ag_scope_name((enum ag_scope)i)));
	json_object_object_add(member, "scopes", list);
	ag_call_strip(member);
}

void
ag_member_list(struct ag_call *c)
{
	struct json_object *list = NULL, *data;
	const char *role = ag_call_query(c, "role");
	struct ag_pg_args a = { 0 };
	char uuid[AG_UUID_LEN];
	struct ag_page page;
	int64_t workspace_id;

	if (role && ag_role_find(ag_str(role)) == AG_ROLE_IN_NONE) {
		ag_call_invalid(c, "role: must be admin, manager or member, not \"%.64s\"", role);
		return;
	}
	if (ag_call_page(c, 50, &page) < 0 || workspace_in_path(c, &workspace_id, uuid) < 0)
		return;
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_text(&a, role);
	ag_pg_arg_text(&a, ag_call_query(c, "email"));
	ag_pg_arg_i64(&a, page.limit);
	ag_pg_arg_i64(&a, page.offset);
	if (ag_call_json(c, SQL_MEMBER_LIST, &a, &list) < 0)
		return;
	json_object_object_get_ex(list, "data", &data);
	for (size_t i = 0; i < ag_json_len(data); i++)
		finish_object(ag_json_at(data, i));
	ag_call_ok(c, list);
}

static int
read_member(struct ag_call *c, int64_t workspace_id, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_text(&a, c->arg[1]);
	if (ag_call_json(c, SQL_MEMBER_GET, &a, out) < 0)
		return -1;
	return *out ? 0 : ag_call_not_found(c, "member", c->arg[1]);
}

void
ag_member_get(struct ag_call *c)
{
	struct json_object *member = NULL;
	char uuid[AG_UUID_LEN];
	int64_t workspace_id;

	if (workspace_in_path(c, &workspace_id, uuid) < 0 || read_member(c, workspace_id, &member) < 0)
		return;
	ag_call_tag(c, member);
	finish_object(member);
	ag_call_ok(c, member);
}

void
ag_member_add(struct ag_call *c)
{
	struct json_object *users = NULL;
	char uuid[AG_UUID_LEN];
	int64_t workspace_id;

	if (workspace_in_path(c, &workspace_id, uuid) < 0 ||
	    ag_field_array(c, c->body, "users", &users) == AG_FIELD_BAD)
		return;
	if (ag_json_len(users) == 0) {
		ag_call_invalid(c, "users: is required, an array of {id, role}");
		return;
	}
	if (ag_people_join(c, users, "users", workspace_id) == 0 &&
	    ag_call_audit(c, "create", "workspace_user", uuid, NULL, users) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
}

struct member_ref { int64_t workspace_id, id, user_id; };

/* The member of the path, whom the caller may change: nobody touches who stands above. */
static int
find_to_change(struct ag_call *c, struct member_ref *out, char uuid[AG_UUID_LEN],
    enum ag_role_in *out_own, struct json_object **out_before)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	if (workspace_in_path(c, &out->workspace_id, uuid) < 0 || ag_people_own_role(c, out_own) < 0)
		return -1;
	ag_pg_arg_i64(&a, out->workspace_id);
	ag_pg_arg_text(&a, c->arg[1]);
	res = ag_call_sql(c, SQL_MEMBER_FIND, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_not_found(c, "member", c->arg[1]);
	if (ag_role_find(ag_pg_text(res, 0, 2)) > *out_own)
		return ag_call_fail(c, 403, "AB03", "the member stands above the caller's own role");
	out->id = ag_pg_i64(res, 0, 0);
	out->user_id = ag_pg_i64(res, 0, 1);
	if (read_member(c, out->workspace_id, out_before) < 0)
		return -1;
	return ag_call_match(c, *out_before);
}

static int
set_role(struct ag_call *c, const struct member_ref *m, const char *role)
{
	struct ag_pg_args a = { 0 };
	PGresult *res;

	ag_pg_arg_i64(&a, m->id);
	ag_pg_arg_text(&a, role);
	res = ag_call_sql(c, SQL_MEMBER_SET_ROLE, &a);
	PQclear(res);
	return res ? 0 : -1;
}

void
ag_member_update(struct ag_call *c)
{
	struct json_object *before = NULL, *after = NULL, *given;
	enum ag_role_in role, own;
	struct member_ref m;
	char uuid[AG_UUID_LEN];
	const char *name;

	if (!c->body || !json_object_object_get_ex(c->body, "role", &given) || !given) {
		ag_call_invalid(c, "role: is required");
		return;
	}
	if (ag_people_read_role(c, c->body, "role", &role, &name) < 0)
		return;
	if (find_to_change(c, &m, uuid, &own, &before) == 0) {
		if (role > own)
			ag_call_fail(c, 403, "AB03", "role: above the caller's own role");
		else if (set_role(c, &m, name) == 0 && read_member(c, m.workspace_id, &after) == 0 &&
		    ag_call_audit(c, "update", "workspace_user", uuid, before, after) == 0 &&
		    ag_people_publish_keys(c, m.user_id) == 0 && ag_call_commit(c) == 0) {
			ag_call_tag(c, after);
			ag_call_ok(c, NULL);
		}
	}
	json_object_put(before);
	json_object_put(after);
}

void
ag_member_remove(struct ag_call *c)
{
	struct json_object *before = NULL;
	struct ag_pg_args a = { 0 };
	enum ag_role_in own;
	struct member_ref m;
	char uuid[AG_UUID_LEN];
	PGresult *res;

	if (find_to_change(c, &m, uuid, &own, &before) == 0) {
		ag_pg_arg_i64(&a, m.id);
		res = ag_call_sql(c, SQL_MEMBER_DELETE, &a);
		if (res && ag_people_delete_keys(c, m.user_id, m.workspace_id) == 0 &&
		    ag_call_audit(c, "delete", "workspace_user", uuid, before, NULL) == 0 && ag_call_commit(c) == 0)
			ag_call_ok(c, NULL);
		PQclear(res);
	}
	json_object_put(before);
}
