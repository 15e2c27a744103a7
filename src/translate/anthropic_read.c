/* anthropic_read.c - answers and errors of the Messages API, as pieces. */
#include <errno.h>

#include "base/json.h"
#include "translate/anthropic.h"
#include "translate/chat.h"
#include "translate/openai.h"

enum block { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_TOOL };

/* Blocks come one behind the other. */
struct state {
	enum block block;
	uint32_t n_tools;
	bool has_args, has_started, has_ended;
	enum ag_finish finish;
	char word[48], sequence[128];
};

static enum ag_finish
finish_of(struct ag_str word)
{
	static const struct { struct ag_str word; enum ag_finish finish; } words[] = {
		{ { "stop_sequence", 13 }, AG_FINISH_STOP_SEQUENCE },
		{ { "max_tokens", 10 }, AG_FINISH_LENGTH },
		{ { "model_context_window_exceeded", 29 }, AG_FINISH_LENGTH },
		{ { "tool_use", 8 }, AG_FINISH_TOOLS }, { { "refusal", 7 }, AG_FINISH_FILTER },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(words); i++)
		if (ag_str_eq(word, words[i].word))
			return words[i].finish;
	return AG_FINISH_STOP;
}

static int
put(const struct ag_piece_sink *sink, enum ag_piece_kind kind, struct ag_str text)
{
	struct ag_piece p = { .kind = kind, .text = text };

	return text.n > 0 ? ag_piece_put(sink, &p) : 0;
}

static int
put_args(struct state *s, struct ag_str text, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_TOOL_ARGS, .tool = s->n_tools - 1, .text = text };

	if (text.n == 0)
		return 0;
	s->has_args = true;
	return ag_piece_put(sink, &p);
}

static int
open_block(struct state *s, struct json_object *block, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_TOOL, .tool = s->n_tools, .id = ag_tree_str(block, "id"),
		.name = ag_tree_str(block, "name") };

	s->block = BLOCK_NONE;
	if (ag_tree_is(block, "type", "text")) {
		s->block = BLOCK_TEXT;
		return put(sink, AG_PIECE_TEXT, ag_tree_str(block, "text"));
	}
	if (ag_tree_is(block, "type", "thinking")) {
		s->block = BLOCK_THINKING;
		return put(sink, AG_PIECE_REASONING, ag_tree_str(block, "thinking"));
	}
	if (ag_tree_is(block, "type", "redacted_thinking"))
		return put(sink, AG_PIECE_REDACTED, ag_tree_str(block, "data"));
	if (!ag_tree_is(block, "type", "tool_use"))
		return 0; /* of tools that the provider runs: not the client's */
	s->block = BLOCK_TOOL;
	s->has_args = false;
	s->n_tools++;
	return ag_piece_put(sink, &p);
}

static int
close_block(struct state *s, struct json_object *input, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_TOOL_END, .tool = s->n_tools - 1 };
	bool is_tool = s->block == BLOCK_TOOL;
	int rc = 0;

	s->block = BLOCK_NONE;
	if (!is_tool)
		return 0;
	if (!s->has_args)
		rc = put_args(s, ag_chat_arguments(input), sink);
	return rc < 0 ? rc : ag_piece_put(sink, &p);
}

static int
on_delta(struct state *s, struct json_object *d, const struct ag_piece_sink *sink)
{
	if (ag_tree_is(d, "type", "text_delta") && s->block == BLOCK_TEXT)
		return put(sink, AG_PIECE_TEXT, ag_tree_str(d, "text"));
	if (ag_tree_is(d, "type", "thinking_delta") && s->block == BLOCK_THINKING)
		return put(sink, AG_PIECE_REASONING, ag_tree_str(d, "thinking"));
	if (ag_tree_is(d, "type", "signature_delta") && s->block == BLOCK_THINKING)
		return put(sink, AG_PIECE_SIGNATURE, ag_tree_str(d, "signature"));
	if (ag_tree_is(d, "type", "input_json_delta") && s->block == BLOCK_TOOL)
		return put_args(s, ag_tree_str(d, "partial_json"), sink);
	return 0;
}

static int
on_start(struct state *s, struct json_object *m, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_START, .id = ag_tree_str(m, "id"), .model = ag_tree_str(m, "model") };

	if (s->has_started)
		return 0;
	s->has_started = true;
	return ag_piece_put(sink, &p);
}

static void
keep_stop(struct state *s, struct json_object *m)
{
	struct ag_str word = ag_tree_str(m, "stop_reason");

	if (word.n == 0)
		return;
	s->finish = finish_of(word);
	(void)ag_str_copy(word, s->word, sizeof(s->word));
	(void)ag_str_copy(ag_tree_str(m, "stop_sequence"), s->sequence, sizeof(s->sequence));
}

static int
on_end(struct state *s, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct ag_piece finish = { .kind = AG_PIECE_FINISH, .finish = s->finish ? s->finish : AG_FINISH_STOP,
		.name = ag_str(s->word), .text = ag_str(s->sequence) };
	struct ag_piece usage = { .kind = AG_PIECE_USAGE, .usage = &a->usage }, end = { .kind = AG_PIECE_END };
	int rc;

	s->has_ended = true;
	rc = ag_piece_put(sink, &finish);
	if (rc == 0 && a->has_usage)
		rc = ag_piece_put(sink, &usage);
	return rc < 0 ? rc : ag_piece_put(sink, &end);
}

/* Its own words for what went wrong, in OpenAI's. */
static void
name_error(struct ag_str type, struct ag_client_error *e)
{
	static const struct { const char *type; int status; } rows[] = {
		{ "invalid_request_error", 400 }, { "authentication_error", 401 }, { "billing_error", 402 },
		{ "permission_error", 403 }, { "not_found_error", 404 }, { "request_too_large", 413 },
		{ "rate_limit_error", 429 }, { "timeout_error", 504 }, { "overloaded_error", 529 },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++)
		if (ag_str_eq(type, ag_str(rows[i].type))) {
			ag_openai_error_of(rows[i].status, e);
			return;
		}
	ag_openai_error_of(500, e);
}

static int
on_error(struct state *s, struct json_object *o, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct json_object *e = ag_tree_object(o, "error");
	struct ag_client_error ce = { 0 };
	struct ag_piece p = { .kind = AG_PIECE_ERROR, .text = ag_tree_str(e, "message") };

	a->has_error = true;
	s->has_ended = true;
	name_error(ag_tree_str(e, "type"), &ce);
	p.id = ce.type;
	p.name = ce.code;
	return ag_piece_put(sink, &p);
}

static int
on_typed(struct state *s, struct json_object *o, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct ag_str type = ag_tree_str(o, "type");

	if (ag_str_eq(type, AG_STR("message_start")))
		return on_start(s, ag_tree_object(o, "message"), sink);
	if (ag_str_eq(type, AG_STR("error")))
		return on_error(s, o, a, sink);
	if (!s->has_started)
		return 0;
	if (ag_str_eq(type, AG_STR("content_block_start")))
		return open_block(s, ag_tree_object(o, "content_block"), sink);
	if (ag_str_eq(type, AG_STR("content_block_delta")))
		return on_delta(s, ag_tree_object(o, "delta"), sink);
	if (ag_str_eq(type, AG_STR("content_block_stop")))
		return close_block(s, NULL, sink);
	if (ag_str_eq(type, AG_STR("message_delta")))
		keep_stop(s, ag_tree_object(o, "delta"));
	if (ag_str_eq(type, AG_STR("message_stop")))
		return on_end(s, a, sink);
	return 0;
}

static int
read_event(void *state, const struct ag_provider *p, const struct ag_stream_event *ev, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct state *s = state;
	struct json_object *o;
	int rc;

	(void)ag_wire_anthropic.on_event(p, ev->name, ev->data, a);
	if (s->has_ended)
		return 0;
	if (ag_tree_parse(ev->data, &o, NULL) < 0)
		return -EBADMSG;
	rc = on_typed(s, o, a, sink);
	json_object_put(o);
	return rc;
}

/* Without message_stop it is not whole. */
static int
read_eof(void *state, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	(void)state;
	(void)a;
	(void)sink;
	return 0;
}

static int
read_block(struct state *s, struct json_object *block, const struct ag_piece_sink *sink)
{
	int rc = open_block(s, block, sink);

	if (rc == 0 && s->block == BLOCK_THINKING)
		rc = put(sink, AG_PIECE_SIGNATURE, ag_tree_str(block, "signature"));
	return rc < 0 ? rc : close_block(s, ag_tree_object(block, "input"), sink);
}

static int
read_body(void *state, const struct ag_provider *p, struct ag_str body, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct state *s = state;
	struct json_object *o, *content;
	int rc;

	ag_wire_anthropic.on_body(p, body, a);
	if (ag_tree_parse(body, &o, NULL) < 0)
		return -EBADMSG;
	if (ag_tree_is(o, "type", "error")) {
		rc = on_error(s, o, a, sink);
		json_object_put(o);
		return rc;
	}
	rc = on_start(s, o, sink);
	content = ag_tree_array(o, "content");
	for (size_t i = 0; i < ag_json_len(content) && rc == 0; i++)
		rc = read_block(s, ag_json_at(content, i), sink);
	keep_stop(s, o);
	if (rc == 0)
		rc = on_end(s, a, sink);
	json_object_put(o);
	return rc;
}

void
ag_anthropic_read_error(int status, struct ag_str body, struct ag_buf *mem, struct ag_client_error *out)
{
	struct json_object *o = NULL, *e = NULL;

	*out = (struct ag_client_error){ 0 };
	if (ag_tree_parse(body, &o, NULL) == 0)
		e = ag_tree_object(o, "error");
	if (ag_tree_str(e, "type").n > 0 && status / 100 == 4 && status != 404 && status != 413)
		name_error(ag_tree_str(e, "type"), out);
	else
		ag_openai_error_of(status, out);
	if (ag_tree_str(e, "message").n > 0)
		ag_buf_put_str(mem, ag_tree_str(e, "message"));
	else
		ag_buf_printf(mem, "The provider answered with status %d", status);
	out->message = ag_buf_str(mem);
	if (out->status == 400 && ag_openai_is_overflow(out->message)) {
		out->code = AG_STR("context_length_exceeded");
		out->param = AG_STR("messages");
	}
	json_object_put(o);
}

const struct ag_reader ag_anthropic_reader = {
	.state_bytes = sizeof(struct state), .event = read_event, .eof = read_eof, .body = read_body,
};
