/* Guardrails and configs as people write them: refused with a reason, or compiled to bytes that pass
 * their own check and decide without leaving them. */
#include "fuzz.h"

#include "policy/config_read.h"
#include "policy/guard.h"
#include "policy/guard_read.h"

static void
decide(const struct ag_guard *g)
{
	static const char *const metadata[] = { "", "{\"tier\":\"gold\",\"n\":1,\"supported_endpoints\":\"embed,chatComplete\"}" };

	for (int i = 0; i < 4; i++) {
		struct ag_guard_subject s = { .model = ag_str(i & 1 ? "gpt-4o" : "m"), .slug = AG_STR("openai"),
			.metadata = ag_str(metadata[i >> 1]), .endpoint = AG_EP_CHAT, .is_stream = i & 1 };
		struct ag_guard denying = *g;
		struct ag_buf out;

		denying.flags = AG_GUARD_DENY;
		ag_buf_init(&out, 1u << 20);
		must(ag_guard_allows(&denying, &s) == ag_guard_report(&denying, &s, "now", &out));
		ag_buf_fini(&out);
	}
}

static void
as_config(struct ag_str text)
{
	struct ag_read_fault f = { "", "" };
	struct ag_config c;
	struct ag_guard g;
	struct ag_str slug;
	struct ag_buf out, merged;

	ag_buf_init(&out, 1u << 20);
	if (ag_config_read(text, &out, &f) < 0) {
		must(f.why[0] != '\0');
	} else {
		must(ag_config_ok(ag_buf_str(&out)) && ag_config_open(ag_buf_str(&out), &c));
		for (uint32_t i = 0; i < c.n_guards; i++) {
			must(ag_config_guard(&c.guards, &slug, &g));
			if (slug.n == 0)
				decide(&g);
		}
		ag_buf_init(&merged, 1u << 20);
		if (c.overrides.n > 0)
			must(ag_json_merge(AG_STR("{\"model\":\"m\"}"), c.overrides, &merged) <= 0);
		ag_buf_fini(&merged);
	}
	ag_buf_fini(&out);
}

static void
as_checks(struct ag_str text)
{
	struct ag_guard g = { .id = AG_STR("pg") };
	struct ag_read_fault f = { "", "" };
	struct ag_guard_actions actions;
	struct ag_buf out;

	ag_buf_init(&out, 1u << 20);
	if (ag_guard_read_checks(text, "checks", &out, &g.n_checks, &f) == 0) {
		g.checks = ag_buf_str(&out);
		must(ag_guard_checks_ok(g.checks, g.n_checks));
		decide(&g);
	} else {
		must(f.why[0] != '\0');
	}
	ag_buf_fini(&out);
	if (ag_guard_read_actions(text, "actions", &actions, &f) == 0)
		must(actions.flags <= AG_GUARD_FLAGS);
	/* The same bytes as a blob. */
	(void)ag_config_ok(text);
	(void)ag_guard_checks_ok(text, 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ag_str text = ag_str_n((const char *)data, size);

	as_config(text);
	as_checks(text);
	return 0;
}
