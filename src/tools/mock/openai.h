/* openai.h - what openai.c and openai_text.c share: the parts of the OpenAI format. */
#ifndef AG_MOCK_OPENAI_H
#define AG_MOCK_OPENAI_H

#include "tools/mock/format.h"

/* Answers to chat and completions, whole or as a stream; openai_text.c. */
void mock_openai_text(const struct mock_job *job, struct mock_answer *a);
int64_t mock_openai_prompt_tokens(const struct mock_job *job);

/* openai.c */
void mock_openai_id(enum mock_endpoint ep, uint64_t serial, char *out, size_t cap);
/* A body given by script or by the name of a file, sent as it is; .b64: decoded first. */
void mock_openai_verbatim(const struct mock_job *job, struct mock_answer *a);
void mock_openai_headers(const struct mock_job *job, struct ag_buf *out);
enum mock_framing mock_openai_framing(const struct mock_job *job, bool wants_chunks);
void mock_openai_error(struct ag_buf *out, const struct mock_job *job, const struct mock_error *e);
void mock_openai_whole(const struct mock_job *job, struct mock_answer *a, int status,
		       const char *type, const struct ag_buf *body);

#endif
