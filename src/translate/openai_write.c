/* openai_write.c - pieces as chat.completion, or as the stream of its chunks. */
#include <errno.h>
#include <stdlib.h>

#include "translate/json_out.h"
#include "translate/openai.h"

#define CHOICES_MAX 128u
#define PART_MAX    ((size_t)64 << 20)

/* What a whole body's choice is gathered from. */
struct choice {
	struct ag_buf text, refusal, reasoning; /* decoded */
	struct ag_buf calls, notes, thinking, images; /* JSON, elements */
	struct ag_buf logprobs;
	struct ag_buf thought;  /* reasoning since the last signature */
	enum ag_finish finish;
	char word[48];
	bool has_begun, has_finished, has_text;
	int64_t tool;           /* the last that began, -1 none: a signature behind it is its own */
};

struct state {
	const struct ag_writer_in *in;
	struct choice *choice;  /* owned */
	uint32_t n_choices;
	char id[128], model[128];
	struct ag_usage usage;
	bool has_usage;
};

static void
choice_fini(struct choice *c)
{
	struct ag_buf *bufs[] = { &c->text, &c->refusal, &c->reasoning, &c->calls, &c->notes, &c->thinking,
		&c->images, &c->logprobs, &c->thought };

	for (size_t i = 0; i < AG_ARRAY_LEN(bufs); i++)
		ag_buf_fini(bufs[i]);
}

static void
state_fini(void *state)
{
	struct state *s = state;

	for (uint32_t i = 0; i < s->n_choices; i++)
		choice_fini(&s->choice[i]);
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
		struct choice *c;

		if (!more)
			return NULL;
		s->choice = more;
		c = &more[s->n_choices++];
		*c = (struct choice){ .tool = -1 };
		ag_buf_init(&c->text, PART_MAX);
		ag_buf_init(&c->refusal, PART_MAX);
		ag_buf_init(&c->reasoning, PART_MAX);
		ag_buf_init(&c->calls, PART_MAX);
		ag_buf_init(&c->notes, PART_MAX);
		ag_buf_init(&c->thinking, PART_MAX);
		ag_buf_init(&c->images, PART_MAX);
		ag_buf_init(&c->logprobs, PART_MAX);
		ag_buf_init(&c->thought, PART_MAX);
	}
	return &s->choice[ix];
}

void
ag_openai_put_usage(struct ag_buf *b, const struct ag_usage *u)
{
	uint64_t in = ag_usage_input_total(u);

	ag_jo_open(b, "usage", '{');
	ag_jo_u64(b, "prompt_tokens", in);
	ag_jo_u64(b, "completion_tokens", u->output_total);
	ag_jo_u64(b, "total_tokens", in + u->output_total);
	ag_jo_open(b, "prompt_tokens_details", '{');
	ag_jo_u64(b, "cached_tokens", u->cache_read);
	ag_jo_u64(b, "cache_write_tokens", u->cache_write_5m + u->cache_write_1h);
	ag_jo_u64(b, "audio_tokens", u->input_audio);
	ag_jo_close(b, '}');
	ag_jo_open(b, "completion_tokens_details", '{');
	ag_jo_u64(b, "reasoning_tokens", u->reasoning);
	ag_jo_u64(b, "audio_tokens", u->output_audio);
	ag_jo_u64(b, "accepted_prediction_tokens", u->accepted_prediction);
	ag_jo_u64(b, "rejected_prediction_tokens", u->rejected_prediction);
	ag_jo_close(b, '}');
	ag_jo_close(b, '}');
}

static struct ag_str
finish_word(const struct state *s, enum ag_finish finish, struct ag_str own)
{
	if (!s->in->is_strict && own.n > 0)
		return own;
	switch (finish) {
	case AG_FINISH_LENGTH:
		return AG_STR("length");
	case AG_FINISH_TOOLS:
		return AG_STR("tool_calls");
	case AG_FINISH_FILTER:
		return AG_STR("content_filter");
	case AG_FINISH_NONE:
	case AG_FINISH_STOP:
	case AG_FINISH_STOP_SEQUENCE:
		break;
	}
	return AG_STR("stop");
}

static void
put_ids(const struct state *s, const char *object, struct ag_buf *b)
{
	ag_jo_open(b, NULL, '{');
	if (s->id[0]) {
		ag_jo_str(b, "id", ag_str(s->id));
	} else {
		ag_jo_key(b, "id");
		ag_buf_puts(b, "\"chatcmpl-");
		ag_buf_put_json(b, s->in->id);
		ag_buf_putc(b, '"');
	}
	ag_jo_str(b, "object", ag_str(object));
	ag_jo_int(b, "created", s->in->created_s);
	ag_jo_str(b, "model", s->model[0] ? ag_str(s->model) : s->in->model);
}

static void
put_call_id(const struct state *s, const struct ag_piece *p, struct ag_buf *b)
{
	if (p->id.n > 0) {
		ag_jo_str(b, "id", p->id);
		return;
	}
	ag_jo_key(b, "id");
	ag_buf_puts(b, "\"call_");
	ag_buf_put_json(b, s->in->id);
	ag_buf_printf(b, "_%u_%u\"", p->choice, p->tool);
}

/* ---- stream ---- */

static void
chunk_open(const struct state *s, uint32_t choice, struct ag_buf *b)
{
	ag_buf_puts(b, "data: ");
	put_ids(s, "chat.completion.chunk", b);
	ag_jo_open(b, "choices", '[');
	ag_jo_open(b, NULL, '{');
	ag_jo_u64(b, "index", choice);
	ag_jo_open(b, "delta", '{');
}

static void
chunk_close(const struct state *s, struct ag_str finish, struct ag_str logprobs, struct ag_buf *b)
{
	ag_jo_close(b, '}');
	if (logprobs.n > 0)
		ag_jo_raw(b, "logprobs", logprobs);
	else
		ag_jo_null(b, "logprobs");
	if (finish.n > 0)
		ag_jo_str(b, "finish_reason", finish);
	else
		ag_jo_null(b, "finish_reason");
	ag_jo_close(b, '}');
	ag_jo_close(b, ']');
	if (s->in->wants_usage)
		ag_jo_null(b, "usage");
	ag_buf_puts(b, "}\n\n");
}

static void
chunk_text(const struct state *s, uint32_t choice, const char *name, struct ag_str text, struct ag_buf *b)
{
	chunk_open(s, choice, b);
	ag_jo_str(b, name, text);
	chunk_close(s, AG_STR_NONE, AG_STR_NONE, b);
}

static void
begin_choice(const struct state *s, struct choice *c, uint32_t ix, struct ag_buf *b)
{
	if (c->has_begun)
		return;
	c->has_begun = true;
	chunk_open(s, ix, b);
	ag_jo_str(b, "role", AG_STR("assistant"));
	ag_jo_str(b, "content", AG_STR(""));
	chunk_close(s, AG_STR_NONE, AG_STR_NONE, b);
}

static void
put_call(const struct state *s, const struct ag_piece *p, bool is_chunk, struct ag_buf *b)
{
	ag_jo_open(b, NULL, '{');
	if (is_chunk)
		ag_jo_u64(b, "index", p->tool);
	put_call_id(s, p, b);
	ag_jo_str(b, "type", AG_STR("function"));
	ag_jo_open(b, "function", '{');
	ag_jo_str(b, "name", p->name);
}

static void
put_image(const struct ag_piece *p, struct ag_buf *b)
{
	ag_jo_open(b, NULL, '{');
	ag_jo_str(b, "type", AG_STR("image_url"));
	ag_jo_open(b, "image_url", '{');
	ag_jo_key(b, "url");
	ag_buf_puts(b, "\"data:");
	ag_buf_put_json(b, p->name);
	ag_buf_puts(b, ";base64,");
	ag_buf_put_json(b, p->text);
	ag_buf_puts(b, "\"}}");
}

/* A block of thinking as a later request may bring it back. */
static void
put_thinking(struct ag_str text, struct ag_str proof, struct ag_buf *b)
{
	ag_jo_open(b, NULL, '{');
	ag_jo_str(b, "type", AG_STR("thinking"));
	ag_jo_str(b, "thinking", text);
	ag_jo_str(b, "signature", proof);
	ag_jo_close(b, '}');
}

static void
put_redacted(struct ag_str data, struct ag_buf *b)
{
	ag_jo_open(b, NULL, '{');
	ag_jo_str(b, "type", AG_STR("redacted_thinking"));
	ag_jo_str(b, "data", data);
	ag_jo_close(b, '}');
}

static void
put_proof(struct ag_str proof, struct ag_buf *b)
{
	ag_jo_open(b, "extra_content", '{');
	ag_jo_open(b, "google", '{');
	ag_jo_str(b, "thought_signature", proof);
	ag_buf_puts(b, "}}");
}

static void
stream_call(const struct state *s, const struct ag_piece *p, struct ag_buf *b)
{
	chunk_open(s, p->choice, b);
	ag_jo_open(b, "tool_calls", '[');
	if (p->kind == AG_PIECE_TOOL) {
		put_call(s, p, true, b);
		ag_jo_str(b, "arguments", AG_STR(""));
		ag_buf_puts(b, "}}");
	} else {
		ag_jo_open(b, NULL, '{');
		ag_jo_u64(b, "index", p->tool);
		/* Clients look into the function of each. */
		ag_jo_open(b, "function", '{');
		ag_jo_str(b, "arguments", p->kind == AG_PIECE_SIGNATURE ? AG_STR("") : p->text);
		ag_jo_close(b, '}');
		if (p->kind == AG_PIECE_SIGNATURE)
			put_proof(p->text, b);
		ag_jo_close(b, '}');
	}
	ag_jo_close(b, ']');
	chunk_close(s, AG_STR_NONE, AG_STR_NONE, b);
}

static void
stream_array(const struct state *s, const struct ag_piece *p, const char *name, struct ag_str one, struct ag_buf *b)
{
	chunk_open(s, p->choice, b);
	ag_jo_open(b, name, '[');
	ag_jo_raw(b, NULL, one);
	ag_jo_close(b, ']');
	chunk_close(s, AG_STR_NONE, AG_STR_NONE, b);
}

static void
stream_opaque(struct state *s, struct choice *c, const struct ag_piece *p, struct ag_buf *b)
{
	struct ag_buf one;

	if (p->kind == AG_PIECE_SIGNATURE && c->tool >= 0) {
		stream_call(s, p, b);
		return;
	}
	if (s->in->is_strict && p->kind != AG_PIECE_IMAGE)
		return;
	ag_buf_init(&one, PART_MAX);
	if (p->kind == AG_PIECE_SIGNATURE)
		put_thinking(ag_buf_str(&c->thought), p->text, &one);
	else if (p->kind == AG_PIECE_REDACTED)
		put_redacted(p->text, &one);
	else
		put_image(p, &one);
	stream_array(s, p, p->kind == AG_PIECE_IMAGE ? "images" : "thinking_blocks", ag_buf_str(&one), b);
	b->failed |= one.failed;
	ag_buf_fini(&one);
	ag_buf_reset(&c->thought);
}

static void
stream_end(const struct state *s, struct ag_buf *b)
{
	if (s->in->wants_usage && s->has_usage) {
		ag_buf_puts(b, "data: ");
		put_ids(s, "chat.completion.chunk", b);
		ag_jo_open(b, "choices", '[');
		ag_jo_close(b, ']');
		ag_openai_put_usage(b, &s->usage);
		ag_buf_puts(b, "}\n\n");
	}
	ag_buf_puts(b, "data: [DONE]\n\n");
}

static void
stream_piece(struct state *s, struct choice *c, const struct ag_piece *p, struct ag_buf *b)
{
	begin_choice(s, c, p->choice, b);
	switch (p->kind) {
	case AG_PIECE_TEXT:
		chunk_text(s, p->choice, "content", p->text, b);
		break;
	case AG_PIECE_REFUSAL:
		chunk_text(s, p->choice, "refusal", p->text, b);
		break;
	case AG_PIECE_REASONING:
		/* Kept only where the signature that follows is shown with it. */
		if (!s->in->is_strict)
			ag_buf_put_str(&c->thought, p->text);
		chunk_text(s, p->choice, "reasoning_content", p->text, b);
		break;
	case AG_PIECE_SIGNATURE:
	case AG_PIECE_REDACTED:
	case AG_PIECE_IMAGE:
		stream_opaque(s, c, p, b);
		break;
	case AG_PIECE_TOOL:
		c->tool = p->tool;
		stream_call(s, p, b);
		break;
	case AG_PIECE_TOOL_ARGS:
		stream_call(s, p, b);
		break;
	case AG_PIECE_CITATION:
		stream_array(s, p, "annotations", p->text, b);
		break;
	case AG_PIECE_LOGPROBS:
		chunk_open(s, p->choice, b);
		chunk_close(s, AG_STR_NONE, p->text, b);
		break;
	case AG_PIECE_FINISH:
		chunk_open(s, p->choice, b);
		chunk_close(s, finish_word(s, p->finish, p->name), AG_STR_NONE, b);
		break;
	case AG_PIECE_TOOL_END:
	case AG_PIECE_START:
	case AG_PIECE_USAGE:
	case AG_PIECE_END:
	case AG_PIECE_ERROR:
		break;
	}
}

/* ---- whole ---- */

static void
close_call(struct choice *c, struct ag_str proof)
{
	/* function's name and arguments are open up to here */
	ag_buf_puts(&c->calls, "\"}");
	if (proof.n > 0)
		put_proof(proof, &c->calls);
	ag_buf_putc(&c->calls, '}');
}

static void
gather_piece(struct state *s, struct choice *c, const struct ag_piece *p)
{
	switch (p->kind) {
	case AG_PIECE_TEXT:
		c->has_text = true;
		ag_buf_put_str(&c->text, p->text);
		break;
	case AG_PIECE_REFUSAL:
		ag_buf_put_str(&c->refusal, p->text);
		break;
	case AG_PIECE_REASONING:
		ag_buf_put_str(&c->reasoning, p->text);
		ag_buf_put_str(&c->thought, p->text);
		break;
	case AG_PIECE_SIGNATURE:
		if (c->tool >= 0) {
			/* Told while the call is open: kept until it is closed. */
			ag_buf_reset(&c->thought);
			ag_buf_put_str(&c->thought, p->text);
			break;
		}
		put_thinking(ag_buf_str(&c->thought), p->text, &c->thinking);
		ag_buf_reset(&c->thought);
		break;
	case AG_PIECE_REDACTED:
		put_redacted(p->text, &c->thinking);
		break;
	case AG_PIECE_IMAGE:
		put_image(p, &c->images);
		break;
	case AG_PIECE_TOOL:
		c->tool = p->tool;
		ag_buf_reset(&c->thought);
		put_call(s, p, false, &c->calls);
		ag_jo_key(&c->calls, "arguments");
		ag_buf_putc(&c->calls, '"');
		break;
	case AG_PIECE_TOOL_ARGS:
		ag_buf_put_json(&c->calls, p->text);
		break;
	case AG_PIECE_TOOL_END:
		close_call(c, ag_buf_str(&c->thought));
		ag_buf_reset(&c->thought);
		c->tool = -1;
		break;
	case AG_PIECE_CITATION:
		ag_jo_raw(&c->notes, NULL, p->text);
		break;
	case AG_PIECE_LOGPROBS:
		ag_buf_reset(&c->logprobs);
		ag_buf_put_str(&c->logprobs, p->text);
		break;
	case AG_PIECE_FINISH:
		c->finish = p->finish;
		(void)ag_str_copy(p->name, c->word, sizeof(c->word));
		break;
	case AG_PIECE_START:
	case AG_PIECE_USAGE:
	case AG_PIECE_END:
	case AG_PIECE_ERROR:
		break;
	}
}

static void
put_array(struct ag_buf *b, const char *key, struct ag_str elements)
{
	if (elements.n == 0)
		return;
	ag_jo_open(b, key, '[');
	ag_buf_put_str(b, elements);
	ag_jo_close(b, ']');
}

static void
put_choice(const struct state *s, const struct choice *c, uint32_t ix, struct ag_buf *b)
{
	ag_jo_open(b, NULL, '{');
	ag_jo_u64(b, "index", ix);
	ag_jo_open(b, "message", '{');
	ag_jo_str(b, "role", AG_STR("assistant"));
	if (c->has_text)
		ag_jo_str(b, "content", ag_buf_str(&c->text));
	else
		ag_jo_null(b, "content");
	if (c->refusal.n > 0)
		ag_jo_str(b, "refusal", ag_buf_str(&c->refusal));
	else
		ag_jo_null(b, "refusal");
	if (c->reasoning.n > 0)
		ag_jo_str(b, "reasoning_content", ag_buf_str(&c->reasoning));
	if (!s->in->is_strict)
		put_array(b, "thinking_blocks", ag_buf_str(&c->thinking));
	put_array(b, "tool_calls", ag_buf_str(&c->calls));
	put_array(b, "annotations", ag_buf_str(&c->notes));
	put_array(b, "images", ag_buf_str(&c->images));
	ag_jo_close(b, '}');
	if (c->logprobs.n > 0)
		ag_jo_raw(b, "logprobs", ag_buf_str(&c->logprobs));
	else
		ag_jo_null(b, "logprobs");
	ag_jo_str(b, "finish_reason", finish_word(s, c->finish, ag_str(c->word)));
	ag_jo_close(b, '}');
	b->failed |= c->text.failed || c->refusal.failed || c->reasoning.failed || c->calls.failed ||
	    c->notes.failed || c->thinking.failed || c->images.failed || c->logprobs.failed || c->thought.failed;
}

static void
whole_end(struct state *s, struct ag_buf *b)
{
	put_ids(s, "chat.completion", b);
	ag_jo_open(b, "choices", '[');
	for (uint32_t i = 0; i < s->n_choices; i++)
		put_choice(s, &s->choice[i], i, b);
	ag_jo_close(b, ']');
	if (s->has_usage)
		ag_openai_put_usage(b, &s->usage);
	ag_jo_close(b, '}');
}

/* ---- both ---- */

static void
put_error_event(const struct ag_piece *p, struct ag_buf *b)
{
	struct ag_client_error e = { .type = p->id, .code = p->name, .message = p->text };

	ag_openai_write_error(&e, true, b);
}

static int
write_piece(void *state, const struct ag_piece *p, struct ag_buf *out)
{
	struct state *s = state;
	struct choice *c = choice_at(s, p->choice);

	if (!c)
		return -ENOBUFS;
	switch (p->kind) {
	case AG_PIECE_START:
		(void)ag_str_copy(p->id, s->id, sizeof(s->id));
		(void)ag_str_copy(p->model, s->model, sizeof(s->model));
		if (s->in->is_stream)
			begin_choice(s, c, 0, out);
		break;
	case AG_PIECE_USAGE:
		s->usage = *p->usage;
		s->has_usage = true;
		break;
	case AG_PIECE_END:
		if (s->in->is_stream)
			stream_end(s, out);
		else
			whole_end(s, out);
		break;
	case AG_PIECE_ERROR:
		if (s->in->is_stream)
			put_error_event(p, out);
		break;
	case AG_PIECE_TEXT:
	case AG_PIECE_REFUSAL:
	case AG_PIECE_REASONING:
	case AG_PIECE_SIGNATURE:
	case AG_PIECE_REDACTED:
	case AG_PIECE_TOOL:
	case AG_PIECE_TOOL_ARGS:
	case AG_PIECE_TOOL_END:
	case AG_PIECE_IMAGE:
	case AG_PIECE_CITATION:
	case AG_PIECE_LOGPROBS:
	case AG_PIECE_FINISH:
		if (s->in->is_stream)
			stream_piece(s, c, p, out);
		else
			gather_piece(s, c, p);
		break;
	}
	return out->failed || c->thought.failed ? -ENOBUFS : 0;
}

const struct ag_writer ag_openai_writer = {
	.state_bytes = sizeof(struct state), .fini = state_fini, .init = state_init, .piece = write_piece,
	.stream_type = "text/event-stream; charset=utf-8",
};
