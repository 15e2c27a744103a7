/* openai_check.c - what chat completions take, in OpenAI's words, Azure's and Mistral's.
 *
 * Members that are known are always checked.  Unknown ones are let pass, as they are what tests send
 * through a gateway to see them arrive, unless --pedantic asks for what OpenAI does; Mistral refuses them
 * always. */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "tools/mock/openai.h"

#include "base/json.h"

static const struct mock_field image_url[] = {
	MOCK_ROW("url", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	{"detail", MOCK_S, NULL, "auto low high original", 0, 0},
	MOCK_END};
static const struct mock_field input_audio[] = {
	MOCK_ROW("data", MOCK_S | MOCK_REQUIRED),
	{"format", MOCK_S | MOCK_REQUIRED, NULL, "wav mp3", 0, 0},
	MOCK_END};
static const struct mock_field file[] = {MOCK_ROW("file_data", MOCK_S),
					 MOCK_ROW("filename", MOCK_S), MOCK_ROW("file_id", MOCK_S),
					 MOCK_END};
#define BREAKPOINT MOCK_ROW("prompt_cache_breakpoint", MOCK_O)
static const struct mock_field part_text[] = {MOCK_TYPE, MOCK_ROW("text", MOCK_S | MOCK_REQUIRED),
					      BREAKPOINT, MOCK_END};
static const struct mock_field part_image[] = {
	MOCK_TYPE,
	{"image_url", MOCK_O | MOCK_REQUIRED, image_url, NULL, 0, 0},
	BREAKPOINT,
	MOCK_END};
static const struct mock_field part_audio[] = {
	MOCK_TYPE,
	{"input_audio", MOCK_O | MOCK_REQUIRED, input_audio, NULL, 0, 0},
	BREAKPOINT,
	MOCK_END};
static const struct mock_field part_file[] = {
	MOCK_TYPE, {"file", MOCK_O | MOCK_REQUIRED, file, NULL, 0, 0}, BREAKPOINT, MOCK_END};
static const struct mock_field part_refusal[] = {
	MOCK_TYPE, MOCK_ROW("refusal", MOCK_S | MOCK_REQUIRED), MOCK_END};
static const struct mock_field parts[] = {
	MOCK_OF("text", part_text),         MOCK_OF("image_url", part_image),
	MOCK_OF("input_audio", part_audio), MOCK_OF("file", part_file),
	MOCK_OF("refusal", part_refusal),   MOCK_END};
static const struct mock_field called[] = {MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
					   MOCK_ROW("arguments", MOCK_S | MOCK_REQUIRED), MOCK_END};
static const struct mock_field custom_called[] = {
	MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("input", MOCK_S | MOCK_REQUIRED), MOCK_END};
static const struct mock_field call_function[] = {
	MOCK_TYPE,
	MOCK_ROW("id", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	{"function", MOCK_O | MOCK_REQUIRED, called, NULL, 0, 0},
	MOCK_END};
static const struct mock_field call_custom[] = {
	MOCK_TYPE,
	MOCK_ROW("id", MOCK_S | MOCK_REQUIRED),
	{"custom", MOCK_O | MOCK_REQUIRED, custom_called, NULL, 0, 0},
	MOCK_END};
static const struct mock_field calls[] = {MOCK_OF("function", call_function),
					  MOCK_OF("custom", call_custom), MOCK_END};
static const struct mock_field message[] = {
	{"role", MOCK_S | MOCK_REQUIRED, NULL, "developer system user assistant tool function", 0,
	 0},
	{"content", MOCK_S | MOCK_A | MOCK_BY_TYPE, parts, NULL, 0, 0},
	MOCK_ROW("name", MOCK_S),
	MOCK_ROW("refusal", MOCK_S),
	{"tool_calls", MOCK_A | MOCK_SOME | MOCK_BY_TYPE, calls, NULL, 0, 128},
	MOCK_ROW("tool_call_id", MOCK_S),
	{"function_call", MOCK_O, called, NULL, 0, 0},
	MOCK_ROW("audio", MOCK_O),
	MOCK_ROW("annotations", MOCK_A),
	MOCK_END};
static const struct mock_field function[] = {
	MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME), MOCK_ROW("description", MOCK_S),
	MOCK_ROW("parameters", MOCK_O), MOCK_ROW("strict", MOCK_B), MOCK_END};
static const struct mock_field tool_function[] = {
	MOCK_TYPE, {"function", MOCK_O | MOCK_REQUIRED, function, NULL, 0, 0}, MOCK_END};
static const struct mock_field tool_custom[] = {
	MOCK_TYPE, MOCK_ROW("custom", MOCK_O | MOCK_REQUIRED), MOCK_END};
static const struct mock_field tools[] = {MOCK_OF("function", tool_function),
					  MOCK_OF("custom", tool_custom), MOCK_END};
static const struct mock_field named[] = {MOCK_ROW("name", MOCK_S | MOCK_REQUIRED), MOCK_END};
static const struct mock_field choice_function[] = {
	MOCK_TYPE, {"function", MOCK_O | MOCK_REQUIRED, named, NULL, 0, 0}, MOCK_END};
static const struct mock_field choices[] = {MOCK_OF("function", choice_function),
					    MOCK_OF("custom", NULL), MOCK_OF("allowed_tools", NULL),
					    MOCK_END};
static const struct mock_field json_schema[] = {
	MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME), MOCK_ROW("description", MOCK_S),
	MOCK_ROW("schema", MOCK_O), MOCK_ROW("strict", MOCK_B), MOCK_END};
static const struct mock_field format_type[] = {MOCK_TYPE, MOCK_END};
static const struct mock_field format_schema[] = {
	MOCK_TYPE, {"json_schema", MOCK_O | MOCK_REQUIRED, json_schema, NULL, 0, 0}, MOCK_END};
static const struct mock_field formats[] = {MOCK_OF("text", format_type),
					    MOCK_OF("json_object", format_type),
					    MOCK_OF("json_schema", format_schema), MOCK_END};
static const struct mock_field stream_options[] = {
	MOCK_ROW("include_usage", MOCK_B), MOCK_ROW("include_obfuscation", MOCK_B), MOCK_END};
/* What Mistral knows too. */
#define COMMON                                                                                     \
	MOCK_ROW("model", MOCK_S), {"messages", MOCK_A, message, NULL, 0, 0},                      \
		MOCK_ROW("max_tokens", MOCK_I), {"temperature", MOCK_N, NULL, NULL, 0, 2},         \
		{"top_p", MOCK_N, NULL, NULL, 0, 1}, MOCK_ROW("n", MOCK_I),                        \
		MOCK_ROW("stop", MOCK_S | MOCK_A), MOCK_ROW("stream", MOCK_B),                     \
		{"tools", MOCK_A | MOCK_BY_TYPE, tools, NULL, 0, 0},                               \
		MOCK_ROW("parallel_tool_calls", MOCK_B),                                           \
		{"presence_penalty", MOCK_N, NULL, NULL, -2, 2},                                   \
		{"frequency_penalty", MOCK_N, NULL, NULL, -2, 2},                                  \
		{"response_format", MOCK_O | MOCK_BY_TYPE, formats, NULL, 0, 0},                   \
		MOCK_ROW("prediction", MOCK_O), MOCK_ROW("reasoning_effort", MOCK_S),              \
		MOCK_ROW("metadata", MOCK_O), MOCK_ROW("prompt_cache_key", MOCK_S),                \
		MOCK_ROW("service_tier", MOCK_S)
static const struct mock_field chat[] = {
	COMMON,
	{"tool_choice", MOCK_S | MOCK_O | MOCK_BY_TYPE, choices, "none auto required", 0, 0},
	MOCK_ROW("max_completion_tokens", MOCK_I),
	{"stream_options", MOCK_O, stream_options, NULL, 0, 0},
	MOCK_ROW("logprobs", MOCK_B),
	{"top_logprobs", MOCK_I, NULL, NULL, 0, 20},
	MOCK_ROW("logit_bias", MOCK_O),
	MOCK_ROW("seed", MOCK_I),
	MOCK_ROW("functions", MOCK_A),
	MOCK_ROW("function_call", MOCK_S | MOCK_O),
	{"verbosity", MOCK_S, NULL, "low medium high", 0, 0},
	MOCK_ROW("modalities", MOCK_A | MOCK_TEXTS),
	MOCK_ROW("audio", MOCK_O),
	MOCK_ROW("prompt_cache_options", MOCK_O),
	MOCK_ROW("prompt_cache_retention", MOCK_S),
	MOCK_ROW("safety_identifier", MOCK_S),
	MOCK_ROW("user", MOCK_S),
	MOCK_ROW("store", MOCK_B),
	MOCK_ROW("moderation", MOCK_O),
	MOCK_ROW("web_search_options", MOCK_O),
	MOCK_END};
static const struct mock_field mistral[] = {
	COMMON,
	{"tool_choice", MOCK_S | MOCK_O | MOCK_BY_TYPE, choices, "none auto required any", 0, 0},
	MOCK_ROW("random_seed", MOCK_I),
	MOCK_ROW("prompt_mode", MOCK_S),
	MOCK_ROW("guardrails", MOCK_A),
	MOCK_ROW("safe_prompt", MOCK_B),
	MOCK_END};

void
mock_openai_word(const struct mock_flaw *flaw, struct mock_fault *fault)
{
	static char param[160];

	*fault = (struct mock_fault){.param = param};
	snprintf(param, sizeof(param), "%s", flaw->path);
	switch (flaw->kind) {
	case MOCK_FLAW_UNKNOWN:
		fault->code = "unknown_parameter";
		snprintf(fault->message, sizeof(fault->message), "Unknown parameter: '%s'.",
			 flaw->path);
		return;
	case MOCK_FLAW_MISSING:
		fault->code = "missing_required_parameter";
		snprintf(fault->message, sizeof(fault->message),
			 "Missing required parameter: '%s'.", flaw->path);
		return;
	case MOCK_FLAW_TYPE:
		fault->code = "invalid_type";
		break;
	case MOCK_FLAW_VALUE:
		fault->code = "invalid_value";
		break;
	case MOCK_FLAW_SENSE:
		snprintf(fault->message, sizeof(fault->message), "%s", flaw->why);
		return;
	}
	snprintf(fault->message, sizeof(fault->message), "Invalid '%s': %s.", flaw->path,
		 flaw->why);
}

static bool
has_call(json_object *m, struct ag_str id)
{
	json_object *list = mock_get(m, "tool_calls");

	for (size_t i = 0; i < ag_json_len(list); i++)
		if (ag_str_eq(mock_get_str(ag_json_at(list, i), "id"), id))
			return true;
	return false;
}

/* Each call of the assistant has its tool message behind it, and no tool message stands alone. */
static int
check_turns(json_object *messages, struct mock_flaw *flaw)
{
	json_object *caller = NULL;
	size_t open = 0;

	for (size_t i = 0; i < ag_json_len(messages); i++) {
		json_object *m = ag_json_at(messages, i);
		bool is_tool = mock_is(m, "role", "tool");

		if (is_tool && (!caller || !has_call(caller, mock_get_str(m, "tool_call_id"))))
			return mock_flaw_sense(
				flaw, "messages",
				"Invalid parameter: messages with role 'tool' must be a response "
				"to a preceeding message with 'tool_calls'.");
		if (is_tool) {
			open -= open > 0;
			continue;
		}
		if (open > 0)
			break;
		caller = mock_is(m, "role", "assistant") ? m : NULL;
		open = ag_json_len(mock_get(caller, "tool_calls"));
		if (caller && open == 0 && !mock_get(m, "content") &&
		    !mock_get(m, "function_call") && !mock_get(m, "refusal") &&
		    !mock_get(m, "audio"))
			return mock_flaw_sense(
				flaw, "messages",
				"Invalid value for 'content': expected a string, got null.");
	}
	if (open > 0)
		return mock_flaw_sense(
			flaw, "messages",
			"An assistant message with 'tool_calls' must be followed by tool messages "
			"responding to each 'tool_call_id'.");
	return 0;
}

static bool
is_name(struct ag_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_' && s.p[i] != '-')
			return false;
	return s.n > 0 && s.n <= 64;
}

static int
take_tools(struct mock_facts *f, struct mock_flaw *flaw)
{
	json_object *list = mock_get(f->tree, "tools"), *how = mock_get(f->tree, "tool_choice");

	for (size_t i = 0; i < ag_json_len(list); i++) {
		json_object *fn = mock_get(ag_json_at(list, i), "function");

		if (fn && !is_name(mock_get_str(fn, "name")))
			return mock_flaw_sense(
				flaw, "tools.function.name",
				"Invalid 'tools[%zu].function.name': string does not match "
				"pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
				i);
		if (fn)
			mock_facts_tool(f, mock_get_str(fn, "name"), mock_get(fn, "parameters"));
	}
	if (how && ag_json_len(list) == 0 && !mock_is(f->tree, "tool_choice", "none") &&
	    !mock_get(f->tree, "functions"))
		return mock_flaw_sense(
			flaw, "tool_choice",
			"Invalid value for 'tool_choice': 'tool_choice' is only allowed when "
			"'tools' are specified.");
	if (mock_is(f->tree, "tool_choice", "required") || mock_is(f->tree, "tool_choice", "any"))
		mock_facts_force(f, AG_STR_NONE);
	else if (mock_is(how, "type", "function"))
		mock_facts_force(f, mock_get_str(mock_get(how, "function"), "name"));
	return 0;
}

static int
take_format(struct mock_facts *f, struct mock_flaw *flaw)
{
	json_object *how = mock_get(f->tree, "response_format"),
		    *json = mock_get(how, "json_schema");

	f->wants_json = mock_is(how, "type", "json_object") || json;
	f->schema = mock_get(json, "schema");
	if (json && !is_name(mock_get_str(json, "name")))
		return mock_flaw_sense(flaw, "response_format.json_schema.name",
				       "Invalid 'response_format.json_schema.name': string "
				       "does not match pattern.");
	return 0;
}

/* Newer models know only one name for the limit. */
static int
check_limit(const struct mock_facts *f, struct mock_flaw *flaw)
{
	bool is_new =
		ag_str_starts(f->model, AG_STR("gpt-5")) ||
		ag_str_starts(f->model, AG_STR("gpt-6")) || ag_str_starts(f->model, AG_STR("o1")) ||
		ag_str_starts(f->model, AG_STR("o3")) || ag_str_starts(f->model, AG_STR("o4"));

	if (is_new && mock_get(f->tree, "max_tokens"))
		return mock_flaw_sense(
			flaw, "max_tokens",
			"Unsupported parameter: 'max_tokens' is not supported with this model. "
			"Use 'max_completion_tokens' instead.");
	return 0;
}

static int
check_chat(struct mock_facts *f, const struct mock_field *fields, bool is_pedantic,
	   struct mock_flaw *flaw)
{
	struct mock_shape shape = {.fields = fields, .allows_unknown = !is_pedantic};

	if (mock_shape_check(&shape, f->tree, flaw) < 0)
		return -EINVAL;
	if (is_pedantic &&
	    (check_turns(mock_get(f->tree, "messages"), flaw) < 0 || check_limit(f, flaw) < 0))
		return -EINVAL;
	if (take_tools(f, flaw) < 0)
		return -EINVAL;
	return take_format(f, flaw);
}

int
mock_openai_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		 struct mock_fault *fault)
{
	struct mock_flaw flaw;
	struct mock_facts f;

	if (ep == MOCK_EP_RESPONSES)
		return mock_responses_read(job, out, fault);
	if (ep != MOCK_EP_CHAT && ep != MOCK_EP_COMPLETIONS && ep != MOCK_EP_EMBEDDINGS)
		return mock_media_read(job, ep, out, fault);
	if (mock_facts_read(job->body, ep, &f, fault) < 0)
		return -EINVAL;
	if (ep == MOCK_EP_CHAT && check_chat(&f, chat, job->is_pedantic, &flaw) < 0) {
		mock_openai_word(&flaw, fault);
		mock_facts_fini(&f);
		return -EINVAL;
	}
	*out = f;
	return 0;
}

/* ---- Mistral ---- */

static int
check_mistral(struct mock_facts *f, struct mock_flaw *flaw)
{
	json_object *messages = mock_get(f->tree, "messages"),
		    *last = ag_json_at(messages, ag_json_len(messages) - 1);

	for (size_t i = 0; i < ag_json_len(messages); i++) {
		json_object *m = ag_json_at(messages, i),
			    *before = i > 0 ? ag_json_at(messages, i - 1) : NULL;

		if (mock_is(m, "role", "developer") || mock_is(m, "role", "function"))
			return mock_flaw_sense(
				flaw, "messages.role",
				"Input tag '%s' found using 'role' does not match any of the "
				"expected tags",
				mock_get_str(m, "role").p);
		if (mock_is(m, "role", "user") && mock_is(before, "role", "tool"))
			return mock_flaw_sense(flaw, "messages",
					       "Unexpected role 'user' after role 'tool'");
	}
	if (mock_is(last, "role", "assistant") && !mock_get_bool(last, "prefix"))
		return mock_flaw_sense(
			flaw, "messages",
			"Expected last role User or Tool (or Assistant with prefix True) for "
			"serving but got assistant");
	return check_chat(f, mistral, true, flaw);
}

int
mock_mistral_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		  struct mock_fault *fault)
{
	struct mock_flaw flaw;
	struct mock_facts f;

	if (ep != MOCK_EP_CHAT)
		return mock_openai_read(job, ep, out, fault);
	if (mock_facts_read(job->body, ep, &f, fault) < 0)
		return -EINVAL;
	f.include_usage = f.stream;
	if (check_mistral(&f, &flaw) < 0) {
		mock_openai_word(&flaw, fault);
		fault->status = 422;
		if (flaw.kind == MOCK_FLAW_UNKNOWN)
			snprintf(fault->message, sizeof(fault->message),
				 "Extra inputs are not permitted: %s", flaw.path);
		mock_facts_fini(&f);
		return -EINVAL;
	}
	*out = f;
	return 0;
}

/* ---- Azure ---- */

int
mock_azure_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		struct mock_fault *fault)
{
	struct ag_buf body;
	struct mock_job own = *job;
	int rc;

	if (!ag_str_starts(job->query, AG_STR("api-version=20"))) {
		fault->status = 404;
		fault->code = "404";
		snprintf(fault->message, sizeof(fault->message), "Resource not found");
		return -EINVAL;
	}
	/* The deployment is the model, whatever the body says; a body may as well say nothing. */
	ag_buf_init(&body, MOCK_BODY_MAX);
	if (ep != MOCK_EP_TRANSCRIPTION && !memmem(job->body.p, job->body.n, "\"model\"", 7) &&
	    job->body.n > 1) {
		ag_buf_puts(&body, "{\"model\":\"unnamed\",");
		ag_buf_put_str(&body, ag_str_skip(ag_str_trim(job->body), 1));
		own.body = ag_buf_str(&body);
	}
	rc = mock_openai_read(&own, ep, out, fault);
	if (rc == 0)
		out->model = job->model_id;
	ag_buf_fini(&body);
	return rc;
}
