/* secret_fetch.h - a secret from where it is kept: HashiCorp Vault (KV version 2), a file, a variable.
 *
 * Blocks, for FETCH_MS at most a request; control is off the request path.  Vault is met by libcurl: no
 * redirects, and no inner address unless trusted_hosts names the host, resolved or not. */
#ifndef AG_CONTROL_SECRET_FETCH_H
#define AG_CONTROL_SECRET_FETCH_H

#include <json-c/json.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

struct ag_conf;

#define AG_SECRET_MAX ((size_t)64 << 10)
#define AG_SECRET_ENV_PREFIX "AIGATE_SECRET_"

struct ag_secret_at {
	const char *manager;          /* hashicorp_vault, file, environment */
	struct json_object *auth;     /* of the manager; an object */
	const char *path;
	const char *key;              /* member; NULL: the only one, or all of it */
	bool is_json;                 /* the text is a JSON object, key is a member of it */
};

/* Whether manager, auth and path are such as can be fetched; -EINVAL, err names member and rule. */
int ag_secret_check(const struct ag_conf *conf, const struct ag_secret_at *at, struct ag_err *err) AG_MUST_CHECK;
/* The value, to out (wiped by the caller).  -errno; err never holds any of it. */
int ag_secret_fetch(const struct ag_conf *conf, const struct ag_secret_at *at, struct ag_buf *out,
    struct ag_err *err) AG_MUST_CHECK;

#endif
