#include "flusher/reconcile.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "limit/meter.h"
#include "shm/counters.h"
#include "shm/metertab.h"
#include "shm/ring.h"

#define SCAN_SLOTS   16384u /* meter slots looked at per round for suspects, at most */
#define CANDIDATE_IX 1024u  /* slots of the index by meter, a power of two */
static_assert(CANDIDATE_IX >= 4 * AG_RECONCILE_BATCH, "probes stay short");

enum round_state { ROUND_NONE, ROUND_WAITING, ROUND_ASKED };

/* One account of one meter. */
struct account {
	int64_t period, used, truth;
	bool is_asked;
};

struct candidate {
	uint32_t meter_ix;
	int64_t meter_id;
	enum ag_meter_kind kind;
	bool is_held;
	struct account account[2]; /* gauges: the first */
};

/* A scan through the table, some slots a round.  Behind its end it rests for as many rounds as it would
 * have taken to read every slot: to find those that were written is not free either. */
struct lap {
	struct ag_meter_walk walk;
	uint32_t rest; /* rounds */
};

struct ag_reconcile {
	struct ag_shm *shm;          /* borrowed */
	struct ag_streams *streams;  /* borrowed: flusher */
	enum round_state state;
	struct lap suspects, any;
	struct candidate cand[AG_RECONCILE_BATCH];
	size_t n;
	uint16_t index[CANDIDATE_IX]; /* meter_ix -> candidate + 1 */
	uint64_t target[AG_WORKERS_MAX]; /* numbers given out by each ring at the scan */
	int64_t ids[2 * AG_RECONCILE_BATCH], periods[2 * AG_RECONCILE_BATCH];
};

struct ag_reconcile *
ag_reconcile_new(struct ag_shm *shm, struct ag_streams *streams)
{
	struct ag_reconcile *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->shm = shm;
	r->streams = streams;
	return r;
}

void
ag_reconcile_free(struct ag_reconcile *r)
{
	free(r);
}

/* ---- candidates --------------------------------------------------------------------------- */

static size_t
index_slot(const struct ag_reconcile *r, uint32_t meter_ix)
{
	size_t i = ag_mix64(meter_ix) & (CANDIDATE_IX - 1);

	while (r->index[i] && r->cand[r->index[i] - 1].meter_ix != meter_ix)
		i = (i + 1) & (CANDIDATE_IX - 1);
	return i;
}

static void
candidate_add(struct ag_reconcile *r, uint32_t ix)
{
	const struct ag_meter *m = &r->shm->meters[ix];
	enum ag_meter_kind kind = (enum ag_meter_kind)ag_a32_observe(&m->kind);
	struct candidate *c = &r->cand[r->n];
	size_t slot = index_slot(r, ix);

	if (r->index[slot] || (kind != AG_METER_BUDGET && kind != AG_METER_GAUGE))
		return;
	*c = (struct candidate){ .meter_ix = ix, .kind = kind, .meter_id = ag_a64_get(&m->id) };
	if (c->meter_id <= 0)
		return;
	for (int a = 0; kind == AG_METER_BUDGET && a < 2; a++) {
		struct ag_pair seen = ag_a128_peek(&m->budget.account[a]);

		/* A torn reading fails the exchange later. */
		c->account[a] = (struct account){ .period = seen.hi, .used = seen.lo };
	}
	if (kind == AG_METER_GAUGE)
		c->account[0].used = ag_a64_get(&m->gauge.used);
	r->index[slot] = (uint16_t)++r->n;
}

/* The next meter of a lap; false: no more in this round, in which *left slots may still be looked at. */
static bool
lap_next(const struct ag_reconcile *r, struct lap *l, uint32_t a_round, uint32_t *left, uint32_t *out_ix)
{
	while (*left > 0 && l->rest == 0) {
		--*left;
		if (!ag_metertab_walk(r->shm, &l->walk, out_ix))
			l->rest = 1 + r->shm->hdr->sizes.meters / a_round;
		else if (ag_a64_get(&r->shm->meters[*out_ix].id) > 0)
			return true;
	}
	if (l->rest > 0)
		l->rest--;
	return false;
}

/* Half of the places for suspects, the rest for whoever comes in turn. */
static void
candidates_choose(struct ag_reconcile *r)
{
	uint32_t left = SCAN_SLOTS, ix;

	r->n = 0;
	memset(r->index, 0, sizeof(r->index));
	while (r->n < AG_RECONCILE_BATCH / 2 && lap_next(r, &r->suspects, SCAN_SLOTS, &left, &ix))
		if (ag_a32_get(&r->shm->meters[ix].suspect))
			candidate_add(r, ix);
	left = SCAN_SLOTS / 16;
	while (r->n < AG_RECONCILE_BATCH && lap_next(r, &r->any, SCAN_SLOTS / 16, &left, &ix))
		candidate_add(r, ix);
}

/* ---- who holds what ----------------------------------------------------------------------- */

static void
slot_scan(struct ag_reconcile *r, const struct ag_inflight *slot)
{
	uint32_t n;

	if (ag_a32_observe(&slot->state) == AG_INFLIGHT_FREE)
		return;
	n = ag_a32_observe(&slot->n_holds);
	for (uint32_t i = 0; i < n && i < AG_HOLDS_MAX; i++) {
		size_t at = index_slot(r, slot->holds[i].meter_ix);

		if (r->index[at])
			r->cand[r->index[at] - 1].is_held = true;
	}
}

/* Marks every candidate that some request in flight stands on. */
static void
slots_scan(struct ag_reconcile *r)
{
	const struct ag_shm_sizes *sizes = &r->shm->hdr->sizes;

	atomic_thread_fence(memory_order_seq_cst);
	for (uint32_t w = 0; w < sizes->workers; w++) {
		for (uint32_t i = 0; i < sizes->inflight; i++)
			slot_scan(r, ag_shm_inflight(r->shm, w, i));
	}
	atomic_thread_fence(memory_order_seq_cst);
}

static bool
all_stored(const struct ag_reconcile *r)
{
	for (uint32_t w = 0; w < r->shm->hdr->sizes.workers; w++) {
		const struct ag_stream *s = ag_streams_get(r->streams, r->shm->hdr->boot_id, w);

		if (!s || s->stored < r->target[w])
			return false;
	}
	return true;
}

/* ---- the round ---------------------------------------------------------------------------- */

static void
round_start(struct ag_reconcile *r)
{
	candidates_choose(r);
	if (r->n == 0)
		return;
	slots_scan(r);
	for (uint32_t w = 0; w < r->shm->hdr->sizes.workers; w++) {
		struct ag_ring ring = ag_ring_of(r->shm, w);

		r->target[w] = ag_ring_next_seq(&ring) - 1;
	}
	r->state = ROUND_WAITING;
}

static size_t
round_questions(struct ag_reconcile *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct candidate *c = &r->cand[i];

		for (int a = 0; a < 2 && c->kind == AG_METER_BUDGET && !c->is_held; a++) {
			/* An account that was never opened has number 0, whatever its place. */
			if ((c->account[a].period & 1) != a)
				continue;
			c->account[a].is_asked = true;
			r->ids[n] = c->meter_id;
			r->periods[n++] = c->account[a].period;
		}
	}
	return n;
}

/* Whether the account is right now; what it was is said when it had to be changed. */
static bool
budget_correct(const struct ag_reconcile *r, struct ag_meter *m, const struct candidate *c,
    const struct account *a)
{
	if (!a->is_asked || a->used == a->truth)
		return true;
	/* Served unrecorded by configuration: spent, and in no ledger.  Too much is no cap passed. */
	if (a->truth < a->used && ag_counter_sum(r->shm, AG_CNT_record_unrecorded) > 0)
		return true;
	if (!ag_meter_correct(m, a->period, a->used, a->truth))
		return false;
	ag_count(AG_CNT_meters_corrected);
	ag_warn("meter %lld stood at %lld in period %lld, the ledger says %lld, corrected",
	    (long long)c->meter_id, (long long)a->used, (long long)a->period, (long long)a->truth);
	return true;
}

static bool
gauge_correct(struct ag_meter *m, const struct candidate *c)
{
	if (c->account[0].used == 0)
		return true;
	if (!ag_meter_correct(m, 0, c->account[0].used, 0))
		return false;
	ag_count(AG_CNT_meters_corrected);
	ag_warn("meter %lld counted %lld requests at a time, none is in flight, corrected",
	    (long long)c->meter_id, (long long)c->account[0].used);
	return true;
}

static void
round_finish(struct ag_reconcile *r)
{
	slots_scan(r);
	for (size_t i = 0; i < r->n; i++) {
		const struct candidate *c = &r->cand[i];
		struct ag_meter *m = &r->shm->meters[c->meter_ix];
		bool is_right;

		if (c->is_held || ag_a64_get(&m->id) != c->meter_id)
			continue;
		if (c->kind == AG_METER_GAUGE) {
			is_right = gauge_correct(m, c);
		} else {
			is_right = budget_correct(r, m, c, &c->account[0]) &&
			    budget_correct(r, m, c, &c->account[1]);
		}
		if (is_right)
			ag_a32_set(&m->suspect, 0);
	}
	r->state = ROUND_NONE;
}

void
ag_reconcile_tick(struct ag_reconcile *r, struct ag_store *store)
{
	size_t n;

	if (r->state == ROUND_NONE)
		round_start(r);
	if (r->state != ROUND_WAITING || !all_stored(r) || !ag_store_is_ready(store))
		return;
	n = round_questions(r);
	if (n == 0) {
		round_finish(r);
		return;
	}
	r->state = ROUND_ASKED;
	ag_store_ask_truth(store, r->ids, r->periods, n);
}

void
ag_reconcile_on_truth(struct ag_reconcile *r, const int64_t *settled, size_t n)
{
	size_t at = 0;

	assert(r->state == ROUND_ASKED);
	r->state = ROUND_NONE;
	if (!settled)
		return;
	for (size_t i = 0; i < r->n; i++) {
		for (int a = 0; a < 2; a++) {
			struct account *acc = &r->cand[i].account[a];

			if (!acc->is_asked)
				continue;
			if (at == n)
				return;
			acc->truth = settled[at++];
		}
	}
	round_finish(r);
}
