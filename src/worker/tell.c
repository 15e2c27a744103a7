/* tell.c - results of guardrails on their way to the client.
 *
 * In a body they stand behind its first brace, so that nothing need be held back; in a stream they are
 * its first event, where the client takes what OpenAI does not know.  The bytes they add are known when
 * the head goes out, whatever the body turns out to be: where there is no place for them, blanks. */
#include "worker/request.h"

/* Plain JSON, that is: nobody asked for a coding, but some give one. */
static bool
is_json(const struct ag_http_head *head)
{
	struct ag_str type = ag_http_header_get(head, AG_STR("content-type"));
	struct ag_str coding = ag_http_header_get(head, AG_STR("content-encoding"));

	if (coding.n > 0 && !ag_str_ieq(coding, AG_STR("identity")))
		return false;
	return type.n >= 16 && ag_str_ieq(ag_str_n(type.p, 16), AG_STR("application/json"));
}

/* Protocols whose clients let an event pass that they do not know. */
static bool
takes_event(const struct ag_req *r)
{
	return !r->rules->is_strict && !r->is_array &&
	    (r->endpoint == AG_EP_CHAT || r->endpoint == AG_EP_COMPLETION || r->endpoint == AG_EP_MESSAGES);
}

int
ag_rules_on_head(struct ag_req *r, const struct ag_http_head *head)
{
	struct ag_req_rules *rules = r->rules;
	bool has_body = !r->is_head_method && head->framing != AG_HTTP_BODY_NONE &&
	    (head->framing != AG_HTTP_BODY_LENGTH || head->content_length > 0);

	rules->tell = AG_TELL_NOTHING;
	if (head->status != 200 || rules->results.n == 0)
		return head->status;
	if (r->relay == AG_RELAY_STREAM)
		rules->tell = takes_event(r) ? AG_TELL_EVENT : AG_TELL_NOTHING;
	else if (r->relay == AG_RELAY_BODY && has_body && is_json(head))
		rules->tell = AG_TELL_AT_BRACE;
	return rules->has_failed ? 246 : 200;
}

static bool
is_in_body(const struct ag_req *r)
{
	return r->rules->tell == AG_TELL_AT_BRACE || r->rules->tell == AG_TELL_BEHIND_BRACE;
}

uint64_t
ag_rules_extra(const struct ag_req *r)
{
	return is_in_body(r) ? r->rules->results.n + 1 : 0;
}

/* The results and what parts them from the next member; or as many blanks. */
static struct ag_str
make_text(struct ag_req *r, bool as_blanks, char behind)
{
	size_t n = r->rules->results.n + 1;
	char *p = ag_arena_alloc(&r->arena, n);

	r->rules->tell = AG_TELL_NOTHING;
	if (!p)
		return AG_STR_NONE;
	if (as_blanks)
		memset(p, ' ', n);
	else
		memcpy(p, r->rules->results.p, n - 1);
	p[n - 1] = behind;
	return ag_str_n(p, n);
}

bool
ag_rules_splice(struct ag_req *r, struct ag_str run, size_t *out_at, struct ag_str *out_text)
{
	if (!is_in_body(r))
		return false;
	for (size_t i = 0; i < run.n; i++) {
		if (run.p[i] == ' ' || run.p[i] == '\n' || run.p[i] == '\r' || run.p[i] == '\t')
			continue;
		if (r->rules->tell == AG_TELL_AT_BRACE && run.p[i] == '{') {
			r->rules->tell = AG_TELL_BEHIND_BRACE;
			continue;
		}
		*out_at = i;
		*out_text = r->rules->tell == AG_TELL_AT_BRACE ? make_text(r, true, ' ')
		    : make_text(r, false, run.p[i] == '}' ? ' ' : ',');
		return out_text->n > 0;
	}
	return false;
}

struct ag_str
ag_rules_owed(struct ag_req *r)
{
	return is_in_body(r) ? make_text(r, true, ' ') : AG_STR_NONE;
}

struct ag_str
ag_rules_event(struct ag_req *r)
{
	struct ag_str out;
	struct ag_buf b;

	if (r->rules->tell != AG_TELL_EVENT)
		return AG_STR_NONE;
	r->rules->tell = AG_TELL_NOTHING;
	ag_buf_init(&b, r->rules->results.n + 64);
	ag_buf_puts(&b, r->endpoint == AG_EP_MESSAGES ? "event: hook_results\ndata: {" : "data: {");
	ag_buf_put_str(&b, r->rules->results);
	ag_buf_puts(&b, "}\n\n");
	out = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	return out;
}

/* Puts text before byte `at` of out. */
static void
insert(struct ag_buf *out, size_t at, struct ag_str text)
{
	struct ag_buf rest;

	ag_buf_init(&rest, out->n + 1);
	ag_buf_put(&rest, out->p + at, out->n - at);
	if (rest.failed || !ag_buf_reserve(out, text.n)) {
		out->failed = true;
	} else {
		out->n = at;
		ag_buf_put_str(out, text);
		ag_buf_put_str(out, ag_buf_str(&rest));
	}
	ag_buf_fini(&rest);
}

int
ag_rules_write(struct ag_req *r, int status, struct ag_buf *out)
{
	struct ag_req_rules *rules = r->rules;
	struct ag_str text;
	size_t at = 0;

	if (status != 200 || rules->results.n == 0)
		return status;
	rules->tell = !r->is_stream ? AG_TELL_AT_BRACE : takes_event(r) ? AG_TELL_EVENT : AG_TELL_NOTHING;
	if (rules->tell == AG_TELL_EVENT) {
		text = ag_rules_event(r);
		if (text.n > 0)
			insert(out, 0, text);
	} else if (ag_rules_splice(r, ag_buf_str(out), &at, &text)) {
		insert(out, at, text);
	}
	rules->tell = AG_TELL_NOTHING;
	return rules->has_failed ? 246 : 200;
}
