/* responses_write.c - pieces as a response, or as the stream of its events.
 *
 * Output is a row of items.  Thinking and messages are open one at a time; calls may be open side by
 * side, each with its place in the row.  The last event shows all of it again, so a stream's items are
 * kept too. */
#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "translate/json_out.h"
#include "translate/openai.h"
#include "translate/responses.h"
#include "translate/responses_item.h"
#include "translate/tree.h"

#define PART_MAX  ((size_t)64 << 20)
#define ITEMS_MAX 1024u

static void
state_fini(void *state)
{
	struct ag_resp_state *s = state;

	for (uint32_t i = 0; i < s->n_items; i++) {
		struct ag_resp_item *it = &s->item[i];
		struct ag_buf *bufs[] = { &it->text, &it->parts, &it->notes, &it->logprobs, &it->call_id,
			&it->name, &it->proof };

		for (size_t k = 0; k < AG_ARRAY_LEN(bufs); k++)
			ag_buf_fini(bufs[k]);
	}
	free(s->item);
}

static void
state_init(void *state, const struct ag_writer_in *in)
{
	struct ag_resp_state *s = state;

	s->in = in;
}

/* ---- events ------------------------------------------------------------------------------ */

/* Whole answers have none: false. */
static bool
event_open(const struct ag_resp_state *s, const char *type, struct ag_buf *b)
{
	if (!s->in->is_stream)
		return false;
	ag_buf_printf(b, "event: %s\ndata: ", type);
	ag_jo_open(b, NULL, '{');
	ag_jo_str(b, "type", ag_str(type));
	return true;
}

static void
event_close(struct ag_resp_state *s, struct ag_buf *b)
{
	ag_jo_u64(b, "sequence_number", s->seq++);
	ag_buf_puts(b, "}\n\n");
}

/* inner: "content_index", "summary_index" or NULL. */
static bool
item_event(const struct ag_resp_state *s, uint32_t ix, const char *type, const char *inner, struct ag_buf *b)
{
	const struct ag_resp_item *it = &s->item[ix];

	if (!event_open(s, type, b))
		return false;
	ag_resp_put_id(s, ix, "item_id", b);
	ag_jo_u64(b, "output_index", ix);
	if (inner)
		ag_jo_u64(b, inner, it->kind == AG_RESP_MESSAGE ? it->n_parts : 0);
	return true;
}

static void
tell_item(struct ag_resp_state *s, uint32_t ix, bool is_added, struct ag_buf *b)
{
	if (!event_open(s, is_added ? "response.output_item.added" : "response.output_item.done", b))
		return;
	ag_jo_u64(b, "output_index", ix);
	ag_resp_put_item(s, ix, "item", is_added, b);
	event_close(s, b);
}

/* ---- items ------------------------------------------------------------------------------- */

static struct ag_resp_item *
add_item(struct ag_resp_state *s, enum ag_resp_kind kind)
{
	struct ag_resp_item *more;

	if (s->n_items >= ITEMS_MAX)
		return NULL;
	more = realloc(s->item, sizeof(*more) * (s->n_items + 1));
	if (!more)
		return NULL;
	s->item = more;
	more = &s->item[s->n_items++];
	*more = (struct ag_resp_item){ .kind = kind, .is_open = true };
	ag_buf_init(&more->text, PART_MAX);
	ag_buf_init(&more->parts, PART_MAX);
	ag_buf_init(&more->notes, PART_MAX);
	ag_buf_init(&more->logprobs, PART_MAX);
	ag_buf_init(&more->call_id, 4096);
	ag_buf_init(&more->name, 4096);
	ag_buf_init(&more->proof, PART_MAX);
	return more;
}

/* ---- parts ------------------------------------------------------------------------------- */

static void
open_part(struct ag_resp_state *s, uint32_t ix, bool is_refusal, struct ag_buf *out)
{
	struct ag_resp_item *it = &s->item[ix];
	bool is_thought = it->kind == AG_RESP_REASONING;

	it->has_part = true;
	it->is_refusal = is_refusal;
	if (!item_event(s, ix, is_thought ? "response.reasoning_summary_part.added" : "response.content_part.added",
	    is_thought ? "summary_index" : "content_index", out))
		return;
	ag_resp_put_part(it, "part", true, out);
	event_close(s, out);
}

static void
tell_part_done(struct ag_resp_state *s, uint32_t ix, struct ag_buf *out)
{
	struct ag_resp_item *it = &s->item[ix];
	bool is_thought = it->kind == AG_RESP_REASONING;
	const char *inner = is_thought ? "summary_index" : "content_index";

	if (!item_event(s, ix, is_thought ? "response.reasoning_summary_text.done" : it->is_refusal ? "response.refusal.done"
	    : "response.output_text.done", inner, out))
		return;
	ag_jo_str(out, it->is_refusal ? "refusal" : "text", ag_buf_str(&it->text));
	if (!is_thought && !it->is_refusal)
		ag_resp_put_list(out, "logprobs", &it->logprobs);
	event_close(s, out);
	(void)item_event(s, ix, is_thought ? "response.reasoning_summary_part.done" : "response.content_part.done", inner, out);
	ag_resp_put_part(it, "part", false, out);
	event_close(s, out);
}

static void
close_part(struct ag_resp_state *s, uint32_t ix, struct ag_buf *out)
{
	struct ag_resp_item *it = &s->item[ix];

	if (!it->has_part)
		return;
	tell_part_done(s, ix, out);
	if (it->kind == AG_RESP_REASONING)
		return;
	ag_resp_put_part(it, NULL, false, &it->parts);
	s->has_failed |= it->text.failed || it->parts.failed || it->notes.failed || it->logprobs.failed;
	it->has_part = false;
	it->n_parts++;
	it->n_notes = 0;
	ag_buf_reset(&it->text);
	ag_buf_reset(&it->notes);
	ag_buf_reset(&it->logprobs);
}

static void
close_item(struct ag_resp_state *s, uint32_t ix, struct ag_buf *out)
{
	struct ag_resp_item *it = &s->item[ix];

	if (!it->is_open)
		return;
	if (it->kind == AG_RESP_TOOL) {
		if (item_event(s, ix, "response.function_call_arguments.done", NULL, out)) {
			ag_jo_str(out, "name", ag_buf_str(&it->name));
			ag_jo_str(out, "arguments", ag_buf_str(&it->text));
			event_close(s, out);
		}
	} else {
		close_part(s, ix, out);
	}
	s->has_failed |= it->text.failed || it->parts.failed || it->proof.failed;
	it->is_open = false;
	tell_item(s, ix, false, out);
}

static void
close_spoken(struct ag_resp_state *s, struct ag_buf *out)
{
	for (uint32_t i = 0; i < s->n_items; i++)
		if (s->item[i].kind != AG_RESP_TOOL)
			close_item(s, i, out);
}

static void
close_all(struct ag_resp_state *s, struct ag_buf *out)
{
	for (uint32_t i = 0; i < s->n_items; i++)
		close_item(s, i, out);
}

/* The open item of that kind, or a new one behind the others; n_items: there is no more room. */
static uint32_t
item_of(struct ag_resp_state *s, enum ag_resp_kind kind, struct ag_buf *out)
{
	AG_KNOWN(s->item || s->n_items == 0);
	for (uint32_t i = s->n_items; i-- > 0;)
		if (s->item[i].is_open && s->item[i].kind == kind)
			return i;
	close_spoken(s, out);
	if (!add_item(s, kind))
		return s->n_items;
	tell_item(s, s->n_items - 1, true, out);
	return s->n_items - 1;
}

/* ---- pieces ------------------------------------------------------------------------------ */

static int
on_run(struct ag_resp_state *s, enum ag_resp_kind kind, bool is_refusal, struct ag_str text, struct ag_buf *out)
{
	uint32_t ix = item_of(s, kind, out);
	struct ag_resp_item *it;

	if (ix < s->n_items && kind == AG_RESP_REASONING && s->item[ix].proof.n > 0) {
		close_item(s, ix, out); /* a proof ends its thinking */
		ix = item_of(s, kind, out);
	}
	if (ix == s->n_items)
		return -ENOBUFS;
	it = &s->item[ix];
	if (it->has_part && it->is_refusal != is_refusal)
		close_part(s, ix, out);
	if (!it->has_part)
		open_part(s, ix, is_refusal, out);
	ag_buf_put_str(&it->text, text);
	if (it->text.failed)
		return -ENOBUFS;
	if (!item_event(s, ix, kind == AG_RESP_REASONING ? "response.reasoning_summary_text.delta" : is_refusal
	    ? "response.refusal.delta" : "response.output_text.delta", kind == AG_RESP_REASONING ? "summary_index" : "content_index", out))
		return 0;
	ag_jo_str(out, "delta", text);
	if (kind == AG_RESP_MESSAGE && !is_refusal)
		ag_jo_raw(out, "logprobs", AG_STR("[]"));
	event_close(s, out);
	return 0;
}

/* Of a call, while one is open; else of the thinking before it. */
static int
on_signature(struct ag_resp_state *s, const struct ag_piece *p, bool is_redacted, struct ag_buf *out)
{
	struct ag_resp_item *last = s->n_items > 0 ? &s->item[s->n_items - 1] : NULL;
	uint32_t ix;

	if (!is_redacted && last && last->is_open && last->kind == AG_RESP_TOOL) {
		if (last->proof.n == 0)
			ag_buf_put_str(&last->proof, p->text);
		return 0;
	}
	if (is_redacted)
		close_spoken(s, out);
	ix = item_of(s, AG_RESP_REASONING, out);
	if (ix == s->n_items)
		return -ENOBUFS;
	if (s->item[ix].proof.n == 0)
		ag_buf_puts(&s->item[ix].proof, is_redacted ? AG_RESPONSES_REDACTED : AG_RESPONSES_PROOF);
	ag_buf_put_str(&s->item[ix].proof, p->text);
	if (is_redacted)
		close_item(s, ix, out);
	return 0;
}

static int
on_image(struct ag_resp_state *s, const struct ag_piece *p, struct ag_buf *out)
{
	uint32_t ix = item_of(s, AG_RESP_IMAGE, out);

	if (ix == s->n_items)
		return -ENOBUFS;
	ag_buf_put_str(&s->item[ix].parts, p->text);
	close_item(s, ix, out);
	return 0;
}

/* {type, url_citation: {url, ...}} as it stands here: {type, url, ...}. */
static int
on_citation(struct ag_resp_state *s, struct ag_str text, struct ag_buf *out)
{
	struct json_object *nested = NULL, *flat, *inner;
	uint32_t ix = item_of(s, AG_RESP_MESSAGE, out);
	struct ag_resp_item *it;

	if (ix == s->n_items)
		return -ENOBUFS;
	it = &s->item[ix];
	if (ag_tree_parse(text, &nested, NULL) < 0 || it->is_refusal) {
		json_object_put(nested);
		return 0;
	}
	if (!it->has_part)
		open_part(s, ix, false, out);
	flat = ag_tree_new();
	ag_tree_share(flat, "type", ag_tree_get(nested, "type"));
	inner = ag_tree_object(nested, "url_citation");
	if (inner) {
		ag_json_foreach(inner, name, value)
			ag_tree_share(flat, name, value);
	}
	ag_jo_tree(&it->notes, NULL, inner ? flat : nested);
	if (item_event(s, ix, "response.output_text.annotation.added", "content_index", out)) {
		ag_jo_u64(out, "annotation_index", it->n_notes);
		ag_jo_tree(out, "annotation", inner ? flat : nested);
		event_close(s, out);
	}
	it->n_notes++;
	json_object_put(flat);
	json_object_put(nested);
	return ag_tree_is_short() ? -ENOMEM : 0;
}

/* {content: [...]}: what belongs to the text before. */
static void
on_logprobs(struct ag_resp_state *s, struct ag_str text)
{
	struct ag_resp_item *last = s->n_items > 0 ? &s->item[s->n_items - 1] : NULL;
	struct json_object *o = NULL, *list;

	if (!last || !last->has_part || last->kind != AG_RESP_MESSAGE || ag_tree_parse(text, &o, NULL) < 0)
		return;
	list = ag_tree_array(o, "content");
	for (size_t i = 0; i < ag_json_len(list); i++)
		ag_jo_tree(&last->logprobs, NULL, ag_json_at(list, i));
	json_object_put(o);
}

static uint32_t
tool_ix(const struct ag_resp_state *s, uint32_t tool)
{
	for (uint32_t i = 0; i < s->n_items; i++)
		if (s->item[i].kind == AG_RESP_TOOL && s->item[i].tool == tool)
			return i;
	return s->n_items;
}

static int
on_tool(struct ag_resp_state *s, const struct ag_piece *p, struct ag_buf *out)
{
	uint32_t ix = tool_ix(s, p->tool);
	struct ag_resp_item *it;

	if (p->kind == AG_PIECE_TOOL) {
		close_spoken(s, out);
		it = add_item(s, AG_RESP_TOOL);
		if (!it)
			return -ENOBUFS;
		it->tool = p->tool;
		ag_buf_put_str(&it->call_id, p->id);
		ag_buf_put_str(&it->name, p->name);
		tell_item(s, s->n_items - 1, true, out);
		return it->call_id.failed || it->name.failed ? -ENOBUFS : 0;
	}
	if (ix == s->n_items || !s->item[ix].is_open)
		return 0;
	if (p->kind == AG_PIECE_TOOL_END) {
		close_item(s, ix, out);
		return 0;
	}
	ag_buf_put_str(&s->item[ix].text, p->text);
	if (item_event(s, ix, "response.function_call_arguments.delta", NULL, out)) {
		ag_jo_str(out, "delta", p->text);
		event_close(s, out);
	}
	return 0;
}

/* ---- the frame --------------------------------------------------------------------------- */

static void
on_start(struct ag_resp_state *s, struct ag_buf *out)
{
	static const char *const types[] = { "response.created", "response.in_progress" };

	for (size_t i = 0; i < AG_ARRAY_LEN(types); i++)
		if (event_open(s, types[i], out)) {
			ag_resp_put(s, "response", "in_progress", NULL, out);
			event_close(s, out);
		}
}

static void
on_end(struct ag_resp_state *s, struct ag_buf *out)
{
	bool is_cut = ag_resp_why_incomplete(s).n > 0;

	close_all(s, out);
	if (!event_open(s, is_cut ? "response.incomplete" : "response.completed", out)) {
		ag_resp_put(s, NULL, is_cut ? "incomplete" : "completed", NULL, out);
		return;
	}
	ag_resp_put(s, "response", is_cut ? "incomplete" : "completed", NULL, out);
	event_close(s, out);
}

static void
on_error(struct ag_resp_state *s, const struct ag_piece *p, struct ag_buf *out)
{
	if (!event_open(s, "error", out))
		return;
	ag_jo_str(out, "code", p->name.n > 0 ? p->name : AG_STR("server_error"));
	ag_jo_str(out, "message", p->text);
	ag_jo_null(out, "param");
	event_close(s, out);
	(void)event_open(s, "response.failed", out);
	ag_resp_put(s, "response", "failed", p, out);
	event_close(s, out);
}

static int
write_piece(void *state, const struct ag_piece *p, struct ag_buf *out)
{
	struct ag_resp_state *s = state;
	int rc = 0;

	/* A response is one answer; others are not asked for. */
	if (p->choice > 0)
		return 0;
	switch (p->kind) {
	case AG_PIECE_START:
		on_start(s, out);
		break;
	case AG_PIECE_TEXT:
	case AG_PIECE_REFUSAL:
		rc = on_run(s, AG_RESP_MESSAGE, p->kind == AG_PIECE_REFUSAL, p->text, out);
		break;
	case AG_PIECE_REASONING:
		rc = on_run(s, AG_RESP_REASONING, false, p->text, out);
		break;
	case AG_PIECE_SIGNATURE:
	case AG_PIECE_REDACTED:
		rc = on_signature(s, p, p->kind == AG_PIECE_REDACTED, out);
		break;
	case AG_PIECE_TOOL:
	case AG_PIECE_TOOL_ARGS:
	case AG_PIECE_TOOL_END:
		rc = on_tool(s, p, out);
		break;
	case AG_PIECE_IMAGE:
		rc = on_image(s, p, out);
		break;
	case AG_PIECE_CITATION:
		rc = on_citation(s, p->text, out);
		break;
	case AG_PIECE_LOGPROBS:
		on_logprobs(s, p->text);
		break;
	case AG_PIECE_FINISH:
		s->finish = p->finish;
		close_all(s, out);
		break;
	case AG_PIECE_USAGE:
		s->usage = *p->usage;
		s->has_usage = true;
		break;
	case AG_PIECE_END:
		on_end(s, out);
		break;
	case AG_PIECE_ERROR:
		on_error(s, p, out);
		break;
	}
	if (rc == 0 && (out->failed || s->has_failed))
		rc = -ENOBUFS;
	return rc;
}

const struct ag_writer ag_responses_writer = {
	.state_bytes = sizeof(struct ag_resp_state), .fini = state_fini, .init = state_init, .piece = write_piece,
	.stream_type = "text/event-stream; charset=utf-8",
};
