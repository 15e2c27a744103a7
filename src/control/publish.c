#include "control/publish.h"

#include <errno.h>

#include "base/json.h"
#include "base/num.h"
#include "control/roles.h"
#include "control/sql.h"
#include "policy/metadata.h"

/* "{a,b,c}": the next element, without quotes (none of ours needs them). */
static bool
array_next(struct ag_str *list, struct ag_str *out)
{
	size_t n;

	while (list->n > 0 && (list->p[0] == '{' || list->p[0] == ','))
		*list = ag_str_skip(*list, 1);
	for (n = 0; n < list->n && list->p[n] != ',' && list->p[n] != '}'; n++)
		;
	*out = ag_str_n(list->p, n);
	*list = ag_str_skip(*list, n);
	return n > 0;
}

static enum ag_key_kind
key_kind(struct ag_str s)
{
	if (ag_str_eq(s, AG_STR("organisation-service")))
		return AG_KEY_ORG_SERVICE;
	return ag_str_eq(s, AG_STR("workspace-user")) ? AG_KEY_WORKSPACE_USER
	                                              : AG_KEY_WORKSPACE_SERVICE;
}

static int
key_meters(struct ag_control *ctl, struct ag_str ids, struct ag_key *key)
{
	struct ag_str one;
	int64_t id;

	while (array_next(&ids, &one)) {
		if (key->n_meters == AG_KEY_METERS_MAX)
			return -E2BIG;
		if (ag_parse_i64(one, 1, INT64_MAX, &id) < 0 ||
		    ag_metertab_find(ctl->ctx->shm, id, &key->meters[key->n_meters]) < 0)
			return -ENOENT;
		key->n_meters++;
	}
	return 0;
}

int
ag_publish_key_row(struct ag_control *ctl, const PGresult *res, int row, struct ag_key *out,
    struct ag_str *out_metadata)
{
	struct ag_str scopes = ag_pg_text(res, row, 7), one;
	struct ag_key k = { .id = ag_pg_i64(res, row, 0), .org_id = ag_pg_i64(res, row, 2),
		.workspace_id = ag_pg_i64(res, row, 3), .user_id = ag_pg_i64(res, row, 4),
		.kind = key_kind(ag_pg_text(res, row, 5)), .expires_at_us = ag_pg_i64(res, row, 9),
		.state = ag_pg_bool(res, row, 10) ? AG_KEY_DISABLED : AG_KEY_ACTIVE,
		.config_id = ag_pg_i64(res, row, KEY_COL_CONFIG),
		.flags = ag_pg_bool(res, row, KEY_COL_CONFIG_LOCKED) ? AG_KEY_FLAG_CONFIG_LOCKED : 0 };
	enum ag_role_in role = ag_role_find(ag_pg_text(res, row, KEY_COL_ROLE));
	size_t n;
	int rc;

	if (ag_pg_uuid(res, row, 1, k.uuid) < 0 ||
	    ag_pg_bytea(res, row, 6, k.hash, sizeof(k.hash), &n) < 0 || n != sizeof(k.hash))
		return -EINVAL;
	while (array_next(&scopes, &one)) {
		enum ag_scope s = ag_scope_find(one);

		if (s != AG_SCOPE_NONE && (k.kind != AG_KEY_WORKSPACE_USER || ag_role_may(role, s)))
			ag_scopes_add(k.scopes, s);
	}
	/* Whoever left the workspace left its keys behind. */
	if (k.kind == AG_KEY_WORKSPACE_USER && role == AG_ROLE_IN_NONE)
		k.state = AG_KEY_DISABLED;
	rc = key_meters(ctl, ag_pg_text(res, row, 11), &k);
	if (rc < 0)
		return rc;
	*out = k;
	*out_metadata = ag_pg_text(res, row, 8);
	return 0;
}

bool
ag_publish_former(const PGresult *res, int row, const struct ag_key *key, struct ag_key *out)
{
	size_t n;

	*out = *key;
	if (PQgetisnull(res, row, KEY_COL_FORMER_HASH) ||
	    ag_pg_bytea(res, row, KEY_COL_FORMER_HASH, out->hash, sizeof(out->hash), &n) < 0 || n != sizeof(out->hash))
		return false;
	out->flags |= AG_KEY_FLAG_FORMER;
	out->expires_at_us = ag_pg_i64(res, row, KEY_COL_FORMER_EXPIRY);
	if (out->expires_at_us > key->expires_at_us)
		out->expires_at_us = key->expires_at_us;
	return true;
}

static int
plan_key(struct ag_call *c, const PGresult *res, int row)
{
	struct ag_str metadata;
	struct ag_key key, former;
	struct ag_err err = { "" };

	if (ag_publish_key_row(c->ctl, res, row, &key, &metadata) < 0)
		return ag_call_fail(c, 500, "AB04", "the key cannot be published, trace %s",
		    c->trace_id);
	/* Its own fits alone, and what its workspace gives along does. */
	if (metadata.n > AG_METADATA_MAX)
		return ag_call_invalid(c, "metadata: the key %.36s would carry %zu bytes, with"
		    " settings.user_key_metadata of its workspace; at most %d fit",
		    PQgetvalue(res, row, 1), metadata.n, AG_METADATA_MAX);
	/* The former first, see ag_keytab_put(). */
	if (ag_publish_former(res, row, &key, &former)) {
		if (ag_plan_key(&c->plan, c->ctl, &former, metadata, &err) < 0)
			return ag_call_fail(c, 503, "AB04", "%s", err.text);
	} else if (ag_plan_former_gone(&c->plan, key.id) < 0) {
		return ag_call_fail(c, 500, "AB04", "out of memory");
	}
	if (ag_plan_key(&c->plan, c->ctl, &key, metadata, &err) < 0)
		return ag_call_fail(c, 503, "AB04", "%s", err.text);
	return 0;
}

int
ag_publish_keys(struct ag_call *c, struct json_object *key_ids)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	if (ag_json_len(key_ids) == 0)
		return 0;
	ag_pg_arg_json(&a, key_ids);
	res = ag_call_sql(c, SQL_KEY_SLOTS_OF, &a);
	if (!res)
		return -1;
	for (int i = 0; i < PQntuples(res); i++)
		if (plan_key(c, res, i) < 0)
			return -1;
	return 0;
}

int
ag_publish_key(struct ag_call *c, int64_t key_id)
{
	struct json_object *ids = json_object_new_array();
	int rc;

	json_object_array_add(ids, json_object_new_int64(key_id));
	rc = ag_publish_keys(c, ids);
	json_object_put(ids);
	return rc;
}

int
ag_publish_catalog(struct ag_call *c)
{
	struct ag_err err = { "" };

	if (c->status != 0)
		return -1;
	assert(c->in_txn);
	if (ag_catalog_read(c->ctl, &c->plan, &err) < 0)
		return ag_call_fail(c, 503, "AB04", "nothing was changed: %s", err.text);
	return 0;
}
