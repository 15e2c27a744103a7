/* test_provider_openai.c - what answers of OpenAI's format, and of those who resemble it, cost. */
#include "provider/provider.h"

#include <stdlib.h>

#include "base/attr.h"
#include "http/sse.h"
#include "tap.h"

static const struct ag_provider *
family(const char *name)
{
	const struct ag_provider *p = ag_provider_find(ag_str(name));

	if (!p) {
		printf("Bail out! no family %s\n", name);
		exit(1);
	}
	return p;
}

static struct ag_answer
body(const char *name, const char *json)
{
	struct ag_answer a = { .usage.provider_cost_nusd = -1 };
	const struct ag_provider *p = family(name);

	ag_wire_openai.on_body(p, ag_str(json), &a);
	return a;
}

static struct ag_answer
usage(const char *json)
{
	char text[2048];

	snprintf(text, sizeof(text), "{\"id\":\"x\",\"model\":\"m\",\"choices\":[],\"usage\":%s}", json);
	return body("openai", text);
}

/* "in cached written out reasoning", the figures that matter. */
static void
is_usage(const struct ag_answer *a, const char *want, const char *text)
{
	char got[128];

	if (a->has_usage)
		snprintf(got, sizeof(got), "%llu %llu %llu %llu %llu", (unsigned long long)a->usage.input_fresh,
		    (unsigned long long)a->usage.cache_read, (unsigned long long)a->usage.cache_write_5m,
		    (unsigned long long)a->usage.output_total, (unsigned long long)a->usage.reasoning);
	else
		snprintf(got, sizeof(got), "none");
	is_str(got, want, text);
}

static void
a_whole_body_tells_who_answered_and_what_it_used(void)
{
	struct ag_answer a = body("openai",
	    "{\"id\":\"chatcmpl-9\",\"object\":\"chat.completion\",\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,"
	    "\"message\":{\"role\":\"assistant\",\"content\":\"{\\\"usage\\\":1}\"},\"finish_reason\":\"stop\"}],"
	    "\"usage\":{\"prompt_tokens\":5300,\"completion_tokens\":900,\"total_tokens\":6200,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":4096,\"cache_write_tokens\":1024,\"audio_tokens\":20,"
	    "\"image_tokens\":30},\"completion_tokens_details\":{\"reasoning_tokens\":640,\"audio_tokens\":7,"
	    "\"accepted_prediction_tokens\":12,\"rejected_prediction_tokens\":3}},\"service_tier\":\"flex\"}");

	is_usage(&a, "180 4096 1024 900 640", "disjoint counters");
	is_i64((int64_t)a.usage.input_audio, 20, "audio in");
	is_i64((int64_t)a.usage.input_image, 30, "images in");
	is_i64((int64_t)a.usage.output_audio, 7, "audio out");
	is_i64((int64_t)a.usage.accepted_prediction, 12, "accepted predictions");
	is_i64((int64_t)a.usage.rejected_prediction, 3, "rejected predictions");
	is_i64(a.usage.service_tier, AG_TIER_FLEX, "the tier that served");
	is_i64(a.usage.provider_cost_nusd, -1, "no cost of its own");
	is_str(a.model, "gpt-4o-2024-08-06", "the model that served");
	is_str(a.id, "chatcmpl-9", "the answer's id");
	is_str(a.finish_reason, "stop", "why it ended");
	a = body("openai", "{\"object\":\"list\",\"data\":[],\"model\":\"e\",\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}");
	is_usage(&a, "8 0 0 0 0", "embeddings have no completion");
}

static void
usage_is_found_wherever_it_hides(void)
{
	struct ag_answer a = body("groq", "{\"choices\":[],\"x_groq\":{\"id\":\"r\",\"usage\":{\"prompt_tokens\":20,"
	    "\"completion_tokens\":12,\"total_tokens\":32,\"queue_time\":0.01}}}");

	is_usage(&a, "20 0 0 12 0", "in x_groq");
	a = body("groq", "{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2},\"x_groq\":{\"usage\":{\"prompt_tokens\":20}}}");
	is_usage(&a, "1 0 0 2 0", "the plain one wins");
	a = body("moonshot", "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"usage\":{\"prompt_tokens\":9,"
	    "\"completion_tokens\":4,\"cached_tokens\":5}}]}");
	is_usage(&a, "4 5 0 4 0", "in a choice");
	a = body("openai", "{\"choices\":[{\"usage\":null},{\"finish_reason\":\"length\",\"usage\":{\"prompt_tokens\":3,"
	    "\"completion_tokens\":1}}]}");
	is_usage(&a, "3 0 0 1 0", "in the last of two");
	is_str(a.finish_reason, "length", "and the reason with it");
	a = body("openai", "{\"choices\":[],\"usage\":null}");
	is_usage(&a, "none", "null is absent");
	a = body("openai", "{\"choices\":[]}");
	is_usage(&a, "none", "absent is absent, not zero");
	a = body("openai", "{\"choices\":[],\"usage\":[1]}");
	is_usage(&a, "none", "an array is no usage");
	a = body("openai", "{\"choices\":[");
	is_usage(&a, "none", "half a body is none");
}

static void
counts_are_read_however_they_are_written(void)
{
	static const struct { const char *json, *want, *text; } cases[] = {
		{ "{\"prompt_tokens\":10.0,\"completion_tokens\":2.0}", "10 0 0 2 0", "whole floats" },
		{ "{\"prompt_tokens\":10.2,\"completion_tokens\":1.999}", "11 0 0 2 0", "fractions, rounded up" },
		{ "{\"prompt_tokens\":1e2,\"completion_tokens\":1.5e1}", "100 0 0 15 0", "exponents" },
		{ "{\"prompt_tokens\":\"10\",\"completion_tokens\":\"2\"}", "10 0 0 2 0", "strings" },
		{ "{\"prompt_tokens\":-10,\"completion_tokens\":2}", "0 0 0 2 0", "a negative one is clamped" },
		{ "{\"prompt_tokens\":10,\"completion_tokens\":-2}", "10 0 0 0 0", "on either side" },
		{ "{\"prompt_tokens\":10,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":-5}}",
		  "10 0 0 2 0", "negative cached tokens" },
		{ "{\"prompt_tokens\":null,\"completion_tokens\":2,\"total_tokens\":12}", "10 0 0 2 0",
		  "a null prompt comes from the total" },
		{ "{\"prompt_tokens\":10,\"total_tokens\":12}", "10 0 0 2 0", "a missing completion too" },
		{ "{\"prompt_tokens\":10,\"completion_tokens\":null}", "10 0 0 0 0", "or is none" },
		{ "{\"total_tokens\":12}", "12 0 0 0 0", "a total alone is the prompt's" },
		{ "{\"input_tokens\":10,\"output_tokens\":2}", "10 0 0 2 0", "the other names" },
		{ "{\"input_tokens\":10,\"output_tokens\":2,\"input_tokens_details\":{\"cached_tokens\":4},"
		  "\"output_tokens_details\":{\"reasoning_tokens\":1}}", "6 4 0 2 1", "with their details" },
		{ "{\"prompt_tokens\":10,\"completion_tokens\":2,\"prompt_tokens_details\":null,"
		  "\"completion_tokens_details\":null}", "10 0 0 2 0", "null details" },
		{ "{}", "none", "an empty object" },
		{ "{\"prompt_tokens\":\"many\",\"completion_tokens\":2}", "none", "a word is no count" },
		{ "{\"prompt_tokens\":10,\"completion_tokens\":\"many\"}", "none", "and spoils the other" },
		{ "{\"prompt_tokens\":10,\"completion_tokens\":99999999999999999999999}", "none", "nor is an absurd figure" },
		{ "{\"prompt_tokens\":10,\"completion_tokens\":1e15}", "none", "above 2^40" },
		{ "{\"prompt_tokens\":10,\"completion_tokens\":1.55e1}", "none", "nor what nobody writes" },
		{ "{\"prompt_tokens\":true,\"completion_tokens\":2}", "none", "nor true" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(cases); i++) {
		struct ag_answer a = usage(cases[i].json);

		is_usage(&a, cases[i].want, cases[i].text);
	}
}

static void
cached_tokens_have_five_names_and_lie_inside_the_prompt(void)
{
	static const struct { const char *json, *want; } cases[] = {
		{ "{\"prompt_tokens\":100,\"completion_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":64}}", "36 64 0 1 0" },
		{ "{\"prompt_tokens\":100,\"completion_tokens\":1,\"prompt_token_details\":{\"cached_tokens\":64}}", "36 64 0 1 0" },
		{ "{\"prompt_tokens\":100,\"completion_tokens\":1,\"input_tokens_details\":{\"cached_tokens\":64}}", "36 64 0 1 0" },
		{ "{\"prompt_tokens\":100,\"completion_tokens\":1,\"prompt_cache_hit_tokens\":64,"
		  "\"prompt_cache_miss_tokens\":36}", "36 64 0 1 0" },
		{ "{\"prompt_tokens\":100,\"completion_tokens\":1,\"cached_tokens\":64}", "36 64 0 1 0" },
		{ "{\"prompt_tokens\":100,\"completion_tokens\":1,\"cache_read_input_tokens\":64,"
		  "\"cache_creation_input_tokens\":20}", "16 64 20 1 0" },
		{ "{\"prompt_tokens\":100,\"completion_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":0},"
		  "\"cached_tokens\":64}", "100 0 0 1 0" },
		{ "{\"prompt_tokens\":10,\"completion_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":64,"
		  "\"cache_write_tokens\":64}}", "0 10 0 1 0" },
		{ "{\"prompt_tokens\":10,\"completion_tokens\":3,\"completion_tokens_details\":{\"reasoning_tokens\":64}}",
		  "10 0 0 3 3" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(cases); i++) {
		struct ag_answer a = usage(cases[i].json);

		is_usage(&a, cases[i].want, cases[i].json);
		ok(ag_usage_input_total(&a.usage) <= 100, "the whole is the prompt");
	}
}

static void
reasoning_outside_the_completion_is_added_where_the_total_says_so(void)
{
	static const char outside[] = "{\"usage\":{\"prompt_tokens\":32,\"completion_tokens\":9,\"total_tokens\":141,"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":100}}}";
	static const char inside[] = "{\"usage\":{\"prompt_tokens\":32,\"completion_tokens\":109,\"total_tokens\":141,"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":100}}}";
	struct ag_answer a = body("x-ai", outside);

	is_usage(&a, "32 0 0 109 100", "added");
	a = body("x-ai", inside);
	is_usage(&a, "32 0 0 109 100", "not twice");
	a = body("openai", outside);
	is_usage(&a, "32 0 0 9 9", "and not for others");
}

static void
a_cost_in_usage_is_read_exactly_and_rounded_up(void)
{
	static const struct { const char *cost; int64_t want; } cases[] = {
		{ "0.0000874", 87400 }, { "8.74e-05", 87400 }, { "8.74E-5", 87400 }, { "1", 1000000000 },
		{ "0", 0 }, { "0.0", 0 }, { "1.5e+1", 15000000000 }, { "0.0000000001", 1 },
		{ "1.23456789012e-05", 12346 }, { "0.00001234567890123456789", 12346 },
		{ "1.0000000000e-05", 10000 }, { "12e-400", 1 }, { "-1", -1 }, { "1e99", -1 },
		{ "\"0.1\"", -1 }, { "null", -1 }, { "100000000000000000000", -1 },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(cases); i++) {
		char text[256];
		struct ag_answer a;

		snprintf(text, sizeof(text), "{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"cost\":%s}}", cases[i].cost);
		a = body("openrouter", text);
		is_i64(a.usage.provider_cost_nusd, cases[i].want, cases[i].cost);
		a = body("openai", text);
		is_i64(a.usage.provider_cost_nusd, -1, "believed only of those who charge by it");
	}
}

static void
an_error_body_gives_its_type_and_its_usage_if_it_has_one(void)
{
	const struct ag_provider *p = family("openai");
	struct ag_answer a = { 0 };

	ag_wire_openai.on_error(p, AG_STR("{\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"x\"}}"), &a);
	is_str(a.error_type, "invalid_request_error", "its type");
	ok(!a.has_usage, "no usage");
	a = (struct ag_answer){ 0 };
	ag_wire_openai.on_error(p, AG_STR("{\"error\":\"gone\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":0}}"), &a);
	is_usage(&a, "5 0 0 0 0", "usage of an error is billed");
	a = (struct ag_answer){ 0 };
	ag_wire_openai.on_error(p, AG_STR("<html>bad gateway</html>"), &a);
	ok(!a.has_usage && a.error_type[0] == '\0', "a page of HTML says nothing");
}

/* ---- streams ----------------------------------------------------------------------------- */

struct run {
	const struct ag_provider *p;
	struct ag_answer a;
	int n_withheld;
	uint64_t last_withheld_at;
};

static int
on_event(void *arg, const struct ag_sse_event *ev)
{
	struct run *r = arg;

	if (ev->has_data && ag_wire_openai.on_event(r->p, ev->event, ev->data, &r->a)) {
		r->n_withheld++;
		r->last_withheld_at = ev->at;
	}
	return 0;
}

enum cut { WHOLE, BYTES, RANDOM };

static struct run
stream(const char *name, struct ag_str text, enum cut how)
{
	struct run r = { .p = family(name), .a.usage.provider_cost_nusd = -1 };
	struct ag_sse sse;
	size_t at = 0;
	static uint32_t seed = 1;
	int rc = 0;

	ag_sse_init(&sse, AG_SSE_EVENT_MAX);
	while (at < text.n && rc == 0) {
		size_t n = text.n - at;

		seed = seed * 1664525u + 1013904223u;
		if (how != WHOLE) {
			size_t piece = how == BYTES ? 1 : 1 + (seed >> 8) % 90;

			n = piece < n ? piece : n;
		}
		rc = ag_sse_feed(&sse, text.p + at, n, on_event, &r);
		at += n;
	}
	ok(rc == 0 && !ag_sse_finish(&sse, NULL), "the stream is taken whole");
	ag_sse_fini(&sse);
	return r;
}

#define CHUNK(delta, finish, more)                                                                  \
	"data: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-6-sol\",\"choices\":[{\"index\":0," \
	"\"delta\":" delta ",\"finish_reason\":" finish "}]" more "}\n\n"

static const char plain[] =
    CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null", ",\"usage\":null,\"service_tier\":\"priority\"")
    CHUNK("{\"content\":\"42.\"}", "null", ",\"usage\":null")
    CHUNK("{}", "\"stop\"", ",\"usage\":null")
    "data: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-6-sol\",\"choices\":[],\"usage\":"
    "{\"prompt_tokens\":5300,\"completion_tokens\":900,\"total_tokens\":6200,\"prompt_tokens_details\":"
    "{\"cached_tokens\":4096,\"cache_write_tokens\":1024},\"completion_tokens_details\":{\"reasoning_tokens\":640}}}\n\n"
    "data: [DONE]\n\n";

static void
a_stream_reads_the_same_however_it_is_cut(void)
{
	for (enum cut how = WHOLE; how <= RANDOM; how++) {
		struct run r = stream("openai", ag_str(plain), how);

		is_usage(&r.a, "180 4096 1024 900 640", "the usage of the last chunk");
		is_i64(r.a.usage.service_tier, AG_TIER_PRIORITY, "the tier that only the first chunk told");
		is_i64(r.n_withheld, 1, "the chunk of usage may be withheld");
		is_i64((int64_t)r.a.content_events, 3, "three with content");
		ok(r.a.has_done && !r.a.has_error, "it ended properly");
		is_str(r.a.finish_reason, "stop", "why");
		is_str(r.a.model, "gpt-6-sol", "by whom");
	}
}

static void
only_the_bare_usage_chunk_may_be_withheld(void)
{
	static const struct { const char *data; bool may; const char *text; } cases[] = {
		{ "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}", true, "usage and no choices" },
		{ "{\"choices\":[],\"usage\":{\"prompt_tokens\":-1}}", true, "even when it is not believed" },
		{ "{\"choices\":[],\"usage\":null}", false, "no choices, usage null" },
		{ "{\"choices\":[],\"prompt_filter_results\":[{}]}", false, "no choices and a filter's results" },
		{ "{\"choices\":[{\"index\":0,\"delta\":{}}],\"usage\":{\"prompt_tokens\":1}}", false, "usage beside a choice" },
		{ "{\"usage\":{\"prompt_tokens\":1}}", false, "no choices member: not the shape that is known" },
		{ "[DONE]", false, "the terminator" },
		{ "not json", false, "what cannot be read" },
		{ "{\"error\":{\"message\":\"m\",\"type\":\"t\"}}", false, "an error" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(cases); i++) {
		const struct ag_provider *p = family("openai");
		struct ag_answer a = { 0 };

		ok(ag_wire_openai.on_event(p, AG_STR_NONE, ag_str(cases[i].data), &a) == cases[i].may, "%s", cases[i].text);
	}
}

static void
running_usage_is_replaced_never_added(void)
{
	struct run r = stream("openai", AG_STR(
	    CHUNK("{\"content\":\"a\"}", "null", ",\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1}")
	    CHUNK("{\"content\":\"b\"}", "null", ",\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}")
	    CHUNK("{}", "\"length\"", ",\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}")
	    "data: [DONE]\n\n"), WHOLE);

	is_usage(&r.a, "7 0 0 3 0", "the last one counts");
	is_i64(r.n_withheld, 0, "nothing is withheld");
	r = stream("groq", AG_STR(
	    CHUNK("{\"content\":\"a\"}", "null", "")
	    CHUNK("{}", "\"stop\"", ",\"x_groq\":{\"id\":\"r\",\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":12}}")
	    "data: [DONE]\n\n"), RANDOM);
	is_usage(&r.a, "20 0 0 12 0", "in x_groq of the last chunk");
	r = stream("moonshot", AG_STR(
	    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\",\"usage\":{\"prompt_tokens\":20,"
	    "\"completion_tokens\":12}}]}\n\ndata: [DONE]\n\n"), WHOLE);
	is_usage(&r.a, "20 0 0 12 0", "in the last choice");
}

static void
a_broken_stream_is_told_from_a_finished_one(void)
{
	struct run r = stream("openai", AG_STR(CHUNK("{\"content\":\"a\"}", "null", "")), WHOLE);

	ok(!r.a.has_done && r.a.finish_reason[0] == '\0' && !r.a.has_usage, "cut: no end, no usage");
	is_i64((int64_t)r.a.content_bytes, 2, "a chunk is a token at least");
	r = stream("openai", AG_STR(CHUNK("{\"content\":\"0123456789\"}", "null", "")), WHOLE);
	is_i64((int64_t)r.a.content_bytes, 10, "the text counts, not what is around it");
	r = stream("openai", AG_STR("data: {\"choices\":[{\"delta\":{\"content\":\"0123456789\"}}]}\n\n"), WHOLE);
	is_i64((int64_t)r.a.content_bytes, 10, "in the tersest form too");
	r = stream("openai", AG_STR("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"0123456789\"},"
	    "\"logprobs\":null,\"finish_reason\":null}]}\n\n"), WHOLE);
	is_i64((int64_t)r.a.content_bytes, 10, "and as OpenAI writes it");
	r = stream("openai", AG_STR(CHUNK("{\"content\":\"a\"}", "null", "")
	    "data: {\"error\":{\"message\":\"out of order\",\"type\":\"server_error\",\"code\":null}}\n\n"), WHOLE);
	ok(r.a.has_error, "an error event is seen");
	is_str(r.a.error_type, "server_error", "with its type");
	r = stream("openai", AG_STR("data: {\"error\":\"boom\"}\n\n"), WHOLE);
	ok(r.a.has_error, "as a string too");
	r = stream("openai", AG_STR("data: gar{bage\n\n"), WHOLE);
	is_i64((int64_t)r.a.content_events, 1, "what cannot be read counts as content");
}

/* ---- files ------------------------------------------------------------------------------- */

static struct ag_str
load(const char *name, char *out, size_t cap)
{
	const char *dir = getenv("srcdir");
	char path[512];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/tests/unit/data/%s", dir ? dir : ".", name);
	f = fopen(path, "rb");
	if (!f) {
		printf("Bail out! cannot open %s\n", path);
		exit(1);
	}
	n = fread(out, 1, cap - 1, f);
	fclose(f);
	out[n] = '\0';
	return ag_str_n(out, n);
}

static void
transcripts_of_compatible_providers_are_understood(void)
{
	char text[8192];
	struct ag_str s = load("compatible-byok.sse", text, sizeof(text));
	struct ag_answer a;

	for (enum cut how = WHOLE; how <= RANDOM; how++) {
		struct run r = stream("openrouter", s, how);

		is_usage(&r.a, "14 3 2 8 5", "comments, and usage beside a choice");
		is_i64(r.a.usage.provider_cost_nusd, 4050 + 91200, "a key of one's own: both costs");
		is_i64(r.n_withheld, 0, "which is relayed");
		ok(r.a.has_done, "and ended");
	}
	s = load("compatible-outside.json", text, sizeof(text));
	a = body("x-ai", s.p);
	is_usage(&a, "30 10 0 137 130", "reasoning outside the completion");
}

int
main(void)
{
	a_whole_body_tells_who_answered_and_what_it_used();
	usage_is_found_wherever_it_hides();
	counts_are_read_however_they_are_written();
	cached_tokens_have_five_names_and_lie_inside_the_prompt();
	reasoning_outside_the_completion_is_added_where_the_total_says_so();
	a_cost_in_usage_is_read_exactly_and_rounded_up();
	an_error_body_gives_its_type_and_its_usage_if_it_has_one();
	a_stream_reads_the_same_however_it_is_cut();
	only_the_bare_usage_chunk_may_be_withheld();
	running_usage_is_replaced_never_added();
	a_broken_stream_is_told_from_a_finished_one();
	transcripts_of_compatible_providers_are_understood();
	return done();
}
