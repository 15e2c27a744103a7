/* test_route.c - which provider a name means, and which rule forbids it. */
#include "policy/route.h"

#include <stdlib.h>

#include "base/attr.h"
#include "catalog/catalog_build.h"
#include "tap.h"

#define NOW INT64_C(1000000)

static struct ag_catalog *cat;
static struct ag_catalog_build *b;

static struct ag_cat_text
text(const char *s)
{
	return ag_catalog_build_text(b, ag_str(s));
}

static uint32_t
add_price(int64_t id, const char *family, const char *model)
{
	struct ag_cat_price p = { .id = id, .mode = AG_MODE_CHAT, .effective_from_us = INT64_MIN };

	for (int i = 0; i < AG_PI_COUNT; i++)
		p.p[i] = -1;
	p.family = text(family);
	p.model = text(model);
	return ag_catalog_build_price(b, &p);
}

static uint32_t
add_integration(int64_t id, const char *slug, const char *family, bool all, enum ag_cat_state state)
{
	struct ag_cat_integration i = { .id = id, .state = state, .allow_all_models = all };

	i.slug = text(slug);
	i.family = text(family);
	return ag_catalog_build_integration(b, &i);
}

static void
add_model(const char *slug, bool is_enabled, const char *base, uint32_t price_ix)
{
	struct ag_cat_model m = { .is_enabled = is_enabled, .price_ix = price_ix };

	m.slug = text(slug);
	if (base)
		m.base_model = text(base);
	ag_catalog_build_model(b, &m);
}

static void
add_provider(int64_t id, const char *slug, uint32_t ws, uint32_t integration, bool is_enabled,
    enum ag_cat_state state, int64_t expires)
{
	struct ag_cat_grant g = { .id = id, .integration_ix = integration, .workspace_ix = ws,
		.is_enabled = is_enabled };
	struct ag_cat_provider p = { .id = id, .workspace_ix = ws, .state = state, .expires_at_us = expires };

	p.grant_ix = ag_catalog_build_grant(b, &g);
	p.slug = text(slug);
	ag_catalog_build_provider(b, &p);
}

/* Workspace 1 has everything; workspace 2 has one closed provider; workspace 3 has nothing. */
static void
make_catalog(void)
{
	struct ag_cat_org org = { .id = 1 };
	struct ag_buf blob;
	struct ag_err err = { "" };
	uint32_t ws[3], all, named, closed, ollama, odd, own;

	b = ag_catalog_build_new(1u << 20);
	org.name = text("Acme");
	ag_catalog_build_org(b, &org);
	for (int i = 0; i < 3; i++) {
		struct ag_cat_workspace w = { .id = i + 1, .state = AG_CAT_ACTIVE };
		char slug[16];

		snprintf(slug, sizeof(slug), "ws-%d", i + 1);
		w.slug = text(slug);
		ws[i] = ag_catalog_build_workspace(b, &w);
	}
	add_price(1, "openai", "gpt-4o-mini");
	add_price(2, "openai", "gpt-4o");
	add_price(4, "groq", "llama-x");
	own = add_price(3, "", "");
	all = add_integration(1, "all", "openai", true, AG_CAT_ACTIVE);
	add_model("forbidden", false, NULL, AG_NONE_IX);
	named = add_integration(2, "named", "groq", false, AG_CAT_ACTIVE);
	add_model("llama-x", true, NULL, AG_NONE_IX);
	add_model("llama-y", false, NULL, AG_NONE_IX);
	add_model("tuned", true, "llama-x", AG_NONE_IX);
	add_model("cheap", true, "llama-x", own);
	add_model("team/own/model", true, NULL, AG_NONE_IX);
	closed = add_integration(3, "closed", "openai", true, AG_CAT_ARCHIVED);
	ollama = add_integration(4, "ollama", "ollama", true, AG_CAT_ACTIVE);
	odd = add_integration(5, "odd", "a-family-nobody-knows", true, AG_CAT_ACTIVE);
	add_provider(1, "local", ws[0], ollama, true, AG_CAT_ACTIVE, INT64_MAX);
	add_provider(2, "main", ws[0], all, true, AG_CAT_ACTIVE, INT64_MAX);
	add_provider(3, "fast", ws[0], named, true, AG_CAT_ACTIVE, NOW + 1);
	add_provider(4, "gone", ws[0], all, true, AG_CAT_ARCHIVED, INT64_MAX);
	add_provider(5, "late", ws[0], all, true, AG_CAT_ACTIVE, NOW);
	add_provider(6, "over", ws[0], all, true, AG_CAT_EXPIRED, INT64_MAX);
	add_provider(7, "denied", ws[0], all, false, AG_CAT_ACTIVE, INT64_MAX);
	add_provider(8, "closed", ws[0], closed, true, AG_CAT_ACTIVE, INT64_MAX);
	add_provider(9, "odd", ws[0], odd, true, AG_CAT_ACTIVE, INT64_MAX);
	add_provider(10, "closed", ws[1], closed, true, AG_CAT_ACTIVE, INT64_MAX);
	ag_buf_init(&blob, 1u << 20);
	if (ag_catalog_build_finish(b, &blob, &err) < 0 || ag_catalog_load(&blob, 1, &cat, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
	ag_catalog_build_free(b);
}

static struct ag_target target;
static struct ag_str detail;

static enum ag_verdict
route_in(int64_t ws, const char *provider, const char *model, enum ag_endpoint endpoint)
{
	struct ag_route_in in = {
		.cat = cat, .ws = ag_catalog_workspace(cat, ws), .provider = ag_str(provider),
		.model = ag_str(model), .endpoint = endpoint, .now_us = NOW,
	};

	target = (struct ag_target){ 0 };
	detail = AG_STR_NONE;
	return ag_route_resolve(&in, &target, &detail);
}

static enum ag_verdict
route(const char *provider, const char *model)
{
	return route_in(1, provider, model, AG_EP_CHAT);
}

/* "slug model price" of the target, or the verdict's name and what it names. */
static void
goes_to(const char *provider, const char *model, const char *want, const char *why)
{
	enum ag_verdict v = route(provider, model);
	char got[256];

	if (v == AG_ALLOW)
		snprintf(got, sizeof(got), "%.*s %.*s %lld", AG_STR_ARG(ag_catalog_text(cat, target.provider->slug)),
		    AG_STR_ARG(target.model), target.price ? (long long)target.price->id : 0);
	else
		snprintf(got, sizeof(got), "%s %.*s", ag_verdict_defs[v].name, AG_STR_ARG(detail));
	is_str(got, want, why);
}

static void
a_slug_is_taken_from_the_header_or_the_model(void)
{
	goes_to("main", "gpt-4o", "main gpt-4o 2", "a header");
	goes_to("", "@main/gpt-4o", "main gpt-4o 2", "a model");
	goes_to("fast", "@main/llama-x", "fast llama-x 4", "the header wins, the prefix is cut all the same");
	goes_to("", "@fast/team/own/model", "fast team/own/model 0", "models may have slashes");
	goes_to("", "@nobody/gpt-4o", "PROVIDER_UNKNOWN nobody", "a slug nobody has");
	goes_to("nobody", "gpt-4o", "PROVIDER_UNKNOWN nobody", "in a header too");
	goes_to("", "@/gpt-4o", "PROVIDER_UNKNOWN @/gpt-4o", "no slug before the slash");
	goes_to("main", "@main/", "main  0", "an empty model is the provider's to refuse");
	goes_to("", "@cf/meta/llama", "local @cf/meta/llama 0", "names that begin like slugs are names");
	goes_to("", "@hf/some/model", "local @hf/some/model 0", "of both kinds");
	goes_to("", "@main", "local @main 0", "an at sign alone is a name");
}

static void
a_bare_model_goes_to_who_names_it_then_to_who_has_a_price(void)
{
	goes_to("", "llama-x", "fast llama-x 4", "who names it, although younger");
	goes_to("", "gpt-4o-mini", "main gpt-4o-mini 1", "who has a price for it, before who only allows all");
	goes_to("", "unheard-of", "local unheard-of 0", "else the oldest who allows all");
	goes_to("", "forbidden", "local forbidden 0", "but never who forbids it");
	is_i64(route_in(2, "", "gpt-4o", AG_EP_CHAT), AG_DENY_PROVIDER_MISSING, "a workspace of closed providers has none");
	is_i64(route_in(3, "", "gpt-4o", AG_EP_CHAT), AG_DENY_PROVIDER_MISSING, "nor has an empty one");
	is_i64(route_in(3, "main", "gpt-4o", AG_EP_CHAT), AG_DENY_PROVIDER_UNKNOWN, "slugs of other workspaces are unknown");
}

static void
a_provider_that_is_not_open_refuses_by_name(void)
{
	goes_to("gone", "gpt-4o", "PROVIDER_UNKNOWN gone", "archived");
	goes_to("late", "gpt-4o", "PROVIDER_EXPIRED late", "expired this instant");
	goes_to("over", "gpt-4o", "PROVIDER_EXPIRED over", "known to be expired");
	goes_to("denied", "gpt-4o", "PROVIDER_UNKNOWN denied", "no longer granted");
	goes_to("closed", "gpt-4o", "PROVIDER_UNKNOWN closed", "its integration archived");
	goes_to("odd", "gpt-4o", "PROVIDER_UNKNOWN odd", "a family that is not spoken");
	goes_to("fast", "llama-x", "fast llama-x 4", "expiring in a microsecond is open");
}

static void
allow_lists_are_obeyed(void)
{
	goes_to("main", "forbidden", "MODEL_NOT_ALLOWED forbidden", "disabled where all are allowed");
	goes_to("", "@main/forbidden", "MODEL_NOT_ALLOWED forbidden", "by either address");
	goes_to("fast", "gpt-4o", "MODEL_NOT_ALLOWED gpt-4o", "not named where only names are");
	goes_to("fast", "llama-y", "MODEL_NOT_ALLOWED llama-y", "named and disabled");
	goes_to("fast", "LLAMA-X", "MODEL_NOT_ALLOWED LLAMA-X", "case matters");
}

static void
a_price_is_the_models_own_or_its_base_models(void)
{
	goes_to("fast", "tuned", "fast tuned 4", "the base model's");
	goes_to("fast", "cheap", "fast cheap 3", "its own, before the base model's");
	goes_to("fast", "team/own/model", "fast team/own/model 0", "none");
	goes_to("main", "gpt-4o-2026-01-02", "main gpt-4o-2026-01-02 2", "a dated name has the undated price");
}

static void
an_endpoint_nobody_serves_is_refused(void)
{
	is_i64(route_in(1, "main", "gpt-4o", AG_EP_EMBEDDING), AG_ALLOW, "embeddings are served");
	is_i64(route_in(1, "main", "gpt-4o", AG_EP_NONE), AG_DENY_ENDPOINT_UNSERVED, "no endpoint is not");
	for (uint32_t i = 0; ag_provider_at(i); i++) {
		const struct ag_provider *p = ag_provider_at(i);

		for (const struct ag_provider_path *path = p->paths; path->endpoint != AG_EP_NONE; path++)
			if (!path->path || !path->wire || !path->wire->on_body || !path->wire->on_event ||
			    !path->wire->on_error || ag_provider_path(p, path->endpoint) != path)
				ok(false, "endpoint %d of family %s is whole", (int)path->endpoint, p->name);
		if (p->paths[0].endpoint == AG_EP_NONE ||
		    (p->base_url == NULL) != ((p->flags & AG_PF_CUSTOM_HOST) != 0))
			ok(false, "family %s is whole", p->name);
		for (uint32_t k = 0; k < i; k++)
			if (strcmp(ag_provider_at(k)->name, p->name) == 0)
				ok(false, "family %s stands once", p->name);
	}
	ok(ag_provider_at(0) && !ag_provider_find(AG_STR("")) && !ag_provider_find(AG_STR("OpenAI")),
	    "families are found by their exact name");
}

int
main(void)
{
	make_catalog();
	a_slug_is_taken_from_the_header_or_the_model();
	a_bare_model_goes_to_who_names_it_then_to_who_has_a_price();
	a_provider_that_is_not_open_refuses_by_name();
	allow_lists_are_obeyed();
	a_price_is_the_models_own_or_its_base_models();
	an_endpoint_nobody_serves_is_refused();
	ag_catalog_unref(cat);
	return done();
}
