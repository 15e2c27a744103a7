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

#define MOCK_TOOLS_MAX 16

enum mock_endpoint {
	MOCK_EP_CHAT, /* whatever a dialect calls it */
	MOCK_EP_COMPLETIONS,
	MOCK_EP_EMBEDDINGS,
	MOCK_EP_MODELS,
	MOCK_EP_MODEL,
	MOCK_EP_RESPONSES,
	MOCK_EP_COUNT_TOKENS,
	MOCK_EP_RERANK,
	MOCK_EP_MODERATIONS,
	MOCK_EP_IMAGES,
	MOCK_EP_SPEECH,
	MOCK_EP_TRANSCRIPTION,
	MOCK_EP_EMBED_BATCH, /* Gemini: several at once */
	MOCK_EP_PREDICT,     /* Vertex AI: embeddings */
	MOCK_EP_INVOKE,      /* Bedrock: the model's own format */
	MOCK_EP_TOKEN,       /* OAuth */
};

/* What the request lets an answer call. */
struct mock_tool {
	struct ag_str name;
	struct json_object *schema; /* borrowed: tree */
};

struct mock_facts {
	enum mock_endpoint endpoint;
	struct json_object *tree;   /* owned; NULL when read fast */
	struct json_object *schema; /* of the text asked for; NULL: any text */
	bool is_schema_owned;       /* else borrowed: tree */
	bool wants_json;            /* JSON of whatever shape */
	struct mock_tool tool[MOCK_TOOLS_MAX];
	unsigned tools;
	bool must_call; /* one of the tools */
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
	bool is_violation; /* a gateway must never send this; otherwise a client's mistake */
	int status;        /* 0: 400 */
	const char *type, *code, *param; /* static texts; NULL: null */
	char message[512];
};

/* -EINVAL and a fault, or 0 and facts to be released.  */
int mock_facts_read(struct ag_str body, enum mock_endpoint ep, struct mock_facts *out,
		    struct mock_fault *out_fault) AG_MUST_CHECK;
void mock_facts_scan(struct ag_str body, enum mock_endpoint ep, struct mock_facts *out);
/* Of a body in whatever format: only the tree.  As mock_facts_read(), without a look at members. */
int mock_facts_tree(struct ag_str body, enum mock_endpoint ep, struct mock_facts *out,
		    struct mock_fault *out_fault) AG_MUST_CHECK;
void mock_facts_tool(struct mock_facts *f, struct ag_str name, struct json_object *schema);
/* Of the tools only that one is left, and it must be called. */
void mock_facts_force(struct mock_facts *f, struct ag_str name);
void mock_facts_fini(struct mock_facts *f);

/* Exactly one JSON object, no member of it twice; NULL otherwise. */
struct json_object *mock_json_parse(struct ag_str text);

#endif
