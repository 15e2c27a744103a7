/* guard_read.h - checks and actions of a guardrail: from JSON to the bytes of catalog/guard.h.
 *
 * Pure.  A check that is documented but not made here is refused by name, and so is a parameter. */
#ifndef AG_POLICY_GUARD_READ_H
#define AG_POLICY_GUARD_READ_H

#include "catalog/guard.h"
#include "policy/read_json.h"

struct ag_guard_actions {
	uint32_t flags;                    /* AG_GUARD_... */
	char on_success[64], on_fail[64];  /* "value":5,"weight":1; "" no feedback */
};

/* raw: an array of {id, parameters, name, is_enabled}; those enabled are appended.  < 0: *f says why. */
int ag_guard_read_checks(struct ag_str raw, const char *path, struct ag_buf *out, uint32_t *out_n,
    struct ag_read_fault *f) AG_MUST_CHECK;
/* One check; parameters: a raw object, or n 0. */
int ag_guard_read_check(struct ag_str id, struct ag_str parameters, const char *path,
    struct ag_buf *out, struct ag_read_fault *f) AG_MUST_CHECK;
/* Takes a member of the actions, here or beside the checks of a config: 1 taken, 0 not one of them. */
int ag_guard_read_action(const struct ag_read_value *v, struct ag_guard_actions *io,
    struct ag_read_fault *f) AG_MUST_CHECK;
/* raw: an object of actions. */
int ag_guard_read_actions(struct ag_str raw, const char *path, struct ag_guard_actions *out,
    struct ag_read_fault *f) AG_MUST_CHECK;

/* How a check of this kind is called. */
const char *ag_check_id(enum ag_check_kind kind);

#endif
