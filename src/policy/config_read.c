#include "policy/config_read.h"

#include <errno.h>
#include <stdio.h>

#include "base/attr.h"
#include "policy/guard_read.h"

#define TIMEOUT_MAX_MS 3600000u
#define GUARDS_MAX_BYTES (1u << 20)

/* What one level of a config says: the whole, or its one target. */
struct level {
	struct ag_read_text provider;
	bool has_any;               /* something that may stand alone */
	uint32_t timeout_ms;
	enum ag_config_strict strict;
	struct ag_buf defaults, overrides; /* owned; JSON objects, or empty */
	struct ag_buf guards;       /* owned */
	uint32_t n_guards;
	bool has_guards;            /* they replace those of the level above */
	bool has_strategy;
	bool names_model_of;        /* its model is "@slug/model" */
	struct ag_str target;       /* raw; n 0 none */
};

static void
level_init(struct level *l)
{
	*l = (struct level){ .strict = AG_CONFIG_STRICT_UNSET };
	ag_buf_init(&l->defaults, AG_CONFIG_BLOCK_MAX);
	ag_buf_init(&l->overrides, AG_CONFIG_BLOCK_MAX);
	ag_buf_init(&l->guards, GUARDS_MAX_BYTES);
}

static void
level_fini(struct level *l)
{
	ag_buf_fini(&l->defaults);
	ag_buf_fini(&l->overrides);
	ag_buf_fini(&l->guards);
}

static int
later(const struct ag_read_value *v, struct ag_read_fault *f)
{
	return ag_read_fail(f, v->path, "is not implemented by this gateway");
}

/* ---- who serves --------------------------------------------------------------------------- */

static int
read_provider(const struct ag_read_value *v, struct level *l, struct ag_read_fault *f)
{
	bool is_provider = ag_read_is(v, "provider");
	struct ag_read_text text;
	const char *p = text.p, *slash;

	if (ag_read_text(v, 255, true, &text, f) < 0)
		return -EINVAL;
	if (is_provider && text.p[0] != '@')
		return ag_read_fail(f, v->path, "\"%.64s\" would need a credential of the caller, which is not "
		    "implemented by this gateway: name a provider of the workspace as @slug", text.p);
	if (text.p[0] == '@')
		p++;
	slash = strchr(p, '/');
	if (*p == '\0' || slash == p)
		return ag_read_fail(f, v->path, "must be the slug of a provider");
	/* provider beats virtual_key, in whatever order they stand. */
	if (l->provider.n == 0 || is_provider) {
		l->provider.n = slash ? (size_t)(slash - p) : strlen(p);
		memcpy(l->provider.p, p, l->provider.n);
		l->provider.p[l->provider.n] = '\0';
	}
	l->has_any = true;
	return 0;
}

static int
read_strategy(const struct ag_read_value *strategy, struct level *l, struct ag_read_fault *f)
{
	struct ag_read_text mode;
	struct ag_read_value v;
	struct ag_read_iter it;
	bool has_mode = false;
	int rc;

	if (ag_read_object(&it, strategy->raw, strategy->path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &v, f)) == 1) {
		if (!ag_read_is(&v, "mode")) {
			if (ag_read_holds(&v))
				return later(&v, f);
			continue;
		}
		if (ag_read_text(&v, 32, true, &mode, f) < 0)
			return -EINVAL;
		if (strcmp(mode.p, "fallback") == 0 || strcmp(mode.p, "loadbalance") == 0 ||
		    strcmp(mode.p, "conditional") == 0)
			return ag_read_fail(f, v.path, "%s is not implemented by this gateway", mode.p);
		if (strcmp(mode.p, "single") != 0)
			return ag_read_fail(f, v.path, "must be single, not \"%s\"", mode.p);
		has_mode = true;
	}
	if (rc == 0 && !has_mode)
		return ag_read_fail(f, strategy->path, "needs a mode");
	l->has_strategy = true;
	return rc;
}

static int
read_targets(const struct ag_read_value *targets, struct level *l, struct ag_read_fault *f)
{
	struct ag_read_value v;
	struct ag_read_iter it;
	int rc;

	if (ag_read_array(&it, targets->raw, targets->path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &v, f)) == 1) {
		if (it.n > 1)
			return ag_read_fail(f, v.path, "more than one target is not implemented by this gateway");
		l->target = v.raw;
	}
	if (rc == 0 && it.n == 0)
		return ag_read_fail(f, targets->path, "must not be empty");
	l->has_any = true;
	return rc;
}

/* ---- guardrails --------------------------------------------------------------------------- */

/* Room for one more. */
static int
count_guard(const char *path, struct level *l, struct ag_read_fault *f)
{
	if (l->n_guards == AG_CONFIG_GUARDS_MAX)
		return ag_read_fail(f, path, "at most %u guardrails", AG_CONFIG_GUARDS_MAX);
	l->n_guards++;
	return 0;
}

/* A guardrail that stands in the config itself, while it is read. */
struct guard {
	struct ag_guard_actions actions;
	struct ag_read_text id;
	struct ag_buf checks; /* owned */
	uint32_t n_checks;
};

static void
guard_init(struct guard *g)
{
	*g = (struct guard){ .actions = { .flags = 0 } };
	ag_buf_init(&g->checks, GUARDS_MAX_BYTES);
}

/* It is read, with rc: written if it is whole, and gone. */
static int
guard_end(struct guard *g, int rc, const char *path, struct level *l, struct ag_read_fault *f)
{
	struct ag_guard whole = { .id = ag_read_str(&g->id), .on_success = ag_str(g->actions.on_success),
		.on_fail = ag_str(g->actions.on_fail), .flags = g->actions.flags, .n_checks = g->n_checks,
		.checks = ag_buf_str(&g->checks) };

	if (rc == 0)
		rc = count_guard(path, l, f);
	if (rc == 0)
		ag_config_put_guard(&l->guards, &whole);
	ag_buf_fini(&g->checks);
	return rc;
}

/* {"default.modelWhitelist": {...}, "deny": true}: checks by their names beside the actions. */
static int
read_inline(const struct ag_read_value *one, struct level *l, struct ag_read_fault *f)
{
	struct ag_read_value v;
	struct ag_read_iter it;
	struct guard g;
	int rc;

	if (ag_read_object(&it, one->raw, one->path, f) < 0)
		return -EINVAL;
	guard_init(&g);
	while ((rc = ag_read_next(&it, &v, f)) == 1) {
		rc = ag_guard_read_action(&v, &g.actions, f);
		if (rc == 0 && ag_read_is(&v, "id")) {
			rc = ag_read_text(&v, 255, true, &g.id, f);
		} else if (rc == 0 && g.n_checks == AG_GUARD_CHECKS_MAX) {
			rc = ag_read_fail(f, one->path, "at most %u checks", AG_GUARD_CHECKS_MAX);
		} else if (rc == 0) {
			rc = ag_guard_read_check(ag_str_n(v.name, v.name_len < AG_RULE_TEXT_MAX ? v.name_len
			    : AG_RULE_TEXT_MAX), v.raw, v.path, &g.checks, f);
			g.n_checks++;
		}
		if (rc < 0)
			break;
	}
	if (rc == 0 && g.n_checks == 0)
		rc = ag_read_fail(f, one->path, "must hold at least one check");
	return guard_end(&g, rc, one->path, l, f);
}

static int
read_guardrails(const struct ag_read_value *list, struct level *l, struct ag_read_fault *f)
{
	struct ag_read_text slug;
	struct ag_read_value v;
	struct ag_read_iter it;
	int rc;

	if (ag_read_array(&it, list->raw, list->path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &v, f)) == 1) {
		if (v.v.type != AG_JSON_STRING) {
			if (read_inline(&v, l, f) < 0)
				return -EINVAL;
			continue;
		}
		if (ag_read_text(&v, 255, true, &slug, f) < 0)
			return -EINVAL;
		if (count_guard(v.path, l, f) < 0)
			return -EINVAL;
		ag_config_put_ref(&l->guards, ag_read_str(&slug));
	}
	l->has_guards = true;
	l->has_any = true;
	return rc;
}

/* [{"id", "type": "guardrail", "checks": [...], "deny", ...}]: the long form. */
static int
read_hook(const struct ag_read_value *one, struct level *l, struct ag_read_fault *f)
{
	struct ag_read_text type;
	struct ag_read_value v;
	struct ag_read_iter it;
	struct guard g;
	bool has_checks = false;
	int rc;

	if (ag_read_object(&it, one->raw, one->path, f) < 0)
		return -EINVAL;
	guard_init(&g);
	while ((rc = ag_read_next(&it, &v, f)) == 1) {
		rc = ag_guard_read_action(&v, &g.actions, f);
		if (rc == 0 && ag_read_is(&v, "id")) {
			rc = ag_read_text(&v, 255, true, &g.id, f);
		} else if (rc == 0 && ag_read_is(&v, "checks")) {
			rc = has_checks ? ag_read_fail(f, v.path, "stands there twice")
			    : ag_guard_read_checks(v.raw, v.path, &g.checks, &g.n_checks, f);
			has_checks = true;
		} else if (rc == 0 && ag_read_is(&v, "type")) {
			rc = ag_read_text(&v, 32, true, &type, f);
			if (rc == 0 && strcmp(type.p, "guardrail") != 0)
				rc = ag_read_fail(f, v.path, "%s is not implemented by this gateway", type.p);
		} else if (rc == 0) {
			rc = ag_read_fail(f, v.path, "is not a part of a hook");
		}
		if (rc < 0)
			break;
	}
	if (rc == 0 && !has_checks)
		rc = ag_read_fail(f, one->path, "needs checks");
	return guard_end(&g, rc, one->path, l, f);
}

static int
read_hooks(const struct ag_read_value *list, struct level *l, struct ag_read_fault *f)
{
	struct ag_read_value v;
	struct ag_read_iter it;
	int rc;

	if (ag_read_array(&it, list->raw, list->path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &v, f)) == 1)
		if (read_hook(&v, l, f) < 0)
			return -EINVAL;
	l->has_guards = true;
	l->has_any = true;
	return rc;
}

static int
refuse_output(const struct ag_read_value *v, struct level *l, struct ag_read_fault *f)
{
	(void)l;
	return ag_read_fail(f, v->path, "checks on answers are not implemented by this gateway");
}

/* ---- the request -------------------------------------------------------------------------- */

static int
read_params(const struct ag_read_value *v, struct level *l, struct ag_read_fault *f)
{
	struct ag_buf *out = ag_read_is(v, "default_params") ? &l->defaults : &l->overrides;
	struct ag_read_text model;
	struct ag_read_value one;
	struct ag_read_iter it;
	int rc;

	if (ag_read_object(&it, v->raw, v->path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &one, f)) == 1) {
		if (!ag_read_is(&one, "model"))
			continue;
		if (ag_read_text(&one, 255, true, &model, f) < 0)
			return -EINVAL;
		l->names_model_of = out == &l->overrides && model.p[0] == '@';
	}
	if (rc < 0)
		return rc;
	ag_buf_reset(out);
	ag_buf_put_str(out, ag_str_trim(v->raw));
	l->has_any = true;
	return out->failed ? ag_read_fail(f, v->path, "is too large") : 0;
}

static int
read_timeout(const struct ag_read_value *v, struct level *l, struct ag_read_fault *f)
{
	uint64_t ms = 0;

	if (ag_read_uint(v, 1, TIMEOUT_MAX_MS, &ms, f) < 0)
		return -EINVAL;
	l->timeout_ms = (uint32_t)ms;
	l->has_any = true;
	return 0;
}

static int
read_strict(const struct ag_read_value *v, struct level *l, struct ag_read_fault *f)
{
	bool on = false;

	if (ag_read_bool(v, &on, f) < 0)
		return -EINVAL;
	l->strict = on ? AG_CONFIG_STRICT_ON : AG_CONFIG_STRICT_OFF;
	return 0;
}

/* What has a meaning only among other targets. */
static int
read_label(const struct ag_read_value *v, struct level *l, struct ag_read_fault *f)
{
	struct ag_read_text name;

	(void)l;
	if (ag_read_is(v, "weight"))
		return v->v.type == AG_JSON_NUMBER ? 0 : ag_read_fail(f, v->path, "must be a number");
	return ag_read_text(v, AG_RULE_TEXT_MAX, false, &name, f);
}

/* ---- a level ------------------------------------------------------------------------------ */

/* read NULL: documented, not done here. */
static const struct field {
	const char *name;
	int (*read)(const struct ag_read_value *v, struct level *l, struct ag_read_fault *f);
} fields[] = {
	{ "strategy", read_strategy }, { "targets", read_targets }, { "provider", read_provider },
	{ "virtual_key", read_provider }, { "override_params", read_params },
	{ "default_params", read_params }, { "request_timeout", read_timeout },
	{ "input_guardrails", read_guardrails }, { "before_request_hooks", read_hooks },
	{ "output_guardrails", refuse_output }, { "after_request_hooks", refuse_output },
	{ "strict_open_ai_compliance", read_strict }, { "name", read_label }, { "weight", read_label },
	{ "api_key", NULL }, { "retry", NULL }, { "cache", NULL }, { "custom_host", NULL },
	{ "forward_headers", NULL }, { "drop_params", NULL }, { "passthrough", NULL },
	{ "input_mutators", NULL }, { "output_mutators", NULL }, { "prompt_id", NULL },
	{ "fetch_integrated_models", NULL }, { "on_status_codes", NULL }, { "cb_config", NULL },
	{ "conditions", NULL }, { "default", NULL }, { "metadata", NULL },
	{ "openai_project", NULL }, { "openai_organization", NULL }, { "openai_beta", NULL },
	{ "resource_name", NULL }, { "deployment_id", NULL }, { "api_version", NULL },
	{ "deployments", NULL },
};

static const char *const cloud_prefixes[] = { "aws_", "azure_", "vertex_", "amzn_", "anthropic_",
	"workers_ai_", "huggingface_", "snowflake_", "oracle_", "mistral_" };

static int
read_field(const struct ag_read_value *v, struct level *l, struct ag_read_fault *f)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(fields); i++) {
		if (!ag_read_is(v, fields[i].name))
			continue;
		/* An empty list of checks says that there are none; other empty members say nothing. */
		if (v->v.type == AG_JSON_NULL || (fields[i].read == refuse_output && !ag_read_holds(v)))
			return 0;
		if (!fields[i].read)
			return ag_read_holds(v) ? later(v, f) : 0;
		return fields[i].read(v, l, f);
	}
	for (size_t i = 0; i < AG_ARRAY_LEN(cloud_prefixes); i++)
		if (ag_str_starts(ag_str(v->name), ag_str(cloud_prefixes[i])))
			return later(v, f);
	return ag_read_fail(f, v->path, "is not a field of a config");
}

static int
read_level(struct ag_str json, const char *path, struct level *l, struct ag_read_fault *f)
{
	struct ag_read_value v;
	struct ag_read_iter it;
	int rc;

	if (ag_read_object(&it, json, path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &v, f)) == 1)
		if (read_field(&v, l, f) < 0)
			return -EINVAL;
	return rc;
}

/* ---- all of it ---------------------------------------------------------------------------- */

static int
merge_params(struct ag_buf *io, const struct ag_buf *over, struct ag_read_fault *f)
{
	struct ag_buf merged;
	int rc = 0;

	if (over->n == 0)
		return 0;
	ag_buf_init(&merged, AG_CONFIG_BLOCK_MAX);
	if (io->n > 0)
		rc = ag_json_merge(ag_buf_str(io), ag_buf_str(over), &merged);
	else
		ag_buf_put_str(&merged, ag_buf_str(over));
	if (rc < 0)
		rc = ag_read_fail(f, "targets[0].override_params", "has too many members");
	ag_buf_reset(io);
	ag_buf_put_str(io, ag_buf_str(&merged));
	ag_buf_fini(&merged);
	return rc;
}

/* What a target inherits: parameters field by field, timeout and strictness when it has none, checks
 * as a whole; never the provider. */
static int
apply_target(struct level *root, struct level *target, struct ag_read_fault *f)
{
	root->provider = target->provider;
	root->timeout_ms = target->timeout_ms > 0 ? target->timeout_ms : root->timeout_ms;
	root->strict = target->strict != AG_CONFIG_STRICT_UNSET ? target->strict : root->strict;
	if (target->has_guards) {
		ag_buf_reset(&root->guards);
		ag_buf_put_str(&root->guards, ag_buf_str(&target->guards));
		root->n_guards = target->n_guards;
	}
	return merge_params(&root->defaults, &target->defaults, f) < 0 ||
	    merge_params(&root->overrides, &target->overrides, f) < 0 ? -EINVAL : 0;
}

static int
read_target(struct level *root, struct ag_read_fault *f)
{
	struct level target;
	int rc;

	if (!root->has_strategy)
		return ag_read_fail(f, "strategy", "is required where there are targets");
	level_init(&target);
	rc = read_level(root->target, "targets[0]", &target, f);
	if (rc == 0 && (target.target.n > 0 || target.has_strategy))
		rc = ag_read_fail(f, "targets[0].targets", "nested targets are not implemented by this gateway");
	/* A target that names nobody would take over the request's own provider: it does not inherit. */
	if (rc == 0 && target.provider.n == 0 && !target.names_model_of)
		rc = ag_read_fail(f, "targets[0]", "must name a provider, as provider or virtual_key");
	if (rc == 0)
		rc = apply_target(root, &target, f);
	level_fini(&target);
	return rc;
}

static int
read_root(struct ag_str json, struct level *l, struct ag_read_fault *f)
{
	int rc = read_level(json, "", l, f);

	if (rc < 0)
		return rc;
	if (l->has_strategy && l->target.n == 0)
		return ag_read_fail(f, "targets", "is required where there is a strategy");
	if (!l->has_any)
		return ag_read_fail(f, "", "must hold at least one of provider, virtual_key, strategy and targets, "
		    "override_params, default_params, request_timeout, input_guardrails");
	return l->target.n > 0 ? read_target(l, f) : 0;
}

int
ag_config_read(struct ag_str json, struct ag_buf *out, struct ag_read_fault *f)
{
	struct ag_config c = { .flags = 0 };
	struct level l;
	int rc;

	if (json.n > AG_CONFIG_JSON_MAX)
		return ag_read_fail(f, "", "must have at most %u bytes", AG_CONFIG_JSON_MAX);
	level_init(&l);
	rc = read_root(json, &l, f);
	if (rc == 0) {
		c.flags = l.target.n > 0 ? AG_CONFIG_HAS_TARGET : 0;
		c.strict = l.strict;
		c.timeout_ms = l.timeout_ms;
		c.provider = ag_read_str(&l.provider);
		c.defaults = ag_buf_str(&l.defaults);
		c.overrides = ag_buf_str(&l.overrides);
		c.n_guards = l.n_guards;
		ag_config_put(out, &c);
		ag_buf_put_str(out, ag_buf_str(&l.guards));
		if (out->failed || l.guards.failed)
			rc = ag_read_fail(f, "", "is too large");
	}
	level_fini(&l);
	return rc;
}
