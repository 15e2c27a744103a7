/* test_translate_openai.c - answers of OpenAI and of those who resemble it, taken apart and put together. */
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

int
main(void)
{
	answers_come_through();
	a_family_is_not_sent_what_it_does_not_know();
	return done();
}
