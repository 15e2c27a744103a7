/* holds.c - the journal of one request's meters; the sweep of a dead worker's is sweep.c.
 *
 * At every instant holds[0 .. progress) surely stand and holds[progress .. n_holds) may: taking
 * raises n_holds, takes, raises progress; giving back lowers progress, gives, lowers n_holds.  So
 * a successor never asks where exactly the worker died. */
#include "limit/holds.h"

#include <errno.h>

#include "limit/holds_step.h"
#include "shm/crash_point.h"
#include "shm/metertab.h"

static int64_t
amount_in(enum ag_unit unit, const struct ag_amounts *a)
{
	switch (unit) {
	case AG_UNIT_NUSD:
		return a->nusd;
	case AG_UNIT_TOKENS:
		return a->tokens;
	case AG_UNIT_REQUESTS:
		return a->requests;
	}
	return 0;
}

int64_t
ag_amount_of(enum ag_unit unit, const struct ag_amounts *a)
{
	return amount_in(unit, a);
}

int64_t
ag_hold_actual(const struct ag_inflight *slot, const struct ag_hold *h, const struct ag_amounts *actual)
{
	return slot->charges_held ? h->amount : amount_in((enum ag_unit)h->unit, actual);
}

void
ag_holds_goto(struct ag_inflight *slot, enum ag_inflight_state state)
{
	AG_CRASH_POINT();
	ag_a32_publish(&slot->state, state);
	AG_CRASH_POINT();
}

/* Lets go of the last hold that surely stands: settles it, or gives it back when actual is NULL. */
void
ag_holds_pop(const struct ag_shm *shm, struct ag_inflight *slot, const struct ag_amounts *actual,
    int64_t now_us)
{
	uint32_t i = ag_a32_get(&slot->progress) - 1;
	const struct ag_hold *h = &slot->holds[i];
	struct ag_meter *m = ag_metertab_at(shm, h->meter_ix);

	ag_a32_publish(&slot->progress, i);
	AG_CRASH_POINT();
	atomic_thread_fence(memory_order_seq_cst); /* written before anything happens to the meter */
	if (actual)
		ag_meter_settle(m, h, ag_hold_actual(slot, h, actual), now_us);
	else
		ag_meter_release(m, h);
	AG_CRASH_POINT();
	ag_a32_publish(&slot->n_holds, i);
}

void
ag_holds_pop_all(const struct ag_shm *shm, struct ag_inflight *slot,
    const struct ag_amounts *actual, int64_t now_us)
{
	while (ag_a32_get(&slot->progress) > 0)
		ag_holds_pop(shm, slot, actual, now_us);
	ag_holds_goto(slot, AG_INFLIGHT_FREE);
}

/* ---- taking ---- */

static bool
has_meter(const struct ag_inflight *slot, uint32_t n, uint32_t meter_ix)
{
	for (uint32_t i = 0; i < n; i++)
		if (slot->holds[i].meter_ix == meter_ix)
			return true;
	return false;
}

/* Takes one more: intent, meter, certainty.  The hold is written where it stays, field by field: put
 * together elsewhere and copied, the copy waits for each of them to leave the core. */
static enum ag_take
holds_push(const struct ag_shm *shm, struct ag_inflight *slot, const struct ag_ask *ask, int64_t now_us,
    struct ag_rate_left *out_left)
{
	uint32_t i = ag_a32_get(&slot->progress);
	struct ag_meter *m = ag_metertab_at(shm, ask->meter_ix);
	struct ag_hold *hold = &slot->holds[i];
	enum ag_take verdict;
	bool would_refuse;

	hold->meter_id = ag_a64_observe(&m->id);
	hold->meter_ix = ask->meter_ix;
	hold->unit = ag_a32_get(&m->unit);
	hold->period = 0;
	hold->amount = ask->amount;
	AG_CRASH_POINT();
	ag_a32_publish(&slot->n_holds, i + 1);
	AG_CRASH_POINT();
	atomic_thread_fence(memory_order_seq_cst);
	verdict = ag_meter_take_or_note(m, ask->meter_ix, ask->amount, ask->least, now_us, hold, out_left,
	    &would_refuse);
	if (verdict != AG_TAKE_OK) {
		ag_a32_publish(&slot->n_holds, i);
		return verdict;
	}
	AG_CRASH_POINT();
	slot->adaptive |= (uint32_t)ask->is_adaptive << i;
	slot->would_refuse |= (uint32_t)would_refuse << i;
	ag_a32_publish(&slot->progress, i + 1);
	AG_CRASH_POINT();
	return AG_TAKE_OK;
}

enum ag_take
ag_holds_take(const struct ag_shm *shm, struct ag_inflight *slot, uint32_t incarnation,
    const uint32_t *meters, uint32_t n, const struct ag_amounts *amounts, int64_t now_us,
    uint32_t *out_denied)
{
	struct ag_ask ask[AG_HOLDS_MAX];

	assert(n <= AG_HOLDS_MAX);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t unit = ag_a32_get(&ag_metertab_at(shm, meters[i])->unit);
		int64_t amount = amount_in((enum ag_unit)unit, amounts);

		ask[i] = (struct ag_ask){ .meter_ix = meters[i], .amount = amount, .least = amount };
	}
	return ag_holds_take_each(shm, slot, incarnation, ask, n, amounts, now_us, out_denied, NULL);
}

enum ag_take
ag_holds_take_each(const struct ag_shm *shm, struct ag_inflight *slot, uint32_t incarnation,
    const struct ag_ask *ask, uint32_t n, const struct ag_amounts *worst, int64_t now_us,
    uint32_t *out_denied, struct ag_rate_left out_left[AG_HOLDS_MAX])
{
	assert(ag_a32_get(&slot->state) == AG_INFLIGHT_FREE && n <= AG_HOLDS_MAX);
	ag_a32_set(&slot->progress, 0);
	ag_a32_set(&slot->n_holds, 0);
	slot->draft_bytes = 0;
	slot->incarnation = incarnation;
	slot->held = *worst;
	slot->actual = (struct ag_amounts){ 0 };
	slot->charges_held = slot->adaptive = slot->would_refuse = 0;
	ag_a32_set(&slot->raising, 0);
	ag_holds_goto(slot, AG_INFLIGHT_TAKING);
	for (uint32_t i = 0; i < n; i++) {
		struct ag_rate_left *left = out_left ? &out_left[i] : NULL;

		if (left)
			left->is_rate = false;
		if (has_meter(slot, ag_a32_get(&slot->progress), ask[i].meter_ix))
			continue;
		if (holds_push(shm, slot, &ask[i], now_us, left) == AG_TAKE_DENIED) {
			ag_holds_goto(slot, AG_INFLIGHT_RELEASING);
			ag_holds_pop_all(shm, slot, NULL, now_us);
			*out_denied = i;
			return AG_TAKE_DENIED;
		}
	}
	ag_holds_goto(slot, AG_INFLIGHT_HELD);
	return AG_TAKE_OK;
}

void
ag_holds_sent(struct ag_inflight *slot)
{
	assert(ag_a32_get(&slot->state) == AG_INFLIGHT_HELD);
	assert(ag_record_is_shaped((const void *)slot->draft, slot->draft_bytes));
	ag_holds_goto(slot, AG_INFLIGHT_SENT);
}

void
ag_holds_release(const struct ag_shm *shm, struct ag_inflight *slot)
{
	assert(ag_a32_get(&slot->state) == AG_INFLIGHT_HELD);
	ag_holds_goto(slot, AG_INFLIGHT_RELEASING);
	ag_holds_pop_all(shm, slot, NULL, 0);
}

/* ---- recording ---- */

uint16_t
ag_holds_charges(const struct ag_shm *shm, const struct ag_inflight *slot,
    const struct ag_amounts *actual, struct ag_charge out[AG_HOLDS_MAX])
{
	uint32_t holds = ag_a32_get(&slot->progress);
	uint16_t n = 0;

	for (uint32_t i = 0; i < holds; i++) {
		const struct ag_hold *h = &slot->holds[i];
		const struct ag_meter *m = ag_metertab_at(shm, h->meter_ix);

		if (ag_a64_observe(&m->id) != h->meter_id ||
		    ag_a32_observe(&m->kind) != AG_METER_BUDGET)
			continue;
		out[n++] = (struct ag_charge){
			.meter_id = h->meter_id,
			.period = h->period,
			.amount = ag_hold_actual(slot, h, actual),
			.policy_id = h->meter_id >= AG_METER_DERIVED
			    ? (uint32_t)ag_a64_get(&m->policy.owner) : 0,
			.unit = h->unit,
		};
	}
	return n;
}

/* Writes the record into the ring without publishing it, notes in the slot where it stands, moves
 * the slot to `state`, and only then publishes it.  A death before the state leaves a request
 * that was sent and is not recorded, a death after it one whose record must be published: the
 * record is there in whole, and whether it was published the ring's head tells. */
int
ag_holds_record(struct ag_ring *ring, struct ag_inflight *slot, const struct ag_record *rec,
    enum ag_inflight_state state)
{
	uint64_t at;
	int rc = ag_ring_prepare(ring, rec, &at);

	if (rc < 0)
		return rc;
	AG_CRASH_POINT();
	slot->rec_seq = ag_ring_next_seq(ring);
	slot->rec_at = at;
	ag_holds_goto(slot, state);
	ag_ring_commit(ring, at);
	return 0;
}

int
ag_holds_settle(const struct ag_shm *shm, struct ag_ring *ring, struct ag_inflight *slot,
    struct ag_record *rec, const struct ag_str strs[AG_RS_COUNT], const struct ag_amounts *actual,
    int64_t now_us)
{
	struct ag_charge charges[AG_HOLDS_MAX];
	uint8_t whole[AG_RECORD_MAX] AG_ALIGNED(8);
	int rc;

	assert(ag_a32_get(&slot->state) == AG_INFLIGHT_SENT);
	rec->n_charges = ag_holds_charges(shm, slot, actual, charges);
	ag_record_build(rec, charges, rec->n_charges, strs, whole, sizeof(whole));
	slot->actual = *actual;
	rc = ag_holds_record(ring, slot, (const void *)whole, AG_INFLIGHT_RECORDING);
	if (rc < 0)
		return rc;
	rec->seq = slot->rec_seq;
	ag_holds_goto(slot, AG_INFLIGHT_SETTLING);
	ag_holds_pop_all(shm, slot, actual, now_us);
	return 0;
}

void
ag_holds_forgo_record(const struct ag_shm *shm, struct ag_inflight *slot,
    const struct ag_amounts *actual, int64_t now_us)
{
	assert(ag_a32_get(&slot->state) == AG_INFLIGHT_SENT);
	slot->actual = *actual;
	ag_holds_goto(slot, AG_INFLIGHT_SETTLING);
	ag_holds_pop_all(shm, slot, actual, now_us);
}

int
ag_holds_record_attempt(struct ag_ring *ring, struct ag_inflight *slot, struct ag_record *rec,
    const struct ag_str strs[AG_RS_COUNT])
{
	uint8_t whole[AG_RECORD_MAX] AG_ALIGNED(8);
	int rc;

	assert(ag_a32_get(&slot->state) == AG_INFLIGHT_SENT);
	ag_record_build(rec, NULL, 0, strs, whole, sizeof(whole));
	rc = ag_holds_record(ring, slot, (const void *)whole, AG_INFLIGHT_RETRYING);
	if (rc < 0)
		return rc;
	rec->seq = slot->rec_seq;
	ag_holds_goto(slot, AG_INFLIGHT_HELD);
	return 0;
}
