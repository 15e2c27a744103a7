/* test_price.c - sums to the nano-dollar, and the bound that no answer may pass. */
#include "policy/price.h"
#include "policy/price_kinds.h"

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
	return ag_price_cost_nusd(&p, NULL, &u);
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

/* ---- multiples --------------------------------------------------------------------------- */

static struct ag_price_multiples
times(const char *json)
{
	struct ag_price_multiples m;

	ag_price_multiples_none(&m);
	ok(ag_price_multiples_read(ag_str(json), &m) == 0, "%s", json);
	return m;
}

static int64_t
cost_times(struct ag_cat_price p, const char *json, struct ag_usage u)
{
	struct ag_price_multiples m = times(json);

	return ag_price_cost_nusd(&p, &m, &u);
}

static void
an_integration_pays_a_multiple_of_the_list(void)
{
	struct ag_cat_price p = sol();
	struct ag_usage u = { .input_fresh = 180, .cache_read = 4096, .cache_write_5m = 1024,
		.output_total = 900, .reasoning = 640 };

	is_i64(cost_times(p, "{\"default\":850000}", u), 12739200 / 100 * 85, "85 per cent of every figure");
	is_i64(cost_times(p, "{\"default\":1000000}", u), 12739200, "once is the list");
	is_i64(cost_times(p, "{}", u), 12739200, "nothing said is the list too");
	is_i64(cost_times(p, "{\"default\":0}", u), 0, "nothing of it is nothing");
	u = (struct ag_usage){ .input_fresh = 3000 };
	is_i64(cost_times(row(1, NONE, 3), "{\"default\":333334}", u), 2, "1000.002 pico: rounded up once, not a token");
	is_i64(cost_times(row(1, NONE, 3), "{\"default\":333333}", u), 1, "999.999 pico");
}

static void
each_kind_pays_its_own_multiple(void)
{
	struct ag_cat_price p = row(PER_M(2000), PER_M(200), PER_M(10000));
	struct ag_usage u = { .input_fresh = 180, .cache_read = 4096, .cache_write_5m = 1024, .cache_write_1h = 100,
		.input_audio = 80, .output_total = 900, .reasoning = 640, .output_audio = 60,
		.accepted_prediction = 50, .rejected_prediction = 30, .web_searches = 2 };

	p.p[AG_PI_CACHE_W_5M] = PER_M(2500), p.p[AG_PI_CACHE_W_1H] = PER_M(4000);
	p.p[AG_PI_AUDIO_IN] = PER_M(32000), p.p[AG_PI_AUDIO_OUT] = PER_M(64000);
	p.p[AG_PI_REASONING] = PER_M(8000), p.p[AG_PI_SEARCH] = INT64_C(10000000000);
	p.p[AG_PI_REQUEST] = INT64_C(5000000000);
	/* 100x2000 + 80x32000 + 4096x200 + 1024x2500 + 100x4000 + 200x10000 + 640x8000 + 60x64000
	 * + 2 searches at 10000000 + 5000000 a request */
	is_i64(cost(p, u), 200000 + 2560000 + 819200 + 2560000 + 400000 + 2000000 + 5120000 + 3840000 + 20000000 +
	    5000000, "the list");
	is_i64(cost_times(p, "{\"request_token\":500000,\"response_token\":250000,\"cache_read_input_token\":2000000,"
	    "\"cache_write_input_token\":1500000,\"request_audio_token\":100000,\"response_audio_token\":200000,"
	    "\"reasoning_token\":0,\"prediction_accepted_token\":3000000,\"prediction_rejected_token\":4000000,"
	    "\"additional_units.web_search\":700000,\"default\":1100000}", u),
	    100000 + 256000 + 1638400 + 3840000 + 600000 + 120 * 2500 + 50 * 30000 + 30 * 40000 + 0 + 768000 +
	    14000000 + 5500000, "every kind at its own, the request at the default");
	is_i64(cost_times(p, "{\"cache_read_audio_input_token\":0}",
	    (struct ag_usage){ .cache_read = 100, .cache_read_audio = 40 }), 60 * 200 + 5000000, "cached audio");
}

static void
a_kind_that_is_not_said_goes_with_its_price(void)
{
	struct ag_cat_price p = row(PER_M(1000), NONE, PER_M(4000));
	struct ag_usage u = { .input_fresh = 100, .input_audio = 10, .input_image = 10, .cache_read = 100,
		.cache_write_5m = 100, .output_total = 100, .reasoning = 40, .output_audio = 10,
		.accepted_prediction = 10 };
	const char *half = "{\"request_token\":500000,\"response_token\":500000}";

	is_i64(cost_times(p, half, u), (300 * 1000 + 100 * 4000) / 2, "what falls back to a price takes its multiple");
	p.p[AG_PI_CACHED_IN] = PER_M(100), p.p[AG_PI_CACHE_W_5M] = PER_M(1250), p.p[AG_PI_REASONING] = PER_M(3000);
	is_i64(cost_times(p, half, u), 100 * 500 + 100 * 100 + 100 * 1250 + 60 * 2000 + 40 * 3000,
	    "what has a price of its own has the default");
	is_i64(cost_times(p, "{\"default\":2000000,\"response_token\":500000}", u),
	    2 * (100 * 1000 + 100 * 100 + 100 * 1250 + 40 * 3000) + 60 * 2000, "which may be another");
	is_i64(cost_times(p, "{\"request_audio_token\":0}", u), cost(p, u) - 10 * 1000,
	    "one that is said counts without a price of its own");
}

static void
text_is_told_from_pictures_where_both_have_prices(void)
{
	struct ag_cat_price p = row(PER_M(5000), PER_M(1000), PER_M(10000));
	struct ag_usage u = { .input_fresh = 100, .input_image = 60, .output_total = 100, .output_image = 90,
		.cache_read = 10, .cache_write_5m = 10 };
	const char *text = "{\"request_token\":3000000,\"request_text_token\":500000,\"response_text_token\":0,"
	    "\"cache_read_text_input_token\":2000000,\"cache_write_text_input_token\":4000000,"
	    "\"request_image_token\":1000000,\"response_image_token\":1000000}";

	is_i64(cost_times(p, text, u), 40 * 15000 + 60 * 5000 + 100 * 10000 + 10 * 1000 + 10 * 15000,
	    "a model without prices of pictures: request_token");
	p.p[AG_PI_IMAGE_IN] = PER_M(8000), p.p[AG_PI_IMAGE_OUT] = PER_M(32000);
	is_i64(cost_times(p, text, u), 40 * 2500 + 60 * 8000 + 90 * 32000 + 10 * 2000 + 10 * 20000,
	    "one with them: the kinds of text");
	is_i64(cost_times(p, "{\"request_token\":2000000}", u), 40 * 10000 + 60 * 8000 + 10 * 10000 + 90 * 32000 +
	    10 * 1000 + 10 * 10000, "text that is not said is request_token");
}

static void
units_pay_the_multiple_of_their_unit(void)
{
	static const struct { const char *word, *kind; } rows[] = { { "image", "image.default" },
		{ "pixel", "image.default" }, { "second", "additional_units.second" },
		{ "character", "additional_units.character" }, { "search_unit", "additional_units.search_unit" },
		{ "page", "default" } };
	struct ag_cat_price p = row(NONE, NONE, NONE);
	char json[100];

	p.p[AG_PI_UNIT] = INT64_C(40000000);
	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		struct ag_price_multiples m;

		p.unit = ag_price_unit_find(ag_str(rows[i].word));
		snprintf(json, sizeof(json), "{\"%s\":250000,\"request_token\":9000000}", rows[i].kind);
		m = times(json);
		is_i64(cost_times(p, json, (struct ag_usage){ .units = 3 }), 30000, rows[i].word);
		is_i64(ag_price_item_pusd(&p, &m, AG_PI_UNIT), 10000000, "what it is held at");
	}
}

static void
what_the_database_cannot_hold_is_refused(void)
{
	static const char *const bad[] = { "", "[]", "{\"default\":-1}", "{\"default\":1000000001}",
		"{\"default\":1.5}", "{\"default\":\"1\"}", "{\"tokens\":1}", "{\"default\":1", "{\"default\":null}" };
	struct ag_price_multiples m;

	ag_price_multiples_none(&m);
	for (size_t i = 0; i < AG_ARRAY_LEN(bad); i++)
		ok(ag_price_multiples_read(ag_str(bad[i]), &m) < 0 && m.ppm[AG_PK_DEFAULT] == AG_PPM_NONE, "\"%s\"",
		    bad[i]);
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

/* NULL as often as not. */
static const struct ag_price_multiples *
random_multiples(struct ag_price_multiples *out)
{
	for (int i = 0; i < AG_PK_COUNT; i++)
		out->ppm[i] = rnd(2) ? AG_PPM_NONE : (uint32_t)rnd(rnd(2) ? 3000000 : AG_PPM_MAX + 1);
	return rnd(2) ? out : NULL;
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
	u.cache_read_audio = rnd(u.cache_read + 1);
	u.accepted_prediction = rnd(out + 1);
	u.rejected_prediction = rnd(out + 1);
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
		struct ag_price_multiples said;
		const struct ag_price_multiples *m = random_multiples(&said);
		struct ag_price_bound b = ag_price_bound(&p, m, input, ask, searches);
		int64_t most = ag_price_bound_nusd(&b, input, output), is = ag_price_cost_nusd(&p, m, &u);

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
	b = ag_price_bound(&p, NULL, 200, AG_TIER_STANDARD, 1);
	is_i64(ag_price_bound_nusd(&b, 200, 0), 2000000, "the base price is dearer");
	b = ag_price_bound(&p, NULL, 200, AG_TIER_FLEX, 1);
	is_i64(ag_price_bound_nusd(&b, 200, 0), 2000000, "and flex may turn out to be standard, short");
}

static void
fit_is_the_most_that_the_room_pays_for(void)
{
	int passed = 0, wasted = 0;

	for (int i = 0; i < 200000; i++) {
		struct ag_cat_price p = random_row();
		uint64_t input = rnd(3000), n;
		struct ag_price_bound b = ag_price_bound(&p, NULL, input, AG_TIER_STANDARD, 1);
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
	each_kind_pays_its_own_multiple();
	a_kind_that_is_not_said_goes_with_its_price();
	text_is_told_from_pictures_where_both_have_prices();
	units_pay_the_multiple_of_their_unit();
	what_the_database_cannot_hold_is_refused();
	a_sum_is_rounded_up_once();
	no_usage_within_its_totals_costs_more_than_the_bound();
	a_request_that_could_fall_out_of_the_tier_is_bounded_by_the_dearer_side();
	fit_is_the_most_that_the_room_pays_for();
	return done();
}
