/* format.h - the wire format of a provider: paths, credential, answers, errors.
 * A file per format, chosen in main.c. */
#ifndef AG_MOCK_FORMAT_H
#define AG_MOCK_FORMAT_H

#include "tools/mock/answer.h"
#include "tools/mock/facts.h"
#include "tools/mock/parse.h"
#include "tools/mock/script.h"

/* Everything an answer is made of.  Borrowed for the call. */
struct mock_job {
	const struct mock_facts *facts;
	const struct mock_do *what;
	struct ag_str model_id; /* what the path names: a model, a deployment; as it stands there */
	struct ag_str path, query;
	struct ag_str body; /* of the request */
	const struct mock_req *req;
	const struct ag_buf *in;
	struct ag_str key,
		aws_secret; /* the credential in the request; what signatures are checked by */
	bool is_pedantic;
	uint64_t serial; /* makes ids */
	int64_t wall_us;
	bool closes; /* the connection ends with this answer */
	bool is_http10;
};

struct mock_error {
	int status;
	const char *type, *code, *param; /* NULL: what the provider says at this status */
	struct ag_str message;
	int64_t retry_after; /* seconds; -1: none */
};

struct mock_format {
	const char *name;
	/* 0 and the endpoint, or the status to refuse with (404, 405). */
	int (*route)(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
		     struct ag_str *out_id);
	/* The credential in the head, n 0 when there is none.  NULL: none is asked for. */
	struct ag_str (*key)(const struct mock_req *req, const struct ag_buf *in);
	/* A set bit per header that may carry it: 1 << MOCK_H_…; the others can only be the caller's. */
	unsigned key_headers;
	/* Headers, query and body; -EINVAL and the fault, or 0 and facts to be released.
	 * NULL: as OpenAI. */
	int (*read)(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		    struct mock_fault *fault);
	void (*render)(const struct mock_job *job, struct mock_answer *a);
	void (*refuse)(const struct mock_job *job, const struct mock_error *e,
		       struct mock_answer *a);
	/* The id that render() gives to the answer with this serial. */
	void (*id)(enum mock_endpoint ep, uint64_t serial, char *out, size_t cap);
};

extern const struct mock_format mock_format_openai;
extern const struct mock_format mock_format_azure;
extern const struct mock_format mock_format_mistral;
extern const struct mock_format mock_format_anthropic;
extern const struct mock_format mock_format_gemini;
extern const struct mock_format mock_format_vertex;
extern const struct mock_format mock_format_vertex_claude;
extern const struct mock_format mock_format_bedrock;
extern const struct mock_format mock_format_cohere;
extern const struct mock_format mock_format_oauth;    /* token endpoints */
extern const struct mock_format mock_format_scripted; /* any path that a rule gives a body for */

/* The format of a path; OpenAI's when nothing in it is another's. */
const struct mock_format *mock_format_of(struct ag_str path);

/* The bearer in the head. */
struct ag_str mock_key_bearer(const struct mock_req *req, const struct ag_buf *in);
/* Whatever a head may carry: a bearer first. */
struct ag_str mock_key_any(const struct mock_req *req, const struct ag_buf *in);

#endif
