#include "control/server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/json_weight.h"
#include "base/log.h"
#include "base/utf8.h"
#include "conf/conf.h"
#include "control/auth.h"
#include "control/call.h"
#include "control/routes.h"
#include "control/secret_maps.h"
#include "control/throttle.h"
#include "shm/counters.h"

#define FILE_S  3600 /* a client may take its time; libevent counts the whole answer as one silence */

static const char *
method_name(struct evhttp_request *http)
{
	switch (evhttp_request_get_command(http)) {
	case EVHTTP_REQ_GET: return "GET";
	case EVHTTP_REQ_POST: return "POST";
	case EVHTTP_REQ_PUT: return "PUT";
	case EVHTTP_REQ_DELETE: return "DELETE";
	case EVHTTP_REQ_HEAD: return "HEAD";
	case EVHTTP_REQ_PATCH: return "PATCH";
	case EVHTTP_REQ_OPTIONS: return "OPTIONS";
	case EVHTTP_REQ_TRACE:
	case EVHTTP_REQ_CONNECT: break;
	}
	return "OTHER";
}

static void
copy_header(struct evhttp_request *http, const char *name, char *out, size_t cap)
{
	const char *v = evhttp_find_header(evhttp_request_get_input_headers(http), name);

	/* Goes back into a header and into the audit log: printable, and only whole. */
	if (!v || strlen(v) >= cap)
		return;
	for (const char *p = v; *p; p++)
		if (*p < 0x21 || *p > 0x7e)
			return;
	ag_str_copy(ag_str(v), out, cap);
}

/* Text, as a name is, blanks and all.  One that cannot be a name stands for itself, so that nothing is done to
 * the only organisation there is instead. */
static void
copy_org_name(struct evhttp_request *http, char *out, size_t cap)
{
	const char *v = evhttp_find_header(evhttp_request_get_input_headers(http), "x-aigate-organisation");
	struct ag_str rest = ag_str(v ? v : ""), name = rest;
	bool is_text = name.n < cap;

	while (is_text && rest.n > 0) {
		size_t n = ag_utf8_len(rest);

		is_text = n > 0 && (unsigned char)rest.p[0] >= 0x20 && rest.p[0] != 0x7f;
		rest = ag_str_skip(rest, n);
	}
	ag_str_copy(is_text ? name : AG_STR("(no name)"), out, cap);
}

static void
name_trace(struct ag_call *c, struct evhttp_request *http)
{
	uint8_t r[16];

	copy_header(http, "x-portkey-trace-id", c->trace_id, sizeof(c->trace_id));
	if (c->trace_id[0])
		return;
	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		memset(r, 0, sizeof(r));
	snprintf(c->trace_id, sizeof(c->trace_id),
	    "%02x%02x%02x%02x-%02x%02x-4%01x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2],
	    r[3], r[4], r[5], r[6] & 15, r[7], (r[8] & 0x3f) | 0x80, r[9], r[10], r[11], r[12],
	    r[13], r[14], r[15]);
}

/* A call with what libevent gave it, until it is answered. */
struct waiting {
	struct ag_call call;
	struct evhttp_request *http;   /* borrowed: libevent frees it with the answer */
	struct evkeyvalq params;
};

/* The body as an object, where the route says so an array; none at all is fine. */
static int
read_body(struct ag_call *c, struct evhttp_request *http, bool may_be_list)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(http);
	size_t n = evbuffer_get_length(in);
	struct json_tokener *tok;
	char *p;

	if (n == 0)
		return 0;
	if (n > AG_CALL_BODY_MAX)
		return ag_call_fail(c, 413, "AB01", "the body has %zu bytes, at most %u are taken", n,
		    AG_CALL_BODY_MAX);
	p = (char *)evbuffer_pullup(in, -1);
	if (p && ag_json_weight(ag_str_n(p, n)) > AG_JSON_WEIGHT_MAX) {
		ag_mem_wipe(p, n);
		return ag_call_fail(c, 413, "AB01", "the body holds too many values");
	}
	tok = json_tokener_new_ex(AG_CALL_DEPTH_MAX);
	if (!p || !tok) {
		json_tokener_free(tok);
		return ag_call_fail(c, 500, "AB04", "out of memory");
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	c->body = json_tokener_parse_ex(tok, p, (int)n);
	ag_mem_wipe(p, n); /* a provider's key may stand in it */
	if (json_tokener_get_error(tok) != json_tokener_success ||
	    json_tokener_get_parse_end(tok) != n) {
		ag_call_invalid(c, "the body is not JSON: %s at byte %zu",
		    json_tokener_error_desc(json_tokener_get_error(tok)),
		    json_tokener_get_parse_end(tok));
		json_tokener_free(tok);
		return -1;
	}
	json_tokener_free(tok);
	if (may_be_list && json_object_is_type(c->body, json_type_array)) {
		c->list = c->body;
		c->body = NULL;
		return 0;
	}
	if (!json_object_is_type(c->body, json_type_object))
		return ag_call_invalid(c, "the body must be a JSON object");
	return 0;
}

static void
explain_miss(struct ag_call *c, enum ag_route_miss miss, const char *what, const char *path)
{
	switch (miss) {
	case AG_ROUTE_FOUND:
		break;
	case AG_ROUTE_UNKNOWN:
		ag_call_fail(c, 404, "AB08", "there is no %s %.200s", c->method, path);
		break;
	case AG_ROUTE_WRONG_METHOD:
		ag_call_fail(c, 405, "AB01", "%.200s does not take %s", path, c->method);
		break;
	case AG_ROUTE_LATER:
		ag_call_fail(c, 501, "AB04", "not implemented by this gateway: %s", what);
		break;
	}
}

/* A caller's own pace: a key's, or, where none is needed, an address's. */
static int
keep_pace(struct ag_call *c)
{
	const struct ag_conf *conf = c->ctl->ctx->conf;
	uint64_t address = 0;
	int64_t who = c->actor.key_id, wait_us;

	if (c->actor.is_operator)
		return 0;
	for (const char *p = c->client_ip; who == 0 && *p; p++)
		address = ag_mix64(address ^ (uint8_t)*p);
	if (who == 0)
		who = -1 - (int64_t)(address >> 2);
	if (ag_throttle_take(c->ctl->throttle, who, conf->admin_rate, conf->admin_burst, ag_clock_mono_us(),
	    &wait_us))
		return 0;
	c->retry_after_s = (unsigned)((wait_us + AG_US_PER_SEC - 1) / AG_US_PER_SEC);
	return ag_call_fail(c, 429, "AB06", "too many admin calls: at most %llu a minute, %llu at once; come "
	    "back in %u s", (unsigned long long)conf->admin_rate, (unsigned long long)conf->admin_burst,
	    c->retry_after_s);
}

static int
authenticate(struct ag_call *c, struct evhttp_request *http, const struct ag_route *route, bool from_operator)
{
	if (from_operator)
		return ag_auth_operator(c, http);
	if (route && (route->flags & AG_ROUTE_SIGNED))
		return keep_pace(c);
	return ag_auth_key(c, http) < 0 ? -1 : keep_pace(c);
}

static void
serve(struct ag_call *c, struct evhttp_request *http, bool from_operator)
{
	char path[1024];
	const char *why = ag_control_why_not(c->ctl), *what = NULL;
	const struct ag_route *route = NULL;
	enum ag_route_miss miss;
	size_t n;

	ag_str_copy(ag_str(evhttp_uri_get_path(evhttp_request_get_evhttp_uri(http))), path,
	    sizeof(path));
	for (n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	miss = ag_route_find(c->method, path, c->arg, &route, &what);
	/* Who has no key learns nothing about what there is. */
	if (authenticate(c, http, route, from_operator) < 0)
		return;
	if (!route) {
		explain_miss(c, miss, what, path);
		return;
	}
	if ((route->flags & AG_ROUTE_OPERATOR) && !from_operator) {
		ag_call_fail(c, 404, "AB08", "there is no %s %.200s", c->method, path);
		return;
	}
	if (why && !(route->flags & AG_ROUTE_OPERATOR)) {
		ag_call_fail(c, 503, "AB04", "%s", why);
		return;
	}
	if (ag_security_read_caller(c) < 0 ||
	    (route->scope != AG_SCOPE_NONE && ag_call_need(c, route->scope) < 0))
		return;
	if (read_body(c, http, route->flags & AG_ROUTE_LIST) < 0)
		return;
	if (!(route->flags & (AG_ROUTE_OPERATOR | AG_ROUTE_SIGNED)) && ag_auth_need_org(c) < 0)
		return;
	c->again = route->answer;
	route->answer(c);
}

static const char *
reason(int status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 409: return "Conflict";
	case 412: return "Precondition Failed";
	case 413: return "Content Too Large";
	case 429: return "Too Many Requests";
	case 501: return "Not Implemented";
	case 503: return "Service Unavailable";
	default: return "Internal Server Error";
	}
}

/* A new key may stand in it; the text is json-c's, and lives as long as the object. */
static void
wipe_written(const char *text)
{
	union { const char *in; char *out; } p = { text };

	if (text)
		ag_mem_wipe(p.out, strlen(text));
}

/* From the file as it is sent: its length does not matter to us. */
static bool
put_file(struct ag_call *c, struct evhttp_connection *conn, struct evkeyvalq *headers,
    struct evbuffer *out)
{
	char text[128];

	snprintf(text, sizeof(text), "attachment; filename=\"%s\"", c->file.name);
	evhttp_add_header(headers, "Content-Disposition", text);
	snprintf(text, sizeof(text), "%lld", (long long)c->file.bytes);
	evhttp_add_header(headers, "Content-Length", text);
	evhttp_add_header(headers, "Connection", "close");
	evhttp_connection_set_timeout(conn, FILE_S);
	if (c->file.bytes == 0) {
		close(c->file.fd);
		return true;
	}
	/* By sendfile; without it the whole file would be mapped. */
	evbuffer_set_flags(out, EVBUFFER_FLAG_DRAINS_TO_FD);
	return evbuffer_add_file(out, c->file.fd, 0, c->file.bytes) == 0;
}

static void
send_answer(struct ag_call *c, struct evhttp_request *http)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(http);
	struct evbuffer *out = evbuffer_new();
	char seconds[16];
	const char *text = json_object_to_json_string_ext(c->answer,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	bool is_file = c->file.fd >= 0;

	evhttp_add_header(headers, "Content-Type", is_file ? c->file.type : "application/json");
	evhttp_add_header(headers, "x-portkey-trace-id", c->trace_id);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	if (c->etag[0] && c->status == 200)
		evhttp_add_header(headers, "ETag", c->etag);
	if (c->retry_after_s > 0) {
		snprintf(seconds, sizeof(seconds), "%u", c->retry_after_s);
		evhttp_add_header(headers, "Retry-After", seconds);
	}
	if (c->ctl->is_draining && !is_file)
		evhttp_add_header(headers, "Connection", "close");
	if (is_file && out && !put_file(c, evhttp_request_get_connection(http), headers, out)) {
		close(c->file.fd);
		c->status = 500;
	} else if (!is_file && out && text) {
		evbuffer_add(out, text, strlen(text));
	}
	evhttp_send_reply(http, c->status, reason(c->status), out);
	wipe_written(text);
	if (out)
		evbuffer_free(out);
}

static void
wipe_text(struct json_object *v)
{
	union { const char *in; char *out; } p = { json_object_get_string(v) };

	ag_mem_wipe(p.out, (size_t)json_object_get_string_len(v));
}

/* Credentials pass through these, in and out: overwritten before their memory goes. */
static void
wipe_keys(struct json_object *v)
{
	static const char *const secret[] = { "key", "token", "invite_link", "inviteLink",
		"vault_token", "secret_id", "vault_secret_id" };
	struct json_object *one;

	for (size_t i = 0; i < ag_json_len(v); i++)
		wipe_keys(ag_json_at(v, i));
	if (!json_object_is_type(v, json_type_object))
		return;
	for (size_t i = 0; i < AG_ARRAY_LEN(secret); i++)
		if (json_object_object_get_ex(v, secret[i], &one) && json_object_is_type(one, json_type_string))
			wipe_text(one);
	ag_json_foreach(v, name, inner) {
		(void)name;
		wipe_keys(inner);
	}
}

/* All of If-Match or nothing: half of it might match. */
static void
read_if_match(struct ag_call *c, struct evhttp_request *http)
{
	const char *v = evhttp_find_header(evhttp_request_get_input_headers(http), "if-match");

	if (v && *v && !ag_str_copy(ag_str(v), c->if_match, sizeof(c->if_match)))
		ag_call_invalid(c, "If-Match: must have less than %zu bytes", sizeof(c->if_match));
}

void
ag_call_finish(struct ag_call *c)
{
	struct waiting *w = AG_CONTAINER_OF(c, struct waiting, call);

	if (c->status == 0)
		ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
	if (c->in_txn)
		ag_pg_rollback(c->ctl->pg);
	if (c->status != 200)
		ag_plan_abandon(&c->plan, c->ctl);
	ag_plan_fini(&c->plan);
	if (c->status >= 500)
		ag_count(AG_CNT_admin_errors);
	/* A query may hold the signature of an address. */
	ag_debug("admin %s %.*s status=%d trace=%s", c->method, (int)strcspn(c->uri, "?"), c->uri, c->status,
	    c->trace_id);
	send_answer(c, w->http);
	wipe_keys(c->body);
	wipe_keys(c->list);
	wipe_keys(c->answer);
	evhttp_clear_headers(&w->params);
	json_object_put(c->body);
	json_object_put(c->list);
	json_object_put(c->answer);
	ag_secret_got_free(c->got);
	free(w);
}

/* Where the client found us, for the addresses we give it.  The worker tells: see build_admin_head(). */
static void
name_base(struct ag_call *c, struct evhttp_request *http)
{
	char host[256] = "", scheme[8] = "";

	copy_header(http, "x-aigate-host", host, sizeof(host));
	copy_header(http, "x-aigate-scheme", scheme, sizeof(scheme));
	/* Who ends TLS before us says so. */
	if (strcmp(scheme, "https") != 0)
		copy_header(http, "x-forwarded-proto", scheme, sizeof(scheme));
	if (host[0])
		snprintf(c->base_url, sizeof(c->base_url), "%s://%s",
		    strcmp(scheme, "https") == 0 ? "https" : "http", host);
}

static void
on_request(struct evhttp_request *http, struct ag_control *ctl, bool from_operator)
{
	struct waiting *w = calloc(1, sizeof(*w));
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(http));
	char runtime[32] = "";
	struct ag_call *c;

	ag_count(AG_CNT_admin_requests);
	if (!w) {
		evhttp_send_error(http, 503, NULL);
		return;
	}
	c = &w->call;
	w->http = http;
	*c = (struct ag_call){ .ctl = ctl, .method = method_name(http), .file.fd = -1,
		.uri = evhttp_request_get_uri(http), .query = &w->params,
		.headers = evhttp_request_get_input_headers(http),
		.until_us = ag_clock_mono_us() + ctl->ctx->conf->admin_timeout };
	ag_plan_init(&c->plan);
	name_trace(c, http);
	name_base(c, http);
	copy_header(http, "x-aigate-client-ip", c->client_ip, sizeof(c->client_ip));
	copy_org_name(http, c->org_name, sizeof(c->org_name));
	copy_header(http, "x-portkey-runtime", runtime, sizeof(runtime));
	c->from_python = strcmp(runtime, "CPython") == 0;
	TAILQ_INIT(&w->params);
	if (query && evhttp_parse_query_str(query, &w->params) < 0)
		ag_call_invalid(c, "the query cannot be read");
	read_if_match(c, http);
	if (c->status == 0)
		serve(c, http, from_operator);
	if (!c->is_deferred)
		ag_call_finish(c);
}

static void
on_worker_request(struct evhttp_request *http, void *arg)
{
	on_request(http, arg, false);
}

static void
on_operator_request(struct evhttp_request *http, void *arg)
{
	on_request(http, arg, true);
}

static struct evhttp *
serve_on(struct ag_control *ctl, int fd, void (*fn)(struct evhttp_request *, void *))
{
	struct evhttp *h = evhttp_new(ctl->base);

	if (!h)
		return NULL;
	/* Beyond our own limit, so that it is we who explain it. */
	evhttp_set_max_body_size(h, 8 * AG_CALL_BODY_MAX);
	evhttp_set_max_headers_size(h, 65536);
	evhttp_set_timeout(h, 60);
	evhttp_set_allowed_methods(h, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
	    EVHTTP_REQ_DELETE | EVHTTP_REQ_HEAD | EVHTTP_REQ_PATCH | EVHTTP_REQ_OPTIONS);
	evhttp_set_gencb(h, fn, ctl);
	if (evhttp_accept_socket(h, fd) < 0) {
		evhttp_free(h);
		return NULL;
	}
	return h;
}

int
ag_server_start(struct ag_control *ctl, struct ag_err *err)
{
	if (ctl->ctx->control_fd >= 0) {
		ctl->workers = serve_on(ctl, ctl->ctx->control_fd, on_worker_request);
		if (!ctl->workers)
			return ag_err_set(err, -ENOMEM, "could not serve the workers' socket");
	}
	if (ctl->ctx->operator_fd >= 0) {
		ctl->operators = serve_on(ctl, ctl->ctx->operator_fd, on_operator_request);
		if (!ctl->operators)
			return ag_err_set(err, -ENOMEM, "could not serve the operators' socket");
	}
	return 0;
}

void
ag_server_drain(struct ag_control *ctl)
{
	/* The sockets are the master's, and our successor accepts on them: nothing is refused. */
	ctl->is_draining = true;
}

void
ag_server_stop(struct ag_control *ctl)
{
	if (ctl->workers)
		evhttp_free(ctl->workers);
	if (ctl->operators)
		evhttp_free(ctl->operators);
	ctl->workers = ctl->operators = NULL;
}
