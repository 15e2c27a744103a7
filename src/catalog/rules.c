#include "catalog/rules.h"

#include <assert.h>

static bool
texts_ok(struct ag_str *left, uint32_t n)
{
	struct ag_str s;

	for (uint32_t i = 0; i < n; i++)
		if (!ag_rule_text(left, &s))
			return false;
	return true;
}

bool
ag_rules_ok(struct ag_str conditions, uint32_t n_conditions, struct ag_str groups, uint32_t n_groups)
{
	if (n_conditions > AG_RULE_CONDITIONS_MAX || n_groups > AG_RULE_GROUPS_MAX)
		return false;
	for (uint32_t i = 0; i < n_conditions; i++) {
		struct ag_rule_head h;

		if (!ag_rule_condition(&conditions, &h) || h.n_values > AG_RULE_VALUES_MAX ||
		    h.n_excludes > AG_RULE_VALUES_MAX ||
		    (h.key == AG_RULE_METADATA) != (h.name.n > 0) ||
		    !texts_ok(&conditions, (uint32_t)h.n_values + h.n_excludes))
			return false;
	}
	for (uint32_t i = 0; i < n_groups; i++) {
		enum ag_rule_key key;
		struct ag_str name;

		if (!ag_rule_group(&groups, &key, &name) || (key == AG_RULE_METADATA) != (name.n > 0))
			return false;
	}
	return conditions.n == 0 && groups.n == 0;
}

void
ag_rule_put_text(struct ag_buf *b, struct ag_str s)
{
	uint16_t n = (uint16_t)s.n;

	assert(s.n <= AG_RULE_TEXT_MAX);
	ag_buf_put(b, &n, sizeof(n));
	ag_buf_put_str(b, s);
}

void
ag_rule_put_condition(struct ag_buf *b, const struct ag_rule_head *h)
{
	ag_buf_putc(b, (char)h->key);
	ag_buf_putc(b, h->is_any ? 1 : 0);
	ag_buf_put(b, &h->n_values, sizeof(h->n_values));
	ag_buf_put(b, &h->n_excludes, sizeof(h->n_excludes));
	ag_rule_put_text(b, h->name);
}

void
ag_rule_put_group(struct ag_buf *b, enum ag_rule_key key, struct ag_str name)
{
	ag_buf_putc(b, (char)key);
	ag_rule_put_text(b, name);
}
