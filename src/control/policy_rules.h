/* policy_rules.h - conditions and group_by of a policy: from JSON to the bytes of catalog/rules.h. */
#ifndef AG_CONTROL_POLICY_RULES_H
#define AG_CONTROL_POLICY_RULES_H

#include "base/buf.h"
#include "control/call.h"

struct ag_policy_rules {
	struct ag_buf conditions, groups;
	uint32_t n_conditions, n_groups;
};

void ag_policy_rules_init(struct ag_policy_rules *r);
void ag_policy_rules_fini(struct ag_policy_rules *r);

/* is_rate: endpoint_type may be asked for.  groups may be NULL.  < 0: answered, naming the rule. */
int ag_policy_rules_read(struct ag_call *c, struct json_object *conditions,
    struct json_object *groups, bool is_rate, struct ag_policy_rules *out) AG_MUST_CHECK;
/* The same from stored text; -EINVAL. */
int ag_policy_rules_stored(struct ag_str conditions, struct ag_str groups, bool is_rate,
    struct ag_policy_rules *out) AG_MUST_CHECK;

#endif
