/* oauth.h - an access token for a credential that is kept: what to ask the token endpoint, and what it
 * answered.
 *
 * A service account's JSON signs a JWT (RFC 7523 2.1); an application of Entra shows its secret (RFC
 * 6749 4.4); a machine that its cloud knows asks the cloud's metadata service, and nothing is kept.
 * Pure; what is written to the buffers is secret, and the caller's to wipe. */
#ifndef AG_PROVIDER_OAUTH_H
#define AG_PROVIDER_OAUTH_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "provider/provider.h"

/* Where a service account's tokens come from when its JSON does not say. */
#define AG_OAUTH_GOOGLE_URI "https://oauth2.googleapis.com/token"

/* url and form: empty, what to post.  secret: the opened credential; config: `configurations`, JSON.
 * -EINVAL with err, in which there is nothing secret: the credential cannot be used. */
int ag_oauth_ask(enum ag_oauth kind, struct ag_str secret, struct ag_str config, int64_t now_s,
    struct ag_buf *url, struct ag_buf *form, struct ag_err *err) AG_MUST_CHECK;

/* The header with which the machine's own identity is asked for, by GET, at the place it is told: then url holds
 * that place, and what is appended is the path; NULL: a token endpoint is posted to. */
const char *ag_oauth_header(enum ag_oauth kind);

/* The token, appended, and how many seconds it lives.  -EACCES with err: there is none; of what the endpoint
 * said only the word of `error` is in err. */
int ag_oauth_answer(int status, struct ag_str body, struct ag_buf *token, int64_t *out_life_s,
    struct ag_err *err) AG_MUST_CHECK;

#endif
