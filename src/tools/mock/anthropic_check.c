/* anthropic_check.c - what the Messages API takes. */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "base/json.h"
#include "tools/mock/anthropic.h"

static const struct mock_field cache[] = {{"type", MOCK_S | MOCK_REQUIRED, NULL, "ephemeral", 0, 0},
					  {"ttl", MOCK_S, NULL, "5m 1h", 0, 0},
					  MOCK_END};
#define CACHED                                                                                     \
	{                                                                                          \
		"cache_control", MOCK_O, cache, NULL, 0, 0                                         \
	}

static const struct mock_field source_base64[] = {
	MOCK_TYPE,
	{"media_type", MOCK_S | MOCK_REQUIRED, NULL,
	 "image/jpeg image/png image/gif image/webp application/pdf", 0, 0},
	MOCK_ROW("data", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_END};
static const struct mock_field source_text[] = {
	MOCK_TYPE,
	{"media_type", MOCK_S | MOCK_REQUIRED, NULL, "text/plain", 0, 0},
	MOCK_ROW("data", MOCK_S | MOCK_REQUIRED),
	MOCK_END};
static const struct mock_field source_url[] = {
	MOCK_TYPE, MOCK_ROW("url", MOCK_S | MOCK_REQUIRED | MOCK_SOME), MOCK_END};
static const struct mock_field source_file[] = {
	MOCK_TYPE, MOCK_ROW("file_id", MOCK_S | MOCK_REQUIRED), MOCK_END};
static const struct mock_field source_content[] = {
	MOCK_TYPE, MOCK_ROW("content", MOCK_S | MOCK_A | MOCK_REQUIRED), MOCK_END};
static const struct mock_field image_sources[] = {MOCK_OF("base64", source_base64),
						  MOCK_OF("url", source_url),
						  MOCK_OF("file", source_file), MOCK_END};
static const struct mock_field document_sources[] = {
	MOCK_OF("base64", source_base64),   MOCK_OF("text", source_text),
	MOCK_OF("url", source_url),         MOCK_OF("file", source_file),
	MOCK_OF("content", source_content), MOCK_END};
static const struct mock_field text[] = {MOCK_TYPE,
					 MOCK_ROW("text", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
					 CACHED, MOCK_ROW("citations", MOCK_A), MOCK_END};
static const struct mock_field image[] = {
	MOCK_TYPE,
	{"source", MOCK_O | MOCK_REQUIRED | MOCK_BY_TYPE, image_sources, NULL, 0, 0},
	CACHED,
	MOCK_END};
static const struct mock_field document[] = {
	MOCK_TYPE,
	{"source", MOCK_O | MOCK_REQUIRED | MOCK_BY_TYPE, document_sources, NULL, 0, 0},
	MOCK_ROW("title", MOCK_S),
	MOCK_ROW("context", MOCK_S),
	MOCK_ROW("citations", MOCK_O),
	CACHED,
	MOCK_END};
static const struct mock_field tool_use[] = {MOCK_TYPE,
					     MOCK_ROW("id", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
					     MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
					     MOCK_ROW("input", MOCK_O | MOCK_REQUIRED),
					     MOCK_ROW("caller", MOCK_O),
					     CACHED,
					     MOCK_END};
static const struct mock_field search_result[] = {MOCK_TYPE,
						  MOCK_ROW("source", MOCK_S | MOCK_REQUIRED),
						  MOCK_ROW("title", MOCK_S | MOCK_REQUIRED),
						  MOCK_ROW("content", MOCK_A | MOCK_REQUIRED),
						  MOCK_ROW("citations", MOCK_O),
						  CACHED,
						  MOCK_END};
static const struct mock_field result_blocks[] = {
	MOCK_OF("text", text),           MOCK_OF("image", image),
	MOCK_OF("document", document),   MOCK_OF("search_result", search_result),
	MOCK_OF("tool_reference", NULL), MOCK_END};
static const struct mock_field tool_result[] = {
	MOCK_TYPE,
	MOCK_ROW("tool_use_id", MOCK_S | MOCK_REQUIRED),
	{"content", MOCK_S | MOCK_A | MOCK_BY_TYPE, result_blocks, NULL, 0, 0},
	MOCK_ROW("is_error", MOCK_B),
	CACHED,
	MOCK_END};
static const struct mock_field thinking_block[] = {
	MOCK_TYPE, MOCK_ROW("thinking", MOCK_S | MOCK_REQUIRED),
	MOCK_ROW("signature", MOCK_S | MOCK_REQUIRED), MOCK_END};
static const struct mock_field redacted[] = {MOCK_TYPE, MOCK_ROW("data", MOCK_S | MOCK_REQUIRED),
					     MOCK_END};
static const struct mock_field blocks[] = {MOCK_OF("text", text),
					   MOCK_OF("image", image),
					   MOCK_OF("document", document),
					   MOCK_OF("tool_use", tool_use),
					   MOCK_OF("tool_result", tool_result),
					   MOCK_OF("thinking", thinking_block),
					   MOCK_OF("redacted_thinking", redacted),
					   MOCK_OF("search_result", search_result),
					   MOCK_OF("server_tool_use", NULL),
					   MOCK_OF("web_search_tool_result", NULL),
					   MOCK_OF("web_fetch_tool_result", NULL),
					   MOCK_OF("code_execution_tool_result", NULL),
					   MOCK_OF("container_upload", NULL),
					   MOCK_END};
static const struct mock_field message[] = {
	{"role", MOCK_S | MOCK_REQUIRED, NULL, "user assistant system", 0, 0},
	{"content", MOCK_S | MOCK_A | MOCK_REQUIRED | MOCK_BY_TYPE, blocks, NULL, 0, 0},
	MOCK_END};
static const struct mock_field system_blocks[] = {MOCK_OF("text", text), MOCK_END};
static const struct mock_field custom_tool[] = {
	MOCK_ROW("type", MOCK_S),
	MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("description", MOCK_S),
	MOCK_ROW("input_schema", MOCK_O | MOCK_REQUIRED),
	MOCK_ROW("strict", MOCK_B),
	CACHED,
	MOCK_ROW("input_examples", MOCK_A),
	MOCK_ROW("eager_input_streaming", MOCK_B),
	MOCK_ROW("defer_loading", MOCK_B),
	MOCK_ROW("allowed_callers", MOCK_A),
	MOCK_END};
static const struct mock_field choice[] = {
	{"type", MOCK_S | MOCK_REQUIRED, NULL, "auto any tool none", 0, 0},
	MOCK_ROW("name", MOCK_S),
	MOCK_ROW("disable_parallel_tool_use", MOCK_B),
	MOCK_END};
static const struct mock_field thinking[] = {
	{"type", MOCK_S | MOCK_REQUIRED, NULL, "enabled disabled adaptive between_tools", 0, 0},
	{"budget_tokens", MOCK_I, NULL, NULL, 1024, 1e9},
	{"display", MOCK_S, NULL, "summarized omitted", 0, 0},
	MOCK_END};
static const struct mock_field format[] = {
	{"type", MOCK_S | MOCK_REQUIRED, NULL, "json_schema", 0, 0},
	MOCK_ROW("schema", MOCK_O | MOCK_REQUIRED),
	MOCK_END};
static const struct mock_field output[] = {
	{"effort", MOCK_S, NULL, "low medium high xhigh max", 0, 0},
	{"format", MOCK_O, format, NULL, 0, 0},
	MOCK_ROW("task_budget", MOCK_O),
	MOCK_END};
static const struct mock_field metadata[] = {MOCK_ROW("user_id", MOCK_S), MOCK_END};

#define SHARED                                                                                     \
	{"messages", MOCK_A | MOCK_REQUIRED | MOCK_SOME, message, NULL, 0, 100000},                \
		{"system", MOCK_S | MOCK_A | MOCK_BY_TYPE, system_blocks, NULL, 0, 0},             \
		MOCK_ROW("tools", MOCK_A), {"tool_choice", MOCK_O, choice, NULL, 0, 0},            \
		{"thinking", MOCK_O, thinking, NULL, 0, 0},                                        \
		{"output_config", MOCK_O, output, NULL, 0, 0}, CACHED,                             \
		MOCK_ROW("mcp_servers", MOCK_A), MOCK_ROW("context_management", MOCK_O),           \
	{                                                                                          \
		"speed", MOCK_S, NULL, "standard fast", 0, 0                                       \
	}
#define GENERATION                                                                                 \
	SHARED, {"max_tokens", MOCK_I | MOCK_REQUIRED, NULL, NULL, 1, 1e9},                        \
		MOCK_ROW("stop_sequences", MOCK_A | MOCK_TEXTS),                                   \
		{"temperature", MOCK_N, NULL, NULL, 0, 1}, {"top_p", MOCK_N, NULL, NULL, 0, 1},    \
		{"top_k", MOCK_I, NULL, NULL, 0, 1e9},                                             \
	{                                                                                          \
		"metadata", MOCK_O, metadata, NULL, 0, 0                                           \
	}
static const struct mock_field own[] = {MOCK_ROW("model", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
					GENERATION,
					MOCK_ROW("stream", MOCK_B),
					{"service_tier", MOCK_S, NULL, "auto standard_only", 0, 0},
					MOCK_ROW("inference_geo", MOCK_S),
					MOCK_ROW("container", MOCK_S | MOCK_O),
					MOCK_ROW("diagnostics", MOCK_O),
					MOCK_ROW("fallbacks", MOCK_A),
					MOCK_ROW("compaction", MOCK_O),
					MOCK_ROW("billing_policy", MOCK_O),
					MOCK_END};
static const struct mock_field own_count[] = {MOCK_ROW("model", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
					      SHARED, MOCK_END};
static const struct mock_field vertex[] = {
	MOCK_ROW("anthropic_version", MOCK_S | MOCK_REQUIRED | MOCK_SOME), GENERATION,
	MOCK_ROW("stream", MOCK_B), MOCK_END};
static const struct mock_field vertex_count[] = {MOCK_ROW("anthropic_version", MOCK_S),
						 MOCK_ROW("model", MOCK_S), SHARED, MOCK_END};
static const struct mock_field bedrock[] = {
	{"anthropic_version", MOCK_S | MOCK_REQUIRED, NULL, "bedrock-2023-05-31 2026-10-21", 0, 0},
	MOCK_ROW("anthropic_beta", MOCK_A | MOCK_TEXTS),
	GENERATION,
	MOCK_END};

static json_object *
blocks_of(json_object *m)
{
	return mock_get_array(m, "content");
}

static bool
has_block(json_object *m, const char *type, struct ag_str id)
{
	json_object *list = blocks_of(m);
	const char *name = strcmp(type, "tool_use") == 0 ? "id" : "tool_use_id";

	for (size_t i = 0; i < ag_json_len(list); i++)
		if (mock_is(ag_json_at(list, i), "type", type) &&
		    ag_str_eq(mock_get_str(ag_json_at(list, i), name), id))
			return true;
	return false;
}

static bool
is_id(struct ag_str id)
{
	for (size_t i = 0; i < id.n; i++)
		if (!isalnum((unsigned char)id.p[i]) && id.p[i] != '_' && id.p[i] != '-')
			return false;
	return id.n > 0 && id.n <= 64;
}

/* Each call is answered in the message behind it, each answer has a call in the one before. */
static int
check_calls(json_object *messages, size_t i, struct mock_flaw *flaw)
{
	json_object *m = ag_json_at(messages, i), *list = blocks_of(m);

	for (size_t k = 0; k < ag_json_len(list); k++) {
		json_object *b = ag_json_at(list, k);
		struct ag_str use = mock_get_str(b, "id"), result = mock_get_str(b, "tool_use_id");

		if (mock_is(b, "type", "tool_use")) {
			if (!mock_is(m, "role", "assistant"))
				return mock_flaw_sense(
					flaw, "messages",
					"messages.%zu: `tool_use` blocks can only be in "
					"`assistant` messages",
					i);
			if (!is_id(use))
				return mock_flaw_sense(
					flaw, "messages",
					"messages.%zu.content.%zu.tool_use.id: String should "
					"match pattern '^[a-zA-Z0-9_-]+$'",
					i, k);
			if (!has_block(ag_json_at(messages, i + 1), "tool_result", use))
				return mock_flaw_sense(
					flaw, "messages",
					"messages.%zu: `tool_use` ids were found without `tool_result` blocks "
					"immediately after: %.64s",
					i, use.p);
		}
		if (!mock_is(b, "type", "tool_result"))
			continue;
		if (!mock_is(m, "role", "user"))
			return mock_flaw_sense(
				flaw, "messages",
				"messages.%zu: `tool_result` blocks can only be in `user` "
				"messages",
				i);
		if (k > 0 && !mock_is(ag_json_at(list, k - 1), "type", "tool_result"))
			return mock_flaw_sense(flaw, "messages",
					       "messages.%zu: `tool_result` blocks come first", i);
		if (i == 0 || !has_block(ag_json_at(messages, i - 1), "tool_use", result))
			return mock_flaw_sense(
				flaw, "messages",
				"messages.%zu.content.%zu: unexpected `tool_use_id` found in `tool_result` "
				"blocks: %.64s",
				i, k, result.p);
	}
	return 0;
}

static int
check_messages(json_object *messages, struct mock_flaw *flaw)
{
	json_object *last = ag_json_at(messages, ag_json_len(messages) - 1);
	struct ag_str tail = mock_get_str(last, "content");

	if (!mock_is(ag_json_at(messages, 0), "role", "user"))
		return mock_flaw_sense(flaw, "messages",
				       "messages: first message must use the \"user\" role");
	for (size_t i = 0; i < ag_json_len(messages); i++) {
		json_object *m = ag_json_at(messages, i), *v = mock_get(m, "content");
		bool is_empty = json_object_is_type(v, json_type_string)
					? json_object_get_string_len(v) == 0
					: ag_json_len(v) == 0;

		if (is_empty && !(m == last && mock_is(m, "role", "assistant")))
			return mock_flaw_sense(
				flaw, "messages",
				"messages.%zu: all messages must have non-empty content", i);
		if (check_calls(messages, i, flaw) < 0)
			return -EINVAL;
	}
	if (mock_is(last, "role", "assistant") && tail.n > 0 &&
	    isspace((unsigned char)tail.p[tail.n - 1]))
		return mock_flaw_sense(
			flaw, "messages",
			"messages: final assistant content cannot end with trailing whitespace");
	return 0;
}

static bool
is_tool_name(struct ag_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_' && s.p[i] != '-')
			return false;
	return s.n > 0 && s.n <= 128;
}

static int
check_tools(struct mock_facts *f, struct mock_flaw *flaw)
{
	static const struct mock_shape shape = {.fields = custom_tool};
	json_object *tools = mock_get(f->tree, "tools"), *how = mock_get(f->tree, "tool_choice");
	struct ag_str named = mock_get_str(how, "name");
	bool is_named = false;

	for (size_t i = 0; i < ag_json_len(tools); i++) {
		json_object *one = ag_json_at(tools, i), *type = mock_get(one, "type"), *schema;
		struct ag_str name = mock_get_str(one, "name");

		is_named |= ag_str_eq(name, named);
		if (type && !mock_is(one, "type", "custom"))
			continue;
		if (mock_shape_check(&shape, one, flaw) < 0)
			return -EINVAL;
		schema = mock_get(one, "input_schema");
		if (!is_tool_name(name) || !mock_is(schema, "type", "object"))
			return mock_flaw_sense(
				flaw, "tools",
				is_tool_name(name)
					? "tools.%zu.custom.input_schema.type: Field required"
					: "tools.%zu.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'",
				i);
		mock_facts_tool(f, name, schema);
	}
	if (how && ag_json_len(tools) == 0 && !mock_is(how, "type", "none"))
		return mock_flaw_sense(flaw, "tool_choice",
				       "tool_choice: may only be specified while providing tools.");
	if (mock_is(how, "type", "tool") && !is_named)
		return mock_flaw_sense(flaw, "tool_choice",
				       "tool_choice.name: Tool '%.64s' not found in provided tools",
				       named.p ? named.p : "");
	if (mock_is(how, "type", "tool") || mock_is(how, "type", "any"))
		mock_facts_force(f, named);
	return 0;
}

static int
check_thinking(struct mock_facts *f, struct mock_flaw *flaw)
{
	json_object *t = mock_get(f->tree, "thinking"),
		    *temperature = mock_get(f->tree, "temperature");
	int64_t budget = mock_get_int(t, "budget_tokens", -1);

	if (!mock_is(t, "type", "enabled")) {
		if (budget >= 0)
			return mock_flaw_sense(
				flaw, "thinking",
				"thinking.budget_tokens: Extra inputs are not permitted");
		return 0;
	}
	if (budget < 0)
		return mock_flaw_sense(flaw, "thinking",
				       "thinking.enabled.budget_tokens: Field required");
	if (f->max_tokens > 0 && budget >= f->max_tokens)
		return mock_flaw_sense(
			flaw, "max_tokens",
			"`max_tokens` must be greater than `thinking.budget_tokens`.");
	if (temperature && json_object_get_double(temperature) != 1.0)
		return mock_flaw_sense(
			flaw, "temperature",
			"`temperature` may only be set to 1 when thinking is enabled.");
	if (mock_get(f->tree, "top_k"))
		return mock_flaw_sense(flaw, "top_k",
				       "`top_k` must be unset when thinking is enabled.");
	if (f->must_call)
		return mock_flaw_sense(
			flaw, "tool_choice",
			"Thinking may not be enabled when tool_choice forces tool use.");
	return 0;
}

static int
read_members(enum mock_claude where, struct mock_facts *f, struct mock_flaw *flaw)
{
	static const struct mock_field *const fields[][2] = {
		{own, own_count}, {vertex, vertex_count}, {bedrock, bedrock}};
	struct mock_shape shape = {.fields = fields[where][f->endpoint == MOCK_EP_COUNT_TOKENS]};
	json_object *stops = mock_get(f->tree, "stop_sequences");

	if (mock_shape_check(&shape, f->tree, flaw) < 0 ||
	    check_messages(mock_get(f->tree, "messages"), flaw) < 0)
		return -EINVAL;
	f->max_tokens = mock_get_int(f->tree, "max_tokens", -1);
	f->stream = mock_get_bool(f->tree, "stream");
	f->include_usage = true;
	f->user = mock_get_str(mock_get(f->tree, "metadata"), "user_id");
	f->schema = mock_get(mock_get(mock_get(f->tree, "output_config"), "format"), "schema");
	for (size_t i = 0; i < ag_json_len(stops); i++)
		if (ag_str_trim(ag_str(json_object_get_string(ag_json_at(stops, i)))).n == 0)
			return mock_flaw_sense(
				flaw, "stop_sequences",
				"stop_sequences: each stop sequence must contain non-whitespace");
	if (check_tools(f, flaw) < 0)
		return -EINVAL;
	return check_thinking(f, flaw);
}

static void
word_flaw(const struct mock_flaw *flaw, struct mock_fault *fault)
{
	*fault = (struct mock_fault){.status = 400};
	snprintf(fault->message, sizeof(fault->message), "%s%s%s",
		 flaw->kind == MOCK_FLAW_SENSE ? "" : flaw->path,
		 flaw->kind == MOCK_FLAW_SENSE ? "" : ": ",
		 flaw->kind == MOCK_FLAW_UNKNOWN   ? "Extra inputs are not permitted"
		 : flaw->kind == MOCK_FLAW_MISSING ? "Field required"
						   : flaw->why);
}

int
mock_anthropic_read_as(enum mock_claude where, const struct mock_job *job, enum mock_endpoint ep,
		       struct mock_facts *out, struct mock_fault *fault)
{
	struct ag_str version = mock_span_str(job->req->header[MOCK_H_ANTHROPIC_VERSION], job->in);
	struct mock_flaw flaw;
	struct mock_facts f;

	if (where == MOCK_CLAUDE_OWN && !ag_str_eq(version, AG_STR("2023-06-01")) &&
	    !ag_str_eq(version, AG_STR("2026-10-21"))) {
		snprintf(fault->message, sizeof(fault->message), "anthropic-version: %s",
			 version.n == 0 ? "header is required" : "is not a valid version");
		return -EINVAL;
	}
	if (mock_facts_tree(job->body, ep, &f, fault) < 0)
		return -EINVAL;
	if (read_members(where, &f, &flaw) < 0) {
		word_flaw(&flaw, fault);
		mock_facts_fini(&f);
		return -EINVAL;
	}
	f.model = where == MOCK_CLAUDE_OWN ? mock_get_str(f.tree, "model") : job->model_id;
	if (f.model.n > 0 && f.model.p[0] == '@') {
		fault->is_violation = true;
		snprintf(fault->message, sizeof(fault->message),
			 "'model' still names a provider of the gateway");
		mock_facts_fini(&f);
		return -EINVAL;
	}
	*out = f;
	return 0;
}
