/* meters.h - the rows of table meter: made, edited, retired so that they are what an owner's limits
 * say; and what stands in them, as shared memory wants it. */
#ifndef AG_CONTROL_METERS_H
#define AG_CONTROL_METERS_H

#include "control/call.h"
#include "control/limits.h"

/* In the open transaction: the meters of (level, scope_id) become `usage` and `rates` (stored JSON
 * text of the owner's row; none: p NULL).  An edit keeps what was used; reset_usage begins anew.
 * What changes goes into c->plan; out_ix (may be NULL) gets the indices in order of id. */
int ag_meters_sync(struct ag_call *c, const char *level, int64_t scope_id, struct ag_str usage,
    struct ag_str rates, bool reset_usage) AG_MUST_CHECK;

/* A row of SQL_METER_COLUMNS. */
int ag_meters_def(const PGresult *res, int row, struct ag_meter_def *out) AG_MUST_CHECK;

/* Rows of SQL_METERS_OF for all "_id" in a list of objects (an array, or one object). */
PGresult *ag_meters_of(struct ag_call *c, const char *level, struct json_object *objects);

/* Every row of a statement that returns retired meter ids. */
int ag_meters_retired(struct ag_call *c, const char *sql, int64_t scope_id) AG_MUST_CHECK;

#endif
