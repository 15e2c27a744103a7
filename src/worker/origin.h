/* origin.h - the places we connect to: name resolution, connections kept for reuse, TLS sessions.
 *
 * An origin is scheme, host and port (or a unix socket).  Each worker has its own table, bounded,
 * and a bounded stack of idle connections per origin, the warmest on top. */
#ifndef AG_WORKER_ORIGIN_H
#define AG_WORKER_ORIGIN_H

#include "worker/worker.h"

struct ag_origin;
struct ag_origins;
struct ag_upstream;

struct ag_url {
	bool is_tls;
	struct ag_str host;      /* without brackets */
	struct ag_str authority; /* as sent in Host */
	struct ag_str path;      /* without trailing slash, may be empty */
	uint16_t port;
};
/* http://host[:port][/path] or https://...; -EINVAL for anything else. */
int ag_url_parse(struct ag_str url, struct ag_url *out) AG_MUST_CHECK;

struct ag_origins *ag_origins_new(struct ag_worker *w);
void ag_origins_free(struct ag_origins *o);
/* Found or made; NULL: table full or no memory. */
struct ag_origin *ag_origin_get(struct ag_origins *o, const struct ag_url *url);
struct ag_origin *ag_origin_get_unix(struct ag_origins *o, const char *path);

/* An address to connect to.  With the answer known (literal, cached): 0 and it is filled in.
 * -EINPROGRESS: fn is called later, once, with 0 or -errno, unless cancelled. */
struct ag_resolve {
	struct ag_list node;     /* on the origin's waiters */
	void (*fn)(void *arg, int rc);
	void *arg;
};
int ag_origin_resolve(struct ag_origin *o, struct ag_resolve *r,
    const struct sockaddr **out_addr, socklen_t *out_len) AG_MUST_CHECK;
void ag_origin_resolve_cancel(struct ag_resolve *r);

bool ag_origin_is_tls(const struct ag_origin *o);
const char *ag_origin_host(const struct ag_origin *o);
SSL_SESSION *ag_origin_session(const struct ag_origin *o); /* borrowed */
void ag_origin_session_set(struct ag_origin *o, SSL_SESSION *session); /* takes it */
/* A failed connect: try another address next time. */
void ag_origin_addr_failed(struct ag_origin *o);

/* The idle stack. */
struct ag_list *ag_origin_idle(struct ag_origin *o);
uint32_t *ag_origin_n_idle(struct ag_origin *o);

#endif
