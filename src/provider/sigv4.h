/* sigv4.h - AWS Signature Version 4, for requests whose body is known whole.
 *
 * The path is signed as it is sent, percent-encoded once more (every service but S3).
 * Algorithm: AWS's published description of Signature Version 4. */
#ifndef AG_PROVIDER_SIGV4_H
#define AG_PROVIDER_SIGV4_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/str.h"

/* The signing key of a day: good for its date, region, service and secret. */
struct ag_sigv4_key {
	char date[9];                /* YYYYMMDD, "": none yet */
	uint8_t key[AG_SHA256_LEN];  /* secret: keep it where the credential is kept */
};

struct ag_sigv4_in {
	struct ag_str access_key, secret_key;
	struct ag_str session_token; /* n 0: none */
	struct ag_str region, service;
	struct ag_str method, host;  /* host as sent in the Host header */
	struct ag_str path;          /* as sent, without the query */
	struct ag_str query;         /* as sent, already encoded; parts in any order */
	struct ag_str content_type;  /* n 0: none is sent */
	uint8_t body_hash[AG_SHA256_LEN];
	int64_t wall_s;
};

/* Appends the header lines that sign the request: authorization, x-amz-content-sha256, x-amz-date
 * and, with a token, x-amz-security-token; each with CRLF.  key is the caller's, for one credential,
 * region and service; made when the day turns.  -EINVAL: a part is too long to be right. */
int ag_sigv4_headers(struct ag_sigv4_key *key, const struct ag_sigv4_in *in,
    struct ag_buf *out) AG_MUST_CHECK;

#endif
