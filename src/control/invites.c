/* invites.c - how persons come to an organisation.
 *
 * An invite is a random token, told once, in the answer to whoever invites: nothing is mailed by us.  Whoever
 * has the token accepts (POST /v1/invites/accept, no API key) and becomes a user, a member of the workspaces
 * named, and, if the invite says so, the holder of a key in each of them.  The token stands behind the # of
 * the link, so that it reaches no log on the way, and only its SHA-256 is stored. */
#include <stdio.h>

#include "base/json.h"
#include "conf/conf.h"
#include "control/auth.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/keys.h"
#include "control/people.h"
#include "control/publish.h"
#include "control/sql_people.h"

#define INVITE_DAYS    7
#define WORKSPACES_MAX 100
#define LINK_MAX       640

/* What an invite says, checked. */
struct invite_body {
	const char *email, *role;
	struct json_object *workspaces; /* owned: [{id, role, name}], ids of rows, named as the caller did */
	struct json_object *scopes;     /* owned; NULL: no keys */
};

static void
invite_body_fini(struct invite_body *b)
{
	json_object_put(b->workspaces);
	json_object_put(b->scopes);
}

static int
read_workspace(struct ag_call *c, struct invite_body *b, struct json_object *one, size_t i)
{
	char id_path[48], role_path[48];
	const char *name = NULL, *role_name;
	enum ag_role_in role;
	struct json_object *kept;
	int64_t id;

	snprintf(id_path, sizeof(id_path), "workspaces[%zu].id", i);
	snprintf(role_path, sizeof(role_path), "workspaces[%zu].role", i);
	if (!json_object_is_type(one, json_type_object))
		return ag_call_invalid(c, "workspaces[%zu]: must be {id, role}", i);
	if (ag_field_text(c, one, id_path, AG_SLUG_MAX, &name) == AG_FIELD_BAD ||
	    ag_people_read_role(c, one, role_path, &role, &role_name) < 0)
		return -1;
	if (!name)
		return ag_call_invalid(c, "%s: is required", id_path);
	if (ag_workspace_resolve(c, name, true, &id) < 0)
		return -1;
	if (strcmp(b->role, "admin") == 0)
		role = AG_ROLE_IN_ADMIN;
	if (b->scopes && (ag_key_check_role(c, b->scopes, "workspace_api_key_details.scopes", role) < 0 ||
	    ag_key_check_open(c, b->scopes, NULL, "workspace_api_key_details.scopes", role, id) < 0))
		return -1;
	for (size_t k = 0; k < ag_json_len(b->workspaces); k++) {
		json_object_object_get_ex(ag_json_at(b->workspaces, k), "id", &kept);
		if (json_object_get_int64(kept) == id)
			return ag_call_invalid(c, "workspaces[%zu]: named twice", i);
	}
	kept = json_object_new_object();
	json_object_object_add(kept, "id", json_object_new_int64(id));
	json_object_object_add(kept, "role", json_object_new_string(role_name));
	/* What reads tell it by: clients that compare hold on to what they wrote. */
	json_object_object_add(kept, "name", json_object_new_string(name));
	json_object_array_add(b->workspaces, kept);
	return 0;
}

static int
read_scopes(struct ag_call *c, struct invite_body *b)
{
	struct json_object *details = NULL, *list = NULL;

	if (ag_field_object(c, c->body, "workspace_api_key_details", &details) == AG_FIELD_BAD)
		return -1;
	if (!details)
		return 0;
	if (ag_field_array(c, details, "workspace_api_key_details.scopes", &list) == AG_FIELD_BAD)
		return -1;
	if (!list)
		return ag_call_invalid(c, "workspace_api_key_details.scopes: is required");
	if (ag_key_read_scopes(c, list, "workspace_api_key_details.scopes", AG_SCOPE_OF_U, "workspace-user",
	    &b->scopes) < 0)
		return -1;
	return ag_key_check_giver(c, b->scopes, NULL, "workspace_api_key_details.scopes");
}

static int
invite_body_read(struct ag_call *c, struct invite_body *b)
{
	struct json_object *list = NULL;

	b->workspaces = json_object_new_array();
	b->role = "member";
	if (ag_field_text(c, c->body, "email", 254, &b->email) == AG_FIELD_BAD ||
	    ag_field_text(c, c->body, "role", 64, &b->role) == AG_FIELD_BAD || read_scopes(c, b) < 0 ||
	    ag_field_array(c, c->body, "workspaces", &list) == AG_FIELD_BAD)
		return -1;
	if (!b->email || !ag_email_ok(b->email))
		return ag_call_invalid(c, "email: must be an e-mail address");
	if (strcmp(b->role, "admin") != 0 && strcmp(b->role, "member") != 0)
		return ag_call_invalid(c, "role: must be admin or member, not \"%.64s\"", b->role);
	if (ag_json_len(list) > WORKSPACES_MAX)
		return ag_call_invalid(c, "workspaces: at most %d", WORKSPACES_MAX);
	for (size_t i = 0; i < ag_json_len(list); i++)
		if (read_workspace(c, b, ag_json_at(list, i), i) < 0)
			return -1;
	return 0;
}

/* ---- reading ---- */

void
ag_invite_list(struct ag_call *c)
{
	struct json_object *list = NULL, *data;
	struct ag_pg_args a = { 0 };
	struct ag_page page;

	if (ag_call_page(c, 100, &page) < 0)
		return;
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, ag_call_query(c, "role"));
	ag_pg_arg_text(&a, ag_call_query(c, "email"));
	ag_pg_arg_text(&a, ag_call_query(c, "status"));
	ag_pg_arg_i64(&a, page.limit);
	ag_pg_arg_i64(&a, page.offset);
	if (ag_call_json(c, SQL_INVITE_LIST, &a, &list) < 0)
		return;
	json_object_object_get_ex(list, "data", &data);
	for (size_t i = 0; i < ag_json_len(data); i++)
		ag_call_strip(ag_json_at(data, i));
	ag_call_ok(c, list);
}

static int
read_in_path(struct ag_call *c, struct json_object **out, int64_t *out_id)
{
	struct ag_pg_args a = { 0 };
	struct json_object *id;

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, c->arg[0]);
	if (ag_call_json(c, SQL_INVITE_GET, &a, out) < 0)
		return -1;
	if (!*out)
		return ag_call_not_found(c, "invite", c->arg[0]);
	json_object_object_get_ex(*out, "_id", &id);
	*out_id = json_object_get_int64(id);
	return 0;
}

void
ag_invite_get(struct ag_call *c)
{
	struct json_object *invite = NULL;
	int64_t id;

	if (read_in_path(c, &invite, &id) < 0)
		return;
	ag_call_tag(c, invite);
	ag_call_strip(invite);
	ag_call_ok(c, invite);
}

/* ---- making, sending again, cancelling ---- */

static int
check_newcomer(struct ag_call *c, const char *email)
{
	AG_AUTO(ag_pgres) PGresult *there = NULL;
	AG_AUTO(ag_pgres) PGresult *cleared = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, email);
	there = ag_call_sql(c, SQL_USER_IS_THERE, &a);
	if (!there)
		return -1;
	if (PQntuples(there) > 0)
		return ag_call_fail(c, 409, "AB07", "email: \"%.254s\" is a user of the organisation already", email);
	cleared = ag_call_sql(c, SQL_INVITE_CLEAR, &a);
	return cleared ? 0 : -1;
}

static int
insert(struct ag_call *c, const struct invite_body *b, const struct ag_new_key *token,
    char uuid[AG_UUID_LEN])
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, b->email);
	ag_pg_arg_text(&a, b->role);
	ag_pg_arg_json(&a, b->workspaces);
	ag_pg_arg_json(&a, b->scopes);
	ag_pg_arg_bytes(&a, ag_str_n((const char *)token->hash, sizeof(token->hash)));
	if (c->actor.key_id)
		ag_pg_arg_i64(&a, c->actor.key_id);
	else
		ag_pg_arg_text(&a, NULL);
	ag_pg_arg_i64(&a, INVITE_DAYS);
	res = ag_call_sql(c, SQL_INVITE_INSERT, &a);
	if (!res)
		return -1;
	ag_str_copy(ag_pg_text(res, 0, 0), uuid, AG_UUID_LEN);
	return 0;
}

static struct json_object *
link_of(struct ag_call *c, const struct ag_new_key *token)
{
	const char *base = c->ctl->ctx->conf->public_url;
	char text[LINK_MAX];
	struct json_object *j;

	snprintf(text, sizeof(text), "%.500s/v1/invites/accept#%s", base ? base : "", token->text);
	j = json_object_new_string(text);
	ag_mem_wipe(text, sizeof(text));
	return j;
}

static void
create(struct ag_call *c, const struct invite_body *b)
{
	struct json_object *after = NULL;
	struct ag_new_key token = { 0 };
	char uuid[AG_UUID_LEN];
	int64_t id;

	if (ag_new_key_make(&token) < 0) {
		ag_call_fail(c, 500, "AB04", "no random numbers");
		return;
	}
	if (check_newcomer(c, b->email) == 0 && insert(c, b, &token, uuid) == 0 &&
	    ag_str_copy(ag_str(uuid), c->arg[0], sizeof(c->arg[0])) && read_in_path(c, &after, &id) == 0 &&
	    ag_call_audit(c, "create", "invite", uuid, NULL, after) == 0 && ag_call_commit(c) == 0) {
		ag_call_strip(after);
		json_object_object_add(after, "invite_link", link_of(c, &token));
		ag_call_ok(c, json_object_get(after));
	}
	json_object_put(after);
	ag_mem_wipe(&token, sizeof(token));
}

void
ag_invite_create(struct ag_call *c)
{
	struct invite_body b = { 0 };

	if (invite_body_read(c, &b) == 0)
		create(c, &b);
	invite_body_fini(&b);
}

/* A change only a pending invite can undergo. */
static int
change(struct ag_call *c, const char *sql, const struct ag_pg_args *a, const char *action,
    struct json_object *before)
{
	AG_AUTO(ag_pgres) PGresult *res = ag_call_sql(c, sql, a);
	struct json_object *after = NULL, *uuid;
	int64_t id;
	int rc = -1;

	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_fail(c, 409, "AB07", "the invite is not pending any more");
	json_object_object_get_ex(before, "id", &uuid);
	if (read_in_path(c, &after, &id) == 0 &&
	    ag_call_audit(c, action, "invite", json_object_get_string(uuid), before, after) == 0)
		rc = ag_call_commit(c);
	json_object_put(after);
	return rc;
}

void
ag_invite_cancel(struct ag_call *c)
{
	struct json_object *before = NULL;
	struct ag_pg_args a = { 0 };
	int64_t id;

	if (read_in_path(c, &before, &id) == 0 && ag_call_match(c, before) == 0) {
		ag_pg_arg_i64(&a, id);
		if (change(c, SQL_INVITE_CANCEL, &a, "delete", before) == 0)
			ag_call_ok(c, NULL);
	}
	json_object_put(before);
}

/* Who has the new link can accept in the other's place, and is told the keys. */
static int
check_taker(struct ag_call *c, struct json_object *before)
{
	struct json_object *scopes = NULL;

	json_object_object_get_ex(before, "_key_scopes", &scopes);
	return ag_key_check_taker(c, scopes, "the invite gives keys");
}

void
ag_invite_resend(struct ag_call *c)
{
	struct json_object *before = NULL, *answer;
	struct ag_new_key token = { 0 };
	struct ag_pg_args a = { 0 };
	int64_t id;

	if (read_in_path(c, &before, &id) < 0 || check_taker(c, before) < 0 || ag_call_match(c, before) < 0) {
		json_object_put(before);
		return;
	}
	if (ag_new_key_make(&token) < 0)
		ag_call_fail(c, 500, "AB04", "no random numbers");
	ag_pg_arg_i64(&a, id);
	ag_pg_arg_bytes(&a, ag_str_n((const char *)token.hash, sizeof(token.hash)));
	ag_pg_arg_i64(&a, INVITE_DAYS);
	if (c->status == 0 && change(c, SQL_INVITE_RENEW, &a, "resend", before) == 0) {
		answer = json_object_new_object();
		json_object_object_add(answer, "inviteLink", link_of(c, &token));
		json_object_object_add(answer, "invite_link", link_of(c, &token));
		ag_call_ok(c, answer);
	}
	json_object_put(before);
	ag_mem_wipe(&token, sizeof(token));
}

/* ---- accepting ---- */

/* Columns of SQL_INVITE_BY_TOKEN. */
enum { IN_ID, IN_ORG, IN_EMAIL, IN_ROLE, IN_WORKSPACES, IN_SCOPES, IN_UUID };

/* A workspace that went meanwhile is passed over. */
static int
join_workspace(struct ag_call *c, struct json_object *one, int64_t user_id, const char *email,
    struct json_object *scopes, struct json_object *keys)
{
	AG_AUTO(ag_pgres) PGresult *there = NULL;
	AG_AUTO(ag_pgres) PGresult *joined = NULL;
	struct ag_pg_args find = { 0 }, join = { 0 };
	struct json_object *id, *role, *key;
	struct ag_new_key secret = { 0 };
	char uuid[AG_UUID_LEN];
	int rc = 0;

	json_object_object_get_ex(one, "id", &id);
	json_object_object_get_ex(one, "role", &role);
	ag_pg_arg_i64(&find, c->actor.org_id);
	ag_pg_arg_i64(&find, json_object_get_int64(id));
	there = ag_call_sql(c, SQL_WORKSPACE_IS_ACTIVE, &find);
	if (!there || PQntuples(there) == 0)
		return there ? 0 : -1;
	ag_pg_arg_i64(&join, json_object_get_int64(id));
	ag_pg_arg_i64(&join, user_id);
	ag_pg_arg_text(&join, json_object_get_string(role));
	joined = ag_call_sql(c, SQL_MEMBER_INSERT, &join);
	if (!joined || !scopes)
		return joined ? 0 : -1;
	rc = ag_key_make_for(c, json_object_get_int64(id), user_id, email, scopes, &secret, uuid);
	if (rc == 0) {
		key = json_object_new_object();
		json_object_object_add(key, "id", json_object_new_string(uuid));
		json_object_object_add(key, "key", json_object_new_string(secret.text));
		json_object_object_add(key, "workspace_id", json_object_new_string(PQgetvalue(there, 0, 0)));
		json_object_object_add(key, "object", json_object_new_string("api-key"));
		json_object_array_add(keys, key);
	}
	ag_mem_wipe(&secret, sizeof(secret));
	return rc;
}

static int
join_all(struct ag_call *c, const PGresult *invite, int64_t user_id, struct json_object *keys)
{
	struct json_object *list = json_tokener_parse(PQgetvalue(invite, 0, IN_WORKSPACES));
	struct json_object *scopes = PQgetisnull(invite, 0, IN_SCOPES)
	    ? NULL : json_tokener_parse(PQgetvalue(invite, 0, IN_SCOPES));
	int rc = list ? 0 : ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);

	for (size_t i = 0; rc == 0 && i < ag_json_len(list); i++)
		rc = join_workspace(c, ag_json_at(list, i), user_id,
		    PQgetvalue(invite, 0, IN_EMAIL), scopes, keys);
	json_object_put(list);
	json_object_put(scopes);
	return rc;
}

static int
insert_user(struct ag_call *c, const PGresult *invite, const char *first, const char *last,
    int64_t *out_id, char uuid[AG_UUID_LEN])
{
	AG_AUTO(ag_pgres) PGresult *user = NULL;
	AG_AUTO(ag_pgres) PGresult *accepted = NULL;
	struct ag_pg_args a = { 0 }, done = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, PQgetvalue(invite, 0, IN_EMAIL));
	ag_pg_arg_text(&a, first);
	ag_pg_arg_text(&a, last);
	ag_pg_arg_text(&a, PQgetvalue(invite, 0, IN_ROLE));
	user = ag_call_sql(c, SQL_USER_INSERT, &a);
	if (!user)
		return -1;
	*out_id = ag_pg_i64(user, 0, 0);
	ag_str_copy(ag_pg_text(user, 0, 1), uuid, AG_UUID_LEN);
	ag_pg_arg_i64(&done, ag_pg_i64(invite, 0, IN_ID));
	ag_pg_arg_i64(&done, *out_id);
	accepted = ag_call_sql(c, SQL_INVITE_ACCEPT, &done);
	return accepted ? 0 : -1;
}

static void
answer_user(struct ag_call *c, const PGresult *invite, const char *uuid, struct json_object *keys)
{
	struct json_object *answer = json_object_new_object();

	json_object_object_add(answer, "object", json_object_new_string("user"));
	json_object_object_add(answer, "id", json_object_new_string(uuid));
	json_object_object_add(answer, "email", json_object_new_string(PQgetvalue(invite, 0, IN_EMAIL)));
	json_object_object_add(answer, "role", json_object_new_string(PQgetvalue(invite, 0, IN_ROLE)));
	json_object_object_add(answer, "api_keys", json_object_get(keys));
	ag_call_ok(c, answer);
}

static PGresult *
find_by_token(struct ag_call *c)
{
	struct ag_pg_args a = { 0 };
	uint8_t hash[AG_SHA256_LEN];
	const char *token = NULL;
	PGresult *res;

	if (ag_field_text(c, c->body, "token", 255, &token) == AG_FIELD_BAD)
		return NULL;
	if (!token) {
		ag_call_invalid(c, "token: is required: what stands behind the # of the link");
		return NULL;
	}
	if (ag_auth_may_try(c) < 0)
		return NULL;
	ag_sha256(token, strlen(token), hash);
	ag_pg_arg_bytes(&a, ag_str_n((const char *)hash, sizeof(hash)));
	res = ag_call_sql(c, SQL_INVITE_BY_TOKEN, &a);
	if (res && PQntuples(res) == 0) {
		PQclear(res);
		ag_auth_failed(c);
		/* One answer for all: which of them it is concerns nobody who does not hold it. */
		ag_call_fail(c, 404, "AB08", "no such invite: it was accepted, cancelled, sent again or is expired");
		return NULL;
	}
	return res;
}

void
ag_invite_accept(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *invite = NULL;
	struct json_object *keys = json_object_new_array();
	const char *first = NULL, *last = NULL;
	char uuid[AG_UUID_LEN];

	if (ag_field_text(c, c->body, "first_name", 255, &first) != AG_FIELD_BAD &&
	    ag_field_text(c, c->body, "last_name", 255, &last) != AG_FIELD_BAD &&
	    (invite = find_by_token(c)) != NULL) {
		c->actor.org_id = ag_pg_i64(invite, 0, IN_ORG);
		if (insert_user(c, invite, first, last, &c->actor.person_id, uuid) == 0 &&
		    join_all(c, invite, c->actor.person_id, keys) == 0 &&
		    ag_call_audit(c, "accept", "invite", PQgetvalue(invite, 0, IN_UUID), NULL, NULL) == 0 &&
		    ag_call_commit(c) == 0)
			answer_user(c, invite, uuid, keys);
	}
	json_object_put(keys);
}
