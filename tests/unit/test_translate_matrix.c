/* test_translate_matrix.c - every member of every client's request, against everybody it can be translated
 * to: it changes what the provider is sent, or is refused by its name, or is left out as the reference of
 * providers says, and then refused where strictness is asked for.
 *
 * A row is one member and what becomes of it in each column.  A member that a parse or a build forgets
 * leaves the body as it was, and its row fails.  The values themselves: the tests of each protocol. */
#include <json-c/json.h>
#include <stdlib.h>

#include "aigated/catalog.h"
#include "fixture.h"
#include "tap.h"

#define LIMIT 2048u
#define MARK  "zq7" /* in a value: it is to be found in what the provider is sent */

/* The columns, one letter each, in this order. */
static const struct target {
	char letter;
	const char *family, *model;
	const struct ag_protocol *protocol;
} targets[] = {
	{ 'o', "openai", "gpt-x", &ag_protocol_openai },
	{ 'a', "anthropic", "claude-sonnet-4-5", &ag_protocol_anthropic },
	{ 'g', "google", "gemini-2.5-flash", &ag_protocol_gemini },
	{ 'b', "bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", &ag_protocol_converse },
	{ 'n', "bedrock", "amazon.nova-pro-v1:0", &ag_protocol_converse },
	{ 'c', "cohere", "command-a", &ag_protocol_cohere },
	{ 'r', "openai", "gpt-x-pro", &ag_protocol_responses },
	{ 'm', "mistral-ai", "mistral-large", &ag_protocol_openai },
	{ 'd', "deepseek", "deepseek-chat", &ag_protocol_openai },
};
#define COLUMNS "oagbncrmd"

/* What becomes of a member:
 *   T it is told: the body is another one, and holds MARK where the value does
 *   L it is left out, refused where strictness is asked for
 *   D less of it is told, refused where strictness is asked for
 *   R it is refused
 *   E it asks for nothing, or for what is so anyway: the body is the same
 *   . bytes pass here, or nobody asks */
struct row {
	const char *frame;  /* a body with a %s, where what is added stands */
	const char *member; /* in single quotes; its name is what refusals hold, if `name` does not say otherwise */
	const char *fates;  /* one for each column */
	const char *name;
};

/* ---- frames ------------------------------------------------------------------------------ */

#define FN(name) "{'type':'function','function':{'name':'" name "','parameters':{'type':'object'}}}"

#define CHAT      "{'model':'m','messages':[{'role':'user','content':'hi'}]%s}"
#define CHAT_FN   "{'model':'m','messages':[{'role':'user','content':'hi'}],'tools':["FN("f")","FN("g")"]%s}"
#define CHAT_TOOL "{'model':'m','messages':[{'role':'user','content':'hi'}],'tools':[{'type':'function','function':{'name':'f'," \
	"'parameters':{'type':'object'}}%s}]}"
#define CHAT_CALL "{'model':'m','messages':[{'role':'user','content':'hi'}],'tools':[{'type':'function','function':{'name':'f'," \
	"'parameters':{'type':'object'}%s}}]}"
#define CHAT_USER "{'model':'m','messages':[{'role':'user','content':'hi'%s}]}"
#define CHAT_TEXT "{'model':'m','messages':[{'role':'user','content':[{'type':'text','text':'hi'%s}]}]}"
#define CHAT_PART "{'model':'m','messages':[{'role':'user','content':[{'type':'text','text':'hi'}%s]}]}"
#define CHAT_URL  "{'model':'m','messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'data:image/png;base64,QUJD'%s}}]}]}"
#define CHAT_FILE "{'model':'m','messages':[{'role':'user','content':[{'type':'file','file':{'file_data':'data:application/pdf;base64,QUJD'%s}}]}]}"
#define CHAT_SAID "{'model':'m','messages':[{'role':'user','content':'hi'},{'role':'assistant','content':null%s},{'role':'user','content':'on'}]}"
#define CHAT_DID  "{'model':'m','messages':[{'role':'user','content':'hi'},{'role':'assistant','content':null,'tool_calls':[" \
	"{'id':'c1','type':'function','function':{'name':'f','arguments':'{}'}%s}]},{'role':'tool','tool_call_id':'c1','content':'1'}]}"
#define CHAT_FORM "{'model':'m','messages':[{'role':'user','content':'hi'}],'response_format':{'type':'json_schema','json_schema':{'schema':" \
	"{'type':'object'}%s}}}"

#define MESSAGES      "{'model':'m','max_tokens':2048,'messages':[{'role':'user','content':'hi'}]%s}"
#define MESSAGES_FN   "{'model':'m','max_tokens':2048,'messages':[{'role':'user','content':'hi'}],'tools':[{'name':'f','input_schema':" \
	"{'type':'object'}},{'name':'g','input_schema':{'type':'object'}}]%s}"
#define MESSAGES_TOOL "{'model':'m','max_tokens':2048,'messages':[{'role':'user','content':'hi'}],'tools':[{'name':'f','input_schema':" \
	"{'type':'object'}%s}]}"
#define MESSAGES_USER "{'model':'m','max_tokens':2048,'messages':[{'role':'user','content':'hi'%s}]}"
#define MESSAGES_TEXT "{'model':'m','max_tokens':2048,'messages':[{'role':'user','content':[{'type':'text','text':'hi'%s}]}]}"
#define MESSAGES_IMG  "{'model':'m','max_tokens':2048,'messages':[{'role':'user','content':[{'type':'image','source':{'type':'base64'," \
	"'media_type':'image/png','data':'QUJD'}%s}]}]}"
#define MESSAGES_DOC  "{'model':'m','max_tokens':2048,'messages':[{'role':'user','content':[{'type':'document','source':{'type':'base64'," \
	"'media_type':'application/pdf','data':'QUJD'}%s}]}]}"
#define MESSAGES_DONE "{'model':'m','max_tokens':2048,'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':" \
	"'tool_use','id':'i','name':'f','input':{}}]},{'role':'user','content':[{'type':'tool_result','tool_use_id':'i','content':'x'%s}]}]}"
#define MESSAGES_SAID "{'model':'m','max_tokens':2048,'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[" \
	"{'type':'text','text':'x'}%s]},{'role':'user','content':'on'}]}"

#define RESPONSES      "{'model':'m','input':[{'role':'user','content':'hi'}]%s}"
#define RESPONSES_FN   "{'model':'m','input':'hi','tools':[{'type':'function','name':'f','parameters':{}},{'type':'function','name':'g','parameters':{}}]%s}"
#define RESPONSES_TOOL "{'model':'m','input':'hi','tools':[{'type':'function','name':'f','parameters':{}%s}]}"
#define RESPONSES_ITEM "{'model':'m','input':[{'type':'message','role':'user','content':'hi'%s}]}"
#define RESPONSES_TEXT "{'model':'m','input':[{'role':'user','content':[{'type':'input_text','text':'hi'%s}]}]}"
#define RESPONSES_IMG  "{'model':'m','input':[{'role':'user','content':[{'type':'input_image','image_url':'data:image/png;base64,QUJD'%s}]}]}"
#define RESPONSES_FILE "{'model':'m','input':[{'role':'user','content':[{'type':'input_file','file_data':'data:application/pdf;base64,QUJD'%s}]}]}"

#define GEMINI        "{'contents':[{'role':'user','parts':[{'text':'hi'}]}]%s}"
#define GEMINI_CONFIG "{'contents':[{'role':'user','parts':[{'text':'hi'}]}],'generationConfig':{'maxOutputTokens':2048%s}}"
#define GEMINI_FN     "{'contents':[{'role':'user','parts':[{'text':'hi'}]}],'tools':[{'functionDeclarations':[{'name':'f'},{'name':'g'}]}]%s}"
#define GEMINI_TOOL   "{'contents':[{'role':'user','parts':[{'text':'hi'}]}],'tools':[{'functionDeclarations':[{'name':'f'%s}]}]}"
#define GEMINI_TURN   "{'contents':[{'role':'user','parts':[{'text':'hi'}]%s}]}"
#define GEMINI_PART   "{'contents':[{'role':'user','parts':[{'text':'hi'%s}]}]}"
#define GEMINI_INLINE "{'contents':[{'role':'user','parts':[{'inlineData':{'mimeType':'image/png','data':'QUJD'%s}}]}]}"
#define GEMINI_DONE   "{'contents':[{'role':'user','parts':[{'text':'hi'}]},{'role':'model','parts':[{'functionCall':{'name':'f','args':{}}}]}," \
	"{'role':'user','parts':[{'functionResponse':{'name':'f','response':{'output':'x'}%s}}]}]}"

#define COMPLETION "{'model':'m','prompt':'hi','max_tokens':2048%s}"

#define SCHEMA "{'type':'object','title':'zq7'}"

/* ---- what becomes of what ---------------------------------------------------------------- */

static const struct row chat_rows[] = {
	/*                                                            oagbncrmd */
	{ CHAT, "'temperature':0.4375",                              ".TTTTTT..", NULL },
	{ CHAT, "'top_p':0.4375",                                    ".TTTTTT..", NULL },
	{ CHAT, "'top_k':7",                                         ".TTTTTL..", NULL },
	{ CHAT, "'presence_penalty':0.4375",                         ".LTLLTR..", NULL },
	{ CHAT, "'frequency_penalty':0.4375",                        ".LTLLTR..", NULL },
	{ CHAT, "'presence_penalty':0",                              ".ETEETE..", NULL },
	{ CHAT, "'n':1",                                             ".ETEEEE..", NULL },
	{ CHAT, "'n':2",                                             ".RTRRRR..", NULL },
	{ CHAT, "'stop':['zq7']",                                    ".TTTTTR..", NULL },
	{ CHAT, "'stop':'zq7'",                                      ".TTTTTR..", NULL },
	{ CHAT, "'stop':7",                                          ".RRRRRR..", NULL },
	{ CHAT, "'logprobs':false",                                  ".EEEEEE..", NULL },
	{ CHAT, "'logprobs':true",                                   ".RTRRRT..", NULL },
	{ CHAT, "'top_logprobs':3",                                  ".RRRRRR..", NULL },
	{ CHAT, "'logprobs':true,'top_logprobs':3",                  ".RTRRRT..", NULL },
	{ CHAT, "'logit_bias':{'5':1}",                              ".LLLLLR..", NULL },
	{ CHAT, "'seed':7",                                          ".LTLLTR..", NULL },
	{ CHAT, "'tools':["FN("zq7")"]",                             ".TTTTTT..", NULL },
	{ CHAT, "'tools':[{'type':'custom','custom':{'name':'f'}}]", ".RRRRRR..", NULL },
	{ CHAT_FN, "'tool_choice':'auto'",                           ".TTTTET..", NULL },
	{ CHAT_FN, "'tool_choice':'none'",                           ".TTTTTT..", NULL },
	{ CHAT_FN, "'tool_choice':'required'",                       ".TTTTTT..", NULL },
	{ CHAT_FN, "'tool_choice':'any'",                            ".RRRRRR..", NULL },
	{ CHAT, "'tool_choice':'required'",                          ".RRRRRR..", NULL },
	{ CHAT_FN, "'tool_choice':{'type':'function','function':{'name':'g'}}", ".TTTTTT..", NULL },
	{ CHAT_FN, "'tool_choice':{'type':'custom','custom':{'name':'g'}}", ".RRRRRR..", NULL },
	{ CHAT_FN, "'tool_choice':{'type':'allowed_tools','allowed_tools':{'mode':'auto','tools':[{'type':'function','function':{'name':'g'}}]}}",
	                                                             ".TTTTTT..", NULL },
	{ CHAT_FN, "'parallel_tool_calls':false",                    ".TLRRLT..", NULL },
	{ CHAT, "'functions':[{'name':'zq7'}]",                      ".TTTTTT..", NULL },
	{ CHAT, "'response_format':{'type':'text'}",                 ".EEEEET..", NULL },
	{ CHAT, "'response_format':{'type':'json_object'}",          ".TTTTTT..", NULL },
	{ CHAT, "'response_format':{'type':'grammar'}",              ".RRRRRR..", NULL },
	{ CHAT, "'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':"SCHEMA"}}", ".TTTTTT..", NULL },
	{ CHAT_FORM, "'name':'zq7'",                                 ".EETTET..", NULL },
	{ CHAT_FORM, "'description':'zq7'",                          ".LLTTLT..", NULL },
	{ CHAT_FORM, "'strict':true",                                ".EEEEET..", NULL },
	{ CHAT_FORM, "'x_unknown':1",                                ".RRRRRR..", NULL },
	{ CHAT, "'reasoning_effort':'high'",                         ".TTTLTT..", NULL },
	{ CHAT, "'reasoning_effort':'none'",                         ".ETEETT..", NULL },
	{ CHAT, "'verbosity':'low'",                                 ".LLLLLT..", NULL },
	{ CHAT, "'modalities':['text']",                             ".EEEEEE..", NULL },
	{ CHAT, "'modalities':['text','audio']",                     ".RRRRRR..", NULL },
	{ CHAT, "'audio':{'voice':'alloy','format':'wav'}",          ".RRRRRR..", NULL },
	{ CHAT, "'prediction':{'type':'content','content':'x'}",     ".LLLLLR..", NULL },
	{ CHAT, "'prompt_cache_key':'zq7'",                          ".LLLLLT..", NULL },
	{ CHAT, "'prompt_cache_options':{'mode':'explicit'}",        ".LLLLLT..", NULL },
	{ CHAT, "'prompt_cache_retention':'24h'",                    ".LLLLLT..", NULL },
	{ CHAT, "'service_tier':'auto'",                             ".TEEELT..", NULL },
	{ CHAT, "'service_tier':'default'",                          ".TTTTLT..", NULL },
	{ CHAT, "'service_tier':'flex'",                             ".LTTTLT..", NULL },
	{ CHAT, "'service_tier':'priority'",                         ".TTTTLT..", NULL },
	{ CHAT, "'service_tier':'scale'",                            ".RRRRLT..", NULL },
	{ CHAT, "'safety_identifier':'zq7'",                         ".TLLLLT..", NULL },
	{ CHAT, "'user':'zq7'",                                      ".TLLLLT..", NULL },
	{ CHAT, "'store':false",                                     ".EEEEEE..", NULL },
	{ CHAT, "'store':true",                                      ".LLLLLL..", NULL },
	{ CHAT, "'metadata':{'k':'zq7'}",                            ".LLTTLT..", NULL },
	{ CHAT, "'moderation':{'model':'x'}",                        ".RRRRRT..", NULL },
	{ CHAT, "'web_search_options':{'search_context_size':'low'}", ".RRRRRR..", NULL },
	{ CHAT, "'stream_options':{'include_usage':true}",           ".EEEEEE..", NULL },
	{ CHAT, "'stream_options':{'x_unknown':1}",                  ".RRRRRR..", "stream_options.x_unknown" },
	{ CHAT, "'thinking':{'type':'enabled','budget_tokens':1536}", ".TRTRRR..", NULL },
	{ CHAT, "'safety_settings':[{'category':'zq7'}]",            ".RTRRRR..", NULL },
	{ CHAT, "'guided_json':{'a':1}",                             ".RRRRRR..", NULL },
	{ CHAT_USER, "'name':'zq7'",                                 ".LLLLLL..", NULL },
	{ CHAT_USER, "'cache_control':{'type':'ephemeral'}",         ".TLTTLL..", NULL },
	{ CHAT_USER, "'x_unknown':1",                                ".RRRRRR..", NULL },
	{ CHAT_SAID, "'refusal':'zq7'",                              ".TTTTTT..", NULL },
	{ CHAT_SAID, "'audio':{'id':'x'}",                           ".RRRRRR..", NULL },
	{ CHAT_SAID, "'function_call':{'name':'zq7','arguments':'{}'}", ".TTTTTT..", NULL },
	{ CHAT_SAID, "'annotations':[],'audio':null,'refusal':null", ".EEEEEE..", NULL },
	{ CHAT_SAID, "'reasoning_content':'x','annotations':[{'type':'url_citation'}]", ".EEEEEE..", NULL },
	{ CHAT_SAID, "'thinking_blocks':[{'type':'thinking','thinking':'x','signature':'zq7'}]", ".TETTEE..", NULL },
	{ CHAT_SAID, "'x_unknown':1",                                ".RRRRRR..", NULL },
	{ CHAT_TEXT, "'cache_control':{'type':'ephemeral'}",         ".TLTTLL..", NULL },
	{ CHAT_TEXT, "'prompt_cache_breakpoint':{'mode':'explicit'}", ".TLTTLT..", NULL },
	{ CHAT_TEXT, "'x_unknown':1",                                ".RRRRRR..", NULL },
	{ CHAT_PART, ",{'type':'input_audio','input_audio':{'data':'zq7','format':'wav'}}", ".RTTTRR..", "input_audio" },
	{ CHAT_PART, ",{'type':'video_url','video_url':{'url':'x'}}", ".RRRRRR..", "video_url" },
	{ CHAT_URL, "'detail':'low'",                                ".LLLLTT..", NULL },
	{ CHAT_URL, "'x_unknown':1",                                 ".RRRRRR..", NULL },
	{ CHAT_FILE, "'filename':'zq7'",                             ".TLTTRT..", "file" },
	{ CHAT_FILE, "'file_id':'zq7'",                              ".RRRRRT..", "file" },
	{ CHAT_TOOL, "'cache_control':{'type':'ephemeral'}",         ".TLTTLL..", NULL },
	{ CHAT_TOOL, "'x_unknown':1",                                ".RRRRRR..", NULL },
	{ CHAT_CALL, "'description':'zq7'",                          ".TTTTTT..", NULL },
	{ CHAT_CALL, "'strict':true",                                ".TTTTTT..", NULL },
	{ CHAT_CALL, "'strict':false",                               ".EEEEEE..", NULL },
	{ CHAT_CALL, "'x_unknown':1",                                ".RRRRRR..", NULL },
	{ CHAT_DID, "'index':0",                                     ".EEEEEE..", NULL },
	{ CHAT_DID, "'extra_content':{'google':{'thought_signature':'zq7'}}", ".ETEEEE..", NULL },
	{ CHAT_DID, "'x_unknown':1",                                 ".RRRRRR..", NULL },
};

static const struct row messages_rows[] = {
	/*                                                            oagbncrmd */
	{ MESSAGES, "'system':'zq7'",                                "T.TTTTTTT", NULL },
	{ MESSAGES, "'system':[{'type':'text','text':'zq7'}]",       "T.TTTTTTT", NULL },
	{ MESSAGES, "'system':[{'type':'image'}]",                   "R.RRRRRRR", NULL },
	{ MESSAGES, "'stop_sequences':['zq7']",                      "T.TTTTRTT", "stop" },
	{ MESSAGES, "'temperature':0.4375",                          "T.TTTTTTT", NULL },
	{ MESSAGES, "'top_p':0.4375",                                "T.TTTTTTT", NULL },
	{ MESSAGES, "'top_k':7",                                     "L.TTTTLLL", NULL },
	{ MESSAGES, "'stream':true",                                 "T.EEETTTT", NULL },
	{ MESSAGES, "'tools':[{'name':'zq7','input_schema':{'type':'object'}}]", "T.TTTTTTT", NULL },
	{ MESSAGES, "'tools':[{'type':'web_search_20260318','name':'w'}]", "R.RRRRRRR", NULL },
	{ MESSAGES_TOOL, "'description':'zq7'",                      "T.TTTTTTT", NULL },
	{ MESSAGES_TOOL, "'strict':true",                            "T.TTTTTTT", NULL },
	{ MESSAGES_TOOL, "'cache_control':{'type':'ephemeral'}",     "L.LTTLLLL", NULL },
	{ MESSAGES_TOOL, "'input_examples':[{'a':1}]",               "L.LLLLLLL", NULL },
	{ MESSAGES_TOOL, "'eager_input_streaming':true",             "L.LLLLLLL", NULL },
	{ MESSAGES_TOOL, "'defer_loading':true",                     "R.RRRRRRR", NULL },
	{ MESSAGES_FN, "'tool_choice':{'type':'auto'}",              "T.TTTETTT", NULL },
	{ MESSAGES_FN, "'tool_choice':{'type':'any'}",               "T.TTTTTTT", NULL },
	{ MESSAGES_FN, "'tool_choice':{'type':'none'}",              "T.TTTTTTT", NULL },
	{ MESSAGES_FN, "'tool_choice':{'type':'tool','name':'g'}",   "T.TTTTTTT", NULL },
	{ MESSAGES_FN, "'tool_choice':{'type':'some'}",              "R.RRRRRRR", NULL },
	{ MESSAGES_FN, "'tool_choice':{'type':'auto','disable_parallel_tool_use':true}", "T.DRRLTTD", "parallel_tool_calls" },
	{ MESSAGES, "'thinking':{'type':'enabled','budget_tokens':4096}", "T.TTLTTTT", "reasoning_effort" },
	{ MESSAGES, "'thinking':{'type':'adaptive'}",                "E.EEEEEEE", NULL },
	{ MESSAGES, "'thinking':{'type':'disabled'}",                "T.TEETTTT", NULL },
	{ MESSAGES, "'thinking':{'type':'between_tools'}",           "R.RRRRRRR", NULL },
	{ MESSAGES, "'thinking':{'type':'adaptive','display':'omitted'}", "L.LLLLLLL", NULL },
	{ MESSAGES, "'output_config':{'effort':'high'}",             "T.TTLTTTT", "reasoning_effort" },
	{ MESSAGES, "'output_config':{'format':{'type':'json_schema','schema':"SCHEMA"}}", "T.TTTTTTD", "response_format" },
	{ MESSAGES, "'output_config':{'format':{'type':'grammar'}}", "R.RRRRRRR", NULL },
	{ MESSAGES, "'output_config':{'x_unknown':1}",               "R.RRRRRRR", "output_config.x_unknown" },
	{ MESSAGES, "'metadata':{'user_id':'zq7'}",                  "T.LLLLTLT", "user" },
	{ MESSAGES, "'metadata':{'x_unknown':1}",                    "R.RRRRRRR", "metadata.x_unknown" },
	{ MESSAGES, "'service_tier':'auto'",                         "T.EEELTTT", NULL },
	{ MESSAGES, "'service_tier':'standard_only'",                "T.TTTLTTT", NULL },
	{ MESSAGES, "'speed':'fast'",                                "T.TTTLTTT", "service_tier" },
	{ MESSAGES, "'speed':'standard'",                            "E.EEEEEEE", NULL },
	{ MESSAGES, "'speed':'slow'",                                "R.RRRRRRR", NULL },
	{ MESSAGES, "'inference_geo':'us'",                          "R.RRRRRRR", NULL },
	{ MESSAGES, "'inference_geo':'global'",                      "E.EEEEEEE", NULL },
	{ MESSAGES, "'cache_control':{'type':'ephemeral'}",          "L.LLLLLLL", NULL },
	{ MESSAGES, "'container':'c'",                               "R.RRRRRRR", NULL },
	{ MESSAGES, "'diagnostics':{'a':1}",                         "R.RRRRRRR", NULL },
	{ MESSAGES, "'context_management':{'edits':[{'a':1}]}",      "R.RRRRRRR", NULL },
	{ MESSAGES, "'mcp_servers':[{'url':'x'}]",                   "R.RRRRRRR", NULL },
	{ MESSAGES, "'fallbacks':['x']",                             "R.RRRRRRR", NULL },
	{ MESSAGES, "'compaction':{'a':1}",                          "R.RRRRRRR", NULL },
	{ MESSAGES, "'billing_policy':'x'",                          "R.RRRRRRR", NULL },
	{ MESSAGES, "'output_format':{'type':'json_schema'}",        "R.RRRRRRR", NULL },
	{ MESSAGES, "'anthropic_version':'2023-06-01'",              "E.EEEEEEE", NULL },
	{ MESSAGES, "'anthropic_beta':['x']",                        "L.LLLLLLL", NULL },
	{ MESSAGES_USER, "'x_unknown':1",                            "R.RRRRRRR", NULL },
	{ MESSAGES_TEXT, "'cache_control':{'type':'ephemeral'}",     "D.LTTDLDD", NULL },
	{ MESSAGES_TEXT, "'citations':[{'a':1}]",                    "L.LLLLLLL", NULL },
	{ MESSAGES_TEXT, "'x_unknown':1",                            "R.RRRRRRR", NULL },
	{ MESSAGES_IMG, "'cache_control':{'type':'ephemeral'}",      "L.LTTLLLL", NULL },
	{ MESSAGES_IMG, "'x_unknown':1",                             "R.RRRRRRR", NULL },
	{ MESSAGES_DOC, "'title':'zq7'",                             "T.LTTRTRT", "file" },
	{ MESSAGES_DOC, "'context':'x'",                             "R.RRRRRRR", NULL },
	{ MESSAGES_DOC, "'citations':{'enabled':true}",              "R.RRRRRRR", NULL },
	{ MESSAGES_DONE, "'is_error':true",                          "T.TTTTTTT", NULL },
	{ MESSAGES_DONE, "'cache_control':{'type':'ephemeral'}",     "L.LLLLLLL", NULL },
	{ MESSAGES_DONE, "'x_unknown':1",                            "R.RRRRRRR", NULL },
	{ MESSAGES_SAID, ",{'type':'tool_use','id':'i','name':'zq7','input':{}}", "T.TTTTTTT", NULL },
	{ MESSAGES_SAID, ",{'type':'server_tool_use','id':'i'}",     "R.RRRRRRR", "server_tool_use" },
	{ MESSAGES_SAID, ",{'type':'redacted_thinking','data':'zq7'}", "E.ETTEEEE", NULL },
	{ MESSAGES, "'x_unknown':1",                                 "R.RRRRRRR", NULL },
};

static const struct row responses_rows[] = {
	/*                                                            oagbncrmd */
	{ RESPONSES, "'instructions':'zq7'",                         "TTTTTT.TT", NULL },
	{ RESPONSES, "'max_output_tokens':77",                       "TTTTTT.TT", NULL },
	{ RESPONSES, "'max_tool_calls':3",                           "RRRRRR.RR", NULL },
	{ RESPONSES, "'temperature':0.4375",                         "TTTTTT.TT", NULL },
	{ RESPONSES, "'top_p':0.4375",                               "TTTTTT.TT", NULL },
	{ RESPONSES, "'top_logprobs':3",                             "TRTRRR.RR", "logprobs" },
	{ RESPONSES, "'include':['message.output_text.logprobs']",   "TRTRRR.RR", "logprobs" },
	{ RESPONSES, "'include':['reasoning.encrypted_content']",    "EEEEEE.EE", NULL },
	{ RESPONSES, "'include':['web_search_call.action.sources']", "RRRRRR.RR", NULL },
	{ RESPONSES, "'tools':[{'type':'function','name':'zq7'}]",   "TTTTTT.TT", NULL },
	{ RESPONSES, "'tools':[{'type':'web_search'}]",              "RRRRRR.RR", NULL },
	{ RESPONSES_TOOL, "'description':'zq7'",                     "TTTTTT.TT", NULL },
	{ RESPONSES_TOOL, "'strict':true",                           "TTTTTT.TT", NULL },
	{ RESPONSES_TOOL, "'x_unknown':1",                           "RRRRRR.RR", NULL },
	{ RESPONSES_FN, "'tool_choice':'required'",                  "TTTTTT.TT", NULL },
	{ RESPONSES_FN, "'tool_choice':{'type':'function','name':'g'}", "TTTTTT.TT", NULL },
	{ RESPONSES_FN, "'tool_choice':{'type':'allowed_tools','mode':'auto','tools':[{'type':'function','name':'g'}]}", "TTTTTT.TT", NULL },
	{ RESPONSES_FN, "'tool_choice':{'type':'web_search'}",       "RRRRRR.RR", NULL },
	{ RESPONSES_FN, "'parallel_tool_calls':false",               "TTLRRL.TL", NULL },
	{ RESPONSES, "'text':{'verbosity':'low'}",                   "TLLLLL.LL", "verbosity" },
	{ RESPONSES, "'text':{'format':{'type':'text'}}",            "EEEEEE.EE", NULL },
	{ RESPONSES, "'text':{'format':{'type':'json_object'}}",     "TTTTTT.TT", NULL },
	{ RESPONSES, "'text':{'format':{'type':'json_schema','name':'n','schema':"SCHEMA"}}", "TTTTTT.TD", "response_format" },
	{ RESPONSES, "'text':{'format':{'type':'grammar'}}",         "RRRRRR.RR", NULL },
	{ RESPONSES, "'text':{'x_unknown':1}",                       "RRRRRR.RR", "text.x_unknown" },
	{ RESPONSES, "'reasoning':{'effort':'high'}",                "TTTTLT.TT", "reasoning_effort" },
	{ RESPONSES, "'reasoning':{'summary':'auto'}",               "LLLLLL.LL", "reasoning.summary" },
	{ RESPONSES, "'reasoning':{'context':'x'}",                  "RRRRRR.RR", "reasoning.context" },
	{ RESPONSES, "'reasoning':{'mode':'x'}",                     "RRRRRR.RR", "reasoning.mode" },
	{ RESPONSES, "'store':false",                                "EEEEEE.EE", NULL },
	{ RESPONSES, "'store':true",                                 "RRRRRR.RR", NULL },
	{ RESPONSES, "'stream':true",                                "TTEEET.TT", NULL },
	{ RESPONSES, "'stream_options':{'include_obfuscation':true}", "EEEEEE.EE", NULL },
	{ RESPONSES, "'metadata':{'k':'zq7'}",                       "TLLTTL.TL", NULL },
	{ RESPONSES, "'service_tier':'flex'",                        "TLTTTL.TT", NULL },
	{ RESPONSES, "'service_tier':'ultrafast'",                   "TRRRRL.TT", NULL },
	{ RESPONSES, "'user':'zq7'",                                 "TTLLLL.LT", NULL },
	{ RESPONSES, "'safety_identifier':'zq7'",                    "TTLLLL.LL", NULL },
	{ RESPONSES, "'prompt_cache_key':'zq7'",                     "TLLLLL.TL", NULL },
	{ RESPONSES, "'prompt_cache_options':{'mode':'explicit'}",   "TLLLLL.LL", NULL },
	{ RESPONSES, "'prompt_cache_retention':'24h'",               "TLLLLL.LL", NULL },
	{ RESPONSES, "'truncation':'disabled'",                      "EEEEEE.EE", NULL },
	{ RESPONSES, "'truncation':'auto'",                          "RRRRRR.RR", NULL },
	{ RESPONSES, "'previous_response_id':'r'",                   "RRRRRR.RR", NULL },
	{ RESPONSES, "'conversation':'c'",                           "RRRRRR.RR", NULL },
	{ RESPONSES, "'prompt':{'id':'p'}",                          "RRRRRR.RR", NULL },
	{ RESPONSES, "'background':true",                            "RRRRRR.RR", NULL },
	{ RESPONSES, "'moderation':{'model':'x'}",                   "RRRRRR.RR", NULL },
	{ RESPONSES, "'context_management':[{'type':'compaction'}]", "RRRRRR.RR", NULL },
	{ RESPONSES, "'x_unknown':1",                                "RRRRRR.RR", NULL },
	{ RESPONSES_ITEM, "'id':'i','status':'completed','phase':'final_answer'", "EEEEEE.EE", NULL },
	{ RESPONSES_ITEM, "'x_unknown':1",                           "RRRRRR.RR", NULL },
	{ RESPONSES_TEXT, "'prompt_cache_breakpoint':{'mode':'explicit'}", "TTLTTD.DT", NULL },
	{ RESPONSES_TEXT, "'annotations':[{'type':'x'}],'logprobs':[{'a':1}]", "EEEEEE.EE", NULL },
	{ RESPONSES_TEXT, "'x_unknown':1",                           "RRRRRR.RR", NULL },
	{ RESPONSES_IMG, "'detail':'low'",                           "TLLLLT.TT", NULL },
	{ RESPONSES_FILE, "'filename':'zq7'",                        "TTLTTR.RT", "file" },
};

static const struct row gemini_rows[] = {
	/*                                                            oagbncrmd */
	{ GEMINI, "'systemInstruction':{'parts':[{'text':'zq7'}]}",  "TT.TTTTTT", NULL },
	{ GEMINI, "'system_instruction':{'parts':[{'text':'zq7'}]}", "TT.TTTTTT", NULL },
	{ GEMINI, "'generation_config':{'stop_sequences':['zq7']}",  "TT.TTTRTT", "stop" },
	{ GEMINI_CONFIG, "'temperature':0.4375",                     "TT.TTTTTT", NULL },
	{ GEMINI_CONFIG, "'topP':0.4375",                            "TT.TTTTTT", NULL },
	{ GEMINI_CONFIG, "'topK':7",                                 "LT.TTTLLL", "top_k" },
	{ GEMINI_CONFIG, "'candidateCount':2",                       "TR.RRRRTR", "n" },
	{ GEMINI_CONFIG, "'stopSequences':['zq7']",                  "TT.TTTRTT", "stop" },
	{ GEMINI_CONFIG, "'seed':7",                                 "TL.LLTRTL", NULL },
	{ GEMINI_CONFIG, "'presencePenalty':0.4375",                 "TL.LLTRTT", "presence_penalty" },
	{ GEMINI_CONFIG, "'frequencyPenalty':0.4375",                "TL.LLTRTT", "frequency_penalty" },
	{ GEMINI_CONFIG, "'responseLogprobs':true,'logprobs':3",     "TR.RRRTRR", "logprobs" },
	{ GEMINI_CONFIG, "'responseMimeType':'application/json'",    "TT.TTTTTT", NULL },
	{ GEMINI_CONFIG, "'responseMimeType':'text/x.enum'",         "RR.RRRRRR", NULL },
	{ GEMINI_CONFIG, "'responseMimeType':'application/json','responseSchema':"SCHEMA, "TT.TTTTTD", "response_format" },
	{ GEMINI_CONFIG, "'responseMimeType':'application/json','responseJsonSchema':"SCHEMA, "TT.TTTTTD", "response_format" },
	{ GEMINI_CONFIG, "'responseSchema':"SCHEMA,                  "RR.RRRRRR", NULL },
	{ GEMINI_CONFIG, "'responseModalities':['TEXT']",            "EE.EEEEEE", NULL },
	{ GEMINI_CONFIG, "'responseModalities':['IMAGE']",           "RR.RRRRRR", NULL },
	{ GEMINI_CONFIG, "'thinkingConfig':{'thinkingLevel':'HIGH'}", "TT.TLTTTT", "reasoning_effort" },
	{ GEMINI_CONFIG, "'thinkingConfig':{'thinkingBudget':4096}", "TT.TLTTTT", "reasoning_effort" },
	{ GEMINI_CONFIG, "'thinkingConfig':{'includeThoughts':true}", "EE.EEEEEE", NULL },
	{ GEMINI_CONFIG, "'thinkingConfig':{'x_unknown':1}",         "RR.RRRRRR", "xUnknown" },
	{ GEMINI_CONFIG, "'mediaResolution':'MEDIA_RESOLUTION_LOW'", "RR.RRRRRR", NULL },
	{ GEMINI_CONFIG, "'speechConfig':{'voiceConfig':{'a':1}}",   "RR.RRRRRR", NULL },
	{ GEMINI_CONFIG, "'imageConfig':{'aspectRatio':'1:1'}",      "RR.RRRRRR", NULL },
	{ GEMINI, "'tools':[{'functionDeclarations':[{'name':'zq7'}]}]", "TT.TTTTTT", NULL },
	{ GEMINI, "'tools':[{'googleSearch':{}}]",                   "RR.RRRRRR", "googleSearch" },
	{ GEMINI_TOOL, "'description':'zq7'",                        "TT.TTTTTT", NULL },
	{ GEMINI_TOOL, "'parameters':"SCHEMA,                        "TT.TTTTTT", NULL },
	{ GEMINI_TOOL, "'parametersJsonSchema':"SCHEMA,              "TT.TTTTTT", NULL },
	{ GEMINI_TOOL, "'response':{'type':'OBJECT'}",               "LL.LLLLLL", NULL },
	{ GEMINI_TOOL, "'behavior':'BLOCKING'",                      "EE.EEEEEE", NULL },
	{ GEMINI_TOOL, "'behavior':'NON_BLOCKING'",                  "RR.RRRRRR", NULL },
	{ GEMINI_FN, "'toolConfig':{'functionCallingConfig':{'mode':'ANY'}}", "TT.TTTTTT", NULL },
	{ GEMINI_FN, "'toolConfig':{'functionCallingConfig':{'mode':'NONE'}}", "TT.TTTTTT", NULL },
	{ GEMINI_FN, "'toolConfig':{'functionCallingConfig':{'mode':'ANY','allowedFunctionNames':['g']}}", "TT.TTTTTT", NULL },
	{ GEMINI_FN, "'toolConfig':{'retrievalConfig':{'languageCode':'de'}}", "RR.RRRRRR", "retrievalConfig" },
	{ GEMINI, "'safetySettings':[{'category':'X','threshold':'BLOCK_NONE'}]", "LL.LLLLLL", NULL },
	{ GEMINI, "'safetySettings':[{'category':'X','threshold':'BLOCK_LOW_AND_ABOVE'}]", "RR.RRRRRR", NULL },
	{ GEMINI, "'labels':{'k':'zq7'}",                            "TL.TTLTTL", "metadata" },
	{ GEMINI, "'serviceTier':'flex'",                            "TL.TTLTTT", "service_tier" },
	{ GEMINI, "'cachedContent':'cachedContents/x'",              "RR.RRRRRR", NULL },
	{ GEMINI, "'continuationToken':'x'",                         "RR.RRRRRR", NULL },
	{ GEMINI, "'store':true",                                    "RR.RRRRRR", NULL },
	{ GEMINI, "'x_unknown':1",                                   "RR.RRRRRR", "xUnknown" },
	{ GEMINI_TURN, "'x_unknown':1",                              "RR.RRRRRR", "xUnknown" },
	{ GEMINI_PART, "'thoughtSignature':'x'",                     "EE.EEEEEE", NULL },
	{ GEMINI_PART, "'videoMetadata':{'fps':1}",                  "RR.RRRRRR", NULL },
	{ GEMINI_PART, "'mediaResolution':{'level':'x'}",            "RR.RRRRRR", NULL },
	{ GEMINI_INLINE, "'displayName':'x'",                        "LL.LLLLLL", NULL },
	{ GEMINI_INLINE, "'x_unknown':1",                            "RR.RRRRRR", "xUnknown" },
	{ GEMINI_DONE, "'parts':[{'inlineData':{'mimeType':'image/png','data':'x'}}]", "RR.RRRRRR", NULL },
	{ GEMINI_DONE, "'willContinue':true",                        "RR.RRRRRR", NULL },
};

static const struct row completion_rows[] = {
	/*                                                            oagbncrmd */
	{ COMPLETION, "'temperature':0.4375",                        "TTTTTTTTT", NULL },
	{ COMPLETION, "'top_p':0.4375",                              "TTTTTTTTT", NULL },
	{ COMPLETION, "'n':2",                                       "TRTRRRRTR", NULL },
	{ COMPLETION, "'stop':['zq7']",                              "TTTTTTRTT", NULL },
	{ COMPLETION, "'presence_penalty':0.4375",                   "TLTLLTRTT", NULL },
	{ COMPLETION, "'frequency_penalty':0.4375",                  "TLTLLTRTT", NULL },
	{ COMPLETION, "'seed':7",                                    "TLTLLTRTL", NULL },
	{ COMPLETION, "'logit_bias':{'5':1}",                        "TLLLLLRLL", NULL },
	{ COMPLETION, "'user':'zq7'",                                "TTLLLLTLT", NULL },
	{ COMPLETION, "'stream':true",                               "TTEEETTTT", NULL },
	{ COMPLETION, "'stream_options':{'include_usage':true}",     "EEEEEEEEE", NULL },
	{ COMPLETION, "'echo':true",                                 "RRRRRRRRR", NULL },
	{ COMPLETION, "'suffix':'x'",                                "RRRRRRRRR", NULL },
	{ COMPLETION, "'best_of':2",                                 "RRRRRRRRR", NULL },
	{ COMPLETION, "'logprobs':1",                                "RRRRRRRRR", NULL },
	{ COMPLETION, "'x_unknown':1",                               "RRRRRRRRR", NULL },
};

/* ---- running ----------------------------------------------------------------------------- */

struct built {
	int rc;
	char error[256];
	struct json_object *body; /* owned */
	char *text;               /* owned */
};

static void
built_free(struct built *b)
{
	json_object_put(b->body);
	free(b->text);
}

/* The frame with what is added in its place. */
static void
insert(const char *frame, const char *comma, const char *member, char *out, size_t cap)
{
	const char *at = strstr(frame, "%s");

	snprintf(out, cap, "%.*s%s%s%s", (int)(at - frame), frame, comma, member, at + 2);
}

static uint32_t model_flags; /* of all targets */

static struct built
build(const struct ag_protocol *client, const char *frame, const char *member, const struct target *t, bool is_strict)
{
	bool has_comma = *member && *member != ',' && !strstr(frame, "{%s");
	struct json_object *in, *chat = NULL;
	char text[2048];
	struct built b = { 0 };
	struct ag_err err = { "" };
	struct ag_buf out;

	insert(frame, has_comma ? "," : "", member, text, sizeof(text));
	in = fixture_json(text);
	if (!in) {
		printf("Bail out! no JSON: %s\n", text);
		exit(1);
	}
	ag_buf_init(&out, 1 << 20);
	b.rc = client->parse(&(struct ag_parse_in){ .body = ag_str(json_object_to_json_string(in)), .is_strict = is_strict },
	    &chat, &err);
	if (b.rc == 0) {
		struct json_object *limit = NULL, *stream = NULL;
		struct ag_build_in bi = { .chat = chat, .family = ag_provider_find(ag_str(t->family)), .model = ag_str(t->model),
			.model_flags = model_flags, .limit = LIMIT, .is_strict = is_strict };

		if (json_object_object_get_ex(chat, "max_completion_tokens", &limit))
			bi.limit = (uint64_t)json_object_get_int64(limit);
		if (json_object_object_get_ex(chat, "stream", &stream))
			bi.is_stream = json_object_get_boolean(stream);
		b.rc = t->protocol->build(&bi, &out, &err);
	}
	ag_buf_putc(&out, '\0');
	b.text = strdup(b.rc == 0 ? out.p : "");
	b.body = b.rc == 0 ? json_tokener_parse(out.p) : NULL;
	snprintf(b.error, sizeof(b.error), "%s", err.text);
	ag_buf_fini(&out);
	json_object_put(chat);
	json_object_put(in);
	return b;
}

/* "'top_k':7" -> "top_k" */
static const char *
name_of(const struct row *r, char *out, size_t cap)
{
	const char *from = strchr(r->member, '\'');

	if (r->name || !from)
		return r->name ? r->name : "";
	snprintf(out, cap, "%.*s", (int)strcspn(from + 1, "'"), from + 1);
	return out;
}

static bool
is_refused(const struct built *b, const char *name)
{
	return b->rc < 0 && strstr(b->error, name);
}

static bool
is_as_told(char fate, const struct row *r, const struct built *without, const struct built *with, const struct built *strict)
{
	bool is_same = with->body && json_object_equal(without->body, with->body);
	bool has_mark = !strstr(r->member, MARK) || strstr(with->text, MARK);
	char name[64];

	if (!without->body)
		return fate == 'R' && is_refused(with, name_of(r, name, sizeof(name)));
	switch (fate) {
	case 'T':
		return with->body && !is_same && has_mark && strict->rc == 0;
	case 'L':
		return is_same && is_refused(strict, name_of(r, name, sizeof(name)));
	case 'D':
		return with->body && !is_same && is_refused(strict, name_of(r, name, sizeof(name)));
	case 'R':
		return is_refused(with, name_of(r, name, sizeof(name))) && strict->rc < 0;
	case 'E':
		return is_same && strict->rc == 0;
	}
	return false;
}

static void
check(const struct ag_protocol *client, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char wrong[sizeof(COLUMNS)] = "", note[512] = "";

		for (size_t t = 0; t < AG_ARRAY_LEN(targets); t++) {
			struct built without, with, strict;

			if (rows[i].fates[t] == '.')
				continue;
			without = build(client, rows[i].frame, "", &targets[t], false);
			with = build(client, rows[i].frame, rows[i].member, &targets[t], false);
			strict = build(client, rows[i].frame, rows[i].member, &targets[t], true);
			if (!is_as_told(rows[i].fates[t], &rows[i], &without, &with, &strict)) {
				wrong[strlen(wrong)] = targets[t].letter;
				snprintf(note, sizeof(note), "%c: \"%.180s\" %.180s; strict \"%.100s\"", targets[t].letter, with.error,
				    with.text, strict.error);
			}
			built_free(&without);
			built_free(&with);
			built_free(&strict);
		}
		if (!ok(!*wrong && strlen(rows[i].fates) == AG_ARRAY_LEN(targets), "%s: %s", client->name, rows[i].member))
			printf("# not as told for %s; %s\n", wrong, note);
	}
}

/* ---- whole bodies ------------------------------------------------------------------------ */

static int
exchange(const struct ag_exchange *x, const char *family, const char *body, bool is_strict, char *out, size_t cap)
{
	struct json_object *in = fixture_json(body);
	struct ag_exchange_in ex = { .body = ag_str(json_object_to_json_string(in)), .model = AG_STR("e"),
		.family = ag_provider_find(ag_str(family)), .is_strict = is_strict };
	struct ag_err err = { "" };
	struct ag_buf b;
	int rc;

	ag_buf_init(&b, 1 << 20);
	rc = x->build(&ex, &b, &err);
	(void)ag_str_copy(rc < 0 ? ag_str(err.text) : ag_buf_str(&b), out, cap);
	ag_buf_fini(&b);
	json_object_put(in);
	return rc;
}

static const struct {
	const struct ag_exchange *x;
	const char *family, *frame, *member;
	char fate;
} exchange_rows[] = {
#define EMBED "{'model':'m','input':['hi']%s}"
#define RANK  "{'model':'m','query':'q','documents':['hi']%s}"
	{ &ag_exchange_cohere_embed, "cohere", EMBED, "'dimensions':77", 'T' },
	{ &ag_exchange_cohere_embed, "cohere", EMBED, "'input_type':'zq7'", 'T' },
	{ &ag_exchange_cohere_embed, "cohere", EMBED, "'truncate':'END'", 'T' },
	{ &ag_exchange_cohere_embed, "cohere", EMBED, "'encoding_format':'base64'", 'E' },
	{ &ag_exchange_cohere_embed, "cohere", EMBED, "'encoding_format':'int8'", 'R' },
	{ &ag_exchange_cohere_embed, "cohere", EMBED, "'user':'u'", 'L' },
	{ &ag_exchange_cohere_embed, "cohere", EMBED, "'task_type':'x'", 'R' },
	{ &ag_exchange_cohere_embed, "cohere", EMBED, "'x_unknown':1", 'R' },
	{ &ag_exchange_gemini_embed, "google", EMBED, "'dimensions':77", 'T' },
	{ &ag_exchange_gemini_embed, "google", EMBED, "'task_type':'zq7'", 'T' },
	{ &ag_exchange_gemini_embed, "google", EMBED, "'encoding_format':'base64'", 'E' },
	{ &ag_exchange_gemini_embed, "google", EMBED, "'encoding_format':'int8'", 'R' },
	{ &ag_exchange_gemini_embed, "google", EMBED, "'user':'u'", 'L' },
	{ &ag_exchange_gemini_embed, "google", EMBED, "'input_type':'x'", 'R' },
	{ &ag_exchange_gemini_embed, "google", EMBED, "'x_unknown':1", 'R' },
	{ &ag_exchange_gemini_embed_one, "vertex-ai", EMBED, "'dimensions':77", 'T' },
	{ &ag_exchange_gemini_embed_one, "vertex-ai", EMBED, "'task_type':'zq7'", 'T' },
	{ &ag_exchange_gemini_embed_one, "vertex-ai", EMBED, "'user':'u'", 'L' },
	{ &ag_exchange_gemini_embed_one, "vertex-ai", EMBED, "'x_unknown':1", 'R' },
	{ &ag_exchange_vertex_embed, "vertex-ai", EMBED, "'dimensions':77", 'T' },
	{ &ag_exchange_vertex_embed, "vertex-ai", EMBED, "'task_type':'zq7'", 'T' },
	{ &ag_exchange_vertex_embed, "vertex-ai", EMBED, "'title':'zq7'", 'T' },
	{ &ag_exchange_vertex_embed, "vertex-ai", EMBED, "'auto_truncate':true", 'T' },
	{ &ag_exchange_vertex_embed, "vertex-ai", EMBED, "'encoding_format':'int8'", 'R' },
	{ &ag_exchange_vertex_embed, "vertex-ai", EMBED, "'user':'u'", 'L' },
	{ &ag_exchange_vertex_embed, "vertex-ai", EMBED, "'x_unknown':1", 'R' },
	{ &ag_exchange_titan_embed, "bedrock", EMBED, "'dimensions':77", 'T' },
	{ &ag_exchange_titan_embed, "bedrock", EMBED, "'normalize':true", 'T' },
	{ &ag_exchange_titan_embed, "bedrock", EMBED, "'user':'u'", 'L' },
	{ &ag_exchange_titan_embed, "bedrock", EMBED, "'x_unknown':1", 'R' },
	{ &ag_exchange_invoke_cohere_embed, "bedrock", EMBED, "'dimensions':77", 'T' },
	{ &ag_exchange_invoke_cohere_embed, "bedrock", EMBED, "'input_type':'zq7'", 'T' },
	{ &ag_exchange_invoke_cohere_embed, "bedrock", EMBED, "'truncate':'END'", 'T' },
	{ &ag_exchange_invoke_cohere_embed, "bedrock", EMBED, "'x_unknown':1", 'R' },
	{ &ag_exchange_cohere_rerank, "cohere", RANK, "'top_n':1", 'T' },
	{ &ag_exchange_cohere_rerank, "cohere", RANK, "'max_tokens_per_doc':77", 'T' },
	{ &ag_exchange_cohere_rerank, "cohere", RANK, "'return_documents':false", 'E' },
	{ &ag_exchange_cohere_rerank, "cohere", RANK, "'return_documents':true", 'R' },
	{ &ag_exchange_cohere_rerank, "cohere", RANK, "'rank_fields':['a']", 'R' },
	{ &ag_exchange_cohere_rerank, "cohere", RANK, "'x_unknown':1", 'R' },
};

static void
check_exchanges(void)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(exchange_rows); i++) {
		char text[512], without[2048], with[2048], strict[2048];
		struct row row = { .member = exchange_rows[i].member };
		char fate = exchange_rows[i].fate, name[64];
		bool is_good, is_same;
		int rc, rc_strict;

		insert(exchange_rows[i].frame, "", "", text, sizeof(text));
		rc = exchange(exchange_rows[i].x, exchange_rows[i].family, text, false, without, sizeof(without));
		is_good = rc == 0;
		insert(exchange_rows[i].frame, ",", row.member, text, sizeof(text));
		rc = exchange(exchange_rows[i].x, exchange_rows[i].family, text, false, with, sizeof(with));
		rc_strict = exchange(exchange_rows[i].x, exchange_rows[i].family, text, true, strict, sizeof(strict));
		is_same = strcmp(with, without) == 0;
		(void)name_of(&row, name, sizeof(name));
		if (fate == 'T')
			is_good &= rc == 0 && !is_same && rc_strict == 0 && (!strstr(row.member, MARK) || strstr(with, MARK));
		else if (fate == 'R')
			is_good &= rc < 0 && strstr(with, name);
		else
			is_good &= is_same && (fate == 'E' ? rc_strict == 0 : rc_strict < 0 && strstr(strict, name));
		if (!ok(is_good, "%s: %s", exchange_rows[i].family, row.member))
			printf("# %s; strict %s\n", with, strict);
	}
}

/* A model that the catalogue says takes none is sent none, by whatever protocol. */
static const struct row sampling_rows[] = {
	/*                                                            oagbncrmd */
	{ MESSAGES, "'temperature':0.4375",                          "L.LLLLLLL", NULL },
	{ MESSAGES, "'top_p':0.4375",                                "L.LLLLLLL", NULL },
	{ MESSAGES, "'top_k':7",                                     "L.LLLLLLL", NULL },
};
static const struct row sampling_chat_rows[] = {
	{ CHAT, "'temperature':0.4375",                              ".LLLLLL..", NULL },
	{ CHAT, "'top_p':0.4375",                                    ".LLLLLL..", NULL },
	{ CHAT, "'top_k':7",                                         ".LLLLLL..", NULL },
};

/* Pictures, sound and the like go as they are to who has them, and to nobody else. */
static void
what_is_not_translated_passes_or_is_not_served(void)
{
	static const enum ag_endpoint endpoints[] = { AG_EP_IMAGE, AG_EP_IMAGE_EDIT, AG_EP_IMAGE_VARIATION, AG_EP_SPEECH,
		AG_EP_TRANSCRIPTION, AG_EP_TRANSLATION, AG_EP_MODERATION, AG_EP_COUNT_TOKENS, AG_EP_GENERATE_COUNT };
	bool is_good = true;

	for (uint32_t i = 0; ag_provider_at(i); i++)
		for (size_t k = 0; k < AG_ARRAY_LEN(endpoints); k++) {
			const struct ag_provider_path *path = ag_provider_serve(ag_provider_at(i), endpoints[k], AG_STR("m"));

			is_good &= !path || path->endpoint == endpoints[k];
		}
	ok(is_good, "what nobody translates goes as it is, or not at all");
}

int
main(void)
{
	check(&ag_protocol_openai, chat_rows, AG_ARRAY_LEN(chat_rows));
	check(&ag_protocol_anthropic, messages_rows, AG_ARRAY_LEN(messages_rows));
	check(&ag_protocol_responses, responses_rows, AG_ARRAY_LEN(responses_rows));
	check(&ag_protocol_gemini, gemini_rows, AG_ARRAY_LEN(gemini_rows));
	check(&ag_protocol_completion, completion_rows, AG_ARRAY_LEN(completion_rows));
	model_flags = AG_MF_NO_SAMPLING;
	check(&ag_protocol_anthropic, sampling_rows, AG_ARRAY_LEN(sampling_rows));
	check(&ag_protocol_openai, sampling_chat_rows, AG_ARRAY_LEN(sampling_chat_rows));
	check_exchanges();
	what_is_not_translated_passes_or_is_not_served();
	return done();
}
