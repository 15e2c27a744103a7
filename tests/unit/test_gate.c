/* The admin API's gate: who may still try keys. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "control/gate.h"
#include "tap.h"

#define PER_MINUTE 6

static const uint8_t right[AG_SHA256_LEN] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
static const uint8_t wrong[AG_SHA256_LEN] = { 9, 8, 7 };

static struct ag_gate_try
try(const char *address, const uint8_t *hash, int64_t now_us)
{
	return (struct ag_gate_try){ .address = address, .hash = hash, .per_minute = PER_MINUTE, .now_us = now_us };
}

static bool
opens(struct ag_gate *g, const char *address, const uint8_t *hash, int64_t now_us)
{
	struct ag_gate_try t = try(address, hash, now_us);
	int64_t wait_us;

	return ag_gate_opens(g, &t, &wait_us);
}

static int
failures_taken(struct ag_gate *g, const char *address, int64_t now_us)
{
	struct ag_gate_try t = try(address, wrong, now_us);
	int n = 0;

	while (n < 1000 && opens(g, address, wrong, now_us)) {
		ag_gate_failed(g, &t);
		n++;
	}
	return n;
}

static void
failures_come_back_one_by_one(void)
{
	struct ag_gate *g = ag_gate_new();
	int64_t now_us = AG_US_PER_DAY, wait_us = 0;
	struct ag_gate_try t = try("10.0.0.1", wrong, now_us);

	is_i64(failures_taken(g, "10.0.0.1", now_us), PER_MINUTE, "as many at once as a minute has");
	ok(!ag_gate_opens(g, &t, &wait_us) && wait_us == 10 * AG_US_PER_SEC, "the next one in ten seconds");
	ok(!opens(g, "10.0.0.1", wrong, now_us + 10 * AG_US_PER_SEC - 1), "not before");
	is_i64(failures_taken(g, "10.0.0.1", now_us + 10 * AG_US_PER_SEC), 1, "then one");
	is_i64(failures_taken(g, "10.0.0.1", now_us + 100 * AG_US_PER_SEC), PER_MINUTE, "at last all again");
	ag_gate_free(g);
}

static void
a_known_key_goes_on_for_an_hour(void)
{
	struct ag_gate *g = ag_gate_new();
	int64_t now_us = AG_US_PER_DAY;
	struct ag_gate_try t = try("10.0.0.1", right, now_us);

	ag_gate_passed(g, &t);
	failures_taken(g, "10.0.0.1", now_us);
	ok(opens(g, "10.0.0.1", right, now_us), "it is looked at");
	failures_taken(g, "10.0.0.2", now_us);
	ok(!opens(g, "10.0.0.2", right, now_us), "elsewhere it is not known");
	now_us += 60 * AG_US_PER_MIN;
	failures_taken(g, "10.0.0.1", now_us);
	ok(!opens(g, "10.0.0.1", right, now_us), "after an hour it is not any more");
	t.now_us = now_us;
	ag_gate_passed(g, &t);
	ok(opens(g, "10.0.0.1", right, now_us), "it comes to be known again");
	ag_gate_failed(g, &t);
	ok(!opens(g, "10.0.0.1", right, now_us), "until it is wrong");
	ag_gate_free(g);
}

static void
an_address_is_a_network_where_clients_have_networks(void)
{
	struct ag_gate *g = ag_gate_new();
	int64_t now_us = AG_US_PER_DAY;

	failures_taken(g, "2001:db8:0:1::1", now_us);
	ok(!opens(g, "2001:db8:0:1:ffff::2", wrong, now_us), "one /64 is one");
	ok(opens(g, "2001:db8:0:2::1", wrong, now_us), "the next one another");
	failures_taken(g, "10.0.0.1", now_us);
	ok(!opens(g, "::ffff:10.0.0.1", wrong, now_us), "IPv4 in either spelling");
	ok(opens(g, "10.0.0.3", wrong, now_us), "each by itself");
	failures_taken(g, "", now_us);
	ok(!opens(g, "nonsense", wrong, now_us), "what is no address counts as one");
	ag_gate_free(g);
}

/* Far more addresses than there is room for. */
static void
nothing_grows(void)
{
	struct ag_gate *g = ag_gate_new();
	int64_t now_us = AG_US_PER_DAY;
	char address[32];
	int open = 0;

	for (int i = 0; i < 100000; i++) {
		struct ag_gate_try t;

		snprintf(address, sizeof(address), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		t = try(address, right, now_us + i);
		ag_gate_passed(g, &t);
		ag_gate_failed(g, &t);
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(address, sizeof(address), "172.16.%d.%d", i >> 8, i & 255);
		open += opens(g, address, wrong, now_us);
	}
	is_i64(open, 1000, "addresses that never failed are let in");
	is_i64(failures_taken(g, "192.168.0.1", now_us + 100000), PER_MINUTE, "and counted");
	ag_gate_free(g);
}

int
main(void)
{
	failures_come_back_one_by_one();
	a_known_key_goes_on_for_an_hour();
	an_address_is_a_network_where_clients_have_networks();
	nothing_grows();
	return done();
}
