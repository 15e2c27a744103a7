/* jwt.h - a JSON Web Token signed by RS256 (RFC 7515, 7518), as service accounts sign them. */
#ifndef AG_PROVIDER_JWT_H
#define AG_PROVIDER_JWT_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Base64 of the URL alphabet, without padding. */
void ag_base64url_put(struct ag_buf *out, const void *p, size_t n);

/* Appends header.payload.signature.  header and payload: JSON texts; pem: a PKCS#8 or PKCS#1 RSA
 * private key.  -EINVAL with err: the key cannot be read or used; its text is not in the message. */
int ag_jwt_rs256(struct ag_str header, struct ag_str payload, struct ag_str pem, struct ag_buf *out,
    struct ag_err *err) AG_MUST_CHECK;

#endif
