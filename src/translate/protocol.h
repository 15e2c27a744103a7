/* protocol.h - a wire protocol of chat, seen from both ends.
 *
 * The middle of every translation is a chat request in OpenAI's form, as json-c tree ("chat"), and an
 * answer in pieces (piece.h).  A protocol that clients speak has `parse` and `writer`; one that
 * providers speak has `build` and `reader`; most have all four.  So N protocols need N files.
 *
 * Where client and provider speak the same one nothing here is called: bytes pass, and the family's
 * on_body/on_event (provider/provider.h) pick the usage out of them.
 *
 * All are pure over bytes and trees, no I/O.  Memory of a stream is bounded: state plus what the
 * current event needs.  Formats: the providers' published descriptions. */
#ifndef AG_TRANSLATE_PROTOCOL_H
#define AG_TRANSLATE_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "provider/provider.h"
#include "translate/framing.h"
#include "translate/piece.h"

struct json_object;

/* What a translation of a request needs to know of where it goes. */
struct ag_build_in {
	struct json_object *chat;  /* borrowed, and left as it is: build may be called again */
	const struct ag_provider *family; /* never NULL */
	struct ag_str model;       /* the name the provider knows it by */
	uint32_t model_flags;      /* AG_MF_... of the catalogue, 0: nothing known */
	uint64_t limit;            /* output tokens the hold pays for, > 0: written as the provider's limit */
	bool is_stream;
	bool is_strict;            /* strict compliance asked for by name: what has no counterpart is
	                            * refused, not dropped, also where dropping does no harm */
};

/* A client's request. */
struct ag_parse_in {
	struct ag_str body;
	struct ag_str path_model;  /* what the path said (Gemini), else empty */
	bool path_stream;
	bool is_strict;            /* as in ag_build_in */
};

/* Reads what a provider answers.  Usage, model, id and what else an ag_answer holds is found by the
 * same functions as where bytes pass (struct ag_wire): event and body call them.  State is plain
 * memory of state_bytes, zeroed by the caller, with nothing to free but what fini frees. */
struct ag_reader {
	size_t state_bytes;
	void (*fini)(void *state); /* NULL: nothing to free */
	/* One event.  Fills a (usage, model, id, finish_reason, has_done, has_error, content_*), tells
	 * pieces.  0 or -errno: -EBADMSG is an event that cannot be read. */
	int (*event)(void *state, const struct ag_provider *p, const struct ag_stream_event *ev,
	    struct ag_answer *a, const struct ag_piece_sink *sink) AG_MUST_CHECK;
	/* The stream has ended whole.  Tells what the end brings: where EOF is the terminator END, and sets
	 * a->has_done.  Without has_done, here or before, the stream counts as broken. */
	int (*eof)(void *state, struct ag_answer *a, const struct ag_piece_sink *sink) AG_MUST_CHECK;
	/* A whole 2xx answer, as pieces from START to END. */
	int (*body)(void *state, const struct ag_provider *p, struct ag_str body, struct ag_answer *a,
	    const struct ag_piece_sink *sink) AG_MUST_CHECK;
};

/* What of the request a writer shows again. */
struct ag_writer_in {
	struct ag_str id;          /* of the request: unique, for ids that the provider gave none for */
	struct ag_str model;       /* as asked for; OpenAI's clients are shown the provider's, if it named one */
	int64_t created_s;         /* wall clock */
	bool is_stream;
	bool wants_usage;          /* OpenAI streams: a usage chunk was asked for */
	bool is_strict;            /* finish reasons and extensions: OpenAI's own only */
	bool is_array;             /* Gemini's stream without alt=sse: one JSON array */
	struct json_object *request; /* as the client sent it, borrowed; NULL when nobody echoes it */
};

/* Writes an answer as the client's protocol has it. */
struct ag_writer {
	size_t state_bytes;
	void (*fini)(void *state);
	void (*init)(void *state, const struct ag_writer_in *in); /* in outlives the state */
	/* Appends to out what the piece brings: stream events at once, a whole body at END. */
	int (*piece)(void *state, const struct ag_piece *p, struct ag_buf *out) AG_MUST_CHECK;
	const char *stream_type, *stream_array_type; /* content types; array NULL: has no such stream */
};

/* An error as the client's protocol has it; also for refusals of our own. */
struct ag_client_error {
	int status;
	struct ag_str type, code, message; /* OpenAI's words; code n 0: null */
	struct ag_str param;               /* n 0: null */
	int64_t retry_after_ms;            /* told in the body (Gemini), 0: not */
	struct ag_str request_id;
};

struct ag_protocol {
	const char *name;
	enum ag_endpoint endpoint; /* what it is the protocol of */
	const struct ag_framing *framing; /* of its streams */
	bool wants_request;        /* writer: in->request is to be there */
	/* Client's end: body -> chat.  The limit on output is max_completion_tokens, and model, stream stand
	 * in the chat.  -EINVAL with err: the field that is wrong, or cannot be served, by name. */
	int (*parse)(const struct ag_parse_in *in, struct json_object **out_chat, struct ag_err *err);
	const struct ag_writer *writer;
	void (*write_error)(const struct ag_client_error *e, bool is_event, struct ag_buf *out);
	/* Provider's end: chat -> body.  in->limit is what to write as the limit, whatever the chat says.
	 * -EINVAL with err: the field the provider has no place for. */
	int (*build)(const struct ag_build_in *in, struct ag_buf *out, struct ag_err *err);
	/* Of the limit, what thinking needs: with less the request would be refused, or another one.  NULL: nothing. */
	uint64_t (*thinking)(const struct ag_build_in *in);
	const struct ag_reader *reader;
	/* An error answer of the provider: status, type, code, message in OpenAI's words.  The texts
	 * point into body, into static memory, or into mem, which is empty. */
	void (*read_error)(int status, struct ag_str body, struct ag_buf *mem, struct ag_client_error *out);
};

extern const struct ag_protocol ag_protocol_openai;    /* chat completions: the middle itself */
extern const struct ag_protocol ag_protocol_responses; /* OpenAI's responses */
extern const struct ag_protocol ag_protocol_anthropic; /* messages */
extern const struct ag_protocol ag_protocol_gemini;    /* generateContent */
extern const struct ag_protocol ag_protocol_converse;  /* Bedrock's converse */
extern const struct ag_protocol ag_protocol_cohere;    /* chat v2 */
extern const struct ag_protocol ag_protocol_completion; /* legacy completions: clients' end */

/* The protocol of an endpoint; NULL: it is none of a conversation, or not spoken. */
const struct ag_protocol *ag_protocol_of(enum ag_endpoint ep);

/* Whole bodies that are no conversation (embeddings, rankings): one row, one file for each pair. */
struct ag_exchange_in {
	struct ag_str body;        /* the client's; of an answer too */
	struct ag_str model;       /* the name the provider knows it by */
	const struct ag_provider *family;
	bool is_strict;            /* as in ag_build_in */
};

struct ag_exchange {
	enum ag_endpoint from, to;
	int (*build)(const struct ag_exchange_in *in, struct ag_buf *out, struct ag_err *err);
	/* A whole 2xx answer: usage into a, the client's body appended to out. */
	int (*answer)(const struct ag_exchange_in *in, struct ag_str body, struct ag_answer *a,
	    struct ag_buf *out);
	void (*read_error)(int status, struct ag_str body, struct ag_buf *mem, struct ag_client_error *out);
	const char *input_header;  /* tells the input's tokens, where the body does not; NULL: none does */
};

extern const struct ag_exchange ag_exchange_cohere_embed, ag_exchange_cohere_rerank, ag_exchange_gemini_embed,
    ag_exchange_gemini_embed_one, ag_exchange_vertex_embed, ag_exchange_titan_embed, ag_exchange_invoke_cohere_embed;

const struct ag_exchange *ag_exchange_of(enum ag_endpoint from, enum ag_endpoint to);

#endif
