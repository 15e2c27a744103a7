/* custom_host.h - whether an URL may be called with somebody's credential: no private, loopback,
 * link-local or metadata address in any spelling, unless the configuration trusts it by name.
 * Names are not resolved here; the connection is the worker's business. */
#ifndef AG_CONTROL_CUSTOM_HOST_H
#define AG_CONTROL_CUSTOM_HOST_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* trusted: comma-separated hosts or host:port.  -EINVAL and why. */
int ag_custom_host_check(struct ag_str url, struct ag_str trusted, struct ag_err *err) AG_MUST_CHECK;
/* Host and port, 443 or 80 where none is said, of an URL that passed. */
int ag_custom_host_split(struct ag_str url, struct ag_str *out_host, uint16_t *out_port) AG_MUST_CHECK;

#endif
