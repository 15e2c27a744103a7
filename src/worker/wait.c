#include "worker/wait.h"

#include <assert.h>

#include "base/clock.h"
#include "limit/meter.h"
#include "shm/counters.h"
#include "shm/metertab.h"

#define TICK_US     5000
#define BLOCKED_MAX 64u /* meters whose order one look keeps */
#define STALE_US    (3 * AG_US_PER_SEC) /* since the last heartbeat: who stands still keeps nobody */

/* The least of it that a request would be fitted to. */
static int64_t
least_of(const struct ag_req *r, uint32_t meter)
{
	uint64_t least = r->est.choices * ag_req_least(r);
	struct ag_ask ask = ag_req_ask(r, meter);
	struct ag_amounts a;

	if (least >= r->est.output || r->est.is_fixed)
		return ask.amount;
	a = ag_req_amounts_for(r, least);
	least = (uint64_t)ag_amount_of(ag_a32_get(&ag_metertab_at(r->w->shm, meter)->unit), &a);
	return (int64_t)least < ask.amount ? (int64_t)least : ask.amount;
}

/* Whether only what is held keeps it out. */
static bool
would_fit(const struct ag_req *r, uint32_t meter, int64_t least, int64_t now_us)
{
	const struct ag_meter *m = ag_metertab_at(r->w->shm, meter);
	struct ag_meter_state s;

	ag_meter_read(m, 0, now_us, &s);
	switch ((enum ag_meter_kind)ag_a32_get(&m->kind)) {
	case AG_METER_BUDGET:
		return s.held > 0 && s.settled <= s.limit && least <= s.limit - s.settled;
	case AG_METER_GAUGE:
		return s.limit > 0;
	case AG_METER_RATE:
	case AG_METER_FREE:
		break;
	}
	return false;
}

/* ---- between workers ---- */

static uint64_t
own_bit(const struct ag_worker *w)
{
	return UINT64_C(1) << w->ctx->worker_ix;
}

/* Bits of the workers in which somebody waits, but for this one. */
static uint64_t
others(const struct ag_worker *w)
{
	return (uint64_t)ag_a64_get(&w->shm->hdr->waiting) & ~own_bit(w);
}

static void
set_bit(struct ag_worker *w, bool is_set)
{
	struct ag_a64 *mask = &w->shm->hdr->waiting;
	int64_t was = ag_a64_get(mask), now;

	do {
		now = is_set ? was | (int64_t)own_bit(w) : was & ~(int64_t)own_bit(w);
		if (now == was)
			return;
	} while (!ag_a64_cas(mask, &was, now));
}

/* The first one for each of the first meters. */
static void
tell(struct ag_worker *w)
{
	uint32_t n = 0, i;

	for (struct ag_list *it = w->waiting.next; it != &w->waiting && n < AG_WAITING_TOLD; it = it->next) {
		const struct ag_req *q = AG_LIST_ENTRY(it, struct ag_req, wait.node);

		for (i = 0; i < n && ag_a32_get(&w->proc->waiting[i].meter) != q->wait.meter; i++)
			;
		if (i < n)
			continue;
		ag_a64_publish(&w->proc->waiting[n].since_us, 0);
		ag_a32_publish(&w->proc->waiting[n].meter, q->wait.meter);
		ag_a64_publish(&w->proc->waiting[n++].since_us, q->wait.since_us);
	}
	for (i = n; i < AG_WAITING_TOLD && ag_a64_get(&w->proc->waiting[i].since_us) != 0; i++)
		ag_a64_publish(&w->proc->waiting[i].since_us, 0);
	set_bit(w, n > 0);
}

void
ag_wait_init(struct ag_worker *w)
{
	for (uint32_t i = 0; i < AG_WAITING_TOLD; i++)
		ag_a64_publish(&w->proc->waiting[i].since_us, 0);
	set_bit(w, false);
}

static bool
has_before(const struct ag_proc_slot *proc, uint32_t meter, int64_t since_us)
{
	for (uint32_t i = 0; i < AG_WAITING_TOLD; i++) {
		int64_t since = ag_a64_observe(&proc->waiting[i].since_us);

		if (since == 0)
			break;
		if (since < since_us && ag_a32_observe(&proc->waiting[i].meter) == meter &&
		    ag_a64_observe(&proc->waiting[i].since_us) == since)
			return true;
	}
	return false;
}

/* Whether somebody in another worker has waited for the meter since before. */
static bool
is_other_before(const struct ag_worker *w, uint32_t meter, int64_t since_us)
{
	int64_t now_us = 0;

	for (uint64_t bits = others(w); bits != 0; bits &= bits - 1) {
		const struct ag_proc_slot *proc =
		    ag_shm_proc(w->shm, AG_PROC_WORKER((uint32_t)__builtin_ctzll(bits)));

		if (!has_before(proc, meter, since_us))
			continue;
		now_us = now_us ? now_us : ag_clock_wall_us();
		if (now_us - ag_a64_get(&proc->heartbeat_us) < STALE_US)
			return true;
	}
	return false;
}

/* ---- the queue ---- */

static bool
is_in_queue(const struct ag_req *r)
{
	return !ag_list_is_empty(&r->wait.node);
}

bool
ag_wait_enter(struct ag_req *r, enum ag_verdict v, struct ag_str detail, uint32_t meter)
{
	static const struct timeval tick = { .tv_usec = TICK_US };
	struct ag_worker *w = r->w;
	int64_t least;

	if (meter == AG_NONE_IX || w->conf->hold_wait == 0)
		return false;
	least = least_of(r, meter);
	if (!would_fit(r, meter, least, r->admit_at_us) && !r->wait.is_behind)
		return false;
	if (!is_in_queue(r)) {
		if (w->n_waiting >= w->conf->hold_wait_max)
			return false;
		r->wait.since_us = ag_clock_mono_us();
		ag_list_push_back(&w->waiting, &r->wait.node);
		if (w->n_waiting++ == 0 && event_add(w->wait_ev, &tick) < 0) {
			ag_wait_leave(r);
			return false;
		}
		ag_count(AG_CNT_req_waited);
		ag_count_add(AG_CNT_req_waiting, 1);
	}
	r->wait.verdict = v;
	r->wait.detail = detail;
	r->wait.meter = meter;
	r->wait.meter_id = ag_a64_observe(&ag_metertab_at(w->shm, meter)->id);
	r->wait.least = least;
	tell(w);
	ag_req_goto(r, AG_REQ_WAIT);
	return true;
}

void
ag_wait_leave(struct ag_req *r)
{
	struct ag_worker *w = r->w;

	if (!is_in_queue(r))
		return;
	ag_list_remove(&r->wait.node);
	tell(w);
	ag_count_add(AG_CNT_req_waiting, -1);
	if (--w->n_waiting == 0)
		event_del(w->wait_ev);
}

bool
ag_wait_is_behind(const struct ag_req *r, uint32_t *out_meter)
{
	struct ag_worker *w = r->w;

	if (AG_LIKELY(ag_a64_get(&w->shm->hdr->waiting) == 0) || is_in_queue(r) ||
	    w->n_waiting >= w->conf->hold_wait_max || w->conf->hold_wait == 0)
		return false;
	for (uint32_t i = 0; others(w) != 0 && i < r->n_meters; i++)
		if (is_other_before(w, r->meters[i], INT64_MAX)) {
			*out_meter = r->meters[i];
			return true;
		}
	for (struct ag_list *it = w->waiting.next; it != &w->waiting; it = it->next) {
		const struct ag_req *q = AG_LIST_ENTRY(it, struct ag_req, wait.node);

		for (uint32_t i = 0; i < r->n_meters; i++)
			if (r->meters[i] == q->wait.meter) {
				*out_meter = q->wait.meter;
				return true;
			}
	}
	return false;
}

void
ag_wait_poke(struct ag_worker *w)
{
	if (AG_UNLIKELY(w->n_waiting > 0))
		event_active(w->wait_ev, EV_TIMEOUT, 0);
}

/* ---- looking ---- */

static bool
has_room(const struct ag_req *r, int64_t now_us)
{
	const struct ag_meter *m = ag_metertab_at(r->w->shm, r->wait.meter);
	struct ag_meter_state s;

	if (ag_a64_observe(&m->id) != r->wait.meter_id)
		return true; /* gone: what stands in its place will be asked */
	ag_meter_read(m, 0, now_us, &s);
	return s.remaining >= r->wait.least;
}

static bool
can_still_fit(const struct ag_req *r, int64_t now_us)
{
	return would_fit(r, r->wait.meter, r->wait.least, now_us);
}

static void
time_is_over(struct ag_req *r)
{
	ag_count(AG_CNT_req_waited_in_vain);
	ag_wait_leave(r);
	ag_req_explain(r, r->wait.verdict, r->wait.detail, r->wait.meter);
	ag_reply_verdict(r, r->wait.verdict, r->wait.detail, r->wait.meter);
}

struct blocked {
	uint32_t meter[BLOCKED_MAX], n;
};

static bool
is_blocked(const struct blocked *b, uint32_t meter)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (b->meter[i] == meter)
			return true;
	return false;
}

static void
block(struct blocked *b, uint32_t meter)
{
	if (b->n < BLOCKED_MAX)
		b->meter[b->n++] = meter;
}

void
ag_wait_on_tick(int fd, short what, void *arg)
{
	struct ag_worker *w = arg;
	struct blocked b = { .n = 0 };
	int64_t wall_us = ag_clock_wall_us(), mono_us = ag_clock_mono_us();

	(void)fd;
	(void)what;
	AG_LIST_FOREACH_SAFE(it, next, &w->waiting) {
		struct ag_req *r = AG_LIST_ENTRY(it, struct ag_req, wait.node);

		assert(r->magic == AG_REQ_MAGIC && r->state == AG_REQ_WAIT);
		/* Another worker's turn: whatever there is now, it is asked first. */
		if (!is_blocked(&b, r->wait.meter) && is_other_before(w, r->wait.meter, r->wait.since_us))
			block(&b, r->wait.meter);
		if (!is_blocked(&b, r->wait.meter) && has_room(r, wall_us)) {
			uint32_t meter = ag_req_again(r, wall_us);

			if (meter != AG_NONE_IX)
				block(&b, meter); /* still waits, perhaps for another now */
		} else if (mono_us - r->wait.since_us >= w->conf->hold_wait) {
			time_is_over(r);
		} else if (!is_blocked(&b, r->wait.meter) && !can_still_fit(r, wall_us)) {
			time_is_over(r); /* what was held has been spent */
		} else {
			block(&b, r->wait.meter);
		}
	}
}
