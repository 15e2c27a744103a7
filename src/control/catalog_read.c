/* catalog_read.c - the catalogue, row by row, from PostgreSQL to a blob. */
#include <errno.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "aigated/body.h"
#include "base/json.h"
#include "base/log.h"
#include "catalog/catalog_build.h"
#include "control/meters.h"
#include "control/policy_rules.h"
#include "control/configurations.h"
#include "control/custom_headers.h"
#include "control/price_multiplier.h"
#include "control/publish.h"
#include "control/rules_load.h"
#include "control/sql.h"
#include "policy/price_kinds.h"

#define SEALED_MAX 16384

/* Rows come in order of id and take places in that order, so a place is found by halving. */
struct id_list {
	int64_t *id;  /* owned */
	uint32_t n;
};

/* Meters by (level, scope_id): sorted, then found by halving. */
struct scope_meter {
	int32_t level;
	int64_t scope_id;
	uint32_t ix;
};

struct reader {
	struct ag_control *ctl;
	struct ag_plan *plan;
	struct ag_catalog_build *b;
	struct ag_err *err;
	struct id_list orgs, workspaces, integrations, grants, prices;
	struct ag_rules_load rules;
	PGresult *models;             /* of all integrations, in order */
	int next_model;
	struct scope_meter *meters;   /* owned */
	size_t n_meters;
};

static PGresult *
read_rows(struct reader *r, const char *sql, struct id_list *ids)
{
	PGresult *res = ag_pg_exec(r->ctl->pg, sql, NULL, r->err);

	if (!res || !ids)
		return res;
	ids->id = calloc((size_t)PQntuples(res) + 1, sizeof(*ids->id));
	if (!ids->id) {
		ag_err_set(r->err, -ENOMEM, "could not read the catalogue: out of memory");
		PQclear(res);
		return NULL;
	}
	return res;
}

static uint32_t
place_of(const struct id_list *ids, int64_t id)
{
	uint32_t lo = 0, hi = ids->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ids->id[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < ids->n && ids->id[lo] == id ? lo : AG_NONE_IX;
}

static struct ag_cat_text
put(struct reader *r, const PGresult *res, int row, int col)
{
	return ag_catalog_build_text(r->b, ag_pg_text(res, row, col));
}

/* ---- meters ---- */

static int
cmp_scope(const void *pa, const void *pb)
{
	const struct scope_meter *a = pa, *b = pb;

	if (a->level != b->level)
		return a->level < b->level ? -1 : 1;
	return (a->scope_id > b->scope_id) - (a->scope_id < b->scope_id);
}

static int
read_meters(struct reader *r)
{
	AG_AUTO(ag_pgres) PGresult *res = read_rows(r, SQL_LOAD_ENTITY_METERS, NULL);

	if (!res)
		return -EIO;
	r->meters = calloc((size_t)PQntuples(res) + 1, sizeof(*r->meters));
	if (!r->meters)
		return ag_err_set(r->err, -ENOMEM, "could not read the catalogue: out of memory");
	for (int i = 0; i < PQntuples(res); i++) {
		struct scope_meter *m = &r->meters[r->n_meters];
		struct ag_meter_def def;
		int rc;

		if (ag_meters_def(res, i, &def) < 0)
			return ag_err_set(r->err, -EINVAL, "a meter cannot be read");
		rc = ag_plan_meter(r->plan, r->ctl, &def, &m->ix, r->err);
		if (rc < 0)
			return rc;
		m->level = (int32_t)def.level;
		m->scope_id = ag_pg_i64(res, i, 2);
		r->n_meters++;
	}
	qsort(r->meters, r->n_meters, sizeof(*r->meters), cmp_scope);
	return 0;
}

static uint32_t
meters_of(const struct reader *r, enum ag_scope_kind level, int64_t scope_id, uint32_t *out)
{
	struct scope_meter key = { .level = (int32_t)level, .scope_id = scope_id };
	size_t lo = 0, hi = r->n_meters;
	uint32_t n = 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (cmp_scope(&r->meters[mid], &key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < r->n_meters && cmp_scope(&r->meters[lo], &key) == 0 && n < AG_ENTITY_METERS; lo++)
		out[n++] = r->meters[lo].ix;
	return n;
}

/* ---- tenants ---- */

static int
read_orgs(struct reader *r)
{
	AG_AUTO(ag_pgres) PGresult *res = read_rows(r, SQL_LOAD_ORGS, &r->orgs);

	for (int i = 0; res && i < PQntuples(res); i++) {
		struct ag_cat_org row = { .id = ag_pg_i64(res, i, 0), .name = put(r, res, i, 2) };

		if (ag_pg_uuid(res, i, 1, row.uuid) < 0)
			return ag_err_set(r->err, -EINVAL, "an organisation cannot be read");
		row.n_meters = meters_of(r, AG_LEVEL_ORG, row.id, row.meters);
		row.flags = ag_pg_bool(res, i, 3) ? AG_CAT_ORG_SAVED_ONLY : 0;
		ag_catalog_build_org(r->b, &row);
		r->orgs.id[r->orgs.n++] = row.id;
	}
	return res ? 0 : -EIO;
}

static uint32_t
body_log_of(struct ag_str s)
{
	static const char *const names[] = { [AG_BODY_LOG_OFF] = "off", [AG_BODY_LOG_ON_REQUEST] = "on_request",
		[AG_BODY_LOG_ON] = "on", [AG_BODY_LOG_ENFORCED] = "enforced" };

	for (uint32_t i = 0; i < AG_ARRAY_LEN(names); i++)
		if (ag_str_eq(s, ag_str(names[i])))
			return i;
	return AG_BODY_LOG_OFF;
}

static int
read_workspaces(struct reader *r)
{
	AG_AUTO(ag_pgres) PGresult *res = read_rows(r, SQL_LOAD_WORKSPACES, &r->workspaces);

	for (int i = 0; res && i < PQntuples(res); i++) {
		struct ag_cat_workspace row = { .id = ag_pg_i64(res, i, 0), .state = AG_CAT_ACTIVE,
			.slug = put(r, res, i, 2), .metadata = put(r, res, i, 3),
			.org_ix = place_of(&r->orgs, ag_pg_i64(res, i, 4)),
			.body_log = body_log_of(ag_pg_text(res, i, 6)) };

		if (ag_pg_uuid(res, i, 1, row.uuid) < 0 || row.org_ix == AG_NONE_IX)
			return ag_err_set(r->err, -EINVAL, "a workspace cannot be read");
		row.n_meters = meters_of(r, AG_LEVEL_WORKSPACE, row.id, row.meters);
		ag_rules_load_workspace(&r->rules, r->b, &row);
		ag_catalog_build_workspace(r->b, &row);
		r->workspaces.id[r->workspaces.n++] = row.id;
	}
	return res ? 0 : -EIO;
}

/* ---- prices ---- */

static uint32_t
mode_of(struct ag_str s)
{
	static const char *const names[] = { [AG_MODE_CHAT] = "chat", [AG_MODE_RESPONSES] = "responses",
		[AG_MODE_COMPLETION] = "completion", [AG_MODE_EMBEDDING] = "embedding",
		[AG_MODE_IMAGE] = "image", [AG_MODE_AUDIO_TRANSCRIPTION] = "audio_transcription",
		[AG_MODE_AUDIO_SPEECH] = "audio_speech", [AG_MODE_RERANK] = "rerank",
		[AG_MODE_MODERATION] = "moderation" };

	for (uint32_t i = AG_MODE_CHAT; i < AG_ARRAY_LEN(names); i++)
		if (ag_str_eq(ag_str(names[i]), s))
			return i;
	return AG_MODE_CHAT;
}

static int
read_prices(struct reader *r)
{
	AG_AUTO(ag_pgres) PGresult *res = read_rows(r, SQL_LOAD_PRICES, &r->prices);

	for (int i = 0; res && i < PQntuples(res); i++) {
		struct ag_cat_price row = { .id = ag_pg_i64(res, i, 0),
			.model = put(r, res, i, 3), .effective_from_us = ag_pg_i64(res, i, 4),
			.tier_gt = ag_pg_i64(res, i, 5), .tier_is_ge = ag_pg_bool(res, i, 6),
			.context_window = (uint32_t)ag_pg_i64(res, i, 7),
			.max_output = (uint32_t)ag_pg_i64(res, i, 8),
			.mode = mode_of(ag_pg_text(res, i, 9)),
			.flags = (uint32_t)ag_pg_i64(res, i, 10) };

		/* An integration's own price has no family: only its models lead to it. */
		if (!ag_pg_bool(res, i, 1))
			row.family = put(r, res, i, 2);
		for (int k = 0; k < AG_PI_COUNT; k++)
			row.p[k] = PQgetisnull(res, i, 11 + k) ? -1 : ag_pg_i64(res, i, 11 + k);
		row.unit = ag_price_unit_find(ag_pg_text(res, i, 11 + AG_PI_COUNT));
		ag_catalog_build_price(r->b, &row);
		r->prices.id[r->prices.n++] = row.id;
	}
	return res ? 0 : -EIO;
}

/* ---- integrations ---- */

/* "name: value\n" for each header; they were checked when they were given. */
static struct ag_cat_text
header_lines(struct reader *r, int64_t integration_id, struct json_object *configurations)
{
	struct json_object *headers;
	struct ag_cat_text t = { 0, 0 };
	struct ag_buf lines;

	if (!json_object_object_get_ex(configurations, "custom_headers", &headers) || !headers)
		return t;
	ag_buf_init(&lines, 2 * AG_CUSTOM_HEADERS_BYTES);
	ag_json_foreach(headers, name, value) {
		bool may = ag_custom_header_may(name, value);
		size_t bytes = may ? strlen(name) + (size_t)json_object_get_string_len(value) + 4 : 0;

		if (!may || lines.n + bytes > AG_CUSTOM_HEADERS_BYTES) {
			ag_warn("custom header \"%.64s\" of integration %lld %s, it is not sent", name,
			    (long long)integration_id, may ? "has no room" : "is the gateway's own to say");
			continue;
		}
		ag_buf_puts(&lines, name);
		ag_buf_puts(&lines, ": ");
		ag_buf_puts(&lines, json_object_get_string(value));
		ag_buf_putc(&lines, '\n');
	}
	if (!lines.failed)
		t = ag_catalog_build_text(r->b, ag_buf_str(&lines));
	ag_buf_fini(&lines);
	return t;
}

static void
read_models_of(struct reader *r, int64_t integration_id)
{
	for (; r->next_model < PQntuples(r->models); r->next_model++) {
		int i = r->next_model;
		struct ag_cat_model row = { .is_enabled = ag_pg_bool(r->models, i, 3),
			.price_ix = AG_NONE_IX };
		int64_t owner = ag_pg_i64(r->models, i, 0);

		if (owner > integration_id)
			return;
		if (owner < integration_id)
			continue; /* of one that was archived */
		row.slug = put(r, r->models, i, 1);
		row.base_model = put(r, r->models, i, 2);
		if (!PQgetisnull(r->models, i, 4))
			row.price_ix = place_of(&r->prices, ag_pg_i64(r->models, i, 4));
		ag_catalog_build_model(r->b, &row);
	}
}

/* Checked when they were set: one for all kinds, or a row of price_adjustment. */
static int
read_multiples(const PGresult *res, int i, struct ag_cat_integration *row)
{
	bool has_kinds = !PQgetisnull(res, i, 9);
	struct json_object *said;
	int rc;

	if (!has_kinds && PQgetisnull(res, i, 8))
		return 0;
	ag_price_multiples_none(&row->multiples);
	if (has_kinds) {
		row->price_adjustment_id = ag_pg_i64(res, i, 9);
		rc = ag_price_multiples_read(ag_pg_text(res, i, 10), &row->multiples);
	} else {
		said = json_tokener_parse(PQgetvalue(res, i, 8));
		rc = ag_price_multiplier(said, &row->price_ppm);
		json_object_put(said);
		row->multiples.ppm[AG_PK_DEFAULT] = row->price_ppm;
	}
	row->flags |= AG_CAT_INTEGRATION_ADJUSTED;
	return rc;
}

static int
read_integration(struct reader *r, const PGresult *res, int i)
{
	struct ag_cat_integration row = { .id = ag_pg_i64(res, i, 0), .state = AG_CAT_ACTIVE,
		.slug = put(r, res, i, 2), .family = put(r, res, i, 3), .base_url = put(r, res, i, 4),
		.config = put(r, res, i, 6), .allow_all_models = ag_pg_bool(res, i, 7) };
	struct json_object *configurations = json_tokener_parse(PQgetvalue(res, i, 6));
	uint8_t sealed[SEALED_MAX];
	size_t n = 0;

	row.headers = header_lines(r, row.id, configurations);
	if (ag_configurations_switch(configurations, "shared_objects") > 0)
		row.flags |= AG_CAT_INTEGRATION_SHARED;
	if (ag_configurations_switch(configurations, "uncounted_work") > 0)
		row.flags |= AG_CAT_INTEGRATION_UNCOUNTED;
	json_object_put(configurations);
	if (ag_pg_uuid(res, i, 1, row.uuid) < 0 || read_multiples(res, i, &row) < 0)
		return -EINVAL;
	if (!PQgetisnull(res, i, 5)) {
		if (ag_pg_bytea(res, i, 5, sealed, sizeof(sealed), &n) < 0)
			return -EINVAL;
		row.sealed_key = ag_catalog_build_text(r->b, ag_str_n((const char *)sealed, n));
	}
	ag_catalog_build_integration(r->b, &row);
	read_models_of(r, row.id);
	r->integrations.id[r->integrations.n++] = row.id;
	return 0;
}

static int
read_integrations(struct reader *r)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;

	r->models = read_rows(r, SQL_LOAD_MODELS, NULL);
	res = r->models ? read_rows(r, SQL_LOAD_INTEGRATIONS, &r->integrations) : NULL;
	for (int i = 0; res && i < PQntuples(res); i++)
		if (read_integration(r, res, i) < 0)
			return ag_err_set(r->err, -EINVAL, "integration \"%s\" cannot be read",
			    PQgetvalue(res, i, 2));
	return res ? 0 : -EIO;
}

/* ---- access ---- */

static int
read_grants(struct reader *r)
{
	AG_AUTO(ag_pgres) PGresult *res = read_rows(r, SQL_LOAD_GRANTS, &r->grants);

	for (int i = 0; res && i < PQntuples(res); i++) {
		struct ag_cat_grant row = { .id = ag_pg_i64(res, i, 0),
			.integration_ix = place_of(&r->integrations, ag_pg_i64(res, i, 1)),
			.workspace_ix = place_of(&r->workspaces, ag_pg_i64(res, i, 2)),
			.is_enabled = ag_pg_bool(res, i, 3) };

		if (row.integration_ix == AG_NONE_IX || row.workspace_ix == AG_NONE_IX)
			continue; /* one end was archived */
		row.n_meters = meters_of(r, AG_LEVEL_GRANT, row.id, row.meters);
		ag_catalog_build_grant(r->b, &row);
		r->grants.id[r->grants.n++] = row.id;
	}
	return res ? 0 : -EIO;
}

static int
read_providers(struct reader *r)
{
	AG_AUTO(ag_pgres) PGresult *res = read_rows(r, SQL_LOAD_PROVIDERS, NULL);

	for (int i = 0; res && i < PQntuples(res); i++) {
		struct ag_cat_provider row = { .id = ag_pg_i64(res, i, 0), .slug = put(r, res, i, 1),
			.workspace_ix = place_of(&r->workspaces, ag_pg_i64(res, i, 2)),
			.grant_ix = place_of(&r->grants, ag_pg_i64(res, i, 3)),
			.expires_at_us = ag_pg_i64(res, i, 4), .state = AG_CAT_ACTIVE };

		if (row.workspace_ix == AG_NONE_IX || row.grant_ix == AG_NONE_IX)
			continue;
		if (ag_pg_uuid(res, i, 5, row.uuid) < 0)
			return ag_err_set(r->err, -EINVAL, "a provider cannot be read");
		row.n_meters = meters_of(r, AG_LEVEL_PROVIDER, row.id, row.meters);
		ag_catalog_build_provider(r->b, &row);
	}
	return res ? 0 : -EIO;
}

/* ---- policies ---- */

static int
read_policy(struct reader *r, const PGresult *res, int i)
{
	bool is_usage = ag_pg_bool(res, i, 3);
	struct ag_cat_policy row = { .id = ag_pg_i64(res, i, 0),
		.workspace_ix = place_of(&r->workspaces, ag_pg_i64(res, i, 2)),
		.kind = is_usage ? AG_METER_BUDGET
		    : PQgetisnull(res, i, 4) ? AG_METER_GAUGE : AG_METER_RATE,
		.window_us = ag_pg_i64(res, i, 4), .unit = (uint32_t)ag_pg_i64(res, i, 8),
		.limit = ag_pg_i64(res, i, 9), .alert_at = ag_pg_i64(res, i, 10),
		.period_kind = (uint32_t)ag_pg_i64(res, i, 11),
		.period_days = (uint32_t)ag_pg_i64(res, i, 12),
		.anchor_day = (uint32_t)ag_pg_i64(res, i, 13),
		.enforcement = (uint32_t)ag_pg_i64(res, i, 14),
		.on_exhaust = (uint32_t)ag_pg_i64(res, i, 15) };
	struct ag_policy_rules rules;
	int rc;

	if (row.workspace_ix == AG_NONE_IX)
		return 0; /* was archived */
	ag_policy_rules_init(&rules);
	rc = ag_pg_uuid(res, i, 1, row.uuid);
	if (rc == 0)
		rc = ag_policy_rules_stored(ag_pg_text(res, i, 5), ag_pg_text(res, i, 6), !is_usage,
		    &rules);
	if (rc == 0) {
		row.conditions = ag_catalog_build_text(r->b, ag_buf_str(&rules.conditions));
		row.n_conditions = rules.n_conditions;
		row.groups = ag_catalog_build_text(r->b, ag_buf_str(&rules.groups));
		row.n_groups = rules.n_groups;
		ag_catalog_build_policy(r->b, &row);
	}
	ag_policy_rules_fini(&rules);
	return rc;
}

static int
read_policies(struct reader *r)
{
	AG_AUTO(ag_pgres) PGresult *res = read_rows(r, SQL_LOAD_POLICIES, NULL);

	for (int i = 0; res && i < PQntuples(res); i++)
		if (read_policy(r, res, i) < 0)
			return ag_err_set(r->err, -EINVAL, "policy %s cannot be read",
			    PQgetvalue(res, i, 1));
	return res ? 0 : -EIO;
}

static int
read_all(struct reader *r)
{
	int rc;

	if ((rc = read_meters(r)) < 0 || (rc = read_orgs(r)) < 0 ||
	    (rc = ag_rules_load(&r->rules, r->ctl->pg, r->b, r->err)) < 0 ||
	    (rc = read_workspaces(r)) < 0 ||
	    (rc = read_prices(r)) < 0 || (rc = read_integrations(r)) < 0 ||
	    (rc = read_grants(r)) < 0 || (rc = read_providers(r)) < 0 || (rc = read_policies(r)) < 0)
		return rc;
	return ag_catalog_build_finish(r->b, &r->plan->blob, r->err);
}

int
ag_catalog_read(struct ag_control *ctl, struct ag_plan *plan, struct ag_err *err)
{
	size_t max = ctl->ctx->shm->hdr->sizes.catalog_bytes;
	struct reader r = { .ctl = ctl, .plan = plan, .err = err, .b = ag_catalog_build_new(max) };
	int rc = -ENOMEM;

	ag_buf_fini(&plan->blob);
	ag_buf_init(&plan->blob, max);
	plan->has_catalog = false;
	if (r.b) {
		rc = read_all(&r);
		plan->has_catalog = rc == 0;
	} else {
		ag_err_set(err, rc, "could not read the catalogue: out of memory");
	}
	ag_catalog_build_free(r.b);
	PQclear(r.models);
	ag_rules_load_fini(&r.rules);
	free(r.meters);
	free(r.orgs.id);
	free(r.workspaces.id);
	free(r.integrations.id);
	free(r.grants.id);
	free(r.prices.id);
	return rc;
}
