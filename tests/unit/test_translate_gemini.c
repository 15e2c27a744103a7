/* test_translate_gemini.c - generateContent from both ends. */
#include <json-c/json.h>
#include <stdlib.h>

#include "base/json.h"
#include "fixture.h"
#include "tap.h"
#include "translate/gemini.h"

static const struct ag_protocol *const openai = &ag_protocol_openai, *const gemini = &ag_protocol_gemini;

static void
its_answers_are_read(void)
{
	fixture_stream("gemini.generate.stream.text.sse", gemini, "google");
	fixture_stream("gemini.generate.stream.tools.sse", gemini, "google");
	fixture_stream("gemini.generate.stream.usage.sse", gemini, "google");
	fixture_stream("gemini.stream.error.sse", gemini, "google");
	fixture_body("gemini.generate.nonstream.json", gemini, "google");
	fixture_body("gemini.generate.blocked.json", gemini, "google");
	fixture_error("gemini.error.400.json", gemini);
	fixture_error("gemini.error.429.json", gemini);
}

#define BUILD(body, model, want, text) fixture_request(openai, body, gemini, "google", model, want, text)
#define PARSE(body, want, text) fixture_request(gemini, body, openai, "openai", "gpt-x", want, text)
#define SAY "'messages':[{'role':'user','content':'hi'}]"
#define SAID "'contents':[{'role':'user','parts':[{'text':'hi'}]}]"

static void
a_chat_becomes_a_generate_request(void)
{
	BUILD("{'model':'m',"SAY"}", "gemini-2.5-flash", "{"SAID",'generationConfig':{'maxOutputTokens':4000}}",
	    "the limit is always written");
	BUILD("{'model':'m','temperature':0.5,'top_p':0.9,'n':2,'seed':7,'stop':['a','b'],'presence_penalty':1,"
	    "'logprobs':true,'top_logprobs':3,'max_tokens':9,'service_tier':'flex',"SAY"}", "gemini-2.5-flash",
	    "{"SAID",'generationConfig':{'maxOutputTokens':9,'temperature':0.5,'topP':0.9,'candidateCount':2,'seed':7,"
	    "'presencePenalty':1,'stopSequences':['a','b'],'responseLogprobs':true,'logprobs':3},'serviceTier':'flex'}",
	    "sampling has other names");
	BUILD("{'model':'m','messages':[{'role':'system','content':'s'},{'role':'user','content':[{'type':'text','text':'see'},"
	    "{'type':'image_url','image_url':{'url':'data:image/png;base64,QUJD'}},{'type':'input_audio','input_audio':{'data':'QQ==','format':'wav'}}]},"
	    "{'role':'developer','content':'d'},{'role':'assistant','content':'ok','tool_calls':[{'id':'c1','type':'function',"
	    "'function':{'name':'f','arguments':'{\\'x\\':1}'}},{'id':'c2','type':'function','function':{'name':'g','arguments':''}}]},"
	    "{'role':'tool','tool_call_id':'c1','content':'plain'},{'role':'tool','tool_call_id':'c2','content':'{\\'a\\':2}'},"
	    "{'role':'user','content':'go on'}]}", "gemini-2.5-pro",
	    "{'systemInstruction':{'parts':[{'text':'s'},{'text':'d'}]},'contents':[{'role':'user','parts':[{'text':'see'},"
	    "{'inlineData':{'mimeType':'image/png','data':'QUJD'}},{'inlineData':{'mimeType':'audio/wav','data':'QQ=='}}]},"
	    "{'role':'model','parts':[{'text':'ok'},{'functionCall':{'name':'f','args':{'x':1}}},{'functionCall':{'name':'g','args':{}}}]},"
	    "{'role':'user','parts':[{'functionResponse':{'name':'f','response':{'output':'plain'}}},"
	    "{'functionResponse':{'name':'g','response':{'a':2}}},{'text':'go on'}]}],'generationConfig':{'maxOutputTokens':4000}}",
	    "all systems in front, results named, turns merged");
	BUILD("{'model':'m','messages':[{'role':'assistant','content':null,'tool_calls':[{'id':'c1','type':'function',"
	    "'function':{'name':'f','arguments':'{}'},'extra_content':{'google':{'thought_signature':'c2ln'}}}]},"
	    "{'role':'tool','tool_call_id':'c1','content':'1'}]}", "gemini-3-pro",
	    "{'contents':[{'role':'user','parts':[{'text':'.'}]},{'role':'model','parts':[{'functionCall':{'id':'c1','name':'f','args':{}},"
	    "'thoughtSignature':'c2ln'}]},{'role':'user','parts':[{'functionResponse':{'id':'c1','name':'f','response':{'output':'1'}}}]}],"
	    "'generationConfig':{'maxOutputTokens':4000}}", "from 3 on calls have ids, and their proof goes back");
	BUILD("{'model':'m','tools':[{'type':'function','function':{'name':'f','description':'d','parameters':{'type':'object'}}},"
	    "{'type':'function','function':{'name':'g','parameters':{}}}],'tool_choice':{'type':'function','function':{'name':'f'}},"SAY"}",
	    "gemini-2.5-flash", "{"SAID",'tools':[{'functionDeclarations':[{'name':'f','description':'d','parametersJsonSchema':{'type':'object'}},"
	    "{'name':'g'}]}],'toolConfig':{'functionCallingConfig':{'mode':'ANY','allowedFunctionNames':['f']}},"
	    "'generationConfig':{'maxOutputTokens':4000}}", "tools and their choice");
	BUILD("{'model':'m','reasoning_effort':'high','max_tokens':10000,"SAY"}", "gemini-2.5-flash",
	    "{"SAID",'generationConfig':{'maxOutputTokens':10000,'thinkingConfig':{'thinkingBudget':5000,'includeThoughts':true}}}",
	    "a budget of thinking stays in the limit that is paid for");
	BUILD("{'model':'m','reasoning_effort':'none',"SAY"}", "gemini-2.5-flash",
	    "{"SAID",'generationConfig':{'maxOutputTokens':4000,'thinkingConfig':{'thinkingBudget':0,'includeThoughts':false}}}",
	    "thinking can be switched off in 2.5");
	BUILD("{'model':'m','reasoning_effort':'xhigh','response_format':{'type':'json_schema','json_schema':{'name':'x','schema':{'type':'object'}}},"SAY"}",
	    "gemini-3.8-pro", "{"SAID",'generationConfig':{'maxOutputTokens':4000,'responseMimeType':'application/json',"
	    "'responseJsonSchema':{'type':'object'},'thinkingConfig':{'thinkingLevel':'high','includeThoughts':true}}}",
	    "levels of thinking, and a schema");
}

static void
what_it_has_no_place_for_is_refused_by_name(void)
{
	BUILD("{'model':'m','messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'https://x.test/a.png'}}]}]}",
	    "gemini-2.5-flash", "!image_url.url must be base64", "an address that nobody fetches");
	BUILD("{'model':'m','messages':[{'role':'tool','tool_call_id':'c9','content':'1'}]}", "gemini-2.5-flash",
	    "!tool_call_id", "a result without its call");
	BUILD("{'model':'m','n':9,"SAY"}", "gemini-2.5-flash", "!n: at most 8", "too many answers");
	BUILD("{'model':'m','tools':[{'type':'custom','custom':{'name':'f'}}],"SAY"}", "gemini-2.5-flash", "!tools[0].type", "custom tools");
	PARSE("{"SAID",'cachedContent':'cachedContents/x'}", "!cachedContent", "what its provider keeps");
	PARSE("{"SAID",'tools':[{'googleSearch':{}}]}", "!googleSearch", "a tool that only its provider runs");
	PARSE("{"SAID",'generationConfig':{'responseModalities':['IMAGE']}}", "!responseModalities", "images");
	PARSE("{"SAID",'generationConfig':{},'generation_config':{}}", "!generationConfig: stands there twice", "a member in two spellings");
	PARSE("{"SAID",'safetySettings':[{'category':'X','threshold':'BLOCK_NONE'},{'category':'Y','threshold':'BLOCK_LOW_AND_ABOVE'}]}",
	    "!safetySettings", "one filter among others");
	PARSE("{'contents':[]}", "!contents", "nothing to answer");
	PARSE("{"SAID",'tools':['f']}", "!tools: must be an array of objects", "a tool that is a text");
	PARSE("{"SAID",'tools':[{'functionDeclarations':['f']}]}", "!tools[0].functionDeclarations: must be an array of objects",
	    "a function that is a text");
	PARSE("{'contents':[{'parts':['hi']}]}", "!contents[0].parts: must be an array of objects", "a part that is a text");
	PARSE("{'contents':[null]}", "!contents: must be", "a turn that is null");
	PARSE("{"SAID",'systemInstruction':'s'}", "!systemInstruction: must be an object", "a system prompt that is a text");
	PARSE("{"SAID",'generationConfig':{'maxOutputTokens':'9'}}", "!generationConfig.maxOutputTokens: must be a number",
	    "a number that is a text");
	PARSE("{'contents':[{'role':'user','parts':[{'functionResponse':{'name':'f','response':{}}}]}]}", "!no earlier functionCall",
	    "a result without its call");
	PARSE("{'contents':[{'role':'user','parts':[{'executableCode':{}}]}]}", "!executableCode", "parts without a counterpart");
}

static void
a_generate_request_becomes_a_chat(void)
{
	PARSE("{'systemInstruction':{'parts':[{'text':'s'}]},'contents':[{'role':'user','parts':[{'text':'q'},{'inlineData':{'mimeType':'image/png','data':'QQ=='}}]},"
	    "{'role':'model','parts':[{'text':'hm','thought':true},{'functionCall':{'name':'f','args':{'x':1}},'thoughtSignature':'c2ln'},{'functionCall':{'name':'f','args':{}}}]},"
	    "{'role':'user','parts':[{'functionResponse':{'name':'f','response':{'output':'one'}}},{'functionResponse':{'name':'f','response':{'b':2}}}]}],"
	    "'generationConfig':{'maxOutputTokens':5,'temperature':1,'stopSequences':['z']}}",
	    "{'model':'gpt-x','messages':[{'role':'system','content':'s'},{'role':'user','content':[{'type':'text','text':'q'},"
	    "{'type':'image_url','image_url':{'url':'data:image/png;base64,QQ=='}}]},{'role':'assistant','content':null,'tool_calls':["
	    "{'id':'call_1','type':'function','function':{'name':'f','arguments':'{\\'x\\':1}'},'extra_content':{'google':{'thought_signature':'c2ln'}}},"
	    "{'id':'call_2','type':'function','function':{'name':'f','arguments':'{}'}}]},"
	    "{'role':'tool','tool_call_id':'call_1','content':'one'},{'role':'tool','tool_call_id':'call_2','content':'{\\'b\\':2}'}],"
	    "'temperature':1,'stop':['z'],'max_completion_tokens':5}", "results find their calls by name, in order");
	PARSE("{'systemInstruction':{'parts':{'text':'s'}},'contents':{'role':'user','parts':{'text':'hi'}},"
	    "'generationConfig':{'stopSequences':'a','responseModalities':'TEXT'}}",
	    "{'model':'gpt-x','messages':[{'role':'system','content':'s'},{'role':'user','content':'hi'}],'stop':['a'],'max_completion_tokens':4000}",
	    "one that is in no list is read as the list of it");
	PARSE("{'system_instruction':{'parts':[{'text':'s'}]},'contents':[{'role':'user','parts':[{'inline_data':{'mime_type':'image/png','data':'QQ=='}}]},"
	    "{'role':'model','parts':[{'function_call':{'name':'f','args':{'a_b':1}}}]},{'role':'user','parts':[{'function_response':{'name':'f',"
	    "'response':{'c_d':2}}}]}],'generation_config':{'max_output_tokens':5,'top_p':0.5}}",
	    "{'model':'gpt-x','messages':[{'role':'system','content':'s'},{'role':'user','content':[{'type':'image_url','image_url':{'url':"
	    "'data:image/png;base64,QQ=='}}]},{'role':'assistant','content':null,'tool_calls':[{'id':'call_1','type':'function','function':{'name':'f',"
	    "'arguments':'{\\'a_b\\':1}'}}]},{'role':'tool','tool_call_id':'call_1','content':'{\\'c_d\\':2}'}],'top_p':0.5,'max_completion_tokens':5}",
	    "the other spelling, but for what is a client's own");
	PARSE("{"SAID",'tools':[{'functionDeclarations':[{'name':'f','parameters':{'type':'OBJECT','properties':{'a':{'type':'STRING'}}}}]}],"
	    "'toolConfig':{'functionCallingConfig':{'mode':'ANY'}},'generationConfig':{'maxOutputTokens':5,'responseMimeType':'application/json',"
	    "'responseSchema':{'type':'OBJECT'},'thinkingConfig':{'thinkingBudget':4096}}}",
	    "{'model':'gpt-x',"SAY",'tools':[{'type':'function','function':{'name':'f','parameters':{'type':'object','properties':{'a':{'type':'string'}}}}}],"
	    "'tool_choice':'required','response_format':{'type':'json_schema','json_schema':{'name':'output','schema':{'type':'object'}}},"
	    "'reasoning_effort':'medium','max_completion_tokens':5}", "types in lower case, thinking by its budget");
	PARSE("{"SAID",'system_instruction':{'parts':[{'text':'s'}]},'generation_config':{'max_output_tokens':5},"
	    "'tools':[{'function_declarations':[{'name':'f','parameters_json_schema':{'a_b':{'c_d':1}}}]}]}",
	    "{'model':'gpt-x','messages':[{'role':'system','content':'s'},{'role':'user','content':'hi'}],"
	    "'tools':[{'type':'function','function':{'name':'f','parameters':{'a_b':{'c_d':1}}}}],'max_completion_tokens':5}",
	    "names in snake_case, but for the caller's own");
}

/* ---- what its clients get ---------------------------------------------------------------- */

struct told {
	void *state;
	struct ag_buf out;
};

static int
tell(void *arg, const struct ag_piece *p)
{
	struct told *t = arg;

	return ag_gemini_writer.piece(t->state, p, &t->out);
}

static void
answer(bool is_stream, bool is_array, bool breaks, struct told *t)
{
	struct ag_writer_in in = { .id = AG_STR("req"), .model = AG_STR("m"), .is_stream = is_stream, .is_array = is_array };
	struct ag_usage usage = { .input_fresh = 5, .cache_read = 2, .output_total = 9, .reasoning = 4 };
	struct ag_piece pieces[] = {
		{ .kind = AG_PIECE_START, .id = AG_STR("r1"), .model = AG_STR("gpt") },
		{ .kind = AG_PIECE_REASONING, .text = AG_STR("hm") }, { .kind = AG_PIECE_TEXT, .text = AG_STR("a\"") },
		{ .kind = AG_PIECE_TEXT, .text = AG_STR("b") },
		{ .kind = AG_PIECE_TOOL, .id = AG_STR("c1"), .name = AG_STR("f") },
		{ .kind = AG_PIECE_TOOL_ARGS, .text = AG_STR("{\"x\"") }, { .kind = AG_PIECE_TOOL_ARGS, .text = AG_STR(":1}") },
		{ .kind = AG_PIECE_TOOL_END }, { .kind = AG_PIECE_FINISH, .finish = AG_FINISH_TOOLS },
		{ .kind = AG_PIECE_USAGE, .usage = &usage }, { .kind = AG_PIECE_END },
	};
	struct ag_piece error = { .kind = AG_PIECE_ERROR, .id = AG_STR("server_error"), .name = AG_STR("overloaded"),
		.text = AG_STR("busy") };
	int rc = 0;

	ag_buf_init(&t->out, 1 << 20);
	t->state = calloc(1, ag_gemini_writer.state_bytes);
	ag_gemini_writer.init(t->state, &in);
	for (size_t i = 0; i < (breaks ? 3 : AG_ARRAY_LEN(pieces)) && rc == 0; i++)
		rc = tell(t, &pieces[i]);
	if (breaks)
		rc = tell(t, &error);
	is_i64(rc, 0, "the pieces are taken");
	ag_gemini_writer.fini(t->state);
	free(t->state);
	ag_buf_putc(&t->out, '\0');
}

#define WANT_TAIL "'usageMetadata':{'promptTokenCount':7,'cachedContentTokenCount':2,'candidatesTokenCount':5,'thoughtsTokenCount':4," \
	"'totalTokenCount':16},'modelVersion':'gpt','responseId':'r1'}"

static void
matches(const char *text, const char *want, const char *what)
{
	struct json_object *w = fixture_json(want), *g = json_tokener_parse(text);
	char at[256] = "";

	if (!ok(g && fixture_match(g, w, true, at, sizeof(at)), "%s", what))
		printf("# %s: %s\n", at, text);
	json_object_put(w);
	json_object_put(g);
}

static void
its_clients_are_answered(void)
{
	struct told t;
	char *event, *rest;
	int n = 0;

	answer(false, false, false, &t);
	matches(t.out.p, "{'candidates':[{'content':{'parts':[{'thought':true,'text':'hm'},{'text':'a\\\"b'},{'functionCall':{'id':'c1','name':'f','args':{'x':1}}}],"
	    "'role':'model'},'finishReason':'STOP','index':0}]," WANT_TAIL, "a whole answer");
	ag_buf_fini(&t.out);

	answer(true, false, false, &t);
	for (rest = t.out.p; (event = strstr(rest, "data: ")); rest = event + 6)
		n++;
	is_i64(n, 5, "thought, two texts, the call when it was whole, the end");
	event = strstr(t.out.p, "functionCall");
	ok(event && !strstr(event + 1, "functionCall"), "the call is told once");
	event = strrchr(t.out.p, '\n');
	ok(event && event[1] == '\0', "the last event is ended");
	ag_buf_fini(&t.out);

	answer(true, true, false, &t);
	ok(t.out.p[0] == '[', "without alt=sse a stream is an array");
	{
		struct json_object *all = json_tokener_parse(t.out.p);

		is_i64(all ? (int64_t)ag_json_len(all) : -1, 5, "of the same chunks");
		json_object_put(all);
	}
	ag_buf_fini(&t.out);

	answer(true, true, true, &t);
	{
		struct json_object *all = json_tokener_parse(t.out.p);

		ok(all && strstr(t.out.p, "UNAVAILABLE"), "an error ends the array");
		json_object_put(all);
	}
	ag_buf_fini(&t.out);
}

static void
embeddings_are_told_in_batches(void)
{
	const struct ag_exchange *x = &ag_exchange_gemini_embed;
	struct ag_exchange_in in = { .body = AG_STR("{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"dimensions\":8,\"encoding_format\":\"float\"}"),
		.model = AG_STR("gemini-embedding-001"), .family = ag_provider_find(AG_STR("google")) };
	struct ag_answer a = { .usage.provider_cost_nusd = -1 };
	struct ag_err err = { "" };
	struct ag_buf out;

	ag_buf_init(&out, 1 << 20);
	is_i64(x->build(&in, &out, &err), 0, "texts are taken");
	ag_buf_putc(&out, '\0');
	matches(out.p, "{'requests':[{'model':'models/gemini-embedding-001','content':{'parts':[{'text':'a'}]},'outputDimensionality':8},"
	    "{'model':'models/gemini-embedding-001','content':{'parts':[{'text':'b'}]},'outputDimensionality':8}]}", "one request each");
	ag_buf_reset(&out);
	is_i64(x->answer(&in, AG_STR("{\"embeddings\":[{\"values\":[0.5,-1]},{\"values\":[0.25,2]}]}"), &a, &out), 0, "vectors are read");
	ag_buf_putc(&out, '\0');
	matches(out.p, "{'object':'list','data':[{'object':'embedding','index':0,'embedding':[0.5,-1]},{'object':'embedding','index':1,"
	    "'embedding':[0.25,2]}],'model':'gemini-embedding-001','usage':{'prompt_tokens':0,'total_tokens':0}}", "and told as OpenAI's");
	ok(!a.has_usage, "what it cost was not told");
	ag_buf_reset(&out);
	ok(x->answer(&in, AG_STR("{}"), &a, &out) < 0, "an answer without vectors is none");
	in.body = AG_STR("{\"input\":[[1,2]]}");
	ag_buf_reset(&out);
	ok(x->build(&in, &out, &err) < 0 && strstr(err.text, "input: tokens"), "tokens are refused by name");
	ag_buf_fini(&out);
}

int
main(void)
{
	its_answers_are_read();
	a_chat_becomes_a_generate_request();
	what_it_has_no_place_for_is_refused_by_name();
	a_generate_request_becomes_a_chat();
	its_clients_are_answered();
	embeddings_are_told_in_batches();
	return done();
}
