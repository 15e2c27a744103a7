/* stress_holds.c - workers die between every two steps of taking, sending, recording and settling,
 * and so do the successors that sweep after them.
 *
 * Whatever happens: what was sent is recorded exactly once; a budget never has less used than the
 * records charge, and exactly that when nothing in it is suspect; no limit is passed. */
#include <stdlib.h>
#include <signal.h>
#include <unistd.h>

#include "limit/holds.h"
#include "shm/crash_point.h"
#include "stress.h"
#include "../unit/shm_fixture.h"
#include "../unit/tap.h"

#define NOW     INT64_C(1795392000000000)
#define METERS  7
#define WORKERS 3
#define SLOTS   4
#define REQS    (1 << 20)

static struct ag_shm shm;
static uint32_t meters[METERS];
static struct shared {
	/* bit 1: ag_holds_sent() was called; bit 2: it returned, so bytes may be out; by attempt */
	struct ag_a32 sent[REQS][2];
	struct ag_a64 next_req, violations, raised;
} *sh;

/* ---- what all of it is about ---- */

static void
make_meters(int64_t limit)
{
	struct ag_meter_def def = { .alert_at = INT64_MAX, .window_us = 60000000, .limit = limit };
	static const struct { enum ag_meter_kind kind; enum ag_unit unit; } kinds[METERS] = {
		{ AG_METER_BUDGET, AG_UNIT_NUSD }, { AG_METER_RATE, AG_UNIT_TOKENS },
		{ AG_METER_BUDGET, AG_UNIT_TOKENS }, { AG_METER_GAUGE, AG_UNIT_REQUESTS },
		{ AG_METER_RATE, AG_UNIT_REQUESTS }, { AG_METER_BUDGET, AG_UNIT_REQUESTS },
		{ AG_METER_BUDGET, AG_UNIT_NUSD },
	};

	for (int i = 0; i < METERS; i++) {
		def.id = i + 1;
		def.kind = kinds[i].kind;
		def.unit = kinds[i].unit;
		if (def.kind == AG_METER_RATE)
			def.limit = INT64_MAX / 2;
		else
			def.limit = limit;
		meters[i] = fixture_meter(&shm, &def);
	}
}

static void
open_segment(uint32_t workers, uint64_t ring_bytes, int64_t limit)
{
	struct ag_shm_sizes sizes = fixture_sizes();

	sizes.workers = workers;
	sizes.inflight = SLOTS;
	sizes.keys = sizes.meters = 16;
	sizes.blob_units = 32;
	sizes.ring_bytes = ring_bytes;
	sizes.catalog_bytes = 4096;
	shm = fixture_open(&sizes);
	make_meters(limit);
}

static struct ag_meter_state
state_of(int i)
{
	struct ag_meter_state s;

	ag_meter_read(ag_metertab_at(&shm, meters[i]), 0, NOW, &s);
	return s;
}

static bool
is_suspect(int i)
{
	return ag_a32_get(&ag_metertab_at(&shm, meters[i])->suspect) != 0;
}

static bool
is_budget(int i)
{
	return ag_a32_get(&ag_metertab_at(&shm, meters[i])->kind) == AG_METER_BUDGET;
}

static bool
is_rate(int i)
{
	return ag_a32_get(&ag_metertab_at(&shm, meters[i])->kind) == AG_METER_RATE;
}

/* Something of somebody else's on every meter, so that what is given back once too often is
 * missed.  For books_agree() it is as if it had been charged; on a gauge it stays open. */
static void
charge_strangers(int64_t charged[METERS + 1])
{
	for (int i = 0; i < METERS; i++) {
		struct ag_meter *m = ag_metertab_at(&shm, meters[i]);
		struct ag_hold h;

		if (ag_meter_take(m, meters[i], 500, NOW, &h) != AG_TAKE_OK)
			abort();
		if (is_budget(i))
			ag_meter_settle(m, &h, 500, NOW);
		charged[i + 1] = 500;
	}
}

/* ---- a request ---- */

static void
send_attempt(struct ag_inflight *slot, int64_t req, uint16_t attempt)
{
	struct ag_record fixed = { .key_id = req, .attempt = attempt };
	struct ag_str strs[AG_RS_COUNT] = { [AG_RS_PROVIDER] = AG_STR("openai") };

	slot->draft_bytes = (uint32_t)ag_record_build(&fixed, NULL, 0, strs, slot->draft, AG_DRAFT_BYTES);
	AG_CRASH_POINT();
	ag_a32_set(&sh->sent[req][attempt - 1], 1);
	ag_holds_sent(slot);
	ag_a32_set(&sh->sent[req][attempt - 1], 3);
	AG_CRASH_POINT();
}

static int64_t
req_new(void)
{
	int64_t req = ag_a64_add(&sh->next_req, 1);

	if (req >= REQS)
		abort();
	return req;
}

static enum ag_take
req_take(struct ag_inflight *slot, const struct ag_amounts *held)
{
	uint32_t denied;

	return ag_holds_take(&shm, slot, 1, meters, METERS, held, NOW, &denied);
}

static bool
req_settle(struct ag_ring *ring, struct ag_inflight *slot, int64_t req, uint16_t attempt,
    const struct ag_amounts *actual)
{
	struct ag_record fixed = { .key_id = req, .attempt = attempt, .is_final = 1,
		.outcome = AG_OUT_ANSWERED, .charged_nusd = actual->nusd };
	struct ag_str strs[AG_RS_COUNT] = { [AG_RS_PROVIDER] = AG_STR("openai") };

	return ag_holds_settle(&shm, ring, slot, &fixed, strs, actual, NOW) == 0;
}

/* ---- every point ---- */

enum story { TAKE_AND_RELEASE, DENIED, SETTLE_LESS, SETTLE_MORE, RETRY, RAISED, RAISE_DENIED, STORIES };

#define BUDGETS (1u << 0 | 1u << 2 | 1u << 6) /* of money and tokens */

/* Holds that grow while the answer comes; the last meter has no room for it in the second story. */
static bool
raise_holds(struct ag_inflight *slot, enum story story)
{
	struct ag_amounts to = { .nusd = 400, .tokens = 90, .requests = 1 };
	uint32_t denied = 99;
	enum ag_take got;

	if (story == RAISE_DENIED)
		ag_a64_set(&ag_metertab_at(&shm, meters[METERS - 1])->limit, 700);
	got = ag_holds_raise(&shm, slot, BUDGETS, &to, &denied);
	if (story == RAISE_DENIED)
		return got == AG_TAKE_DENIED && denied == METERS - 1;
	to.nusd = 900;
	return got == AG_TAKE_OK && ag_holds_raise(&shm, slot, BUDGETS, &to, &denied) == AG_TAKE_OK;
}

static int
tell(void *arg)
{
	enum story story = (enum story)(uintptr_t)arg;
	struct ag_inflight *slot = ag_shm_inflight(&shm, 0, 1);
	struct ag_ring ring = ag_ring_of(&shm, 0);
	struct ag_amounts held = { .nusd = 100, .tokens = 50, .requests = 1 };
	struct ag_amounts less = { .nusd = 30, .tokens = 20, .requests = 1 };
	struct ag_amounts more = { .nusd = 300, .tokens = 70, .requests = 1 };
	struct ag_str strs[AG_RS_COUNT] = { { 0 } };
	int64_t req = req_new();
	struct ag_record failed = { .key_id = req, .attempt = 1 };

	if (story == DENIED)
		ag_a64_set(&ag_metertab_at(&shm, meters[METERS - 1])->limit, 510);
	if (req_take(slot, &held) != AG_TAKE_OK)
		return story == DENIED ? 0 : 1;
	if (story == TAKE_AND_RELEASE) {
		ag_holds_release(&shm, slot);
		return 0;
	}
	send_attempt(slot, req, 1);
	if ((story == RAISED || story == RAISE_DENIED) && !raise_holds(slot, story))
		return 3;
	if (story == RETRY) {
		if (ag_holds_record_attempt(&ring, slot, &failed, strs) < 0)
			return 2;
		send_attempt(slot, req, 2);
	}
	return !req_settle(&ring, slot, req, story == RETRY ? 2 : 1,
	    story == SETTLE_MORE ? &more : &less);
}

static int
sweep(void *arg)
{
	struct ag_sweep s;

	(void)arg;
	ag_holds_sweep(&shm, 0, NOW, &s);
	return s.waiting != 0;
}

/* Counts the records of each attempt and adds their charges by meter id; false on any that should
 * not be. */
static bool
read_ring(uint32_t worker, uint64_t *cursor, uint64_t *last, int64_t charged[METERS + 1],
    uint8_t (*seen)[2])
{
	struct ag_ring ring = ag_ring_of(&shm, worker);
	const struct ag_record *rec;
	bool is_corrupt;

	while ((rec = ag_ring_peek(&ring, cursor, &is_corrupt)) != NULL) {
		const struct ag_charge *c = ag_record_charges(rec);

		if (rec->seq != ++*last || rec->attempt < 1 || rec->attempt > 2 ||
		    rec->key_id < 0 || rec->key_id >= REQS || seen[rec->key_id][rec->attempt - 1]++)
			return false;
		for (uint16_t i = 0; i < rec->n_charges; i++)
			charged[c[i].meter_id] += c[i].amount;
	}
	ag_ring_release(&ring, *cursor, *last);
	return !is_corrupt;
}

static bool
sent_is_recorded(int64_t reqs, uint8_t (*seen)[2])
{
	for (int64_t r = 0; r < reqs; r++) {
		for (int a = 0; a < 2; a++) {
			uint32_t sent = ag_a32_get(&sh->sent[r][a]);

			if ((sent == 3 && !seen[r][a]) || (sent == 0 && seen[r][a])) {
				printf("# request %lld attempt %d: sent %u, recorded %d times\n", (long long)r,
				    a + 1, sent, seen[r][a]);
				return false;
			}
		}
	}
	return true;
}

static bool
books_agree(const int64_t charged[METERS + 1], unsigned *suspects)
{
	for (int i = 0; i < METERS; i++) {
		int64_t used = state_of(i).used;

		*suspects += is_suspect(i);
		if (!is_rate(i) && (used < charged[i + 1] || (used != charged[i + 1] && !is_suspect(i)))) {
			printf("# meter %d: used %lld, charged %lld, suspect %d\n", i + 1, (long long)used,
			    (long long)charged[i + 1], is_suspect(i));
			return false;
		}
	}
	return true;
}

static bool
slots_are_free(void)
{
	for (uint32_t w = 0; w < shm.hdr->sizes.workers; w++)
		for (uint32_t i = 0; i < SLOTS; i++)
			if (ag_a32_get(&ag_shm_inflight(&shm, w, i)->state) != AG_INFLIGHT_FREE)
				return false;
	return true;
}

/* The story with a death at point n, and successors that die at point m of their work, then one
 * that lives.  *out_told: it was told to its end before point n came. */
static bool
one_death(enum story story, int n, int m, bool *out_told, bool *out_swept, unsigned *suspects)
{
	int64_t charged[METERS + 1] = { 0 };
	static uint8_t seen[REQS][2];
	uint64_t cursor = 0, last = 0;
	unsigned here = 0;
	bool good;

	ag_a64_set(&sh->next_req, 0);
	ag_a32_set(&sh->sent[0][0], 0);
	ag_a32_set(&sh->sent[0][1], 0);
	seen[0][0] = seen[0][1] = 0;
	open_segment(1, 65536, 100000);
	charge_strangers(charged);
	*out_told = !stress_reap(stress_fork(tell, (void *)(uintptr_t)story, n));
	*out_swept = true;
	for (int tries = 0; m > 0 && tries < 2; tries++)
		*out_swept = !stress_reap(stress_fork(sweep, NULL, m));
	sweep(NULL);
	good = read_ring(0, &cursor, &last, charged, seen) && sent_is_recorded(1, seen) &&
	    books_agree(charged, &here) && slots_are_free() && here <= (m > 0 ? 3 : 1);
	*suspects += here;
	if (!good)
		printf("# story %d, death at %d, of the successors at %d, %u suspect\n", (int)story, n, m, here);
	ag_shm_unmap(&shm);
	return good;
}

static void
a_death_at_every_point(enum story story, const char *what)
{
	unsigned suspects = 0, deaths = 0;
	bool good = true, is_told = false, is_swept;

	for (int n = 1; good && !is_told; n++) {
		good = one_death(story, n, 0, &is_told, &is_swept, &suspects);
		deaths++;
		is_swept = false;
		for (int m = 1 + n % 3; good && !is_told && !is_swept; m += 3, deaths++)
			good = one_death(story, n, m, &is_told, &is_swept, &suspects);
	}
	ok(good && deaths > 10, "%s: %u deaths, %u meters in doubt", what, deaths, suspects);
}

/* ---- many at once ---- */

static int64_t goal, cap;

static void
observe_limits(void)
{
	for (int i = 0; i < METERS; i++)
		if (is_budget(i) && state_of(i).used > cap)
			ag_a64_add(&sh->violations, 1);
}

static void
work_on(uint32_t worker, struct ag_ring *ring, struct ag_inflight *slot)
{
	struct ag_amounts held = { .nusd = (int64_t)stress_random(50), .tokens = 1, .requests = 1 };
	struct ag_amounts actual = held;
	int64_t req;

	(void)worker;
	if (ag_a32_get(&slot->state) == AG_INFLIGHT_FREE) {
		/* Room is kept for what is in flight, as admission does. */
		if (ag_ring_room(ring) < (uint64_t)(SLOTS + 1) * 2 * AG_RECORD_MAX)
			return;
		req = req_new();
		if (req_take(slot, &held) != AG_TAKE_OK)
			return;
		if (stress_random(5) == 0) {
			ag_holds_release(&shm, slot);
			return;
		}
		send_attempt(slot, req, 1);
		return;
	}
	if (stress_random(3) == 0) {
		struct ag_amounts more = slot->held;
		uint32_t denied;

		/* What was there before is a share of it now. */
		more.nusd += (int64_t)stress_random(60);
		if (ag_holds_raise(&shm, slot, BUDGETS, &more, &denied) == AG_TAKE_OK)
			ag_a64_add(&sh->raised, 1);
	}
	actual.nusd = slot->held.nusd - (slot->held.nusd > 0 && stress_random(2) ? 1 : 0);
	req = ((const struct ag_record *)(const void *)slot->draft)->key_id;
	if (!req_settle(ring, slot, req, 1, &actual))
		abort();
	observe_limits();
}

static int
worker_main(void *arg)
{
	uint32_t worker = (uint32_t)((uintptr_t)arg & 0xff);
	struct ag_ring ring = ag_ring_of(&shm, worker);
	struct ag_sweep s;

	stress_seed((uint64_t)(uintptr_t)arg);
	ag_holds_sweep(&shm, worker, NOW, &s);
	if (s.waiting)
		return 1;
	while (ag_a64_get(&sh->next_req) < goal)
		work_on(worker, &ring, ag_shm_inflight(&shm, worker, (uint32_t)stress_random(SLOTS)));
	for (uint32_t i = 0; i < SLOTS; i++)
		if (ag_a32_get(&ag_shm_inflight(&shm, worker, i)->state) == AG_INFLIGHT_SENT)
			work_on(worker, &ring, ag_shm_inflight(&shm, worker, i));
	return 0;
}

/* A few random steps of time, then the knife: kills between any two instructions, not only where
 * a point was set. */
static bool
run_worker(uint32_t worker, uint64_t salt, pid_t *out)
{
	int crash_at = stress_random(3) == 0 ? 0 : 1 + (int)stress_random(3000);

	*out = stress_fork(worker_main, (void *)(uintptr_t)(salt << 8 | worker), crash_at);
	return crash_at == 0;
}

static void
many_deaths_at_once(void)
{
	static uint8_t seen[REQS][2];
	int64_t charged[METERS + 1] = { 0 }, deaths = 0;
	uint64_t cursor[WORKERS] = { 0 }, last[WORKERS] = { 0 }, salt = 1;
	bool good = true, is_done[WORKERS] = { false };
	unsigned suspects = 0;
	pid_t pid[WORKERS];
	int n_done = 0;

	goal = stress_ops(300000);
	if (goal > REQS - 100000)
		goal = REQS - 100000;
	cap = goal * 15; /* met when three quarters of the run are over */
	memset(sh, 0, sizeof(*sh));
	memset(seen, 0, sizeof(seen));
	open_segment(WORKERS, 1 << 18, cap);
	for (uint32_t w = 0; w < WORKERS; w++)
		run_worker(w, salt++, &pid[w]);
	for (uint32_t w = 0; n_done < WORKERS; w = (w + 1) % WORKERS) {
		for (uint32_t r = 0; r < WORKERS; r++)
			good = read_ring(r, &cursor[r], &last[r], charged, seen) && good;
		if (is_done[w])
			continue;
		usleep((useconds_t)stress_random(3000));
		kill(pid[w], SIGKILL);
		if (stress_reap(pid[w])) {
			deaths++;
			run_worker(w, salt++, &pid[w]);
		} else {
			is_done[w] = true;
			n_done++;
		}
	}
	for (uint32_t r = 0; r < WORKERS; r++)
		good = read_ring(r, &cursor[r], &last[r], charged, seen) && good;
	ok(good, "no record is missing, double or damaged");
	ok(sent_is_recorded(ag_a64_get(&sh->next_req), seen), "what was sent is recorded");
	ok(books_agree(charged, &suspects), "used is what was charged");
	ok(state_of(0).used - charged[1] <= deaths * 110, "a death leaves one hold in doubt at most");
	ok(slots_are_free(), "nothing is in flight");
	is_i64(ag_a64_get(&sh->violations), 0, "no limit was passed");
	/* Short of it by at most what the last requests held and did not use. */
	ok(state_of(0).used > cap - WORKERS * SLOTS * 50, "and it was met: used %lld of %lld", (long long)state_of(0).used,
	    (long long)cap);
	ok(ag_a64_get(&sh->raised) > 0, "%lld were raised", (long long)ag_a64_get(&sh->raised));
	ok(deaths > 0, "%lld deaths, %u meters in doubt", (long long)deaths, suspects);
	ag_shm_unmap(&shm);
}

int
main(void)
{
	sh = stress_shared(sizeof(*sh));
	stress_seed(3);
	a_death_at_every_point(TAKE_AND_RELEASE, "taken and released");
	a_death_at_every_point(DENIED, "refused by the last");
	a_death_at_every_point(SETTLE_LESS, "settled below the hold");
	a_death_at_every_point(SETTLE_MORE, "settled above the hold");
	a_death_at_every_point(RETRY, "sent twice");
	a_death_at_every_point(RAISED, "raised twice while the answer came");
	a_death_at_every_point(RAISE_DENIED, "raised, and put back because one had no room");
	many_deaths_at_once();
	return done();
}
