/* openai.h - what the files of the OpenAI format share, and those of its kin: Azure, Mistral. */
#ifndef AG_MOCK_OPENAI_H
#define AG_MOCK_OPENAI_H

#include "tools/mock/format.h"
#include "tools/mock/shape.h"

/* Who speaks: the same format with deviations. */
enum mock_kin { MOCK_KIN_OPENAI, MOCK_KIN_AZURE, MOCK_KIN_MISTRAL };

/* openai_text.c: answers to chat and completions, whole or as a stream */
void mock_openai_text(const struct mock_job *job, enum mock_kin kin, struct mock_answer *a);
int64_t mock_openai_prompt_tokens(const struct mock_job *job);

/* openai_check.c */
int mock_openai_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		     struct mock_fault *fault);
int mock_azure_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		    struct mock_fault *fault);
int mock_mistral_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		      struct mock_fault *fault);
/* A flaw in OpenAI's words. */
void mock_openai_word(const struct mock_flaw *flaw, struct mock_fault *fault);

/* responses.c */
int mock_responses_read(const struct mock_job *job, struct mock_facts *out,
			struct mock_fault *fault);
void mock_responses_render(const struct mock_job *job, struct mock_answer *a);

/* media.c: images, speech, transcripts, moderations */
int mock_media_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		    struct mock_fault *fault);
void mock_media_render(const struct mock_job *job, struct mock_answer *a);

/* openai.c */
void mock_openai_id(enum mock_endpoint ep, uint64_t serial, char *out, size_t cap);
void mock_openai_headers(const struct mock_job *job, struct ag_buf *out);
void mock_openai_error(struct ag_buf *out, const struct mock_job *job, const struct mock_error *e);

/* verbatim.c: a body given by script or by the name of a file, sent as it is; .b64: decoded first. */
void mock_openai_verbatim(const struct mock_job *job, struct mock_answer *a);
/* What a script can ask of any format: a body as it stands, or an error with its status and retry_after.
 * false: neither, the answer is the format's to write. */
bool mock_put_scripted(const struct mock_job *job,
		       void (*refuse)(const struct mock_job *job, const struct mock_error *e,
				      struct mock_answer *a),
		       struct mock_answer *a);
/* Of either alphabet; what is of neither is skipped. */
void mock_decode_base64(struct ag_str text, struct ag_buf *out);
void mock_put_base64(struct ag_buf *out, const unsigned char *p, size_t n);

#endif
