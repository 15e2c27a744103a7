#include "policy/estimate.h"

#include <string.h>

#include "http/json_scan.h"

/* Dearest known image of any spoken model (gpt-4o-mini, 2833 + 8 tiles of 5667), and a bound for
 * audio and files without a known context window. */
#define IMAGE_TOKENS_MAX   49152u
#define UNKNOWN_TOKENS_MAX 1048576u
#define LEGACY_COMPLETION_LIMIT 16u

enum part { PART_TEXT, PART_IMAGE, PART_UNBOUNDED };

/* The raw string of an object's "type"; nothing when it has none, or two. */
static struct ag_str
type_of(struct ag_str object)
{
	static const struct ag_str names[1] = { { "type", 4 } };
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_value type;
	struct ag_json_fault fault;

	if (ag_json_scan(object, &fields, &type, &fault) < 0 || type.type != AG_JSON_STRING)
		return AG_STR_NONE;
	return ag_json_raw(object, type);
}

static enum part
part_kind(struct ag_str part)
{
	struct ag_str raw = type_of(part);

	if (raw.n == 0)
		return PART_UNBOUNDED;
	if (ag_json_string_eq(raw, AG_STR("text")) || ag_json_string_eq(raw, AG_STR("refusal")))
		return PART_TEXT;
	return ag_json_string_eq(raw, AG_STR("image_url")) ? PART_IMAGE : PART_UNBOUNDED;
}

/* Tokens that the bytes of the content's parts do not bound; *out_unknown: one is neither text nor picture. */
static uint64_t
media_of_content(struct ag_str content, bool *out_unknown)
{
	struct ag_json_iter it;
	struct ag_json_value v;
	uint64_t tokens = 0;
	int rc;

	ag_json_iter_init(&it, content);
	while ((rc = ag_json_array_next(&it, &v)) == 1) {
		if (v.type != AG_JSON_OBJECT)
			continue;
		switch (part_kind(ag_json_raw(content, v))) {
		case PART_TEXT:
			break;
		case PART_IMAGE:
			tokens += IMAGE_TOKENS_MAX;
			break;
		case PART_UNBOUNDED:
			tokens += UNKNOWN_TOKENS_MAX;
			*out_unknown = true;
			break;
		}
	}
	*out_unknown |= rc < 0;
	return rc < 0 ? UNKNOWN_TOKENS_MAX : tokens;
}

static uint64_t
media_of_messages(struct ag_str messages, bool *out_unknown)
{
	static const struct ag_str names[2] = { { "content", 7 }, { "audio", 5 } };
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_iter it;
	struct ag_json_value v, f[2];
	struct ag_json_fault fault;
	uint64_t tokens = 0;
	int rc;

	ag_json_iter_init(&it, messages);
	while ((rc = ag_json_array_next(&it, &v)) == 1) {
		struct ag_str message = ag_json_raw(messages, v);

		/* With nothing nested in it a message is text alone: the usual kind, not walked again. */
		if (v.type != AG_JSON_OBJECT || v.n_children == 0)
			continue;
		if (ag_json_scan(message, &fields, f, &fault) < 0) {
			*out_unknown = true;
			return UNKNOWN_TOKENS_MAX;
		}
		if (f[0].type == AG_JSON_ARRAY)
			tokens += media_of_content(ag_json_raw(message, f[0]), out_unknown);
		/* One part without its array, and an earlier spoken answer named by its id. */
		if (f[0].type == AG_JSON_OBJECT || f[1].type == AG_JSON_OBJECT) {
			tokens += UNKNOWN_TOKENS_MAX;
			*out_unknown = true;
		}
	}
	*out_unknown |= rc < 0;
	return rc < 0 ? UNKNOWN_TOKENS_MAX : tokens;
}

/* Embeddings of strings and token ids are bounded by their bytes, those of objects (images) not. */
static uint64_t
media_of_input(struct ag_str input)
{
	struct ag_json_iter it;
	struct ag_json_value v;
	uint64_t tokens = 0;
	int rc;

	if (input.p[0] == '{')
		return UNKNOWN_TOKENS_MAX;
	if (input.p[0] != '[')
		return 0;
	ag_json_iter_init(&it, input);
	while ((rc = ag_json_array_next(&it, &v)) == 1)
		if (v.type == AG_JSON_OBJECT)
			tokens += UNKNOWN_TOKENS_MAX;
	return rc < 0 ? UNKNOWN_TOKENS_MAX : tokens;
}

/* Whether one of the tools is run by the provider, which then reads more than it was sent. */
static bool
has_server_tools(struct ag_str tools)
{
	struct ag_json_iter it;
	struct ag_json_value v;
	int rc;

	ag_json_iter_init(&it, tools);
	while ((rc = ag_json_array_next(&it, &v)) == 1) {
		struct ag_str type = v.type == AG_JSON_OBJECT ? type_of(ag_json_raw(tools, v)) : AG_STR_NONE;

		if (type.n == 0 || (!ag_json_string_eq(type, AG_STR("function")) &&
		    !ag_json_string_eq(type, AG_STR("custom"))))
			return true;
	}
	return rc < 0;
}

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void
ag_estimate_set_limit(struct ag_estimate *e, uint64_t limit)
{
	e->limit = limit;
	if (__builtin_mul_overflow(limit, e->choices, &e->output) || e->output > UINT32_MAX)
		e->output = UINT32_MAX;
}

void
ag_estimate(const struct ag_estimate_in *in, struct ag_estimate *out)
{
	const struct ag_cat_price *p = in->price;
	uint64_t limit = in->client_limit;

	*out = (struct ag_estimate){ .input = in->body_bytes + in->media, .text_bytes = in->body_bytes,
		.choices = in->choices > 0 ? in->choices : 1 };
	if (in->messages.n > 0)
		out->input += media_of_messages(in->messages, &out->may_name_objects);
	if (in->input.n > 0)
		out->input += media_of_input(in->input);
	out->has_server_tools = in->tools.n > 0 && has_server_tools(in->tools);
	/* Pictures are at an address or in the body, but for protocols that name those too. */
	out->may_name_objects |= out->has_server_tools || in->media >= IMAGE_TOKENS_MAX;
	if (in->is_searching || out->has_server_tools)
		out->input += UNKNOWN_TOKENS_MAX;
	/* The window bounds one prompt; embeddings and completions may carry many. */
	if (in->endpoint == AG_EP_CHAT && p && p->context_window > 0)
		out->input = min_u64(out->input, p->context_window);
	/* The window bounds one turn of a loop that the provider runs. */
	if (in->calls > 0 && (out->has_server_tools || in->tools.n == 0) &&
	    __builtin_mul_overflow(out->input, in->calls + 1, &out->input))
		out->input = UINT64_MAX / 4;
	if (in->endpoint == AG_EP_EMBEDDING)
		return;
	if (limit == 0) {
		out->must_write_limit = true;
		limit = in->endpoint == AG_EP_COMPLETION ? LEGACY_COMPLETION_LIMIT
		    : p && (p->flags & AG_MF_REASONING) ? in->default_limit_reasoning : in->default_limit;
	}
	/* Held is no more than the model can, so more is not asked of it: the catalogue may be wrong. */
	if (p && p->max_output > 0 && limit > p->max_output) {
		out->must_write_limit = true;
		limit = p->max_output;
	}
	ag_estimate_set_limit(out, limit);
}
