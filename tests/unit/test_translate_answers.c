/* test_translate_answers.c - how each provider says why an answer ended, and what it cost: every word of the
 * reference of providers, every counter alone. */
#include <json-c/json.h>
#include <stdlib.h>

#include "fixture.h"
#include "tap.h"

/* Answers, with the word in the place of %s. */
#define OPENAI    "{'id':'i','model':'m','choices':[{'index':0,'message':{'role':'assistant','content':'a'},'finish_reason':'%s'}]}"
#define MESSAGES  "{'type':'message','id':'i','model':'m','content':[{'type':'text','text':'a'}],'stop_reason':'%s'}"
#define GEMINI    "{'candidates':[{'content':{'role':'model','parts':[{'text':'a'}]},'finishReason':'%s','index':0}],'responseId':'r'}"
#define GEMINI_FN "{'candidates':[{'content':{'role':'model','parts':[{'functionCall':{'name':'f','args':{}}}]},'finishReason':'%s','index':0}]}"
#define BLOCKED   "{'promptFeedback':{'blockReason':'%s'}}"
#define CONVERSE  "{'output':{'message':{'role':'assistant','content':[{'text':'a'}]}},'stopReason':'%s'}"
#define COHERE    "{'id':'i','message':{'role':'assistant','content':[{'type':'text','text':'a'}]},'finish_reason':'%s'}"
#define RESPONSES "{'id':'i','status':'completed','output':[{'type':'message','content':[{'type':'output_text','text':'%s'}]}]}"
#define RESPONSES_FN "{'id':'i','status':'completed','output':[{'type':'function_call','call_id':'c','name':'%s','arguments':'{}'}]}"
#define RESPONSES_CUT "{'id':'i','status':'incomplete','incomplete_details':{'reason':'%s'},'output':[{'type':'message','content':" \
	"[{'type':'output_text','text':'a'}]}]}"
#define RESPONSES_BAD "{'id':'i','status':'failed','error':{'code':'server_error','message':'%s'},'output':[]}"

#define FAILS 99 /* an error instead of an end */

static const struct {
	const struct ag_protocol *from;
	const char *family, *frame, *word;
	int finish; /* enum ag_finish, or FAILS */
} words[] = {
	{ &ag_protocol_openai, "openai", OPENAI, "stop", AG_FINISH_STOP },
	{ &ag_protocol_openai, "openai", OPENAI, "length", AG_FINISH_LENGTH },
	{ &ag_protocol_openai, "openai", OPENAI, "tool_calls", AG_FINISH_TOOLS },
	{ &ag_protocol_openai, "openai", OPENAI, "function_call", AG_FINISH_TOOLS },
	{ &ag_protocol_openai, "openai", OPENAI, "content_filter", AG_FINISH_FILTER },
	{ &ag_protocol_openai, "mistral-ai", OPENAI, "model_length", AG_FINISH_LENGTH },
	{ &ag_protocol_openai, "mistral-ai", OPENAI, "error", FAILS },
	{ &ag_protocol_openai, "deepseek", OPENAI, "insufficient_system_resource", FAILS },
	{ &ag_protocol_openai, "zhipu", OPENAI, "sensitive", AG_FINISH_FILTER },
	{ &ag_protocol_openai, "zhipu", OPENAI, "model_context_window_exceeded", AG_FINISH_LENGTH },
	{ &ag_protocol_openai, "zhipu", OPENAI, "network_error", FAILS },
	{ &ag_protocol_openai, "together-ai", OPENAI, "eos", AG_FINISH_STOP },
	{ &ag_protocol_anthropic, "anthropic", MESSAGES, "end_turn", AG_FINISH_STOP },
	{ &ag_protocol_anthropic, "anthropic", MESSAGES, "stop_sequence", AG_FINISH_STOP_SEQUENCE },
	{ &ag_protocol_anthropic, "anthropic", MESSAGES, "max_tokens", AG_FINISH_LENGTH },
	{ &ag_protocol_anthropic, "anthropic", MESSAGES, "model_context_window_exceeded", AG_FINISH_LENGTH },
	{ &ag_protocol_anthropic, "anthropic", MESSAGES, "tool_use", AG_FINISH_TOOLS },
	{ &ag_protocol_anthropic, "anthropic", MESSAGES, "refusal", AG_FINISH_FILTER },
	{ &ag_protocol_anthropic, "anthropic", MESSAGES, "pause_turn", AG_FINISH_STOP },
	{ &ag_protocol_gemini, "google", GEMINI, "STOP", AG_FINISH_STOP },
	{ &ag_protocol_gemini, "google", GEMINI_FN, "STOP", AG_FINISH_TOOLS },
	{ &ag_protocol_gemini, "google", GEMINI, "MAX_TOKENS", AG_FINISH_LENGTH },
	{ &ag_protocol_gemini, "google", GEMINI, "CONTINUATION", AG_FINISH_LENGTH },
	{ &ag_protocol_gemini, "google", GEMINI, "SAFETY", AG_FINISH_FILTER },
	{ &ag_protocol_gemini, "google", GEMINI, "RECITATION", AG_FINISH_FILTER },
	{ &ag_protocol_gemini, "google", GEMINI, "BLOCKLIST", AG_FINISH_FILTER },
	{ &ag_protocol_gemini, "google", GEMINI, "PROHIBITED_CONTENT", AG_FINISH_FILTER },
	{ &ag_protocol_gemini, "google", GEMINI, "SPII", AG_FINISH_FILTER },
	{ &ag_protocol_gemini, "google", GEMINI, "IMAGE_SAFETY", AG_FINISH_FILTER },
	{ &ag_protocol_gemini, "google", GEMINI, "IMAGE_PROHIBITED_CONTENT", AG_FINISH_FILTER },
	{ &ag_protocol_gemini, "google", GEMINI, "IMAGE_RECITATION", AG_FINISH_FILTER },
	{ &ag_protocol_gemini, "google", GEMINI, "LANGUAGE", AG_FINISH_FILTER },
	{ &ag_protocol_gemini, "google", GEMINI, "MALFORMED_FUNCTION_CALL", AG_FINISH_STOP },
	{ &ag_protocol_gemini, "google", GEMINI, "OTHER", AG_FINISH_STOP },
	{ &ag_protocol_gemini, "google", BLOCKED, "SAFETY", AG_FINISH_FILTER },
	{ &ag_protocol_converse, "bedrock", CONVERSE, "end_turn", AG_FINISH_STOP },
	{ &ag_protocol_converse, "bedrock", CONVERSE, "stop_sequence", AG_FINISH_STOP_SEQUENCE },
	{ &ag_protocol_converse, "bedrock", CONVERSE, "tool_use", AG_FINISH_TOOLS },
	{ &ag_protocol_converse, "bedrock", CONVERSE, "max_tokens", AG_FINISH_LENGTH },
	{ &ag_protocol_converse, "bedrock", CONVERSE, "model_context_window_exceeded", AG_FINISH_LENGTH },
	{ &ag_protocol_converse, "bedrock", CONVERSE, "content_filtered", AG_FINISH_FILTER },
	{ &ag_protocol_converse, "bedrock", CONVERSE, "guardrail_intervened", AG_FINISH_FILTER },
	{ &ag_protocol_converse, "bedrock", CONVERSE, "malformed_tool_use", AG_FINISH_STOP },
	{ &ag_protocol_cohere, "cohere", COHERE, "COMPLETE", AG_FINISH_STOP },
	{ &ag_protocol_cohere, "cohere", COHERE, "STOP_SEQUENCE", AG_FINISH_STOP_SEQUENCE },
	{ &ag_protocol_cohere, "cohere", COHERE, "MAX_TOKENS", AG_FINISH_LENGTH },
	{ &ag_protocol_cohere, "cohere", COHERE, "TOOL_CALL", AG_FINISH_TOOLS },
	{ &ag_protocol_cohere, "cohere", COHERE, "ERROR", FAILS },
	{ &ag_protocol_cohere, "cohere", COHERE, "TIMEOUT", FAILS },
	{ &ag_protocol_responses, "openai", RESPONSES, "a", AG_FINISH_STOP },
	{ &ag_protocol_responses, "openai", RESPONSES_FN, "f", AG_FINISH_TOOLS },
	{ &ag_protocol_responses, "openai", RESPONSES_CUT, "max_output_tokens", AG_FINISH_LENGTH },
	{ &ag_protocol_responses, "openai", RESPONSES_CUT, "content_filter", AG_FINISH_FILTER },
	{ &ag_protocol_responses, "openai", RESPONSES_BAD, "no", FAILS },
};

static const struct {
	const struct ag_protocol *from;
	const char *family, *member, *usage; /* usage as the answer's member has it */
	struct ag_usage want;
} counts[] = {
	{ &ag_protocol_openai, "openai", "usage", "{'prompt_tokens':9,'completion_tokens':5,'prompt_tokens_details':{'cached_tokens':2,'cache_write_tokens':3},"
	  "'completion_tokens_details':{'reasoning_tokens':4}}", { .input_fresh = 4, .cache_read = 2, .cache_write_5m = 3, .output_total = 5, .reasoning = 4 } },
	{ &ag_protocol_openai, "x-ai", "usage", "{'prompt_tokens':9,'completion_tokens':5,'total_tokens':21,'completion_tokens_details':{'reasoning_tokens':7}}",
	  { .input_fresh = 9, .output_total = 12, .reasoning = 7 } },
	{ &ag_protocol_responses, "openai", "usage", "{'input_tokens':9,'output_tokens':5,'input_tokens_details':{'cached_tokens':2,'cache_write_tokens':3},"
	  "'output_tokens_details':{'reasoning_tokens':4}}", { .input_fresh = 4, .cache_read = 2, .cache_write_5m = 3, .output_total = 5, .reasoning = 4 } },
	{ &ag_protocol_anthropic, "anthropic", "usage", "{'input_tokens':4,'cache_read_input_tokens':2,'cache_creation_input_tokens':5,'cache_creation':"
	  "{'ephemeral_5m_input_tokens':3,'ephemeral_1h_input_tokens':2},'output_tokens':6,'output_tokens_details':{'thinking_tokens':1}}",
	  { .input_fresh = 4, .cache_read = 2, .cache_write_5m = 3, .cache_write_1h = 2, .output_total = 6, .reasoning = 1 } },
	{ &ag_protocol_anthropic, "anthropic", "usage", "{'input_tokens':4,'cache_creation_input_tokens':5,'output_tokens':6}",
	  { .input_fresh = 4, .cache_write_5m = 5, .output_total = 6 } },
	{ &ag_protocol_gemini, "google", "usageMetadata", "{'promptTokenCount':9,'cachedContentTokenCount':2,'toolUsePromptTokenCount':3,'candidatesTokenCount':5,"
	  "'thoughtsTokenCount':4,'totalTokenCount':21}", { .input_fresh = 10, .cache_read = 2, .output_total = 9, .reasoning = 4 } },
	{ &ag_protocol_gemini, "google", "usageMetadata", "{'promptTokenCount':9,'candidatesTokenCount':5,'thoughtsTokenCount':4,'totalTokenCount':14}",
	  { .input_fresh = 9, .output_total = 5, .reasoning = 4 } },
	{ &ag_protocol_converse, "bedrock", "usage", "{'inputTokens':4,'outputTokens':6,'cacheReadInputTokens':2,'cacheWriteInputTokens':5}",
	  { .input_fresh = 4, .cache_read = 2, .cache_write_5m = 5, .output_total = 6 } },
	{ &ag_protocol_converse, "bedrock", "usage", "{'inputTokens':4,'outputTokens':6,'cacheWriteInputTokens':5,'cacheDetails':[{'ttl':'1h','inputTokens':2},"
	  "{'ttl':'5m','inputTokens':3}]}", { .input_fresh = 4, .cache_write_5m = 3, .cache_write_1h = 2, .output_total = 6 } },
	{ &ag_protocol_cohere, "cohere", "usage", "{'billed_units':{'input_tokens':4,'output_tokens':6},'tokens':{'input_tokens':400,'output_tokens':600}}",
	  { .input_fresh = 4, .output_total = 6 } },
};

struct seen {
	int finish;
	unsigned ends;
};

static int
note(void *arg, const struct ag_piece *p)
{
	struct seen *s = arg;

	if (p->kind == AG_PIECE_FINISH)
		s->finish = (int)p->finish;
	if (p->kind == AG_PIECE_ERROR)
		s->finish = FAILS;
	s->ends += p->kind == AG_PIECE_END || p->kind == AG_PIECE_ERROR;
	return 0;
}

static struct seen
read_body(const struct ag_protocol *from, const char *family, struct json_object *body, struct ag_answer *a)
{
	struct seen s = { 0 };
	struct ag_piece_sink sink = { note, &s };
	void *state = calloc(1, from->reader->state_bytes + 1);

	*a = (struct ag_answer){ .usage.provider_cost_nusd = -1 };
	if (from->reader->body(state, ag_provider_find(ag_str(family)), ag_str(json_object_to_json_string(body)), a, &sink) < 0)
		s.finish = FAILS;
	if (from->reader->fini)
		from->reader->fini(state);
	free(state);
	return s;
}

static struct json_object *
framed(const char *frame, const char *word)
{
	const char *at = strstr(frame, "%s");
	char text[1024];

	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - frame), frame, word, at + 2);
	return fixture_json(text);
}

static void
every_word_for_an_end_is_known(void)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(words); i++) {
		struct json_object *body = framed(words[i].frame, words[i].word);
		struct ag_answer a;
		struct seen s = read_body(words[i].from, words[i].family, body, &a);

		if (!ok(s.finish == words[i].finish, "%s: %s", words[i].family, words[i].word))
			printf("# got %d, want %d\n", s.finish, words[i].finish);
		json_object_put(body);
	}
}

static void
every_counter_is_read(void)
{
	static const struct { const struct ag_protocol *from; const char *frame, *word; } frames[] = {
		{ &ag_protocol_openai, OPENAI, "stop" }, { &ag_protocol_anthropic, MESSAGES, "end_turn" },
		{ &ag_protocol_gemini, GEMINI, "STOP" }, { &ag_protocol_converse, CONVERSE, "end_turn" },
		{ &ag_protocol_cohere, COHERE, "COMPLETE" }, { &ag_protocol_responses, RESPONSES, "a" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(counts); i++)
		for (size_t k = 0; k < AG_ARRAY_LEN(frames); k++) {
			struct json_object *body;
			struct ag_usage got, want = counts[i].want;
			struct ag_answer a;

			if (frames[k].from != counts[i].from)
				continue;
			body = framed(frames[k].frame, frames[k].word);
			json_object_object_add(body, counts[i].member, fixture_json(counts[i].usage));
			(void)read_body(counts[i].from, counts[i].family, body, &a);
			got = a.usage;
			ok(a.has_usage && got.input_fresh == want.input_fresh && got.cache_read == want.cache_read &&
			    got.cache_write_5m == want.cache_write_5m && got.cache_write_1h == want.cache_write_1h &&
			    got.output_total == want.output_total && got.reasoning == want.reasoning, "%s: %s", counts[i].family,
			    counts[i].usage);
			json_object_put(body);
		}
}

/* In the stream the first letter of an exception is a small one. */
static void
exceptions_in_a_stream_go_by_their_names(void)
{
	static const struct { const char *name, *code; } rows[] = {
		{ "throttlingException", "rate_limit_exceeded" }, { "validationException", "" },
		{ "modelStreamErrorException", "upstream_error" }, { "serviceUnavailableException", "overloaded" },
		{ "modelTimeoutException", "upstream_timeout" }, { "internalServerException", "upstream_error" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		struct ag_client_error e = { 0 };
		struct ag_buf mem;
		char body[160];

		ag_buf_init(&mem, 4096);
		snprintf(body, sizeof(body), "{\"__type\":\"%s\",\"message\":\"m\"}", rows[i].name);
		ag_protocol_converse.read_error(418, ag_str(body), &mem, &e);
		ok(ag_str_eq(e.code, ag_str(rows[i].code)), "%s", rows[i].name);
		ag_buf_fini(&mem);
	}
}

int
main(void)
{
	every_word_for_an_end_is_known();
	every_counter_is_read();
	exceptions_in_a_stream_go_by_their_names();
	return done();
}
