#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/json.h"
#include "control/body_settings.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/limits.h"
#include "control/meters.h"
#include "control/people.h"
#include "control/publish.h"
#include "control/rules.h"
#include "control/settings.h"
#include "control/sql_people.h"
#include "control/sql_providers.h"
#include "control/user_keys.h"

#define NAME_MAX_BYTES 255
#define TEXT_MAX_BYTES 4096

/* What a body said, checked; NULL and false: not given. */
struct workspace_body {
	const char *name, *slug, *description, *icon;
	bool has_description, has_icon, has_metadata, has_usage, has_rates, reset_usage;
	struct json_object *metadata;      /* borrowed: body, or conformed */
	struct json_object *users;         /* borrowed: body */
	struct json_object *usage, *rates, *conformed; /* owned, stored form */
	struct ag_body_settings bodies;
	struct ag_user_keys_body user_keys;
	struct json_object *security;      /* borrowed: body */
	bool has_security;
};

static void
workspace_body_fini(struct workspace_body *b)
{
	json_object_put(b->usage);
	json_object_put(b->rates);
	json_object_put(b->conformed);
	ag_user_keys_body_fini(&b->user_keys);
}

static int
read_defaults(struct ag_call *c, struct workspace_body *b)
{
	static const char *const unserved[] = { "output_guardrails", NULL };
	struct json_object *defaults = NULL;
	enum ag_field f = ag_field_object(c, c->body, "defaults", &defaults);

	if (f == AG_FIELD_NULL)
		b->has_metadata = true;
	if (f != AG_FIELD_SET)
		return f == AG_FIELD_BAD ? -1 : 0;
	if (ag_field_refuse(c, defaults, unserved, "defaults.") < 0)
		return -1;
	f = ag_field_metadata(c, defaults, "defaults.metadata", &b->metadata);
	b->has_metadata = f == AG_FIELD_SET || f == AG_FIELD_NULL;
	return f == AG_FIELD_BAD ? -1 : 0;
}

static int
read_text(struct ag_call *c, const char *name, size_t max, const char **out, bool *out_given)
{
	enum ag_field f = ag_field_text(c, c->body, name, max, out);

	if (out_given)
		*out_given = f == AG_FIELD_SET || f == AG_FIELD_NULL;
	return f == AG_FIELD_BAD ? -1 : 0;
}

static int
read_user_keys(struct ag_call *c, struct workspace_body *b)
{
	struct json_object *settings = NULL;

	if (ag_field_object(c, c->body, "settings", &settings) == AG_FIELD_BAD)
		return -1;
	return ag_user_keys_read(c, settings, &b->user_keys);
}

static int
workspace_body_read(struct ag_call *c, struct workspace_body *b)
{
	if (ag_security_read(c, &b->security, &b->has_security) < 0 ||
	    read_text(c, "name", NAME_MAX_BYTES, &b->name, NULL) < 0 ||
	    read_text(c, "description", TEXT_MAX_BYTES, &b->description, &b->has_description) < 0 ||
	    read_text(c, "icon", 64, &b->icon, &b->has_icon) < 0 || read_defaults(c, b) < 0 ||
	    ag_body_settings_read(c, &b->bodies) < 0 || read_user_keys(c, b) < 0)
		return -1;
	if (ag_field_slug(c, c->body, "slug", &b->slug) == AG_FIELD_BAD ||
	    ag_field_bool(c, c->body, "reset_usage", &b->reset_usage) == AG_FIELD_BAD ||
	    ag_field_array(c, c->body, "users", &b->users) == AG_FIELD_BAD)
		return -1;
	if (b->name && !*b->name)
		return ag_call_invalid(c, "name: must not be empty");
	if (ag_limits_usage_member(c, c->body, "usage_limits", AG_LIMITS_ARRAY, &b->has_usage,
	    &b->usage) < 0)
		return -1;
	return ag_limits_rate_member(c, c->body, "rate_limits", AG_LIMITS_ARRAY, &b->has_rates,
	    &b->rates);
}

/* "ws-", up to six letters of the name, six random digits. */
static int
make_slug(struct ag_call *c, const char *name, char out[32])
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
	snprintf(out, 32, "ws-%s-%02x%02x%02x", n ? letters : "ws", r[0], r[1], r[2]);
	return 0;
}

int
ag_workspace_resolve(struct ag_call *c, const char *name, bool is_needed, int64_t *out_id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	*out_id = c->actor.workspace_id;
	if (*out_id)
		return 0;
	if (!name || !*name)
		return is_needed ? ag_call_invalid(c, "workspace_id: is required with an admin key") : 0;
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, name);
	res = ag_call_sql(c, SQL_WORKSPACE_FIND, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_not_found(c, "workspace", name);
	*out_id = ag_pg_i64(res, 0, 0);
	return 0;
}

/* The workspace the path names, when the caller may touch it. */
static int
find_in_path(struct ag_call *c, int64_t *out_id, char uuid[AG_UUID_LEN], char name[256])
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, c->arg[0]);
	res = ag_call_sql(c, SQL_WORKSPACE_FIND, &a);
	if (!res)
		return -1;
	if (c->actor.workspace_id &&
	    (PQntuples(res) == 0 || ag_pg_i64(res, 0, 0) != c->actor.workspace_id))
		return ag_call_fail(c, 403, "AB03", "the API key belongs to another workspace");
	if (PQntuples(res) == 0)
		return ag_call_not_found(c, "workspace", c->arg[0]);
	*out_id = ag_pg_i64(res, 0, 0);
	ag_str_copy(ag_pg_text(res, 0, 1), uuid, AG_UUID_LEN);
	ag_str_copy(ag_pg_text(res, 0, 3), name, 256);
	return 0;
}

static int
read_object(struct ag_call *c, int64_t id, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	if (ag_call_json(c, SQL_WORKSPACE_GET, &a, out) < 0)
		return -1;
	if (!*out)
		return ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
	ag_security_show(*out);
	return 0;
}

static int
add_more(struct ag_call *c, int64_t id, struct json_object *obj)
{
	struct ag_pg_args a = { 0 };
	struct json_object *more;

	ag_pg_arg_i64(&a, id);
	if (ag_call_json(c, SQL_WORKSPACE_MORE, &a, &more) < 0)
		return -1;
	ag_json_foreach(more, name, value)
		json_object_object_add(obj, name, json_object_get(value));
	json_object_put(more);
	return 0;
}

/* After the commit: usage as it stands now, answered. */
static void
answer_object(struct ag_call *c, struct json_object *obj, int64_t id, const PGresult *meters)
{
	ag_limits_decorate(c, obj, meters, id);
	ag_call_tag(c, obj);
	ag_call_strip(obj);
	ag_call_ok(c, obj);
}

/* Absent ones stay, or are the defaults. */
static void
put_bodies(struct ag_pg_args *a, const struct ag_body_settings *s)
{
	ag_pg_arg_text(a, s->body_log);
	ag_pg_arg_json(a, s->redact);
	ag_pg_arg_json(a, s->patterns);
}

static int
insert(struct ag_call *c, const struct workspace_body *b, const char *slug, int64_t *out_id,
    char uuid[AG_UUID_LEN])
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, slug);
	ag_pg_arg_text(&a, b->name);
	ag_pg_arg_text(&a, b->description);
	ag_pg_arg_text(&a, b->icon);
	ag_pg_arg_json(&a, b->metadata);
	ag_pg_arg_json(&a, b->usage);
	ag_pg_arg_json(&a, b->rates);
	put_bodies(&a, &b->bodies);
	res = ag_call_sql(c, SQL_WORKSPACE_INSERT, &a);
	if (!res)
		return -1;
	*out_id = ag_pg_i64(res, 0, 0);
	ag_str_copy(ag_pg_text(res, 0, 1), uuid, AG_UUID_LEN);
	return 0;
}

/* Its metadata as the organisation's schema wants it. */
static int
conform(struct ag_call *c, struct workspace_body *b)
{
	struct json_object *settings = NULL;
	int rc;

	if (ag_settings_read(c, &settings) < 0)
		return -1;
	rc = ag_settings_conform(c, settings, AG_SETTING_WORKSPACE_SCHEMA, b->metadata, &b->conformed);
	json_object_put(settings);
	b->metadata = b->conformed;
	return rc;
}

static int
put_security(struct ag_call *c, const struct workspace_body *b, int64_t id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	if (!b->has_security)
		return 0;
	ag_pg_arg_i64(&a, id);
	ag_pg_arg_json(&a, b->security);
	res = ag_call_sql(c, SQL_SECURITY_SET, &a);
	return res ? 0 : -1;
}

/* First members come with a workspace for whoever may make it, unless he is kept from that. */
static int
join_first(struct ag_call *c, const struct workspace_body *b, int64_t id)
{
	if (!b->users)
		return 0;
	if (ag_security_need(c, AG_SUBJECT_WRITE_WS_USERS) < 0)
		return -1;
	return ag_people_join(c, b->users, "users", id);
}

/* More members by way of an update ask for no less than at their own endpoint. */
static int
join_more(struct ag_call *c, const struct workspace_body *b, int64_t id)
{
	if (!b->users)
		return 0;
	if (ag_call_need(c, AG_SCOPE_WORKSPACE_USERS_CREATE) < 0)
		return -1;
	return ag_people_join(c, b->users, "users", id);
}

static struct ag_str
stored_text(struct json_object *j)
{
	return j ? ag_str(json_object_to_json_string_ext(j, JSON_C_TO_STRING_PLAIN)) : AG_STR_NONE;
}

static void
create(struct ag_call *c, struct workspace_body *b)
{
	AG_AUTO(ag_pgres) PGresult *meters = NULL;
	struct json_object *obj = NULL;
	char made[32], uuid[AG_UUID_LEN];
	const char *slug = b->slug;
	int64_t id;

	if (!b->name) {
		ag_call_invalid(c, "name: is required");
		return;
	}
	if (!slug) {
		if (make_slug(c, b->name, made) < 0)
			return;
		slug = made;
	}
	if (conform(c, b) < 0 || insert(c, b, slug, &id, uuid) < 0 || ag_meters_sync(c, "workspace", id,
	    stored_text(b->usage), stored_text(b->rates), false) < 0 ||
	    put_security(c, b, id) < 0 || ag_user_keys_store(c, id, &b->user_keys) < 0 ||
	    join_first(c, b, id) < 0 || ag_rules_of_workspace(c, id) < 0 ||
	    ag_grant_global(c, id) < 0 || read_object(c, id, &obj) < 0)
		return;
	meters = ag_meters_of(c, "workspace", obj);
	if (!meters || ag_call_audit(c, "create", "workspace", uuid, NULL, obj) < 0 ||
	    ag_publish_catalog(c) < 0 || ag_call_commit(c) < 0) {
		json_object_put(obj);
		return;
	}
	answer_object(c, obj, id, meters);
}

void
ag_workspace_create(struct ag_call *c)
{
	struct workspace_body b = { 0 };

	if (workspace_body_read(c, &b) == 0)
		create(c, &b);
	workspace_body_fini(&b);
}

/* "active,archived" as a JSON array; each word checked. */
static int
read_states(struct ag_call *c, struct json_object *out)
{
	const char *p = ag_call_query(c, "status");

	if (!p)
		p = "active";
	while (*p) {
		struct ag_str one = ag_str_n(p, strcspn(p, ","));

		if (!ag_str_eq(one, AG_STR("active")) && !ag_str_eq(one, AG_STR("archived")))
			return ag_call_invalid(c, "status: must be active, archived or both, not \"%.*s\"",
			    AG_STR_ARG(one));
		json_object_array_add(out, json_object_new_string_len(one.p, (int)one.n));
		p += one.n + (p[one.n] == ',');
	}
	return 0;
}

void
ag_workspace_list(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *meters = NULL;
	struct json_object *states = json_object_new_array(), *list = NULL, *data;
	struct ag_pg_args a = { 0 };
	struct ag_page page;
	int rc = -1;

	if (ag_call_page(c, 100, &page) == 0 && read_states(c, states) == 0) {
		ag_pg_arg_i64(&a, c->actor.org_id);
		ag_pg_arg_text(&a, ag_call_query(c, "name"));
		ag_pg_arg_text(&a, ag_call_query(c, "exact_name"));
		ag_pg_arg_json(&a, states);
		ag_pg_arg_i64(&a, c->actor.workspace_id);
		ag_pg_arg_i64(&a, page.limit);
		ag_pg_arg_i64(&a, page.offset);
		rc = ag_call_json(c, SQL_WORKSPACE_LIST, &a, &list);
	}
	json_object_put(states);
	if (rc < 0)
		return;
	json_object_object_get_ex(list, "data", &data);
	meters = ag_meters_of(c, "workspace", data);
	for (size_t i = 0; meters && i < ag_json_len(data); i++) {
		struct json_object *one = ag_json_at(data, i), *id;

		json_object_object_get_ex(one, "_id", &id);
		ag_limits_decorate(c, one, meters, json_object_get_int64(id));
		ag_security_show(one);
		ag_call_strip(one);
	}
	if (meters)
		ag_call_ok(c, list);
	else
		json_object_put(list);
}

void
ag_workspace_get(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *meters = NULL;
	struct json_object *obj = NULL;
	char uuid[AG_UUID_LEN], name[256];
	int64_t id;

	if (find_in_path(c, &id, uuid, name) < 0 || read_object(c, id, &obj) < 0)
		return;
	meters = ag_meters_of(c, "workspace", obj);
	if (!meters || add_more(c, id, obj) < 0) {
		json_object_put(obj);
		return;
	}
	answer_object(c, obj, id, meters);
}

static int
update_row(struct ag_call *c, const struct workspace_body *b, int64_t id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	ag_pg_arg_text(&a, b->name);
	ag_pg_arg_bool(&a, b->has_description);
	ag_pg_arg_text(&a, b->description);
	ag_pg_arg_bool(&a, b->has_icon);
	ag_pg_arg_text(&a, b->icon);
	ag_pg_arg_bool(&a, b->has_metadata);
	ag_pg_arg_json(&a, b->metadata);
	ag_pg_arg_bool(&a, b->has_usage);
	ag_pg_arg_json(&a, b->usage);
	ag_pg_arg_bool(&a, b->has_rates);
	ag_pg_arg_json(&a, b->rates);
	put_bodies(&a, &b->bodies);
	res = ag_call_sql(c, SQL_WORKSPACE_UPDATE, &a);
	if (!res)
		return -1;
	return ag_meters_sync(c, "workspace", id, ag_pg_text(res, 0, 0), ag_pg_text(res, 0, 1),
	    b->reset_usage);
}

/* An update holds the whole workspace against the schema, whatever it changes. */
static int
conform_standing(struct ag_call *c, struct workspace_body *b, struct json_object *before)
{
	struct json_object *defaults;

	if (!b->has_metadata && json_object_object_get_ex(before, "defaults", &defaults) && defaults)
		json_object_object_get_ex(defaults, "metadata", &b->metadata);
	if (conform(c, b) < 0)
		return -1;
	b->has_metadata = true;
	return 0;
}

static void
update(struct ag_call *c, struct workspace_body *b)
{
	AG_AUTO(ag_pgres) PGresult *meters = NULL;
	struct json_object *before = NULL, *after = NULL;
	char uuid[AG_UUID_LEN], name[256];
	int64_t id;

	if (find_in_path(c, &id, uuid, name) == 0 && read_object(c, id, &before) == 0 &&
	    ag_call_match(c, before) == 0 && conform_standing(c, b, before) == 0 &&
	    update_row(c, b, id) == 0 && put_security(c, b, id) == 0 &&
	    ag_user_keys_store(c, id, &b->user_keys) == 0 && join_more(c, b, id) == 0 &&
	    ag_rules_of_workspace(c, id) == 0 && read_object(c, id, &after) == 0 &&
	    ag_call_audit(c, "update", "workspace", uuid, before, after) == 0 &&
	    add_more(c, id, after) == 0 && (meters = ag_meters_of(c, "workspace", after)) != NULL &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0) {
		answer_object(c, after, id, meters);
		after = NULL;
	}
	json_object_put(before);
	json_object_put(after);
}

void
ag_workspace_update(struct ag_call *c)
{
	struct workspace_body b = { 0 };

	if (workspace_body_read(c, &b) == 0) {
		if (b.slug)
			ag_call_invalid(c, "slug: cannot be changed");
		else
			update(c, &b);
	}
	workspace_body_fini(&b);
}

/* Whether anything of it is left that `force_delete` would have to take along. */
static int
check_dependents(struct ag_call *c, int64_t id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };
	int64_t n_keys, n_providers;

	ag_pg_arg_i64(&a, id);
	res = ag_call_sql(c, SQL_WORKSPACE_DEPENDENTS, &a);
	if (!res)
		return -1;
	n_keys = ag_pg_i64(res, 0, 0);
	n_providers = ag_pg_i64(res, 0, 1);
	if (n_keys + n_providers > 0)
		return ag_call_fail(c, 409, "AB07",
		    "the workspace still has %lld API keys and %lld providers; delete them or send "
		    "force_delete", (long long)n_keys, (long long)n_providers);
	return 0;
}

static int
run_on(struct ag_call *c, const char *sql, int64_t id)
{
	struct ag_pg_args a = { 0 };
	PGresult *res;

	ag_pg_arg_i64(&a, id);
	res = ag_call_sql(c, sql, &a);
	PQclear(res);
	return res ? 0 : -1;
}

static int
delete_keys(struct ag_call *c, int64_t id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	res = ag_call_sql(c, SQL_WORKSPACE_DELETE_KEYS, &a);
	for (int i = 0; res && i < PQntuples(res); i++)
		if (ag_plan_key_gone(&c->plan, ag_pg_i64(res, i, 0)) < 0)
			return ag_call_fail(c, 500, "AB04", "out of memory");
	return res ? 0 : -1;
}

/* Integrations nobody but this workspace can use, with their credentials. */
static int
archive_virtual_keys(struct ag_call *c, int64_t id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	res = ag_call_sql(c, SQL_WORKSPACE_VIRTUAL_KEYS, &a);
	for (int i = 0; res && i < PQntuples(res); i++)
		if (ag_integration_archive(c, ag_pg_i64(res, i, 0)) < 0)
			return -1;
	return res ? 0 : -1;
}

void
ag_workspace_delete(struct ag_call *c)
{
	char uuid[AG_UUID_LEN], name[256];
	struct json_object *before = NULL;
	const char *given = NULL;
	bool force = false;
	int64_t id;

	if (find_in_path(c, &id, uuid, name) < 0 ||
	    ag_field_text(c, c->body, "name", NAME_MAX_BYTES, &given) == AG_FIELD_BAD ||
	    ag_field_bool(c, c->body, "force_delete", &force) == AG_FIELD_BAD)
		return;
	if (!given || strcmp(given, name) != 0) {
		ag_call_invalid(c, "name: must be the workspace's current name");
		return;
	}
	if ((force || check_dependents(c, id) == 0) && read_object(c, id, &before) == 0 &&
	    ag_call_match(c, before) == 0 &&
	    archive_virtual_keys(c, id) == 0 &&
	    ag_meters_retired(c, SQL_METERS_RETIRE_WORKSPACE, id) == 0 && delete_keys(c, id) == 0 &&
	    run_on(c, SQL_WORKSPACE_ARCHIVE_PROVIDERS, id) == 0 &&
	    run_on(c, SQL_WORKSPACE_ARCHIVE_GRANTS, id) == 0 &&
	    run_on(c, SQL_MEMBERS_LEAVE, id) == 0 && run_on(c, SQL_WORKSPACE_ARCHIVE, id) == 0 &&
	    ag_call_audit(c, "delete", "workspace", uuid, before, NULL) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
	json_object_put(before);
}
