#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "aigated/vault.h"
#include "base/json.h"
#include "conf/conf.h"
#include "control/aws_credential.h"
#include "control/configurations.h"
#include "control/credential.h"
#include "control/custom_headers.h"
#include "control/custom_host.h"
#include "control/destination.h"
#include "control/family.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/meters.h"
#include "control/publish.h"
#include "control/price_multiplier.h"
#include "control/secret.h"
#include "control/secret_maps.h"
#include "control/sql.h"

#define KEY_MAX_BYTES   8192
#define TEXT_MAX_BYTES  4096


enum ag_scope
ag_integration_scope(bool is_workspace_owned, enum ag_verb verb)
{
	switch (verb) {
	case AG_VERB_CREATE:
		return is_workspace_owned ? AG_SCOPE_WORKSPACE_INTEGRATIONS_CREATE
		                          : AG_SCOPE_ORGANISATION_INTEGRATIONS_CREATE;
	case AG_VERB_READ:
		return is_workspace_owned ? AG_SCOPE_WORKSPACE_INTEGRATIONS_READ
		                          : AG_SCOPE_ORGANISATION_INTEGRATIONS_READ;
	case AG_VERB_UPDATE:
		return is_workspace_owned ? AG_SCOPE_WORKSPACE_INTEGRATIONS_UPDATE
		                          : AG_SCOPE_ORGANISATION_INTEGRATIONS_UPDATE;
	case AG_VERB_DELETE:
		return is_workspace_owned ? AG_SCOPE_WORKSPACE_INTEGRATIONS_DELETE
		                          : AG_SCOPE_ORGANISATION_INTEGRATIONS_DELETE;
	case AG_VERB_LIST:
		break;
	}
	return is_workspace_owned ? AG_SCOPE_WORKSPACE_INTEGRATIONS_LIST
	                          : AG_SCOPE_ORGANISATION_INTEGRATIONS_LIST;
}

int
ag_integration_find(struct ag_call *c, const char *name, enum ag_verb verb,
    struct ag_integration_ref *out)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, name);
	res = ag_call_sql(c, SQL_INTEGRATION_FIND, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_not_found(c, "integration", name);
	out->id = ag_pg_i64(res, 0, 0);
	out->workspace_id = ag_pg_i64(res, 0, 2);
	ag_str_copy(ag_pg_text(res, 0, 1), out->uuid, sizeof(out->uuid));
	ag_str_copy(ag_pg_text(res, 0, 3), out->slug, sizeof(out->slug));
	ag_str_copy(ag_pg_text(res, 0, 4), out->name, sizeof(out->name));
	ag_str_copy(ag_pg_text(res, 0, 7), out->family, sizeof(out->family));
	if (c->actor.workspace_id && out->workspace_id &&
	    out->workspace_id != c->actor.workspace_id)
		return ag_call_fail(c, 403, "AB03", "the integration belongs to another workspace");
	return ag_call_need(c, ag_integration_scope(out->workspace_id != 0, verb));
}

/* ---- configurations ---- */

/* NULL: none given. */
static int
custom_host_member(struct ag_call *c, struct json_object *obj, const char *path, const char **out)
{
	struct ag_err err = { "" };

	*out = NULL;
	if (ag_field_text(c, obj, path, 2048, out) == AG_FIELD_BAD)
		return -1;
	if (*out && !**out)
		*out = NULL;
	if (*out && ag_custom_host_check(ag_str(*out), ag_str(c->ctl->ctx->conf->trusted_hosts),
	    &err) < 0)
		return ag_call_invalid(c, "%s: %s", path, err.text);
	return 0;
}

/* Written as a number or as text: "0.85". */
static int
check_multiplier(struct ag_call *c, struct json_object *conf)
{
	struct json_object *value;
	uint32_t ppm;

	if (!json_object_object_get_ex(conf, "price_multiplier", &value) || !value)
		return 0;
	if (ag_price_multiplier(value, &ppm) < 0)
		return ag_call_invalid(c, "configurations.price_multiplier: must be a number above 0, up to "
		    "1000, with six decimals at most");
	return 0;
}

static int
check_switch(struct ag_call *c, struct json_object *conf, const char *name)
{
	if (ag_configurations_switch(conf, name) >= 0)
		return 0;
	return ag_call_invalid(c, "configurations.%s: must be true or false", name);
}

/* *out_host: the custom host, NULL none. */
static int
check_configurations(struct ag_call *c, struct json_object *conf, const char **out_host)
{
	static const char *const known[] = { "custom_host", "custom_headers", "openai_organization",
		"openai_project", "price_multiplier", "shared_objects", "uncounted_work" };
	struct json_object *headers = NULL;
	const char *text;
	int rc;

	*out_host = NULL;
	ag_json_foreach(conf, name, value) {
		bool is_known = false;

		for (size_t i = 0; i < AG_ARRAY_LEN(known); i++)
			is_known = is_known || strcmp(known[i], name) == 0;
		if (!is_known && (ag_configurations_knows(c, name, value, &rc) || ag_aws_knows(c, name, value, &rc))) {
			if (rc < 0)
				return rc;
			is_known = true;
		}
		if (!is_known && value)
			return ag_call_invalid(c, "configurations.%.64s: not a setting of this provider "
			    "here; known are custom_host, custom_headers, openai_organization, "
			    "openai_project, price_multiplier, shared_objects, uncounted_work", name);
	}
	if (ag_field_text(c, conf, "configurations.openai_organization", 255, &text) == AG_FIELD_BAD ||
	    ag_field_text(c, conf, "configurations.openai_project", 255, &text) == AG_FIELD_BAD ||
	    custom_host_member(c, conf, "configurations.custom_host", out_host) < 0)
		return -1;
	if (check_multiplier(c, conf) < 0 || check_switch(c, conf, "shared_objects") < 0 ||
	    check_switch(c, conf, "uncounted_work") < 0)
		return -1;
	switch (ag_field_object(c, conf, "configurations.custom_headers", &headers)) {
	case AG_FIELD_BAD:
		return -1;
	case AG_FIELD_SET:
		if (ag_custom_headers_check(c, headers) < 0)
			return -1;
		break;
	case AG_FIELD_ABSENT:
	case AG_FIELD_NULL:
		break;
	}
	return 0;
}

/* ---- the credential ---- */

/* Sealed for this integration alone; mask of what is shown of it for people. */
static int
seal_key(struct ag_call *c, const char *uuid, const char *key, const char *shown,
    struct ag_buf *out_sealed, char mask[AG_MASK_LEN])
{
	char aad[80];

	if (!c->ctl->ctx->master_key)
		return ag_call_fail(c, 503, "AB04", "no master key is loaded, credentials cannot be kept");
	if (strpbrk(key, "\r\n"))
		return ag_call_invalid(c, "key: must not hold line feeds");
	snprintf(aad, sizeof(aad), "integration:%s:key", uuid);
	if (ag_vault_seal(c->ctl->ctx->master_key, ag_str(aad), ag_str(key), out_sealed) < 0)
		return ag_call_fail(c, 500, "AB04", "the credential could not be sealed");
	ag_secret_mask(ag_str(shown), mask);
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

/* ---- making ---- */

struct integration_body {
	const char *name, *slug, *description, *key, *custom_host, *family, *provider_slug;
	bool has_description, wants_provider;
	struct ag_pricing_adjustments prices;
	struct json_object *configurations; /* borrowed: body */
	struct ag_secret_map *map;          /* borrowed; NULL: none is taken */
	struct ag_aws_credential aws;       /* owned: body_fini() */
};

static void
body_fini(struct integration_body *b)
{
	if (b->map)
		ag_secret_map_fini(b->map);
	ag_pricing_adjustments_fini(&b->prices);
	ag_aws_credential_fini(&b->aws);
}

static int
body_read(struct ag_call *c, struct integration_body *b)
{
	enum ag_field f;

	if (ag_pricing_adjustments_read(c, &b->prices) < 0 ||
	    ag_field_text(c, c->body, "name", AG_SLUG_MAX, &b->name) == AG_FIELD_BAD ||
	    ag_field_slug(c, c->body, "slug", &b->slug) == AG_FIELD_BAD ||
	    ag_field_text(c, c->body, "key", KEY_MAX_BYTES, &b->key) == AG_FIELD_BAD)
		return -1;
	if (b->name && !*b->name)
		return ag_call_invalid(c, "name: must not be empty");
	f = ag_field_text(c, c->body, "description", TEXT_MAX_BYTES, &b->description);
	b->has_description = f == AG_FIELD_SET || f == AG_FIELD_NULL;
	if (f == AG_FIELD_BAD ||
	    ag_field_object(c, c->body, "configurations", &b->configurations) == AG_FIELD_BAD)
		return -1;
	if (b->configurations && check_configurations(c, b->configurations, &b->custom_host) < 0)
		return -1;
	if (b->map && ag_secret_map_read(c, b->map) < 0)
		return -1;
	b->wants_provider = true;
	if (ag_field_bool(c, c->body, "create_default_provider", &b->wants_provider) == AG_FIELD_BAD ||
	    ag_field_slug(c, c->body, "default_provider_slug", &b->provider_slug) == AG_FIELD_BAD)
		return -1;
	return 0;
}

/* What signs requests stands for the key. */
static int
take_aws(struct ag_call *c, struct integration_body *b, const char *family, bool is_new)
{
	struct ag_aws_body in = { .family = family, .configurations = b->configurations, .key = b->key,
		.is_mapped = b->map && b->map->is_set, .is_new = is_new };

	if (ag_aws_credential_take(c, &in, &b->aws) < 0)
		return -1;
	if (b->aws.is_set)
		b->key = b->aws.text.p;
	return 0;
}

/* id: what the caller calls the family. */
static int
family_fits(struct ag_call *c, const char *family, const char *id, const struct integration_body *b)
{
	struct ag_family_needs needs = { 0 };
	const char *name;

	(void)ag_family_find(ag_str(family), &needs, &name);
	if (needs.custom_host && !b->custom_host)
		return ag_call_invalid(c, "custom_host: is required for %s", id);
	return ag_configurations_fit(c, family, b->configurations, b->custom_host);
}

static int
check_family(struct ag_call *c, const char *member, struct integration_body *b)
{
	struct ag_family_needs needs = { 0 };
	const char *id = NULL;

	if (ag_field_text(c, c->body, member, 64, &id) == AG_FIELD_BAD)
		return -1;
	if (!id)
		return ag_call_invalid(c, "%s: is required", member);
	switch (ag_family_find(ag_str(id), &needs, &b->family)) {
	case AG_FAMILY_SPOKEN:
		break;
	case AG_FAMILY_LATER:
		return ag_call_invalid(c, "%s: \"%s\" is not spoken by this gateway yet", member, id);
	case AG_FAMILY_UNKNOWN:
		return ag_call_invalid(c, "%s: \"%s\" is not a provider", member, id);
	}
	if (take_aws(c, b, b->family, true) < 0)
		return -1;
	if (needs.key && ag_configurations_need_key(b->family, b->configurations) &&
	    !b->custom_host && (!b->key || !*b->key) && !(b->map && b->map->is_set))
		return ag_call_invalid(c, "key: is required for %s", id);
	return family_fits(c, b->family, id, b);
}

/* A key that is kept elsewhere takes the place of one given. */
static int
take_mapped_key(struct ag_call *c, struct integration_body *b, const struct ag_integration_ref *ref,
    struct json_object *configurations)
{
	struct ag_secret_use use = { .workspace_id = ref->workspace_id, .family = ref->family,
		.configurations = configurations };

	if (ag_secret_map_fetch(c, b->map, &use) < 0)
		return -1;
	if (b->map->is_set)
		b->key = b->map->value.p;
	return 0;
}

int
ag_slug_make(struct ag_call *c, const char *name, const char *otherwise, char out[AG_SLUG_MADE_LEN])
{
	unsigned char r[3];
	size_t n = 0;
	char text[33];

	for (; *name && n < 32; name++) {
		char ch = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;

		if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_' || ch == '-')
			text[n++] = ch;
		else if (n > 0 && text[n - 1] != '-')
			text[n++] = '-';
	}
	while (n > 0 && text[n - 1] == '-')
		n--;
	text[n] = '\0';
	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return ag_call_fail(c, 500, "AB04", "no random numbers");
	snprintf(out, AG_SLUG_MADE_LEN, "%s-%02x%02x%02x", n ? text : otherwise, r[0], r[1], r[2]);
	return 0;
}

static const char *
shown_of(const struct integration_body *b)
{
	return b->aws.is_set && b->key == b->aws.text.p ? b->aws.id : b->key;
}

static int
insert(struct ag_call *c, const struct integration_body *b, struct ag_integration_ref *ref)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };
	char mask[AG_MASK_LEN] = "";
	struct ag_buf sealed;
	bool has_key = b->key && *b->key;

	ag_buf_init(&sealed, KEY_MAX_BYTES + AG_SEAL_OVERHEAD);
	if (new_uuid(c, ref->uuid) == 0 &&
	    (!has_key || seal_key(c, ref->uuid, b->key, shown_of(b), &sealed, mask) == 0)) {
		ag_pg_arg_text(&a, ref->uuid);
		ag_pg_arg_i64(&a, c->actor.org_id);
		ag_pg_arg_i64(&a, ref->workspace_id);
		ag_pg_arg_text(&a, ref->slug);
		ag_pg_arg_text(&a, b->name);
		ag_pg_arg_text(&a, b->family);
		ag_pg_arg_text(&a, b->description);
		ag_pg_arg_bytes(&a, ag_buf_str(&sealed));
		ag_pg_arg_text(&a, has_key ? mask : NULL);
		ag_pg_arg_text(&a, b->configurations ? json_object_to_json_string_ext(
		    b->configurations, JSON_C_TO_STRING_PLAIN) : "{}");
		ag_pg_arg_text(&a, b->custom_host);
		res = ag_call_sql(c, SQL_INTEGRATION_INSERT, &a);
	}
	ag_buf_fini(&sealed);
	if (!res)
		return -1;
	ref->id = ag_pg_i64(res, 0, 0);
	return 0;
}

static int
read_detail(struct ag_call *c, int64_t id, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	if (ag_call_json(c, SQL_INTEGRATION_DETAIL, &a, out) < 0)
		return -1;
	return *out ? 0 : ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
}

static void
create(struct ag_call *c, struct integration_body *b)
{
	struct ag_integration_ref ref = { 0 };
	struct ag_grant_wish wish = { .is_enabled = true };
	struct json_object *after = NULL, *answer;
	const char *workspace = NULL, *family = NULL;
	char made[AG_SLUG_MADE_LEN];

	if (ag_field_text(c, c->body, "ai_provider_id", 64, &family) == AG_FIELD_BAD ||
	    ag_credential_take(c, family, NULL) < 0 || body_read(c, b) < 0 || check_family(c, "ai_provider_id", b) < 0 ||
	    ag_field_text(c, c->body, "workspace_id", AG_SLUG_MAX, &workspace) == AG_FIELD_BAD ||
	    ag_workspace_resolve(c, workspace, false, &ref.workspace_id) < 0 ||
	    ag_call_need(c, ag_integration_scope(ref.workspace_id != 0, AG_VERB_CREATE)) < 0)
		return;
	if (!b->name) {
		ag_call_invalid(c, "name: is required");
		return;
	}
	if (!b->slug && ag_slug_make(c, b->name, "integration", made) < 0)
		return;
	ag_str_copy(ag_str(b->slug ? b->slug : made), ref.slug, sizeof(ref.slug));
	ag_str_copy(ag_str(b->name), ref.name, sizeof(ref.name));
	ag_str_copy(ag_str(b->family), ref.family, sizeof(ref.family));
	if (take_mapped_key(c, b, &ref, b->configurations) < 0)
		return;
	wish.wants_provider = b->wants_provider;
	wish.provider_slug = b->provider_slug;
	if (insert(c, b, &ref) == 0 && ag_pricing_adjustments_store(c, ref.id, &b->prices) == 0 &&
	    ag_secret_map_store(c, b->map, ref.id) == 0 && (ref.workspace_id == 0 ||
	    ag_grant_apply(c, &ref, ref.workspace_id, &wish) == 0) &&
	    read_detail(c, ref.id, &after) == 0 &&
	    ag_call_audit(c, "create", "integration", ref.uuid, NULL, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0) {
		answer = json_object_new_object();
		json_object_object_add(answer, "id", json_object_new_string(ref.uuid));
		json_object_object_add(answer, "slug", json_object_new_string(ref.slug));
		ag_call_ok(c, answer);
	}
	json_object_put(after);
}

/* ---- reading ---- */

void
ag_integration_create(struct ag_call *c)
{
	struct ag_secret_map map = { 0 };
	struct integration_body b = { .map = &map };

	create(c, &b);
	body_fini(&b);
}

void
ag_integration_list(struct ag_call *c)
{
	const char *type = ag_call_query(c, "type");
	struct json_object *list = NULL;
	struct ag_pg_args a = { 0 };
	struct ag_page page;
	int64_t workspace_id;

	if (!ag_call_has(c, AG_SCOPE_WORKSPACE_INTEGRATIONS_LIST) &&
	    ag_call_need(c, AG_SCOPE_ORGANISATION_INTEGRATIONS_LIST) < 0)
		return;
	if (!type)
		type = "all";
	if (strcmp(type, "all") != 0 && strcmp(type, "organisation") != 0 &&
	    strcmp(type, "workspace") != 0) {
		ag_call_invalid(c, "type: must be workspace, organisation or all, not \"%.40s\"", type);
		return;
	}
	if (ag_call_page(c, 100, &page) < 0 || ag_workspace_resolve(c,
	    ag_call_query(c, "workspace_id"), false, &workspace_id) < 0)
		return;
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_text(&a, type);
	ag_pg_arg_i64(&a, page.limit);
	ag_pg_arg_i64(&a, page.offset);
	if (ag_call_json(c, SQL_INTEGRATION_LIST, &a, &list) == 0)
		ag_call_ok(c, list);
}

void
ag_integration_get(struct ag_call *c)
{
	struct ag_integration_ref ref;
	struct json_object *obj;

	if (ag_integration_find(c, c->arg[0], AG_VERB_READ, &ref) < 0 || read_detail(c, ref.id, &obj) < 0)
		return;
	ag_call_tag(c, obj);
	ag_call_strip(obj);
	ag_call_ok(c, obj);
}

/* ---- changing ---- */

static int
update_row(struct ag_call *c, const struct integration_body *b, const struct ag_integration_ref *ref)
{
	struct ag_pg_args a = { 0 };
	char mask[AG_MASK_LEN] = "";
	bool has_key = b->key && *b->key;
	struct ag_buf sealed;
	PGresult *res = NULL;

	ag_buf_init(&sealed, KEY_MAX_BYTES + AG_SEAL_OVERHEAD);
	if (!has_key || seal_key(c, ref->uuid, b->key, shown_of(b), &sealed, mask) == 0) {
		ag_pg_arg_i64(&a, ref->id);
		ag_pg_arg_text(&a, b->name);
		ag_pg_arg_bool(&a, b->has_description);
		ag_pg_arg_text(&a, b->description);
		ag_pg_arg_bytes(&a, ag_buf_str(&sealed));
		ag_pg_arg_text(&a, has_key ? mask : NULL);
		ag_pg_arg_json(&a, b->configurations);
		ag_pg_arg_text(&a, b->custom_host);
		res = ag_call_sql(c, SQL_INTEGRATION_UPDATE, &a);
	}
	ag_buf_fini(&sealed);
	PQclear(res);
	return res ? 0 : -1;
}

static void
update(struct ag_call *c, struct integration_body *b)
{
	struct json_object *before = NULL, *after = NULL, *standing = NULL;
	struct ag_integration_ref ref;

	if (ag_integration_find(c, c->arg[0], AG_VERB_UPDATE, &ref) == 0 &&
	    read_detail(c, ref.id, &before) == 0 &&
	    ag_credential_take(c, ref.family, before) == 0 && body_read(c, b) == 0 &&
	    take_aws(c, b, ref.family, false) == 0 && ag_call_match(c, before) == 0 &&
	    ag_destination_keep(c, before, b->configurations, b->key && *b->key, b->map) == 0 &&
	    (b->configurations || json_object_object_get_ex(before, "configurations", &standing)) &&
	    take_mapped_key(c, b, &ref, b->configurations ? b->configurations : standing) == 0 &&
	    update_row(c, b, &ref) == 0 &&
	    ag_pricing_adjustments_store(c, ref.id, &b->prices) == 0 &&
	    ag_secret_map_store(c, b->map, ref.id) == 0 && read_detail(c, ref.id, &after) == 0 &&
	    ag_call_audit(c, "update", "integration", ref.uuid, before, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0) {
		ag_call_tag(c, after);
		ag_call_ok(c, NULL);
	}
	json_object_put(before);
	json_object_put(after);
}

void
ag_integration_update(struct ag_call *c)
{
	struct ag_secret_map map = { 0 };
	struct integration_body b = { .map = &map };

	update(c, &b);
	body_fini(&b);
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

int
ag_integration_archive(struct ag_call *c, int64_t id)
{
	if (ag_meters_retired(c, SQL_METERS_RETIRE_INTEGRATION, id) < 0 ||
	    run_on(c, SQL_INTEGRATION_ARCHIVE_PROVIDERS, id) < 0 ||
	    run_on(c, SQL_INTEGRATION_ARCHIVE_GRANTS, id) < 0)
		return -1;
	return run_on(c, SQL_INTEGRATION_ARCHIVE, id);
}

void
ag_integration_delete(struct ag_call *c)
{
	struct json_object *before = NULL;
	struct ag_integration_ref ref;

	if (ag_integration_find(c, c->arg[0], AG_VERB_DELETE, &ref) == 0 &&
	    read_detail(c, ref.id, &before) == 0 && ag_call_match(c, before) == 0 &&
	    ag_integration_archive(c, ref.id) == 0 &&
	    ag_call_audit(c, "delete", "integration", ref.uuid, before, NULL) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
	json_object_put(before);
}

/* ---- of virtual keys ---- */

static const char *
json_text(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, name, &v) && v ? json_object_get_string(v) : "";
}

int
ag_integration_own(struct ag_call *c, int64_t workspace_id, const char *name,
    struct json_object *settings, int64_t *out_id, int64_t *out_grant_id)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_integration_ref ref = { .workspace_id = workspace_id };
	struct ag_grant_wish wish = { .is_enabled = true };
	struct integration_body b = { .name = name, .configurations = settings };
	struct ag_pg_args a = { 0 };
	char made[AG_SLUG_MADE_LEN];
	const char *none;

	if (ag_field_text(c, c->body, "key", KEY_MAX_BYTES, &b.key) != AG_FIELD_BAD &&
	    check_configurations(c, settings, &none) == 0 &&
	    custom_host_member(c, c->body, "custom_host", &b.custom_host) == 0 &&
	    check_family(c, "provider", &b) == 0 && ag_slug_make(c, name, "virtual-key", made) == 0) {
		if (b.custom_host)
			json_object_object_add(settings, "custom_host", json_object_new_string(b.custom_host));
		ag_str_copy(ag_str(made), ref.slug, sizeof(ref.slug));
		ag_str_copy(ag_str(name), ref.name, sizeof(ref.name));
		if (insert(c, &b, &ref) == 0 && ag_grant_apply(c, &ref, workspace_id, &wish) == 0) {
			ag_pg_arg_i64(&a, ref.id);
			res = ag_call_sql(c, SQL_GRANT_OF_ONE, &a);
		}
	}
	body_fini(&b);
	if (!res)
		return -1;
	*out_id = ref.id;
	*out_grant_id = ag_pg_i64(res, 0, 0);
	return 0;
}

int
ag_integration_read(struct ag_call *c, int64_t id, struct json_object **out)
{
	return read_detail(c, id, out);
}

int
ag_integration_change_own(struct ag_call *c, int64_t id, struct json_object *before, const char *name,
    struct json_object *settings)
{
	struct ag_integration_ref ref = { .id = id };
	struct integration_body b = { .name = name, .configurations = settings };
	const struct ag_secret_map none = { 0 };
	const char *family = json_text(before, "ai_provider_id");
	int rc = -1;

	ag_str_copy(ag_str(json_text(before, "id")), ref.uuid, sizeof(ref.uuid));
	if (ag_credential_take(c, family, before) == 0 &&
	    ag_field_text(c, c->body, "key", KEY_MAX_BYTES, &b.key) != AG_FIELD_BAD &&
	    (!settings || check_configurations(c, settings, &b.custom_host) == 0) &&
	    take_aws(c, &b, family, false) == 0 && (!settings || family_fits(c, family, family, &b) == 0) &&
	    ag_destination_keep(c, before, settings, b.key && *b.key, &none) == 0)
		rc = update_row(c, &b, &ref);
	body_fini(&b);
	return rc;
}
