/* converse.c - Bedrock's Converse: its row, and what its errors say.  Nobody is spoken to in it. */
#include "translate/converse.h"

#include "translate/openai.h"
#include "translate/tree.h"

/* "com.amazon.coral.service#ThrottlingException:http://..." -> "ThrottlingException" */
static struct ag_str
name_of(struct ag_str type)
{
	const char *colon = type.n > 0 ? memchr(type.p, ':', type.n) : NULL;

	if (colon)
		type.n = (size_t)(colon - type.p);
	for (size_t i = type.n; i-- > 0;)
		if (type.p[i] == '#' || type.p[i] == '/')
			return ag_str_skip(type, i + 1);
	return type;
}

bool
ag_converse_error_of(struct ag_str type, struct ag_client_error *e)
{
	static const struct { const char *name; int status; } rows[] = {
		{ "ValidationException", 400 }, { "ServiceQuotaExceededException", 429 }, { "ConflictException", 409 },
		{ "AccessDeniedException", 403 }, { "UnrecognizedClientException", 403 },
		{ "InvalidSignatureException", 403 }, { "ExpiredTokenException", 403 },
		{ "ResourceNotFoundException", 404 }, { "ModelTimeoutException", 504 },
		{ "ModelErrorException", 424 }, { "ModelStreamErrorException", 424 },
		{ "ThrottlingException", 429 }, { "ModelNotReadyException", 503 },
		{ "InternalServerException", 500 }, { "ServiceUnavailableException", 503 },
	};

	type = name_of(type);
	/* In a stream the first letter is a small one. */
	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++)
		if (ag_str_ieq(type, ag_str(rows[i].name))) {
			ag_openai_error_of(rows[i].status, e);
			return true;
		}
	return false;
}

void
ag_converse_read_error(int status, struct ag_str body, struct ag_buf *mem, struct ag_client_error *out)
{
	struct json_object *o = NULL;
	struct ag_str message;

	*out = (struct ag_client_error){ 0 };
	(void)!ag_tree_parse(body, &o, NULL);
	if (!ag_converse_error_of(ag_tree_str(o, "__type"), out))
		ag_openai_error_of(status, out);
	message = ag_tree_str(o, ag_tree_str(o, "message").n > 0 ? "message" : "Message");
	if (message.n > 0)
		ag_buf_put_str(mem, message);
	else
		ag_buf_printf(mem, "The provider answered with status %d", status);
	out->message = ag_buf_str(mem);
	if (out->status == 400 && ag_openai_is_overflow(out->message)) {
		out->code = AG_STR("context_length_exceeded");
		out->param = AG_STR("messages");
	}
	json_object_put(o);
}

static uint64_t
thinking(const struct ag_build_in *in)
{
	return memmem(in->model.p, in->model.n, "claude", 6) ? ag_claude_needs(in) : 0;
}

const struct ag_protocol ag_protocol_converse = {
	.name = "converse", .endpoint = AG_EP_CONVERSE, .framing = &ag_framing_eventstream,
	.build = ag_converse_build, .thinking = thinking, .reader = &ag_converse_reader,
	.read_error = ag_converse_read_error,
};
