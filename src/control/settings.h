/* settings.h - what an organisation demands of its keys and workspaces.  Stored in organisation.settings. */
#ifndef AG_CONTROL_SETTINGS_H
#define AG_CONTROL_SETTINGS_H

#include "control/call.h"
#include "control/user_keys.h"

#define AG_SETTING_KEY_SCHEMA       "api_key_metadata_schema"
#define AG_SETTING_WORKSPACE_SCHEMA "workspace_metadata_schema"
#define AG_SETTING_SAVED_ONLY       "saved_only"
#define AG_SETTING_KEY_DAYS         "api_key_max_lifetime_days"
#define AG_SETTING_USER_KEY_DAYS    "user_api_key_max_lifetime_days"

/* All of them, owned by the caller; an object. */
int ag_settings_read(struct ag_call *c, struct json_object **out) AG_MUST_CHECK;

/* Metadata (NULL none) as the schema of that name wants it, defaults filled in: *out is the caller's,
 * NULL when there is none and none is demanded.  < 0: answered, naming member and rule. */
int ag_settings_conform(struct ag_call *c, struct json_object *settings, const char *schema,
    struct json_object *metadata, struct json_object **out) AG_MUST_CHECK;

/* Holds the end of a key's life against the ceilings of its kind, counted from since_us.  of_user:
 * what its workspace demands of a person's key, NULL for any other.  is_new: absent becomes what the
 * workspace says, else the ceiling.  INT64_MAX: never ends. */
int ag_settings_expiry(struct ag_call *c, struct json_object *settings,
    const struct ag_user_keys *of_user, int64_t since_us, bool is_new,
    int64_t *io_expires_at_us) AG_MUST_CHECK;

#endif
