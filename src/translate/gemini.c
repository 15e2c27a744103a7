/* gemini.c - Gemini's protocol: its row, and errors in both directions. */
#include "translate/gemini.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/num.h"
#include "translate/json_out.h"
#include "translate/openai.h"
#include "translate/tree.h"

/* "17.5s": a protobuf duration. */
static int64_t
duration_ms(struct ag_str s)
{
	uint64_t whole, part = 0;
	const char *dot;
	struct ag_str head = s, tail = AG_STR_NONE;

	if (s.n < 2 || s.p[s.n - 1] != 's')
		return 0;
	head.n--;
	dot = memchr(head.p, '.', head.n);
	if (dot) {
		tail = ag_str_n(dot + 1, head.n - (size_t)(dot - head.p) - 1);
		head.n = (size_t)(dot - head.p);
	}
	if (tail.n > 3)
		tail.n = 3;
	if (ag_parse_u64(head, 86400, &whole) < 0 || (tail.n > 0 && ag_parse_u64(tail, 999, &part) < 0))
		return 0;
	for (size_t n = tail.n; n > 0 && n < 3; n++)
		part *= 10;
	return (int64_t)(whole * 1000 + part);
}

static void
read_details(struct json_object *details, struct ag_client_error *out, bool *out_bad_key)
{
	for (size_t i = 0; i < ag_json_len(details); i++) {
		struct json_object *d = ag_json_at(details, i);

		if (ag_tree_is(d, "reason", "API_KEY_INVALID"))
			*out_bad_key = true;
		if (ag_tree_str(d, "retryDelay").n > 0)
			out->retry_after_ms = duration_ms(ag_tree_str(d, "retryDelay"));
	}
}

void
ag_gemini_read_error(int status, struct ag_str body, struct ag_buf *mem, struct ag_client_error *out)
{
	struct json_object *o = NULL, *e = NULL;
	bool has_bad_key = false;
	int64_t delay_ms;

	*out = (struct ag_client_error){ 0 };
	/* Without alt=sse the error stands in an array. */
	body = ag_str_trim(body);
	if (body.n > 1 && body.p[0] == '[')
		body = ag_str_skip(body, 1);
	if (ag_tree_parse(body, &o, NULL) == 0)
		e = ag_tree_object(o, "error");
	read_details(ag_tree_array(e, "details"), out, &has_bad_key);
	delay_ms = out->retry_after_ms;
	ag_openai_error_of(has_bad_key ? 401 : status, out);
	out->retry_after_ms = delay_ms;
	if (ag_tree_str(e, "message").n > 0)
		ag_buf_put_str(mem, ag_tree_str(e, "message"));
	else
		ag_buf_printf(mem, "The provider answered with status %d", status);
	out->message = ag_buf_str(mem);
	if (out->status == 400 && ag_openai_is_overflow(out->message)) {
		out->code = AG_STR("context_length_exceeded");
		out->param = AG_STR("messages");
	}
	json_object_put(o);
}

static struct ag_str
status_word(int status)
{
	static const struct { int status; const char *word; } rows[] = {
		{ 400, "INVALID_ARGUMENT" }, { 401, "UNAUTHENTICATED" }, { 402, "RESOURCE_EXHAUSTED" },
		{ 403, "PERMISSION_DENIED" }, { 404, "NOT_FOUND" }, { 408, "DEADLINE_EXCEEDED" },
		{ 412, "RESOURCE_EXHAUSTED" }, { 413, "INVALID_ARGUMENT" }, { 429, "RESOURCE_EXHAUSTED" },
		{ 499, "CANCELLED" }, { 503, "UNAVAILABLE" }, { 504, "DEADLINE_EXCEEDED" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++)
		if (rows[i].status == status)
			return ag_str(rows[i].word);
	return status / 100 == 4 ? AG_STR("FAILED_PRECONDITION") : AG_STR("INTERNAL");
}

void
ag_gemini_write_error(const struct ag_client_error *e, bool is_event, struct ag_buf *out)
{
	int status = e->status ? e->status : ag_str_eq(e->code, AG_STR("overloaded")) ? 503 : 500;

	if (is_event)
		ag_buf_puts(out, "data: ");
	ag_jo_open(out, NULL, '{');
	ag_jo_open(out, "error", '{');
	ag_jo_int(out, "code", status);
	ag_jo_str(out, "message", e->message);
	ag_jo_str(out, "status", status_word(status));
	ag_buf_puts(out, is_event ? "}}\r\n\r\n" : "}}");
}

const struct ag_protocol ag_protocol_gemini = {
	.name = "gemini", .endpoint = AG_EP_GENERATE, .framing = &ag_framing_sse,
	.parse = ag_gemini_parse, .writer = &ag_gemini_writer, .write_error = ag_gemini_write_error,
	.build = ag_gemini_build, .reader = &ag_gemini_reader, .read_error = ag_gemini_read_error,
};
