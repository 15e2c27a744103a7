/* raise.c - the holds of adaptive budgets grow while an answer comes; declared in holds.h.
 *
 * One hold at a time, noted in the slot before its meter is touched: raise_from, raise_to, then
 * raising.  On the way up the meter comes first and the hold follows, on the way down (another had
 * no room: all go back) the hold comes first.  So what a hold says surely stands at every instant,
 * and only while it says the lesser of the two amounts may its meter have more: see sweep.c. */
#include "limit/algorithms.h"
#include "limit/holds.h"
#include "shm/crash_point.h"
#include "shm/metertab.h"

static enum ag_take
hold_change(const struct ag_shm *shm, struct ag_inflight *slot, uint32_t i, int64_t to)
{
	struct ag_hold *h = &slot->holds[i];
	struct ag_meter *m = ag_metertab_at(shm, h->meter_ix);
	enum ag_take verdict = AG_TAKE_OK;
	int64_t from = h->amount;

	slot->raise_from = from;
	slot->raise_to = to;
	AG_CRASH_POINT();
	ag_a32_publish(&slot->raising, i + 1);
	AG_CRASH_POINT();
	if (to > from) {
		atomic_thread_fence(memory_order_seq_cst); /* written before anything happens to the meter */
		verdict = ag_meter_raise(m, h, to - from);
		AG_CRASH_POINT();
		if (verdict == AG_TAKE_OK)
			h->amount = to;
	} else {
		h->amount = to;
		AG_CRASH_POINT();
		atomic_thread_fence(memory_order_seq_cst);
		ag_meter_lower(m, h, from - to);
	}
	AG_CRASH_POINT();
	ag_a32_publish(&slot->raising, 0);
	AG_CRASH_POINT();
	return verdict;
}

enum ag_take
ag_holds_raise(const struct ag_shm *shm, struct ag_inflight *slot, uint32_t mask,
    const struct ag_amounts *to, uint32_t *out_denied)
{
	uint32_t n = ag_a32_get(&slot->progress);
	int64_t was[AG_HOLDS_MAX];

	assert(ag_a32_get(&slot->state) == AG_INFLIGHT_SENT && n <= AG_HOLDS_MAX);
	for (uint32_t i = 0; i < n; i++) {
		int64_t want = ag_amount_of((enum ag_unit)slot->holds[i].unit, to);

		was[i] = slot->holds[i].amount;
		if (!(mask >> i & 1) || want <= was[i] || hold_change(shm, slot, i, want) == AG_TAKE_OK)
			continue;
		*out_denied = i;
		while (i-- > 0)
			if (slot->holds[i].amount != was[i])
				(void)hold_change(shm, slot, i, was[i]);
		return AG_TAKE_DENIED;
	}
	return AG_TAKE_OK;
}

/* ---- the bound ---- */

static int64_t
risk_of(const struct ag_inflight *slot, const struct ag_hold *h, enum ag_exhaust policy)
{
	int64_t amount = h->amount;
	int64_t rest = ag_amount_sub(ag_amount_of((enum ag_unit)h->unit, &slot->held), amount);

	return policy == AG_EXHAUST_CUT && amount < rest ? amount : rest;
}

int64_t
ag_holds_bound(const struct ag_shm *shm, uint32_t meter_ix)
{
	const struct ag_meter *m = ag_metertab_at(shm, meter_ix);
	enum ag_exhaust policy = ag_meter_on_exhaust(m);
	int64_t sum = 0, id = ag_a64_observe(&m->id);

	for (uint32_t w = 0; w < shm->hdr->sizes.workers; w++) {
		uint32_t high = ag_a32_observe(&ag_shm_proc(shm, AG_PROC_WORKER(w))->slots_high);

		for (uint32_t i = 0; i < high && i < shm->hdr->sizes.inflight; i++) {
			const struct ag_inflight *slot = ag_shm_inflight(shm, w, i);
			uint32_t n = ag_a32_get(&slot->n_holds);

			if (ag_a32_observe(&slot->state) == AG_INFLIGHT_FREE || n > AG_HOLDS_MAX)
				continue;
			for (uint32_t k = 0; k < n; k++)
				if (slot->holds[k].meter_ix == meter_ix && slot->holds[k].meter_id == id &&
				    (slot->adaptive >> k & 1))
					sum = ag_amount_add(sum, risk_of(slot, &slot->holds[k], policy));
		}
	}
	return sum;
}
