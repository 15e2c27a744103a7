/* converse_build.c - a chat as a request of Converse. */
#include <errno.h>

#include "base/json.h"
#include "translate/chat_check.h"
#include "translate/converse.h"
#include "translate/json_out.h"
#include "translate/openai.h"
#include "translate/tree.h"

#define METADATA_MAX 16u

static bool
names(struct ag_str model, const char *part)
{
	return memmem(model.p, model.n, part, strlen(part)) != NULL;
}

/* ---- tools ------------------------------------------------------------------------------- */

static void
put_tool(struct ag_converse_build *s, struct ag_str name, struct json_object *fn)
{
	struct json_object *schema = ag_tree_object(fn, "parameters");

	ag_jo_open(s->b, NULL, '{');
	ag_jo_open(s->b, "toolSpec", '{');
	ag_jo_str(s->b, "name", name);
	if (ag_tree_str(fn, "description").n > 0)
		ag_jo_str(s->b, "description", ag_tree_str(fn, "description"));
	ag_jo_open(s->b, "inputSchema", '{');
	if (schema && ag_tree_get(schema, "type"))
		ag_jo_tree(s->b, "json", schema);
	else
		ag_jo_raw(s->b, "json", AG_STR("{\"type\":\"object\",\"properties\":{}}"));
	ag_jo_close(s->b, '}');
	if (ag_tree_true(fn, "strict"))
		ag_jo_bool(s->b, "strict", true);
	ag_buf_puts(s->b, "}}");
}

/* Calls the name up to before the call `upto` of the message `upto_m`? */
static bool
was_called(struct json_object *messages, struct ag_str name, size_t upto_m, size_t upto)
{
	for (size_t i = 0; i <= upto_m; i++) {
		struct json_object *calls = ag_tree_array(ag_json_at(messages, i), "tool_calls");
		size_t n = i < upto_m ? ag_json_len(calls) : upto;

		for (size_t k = 0; k < n; k++)
			if (ag_str_eq(ag_tree_str(ag_tree_object(ag_json_at(calls, k), "function"), "name"), name))
				return true;
	}
	return false;
}

/* The tools that earlier turns called, each once; without s they are only looked for. */
static bool
put_called(struct ag_converse_build *s, struct json_object *messages)
{
	bool any = false;

	for (size_t i = 0; i < ag_json_len(messages); i++) {
		struct json_object *calls = ag_tree_array(ag_json_at(messages, i), "tool_calls");

		for (size_t k = 0; k < ag_json_len(calls); k++) {
			struct ag_str name = ag_tree_str(ag_tree_object(ag_json_at(calls, k), "function"), "name");

			any = true;
			if (s && !was_called(messages, name, i, k))
				put_tool(s, name, NULL);
		}
	}
	return any;
}

static int
put_tools(struct ag_converse_build *s, struct json_object *tools, struct json_object *choice)
{
	for (size_t i = 0; i < ag_json_len(tools); i++) {
		struct json_object *t = ag_json_at(tools, i), *fn = ag_tree_object(t, "function");

		if (!fn)
			return ag_err_set(s->err, -EINVAL, "tools[%zu].type: only functions are supported by %s", i,
			    s->in->family->name);
		if (!ag_chat_is_allowed(choice, ag_tree_str(fn, "name")))
			continue;
		put_tool(s, ag_tree_str(fn, "name"), fn);
		ag_converse_put_cache(s->b, t);
	}
	return 0;
}

enum choice { CHOICE_UNSAID, CHOICE_AUTO, CHOICE_ANY, CHOICE_TOOL, CHOICE_NONE };

static enum choice
choice_of(struct json_object *choice)
{
	struct ag_str text = ag_tree_text(choice);

	if (ag_tree_object(choice, "allowed_tools"))
		return ag_tree_is(ag_tree_object(choice, "allowed_tools"), "mode", "required") ? CHOICE_ANY : CHOICE_AUTO;
	if (ag_tree_object(choice, "function"))
		return CHOICE_TOOL;
	if (ag_str_eq(text, AG_STR("required")))
		return CHOICE_ANY;
	return ag_str_eq(text, AG_STR("none")) ? CHOICE_NONE : ag_str_eq(text, AG_STR("auto")) ? CHOICE_AUTO : CHOICE_UNSAID;
}

/* Once tools were called the tools must be told, whatever may be called now. */
static int
put_tool_config(struct ag_converse_build *s, enum choice choice)
{
	struct json_object *tools = ag_tree_array(s->in->chat, "tools"), *said = ag_tree_get(s->in->chat, "tool_choice");
	struct json_object *parallel = ag_tree_get(s->in->chat, "parallel_tool_calls");
	bool has_called = put_called(NULL, s->messages);
	int rc = 0;

	if (choice == CHOICE_NONE && has_called)
		return ag_err_set(s->err, -EINVAL, "tool_choice: \"none\" is not supported by %s once tools were called",
		    s->in->family->name);
	if (choice == CHOICE_NONE || (ag_json_len(tools) == 0 && !has_called))
		return 0;
	if (ag_json_len(tools) > 0 && parallel && !json_object_get_boolean(parallel))
		return ag_err_set(s->err, -EINVAL, "parallel_tool_calls: false is not supported by %s", s->in->family->name);
	if ((choice == CHOICE_ANY || choice == CHOICE_TOOL) && s->kind == AG_CONVERSE_CLAUDE &&
	    s->claude.is_always_thinking)
		return ag_err_set(s->err, -EINVAL, "tool_choice: a model that always thinks cannot be made to call a tool");
	ag_jo_open(s->b, "toolConfig", '{');
	ag_jo_open(s->b, "tools", '[');
	if (ag_json_len(tools) > 0)
		rc = put_tools(s, tools, said);
	else
		(void)put_called(s, s->messages);
	ag_jo_close(s->b, ']');
	if (choice == CHOICE_AUTO)
		ag_jo_raw(s->b, "toolChoice", AG_STR("{\"auto\":{}}"));
	else if (choice == CHOICE_ANY)
		ag_jo_raw(s->b, "toolChoice", AG_STR("{\"any\":{}}"));
	if (choice == CHOICE_TOOL) {
		ag_jo_open(s->b, "toolChoice", '{');
		ag_jo_open(s->b, "tool", '{');
		ag_jo_str(s->b, "name", ag_tree_str(ag_tree_object(said, "function"), "name"));
		ag_buf_puts(s->b, "}}");
	}
	ag_jo_close(s->b, '}');
	return rc;
}

/* ---- sampling ---------------------------------------------------------------------------- */

static void
put_stop(struct ag_converse_build *s)
{
	struct json_object *stop = ag_tree_get(s->in->chat, "stop");
	size_t n = ag_json_len(stop);

	if (!stop)
		return;
	ag_jo_open(s->b, "stopSequences", '[');
	if (json_object_is_type(stop, json_type_string) && ag_tree_text(stop).n > 0)
		ag_jo_str(s->b, NULL, ag_tree_text(stop));
	for (size_t i = 0; i < n; i++)
		if (ag_tree_text(ag_json_at(stop, i)).n > 0)
			ag_jo_str(s->b, NULL, ag_tree_text(ag_json_at(stop, i)));
	ag_jo_close(s->b, ']');
}

static void
put_inference(struct ag_converse_build *s, bool is_thinking)
{
	struct json_object *t = ag_chat_sampling(s->in, "temperature"), *p = ag_chat_sampling(s->in, "top_p");
	bool is_claude = s->kind == AG_CONVERSE_CLAUDE;

	ag_jo_open(s->b, "inferenceConfig", '{');
	ag_jo_u64(s->b, "maxTokens", s->in->limit);
	if (is_claude && (is_thinking || !s->claude.has_sampling))
		t = p = NULL;
	if (t && json_object_get_double(t) > 1.0)
		ag_jo_int(s->b, "temperature", 1);
	else if (t)
		ag_jo_tree(s->b, "temperature", t);
	/* Claude takes one of both. */
	if (p && !(is_claude && t))
		ag_jo_tree(s->b, "topP", p);
	put_stop(s);
	ag_jo_close(s->b, '}');
}

/* ---- what is said in the model's own words ----------------------------------------------- */

static int
put_nova(struct ag_converse_build *s, struct ag_str effort, struct json_object *k)
{
	if (k) {
		ag_jo_open(s->b, "inferenceConfig", '{');
		ag_jo_tree(s->b, "topK", k);
		ag_jo_close(s->b, '}');
	}
	if (effort.n == 0 || ag_str_eq(effort, AG_STR("none")))
		return 0;
	if (!names(s->in->model, "nova-2"))
		return !s->in->is_strict ? 0 : ag_err_set(s->err, -EINVAL, "reasoning_effort: not supported by this model");
	if (ag_str_eq(effort, AG_STR("minimal")))
		effort = AG_STR("low");
	/* At the highest it takes no limit on output, and one is always set here. */
	if (!ag_str_eq(effort, AG_STR("low")) && !ag_str_eq(effort, AG_STR("medium")))
		return ag_err_set(s->err, -EINVAL, "reasoning_effort: above medium this model takes no limit on its output, "
		    "which is always set");
	ag_jo_open(s->b, "reasoningConfig", '{');
	ag_jo_str(s->b, "type", AG_STR("enabled"));
	ag_jo_str(s->b, "maxReasoningEffort", effort);
	ag_jo_close(s->b, '}');
	return 0;
}

static int
put_claude(struct ag_converse_build *s, struct json_object *k, bool is_forced, bool *out_thinking)
{
	struct ag_str word;
	int rc = ag_claude_put_thinking(&s->claude, s->in, is_forced, s->b, out_thinking, &word, s->err);

	if (rc == 0)
		rc = ag_claude_check_sampling(&s->claude, s->in, *out_thinking, s->err);
	if (rc < 0)
		return rc;
	if (word.n > 0) {
		ag_jo_open(s->b, "output_config", '{');
		ag_jo_str(s->b, "effort", word);
		ag_jo_close(s->b, '}');
	}
	if (k && s->claude.has_sampling && !*out_thinking)
		ag_jo_tree(s->b, "top_k", k);
	return 0;
}

static int
put_own(struct ag_converse_build *s, bool is_forced, bool *out_thinking)
{
	struct ag_str effort = ag_tree_str(s->in->chat, "reasoning_effort");
	struct json_object *k = ag_chat_sampling(s->in, "top_k");
	size_t before = s->b->n, empty;
	int rc = 0;

	*out_thinking = false;
	if (s->kind != AG_CONVERSE_CLAUDE && ag_tree_object(s->in->chat, "thinking"))
		return ag_err_set(s->err, -EINVAL, "thinking: not supported by this model");
	ag_jo_open(s->b, "additionalModelRequestFields", '{');
	empty = s->b->n;
	switch (s->kind) {
	case AG_CONVERSE_CLAUDE:
		rc = put_claude(s, k, is_forced, out_thinking);
		break;
	case AG_CONVERSE_NOVA:
		rc = put_nova(s, effort, k);
		break;
	case AG_CONVERSE_EFFORT:
		if (s->in->is_strict && k)
			rc = ag_err_set(s->err, -EINVAL, "top_k: not supported by this model");
		if (effort.n > 0)
			ag_jo_str(s->b, "reasoning_effort", effort);
		break;
	case AG_CONVERSE_OTHER:
		if (s->in->is_strict && (effort.n > 0 || k))
			rc = ag_err_set(s->err, -EINVAL, "%s: not supported by this model", k ? "top_k" : "reasoning_effort");
		break;
	}
	if (s->b->n == empty)
		s->b->n = before;
	else
		ag_jo_close(s->b, '}');
	return rc;
}

/* ---- the rest ---------------------------------------------------------------------------- */

static int
put_format(struct ag_converse_build *s)
{
	struct json_object *format = ag_tree_object(s->in->chat, "response_format"), *js = ag_tree_object(format, "json_schema");
	struct ag_buf text;

	if (!ag_tree_is(format, "type", "json_schema"))
		return 0;
	if (s->kind == AG_CONVERSE_CLAUDE && !s->claude.has_schema)
		return ag_err_set(s->err, -EINVAL, "response_format: json_schema is not supported by this model");
	ag_buf_init(&text, (size_t)4 << 20);
	ag_tree_write(ag_tree_get(js, "schema"), &text);
	ag_jo_open(s->b, "outputConfig", '{');
	ag_jo_open(s->b, "textFormat", '{');
	ag_jo_str(s->b, "type", AG_STR("json_schema"));
	ag_jo_open(s->b, "structure", '{');
	ag_jo_open(s->b, "jsonSchema", '{');
	ag_jo_str(s->b, "schema", ag_buf_str(&text));
	if (ag_tree_str(js, "name").n > 0)
		ag_jo_str(s->b, "name", ag_tree_str(js, "name"));
	if (ag_tree_str(js, "description").n > 0)
		ag_jo_str(s->b, "description", ag_tree_str(js, "description"));
	ag_buf_puts(s->b, "}}}}");
	s->b->failed |= text.failed;
	ag_buf_fini(&text);
	return 0;
}

static int
put_rest(struct ag_converse_build *s)
{
	struct json_object *metadata = ag_tree_object(s->in->chat, "metadata");
	struct ag_str tier = ag_tree_str(s->in->chat, "service_tier");

	if (ag_str_eq(tier, AG_STR("flex")) || ag_str_eq(tier, AG_STR("priority")) || ag_str_eq(tier, AG_STR("default"))) {
		ag_jo_open(s->b, "serviceTier", '{');
		ag_jo_str(s->b, "type", tier);
		ag_jo_close(s->b, '}');
	} else if (ag_tree_get(s->in->chat, "service_tier") && !ag_str_eq(tier, AG_STR("auto"))) {
		return ag_chat_refuse_tier(s->in, s->err);
	}
	if (ag_tree_get(s->in->chat, "metadata") && !metadata)
		return ag_err_set(s->err, -EINVAL, "metadata: an object is required");
	if (!metadata || ag_json_members(metadata) == 0)
		return 0;
	if (ag_json_members(metadata) > (int)METADATA_MAX)
		return ag_err_set(s->err, -EINVAL, "metadata: at most %u pairs are supported by %s", METADATA_MAX,
		    s->in->family->name);
	ag_jo_tree(s->b, "requestMetadata", metadata);
	return 0;
}

static const struct ag_chat_fields fields = {
	.chat = {
		.taken = { "temperature", "top_p", "top_k", "parallel_tool_calls", "reasoning_effort", "thinking",
		    "service_tier", "metadata" },
		.left = { "logit_bias", "seed", "presence_penalty", "frequency_penalty", "prediction", "store",
		    "verbosity", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_options",
		    "prompt_cache_retention" },
	},
	.message = { .taken = { "cache_control" }, .left = { "name" } },
	.part = { .taken = { "cache_control", "prompt_cache_breakpoint" } },
	.image = { .left = { "detail" } },
	.file = { .taken = { "file_data", "filename" } },
	.tool = { .taken = { "cache_control" } },
	.function = { .taken = { "strict" } },
	.schema = { .taken = { "name", "description" } },
	.n_max = 1,
};

static int
put_body(struct ag_converse_build *s)
{
	struct json_object *format = ag_tree_object(s->in->chat, "response_format");
	enum choice choice = choice_of(ag_tree_get(s->in->chat, "tool_choice"));
	bool is_thinking = false;
	int rc = ag_converse_put_messages(s);

	if (rc == 0)
		rc = ag_converse_put_system(s, ag_tree_is(format, "type", "json_object")
		    ? AG_STR("Answer with one JSON object and nothing else.") : AG_STR_NONE);
	if (rc == 0)
		rc = put_tool_config(s, choice);
	if (rc == 0)
		rc = put_own(s, choice == CHOICE_ANY || choice == CHOICE_TOOL, &is_thinking);
	if (rc < 0)
		return rc;
	put_inference(s, is_thinking);
	rc = put_format(s);
	return rc < 0 ? rc : put_rest(s);
}

int
ag_converse_build(const struct ag_build_in *in, struct ag_buf *out, struct ag_err *err)
{
	struct ag_converse_build s = { .in = in, .messages = ag_tree_array(in->chat, "messages"), .b = out, .err = err };
	int rc = ag_chat_check(in, &fields, NULL, err);

	if (rc < 0)
		return rc;
	if (names(in->model, "claude")) {
		s.kind = AG_CONVERSE_CLAUDE;
		s.claude = ag_claude_of(in->model, in->model_flags);
	} else if (names(in->model, "amazon.nova")) {
		s.kind = AG_CONVERSE_NOVA;
	} else if (names(in->model, "deepseek") || names(in->model, "gpt-oss")) {
		s.kind = AG_CONVERSE_EFFORT;
	}
	ag_jo_open(out, NULL, '{');
	rc = put_body(&s);
	if (rc < 0)
		return rc;
	ag_jo_close(out, '}');
	return out->failed ? ag_err_set(err, -ENOBUFS, "the request is too large") : 0;
}
