/* mask.h - what is kept of a call without its credentials. */
#ifndef AG_CONTROL_MASK_H
#define AG_CONTROL_MASK_H

struct evkeyvalq;
struct json_object;

/* A copy in which each member whose name tells of a credential says "*****"; masks ("ag*****xyz")
 * stay, members for us ("_id") are left out at the top.  NULL gives NULL. */
struct json_object *ag_mask_json(struct json_object *v);
/* Headers as an object, those that authorise masked. */
struct json_object *ag_mask_headers(const struct evkeyvalq *headers);

#endif
