/* trace.c - which trace a request belongs to, and the spans we give it: one for the request, one for
 * each attempt, which stands in the ledger row and is what a provider may be told as its parent.
 *
 * The trace is that of the client's traceparent; else the one its x-portkey-trace-id names, where
 * that has the form of a trace id; else the request's own id.  What the ledger calls the trace is
 * text: x-portkey-trace-id whatever it is, else the traceparent's trace, else the request's id.
 * x-portkey-span-id and -parent-span-id name our span and its parent, where they have the form. */
#include "http/trace_context.h"

#include <assert.h>

#include "worker/request.h"

#define GIVEN_MAX 128u /* of an x-portkey-trace-id */

/* Header and value, when there is exactly one; of two nobody knows which is meant. */
static bool
read_parent(const struct ag_http_head *head, struct ag_trace_parent *out)
{
	struct ag_str value = ag_http_header_get(head, AG_STR("traceparent"));

	return value.p && ag_http_header_count(head, AG_STR("traceparent")) == 1 &&
	    ag_trace_parent_parse(value, out);
}

/* Several headers are one list.  One that is too long or not well formed is not passed on. */
static struct ag_str
read_state(struct ag_req *r, const struct ag_http_head *head)
{
	struct ag_str all = AG_STR_NONE;
	struct ag_buf b;

	ag_buf_init(&b, AG_TRACE_STATE_MAX);
	for (size_t i = 0; i < head->n_headers; i++) {
		if (head->header[i].id != AG_HN_TRACESTATE || head->header[i].value.n == 0)
			continue;
		if (b.n > 0)
			ag_buf_putc(&b, ',');
		ag_buf_put_str(&b, head->header[i].value);
	}
	if (!b.failed && ag_trace_state_is_valid(ag_buf_str(&b)))
		all = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	return all;
}

static void
make_span(struct ag_worker *w, char out[AG_SPAN_ID_LEN])
{
	uint8_t id[AG_SPAN_ID_LEN / 2];

	do
		ag_worker_random(w, id, sizeof(id));
	while (memcmp(id, (const uint8_t[sizeof(id)]){ 0 }, sizeof(id)) == 0);
	ag_trace_hex(id, sizeof(id), out);
}

/* By bits of the trace id, so that all requests of a trace are, or none. */
static bool
is_sampled(const struct ag_conf *conf, const char id[AG_TRACE_ID_LEN])
{
	return conf->otlp_endpoint[0] && (conf->trace_sample >= AG_RATIO_ONE ||
	    ag_mix64(ag_fnv1a(ag_str_n(id, AG_TRACE_ID_LEN))) % AG_RATIO_ONE < conf->trace_sample);
}

static void
begin(struct ag_req *r, const struct ag_http_head *head, const struct ag_trace_parent *parent,
    struct ag_str given)
{
	struct ag_str span = AG_ADMIT_HEADER(head, "span-id"), above = AG_ADMIT_HEADER(head, "parent-span-id");
	struct ag_req_trace *t = &r->trace;

	if (parent) {
		memcpy(t->id, parent->trace_id.p, sizeof(t->id));
		memcpy(t->parent, parent->parent_id.p, sizeof(t->parent));
		t->has_parent = true;
		t->flags = parent->flags;
		t->state = read_state(r, head);
	} else {
		if (!ag_trace_id_of(given, t->id))
			ag_trace_hex(r->id, sizeof(r->id), t->id);
		t->flags = is_sampled(r->w->conf, t->id) ? AG_TRACE_SAMPLED : 0;
	}
	if (ag_span_id_is_valid(above)) {
		memcpy(t->parent, above.p, sizeof(t->parent));
		t->has_parent = true;
	}
	/* One that waited begins anew: it is the same span. */
	if (ag_span_id_is_valid(span))
		memcpy(t->span, span.p, sizeof(t->span));
	else if (!t->is_on)
		make_span(r->w, t->span);
	t->is_on = true;
}

void
ag_req_trace(struct ag_req *r, const struct ag_http_head *head)
{
	struct ag_str given = AG_ADMIT_HEADER(head, "trace-id");
	struct ag_trace_parent parent;
	bool has_parent = read_parent(head, &parent);
	char uuid[AG_UUID_TEXT];

	if (given.n > GIVEN_MAX)
		given = AG_STR_NONE;
	if (given.n > 0) {
		r->trace_id = ag_arena_dup(&r->arena, given);
	} else if (has_parent) {
		r->trace_id = ag_arena_dup(&r->arena, parent.trace_id);
	} else {
		ag_uuid_text(r->id, uuid);
		r->is_trace_own = true;
		r->trace_id = ag_arena_dup(&r->arena, ag_str(uuid));
	}
	if (AG_UNLIKELY(has_parent || r->w->conf->trace_propagate || r->w->conf->otlp_endpoint[0]))
		begin(r, head, has_parent ? &parent : NULL, given);
}

void
ag_req_trace_attempt(struct ag_req *r)
{
	make_span(r->w, r->trace.attempt);
	r->trace.has_attempt = true;
}

void
ag_req_trace_put(const struct ag_req *r, const struct ag_http_head *head, struct ag_buf *b)
{
	const struct ag_req_trace *t = &r->trace;
	struct ag_trace_parent ours = {
		.trace_id = ag_str_n(t->id, sizeof(t->id)),
		.parent_id = ag_str_n(t->attempt, sizeof(t->attempt)),
		.flags = t->flags,
	};

	assert(t->is_on && t->has_attempt);
	ag_buf_puts(b, "traceparent: ");
	ag_trace_parent_put(b, &ours);
	ag_buf_puts(b, "\r\n");
	if (t->state.n > 0) {
		ag_buf_puts(b, "tracestate: ");
		ag_buf_put_str(b, t->state);
		ag_buf_puts(b, "\r\n");
	}
	for (size_t i = 0; i < head->n_headers; i++)
		if (head->header[i].id == AG_HN_BAGGAGE)
			ag_http_header_put(b, &head->header[i]);
}
