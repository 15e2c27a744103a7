/* gemini_write.c - pieces as a generateContent answer, or as the stream of its chunks.
 *
 * Arguments are an object there, so a call is shown when it is whole; what finished each candidate,
 * and the usage, stand in the last chunk. */
#include <errno.h>
#include <stdlib.h>

#include "translate/gemini.h"
#include "translate/json_out.h"

#define CHOICES_MAX 8u
#define PART_MAX    ((size_t)64 << 20)
#define TOOLS_MAX   128u

/* A call on its way. */
struct call {
	uint32_t choice, tool;
	struct ag_buf id, name, args, proof;
};

struct choice {
	struct ag_buf parts; /* JSON, elements: whole bodies only */
	bool is_text_open;   /* the last part's text goes on */
	bool was_thought;
	bool has_begun;
	enum ag_finish finish;
};

struct state {
	const struct ag_writer_in *in;
	struct choice choice[CHOICES_MAX];
	struct call *call;   /* owned: those that are not whole */
	uint32_t n_calls;
	struct ag_usage usage;
	bool has_usage, has_written;
	char id[96], model[128];
};

static void
call_fini(struct call *c)
{
	ag_buf_fini(&c->id);
	ag_buf_fini(&c->name);
	ag_buf_fini(&c->args);
	ag_buf_fini(&c->proof);
}

static void
state_fini(void *state)
{
	struct state *s = state;

	for (uint32_t i = 0; i < s->n_calls; i++)
		call_fini(&s->call[i]);
	free(s->call);
	for (uint32_t i = 0; i < CHOICES_MAX; i++)
		ag_buf_fini(&s->choice[i].parts);
}

static void
state_init(void *state, const struct ag_writer_in *in)
{
	struct state *s = state;

	s->in = in;
	for (uint32_t i = 0; i < CHOICES_MAX; i++)
		ag_buf_init(&s->choice[i].parts, PART_MAX);
}

/* ---- the frame --------------------------------------------------------------------------- */

static void
chunk_open(struct state *s, struct ag_buf *out)
{
	if (s->in->is_array)
		ag_buf_puts(out, s->has_written ? ",\r\n" : "[");
	else if (s->in->is_stream)
		ag_buf_puts(out, "data: ");
	s->has_written = true;
	/* Behind a comma of ours no other is wanted. */
	ag_buf_putc(out, '{');
}

static void
put_usage(const struct ag_usage *u, struct ag_buf *out)
{
	uint64_t in = ag_usage_input_total(u);

	ag_jo_open(out, "usageMetadata", '{');
	ag_jo_u64(out, "promptTokenCount", in);
	if (u->cache_read > 0)
		ag_jo_u64(out, "cachedContentTokenCount", u->cache_read);
	ag_jo_u64(out, "candidatesTokenCount", u->output_total - u->reasoning);
	if (u->reasoning > 0)
		ag_jo_u64(out, "thoughtsTokenCount", u->reasoning);
	ag_jo_u64(out, "totalTokenCount", in + u->output_total);
	ag_jo_close(out, '}');
}

static void
chunk_close(struct state *s, bool is_last, struct ag_buf *out)
{
	if (is_last && s->has_usage)
		put_usage(&s->usage, out);
	ag_jo_str(out, "modelVersion", s->model[0] ? ag_str(s->model) : s->in->model);
	ag_jo_str(out, "responseId", s->id[0] ? ag_str(s->id) : s->in->id);
	ag_jo_close(out, '}');
	if (s->in->is_array)
		ag_buf_puts(out, is_last ? "]" : "");
	else if (s->in->is_stream)
		ag_buf_puts(out, "\r\n\r\n");
}

static struct ag_str
finish_word(enum ag_finish finish)
{
	switch (finish) {
	case AG_FINISH_LENGTH:
		return AG_STR("MAX_TOKENS");
	case AG_FINISH_FILTER:
		return AG_STR("SAFETY");
	case AG_FINISH_NONE:
	case AG_FINISH_STOP:
	case AG_FINISH_STOP_SEQUENCE:
	case AG_FINISH_TOOLS:
		break;
	}
	return AG_STR("STOP");
}

static void
candidate_open(struct ag_buf *out)
{
	ag_jo_open(out, NULL, '{');
	ag_jo_open(out, "content", '{');
	ag_jo_open(out, "parts", '[');
}

static void
candidate_close(struct ag_buf *out, uint32_t ci, enum ag_finish finish, bool is_last)
{
	ag_jo_close(out, ']');
	ag_jo_str(out, "role", AG_STR("model"));
	ag_jo_close(out, '}');
	if (is_last)
		ag_jo_str(out, "finishReason", finish_word(finish));
	ag_jo_u64(out, "index", ci);
	ag_jo_close(out, '}');
}

/* ---- parts ------------------------------------------------------------------------------- */

/* Where the next part of the choice goes; a stream's chunk is opened for it. */
static struct ag_buf *
part_open(struct state *s, uint32_t ci, struct ag_buf *out)
{
	struct choice *c = &s->choice[ci];

	c->has_begun = true;
	if (!s->in->is_stream) {
		if (c->is_text_open)
			ag_buf_puts(&c->parts, "\"}");
		c->is_text_open = false;
		return &c->parts;
	}
	chunk_open(s, out);
	ag_jo_open(out, "candidates", '[');
	candidate_open(out);
	return out;
}

static void
part_close(struct state *s, uint32_t ci, struct ag_buf *out)
{
	if (!s->in->is_stream)
		return;
	candidate_close(out, ci, AG_FINISH_NONE, false);
	ag_jo_close(out, ']');
	chunk_close(s, false, out);
}

static void
on_text(struct state *s, const struct ag_piece *p, bool is_thought, struct ag_buf *out)
{
	struct choice *c = &s->choice[p->choice];
	struct ag_buf *b;

	if (c->is_text_open && c->was_thought == is_thought) {
		ag_buf_put_json(&c->parts, p->text);
		return;
	}
	b = part_open(s, p->choice, out);
	ag_jo_open(b, NULL, '{');
	if (is_thought)
		ag_jo_bool(b, "thought", true);
	if (s->in->is_stream) {
		ag_jo_str(b, "text", p->text);
		ag_jo_close(b, '}');
	} else {
		ag_jo_key(b, "text");
		ag_buf_putc(b, '"');
		ag_buf_put_json(b, p->text);
		c->is_text_open = true;
		c->was_thought = is_thought;
	}
	part_close(s, p->choice, out);
}

static void
on_image(struct state *s, const struct ag_piece *p, struct ag_buf *out)
{
	struct ag_buf *b = part_open(s, p->choice, out);

	ag_jo_open(b, NULL, '{');
	ag_jo_open(b, "inlineData", '{');
	ag_jo_str(b, "mimeType", p->name);
	ag_jo_str(b, "data", p->text);
	ag_buf_puts(b, "}}");
	part_close(s, p->choice, out);
}

/* ---- calls ------------------------------------------------------------------------------- */

static struct call *
call_of(struct state *s, const struct ag_piece *p)
{
	for (uint32_t i = 0; i < s->n_calls; i++)
		if (s->call[i].choice == p->choice && s->call[i].tool == p->tool)
			return &s->call[i];
	return NULL;
}

static int
call_begin(struct state *s, const struct ag_piece *p)
{
	struct call *c;

	if (s->n_calls == TOOLS_MAX)
		return -ENOBUFS;
	c = realloc(s->call, sizeof(*c) * (s->n_calls + 1));
	if (!c)
		return -ENOMEM;
	s->call = c;
	c = &s->call[s->n_calls++];
	*c = (struct call){ .choice = p->choice, .tool = p->tool };
	ag_buf_init(&c->id, 4096);
	ag_buf_init(&c->name, 4096);
	ag_buf_init(&c->args, PART_MAX);
	ag_buf_init(&c->proof, PART_MAX);
	ag_buf_put_str(&c->id, p->id);
	ag_buf_put_str(&c->name, p->name);
	return 0;
}

static int
call_show(struct state *s, struct call *c, struct ag_buf *out)
{
	struct ag_buf *b = part_open(s, c->choice, out);
	struct ag_str args = ag_str_trim(ag_buf_str(&c->args));
	bool is_short = c->id.failed || c->name.failed || c->args.failed || c->proof.failed;

	ag_jo_open(b, NULL, '{');
	ag_jo_open(b, "functionCall", '{');
	if (c->id.n > 0)
		ag_jo_str(b, "id", ag_buf_str(&c->id));
	ag_jo_str(b, "name", ag_buf_str(&c->name));
	/* A model may write what is no object; it is shown where there is a place for it. */
	if (args.n > 1 && args.p[0] == '{' && args.p[args.n - 1] == '}') {
		ag_jo_raw(b, "args", args);
	} else {
		ag_jo_open(b, "args", '{');
		if (args.n > 0)
			ag_jo_str(b, "_raw", args);
		ag_jo_close(b, '}');
	}
	ag_jo_close(b, '}');
	if (c->proof.n > 0)
		ag_jo_str(b, "thoughtSignature", ag_buf_str(&c->proof));
	ag_jo_close(b, '}');
	part_close(s, c->choice, out);
	call_fini(c);
	s->n_calls--;
	memmove(c, c + 1, sizeof(*c) * (size_t)(s->call + s->n_calls - c));
	return is_short ? -ENOBUFS : 0;
}

/* ---- the end ----------------------------------------------------------------------------- */

static int
on_end(struct state *s, struct ag_buf *out)
{
	int rc = 0;

	while (s->n_calls > 0 && rc == 0)
		rc = call_show(s, &s->call[0], out);
	s->choice[0].has_begun = true;
	chunk_open(s, out);
	ag_jo_open(out, "candidates", '[');
	for (uint32_t i = 0; i < CHOICES_MAX; i++) {
		struct choice *c = &s->choice[i];

		if (!c->has_begun)
			continue;
		if (c->is_text_open)
			ag_buf_puts(&c->parts, "\"}");
		if (c->parts.failed)
			rc = -ENOBUFS;
		candidate_open(out);
		if (s->in->is_stream)
			ag_buf_puts(out, "{\"text\":\"\"}");
		else
			ag_buf_put_str(out, ag_buf_str(&c->parts));
		candidate_close(out, i, c->finish, true);
	}
	ag_jo_close(out, ']');
	chunk_close(s, true, out);
	return rc;
}

static int
on_tool(struct state *s, const struct ag_piece *p, struct ag_buf *out)
{
	struct call *c = call_of(s, p);

	if (p->kind == AG_PIECE_TOOL)
		return call_begin(s, p);
	if (c && p->kind == AG_PIECE_TOOL_ARGS)
		ag_buf_put_str(&c->args, p->text);
	else if (c && p->kind == AG_PIECE_SIGNATURE)
		ag_buf_put_str(&c->proof, p->text);
	else if (c && p->kind == AG_PIECE_TOOL_END)
		return call_show(s, c, out);
	return 0;
}

static int
write_piece(void *state, const struct ag_piece *p, struct ag_buf *out)
{
	struct ag_client_error e;
	struct state *s = state;
	int rc = 0;

	if (p->choice >= CHOICES_MAX)
		return -ENOBUFS;
	switch (p->kind) {
	case AG_PIECE_START:
		(void)ag_str_copy(p->id, s->id, sizeof(s->id));
		(void)ag_str_copy(p->model, s->model, sizeof(s->model));
		break;
	case AG_PIECE_TEXT:
	case AG_PIECE_REFUSAL:
		on_text(s, p, false, out);
		break;
	case AG_PIECE_REASONING:
		on_text(s, p, true, out);
		break;
	case AG_PIECE_IMAGE:
		on_image(s, p, out);
		break;
	case AG_PIECE_TOOL:
	case AG_PIECE_TOOL_ARGS:
	case AG_PIECE_TOOL_END:
	case AG_PIECE_SIGNATURE:
		rc = on_tool(s, p, out);
		break;
	case AG_PIECE_FINISH:
		s->choice[p->choice].has_begun = true;
		s->choice[p->choice].finish = p->finish;
		break;
	case AG_PIECE_USAGE:
		s->usage = *p->usage;
		s->has_usage = true;
		break;
	case AG_PIECE_END:
		rc = on_end(s, out);
		break;
	case AG_PIECE_ERROR:
		e = (struct ag_client_error){ .type = p->id, .code = p->name, .message = p->text };
		if (s->in->is_array) {
			ag_buf_puts(out, s->has_written ? ",\r\n" : "[");
			ag_gemini_write_error(&e, false, out);
			ag_buf_putc(out, ']');
		} else {
			ag_gemini_write_error(&e, s->in->is_stream, out);
		}
		break;
	case AG_PIECE_REDACTED:
	case AG_PIECE_CITATION:
	case AG_PIECE_LOGPROBS:
		break;
	}
	return rc == 0 && out->failed ? -ENOBUFS : rc;
}

const struct ag_writer ag_gemini_writer = {
	.state_bytes = sizeof(struct state), .fini = state_fini, .init = state_init, .piece = write_piece,
	.stream_type = "text/event-stream", .stream_array_type = "application/json; charset=UTF-8",
};
