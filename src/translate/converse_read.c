/* converse_read.c - answers of Converse and ConverseStream as pieces.
 *
 * The stream's last event is `metadata`, behind the one that tells why it stopped: an answer without
 * it is not whole. */
#include <errno.h>

#include "base/json.h"
#include "translate/converse.h"
#include "translate/openai.h"
#include "translate/tree.h"

/* Blocks come one behind the other; that of a text has no beginning. */
struct state {
	bool is_tool, has_args;
	uint32_t n_tools;
	bool has_started, has_finished, has_ended;
};

static enum ag_finish
finish_of(struct ag_str word)
{
	static const struct { struct ag_str word; enum ag_finish finish; } words[] = {
		{ { "stop_sequence", 13 }, AG_FINISH_STOP_SEQUENCE },
		{ { "max_tokens", 10 }, AG_FINISH_LENGTH },
		{ { "model_context_window_exceeded", 29 }, AG_FINISH_LENGTH },
		{ { "tool_use", 8 }, AG_FINISH_TOOLS },
		{ { "content_filtered", 16 }, AG_FINISH_FILTER },
		{ { "guardrail_intervened", 20 }, AG_FINISH_FILTER },
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
begin(struct state *s, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_START };

	if (s->has_started)
		return 0;
	s->has_started = true;
	return ag_piece_put(sink, &p);
}

/* ---- blocks ------------------------------------------------------------------------------ */

static int
open_tool(struct state *s, struct json_object *use, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_TOOL, .tool = s->n_tools, .id = ag_tree_str(use, "toolUseId"),
		.name = ag_tree_str(use, "name") };

	s->is_tool = true;
	s->has_args = false;
	s->n_tools++;
	return ag_piece_put(sink, &p);
}

static int
put_args(struct state *s, struct ag_str text, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_TOOL_ARGS, .tool = s->n_tools - 1, .text = text };

	if (text.n == 0 || !s->is_tool)
		return 0;
	s->has_args = true;
	return ag_piece_put(sink, &p);
}

static int
close_block(struct state *s, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_TOOL_END, .tool = s->n_tools - 1 };
	int rc = 0;

	if (!s->is_tool)
		return 0;
	if (!s->has_args)
		rc = put_args(s, AG_STR("{}"), sink);
	s->is_tool = false;
	return rc < 0 ? rc : ag_piece_put(sink, &p);
}

static int
put_image(struct json_object *image, const struct ag_piece_sink *sink)
{
	static const struct { const char *format, *type; } rows[] = { { "png", "image/png" },
		{ "jpeg", "image/jpeg" }, { "gif", "image/gif" }, { "webp", "image/webp" } };
	struct ag_piece p = { .kind = AG_PIECE_IMAGE, .text = ag_tree_str(ag_tree_object(image, "source"), "bytes") };

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++)
		if (ag_tree_is(image, "format", rows[i].format))
			p.name = ag_str(rows[i].type);
	return p.text.n > 0 && p.name.n > 0 ? ag_piece_put(sink, &p) : 0;
}

/* Of a stream text and signature come each for itself; of a whole answer they stand in reasoningText. */
static int
put_reasoning(struct json_object *r, const struct ag_piece_sink *sink)
{
	struct json_object *whole = ag_tree_object(r, "reasoningText"), *from = whole ? whole : r;
	int rc = put(sink, AG_PIECE_REASONING, ag_tree_str(from, "text"));

	if (rc == 0)
		rc = put(sink, AG_PIECE_SIGNATURE, ag_tree_str(from, "signature"));
	return rc < 0 ? rc : put(sink, AG_PIECE_REDACTED, ag_tree_str(r, "redactedContent"));
}

/* What a delta and a whole block have in common. */
static int
put_content(struct json_object *c, const struct ag_piece_sink *sink)
{
	struct json_object *cited = ag_tree_array(ag_tree_object(c, "citationsContent"), "content");
	int rc = put(sink, AG_PIECE_TEXT, ag_tree_str(c, "text"));

	for (size_t i = 0; i < ag_json_len(cited) && rc == 0; i++)
		rc = put(sink, AG_PIECE_TEXT, ag_tree_str(ag_json_at(cited, i), "text"));
	if (rc == 0 && ag_tree_object(c, "reasoningContent"))
		rc = put_reasoning(ag_tree_object(c, "reasoningContent"), sink);
	return rc == 0 && ag_tree_object(c, "image") ? put_image(ag_tree_object(c, "image"), sink) : rc;
}

/* ---- the end ----------------------------------------------------------------------------- */

static int
put_finish(struct state *s, struct ag_str word, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_FINISH, .finish = finish_of(word), .name = word };
	int rc = close_block(s, sink);

	if (s->has_finished || rc < 0)
		return rc;
	s->has_finished = true;
	return ag_piece_put(sink, &p);
}

static int
put_end(struct state *s, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct ag_piece usage = { .kind = AG_PIECE_USAGE, .usage = &a->usage }, end = { .kind = AG_PIECE_END };
	int rc = a->has_usage ? ag_piece_put(sink, &usage) : 0;

	s->has_ended = true;
	a->has_done = true;
	return rc < 0 ? rc : ag_piece_put(sink, &end);
}

/* Modelled ones are JSON with a message, others plain text. */
static int
put_error(struct state *s, const struct ag_stream_event *ev, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct ag_client_error e = { 0 };
	struct json_object *o = NULL;
	struct ag_piece p = { .kind = AG_PIECE_ERROR, .text = ev->data };
	int rc;

	a->has_error = true;
	s->has_ended = true;
	(void)ag_str_copy(ev->name, a->error_type, sizeof(a->error_type));
	if (!ag_converse_error_of(ev->name, &e))
		ag_openai_error_of(500, &e);
	if (ag_tree_parse(ev->data, &o, NULL) == 0)
		p.text = ag_tree_str(o, ag_tree_str(o, "message").n > 0 ? "message" : "Message");
	if (p.text.n == 0)
		p.text = AG_STR("The provider broke the stream off");
	p.id = e.type;
	p.name = e.code;
	rc = ag_piece_put(sink, &p);
	json_object_put(o);
	return rc;
}

/* ---- both -------------------------------------------------------------------------------- */

static int
on_event(struct state *s, struct ag_str name, struct json_object *o, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct json_object *part;
	int rc = begin(s, sink);

	if (rc < 0)
		return rc;
	if (ag_str_eq(name, AG_STR("contentBlockStart"))) {
		part = ag_tree_object(o, "start");
		rc = close_block(s, sink);
		return rc == 0 && ag_tree_object(part, "toolUse") ? open_tool(s, ag_tree_object(part, "toolUse"), sink) : rc;
	}
	if (ag_str_eq(name, AG_STR("contentBlockDelta"))) {
		part = ag_tree_object(o, "delta");
		if (ag_tree_object(part, "toolUse"))
			return put_args(s, ag_tree_str(ag_tree_object(part, "toolUse"), "input"), sink);
		return put_content(part, sink);
	}
	if (ag_str_eq(name, AG_STR("contentBlockStop")))
		return close_block(s, sink);
	if (ag_str_eq(name, AG_STR("messageStop")))
		return put_finish(s, ag_tree_str(o, "stopReason"), sink);
	if (ag_str_eq(name, AG_STR("metadata")) && s->has_finished)
		return put_end(s, a, sink);
	return 0;
}

static int
read_event(void *state, const struct ag_provider *p, const struct ag_stream_event *ev, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct state *s = state;
	struct json_object *o;
	int rc;

	if (s->has_ended)
		return 0;
	if (ev->is_exception)
		return put_error(s, ev, a, sink);
	(void)ag_wire_converse.on_event(p, ev->name, ev->data, a);
	if (ag_tree_parse(ev->data, &o, NULL) < 0)
		return -EBADMSG;
	rc = on_event(s, ev->name, o, a, sink);
	json_object_put(o);
	return rc;
}

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
	struct json_object *use = ag_tree_object(block, "toolUse"), *input = ag_tree_get(use, "input");
	int rc;

	if (!use)
		return put_content(block, sink);
	rc = open_tool(s, use, sink);
	if (rc == 0 && input)
		rc = put_args(s, ag_str(json_object_to_json_string_ext(input, JSON_C_TO_STRING_PLAIN |
		    JSON_C_TO_STRING_NOSLASHESCAPE)), sink);
	return rc < 0 ? rc : close_block(s, sink);
}

static int
read_body(void *state, const struct ag_provider *p, struct ag_str body, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct state *s = state;
	struct json_object *o, *message, *content;
	int rc;

	ag_wire_converse.on_body(p, body, a);
	if (ag_tree_parse(body, &o, NULL) < 0)
		return -EBADMSG;
	message = ag_tree_object(ag_tree_object(o, "output"), "message");
	content = ag_tree_array(message, "content");
	rc = message ? begin(s, sink) : -EBADMSG;
	for (size_t i = 0; i < ag_json_len(content) && rc == 0; i++)
		rc = read_block(s, ag_json_at(content, i), sink);
	if (rc == 0)
		rc = put_finish(s, ag_tree_str(o, "stopReason"), sink);
	if (rc == 0)
		rc = put_end(s, a, sink);
	json_object_put(o);
	return rc;
}

const struct ag_reader ag_converse_reader = {
	.state_bytes = sizeof(struct state), .event = read_event, .eof = read_eof, .body = read_body,
};
