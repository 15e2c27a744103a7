#include "policy/estimate.h"

#include <string.h>

#include "http/json_scan.h"

/* Dearest measured image of any spoken model, and a bound for audio and files without a known
 * context window. */
#define IMAGE_TOKENS_MAX   16384u
#define UNKNOWN_TOKENS_MAX 1048576u
#define LEGACY_COMPLETION_LIMIT 16u

enum part { PART_TEXT, PART_IMAGE, PART_UNBOUNDED };

static enum part
part_kind(struct ag_str part)
{
	static const struct ag_str name = { "type", 4 };
	struct ag_json_value type;
	struct ag_json_fault fault;
	struct ag_str raw;

	if (ag_json_scan(part, &name, 1, &type, &fault) < 0 || type.type != AG_JSON_STRING)
		return PART_UNBOUNDED;
	raw = ag_json_raw(part, type);
	if (ag_json_string_eq(raw, AG_STR("text")) || ag_json_string_eq(raw, AG_STR("refusal")))
		return PART_TEXT;
	return ag_json_string_eq(raw, AG_STR("image_url")) ? PART_IMAGE : PART_UNBOUNDED;
}

/* Tokens that the bytes of the content's parts do not bound. */
static uint64_t
media_of_content(struct ag_str content)
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
			break;
		}
	}
	return rc < 0 ? UNKNOWN_TOKENS_MAX : tokens;
}

static uint64_t
media_of_messages(struct ag_str messages)
{
	static const struct ag_str name = { "content", 7 };
	struct ag_json_iter it;
	struct ag_json_value v, content;
	struct ag_json_fault fault;
	uint64_t tokens = 0;
	int rc;

	/* Parts stand in an array inside the array; without another bracket there are none, and texts
	 * need not be walked. */
	if (!memchr(messages.p + 1, '[', messages.n - 1))
		return 0;
	ag_json_iter_init(&it, messages);
	while ((rc = ag_json_array_next(&it, &v)) == 1) {
		struct ag_str message = ag_json_raw(messages, v);

		if (v.type != AG_JSON_OBJECT)
			continue;
		if (ag_json_scan(message, &name, 1, &content, &fault) < 0)
			return UNKNOWN_TOKENS_MAX;
		if (content.type == AG_JSON_ARRAY)
			tokens += media_of_content(ag_json_raw(message, content));
	}
	return rc < 0 ? UNKNOWN_TOKENS_MAX : tokens;
}

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void
ag_estimate(const struct ag_estimate_in *in, struct ag_estimate *out)
{
	const struct ag_cat_price *p = in->price;
	uint64_t choices = in->choices > 0 ? in->choices : 1;

	*out = (struct ag_estimate){ .input = in->body_bytes, .text_bytes = in->body_bytes };
	if (in->messages.n > 0)
		out->input += media_of_messages(in->messages);
	/* The window bounds one prompt; embeddings and completions may carry many. */
	if (in->endpoint == AG_EP_CHAT && p && p->context_window > 0)
		out->input = min_u64(out->input, p->context_window);
	if (in->endpoint == AG_EP_EMBEDDING)
		return;
	out->limit = in->client_limit;
	if (out->limit == 0) {
		out->must_write_limit = true;
		out->limit = in->endpoint == AG_EP_COMPLETION ? LEGACY_COMPLETION_LIMIT
		    : p && (p->flags & AG_MF_REASONING) ? in->default_limit_reasoning : in->default_limit;
	}
	if (p && p->max_output > 0 && out->limit > p->max_output)
		out->limit = p->max_output;
	if (__builtin_mul_overflow(out->limit, choices, &out->output) || out->output > UINT32_MAX)
		out->output = UINT32_MAX;
}
