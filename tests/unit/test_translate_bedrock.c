/* test_translate_bedrock.c - Converse, as providers speak it; and what its requests are signed with. */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>

#include "fixture.h"
#include "tap.h"
#include "translate/converse.h"

static const struct ag_protocol *const openai = &ag_protocol_openai, *const converse = &ag_protocol_converse;

static void
its_answers_are_read(void)
{
	fixture_stream("bedrock.converse.stream.text.eventstream.b64", converse, "bedrock");
	fixture_stream("bedrock.converse.stream.tools.eventstream.b64", converse, "bedrock");
	fixture_stream("bedrock.converse.stream.usage.eventstream.b64", converse, "bedrock");
	fixture_body("bedrock.converse.nonstream.json", converse, "bedrock");
}

static void
its_errors_are_read(void)
{
	fixture_stream("bedrock.stream.error.eventstream.b64", converse, "bedrock");
	fixture_stream("bedrock.stream.unmodelled_error.eventstream.b64", converse, "bedrock");
	fixture_stream("bedrock.corrupt.length.eventstream.b64", converse, "bedrock");
	fixture_stream("bedrock.corrupt.message_crc.eventstream.b64", converse, "bedrock");
	fixture_stream("bedrock.corrupt.prelude_crc.eventstream.b64", converse, "bedrock");
	fixture_error("bedrock.error.400.json", converse);
	fixture_error("bedrock.error.429.json", converse);
}

static void
an_error_goes_by_its_name(void)
{
	static const struct { int status; const char *body; int told; const char *type, *code; } rows[] = {
		{ 400, "{\"__type\":\"com.amazon.coral#ServiceQuotaExceededException\",\"Message\":\"m\"}", 429,
		  "rate_limit_error", "rate_limit_exceeded" },
		{ 429, "{\"__type\":\"ModelNotReadyException:http://x/\",\"message\":\"m\"}", 503, "server_error", "overloaded" },
		{ 403, "{\"message\":\"m\"}", 502, "server_error", "upstream_auth_error" },
		{ 408, "{\"message\":\"m\"}", 504, "server_error", "upstream_timeout" },
		{ 424, "{\"message\":\"m\",\"originalStatusCode\":400}", 502, "server_error", "upstream_error" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		struct ag_client_error e;
		struct ag_buf mem;

		ag_buf_init(&mem, 4096);
		converse->read_error(rows[i].status, ag_str(rows[i].body), &mem, &e);
		ok(e.status == rows[i].told && ag_str_eq(e.type, ag_str(rows[i].type)) &&
		    ag_str_eq(e.code, ag_str(rows[i].code)) && ag_str_eq(e.message, AG_STR("m")), "%s", rows[i].body);
		ag_buf_fini(&mem);
	}
}

#define NOVA "amazon.nova-pro-v1:0"
#define SONNET "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
#define BUILD(body, model, want, text) fixture_request(openai, body, converse, "bedrock", model, want, text)
#define SAY "'messages':[{'role':'user','content':'hi'}]"
#define SAID "'messages':[{'role':'user','content':[{'text':'hi'}]}]"
#define LIMIT "'inferenceConfig':{'maxTokens':4000}"
#define FN(name) "{'type':'function','function':{'name':'" name "','parameters':{'type':'object'}}}"
#define SPEC(name) "{'toolSpec':{'name':'" name "','inputSchema':{'json':{'type':'object'}}}}"

static void
a_chat_becomes_a_request(void)
{
	BUILD("{'model':'m',"SAY"}", NOVA, "{"SAID","LIMIT"}", "the limit is always written; no model, no stream");
	BUILD("{'model':'m','temperature':1.5,'top_p':0.9,'stop':'a','max_tokens':9,'service_tier':'flex','seed':1,"
	    "'metadata':{'a':'b'},"SAY"}", NOVA, "{"SAID",'inferenceConfig':{'maxTokens':9,'temperature':1,'topP':0.9,"
	    "'stopSequences':['a']},'serviceTier':{'type':'flex'},'requestMetadata':{'a':'b'}}", "sampling has other names");
	BUILD("{'model':'m','temperature':0.5,'top_p':0.9,"SAY"}", SONNET, "{"SAID",'inferenceConfig':{'maxTokens':4000,"
	    "'temperature':0.5}}", "Claude takes one of temperature and top_p");
	BUILD("{'model':'m','temperature':0.5,"SAY"}", "anthropic.claude-opus-4-7", "{"SAID","LIMIT"}",
	    "Claude's newer models take neither");
	BUILD("{'model':'m','messages':[{'role':'system','content':'s','cache_control':{'type':'ephemeral','ttl':'1h'}},"
	    "{'role':'assistant','content':'a'},{'role':'user','content':[{'type':'text','text':'b','cache_control':"
	    "{'type':'ephemeral'}},{'type':'text','text':' '}]},{'role':'developer','content':'d'},{'role':'user','content':'c'}]}",
	    SONNET, "{'system':[{'text':'s'},{'cachePoint':{'type':'default','ttl':'1h'}},{'text':'d'}],'messages':["
	    "{'role':'user','content':[{'text':'.'}]},{'role':'assistant','content':[{'text':'a'}]},{'role':'user','content':["
	    "{'text':'b'},{'cachePoint':{'type':'default'}},{'text':'c'}]}],"LIMIT"}",
	    "all systems in front, the user first, turns merged, caches marked, nothing blank");
	BUILD("{'model':'m','response_format':{'type':'json_object'},"SAY"}", NOVA, "{"SAID",'system':[{'text':"
	    "'Answer with one JSON object and nothing else.'}],"LIMIT"}", "an object is asked for in words");
	BUILD("{'model':'m','response_format':{'type':'json_schema','json_schema':{'name':'n','schema':{'a':1}}},"SAY"}", NOVA,
	    "{"SAID","LIMIT",'outputConfig':{'textFormat':{'type':'json_schema','structure':{'jsonSchema':{'name':'n',"
	    "'schema':'{\\\"a\\\":1}'}}}}}", "a schema is a text");
}

static void
a_chat_s_media_go_along(void)
{
	BUILD("{'model':'m','messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'data:image/jpg;base64,QUJD'}},"
	    "{'type':'image_url','image_url':{'url':'s3://b/x.png'}},{'type':'file','file':{'filename':'my file.v2.pdf',"
	    "'file_data':'data:application/pdf;base64,QQ=='}},{'type':'file','file':{'file_data':'data:text/csv;base64,QQ=='}},"
	    "{'type':'input_audio','input_audio':{'data':'QQ==','format':'wav'}}]}]}", NOVA,
	    "{'messages':[{'role':'user','content':[{'image':{'format':'jpeg','source':{'bytes':'QUJD'}}},"
	    "{'image':{'format':'png','source':{'s3Location':{'uri':'s3://b/x.png'}}}},"
	    "{'document':{'format':'pdf','name':'my-file-v2','source':{'bytes':'QQ=='}}},"
	    "{'document':{'format':'csv','name':'document 2','source':{'bytes':'QQ=='}}},"
	    "{'audio':{'format':'wav','source':{'bytes':'QQ=='}}}]}],"LIMIT"}", "images, documents, sound");
	BUILD("{'model':'m','messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'https://x/y.png'}}]}]}",
	    NOVA, "!does not fetch addresses", "nothing is fetched");
	BUILD("{'model':'m','messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'data:image/tiff;base64,QQ=='}}]}]}",
	    NOVA, "!png, jpeg, gif and webp", "only what it knows");
	BUILD("{'model':'m','messages':[{'role':'user','content':[{'type':'file','file':{'file_data':'data:video/mp4;base64,QQ=='}}]}]}",
	    NOVA, "!a document's type", "no other files");
}

#define TURN "{'role':'user','content':'hi'},{'role':'assistant','content':null,'tool_calls':[{'id':'call.1','type':'function'," \
	"'function':{'name':'f','arguments':'{\\'x\\':1}'}},{'id':'c2','type':'function','function':{'name':'f','arguments':''}}]}," \
	"{'role':'tool','tool_call_id':'call.1','content':'r'},{'role':'tool','tool_call_id':'c2','content':[{'type':'text','text':'q'}]}"
#define TURNED "'messages':[{'role':'user','content':[{'text':'hi'}]},{'role':'assistant','content':[" \
	"{'toolUse':{'toolUseId':'call_1_c41d0932','name':'f','input':{'x':1}}},{'toolUse':{'toolUseId':'c2','name':'f','input':{}}}]}," \
	"{'role':'user','content':[{'toolResult':{'toolUseId':'call_1_c41d0932','content':[{'text':'r'}]}}," \
	"{'toolResult':{'toolUseId':'c2','content':[{'text':'q'}]}}]}]"

static void
tools_go_along(void)
{
	BUILD("{'model':'m','tools':["FN("f")","FN("g")"],'tool_choice':'auto',"SAY"}", NOVA,
	    "{"SAID",'toolConfig':{'tools':["SPEC("f")","SPEC("g")"],'toolChoice':{'auto':{}}},"LIMIT"}", "tools and auto");
	BUILD("{'model':'m','tools':["FN("f")"],'tool_choice':'required',"SAY"}", NOVA,
	    "{"SAID",'toolConfig':{'tools':["SPEC("f")"],'toolChoice':{'any':{}}},"LIMIT"}", "required is any");
	BUILD("{'model':'m','tools':["FN("f")"],'tool_choice':{'type':'function','function':{'name':'f'}},"SAY"}", NOVA,
	    "{"SAID",'toolConfig':{'tools':["SPEC("f")"],'toolChoice':{'tool':{'name':'f'}}},"LIMIT"}", "one by name");
	BUILD("{'model':'m','tools':["FN("f")"],'tool_choice':'none',"SAY"}", NOVA, "{"SAID","LIMIT"}", "none: none are told");
	BUILD("{'model':'m','messages':["TURN"]}", NOVA, "{"TURNED",'toolConfig':{'tools':[{'toolSpec':{'name':'f','inputSchema':"
	    "{'json':{'type':'object','properties':{}}}}}]},"LIMIT"}", "results in one message, ids made fit, called tools told once");
	BUILD("{'model':'m','tools':["FN("f")"],'tool_choice':'none','messages':["TURN"]}", NOVA, "!tool_choice",
	    "none cannot be kept once tools were called");
	BUILD("{'model':'m','tools':["FN("f")"],'parallel_tool_calls':false,"SAY"}", NOVA, "!parallel_tool_calls", "one at a time");
	BUILD("{'model':'m','tools':["FN("f")"],'tool_choice':'required',"SAY"}", "anthropic.claude-fable-5", "!tool_choice",
	    "one that always thinks cannot be forced");
	BUILD("{'model':'m','tools':[{'type':'custom','custom':{'name':'f'}}],"SAY"}", NOVA, "!only functions", "functions alone");
}

static void
thinking_is_said_in_the_model_s_words(void)
{
	BUILD("{'model':'m','reasoning_effort':'low','temperature':0.5,'max_tokens':8000,"SAY"}", SONNET,
	    "{"SAID",'additionalModelRequestFields':{'thinking':{'type':'enabled','budget_tokens':2048}},"
	    "'inferenceConfig':{'maxTokens':8000}}", "a budget");
	BUILD("{'model':'m','reasoning_effort':'high',"SAY"}", "us.anthropic.claude-opus-4-7", "{"SAID",'additionalModelRequestFields':"
	    "{'thinking':{'type':'adaptive','display':'summarized'},'output_config':{'effort':'high'}},"LIMIT"}", "an effort");
	BUILD("{'model':'m','reasoning_effort':'medium',"SAY"}", "us.amazon.nova-2-lite-v1:0", "{"SAID",'additionalModelRequestFields':"
	    "{'reasoningConfig':{'type':'enabled','maxReasoningEffort':'medium'}},"LIMIT"}", "Nova's");
	BUILD("{'model':'m','reasoning_effort':'high',"SAY"}", "us.amazon.nova-2-lite-v1:0", "!reasoning_effort",
	    "Nova's highest takes no limit");
	BUILD("{'model':'m','reasoning_effort':'high',"SAY"}", "openai.gpt-oss-120b-1:0", "{"SAID",'additionalModelRequestFields':"
	    "{'reasoning_effort':'high'},"LIMIT"}", "as it is");
	BUILD("{'model':'m','reasoning_effort':'high',"SAY"}", "meta.llama3-1-8b-instruct-v1:0", "{"SAID","LIMIT"}", "nowhere");
	BUILD("{'model':'m','messages':[{'role':'user','content':'hi'},{'role':'assistant','content':'a','thinking_blocks':["
	    "{'type':'thinking','thinking':'t','signature':'s'},{'type':'thinking','thinking':'u'},"
	    "{'type':'redacted_thinking','data':'ZA=='}]},{'role':'user','content':'b'}]}", SONNET,
	    "{'messages':[{'role':'user','content':[{'text':'hi'}]},{'role':'assistant','content':[{'reasoningContent':"
	    "{'reasoningText':{'text':'t','signature':'s'}}},{'reasoningContent':{'redactedContent':'ZA=='}},{'text':'a'}]},"
	    "{'role':'user','content':[{'text':'b'}]}],"LIMIT"}", "thoughts go back with their proof");
}

static void
what_it_cannot_is_refused_by_name(void)
{
	BUILD("{'model':'m','n':2,"SAY"}", NOVA, "!n: only 1", "more choices");
	BUILD("{'model':'m','logprobs':true,"SAY"}", NOVA, "!logprobs", "probabilities");
	BUILD("{'model':'m','response_format':{'type':'json_schema','json_schema':{'schema':{}}},"SAY"}",
	    "anthropic.claude-3-haiku-20240307-v1:0", "!response_format", "a schema of an old model");
	fixture_request(&ag_protocol_anthropic, "{'model':'m','max_tokens':9,'system':'s','top_k':5,"SAY"}", converse, "bedrock",
	    SONNET, "{"SAID",'system':[{'text':'s'}],'additionalModelRequestFields':{'top_k':5},'inferenceConfig':{'maxTokens':9}}",
	    "Anthropic's clients too");
}

/* ---- the provider's end ---- */

static void
a_request_is_signed_with_the_credential(void)
{
	const struct ag_provider *p = ag_provider_find(AG_STR("bedrock"));
	static const char body[] = "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}";
	uint8_t hash[AG_SHA256_LEN];
	struct ag_sign_in in = {
		.method = AG_STR("POST"), .target = AG_STR("/model/amazon.nova-pro-v1%3A0/converse-stream"),
		.host = AG_STR("bedrock-runtime.us-east-1.amazonaws.com"), .content_type = AG_STR("application/json"),
		.body_sha256 = hash, .now_s = 1795435200, .config = AG_STR("{\"aws_region\":\"us-east-1\"}"),
		.secret = AG_STR("{\"aws_access_key_id\":\"AKIDEXAMPLE\",\"aws_secret_access_key\":"
		    "\"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\",\"aws_session_token\":\"TOKENEXAMPLE==\"}"),
	};
	struct ag_str hidden[AG_HIDDEN_MAX];
	struct ag_err err = { "" };
	struct ag_buf out;

	ag_sha256(body, sizeof(body) - 1, hash);
	ag_buf_init(&out, 4096);
	ok(p->sign(&in, &out, &err) == 0 && memmem(out.p, out.n,
	    "394a7c83c85a3479133ec0f9d45aabe6881b04af06c86149282cbcc5d763bc30", 64), "signed as the vector has it");
	ok(p->hide(in.secret, hidden) == 2 && ag_str_eq(hidden[0], AG_STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")) &&
	    ag_str_eq(hidden[1], AG_STR("TOKENEXAMPLE==")), "what must not pass back");
	in.config = AG_STR("{}");
	ok(p->sign(&in, &out, &err) == -EINVAL && strstr(err.text, "aws_region"), "not without a region");
	in.secret = AG_STR("{\"aws_access_key_id\":\"x\"}");
	ok(p->sign(&in, &out, &err) == -EINVAL && !strstr(err.text, "\"x\""), "nor without a secret");
	ok(!p->is_signing(AG_STR("ABSKexample")) && p->is_signing(in.secret), "a key of its own is sent as it is");
	ag_buf_fini(&out);
}

static void
addresses_are_made(void)
{
	static const struct { const char *config, *want; } rows[] = {
		{ "{\"aws_region\":\"eu-west-1\"}", "https://bedrock-runtime.eu-west-1.amazonaws.com" },
		{ "{\"aws_region\":\"cn-north-1\"}", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn" },
	};
	const struct ag_provider *p = ag_provider_find(AG_STR("bedrock"));
	struct ag_buf out;

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		ag_buf_init(&out, 4096);
		ok(ag_provider_expand(p, p->base_url, ag_str(rows[i].config), AG_STR_NONE, AG_STR_NONE, &out, NULL) == 0 &&
		    ag_str_eq(ag_buf_str(&out), ag_str(rows[i].want)), "%s", rows[i].want);
		ag_buf_fini(&out);
	}
	ag_buf_init(&out, 4096);
	ok(ag_provider_expand(p, ag_provider_serve(p, AG_EP_MESSAGES, AG_STR("m"))->stream_path, AG_STR("{}"),
	    AG_STR("arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0"), AG_STR_NONE, &out, NULL) == 0 &&
	    ag_str_eq(ag_buf_str(&out), AG_STR("/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2F"
	    "us.amazon.nova-pro-v1%3A0/converse-stream")), "the model is one segment");
	ok(ag_str_eq(p->priced_as(AG_STR("{}"), AG_STR("arn:aws:bedrock:us-east-1:1:inference-profile/us.x")), AG_STR("us.x")) &&
	    ag_str_eq(p->priced_as(AG_STR("{}"), AG_STR("us.x")), AG_STR("us.x")), "an ARN's last part has the price");
	ag_buf_fini(&out);
}

int
main(void)
{
	its_answers_are_read();
	its_errors_are_read();
	an_error_goes_by_its_name();
	a_chat_becomes_a_request();
	a_chat_s_media_go_along();
	tools_go_along();
	thinking_is_said_in_the_model_s_words();
	what_it_cannot_is_refused_by_name();
	a_request_is_signed_with_the_credential();
	addresses_are_made();
	return done();
}
