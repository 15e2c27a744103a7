/* embeddings.h - OpenAI's /v1/embeddings, as the exchanges with other providers share it. */
#ifndef AG_TRANSLATE_EMBEDDINGS_H
#define AG_TRANSLATE_EMBEDDINGS_H

#include "translate/fields.h"
#include "translate/protocol.h"

/* The texts of `input`, one or many, as an array (the caller puts it).  own: what the provider takes beyond
 * model, input and encoding_format.  -EINVAL with err: another member, tokens, or more than max. */
int ag_embeddings_texts(const struct ag_exchange_in *in, struct json_object *body, const struct ag_fields *own,
    size_t max, struct json_object **out, struct ag_err *err) AG_MUST_CHECK;

/* The client's answer; vectors: arrays of numbers.  body: the client's request, which tells how vectors
 * are to be written. */
int ag_embeddings_write(struct ag_str body, struct ag_str model, struct json_object *const *vector, size_t n,
    const struct ag_usage *usage, struct ag_buf *out) AG_MUST_CHECK;

#endif
