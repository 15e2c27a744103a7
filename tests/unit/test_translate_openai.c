/* test_translate_openai.c - answers of OpenAI and of those who resemble it, taken apart and put together. */
#include <json-c/json.h>
#include <stdlib.h>

#include "fixture.h"
#include "tap.h"

static const struct ag_protocol *const openai = &ag_protocol_openai;

static void
answers_come_through(void)
{
	fixture_stream("openai.chat.stream.text.sse", openai, "openai");
	fixture_stream("openai.chat.stream.tools.sse", openai, "openai");
	fixture_stream("openai.chat.stream.usage.sse", openai, "openai");
	fixture_stream("openai.stream.error.sse", openai, "openai");
	fixture_stream("openai.stream.truncated.sse", openai, "openai");
	fixture_stream("compat.groq.stream.usage.sse", openai, "groq");
	fixture_stream("compat.openrouter.stream.usage.sse", openai, "openrouter");
	fixture_body("openai.chat.nonstream.json", openai, "openai");
	fixture_body("compat.deepseek.nonstream.json", openai, "deepseek");
	fixture_body("compat.xai.nonstream.json", openai, "x-ai");
	fixture_error("openai.error.429.json", openai);
	fixture_error("openai.error.insufficient_quota.json", openai);
}

static void
a_family_is_not_sent_what_it_does_not_know(void)
{
	fixture_request(openai, "{'model':'m','messages':[{'role':'developer','content':'a'}],'store':true,'seed':4}", openai,
	    "deepseek", "deepseek-chat",
	    "{'model':'deepseek-chat','messages':[{'role':'system','content':'a'}],'max_tokens':4000}",
	    "developer is system, store and seed are dropped, the limit has its old name");
	fixture_request(openai, "{'model':'m','messages':[{'role':'user','content':'a'}],'n':2}", openai, "groq", "x",
	    "!n: not supported by groq", "what changes the answer is refused");
	fixture_request(openai, "{'model':'m','messages':[],'n':2}", openai, "openai", "x", "!messages:", "nothing said is refused");
	fixture_request(openai, "{'model':'m','messages':[{'role':'user','content':'a'}],'functions':[{'name':'f'}],"
	    "'function_call':{'name':'f'}}", openai, "openai", "x",
	    "{'model':'x','messages':[{'role':'user','content':'a'}],'tools':[{'type':'function','function':{'name':'f'}}],"
	    "'tool_choice':{'type':'function','function':{'name':'f'}},'max_completion_tokens':4000}",
	    "functions of old are tools");
}

#define COMPLETE(body, want, text) fixture_request(&ag_protocol_completion, body, openai, "openai", "gpt-x", want, text)

static void
a_prompt_is_what_a_user_says(void)
{
	COMPLETE("{'model':'m','prompt':'hi','n':2,'stop':['x'],'seed':1,'echo':false,'best_of':1}",
	    "{'model':'gpt-x','messages':[{'role':'user','content':'hi'}],'stop':['x'],'n':2,'seed':1,'max_completion_tokens':16}",
	    "without a limit it is the old one");
	COMPLETE("{'model':'m','prompt':['hi'],'max_tokens':5}",
	    "{'model':'gpt-x','messages':[{'role':'user','content':'hi'}],'max_completion_tokens':5}", "a list of one");
	COMPLETE("{'model':'m','prompt':['a','b']}", "!prompt: only one text", "many prompts");
	COMPLETE("{'model':'m','prompt':[1,2]}", "!prompt: only one text", "tokens");
	COMPLETE("{'model':'m'}", "!prompt: ", "no prompt");
	COMPLETE("{'model':'m','prompt':'a','echo':true}", "!echo: ", "echo");
	COMPLETE("{'model':'m','prompt':'a','suffix':'b'}", "!suffix: ", "a suffix");
	COMPLETE("{'model':'m','prompt':'a','best_of':2}", "!best_of: ", "best of many");
	COMPLETE("{'model':'m','prompt':'a','logprobs':1}", "!logprobs: ", "logprobs");
}

/* ---- Mistral ---- */

struct seen {
	char text[256]; /* what the pieces said, in short */
};

static int
note(void *arg, const struct ag_piece *p)
{
	struct seen *s = arg;
	size_t n = strlen(s->text);

	snprintf(s->text + n, sizeof(s->text) - n, "%d", (int)p->kind);
	if (p->text.n > 0)
		snprintf(s->text + n, sizeof(s->text) - n, "(%.*s)", (int)p->text.n, p->text.p);
	if (p->kind == AG_PIECE_FINISH)
		snprintf(s->text + n, sizeof(s->text) - n, " finish %d", (int)p->finish);
	if (p->kind == AG_PIECE_ERROR)
		snprintf(s->text + n, sizeof(s->text) - n, " error %.*s", (int)p->name.n, p->name.p);
	return 0;
}

/* The data of events of a stream, with ' for "; and what they say. */
static void
says(const char *const *events, size_t n, const char *want, const char *what)
{
	struct seen s = { "" };
	struct ag_piece_sink sink = { note, &s };
	struct ag_answer a = { .usage.provider_cost_nusd = -1 };
	void *state = calloc(1, openai->reader->state_bytes);
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		struct json_object *o = fixture_json(events[i]);
		struct ag_stream_event ev = { .data = ag_str(o ? json_object_to_json_string(o) : "[DONE]") };

		rc = openai->reader->event(state, ag_provider_find(AG_STR("mistral-ai")), &ev, &a, &sink);
		json_object_put(o);
	}
	is_i64(rc, 0, what);
	is_str(s.text, want, "... and says what it should");
	openai->reader->fini(state);
	free(state);
}

static void
what_mistral_does_in_its_own_way(void)
{
	static const char *const thinking[] = {
		"{'id':'i','model':'m','choices':[{'index':0,'delta':{'role':'assistant','content':[{'type':'thinking','thinking':[{'type':'text','text':'hm'}]},{'type':'text','text':'a'}]},'finish_reason':null}]}",
		"{'id':'i','model':'m','choices':[{'index':0,'delta':{'content':''},'finish_reason':'model_length'}],'usage':{'prompt_tokens':3,'completion_tokens':2,'total_tokens':5}}",
		"[DONE]" };
	static const char *const call[] = {
		"{'id':'i','model':'m','choices':[{'index':0,'delta':{'tool_calls':[{'id':'D681PevKs','index':0,'function':{'name':'f','arguments':{'x':1}}}]},'finish_reason':'tool_calls'}]}",
		"[DONE]" };
	static const char *const failed[] = {
		"{'id':'i','model':'m','choices':[{'index':0,'delta':{'content':'a'},'finish_reason':null}]}",
		"{'id':'i','model':'m','choices':[{'index':0,'delta':{'content':''},'finish_reason':'error'}]}", "[DONE]" };
	char text[128];

	snprintf(text, sizeof(text), "%d(hm)(a) finish %d%d%d", AG_PIECE_START, AG_FINISH_LENGTH, AG_PIECE_USAGE, AG_PIECE_END);
	says(thinking, AG_ARRAY_LEN(thinking), text, "content in parts, and its word for the limit");
	snprintf(text, sizeof(text), "%d%d({\"x\":1})%d finish %d%d", AG_PIECE_START, AG_PIECE_TOOL, AG_PIECE_TOOL_END,
	    AG_FINISH_TOOLS, AG_PIECE_END);
	says(call, AG_ARRAY_LEN(call), text, "a call that comes whole, its arguments an object");
	snprintf(text, sizeof(text), "%d(a) error upstream_error", AG_PIECE_START);
	says(failed, AG_ARRAY_LEN(failed), text, "an answer that ends in an error");
}

static void
mistral_is_sent_what_it_knows(void)
{
	fixture_request(&ag_protocol_responses, "{'model':'m','input':[{'role':'developer','content':'d'},{'role':'user','content':'q'},"
	    "{'type':'function_call','call_id':'D681PevKs','name':'f','arguments':'{}','extra_content':{'a':1}},"
	    "{'type':'function_call','call_id':'toolu_1','name':'g','arguments':'{}'},"
	    "{'type':'function_call_output','call_id':'D681PevKs','output':'1'},{'type':'function_call_output','call_id':'toolu_1','output':'2'}],"
	    "'stream':true,'user':'u','metadata':{'a':'b'},'tools':[{'type':'function','name':'f'}],'tool_choice':'required','top_p':0.5}", openai, "mistral-ai", "mistral-large",
	    "{'model':'mistral-large','messages':[{'role':'system','content':'d'},{'role':'user','content':'q'},{'role':'assistant','content':null,"
	    "'tool_calls':[{'id':'D681PevKs','type':'function','function':{'name':'f','arguments':'{}'}},"
	    "{'id':'M0Auj3NaI','type':'function','function':{'name':'g','arguments':'{}'}}]},{'role':'tool','tool_call_id':'D681PevKs','content':'1'},"
	    "{'role':'tool','tool_call_id':'M0Auj3NaI','content':'2'}],'top_p':0.5,'tools':[{'type':'function','function':{'name':'f'}}],'tool_choice':'required','metadata':{'a':'b'},'max_tokens':4000,'stream':true}",
	    "ids of nine letters, no stream_options, nothing unknown");
	fixture_request(openai, "{'model':'m','messages':[{'role':'user','content':'a','name':'n'}],'seed':4,'user':'u','store':false}", openai,
	    "mistral-ai", "x", "{'model':'x','messages':[{'role':'user','content':'a'}],'random_seed':4,'max_tokens':4000}", "its name for seed");
	fixture_request(openai, "{'model':'m','messages':[{'role':'user','content':'a'}],'logprobs':true}", openai,
	    "mistral-ai", "x", "!logprobs: not supported by mistral-ai", "what changes the answer is refused");
}

static void
errors_of_mistral_have_many_shapes(void)
{
	static const struct { int status, told; const char *body, *message; } rows[] = {
		{ 400, 400, "{\"object\":\"error\",\"message\":\"a\",\"type\":\"invalid\",\"param\":null,\"code\":null}", "a" },
		{ 422, 400, "{\"detail\":[{\"loc\":[\"body\",\"top_p\"],\"msg\":\"b\",\"type\":\"t\"}]}", "b" },
		{ 401, 502, "{\"detail\":\"Unauthorized\"}", "Unauthorized" },
		{ 429, 429, "{\"message\":\"c\",\"request_id\":\"r\"}", "c" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		struct ag_client_error e;
		struct ag_buf mem;

		ag_buf_init(&mem, 4096);
		openai->read_error(rows[i].status, ag_str(rows[i].body), &mem, &e);
		ok(e.status == rows[i].told && ag_str_eq(e.message, ag_str(rows[i].message)), "its %d is read", rows[i].status);
		ag_buf_fini(&mem);
	}
}

int
main(void)
{
	answers_come_through();
	a_family_is_not_sent_what_it_does_not_know();
	a_prompt_is_what_a_user_says();
	what_mistral_does_in_its_own_way();
	mistral_is_sent_what_it_knows();
	errors_of_mistral_have_many_shapes();
	return done();
}
