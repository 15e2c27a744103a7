/* Spans: what of an event becomes one, that the whole is JSON whatever a client sent, what an answer says. */
#include "telemetry/span.h"

#include <json-c/json.h>

#include "base/json.h"
#include "shm/event_ring.h"
#include "tap.h"
#include "telemetry/export.h"

static union { struct ag_event e; uint8_t bytes[AG_EVENT_MAX]; } event;

static void
make_event(uint8_t flags, uint8_t endpoint, enum ag_event_kind kind, const char *model, struct ag_str agent,
    bool has_record)
{
	struct ag_event fixed = { .kind = (uint16_t)kind, .flags = flags, .endpoint = endpoint, .status = 200 };
	struct ag_record rec = { .endpoint = endpoint, .outcome = AG_OUT_ANSWERED, .sent_at_us = 5,
		.finished_at_us = 3 };
	struct ag_str strs[AG_ES_COUNT] = { [AG_ES_METHOD] = AG_STR("POST"), [AG_ES_AGENT] = agent,
		[AG_ES_HOST] = agent };
	struct ag_str rec_strs[AG_RS_COUNT] = { [AG_RS_REQUESTED_MODEL] = ag_str(model),
		[AG_RS_PROVIDER] = AG_STR("bedrock"), [AG_RS_SPAN_ID] = AG_STR("00f067aa0ba902b7"),
		[AG_RS_FINISH_REASON] = agent, [AG_RS_METADATA] = AG_STR("{}") };

	memset(fixed.trace, 'a', sizeof(fixed.trace));
	memset(fixed.span, 'b', sizeof(fixed.span));
	ag_event_build(&fixed, strs, has_record ? &rec : NULL, rec_strs, &event.e);
}

/* The spans of a body, which is to be put; NULL: it is no JSON. */
static struct json_object *
spans_of(struct json_object **out_body)
{
	struct json_tokener *tok = json_tokener_new_ex(32);
	struct json_object *at, *next;
	struct ag_buf b;

	ag_buf_init(&b, 1 << 20);
	ag_span_put_head(&b, AG_STR("a \"name\""), 1);
	(void)ag_span_put(&b, &event.e);
	ag_span_put_tail(&b);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*out_body = at = json_tokener_parse_ex(tok, b.p, (int)b.n);
	json_tokener_free(tok);
	ag_buf_fini(&b);
	if (!json_object_object_get_ex(at, "resourceSpans", &next))
		return NULL;
	at = ag_json_at(next, 0);
	if (!json_object_object_get_ex(at, "scopeSpans", &next))
		return NULL;
	at = ag_json_at(next, 0);
	return json_object_object_get_ex(at, "spans", &next) ? next : NULL;
}

static void
is_wanted(uint8_t flags, uint8_t endpoint, bool want, const char *name)
{
	make_event(flags, endpoint, AG_EVENT_REQUEST, "m", AG_STR_NONE, false);
	ok(ag_span_is_wanted(&event.e) == want, "%s", name);
}

static void
only_traces_that_are_sampled_become_spans(void)
{
	is_wanted(AG_EVENT_TRACED | AG_EVENT_SAMPLED, AG_EP_CHAT, true, "a sampled request is wanted");
	is_wanted(AG_EVENT_TRACED, AG_EP_CHAT, false, "not one that is not sampled");
	is_wanted(AG_EVENT_SAMPLED, AG_EP_CHAT, false, "nor one without a trace");
	is_wanted(AG_EVENT_TRACED | AG_EVENT_SAMPLED, AG_EP_NONE, false, "nor an admin call");
}

static void
is_spans(enum ag_event_kind kind, bool has_record, size_t want, const char *name)
{
	struct json_object *body, *spans;

	make_event(AG_EVENT_TRACED | AG_EVENT_SAMPLED, AG_EP_CHAT, kind, "m", AG_STR_NONE, has_record);
	spans = spans_of(&body);
	is_i64((int64_t)(spans ? ag_json_len(spans) : 99), (int64_t)want, name);
	json_object_put(body);
}

static void
a_request_and_each_attempt_are_a_span(void)
{
	is_spans(AG_EVENT_REQUEST, true, 2, "an answered request");
	is_spans(AG_EVENT_REQUEST, false, 1, "a refused one");
	is_spans(AG_EVENT_ATTEMPT, true, 1, "an attempt that another follows");
}

static void
has_name(uint8_t endpoint, const char *model, const char *want, const char *name)
{
	struct json_object *body, *spans, *text = NULL;

	make_event(AG_EVENT_TRACED | AG_EVENT_SAMPLED, endpoint, AG_EVENT_ATTEMPT, model, AG_STR_NONE, true);
	spans = spans_of(&body);
	if (spans)
		json_object_object_get_ex(ag_json_at(spans, 0), "name", &text);
	is_str(json_object_get_string(text), want, name);
	json_object_put(body);
}

static void
an_attempt_is_named_by_operation_and_model(void)
{
	has_name(AG_EP_CHAT, "gpt-4o", "chat gpt-4o", "chat");
	has_name(AG_EP_MESSAGES, "@prod/claude", "chat claude", "the provider before the model is none of it");
	has_name(AG_EP_EMBEDDING, "@prod/org/model", "embeddings org/model", "a slash in a model's name is");
	has_name(AG_EP_PROXY, "", "proxy", "without a model the operation alone");
}

static void
any_bytes_leave_json(void)
{
	bool is_good = true;

	for (int c = 0; c < 65536; c += 3) {
		char text[5] = { '[', (char)(c >> 8), ':', (char)c, '"' };
		struct json_object *body;

		make_event(AG_EVENT_TRACED | AG_EVENT_SAMPLED, AG_EP_CHAT, AG_EVENT_REQUEST, "m",
		    ag_str_n(text, 1 + (size_t)c % sizeof(text)), true);
		is_good = is_good && spans_of(&body) != NULL;
		json_object_put(body);
	}
	ok(is_good, "in user-agent, host and finish reason");
}

static void
says(const char *answer, uint64_t want, const char *name)
{
	is_i64((int64_t)ag_export_rejected(ag_str(answer)), (int64_t)want, name);
}

static void
an_answer_may_name_what_was_not_taken(void)
{
	says("", 0, "nothing said");
	says("{}", 0, "all taken");
	says("{\"partialSuccess\":{}}", 0, "a warning");
	says("{\"partialSuccess\":{\"rejectedSpans\":\"7\"}}", 7, "seven, as text");
	says("{\"partialSuccess\":{\"rejectedSpans\":7}}", 7, "seven, as a number");
	says("{\"partialSuccess\":{\"rejectedSpans\":\"-7\"}}", 0, "less than none is none");
	says("{\"partialSuccess\":{\"rejectedSpans\":{}}}", 0, "an object is none");
	says("{\"partialSuccess\":7}", 0, "nor is a number in its place");
	says("[1,2", 0, "nor what is no JSON");
	says("\"partialSuccess\"", 0, "nor a text");
}

int
main(void)
{
	only_traces_that_are_sampled_become_spans();
	a_request_and_each_attempt_are_a_span();
	an_attempt_is_named_by_operation_and_model();
	any_bytes_leave_json();
	an_answer_may_name_what_was_not_taken();
	return done();
}
