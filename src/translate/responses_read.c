/* responses_read.c - answers of /v1/responses, as pieces.
 *
 * Output stands in items, each with its place; what is told of one may stand between what is told of
 * another.  What the provider's own tools did is no output of the client's, and only counted. */
#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "translate/openai.h"
#include "translate/responses.h"
#include "translate/tree.h"

#define TOOLS_MAX 512u

struct tool {
	int64_t place; /* output_index */
	bool has_args, has_ended;
};

struct state {
	struct tool *tool; /* owned */
	uint32_t n_tools;
	bool has_started, has_ended;
};

static void
state_fini(void *arg)
{
	struct state *s = arg;

	free(s->tool);
	*s = (struct state){ 0 };
}

static int
put(const struct ag_piece_sink *sink, enum ag_piece_kind kind, struct ag_str text)
{
	struct ag_piece p = { .kind = kind, .text = text };

	return text.n > 0 ? ag_piece_put(sink, &p) : 0;
}

static bool
is_call(struct json_object *item)
{
	return ag_tree_is(item, "type", "function_call") || ag_tree_is(item, "type", "custom_tool_call");
}

static struct ag_str
args_of(struct json_object *item)
{
	return ag_tree_str(item, ag_tree_is(item, "type", "custom_tool_call") ? "input" : "arguments");
}

static struct tool *
tool_at(struct state *s, int64_t place)
{
	for (uint32_t i = 0; i < s->n_tools; i++)
		if (s->tool[i].place == place)
			return &s->tool[i];
	return NULL;
}

static int
put_args(struct state *s, struct tool *t, struct ag_str text, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_TOOL_ARGS, .tool = (uint32_t)(t - s->tool), .text = text };

	if (text.n == 0 || t->has_ended)
		return 0;
	t->has_args = true;
	return ag_piece_put(sink, &p);
}

static int
begin_tool(struct state *s, int64_t place, struct json_object *item, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_TOOL, .tool = s->n_tools, .id = ag_tree_str(item, "call_id"),
		.name = ag_tree_str(item, "name") };
	struct tool *more;

	if (tool_at(s, place))
		return 0;
	if (s->n_tools >= TOOLS_MAX)
		return -ENOBUFS;
	more = realloc(s->tool, sizeof(*more) * (s->n_tools + 1));
	if (!more)
		return -ENOMEM;
	s->tool = more;
	s->tool[s->n_tools++] = (struct tool){ .place = place };
	return ag_piece_put(sink, &p);
}

/* item: what it was in the end, NULL: not told. */
static int
end_tool(struct state *s, struct tool *t, struct json_object *item, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_TOOL_END, .tool = (uint32_t)(t - s->tool) };
	int rc = 0;

	if (t->has_ended)
		return 0;
	if (!t->has_args)
		rc = put_args(s, t, args_of(item).n > 0 ? args_of(item) : AG_STR("{}"), sink);
	t->has_ended = true;
	return rc < 0 ? rc : ag_piece_put(sink, &p);
}

/* {type, url, title, ...} as chat completions have it: {type, url_citation: {url, title, ...}}. */
static int
put_citation(struct json_object *flat, const struct ag_piece_sink *sink)
{
	struct json_object *nested, *inner;
	int rc;

	if (!ag_tree_is(flat, "type", "url_citation"))
		return 0;
	nested = ag_tree_new();
	inner = ag_tree_new();
	ag_json_foreach(flat, name, value)
		if (strcmp(name, "type") != 0)
			ag_tree_share(inner, name, value);
	ag_tree_put_str(nested, "type", AG_STR("url_citation"));
	ag_tree_put(nested, "url_citation", inner);
	rc = ag_tree_is_short() ? -ENOMEM : put(sink, AG_PIECE_CITATION,
	    ag_str(json_object_to_json_string_ext(nested, JSON_C_TO_STRING_PLAIN)));
	json_object_put(nested);
	return rc;
}

static int
put_logprobs(struct json_object *list, const struct ag_piece_sink *sink)
{
	struct json_object *o;
	int rc;

	if (ag_json_len(list) == 0)
		return 0;
	o = ag_tree_new();
	ag_tree_share(o, "content", list);
	rc = ag_tree_is_short() ? -ENOMEM : put(sink, AG_PIECE_LOGPROBS,
	    ag_str(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)));
	json_object_put(o);
	return rc;
}

/* ---- beginning and end ------------------------------------------------------------------- */

static int
on_start(struct state *s, struct json_object *response, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_START, .id = ag_tree_str(response, "id"),
		.model = ag_tree_str(response, "model") };

	if (s->has_started)
		return 0;
	s->has_started = true;
	return ag_piece_put(sink, &p);
}

static int
on_error(struct state *s, struct json_object *e, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_ERROR, .id = AG_STR("server_error"), .name = ag_tree_str(e, "code"),
		.text = ag_tree_str(e, "message") };

	if (ag_str_eq(p.name, AG_STR("rate_limit_exceeded")))
		p.id = AG_STR("rate_limit_error");
	if (p.name.n == 0)
		p.name = AG_STR("upstream_error");
	if (p.text.n == 0)
		p.text = AG_STR("the provider gave up");
	a->has_error = true;
	s->has_ended = true;
	return ag_piece_put(sink, &p);
}

static int
on_end(struct state *s, struct json_object *response, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct ag_str why = ag_tree_str(ag_tree_object(response, "incomplete_details"), "reason");
	struct ag_piece finish = { .kind = AG_PIECE_FINISH, .name = why.n > 0 ? why : ag_tree_str(response, "status") };
	struct ag_piece usage = { .kind = AG_PIECE_USAGE, .usage = &a->usage }, end = { .kind = AG_PIECE_END };
	int rc = on_start(s, response, sink);

	if (ag_tree_is(response, "status", "incomplete"))
		finish.finish = ag_str_eq(why, AG_STR("content_filter")) ? AG_FINISH_FILTER : AG_FINISH_LENGTH;
	else
		finish.finish = s->n_tools > 0 ? AG_FINISH_TOOLS : AG_FINISH_STOP;
	for (uint32_t i = 0; i < s->n_tools && rc == 0; i++)
		rc = end_tool(s, &s->tool[i], NULL, sink);
	s->has_ended = true;
	if (rc == 0)
		rc = ag_piece_put(sink, &finish);
	if (rc == 0 && a->has_usage)
		rc = ag_piece_put(sink, &usage);
	return rc < 0 ? rc : ag_piece_put(sink, &end);
}

/* ---- streams ----------------------------------------------------------------------------- */

static int
on_output(struct state *s, struct ag_str type, struct json_object *o, const struct ag_piece_sink *sink)
{
	int64_t place = ag_tree_int(o, "output_index", 0);
	struct ag_str delta = ag_tree_str(o, "delta");
	struct tool *t = tool_at(s, place);
	int rc;

	if (ag_str_eq(type, AG_STR("response.output_text.delta"))) {
		rc = put(sink, AG_PIECE_TEXT, delta);
		return rc < 0 ? rc : put_logprobs(ag_tree_array(o, "logprobs"), sink);
	}
	if (ag_str_eq(type, AG_STR("response.refusal.delta")))
		return put(sink, AG_PIECE_REFUSAL, delta);
	if (ag_str_eq(type, AG_STR("response.reasoning_summary_text.delta")) ||
	    ag_str_eq(type, AG_STR("response.reasoning_text.delta")))
		return put(sink, AG_PIECE_REASONING, delta);
	if (ag_str_eq(type, AG_STR("response.function_call_arguments.delta")) ||
	    ag_str_eq(type, AG_STR("response.custom_tool_call_input.delta")))
		return t ? put_args(s, t, delta, sink) : 0;
	if (ag_str_eq(type, AG_STR("response.output_text.annotation.added")))
		return put_citation(ag_tree_object(o, "annotation"), sink);
	if (ag_str_eq(type, AG_STR("response.output_item.added")) && is_call(ag_tree_object(o, "item")))
		return begin_tool(s, place, ag_tree_object(o, "item"), sink);
	if (ag_str_eq(type, AG_STR("response.output_item.done")) && t)
		return end_tool(s, t, ag_tree_object(o, "item"), sink);
	return 0;
}

static int
on_typed(struct state *s, struct ag_str type, struct json_object *o, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct json_object *response = ag_tree_object(o, "response");

	if (ag_str_eq(type, AG_STR("error")))
		return on_error(s, ag_tree_object(o, "error") ? ag_tree_object(o, "error") : o, a, sink);
	if (ag_str_eq(type, AG_STR("response.failed")))
		return on_error(s, ag_tree_object(response, "error"), a, sink);
	if (ag_str_eq(type, AG_STR("response.created")))
		return on_start(s, response, sink);
	if (ag_str_eq(type, AG_STR("response.completed")) || ag_str_eq(type, AG_STR("response.incomplete")))
		return on_end(s, response, a, sink);
	return s->has_started ? on_output(s, type, o, sink) : 0;
}

static int
read_event(void *state, const struct ag_provider *p, const struct ag_stream_event *ev, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct state *s = state;
	struct json_object *o;
	struct ag_str type;
	int rc;

	(void)ag_wire_responses.on_event(p, ev->name, ev->data, a);
	if (s->has_ended)
		return 0;
	if (ag_tree_parse(ev->data, &o, NULL) < 0)
		return -EBADMSG;
	type = ag_tree_str(o, "type");
	rc = on_typed(s, type.n > 0 ? type : ev->name, o, a, sink);
	json_object_put(o);
	return rc;
}

/* Without the event that holds the whole response it is not whole. */
static int
read_eof(void *state, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	(void)state;
	(void)a;
	(void)sink;
	return 0;
}

/* ---- whole ------------------------------------------------------------------------------- */

static int
read_message(struct json_object *item, const struct ag_piece_sink *sink)
{
	struct json_object *content = ag_tree_array(item, "content"), *notes;
	int rc = 0;

	for (size_t i = 0; i < ag_json_len(content) && rc == 0; i++) {
		struct json_object *part = ag_json_at(content, i);

		if (ag_tree_is(part, "type", "refusal"))
			rc = put(sink, AG_PIECE_REFUSAL, ag_tree_str(part, "refusal"));
		else
			rc = put(sink, AG_PIECE_TEXT, ag_tree_str(part, "text"));
		notes = ag_tree_array(part, "annotations");
		for (size_t k = 0; k < ag_json_len(notes) && rc == 0; k++)
			rc = put_citation(ag_json_at(notes, k), sink);
		if (rc == 0)
			rc = put_logprobs(ag_tree_array(part, "logprobs"), sink);
	}
	return rc;
}

static int
read_texts(struct json_object *list, const struct ag_piece_sink *sink)
{
	int rc = 0;

	for (size_t i = 0; i < ag_json_len(list) && rc == 0; i++)
		rc = put(sink, AG_PIECE_REASONING, ag_tree_str(ag_json_at(list, i), "text"));
	return rc;
}

static int
read_item(struct state *s, struct json_object *item, int64_t place, const struct ag_piece_sink *sink)
{
	int rc;

	if (ag_tree_is(item, "type", "message"))
		return read_message(item, sink);
	if (ag_tree_is(item, "type", "reasoning")) {
		rc = read_texts(ag_tree_array(item, "summary"), sink);
		return rc < 0 ? rc : read_texts(ag_tree_array(item, "content"), sink);
	}
	if (!is_call(item))
		return 0;
	rc = begin_tool(s, place, item, sink);
	return rc < 0 ? rc : end_tool(s, tool_at(s, place), item, sink);
}

static int
read_body(void *state, const struct ag_provider *p, struct ag_str body, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct state *s = state;
	struct json_object *o, *output;
	int rc;

	ag_wire_responses.on_body(p, body, a);
	if (ag_tree_parse(body, &o, NULL) < 0)
		return -EBADMSG;
	if (ag_tree_get(o, "error")) {
		rc = on_error(s, ag_tree_object(o, "error"), a, sink);
	} else {
		rc = on_start(s, o, sink);
		output = ag_tree_array(o, "output");
		for (size_t i = 0; i < ag_json_len(output) && rc == 0; i++)
			rc = read_item(s, ag_json_at(output, i), (int64_t)i, sink);
		if (rc == 0)
			rc = on_end(s, o, a, sink);
	}
	json_object_put(o);
	return rc;
}

const struct ag_reader ag_responses_reader = {
	.state_bytes = sizeof(struct state), .fini = state_fini, .event = read_event,
	.eof = read_eof, .body = read_body,
};
