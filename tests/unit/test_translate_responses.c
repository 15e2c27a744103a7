/* test_translate_responses.c - OpenAI's responses from both ends. */
#include <json-c/json.h>
#include <stdlib.h>

#include "fixture.h"
#include "tap.h"
#include "translate/responses.h"

static const struct ag_protocol *const openai = &ag_protocol_openai, *const responses = &ag_protocol_responses;

static void
its_answers_are_read(void)
{
	fixture_stream("openai.responses.stream.text.sse", responses, "openai");
	fixture_stream("openai.responses.stream.tools.sse", responses, "openai");
	fixture_body("openai.responses.nonstream.json", responses, "openai");
	fixture_error("openai.error.429.json", responses);
	fixture_error("openai.error.insufficient_quota.json", responses);
}

static void
its_clients_are_answered(void)
{
	fixture_reverse("reverse.responses_client.stream.text.sse", responses);
	fixture_reverse("reverse.responses_client.stream.tools.sse", responses);
}

#define BUILD(body, want, text) fixture_request(openai, body, responses, "openai", "o3-pro", want, text)
#define PARSE(body, want, text) fixture_request(responses, body, openai, "openai", "gpt-x", want, text)
#define TO_CLAUDE(body, want, text) fixture_request(responses, body, &ag_protocol_anthropic, "anthropic", "claude-opus-4-5", want, text)
#define SAY "'messages':[{'role':'user','content':'hi'}]"
#define SAID "'input':[{'type':'message','role':'user','content':[{'type':'input_text','text':'hi'}]}]"
#define END "'max_completion_tokens':4000"

static void
a_chat_becomes_a_request_of_responses(void)
{
	BUILD("{'model':'m',"SAY"}", "{'model':'o3-pro','max_output_tokens':4000,"SAID",'store':false}",
	    "the limit is written, and nothing is kept");
	BUILD("{'model':'m','messages':[{'role':'system','content':'s'},{'role':'user','content':[{'type':'text','text':'see'},"
	    "{'type':'image_url','image_url':{'url':'data:image/png;base64,QUJD','detail':'low'}},"
	    "{'type':'file','file':{'file_data':'data:application/pdf;base64,QQ==','filename':'a.pdf'}}]},"
	    "{'role':'assistant','content':'ok','reasoning_content':'hm','tool_calls':[{'id':'c1','type':'function','function':{'name':'f','arguments':''}}]},"
	    "{'role':'tool','tool_call_id':'c1','content':'1'},{'role':'assistant','content':null,'tool_calls':[{'id':'c2','type':'function',"
	    "'function':{'name':'g','arguments':'{\\'x\\':1}'}}]},{'role':'tool','tool_call_id':'c2','content':[{'type':'text','text':'2'}]}]}",
	    "{'model':'o3-pro','max_output_tokens':4000,'input':[{'type':'message','role':'system','content':[{'type':'input_text','text':'s'}]},"
	    "{'type':'message','role':'user','content':[{'type':'input_text','text':'see'},{'type':'input_image','image_url':'data:image/png;base64,QUJD','detail':'low'},"
	    "{'type':'input_file','file_data':'data:application/pdf;base64,QQ==','filename':'a.pdf'}]},"
	    "{'type':'message','role':'assistant','content':[{'type':'output_text','text':'ok','annotations':[]}]},"
	    "{'type':'function_call','call_id':'c1','name':'f','arguments':'{}'},{'type':'function_call_output','call_id':'c1','output':'1'},"
	    "{'type':'function_call','call_id':'c2','name':'g','arguments':'{\\'x\\':1}'},"
	    "{'type':'function_call_output','call_id':'c2','output':[{'type':'input_text','text':'2'}]}],'store':false}",
	    "a turn becomes its items");
	BUILD("{'model':'m','stream':true,'max_tokens':50,'temperature':0.5,'n':1,'presence_penalty':0,'reasoning_effort':'high','verbosity':'low',"
	    "'logprobs':true,'top_logprobs':2,'response_format':{'type':'json_schema','json_schema':{'name':'x','strict':true,'schema':{'a':1}}},"
	    "'tools':[{'type':'function','function':{'name':'f','parameters':{'type':'object'}}}],'tool_choice':{'type':'function','function':{'name':'f'}},"SAY"}",
	    "{'model':'o3-pro','max_output_tokens':50,"SAID",'tools':[{'type':'function','name':'f','parameters':{'type':'object'},'strict':false}],"
	    "'tool_choice':{'type':'function','name':'f'},'text':{'format':{'type':'json_schema','name':'x','strict':true,'schema':{'a':1}},'verbosity':'low'},"
	    "'temperature':0.5,'top_logprobs':2,'include':['message.output_text.logprobs'],'reasoning':{'effort':'high','summary':'auto'},"
	    "'store':false,'stream':true}", "what is nested there is flat here, and strict is said");
}

static void
what_it_has_no_place_for_is_refused_by_name(void)
{
	BUILD("{'model':'m','n':2,"SAY"}", "!n: only 1", "more than one answer");
	PARSE("{'model':'m','input':['hi']}", "!input: must be a text or an array of objects", "an item that is a text");
	PARSE("{'model':'m','text':'x',"SAID"}", "!text: must be an object", "a format that is a text");
	PARSE("{'model':'m','max_output_tokens':'9',"SAID"}", "!max_output_tokens: must be a number", "a limit that is a text");
	PARSE("{'model':'m','input':[{'role':'user','content':[{'type':'input_text','text':{'a':1}}]}]}",
	    "!text: must be a text", "a text that is an object");
	PARSE("{'model':'m','input':[{'type':'reasoning','summary':[{'type':'summary_text','text':1}]}]}",
	    "!input[0].summary[0].text: must be a text", "thinking that is a number");
	BUILD("{'model':'m','stop':['x'],"SAY"}", "!stop: not supported", "stop sequences");
	BUILD("{'model':'m','presence_penalty':0.5,"SAY"}", "!presence_penalty: not supported", "penalties");
	BUILD("{'model':'m','max_tokens':5,"SAY"}", "!max_completion_tokens", "less output than it takes");
	BUILD("{'model':'m','messages':[{'role':'user','content':[{'type':'input_audio','input_audio':{}}]}]}", "!\"input_audio\" is not supported", "audio");
	PARSE("{'model':'m','input':'x','previous_response_id':'resp_1'}", "!previous_response_id: ", "what came before");
	PARSE("{'model':'m','input':'x','conversation':'c'}", "!conversation: ", "a conversation");
	PARSE("{'model':'m','input':'x','prompt':{'id':'p'}}", "!prompt: ", "a prompt that is kept");
	PARSE("{'model':'m','input':'x','store':true}", "!store: ", "keeping, asked for by name");
	PARSE("{'model':'m','input':'x','background':true}", "!background: ", "an answer nobody waits for");
	PARSE("{'model':'m','input':[{'type':'item_reference','id':'i'}]}", "!item_reference", "an item that is elsewhere");
	PARSE("{'model':'m','input':[{'type':'web_search_call','id':'i'}]}", "!web_search_call", "items without a counterpart");
	PARSE("{'model':'m','input':'x','tools':[{'type':'web_search'}]}", "!tools[0].type: \"web_search\"", "tools that only its provider runs");
	PARSE("{'model':'m','input':[{'role':'user','content':[{'type':'input_image','file_id':'f'}]}]}", "!file_id", "a file that is elsewhere");
	PARSE("{'model':'m','input':[{'role':'user','content':[{'type':'input_file','file_url':'https://x.test'}]}]}", "!file_url", "an address nobody fetches");
	PARSE("{'model':'m','input':'x','truncation':'auto'}", "!truncation: ", "input that would be cut");
	PARSE("{'model':'m','input':'x','max_tool_calls':2}", "!max_tool_calls: ", "tools it does not run");
	PARSE("{'model':'m','input':'x','include':['file_search_call.results']}", "!include[0]: ", "what no item holds");
	PARSE("{'model':'m','input':[]}", "!input: ", "nothing to answer");
	PARSE("{'model':'m'}", "!input: ", "no input at all");
}

static void
a_request_of_responses_becomes_a_chat(void)
{
	PARSE("{'model':'m','input':'hi','instructions':'s','max_output_tokens':70,'stream':true,'store':false,'truncation':'disabled',"
	    "'reasoning':{'effort':'low'},'text':{'verbosity':'low','format':{'type':'json_schema','name':'x','schema':{'a':1},'strict':true}},'temperature':1}",
	    "{'model':'gpt-x','messages':[{'role':'system','content':'s'},{'role':'user','content':'hi'}],'temperature':1,"
	    "'response_format':{'type':'json_schema','json_schema':{'name':'x','schema':{'a':1},'strict':true}},'reasoning_effort':'low','verbosity':'low',"
	    "'max_completion_tokens':70,'stream':true,'stream_options':{'include_usage':true}}", "the plain members");
	PARSE("{'model':'m','input':[{'role':'developer','content':'d'},{'type':'message','role':'user','content':[{'type':'input_text','text':'q'},"
	    "{'type':'input_image','image_url':'data:image/png;base64,QQ==','detail':'low'}]},"
	    "{'type':'reasoning','id':'rs_1','summary':[],'encrypted_content':'gAAA'},"
	    "{'type':'message','role':'assistant','content':[{'type':'output_text','text':'a','annotations':[]}]},"
	    "{'type':'function_call','id':'fc','call_id':'c1','name':'f','arguments':'{}'},{'type':'function_call','call_id':'c2','name':'g','arguments':'{\\'x\\':1}'},"
	    "{'type':'function_call_output','call_id':'c1','output':[{'type':'input_text','text':'1'},{'type':'input_image','image_url':'data:image/png;base64,QQ=='}]},"
	    "{'type':'function_call_output','call_id':'c2','output':'2'},{'role':'user','content':'go on'}]}",
	    "{'model':'gpt-x','messages':[{'role':'developer','content':'d'},{'role':'user','content':[{'type':'text','text':'q'},"
	    "{'type':'image_url','image_url':{'url':'data:image/png;base64,QQ==','detail':'low'}}]},"
	    "{'role':'assistant','content':'a','tool_calls':[{'id':'c1','type':'function','function':{'name':'f','arguments':'{}'}},"
	    "{'id':'c2','type':'function','function':{'name':'g','arguments':'{\\'x\\':1}'}}]},{'role':'tool','tool_call_id':'c1','content':'1'},"
	    "{'role':'tool','tool_call_id':'c2','content':'2'},{'role':'user','content':[{'type':'image_url','image_url':{'url':'data:image/png;base64,QQ=='}}]},"
	    "{'role':'user','content':'go on'}],"END"}", "the items of a turn are one message; what results show follows them all");
	PARSE("{'model':'m','input':'x','tools':[{'type':'function','name':'f','parameters':{'type':'object','properties':{'a':{'type':'string'}},"
	    "'required':['a'],'additionalProperties':false}},{'type':'function','name':'g','parameters':{'type':'object','properties':{'a':{'type':'string'}}}},"
	    "{'type':'function','name':'h','strict':false,'parameters':{'type':'object','additionalProperties':false}}],'tool_choice':{'type':'function','name':'f'}}",
	    "{'model':'gpt-x','messages':[{'role':'user','content':'x'}],'tools':[{'type':'function','function':{'name':'f','parameters':{'type':'object',"
	    "'properties':{'a':{'type':'string'}},'required':['a'],'additionalProperties':false},'strict':true}},{'type':'function','function':{'name':'g',"
	    "'parameters':{'type':'object','properties':{'a':{'type':'string'}}}}},{'type':'function','function':{'name':'h','parameters':{'type':'object',"
	    "'additionalProperties':false},'strict':false}}],'tool_choice':{'type':'function','function':{'name':'f'}},"END"}",
	    "a function is strict where nothing is said and its schema can be");
	TO_CLAUDE("{'model':'m','input':[{'role':'user','content':'q'},{'type':'reasoning','summary':[{'type':'summary_text','text':'t'}],"
	    "'encrypted_content':'thinking:s'},{'type':'reasoning','summary':[],'encrypted_content':'redacted:r'},"
	    "{'type':'function_call','call_id':'c1','name':'f','arguments':'{}'},{'type':'function_call_output','call_id':'c1','output':'1'}]}",
	    "{'model':'claude-opus-4-5','max_tokens':4000,'messages':[{'role':'user','content':[{'type':'text','text':'q'}]},"
	    "{'role':'assistant','content':[{'type':'thinking','thinking':'t','signature':'s'},{'type':'redacted_thinking','data':'r'},"
	    "{'type':'tool_use','id':'c1','name':'f','input':{}}]},{'role':'user','content':[{'type':'tool_result','tool_use_id':'c1',"
	    "'content':[{'type':'text','text':'1'}]}]}]}", "thinking comes back with its proof");
}

/* ---- what its clients get ---------------------------------------------------------------- */

struct told {
	void *state;
	struct ag_buf out;
};

static void
tell(struct told *t, const struct ag_piece *p)
{
	is_i64(ag_responses_writer.piece(t->state, p, &t->out), 0, "a piece is taken");
}

static void
begin(struct told *t, const struct ag_writer_in *in)
{
	ag_buf_init(&t->out, 1 << 20);
	t->state = calloc(1, ag_responses_writer.state_bytes);
	ag_responses_writer.init(t->state, in);
}

static void
finish(struct told *t)
{
	ag_responses_writer.fini(t->state);
	free(t->state);
	ag_buf_putc(&t->out, '\0');
}

static void
matches(const char *text, const char *want, const char *what)
{
	struct json_object *w = fixture_json(want), *g = json_tokener_parse(text);
	char at[512] = "";

	if (!ok(g && w && fixture_match(g, w, false, at, sizeof(at)), "%s", what))
		printf("# %s: %s\n", at, text);
	json_object_put(w);
	json_object_put(g);
}

static void
a_whole_answer_is_one_object(void)
{
	struct json_object *request = fixture_json("{'instructions':'s','temperature':0.5,'tools':[{'type':'function','name':'f'}],'max_output_tokens':7}");
	struct ag_writer_in in = { .id = AG_STR("q"), .model = AG_STR("m"), .created_s = 5, .request = request };
	struct ag_usage usage = { .input_fresh = 5, .cache_read = 2, .output_total = 9, .reasoning = 4 };
	struct ag_piece pieces[] = {
		{ .kind = AG_PIECE_START, .model = AG_STR("claude") },
		{ .kind = AG_PIECE_REASONING, .text = AG_STR("hm") }, { .kind = AG_PIECE_SIGNATURE, .text = AG_STR("sig") },
		{ .kind = AG_PIECE_REDACTED, .text = AG_STR("red") },
		{ .kind = AG_PIECE_TEXT, .text = AG_STR("a\"") },
		{ .kind = AG_PIECE_CITATION, .text = AG_STR("{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"u\",\"start_index\":1}}") },
		{ .kind = AG_PIECE_REFUSAL, .text = AG_STR("no") },
		{ .kind = AG_PIECE_TOOL, .id = AG_STR("c1"), .name = AG_STR("f") },
		{ .kind = AG_PIECE_SIGNATURE, .text = AG_STR("proof") },
		{ .kind = AG_PIECE_TOOL, .tool = 1, .name = AG_STR("g") },
		{ .kind = AG_PIECE_TOOL_ARGS, .tool = 1, .text = AG_STR("{}") },
		{ .kind = AG_PIECE_TOOL_ARGS, .text = AG_STR("{\"x\":1}") },
		{ .kind = AG_PIECE_TOOL_END }, { .kind = AG_PIECE_TOOL_END, .tool = 1 },
		{ .kind = AG_PIECE_FINISH, .finish = AG_FINISH_TOOLS }, { .kind = AG_PIECE_USAGE, .usage = &usage },
		{ .kind = AG_PIECE_END },
	};
	struct told t;

	begin(&t, &in);
	for (size_t i = 0; i < AG_ARRAY_LEN(pieces); i++)
		tell(&t, &pieces[i]);
	finish(&t);
	matches(t.out.p, "{'id':'resp_q','object':'response','created_at':5,'status':'completed','error':null,'incomplete_details':null,'model':'m',"
	    "'instructions':'s','temperature':0.5,'tools':[{'type':'function','name':'f'}],'max_output_tokens':7,'store':false,'truncation':'disabled',"
	    "'previous_response_id':null,'parallel_tool_calls':true,'tool_choice':'auto','metadata':{},'output':["
	    "{'type':'reasoning','id':'rs_q_0','summary':[{'type':'summary_text','text':'hm'}],'encrypted_content':'thinking:sig'},"
	    "{'type':'reasoning','id':'rs_q_1','summary':[],'encrypted_content':'redacted:red'},"
	    "{'type':'message','id':'msg_q_2','status':'completed','role':'assistant','content':[{'type':'output_text','text':'a\\\"',"
	    "'annotations':[{'type':'url_citation','url':'u','start_index':1}]},{'type':'refusal','refusal':'no'}]},"
	    "{'type':'function_call','id':'fc_q_3','call_id':'c1','name':'f','arguments':'{\\\"x\\\":1}','extra_content':{'google':{'thought_signature':'proof'}},'status':'completed'},"
	    "{'type':'function_call','id':'fc_q_4','call_id':'call_q_4','name':'g','arguments':'{}','status':'completed'}],"
	    "'usage':{'input_tokens':7,'input_tokens_details':{'cached_tokens':2,'cache_write_tokens':0},'output_tokens':9,"
	    "'output_tokens_details':{'reasoning_tokens':4},'total_tokens':16}}", "every kind of item in its place");
	ag_buf_fini(&t.out);
	json_object_put(request);
}

/* The data of the n-th event from the end, 1 the last. */
static const char *
event_from_end(struct told *t, int n)
{
	char *at = t->out.p + t->out.n - 1;

	while (n > 0 && at > t->out.p)
		if (strncmp(--at, "\ndata: ", 7) == 0)
			n--;
	return at + 7;
}

static void
what_was_cut_is_incomplete_and_what_broke_has_failed(void)
{
	struct ag_writer_in in = { .id = AG_STR("q"), .model = AG_STR("m"), .is_stream = true };
	struct ag_piece start = { .kind = AG_PIECE_START }, text = { .kind = AG_PIECE_TEXT, .text = AG_STR("a") };
	struct ag_piece finished = { .kind = AG_PIECE_FINISH, .finish = AG_FINISH_LENGTH }, end = { .kind = AG_PIECE_END };
	struct ag_piece error = { .kind = AG_PIECE_ERROR, .id = AG_STR("server_error"), .name = AG_STR("overloaded"), .text = AG_STR("busy") };
	struct told t;
	char *one;

	begin(&t, &in);
	tell(&t, &start);
	tell(&t, &text);
	tell(&t, &finished);
	tell(&t, &end);
	finish(&t);
	matches(event_from_end(&t, 1), "{'type':'response.incomplete','response':{'status':'incomplete','incomplete_details':{'reason':'max_output_tokens'},"
	    "'output':[{'type':'message','status':'incomplete','content':[{'type':'output_text','text':'a'}]}]}}", "the limit");
	ag_buf_fini(&t.out);

	begin(&t, &in);
	tell(&t, &start);
	tell(&t, &text);
	tell(&t, &error);
	finish(&t);
	matches(event_from_end(&t, 1), "{'type':'response.failed','response':{'status':'failed','error':{'code':'overloaded','message':'busy'},"
	    "'output':[{'type':'message','status':'incomplete','content':[{'type':'output_text','text':'a'}]}]}}", "what came is shown again");
	one = strdup(event_from_end(&t, 2));
	*strchr(one, '\n') = '\0';
	matches(one, "{'type':'error','code':'overloaded','message':'busy','param':null}", "an event of its own tells why");
	free(one);
	ag_buf_fini(&t.out);
}

int
main(void)
{
	its_answers_are_read();
	its_clients_are_answered();
	a_chat_becomes_a_request_of_responses();
	what_it_has_no_place_for_is_refused_by_name();
	a_request_of_responses_becomes_a_chat();
	a_whole_answer_is_one_object();
	what_was_cut_is_incomplete_and_what_broke_has_failed();
	return done();
}
