#include "limit/learned.h"

#include "base/clock.h"
#include "base/hash.h"

#define SET_WAYS   4u   /* slots a tag may stand in */
#define FADE_TOTAL 512u /* answers after which all counts are halved */
#define SUBS       4u   /* ranges a power of two */

/* 0..3 have a range each; from 4 on four a power of two. */
static uint32_t
range_of(uint64_t tokens)
{
	uint32_t e, ix;

	if (tokens < SUBS)
		return (uint32_t)tokens;
	e = 63u - (uint32_t)__builtin_clzll(tokens);
	ix = (e - 1) * SUBS + (uint32_t)(tokens >> (e - 2) & (SUBS - 1));
	return ix < AG_LEARNED_BUCKETS ? ix : AG_LEARNED_BUCKETS - 1;
}

/* The largest value of a range. */
static uint64_t
range_end(uint32_t ix)
{
	uint32_t e = ix / SUBS + 1;

	if (ix < SUBS)
		return ix;
	return ((UINT64_C(1) << e) + ((uint64_t)(ix % SUBS + 1) << (e - 2))) - 1;
}

int64_t
ag_learned_tag(int64_t key_id, struct ag_str family, struct ag_str model)
{
	uint64_t h = ag_mix64((uint64_t)key_id);

	for (size_t i = 0; i < family.n; i++)
		h = (h ^ (uint8_t)family.p[i]) * UINT64_C(0x100000001b3);
	h = ag_mix64(h);
	for (size_t i = 0; i < model.n; i++)
		h = (h ^ (uint8_t)model.p[i]) * UINT64_C(0x100000001b3);
	return (int64_t)(ag_mix64(h) | 1);
}

static struct ag_learned *
set_of(const struct ag_shm *shm, int64_t tag)
{
	uint32_t set = (uint32_t)((uint64_t)tag >> 8) % (AG_LEARNED_SLOTS / SET_WAYS);

	return &shm->learned[set * SET_WAYS];
}

static struct ag_learned *
learned_find(const struct ag_shm *shm, int64_t tag)
{
	struct ag_learned *set = set_of(shm, tag);

	for (uint32_t i = 0; i < SET_WAYS; i++)
		if (ag_a64_observe(&set[i].tag) == tag)
			return &set[i];
	return NULL;
}

/* The slot of the set that was used longest ago passes to the tag; NULL: another was quicker. */
static struct ag_learned *
learned_claim(const struct ag_shm *shm, int64_t tag)
{
	struct ag_learned *set = set_of(shm, tag), *oldest = set;
	int64_t was;

	for (uint32_t i = 1; i < SET_WAYS; i++)
		if (ag_a32_get(&set[i].used_at) < ag_a32_get(&oldest->used_at))
			oldest = &set[i];
	was = ag_a64_observe(&oldest->tag);
	if (!ag_a64_cas(&oldest->tag, &was, tag))
		return NULL;
	ag_a32_set(&oldest->total, 0);
	for (uint32_t i = 0; i < AG_LEARNED_BUCKETS; i++)
		ag_a32_set(&oldest->bucket[i], 0);
	return oldest;
}

static void
fade(struct ag_learned *l)
{
	uint32_t total = 0;

	for (uint32_t i = 0; i < AG_LEARNED_BUCKETS; i++) {
		uint32_t half = ag_a32_get(&l->bucket[i]) / 2;

		ag_a32_set(&l->bucket[i], half);
		total += half;
	}
	ag_a32_set(&l->total, total);
}

void
ag_learned_add(const struct ag_shm *shm, int64_t tag, uint64_t tokens, int64_t now_us)
{
	struct ag_learned *l = learned_find(shm, tag);

	if (!l)
		l = learned_claim(shm, tag);
	if (!l)
		return;
	ag_a32_set(&l->used_at, (uint32_t)(now_us / AG_US_PER_SEC));
	ag_a32_add(&l->bucket[range_of(tokens)], 1);
	if (ag_a32_add(&l->total, 1) + 1 >= FADE_TOTAL)
		fade(l);
}

bool
ag_learned_quantile(const struct ag_shm *shm, int64_t tag, uint32_t permille, uint32_t samples,
    uint64_t *out_tokens)
{
	const struct ag_learned *l = learned_find(shm, tag);
	uint64_t total = 0, below = 0;
	uint32_t i;

	for (i = 0; l && i < AG_LEARNED_BUCKETS; i++)
		total += ag_a32_get(&l->bucket[i]);
	if (total == 0 || total < samples)
		return false;
	for (i = 0; i + 1 < AG_LEARNED_BUCKETS; i++) {
		below += ag_a32_get(&l->bucket[i]);
		if (below * 1000 >= total * permille)
			break;
	}
	*out_tokens = range_end(i);
	return true;
}
