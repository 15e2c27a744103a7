#include "catalog/guard.h"

#include <assert.h>

/* ---- checking ---- */

static bool
list_ok(struct ag_str *left)
{
	struct ag_str s;
	uint32_t n;

	if (!ag_guard_count(left, &n) || n > AG_GUARD_LIST_MAX)
		return false;
	while (n-- > 0)
		if (!ag_rule_text(left, &s))
			return false;
	return true;
}

static bool
models_ok(struct ag_str left)
{
	struct ag_str s;
	uint32_t n_rules, n;

	if (!list_ok(&left) || !ag_guard_count(&left, &n_rules) || n_rules > AG_GUARD_LIST_MAX)
		return false;
	while (n_rules-- > 0) {
		if (!ag_rule_text(&left, &s) || !ag_guard_count(&left, &n) || n > AG_GUARD_LIST_MAX)
			return false;
		while (n-- > 0)
			if (!ag_rule_text(&left, &s) || !list_ok(&left))
				return false;
	}
	return left.n == 0;
}

static bool
op_ok(struct ag_str *left)
{
	uint8_t op = 0;

	return ag_rule_bytes(left, &op, 1) && op >= AG_CHECK_ALL && op <= AG_CHECK_NONE;
}

static bool
pairs_ok(struct ag_str left)
{
	struct ag_str s;
	uint32_t n;

	if (!op_ok(&left) || !ag_guard_count(&left, &n) || n > AG_GUARD_LIST_MAX)
		return false;
	while (n-- > 0)
		if (!ag_rule_text(&left, &s) || !ag_rule_text(&left, &s))
			return false;
	return left.n == 0;
}

static bool
payload_ok(const struct ag_check *c)
{
	struct ag_str left = c->payload;

	switch (c->kind) {
	case AG_CHECK_MODEL_WHITELIST:
	case AG_CHECK_MODEL_RULES:
		return models_ok(left);
	case AG_CHECK_META_KEYS:
		return op_ok(&left) && list_ok(&left) && left.n == 0;
	case AG_CHECK_META_PAIRS:
		return pairs_ok(left);
	case AG_CHECK_TYPES:
		return list_ok(&left) && list_ok(&left) && left.n == 0;
	case AG_CHECK_KINDS:
		break;
	}
	return false;
}

bool
ag_guard_checks_ok(struct ag_str checks, uint32_t n_checks)
{
	struct ag_check c;

	if (n_checks > AG_GUARD_CHECKS_MAX)
		return false;
	for (uint32_t i = 0; i < n_checks; i++)
		if (!ag_check_next(&checks, &c) || !payload_ok(&c))
			return false;
	return checks.n == 0;
}

bool
ag_config_ok(struct ag_str bytes)
{
	struct ag_config c;
	struct ag_guard g;
	struct ag_str slug;

	if (!ag_config_open(bytes, &c) || c.n_guards > AG_CONFIG_GUARDS_MAX ||
	    c.defaults.n > AG_CONFIG_BLOCK_MAX || c.overrides.n > AG_CONFIG_BLOCK_MAX)
		return false;
	for (uint32_t i = 0; i < c.n_guards; i++)
		if (!ag_config_guard(&c.guards, &slug, &g) ||
		    (slug.n == 0 && !ag_guard_checks_ok(g.checks, g.n_checks)))
			return false;
	return c.guards.n == 0;
}

/* ---- reading ---- */

bool
ag_config_open(struct ag_str bytes, struct ag_config *out)
{
	uint8_t flags = 0, strict = 0;

	if (!ag_rule_bytes(&bytes, &flags, 1) || flags > AG_CONFIG_HAS_TARGET ||
	    !ag_rule_bytes(&bytes, &strict, 1) || strict > AG_CONFIG_STRICT_ON ||
	    !ag_rule_bytes(&bytes, &out->timeout_ms, 4) || !ag_rule_text(&bytes, &out->provider) ||
	    !ag_guard_block(&bytes, &out->defaults) || !ag_guard_block(&bytes, &out->overrides) ||
	    !ag_guard_count(&bytes, &out->n_guards))
		return false;
	out->flags = flags;
	out->strict = (enum ag_config_strict)strict;
	out->guards = bytes;
	return true;
}

bool
ag_config_guard(struct ag_str *left, struct ag_str *out_slug, struct ag_guard *out)
{
	uint8_t is_inline = 0;

	*out_slug = AG_STR_NONE;
	if (!ag_rule_bytes(left, &is_inline, 1) || is_inline > 1)
		return false;
	if (!is_inline)
		return ag_rule_text(left, out_slug) && out_slug->n > 0;
	return ag_rule_text(left, &out->id) && ag_rule_bytes(left, &out->flags, 4) &&
	    out->flags <= AG_GUARD_FLAGS && ag_rule_text(left, &out->on_success) &&
	    ag_rule_text(left, &out->on_fail) && ag_guard_count(left, &out->n_checks) &&
	    ag_guard_block(left, &out->checks);
}

/* ---- writing ---- */

void
ag_guard_put_count(struct ag_buf *b, size_t n)
{
	uint16_t v = (uint16_t)n;

	assert(n <= UINT16_MAX);
	ag_buf_put(b, &v, sizeof(v));
}

void
ag_guard_put_block(struct ag_buf *b, struct ag_str s)
{
	uint32_t n = (uint32_t)s.n;

	assert(s.n <= UINT32_MAX);
	ag_buf_put(b, &n, sizeof(n));
	ag_buf_put_str(b, s);
}

void
ag_check_put(struct ag_buf *b, const struct ag_check *c)
{
	ag_buf_putc(b, (char)c->kind);
	ag_buf_putc(b, (char)c->flags);
	ag_guard_put_block(b, c->payload);
}

void
ag_config_put(struct ag_buf *b, const struct ag_config *c)
{
	ag_buf_putc(b, (char)c->flags);
	ag_buf_putc(b, (char)c->strict);
	ag_buf_put(b, &c->timeout_ms, sizeof(c->timeout_ms));
	ag_rule_put_text(b, c->provider);
	ag_guard_put_block(b, c->defaults);
	ag_guard_put_block(b, c->overrides);
	ag_guard_put_count(b, c->n_guards);
}

void
ag_config_put_ref(struct ag_buf *b, struct ag_str slug)
{
	ag_buf_putc(b, 0);
	ag_rule_put_text(b, slug);
}

void
ag_config_put_guard(struct ag_buf *b, const struct ag_guard *g)
{
	ag_buf_putc(b, 1);
	ag_rule_put_text(b, g->id);
	ag_buf_put(b, &g->flags, sizeof(g->flags));
	ag_rule_put_text(b, g->on_success);
	ag_rule_put_text(b, g->on_fail);
	ag_guard_put_count(b, g->n_checks);
	ag_guard_put_block(b, g->checks);
}
