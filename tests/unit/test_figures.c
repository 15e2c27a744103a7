/* test_figures.c - figures that providers of other protocols get wrong, leave out, or mean otherwise. */
#include "provider/provider.h"
#include "tap.h"

static struct ag_answer
of_body(const struct ag_wire *wire, const char *body)
{
	struct ag_answer a = { .has_usage = false };

	wire->on_body(NULL, ag_str(body), &a);
	return a;
}

static void
half_of_an_absurd_report_is_no_report(void)
{
	static const char *const claude[] = {
		"{\"usage\":{\"input_tokens\":10,\"output_tokens\":9999999999999999}}",
		"{\"usage\":{\"input_tokens\":10,\"output_tokens\":\"12\"}}",
		"{\"usage\":{\"input_tokens\":1e99,\"output_tokens\":12}}",
	};
	static const char *const google[] = {
		"{\"usageMetadata\":{\"promptTokenCount\":10,\"candidatesTokenCount\":9999999999999999}}",
		"{\"usageMetadata\":{\"promptTokenCount\":10,\"candidatesTokenCount\":1,\"thoughtsTokenCount\":{}}}",
		"{\"usageMetadata\":{\"promptTokenCount\":1e99,\"candidatesTokenCount\":1}}",
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(claude); i++)
		ok(!of_body(&ag_wire_anthropic, claude[i]).has_usage, "%s", claude[i]);
	for (size_t i = 0; i < AG_ARRAY_LEN(google); i++)
		ok(!of_body(&ag_wire_gemini, google[i]).has_usage, "%s", google[i]);
}

static void
an_absurd_end_does_not_leave_the_figures_of_the_start(void)
{
	struct ag_answer a = { .has_usage = false };

	ag_wire_anthropic.on_event(NULL, AG_STR_NONE, AG_STR("{\"type\":\"message_start\",\"message\":{\"usage\":"
	    "{\"input_tokens\":10,\"output_tokens\":1}}}"), &a);
	ok(a.has_usage, "the start counts the prompt");
	ag_wire_anthropic.on_event(NULL, AG_STR_NONE, AG_STR("{\"type\":\"message_delta\",\"delta\":{},\"usage\":"
	    "{\"output_tokens\":-1e30}}"), &a);
	ag_wire_anthropic.on_event(NULL, AG_STR_NONE, AG_STR("{\"type\":\"message_delta\",\"delta\":{},\"usage\":"
	    "{\"output_tokens\":9999999999999999}}"), &a);
	ok(!a.has_usage, "and says nothing of the output");
	ag_wire_anthropic.on_event(NULL, AG_STR_NONE, AG_STR("{\"type\":\"message_delta\",\"delta\":{},\"usage\":"
	    "{\"output_tokens\":500}}"), &a);
	ok(a.has_usage && a.usage.output_total == 500 && a.usage.input_fresh == 10, "a good one is believed again");
}

static void
what_a_total_has_beyond_the_figures_is_counted(void)
{
	struct ag_answer a = of_body(&ag_wire_gemini, "{\"usageMetadata\":{\"totalTokenCount\":100,\"candidatesTokenCount\":30}}");

	is_i64((int64_t)a.usage.input_fresh, 70, "the prompt of a total");
	is_i64((int64_t)a.usage.output_total, 30, "and its output");
	a = of_body(&ag_wire_gemini, "{\"usageMetadata\":{\"totalTokenCount\":100,\"promptTokenCount\":60,\"thoughtsTokenCount\":10}}");
	is_i64((int64_t)a.usage.output_total, 40, "the answer of a total, with its thoughts");
	is_i64((int64_t)a.usage.reasoning, 10, "thoughts");
	a = of_body(&ag_wire_gemini, "{\"usageMetadata\":{\"totalTokenCount\":60,\"promptTokenCount\":60}}");
	is_i64((int64_t)a.usage.output_total, 0, "none");
	a = of_body(&ag_wire_gemini, "{\"usageMetadata\":{\"totalTokenCount\":77,\"promptTokenCount\":60,\"candidatesTokenCount\":7,"
	    "\"thoughtsTokenCount\":10}}");
	is_i64((int64_t)a.usage.output_total, 17, "thoughts beside the answer");
}

static void
priority_of_claude_is_capacity_that_was_bought(void)
{
	struct ag_answer a = of_body(&ag_wire_anthropic,
	    "{\"usage\":{\"input_tokens\":10,\"output_tokens\":2,\"service_tier\":\"priority\"}}");

	is_i64(a.usage.service_tier, AG_TIER_PROVISIONED, "not the price of speed, which nothing held");
}

static void
only_pictures_are_counted_by_their_ends(void)
{
	struct ag_answer a = { .has_usage = false };

	ag_wire_media.on_event(ag_provider_at(0), AG_STR_NONE, AG_STR("{\"type\":\"transcript.text.done\",\"text\":\"x\"}"), &a);
	is_i64((int64_t)a.usage.units, 0, "a transcript is not one second");
	ag_wire_media.on_event(ag_provider_at(0), AG_STR_NONE, AG_STR("{\"type\":\"image_generation.completed\"}"), &a);
	is_i64((int64_t)a.usage.units, 1, "a picture is one");
	ok(a.has_done, "both end");
}

int
main(void)
{
	half_of_an_absurd_report_is_no_report();
	an_absurd_end_does_not_leave_the_figures_of_the_start();
	what_a_total_has_beyond_the_figures_is_counted();
	priority_of_claude_is_capacity_that_was_bought();
	only_pictures_are_counted_by_their_ends();
	return done();
}
