/* test_guard.c - what guardrails and configs say once they are read, and what a guardrail decides. */
#include "policy/guard.h"

#include "base/attr.h"
#include "policy/config_read.h"
#include "policy/guard_read.h"
#include "tap.h"

static struct ag_buf checks;
static uint32_t n_checks;
static struct ag_read_fault fault;
static struct ag_guard_subject subject;

static int
read_one(const char *json)
{
	char whole[4096];

	snprintf(whole, sizeof(whole), "[%s]", json);
	ag_buf_reset(&checks);
	fault = (struct ag_read_fault){ .path = "" };
	return ag_guard_read_checks(ag_str(whole), "checks", &checks, &n_checks, &fault);
}

static void
ask(const char *model, const char *metadata)
{
	subject = (struct ag_guard_subject){ .model = ag_str(model), .slug = AG_STR("openai-prod"),
		.metadata = ag_str(metadata), .endpoint = AG_EP_CHAT };
}

static bool
allows(void)
{
	struct ag_guard g = { .id = AG_STR("pg"), .checks = ag_buf_str(&checks), .n_checks = n_checks,
		.flags = AG_GUARD_DENY };
	struct ag_buf out;
	bool quiet = ag_guard_allows(&g, &subject), told;

	ag_buf_init(&out, 65536);
	told = ag_guard_report(&g, &subject, "2026-01-01T00:00:00.000Z", &out);
	if (quiet != told || out.failed || !ag_guard_checks_ok(g.checks, g.n_checks))
		ok(false, "what is decided and what is told agree");
	ag_buf_fini(&out);
	return told;
}

/* Whether the check lets this pass. */
static bool
passes(const char *model, const char *metadata)
{
	ask(model, metadata);
	return allows();
}

#define RULES "{\"id\":\"default.modelRules\",\"parameters\":{\"rules\":{\"defaults\":[\"d\"],\"metadata\":{" \
	"\"tier\":{\"gold\":[\"a\",\"b\"],\"silver\":[\"b\"],\"none\":[]},\"team\":{\"x\":[\"t\"],\"7\":[\"n\"]}}}%s}}"

static void
rules_join_what_is_met_and_fall_back_to_the_defaults(void)
{
	char text[1024];

	snprintf(text, sizeof(text), RULES, "");
	is_i64(read_one(text), 0, "model rules are read");
	ok(passes("a", "{\"tier\":\"gold\"}") && !passes("d", "{\"tier\":\"gold\"}"), "a rule that is met stands");
	ok(passes("a", "{\"tier\":\"gold\",\"team\":\"x\"}") && passes("t", "{\"tier\":\"gold\",\"team\":\"x\"}"),
	    "two that are met stand together");
	ok(passes("d", "") && passes("d", "{\"tier\":\"lead\"}") && !passes("a", "{\"tier\":\"lead\"}"),
	    "none that is met leaves the defaults");
	ok(passes("d", "{\"tier\":null}") && passes("d", "{\"tier\":\"none\"}"), "null and an empty list are none");
	ok(passes("n", "{\"team\":7}") && passes("n", "{\"team\":\"7\"}"), "a number is what it reads as");
	ok(passes("a", "{\"t\\u0069er\":\"g\\u006fld\"}"), "escapes are read");
	ok(!passes("A", "{\"tier\":\"gold\"}") && !passes("aa", "{\"tier\":\"gold\"}") && !passes("", "{\"tier\":\"gold\"}"),
	    "a model is its exact name");
	snprintf(text, sizeof(text), RULES, ",\"not\":true");
	is_i64(read_one(text), 0, "the same, turned round");
	ok(!passes("a", "{\"tier\":\"gold\"}") && passes("z", "{\"tier\":\"gold\"}") && !passes("d", ""),
	    "not forbids what is listed");
}

static void
both_spellings_and_the_rules_of_a_whitelist_say_the_same(void)
{
	static const char *const texts[] = {
		"{\"id\":\"default.modelRules\",\"parameters\":{\"rules\":{\"defaults\":[\"d\"],\"metadata\":{\"tier\":{\"gold\":[\"a\"]}}}}}",
		"{\"id\":\"default.modelRules\",\"parameters\":{\"model_rules\":{\"defaults\":[\"d\"],\"metadata_routing\":{\"tier\":{\"gold\":[\"a\"]}}}}}",
		"{\"id\":\"default.modelwhitelist\",\"parameters\":{\"models\":[\"d\"],\"metadataRules\":[{\"metadataKey\":\"tier\",\"values\":[\"gold\",\"x\"],\"models\":[\"a\"]}]}}",
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(texts); i++) {
		is_i64(read_one(texts[i]), 0, "a spelling is read");
		ok(passes("a", "{\"tier\":\"gold\"}") && !passes("d", "{\"tier\":\"gold\"}") && passes("d", "") &&
		    !passes("a", ""), "and means the same");
	}
}

static void
a_list_may_name_the_provider(void)
{
	is_i64(read_one("{\"id\":\"default.modelWhitelist\",\"parameters\":{\"models\":[\"@openai-prod/gpt-4o\","
	    "\"@other/o3\",\"@openai-prod/\"]}}"), 0, "with its provider");
	ok(passes("gpt-4o", ""), "the provider's model");
	ok(!passes("o3", "") && !passes("gpt-4", "") && !passes("/gpt-4o", ""), "and no other's");
	is_i64(read_one("{\"id\":\"default.modelWhitelist\",\"parameters\":{\"models\":[\"*\"]}}"), 0, "a star");
	ok(passes("anything", ""), "is any model");
}

static void
what_cannot_be_decided_fails_unless_told_otherwise(void)
{
	static const char rule[] = "{\"id\":\"default.modelRules\",\"parameters\":{\"rules\":{\"metadata\":{\"t\":"
	    "{\"g\":[\"a\"]}}}%s}}";
	char text[512];
	struct { const char *more; bool plain, open; } cases[] = { { "", false, true },
		{ ",\"failOnError\":true", false, false }, { ",\"failOnError\":false", true, true } };

	for (size_t i = 0; i < AG_ARRAY_LEN(cases); i++) {
		snprintf(text, sizeof(text), rule, cases[i].more);
		is_i64(read_one(text), 0, "rules without defaults");
		ask("a", "");
		is_i64(allows(), cases[i].plain, "closed");
		subject.errors_pass = true;
		is_i64(allows(), cases[i].open, "open");
		ok(passes("a", "{\"t\":\"g\"}"), "what can be decided is");
	}
}

static void
request_types_know_streams_by_two_names(void)
{
	static const struct { const char *parameters; bool chat, stream, embed, any; } cases[] = {
		{ "{}", true, true, true, true },
		{ "{\"allowedTypes\":[\"chatComplete\"]}", true, true, false, true },
		{ "{\"allowedTypes\":[\"stream-chatComplete\"]}", false, true, false, true },
		{ "{\"blockedTypes\":\"stream-chatComplete, embed\"}", true, false, false, true },
		{ "{\"allowedTypes\":[\"rerank\"]}", false, false, false, false },
	};
	char text[512];

	for (size_t i = 0; i < AG_ARRAY_LEN(cases); i++) {
		snprintf(text, sizeof(text), "{\"id\":\"default.allowedRequestTypes\",\"parameters\":%s}",
		    cases[i].parameters);
		is_i64(read_one(text), 0, cases[i].parameters);
		ask("m", "");
		is_i64(allows(), cases[i].chat, "chat");
		subject.is_stream = true;
		is_i64(allows(), cases[i].stream, "streamed chat");
		subject.endpoint = AG_EP_EMBEDDING;
		subject.is_stream = false;
		is_i64(allows(), cases[i].embed, "embedding");
	}
}

static void
checks_and_parameters_that_are_not_made_are_named(void)
{
	static const struct { const char *json, *path, *why; } cases[] = {
		{ "{\"id\":\"default.webhook\"}", "checks[0].parameters", "default.webhook is not implemented" },
		{ "{\"id\":\"aporia.validate\"}", "checks[0].parameters", "aporia.validate is not implemented" },
		{ "{\"id\":\"default.no\"}", "checks[0].parameters", "is not a check" },
		{ "{\"id\":\"default.modelWhitelist\",\"parameters\":{\"models\":[]}}", "checks[0].parameters", "needs models" },
		{ "{\"id\":\"default.modelWhitelist\",\"parameters\":{\"models\":[\"\"]}}",
		  "checks[0].parameters.models[0]", "must not be empty" },
		{ "{\"id\":\"default.modelWhitelist\",\"parameters\":{\"models\":[\"a\\u0000\"]}}",
		  "checks[0].parameters.models[0]", "NUL" },
		{ "{\"id\":\"default.modelRules\",\"parameters\":{\"rules\":{\"defaults\":[\"a\"]},\"model_rules\":"
		  "{\"defaults\":[\"b\"]}}}", "checks[0].parameters.model_rules", "twice" },
		{ "{\"parameters\":{}}", "checks[0].id", "required" }, { "4", "checks[0]", "object" },
		{ "{\"id\":\"default.modelWhitelist\"", "checks", "JSON" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(cases); i++) {
		ok(read_one(cases[i].json) < 0, "refused: %.60s", cases[i].json);
		is_str(fault.path, cases[i].path, "the place is named");
		ok(strstr(fault.why, cases[i].why) != NULL, "\"%s\" says \"%s\"", fault.why, cases[i].why);
	}
}

static void
a_check_that_is_switched_off_is_left_out(void)
{
	is_i64(read_one("{\"id\":\"default.modelWhitelist\",\"is_enabled\":false,\"parameters\":{\"models\":[\"a\"]}},"
	    "{\"id\":\"default.modelWhitelist\",\"parameters\":{\"models\":[\"b\"]}}"), 0, "one is off");
	is_i64(n_checks, 1, "one is left");
	ok(passes("b", "") && !passes("a", ""), "and decides");
}

/* ---- configs ---- */

static struct ag_buf body;

static int
read_config(const char *json)
{
	ag_buf_reset(&body);
	fault = (struct ag_read_fault){ .path = "" };
	return ag_config_read(ag_str(json), &body, &fault);
}

static void
a_config_is_what_was_written(void)
{
	struct ag_config c;
	struct ag_guard g;
	struct ag_str slug;

	is_i64(read_config("{\"strategy\":{\"mode\":\"single\"},\"request_timeout\":5000,"
	    "\"override_params\":{\"a\":1,\"b\":{\"c\":[2]}},\"input_guardrails\":[\"pg-root\"],\"targets\":[{"
	    "\"virtual_key\":\"old\",\"provider\":\"@openai/x\",\"override_params\":{\"b\":3},"
	    "\"strict_open_ai_compliance\":false,\"input_guardrails\":[\"pg-one\",{\"id\":\"two\",\"deny\":true,"
	    "\"default.modelWhitelist\":{\"models\":[\"m\"]}}]}]}"), 0, "a config with one target");
	ok(ag_config_ok(ag_buf_str(&body)) && ag_config_open(ag_buf_str(&body), &c), "reads back");
	ok(ag_str_eq(c.provider, AG_STR("openai")), "provider beats virtual_key, what follows a slash is cut");
	is_i64(c.timeout_ms, 5000, "the timeout is inherited");
	is_i64(c.strict, AG_CONFIG_STRICT_OFF, "strictness is the target's");
	ok(ag_str_eq(c.overrides, AG_STR("{\"a\":1,\"b\":3}")), "parameters are merged, the target wins");
	is_i64(c.n_guards, 2, "guardrails are the target's alone");
	ok(ag_config_guard(&c.guards, &slug, &g) && ag_str_eq(slug, AG_STR("pg-one")), "one is named");
	ok(ag_config_guard(&c.guards, &slug, &g) && slug.n == 0 && ag_str_eq(g.id, AG_STR("two")) &&
	    g.flags == AG_GUARD_DENY && g.n_checks == 1, "one stands in it");
	is_i64(read_config(" {\"provider\":\"@p\"} "), 0, "a bare provider");
	ok(read_config("{\"provider\":\"@p\"} x") < 0 && read_config("{\"provider\":\"@\"}") < 0 &&
	    read_config("") < 0 && read_config("{\"provider\":\"@p\"") < 0, "nothing less");
}

static void
merging_keeps_each_name_once(void)
{
	static const struct { const char *base, *over, *want; } cases[] = {
		{ "{}", "{}", "{}" }, { "{\"a\":1}", "{}", "{\"a\":1}" }, { "{}", "{\"a\":1}", "{\"a\":1}" },
		{ "{\"a\":1,\"b\":[1,{\"a\":2}]}", "{\"a\":{\"x\":1}}", "{\"b\":[1,{\"a\":2}],\"a\":{\"x\":1}}" },
		{ "{\"\\u0061\":1,\"A\":2}", "{\"a\":3}", "{\"A\":2,\"a\":3}" },
		{ "{\"a\":1}", "{\"\\u0061\":3}", "{\"\\u0061\":3}" },
		{ "{\"a\":1,\"a\":2,\"c\":3}", "{\"a\":4}", "{\"c\":3,\"a\":4}" },
	};
	struct ag_buf out;

	ag_buf_init(&out, 4096);
	for (size_t i = 0; i < AG_ARRAY_LEN(cases); i++) {
		ag_buf_reset(&out);
		is_i64(ag_json_merge(ag_str(cases[i].base), ag_str(cases[i].over), &out), 0, cases[i].base);
		ok(ag_str_eq(ag_buf_str(&out), ag_str(cases[i].want)), "is %s", cases[i].want);
	}
	ok(ag_json_merge(AG_STR("[]"), AG_STR("{\"a\":1}"), &out) < 0 &&
	    ag_json_merge(AG_STR("{\"a\":1"), AG_STR("{}"), &out) < 0, "what is no object is refused");
	ag_buf_fini(&out);
}

/* Each byte changed, each length cut: refused, or harmless. */
static void
damaged_bytes_are_refused_or_harmless(void)
{
	bool fine = true;

	is_i64(read_config("{\"provider\":\"@p\",\"input_guardrails\":[\"g\",{\"default.modelRules\":{\"rules\":"
	    "{\"defaults\":[\"a\"],\"metadata\":{\"k\":{\"v\":[\"m\"]}}}},\"default.requiredMetadataKeyPairs\":"
	    "{\"metadataPairs\":{\"a\":\"b\"}},\"default.allowedRequestTypes\":{\"allowedTypes\":[\"embed\"]}}]}"),
	    0, "a config with everything");
	for (size_t i = 0; i < body.n; i++)
		for (int bit = 0; bit < 8; bit++) {
			struct ag_config c;
			struct ag_guard g;
			struct ag_str slug;

			body.p[i] = (char)(body.p[i] ^ (1 << bit));
			ask("m", "{\"k\":\"v\",\"a\":\"b\"}");
			if (ag_config_ok(ag_buf_str(&body)) && ag_config_open(ag_buf_str(&body), &c))
				while (c.n_guards-- > 0 && ag_config_guard(&c.guards, &slug, &g))
					if (slug.n == 0)
						(void)ag_guard_allows(&g, &subject);
			body.p[i] = (char)(body.p[i] ^ (1 << bit));
		}
	for (size_t n = 0; n < body.n; n++)
		fine = fine && !ag_config_ok(ag_str_n(body.p, n));
	ok(fine, "a config cut short is refused");
}

int
main(void)
{
	ag_buf_init(&checks, 65536);
	ag_buf_init(&body, 65536);
	rules_join_what_is_met_and_fall_back_to_the_defaults();
	both_spellings_and_the_rules_of_a_whitelist_say_the_same();
	a_list_may_name_the_provider();
	what_cannot_be_decided_fails_unless_told_otherwise();
	request_types_know_streams_by_two_names();
	checks_and_parameters_that_are_not_made_are_named();
	a_check_that_is_switched_off_is_left_out();
	a_config_is_what_was_written();
	merging_keeps_each_name_once();
	damaged_bytes_are_refused_or_harmless();
	ag_buf_fini(&checks);
	ag_buf_fini(&body);
	return done();
}
