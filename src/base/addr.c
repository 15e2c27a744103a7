#include "base/addr.h"

#include <netinet/in.h>
#include <string.h>

#include "base/attr.h"
#include "base/num.h"

bool
ag_ipv4_is_inner(uint32_t ip)
{
	static const struct {
		uint32_t net;
		int bits;
	} inner[] = {
		{0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},
		{0xa9fe0000, 16}, {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24},
		{0xc0a80000, 16}, {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24},
		{0xe0000000, 3},
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(inner); i++)
		if (ip >> (32 - inner[i].bits) == inner[i].net >> (32 - inner[i].bits))
			return true;
	return false;
}

static uint32_t
ipv4_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool
is_inner_ipv6(const uint8_t a[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

	if (memcmp(a, mapped, sizeof(mapped)) == 0 || memcmp(a, nat64, sizeof(nat64)) == 0)
		return ag_ipv4_is_inner(ipv4_at(a + 12));
	if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 */
		return ag_ipv4_is_inner(ipv4_at(a + 2));
	/* Only 2000::/3 is given out; documentation and Teredo of it are not providers. */
	if ((a[0] & 0xe0) != 0x20)
		return true;
	return a[0] == 0x20 && a[1] == 0x01 &&
	       ((a[2] == 0x0d && a[3] == 0xb8) || (a[2] == 0 && a[3] == 0));
}

bool
ag_sockaddr_is_inner(const struct sockaddr *sa)
{
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;

	if (sa->sa_family == AF_INET) {
		memcpy(&in4, sa, sizeof(in4));
		return ag_ipv4_is_inner(ntohl(in4.sin_addr.s_addr));
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		return is_inner_ipv6(in6.sin6_addr.s6_addr);
	}
	return true;
}

bool
ag_host_is_trusted(struct ag_str trusted, struct ag_str host, uint16_t port)
{
	while (trusted.n > 0) {
		const char *comma = memchr(trusted.p, ',', trusted.n);
		size_t n = comma ? (size_t)(comma - trusted.p) : trusted.n;
		struct ag_str one = ag_str_trim(ag_str_n(trusted.p, n));
		uint64_t number;

		if (one.n > 0 && ag_str_ieq(one, host))
			return true;
		if (one.n > host.n + 1 && one.p[host.n] == ':' &&
		    ag_str_ieq(ag_str_n(one.p, host.n), host) &&
		    ag_parse_u64(ag_str_skip(one, host.n + 1), 65535, &number) == 0 &&
		    number == port)
			return true;
		trusted = ag_str_skip(trusted, n + (comma ? 1 : 0));
	}
	return false;
}
