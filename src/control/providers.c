#include "control/providers.h"

#include "base/json.h"
#include "control/field.h"
#include "control/limits.h"
#include "control/meters.h"
#include "control/publish.h"
#include "control/sql_providers.h"

#define TEXT_MAX_BYTES 4096

/* ---- reading ---- */

void
ag_provider_finish(struct ag_call *c, struct json_object *obj, const PGresult *meters)
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

/* The Python SDK declares an object in the list of providers where the API documents an array. */
static void
unwrap_rates(struct json_object *one)
{
	struct json_object *v = NULL;

	if (json_object_object_get_ex(one, "rate_limits", &v) &&
	    json_object_is_type(v, json_type_array))
		json_object_object_add(one, "rate_limits",
		    json_object_get(ag_json_at(v, 0)));
}

void
ag_provider_answer_list(struct ag_call *c, const char *sql)
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
	if (ag_call_json(c, sql, &a, &list) < 0)
		return;
	json_object_object_get_ex(list, "data", &data);
	meters = ag_meters_of(c, "provider", data);
	if (!meters) {
		json_object_put(list);
		return;
	}
	for (size_t i = 0; i < ag_json_len(data); i++)
		ag_provider_finish(c, ag_json_at(data, i), meters);
	ag_call_ok(c, list);
}

void
ag_provider_answer_one(struct ag_call *c, const char *sql, int64_t workspace_id)
{
	AG_AUTO(ag_pgres) PGresult *meters = NULL;
	struct json_object *obj = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_text(&a, c->arg[0]);
	if (ag_call_json(c, sql, &a, &obj) < 0)
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
	ag_call_tag(c, obj);
	ag_provider_finish(c, obj, meters);
	ag_call_ok(c, obj);
}

void
ag_provider_list(struct ag_call *c)
{
	struct json_object *data = NULL;

	ag_provider_answer_list(c, SQL_PROVIDER_LIST);
	if (c->from_python && c->status == 200 &&
	    json_object_object_get_ex(c->answer, "data", &data))
		for (size_t i = 0; i < ag_json_len(data); i++)
			unwrap_rates(ag_json_at(data, i));
}

void
ag_provider_get(struct ag_call *c)
{
	int64_t workspace_id;

	if (ag_provider_workspace(c, &workspace_id) == 0)
		ag_provider_answer_one(c, SQL_PROVIDER_GET, workspace_id);
}

int
ag_provider_read(struct ag_call *c, int64_t workspace_id, const char *uuid, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_text(&a, uuid);
	if (ag_call_json(c, SQL_PROVIDER_GET, &a, out) < 0)
		return -1;
	return *out ? 0 : ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
}

struct json_object *
ag_provider_made(const struct ag_provider_ref *ref)
{
	struct json_object *answer = json_object_new_object();

	json_object_object_add(answer, "id", json_object_new_string(ref->uuid));
	json_object_object_add(answer, "slug", json_object_new_string(ref->slug));
	return answer;
}

/* ---- the body ---- */

int
ag_provider_body_read(struct ag_call *c, struct ag_provider_body *b)
{
	enum ag_field f;

	if (ag_field_text(c, c->body, "name", AG_SLUG_MAX, &b->name) == AG_FIELD_BAD ||
	    ag_field_slug(c, c->body, "slug", &b->slug) == AG_FIELD_BAD ||
	    ag_field_bool(c, c->body, "reset_usage", &b->reset_usage) == AG_FIELD_BAD)
		return -1;
	if (b->name && !*b->name)
		return ag_call_invalid(c, "name: must not be empty");
	f = ag_field_text(c, c->body, "note", TEXT_MAX_BYTES, &b->note);
	if (f == AG_FIELD_BAD)
		return -1;
	b->has_note = f != AG_FIELD_ABSENT;
	f = ag_field_time(c, c->body, "expires_at", &b->expires_at_us);
	if (f == AG_FIELD_BAD)
		return -1;
	b->has_expiry = f != AG_FIELD_ABSENT;
	b->expiry_is_set = f == AG_FIELD_SET;
	if (ag_limits_usage_member(c, c->body, "usage_limits", AG_LIMITS_OBJECT, &b->has_usage,
	    &b->usage) < 0)
		return -1;
	return ag_limits_rate_member(c, c->body, "rate_limits", AG_LIMITS_ARRAY, &b->has_rates,
	    &b->rates);
}

void
ag_provider_body_fini(struct ag_provider_body *b)
{
	json_object_put(b->usage);
	json_object_put(b->rates);
}

static void
arg_expiry(struct ag_pg_args *a, const struct ag_provider_body *b)
{
	if (b->expiry_is_set)
		ag_pg_arg_i64(a, b->expires_at_us);
	else
		ag_pg_arg_text(a, NULL);
}

/* ---- rows ---- */

int
ag_provider_lock(struct ag_call *c, int64_t workspace_id, const char *name,
    struct ag_provider_ref *out)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_text(&a, name);
	res = ag_call_sql(c, SQL_PROVIDER_FIND, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_not_found(c, "provider", name);
	*out = (struct ag_provider_ref){ .id = ag_pg_i64(res, 0, 0),
		.owns_integration = ag_pg_bool(res, 0, 3), .integration_id = ag_pg_i64(res, 0, 4),
		.has_siblings = ag_pg_i64(res, 0, 7) > 1 };
	ag_str_copy(ag_pg_text(res, 0, 1), out->uuid, sizeof(out->uuid));
	ag_str_copy(ag_pg_text(res, 0, 2), out->slug, sizeof(out->slug));
	ag_str_copy(ag_pg_text(res, 0, 5), out->integration_uuid, sizeof(out->integration_uuid));
	ag_str_copy(ag_pg_text(res, 0, 6), out->integration_slug, sizeof(out->integration_slug));
	return 0;
}

int
ag_provider_make(struct ag_call *c, int64_t workspace_id, int64_t grant_id,
    const struct ag_provider_body *b, struct ag_provider_ref *ref)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };
	char made[AG_SLUG_MADE_LEN];
	const char *slug = b->slug;

	if (!b->name)
		return ag_call_invalid(c, "name: is required");
	if (!slug) {
		if (ag_slug_make(c, b->name, "provider", made) < 0)
			return -1;
		slug = made;
	}
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_i64(&a, grant_id);
	ag_pg_arg_text(&a, slug);
	ag_pg_arg_text(&a, b->name);
	ag_pg_arg_text(&a, b->note);
	ag_pg_arg_json(&a, b->usage);
	ag_pg_arg_json(&a, b->rates);
	arg_expiry(&a, b);
	ag_pg_arg_bool(&a, ref->owns_integration);
	res = ag_call_sql(c, SQL_PROVIDER_MAKE, &a);
	if (!res)
		return -1;
	ref->id = ag_pg_i64(res, 0, 0);
	ag_str_copy(ag_pg_text(res, 0, 1), ref->uuid, sizeof(ref->uuid));
	ag_str_copy(ag_str(slug), ref->slug, sizeof(ref->slug));
	return ag_meters_sync(c, "provider", ref->id, ag_pg_text(res, 0, 2), ag_pg_text(res, 0, 3),
	    false);
}

int
ag_provider_change(struct ag_call *c, const struct ag_provider_ref *ref,
    const struct ag_provider_body *b)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	if (b->slug && strcmp(b->slug, ref->slug) != 0)
		return ag_call_invalid(c, "slug: cannot be changed");
	ag_pg_arg_i64(&a, ref->id);
	ag_pg_arg_text(&a, b->name);
	ag_pg_arg_bool(&a, b->has_note);
	ag_pg_arg_text(&a, b->note);
	ag_pg_arg_bool(&a, b->has_usage);
	ag_pg_arg_json(&a, b->usage);
	ag_pg_arg_bool(&a, b->has_rates);
	ag_pg_arg_json(&a, b->rates);
	ag_pg_arg_bool(&a, b->has_expiry);
	arg_expiry(&a, b);
	res = ag_call_sql(c, SQL_PROVIDER_UPDATE, &a);
	if (!res)
		return -1;
	return ag_meters_sync(c, "provider", ref->id, ag_pg_text(res, 0, 0), ag_pg_text(res, 0, 1),
	    b->reset_usage);
}

int
ag_provider_archive(struct ag_call *c, const struct ag_provider_ref *ref)
{
	struct ag_pg_args a = { 0 };
	PGresult *res;

	if (ref->owns_integration && ref->has_siblings)
		return ag_call_fail(c, 409, "AB07", "other providers stand on integration \"%s\", "
		    "which goes with this one; delete them first", ref->integration_slug);
	if (ref->owns_integration)
		return ag_integration_archive(c, ref->integration_id);
	if (ag_meters_retired(c, SQL_METERS_RETIRE_PROVIDER, ref->id) < 0)
		return -1;
	ag_pg_arg_i64(&a, ref->id);
	res = ag_call_sql(c, SQL_PROVIDER_ARCHIVE, &a);
	PQclear(res);
	return res ? 0 : -1;
}

/* ---- making, changing, deleting ---- */

/* The grant a provider of the workspace may stand on. */
static int
find_grant(struct ag_call *c, int64_t workspace_id, int64_t *out_id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	const char *name = NULL;
	struct ag_pg_args a = { 0 };

	if (ag_field_text(c, c->body, "integration_id", AG_SLUG_MAX, &name) == AG_FIELD_BAD)
		return -1;
	if (!name)
		return ag_call_invalid(c, "integration_id: is required");
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_text(&a, name);
	res = ag_call_sql(c, SQL_PROVIDER_GRANT, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_not_found(c, "integration", name);
	if (!ag_pg_bool(res, 0, 1))
		return ag_call_fail(c, 403, "AB03",
		    "the workspace has no access to integration \"%s\"; grant it first", name);
	*out_id = ag_pg_i64(res, 0, 0);
	return 0;
}

/* In a body or, as for every other call of theirs, in the query. */
int
ag_provider_workspace(struct ag_call *c, int64_t *out_id)
{
	const char *name = ag_call_query(c, "workspace_id");

	if (!name && ag_field_text(c, c->body, "workspace_id", AG_SLUG_MAX, &name) == AG_FIELD_BAD)
		return -1;
	return ag_workspace_resolve(c, name, true, out_id);
}

void
ag_provider_create(struct ag_call *c)
{
	struct ag_provider_body b = { 0 };
	struct ag_provider_ref ref = { 0 };
	struct json_object *after = NULL;
	int64_t workspace_id, grant_id = 0;

	if (ag_provider_body_read(c, &b) == 0 && ag_provider_workspace(c, &workspace_id) == 0 &&
	    find_grant(c, workspace_id, &grant_id) == 0 &&
	    ag_provider_make(c, workspace_id, grant_id, &b, &ref) == 0 &&
	    ag_provider_read(c, workspace_id, ref.uuid, &after) == 0 &&
	    ag_call_audit(c, "create", "provider", ref.uuid, NULL, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, ag_provider_made(&ref));
	json_object_put(after);
	ag_provider_body_fini(&b);
}

/* What stands below a provider is chosen once. */
static int
keeps_integration(struct ag_call *c, const struct ag_provider_ref *ref)
{
	const char *name = NULL;

	if (ag_field_text(c, c->body, "integration_id", AG_SLUG_MAX, &name) == AG_FIELD_BAD)
		return -1;
	if (name && strcmp(name, ref->integration_slug) != 0 &&
	    strcasecmp(name, ref->integration_uuid) != 0)
		return ag_call_invalid(c, "integration_id: cannot be changed; make another provider");
	return 0;
}

void
ag_provider_update(struct ag_call *c)
{
	struct json_object *before = NULL, *after = NULL;
	struct ag_provider_body b = { 0 };
	struct ag_provider_ref ref;
	int64_t workspace_id;

	if (ag_provider_body_read(c, &b) == 0 && ag_provider_workspace(c, &workspace_id) == 0 &&
	    ag_provider_lock(c, workspace_id, c->arg[0], &ref) == 0 && keeps_integration(c, &ref) == 0 &&
	    ag_provider_read(c, workspace_id, ref.uuid, &before) == 0 && ag_call_match(c, before) == 0 &&
	    ag_provider_change(c, &ref, &b) == 0 &&
	    ag_provider_read(c, workspace_id, ref.uuid, &after) == 0 &&
	    ag_call_audit(c, "update", "provider", ref.uuid, before, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0) {
		ag_call_tag(c, after);
		ag_call_ok(c, ag_provider_made(&ref));
	}
	json_object_put(before);
	json_object_put(after);
	ag_provider_body_fini(&b);
}

void
ag_provider_delete_in(struct ag_call *c, int64_t workspace_id)
{
	struct json_object *before = NULL;
	struct ag_provider_ref ref;

	if (ag_provider_lock(c, workspace_id, c->arg[0], &ref) == 0 &&
	    ag_provider_read(c, workspace_id, ref.uuid, &before) == 0 && ag_call_match(c, before) == 0 &&
	    ag_provider_archive(c, &ref) == 0 &&
	    ag_call_audit(c, "delete", "provider", ref.uuid, before, NULL) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
	json_object_put(before);
}

void
ag_provider_delete(struct ag_call *c)
{
	int64_t workspace_id;

	if (ag_provider_workspace(c, &workspace_id) == 0)
		ag_provider_delete_in(c, workspace_id);
}
