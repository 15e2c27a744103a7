/* custom_headers.h - headers that an integration adds to each of its requests.
 *
 * They go to the host its credential goes to, beside it.  So none of them may be a credential's, frame or sign
 * the request, or make a server take it for another one: by host, by path or by method. */
#ifndef AG_CONTROL_CUSTOM_HEADERS_H
#define AG_CONTROL_CUSTOM_HEADERS_H

#include "control/call.h"

/* Of all lines, CRLFs and all: workers' buffers hold more. */
#define AG_CUSTOM_HEADERS_BYTES 8192

/* Whether it may be sent: also asked of what stands from before. */
bool ag_custom_header_may(const char *name, struct json_object *value);
/* Of a body.  < 0: answered. */
int ag_custom_headers_check(struct ag_call *c, struct json_object *headers) AG_MUST_CHECK;

#endif
