/* openai.c - reading what an OpenAI-format answer cost.
 *
 * Tolerant of what compatible providers make of it: usage may stand in x_groq or in the last
 * choice, integers may be floats, strings, null or negative (clamped: a negative number never
 * refills a budget), cached tokens have five names.  Absent is not zero: has_usage stays false
 * when nothing usable was found. */
#include <errno.h>
#include <string.h>

#include "base/money.h"
#include "base/num.h"
#include "http/json_scan.h"
#include "provider/provider.h"

#define USAGE_TOKENS_MAX (UINT64_C(1) << 40) /* above it a figure is absurd and not believed */

/* A count however it is written; false when there is none to believe (written with a fraction and an
 * exponent, for one). */
static bool
read_written(struct ag_str text, const struct ag_json_value *v, uint64_t *out)
{
	struct ag_str raw = ag_json_raw(text, *v), inside;

	if (v->type == AG_JSON_STRING && ag_json_string_plain(raw, &inside))
		raw = inside;
	else if (v->type != AG_JSON_NUMBER)
		return false;
	if (raw.n > 0 && raw.p[0] == '-') {
		*out = 0;
		return true;
	}
	if (ag_json_u64(raw, out) < 0) {
		/* A fraction: whole tokens, rounded up. */
		size_t point = 0;

		if (memchr(raw.p, 'e', raw.n) || memchr(raw.p, 'E', raw.n))
			return false;
		while (point < raw.n && raw.p[point] >= '0' && raw.p[point] <= '9')
			point++;
		if (point == 0 || point == raw.n || raw.p[point] != '.' ||
		    ag_parse_u64(ag_str_n(raw.p, point), USAGE_TOKENS_MAX, out) < 0)
			return false;
		*out += 1;
	}
	return *out <= USAGE_TOKENS_MAX;
}

/* Most of the places looked at are empty. */
static inline bool
read_count(struct ag_str text, const struct ag_json_value *v, uint64_t *out)
{
	return v->type != AG_JSON_ABSENT && read_written(text, v, out);
}

static inline uint64_t
count_or(struct ag_str text, const struct ag_json_value *v, uint64_t otherwise)
{
	uint64_t n;

	return read_count(text, v, &n) ? n : otherwise;
}

/* Something stands there and it is no count. */
static bool
is_absurd(struct ag_str text, const struct ag_json_value *v)
{
	uint64_t n;

	return v->type != AG_JSON_ABSENT && v->type != AG_JSON_NULL && !read_count(text, v, &n);
}

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- where the figures stand ---- */

enum {
	D_CACHED, D_WRITE, D_AUDIO, D_IMAGE, D_REASONING, D_ACCEPTED, D_REJECTED, D_N
};
static const struct ag_str detail_names[D_N] = {
	[D_CACHED] = { "cached_tokens", 13 }, [D_WRITE] = { "cache_write_tokens", 18 },
	[D_AUDIO] = { "audio_tokens", 12 }, [D_IMAGE] = { "image_tokens", 12 },
	[D_REASONING] = { "reasoning_tokens", 16 },
	[D_ACCEPTED] = { "accepted_prediction_tokens", 26 },
	[D_REJECTED] = { "rejected_prediction_tokens", 26 },
};
static struct ag_json_fields detail_fields = AG_JSON_FIELDS(detail_names);

static const struct ag_str upstream_cost_name[1] = { { "upstream_inference_cost", 23 } };
static struct ag_json_fields cost_detail_fields = AG_JSON_FIELDS(upstream_cost_name);

/* A usage object's fields, and behind them those of the objects in it. */
enum {
	U_PROMPT, U_INPUT, U_COMPLETION, U_OUTPUT, U_TOTAL, U_P_DETAILS, U_P_DETAIL, U_I_DETAILS,
	U_C_DETAILS, U_O_DETAILS, U_HIT, U_CACHED, U_READ, U_WRITE, U_COST, U_BYOK, U_COST_DETAILS, U_N,
	U_IN_P_DETAILS = U_N, U_IN_P_DETAIL = U_IN_P_DETAILS + D_N, U_IN_I_DETAILS = U_IN_P_DETAIL + D_N,
	U_IN_C_DETAILS = U_IN_I_DETAILS + D_N, U_IN_O_DETAILS = U_IN_C_DETAILS + D_N,
	U_IN_COST_DETAILS = U_IN_O_DETAILS + D_N, U_ALL
};
static const struct ag_str usage_names[U_N] = {
	[U_PROMPT] = { "prompt_tokens", 13 }, [U_INPUT] = { "input_tokens", 12 },
	[U_COMPLETION] = { "completion_tokens", 17 }, [U_OUTPUT] = { "output_tokens", 13 },
	[U_TOTAL] = { "total_tokens", 12 },
	[U_P_DETAILS] = { "prompt_tokens_details", 21 },
	[U_P_DETAIL] = { "prompt_token_details", 20 },
	[U_I_DETAILS] = { "input_tokens_details", 20 },
	[U_C_DETAILS] = { "completion_tokens_details", 25 },
	[U_O_DETAILS] = { "output_tokens_details", 21 },
	[U_HIT] = { "prompt_cache_hit_tokens", 23 }, [U_CACHED] = { "cached_tokens", 13 },
	[U_READ] = { "cache_read_input_tokens", 23 },
	[U_WRITE] = { "cache_creation_input_tokens", 27 }, [U_COST] = { "cost", 4 },
	[U_BYOK] = { "is_byok", 7 }, [U_COST_DETAILS] = { "cost_details", 12 },
};
static const struct ag_json_inner usage_inner[] = {
	{ U_P_DETAILS, U_IN_P_DETAILS, &detail_fields },
	{ U_P_DETAIL, U_IN_P_DETAIL, &detail_fields },
	{ U_I_DETAILS, U_IN_I_DETAILS, &detail_fields },
	{ U_C_DETAILS, U_IN_C_DETAILS, &detail_fields },
	{ U_O_DETAILS, U_IN_O_DETAILS, &detail_fields },
	{ U_COST_DETAILS, U_IN_COST_DETAILS, &cost_detail_fields },
};
static struct ag_json_fields usage_fields = AG_JSON_FIELDS_INNER(usage_names, usage_inner);

/* ---- reading them ---- */

struct details {
	uint64_t cached, cache_write, audio, image, reasoning, accepted, rejected;
	bool has_cached;
};

static void
read_details(struct ag_str text, const struct ag_json_value *f, struct details *d)
{
	d->has_cached = read_count(text, &f[D_CACHED], &d->cached);
	d->cache_write = count_or(text, &f[D_WRITE], 0);
	d->audio = count_or(text, &f[D_AUDIO], 0);
	d->image = count_or(text, &f[D_IMAGE], 0);
	d->reasoning = count_or(text, &f[D_REASONING], 0);
	d->accepted = count_or(text, &f[D_ACCEPTED], 0);
	d->rejected = count_or(text, &f[D_REJECTED], 0);
}

/* Of the objects that hold them the first that is one. */
static void
read_details_of_input(struct ag_str text, const struct ag_json_value *f, struct details *d)
{
	if (f[U_P_DETAILS].type == AG_JSON_OBJECT)
		read_details(text, f + U_IN_P_DETAILS, d);
	else if (f[U_P_DETAIL].type == AG_JSON_OBJECT)
		read_details(text, f + U_IN_P_DETAIL, d);
	else if (f[U_I_DETAILS].type == AG_JSON_OBJECT)
		read_details(text, f + U_IN_I_DETAILS, d);
}

static void
read_details_of_output(struct ag_str text, const struct ag_json_value *f, struct details *d)
{
	if (f[U_C_DETAILS].type == AG_JSON_OBJECT)
		read_details(text, f + U_IN_C_DETAILS, d);
	else if (f[U_O_DETAILS].type == AG_JSON_OBJECT)
		read_details(text, f + U_IN_O_DETAILS, d);
}

#define COST_DIGITS_MAX UINT64_C(10000000000000000) /* more digits than any writer means */

/* USD as JSON writers put it ("0.0012", "8.74e-05"), in nano-USD rounded up; -1 when it is none. */
static int64_t
read_cost(struct ag_str text, struct ag_json_value v)
{
	struct ag_str raw = ag_json_raw(text, v);
	uint64_t digits = 0;
	int64_t exponent = 0, shift = 9;
	bool is_fraction = false, is_cut = false;
	size_t i;

	if (v.type != AG_JSON_NUMBER || raw.p[0] == '-')
		return -1;
	for (i = 0; i < raw.n && raw.p[i] != 'e' && raw.p[i] != 'E'; i++) {
		if (raw.p[i] == '.') {
			is_fraction = true;
		} else if (digits < COST_DIGITS_MAX) {
			digits = digits * 10 + (uint64_t)(raw.p[i] - '0');
			shift -= is_fraction;
		} else {
			is_cut |= raw.p[i] != '0';
			shift += !is_fraction;
		}
	}
	if (i < raw.n) {
		struct ag_str e = ag_str_skip(raw, i + 1);

		if (e.n > 0 && e.p[0] == '+')
			e = ag_str_skip(e, 1);
		if (ag_parse_i64(e, -999, 999, &exponent) < 0)
			return -1;
	}
	for (shift += exponent; shift > 0 && digits > 0; shift--) {
		if (digits > AG_NUSD_MAX / 10)
			return -1;
		digits *= 10;
	}
	for (; shift < 0 && digits > 0; shift++) {
		is_cut |= digits % 10 != 0;
		digits /= 10;
	}
	return digits >= AG_NUSD_MAX ? -1 : (int64_t)digits + is_cut;
}

/* What the provider charged; with a key of one's own there, what its provider charges comes on top. */
static int64_t
read_charge(struct ag_str text, const struct ag_json_value *f)
{
	int64_t sum = read_cost(text, f[U_COST]), more;

	if (sum < 0 || f[U_BYOK].type != AG_JSON_TRUE || f[U_COST_DETAILS].type != AG_JSON_OBJECT)
		return sum;
	more = read_cost(text, f[U_IN_COST_DETAILS]);
	return more > 0 ? sum + more : sum;
}

/* f: the U_ALL values of a usage object. */
static void
normalise(const struct ag_provider *p, struct ag_str text, const struct ag_json_value *f,
    struct ag_answer *a)
{
	struct details in = { 0 }, out = { 0 };
	struct ag_usage u = { .provider_cost_nusd = -1, .source = AG_USAGE_REPORTED };
	uint64_t prompt, completion, total, cached;
	bool has_prompt = read_count(text, &f[U_PROMPT], &prompt) || read_count(text, &f[U_INPUT], &prompt);
	bool has_completion = read_count(text, &f[U_COMPLETION], &completion) ||
	    read_count(text, &f[U_OUTPUT], &completion);
	bool has_total = read_count(text, &f[U_TOTAL], &total);

	if (!has_prompt && !has_total)
		return;
	/* Half of an absurd report is not a report: the other half would be free. */
	if ((!has_prompt && (is_absurd(text, &f[U_PROMPT]) || is_absurd(text, &f[U_INPUT]))) ||
	    (!has_completion && (is_absurd(text, &f[U_COMPLETION]) || is_absurd(text, &f[U_OUTPUT]))))
		return;
	if (!has_prompt)
		prompt = has_completion && total > completion ? total - completion : has_completion ? 0 : total;
	if (!has_completion)
		completion = has_total && total > prompt ? total - prompt : 0;

	read_details_of_input(text, f, &in);
	read_details_of_output(text, f, &out);
	cached = in.has_cached ? in.cached
	    : count_or(text, &f[U_HIT], count_or(text, &f[U_CACHED], count_or(text, &f[U_READ], 0)));
	if (in.cache_write == 0)
		in.cache_write = count_or(text, &f[U_WRITE], 0);

	/* All cache counters of this format lie inside the prompt. */
	u.cache_read = min_u64(cached, prompt);
	u.cache_write_5m = min_u64(in.cache_write, prompt - u.cache_read);
	u.input_fresh = prompt - u.cache_read - u.cache_write_5m;
	u.input_audio = min_u64(in.audio, u.input_fresh);
	u.input_image = min_u64(in.image, u.input_fresh - u.input_audio);
	u.output_total = completion;
	if ((p->flags & AG_PF_REASONING_OUTSIDE) && has_total &&
	    total == prompt + completion + out.reasoning)
		u.output_total += out.reasoning;
	u.reasoning = min_u64(out.reasoning, u.output_total);
	u.output_audio = min_u64(out.audio, u.output_total - u.reasoning);
	u.accepted_prediction = min_u64(out.accepted, u.output_total);
	u.rejected_prediction = min_u64(out.rejected, u.output_total);
	if (p->flags & AG_PF_COST_IN_USAGE)
		u.provider_cost_nusd = read_charge(text, f);
	u.service_tier = a->usage.service_tier;
	a->usage = u;
	a->has_usage = true;
	a->reported_bytes = a->content_bytes;
}

static void
read_text(struct ag_str text, struct ag_json_value v, char *out, size_t cap)
{
	struct ag_str s;

	if (v.type == AG_JSON_STRING && ag_json_string_plain(ag_json_raw(text, v), &s))
		(void)ag_str_copy(s, out, cap);
}

static void
read_service_tier(struct ag_str text, struct ag_json_value v, struct ag_answer *a)
{
	char tier[16] = "";

	if (v.type != AG_JSON_STRING)
		return;
	read_text(text, v, tier, sizeof(tier));
	if (strcmp(tier, "flex") == 0)
		a->usage.service_tier = AG_TIER_FLEX;
	else if (strcmp(tier, "priority") == 0)
		a->usage.service_tier = AG_TIER_PRIORITY;
	else if (strcmp(tier, "batch") == 0)
		a->usage.service_tier = AG_TIER_BATCH;
	else if (tier[0] != '\0')
		a->usage.service_tier = AG_TIER_STANDARD;
}

/* The last finish_reason of the choices by its bytes, which no string can hold (its quotes would be
 * escaped): near the end in every provider's answers, so the end is looked at first. */
static void
find_finish_reason(struct ag_str choices, struct ag_answer *a)
{
	static const struct ag_str name = AG_STR("\"finish_reason\":");
	size_t tail = min_u64(choices.n, 96), at;
	const char *found = ag_str_find(ag_str_skip(choices, choices.n - tail), name);
	const char *end;

	if (!found)
		found = ag_str_find(choices, name);
	if (!found)
		return;
	at = (size_t)(found - choices.p) + name.n;
	while (at < choices.n && choices.p[at] == ' ')
		at++;
	if (at == choices.n || choices.p[at] != '"')
		return;
	end = memchr(choices.p + at + 1, '"', choices.n - at - 1);
	if (end)
		(void)ag_str_copy(ag_str_n(choices.p + at + 1, (size_t)(end - choices.p) - at - 1), a->finish_reason,
		    sizeof(a->finish_reason));
}

/* finish_reason of the first choice that has one; usage of the last choice that has one. */
static void
read_choices(const struct ag_provider *p, struct ag_str text, struct ag_json_value v,
    struct ag_answer *a)
{
	enum { FINISH_REASON, USAGE, N, IN_USAGE = N, ALL = IN_USAGE + U_ALL };
	static const struct ag_str names[N] = { { "finish_reason", 13 }, { "usage", 5 } };
	static const struct ag_json_inner inner[] = { { USAGE, IN_USAGE, &usage_fields } };
	static struct ag_json_fields fields = AG_JSON_FIELDS_INNER(names, inner);
	struct ag_json_iter it;
	struct ag_json_value item, f[ALL];
	struct ag_json_fault fault;
	struct ag_str choices = ag_json_raw(text, v);

	if (a->finish_reason[0] == '\0')
		find_finish_reason(choices, a);
	if (a->has_usage)
		return;
	ag_json_iter_init(&it, choices);
	while (ag_json_array_next(&it, &item) == 1) {
		struct ag_str choice = ag_json_raw(choices, item);

		if (item.type != AG_JSON_OBJECT || ag_json_scan(choice, &fields, f, &fault) < 0)
			continue;
		if (a->finish_reason[0] == '\0')
			read_text(choice, f[FINISH_REASON], a->finish_reason, sizeof(a->finish_reason));
		if (!a->has_usage && f[USAGE].type == AG_JSON_OBJECT)
			normalise(p, choice, f + IN_USAGE, a);
	}
}

enum { B_ID, B_MODEL, B_CHOICES, B_USAGE, B_TIER, B_GROQ, B_ERROR, B_N, B_IN_USAGE = B_N, B_ALL = B_IN_USAGE + U_ALL };
static const struct ag_str body_names[B_N] = {
	[B_ID] = { "id", 2 }, [B_MODEL] = { "model", 5 }, [B_CHOICES] = { "choices", 7 },
	[B_USAGE] = { "usage", 5 }, [B_TIER] = { "service_tier", 12 }, [B_GROQ] = { "x_groq", 6 },
	[B_ERROR] = { "error", 5 },
};
static const struct ag_json_inner body_inner[] = { { B_USAGE, B_IN_USAGE, &usage_fields } };
static struct ag_json_fields body_fields = AG_JSON_FIELDS_INNER(body_names, body_inner);

static void
read_groq(const struct ag_provider *p, struct ag_str groq, struct ag_answer *a)
{
	enum { USAGE, N, IN_USAGE = N, ALL = IN_USAGE + U_ALL };
	static const struct ag_str names[N] = { { "usage", 5 } };
	static const struct ag_json_inner inner[] = { { USAGE, IN_USAGE, &usage_fields } };
	static struct ag_json_fields fields = AG_JSON_FIELDS_INNER(names, inner);
	struct ag_json_value f[ALL];
	struct ag_json_fault fault;

	if (ag_json_scan(groq, &fields, f, &fault) == 0 && f[USAGE].type == AG_JSON_OBJECT)
		normalise(p, groq, f + IN_USAGE, a);
}

static void
read_common(const struct ag_provider *p, struct ag_str text, const struct ag_json_value *f,
    struct ag_answer *a)
{
	if (a->id[0] == '\0')
		read_text(text, f[B_ID], a->id, sizeof(a->id));
	if (a->model[0] == '\0')
		read_text(text, f[B_MODEL], a->model, sizeof(a->model));
	read_service_tier(text, f[B_TIER], a);
	if (f[B_USAGE].type == AG_JSON_OBJECT)
		normalise(p, text, f + B_IN_USAGE, a);
	if (f[B_GROQ].type == AG_JSON_OBJECT && !a->has_usage)
		read_groq(p, ag_json_raw(text, f[B_GROQ]), a);
}

void
ag_openai_on_body(const struct ag_provider *p, struct ag_str body, struct ag_answer *a)
{
	struct ag_json_value f[B_ALL];
	struct ag_json_fault fault;

	if (ag_json_scan(body, &body_fields, f, &fault) < 0)
		return;
	read_common(p, body, f, a);
	if (f[B_CHOICES].type == AG_JSON_ARRAY)
		read_choices(p, body, f[B_CHOICES], a);
	a->has_done = true;
}

/* What is around the text in the tersest chunk that anybody sends: it is no output. */
#define CHUNK_FRAME       "[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":null}]"
#define CHUNK_FRAME_LEAST "[{\"delta\":{\"content\":\"\"}}]"
#define CHUNK_NO_LOGPROBS ",\"logprobs\":null"
#define CHUNK_OPENAI      CHUNK_NO_LOGPROBS ",\"finish_reason\":null}]" /* how its own chunks end */
#define CHUNK_TAIL        (sizeof(CHUNK_OPENAI) - 1)
#define CHUNK_LEAST       2u /* bytes: a chunk is a token, whatever it shows */

static void
read_error(struct ag_str text, struct ag_json_value v, struct ag_answer *a)
{
	static const struct ag_str names[1] = { { "type", 4 } };
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_str error = ag_json_raw(text, v);
	struct ag_json_value f;
	struct ag_json_fault fault;

	if (v.type == AG_JSON_OBJECT && ag_json_scan(error, &fields, &f, &fault) == 0)
		read_text(error, f, a->error_type, sizeof(a->error_type));
}

/* All chunks but the last few; most writers put it last, where it is found without a search. */
static bool
is_open(struct ag_str choices)
{
	static const struct ag_str field = AG_STR("\"finish_reason\":null");
	static const char last[] = "\"finish_reason\":null}]";
	size_t n = sizeof(last) - 1;

	return (choices.n > n && memcmp(choices.p + choices.n - n, last, n) == 0) ||
	    ag_str_find(choices, field) != NULL;
}

/* The choices of a chunk: counted, and looked into only where the last chunks differ from the others. */
static void
read_chunk(const struct ag_provider *p, struct ag_str data, struct ag_json_value choices,
    struct ag_answer *a)
{
	struct ag_str raw = ag_json_raw(data, choices);
	bool goes_on = is_open(raw);
	size_t frame = goes_on ? sizeof(CHUNK_FRAME) - 1 : sizeof(CHUNK_FRAME_LEAST) - 1;

	if (raw.n > CHUNK_TAIL && memcmp(raw.p + raw.n - CHUNK_TAIL, CHUNK_OPENAI, CHUNK_TAIL) == 0)
		frame += sizeof(CHUNK_NO_LOGPROBS) - 1;
	a->content_events++;
	a->content_bytes += raw.n > frame + CHUNK_LEAST ? raw.n - frame : CHUNK_LEAST;
	if (choices.type == AG_JSON_ARRAY && a->finish_reason[0] == '\0' && !goes_on)
		read_choices(p, data, choices, a);
}

bool
ag_openai_on_event(const struct ag_provider *p, struct ag_str name, struct ag_str data,
    struct ag_answer *a)
{
	struct ag_json_value f[B_ALL];
	struct ag_json_fault fault;
	bool is_bare;

	(void)name;
	if (ag_str_eq(data, AG_STR("[DONE]"))) {
		a->has_done = true;
		return false;
	}
	if (ag_json_scan(data, &body_fields, f, &fault) < 0) {
		a->content_events++;
		a->content_bytes += data.n;
		return false;
	}
	if (f[B_ERROR].type == AG_JSON_OBJECT || f[B_ERROR].type == AG_JSON_STRING) {
		a->has_error = true;
		read_error(data, f[B_ERROR], a);
	}
	is_bare = f[B_CHOICES].type == AG_JSON_ARRAY && f[B_CHOICES].n_children == 0;
	read_common(p, data, f, a);
	if (is_bare && f[B_USAGE].type == AG_JSON_OBJECT)
		return true;
	if (!is_bare) {
		uint64_t before = a->content_bytes;

		read_chunk(p, data, f[B_CHOICES], a);
		/* Usage beside a text counts it. */
		if (a->has_usage && a->reported_bytes == before &&
		    (f[B_USAGE].type == AG_JSON_OBJECT || f[B_GROQ].type == AG_JSON_OBJECT))
			a->reported_bytes = a->content_bytes;
	}
	return false;
}

void
ag_openai_on_error(const struct ag_provider *p, struct ag_str body, struct ag_answer *a)
{
	struct ag_json_value f[B_ALL];
	struct ag_json_fault fault;

	if (ag_json_scan(body, &body_fields, f, &fault) < 0)
		return;
	read_common(p, body, f, a); /* an error that reports usage is billed */
	read_error(body, f[B_ERROR], a);
}

const struct ag_wire ag_wire_openai = {
	.on_body = ag_openai_on_body, .on_event = ag_openai_on_event, .on_error = ag_openai_on_error,
};
