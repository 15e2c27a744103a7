/* test_catalog.c - a blob says what went in, and a damaged one is refused or harmless. */
#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/scope.h"
#include "catalog/catalog.h"
#include "catalog/catalog_build.h"
#include "catalog/guard.h"
#include "tap.h"

#define BLOB_MAX (8u << 20)

static uint64_t rng = 88172645463325252u;

static uint32_t
rnd(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)((rng >> 11) % n);
}

/* What was put in, to compare by plain search. */
struct world {
	uint32_t n_ws, n_int, n_grant, n_prov, n_price, n_model;
	struct { int64_t id; } ws[40];
	struct { char slug[24]; uint32_t ws, grant; int64_t id; } prov[400];
	struct { uint32_t i, w; } grant[400];
	struct { char slug[24]; uint32_t i, price; } model[400];
	struct { char family[16], name[24]; int64_t from; int64_t id; } price[400];
	struct { char family[16]; } integ[40];
	struct { char slug[24]; int64_t ws; } guard[30], config[30];
	uint32_t n_guard, n_config, first_of_ws[40];
};

static struct ag_cat_text
put_text(struct ag_catalog_build *b, const char *s)
{
	return ag_catalog_build_text(b, ag_str(s));
}

static void
add_prices(struct ag_catalog_build *b, struct world *w)
{
	for (uint32_t i = 0; i < w->n_price; i++) {
		struct ag_cat_price p = { .id = 1000 + i, .mode = AG_MODE_CHAT };

		for (int k = 0; k < AG_PI_COUNT; k++)
			p.p[k] = -1;
		p.p[AG_PI_IN] = 1000 + i;
		snprintf(w->price[i].family, sizeof(w->price[i].family), "fam%u", rnd(4));
		if (rnd(8) == 0)
			w->price[i].family[0] = '\0';
		snprintf(w->price[i].name, sizeof(w->price[i].name), "m-%u", rnd(20));
		w->price[i].from = rnd(3) == 0 ? INT64_MIN : (int64_t)rnd(1000);
		w->price[i].id = p.id;
		p.effective_from_us = w->price[i].from;
		p.family = put_text(b, w->price[i].family);
		p.model = put_text(b, w->price[i].name);
		ag_catalog_build_price(b, &p);
	}
}

static void
add_integrations(struct ag_catalog_build *b, struct world *w)
{
	uint32_t m = 0;

	for (uint32_t i = 0; i < w->n_int; i++) {
		struct ag_cat_integration row = { .id = 500 + i, .state = AG_CAT_ACTIVE,
			.allow_all_models = rnd(2) };
		char slug[24];
		uint32_t n = rnd(8);

		snprintf(slug, sizeof(slug), "int-%u", i);
		snprintf(w->integ[i].family, sizeof(w->integ[i].family), "fam%u", rnd(4));
		row.slug = put_text(b, slug);
		row.family = put_text(b, w->integ[i].family);
		ag_catalog_build_integration(b, &row);
		for (uint32_t k = 0; k < n && m < w->n_model; k++, m++) {
			struct ag_cat_model model = { .is_enabled = 1, .price_ix = AG_NONE_IX };

			snprintf(w->model[m].slug, sizeof(w->model[m].slug), "mod-%u-%u", rnd(9), k);
			w->model[m].i = i;
			w->model[m].price = AG_NONE_IX;
			if (w->n_price > 0 && rnd(2))
				model.price_ix = w->model[m].price = rnd(w->n_price);
			model.slug = put_text(b, w->model[m].slug);
			ag_catalog_build_model(b, &model);
		}
	}
	w->n_model = m;
}

static void
add_access(struct ag_catalog_build *b, struct world *w)
{
	w->n_grant = w->n_prov = 0;
	for (uint32_t i = 0; i < w->n_int; i++) {
		for (uint32_t k = 0; k < w->n_ws && w->n_grant < 300; k++) {
			struct ag_cat_grant g = { .id = 1 + w->n_grant, .integration_ix = i,
				.workspace_ix = k, .is_enabled = 1, .n_meters = 1, .meters = { 7 } };
			struct ag_cat_provider p = { .id = 1 + w->n_prov, .workspace_ix = k,
				.state = AG_CAT_ACTIVE, .expires_at_us = INT64_MAX };

			if (rnd(3) == 0)
				continue;
			w->grant[w->n_grant].i = i;
			w->grant[w->n_grant].w = k;
			p.grant_ix = ag_catalog_build_grant(b, &g);
			snprintf(w->prov[w->n_prov].slug, 24, "prov-%u", i);
			p.slug = put_text(b, w->prov[w->n_prov].slug);
			w->prov[w->n_prov].ws = k;
			w->prov[w->n_prov].grant = p.grant_ix;
			w->prov[w->n_prov].id = p.id;
			ag_catalog_build_provider(b, &p);
			w->n_grant++;
			w->n_prov++;
		}
	}
}

static struct ag_cat_text
put_checks(struct ag_catalog_build *b)
{
	struct ag_check c = { .kind = AG_CHECK_META_KEYS };
	struct ag_buf payload, checks;
	struct ag_cat_text t;

	ag_buf_init(&payload, 4096);
	ag_buf_init(&checks, 4096);
	ag_buf_putc(&payload, AG_CHECK_ALL);
	ag_guard_put_count(&payload, 1);
	ag_rule_put_text(&payload, AG_STR("team"));
	c.payload = ag_buf_str(&payload);
	ag_check_put(&checks, &c);
	t = ag_catalog_build_text(b, ag_buf_str(&checks));
	ag_buf_fini(&payload);
	ag_buf_fini(&checks);
	return t;
}

static struct ag_cat_text
put_config(struct ag_catalog_build *b, const char *guard)
{
	struct ag_config c = { .timeout_ms = 5, .provider = AG_STR("p"), .overrides = AG_STR("{}"),
		.n_guards = 1 };
	struct ag_cat_text t;
	struct ag_buf body;

	ag_buf_init(&body, 4096);
	ag_config_put(&body, &c);
	ag_config_put_ref(&body, ag_str(guard));
	t = ag_catalog_build_text(b, ag_buf_str(&body));
	ag_buf_fini(&body);
	return t;
}

/* Of the organisation, or of a workspace. */
static void
add_rules(struct ag_catalog_build *b, struct world *w)
{
	w->n_guard = rnd(30);
	w->n_config = w->n_ws > 0 ? rnd(30) : 0;
	for (uint32_t i = 0; i < w->n_guard; i++) {
		struct ag_cat_guardrail g = { .id = 900 + i, .org_id = 3, .n_checks = 1, .flags = rnd(4),
			.uuid = { (uint8_t)i, 1 } };

		snprintf(w->guard[i].slug, 24, "pg-%u", i);
		w->guard[i].ws = w->n_ws > 0 && rnd(2) ? 100 + rnd(w->n_ws) : 0;
		g.workspace_id = w->guard[i].ws;
		g.slug = put_text(b, w->guard[i].slug);
		g.checks = put_checks(b);
		ag_catalog_build_guardrail(b, &g);
	}
	for (uint32_t i = 0; i < w->n_config; i++) {
		struct ag_cat_config c = { .id = 700 + i, .workspace_id = 100 + rnd(w->n_ws),
			.uuid = { (uint8_t)i, 2 } };

		w->config[i].ws = c.workspace_id;
		snprintf(w->config[i].slug, 24, "pc-%u", i % 9);
		for (uint32_t k = 0; k < i; k++) /* a slug stands once in a workspace */
			if (w->config[k].ws == c.workspace_id && strcmp(w->config[k].slug, w->config[i].slug) == 0)
				snprintf(w->config[i].slug, 24, "pc-x%u", i);
		c.slug = put_text(b, w->config[i].slug);
		c.body = put_config(b, "pg-1");
		ag_catalog_build_config(b, &c);
	}
}

static void
put_under(struct ag_catalog_build *b, struct world *w, uint32_t i, struct ag_cat_workspace *ws)
{
	uint32_t ix = w->n_guard > 0 ? rnd(w->n_guard) : 0;

	w->first_of_ws[i] = UINT32_MAX;
	if (w->n_guard > 0 && rnd(2)) {
		ws->guardrails = ag_catalog_build_text(b, ag_str_n((const char *)&ix, sizeof(ix)));
		w->first_of_ws[i] = ix;
	}
	if (w->n_config > 0 && rnd(2))
		ws->config_no = 1 + rnd(w->n_config);
	ws->has_rules = ws->guardrails.len > 0 || ws->config_no > 0;
}

static void
make_world(struct world *w, struct ag_buf *blob)
{
	struct ag_catalog_build *b = ag_catalog_build_new(BLOB_MAX);
	struct ag_cat_org org = { .id = 3 };
	struct ag_err err = { "" };

	w->n_ws = rnd(30);
	w->n_int = rnd(12);
	w->n_price = rnd(150);
	w->n_model = 100;
	org.name = put_text(b, "Acme");
	ag_catalog_build_org(b, &org);
	add_rules(b, w);
	for (uint32_t i = 0; i < w->n_ws; i++) {
		struct ag_cat_workspace ws = { .id = 100 + i, .state = AG_CAT_ACTIVE };
		char slug[24];

		snprintf(slug, sizeof(slug), "ws-%u", i);
		ws.slug = put_text(b, slug);
		if (rnd(2))
			ws.metadata = put_text(b, "{\"k\":\"v\"}");
		w->ws[i].id = ws.id;
		put_under(b, w, i, &ws);
		ag_catalog_build_workspace(b, &ws);
	}
	add_prices(b, w);
	add_integrations(b, w);
	add_access(b, w);
	if (ag_catalog_build_finish(b, blob, &err) < 0)
		ok(false, "building: %s", err.text);
	ag_catalog_build_free(b);
}

static int64_t
plain_price(const struct world *w, const char *family, const char *name, int64_t at)
{
	int64_t best = INT64_MIN, id = 0;

	for (uint32_t i = 0; i < w->n_price; i++)
		if (strcmp(w->price[i].family, family) == 0 && strcmp(w->price[i].name, name) == 0 &&
		    w->price[i].from <= at && (id == 0 || w->price[i].from >= best)) {
			best = w->price[i].from;
			id = w->price[i].id;
		}
	return id;
}

static bool
prices_agree(const struct world *w, struct ag_catalog *cat)
{
	for (int f = 0; f < 5; f++)
		for (int m = 0; m < 22; m++)
			for (int64_t at = -1; at < 1000; at += 97) {
				char family[16], name[24];
				const struct ag_cat_price *p;

				snprintf(family, sizeof(family), "fam%d", f);
				snprintf(name, sizeof(name), "m-%d", m);
				p = ag_catalog_price(cat, ag_str(family), ag_str(name), at);
				if ((p ? p->id : 0) != plain_price(w, family, name, at))
					return false;
			}
	return true;
}

static bool
tenants_agree(const struct world *w, struct ag_catalog *cat)
{
	uint32_t seen = 0;

	for (uint32_t i = 0; i < w->n_ws; i++) {
		const struct ag_cat_workspace *ws = ag_catalog_workspace(cat, w->ws[i].id);
		const struct ag_cat_provider *list;
		uint32_t n;

		if (!ws || ag_catalog_org_at(cat, ws->org_ix)->id != 3)
			return false;
		list = ag_catalog_providers(cat, ws, &n);
		for (uint32_t k = 1; k < n; k++)
			if (list[k - 1].id >= list[k].id)
				return false;
		seen += n;
		if (ag_catalog_provider(cat, ws, AG_STR("no-such")))
			return false;
	}
	for (uint32_t i = 0; i < w->n_prov; i++) {
		const struct ag_cat_workspace *ws = ag_catalog_workspace(cat, w->ws[w->prov[i].ws].id);
		const struct ag_cat_provider *p = ag_catalog_provider(cat, ws, ag_str(w->prov[i].slug));

		if (!p || p->id != w->prov[i].id || p->grant_ix != w->prov[i].grant)
			return false;
	}
	return seen == w->n_prov && !ag_catalog_workspace(cat, 99) && ag_catalog_org(cat, 3) &&
	    !ag_catalog_org(cat, 4);
}

static bool
models_agree(const struct world *w, struct ag_catalog *cat)
{
	for (uint32_t i = 0; i < w->n_model; i++) {
		const struct ag_cat_integration *g = ag_catalog_integration_at(cat, w->model[i].i);
		const struct ag_cat_model *m = ag_catalog_model(cat, g, ag_str(w->model[i].slug));

		if (!m || ag_catalog_model(cat, g, AG_STR("mod-none")))
			return false;
		if (w->model[i].price != AG_NONE_IX &&
		    ag_catalog_price_at(cat, m->price_ix)->id != w->price[w->model[i].price].id)
			return false;
	}
	return true;
}

static bool
workspace_rules_agree(const struct world *w, struct ag_catalog *cat, uint32_t i)
{
	const struct ag_cat_workspace *ws = ag_catalog_workspace(cat, w->ws[i].id);
	struct ag_str list = ag_catalog_text(cat, ws->guardrails);
	uint32_t ix = UINT32_MAX;

	if (list.n > 0)
		memcpy(&ix, list.p, sizeof(ix));
	if (ix != w->first_of_ws[i] || (ix != UINT32_MAX && ag_catalog_guardrail_at(cat, ix)->id != 900 + ix))
		return false;
	for (uint32_t g = 0; g < w->n_guard; g++) {
		const struct ag_cat_guardrail *row = ag_catalog_guardrail(cat, ws, ag_str(w->guard[g].slug));
		bool is_seen = w->guard[g].ws == 0 || w->guard[g].ws == ws->id;

		if ((row ? row->id : 0) != (is_seen ? 900 + (int64_t)g : 0))
			return false;
	}
	for (uint32_t c = 0; c < w->n_config; c++) {
		const struct ag_cat_config *row = ag_catalog_config_by_id(cat, 700 + c);

		if (!row || row->workspace_id != w->config[c].ws ||
		    (row->workspace_id == ws->id && ag_catalog_config(cat, ws, ag_str(w->config[c].slug)) != row))
			return false;
	}
	return (ws->config_no == 0 || ag_catalog_config_no(cat, ws->config_no)->id == 699 + ws->config_no) &&
	    !ag_catalog_guardrail(cat, ws, AG_STR("pg-none")) && !ag_catalog_config(cat, ws, AG_STR("pc-none")) &&
	    !ag_catalog_config_by_id(cat, -1);
}

static bool
rules_agree(const struct world *w, struct ag_catalog *cat)
{
	for (uint32_t i = 0; i < w->n_ws; i++)
		if (!workspace_rules_agree(w, cat, i))
			return false;
	return true;
}

static void
random_catalogues_answer_as_a_plain_search_does(void)
{
	bool tenants = true, models = true, prices = true, rules = true;
	static struct world w;

	for (int round = 0; round < 60; round++) {
		struct ag_buf blob;
		struct ag_catalog *cat = NULL;
		struct ag_err err = { "" };

		ag_buf_init(&blob, BLOB_MAX);
		make_world(&w, &blob);
		if (ag_catalog_load(&blob, 5, &cat, &err) < 0) {
			ok(false, "loading: %s", err.text);
			ag_buf_fini(&blob);
			return;
		}
		tenants = tenants && tenants_agree(&w, cat);
		models = models && models_agree(&w, cat);
		prices = prices && prices_agree(&w, cat);
		rules = rules && rules_agree(&w, cat);
		ag_catalog_unref(ag_catalog_ref(cat));
		ag_catalog_unref(cat);
		ag_buf_fini(&blob);
	}
	ok(tenants, "workspaces and providers are found, in the order they were made");
	ok(models, "models are found and keep their prices through the sorting");
	ok(rules, "guardrails and configs are found by those who may use them");
	ok(prices, "the price in force at a time is the newest that has begun");
}

static void
a_dated_name_finds_the_undated_price(void)
{
	struct ag_catalog_build *b = ag_catalog_build_new(BLOB_MAX);
	struct ag_cat_price p = { .id = 1, .effective_from_us = INT64_MIN };
	struct ag_catalog *cat = NULL;
	struct ag_buf blob;
	uint32_t n;

	ag_buf_init(&blob, BLOB_MAX);
	p.family = put_text(b, "openai");
	p.model = put_text(b, "gpt-4o");
	ag_catalog_build_price(b, &p);
	p.id = 2;
	p.model = put_text(b, "gpt-4o-2024-05-13");
	ag_catalog_build_price(b, &p);
	ok(ag_catalog_build_finish(b, &blob, NULL) == 0, "a catalogue of prices alone is built");
	ag_catalog_build_free(b);
	ok(ag_catalog_load(&blob, 1, &cat, NULL) == 0, "and loaded");
	is_i64(ag_catalog_price(cat, AG_STR("openai"), AG_STR("gpt-4o-2024-08-06"), 0)->id, 1,
	    "a dash-dated name falls back");
	is_i64(ag_catalog_price(cat, AG_STR("openai"), AG_STR("gpt-4o-20240806"), 0)->id, 1,
	    "a plain-dated name falls back");
	is_i64(ag_catalog_price(cat, AG_STR("openai"), AG_STR("gpt-4o-2024-05-13"), 0)->id, 2,
	    "an exact name wins");
	ok(!ag_catalog_price(cat, AG_STR("openai"), AG_STR("gpt-4o-mini"), 0), "another name does not");
	ok(!ag_catalog_price(cat, AG_STR("x-ai"), AG_STR("gpt-4o"), 0), "nor another family");
	ag_catalog_prices(cat, AG_STR("openai"), &n);
	is_i64(n, 2, "all prices of a family are listed");
	ag_catalog_prices(cat, AG_STR("mistral-ai"), &n);
	is_i64(n, 0, "a family without prices lists none");
	ag_catalog_unref(cat);
	ag_buf_fini(&blob);
}

/* Everything a worker would ask, for the sanitizers to watch. */
static void
use_all(struct ag_catalog *cat)
{
	for (int64_t id = 99; id < 130; id++) {
		const struct ag_cat_workspace *ws = ag_catalog_workspace(cat, id);
		const struct ag_cat_provider *p;
		uint32_t n;

		if (!ws)
			continue;
		ag_catalog_text(cat, ws->metadata);
		p = ag_catalog_providers(cat, ws, &n);
		for (uint32_t i = 0; i < n; i++) {
			const struct ag_cat_grant *g = ag_catalog_grant_at(cat, p[i].grant_ix);
			const struct ag_cat_integration *t =
			    ag_catalog_integration_at(cat, g->integration_ix);
			uint32_t n_models, n_prices;
			const struct ag_cat_model *m = ag_catalog_models(cat, t, &n_models);

			ag_catalog_prices(cat, ag_catalog_text(cat, t->family), &n_prices);
			for (uint32_t k = 0; k < n_models; k++) {
				ag_catalog_model(cat, t, ag_catalog_text(cat, m[k].slug));
				if (m[k].price_ix != AG_NONE_IX)
					ag_catalog_price_at(cat, m[k].price_ix);
			}
			ag_catalog_provider(cat, ws, ag_catalog_text(cat, p[i].slug));
			ag_catalog_price(cat, ag_catalog_text(cat, t->family), AG_STR("m-3"), 500);
		}
	}
}

/* A copy of its own memory, so that a sanitizer sees every step outside it. */
static int
load_damaged(const struct ag_buf *blob, size_t at, uint8_t flip, bool mend_crc)
{
	struct ag_cat_hdr *hdr;
	struct ag_catalog *cat = NULL;
	struct ag_buf copy;
	int rc;

	ag_buf_init(&copy, blob->n);
	ag_buf_put(&copy, blob->p, blob->n);
	copy.p[at] = (char)(copy.p[at] ^ flip);
	hdr = (void *)copy.p;
	if (mend_crc)
		hdr->crc = ag_crc32c(0, copy.p + sizeof(*hdr), copy.n - sizeof(*hdr));
	rc = ag_catalog_load(&copy, 1, &cat, NULL);
	if (rc == 0) {
		use_all(cat);
		ag_catalog_unref(cat);
	}
	ag_buf_fini(&copy);
	return rc;
}

static void
every_damaged_byte_is_refused_or_harmless(void)
{
	static struct world w;
	struct ag_buf blob;
	bool all_refused = true;
	unsigned accepted = 0;

	ag_buf_init(&blob, BLOB_MAX);
	do {
		ag_buf_reset(&blob);
		make_world(&w, &blob);
	} while (blob.n > 20000 || w.n_prov < 5 || w.n_model < 5 || w.n_price < 5);
	for (size_t at = 0; at < blob.n; at++)
		all_refused = all_refused && load_damaged(&blob, at, (uint8_t)(1 + rnd(255)), false) < 0;
	ok(all_refused, "one changed byte out of %zu is always refused", blob.n);
	for (size_t at = 0; at < blob.n; at++)
		accepted += load_damaged(&blob, at, (uint8_t)(1 + rnd(255)), true) == 0;
	ok(accepted > 0 && accepted < blob.n, "with the checksum mended %u of %zu are harmless",
	    accepted, blob.n);
	for (size_t n = 0; n < blob.n; n += 1 + n / 8) {
		struct ag_buf cut;
		struct ag_catalog *cat = NULL;

		ag_buf_init(&cut, blob.n);
		ag_buf_put(&cut, blob.p, n);
		if (ag_catalog_load(&cut, 1, &cat, NULL) == 0)
			ok(false, "%zu bytes of %zu were believed", n, blob.n);
		ag_buf_fini(&cut);
	}
	ag_buf_fini(&blob);
}

static void
a_catalogue_that_does_not_fit_is_refused(void)
{
	struct ag_catalog_build *b = ag_catalog_build_new(1024);
	struct ag_cat_workspace ws = { .id = 1 };
	struct ag_err err = { "" };
	struct ag_buf out;

	ag_buf_init(&out, BLOB_MAX);
	for (int i = 0; i < 100; i++)
		ag_catalog_build_workspace(b, &ws);
	is_i64(ag_catalog_build_finish(b, &out, &err), -ENOSPC, "more rows than fit are refused");
	ok(strstr(err.text, "1024") != NULL, "naming the ceiling: %s", err.text);
	ag_catalog_build_free(b);
	ag_buf_fini(&out);
}

static void
scopes_are_found_by_name(void)
{
	uint64_t bits[AG_SCOPE_WORDS] = { 0 };
	bool round_trip = true;

	for (unsigned i = 0; i < AG_SCOPES; i++)
		round_trip = round_trip &&
		    ag_scope_find(ag_str(ag_scope_name((enum ag_scope)i))) == (enum ag_scope)i;
	ok(round_trip, "each of %d scopes is found by its name", AG_SCOPES);
	ok(ag_scope_find(AG_STR("completions.read")) == AG_SCOPE_NONE, "an unknown one is not");
	ag_scopes_add(bits, AG_SCOPE_COMPLETIONS_WRITE);
	ok(ag_scopes_has(bits, AG_SCOPE_COMPLETIONS_WRITE), "a scope given is held");
	ok(!ag_scopes_has(bits, AG_SCOPE_LOGS_WRITE), "its neighbour is not");
	ok(!(ag_scope_flags(AG_SCOPE_COMPLETIONS_WRITE) & AG_SCOPE_OF_A),
	    "an admin key cannot hold completions.write");
}

int
main(void)
{
	random_catalogues_answer_as_a_plain_search_does();
	a_dated_name_finds_the_undated_price();
	every_damaged_byte_is_refused_or_harmless();
	a_catalogue_that_does_not_fit_is_refused();
	scopes_are_found_by_name();
	return done();
}
