/* body_settings.h - which bodies a workspace wants kept, and what is taken out of them.
 *
 * Member `settings` of a workspace: debug_log (0 or 1, for off and on), or body_log (off,
 * on_request, on, enforced), redact (of email, card, phone) and redact_patterns (regular
 * expressions). */
#ifndef AG_CONTROL_BODY_SETTINGS_H
#define AG_CONTROL_BODY_SETTINGS_H

#include "control/call.h"

/* What a body said; NULL: not given. */
struct ag_body_settings {
	const char *body_log;                 /* static, or borrowed from the body */
	struct json_object *redact, *patterns; /* borrowed from the body */
};

/* Out of member "settings" of c->body. < 0: answered. */
int ag_body_settings_read(struct ag_call *c, struct ag_body_settings *out) AG_MUST_CHECK;

#endif
