/* gemini.h - what the files of Gemini's protocol share.
 * Format: Google's description of the Gemini API, generateContent and streamGenerateContent. */
#ifndef AG_TRANSLATE_GEMINI_H
#define AG_TRANSLATE_GEMINI_H

#include "translate/protocol.h"

extern const struct ag_reader ag_gemini_reader;
extern const struct ag_writer ag_gemini_writer;

int ag_gemini_parse(const struct ag_parse_in *in, struct json_object **out_chat, struct ag_err *err) AG_MUST_CHECK;
int ag_gemini_build(const struct ag_build_in *in, struct ag_buf *out, struct ag_err *err) AG_MUST_CHECK;
void ag_gemini_read_error(int status, struct ag_str body, struct ag_buf *mem, struct ag_client_error *out);
void ag_gemini_write_error(const struct ag_client_error *e, bool is_event, struct ag_buf *out);

#endif
