/* The newest decisions: found by request and by trace, overwritten by newer ones, never half. */
#include <sys/wait.h>
#include <unistd.h>

#include "shm/explain.h"
#include "shm_fixture.h"
#include "tap.h"

static struct ag_explain
entry(uint64_t n, uint8_t n_meters)
{
	struct ag_explain e = { .refused = AG_NONE_IX };

	e.brief.at_us = (int64_t)n;
	memcpy(e.brief.request_id, &n, sizeof(n));
	e.brief.trace_hash = ag_fnv1a(AG_STR("a trace"));
	e.brief.n_meters = n_meters;
	for (uint32_t i = 0; i < n_meters; i++)
		e.meter[i].id = e.meter[i].used = (int64_t)n;
	return e;
}

static void
id_of(uint64_t n, uint8_t out[16])
{
	memset(out, 0, 16);
	memcpy(out, &n, sizeof(n));
}

static void
what_was_put_is_found(const struct ag_shm *shm)
{
	struct ag_explain e = entry(7, 3), out;
	uint8_t id[16];

	id_of(7, id);
	is_i64(ag_explain_find(shm, id, AG_STR_NONE, &out), 0, "an empty ring has nothing");
	ag_explain_put(shm, 0, &e);
	is_i64(ag_explain_find(shm, id, AG_STR_NONE, &out), 2, "found by request");
	is_i64(out.meter[2].used, 7, "with its meters");
	is_i64(ag_explain_find(shm, NULL, AG_STR("a trace"), &out), 2, "found by trace");
	is_i64(ag_explain_find(shm, NULL, AG_STR("another"), &out), 0, "another trace is not");
	e = entry(8, 0);
	ag_explain_put_brief(shm, 1, &e.brief);
	is_i64(ag_explain_find(shm, NULL, AG_STR("a trace"), &out), 1, "the newest of a trace, of any worker");
	is_i64(out.brief.at_us, 8, "is the later one");
}

static void
the_oldest_go_first(const struct ag_shm *shm)
{
	struct ag_explain out;
	uint8_t id[16];

	for (uint64_t n = 100; n < 101 + AG_EXPLAIN_FULL; n++) {
		struct ag_explain e = entry(n, 1);

		ag_explain_put(shm, 0, &e);
	}
	id_of(100, id);
	is_i64(ag_explain_find(shm, id, AG_STR_NONE, &out), 0, "the oldest is gone");
	id_of(101, id);
	is_i64(ag_explain_find(shm, id, AG_STR_NONE, &out), 2, "the next one stands");
}

/* All meters of an entry hold its number: a torn one would show two. */
static void
nobody_reads_half_of_one(const struct ag_shm *shm)
{
	pid_t pid = fork();
	bool is_whole = true;
	int status = 0;

	if (pid == 0) {
		for (uint64_t n = 1000; n < 200000; n++) {
			struct ag_explain e = entry(n, AG_HOLDS_MAX);

			ag_explain_put(shm, 1, &e);
		}
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		struct ag_explain out;

		if (ag_explain_find(shm, NULL, AG_STR("a trace"), &out) != 2)
			continue;
		for (uint32_t i = 0; i < out.brief.n_meters; i++)
			if (out.meter[i].used != out.brief.at_us)
				is_whole = false;
	}
	ok(is_whole && status == 0, "no entry was read half");
}

int
main(void)
{
	struct ag_shm shm = fixture_shm();

	plan(10);
	what_was_put_is_found(&shm);
	the_oldest_go_first(&shm);
	nobody_reads_half_of_one(&shm);
	ag_shm_unmap(&shm);
	return done();
}
