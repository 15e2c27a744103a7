/* user_keys.h - what a workspace demands of the keys of its people, and gives them along.
 *
 * Members of `settings` of a workspace:
 *   user_api_key_ttl            days a new key lives unless it says otherwise; 0 as long as it may
 *   user_api_key_max_ttl        days it lives at most, from its creation or last rotation; 0 no end
 *   user_api_key_count          keys that work which one person may have in it; -1 any number
 *   user_key_metadata           0 none; 1 {"_user": address of the person}; or an object
 *   user_key_metadata_override  0: that metadata goes before the key's own; 1: what the key, its
 *                               request and the workspace say goes before that
 * Keys of nobody are not concerned. */
#ifndef AG_CONTROL_USER_KEYS_H
#define AG_CONTROL_USER_KEYS_H

#include "control/call.h"

#define AG_USER_KEY_MAX_TTL "user_api_key_max_ttl"

/* What a body said. */
struct ag_user_keys_body {
	bool has_ttl, has_max_ttl, has_count, has_metadata, has_override, override;
	int64_t ttl_days, max_ttl_days;  /* 0 none */
	int64_t count;                   /* -1 none */
	struct json_object *metadata;    /* owned; an object, true, or NULL none */
};

void ag_user_keys_body_fini(struct ag_user_keys_body *b);
bool ag_user_keys_is_setting(const char *name);
/* Out of `settings` (NULL: absent).  < 0: answered. */
int ag_user_keys_read(struct ag_call *c, struct json_object *settings,
    struct ag_user_keys_body *out) AG_MUST_CHECK;
/* Into the row; where the metadata changed, the keys that carry it go into c->plan. */
int ag_user_keys_store(struct ag_call *c, int64_t workspace_id,
    const struct ag_user_keys_body *b) AG_MUST_CHECK;

/* What holds for the keys of one person in a workspace. */
struct ag_user_keys {
	int64_t ttl_days, max_ttl_days;  /* 0 none */
	int64_t count, n_active;         /* count -1: any number */
	struct json_object *metadata;    /* owned; NULL none */
	bool override;
};
void ag_user_keys_fini(struct ag_user_keys *k);
int ag_user_keys_find(struct ag_call *c, int64_t workspace_id, int64_t user_id,
    struct ag_user_keys *out) AG_MUST_CHECK;
/* One more that works, or 400 that begins with `path`.  Whoever adds one at the same time elsewhere
 * is turned away with 409, so that what was counted is true when it is committed. */
int ag_user_keys_room(struct ag_call *c, const struct ag_user_keys *k, int64_t workspace_id,
    int64_t user_id, const char *path) AG_MUST_CHECK;
/* The metadata a key will carry: its own (NULL none) and what the workspace gives along.  The
 * caller's; NULL none. */
struct json_object *ag_user_keys_carried(const struct ag_user_keys *k, struct json_object *own);

#endif
