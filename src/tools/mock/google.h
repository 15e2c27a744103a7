/* google.h - what gemini.c, gemini_check.c and vertex.c share. */
#ifndef AG_MOCK_GOOGLE_H
#define AG_MOCK_GOOGLE_H

#include "tools/mock/openai.h"
#include "tools/mock/reply.h"
#include "tools/mock/shape.h"

/* gemini.c */
int mock_google_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
		      struct ag_str *out_id);
void mock_google_refuse(const struct mock_job *job, const struct mock_error *e,
			struct mock_answer *a);
void mock_google_render(const struct mock_job *job, struct mock_answer *a);
void mock_google_id(enum mock_endpoint ep, uint64_t serial, char *out, size_t cap);

/* gemini_check.c: both read and refuse; Vertex AI is the stricter one. */
int mock_gemini_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		     struct mock_fault *fault);
int mock_vertex_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		     struct mock_fault *fault);

#endif
