/* keys.h - API keys, as the files that handle them share them. */
#ifndef AG_CONTROL_KEYS_H
#define AG_CONTROL_KEYS_H

#include "control/call.h"
#include "control/roles.h"
#include "control/secret.h"

/* One row a kind of key: what its handling needs. */
struct ag_kind {
	const char *name, *type, *sub_type;
	unsigned holder;      /* AG_SCOPE_OF_... */
	enum ag_scope create, read, update, drop, list, rotate;
};

#define AG_KINDS 3
extern const struct ag_kind ag_kinds[AG_KINDS];

enum ag_key_verb { AG_KEY_TO_READ, AG_KEY_TO_UPDATE, AG_KEY_TO_DELETE, AG_KEY_TO_ROTATE };

/* The key the path names, when the caller may do this to it. */
int ag_key_find(struct ag_call *c, enum ag_key_verb verb, int64_t *out_id,
    const struct ag_kind **out_kind) AG_MUST_CHECK;
/* As the API shows it, members for us ("_id", "_version") and all. */
int ag_key_read(struct ag_call *c, int64_t id, struct json_object **out) AG_MUST_CHECK;

/* A key of a person who has just become a member: scopes as a JSON array of names, everything else as the
 * organisation's settings have it.  Planned, not committed. */
int ag_key_make_for(struct ag_call *c, int64_t workspace_id, int64_t user_id, const char *name,
    struct json_object *scopes, struct ag_new_key *out_key, char out_uuid[AG_UUID_LEN]) AG_MUST_CHECK;

/* A list of scopes as they are stored (owned by the caller), all of them fit for `holder`. */
int ag_key_read_scopes(struct ag_call *c, struct json_object *list, const char *path, unsigned holder,
    const char *holder_name, struct json_object **out) AG_MUST_CHECK;
/* Whether the role may have them all. */
int ag_key_check_role(struct ag_call *c, struct json_object *scopes, const char *path,
    enum ag_role_in role) AG_MUST_CHECK;
/* Whether the workspace leaves those open to it that are not in `had` (NULL: none). */
int ag_key_check_open(struct ag_call *c, struct json_object *scopes, struct json_object *had,
    const char *path, enum ag_role_in role, int64_t workspace_id) AG_MUST_CHECK;
/* Nobody gives what he lacks: of `scopes` (as stored) the caller holds those that are not in `had` (the key's
 * so far; NULL: a new key), or they are of a kind his own kind of key can never hold. */
int ag_key_check_giver(struct ag_call *c, struct json_object *scopes, struct json_object *had,
    const char *path) AG_MUST_CHECK;
/* Nor takes it: a caller who is told the secret of something with these scopes could give them himself.
 * what: the sentence's beginning, "the key holds". */
int ag_key_check_taker(struct ag_call *c, struct json_object *scopes, const char *what) AG_MUST_CHECK;

#endif
