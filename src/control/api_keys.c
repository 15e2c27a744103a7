#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/key_schedule.h"
#include "control/keys.h"
#include "control/rules.h"
#include "control/limits.h"
#include "control/meters.h"
#include "control/people.h"
#include "control/publish.h"
#include "control/settings.h"
#include "control/sql_people.h"

#define NAME_MAX_BYTES 255
#define TEXT_MAX_BYTES 4096
#define EMAILS_MAX 100

const struct ag_kind ag_kinds[AG_KINDS] = {
	{ "organisation-service", "organisation", "service", AG_SCOPE_OF_A,
	  AG_SCOPE_ORGANISATION_SERVICE_API_KEYS_CREATE, AG_SCOPE_ORGANISATION_SERVICE_API_KEYS_READ,
	  AG_SCOPE_ORGANISATION_SERVICE_API_KEYS_UPDATE, AG_SCOPE_ORGANISATION_SERVICE_API_KEYS_DELETE,
	  AG_SCOPE_ORGANISATION_SERVICE_API_KEYS_LIST, AG_SCOPE_ORGANISATION_SERVICE_API_KEYS_ROTATE },
	{ "workspace-service", "workspace", "service", AG_SCOPE_OF_S,
	  AG_SCOPE_WORKSPACE_SERVICE_API_KEYS_CREATE, AG_SCOPE_WORKSPACE_SERVICE_API_KEYS_READ,
	  AG_SCOPE_WORKSPACE_SERVICE_API_KEYS_UPDATE, AG_SCOPE_WORKSPACE_SERVICE_API_KEYS_DELETE,
	  AG_SCOPE_WORKSPACE_SERVICE_API_KEYS_LIST, AG_SCOPE_WORKSPACE_SERVICE_API_KEYS_ROTATE },
	{ "workspace-user", "workspace", "user", AG_SCOPE_OF_U,
	  AG_SCOPE_WORKSPACE_USER_API_KEYS_CREATE, AG_SCOPE_WORKSPACE_USER_API_KEYS_READ,
	  AG_SCOPE_WORKSPACE_USER_API_KEYS_UPDATE, AG_SCOPE_WORKSPACE_USER_API_KEYS_DELETE,
	  AG_SCOPE_WORKSPACE_USER_API_KEYS_LIST, AG_SCOPE_WORKSPACE_USER_API_KEYS_ROTATE },
};

/* What a body said, checked; NULL and false: not given. */
struct key_body {
	const char *name, *description;
	bool has_description, has_metadata, has_override, has_expiry, has_usage, has_rates, has_emails,
	    reset_usage, override_is_set, override, expiry_is_set;
	int64_t expires_at_us;
	struct json_object *metadata, *emails;       /* borrowed: body, or conformed */
	struct json_object *scopes, *usage, *rates, *conformed;  /* owned; stored form */
	struct ag_key_policy policy;
};

static void
key_body_fini(struct key_body *b)
{
	json_object_put(b->scopes);
	json_object_put(b->usage);
	json_object_put(b->rates);
	json_object_put(b->conformed);
	ag_key_policy_fini(&b->policy);
}

static int
read_scopes(struct ag_call *c, struct key_body *b, const struct ag_kind *kind)
{
	struct json_object *list = NULL;
	enum ag_field f = ag_field_array(c, c->body, "scopes", &list);

	if (f != AG_FIELD_SET)
		return f == AG_FIELD_BAD ? -1 : 0;
	return ag_key_read_scopes(c, list, "scopes", kind->holder, kind->name, &b->scopes);
}

static int
read_defaults(struct ag_call *c, struct key_body *b)
{
	struct json_object *defaults = NULL;
	enum ag_field f = ag_field_object(c, c->body, "defaults", &defaults);

	if (f == AG_FIELD_NULL)
		b->has_metadata = b->has_override = true;
	if (f != AG_FIELD_SET)
		return f == AG_FIELD_BAD ? -1 : 0;
	f = ag_field_metadata(c, defaults, "defaults.metadata", &b->metadata);
	if (f == AG_FIELD_BAD)
		return -1;
	b->has_metadata = f != AG_FIELD_ABSENT;
	f = ag_field_bool(c, defaults, "defaults.allow_config_override", &b->override);
	b->has_override = f == AG_FIELD_SET || f == AG_FIELD_NULL;
	b->override_is_set = f == AG_FIELD_SET;
	return f == AG_FIELD_BAD ? -1 : 0;
}

static int
read_emails(struct ag_call *c, struct key_body *b)
{
	enum ag_field f = ag_field_array(c, c->body, "alert_emails", &b->emails);

	b->has_emails = f == AG_FIELD_SET || f == AG_FIELD_NULL;
	if (f != AG_FIELD_SET)
		return f == AG_FIELD_BAD ? -1 : 0;
	if (ag_json_len(b->emails) > EMAILS_MAX)
		return ag_call_invalid(c, "alert_emails: at most %d addresses", EMAILS_MAX);
	for (size_t i = 0; i < ag_json_len(b->emails); i++) {
		struct json_object *one = ag_json_at(b->emails, i);

		if (!json_object_is_type(one, json_type_string) || !ag_email_ok(json_object_get_string(one)))
			return ag_call_invalid(c, "alert_emails[%zu]: must be an e-mail address", i);
	}
	return 0;
}

static int
key_body_read(struct ag_call *c, struct key_body *b, const struct ag_kind *kind)
{
	enum ag_field f;

	if (ag_key_policy_read(c, &b->policy) < 0 ||
	    ag_field_text(c, c->body, "name", NAME_MAX_BYTES, &b->name) == AG_FIELD_BAD)
		return -1;
	if (b->name && !*b->name)
		return ag_call_invalid(c, "name: must not be empty");
	f = ag_field_text(c, c->body, "description", TEXT_MAX_BYTES, &b->description);
	if (f == AG_FIELD_BAD)
		return -1;
	b->has_description = f != AG_FIELD_ABSENT;
	f = ag_field_time(c, c->body, "expires_at", &b->expires_at_us);
	if (f == AG_FIELD_BAD)
		return -1;
	b->has_expiry = f != AG_FIELD_ABSENT;
	b->expiry_is_set = f == AG_FIELD_SET;
	if (ag_field_bool(c, c->body, "reset_usage", &b->reset_usage) == AG_FIELD_BAD ||
	    read_scopes(c, b, kind) < 0 || read_defaults(c, b) < 0 || read_emails(c, b) < 0 ||
	    ag_limits_usage_member(c, c->body, "usage_limits", AG_LIMITS_OBJECT, &b->has_usage,
	    &b->usage) < 0)
		return -1;
	return ag_limits_rate_member(c, c->body, "rate_limits", AG_LIMITS_ARRAY, &b->has_rates,
	    &b->rates);
}

/* ---- reading ---- */

int
ag_key_read(struct ag_call *c, int64_t id, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	if (ag_call_json(c, SQL_KEY_GET, &a, out) < 0)
		return -1;
	return *out ? 0 : ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
}

static enum ag_scope
scope_for(const struct ag_kind *kind, enum ag_key_verb verb)
{
	switch (verb) {
	case AG_KEY_TO_READ: return kind->read;
	case AG_KEY_TO_UPDATE: return kind->update;
	case AG_KEY_TO_DELETE: return kind->drop;
	case AG_KEY_TO_ROTATE: return kind->rotate;
	}
	return AG_SCOPE_NONE;
}

int
ag_key_find(struct ag_call *c, enum ag_key_verb verb, int64_t *out_id,
    const struct ag_kind **out_kind)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };
	const struct ag_kind *kind = NULL;

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, c->arg[0]);
	res = ag_call_sql(c, SQL_KEY_FIND, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_not_found(c, "API key", c->arg[0]);
	for (int i = 0; i < AG_KINDS; i++)
		if (ag_str_eq(ag_str(ag_kinds[i].name), ag_pg_text(res, 0, 1)))
			kind = &ag_kinds[i];
	assert(kind);
	if (c->actor.workspace_id && ag_pg_i64(res, 0, 2) != c->actor.workspace_id)
		return ag_call_fail(c, 403, "AB03", "the API key asked for belongs to another workspace");
	if (ag_call_need(c, scope_for(kind, verb)) < 0)
		return -1;
	*out_id = ag_pg_i64(res, 0, 0);
	*out_kind = kind;
	return 0;
}

/* ---- making ---- */

static const struct ag_kind *
kind_in_path(struct ag_call *c)
{
	for (int i = 0; i < AG_KINDS; i++)
		if (strcmp(ag_kinds[i].type, c->arg[0]) == 0 && strcmp(ag_kinds[i].sub_type, c->arg[1]) == 0)
			return &ag_kinds[i];
	ag_call_invalid(c, "type, sub-type: must be organisation/service, workspace/service or "
	    "workspace/user, not %.64s/%.64s", c->arg[0], c->arg[1]);
	return NULL;
}

/* The person a user key is for, who must be at home in the workspace. */
static int
find_user(struct ag_call *c, const struct key_body *b, const struct ag_kind *kind, int64_t workspace_id,
    int64_t *out_id)
{
	enum ag_role_in role;
	const char *text = NULL;

	*out_id = 0;
	if (strcmp(kind->sub_type, "user") != 0)
		return 0;
	if (ag_field_text(c, c->body, "user_id", 64, &text) == AG_FIELD_BAD)
		return -1;
	if (!text)
		return ag_call_invalid(c, "user_id: is required for a user's key");
	if (ag_people_find(c, text, out_id) < 0)
		return -1;
	if (!*out_id)
		return ag_call_invalid(c, "user_id: no such user");
	if (ag_people_role_in(c, *out_id, workspace_id, &role) < 0)
		return -1;
	if (role == AG_ROLE_IN_NONE)
		return ag_call_invalid(c, "user_id: the user is no member of the workspace");
	if (ag_key_check_role(c, b->scopes, "scopes", role) < 0)
		return -1;
	return ag_key_check_open(c, b->scopes, NULL, "scopes", role, workspace_id);
}

/* Metadata: the organisation's schema is about what the key carries; of that the key keeps its own,
 * and what the schema filled in. */
static int
conform(struct ag_call *c, struct key_body *b, struct json_object *settings,
    const struct ag_user_keys *of_user)
{
	struct json_object *carried = ag_user_keys_carried(of_user, b->metadata);
	struct json_object *whole = NULL, *own = NULL;
	int rc = ag_settings_conform(c, settings, AG_SETTING_KEY_SCHEMA, carried, &whole);

	if (rc == 0 && b->metadata && json_object_deep_copy(b->metadata, &own, NULL) < 0)
		rc = ag_call_fail(c, 500, "AB04", "out of memory");
	if (rc == 0 && whole) {
		ag_json_foreach(whole, name, value) {
			if (carried && json_object_object_get_ex(carried, name, NULL))
				continue;
			if (!own)
				own = json_object_new_object();
			json_object_object_add(own, name, json_object_get(value));
		}
	}
	json_object_put(carried);
	json_object_put(whole);
	b->conformed = own;
	return rc;
}

/* What the organisation and, of a person's key, the workspace demand: metadata, lifetime. */
static int
apply_settings(struct ag_call *c, struct key_body *b, const struct ag_kind *kind,
    const struct ag_user_keys *of_user, int64_t since_us, bool is_new)
{
	static const struct ag_user_keys nothing = { .count = -1 };
	int64_t expires_at_us = b->expiry_is_set ? b->expires_at_us : INT64_MAX;
	struct json_object *settings = NULL;
	int rc = 0;

	if (ag_settings_read(c, &settings) < 0)
		return -1;
	/* An organisation's key makes no requests to carry metadata. */
	if (kind->holder == AG_SCOPE_OF_A)
		b->conformed = json_object_get(b->metadata);
	else
		rc = conform(c, b, settings, of_user ? of_user : &nothing);
	/* null asks for a key without an end; what is not said is filled in, or stays. */
	if (rc == 0 && (is_new || b->has_expiry))
		rc = ag_settings_expiry(c, settings, of_user, since_us, is_new && !b->has_expiry, &expires_at_us);
	json_object_put(settings);
	if (rc < 0)
		return -1;
	b->metadata = b->conformed;
	b->expiry_is_set = expires_at_us != INT64_MAX;
	b->expires_at_us = expires_at_us;
	return 0;
}

/* What a workspace demands of a key that is to be made, if it is a person's; room for it too. */
static int
apply_to_new(struct ag_call *c, struct key_body *b, const struct ag_kind *kind,
    int64_t workspace_id, int64_t user_id)
{
	struct ag_user_keys of_user = { .count = -1 };
	int rc;

	if (user_id && ag_user_keys_find(c, workspace_id, user_id, &of_user) < 0)
		return -1;
	rc = ag_user_keys_room(c, &of_user, workspace_id, user_id, "user_id");
	if (rc == 0)
		rc = apply_settings(c, b, kind, user_id ? &of_user : NULL, ag_clock_wall_us(), true);
	ag_user_keys_fini(&of_user);
	return rc;
}

static void
arg_i64_or_null(struct ag_pg_args *a, bool is_set, int64_t v)
{
	if (is_set)
		ag_pg_arg_i64(a, v);
	else
		ag_pg_arg_text(a, NULL);
}

static int
insert(struct ag_call *c, const struct key_body *b, const struct ag_kind *kind, int64_t workspace_id,
    int64_t user_id, const struct ag_new_key *key, int64_t *out_id, char uuid[AG_UUID_LEN])
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_i64(&a, user_id);
	ag_pg_arg_text(&a, kind->name);
	ag_pg_arg_text(&a, b->name);
	ag_pg_arg_text(&a, b->description);
	ag_pg_arg_bytes(&a, ag_str_n((const char *)key->hash, sizeof(key->hash)));
	ag_pg_arg_text(&a, key->mask);
	ag_pg_arg_json(&a, b->scopes);
	ag_pg_arg_json(&a, b->metadata);
	ag_pg_arg_text(&a, b->override_is_set ? (b->override ? "t" : "f") : NULL);
	arg_i64_or_null(&a, b->expiry_is_set, b->expires_at_us);
	ag_pg_arg_json(&a, b->usage);
	ag_pg_arg_json(&a, b->rates);
	ag_pg_arg_json(&a, b->emails);
	res = ag_call_sql(c, SQL_KEY_INSERT, &a);
	if (!res)
		return -1;
	*out_id = ag_pg_i64(res, 0, 0);
	ag_str_copy(ag_pg_text(res, 0, 1), uuid, AG_UUID_LEN);
	return 0;
}

static struct ag_str
stored_text(struct json_object *j)
{
	return j ? ag_str(json_object_to_json_string_ext(j, JSON_C_TO_STRING_PLAIN)) : AG_STR_NONE;
}

/* The row, its meters and its slots, ready to be committed. */
static int
make(struct ag_call *c, struct key_body *b, const struct ag_kind *kind, int64_t workspace_id,
    int64_t user_id, struct ag_new_key *key, char uuid[AG_UUID_LEN])
{
	struct json_object *after = NULL;
	int64_t id;
	int rc = -1;

	if (apply_to_new(c, b, kind, workspace_id, user_id) < 0)
		return -1;
	if (ag_new_key_make(key) < 0)
		return ag_call_fail(c, 500, "AB04", "no random numbers");
	if (insert(c, b, kind, workspace_id, user_id, key, &id, uuid) == 0 &&
	    ag_meters_sync(c, "key", id, stored_text(b->usage), stored_text(b->rates), false) == 0 &&
	    ag_rules_of_key(c, id, workspace_id) == 0 && ag_key_policy_store(c, id, &b->policy) == 0 &&
	    ag_key_read(c, id, &after) == 0 &&
	    ag_call_audit(c, "create", "api_key", uuid, NULL, after) == 0)
		rc = ag_publish_key(c, id);
	json_object_put(after);
	return rc;
}

int
ag_key_make_for(struct ag_call *c, int64_t workspace_id, int64_t user_id, const char *name,
    struct json_object *scopes, struct ag_new_key *out_key, char out_uuid[AG_UUID_LEN])
{
	struct key_body b = { .name = name, .scopes = json_object_get(scopes) };
	int rc = make(c, &b, &ag_kinds[AG_KINDS - 1], workspace_id, user_id, out_key, out_uuid);

	key_body_fini(&b);
	return rc;
}

static void
create(struct ag_call *c, struct key_body *b, const struct ag_kind *kind)
{
	const char *workspace = NULL;
	struct json_object *answer;
	char uuid[AG_UUID_LEN];
	struct ag_new_key key = { 0 };
	int64_t user_id, workspace_id = 0;

	if (ag_key_check_giver(c, b->scopes, NULL, "scopes") < 0 ||
	    ag_field_text(c, c->body, "workspace_id", AG_SLUG_MAX, &workspace) == AG_FIELD_BAD ||
	    (strcmp(kind->type, "workspace") == 0 &&
	    ag_workspace_resolve(c, workspace, true, &workspace_id) < 0) ||
	    find_user(c, b, kind, workspace_id, &user_id) < 0)
		return;
	if (make(c, b, kind, workspace_id, user_id, &key, uuid) == 0 && ag_call_commit(c) == 0) {
		answer = json_object_new_object();
		json_object_object_add(answer, "id", json_object_new_string(uuid));
		json_object_object_add(answer, "key", json_object_new_string(key.text));
		json_object_object_add(answer, "object", json_object_new_string("api-key"));
		ag_call_ok(c, answer);
	}
	ag_mem_wipe(&key, sizeof(key));
}

void
ag_api_key_create(struct ag_call *c)
{
	const struct ag_kind *kind = kind_in_path(c);
	struct key_body b = { 0 };

	if (!kind || ag_call_need(c, kind->create) < 0)
		return;
	if (c->actor.workspace_id && kind->holder == AG_SCOPE_OF_A) {
		ag_call_fail(c, 403, "AB03", "a workspace's key cannot make an organisation's key");
		return;
	}
	if (key_body_read(c, &b, kind) == 0) {
		if (!b.name)
			ag_call_invalid(c, "name: is required");
		else if (!b.scopes)
			ag_call_invalid(c, "scopes: is required");
		else
			create(c, &b, kind);
	}
	key_body_fini(&b);
}

/* ---- changing ---- */

static int
update_row(struct ag_call *c, const struct key_body *b, int64_t id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	ag_pg_arg_text(&a, b->name);
	ag_pg_arg_bool(&a, b->has_description);
	ag_pg_arg_text(&a, b->description);
	ag_pg_arg_json(&a, b->scopes);
	ag_pg_arg_bool(&a, b->has_metadata);
	ag_pg_arg_json(&a, b->metadata);
	ag_pg_arg_bool(&a, b->has_override);
	ag_pg_arg_text(&a, b->override_is_set ? (b->override ? "t" : "f") : NULL);
	ag_pg_arg_bool(&a, b->has_expiry);
	arg_i64_or_null(&a, b->expiry_is_set, b->expires_at_us);
	ag_pg_arg_bool(&a, b->has_usage);
	ag_pg_arg_json(&a, b->usage);
	ag_pg_arg_bool(&a, b->has_rates);
	ag_pg_arg_json(&a, b->rates);
	ag_pg_arg_bool(&a, b->has_emails);
	ag_pg_arg_json(&a, b->emails);
	res = ag_call_sql(c, SQL_KEY_UPDATE, &a);
	if (!res)
		return -1;
	return ag_meters_sync(c, "key", id, ag_pg_text(res, 0, 0), ag_pg_text(res, 0, 1),
	    b->reset_usage);
}

static const char *
uuid_of(struct json_object *obj)
{
	struct json_object *v;

	return json_object_object_get_ex(obj, "id", &v) ? json_object_get_string(v) : NULL;
}

static int64_t
id_in(struct json_object *key, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(key, name, &v) ? json_object_get_int64(v) : 0;
}

/* A person's key that had ended and begins to work again is one more. */
static int
apply_to_user_key(struct ag_call *c, struct key_body *b, const struct ag_kind *kind,
    struct json_object *before)
{
	int64_t workspace_id = id_in(before, "_workspace_id"), user_id = id_in(before, "_user_id");
	struct ag_user_keys of_user = { .count = -1 };
	struct json_object *was_over;
	int rc = 0;

	if (user_id && ag_user_keys_find(c, workspace_id, user_id, &of_user) < 0)
		return -1;
	json_object_object_get_ex(before, "_expired", &was_over);
	if (b->has_expiry && json_object_get_boolean(was_over) &&
	    (!b->expiry_is_set || b->expires_at_us > ag_clock_wall_us()))
		rc = ag_user_keys_room(c, &of_user, workspace_id, user_id, "expires_at");
	if (rc == 0)
		rc = apply_settings(c, b, kind, user_id ? &of_user : NULL, id_in(before, "_since_us"), false);
	ag_user_keys_fini(&of_user);
	return rc;
}

/* An update holds the whole key against what the organisation demands, whatever it changes. */
static int
apply_to_standing(struct ag_call *c, struct key_body *b, const struct ag_kind *kind,
    struct json_object *before)
{
	int64_t workspace_id = id_in(before, "_workspace_id"), user_id = id_in(before, "_user_id");
	struct json_object *defaults, *scopes = NULL;
	enum ag_role_in role;

	json_object_object_get_ex(before, "scopes", &scopes);
	if (b->scopes && ag_key_check_giver(c, b->scopes, scopes, "scopes") < 0)
		return -1;
	if (!b->has_metadata) {
		json_object_object_get_ex(before, "defaults", &defaults);
		json_object_object_get_ex(defaults, "metadata", &b->metadata);
	}
	if (apply_to_user_key(c, b, kind, before) < 0)
		return -1;
	b->has_metadata = true;
	if (!b->scopes || !user_id)
		return 0;
	if (ag_people_role_in(c, user_id, workspace_id, &role) < 0 ||
	    ag_key_check_role(c, b->scopes, "scopes", role) < 0)
		return -1;
	return ag_key_check_open(c, b->scopes, scopes, "scopes", role, workspace_id);
}

void
ag_api_key_update(struct ag_call *c)
{
	struct json_object *before = NULL, *after = NULL;
	struct key_body b = { 0 };
	const struct ag_kind *kind;
	int64_t id;

	if (ag_key_find(c, AG_KEY_TO_UPDATE, &id, &kind) == 0 && key_body_read(c, &b, kind) == 0 &&
	    ag_key_read(c, id, &before) == 0 && ag_call_match(c, before) == 0 &&
	    apply_to_standing(c, &b, kind, before) == 0 && update_row(c, &b, id) == 0 &&
	    ag_rules_of_key(c, id, id_in(before, "_workspace_id")) == 0 &&
	    ag_key_policy_store(c, id, &b.policy) == 0 &&
	    ag_key_read(c, id, &after) == 0 &&
	    ag_call_audit(c, "update", "api_key", uuid_of(before), before, after) == 0 &&
	    ag_publish_key(c, id) == 0 && ag_call_commit(c) == 0) {
		ag_call_tag(c, after);
		ag_call_ok(c, NULL);
	}
	json_object_put(before);
	json_object_put(after);
	key_body_fini(&b);
}

void
ag_api_key_delete(struct ag_call *c)
{
	struct json_object *before = NULL;
	const struct ag_kind *kind;
	struct ag_pg_args a = { 0 };
	PGresult *res = NULL;
	int64_t id;

	if (ag_key_find(c, AG_KEY_TO_DELETE, &id, &kind) < 0 || ag_key_read(c, id, &before) < 0)
		return;
	if (ag_call_match(c, before) < 0) {
		json_object_put(before);
		return;
	}
	ag_pg_arg_i64(&a, id);
	res = ag_call_sql(c, SQL_KEY_DELETE, &a);
	if (res && ag_meters_sync(c, "key", id, AG_STR_NONE, AG_STR_NONE, false) == 0 &&
	    ag_call_audit(c, "delete", "api_key", uuid_of(before), before, NULL) == 0) {
		if (ag_plan_key_gone(&c->plan, id) < 0)
			ag_call_fail(c, 500, "AB04", "out of memory");
		else if (ag_call_commit(c) == 0)
			ag_call_ok(c, NULL);
	}
	PQclear(res);
	json_object_put(before);
}
