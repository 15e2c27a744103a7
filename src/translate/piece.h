/* piece.h - an answer in pieces: what every protocol's answer is made of.
 *
 * A reader (of the protocol the provider speaks) takes events or a whole body apart; a writer (of
 * the protocol the client speaks) puts them together again.  Neither knows the other.  Order for
 * one answer: START, then of each choice runs of content, then its FINISH; then USAGE where it is
 * known, then END or ERROR, which is the last. */
#ifndef AG_TRANSLATE_PIECE_H
#define AG_TRANSLATE_PIECE_H

#include <stdbool.h>
#include <stdint.h>

#include "aigated/usage.h"
#include "base/str.h"

enum ag_piece_kind {
	AG_PIECE_START,     /* id, model; times and roles are the writer's */
	AG_PIECE_TEXT,      /* text: a run of what is shown */
	AG_PIECE_REFUSAL,   /* text: a run of the words of a refusal */
	AG_PIECE_REASONING, /* text: a run of thinking that is shown */
	AG_PIECE_SIGNATURE, /* text: the proof that belongs to the thinking, or the tool call, before it */
	AG_PIECE_REDACTED,  /* text: thinking that is not shown, opaque, whole */
	AG_PIECE_TOOL,      /* a tool call begins: tool, id, name */
	AG_PIECE_TOOL_ARGS, /* tool, text: a run of the JSON text of its arguments */
	AG_PIECE_TOOL_END,  /* tool: its arguments are complete; "{}" was told when there were none */
	AG_PIECE_IMAGE,     /* text: base64; name: media type */
	AG_PIECE_CITATION,  /* text: a JSON object in OpenAI's form of annotations */
	AG_PIECE_LOGPROBS,  /* text: a JSON object as in OpenAI's choices[].logprobs */
	AG_PIECE_FINISH,    /* finish; name: the provider's own word, may be empty */
	AG_PIECE_USAGE,     /* usage: what it stands at in the end */
	AG_PIECE_END,
	AG_PIECE_ERROR,     /* the provider gave up in the middle: id: type, text: message, name: code */
};

enum ag_finish {
	AG_FINISH_NONE,
	AG_FINISH_STOP,
	AG_FINISH_STOP_SEQUENCE, /* one of the client's; text of the piece: which, may be empty */
	AG_FINISH_LENGTH,
	AG_FINISH_TOOLS,
	AG_FINISH_FILTER,        /* filtered, or refused */
};

/* Texts are UTF-8, decoded, and good during the call only. */
struct ag_piece {
	enum ag_piece_kind kind;
	uint32_t choice;     /* from 0 */
	uint32_t tool;       /* counts the tool calls of the choice from 0 */
	enum ag_finish finish;
	struct ag_str id, model, name, text;
	const struct ag_usage *usage;
};

/* 0, or -errno (-ENOBUFS: a ceiling, -ENOMEM), which ends the answer as broken. */
typedef int ag_piece_fn(void *arg, const struct ag_piece *p);

struct ag_piece_sink {
	ag_piece_fn *fn;
	void *arg;
};

static inline int
ag_piece_put(const struct ag_piece_sink *s, const struct ag_piece *p)
{
	return s->fn(s->arg, p);
}

#endif
