/* test_endpoints.c - where a request goes: templates, deployments, kin; and what its bytes do not bound. */
#include <errno.h>

#include "policy/media.h"
#include "policy/tools.h"
#include "provider/provider.h"
#include "tap.h"

static void
expands(const char *family, const char *tmpl, const char *config, const char *model, const char *rest,
    const char *want, const char *text)
{
	struct ag_err err = { "" };
	char got[512];
	struct ag_buf b;
	int rc;

	ag_buf_init(&b, 512);
	rc = ag_provider_expand(ag_provider_find(ag_str(family)), tmpl, ag_str(config), ag_str(model), ag_str(rest), &b, &err);
	snprintf(got, sizeof(got), "%.*s", rc < 0 ? (int)strlen(err.text) : (int)b.n, rc < 0 ? err.text : b.p);
	is_str(got, want, text);
	ag_buf_fini(&b);
}

#define AZ "{\"azure_resource_name\":\"acme\",\"azure_deployment_config\":[" \
	"{\"azure_deployment_name\":\"d1\",\"azure_api_version\":\"v1\",\"azure_model_slug\":\"gpt-4o\"}," \
	"{\"alias\":\"fast\",\"azure_deployment_name\":\"d2\",\"azure_api_version\":\"v2\",\"azure_model_slug\":\"gpt-4o-mini\",\"is_default\":true}]}"

static void
a_path_is_filled_in_and_never_left(void)
{
	expands("openai", "/a/{model}:go", "", "x/y:1 z", "", "/a/x%2Fy%3A1%20z:go", "a model is one segment");
	expands("openai", "/a/{model}", "", "..", "", "model is not a model's name", "and never the one above");
	expands("openai", "{rest}", "", "", "/files?x=1", "/files?x=1", "the rest is as it came");
	expands("openai", "https://{host_part}.x", "{\"host_part\":\"eu-1\"}", "", "", "https://eu-1.x", "a setting");
	expands("openai", "https://{host_part}.x", "{\"host_part\":\"evil.com/#\"}", "", "",
	    "configurations.host_part cannot be part of an address", "that cannot move the host");
	expands("openai", "https://{host_part}.x", "{}", "", "", "configurations.host_part is not set", "and must be there");
	expands("azure-openai", "/{deployment}?v={api_version}", AZ, "fast", "", "/d2?v=v2", "a deployment by its alias");
	expands("azure-openai", "/{deployment}", AZ, "gpt-4o", "", "/d1", "by its model");
	expands("azure-openai", "/{deployment}", AZ, "other", "", "/d2", "the default");
	expands("azure-openai", "/{deployment}", "{\"azure_deployment_config\":[]}", "other", "", "deployment is not set", "or none");
	ok(ag_str_eq(ag_azure_priced_as(AG_STR(AZ), AG_STR("fast")), AG_STR("gpt-4o-mini")), "it is priced as its model");
}

static void
what_is_not_served_is_served_by_kin(void)
{
	const struct ag_provider *claude = ag_provider_find(AG_STR("anthropic")), *openai = ag_provider_find(AG_STR("openai"));

	is_i64(ag_provider_serve(claude, AG_EP_CHAT, AG_STR("m"))->endpoint, AG_EP_MESSAGES, "a chat by messages");
	is_i64(ag_provider_serve(openai, AG_EP_MESSAGES, AG_STR("m"))->endpoint, AG_EP_CHAT, "messages by a chat");
	is_i64(ag_provider_serve(openai, AG_EP_RESPONSES, AG_STR("m"))->endpoint, AG_EP_RESPONSES, "what it has itself by that");
	ok(!ag_provider_serve(claude, AG_EP_EMBEDDING, AG_STR("m")) && !ag_provider_serve(openai, AG_EP_COUNT_TOKENS, AG_STR("m")), "and nothing by strangers");
}

#define IMG AG_MEDIA_IMAGE_TOKENS
#define UNK AG_MEDIA_UNKNOWN_TOKENS

static void
what_bytes_do_not_bound_is_counted(void)
{
	is_i64((int64_t)ag_media_messages(AG_STR("[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
	    "{\"type\":\"tool_use\",\"input\":{\"type\":\"image\"}},{\"type\":\"thinking\"}]}]")), 0, "text and tools by their bytes");
	is_i64((int64_t)ag_media_messages(AG_STR("[{\"content\":[{\"type\":\"image\"},{\"type\":\"document\"},"
	    "{\"type\":\"tool_result\",\"content\":[{\"type\":\"image\"}]}]}]")), 2 * IMG + UNK, "images, documents, images in results");
	is_i64((int64_t)ag_media_messages(AG_STR("[{\"content\":[{\"type\":\"text\",\"type\":\"image\"}]}]")), UNK, "two types are the worst");
	is_i64((int64_t)ag_media_items(AG_STR("\"hello\"")), 0, "an input that is text");
	is_i64((int64_t)ag_media_items(AG_STR("[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\"},{\"type\":\"input_text\"}]},"
	    "{\"type\":\"function_call_output\",\"output\":\"x\"},{\"type\":\"item_reference\"}]")), IMG + UNK, "items");
	is_i64((int64_t)ag_media_contents(AG_STR("[{\"parts\":[{\"text\":\"x\"},{\"inlineData\":{\"mimeType\":\"image/png\"}},"
	    "{\"file_data\":{\"mime_type\":\"video/mp4\"}}]}]")), IMG + UNK, "parts in both spellings");
	is_i64((int64_t)ag_media_contents(AG_STR("[{\"parts\":[{\"functionResponse\":{\"response\":{}}},"
	    "{\"function_response\":{\"parts\":[]}}]}]")), UNK, "what a function returned beside its text");
}

static struct ag_tools
tools_of(void (*read)(struct ag_str, struct ag_tools *), const char *tools)
{
	struct ag_tools t;

	read(ag_str(tools), &t);
	return t;
}

static void
tools_that_a_provider_runs_are_known(void)
{
	struct ag_tools t = tools_of(ag_tools_anthropic, "[{\"name\":\"f\"},{\"type\":\"custom\"},{\"type\":\"bash_20250124\"}]");

	ok(!t.is_run && t.fee.n == 0, "the client's own");
	t = tools_of(ag_tools_anthropic, "[{\"type\":\"web_search_20260318\",\"max_uses\":3},{\"type\":\"web_fetch_1\"}]");
	ok(t.is_run && t.is_searching && t.uses == 3 && t.n_unlimited == 1 && t.n_open == 1, "a search and a fetch");
	is_i64((int64_t)t.open[0], 46, "which can be given a limit");
	t = tools_of(ag_tools_anthropic, "[{\"type\":\"mcp_toolset\",\"max_uses\":3}]");
	ok(t.is_run && t.n_unlimited == 1 && t.n_open == 0, "one that knows no limit");
	t = tools_of(ag_tools_anthropic, "[{\"type\":\"code_execution_1\"}]");
	ok(t.is_run && ag_str_eq(t.fee, AG_STR("code_execution_1")), "a fee that no answer tells");
	t = tools_of(ag_tools_anthropic, "[{\"type\":\"web_search_1\",\"max_uses\":1e99}]");
	ok(t.n_unlimited == 1 && t.n_open == 0, "a limit that is no number is none");
	t = tools_of(ag_tools_responses, "[{\"type\":\"function\"},{\"type\":\"apply_patch\"}]");
	ok(!t.is_run, "the client's own, of OpenAI");
	t = tools_of(ag_tools_responses, "[{\"type\":\"web_search\"},{\"type\":\"mcp\"}]");
	ok(t.is_run && t.is_searching && t.fee.n == 0, "a search");
	t = tools_of(ag_tools_responses, "[{\"type\":\"file_search\"}]");
	ok(t.is_run && !t.is_searching && t.fee.n > 0, "files for a fee");
	ok(tools_of(ag_tools_responses, "[{}]").fee.n > 0, "no kind is any");
	ok(tools_of(ag_tools_responses, "[7]").fee.n > 0, "so is no object");
	ok(!tools_of(ag_tools_gemini, "[{\"functionDeclarations\":[]}]").is_run, "the client's own, of Google");
	ok(tools_of(ag_tools_gemini, "[{\"googleSearch\":{}}]").is_searching, "its search");
	ok(tools_of(ag_tools_gemini, "{\"google_search\":{}}").is_searching, "without its array");
	ok(tools_of(ag_tools_gemini, "[{\"googleMaps\":{}}]").fee.n > 0, "maps for a fee");
	ok(!tools_of(ag_tools_gemini, "{\"function_declarations\":[]}").is_run, "one declaration without its array");
}

int
main(void)
{
	a_path_is_filled_in_and_never_left();
	what_is_not_served_is_served_by_kin();
	what_bytes_do_not_bound_is_counted();
	tools_that_a_provider_runs_are_known();
	return done();
}
