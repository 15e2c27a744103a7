/* secret_fetch.h - a secret from where it is kept: what may be fetched; out of a file or a variable.
 * A vault is asked by secret_ask.h. */
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
bool ag_secret_is_remote(const char *manager); /* to be asked, not read */
/* The value of one that is not remote, to out (wiped by the caller).  -errno; err never holds any of it. */
int ag_secret_fetch(const struct ag_conf *conf, const struct ag_secret_at *at, struct ag_buf *out,
    struct ag_err *err) AG_MUST_CHECK;
/* Of the JSON object a secret is, the member meant; without a name the only one. */
int ag_secret_pick(struct json_object *obj, const char *key, struct ag_buf *out, struct ag_err *err) AG_MUST_CHECK;
/* A member that is a text and not empty, NULL: none; the same under its short or its long name. */
const char *ag_secret_text(struct json_object *obj, const char *name);
const char *ag_secret_either(struct json_object *obj, const char *name, const char *other);
/* Its texts are overwritten before it is let go of.  NULL-safe. */
void ag_secret_json_put(struct json_object *obj);

#endif
