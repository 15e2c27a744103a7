/* test_settle.c - the settlement matrix, one row a way to end, by what the answer reported. */
#include "policy/settle.h"

#include "base/attr.h"
#include "tap.h"

#define IN_PUSD  1000 /* a nano-dollar a token */
#define OUT_PUSD 2000

static struct ag_cat_price price;

static const struct ag_amounts held = { .nusd = 5000, .tokens = 1400, .requests = 1 };

enum reported { ABSENT, REPORTED, ZERO };

static void
set_price(void)
{
	for (int i = 0; i < AG_PI_COUNT; i++)
		price.p[i] = -1;
	price.p[AG_PI_IN] = IN_PUSD;
	price.p[AG_PI_OUT] = OUT_PUSD;
}

static struct ag_answer
answer_of(enum reported how)
{
	struct ag_answer a = { .content_events = 5, .content_bytes = 400 };

	a.usage.provider_cost_nusd = -1;
	a.has_usage = how != ABSENT;
	a.reported_bytes = a.has_usage ? a.content_bytes : 0;
	if (how == REPORTED) {
		a.usage.input_fresh = 60;
		a.usage.cache_read = 40;
		a.usage.output_total = 50;
	}
	return a;
}

static struct ag_settle_out
settle(enum ag_outcome outcome, const struct ag_answer *a, const struct ag_cat_price *p, int64_t flat)
{
	struct ag_settle_in in = {
		.outcome = outcome, .answer = a, .price = p, .flat_nusd = flat, .held = held,
		.est_input = 900, .est_output = 500, .request_text_bytes = 1000,
	};
	struct ag_settle_out out;

	ag_settle(&in, &out);
	return out;
}

/* Without figures: half a token a byte of the prompt and of what was received, 64 in flight. */
#define PROMPT_COST   (516 + 64 * 2)
#define RECEIVED_COST (516 + (200 + 64) * 2)
#define ANSWERED_COST (516 + 200 * 2)

struct row {
	const char *text;
	enum ag_outcome outcome;
	enum ag_usage_source absent;
	int64_t cost, charged, tokens, requests; /* when nothing usable is reported */
};

static const struct row rows[] = {
	{ "answered", AG_OUT_ANSWERED, AG_USAGE_ESTIMATED, ANSWERED_COST, ANSWERED_COST, 716, 1 },
	{ "connect failed", AG_OUT_CONNECT_FAILED, AG_USAGE_NONE, 0, 0, 0, 0 },
	{ "refused with 4xx", AG_OUT_UPSTREAM_4XX, AG_USAGE_NONE, 0, 0, 0, 0 },
	{ "refused with 429", AG_OUT_UPSTREAM_429, AG_USAGE_NONE, 0, 0, 0, 0 },
	{ "failed with 5xx", AG_OUT_UPSTREAM_5XX, AG_USAGE_NONE, 0, 0, 0, 0 },
	{ "silent before the head", AG_OUT_TIMEOUT_FIRST_BYTE, AG_USAGE_UNKNOWN, 5000, 0, 0, 0 },
	{ "silent in the stream", AG_OUT_TIMEOUT_STREAM, AG_USAGE_ESTIMATED, RECEIVED_COST, RECEIVED_COST, 780, 1 },
	{ "client left before", AG_OUT_CLIENT_LEFT_BEFORE, AG_USAGE_ESTIMATED, PROMPT_COST, PROMPT_COST, 580, 1 },
	{ "client left during", AG_OUT_CLIENT_LEFT_DURING, AG_USAGE_ESTIMATED, RECEIVED_COST, RECEIVED_COST, 780, 1 },
	{ "broke before the head", AG_OUT_UPSTREAM_BROKE_BEFORE, AG_USAGE_UNKNOWN, 5000, 0, 0, 0 },
	{ "broke in the stream", AG_OUT_UPSTREAM_BROKE_DURING, AG_USAGE_ESTIMATED, RECEIVED_COST, RECEIVED_COST, 780, 1 },
	{ "worker died", AG_OUT_WORKER_DIED, AG_USAGE_UNKNOWN, 5000, 5000, 1400, 1 },
	{ "cut by a budget", AG_OUT_BUDGET_CUT, AG_USAGE_ESTIMATED, RECEIVED_COST, RECEIVED_COST, 780, 1 },
};

static void
is_settled(const struct ag_settle_out *o, const struct row *r, const char *how)
{
	ok(o->usage.source == r->absent && o->cost_nusd == r->cost && o->charged_nusd == r->charged &&
	       o->actual.nusd == r->charged && o->actual.tokens == r->tokens &&
	       o->actual.requests == r->requests,
	    "%s, usage %s", r->text, how);
	if (tap_failed)
		printf("# source %u cost %lld charged %lld tokens %lld requests %lld\n", o->usage.source,
		    (long long)o->cost_nusd, (long long)o->charged_nusd, (long long)o->actual.tokens,
		    (long long)o->actual.requests);
}

static void
every_row_without_figures_is_settled_as_the_matrix_says(void)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		struct ag_answer a = answer_of(ABSENT), z = answer_of(ZERO);
		struct ag_settle_out o = settle(rows[i].outcome, &a, &price, 0);

		is_settled(&o, &rows[i], "absent");
		o = settle(rows[i].outcome, &z, &price, 0);
		is_settled(&o, &rows[i], "all zero, which nobody believes");
	}
}

static void
every_row_with_figures_is_charged_by_them(void)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		struct ag_answer a = answer_of(REPORTED);
		struct ag_settle_out o = settle(rows[i].outcome, &a, &price, 0);

		ok(o.usage.source == (rows[i].outcome == AG_OUT_ANSWERED ? AG_USAGE_REPORTED : AG_USAGE_PARTIAL) &&
		       o.cost_nusd == 200 && o.charged_nusd == 200 && o.actual.nusd == 200 &&
		       o.actual.tokens == 150 && o.actual.requests == 1,
		    "%s, usage reported: the provider bills it", rows[i].text);
	}
}

static void
an_unpriced_model_costs_the_flat_price_wherever_anything_was_used(void)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		struct ag_answer a = answer_of(REPORTED), none = answer_of(ABSENT);
		bool is_free = rows[i].absent == AG_USAGE_NONE;
		bool is_ours = rows[i].charged == 0;
		struct ag_settle_out o = settle(rows[i].outcome, &a, NULL, 77);

		ok(o.cost_nusd == 77 && o.charged_nusd == 77 && o.actual.tokens == 150, "%s, unpriced, reported",
		    rows[i].text);
		o = settle(rows[i].outcome, &none, NULL, 77);
		ok(o.cost_nusd == (is_free ? 0 : 77) && o.charged_nusd == (is_ours ? 0 : 77), "%s, unpriced, absent",
		    rows[i].text);
		o = settle(rows[i].outcome, &a, NULL, 0);
		ok(o.cost_nusd == 0 && o.actual.tokens == 150, "%s, unpriced, no flat price: tokens still count",
		    rows[i].text);
	}
}

/* Directive unknown_usage. */
static void
unknown_usage_is_charged_the_hold_where_the_operator_says_so(void)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		struct ag_answer none = answer_of(ABSENT), figures = answer_of(REPORTED);
		struct ag_settle_in in = {
			.outcome = rows[i].outcome, .answer = &none, .price = &price, .held = held,
			.est_input = 900, .est_output = 500, .request_text_bytes = 1000, .charges_hold = true,
		};
		struct ag_settle_out o;
		bool pays = rows[i].charged > 0;

		ag_settle(&in, &o);
		ok(o.charged_nusd == (pays ? 5000 : 0) && o.actual.tokens == (pays ? 1400 : 0) &&
		    (!pays || o.usage.source == AG_USAGE_UNKNOWN), "%s, usage absent: the hold", rows[i].text);
		in.answer = &figures;
		ag_settle(&in, &o);
		is_i64(o.charged_nusd, 200, "and by its figures where there are some");
	}
}

static void
what_an_adaptive_budget_cuts_costs_no_more_than_it_held(void)
{
	struct ag_answer a = answer_of(REPORTED), none = answer_of(ABSENT);
	struct ag_settle_in in = {
		.outcome = AG_OUT_BUDGET_CUT, .answer = &a, .price = &price, .is_capped = true,
		.held = { .nusd = 150, .tokens = 90, .requests = 1 },
		.est_input = 900, .est_output = 500, .request_text_bytes = 1000,
	};
	struct ag_settle_out o;

	ag_settle(&in, &o);
	ok(o.cost_nusd == 200 && o.charged_nusd == 150 && o.actual.nusd == 150 && o.actual.tokens == 90,
	    "reported: what is beyond the hold is the operator's");
	in.answer = &none;
	ag_settle(&in, &o);
	ok(o.cost_nusd == RECEIVED_COST && o.charged_nusd == 150 && o.actual.tokens == 90, "estimated: the same");
	in.outcome = AG_OUT_CLIENT_LEFT_DURING;
	ag_settle(&in, &o);
	is_i64(o.charged_nusd, 150, "whoever broke it off");
	in.outcome = AG_OUT_ANSWERED;
	in.answer = &a;
	ag_settle(&in, &o);
	is_i64(o.charged_nusd, 200, "a whole answer is charged as reported");
}

static void
what_was_seen_of_an_answer_is_counted_as_it_would_be_settled(void)
{
	struct ag_answer a = answer_of(ABSENT);

	is_i64((int64_t)ag_settle_output_seen(&a), 200 + 64, "half a token a byte, and what is under way");
	a = answer_of(REPORTED);
	a.usage.output_total = 1000;
	is_i64((int64_t)ag_settle_output_seen(&a), 1000, "or what was reported already");
}

static void
what_the_provider_says_it_charged_is_the_cost(void)
{
	struct ag_answer a = answer_of(REPORTED);
	struct ag_settle_out o;

	a.usage.provider_cost_nusd = 123;
	o = settle(AG_OUT_ANSWERED, &a, &price, 0);
	is_i64(o.charged_nusd, 123, "instead of ours");
	o = settle(AG_OUT_ANSWERED, &a, NULL, 77);
	is_i64(o.charged_nusd, 123, "instead of the flat one");
	a = answer_of(ZERO);
	a.usage.provider_cost_nusd = 0;
	o = settle(AG_OUT_ANSWERED, &a, &price, 0);
	is_i64(o.charged_nusd, 0, "a free model is free");
	is_i64(o.usage.source, AG_USAGE_REPORTED, "and that is a report");
}

static void
estimates_stay_inside_what_was_held(void)
{
	struct ag_answer a = answer_of(ABSENT);
	struct ag_settle_in in = {
		.outcome = AG_OUT_CLIENT_LEFT_DURING, .answer = &a, .price = &price, .held = held,
		.est_input = 100, .est_output = 20, .request_text_bytes = 1000000,
	};
	struct ag_settle_out o;

	a.content_bytes = 1000000;
	ag_settle(&in, &o);
	is_i64(o.actual.tokens, 120, "however much was received");
	is_i64(o.charged_nusd, 100 + 2 * 20, "and costs no more");
	in.answer = NULL;
	in.outcome = AG_OUT_UPSTREAM_BROKE_DURING;
	ag_settle(&in, &o);
	is_i64(o.actual.tokens, 120, "without an answer too");
}

static void
an_estimate_is_priced_at_the_tier_the_answer_named(void)
{
	struct ag_answer a = answer_of(ABSENT);
	struct ag_settle_out o;

	a.usage.service_tier = AG_TIER_PRIORITY;
	o = settle(AG_OUT_ANSWERED, &a, &price, 0);
	is_i64(o.charged_nusd, 2 * ANSWERED_COST, "priority is not billed as standard");
	a.usage.service_tier = AG_TIER_FLEX;
	o = settle(AG_OUT_ANSWERED, &a, &price, 0);
	is_i64(o.charged_nusd, ANSWERED_COST / 2, "nor flex");
}

static void
who_chooses_the_timeout_pays_as_if_he_had_left(void)
{
	struct ag_settle_in in = {
		.outcome = AG_OUT_TIMEOUT_FIRST_BYTE, .price = &price, .held = held, .is_own_timeout = true,
		.est_input = 900, .est_output = 500, .request_text_bytes = 1000,
	};
	struct ag_settle_out o;

	ag_settle(&in, &o);
	is_i64(o.charged_nusd, PROMPT_COST, "for the prompt, and what may be under way");
	is_i64(o.actual.tokens, 580, "in tokens too");
	is_i64(o.actual.requests, 1, "and it was a request");
}

static void
silence_that_was_waited_for_is_work_that_was_done(void)
{
	struct ag_answer a = answer_of(ABSENT);
	struct ag_settle_in in = {
		.outcome = AG_OUT_CLIENT_LEFT_BEFORE, .answer = &a, .price = &price, .held = held, .waited_us = 500000,
		.est_input = 900, .est_output = 500, .request_text_bytes = 1000,
	};
	struct ag_settle_out o;

	a.content_bytes = 0;
	ag_settle(&in, &o);
	is_i64(o.charged_nusd, PROMPT_COST, "half a second is for the prompt");
	in.waited_us = 1500000;
	ag_settle(&in, &o);
	is_i64(o.charged_nusd, PROMPT_COST + 200 * 2, "then 200 tokens a second");
	in.outcome = AG_OUT_CLIENT_LEFT_DURING;
	ag_settle(&in, &o);
	is_i64(o.charged_nusd, PROMPT_COST + 200 * 2, "thoughts of a stream that has said nothing too");
	in.outcome = AG_OUT_TIMEOUT_STREAM;
	ag_settle(&in, &o);
	is_i64(o.charged_nusd, PROMPT_COST, "a provider's silence is its own");
	in.outcome = AG_OUT_CLIENT_LEFT_BEFORE;
	in.waited_us = INT64_MAX;
	ag_settle(&in, &o);
	is_i64(o.charged_nusd, 516 + 500 * 2, "never more than was held");
	in.outcome = AG_OUT_CLIENT_LEFT_DURING;
	a.content_bytes = 400;
	ag_settle(&in, &o);
	is_i64(o.charged_nusd, RECEIVED_COST, "what was received speaks for itself");
}

static void
figures_that_came_early_do_not_hide_what_came_later(void)
{
	struct ag_answer a = answer_of(REPORTED);
	struct ag_settle_out o;

	a.usage.output_total = 1;
	o = settle(AG_OUT_CLIENT_LEFT_DURING, &a, &price, 0);
	is_i64(o.charged_nusd, 100 + (200 + 64) * 2, "the prompt as reported, the output as received");
	is_i64(o.usage.source, AG_USAGE_PARTIAL, "which is partial");
	o = settle(AG_OUT_ANSWERED, &a, &price, 0);
	is_i64(o.charged_nusd, 100 + 2, "figures of a whole answer are believed");
	o = settle(AG_OUT_UPSTREAM_4XX, &a, &price, 0);
	is_i64(o.charged_nusd, 100 + 2, "of a refusal too, whose bytes are no output");
	a.content_bytes = 100000000;
	o = settle(AG_OUT_UPSTREAM_BROKE_DURING, &a, &price, 0);
	is_i64(o.charged_nusd, 100 + 500 * 2, "never more than was held");
}

static void
a_search_is_paid_by_the_call_although_usage_does_not_tell(void)
{
	struct ag_answer a = answer_of(REPORTED);
	struct ag_settle_in in = {
		.outcome = AG_OUT_ANSWERED, .answer = &a, .price = &price, .held = held, .searches = 1,
		.est_input = 900, .est_output = 500, .request_text_bytes = 1000,
	};
	struct ag_settle_out o;

	price.p[AG_PI_SEARCH] = 10000;
	ag_settle(&in, &o);
	is_i64(o.charged_nusd, 210, "with what was reported");
	is_i64((int64_t)o.usage.web_searches, 1, "and recorded");
	in.outcome = AG_OUT_UPSTREAM_4XX;
	a = answer_of(ABSENT);
	ag_settle(&in, &o);
	is_i64(o.charged_nusd, 0, "not when the request was refused");
	price.p[AG_PI_SEARCH] = -1;
}

static void
a_report_of_the_start_is_not_one_of_the_whole(void)
{
	struct ag_answer a = answer_of(REPORTED);
	struct ag_settle_out o;

	a.has_done = true;
	a.usage.output_total = 1;
	a.content_bytes = 800;
	a.reported_bytes = 0;
	o = settle(AG_OUT_ANSWERED, &a, &price, 0);
	ok(o.charged_nusd == 100 + (400 + 64) * 2 && o.usage.source == AG_USAGE_PARTIAL,
	    "figures of before the first word say nothing of the words");
	a.reported_bytes = 800;
	o = settle(AG_OUT_ANSWERED, &a, &price, 0);
	ok(o.charged_nusd == 100 + 2 && o.usage.source == AG_USAGE_REPORTED, "those of the end do, however few");
	o = settle(AG_OUT_CLIENT_LEFT_DURING, &a, &price, 0);
	is_i64(o.charged_nusd, 100 + 2, "for who left before the last byte of it too");
}

static void
what_is_paid_by_the_piece_is_paid_although_nobody_waited(void)
{
	static const enum ag_outcome paid[] = { AG_OUT_CLIENT_LEFT_BEFORE, AG_OUT_CLIENT_LEFT_DURING,
		AG_OUT_UPSTREAM_BROKE_DURING, AG_OUT_TIMEOUT_STREAM };
	struct ag_answer a = answer_of(ABSENT);
	struct ag_cat_price by_piece = price;
	struct ag_settle_in in = { .answer = &a, .price = &by_piece, .held = held, .est_units = 3, .est_input = 900,
		.est_output = 500, .request_text_bytes = 1000 };
	struct ag_settle_out o;

	by_piece.p[AG_PI_UNIT] = 700000;
	for (size_t i = 0; i < AG_ARRAY_LEN(paid); i++) {
		in.outcome = paid[i];
		ag_settle(&in, &o);
		ok(o.charged_nusd == 2100 && o.usage.units == 3, "three pieces and no tokens, outcome %d", paid[i]);
	}
	in.outcome = AG_OUT_UPSTREAM_5XX;
	ag_settle(&in, &o);
	ok(o.charged_nusd == 0 && o.usage.units == 0, "none of what failed");
}

int
main(void)
{
	set_price();
	every_row_without_figures_is_settled_as_the_matrix_says();
	every_row_with_figures_is_charged_by_them();
	an_unpriced_model_costs_the_flat_price_wherever_anything_was_used();
	unknown_usage_is_charged_the_hold_where_the_operator_says_so();
	what_an_adaptive_budget_cuts_costs_no_more_than_it_held();
	what_was_seen_of_an_answer_is_counted_as_it_would_be_settled();
	what_the_provider_says_it_charged_is_the_cost();
	estimates_stay_inside_what_was_held();
	an_estimate_is_priced_at_the_tier_the_answer_named();
	who_chooses_the_timeout_pays_as_if_he_had_left();
	silence_that_was_waited_for_is_work_that_was_done();
	figures_that_came_early_do_not_hide_what_came_later();
	a_search_is_paid_by_the_call_although_usage_does_not_tell();
	a_report_of_the_start_is_not_one_of_the_whole();
	what_is_paid_by_the_piece_is_paid_although_nobody_waited();
	return done();
}
