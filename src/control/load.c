/* load.c - everything from PostgreSQL: at start, after a doubtful commit, when asked to.
 *
 * One snapshot.  Meters first, so that what refers to them finds them; then what the ledger says
 * was spent, for meters the segment did not know; then the catalogue and the keys; and last what
 * is no longer there goes.  Rows come by cursor: a million keys need no more memory than ten thousand. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/meters.h"
#include "control/policy_values.h"
#include "control/publish.h"
#include "control/sql.h"
#include "limit/meter.h"
#include "shm/counters.h"
#include "shm/keytab.h"
#include "shm/objtab.h"

/* A meter of a key, to be found when the key comes by. */
struct key_meter {
	int64_t key_id, meter_id;
	uint32_t ix;
};

struct loader {
	struct ag_control *ctl;
	struct ag_err *err;
	uint8_t *seen;        /* owned; a bit per meter slot: PostgreSQL names it */
	uint8_t *restore;     /* owned; a bit per meter slot: its spend comes from the ledger */
	bool is_cold;
	bool has_pages;       /* the segment's pages were asked for at once */
	bool any_restore;
	bool has_lock;        /* of insertions into the table of meters */
	struct key_meter *meters; /* owned; by key once all are there */
	size_t n_meters, cap_meters, next_meter;
	int64_t *keys;        /* owned; ids in order */
	size_t n_keys, cap_keys;
	int64_t *formers;     /* owned; ids of keys whose former secret works, in order */
	size_t n_formers, cap_formers;
	int64_t *gone;        /* owned; keys that stand and should not; -id: only the former secret */
	size_t n_gone, cap_gone;
	int64_t now_us;
	unsigned skipped, unowned;
};

static void
bit_set(uint8_t *bits, uint32_t ix)
{
	bits[ix / 8] = (uint8_t)(bits[ix / 8] | 1u << (ix % 8));
}

static bool
bit_get(const uint8_t *bits, uint32_t ix)
{
	return bits[ix / 8] >> (ix % 8) & 1;
}

static int
push(int64_t **list, size_t *n, size_t *cap, int64_t v)
{
	if (*n == *cap) {
		size_t want = *cap ? *cap * 2 : 1024;
		int64_t *more = reallocarray(*list, want, sizeof(v));

		if (!more)
			return -ENOMEM;
		*list = more;
		*cap = want;
	}
	(*list)[(*n)++] = v;
	return 0;
}

/* Beats the heart: a load may take longer than the master's patience. */
static void
beat(struct ag_control *ctl)
{
	struct ag_proc_slot *slot = ag_shm_proc(ctl->ctx->shm, ctl->ctx->proc_ix);

	ag_a64_set(&slot->heartbeat_us, ag_clock_wall_us());
}

static int on_meter(struct loader *l, const PGresult *res, int row);

/* A batch of rows.  Before anybody serves, the lock of insertions is taken once for all of them: by
 * itself it would be the dearest part of a meter. */
static int
take_rows(struct loader *l, const PGresult *res, int (*fn)(struct loader *, const PGresult *, int))
{
	int rc = 0, n = PQntuples(res);

	l->has_lock = l->is_cold && fn == on_meter && ag_metertab_lock(l->ctl->ctx->shm) == 0;
	for (int i = 0; i < n && rc == 0; i++)
		rc = fn(l, res, i);
	if (l->has_lock)
		ag_metertab_unlock(l->ctl->ctx->shm);
	l->has_lock = false;
	beat(l->ctl);
	return rc;
}

/* A cold segment is about to be written from end to end: its pages in one call rather than by a fault
 * each.  Not for a few rows: walks through the meters go by the pages that were written.  A kernel that
 * cannot do that costs time, nothing else. */
static void
touch_pages(const struct ag_shm *shm)
{
#ifdef MADV_POPULATE_WRITE
	const struct ag_shm_hdr *h = shm->hdr;

	(void)madvise(shm->keys, h->catalog_off - h->keys_off, MADV_POPULATE_WRITE);
#else
	(void)shm;
#endif
}

#define FETCH "fetch 10000 from load"
#define FETCH_ROWS 10000

/* Calls fn for each row of a query, some thousands at a time; the next ones are on their way while
 * these are taken. */
static int
each_row(struct loader *l, const char *declare, int (*fn)(struct loader *, const PGresult *, int))
{
	struct ag_pg *pg = l->ctl->pg;
	PGresult *res = ag_pg_exec(pg, declare, NULL, l->err), *next;
	int64_t began_us = ag_clock_mono_us(), waited_us = 0;
	int rc = res ? 0 : -EIO;

	PQclear(res);
	if (rc == 0)
		rc = ag_pg_send(pg, FETCH, NULL, l->err);
	while (rc == 0) {
		int64_t asked_us = ag_clock_mono_us();

		res = ag_pg_wait(pg, l->err);
		if (!res)
			return -EIO;
		waited_us += ag_clock_mono_us() - asked_us;
		if (PQntuples(res) == 0)
			break;
		if (l->is_cold && !l->has_pages && PQntuples(res) == FETCH_ROWS) {
			touch_pages(l->ctl->ctx->shm);
			l->has_pages = true;
		}
		rc = ag_pg_send(pg, FETCH, NULL, l->err);
		if (rc == 0 && (rc = take_rows(l, res, fn)) < 0) {
			next = ag_pg_wait(pg, NULL); /* nobody wants them any more */
			PQclear(next);
		}
		PQclear(res);
	}
	if (rc < 0)
		return rc;
	PQclear(res);
	ag_debug("load: %lld ms, of which PostgreSQL %lld ms: %.60s",
	    (long long)((ag_clock_mono_us() - began_us) / AG_US_PER_MS),
	    (long long)(waited_us / AG_US_PER_MS), declare);
	res = ag_pg_exec(pg, "close load", NULL, l->err);
	PQclear(res);
	return res ? 0 : -EIO;
}
#define EACH(l, sql, fn) each_row(l, "declare load no scroll cursor for " sql, fn)

static int
note_key_meter(struct loader *l, int64_t key_id, int64_t meter_id, uint32_t ix)
{
	if (l->n_meters == l->cap_meters) {
		size_t want = l->cap_meters ? l->cap_meters * 2 : 1024;
		struct key_meter *more = reallocarray(l->meters, want, sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->meters = more;
		l->cap_meters = want;
	}
	l->meters[l->n_meters++] = (struct key_meter){ .key_id = key_id, .meter_id = meter_id,
		.ix = ix };
	return 0;
}

static int
cmp_key_meter(const void *pa, const void *pb)
{
	const struct key_meter *a = pa, *b = pb;

	if (a->key_id != b->key_id)
		return a->key_id < b->key_id ? -1 : 1;
	return (a->meter_id > b->meter_id) - (a->meter_id < b->meter_id);
}

/* Both walk in order of key, so each meter is looked at once. */
static int
take_meters(struct loader *l, struct ag_key *key)
{
	while (l->next_meter < l->n_meters && l->meters[l->next_meter].key_id < key->id)
		l->next_meter++; /* of a deleted key */
	for (; l->next_meter < l->n_meters && l->meters[l->next_meter].key_id == key->id;
	    l->next_meter++) {
		if (key->n_meters == AG_KEY_METERS_MAX)
			return -E2BIG;
		key->meters[key->n_meters++] = l->meters[l->next_meter].ix;
	}
	return 0;
}

static int
on_meter(struct loader *l, const PGresult *res, int row)
{
	struct ag_meter_def def;
	bool is_new;
	uint32_t ix;
	int rc;

	if (ag_meters_def(res, row, &def) < 0)
		return ag_err_set(l->err, -EINVAL, "meter %s cannot be read", PQgetvalue(res, row, 0));
	rc = l->has_lock ? ag_metertab_put_locked(l->ctl->ctx->shm, &def, &ix, &is_new)
	    : ag_metertab_put(l->ctl->ctx->shm, &def, &ix, &is_new);
	if (rc == -EINVAL) {
		/* A slot that stands for something else under this number: never ours. */
		ag_error("meter %lld stands with another kind or unit, making it anew",
		    (long long)def.id);
		if (ag_metertab_find(l->ctl->ctx->shm, def.id, &ix) == 0)
			ag_metertab_free(l->ctl->ctx->shm, ix);
		rc = l->has_lock ? ag_metertab_put_locked(l->ctl->ctx->shm, &def, &ix, &is_new)
		    : ag_metertab_put(l->ctl->ctx->shm, &def, &ix, &is_new);
	}
	if (rc < 0)
		return ag_err_set(l->err, rc, "cannot place meter %lld: %s", (long long)def.id,
		    rc == -ENOSPC ? "the table is full, see directive max_meters" : "error");
	bit_set(l->seen, ix);
	if (def.level == AG_LEVEL_KEY && note_key_meter(l, ag_pg_i64(res, row, 2), def.id, ix) < 0)
		return ag_err_set(l->err, -ENOMEM, "could not load the meters: out of memory");
	if ((is_new || l->is_cold) && def.kind == AG_METER_BUDGET) {
		bit_set(l->restore, ix);
		l->any_restore = true;
	}
	return 0;
}

static int
on_budget(struct loader *l, const PGresult *res, int row)
{
	int64_t period = ag_pg_i64(res, row, 1), start, end;
	const struct ag_meter *m;
	uint32_t ix;

	if (ag_metertab_find(l->ctl->ctx->shm, ag_pg_i64(res, row, 0), &ix) < 0 ||
	    !bit_get(l->restore, ix))
		return 0;
	m = ag_metertab_at(l->ctl->ctx->shm, ix);
	/* The account of now, or a later one that was opened before the period was changed. */
	if (period >= ag_period_number((enum ag_period_kind)ag_a32_get(&m->period_kind),
	    ag_meter_period_days(m), ag_a32_get(&m->anchor_day), ag_a32_get(&m->resets),
	    l->now_us, &start, &end))
		ag_metertab_restore(l->ctl->ctx->shm, ix, period, ag_pg_i64(res, row, 2));
	return 0;
}

static int
on_policy_reset(struct loader *l, const PGresult *res, int row)
{
	struct ag_meter_def def;
	uint32_t ix;
	bool is_new;
	int rc;

	ag_policy_value_def(res, row, &def);
	rc = ag_metertab_put(l->ctl->ctx->shm, &def, &ix, &is_new);
	return rc < 0 ? ag_err_set(l->err, rc, "cannot place a meter of policy %lld: %s",
	    (long long)def.owner, rc == -ENOSPC ? "the table is full, see directive max_meters" : "error") : 0;
}

/* A value that spent in the period it is now gets its meter back with what it spent, before anybody
 * can use it anew; of what is over nothing need be known. */
static int
on_policy_budget(struct loader *l, const PGresult *res, int row)
{
	int64_t period = ag_pg_i64(res, row, 12), start, end;
	struct ag_meter_def def;
	uint32_t ix;
	int rc;

	ag_policy_value_def(res, row, &def);
	if (period < ag_period_number(def.period_kind, def.period_days, def.anchor_day, def.resets,
	    l->now_us, &start, &end))
		return 0;
	rc = on_policy_reset(l, res, row);
	if (rc == 0 && ag_metertab_find(l->ctl->ctx->shm, def.id, &ix) == 0)
		ag_metertab_restore(l->ctl->ctx->shm, ix, period, ag_pg_i64(res, row, 13));
	return rc;
}

/* What finds no place is nobody's: refused, as it would be without its row. */
static int
on_object(struct loader *l, const PGresult *res, int row)
{
	const struct ag_shm *shm = l->ctl->ctx->shm;
	struct ag_str id = ag_str_n(PQgetvalue(res, row, 1), (size_t)PQgetlength(res, row, 1));
	enum ag_object_kind kind = ag_pg_bool(res, row, 3) ? AG_OBJECT_FLEETING : AG_OBJECT_KEPT;

	if (ag_objtab_put(shm, ag_objtab_tag(ag_pg_i64(res, row, 0), id), ag_pg_i64(res, row, 2), kind,
	    ag_pg_i64(res, row, 4)) < 0) {
		if (l->unowned++ == 0)
			ag_error("object %.64s of a provider does not fit into shared memory, it is refused until "
			    "max_objects is raised", id.p);
		ag_count(AG_CNT_objects_unowned);
	}
	return 0;
}

static int
on_key(struct loader *l, const PGresult *res, int row)
{
	struct ag_str metadata;
	struct ag_key key, former;
	int rc = ag_publish_key_row(l->ctl, res, row, &key, &metadata);

	if (rc == 0)
		rc = take_meters(l, &key);
	if (rc < 0)
		return ag_err_set(l->err, rc, "key %s cannot be read", PQgetvalue(res, row, 1));
	if (push(&l->keys, &l->n_keys, &l->cap_keys, key.id) < 0)
		return ag_err_set(l->err, -ENOMEM, "could not load the keys: out of memory");
	rc = 0;
	if (ag_publish_former(res, row, &key, &former)) {
		if (push(&l->formers, &l->n_formers, &l->cap_formers, key.id) < 0)
			return ag_err_set(l->err, -ENOMEM, "could not load the keys: out of memory");
		rc = ag_keytab_put(l->ctl->keys, &former, metadata);
	}
	if (rc == 0)
		rc = ag_keytab_put(l->ctl->keys, &key, metadata);
	if (rc == -ENOSPC || rc == -E2BIG) {
		/* One key that does not fit must not keep all the others out. */
		if (l->skipped++ == 0)
			ag_error("key %s does not fit into shared memory (%s), it is refused until "
			    "max_keys is raised", PQgetvalue(res, row, 1),
			    rc == -ENOSPC ? "table full" : "metadata too long");
		(void)ag_keytab_del(l->ctl->keys, key.id); /* what stands is not what was written */
		return 0;
	}
	return rc < 0 ? ag_err_set(l->err, rc, "could not publish a key") : 0;
}

static int
cmp_i64(const void *pa, const void *pb)
{
	const int64_t *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

static void
note_gone(int64_t key_id, bool is_former, void *arg)
{
	struct loader *l = arg;
	const int64_t *list = is_former ? l->formers : l->keys;
	size_t n = is_former ? l->n_formers : l->n_keys;

	if (n == 0 || !bsearch(&key_id, list, n, sizeof(key_id), cmp_i64))
		if (push(&l->gone, &l->n_gone, &l->cap_gone, is_former ? -key_id : key_id) < 0)
			l->skipped++;
}

static uint32_t
free_unseen(struct loader *l)
{
	const struct ag_shm *shm = l->ctl->ctx->shm;
	uint32_t freed = 0, from, to;

	for (to = 0; ag_metertab_next_run(shm, to, &from, &to);)
		for (uint32_t ix = from; ix < to; ix++) {
			const struct ag_meter *m = &shm->meters[ix];
			int64_t id = ag_a64_get(&m->id);

			if (id < 0)
				l->ctl->freed_meters++; /* by our predecessor, maybe */
			if (id <= 0 || bit_get(l->seen, ix) ||
			    ag_a32_observe(&m->kind) == AG_METER_FREE ||
			    ag_a32_get(&m->level) == AG_LEVEL_POLICY)
				continue;
			ag_metertab_free(shm, ix);
			freed++;
		}
	l->ctl->freed_meters += freed;
	return freed;
}

static uint32_t
remove_gone(struct loader *l)
{
	/* All that were read stand; are they all that stand, none is gone. */
	if (l->skipped > 0 || ag_keytab_count(l->ctl->keys) != l->n_keys)
		ag_keytab_each(l->ctl->keys, note_gone, l);
	for (size_t i = 0; i < l->n_gone; i++)
		if ((l->gone[i] < 0 ? ag_keytab_del_former(l->ctl->keys, -l->gone[i])
		    : ag_keytab_del(l->ctl->keys, l->gone[i])) == 0)
			ag_count(AG_CNT_keys_changed);
	l->ctl->freed_meters = 0;
	return free_unseen(l);
}

static int
load_all(struct loader *l, struct ag_plan *plan)
{
	struct ag_control *ctl = l->ctl;
	uint32_t freed;
	int rc;

	if ((rc = EACH(l, SQL_LOAD_METERS, on_meter)) < 0)
		return rc;
	if (l->n_meters > 0)
		qsort(l->meters, l->n_meters, sizeof(*l->meters), cmp_key_meter);
	if (l->any_restore && (rc = EACH(l, SQL_LOAD_BUDGETS, on_budget)) < 0)
		return rc;
	if ((rc = EACH(l, SQL_LOAD_POLICY_RESETS, on_policy_reset)) < 0 ||
	    (l->is_cold && (rc = EACH(l, SQL_LOAD_POLICY_BUDGETS, on_policy_budget)) < 0) ||
	    (l->is_cold && (rc = EACH(l, SQL_LOAD_OBJECTS, on_object)) < 0))
		return rc;
	if ((rc = ag_catalog_read(ctl, plan, l->err)) < 0 ||
	    (rc = ag_plan_apply(plan, ctl, l->err)) < 0 ||
	    (rc = EACH(l, SQL_KEY_SLOTS_ALL, on_key)) < 0)
		return rc;
	freed = remove_gone(l);
	ag_notice("loaded %zu keys, removed %zu keys and %u meters that were gone, catalogue of %zu "
	    "bytes, in %lld ms", l->n_keys, l->n_gone, freed, plan->blob.n,
	    (long long)((ag_clock_wall_us() - l->now_us) / AG_US_PER_MS));
	return 0;
}

/* A COMMIT of before, whose answer nobody got, may still be on its way: what it brings would never be
 * published. */
static int
await_changes(struct ag_control *ctl, struct ag_err *err)
{
	int rc = ag_pg_begin(ctl->pg, AG_PG_WRITE, err);
	PGresult *res;

	if (rc < 0)
		return rc;
	res = ag_pg_exec(ctl->pg, SQL_LOAD_LOCK, NULL, err);
	PQclear(res);
	ag_pg_rollback(ctl->pg);
	return res ? 0 : -EIO;
}

int
ag_publish_load(struct ag_control *ctl, struct ag_err *err)
{
	size_t bytes = ctl->ctx->shm->hdr->sizes.meters / 8 + 1;
	struct loader l = { .ctl = ctl, .err = err, .now_us = ag_clock_wall_us(),
		.seen = calloc(bytes, 1), .restore = calloc(bytes, 1) };
	struct ag_plan plan;
	int rc;

	l.is_cold = ag_a32_observe(&ctl->ctx->shm->hdr->state) == AG_SHM_COLD;
	ag_plan_init(&plan);
	if (!l.seen || !l.restore)
		rc = ag_err_set(err, -ENOMEM, "could not load: out of memory");
	else
		rc = await_changes(ctl, err);
	if (rc == 0)
		rc = ag_pg_begin(ctl->pg, AG_PG_READ, err);
	if (rc == 0) {
		ag_pg_set_deadline(ctl->pg, AG_PG_LOAD_US);
		rc = load_all(&l, &plan);
		ag_pg_rollback(ctl->pg);
		ag_pg_set_deadline(ctl->pg, AG_PG_DEADLINE_US);
	}
	if (rc == 0)
		ag_plan_fini(&plan);
	else
		ag_plan_abandon(&plan, ctl);
	free(l.seen);
	free(l.restore);
	free(l.meters);
	free(l.keys);
	free(l.formers);
	free(l.gone);
	return rc;
}
