/* anthropic_write.c - pieces as a message, or as the stream of its events.
 *
 * Blocks stand one behind the other: what comes for a second tool call while the first is open waits
 * until that is closed. */
#include <errno.h>
#include <stdlib.h>

#include "translate/anthropic.h"
#include "translate/json_out.h"
#include "translate/tree.h"

#define PART_MAX  ((size_t)64 << 20)
#define TOOLS_MAX 512u

enum block { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_TOOL };

/* A call that waits for its turn. */
struct waiting {
	uint32_t tool;
	bool has_ended;
	struct ag_buf id, name, args; /* decoded */
};

struct state {
	const struct ag_writer_in *in;
	char id[128];
	enum block block;
	uint32_t tool;          /* the open block's call */
	uint32_t n_blocks;
	struct waiting *waiting; /* owned */
	uint32_t n_waiting;
	struct ag_buf content;  /* whole: elements */
	size_t args_at;         /* whole: where the open call's arguments begin in it */
	enum ag_finish finish;
	char sequence[128];
	struct ag_usage usage;
	bool has_signature;
};

static void
waiting_fini(struct waiting *w)
{
	ag_buf_fini(&w->id);
	ag_buf_fini(&w->name);
	ag_buf_fini(&w->args);
}

static void
state_fini(void *state)
{
	struct state *s = state;

	for (uint32_t i = 0; i < s->n_waiting; i++)
		waiting_fini(&s->waiting[i]);
	free(s->waiting);
	ag_buf_fini(&s->content);
}

static void
state_init(void *state, const struct ag_writer_in *in)
{
	struct state *s = state;

	s->in = in;
	ag_buf_init(&s->content, PART_MAX);
}

static void
event_open(struct ag_buf *b, const char *type)
{
	ag_buf_printf(b, "event: %s\ndata: ", type);
	ag_jo_open(b, NULL, '{');
	ag_jo_str(b, "type", ag_str(type));
}

static void
event_close(struct ag_buf *b)
{
	ag_buf_puts(b, "}\n\n");
}

static void
put_usage(const struct ag_usage *u, struct ag_buf *b)
{
	ag_jo_open(b, "usage", '{');
	ag_jo_u64(b, "input_tokens", u->input_fresh);
	ag_jo_u64(b, "cache_creation_input_tokens", u->cache_write_5m + u->cache_write_1h);
	ag_jo_u64(b, "cache_read_input_tokens", u->cache_read);
	ag_jo_u64(b, "output_tokens", u->output_total);
	if (u->reasoning > 0) {
		ag_jo_open(b, "output_tokens_details", '{');
		ag_jo_u64(b, "thinking_tokens", u->reasoning);
		ag_jo_close(b, '}');
	}
	ag_jo_close(b, '}');
}

static void
put_message_head(const struct state *s, struct ag_buf *b)
{
	if (s->id[0]) {
		ag_jo_str(b, "id", ag_str(s->id));
	} else {
		ag_jo_key(b, "id");
		ag_buf_puts(b, "\"msg_");
		ag_buf_put_json(b, s->in->id);
		ag_buf_putc(b, '"');
	}
	ag_jo_str(b, "type", AG_STR("message"));
	ag_jo_str(b, "role", AG_STR("assistant"));
	ag_jo_str(b, "model", s->in->model);
}

static struct ag_str
stop_word(enum ag_finish finish)
{
	switch (finish) {
	case AG_FINISH_STOP_SEQUENCE:
		return AG_STR("stop_sequence");
	case AG_FINISH_LENGTH:
		return AG_STR("max_tokens");
	case AG_FINISH_TOOLS:
		return AG_STR("tool_use");
	case AG_FINISH_FILTER:
		return AG_STR("refusal");
	case AG_FINISH_NONE:
	case AG_FINISH_STOP:
		break;
	}
	return AG_STR("end_turn");
}

static void
put_stop(const struct state *s, struct ag_buf *b)
{
	ag_jo_str(b, "stop_reason", stop_word(s->finish));
	if (s->sequence[0])
		ag_jo_str(b, "stop_sequence", ag_str(s->sequence));
	else
		ag_jo_null(b, "stop_sequence");
}

/* ---- blocks ---- */

static void
put_tool_id(const struct state *s, struct ag_str id, uint32_t tool, struct ag_buf *b)
{
	if (id.n > 0) {
		ag_jo_str(b, "id", id);
		return;
	}
	ag_jo_key(b, "id");
	ag_buf_puts(b, "\"toolu_");
	ag_buf_put_json(b, s->in->id);
	ag_buf_printf(b, "_%u\"", tool);
}

/* What a model wrote as arguments need not be JSON, and a body must. */
static void
end_input(struct state *s)
{
	struct ag_buf *b = &s->content, copy;
	struct json_object *o = NULL;
	struct ag_str args;

	if (b->failed)
		return;
	args = ag_str_n(b->p + s->args_at, b->n - s->args_at);
	if (args.n == 0) {
		ag_buf_put(b, "{}", 2);
	} else if (ag_tree_parse(args, &o, NULL) < 0) {
		ag_buf_init(&copy, PART_MAX);
		ag_buf_put_str(&copy, args);
		b->failed |= copy.failed;
		b->n = s->args_at;
		ag_buf_puts(b, "{\"_raw\":\"");
		ag_buf_put_json(b, ag_buf_str(&copy));
		ag_buf_puts(b, "\"}");
		ag_buf_fini(&copy);
	}
	json_object_put(o);
	ag_jo_close(b, '}');
}

static void
close_block(struct state *s, struct ag_buf *b)
{
	if (s->block == BLOCK_NONE)
		return;
	if (s->in->is_stream) {
		event_open(b, "content_block_stop");
		ag_jo_u64(b, "index", s->n_blocks - 1);
		event_close(b);
	} else if (s->block == BLOCK_TOOL) {
		end_input(s);
	} else if (s->block == BLOCK_THINKING) {
		ag_buf_puts(&s->content, s->has_signature ? "\"}" : "\",\"signature\":\"\"}");
	} else {
		ag_buf_puts(&s->content, "\"}");
	}
	s->block = BLOCK_NONE;
}

static void
open_block(struct state *s, enum block kind, struct ag_str id, struct ag_str name, uint32_t tool, struct ag_buf *out)
{
	struct ag_buf *b = s->in->is_stream ? out : &s->content;

	close_block(s, out);
	s->block = kind;
	s->tool = tool;
	s->has_signature = false;
	if (s->in->is_stream) {
		event_open(b, "content_block_start");
		ag_jo_u64(b, "index", s->n_blocks);
	}
	s->n_blocks++;
	ag_jo_open(b, s->in->is_stream ? "content_block" : NULL, '{');
	if (kind == BLOCK_TOOL) {
		ag_jo_str(b, "type", AG_STR("tool_use"));
		put_tool_id(s, id, tool, b);
		ag_jo_str(b, "name", name);
		ag_jo_key(b, "input");
		if (s->in->is_stream)
			ag_buf_put(b, "{}", 2);
		s->args_at = b->n;
	} else {
		const char *word = kind == BLOCK_TEXT ? "text" : "thinking";

		ag_jo_str(b, "type", ag_str(word));
		if (kind == BLOCK_THINKING && s->in->is_stream) {
			ag_jo_str(b, "thinking", AG_STR(""));
			ag_jo_str(b, "signature", AG_STR(""));
		} else {
			ag_jo_key(b, word);
			ag_buf_puts(b, s->in->is_stream ? "\"\"" : "\"");
		}
	}
	if (s->in->is_stream) {
		ag_jo_close(b, '}');
		event_close(b);
	}
}

static void
put_delta(struct state *s, const char *type, const char *name, struct ag_str text, struct ag_buf *b)
{
	event_open(b, "content_block_delta");
	ag_jo_u64(b, "index", s->n_blocks - 1);
	ag_jo_open(b, "delta", '{');
	ag_jo_str(b, "type", ag_str(type));
	ag_jo_str(b, name, text);
	ag_jo_close(b, '}');
	event_close(b);
}

static void
on_run(struct state *s, enum block kind, struct ag_str text, struct ag_buf *out)
{
	if (s->block != kind || (kind == BLOCK_THINKING && s->has_signature))
		open_block(s, kind, AG_STR_NONE, AG_STR_NONE, 0, out);
	if (!s->in->is_stream)
		ag_buf_put_json(&s->content, text);
	else if (kind == BLOCK_TEXT)
		put_delta(s, "text_delta", "text", text, out);
	else
		put_delta(s, "thinking_delta", "thinking", text, out);
}

static void
on_args(struct state *s, struct ag_str text, struct ag_buf *out)
{
	if (s->in->is_stream)
		put_delta(s, "input_json_delta", "partial_json", text, out);
	else
		ag_buf_put_str(&s->content, text);
}

/* The proof of a tool call has no place here. */
static void
on_signature(struct state *s, struct ag_str text, struct ag_buf *out)
{
	if (s->block == BLOCK_TOOL || s->has_signature)
		return;
	if (s->block != BLOCK_THINKING)
		open_block(s, BLOCK_THINKING, AG_STR_NONE, AG_STR_NONE, 0, out);
	s->has_signature = true;
	if (s->in->is_stream) {
		put_delta(s, "signature_delta", "signature", text, out);
		return;
	}
	ag_buf_puts(&s->content, "\",\"signature\":\"");
	ag_buf_put_json(&s->content, text);
}

static void
on_redacted(struct state *s, struct ag_str data, struct ag_buf *out)
{
	struct ag_buf *b = s->in->is_stream ? out : &s->content;

	close_block(s, out);
	if (s->in->is_stream) {
		event_open(b, "content_block_start");
		ag_jo_u64(b, "index", s->n_blocks);
	}
	s->n_blocks++;
	ag_jo_open(b, s->in->is_stream ? "content_block" : NULL, '{');
	ag_jo_str(b, "type", AG_STR("redacted_thinking"));
	ag_jo_str(b, "data", data);
	ag_jo_close(b, '}');
	if (s->in->is_stream) {
		event_close(b);
		event_open(b, "content_block_stop");
		ag_jo_u64(b, "index", s->n_blocks - 1);
		event_close(b);
	}
}

/* ---- calls ---- */

static struct waiting *
waiting_of(struct state *s, uint32_t tool)
{
	for (uint32_t i = 0; i < s->n_waiting; i++)
		if (s->waiting[i].tool == tool)
			return &s->waiting[i];
	return NULL;
}

static int
wait_tool(struct state *s, const struct ag_piece *p)
{
	struct waiting *more;

	if (s->n_waiting >= TOOLS_MAX)
		return -ENOBUFS;
	more = realloc(s->waiting, sizeof(*more) * (s->n_waiting + 1));
	if (!more)
		return -ENOMEM;
	s->waiting = more;
	more = &s->waiting[s->n_waiting++];
	*more = (struct waiting){ .tool = p->tool };
	ag_buf_init(&more->id, 4096);
	ag_buf_init(&more->name, 4096);
	ag_buf_init(&more->args, PART_MAX);
	ag_buf_put_str(&more->id, p->id);
	ag_buf_put_str(&more->name, p->name);
	return 0;
}

/* The next in the row is shown, as far as it has come. */
static void
show_waiting(struct state *s, struct ag_buf *out)
{
	while (s->n_waiting > 0 && s->block != BLOCK_TOOL) {
		struct waiting *w = &s->waiting[0];
		bool has_ended = w->has_ended;

		open_block(s, BLOCK_TOOL, ag_buf_str(&w->id), ag_buf_str(&w->name), w->tool, out);
		if (w->args.n > 0)
			on_args(s, ag_buf_str(&w->args), out);
		if (w->args.failed)
			out->failed = true;
		waiting_fini(w);
		s->n_waiting--;
		memmove(w, w + 1, sizeof(*w) * s->n_waiting);
		if (has_ended)
			close_block(s, out);
	}
}

static int
on_tool(struct state *s, const struct ag_piece *p, struct ag_buf *out)
{
	struct waiting *w = waiting_of(s, p->tool);
	bool is_open = s->block == BLOCK_TOOL && s->tool == p->tool;
	int rc = 0;

	switch (p->kind) {
	case AG_PIECE_TOOL:
		if (s->block == BLOCK_TOOL)
			rc = wait_tool(s, p);
		else
			open_block(s, BLOCK_TOOL, p->id, p->name, p->tool, out);
		break;
	case AG_PIECE_TOOL_ARGS:
		if (is_open)
			on_args(s, p->text, out);
		else if (w)
			ag_buf_put_str(&w->args, p->text);
		else if (!ag_str_eq(p->text, AG_STR("{}")))
			rc = -EBADMSG; /* the block was closed by what came behind it */
		break;
	case AG_PIECE_TOOL_END:
		if (is_open)
			close_block(s, out);
		else if (w)
			w->has_ended = true;
		show_waiting(s, out);
		break;
	case AG_PIECE_START:
	case AG_PIECE_TEXT:
	case AG_PIECE_REFUSAL:
	case AG_PIECE_REASONING:
	case AG_PIECE_SIGNATURE:
	case AG_PIECE_REDACTED:
	case AG_PIECE_IMAGE:
	case AG_PIECE_CITATION:
	case AG_PIECE_LOGPROBS:
	case AG_PIECE_FINISH:
	case AG_PIECE_USAGE:
	case AG_PIECE_END:
	case AG_PIECE_ERROR:
		break;
	}
	return rc;
}

/* ---- the frame ---- */

static void
on_start(struct state *s, const struct ag_piece *p, struct ag_buf *out)
{
	(void)ag_str_copy(p->id, s->id, sizeof(s->id));
	if (!s->in->is_stream)
		return;
	event_open(out, "message_start");
	ag_jo_open(out, "message", '{');
	put_message_head(s, out);
	ag_jo_raw(out, "content", AG_STR("[]"));
	ag_jo_null(out, "stop_reason");
	ag_jo_null(out, "stop_sequence");
	ag_jo_raw(out, "usage", AG_STR("{\"input_tokens\":0,\"output_tokens\":0}"));
	ag_jo_close(out, '}');
	event_close(out);
	ag_buf_puts(out, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

static void
on_end(struct state *s, struct ag_buf *out)
{
	close_block(s, out);
	show_waiting(s, out);
	close_block(s, out);
	if (s->in->is_stream) {
		event_open(out, "message_delta");
		ag_jo_open(out, "delta", '{');
		put_stop(s, out);
		ag_jo_close(out, '}');
		put_usage(&s->usage, out);
		event_close(out);
		event_open(out, "message_stop");
		event_close(out);
		return;
	}
	ag_jo_open(out, NULL, '{');
	put_message_head(s, out);
	ag_jo_open(out, "content", '[');
	ag_buf_put_str(out, ag_buf_str(&s->content));
	ag_jo_close(out, ']');
	put_stop(s, out);
	put_usage(&s->usage, out);
	ag_jo_close(out, '}');
}

/* OpenAI's words in Anthropic's. */
static struct ag_str
error_word(const struct ag_client_error *e)
{
	switch (e->status) {
	case 400:
		return AG_STR("invalid_request_error");
	case 401:
		return AG_STR("authentication_error");
	case 402:
	case 412:
		return AG_STR("billing_error");
	case 403:
		return AG_STR("permission_error");
	case 404:
		return AG_STR("not_found_error");
	case 413:
		return AG_STR("request_too_large");
	case 429:
		return AG_STR("rate_limit_error");
	case 408:
	case 504:
		return AG_STR("timeout_error");
	default:
		break;
	}
	if (e->status == 503 || ag_str_eq(e->code, AG_STR("overloaded")))
		return AG_STR("overloaded_error");
	if (e->status == 0 && ag_str_eq(e->type, AG_STR("invalid_request_error")))
		return e->type;
	if (e->status == 0 && ag_str_eq(e->type, AG_STR("rate_limit_error")))
		return e->type;
	return AG_STR("api_error");
}

void
ag_anthropic_write_error(const struct ag_client_error *e, bool is_event, struct ag_buf *out)
{
	if (is_event)
		ag_buf_puts(out, "event: error\ndata: ");
	ag_jo_open(out, NULL, '{');
	ag_jo_str(out, "type", AG_STR("error"));
	ag_jo_open(out, "error", '{');
	ag_jo_str(out, "type", error_word(e));
	ag_jo_str(out, "message", e->message);
	ag_jo_close(out, '}');
	if (e->request_id.n > 0)
		ag_jo_str(out, "request_id", e->request_id);
	ag_buf_puts(out, is_event ? "}\n\n" : "}");
}

static int
write_piece(void *state, const struct ag_piece *p, struct ag_buf *out)
{
	struct ag_client_error e;
	struct state *s = state;
	int rc = 0;

	/* A message is one answer; others are not asked for. */
	if (p->choice > 0)
		return 0;
	switch (p->kind) {
	case AG_PIECE_START:
		on_start(s, p, out);
		break;
	case AG_PIECE_TEXT:
	case AG_PIECE_REFUSAL:
		on_run(s, BLOCK_TEXT, p->text, out);
		break;
	case AG_PIECE_REASONING:
		on_run(s, BLOCK_THINKING, p->text, out);
		break;
	case AG_PIECE_SIGNATURE:
		on_signature(s, p->text, out);
		break;
	case AG_PIECE_REDACTED:
		on_redacted(s, p->text, out);
		break;
	case AG_PIECE_TOOL:
	case AG_PIECE_TOOL_ARGS:
	case AG_PIECE_TOOL_END:
		rc = on_tool(s, p, out);
		break;
	case AG_PIECE_FINISH:
		close_block(s, out);
		show_waiting(s, out);
		close_block(s, out);
		s->finish = p->finish;
		(void)ag_str_copy(p->text, s->sequence, sizeof(s->sequence));
		break;
	case AG_PIECE_USAGE:
		s->usage = *p->usage;
		break;
	case AG_PIECE_END:
		on_end(s, out);
		break;
	case AG_PIECE_ERROR:
		e = (struct ag_client_error){ .type = p->id, .code = p->name, .message = p->text };
		ag_anthropic_write_error(&e, true, out);
		break;
	case AG_PIECE_IMAGE:
	case AG_PIECE_CITATION:
	case AG_PIECE_LOGPROBS:
		break;
	}
	if (rc == 0 && (out->failed || s->content.failed))
		rc = -ENOBUFS;
	return rc;
}

const struct ag_writer ag_anthropic_writer = {
	.state_bytes = sizeof(struct state), .fini = state_fini, .init = state_init, .piece = write_piece,
	.stream_type = "text/event-stream; charset=utf-8",
};
