#include "limit/policy_meter.h"

#include <errno.h>
#include <stdlib.h>

#include "limit/alert.h"
#include "shm/crash_point.h"

static bool
is_as_wanted(const struct ag_meter *m, const struct ag_meter_def *def)
{
	return ag_a32_get(&m->kind) == (uint32_t)def->kind &&
	    ag_a32_get(&m->unit) == (uint32_t)def->unit &&
	    ag_a64_get(&m->limit) == def->limit && ag_a64_get(&m->alert_at) == def->alert_at &&
	    ag_a64_get(&m->window_us) == def->window_us &&
	    ag_a32_get(&m->period_kind) == (uint32_t)def->period_kind &&
	    ag_meter_period_days(m) == def->period_days &&
	    ag_a32_get(&m->anchor_day) == def->anchor_day &&
	    ag_meter_enforcement(m) == def->enforcement && ag_meter_on_exhaust(m) == def->on_exhaust &&
	    (def->kind != AG_METER_BUDGET || ag_a32_get(&m->budget.name_len) > 0 || def->name.n == 0);
}

int
ag_policy_meter_use(const struct ag_shm *shm, const struct ag_meter_def *def, uint32_t *out_ix)
{
	uint32_t room = shm->hdr->sizes.meters / AG_POLICY_METERS_SHARE, ix;
	bool is_new;
	int rc;

	if (ag_metertab_find(shm, def->id, out_ix) == 0 &&
	    is_as_wanted(ag_metertab_at(shm, *out_ix), def))
		return 0;
	rc = ag_metertab_lock(shm);
	if (rc < 0)
		return rc;
	if (ag_metertab_find(shm, def->id, &ix) < 0 && ag_a32_get(&shm->hdr->policy_meters) >= room)
		rc = -ENOSPC;
	else
		rc = ag_metertab_put_locked(shm, def, &ix, &is_new);
	ag_metertab_unlock(shm);
	if (rc == 0)
		*out_ix = ix;
	return rc;
}

/* ---- going ---- */

#define BATCH 256u

struct candidate {
	uint32_t ix;
	int64_t limit;
};

/* A period that is over keeps its meter until control has raised the alerts of it. */
static bool
has_to_tell(const struct ag_meter *m, int64_t now_us)
{
	for (unsigned side = 0; side < 2; side++) {
		struct ag_alert_look look;

		if (ag_alert_look(m, side, now_us, &look) && look.is_closed && look.due != 0 &&
		    look.period > ag_a64_get(&m->budget.told_period))
			return true;
	}
	return false;
}

/* Whether a meter that begins anew would count the same. */
static bool
is_blank(const struct ag_meter *m, int64_t now_us)
{
	struct ag_meter_state s;

	if (ag_a32_get(&m->suspect))
		return false;
	if (ag_a32_get(&m->kind) == AG_METER_BUDGET && ag_a32_get(&m->resets) > 0)
		return false; /* it would forget that it was reset */
	ag_meter_read(m, 0, now_us, &s);
	return s.used == 0 && !has_to_tell(m, now_us);
}

struct evict {
	const struct ag_shm *shm;
	int64_t now_us;
	bool (*is_gone)(int64_t policy_id, void *arg);
	void *arg;
};

static bool
may_go(const struct evict *e, const struct ag_meter *m)
{
	return is_blank(m, e->now_us) || e->is_gone(ag_a64_get(&m->policy.owner), e->arg);
}

/* Goes through the whole table; *out_total: meters of policies there are. */
static size_t
candidates(const struct evict *e, struct candidate *out, size_t max, uint32_t *out_total)
{
	const struct ag_shm *shm = e->shm;
	size_t n = 0;

	*out_total = 0;
	for (uint32_t ix = 0, end; ag_metertab_next_run(shm, ix, &ix, &end);) {
		for (; ix < end; ix++) {
			const struct ag_meter *m = &shm->meters[ix];

			if (ag_a64_get(&m->id) < AG_METER_DERIVED ||
			    ag_a32_observe(&m->kind) == AG_METER_FREE)
				continue;
			(*out_total)++;
			if (n < max && may_go(e, m))
				out[n++] = (struct candidate){ .ix = ix };
		}
	}
	return n;
}

/* Under the lock.  A request notes that it will take from a meter, then (behind a fence) looks at
 * its limit; here the limit is closed, then (behind a fence) the notes are looked at.  So either
 * the request finds the meter closed, or it is seen here and the meter stays. */
static size_t
close_and_free(const struct evict *e, struct candidate *c, size_t n, int64_t *out_ids)
{
	uint8_t *referenced;
	size_t freed = 0;

	for (size_t i = 0; i < n; i++) {
		struct ag_meter *m = ag_metertab_at(e->shm, c[i].ix);

		c[i].limit = ag_a64_get(&m->limit);
		ag_a64_set(&m->limit, AG_METER_CLOSED);
		AG_CRASH_POINT();
	}
	atomic_thread_fence(memory_order_seq_cst);
	referenced = ag_metertab_referenced(e->shm);
	for (size_t i = 0; i < n; i++) {
		struct ag_meter *m = ag_metertab_at(e->shm, c[i].ix);
		bool is_held = !referenced || (referenced[c[i].ix / 8] >> (c[i].ix % 8) & 1);

		if (!is_held && may_go(e, m)) {
			out_ids[freed++] = ag_a64_get(&m->id);
			ag_metertab_free(e->shm, c[i].ix);
			AG_CRASH_POINT();
		} else {
			ag_a64_set(&m->limit, c[i].limit);
		}
	}
	free(referenced);
	return freed;
}

size_t
ag_policy_meters_evict(const struct ag_shm *shm, int64_t now_us,
    bool (*is_gone)(int64_t policy_id, void *arg), void *arg, int64_t *out_ids, size_t max)
{
	struct evict e = { .shm = shm, .now_us = now_us, .is_gone = is_gone, .arg = arg };
	uint32_t made = ag_a32_observe(&shm->hdr->policy_made), total;
	struct candidate c[BATCH];
	size_t n = candidates(&e, c, max < BATCH ? max : BATCH, &total);

	if (n == 0 && total == ag_a32_get(&shm->hdr->policy_meters))
		return 0;
	if (ag_metertab_lock(shm) < 0)
		return 0;
	/* Who made one may have died before he counted it. */
	if (made != ag_a32_get(&shm->hdr->policy_made))
		total = ag_a32_get(&shm->hdr->policy_meters);
	n = n > 0 ? close_and_free(&e, c, n, out_ids) : 0;
	ag_a32_set(&shm->hdr->policy_meters, total > n ? total - (uint32_t)n : 0);
	ag_metertab_unlock(shm);
	return n;
}
