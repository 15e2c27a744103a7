/* key_read.c - API keys as they are shown: lists, one, its limits. */
#include "base/json.h"
#include "control/handlers.h"
#include "control/keys.h"
#include "control/limits.h"
#include "control/meters.h"
#include "control/sql.h"

/* Usage, status, next reset: what shared memory knows and PostgreSQL does not. */
static void
finish_object(struct ag_call *c, struct json_object *obj, const PGresult *meters)
{
	struct json_object *id, *expired, *usage, *next;
	bool is_exhausted;

	json_object_object_get_ex(obj, "_id", &id);
	json_object_object_get_ex(obj, "_expired", &expired);
	is_exhausted = ag_limits_decorate(c, obj, meters, json_object_get_int64(id));
	if (json_object_get_boolean(expired))
		json_object_object_add(obj, "status", json_object_new_string("expired"));
	else if (is_exhausted)
		json_object_object_add(obj, "status", json_object_new_string("exhausted"));
	if (json_object_object_get_ex(obj, "usage_limits", &usage) && usage &&
	    json_object_object_get_ex(usage, "next_usage_reset_at", &next))
		json_object_object_add(obj, "next_usage_reset_at", json_object_get(next));
	ag_call_strip(obj);
}

/* The kinds whose keys the caller may list, as a JSON array; none: answered. */
static struct json_object *
kinds_to_list(struct ag_call *c)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < AG_KINDS; i++)
		if (ag_call_has(c, ag_kinds[i].list))
			json_object_array_add(list, json_object_new_string(ag_kinds[i].name));
	if (ag_json_len(list) > 0)
		return list;
	json_object_put(list);
	ag_call_fail(c, 401, "AB05", "the API key lacks the scope %s", ag_scope_name(ag_kinds[1].list));
	return NULL;
}

/* "a,b" of the query as a JSON array; NULL when it is not there. */
static struct json_object *
ids_to_list(struct ag_call *c)
{
	const char *p = ag_call_query(c, "ids");
	struct json_object *list;

	if (!p)
		return NULL;
	list = json_object_new_array();
	while (*p) {
		size_t n = strcspn(p, ",");
		char one[AG_UUID_LEN];

		if (ag_str_copy(ag_str_n(p, n), one, sizeof(one))) {
			for (char *q = one; *q; q++)
				if (*q >= 'A' && *q <= 'F')
					*q = (char)(*q - 'A' + 'a');
			json_object_array_add(list, json_object_new_string(one));
		}
		p += n + (p[n] == ',');
	}
	return list;
}

void
ag_api_key_list(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *meters = NULL;
	struct json_object *list = NULL, *data, *may = kinds_to_list(c), *ids = NULL;
	struct ag_pg_args a = { 0 };
	struct ag_page page;
	int64_t workspace_id;

	if (!may)
		return;
	if (ag_call_page(c, 100, &page) == 0 && ag_workspace_resolve(c,
	    ag_call_query(c, "workspace_id"), false, &workspace_id) == 0) {
		ids = ids_to_list(c);
		ag_pg_arg_i64(&a, c->actor.org_id);
		ag_pg_arg_i64(&a, workspace_id);
		ag_pg_arg_json(&a, may);
		ag_pg_arg_json(&a, ids);
		ag_pg_arg_i64(&a, page.limit);
		ag_pg_arg_i64(&a, page.offset);
		if (ag_call_json(c, SQL_KEY_LIST, &a, &list) < 0)
			list = NULL;
	}
	json_object_put(may);
	json_object_put(ids);
	if (!list)
		return;
	json_object_object_get_ex(list, "data", &data);
	meters = ag_meters_of(c, "key", data);
	if (!meters) {
		json_object_put(list);
		return;
	}
	for (size_t i = 0; i < ag_json_len(data); i++)
		finish_object(c, ag_json_at(data, i), meters);
	ag_call_ok(c, list);
}

void
ag_api_key_get(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *meters = NULL;
	struct json_object *obj = NULL;
	const struct ag_kind *kind;
	int64_t id;

	if (ag_key_find(c, AG_KEY_TO_READ, &id, &kind) < 0 || ag_key_read(c, id, &obj) < 0)
		return;
	meters = ag_meters_of(c, "key", obj);
	if (!meters) {
		json_object_put(obj);
		return;
	}
	ag_call_tag(c, obj);
	finish_object(c, obj, meters);
	ag_call_ok(c, obj);
}

/* Operators know keys by their names. */
static int
name_to_id(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, c->arg[0]);
	res = ag_call_sql(c, SQL_KEY_NAMED, &a);
	if (!res)
		return -1;
	if (PQntuples(res) > 1)
		return ag_call_invalid(c, "there are several keys named \"%.255s\": give the id", c->arg[0]);
	if (PQntuples(res) == 1)
		ag_str_copy(ag_pg_text(res, 0, 0), c->arg[0], sizeof(c->arg[0]));
	return 0;
}

void
ag_api_key_limits(struct ag_call *c)
{
	const struct ag_kind *kind;
	int64_t id;

	if (c->actor.is_operator && name_to_id(c) < 0)
		return;
	if (ag_key_find(c, AG_KEY_TO_READ, &id, &kind) == 0)
		ag_limits_of_key(c, id);
}
