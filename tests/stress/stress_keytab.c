/* stress_keytab.c - one writer changes keys and dies at every point, readers look them up: no copy
 * is ever torn, metadata always belongs to its key, the next writer repairs. */
#include <errno.h>
#include <stdlib.h>

#include "shm/keytab.h"
#include "stress.h"
#include "../unit/shm_fixture.h"
#include "../unit/tap.h"

#define READERS 2
#define IDS     24

static struct ag_shm shm;
static struct shared {
	struct ag_a64 changes, torn, found, again, stop, unseen;
} *sh;
static int64_t goal;

/* All that a key holds follows from its id, its secret and its version. */
static struct ag_key
key_make(int64_t id, uint64_t secret, uint64_t version)
{
	struct ag_key k = { .id = id, .state = AG_KEY_ACTIVE, .n_meters = 8 };

	secret = (uint64_t)id * 4 + secret;
	ag_sha256(&secret, sizeof(secret), k.hash);
	k.user_id = (int64_t)version;
	k.org_id = (int64_t)ag_mix64(version);
	k.workspace_id = (int64_t)ag_mix64((uint64_t)id ^ version);
	k.config_id = (int64_t)ag_mix64((uint64_t)id + version);
	for (uint32_t i = 0; i < AG_KEY_METERS_MAX; i++)
		k.meters[i] = (uint32_t)version + i;
	return k;
}

static size_t
blob_make(const struct ag_key *k, char *out)
{
	uint64_t version = (uint64_t)k->user_id;
	size_t n = (size_t)(ag_mix64(version) % 400);

	memset(out, 'a' + (int)(ag_mix64(version ^ (uint64_t)k->id) % 26), n);
	return n;
}

static bool
is_whole(const struct ag_key *k, uint64_t secret, const char *blob, size_t blob_bytes)
{
	struct ag_key want = key_make(k->id, secret, (uint64_t)k->user_id);
	char want_blob[2048];
	size_t n = blob_make(&want, want_blob);

	want.serial = k->serial;
	want.blob_unit = k->blob_unit;
	want.blob_bytes = k->blob_bytes;
	return memcmp(&want, k, sizeof(want)) == 0 && n == blob_bytes &&
	    memcmp(blob, want_blob, n) == 0;
}

static int
writer(void *arg)
{
	unsigned repaired;
	struct ag_keytab_writer *w = ag_keytab_writer_new(&shm, &repaired);
	char blob[2048];

	stress_seed((uint64_t)(uintptr_t)arg);
	while (ag_a64_get(&sh->changes) < goal) {
		int64_t id = 1 + (int64_t)stress_random(IDS);
		uint64_t secret = stress_random(3);
		struct ag_key k = key_make(id, secret, stress_random(UINT32_MAX)), out;
		size_t n;

		if (stress_random(4) == 0) {
			ag_keytab_del(w, id);
		} else {
			n = blob_make(&k, blob);
			if (ag_keytab_put(w, &k, ag_str_n(blob, n)) < 0)
				return 1;
			/* Read your writes. */
			if (ag_keytab_find(&shm, k.hash, &out, blob, sizeof(blob), &n) < 0 ||
			    out.user_id != k.user_id)
				ag_a64_add(&sh->unseen, 1);
		}
		ag_a64_add(&sh->changes, 1);
	}
	ag_keytab_writer_free(w);
	return 0;
}

static int
reader(void *arg)
{
	stress_seed((uint64_t)(uintptr_t)arg);
	while (ag_a64_get(&sh->stop) == 0) {
		uint64_t secret = stress_random(3);
		struct ag_key like = key_make(1 + (int64_t)stress_random(IDS), secret, 0), k;
		char blob[2048];
		size_t n = 0;
		int rc = ag_keytab_find(&shm, like.hash, &k, blob, sizeof(blob), &n);

		if (rc == -EAGAIN)
			ag_a64_add(&sh->again, 1);
		if (rc == 0)
			ag_a64_add(&sh->found, 1);
		if (rc == 0 && (k.id != like.id || !is_whole(&k, secret, blob, n)))
			ag_a64_add(&sh->torn, 1);
	}
	return 0;
}

static int
last_repair(void *arg)
{
	unsigned repaired;
	struct ag_keytab_writer *w = ag_keytab_writer_new(&shm, &repaired);

	(void)arg;
	for (int64_t id = 1; id <= IDS; id++) {
		for (uint64_t secret = 0; secret < 3; secret++) {
			struct ag_key like = key_make(id, secret, 0), k;
			int rc = ag_keytab_find(&shm, like.hash, &k, NULL, 0, NULL);

			if (rc != 0 && rc != -ENOENT)
				return 1;
		}
		ag_keytab_del(w, id);
	}
	return ag_keytab_count(w) != 0;
}

int
main(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();
	pid_t readers[READERS];
	int64_t deaths = 0;
	uintptr_t n = 100;

	sh = stress_shared(sizeof(*sh));
	sizes.blob_units = 1024;
	shm = fixture_open(&sizes);
	goal = stress_ops(100000);
	for (int i = 0; i < READERS; i++)
		readers[i] = stress_fork(reader, (void *)n++, 0);
	stress_seed(9);
	while (stress_reap(stress_fork(writer, (void *)n++, 1 + (int)stress_random(3000))))
		deaths++;
	ag_a64_set(&sh->stop, 1);
	for (int i = 0; i < READERS; i++)
		ok(!stress_reap(readers[i]), "reader %d ended", i);
	is_i64(ag_a64_get(&sh->torn), 0, "no copy was torn");
	is_i64(ag_a64_get(&sh->unseen), 0, "the writer reads what it wrote");
	ok(ag_a64_get(&sh->found) > 0, "%lld copies, %lld given up", (long long)ag_a64_get(&sh->found),
	    (long long)ag_a64_get(&sh->again));
	ok(deaths > 0, "%lld writers died", (long long)deaths);
	ok(!stress_reap(stress_fork(last_repair, NULL, 0)), "after the last repair all can be found and deleted");
	ag_shm_unmap(&shm);
	return done();
}
