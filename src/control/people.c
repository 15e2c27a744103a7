#include "control/people.h"

#include <stdio.h>

#include "base/json.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/meters.h"
#include "control/publish.h"
#include "control/sql_people.h"

#define JOIN_MAX 1000

static int
read_role(struct ag_call *c, const char *sql, const struct ag_pg_args *a, enum ag_role_in *out)
{
	AG_AUTO(ag_pgres) PGresult *res = ag_call_sql(c, sql, a);

	if (!res)
		return -1;
	*out = PQntuples(res) > 0 ? ag_role_find(ag_pg_text(res, 0, 0)) : AG_ROLE_IN_NONE;
	return 0;
}

int
ag_people_role_in(struct ag_call *c, int64_t user_id, int64_t workspace_id, enum ag_role_in *out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, user_id);
	ag_pg_arg_i64(&a, workspace_id);
	return read_role(c, SQL_ROLE_IN, &a, out);
}

int
ag_people_own_role(struct ag_call *c, enum ag_role_in *out)
{
	struct ag_pg_args a = { 0 };

	*out = AG_ROLE_IN_ADMIN;
	if (c->actor.is_operator || c->actor.kind != AG_KEY_WORKSPACE_USER)
		return 0;
	ag_pg_arg_i64(&a, c->actor.key_id);
	return read_role(c, SQL_ROLE_OF_KEY, &a, out);
}

int
ag_people_read_role(struct ag_call *c, struct json_object *obj, const char *path, enum ag_role_in *out,
    const char **out_name)
{
	const char *name = "member";

	if (ag_field_text(c, obj, path, 64, &name) == AG_FIELD_BAD)
		return -1;
	*out = ag_role_find(ag_str(name));
	if (*out == AG_ROLE_IN_NONE)
		return ag_call_invalid(c, "%s: must be admin, manager or member, not \"%.64s\"", path, name);
	*out_name = name;
	return 0;
}

int
ag_people_find(struct ag_call *c, const char *uuid, int64_t *out_id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, uuid);
	res = ag_call_sql(c, SQL_USER_FIND, &a);
	if (!res)
		return -1;
	*out_id = PQntuples(res) > 0 ? ag_pg_i64(res, 0, 0) : 0;
	return 0;
}

static int
join_one(struct ag_call *c, struct json_object *one, const char *path, int64_t workspace_id,
    enum ag_role_in own)
{
	char id_path[96], role_path[96];
	const char *id = NULL, *role_name = "member";
	enum ag_role_in role = AG_ROLE_IN_MEMBER;
	struct ag_pg_args a = { 0 };
	PGresult *res;
	int64_t user_id;

	snprintf(id_path, sizeof(id_path), "%.64s.id", path);
	snprintf(role_path, sizeof(role_path), "%.64s.role", path);
	if (json_object_is_type(one, json_type_string))
		id = json_object_get_string(one);
	else if (!json_object_is_type(one, json_type_object))
		return ag_call_invalid(c, "%s: must be the id of a user, or {id, role}", path);
	else if (ag_field_text(c, one, id_path, 64, &id) == AG_FIELD_BAD ||
	    ag_people_read_role(c, one, role_path, &role, &role_name) < 0)
		return -1;
	if (!id)
		return ag_call_invalid(c, "%s: is required", id_path);
	if (role > own)
		return ag_call_fail(c, 403, "AB03", "%s: above the caller's own role", role_path);
	if (ag_people_find(c, id, &user_id) < 0)
		return -1;
	if (!user_id)
		return ag_call_invalid(c, "%s: no such user \"%.64s\"", id_path, id);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_i64(&a, user_id);
	ag_pg_arg_text(&a, role_name);
	res = ag_call_sql(c, SQL_MEMBER_INSERT, &a);
	PQclear(res);
	return res ? ag_people_publish_keys(c, user_id) : -1;
}

int
ag_people_join(struct ag_call *c, struct json_object *users, const char *path, int64_t workspace_id)
{
	size_t n = ag_json_len(users);
	enum ag_role_in own;
	char one[64];

	if (n > JOIN_MAX)
		return ag_call_invalid(c, "%s: at most %d at once", path, JOIN_MAX);
	if (ag_people_own_role(c, &own) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		snprintf(one, sizeof(one), "%s[%zu]", path, i);
		if (join_one(c, ag_json_at(users, i), one, workspace_id, own) < 0)
			return -1;
	}
	return 0;
}

int
ag_people_publish_keys(struct ag_call *c, int64_t user_id)
{
	struct json_object *ids = NULL;
	struct ag_pg_args a = { 0 };
	int rc;

	ag_pg_arg_i64(&a, user_id);
	if (ag_call_json(c, SQL_USER_KEYS, &a, &ids) < 0)
		return -1;
	rc = ag_publish_keys(c, ids);
	json_object_put(ids);
	return rc;
}

int
ag_people_delete_keys(struct ag_call *c, int64_t user_id, int64_t workspace_id)
{
	AG_AUTO(ag_pgres) PGresult *meters = NULL;
	AG_AUTO(ag_pgres) PGresult *keys = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, user_id);
	ag_pg_arg_i64(&a, workspace_id);
	meters = ag_call_sql(c, SQL_USER_METERS_RETIRE, &a);
	keys = meters ? ag_call_sql(c, SQL_USER_DELETE_KEYS, &a) : NULL;
	if (!keys)
		return -1;
	for (int i = 0; i < PQntuples(meters); i++)
		if (ag_plan_meter_gone(&c->plan, ag_pg_i64(meters, i, 0)) < 0)
			return ag_call_fail(c, 500, "AB04", "out of memory");
	for (int i = 0; i < PQntuples(keys); i++)
		if (ag_plan_key_gone(&c->plan, ag_pg_i64(keys, i, 0)) < 0)
			return ag_call_fail(c, 500, "AB04", "out of memory");
	return 0;
}
