#include <string.h>

#include "base/attr.h"
#include "provider/provider.h"

/* The endpoints of OpenAI's own paths, v: what stands before them. */
#define OPENAI_CHAT(v)                                                             \
	{ AG_EP_CHAT, v "/chat/completions", NULL, &ag_wire_openai },              \
	{ AG_EP_COMPLETION, v "/completions", NULL, &ag_wire_openai },             \
	{ AG_EP_EMBEDDING, v "/embeddings", NULL, &ag_wire_openai }

#define OPENAI_MEDIA(v)                                                            \
	{ AG_EP_IMAGE, v "/images/generations", NULL, &ag_wire_media },           \
	{ AG_EP_IMAGE_EDIT, v "/images/edits", NULL, &ag_wire_media },            \
	{ AG_EP_IMAGE_VARIATION, v "/images/variations", NULL, &ag_wire_media },  \
	{ AG_EP_SPEECH, v "/audio/speech", NULL, &ag_wire_media },                \
	{ AG_EP_TRANSCRIPTION, v "/audio/transcriptions", NULL, &ag_wire_media }, \
	{ AG_EP_TRANSLATION, v "/audio/translations", NULL, &ag_wire_media },     \
	{ AG_EP_MODERATION, v "/moderations", NULL, &ag_wire_openai }

#define PASSED(v)                                                                  \
	{ AG_EP_FILES, v "{rest}", NULL, &ag_wire_openai },                        \
	{ AG_EP_BATCHES, v "{rest}", NULL, &ag_wire_openai },                      \
	{ AG_EP_PROXY, v "{rest}", NULL, &ag_wire_openai }

#define END { AG_EP_NONE, NULL, NULL, NULL }

static const struct ag_provider_path openai_paths[] = { OPENAI_CHAT(""),
	{ AG_EP_RESPONSES, "/responses", NULL, &ag_wire_responses }, OPENAI_MEDIA(""), PASSED(""), END };
static const struct ag_provider_path compatible_paths[] = { OPENAI_CHAT(""), OPENAI_MEDIA(""),
	{ AG_EP_RERANK, "/rerank", NULL, &ag_wire_openai }, PASSED(""), END };
static const struct ag_provider_path v1_paths[] = { OPENAI_CHAT("/v1"), OPENAI_MEDIA("/v1"),
	{ AG_EP_RERANK, "/v1/rerank", NULL, &ag_wire_openai }, PASSED("/v1"), END };

static const struct ag_provider_path ranking_paths[] = {
	{ AG_EP_EMBEDDING, "/embeddings", NULL, &ag_wire_openai },
	{ AG_EP_RERANK, "/rerank", NULL, &ag_wire_openai }, PASSED(""), END };

static const struct ag_provider_path google_paths[] = {
	{ AG_EP_GENERATE, "/models/{model}:generateContent", "/models/{model}:streamGenerateContent?alt=sse",
	  &ag_wire_gemini },
	{ AG_EP_GENERATE_COUNT, "/models/{model}:countTokens", NULL, &ag_wire_gemini },
	{ AG_EP_GEMINI_EMBED, "/models/{model}:batchEmbedContents", NULL, &ag_wire_gemini },
	{ AG_EP_PROXY, "{rest}", NULL, &ag_wire_gemini }, END };

static const struct ag_provider_path anthropic_paths[] = {
	{ AG_EP_MESSAGES, "/messages", NULL, &ag_wire_anthropic },
	{ AG_EP_COUNT_TOKENS, "/messages/count_tokens", NULL, &ag_wire_anthropic },
	{ AG_EP_FILES, "{rest}", NULL, &ag_wire_anthropic },
	{ AG_EP_PROXY, "{rest}", NULL, &ag_wire_anthropic },
	END
};

static const struct ag_provider_path cohere_paths[] = {
	{ AG_EP_COHERE_CHAT, "/v2/chat", NULL, &ag_wire_cohere },
	{ AG_EP_COHERE_EMBED, "/v2/embed", NULL, &ag_wire_cohere },
	{ AG_EP_COHERE_RERANK, "/v2/rerank", NULL, &ag_wire_cohere },
	{ AG_EP_PROXY, "/v1{rest}", NULL, &ag_wire_cohere }, END
};

#define AZURE(name) "/deployments/{deployment}" name "?api-version={api_version}"
static const struct ag_provider_path azure_paths[] = {
	{ AG_EP_CHAT, AZURE("/chat/completions"), NULL, &ag_wire_openai },
	{ AG_EP_COMPLETION, AZURE("/completions"), NULL, &ag_wire_openai },
	{ AG_EP_EMBEDDING, AZURE("/embeddings"), NULL, &ag_wire_openai },
	{ AG_EP_IMAGE, AZURE("/images/generations"), NULL, &ag_wire_media },
	{ AG_EP_IMAGE_EDIT, AZURE("/images/edits"), NULL, &ag_wire_media },
	{ AG_EP_SPEECH, AZURE("/audio/speech"), NULL, &ag_wire_media },
	{ AG_EP_TRANSCRIPTION, AZURE("/audio/transcriptions"), NULL, &ag_wire_media },
	{ AG_EP_TRANSLATION, AZURE("/audio/translations"), NULL, &ag_wire_media },
	END
};

/* What most of those who resemble OpenAI do not take. */
#define PLAIN (AG_PF_NO_DEVELOPER | AG_PF_NO_STORE)

/* A family that serves OpenAI's paths as they are behind its base. */
#define COMPATIBLE(id, base, more)                                                 \
	{ .name = id, .base_url = base, .auth = AG_AUTH_BEARER,                    \
	  .flags = AG_PF_INCLUDE_USAGE | (more), .paths = compatible_paths }

/* The same with the version in the path instead of the base. */
#define COMPATIBLE_V1(id, base, more)                                              \
	{ .name = id, .base_url = base, .auth = AG_AUTH_BEARER,                    \
	  .flags = AG_PF_INCLUDE_USAGE | (more), .paths = v1_paths }

/* Adding a compatible provider is one row.  Hosts are those the providers publish. */
static const struct ag_provider providers[] = {
	{ .name = "openai", .base_url = "https://api.openai.com/v1", .auth = AG_AUTH_BEARER,
	  .flags = AG_PF_INCLUDE_USAGE | AG_PF_MAX_COMPLETION, .paths = openai_paths },
	{ .name = "anthropic", .base_url = "https://api.anthropic.com/v1", .auth = AG_AUTH_X_API_KEY,
	  .paths = anthropic_paths, .header = "anthropic-version", .header_value = "2023-06-01" },
	{ .name = "google", .base_url = "https://generativelanguage.googleapis.com/v1beta",
	  .auth = AG_AUTH_GOOG_API_KEY, .paths = google_paths },
	{ .name = "azure-openai", .base_url = "https://{azure_resource_name}.openai.azure.com/openai",
	  .auth = AG_AUTH_API_KEY, .flags = AG_PF_INCLUDE_USAGE | AG_PF_MAX_COMPLETION,
	  .paths = azure_paths, .place = ag_azure_place, .serves_as = ag_azure_serves_as,
	  .priced_as = ag_azure_priced_as, .oauth = ag_azure_oauth },
	{ .name = "vertex-ai", .base_url = "https://{vertex_host}", .auth = AG_AUTH_BEARER,
	  .flags = AG_PF_INCLUDE_USAGE | PLAIN, .paths = ag_vertex_paths, .paths_of = ag_vertex_paths_of,
	  .place = ag_vertex_place, .oauth = ag_vertex_oauth, .anthropic_version = "vertex-2023-10-16" },
	{ .name = "bedrock", .base_url = "https://bedrock-runtime.{aws_region}.{aws_domain}", .auth = AG_AUTH_SIGN,
	  .paths = ag_bedrock_paths, .paths_of = ag_bedrock_paths_of, .place = ag_bedrock_place,
	  .priced_as = ag_bedrock_priced_as,
	  .is_signing = ag_bedrock_is_signing, .hide = ag_bedrock_hide, .sign = ag_bedrock_sign },
	{ .name = "cohere", .base_url = "https://api.cohere.com", .auth = AG_AUTH_BEARER, .paths = cohere_paths },
	COMPATIBLE("groq", "https://api.groq.com/openai/v1", AG_PF_MAX_COMPLETION | AG_PF_NO_STORE |
	    AG_PF_NO_LOGPROBS | AG_PF_NO_N),
	COMPATIBLE("x-ai", "https://api.x.ai/v1", AG_PF_REASONING_OUTSIDE | AG_PF_MAX_COMPLETION | AG_PF_NO_STORE),
	{ .name = "mistral-ai", .base_url = "https://api.mistral.ai/v1", .auth = AG_AUTH_BEARER,
	  .flags = PLAIN | AG_PF_NO_LOGPROBS | AG_PF_RANDOM_SEED, .paths = compatible_paths },
	COMPATIBLE("fireworks-ai", "https://api.fireworks.ai/inference/v1", PLAIN),
	COMPATIBLE("perplexity-ai", "https://api.perplexity.ai", PLAIN | AG_PF_NO_TOOLS | AG_PF_NO_LOGPROBS |
	    AG_PF_NO_N | AG_PF_NO_SEED | AG_PF_NO_PARALLEL),
	COMPATIBLE("cerebras", "https://api.cerebras.ai/v1", AG_PF_MAX_COMPLETION | PLAIN | AG_PF_NO_PENALTIES |
	    AG_PF_NO_LOGPROBS | AG_PF_NO_N | AG_PF_NO_PARALLEL),
	COMPATIBLE("deepinfra", "https://api.deepinfra.com/v1/openai", PLAIN),
	COMPATIBLE("anyscale", "https://api.endpoints.anyscale.com/v1", PLAIN),
	COMPATIBLE("nebius", "https://api.studio.nebius.ai/v1", PLAIN),
	COMPATIBLE("inference-net", "https://api.inference.net/v1", PLAIN),
	COMPATIBLE("lambda", "https://api.lambdalabs.com/v1", PLAIN),
	COMPATIBLE("kluster-ai", "https://api.kluster.ai/v1", PLAIN),
	COMPATIBLE("nscale", "https://inference.api.nscale.com/v1", PLAIN),
	COMPATIBLE("featherless-ai", "https://api.featherless.ai/v1", PLAIN),
	COMPATIBLE("dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", PLAIN),
	COMPATIBLE("upstage", "https://api.upstage.ai/v1/solar", PLAIN),
	COMPATIBLE("iointelligence", "https://api.intelligence.io.solutions/api/v1", PLAIN),
	COMPATIBLE("ovhcloud", "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", PLAIN),
	COMPATIBLE("zhipu", "https://open.bigmodel.cn/api/paas/v4", PLAIN),
	COMPATIBLE("z-ai", "https://api.z.ai/api/paas/v4", PLAIN),
	COMPATIBLE("siliconflow", "https://api.siliconflow.cn/v1", PLAIN),
	COMPATIBLE("ncompass", "https://api.ncompass.tech/v1", PLAIN),
	COMPATIBLE("monsterapi", "https://llm.monsterapi.ai/v1", PLAIN),
	COMPATIBLE("krutrim", "https://cloud.olakrutrim.com/v1", PLAIN),
	COMPATIBLE("deepbricks", "https://api.deepbricks.ai/v1", PLAIN),
	COMPATIBLE("lemonfox-ai", "https://api.lemonfox.ai/v1", PLAIN),
	COMPATIBLE("nextbit", "https://api.nextbit256.com/v1", PLAIN),
	COMPATIBLE("aibadgr", "https://aibadgr.com/api/v1", PLAIN),
	COMPATIBLE("cometapi", "https://api.cometapi.com/v1", PLAIN),
	COMPATIBLE("matterai", "https://api.matterai.so/v1", PLAIN),
	COMPATIBLE("minimax", "https://api.minimax.io/v1", PLAIN),
	COMPATIBLE("huggingface", "https://router.huggingface.co/v1", PLAIN),
	COMPATIBLE("github", "https://models.github.ai/inference", PLAIN),
	{ .name = "jina", .base_url = "https://api.jina.ai/v1", .auth = AG_AUTH_BEARER, .paths = ranking_paths },
	{ .name = "voyage", .base_url = "https://api.voyageai.com/v1", .auth = AG_AUTH_BEARER,
	  .paths = ranking_paths },
	COMPATIBLE("workers-ai", "https://api.cloudflare.com/client/v4/accounts/{workers_ai_account_id}/ai/v1", PLAIN),
	COMPATIBLE_V1("together-ai", "https://api.together.xyz", PLAIN),
	COMPATIBLE_V1("deepseek", "https://api.deepseek.com", PLAIN | AG_PF_NO_N | AG_PF_NO_SEED |
	    AG_PF_NO_LOGPROBS | AG_PF_NO_PARALLEL | AG_PF_NO_SCHEMA | AG_PF_REASONING_BACK),
	COMPATIBLE_V1("openrouter", "https://openrouter.ai/api", AG_PF_COST_IN_USAGE | PLAIN),
	COMPATIBLE_V1("moonshot", "https://api.moonshot.cn", PLAIN | AG_PF_REASONING_BACK),
	COMPATIBLE_V1("lingyi", "https://api.lingyiwanwu.com", PLAIN),
	COMPATIBLE_V1("sambanova", "https://api.sambanova.ai", PLAIN | AG_PF_NO_N | AG_PF_NO_LOGPROBS |
	    AG_PF_NO_PENALTIES | AG_PF_NO_SEED),
	COMPATIBLE_V1("hyperbolic", "https://api.hyperbolic.xyz", PLAIN),
	COMPATIBLE_V1("novita-ai", "https://api.novita.ai/v3/openai", PLAIN),
	COMPATIBLE_V1("302ai", "https://api.302.ai", PLAIN),
	COMPATIBLE_V1("latitude", "https://api.lsh.ai", PLAIN),
	{ .name = "ollama", .auth = AG_AUTH_NONE,
	  .flags = AG_PF_INCLUDE_USAGE | AG_PF_CUSTOM_HOST | PLAIN | AG_PF_NO_LOGPROBS | AG_PF_NO_N,
	  .paths = v1_paths },
};

const struct ag_provider *
ag_provider_at(uint32_t ix)
{
	return ix < AG_ARRAY_LEN(providers) ? &providers[ix] : NULL;
}

const struct ag_provider *
ag_provider_find(struct ag_str name)
{
	for (uint32_t i = 0; i < AG_ARRAY_LEN(providers); i++)
		if (ag_str_eq(name, ag_str(providers[i].name)))
			return &providers[i];
	return NULL;
}

static const struct ag_provider_path *
find_path(const struct ag_provider_path *paths, enum ag_endpoint ep)
{
	for (const struct ag_provider_path *path = paths; path->endpoint != AG_EP_NONE; path++)
		if (path->endpoint == ep)
			return path;
	return NULL;
}

const struct ag_provider_path *
ag_provider_path(const struct ag_provider *p, enum ag_endpoint ep)
{
	return find_path(p->paths, ep);
}

/* One number for all protocols of the same exchange, 0: it has but one. */
static int
kind_of(enum ag_endpoint ep)
{
	switch (ep) {
	case AG_EP_CHAT:
	case AG_EP_MESSAGES:
	case AG_EP_RESPONSES:
	case AG_EP_GENERATE:
	case AG_EP_CONVERSE:
	case AG_EP_COHERE_CHAT:
		return 1;
	case AG_EP_EMBEDDING:
	case AG_EP_GEMINI_EMBED:
	case AG_EP_GEMINI_EMBED_ONE:
	case AG_EP_VERTEX_EMBED:
	case AG_EP_TITAN_EMBED:
	case AG_EP_INVOKE_COHERE_EMBED:
	case AG_EP_COHERE_EMBED:
		return 2;
	case AG_EP_RERANK:
	case AG_EP_COHERE_RERANK:
		return 3;
	case AG_EP_NONE:
	case AG_EP_COMPLETION:
	case AG_EP_COUNT_TOKENS:
	case AG_EP_GENERATE_COUNT:
	case AG_EP_IMAGE:
	case AG_EP_IMAGE_EDIT:
	case AG_EP_IMAGE_VARIATION:
	case AG_EP_SPEECH:
	case AG_EP_TRANSCRIPTION:
	case AG_EP_TRANSLATION:
	case AG_EP_MODERATION:
	case AG_EP_FILES:
	case AG_EP_BATCHES:
	case AG_EP_PROXY:
	case AG_EP_RECORDED:
		break;
	}
	return 0;
}

bool
ag_endpoint_is_kin(enum ag_endpoint a, enum ag_endpoint b)
{
	return a == b || (kind_of(a) != 0 && kind_of(a) == kind_of(b));
}

bool
ag_endpoint_is_chat(enum ag_endpoint ep)
{
	return kind_of(ep) == 1;
}

const struct ag_provider_path *
ag_provider_serve(const struct ag_provider *p, enum ag_endpoint ep, struct ag_str model)
{
	const struct ag_provider_path *paths = p->paths_of ? p->paths_of(model) : p->paths;
	const struct ag_provider_path *path = find_path(paths, ep);

	/* A prompt is a conversation of one turn; no conversation is a prompt. */
	if (!path && ep == AG_EP_COMPLETION)
		ep = AG_EP_CHAT;
	if (path || kind_of(ep) == 0)
		return path;
	for (path = paths; path->endpoint != AG_EP_NONE; path++)
		if (ag_endpoint_is_kin(path->endpoint, ep))
			return path;
	return NULL;
}
