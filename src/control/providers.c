#include "control/handlers.h"
#include "control/limits.h"
#include "control/meters.h"
#include "control/sql.h"

static void
finish_object(struct ag_call *c, struct json_object *obj, const PGresult *meters)
{
	struct json_object *id, *expired;
	bool is_exhausted;

	json_object_object_get_ex(obj, "_id", &id);
	json_object_object_get_ex(obj, "_expired", &expired);
	is_exhausted = ag_limits_decorate(c, obj, meters, json_object_get_int64(id));
	if (json_object_get_boolean(expired))
		json_object_object_add(obj, "status", json_object_new_string("expired"));
	else if (is_exhausted)
		json_object_object_add(obj, "status", json_object_new_string("exhausted"));
	ag_call_strip(obj);
}

void
ag_provider_list(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *meters = NULL;
	struct json_object *list = NULL, *data;
	struct ag_pg_args a = { 0 };
	struct ag_page page;
	int64_t workspace_id;

	if (ag_call_page(c, 50, &page) < 0 || ag_workspace_resolve(c,
	    ag_call_query(c, "workspace_id"), true, &workspace_id) < 0)
		return;
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_i64(&a, page.limit);
	ag_pg_arg_i64(&a, page.offset);
	if (ag_call_json(c, SQL_PROVIDER_LIST, &a, &list) < 0)
		return;
	json_object_object_get_ex(list, "data", &data);
	meters = ag_meters_of(c, "provider", data);
	if (!meters) {
		json_object_put(list);
		return;
	}
	for (size_t i = 0; i < json_object_array_length(data); i++)
		finish_object(c, json_object_array_get_idx(data, i), meters);
	ag_call_ok(c, list);
}

void
ag_provider_get(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *meters = NULL;
	struct json_object *obj = NULL;
	struct ag_pg_args a = { 0 };
	int64_t workspace_id;

	if (ag_workspace_resolve(c, ag_call_query(c, "workspace_id"), true, &workspace_id) < 0)
		return;
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_text(&a, c->arg[0]);
	if (ag_call_json(c, SQL_PROVIDER_GET, &a, &obj) < 0)
		return;
	if (!obj) {
		ag_call_not_found(c, "provider", c->arg[0]);
		return;
	}
	meters = ag_meters_of(c, "provider", obj);
	if (!meters) {
		json_object_put(obj);
		return;
	}
	finish_object(c, obj, meters);
	ag_call_ok(c, obj);
}
