#include "shm/objtab.h"

#include <errno.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/hash.h"

/* The low half of a word, from its lowest bit: owner, hour since 1970, 1 if fleeting. */
#define OWNER_BITS    40
#define HOUR_BITS     22
#define FLEETING      (INT64_C(1) << (OWNER_BITS + HOUR_BITS))
#define OWNER_OF(lo)  ((lo) & ((INT64_C(1) << OWNER_BITS) - 1))
#define HOUR_OF(lo)   ((lo) >> OWNER_BITS & ((INT64_C(1) << HOUR_BITS) - 1))
#define TRIES         64

uint64_t
ag_objtab_tag(int64_t integration_id, struct ag_str id)
{
	struct iovec parts[2] = { { &integration_id, sizeof(integration_id) }, { (void *)(uintptr_t)id.p, id.n } };
	uint8_t hash[AG_SHA256_LEN];
	uint64_t tag;

	ag_sha256_iov(parts, 2, hash);
	memcpy(&tag, hash, sizeof(tag));
	return tag != 0 ? tag : 1;
}

static struct ag_a128 *
set_of(const struct ag_shm *shm, uint64_t tag)
{
	uint64_t sets = shm->hdr->sizes.objects / AG_OBJTAB_WAYS;

	return &shm->objects[(ag_mix64(tag) & (sets - 1)) * AG_OBJTAB_WAYS];
}

/* The word with that tag, whole; false: none.  A peek may be torn, so one that looks right is exchanged
 * for itself. */
static bool
find(struct ag_a128 *set, uint64_t tag, struct ag_a128 **out_at, struct ag_pair *out)
{
	for (uint32_t i = 0; i < AG_OBJTAB_WAYS; i++)
		for (int tries = 0; tries < TRIES; tries++) {
			*out = ag_a128_peek(&set[i]);
			if ((uint64_t)out->hi != tag)
				break;
			*out_at = &set[i];
			if (ag_a128_cas(&set[i], *out, *out))
				return true;
		}
	return false;
}

/* A free place, or the oldest fleeting one; NULL: all are kept. */
static struct ag_a128 *
place_for(struct ag_a128 *set, struct ag_pair *out_was)
{
	struct ag_a128 *best = NULL;

	for (uint32_t i = 0; i < AG_OBJTAB_WAYS; i++) {
		struct ag_pair p = ag_a128_peek(&set[i]);

		if (p.hi != 0 && (!(p.lo & FLEETING) || (best && HOUR_OF(p.lo) >= HOUR_OF(out_was->lo))))
			continue;
		best = &set[i];
		*out_was = p;
		if (p.hi == 0)
			break;
	}
	return best;
}

int
ag_objtab_put(const struct ag_shm *shm, uint64_t tag, int64_t workspace_id, enum ag_object_kind kind,
    int64_t now_us)
{
	struct ag_a128 *set = set_of(shm, tag), *at;
	struct ag_pair was, word = { .hi = (int64_t)tag };

	if (workspace_id <= 0 || workspace_id >> OWNER_BITS != 0)
		return -ERANGE;
	word.lo = workspace_id | HOUR_OF(now_us / (3600 * AG_US_PER_SEC) << OWNER_BITS) << OWNER_BITS;
	if (kind == AG_OBJECT_FLEETING)
		word.lo |= FLEETING;
	for (int tries = 0; tries < TRIES; tries++) {
		if (find(set, tag, &at, &was))
			return OWNER_OF(was.lo) == workspace_id ? 0 : -EEXIST;
		at = place_for(set, &was);
		if (!at)
			return -ENOSPC;
		if (ag_a128_cas(at, was, word))
			return 1;
	}
	return -ENOSPC;
}

int64_t
ag_objtab_owner(const struct ag_shm *shm, uint64_t tag)
{
	struct ag_a128 *at;
	struct ag_pair p;

	return find(set_of(shm, tag), tag, &at, &p) ? OWNER_OF(p.lo) : 0;
}

void
ag_objtab_remove(const struct ag_shm *shm, uint64_t tag, int64_t workspace_id)
{
	struct ag_a128 *at;
	struct ag_pair p;

	if (find(set_of(shm, tag), tag, &at, &p) && OWNER_OF(p.lo) == workspace_id)
		(void)ag_a128_cas(at, p, (struct ag_pair){ 0, 0 });
}
