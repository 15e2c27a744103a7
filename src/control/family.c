#include "control/family.h"

#include "base/attr.h"
#include "provider/provider.h"

/* Documented, with a protocol or an authentication of their own that is not spoken yet. */
static const char *const later[] = { "azure-ai",
	"sagemaker", "databricks", "modal", "cortex", "predibase", "triton", "ai21",
	"reka-ai", "palm", "oracle", "bytez", "nomic", "pinecone", "segmind", "stability-ai",
	"recraft-ai", "qdrant", "milvus", "replicate", "meshy", "tripo3d", "portkey", "lepton",
	"bedrock-mantle", "claude-platform-aws", "fal-ai", "byteplus", "scenario-ai",
	"lightning-ai", "deepgram", "ember-cloud" };

enum ag_family
ag_family_find(struct ag_str id, struct ag_family_needs *out, const char **out_name)
{
	const struct ag_provider *p;

	if (ag_str_eq(id, AG_STR("open-ai")))
		id = AG_STR("openai");
	if (ag_str_eq(id, AG_STR("hugging-face")))
		id = AG_STR("huggingface");
	p = ag_provider_find(id);
	if (p) {
		out->key = p->auth != AG_AUTH_NONE;
		out->custom_host = p->base_url == NULL;
		*out_name = p->name;
		return AG_FAMILY_SPOKEN;
	}
	for (size_t i = 0; i < AG_ARRAY_LEN(later); i++)
		if (ag_str_eq(ag_str(later[i]), id))
			return AG_FAMILY_LATER;
	return AG_FAMILY_UNKNOWN;
}
