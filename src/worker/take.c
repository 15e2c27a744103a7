/* take.c - the meters a request stands on, taken all or none, fitted to what is left where that helps. */
#include <assert.h>

#include "base/warm.h"
#include "limit/alert.h"
#include "limit/holds.h"
#include "shm/counters.h"
#include "shm/metertab.h"
#include "worker/request.h"
#include "worker/wait.h"

/* A limit that is left out would be no limit: what does not fit refuses the request, by name. */
static bool
add_meters(struct ag_req *r, const uint32_t *meters, uint32_t n)
{
	if (n > AG_HOLDS_MAX - r->n_meters)
		return false;
	for (uint32_t i = 0; i < n; i++)
		r->meters[r->n_meters++] = meters[i];
	return true;
}

static enum ag_verdict
collect_meters(struct ag_req *r, struct ag_str *out_detail)
{
	const struct ag_cat_org *org = ag_catalog_org_at(ag_view_catalog(r->view), r->ws->org_ix);

	r->n_meters = 0;
	*out_detail = AG_STR_NONE;
	if (!add_meters(r, r->key.meters, r->key.n_meters))
		*out_detail = AG_STR("the limits of the API key");
	else if (!add_meters(r, r->ws->meters, r->ws->n_meters))
		*out_detail = AG_STR("the limits of the workspace");
	else if (!add_meters(r, r->target.grant->meters, r->target.grant->n_meters))
		*out_detail = AG_STR("the limits of the integration");
	else if (!add_meters(r, r->target.provider->meters, r->target.provider->n_meters))
		*out_detail = AG_STR("the limits of the provider");
	else if (!add_meters(r, org->meters, org->n_meters))
		*out_detail = AG_STR("the limits of the organisation");
	if (out_detail->n > 0)
		return AG_DENY_TOO_MANY_LIMITS;
	return ag_req_policies(r, out_detail);
}

static bool
is_shadow(const struct ag_meter *m)
{
	return ag_a32_get(&m->kind) == AG_METER_BUDGET &&
	    ag_meter_enforcement(m) == AG_ENFORCE_SHADOW;
}

/* One that binds: a budget in shadow changes nothing. */
static bool
has_meter_of(const struct ag_req *r, enum ag_unit unit)
{
	for (uint32_t i = 0; i < r->n_meters; i++) {
		const struct ag_meter *m = ag_metertab_at(r->w->shm, r->meters[i]);

		if (ag_a32_get(&m->unit) == (uint32_t)unit && !is_shadow(m))
			return true;
	}
	return false;
}

/* Level and kind of the meter that refused tell which rule it was. */
enum ag_verdict
ag_req_verdict_of(const struct ag_meter *m)
{
	static const struct { enum ag_verdict budget, rate, busy; } rules[] = {
		[AG_LEVEL_KEY] = { AG_DENY_BUDGET_KEY, AG_DENY_RATE_KEY, AG_DENY_BUSY_KEY },
		[AG_LEVEL_WORKSPACE] = { AG_DENY_BUDGET_WORKSPACE, AG_DENY_RATE_WORKSPACE,
			AG_DENY_BUSY_WORKSPACE },
		[AG_LEVEL_GRANT] = { AG_DENY_BUDGET_GRANT, AG_DENY_RATE_GRANT, AG_DENY_BUSY_GRANT },
		[AG_LEVEL_PROVIDER] = { AG_DENY_BUDGET_PROVIDER, AG_DENY_RATE_PROVIDER,
			AG_DENY_BUSY_PROVIDER },
		[AG_LEVEL_ORG] = { AG_DENY_BUDGET_ORG, AG_DENY_RATE_ORG, AG_DENY_BUSY_ORG },
		[AG_LEVEL_POLICY] = { AG_DENY_BUDGET_POLICY, AG_DENY_RATE_POLICY, AG_DENY_BUSY_POLICY },
	};
	uint32_t level = ag_a32_get(&m->level);

	assert(level >= AG_LEVEL_KEY && level <= AG_LEVEL_POLICY);
	switch ((enum ag_meter_kind)ag_a32_get(&m->kind)) {
	case AG_METER_RATE:
		return rules[level].rate;
	case AG_METER_GAUGE:
		return rules[level].busy;
	case AG_METER_BUDGET:
	case AG_METER_FREE:
		break;
	}
	return rules[level].budget;
}

static struct ag_str
name_of_level(struct ag_req *r, uint32_t meter_ix)
{
	const struct ag_meter *m = ag_metertab_at(r->w->shm, meter_ix);
	const struct ag_catalog *cat = ag_view_catalog(r->view);
	char uuid[AG_UUID_TEXT];

	switch ((enum ag_scope_kind)ag_a32_get(&m->level)) {
	case AG_LEVEL_KEY:
		ag_uuid_text(r->key.uuid, uuid);
		return ag_arena_dup(&r->arena, ag_str(uuid));
	case AG_LEVEL_WORKSPACE:
		return ag_catalog_text(cat, r->ws->slug);
	case AG_LEVEL_GRANT:
		return ag_catalog_text(cat, r->target.integration->slug);
	case AG_LEVEL_PROVIDER:
		return ag_catalog_text(cat, r->target.provider->slug);
	case AG_LEVEL_ORG:
		return ag_catalog_text(cat, ag_catalog_org_at(cat, r->ws->org_ix)->name);
	case AG_LEVEL_POLICY:
		return ag_req_policy_name(r, meter_ix);
	}
	return AG_STR_NONE;
}

uint64_t
ag_req_least(const struct ag_req *r)
{
	return r->est.thinking + r->w->conf->fit_min_tokens;
}

/* A budget has room, but not for the worst case: lower the output limit to what half of the room
 * pays for (all of it, if half is below the least), so that the cap stays exact and nobody starves.
 * false: even the least does not fit, or it is not the output that makes it too dear. */
static bool
fit(struct ag_req *r, int64_t now_us)
{
	uint64_t choices = r->est.choices, allowed = UINT64_MAX;
	uint64_t least = ag_req_least(r);

	if (r->est.limit <= 1 || r->est.is_fixed)
		return false;
	for (uint32_t i = 0; i < r->n_meters; i++) {
		const struct ag_meter *m = ag_metertab_at(r->w->shm, r->meters[i]);
		uint32_t unit = ag_a32_get(&m->unit);
		struct ag_meter_state s;
		uint64_t half, whole;

		if (ag_a32_get(&m->kind) != AG_METER_BUDGET || unit == AG_UNIT_REQUESTS || is_shadow(m))
			continue;
		ag_meter_read(m, 0, now_us, &s);
		if (ag_req_ask(r, r->meters[i]).amount <= s.remaining)
			continue;
		if (unit == AG_UNIT_NUSD) {
			if (!r->target.price)
				continue;
			half = ag_price_bound_fit(&r->bound, r->est.input, s.remaining / 2);
			whole = ag_price_bound_fit(&r->bound, r->est.input, s.remaining);
		} else {
			uint64_t room = (uint64_t)s.remaining;

			half = room / 2 > r->est.input ? room / 2 - r->est.input : 0;
			whole = room > r->est.input ? room - r->est.input : 0;
		}
		half = half / choices >= least ? half / choices : whole / choices >= least ? least : 0;
		if (half < allowed)
			allowed = half;
	}
	if (allowed < least || allowed >= r->est.limit)
		return false;
	ag_estimate_set_limit(&r->est, allowed);
	r->est.must_write_limit = true;
	ag_req_set_amounts(r);
	return true;
}

/* The least that is left of each kind is what the client is told. */
static void
note_rate(struct ag_req *r, const struct ag_meter *m, const struct ag_rate_left *left, int64_t now_us)
{
	struct ag_rate_note *note =
	    ag_a32_get(&m->unit) == AG_UNIT_TOKENS ? &r->rate_tokens : &r->rate_requests;

	if (note->is_set && note->remaining <= left->remaining)
		return;
	*note = (struct ag_rate_note){ .is_set = true, .limit = left->limit, .remaining = left->remaining,
		.reset_us = left->resets_at_us > now_us ? left->resets_at_us - now_us : 0 };
}

/* Nothing was taken: what the meters say to whoever looks. */
static void
read_rates(struct ag_req *r, int64_t now_us)
{
	for (uint32_t i = 0; i < r->n_meters; i++) {
		const struct ag_meter *m = ag_metertab_at(r->w->shm, r->meters[i]);
		struct ag_meter_state s;

		if (ag_a32_get(&m->kind) != AG_METER_RATE)
			continue;
		ag_meter_read(m, 0, now_us, &s);
		note_rate(r, m, &(struct ag_rate_left){ .limit = s.limit, .remaining = s.remaining,
		    .resets_at_us = s.resets_at_us }, now_us);
	}
}

static enum ag_verdict
room_to_record(struct ag_req *r, struct ag_str *out_detail)
{
	struct ag_worker *w = r->w;

	if (w->n_free_slots == 0) {
		*out_detail = AG_STR("max_inflight requests are being served");
		return AG_DENY_NO_CAPACITY;
	}
	if (w->conf->full_ring == AG_FULL_RING_SERVE)
		return AG_ALLOW;
	if (ag_a32_get(&w->shm->hdr->intake_closed) ||
	    ag_ring_room(&w->ring) < (uint64_t)(w->n_inflight + 2) * 2 * AG_RECORD_MAX) {
		*out_detail = AG_STR("the ledger cannot take more records");
		return AG_DENY_NO_CAPACITY;
	}
	return AG_ALLOW;
}

/* The slot is free again; nothing is held. */
static enum ag_verdict
refused_by_meter(struct ag_req *r, uint32_t meter_ix, struct ag_str *out_detail)
{
	ag_worker_slot_give(r->w, r->slot_ix);
	ag_budget_note_refusal(ag_metertab_at(r->w->shm, meter_ix), r->admit_at_us);
	read_rates(r, r->admit_at_us);
	*out_detail = name_of_level(r, meter_ix);
	return ag_req_verdict_of(ag_metertab_at(r->w->shm, meter_ix));
}

static enum ag_take
take_once(struct ag_req *r, struct ag_inflight *slot, int64_t now_us, uint32_t *out_denied,
    struct ag_rate_left out_left[AG_HOLDS_MAX])
{
	struct ag_ask ask[AG_HOLDS_MAX];

	for (uint32_t i = 0; i < r->n_meters; i++)
		ask[i] = ag_req_ask(r, r->meters[i]);
	return ag_holds_take_each(r->w->shm, slot, r->w->ctx->incarnation, ask, r->n_meters, &r->amounts,
	    now_us, out_denied, out_left);
}

static enum ag_verdict
take_holds(struct ag_req *r, struct ag_str *out_detail, uint32_t *out_meter)
{
	struct ag_worker *w = r->w;
	int64_t slot_ix, now_us = r->admit_at_us;
	enum ag_verdict v = room_to_record(r, out_detail);
	struct ag_rate_left left[AG_HOLDS_MAX];
	bool was_fitted = false, has_moved;

	if (v != AG_ALLOW)
		return v;
	slot_ix = ag_worker_slot_take(w);
	assert(slot_ix >= 0);
	r->slot_ix = (uint32_t)slot_ix;
	ag_warm(ag_shm_inflight(w->shm, w->ctx->worker_ix, r->slot_ix),
	    offsetof(struct ag_inflight, draft) + AG_RECORD_USUAL);
	for (int tries = 0; tries < 8; tries++) {
		struct ag_inflight *slot = ag_shm_inflight(w->shm, w->ctx->worker_ix, r->slot_ix);
		uint32_t denied = 0;
		bool has_taken = take_once(r, slot, now_us, &denied, left) == AG_TAKE_OK;

		if (has_taken && ag_req_policies_held(r, slot)) {
			r->slot = slot;
			ag_req_taken(r);
			if (was_fitted)
				ag_count(AG_CNT_req_fitted);
			for (uint32_t i = 0; i < r->n_meters; i++)
				if (left[i].is_rate)
					note_rate(r, ag_metertab_at(w->shm, r->meters[i]), &left[i], now_us);
			return AG_ALLOW;
		}
		if (has_taken)
			ag_holds_release(w->shm, slot); /* not all: a meter of a policy has gone since */
		v = ag_req_policies_again(r, &has_moved, out_detail);
		if (v != AG_ALLOW) {
			ag_worker_slot_give(w, r->slot_ix);
			*out_meter = AG_NONE_IX;
			return v;
		}
		if (has_taken || has_moved)
			continue;
		*out_meter = r->meters[denied];
		ag_req_explain_meters(r, denied);
		if (ag_a32_get(&ag_metertab_at(w->shm, *out_meter)->kind) != AG_METER_BUDGET || !fit(r, now_us))
			return refused_by_meter(r, *out_meter, out_detail);
		was_fitted = true;
	}
	if (*out_meter != AG_NONE_IX)
		return refused_by_meter(r, *out_meter, out_detail);
	ag_worker_slot_give(w, r->slot_ix);
	*out_detail = AG_STR("the meters of a policy are being cleared away");
	return AG_DENY_NO_CAPACITY;
}

/* Of work that no answer counts a limit on money or tokens would know nothing, and rules on models neither:
 * what a batch asks stands in a file. */
static enum ag_verdict
check_uncounted(struct ag_req *r, bool has_money, struct ag_str *out_detail)
{
	const struct ag_cat_integration *i = r->target.integration;
	bool makes_work = r->object.use == AG_OBJECTS_MAKE || r->object.use == AG_OBJECTS_ONE;
	const char *why = NULL;
	struct ag_buf b;

	if (r->object.work != AG_WORK_UNCOUNTED || (i->flags & AG_CAT_INTEGRATION_UNCOUNTED))
		return AG_ALLOW;
	if (has_money && (makes_work || r->w->conf->unpriced_model == AG_UNPRICED_REFUSE))
		why = "a limit on money";
	else if (has_meter_of(r, AG_UNIT_TOKENS))
		why = "a limit on tokens";
	else if (makes_work && (!i->allow_all_models || i->n_models > 0 || (r->rules && r->rules->n_guards > 0)))
		why = "a rule on models";
	if (!why)
		return AG_ALLOW;
	ag_buf_init(&b, 1024);
	ag_buf_printf(&b, "%.*s\n%s", AG_STR_ARG(r->object.what), why);
	*out_detail = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	return AG_DENY_UNCOUNTED;
}

enum ag_verdict
ag_req_take(struct ag_req *r, struct ag_str *out_detail, uint32_t *out_meter)
{
	enum ag_verdict v = collect_meters(r, out_detail);
	bool has_money;

	if (v != AG_ALLOW)
		return v;
	has_money = has_meter_of(r, AG_UNIT_NUSD);
	if (AG_UNLIKELY(r->is_passed) && (v = check_uncounted(r, has_money, out_detail)) != AG_ALLOW)
		return v;
	if (has_money && !r->target.price && !ag_req_has_no_price(r) &&
	    r->w->conf->unpriced_model == AG_UNPRICED_REFUSE) {
		*out_detail = r->target.model;
		return AG_DENY_MODEL_UNPRICED;
	}
	if (AG_UNLIKELY(r->tools.fee.n > 0 || r->tools.to_write > 0) &&
	    (v = ag_tools_check(r, has_money, has_meter_of(r, AG_UNIT_TOKENS), out_detail)) != AG_ALLOW)
		return v;
	/* Who bills by its own figures might choose a dearer host than the one that is held for. */
	r->caps_price = has_money && r->target.price && (r->target.family->flags & AG_PF_COST_IN_USAGE);
	if (AG_UNLIKELY(r->caps_price) && !ag_edit_takes_max_price(r)) {
		*out_detail = AG_STR("Invalid request body: not a proper object: \"provider\"");
		return AG_DENY_BAD_REQUEST;
	}
	/* Without a limit upstream the worst case would be the model's maximum. */
	r->est.must_write_limit &= has_money || has_meter_of(r, AG_UNIT_TOKENS);
	ag_req_set_amounts(r);
	r->wait.is_behind = ag_wait_is_behind(r, out_meter);
	if (r->wait.is_behind) {
		*out_detail = name_of_level(r, *out_meter);
		return ag_req_verdict_of(ag_metertab_at(r->w->shm, *out_meter));
	}
	return take_holds(r, out_detail, out_meter);
}
