#include "control/secret_maps.h"

#include <errno.h>
#include <stdio.h>

#include "aigated/vault.h"
#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "control/destination.h"
#include "control/field.h"
#include "control/publish.h"
#include "control/secret.h"
#include "control/sql_secrets.h"

#define SEALED_MAX 65536

/* ---- auth_config ---- */

struct json_object *
ag_secret_auth_open(struct ag_control *ctl, const char *uuid, const PGresult *res, int row, int col)
{
	uint8_t sealed[SEALED_MAX];
	struct json_object *auth = NULL;
	struct ag_buf plain;
	char aad[96];
	size_t n;

	snprintf(aad, sizeof(aad), "secret_reference:%s:auth", uuid);
	ag_buf_init(&plain, SEALED_MAX);
	if (ctl->ctx->master_key && ag_pg_bytea(res, row, col, sealed, sizeof(sealed), &n) == 0 &&
	    ag_vault_open(ctl->ctx->master_key, ag_str(aad), ag_str_n((const char *)sealed, n), &plain) == 0) {
		ag_buf_putc(&plain, '\0');
		auth = plain.failed ? NULL : json_tokener_parse(plain.p);
	}
	if (plain.p)
		ag_mem_wipe(plain.p, plain.n);
	ag_buf_fini(&plain);
	return auth;
}

static bool
is_secret(const char *name)
{
	return strstr(name, "token") || strstr(name, "secret");
}

int
ag_secret_auth_seal(struct ag_call *c, const char *uuid, struct json_object *auth, struct ag_buf *out_sealed,
    struct json_object **out_masked)
{
	struct json_object *masked = json_object_new_object();
	char aad[96], mask[AG_MASK_LEN];

	*out_masked = masked;
	if (!c->ctl->ctx->master_key)
		return ag_call_fail(c, 503, "AB04", "no master key is loaded, credentials cannot be kept");
	snprintf(aad, sizeof(aad), "secret_reference:%s:auth", uuid);
	if (ag_vault_seal(c->ctl->ctx->master_key, ag_str(aad), ag_str(json_object_to_json_string(auth)),
	    out_sealed) < 0)
		return ag_call_fail(c, 500, "AB04", "the credential could not be sealed");
	json_object_object_foreach(auth, name, v) {
		ag_secret_mask(ag_str(json_object_get_string(v)), mask);
		json_object_object_add(masked, name,
		    is_secret(name) ? json_object_new_string(mask) : json_object_get(v));
	}
	return 0;
}

/* ---- whose ---- */

/* "acme-labs." of a file, "AIGATE_SECRET_ACME_LABS__" of a variable. */
static void
put_owner(struct ag_str slug, bool is_file, struct ag_buf *out)
{
	if (!is_file)
		ag_buf_puts(out, AG_SECRET_ENV_PREFIX);
	for (size_t i = 0; i < slug.n; i++) {
		char c = slug.p[i];

		if (!is_file)
			c = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
			    ? c : '_';
		ag_buf_putc(out, c);
	}
	ag_buf_puts(out, is_file ? "." : "__");
}

int
ag_secret_is_own(struct ag_call *c, const char *manager, const char *path, struct ag_err *err)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	bool is_file = strcmp(manager, "file") == 0, is_own;
	struct ag_pg_args a = { 0 };
	struct ag_buf owner;

	if (!is_file && strcmp(manager, "environment") != 0)
		return 0;
	ag_pg_arg_i64(&a, c->actor.org_id);
	res = ag_call_sql(c, SQL_SECRET_OWNER, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_err_set(err, -EACCES, "the organisation is gone");
	if (!ag_pg_bool(res, 0, 1))
		return 0;
	ag_buf_init(&owner, 1024);
	put_owner(ag_pg_text(res, 0, 0), is_file, &owner);
	is_own = !owner.failed && ag_str_starts(ag_str(path), ag_buf_str(&owner));
	if (!is_own)
		ag_err_set(err, -EACCES, "secret_path: the name must begin with \"%.*s\", since there are several "
		    "organisations", AG_STR_ARG(ag_buf_str(&owner)));
	ag_buf_fini(&owner);
	return is_own ? 0 : -EACCES;
}

/* ---- secret_mappings of a body ---- */

int
ag_secret_map_read(struct ag_call *c, struct ag_secret_map *m)
{
	struct json_object *list = NULL, *one;
	const char *target = NULL;
	enum ag_field f = ag_field_array(c, c->body, "secret_mappings", &list);

	ag_buf_init(&m->value, AG_SECRET_MAX);
	m->is_given = f == AG_FIELD_SET || f == AG_FIELD_NULL;
	if (f != AG_FIELD_SET || json_object_array_length(list) == 0)
		return f == AG_FIELD_BAD ? -1 : 0;
	one = json_object_array_get_idx(list, 0);
	if (json_object_array_length(list) > 1 || !json_object_is_type(one, json_type_object))
		return ag_call_invalid(c, "secret_mappings: one object whose target_field is key is served");
	if (ag_field_text(c, one, "secret_mappings[0].target_field", 255, &target) == AG_FIELD_BAD ||
	    ag_field_text(c, one, "secret_mappings[0].secret_key", 255, &m->key) == AG_FIELD_BAD ||
	    ag_field_text(c, one, "secret_mappings[0].value_format", 16, &m->format) == AG_FIELD_BAD)
		return -1;
	if (!target || strcmp(target, "key") != 0)
		return ag_call_invalid(c, "secret_mappings[0].target_field: only key is served, not \"%.64s\"",
		    target ? target : "");
	if (m->format && strcmp(m->format, "json") != 0 && strcmp(m->format, "string") != 0)
		return ag_call_invalid(c, "secret_mappings[0].value_format: must be json or string");
	m->is_set = true;
	return 0;
}

static int
check_workspace(struct ag_call *c, int64_t ref_id, int64_t workspace_id)
{
	AG_AUTO(ag_pgres) PGresult *may = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, ref_id);
	ag_pg_arg_i64(&a, workspace_id);
	may = ag_call_sql(c, SQL_SECRET_REF_MAY, &a);
	if (!may)
		return -1;
	return PQntuples(may) > 0 ? 0
	    : ag_call_fail(c, 403, "AB03", "secret_mappings[0].secret_reference_id: not for this workspace");
}

/* hosts: allowed_hosts as text, NULL none. */
static int
check_destination(struct ag_call *c, const struct ag_secret_use *use, const char *hosts)
{
	struct json_object *list = hosts ? json_tokener_parse(hosts) : NULL;
	struct ag_err err = { "" };
	int rc = 0;

	if (list || !ag_call_has(c, AG_SCOPE_SECRET_REFERENCES_UPDATE))
		rc = ag_destination_may(use->family, use->configurations, list, &err);
	json_object_put(list);
	return rc == 0 ? 0
	    : ag_call_fail(c, 403, "AB03", "secret_mappings[0].secret_reference_id: %.200s", err.text);
}

int
ag_secret_map_fetch(struct ag_call *c, struct ag_secret_map *m, const struct ag_secret_use *use)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_secret_at at = { .is_json = m->format && strcmp(m->format, "json") == 0 };
	struct json_object *one, *list;
	struct ag_pg_args a = { 0 };
	struct ag_err err = { "" };
	const char *name = NULL;

	if (!m->is_set)
		return 0;
	json_object_object_get_ex(c->body, "secret_mappings", &list);
	one = json_object_array_get_idx(list, 0);
	if (ag_field_text(c, one, "secret_mappings[0].secret_reference_id", 255, &name) == AG_FIELD_BAD)
		return -1;
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_text(&a, name ? name : "");
	res = ag_call_sql(c, SQL_SECRET_REF_FIND, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_invalid(c, "secret_mappings[0].secret_reference_id: there is no secret reference \"%.255s\"",
		    name ? name : "");
	m->ref_id = ag_pg_i64(res, 0, 0);
	if (check_workspace(c, m->ref_id, use->workspace_id) < 0 ||
	    check_destination(c, use, PQgetisnull(res, 0, 6) ? NULL : PQgetvalue(res, 0, 6)) < 0)
		return -1;
	at.manager = PQgetvalue(res, 0, 2);
	at.path = PQgetvalue(res, 0, 4);
	at.key = m->key ? m->key : PQgetisnull(res, 0, 5) ? NULL : PQgetvalue(res, 0, 5);
	at.auth = ag_secret_auth_open(c->ctl, PQgetvalue(res, 0, 1), res, 0, 3);
	if (!at.auth)
		return ag_call_fail(c, 500, "AB04", "the secret reference's credential does not open");
	if (ag_secret_is_own(c, at.manager, at.path, &err) < 0 ||
	    ag_secret_fetch(c->ctl->ctx->conf, &at, &m->value, &err) < 0)
		ag_call_invalid(c, "secret_mappings[0]: %s", err.text);
	ag_buf_putc(&m->value, '\0');
	json_object_put(at.auth);
	return c->status == 0 ? 0 : -1;
}

int
ag_secret_map_store(struct ag_call *c, const struct ag_secret_map *m, int64_t integration_id)
{
	struct ag_pg_args a = { 0 };
	PGresult *res;

	if (!m->is_given)
		return 0;
	ag_pg_arg_i64(&a, integration_id);
	if (m->is_set) {
		ag_pg_arg_i64(&a, m->ref_id);
		ag_pg_arg_text(&a, m->key);
		ag_pg_arg_text(&a, m->format);
	}
	res = ag_call_sql(c, m->is_set ? SQL_INTEGRATION_SECRET_SET : SQL_INTEGRATION_SECRET_DROP, &a);
	PQclear(res);
	return res ? 0 : -1;
}

void
ag_secret_map_fini(struct ag_secret_map *m)
{
	if (m->value.p)
		ag_mem_wipe(m->value.p, m->value.n);
	ag_buf_fini(&m->value);
}

/* ---- reading anew ---- */

/* Columns of SQL_SECRETS_DUE. */
enum { D_INTEGRATION, D_UUID, D_SLUG, D_SEALED, D_REF, D_REF_UUID, D_REF_SLUG, D_MANAGER, D_AUTH, D_PATH,
	D_KEY, D_IS_JSON, D_ORG };

/* Whether the value is another than the one that stands. */
static bool
has_changed(struct ag_control *ctl, const PGresult *res, int row, struct ag_str value, const char *aad)
{
	uint8_t sealed[SEALED_MAX];
	struct ag_buf plain;
	bool changed = true;
	size_t n;

	ag_buf_init(&plain, SEALED_MAX);
	if (ag_pg_bytea(res, row, D_SEALED, sealed, sizeof(sealed), &n) == 0 &&
	    ag_vault_open(ctl->ctx->master_key, ag_str(aad), ag_str_n((const char *)sealed, n), &plain) == 0)
		changed = !ag_str_eq(ag_buf_str(&plain), value);
	if (plain.p)
		ag_mem_wipe(plain.p, plain.n);
	ag_buf_fini(&plain);
	return changed;
}

static int
reseal(struct ag_call *c, const PGresult *res, int row, struct ag_str value)
{
	char aad[96], mask[AG_MASK_LEN];
	struct ag_pg_args a = { 0 };
	struct ag_buf sealed;
	PGresult *done = NULL;
	int rc = -1;

	snprintf(aad, sizeof(aad), "integration:%s:key", PQgetvalue(res, row, D_UUID));
	if (!has_changed(c->ctl, res, row, value, aad))
		return 0;
	ag_buf_init(&sealed, SEALED_MAX);
	ag_secret_mask(value, mask);
	if (ag_vault_seal(c->ctl->ctx->master_key, ag_str(aad), value, &sealed) == 0) {
		ag_pg_arg_i64(&a, ag_pg_i64(res, row, D_INTEGRATION));
		ag_pg_arg_bytes(&a, ag_buf_str(&sealed));
		ag_pg_arg_text(&a, mask);
		done = ag_call_sql(c, SQL_INTEGRATION_RESEAL, &a);
	}
	if (done && ag_call_audit(c, "refresh", "integration", PQgetvalue(res, row, D_UUID), NULL, NULL) == 0)
		rc = ag_publish_catalog(c);
	PQclear(done);
	ag_buf_fini(&sealed);
	if (rc == 0)
		ag_notice("integration \"%s\": its key has changed where it is kept", PQgetvalue(res, row, D_SLUG));
	return rc;
}

/* One of those that are due.  < 0: the manager does not answer, or PostgreSQL. */
static int
refresh_one(struct ag_call *c, const PGresult *res, int row)
{
	struct ag_secret_at at = { .manager = PQgetvalue(res, row, D_MANAGER), .path = PQgetvalue(res, row, D_PATH),
		.key = PQgetisnull(res, row, D_KEY) ? NULL : PQgetvalue(res, row, D_KEY),
		.is_json = ag_pg_bool(res, row, D_IS_JSON) };
	struct ag_pg_args a = { 0 };
	struct ag_err err = { "" };
	struct ag_buf value;
	PGresult *done;
	int rc;

	c->actor.org_id = ag_pg_i64(res, row, D_ORG);
	ag_buf_init(&value, AG_SECRET_MAX);
	at.auth = ag_secret_auth_open(c->ctl, PQgetvalue(res, row, D_REF_UUID), res, row, D_AUTH);
	rc = at.auth ? ag_secret_is_own(c, at.manager, at.path, &err)
	             : ag_err_set(&err, -EINVAL, "its credential does not open");
	if (rc == 0)
		rc = ag_secret_fetch(c->ctl->ctx->conf, &at, &value, &err);
	/* It becomes a line of a request, as one given by hand does. */
	if (rc == 0 && (memchr(value.p, '\r', value.n) || memchr(value.p, '\n', value.n)))
		rc = ag_err_set(&err, -EINVAL, "the secret must not hold line feeds");
	json_object_put(at.auth);
	if (rc < 0)
		ag_warn("could not read secret reference \"%s\": %s, serving what was read last",
		    PQgetvalue(res, row, D_REF_SLUG), err.text);
	else
		rc = reseal(c, res, row, ag_buf_str(&value));
	if (value.p)
		ag_mem_wipe(value.p, value.n);
	ag_buf_fini(&value);
	ag_pg_arg_i64(&a, ag_pg_i64(res, row, D_REF));
	ag_pg_arg_text(&a, err.text[0] ? err.text : NULL);
	done = ag_call_sql(c, SQL_SECRET_REF_CHECKED, &a);
	PQclear(done);
	return done ? rc : -1;
}

static void
refresh(struct ag_call *c, int64_t every_us)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, every_us / AG_US_PER_SEC);
	res = ag_call_sql(c, SQL_SECRETS_DUE, &a);
	/* A manager that does not answer holds us up once a look, not once a reference. */
	for (int i = 0; res && i < PQntuples(res) && refresh_one(c, res, i) == 0; i++)
		;
	if (c->in_txn && c->status == 0 && ag_call_commit(c) < 0)
		ag_warn("could not store what was read anew, trying again");
}

void
ag_secrets_tick(struct ag_control *ctl)
{
	int64_t every_us = ctl->ctx->conf->credential_refresh, now_us = ag_clock_mono_us();
	struct ag_call c = { .ctl = ctl, .method = "", .uri = "", .until_us = now_us + ctl->ctx->conf->admin_timeout,
		.trace_id = "secret-refresh", .actor.is_operator = true };

	if (!ctl->is_loaded || ctl->is_draining || !ctl->ctx->master_key || now_us < ctl->secrets_at_us)
		return;
	ctl->secrets_at_us = now_us + (every_us / 4 > AG_US_PER_SEC ? every_us / 4 : AG_US_PER_SEC);
	ag_plan_init(&c.plan);
	refresh(&c, every_us);
	if (c.in_txn)
		ag_pg_rollback(ctl->pg);
	if (c.status != 0)
		ag_plan_abandon(&c.plan, ctl);
	ag_plan_fini(&c.plan);
	json_object_put(c.answer);
}
