#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/publish.h"
#include "control/rules.h"
#include "control/rules_sql.h"
#include "policy/guard_read.h"

#define COMPILED_MAX (1u << 20)
#define CHECKS_MAX_BYTES 65536

static struct json_object *
member(struct json_object *obj, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(obj, name, &v);
	return v;
}

/* An organisation's guardrails and a workspace's need scopes of their own. */
static enum ag_scope
scope_of(bool is_organisation, enum ag_verb verb)
{
	static const enum ag_scope org[] = { [AG_VERB_CREATE] = AG_SCOPE_ORGANISATION_GUARDRAILS_CREATE,
		[AG_VERB_READ] = AG_SCOPE_ORGANISATION_GUARDRAILS_READ,
		[AG_VERB_UPDATE] = AG_SCOPE_ORGANISATION_GUARDRAILS_UPDATE,
		[AG_VERB_DELETE] = AG_SCOPE_ORGANISATION_GUARDRAILS_DELETE,
		[AG_VERB_LIST] = AG_SCOPE_ORGANISATION_GUARDRAILS_LIST };
	static const enum ag_scope workspace[] = { [AG_VERB_CREATE] = AG_SCOPE_GUARDRAILS_CREATE,
		[AG_VERB_READ] = AG_SCOPE_GUARDRAILS_READ, [AG_VERB_UPDATE] = AG_SCOPE_GUARDRAILS_UPDATE,
		[AG_VERB_DELETE] = AG_SCOPE_GUARDRAILS_DELETE, [AG_VERB_LIST] = AG_SCOPE_GUARDRAILS_LIST };

	return is_organisation ? org[verb] : workspace[verb];
}

/* Whether the caller's organisation is the one it names. */
static int
check_org(struct ag_call *c, const char *uuid)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	if (!uuid)
		return 0;
	ag_pg_arg_i64(&a, c->actor.org_id);
	res = ag_call_sql(c, "select uuid from aigate.organisation where id = $1", &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0 || !ag_str_ieq(ag_pg_text(res, 0, 0), ag_str(uuid)))
		return ag_call_fail(c, 403, "AB03", "organisation_id: is not the caller's organisation");
	return 0;
}

int
ag_guardrail_find(struct ag_call *c, const char *path, int64_t workspace_id, const char *name,
    int64_t *out_id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_text(&a, name);
	res = ag_call_sql(c, SQL_GUARDRAIL_FIND, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_invalid(c, "%s: Following guardrails are not valid: %.100s", path, name);
	*out_id = ag_pg_i64(res, 0, 0);
	return 0;
}

/* ---- bodies ------------------------------------------------------------------------------- */

struct guardrail_body {
	const char *name;
	struct json_object *checks;  /* borrowed: body */
	struct json_object *actions; /* borrowed: body, in the caller's spelling */
};

static const char *
text_of(struct json_object *v)
{
	return json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

static int
read_checks(struct ag_call *c, struct guardrail_body *b)
{
	struct ag_read_fault f;
	struct ag_buf compiled;
	uint32_t n;
	int rc;

	if (!b->checks)
		return 0;
	if (strlen(text_of(b->checks)) > CHECKS_MAX_BYTES)
		return ag_call_invalid(c, "checks: must have at most %d bytes", CHECKS_MAX_BYTES);
	ag_buf_init(&compiled, COMPILED_MAX);
	rc = ag_guard_read_checks(ag_str(text_of(b->checks)), "checks", &compiled, &n, &f);
	ag_buf_fini(&compiled);
	return rc < 0 ? ag_call_invalid(c, "%s: %s", f.path, f.why) : 0;
}

/* Checked, and kept as they were written: a client that compares (Terraform) must find no change. */
static int
read_actions(struct ag_call *c, struct guardrail_body *b)
{
	struct ag_guard_actions actions;
	struct ag_read_fault f;

	if (!b->actions)
		return 0;
	if (ag_guard_read_actions(ag_str(text_of(b->actions)), "actions", &actions, &f) < 0)
		return ag_call_invalid(c, "%s: %s", f.path, f.why);
	return 0;
}

static int
body_read(struct ag_call *c, struct guardrail_body *b)
{
	if (ag_field_text(c, c->body, "name", AG_SLUG_MAX, &b->name) == AG_FIELD_BAD ||
	    ag_field_array(c, c->body, "checks", &b->checks) == AG_FIELD_BAD ||
	    ag_field_object(c, c->body, "actions", &b->actions) == AG_FIELD_BAD)
		return -1;
	if (b->name && !*b->name)
		return ag_call_invalid(c, "name: must not be empty");
	if (read_checks(c, b) < 0)
		return -1;
	return read_actions(c, b);
}

static struct json_object *
answer(const char *uuid, const char *slug, const char *version)
{
	struct json_object *j = json_object_new_object();

	json_object_object_add(j, "id", json_object_new_string(uuid));
	json_object_object_add(j, "slug", json_object_new_string(slug));
	json_object_object_add(j, "version_id", json_object_new_string(version));
	return j;
}

/* ---- making ------------------------------------------------------------------------------- */

/* Whose it will be: a workspace's, or (0) the organisation's when its own key names none. */
static int
owner_of(struct ag_call *c, int64_t *out_workspace_id)
{
	const char *workspace = NULL, *org = NULL;

	if (ag_field_text(c, c->body, "workspace_id", AG_SLUG_MAX, &workspace) == AG_FIELD_BAD ||
	    ag_field_text(c, c->body, "organisation_id", 64, &org) == AG_FIELD_BAD ||
	    check_org(c, org) < 0 || ag_workspace_resolve(c, workspace, false, out_workspace_id) < 0)
		return -1;
	return ag_call_need(c, scope_of(*out_workspace_id == 0, AG_VERB_CREATE));
}

static void
create(struct ag_call *c, const struct guardrail_body *b, int64_t workspace_id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };
	char slug[32];

	if (ag_rules_slug(c, "pg", b->name, slug) < 0)
		return;
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_text(&a, slug);
	ag_pg_arg_text(&a, b->name);
	ag_pg_arg_json(&a, b->checks);
	ag_pg_arg_json(&a, b->actions);
	ag_pg_arg_i64(&a, c->actor.key_id);
	res = ag_call_sql(c, SQL_GUARDRAIL_INSERT, &a);
	if (res && ag_call_audit(c, "create", "guardrail", PQgetvalue(res, 0, 0), NULL, c->body) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, answer(PQgetvalue(res, 0, 0), slug, PQgetvalue(res, 0, 1)));
}

void
ag_guardrail_create(struct ag_call *c)
{
	struct guardrail_body b = { .name = NULL };
	int64_t workspace_id;

	if (owner_of(c, &workspace_id) == 0 && body_read(c, &b) == 0) {
		if (!b.name || !b.checks || !b.actions)
			ag_call_invalid(c, "%s: is required", !b.name ? "name" : !b.checks ? "checks" : "actions");
		else
			create(c, &b, workspace_id);
	}
}

/* ---- reading ------------------------------------------------------------------------------ */

static int
find_in_path(struct ag_call *c, enum ag_verb verb, struct json_object **out)
{
	struct ag_pg_args a = { 0 };
	int64_t workspace_id;

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, c->arg[0]);
	if (ag_call_json(c, SQL_GUARDRAIL_GET, &a, out) < 0)
		return -1;
	/* One that is not there and one of somebody else are told alike. */
	workspace_id = *out ? json_object_get_int64(member(*out, "_workspace")) : 0;
	if (*out && (c->actor.workspace_id == 0 || workspace_id == c->actor.workspace_id) &&
	    ag_call_need(c, scope_of(workspace_id == 0, verb)) == 0)
		return 0;
	json_object_put(*out);
	*out = NULL;
	return ag_call_fail(c, 403, "AB03", "guardrail \"%.255s\" is not there, or not the caller's", c->arg[0]);
}

static struct json_object *
ids_to_list(struct ag_call *c)
{
	const char *p = ag_call_query(c, "ids");
	struct json_object *list = p ? json_object_new_array() : NULL;

	while (p && *p) {
		size_t n = strcspn(p, ",");

		json_object_array_add(list, json_object_new_string_len(p, (int)n));
		p += n + (p[n] == ',');
	}
	return list;
}

void
ag_guardrail_list(struct ag_call *c)
{
	const char *org = ag_call_query(c, "organisation_id"), *workspace = ag_call_query(c, "workspace_id");
	struct json_object *list = NULL, *data, *ids;
	struct ag_pg_args a = { 0 };
	struct ag_page page;
	int64_t workspace_id;

	if (ag_call_page(c, 100, &page) < 0 || check_org(c, org) < 0 ||
	    ag_workspace_resolve(c, workspace, false, &workspace_id) < 0)
		return;
	if (workspace_id == 0 && org)
		workspace_id = -1;
	if (ag_call_need(c, scope_of(workspace_id <= 0, AG_VERB_LIST)) < 0)
		return;
	ids = ids_to_list(c);
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_json(&a, ids);
	ag_pg_arg_i64(&a, page.limit);
	ag_pg_arg_i64(&a, page.offset);
	if (ag_call_json(c, SQL_GUARDRAIL_LIST, &a, &list) == 0) {
		data = member(list, "data");
		for (size_t i = 0; i < ag_json_len(data); i++)
			ag_call_strip(ag_json_at(data, i));
		ag_call_ok(c, list);
	}
	json_object_put(ids);
}

void
ag_guardrail_get(struct ag_call *c)
{
	struct json_object *obj = NULL;

	if (find_in_path(c, AG_VERB_READ, &obj) < 0)
		return;
	ag_call_tag(c, obj);
	ag_call_strip(obj);
	ag_call_ok(c, obj);
}

/* ---- changing ----------------------------------------------------------------------------- */

void
ag_guardrail_update(struct ag_call *c)
{
	struct guardrail_body b = { .name = NULL };
	struct json_object *now = NULL, *after = NULL;
	struct ag_pg_args a = { 0 };
	PGresult *res = NULL;

	if (find_in_path(c, AG_VERB_UPDATE, &now) == 0 && ag_call_match(c, now) == 0 && body_read(c, &b) == 0) {
		ag_pg_arg_i64(&a, json_object_get_int64(member(now, "_id")));
		ag_pg_arg_text(&a, b.name);
		ag_pg_arg_json(&a, b.checks);
		ag_pg_arg_json(&a, b.actions);
		ag_pg_arg_i64(&a, c->actor.key_id);
		res = ag_call_sql(c, SQL_GUARDRAIL_UPDATE, &a);
	}
	if (res && find_in_path(c, AG_VERB_UPDATE, &after) == 0 &&
	    ag_call_audit(c, "update", "guardrail", json_object_get_string(member(now, "id")), now, c->body) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0) {
		ag_call_tag(c, after);
		ag_call_ok(c, answer(json_object_get_string(member(now, "id")),
		    json_object_get_string(member(now, "slug")), PQgetvalue(res, 0, 0)));
	}
	PQclear(res);
	json_object_put(now);
	json_object_put(after);
}

/* Without it what stands on it would be refused, or worse, let through. */
static int
check_unused(struct ag_call *c, int64_t id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	res = ag_call_sql(c, SQL_GUARDRAIL_USERS, &a);
	if (!res)
		return -1;
	if (ag_pg_i64(res, 0, 0) > 0)
		return ag_call_fail(c, 409, "AB07", "the guardrail is still a default of the organisation or "
		    "of a workspace");
	if (!PQgetisnull(res, 0, 1))
		return ag_call_fail(c, 409, "AB07", "the guardrail still stands in config %s",
		    PQgetvalue(res, 0, 1));
	return 0;
}

void
ag_guardrail_delete(struct ag_call *c)
{
	struct json_object *now = NULL;
	struct ag_pg_args a = { 0 };
	PGresult *res = NULL;
	int64_t id;

	if (find_in_path(c, AG_VERB_DELETE, &now) < 0)
		return;
	id = json_object_get_int64(member(now, "_id"));
	ag_pg_arg_i64(&a, id);
	if (ag_call_match(c, now) == 0 && check_unused(c, id) == 0)
		res = ag_call_sql(c, SQL_GUARDRAIL_ARCHIVE, &a);
	if (res && ag_call_audit(c, "delete", "guardrail", json_object_get_string(member(now, "id")), now,
	    NULL) == 0 && ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
	PQclear(res);
	json_object_put(now);
}
