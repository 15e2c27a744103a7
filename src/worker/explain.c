/* explain.c - what was decided of a request, and on what grounds, for people who ask later.  Written by
 * copying into shared memory: never waits, never fails, decides nothing. */
#include "base/clock.h"
#include "limit/meter.h"
#include "shm/explain.h"
#include "shm/metertab.h"
#include "worker/request.h"

/* Of the request being decided: its meters, from the first refusal on.  One at a time. */
static struct {
	uint8_t request_id[16];
	struct ag_explain e;
} note;

static bool
is_noted(const struct ag_req *r)
{
	return memcmp(note.request_id, r->id, sizeof(r->id)) == 0;
}

static void
note_meter(const struct ag_req *r, uint32_t ix, struct ag_explain_meter *out)
{
	const struct ag_meter *m = ag_metertab_at(r->w->shm, ix);
	uint32_t kind = ag_a32_get(&m->kind);
	struct ag_meter_state s;

	ag_meter_read(m, 0, r->admit_at_us, &s);
	*out = (struct ag_explain_meter){
		.id = ag_a64_get(&m->id),
		.limit = s.limit,
		.used = kind == AG_METER_BUDGET ? s.settled : s.used,
		.held = kind == AG_METER_BUDGET ? s.held : 0,
		.wanted = ag_req_ask(r, ix).amount,
		.resets_at_us = s.resets_at_us,
		.window_us = ag_a64_get(&m->window_us),
		.level = (uint8_t)ag_a32_get(&m->level),
		.kind = (uint8_t)kind,
		.unit = (uint8_t)ag_a32_get(&m->unit),
		.period_kind = (uint8_t)ag_a32_get(&m->period_kind),
		.enforcement = (uint8_t)ag_meter_enforcement(m),
		.suspect = (uint8_t)ag_a32_get(&m->suspect),
	};
}

void
ag_req_explain_meters(struct ag_req *r, uint32_t refused)
{
	if (is_noted(r))
		return;
	memcpy(note.request_id, r->id, sizeof(r->id));
	note.e.refused = refused;
	note.e.output_asked = (int64_t)r->est.output;
	note.e.brief.n_meters = (uint8_t)r->n_meters;
	for (uint32_t i = 0; i < r->n_meters; i++)
		note_meter(r, r->meters[i], &note.e.meter[i]);
}

static uint8_t
keep(char *to, size_t cap, struct ag_str s)
{
	size_t n = s.n < cap ? s.n : cap;

	if (n > 0)
		memcpy(to, s.p, n);
	return (uint8_t)n;
}

static struct ag_explain_brief
brief_of(const struct ag_req *r, enum ag_verdict v)
{
	struct ag_explain_brief b = {
		.at_us = r->rec.received_at_us,
		.trace_hash = r->is_trace_own ? 0 : ag_fnv1a(r->trace_id),
		.key_id = r->key.id,
		.workspace_id = r->key.workspace_id,
		.provider_id = r->target.provider ? r->target.provider->id : 0,
		.input = (int64_t)r->est.input,
		.output = (int64_t)r->est.output,
		.nusd = r->amounts.nusd,
		.verdict = (uint16_t)v,
		.flags = (uint8_t)((v == AG_ALLOW && !r->is_governed ? AG_EXPLAIN_UNGOVERNED : 0) |
		    (r->target.provider && !r->target.price ? AG_EXPLAIN_UNPRICED : 0)),
		.endpoint = (uint8_t)r->endpoint,
		.n_meters = (uint8_t)r->n_meters,
		.n_policies = (uint8_t)r->n_policies,
		.waited_ms = r->wait.since_us > 0
		    ? (uint32_t)((ag_clock_mono_us() - r->wait.since_us) / AG_US_PER_MS) : 0,
	};

	memcpy(b.request_id, r->id, sizeof(b.request_id));
	return b;
}

void
ag_req_explain(struct ag_req *r, enum ag_verdict v, struct ag_str detail, uint32_t meter_ix)
{
	struct ag_explain *e = &note.e;
	bool was_refused = is_noted(r);

	if (r->key.id == 0)
		return; /* nobody's: whoever floods us with wrong keys must not push out the rest */
	if (v == AG_ALLOW && !was_refused) {
		struct ag_explain_brief b = brief_of(r, v);

		ag_explain_put_brief(r->w->shm, r->w->ctx->worker_ix, &b);
		return;
	}
	if (!was_refused)
		ag_req_explain_meters(r, AG_NONE_IX);
	e->brief = brief_of(r, v);
	if (v == AG_ALLOW && (int64_t)r->est.output < e->output_asked)
		e->brief.flags |= AG_EXPLAIN_FITTED;
	/* Fitted to one meter, refused by another: the last word counts. */
	for (uint32_t i = 0; v != AG_ALLOW && meter_ix != AG_NONE_IX && i < r->n_meters; i++)
		if (r->meters[i] == meter_ix)
			e->refused = i;
	e->org_id = r->key.org_id;
	e->integration_id = r->target.integration ? r->target.integration->id : 0;
	e->grant_id = r->target.grant ? r->target.grant->id : 0;
	e->trace_len = keep(e->trace, sizeof(e->trace), r->trace_id);
	e->model_len = keep(e->model, sizeof(e->model), r->requested_model);
	e->detail_len = keep(e->detail, sizeof(e->detail), detail);
	ag_explain_put(r->w->shm, r->w->ctx->worker_ix, e);
}
