/* key_schedule.h - keys that get new secrets by a timetable (rotation_policy).
 *
 * When a rotation is due, one transaction makes the new secret, moves the old one to `former`, sets the
 * next date, writes the audit row and the alert that tells of it: whoever dies in the middle leaves
 * nothing behind, or all of it, and its successor publishes what stands.
 *
 * The new secret is stored nowhere.  It is made of a random seed in the row and of the master key, and is
 * made once more when somebody who might have rotated the key asks for it.  The alert says that there is
 * one; the former secret cannot fetch it, or a leaked one would outlive every rotation.  The seed is
 * forgotten when the secret was told and the former one has ended, and with the next secret. */
#ifndef AG_CONTROL_KEY_SCHEDULE_H
#define AG_CONTROL_KEY_SCHEDULE_H

#include "control/call.h"

/* What a body says of rotation_policy, checked. */
struct ag_key_policy {
	bool is_given;               /* absent: as it stands */
	struct json_object *stored;  /* owned; NULL: none */
	bool has_next;
	int64_t next_us;             /* wall */
};

int ag_key_policy_read(struct ag_call *c, struct ag_key_policy *out) AG_MUST_CHECK;
void ag_key_policy_fini(struct ag_key_policy *p);
/* In the open transaction.  The date stands as long as the policy is the same and names none. */
int ag_key_policy_store(struct ag_call *c, int64_t key_id, const struct ag_key_policy *p) AG_MUST_CHECK;

/* Rotates what is due; about once a second. */
void ag_key_schedule_tick(struct ag_control *ctl);

#endif
