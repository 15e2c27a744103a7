/* Who made an object owns it, and nobody else; what was not noted is nobody's. */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "shm/objtab.h"
#include "shm_fixture.h"
#include "tap.h"

#define HOUR (3600 * AG_US_PER_SEC)

static uint64_t
tag_of(int64_t integration, const char *id)
{
	return ag_objtab_tag(integration, ag_str(id));
}

static void
an_object_is_its_makers(const struct ag_shm *shm)
{
	uint64_t tag = tag_of(1, "file-a");

	is_i64(ag_objtab_owner(shm, tag), 0, "what nobody noted is nobody's");
	is_i64(ag_objtab_put(shm, tag, 7, AG_OBJECT_KEPT, HOUR), 1, "noted");
	is_i64(ag_objtab_owner(shm, tag), 7, "and is its maker's");
	is_i64(ag_objtab_put(shm, tag, 7, AG_OBJECT_KEPT, HOUR), 0, "noted again it stays so");
	is_i64(ag_objtab_put(shm, tag, 8, AG_OBJECT_KEPT, HOUR), -EEXIST, "nobody else can claim it");
	is_i64(ag_objtab_owner(shm, tag), 7, "nor has");
	is_i64(ag_objtab_owner(shm, tag_of(2, "file-a")), 0, "the same id of another integration is another");
	is_i64(ag_objtab_owner(shm, tag_of(1, "file-")), 0, "and part of an id is none");
	ag_objtab_remove(shm, tag, 8);
	is_i64(ag_objtab_owner(shm, tag), 7, "another's removal removes nothing");
	ag_objtab_remove(shm, tag, 7);
	is_i64(ag_objtab_owner(shm, tag), 0, "its own does");
}

static void
numbers_that_do_not_fit_are_refused(const struct ag_shm *shm)
{
	is_i64(ag_objtab_put(shm, 5, 0, AG_OBJECT_KEPT, HOUR), -ERANGE, "nobody owns nothing");
	is_i64(ag_objtab_put(shm, 5, INT64_C(1) << 40, AG_OBJECT_KEPT, HOUR), -ERANGE, "a number too large");
	is_i64(ag_objtab_put(shm, 5, (INT64_C(1) << 40) - 1, AG_OBJECT_KEPT, HOUR), 1, "the largest");
	is_i64(ag_objtab_owner(shm, 5), (INT64_C(1) << 40) - 1, "reads as it was written");
	ag_objtab_remove(shm, 5, (INT64_C(1) << 40) - 1);
}

/* Tags of one set, found by trying. */
static void
same_set(const struct ag_shm *shm, uint64_t *tags, uint32_t n)
{
	uint64_t sets = shm->hdr->sizes.objects / AG_OBJTAB_WAYS;

	for (uint64_t t = 1; n > 0; t++)
		if ((ag_mix64(t) & (sets - 1)) == 0)
			tags[--n] = t;
}

static void
fleeting_ones_make_room_and_kept_ones_never(const struct ag_shm *shm)
{
	uint64_t tag[AG_OBJTAB_WAYS + 2];

	same_set(shm, tag, AG_OBJTAB_WAYS + 2);
	for (uint32_t i = 0; i < AG_OBJTAB_WAYS; i++)
		is_i64(ag_objtab_put(shm, tag[i], 3, i < 2 ? AG_OBJECT_FLEETING : AG_OBJECT_KEPT,
		    (10 - (int64_t)i) * HOUR), 1, "a place is free");
	is_i64(ag_objtab_put(shm, tag[AG_OBJTAB_WAYS], 4, AG_OBJECT_KEPT, 11 * HOUR), 1, "room is made");
	is_i64(ag_objtab_owner(shm, tag[1]), 0, "by the oldest fleeting one");
	is_i64(ag_objtab_owner(shm, tag[0]), 3, "the younger stands");
	is_i64(ag_objtab_put(shm, tag[AG_OBJTAB_WAYS + 1], 4, AG_OBJECT_KEPT, 11 * HOUR), 1, "then by it");
	is_i64(ag_objtab_put(shm, tag[0], 3, AG_OBJECT_FLEETING, 12 * HOUR), -ENOSPC, "then there is none");
	for (uint32_t i = 2; i < AG_OBJTAB_WAYS; i++)
		is_i64(ag_objtab_owner(shm, tag[i]), 3, "what is kept stands");
}

/* Two processes claim the same ids for two workspaces in a crowded table: of a tag that stands, the owner
 * is one that claimed it, and who was told 0 or -EEXIST was told the truth. */
static void
claims_of_two_processes_never_mix(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();
	struct ag_shm shm;
	int status, bad = 0;
	pid_t child;

	sizes.objects = 1024;
	shm = fixture_open(&sizes);
	child = fork();
	for (uint64_t i = 1; i < 200000; i++) {
		uint64_t tag = ag_mix64(i % 4096 + 1) | 1;
		int64_t mine = child == 0 ? 100 + (int64_t)(tag % 50) : 200 + (int64_t)(tag % 50), owner;

		(void)!ag_objtab_put(&shm, tag, mine, AG_OBJECT_FLEETING, (int64_t)i * HOUR);
		owner = ag_objtab_owner(&shm, tag);
		bad += owner != 0 && owner != 100 + (int64_t)(tag % 50) && owner != 200 + (int64_t)(tag % 50);
		if (i % 3 == 0)
			ag_objtab_remove(&shm, tag, mine);
	}
	if (child == 0)
		_exit(bad > 0);
	waitpid(child, &status, 0);
	is_i64(bad, 0, "no owner was of another object here");
	is_i64(status, 0, "nor there");
	ag_shm_unmap(&shm);
}

int
main(void)
{
	struct ag_shm shm = fixture_shm();

	plan(35);
	an_object_is_its_makers(&shm);
	numbers_that_do_not_fit_are_refused(&shm);
	fleeting_ones_make_room_and_kept_ones_never(&shm);
	ag_shm_unmap(&shm);
	claims_of_two_processes_never_mix();
	return done();
}
