/* guard_params.h - the parameters of each kind of check: from JSON to its payload. */
#ifndef AG_POLICY_GUARD_PARAMS_H
#define AG_POLICY_GUARD_PARAMS_H

#include "catalog/guard.h"
#include "policy/read_json.h"

/* it: the members, not begun.  Fills c->flags, appends the payload of a check of c->kind. */
int ag_guard_params_read(struct ag_read_iter *it, struct ag_check *c, struct ag_buf *payload,
    struct ag_read_fault *f) AG_MUST_CHECK;

#endif
