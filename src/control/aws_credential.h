/* aws_credential.h - what signs requests to Amazon, taken out of a body.
 *
 * It may stand in `configurations` (aws_access_key_id, aws_secret_access_key, aws_session_token) or as a
 * JSON object of the same members in `key`.  Either way it is sealed as the integration's key, as one JSON
 * object, and `configurations` keeps nothing of it.  A `key` that is no object is one of Bedrock's own. */
#ifndef AG_CONTROL_AWS_CREDENTIAL_H
#define AG_CONTROL_AWS_CREDENTIAL_H

#include "control/call.h"

struct ag_aws_credential {
	struct ag_buf text;  /* sealed as the key, with its NUL; owned, wiped by fini */
	char id[129];        /* shown, masked */
	bool is_set;
};

struct ag_aws_body {
	const char *family;
	struct json_object *configurations; /* NULL: none; its secret members are removed */
	const char *key;                    /* NULL: none */
	bool is_mapped;                     /* the key is kept elsewhere */
	bool is_new;                        /* what is missing does not stand already */
};

/* Settings of that name: is it one, and can the value be?  As ag_configurations_knows(). */
bool ag_aws_knows(struct ag_call *c, const char *name, struct json_object *value, int *out_rc);

/* < 0: answered.  Families that are not Amazon's: its settings are refused. */
int ag_aws_credential_take(struct ag_call *c, const struct ag_aws_body *b, struct ag_aws_credential *out) AG_MUST_CHECK;
void ag_aws_credential_fini(struct ag_aws_credential *x);

#endif
