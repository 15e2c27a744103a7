/* gemini_check.c - what generateContent and its kin take. */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "tools/mock/google.h"

#include "base/json.h"

static const struct mock_field blob[] = {MOCK_ROW("mimeType", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
					 MOCK_ROW("data", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
					 MOCK_ROW("displayName", MOCK_S), MOCK_END};
static const struct mock_field file_data[] = {MOCK_ROW("mimeType", MOCK_S),
					      MOCK_ROW("fileUri", MOCK_S | MOCK_REQUIRED),
					      MOCK_ROW("displayName", MOCK_S), MOCK_END};
static const struct mock_field function_call[] = {
	MOCK_ROW("id", MOCK_S), MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("args", MOCK_O), MOCK_END};
static const struct mock_field function_response[] = {
	MOCK_ROW("id", MOCK_S),
	MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("response", MOCK_O | MOCK_REQUIRED),
	MOCK_ROW("parts", MOCK_A),
	MOCK_ROW("willContinue", MOCK_B),
	MOCK_ROW("scheduling", MOCK_S),
	MOCK_END};
static const struct mock_field part[] = {
	MOCK_ROW("text", MOCK_S),
	{"inlineData", MOCK_O, blob, NULL, 0, 0},
	{"fileData", MOCK_O, file_data, NULL, 0, 0},
	{"functionCall", MOCK_O, function_call, NULL, 0, 0},
	{"functionResponse", MOCK_O, function_response, NULL, 0, 0},
	MOCK_ROW("executableCode", MOCK_O),
	MOCK_ROW("codeExecutionResult", MOCK_O),
	MOCK_ROW("thought", MOCK_B),
	MOCK_ROW("thoughtSignature", MOCK_S),
	MOCK_ROW("videoMetadata", MOCK_O),
	MOCK_ROW("mediaResolution", MOCK_O),
	MOCK_END};
static const struct mock_field content[] = {
	{"role", MOCK_S, NULL, "user model", 0, 0},
	{"parts", MOCK_A | MOCK_REQUIRED | MOCK_SOME, part, NULL, 0, 0},
	MOCK_END};
static const struct mock_field instruction[] = {
	MOCK_ROW("role", MOCK_S),
	{"parts", MOCK_A | MOCK_REQUIRED | MOCK_SOME, part, NULL, 0, 0},
	MOCK_END};
static const struct mock_field thinking[] = {
	MOCK_ROW("includeThoughts", MOCK_B),
	MOCK_ROW("thinkingBudget", MOCK_I),
	{"thinkingLevel", MOCK_S, NULL, "MINIMAL LOW MEDIUM HIGH minimal low medium high", 0, 0},
	MOCK_END};
static const struct mock_field generation[] = {
	{"temperature", MOCK_N, NULL, NULL, 0, 2},
	{"topP", MOCK_N, NULL, NULL, 0, 1},
	MOCK_ROW("topK", MOCK_N),
	{"candidateCount", MOCK_I, NULL, NULL, 1, 8},
	{"maxOutputTokens", MOCK_I, NULL, NULL, 1, 1e9},
	{"stopSequences", MOCK_A | MOCK_TEXTS, NULL, NULL, 0, 5},
	{"responseMimeType", MOCK_S, NULL, "text/plain application/json text/x.enum", 0, 0},
	MOCK_ROW("responseSchema", MOCK_O),
	MOCK_ROW("responseJsonSchema", MOCK_ANY),
	{"presencePenalty", MOCK_N, NULL, NULL, -2, 2},
	{"frequencyPenalty", MOCK_N, NULL, NULL, -2, 2},
	MOCK_ROW("seed", MOCK_I),
	MOCK_ROW("responseLogprobs", MOCK_B),
	{"logprobs", MOCK_I, NULL, NULL, 0, 20},
	MOCK_ROW("responseModalities", MOCK_A | MOCK_TEXTS),
	MOCK_ROW("mediaResolution", MOCK_S),
	MOCK_ROW("speechConfig", MOCK_O),
	{"thinkingConfig", MOCK_O, thinking, NULL, 0, 0},
	MOCK_ROW("imageConfig", MOCK_O),
	MOCK_ROW("audioTimestamp", MOCK_B),
	MOCK_ROW("enableEnhancedCivicAnswers", MOCK_B),
	MOCK_END};
static const struct mock_field declaration[] = {
	MOCK_ROW("name", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("description", MOCK_S),
	MOCK_ROW("parameters", MOCK_O),
	MOCK_ROW("parametersJsonSchema", MOCK_O),
	MOCK_ROW("response", MOCK_O),
	MOCK_ROW("responseJsonSchema", MOCK_O),
	MOCK_ROW("behavior", MOCK_S),
	MOCK_END};
static const struct mock_field tool[] = {{"functionDeclarations", MOCK_A, declaration, NULL, 0, 0},
					 MOCK_ROW("googleSearch", MOCK_O),
					 MOCK_ROW("googleSearchRetrieval", MOCK_O),
					 MOCK_ROW("codeExecution", MOCK_O),
					 MOCK_ROW("urlContext", MOCK_O),
					 MOCK_ROW("googleMaps", MOCK_O),
					 MOCK_ROW("computerUse", MOCK_O),
					 MOCK_ROW("fileSearch", MOCK_O),
					 MOCK_ROW("retrieval", MOCK_O),
					 MOCK_ROW("enterpriseWebSearch", MOCK_O),
					 MOCK_END};
static const struct mock_field calling[] = {
	{"mode", MOCK_S, NULL, "AUTO ANY NONE VALIDATED MODE_UNSPECIFIED", 0, 0},
	MOCK_ROW("allowedFunctionNames", MOCK_A | MOCK_TEXTS),
	MOCK_ROW("streamFunctionCallArguments", MOCK_B),
	MOCK_END};
static const struct mock_field tool_config[] = {
	{"functionCallingConfig", MOCK_O, calling, NULL, 0, 0},
	MOCK_ROW("retrievalConfig", MOCK_O),
	MOCK_ROW("includeServerSideToolInvocations", MOCK_B),
	MOCK_END};
static const struct mock_field safety[] = {MOCK_ROW("category", MOCK_S | MOCK_REQUIRED),
					   MOCK_ROW("threshold", MOCK_S | MOCK_REQUIRED),
					   MOCK_ROW("method", MOCK_S), MOCK_END};
#define GENERATE                                                                                   \
	{"contents", MOCK_A | MOCK_REQUIRED | MOCK_SOME, content, NULL, 0, 0},                     \
		{"systemInstruction", MOCK_O, instruction, NULL, 0, 0},                            \
		{"generationConfig", MOCK_O, generation, NULL, 0, 0},                              \
		{"tools", MOCK_A, tool, NULL, 0, 0},                                               \
		{"toolConfig", MOCK_O, tool_config, NULL, 0, 0},                                   \
		{"safetySettings", MOCK_A, safety, NULL, 0, 0}, MOCK_ROW("cachedContent", MOCK_S)
static const struct mock_field generate[] = {
	GENERATE,
	{"serviceTier", MOCK_S, NULL, "flex standard priority", 0, 0},
	MOCK_ROW("store", MOCK_B),
	MOCK_ROW("continuationToken", MOCK_S),
	MOCK_ROW("model", MOCK_S),
	MOCK_END};
static const struct mock_field vertex_generate[] = {GENERATE, MOCK_ROW("labels", MOCK_O),
						    MOCK_ROW("modelArmorConfig", MOCK_O), MOCK_END};
static const struct mock_field wrapped[] = {GENERATE, MOCK_ROW("model", MOCK_S | MOCK_REQUIRED),
					    MOCK_END};
static const struct mock_field count[] = {{"contents", MOCK_A, content, NULL, 0, 0},
					  {"generateContentRequest", MOCK_O, wrapped, NULL, 0, 0},
					  MOCK_END};
static const struct mock_field vertex_count[] = {
	{"contents", MOCK_A, content, NULL, 0, 0},
	{"systemInstruction", MOCK_O, instruction, NULL, 0, 0},
	{"tools", MOCK_A, tool, NULL, 0, 0},
	MOCK_ROW("generationConfig", MOCK_O),
	MOCK_ROW("model", MOCK_S),
	MOCK_ROW("instances", MOCK_A),
	MOCK_END};
static const struct mock_field embed[] = {
	MOCK_ROW("model", MOCK_S),
	{"content", MOCK_O | MOCK_REQUIRED, instruction, NULL, 0, 0},
	MOCK_ROW("taskType", MOCK_S),
	MOCK_ROW("title", MOCK_S),
	{"outputDimensionality", MOCK_I, NULL, NULL, 1, 4096},
	MOCK_ROW("autoTruncate", MOCK_B),
	MOCK_END};
static const struct mock_field embed_batch[] = {
	{"requests", MOCK_A | MOCK_REQUIRED | MOCK_SOME, embed, NULL, 0, 100}, MOCK_END};
static const struct mock_field instance[] = {MOCK_ROW("content", MOCK_S | MOCK_REQUIRED),
					     MOCK_ROW("task_type", MOCK_S),
					     MOCK_ROW("title", MOCK_S), MOCK_END};
static const struct mock_field predict_parameters[] = {
	{"outputDimensionality", MOCK_I, NULL, NULL, 1, 4096},
	MOCK_ROW("autoTruncate", MOCK_B),
	MOCK_END};
static const struct mock_field predict[] = {
	{"instances", MOCK_A | MOCK_REQUIRED | MOCK_SOME, instance, NULL, 0, 250},
	{"parameters", MOCK_O, predict_parameters, NULL, 0, 0},
	MOCK_END};

/* What a schema in `parameters` and `responseSchema` may have: a part of OpenAPI's. */
static const char openapi_words[] =
	" type format title description nullable enum maxItems minItems properties required minProperties "
	"maxProperties minLength maxLength pattern example anyOf propertyOrdering default items minimum maximum ";

static bool
is_openapi(json_object *s, struct mock_flaw *flaw, const char *path)
{
	char word[72];

	if (!json_object_is_type(s, json_type_object))
		return true;
	ag_json_foreach (s, name, v) {
		snprintf(word, sizeof(word), " %.64s ", name);
		if (!strstr(openapi_words, word)) {
			*flaw = (struct mock_flaw){.kind = MOCK_FLAW_UNKNOWN};
			snprintf(flaw->path, sizeof(flaw->path), "%s.%s", path, name);
			snprintf(flaw->name, sizeof(flaw->name), "%s", name);
			return false;
		}
		if (strcmp(name, "properties") == 0) {
			ag_json_foreach (v, member, of) {
				(void)member;
				if (!is_openapi(of, flaw, path))
					return false;
			}
		} else if (strcmp(name, "items") == 0 && !is_openapi(v, flaw, path)) {
			return false;
		}
		for (size_t i = 0; strcmp(name, "anyOf") == 0 && i < ag_json_len(v); i++)
			if (!is_openapi(ag_json_at(v, i), flaw, path))
				return false;
	}
	return true;
}

static size_t
count_parts(json_object *parts, const char *which)
{
	size_t n = 0;

	for (size_t i = 0; i < ag_json_len(parts); i++)
		n += mock_get(ag_json_at(parts, i), which) != NULL;
	return n;
}

static int
check_part(json_object *p, bool refuses_ids, struct mock_flaw *flaw)
{
	static const char *const data[] = {"text",
					   "inlineData",
					   "fileData",
					   "functionCall",
					   "functionResponse",
					   "executableCode",
					   "codeExecutionResult"};
	json_object *call = mock_get(p, "functionCall"), *result = mock_get(p, "functionResponse");
	unsigned n = 0;

	for (size_t i = 0; i < AG_ARRAY_LEN(data); i++)
		n += mock_get(p, data[i]) != NULL;
	if (n != 1)
		return mock_flaw_sense(
			flaw, "contents.parts",
			n == 0 ? "Unable to submit request because it must have a text parameter."
			       : "oneof field 'data' is already set.");
	if (refuses_ids && (mock_get(call, "id") || mock_get(result, "id")))
		return mock_flaw_sense(
			flaw, "contents.parts.function_call.id",
			"Invalid JSON payload received. Unknown name \"id\": Cannot find field.");
	return 0;
}

/* Turns: a user begins, turns alternate, each call has its response in the turn behind it. */
static int
check_contents(json_object *contents, bool needs_role, bool refuses_ids, struct mock_flaw *flaw)
{
	size_t open = 0;

	for (size_t i = 0; i < ag_json_len(contents); i++) {
		json_object *turn = ag_json_at(contents, i), *parts = mock_get(turn, "parts");
		bool is_model = mock_is(turn, "role", "model"),
		     was = mock_is(ag_json_at(contents, i - 1), "role", "model");
		size_t calls = count_parts(parts, "functionCall"),
		       results = count_parts(parts, "functionResponse");

		for (size_t k = 0; k < ag_json_len(parts); k++)
			if (check_part(ag_json_at(parts, k), refuses_ids, flaw) < 0)
				return -EINVAL;
		if (needs_role && !mock_get(turn, "role"))
			return mock_flaw_sense(flaw, "contents.role",
					       "Please use a valid role: user, model.");
		if (i == 0 ? is_model : is_model == was)
			return mock_flaw_sense(
				flaw, "contents.role",
				"Please ensure that multiturn requests alternate between user and model.");
		if (results != open)
			return mock_flaw_sense(
				flaw, "contents",
				"Please ensure that the number of function response parts is equal to the "
				"number of function call parts of the function call turn.");
		if (calls > 0 && !is_model)
			return mock_flaw_sense(flaw, "contents",
					       "A function call comes from the model.");
		open = calls;
	}
	if (open > 0)
		return mock_flaw_sense(
			flaw, "contents",
			"Please ensure that function call turn is followed by a function response turn.");
	return 0;
}

static bool
is_function_name(struct ag_str s)
{
	if (s.n == 0 || s.n > 128 || !(isalpha((unsigned char)s.p[0]) || s.p[0] == '_'))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && !strchr("_.:-", s.p[i]))
			return false;
	return true;
}

static int
check_tools(struct mock_facts *f, struct mock_flaw *flaw)
{
	json_object *tools = mock_get(f->tree, "tools");
	json_object *how = mock_get(mock_get(f->tree, "toolConfig"), "functionCallingConfig");

	for (size_t i = 0; i < ag_json_len(tools); i++) {
		json_object *list = mock_get(ag_json_at(tools, i), "functionDeclarations");

		for (size_t k = 0; k < ag_json_len(list); k++) {
			json_object *one = ag_json_at(list, k), *schema = mock_get(one, "parameters");
			struct ag_str name = mock_get_str(one, "name");

			if (!is_function_name(name))
				return mock_flaw_sense(
					flaw, "tools.function_declarations.name",
					"Invalid function name. Must start with a letter or an underscore.");
			if (!is_openapi(schema, flaw, "tools.0.function_declarations.0.parameters"))
				return -EINVAL;
			if (schema && mock_get(one, "parametersJsonSchema"))
				return mock_flaw_sense(
					flaw, "tools",
					"parameters and parametersJsonSchema are both set");
			if (json_object_is_type(mock_get(schema, "properties"), json_type_object) &&
			    ag_json_members(mock_get(schema, "properties")) == 0)
				return mock_flaw_sense(
					flaw, "tools",
					"parameters.properties: should be non-empty for OBJECT type");
			mock_facts_tool(f, name,
					schema ? schema : mock_get(one, "parametersJsonSchema"));
		}
	}
	if (ag_json_len(mock_get(how, "allowedFunctionNames")) > 0 && !mock_is(how, "mode", "ANY") &&
	    !mock_is(how, "mode", "VALIDATED"))
		return mock_flaw_sense(
			flaw, "tool_config",
			"allowed_function_names should only be set when function calling mode is ANY.");
	if (mock_is(how, "mode", "ANY"))
		mock_facts_force(f, ag_str(json_object_get_string(
					    ag_json_at(mock_get(how, "allowedFunctionNames"), 0))));
	return 0;
}

static int
check_generation(struct mock_facts *f, struct mock_flaw *flaw)
{
	json_object *g = mock_get(f->tree, "generationConfig");
	json_object *schema = mock_get(g, "responseSchema"),
		    *json = mock_get(g, "responseJsonSchema");
	bool is_json = mock_is(g, "responseMimeType", "application/json");

	f->max_tokens = mock_get_int(g, "maxOutputTokens", -1);
	if ((schema || json) && !is_json && !mock_is(g, "responseMimeType", "text/x.enum"))
		return mock_flaw_sense(flaw, "generation_config.response_mime_type",
				       "response_schema needs response_mime_type application/json");
	if (schema && json)
		return mock_flaw_sense(flaw, "generation_config",
				       "both response_schema and response_json_schema are set");
	if (!is_openapi(schema, flaw, "generation_config.response_schema"))
		return -EINVAL;
	if (mock_get(g, "logprobs") && !mock_get_bool(g, "responseLogprobs"))
		return mock_flaw_sense(flaw, "generation_config.logprobs",
				       "logprobs needs response_logprobs");
	f->wants_json = is_json;
	f->schema = schema ? schema : json;
	return 0;
}

static int
read_embed(struct mock_facts *f, struct mock_flaw *flaw)
{
	json_object *list =
		mock_get(f->tree, f->endpoint == MOCK_EP_PREDICT ? "instances" : "requests");
	json_object *one = f->endpoint == MOCK_EP_PREDICT       ? mock_get(f->tree, "parameters")
			   : f->endpoint == MOCK_EP_EMBED_BATCH ? ag_json_at(list, 0)
								: f->tree;

	f->inputs = list ? (int64_t)ag_json_len(list) : 1;
	f->dimensions = mock_get_int(one, "outputDimensionality", f->dimensions);
	for (size_t i = 0; f->endpoint == MOCK_EP_EMBED_BATCH && i < ag_json_len(list); i++)
		if (!ag_str_starts(mock_get_str(ag_json_at(list, i), "model"), AG_STR("models/")))
			return mock_flaw_sense(flaw, "requests.model",
					       "* BatchEmbedContentsRequest.requests[%zu].model: "
					       "unexpected model name format",
					       i);
	return 0;
}

static int
read_members(struct mock_facts *f, bool is_vertex, struct mock_flaw *flaw)
{
	static const struct mock_field *const fields[][2] = {
		[MOCK_EP_CHAT] = {generate, vertex_generate},
		[MOCK_EP_COUNT_TOKENS] = {count, vertex_count},
		[MOCK_EP_EMBEDDINGS] = {embed, embed},
		[MOCK_EP_EMBED_BATCH] = {embed_batch, embed_batch},
		[MOCK_EP_PREDICT] = {predict, predict},
	};
	struct mock_shape shape = {.fields = fields[f->endpoint][is_vertex], .is_proto = true};
	json_object *contents = mock_get(f->tree, "contents");
	bool refuses_ids = is_vertex && ag_str_starts(f->model, AG_STR("gemini-2"));

	if (mock_shape_check(&shape, f->tree, flaw) < 0)
		return -EINVAL;
	if (f->endpoint == MOCK_EP_COUNT_TOKENS) {
		contents = contents ? contents
				    : mock_get(mock_get(f->tree, "generateContentRequest"),
					       "contents");
		return ag_json_len(contents) > 0
			       ? 0
			       : mock_flaw_sense(flaw, "contents", "contents is not specified");
	}
	if (f->endpoint != MOCK_EP_CHAT)
		return read_embed(f, flaw);
	if (check_contents(contents, is_vertex, refuses_ids, flaw) < 0 || check_tools(f, flaw) < 0)
		return -EINVAL;
	return check_generation(f, flaw);
}

static void
word_flaw(const struct mock_flaw *flaw, struct mock_fault *fault)
{
	const char *dot = strrchr(flaw->path, '.');
	int at = dot ? (int)(dot - flaw->path) : 0;

	*fault = (struct mock_fault){.status = 400};
	if (flaw->kind == MOCK_FLAW_SENSE)
		snprintf(fault->message, sizeof(fault->message), "%s", flaw->why);
	else if (flaw->kind == MOCK_FLAW_UNKNOWN)
		snprintf(
			fault->message, sizeof(fault->message),
			"Invalid JSON payload received. Unknown name \"%s\"%s%.*s%s: Cannot find field.",
			flaw->name, at ? " at '" : "", at, flaw->path, at ? "'" : "");
	else
		snprintf(fault->message, sizeof(fault->message), "Invalid value at '%s': %s",
			 flaw->path, flaw->why);
}

static int
read_google(const struct mock_job *job, enum mock_endpoint ep, bool is_vertex,
	    struct mock_facts *out, struct mock_fault *fault)
{
	struct mock_flaw flaw;
	struct mock_facts f;

	if (memmem(job->query.p, job->query.n, "key=", 4)) {
		fault->is_violation = true;
		snprintf(fault->message, sizeof(fault->message),
			 "the key stands in the query, where logs keep it");
		return -EINVAL;
	}
	if (mock_facts_tree(job->body, ep, &f, fault) < 0)
		return -EINVAL;
	f.model = job->model_id;
	f.stream = memmem(job->path.p, job->path.n, ":stream", 7) != NULL;
	f.include_usage = true;
	if (read_members(&f, is_vertex, &flaw) < 0) {
		word_flaw(&flaw, fault);
		mock_facts_fini(&f);
		return -EINVAL;
	}
	*out = f;
	return 0;
}

int
mock_gemini_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		 struct mock_fault *fault)
{
	return read_google(job, ep, false, out, fault);
}

int
mock_vertex_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		 struct mock_fault *fault)
{
	return read_google(job, ep, true, out, fault);
}
