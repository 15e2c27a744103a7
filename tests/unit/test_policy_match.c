/* test_policy_match.c - which policies apply to a request, and what they count it under. */
#include "policy/policy_match.h"

#include <stdlib.h>

#include "base/attr.h"
#include "catalog/catalog_build.h"
#include "tap.h"

#define KEY_UUID "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"
#define WS_UUID  "0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b"
#define ORG_UUID "0c0c0c0c-0c0c-0c0c-0c0c-0c0c0c0c0c0c"
#define PROV_UUID "0d0d0d0d-0d0d-0d0d-0d0d-0d0d0d0d0d0d"

static const uint8_t key_uuid[16] = { 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10 };

/* One policy under construction, then the request it is asked about. */
static struct ag_buf conditions, groups;
static uint32_t n_conditions, n_groups;
static struct ag_policy_subject subject;
static struct ag_policy_key result;

static void
begin(void)
{
	ag_buf_reset(&conditions);
	ag_buf_reset(&groups);
	n_conditions = n_groups = 0;
	subject = (struct ag_policy_subject){ .family = AG_STR("openai"), .model = AG_STR("gpt-4o"),
		.endpoint = AG_EP_CHAT, .key_uuid = key_uuid,
		.metadata = AG_STR("{\"user\":\"ann\",\"tier\":\"gold\",\"n\":7,\"none\":null,\"no\":false,"
		    "\"e\\u0073c\":\"a\\\"b\",\"list\":[1],\"empty\":\"\"}") };
}

/* values and excludes: up to three, NULL ends. */
static void
condition(enum ag_rule_key key, const char *name, const char *const values[3],
    const char *const excludes[3])
{
	struct ag_rule_head h = { .key = key, .name = ag_str(name), .is_any = !values };

	for (int i = 0; values && i < 3 && values[i]; i++)
		h.n_values++;
	for (int i = 0; excludes && i < 3 && excludes[i]; i++)
		h.n_excludes++;
	ag_rule_put_condition(&conditions, &h);
	for (int i = 0; i < h.n_values; i++)
		ag_rule_put_text(&conditions, ag_str(values[i]));
	for (int i = 0; i < h.n_excludes; i++)
		ag_rule_put_text(&conditions, ag_str(excludes[i]));
	n_conditions++;
}
#define ONE(s) ((const char *const[3]){ s })
#define TWO(a, b) ((const char *const[3]){ a, b })

static void
group(enum ag_rule_key key, const char *name)
{
	ag_rule_put_group(&groups, key, ag_str(name));
	n_groups++;
}

/* Whether policy `id` applies to the subject; result is filled then. */
static bool
applies_as(int64_t id)
{
	struct ag_catalog_build *b = ag_catalog_build_new(1u << 20);
	struct ag_cat_org org = { .id = 1 };
	struct ag_cat_workspace ws = { .id = 5, .state = AG_CAT_ACTIVE }, other = { .id = 6,
		.state = AG_CAT_ACTIVE };
	struct ag_cat_integration integ = { .id = 1, .state = AG_CAT_ACTIVE, .allow_all_models = 1 };
	struct ag_cat_grant grant = { .id = 1, .is_enabled = 1 };
	struct ag_cat_provider prov = { .id = 1, .state = AG_CAT_ACTIVE, .expires_at_us = INT64_MAX };
	struct ag_cat_policy p = { .id = id, .limit = 1, .alert_at = INT64_MAX,
		.kind = AG_METER_BUDGET, .unit = AG_UNIT_NUSD, .n_conditions = n_conditions,
		.n_groups = n_groups };
	const struct ag_cat_policy *row;
	struct ag_policy_facts facts;
	struct ag_catalog *cat;
	struct ag_buf blob;
	struct ag_err err = { "" };
	uint32_t n;
	bool does;

	memset(org.uuid, 12, 16);
	memset(ws.uuid, 11, 16);
	memset(prov.uuid, 13, 16);
	ws.slug = ag_catalog_build_text(b, AG_STR("ws-ann"));
	prov.slug = ag_catalog_build_text(b, AG_STR("openai-prod"));
	ag_catalog_build_org(b, &org);
	ag_catalog_build_workspace(b, &other);
	grant.workspace_ix = prov.workspace_ix = p.workspace_ix = ag_catalog_build_workspace(b, &ws);
	ag_catalog_build_integration(b, &integ);
	ag_catalog_build_grant(b, &grant);
	ag_catalog_build_provider(b, &prov);
	p.conditions = ag_catalog_build_text(b, ag_buf_str(&conditions));
	p.groups = ag_catalog_build_text(b, ag_buf_str(&groups));
	ag_catalog_build_policy(b, &p);
	ag_buf_init(&blob, 1u << 20);
	if (ag_catalog_build_finish(b, &blob, &err) < 0 || ag_catalog_load(&blob, 1, &cat, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
	ag_catalog_build_free(b);
	subject.cat = cat;
	subject.ws = ag_catalog_workspace(cat, 5);
	subject.provider = ag_catalog_providers(cat, subject.ws, &n);
	ag_policy_facts_init(&facts, &subject);
	row = ag_catalog_policies(cat, subject.ws, &n);
	does = n == 1 && ag_policy_match(cat, row, &facts, &result);
	ag_policy_facts_fini(&facts);
	if (ag_catalog_policies(cat, ag_catalog_workspace(cat, 6), &n), n != 0)
		ok(false, "another workspace has none of it");
	ag_catalog_unref(cat);
	return does;
}

static bool
applies(void)
{
	return applies_as(1);
}

static bool
is_key(const char *want, const char *text)
{
	return ok(ag_str_eq(ag_str_n(result.text, result.n), ag_str(want)), "%s: %.*s", text,
	    (int)result.n, result.text);
}

/* The one condition against the subject of begin(). */
static bool
one(enum ag_rule_key key, const char *name, const char *const values[3], const char *const excludes[3])
{
	begin();
	condition(key, name, values, excludes);
	return applies();
}

static void
each_key_compares_with_its_fact(void)
{
	static const struct { enum ag_rule_key key; const char *name, *yes, *no; } t[] = {
		{ AG_RULE_API_KEY, "", KEY_UUID, WS_UUID },
		{ AG_RULE_API_KEY, "", "0A0A0A0A-0a0a-0a0a-0a0a-0a0a0a0a0a0a", "0a0a" },
		{ AG_RULE_METADATA, "user", "ann", "Ann" },
		{ AG_RULE_METADATA, "n", "7", "7.0" },
		{ AG_RULE_METADATA, "no", "false", "true" },
		{ AG_RULE_METADATA, "esc", "a\"b", "a\\\"b" },
		{ AG_RULE_METADATA, "empty", "", " " },
		{ AG_RULE_WORKSPACE, "", WS_UUID, ORG_UUID },
		{ AG_RULE_WORKSPACE, "", "ws-ann", "ws-an" },
		{ AG_RULE_ORG, "", ORG_UUID, WS_UUID },
		{ AG_RULE_VIRTUAL_KEY, "", "openai-prod", PROV_UUID },
		{ AG_RULE_PROVIDER, "", "openai", "openai-prod" },
		{ AG_RULE_MODEL, "", "@openai/gpt-4o", "@openai/gpt-4" },
		{ AG_RULE_MODEL, "", "@openai/*", "@azure/*" },
		{ AG_RULE_MODEL, "", "@openai/gpt-4*", "@openai/gpt-5*" },
		{ AG_RULE_ENDPOINT, "", "chatComplete", "embed" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(t); i++) {
		ok(one(t[i].key, t[i].name, ONE(t[i].yes), NULL), "%zu: \"%s\" applies", i, t[i].yes);
		ok(!one(t[i].key, t[i].name, ONE(t[i].no), NULL), "%zu: \"%s\" does not", i, t[i].no);
		ok(one(t[i].key, t[i].name, TWO(t[i].no, t[i].yes), NULL), "%zu: one of two is enough", i);
		ok(one(t[i].key, t[i].name, NULL, NULL), "%zu: anything is", i);
		ok(!one(t[i].key, t[i].name, NULL, TWO(t[i].no, t[i].yes)), "%zu: not what is excluded", i);
		ok(one(t[i].key, t[i].name, NULL, ONE(t[i].no)), "%zu: others are not excluded", i);
		ok(!one(t[i].key, t[i].name, ONE(t[i].yes), ONE(t[i].yes)), "%zu: excludes win", i);
	}
}

static void
what_is_missing_does_not_apply(void)
{
	ok(!one(AG_RULE_METADATA, "nobody", NULL, NULL), "no such member, anything wanted");
	ok(!one(AG_RULE_METADATA, "nobody", NULL, ONE("x")), "no such member, one excluded");
	ok(!one(AG_RULE_METADATA, "none", NULL, NULL), "null is no value");
	ok(!one(AG_RULE_METADATA, "list", NULL, NULL), "an array is no value");
	begin();
	condition(AG_RULE_METADATA, "user", NULL, NULL);
	subject.metadata = AG_STR_NONE;
	ok(!applies(), "no metadata at all");
	begin();
	condition(AG_RULE_ENDPOINT, "", NULL, NULL);
	subject.endpoint = AG_EP_NONE;
	ok(!applies(), "no endpoint");
	begin();
	condition(AG_RULE_PROVIDER, "", NULL, NULL);
	group(AG_RULE_METADATA, "nobody");
	ok(!applies(), "what it groups by is missing");
}

static void
all_conditions_must_hold(void)
{
	begin();
	condition(AG_RULE_METADATA, "user", ONE("ann"), NULL);
	condition(AG_RULE_METADATA, "tier", ONE("gold"), ONE("iron"));
	condition(AG_RULE_MODEL, "", ONE("@openai/*"), ONE("@openai/o1*"));
	ok(applies(), "three that hold");
	condition(AG_RULE_PROVIDER, "", ONE("groq"), NULL);
	ok(!applies(), "and one that does not");
	begin();
	ok(applies(), "none: applies to all");
}

static void
the_value_key_names_the_groups_in_order(void)
{
	begin();
	ok(applies(), "no groups");
	is_key("default", "without groups");
	begin();
	group(AG_RULE_METADATA, "user");
	ok(applies(), "one group");
	is_key("metadata.user:ann", "one");
	begin();
	group(AG_RULE_MODEL, "");
	group(AG_RULE_API_KEY, "");
	group(AG_RULE_VIRTUAL_KEY, "");
	group(AG_RULE_METADATA, "esc");
	ok(applies(), "four groups");
	is_key("model:openai.gpt-4o-api_key:" KEY_UUID "-virtual_key:" PROV_UUID "-metadata.esc:a\"b",
	    "four");
}

static int64_t
id_of(int64_t policy, const char *metadata)
{
	begin();
	group(AG_RULE_METADATA, "a");
	group(AG_RULE_METADATA, "b");
	subject.metadata = ag_str(metadata);
	return applies_as(policy) ? result.id : 0;
}

static void
the_id_is_of_policy_and_value_and_of_nothing_else(void)
{
	int64_t id = id_of(1, "{\"a\":\"1\",\"b\":\"2\"}");

	ok(id >= AG_METER_DERIVED, "above every row of a table");
	is_i64(id_of(1, "{\"c\":3,\"b\":\"2\",\"a\":\"1\"}"), id, "the same again");
	ok(id_of(2, "{\"a\":\"1\",\"b\":\"2\"}") != id, "another policy");
	ok(id_of(1, "{\"a\":\"2\",\"b\":\"1\"}") != id, "another value");
}

static void
no_value_passes_for_two(void)
{
	int64_t one = id_of(1, "{\"a\":\"x\",\"b\":\"y-metadata.b:z\"}");
	char text[256];
	size_t n = result.n;

	memcpy(text, result.text, n);
	ok(id_of(1, "{\"a\":\"x-metadata.b:y\",\"b\":\"z\"}") != one, "their ids differ");
	ok(n == result.n && memcmp(text, result.text, n) == 0, "though both read alike");
}

static void
a_model_too_long_to_compare_is_absent(void)
{
	static char name[900];

	memset(name, 'm', sizeof(name));
	begin();
	condition(AG_RULE_MODEL, "", NULL, NULL);
	subject.model = ag_str_n(name, sizeof(name));
	ok(!applies(), "does not apply");
}

static void
a_catalogue_with_broken_rules_is_refused(void)
{
	struct ag_str none = AG_STR_NONE, c;

	begin();
	condition(AG_RULE_METADATA, "user", TWO("a", "b"), ONE("c"));
	group(AG_RULE_METADATA, "user");
	c = ag_buf_str(&conditions);
	ok(ag_rules_ok(c, 1, ag_buf_str(&groups), 1), "as written");
	for (size_t n = 0; n < c.n; n++)
		if (ag_rules_ok(ag_str_n(c.p, n), 1, none, 0))
			ok(false, "cut at %zu", n);
	ok(!ag_rules_ok(c, 2, none, 0), "one more than there is");
	ok(!ag_rules_ok(c, 0, none, 0), "one less");
	conditions.p[0] = AG_RULE_KEYS;
	ok(!ag_rules_ok(c, 1, none, 0), "a key there is not");
	conditions.p[0] = AG_RULE_PROVIDER;
	ok(!ag_rules_ok(c, 1, none, 0), "a name where none belongs");
}

int
main(void)
{
	ag_buf_init(&conditions, 65536);
	ag_buf_init(&groups, 65536);
	each_key_compares_with_its_fact();
	what_is_missing_does_not_apply();
	all_conditions_must_hold();
	the_value_key_names_the_groups_in_order();
	the_id_is_of_policy_and_value_and_of_nothing_else();
	no_value_passes_for_two();
	a_model_too_long_to_compare_is_absent();
	a_catalogue_with_broken_rules_is_refused();
	ag_buf_fini(&conditions);
	ag_buf_fini(&groups);
	return done();
}
