/* embeddings.h - OpenAI's /v1/embeddings, as the exchanges with other providers share it. */
#ifndef AG_TRANSLATE_EMBEDDINGS_H
#define AG_TRANSLATE_EMBEDDINGS_H

#include "translate/fields.h"
#include "translate/protocol.h"

/* The texts of `input`, one or many, as an array (the caller puts it).  own: what the provider takes beyond
 * model, input and encoding_format.  -EINVAL with err: another member, tokens, or more than max. */
int ag_embeddings_texts(const struct ag_exchange_in *in, struct json_object *body, const struct ag_fields *own,
    size_t max, struct json_object **out, struct ag_err *err) AG_MUST_CHECK;

/* The provider told how many tokens the texts had. */
void ag_embeddings_told(struct ag_answer *a, uint64_t tokens);

/* The client's answer.  list: of each element the array of numbers in its member `inner` of `outer`, either of
 * which may be NULL.  -EBADMSG: there is none. */
int ag_embeddings_write(const struct ag_exchange_in *in, struct json_object *list, const char *outer, const char *inner,
    const struct ag_usage *usage, struct ag_buf *out) AG_MUST_CHECK;

#endif
