#include "conf/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "base/num.h"
#include "base/str.h"

static bool
split(struct ag_str text, struct ag_str *host, struct ag_str *port)
{
	size_t i = text.n;

	while (i > 0 && text.p[i - 1] != ':')
		i--;
	if (i < 2)
		return false;
	*host = ag_str_n(text.p, i - 1);
	*port = ag_str_skip(text, i);
	return true;
}

static bool
set_v6(struct ag_str host, uint16_t port, struct sockaddr_storage *out, socklen_t *out_len)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	char ip[INET6_ADDRSTRLEN];

	if (!ag_str_eq(host, AG_STR("*"))) {
		if (host.n < 2 || host.p[0] != '[' || host.p[host.n - 1] != ']' ||
		    !ag_str_copy(ag_str_n(host.p + 1, host.n - 2), ip, sizeof(ip)) ||
		    inet_pton(AF_INET6, ip, &sa.sin6_addr) != 1)
			return false;
	}
	memcpy(out, &sa, sizeof(sa));
	*out_len = sizeof(sa);
	return true;
}

static bool
set_v4(struct ag_str host, uint16_t port, struct sockaddr_storage *out, socklen_t *out_len)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	char ip[INET_ADDRSTRLEN];

	if (!ag_str_copy(host, ip, sizeof(ip)) || inet_pton(AF_INET, ip, &sa.sin_addr) != 1)
		return false;
	memcpy(out, &sa, sizeof(sa));
	*out_len = sizeof(sa);
	return true;
}

int
ag_listen_parse(const char *text, struct sockaddr_storage *out, socklen_t *out_len,
    struct ag_err *err)
{
	struct ag_str host, port;
	uint64_t number;

	if (!split(ag_str(text), &host, &port) || ag_parse_u64(port, UINT16_MAX, &number) < 0)
		return ag_err_set(err, -EINVAL,
		    "value \"%.64s\" is not ADDRESS:PORT with a port of 0..65535", text);
	if (!set_v6(host, (uint16_t)number, out, out_len) &&
	    !set_v4(host, (uint16_t)number, out, out_len))
		return ag_err_set(err, -EINVAL,
		    "value \"%.64s\" does not begin with a numeric address: 127.0.0.1, [::1] or *", text);
	return 0;
}
