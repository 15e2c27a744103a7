/* rules.c - the config and the guardrails a request is under.
 *
 * A config: the one the request names, else its key's, else its workspace's; taken whole.  Guardrails:
 * those of the config, then those of organisation and workspace, which nothing takes away. */
#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "policy/config_read.h"
#include "shm/counters.h"
#include "worker/request.h"

#define COMPILED_MAX (256u << 10)
#define RESULTS_MAX  (64u << 10)
#define BODY_MORE    (4 * AG_CONFIG_BLOCK_MAX)

/* ---- which config ------------------------------------------------------------------------- */

/* Of the key, or what its workspace gives keys of its kind; 0: none of its own. */
static enum ag_verdict
key_config(const struct ag_req *r, const struct ag_cat_config **out)
{
	const struct ag_catalog *cat = ag_view_catalog(r->view);

	*out = NULL;
	if (r->key.config_id != 0) {
		*out = ag_catalog_config_by_id(cat, r->key.config_id);
		if (!*out || (*out)->workspace_id != r->ws->id)
			return AG_DENY_CONFIG_UNKNOWN;
	} else if (r->key.kind == AG_KEY_WORKSPACE_USER && r->ws->user_config_no > 0) {
		*out = ag_catalog_config_no(cat, r->ws->user_config_no);
	}
	return AG_ALLOW;
}

static enum ag_verdict
bad_config(struct ag_req *r, const struct ag_read_fault *f, struct ag_str *out_detail)
{
	struct ag_buf b;

	ag_buf_init(&b, 4096);
	ag_buf_puts(&b, ",\"errors\":[\"path: ");
	ag_buf_put_json(&b, ag_str(f->path));
	ag_buf_puts(&b, ", message: ");
	ag_buf_put_json(&b, ag_str(f->why));
	ag_buf_puts(&b, "\"]");
	r->refusal = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_reset(&b);
	ag_buf_printf(&b, ": %s%s%s", f->path, f->path[0] ? " " : "", f->why);
	*out_detail = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	return AG_DENY_CONFIG_BAD;
}

/* A config in the header itself. */
static enum ag_verdict
inline_config(struct ag_req *r, struct ag_str json, struct ag_str *out_body, struct ag_str *out_detail)
{
	const struct ag_cat_org *org = ag_catalog_org_at(ag_view_catalog(r->view), r->ws->org_ix);
	struct ag_read_fault f;
	enum ag_verdict v = AG_ALLOW;
	struct ag_buf b;

	if (org->flags & AG_CAT_ORG_SAVED_ONLY)
		return AG_DENY_CONFIG_INLINE;
	ag_buf_init(&b, COMPILED_MAX);
	if (ag_config_read(json, &b, &f) < 0) {
		v = bad_config(r, &f, out_detail);
	} else {
		*out_body = ag_arena_dup(&r->arena, ag_buf_str(&b));
		if (!out_body->p)
			v = AG_DENY_INTERNAL;
	}
	ag_buf_fini(&b);
	return v;
}

/* *out_body: its bytes, n 0: there is none. */
static enum ag_verdict
choose_config(struct ag_req *r, struct ag_str asked, struct ag_str *out_body, int64_t *out_id,
    struct ag_str *out_detail)
{
	const struct ag_catalog *cat = ag_view_catalog(r->view);
	const struct ag_cat_config *config = NULL;
	enum ag_verdict v = key_config(r, &config);

	if (v != AG_ALLOW)
		return v;
	asked = ag_str_trim(asked);
	if (asked.n > 0) {
		if (config && (r->key.flags & AG_KEY_FLAG_CONFIG_LOCKED))
			return AG_DENY_CONFIG_LOCKED;
		if (asked.p[0] == '{')
			return inline_config(r, asked, out_body, out_detail);
		config = ag_catalog_config(cat, r->ws, asked);
		if (!config)
			return AG_DENY_CONFIG_UNKNOWN;
	} else if (!config && r->ws->config_no > 0) {
		config = ag_catalog_config_no(cat, r->ws->config_no);
	}
	if (config) {
		*out_body = ag_catalog_text(cat, config->body);
		*out_id = config->id;
	}
	return AG_ALLOW;
}

/* ---- which guardrails --------------------------------------------------------------------- */

static struct ag_guard
guard_of(const struct ag_catalog *cat, const struct ag_cat_guardrail *row)
{
	return (struct ag_guard){ .id = ag_catalog_text(cat, row->slug),
		.checks = ag_catalog_text(cat, row->checks), .n_checks = row->n_checks, .flags = row->flags,
		.on_success = ag_catalog_text(cat, row->on_success),
		.on_fail = ag_catalog_text(cat, row->on_fail) };
}

static enum ag_verdict
add_configured(struct ag_req *r, struct ag_req_rules *rules, struct ag_str *out_detail)
{
	const struct ag_catalog *cat = ag_view_catalog(r->view);
	struct ag_str left = rules->config.guards, slug;

	for (uint32_t i = 0; i < rules->config.n_guards; i++) {
		struct ag_guard *g = &rules->guard[rules->n_guards];
		const struct ag_cat_guardrail *row;

		if (!ag_config_guard(&left, &slug, g))
			return AG_DENY_INTERNAL; /* cannot be: checked when it was made or loaded */
		if (slug.n > 0) {
			row = ag_catalog_guardrail(cat, r->ws, slug);
			if (!row) {
				*out_detail = slug;
				return AG_DENY_GUARDRAIL_UNKNOWN;
			}
			*g = guard_of(cat, row);
		}
		rules->n_guards++;
	}
	return AG_ALLOW;
}

static void
add_defaults(const struct ag_req *r, struct ag_req_rules *rules)
{
	const struct ag_catalog *cat = ag_view_catalog(r->view);
	struct ag_str list = ag_catalog_text(cat, r->ws->guardrails);
	uint32_t ix;

	for (size_t at = 0; at < list.n; at += sizeof(ix)) {
		memcpy(&ix, list.p + at, sizeof(ix));
		rules->guard[rules->n_guards++] = guard_of(cat, ag_catalog_guardrail_at(cat, ix));
	}
}

enum ag_verdict
ag_req_rules(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	struct ag_str asked = AG_ADMIT_HEADER(head, "config"), body = AG_STR_NONE;
	struct ag_req_rules *rules;
	enum ag_verdict v;
	size_t n;

	if (asked.n == 0 && r->key.config_id == 0 && !r->ws->has_rules)
		return AG_ALLOW;
	rules = ag_arena_alloc(&r->arena, sizeof(*rules));
	if (!rules)
		return AG_DENY_INTERNAL;
	v = choose_config(r, asked, &body, &rules->config_id, out_detail);
	if (v != AG_ALLOW)
		return v;
	rules->has_config = body.n > 0;
	if (rules->has_config && !ag_config_open(body, &rules->config))
		return AG_DENY_INTERNAL;
	n = rules->config.n_guards + r->ws->guardrails.len / sizeof(uint32_t);
	rules->guard = ag_arena_alloc(&r->arena, (n + 1) * sizeof(*rules->guard));
	if (!rules->guard)
		return AG_DENY_INTERNAL;
	v = add_configured(r, rules, out_detail);
	if (v != AG_ALLOW)
		return v;
	add_defaults(r, rules);
	rules->is_strict = rules->config.strict == AG_CONFIG_STRICT_UNSET
	    ? !ag_str_ieq(AG_ADMIT_HEADER(head, "strict-open-ai-compliance"), AG_STR("false"))
	    : rules->config.strict == AG_CONFIG_STRICT_ON;
	r->rules = rules;
	return AG_ALLOW;
}

/* ---- parameters --------------------------------------------------------------------------- */

/* A body that is no object is left as it is: whoever reads it next says so. */
static int
lay_over(struct ag_req *r, struct ag_str base, struct ag_str over)
{
	struct ag_buf b;
	int rc;

	ag_buf_init(&b, r->w->conf->max_body + BODY_MORE);
	rc = ag_json_merge(base, over, &b);
	if (rc < 0) {
		ag_buf_fini(&b);
		return rc == -EINVAL ? 0 : rc;
	}
	if (r->came_len == 0)
		r->came_len = r->body_len;
	ag_buf_fini(&r->merged);
	r->merged = b;
	r->body_len = b.n;
	ag_client_count(r->client);
	return 0;
}

/* Whether the body is one the parameters can be laid over; what cannot be changed must not pass unchanged. */
static bool
takes_params(const struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	static const struct ag_str json = { "application/json", 16 };
	const struct ag_config *c = &r->rules->config;
	struct ag_str type = ag_http_header_get(head, AG_STR("content-type"));
	bool names_model = memmem(c->overrides.p ? c->overrides.p : "", c->overrides.n, "\"model\"", 7) ||
	    memmem(c->defaults.p ? c->defaults.p : "", c->defaults.n, "\"model\"", 7);

	if (type.n < json.n || !ag_str_ieq(ag_str_n(type.p, json.n), json)) {
		*out_detail = AG_STR("The parameters of its config can be laid over a body of application/json alone");
		return false;
	}
	if (names_model && (r->endpoint == AG_EP_GENERATE || r->endpoint == AG_EP_GENERATE_COUNT)) {
		*out_detail = AG_STR("A config that names the model does not go with a model in the path");
		return false;
	}
	return true;
}

enum ag_verdict
ag_req_params(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	const struct ag_config *c = &r->rules->config;
	struct ag_buf was;
	int rc = 0;

	if ((c->defaults.n == 0 && c->overrides.n == 0) || r->body_len == 0)
		return AG_ALLOW;
	if (!takes_params(r, head, out_detail))
		return AG_DENY_BAD_REQUEST;
	if (c->defaults.n > 0)
		rc = lay_over(r, c->defaults, ag_req_body(r));
	if (rc == 0 && c->overrides.n > 0) {
		/* What it is laid over must outlive the laying. */
		was = r->merged;
		ag_buf_init(&r->merged, 0);
		rc = lay_over(r, was.n > 0 ? ag_buf_str(&was) : ag_req_body(r), c->overrides);
		if (r->merged.n == 0)
			r->merged = was;
		else
			ag_buf_fini(&was);
	}
	if (rc == 0)
		return AG_ALLOW;
	*out_detail = AG_STR("The body has too many members, or is too long, for the parameters of its config");
	return AG_DENY_BAD_REQUEST;
}

/* ---- guardrails --------------------------------------------------------------------------- */

struct ag_guard_subject
ag_req_subject(const struct ag_req *r)
{
	return (struct ag_guard_subject){ .model = r->target.model, .metadata = r->metadata,
		.slug = r->target.provider ? ag_catalog_text(ag_view_catalog(r->view), r->target.provider->slug)
		    : AG_STR_NONE,
		.endpoint = r->endpoint, .is_stream = r->is_stream,
		.errors_pass = r->w->conf->guardrail_fail_open };
}

/* Nobody waits for it, nobody is told but the counter. */
static void
run_async(const struct ag_guard *g, const struct ag_guard_subject *s, const char *at)
{
	struct ag_buf b;

	ag_buf_init(&b, RESULTS_MAX);
	if (!ag_guard_report(g, s, at, &b))
		ag_count(AG_CNT_guardrail_failed);
	ag_buf_fini(&b);
}

enum ag_verdict
ag_req_guard(struct ag_req *r, struct ag_str model)
{
	struct ag_guard_subject s = ag_req_subject(r);
	struct ag_req_rules *rules = r->rules;
	bool is_denied = false, any = false;
	char at[AG_ISO8601_LEN];
	struct ag_buf b;

	s.model = model;
	ag_clock_iso8601(r->rec.received_at_us, at);
	ag_buf_init(&b, RESULTS_MAX);
	ag_buf_puts(&b, ",\"hook_results\":{\"before_request_hooks\":[");
	for (uint32_t i = 0; i < rules->n_guards; i++) {
		const struct ag_guard *g = &rules->guard[i];

		if (g->flags & AG_GUARD_ASYNC) {
			run_async(g, &s, at);
			continue;
		}
		ag_buf_puts(&b, any ? "," : "");
		any = true;
		if (ag_guard_report(g, &s, at, &b))
			continue;
		ag_count(AG_CNT_guardrail_failed);
		if (g->flags & AG_GUARD_DENY)
			is_denied = true;
		else
			rules->has_failed = true;
	}
	ag_buf_puts(&b, "],\"after_request_hooks\":[]}");
	/* Results that do not fit are not told; the verdict stands. */
	if (any && !b.failed)
		rules->results = ag_arena_dup(&r->arena, ag_str_skip(ag_buf_str(&b), 1));
	if (is_denied && !b.failed)
		r->refusal = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	return is_denied ? AG_DENY_GUARDRAIL : AG_ALLOW;
}
