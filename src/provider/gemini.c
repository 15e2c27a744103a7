/* gemini.c - reading what an answer of generateContent cost.
 *
 * promptTokenCount contains the cached tokens but not those of tool results; candidatesTokenCount
 * leaves the thoughts out, except where the total says otherwise.  Every chunk of a stream carries
 * running totals, of which a later one may omit what an earlier one had: the greatest of each is
 * kept.  Without alt=sse a stream is one array of chunks. */
#include <string.h>

#include "provider/figure.h"
#include "provider/provider.h"

enum { U_PROMPT, U_CACHED, U_TOOL, U_CANDIDATES, U_THOUGHTS, U_TOTAL, U_P_DETAILS, U_C_DETAILS, U_O_DETAILS,
	U_TRAFFIC, U_TIER, U_N };

struct modalities {
	uint64_t audio, image;
};

static uint64_t
max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
less(uint64_t whole, uint64_t part)
{
	return whole > part ? whole - part : 0;
}

/* [{"modality":"AUDIO","tokenCount":3},...] */
static struct modalities
read_modalities(struct ag_str usage, struct ag_json_value v)
{
	static const struct ag_str names[] = { { "modality", 8 }, { "tokenCount", 10 } };
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_str list = ag_json_raw(usage, v);
	struct modalities m = { 0 };
	struct ag_json_fault fault;
	struct ag_json_iter it;
	struct ag_json_value item, f[2];

	if (v.type != AG_JSON_ARRAY)
		return m;
	ag_json_iter_init(&it, list);
	while (ag_json_array_next(&it, &item) == 1) {
		struct ag_str one = ag_json_raw(list, item), kind;

		if (item.type != AG_JSON_OBJECT || ag_json_scan(one, &fields, f, &fault) < 0)
			continue;
		kind = ag_figure_inside(one, f[0]);
		if (ag_str_eq(kind, AG_STR("AUDIO")))
			m.audio += ag_figure_or(one, f[1], 0);
		else if (ag_str_eq(kind, AG_STR("IMAGE")))
			m.image += ag_figure_or(one, f[1], 0);
	}
	return m;
}

static void
read_tier(struct ag_str usage, const struct ag_json_value *f, struct ag_usage *u)
{
	static const struct { struct ag_str word; enum ag_service_tier tier; } words[] = {
		{ { "ON_DEMAND_PRIORITY", 18 }, AG_TIER_PRIORITY }, { { "ON_DEMAND_FLEX", 14 }, AG_TIER_FLEX },
		{ { "ON_DEMAND_OFFPEAK", 17 }, AG_TIER_FLEX },
		{ { "PROVISIONED_THROUGHPUT", 22 }, AG_TIER_PROVISIONED },
		{ { "priority", 8 }, AG_TIER_PRIORITY }, { { "flex", 4 }, AG_TIER_FLEX },
	};
	struct ag_str traffic = ag_figure_inside(usage, f[U_TRAFFIC]), tier = ag_figure_inside(usage, f[U_TIER]);

	for (size_t i = 0; i < AG_ARRAY_LEN(words); i++)
		if (ag_str_eq(traffic, words[i].word) || ag_str_eq(tier, words[i].word))
			u->service_tier = words[i].tier;
}

static void
read_usage(struct ag_str text, struct ag_json_value v, struct ag_answer *a)
{
	static const struct ag_str names[U_N] = {
		[U_PROMPT] = { "promptTokenCount", 16 }, [U_CACHED] = { "cachedContentTokenCount", 23 },
		[U_TOOL] = { "toolUsePromptTokenCount", 23 }, [U_CANDIDATES] = { "candidatesTokenCount", 20 },
		[U_THOUGHTS] = { "thoughtsTokenCount", 18 }, [U_TOTAL] = { "totalTokenCount", 15 },
		[U_P_DETAILS] = { "promptTokensDetails", 19 }, [U_C_DETAILS] = { "cacheTokensDetails", 18 },
		[U_O_DETAILS] = { "candidatesTokensDetails", 23 }, [U_TRAFFIC] = { "trafficType", 11 },
		[U_TIER] = { "serviceTier", 11 },
	};
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_value f[U_N];
	struct ag_json_fault fault;
	struct ag_str usage = ag_json_raw(text, v);
	struct ag_usage *u = &a->usage;
	struct modalities in, cached_in, out;
	uint64_t prompt, cached, tool, visible, thoughts, total, rest, input;
	bool has_total;

	if (v.type != AG_JSON_OBJECT || ag_json_scan(usage, &fields, f, &fault) < 0)
		return;
	if (ag_figure_is_absurd(usage, f[U_PROMPT]) || ag_figure_is_absurd(usage, f[U_CANDIDATES]) ||
	    ag_figure_is_absurd(usage, f[U_THOUGHTS]) || ag_figure_is_absurd(usage, f[U_TOOL])) {
		a->has_usage = false;
		return;
	}
	has_total = ag_figure_read(usage, f[U_TOTAL], &total);
	if (!ag_figure_read(usage, f[U_PROMPT], &prompt) && !has_total)
		return;
	if (!a->has_usage)
		u->provider_cost_nusd = -1;
	tool = ag_figure_or(usage, f[U_TOOL], 0);
	visible = ag_figure_or(usage, f[U_CANDIDATES], 0);
	thoughts = ag_figure_or(usage, f[U_THOUGHTS], 0);
	rest = has_total ? less(total, tool + visible + thoughts) : 0;
	prompt = ag_figure_or(usage, f[U_PROMPT], rest);
	cached = min_u64(ag_figure_or(usage, f[U_CACHED], 0), prompt);
	if (f[U_CANDIDATES].type == AG_JSON_ABSENT)
		visible = less(rest, prompt); /* what the total has and no other figure */
	if (has_total && thoughts > 0 && visible >= thoughts &&
	    (total == prompt + visible || total == prompt + tool + visible))
		visible -= thoughts; /* this place has them inside */
	in = read_modalities(usage, f[U_P_DETAILS]);
	cached_in = read_modalities(usage, f[U_C_DETAILS]);
	out = read_modalities(usage, f[U_O_DETAILS]);

	input = max_u64(prompt + tool, ag_usage_input_total(u));
	visible = max_u64(visible, u->output_total - u->reasoning);
	u->cache_read = min_u64(max_u64(cached, u->cache_read), input);
	u->input_fresh = input - u->cache_read;
	u->reasoning = max_u64(thoughts, u->reasoning);
	u->output_total = visible + u->reasoning;
	u->cache_read_audio = min_u64(max_u64(cached_in.audio, u->cache_read_audio), u->cache_read);
	u->input_audio = min_u64(
	    max_u64(in.audio - min_u64(in.audio, cached_in.audio), u->input_audio), u->input_fresh);
	u->input_image = min_u64(max_u64(in.image - min_u64(in.image, cached_in.image), u->input_image),
	    u->input_fresh - u->input_audio);
	u->output_audio = min_u64(max_u64(out.audio, u->output_audio), visible);
	u->output_image = min_u64(max_u64(out.image, u->output_image), visible - u->output_audio);
	read_tier(usage, f, u);
	a->has_usage = true;
	a->reported_bytes = a->content_bytes;
}

enum { C_FINISH, C_GROUNDING, C_N };

/* Up to 2.x a grounded answer is billed, from 3 on each search it took. */
static void
read_searches(struct ag_str candidate, struct ag_json_value v, struct ag_answer *a)
{
	static const struct ag_str name = { "webSearchQueries", 16 };
	struct ag_str grounding = ag_json_raw(candidate, v), model = ag_str(a->model);
	bool is_by_answer = ag_str_starts(model, AG_STR("gemini-1")) || ag_str_starts(model, AG_STR("gemini-2"));
	struct ag_json_value queries;
	struct ag_json_fault fault;
	int64_t n;

	if (v.type != AG_JSON_OBJECT || ag_figure_scan(grounding, &name, 1, &queries, &fault) < 0 ||
	    queries.type != AG_JSON_ARRAY)
		return;
	n = ag_json_array_count(ag_json_raw(grounding, queries));
	if (n > 0)
		a->usage.web_searches = max_u64(a->usage.web_searches, is_by_answer ? 1 : (uint64_t)n);
}

/* What is around the text in the tersest candidate that is sent: it is no output. */
#define CANDIDATE_FRAME (sizeof("[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},\"index\":0}]") - 1)
#define CANDIDATE_LEAST 2u

static void
read_candidates(struct ag_str text, struct ag_json_value v, struct ag_answer *a)
{
	static const struct ag_str names[C_N] = { [C_FINISH] = { "finishReason", 12 },
		[C_GROUNDING] = { "groundingMetadata", 17 } };
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_str list = ag_json_raw(text, v);
	struct ag_json_value item, f[C_N];
	struct ag_json_fault fault;
	struct ag_json_iter it;

	if (v.type != AG_JSON_ARRAY || v.n_children == 0)
		return;
	a->content_events++;
	a->content_bytes += list.n > CANDIDATE_FRAME + CANDIDATE_LEAST ? list.n - CANDIDATE_FRAME : CANDIDATE_LEAST;
	ag_json_iter_init(&it, list);
	while (ag_json_array_next(&it, &item) == 1) {
		struct ag_str candidate = ag_json_raw(list, item);

		if (item.type != AG_JSON_OBJECT || ag_json_scan(candidate, &fields, f, &fault) < 0)
			continue;
		ag_figure_text(candidate, f[C_FINISH], a->finish_reason, sizeof(a->finish_reason));
		read_searches(candidate, f[C_GROUNDING], a);
	}
}

enum { G_CANDIDATES, G_USAGE, G_MODEL, G_ID, G_FEEDBACK, G_ERROR, G_N };
static const struct ag_str names[G_N] = {
	[G_CANDIDATES] = { "candidates", 10 }, [G_USAGE] = { "usageMetadata", 13 },
	[G_MODEL] = { "modelVersion", 12 }, [G_ID] = { "responseId", 10 },
	[G_FEEDBACK] = { "promptFeedback", 14 }, [G_ERROR] = { "error", 5 },
};
static struct ag_json_fields fields = AG_JSON_FIELDS(names);

static void
read_error(struct ag_str text, struct ag_json_value v, struct ag_answer *a)
{
	static const struct ag_str name = { "status", 6 };
	struct ag_str error = ag_json_raw(text, v);
	struct ag_json_value f;
	struct ag_json_fault fault;

	if (v.type == AG_JSON_OBJECT && ag_figure_scan(error, &name, 1, &f, &fault) == 0)
		ag_figure_text(error, f, a->error_type, sizeof(a->error_type));
}

/* A prompt that was blocked has no candidates, and is billed. */
static void
read_feedback(struct ag_str text, struct ag_json_value v, struct ag_answer *a)
{
	static const struct ag_str name = { "blockReason", 11 };
	struct ag_str feedback = ag_json_raw(text, v);
	struct ag_json_value f;
	struct ag_json_fault fault;

	if (v.type == AG_JSON_OBJECT && ag_figure_scan(feedback, &name, 1, &f, &fault) == 0)
		ag_figure_text(feedback, f, a->finish_reason, sizeof(a->finish_reason));
}

static void
read_chunk(struct ag_str chunk, struct ag_answer *a)
{
	struct ag_json_value f[G_N];
	struct ag_json_fault fault;

	if (ag_json_scan(chunk, &fields, f, &fault) < 0) {
		a->content_events++;
		a->content_bytes += chunk.n;
		return;
	}
	ag_figure_text(chunk, f[G_ID], a->id, sizeof(a->id));
	ag_figure_text(chunk, f[G_MODEL], a->model, sizeof(a->model));
	if (f[G_ERROR].type == AG_JSON_OBJECT) {
		a->has_error = true;
		read_error(chunk, f[G_ERROR], a);
	}
	read_candidates(chunk, f[G_CANDIDATES], a);
	read_feedback(chunk, f[G_FEEDBACK], a);
	read_usage(chunk, f[G_USAGE], a);
}

/* One object, or an array of them. */
static void
read_all(struct ag_str body, struct ag_answer *a)
{
	struct ag_json_iter it;
	struct ag_json_value item;

	body = ag_str_trim(body);
	if (body.n == 0 || body.p[0] != '[') {
		read_chunk(body, a);
		return;
	}
	ag_json_iter_init(&it, body);
	while (ag_json_array_next(&it, &item) == 1)
		if (item.type == AG_JSON_OBJECT)
			read_chunk(ag_json_raw(body, item), a);
}

static void
on_body(const struct ag_provider *p, struct ag_str body, struct ag_answer *a)
{
	(void)p;
	read_all(body, a);
	a->has_done = true;
}

static bool
on_event(const struct ag_provider *p, struct ag_str name, struct ag_str data, struct ag_answer *a)
{
	(void)p;
	(void)name;
	read_chunk(data, a);
	return false;
}

static void
on_error(const struct ag_provider *p, struct ag_str body, struct ag_answer *a)
{
	(void)p;
	read_all(body, a);
}

const struct ag_wire ag_wire_gemini = { .on_body = on_body, .on_event = on_event, .on_error = on_error };
