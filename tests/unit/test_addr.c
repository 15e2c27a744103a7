#include <arpa/inet.h>
#include <string.h>

#include "base/addr.h"
#include "tap.h"

static bool
is_inner(const char *text)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &in4.sin_addr) == 1)
		return ag_sockaddr_is_inner((const struct sockaddr *)(const void *)&in4);
	ok(inet_pton(AF_INET6, text, &in6.sin6_addr) == 1, "%s is an address", text);
	return ag_sockaddr_is_inner((const struct sockaddr *)(const void *)&in6);
}

static void
inner_addresses_are_known_in_every_dress(void)
{
	static const char *const inner[] = {"127.0.0.1",
					    "10.1.2.3",
					    "172.16.0.1",
					    "172.31.255.255",
					    "192.168.1.1",
					    "169.254.169.254",
					    "100.64.0.1",
					    "0.0.0.0",
					    "224.0.0.1",
					    "255.255.255.255",
					    "::1",
					    "::",
					    "fe80::1",
					    "fd00::1",
					    "fc00::1",
					    "ff02::1",
					    "::ffff:10.0.0.1",
					    "::ffff:169.254.169.254",
					    "64:ff9b::7f00:1",
					    "2002:7f00:1::",
					    "2001:db8::1",
					    "::7f00:1",
					    "2001::1"};
	static const char *const outer[] = {"1.1.1.1",      "172.15.255.255", "172.32.0.1",
					    "8.8.8.8",      "104.18.7.192",   "2606:4700::6812:7c0",
					    "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808"};

	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
		ok(is_inner(inner[i]), "%s leads inwards", inner[i]);
	for (size_t i = 0; i < sizeof(outer) / sizeof(outer[0]); i++)
		ok(!is_inner(outer[i]), "%s does not", outer[i]);
}

static void
a_list_names_hosts_or_hosts_with_ports(void)
{
	struct ag_str list = AG_STR("localhost, Models.corp:8080 ,10.0.0.1");

	ok(ag_host_is_trusted(list, AG_STR("LOCALHOST"), 1), "a host, whatever the port and case");
	ok(ag_host_is_trusted(list, AG_STR("10.0.0.1"), 443), "an address");
	ok(ag_host_is_trusted(list, AG_STR("models.corp"), 8080), "a host with its port");
	ok(!ag_host_is_trusted(list, AG_STR("models.corp"), 808), "not with another port");
	ok(!ag_host_is_trusted(list, AG_STR("models"), 8080), "not the beginning of one");
	ok(!ag_host_is_trusted(AG_STR(""), AG_STR(""), 0), "nothing in nothing");
}

int
main(void)
{
	inner_addresses_are_known_in_every_dress();
	a_list_names_hosts_or_hosts_with_ports();
	return done();
}
