#include <errno.h>

#include "shm/keytab.h"
#include "shm_fixture.h"
#include "tap.h"

static struct ag_shm shm;
static struct ag_keytab_writer *w;

static struct ag_key
key_of(int64_t id, uint64_t secret)
{
	struct ag_key k = { .id = id, .state = AG_KEY_ACTIVE, .kind = AG_KEY_WORKSPACE_USER,
		.org_id = 7, .expires_at_us = INT64_MAX };

	ag_sha256(&secret, sizeof(secret), k.hash);
	return k;
}

static int
find(const struct ag_key *like, struct ag_key *out, char *blob, size_t cap, size_t *n)
{
	return ag_keytab_find(&shm, like->hash, out, blob, cap, n);
}

static void
keys_come_change_and_go(void)
{
	struct ag_key a = key_of(1, 100), b = key_of(2, 200), out;
	struct ag_key rotated = key_of(1, 101);
	char blob[2048];
	size_t n = 99;

	is_i64(find(&a, &out, NULL, 0, NULL), -ENOENT, "an unknown key");
	is_i64(ag_keytab_put(w, &a, AG_STR("{\"team\":\"x\"}")), 0, "put");
	is_i64(ag_keytab_put(w, &b, AG_STR_NONE), 0, "another, without metadata");
	is_i64(find(&a, &out, blob, sizeof(blob), &n), 0, "found");
	ok(out.id == 1 && out.org_id == 7, "as it was put");
	ok(ag_str_eq(ag_str_n(blob, n), AG_STR("{\"team\":\"x\"}")), "with its metadata");
	is_i64(find(&a, &out, blob, 3, &n), -E2BIG, "too little room for it");
	is_i64(find(&b, &out, blob, sizeof(blob), &n), 0, "the other");
	is_i64((int64_t)n, 0, "has none");
	a.state = AG_KEY_DISABLED;
	is_i64(ag_keytab_put(w, &a, AG_STR("{}")), 0, "changed");
	is_i64(find(&a, &out, blob, sizeof(blob), &n), 0, "is found");
	ok(out.state == AG_KEY_DISABLED && n == 2, "changed");
	is_i64(ag_keytab_put(w, &rotated, AG_STR("{}")), 0, "its secret changes");
	is_i64(find(&a, &out, NULL, 0, NULL), -ENOENT, "the old one works no more");
	is_i64(find(&rotated, &out, NULL, 0, NULL), 0, "the new one does");
	is_i64(ag_keytab_count(w), 2, "it is the same key");
	is_i64(ag_keytab_get_by_id(w, 1, &out), 0, "found by id");
	ok(memcmp(out.hash, rotated.hash, AG_SHA256_LEN) == 0, "with the new hash");
	is_i64(ag_keytab_del(w, 1), 0, "deleted");
	is_i64(ag_keytab_del(w, 1), -ENOENT, "once");
	is_i64(find(&rotated, &out, NULL, 0, NULL), -ENOENT, "and gone");
	is_i64(ag_keytab_del(w, 2), 0, "the other too");
	is_i64(ag_keytab_count(w), 0, "none left");
}

static void
full_tables_refuse(void)
{
	static char big[2049];
	struct ag_key k, out;
	int rc = 0;
	int64_t id;

	memset(big, 'b', sizeof(big));
	k = key_of(1, 1);
	is_i64(ag_keytab_put(w, &k, ag_str_n(big, 2049)), -E2BIG, "too much metadata");
	for (id = 1; rc == 0 && id < 100; id++) {
		k = key_of(id, (uint64_t)id);
		rc = ag_keytab_put(w, &k, AG_STR_NONE);
	}
	is_i64(rc, -ENOSPC, "half of the slots is all");
	is_i64(ag_keytab_count(w), 32, "that is 32");
	k = key_of(5, 5);
	is_i64(ag_keytab_put(w, &k, AG_STR("{}")), 0, "a change still goes");
	k = key_of(5, 5555);
	is_i64(ag_keytab_put(w, &k, AG_STR("{}")), 0, "a new secret too");
	for (id = 1, rc = 0; id <= 32 && rc == 0; id++) {
		rc = ag_keytab_get_by_id(w, id, &k);
		if (rc == 0)
			rc = ag_keytab_put(w, &k, ag_str_n(big, 2048));
	}
	is_i64(rc, -ENOSPC, "the metadata area fills up");
	is_i64(id - 1, 4, "of four blocks of 2048 bytes one was begun");
	is_i64(ag_keytab_get_by_id(w, 1, &k), 0, "a key that has 2048 bytes");
	is_i64(ag_keytab_put(w, &k, ag_str_n(big, 2000)), -ENOSPC, "is changed beside the old ones");
	is_i64(ag_keytab_get_by_id(w, 1, &out), 0, "and when that does not fit");
	is_i64(out.blob_bytes, 2048, "keeps what it had");
	for (id = 1; id <= 32; id++)
		if (ag_keytab_del(w, id) < 0)
			ok(false, "deleting %lld", (long long)id);
	is_i64(ag_keytab_count(w), 0, "emptied");
}

/* As control does it: the slot that stands becomes the former secret's, then the new one is put. */
static void
a_rotated_key_stands_twice(void)
{
	struct ag_key old = key_of(1, 100), fresh = key_of(1, 101), out;
	unsigned repaired = 9;

	is_i64(ag_keytab_put(w, &old, AG_STR("{}")), 0, "a key");
	old.flags = AG_KEY_FLAG_FORMER;
	old.expires_at_us = 5000;
	is_i64(ag_keytab_put(w, &old, AG_STR("{}")), 0, "its secret becomes the former one");
	is_i64(ag_keytab_count(w), 1, "in the slot it had");
	is_i64(ag_keytab_get_by_id(w, 1, &out), -ENOENT, "which is not the key's own any more");
	is_i64(find(&old, &out, NULL, 0, NULL), 0, "but works");
	is_i64(ag_keytab_put(w, &fresh, AG_STR("{}")), 0, "the new secret");
	is_i64(find(&old, &out, NULL, 0, NULL), 0, "both are found");
	ok(out.id == 1 && out.expires_at_us == 5000, "the former with an end of its own");
	is_i64(find(&fresh, &out, NULL, 0, NULL), 0, "and the new one");
	ok(out.id == 1 && out.expires_at_us == INT64_MAX && out.flags == 0, "without");
	ag_keytab_writer_free(w);
	w = ag_keytab_writer_new(&shm, &repaired);
	ok(repaired == 0 && ag_keytab_count(w) == 2, "a new writer takes them for no accident");
	is_i64(ag_keytab_get_former(w, 1, &out), 0, "and tells them apart");
	is_i64(ag_keytab_del_former(w, 1), 0, "the former is revoked");
	is_i64(ag_keytab_del_former(w, 1), -ENOENT, "once");
	is_i64(find(&old, &out, NULL, 0, NULL), -ENOENT, "it works no more");
	is_i64(find(&fresh, &out, NULL, 0, NULL), 0, "the other does");
	is_i64(ag_keytab_put(w, &old, AG_STR("{}")), 0, "with both again");
	is_i64(ag_keytab_sweep_formers(w, 4999), 0, "it is not over before its time");
	is_i64(ag_keytab_sweep_formers(w, 5000), 1, "then its slot is given back");
	is_i64(ag_keytab_sweep_formers(w, 9000), 0, "once");
	is_i64(ag_keytab_count(w), 1, "the key itself stays");
	is_i64(ag_keytab_put(w, &old, AG_STR("{}")), 0, "and once more");
	is_i64(ag_keytab_del(w, 1), 0, "the key is deleted");
	is_i64(ag_keytab_count(w), 0, "with both its secrets");
}

static void
free_slots(int *out_free, int *out_tomb)
{
	*out_free = *out_tomb = 0;
	for (uint32_t i = 0; i < shm.hdr->sizes.keys; i++) {
		struct ag_key k;

		memcpy(&k, shm.keys[i].word, sizeof(k));
		*out_free += k.state == AG_KEY_FREE;
		*out_tomb += k.state == AG_KEY_TOMB;
	}
}

/* Against a plain array of what should be there; keys change secrets, metadata, come and go. */
static void
agrees_with_a_plain_list(void)
{
	static struct { bool is_there; uint64_t secret; size_t meta; } want[40];
	uint64_t seed = 7;
	char blob[2048], text[2048];
	bool good = true;
	unsigned repaired;
	int n_free, n_tomb;

	memset(text, 't', sizeof(text));
	for (int step = 0; step < 30000 && good; step++) {
		int64_t id = (int64_t)((seed = ag_mix64(seed + 1)) % 30) + 1;
		struct ag_key k, out;
		size_t n = 0;

		if (seed >> 40 & 1) {
			if (!want[id].is_there || (seed >> 41 & 7) == 0)
				want[id].secret = seed;
			want[id].meta = (seed >> 50) % 150;
			want[id].is_there = true;
			k = key_of(id, want[id].secret);
			good = ag_keytab_put(w, &k, ag_str_n(text, want[id].meta)) == 0;
		} else {
			good = (ag_keytab_del(w, id) == 0) == want[id].is_there;
			want[id].is_there = false;
		}
		if (step % 1000 == 0) {
			ag_keytab_writer_free(w);
			w = ag_keytab_writer_new(&shm, &repaired);
			good = good && w && repaired == 0;
		}
		id = (int64_t)(seed >> 32) % 30 + 1;
		k = key_of(id, want[id].secret);
		good = good && (find(&k, &out, blob, sizeof(blob), &n) == 0) == want[id].is_there &&
		    (!want[id].is_there || (out.id == id && n == want[id].meta));
	}
	ok(good, "30000 random changes");
	for (int64_t id = 1; id <= 30; id++)
		ag_keytab_del(w, id);
	free_slots(&n_free, &n_tomb);
	ok(n_free == 64 && n_tomb == 0, "an emptied table has no tombs left");
}

static void
collect(int64_t id, bool is_former, void *arg)
{
	(void)is_former;
	*(int64_t *)arg += id;
}

static void
what_a_dead_writer_left_is_repaired(void)
{
	struct ag_key a = key_of(1, 1), b = key_of(2, 2), twin, out;
	unsigned repaired = 0;
	int64_t sum = 0;
	uint32_t ix = 0;
	uint64_t home;

	is_i64(ag_keytab_put(w, &a, AG_STR("{}")), 0, "a key");
	is_i64(ag_keytab_put(w, &b, AG_STR("{}")), 0, "another");
	memcpy(&home, a.hash, sizeof(home));
	for (ix = (uint32_t)home & 63; ag_a64_get(&shm.keys[ix].word[4]) != 1; ix = (ix + 1) & 63)
		;
	ag_a32_add(&shm.keys[ix].seq, 1); /* died inside */
	is_i64(find(&a, &out, NULL, 0, NULL), -EAGAIN, "a torn slot says so");
	ag_keytab_writer_free(w);
	w = ag_keytab_writer_new(&shm, &repaired);
	is_i64(repaired, 1, "the next writer repairs it");
	is_i64(find(&a, &out, NULL, 0, NULL), -ENOENT, "the key is gone until it is loaded again");
	is_i64(find(&b, &out, NULL, 0, NULL), 0, "the other is not");

	/* died between the new slot of a changed secret and the end of the old one */
	is_i64(ag_keytab_get_by_id(w, 2, &b), 0, "by id");
	twin = key_of(2, 222);
	twin.id = 3;
	is_i64(ag_keytab_put(w, &twin, AG_STR("{\"new\":1}")), 0, "a twin");
	memcpy(&home, twin.hash, sizeof(home));
	for (ix = (uint32_t)home & 63; ag_a64_get(&shm.keys[ix].word[4]) != 3; ix = (ix + 1) & 63)
		;
	ag_a64_set(&shm.keys[ix].word[4], 2);
	ag_keytab_writer_free(w);
	w = ag_keytab_writer_new(&shm, &repaired);
	is_i64(repaired, 1, "of two with one id one goes");
	is_i64(find(&b, &out, NULL, 0, NULL), -ENOENT, "the older");
	is_i64(find(&twin, &out, NULL, 0, NULL), 0, "the newer stands");
	ag_keytab_each(w, collect, &sum);
	is_i64(sum, 2, "each id once");
}

int
main(void)
{
	unsigned repaired;

	shm = fixture_shm();
	w = ag_keytab_writer_new(&shm, &repaired);
	ok(w && repaired == 0, "a writer on a fresh segment");
	keys_come_change_and_go();
	a_rotated_key_stands_twice();
	full_tables_refuse();
	agrees_with_a_plain_list();
	what_a_dead_writer_left_is_repaired();
	ag_keytab_writer_free(w);
	ag_shm_unmap(&shm);
	return done();
}
