#include "catalog/catalog.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "catalog/check.h"
#include "catalog/index.h"
#include "catalog/layout.h"

struct ag_catalog {
	struct ag_buf blob;          /* owned */
	struct ag_cat_view v;        /* into blob */
	uint32_t generation;
	uint32_t refs;
	struct ag_cat_index orgs, workspaces; /* by id */
	struct ag_cat_index providers;        /* by workspace and slug */
	struct ag_cat_index models;           /* by integration and slug */
	struct ag_cat_index prices;           /* by family and model: the first row of each */
	struct ag_cat_index guardrails, configs; /* by owner's id and slug, and by uuid */
	struct ag_cat_index config_ids;
	uint32_t *first_provider;    /* owned; of each workspace, and one beyond the last */
	uint32_t *first_policy;      /* owned; the same */
};

static void
catalog_free(struct ag_catalog *cat)
{
	free(cat->orgs.slot);
	free(cat->workspaces.slot);
	free(cat->providers.slot);
	free(cat->models.slot);
	free(cat->prices.slot);
	free(cat->guardrails.slot);
	free(cat->configs.slot);
	free(cat->config_ids.slot);
	free(cat->first_provider);
	free(cat->first_policy);
	ag_buf_fini(&cat->blob);
	free(cat);
}

static uint64_t
id_hash(int64_t id)
{
	return ag_mix64((uint64_t)id);
}

static uint64_t
owned_hash(uint32_t owner_ix, struct ag_str slug)
{
	return ag_mix64(ag_hash_name(slug) + owner_ix);
}

static uint64_t
price_hash(struct ag_str family, struct ag_str model)
{
	return ag_mix64(ag_hash_name(family) * 31 + ag_hash_name(model));
}

static struct ag_str
text(const struct ag_catalog *cat, struct ag_cat_text t)
{
	return ag_cat_view_text(&cat->v, t);
}

static void
index_tenants(struct ag_catalog *cat)
{
	const struct ag_cat_view *v = &cat->v;

	for (uint32_t i = 0; i < v->n[AG_CAT_ORG]; i++)
		ag_cat_index_put(&cat->orgs, id_hash(v->org[i].id), i);
	for (uint32_t i = 0; i < v->n[AG_CAT_WORKSPACE]; i++)
		ag_cat_index_put(&cat->workspaces, id_hash(v->workspace[i].id), i);
}

static void
index_providers(struct ag_catalog *cat)
{
	const struct ag_cat_view *v = &cat->v;
	uint32_t at = 0;

	for (uint32_t w = 0; w < v->n[AG_CAT_WORKSPACE]; w++) {
		cat->first_provider[w] = at;
		while (at < v->n[AG_CAT_PROVIDER] && v->provider[at].workspace_ix == w) {
			ag_cat_index_put(&cat->providers,
			    owned_hash(w, text(cat, v->provider[at].slug)), at);
			at++;
		}
	}
	cat->first_provider[v->n[AG_CAT_WORKSPACE]] = at;
}

static void
index_policies(struct ag_catalog *cat)
{
	const struct ag_cat_view *v = &cat->v;
	uint32_t at = 0;

	for (uint32_t w = 0; w <= v->n[AG_CAT_WORKSPACE]; w++) {
		cat->first_policy[w] = at;
		while (at < v->n[AG_CAT_POLICY] && v->policy[at].workspace_ix == w)
			at++;
	}
}

static void
index_models(struct ag_catalog *cat)
{
	const struct ag_cat_view *v = &cat->v;

	for (uint32_t i = 0; i < v->n[AG_CAT_INTEGRATION]; i++) {
		const struct ag_cat_integration *g = &v->integration[i];

		for (uint32_t m = g->first_model; m < g->first_model + g->n_models; m++)
			ag_cat_index_put(&cat->models, owned_hash(i, text(cat, v->model[m].slug)), m);
	}
}

static bool
same_model(const struct ag_catalog *cat, const struct ag_cat_price *a, const struct ag_cat_price *b)
{
	return ag_str_eq(text(cat, a->family), text(cat, b->family)) &&
	    ag_str_eq(text(cat, a->model), text(cat, b->model));
}

static void
index_prices(struct ag_catalog *cat)
{
	const struct ag_cat_price *p = cat->v.price;

	for (uint32_t i = 0; i < cat->v.n[AG_CAT_PRICE]; i++) {
		/* Without a family: an integration's own price, reached by index only. */
		if (p[i].family.len == 0 || (i > 0 && same_model(cat, &p[i - 1], &p[i])))
			continue;
		ag_cat_index_put(&cat->prices,
		    price_hash(text(cat, p[i].family), text(cat, p[i].model)), i);
	}
}

static uint64_t
rule_hash(int64_t owner_id, struct ag_str name)
{
	return ag_mix64(ag_hash_name(name) + (uint64_t)owner_id);
}

static void
uuid_text(const uint8_t uuid[16], char out[37])
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;

	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[at++] = '-';
		out[at++] = hex[uuid[i] >> 4];
		out[at++] = hex[uuid[i] & 15];
	}
	out[at] = '\0';
}

static void
index_rules(struct ag_catalog *cat)
{
	const struct ag_cat_view *v = &cat->v;
	char uuid[37];

	for (uint32_t i = 0; i < v->n[AG_CAT_GUARDRAIL]; i++) {
		const struct ag_cat_guardrail *g = &v->guardrail[i];

		uuid_text(g->uuid, uuid);
		ag_cat_index_put(&cat->guardrails, rule_hash(g->org_id, text(cat, g->slug)), i);
		ag_cat_index_put(&cat->guardrails, rule_hash(g->org_id, ag_str(uuid)), i);
	}
	for (uint32_t i = 0; i < v->n[AG_CAT_CONFIG]; i++) {
		const struct ag_cat_config *c = &v->config[i];

		uuid_text(c->uuid, uuid);
		ag_cat_index_put(&cat->configs, rule_hash(c->workspace_id, text(cat, c->slug)), i);
		ag_cat_index_put(&cat->configs, rule_hash(c->workspace_id, ag_str(uuid)), i);
		ag_cat_index_put(&cat->config_ids, id_hash(c->id), i);
	}
}

static int
make_indices(struct ag_catalog *cat)
{
	const uint32_t *n = cat->v.n;

	cat->first_provider = calloc((size_t)n[AG_CAT_WORKSPACE] + 1, sizeof(uint32_t));
	cat->first_policy = calloc((size_t)n[AG_CAT_WORKSPACE] + 1, sizeof(uint32_t));
	if (!cat->first_provider || !cat->first_policy ||
	    ag_cat_index_init(&cat->orgs, n[AG_CAT_ORG]) < 0 ||
	    ag_cat_index_init(&cat->workspaces, n[AG_CAT_WORKSPACE]) < 0 ||
	    ag_cat_index_init(&cat->providers, n[AG_CAT_PROVIDER]) < 0 ||
	    ag_cat_index_init(&cat->models, n[AG_CAT_MODEL]) < 0 ||
	    ag_cat_index_init(&cat->prices, n[AG_CAT_PRICE]) < 0 ||
	    ag_cat_index_init(&cat->guardrails, 2 * n[AG_CAT_GUARDRAIL]) < 0 ||
	    ag_cat_index_init(&cat->configs, 2 * n[AG_CAT_CONFIG]) < 0 ||
	    ag_cat_index_init(&cat->config_ids, n[AG_CAT_CONFIG]) < 0)
		return -ENOMEM;
	index_tenants(cat);
	index_providers(cat);
	index_policies(cat);
	index_models(cat);
	index_prices(cat);
	index_rules(cat);
	return 0;
}

int
ag_catalog_load(struct ag_buf *blob, uint32_t generation, struct ag_catalog **out,
    struct ag_err *err)
{
	struct ag_cat_view v;
	struct ag_catalog *cat;
	int rc = ag_cat_check(ag_buf_str(blob), &v, err);

	if (rc < 0)
		return rc;
	cat = calloc(1, sizeof(*cat));
	if (!cat)
		return ag_err_set(err, -ENOMEM, "could not load the catalogue: out of memory");
	cat->v = v;
	cat->generation = generation;
	cat->refs = 1;
	if (make_indices(cat) < 0) {
		catalog_free(cat);
		return ag_err_set(err, -ENOMEM, "could not load the catalogue: out of memory");
	}
	cat->blob = *blob;
	ag_buf_init(blob, blob->max);
	*out = cat;
	return 0;
}

struct ag_catalog *
ag_catalog_ref(struct ag_catalog *cat)
{
	cat->refs++;
	return cat;
}

void
ag_catalog_unref(struct ag_catalog *cat)
{
	if (!cat)
		return;
	assert(cat->refs > 0);
	if (--cat->refs == 0)
		catalog_free(cat);
}

uint32_t
ag_catalog_gen(const struct ag_catalog *cat)
{
	return cat->generation;
}

struct ag_str
ag_catalog_text(const struct ag_catalog *cat, struct ag_cat_text t)
{
	return text(cat, t);
}

const struct ag_cat_workspace *
ag_catalog_workspace(const struct ag_catalog *cat, int64_t id)
{
	AG_CAT_INDEX_FOREACH(row, &cat->workspaces, id_hash(id))
		if (cat->v.workspace[row].id == id)
			return &cat->v.workspace[row];
	return NULL;
}

const struct ag_cat_org *
ag_catalog_org(const struct ag_catalog *cat, int64_t id)
{
	AG_CAT_INDEX_FOREACH(row, &cat->orgs, id_hash(id))
		if (cat->v.org[row].id == id)
			return &cat->v.org[row];
	return NULL;
}

const struct ag_cat_org *
ag_catalog_org_at(const struct ag_catalog *cat, uint32_t ix)
{
	assert(ix < cat->v.n[AG_CAT_ORG]);
	return &cat->v.org[ix];
}

const struct ag_cat_workspace *
ag_catalog_workspace_at(const struct ag_catalog *cat, uint32_t ix)
{
	assert(ix < cat->v.n[AG_CAT_WORKSPACE]);
	return &cat->v.workspace[ix];
}

const struct ag_cat_integration *
ag_catalog_integration_at(const struct ag_catalog *cat, uint32_t ix)
{
	assert(ix < cat->v.n[AG_CAT_INTEGRATION]);
	return &cat->v.integration[ix];
}

const struct ag_cat_grant *
ag_catalog_grant_at(const struct ag_catalog *cat, uint32_t ix)
{
	assert(ix < cat->v.n[AG_CAT_GRANT]);
	return &cat->v.grant[ix];
}

const struct ag_cat_price *
ag_catalog_price_at(const struct ag_catalog *cat, uint32_t ix)
{
	assert(ix < cat->v.n[AG_CAT_PRICE]);
	return &cat->v.price[ix];
}

uint32_t
ag_catalog_n_integrations(const struct ag_catalog *cat)
{
	return cat->v.n[AG_CAT_INTEGRATION];
}

uint32_t
ag_catalog_integration_ix(const struct ag_catalog *cat, const struct ag_cat_integration *i)
{
	assert(i >= cat->v.integration && i < cat->v.integration + cat->v.n[AG_CAT_INTEGRATION]);
	return (uint32_t)(i - cat->v.integration);
}

static uint32_t
workspace_ix(const struct ag_catalog *cat, const struct ag_cat_workspace *ws)
{
	assert(ws >= cat->v.workspace && ws < cat->v.workspace + cat->v.n[AG_CAT_WORKSPACE]);
	return (uint32_t)(ws - cat->v.workspace);
}

const struct ag_cat_provider *
ag_catalog_provider(const struct ag_catalog *cat, const struct ag_cat_workspace *ws,
    struct ag_str slug)
{
	uint32_t w = workspace_ix(cat, ws);

	AG_CAT_INDEX_FOREACH(row, &cat->providers, owned_hash(w, slug)) {
		const struct ag_cat_provider *p = &cat->v.provider[row];

		if (p->workspace_ix == w && ag_str_eq(text(cat, p->slug), slug))
			return p;
	}
	return NULL;
}

const struct ag_cat_provider *
ag_catalog_providers(const struct ag_catalog *cat, const struct ag_cat_workspace *ws,
    uint32_t *out_n)
{
	uint32_t w = workspace_ix(cat, ws);

	*out_n = cat->first_provider[w + 1] - cat->first_provider[w];
	return &cat->v.provider[cat->first_provider[w]];
}

const struct ag_cat_policy *
ag_catalog_policies(const struct ag_catalog *cat, const struct ag_cat_workspace *ws, uint32_t *out_n)
{
	uint32_t w = workspace_ix(cat, ws);

	*out_n = cat->first_policy[w + 1] - cat->first_policy[w];
	return &cat->v.policy[cat->first_policy[w]];
}

static bool
is_named(const struct ag_catalog *cat, struct ag_cat_text slug, const uint8_t uuid[16],
    struct ag_str name)
{
	char as_text[37];

	uuid_text(uuid, as_text);
	return ag_str_eq(text(cat, slug), name) || ag_str_eq(ag_str(as_text), name);
}

const struct ag_cat_guardrail *
ag_catalog_guardrail(const struct ag_catalog *cat, const struct ag_cat_workspace *ws,
    struct ag_str name)
{
	int64_t org_id = cat->v.org[ws->org_ix].id;

	AG_CAT_INDEX_FOREACH(row, &cat->guardrails, rule_hash(org_id, name)) {
		const struct ag_cat_guardrail *g = &cat->v.guardrail[row];

		if (g->org_id == org_id && (g->workspace_id == 0 || g->workspace_id == ws->id) &&
		    is_named(cat, g->slug, g->uuid, name))
			return g;
	}
	return NULL;
}

const struct ag_cat_guardrail *
ag_catalog_guardrail_at(const struct ag_catalog *cat, uint32_t ix)
{
	assert(ix < cat->v.n[AG_CAT_GUARDRAIL]);
	return &cat->v.guardrail[ix];
}

const struct ag_cat_config *
ag_catalog_config(const struct ag_catalog *cat, const struct ag_cat_workspace *ws, struct ag_str name)
{
	AG_CAT_INDEX_FOREACH(row, &cat->configs, rule_hash(ws->id, name)) {
		const struct ag_cat_config *c = &cat->v.config[row];

		if (c->workspace_id == ws->id && is_named(cat, c->slug, c->uuid, name))
			return c;
	}
	return NULL;
}

const struct ag_cat_config *
ag_catalog_config_by_id(const struct ag_catalog *cat, int64_t id)
{
	AG_CAT_INDEX_FOREACH(row, &cat->config_ids, id_hash(id))
		if (cat->v.config[row].id == id)
			return &cat->v.config[row];
	return NULL;
}

const struct ag_cat_config *
ag_catalog_config_no(const struct ag_catalog *cat, uint32_t no)
{
	assert(no > 0 && no <= cat->v.n[AG_CAT_CONFIG]);
	return &cat->v.config[no - 1];
}

const struct ag_cat_model *
ag_catalog_model(const struct ag_catalog *cat, const struct ag_cat_integration *integration,
    struct ag_str slug)
{
	uint32_t owner = ag_catalog_integration_ix(cat, integration);

	AG_CAT_INDEX_FOREACH(row, &cat->models, owned_hash(owner, slug))
		if (row - integration->first_model < integration->n_models &&
		    ag_str_eq(text(cat, cat->v.model[row].slug), slug))
			return &cat->v.model[row];
	return NULL;
}

const struct ag_cat_model *
ag_catalog_models(const struct ag_catalog *cat, const struct ag_cat_integration *integration,
    uint32_t *out_n)
{
	*out_n = integration->n_models;
	return &cat->v.model[integration->first_model];
}

static const struct ag_cat_price *
price_exact(const struct ag_catalog *cat, struct ag_str family, struct ag_str model, int64_t at_us)
{
	const struct ag_cat_price *p = cat->v.price;

	AG_CAT_INDEX_FOREACH(row, &cat->prices, price_hash(family, model)) {
		uint32_t last = row;

		if (!ag_str_eq(text(cat, p[row].family), family) ||
		    !ag_str_eq(text(cat, p[row].model), model))
			continue;
		if (p[row].effective_from_us > at_us)
			return NULL;
		while (last + 1 < cat->v.n[AG_CAT_PRICE] &&
		    p[last + 1].effective_from_us <= at_us && same_model(cat, &p[row], &p[last + 1]))
			last++;
		return &p[last];
	}
	return NULL;
}

static bool
matches(struct ag_str s, const char *pattern)
{
	size_t i = 0;

	assert(s.p || s.n == 0);
	for (; i < s.n && pattern[i] != '\0'; i++)
		if (pattern[i] == '#' ? s.p[i] < '0' || s.p[i] > '9' : s.p[i] != pattern[i])
			return false;
	return i == s.n && pattern[i] == '\0';
}

/* "gpt-4o-2024-08-06" -> "gpt-4o"; n unchanged when no date ends it. */
static struct ag_str
without_date(struct ag_str model)
{
	static const char *const dates[] = { "-####-##-##", "-########" };

	for (size_t i = 0; i < AG_ARRAY_LEN(dates); i++) {
		size_t n = strlen(dates[i]);

		if (model.n > n && matches(ag_str_skip(model, model.n - n), dates[i]))
			return ag_str_n(model.p, model.n - n);
	}
	return model;
}

const struct ag_cat_price *
ag_catalog_price(const struct ag_catalog *cat, struct ag_str family, struct ag_str model,
    int64_t at_us)
{
	const struct ag_cat_price *price = price_exact(cat, family, model, at_us);
	struct ag_str base;

	if (price)
		return price;
	base = without_date(model);
	return base.n < model.n ? price_exact(cat, family, base, at_us) : NULL;
}

/* First row whose family is not before (or, past_equal, is after) the given one. */
static uint32_t
family_bound(const struct ag_catalog *cat, struct ag_str family, bool past_equal)
{
	uint32_t lo = 0, hi = cat->v.n[AG_CAT_PRICE];

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = ag_cat_text_cmp(text(cat, cat->v.price[mid].family), family);

		if (c < 0 || (past_equal && c == 0))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct ag_cat_price *
ag_catalog_prices(const struct ag_catalog *cat, struct ag_str family, uint32_t *out_n)
{
	uint32_t first = family_bound(cat, family, false);

	*out_n = family.n > 0 ? family_bound(cat, family, true) - first : 0;
	return &cat->v.price[first];
}
