/* bedrock_check.c - what Converse takes, and how it wants to be signed. */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "base/json.h"
#include "tools/mock/bedrock.h"
#include "tools/mock/sigv4.h"

static const struct mock_field source[] = {MOCK_ROW("bytes", MOCK_S | MOCK_SOME),
					   MOCK_ROW("s3Location", MOCK_O), MOCK_ROW("text", MOCK_S),
					   MOCK_ROW("content", MOCK_A), MOCK_END};
static const struct mock_field image[] = {
	{"format", MOCK_S | MOCK_REQUIRED, NULL, "png jpeg gif webp", 0, 0},
	{"source", MOCK_O | MOCK_REQUIRED, source, NULL, 0, 0},
	MOCK_END};
static const struct mock_field document[] = {
	{"format", MOCK_S, NULL, "pdf csv doc docx xls xlsx html txt md", 0, 0},
	MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	{"source", MOCK_O | MOCK_REQUIRED, source, NULL, 0, 0},
	MOCK_ROW("context", MOCK_S),
	MOCK_ROW("citations", MOCK_O),
	MOCK_END};
static const struct mock_field cache_point[] = {
	{"type", MOCK_S | MOCK_REQUIRED, NULL, "default", 0, 0},
	{"ttl", MOCK_S, NULL, "5m 1h", 0, 0},
	MOCK_END};
static const struct mock_field tool_use[] = {
	MOCK_ROW("toolUseId", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("input", MOCK_O | MOCK_REQUIRED), MOCK_ROW("type", MOCK_S), MOCK_END};
static const struct mock_field result_content[] = {MOCK_ROW("text", MOCK_S),
						   MOCK_ROW("json", MOCK_O),
						   {"image", MOCK_O, image, NULL, 0, 0},
						   {"document", MOCK_O, document, NULL, 0, 0},
						   MOCK_ROW("video", MOCK_O),
						   MOCK_ROW("searchResult", MOCK_O),
						   MOCK_END};
static const struct mock_field tool_result[] = {
	MOCK_ROW("toolUseId", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	{"content", MOCK_A | MOCK_REQUIRED, result_content, NULL, 0, 0},
	{"status", MOCK_S, NULL, "success error", 0, 0},
	MOCK_ROW("type", MOCK_S),
	MOCK_END};
static const struct mock_field reasoning_text[] = {MOCK_ROW("text", MOCK_S | MOCK_REQUIRED),
						   MOCK_ROW("signature", MOCK_S), MOCK_END};
static const struct mock_field reasoning[] = {{"reasoningText", MOCK_O, reasoning_text, NULL, 0, 0},
					      MOCK_ROW("redactedContent", MOCK_S),
					      MOCK_END};
static const struct mock_field block[] = {MOCK_ROW("text", MOCK_S),
					  {"image", MOCK_O, image, NULL, 0, 0},
					  {"document", MOCK_O, document, NULL, 0, 0},
					  MOCK_ROW("video", MOCK_O),
					  MOCK_ROW("audio", MOCK_O),
					  {"toolUse", MOCK_O, tool_use, NULL, 0, 0},
					  {"toolResult", MOCK_O, tool_result, NULL, 0, 0},
					  {"reasoningContent", MOCK_O, reasoning, NULL, 0, 0},
					  {"cachePoint", MOCK_O, cache_point, NULL, 0, 0},
					  MOCK_ROW("guardContent", MOCK_O),
					  MOCK_ROW("citationsContent", MOCK_O),
					  MOCK_ROW("searchResult", MOCK_O),
					  MOCK_END};
static const struct mock_field message[] = {
	{"role", MOCK_S | MOCK_REQUIRED, NULL, "user assistant", 0, 0},
	{"content", MOCK_A | MOCK_REQUIRED | MOCK_SOME, block, NULL, 0, 0},
	MOCK_END};
static const struct mock_field system_block[] = {MOCK_ROW("text", MOCK_S | MOCK_SOME),
						 {"cachePoint", MOCK_O, cache_point, NULL, 0, 0},
						 MOCK_ROW("guardContent", MOCK_O),
						 MOCK_END};
static const struct mock_field inference[] = {
	{"maxTokens", MOCK_I, NULL, NULL, 1, 1e9},
	{"temperature", MOCK_N, NULL, NULL, 0, 1},
	{"topP", MOCK_N, NULL, NULL, 0, 1},
	{"stopSequences", MOCK_A | MOCK_TEXTS, NULL, NULL, 0, 2500},
	MOCK_END};
static const struct mock_field input_schema[] = {MOCK_ROW("json", MOCK_O | MOCK_REQUIRED),
						 MOCK_END};
static const struct mock_field tool_spec[] = {
	MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("description", MOCK_S | MOCK_SOME),
	{"inputSchema", MOCK_O | MOCK_REQUIRED, input_schema, NULL, 0, 0},
	MOCK_ROW("strict", MOCK_B),
	MOCK_END};
static const struct mock_field tool[] = {{"toolSpec", MOCK_O, tool_spec, NULL, 0, 0},
					 {"cachePoint", MOCK_O, cache_point, NULL, 0, 0},
					 MOCK_ROW("systemTool", MOCK_O),
					 MOCK_END};
static const struct mock_field nothing[] = {MOCK_END};
static const struct mock_field named[] = {MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
					  MOCK_END};
static const struct mock_field choice[] = {{"auto", MOCK_O, nothing, NULL, 0, 0},
					   {"any", MOCK_O, nothing, NULL, 0, 0},
					   {"tool", MOCK_O, named, NULL, 0, 0},
					   MOCK_END};
static const struct mock_field tool_config[] = {
	{"tools", MOCK_A | MOCK_REQUIRED | MOCK_SOME, tool, NULL, 0, 0},
	{"toolChoice", MOCK_O, choice, NULL, 0, 0},
	MOCK_END};
static const struct mock_field json_schema[] = {
	MOCK_ROW("schema", MOCK_S | MOCK_REQUIRED | MOCK_SOME), MOCK_ROW("name", MOCK_S),
	MOCK_ROW("description", MOCK_S), MOCK_END};
static const struct mock_field structure[] = {
	{"jsonSchema", MOCK_O | MOCK_REQUIRED, json_schema, NULL, 0, 0}, MOCK_END};
static const struct mock_field text_format[] = {
	{"type", MOCK_S | MOCK_REQUIRED, NULL, "json_schema", 0, 0},
	{"structure", MOCK_O | MOCK_REQUIRED, structure, NULL, 0, 0},
	MOCK_END};
static const struct mock_field output[] = {
	{"textFormat", MOCK_O, text_format, NULL, 0, 0}, MOCK_ROW("effort", MOCK_S), MOCK_END};
static const struct mock_field latency[] = {
	{"latency", MOCK_S | MOCK_REQUIRED, NULL, "standard optimized", 0, 0}, MOCK_END};
static const struct mock_field tier[] = {
	{"type", MOCK_S | MOCK_REQUIRED, NULL, "default priority flex reserved", 0, 0}, MOCK_END};
static const struct mock_field converse[] = {
	{"messages", MOCK_A | MOCK_SOME, message, NULL, 0, 0},
	{"system", MOCK_A, system_block, NULL, 0, 0},
	{"inferenceConfig", MOCK_O, inference, NULL, 0, 0},
	{"toolConfig", MOCK_O, tool_config, NULL, 0, 0},
	{"outputConfig", MOCK_O, output, NULL, 0, 0},
	MOCK_ROW("additionalModelRequestFields", MOCK_ANY),
	MOCK_ROW("additionalModelResponseFieldPaths", MOCK_A | MOCK_TEXTS),
	MOCK_ROW("requestMetadata", MOCK_O),
	{"performanceConfig", MOCK_O, latency, NULL, 0, 0},
	{"serviceTier", MOCK_O, tier, NULL, 0, 0},
	MOCK_ROW("guardrailConfig", MOCK_O),
	MOCK_ROW("promptVariables", MOCK_O),
	MOCK_END};

static int
lone_member(json_object *o, const char *path, struct mock_flaw *flaw)
{
	if (ag_json_members(o) == 1)
		return 0;
	return mock_flaw_sense(
		flaw, path,
		"The model returned the following errors: %s must have exactly one member", path);
}

static bool
is_name(struct ag_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_' && s.p[i] != '-')
			return false;
	return s.n > 0 && s.n <= 64;
}

static size_t
count_blocks(json_object *m, const char *which)
{
	json_object *list = mock_get(m, "content");
	size_t n = 0;

	for (size_t i = 0; i < ag_json_len(list); i++)
		n += mock_get(ag_json_at(list, i), which) != NULL;
	return n;
}

static int
check_block(json_object *b, bool is_user, size_t i, struct mock_flaw *flaw)
{
	json_object *text = mock_get(b, "text"), *use = mock_get(b, "toolUse"),
		    *result = mock_get(b, "toolResult");
	struct ag_str id = mock_get_str(use ? use : result, "toolUseId");

	if (lone_member(b, "ContentBlock", flaw) < 0)
		return -EINVAL;
	if (text && ag_str_trim(mock_get_str(b, "text")).n == 0)
		return mock_flaw_sense(
			flaw, "messages",
			"The text field in the ContentBlock object at messages.%zu.content is "
			"blank. Add text to the text field, and try again.",
			i);
	if ((use || result) && !is_name(id))
		return mock_flaw_sense(flaw, "messages",
				       "toolUseId failed to satisfy constraint: [a-zA-Z0-9_-]+");
	if (use && (is_user || !is_name(mock_get_str(use, "name"))))
		return mock_flaw_sense(
			flaw, "messages",
			"messages.%zu: toolUse of a user, or with a name that is none", i);
	if ((result || mock_get(b, "image") || mock_get(b, "document")) && !is_user)
		return mock_flaw_sense(flaw, "messages",
				       "messages.%zu: this block is for users only", i);
	return 0;
}

static bool
has_use(json_object *m, struct ag_str id)
{
	json_object *list = mock_get(m, "content");

	for (size_t i = 0; i < ag_json_len(list); i++)
		if (ag_str_eq(mock_get_str(mock_get(ag_json_at(list, i), "toolUse"), "toolUseId"), id))
			return true;
	return false;
}

static int
check_turn(json_object *messages, size_t i, struct mock_flaw *flaw)
{
	json_object *m = ag_json_at(messages, i), *before = i > 0 ? ag_json_at(messages, i - 1) : NULL;
	json_object *list = mock_get(m, "content");
	bool is_user = mock_is(m, "role", "user");
	size_t uses = before ? count_blocks(before, "toolUse") : 0,
	       results = count_blocks(m, "toolResult");

	if (i == 0 && !is_user)
		return mock_flaw_sense(
			flaw, "messages",
			"A conversation must start with a user message. Try again with a "
			"conversation that starts with a user message.");
	if (before && is_user == mock_is(before, "role", "user"))
		return mock_flaw_sense(
			flaw, "messages",
			"A conversation must alternate between user and assistant roles. "
			"Make sure the conversation alternates between user and assistant roles and try again.");
	if (results > uses)
		return mock_flaw_sense(
			flaw, "messages",
			"The number of toolResult blocks at messages.%zu.content exceeds the "
			"number of toolUse blocks of previous turn.",
			i);
	if (results < uses)
		return mock_flaw_sense(
			flaw, "messages",
			"Expected toolResult blocks at messages.%zu.content for each toolUse "
			"of the previous turn.",
			i);
	for (size_t k = 0; k < ag_json_len(list); k++) {
		json_object *result = mock_get(ag_json_at(list, k), "toolResult");

		if (check_block(ag_json_at(list, k), is_user, i, flaw) < 0)
			return -EINVAL;
		if (result && !has_use(before, mock_get_str(result, "toolUseId")))
			return mock_flaw_sense(flaw, "messages",
					       "messages.%zu: toolUseId is of no toolUse before",
					       i);
	}
	return 0;
}

static int
check_messages(json_object *tree, struct mock_flaw *flaw)
{
	json_object *messages = mock_get(tree, "messages");
	size_t n = ag_json_len(messages), tools = 0;

	if (n == 0)
		return mock_flaw_sense(flaw, "messages", "The messages field is required");
	for (size_t i = 0; i < n; i++) {
		json_object *m = ag_json_at(messages, i);

		if (check_turn(messages, i, flaw) < 0)
			return -EINVAL;
		tools += count_blocks(m, "toolUse") + count_blocks(m, "toolResult");
	}
	if (count_blocks(ag_json_at(messages, n - 1), "toolUse") > 0)
		return mock_flaw_sense(flaw, "messages",
				       "A conversation must not end with a toolUse.");
	if (tools > 0 && !mock_get(tree, "toolConfig"))
		return mock_flaw_sense(
			flaw, "toolConfig",
			"The toolConfig field must be defined when using toolUse and "
			"toolResult content blocks.");
	return 0;
}

static int
check_tools(struct mock_facts *f, struct mock_flaw *flaw)
{
	json_object *config = mock_get(f->tree, "toolConfig"), *tools = mock_get(config, "tools");
	json_object *how = mock_get(config, "toolChoice");
	struct ag_str name = mock_get_str(mock_get(how, "tool"), "name");
	bool is_there = name.n == 0;

	for (size_t i = 0; i < ag_json_len(tools); i++) {
		json_object *spec = mock_get(ag_json_at(tools, i), "toolSpec");
		json_object *schema = mock_get(mock_get(spec, "inputSchema"), "json");

		if (lone_member(ag_json_at(tools, i), "Tool", flaw) < 0)
			return -EINVAL;
		if (!spec)
			continue;
		if (!is_name(mock_get_str(spec, "name")) || !mock_is(schema, "type", "object"))
			return mock_flaw_sense(
				flaw, "toolConfig",
				"The value at toolConfig.tools.%zu.toolSpec is not valid: its "
				"name is none or inputSchema.json.type is not object.",
				i);
		is_there |= ag_str_eq(name, mock_get_str(spec, "name"));
		mock_facts_tool(f, mock_get_str(spec, "name"), schema);
	}
	if (!is_there)
		return mock_flaw_sense(flaw, "toolConfig",
				       "toolChoice names a tool that is not there");
	if (how && lone_member(how, "ToolChoice", flaw) < 0)
		return -EINVAL;
	if (mock_get(how, "any") || mock_get(how, "tool"))
		mock_facts_force(f, name);
	return 0;
}

static int
check_output(struct mock_facts *f, struct mock_flaw *flaw)
{
	json_object *text = mock_get(mock_get(f->tree, "outputConfig"), "textFormat");
	json_object *schema = mock_get(mock_get(text, "structure"), "jsonSchema");

	if (!schema)
		return 0;
	f->schema = mock_json_parse(mock_get_str(schema, "schema"));
	f->is_schema_owned = true;
	return f->schema ? 0
			 : mock_flaw_sense(flaw, "outputConfig", "The schema is not valid JSON");
}

static void
word_flaw(const struct mock_flaw *flaw, struct mock_fault *fault)
{
	*fault = (struct mock_fault){.status = 400};
	if (flaw->kind == MOCK_FLAW_SENSE)
		snprintf(fault->message, sizeof(fault->message), "%s", flaw->why);
	else if (flaw->kind == MOCK_FLAW_UNKNOWN)
		snprintf(
			fault->message, sizeof(fault->message),
			"The model returned the following errors: extraneous key [%s] is not permitted",
			flaw->path);
	else
		snprintf(
			fault->message, sizeof(fault->message),
			"1 validation error detected: Value at '%s' failed to satisfy constraint: %s",
			flaw->path, flaw->why);
}

static int
check_credential(const struct mock_job *job, struct mock_fault *fault)
{
	char text[160];
	const char *flaw;

	if (mock_key_bearer(job->req, job->in).n > 0)
		return 0;
	flaw = mock_sigv4_flaw(job, &fault->type, text, sizeof(text));
	if (flaw) {
		fault->status = 403;
		snprintf(fault->message, sizeof(fault->message), "%s", flaw);
		return -EINVAL;
	}
	return 0;
}

int
mock_bedrock_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		  struct mock_fault *fault)
{
	static const struct mock_shape shape = {.fields = converse};
	struct mock_flaw flaw;
	struct mock_facts f;

	if (check_credential(job, fault) < 0)
		return -EINVAL;
	if (ep == MOCK_EP_INVOKE)
		return mock_bedrock_invoke_read(job, out, fault);
	if (mock_facts_tree(job->body, ep, &f, fault) < 0)
		return -EINVAL;
	f.model = job->model_id;
	f.stream = memmem(job->path.p, job->path.n, "/converse-stream", 16) != NULL;
	f.include_usage = true;
	f.max_tokens = mock_get_int(mock_get(f.tree, "inferenceConfig"), "maxTokens", -1);
	if (mock_shape_check(&shape, f.tree, &flaw) < 0 || check_messages(f.tree, &flaw) < 0 ||
	    check_tools(&f, &flaw) < 0 || check_output(&f, &flaw) < 0) {
		word_flaw(&flaw, fault);
		mock_facts_fini(&f);
		return -EINVAL;
	}
	*out = f;
	return 0;
}
