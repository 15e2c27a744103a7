/* bench_keytab.c - a million keys: how long they take to load and to find.  Prints, asserts
 * nothing; not part of make check.  AG_STRESS_OPS sets the number of keys. */
#include <stdlib.h>

#include "base/clock.h"
#include "shm/keytab.h"
#include "stress.h"
#include "../unit/shm_fixture.h"

static struct ag_key
key_make(int64_t id)
{
	struct ag_key k = { .id = id, .state = AG_KEY_ACTIVE };

	ag_sha256(&id, sizeof(id), k.hash);
	return k;
}

int
main(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();
	int64_t n = stress_ops(1000000), t0, t1, t2, t3, lost = 0;
	struct ag_str metadata = AG_STR("{\"team\":\"search\",\"env\":\"production\"}");
	struct ag_keytab_writer *w;
	struct ag_shm shm;
	struct ag_key *probes;
	unsigned repaired;

	sizes.keys = 16;
	while (sizes.keys < 2 * n)
		sizes.keys *= 2;
	sizes.blob_units = (uint32_t)n + 32;
	shm = fixture_open(&sizes);
	w = ag_keytab_writer_new(&shm, &repaired);
	t0 = ag_clock_mono_us();
	for (int64_t id = 1; id <= n; id++) {
		struct ag_key k = key_make(id);

		if (ag_keytab_put(w, &k, metadata) < 0)
			return 1;
	}
	t1 = ag_clock_mono_us();
	probes = calloc(100000, sizeof(*probes));
	for (int64_t i = 0; i < 100000; i++)
		probes[i] = key_make(1 + (int64_t)stress_random((uint64_t)n));
	t2 = ag_clock_mono_us();
	for (int64_t i = 0; i < 1000000; i++) {
		struct ag_key out;
		char blob[256];
		size_t blob_bytes;

		lost += ag_keytab_find(&shm, probes[i % 100000].hash, &out, blob, sizeof(blob),
		    &blob_bytes) < 0;
	}
	t3 = ag_clock_mono_us();
	printf("%lld keys in %llu MiB: loaded in %lld ms, %lld ns a look-up, %lld not found\n",
	    (long long)n, (unsigned long long)(shm.bytes >> 20), (long long)(t1 - t0) / 1000,
	    (long long)(t3 - t2) * 1000 / 1000000, (long long)lost);
	ag_keytab_writer_free(w);
	t2 = ag_clock_mono_us();
	w = ag_keytab_writer_new(&shm, &repaired);
	printf("a new writer finds %u keys in %lld ms\n", ag_keytab_count(w),
	    (long long)(ag_clock_mono_us() - t2) / 1000);
	ag_keytab_writer_free(w);
	free(probes);
	ag_shm_unmap(&shm);
	return 0;
}
