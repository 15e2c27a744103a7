#include "control/auth.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "conf/conf.h"
#include "control/gate.h"
#include "control/sql.h"
#include "shm/keytab.h"

/* The key as the clients send it, in the order in which they mean it. */
static struct ag_str
key_of(struct evhttp_request *http)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(http);
	const char *v = evhttp_find_header(headers, "x-portkey-api-key");

	if (!v || !*v)
		v = evhttp_find_header(headers, "x-aigate-api-key");
	if (v && *v)
		return ag_str_trim(ag_str(v));
	v = evhttp_find_header(headers, "authorization");
	if (v && strncasecmp(v, "bearer ", 7) == 0)
		return ag_str_trim(ag_str(v + 7));
	v = evhttp_find_header(headers, "x-api-key");
	if (!v || !*v)
		v = evhttp_find_header(headers, "api-key");
	return v ? ag_str_trim(ag_str(v)) : AG_STR_NONE;
}

static int
too_many_failures(struct ag_call *c, int64_t wait_us)
{
	c->retry_after_s = (unsigned)((wait_us + AG_US_PER_SEC - 1) / AG_US_PER_SEC);
	return ag_call_fail(c, 429, "AB06", "too many failed authentications from this address; come back in %u s",
	    c->retry_after_s);
}

static struct ag_gate_try
try_of(const struct ag_call *c, const uint8_t *hash)
{
	return (struct ag_gate_try){ .address = c->client_ip, .hash = hash, .now_us = ag_clock_mono_us(),
		.per_minute = c->ctl->ctx->conf->admin_auth_failures };
}

int
ag_auth_may_try(struct ag_call *c)
{
	struct ag_gate_try t = try_of(c, NULL);
	int64_t wait_us;

	return ag_gate_opens(c->ctl->gate, &t, &wait_us) ? 0 : too_many_failures(c, wait_us);
}

void
ag_auth_failed(struct ag_call *c)
{
	struct ag_gate_try t = try_of(c, NULL);

	ag_gate_failed(c->ctl->gate, &t);
}

int
ag_auth_key(struct ag_call *c, struct evhttp_request *http)
{
	struct ag_str text = key_of(http);
	uint8_t hash[AG_SHA256_LEN];
	struct ag_gate_try t;
	struct ag_key key;
	int64_t wait_us;
	int rc;

	if (text.n == 0)
		return ag_call_fail(c, 401, "AB05", "no API key: send it as x-portkey-api-key");
	ag_sha256(text.p, text.n, hash);
	t = try_of(c, hash);
	if (!ag_gate_opens(c->ctl->gate, &t, &wait_us))
		return too_many_failures(c, wait_us);
	rc = ag_keytab_find(c->ctl->ctx->shm, hash, &key, NULL, 0, NULL);
	if (rc == -EAGAIN)
		return ag_call_fail(c, 503, "AB04", "the key is being changed, try again");
	if (rc < 0 || key.state != AG_KEY_ACTIVE || key.expires_at_us <= ag_clock_wall_us()) {
		ag_gate_failed(c->ctl->gate, &t);
		return ag_call_fail(c, 401, "AB05", rc < 0 || key.state != AG_KEY_ACTIVE ? "Invalid API Key"
		                                                                         : "API Key Expired");
	}
	ag_gate_passed(c->ctl->gate, &t);
	c->actor = (struct ag_actor){ .kind = (enum ag_key_kind)key.kind, .key_id = key.id,
		.org_id = key.org_id, .workspace_id = key.workspace_id };
	memcpy(c->actor.scopes, key.scopes, sizeof(c->actor.scopes));
	return 0;
}

int
ag_auth_operator(struct ag_call *c, struct evhttp_request *http)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(http);
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(conn));
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0 ||
	    (peer.uid != 0 && peer.uid != geteuid()))
		return ag_call_fail(c, 403, "AB03",
		    "only root and the account of the gateway may use this socket");
	c->actor = (struct ag_actor){ .is_operator = true };
	return 0;
}

int
ag_auth_need_org(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	if (c->actor.org_id)
		return 0;
	assert(c->actor.is_operator);
	ag_pg_arg_text(&a, c->org_name[0] ? c->org_name : NULL);
	res = ag_call_sql(c, SQL_ORG_FIND, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_not_found(c, "organisation", c->org_name);
	if (PQntuples(res) > 1)
		return ag_call_invalid(c, "x-aigate-organisation: is required, there are several%s%s%s",
		    c->org_name[0] ? " named \"" : "", c->org_name, c->org_name[0] ? "\"" : "");
	c->actor.org_id = ag_pg_i64(res, 0, 0);
	/* It was only read: handlers begin as for a key, some with a transaction of their own. */
	ag_pg_rollback(c->ctl->pg);
	c->in_txn = false;
	return 0;
}
