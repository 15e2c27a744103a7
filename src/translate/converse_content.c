/* converse_content.c - the messages of a chat as Converse's. */
#include <errno.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/json.h"
#include "translate/chat.h"
#include "translate/converse.h"
#include "translate/json_out.h"
#include "translate/openai.h"
#include "translate/tree.h"

#define ID_MAX   64u  /* of a tool's use */
#define NAME_MAX 100u /* of a document */

/* ---- blocks ------------------------------------------------------------------------------ */

static bool
is_blank(struct ag_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\r' && s.p[i] != '\n')
			return false;
	return true;
}

void
ag_converse_put_cache(struct ag_buf *b, struct json_object *part)
{
	struct json_object *c = ag_tree_object(part, "cache_control");

	if (!c && !ag_tree_object(part, "prompt_cache_breakpoint"))
		return;
	ag_jo_open(b, NULL, '{');
	ag_jo_open(b, "cachePoint", '{');
	ag_jo_str(b, "type", AG_STR("default"));
	if (ag_tree_is(c, "ttl", "1h"))
		ag_jo_str(b, "ttl", AG_STR("1h"));
	ag_buf_puts(b, "}}");
}

/* Blank text blocks are refused. */
static void
put_text(struct ag_converse_build *s, struct ag_str text, struct json_object *part)
{
	if (is_blank(text))
		return;
	ag_jo_open(s->b, NULL, '{');
	ag_jo_str(s->b, "text", text);
	ag_jo_close(s->b, '}');
	ag_converse_put_cache(s->b, part);
}

static void
put_bytes(struct ag_buf *b, struct ag_str data)
{
	ag_jo_open(b, "source", '{');
	ag_jo_str(b, "bytes", data);
	ag_jo_close(b, '}');
}

/* Bytes, or what lies in Amazon's own store; nothing is fetched here. */
static int
put_image(struct ag_converse_build *s, struct json_object *part, size_t at)
{
	static const char *const formats[] = { "png", "jpeg", "gif", "webp" };
	struct ag_str url = ag_tree_str(ag_tree_object(part, "image_url"), "url"), type, data, format = AG_STR_NONE;
	const char *dot = url.n > 0 ? memrchr(url.p, '.', url.n) : NULL;
	bool is_data = ag_openai_split_data_url(url, &type, &data), is_kept = ag_str_starts(url, AG_STR("s3://"));

	if (!is_data && !is_kept)
		return ag_err_set(s->err, -EINVAL, "messages[%zu].content: image_url.url must be base64 data for %s: it "
		    "does not fetch addresses", at, s->in->family->name);
	if (is_data && ag_str_starts(type, AG_STR("image/")))
		format = ag_str_skip(type, 6);
	else if (!is_data && dot)
		format = ag_str_skip(url, (size_t)(dot - url.p) + 1);
	if (ag_str_eq(format, AG_STR("jpg")))
		format = AG_STR("jpeg");
	for (size_t i = 0; i < AG_ARRAY_LEN(formats); i++) {
		if (!ag_str_eq(format, ag_str(formats[i])))
			continue;
		ag_jo_open(s->b, NULL, '{');
		ag_jo_open(s->b, "image", '{');
		ag_jo_str(s->b, "format", format);
		if (is_data) {
			put_bytes(s->b, data);
		} else {
			ag_jo_open(s->b, "source", '{');
			ag_jo_open(s->b, "s3Location", '{');
			ag_jo_str(s->b, "uri", url);
			ag_buf_puts(s->b, "}}");
		}
		ag_buf_puts(s->b, "}}");
		ag_converse_put_cache(s->b, part);
		return 0;
	}
	return ag_err_set(s->err, -EINVAL, "messages[%zu].content: image_url.url: %s takes png, jpeg, gif and webp", at,
	    s->in->family->name);
}

/* What may stand in a document's name; and no two have the same one. */
static void
put_document_name(struct ag_converse_build *s, struct ag_str filename)
{
	const char *dot = filename.n > 0 ? memrchr(filename.p, '.', filename.n) : NULL;
	struct ag_str stem = dot ? ag_str_n(filename.p, (size_t)(dot - filename.p)) : filename;
	char name[NAME_MAX + 16];
	size_t n = 0;

	for (size_t i = 0; i < stem.n && n < NAME_MAX; i++) {
		char c = stem.p[i];
		bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '(' || c == ')' || c == '[' || c == ']';

		name[n++] = is_plain ? c : '-';
	}
	s->n_documents++;
	if (n == 0 || s->n_documents > 1)
		n += (size_t)snprintf(name + n, sizeof(name) - n, n == 0 ? "document %u" : " %u", s->n_documents);
	ag_jo_str(s->b, "name", ag_str_n(name, n));
}

static int
put_file(struct ag_converse_build *s, struct json_object *part, size_t at)
{
	static const struct { const char *type, *format; } rows[] = {
		{ "application/pdf", "pdf" }, { "text/plain", "txt" }, { "text/markdown", "md" },
		{ "text/csv", "csv" }, { "text/html", "html" }, { "application/msword", "doc" },
		{ "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx" },
		{ "application/vnd.ms-excel", "xls" },
		{ "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx" },
	};
	struct json_object *file = ag_tree_object(part, "file");
	struct ag_str type = AG_STR_NONE, data = AG_STR_NONE;

	(void)ag_openai_split_data_url(ag_tree_str(file, "file_data"), &type, &data);
	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		if (!ag_str_eq(type, ag_str(rows[i].type)))
			continue;
		ag_jo_open(s->b, NULL, '{');
		ag_jo_open(s->b, "document", '{');
		ag_jo_str(s->b, "format", ag_str(rows[i].format));
		put_document_name(s, ag_tree_str(file, "filename"));
		put_bytes(s->b, data);
		ag_buf_puts(s->b, "}}");
		ag_converse_put_cache(s->b, part);
		return 0;
	}
	return ag_err_set(s->err, -EINVAL, "messages[%zu].content: a file needs file_data, base64 of a document's type, "
	    "for %s", at, s->in->family->name);
}

static int
put_audio(struct ag_converse_build *s, struct json_object *audio)
{
	ag_jo_open(s->b, NULL, '{');
	ag_jo_open(s->b, "audio", '{');
	ag_jo_str(s->b, "format", ag_tree_str(audio, "format"));
	put_bytes(s->b, ag_tree_str(audio, "data"));
	ag_buf_puts(s->b, "}}");
	return 0;
}

static int
put_part(struct ag_converse_build *s, struct json_object *part, bool is_text_only, size_t at)
{
	struct json_object *audio = ag_tree_object(part, "input_audio");

	if (ag_tree_is(part, "type", "text") || ag_tree_is(part, "type", "refusal")) {
		put_text(s, ag_tree_str(part, ag_tree_is(part, "type", "text") ? "text" : "refusal"), part);
		return 0;
	}
	if (ag_tree_is(part, "type", "image_url") && !is_text_only)
		return put_image(s, part, at);
	if (ag_tree_is(part, "type", "file") && !is_text_only)
		return put_file(s, part, at);
	if (audio && !is_text_only)
		return put_audio(s, audio);
	return ag_err_set(s->err, -EINVAL, "messages[%zu].content: a part of type \"%.40s\" is not supported by %s", at,
	    ag_tree_str(part, "type").p ? ag_tree_str(part, "type").p : "", s->in->family->name);
}

static int
put_content(struct ag_converse_build *s, struct json_object *m, bool is_text_only, size_t at)
{
	struct json_object *content = ag_tree_get(m, "content");
	int rc = 0;

	if (json_object_is_type(content, json_type_string)) {
		put_text(s, ag_tree_text(content), m);
		return 0;
	}
	for (size_t i = 0; i < ag_json_len(ag_tree_array(m, "content")) && rc == 0; i++)
		rc = put_part(s, ag_json_at(content, i), is_text_only, at);
	return rc;
}

/* ---- calls and their results ------------------------------------------------------------- */

/* An id that another provider gave may have other letters, or be too long: it is made fit by its own
 * bytes alone, so that a call and its result stay together. */
static void
put_id(struct ag_buf *b, struct ag_str id)
{
	char out[ID_MAX + 1];
	bool is_fit = id.n <= ID_MAX;
	size_t n = 0;

	for (size_t i = 0; i < id.n && n < ID_MAX; i++) {
		char c = id.p[i];
		bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '_';

		is_fit = is_fit && is_plain;
		out[n++] = is_plain ? c : '_';
	}
	if (!is_fit) {
		n = n > ID_MAX - 9 ? ID_MAX - 9 : n;
		n += (size_t)snprintf(out + n, sizeof(out) - n, "_%08x", (unsigned)ag_crc32c(0, id.p, id.n));
	}
	ag_jo_str(b, "toolUseId", ag_str_n(out, n));
}

static int
put_call(struct ag_converse_build *s, struct json_object *call, size_t at)
{
	struct json_object *fn = ag_tree_object(call, "function"), *input = NULL;
	struct ag_str args = ag_tree_str(fn, "arguments");

	if (!fn)
		return ag_err_set(s->err, -EINVAL, "messages[%zu].tool_calls: only functions are supported by %s", at,
		    s->in->family->name);
	if (args.n > 0 && ag_tree_parse(args, &input, NULL) < 0)
		return ag_err_set(s->err, -EINVAL, "messages[%zu].tool_calls: function.arguments is no JSON object", at);
	ag_jo_open(s->b, NULL, '{');
	ag_jo_open(s->b, "toolUse", '{');
	put_id(s->b, ag_tree_str(call, "id"));
	ag_jo_str(s->b, "name", ag_tree_str(fn, "name"));
	if (input)
		ag_jo_tree(s->b, "input", input);
	else
		ag_jo_raw(s->b, "input", AG_STR("{}"));
	ag_buf_puts(s->b, "}}");
	json_object_put(input);
	return 0;
}

static int
put_result(struct ag_converse_build *s, struct json_object *m, size_t at)
{
	int rc;

	ag_jo_open(s->b, NULL, '{');
	ag_jo_open(s->b, "toolResult", '{');
	put_id(s->b, ag_tree_str(m, "tool_call_id"));
	ag_jo_open(s->b, "content", '[');
	rc = put_content(s, m, false, at);
	ag_buf_puts(s->b, "]}}");
	return rc;
}

/* Thinking of earlier turns goes back as it was, with its proof; without one it would be refused. */
static void
put_thoughts(struct ag_converse_build *s, struct json_object *m)
{
	struct json_object *blocks = ag_tree_array(m, "thinking_blocks");

	for (size_t i = 0; i < ag_json_len(blocks); i++) {
		struct json_object *block = ag_json_at(blocks, i);
		bool is_hidden = ag_tree_is(block, "type", "redacted_thinking");

		if (!is_hidden && ag_tree_str(block, "signature").n == 0)
			continue;
		ag_jo_open(s->b, NULL, '{');
		ag_jo_open(s->b, "reasoningContent", '{');
		if (is_hidden) {
			ag_jo_str(s->b, "redactedContent", ag_tree_str(block, "data"));
		} else {
			ag_jo_open(s->b, "reasoningText", '{');
			ag_jo_str(s->b, "text", ag_tree_str(block, "thinking"));
			ag_jo_str(s->b, "signature", ag_tree_str(block, "signature"));
			ag_jo_close(s->b, '}');
		}
		ag_buf_puts(s->b, "}}");
	}
}

static int
put_turn(struct ag_converse_build *s, struct json_object *m, size_t at)
{
	struct json_object *calls = ag_tree_array(m, "tool_calls");
	int rc;

	if (ag_chat_is_role(m, "tool"))
		return put_result(s, m, at);
	put_thoughts(s, m);
	rc = put_content(s, m, false, at);
	for (size_t i = 0; i < ag_json_len(calls) && rc == 0; i++)
		rc = put_call(s, ag_json_at(calls, i), at);
	return rc;
}

/* ---- messages ---------------------------------------------------------------------------- */

int
ag_converse_put_system(struct ag_converse_build *s, struct ag_str more)
{
	bool any = more.n > 0;
	int rc = 0;

	for (size_t i = 0; i < ag_json_len(s->messages); i++)
		any |= ag_chat_is_system(ag_json_at(s->messages, i));
	if (!any)
		return 0;
	ag_jo_open(s->b, "system", '[');
	for (size_t i = 0; i < ag_json_len(s->messages) && rc == 0; i++)
		if (ag_chat_is_system(ag_json_at(s->messages, i)))
			rc = put_content(s, ag_json_at(s->messages, i), true, i);
	put_text(s, more, NULL);
	ag_jo_close(s->b, ']');
	return rc;
}

static void
open_turn(struct ag_converse_build *s, bool is_assistant)
{
	ag_jo_open(s->b, NULL, '{');
	ag_jo_str(s->b, "role", is_assistant ? AG_STR("assistant") : AG_STR("user"));
	ag_jo_open(s->b, "content", '[');
}

/* Neighbours of one side are one message, and the user has the first. */
int
ag_converse_put_messages(struct ag_converse_build *s)
{
	bool is_open = false, was_assistant = false;
	int rc = 0;

	ag_jo_open(s->b, "messages", '[');
	for (size_t i = 0; i < ag_json_len(s->messages) && rc == 0; i++) {
		struct json_object *m = ag_json_at(s->messages, i);
		bool is_assistant = ag_chat_is_role(m, "assistant");

		if (ag_chat_is_system(m))
			continue;
		if (!is_assistant && !ag_chat_is_role(m, "user") && !ag_chat_is_role(m, "tool"))
			return ag_err_set(s->err, -EINVAL, "messages[%zu].role: not supported by %s", i, s->in->family->name);
		if (!is_open && is_assistant) {
			open_turn(s, false);
			put_text(s, AG_STR("."), NULL);
			ag_buf_puts(s->b, "]}");
		}
		if (is_open && is_assistant != was_assistant)
			ag_buf_puts(s->b, "]}");
		if (!is_open || is_assistant != was_assistant)
			open_turn(s, is_assistant);
		is_open = true;
		was_assistant = is_assistant;
		rc = put_turn(s, m, i);
	}
	if (is_open)
		ag_buf_puts(s->b, "]}");
	ag_jo_close(s->b, ']');
	return rc;
}
