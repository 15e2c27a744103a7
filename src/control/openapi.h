/* openapi.h - the description of our own API, OpenAPI 3.1, made from the table of routes.
 *
 * Paths, methods and scopes come from routes.c; openapi_ops.h says what goes in and out of them, openapi_schemas.h
 * of which members that is.  A route without a row is described all the same, by its path alone. */
#ifndef AG_CONTROL_OPENAPI_H
#define AG_CONTROL_OPENAPI_H

#include "control/call.h"

/* GET /v1/openapi.json, for everybody. */
void ag_openapi_get(struct ag_call *c);
/* GET /v1/operator/routes: the table of routes as it is served. */
void ag_operator_routes(struct ag_call *c);

#endif
