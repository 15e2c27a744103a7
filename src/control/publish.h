/* publish.h - from PostgreSQL to shared memory: one key, the catalogue, or everything. */
#ifndef AG_CONTROL_PUBLISH_H
#define AG_CONTROL_PUBLISH_H

#include "control/call.h"

/* In the open transaction: the key as it stands there goes into c->plan. */
int ag_publish_key(struct ag_call *c, int64_t key_id) AG_MUST_CHECK;
int ag_publish_keys(struct ag_call *c, struct json_object *key_ids) AG_MUST_CHECK; /* array of ids */
/* The same for the whole catalogue. */
int ag_publish_catalog(struct ag_call *c) AG_MUST_CHECK;

/* Reads the catalogue through the open transaction of ctl->pg into plan. */
int ag_catalog_read(struct ag_control *ctl, struct ag_plan *plan, struct ag_err *err) AG_MUST_CHECK;

/* Makes shared memory what PostgreSQL says: limits, keys, catalogue.  What was used is never
 * touched, but for meters that are new to the segment: those begin with what the ledger says.
 * A cold segment is READY afterwards.  Fails without harm to what stands. */
int ag_publish_load(struct ag_control *ctl, struct ag_err *err) AG_MUST_CHECK;

/* A row of SQL_KEY_SLOTS; metadata is borrowed from res.  Meters that are not there yet are left out
 * and make it -ENOENT. */
int ag_publish_key_row(struct ag_control *ctl, const PGresult *res, int row, struct ag_key *out,
    struct ag_str *out_metadata) AG_MUST_CHECK;
/* What the same row says of the key's former secret; false: there is none that still works. */
bool ag_publish_former(const PGresult *res, int row, const struct ag_key *key, struct ag_key *out);

#endif
