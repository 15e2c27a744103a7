/* sweep.c - what a successor does with the requests of a dead worker; declared in holds.h.
 *
 * Every step is one the worker itself might have done, in the same order and noted in the same
 * way, so a successor that dies leaves nothing its own successor cannot go on from. */
#include <errno.h>

#include "limit/holds.h"
#include "limit/holds_step.h"
#include "shm/crash_point.h"
#include "shm/metertab.h"

struct sweep {
	const struct ag_shm *shm;
	struct ag_ring ring;
	uint16_t worker;
	int64_t now_us;
	struct ag_sweep *out;
};

/* The hold of which nobody knows whether it stands.  Given back it could free what others were
 * promised, so it stays, and the reconciler is called.  Rates forget by themselves. */
static void
maybe_held(struct sweep *w, struct ag_inflight *slot)
{
	uint32_t sure = ag_a32_get(&slot->progress), n = ag_a32_get(&slot->n_holds);

	for (uint32_t i = sure; i < n && i < AG_HOLDS_MAX; i++) {
		const struct ag_hold *h = &slot->holds[i];
		struct ag_meter *m;

		if (h->meter_ix >= w->shm->hdr->sizes.meters)
			continue;
		m = ag_metertab_at(w->shm, h->meter_ix);
		if (ag_a64_observe(&m->id) != h->meter_id || h->meter_id <= 0)
			continue;
		if (ag_a32_observe(&m->kind) == AG_METER_RATE)
			continue;
		ag_a32_set(&m->suspect, 1);
		w->out->suspect++;
	}
}

/* A hold was being changed (raise.c).  What it says surely stands; while it says the lesser of the two
 * amounts, the meter may have the greater, which errs towards refusing. */
static void
maybe_raised(struct sweep *w, struct ag_inflight *slot)
{
	uint32_t raising = ag_a32_get(&slot->raising);
	int64_t less = slot->raise_from < slot->raise_to ? slot->raise_from : slot->raise_to;

	if (raising == 0 || raising > AG_HOLDS_MAX)
		return;
	if (slot->holds[raising - 1].amount == less) {
		const struct ag_hold *h = &slot->holds[raising - 1];

		if (h->meter_ix < w->shm->hdr->sizes.meters &&
		    ag_a64_observe(&ag_metertab_at(w->shm, h->meter_ix)->id) == h->meter_id) {
			ag_a32_set(&ag_metertab_at(w->shm, h->meter_ix)->suspect, 1);
			w->out->suspect++;
		}
	}
	AG_CRASH_POINT();
	ag_a32_publish(&slot->raising, 0);
}

/* Of money, the most that a meter holds: they are charged no more. */
static int64_t
held_nusd(const struct ag_inflight *slot)
{
	uint32_t n = ag_a32_get(&slot->progress);
	int64_t most = -1;

	for (uint32_t i = 0; i < n && i < AG_HOLDS_MAX; i++)
		if (slot->holds[i].unit == AG_UNIT_NUSD && slot->holds[i].amount > most)
			most = slot->holds[i].amount;
	return most >= 0 ? most : slot->held.nusd;
}

static void
sweep_return(struct sweep *w, struct ag_inflight *slot)
{
	maybe_held(w, slot);
	ag_holds_goto(slot, AG_INFLIGHT_RELEASING);
	ag_a32_publish(&slot->n_holds, ag_a32_get(&slot->progress));
	ag_holds_pop_all(w->shm, slot, NULL, w->now_us);
	w->out->returned++;
}

/* Recorded; the hold in doubt is settled (again) only when that adds, and marked either way. */
static void
sweep_settle(struct sweep *w, struct ag_inflight *slot)
{
	uint32_t sure = ag_a32_get(&slot->progress), n = ag_a32_get(&slot->n_holds);

	maybe_held(w, slot);
	for (uint32_t i = sure; i < n && i < AG_HOLDS_MAX; i++) {
		const struct ag_hold *h = &slot->holds[i];
		int64_t actual = ag_hold_actual(slot, h, &slot->actual);

		if (actual > h->amount)
			ag_meter_settle(ag_metertab_at(w->shm, h->meter_ix), h, actual, w->now_us);
	}
	AG_CRASH_POINT(); /* died here, the next successor adds once more: too much, never too little */
	ag_a32_publish(&slot->n_holds, sure);
	ag_holds_pop_all(w->shm, slot, &slot->actual, w->now_us);
}

/* The record stands in the ring, published or not. */
static void
sweep_publish(struct sweep *w, struct ag_inflight *slot, enum ag_inflight_state state)
{
	ag_ring_commit(&w->ring, slot->rec_at);
	if (state == AG_INFLIGHT_RETRYING) {
		ag_holds_goto(slot, AG_INFLIGHT_HELD); /* the attempt is over, no other was sent */
		sweep_return(w, slot);
		return;
	}
	ag_holds_goto(slot, AG_INFLIGHT_SETTLING);
	sweep_settle(w, slot);
	w->out->finished++;
}

/* The record of a request of which nothing is known but that it was sent. */
static void
record_of_dead(struct sweep *w, const struct ag_inflight *slot, uint8_t out[AG_RECORD_MAX])
{
	const struct ag_record *draft = (const void *)slot->draft;
	struct ag_record rec = { .worker = w->worker };
	struct ag_str strs[AG_RS_COUNT] = { { 0 } };
	struct ag_charge charges[AG_HOLDS_MAX];

	/* A draft without shape cannot be: then a row without names is better than none. */
	if (slot->draft_bytes <= AG_DRAFT_BYTES && ag_record_is_shaped(draft, slot->draft_bytes)) {
		rec = *draft;
		for (size_t i = 0; i < AG_RS_COUNT; i++)
			strs[i] = ag_record_string(draft, (enum ag_record_str)i);
	}
	rec.outcome = AG_OUT_WORKER_DIED;
	rec.usage.source = AG_USAGE_UNKNOWN;
	rec.finished_at_us = w->now_us;
	rec.cost_nusd = rec.charged_nusd = rec.held_nusd = held_nusd(slot);
	rec.is_final = 1;
	ag_record_build(&rec, charges, ag_holds_charges(w->shm, slot, &slot->held, charges), strs, out,
	    AG_RECORD_MAX);
}

static void
sweep_charge(struct sweep *w, struct ag_inflight *slot)
{
	uint8_t whole[AG_RECORD_MAX] AG_ALIGNED(8);

	maybe_raised(w, slot);
	slot->actual = slot->held;
	slot->charges_held = 1;
	record_of_dead(w, slot, whole);
	if (ag_holds_record(&w->ring, slot, (const void *)whole, AG_INFLIGHT_RECORDING) < 0) {
		w->out->waiting++;
		return;
	}
	ag_holds_goto(slot, AG_INFLIGHT_SETTLING);
	sweep_settle(w, slot);
	w->out->charged++;
}

static void
sweep_slot(struct sweep *w, struct ag_inflight *slot)
{
	enum ag_inflight_state state = ag_a32_observe(&slot->state);

	switch (state) {
	case AG_INFLIGHT_FREE:
		break;
	case AG_INFLIGHT_TAKING:
	case AG_INFLIGHT_HELD:
	case AG_INFLIGHT_RELEASING:
		sweep_return(w, slot);
		break;
	case AG_INFLIGHT_SENT:
		sweep_charge(w, slot);
		break;
	case AG_INFLIGHT_RECORDING:
	case AG_INFLIGHT_RETRYING:
		sweep_publish(w, slot, state);
		break;
	case AG_INFLIGHT_SETTLING:
		sweep_settle(w, slot);
		w->out->finished++;
		break;
	}
}

void
ag_holds_sweep(const struct ag_shm *shm, uint32_t worker_ix, int64_t now_us, struct ag_sweep *out)
{
	struct sweep w = {
		.shm = shm,
		.ring = ag_ring_of(shm, worker_ix),
		.worker = (uint16_t)worker_ix,
		.now_us = now_us,
		.out = out,
	};
	uint32_t n = shm->hdr->sizes.inflight;

	*out = (struct ag_sweep){ 0 };
	ag_ring_recover(&w.ring);
	/* First the one slot whose record may stand behind the head: the next push would go there. */
	for (uint32_t i = 0; i < n; i++) {
		struct ag_inflight *slot = ag_shm_inflight(shm, worker_ix, i);
		uint32_t state = ag_a32_observe(&slot->state);

		if (state == AG_INFLIGHT_RECORDING || state == AG_INFLIGHT_RETRYING)
			sweep_slot(&w, slot);
	}
	for (uint32_t i = 0; i < n; i++)
		sweep_slot(&w, ag_shm_inflight(shm, worker_ix, i));
}
