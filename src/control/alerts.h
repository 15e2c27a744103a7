/* alerts.h - budget alerts: found in the meters, stored once, handed to deliver.c.
 *
 * Once a second every budget in shared memory is compared with its alert_at and limit (what counts as
 * used up: limit/alert.h).  What is due and was not raised yet becomes a row of table alert, unique
 * by (meter, period, kind, arming): inserted before anything is sent, with ON CONFLICT DO NOTHING.
 * What this process remembers only spares PostgreSQL the question; a successor starts from nothing,
 * finds the same crossings and meets the rows.  While PostgreSQL is away what is due waits here.
 *
 * Armed anew by an edit (in the transaction of the edit, meter.*_arming): both alerts when the
 * limit is raised above what is settled, the threshold's when the threshold is raised or removed.
 * A reset of the usage begins another period.  An alert that is armed anew while what it tells of
 * is still so is raised again.  A closed period raises an alert of each kind at most once.
 *
 * The meters of a policy have no row in table meter: their alerts are armed by the policy's row, all
 * values at once, and name the value. */
#ifndef AG_CONTROL_ALERTS_H
#define AG_CONTROL_ALERTS_H

#include "control/call.h"

struct ag_alerts;

struct ag_alerts *ag_alerts_new(struct ag_control *ctl);
void ag_alerts_free(struct ag_alerts *a); /* NULL-safe */

/* Looks, stores, delivers; about once a second. */
void ag_alerts_tick(struct ag_alerts *a);

/* In the open transaction, before limits or threshold of a meter change or it is retired: what is
 * due under the old ones is stored, so that an edit a moment after a crossing hides nothing. */
int ag_alerts_before_edit(struct ag_call *c, int64_t meter_id) AG_MUST_CHECK;
/* After that transaction was committed. */
void ag_alerts_edited(struct ag_alerts *a, uint32_t meter_ix);
/* The same for all meters of a usage policy; afterwards those that are there stand as `def` says (id,
 * resets and name of which mean nothing) without waiting for their next use. */
int ag_alerts_before_policy_edit(struct ag_call *c, int64_t policy_id) AG_MUST_CHECK;
void ag_alerts_policy_edited(struct ag_alerts *a, const struct ag_meter_def *def);
/* Somebody else stored an alert: it may be delivered now. */
void ag_alerts_wake(struct ag_alerts *a);
/* Everything was loaded anew: any meter may have been edited. */
void ag_alerts_loaded(struct ag_alerts *a);

#endif
