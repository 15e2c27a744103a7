/* secret_refs.c - references to secrets that are kept elsewhere; see secret_maps.h for their use. */
#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "conf/conf.h"
#include "control/destination.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/secret_maps.h"
#include "control/sql_secrets.h"

#define NAME_MAX_BYTES 255
#define TEXT_MAX_BYTES 1024
#define SEALED_MAX     16384

struct ref_body {
	const char *name, *slug, *description, *manager, *path, *key;
	bool has_description, has_key, has_all, for_all, has_hosts;
	struct json_object *auth, *tags, *workspaces, *hosts; /* borrowed: body */
};

static int
body_read(struct ag_call *c, struct ref_body *b)
{
	enum ag_field f;

	if (ag_field_text(c, c->body, "name", NAME_MAX_BYTES, &b->name) == AG_FIELD_BAD ||
	    ag_field_slug(c, c->body, "slug", &b->slug) == AG_FIELD_BAD ||
	    ag_field_text(c, c->body, "manager_type", 64, &b->manager) == AG_FIELD_BAD ||
	    ag_field_text(c, c->body, "secret_path", TEXT_MAX_BYTES, &b->path) == AG_FIELD_BAD ||
	    ag_field_object(c, c->body, "auth_config", &b->auth) == AG_FIELD_BAD ||
	    ag_field_metadata(c, c->body, "tags", &b->tags) == AG_FIELD_BAD ||
	    ag_field_array(c, c->body, "allowed_workspaces", &b->workspaces) == AG_FIELD_BAD)
		return -1;
	f = ag_field_text(c, c->body, "description", TEXT_MAX_BYTES, &b->description);
	b->has_description = f == AG_FIELD_SET || f == AG_FIELD_NULL;
	if (f == AG_FIELD_BAD)
		return -1;
	f = ag_field_text(c, c->body, "secret_key", NAME_MAX_BYTES, &b->key);
	b->has_key = f == AG_FIELD_SET || f == AG_FIELD_NULL;
	if (f == AG_FIELD_BAD)
		return -1;
	f = ag_field_array(c, c->body, "allowed_hosts", &b->hosts);
	b->has_hosts = f == AG_FIELD_SET || f == AG_FIELD_NULL;
	if (f == AG_FIELD_BAD || ag_destination_check_hosts(c, b->hosts) < 0)
		return -1;
	f = ag_field_bool(c, c->body, "allow_all_workspaces", &b->for_all);
	b->has_all = f == AG_FIELD_SET;
	if (f == AG_FIELD_BAD)
		return -1;
	if (b->workspaces && ag_json_len(b->workspaces) == 0)
		return ag_call_invalid(c, "allowed_workspaces: must name at least one");
	if (b->workspaces && b->has_all && b->for_all)
		return ag_call_invalid(c, "allowed_workspaces: excludes allow_all_workspaces");
	if (b->name && !*b->name)
		return ag_call_invalid(c, "name: must not be empty");
	return 0;
}

/* auth_config holds texts, and what the manager asks for. */
static int
check(struct ag_call *c, const char *manager, struct json_object *auth, const char *path)
{
	struct ag_secret_at at = { .manager = manager, .auth = auth, .path = path };
	struct ag_err err = { "" };

	ag_json_foreach(auth, name, v)
		if (!json_object_is_type(v, json_type_string))
			return ag_call_invalid(c, "auth_config.%.64s: must be a string", name);
	if (ag_secret_check(c->ctl->ctx->conf, &at, &err) < 0)
		return ag_call_invalid(c, "%s", err.text);
	switch (ag_secret_is_own(c, manager, path, &err)) {
	case 0:
		return 0;
	case -EACCES:
		return ag_call_fail(c, 403, "AB03", "%s", err.text);
	default:
		return -1;
	}
}

static int
read_object(struct ag_call *c, int64_t id, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	if (ag_call_json(c, SQL_SECRET_REF_GET, &a, out) < 0)
		return -1;
	return *out ? 0 : ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
}

static int
run(struct ag_call *c, const char *sql, int64_t id, int64_t other)
{
	struct ag_pg_args a = { 0 };
	PGresult *res;

	ag_pg_arg_i64(&a, id);
	if (other)
		ag_pg_arg_i64(&a, other);
	res = ag_call_sql(c, sql, &a);
	PQclear(res);
	return res ? 0 : -1;
}

/* The workspaces named replace those that stood; all: none is named any more. */
static int
allow(struct ag_call *c, const struct ref_body *b, int64_t id)
{
	if (!b->workspaces && !(b->has_all && b->for_all))
		return 0;
	if (run(c, SQL_SECRET_REF_FREE_ALL, id, 0) < 0)
		return -1;
	for (size_t i = 0; i < ag_json_len(b->workspaces); i++) {
		struct json_object *one = ag_json_at(b->workspaces, i);
		int64_t workspace_id;

		if (!json_object_is_type(one, json_type_string))
			return ag_call_invalid(c, "allowed_workspaces[%zu]: must be a slug or id", i);
		if (ag_workspace_resolve(c, json_object_get_string(one), true, &workspace_id) < 0 ||
		    run(c, SQL_SECRET_REF_ALLOW, id, workspace_id) < 0)
			return -1;
	}
	return 0;
}

static int
new_uuid(struct ag_call *c, char out[AG_UUID_LEN])
{
	AG_AUTO(ag_pgres) PGresult *res = ag_call_sql(c, SQL_UUID_NEW, NULL);

	if (!res)
		return -1;
	ag_str_copy(ag_pg_text(res, 0, 0), out, AG_UUID_LEN);
	return 0;
}

static int
insert(struct ag_call *c, const struct ref_body *b, struct json_object *auth, const char *uuid, const char *slug,
    int64_t *out_id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct json_object *masked = NULL;
	struct ag_pg_args a = { 0 };
	struct ag_buf sealed;

	ag_buf_init(&sealed, SEALED_MAX);
	if (ag_secret_auth_seal(c, uuid, auth, &sealed, &masked) == 0) {
		ag_pg_arg_text(&a, uuid);
		ag_pg_arg_i64(&a, c->actor.org_id);
		ag_pg_arg_text(&a, slug);
		ag_pg_arg_text(&a, b->name);
		ag_pg_arg_text(&a, b->description);
		ag_pg_arg_text(&a, b->manager);
		ag_pg_arg_json(&a, masked);
		ag_pg_arg_bytes(&a, ag_buf_str(&sealed));
		ag_pg_arg_text(&a, b->path);
		ag_pg_arg_text(&a, b->key);
		ag_pg_arg_bool(&a, b->has_all ? b->for_all : !b->workspaces);
		ag_pg_arg_json(&a, b->tags);
		ag_pg_arg_json(&a, b->hosts);
		res = ag_call_sql(c, SQL_SECRET_REF_INSERT, &a);
	}
	ag_buf_fini(&sealed);
	json_object_put(masked);
	if (!res)
		return -1;
	*out_id = ag_pg_i64(res, 0, 0);
	return 0;
}

static void
create(struct ag_call *c, const struct ref_body *b, struct json_object *auth)
{
	struct json_object *after = NULL, *answer;
	char uuid[AG_UUID_LEN], made[48];
	const char *slug = b->slug ? b->slug : made;
	int64_t id;

	if (check(c, b->manager, auth, b->path) < 0 || new_uuid(c, uuid) < 0)
		return;
	snprintf(made, sizeof(made), "secret-%.8s", uuid);
	if (insert(c, b, auth, uuid, slug, &id) == 0 && allow(c, b, id) == 0 && read_object(c, id, &after) == 0 &&
	    ag_call_audit(c, "create", "secret_reference", uuid, NULL, after) == 0 && ag_call_commit(c) == 0) {
		answer = json_object_new_object();
		json_object_object_add(answer, "id", json_object_new_string(uuid));
		json_object_object_add(answer, "slug", json_object_new_string(slug));
		json_object_object_add(answer, "object", json_object_new_string("secret-reference"));
		ag_call_ok(c, answer);
	}
	json_object_put(after);
}

void
ag_secret_ref_create(struct ag_call *c)
{
	struct ref_body b = { 0 };
	struct json_object *none = json_object_new_object();

	if (body_read(c, &b) == 0) {
		if (!b.name || !b.manager || !b.path)
			ag_call_invalid(c, "%s: is required", !b.name ? "name" : !b.manager ? "manager_type" : "secret_path");
		else
			create(c, &b, b.auth ? b.auth : none);
	}
	json_object_put(none);
}

void
ag_secret_ref_list(struct ag_call *c)
{
	const char *tags = ag_call_query(c, "tags");
	struct json_object *parsed = tags ? json_tokener_parse(tags) : NULL, *list = NULL, *data;
	struct ag_pg_args a = { 0 };
	struct ag_page page;

	if (tags && !json_object_is_type(parsed, json_type_object))
		ag_call_invalid(c, "tags: must be a JSON object");
	if (c->status == 0 && ag_call_page(c, 20, &page) == 0) {
		ag_pg_arg_i64(&a, c->actor.org_id);
		ag_pg_arg_text(&a, ag_call_query(c, "manager_type"));
		ag_pg_arg_json(&a, parsed);
		ag_pg_arg_text(&a, ag_call_query(c, "search"));
		ag_pg_arg_i64(&a, page.limit);
		ag_pg_arg_i64(&a, page.offset);
		if (ag_call_json(c, SQL_SECRET_REF_LIST, &a, &list) == 0) {
			json_object_object_get_ex(list, "data", &data);
			for (size_t i = 0; i < ag_json_len(data); i++)
				ag_call_strip(ag_json_at(data, i));
			ag_call_ok(c, list);
		}
	}
	json_object_put(parsed);
}

/* Columns of SQL_SECRET_REF_FIND: id, uuid, manager_type, sealed_auth, secret_path, secret_key,
 * allowed_hosts, version. */
static PGresult *
find_in_path(struct ag_call *c)
{
	struct ag_pg_args a = { 0 };
	PGresult *res;

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, c->arg[0]);
	res = ag_call_sql(c, SQL_SECRET_REF_FIND, &a);
	if (res && PQntuples(res) == 0) {
		PQclear(res);
		ag_call_not_found(c, "secret reference", c->arg[0]);
		return NULL;
	}
	return res;
}

void
ag_secret_ref_get(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *res = find_in_path(c);
	struct json_object *obj = NULL;

	if (!res || read_object(c, ag_pg_i64(res, 0, 0), &obj) < 0)
		return;
	ag_call_tag(c, obj);
	ag_call_strip(obj);
	ag_call_ok(c, obj);
}

/* A token that nobody is shown is not sent to whatever address somebody names. */
static int
check_address(struct ag_call *c, struct json_object *was, struct json_object *given)
{
	struct json_object *from, *to;

	if (!json_object_object_get_ex(given, "vault_addr", &to) ||
	    (json_object_object_get_ex(was, "vault_addr", &from) && json_object_equal(from, to)))
		return 0;
	if (json_object_object_get_ex(given, "vault_token", NULL) || json_object_object_get_ex(given, "secret_id", NULL) ||
	    json_object_object_get_ex(given, "vault_secret_id", NULL))
		return 0;
	return ag_call_invalid(c, "auth_config.vault_addr: another address needs vault_token or secret_id again");
}

/* auth_config as it will stand: what is named replaces, the rest stays. */
static struct json_object *
merged_auth(struct ag_call *c, const struct ref_body *b, const PGresult *res)
{
	struct json_object *auth = ag_secret_auth_open(c->ctl, PQgetvalue(res, 0, 1), res, 0, 3);

	if (!auth) {
		ag_call_fail(c, 500, "AB04", "the secret reference's credential does not open");
		return NULL;
	}
	if (b->auth && check_address(c, auth, b->auth) < 0) {
		json_object_put(auth);
		return NULL;
	}
	if (b->auth) {
		ag_json_foreach(b->auth, name, v)
			json_object_object_add(auth, name, json_object_get(v));
	}
	return auth;
}

static int
update_row(struct ag_call *c, const struct ref_body *b, const PGresult *res, struct json_object *auth)
{
	const char *path = b->path ? b->path : PQgetvalue(res, 0, 4);
	struct json_object *masked = NULL;
	struct ag_pg_args a = { 0 };
	struct ag_buf sealed;
	PGresult *done = NULL;

	ag_buf_init(&sealed, SEALED_MAX);
	if (check(c, PQgetvalue(res, 0, 2), auth, path) == 0 &&
	    ag_secret_auth_seal(c, PQgetvalue(res, 0, 1), auth, &sealed, &masked) == 0) {
		ag_pg_arg_i64(&a, ag_pg_i64(res, 0, 0));
		ag_pg_arg_text(&a, b->name);
		ag_pg_arg_bool(&a, b->has_description);
		ag_pg_arg_text(&a, b->description);
		ag_pg_arg_json(&a, masked);
		ag_pg_arg_bytes(&a, ag_buf_str(&sealed));
		ag_pg_arg_text(&a, path);
		ag_pg_arg_text(&a, b->has_key ? b->key : PQgetisnull(res, 0, 5) ? NULL : PQgetvalue(res, 0, 5));
		ag_pg_arg_text(&a, b->has_all ? (b->for_all ? "t" : "f") : b->workspaces ? "f" : NULL);
		ag_pg_arg_json(&a, b->tags);
		ag_pg_arg_bool(&a, b->has_hosts);
		ag_pg_arg_json(&a, b->hosts);
		done = ag_call_sql(c, SQL_SECRET_REF_UPDATE, &a);
	}
	ag_buf_fini(&sealed);
	json_object_put(masked);
	PQclear(done);
	return done ? 0 : -1;
}

/* What is taken back is used by nobody: a refusal here, not an integration that goes on as if nothing were. */
static int
check_users(struct ag_call *c, const struct ref_body *b, int64_t id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };
	struct ag_err err = { "" };

	if (!b->hosts && !b->has_all && !b->workspaces)
		return 0;
	ag_pg_arg_i64(&a, id);
	res = ag_call_sql(c, SQL_SECRET_REF_USERS, &a);
	for (int i = 0; res && i < PQntuples(res); i++) {
		struct json_object *conf = json_tokener_parse(PQgetvalue(res, i, 2));

		if (!ag_pg_bool(res, i, 3))
			ag_call_fail(c, 409, "AB07", "allowed_workspaces: integration \"%.255s\" of another workspace uses it",
			    PQgetvalue(res, i, 0));
		else if (b->hosts && ag_destination_may(PQgetvalue(res, i, 1), conf, b->hosts, &err) < 0)
			ag_call_fail(c, 409, "AB07", "allowed_hosts: integration \"%.100s\" uses it, and it %.200s",
			    PQgetvalue(res, i, 0), err.text);
		json_object_put(conf);
	}
	return c->status == 0 ? 0 : -1;
}

void
ag_secret_ref_update(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *res = find_in_path(c);
	struct json_object *before = NULL, *after = NULL, *auth = NULL;
	struct ref_body b = { 0 };
	int64_t id;

	if (!res || body_read(c, &b) < 0)
		return;
	id = ag_pg_i64(res, 0, 0);
	if (b.slug || (b.manager && strcmp(b.manager, PQgetvalue(res, 0, 2)) != 0))
		ag_call_invalid(c, "%s: cannot be changed", b.slug ? "slug" : "manager_type");
	else if (read_object(c, id, &before) == 0 && ag_call_match(c, before) == 0 &&
	    (auth = merged_auth(c, &b, res)) != NULL && update_row(c, &b, res, auth) == 0 && allow(c, &b, id) == 0 &&
	    check_users(c, &b, id) == 0 && read_object(c, id, &after) == 0 &&
	    ag_call_audit(c, "update", "secret_reference", PQgetvalue(res, 0, 1), before, after) == 0 &&
	    ag_call_commit(c) == 0) {
		ag_call_tag(c, after);
		ag_call_ok(c, NULL);
	}
	c->ctl->secrets_at_us = 0; /* it may be another secret now */
	json_object_put(auth);
	json_object_put(before);
	json_object_put(after);
}

void
ag_secret_ref_delete(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *res = find_in_path(c);
	AG_AUTO(ag_pgres) PGresult *used = NULL;
	struct json_object *before = NULL;
	struct ag_pg_args a = { 0 };
	int64_t id;

	if (!res)
		return;
	id = ag_pg_i64(res, 0, 0);
	ag_pg_arg_i64(&a, id);
	used = ag_call_sql(c, SQL_SECRET_REF_IN_USE, &a);
	if (!used)
		return;
	if (PQntuples(used) > 0) {
		ag_call_invalid(c, "the secret reference is used by integration \"%.255s\"", PQgetvalue(used, 0, 0));
		return;
	}
	if (read_object(c, id, &before) == 0 && ag_call_match(c, before) == 0 &&
	    run(c, SQL_SECRET_REF_ARCHIVE, id, 0) == 0 &&
	    ag_call_audit(c, "delete", "secret_reference", PQgetvalue(res, 0, 1), before, NULL) == 0 &&
	    ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
	json_object_put(before);
}
