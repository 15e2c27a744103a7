/* settle.c - the end of an attempt: priced by the matrix, recorded, the meters settled, once. */
#include "policy/settle.h"

#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "limit/learned.h"
#include "shm/histogram.h"
#include "worker/request.h"
#include "worker/wait.h"

static uint32_t
span_us(int64_t from_us, int64_t to_us)
{
	int64_t d = to_us - from_us;

	return from_us == 0 || d < 0 ? 0 : d > UINT32_MAX ? UINT32_MAX : (uint32_t)d;
}

/* Whether the answer counts the searches that the provider made for it. */
static bool
tells_searches(const struct ag_req *r)
{
	enum ag_endpoint ep = r->target.path->endpoint;

	return r->answer.has_usage && (ep == AG_EP_MESSAGES || ep == AG_EP_RESPONSES || ep == AG_EP_GENERATE);
}

/* Reading an answer that was kept is not having it made again; what a batch will cost it does not tell. */
static void
forget_figures(const struct ag_req *r, const struct ag_settle_in *in, struct ag_settle_out *out)
{
	bool is_charged = out->actual.requests > 0;

	if (r->object.work == AG_WORK_UNCOUNTED && r->object.use != AG_OBJECTS_MAKE && r->object.use != AG_OBJECTS_ONE)
		return;
	out->usage = (struct ag_usage){ .provider_cost_nusd = -1, .source = AG_USAGE_NONE };
	out->cost_nusd = out->charged_nusd = out->actual.nusd = is_charged ? in->flat_nusd : 0;
	out->actual.tokens = 0;
}

static void
price_attempt(struct ag_req *r, enum ag_outcome outcome, int64_t now_us, struct ag_settle_out *out)
{
	struct ag_settle_in in = {
		.outcome = outcome,
		.answer = &r->answer,
		.price = r->target.price, .multiples = r->target.multiples,
		.flat_nusd = r->w->conf->unpriced_model == AG_UNPRICED_FLAT && !ag_req_has_no_price(r)
		    ? r->w->conf->unpriced_flat_usd : 0,
		.held = ag_req_held(r),
		.is_capped = r->adaptive.is_capped,
		.charges_hold = r->w->conf->unknown_usage == AG_UNKNOWN_HOLD,
		.est_input = r->est.input,
		.est_output = r->est.output,
		.request_text_bytes = r->est.text_bytes,
		.waited_us = now_us - r->sent_us,
		.is_own_timeout = outcome == AG_OUT_TIMEOUT_FIRST_BYTE && r->timeout_us > 0,
		.searches = r->searches > 0 && !tells_searches(r), /* one at least */
	};

	if (ag_endpoint_is_media(r->endpoint))
		in.est_units = ag_media_settle(r, outcome == AG_OUT_ANSWERED);
	/* A name without a price does not bill at nothing when the model that served has one; a flat
	 * price is what was held, and stays. */
	if (!in.price && r->answer.model[0] != '\0' && r->w->conf->unpriced_model != AG_UNPRICED_FLAT) {
		in.price = ag_catalog_price(ag_view_catalog(r->view), ag_str(r->target.family->name),
		    ag_str(r->answer.model), r->rec.received_at_us);
		in.multiples = ag_route_multiples(r->target.integration, in.price);
		ag_req_note_price(r, in.price, in.multiples);
	}
	ag_settle(&in, out);
	if (AG_UNLIKELY(r->object.work != AG_WORK_COUNTED))
		forget_figures(r, &in, out);
}

static void
fill_record(struct ag_req *r, enum ag_outcome outcome, int64_t now_us, const struct ag_settle_out *out)
{
	struct ag_record *rec = &r->rec;

	rec->usage = out->usage;
	rec->cost_nusd = out->cost_nusd;
	rec->charged_nusd = out->charged_nusd;
	rec->outcome = (uint8_t)outcome;
	rec->finished_at_us = rec->received_at_us + (now_us - r->received_us);
	rec->sent_at_us = rec->received_at_us + (r->sent_us - r->received_us);
	rec->first_byte_at_us = r->first_byte_us ? rec->received_at_us + (r->first_byte_us - r->received_us) : 0;
	rec->connect_us = span_us(r->admitted_us, r->sent_us);
	rec->overhead_us = span_us(r->received_us, r->admitted_us) - rec->queue_us;
	rec->attempt = (uint16_t)r->attempt;
}

/* Whole answers teach by their figures; of a cut one it is known that it took at least so much. */
static void
learn(const struct ag_req *r, enum ag_outcome outcome, const struct ag_settle_out *out)
{
	int64_t now_us = r->rec.received_at_us;

	if (r->adaptive.tag == 0)
		return;
	if (outcome == AG_OUT_ANSWERED && out->usage.source == AG_USAGE_REPORTED)
		ag_learned_add(r->w->shm, r->adaptive.tag, out->usage.output_total, now_us);
	else if (outcome == AG_OUT_BUDGET_CUT)
		ag_learned_add(r->w->shm, r->adaptive.tag, ag_settle_output_seen(&r->answer), now_us);
}

static void
count_settled(const struct ag_req *r, const struct ag_settle_out *out)
{
	ag_observe(AG_HIST_request_us, (uint64_t)(r->rec.finished_at_us - r->rec.received_at_us));
	ag_observe(AG_HIST_overhead_us, r->rec.overhead_us);
	if (r->first_byte_us > r->sent_us)
		ag_observe(AG_HIST_first_byte_us, (uint64_t)(r->first_byte_us - r->sent_us));
	ag_count(AG_CNT_record_pushed);
	ag_count_add(AG_CNT_spend_nusd, out->charged_nusd);
	ag_count_add(AG_CNT_tokens_in, (int64_t)ag_usage_input_total(&out->usage));
	ag_count_add(AG_CNT_tokens_out, (int64_t)out->usage.output_total);
	if (out->usage.source == AG_USAGE_UNKNOWN)
		ag_count(AG_CNT_usage_unknown);
}

/* What the provider refused or failed at it does not bill, however the rest of its answer went. */
static enum ag_outcome
outcome_of(const struct ag_req *r, enum ag_outcome outcome)
{
	bool is_after_head = outcome == AG_OUT_TIMEOUT_STREAM || outcome == AG_OUT_CLIENT_LEFT_DURING ||
	    outcome == AG_OUT_UPSTREAM_BROKE_DURING;

	return is_after_head && r->rec.status >= 400 ? ag_relay_outcome(r->rec.status) : outcome;
}

void
ag_req_settle(struct ag_req *r, enum ag_outcome outcome, int client_status)
{
	struct ag_str strs[AG_RS_COUNT];
	struct ag_settle_out out;
	int64_t now_us;
	int rc;

	if (!r->slot)
		return;
	outcome = outcome_of(r, outcome);
	now_us = ag_clock_mono_us();
	price_attempt(r, outcome, now_us, &out);
	fill_record(r, outcome, now_us, &out);
	learn(r, outcome, &out);
	r->rec.held_nusd = ag_req_held(r).nusd;
	r->rec.client_status = (uint16_t)client_status;
	r->rec.is_final = 1;
	if (AG_UNLIKELY(r->object.becomes != AG_OBJECT_NONE))
		ag_objects_settle(r);
	ag_req_strings(r, ag_view_catalog(r->view), strs);
	rc = ag_holds_settle(r->w->shm, &r->w->ring, r->slot, &r->rec, strs, &out.actual,
	    r->rec.finished_at_us);
	if (rc < 0) {
		/* Admission keeps room unless full_ring says to serve without. */
		ag_count(AG_CNT_record_unrecorded);
		ag_holds_forgo_record(r->w->shm, r->slot, &out.actual, r->rec.finished_at_us);
	} else {
		count_settled(r, &out);
		if (AG_UNLIKELY(r->bodies != NULL))
			r->bodies->has_row = true;
	}
	r->slot = NULL;
	ag_worker_slot_give(r->w, r->slot_ix);
	ag_wait_poke(r->w);
}

int
ag_req_record_attempt(struct ag_req *r, enum ag_outcome outcome)
{
	struct ag_settle_out out = { .usage = { .provider_cost_nusd = -1, .source = AG_USAGE_NONE } };
	struct ag_str strs[AG_RS_COUNT];

	int rc;

	if (!r->slot)
		return 0;
	fill_record(r, outcome, ag_clock_mono_us(), &out);
	r->rec.is_final = 0;
	ag_req_strings(r, ag_view_catalog(r->view), strs);
	rc = ag_holds_record_attempt(&r->w->ring, r->slot, &r->rec, strs);
	if (rc < 0)
		return rc;
	ag_count(AG_CNT_record_pushed);
	if (AG_UNLIKELY(r->w->events.hdr != NULL))
		ag_req_event_attempt(r);
	return 0;
}

void
ag_req_release(struct ag_req *r)
{
	if (!r->slot)
		return;
	ag_holds_release(r->w->shm, r->slot);
	r->slot = NULL;
	ag_worker_slot_give(r->w, r->slot_ix);
	ag_wait_poke(r->w);
}
