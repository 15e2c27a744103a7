/* listen.h - the address of a listener: "127.0.0.1:8787", "[::1]:80", "*:80".
 * Numeric only: a gateway must come up without a name server. */
#ifndef AG_CONF_LISTEN_H
#define AG_CONF_LISTEN_H

#include <sys/socket.h>

#include "base/err.h"

/* "*" is the IPv6 wildcard, which takes IPv4 as well where the kernel allows it. -EINVAL and err. */
int ag_listen_parse(const char *text, struct sockaddr_storage *out, socklen_t *out_len,
    struct ag_err *err) AG_MUST_CHECK;

#endif
