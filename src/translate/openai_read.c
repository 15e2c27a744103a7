/* openai_read.c - answers in OpenAI's form, and what compatible providers make of it, as pieces. */
#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "translate/openai.h"
#include "translate/tree.h"

#define CHOICES_MAX 128u
#define TOOLS_MAX   512u

/* A tool call on its way.  Its arguments are complete when their outermost bracket closes: calls that
 * are told side by side can so be told one behind the other. */
struct tool {
	int64_t index; /* the provider's, -1: it gave none */
	char id[80];
	bool has_begun, has_args, has_ended, is_in_string, is_escaped;
	int depth;
};

struct choice {
	struct tool *tool; /* owned */
	uint32_t n_tools;
	bool has_finished;
};

struct state {
	struct choice *choice; /* owned */
	uint32_t n_choices;
	bool has_started, has_ended;
	bool has_failed;       /* a choice ended in an error */
};

static void
state_fini(void *arg)
{
	struct state *s = arg;

	for (uint32_t i = 0; i < s->n_choices; i++)
		free(s->choice[i].tool);
	free(s->choice);
	*s = (struct state){ 0 };
}

static struct choice *
choice_at(struct state *s, int64_t ix)
{
	if (ix < 0 || ix >= CHOICES_MAX)
		return NULL;
	if (ix >= s->n_choices) {
		struct choice *more = realloc(s->choice, sizeof(*more) * (size_t)(ix + 1));

		if (!more)
			return NULL;
		memset(more + s->n_choices, 0, sizeof(*more) * (size_t)(ix + 1 - s->n_choices));
		s->choice = more;
		s->n_choices = (uint32_t)ix + 1;
	}
	return &s->choice[ix];
}

/* By index; where there is none by id; without either a named one is new, a nameless one the last. */
static struct tool *
tool_at(struct choice *c, struct json_object *call, bool has_name)
{
	int64_t index = ag_tree_int(call, "index", -1);
	struct ag_str id = ag_tree_str(call, "id");
	struct tool *more;

	for (uint32_t i = 0; i < c->n_tools; i++)
		if (index >= 0 ? c->tool[i].index == index
		    : id.n > 0 && ag_str_eq(id, ag_str(c->tool[i].id)))
			return &c->tool[i];
	if (index < 0 && id.n == 0 && !has_name && c->n_tools > 0)
		return &c->tool[c->n_tools - 1];
	if (c->n_tools >= TOOLS_MAX)
		return NULL;
	more = realloc(c->tool, sizeof(*more) * (c->n_tools + 1));
	if (!more)
		return NULL;
	c->tool = more;
	c->tool[c->n_tools] = (struct tool){ .index = index };
	(void)ag_str_copy(id, c->tool[c->n_tools].id, sizeof(c->tool[0].id));
	return &c->tool[c->n_tools++];
}

static void
follow_args(struct tool *t, struct ag_str text)
{
	for (size_t i = 0; i < text.n; i++) {
		char ch = text.p[i];

		if (t->is_escaped)
			t->is_escaped = false;
		else if (t->is_in_string && ch == '\\')
			t->is_escaped = true;
		else if (ch == '"')
			t->is_in_string = !t->is_in_string;
		else if (!t->is_in_string && (ch == '{' || ch == '['))
			t->depth++;
		else if (!t->is_in_string && (ch == '}' || ch == ']'))
			t->depth--;
	}
}

static int
put_text(const struct ag_piece_sink *sink, enum ag_piece_kind kind, uint32_t choice, struct ag_str text)
{
	struct ag_piece p = { .kind = kind, .choice = choice, .text = text };

	return text.n > 0 ? ag_piece_put(sink, &p) : 0;
}

static int
end_tool(struct choice *c, uint32_t ci, struct tool *t, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_TOOL_END, .choice = ci, .tool = (uint32_t)(t - c->tool) };
	int rc;

	if (t->has_ended || !t->has_begun)
		return 0;
	t->has_ended = true;
	if (!t->has_args) {
		struct ag_piece args = { .kind = AG_PIECE_TOOL_ARGS, .choice = ci, .tool = p.tool, .text = AG_STR("{}") };

		rc = ag_piece_put(sink, &args);
		if (rc < 0)
			return rc;
	}
	return ag_piece_put(sink, &p);
}

/* Text of the arguments; some send an object instead. */
static struct ag_str
args_of(struct json_object *fn, const char *key)
{
	struct json_object *v = ag_tree_get(fn, key);

	if (!v || json_object_is_type(v, json_type_string))
		return ag_tree_text(v);
	return ag_str(json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* Google's compatible endpoint lets a call carry the proof of the thinking before it. */
static struct ag_str
proof_of(struct json_object *call)
{
	return ag_tree_str(ag_tree_object(ag_tree_object(call, "extra_content"), "google"), "thought_signature");
}

static int
on_call(struct choice *c, uint32_t ci, struct json_object *call, const struct ag_piece_sink *sink)
{
	struct json_object *fn = ag_tree_object(call, "function");
	bool is_custom = !fn && ag_tree_object(call, "custom");
	struct ag_str name, args;
	struct ag_piece p = { .choice = ci };
	struct tool *t;
	int rc = 0;

	if (is_custom)
		fn = ag_tree_object(call, "custom");
	name = ag_tree_str(fn, "name");
	args = args_of(fn, is_custom ? "input" : "arguments");
	t = tool_at(c, call, name.n > 0);
	if (!t)
		return -ENOBUFS;
	p.tool = (uint32_t)(t - c->tool);
	if (!t->has_begun) {
		t->has_begun = true;
		p.kind = AG_PIECE_TOOL;
		p.id = ag_tree_str(call, "id");
		p.name = name;
		rc = ag_piece_put(sink, &p);
	}
	p = (struct ag_piece){ .kind = AG_PIECE_SIGNATURE, .choice = ci, .tool = p.tool, .text = proof_of(call) };
	if (rc == 0 && p.text.n > 0)
		rc = ag_piece_put(sink, &p);
	if (rc < 0 || args.n == 0 || t->has_ended)
		return rc;
	t->has_args = true;
	follow_args(t, args);
	p = (struct ag_piece){ .kind = AG_PIECE_TOOL_ARGS, .choice = ci, .tool = p.tool, .text = args };
	rc = ag_piece_put(sink, &p);
	if (rc == 0 && !is_custom && t->depth == 0 && !t->is_in_string)
		rc = end_tool(c, ci, t, sink);
	return rc;
}

/* Content is a text, or an array of parts. */
static int
on_content(uint32_t ci, struct json_object *content, const struct ag_piece_sink *sink)
{
	int rc = 0;

	if (!content || json_object_is_type(content, json_type_string))
		return put_text(sink, AG_PIECE_TEXT, ci, ag_tree_text(content));
	if (!json_object_is_type(content, json_type_array))
		return 0;
	for (size_t i = 0; i < ag_json_len(content) && rc == 0; i++) {
		struct json_object *part = ag_json_at(content, i);
		struct json_object *thoughts = ag_tree_array(part, "thinking");

		if (ag_tree_is(part, "type", "text"))
			rc = put_text(sink, AG_PIECE_TEXT, ci, ag_tree_str(part, "text"));
		for (size_t k = 0; k < ag_json_len(thoughts) && rc == 0; k++)
			rc = put_text(sink, AG_PIECE_REASONING, ci,
			    ag_tree_str(ag_json_at(thoughts, k), "text"));
	}
	return rc;
}

static int
on_reasoning(uint32_t ci, struct json_object *delta, const struct ag_piece_sink *sink)
{
	static const char *const names[] = { "reasoning_content", "reasoning", "reasoning_text" };

	for (size_t i = 0; i < AG_ARRAY_LEN(names); i++) {
		struct ag_str text = ag_tree_str(delta, names[i]);

		if (text.n > 0)
			return put_text(sink, AG_PIECE_REASONING, ci, text);
	}
	return 0;
}

/* Objects of OpenAI's own forms pass as they are. */
static int
on_objects(uint32_t ci, struct json_object *list, enum ag_piece_kind kind, const struct ag_piece_sink *sink)
{
	int rc = 0;

	for (size_t i = 0; i < ag_json_len(list) && rc == 0; i++)
		rc = put_text(sink, kind, ci, ag_str(json_object_to_json_string_ext(
		    ag_json_at(list, i), JSON_C_TO_STRING_PLAIN)));
	return rc;
}

/* data:image/png;base64,... */
static int
on_images(uint32_t ci, struct json_object *images, const struct ag_piece_sink *sink)
{
	int rc = 0;

	for (size_t i = 0; i < ag_json_len(images) && rc == 0; i++) {
		struct ag_piece p = { .kind = AG_PIECE_IMAGE, .choice = ci };
		struct ag_str url = ag_tree_str(ag_tree_object(ag_json_at(images, i), "image_url"), "url");

		if (ag_openai_split_data_url(url, &p.name, &p.text))
			rc = ag_piece_put(sink, &p);
	}
	return rc;
}

/* What a delta and a whole message have in common. */
static int
on_message(struct choice *c, uint32_t ci, struct json_object *m, const struct ag_piece_sink *sink)
{
	struct json_object *calls = ag_tree_array(m, "tool_calls"), *legacy = ag_tree_object(m, "function_call");
	int rc = on_reasoning(ci, m, sink);

	if (rc == 0)
		rc = on_content(ci, ag_tree_get(m, "content"), sink);
	if (rc == 0)
		rc = put_text(sink, AG_PIECE_REFUSAL, ci, ag_tree_str(m, "refusal"));
	if (rc == 0)
		rc = on_images(ci, ag_tree_array(m, "images"), sink);
	if (rc == 0)
		rc = on_objects(ci, ag_tree_array(m, "annotations"), AG_PIECE_CITATION, sink);
	for (size_t i = 0; i < ag_json_len(calls) && rc == 0; i++)
		rc = on_call(c, ci, ag_json_at(calls, i), sink);
	if (rc == 0 && legacy) {
		struct json_object *call = ag_tree_new();

		ag_tree_share(call, "function", legacy);
		ag_tree_put_int(call, "index", 0);
		rc = ag_tree_is_short() ? -ENOMEM : on_call(c, ci, call, sink);
		json_object_put(call);
	}
	return rc;
}

static enum ag_finish
finish_of(struct ag_str word)
{
	static const struct { struct ag_str word; enum ag_finish finish; } words[] = {
		{ { "stop", 4 }, AG_FINISH_STOP }, { { "length", 6 }, AG_FINISH_LENGTH },
		{ { "tool_calls", 10 }, AG_FINISH_TOOLS }, { { "function_call", 13 }, AG_FINISH_TOOLS },
		{ { "content_filter", 14 }, AG_FINISH_FILTER }, { { "sensitive", 9 }, AG_FINISH_FILTER },
		{ { "model_length", 12 }, AG_FINISH_LENGTH },
		{ { "model_context_window_exceeded", 29 }, AG_FINISH_LENGTH },
		{ { "max_tokens", 10 }, AG_FINISH_LENGTH },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(words); i++)
		if (ag_str_eq(word, words[i].word))
			return words[i].finish;
	return AG_FINISH_STOP;
}

/* Words for an answer that broke off, where others send an error. */
static bool
is_failure(struct ag_str word)
{
	static const struct ag_str words[] = { { "error", 5 }, { "network_error", 13 }, { "insufficient_system_resource", 28 } };

	for (size_t i = 0; i < AG_ARRAY_LEN(words); i++)
		if (ag_str_eq(word, words[i]))
			return true;
	return false;
}

static int
on_finish(struct choice *c, uint32_t ci, struct ag_str word, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_FINISH, .choice = ci, .name = word, .finish = finish_of(word) };
	int rc = 0;

	if (c->has_finished)
		return 0;
	c->has_finished = true;
	for (uint32_t i = 0; i < c->n_tools && rc == 0; i++)
		rc = end_tool(c, ci, &c->tool[i], sink);
	/* Some end a call as they end a text. */
	if (c->n_tools > 0 && p.finish == AG_FINISH_STOP)
		p.finish = AG_FINISH_TOOLS;
	return rc < 0 ? rc : ag_piece_put(sink, &p);
}

static int
on_choices(struct state *s, struct json_object *choices, bool is_whole, const struct ag_piece_sink *sink)
{
	int rc = 0;

	for (size_t i = 0; i < ag_json_len(choices) && rc == 0; i++) {
		struct json_object *one = ag_json_at(choices, i), *logprobs;
		int64_t ix = ag_tree_int(one, "index", (int64_t)i);
		struct choice *c = choice_at(s, ix);
		struct ag_str word = ag_tree_str(one, "finish_reason");

		if (!c)
			return -ENOBUFS;
		rc = on_message(c, (uint32_t)ix, ag_tree_object(one, is_whole ? "message" : "delta"), sink);
		logprobs = ag_tree_object(one, "logprobs");
		if (rc == 0 && logprobs)
			rc = put_text(sink, AG_PIECE_LOGPROBS, (uint32_t)ix,
			    ag_str(json_object_to_json_string_ext(logprobs, JSON_C_TO_STRING_PLAIN)));
		s->has_failed = s->has_failed || is_failure(word);
		if (rc == 0 && !s->has_failed && (word.n > 0 || is_whole))
			rc = on_finish(c, (uint32_t)ix, word.n > 0 ? word : AG_STR("stop"), sink);
	}
	return rc;
}

static int
on_start(struct state *s, struct json_object *o, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_START, .id = ag_tree_str(o, "id"), .model = ag_tree_str(o, "model") };

	if (s->has_started)
		return 0;
	s->has_started = true;
	return ag_piece_put(sink, &p);
}

static int
on_end(struct state *s, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct ag_piece usage = { .kind = AG_PIECE_USAGE, .usage = &a->usage }, end = { .kind = AG_PIECE_END };
	int rc = 0;

	if (s->has_ended)
		return 0;
	if (!s->has_started)
		return -EBADMSG; /* an end of nothing */
	s->has_ended = true;
	if (a->has_usage)
		rc = ag_piece_put(sink, &usage);
	return rc < 0 ? rc : ag_piece_put(sink, &end);
}

static int
on_error(struct state *s, struct json_object *o, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct json_object *e = ag_tree_get(o, "error");
	struct ag_piece p = { .kind = AG_PIECE_ERROR, .id = ag_tree_str(e, "type"), .name = ag_tree_str(e, "code"),
		.text = ag_tree_text(e).n > 0 ? ag_tree_text(e) : ag_tree_str(e, "message") };

	a->has_error = true;
	s->has_ended = true;
	if (p.id.n == 0)
		p.id = AG_STR("server_error");
	if (s->has_failed && p.text.n == 0) {
		p.name = AG_STR("upstream_error");
		p.text = AG_STR("the provider gave up");
	}
	return ag_piece_put(sink, &p);
}

static int
read_event(void *state, const struct ag_provider *p, const struct ag_stream_event *ev, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct state *s = state;
	struct json_object *o;
	int rc;

	(void)ag_openai_on_event(p, ev->name, ev->data, a);
	if (s->has_ended)
		return 0;
	if (a->has_done)
		return on_end(s, a, sink);
	if (ag_tree_parse(ev->data, &o, NULL) < 0)
		return -EBADMSG;
	if (ag_tree_get(o, "error")) {
		rc = on_error(s, o, a, sink);
	} else {
		rc = on_start(s, o, sink);
		if (rc == 0)
			rc = on_choices(s, ag_tree_array(o, "choices"), false, sink);
		if (rc == 0 && s->has_failed)
			rc = on_error(s, o, a, sink);
	}
	json_object_put(o);
	return rc;
}

/* Some leave [DONE] out: an answer that has its finish_reason is whole. */
static int
read_eof(void *state, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct state *s = state;

	if (s->has_ended || a->finish_reason[0] == '\0')
		return 0;
	a->has_done = true;
	return on_end(s, a, sink);
}

static int
read_body(void *state, const struct ag_provider *p, struct ag_str body, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct state *s = state;
	struct json_object *o;
	int rc;

	ag_openai_on_body(p, body, a);
	if (ag_tree_parse(body, &o, NULL) < 0)
		return -EBADMSG;
	if (ag_tree_get(o, "error") && !ag_tree_array(o, "choices")) {
		rc = on_error(s, o, a, sink);
	} else {
		rc = on_start(s, o, sink);
		if (rc == 0)
			rc = on_choices(s, ag_tree_array(o, "choices"), true, sink);
		if (rc == 0)
			rc = s->has_failed ? on_error(s, o, a, sink) : on_end(s, a, sink);
	}
	json_object_put(o);
	return rc;
}

const struct ag_reader ag_openai_reader = {
	.state_bytes = sizeof(struct state), .fini = state_fini, .event = read_event, .eof = read_eof,
	.body = read_body,
};
