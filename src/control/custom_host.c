#include "control/custom_host.h"

#include <errno.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/num.h"

#define LABELS_MAX 10

static const char *const inner_tlds[] = { "local", "localdomain", "internal", "intranet", "lan", "home",
	"corp", "test", "invalid", "onion", "localhost" };
static const char *const metadata_hosts[] = { "metadata.google.internal", "metadata", "instance-data",
	"metadata.azure.com", "metadata.aws" };

struct url {
	struct ag_str host;
	uint64_t port;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Anything that two parsers could read differently is refused. */
static int
check_bytes(struct ag_str s, struct ag_err *err)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || memchr("@\\%#?<>\"{}|^`", s.p[i], 14))
			return ag_err_set(err, -EINVAL,
			    "must not hold credentials, a query, a fragment, blanks or encoded bytes");
	return 0;
}

static int
split(struct ag_str s, struct url *out, struct ag_err *err)
{
	bool is_tls = s.n >= 8 && strncasecmp(s.p, "https://", 8) == 0;
	size_t n = 0, host_n;

	if (!is_tls && !(s.n >= 7 && strncasecmp(s.p, "http://", 7) == 0))
		return ag_err_set(err, -EINVAL, "must begin with http:// or https://");
	s = ag_str_skip(s, is_tls ? 8 : 7);
	while (n < s.n && s.p[n] != '/')
		n++;
	for (host_n = 0; host_n < n && s.p[host_n] != ':'; host_n++)
		;
	out->host = ag_str_n(s.p, host_n);
	out->port = is_tls ? 443 : 80;
	if (host_n < n && (ag_parse_u64(ag_str_n(s.p + host_n + 1, n - host_n - 1), 65535,
	    &out->port) < 0 || out->port == 0))
		return ag_err_set(err, -EINVAL, "must have a port from 1 to 65535");
	return 0;
}

/* Letters, digits, dots and dashes; no empty label; not too many. */
static int
check_name(struct ag_str h, struct ag_err *err)
{
	size_t label = 0;
	int labels = 1;

	for (size_t i = 0; i < h.n; i++) {
		char c = lower(h.p[i]);

		if (c == '.') {
			if (label == 0)
				return ag_err_set(err, -EINVAL, "has an empty part in its host");
			label = 0;
			labels++;
		} else if (is_digit(c) || (c >= 'a' && c <= 'z') || c == '-') {
			label++;
		} else {
			return ag_err_set(err, -EINVAL,
			    "must have a host of letters, digits, dots and dashes");
		}
	}
	if (label == 0 || h.n > 253)
		return ag_err_set(err, -EINVAL, "must name a host without a trailing dot");
	if (labels > LABELS_MAX)
		return ag_err_set(err, -EINVAL, "must have a host of at most %d parts", LABELS_MAX);
	return 0;
}

static struct ag_str
last_label(struct ag_str h)
{
	size_t at = h.n;

	while (at > 0 && h.p[at - 1] != '.')
		at--;
	return ag_str_skip(h, at);
}

/* a.b.c.d of plain decimals without leading zeros; false for every other spelling. */
static bool
parse_ipv4(struct ag_str h, uint32_t *out)
{
	uint32_t ip = 0;
	int parts = 0;

	while (parts < 4) {
		size_t n = 0;
		uint64_t v;

		while (n < h.n && h.p[n] != '.')
			n++;
		if (n == 0 || (n > 1 && h.p[0] == '0') || ag_parse_u64(ag_str_n(h.p, n), 255, &v) < 0)
			return false;
		ip = ip << 8 | (uint32_t)v;
		parts++;
		if (n == h.n)
			break;
		h = ag_str_skip(h, n + 1);
		if (parts == 4)
			return false;
	}
	*out = ip;
	return parts == 4;
}

static int
check_host(struct ag_str h, struct ag_err *err)
{
	struct ag_str tld = last_label(h);
	uint32_t ip;

	/* A last part that begins with a digit is meant as an address ("0x7f.1", "2130706433"). */
	if (tld.n > 0 && is_digit(tld.p[0])) {
		if (!parse_ipv4(h, &ip))
			return ag_err_set(err, -EINVAL, "must spell an address as four decimal numbers");
		if (ag_ipv4_is_inner(ip))
			return ag_err_set(err, -EINVAL,
			    "must not lead to a private, loopback or reserved address");
		return 0;
	}
	for (size_t i = 0; i < AG_ARRAY_LEN(inner_tlds); i++)
		if (ag_str_ieq(tld, ag_str(inner_tlds[i])))
			return ag_err_set(err, -EINVAL, "must not lead to an internal name (.%s)",
			    inner_tlds[i]);
	for (size_t i = 0; i < AG_ARRAY_LEN(metadata_hosts); i++)
		if (ag_str_ieq(h, ag_str(metadata_hosts[i])))
			return ag_err_set(err, -EINVAL, "must not lead to a metadata service");
	if (tld.n == h.n)
		return ag_err_set(err, -EINVAL, "must not be a bare name");
	return 0;
}

int
ag_custom_host_check(struct ag_str url, struct ag_str trusted, struct ag_err *err)
{
	struct url u;
	int rc;

	if (url.n > 2048)
		return ag_err_set(err, -EINVAL, "must have at most 2048 bytes");
	if ((rc = check_bytes(url, err)) < 0 || (rc = split(url, &u, err)) < 0 ||
	    (rc = check_name(u.host, err)) < 0)
		return rc;
	return ag_host_is_trusted(trusted, u.host, (uint16_t)u.port) ? 0 : check_host(u.host, err);
}

int
ag_custom_host_split(struct ag_str url, struct ag_str *out_host, uint16_t *out_port)
{
	struct ag_err err;
	struct url u;
	int rc = split(url, &u, &err);

	if (rc < 0)
		return rc;
	*out_host = u.host;
	*out_port = (uint16_t)u.port;
	return 0;
}
