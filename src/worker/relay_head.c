/* relay_head.c - the head of the provider's answer as the client gets it, and what of us must not be in it. */
#include "base/clock.h"
#include "shm/counters.h"
#include "worker/request.h"
#include "worker/upstream.h"

#define SECRET_MIN 8u /* a shorter credential would be found in any text */

/* ---- what authenticates us ---------------------------------------------------------------- */

/* The parts of what authenticated us, below AG_HIDDEN_MAX; n 0: there is no such part. */
static struct ag_str
hidden_of(const struct ag_req *r, size_t i)
{
	if (r->is_admin)
		return AG_STR_NONE;
	if (r->bearer)
		return i == 0 ? r->bearer->token : AG_STR_NONE;
	return r->dest->hidden[i];
}

static const char *
find_secret(struct ag_str secret, struct ag_str s)
{
	return secret.n < SECRET_MIN ? NULL : ag_str_find(s, secret);
}

/* Is our credential, or a part of it, in what a provider says? */
static bool
holds_secret(const struct ag_req *r, struct ag_str s)
{
	for (size_t i = 0; i < AG_HIDDEN_MAX; i++)
		if (find_secret(hidden_of(r, i), s))
			return true;
	return false;
}

/* Error texts like to quote the key that was wrong, and that is ours, not the customer's.  The bytes
 * are the connection's own buffer; the length stays, since it was announced. */
void
ag_relay_mask_secret(struct ag_req *r, struct ag_str run)
{
	for (size_t i = 0; i < AG_HIDDEN_MAX; i++) {
		struct ag_str secret = hidden_of(r, i), rest = run;
		const char *at;

		while ((at = find_secret(secret, rest))) {
			memset((void *)(uintptr_t)at, '*', secret.n);
			rest = ag_str_skip(rest, (size_t)(at - rest.p) + secret.n);
		}
	}
}

/* ---- which headers ------------------------------------------------------------------------- */

/* Ours stand in for the provider's where we have limits of that kind. */
static bool
is_rate_of_ours(const struct ag_req *r, struct ag_str name)
{
	if (name.n <= 19 || !ag_str_ieq(ag_str_n(name.p, 12), AG_STR("x-ratelimit-")))
		return false;
	if (r->rate_tokens.is_set && ag_str_ieq(ag_str_skip(name, name.n - 7), AG_STR("-tokens")))
		return true;
	return r->rate_requests.is_set && name.n > 21 &&
	    ag_str_ieq(ag_str_skip(name, name.n - 9), AG_STR("-requests"));
}

static bool
is_dropped(const struct ag_http_head *head, const struct ag_req *r, const struct ag_http_header *hdr)
{
	struct ag_str name = hdr->name;

	if (hdr->id == AG_HN_CONTENT_LENGTH || hdr->id == AG_HN_SET_COOKIE || ag_http_is_hop_by_hop(head, hdr))
		return true;
	if (r->is_admin || (name.p[0] | 0x20) != 'x')
		return false;
	return is_rate_of_ours(r, name) ||
	    (name.n > 10 && ag_str_ieq(ag_str_n(name.p, 10), AG_STR("x-portkey-")));
}

bool
ag_relay_is_dropped(const struct ag_req *r, const struct ag_http_head *head, size_t header)
{
	return is_dropped(head, r, &head->header[header]) || holds_secret(r, head->header[header].value);
}

/* The provider's headers, without those that are not for the client.  Our credential is looked for in all
 * of them at once: it is hardly ever there. */
static void
put_headers(const struct ag_req *r, const struct ag_http_head *head, struct ag_buf *b)
{
	const struct ag_http_header *first = head->header, *last = first + head->n_headers - 1;
	bool has_secret = head->n_headers > 0 &&
	    holds_secret(r, ag_str_n(first->name.p, (size_t)(last->value.p + last->value.n - first->name.p)));

	for (size_t i = 0; i < head->n_headers; i++) {
		const struct ag_http_header *hdr = &head->header[i];

		if (!is_dropped(head, r, hdr) && !(has_secret && holds_secret(r, hdr->value)))
			ag_http_header_put(b, hdr);
	}
}

static void
put_framing(struct ag_req *r, const struct ag_http_head *head, struct ag_buf *b)
{
	bool has_length = head->framing == AG_HTTP_BODY_LENGTH && r->relay != AG_RELAY_STREAM;

	if (r->is_head_method || head->framing == AG_HTTP_BODY_NONE) {
		r->length_out_left = 0;
		if (head->has_content_length) {
			ag_buf_puts(b, "content-length: ");
			ag_buf_put_u64(b, head->content_length);
			ag_buf_put(b, "\r\n", 2);
		} else if (head->status != 204 && head->status != 304) {
			ag_buf_puts(b, "content-length: 0\r\n");
		}
	} else if (has_length) {
		r->length_out_left = head->content_length;
		if (r->rules)
			r->length_out_left += ag_rules_extra(r);
		ag_buf_puts(b, "content-length: ");
		ag_buf_put_u64(b, r->length_out_left);
		ag_buf_put(b, "\r\n", 2);
	} else if (r->is_http10) {
		r->is_until_eof_out = true;
		r->wants_keep_alive = false;
	} else {
		r->is_chunked_out = true;
		ag_buf_puts(b, "transfer-encoding: chunked\r\n");
	}
	if (!r->wants_keep_alive || r->w->is_draining)
		ag_buf_puts(b, "connection: close\r\n");
}

static void
choose_relay(struct ag_req *r, const struct ag_http_head *head)
{
	struct ag_str type = ag_http_header_get(head, AG_STR("content-type"));

	if (r->is_admin) {
		r->relay = AG_RELAY_RAW;
	} else if (r->xl) {
		r->relay = AG_RELAY_TRANSLATE;
	} else if (head->status / 100 == 2 && type.n >= 17 &&
	    ag_str_ieq(ag_str_n(type.p, 17), AG_STR("text/event-stream"))) {
		r->relay = AG_RELAY_STREAM;
		ag_sse_init(&r->sse, AG_SSE_EVENT_MAX);
		r->has_sse = true;
		ag_count(AG_CNT_req_streamed);
	} else if (r->endpoint == AG_EP_SPEECH && head->status / 100 == 2) {
		r->relay = AG_RELAY_RAW; /* sound: nothing to read in it */
	} else {
		r->relay = AG_RELAY_BODY;
	}
}

static void
count_status(const struct ag_req *r, int status)
{
	if (r->is_admin)
		return;
	if (status >= 500)
		ag_count(AG_CNT_upstream_5xx);
	else if (status >= 400)
		ag_count(AG_CNT_upstream_4xx);
}

void
ag_req_on_head(struct ag_req *r, const struct ag_http_head *head)
{
	struct ag_buf *b = &r->w->scratch;
	int status = head->status;

	ag_req_goto(r, AG_REQ_STREAM);
	ag_conn_warm(r->client->conn);
	ag_ring_warm(&r->w->ring);
	r->first_byte_us = ag_clock_mono_us();
	r->rec.status = (uint16_t)head->status;
	count_status(r, head->status);
	if (head->status == 401 && r->bearer)
		ag_token_refused(r->dest->token, r->bearer);
	choose_relay(r, head);
	r->rec.client_status = (uint16_t)status;
	if (r->relay == AG_RELAY_TRANSLATE) {
		ag_xlate_on_head(r, head);
		return;
	}
	if (r->rules)
		status = ag_rules_on_head(r, head);
	r->rec.client_status = (uint16_t)status;
	/* From here on no second attempt needs the message. */
	if (r->up->n_iov == 0 && !r->is_admin && r->relay == AG_RELAY_STREAM) {
		ag_req_forget_head(r);
		ag_buf_fini(&r->msg);
		ag_buf_fini(&r->merged);
		ag_client_count(r->client);
	}
	ag_buf_reset(b);
	ag_buf_puts(b, "HTTP/1.1 ");
	ag_buf_put_u64(b, (uint64_t)status);
	ag_buf_putc(b, ' ');
	ag_buf_puts(b, ag_http_reason(status));
	ag_buf_put(b, "\r\n", 2);
	put_headers(r, head, b);
	put_framing(r, head, b);
	if (!r->is_admin)
		ag_reply_common_headers(r, b);
	ag_buf_put(b, "\r\n", 2);
	r->is_head_pending = true;
}
