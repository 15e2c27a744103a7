#include "control/secret_maps.h"

#include <errno.h>
#include <stdio.h>

#include "aigated/vault.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "conf/conf.h"
#include "control/destination.h"
#include "control/field.h"
#include "control/publish.h"
#include "control/secret.h"
#include "control/secret_ask.h"
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
	ag_json_foreach(auth, name, v) {
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
			c = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A')
			    : (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
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
	if (f != AG_FIELD_SET || ag_json_len(list) == 0)
		return f == AG_FIELD_BAD ? -1 : 0;
	one = ag_json_at(list, 0);
	if (ag_json_len(list) > 1 || !json_object_is_type(one, json_type_object))
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

struct ag_secret_got {
	struct ag_call *call;      /* borrowed; who waits */
	int64_t ref_id;
	char version[64];          /* of the reference that was asked for */
	int64_t waited_us;
	struct ag_buf value;       /* with its NUL */
};

void
ag_secret_got_free(struct ag_secret_got *got)
{
	if (got)
		ag_buf_wipe(&got->value);
	free(got);
}

static void
map_on_answer(void *arg, int rc, struct ag_str value, const struct ag_err *err)
{
	struct ag_secret_got *got = arg;
	struct ag_call *c = got->call;
	const char *why = ag_control_why_not(c->ctl);

	c->is_deferred = false;
	ag_buf_put_str(&got->value, value);
	ag_buf_putc(&got->value, '\0');
	if (rc == -ESHUTDOWN || (rc == 0 && why)) {
		ag_call_fail(c, 503, "AB04", "%s", rc == 0 ? why : err->text);
	} else if (rc < 0 || got->value.failed) {
		ag_call_invalid(c, "secret_mappings[0]: %s", rc < 0 ? err->text : "the secret is too long");
	} else {
		/* The time is PostgreSQL's, who was not waited for. */
		c->until_us += ag_clock_mono_us() - got->waited_us;
		c->again(c);
	}
	if (!c->is_deferred)
		ag_call_finish(c);
}

/* Now, or when the vault has answered: then the handler comes here once more. */
static int
fetch(struct ag_call *c, struct ag_secret_map *m, struct ag_secret_at *at, const char *version)
{
	struct ag_err err = { "" };
	int rc;

	if (!ag_secret_is_remote(at->manager)) {
		rc = ag_secret_fetch(c->ctl->ctx->conf, at, &m->value, &err);
		return rc < 0 ? ag_call_invalid(c, "secret_mappings[0]: %s", err.text) : 0;
	}
	if (c->got) {
		if (c->got->ref_id != m->ref_id || strcmp(c->got->version, version) != 0)
			return ag_call_fail(c, 409, "AB07", "the secret reference was changed by somebody else at the same time");
		ag_buf_put(&m->value, c->got->value.p, strlen(c->got->value.p));
		return 0;
	}
	c->got = calloc(1, sizeof(*c->got));
	if (!c->got)
		return ag_call_fail(c, 500, "AB04", "out of memory");
	*c->got = (struct ag_secret_got){ .call = c, .ref_id = m->ref_id, .waited_us = ag_clock_mono_us() };
	ag_str_copy(ag_str(version), c->got->version, sizeof(c->got->version));
	ag_buf_init(&c->got->value, AG_SECRET_MAX + 1);
	rc = ag_secret_ask(c->ctl->asks, c->actor.org_id, at, map_on_answer, c->got, &err);
	if (rc == -EBUSY || rc == -ESHUTDOWN)
		return ag_call_fail(c, 503, "AB04", "%s", err.text);
	if (rc < 0)
		return ag_call_invalid(c, "secret_mappings[0]: %s", err.text);
	ag_call_defer(c);
	return -1;
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
	int rc = -1;

	if (!m->is_set)
		return 0;
	json_object_object_get_ex(c->body, "secret_mappings", &list);
	one = ag_json_at(list, 0);
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
	if (ag_secret_is_own(c, at.manager, at.path, &err) < 0)
		ag_call_invalid(c, "secret_mappings[0]: %s", err.text);
	else
		rc = fetch(c, m, &at, PQgetvalue(res, 0, 7));
	ag_buf_putc(&m->value, '\0');
	ag_secret_json_put(at.auth);
	return rc;
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
	ag_buf_wipe(&m->value);
}
