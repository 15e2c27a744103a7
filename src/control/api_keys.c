#include <errno.h>
#include <stdio.h>

#include "control/field.h"
#include "control/handlers.h"
#include "control/rules.h"
#include "control/limits.h"
#include "control/meters.h"
#include "control/publish.h"
#include "control/secret.h"
#include "control/sql.h"

#define KINDS 3
#define NAME_MAX_BYTES 255
#define TEXT_MAX_BYTES 4096
#define EMAILS_MAX 100

/* One row a kind of key: what its handling needs. */
static const struct kind {
	const char *name, *type, *sub_type;
	unsigned holder;      /* AG_SCOPE_OF_... */
	enum ag_scope create, read, update, drop, list;
} kinds[KINDS] = {
	{ "organisation-service", "organisation", "service", AG_SCOPE_OF_A,
	  AG_SCOPE_ORGANISATION_SERVICE_API_KEYS_CREATE, AG_SCOPE_ORGANISATION_SERVICE_API_KEYS_READ,
	  AG_SCOPE_ORGANISATION_SERVICE_API_KEYS_UPDATE, AG_SCOPE_ORGANISATION_SERVICE_API_KEYS_DELETE,
	  AG_SCOPE_ORGANISATION_SERVICE_API_KEYS_LIST },
	{ "workspace-service", "workspace", "service", AG_SCOPE_OF_S,
	  AG_SCOPE_WORKSPACE_SERVICE_API_KEYS_CREATE, AG_SCOPE_WORKSPACE_SERVICE_API_KEYS_READ,
	  AG_SCOPE_WORKSPACE_SERVICE_API_KEYS_UPDATE, AG_SCOPE_WORKSPACE_SERVICE_API_KEYS_DELETE,
	  AG_SCOPE_WORKSPACE_SERVICE_API_KEYS_LIST },
	{ "workspace-user", "workspace", "user", AG_SCOPE_OF_U,
	  AG_SCOPE_WORKSPACE_USER_API_KEYS_CREATE, AG_SCOPE_WORKSPACE_USER_API_KEYS_READ,
	  AG_SCOPE_WORKSPACE_USER_API_KEYS_UPDATE, AG_SCOPE_WORKSPACE_USER_API_KEYS_DELETE,
	  AG_SCOPE_WORKSPACE_USER_API_KEYS_LIST },
};

/* What a body said, checked; NULL and false: not given. */
struct key_body {
	const char *name, *description;
	bool has_description, has_metadata, has_override, has_expiry, has_usage, has_rates, has_emails,
	    reset_usage, override_is_set, override, expiry_is_set;
	int64_t expires_at_us;
	struct json_object *metadata, *emails;       /* borrowed: body */
	struct json_object *scopes, *usage, *rates;  /* owned; stored form */
};

static void
key_body_fini(struct key_body *b)
{
	json_object_put(b->scopes);
	json_object_put(b->usage);
	json_object_put(b->rates);
}

/* "policies:create", as one page of the documentation spells it, is "policies.create". */
static enum ag_scope
find_scope(const char *text)
{
	enum ag_scope s = ag_scope_find(ag_str(text));
	char dotted[64], *colon;

	if (s != AG_SCOPE_NONE || !ag_str_copy(ag_str(text), dotted, sizeof(dotted)))
		return s;
	colon = strchr(dotted, ':');
	if (!colon)
		return s;
	*colon = '.';
	return ag_scope_find(ag_str(dotted));
}

static int
read_scopes(struct ag_call *c, struct key_body *b, const struct kind *kind)
{
	struct json_object *list = NULL;
	uint64_t bits[AG_SCOPE_WORDS] = { 0 };
	enum ag_field f = ag_field_array(c, c->body, "scopes", &list);

	if (f != AG_FIELD_SET)
		return f == AG_FIELD_BAD ? -1 : 0;
	b->scopes = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		enum ag_scope s;

		if (!json_object_is_type(one, json_type_string))
			return ag_call_invalid(c, "scopes[%zu]: must be a string", i);
		s = find_scope(json_object_get_string(one));
		if (s == AG_SCOPE_NONE)
			return ag_call_invalid(c, "scopes[%zu]: unknown scope \"%.64s\"", i,
			    json_object_get_string(one));
		if (!(ag_scope_flags(s) & kind->holder))
			return ag_call_invalid(c, "scopes[%zu]: a key of type %s cannot hold %s", i,
			    kind->name, ag_scope_name(s));
		if (!ag_scopes_has(bits, s))
			json_object_array_add(b->scopes, json_object_new_string(ag_scope_name(s)));
		ag_scopes_add(bits, s);
	}
	return 0;
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
	if (json_object_array_length(b->emails) > EMAILS_MAX)
		return ag_call_invalid(c, "alert_emails: at most %d addresses", EMAILS_MAX);
	for (size_t i = 0; i < json_object_array_length(b->emails); i++) {
		struct json_object *one = json_object_array_get_idx(b->emails, i);
		const char *text = json_object_is_type(one, json_type_string)
		    ? json_object_get_string(one) : "";
		const char *at = strchr(text, '@');

		if (!at || at == text || !at[1] || strlen(text) > 254 || strpbrk(text, " \t\r\n"))
			return ag_call_invalid(c, "alert_emails[%zu]: must be an e-mail address", i);
	}
	return 0;
}

static int
key_body_read(struct ag_call *c, struct key_body *b, const struct kind *kind)
{
	static const char *const unserved[] = { "rotation_policy", NULL };
	enum ag_field f;

	if (ag_field_refuse(c, c->body, unserved, "") < 0 ||
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

static int
read_object(struct ag_call *c, int64_t id, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	if (ag_call_json(c, SQL_KEY_GET, &a, out) < 0)
		return -1;
	return *out ? 0 : ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
}

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

	for (int i = 0; i < KINDS; i++)
		if (ag_call_has(c, kinds[i].list))
			json_object_array_add(list, json_object_new_string(kinds[i].name));
	if (json_object_array_length(list) > 0)
		return list;
	json_object_put(list);
	ag_call_fail(c, 401, "AB05", "the API key lacks the scope %s", ag_scope_name(kinds[1].list));
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
	for (size_t i = 0; i < json_object_array_length(data); i++)
		finish_object(c, json_object_array_get_idx(data, i), meters);
	ag_call_ok(c, list);
}

/* The key the path names, when the caller may do this to it. */
static int
find_in_path(struct ag_call *c, enum ag_verb verb, int64_t *out_id, const struct kind **out_kind,
    int64_t *out_workspace_id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };
	const struct kind *kind = NULL;

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, c->arg[0]);
	res = ag_call_sql(c, SQL_KEY_FIND, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_not_found(c, "API key", c->arg[0]);
	for (int i = 0; i < KINDS; i++)
		if (ag_str_eq(ag_str(kinds[i].name), ag_pg_text(res, 0, 1)))
			kind = &kinds[i];
	assert(kind);
	if (c->actor.workspace_id && ag_pg_i64(res, 0, 2) != c->actor.workspace_id)
		return ag_call_fail(c, 403, "AB03", "the API key asked for belongs to another workspace");
	if (ag_call_need(c, verb == AG_VERB_READ ? kind->read
	    : verb == AG_VERB_UPDATE ? kind->update : kind->drop) < 0)
		return -1;
	*out_id = ag_pg_i64(res, 0, 0);
	*out_kind = kind;
	if (out_workspace_id)
		*out_workspace_id = ag_pg_i64(res, 0, 2);
	return 0;
}

void
ag_api_key_get(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *meters = NULL;
	struct json_object *obj = NULL;
	const struct kind *kind;
	int64_t id;

	if (find_in_path(c, AG_VERB_READ, &id, &kind, NULL) < 0 || read_object(c, id, &obj) < 0)
		return;
	meters = ag_meters_of(c, "key", obj);
	if (!meters) {
		json_object_put(obj);
		return;
	}
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
	const struct kind *kind;
	int64_t id;

	if (c->actor.is_operator && name_to_id(c) < 0)
		return;
	if (find_in_path(c, AG_VERB_READ, &id, &kind, NULL) == 0)
		ag_limits_of_key(c, id);
}

/* ---- making ---- */

static const struct kind *
kind_in_path(struct ag_call *c)
{
	for (int i = 0; i < KINDS; i++)
		if (strcmp(kinds[i].type, c->arg[0]) == 0 && strcmp(kinds[i].sub_type, c->arg[1]) == 0)
			return &kinds[i];
	ag_call_invalid(c, "type, sub-type: must be organisation/service, workspace/service or "
	    "workspace/user, not %.64s/%.64s", c->arg[0], c->arg[1]);
	return NULL;
}

/* The person a user key is for. */
static int
find_user(struct ag_call *c, const struct kind *kind, int64_t *out_id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };
	const char *text = NULL;

	*out_id = 0;
	if (strcmp(kind->sub_type, "user") != 0)
		return 0;
	if (ag_field_text(c, c->body, "user_id", 64, &text) == AG_FIELD_BAD)
		return -1;
	if (!text)
		return ag_call_invalid(c, "user_id: is required for a user's key");
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, text);
	res = ag_call_sql(c, SQL_USER_FIND, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_invalid(c, "user_id: no such user");
	*out_id = ag_pg_i64(res, 0, 0);
	return 0;
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
insert(struct ag_call *c, const struct key_body *b, const struct kind *kind, int64_t workspace_id,
    const struct ag_new_key *key, int64_t *out_id, char uuid[AG_UUID_LEN])
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };
	int64_t user_id;

	if (find_user(c, kind, &user_id) < 0)
		return -1;
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

static void
create(struct ag_call *c, const struct key_body *b, const struct kind *kind)
{
	const char *workspace = NULL;
	struct json_object *after = NULL, *answer;
	char uuid[AG_UUID_LEN];
	struct ag_new_key key;
	int64_t id, workspace_id = 0;

	if (ag_field_text(c, c->body, "workspace_id", AG_SLUG_MAX, &workspace) == AG_FIELD_BAD ||
	    (strcmp(kind->type, "workspace") == 0 &&
	    ag_workspace_resolve(c, workspace, true, &workspace_id) < 0))
		return;
	if (ag_new_key_make(&key) < 0) {
		ag_call_fail(c, 500, "AB04", "no random numbers");
		return;
	}
	if (insert(c, b, kind, workspace_id, &key, &id, uuid) == 0 &&
	    ag_meters_sync(c, "key", id, stored_text(b->usage), stored_text(b->rates), false) == 0 &&
	    ag_rules_of_key(c, id, workspace_id) == 0 && read_object(c, id, &after) == 0 &&
	    ag_call_audit(c, "create", "api_key", uuid, NULL, after) == 0 &&
	    ag_publish_key(c, id) == 0 && ag_call_commit(c) == 0) {
		answer = json_object_new_object();
		json_object_object_add(answer, "id", json_object_new_string(uuid));
		json_object_object_add(answer, "key", json_object_new_string(key.text));
		json_object_object_add(answer, "object", json_object_new_string("api-key"));
		ag_call_ok(c, answer);
	}
	json_object_put(after);
	ag_mem_wipe(&key, sizeof(key));
}

void
ag_api_key_create(struct ag_call *c)
{
	const struct kind *kind = kind_in_path(c);
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

void
ag_api_key_update(struct ag_call *c)
{
	struct json_object *before = NULL, *after = NULL;
	struct key_body b = { 0 };
	const struct kind *kind;
	int64_t id, workspace_id;

	if (find_in_path(c, AG_VERB_UPDATE, &id, &kind, &workspace_id) == 0 && key_body_read(c, &b, kind) == 0 &&
	    read_object(c, id, &before) == 0 && update_row(c, &b, id) == 0 &&
	    ag_rules_of_key(c, id, workspace_id) == 0 &&
	    read_object(c, id, &after) == 0 &&
	    ag_call_audit(c, "update", "api_key", uuid_of(before), before, after) == 0 &&
	    ag_publish_key(c, id) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
	json_object_put(before);
	json_object_put(after);
	key_body_fini(&b);
}

void
ag_api_key_delete(struct ag_call *c)
{
	struct json_object *before = NULL;
	const struct kind *kind;
	struct ag_pg_args a = { 0 };
	PGresult *res = NULL;
	int64_t id;

	if (find_in_path(c, AG_VERB_DELETE, &id, &kind, NULL) < 0 || read_object(c, id, &before) < 0)
		return;
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
