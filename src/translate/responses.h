/* responses.h - what the files of OpenAI's responses share.
 * Format: OpenAI's description of POST /v1/responses and of its stream's events. */
#ifndef AG_TRANSLATE_RESPONSES_H
#define AG_TRANSLATE_RESPONSES_H

#include "translate/protocol.h"

extern const struct ag_reader ag_responses_reader;
extern const struct ag_writer ag_responses_writer;

/* What thinking of other protocols has as its proof stands in encrypted_content behind one of these, so
 * that it is known again, and what another provider encrypted is not taken for it. */
#define AG_RESPONSES_PROOF    "thinking:"
#define AG_RESPONSES_REDACTED "redacted:"

int ag_responses_parse(const struct ag_parse_in *in, struct json_object **out_chat, struct ag_err *err) AG_MUST_CHECK;
int ag_responses_build(const struct ag_build_in *in, struct ag_buf *out, struct ag_err *err) AG_MUST_CHECK;

#endif
