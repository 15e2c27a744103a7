/* policies.h - looking a policy up, for those who do more with it than its own endpoints. */
#ifndef AG_CONTROL_POLICIES_H
#define AG_CONTROL_POLICIES_H

#include "control/call.h"

/* The policy of c->arg[0] that the caller may touch, as its object with inner members ("_id",
 * "_limit", "_unit" ...); kind is "usage" or "rate".  < 0: answered. */
int ag_policy_find(struct ag_call *c, const char *kind, struct json_object **out) AG_MUST_CHECK;

#endif
