/* policy_values.h - the values that policies count apart: their names in PostgreSQL, their meters in
 * shared memory.
 *
 * Workers make the meters; their spend is in budget_state with the policy's number, so nothing here
 * is needed for it to be found again.  This file writes down what the values are called, shows and
 * resets them, and clears away meters that count nothing. */
#ifndef AG_CONTROL_POLICY_VALUES_H
#define AG_CONTROL_POLICY_VALUES_H

#include "control/call.h"

/* Columns 0 to 9: meter_id, resets, value_key and SQL_POLICY_METER; name borrowed from res. */
void ag_policy_value_def(const PGresult *res, int row, struct ag_meter_def *out);

/* Once a second; has_time: also clears away. */
void ag_policy_values_tick(struct ag_control *ctl, bool has_time);

/* Outside of a transaction: what was made until now is in PostgreSQL afterwards.  < 0: answered. */
int ag_policy_values_note(struct ag_call *c) AG_MUST_CHECK;

/* {value key: {current_usage, ...}} of a policy (its object with inner members). */
int ag_policy_values_map(struct ag_call *c, struct json_object *policy,
    struct json_object **out) AG_MUST_CHECK;

/* In the open transaction: begins the usage of values anew, by name or by uuid; into c->plan.
 * list: an array that gets their names and how often they were reset, or NULL.  *out_n: how many
 * there were. */
int ag_policy_values_reset(struct ag_call *c, int64_t policy_id, const char *value_key,
    const char *uuid, struct json_object *list, int *out_n) AG_MUST_CHECK;

#endif
