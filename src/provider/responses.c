/* responses.c - reading what an answer of the responses endpoint cost.
 *
 * Events are typed; the last one holds the response with its usage.  What the provider's own tools did is
 * told by the items they leave, and paid by the call. */
#include "provider/figure.h"
#include "provider/provider.h"

static uint64_t
count_of(struct ag_str text, struct ag_str what)
{
	uint64_t n = 0;
	const char *at;

	while (text.n > 0 && (at = memmem(text.p, text.n, what.p, what.n))) {
		n++;
		text = ag_str_skip(text, (size_t)(at - text.p) + what.n);
	}
	return n;
}

/* No string can hold the bytes that are looked for: its quotes would be escaped. */
static void
read_searches(struct ag_str response, struct ag_answer *a)
{
	uint64_t n = count_of(response, AG_STR("\"type\":\"web_search_call\"")) +
	    count_of(response, AG_STR("\"type\": \"web_search_call\""));

	if (n > a->usage.web_searches)
		a->usage.web_searches = n;
}

static void
read_response(const struct ag_provider *p, struct ag_str response, struct ag_answer *a)
{
	static const struct ag_str name = { "status", 6 };
	struct ag_json_value v;
	struct ag_json_fault fault;

	ag_openai_on_body(p, response, a);
	if (ag_figure_scan(response, &name, 1, &v, &fault) == 0)
		ag_figure_text(response, v, a->finish_reason, sizeof(a->finish_reason));
	read_searches(response, a);
}

static void
on_body(const struct ag_provider *p, struct ag_str body, struct ag_answer *a)
{
	read_response(p, body, a);
	a->has_done = true;
}

enum { E_TYPE, E_RESPONSE, E_DELTA, E_N };

/* What is around the text in a delta: it is no output. */
#define DELTA_LEAST 2u

static bool
on_event(const struct ag_provider *p, struct ag_str event_name, struct ag_str data, struct ag_answer *a)
{
	static const struct ag_str names[E_N] = { [E_TYPE] = { "type", 4 }, [E_RESPONSE] = { "response", 8 },
		[E_DELTA] = { "delta", 5 } };
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_value f[E_N];
	struct ag_json_fault fault;
	struct ag_str type;

	if (ag_json_scan(data, &fields, f, &fault) < 0) {
		a->content_events++;
		a->content_bytes += data.n;
		return false;
	}
	type = f[E_TYPE].type == AG_JSON_STRING ? ag_figure_inside(data, f[E_TYPE]) : event_name;
	if (f[E_DELTA].type != AG_JSON_ABSENT) {
		a->content_events++;
		a->content_bytes += f[E_DELTA].len > 2 + DELTA_LEAST ? f[E_DELTA].len - 2 : DELTA_LEAST;
	}
	if (ag_str_eq(type, AG_STR("error")) || ag_str_eq(type, AG_STR("response.failed")))
		a->has_error = true;
	if (ag_str_eq(type, AG_STR("response.completed")) || ag_str_eq(type, AG_STR("response.incomplete")) ||
	    ag_str_eq(type, AG_STR("response.failed"))) {
		if (f[E_RESPONSE].type == AG_JSON_OBJECT)
			read_response(p, ag_json_raw(data, f[E_RESPONSE]), a);
		a->has_done = true;
	} else if (f[E_RESPONSE].type == AG_JSON_OBJECT && a->id[0] == '\0') {
		read_response(p, ag_json_raw(data, f[E_RESPONSE]), a);
		a->has_done = false;
		a->finish_reason[0] = '\0';
	}
	return false;
}

const struct ag_wire ag_wire_responses = { .on_body = on_body, .on_event = on_event, .on_error = ag_openai_on_error };
