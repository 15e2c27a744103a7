#include "policy/media.h"

#include "base/attr.h"
#include "http/json_scan.h"
#include "provider/figure.h"

typedef uint64_t media_fn(struct ag_str object);

/* The sum over the objects of an array; texts among them are bounded by their bytes. */
static uint64_t
sum(struct ag_str array, media_fn *fn)
{
	struct ag_json_iter it;
	struct ag_json_value v;
	uint64_t tokens = 0;
	int rc;

	ag_json_iter_init(&it, array);
	while ((rc = ag_json_array_next(&it, &v)) == 1)
		if (v.type == AG_JSON_OBJECT)
			tokens += fn(ag_json_raw(array, v));
	return rc < 0 ? AG_MEDIA_UNKNOWN_TOKENS : tokens;
}

static bool
is_one_of(struct ag_str raw, const char *const *words)
{
	for (; *words; words++)
		if (ag_json_string_eq(raw, ag_str(*words)))
			return true;
	return false;
}

/* "type" of an object and the member that may hold more; false: cannot be read. */
static bool
read_typed(struct ag_str object, const char *inner, struct ag_str *out_type, struct ag_json_value *out_inner)
{
	const struct ag_str names[] = { AG_STR("type"), ag_str(inner) };
	struct ag_json_value f[2];
	struct ag_json_fault fault;

	if (ag_figure_scan(object, names, 2, f, &fault) < 0)
		return false;
	*out_type = f[0].type == AG_JSON_STRING ? ag_json_raw(object, f[0]) : AG_STR_NONE;
	*out_inner = f[1];
	return true;
}

/* ---- Anthropic ---- */

static uint64_t
block_tokens(struct ag_str block)
{
	static const char *const texts[] = { "text", "tool_use", "thinking", "redacted_thinking", NULL };
	static const char *const images[] = { "image", NULL };
	static const char *const results[] = { "tool_result", NULL };
	struct ag_json_value content;
	struct ag_str type;

	if (!read_typed(block, "content", &type, &content) || type.n == 0)
		return AG_MEDIA_UNKNOWN_TOKENS;
	if (is_one_of(type, texts))
		return 0;
	if (is_one_of(type, images))
		return AG_MEDIA_IMAGE_TOKENS;
	if (is_one_of(type, results) && content.type != AG_JSON_OBJECT)
		return content.type == AG_JSON_ARRAY ? sum(ag_json_raw(block, content), block_tokens) : 0;
	return AG_MEDIA_UNKNOWN_TOKENS;
}

static uint64_t
message_tokens(struct ag_str message)
{
	struct ag_json_value content;
	struct ag_str type;

	if (!read_typed(message, "content", &type, &content) || content.type == AG_JSON_OBJECT)
		return AG_MEDIA_UNKNOWN_TOKENS;
	return content.type == AG_JSON_ARRAY ? sum(ag_json_raw(message, content), block_tokens) : 0;
}

uint64_t
ag_media_messages(struct ag_str messages)
{
	return sum(messages, message_tokens);
}

/* ---- responses ---- */

static uint64_t
part_tokens(struct ag_str part)
{
	static const char *const texts[] = { "input_text", "output_text", "text", "refusal", "summary_text",
		"reasoning_text", NULL };
	static const char *const images[] = { "input_image", NULL };
	struct ag_json_value none;
	struct ag_str type;

	if (!read_typed(part, "content", &type, &none) || type.n == 0)
		return AG_MEDIA_UNKNOWN_TOKENS;
	return is_one_of(type, texts) ? 0 : is_one_of(type, images) ? AG_MEDIA_IMAGE_TOKENS : AG_MEDIA_UNKNOWN_TOKENS;
}

static uint64_t
item_tokens(struct ag_str item)
{
	static const char *const plain[] = { "function_call", "custom_tool_call", "reasoning", NULL };
	static const char *const outputs[] = { "function_call_output", "custom_tool_call_output", NULL };
	static const char *const messages[] = { "message", NULL };
	struct ag_json_value content;
	struct ag_str type;

	if (!read_typed(item, "content", &type, &content))
		return AG_MEDIA_UNKNOWN_TOKENS;
	if (is_one_of(type, plain))
		return 0;
	if (is_one_of(type, outputs) && !read_typed(item, "output", &type, &content))
		return AG_MEDIA_UNKNOWN_TOKENS;
	else if (type.n > 0 && !is_one_of(type, messages) && !is_one_of(type, outputs))
		return AG_MEDIA_UNKNOWN_TOKENS;
	if (content.type == AG_JSON_OBJECT)
		return AG_MEDIA_UNKNOWN_TOKENS;
	return content.type == AG_JSON_ARRAY ? sum(ag_json_raw(item, content), part_tokens) : 0;
}

uint64_t
ag_media_items(struct ag_str input)
{
	return input.n > 0 && input.p[0] == '[' ? sum(input, item_tokens)
	    : input.n > 0 && input.p[0] == '"' ? 0 : AG_MEDIA_UNKNOWN_TOKENS;
}

/* ---- Gemini ---- */

/* What a function returned may hold pictures and files beside its text. */
static bool
has_parts(struct ag_str part, struct ag_json_value response)
{
	static const struct ag_str name = { "parts", 5 };
	struct ag_json_value parts;
	struct ag_json_fault fault;

	if (response.type != AG_JSON_OBJECT)
		return false;
	return ag_figure_scan(ag_json_raw(part, response), &name, 1, &parts, &fault) < 0 ||
	    parts.type != AG_JSON_ABSENT;
}

/* A part is known by the member it has; those of bytes by their type. */
static uint64_t
gemini_part_tokens(struct ag_str part)
{
	enum { INLINE, INLINE_SNAKE, FILE_DATA, FILE_SNAKE, VIDEO, VIDEO_SNAKE, N_MEDIA,
		RESPONSE = N_MEDIA, RESPONSE_SNAKE, N };
	static const struct ag_str names[N] = { { "inlineData", 10 }, { "inline_data", 11 }, { "fileData", 8 },
		{ "file_data", 9 }, { "videoMetadata", 13 }, { "video_metadata", 14 },
		{ "functionResponse", 16 }, { "function_response", 17 } };
	static const struct ag_str mime[] = { { "mimeType", 8 }, { "mime_type", 9 } };
	struct ag_json_value f[N], m[2];
	struct ag_json_fault fault;

	if (ag_figure_scan(part, names, N, f, &fault) < 0)
		return AG_MEDIA_UNKNOWN_TOKENS;
	if (has_parts(part, f[RESPONSE]) || has_parts(part, f[RESPONSE_SNAKE]))
		return AG_MEDIA_UNKNOWN_TOKENS;
	for (int i = 0; i < N_MEDIA; i++) {
		struct ag_str raw = ag_json_raw(part, f[i]), type;

		if (f[i].type == AG_JSON_ABSENT)
			continue;
		if (f[i].type != AG_JSON_OBJECT || ag_figure_scan(raw, mime, 2, m, &fault) < 0)
			return AG_MEDIA_UNKNOWN_TOKENS;
		type = ag_json_raw(raw, m[0].type == AG_JSON_STRING ? m[0] : m[1]);
		return type.n > 7 && ag_str_starts(type, AG_STR("\"image/")) ? AG_MEDIA_IMAGE_TOKENS
		    : AG_MEDIA_UNKNOWN_TOKENS;
	}
	return 0;
}

static uint64_t
content_tokens(struct ag_str content)
{
	struct ag_json_value parts;
	struct ag_str type;

	if (!read_typed(content, "parts", &type, &parts))
		return AG_MEDIA_UNKNOWN_TOKENS;
	if (parts.type == AG_JSON_OBJECT)
		return gemini_part_tokens(ag_json_raw(content, parts));
	return parts.type == AG_JSON_ARRAY ? sum(ag_json_raw(content, parts), gemini_part_tokens) : 0;
}

uint64_t
ag_media_contents(struct ag_str contents)
{
	if (contents.n > 0 && contents.p[0] == '{')
		return content_tokens(contents);
	return sum(contents, content_tokens);
}
