/* converse.h - what the files of Bedrock's Converse share.
 * Format: AWS's description of the Bedrock runtime, Converse and ConverseStream. */
#ifndef AG_TRANSLATE_CONVERSE_H
#define AG_TRANSLATE_CONVERSE_H

#include "translate/anthropic.h"
#include "translate/protocol.h"

/* Whose model it is: what Converse has no field for is said in the model's own words. */
enum ag_converse_kind {
	AG_CONVERSE_OTHER,
	AG_CONVERSE_CLAUDE,
	AG_CONVERSE_NOVA,
	AG_CONVERSE_EFFORT, /* takes reasoning_effort as it is */
};

struct ag_converse_build {
	const struct ag_build_in *in;
	struct json_object *messages; /* borrowed: chat */
	enum ag_converse_kind kind;
	struct ag_claude claude;      /* of AG_CONVERSE_CLAUDE */
	unsigned n_documents;
	struct ag_buf *b;
	struct ag_err *err;
};

extern const struct ag_reader ag_converse_reader;

int ag_converse_build(const struct ag_build_in *in, struct ag_buf *out, struct ag_err *err) AG_MUST_CHECK;
void ag_converse_read_error(int status, struct ag_str body, struct ag_buf *mem, struct ag_client_error *out);
/* "throttlingException", "ThrottlingException": type, code and status in OpenAI's words; false: not known. */
bool ag_converse_error_of(struct ag_str type, struct ag_client_error *e);

/* ---- converse_content.c ---- */
/* `system`, all of it: there is none in the middle of a conversation.  more: said behind, n 0: nothing. */
int ag_converse_put_system(struct ag_converse_build *s, struct ag_str more) AG_MUST_CHECK;
int ag_converse_put_messages(struct ag_converse_build *s) AG_MUST_CHECK;
/* A cache's mark behind what the part of a chat says is to be kept. */
void ag_converse_put_cache(struct ag_buf *b, struct json_object *part);

#endif
