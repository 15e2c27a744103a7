#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/json.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/publish.h"
#include "control/rules.h"
#include "control/rules_sql.h"
#include "policy/config_read.h"

#define COMPILED_MAX (1u << 20)

int
ag_rules_slug(struct ag_call *c, const char *prefix, const char *name, char out[32])
{
	unsigned char r[3];
	size_t n = 0;
	char letters[7];

	for (; *name && n < 6; name++)
		if ((*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9'))
			letters[n++] = *name;
		else if (*name >= 'A' && *name <= 'Z')
			letters[n++] = (char)(*name - 'A' + 'a');
	letters[n] = '\0';
	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return ag_call_fail(c, 500, "AB04", "no random numbers");
	snprintf(out, 32, "%s-%s%s%02x%02x%02x", prefix, letters, n ? "-" : "", r[0], r[1], r[2]);
	return 0;
}

static struct json_object *
member(struct json_object *obj, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(obj, name, &v);
	return v;
}

static int
run(struct ag_call *c, const char *sql, const struct ag_pg_args *a)
{
	PGresult *res = ag_call_sql(c, sql, a);

	PQclear(res);
	return res ? 0 : -1;
}

static int
run_on(struct ag_call *c, const char *sql, int64_t id)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	return run(c, sql, &a);
}

/* ---- the config itself -------------------------------------------------------------------- */

/* Guardrails it names must be there for the workspace. */
static int
check_guardrails(struct ag_call *c, int64_t workspace_id, struct ag_str compiled)
{
	struct ag_config config;
	struct ag_guard g;
	struct ag_str slug;
	char name[AG_SLUG_MAX + 1];
	int64_t id;

	if (!ag_config_open(compiled, &config))
		return ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
	for (uint32_t i = 0; i < config.n_guards; i++)
		if (ag_config_guard(&config.guards, &slug, &g) && slug.n > 0) {
			ag_str_copy(slug, name, sizeof(name));
			if (ag_guardrail_find(c, "config.input_guardrails", workspace_id, name, &id) < 0)
				return -1;
		}
	return 0;
}

static int
check_config(struct ag_call *c, int64_t workspace_id, const char *text)
{
	struct ag_read_fault f;
	struct ag_buf compiled;
	int rc;

	ag_buf_init(&compiled, COMPILED_MAX);
	rc = ag_config_read(ag_str(text), &compiled, &f);
	if (rc < 0)
		rc = ag_call_invalid(c, "config%s%s: %s", f.path[0] ? "." : "", f.path, f.why);
	else
		rc = check_guardrails(c, workspace_id, ag_buf_str(&compiled));
	ag_buf_fini(&compiled);
	return rc;
}

/* An object, or a text that holds one; *out_text is borrowed from the body. */
static enum ag_field
config_text(struct ag_call *c, const char **out_text)
{
	struct json_object *v = NULL;

	if (!json_object_object_get_ex(c->body, "config", &v))
		return AG_FIELD_ABSENT;
	if (json_object_is_type(v, json_type_object)) {
		*out_text = json_object_to_json_string_ext(v,
		    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
		return AG_FIELD_SET;
	}
	if (ag_field_text(c, c->body, "config", AG_CONFIG_JSON_MAX, out_text) == AG_FIELD_SET)
		return AG_FIELD_SET;
	(void)ag_call_invalid(c, "config: must be an object");
	return AG_FIELD_BAD;
}

static enum ag_field
wants_default(struct ag_call *c, bool *out)
{
	enum ag_field f = ag_field_bool(c, c->body, "is_default", out);

	return f == AG_FIELD_ABSENT ? ag_field_bool(c, c->body, "isDefault", out) : f;
}

int
ag_config_find(struct ag_call *c, const char *path, int64_t workspace_id, const char *name,
    int64_t *out_id, char slug[AG_SLUG_MAX + 1])
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	*out_id = 0;
	if (!name)
		return 0;
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_text(&a, name);
	res = ag_call_sql(c, SQL_CONFIG_FIND, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_invalid(c, "%s: the workspace has no config \"%.100s\"", path, name);
	*out_id = ag_pg_i64(res, 0, 0);
	ag_str_copy(ag_pg_text(res, 0, 1), slug, AG_SLUG_MAX + 1);
	return 0;
}

int
ag_config_make_default(struct ag_call *c, int64_t workspace_id, int64_t id)
{
	if (run_on(c, SQL_CONFIG_NO_DEFAULT, workspace_id) < 0)
		return -1;
	return id > 0 ? run_on(c, SQL_CONFIG_SET_DEFAULT, id) : 0;
}

/* ---- making ------------------------------------------------------------------------------- */

static int
insert_version(struct ag_call *c, int64_t id, const char *text, char uuid[AG_UUID_LEN])
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	ag_pg_arg_text(&a, text);
	ag_pg_arg_i64(&a, c->actor.key_id);
	res = ag_call_sql(c, SQL_CONFIG_VERSION_INSERT, &a);
	if (!res)
		return -1;
	ag_str_copy(ag_pg_text(res, 0, 0), uuid, AG_UUID_LEN);
	return 0;
}

static int
insert(struct ag_call *c, int64_t workspace_id, const char *slug, const char *name, bool is_default,
    int64_t *out_id, char uuid[AG_UUID_LEN])
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_text(&a, slug);
	ag_pg_arg_text(&a, name);
	ag_pg_arg_bool(&a, is_default);
	ag_pg_arg_i64(&a, c->actor.key_id);
	res = ag_call_sql(c, SQL_CONFIG_INSERT, &a);
	if (!res)
		return -1;
	*out_id = ag_pg_i64(res, 0, 0);
	ag_str_copy(ag_pg_text(res, 0, 1), uuid, AG_UUID_LEN);
	return 0;
}

/* Old clients read what stands under data. */
static struct json_object *
answer(const char *uuid, const char *slug, const char *version)
{
	struct json_object *out = json_object_new_object(), *data = json_object_new_object();

	for (int i = 0; i < 2; i++) {
		struct json_object *to = i == 0 ? out : data;

		if (uuid)
			json_object_object_add(to, "id", json_object_new_string(uuid));
		json_object_object_add(to, "version_id", json_object_new_string(version));
		if (slug)
			json_object_object_add(to, "slug", json_object_new_string(slug));
	}
	json_object_object_add(out, "object", json_object_new_string("config"));
	json_object_object_add(out, "success", json_object_new_boolean(1));
	json_object_object_add(out, "data", data);
	return out;
}

void
ag_config_create(struct ag_call *c)
{
	const char *name = NULL, *workspace = NULL, *text = NULL;
	char slug[32], uuid[AG_UUID_LEN], version[AG_UUID_LEN];
	bool is_default = false;
	int64_t workspace_id, id;

	if (ag_field_text(c, c->body, "name", AG_SLUG_MAX, &name) == AG_FIELD_BAD ||
	    ag_field_text(c, c->body, "workspace_id", AG_SLUG_MAX, &workspace) == AG_FIELD_BAD ||
	    wants_default(c, &is_default) == AG_FIELD_BAD || config_text(c, &text) == AG_FIELD_BAD)
		return;
	if (!name || !*name || !text) {
		ag_call_invalid(c, "%s: is required", text ? "name" : "config");
		return;
	}
	if (ag_workspace_resolve(c, workspace, true, &workspace_id) < 0 ||
	    check_config(c, workspace_id, text) < 0 || ag_rules_slug(c, "pc", name, slug) < 0 ||
	    (is_default && ag_config_make_default(c, workspace_id, 0) < 0) ||
	    insert(c, workspace_id, slug, name, is_default, &id, uuid) < 0 ||
	    insert_version(c, id, text, version) < 0 ||
	    ag_call_audit(c, "create", "config", uuid, NULL, c->body) < 0 ||
	    ag_publish_catalog(c) < 0 || ag_call_commit(c) < 0)
		return;
	ag_call_ok(c, answer(uuid, slug, version));
}

/* ---- reading ------------------------------------------------------------------------------ */

/* The config the path names, with inner members, when the caller may touch it. */
static int
find_in_path(struct ag_call *c, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, c->arg[0]);
	if (ag_call_json(c, SQL_CONFIG_GET, &a, out) < 0)
		return -1;
	if (!*out)
		return ag_call_not_found(c, "config", c->arg[0]);
	if (c->actor.workspace_id == 0 ||
	    json_object_get_int64(member(*out, "_workspace")) == c->actor.workspace_id)
		return 0;
	json_object_put(*out);
	*out = NULL;
	return ag_call_fail(c, 403, "AB03", "the config belongs to another workspace");
}

static int64_t
id_of(struct json_object *config)
{
	return json_object_get_int64(member(config, "_id"));
}

void
ag_config_list(struct ag_call *c)
{
	struct json_object *list = NULL, *data;
	struct ag_pg_args a = { 0 };
	struct ag_page page;
	int64_t workspace_id;

	if (ag_call_page(c, 100, &page) < 0 || ag_workspace_resolve(c,
	    ag_call_query(c, "workspace_id"), false, &workspace_id) < 0)
		return;
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_i64(&a, page.limit);
	ag_pg_arg_i64(&a, page.offset);
	if (ag_call_json(c, SQL_CONFIG_LIST, &a, &list) < 0)
		return;
	data = member(list, "data");
	for (size_t i = 0; i < ag_json_len(data); i++)
		ag_call_strip(ag_json_at(data, i));
	ag_call_ok(c, list);
}

void
ag_config_get(struct ag_call *c)
{
	struct json_object *config = NULL;

	if (find_in_path(c, &config) < 0)
		return;
	ag_call_tag(c, config);
	ag_call_strip(config);
	ag_call_ok(c, config);
}

void
ag_config_versions(struct ag_call *c)
{
	struct json_object *config = NULL, *list = NULL;
	struct ag_pg_args a = { 0 };
	struct ag_page page;

	if (ag_call_page(c, 100, &page) < 0 || find_in_path(c, &config) < 0)
		return;
	ag_pg_arg_i64(&a, id_of(config));
	ag_pg_arg_i64(&a, page.limit);
	ag_pg_arg_i64(&a, page.offset);
	if (ag_call_json(c, SQL_CONFIG_VERSIONS, &a, &list) == 0)
		ag_call_ok(c, list);
	json_object_put(config);
}

/* ---- changing ----------------------------------------------------------------------------- */

/* What stands on it would be refused without it. */
static int
check_unused(struct ag_call *c, int64_t id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	res = ag_call_sql(c, SQL_CONFIG_USERS, &a);
	if (!res)
		return -1;
	if (ag_pg_i64(res, 0, 0) > 0)
		return ag_call_fail(c, 409, "AB07", "the config is still the default of %lld API keys",
		    (long long)ag_pg_i64(res, 0, 0));
	if (ag_pg_i64(res, 0, 1) > 0)
		return ag_call_fail(c, 409, "AB07", "the config is still user_api_key_config of its workspace");
	return 0;
}

struct config_change {
	const char *name, *status, *text;
	bool has_default, is_default;
};

static int
read_change(struct ag_call *c, struct json_object *now, struct config_change *out)
{
	enum ag_field f;

	if (ag_field_text(c, c->body, "name", AG_SLUG_MAX, &out->name) == AG_FIELD_BAD ||
	    ag_field_text(c, c->body, "status", 32, &out->status) == AG_FIELD_BAD ||
	    config_text(c, &out->text) == AG_FIELD_BAD)
		return -1;
	f = wants_default(c, &out->is_default);
	if (f == AG_FIELD_BAD)
		return -1;
	out->has_default = f == AG_FIELD_SET;
	if (out->name && !*out->name)
		return ag_call_invalid(c, "name: must not be empty");
	if (out->status && strcmp(out->status, "active") != 0 && strcmp(out->status, "archived") != 0)
		return ag_call_invalid(c, "status: must be active or archived, not \"%s\"", out->status);
	if (out->status && strcmp(out->status, "archived") == 0 && check_unused(c, id_of(now)) < 0)
		return -1;
	/* One that is switched on again may name what has gone meanwhile. */
	if (out->status && !out->text)
		return check_config(c, json_object_get_int64(member(now, "_workspace")),
		    json_object_get_string(member(now, "config")));
	return out->text ? check_config(c, json_object_get_int64(member(now, "_workspace")), out->text) : 0;
}

static int
apply_change(struct ag_call *c, struct json_object *now, const struct config_change *w,
    char version[AG_UUID_LEN])
{
	int64_t id = id_of(now), workspace_id = json_object_get_int64(member(now, "_workspace"));
	struct ag_pg_args a = { 0 };

	if (w->has_default && w->is_default && ag_config_make_default(c, workspace_id, 0) < 0)
		return -1;
	ag_pg_arg_i64(&a, id);
	ag_pg_arg_text(&a, w->name);
	ag_pg_arg_text(&a, w->status);
	ag_pg_arg_text(&a, !w->has_default ? NULL : w->is_default ? "t" : "f");
	ag_pg_arg_i64(&a, c->actor.key_id);
	if (run(c, SQL_CONFIG_UPDATE, &a) < 0)
		return -1;
	if (w->text && strcmp(w->text, json_object_get_string(member(now, "config"))) != 0)
		return insert_version(c, id, w->text, version);
	ag_str_copy(ag_str(json_object_get_string(member(now, "version_id"))), version, AG_UUID_LEN);
	return 0;
}

void
ag_config_update(struct ag_call *c)
{
	struct config_change w = { .name = NULL };
	struct json_object *now = NULL, *after = NULL;
	char version[AG_UUID_LEN];

	if (find_in_path(c, &now) == 0 && ag_call_match(c, now) == 0 && read_change(c, now, &w) == 0 &&
	    apply_change(c, now, &w, version) == 0 && find_in_path(c, &after) == 0 &&
	    ag_call_audit(c, "update", "config", json_object_get_string(member(now, "id")), now, c->body) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0) {
		ag_call_tag(c, after);
		ag_call_ok(c, answer(NULL, NULL, version));
	}
	json_object_put(now);
	json_object_put(after);
}

void
ag_config_delete(struct ag_call *c)
{
	struct json_object *now = NULL;

	if (find_in_path(c, &now) == 0 && ag_call_match(c, now) == 0 && check_unused(c, id_of(now)) == 0 &&
	    run_on(c, SQL_CONFIG_DELETE, id_of(now)) == 0 &&
	    ag_call_audit(c, "delete", "config", json_object_get_string(member(now, "id")), now, NULL) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
	json_object_put(now);
}
