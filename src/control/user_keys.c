#include "control/user_keys.h"

#include <stdio.h>

#include "base/json.h"
#include "control/field.h"
#include "control/publish.h"
#include "control/schema.h"
#include "control/settings.h"
#include "control/sql_people.h"
#include "policy/metadata.h"

#define DAYS_MAX  36500
#define COUNT_MAX 1000000

bool
ag_user_keys_is_setting(const char *name)
{
	static const char *const names[] = { "user_api_key_ttl", AG_USER_KEY_MAX_TTL, "user_api_key_count",
		"user_key_metadata", "user_key_metadata_override" };

	for (size_t i = 0; i < AG_ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

void
ag_user_keys_body_fini(struct ag_user_keys_body *b)
{
	json_object_put(b->metadata);
}

/* null is as `none` is. */
static int
read_number(struct ag_call *c, struct json_object *settings, const char *name, int64_t none,
    int64_t max, const char *unit, bool *out_given, int64_t *out)
{
	struct json_object *v;

	if (!settings || !json_object_object_get_ex(settings, name, &v))
		return 0;
	if (v && (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < none ||
	    json_object_get_int64(v) > max))
		return ag_call_invalid(c, "settings.%s: must be an integer from %lld (none) to %lld%s", name,
		    (long long)none, (long long)max, unit);
	*out_given = true;
	*out = v ? json_object_get_int64(v) : none;
	return 0;
}

static int
read_metadata(struct ag_call *c, struct json_object *settings, struct ag_user_keys_body *out)
{
	static const char path[] = "settings.user_key_metadata";
	struct json_object *v = NULL;
	bool is_on = false;

	if (!settings || !json_object_object_get_ex(settings, "user_key_metadata", &v))
		return 0;
	if (json_object_is_type(v, json_type_object)) {
		if (ag_field_metadata(c, settings, path, &v) == AG_FIELD_BAD)
			return -1;
		out->metadata = ag_json_members(v) > 0 ? json_object_get(v) : NULL;
	} else if (v && !json_object_is_type(v, json_type_boolean) &&
	    !json_object_is_type(v, json_type_int)) {
		return ag_call_invalid(c, "%s: must be 0, 1 (the person's address as _user), or an object", path);
	} else if (ag_field_bool(c, settings, path, &is_on) == AG_FIELD_BAD) {
		return -1;
	} else if (is_on) {
		out->metadata = json_object_new_boolean(1);
	}
	out->has_metadata = true;
	return 0;
}

int
ag_user_keys_read(struct ag_call *c, struct json_object *settings, struct ag_user_keys_body *out)
{
	enum ag_field f;

	if (read_number(c, settings, "user_api_key_ttl", 0, DAYS_MAX, " days", &out->has_ttl,
	    &out->ttl_days) < 0 ||
	    read_number(c, settings, AG_USER_KEY_MAX_TTL, 0, DAYS_MAX, " days", &out->has_max_ttl,
	    &out->max_ttl_days) < 0 ||
	    read_number(c, settings, "user_api_key_count", -1, COUNT_MAX, "", &out->has_count,
	    &out->count) < 0 ||
	    read_metadata(c, settings, out) < 0)
		return -1;
	out->override = true;
	f = ag_field_bool(c, settings, "settings.user_key_metadata_override", &out->override);
	out->has_override = f == AG_FIELD_SET || f == AG_FIELD_NULL;
	return f == AG_FIELD_BAD ? -1 : 0;
}

/* Each member as the organisation's schema of keys wants it; what is required a key may still
 * bring itself. */
static int
check_schema(struct ag_call *c, struct json_object *metadata)
{
	struct json_object *settings = NULL, *schema = NULL, *part = NULL, *filled = NULL;
	struct ag_err err = { "" };
	int rc = ag_settings_read(c, &settings);

	if (rc == 0 && json_object_object_get_ex(settings, AG_SETTING_KEY_SCHEMA, &schema) && schema) {
		if (json_object_deep_copy(schema, &part, NULL) < 0 ||
		    json_object_deep_copy(metadata, &filled, NULL) < 0) {
			rc = ag_call_fail(c, 500, "AB04", "out of memory");
		} else {
			json_object_object_del(part, "required");
			if (ag_schema_apply(part, filled, &err) < 0)
				rc = ag_call_invalid(c, "settings.user_key_metadata.%s: " AG_SETTING_KEY_SCHEMA, err.text);
		}
	}
	json_object_put(settings);
	json_object_put(part);
	json_object_put(filled);
	return rc;
}

static int
publish_all(struct ag_call *c, int64_t workspace_id)
{
	struct json_object *ids = NULL;
	struct ag_pg_args a = { 0 };
	int rc;

	ag_pg_arg_i64(&a, workspace_id);
	if (ag_call_json(c, SQL_USER_KEYS_IN, &a, &ids) < 0)
		return -1;
	rc = ag_publish_keys(c, ids);
	json_object_put(ids);
	return rc;
}

int
ag_user_keys_store(struct ag_call *c, int64_t workspace_id, const struct ag_user_keys_body *b)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	if (!b->has_ttl && !b->has_max_ttl && !b->has_count && !b->has_metadata && !b->has_override)
		return 0;
	if (json_object_is_type(b->metadata, json_type_object) && check_schema(c, b->metadata) < 0)
		return -1;
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_bool(&a, b->has_ttl);
	ag_pg_arg_i64(&a, b->ttl_days);
	ag_pg_arg_bool(&a, b->has_max_ttl);
	ag_pg_arg_i64(&a, b->max_ttl_days);
	ag_pg_arg_bool(&a, b->has_count);
	ag_pg_arg_i64(&a, b->count);
	ag_pg_arg_bool(&a, b->has_metadata);
	ag_pg_arg_json(&a, b->metadata);
	ag_pg_arg_bool(&a, b->has_override);
	ag_pg_arg_bool(&a, b->override);
	res = ag_call_sql(c, SQL_USER_KEYS_SET, &a);
	if (!res)
		return -1;
	/* The statement changes nothing then: the two may come in different calls. */
	if (PQntuples(res) == 0)
		return ag_call_invalid(c,
		    "settings.user_api_key_ttl: must be at most settings." AG_USER_KEY_MAX_TTL);
	return b->has_metadata || b->has_override ? publish_all(c, workspace_id) : 0;
}

/* ---- of one person ---- */

void
ag_user_keys_fini(struct ag_user_keys *k)
{
	json_object_put(k->metadata);
}

int
ag_user_keys_find(struct ag_call *c, int64_t workspace_id, int64_t user_id,
    struct ag_user_keys *out)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_i64(&a, user_id);
	res = ag_call_sql(c, SQL_USER_KEYS_OF, &a);
	if (!res)
		return -1;
	assert(PQntuples(res) == 1); /* the caller found both in this transaction */
	*out = (struct ag_user_keys){ .ttl_days = ag_pg_i64(res, 0, 0),
		.max_ttl_days = ag_pg_i64(res, 0, 1), .count = ag_pg_i64(res, 0, 2),
		.override = ag_pg_bool(res, 0, 4), .n_active = ag_pg_i64(res, 0, 5),
		.metadata = PQgetisnull(res, 0, 3) ? NULL : json_tokener_parse(PQgetvalue(res, 0, 3)) };
	return 0;
}

int
ag_user_keys_room(struct ag_call *c, const struct ag_user_keys *k, int64_t workspace_id,
    int64_t user_id, const char *path)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	if (k->count < 0)
		return 0;
	if (k->n_active >= k->count)
		return ag_call_invalid(c, "%s: the user has %lld keys that work in the workspace,"
		    " settings.user_api_key_count allows %lld", path, (long long)k->n_active,
		    (long long)k->count);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_i64(&a, user_id);
	res = ag_call_sql(c, SQL_USER_KEYS_TURN, &a);
	return res ? 0 : -1;
}

static void
overlay(struct json_object *on, struct json_object *with)
{
	if (with) {
		ag_json_foreach(with, name, value)
			json_object_object_add(on, name, json_object_get(value));
	}
}

struct json_object *
ag_user_keys_carried(const struct ag_user_keys *k, struct json_object *own)
{
	struct json_object *all;

	if (!own && !k->metadata)
		return NULL;
	all = json_object_new_object();
	overlay(all, k->override ? k->metadata : own);
	overlay(all, k->override ? own : k->metadata);
	return all;
}
