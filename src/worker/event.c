/* event.c - what telemetry is told: each request at its end, and attempts that another one follows.
 *
 * Written into memory that is shared with the telemetry process, never waited for.  Without telemetry
 * there is no ring, and this file is not called. */
#include "aigated/event.h"

#include <assert.h>

#include "base/clock.h"
#include "shm/counters.h"
#include "worker/request.h"

static struct ag_str
keep(struct ag_req *r, struct ag_str s)
{
	return ag_arena_dup(&r->arena, ag_str_n(s.p, s.n < AG_EVENT_TEXT_MAX ? s.n : AG_EVENT_TEXT_MAX));
}

/* The head is gone before the end: what is told of it is kept apart. */
void
ag_req_event_begin(struct ag_req *r, const struct ag_http_head *head)
{
	r->told.method = keep(r, head->method_str);
	r->told.path = keep(r, head->path);
	r->told.agent = keep(r, ag_http_header_get(head, AG_STR("user-agent")));
}

static void
push(struct ag_worker *w, const struct ag_event *fixed, const struct ag_str strs[AG_ES_COUNT],
    const struct ag_record *rec, const struct ag_str rec_strs[AG_RS_COUNT])
{
	struct ag_event *e = ag_event_ring_reserve(&w->events);

	if (!e) {
		ag_count(AG_CNT_events_dropped);
		return;
	}
	ag_event_build(fixed, strs, rec, rec_strs, e);
	ag_event_ring_commit(&w->events, e);
}

static uint8_t
flags_of(const struct ag_req *r)
{
	const struct ag_req_trace *t = &r->trace;

	return (uint8_t)((t->is_on ? AG_EVENT_TRACED : 0) | (t->has_parent ? AG_EVENT_CHILD : 0) |
	    (t->flags & AG_TRACE_SAMPLED ? AG_EVENT_SAMPLED : 0) |
	    (r->told.has_client_left ? AG_EVENT_CLIENT_LEFT : 0) | (r->client->is_tls ? AG_EVENT_TLS : 0) |
	    (r->is_admin ? AG_EVENT_ADMIN : 0) | (r->is_stream ? AG_EVENT_STREAM : 0));
}

static void
fill(const struct ag_req *r, struct ag_event *e, struct ag_str strs[AG_ES_COUNT])
{
	const struct ag_req_trace *t = &r->trace;

	memcpy(e->request_id, r->id, sizeof(e->request_id));
	memcpy(e->trace, t->id, sizeof(e->trace));
	memcpy(e->span, t->span, sizeof(e->span));
	memcpy(e->parent, t->parent, sizeof(e->parent));
	e->received_at_us = r->rec.received_at_us;
	e->org_id = r->key.org_id;
	e->workspace_id = r->key.workspace_id;
	e->key_id = r->key.id;
	e->user_id = r->key.user_id;
	e->attempts = (uint16_t)r->attempt;
	e->endpoint = (uint8_t)r->endpoint;
	e->flags = flags_of(r);
	strs[AG_ES_STATE] = t->state;
	strs[AG_ES_HOST] = r->dest ? r->dest->host_header : AG_STR_NONE;
}

/* Metadata says who somebody is: it stays in the ledger. */
static void
record_strings(const struct ag_req *r, struct ag_str strs[AG_RS_COUNT])
{
	ag_req_strings(r, ag_view_catalog(r->view), strs);
	strs[AG_RS_METADATA] = AG_STR("{}");
}

void
ag_req_event_attempt(const struct ag_req *r)
{
	struct ag_event e = { .kind = AG_EVENT_ATTEMPT };
	struct ag_str strs[AG_ES_COUNT] = { 0 }, rec_strs[AG_RS_COUNT];

	fill(r, &e, strs);
	record_strings(r, rec_strs);
	push(r->w, &e, strs, &r->rec, rec_strs);
}

void
ag_req_event_end(const struct ag_req *r)
{
	bool is_ours = r->told.status != 0, has_record = r->rec.is_final != 0;
	struct ag_event e = {
		.kind = AG_EVENT_REQUEST,
		.status = is_ours ? r->told.status : r->rec.client_status,
		.finished_at_us = r->rec.received_at_us + (ag_clock_mono_us() - r->received_us),
		.request_bytes = r->merged.n > 0 ? r->came_len : r->body_len,
		.response_bytes = is_ours ? r->told.body_bytes : r->rec.response_bytes,
		.queue_us = r->rec.queue_us,
	};
	struct ag_str strs[AG_ES_COUNT] = {
		[AG_ES_METHOD] = r->told.method, [AG_ES_PATH] = r->told.path, [AG_ES_AGENT] = r->told.agent,
		[AG_ES_PEER] = ag_str(r->client->peer), [AG_ES_TRACE_ID] = r->trace_id,
		[AG_ES_MODEL] = r->requested_model, [AG_ES_ERROR] = ag_str(r->told.error),
	}, rec_strs[AG_RS_COUNT];

	fill(r, &e, strs);
	if (has_record)
		record_strings(r, rec_strs);
	push(r->w, &e, strs, has_record ? &r->rec : NULL, rec_strs);
}

void
ag_client_event_bad(const struct ag_client *c, const uint8_t id[16], int status, size_t body_bytes)
{
	int64_t now_us = ag_clock_wall_us();
	char uuid[AG_UUID_TEXT];
	struct ag_event e = {
		.kind = AG_EVENT_REQUEST, .status = (uint16_t)status, .received_at_us = now_us,
		.finished_at_us = now_us, .response_bytes = body_bytes,
		.flags = c->is_tls ? AG_EVENT_TLS : 0,
	};
	struct ag_str strs[AG_ES_COUNT] = {
		[AG_ES_PEER] = ag_str(c->peer), [AG_ES_ERROR] = AG_STR("invalid_request_error"),
	};

	ag_uuid_text(id, uuid);
	memcpy(e.request_id, id, sizeof(e.request_id));
	strs[AG_ES_TRACE_ID] = ag_str(uuid);
	push(c->w, &e, strs, NULL, NULL);
}
