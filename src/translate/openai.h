/* openai.h - what the files of OpenAI's protocol share, and other protocols borrow. */
#ifndef AG_TRANSLATE_OPENAI_H
#define AG_TRANSLATE_OPENAI_H

#include "translate/protocol.h"

extern const struct ag_reader ag_openai_reader;
extern const struct ag_writer ag_openai_writer;

/* "data:image/png;base64,AAAA" -> "image/png" and "AAAA"; false when it is none. */
bool ag_openai_split_data_url(struct ag_str url, struct ag_str *out_type, struct ag_str *out_data);

/* The usage object as OpenAI's clients know it, as a member. */
void ag_openai_put_usage(struct ag_buf *b, const struct ag_usage *u);

void ag_openai_write_error(const struct ag_client_error *e, bool is_event, struct ag_buf *out);

/* Type and code for a status that says no more; e->status is set too. */
void ag_openai_error_of(int status, struct ag_client_error *e);
/* Does the text tell that the prompt is longer than the model takes? */
bool ag_openai_is_overflow(struct ag_str message);

#endif
