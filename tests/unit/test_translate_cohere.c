/* test_translate_cohere.c - Cohere's v2: chat, embeddings, rankings. */
#include <json-c/json.h>

#include "fixture.h"
#include "tap.h"
#include "translate/cohere.h"

static const struct ag_protocol *const openai = &ag_protocol_openai, *const cohere = &ag_protocol_cohere;

static void
its_answers_are_read(void)
{
	fixture_stream("cohere.chat.stream.text.sse", cohere, "cohere");
	fixture_stream("cohere.chat.stream.tools.sse", cohere, "cohere");
	fixture_stream("cohere.chat.stream.usage.sse", cohere, "cohere");
	fixture_stream("cohere.stream.error.sse", cohere, "cohere");
	fixture_body("cohere.chat.nonstream.json", cohere, "cohere");
	fixture_error("cohere.error.429.json", cohere);
	fixture_exchange("cohere.embed.json", &ag_exchange_cohere_embed, "cohere");
	fixture_exchange("cohere.rerank.json", &ag_exchange_cohere_rerank, "cohere");
}

static void
its_own_statuses_are_known(void)
{
	static const struct { int status, told; } rows[] = { { 401, 502 }, { 402, 429 }, { 404, 404 }, { 422, 400 },
		{ 498, 502 }, { 499, 502 }, { 501, 502 }, { 503, 503 }, { 504, 504 } };

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		struct ag_client_error e;
		struct ag_buf mem;

		ag_buf_init(&mem, 4096);
		cohere->read_error(rows[i].status, AG_STR("{\"message\":\"no\"}"), &mem, &e);
		is_i64(e.status, rows[i].told, "a status is told in OpenAI's");
		ag_buf_fini(&mem);
	}
}

#define BUILD(body, want, text) fixture_request(openai, body, cohere, "cohere", "command-a", want, text)
#define SAY "'messages':[{'role':'user','content':'hi'}]"
#define TOOL(name) "{'type':'function','function':{'name':'" name "','parameters':{'type':'object'}}}"

static void
a_chat_becomes_its_request(void)
{
	BUILD("{'model':'m','stream':true,'max_tokens':9,'temperature':0.5,'top_p':1,'top_k':700,'seed':7,'stop':'x','presence_penalty':-1,"
	    "'frequency_penalty':0.5,'user':'u','reasoning_effort':'high',"SAY"}",
	    "{'model':'command-a',"SAY",'max_tokens':9,'temperature':0.5,'seed':7,'p':0.99,'k':500,'frequency_penalty':0.5,'presence_penalty':0,"
	    "'stop_sequences':['x'],'thinking':{'type':'enabled','token_budget':5},'stream':true}", "sampling has other names and bounds");
	BUILD("{'model':'m','messages':[{'role':'developer','content':'d'},{'role':'user','content':[{'type':'text','text':'see'},"
	    "{'type':'image_url','image_url':{'url':'data:image/png;base64,QUJD'}}]},{'role':'assistant','content':null,'reasoning_content':'plan',"
	    "'tool_calls':[{'id':'c1','type':'function','function':{'name':'f','arguments':''}}]},{'role':'tool','tool_call_id':'c1','content':'1'},"
	    "{'role':'assistant','content':'ok','reasoning_content':'hm'}],'reasoning_effort':'none'}",
	    "{'model':'command-a','messages':[{'role':'system','content':'d'},{'role':'user','content':[{'type':'text','text':'see'},"
	    "{'type':'image_url','image_url':{'url':'data:image/png;base64,QUJD'}}]},{'role':'assistant','tool_plan':'plan','tool_calls':[{'id':'c1',"
	    "'type':'function','function':{'name':'f','arguments':'{}'}}]},{'role':'tool','tool_call_id':'c1','content':'1'},"
	    "{'role':'assistant','content':'ok'}],'max_tokens':4000,'thinking':{'type':'disabled'}}", "thinking before calls is their plan");
	BUILD("{'model':'m','tools':["TOOL("f")","TOOL("g")"],'tool_choice':{'type':'function','function':{'name':'g'}},"SAY"}",
	    "{'model':'command-a',"SAY",'tools':["TOOL("g")"],'tool_choice':'REQUIRED','max_tokens':4000}", "a chosen tool is the only one");
	BUILD("{'model':'m','tools':["TOOL("f")"],'tool_choice':'auto',"SAY"}", "{'model':'command-a',"SAY",'tools':["TOOL("f")"],'max_tokens':4000}",
	    "auto is what it does");
	BUILD("{'model':'m','response_format':{'type':'json_schema','json_schema':{'name':'x','schema':{'type':'object'}}},"SAY"}",
	    "{'model':'command-a',"SAY",'response_format':{'type':'json_object','json_schema':{'type':'object'}},'max_tokens':4000}", "a schema");
}

static void
what_it_has_no_place_for_is_refused_by_name(void)
{
	BUILD("{'model':'m','n':2,"SAY"}", "!n: only 1", "more than one answer");
	BUILD("{'model':'m','logprobs':true,"SAY"}", "!logprobs: not supported", "logprobs");
	BUILD("{'model':'m','response_format':{'type':'json_object'},'tools':["TOOL("f")"],"SAY"}", "!response_format: not together with tools", "both");
	BUILD("{'model':'m','messages':[{'role':'user','content':[{'type':'input_audio','input_audio':{}}]}]}", "!\"input_audio\" is not supported", "audio");
	BUILD("{'model':'m','tools':[{'type':'custom','custom':{'name':'f'}}],"SAY"}", "!tools[0].type", "custom tools");
}

/* want "!text": refused. */
static void
exchange(const struct ag_exchange *x, const char *body, const char *want, const char *what)
{
	struct json_object *in = fixture_json(body), *w = *want == '!' ? NULL : fixture_json(want), *got = NULL;
	struct ag_exchange_in ex = { .body = ag_str(json_object_to_json_string(in)), .model = AG_STR("e"),
		.family = ag_provider_find(AG_STR("cohere")) };
	struct ag_err err = { "" };
	struct ag_buf out;
	int rc;

	ag_buf_init(&out, 1 << 20);
	rc = x->build(&ex, &out, &err);
	ag_buf_putc(&out, '\0');
	if (rc == 0)
		got = json_tokener_parse(out.p);
	if (!ok(w ? got && json_object_equal(got, w) : rc < 0 && strstr(err.text, want + 1), "%s", what))
		printf("# %s %s\n", err.text, out.p);
	ag_buf_fini(&out);
	json_object_put(in);
	json_object_put(w);
	json_object_put(got);
}

static void
embeddings_and_rankings_become_its_own(void)
{
	exchange(&ag_exchange_cohere_embed, "{'model':'m','input':'hi','dimensions':256,'encoding_format':'base64','user':'u'}",
	    "{'model':'e','texts':['hi'],'input_type':'search_document','embedding_types':['float'],'output_dimension':256}", "one text");
	exchange(&ag_exchange_cohere_embed, "{'model':'m','input':['a','b'],'input_type':'search_query'}",
	    "{'model':'e','texts':['a','b'],'input_type':'search_query','embedding_types':['float']}", "many texts, and what they are for");
	exchange(&ag_exchange_cohere_embed, "{'model':'m','input':[1,2]}", "!input: tokens", "tokens");
	exchange(&ag_exchange_cohere_embed, "{'model':'m','input':[]}", "!input: ", "nothing");
	exchange(&ag_exchange_cohere_rerank, "{'model':'m','query':'q','documents':['a',{'text':'b'}],'top_n':1,'return_documents':false}",
	    "{'model':'e','query':'q','documents':['a','b'],'top_n':1}", "documents are texts");
	exchange(&ag_exchange_cohere_rerank, "{'model':'m','query':'q','documents':['a'],'return_documents':true}", "!return_documents: ", "documents back");
	exchange(&ag_exchange_cohere_rerank, "{'model':'m','documents':['a']}", "!query: ", "no query");
	exchange(&ag_exchange_cohere_rerank, "{'model':'m','query':'q','documents':[7]}", "!documents[0]: ", "no text");
}

static void
vectors_are_written_as_they_were_asked_for(void)
{
	struct ag_exchange_in in = { .body = AG_STR("{\"encoding_format\":\"base64\"}"), .model = AG_STR("e"),
		.family = ag_provider_find(AG_STR("cohere")) };
	struct ag_answer a = { .usage.provider_cost_nusd = -1 };
	struct ag_buf out;

	ag_buf_init(&out, 1 << 20);
	is_i64(ag_exchange_cohere_embed.answer(&in, AG_STR("{\"embeddings\":{\"float\":[[1.0,-2.5],[0.5]]}}"), &a, &out), 0, "read");
	ag_buf_putc(&out, '\0');
	/* 0000803f 000020c0, 0000003f */
	ok(strstr(out.p, "\"embedding\":\"AACAPwAAIMA=\"") && strstr(out.p, "\"embedding\":\"AAAAPw==\""), "base64 of four bytes each: %s", out.p);
	ag_buf_reset(&out);
	ok(ag_exchange_cohere_embed.answer(&in, AG_STR("{\"embeddings\":{}}"), &a, &out) < 0, "an answer without vectors is none");
	ag_buf_fini(&out);
}

int
main(void)
{
	its_answers_are_read();
	its_own_statuses_are_known();
	a_chat_becomes_its_request();
	what_it_has_no_place_for_is_refused_by_name();
	embeddings_and_rankings_become_its_own();
	vectors_are_written_as_they_were_asked_for();
	return done();
}
