#include "control/throttle.h"

#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/hash.h"

#define SETS 512
#define WAYS 8

struct bucket {
	int64_t who;      /* 0: nobody */
	int64_t full_us;  /* monotonic */
};

struct ag_throttle {
	struct bucket set[SETS][WAYS];
};

struct ag_throttle *
ag_throttle_new(void)
{
	return calloc(1, sizeof(struct ag_throttle));
}

void
ag_throttle_free(struct ag_throttle *t)
{
	free(t);
}

static struct bucket *
bucket_of(struct ag_throttle *t, int64_t who)
{
	struct bucket *set = t->set[ag_mix64((uint64_t)who) % SETS], *fullest = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].who == who)
			return &set[i];
		if (set[i].full_us < fullest->full_us)
			fullest = &set[i];
	}
	*fullest = (struct bucket){ .who = who };
	return fullest;
}

bool
ag_throttle_take(struct ag_throttle *t, int64_t who, uint64_t per_minute, uint64_t burst,
    int64_t now_us, int64_t *out_wait_us)
{
	struct bucket *b;
	int64_t one_us, from_us;

	if (per_minute == 0)
		return true;
	b = bucket_of(t, who);
	one_us = AG_US_PER_MIN / (int64_t)per_minute;
	from_us = b->full_us > now_us ? b->full_us : now_us;
	if (from_us + one_us - now_us > one_us * (int64_t)(burst > 0 ? burst : 1)) {
		*out_wait_us = from_us + one_us - now_us - one_us * (int64_t)(burst > 0 ? burst : 1);
		return false;
	}
	b->full_us = from_us + one_us;
	return true;
}
