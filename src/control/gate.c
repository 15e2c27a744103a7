#include "control/gate.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/throttle.h"

#define SETS    512
#define WAYS    8
#define KNOWN_US (60 * AG_US_PER_MIN)

/* A key that was right, at an address. */
struct known {
	uint64_t who;   /* 0: nobody */
	int64_t at_us;  /* monotonic: the last time */
};

struct ag_gate {
	struct ag_throttle *failures; /* owned; by address */
	struct known known[SETS][WAYS];
};

struct ag_gate *
ag_gate_new(void)
{
	struct ag_gate *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->failures = ag_throttle_new();
	if (!g->failures) {
		ag_gate_free(g);
		return NULL;
	}
	return g;
}

void
ag_gate_free(struct ag_gate *g)
{
	if (!g)
		return;
	ag_throttle_free(g->failures);
	free(g);
}

/* Never 0. */
static uint64_t
number_of(const char *text)
{
	struct in6_addr ip6;
	struct in_addr ip4;
	uint64_t n = 0;

	if (inet_pton(AF_INET, text, &ip4) == 1)
		n = ip4.s_addr;
	else if (inet_pton(AF_INET6, text, &ip6) == 1 && IN6_IS_ADDR_V4MAPPED(&ip6))
		memcpy(&n, ip6.s6_addr + 12, 4);
	else if (inet_pton(AF_INET6, text, &ip6) == 1)
		memcpy(&n, ip6.s6_addr, 8);
	return ag_mix64(n) | 1;
}

static struct known *
set_of(struct ag_gate *g, const struct ag_gate_try *t, uint64_t *out_who)
{
	uint64_t word;

	memcpy(&word, t->hash, sizeof(word));
	*out_who = ag_mix64(word ^ number_of(t->address)) | 1;
	return g->known[*out_who / 2 % SETS];
}

static bool
is_known(struct ag_gate *g, const struct ag_gate_try *t)
{
	uint64_t who;
	const struct known *set;

	if (!t->hash)
		return false;
	set = set_of(g, t, &who);
	for (size_t i = 0; i < WAYS; i++)
		if (set[i].who == who)
			return t->now_us - set[i].at_us < KNOWN_US;
	return false;
}

bool
ag_gate_opens(struct ag_gate *g, const struct ag_gate_try *t, int64_t *out_wait_us)
{
	if (is_known(g, t))
		return true;
	*out_wait_us = ag_throttle_wait(g->failures, (int64_t)number_of(t->address), t->per_minute, t->per_minute,
	    t->now_us);
	return *out_wait_us == 0;
}

void
ag_gate_failed(struct ag_gate *g, const struct ag_gate_try *t)
{
	struct known *set;
	int64_t wait_us;
	uint64_t who;

	(void)ag_throttle_take(g->failures, (int64_t)number_of(t->address), t->per_minute, t->per_minute, t->now_us,
	    &wait_us);
	if (!t->hash)
		return;
	/* One that was right and is not any more. */
	set = set_of(g, t, &who);
	for (size_t i = 0; i < WAYS; i++)
		if (set[i].who == who)
			set[i] = (struct known){ 0 };
}

void
ag_gate_passed(struct ag_gate *g, const struct ag_gate_try *t)
{
	struct known *set, *oldest;
	uint64_t who;

	if (!t->hash)
		return;
	set = oldest = set_of(g, t, &who);
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].who == who) {
			oldest = &set[i];
			break;
		}
		if (set[i].at_us < oldest->at_us)
			oldest = &set[i];
	}
	*oldest = (struct known){ .who = who, .at_us = t->now_us };
}
