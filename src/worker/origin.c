#include "worker/origin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include <event2/dns.h>
#include <event2/util.h>
#include <openssl/ssl.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "worker/upstream.h"

#define ORIGINS_MAX    4096
#define ORIGIN_ADDRS   8
#define RESOLVE_TTL_US (30 * AG_US_PER_SEC)

struct ag_origin {
	struct ag_list node;           /* on the table's list */
	struct ag_origins *table;
	char host[256];
	uint16_t port;
	bool is_tls, is_literal;       /* literal: the one address never expires */
	struct sockaddr_storage addr[ORIGIN_ADDRS];
	socklen_t addr_len[ORIGIN_ADDRS];
	uint32_t n_addrs, next_addr;
	int64_t resolved_at_us;        /* monotonic */
	struct ag_list waiters;        /* struct ag_resolve */
	struct evdns_getaddrinfo_request *lookup;
	bool is_looking_up;
	SSL_SESSION *session;          /* owned */
	struct ag_list idle;           /* struct ag_upstream, warmest first */
	uint32_t n_idle;
};

struct ag_origins {
	struct ag_worker *w;
	struct evdns_base *dns;
	struct ag_list all;
	uint32_t n;
};

int
ag_url_parse(struct ag_str url, struct ag_url *out)
{
	struct ag_url u = { 0 };
	struct ag_str rest, port;
	const char *slash, *colon;
	uint64_t number;

	if (ag_str_starts(url, AG_STR("https://"))) {
		u.is_tls = true;
		u.port = 443;
		rest = ag_str_skip(url, 8);
	} else if (ag_str_starts(url, AG_STR("http://"))) {
		u.port = 80;
		rest = ag_str_skip(url, 7);
	} else {
		return -EINVAL;
	}
	for (size_t i = 0; i < rest.n; i++)
		if ((unsigned char)rest.p[i] <= 0x20 || (unsigned char)rest.p[i] >= 0x7f || rest.p[i] == '@' ||
		    rest.p[i] == '#' || rest.p[i] == '?' || rest.p[i] == '\\')
			return -EINVAL;
	slash = memchr(rest.p, '/', rest.n);
	u.authority = ag_str_n(rest.p, slash ? (size_t)(slash - rest.p) : rest.n);
	u.path = ag_str_skip(rest, u.authority.n);
	while (u.path.n > 0 && u.path.p[u.path.n - 1] == '/')
		u.path.n--;
	u.host = u.authority;
	if (u.host.n > 0 && u.host.p[0] == '[') {
		const char *end = memchr(u.host.p, ']', u.host.n);

		if (!end)
			return -EINVAL;
		port = ag_str_skip(u.authority, (size_t)(end - u.host.p) + 1);
		u.host = ag_str_n(u.host.p + 1, (size_t)(end - u.host.p) - 1);
	} else {
		colon = memchr(u.host.p, ':', u.host.n);
		port = colon ? ag_str_skip(u.host, (size_t)(colon - u.host.p)) : AG_STR_NONE;
		u.host.n -= port.n;
	}
	if (port.n > 0) {
		if (port.p[0] != ':' || ag_parse_u64(ag_str_skip(port, 1), 65535, &number) < 0 || number == 0)
			return -EINVAL;
		u.port = (uint16_t)number;
	}
	if (u.host.n == 0 || u.host.n > 253)
		return -EINVAL;
	*out = u;
	return 0;
}

struct ag_origins *
ag_origins_new(struct ag_worker *w)
{
	struct ag_origins *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->w = w;
	ag_list_init(&o->all);
	return o;
}

static void
origin_free(struct ag_origin *o)
{
	while (!ag_list_is_empty(&o->idle))
		ag_upstream_free(AG_LIST_ENTRY(o->idle.next, struct ag_upstream, node));
	if (o->lookup)
		evdns_getaddrinfo_cancel(o->lookup);
	SSL_SESSION_free(o->session);
	ag_list_remove(&o->node);
	free(o);
}

void
ag_origins_free(struct ag_origins *o)
{
	if (!o)
		return;
	AG_LIST_FOREACH_SAFE(it, next, &o->all)
		origin_free(AG_LIST_ENTRY(it, struct ag_origin, node));
	if (o->dns)
		evdns_base_free(o->dns, 0);
	free(o);
}

static struct ag_origin *
origin_new(struct ag_origins *table, struct ag_str host, uint16_t port, bool is_tls)
{
	struct ag_origin *o;

	if (table->n >= ORIGINS_MAX)
		return NULL;
	o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->table = table;
	(void)ag_str_copy(host, o->host, sizeof(o->host));
	o->port = port;
	o->is_tls = is_tls;
	ag_list_init(&o->waiters);
	ag_list_init(&o->idle);
	ag_list_push_back(&table->all, &o->node);
	table->n++;
	return o;
}

static void
take_literal(struct ag_origin *o)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)(void *)&o->addr[0];
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&o->addr[0];

	if (inet_pton(AF_INET, o->host, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(o->port);
		o->addr_len[0] = sizeof(*in4);
	} else if (inet_pton(AF_INET6, o->host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(o->port);
		o->addr_len[0] = sizeof(*in6);
	} else {
		return;
	}
	o->n_addrs = 1;
	o->is_literal = true;
}

struct ag_origin *
ag_origin_get(struct ag_origins *table, const struct ag_url *url)
{
	struct ag_origin *o;

	AG_LIST_FOREACH(it, &table->all) {
		o = AG_LIST_ENTRY(it, struct ag_origin, node);
		if (o->port == url->port && o->is_tls == url->is_tls &&
		    ag_str_ieq(url->host, ag_str(o->host)))
			return o;
	}
	o = origin_new(table, url->host, url->port, url->is_tls);
	if (o)
		take_literal(o);
	return o;
}

struct ag_origin *
ag_origin_get_unix(struct ag_origins *table, const char *path)
{
	struct ag_origin *o = origin_new(table, ag_str("control"), 0, false);
	struct sockaddr_un *un;

	if (!o)
		return NULL;
	un = (struct sockaddr_un *)(void *)&o->addr[0];
	un->sun_family = AF_UNIX;
	if (!ag_str_copy(ag_str(path), un->sun_path, sizeof(un->sun_path))) {
		origin_free(o);
		return NULL;
	}
	o->addr_len[0] = (socklen_t)sizeof(*un);
	o->n_addrs = 1;
	o->is_literal = true;
	return o;
}

/* ---- names ------------------------------------------------------------------------------- */

static void
wake_waiters(struct ag_origin *o, int rc)
{
	struct ag_list ready;

	/* A callback may ask again: those asking now are moved off first. */
	ag_list_init(&ready);
	while (!ag_list_is_empty(&o->waiters)) {
		struct ag_list *first = o->waiters.next;

		ag_list_remove(first);
		ag_list_push_back(&ready, first);
	}
	while (!ag_list_is_empty(&ready)) {
		struct ag_resolve *r = AG_LIST_ENTRY(ready.next, struct ag_resolve, node);

		ag_list_remove(&r->node);
		r->fn(r->arg, rc);
	}
}

/* A public name may be made to lead inwards after it was configured. */
static bool
may_lead_to(const struct ag_origin *o, const struct sockaddr *sa)
{
	static struct ag_log_limit limit;

	if (!ag_sockaddr_is_inner(sa) ||
	    ag_host_is_trusted(ag_str(o->table->w->conf->trusted_hosts), ag_str(o->host), o->port))
		return true;
	if (ag_log_allowed(&limit, 5))
		ag_warn("host \"%s\" leads to a private, loopback or reserved address and is not among trusted_hosts",
		    o->host);
	return false;
}

static void
origin_on_resolved(int result, struct evutil_addrinfo *res, void *arg)
{
	struct ag_origin *o = arg;
	int rc = -EHOSTUNREACH;

	if (result == EVUTIL_EAI_CANCEL)
		return; /* the origin is gone */
	o->lookup = NULL;
	o->is_looking_up = false;
	if (result == 0) {
		o->n_addrs = o->next_addr = 0;
		for (struct evutil_addrinfo *a = res; a && o->n_addrs < ORIGIN_ADDRS; a = a->ai_next) {
			if (a->ai_addrlen > sizeof(o->addr[0]) || !may_lead_to(o, a->ai_addr))
				continue;
			memcpy(&o->addr[o->n_addrs], a->ai_addr, a->ai_addrlen);
			o->addr_len[o->n_addrs++] = (socklen_t)a->ai_addrlen;
		}
		evutil_freeaddrinfo(res);
	} else {
		ag_warn("could not resolve host \"%s\": %s%s", o->host, evutil_gai_strerror(result),
		    o->n_addrs > 0 ? ", using the last known addresses" : "");
	}
	if (o->n_addrs > 0) {
		o->resolved_at_us = ag_clock_mono_us();
		rc = 0;
	}
	wake_waiters(o, rc);
}

static struct evdns_base *
origins_dns(struct ag_origins *table)
{
	if (table->dns)
		return table->dns;
	table->dns = evdns_base_new(table->w->base, 0);
	if (table->dns) {
		/* A missing resolv.conf leaves /etc/hosts, which is enough for literal set-ups. */
		evdns_base_resolv_conf_parse(table->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
		evdns_base_load_hosts(table->dns, "/etc/hosts");
		evdns_base_set_option(table->dns, "randomize-case", "0");
	}
	return table->dns;
}

int
ag_origin_resolve(struct ag_origin *o, struct ag_resolve *r, const struct sockaddr **out_addr,
    socklen_t *out_len)
{
	struct evutil_addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	char port[8];

	if (o->n_addrs > 0 &&
	    (o->is_literal || ag_clock_mono_us() - o->resolved_at_us < RESOLVE_TTL_US)) {
		uint32_t ix = o->next_addr % o->n_addrs;

		*out_addr = (const struct sockaddr *)(const void *)&o->addr[ix];
		*out_len = o->addr_len[ix];
		return 0;
	}
	if (!origins_dns(o->table))
		return -ENOMEM;
	if (!o->is_looking_up) {
		struct evdns_getaddrinfo_request *lookup;

		o->is_looking_up = true;
		snprintf(port, sizeof(port), "%u", o->port);
		lookup = evdns_getaddrinfo(o->table->dns, o->host, port, &hints, origin_on_resolved, o);
		if (!o->is_looking_up)
			/* Answered at once, from /etc/hosts: nobody but us was waiting. */
			return o->n_addrs > 0 ? ag_origin_resolve(o, r, out_addr, out_len) : -EHOSTUNREACH;
		o->lookup = lookup;
	}
	ag_list_push_back(&o->waiters, &r->node);
	return -EINPROGRESS;
}

void
ag_origin_resolve_cancel(struct ag_resolve *r)
{
	ag_list_remove(&r->node);
}

bool
ag_origin_is_tls(const struct ag_origin *o)
{
	return o->is_tls;
}

const char *
ag_origin_host(const struct ag_origin *o)
{
	return o->host;
}

SSL_SESSION *
ag_origin_session(const struct ag_origin *o)
{
	return o->session;
}

void
ag_origin_session_set(struct ag_origin *o, SSL_SESSION *session)
{
	SSL_SESSION_free(o->session);
	o->session = session;
}

void
ag_origin_addr_failed(struct ag_origin *o)
{
	o->next_addr++;
}

struct ag_list *
ag_origin_idle(struct ag_origin *o)
{
	return &o->idle;
}

uint32_t *
ag_origin_n_idle(struct ag_origin *o)
{
	return &o->n_idle;
}
