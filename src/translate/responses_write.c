/* responses_write.c - pieces as a response, or as the stream of its events.
 *
 * Output is a row of items.  Thinking and messages are open one at a time; calls may be open side by
 * side, each with its place in the row.  The last event shows all of it again, so a stream's items are
 * kept too. */
#include <errno.h>
#include <stdlib.h>

#include "translate/json_out.h"
#include "translate/openai.h"
#include "translate/responses.h"
#include "translate/tree.h"

#define PART_MAX  ((size_t)64 << 20)
#define ITEMS_MAX 1024u

enum kind { KIND_NONE, KIND_REASONING, KIND_MESSAGE, KIND_TOOL, KIND_IMAGE };

struct item {
	enum kind kind;
	uint32_t tool;
	bool is_open, has_part, is_refusal;
	uint32_t n_parts, n_notes;  /* parts that are closed; notes of the open one */
	struct ag_buf text;         /* of the open part, the summary or the arguments, decoded */
	struct ag_buf parts;        /* JSON, elements; of an image its base64 */
	struct ag_buf notes, logprobs; /* JSON, elements: of the open part */
	struct ag_buf call_id, name, proof; /* proof: of thinking or of a call, decoded */
};

struct state {
	const struct ag_writer_in *in;
	struct item *item;  /* owned; its place is output_index */
	uint32_t n_items;
	uint64_t seq;
	enum ag_finish finish;
	struct ag_usage usage;
	bool has_usage, has_failed;
};

static void
state_fini(void *state)
{
	struct state *s = state;

	for (uint32_t i = 0; i < s->n_items; i++) {
		struct item *it = &s->item[i];
		struct ag_buf *bufs[] = { &it->text, &it->parts, &it->notes, &it->logprobs, &it->call_id, &it->name, &it->proof };

		for (size_t k = 0; k < AG_ARRAY_LEN(bufs); k++)
			ag_buf_fini(bufs[k]);
	}
	free(s->item);
}

static void
state_init(void *state, const struct ag_writer_in *in)
{
	struct state *s = state;

	s->in = in;
}

/* ---- the response itself ----------------------------------------------------------------- */

static void
put_usage(const struct ag_usage *u, struct ag_buf *b)
{
	ag_jo_open(b, "usage", '{');
	ag_jo_u64(b, "input_tokens", ag_usage_input_total(u));
	ag_jo_open(b, "input_tokens_details", '{');
	ag_jo_u64(b, "cached_tokens", u->cache_read);
	ag_jo_u64(b, "cache_write_tokens", u->cache_write_5m + u->cache_write_1h);
	ag_jo_close(b, '}');
	ag_jo_u64(b, "output_tokens", u->output_total);
	ag_jo_open(b, "output_tokens_details", '{');
	ag_jo_u64(b, "reasoning_tokens", u->reasoning);
	ag_jo_close(b, '}');
	ag_jo_u64(b, "total_tokens", ag_usage_input_total(u) + u->output_total);
	ag_jo_close(b, '}');
}

/* What was asked for, shown again; what was not: as it is without. */
static void
put_echo(const struct state *s, struct ag_buf *b)
{
	static const struct { const char *name, *otherwise; } rows[] = {
		{ "instructions", "null" }, { "max_output_tokens", "null" }, { "metadata", "{}" },
		{ "parallel_tool_calls", "true" }, { "reasoning", "{\"effort\":null,\"summary\":null}" },
		{ "temperature", "null" }, { "text", "{\"format\":{\"type\":\"text\"}}" }, { "tool_choice", "\"auto\"" },
		{ "tools", "[]" }, { "top_p", "null" }, { "user", "null" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		struct json_object *v = s->in->request ? ag_tree_get(s->in->request, rows[i].name) : NULL;

		if (v)
			ag_jo_tree(b, rows[i].name, v);
		else
			ag_jo_raw(b, rows[i].name, ag_str(rows[i].otherwise));
	}
	ag_jo_null(b, "previous_response_id");
	ag_jo_bool(b, "store", false);
	ag_jo_str(b, "truncation", AG_STR("disabled"));
}

static struct ag_str
why_incomplete(const struct state *s)
{
	switch (s->finish) {
	case AG_FINISH_LENGTH:
		return AG_STR("max_output_tokens");
	case AG_FINISH_FILTER:
		return AG_STR("content_filter");
	case AG_FINISH_NONE:
	case AG_FINISH_STOP:
	case AG_FINISH_STOP_SEQUENCE:
	case AG_FINISH_TOOLS:
		break;
	}
	return AG_STR_NONE;
}

static void put_item(const struct state *s, uint32_t ix, const char *key, bool is_added, struct ag_buf *b);

static void
put_output(const struct state *s, struct ag_buf *b)
{
	ag_jo_open(b, "output", '[');
	for (uint32_t i = 0; i < s->n_items; i++)
		put_item(s, i, NULL, false, b);
	ag_jo_close(b, ']');
}

/* error: what it failed with, NULL: it did not. */
static void
put_response(const struct state *s, const char *key, const char *status, const struct ag_piece *error, struct ag_buf *b)
{
	ag_jo_open(b, key, '{');
	ag_jo_key(b, "id");
	ag_buf_puts(b, "\"resp_");
	ag_buf_put_json(b, s->in->id);
	ag_buf_putc(b, '"');
	ag_jo_str(b, "object", AG_STR("response"));
	ag_jo_int(b, "created_at", s->in->created_s);
	ag_jo_str(b, "status", ag_str(status));
	ag_jo_bool(b, "background", false);
	if (error) {
		ag_jo_open(b, "error", '{');
		ag_jo_str(b, "code", error->name.n > 0 ? error->name : AG_STR("server_error"));
		ag_jo_str(b, "message", error->text);
		ag_jo_close(b, '}');
	} else {
		ag_jo_null(b, "error");
	}
	if (strcmp(status, "incomplete") == 0) {
		ag_jo_open(b, "incomplete_details", '{');
		ag_jo_str(b, "reason", why_incomplete(s));
		ag_jo_close(b, '}');
	} else {
		ag_jo_null(b, "incomplete_details");
	}
	ag_jo_str(b, "model", s->in->model);
	if (strcmp(status, "in_progress") == 0)
		ag_jo_raw(b, "output", AG_STR("[]"));
	else
		put_output(s, b);
	put_echo(s, b);
	if (s->has_usage)
		put_usage(&s->usage, b);
	else
		ag_jo_null(b, "usage");
	ag_jo_close(b, '}');
}

/* ---- events ------------------------------------------------------------------------------ */

/* Whole answers have none: false. */
static bool
event_open(const struct state *s, const char *type, struct ag_buf *b)
{
	if (!s->in->is_stream)
		return false;
	ag_buf_printf(b, "event: %s\ndata: ", type);
	ag_jo_open(b, NULL, '{');
	ag_jo_str(b, "type", ag_str(type));
	return true;
}

static void
event_close(struct state *s, struct ag_buf *b)
{
	ag_jo_u64(b, "sequence_number", s->seq++);
	ag_buf_puts(b, "}\n\n");
}

static void
put_item_id(const struct state *s, uint32_t ix, const char *key, struct ag_buf *b)
{
	static const char *const prefix[] = { [KIND_NONE] = "it", [KIND_REASONING] = "rs", [KIND_MESSAGE] = "msg",
		[KIND_TOOL] = "fc", [KIND_IMAGE] = "ig" };

	ag_jo_key(b, key);
	ag_buf_printf(b, "\"%s_", prefix[s->item[ix].kind]);
	ag_buf_put_json(b, s->in->id);
	ag_buf_printf(b, "_%u\"", ix);
}

/* inner: "content_index", "summary_index" or NULL. */
static bool
item_event(const struct state *s, uint32_t ix, const char *type, const char *inner, struct ag_buf *b)
{
	const struct item *it = &s->item[ix];

	if (!event_open(s, type, b))
		return false;
	put_item_id(s, ix, "item_id", b);
	ag_jo_u64(b, "output_index", ix);
	if (inner)
		ag_jo_u64(b, inner, it->kind == KIND_MESSAGE ? it->n_parts : 0);
	return true;
}

static void
tell_item(struct state *s, uint32_t ix, bool is_added, struct ag_buf *b)
{
	if (!event_open(s, is_added ? "response.output_item.added" : "response.output_item.done", b))
		return;
	ag_jo_u64(b, "output_index", ix);
	put_item(s, ix, "item", is_added, b);
	event_close(s, b);
}

/* ---- items ------------------------------------------------------------------------------- */

static void
put_list(struct ag_buf *b, const char *key, const struct ag_buf *elements)
{
	ag_jo_open(b, key, '[');
	ag_buf_put_str(b, ag_buf_str(elements));
	ag_jo_close(b, ']');
}

/* The open part. */
static void
put_part(const struct item *it, const char *key, bool is_added, struct ag_buf *b)
{
	const char *text = it->is_refusal ? "refusal" : "text";

	ag_jo_open(b, key, '{');
	if (it->kind == KIND_REASONING)
		ag_jo_str(b, "type", AG_STR("summary_text"));
	else
		ag_jo_str(b, "type", it->is_refusal ? AG_STR("refusal") : AG_STR("output_text"));
	ag_jo_str(b, text, is_added ? AG_STR("") : ag_buf_str(&it->text));
	if (it->kind == KIND_MESSAGE && !it->is_refusal) {
		put_list(b, "annotations", &it->notes);
		put_list(b, "logprobs", &it->logprobs);
	}
	ag_jo_close(b, '}');
}

static void
put_reasoning(const struct item *it, bool is_added, struct ag_buf *b)
{
	ag_jo_open(b, "summary", '[');
	if (!is_added && it->has_part)
		put_part(it, NULL, false, b);
	ag_jo_close(b, ']');
	if (!is_added && it->proof.n > 0)
		ag_jo_str(b, "encrypted_content", ag_buf_str(&it->proof));
}

static void
put_call(const struct state *s, uint32_t ix, bool is_added, struct ag_buf *b)
{
	const struct item *it = &s->item[ix];

	if (it->call_id.n > 0) {
		ag_jo_str(b, "call_id", ag_buf_str(&it->call_id));
	} else {
		ag_jo_key(b, "call_id");
		ag_buf_puts(b, "\"call_");
		ag_buf_put_json(b, s->in->id);
		ag_buf_printf(b, "_%u\"", ix);
	}
	ag_jo_str(b, "name", ag_buf_str(&it->name));
	ag_jo_str(b, "arguments", is_added ? AG_STR("") : ag_buf_str(&it->text));
	if (!is_added && it->proof.n > 0) {
		ag_jo_open(b, "extra_content", '{');
		ag_jo_open(b, "google", '{');
		ag_jo_str(b, "thought_signature", ag_buf_str(&it->proof));
		ag_buf_puts(b, "}}");
	}
}

static void
put_item(const struct state *s, uint32_t ix, const char *key, bool is_added, struct ag_buf *b)
{
	const struct item *it = &s->item[ix];
	struct ag_str status = it->is_open ? AG_STR("in_progress") : AG_STR("completed");

	/* What was open when the answer broke off, or was cut. */
	if (!is_added && (it->is_open || (it->kind == KIND_MESSAGE && ix + 1 == s->n_items && why_incomplete(s).n > 0)))
		status = AG_STR("incomplete");
	ag_jo_open(b, key, '{');
	switch (it->kind) {
	case KIND_REASONING:
		ag_jo_str(b, "type", AG_STR("reasoning"));
		put_item_id(s, ix, "id", b);
		put_reasoning(it, is_added, b);
		break;
	case KIND_MESSAGE:
		ag_jo_str(b, "type", AG_STR("message"));
		put_item_id(s, ix, "id", b);
		ag_jo_str(b, "status", status);
		ag_jo_str(b, "role", AG_STR("assistant"));
		ag_jo_open(b, "content", '[');
		ag_buf_put_str(b, ag_buf_str(&it->parts));
		if (!is_added && it->has_part)
			put_part(it, NULL, false, b);
		ag_jo_close(b, ']');
		break;
	case KIND_TOOL:
		ag_jo_str(b, "type", AG_STR("function_call"));
		put_item_id(s, ix, "id", b);
		put_call(s, ix, is_added, b);
		ag_jo_str(b, "status", status);
		break;
	case KIND_IMAGE:
		ag_jo_str(b, "type", AG_STR("image_generation_call"));
		put_item_id(s, ix, "id", b);
		ag_jo_str(b, "status", status);
		if (is_added)
			ag_jo_null(b, "result");
		else
			ag_jo_str(b, "result", ag_buf_str(&it->parts));
		break;
	case KIND_NONE:
		break;
	}
	ag_jo_close(b, '}');
}

static struct item *
add_item(struct state *s, enum kind kind)
{
	struct item *more;

	if (s->n_items >= ITEMS_MAX)
		return NULL;
	more = realloc(s->item, sizeof(*more) * (s->n_items + 1));
	if (!more)
		return NULL;
	s->item = more;
	more = &s->item[s->n_items++];
	*more = (struct item){ .kind = kind, .is_open = true };
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
open_part(struct state *s, uint32_t ix, bool is_refusal, struct ag_buf *out)
{
	struct item *it = &s->item[ix];
	bool is_thought = it->kind == KIND_REASONING;

	it->has_part = true;
	it->is_refusal = is_refusal;
	if (!item_event(s, ix, is_thought ? "response.reasoning_summary_part.added" : "response.content_part.added",
	    is_thought ? "summary_index" : "content_index", out))
		return;
	put_part(it, "part", true, out);
	event_close(s, out);
}

static void
tell_part_done(struct state *s, uint32_t ix, struct ag_buf *out)
{
	struct item *it = &s->item[ix];
	bool is_thought = it->kind == KIND_REASONING;
	const char *inner = is_thought ? "summary_index" : "content_index";

	if (!item_event(s, ix, is_thought ? "response.reasoning_summary_text.done" : it->is_refusal ? "response.refusal.done"
	    : "response.output_text.done", inner, out))
		return;
	ag_jo_str(out, it->is_refusal ? "refusal" : "text", ag_buf_str(&it->text));
	if (!is_thought && !it->is_refusal)
		put_list(out, "logprobs", &it->logprobs);
	event_close(s, out);
	(void)item_event(s, ix, is_thought ? "response.reasoning_summary_part.done" : "response.content_part.done", inner, out);
	put_part(it, "part", false, out);
	event_close(s, out);
}

static void
close_part(struct state *s, uint32_t ix, struct ag_buf *out)
{
	struct item *it = &s->item[ix];

	if (!it->has_part)
		return;
	tell_part_done(s, ix, out);
	if (it->kind == KIND_REASONING)
		return;
	put_part(it, NULL, false, &it->parts);
	s->has_failed |= it->text.failed || it->parts.failed || it->notes.failed || it->logprobs.failed;
	it->has_part = false;
	it->n_parts++;
	it->n_notes = 0;
	ag_buf_reset(&it->text);
	ag_buf_reset(&it->notes);
	ag_buf_reset(&it->logprobs);
}

static void
close_item(struct state *s, uint32_t ix, struct ag_buf *out)
{
	struct item *it = &s->item[ix];

	if (!it->is_open)
		return;
	if (it->kind == KIND_TOOL) {
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
close_spoken(struct state *s, struct ag_buf *out)
{
	for (uint32_t i = 0; i < s->n_items; i++)
		if (s->item[i].kind != KIND_TOOL)
			close_item(s, i, out);
}

static void
close_all(struct state *s, struct ag_buf *out)
{
	for (uint32_t i = 0; i < s->n_items; i++)
		close_item(s, i, out);
}

/* The open item of that kind, or a new one behind the others; n_items: there is no more room. */
static uint32_t
item_of(struct state *s, enum kind kind, struct ag_buf *out)
{
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
on_run(struct state *s, enum kind kind, bool is_refusal, struct ag_str text, struct ag_buf *out)
{
	uint32_t ix = item_of(s, kind, out);
	struct item *it;

	if (ix < s->n_items && kind == KIND_REASONING && s->item[ix].proof.n > 0) {
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
	if (!item_event(s, ix, kind == KIND_REASONING ? "response.reasoning_summary_text.delta" : is_refusal
	    ? "response.refusal.delta" : "response.output_text.delta", kind == KIND_REASONING ? "summary_index" : "content_index", out))
		return 0;
	ag_jo_str(out, "delta", text);
	if (kind == KIND_MESSAGE && !is_refusal)
		ag_jo_raw(out, "logprobs", AG_STR("[]"));
	event_close(s, out);
	return 0;
}

/* Of a call, while one is open; else of the thinking before it. */
static int
on_signature(struct state *s, const struct ag_piece *p, bool is_redacted, struct ag_buf *out)
{
	struct item *last = s->n_items > 0 ? &s->item[s->n_items - 1] : NULL;
	uint32_t ix;

	if (!is_redacted && last && last->is_open && last->kind == KIND_TOOL) {
		if (last->proof.n == 0)
			ag_buf_put_str(&last->proof, p->text);
		return 0;
	}
	if (is_redacted)
		close_spoken(s, out);
	ix = item_of(s, KIND_REASONING, out);
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
on_image(struct state *s, const struct ag_piece *p, struct ag_buf *out)
{
	uint32_t ix = item_of(s, KIND_IMAGE, out);

	if (ix == s->n_items)
		return -ENOBUFS;
	ag_buf_put_str(&s->item[ix].parts, p->text);
	close_item(s, ix, out);
	return 0;
}

/* {type, url_citation: {url, ...}} as it stands here: {type, url, ...}. */
static int
on_citation(struct state *s, struct ag_str text, struct ag_buf *out)
{
	struct json_object *nested = NULL, *flat, *inner;
	uint32_t ix = item_of(s, KIND_MESSAGE, out);
	struct item *it;

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
		json_object_object_foreach(inner, name, value)
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
on_logprobs(struct state *s, struct ag_str text)
{
	struct item *last = s->n_items > 0 ? &s->item[s->n_items - 1] : NULL;
	struct json_object *o = NULL, *list;

	if (!last || !last->has_part || last->kind != KIND_MESSAGE || ag_tree_parse(text, &o, NULL) < 0)
		return;
	list = ag_tree_array(o, "content");
	for (size_t i = 0; i < ag_tree_len(list); i++)
		ag_jo_tree(&last->logprobs, NULL, json_object_array_get_idx(list, i));
	json_object_put(o);
}

static uint32_t
tool_ix(const struct state *s, uint32_t tool)
{
	for (uint32_t i = 0; i < s->n_items; i++)
		if (s->item[i].kind == KIND_TOOL && s->item[i].tool == tool)
			return i;
	return s->n_items;
}

static int
on_tool(struct state *s, const struct ag_piece *p, struct ag_buf *out)
{
	uint32_t ix = tool_ix(s, p->tool);
	struct item *it;

	if (p->kind == AG_PIECE_TOOL) {
		close_spoken(s, out);
		it = add_item(s, KIND_TOOL);
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
on_start(struct state *s, struct ag_buf *out)
{
	static const char *const types[] = { "response.created", "response.in_progress" };

	for (size_t i = 0; i < AG_ARRAY_LEN(types); i++)
		if (event_open(s, types[i], out)) {
			put_response(s, "response", "in_progress", NULL, out);
			event_close(s, out);
		}
}

static void
on_end(struct state *s, struct ag_buf *out)
{
	bool is_cut = why_incomplete(s).n > 0;

	close_all(s, out);
	if (!event_open(s, is_cut ? "response.incomplete" : "response.completed", out)) {
		put_response(s, NULL, is_cut ? "incomplete" : "completed", NULL, out);
		return;
	}
	put_response(s, "response", is_cut ? "incomplete" : "completed", NULL, out);
	event_close(s, out);
}

static void
on_error(struct state *s, const struct ag_piece *p, struct ag_buf *out)
{
	if (!event_open(s, "error", out))
		return;
	ag_jo_str(out, "code", p->name.n > 0 ? p->name : AG_STR("server_error"));
	ag_jo_str(out, "message", p->text);
	ag_jo_null(out, "param");
	event_close(s, out);
	(void)event_open(s, "response.failed", out);
	put_response(s, "response", "failed", p, out);
	event_close(s, out);
}

static int
write_piece(void *state, const struct ag_piece *p, struct ag_buf *out)
{
	struct state *s = state;
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
		rc = on_run(s, KIND_MESSAGE, p->kind == AG_PIECE_REFUSAL, p->text, out);
		break;
	case AG_PIECE_REASONING:
		rc = on_run(s, KIND_REASONING, false, p->text, out);
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
	.state_bytes = sizeof(struct state), .fini = state_fini, .init = state_init, .piece = write_piece,
	.stream_type = "text/event-stream; charset=utf-8",
};
