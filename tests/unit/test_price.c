/* test_price.c - sums to the nano-dollar, and the bound that no answer may pass. */
#include "policy/price.h"

#include "base/attr.h"
#include "base/money.h"
#include "tap.h"

#define NONE INT64_C(-1)

static uint64_t rng = 0x9e3779b97f4a7c15u;

static uint64_t
rnd(uint64_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 8) % n;
}

/* USD per million tokens, in thousandths: 2500 is $2.50. */
#define PER_M(thousandths) (INT64_C(1000) * (thousandths))

static struct ag_cat_price
row(int64_t in, int64_t cached, int64_t out)
{
	struct ag_cat_price p = { .id = 1 };

	for (int i = 0; i < AG_PI_COUNT; i++)
		p.p[i] = NONE;
	p.p[AG_PI_IN] = in;
	p.p[AG_PI_CACHED_IN] = cached;
	p.p[AG_PI_OUT] = out;
	return p;
}

static struct ag_cat_price
sol(void)
{
	struct ag_cat_price p = row(PER_M(2000), PER_M(200), PER_M(10000));

	p.p[AG_PI_CACHE_W_5M] = PER_M(2500);
	p.p[AG_PI_FLEX_IN] = PER_M(1000);
	p.p[AG_PI_FLEX_CACHED_IN] = PER_M(100);
	p.p[AG_PI_FLEX_OUT] = PER_M(5000);
	p.p[AG_PI_T_IN] = PER_M(4000);
	p.p[AG_PI_T_CACHED_IN] = PER_M(400);
	p.p[AG_PI_T_OUT] = PER_M(15000);
	p.tier_gt = 272000;
	return p;
}

static int64_t
cost(struct ag_cat_price p, struct ag_usage u)
{
	return ag_price_cost_nusd(&p, &u);
}

static void
known_bills_come_out_to_the_nano_dollar(void)
{
	struct ag_cat_price p = sol();
	struct ag_usage u = { .input_fresh = 180, .cache_read = 4096, .cache_write_5m = 1024,
		.output_total = 900, .reasoning = 640 };

	is_i64(cost(p, u), 12739200, "read, written, fresh and reasoning tokens");
	u.service_tier = AG_TIER_FLEX;
	is_i64(cost(p, u), 6369600, "the same on flex: own columns, writes follow the input");

	p = row(PER_M(2000), PER_M(100), PER_M(10000));
	p.p[AG_PI_CACHE_W_5M] = PER_M(2500);
	p.p[AG_PI_CACHE_W_1H] = PER_M(4000);
	p.p[AG_PI_SEARCH] = INT64_C(10000000000);
	u = (struct ag_usage){ .input_fresh = 950, .cache_read = 41000, .cache_write_5m = 2000,
		.cache_write_1h = 1000, .output_total = 530, .web_searches = 1 };
	is_i64(cost(p, u), 30300000, "two kinds of cache writes and a search");

	p = row(PER_M(300), PER_M(30), PER_M(2500));
	u = (struct ag_usage){ .input_fresh = 1604, .cache_read = 4096, .output_total = 302,
		.reasoning = 300 };
	is_i64(cost(p, u), 1359080, "thoughts are output");

	p = row(PER_M(3000), PER_M(300), PER_M(15000));
	p.p[AG_PI_CACHE_W_5M] = PER_M(3750);
	p.p[AG_PI_CACHE_W_1H] = PER_M(6000);
	u = (struct ag_usage){ .input_fresh = 120, .cache_read = 22000, .cache_write_5m = 2000,
		.cache_write_1h = 1000, .output_total = 340 };
	is_i64(cost(p, u), 25560000, "a model of another family");

	p = row(PER_M(100), PER_M(10), PER_M(500));
	p.p[AG_PI_T_IN] = PER_M(500);
	p.p[AG_PI_T_CACHED_IN] = PER_M(50);
	p.p[AG_PI_T_OUT] = PER_M(2500);
	p.tier_gt = 100000;
	u = (struct ag_usage){ .input_fresh = 20000, .cache_read = 100000, .output_total = 1000 };
	is_i64(cost(p, u), 17500000, "cached tokens count towards the tier");

	u = (struct ag_usage){ .input_fresh = 100000, .cache_read = 200000, .output_total = 2000 };
	is_i64(cost(sol(), u), 510000000, "the tier holds for the whole request");

	u = (struct ag_usage){ .input_fresh = 26, .cache_read = 6, .output_total = 109, .reasoning = 100 };
	is_i64(cost(row(PER_M(1250), PER_M(200), PER_M(2500)), u), 306200, "reasoning outside the completion");

	u = (struct ag_usage){ .input_fresh = 10000, .output_total = 2000, .geo_num = 11, .geo_den = 10 };
	is_i64(cost(row(PER_M(4000), NONE, PER_M(20000)), u), 88000000, "a region's uplift of 11/10");

	p = row(NONE, NONE, NONE);
	p.p[AG_PI_UNIT] = INT64_C(2500000000);
	is_i64(cost(p, (struct ag_usage){ .units = 3 }), 7500000, "search units");
	p.p[AG_PI_UNIT] = INT64_C(100000); /* a ms of audio at $0.0001 a second */
	is_i64(cost(p, (struct ag_usage){ .units = 93400 }), 9340000, "seconds of audio");

	u = (struct ag_usage){ .input_fresh = 1000, .output_total = 600 };
	is_i64(cost(row(PER_M(2500), NONE, PER_M(10000)), u), 8500000, "three choices, one sum");

	u = (struct ag_usage){ .input_fresh = 36, .cache_read = 64, .output_total = 20 };
	is_i64(cost(row(PER_M(150), PER_M(3), PER_M(600)), u), 17592, "the cheapest tokens there are");
}

static void
the_boundary_token_of_a_tier_falls_on_the_side_it_is_said_to(void)
{
	struct ag_cat_price p = sol();
	struct ag_usage u = { .input_fresh = 271999 };

	is_i64(cost(p, u), 271999 * 2000, "one below");
	u.input_fresh = 272000;
	is_i64(cost(p, u), 272000 * 2000, "at the threshold: still the base price");
	u.input_fresh = 272001;
	is_i64(cost(p, u), 272001 * 4000, "one above: all of it at the tier's");
	u = (struct ag_usage){ .input_fresh = 272000, .cache_write_1h = 1 };
	is_i64(cost(p, u), 272001 * 4000, "a written token passes the threshold too");
	p.tier_is_ge = 1;
	u = (struct ag_usage){ .input_fresh = 271999 };
	is_i64(cost(p, u), 271999 * 2000, "at-or-above: one below");
	u.input_fresh = 272000;
	is_i64(cost(p, u), 272000 * 4000, "at-or-above: the threshold itself is long");
	p.tier_gt = 0;
	u.input_fresh = 1000000;
	is_i64(cost(p, u), INT64_C(2000000000), "no threshold, no tier");
}

static void
a_missing_price_falls_back_within_its_tier(void)
{
	struct ag_cat_price p = row(PER_M(1000), NONE, PER_M(4000));

	is_i64(cost(p, (struct ag_usage){ .cache_read = 1000 }), 1000000, "cached to in");
	is_i64(cost(p, (struct ag_usage){ .cache_write_5m = 1000 }), 1000000, "written to in");
	is_i64(cost(p, (struct ag_usage){ .cache_write_1h = 1000 }), 1000000, "written long to in");
	p.p[AG_PI_CACHE_W_5M] = PER_M(1250);
	is_i64(cost(p, (struct ag_usage){ .cache_write_1h = 1000 }), 1250000, "written long to written short");
	is_i64(cost(p, (struct ag_usage){ .input_fresh = 1000, .input_audio = 400, .input_image = 600 }), 1000000,
	    "media to in");
	is_i64(cost(p, (struct ag_usage){ .output_total = 1000, .reasoning = 300, .output_audio = 300,
	    .output_image = 400 }), 4000000, "reasoning and media to out");
	p.p[AG_PI_AUDIO_IN] = PER_M(40000);
	p.p[AG_PI_IMAGE_IN] = PER_M(8000);
	p.p[AG_PI_AUDIO_OUT] = PER_M(80000);
	p.p[AG_PI_IMAGE_OUT] = PER_M(32000);
	p.p[AG_PI_REASONING] = PER_M(3000);
	is_i64(cost(p, (struct ag_usage){ .input_fresh = 1000, .input_audio = 400, .input_image = 500 }),
	    400 * 40000 + 500 * 8000 + 100 * 1000, "media at their own price");
	is_i64(cost(p, (struct ag_usage){ .output_total = 1000, .reasoning = 300, .output_audio = 300,
	    .output_image = 300 }), 300 * 3000 + 300 * 80000 + 300 * 32000 + 100 * 4000, "and out");
	p = row(PER_M(1000), PER_M(100), PER_M(4000));
	p.p[AG_PI_CACHE_W_5M] = PER_M(1250);
	p.p[AG_PI_T_IN] = PER_M(2000);
	p.tier_gt = 10;
	is_i64(cost(p, (struct ag_usage){ .cache_read = 1000 }), 2000000, "long cached falls to long in, not to cached");
	is_i64(cost(p, (struct ag_usage){ .cache_write_5m = 1000 }), 2000000, "long written too");
	is_i64(cost(p, (struct ag_usage){ .input_fresh = 11, .output_total = 1000 }), 11 * 2000 + 4000000,
	    "out without a long price keeps its own");
}

static void
a_service_tier_costs_its_column_or_the_usual_multiple(void)
{
	struct ag_cat_price p = row(PER_M(1000), PER_M(500), PER_M(4000));
	struct ag_usage u = { .input_fresh = 1000, .cache_read = 1000, .output_total = 1000 };

	u.service_tier = AG_TIER_BATCH;
	is_i64(cost(p, u), 500000 + 250000 + 2000000, "batch: half");
	u.service_tier = AG_TIER_FLEX;
	is_i64(cost(p, u), 500000 + 250000 + 2000000, "flex: half");
	u.service_tier = AG_TIER_PRIORITY;
	is_i64(cost(p, u), 2000000 + 1000000 + 8000000, "priority: twice");
	u.service_tier = AG_TIER_FAST;
	is_i64(cost(p, u), 2000000 + 1000000 + 8000000, "fast: twice");
	u.service_tier = AG_TIER_PROVISIONED;
	is_i64(cost(p, u), 1000000 + 500000 + 4000000, "provisioned: as standard");
	p.p[AG_PI_BATCH_IN] = PER_M(600), p.p[AG_PI_BATCH_CACHED_IN] = PER_M(110), p.p[AG_PI_BATCH_OUT] = PER_M(2100);
	p.p[AG_PI_FLEX_IN] = PER_M(700), p.p[AG_PI_FLEX_CACHED_IN] = PER_M(120), p.p[AG_PI_FLEX_OUT] = PER_M(2200);
	p.p[AG_PI_PRIO_IN] = PER_M(1800), p.p[AG_PI_PRIO_CACHED_IN] = PER_M(900), p.p[AG_PI_PRIO_OUT] = PER_M(7000);
	u.service_tier = AG_TIER_BATCH;
	is_i64(cost(p, u), 600000 + 110000 + 2100000, "batch columns");
	u.service_tier = AG_TIER_FLEX;
	is_i64(cost(p, u), 700000 + 120000 + 2200000, "flex columns");
	u.service_tier = AG_TIER_PRIORITY;
	is_i64(cost(p, u), 1800000 + 900000 + 7000000, "priority columns");
	p.p[AG_PI_FLEX_CACHED_IN] = NONE;
	u.service_tier = AG_TIER_FLEX;
	is_i64(cost(p, u), 700000 + 250000 + 2200000, "no cached flex price: the standard one's half");
	p.p[AG_PI_CACHED_IN] = NONE;
	is_i64(cost(p, u), 700000 + 700000 + 2200000, "no cached price at all: the flex input's");
}

static void
a_service_tier_of_a_long_request_multiplies_the_long_price(void)
{
	struct ag_cat_price p = row(PER_M(1000), PER_M(100), PER_M(4000));
	struct ag_usage u = { .input_fresh = 101, .cache_read = 100, .cache_write_5m = 100,
		.cache_write_1h = 100, .output_total = 100 };

	p.p[AG_PI_CACHE_W_5M] = PER_M(1250), p.p[AG_PI_CACHE_W_1H] = PER_M(2000);
	p.p[AG_PI_T_IN] = PER_M(2000), p.p[AG_PI_T_CACHED_IN] = PER_M(200);
	p.p[AG_PI_T_CACHE_W_5M] = PER_M(2500), p.p[AG_PI_T_OUT] = PER_M(6000);
	p.p[AG_PI_PRIO_IN] = PER_M(1800), p.p[AG_PI_PRIO_OUT] = PER_M(7000);
	p.p[AG_PI_FLEX_IN] = PER_M(600), p.p[AG_PI_FLEX_OUT] = PER_M(2200);
	p.tier_gt = 400;
	is_i64(cost(p, u), 101 * 2000 + 100 * 200 + 100 * 2500 + 100 * 2500 + 100 * 6000,
	    "long: its own prices, the hour's writes at those of five minutes");
	u.service_tier = AG_TIER_PRIORITY;
	is_i64(cost(p, u), 2 * (101 * 2000 + 100 * 200 + 200 * 2500 + 100 * 6000), "long and priority: twice");
	u.service_tier = AG_TIER_FLEX;
	is_i64(cost(p, u), (101 * 2000 + 100 * 200 + 200 * 2500 + 100 * 6000) / 2, "long and flex: half");
	u.input_fresh = 100;
	is_i64(cost(p, u), 100 * 600 + 100 * 50 + 100 * 750 + 100 * 1200 + 100 * 2200,
	    "one token less, flex: its columns, writes in their relation to the input");
	u.service_tier = AG_TIER_PRIORITY;
	is_i64(cost(p, u), 100 * 1800 + 100 * 200 + 100 * 2250 + 100 * 3600 + 100 * 7000,
	    "one token less, priority: its columns");
	u.service_tier = AG_TIER_STANDARD;
	is_i64(cost(p, u), 100 * 1000 + 100 * 100 + 100 * 1250 + 100 * 2000 + 100 * 4000,
	    "one token less: five minutes and an hour apart");
}

static void
reasoning_is_paid_once_at_its_price_or_that_of_output(void)
{
	struct ag_cat_price p = row(PER_M(1000), NONE, PER_M(4000));
	struct ag_usage u = { .output_total = 109, .reasoning = 100 };

	is_i64(cost(p, u), 109 * 4000, "inside the output: not again");
	u.reasoning = 0;
	is_i64(cost(p, u), 109 * 4000, "not told apart: the same");
	u.reasoning = 109;
	is_i64(cost(p, u), 109 * 4000, "all of it");
	u.reasoning = 200;
	is_i64(cost(p, u), 200 * 4000, "more than all, as no provider should say: what it says");
	p.p[AG_PI_REASONING] = PER_M(3000);
	u.reasoning = 100;
	is_i64(cost(p, u), 9 * 4000 + 100 * 3000, "at a price of its own");
}

static void
an_integration_pays_a_multiple_of_the_list(void)
{
	struct ag_cat_price p = sol(), own;
	struct ag_usage u = { .input_fresh = 180, .cache_read = 4096, .cache_write_5m = 1024,
		.output_total = 900, .reasoning = 640 };

	ag_price_scale(&p, 850000, &own);
	is_i64(cost(own, u), 12739200 / 100 * 85, "85 per cent of every figure");
	ok(own.p[AG_PI_SEARCH] == NONE && own.tier_gt == p.tier_gt, "what is not given stays not given");
	ag_price_scale(&p, 1000000, &own);
	is_i64(cost(own, u), 12739200, "once is the list");
	p = row(1, NONE, 3);
	ag_price_scale(&p, 500000, &own);
	ok(own.p[AG_PI_IN] == 1 && own.p[AG_PI_OUT] == 2, "rounded up to the pico-dollar");
}

static void
a_sum_is_rounded_up_once(void)
{
	struct ag_cat_price p = row(1, 1, 1);
	struct ag_usage u = { .input_fresh = 400, .cache_read = 300, .output_total = 300 };

	is_i64(cost(p, u), 1, "a thousand pico are one nano, not three");
	u.output_total = 301;
	is_i64(cost(p, u), 2, "one more starts the next");
	is_i64(cost(p, (struct ag_usage){ .input_fresh = 1 }), 1, "the least is one");
	is_i64(cost(p, (struct ag_usage){ 0 }), 0, "nothing is nothing");
	u = (struct ag_usage){ .input_fresh = 910, .geo_num = 11, .geo_den = 10 };
	is_i64(cost(p, u), 2, "after the uplift: 1001 pico");
	p = row(INT64_C(600000000), NONE, INT64_C(600000000));
	u = (struct ag_usage){ .input_fresh = UINT64_C(1) << 40, .output_total = UINT64_C(1) << 40 };
	ok(cost(p, u) > 0 && cost(p, u) <= AG_NUSD_MAX, "absurd counts do not overflow");
	p = row(INT64_MAX / 4, NONE, INT64_MAX / 4);
	is_i64(cost(p, u), AG_NUSD_MAX, "they saturate");
}

/* ---- the bound --------------------------------------------------------------------------- */

static int64_t
random_price(void)
{
	static const int64_t scale[] = { 10, 1000, 1000000, 100000000 };

	return rnd(3) == 0 ? NONE : (int64_t)rnd((uint64_t)scale[rnd(4)]);
}

static struct ag_cat_price
random_row(void)
{
	struct ag_cat_price p = { .id = 1 };

	for (int i = 0; i < AG_PI_COUNT; i++)
		p.p[i] = random_price();
	p.p[AG_PI_UNIT] = NONE; /* units are no part of what tokens bound */
	p.tier_gt = rnd(2) ? (int64_t)rnd(2000) : 0;
	p.tier_is_ge = (uint32_t)rnd(2);
	return p;
}

static uint64_t
part(uint64_t *rest)
{
	uint64_t n = rnd(3) == 0 ? *rest : rnd(*rest + 1);

	*rest -= n;
	return n;
}

/* Any usage of at most these totals. */
static struct ag_usage
random_usage(uint64_t input, uint64_t output, enum ag_service_tier reported, uint32_t searches)
{
	struct ag_usage u = { .service_tier = reported, .web_searches = rnd(searches + 1) };
	uint64_t in = rnd(input + 1), out = rnd(output + 1), rest;

	if (rnd(2) == 0)
		in = input, out = output;
	u.output_total = rest = out;
	u.reasoning = part(&rest);
	u.output_audio = part(&rest);
	u.output_image = part(&rest);
	rest = in;
	u.cache_read = part(&rest);
	u.cache_write_5m = part(&rest);
	u.cache_write_1h = part(&rest);
	u.input_fresh = rest;
	u.input_audio = part(&rest);
	u.input_image = part(&rest);
	return u;
}

static void
no_usage_within_its_totals_costs_more_than_the_bound(void)
{
	static const enum ag_service_tier asked[] = { AG_TIER_STANDARD, AG_TIER_FLEX, AG_TIER_PRIORITY };
	int failures = 0;

	for (int i = 0; i < 400000 && failures < 3; i++) {
		struct ag_cat_price p = random_row();
		enum ag_service_tier ask = asked[rnd(3)];
		enum ag_service_tier got = rnd(2) ? ask : AG_TIER_STANDARD;
		uint64_t input = rnd(3000), output = rnd(3000);
		uint32_t searches = (uint32_t)rnd(4);
		struct ag_usage u = random_usage(input, output, got, searches);
		struct ag_price_bound b = ag_price_bound(&p, input, ask, searches);
		int64_t most = ag_price_bound_nusd(&b, input, output), is = ag_price_cost_nusd(&p, &u);

		if (is <= most)
			continue;
		failures++;
		printf("# try %d: cost %lld bound %lld asked %d got %u tier %lld input %llu of %llu\n", i,
		    (long long)is, (long long)most, (int)ask, u.service_tier, (long long)p.tier_gt,
		    (unsigned long long)ag_usage_input_total(&u), (unsigned long long)input);
	}
	is_i64(failures, 0, "over 400000 random rows, asks and answers");
}

static void
a_request_that_could_fall_out_of_the_tier_is_bounded_by_the_dearer_side(void)
{
	struct ag_cat_price p = row(PER_M(10000), NONE, PER_M(10000));
	struct ag_price_bound b;

	p.p[AG_PI_T_IN] = PER_M(5000);
	p.p[AG_PI_T_OUT] = PER_M(5000);
	p.tier_gt = 100;
	b = ag_price_bound(&p, 200, AG_TIER_STANDARD, 1);
	is_i64(ag_price_bound_nusd(&b, 200, 0), 2000000, "the base price is dearer");
	b = ag_price_bound(&p, 200, AG_TIER_FLEX, 1);
	is_i64(ag_price_bound_nusd(&b, 200, 0), 2000000, "and flex may turn out to be standard, short");
}

static void
fit_is_the_most_that_the_room_pays_for(void)
{
	int passed = 0, wasted = 0;

	for (int i = 0; i < 200000; i++) {
		struct ag_cat_price p = random_row();
		uint64_t input = rnd(3000), n;
		struct ag_price_bound b = ag_price_bound(&p, input, AG_TIER_STANDARD, 1);
		int64_t room = (int64_t)rnd(rnd(2) ? 1000 : 100000000);

		n = ag_price_bound_fit(&b, input, room);
		if (n > 0 && ag_price_bound_nusd(&b, input, n) > room)
			passed++;
		if (n < UINT32_MAX && ag_price_bound_nusd(&b, input, n + 1) <= room)
			wasted++;
	}
	is_i64(passed, 0, "it never passes the room");
	is_i64(wasted, 0, "one token more would not fit");
}

int
main(void)
{
	known_bills_come_out_to_the_nano_dollar();
	the_boundary_token_of_a_tier_falls_on_the_side_it_is_said_to();
	a_missing_price_falls_back_within_its_tier();
	a_service_tier_costs_its_column_or_the_usual_multiple();
	a_service_tier_of_a_long_request_multiplies_the_long_price();
	reasoning_is_paid_once_at_its_price_or_that_of_output();
	an_integration_pays_a_multiple_of_the_list();
	a_sum_is_rounded_up_once();
	no_usage_within_its_totals_costs_more_than_the_bound();
	a_request_that_could_fall_out_of_the_tier_is_bounded_by_the_dearer_side();
	fit_is_the_most_that_the_room_pays_for();
	return done();
}
