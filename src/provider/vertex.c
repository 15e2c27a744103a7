/* vertex.c - where Google Cloud serves a model: one account, three kinds of paths by the model's name.
 * `configurations`: vertex_region, vertex_project_id, vertex_auth_type. */
#include <errno.h>

#include "provider/figure.h"
#include "provider/provider.h"

#define AT "/v1/projects/{vertex_project_id}/locations/{vertex_region}/"
#define GOOGLE AT "publishers/google/models/{model}"
#define ANTHROPIC AT "publishers/anthropic/models/"

const struct ag_provider_path ag_vertex_paths[] = {
	{ AG_EP_GENERATE, GOOGLE ":generateContent", GOOGLE ":streamGenerateContent?alt=sse", &ag_wire_gemini },
	{ AG_EP_GENERATE_COUNT, GOOGLE ":countTokens", NULL, &ag_wire_gemini },
	{ AG_EP_NONE, NULL, NULL, NULL }
};
static const struct ag_provider_path claude_paths[] = {
	{ AG_EP_MESSAGES, ANTHROPIC "{model}:rawPredict", ANTHROPIC "{model}:streamRawPredict", &ag_wire_anthropic },
	{ AG_EP_COUNT_TOKENS, ANTHROPIC "count-tokens:rawPredict", NULL, &ag_wire_anthropic },
	{ AG_EP_NONE, NULL, NULL, NULL }
};
static const struct ag_provider_path open_paths[] = {
	{ AG_EP_CHAT, AT "endpoints/openapi/chat/completions", NULL, &ag_wire_openai },
	{ AG_EP_NONE, NULL, NULL, NULL }
};

/* The older embedding models are predicted, several texts at once; the newer take one. */
static const struct ag_provider_path predict_paths[] = {
	{ AG_EP_VERTEX_EMBED, GOOGLE ":predict", NULL, &ag_wire_gemini },
	{ AG_EP_NONE, NULL, NULL, NULL }
};
static const struct ag_provider_path embed_paths[] = {
	{ AG_EP_GEMINI_EMBED_ONE, GOOGLE ":embedContent", NULL, &ag_wire_gemini },
	{ AG_EP_NONE, NULL, NULL, NULL }
};

const struct ag_provider_path *
ag_vertex_paths_of(struct ag_str model)
{
	static const struct ag_str predicted[] = { { "text-embedding-", 15 }, { "text-multilingual-embedding-", 28 },
		{ "textembedding-gecko", 19 }, { "gemini-embedding-001", 20 } };

	for (size_t i = 0; i < AG_ARRAY_LEN(predicted); i++)
		if (ag_str_starts(model, predicted[i]))
			return predict_paths;
	if (ag_str_starts(model, AG_STR("gemini-embedding-")))
		return embed_paths;
	if (ag_str_starts(model, AG_STR("claude")))
		return claude_paths;
	return ag_str_starts(model, AG_STR("gemini")) ? ag_vertex_paths : open_paths;
}

static struct ag_str
text_of(struct ag_str config, struct ag_str name)
{
	struct ag_json_value v;
	struct ag_json_fault fault;
	struct ag_str text = AG_STR_NONE;

	if (config.n > 0 && ag_figure_scan(config, &name, 1, &v, &fault) == 0 && v.type == AG_JSON_STRING)
		(void)ag_json_string_plain(ag_json_raw(config, v), &text);
	return text;
}

/* {vertex_host}: the one for no place in particular, those of a continent, those of a region. */
int
ag_vertex_place(struct ag_str config, struct ag_str name, struct ag_str model, struct ag_buf *out)
{
	struct ag_str region;

	(void)model;
	if (!ag_str_eq(name, AG_STR("vertex_host")))
		return -ENOENT;
	region = text_of(config, AG_STR("vertex_region"));
	if (region.n == 0)
		return -ESRCH;
	for (size_t i = 0; i < region.n; i++)
		if (!((region.p[i] >= 'a' && region.p[i] <= 'z') || (region.p[i] >= '0' && region.p[i] <= '9') ||
		        region.p[i] == '-'))
			return -EINVAL;
	if (ag_str_eq(region, AG_STR("us")) || ag_str_eq(region, AG_STR("eu"))) {
		ag_buf_puts(out, "aiplatform.");
		ag_buf_put_str(out, region);
		ag_buf_puts(out, ".rep.googleapis.com");
		return 0;
	}
	if (!ag_str_eq(region, AG_STR("global"))) {
		ag_buf_put_str(out, region);
		ag_buf_putc(out, '-');
	}
	ag_buf_puts(out, "aiplatform.googleapis.com");
	return 0;
}

/* "basic" is a token that somebody else keeps fresh, sent as it is. */
enum ag_oauth
ag_vertex_oauth(struct ag_str config)
{
	struct ag_str type = text_of(config, AG_STR("vertex_auth_type"));

	if (ag_str_eq(type, AG_STR("workload")))
		return AG_OAUTH_GOOGLE_WORKLOAD;
	return ag_str_eq(type, AG_STR("serviceAccount")) ? AG_OAUTH_JWT_BEARER : AG_OAUTH_NONE;
}
