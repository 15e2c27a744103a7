/* credential.h - credentials that clients give as settings, made the one `key` of an integration. */
#ifndef AG_CONTROL_CREDENTIAL_H
#define AG_CONTROL_CREDENTIAL_H

#include "control/call.h"

/* Moves what of c->body's `configurations` is a credential of that family into `key`, and checks a service
 * account.  before: the integration as it stands, NULL: it is being made.  -1: refused, c answered. */
int ag_credential_take(struct ag_call *c, const char *family, struct json_object *before) AG_MUST_CHECK;

#endif
