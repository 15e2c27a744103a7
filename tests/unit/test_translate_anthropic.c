/* test_translate_anthropic.c - the Messages protocol from both ends. */
#include <json-c/json.h>

#include "fixture.h"
#include "provider/provider.h"
#include "tap.h"
#include "translate/anthropic.h"

static const struct ag_protocol *const openai = &ag_protocol_openai, *const anthropic = &ag_protocol_anthropic;

static void
its_answers_are_read(void)
{
	fixture_stream("anthropic.messages.stream.text.sse", anthropic, "anthropic");
	fixture_stream("anthropic.messages.stream.tools.sse", anthropic, "anthropic");
	fixture_stream("anthropic.messages.stream.usage.sse", anthropic, "anthropic");
	fixture_stream("anthropic.stream.error.sse", anthropic, "anthropic");
	fixture_body("anthropic.messages.nonstream.json", anthropic, "anthropic");
	fixture_body("anthropic.messages.refusal.json", anthropic, "anthropic");
	fixture_error("anthropic.error.400.json", anthropic);
	fixture_error("anthropic.error.429.json", anthropic);
	fixture_error("anthropic.error.529.json", anthropic);
}

static void
its_clients_are_answered(void)
{
	fixture_reverse("reverse.anthropic_client.stream.text.sse", anthropic);
	fixture_reverse("reverse.anthropic_client.stream.tools.sse", anthropic);
	fixture_reverse("reverse.anthropic_client.stream.usage.sse", anthropic);
	fixture_reverse("reverse.anthropic_client.stream.error.sse", anthropic);
}

#define BUILD(body, model, want, text) fixture_request(openai, body, anthropic, "anthropic", model, want, text)
#define PARSE(body, want, text) fixture_request(anthropic, body, openai, "openai", "gpt-x", want, text)
#define SAY "'messages':[{'role':'user','content':'hi'}]"
#define SAID "'messages':[{'role':'user','content':[{'type':'text','text':'hi'}]}]"

static void
a_chat_becomes_a_message_request(void)
{
	BUILD("{'model':'m',"SAY"}", "claude-sonnet-5-5", "{'model':'claude-sonnet-5-5','max_tokens':4000,"SAID"}",
	    "the limit is always written");
	BUILD("{'model':'m','max_tokens':9,'stream':true,'stop':['a',' '],'user':'u','temperature':1.5,'top_p':0.5,"SAY"}",
	    "claude-sonnet-4-5", "{'model':'claude-sonnet-4-5','stream':true,'max_tokens':9,'temperature':1,"
	    "'stop_sequences':['a'],'metadata':{'user_id':'u'},"SAID"}", "temperature is cut, and stands alone");
	BUILD("{'model':'m','temperature':0.5,"SAY"}", "claude-opus-4-7", "{'model':'claude-opus-4-7','max_tokens':4000,"SAID"}",
	    "a model without sampling is sent none");
	BUILD("{'model':'m','messages':[{'role':'system','content':'s'},{'role':'developer','content':'d'},"
	    "{'role':'user','content':[{'type':'image_url','image_url':{'url':'data:image/png;base64,QUJD'}}]},"
	    "{'role':'assistant','content':null,'tool_calls':[{'id':'c1','type':'function','function':{'name':'f','arguments':''}},"
	    "{'id':'c2','type':'function','function':{'name':'g','arguments':'{}'}}]},"
	    "{'role':'tool','tool_call_id':'c1','content':'1'},{'role':'tool','tool_call_id':'c2','content':'2'},"
	    "{'role':'user','content':'go on'}]}", "claude-sonnet-5",
	    "{'model':'claude-sonnet-5','max_tokens':4000,'system':[{'type':'text','text':'s'},{'type':'text','text':'d'}],"
	    "'messages':[{'role':'user','content':[{'type':'image','source':{'type':'base64','media_type':'image/png','data':'QUJD'}}]},"
	    "{'role':'assistant','content':[{'type':'tool_use','id':'c1','name':'f','input':{}},{'type':'tool_use','id':'c2','name':'g','input':{}}]},"
	    "{'role':'user','content':[{'type':'tool_result','tool_use_id':'c1','content':[{'type':'text','text':'1'}]},"
	    "{'type':'tool_result','tool_use_id':'c2','content':[{'type':'text','text':'2'}]},{'type':'text','text':'go on'}]}]}",
	    "turns merge, results first; systems stand in front");
	BUILD("{'model':'m','tools':[{'type':'function','function':{'name':'f','parameters':{'type':'object'}}}],'tool_choice':'required',"
	    "'parallel_tool_calls':false,"SAY"}", "claude-sonnet-5",
	    "{'model':'claude-sonnet-5','max_tokens':4000,'tools':[{'name':'f','input_schema':{'type':'object'}}],"
	    "'tool_choice':{'type':'any','disable_parallel_tool_use':true},"SAID"}", "tools and their choice");
	BUILD("{'model':'m','reasoning_effort':'high','max_tokens':10000,'temperature':0.2,"SAY"}", "claude-haiku-4-5-20251001",
	    "{'model':'claude-haiku-4-5-20251001','max_tokens':10000,'thinking':{'type':'enabled','budget_tokens':5000},"SAID"}",
	    "a budget of thinking stays in the limit that is paid for, and sampling is off");
	BUILD("{'model':'m','reasoning_effort':'low','max_tokens':3000,"SAY"}", "claude-haiku-4-5",
	    "{'model':'claude-haiku-4-5','max_tokens':3000,'thinking':{'type':'enabled','budget_tokens':1500},"SAID"}",
	    "half of the limit at most");
	BUILD("{'model':'m','reasoning_effort':'high','max_tokens':1000,"SAY"}", "claude-haiku-4-5",
	    "{'model':'claude-haiku-4-5','max_tokens':1000,"SAID"}", "a limit too small for it goes without");
	BUILD("{'model':'m','reasoning_effort':'minimal','response_format':{'type':'json_schema','json_schema':{'name':'x','schema':{'type':'object'}}},"SAY"}",
	    "claude-opus-5", "{'model':'claude-opus-5','max_tokens':4000,'thinking':{'type':'adaptive','display':'summarized'},"
	    "'output_config':{'effort':'low','format':{'type':'json_schema','schema':{'type':'object'}}},"SAID"}",
	    "an effort and a schema share one member");
	BUILD("{'model':'m','messages':[{'role':'assistant','content':'x','reasoning_content':'r','thinking_blocks':[{'type':'thinking',"
	    "'thinking':'r','signature':'s'},{'type':'thinking','thinking':'q'}]},{'role':'user','content':'hi'}]}", "claude-opus-5",
	    "{'model':'claude-opus-5','max_tokens':4000,'messages':[{'role':'assistant','content':[{'type':'thinking','thinking':'r','signature':'s'},"
	    "{'type':'text','text':'x'}]},{'role':'user','content':[{'type':'text','text':'hi'}]}]}",
	    "thinking goes back with its proof or not at all");
}

static void
calls_of_old_are_calls(void)
{
	BUILD("{'model':'m','messages':[{'role':'user','content':'q'},{'role':'assistant','content':null,'function_call':{'name':'f','arguments':'{}'}},"
	    "{'role':'function','name':'f','content':'1'},{'role':'assistant','function_call':{'name':'g','arguments':'{}'}},"
	    "{'role':'function','name':'g','content':'2'}]}", "claude-sonnet-5",
	    "{'model':'claude-sonnet-5','max_tokens':4000,'messages':[{'role':'user','content':[{'type':'text','text':'q'}]},"
	    "{'role':'assistant','content':[{'type':'tool_use','id':'call_1','name':'f','input':{}}]},"
	    "{'role':'user','content':[{'type':'tool_result','tool_use_id':'call_1','content':[{'type':'text','text':'1'}]}]},"
	    "{'role':'assistant','content':[{'type':'tool_use','id':'call_2','name':'g','input':{}}]},"
	    "{'role':'user','content':[{'type':'tool_result','tool_use_id':'call_2','content':[{'type':'text','text':'2'}]}]}]}",
	    "each result finds its call");
	BUILD("{'model':'m','messages':[{'role':'function','name':'f','content':'1'}]}", "claude-sonnet-5", "!no earlier function_call",
	    "a result without its call");
	BUILD("{'model':'m','reasoning_effort':'high','tools':[{'type':'function','function':{'name':'f','parameters':{'type':'object'}}}],"
	    "'tool_choice':'required',"SAY"}", "claude-sonnet-5",
	    "{'model':'claude-sonnet-5','max_tokens':4000,'tools':[{'name':'f','input_schema':{'type':'object'}}],'tool_choice':{'type':'any'},"
	    "'thinking':{'type':'disabled'},'output_config':{'effort':'high'},"SAID"}", "who is made to call does not think");
}

/* What fitting must leave of a limit. */
static void
thinking_needs_its_budget(void)
{
	static const struct { const char *chat, *model; int64_t want; } rows[] = {
		{ "{'thinking':{'type':'enabled','budget_tokens':3000}}", "claude-haiku-4-5", 3000 },
		{ "{'thinking':{'type':'disabled','budget_tokens':3000}}", "claude-haiku-4-5", 0 },
		{ "{'reasoning_effort':'high'}", "claude-haiku-4-5", 2048 },
		{ "{'reasoning_effort':'none'}", "claude-haiku-4-5", 0 },
		{ "{'reasoning_effort':'high'}", "claude-sonnet-5", 0 },
		{ "{}", "claude-haiku-4-5", 0 },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		struct json_object *chat = fixture_json(rows[i].chat);
		struct ag_build_in in = { .chat = chat, .family = ag_provider_find(AG_STR("anthropic")),
			.model = ag_str(rows[i].model) };

		is_i64((int64_t)anthropic->thinking(&in), rows[i].want, rows[i].chat);
		json_object_put(chat);
	}
}

static void
what_it_has_no_place_for_is_refused_by_name(void)
{
	BUILD("{'model':'m','n':2,"SAY"}", "claude-opus-5", "!n: only 1", "more than one answer");
	BUILD("{'model':'m','logprobs':true,"SAY"}", "claude-opus-5", "!logprobs: not supported", "logprobs");
	BUILD("{'model':'m','messages':[{'role':'user','content':[{'type':'input_audio','input_audio':{}}]}]}", "claude-opus-5",
	    "!\"input_audio\" is not supported", "audio");
	BUILD("{'model':'m','messages':[{'role':'user','content':'a'},{'role':'assistant','tool_calls':[{'id':'x','type':'function',"
	    "'function':{'name':'f','arguments':'no'}}]}]}", "claude-opus-5", "!function.arguments is no JSON", "arguments that are none");
	BUILD("{'model':'m','response_format':{'type':'json_schema','json_schema':{}},"SAY"}", "claude-3-7-sonnet-20250219",
	    "!response_format", "a schema for a model that has none");
	PARSE("{'model':'m','max_tokens':5,'messages':['hi']}", "!messages: must be an array of objects", "a message that is a text");
	PARSE("{'model':'m','max_tokens':5,'messages':[{'role':'user','content':[null]}]}",
	    "!messages[0].content: must be a text or an array of objects", "a block that is null");
	PARSE("{'model':'m','max_tokens':5,'messages':[{'role':'user','content':[{'type':'text','text':['hi']}]}]}",
	    "!messages[0].content[0].text: must be a text", "a text that is an array");
	PARSE("{'model':'m','max_tokens':5,'metadata':'u',"SAY"}", "!metadata: must be an object", "metadata that is a text");
	PARSE("{'model':'m','max_tokens':5,'thinking':'enabled',"SAY"}", "!thinking: must be an object", "thinking that is a text");
	PARSE("{'model':'m','max_tokens':5,'stop_sequences':['a',1],"SAY"}", "!stop_sequences: must be an array of texts",
	    "a sequence that is a number");
	PARSE("{'model':'m','max_tokens':5,'tools':[{'name':'f','input_schema':'none'}],"SAY"}",
	    "!tools[0].input_schema: must be an object", "a schema that is a text");
	BUILD("{'model':'m','messages':[{'role':'user','content':{'text':'hi'}}]}", "claude-opus-5",
	    "!messages[0].content: must be a text or an array of objects", "content that is an object");
	BUILD("{'model':'m','messages':['hi']}", "claude-opus-5", "!messages[0].role", "a chat's message that is a text");
	BUILD("{'model':'m','stop':7,"SAY"}", "claude-opus-5", "!stop: must be a text or an array of texts", "stop that is a number");
	BUILD("{'model':'m','tools':['f'],"SAY"}", "claude-opus-5", "!tools: must be an array of objects", "a chat's tool that is a text");
	BUILD("{'model':'m','messages':[{'role':'assistant','content':'a','tool_calls':[{'id':'c','type':'function','function':{'name':'f',"
	    "'arguments':{'a':1}}}]}]}", "claude-opus-5", "!messages[0].tool_calls[0].arguments: must be a text", "arguments that are an object");
	PARSE("{'model':'m','max_tokens':5,'mcp_servers':[{'url':'x'}],"SAY"}", "!mcp_servers", "servers of tools");
	PARSE("{'model':'m','max_tokens':5,'tools':[{'type':'web_search_20260318','name':'web_search'}],"SAY"}", "!tools[0].type",
	    "tools that only its own provider runs");
	PARSE("{'model':'m','max_tokens':0,"SAY"}", "!max_tokens", "no output at all");
	PARSE("{'model':'m','max_tokens':5,'messages':[]}", "!messages", "no message at all");
	PARSE("{'model':'m','max_tokens':5,'messages':[{'role':'user','content':[{'type':'search_result'}]}]}", "!search_result",
	    "blocks without a counterpart");
}

static void
a_message_request_becomes_a_chat(void)
{
	PARSE("{'model':'m','max_tokens':5,'system':'s','stream':true,'stop_sequences':['x'],'metadata':{'user_id':'u'},"SAY"}",
	    "{'model':'gpt-x','messages':[{'role':'system','content':'s'},{'role':'user','content':'hi'}],'stop':['x'],'user':'u',"
	    "'max_completion_tokens':5,'stream':true,'stream_options':{'include_usage':true}}", "the plain members");
	PARSE("{'model':'m','max_tokens':5,'messages':[{'role':'user','content':'q'},{'role':'assistant','content':["
	    "{'type':'thinking','thinking':'t','signature':'s'},{'type':'text','text':'a'},{'type':'tool_use','id':'i','name':'f','input':{'x':1}}]},"
	    "{'role':'user','content':[{'type':'text','text':'and'},{'type':'tool_result','tool_use_id':'i','is_error':true,'content':[{'type':'text','text':'no'},"
	    "{'type':'image','source':{'type':'base64','media_type':'image/png','data':'QQ=='}}]}]}]}",
	    "{'model':'gpt-x','messages':[{'role':'user','content':'q'},{'role':'assistant','content':'a','tool_calls':[{'id':'i','type':'function',"
	    "'function':{'name':'f','arguments':'{\\'x\\':1}'}}]},{'role':'tool','tool_call_id':'i','content':'Error: no'},"
	    "{'role':'user','content':[{'type':'image_url','image_url':{'url':'data:image/png;base64,QQ=='}}]},"
	    "{'role':'user','content':'and'}],'max_completion_tokens':5}", "results come first, their images behind them");
	PARSE("{'model':'m','max_tokens':5,'tools':[{'name':'f','description':'d','input_schema':{'type':'object'}}],"
	    "'tool_choice':{'type':'tool','name':'f','disable_parallel_tool_use':true},'thinking':{'type':'enabled','budget_tokens':4096},"
	    "'output_config':{'format':{'type':'json_schema','schema':{'a':1}}},"SAY"}",
	    "{'model':'gpt-x',"SAY",'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':{'type':'object'}}}],"
	    "'tool_choice':{'type':'function','function':{'name':'f'}},'parallel_tool_calls':false,'reasoning_effort':'medium',"
	    "'response_format':{'type':'json_schema','json_schema':{'name':'output','schema':{'a':1},'strict':true}},'max_completion_tokens':5}",
	    "tools, thinking and format");
}

static void
a_model_is_known_by_its_name(void)
{
	struct ag_claude c = ag_claude_of(AG_STR("us.anthropic.claude-3-7-sonnet-20250219-v1:0"), 0);

	ok(c.major == 3 && c.minor == 7 && c.thinking == AG_THINKING_BUDGET && c.has_sampling && !c.has_schema, "of old, on Bedrock");
	c = ag_claude_of(AG_STR("claude-opus-4-5@20251101"), 0);
	ok(c.major == 4 && c.minor == 5 && c.thinking == AG_THINKING_BUDGET && c.has_schema, "with its date behind an at");
	c = ag_claude_of(AG_STR("claude-sonnet-5"), 0);
	ok(c.major == 5 && c.minor == 0 && c.thinking == AG_THINKING_ADAPTIVE && !c.has_sampling && !c.is_always_thinking, "without a minor");
	c = ag_claude_of(AG_STR("claude-opus-5-5"), 0);
	ok(c.is_always_thinking, "one that always thinks");
	c = ag_claude_of(AG_STR("claude-3-haiku-20240307"), 0);
	ok(c.major == 3 && c.thinking == AG_THINKING_NONE && c.has_sampling, "one that never does");
}

int
main(void)
{
	its_answers_are_read();
	its_clients_are_answered();
	a_chat_becomes_a_message_request();
	calls_of_old_are_calls();
	thinking_needs_its_budget();
	what_it_has_no_place_for_is_refused_by_name();
	a_message_request_becomes_a_chat();
	a_model_is_known_by_its_name();
	return done();
}
