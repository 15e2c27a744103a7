/* users.c - the persons of an organisation.  They come by invites; owners are made by operators. */
#include "base/json.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/people.h"
#include "control/publish.h"
#include "control/sql_people.h"

/* role of the query, one of those that users have. */
static int
role_filter(struct ag_call *c, const char **out)
{
	*out = ag_call_query(c, "role");
	if (!*out || strcmp(*out, "owner") == 0 || strcmp(*out, "admin") == 0 || strcmp(*out, "member") == 0)
		return 0;
	return ag_call_invalid(c, "role: must be owner, admin or member, not \"%.64s\"", *out);
}

void
ag_user_list(struct ag_call *c)
{
	struct json_object *list = NULL, *data;
	struct ag_pg_args a = { 0 };
	struct ag_page page;
	const char *role;

	if (role_filter(c, &role) < 0 || ag_call_page(c, 100, &page) < 0)
		return;
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, role);
	ag_pg_arg_text(&a, ag_call_query(c, "email"));
	ag_pg_arg_i64(&a, page.limit);
	ag_pg_arg_i64(&a, page.offset);
	if (ag_call_json(c, SQL_USER_LIST, &a, &list) < 0)
		return;
	json_object_object_get_ex(list, "data", &data);
	for (size_t i = 0; i < ag_json_len(data); i++)
		ag_call_strip(ag_json_at(data, i));
	ag_call_ok(c, list);
}

/* The user the path names. */
static int
read_in_path(struct ag_call *c, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, c->arg[0]);
	if (ag_call_json(c, SQL_USER_GET, &a, out) < 0)
		return -1;
	return *out ? 0 : ag_call_not_found(c, "user", c->arg[0]);
}

static int64_t
id_of(struct json_object *user)
{
	struct json_object *v;

	json_object_object_get_ex(user, "_id", &v);
	return json_object_get_int64(v);
}

static const char *
text_of(struct json_object *user, const char *name)
{
	struct json_object *v;

	json_object_object_get_ex(user, name, &v);
	return json_object_get_string(v);
}

void
ag_user_get(struct ag_call *c)
{
	struct json_object *user = NULL;

	if (read_in_path(c, &user) < 0)
		return;
	ag_call_tag(c, user);
	ag_call_strip(user);
	ag_call_ok(c, user);
}

/* Who may change or remove whom: an organisation never loses its owner by its own API. */
static int
find_to_change(struct ag_call *c, struct json_object **out)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	if (read_in_path(c, out) < 0)
		return -1;
	ag_pg_arg_i64(&a, id_of(*out));
	res = ag_call_sql(c, SQL_USER_LOCK, &a);
	if (!res)
		return -1;
	if (ag_str_eq(ag_pg_text(res, 0, 0), AG_STR("owner")))
		return ag_call_fail(c, 403, "AB03", "owners can be neither changed nor removed here");
	return ag_call_match(c, *out);
}

static int
run(struct ag_call *c, const char *sql, const struct ag_pg_args *a)
{
	PGresult *res = ag_call_sql(c, sql, a);

	PQclear(res);
	return res ? 0 : -1;
}

static int
set_role(struct ag_call *c, int64_t id, const char *role)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	ag_pg_arg_text(&a, role);
	return run(c, SQL_USER_SET_ROLE, &a);
}

void
ag_user_update(struct ag_call *c)
{
	static const char *const unserved[] = { "email", "first_name", "last_name", "status", NULL };
	struct json_object *before = NULL, *after = NULL;
	const char *role = NULL;

	if (ag_field_refuse(c, c->body, unserved, "") < 0 ||
	    ag_field_text(c, c->body, "role", 64, &role) == AG_FIELD_BAD)
		return;
	if (!role || (strcmp(role, "admin") != 0 && strcmp(role, "member") != 0)) {
		ag_call_invalid(c, "role: must be admin or member");
		return;
	}
	if (find_to_change(c, &before) == 0 && set_role(c, id_of(before), role) == 0 &&
	    read_in_path(c, &after) == 0 &&
	    ag_call_audit(c, "update", "app_user", text_of(before, "id"), before, after) == 0 &&
	    ag_people_publish_keys(c, id_of(before)) == 0 && ag_call_commit(c) == 0) {
		ag_call_tag(c, after);
		ag_call_ok(c, NULL);
	}
	json_object_put(before);
	json_object_put(after);
}

void
ag_user_delete(struct ag_call *c)
{
	struct json_object *before = NULL;
	struct ag_pg_args a = { 0 };

	if (find_to_change(c, &before) == 0) {
		ag_pg_arg_i64(&a, id_of(before));
		if (ag_people_delete_keys(c, id_of(before), 0) == 0 && run(c, SQL_USER_LEAVE_ALL, &a) == 0 &&
		    run(c, SQL_USER_ARCHIVE, &a) == 0 &&
		    ag_call_audit(c, "delete", "app_user", text_of(before, "id"), before, NULL) == 0 &&
		    ag_call_commit(c) == 0)
			ag_call_ok(c, NULL);
	}
	json_object_put(before);
}
