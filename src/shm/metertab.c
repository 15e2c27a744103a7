#include "shm/metertab.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "shm/crash_point.h"

/* Values of id that are no meter. */
#define ID_NEVER  INT64_C(0)
#define ID_TOMB   INT64_C(-1) /* may be claimed again; probing goes on past it */
#define ID_FREED  INT64_C(-2) /* holds on it may be open */
#define ID_RESTED INT64_C(-3) /* one sweep saw no hold on it */

#define NONE       UINT32_MAX
#define LOCK_TRIES 20000

/* What the numbering of slices in rate.c has room for. */
#define WINDOW_MIN_US INT64_C(1000000)
#define WINDOW_MAX_US (INT64_C(400) * 86400 * 1000000)

static uint32_t
home_of(const struct ag_shm *shm, int64_t id)
{
	return (uint32_t)ag_mix64((uint64_t)id) & (shm->hdr->sizes.meters - 1);
}

/* The slot with that id, or NONE; *out_vacant is where it could be made (NONE: full). */
static uint32_t
slot_probe(const struct ag_shm *shm, int64_t id, uint32_t *out_vacant)
{
	uint32_t mask = shm->hdr->sizes.meters - 1, home = home_of(shm, id);

	*out_vacant = NONE;
	for (uint32_t i = 0; i <= mask; i++) {
		uint32_t ix = (home + i) & mask;
		int64_t have = ag_a64_observe(&shm->meters[ix].id);

		if (have == id)
			return ix;
		if ((have == ID_TOMB || have == ID_NEVER) && *out_vacant == NONE)
			*out_vacant = ix;
		if (have == ID_NEVER)
			break;
	}
	return NONE;
}

int
ag_metertab_find(const struct ag_shm *shm, int64_t id, uint32_t *out_ix)
{
	uint32_t vacant, ix;

	if (id <= 0)
		return -ENOENT;
	ix = slot_probe(shm, id, &vacant);
	if (ix == NONE || ag_a32_observe(&shm->meters[ix].kind) == AG_METER_FREE)
		return -ENOENT;
	*out_ix = ix;
	return 0;
}

/* One insertion at a time, whatever dies: the kernel gives a dead process's lock back. */
static int
table_lock(const struct ag_shm *shm, short type)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = AG_SHM_LOCK_METERS,
		.l_len = 1 };

	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		if (fcntl(shm->fd, F_SETLK, &fl) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return -errno;
		sched_yield();
	}
	return -EAGAIN;
}

static void
set_if_changed32(struct ag_a32 *a, uint32_t v)
{
	if (ag_a32_get(a) != v)
		ag_a32_set(a, v);
}

static void
set_if_changed64(struct ag_a64 *a, int64_t v)
{
	if (ag_a64_get(a) != v)
		ag_a64_set(a, v);
}

/* Slices of the old window must never be compared with slices of the new one: the window is 0 (all
 * is refused) while resets, which every slice number begins with, goes up.  See rate.c. */
static void
window_set(struct ag_meter *m, const struct ag_meter_def *def)
{
	if (ag_a64_get(&m->window_us) == def->window_us)
		return;
	if (ag_a32_get(&m->kind) == AG_METER_RATE) {
		ag_a64_set(&m->window_us, 0);
		ag_a32_publish(&m->resets, ag_a32_get(&m->resets) + 1);
	}
	ag_a64_publish(&m->window_us, def->window_us);
}

static void
settings_apply(struct ag_meter *m, const struct ag_meter_def *def)
{
	set_if_changed64(&m->limit, def->limit);
	set_if_changed64(&m->alert_at, def->alert_at);
	set_if_changed32(&m->level, def->level);
	set_if_changed32(&m->days_and_mode, (def->period_days & 0xffff) | (uint32_t)def->enforcement << 16 |
	    (uint32_t)def->on_exhaust << 24);
	set_if_changed32(&m->anchor_day, def->anchor_day);
	if (def->resets > ag_a32_get(&m->resets))
		ag_a32_set(&m->resets, def->resets);
	window_set(m, def);
	if (ag_a32_get(&m->period_kind) != (uint32_t)def->period_kind)
		ag_a32_publish(&m->period_kind, def->period_kind); /* after what it needs */
}

/* Names of policies' budgets; who writes one holds the lock.  Whether it had none. */
static bool
name_set(struct ag_meter *m, const struct ag_meter_def *def)
{
	size_t n = def->name.n;

	if (def->owner == 0 || def->kind != AG_METER_BUDGET || n == 0 ||
	    ag_a32_observe(&m->budget.name_len) > 0)
		return false;
	if (n > AG_METER_NAME_MAX) {
		n = AG_METER_NAME_MAX;
		while (n > 0 && ((uint8_t)def->name.p[n] & 0xc0) == 0x80)
			n--; /* never half a character */
	}
	memcpy(m->budget.name, def->name.p, n);
	ag_a32_publish(&m->budget.name_len, (uint32_t)n);
	return true;
}

static int
meter_update(struct ag_meter *m, const struct ag_meter_def *def)
{
	if (ag_a32_get(&m->kind) != (uint32_t)def->kind || ag_a32_get(&m->unit) != (uint32_t)def->unit)
		return -EINVAL;
	settings_apply(m, def);
	return 0;
}

/* Under the lock, in front of publishing the id. */
static void
bit_set(const struct ag_shm *shm, uint32_t ix)
{
	ag_a64_or(&shm->meter_bits[ix / 64], (int64_t)(UINT64_C(1) << ix % 64));
}

/* Under the lock, behind the id. */
static void
bit_clear(const struct ag_shm *shm, uint32_t ix)
{
	ag_a64_and(&shm->meter_bits[ix / 64], (int64_t)~(UINT64_C(1) << ix % 64));
}

/* Under the lock.  The hot words are zero: of a slot never used, and of a tomb by the sweep. */
static int
meter_make(const struct ag_shm *shm, const struct ag_meter_def *def, uint32_t *out_ix,
    bool *out_is_new)
{
	uint32_t vacant, ix = slot_probe(shm, def->id, &vacant);
	struct ag_meter *m;

	*out_is_new = false;
	if (ix != NONE && ag_a32_observe(&shm->meters[ix].kind) != AG_METER_FREE) {
		*out_ix = ix;
		return meter_update(&shm->meters[ix], def); /* another was quicker */
	}
	if (ix == NONE)
		ix = vacant; /* else: its maker died before he published the kind */
	if (ix == NONE)
		return -ENOSPC;
	m = &shm->meters[ix];
	ag_a32_set(&m->resets, def->resets);
	ag_a32_set(&m->unit, def->unit);
	ag_a32_set(&m->suspect, 0);
	settings_apply(m, def);
	if (def->level == AG_LEVEL_POLICY) {
		ag_a64_set(&m->policy.owner, def->owner);
		name_set(m, def);
	}
	AG_CRASH_POINT();
	bit_set(shm, ix);
	AG_CRASH_POINT();
	ag_a64_publish(&m->id, def->id);
	AG_CRASH_POINT();
	ag_a32_publish(&m->kind, def->kind);
	AG_CRASH_POINT();
	if (def->level == AG_LEVEL_POLICY) {
		ag_a32_set(&shm->hdr->policy_meters, ag_a32_get(&shm->hdr->policy_meters) + 1);
		ag_a32_publish(&shm->hdr->policy_made, ag_a32_get(&shm->hdr->policy_made) + 1);
	}
	*out_ix = ix;
	*out_is_new = true;
	return 0;
}

static int
def_check(const struct ag_meter_def *def)
{
	assert(def->id > 0 && def->kind != AG_METER_FREE);
	assert((def->level == AG_LEVEL_POLICY) == (def->owner > 0));
	if (def->kind == AG_METER_RATE && (def->window_us < WINDOW_MIN_US ||
	    def->window_us > WINDOW_MAX_US || def->window_us % AG_RATE_SLICES != 0))
		return -EINVAL;
	return 0;
}

int
ag_metertab_lock(const struct ag_shm *shm)
{
	return table_lock(shm, F_WRLCK);
}

void
ag_metertab_unlock(const struct ag_shm *shm)
{
	if (table_lock(shm, F_UNLCK) < 0)
		abort(); /* cannot happen; going on would shut everybody out for ever */
}

int
ag_metertab_put_locked(const struct ag_shm *shm, const struct ag_meter_def *def, uint32_t *out_ix,
    bool *out_is_new)
{
	int rc = def_check(def);

	if (rc == 0)
		rc = meter_make(shm, def, out_ix, out_is_new);
	/* One that was made again from the ledger alone gets its name with its next use. */
	if (rc == 0 && name_set(ag_metertab_at(shm, *out_ix), def))
		ag_a32_publish(&shm->hdr->policy_made, ag_a32_get(&shm->hdr->policy_made) + 1);
	return rc;
}

int
ag_metertab_put(const struct ag_shm *shm, const struct ag_meter_def *def, uint32_t *out_ix,
    bool *out_is_new)
{
	uint32_t ix;
	int rc;

	rc = def_check(def);
	if (rc < 0)
		return rc;
	if (ag_metertab_find(shm, def->id, &ix) == 0) {
		rc = meter_update(&shm->meters[ix], def);
		if (rc == 0) {
			*out_ix = ix;
			*out_is_new = false;
		}
		return rc;
	}
	rc = ag_metertab_lock(shm);
	if (rc < 0)
		return rc;
	rc = meter_make(shm, def, out_ix, out_is_new);
	ag_metertab_unlock(shm);
	return rc;
}

void
ag_metertab_restore(const struct ag_shm *shm, uint32_t ix, int64_t period, int64_t settled)
{
	struct ag_meter *m = ag_metertab_at(shm, ix);
	struct ag_a128 *account = &m->budget.account[period & 1];
	struct ag_pair cur;

	assert(ag_a32_get(&m->kind) == AG_METER_BUDGET && settled >= 0);
	do {
		cur = ag_a128_peek(account);
		if (cur.hi > period)
			return;
	} while (!ag_a128_cas(account, cur, (struct ag_pair){ .hi = period, .lo = settled }));
	ag_a64_set(&m->budget.settled[period & 1], settled);
}

void
ag_metertab_free(const struct ag_shm *shm, uint32_t ix)
{
	struct ag_meter *m = ag_metertab_at(shm, ix);

	if (ag_a64_get(&m->id) <= 0)
		return;
	/* The id first: a put() of the same id that comes now makes a slot of its own. */
	ag_a64_publish(&m->id, ID_FREED);
	ag_a32_publish(&m->kind, AG_METER_FREE);
}

/* The first slot from ix on whose bit is as said; the number of slots: none.  Relaxed: the id of such
 * a slot is observed next, and whoever knows of an id otherwise observed it, or what was published
 * behind it, and with it the bit. */
static uint32_t
bits_next(const struct ag_shm *shm, uint32_t ix, bool is_set)
{
	uint32_t n = shm->hdr->sizes.meters;
	uint64_t flip = is_set ? 0 : UINT64_MAX, mask = UINT64_MAX << ix % 64;

	for (uint32_t at = ix - ix % 64; at < n; at += 64, mask = UINT64_MAX) {
		uint64_t word = ((uint64_t)ag_a64_get(&shm->meter_bits[at / 64]) ^ flip) & mask;

		if (word != 0) {
			at += (uint32_t)__builtin_ctzll(word);
			return at < n ? at : n;
		}
	}
	return n;
}

bool
ag_metertab_next_run(const struct ag_shm *shm, uint32_t ix, uint32_t *out_from, uint32_t *out_to)
{
	uint32_t n = shm->hdr->sizes.meters, from = bits_next(shm, ix, true);

	if (from >= n)
		return false;
	*out_from = from;
	*out_to = bits_next(shm, from, false);
	return true;
}

bool
ag_metertab_walk(const struct ag_shm *shm, struct ag_meter_walk *walk, uint32_t *out_ix)
{
	if (walk->at >= walk->to && !ag_metertab_next_run(shm, walk->to, &walk->at, &walk->to)) {
		*walk = (struct ag_meter_walk){ 0 };
		return false;
	}
	*out_ix = walk->at++;
	return true;
}

uint8_t *
ag_metertab_referenced(const struct ag_shm *shm)
{
	const struct ag_shm_sizes *s = &shm->hdr->sizes;
	uint8_t *map = calloc(s->meters / 8, 1);

	for (size_t i = 0; map && i < (size_t)s->workers * s->inflight; i++) {
		const struct ag_inflight *slot = &shm->inflight[i];
		uint32_t n = ag_a32_get(&slot->n_holds);

		if (ag_a32_observe(&slot->state) == AG_INFLIGHT_FREE || n > AG_HOLDS_MAX)
			continue;
		for (uint32_t h = 0; h < n; h++) {
			uint32_t ix = slot->holds[h].meter_ix;

			if (ix < s->meters)
				map[ix / 8] = (uint8_t)(map[ix / 8] | 1u << ix % 8);
		}
	}
	return map;
}

static void
meter_wipe(struct ag_meter *m)
{
	ag_a32_set(&m->resets, 0);
	ag_a64_set(&m->window_us, 0);
	ag_a32_set(&m->period_kind, AG_PERIOD_NONE);
	memset(&m->rate, 0, sizeof(*m) - offsetof(struct ag_meter, rate));
}

/* The wiped slot may be claimed again: under the lock, so that nobody does before its bit is gone.
 * Whoever dies in between leaves the bit to the next meter here. */
static bool
slot_release(const struct ag_shm *shm, uint32_t ix)
{
	if (ag_metertab_lock(shm) < 0)
		return false; /* the next sweep comes */
	ag_a64_publish(&shm->meters[ix].id, ID_TOMB);
	AG_CRASH_POINT();
	bit_clear(shm, ix);
	ag_metertab_unlock(shm);
	return true;
}

uint32_t
ag_metertab_sweep_freed(const struct ag_shm *shm)
{
	uint8_t *referenced = ag_metertab_referenced(shm);
	struct ag_meter_walk walk = { 0 };
	uint32_t released = 0, ix;

	while (referenced && ag_metertab_walk(shm, &walk, &ix)) {
		struct ag_meter *m = &shm->meters[ix];
		int64_t id = ag_a64_get(&m->id);

		if (id != ID_FREED && id != ID_RESTED)
			continue;
		if (referenced[ix / 8] & 1u << ix % 8) {
			ag_a64_set(&m->id, ID_FREED); /* the rest begins again */
		} else if (id == ID_FREED) {
			ag_a32_set(&m->kind, AG_METER_FREE); /* if free() was cut short */
			ag_a64_set(&m->id, ID_RESTED);
		} else {
			meter_wipe(m);
			released += slot_release(shm, ix);
		}
	}
	free(referenced);
	return released;
}
