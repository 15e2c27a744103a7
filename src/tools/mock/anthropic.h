/* anthropic.h - the Messages API, wherever it is served. */
#ifndef AG_MOCK_ANTHROPIC_H
#define AG_MOCK_ANTHROPIC_H

#include "tools/mock/openai.h"
#include "tools/mock/reply.h"
#include "tools/mock/shape.h"

enum mock_claude {
	MOCK_CLAUDE_OWN,     /* model in the body, version in a header */
	MOCK_CLAUDE_VERTEX,  /* no model, anthropic_version in the body */
	MOCK_CLAUDE_BEDROCK, /* the same, and no stream member: the path says it */
};

/* anthropic_check.c */
int mock_anthropic_read_as(enum mock_claude where, const struct mock_job *job,
			   enum mock_endpoint ep, struct mock_facts *out, struct mock_fault *fault);

/* anthropic.c */
void mock_anthropic_render(const struct mock_job *job, struct mock_answer *a);
void mock_anthropic_refuse(const struct mock_job *job, const struct mock_error *e,
			   struct mock_answer *a);
void mock_anthropic_id(enum mock_endpoint ep, uint64_t serial, char *out, size_t cap);
/* A message as a whole body. */
void mock_anthropic_message(const struct mock_job *job, const struct mock_reply *r,
			    struct ag_buf *b);
/* Its events, one after the other; NULL as the name: an error. */
typedef void mock_anthropic_sink(void *arg, const char *name, const struct ag_buf *data,
				 int32_t chunks);
void mock_anthropic_events(const struct mock_job *job, const struct mock_reply *r,
			   mock_anthropic_sink *sink, void *arg);
void mock_anthropic_count(const struct mock_reply *r, struct mock_answer *a);

#endif
