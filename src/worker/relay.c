/* relay.c - the provider's answer on its way to the client.
 *
 * Bytes pass as they are; usage is picked out in passing.  What one read brings goes out in one
 * write.  A stream is relayed event by event, so that the usage chunk nobody asked for can be
 * withheld; an event cut by the read waits for its end.  Its head is relay_head.c's. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/chunk.h"
#include "shm/counters.h"
#include "shm/metertab.h"
#include "worker/request.h"
#include "worker/upstream.h"

#define CLIENT_PENDING_HIGH 262144u /* unread bytes at which the provider is held back */
#define ACC_KEEP            8192u
#define OUT_RUNS            96

/* What one read brings, gathered for one write. Runs of acc are offsets, since it may move. */
struct out {
	struct { const char *p; size_t n, acc_off; } run[OUT_RUNS];
	size_t n_runs, bytes;
	struct ag_req *r;
	uint32_t cut_by; /* meter of an adaptive budget that has no more */
};

/* The runs are written before they are read: zeroing them would cost more than what passes. */
static inline void
out_init(struct out *o, struct ag_req *r)
{
	o->n_runs = o->bytes = 0;
	o->r = r;
	o->cut_by = 0;
}

/* Bytes that will not stay where they are: kept in acc until the write. */
static void
out_add_copy(struct out *o, struct ag_str s)
{
	struct ag_buf *acc = &o->r->acc;
	size_t off = acc->n;

	ag_buf_put_str(acc, s);
	if (acc->failed || s.n == 0)
		return;
	o->bytes += s.n;
	o->r->rec.response_bytes += s.n;
	if (o->n_runs > 0 && !o->run[o->n_runs - 1].p) {
		o->run[o->n_runs - 1].n += s.n;
		return;
	}
	assert(o->n_runs < OUT_RUNS);
	o->run[o->n_runs].p = NULL;
	o->run[o->n_runs].acc_off = off;
	o->run[o->n_runs++].n = s.n;
}

static void
out_add(struct out *o, struct ag_str s)
{
	if (s.n == 0)
		return;
	AG_KNOWN(s.p);
	if (o->n_runs > 0 && o->run[o->n_runs - 1].p &&
	    o->run[o->n_runs - 1].p + o->run[o->n_runs - 1].n == s.p) {
		o->run[o->n_runs - 1].n += s.n;
		o->bytes += s.n;
		o->r->rec.response_bytes += s.n;
		return;
	}
	if (o->n_runs >= OUT_RUNS - 2) {
		/* A stream of many withheld events: the rest is gathered in acc, as one run. */
		out_add_copy(o, s);
		return;
	}
	o->bytes += s.n;
	o->r->rec.response_bytes += s.n;
	o->run[o->n_runs].p = s.p;
	o->run[o->n_runs++].n = s.n;
}

/* Results of guardrails go in where they belong. */
static void
out_add_body(struct out *o, struct ag_str run)
{
	struct ag_str text;
	size_t at;

	if (o->r->rules && ag_rules_splice(o->r, run, &at, &text)) {
		out_add(o, ag_str_n(run.p, at));
		out_add(o, text);
		run = ag_str_skip(run, at);
	}
	out_add(o, run);
}

/* ---- the body ---------------------------------------------------------------------------- */

static int
relay_on_event(void *arg, const struct ag_sse_event *ev)
{
	struct out *o = arg;
	struct ag_req *r = o->r;
	bool may_withhold = false;

	if (ev->has_data)
		may_withhold = r->target.path->wire->on_event(r->target.family, ev->event, ev->data, &r->answer);
	if (AG_UNLIKELY(r->object.brings) && ev->has_data)
		ag_objects_read_event(r, ev->event, ev->data);
	/* Before it goes on: what nobody can pay for is not passed.  But what is over is not cut. */
	if (r->adaptive.mask != 0 && !may_withhold && !ag_answer_is_over(&r->answer) && !ag_req_raise(r, &o->cut_by))
		return -EDQUOT;
	if (may_withhold && !r->wants_usage)
		return 0;
	if (ev->is_in_piece)
		out_add(o, ev->raw);
	else
		out_add_copy(o, ev->raw);
	return o->r->acc.failed ? -ENOBUFS : 0;
}

/* The client is lost while we write: cancel, settle, and both are gone. */
static void
lose_client(struct ag_req *r)
{
	struct ag_client *c = r->client;

	ag_req_on_client_gone(r);
	ag_client_free(c);
}

static int
write_out(struct ag_req *r, struct out *o, bool is_last)
{
	struct iovec iov[OUT_RUNS + 4];
	char chunk_head[AG_CHUNK_HEAD_MAX];
	int n = 0;
	size_t total = 0;

	if (r->is_head_pending) {
		iov[n++] = (struct iovec){ r->w->scratch.p, r->w->scratch.n };
		r->is_head_pending = false;
		r->is_head_sent = true;
	}
	if (o->bytes > 0 && r->is_chunked_out)
		iov[n++] = (struct iovec){ chunk_head, ag_chunk_head(chunk_head, o->bytes) };
	for (size_t i = 0; i < o->n_runs; i++) {
		const char *p = o->run[i].p ? o->run[i].p : r->acc.p + o->run[i].acc_off;

		if (AG_UNLIKELY(r->bodies != NULL))
			ag_bodies_add(r->bodies, ag_str_n(p, o->run[i].n));
		iov[n++] = (struct iovec){ (void *)(uintptr_t)p, o->run[i].n };
	}
	if (r->is_chunked_out && (o->bytes > 0 || is_last)) {
		static char ends[] = AG_CHUNK_END AG_CHUNK_LAST;
		size_t from = o->bytes > 0 ? 0 : 2, to = is_last ? sizeof(ends) - 1 : 2;

		iov[n++] = (struct iovec){ ends + from, to - from };
	}
	for (int i = 0; i < n; i++)
		total += iov[i].iov_len;
	if (total == 0)
		return 0;
	ag_count_add(AG_CNT_bytes_client_out, (int64_t)total);
	return ag_conn_writev(r->client->conn, iov, n);
}

static void
hold_back(struct ag_req *r)
{
	if (r->up && ag_conn_pending(r->client->conn) > CLIENT_PENDING_HIGH) {
		ag_upstream_pause(r->up);
		ag_client_await_reader(r->client);
	}
}

/* Where a provider sends a client elsewhere it has answered nothing. */
enum ag_outcome
ag_relay_outcome(int status)
{
	if (status == 429)
		return AG_OUT_UPSTREAM_429;
	if (status >= 500)
		return AG_OUT_UPSTREAM_5XX;
	return status >= 300 ? AG_OUT_UPSTREAM_4XX : AG_OUT_ANSWERED;
}

/* The answer is complete: its cost is settled before the client can see the end, so that what it
 * reads next already tells.  The connection is let go only after the last write, which still sends
 * from its buffer: finish(). */
static void
settle_end(struct ag_req *r, enum ag_outcome outcome)
{
	ag_req_goto(r, AG_REQ_SETTLE);
	ag_req_settle(r, outcome, r->rec.client_status);
	if (outcome == AG_OUT_ANSWERED && !r->is_admin)
		ag_count(AG_CNT_req_answered);
}

static void
finish(struct ag_req *r)
{
	struct ag_upstream *up = r->up;

	r->up = NULL;
	if (up)
		ag_upstream_done(up);
	ag_req_goto(r, AG_REQ_DONE);
	ag_client_request_done(r->client, r->wants_keep_alive && !r->is_until_eof_out);
}

/* A stream that did not end as streams end: the client is told by an event, never by a clean end. */
static void
end_broken_stream(struct ag_req *r, struct out *o, enum ag_outcome outcome, const char *why)
{
	struct ag_str rest;

	if (!r->answer.has_error) {
		struct ag_buf event;

		if (r->answer.error_type[0] == '\0')
			(void)ag_str_copy(AG_STR("upstream_stream_truncated"), r->answer.error_type,
			    sizeof(r->answer.error_type));
		ag_buf_init(&event, 4096);
		/* An unfinished event was never relayed, so the client stands at an event's start. */
		(void)ag_sse_finish(&r->sse, &rest);
		ag_reply_stream_error(r, r->answer.error_type, why, &event);
		out_add_copy(o, ag_buf_str(&event));
		ag_buf_fini(&event);
	}
	settle_end(r, outcome);
	if (write_out(r, o, true) < 0) {
		ag_client_free(r->client);
		return;
	}
	finish(r);
}

/* An adaptive budget cannot pay for more: the client is told which, the provider is left. */
static void
cut_stream(struct ag_req *r, struct out *o)
{
	const struct ag_verdict_def *d =
	    &ag_verdict_defs[ag_req_verdict_of(ag_metertab_at(r->w->shm, o->cut_by))];

	ag_count(AG_CNT_req_cut);
	r->up->may_keep = false;
	r->answer.has_error = false;
	(void)ag_str_copy(ag_str(d->type), r->answer.error_type, sizeof(r->answer.error_type));
	end_broken_stream(r, o, AG_OUT_BUDGET_CUT,
	    "the answer was cut: a budget cannot pay for more of it");
}

static void
relay_stream(struct ag_req *r, struct ag_str *runs, size_t n_runs, bool is_last)
{
	struct out o;
	int rc = 0;

	out_init(&o, r);
	if (r->rules)
		out_add(&o, ag_rules_event(r));
	for (size_t i = 0; i < n_runs && rc == 0; i++) {
		/* Two runs at most come of one: what was carried and what follows it. */
		if (o.n_runs > OUT_RUNS - 4) {
			if (write_out(r, &o, false) < 0) {
				lose_client(r);
				return;
			}
			out_init(&o, r);
			ag_buf_reset(&r->acc);
		}
		rc = ag_sse_feed(&r->sse, runs[i].p, runs[i].n, relay_on_event, &o);
	}
	if (rc == -EDQUOT) {
		cut_stream(r, &o);
		return;
	}
	if (rc < 0) {
		r->up->may_keep = false; /* the rest of the answer may still come on it */
		end_broken_stream(r, &o, AG_OUT_UPSTREAM_BROKE_DURING, "an event of the stream is too large");
		return;
	}
	if (is_last) {
		struct ag_str rest;
		bool is_cut = ag_sse_finish(&r->sse, &rest);

		if (is_cut || r->answer.has_error || (!r->answer.has_done && r->answer.finish_reason[0] == '\0')) {
			end_broken_stream(r, &o, AG_OUT_UPSTREAM_BROKE_DURING, "the provider's stream ended too early");
			return;
		}
		settle_end(r, AG_OUT_ANSWERED);
	}
	if (write_out(r, &o, is_last) < 0) {
		if (is_last)
			ag_client_free(r->client);
		else
			lose_client(r);
		return;
	}
	if (is_last) {
		finish(r);
		return;
	}
	if (r->acc.cap > ACC_KEEP)
		ag_buf_fini(&r->acc);
	else
		ag_buf_reset(&r->acc);
	hold_back(r);
}

/* Usage of a whole body: read in place when it came in one piece. */
static void
read_body(struct ag_req *r, struct ag_str body)
{
	const struct ag_wire *wire = r->target.path->wire;

	if (r->rec.status / 100 == 2)
		wire->on_body(r->target.family, body, &r->answer);
	else
		wire->on_error(r->target.family, body, &r->answer);
	if (AG_UNLIKELY(r->object.brings))
		ag_objects_read_answer(r, body);
}

/* Keeps a body for its usage.  One that is too large, or finds body_memory used up, goes on without:
 * it is charged by what passed. */
static void
collect(struct ag_req *r, const struct ag_str *runs, size_t n_runs)
{
	for (size_t i = 0; i < n_runs; i++)
		ag_buf_put_str(&r->acc, runs[i]);
	ag_client_count(r->client);
	if (r->acc.failed || (r->acc.cap > ACC_KEEP && r->w->body_bytes > r->w->conf->body_memory)) {
		ag_buf_fini(&r->acc);
		r->acc.failed = true;
		ag_client_count(r->client);
	}
}

/* A whole body where a stream was asked for: the only thing that may end it is a cut. */
static bool
may_pass_body(struct ag_req *r, const struct ag_str *runs, size_t n_runs)
{
	uint64_t before = r->answer.content_bytes;
	uint32_t meter;
	bool may;

	for (size_t i = 0; i < n_runs; i++)
		r->answer.content_bytes += runs[i].n;
	may = ag_req_raise(r, &meter);
	if (may) {
		r->answer.content_bytes = before;
		return true;
	}
	ag_count(AG_CNT_req_cut);
	r->up->may_keep = false;
	return false;
}

static void
relay_body(struct ag_req *r, struct ag_str *runs, size_t n_runs, bool is_last)
{
	struct out o;

	out_init(&o, r);
	if (r->adaptive.mask != 0 && r->rec.status / 100 == 2 && !may_pass_body(r, runs, n_runs)) {
		settle_end(r, AG_OUT_BUDGET_CUT);
		ag_req_goto(r, AG_REQ_DONE);
		ag_client_free(r->client);
		return;
	}
	for (size_t i = 0; i < n_runs; i++) {
		if (r->rec.status >= 400)
			ag_relay_mask_secret(r, runs[i]);
		out_add_body(&o, runs[i]);
		r->answer.content_bytes += runs[i].n;
	}
	if (is_last && r->rules)
		out_add(&o, ag_rules_owed(r));
	if (r->relay == AG_RELAY_BODY) {
		if (is_last && r->acc.n == 0 && n_runs == 1 && !r->acc.failed) {
			read_body(r, runs[0]);
		} else {
			collect(r, runs, n_runs);
			if (is_last && !r->acc.failed)
				read_body(r, ag_buf_str(&r->acc));
		}
	}
	if (r->length_out_left > 0)
		r->length_out_left -= o.bytes < r->length_out_left ? o.bytes : r->length_out_left;
	if (is_last)
		settle_end(r, ag_relay_outcome(r->rec.status));
	if (write_out(r, &o, is_last) < 0) {
		if (is_last)
			ag_client_free(r->client);
		else
			lose_client(r);
		return;
	}
	if (is_last)
		finish(r);
	else
		hold_back(r);
}

void
ag_req_on_payload(struct ag_req *r, struct ag_str *runs, size_t n_runs, bool is_last)
{
	assert(r->magic == AG_REQ_MAGIC && r->state == AG_REQ_STREAM);
	if (r->relay == AG_RELAY_STREAM)
		relay_stream(r, runs, n_runs, is_last);
	else if (r->relay == AG_RELAY_TRANSLATE)
		ag_xlate_on_payload(r, runs, n_runs, is_last);
	else
		relay_body(r, runs, n_runs, is_last);
}

void
ag_req_flush(struct ag_req *r)
{
	struct out nothing = { .r = r };

	if (r->is_head_pending && write_out(r, &nothing, false) < 0)
		lose_client(r);
}

/* ---- when it goes wrong ------------------------------------------------------------------ */

/* A kept connection died before it said a word: most likely it was closed while idle. */
static bool
may_retry(const struct ag_req *r, enum ag_outcome outcome)
{
	return outcome == AG_OUT_UPSTREAM_BROKE_BEFORE && r->up && r->up->is_reused && r->retries == 0 &&
	    r->up->in.n == 0;
}

static void
retry(struct ag_req *r)
{
	ag_count(AG_CNT_attempt_retried);
	r->retries++;
	r->up->may_keep = false;
	ag_upstream_done(r->up);
	r->up = NULL;
	ag_req_goto(r, AG_REQ_ROUTE);
	ag_req_send(r);
}

/* No byte has gone to the client: it gets an answer of ours. */
static void
fail_before_head(struct ag_req *r, enum ag_outcome outcome, const char *why, bool is_bad_http)
{
	enum ag_verdict v = is_bad_http ? AG_DENY_UPSTREAM_BAD : AG_DENY_UPSTREAM_BROKE;
	struct ag_str detail = ag_arena_dup(&r->arena, ag_str(why));
	char ms[24];

	if (r->is_admin) {
		/* Admin clients read their own envelope; traffic goes on while control restarts. */
		ag_reply_json(r, 503, AG_STR("{\"success\":false,\"data\":{\"message\":\"The control process is not "
		    "available, try again\",\"errorCode\":\"AB04\"},\"error\":{\"message\":\"The control process is "
		    "not available, try again\",\"type\":\"unavailable_error\",\"param\":null,\"code\":\"AB04\"}}"));
		return;
	}
	if (outcome == AG_OUT_CONNECT_FAILED) {
		v = AG_DENY_CONNECT_FAILED;
	} else if (outcome == AG_OUT_TIMEOUT_FIRST_BYTE) {
		int64_t us = r->timeout_us > 0 ? r->timeout_us : r->w->conf->upstream_first_byte_timeout;

		v = AG_DENY_TIMEOUT;
		snprintf(ms, sizeof(ms), "%lld", (long long)(us / AG_US_PER_MS));
		detail = ag_arena_dup(&r->arena, ag_str(ms));
	}
	(void)ag_str_copy(ag_str(ag_verdict_defs[v].type), r->answer.error_type, sizeof(r->answer.error_type));
	if (r->state != AG_REQ_ROUTE) {
		ag_req_goto(r, AG_REQ_SETTLE);
		ag_req_settle(r, outcome, ag_verdict_defs[v].status);
	} else {
		ag_req_release(r);
	}
	ag_reply_verdict(r, v, detail, AG_NONE_IX);
}

void
ag_req_on_upstream_failed(struct ag_req *r, enum ag_outcome outcome, const char *why)
{
	static struct ag_log_limit limit;
	bool is_bad_http = r->up && r->up->has_bad_head;
	struct ag_upstream *up;

	if (may_retry(r, outcome) && ag_req_record_attempt(r, outcome) == 0) {
		retry(r);
		return;
	}
	ag_count(AG_CNT_attempt_failed);
	if (ag_log_allowed(&limit, 20))
		ag_warn("attempt failed: %s host=%s trace=%.*s", why,
		    r->is_admin ? "control" : ag_origin_host(r->dest->origin), AG_STR_ARG(r->trace_id));
	if (r->state == AG_REQ_STREAM && r->relay == AG_RELAY_TRANSLATE) {
		ag_xlate_on_failed(r, outcome, why);
		return;
	}
	if (r->state == AG_REQ_STREAM && !r->is_head_sent && !r->is_head_pending)
		assert(!"a streaming request has a head");
	if (r->state != AG_REQ_STREAM) {
		up = r->up;
		r->up = NULL;
		if (up) {
			up->may_keep = false;
			ag_upstream_done(up);
		}
		fail_before_head(r, outcome, why, is_bad_http);
		return;
	}
	assert(r->up);
	if (r->relay == AG_RELAY_STREAM) {
		struct out o;

		out_init(&o, r);
		r->up->may_keep = false;
		end_broken_stream(r, &o, outcome, why);
		return;
	}
	/* A body cut short cannot be mended: the client learns it by the cut. */
	r->up->may_keep = false;
	settle_end(r, outcome);
	ag_req_goto(r, AG_REQ_DONE);
	ag_client_free(r->client);
}

void
ag_req_on_client_drained(struct ag_req *r)
{
	if (r->up)
		ag_upstream_resume(r->up);
	else if (r->xl)
		ag_xlate_on_drained(r);
}

void
ag_req_on_client_gone(struct ag_req *r)
{
	struct ag_upstream *up = r->up;

	r->told.has_client_left = true;
	if (!r->is_admin)
		ag_count(AG_CNT_req_client_left);
	r->up = NULL;
	if (up) {
		up->may_keep = false;
		ag_upstream_done(up);
	}
	if (!r->slot)
		return;
	if (r->state == AG_REQ_SEND)
		ag_req_settle(r, AG_OUT_CLIENT_LEFT_BEFORE, 0);
	else if (r->state == AG_REQ_STREAM)
		ag_req_settle(r, AG_OUT_CLIENT_LEFT_DURING, r->rec.client_status);
	else
		ag_req_release(r);
}

/* ---- what translate.c takes from here ---------------------------------------------------- */

void
ag_relay_settle(struct ag_req *r, enum ag_outcome outcome)
{
	settle_end(r, outcome);
}

void
ag_relay_finish(struct ag_req *r)
{
	finish(r);
}

int
ag_relay_write(struct ag_req *r, struct ag_str payload, bool is_last)
{
	struct out o;

	out_init(&o, r);
	out_add(&o, payload);
	return write_out(r, &o, is_last);
}

void
ag_relay_lose_client(struct ag_req *r)
{
	lose_client(r);
}

void
ag_relay_hold_back(struct ag_req *r)
{
	hold_back(r);
}
