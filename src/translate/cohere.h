/* cohere.h - what the files of Cohere's v2 share: its chat, embeddings and rankings.
 * Format: Cohere's description of POST /v2/chat, /v2/embed and /v2/rerank. */
#ifndef AG_TRANSLATE_COHERE_H
#define AG_TRANSLATE_COHERE_H

#include "translate/protocol.h"

extern const struct ag_reader ag_cohere_reader;

/* A request of embeddings; has_model: the model stands in it. */
int ag_cohere_put_embed(const struct ag_exchange_in *in, struct json_object *body, bool has_model, struct ag_buf *out,
    struct ag_err *err) AG_MUST_CHECK;
int ag_cohere_build(const struct ag_build_in *in, struct ag_buf *out, struct ag_err *err) AG_MUST_CHECK;
void ag_cohere_read_error(int status, struct ag_str body, struct ag_buf *mem, struct ag_client_error *out);

#endif
