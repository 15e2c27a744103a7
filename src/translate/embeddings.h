/* embeddings.h - OpenAI's /v1/embeddings, as the exchanges with other providers share it. */
#ifndef AG_TRANSLATE_EMBEDDINGS_H
#define AG_TRANSLATE_EMBEDDINGS_H

#include "translate/protocol.h"

/* The texts of `input`, one or many, as an array (the caller puts it); -EINVAL with err: tokens, or more
 * than max. */
int ag_embeddings_texts(struct json_object *body, size_t max, const char *family, struct json_object **out,
    struct ag_err *err) AG_MUST_CHECK;

/* The client's answer; vectors: arrays of numbers.  body: the client's request, which tells how vectors
 * are to be written. */
int ag_embeddings_write(struct ag_str body, struct ag_str model, struct json_object *const *vector, size_t n,
    const struct ag_usage *usage, struct ag_buf *out) AG_MUST_CHECK;

#endif
