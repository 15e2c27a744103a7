/* admission.c - what it costs to admit a request to its meters and to settle it, in shared memory alone:
 * no client, no provider, no clock but the processor's.  Prints a table; asserts nothing.
 *
 *     admission [operations]
 *
 * "meters": every meter taken and settled.  "admission": the same through the journal of holds, with a
 * ledger record built and put into the ring: everything a worker does for its limits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "limit/alert.h"
#include "limit/holds.h"
#include "limit/meter.h"
#include "shm/counters.h"
#include "shm/explain.h"
#include "shm/keytab.h"
#include "shm/metertab.h"
#include "shm/ring.h"
#include "shm/segment.h"

#define PROCS  2
#define ROUNDS 5

static struct ag_shm shm;
static int64_t ops = 1000000;
static struct ag_a64 *gate; /* shared: processes begin together */

static const struct ag_amounts held = { .nusd = 450000, .tokens = 1500, .requests = 1 };
static const struct ag_amounts actual = { .nusd = 120000, .tokens = 400, .requests = 1 };

/* Processor time: others may want the processor too. */
static int64_t
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * AG_US_PER_SEC + t.tv_nsec / 1000;
}

static void
give_up(const char *what)
{
	fprintf(stderr, "admission: %s\n", what);
	exit(1);
}

static void
open_segment(void)
{
	struct ag_shm_sizes sizes = { .workers = PROCS, .inflight = 64, .keys = 1 << 12,
		.meters = 1 << 12, .blob_units = 1 << 12, .counters = AG_COUNTERS, .objects = 64, .ring_bytes = 1 << 20,
		.catalog_bytes = 1 << 16 };
	struct ag_err err = { "" };
	bool is_fresh;
	char name[64];

	snprintf(name, sizeof(name), "/aigated-bench-%ld", (long)getpid());
	if (ag_shm_open(name, &sizes, true, &shm, &is_fresh, &err) < 0)
		give_up(err.text);
	ag_shm_unlink(name);
	gate = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (gate == MAP_FAILED)
		give_up("no memory");
}

/* The eight of a usual key, over and over: key (budget, requests a minute and an hour, tokens a
 * minute), workspace (budget, requests a minute), grant (budget, requests a minute). */
static uint32_t
make_meter(int64_t id, unsigned which, int64_t limit)
{
	static const struct { enum ag_meter_kind kind; enum ag_unit unit; int64_t window_us; } usual[8] = {
		{ AG_METER_BUDGET, AG_UNIT_NUSD, 0 },
		{ AG_METER_RATE, AG_UNIT_REQUESTS, AG_US_PER_MIN },
		{ AG_METER_RATE, AG_UNIT_REQUESTS, AG_US_PER_HOUR },
		{ AG_METER_RATE, AG_UNIT_TOKENS, AG_US_PER_MIN },
		{ AG_METER_BUDGET, AG_UNIT_NUSD, 0 },
		{ AG_METER_RATE, AG_UNIT_REQUESTS, AG_US_PER_MIN },
		{ AG_METER_BUDGET, AG_UNIT_NUSD, 0 },
		{ AG_METER_RATE, AG_UNIT_REQUESTS, AG_US_PER_MIN },
	};
	struct ag_meter_def def = { .id = id, .kind = usual[which % 8].kind,
		.unit = usual[which % 8].unit, .window_us = usual[which % 8].window_us,
		.level = AG_LEVEL_KEY, .limit = limit, .alert_at = INT64_MAX,
		.period_kind = def.kind == AG_METER_BUDGET ? AG_PERIOD_MONTHLY : AG_PERIOD_NONE };
	bool is_new;
	uint32_t ix;

	if (ag_metertab_put(&shm, &def, &ix, &is_new) < 0)
		give_up("no room for a meter");
	return ix;
}

/* ---- one admission ---- */

struct load {
	uint32_t worker, n;
	uint32_t meters[AG_HOLDS_MAX];
};

static void
one_of_meters(const struct load *l, int64_t now_us)
{
	static const int64_t amounts[] = { 0, 450000, 1500, 1 }, charged[] = { 0, 120000, 400, 1 };
	struct ag_hold h[AG_HOLDS_MAX];

	for (uint32_t i = 0; i < l->n; i++) {
		struct ag_meter *m = ag_metertab_at(&shm, l->meters[i]);

		if (ag_meter_take(m, l->meters[i], amounts[ag_a32_get(&m->unit)], now_us, &h[i]) != AG_TAKE_OK)
			give_up("refused");
	}
	for (uint32_t i = 0; i < l->n; i++)
		ag_meter_settle(ag_metertab_at(&shm, l->meters[i]), &h[i], charged[h[i].unit], now_us);
}

static void
one_admission(const struct load *l, struct ag_ring *ring, uint64_t *cursor, int64_t now_us)
{
	struct ag_inflight *slot = ag_shm_inflight(&shm, l->worker, 0);
	struct ag_record fixed = { .key_id = 1, .attempt = 1, .is_final = 1, .outcome = AG_OUT_ANSWERED };
	struct ag_str strs[AG_RS_COUNT] = { [AG_RS_PROVIDER] = AG_STR("openai"),
		[AG_RS_REQUESTED_MODEL] = AG_STR("gpt-4o-mini"), [AG_RS_PROVIDER_SLUG] = AG_STR("main"),
		[AG_RS_TRACE_ID] = AG_STR("0190f2b4-0000-7000-8000-000000000000") };
	uint32_t denied;
	bool is_corrupt;

	if (ag_holds_take(&shm, slot, 1, l->meters, l->n, &held, now_us, &denied) != AG_TAKE_OK)
		give_up("refused");
	slot->draft_bytes = (uint32_t)ag_record_build(&fixed, NULL, 0, strs, slot->draft, AG_DRAFT_BYTES);
	ag_holds_sent(slot);
	if (ag_holds_settle(&shm, ring, slot, &fixed, strs, &actual, now_us) < 0)
		give_up("the ring is full");
	if (ag_ring_room(ring) < (1 << 18)) { /* now and then: as the flusher does */
		const struct ag_record *rec;
		uint64_t last = 0;

		while ((rec = ag_ring_peek(ring, cursor, &is_corrupt)) != NULL)
			last = rec->seq;
		ag_ring_release(ring, *cursor, last);
	}
}

/* ns an operation; the clock of the meters goes on at the pace of a busy worker. */
static double
run(const struct load *l, bool is_whole)
{
	struct ag_ring ring = ag_ring_of(&shm, l->worker);
	int64_t now_us = ag_clock_wall_us(), t0, t1;
	static uint64_t cursor[PROCS];

	t0 = cpu_us();
	for (int64_t i = 0; i < ops; i++, now_us += 2) {
		if (is_whole)
			one_admission(l, &ring, &cursor[l->worker], now_us);
		else
			one_of_meters(l, now_us);
	}
	t1 = cpu_us();
	return (double)(t1 - t0) * 1000 / (double)ops;
}

/* The best of some rounds: what it costs when nothing else runs. */
static double
best(const struct load *l, bool is_whole)
{
	double least = 1e9;

	for (int r = 0; r < ROUNDS; r++) {
		double ns = run(l, is_whole);

		least = ns < least ? ns : least;
	}
	return least;
}

static void
uncontended(uint32_t n)
{
	struct load l = { .n = n };

	for (uint32_t i = 0; i < n; i++)
		l.meters[i] = make_meter(1000 + n * 100 + i, i, INT64_MAX / 4);
	printf("%2u meters                              meters %6.0f ns   admission %6.0f ns\n", n,
	    best(&l, false), best(&l, true));
}

/* ---- two processes on the organisation's meter ---- */

static void
contended(uint32_t n)
{
	uint32_t org = make_meter(9000 + n, 0, INT64_MAX / 4);
	int64_t *took = (int64_t *)(gate + 8);
	struct load l = { .n = n };

	ag_a64_set(gate, 0);
	for (uint32_t p = 0; p < PROCS; p++) {
		l.worker = p;
		for (uint32_t i = 0; i + 1 < n; i++)
			l.meters[i] = make_meter(9100 + n * 100 + p * 50 + i, i, INT64_MAX / 4);
		l.meters[n - 1] = org;
		if (fork() == 0) {
			ag_a64_add(gate, 1);
			while (ag_a64_get(gate) < PROCS)
				;
			took[p] = (int64_t)(run(&l, true) * 1000);
			_exit(0);
		}
	}
	for (uint32_t p = 0; p < PROCS; p++)
		wait(NULL);
	printf("%2u meters, the last shared by 2 processes                   admission %6.0f ns, %6.0f ns\n", n,
	    (double)took[0] / 1000, (double)took[1] / 1000);
}

/* ---- refusing ---- */

static void
refusing(void)
{
	struct ag_inflight *slot = ag_shm_inflight(&shm, 0, 1);
	struct ag_key key = { .id = 1, .state = AG_KEY_ACTIVE, .expires_at_us = INT64_MAX }, found;
	int64_t now_us = ag_clock_wall_us(), t0, t1, t2;
	uint32_t meters[8], denied;
	struct ag_keytab_writer *w;
	unsigned repaired;

	for (uint32_t i = 0; i < 8; i++)
		meters[i] = make_meter(100 + i, i, i == 0 ? 1 : INT64_MAX / 4);
	ag_sha256("ag-some-key", 11, key.hash);
	w = ag_keytab_writer_new(&shm, &repaired);
	if (!w || ag_keytab_put(w, &key, AG_STR("{\"team\":\"a\"}")) < 0)
		give_up("no room for a key");
	t0 = cpu_us();
	for (int64_t i = 0; i < ops; i++)
		if (ag_holds_take(&shm, slot, 1, meters, 8, &held, now_us, &denied) == AG_TAKE_OK)
			give_up("was not refused");
	t1 = cpu_us();
	for (int64_t i = 0; i < ops; i++) {
		uint8_t hash[AG_SHA256_LEN];
		char blob[256];
		size_t n;

		ag_sha256("ag-some-key", 11, hash);
		if (ag_keytab_find(&shm, hash, &found, blob, sizeof(blob), &n) < 0 ||
		    ag_holds_take(&shm, slot, 1, meters, 8, &held, now_us, &denied) == AG_TAKE_OK)
			give_up("was not refused");
		ag_budget_note_refusal(ag_metertab_at(&shm, meters[denied]), now_us);
	}
	t2 = cpu_us();
	printf("a spent key refused                     meters %6.0f ns   with hash and look-up of the key %6.0f ns\n",
	    (double)(t1 - t0) * 1000 / (double)ops, (double)(t2 - t1) * 1000 / (double)ops);
	ag_keytab_writer_free(w);
}

static void
explaining(void)
{
	struct ag_explain e = { .refused = 0 };
	int64_t n = ops / 4, t0, t1, t2;
	uint32_t meters[8];

	for (uint32_t i = 0; i < 8; i++)
		meters[i] = make_meter(200 + i, i, INT64_MAX / 4);
	t0 = cpu_us();
	for (int64_t i = 0; i < n; i++)
		ag_explain_put_brief(&shm, 0, &e.brief);
	t1 = cpu_us();
	e.brief.n_meters = 8;
	for (int64_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < 8; k++) {
			struct ag_meter_state s;

			ag_meter_read(ag_metertab_at(&shm, meters[k]), 0, ag_clock_wall_us(), &s);
			e.meter[k].used = s.used;
		}
		ag_explain_put(&shm, 0, &e);
	}
	t2 = cpu_us();
	printf("a decision kept to be explained         brief  %6.0f ns   full, 8 meters read %6.0f ns\n",
	    (double)(t1 - t0) * 1000 / (double)n, (double)(t2 - t1) * 1000 / (double)n);
}

int
main(int argc, char **argv)
{
	if (argc > 1 && ag_parse_i64(ag_str(argv[1]), 1, INT64_MAX / 4, &ops) < 0)
		give_up("how many operations?");
	open_segment();
	uncontended(1);
	uncontended(8);
	uncontended(16);
	contended(8);
	refusing();
	explaining();
	printf("bytes of shared memory: %zu a key (tables are at most half full: %zu), %zu a meter, "
	    "%u a run of metadata, %zu a request in flight\n", sizeof(struct ag_key_slot),
	    2 * sizeof(struct ag_key_slot), sizeof(struct ag_meter), 64u, sizeof(struct ag_inflight));
	ag_shm_unmap(&shm);
	return 0;
}
