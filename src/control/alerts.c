#include "control/alerts.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "control/deliver.h"
#include "control/sql.h"
#include "limit/alert.h"
#include "limit/policy_meter.h"
#include "shm/counters.h"

#define SLOTS_A_TICK  (1u << 20)  /* a table larger than that is gone through in several ticks */
#define PENDING_MAX   65536u
#define BATCH         500u
#define PAUSE_US      (5 * AG_US_PER_SEC) /* after PostgreSQL did not take a batch */
#define STORE_US      (2 * AG_US_PER_SEC) /* patience with it: the tick has other things to do */

/* What was found of one meter slot, by account. */
struct seen {
	int64_t id;          /* meter.id, 0: nothing yet */
	int64_t period[2];
	uint32_t round[2];   /* in which `sighted` was written */
	uint8_t sighted[2];  /* due then; one look more, and it is believed */
	uint8_t raised[2];   /* pending or stored */
};

struct pending {
	int64_t meter_id;
	int64_t policy_id;   /* 0: the meter has a row */
	unsigned kind;
	struct ag_alert_look look;
};

struct ag_alerts {
	struct ag_control *ctl;    /* borrowed */
	struct ag_deliver *deliver; /* owned */
	struct seen *seen;         /* owned: one a meter slot; pages are touched when there is something */
	struct pending *pending;   /* owned */
	size_t n_pending, cap_pending;
	uint32_t at, round;        /* of the walk through the table */
	int64_t store_after_us;    /* monotonic */
	bool has_warned;
};

struct ag_alerts *
ag_alerts_new(struct ag_control *ctl)
{
	struct ag_alerts *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->ctl = ctl;
	a->round = 2;
	a->seen = calloc(ctl->ctx->shm->hdr->sizes.meters, sizeof(*a->seen));
	a->deliver = ag_deliver_new(ctl);
	if (!a->seen || !a->deliver) {
		ag_alerts_free(a);
		return NULL;
	}
	return a;
}

void
ag_alerts_free(struct ag_alerts *a)
{
	if (!a)
		return;
	ag_deliver_free(a->deliver);
	free(a->pending);
	free(a->seen);
	free(a);
}

/* ---- finding ---- */

static int64_t
policy_of(const struct ag_meter *m)
{
	return ag_a64_get(&m->id) >= AG_METER_DERIVED ? ag_a64_get(&m->policy.owner) : 0;
}

static bool
pending_add(struct ag_alerts *a, const struct ag_meter *m, unsigned kind,
    const struct ag_alert_look *look)
{
	if (a->n_pending == PENDING_MAX)
		return false; /* it stays due and is found again */
	if (a->n_pending == a->cap_pending) {
		size_t cap = a->cap_pending ? a->cap_pending * 2 : 64;
		struct pending *more = reallocarray(a->pending, cap, sizeof(*more));

		if (!more)
			return false;
		a->pending = more;
		a->cap_pending = cap;
	}
	a->pending[a->n_pending++] = (struct pending){ ag_a64_get(&m->id), policy_of(m), kind, *look };
	return true;
}

/* Today's limits must not be held against a period that is over and has told what it had to, not by a
 * successor of this process either: remembered in the segment. */
static void
close_period(struct ag_meter *m, const struct ag_alert_look *look)
{
	if (look->is_closed && look->held == 0 && ag_a64_get(&m->budget.told_period) < look->period)
		ag_a64_set(&m->budget.told_period, look->period);
}

static bool
look_once(const struct ag_meter *m, unsigned side, int64_t now_us, struct ag_alert_look *out)
{
	return ag_alert_look(m, side, now_us, out) &&
	    !(out->is_closed && out->period <= ag_a64_get(&m->budget.told_period));
}

static void
look_at_side(struct ag_alerts *a, uint32_t ix, struct seen *s, unsigned side, int64_t now_us)
{
	const struct ag_meter *m = &a->ctl->ctx->shm->meters[ix];
	struct ag_alert_look look;
	unsigned fresh, believed;

	if (!look_once(m, side, now_us, &look))
		return;
	if (s->period[side] != look.period) {
		s->period[side] = look.period;
		s->raised[side] = s->sighted[side] = 0;
	}
	fresh = look.due & ~(unsigned)s->raised[side];
	believed = s->round[side] + 1 == a->round ? fresh & s->sighted[side] : 0;
	for (unsigned kind = AG_ALERT_THRESHOLD; kind <= AG_ALERT_EXHAUSTED; kind <<= 1)
		if ((believed & kind) && pending_add(a, m, kind, &look))
			s->raised[side] = (uint8_t)(s->raised[side] | kind);
	s->sighted[side] = (uint8_t)fresh;
	s->round[side] = a->round;
	if (fresh == 0 && a->n_pending == 0)
		close_period(&a->ctl->ctx->shm->meters[ix], &look);
}

/* Most budgets are far from anything: told from two lines, without a division. */
static bool
is_far(const struct ag_meter *m)
{
	int64_t limit = ag_a64_get(&m->limit), alert_at = ag_a64_get(&m->alert_at);
	int64_t first = alert_at < limit ? alert_at : limit;

	return first == INT64_MAX || (ag_a64_get(&m->budget.refused) == 0 &&
	    ag_a64_get(&m->budget.settled[0]) < first && ag_a64_get(&m->budget.settled[1]) < first);
}

static void
look_at(struct ag_alerts *a, uint32_t ix, int64_t now_us)
{
	const struct ag_meter *m = &a->ctl->ctx->shm->meters[ix];
	int64_t id = ag_a64_observe(&m->id);
	struct seen *s = &a->seen[ix];

	if (id <= 0 || ag_a32_observe(&m->kind) != AG_METER_BUDGET || is_far(m))
		return;
	if (s->id != id)
		*s = (struct seen){ .id = id };
	for (unsigned side = 0; side < 2; side++)
		look_at_side(a, ix, s, side, now_us);
}

static void
look_around(struct ag_alerts *a)
{
	const struct ag_shm *shm = a->ctl->ctx->shm;
	uint32_t left = SLOTS_A_TICK, from, to;
	int64_t now_us = ag_clock_wall_us();

	while (left > 0 && ag_metertab_next_run(shm, a->at, &from, &to)) {
		for (a->at = from; a->at < to && left > 0; left--)
			look_at(a, a->at++, now_us);
	}
	if (left == 0)
		return; /* goes on in the next tick */
	a->at = 0;
	a->round++;
}

/* ---- storing ---- */

static struct json_object *
pending_json(const struct pending *p)
{
	const struct ag_alert_look *l = &p->look;
	struct json_object *j = json_object_new_object();

	json_object_object_add(j, "meter_id", json_object_new_int64(p->meter_id));
	if (p->policy_id != 0)
		json_object_object_add(j, "policy_id", json_object_new_int64(p->policy_id));
	json_object_object_add(j, "period", json_object_new_int64(l->period));
	json_object_object_add(j, "kind", json_object_new_string(
	    p->kind == AG_ALERT_THRESHOLD ? "threshold" : "exhausted"));
	json_object_object_add(j, "reason", json_object_new_string(
	    p->kind == AG_ALERT_EXHAUSTED && l->is_refused ? "refused" : "reached"));
	json_object_object_add(j, "is_closed", json_object_new_boolean(l->is_closed));
	json_object_object_add(j, "settled", json_object_new_int64(l->settled));
	json_object_object_add(j, "held", json_object_new_int64(l->held));
	if (l->limit != INT64_MAX)
		json_object_object_add(j, "limit_amount", json_object_new_int64(l->limit));
	if (l->alert_at != INT64_MAX)
		json_object_object_add(j, "alert_amount", json_object_new_int64(l->alert_at));
	if (l->resets_at_us != INT64_MAX && l->resets_at_us != 0)
		json_object_object_add(j, "ends_us", json_object_new_int64(l->resets_at_us));
	return j;
}

/* One transaction of our own.  Returns how many rows it made; < 0: nobody took them. */
static int
store_batch(struct ag_pg *pg, struct json_object *batch, struct ag_err *err)
{
	struct ag_pg_args args = { 0 };
	PGresult *res;
	int made = -1;

	if (ag_pg_begin(pg, AG_PG_WRITE, err) < 0)
		return -1;
	ag_pg_arg_json(&args, batch);
	res = ag_pg_exec(pg, SQL_ALERT_RAISE, &args, err);
	if (res)
		made = PQntuples(res);
	PQclear(res);
	if (made < 0)
		ag_pg_rollback(pg);
	else if (ag_pg_commit(pg, err) < 0)
		made = -1; /* nobody knows: what is sent again meets its own row */
	return made;
}

static void
store_pending(struct ag_alerts *a)
{
	struct ag_pg *pg = a->ctl->pg;

	while (a->n_pending > 0 && ag_clock_mono_us() >= a->store_after_us) {
		size_t n = a->n_pending < BATCH ? a->n_pending : BATCH;
		struct json_object *batch = json_object_new_array();
		struct ag_err err = { "" };
		int made;

		for (size_t i = 0; i < n; i++)
			json_object_array_add(batch, pending_json(&a->pending[i]));
		ag_pg_set_deadline(pg, STORE_US);
		made = store_batch(pg, batch, &err);
		ag_pg_set_deadline(pg, AG_PG_DEADLINE_US);
		json_object_put(batch);
		if (made < 0) {
			if (!a->has_warned)
				ag_warn("alerts wait for PostgreSQL: %s", err.text);
			a->has_warned = true;
			a->store_after_us = ag_clock_mono_us() + PAUSE_US;
			return;
		}
		a->has_warned = false;
		ag_count_add(AG_CNT_alerts_raised, made);
		ag_deliver_wake(a->deliver);
		a->n_pending -= n;
		memmove(a->pending, a->pending + n, a->n_pending * sizeof(*a->pending));
	}
}

void
ag_alerts_tick(struct ag_alerts *a)
{
	if (ag_a32_observe(&a->ctl->ctx->shm->hdr->state) != AG_SHM_READY)
		return;
	look_around(a);
	if (a->ctl->is_loaded && !a->ctl->is_draining)
		store_pending(a);
	ag_deliver_tick(a->deliver);
}

/* ---- edits ---- */

/* What is due on a meter and was not raised yet. */
static void
add_due(const struct ag_alerts *a, uint32_t ix, struct json_object *batch)
{
	const struct ag_meter *m = &a->ctl->ctx->shm->meters[ix];
	struct pending p = { .meter_id = ag_a64_get(&m->id), .policy_id = policy_of(m) };
	const struct seen *s = &a->seen[ix];

	for (unsigned side = 0; side < 2; side++) {
		unsigned due;

		if (!look_once(m, side, ag_clock_wall_us(), &p.look))
			continue;
		due = p.look.due & ~(s->id == p.meter_id && s->period[side] == p.look.period
		    ? (unsigned)s->raised[side] : 0u);
		for (p.kind = AG_ALERT_THRESHOLD; p.kind <= AG_ALERT_EXHAUSTED; p.kind <<= 1)
			if (due & p.kind)
				json_object_array_add(batch, pending_json(&p));
	}
}

/* Takes the batch. */
static int
raise_in_txn(struct ag_call *c, struct json_object *batch)
{
	struct ag_pg_args args = { 0 };
	PGresult *res = NULL;

	if (ag_json_len(batch) > 0) {
		ag_pg_arg_json(&args, batch);
		res = ag_call_sql(c, SQL_ALERT_RAISE, &args);
		if (res)
			ag_count_add(AG_CNT_alerts_raised, PQntuples(res));
		/* A meter that is removed is edited no more, and nothing else would say that rows wait. */
		ag_deliver_wake(c->ctl->alerts->deliver);
	}
	json_object_put(batch);
	PQclear(res);
	return c->status != 0 ? -1 : 0;
}

int
ag_alerts_before_edit(struct ag_call *c, int64_t meter_id)
{
	const struct ag_alerts *a = c->ctl->alerts;
	struct json_object *batch = json_object_new_array();
	uint32_t ix;

	for (size_t i = 0; i < a->n_pending; i++)
		if (a->pending[i].meter_id == meter_id)
			json_object_array_add(batch, pending_json(&a->pending[i]));
	if (ag_metertab_find(c->ctl->ctx->shm, meter_id, &ix) == 0)
		add_due(a, ix, batch);
	return raise_in_txn(c, batch);
}

/* The next budget of a policy. */
static bool
next_of_policy(const struct ag_shm *shm, int64_t policy_id, struct ag_meter_walk *walk,
    uint32_t *out_ix)
{
	while (ag_metertab_walk(shm, walk, out_ix)) {
		const struct ag_meter *m = &shm->meters[*out_ix];

		if (ag_a64_observe(&m->id) >= AG_METER_DERIVED &&
		    ag_a32_observe(&m->kind) == AG_METER_BUDGET && policy_of(m) == policy_id)
			return true;
	}
	return false;
}

int
ag_alerts_before_policy_edit(struct ag_call *c, int64_t policy_id)
{
	const struct ag_alerts *a = c->ctl->alerts;
	struct json_object *batch = json_object_new_array();
	struct ag_meter_walk walk = { 0 };
	uint32_t ix;

	for (size_t i = 0; i < a->n_pending; i++)
		if (a->pending[i].policy_id == policy_id)
			json_object_array_add(batch, pending_json(&a->pending[i]));
	while (next_of_policy(c->ctl->ctx->shm, policy_id, &walk, &ix))
		add_due(a, ix, batch);
	return raise_in_txn(c, batch);
}

/* What is in force may be due once more; what is closed has told all. */
static void
forget(struct ag_alerts *a, uint32_t ix)
{
	struct ag_meter *m = &a->ctl->ctx->shm->meters[ix];
	struct seen *s = &a->seen[ix];

	for (unsigned side = 0; side < 2; side++) {
		struct ag_alert_look look;

		if (!ag_alert_look(m, side, ag_clock_wall_us(), &look))
			continue;
		if (look.is_closed)
			close_period(m, &look);
		else if (s->id == ag_a64_get(&m->id))
			s->raised[side] = 0;
	}
}

/* ag_alerts_before_edit() stored them. */
static void
drop_pending(struct ag_alerts *a, int64_t meter_id, int64_t policy_id)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->n_pending; i++)
		if (a->pending[i].meter_id != meter_id &&
		    (policy_id == 0 || a->pending[i].policy_id != policy_id))
			a->pending[kept++] = a->pending[i];
	a->n_pending = kept;
}

void
ag_alerts_edited(struct ag_alerts *a, uint32_t meter_ix)
{
	drop_pending(a, ag_a64_get(&a->ctl->ctx->shm->meters[meter_ix].id), 0);
	forget(a, meter_ix);
	ag_deliver_wake(a->deliver);
}

void
ag_alerts_policy_edited(struct ag_alerts *a, const struct ag_meter_def *def)
{
	const struct ag_shm *shm = a->ctl->ctx->shm;
	struct ag_meter_walk walk = { 0 };
	uint32_t ix;

	drop_pending(a, 0, def->owner);
	while (next_of_policy(shm, def->owner, &walk, &ix)) {
		struct ag_meter_def one = *def;
		uint32_t same;

		forget(a, ix);
		one.id = ag_a64_get(&shm->meters[ix].id);
		/* A worker would see to it, but only when the value is used again. */
		if (ag_policy_meter_use(shm, &one, &same) < 0)
			ag_debug("alerts: a meter of a policy keeps its limit until its next use");
	}
	ag_deliver_wake(a->deliver);
}

void
ag_alerts_loaded(struct ag_alerts *a)
{
	/* The rows that stand answer for what was raised. */
	for (uint32_t ix = 0; ix < a->ctl->ctx->shm->hdr->sizes.meters; ix++)
		if (a->seen[ix].id != 0) /* else its page need not come to life */
			a->seen[ix] = (struct seen){ .id = 0 };
	ag_deliver_wake(a->deliver);
}

void
ag_alerts_wake(struct ag_alerts *a)
{
	ag_deliver_wake(a->deliver);
}
