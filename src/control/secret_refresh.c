/* secret_refresh.c - credentials that are kept elsewhere, read anew when they are due.
 *
 * Files and variables are read at once; vaults are asked, and what they answer is stored when it comes, if the
 * integration still stands as it did. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "aigated/vault.h"
#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "control/publish.h"
#include "control/secret.h"
#include "control/secret_ask.h"
#include "control/secret_maps.h"
#include "control/sql_secrets.h"

#define SEALED_MAX 65536

/* Columns of SQL_SECRETS_DUE. */
enum { D_INTEGRATION, D_UUID, D_SLUG, D_SEALED, D_REF, D_REF_UUID, D_REF_SLUG, D_MANAGER, D_AUTH, D_PATH,
	D_KEY, D_IS_JSON, D_ORG, D_VERSION };

/* An answer that is waited for. */
struct refresh {
	struct ag_list node;
	struct ag_control *ctl;   /* borrowed */
	int64_t integration_id, ref_id;
	char version[64];         /* of the reference that is asked for */
};

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
	ag_buf_wipe(&plain);
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

/* The value, or why there is none, of one that is due.  < 0: PostgreSQL. */
static int
store(struct ag_call *c, const PGresult *res, int row, int rc, struct ag_str value, const struct ag_err *why)
{
	struct ag_err err = { "" };
	struct ag_pg_args a = { 0 };
	PGresult *done;

	c->actor.org_id = ag_pg_i64(res, row, D_ORG);
	/* It becomes a line of a request, as one given by hand does. */
	if (rc == 0 && (memchr(value.p, '\r', value.n) || memchr(value.p, '\n', value.n)))
		rc = ag_err_set(&err, -EINVAL, "the secret must not hold line feeds");
	else if (rc < 0)
		err = *why;
	if (rc < 0)
		ag_warn("could not read secret reference \"%s\": %s, serving what was read last",
		    PQgetvalue(res, row, D_REF_SLUG), err.text);
	else if (reseal(c, res, row, value) < 0)
		return -1;
	ag_pg_arg_i64(&a, ag_pg_i64(res, row, D_REF));
	ag_pg_arg_text(&a, err.text[0] ? err.text : NULL);
	done = ag_call_sql(c, SQL_SECRET_REF_CHECKED, &a);
	PQclear(done);
	return done ? 0 : -1;
}

/* ---- a change that nobody called for ---- */

static void
begin(struct ag_control *ctl, struct ag_call *c)
{
	*c = (struct ag_call){ .ctl = ctl, .method = "", .uri = "", .trace_id = "secret-refresh",
		.until_us = ag_clock_mono_us() + ctl->ctx->conf->admin_timeout, .actor.is_operator = true };
	ag_plan_init(&c->plan);
}

static void
end(struct ag_call *c)
{
	if (c->in_txn && c->status == 0 && ag_call_commit(c) < 0)
		ag_warn("could not store what was read anew, trying again");
	if (c->in_txn)
		ag_pg_rollback(c->ctl->pg);
	if (c->status != 0)
		ag_plan_abandon(&c->plan, c->ctl);
	ag_plan_fini(&c->plan);
	json_object_put(c->answer);
}

/* ---- vaults ---- */

static void
store_answer(const struct refresh *r, int rc, struct ag_str value, const struct ag_err *err)
{
	struct ag_pg_args a = { 0 };
	struct ag_call c;
	PGresult *res;

	begin(r->ctl, &c);
	ag_pg_arg_i64(&a, r->integration_id);
	ag_pg_arg_i64(&a, r->ref_id);
	ag_pg_arg_text(&a, r->version);
	res = ag_call_sql(&c, SQL_SECRET_ASKED, &a);
	if (res && PQntuples(res) > 0)
		(void)store(&c, res, 0, rc, value, err);
	PQclear(res);
	end(&c);
}

static void
refresh_on_answer(void *arg, int rc, struct ag_str value, const struct ag_err *err)
{
	struct refresh *r = arg;

	ag_list_remove(&r->node);
	if (rc != -ESHUTDOWN && r->ctl->is_loaded && r->ctl->ctx->master_key)
		store_answer(r, rc, value, err);
	free(r);
}

static bool
is_asked(struct ag_control *ctl, int64_t integration_id)
{
	AG_LIST_FOREACH(l, &ctl->refreshes)
		if (AG_LIST_ENTRY(l, struct refresh, node)->integration_id == integration_id)
			return true;
	return false;
}

/* -EBUSY: later. */
static int
ask(struct ag_control *ctl, const PGresult *res, int row, struct ag_secret_at *at, struct ag_err *err)
{
	struct refresh *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return ag_err_set(err, -EBUSY, "out of memory");
	*r = (struct refresh){ .ctl = ctl, .integration_id = ag_pg_i64(res, row, D_INTEGRATION),
		.ref_id = ag_pg_i64(res, row, D_REF) };
	ag_str_copy(ag_pg_text(res, row, D_VERSION), r->version, sizeof(r->version));
	rc = ag_secret_ask(ctl->asks, ag_pg_i64(res, row, D_ORG), at, refresh_on_answer, r, err);
	if (rc < 0)
		free(r);
	else
		ag_list_push_back(&ctl->refreshes, &r->node);
	return rc == -ESHUTDOWN || rc == -ENOMEM ? -EBUSY : rc;
}

/* ---- those that are due ---- */

/* < 0: PostgreSQL. */
static int
refresh_one(struct ag_call *c, const PGresult *res, int row)
{
	struct ag_secret_at at = { .manager = PQgetvalue(res, row, D_MANAGER), .path = PQgetvalue(res, row, D_PATH),
		.key = PQgetisnull(res, row, D_KEY) ? NULL : PQgetvalue(res, row, D_KEY),
		.is_json = ag_pg_bool(res, row, D_IS_JSON) };
	bool is_remote = ag_secret_is_remote(at.manager);
	struct ag_err err = { "" };
	struct ag_buf value;
	int rc;

	if (is_remote && is_asked(c->ctl, ag_pg_i64(res, row, D_INTEGRATION)))
		return 0;
	c->actor.org_id = ag_pg_i64(res, row, D_ORG);
	ag_buf_init(&value, AG_SECRET_MAX);
	at.auth = ag_secret_auth_open(c->ctl, PQgetvalue(res, row, D_REF_UUID), res, row, D_AUTH);
	rc = at.auth ? ag_secret_is_own(c, at.manager, at.path, &err)
	             : ag_err_set(&err, -EINVAL, "its credential does not open");
	if (rc == 0)
		rc = is_remote ? ask(c->ctl, res, row, &at, &err)
		    : ag_secret_fetch(c->ctl->ctx->conf, &at, &value, &err);
	if (c->status == 0 && rc != -EBUSY && (rc < 0 || !is_remote))
		rc = store(c, res, row, rc, ag_buf_str(&value), &err);
	else
		rc = 0;
	ag_secret_json_put(at.auth);
	ag_buf_wipe(&value);
	return c->status == 0 ? rc : -1;
}

void
ag_secrets_tick(struct ag_control *ctl)
{
	int64_t every_us = ctl->ctx->conf->credential_refresh, now_us = ag_clock_mono_us();
	struct ag_pg_args a = { 0 };
	struct ag_call c;
	PGresult *res;

	if (!ctl->is_loaded || ctl->is_draining || !ctl->ctx->master_key || now_us < ctl->secrets_at_us)
		return;
	ctl->secrets_at_us = now_us + (every_us / 4 > AG_US_PER_SEC ? every_us / 4 : AG_US_PER_SEC);
	begin(ctl, &c);
	ag_pg_arg_i64(&a, every_us / AG_US_PER_SEC);
	res = ag_call_sql(&c, SQL_SECRETS_DUE, &a);
	for (int i = 0; res && i < PQntuples(res) && refresh_one(&c, res, i) == 0; i++)
		;
	PQclear(res);
	end(&c);
}
