/* cohere.c - Cohere's chat v2: the row, and errors.  It has no clients of its own here. */
#include "translate/cohere.h"

#include "translate/openai.h"
#include "translate/tree.h"

void
ag_cohere_read_error(int status, struct ag_str body, struct ag_buf *mem, struct ag_client_error *out)
{
	struct json_object *o = NULL;

	*out = (struct ag_client_error){ 0 };
	/* 498: not a token it knows; 499: it gave up on us. */
	ag_openai_error_of(status == 498 ? 401 : status == 499 ? 500 : status, out);
	if (ag_tree_parse(body, &o, NULL) == 0 && ag_tree_str(o, "message").n > 0)
		ag_buf_put_str(mem, ag_tree_str(o, "message"));
	else
		ag_buf_printf(mem, "The provider answered with status %d", status);
	out->message = ag_buf_str(mem);
	if (out->status == 400 && ag_openai_is_overflow(out->message)) {
		out->code = AG_STR("context_length_exceeded");
		out->param = AG_STR("messages");
	}
	json_object_put(o);
}

const struct ag_protocol ag_protocol_cohere = {
	.name = "cohere", .endpoint = AG_EP_COHERE_CHAT, .framing = &ag_framing_sse,
	.build = ag_cohere_build, .reader = &ag_cohere_reader, .read_error = ag_cohere_read_error,
};
