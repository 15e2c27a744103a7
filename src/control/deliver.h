/* deliver.h - takes stored alerts to the webhook and the command, until they are taken.
 *
 * A row is attempted when next_attempt_at has come, until a day after it was made; each failure
 * doubles the pause, up to an hour.  The outcome is stored after the attempt: a control that dies in
 * between sends the same alert, with the same id, once more; nothing else makes it do so.  An outcome
 * PostgreSQL did not take is kept and stored later, not sent again.
 *
 * Without alert_webhook and alert_command rows stay as they are; those younger than a day go out
 * once there is one. */
#ifndef AG_CONTROL_DELIVER_H
#define AG_CONTROL_DELIVER_H

struct ag_control;
struct ag_deliver;

struct ag_deliver *ag_deliver_new(struct ag_control *ctl);
void ag_deliver_free(struct ag_deliver *d); /* NULL-safe; breaks off what is under way */

/* There may be rows to deliver. */
void ag_deliver_wake(struct ag_deliver *d);
void ag_deliver_tick(struct ag_deliver *d);

#endif
