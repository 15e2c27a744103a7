/* translate_answer.c - the answer of a provider that speaks another protocol than the client.
 *
 * Nothing is sent before there is something to send: a provider that fails first is answered with a
 * status, not with a broken stream.  A whole answer is written when it is whole, with its length. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/num.h"
#include "shm/counters.h"
#include "shm/metertab.h"
#include "worker/translate.h"
#include "worker/upstream.h"

#define SLICE ((size_t)2 << 20) /* of a whole answer, written at once */

/* ---- the head of the answer -------------------------------------------------------------- */

static int
on_piece(void *arg, const struct ag_piece *p)
{
	struct ag_req *r = arg;
	struct ag_xlate *x = r->xl;

	x->has_ended = x->has_ended || p->kind == AG_PIECE_END;
	if (p->kind != AG_PIECE_ERROR)
		return x->client->writer->piece(x->writer, p, &x->out);
	(void)ag_str_copy(p->id, x->error_type, sizeof(x->error_type));
	(void)ag_str_copy(p->name, x->error_code, sizeof(x->error_code));
	ag_buf_reset(&x->error_text);
	ag_buf_put_str(&x->error_text, p->text);
	return 0;
}

static bool
begin_reading(struct ag_req *r)
{
	struct ag_xlate *x = r->xl;
	static const char hex[] = "0123456789abcdef";
	char id[2 * sizeof(r->id)];

	for (size_t i = 0; i < sizeof(r->id); i++) {
		id[2 * i] = hex[r->id[i] >> 4];
		id[2 * i + 1] = hex[r->id[i] & 15];
	}
	x->in.id = ag_arena_dup(&r->arena, ag_str_n(id, sizeof(id)));
	x->in.model = r->target.model;
	x->in.created_s = r->rec.received_at_us / AG_US_PER_SEC;
	x->in.is_stream = r->is_stream;
	x->in.wants_usage = r->wants_usage;
	x->in.is_array = r->is_array;
	x->in.request = x->request;
	x->sink = (struct ag_piece_sink){ on_piece, r };
	x->reader = calloc(1, x->upstream->reader->state_bytes + 1);
	x->writer = calloc(1, x->client->writer->state_bytes + 1);
	if (!x->reader || !x->writer)
		return false;
	x->client->writer->init(x->writer, &x->in);
	if (!x->is_events)
		return true;
	x->framing = calloc(1, x->upstream->framing->state_bytes + 1);
	if (!x->framing)
		return false;
	x->upstream->framing->init(x->framing, AG_XLATE_EVENT_MAX);
	return true;
}

static bool
is_of_type(const struct ag_http_head *head, const char *want)
{
	struct ag_str type = ag_http_header_get(head, AG_STR("content-type")), w = ag_str(want);

	return type.n >= w.n && ag_str_ieq(ag_str_n(type.p, w.n), w);
}

static void
pass_headers(struct ag_req *r, const struct ag_http_head *head)
{
	static const struct ag_str own[] = { { "content-type", 12 }, { "content-encoding", 16 },
		{ "content-disposition", 19 }, { "content-md5", 11 }, { "etag", 4 } };
	struct ag_buf *b = &r->xl->passed;

	for (size_t i = 0; i < head->n_headers; i++) {
		bool is_own = ag_relay_is_dropped(r, head, i);

		for (size_t k = 0; k < AG_ARRAY_LEN(own); k++)
			is_own = is_own || ag_str_ieq(head->header[i].name, own[k]);
		if (is_own)
			continue;
		ag_buf_put_str(b, head->header[i].name);
		ag_buf_put(b, ": ", 2);
		ag_buf_put_str(b, head->header[i].value);
		ag_buf_put(b, "\r\n", 2);
	}
	r->xl->has_retry_after = ag_http_header_get(head, AG_STR("retry-after")).p != NULL;
}

/* Usage that stands in the head of an answer. */
static void
read_input_header(struct ag_req *r, struct ag_str value)
{
	uint64_t tokens;

	if (value.n == 0 || ag_parse_u64(value, UINT32_MAX, &tokens) < 0)
		return;
	r->answer.usage.input_fresh = tokens;
	r->answer.usage.provider_cost_nusd = -1;
	r->answer.has_usage = true;
}

void
ag_xlate_on_head(struct ag_req *r, const struct ag_http_head *head)
{
	struct ag_xlate *x = r->xl;

	x->is_events = x->upstream && head->status / 100 == 2 && is_of_type(head, x->upstream->framing->content_type);
	if (r->up->n_iov == 0 && x->is_events) {
		ag_req_forget_head(r);
		ag_buf_fini(&r->msg);
		ag_buf_fini(&r->merged);
		ag_buf_fini(&x->body);
		ag_client_count(r->client);
	}
	if (x->is_events)
		ag_count(AG_CNT_req_streamed);
	pass_headers(r, head);
	if (x->exchange && x->exchange->input_header && head->status / 100 == 2)
		read_input_header(r, ag_http_header_get(head, ag_str(x->exchange->input_header)));
	if (!x->exchange && head->status / 100 == 2 && !begin_reading(r))
		x->out.failed = true; /* told when the answer is to be read */
}

/* length < 0: not known, the answer is a stream. */
static void
put_head(struct ag_req *r, int status, const char *type, int64_t length)
{
	struct ag_buf *b = &r->w->scratch;

	ag_buf_reset(b);
	ag_buf_puts(b, "HTTP/1.1 ");
	ag_buf_put_u64(b, (uint64_t)status);
	ag_buf_putc(b, ' ');
	ag_buf_puts(b, ag_http_reason(status));
	ag_buf_puts(b, "\r\ncontent-type: ");
	ag_buf_puts(b, type);
	ag_buf_put(b, "\r\n", 2);
	ag_buf_put_str(b, ag_buf_str(&r->xl->passed));
	if (length >= 0) {
		ag_buf_puts(b, "content-length: ");
		ag_buf_put_u64(b, (uint64_t)length);
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
	ag_reply_common_headers(r, b);
	ag_buf_put(b, "\r\n", 2);
	r->rec.client_status = (uint16_t)status;
	r->is_head_pending = true;
	r->xl->has_head = true;
	ag_buf_reset(&r->xl->passed);
}

/* What guardrails found goes in before the head tells the length. */
static int
told_status(struct ag_req *r, int status)
{
	return r->rules ? ag_rules_write(r, status, &r->xl->out) : status;
}

/* ---- the end ----------------------------------------------------------------------------- */

static void
end_with(struct ag_req *r, enum ag_outcome outcome)
{
	ag_relay_settle(r, outcome);
	if (ag_relay_write(r, ag_buf_str(&r->xl->out), true) < 0) {
		ag_client_free(r->client);
		return;
	}
	ag_relay_finish(r);
}

static void
let_upstream_go(struct ag_req *r)
{
	struct ag_upstream *up = r->up;

	r->up = NULL;
	if (up)
		ag_upstream_done(up);
}

/* A long answer goes as fast as it is read; what it cost is settled with its last piece. */
static void
pour(struct ag_req *r, enum ag_outcome outcome)
{
	struct ag_xlate *x = r->xl;

	while (x->out.n > SLICE) {
		if (ag_relay_write(r, ag_str_n(x->out.p, SLICE), false) < 0) {
			ag_relay_lose_client(r);
			return;
		}
		ag_buf_consume(&x->out, SLICE);
		if (ag_conn_pending(r->client->conn) > 0) {
			let_upstream_go(r);
			ag_client_await_reader(r->client);
			return;
		}
	}
	end_with(r, outcome);
}

void
ag_xlate_on_drained(struct ag_req *r)
{
	if (r->state == AG_REQ_STREAM && r->xl->has_head)
		pour(r, ag_relay_outcome(r->rec.status));
}

/* The client's protocol says what went wrong; e->status is told. */
static void
answer_error(struct ag_req *r, struct ag_client_error *e, enum ag_outcome outcome)
{
	struct ag_xlate *x = r->xl;
	const struct ag_protocol *p = x->client ? x->client : &ag_protocol_openai;

	e->request_id = r->trace_id;
	ag_buf_reset(&x->out);
	p->write_error(e, false, &x->out);
	ag_relay_mask_secret(r, ag_buf_str(&x->out));
	if (e->retry_after_ms > 0 && !x->has_retry_after)
		ag_buf_printf(&x->passed, "retry-after: %lld\r\n", (long long)((e->retry_after_ms + 999) / 1000));
	put_head(r, e->status, "application/json", (int64_t)x->out.n);
	end_with(r, outcome);
}

static void
keep_error_type(struct ag_req *r, struct ag_str type)
{
	if (r->answer.error_type[0] == '\0')
		(void)ag_str_copy(type, r->answer.error_type, sizeof(r->answer.error_type));
}

/* The answer does not go on: an event tells, or a status where nothing was sent yet. */
static void
break_off(struct ag_req *r, enum ag_outcome outcome, const char *code, const char *why)
{
	struct ag_xlate *x = r->xl;
	struct ag_piece p = { .kind = AG_PIECE_ERROR, .id = AG_STR("server_error"), .name = ag_str(code), .text = ag_str(why) };
	struct ag_client_error e = { .status = outcome == AG_OUT_BUDGET_CUT ? 412 : 502, .type = p.id, .code = p.name,
		.message = p.text };

	if (x->error_type[0]) {
		p.id = e.type = ag_str(x->error_type);
		p.name = e.code = ag_str(x->error_code);
		p.text = e.message = ag_buf_str(&x->error_text);
		if (ag_str_eq(p.name, AG_STR("overloaded")))
			e.status = 503;
		if (ag_str_eq(p.id, AG_STR("rate_limit_error")))
			e.status = 429;
	}
	keep_error_type(r, p.name.n > 0 ? p.name : p.id);
	if (r->up)
		r->up->may_keep = false;
	if (!x->has_head) {
		answer_error(r, &e, outcome);
		return;
	}
	x->out.failed = false;
	if (x->client->writer->piece(x->writer, &p, &x->out) < 0)
		ag_buf_reset(&x->out);
	ag_relay_mask_secret(r, ag_buf_str(&x->out));
	end_with(r, outcome);
}

/* ---- streams ----------------------------------------------------------------------------- */

static int
on_event(void *arg, const struct ag_stream_event *ev)
{
	struct ag_req *r = arg;
	struct ag_xlate *x = r->xl;

	size_t before = x->out.n;
	int rc = x->upstream->reader->event(x->reader, r->target.family, ev, &r->answer, &x->sink);

	if (rc < 0 || r->adaptive.mask == 0 || ag_answer_is_over(&r->answer) || ag_req_raise(r, &x->cut_by))
		return rc;
	if (!x->out.failed)
		x->out.n = before; /* what nobody can pay for is not passed */
	return -EDQUOT;
}

/* An adaptive budget cannot pay for more. */
static void
cut(struct ag_req *r)
{
	enum ag_verdict v = ag_req_verdict_of(ag_metertab_at(r->w->shm, r->xl->cut_by));

	ag_count(AG_CNT_req_cut);
	r->xl->error_type[0] = '\0';
	break_off(r, AG_OUT_BUDGET_CUT, ag_verdict_defs[v].type,
	    "the answer was cut: a budget cannot pay for more of it");
}

static const char *
why_broken(int rc)
{
	switch (rc) {
	case -EMSGSIZE:
		return "an event of the stream is too large";
	case -ENOMEM:
	case -ENOBUFS:
		return "an answer is larger than can be translated";
	default:
		return "the provider's stream could not be read";
	}
}

static const char *
stream_type(const struct ag_req *r)
{
	const struct ag_writer *w = r->xl->client->writer;

	return r->is_array && w->stream_array_type ? w->stream_array_type : w->stream_type;
}

static void
write_events(struct ag_req *r)
{
	struct ag_xlate *x = r->xl;

	/* A client that wants the answer whole gets it whole, however it comes. */
	if (x->out.n == 0 || !r->is_stream)
		return;
	if (!x->has_head)
		put_head(r, told_status(r, 200), stream_type(r), -1);
	if (ag_relay_write(r, ag_buf_str(&x->out), false) < 0) {
		ag_relay_lose_client(r);
		return;
	}
	if (x->out.cap > 65536)
		ag_buf_fini(&x->out);
	else
		ag_buf_reset(&x->out);
	ag_relay_hold_back(r);
}

static void
end_stream(struct ag_req *r)
{
	struct ag_xlate *x = r->xl;
	int rc = x->upstream->framing->is_cut(x->framing) ? -EPIPE : 0;

	if (rc == 0 && !r->answer.has_error)
		rc = x->upstream->reader->eof(x->reader, &r->answer, &x->sink);
	if (r->answer.has_error || rc < 0 || !x->has_ended || x->out.failed) {
		break_off(r, AG_OUT_UPSTREAM_BROKE_DURING, "upstream_stream_truncated", "the provider's stream ended too early");
		return;
	}
	if (!x->has_head) {
		int status = told_status(r, 200);

		put_head(r, status, r->is_stream ? stream_type(r) : "application/json", r->is_stream ? -1 : (int64_t)x->out.n);
	}
	pour(r, AG_OUT_ANSWERED);
}

static void
on_stream(struct ag_req *r, struct ag_str *runs, size_t n_runs, bool is_last)
{
	struct ag_xlate *x = r->xl;
	int rc = x->out.failed ? -ENOMEM : 0;

	for (size_t i = 0; i < n_runs && rc == 0; i++)
		rc = x->upstream->framing->feed(x->framing, runs[i], on_event, r);
	if (rc == -EDQUOT) {
		cut(r);
		return;
	}
	if (rc < 0) {
		break_off(r, AG_OUT_UPSTREAM_BROKE_DURING, "upstream_protocol_error", why_broken(rc));
		return;
	}
	ag_client_count(r->client);
	if (is_last)
		end_stream(r);
	else
		write_events(r);
}

/* ---- whole ------------------------------------------------------------------------------- */

static void
on_error_body(struct ag_req *r, struct ag_str body)
{
	struct ag_xlate *x = r->xl;
	struct ag_client_error e = { 0 };
	struct ag_buf mem;

	r->target.path->wire->on_error(r->target.family, body, &r->answer);
	ag_buf_init(&mem, 65536);
	if (x->exchange)
		x->exchange->read_error(r->rec.status, body, &mem, &e);
	else
		x->upstream->read_error(r->rec.status, body, &mem, &e);
	keep_error_type(r, e.type);
	answer_error(r, &e, ag_relay_outcome(r->rec.status));
	ag_buf_fini(&mem);
}

static void
on_whole(struct ag_req *r, struct ag_str body)
{
	struct ag_xlate *x = r->xl;
	struct ag_exchange_in in = { .body = ag_req_body(r), .model = r->target.model, .family = r->target.family };
	int rc;

	if (r->rec.status / 100 != 2) {
		on_error_body(r, body);
		return;
	}
	if (x->out.failed)
		rc = -ENOMEM;
	else if (x->exchange)
		rc = x->exchange->answer(&in, body, &r->answer, &x->out);
	else
		rc = x->upstream->reader->body(x->reader, r->target.family, body, &r->answer, &x->sink);
	if (x->error_type[0]) {
		/* An error under 200: nothing was made that could be billed, unless it says so. */
		break_off(r, AG_OUT_UPSTREAM_5XX, "upstream_error", "the provider answered with an error");
	} else if (rc < 0 || x->out.failed || (!x->exchange && !x->has_ended)) {
		break_off(r, AG_OUT_UPSTREAM_BROKE_DURING, "upstream_protocol_error", "the provider's answer could not be read");
	} else {
		int status = told_status(r, r->rec.status);

		put_head(r, status, r->is_stream ? stream_type(r) : "application/json", (int64_t)x->out.n);
		pour(r, AG_OUT_ANSWERED);
	}
}

static void
on_body(struct ag_req *r, struct ag_str *runs, size_t n_runs, bool is_last)
{
	struct ag_xlate *x = r->xl;

	for (size_t i = 0; i < n_runs; i++) {
		r->answer.content_bytes += runs[i].n;
		if (!is_last || n_runs > 1 || x->acc.n > 0)
			ag_buf_put_str(&x->acc, runs[i]);
	}
	ag_client_count(r->client);
	if (x->acc.failed || (x->acc.cap > 65536 && r->w->body_bytes > r->w->conf->body_memory)) {
		ag_buf_fini(&x->acc);
		break_off(r, AG_OUT_UPSTREAM_BROKE_DURING, "upstream_protocol_error", "the provider's answer is too large");
		return;
	}
	if (r->adaptive.mask != 0 && r->rec.status / 100 == 2 && !ag_req_raise(r, &x->cut_by)) {
		cut(r);
		return;
	}
	if (is_last)
		on_whole(r, x->acc.n > 0 ? ag_buf_str(&x->acc) : n_runs == 1 ? runs[0] : AG_STR_NONE);
}

void
ag_xlate_on_payload(struct ag_req *r, struct ag_str *runs, size_t n_runs, bool is_last)
{
	if (r->xl->is_events)
		on_stream(r, runs, n_runs, is_last);
	else
		on_body(r, runs, n_runs, is_last);
}

void
ag_xlate_on_failed(struct ag_req *r, enum ag_outcome outcome, const char *why)
{
	if (r->xl->is_events && r->xl->has_ended && r->xl->has_head) {
		/* The answer is whole; only the connection did not end as it should. */
		r->up->may_keep = false;
		pour(r, AG_OUT_ANSWERED);
		return;
	}
	break_off(r, outcome, outcome == AG_OUT_TIMEOUT_STREAM ? "upstream_timeout" : "upstream_stream_truncated", why);
}
