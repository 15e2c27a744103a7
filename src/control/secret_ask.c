#include "control/secret_ask.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/num.h"
#include "conf/conf.h"
#include "http/curl_loop.h"

#define REQUEST_MS  3000L
#define ASKS_MAX    64
#define ASKS_OF_ONE 8     /* an organisation's: whoever's vault is dead leaves room for the others */

struct ag_secret_asks {
	const struct ag_conf *conf;  /* borrowed */
	struct ag_curl_loop *loop;   /* owned */
	struct ag_list asks;
	unsigned n;
	bool is_drained;
};

struct ask {
	struct ag_list node;
	struct ag_secret_asks *all;
	int64_t org_id;
	char *path, *key;            /* owned; key may be NULL */
	struct json_object *auth;    /* owned */
	struct json_object *login;   /* owned: the token, of a role that logged in */
	CURL *curl;                  /* owned: the request under way */
	struct curl_slist *headers;  /* owned */
	struct ag_buf post, body;
	bool is_login, is_trusted, led_inwards;
	ag_secret_done done;
	void *arg;
};

/* ---- one request ---- */

static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct ask *a = arg;

	(void)purpose;
	if (!a->is_trusted && ag_sockaddr_is_inner(&to->addr)) {
		a->led_inwards = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct ag_buf *b = arg;

	ag_buf_put(b, p, size * n);
	return b->failed ? 0 : size * n;
}

static bool
host_is_trusted(const struct ag_conf *conf, const char *url)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL;
	uint64_t number = 0;
	bool trusted = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    ag_parse_u64(ag_str(port), UINT16_MAX, &number) == 0 &&
	    ag_host_is_trusted(ag_str(conf->trusted_hosts), ag_str(host), (uint16_t)number);

	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return trusted;
}

static struct curl_slist *
headers_of(const struct ask *a, const char *token)
{
	const char *space = ag_secret_text(a->auth, "vault_namespace");
	struct curl_slist *list = curl_slist_append(NULL, "expect:");
	char line[2048];

	snprintf(line, sizeof(line), "x-vault-token: %.1900s", token ? token : "");
	if (token)
		list = curl_slist_append(list, line);
	snprintf(line, sizeof(line), "x-vault-namespace: %.255s", space ? space : "");
	if (space)
		list = curl_slist_append(list, line);
	ag_mem_wipe(line, sizeof(line));
	return list;
}

static void
end_request(struct ask *a)
{
	if (a->curl) {
		ag_curl_loop_remove(a->all->loop, a->curl);
		curl_easy_cleanup(a->curl);
	}
	a->curl = NULL;
	curl_slist_free_all(a->headers);
	a->headers = NULL;
	ag_buf_wipe(&a->body);
	ag_buf_wipe(&a->post);
}

static void request_on_done(CURL *curl, CURLcode rc, void *arg);

/* a->post, when it is not empty, is what is posted. */
static int
begin_request(struct ask *a, const char *path, const char *token, struct ag_err *err)
{
	const struct ag_conf *conf = a->all->conf;
	const char *addr = ag_secret_text(a->auth, "vault_addr");
	size_t n = strlen(addr);
	char url[4096];

	if (n > 0 && addr[n - 1] == '/')
		n--;
	snprintf(url, sizeof(url), "%.*s/v1/%.2000s", (int)(n < 2000 ? n : 2000), addr, path);
	a->is_trusted = host_is_trusted(conf, addr);
	a->headers = headers_of(a, token);
	a->curl = curl_easy_init();
	ag_buf_init(&a->body, AG_SECRET_MAX + 4096);
	if (!a->curl)
		return ag_err_set(err, -ENOMEM, "out of memory");
	curl_easy_setopt(a->curl, CURLOPT_URL, url);
	curl_easy_setopt(a->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(a->curl, CURLOPT_HTTPHEADER, a->headers);
	curl_easy_setopt(a->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(a->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(a->curl, CURLOPT_TIMEOUT_MS, REQUEST_MS);
	/* Of two references the tokens differ, and a connection is nothing they share. */
	curl_easy_setopt(a->curl, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(a->curl, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(a->curl, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(a->curl, CURLOPT_OPENSOCKETDATA, a);
	curl_easy_setopt(a->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(a->curl, CURLOPT_WRITEDATA, &a->body);
	if (conf->upstream_ca_file[0])
		curl_easy_setopt(a->curl, CURLOPT_CAINFO, conf->upstream_ca_file);
	if (a->post.n > 0) {
		curl_easy_setopt(a->curl, CURLOPT_POSTFIELDSIZE, (long)a->post.n);
		curl_easy_setopt(a->curl, CURLOPT_POSTFIELDS, a->post.p);
	}
	if (ag_curl_loop_add(a->all->loop, a->curl, request_on_done, a) == 0)
		return 0;
	curl_easy_cleanup(a->curl);
	a->curl = NULL;
	return ag_err_set(err, -ENOMEM, "out of memory");
}

/* What came, as JSON, the caller's. */
static int
read_answer(struct ask *a, CURLcode rc, struct json_object **out, struct ag_err *err)
{
	long status = 0;

	curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
	if (a->led_inwards)
		return ag_err_set(err, -EACCES, "the vault's address leads inwards; see directive trusted_hosts");
	if (rc != CURLE_OK)
		return ag_err_set(err, -EIO, "could not reach the vault: %s", curl_easy_strerror(rc));
	if (status != 200)
		return ag_err_set(err, -EIO, "the vault answered %ld", status);
	ag_buf_putc(&a->body, '\0');
	*out = a->body.failed ? NULL : json_tokener_parse(a->body.p);
	return *out ? 0 : ag_err_set(err, -EIO, "the vault's answer is no JSON");
}

/* ---- one ask ---- */

static void
ask_free(struct ask *a)
{
	end_request(a);
	ag_secret_json_put(a->login);
	ag_secret_json_put(a->auth);
	free(a->path);
	free(a->key);
	free(a);
}

/* The last of it: done() may ask anew. */
static void
finish(struct ask *a, int rc, struct ag_str value, const struct ag_err *err)
{
	ag_list_remove(&a->node);
	a->all->n--;
	a->done(a->arg, rc, value, err);
	ask_free(a);
}

static int
begin_login(struct ask *a, struct ag_err *err)
{
	a->is_login = true;
	ag_buf_init(&a->post, 16384);
	ag_buf_puts(&a->post, "{\"role_id\":\"");
	ag_buf_put_json(&a->post, ag_str(ag_secret_either(a->auth, "role_id", "vault_role_id")));
	ag_buf_puts(&a->post, "\",\"secret_id\":\"");
	ag_buf_put_json(&a->post, ag_str(ag_secret_either(a->auth, "secret_id", "vault_secret_id")));
	ag_buf_puts(&a->post, "\"}");
	if (a->post.failed)
		return ag_err_set(err, -ENOMEM, "out of memory");
	return begin_request(a, "auth/approle/login", NULL, err);
}

/* The login's answer, which is taken, is a token for the request that is meant. */
static int
go_on(struct ask *a, struct json_object *login, struct ag_err *err)
{
	struct json_object *auth = NULL;
	const char *token;

	a->login = login;
	a->is_login = false;
	end_request(a);
	json_object_object_get_ex(a->login, "auth", &auth);
	token = auth ? ag_secret_text(auth, "client_token") : NULL;
	if (!token)
		return ag_err_set(err, -EIO, "the vault gave no token for the role");
	return begin_request(a, a->path, token, err);
}

static int
take_secret(const struct ask *a, struct json_object *answer, struct ag_buf *out, struct ag_err *err)
{
	struct json_object *data = NULL, *inner = NULL;

	json_object_object_get_ex(answer, "data", &data);
	if (!data || !json_object_object_get_ex(data, "data", &inner))
		return ag_err_set(err, -EIO, "the vault's answer holds no secret of KV version 2; is it the path "
		    "with /data/ in it?");
	return ag_secret_pick(inner, a->key, out, err);
}

static void
request_on_done(CURL *curl, CURLcode rc, void *arg)
{
	struct ask *a = arg;
	struct json_object *answer = NULL;
	struct ag_err err = { "" };
	struct ag_buf value;
	int got;

	assert(curl == a->curl);
	ag_buf_init(&value, AG_SECRET_MAX);
	got = read_answer(a, rc, &answer, &err);
	if (got == 0 && a->is_login) {
		got = go_on(a, answer, &err);
		answer = NULL;
		if (got == 0)
			return;
	} else if (got == 0) {
		got = take_secret(a, answer, &value, &err);
	}
	ag_secret_json_put(answer);
	finish(a, got, ag_buf_str(&value), &err);
	ag_buf_wipe(&value);
}

static unsigned
asked_by(struct ag_secret_asks *all, int64_t org_id)
{
	unsigned n = 0;

	AG_LIST_FOREACH(l, &all->asks)
		n += AG_LIST_ENTRY(l, struct ask, node)->org_id == org_id;
	return n;
}

static int
start(struct ag_secret_asks *all, struct ask *a, const struct ag_secret_at *at, struct ag_err *err)
{
	const char *token;
	int rc = ag_secret_check(all->conf, at, err);

	if (rc < 0)
		return rc;
	if (all->is_drained)
		return ag_err_set(err, -ESHUTDOWN, "restarting, try again");
	if (all->n >= ASKS_MAX || asked_by(all, a->org_id) >= ASKS_OF_ONE)
		return ag_err_set(err, -EBUSY, "too many secrets are being asked for, try again");
	a->path = strdup(at->path);
	a->key = at->key ? strdup(at->key) : NULL;
	if (!a->path || (at->key && !a->key))
		return ag_err_set(err, -ENOMEM, "out of memory");
	token = ag_secret_text(a->auth, "vault_token");
	return token ? begin_request(a, a->path, token, err) : begin_login(a, err);
}

int
ag_secret_ask(struct ag_secret_asks *all, int64_t org_id, struct ag_secret_at *at, ag_secret_done done, void *arg,
    struct ag_err *err)
{
	struct ask *a = calloc(1, sizeof(*a));
	int rc;

	if (!a) {
		ag_secret_json_put(at->auth);
		at->auth = NULL;
		return ag_err_set(err, -ENOMEM, "out of memory");
	}
	*a = (struct ask){ .all = all, .org_id = org_id, .done = done, .arg = arg, .auth = at->auth };
	rc = start(all, a, at, err);
	at->auth = NULL;
	if (rc < 0) {
		ask_free(a);
		return rc;
	}
	ag_list_push_back(&all->asks, &a->node);
	all->n++;
	return 0;
}

/* ---- all of them ---- */

struct ag_secret_asks *
ag_secret_asks_new(struct event_base *base, const struct ag_conf *conf)
{
	struct ag_secret_asks *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	all->conf = conf;
	ag_list_init(&all->asks);
	all->loop = ag_curl_loop_new(base);
	if (!all->loop) {
		ag_secret_asks_free(all);
		return NULL;
	}
	return all;
}

void
ag_secret_asks_drain(struct ag_secret_asks *all)
{
	struct ag_err err = { "" };

	all->is_drained = true;
	(void)ag_err_set(&err, -ESHUTDOWN, "restarting, try again");
	while (!ag_list_is_empty(&all->asks))
		finish(AG_LIST_ENTRY(all->asks.next, struct ask, node), -ESHUTDOWN, AG_STR_NONE, &err);
}

void
ag_secret_asks_free(struct ag_secret_asks *all)
{
	if (!all)
		return;
	assert(ag_list_is_empty(&all->asks));
	ag_curl_loop_free(all->loop);
	free(all);
}
