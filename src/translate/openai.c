/* openai.c - chat completions: the middle itself, so that parsing is checking, and building is leaving
 * out what a family does not know. */
#include "translate/openai.h"

#include <errno.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/json.h"
#include "translate/chat.h"
#include "translate/chat_check.h"
#include "translate/json_out.h"

#define MISTRAL_ID 9u

bool
ag_openai_split_data_url(struct ag_str url, struct ag_str *out_type, struct ag_str *out_data)
{
	const char *comma, *semi;

	if (!ag_str_starts(url, AG_STR("data:")))
		return false;
	url = ag_str_skip(url, 5);
	comma = memchr(url.p, ',', url.n);
	if (!comma)
		return false;
	*out_type = ag_str_n(url.p, (size_t)(comma - url.p));
	*out_data = ag_str_skip(url, out_type->n + 1);
	if (out_type->n < 7 || !ag_str_eq(ag_str_skip(*out_type, out_type->n - 7), AG_STR(";base64")))
		return false;
	out_type->n -= 7;
	semi = memchr(out_type->p, ';', out_type->n);
	if (semi)
		out_type->n = (size_t)(semi - out_type->p);
	return true;
}

/* ---- parse ---- */

/* functions and function_call, as they were before tools. */
static int
renew_functions(struct json_object *chat, struct ag_err *err)
{
	struct json_object *functions = ag_tree_array(chat, "functions"), *choice = ag_tree_get(chat, "function_call");
	struct json_object *tools;

	if (functions && ag_tree_get(chat, "tools"))
		return ag_err_set(err, -EINVAL, "functions: not together with tools");
	if (functions) {
		tools = ag_tree_new_array();
		for (size_t i = 0; i < ag_json_len(functions); i++) {
			struct json_object *tool = ag_tree_new();

			ag_tree_put_str(tool, "type", AG_STR("function"));
			ag_tree_share(tool, "function", ag_json_at(functions, i));
			ag_tree_push(tools, tool);
		}
		ag_tree_put(chat, "tools", tools);
		json_object_object_del(chat, "functions");
	}
	if (choice && !ag_tree_get(chat, "tool_choice")) {
		if (json_object_is_type(choice, json_type_string)) {
			ag_tree_share(chat, "tool_choice", choice);
		} else {
			struct json_object *named = ag_tree_new();

			ag_tree_put_str(named, "type", AG_STR("function"));
			ag_tree_share(named, "function", choice);
			ag_tree_put(chat, "tool_choice", named);
		}
		json_object_object_del(chat, "function_call");
	}
	return 0;
}

/* A call of old, with an id that its result finds: only one waits at a time. */
static void
renew_call(struct json_object *m, unsigned number)
{
	struct json_object *calls = ag_tree_new_array(), *call = ag_tree_new();
	char id[24];

	snprintf(id, sizeof(id), "call_%u", number);
	ag_tree_put_str(call, "id", ag_str(id));
	ag_tree_put_str(call, "type", AG_STR("function"));
	ag_tree_share(call, "function", ag_tree_get(m, "function_call"));
	ag_tree_push(calls, call);
	ag_tree_put(m, "tool_calls", calls);
	json_object_object_del(m, "function_call");
}

static void
renew_result(struct json_object *m, unsigned number)
{
	char id[24];

	snprintf(id, sizeof(id), "call_%u", number);
	ag_tree_put_str(m, "role", AG_STR("tool"));
	ag_tree_put_str(m, "tool_call_id", ag_str(id));
	json_object_object_del(m, "name");
}

/* What a refusal said stands in its message as a part does. */
static void
renew_refusal(struct json_object *m)
{
	struct json_object *parts, *part;

	if (ag_tree_str(m, "refusal").n > 0 && !ag_tree_get(m, "content")) {
		parts = ag_tree_new_array();
		part = ag_tree_new();
		ag_tree_put_str(part, "type", AG_STR("refusal"));
		ag_tree_share(part, "refusal", ag_tree_get(m, "refusal"));
		ag_tree_push(parts, part);
		ag_tree_put(m, "content", parts);
		json_object_object_del(m, "refusal");
	}
}

static int
renew_messages(struct json_object *messages, struct ag_err *err)
{
	unsigned number = 0;
	bool is_waiting = false;

	for (size_t i = 0; i < ag_json_len(messages); i++) {
		struct json_object *m = ag_json_at(messages, i);

		if (!ag_tree_str(m, "role").p)
			return ag_err_set(err, -EINVAL, "messages[%zu].role: a string is required", i);
		if (ag_tree_is(m, "role", "assistant"))
			renew_refusal(m);
		if (ag_tree_object(m, "function_call") && !ag_tree_array(m, "tool_calls")) {
			renew_call(m, ++number);
			is_waiting = true;
		} else if (ag_tree_is(m, "role", "function")) {
			if (!is_waiting)
				return ag_err_set(err, -EINVAL, "messages[%zu].role: no earlier function_call waits for this result", i);
			renew_result(m, number);
			is_waiting = false;
		}
	}
	return 0;
}

static int
parse(const struct ag_parse_in *in, struct json_object **out_chat, struct ag_err *err)
{
	struct json_object *chat, *messages, *limit;
	int rc = ag_tree_parse(in->body, &chat, err);

	if (rc < 0)
		return rc;
	messages = ag_tree_array(chat, "messages");
	if (ag_json_len(messages) == 0)
		rc = ag_err_set(err, -EINVAL, "messages: an array that is not empty is required");
	if (rc == 0)
		rc = renew_messages(messages, err);
	if (rc == 0)
		rc = renew_functions(chat, err);
	limit = ag_tree_get(chat, "max_tokens");
	if (rc == 0 && limit && !ag_tree_get(chat, "max_completion_tokens"))
		ag_tree_share(chat, "max_completion_tokens", limit);
	json_object_object_del(chat, "max_tokens");
	return ag_chat_done(chat, rc, out_chat, err);
}

/* ---- build ---- */

/* OpenAI's members, and with which flag of a family they are left out. */
#define N_SAMPLING 2u /* the first of them */
static const struct { const char *name; uint32_t without; } members[] = {
	{ "temperature", 0 }, { "top_p", 0 }, { "stop", 0 }, { "n", AG_PF_NO_N },
	{ "presence_penalty", AG_PF_NO_PENALTIES }, { "frequency_penalty", AG_PF_NO_PENALTIES },
	{ "logprobs", AG_PF_NO_LOGPROBS }, { "top_logprobs", AG_PF_NO_LOGPROBS },
	{ "logit_bias", AG_PF_NO_LOGPROBS }, { "seed", AG_PF_NO_SEED },
	{ "tools", AG_PF_NO_TOOLS }, { "tool_choice", AG_PF_NO_TOOLS },
	{ "parallel_tool_calls", AG_PF_NO_PARALLEL | AG_PF_NO_TOOLS }, { "response_format", 0 },
	{ "reasoning_effort", AG_PF_NO_EFFORT }, { "verbosity", AG_PF_NO_STORE },
	{ "modalities", AG_PF_NO_STORE }, { "audio", AG_PF_NO_STORE }, { "prediction", 0 },
	{ "prompt_cache_key", AG_PF_NO_STORE }, { "prompt_cache_options", AG_PF_NO_STORE },
	{ "prompt_cache_retention", AG_PF_NO_STORE }, { "service_tier", 0 },
	{ "safety_identifier", AG_PF_NO_STORE }, { "user", AG_PF_RANDOM_SEED },
	{ "store", AG_PF_NO_STORE }, { "metadata", AG_PF_NO_STORE }, { "moderation", AG_PF_NO_STORE },
	{ "web_search_options", 0 },
};
/* Without these the answer would be another one. */
static const char *const wanted[] = { "n", "logprobs", "top_logprobs", "tools", "audio", "modalities", "moderation" };

#define MEMBERS "temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias",     \
	"seed", "parallel_tool_calls", "reasoning_effort", "verbosity", "modalities", "audio", "prediction", "prompt_cache_key", \
	"prompt_cache_options", "prompt_cache_retention", "service_tier", "safety_identifier", "user", "store", "metadata",      \
	"moderation", "web_search_options"

/* A message, its parts and tools go as they are; those who resemble OpenAI ignore what they do not know. */
static const struct ag_chat_fields own_fields = {
	.chat = { .taken = { MEMBERS }, .left = { "top_k" } },
	.message = { .taken = { "name", "refusal", "audio", "function_call", "prefix" }, .left = { "cache_control" } },
	.part = { .taken = { "prompt_cache_breakpoint" }, .left = { "cache_control" } },
	.image = { .taken = { "detail" } },
	.file = { .taken = { "file_data", "filename", "file_id" } },
	.tool = { .left = { "cache_control" } },
	.function = { .taken = { "strict" } },
	.schema = { .taken = { "name", "description", "strict" } },
	.stops_max = 4,
	.n_max = 128,
};
/* Mistral answers an error to a member of a message that it does not know. */
static const struct ag_chat_fields mistral_fields = {
	.chat = { .taken = { MEMBERS }, .left = { "top_k" } },
	.message = { .taken = { "prefix" }, .left = { "name", "cache_control" } },
	.part = { .left = { "cache_control", "prompt_cache_breakpoint" } },
	.image = { .taken = { "detail" } },
	.function = { .taken = { "strict" } },
	.tool = { .left = { "cache_control" } },
	.schema = { .taken = { "name", "description", "strict" } },
	.n_max = 128,
};

static bool
is_wanted(const char *name, struct json_object *v)
{
	if (strcmp(name, "n") == 0 && json_object_get_int64(v) == 1)
		return false;
	if (json_object_is_type(v, json_type_boolean) && !json_object_get_boolean(v))
		return false;
	for (size_t i = 0; i < AG_ARRAY_LEN(wanted); i++)
		if (strcmp(wanted[i], name) == 0)
			return strcmp(name, "modalities") != 0 || ag_json_len(v) > 1 ||
			    !ag_str_eq(ag_tree_text(ag_json_at(v, 0)), AG_STR("text"));
	return false;
}

/* A part, or a tool, without what only other protocols know. */
static void
put_plain(const struct ag_build_in *in, struct json_object *part, struct ag_buf *b)
{
	ag_jo_open(b, NULL, '{');
	ag_json_foreach(part, name, value)
		if (strcmp(name, "cache_control") != 0 &&
		    (strcmp(name, "prompt_cache_breakpoint") != 0 || !(in->family->flags & AG_PF_RANDOM_SEED)))
			ag_jo_tree(b, name, value);
	ag_jo_close(b, '}');
}

static void
put_list(const struct ag_build_in *in, const char *key, struct json_object *list, struct ag_buf *b)
{
	ag_jo_open(b, key, '[');
	for (size_t i = 0; i < ag_json_len(list); i++) {
		struct json_object *one = ag_json_at(list, i);

		if (json_object_is_type(one, json_type_object))
			put_plain(in, one, b);
		else
			ag_jo_tree(b, NULL, one);
	}
	ag_jo_close(b, ']');
}

/* Of what those who resemble OpenAI do not take, what Mistral does. */
static bool
is_mistral_s(const struct ag_provider *family, const char *name)
{
	return (family->flags & AG_PF_RANDOM_SEED) && (strcmp(name, "metadata") == 0 || strcmp(name, "prompt_cache_key") == 0);
}

static int
put_members(const struct ag_build_in *in, struct ag_buf *b, struct ag_err *err)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(members); i++) {
		const char *name = members[i].name;
		struct json_object *v = i < N_SAMPLING ? ag_chat_sampling(in, name) : ag_tree_get(in->chat, name);

		if (!v)
			continue;
		if ((in->family->flags & members[i].without) && !is_mistral_s(in->family, name)) {
			if (in->is_strict || is_wanted(name, v))
				return ag_err_set(err, -EINVAL, "%s: not supported by %s", name, in->family->name);
			continue;
		}
		if (strcmp(name, "seed") == 0 && (in->family->flags & AG_PF_RANDOM_SEED))
			name = "random_seed";
		if (strcmp(name, "response_format") == 0 && (in->family->flags & AG_PF_NO_SCHEMA) &&
		    ag_tree_is(v, "type", "json_schema") && in->is_strict)
			return ag_err_set(err, -EINVAL, "response_format.type: \"json_schema\" is not supported by %s",
			    in->family->name);
		if (strcmp(name, "response_format") == 0 && (in->family->flags & AG_PF_NO_SCHEMA) &&
		    ag_tree_is(v, "type", "json_schema"))
			ag_jo_raw(b, name, AG_STR("{\"type\":\"json_object\"}"));
		else if (strcmp(name, "tools") == 0 && json_object_is_type(v, json_type_array))
			put_list(in, name, v, b);
		else
			ag_jo_tree(b, name, v);
	}
	return 0;
}

static void
put_content(const struct ag_build_in *in, struct json_object *content, struct ag_buf *b)
{
	if (!json_object_is_type(content, json_type_array)) {
		ag_jo_tree(b, "content", content);
		return;
	}
	put_list(in, "content", content, b);
}

/* Mistral takes ids of nine letters and digits alone; others are made such by what they are, so that a
 * call and its result still meet. */
static void
put_call_id(const char *key, struct ag_str id, struct ag_buf *b)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint64_t h = ag_fnv1a(id);
	bool is_own = id.n == MISTRAL_ID;
	char made[MISTRAL_ID];

	for (size_t i = 0; i < id.n && is_own; i++)
		is_own = id.p[i] != '\0' && strchr(digits, id.p[i]);
	for (size_t i = 0; i < sizeof(made); i++, h /= 62)
		made[i] = digits[h % 62];
	ag_jo_str(b, key, is_own ? id : ag_str_n(made, sizeof(made)));
}

static void
put_mistral_calls(struct json_object *calls, struct ag_buf *b)
{
	ag_jo_open(b, "tool_calls", '[');
	for (size_t i = 0; i < ag_json_len(calls); i++) {
		struct json_object *call = ag_json_at(calls, i);

		ag_jo_open(b, NULL, '{');
		put_call_id("id", ag_tree_str(call, "id"), b);
		ag_jo_str(b, "type", AG_STR("function"));
		ag_jo_tree(b, "function", ag_tree_get(call, "function"));
		ag_jo_close(b, '}');
	}
	ag_jo_close(b, ']');
}

/* A member it does not know is an error there.  false: it is written as others have it. */
static bool
put_mistral_member(const char *name, struct json_object *value, struct ag_buf *b)
{
	static const char *const known[] = { "role", "content", "prefix" };

	for (size_t i = 0; i < AG_ARRAY_LEN(known); i++)
		if (strcmp(name, known[i]) == 0)
			return false;
	if (strcmp(name, "tool_calls") == 0)
		put_mistral_calls(json_object_is_type(value, json_type_array) ? value : NULL, b);
	else if (strcmp(name, "tool_call_id") == 0)
		put_call_id(name, ag_tree_text(value), b);
	return true;
}

static void
put_message(const struct ag_build_in *in, struct json_object *m, struct ag_buf *b)
{
	bool is_developer = ag_tree_is(m, "role", "developer") && (in->family->flags & AG_PF_NO_DEVELOPER);

	ag_jo_open(b, NULL, '{');
	ag_json_foreach(m, name, value) {
		if (strcmp(name, "thinking_blocks") == 0 || strcmp(name, "cache_control") == 0 ||
		    (strcmp(name, "reasoning_content") == 0 && !(in->family->flags & AG_PF_REASONING_BACK)))
			continue;
		if ((in->family->flags & AG_PF_RANDOM_SEED) && put_mistral_member(name, value, b))
			continue;
		if (strcmp(name, "role") == 0 && is_developer)
			ag_jo_str(b, "role", AG_STR("system"));
		else if (strcmp(name, "content") == 0)
			put_content(in, value, b);
		else
			ag_jo_tree(b, name, value);
	}
	ag_jo_close(b, '}');
}

static int
build(const struct ag_build_in *in, struct ag_buf *out, struct ag_err *err)
{
	struct json_object *messages = ag_tree_array(in->chat, "messages");
	int rc = ag_chat_check(in, in->family->flags & AG_PF_RANDOM_SEED ? &mistral_fields : &own_fields, NULL, err);

	if (rc < 0)
		return rc;
	ag_jo_open(out, NULL, '{');
	ag_jo_str(out, "model", in->model);
	ag_jo_open(out, "messages", '[');
	for (size_t i = 0; i < ag_json_len(messages); i++)
		put_message(in, ag_json_at(messages, i), out);
	ag_jo_close(out, ']');
	rc = put_members(in, out, err);
	if (rc < 0)
		return rc;
	ag_jo_u64(out, in->family->flags & AG_PF_MAX_COMPLETION ? "max_completion_tokens" : "max_tokens", in->limit);
	if (in->is_stream) {
		ag_jo_bool(out, "stream", true);
		if (in->family->flags & AG_PF_INCLUDE_USAGE)
			ag_jo_raw(out, "stream_options", AG_STR("{\"include_usage\":true}"));
	}
	ag_jo_close(out, '}');
	return out->failed ? ag_err_set(err, -ENOBUFS, "the request is too large") : 0;
}

/* ---- errors ---- */

bool
ag_openai_is_overflow(struct ag_str message)
{
	static const char *const patterns[] = { "prompt is too long", "exceeds the context window",
		"maximum context length", "context_length_exceeded", "exceeds the maximum number of tokens",
		"input is too long for requested model", "maximum prompt length is",
		"reduce the length of the messages", "is longer than the model's context length",
		"exceeds the available context size", "greater than the context length",
		"context window exceeds limit", "exceeded model token limit", "too large for model with",
		"range of input length should be" };
	char text[512];

	(void)ag_str_copy(message, text, sizeof(text));
	if (strcasestr(text, "rate limit") || strcasestr(text, "too many requests"))
		return false;
	for (size_t i = 0; i < AG_ARRAY_LEN(patterns); i++)
		if (strcasestr(text, patterns[i]))
			return true;
	return strcasestr(text, "input token count") && strcasestr(text, "exceeds the maximum");
}

void
ag_openai_error_of(int status, struct ag_client_error *e)
{
	static const struct { int status, told; const char *type, *code; } rows[] = {
		{ 401, 502, "server_error", "upstream_auth_error" },
		{ 402, 429, "insufficient_quota", "insufficient_quota" },
		{ 403, 502, "server_error", "upstream_auth_error" },
		{ 404, 404, "invalid_request_error", "model_not_found" },
		{ 408, 504, "server_error", "upstream_timeout" },
		{ 409, 502, "server_error", "upstream_error" },
		{ 413, 413, "invalid_request_error", "request_too_large" },
		{ 424, 502, "server_error", "upstream_error" },
		{ 429, 429, "rate_limit_error", "rate_limit_exceeded" },
		{ 498, 503, "server_error", "overloaded" },
		{ 503, 503, "server_error", "overloaded" },
		{ 504, 504, "server_error", "upstream_timeout" },
		{ 529, 503, "server_error", "overloaded" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++)
		if (rows[i].status == status) {
			e->status = rows[i].told;
			e->type = ag_str(rows[i].type);
			e->code = ag_str(rows[i].code);
			return;
		}
	e->status = status >= 500 || status < 400 ? 502 : 400;
	e->type = e->status == 400 ? AG_STR("invalid_request_error") : AG_STR("server_error");
	e->code = e->status == 400 ? AG_STR_NONE : AG_STR("upstream_error");
}

/* What some say of a request they cannot read: [{"loc": ["body", "top_p"], "msg": ...}]. */
static struct ag_str
first_detail(struct json_object *o)
{
	struct json_object *list = ag_tree_array(o, "detail");

	return ag_json_len(list) > 0 ? ag_tree_str(ag_json_at(list, 0), "msg") : AG_STR_NONE;
}

static void
read_error(int status, struct ag_str body, struct ag_buf *mem, struct ag_client_error *out)
{
	struct json_object *o = NULL, *e = NULL;
	struct ag_str message = AG_STR_NONE, code, param;
	size_t message_n, code_n;

	*out = (struct ag_client_error){ 0 };
	ag_openai_error_of(status, out);
	if (ag_tree_parse(body, &o, NULL) == 0) {
		e = ag_tree_object(o, "error");
		if (!e)
			e = o;
		message = ag_tree_str(e, "message");
		if (!message.p)
			message = ag_tree_str(o, "error");
		if (!message.p)
			message = ag_tree_str(o, "detail");
		if (!message.p)
			message = first_detail(o);
	}
	if (message.n == 0)
		ag_buf_printf(mem, "The provider answered with status %d", status);
	ag_buf_put_str(mem, message);
	message_n = mem->n;
	code = ag_tree_str(e, "code");
	/* Numbers as text say what the status says. */
	if (code.n == 0 || (code.p[0] >= '0' && code.p[0] <= '9') || out->status != status)
		code = AG_STR_NONE;
	param = code.n > 0 ? ag_tree_str(e, "param") : AG_STR_NONE;
	ag_buf_put_str(mem, code);
	code_n = code.n;
	ag_buf_put_str(mem, param);
	if (!mem->failed) {
		out->message = ag_str_n(mem->p, message_n);
		if (code_n > 0)
			out->code = ag_str_n(mem->p + message_n, code_n);
		out->param = ag_str_n(mem->p + message_n + code_n, param.n);
	}
	if (ag_tree_is(e, "type", "insufficient_quota") || ag_tree_is(e, "code", "insufficient_quota"))
		out->type = out->code = AG_STR("insufficient_quota");
	if (out->status == 400 && ag_openai_is_overflow(out->message)) {
		out->code = AG_STR("context_length_exceeded");
		out->param = AG_STR("messages");
	}
	json_object_put(o);
}

static void
put_or_null(struct ag_buf *b, const char *key, struct ag_str s)
{
	if (s.n > 0)
		ag_jo_str(b, key, s);
	else
		ag_jo_null(b, key);
}

void
ag_openai_write_error(const struct ag_client_error *e, bool is_event, struct ag_buf *out)
{
	if (is_event)
		ag_buf_puts(out, "data: ");
	ag_jo_open(out, NULL, '{');
	ag_jo_open(out, "error", '{');
	ag_jo_str(out, "message", e->message);
	ag_jo_str(out, "type", e->type);
	put_or_null(out, "param", e->param);
	put_or_null(out, "code", e->code);
	ag_buf_puts(out, is_event ? "}}\n\n" : "}}");
}

const struct ag_protocol ag_protocol_openai = {
	.name = "openai", .endpoint = AG_EP_CHAT, .framing = &ag_framing_sse,
	.parse = parse, .writer = &ag_openai_writer, .write_error = ag_openai_write_error,
	.build = build, .reader = &ag_openai_reader, .read_error = read_error,
};
