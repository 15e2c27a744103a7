#include "translate/responses_item.h"

#include <string.h>

#include "translate/json_out.h"
#include "translate/tree.h"

/* ---- items ------------------------------------------------------------------------------- */

struct ag_str
ag_resp_why_incomplete(const struct ag_resp_state *s)
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

void
ag_resp_put_id(const struct ag_resp_state *s, uint32_t ix, const char *key, struct ag_buf *b)
{
	static const char *const prefix[] = { [AG_RESP_NONE] = "it", [AG_RESP_REASONING] = "rs", [AG_RESP_MESSAGE] = "msg",
		[AG_RESP_TOOL] = "fc", [AG_RESP_IMAGE] = "ig" };

	ag_jo_key(b, key);
	ag_buf_printf(b, "\"%s_", prefix[s->item[ix].kind]);
	ag_buf_put_json(b, s->in->id);
	ag_buf_printf(b, "_%u\"", ix);
}

void
ag_resp_put_list(struct ag_buf *b, const char *key, const struct ag_buf *elements)
{
	ag_jo_open(b, key, '[');
	ag_buf_put_str(b, ag_buf_str(elements));
	ag_jo_close(b, ']');
}

void
ag_resp_put_part(const struct ag_resp_item *it, const char *key, bool is_added, struct ag_buf *b)
{
	const char *text = it->is_refusal ? "refusal" : "text";

	ag_jo_open(b, key, '{');
	if (it->kind == AG_RESP_REASONING)
		ag_jo_str(b, "type", AG_STR("summary_text"));
	else
		ag_jo_str(b, "type", it->is_refusal ? AG_STR("refusal") : AG_STR("output_text"));
	ag_jo_str(b, text, is_added ? AG_STR("") : ag_buf_str(&it->text));
	if (it->kind == AG_RESP_MESSAGE && !it->is_refusal) {
		ag_resp_put_list(b, "annotations", &it->notes);
		ag_resp_put_list(b, "logprobs", &it->logprobs);
	}
	ag_jo_close(b, '}');
}

static void
put_reasoning(const struct ag_resp_item *it, bool is_added, struct ag_buf *b)
{
	ag_jo_open(b, "summary", '[');
	if (!is_added && it->has_part)
		ag_resp_put_part(it, NULL, false, b);
	ag_jo_close(b, ']');
	if (!is_added && it->proof.n > 0)
		ag_jo_str(b, "encrypted_content", ag_buf_str(&it->proof));
}

static void
put_call(const struct ag_resp_state *s, uint32_t ix, bool is_added, struct ag_buf *b)
{
	const struct ag_resp_item *it = &s->item[ix];

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

void
ag_resp_put_item(const struct ag_resp_state *s, uint32_t ix, const char *key, bool is_added, struct ag_buf *b)
{
	const struct ag_resp_item *it = &s->item[ix];
	struct ag_str status = it->is_open ? AG_STR("in_progress") : AG_STR("completed");
	bool is_cut = it->kind == AG_RESP_MESSAGE && ix + 1 == s->n_items && ag_resp_why_incomplete(s).n > 0;

	/* What was open when the answer broke off, or was cut. */
	if (!is_added && (it->is_open || is_cut))
		status = AG_STR("incomplete");
	ag_jo_open(b, key, '{');
	switch (it->kind) {
	case AG_RESP_REASONING:
		ag_jo_str(b, "type", AG_STR("reasoning"));
		ag_resp_put_id(s, ix, "id", b);
		put_reasoning(it, is_added, b);
		break;
	case AG_RESP_MESSAGE:
		ag_jo_str(b, "type", AG_STR("message"));
		ag_resp_put_id(s, ix, "id", b);
		ag_jo_str(b, "status", status);
		ag_jo_str(b, "role", AG_STR("assistant"));
		ag_jo_open(b, "content", '[');
		ag_buf_put_str(b, ag_buf_str(&it->parts));
		if (!is_added && it->has_part)
			ag_resp_put_part(it, NULL, false, b);
		ag_jo_close(b, ']');
		break;
	case AG_RESP_TOOL:
		ag_jo_str(b, "type", AG_STR("function_call"));
		ag_resp_put_id(s, ix, "id", b);
		put_call(s, ix, is_added, b);
		ag_jo_str(b, "status", status);
		break;
	case AG_RESP_IMAGE:
		ag_jo_str(b, "type", AG_STR("image_generation_call"));
		ag_resp_put_id(s, ix, "id", b);
		ag_jo_str(b, "status", status);
		if (is_added)
			ag_jo_null(b, "result");
		else
			ag_jo_str(b, "result", ag_buf_str(&it->parts));
		break;
	case AG_RESP_NONE:
		break;
	}
	ag_jo_close(b, '}');
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
put_echo(const struct ag_resp_state *s, struct ag_buf *b)
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

static void
put_output(const struct ag_resp_state *s, struct ag_buf *b)
{
	ag_jo_open(b, "output", '[');
	for (uint32_t i = 0; i < s->n_items; i++)
		ag_resp_put_item(s, i, NULL, false, b);
	ag_jo_close(b, ']');
}

void
ag_resp_put(const struct ag_resp_state *s, const char *key, const char *status, const struct ag_piece *error,
    struct ag_buf *b)
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
		ag_jo_str(b, "reason", ag_resp_why_incomplete(s));
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
