/* claude.c - what Anthropic's models can, as their names tell, and how thinking is asked of them: for
 * whoever serves them, in its own protocol or another. */
#include <errno.h>

#include "aigated/catalog.h"
#include "translate/anthropic.h"
#include "translate/json_out.h"
#include "translate/tree.h"

#define BUDGET_MIN 1024u /* of thinking; the API takes no less */

/* "claude-opus-4-5-20251101", "us.anthropic.claude-3-7-sonnet-20250219-v1:0", "claude-sonnet-5@20260101". */
struct ag_claude
ag_claude_of(struct ag_str model, uint32_t model_flags)
{
	struct ag_claude c = { 0 };
	const char *at = memmem(model.p, model.n, "claude-", 7), *end = model.p + model.n;
	bool is_new, is_myth = memmem(model.p, model.n, "fable", 5) || memmem(model.p, model.n, "mythos", 6);
	unsigned version;

	for (at = at ? at + 7 : end; at < end; at++) {
		unsigned n = 0;
		size_t digits = 0;

		while (at + digits < end && at[digits] >= '0' && at[digits] <= '9' && digits < 9)
			n = n * 10 + (unsigned)(at[digits++] - '0');
		if (digits == 0 || digits > 2) {
			at += digits;
			while (at < end && *at != '-' && *at != '@')
				at++;
			continue;
		}
		if (c.major == 0)
			c.major = n;
		else if (c.minor == 0)
			c.minor = n;
		at += digits;
		if (c.minor > 0)
			break;
	}
	version = c.major * 100 + c.minor;
	is_new = c.major == 0 || is_myth;
	c.has_sampling = !(model_flags & AG_MF_NO_SAMPLING) && !is_new && version < 407;
	c.has_schema = is_new || version >= 405;
	c.has_xhigh = is_new || version >= 407;
	if (is_new || (version >= 406 && !(version == 405)))
		c.thinking = AG_THINKING_ADAPTIVE;
	else if (version >= 307)
		c.thinking = AG_THINKING_BUDGET;
	c.is_always_thinking = is_myth || (version == 505 && !memmem(model.p, model.n, "haiku", 5));
	return c;
}

/* ---- sampling ---- */

int
ag_claude_check_sampling(const struct ag_claude *c, const struct ag_build_in *in, bool is_thinking, struct ag_err *err)
{
	static const char *const names[] = { "temperature", "top_p", "top_k" };
	bool has_none = !c->has_sampling || is_thinking;

	for (size_t i = 0; in->is_strict && has_none && i < AG_ARRAY_LEN(names); i++)
		if (ag_tree_get(in->chat, names[i]))
			return ag_err_set(err, -EINVAL, "%s: not supported by this model%s", names[i],
			    is_thinking ? " while it thinks" : "");
	if (in->is_strict && ag_tree_get(in->chat, "temperature") && ag_tree_get(in->chat, "top_p"))
		return ag_err_set(err, -EINVAL, "top_p: not together with temperature with this model");
	return 0;
}

/* ---- thinking ---- */

static struct ag_str
effort_word(const struct ag_claude *c, struct ag_str effort)
{
	if (ag_str_eq(effort, AG_STR("minimal")) || ag_str_eq(effort, AG_STR("none")))
		return AG_STR("low");
	if (ag_str_eq(effort, AG_STR("xhigh")) && !c->has_xhigh)
		return AG_STR("max");
	return effort;
}

/* As a client says it itself, in Anthropic's words.  false: it does not think. */
static bool
put_own_thinking(struct json_object *thinking, struct ag_buf *b)
{
	ag_jo_tree(b, "thinking", thinking);
	return !ag_tree_is(thinking, "type", "disabled");
}

static uint64_t
budget_of(struct ag_str effort)
{
	return ag_str_eq(effort, AG_STR("minimal")) ? 1024 : ag_str_eq(effort, AG_STR("low")) ? 2048
	    : ag_str_eq(effort, AG_STR("medium")) ? 8192 : 16384;
}

static int
put_budget(const struct ag_build_in *in, struct ag_str effort, struct ag_buf *b, bool *out_thinking, struct ag_err *err)
{
	uint64_t budget = budget_of(effort);

	/* It counts to the limit, which is paid for and stays: half of it at most is for thinking. */
	if (budget > in->limit / 2)
		budget = in->limit / 2;
	if (budget < BUDGET_MIN && in->is_strict)
		return ag_err_set(err, -EINVAL, "reasoning_effort: this model needs an output limit of at least %u to think",
		    2 * BUDGET_MIN);
	if (budget < BUDGET_MIN)
		return 0;
	ag_jo_open(b, "thinking", '{');
	ag_jo_str(b, "type", AG_STR("enabled"));
	ag_jo_u64(b, "budget_tokens", budget);
	ag_jo_close(b, '}');
	*out_thinking = true;
	return 0;
}

int
ag_claude_put_thinking(const struct ag_claude *c, const struct ag_build_in *in, bool is_forced, struct ag_buf *b,
    bool *out_thinking, struct ag_str *out_effort, struct ag_err *err)
{
	struct ag_str effort = ag_tree_str(in->chat, "reasoning_effort");
	bool is_none = ag_str_eq(effort, AG_STR("none"));

	*out_effort = AG_STR_NONE;
	*out_thinking = false;
	if (ag_tree_object(in->chat, "thinking")) {
		*out_thinking = put_own_thinking(ag_tree_object(in->chat, "thinking"), b);
		if (effort.n > 0 && c->thinking == AG_THINKING_ADAPTIVE)
			*out_effort = effort_word(c, effort);
		return 0;
	}
	if (effort.n > 0 && !is_none && c->thinking == AG_THINKING_NONE && in->is_strict)
		return ag_err_set(err, -EINVAL, "reasoning_effort: not supported by this model");
	if (effort.n == 0 || c->thinking == AG_THINKING_NONE)
		return 0;
	if (c->thinking == AG_THINKING_BUDGET)
		return is_forced || is_none ? 0 : put_budget(in, effort, b, out_thinking, err);
	*out_effort = effort_word(c, effort);
	*out_thinking = c->is_always_thinking || !(is_forced || is_none);
	ag_jo_raw(b, "thinking", *out_thinking ? AG_STR("{\"type\":\"adaptive\",\"display\":\"summarized\"}")
	    : AG_STR("{\"type\":\"disabled\"}"));
	return 0;
}

uint64_t
ag_claude_needs(const struct ag_build_in *in)
{
	struct ag_claude c = ag_claude_of(in->model, in->model_flags);
	struct json_object *thinking = ag_tree_object(in->chat, "thinking");
	struct ag_str effort = ag_tree_str(in->chat, "reasoning_effort");
	int64_t budget = ag_tree_int(thinking, "budget_tokens", 0);

	if (thinking)
		return ag_tree_is(thinking, "type", "enabled") && budget > 0 && budget < UINT32_MAX ? (uint64_t)budget : 0;
	if (c.thinking != AG_THINKING_BUDGET || effort.n == 0 || ag_str_eq(effort, AG_STR("none")))
		return 0;
	/* Half of the limit at most is for thinking. */
	return 2 * BUDGET_MIN;
}
