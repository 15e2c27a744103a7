/* translate.c - a request in one protocol, its provider in another: the body is built anew before
 * anything is held, the answer is taken apart and written in the client's protocol.
 *
 * Nothing is sent before there is something to send: a provider that fails first is answered with a
 * status, not with a broken stream.  A whole answer is written when it is whole, with its length. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "shm/counters.h"
#include "shm/metertab.h"
#include "translate/protocol.h"
#include "translate/tree.h"
#include "worker/request.h"
#include "worker/upstream.h"

#define EVENT_MAX ((size_t)24 << 20) /* one event of a stream */
#define OUT_MAX   ((size_t)96 << 20) /* what one answer becomes; of streams what one read brings */
#define SLICE     ((size_t)2 << 20)  /* of a whole answer, written at once */
/* Tokens of a request that its bytes do not show: some providers add words of their own to tools. */
#define HIDDEN_TOOL_TOKENS 1024u

struct ag_xlate {
	const struct ag_protocol *client, *upstream; /* NULL: an exchange */
	const struct ag_exchange *exchange;
	struct json_object *chat, *request;  /* owned; NULL when no more needed */
	struct ag_buf body;                  /* for the provider */
	uint64_t limit;                      /* that body was built for */
	bool is_strict;
	struct ag_writer_in in;
	struct ag_piece_sink sink;
	void *reader, *writer, *framing;     /* owned states */
	bool is_events;                      /* the answer comes as events */
	bool has_head;                       /* of the answer: sent or pending */
	bool has_ended;                      /* the reader told the end: the answer is whole */
	struct ag_buf out;                   /* written and not sent */
	struct ag_buf passed;                /* header lines of the provider that go through */
	struct ag_buf acc;                   /* an answer that is read when it is whole */
	bool has_retry_after;
	/* an error that came instead of an answer */
	char error_type[64], error_code[64];
	struct ag_buf error_text;
	uint32_t cut_by;                     /* meter of an adaptive budget that has no more */
};

static struct ag_str
header(const struct ag_http_head *head, struct ag_str portkey, struct ag_str own)
{
	struct ag_str v = ag_http_header_get(head, portkey);

	return v.p ? v : ag_http_header_get(head, own);
}

/* ---- the request ------------------------------------------------------------------------- */

static struct ag_xlate *
xlate_new(struct ag_req *r)
{
	struct ag_xlate *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	ag_buf_init(&x->body, OUT_MAX);
	ag_buf_init(&x->out, OUT_MAX);
	ag_buf_init(&x->passed, 65536);
	ag_buf_init(&x->acc, r->w->conf->max_body > EVENT_MAX ? r->w->conf->max_body : EVENT_MAX);
	ag_buf_init(&x->error_text, 65536);
	r->xl = x;
	return x;
}

void
ag_xlate_free(struct ag_req *r)
{
	struct ag_xlate *x = r->xl;

	if (x->reader && x->upstream->reader->fini)
		x->upstream->reader->fini(x->reader);
	if (x->writer && x->client->writer->fini)
		x->client->writer->fini(x->writer);
	if (x->framing)
		x->upstream->framing->fini(x->framing);
	free(x->reader);
	free(x->writer);
	free(x->framing);
	json_object_put(x->chat);
	json_object_put(x->request);
	ag_buf_fini(&x->body);
	ag_buf_fini(&x->out);
	ag_buf_fini(&x->passed);
	ag_buf_fini(&x->acc);
	ag_buf_fini(&x->error_text);
	free(x);
	r->xl = NULL;
}

struct ag_str
ag_xlate_body(const struct ag_req *r)
{
	return ag_buf_str(&r->xl->body);
}

size_t
ag_xlate_bytes(const struct ag_req *r)
{
	return r->xl->body.cap + r->xl->acc.cap + r->xl->out.cap;
}

static enum ag_verdict
refused(struct ag_req *r, const struct ag_err *err, int rc, struct ag_str *out_detail)
{
	if (rc == -ENOMEM) {
		*out_detail = AG_STR("out of memory");
		return AG_DENY_NO_CAPACITY;
	}
	*out_detail = ag_arena_dup(&r->arena, ag_str(err->text));
	return AG_DENY_BAD_REQUEST;
}

static int
build(struct ag_req *r, struct ag_err *err)
{
	struct ag_xlate *x = r->xl;
	struct ag_exchange_in ex = { .body = ag_req_body(r), .model = r->target.model, .family = r->target.family };
	struct ag_build_in in = {
		.chat = x->chat, .family = r->target.family, .model = r->target.model,
		.model_flags = r->target.price ? r->target.price->flags : 0, .limit = r->est.limit,
		.is_stream = r->is_stream, .is_strict = x->is_strict,
	};
	int rc;

	ag_buf_reset(&x->body);
	rc = x->exchange ? x->exchange->build(&ex, &x->body, err) : x->upstream->build(&in, &x->body, err);
	x->limit = r->est.limit;
	if (rc == 0 && x->body.failed)
		rc = ag_err_set(err, -ENOMEM, "out of memory");
	return rc;
}

static enum ag_service_tier
asked_tier(const struct ag_req *r, struct ag_str tier)
{
	if (tier.n == 0)
		return ag_req_absent_tier(r);
	if (ag_str_eq(tier, AG_STR("priority")) || ag_str_eq(tier, AG_STR("fast")) || ag_str_eq(tier, AG_STR("auto")))
		return AG_TIER_PRIORITY;
	return ag_str_eq(tier, AG_STR("flex")) ? AG_TIER_FLEX : AG_TIER_STANDARD;
}

/* The chat's messages and tools are looked at in OpenAI's form, whatever form they came in. */
static int
estimate(struct ag_req *r, uint64_t body_bytes, struct ag_err *err)
{
	struct ag_xlate *x = r->xl;
	struct json_object *tools = ag_tree_array(x->chat, "tools");
	int64_t limit = ag_tree_int(x->chat, "max_completion_tokens", 0), n = ag_tree_int(x->chat, "n", 1);
	struct ag_buf messages, tool_text;
	struct ag_estimate_in in = {
		.endpoint = AG_EP_CHAT, .price = r->target.price,
		.body_bytes = body_bytes + (ag_tree_len(tools) > 0 ? HIDDEN_TOOL_TOKENS : 0),
		.default_limit = r->w->conf->default_max_tokens,
		.default_limit_reasoning = r->w->conf->default_max_tokens_reasoning,
		.choices = (uint64_t)n,
	};

	if (limit < 0 || limit > UINT32_MAX || (ag_tree_get(x->chat, "max_completion_tokens") && limit == 0))
		return ag_err_set(err, -EINVAL, "Invalid request body: not a positive whole number: the output limit");
	if (n < 1 || n > 128)
		return ag_err_set(err, -EINVAL, "Invalid request body: not a positive whole number: \"n\"");
	ag_buf_init(&messages, OUT_MAX);
	ag_buf_init(&tool_text, OUT_MAX);
	ag_tree_write(ag_tree_array(x->chat, "messages"), &messages);
	in.messages = ag_buf_str(&messages);
	if (tools) {
		ag_tree_write(tools, &tool_text);
		in.tools = ag_buf_str(&tool_text);
	}
	in.client_limit = r->client_limit = (uint64_t)limit;
	r->searches = memmem(r->target.model.p, r->target.model.n, "search", 6) != NULL ||
	    ag_tree_get(x->chat, "web_search_options") != NULL;
	in.is_searching = r->searches > 0;
	if (messages.failed || tool_text.failed) {
		ag_buf_fini(&messages);
		ag_buf_fini(&tool_text);
		return ag_err_set(err, -ENOMEM, "out of memory");
	}
	ag_estimate(&in, &r->est);
	ag_buf_fini(&messages);
	ag_buf_fini(&tool_text);
	if (r->target.price)
		r->bound = ag_price_bound(r->target.price, r->est.input,
		    asked_tier(r, ag_tree_str(x->chat, "service_tier")), r->searches);
	return 0;
}

/* Embeddings and the like: no output, no limit. */
static void
estimate_exchange(struct ag_req *r)
{
	struct ag_estimate_in in = { .endpoint = AG_EP_EMBEDDING, .price = r->target.price,
		.body_bytes = r->body_len, .choices = 1 };

	if (ag_req_is_given(r, AG_F_INPUT))
		in.input = ag_json_raw(ag_req_body(r), r->field[AG_F_INPUT]);
	ag_estimate(&in, &r->est);
	if (r->target.price)
		r->bound = ag_price_bound(r->target.price, r->est.input, AG_TIER_STANDARD, 0);
}

static int
open_chat(struct ag_req *r, struct ag_err *err)
{
	struct ag_xlate *x = r->xl;
	int rc = x->client->parse(ag_req_body(r), r->requested_model, r->is_stream, &x->chat, err);

	if (rc == 0 && x->client->wants_request)
		rc = ag_tree_parse(ag_req_body(r), &x->request, err);
	if (rc == 0)
		rc = estimate(r, r->body_len, err);
	if (rc == 0)
		rc = build(r, err);
	/* What the provider reads may be longer than what the client wrote. */
	if (rc == 0 && x->body.n > r->body_len)
		rc = estimate(r, x->body.n, err);
	return rc;
}

static enum ag_verdict
find_protocols(struct ag_req *r, struct ag_str *out_detail)
{
	struct ag_xlate *x = r->xl;

	x->client = ag_protocol_of(r->endpoint);
	x->upstream = ag_protocol_of(r->target.path->endpoint);
	if (x->client && x->upstream && x->client->parse && x->client->writer && x->upstream->build &&
	    x->upstream->reader)
		return AG_ALLOW;
	x->client = x->upstream = NULL;
	x->exchange = ag_exchange_of(r->endpoint, r->target.path->endpoint);
	if (x->exchange)
		return AG_ALLOW;
	*out_detail = ag_str(r->target.family->name);
	return AG_DENY_ENDPOINT_UNSERVED;
}

enum ag_verdict
ag_xlate_open(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	struct ag_str strict = header(head, AG_STR("x-portkey-strict-open-ai-compliance"),
	    AG_STR("x-aigate-strict-open-ai-compliance"));
	struct ag_xlate *x = xlate_new(r);
	struct ag_err err = { "" };
	enum ag_verdict v;
	int rc;

	if (!x) {
		*out_detail = AG_STR("out of memory");
		return AG_DENY_NO_CAPACITY;
	}
	v = find_protocols(r, out_detail);
	if (v != AG_ALLOW)
		return v;
	x->is_strict = ag_str_ieq(strict, AG_STR("true"));
	x->in.is_strict = !ag_str_ieq(strict, AG_STR("false"));
	if (x->exchange) {
		estimate_exchange(r);
		rc = build(r, &err);
	} else {
		rc = open_chat(r, &err);
	}
	return rc < 0 ? refused(r, &err, rc, out_detail) : AG_ALLOW;
}

enum ag_verdict
ag_xlate_seal(struct ag_req *r, struct ag_str *out_detail)
{
	struct ag_xlate *x = r->xl;
	struct ag_err err = { "" };
	int rc = x->exchange || r->est.limit == x->limit ? 0 : build(r, &err);

	json_object_put(x->chat);
	x->chat = NULL;
	ag_client_count(r->client);
	if (rc == 0)
		return AG_ALLOW;
	ag_req_release(r);
	return refused(r, &err, rc, out_detail);
}

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
	x->upstream->framing->init(x->framing, EVENT_MAX);
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
	struct ag_exchange_in in = { .model = r->target.model, .family = r->target.family };
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
