/* addr.h - which addresses lead inwards, and which hosts an operator trusts nevertheless.
 *
 * Pure functions; both control (what may be configured) and the workers (what a name turned out to
 * be) ask them, so that a name is no way around the check of an address. */
#ifndef AG_BASE_ADDR_H
#define AG_BASE_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/str.h"

/* Private, loopback, link-local, multicast, reserved; host byte order. */
bool ag_ipv4_is_inner(uint32_t ip);
/* The same of IPv6, also where an IPv4 address is wrapped in it.  Other families: true. */
bool ag_sockaddr_is_inner(const struct sockaddr *sa);
/* Whether the comma-separated list names the host, or the host with its port. */
bool ag_host_is_trusted(struct ag_str trusted, struct ag_str host, uint16_t port);

#endif
