#include "worker/tokens.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/locked.h"
#include "base/log.h"
#include "http/curl_loop.h"
#include "provider/oauth.h"
#include "worker/origin.h"

#define ANSWER_MAX     32768u /* bytes of a token endpoint's answer */
#define TOKEN_MAX      16384u
#define URL_MAX_BYTES  4096u
#define FORM_MAX_BYTES 65536u
#define UNUSED_US      (600 * AG_US_PER_SEC) /* a source nobody refers to is kept so long */
#define REFUSED_US     (30 * AG_US_PER_SEC)  /* a token this young is not fetched again for a 401 */
#define BACKOFF_MAX_US (8 * AG_US_PER_SEC)
#define BEARER         "authorization: Bearer "

struct ag_tokens {
	struct ag_worker *w;        /* borrowed */
	struct ag_curl_loop *loop;  /* owned; NULL until the first fetch */
	struct ag_list all;         /* struct ag_token */
	bool is_stopped;
};

struct ag_token {
	struct ag_list node;
	struct ag_tokens *table;
	uint8_t id[AG_SHA256_LEN];  /* of all that the token depends on */
	unsigned refs;
	enum ag_oauth kind;
	char *secret;               /* owned, locked */
	size_t secret_len;
	char *config;               /* owned */
	size_t config_len;

	struct ag_bearer *bearer;   /* owned reference; NULL: none yet */
	int64_t fetched_us, refresh_us, expires_us, used_us; /* monotonic */
	int64_t retry_us;           /* no fetch before */
	unsigned failures;          /* in a row */
	char why[160];              /* of the last */

	struct ag_list waiters;     /* struct ag_token_wait */
	bool is_fetching;
	struct ag_buf url, form;    /* of the fetch; form: wiped with it */
	struct ag_resolve resolve;
	bool is_resolving;
	struct event *deadline;     /* owned */
	CURL *curl;                 /* owned; NULL: not asked yet */
	struct curl_slist *address, *headers; /* owned */
	char *answer;               /* owned, locked: ANSWER_MAX bytes */
	size_t answer_len;
};

/* ---- tokens ------------------------------------------------------------------------------ */

static size_t
bearer_bytes(size_t token_len)
{
	return sizeof(struct ag_bearer) + sizeof(BEARER) - 1 + token_len + 2;
}

static struct ag_bearer *
bearer_new(struct ag_str token)
{
	struct ag_bearer *b = ag_locked_new(bearer_bytes(token.n));
	size_t prefix = sizeof(BEARER) - 1;
	char *at;

	if (!b)
		return NULL;
	at = (char *)(b + 1);
	memcpy(at, BEARER, prefix);
	memcpy(at + prefix, token.p, token.n);
	memcpy(at + prefix + token.n, "\r\n", 2);
	b->refs = 1;
	b->line = ag_str_n(at, prefix + token.n + 2);
	b->token = ag_str_n(at + prefix, token.n);
	return b;
}

void
ag_bearer_unref(struct ag_bearer *b)
{
	if (b && --b->refs == 0)
		ag_locked_free(b, bearer_bytes(b->token.n));
}

/* ---- a fetch ----------------------------------------------------------------------------- */

static void
end_fetch(struct ag_token *s)
{
	if (s->is_resolving)
		ag_origin_resolve_cancel(&s->resolve);
	if (s->curl) {
		ag_curl_loop_remove(s->table->loop, s->curl);
		curl_easy_cleanup(s->curl);
	}
	curl_slist_free_all(s->address);
	curl_slist_free_all(s->headers);
	if (s->deadline)
		event_free(s->deadline);
	ag_locked_free(s->answer, ANSWER_MAX);
	ag_buf_wipe(&s->form);
	ag_buf_fini(&s->url);
	s->curl = NULL;
	s->address = s->headers = NULL;
	s->deadline = NULL;
	s->answer = NULL;
	s->is_resolving = s->is_fetching = false;
}

/* Who waits asks again, and may wait again: those here now are moved off first. */
static void
wake(struct ag_token *s)
{
	struct ag_list ready;

	ag_list_init(&ready);
	while (!ag_list_is_empty(&s->waiters)) {
		struct ag_list *first = s->waiters.next;

		ag_list_remove(first);
		ag_list_push_back(&ready, first);
	}
	while (!ag_list_is_empty(&ready)) {
		struct ag_token_wait *wait = AG_LIST_ENTRY(ready.next, struct ag_token_wait, node);

		ag_list_remove(&wait->node);
		wait->fn(wait->arg);
	}
}

static bool
is_good(const struct ag_token *s, int64_t now_us)
{
	return s->bearer && now_us < s->expires_us;
}

static void
note_failure(struct ag_token *s, const char *why)
{
	int64_t now_us = ag_clock_mono_us(), wait_us = AG_US_PER_SEC;

	for (unsigned i = 0; i < s->failures && wait_us < BACKOFF_MAX_US; i++)
		wait_us *= 2;
	s->failures++;
	s->retry_us = now_us + wait_us;
	snprintf(s->why, sizeof(s->why), "%s", why);
	ag_warn("could not fetch an access token: %s%s", why,
	    is_good(s, now_us) ? ", the last one is still good" : "");
}

static void
fail(struct ag_token *s, const char *why)
{
	end_fetch(s);
	note_failure(s, why);
	wake(s);
}

/* Refreshed at 80 to 90 % of its life, so that many gateways do not ask at once; not used in the last
 * twentieth, which a request may need to get there. */
static int
take_token(struct ag_token *s, struct ag_str token, int64_t life_s)
{
	int64_t now_us = ag_clock_mono_us(), life_us = life_s * AG_US_PER_SEC;
	struct ag_bearer *fresh = bearer_new(token);
	uint8_t dice = 0;

	if (!fresh)
		return -ENOMEM;
	if (getrandom(&dice, sizeof(dice), 0) != (ssize_t)sizeof(dice))
		dice = 128;
	ag_bearer_unref(s->bearer);
	s->bearer = fresh;
	s->fetched_us = now_us;
	s->refresh_us = now_us + life_us / 10 * 8 + life_us / 10 * dice / 256;
	s->expires_us = now_us + life_us - life_us / 20;
	s->failures = 0;
	s->retry_us = 0;
	return 0;
}

static void
token_on_done(CURL *curl, CURLcode rc, void *arg)
{
	struct ag_token *s = arg;
	struct ag_err err = { "" };
	struct ag_buf token;
	int64_t life_s = 0;
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (rc != CURLE_OK) {
		fail(s, rc == CURLE_WRITE_ERROR ? "the token endpoint's answer is too long" : curl_easy_strerror(rc));
		return;
	}
	ag_buf_init(&token, TOKEN_MAX);
	/* At once, or growing would leave copies behind. */
	(void)ag_buf_reserve(&token, s->answer_len < TOKEN_MAX ? s->answer_len : TOKEN_MAX);
	if (ag_oauth_answer((int)status, ag_str_n(s->answer, s->answer_len), &token, &life_s, &err) == 0 &&
	    take_token(s, ag_buf_str(&token), life_s) < 0)
		(void)ag_err_set(&err, -ENOMEM, "out of memory");
	ag_buf_wipe(&token);
	if (err.text[0]) {
		fail(s, err.text);
		return;
	}
	ag_info("access token fetched, good for %lld s", (long long)life_s);
	end_fetch(s);
	wake(s);
}

static size_t
take_answer(char *p, size_t size, size_t n, void *arg)
{
	struct ag_token *s = arg;

	if (size * n > ANSWER_MAX - s->answer_len)
		return 0;
	memcpy(s->answer + s->answer_len, p, size * n);
	s->answer_len += size * n;
	return size * n;
}

static void
set_options(struct ag_token *s)
{
	const char *ca = s->table->w->conf->upstream_ca_file;

	curl_easy_setopt(s->curl, CURLOPT_URL, s->url.p);
	curl_easy_setopt(s->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(s->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(s->curl, CURLOPT_RESOLVE, s->address);
	curl_easy_setopt(s->curl, CURLOPT_HTTPHEADER, s->headers);
	if (!ag_oauth_header(s->kind)) {
		curl_easy_setopt(s->curl, CURLOPT_POSTFIELDSIZE, (long)s->form.n);
		curl_easy_setopt(s->curl, CURLOPT_POSTFIELDS, s->form.p);
	}
	curl_easy_setopt(s->curl, CURLOPT_USERAGENT, "aigated/" PACKAGE_VERSION);
	curl_easy_setopt(s->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(s->curl, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(s->curl, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(s->curl, CURLOPT_WRITEDATA, s);
	if (ca && ca[0])
		curl_easy_setopt(s->curl, CURLOPT_CAINFO, ca);
}

/* The address is decided here: no name is looked up by libcurl. */
static int
post(struct ag_token *s, const struct ag_url *url, const struct sockaddr *sa, socklen_t len)
{
	char host[NI_MAXHOST], line[NI_MAXHOST + 320];

	if (getnameinfo(sa, len, host, sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
		return -EINVAL;
	snprintf(line, sizeof(line), "%.*s:%u:%s", AG_STR_ARG(url->host), url->port, host);
	if (!s->table->loop)
		s->table->loop = ag_curl_loop_new(s->table->w->base);
	s->address = curl_slist_append(NULL, line);
	s->headers = curl_slist_append(NULL, ag_oauth_header(s->kind) ? ag_oauth_header(s->kind) : "expect:");
	s->answer = ag_locked_new(ANSWER_MAX);
	s->answer_len = 0;
	if (!s->table->loop || !s->address || !s->headers || !s->answer)
		return -ENOMEM;
	s->curl = curl_easy_init();
	if (!s->curl)
		return -ENOMEM;
	set_options(s);
	return ag_curl_loop_add(s->table->loop, s->curl, token_on_done, s);
}

/* The place of the machine's own identity is the operator's word, not an administrator's. */
static bool
is_trusted(const struct ag_token *s, const struct ag_url *url)
{
	return ag_oauth_header(s->kind) ||
	    ag_host_is_trusted(ag_str(s->table->w->conf->trusted_hosts), url->host, url->port);
}

/* NULL: under way.  Else why not. */
static const char *
go_on(struct ag_token *s)
{
	const struct sockaddr *sa;
	struct ag_url url;
	struct ag_origin *o;
	socklen_t len;
	int rc;

	if (ag_url_parse(ag_str_n(s->url.p, strcspn(s->url.p, "?")), &url) < 0)
		return "the address of the token endpoint is no http URL";
	if (!url.is_tls && !is_trusted(s, &url))
		return "the address of the token endpoint does not begin with https:// and is not among trusted_hosts";
	o = ag_origin_get(s->table->w->origins, &url);
	if (!o)
		return "too many hosts";
	rc = ag_origin_resolve(o, &s->resolve, &sa, &len);
	if (rc == -EINPROGRESS) {
		s->is_resolving = true;
		return NULL;
	}
	if (rc < 0)
		return "the token endpoint's name could not be resolved";
	/* As origin.c has it for names, here also for addresses as they stand. */
	if (ag_sockaddr_is_inner(sa) && !is_trusted(s, &url))
		return "the token endpoint leads to a private, loopback or reserved address and is not among trusted_hosts";
	ag_origin_addr_failed(o); /* the next fetch goes to the next address */
	return post(s, &url, sa, len) < 0 ? "the token request could not be made" : NULL;
}

static void
token_on_resolved(void *arg, int rc)
{
	struct ag_token *s = arg;
	const char *why;

	s->is_resolving = false;
	why = rc < 0 ? "the token endpoint's name could not be resolved" : go_on(s);
	if (why)
		fail(s, why);
}

static void
token_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fail(arg, "the token endpoint did not answer in time");
}

/* Waiters are not told of a failure within: there are none yet. */
static void
fetch(struct ag_token *s)
{
	struct ag_tokens *t = s->table;
	int64_t us = t->w->conf->upstream_connect_timeout;
	struct timeval tv = { .tv_sec = (time_t)(us / AG_US_PER_SEC), .tv_usec = (suseconds_t)(us % AG_US_PER_SEC) };
	const char *place = ag_oauth_header(s->kind) ? t->w->conf->instance_metadata : NULL;
	struct ag_err err = { "" };
	const char *why = NULL;

	assert(!s->is_fetching && !t->is_stopped);
	s->is_fetching = true;
	ag_buf_init(&s->url, URL_MAX_BYTES);
	ag_buf_init(&s->form, FORM_MAX_BYTES);
	s->resolve.fn = token_on_resolved;
	s->resolve.arg = s;
	s->deadline = evtimer_new(t->w->base, token_on_deadline, s);
	if (place)
		ag_buf_put_str(&s->url, ag_str(place));
	if (place && !*place)
		why = "instance_metadata is not set";
	else if (!s->deadline || event_add(s->deadline, &tv) < 0)
		why = "out of memory";
	else if (ag_oauth_ask(s->kind, ag_str_n(s->secret, s->secret_len), ag_str_n(s->config, s->config_len),
	             ag_clock_wall_us() / AG_US_PER_SEC, &s->url, &s->form, &err) < 0)
		why = err.text;
	if (!why) {
		ag_buf_putc(&s->url, '\0');
		why = s->url.failed ? "the address of the token endpoint is too long" : go_on(s);
	}
	if (!why)
		return;
	end_fetch(s);
	note_failure(s, why);
}

/* ---- sources ----------------------------------------------------------------------------- */

struct ag_tokens *
ag_tokens_new(struct ag_worker *w)
{
	struct ag_tokens *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->w = w;
	ag_list_init(&t->all);
	return t;
}

static void
source_free(struct ag_token *s)
{
	if (s->is_fetching)
		end_fetch(s);
	ag_list_remove(&s->node);
	ag_bearer_unref(s->bearer);
	ag_locked_free(s->secret, s->secret_len + 1);
	free(s->config);
	free(s);
}

void
ag_tokens_tick(struct ag_tokens *t)
{
	int64_t now_us = ag_clock_mono_us();

	AG_LIST_FOREACH_SAFE(it, next, &t->all) {
		struct ag_token *s = AG_LIST_ENTRY(it, struct ag_token, node);

		if (s->refs == 0 && now_us - s->used_us > UNUSED_US)
			source_free(s);
		else if (s->refs > 0 && s->bearer && s->used_us >= s->fetched_us && now_us >= s->refresh_us &&
		    now_us >= s->retry_us && !s->is_fetching && !t->is_stopped)
			fetch(s);
	}
}

void
ag_tokens_stop(struct ag_tokens *t)
{
	if (!t)
		return;
	t->is_stopped = true;
	AG_LIST_FOREACH(it, &t->all) {
		struct ag_token *s = AG_LIST_ENTRY(it, struct ag_token, node);

		if (s->is_fetching)
			end_fetch(s);
	}
}

void
ag_tokens_free(struct ag_tokens *t)
{
	if (!t)
		return;
	AG_LIST_FOREACH_SAFE(it, next, &t->all)
		source_free(AG_LIST_ENTRY(it, struct ag_token, node));
	ag_curl_loop_free(t->loop);
	free(t);
}

static void
make_id(enum ag_oauth kind, struct ag_str secret, struct ag_str config, uint8_t out[AG_SHA256_LEN])
{
	uint64_t head[2] = { (uint64_t)kind, secret.n };
	struct iovec iov[3] = { { head, sizeof(head) }, { (void *)(uintptr_t)secret.p, secret.n },
		{ (void *)(uintptr_t)config.p, config.n } };

	ag_sha256_iov(iov, 3, out);
}

struct ag_token *
ag_token_source(struct ag_tokens *t, enum ag_oauth kind, struct ag_str secret, struct ag_str config)
{
	uint8_t id[AG_SHA256_LEN];
	struct ag_token *s;

	make_id(kind, secret, config, id);
	AG_LIST_FOREACH(it, &t->all) {
		s = AG_LIST_ENTRY(it, struct ag_token, node);
		if (memcmp(s->id, id, sizeof(id)) == 0) {
			s->refs++;
			return s;
		}
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	*s = (struct ag_token){ .table = t, .refs = 1, .kind = kind, .secret_len = secret.n,
		.config_len = config.n, .used_us = ag_clock_mono_us(), .secret = ag_locked_new(secret.n + 1),
		.config = malloc(config.n + 1) };
	ag_list_init(&s->node);
	ag_list_init(&s->waiters);
	ag_list_init(&s->resolve.node);
	if (!s->secret || !s->config) {
		source_free(s);
		return NULL;
	}
	memcpy(s->id, id, sizeof(id));
	memcpy(s->secret, secret.p, secret.n);
	memcpy(s->config, config.p, config.n);
	ag_list_push_back(&t->all, &s->node);
	return s;
}

void
ag_token_unref(struct ag_token *s)
{
	if (s)
		s->refs--;
}

int
ag_token_get(struct ag_token *s, struct ag_token_wait *wait, struct ag_bearer **out, const char **out_why)
{
	int64_t now_us = ag_clock_mono_us();
	bool is_due = !is_good(s, now_us) || now_us >= s->refresh_us;

	s->used_us = now_us;
	if (is_due && !s->is_fetching && now_us >= s->retry_us && !s->table->is_stopped)
		fetch(s);
	if (is_good(s, now_us)) {
		s->bearer->refs++;
		*out = s->bearer;
		return 0;
	}
	if (!s->is_fetching) {
		*out_why = s->why[0] ? s->why : "the gateway is leaving";
		return -EACCES;
	}
	ag_list_push_back(&s->waiters, &wait->node);
	return -EINPROGRESS;
}

void
ag_token_cancel(struct ag_token_wait *wait)
{
	ag_list_remove(&wait->node);
}

void
ag_token_refused(struct ag_token *s, const struct ag_bearer *b)
{
	int64_t now_us = ag_clock_mono_us();

	if (s->bearer == b && now_us - s->fetched_us > REFUSED_US && s->refresh_us > now_us)
		s->refresh_us = now_us;
}
