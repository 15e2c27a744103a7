#include "catalog/check.h"

#include <errno.h>

#include "aigated/body.h"
#include "base/hash.h"
#include "catalog/guard.h"
#include "catalog/layout.h"
#include "catalog/rules.h"

static const char *const section_names[AG_CAT_SECTIONS] = {
	[AG_CAT_ORG] = "organisation", [AG_CAT_WORKSPACE] = "workspace",
	[AG_CAT_INTEGRATION] = "integration", [AG_CAT_GRANT] = "grant",
	[AG_CAT_PROVIDER] = "provider", [AG_CAT_MODEL] = "model", [AG_CAT_PRICE] = "price",
	[AG_CAT_POLICY] = "policy", [AG_CAT_GUARDRAIL] = "guardrail", [AG_CAT_CONFIG] = "config",
	[AG_CAT_HEAP] = "text",
};

static int
bad_row(struct ag_err *err, enum ag_cat_section s, uint32_t row, const char *what)
{
	return ag_err_set(err, -EBADMSG, "catalogue: %s row %u: %s", section_names[s], row, what);
}

static int
check_header(struct ag_str blob, struct ag_cat_view *v, struct ag_err *err)
{
	const struct ag_cat_hdr *h = (const void *)blob.p;
	uint64_t at = sizeof(*h);

	if (blob.n < sizeof(*h) || (uintptr_t)blob.p % 8 != 0)
		return ag_err_set(err, -EBADMSG, "catalogue: %zu bytes, no header", blob.n);
	if (h->magic != AG_CATALOG_MAGIC || h->version != AG_CATALOG_VERSION)
		return ag_err_set(err, -EBADMSG, "catalogue: version %u, expected %u",
		    h->version, AG_CATALOG_VERSION);
	if (h->bytes != blob.n)
		return ag_err_set(err, -EBADMSG, "catalogue: %zu bytes, header says %llu", blob.n,
		    (unsigned long long)h->bytes);
	if (h->crc != ag_crc32c(0, blob.p + sizeof(*h), blob.n - sizeof(*h)))
		return ag_err_set(err, -EBADMSG, "catalogue: checksum differs");
	for (int s = 0; s < AG_CAT_SECTIONS; s++) {
		uint64_t bytes = (uint64_t)h->section[s].n *
		    ag_cat_row_bytes((enum ag_cat_section)s);

		if (h->section[s].off != at || bytes > blob.n - at)
			return ag_err_set(err, -EBADMSG, "catalogue: section %s out of bounds",
			    section_names[s]);
		v->n[s] = h->section[s].n;
		at += bytes;
	}
	if (at != blob.n)
		return ag_err_set(err, -EBADMSG, "catalogue: %llu bytes left over",
		    (unsigned long long)(blob.n - at));
	v->hdr = h;
	return 0;
}

static void
find_sections(struct ag_str blob, struct ag_cat_view *v)
{
	const char *at[AG_CAT_SECTIONS];

	for (int s = 0; s < AG_CAT_SECTIONS; s++)
		at[s] = blob.p + v->hdr->section[s].off;
	v->org = (const void *)at[AG_CAT_ORG];
	v->workspace = (const void *)at[AG_CAT_WORKSPACE];
	v->integration = (const void *)at[AG_CAT_INTEGRATION];
	v->grant = (const void *)at[AG_CAT_GRANT];
	v->provider = (const void *)at[AG_CAT_PROVIDER];
	v->model = (const void *)at[AG_CAT_MODEL];
	v->price = (const void *)at[AG_CAT_PRICE];
	v->policy = (const void *)at[AG_CAT_POLICY];
	v->guardrail = (const void *)at[AG_CAT_GUARDRAIL];
	v->config = (const void *)at[AG_CAT_CONFIG];
	v->heap = at[AG_CAT_HEAP];
}

static bool
text_ok(const struct ag_cat_view *v, struct ag_cat_text t)
{
	return t.len == 0 ? t.off == 0
	                  : t.off <= v->n[AG_CAT_HEAP] && t.len <= v->n[AG_CAT_HEAP] - t.off;
}

static bool
state_ok(uint32_t state)
{
	return state >= AG_CAT_ACTIVE && state <= AG_CAT_EXPIRED;
}

static bool
workspace_rules_ok(const struct ag_cat_view *v, const struct ag_cat_workspace *w)
{
	struct ag_str list;
	uint32_t ix;

	if (!text_ok(v, w->guardrails) || w->guardrails.len % sizeof(ix) != 0 ||
	    w->config_no > v->n[AG_CAT_CONFIG] || w->user_config_no > v->n[AG_CAT_CONFIG] ||
	    w->has_rules != (w->guardrails.len > 0 || w->config_no > 0 || w->user_config_no > 0))
		return false;
	list = ag_cat_view_text(v, w->guardrails);
	for (size_t at = 0; at < list.n; at += sizeof(ix)) {
		memcpy(&ix, list.p + at, sizeof(ix));
		if (ix >= v->n[AG_CAT_GUARDRAIL])
			return false;
	}
	return true;
}

static int
check_tenants(const struct ag_cat_view *v, struct ag_err *err)
{
	for (uint32_t i = 0; i < v->n[AG_CAT_ORG]; i++) {
		const struct ag_cat_org *o = &v->org[i];

		if (!text_ok(v, o->name) || o->n_meters > AG_ENTITY_METERS || o->id <= 0 ||
		    o->flags > AG_CAT_ORG_SAVED_ONLY)
			return bad_row(err, AG_CAT_ORG, i, "text, meters, flags or id");
	}
	for (uint32_t i = 0; i < v->n[AG_CAT_WORKSPACE]; i++) {
		const struct ag_cat_workspace *w = &v->workspace[i];

		if (!text_ok(v, w->slug) || !text_ok(v, w->metadata) || !state_ok(w->state) ||
		    w->n_meters > AG_ENTITY_METERS || w->id <= 0)
			return bad_row(err, AG_CAT_WORKSPACE, i, "text, state, meters or id");
		if (w->org_ix >= v->n[AG_CAT_ORG])
			return bad_row(err, AG_CAT_WORKSPACE, i, "organisation out of range");
		if (!workspace_rules_ok(v, w))
			return bad_row(err, AG_CAT_WORKSPACE, i, "guardrails or config");
		if (w->body_log > AG_BODY_LOG_ENFORCED)
			return bad_row(err, AG_CAT_WORKSPACE, i, "bodies to keep");
	}
	return 0;
}

static int
check_integrations(const struct ag_cat_view *v, struct ag_err *err)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < v->n[AG_CAT_INTEGRATION]; i++) {
		const struct ag_cat_integration *g = &v->integration[i];

		if (!text_ok(v, g->slug) || !text_ok(v, g->family) || !text_ok(v, g->base_url) ||
		    !text_ok(v, g->sealed_key) || !text_ok(v, g->headers) ||
		    !text_ok(v, g->config))
			return bad_row(err, AG_CAT_INTEGRATION, i, "text out of bounds");
		for (int k = 0; k < AG_PK_COUNT; k++)
			if (g->multiples.ppm[k] > AG_PPM_MAX && g->multiples.ppm[k] != AG_PPM_NONE)
				return bad_row(err, AG_CAT_INTEGRATION, i, "multiple of a price");
		if (!state_ok(g->state) || g->allow_all_models > 1 || g->id <= 0)
			return bad_row(err, AG_CAT_INTEGRATION, i, "state, flag or id");
		if (g->first_model != at || g->n_models > v->n[AG_CAT_MODEL] - at)
			return bad_row(err, AG_CAT_INTEGRATION, i, "models out of range");
		at += g->n_models;
		for (uint32_t m = g->first_model; m < at; m++) {
			const struct ag_cat_model *row = &v->model[m];

			if (!text_ok(v, row->slug) || !text_ok(v, row->base_model) ||
			    row->is_enabled > 1 ||
			    (row->price_ix != AG_NONE_IX && row->price_ix >= v->n[AG_CAT_PRICE]))
				return bad_row(err, AG_CAT_MODEL, m, "text, flag or price");
			if (m > g->first_model && ag_cat_text_cmp(ag_cat_view_text(v, row[-1].slug),
			    ag_cat_view_text(v, row->slug)) > 0)
				return bad_row(err, AG_CAT_MODEL, m, "not in order");
		}
	}
	if (at != v->n[AG_CAT_MODEL])
		return bad_row(err, AG_CAT_MODEL, at, "belongs to no integration");
	return 0;
}

static int
check_access(const struct ag_cat_view *v, struct ag_err *err)
{
	for (uint32_t i = 0; i < v->n[AG_CAT_GRANT]; i++) {
		const struct ag_cat_grant *g = &v->grant[i];

		if (g->integration_ix >= v->n[AG_CAT_INTEGRATION] ||
		    g->workspace_ix >= v->n[AG_CAT_WORKSPACE] || g->is_enabled > 1 ||
		    g->n_meters > AG_ENTITY_METERS || g->id <= 0)
			return bad_row(err, AG_CAT_GRANT, i, "index, flag, meters or id");
	}
	for (uint32_t i = 0; i < v->n[AG_CAT_PROVIDER]; i++) {
		const struct ag_cat_provider *p = &v->provider[i];

		if (!text_ok(v, p->slug) || !state_ok(p->state) ||
		    p->workspace_ix >= v->n[AG_CAT_WORKSPACE] || p->grant_ix >= v->n[AG_CAT_GRANT] ||
		    p->n_meters > AG_ENTITY_METERS || p->id <= 0)
			return bad_row(err, AG_CAT_PROVIDER, i, "text, state, index, meters or id");
		/* A provider of one workspace on the grant of another would spend a stranger's money. */
		if (v->grant[p->grant_ix].workspace_ix != p->workspace_ix)
			return bad_row(err, AG_CAT_PROVIDER, i, "grant of another workspace");
		if (i > 0 && p[-1].workspace_ix > p->workspace_ix)
			return bad_row(err, AG_CAT_PROVIDER, i, "not in order");
	}
	return 0;
}

static int
check_prices(const struct ag_cat_view *v, struct ag_err *err)
{
	for (uint32_t i = 0; i < v->n[AG_CAT_PRICE]; i++) {
		const struct ag_cat_price *p = &v->price[i];
		int c;

		if (!text_ok(v, p->family) || !text_ok(v, p->model) || p->tier_is_ge > 1 ||
		    p->tier_gt < 0)
			return bad_row(err, AG_CAT_PRICE, i, "text or tier");
		for (int k = 0; k < AG_PI_COUNT; k++)
			if (p->p[k] < -1)
				return bad_row(err, AG_CAT_PRICE, i, "negative price");
		if (i == 0)
			continue;
		c = ag_cat_text_cmp(ag_cat_view_text(v, p[-1].family), ag_cat_view_text(v, p->family));
		if (c == 0)
			c = ag_cat_text_cmp(ag_cat_view_text(v, p[-1].model),
			    ag_cat_view_text(v, p->model));
		if (c > 0 || (c == 0 && p[-1].effective_from_us > p->effective_from_us))
			return bad_row(err, AG_CAT_PRICE, i, "not in order");
	}
	return 0;
}

/* What the table of meters would refuse is refused here: a request must not find out. */
static bool
policy_meter_ok(const struct ag_cat_policy *p)
{
	if (p->limit < 0 || p->unit < AG_UNIT_NUSD || p->unit > AG_UNIT_REQUESTS ||
	    p->period_kind > AG_PERIOD_WEEKLY_MONDAY || p->enforcement > AG_ENFORCE_SHADOW ||
	    p->on_exhaust > AG_EXHAUST_FINISH)
		return false;
	switch (p->kind) {
	case AG_METER_BUDGET:
		return p->window_us == 0;
	case AG_METER_RATE:
		return p->window_us >= 1000000 && p->window_us <= INT64_C(400) * 86400 * 1000000 &&
		    p->window_us % AG_RATE_SLICES == 0;
	case AG_METER_GAUGE:
		return p->window_us == 0 && p->unit == AG_UNIT_REQUESTS;
	default:
		return false;
	}
}

static int
check_policies(const struct ag_cat_view *v, struct ag_err *err)
{
	for (uint32_t i = 0; i < v->n[AG_CAT_POLICY]; i++) {
		const struct ag_cat_policy *p = &v->policy[i];

		if (!text_ok(v, p->conditions) || !text_ok(v, p->groups) ||
		    p->workspace_ix >= v->n[AG_CAT_WORKSPACE] || p->id <= 0 || p->id > INT32_MAX)
			return bad_row(err, AG_CAT_POLICY, i, "text, workspace or id");
		if (!policy_meter_ok(p))
			return bad_row(err, AG_CAT_POLICY, i, "limit");
		if (!ag_rules_ok(ag_cat_view_text(v, p->conditions), p->n_conditions,
		    ag_cat_view_text(v, p->groups), p->n_groups))
			return bad_row(err, AG_CAT_POLICY, i, "conditions or groups");
		if (i > 0 && p[-1].workspace_ix > p->workspace_ix)
			return bad_row(err, AG_CAT_POLICY, i, "not in order");
	}
	return 0;
}

static int
check_rules(const struct ag_cat_view *v, struct ag_err *err)
{
	for (uint32_t i = 0; i < v->n[AG_CAT_GUARDRAIL]; i++) {
		const struct ag_cat_guardrail *g = &v->guardrail[i];

		if (!text_ok(v, g->slug) || !text_ok(v, g->checks) || !text_ok(v, g->on_success) ||
		    !text_ok(v, g->on_fail) || g->id <= 0 || g->flags > AG_GUARD_FLAGS)
			return bad_row(err, AG_CAT_GUARDRAIL, i, "text, flags or id");
		if (!ag_guard_checks_ok(ag_cat_view_text(v, g->checks), g->n_checks))
			return bad_row(err, AG_CAT_GUARDRAIL, i, "checks");
	}
	for (uint32_t i = 0; i < v->n[AG_CAT_CONFIG]; i++) {
		const struct ag_cat_config *c = &v->config[i];

		if (!text_ok(v, c->slug) || !text_ok(v, c->body) || c->id <= 0)
			return bad_row(err, AG_CAT_CONFIG, i, "text or id");
		if (!ag_config_ok(ag_cat_view_text(v, c->body)))
			return bad_row(err, AG_CAT_CONFIG, i, "body");
	}
	return 0;
}

int
ag_cat_check(struct ag_str blob, struct ag_cat_view *out, struct ag_err *err)
{
	struct ag_cat_view v = { 0 };
	int rc = check_header(blob, &v, err);

	if (rc < 0)
		return rc;
	find_sections(blob, &v);
	if ((rc = check_tenants(&v, err)) < 0 || (rc = check_integrations(&v, err)) < 0 ||
	    (rc = check_access(&v, err)) < 0 || (rc = check_prices(&v, err)) < 0 ||
	    (rc = check_policies(&v, err)) < 0 || (rc = check_rules(&v, err)) < 0)
		return rc;
	*out = v;
	return 0;
}
