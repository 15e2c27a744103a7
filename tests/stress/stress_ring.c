/* stress_ring.c - producers and consumers of one ring die at every point; what comes out is a
 * sequence without holes, doubles or damage. */
#include <sched.h>
#include <stdlib.h>

#include "shm/ring.h"
#include "stress.h"
#include "../unit/shm_fixture.h"
#include "../unit/tap.h"

static struct ag_shm shm;
static int64_t goal;

static int
producer(void *arg)
{
	struct ag_ring r = ag_ring_of(&shm, 0);
	static char metadata[2000];
	uint8_t out[AG_RECORD_MAX] AG_ALIGNED(8);

	stress_seed((uint64_t)(uintptr_t)arg);
	memset(metadata, 'm', sizeof(metadata));
	ag_ring_recover(&r);
	while (ag_ring_next_seq(&r) <= (uint64_t)goal) {
		struct ag_record fixed = { .key_id = (int64_t)ag_ring_next_seq(&r) };
		struct ag_str strs[AG_RS_COUNT] = {
			[AG_RS_METADATA] = ag_str_n(metadata, stress_random(sizeof(metadata))) };

		ag_record_build(&fixed, NULL, 0, strs, out, sizeof(out));
		while (ag_ring_push(&r, (const void *)out) < 0)
			sched_yield();
	}
	return 0;
}

static int
consumer(void *arg)
{
	struct ag_ring r = ag_ring_of(&shm, 0);
	uint64_t cursor = (uint64_t)ag_a64_get(&r.hdr->tail);
	uint64_t safe = (uint64_t)ag_a64_get(&r.hdr->safe_seq);

	stress_seed((uint64_t)(uintptr_t)arg);
	while (safe < (uint64_t)goal) {
		bool is_corrupt;
		const struct ag_record *rec = ag_ring_peek(&r, &cursor, &is_corrupt);

		if (is_corrupt)
			return 1;
		if (!rec) {
			sched_yield();
			continue;
		}
		if (rec->seq <= safe)
			continue; /* safe already: the last consumer died before he let it go */
		if (rec->seq != safe + 1 || rec->key_id != (int64_t)rec->seq)
			return 2;
		safe = rec->seq;
		ag_ring_release(&r, cursor, safe);
	}
	return 0;
}

int
main(void)
{
	int64_t deaths = 0;
	uintptr_t n = 1;
	pid_t p, c, who;
	int alive = 2;

	shm = fixture_shm();
	goal = stress_ops(100000);
	stress_seed(5);
	/* Whoever died is replaced; the other goes on meanwhile. */
	p = stress_fork(producer, (void *)n++, 500);
	c = stress_fork(consumer, (void *)n++, 300);
	while (alive > 0) {
		int crash_at = 1 + (int)stress_random(3000);

		if (!stress_reap_any(&who)) {
			alive--;
			continue;
		}
		deaths++;
		if (who == p)
			p = stress_fork(producer, (void *)n++, crash_at);
		else
			c = stress_fork(consumer, (void *)n++, crash_at);
	}
	(void)c;
	is_i64(ag_a64_get(&ag_ring_of(&shm, 0).hdr->safe_seq), goal, "every record arrived once, in order");
	ok(deaths > 4, "%lld deaths on the way", (long long)deaths);
	ag_shm_unmap(&shm);
	return done();
}
