/* secret_maps.h - integrations whose key is kept elsewhere.
 *
 * What was read last stands sealed in the row of the integration like any key, so that workers, restarts and
 * a vault that is away know no difference; it is read anew every credential_refresh. */
#ifndef AG_CONTROL_SECRET_MAPS_H
#define AG_CONTROL_SECRET_MAPS_H

#include "control/call.h"
#include "control/secret_fetch.h"

/* secret_mappings of a body.  value: what stands for `key`, with its NUL; wiped by fini. */
struct ag_secret_map {
	bool is_given, is_set;          /* the member is there; it maps the key */
	int64_t ref_id;
	const char *key, *format;       /* borrowed: body */
	struct ag_buf value;
};

/* Reads the member; no fetching. */
int ag_secret_map_read(struct ag_call *c, struct ag_secret_map *m) AG_MUST_CHECK;
/* The integration as it will stand. */
struct ag_secret_use {
	int64_t workspace_id;                /* 0: the organisation's */
	const char *family;
	struct json_object *configurations;  /* borrowed; NULL none */
};
/* What a vault answered a call, which is run again with it. */
void ag_secret_got_free(struct ag_secret_got *got); /* wiped; NULL-safe */

/* Fetches what it names for that use, if the reference is for it: the workspace, and where the secret will be
 * sent.  A host that is named only for the integration is taken where the reference names none and the caller
 * could have changed that himself.  A vault is asked first: < 0 with the call deferred, its transaction undone;
 * when the vault answered the handler is run again from its beginning, with c->got. */
int ag_secret_map_fetch(struct ag_call *c, struct ag_secret_map *m, const struct ag_secret_use *use) AG_MUST_CHECK;
/* Remembers it with the integration, or forgets what stood. */
int ag_secret_map_store(struct ag_call *c, const struct ag_secret_map *m, int64_t integration_id) AG_MUST_CHECK;
void ag_secret_map_fini(struct ag_secret_map *m);

/* auth_config of a reference: opened, the caller's; sealed, with its mask for people. */
struct json_object *ag_secret_auth_open(struct ag_control *ctl, const char *uuid, const PGresult *res,
    int row, int col);
int ag_secret_auth_seal(struct ag_call *c, const char *uuid, struct json_object *auth,
    struct ag_buf *out_sealed, struct json_object **out_masked) AG_MUST_CHECK;

/* Whether the caller's organisation may name that file or variable, which are the machine's: among several
 * organisations a name begins with its owner's, "acme.openai", AIGATE_SECRET_ACME__OPENAI.  -EACCES: not,
 * err says why; -1: answered. */
int ag_secret_is_own(struct ag_call *c, const char *manager, const char *path, struct ag_err *err) AG_MUST_CHECK;

/* About once a second: reads anew what is due. */
void ag_secrets_tick(struct ag_control *ctl);

#endif
