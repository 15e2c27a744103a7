/* destination.h - where the credential of an integration is sent.
 *
 * Whoever leads it to a host of his own can read it there, without having known it.  So an update that may
 * lead it elsewhere brings the credential again. */
#ifndef AG_CONTROL_DESTINATION_H
#define AG_CONTROL_DESTINATION_H

#include "control/call.h"

struct ag_secret_map;

/* Of an update: before, the integration as it stands ("configurations", "masked_key", "secret_mappings");
 * conf, its settings as they will be, NULL: the same; map as the body gave it.  < 0: answered. */
int ag_destination_keep(struct ag_call *c, struct json_object *before, struct json_object *conf, bool gives_key,
    const struct ag_secret_map *map) AG_MUST_CHECK;
/* Whether the credential may be sent where an integration of that family with these settings (NULL: none)
 * sends it.  hosts: allowed_hosts of its reference, NULL: to the provider's own and to no host somebody
 * named.  -EACCES: err says which host. */
int ag_destination_may(const char *family, struct json_object *conf, struct json_object *hosts,
    struct ag_err *err) AG_MUST_CHECK;
/* The member allowed_hosts as it was given: an array, or NULL.  < 0: answered. */
int ag_destination_check_hosts(struct ag_call *c, struct json_object *hosts) AG_MUST_CHECK;

#endif
