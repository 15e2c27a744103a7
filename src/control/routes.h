/* routes.h - the endpoints: method, path, what the caller needs, who answers. */
#ifndef AG_CONTROL_ROUTES_H
#define AG_CONTROL_ROUTES_H

#include "control/call.h"

/* What is special about a route; most have none of it. */
#define AG_ROUTE_OPERATOR 1u /* on the operators' socket alone */
#define AG_ROUTE_LIST     2u /* takes an array for a body too */
#define AG_ROUTE_SIGNED   4u /* no key: address or body carry what proves it, the handler checks */

struct ag_route {
	const char *method;
	const char *path;       /* {} stands for one segment */
	void (*answer)(struct ag_call *c);
	enum ag_scope scope;    /* AG_SCOPE_NONE: the handler decides */
	unsigned flags;         /* AG_ROUTE_... */
};

enum ag_route_miss { AG_ROUTE_FOUND, AG_ROUTE_UNKNOWN, AG_ROUTE_WRONG_METHOD, AG_ROUTE_LATER };

/* path without its query; fills args with the decoded segments.  AG_ROUTE_LATER: documented but
 * not served, *out_what names it. */
enum ag_route_miss ag_route_find(const char *method, const char *path,
    char args[AG_CALL_ARGS_MAX][AG_SLUG_MAX + 1], const struct ag_route **out,
    const char **out_what);

#endif
