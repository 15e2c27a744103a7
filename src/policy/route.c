#include "policy/route.h"

/* Cloudflare's model names begin like slugs and are not. */
static bool
is_slug_form(struct ag_str model)
{
	return ag_str_starts(model, AG_STR("@")) && !ag_str_starts(model, AG_STR("@cf/")) &&
	    !ag_str_starts(model, AG_STR("@hf/"));
}

/* "@slug/model/with/slashes" -> slug and rest; false when it is no such form. */
static bool
split_model(struct ag_str model, struct ag_str *out_slug, struct ag_str *out_rest)
{
	const char *slash;

	if (!is_slug_form(model))
		return false;
	slash = memchr(model.p, '/', model.n);
	if (!slash)
		return false;
	*out_slug = ag_str_n(model.p + 1, (size_t)(slash - model.p) - 1);
	*out_rest = ag_str_skip(model, (size_t)(slash - model.p) + 1);
	return true;
}

bool
ag_route_allows(const struct ag_catalog *cat, const struct ag_cat_integration *i,
    const struct ag_provider *family, struct ag_str model)
{
	const struct ag_cat_model *row = ag_catalog_model(cat, i, model);

	if (row || !i->allow_all_models)
		return row && row->is_enabled;
	if (AG_LIKELY(!family->priced_as) || i->n_models == 0)
		return true;
	row = ag_catalog_model(cat, i, family->priced_as(ag_catalog_text(cat, i->config), model));
	return !row || row->is_enabled;
}

static const struct ag_cat_price *
price_of(const struct ag_route_in *in, const struct ag_cat_integration *i,
    const struct ag_provider *p, struct ag_str model)
{
	const struct ag_cat_model *row = ag_catalog_model(in->cat, i, model);
	struct ag_str family = ag_catalog_text(in->cat, i->family);

	if (row && row->price_ix != AG_NONE_IX)
		return ag_catalog_price_at(in->cat, row->price_ix);
	if (row && row->base_model.len > 0)
		model = ag_catalog_text(in->cat, row->base_model);
	else if (p->priced_as)
		model = p->priced_as(ag_catalog_text(in->cat, i->config), model);
	return ag_catalog_price(in->cat, family, model, in->now_us);
}

const struct ag_price_multiples *
ag_route_multiples(const struct ag_cat_integration *i, const struct ag_cat_price *price)
{
	if (AG_LIKELY(!(i->flags & AG_CAT_INTEGRATION_ADJUSTED)) || !price || price->family.len == 0)
		return NULL;
	return &i->multiples;
}

/* 0 when the provider may be used at all now. */
static enum ag_verdict
open_provider(const struct ag_route_in *in, const struct ag_cat_provider *p, struct ag_target *out)
{
	out->provider = p;
	out->grant = ag_catalog_grant_at(in->cat, p->grant_ix);
	out->integration = ag_catalog_integration_at(in->cat, out->grant->integration_ix);
	if (p->state == AG_CAT_ARCHIVED || !out->grant->is_enabled ||
	    out->integration->state != AG_CAT_ACTIVE)
		return AG_DENY_PROVIDER_UNKNOWN;
	if (p->state == AG_CAT_EXPIRED || p->expires_at_us <= in->now_us)
		return AG_DENY_PROVIDER_EXPIRED;
	out->family = ag_provider_find(ag_catalog_text(in->cat, out->integration->family));
	if (!out->family)
		return AG_DENY_PROVIDER_UNKNOWN;
	return AG_ALLOW;
}

/* What is allowed, asked of guardrails and paid for is the model that answers. */
static void
serve_as(const struct ag_route_in *in, struct ag_target *t)
{
	if (AG_UNLIKELY(t->family->serves_as != NULL) && t->model.n > 0)
		t->model = t->family->serves_as(ag_catalog_text(in->cat, t->integration->config), t->model);
}

static enum ag_verdict
resolve_named(const struct ag_route_in *in, struct ag_str slug, struct ag_target *out,
    struct ag_str *out_detail)
{
	const struct ag_cat_provider *p = ag_catalog_provider(in->cat, in->ws, slug);
	enum ag_verdict v;

	*out_detail = slug;
	if (!p)
		return AG_DENY_PROVIDER_UNKNOWN;
	v = open_provider(in, p, out);
	if (v != AG_ALLOW)
		return v;
	serve_as(in, out);
	if (!ag_route_allows(in->cat, out->integration, out->family, out->model)) {
		*out_detail = out->model;
		return AG_DENY_MODEL_NOT_ALLOWED;
	}
	return AG_ALLOW;
}

/* A bare name: who names it, else who allows all and has a price for it, else who allows all. */
static enum ag_verdict
resolve_bare(const struct ag_route_in *in, struct ag_target *out, struct ag_str *out_detail)
{
	struct ag_target best = { 0 };
	int best_rank = 0;
	uint32_t n;
	const struct ag_cat_provider *p = ag_catalog_providers(in->cat, in->ws, &n);

	for (uint32_t i = 0; i < n; i++) {
		struct ag_target t = { .model = in->model };
		int rank;

		if (open_provider(in, &p[i], &t) != AG_ALLOW)
			continue;
		serve_as(in, &t);
		if (!ag_route_allows(in->cat, t.integration, t.family, t.model))
			continue;
		rank = ag_catalog_model(in->cat, t.integration, t.model) ? 3
		    : price_of(in, t.integration, t.family, t.model) ? 2 : 1;
		if (rank > best_rank) {
			best_rank = rank;
			best = t;
		}
	}
	*out_detail = in->model;
	if (best_rank == 0)
		return AG_DENY_PROVIDER_MISSING;
	*out = best;
	return AG_ALLOW;
}

enum ag_verdict
ag_route_resolve(const struct ag_route_in *in, struct ag_target *out, struct ag_str *out_detail)
{
	struct ag_str slug = in->provider, in_model;
	struct ag_target t = { .model = in->model };
	enum ag_verdict v;

	if (split_model(in->model, &in_model, &t.model)) {
		if (slug.n == 0 && in_model.n == 0) {
			*out_detail = in->model;
			return AG_DENY_PROVIDER_UNKNOWN;
		}
		if (slug.n == 0)
			slug = in_model;
	}
	v = slug.n > 0 ? resolve_named(in, slug, &t, out_detail) : resolve_bare(in, &t, out_detail);
	if (v != AG_ALLOW)
		return v;
	t.path = ag_provider_serve(t.family, in->endpoint, t.model);
	if (!t.path) {
		*out_detail = slug;
		return AG_DENY_ENDPOINT_UNSERVED;
	}
	t.price = price_of(in, t.integration, t.family, t.model);
	t.multiples = ag_route_multiples(t.integration, t.price);
	/* Some models answer at one endpoint alone. */
	if (t.price && t.price->mode == AG_MODE_RESPONSES && ag_endpoint_is_chat(in->endpoint) &&
	    ag_provider_path(t.family, AG_EP_RESPONSES))
		t.path = ag_provider_path(t.family, AG_EP_RESPONSES);
	*out = t;
	return AG_ALLOW;
}
