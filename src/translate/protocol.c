#include "translate/protocol.h"

/* A protocol more is a row more. */
static const struct ag_protocol *const protocols[] = {
	&ag_protocol_openai,
	&ag_protocol_anthropic,
	&ag_protocol_gemini,
	&ag_protocol_converse,
	&ag_protocol_responses,
	&ag_protocol_cohere,
	&ag_protocol_completion,
};

/* Ends with NULL: an exchange more is a row more. */
static const struct ag_exchange *const exchanges[] = {
	&ag_exchange_cohere_embed,
	&ag_exchange_cohere_rerank,
	&ag_exchange_gemini_embed,
	&ag_exchange_gemini_embed_one,
	&ag_exchange_vertex_embed,
	&ag_exchange_titan_embed,
	&ag_exchange_invoke_cohere_embed,
	NULL,
};

const struct ag_protocol *
ag_protocol_of(enum ag_endpoint ep)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(protocols); i++)
		if (protocols[i]->endpoint == ep)
			return protocols[i];
	return NULL;
}

const struct ag_exchange *
ag_exchange_of(enum ag_endpoint from, enum ag_endpoint to)
{
	for (size_t i = 0; exchanges[i]; i++)
		if (exchanges[i]->from == from && exchanges[i]->to == to)
			return exchanges[i];
	return NULL;
}
