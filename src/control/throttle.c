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

/* Of a bucket that is full again at full_us. */
static int64_t
wait_of(int64_t full_us, uint64_t per_minute, uint64_t burst, int64_t now_us)
{
	int64_t one_us = AG_US_PER_MIN / (int64_t)per_minute;
	int64_t from_us = full_us > now_us ? full_us : now_us;
	int64_t wait_us = from_us + one_us - now_us - one_us * (int64_t)(burst > 0 ? burst : 1);

	return wait_us > 0 ? wait_us : 0;
}

int64_t
ag_throttle_wait(const struct ag_throttle *t, int64_t who, uint64_t per_minute, uint64_t burst, int64_t now_us)
{
	const struct bucket *set = t->set[ag_mix64((uint64_t)who) % SETS];

	for (size_t i = 0; per_minute > 0 && i < WAYS; i++)
		if (set[i].who == who)
			return wait_of(set[i].full_us, per_minute, burst, now_us);
	return 0;
}

bool
ag_throttle_take(struct ag_throttle *t, int64_t who, uint64_t per_minute, uint64_t burst,
    int64_t now_us, int64_t *out_wait_us)
{
	struct bucket *b;

	if (per_minute == 0)
		return true;
	b = bucket_of(t, who);
	*out_wait_us = wait_of(b->full_us, per_minute, burst, now_us);
	if (*out_wait_us > 0)
		return false;
	b->full_us = (b->full_us > now_us ? b->full_us : now_us) + AG_US_PER_MIN / (int64_t)per_minute;
	return true;
}
