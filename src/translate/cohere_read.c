/* cohere_read.c - answers of Cohere's /v2/chat, as pieces.
 *
 * Calls come one behind the other; the place they are given restarts with each kind of content, so they
 * are counted here.  Citations are of documents, which chat completions has no word for. */
#include <errno.h>

#include "base/json.h"
#include "translate/cohere.h"
#include "translate/tree.h"

struct state {
	uint32_t n_tools;
	bool is_in_tool, has_args, has_started, has_ended;
};

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

	if (!s->is_in_tool || text.n == 0)
		return 0;
	s->has_args = true;
	return ag_piece_put(sink, &p);
}

static int
end_tool(struct state *s, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_TOOL_END, .tool = s->n_tools - 1 };
	int rc = 0;

	if (!s->is_in_tool)
		return 0;
	if (!s->has_args)
		rc = put_args(s, AG_STR("{}"), sink);
	s->is_in_tool = false;
	return rc < 0 ? rc : ag_piece_put(sink, &p);
}

static int
begin_tool(struct state *s, struct json_object *call, const struct ag_piece_sink *sink)
{
	struct json_object *fn = ag_tree_object(call, "function");
	struct ag_piece p = { .kind = AG_PIECE_TOOL, .id = ag_tree_str(call, "id"), .name = ag_tree_str(fn, "name") };
	int rc = end_tool(s, sink);

	if (rc < 0)
		return rc;
	p.tool = s->n_tools++;
	s->is_in_tool = true;
	s->has_args = false;
	rc = ag_piece_put(sink, &p);
	return rc < 0 ? rc : put_args(s, ag_tree_str(fn, "arguments"), sink);
}

static int
put_content(struct json_object *content, const struct ag_piece_sink *sink)
{
	int rc = put(sink, AG_PIECE_REASONING, ag_tree_str(content, "thinking"));

	return rc < 0 ? rc : put(sink, AG_PIECE_TEXT, ag_tree_str(content, "text"));
}

static int
on_start(struct state *s, struct json_object *o, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_START, .id = ag_tree_str(o, "id") };

	if (s->has_started)
		return 0;
	s->has_started = true;
	return ag_piece_put(sink, &p);
}

static int
on_error(struct state *s, struct json_object *end, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	bool is_timeout = ag_tree_is(end, "finish_reason", "TIMEOUT");
	struct ag_str why = ag_tree_str(end, "error");
	struct ag_piece p = { .kind = AG_PIECE_ERROR, .id = AG_STR("server_error"),
		.name = is_timeout ? AG_STR("upstream_timeout") : AG_STR("upstream_error"),
		.text = why.n > 0 ? why : AG_STR("the provider gave up") };

	a->has_error = true;
	s->has_ended = true;
	return ag_piece_put(sink, &p);
}

static enum ag_finish
finish_of(struct ag_str word)
{
	static const struct { struct ag_str word; enum ag_finish finish; } words[] = {
		{ { "STOP_SEQUENCE", 13 }, AG_FINISH_STOP_SEQUENCE }, { { "MAX_TOKENS", 10 }, AG_FINISH_LENGTH },
		{ { "TOOL_CALL", 9 }, AG_FINISH_TOOLS }, { { "ERROR_TOXIC", 11 }, AG_FINISH_FILTER },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(words); i++)
		if (ag_str_eq(word, words[i].word))
			return words[i].finish;
	return AG_FINISH_STOP;
}

/* end: what has the finish_reason. */
static int
on_end(struct state *s, struct json_object *end, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct ag_str word = ag_tree_str(end, "finish_reason");
	struct ag_piece finish = { .kind = AG_PIECE_FINISH, .name = word, .finish = finish_of(word) };
	struct ag_piece usage = { .kind = AG_PIECE_USAGE, .usage = &a->usage }, last = { .kind = AG_PIECE_END };
	int rc;

	if (ag_str_eq(word, AG_STR("ERROR")) || ag_str_eq(word, AG_STR("TIMEOUT")))
		return on_error(s, end, a, sink);
	rc = end_tool(s, sink);
	s->has_ended = true;
	if (rc == 0)
		rc = ag_piece_put(sink, &finish);
	if (rc == 0 && a->has_usage)
		rc = ag_piece_put(sink, &usage);
	return rc < 0 ? rc : ag_piece_put(sink, &last);
}

static int
on_typed(struct state *s, struct ag_str type, struct json_object *o, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct json_object *delta = ag_tree_object(o, "delta"), *m = ag_tree_object(delta, "message");
	struct json_object *call = ag_tree_object(m, "tool_calls");

	if (ag_str_eq(type, AG_STR("message-start")))
		return on_start(s, o, sink);
	if (!s->has_started)
		return 0;
	if (ag_str_eq(type, AG_STR("content-start")) || ag_str_eq(type, AG_STR("content-delta")))
		return put_content(ag_tree_object(m, "content"), sink);
	if (ag_str_eq(type, AG_STR("tool-plan-delta")))
		return put(sink, AG_PIECE_REASONING, ag_tree_str(m, "tool_plan"));
	if (ag_str_eq(type, AG_STR("tool-call-start")))
		return begin_tool(s, call, sink);
	if (ag_str_eq(type, AG_STR("tool-call-delta")))
		return put_args(s, ag_tree_str(ag_tree_object(call, "function"), "arguments"), sink);
	if (ag_str_eq(type, AG_STR("tool-call-end")))
		return end_tool(s, sink);
	if (ag_str_eq(type, AG_STR("message-end")))
		return on_end(s, delta, a, sink);
	return 0;
}

static int
read_event(void *state, const struct ag_provider *p, const struct ag_stream_event *ev, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct state *s = state;
	struct json_object *o;
	struct ag_str type;
	int rc;

	(void)ag_wire_cohere.on_event(p, ev->name, ev->data, a);
	if (s->has_ended || ag_str_eq(ev->data, AG_STR("[DONE]")))
		return 0;
	if (ag_tree_parse(ev->data, &o, NULL) < 0)
		return -EBADMSG;
	type = ag_tree_str(o, "type");
	rc = on_typed(s, type.n > 0 ? type : ev->name, o, a, sink);
	json_object_put(o);
	return rc;
}

/* Without message-end it is not whole. */
static int
read_eof(void *state, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	(void)state;
	(void)a;
	(void)sink;
	return 0;
}

static int
read_body(void *state, const struct ag_provider *p, struct ag_str body, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct state *s = state;
	struct json_object *o, *m, *content, *calls;
	int rc;

	ag_wire_cohere.on_body(p, body, a);
	if (ag_tree_parse(body, &o, NULL) < 0)
		return -EBADMSG;
	m = ag_tree_object(o, "message");
	content = ag_tree_array(m, "content");
	calls = ag_tree_array(m, "tool_calls");
	rc = on_start(s, o, sink);
	if (rc == 0)
		rc = put(sink, AG_PIECE_REASONING, ag_tree_str(m, "tool_plan"));
	for (size_t i = 0; i < ag_json_len(content) && rc == 0; i++)
		rc = put_content(ag_json_at(content, i), sink);
	for (size_t i = 0; i < ag_json_len(calls) && rc == 0; i++)
		rc = begin_tool(s, ag_json_at(calls, i), sink);
	if (rc == 0)
		rc = on_end(s, o, a, sink);
	json_object_put(o);
	return rc;
}

const struct ag_reader ag_cohere_reader = {
	.state_bytes = sizeof(struct state), .event = read_event, .eof = read_eof, .body = read_body,
};
