/* send.c - the request on its way to the provider: a connection, a head, the edited body. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "shm/counters.h"
#include "worker/request.h"
#include "worker/upstream.h"

void
ag_req_note_price(struct ag_req *r, const struct ag_cat_price *price, const struct ag_price_multiples *multiples)
{
	r->rec.price_id = price ? price->id : 0;
	r->rec.price_ppm = multiples ? r->target.integration->price_ppm : 0;
	r->rec.price_adjustment_id = multiples ? r->target.integration->price_adjustment_id : 0;
}

/* The draft in the slot is what a successor records if this process dies from here on. */
static void
write_draft(struct ag_req *r)
{
	struct ag_str strs[AG_RS_COUNT];
	struct ag_record *rec = &r->rec;
	const struct ag_catalog *cat = ag_view_catalog(r->view);

	memcpy(rec->request_id, r->id, sizeof(rec->request_id));
	rec->version = AG_RECORD_VERSION;
	rec->worker = (uint16_t)r->w->ctx->worker_ix;
	rec->attempt = (uint16_t)r->attempt;
	rec->org_id = r->key.org_id;
	rec->workspace_id = r->ws->id;
	rec->key_id = r->key.id;
	rec->user_id = r->key.user_id;
	rec->integration_id = r->target.integration->id;
	rec->grant_id = r->target.grant->id;
	rec->provider_id = r->target.provider->id;
	ag_req_note_price(r, r->target.price, r->target.multiples);
	rec->config_id = r->rules ? r->rules->config_id : 0;
	rec->held_nusd = ag_req_held(r).nusd;
	rec->admit_us = (uint32_t)(r->admitted_us - r->received_us) - rec->queue_us;
	rec->request_bytes = r->body_len;
	rec->endpoint = (uint8_t)r->endpoint;
	rec->is_stream = r->is_stream;
	rec->sent_at_us = rec->received_at_us + (r->sent_us - r->received_us);
	rec->usage.provider_cost_nusd = -1;
	ag_req_strings(r, cat, strs);
	r->slot->draft_bytes = (uint32_t)ag_record_build(rec, NULL, 0, strs, r->slot->draft,
	    sizeof(r->slot->draft));
}

void
ag_req_strings(const struct ag_req *r, const struct ag_catalog *cat, struct ag_str strs[AG_RS_COUNT])
{
	strs[AG_RS_REQUESTED_MODEL] = r->requested_model;
	strs[AG_RS_SERVED_MODEL] = ag_str(r->answer.model);
	strs[AG_RS_PROVIDER] = ag_str(r->target.family->name);
	strs[AG_RS_PROVIDER_SLUG] = ag_catalog_text(cat, r->target.provider->slug);
	strs[AG_RS_FINISH_REASON] = ag_str(r->answer.finish_reason);
	strs[AG_RS_ERROR_TYPE] = ag_str(r->answer.error_type);
	strs[AG_RS_TRACE_ID] = r->trace_id;
	strs[AG_RS_SPAN_ID] = r->trace.has_attempt ? ag_str_n(r->trace.attempt, sizeof(r->trace.attempt))
	    : AG_STR_NONE;
	strs[AG_RS_UPSTREAM_ID] = ag_str(r->answer.id);
	strs[AG_RS_METADATA] = r->metadata;
}

/* What makes some servers take a request for another than was checked (by method, path or host), or send
 * its bill to somebody else. */
static bool
is_steering(struct ag_str name)
{
	static const struct ag_str names[] = { { "x-http-method-override", 22 }, { "x-http-method", 13 },
		{ "x-method-override", 17 }, { "x-original-url", 14 }, { "x-rewrite-url", 13 }, { "x-original-host", 15 },
		{ "x-host", 6 }, { "x-goog-user-project", 19 }, { "x-hf-bill-to", 12 } };

	for (size_t i = 0; i < AG_ARRAY_LEN(names); i++)
		if (name.n == names[i].n && ag_str_ieq(name, names[i]))
			return true;
	return name.n > 12 && ag_str_ieq(ag_str_n(name.p, 12), AG_STR("x-forwarded-"));
}

/* Headers a provider must not see: ours, the caller's credentials, what chooses an account, where the
 * caller's own traces lead, and what belongs to one connection. */
static bool
is_withheld(const struct ag_http_head *head, const struct ag_http_header *hdr)
{
	static const bool withheld[AG_HN_COUNT] = {
		[AG_HN_HOST] = true, [AG_HN_AUTHORIZATION] = true, [AG_HN_X_API_KEY] = true,
		[AG_HN_API_KEY] = true, [AG_HN_COOKIE] = true, [AG_HN_CONTENT_LENGTH] = true,
		[AG_HN_CONTENT_TYPE] = true, [AG_HN_ACCEPT_ENCODING] = true, [AG_HN_EXPECT] = true,
		[AG_HN_OPENAI_ORGANIZATION] = true, [AG_HN_OPENAI_PROJECT] = true,
		[AG_HN_FORWARDED] = true, [AG_HN_X_FORWARDED_FOR] = true, [AG_HN_X_FORWARDED_HOST] = true,
		[AG_HN_X_FORWARDED_PROTO] = true, [AG_HN_X_REAL_IP] = true, [AG_HN_VIA] = true,
		[AG_HN_PROXY_AUTHORIZATION] = true, [AG_HN_ORIGIN] = true, [AG_HN_REFERER] = true,
		[AG_HN_X_GOOG_API_KEY] = true, [AG_HN_TRACEPARENT] = true, [AG_HN_TRACESTATE] = true,
		[AG_HN_BAGGAGE] = true,
	};
	struct ag_str name = hdr->name;

	if ((name.p[0] | 0x20) == 'x' &&
	    ((name.n > 10 && ag_str_ieq(ag_str_n(name.p, 10), AG_STR("x-portkey-"))) ||
	        (name.n > 9 && ag_str_ieq(ag_str_n(name.p, 9), AG_STR("x-aigate-"))) || is_steering(name)))
		return true;
	return withheld[hdr->id] || ag_http_is_hop_by_hop(head, hdr);
}

/* What an operator configured is not for a client to repeat: of two, some servers take the last. */
static bool
is_configured(struct ag_str lines, struct ag_str name)
{
	while (lines.n > name.n) {
		const char *lf = memchr(lines.p, '\n', lines.n);

		if (lines.p[name.n] == ':' && ag_str_ieq(ag_str_n(lines.p, name.n), name))
			return true;
		lines = ag_str_skip(lines, lf ? (size_t)(lf - lines.p) + 1 : lines.n);
	}
	return false;
}

static size_t
edited_length(const struct ag_req *r)
{
	size_t n = r->xl ? ag_xlate_body(r).n : r->body_len;

	for (uint32_t i = 0; i < r->n_edits; i++)
		n = n - r->edit[i].len + r->edit[i].text.n;
	return n;
}

static void
put_line(struct ag_buf *b, struct ag_str name, struct ag_str value)
{
	ag_buf_put_str(b, name);
	ag_buf_put(b, ": ", 2);
	ag_buf_put_str(b, value);
	ag_buf_put(b, "\r\n", 2);
}

static void
put_content_type(const struct ag_http_head *head, struct ag_buf *b)
{
	struct ag_str type = ag_http_header_get(head, AG_STR("content-type"));

	if (type.n == 0)
		return;
	ag_buf_puts(b, "\r\ncontent-type: ");
	ag_buf_put_str(b, type);
}

/* What belongs to the client's protocol says nothing in another. */
static bool
is_of_protocol(struct ag_str name)
{
	static const struct ag_str prefixes[] = { { "anthropic-", 10 }, { "openai-", 7 }, { "x-goog-", 7 },
		{ "x-stainless-", 12 } };

	for (size_t i = 0; i < AG_ARRAY_LEN(prefixes); i++)
		if (name.n > prefixes[i].n && ag_str_ieq(ag_str_n(name.p, prefixes[i].n), prefixes[i]))
			return true;
	return ag_str_ieq(name, AG_STR("accept"));
}

/* What a signature brings is not for a client to say as well. */
static bool
is_of_signature(const struct ag_req *r, struct ag_str name)
{
	return r->target.family->sign && name.n > 6 && ag_str_ieq(ag_str_n(name.p, 6), AG_STR("x-amz-"));
}

static void
put_default_header(struct ag_req *r, const struct ag_http_head *head, struct ag_buf *b)
{
	struct ag_str name = ag_str(r->target.family->header);

	if (is_configured(r->dest->header_lines, name) || (!r->xl && ag_http_header_get(head, name).p))
		return;
	put_line(b, name, ag_str(r->target.family->header_value));
}

/* Signed over the pieces as they will go out; the head is still open. */
static int
sign(struct ag_req *r, const struct ag_http_head *head, const struct iovec *body, int n)
{
	struct ag_buf *b = &r->w->scratch, target;
	struct ag_err err = { "" };
	uint8_t hash[AG_SHA256_LEN];
	struct ag_sign_in in = {
		.host = r->dest->host_header, .body_sha256 = hash, .now_s = ag_clock_wall_us() / AG_US_PER_SEC,
		.method = r->is_passed ? head->method_str : AG_STR("POST"), .secret = r->dest->secret,
		.content_type = r->is_raw_body ? ag_http_header_get(head, AG_STR("content-type"))
		    : AG_STR("application/json"), .config = r->dest->config,
	};
	int rc;

	ag_sha256_iov(body, n, hash);
	ag_buf_init(&target, 16384);
	ag_buf_put_str(&target, r->dest->path_prefix);
	ag_buf_put_str(&target, r->path);
	in.target = ag_buf_str(&target);
	rc = target.failed ? -ENOMEM : r->target.family->sign(&in, b, &err);
	ag_buf_fini(&target);
	if (rc < 0)
		ag_error("could not sign a request to %s: %s", r->target.family->name, err.text);
	return rc;
}

static void
build_provider_head(struct ag_req *r, const struct ag_http_head *head, struct ag_buf *b)
{
	ag_buf_put_str(b, r->is_passed ? head->method_str : AG_STR("POST"));
	ag_buf_putc(b, ' ');
	ag_buf_put_str(b, r->dest->path_prefix);
	ag_buf_put_str(b, r->path);
	ag_buf_puts(b, " HTTP/1.1\r\nhost: ");
	ag_buf_put_str(b, r->dest->host_header);
	if (r->is_raw_body)
		put_content_type(head, b);
	else
		ag_buf_puts(b, "\r\ncontent-type: application/json");
	ag_buf_puts(b, "\r\naccept-encoding: identity\r\ncontent-length: ");
	ag_buf_put_u64(b, edited_length(r));
	ag_buf_put(b, "\r\n", 2);
	ag_buf_put_str(b, r->dest->header_lines);
	for (size_t i = 0; i < head->n_headers; i++)
		if (!is_withheld(head, &head->header[i]) && !(r->xl && is_of_protocol(head->header[i].name)) &&
		    !is_of_signature(r, head->header[i].name) &&
		    !is_configured(r->dest->header_lines, head->header[i].name))
			ag_http_header_put(b, &head->header[i]);
	if (r->target.family->header)
		put_default_header(r, head, b);
	if (AG_UNLIKELY(r->w->conf->trace_propagate && r->trace.is_on))
		ag_req_trace_put(r, head, b);
}

/* control sees the request as it came, but for what belongs to the connection, with the client's
 * address, how it came and the name it used added by us alone. */
static void
build_admin_head(struct ag_req *r, const struct ag_http_head *head, struct ag_buf *b)
{
	static const bool dropped[AG_HN_COUNT] = {
		[AG_HN_HOST] = true, [AG_HN_CONTENT_LENGTH] = true, [AG_HN_EXPECT] = true,
		[AG_HN_X_AIGATE_CLIENT_IP] = true,
	};

	ag_buf_put_str(b, head->method_str);
	ag_buf_putc(b, ' ');
	ag_buf_put_str(b, head->target);
	ag_buf_puts(b, " HTTP/1.1\r\nhost: control\r\ncontent-length: ");
	ag_buf_put_u64(b, r->body_len);
	ag_buf_put(b, "\r\n", 2);
	put_line(b, AG_STR("x-aigate-client-ip"), ag_str(r->client->peer));
	put_line(b, AG_STR("x-aigate-scheme"), r->client->is_tls ? AG_STR("https") : AG_STR("http"));
	if (head->host.n > 0)
		put_line(b, AG_STR("x-aigate-host"), head->host);
	for (size_t i = 0; i < head->n_headers; i++) {
		const struct ag_http_header *hdr = &head->header[i];

		if (!dropped[hdr->id] && !ag_http_is_hop_by_hop(head, hdr) &&
		    !ag_str_ieq(hdr->name, AG_STR("x-aigate-host")) &&
		    !ag_str_ieq(hdr->name, AG_STR("x-aigate-scheme")))
			ag_http_header_put(b, hdr);
	}
}

#define PIECES_MAX (2 * AG_REQ_EDITS + 4)

/* Head, credential, then the body as the runs between its edits.  The credential is sent from where it
 * is locked. */
static int
gather(struct ag_req *r, struct ag_str head, struct iovec iov[PIECES_MAX])
{
	struct ag_str body = r->xl ? ag_xlate_body(r) : ag_req_body(r);
	struct ag_str auth = r->is_admin ? AG_STR_NONE : r->bearer ? r->bearer->line : r->dest->auth_line;
	static char head_end[] = "\r\n";
	size_t at = 0;
	int n = 0;

	iov[n++] = (struct iovec){ .iov_base = (void *)(uintptr_t)head.p, .iov_len = head.n };
	if (auth.n > 0)
		iov[n++] = (struct iovec){ (void *)(uintptr_t)auth.p, auth.n };
	iov[n++] = (struct iovec){ head_end, 2 };
	for (uint32_t i = 0; i < r->n_edits; i++) {
		const struct ag_edit *e = &r->edit[i];

		if (e->off > at)
			iov[n++] = (struct iovec){ (void *)(uintptr_t)(body.p + at), e->off - at };
		if (e->text.n > 0)
			iov[n++] = (struct iovec){ (void *)(uintptr_t)e->text.p, e->text.n };
		at = e->off + e->len;
	}
	if (body.n > at)
		iov[n++] = (struct iovec){ (void *)(uintptr_t)(body.p + at), body.n - at };
	return n;
}

/* It may be signed, with a session's token in it. */
void
ag_req_wipe_head(struct ag_req *r)
{
	if (r->kept_head.n > 0)
		ag_mem_wipe((void *)(uintptr_t)r->kept_head.p, r->kept_head.n);
	r->kept_head = AG_STR_NONE;
}

/* What goes out piece by piece outlives this turn: head and pieces move to the arena. */
static struct iovec *
keep_pieces(struct ag_req *r, const struct iovec *iov, int n)
{
	struct iovec *kept = ag_arena_alloc(&r->arena, sizeof(*iov) * (size_t)n);
	struct ag_str head = ag_arena_dup(&r->arena, ag_buf_str(&r->w->scratch));

	if (!kept || !head.p)
		return NULL;
	memcpy(kept, iov, sizeof(*iov) * (size_t)n);
	ag_req_wipe_head(r);
	r->kept_head = head;
	kept[0].iov_base = (void *)(uintptr_t)head.p;
	return kept;
}

void
ag_req_write(struct ag_req *r)
{
	struct ag_worker *w = r->w;
	struct ag_http_head *head = ag_req_head(r);
	struct iovec pieces[PIECES_MAX], *iov = pieces;
	size_t total = 0;
	bool is_signed;
	int n, rc;

	if (AG_UNLIKELY(r->trace.is_on && !r->is_admin))
		ag_req_trace_attempt(r);
	ag_buf_reset(&w->scratch);
	if (r->is_admin)
		build_admin_head(r, head, &w->scratch);
	else
		build_provider_head(r, head, &w->scratch);
	n = gather(r, ag_buf_str(&w->scratch), pieces);
	is_signed = !r->is_admin && r->target.family->sign && r->dest->auth_line.n == 0 && r->dest->secret.n > 0;
	if (is_signed) {
		/* Two pieces stand before the body: the head, which grows by this, and its end. */
		if (sign(r, head, pieces + 2, n - 2) < 0) {
			ag_req_on_upstream_failed(r, AG_OUT_CONNECT_FAILED, "the request could not be signed");
			return;
		}
		pieces[0] = (struct iovec){ w->scratch.p, w->scratch.n };
	}
	for (int i = 0; i < n; i++)
		total += pieces[i].iov_len;
	if (total > AG_UPSTREAM_AT_ONCE)
		iov = keep_pieces(r, pieces, n);
	if (w->scratch.failed || !iov) {
		ag_req_on_upstream_failed(r, AG_OUT_CONNECT_FAILED, "out of memory");
		return;
	}
	r->attempt++;
	r->sent_us = ag_clock_mono_us();
	if (AG_UNLIKELY(r->wants_bodies))
		ag_bodies_begin(r, head);
	if (r->slot) {
		write_draft(r);
		ag_holds_sent(r->slot);
	}
	if (!r->is_admin)
		ag_count(AG_CNT_attempt_total);
	ag_req_goto(r, AG_REQ_SEND);
	rc = ag_upstream_send(r->up, iov, n);
	if (r->is_admin || is_signed)
		ag_mem_wipe(w->scratch.p, w->scratch.n); /* the caller's key; a signature, a session's token */
	if (rc < 0)
		ag_req_on_upstream_failed(r, AG_OUT_UPSTREAM_BROKE_BEFORE, strerror(-rc));
}

static void
connect_now(struct ag_req *r, const struct sockaddr *addr, socklen_t addr_len)
{
	struct ag_origin *o = r->is_admin ? r->w->control : r->dest->origin;
	int rc = ag_upstream_open(r->w, o, addr, addr_len, r, &r->up);

	if (rc < 0)
		ag_req_on_upstream_failed(r, AG_OUT_CONNECT_FAILED, strerror(-rc));
}

static void
req_on_resolved(void *arg, int rc)
{
	struct ag_req *r = arg;
	const struct sockaddr *addr;
	socklen_t addr_len;

	assert(r->magic == AG_REQ_MAGIC);
	r->is_resolving = false;
	if (rc == 0)
		rc = ag_origin_resolve(r->dest->origin, &r->resolve, &addr, &addr_len);
	if (rc == -EINPROGRESS)
		r->is_resolving = true; /* what was found is too old again: the process stood still */
	else if (rc != 0)
		ag_req_on_upstream_failed(r, AG_OUT_CONNECT_FAILED, "the host's name could not be resolved");
	else
		connect_now(r, addr, addr_len);
}

/* A kept connection may die under a request, which is then sent once more, on a fresh one: the other
 * kept ones are as old.  What changes something in control must not be asked twice, so it never
 * goes on a kept one. */
static bool
may_reuse(const struct ag_req *r)
{
	struct ag_str msg = ag_str_n(r->msg.p, r->msg.n);

	return r->retries == 0 &&
	    (!r->is_admin || ag_str_starts(msg, AG_STR("GET ")) || ag_str_starts(msg, AG_STR("HEAD ")));
}

/* Without a token there is nothing to send; nothing is held any more. */
static void
fail_unauthenticated(struct ag_req *r, const char *why)
{
	static struct ag_log_limit limit;

	ag_count(AG_CNT_attempt_failed);
	if (ag_log_allowed(&limit, 20))
		ag_warn("no access token: %s host=%s trace=%.*s", why, ag_origin_host(r->dest->origin),
		    AG_STR_ARG(r->trace_id));
	ag_req_release(r);
	ag_reply_verdict(r, AG_DENY_UPSTREAM_AUTH, ag_arena_dup(&r->arena, ag_str(why)), AG_NONE_IX);
}

static void
req_on_token(void *arg)
{
	struct ag_req *r = arg;

	assert(r->magic == AG_REQ_MAGIC && r->state == AG_REQ_ROUTE);
	r->is_awaiting_token = false;
	ag_req_send(r);
}

/* false: it waits, or has failed and may be gone. */
static bool
has_token(struct ag_req *r)
{
	const char *why;
	int rc;

	if (r->is_admin || !r->dest->token || r->bearer)
		return true;
	r->token_wait.fn = req_on_token;
	r->token_wait.arg = r;
	rc = ag_token_get(r->dest->token, &r->token_wait, &r->bearer, &why);
	if (rc == -EINPROGRESS)
		r->is_awaiting_token = true;
	else if (rc < 0)
		fail_unauthenticated(r, why);
	return rc == 0;
}

void
ag_req_send(struct ag_req *r)
{
	struct ag_origin *o = r->is_admin ? r->w->control : r->dest->origin;
	const struct sockaddr *addr;
	socklen_t addr_len;
	int rc;

	if (!has_token(r))
		return;
	r->up = may_reuse(r) ? ag_upstream_take_idle(o, r) : NULL;
	if (r->up) {
		ag_req_write(r);
		return;
	}
	r->resolve.fn = req_on_resolved;
	r->resolve.arg = r;
	rc = ag_origin_resolve(o, &r->resolve, &addr, &addr_len);
	if (rc == -EINPROGRESS)
		r->is_resolving = true;
	else if (rc < 0)
		ag_req_on_upstream_failed(r, AG_OUT_CONNECT_FAILED, "the host's name could not be resolved");
	else
		connect_now(r, addr, addr_len);
}
