/* provider.h - what the gateway must know of a provider family: where it lives, how it is
 * authenticated, which endpoints it serves in which protocol, and how its answers tell what they
 * cost.
 *
 * registry.c is the table; a protocol has a file of its own that reads usage in passing.  All
 * functions are pure over bytes; nothing here does I/O.  Format: the providers' published API
 * descriptions. */
#ifndef AG_PROVIDER_PROVIDER_H
#define AG_PROVIDER_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

#include "aigated/record.h"
#include "aigated/usage.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum ag_auth {
	AG_AUTH_NONE,
	AG_AUTH_BEARER, /* Authorization: Bearer KEY */
	AG_AUTH_API_KEY, /* api-key: KEY */
	AG_AUTH_X_API_KEY, /* x-api-key: KEY */
	AG_AUTH_GOOG_API_KEY, /* x-goog-api-key: KEY */
	AG_AUTH_SIGN, /* each request is signed: sign() of the family */
};

/* How an access token is had for the credential, which is then never sent itself: oauth.h. */
enum ag_oauth {
	AG_OAUTH_NONE,
	AG_OAUTH_JWT_BEARER, /* a service account's JSON signs for it */
	AG_OAUTH_CLIENT,     /* a client secret is shown for it */
	/* There is no credential: the machine itself is known to its cloud. */
	AG_OAUTH_AZURE_MANAGED,
	AG_OAUTH_GOOGLE_WORKLOAD,
};

#define AG_PF_INCLUDE_USAGE 1u /* takes stream_options.include_usage */
#define AG_PF_CUSTOM_HOST   2u /* has no public host: custom_host is required */
#define AG_PF_REASONING_OUTSIDE 4u /* completion_tokens excludes reasoning when the total says so */
#define AG_PF_COST_IN_USAGE 8u /* usage.cost is the charge, in USD */
#define AG_PF_MAX_COMPLETION 16u /* knows max_completion_tokens */
/* What those who resemble OpenAI do not know, as a translated request must not have it. */
#define AG_PF_NO_DEVELOPER  (1u << 5)  /* role developer is written as system */
#define AG_PF_NO_STORE      (1u << 6)  /* store, metadata, safety_identifier, prompt_cache_key */
#define AG_PF_NO_PENALTIES  (1u << 7)  /* presence_penalty, frequency_penalty */
#define AG_PF_NO_LOGPROBS   (1u << 8)  /* logprobs, top_logprobs, logit_bias */
#define AG_PF_NO_N          (1u << 9)  /* n above 1 */
#define AG_PF_NO_SEED       (1u << 10)
#define AG_PF_NO_PARALLEL   (1u << 11) /* parallel_tool_calls */
#define AG_PF_NO_SCHEMA     (1u << 12) /* response_format json_schema: json_object instead */
#define AG_PF_NO_EFFORT     (1u << 13) /* reasoning_effort */
#define AG_PF_NO_TOOLS      (1u << 14)
#define AG_PF_RANDOM_SEED   (1u << 16) /* Mistral: its name for seed, its ids of calls, nothing it does not know */
#define AG_PF_REASONING_BACK (1u << 15) /* wants reasoning_content of earlier turns again */

/* What an answer told about itself; grows while a stream passes. */
struct ag_answer {
	struct ag_usage usage;
	bool has_usage;
	bool has_done;         /* the terminator came */
	bool has_error;        /* an error event came in the stream */
	uint64_t content_events; /* events with content seen */
	uint64_t content_bytes; /* bytes of their text, about: bounds the tokens received */
	uint64_t reported_bytes; /* of them, those that had come when usage told its figures last */
	char model[128];       /* model that served, "" unknown */
	char id[96];
	char finish_reason[32];
	char error_type[64];
};

/* All that is to come is told: nothing of it costs more. */
static inline bool
ag_answer_is_over(const struct ag_answer *a)
{
	return a->has_done || (a->has_usage && a->finish_reason[0] != '\0');
}

struct ag_provider;

/* Reads the answers of one protocol as they pass. */
struct ag_wire {
	/* A whole answer body of a 2xx. */
	void (*on_body)(const struct ag_provider *p, struct ag_str body, struct ag_answer *a);
	/* One event of a stream, name n 0: none; true: the event only carries usage that nobody asked
	 * for, so it may be withheld. */
	bool (*on_event)(const struct ag_provider *p, struct ag_str name, struct ag_str data,
	    struct ag_answer *a);
	/* Error body: type and message for the log and the ledger. */
	void (*on_error)(const struct ag_provider *p, struct ag_str body, struct ag_answer *a);
};

extern const struct ag_wire ag_wire_openai;    /* chat, completions, embeddings */
extern const struct ag_wire ag_wire_responses;
extern const struct ag_wire ag_wire_media;     /* images, speech, transcripts: usage or units */
extern const struct ag_wire ag_wire_anthropic; /* messages, count_tokens */
extern const struct ag_wire ag_wire_gemini;    /* generateContent, countTokens */
extern const struct ag_wire ag_wire_converse;  /* Bedrock's converse */
extern const struct ag_wire ag_wire_cohere;    /* chat, embed, rerank of v2 */

/* One endpoint a family serves, native.  In the paths, as in a family's base URL, {model} is the model
 * as one path segment, percent-encoded; {rest} the client's path behind /v1 with its query; any other
 * {name} what place() of the family says, or the text of that name in the integration's
 * `configurations`. */
struct ag_provider_path {
	enum ag_endpoint endpoint;
	const char *path;
	const char *stream_path; /* NULL: the same */
	const struct ag_wire *wire;
};

/* What a signature covers. */
struct ag_sign_in {
	struct ag_str method;     /* "POST" */
	struct ag_str target;     /* path and query as on the wire */
	struct ag_str host;       /* as in the host header */
	struct ag_str content_type;
	const uint8_t *body_sha256; /* AG_SHA256_LEN bytes */
	int64_t now_s;            /* wall */
	struct ag_str secret;     /* the opened credential */
	struct ag_str config;     /* `configurations`, JSON */
};

#define AG_HIDDEN_MAX 2u /* parts of one credential */

struct ag_provider {
	const char *name;      /* as in ai_provider_id */
	const char *base_url;  /* may hold {name} of `configurations`; NULL: custom_host required */
	enum ag_auth auth;
	uint32_t flags;        /* AG_PF_... */
	const struct ag_provider_path *paths; /* up to a row with AG_EP_NONE; conversations: first is
	                                       * what others are translated to */
	const char *header, *header_value; /* sent when the client gave none; NULL: none */
	/* Text of a placeholder, appended; NULL, or -ENOENT: as a text of `configurations`. */
	int (*place)(struct ag_str config, struct ag_str name, struct ag_str model, struct ag_buf *out);
	/* The model that answers to a name that is nobody's, where there is a default; NULL, or the name
	 * itself: it is what it says.  Points into config or model. */
	struct ag_str (*serves_as)(struct ag_str config, struct ag_str model);
	/* The name a model has in price lists; NULL: its own. */
	struct ag_str (*priced_as)(struct ag_str config, struct ag_str model);
	/* The paths, where they depend on the model; NULL: `paths`. */
	const struct ag_provider_path *(*paths_of)(struct ag_str model);
	/* How tokens are had; NULL: the credential is sent as `auth` says. */
	enum ag_oauth (*oauth)(struct ag_str config);
	/* In the body of messages, in which the model has no place: the version that is spoken.  NULL: as
	 * Anthropic itself has it. */
	const char *anthropic_version;
	/* With AG_AUTH_SIGN: is the credential one to sign with?  Otherwise it is sent as a bearer. */
	bool (*is_signing)(struct ag_str secret);
	/* The parts of such a credential that must not pass back to a client; how many. */
	unsigned (*hide)(struct ag_str secret, struct ag_str out[AG_HIDDEN_MAX]);
	/* Header lines, each with CRLF, appended. */
	int (*sign)(const struct ag_sign_in *in, struct ag_buf *out, struct ag_err *err);
};

/* NULL: not a family we speak. */
const struct ag_provider *ag_provider_find(struct ag_str name);
const struct ag_provider *ag_provider_at(uint32_t ix); /* NULL behind the last */

/* How the family serves an endpoint itself; NULL: it does not. */
const struct ag_provider_path *ag_provider_path(const struct ag_provider *p, enum ag_endpoint ep);
/* The same of a model, or what a request to ep is to be translated to; NULL: nothing. */
const struct ag_provider_path *ag_provider_serve(const struct ag_provider *p, enum ag_endpoint ep,
    struct ag_str model);
/* Endpoints that are protocols of the same exchange: a chat, embeddings, a ranking. */
bool ag_endpoint_is_kin(enum ag_endpoint a, enum ag_endpoint b);
bool ag_endpoint_is_chat(enum ag_endpoint ep);

/* ---- template.c ---- */
/* Appends tmpl with its placeholders filled in.  -ENOENT: one of them has no text, err names it;
 * -EINVAL: its text cannot stand there. */
int ag_provider_expand(const struct ag_provider *p, const char *tmpl, struct ag_str config,
    struct ag_str model, struct ag_str rest, struct ag_buf *out, struct ag_err *err) AG_MUST_CHECK;

/* ---- openai.c: shared by every compatible family ---- */
void ag_openai_on_body(const struct ag_provider *p, struct ag_str body, struct ag_answer *a);
bool ag_openai_on_event(const struct ag_provider *p, struct ag_str name, struct ag_str data,
    struct ag_answer *a);
void ag_openai_on_error(const struct ag_provider *p, struct ag_str body, struct ag_answer *a);

/* ---- azure.c ---- */
int ag_azure_place(struct ag_str config, struct ag_str name, struct ag_str model, struct ag_buf *out);
struct ag_str ag_azure_serves_as(struct ag_str config, struct ag_str model);
struct ag_str ag_azure_priced_as(struct ag_str config, struct ag_str model);
enum ag_oauth ag_azure_oauth(struct ag_str config);

/* ---- vertex.c ---- */
extern const struct ag_provider_path ag_vertex_paths[]; /* of Google's own models */
int ag_vertex_place(struct ag_str config, struct ag_str name, struct ag_str model, struct ag_buf *out);
const struct ag_provider_path *ag_vertex_paths_of(struct ag_str model);
enum ag_oauth ag_vertex_oauth(struct ag_str config);

/* ---- bedrock.c ---- */
extern const struct ag_provider_path ag_bedrock_paths[]; /* of models that converse */
const struct ag_provider_path *ag_bedrock_paths_of(struct ag_str model);
int ag_bedrock_place(struct ag_str config, struct ag_str name, struct ag_str model, struct ag_buf *out);
struct ag_str ag_bedrock_priced_as(struct ag_str config, struct ag_str model);
bool ag_bedrock_is_signing(struct ag_str secret);
unsigned ag_bedrock_hide(struct ag_str secret, struct ag_str out[AG_HIDDEN_MAX]);
int ag_bedrock_sign(const struct ag_sign_in *in, struct ag_buf *out, struct ag_err *err);

#endif
