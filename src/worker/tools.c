/* tools.c - tools that a provider runs itself: how many calls a request is held for, the limit that is
 * written where it has none, and fees that nobody here can price. */
#include "policy/tools.h"

#include <stdio.h>

#include "worker/request.h"

/* Turns of the loop that Anthropic runs before it asks the client to go on, whatever each tool may. */
#define ANTHROPIC_TURNS 10u

static enum ag_verdict
read_max_calls(struct ag_req *r, uint64_t *out, struct ag_str *out_detail)
{
	struct ag_json_value v = r->field[AG_F_MAX_TOOL_CALLS];

	if (!ag_req_is_given(r, AG_F_MAX_TOOL_CALLS))
		return AG_ALLOW;
	if (v.type != AG_JSON_NUMBER || ag_json_u64(ag_json_raw(ag_req_body(r), v), out) < 0 || *out == 0 ||
	    *out > UINT32_MAX) {
		*out_detail = AG_STR("Invalid request body: not a positive whole number: \"max_tool_calls\"");
		return AG_DENY_BAD_REQUEST;
	}
	return AG_ALLOW;
}

static void
read_tools(const struct ag_req *r, struct ag_tools *t)
{
	struct ag_str tools = ag_json_raw(ag_req_body(r), r->field[AG_F_TOOLS]);

	*t = (struct ag_tools){ 0 };
	if (!ag_req_is_given(r, AG_F_TOOLS))
		return;
	if (r->endpoint == AG_EP_MESSAGES)
		ag_tools_anthropic(tools, t);
	else if (r->endpoint == AG_EP_RESPONSES)
		ag_tools_responses(tools, t);
	else
		ag_tools_gemini(tools, t);
}

enum ag_verdict
ag_tools_read(struct ag_req *r, uint64_t *out_calls, bool *out_run, struct ag_str *out_detail)
{
	uint32_t most = r->w->conf->default_max_tool_calls;
	uint64_t given = 0, calls;
	struct ag_tools t;
	enum ag_verdict v = read_max_calls(r, &given, out_detail);

	*out_calls = 0;
	*out_run = false;
	/* A model that searches does so once. */
	r->searches = memmem(r->target.model.p, r->target.model.n, "search", 6) != NULL;
	if (v != AG_ALLOW)
		return v;
	read_tools(r, &t);
	if (r->endpoint == AG_EP_MESSAGES && ag_req_is_given(r, AG_F_PLUGINS)) {
		t.is_run = true; /* MCP servers */
		t.n_unlimited++;
	}
	if (!t.is_run)
		return AG_ALLOW;
	if (r->endpoint == AG_EP_RESPONSES) { /* one field limits all of them */
		calls = given > 0 ? given : most;
		r->tools.to_write = given > 0 ? 0 : most;
	} else {
		calls = t.n_unlimited * (uint64_t)most;
		if (__builtin_add_overflow(calls, t.uses, &calls) || calls > UINT32_MAX)
			calls = UINT32_MAX;
		r->tools.to_write = t.n_open > 0 ? most : 0;
	}
	r->tools.n_open = t.n_open;
	for (uint32_t i = 0; i < t.n_open && i < AG_TOOLS_OPEN; i++)
		r->tools_open[i] = r->field[AG_F_TOOLS].off + t.open[i];
	r->tools.fee = t.fee.n > 0
	    ? ag_arena_dup(&r->arena, ag_str_n(t.fee.p, t.fee.n < 64 ? t.fee.n : 64)) : AG_STR_NONE;
	if (t.is_searching) {
		if (r->searches < calls)
			r->searches = (uint32_t)calls;
		if (r->target.price && r->target.price->p[AG_PI_SEARCH] < 0)
			r->tools.fee = AG_STR("web search");
	}
	/* Google searches first, and answers once. */
	*out_calls = r->endpoint == AG_EP_GENERATE ? 0
	    : r->endpoint == AG_EP_MESSAGES && calls > ANTHROPIC_TURNS ? ANTHROPIC_TURNS : calls;
	*out_run = true;
	return AG_ALLOW;
}

enum ag_verdict
ag_tools_check(struct ag_req *r, bool has_money, bool has_tokens, struct ag_str *out_detail)
{
	struct ag_buf b;

	if (!has_money && !has_tokens) {
		r->tools.to_write = 0;
		return AG_ALLOW;
	}
	if (r->tools.n_open > AG_TOOLS_OPEN) {
		*out_detail = AG_STR("Invalid request body: more than 3 tools without \"max_uses\", and a limit on "
		    "money or tokens applies");
		return AG_DENY_BAD_REQUEST;
	}
	if (!has_money || r->tools.fee.n == 0 || (r->target.integration->flags & AG_CAT_INTEGRATION_UNCOUNTED))
		return AG_ALLOW;
	ag_buf_init(&b, 512);
	ag_buf_printf(&b, "the tool \"%.*s\"\na limit on money", AG_STR_ARG(r->tools.fee));
	*out_detail = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	return AG_DENY_UNCOUNTED;
}

void
ag_tools_edit(struct ag_req *r)
{
	struct ag_str body = ag_req_body(r);
	const struct ag_json_value *v = &r->field[AG_F_MAX_TOOL_CALLS];
	char text[64];
	size_t n;

	if (r->endpoint == AG_EP_RESPONSES) {
		bool is_null = v->type == AG_JSON_NULL;
		const char *brace = memchr(body.p, '{', body.n);

		n = (size_t)snprintf(text, sizeof(text), is_null ? "%u" : "\"max_tool_calls\":%u,", r->tools.to_write);
		ag_edit_add(r, is_null ? v->off : (size_t)(brace - body.p) + 1, is_null ? v->len : 0,
		    ag_arena_dup(&r->arena, ag_str_n(text, n)));
		return;
	}
	n = (size_t)snprintf(text, sizeof(text), "\"max_uses\":%u,", r->tools.to_write);
	for (uint32_t i = 0; i < r->tools.n_open; i++)
		ag_edit_add(r, r->tools_open[i], 0, ag_arena_dup(&r->arena, ag_str_n(text, n)));
}
