/* gemini_build.c - a chat as a request of generateContent. */
#include <errno.h>

#include "base/json.h"
#include "translate/chat.h"
#include "translate/chat_check.h"
#include "translate/gemini.h"
#include "translate/json_out.h"
#include "translate/openai.h"

#define STOPS_MAX 5u

struct build {
	const struct ag_build_in *in;
	struct json_object *messages; /* borrowed: chat */
	unsigned major;               /* 2 of gemini-2.5-flash; not known: taken for new */
	struct ag_buf *b;
	struct ag_err *err;
};

static unsigned
major_of(struct ag_str model)
{
	const char *at = memmem(model.p, model.n, "gemini-", 7), *end = model.p + model.n;

	return at && at + 7 < end && at[7] >= '1' && at[7] <= '9' ? (unsigned)(at[7] - '0') : 3;
}

/* ---- parts ------------------------------------------------------------------------------- */

static void
put_text(struct build *s, struct ag_str text)
{
	if (text.n == 0)
		return;
	ag_jo_open(s->b, NULL, '{');
	ag_jo_str(s->b, "text", text);
	ag_jo_close(s->b, '}');
}

static void
put_inline(struct build *s, struct ag_str type, struct ag_str data)
{
	ag_jo_open(s->b, NULL, '{');
	ag_jo_open(s->b, "inlineData", '{');
	ag_jo_str(s->b, "mimeType", type);
	ag_jo_str(s->b, "data", data);
	ag_buf_puts(s->b, "}}");
}

/* What lies in Google's own stores is read there; nothing is fetched here. */
static int
put_image(struct build *s, struct ag_str url, size_t at)
{
	struct ag_str type, data;

	if (ag_openai_split_data_url(url, &type, &data)) {
		put_inline(s, type, data);
		return 0;
	}
	if (!ag_str_starts(url, AG_STR("gs://")) &&
	    !ag_str_starts(url, AG_STR("https://generativelanguage.googleapis.com/")))
		return ag_err_set(s->err, -EINVAL, "messages[%zu].content: image_url.url must be base64 data for %s: it "
		    "does not fetch addresses", at, s->in->family->name);
	ag_jo_open(s->b, NULL, '{');
	ag_jo_open(s->b, "fileData", '{');
	ag_jo_str(s->b, "fileUri", url);
	ag_buf_puts(s->b, "}}");
	return 0;
}

static int
put_audio(struct build *s, struct json_object *audio, size_t at)
{
	static const struct { const char *format, *type; } rows[] = { { "wav", "audio/wav" }, { "mp3", "audio/mp3" },
		{ "aac", "audio/aac" }, { "ogg", "audio/ogg" }, { "flac", "audio/flac" }, { "aiff", "audio/aiff" } };

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++)
		if (ag_tree_is(audio, "format", rows[i].format)) {
			put_inline(s, ag_str(rows[i].type), ag_tree_str(audio, "data"));
			return 0;
		}
	return ag_err_set(s->err, -EINVAL, "messages[%zu].content: input_audio.format: %s takes wav, mp3, aac, ogg, flac "
	    "and aiff", at, s->in->family->name);
}

static int
put_part(struct build *s, struct json_object *part, size_t at)
{
	struct json_object *audio = ag_tree_object(part, "input_audio"), *file = ag_tree_object(part, "file");
	struct ag_str type, data;

	if (ag_tree_is(part, "type", "text") || ag_tree_is(part, "type", "refusal")) {
		put_text(s, ag_tree_str(part, ag_tree_is(part, "type", "text") ? "text" : "refusal"));
		return 0;
	}
	if (ag_tree_is(part, "type", "image_url"))
		return put_image(s, ag_tree_str(ag_tree_object(part, "image_url"), "url"), at);
	if (audio)
		return put_audio(s, audio, at);
	if (file && ag_openai_split_data_url(ag_tree_str(file, "file_data"), &type, &data)) {
		put_inline(s, type, data);
		return 0;
	}
	return ag_err_set(s->err, -EINVAL, "messages[%zu].content: a part of type \"%.40s\" is not supported by %s", at,
	    ag_tree_str(part, "type").p ? ag_tree_str(part, "type").p : "", s->in->family->name);
}

static int
put_content(struct build *s, struct json_object *m, size_t at)
{
	struct json_object *content = ag_tree_get(m, "content");
	int rc = 0;

	if (json_object_is_type(content, json_type_string)) {
		put_text(s, ag_tree_text(content));
		return 0;
	}
	for (size_t i = 0; i < ag_json_len(ag_tree_array(m, "content")) && rc == 0; i++)
		rc = put_part(s, ag_json_at(content, i), at);
	return rc;
}

/* ---- calls and their results ------------------------------------------------------------- */

static struct ag_str
proof_of(struct json_object *call)
{
	return ag_tree_str(ag_tree_object(ag_tree_object(call, "extra_content"), "google"), "thought_signature");
}

static int
put_call(struct build *s, struct json_object *call, size_t at)
{
	struct json_object *fn = ag_tree_object(call, "function"), *args = NULL;
	struct ag_str text = ag_tree_str(fn, "arguments");

	if (!fn)
		return ag_err_set(s->err, -EINVAL, "messages[%zu].tool_calls: only functions are supported by %s", at,
		    s->in->family->name);
	if (text.n > 0 && ag_tree_parse(text, &args, NULL) < 0)
		return ag_err_set(s->err, -EINVAL, "messages[%zu].tool_calls: function.arguments is no JSON object", at);
	ag_jo_open(s->b, NULL, '{');
	ag_jo_open(s->b, "functionCall", '{');
	if (s->major >= 3 && ag_tree_str(call, "id").n > 0)
		ag_jo_str(s->b, "id", ag_tree_str(call, "id"));
	ag_jo_str(s->b, "name", ag_tree_str(fn, "name"));
	if (args)
		ag_jo_tree(s->b, "args", args);
	else
		ag_jo_raw(s->b, "args", AG_STR("{}"));
	ag_jo_close(s->b, '}');
	if (proof_of(call).n > 0)
		ag_jo_str(s->b, "thoughtSignature", proof_of(call));
	ag_jo_close(s->b, '}');
	json_object_put(args);
	return 0;
}

/* A result names the function; the chat names the call alone. */
static struct ag_str
name_of_call(struct json_object *messages, size_t before, struct ag_str id)
{
	for (size_t i = before; i-- > 0;) {
		struct json_object *calls = ag_tree_array(ag_json_at(messages, i), "tool_calls");

		for (size_t k = 0; k < ag_json_len(calls); k++) {
			struct json_object *call = ag_json_at(calls, k);

			if (ag_str_eq(ag_tree_str(call, "id"), id))
				return ag_tree_str(ag_tree_object(call, "function"), "name");
		}
	}
	return AG_STR_NONE;
}

/* The texts of a result, joined; -EINVAL: it holds something else. */
static int
join_text(struct build *s, struct json_object *m, size_t at, struct ag_buf *text)
{
	struct json_object *content = ag_tree_get(m, "content");

	ag_buf_put_str(text, ag_tree_text(content));
	for (size_t i = 0; i < ag_json_len(ag_tree_array(m, "content")); i++) {
		struct json_object *part = ag_json_at(content, i);

		if (!ag_tree_is(part, "type", "text"))
			return ag_err_set(s->err, -EINVAL, "messages[%zu].content: a tool's result can only be text for %s",
			    at, s->in->family->name);
		ag_buf_put_str(text, ag_tree_str(part, "text"));
	}
	return 0;
}

static int
put_result(struct build *s, struct json_object *m, size_t at)
{
	struct ag_str id = ag_tree_str(m, "tool_call_id"), name = name_of_call(s->messages, at, id);
	struct json_object *object = NULL;
	struct ag_buf text;
	int rc;

	if (name.n == 0)
		return ag_err_set(s->err, -EINVAL, "messages[%zu].tool_call_id: no earlier message makes that call", at);
	ag_buf_init(&text, (size_t)64 << 20);
	rc = join_text(s, m, at, &text);
	if (rc == 0 && text.failed)
		rc = ag_err_set(s->err, -ENOBUFS, "messages[%zu]: too large", at);
	if (rc == 0) {
		ag_jo_open(s->b, NULL, '{');
		ag_jo_open(s->b, "functionResponse", '{');
		if (s->major >= 3)
			ag_jo_str(s->b, "id", id);
		ag_jo_str(s->b, "name", name);
		if (ag_tree_parse(ag_buf_str(&text), &object, NULL) == 0) {
			ag_jo_tree(s->b, "response", object);
		} else {
			ag_jo_open(s->b, "response", '{');
			ag_jo_str(s->b, "output", ag_buf_str(&text));
			ag_jo_close(s->b, '}');
		}
		ag_buf_puts(s->b, "}}");
		json_object_put(object);
	}
	ag_buf_fini(&text);
	return rc;
}

/* ---- contents ---------------------------------------------------------------------------- */

/* All of them: there is no system turn in the middle of a conversation. */
static int
put_system(struct build *s)
{
	bool any = false;
	int rc = 0;

	for (size_t i = 0; i < ag_json_len(s->messages); i++)
		any |= ag_chat_is_system(ag_json_at(s->messages, i));
	if (!any)
		return 0;
	ag_jo_open(s->b, "systemInstruction", '{');
	ag_jo_open(s->b, "parts", '[');
	for (size_t i = 0; i < ag_json_len(s->messages) && rc == 0; i++)
		if (ag_chat_is_system(ag_json_at(s->messages, i)))
			rc = put_content(s, ag_json_at(s->messages, i), i);
	ag_buf_puts(s->b, "]}");
	return rc;
}

static int
put_turn(struct build *s, struct json_object *m, size_t at)
{
	struct json_object *calls = ag_tree_array(m, "tool_calls");
	int rc;

	if (ag_chat_is_role(m, "tool"))
		return put_result(s, m, at);
	rc = put_content(s, m, at);
	for (size_t i = 0; i < ag_json_len(calls) && rc == 0; i++)
		rc = put_call(s, ag_json_at(calls, i), at);
	return rc;
}

static void
open_turn(struct build *s, bool is_model)
{
	ag_jo_open(s->b, NULL, '{');
	ag_jo_str(s->b, "role", is_model ? AG_STR("model") : AG_STR("user"));
	ag_jo_open(s->b, "parts", '[');
}

/* Neighbours of one side are one turn, and the user has the first. */
static int
put_contents(struct build *s)
{
	bool is_open = false, was_model = false;
	int rc = 0;

	ag_jo_open(s->b, "contents", '[');
	for (size_t i = 0; i < ag_json_len(s->messages) && rc == 0; i++) {
		struct json_object *m = ag_json_at(s->messages, i);
		bool is_model = ag_chat_is_role(m, "assistant");

		if (ag_chat_is_system(m))
			continue;
		if (!is_model && !ag_chat_is_role(m, "user") && !ag_chat_is_role(m, "tool"))
			return ag_err_set(s->err, -EINVAL, "messages[%zu].role: not supported by %s", i, s->in->family->name);
		if (!is_open && is_model) {
			open_turn(s, false);
			put_text(s, AG_STR("."));
			ag_buf_puts(s->b, "]}");
		}
		if (is_open && is_model != was_model)
			ag_buf_puts(s->b, "]}");
		if (!is_open || is_model != was_model)
			open_turn(s, is_model);
		is_open = true;
		was_model = is_model;
		rc = put_turn(s, m, i);
	}
	if (is_open)
		ag_buf_puts(s->b, "]}");
	ag_jo_close(s->b, ']');
	return rc;
}

/* ---- tools ------------------------------------------------------------------------------- */

static int
put_tools(struct build *s)
{
	struct json_object *tools = ag_tree_array(s->in->chat, "tools");

	if (ag_json_len(tools) == 0)
		return 0;
	ag_jo_open(s->b, "tools", '[');
	ag_jo_open(s->b, NULL, '{');
	ag_jo_open(s->b, "functionDeclarations", '[');
	for (size_t i = 0; i < ag_json_len(tools); i++) {
		struct json_object *fn = ag_tree_object(ag_json_at(tools, i), "function");
		struct json_object *parameters = ag_tree_object(fn, "parameters");

		if (!fn)
			return ag_err_set(s->err, -EINVAL, "tools[%zu].type: only functions are supported by %s", i,
			    s->in->family->name);
		ag_jo_open(s->b, NULL, '{');
		ag_jo_str(s->b, "name", ag_tree_str(fn, "name"));
		if (ag_tree_str(fn, "description").n > 0)
			ag_jo_str(s->b, "description", ag_tree_str(fn, "description"));
		if (ag_json_members(parameters) > 0)
			ag_jo_tree(s->b, "parametersJsonSchema", parameters);
		ag_jo_close(s->b, '}');
	}
	ag_buf_puts(s->b, "]}]");
	return 0;
}

static void
put_names(struct build *s, struct json_object *choice)
{
	struct json_object *allowed = ag_tree_array(ag_tree_object(choice, "allowed_tools"), "tools");
	struct ag_str one = ag_tree_str(ag_tree_object(choice, "function"), "name");

	if (one.n == 0 && ag_json_len(allowed) == 0)
		return;
	ag_jo_open(s->b, "allowedFunctionNames", '[');
	if (one.n > 0)
		ag_jo_str(s->b, NULL, one);
	for (size_t i = 0; i < ag_json_len(allowed); i++)
		ag_jo_str(s->b, NULL, ag_tree_str(ag_tree_object(ag_json_at(allowed, i), "function"), "name"));
	ag_jo_close(s->b, ']');
}

static bool
is_any_strict(struct json_object *tools)
{
	for (size_t i = 0; i < ag_json_len(tools); i++)
		if (ag_tree_true(ag_tree_object(ag_json_at(tools, i), "function"), "strict"))
			return true;
	return false;
}

static void
put_tool_choice(struct build *s)
{
	struct json_object *choice = ag_tree_get(s->in->chat, "tool_choice"), *tools = ag_tree_array(s->in->chat, "tools");
	struct ag_str word = ag_tree_text(choice);
	bool is_any = ag_str_eq(word, AG_STR("required")) || ag_tree_object(choice, "function") ||
	    ag_tree_is(ag_tree_object(choice, "allowed_tools"), "mode", "required");
	/* Names bind in the modes ANY and VALIDATED alone, and so do schemas. */
	bool is_none = ag_str_eq(word, AG_STR("none"));
	bool is_validated = !is_any && !is_none && (ag_tree_object(choice, "allowed_tools") || is_any_strict(tools));

	if (ag_json_len(tools) == 0 || (!choice && !is_validated))
		return;
	ag_jo_open(s->b, "toolConfig", '{');
	ag_jo_open(s->b, "functionCallingConfig", '{');
	ag_jo_str(s->b, "mode", is_any ? AG_STR("ANY") : is_validated ? AG_STR("VALIDATED")
	    : is_none ? AG_STR("NONE") : AG_STR("AUTO"));
	put_names(s, choice);
	ag_buf_puts(s->b, "}}");
}

/* ---- generationConfig -------------------------------------------------------------------- */

static void
put_as(struct build *s, const char *name, const char *as)
{
	struct json_object *v = ag_tree_get(s->in->chat, name);

	if (v)
		ag_jo_tree(s->b, as, v);
}

static void
put_stops(struct build *s)
{
	struct json_object *stop = ag_tree_get(s->in->chat, "stop");

	if (!stop)
		return;
	ag_jo_open(s->b, "stopSequences", '[');
	if (json_object_is_type(stop, json_type_string))
		ag_jo_str(s->b, NULL, ag_tree_text(stop));
	for (size_t i = 0; i < ag_json_len(stop); i++)
		ag_jo_str(s->b, NULL, ag_tree_text(ag_json_at(stop, i)));
	ag_jo_close(s->b, ']');
}

static void
put_format(struct build *s)
{
	struct json_object *format = ag_tree_object(s->in->chat, "response_format");
	bool is_schema = ag_tree_is(format, "type", "json_schema");

	if (!is_schema && !ag_tree_is(format, "type", "json_object"))
		return;
	ag_jo_str(s->b, "responseMimeType", AG_STR("application/json"));
	if (is_schema && ag_tree_get(ag_tree_object(format, "json_schema"), "schema"))
		ag_jo_tree(s->b, "responseJsonSchema", ag_tree_get(ag_tree_object(format, "json_schema"), "schema"));
}

/* From 3 on by level, before by tokens; models before 2.5 do not think. */
static void
put_thinking(struct build *s)
{
	struct ag_str effort = ag_tree_str(s->in->chat, "reasoning_effort"), model = s->in->model;
	bool is_none = ag_str_eq(effort, AG_STR("none")), is_low = is_none || ag_str_eq(effort, AG_STR("minimal"));
	bool is_pro = memmem(model.p, model.n, "pro", 3) != NULL;
	uint64_t budget;

	if (effort.n == 0 || (s->major < 3 && !memmem(model.p, model.n, "2.5", 3)))
		return;
	ag_jo_open(s->b, "thinkingConfig", '{');
	if (s->major >= 3) {
		ag_jo_str(s->b, "thinkingLevel", is_low ? AG_STR("low")
		    : ag_str_eq(effort, AG_STR("xhigh")) || ag_str_eq(effort, AG_STR("max")) ? AG_STR("high") : effort);
	} else {
		budget = is_none ? (is_pro ? 128 : 0) : is_low || ag_str_eq(effort, AG_STR("low")) ? 1024
		    : ag_str_eq(effort, AG_STR("medium")) ? 8192 : 24576;
		/* Thinking counts to the limit, which is paid for and stays. */
		if (budget > s->in->limit / 2 && budget > 128)
			budget = s->in->limit / 2;
		ag_jo_u64(s->b, "thinkingBudget", budget);
	}
	ag_jo_bool(s->b, "includeThoughts", !is_none);
	ag_jo_close(s->b, '}');
}

static void
put_logprobs(struct build *s)
{
	if (!ag_tree_true(s->in->chat, "logprobs"))
		return;
	ag_jo_bool(s->b, "responseLogprobs", true);
	put_as(s, "top_logprobs", "logprobs");
}

static void
put_sampling(struct build *s)
{
	static const struct { const char *name, *as; } rows[] = { { "temperature", "temperature" }, { "top_p", "topP" },
		{ "top_k", "topK" } };

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++)
		if (ag_chat_sampling(s->in, rows[i].name))
			ag_jo_tree(s->b, rows[i].as, ag_chat_sampling(s->in, rows[i].name));
}

/* What is said of thinking to a model that does not is left out. */
static int
check_model(struct build *s)
{
	if (ag_tree_get(s->in->chat, "reasoning_effort") && s->major < 3 && !memmem(s->in->model.p, s->in->model.n, "2.5", 3))
		return ag_err_set(s->err, -EINVAL, "reasoning_effort: not supported by this model");
	return 0;
}

static int
put_config(struct build *s)
{
	int rc = s->in->is_strict ? check_model(s) : 0;

	if (rc < 0)
		return rc;
	ag_jo_open(s->b, "generationConfig", '{');
	ag_jo_u64(s->b, "maxOutputTokens", s->in->limit);
	put_sampling(s);
	put_as(s, "n", "candidateCount");
	put_as(s, "seed", "seed");
	put_as(s, "presence_penalty", "presencePenalty");
	put_as(s, "frequency_penalty", "frequencyPenalty");
	put_stops(s);
	put_logprobs(s);
	put_format(s);
	put_thinking(s);
	ag_jo_close(s->b, '}');
	return 0;
}

static const struct ag_chat_fields fields = {
	.chat = {
		.taken = { "temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty",
		    "logprobs", "top_logprobs", "reasoning_effort", "service_tier", "safety_settings" },
		.left = { "parallel_tool_calls", "user", "safety_identifier", "metadata", "store", "logit_bias",
		    "prediction", "verbosity", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention" },
	},
	.message = { .left = { "name", "cache_control" } },
	.part = { .left = { "cache_control", "prompt_cache_breakpoint" } },
	.image = { .left = { "detail" } },
	.file = { .taken = { "file_data" }, .left = { "filename" } },
	.tool = { .left = { "cache_control" } },
	.function = { .taken = { "strict" } },
	.stops_max = STOPS_MAX,
	.n_max = 8,
};

/* false is asking for something here. */
static int
check(const struct ag_build_in *in, struct ag_err *err)
{
	struct json_object *parallel = ag_tree_get(in->chat, "parallel_tool_calls");

	if (in->is_strict && parallel && !json_object_get_boolean(parallel))
		return ag_err_set(err, -EINVAL, "parallel_tool_calls: cannot be switched off with %s", in->family->name);
	return ag_chat_check(in, &fields, NULL, err);
}

static int
put_tier(struct build *s)
{
	struct ag_str tier = ag_tree_str(s->in->chat, "service_tier");

	if (ag_str_eq(tier, AG_STR("flex")) || ag_str_eq(tier, AG_STR("priority")))
		ag_jo_str(s->b, "serviceTier", tier);
	else if (ag_str_eq(tier, AG_STR("default")))
		ag_jo_str(s->b, "serviceTier", AG_STR("standard"));
	else if (ag_tree_get(s->in->chat, "service_tier") && !ag_str_eq(tier, AG_STR("auto")))
		return ag_chat_refuse_tier(s->in, s->err);
	if (ag_tree_array(s->in->chat, "safety_settings"))
		ag_jo_tree(s->b, "safetySettings", ag_tree_get(s->in->chat, "safety_settings"));
	return 0;
}

int
ag_gemini_build(const struct ag_build_in *in, struct ag_buf *out, struct ag_err *err)
{
	struct build s = { .in = in, .messages = ag_tree_array(in->chat, "messages"), .major = major_of(in->model),
		.b = out, .err = err };
	int rc = check(in, err);

	if (rc < 0)
		return rc;
	ag_jo_open(out, NULL, '{');
	rc = put_system(&s);
	if (rc == 0)
		rc = put_contents(&s);
	if (rc == 0)
		rc = put_tools(&s);
	if (rc < 0)
		return rc;
	put_tool_choice(&s);
	rc = put_config(&s);
	if (rc == 0)
		rc = put_tier(&s);
	if (rc < 0)
		return rc;
	ag_jo_close(out, '}');
	return out->failed ? ag_err_set(err, -ENOBUFS, "the request is too large") : 0;
}
