/* adaptive.c - what a request holds of each budget by its enforcement, and how that grows while the
 * answer comes.
 *
 * Strict and shadow hold the worst case.  Adaptive holds what most answers to this key by this model
 * took, and more as the answer grows, in steps that double.  One that cuts what it cannot pay for
 * needs to see the output as it comes: without a stream, of what is no text, or with thoughts that
 * nobody sees, it holds the worst case too. */
#include "limit/learned.h"
#include "policy/settle.h"
#include "shm/counters.h"
#include "shm/metertab.h"
#include "worker/request.h"

static int64_t
money_for(const struct ag_req *r, uint64_t output)
{
	if (AG_LIKELY(r->target.price))
		return ag_price_bound_nusd(&r->bound, r->est.input, output);
	return ag_req_has_no_price(r) ? 0 : r->w->conf->unpriced_flat_usd;
}

struct ag_amounts
ag_req_amounts_for(const struct ag_req *r, uint64_t output)
{
	return (struct ag_amounts){ .nusd = money_for(r, output),
		.tokens = (int64_t)(r->est.input + output), .requests = 1 };
}

static uint64_t
usual_output(const struct ag_req *r)
{
	const struct ag_conf *conf = r->w->conf;
	uint64_t usual;

	if (r->adaptive.tag == 0 || !ag_learned_quantile(r->w->shm, r->adaptive.tag,
	    conf->adaptive_quantile * 10, conf->adaptive_samples, &usual))
		return r->est.output;
	if (usual < conf->fit_min_tokens)
		usual = conf->fit_min_tokens;
	return usual < r->est.output ? usual : r->est.output;
}

static bool
is_mode(const struct ag_meter *m, enum ag_enforcement mode)
{
	return ag_a32_observe(&m->kind) == AG_METER_BUDGET &&
	    ag_meter_enforcement(m) == mode;
}

static bool
does_cut(const struct ag_meter *m)
{
	return ag_meter_on_exhaust(m) == AG_EXHAUST_CUT;
}

void
ag_req_set_amounts(struct ag_req *r)
{
	bool has_adaptive = false;

	for (uint32_t i = 0; i < r->n_meters; i++)
		has_adaptive |= is_mode(ag_metertab_at(r->w->shm, r->meters[i]), AG_ENFORCE_ADAPTIVE);
	r->adaptive.tag = has_adaptive ? ag_learned_tag(r->key.id, ag_str(r->target.family->name),
	    r->target.model) : 0;
	r->amounts = ag_req_amounts_for(r, r->est.output);
	r->adaptive.output = usual_output(r);
	r->adaptive.amounts = ag_req_amounts_for(r, r->adaptive.output);
	r->adaptive.mask = 0;
	r->adaptive.is_capped = r->adaptive.is_less = false;
}

/* Whether the output is seen while it is made. */
static bool
is_seen(const struct ag_req *r)
{
	return r->is_stream && !r->est.is_fixed && r->target.price && !(r->target.price->flags & AG_MF_REASONING);
}

struct ag_ask
ag_req_ask(const struct ag_req *r, uint32_t meter_ix)
{
	const struct ag_meter *m = ag_metertab_at(r->w->shm, meter_ix);
	enum ag_unit unit = ag_a32_get(&m->unit);
	struct ag_ask ask = { .meter_ix = meter_ix, .amount = ag_amount_of(unit, &r->amounts) };
	uint64_t least = r->est.choices * ag_req_least(r);
	struct ag_amounts fitted;

	ask.least = ask.amount;
	if (is_mode(m, AG_ENFORCE_ADAPTIVE) && (!does_cut(m) || is_seen(r))) {
		ask.is_adaptive = true;
		ask.amount = ask.least = ag_amount_of(unit, &r->adaptive.amounts);
	} else if (is_mode(m, AG_ENFORCE_SHADOW) && !r->est.is_fixed && least < r->est.output) {
		fitted = ag_req_amounts_for(r, least);
		ask.least = ag_amount_of(unit, &fitted);
	}
	return ask;
}

void
ag_req_taken(struct ag_req *r)
{
	const struct ag_inflight *slot = r->slot;
	uint32_t n = ag_a32_get(&slot->progress);
	bool has_noted = false;

	for (uint32_t i = 0; i < n; i++) {
		struct ag_meter *m = ag_metertab_at(r->w->shm, slot->holds[i].meter_ix);

		if (slot->would_refuse >> i & 1) {
			ag_a64_add(&m->mode.would_refuse, 1);
			has_noted = true;
		}
		if (!(slot->adaptive >> i & 1) || r->adaptive.output >= r->est.output)
			continue;
		r->adaptive.mask |= 1u << i;
		r->adaptive.is_less = true;
		r->adaptive.is_capped |= does_cut(m);
	}
	if (has_noted) {
		ag_count(AG_CNT_req_would_refuse);
		ag_a32_add(&r->w->shm->hdr->would_refuse, 1);
	}
}

struct ag_amounts
ag_req_held(const struct ag_req *r)
{
	return r->adaptive.is_less ? r->adaptive.amounts : r->amounts;
}

/* ---- while the answer comes ---- */

enum raised { RAISED, LEFT_OUT, EXHAUSTED };

/* All that can still be raised to what `output` tokens cost.  LEFT_OUT: one that finishes what it
 * cannot pay for is left as it is from now on. */
static enum raised
raise_to(struct ag_req *r, uint64_t output, bool is_last_try, uint32_t *out_meter)
{
	struct ag_amounts to = ag_req_amounts_for(r, output);
	const struct ag_meter *m;
	uint32_t denied;

	if (ag_holds_raise(r->w->shm, r->slot, r->adaptive.mask, &to, &denied) == AG_TAKE_OK) {
		r->adaptive.output = output;
		r->adaptive.amounts = to;
		ag_count(AG_CNT_hold_raised);
		return RAISED;
	}
	if (!is_last_try)
		return EXHAUSTED;
	*out_meter = r->slot->holds[denied].meter_ix;
	m = ag_metertab_at(r->w->shm, *out_meter);
	ag_count(AG_CNT_hold_exhausted);
	if (does_cut(m))
		return EXHAUSTED;
	r->adaptive.mask &= ~(1u << denied);
	return LEFT_OUT;
}

bool
ag_req_raise(struct ag_req *r, uint32_t *out_meter)
{
	uint64_t seen = ag_settle_output_seen(&r->answer), worst = r->est.output;
	uint64_t want = r->adaptive.output;

	if (AG_LIKELY(seen <= r->adaptive.output))
		return true;
	if (seen > worst)
		seen = worst; /* more than it may write; what we count errs upwards */
	while (want < seen)
		want = want > worst / 2 ? worst : want * 2;
	while (r->adaptive.mask != 0 && r->adaptive.output < seen) {
		if (raise_to(r, want, false, out_meter) == RAISED)
			break;
		/* No room for a step: as far as it goes. */
		if (raise_to(r, seen, true, out_meter) == EXHAUSTED)
			return false;
	}
	if (r->adaptive.output >= worst)
		r->adaptive.mask = 0;
	return true;
}
