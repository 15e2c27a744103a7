/* responses.c - OpenAI's responses: the row.  Errors are those of chat completions. */
#include "translate/openai.h"
#include "translate/responses.h"

static void
read_error(int status, struct ag_str body, struct ag_buf *mem, struct ag_client_error *out)
{
	ag_protocol_openai.read_error(status, body, mem, out);
}

const struct ag_protocol ag_protocol_responses = {
	.name = "responses", .endpoint = AG_EP_RESPONSES, .framing = &ag_framing_sse, .wants_request = true,
	.parse = ag_responses_parse, .writer = &ag_responses_writer, .write_error = ag_openai_write_error,
	.build = ag_responses_build, .reader = &ag_responses_reader, .read_error = read_error,
};
