/* facts.h - what the simulator needs to know of a request body.
 *
 * Read strictly: a JSON tree, and every reason to refuse is found.  Read fast: a scan for a few
 * byte strings, which believes what it sees.  Texts are borrowed from `tree` or from the body. */
#ifndef AG_MOCK_FACTS_H
#define AG_MOCK_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

struct json_object;

enum mock_endpoint {
	MOCK_EP_CHAT,
	MOCK_EP_COMPLETIONS,
	MOCK_EP_EMBEDDINGS,
	MOCK_EP_MODELS,
	MOCK_EP_MODEL,
};

struct mock_facts {
	enum mock_endpoint endpoint;
	struct json_object *tree; /* owned; NULL when read fast */
	struct ag_str model;
	struct ag_str user;
	bool stream, include_usage, is_base64;
	int64_t max_tokens; /* -1: not given */
	int64_t n;          /* choices */
	int64_t inputs;     /* embeddings: entries */
	int64_t dimensions; /* embeddings */
	size_t body_bytes;
};

/* A refusal of the body, in the words of the provider. */
struct mock_fault {
	bool is_violation;        /* a gateway must never send this; otherwise a client's mistake */
	const char *code, *param; /* static texts; NULL: null */
	char message[160];
};

/* -EINVAL and a fault, or 0 and facts to be released.  */
int mock_facts_read(struct ag_str body, enum mock_endpoint ep, struct mock_facts *out,
		    struct mock_fault *out_fault) AG_MUST_CHECK;
void mock_facts_scan(struct ag_str body, enum mock_endpoint ep, struct mock_facts *out);
/* What can be told of a body in whatever format: model, stream, a limit. */
void mock_facts_any(struct ag_str body, enum mock_endpoint ep, struct mock_facts *out);
void mock_facts_fini(struct mock_facts *f);

/* Exactly one JSON object, no member of it twice; NULL otherwise. */
struct json_object *mock_json_parse(struct ag_str text);

#endif
