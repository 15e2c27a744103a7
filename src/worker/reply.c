/* reply.c - answers of our own: refusals and small documents. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/money.h"
#include "shm/counters.h"
#include "shm/metertab.h"
#include "translate/protocol.h"
#include "worker/request.h"
#include "worker/upstream.h"

/* Their names come with colon and blank: one copy less. */
static void
put_header(struct ag_buf *b, struct ag_str name, struct ag_str value)
{
	ag_buf_put_str(b, name);
	ag_buf_put_str(b, value);
	ag_buf_put(b, "\r\n", 2);
}

static void
put_number(struct ag_buf *b, struct ag_str name, int64_t value)
{
	ag_buf_put_str(b, name);
	ag_buf_put_i64(b, value);
	ag_buf_put(b, "\r\n", 2);
}

/* Milliseconds, rounded down, as OpenAI writes them: "12ms". */
static void
put_reset(struct ag_buf *b, struct ag_str name, int64_t us)
{
	ag_buf_put_str(b, name);
	ag_buf_put_i64(b, us / AG_US_PER_MS);
	ag_buf_put(b, "ms\r\n", 4);
}

void
ag_reply_common_headers(struct ag_req *r, struct ag_buf *b)
{
	if (r->trace_id.n > 0)
		put_header(b, AG_STR("x-portkey-trace-id: "), r->trace_id);
	if (r->allow.n > 0)
		put_header(b, AG_STR("allow: "), r->allow);
	if (r->target.family) {
		put_header(b, AG_STR("x-portkey-provider: "), ag_str(r->target.family->name));
		ag_buf_puts(b, r->rules && (r->rules->config.flags & AG_CONFIG_HAS_TARGET)
		    ? "x-portkey-last-used-option-index: config.targets[0]\r\n"
		    : "x-portkey-last-used-option-index: config\r\n");
		ag_buf_puts(b, "x-portkey-cache-status: DISABLED\r\n");
		put_number(b, AG_STR("x-portkey-retry-attempt-count: "), r->retries);
	}
	if (r->rate_requests.is_set) {
		put_number(b, AG_STR("x-ratelimit-limit-requests: "), r->rate_requests.limit);
		put_number(b, AG_STR("x-ratelimit-remaining-requests: "), r->rate_requests.remaining);
		put_reset(b, AG_STR("x-ratelimit-reset-requests: "), r->rate_requests.reset_us);
	}
	if (r->rate_tokens.is_set) {
		put_number(b, AG_STR("x-ratelimit-limit-tokens: "), r->rate_tokens.limit);
		put_number(b, AG_STR("x-ratelimit-remaining-tokens: "), r->rate_tokens.remaining);
		put_reset(b, AG_STR("x-ratelimit-reset-tokens: "), r->rate_tokens.reset_us);
	}
}

static void
put_status_line(struct ag_buf *b, int status)
{
	ag_buf_puts(b, "HTTP/1.1 ");
	ag_buf_put_u64(b, (uint64_t)status);
	ag_buf_putc(b, ' ');
	ag_buf_puts(b, ag_http_reason(status));
	ag_buf_put(b, "\r\n", 2);
}

/* extra: further header lines, each with CRLF. Ends the request. */
static void
reply(struct ag_req *r, int status, const char *type, struct ag_str extra, struct ag_str body)
{
	struct ag_client *c = r->client;
	struct ag_buf *b = &r->w->scratch;
	struct iovec iov[2];
	bool keep = r->wants_keep_alive && !r->w->is_draining;

	ag_buf_reset(b);
	put_status_line(b, status);
	if (status != 204) {
		put_header(b, AG_STR("content-type: "), ag_str(type));
		put_number(b, AG_STR("content-length: "), (int64_t)body.n);
	}
	ag_reply_common_headers(r, b);
	ag_buf_put_str(b, extra);
	if (!keep)
		ag_buf_puts(b, "connection: close\r\n");
	ag_buf_put(b, "\r\n", 2);
	iov[0] = (struct iovec){ b->p, b->n };
	iov[1] = (struct iovec){ (void *)(uintptr_t)body.p, body.n };
	r->told.status = (uint16_t)status;
	r->told.body_bytes = r->is_head_method ? 0 : body.n;
	ag_req_goto(r, AG_REQ_REPLY);
	if (AG_UNLIKELY(r->bodies != NULL))
		ag_bodies_add(r->bodies, body);
	ag_count_add(AG_CNT_bytes_client_out, (int64_t)(b->n + body.n));
	if (ag_conn_writev(c->conn, iov, r->is_head_method || body.n == 0 ? 1 : 2) < 0) {
		ag_req_goto(r, AG_REQ_DONE);
		ag_client_free(c);
		return;
	}
	ag_req_goto(r, AG_REQ_DONE);
	ag_client_request_done(c, keep);
}

void
ag_reply_json(struct ag_req *r, int status, struct ag_str body)
{
	reply(r, status, "application/json", AG_STR_NONE, body);
}

void
ag_reply_text(struct ag_req *r, int status, struct ag_str body)
{
	reply(r, status, "text/plain", AG_STR_NONE, body);
}

/* ---- refusals ---------------------------------------------------------------------------- */

static const char *
level_name(uint32_t level)
{
	switch ((enum ag_scope_kind)level) {
	case AG_LEVEL_KEY:
		return "api_key";
	case AG_LEVEL_WORKSPACE:
		return "workspace";
	case AG_LEVEL_GRANT:
		return "integration";
	case AG_LEVEL_PROVIDER:
		return "provider";
	case AG_LEVEL_ORG:
		return "organisation";
	case AG_LEVEL_POLICY:
		break;
	}
	return "policy";
}

static void
put_amount(struct ag_buf *b, const char *name, int64_t v, uint32_t unit)
{
	char text[40];
	size_t n = unit == AG_UNIT_NUSD ? ag_fmt_usd(text, sizeof(text), v)
	    : (size_t)snprintf(text, sizeof(text), "%lld", (long long)v);

	ag_buf_printf(b, ",\"%s\":", name);
	ag_buf_put(b, text, n);
}

/* What refused, in figures an agent can act on. */
static void
put_limit(struct ag_req *r, struct ag_buf *b, uint32_t meter_ix, const struct ag_meter_state *s)
{
	const struct ag_meter *m = ag_metertab_at(r->w->shm, meter_ix);
	uint32_t unit = ag_a32_get(&m->unit), kind = ag_a32_get(&m->kind);
	char at[AG_ISO8601_LEN];

	ag_buf_printf(b, ",\"scope\":\"%s\",\"kind\":\"%s\",\"unit\":\"%s\"", level_name(ag_a32_get(&m->level)),
	    kind == AG_METER_BUDGET ? "budget" : kind == AG_METER_RATE ? "rate" : "concurrency",
	    unit == AG_UNIT_NUSD ? "usd" : unit == AG_UNIT_TOKENS ? "tokens" : "requests");
	put_amount(b, "limit", s->limit, unit);
	put_amount(b, "used", kind == AG_METER_BUDGET ? s->settled : s->used, unit);
	put_amount(b, "held", s->held, unit);
	put_amount(b, "remaining", s->remaining, unit);
	if (s->resets_at_us == INT64_MAX) {
		ag_buf_puts(b, ",\"resets_at\":null");
	} else {
		ag_clock_iso8601(s->resets_at_us, at);
		ag_buf_printf(b, ",\"resets_at\":\"%s\"", at);
	}
}

static int64_t
wanted(const struct ag_req *r, const struct ag_meter *m)
{
	switch ((enum ag_unit)ag_a32_get(&m->unit)) {
	case AG_UNIT_NUSD:
		return r->amounts.nusd;
	case AG_UNIT_TOKENS:
		return r->amounts.tokens;
	case AG_UNIT_REQUESTS:
		break;
	}
	return 1;
}

static void
put_error_members(struct ag_req *r, const struct ag_verdict_def *d, struct ag_str message,
    uint32_t meter, const struct ag_meter_state *s, struct ag_buf *b)
{
	ag_buf_puts(b, "{\"message\":\"");
	ag_buf_put_json(b, message);
	ag_buf_printf(b, "\",\"type\":\"%s\",\"param\":null,\"code\":", d->type);
	if (d->code)
		ag_buf_printf(b, "\"%s\"", d->code);
	else
		ag_buf_puts(b, "null");
	if (meter != AG_NONE_IX)
		put_limit(r, b, meter, s);
	if (d == &ag_verdict_defs[AG_DENY_CONFIG_INLINE])
		ag_buf_puts(b, ",\"field\":\"x-portkey-config\"");
	ag_buf_putc(b, '}');
}

static void
put_refusal(struct ag_req *r, const struct ag_verdict_def *d, struct ag_str text, uint32_t meter,
    const struct ag_meter_state *s, struct ag_buf *b)
{
	struct ag_buf message;

	ag_buf_init(&message, 4096);
	if (d->shape == AG_SHAPE_A)
		ag_buf_printf(&message, "Portkey Error: %.*s. Error Code: %s", AG_STR_ARG(text), d->code);
	else
		ag_buf_put_str(&message, text);
	if (d->shape == AG_SHAPE_N) {
		ag_buf_puts(b, "{\"message\":\"Not Found\",\"ok\":false}");
	} else if (d->shape == AG_SHAPE_C) {
		ag_buf_puts(b, "{\"error\":");
		put_error_members(r, d, ag_buf_str(&message), meter, s, b);
		ag_buf_put_str(b, r->refusal);
		ag_buf_putc(b, '}');
	} else {
		ag_buf_puts(b, "{\"status\":\"failure\",\"message\":\"");
		ag_buf_put_json(b, ag_buf_str(&message));
		ag_buf_puts(b, "\",\"error\":");
		put_error_members(r, d, ag_buf_str(&message), meter, s, b);
		ag_buf_put_str(b, r->refusal);
		ag_buf_putc(b, '}');
	}
	ag_buf_fini(&message);
}

/* Clients of other protocols than OpenAI's read errors in their own form alone; NULL: it is OpenAI's. */
static const struct ag_protocol *
foreign_protocol(const struct ag_req *r)
{
	enum ag_endpoint ep = r->endpoint == AG_EP_COUNT_TOKENS ? AG_EP_MESSAGES
	    : r->endpoint == AG_EP_GENERATE_COUNT ? AG_EP_GENERATE : r->endpoint;
	bool is_passed_on = r->is_passed && r->target.path && r->target.path->wire == &ag_wire_anthropic;

	if (is_passed_on)
		return ag_protocol_of(AG_EP_MESSAGES);
	return ep == AG_EP_MESSAGES || ep == AG_EP_GENERATE ? ag_protocol_of(ep) : NULL;
}

static bool
put_foreign_refusal(struct ag_req *r, const struct ag_verdict_def *d, struct ag_str text, struct ag_buf *b)
{
	const struct ag_protocol *p = foreign_protocol(r);
	struct ag_client_error e = { .status = d->status, .type = ag_str(d->type), .code = ag_str(d->code),
		.message = text, .request_id = r->trace_id };

	if (!p)
		return false;
	p->write_error(&e, false, b);
	if (r->refusal.n > 0 && b->n > 0 && b->p[b->n - 1] == '}') {
		b->n--;
		ag_buf_put_str(b, r->refusal);
		ag_buf_putc(b, '}');
	}
	return true;
}

static void
put_retry_headers(const struct ag_verdict_def *d, uint32_t meter, const struct ag_meter_state *s,
    int64_t now_us, struct ag_buf *b)
{
	ag_buf_printf(b, "x-should-retry: %s\r\nx-portkey-gateway-exception: true\r\n",
	    d->should_retry ? "true" : "false");
	if (meter != AG_NONE_IX && s->fits_at_us != INT64_MAX && s->fits_at_us > now_us) {
		int64_t wait_us = s->fits_at_us - now_us;

		/* Whole seconds, rounded up: earlier would be refused again. */
		ag_buf_printf(b, "retry-after: %lld\r\n",
		    (long long)((wait_us + AG_US_PER_SEC - 1) / AG_US_PER_SEC));
		ag_buf_printf(b, "retry-after-ms: %lld\r\n",
		    (long long)((wait_us + AG_US_PER_MS - 1) / AG_US_PER_MS));
	} else if (d->status == 503) {
		ag_buf_puts(b, "retry-after: 1\r\n");
	}
}

/* What the next %s of a text stands for: the last takes all that is left. */
static struct ag_str
next_detail(struct ag_str *left, bool is_last)
{
	const char *end = left->n > 0 && !is_last ? memchr(left->p, '\n', left->n) : NULL;
	struct ag_str one = end ? ag_str_n(left->p, (size_t)(end - left->p)) : *left;

	*left = ag_str_skip(*left, one.n + (end != NULL));
	return one;
}

void
ag_reply_verdict(struct ag_req *r, enum ag_verdict v, struct ag_str detail, uint32_t meter)
{
	const struct ag_verdict_def *d = &ag_verdict_defs[v];
	struct ag_meter_state s = { 0 };
	struct ag_buf text, body, extra;
	int64_t now_us = ag_clock_wall_us();

	assert(v != AG_ALLOW && v < AG_VERDICTS && !r->slot);
	r->told.error = d->type;
	ag_count(AG_CNT_req_denied);
	if (d->counter != AG_CNT_req_denied)
		ag_count(d->counter);
	if (meter != AG_NONE_IX) {
		const struct ag_meter *m = ag_metertab_at(r->w->shm, meter);

		ag_meter_read(m, wanted(r, m), now_us, &s);
	}
	ag_buf_init(&text, 4096);
	ag_buf_init(&body, 16384 + r->refusal.n);
	ag_buf_init(&extra, 512);
	for (const char *p = d->text; *p; p++) {
		if (p[0] == '%' && p[1] == 's') {
			ag_buf_put_str(&text, next_detail(&detail, strchr(p + 1, '%') == NULL));
			p++;
		} else {
			ag_buf_putc(&text, *p);
		}
	}
	if (!put_foreign_refusal(r, d, ag_buf_str(&text), &body))
		put_refusal(r, d, ag_buf_str(&text), meter, &s, &body);
	put_retry_headers(d, meter, &s, now_us, &extra);
	reply(r, d->status, d->shape == AG_SHAPE_A ? "application/json;charset=UTF-8" : "application/json",
	    ag_buf_str(&extra), ag_buf_str(&body));
	ag_buf_fini(&text);
	ag_buf_fini(&body);
	ag_buf_fini(&extra);
}

void
ag_reply_stream_error(const struct ag_req *r, const char *type, const char *message, struct ag_buf *out)
{
	const struct ag_protocol *p = foreign_protocol(r);
	struct ag_client_error e = { .type = ag_str(type), .message = ag_str(message), .request_id = r->trace_id };

	(p ? p : &ag_protocol_openai)->write_error(&e, true, out);
}

void
ag_reply_bad_message(struct ag_client *c, int status, const char *why)
{
	char uuid[AG_UUID_TEXT];
	uint8_t id[16];
	struct ag_buf *b = &c->w->scratch, body;
	struct iovec iov[2];

	assert(!c->req);
	ag_worker_uuid7(c->w, ag_clock_wall_us(), id);
	ag_uuid_text(id, uuid);
	ag_buf_init(&body, 2048);
	ag_buf_puts(&body, "{\"status\":\"failure\",\"message\":\"");
	ag_buf_put_json(&body, ag_str(why));
	ag_buf_puts(&body, "\",\"error\":{\"message\":\"");
	ag_buf_put_json(&body, ag_str(why));
	ag_buf_puts(&body, "\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}");
	ag_buf_reset(b);
	put_status_line(b, status);
	put_header(b, AG_STR("content-type: "), AG_STR("application/json"));
	put_number(b, AG_STR("content-length: "), (int64_t)body.n);
	put_header(b, AG_STR("x-portkey-trace-id: "), ag_str(uuid));
	ag_buf_puts(b, status == 503 ? "x-should-retry: true\r\nretry-after: 1\r\n" : "x-should-retry: false\r\n");
	ag_buf_puts(b, "x-portkey-gateway-exception: true\r\nconnection: close\r\n\r\n");
	if (AG_UNLIKELY(c->w->events.hdr != NULL))
		ag_client_event_bad(c, id, status, body.n);
	iov[0] = (struct iovec){ b->p, b->n };
	iov[1] = (struct iovec){ body.p, body.n };
	if (ag_conn_writev(c->conn, iov, 2) < 0)
		ag_client_free(c);
	else
		ag_client_end(c);
	ag_buf_fini(&body);
}
