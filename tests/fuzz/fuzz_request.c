/* Whatever a client says: its request is refused with a sentence, or becomes a body that is JSON, the same
 * each time it is built, with the chat left as it was; and what an exchange makes of an answer does no harm.
 * First byte: who speaks; second: to whom, and how strictly.  The rest: the body. */
#include <json-c/json.h>
#include <string.h>

#include "base/attr.h"
#include "fuzz.h"
#include "translate/protocol.h"

#define OUT_MAX ((size_t)1 << 22)

static const struct ag_protocol *const clients[] = { &ag_protocol_openai, &ag_protocol_anthropic, &ag_protocol_gemini,
	&ag_protocol_responses, &ag_protocol_completion };

static const struct { const char *family, *model; const struct ag_protocol *protocol; } targets[] = {
	{ "openai", "gpt-x", &ag_protocol_openai },
	{ "mistral-ai", "mistral-large", &ag_protocol_openai },
	{ "deepseek", "deepseek-chat", &ag_protocol_openai },
	{ "openai", "gpt-x-pro", &ag_protocol_responses },
	{ "anthropic", "claude-haiku-4-5", &ag_protocol_anthropic },
	{ "anthropic", "claude-opus-5-5", &ag_protocol_anthropic },
	{ "vertex-ai", "claude-sonnet-5", &ag_protocol_anthropic },
	{ "google", "gemini-2.5-flash", &ag_protocol_gemini },
	{ "vertex-ai", "gemini-3-pro", &ag_protocol_gemini },
	{ "bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", &ag_protocol_converse },
	{ "bedrock", "us.amazon.nova-2-lite-v1:0", &ag_protocol_converse },
	{ "bedrock", "openai.gpt-oss-120b-1:0", &ag_protocol_converse },
	{ "cohere", "command-a", &ag_protocol_cohere },
};

static const struct { const struct ag_exchange *x; const char *family; } exchanges[] = {
	{ &ag_exchange_cohere_embed, "cohere" }, { &ag_exchange_cohere_rerank, "cohere" },
	{ &ag_exchange_gemini_embed, "google" }, { &ag_exchange_gemini_embed_one, "vertex-ai" },
	{ &ag_exchange_vertex_embed, "vertex-ai" }, { &ag_exchange_titan_embed, "bedrock" },
	{ &ag_exchange_invoke_cohere_embed, "bedrock" },
};

static void
must_be_json(const struct ag_buf *b)
{
	struct json_tokener *t = json_tokener_new_ex(128);
	struct json_object *o = json_tokener_parse_ex(t, b->p, (int)b->n);

	must(json_tokener_get_error(t) == json_tokener_success);
	must(json_object_is_type(o, json_type_object));
	json_object_put(o);
	json_tokener_free(t);
}

static void
build_all(struct json_object *chat, bool is_strict)
{
	char *before = strdup(json_object_to_json_string(chat));

	must(before != NULL);
	for (size_t i = 0; i < AG_ARRAY_LEN(targets); i++) {
		struct ag_build_in in = { .chat = chat, .family = ag_provider_find(ag_str(targets[i].family)),
			.model = ag_str(targets[i].model), .limit = 3000, .is_strict = is_strict, .is_stream = i % 2 == 0 };
		struct ag_err err = { "" };
		struct ag_buf one, two;
		int rc;

		ag_buf_init(&one, OUT_MAX);
		ag_buf_init(&two, OUT_MAX);
		rc = targets[i].protocol->build(&in, &one, &err);
		must(rc == 0 || err.text[0]);
		must(rc == targets[i].protocol->build(&in, &two, &err));
		if (rc == 0) {
			must(ag_str_eq(ag_buf_str(&one), ag_buf_str(&two)));
			must_be_json(&one);
		}
		if (targets[i].protocol->thinking)
			(void)targets[i].protocol->thinking(&in);
		ag_buf_fini(&one);
		ag_buf_fini(&two);
	}
	must(strcmp(before, json_object_to_json_string(chat)) == 0);
	free(before);
}

static void
run_exchange(size_t ix, struct ag_str body, bool is_strict)
{
	struct ag_exchange_in in = { .body = body, .model = AG_STR("e"),
		.family = ag_provider_find(ag_str(exchanges[ix].family)), .is_strict = is_strict };
	struct ag_answer a = { .usage.provider_cost_nusd = -1 };
	struct ag_err err = { "" };
	struct ag_buf out;
	int rc;

	ag_buf_init(&out, OUT_MAX);
	rc = exchanges[ix].x->build(&in, &out, &err);
	must(rc == 0 || err.text[0]);
	if (rc == 0)
		must_be_json(&out);
	ag_buf_reset(&out);
	in.body = AG_STR("{}");
	if (exchanges[ix].x->answer(&in, body, &a, &out) == 0)
		must_be_json(&out);
	ag_buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_object *chat = NULL;
	struct ag_parse_in in = { .path_model = AG_STR("m") };
	struct ag_err err = { "" };
	size_t who;
	int rc;

	if (size < 3)
		return 0;
	in.body = ag_str_n((const char *)data + 2, size - 2);
	in.is_strict = data[1] % 2;
	who = data[0] % (AG_ARRAY_LEN(clients) + AG_ARRAY_LEN(exchanges));
	if (who >= AG_ARRAY_LEN(clients)) {
		run_exchange(who - AG_ARRAY_LEN(clients), in.body, in.is_strict);
		return 0;
	}
	rc = clients[who]->parse(&in, &chat, &err);
	must(rc == 0 || err.text[0]);
	if (rc == 0)
		build_all(chat, in.is_strict);
	json_object_put(chat);
	return 0;
}
