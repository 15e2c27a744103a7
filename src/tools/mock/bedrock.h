/* bedrock.h - what bedrock.c, bedrock_check.c and bedrock_invoke.c share. */
#ifndef AG_MOCK_BEDROCK_H
#define AG_MOCK_BEDROCK_H

#include "tools/mock/openai.h"
#include "tools/mock/reply.h"
#include "tools/mock/shape.h"

/* bedrock_check.c */
int mock_bedrock_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		      struct mock_fault *fault);

/* bedrock_invoke.c: models in their own formats */
enum mock_native {
	MOCK_NATIVE_NONE,
	MOCK_NATIVE_CLAUDE,
	MOCK_NATIVE_TITAN_EMBED,
	MOCK_NATIVE_COHERE_EMBED
};
enum mock_native mock_bedrock_native(struct ag_str model);
int mock_bedrock_invoke_read(const struct mock_job *job, struct mock_facts *out,
			     struct mock_fault *fault);
void mock_bedrock_invoke(const struct mock_job *job, struct mock_answer *a);

/* bedrock.c: one message of the event stream.  kind: "event" or "exception". */
void mock_bedrock_frame(struct mock_answer *a, const char *kind, const char *name,
			const struct ag_buf *payload, int32_t chunks);
void mock_bedrock_headers(const struct mock_job *job, struct ag_buf *out);

#endif
