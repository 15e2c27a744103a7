/* completion.c - clients of the legacy completions on providers that only have conversations: the prompt
 * is what a user says, and the answer is its text. */
#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "translate/chat.h"
#include "translate/chat_check.h"
#include "translate/fields.h"
#include "translate/json_out.h"
#include "translate/openai.h"

#define CHOICES_MAX   128u
#define PART_MAX      ((size_t)64 << 20)
#define DEFAULT_LIMIT 16 /* tokens, where the client says nothing */

/* ---- parse ------------------------------------------------------------------------------- */

static struct json_object *
prompt_of(struct json_object *body)
{
	struct json_object *prompt = ag_tree_get(body, "prompt");

	if (ag_json_len(prompt) == 1)
		prompt = ag_json_at(prompt, 0);
	return prompt && json_object_is_type(prompt, json_type_string) ? prompt : NULL;
}

static int
check(const struct ag_parse_in *in, struct json_object *body, struct ag_err *err)
{
	static const struct ag_fields fields = { .taken = { "model", "prompt", "stream", "stream_options", "n", "stop",
	    "temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "logit_bias", "user", "max_tokens",
	    "best_of" } };
	static const struct ag_fields options = { .taken = { "include_usage", "include_obfuscation" } };
	const struct ag_refuser r = { .by = AG_THIS_PROVIDER, .is_strict = in->is_strict, .kinds = ag_chat_kinds,
		.err = err };
	int rc;

	if (!ag_tree_get(body, "prompt"))
		return ag_err_set(err, -EINVAL, "prompt: a text is required");
	if (!prompt_of(body))
		return ag_err_set(err, -EINVAL, "prompt: only one text is supported by this provider, no tokens and no list of prompts");
	if (ag_tree_int(body, "best_of", 1) > 1)
		return ag_err_set(err, -EINVAL, "best_of: not supported by this provider");
	rc = ag_fields_check(body, &fields, NULL, AG_BODY, &r);
	return rc < 0 ? rc : ag_fields_check(ag_tree_get(body, "stream_options"), &options, NULL,
	    AG_AT("stream_options", AG_NOWHERE), &r);
}

static struct json_object *
chat_of(struct json_object *body)
{
	static const char *const same[] = { "model", "stream", "n", "stop", "temperature", "top_p", "presence_penalty",
		"frequency_penalty", "seed", "logit_bias", "user" };
	struct json_object *chat = ag_tree_new(), *messages = ag_tree_new_array(), *m = ag_tree_new();

	ag_tree_put_str(m, "role", AG_STR("user"));
	ag_tree_share(m, "content", prompt_of(body));
	ag_tree_push(messages, m);
	ag_tree_put(chat, "messages", messages);
	for (size_t i = 0; i < AG_ARRAY_LEN(same); i++)
		ag_tree_share(chat, same[i], ag_tree_get(body, same[i]));
	if (ag_tree_get(body, "max_tokens"))
		ag_tree_share(chat, "max_completion_tokens", ag_tree_get(body, "max_tokens"));
	else
		ag_tree_put_int(chat, "max_completion_tokens", DEFAULT_LIMIT);
	return chat;
}

static int
parse(const struct ag_parse_in *in, struct json_object **out_chat, struct ag_err *err)
{
	struct json_object *body, *chat = NULL;
	int rc = ag_tree_parse(in->body, &body, err);

	if (rc < 0)
		return rc;
	rc = check(in, body, err);
	if (rc == 0)
		chat = chat_of(body);
	json_object_put(body);
	return ag_chat_done(chat, rc, out_chat, err);
}

/* ---- write ------------------------------------------------------------------------------- */

struct choice {
	struct ag_buf text; /* of a whole answer, decoded */
	enum ag_finish finish;
};

struct state {
	const struct ag_writer_in *in;
	struct choice *choice; /* owned */
	uint32_t n_choices;
	char model[128];
	struct ag_usage usage;
	bool has_usage;
};

static void
state_fini(void *state)
{
	struct state *s = state;

	for (uint32_t i = 0; i < s->n_choices; i++)
		ag_buf_fini(&s->choice[i].text);
	free(s->choice);
}

static void
state_init(void *state, const struct ag_writer_in *in)
{
	struct state *s = state;

	s->in = in;
}

static struct choice *
choice_at(struct state *s, uint32_t ix)
{
	if (ix >= CHOICES_MAX)
		return NULL;
	while (s->n_choices <= ix) {
		struct choice *more = realloc(s->choice, sizeof(*more) * (s->n_choices + 1));

		if (!more)
			return NULL;
		s->choice = more;
		more[s->n_choices] = (struct choice){ 0 };
		ag_buf_init(&more[s->n_choices++].text, PART_MAX);
	}
	return &s->choice[ix];
}

static struct ag_str
finish_word(enum ag_finish finish)
{
	switch (finish) {
	case AG_FINISH_LENGTH:
		return AG_STR("length");
	case AG_FINISH_FILTER:
		return AG_STR("content_filter");
	case AG_FINISH_NONE:
	case AG_FINISH_STOP:
	case AG_FINISH_STOP_SEQUENCE:
	case AG_FINISH_TOOLS:
		break;
	}
	return AG_STR("stop");
}

static void
put_head(const struct state *s, struct ag_buf *b)
{
	if (s->in->is_stream)
		ag_buf_puts(b, "data: ");
	ag_jo_open(b, NULL, '{');
	ag_jo_key(b, "id");
	ag_buf_puts(b, "\"cmpl-");
	ag_buf_put_json(b, s->in->id);
	ag_buf_putc(b, '"');
	ag_jo_str(b, "object", AG_STR("text_completion"));
	ag_jo_int(b, "created", s->in->created_s);
	ag_jo_str(b, "model", s->model[0] ? ag_str(s->model) : s->in->model);
	ag_jo_open(b, "choices", '[');
}

static void
put_choice(uint32_t ix, struct ag_str text, enum ag_finish finish, struct ag_buf *b)
{
	ag_jo_open(b, NULL, '{');
	ag_jo_str(b, "text", text);
	ag_jo_u64(b, "index", ix);
	ag_jo_null(b, "logprobs");
	if (finish == AG_FINISH_NONE)
		ag_jo_null(b, "finish_reason");
	else
		ag_jo_str(b, "finish_reason", finish_word(finish));
	ag_jo_close(b, '}');
}

static void
put_chunk(const struct state *s, const struct ag_piece *p, struct ag_buf *b)
{
	put_head(s, b);
	put_choice(p->choice, p->kind == AG_PIECE_FINISH ? AG_STR("") : p->text,
	    p->kind == AG_PIECE_FINISH ? p->finish : AG_FINISH_NONE, b);
	ag_jo_close(b, ']');
	if (s->in->wants_usage)
		ag_jo_null(b, "usage");
	ag_buf_puts(b, "}\n\n");
}

static void
on_end(const struct state *s, struct ag_buf *b)
{
	if (s->in->is_stream) {
		if (s->in->wants_usage && s->has_usage) {
			put_head(s, b);
			ag_jo_close(b, ']');
			ag_openai_put_usage(b, &s->usage);
			ag_buf_puts(b, "}\n\n");
		}
		ag_buf_puts(b, "data: [DONE]\n\n");
		return;
	}
	put_head(s, b);
	for (uint32_t i = 0; i < s->n_choices; i++)
		put_choice(i, ag_buf_str(&s->choice[i].text),
		    s->choice[i].finish == AG_FINISH_NONE ? AG_FINISH_STOP : s->choice[i].finish, b);
	ag_jo_close(b, ']');
	if (s->has_usage)
		ag_openai_put_usage(b, &s->usage);
	ag_jo_close(b, '}');
}

static int
write_piece(void *state, const struct ag_piece *p, struct ag_buf *out)
{
	struct ag_client_error e;
	struct state *s = state;
	struct choice *c = choice_at(s, p->choice);

	if (!c)
		return -ENOBUFS;
	switch (p->kind) {
	case AG_PIECE_START:
		(void)ag_str_copy(p->model, s->model, sizeof(s->model));
		break;
	case AG_PIECE_TEXT:
	case AG_PIECE_REFUSAL:
		if (s->in->is_stream)
			put_chunk(s, p, out);
		else
			ag_buf_put_str(&c->text, p->text);
		break;
	case AG_PIECE_FINISH:
		c->finish = p->finish;
		if (s->in->is_stream)
			put_chunk(s, p, out);
		break;
	case AG_PIECE_USAGE:
		s->usage = *p->usage;
		s->has_usage = true;
		break;
	case AG_PIECE_END:
		on_end(s, out);
		break;
	case AG_PIECE_ERROR:
		e = (struct ag_client_error){ .type = p->id, .code = p->name, .message = p->text };
		if (s->in->is_stream)
			ag_openai_write_error(&e, true, out);
		break;
	case AG_PIECE_REASONING:
	case AG_PIECE_SIGNATURE:
	case AG_PIECE_REDACTED:
	case AG_PIECE_TOOL:
	case AG_PIECE_TOOL_ARGS:
	case AG_PIECE_TOOL_END:
	case AG_PIECE_IMAGE:
	case AG_PIECE_CITATION:
	case AG_PIECE_LOGPROBS:
		break; /* not asked for: a text is all there is */
	}
	return out->failed || c->text.failed ? -ENOBUFS : 0;
}

static const struct ag_writer writer = {
	.state_bytes = sizeof(struct state), .fini = state_fini, .init = state_init, .piece = write_piece,
	.stream_type = "text/event-stream; charset=utf-8",
};

/* No provider is spoken to by it that does not speak it itself. */
const struct ag_protocol ag_protocol_completion = {
	.name = "completion", .endpoint = AG_EP_COMPLETION, .framing = &ag_framing_sse,
	.parse = parse, .writer = &writer, .write_error = ag_openai_write_error,
};
