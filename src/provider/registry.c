#include <string.h>

#include "base/attr.h"
#include "provider/provider.h"

#define OPENAI_FORMAT                                                              \
	.on_body = ag_openai_on_body, .on_event = ag_openai_on_event,              \
	.on_error = ag_openai_on_error

/* A family that serves OpenAI's paths as they are behind its base. */
#define COMPATIBLE(id, base, more)                                                 \
	{ .name = id, .base_url = base, .auth = AG_AUTH_BEARER,                    \
	  .flags = AG_PF_INCLUDE_USAGE | (more), .chat = "/chat/completions",      \
	  .completion = "/completions", .embedding = "/embeddings", OPENAI_FORMAT }

/* The same with the version in the path instead of the base. */
#define COMPATIBLE_V1(id, base, more)                                              \
	{ .name = id, .base_url = base, .auth = AG_AUTH_BEARER,                    \
	  .flags = AG_PF_INCLUDE_USAGE | (more), .chat = "/v1/chat/completions",   \
	  .completion = "/v1/completions", .embedding = "/v1/embeddings", OPENAI_FORMAT }

/* Adding a compatible provider is one row.  Hosts are those the providers publish. */
static const struct ag_provider providers[] = {
	COMPATIBLE("openai", "https://api.openai.com/v1", AG_PF_MAX_COMPLETION),
	COMPATIBLE("groq", "https://api.groq.com/openai/v1", AG_PF_MAX_COMPLETION),
	COMPATIBLE("x-ai", "https://api.x.ai/v1", AG_PF_REASONING_OUTSIDE | AG_PF_MAX_COMPLETION),
	COMPATIBLE("fireworks-ai", "https://api.fireworks.ai/inference/v1", 0),
	COMPATIBLE("perplexity-ai", "https://api.perplexity.ai", 0),
	COMPATIBLE("cerebras", "https://api.cerebras.ai/v1", AG_PF_MAX_COMPLETION),
	COMPATIBLE("deepinfra", "https://api.deepinfra.com/v1/openai", 0),
	COMPATIBLE("anyscale", "https://api.endpoints.anyscale.com/v1", 0),
	COMPATIBLE("nebius", "https://api.studio.nebius.ai/v1", 0),
	COMPATIBLE("inference-net", "https://api.inference.net/v1", 0),
	COMPATIBLE("lambda", "https://api.lambdalabs.com/v1", 0),
	COMPATIBLE("kluster-ai", "https://api.kluster.ai/v1", 0),
	COMPATIBLE("nscale", "https://inference.api.nscale.com/v1", 0),
	COMPATIBLE("featherless-ai", "https://api.featherless.ai/v1", 0),
	COMPATIBLE("dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", 0),
	COMPATIBLE("upstage", "https://api.upstage.ai/v1/solar", 0),
	COMPATIBLE("iointelligence", "https://api.intelligence.io.solutions/api/v1", 0),
	COMPATIBLE("ovhcloud", "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", 0),
	COMPATIBLE("zhipu", "https://open.bigmodel.cn/api/paas/v4", 0),
	COMPATIBLE("z-ai", "https://api.z.ai/api/paas/v4", 0),
	COMPATIBLE("siliconflow", "https://api.siliconflow.cn/v1", 0),
	COMPATIBLE_V1("together-ai", "https://api.together.xyz", 0),
	COMPATIBLE_V1("deepseek", "https://api.deepseek.com", 0),
	COMPATIBLE_V1("openrouter", "https://openrouter.ai/api", AG_PF_COST_IN_USAGE),
	COMPATIBLE_V1("moonshot", "https://api.moonshot.cn", 0),
	COMPATIBLE_V1("lingyi", "https://api.lingyiwanwu.com", 0),
	COMPATIBLE_V1("sambanova", "https://api.sambanova.ai", 0),
	COMPATIBLE_V1("hyperbolic", "https://api.hyperbolic.xyz", 0),
	COMPATIBLE_V1("novita-ai", "https://api.novita.ai/v3/openai", 0),
	{ .name = "ollama", .auth = AG_AUTH_NONE, .flags = AG_PF_INCLUDE_USAGE | AG_PF_CUSTOM_HOST,
	  .chat = "/v1/chat/completions", .completion = "/v1/completions",
	  .embedding = "/v1/embeddings", OPENAI_FORMAT },
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

const char *
ag_provider_path(const struct ag_provider *p, enum ag_endpoint ep)
{
	switch (ep) {
	case AG_EP_CHAT:
		return p->chat;
	case AG_EP_COMPLETION:
		return p->completion;
	case AG_EP_EMBEDDING:
		return p->embedding;
	case AG_EP_NONE:
		break;
	}
	return NULL;
}
