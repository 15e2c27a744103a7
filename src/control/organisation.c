/* organisation.c - what only operators may do: the first key, the state of things, a new load. */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/clock.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/publish.h"
#include "control/secret.h"
#include "control/sql.h"
#include "shm/catalog_area.h"
#include "shm/keytab.h"

/* Letters and digits of the name, small; the rest as dashes. */
static void
slug_of(const char *name, char out[64])
{
	size_t n = 0;

	for (; *name && n < 63; name++) {
		char ch = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;

		if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9'))
			out[n++] = ch;
		else if (n > 0 && out[n - 1] != '-')
			out[n++] = '-';
	}
	while (n > 0 && out[n - 1] == '-')
		n--;
	if (n == 0)
		n = (size_t)snprintf(out, 64, "organisation");
	out[n] = '\0';
}

static struct json_object *
admin_scopes(void)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < AG_SCOPES; i++)
		if (ag_scope_flags((enum ag_scope)i) & AG_SCOPE_OF_A)
			json_object_array_add(list,
			    json_object_new_string(ag_scope_name((enum ag_scope)i)));
	return list;
}

static int
insert_org(struct ag_call *c, const char *name, char uuid[AG_UUID_LEN])
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };
	char slug[64];

	slug_of(name, slug);
	ag_pg_arg_text(&a, slug);
	ag_pg_arg_text(&a, name);
	res = ag_call_sql(c, SQL_ORG_INSERT, &a);
	if (!res)
		return -1;
	c->actor.org_id = ag_pg_i64(res, 0, 0);
	ag_str_copy(ag_pg_text(res, 0, 1), uuid, AG_UUID_LEN);
	return 0;
}

static int
insert_key(struct ag_call *c, const struct ag_new_key *key, int64_t *out_id, char uuid[AG_UUID_LEN])
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct json_object *scopes = admin_scopes();
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, 0);
	ag_pg_arg_i64(&a, 0);
	ag_pg_arg_text(&a, "organisation-service");
	ag_pg_arg_text(&a, "first admin key");
	ag_pg_arg_text(&a, NULL);
	ag_pg_arg_bytes(&a, ag_str_n((const char *)key->hash, sizeof(key->hash)));
	ag_pg_arg_text(&a, key->mask);
	ag_pg_arg_json(&a, scopes);
	for (int i = 0; i < 6; i++)
		ag_pg_arg_text(&a, NULL);
	res = ag_call_sql(c, SQL_KEY_INSERT, &a);
	json_object_put(scopes);
	if (!res)
		return -1;
	*out_id = ag_pg_i64(res, 0, 0);
	ag_str_copy(ag_pg_text(res, 0, 1), uuid, AG_UUID_LEN);
	return 0;
}

void
ag_operator_bootstrap(struct ag_call *c)
{
	const char *name = NULL, *why = ag_control_why_not(c->ctl);
	char org_uuid[AG_UUID_LEN], key_uuid[AG_UUID_LEN];
	struct json_object *answer, *after;
	struct ag_new_key key;
	int64_t id;

	if (ag_field_text(c, c->body, "organisation", 200, &name) == AG_FIELD_BAD)
		return;
	if (why) {
		ag_call_fail(c, 503, "AB04", "%s", why);
		return;
	}
	if (!name || !*name) {
		ag_call_invalid(c, "organisation: is required: the name of the new organisation");
		return;
	}
	if (ag_new_key_make(&key) < 0) {
		ag_call_fail(c, 500, "AB04", "no random numbers");
		return;
	}
	after = json_object_new_object();
	json_object_object_add(after, "name", json_object_new_string(name));
	json_object_object_add(after, "key", json_object_new_string(key.mask));
	if (insert_org(c, name, org_uuid) == 0 && insert_key(c, &key, &id, key_uuid) == 0 &&
	    ag_call_audit(c, "create", "organisation", org_uuid, NULL, after) == 0 &&
	    ag_publish_catalog(c) == 0 && ag_publish_key(c, id) == 0 && ag_call_commit(c) == 0) {
		answer = json_object_new_object();
		json_object_object_add(answer, "organisation_id", json_object_new_string(org_uuid));
		json_object_object_add(answer, "id", json_object_new_string(key_uuid));
		json_object_object_add(answer, "key", json_object_new_string(key.text));
		json_object_object_add(answer, "object", json_object_new_string("api-key"));
		ag_call_ok(c, answer);
	}
	json_object_put(after);
	ag_mem_wipe(&key, sizeof(key));
}

void
ag_operator_status(struct ag_call *c)
{
	const struct ag_shm *shm = c->ctl->ctx->shm;
	const char *why = ag_control_why_not(c->ctl);
	struct json_object *j = json_object_new_object();
	char when[AG_ISO8601_LEN];

	json_object_object_add(j, "object", json_object_new_string("status"));
	json_object_object_add(j, "segment", json_object_new_string(
	    ag_a32_observe(&shm->hdr->state) == AG_SHM_READY ? "ready" : "cold"));
	json_object_object_add(j, "is_loaded", json_object_new_boolean(c->ctl->is_loaded));
	json_object_object_add(j, "why_not", why ? json_object_new_string(why) : NULL);
	ag_clock_iso8601(c->ctl->loaded_at_us, when);
	json_object_object_add(j, "loaded_at", c->ctl->loaded_at_us
	    ? json_object_new_string(when) : NULL);
	json_object_object_add(j, "database",
	    json_object_new_string(ag_pg_is_up(c->ctl->pg) ? "connected" : "not connected"));
	json_object_object_add(j, "keys", json_object_new_int64(ag_keytab_count(c->ctl->keys)));
	json_object_object_add(j, "keys_max", json_object_new_int64(shm->hdr->sizes.keys / 2));
	json_object_object_add(j, "catalog_generation",
	    json_object_new_int64(ag_catalog_generation(shm)));
	ag_call_ok(c, j);
}

void
ag_operator_reload(struct ag_call *c)
{
	struct ag_err err = { "" };

	ag_notice("loading everything anew: an operator asked for it");
	/* Answered when every worker can see it, like any other change. */
	if (ag_a32_observe(&c->ctl->ctx->shm->hdr->state) == AG_SHM_READY && ag_control_load(c->ctl, &err) == 0) {
		ag_call_ok(c, NULL);
		return;
	}
	ag_control_must_load(c->ctl, "it could not be done at once");
	(void)ag_call_fail(c, 503, "AB04", "could not load: %s", err.text);
}
