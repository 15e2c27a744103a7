/* cohere.c - reading what an answer of Cohere's v2 cost.
 *
 * billed_units is what is charged; the counts of tokens beside it hold what Cohere adds to a prompt of
 * itself, and stand in only where nothing else is told. */
#include <string.h>

#include "provider/figure.h"
#include "provider/provider.h"

enum { F_INPUT, F_OUTPUT, F_SEARCH, F_IMAGES, F_N };

static bool
read_figures(struct ag_str text, struct ag_json_value v, struct ag_answer *a)
{
	static const struct ag_str names[F_N] = { [F_INPUT] = { "input_tokens", 12 }, [F_OUTPUT] = { "output_tokens", 13 },
		[F_SEARCH] = { "search_units", 12 }, [F_IMAGES] = { "image_tokens", 12 } };
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_value f[F_N];
	struct ag_json_fault fault;
	struct ag_str units = ag_json_raw(text, v);
	uint64_t images;

	if (v.type != AG_JSON_OBJECT || ag_json_scan(units, &fields, f, &fault) < 0)
		return false;
	if (f[F_INPUT].type != AG_JSON_NUMBER && f[F_OUTPUT].type != AG_JSON_NUMBER &&
	    f[F_SEARCH].type != AG_JSON_NUMBER && f[F_IMAGES].type != AG_JSON_NUMBER)
		return false;
	if (ag_figure_is_absurd(units, f[F_INPUT]) || ag_figure_is_absurd(units, f[F_OUTPUT]) ||
	    ag_figure_is_absurd(units, f[F_SEARCH]) || ag_figure_is_absurd(units, f[F_IMAGES]))
		return false;
	if (!a->has_usage)
		a->usage.provider_cost_nusd = -1;
	a->has_usage = true;
	a->reported_bytes = a->content_bytes;
	images = ag_figure_or(units, f[F_IMAGES], 0);
	a->usage.input_image = images;
	a->usage.input_fresh = ag_figure_or(units, f[F_INPUT], 0) + images;
	a->usage.output_total = ag_figure_or(units, f[F_OUTPUT], a->usage.output_total);
	a->usage.units = ag_figure_or(units, f[F_SEARCH], a->usage.units);
	return true;
}

/* "usage" of a chat, "meta" of the others. */
static void
read_usage(struct ag_str text, struct ag_json_value v, struct ag_answer *a)
{
	static const struct ag_str names[] = { { "billed_units", 12 }, { "tokens", 6 } };
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_value f[2];
	struct ag_json_fault fault;
	struct ag_str usage = ag_json_raw(text, v);

	if (v.type != AG_JSON_OBJECT || ag_json_scan(usage, &fields, f, &fault) < 0)
		return;
	if (!read_figures(usage, f[0], a) && !a->has_usage)
		(void)read_figures(usage, f[1], a);
}

enum { B_ID, B_FINISH, B_USAGE, B_META, B_N };

static void
read_answer(struct ag_str body, struct ag_answer *a)
{
	static const struct ag_str names[B_N] = { [B_ID] = { "id", 2 }, [B_FINISH] = { "finish_reason", 13 },
		[B_USAGE] = { "usage", 5 }, [B_META] = { "meta", 4 } };
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_value f[B_N];
	struct ag_json_fault fault;

	if (ag_json_scan(body, &fields, f, &fault) < 0)
		return;
	ag_figure_text(body, f[B_ID], a->id, sizeof(a->id));
	ag_figure_text(body, f[B_FINISH], a->finish_reason, sizeof(a->finish_reason));
	read_usage(body, f[B_USAGE], a);
	read_usage(body, f[B_META], a);
}

static void
on_body(const struct ag_provider *p, struct ag_str body, struct ag_answer *a)
{
	(void)p;
	read_answer(body, a);
	a->has_done = true;
}

/* Errors are a message and have no type. */
static void
on_error(const struct ag_provider *p, struct ag_str body, struct ag_answer *a)
{
	(void)p;
	read_answer(body, a);
}

/* What is around the text in a delta's event: it is no output. */
#define DELTA_FRAME (sizeof("{\"message\":{\"content\":{\"text\":\"\"}}}") - 1)
#define DELTA_LEAST 2u

enum { E_TYPE, E_DELTA, E_ID, E_N };

static bool
on_event(const struct ag_provider *p, struct ag_str name, struct ag_str data, struct ag_answer *a)
{
	static const struct ag_str names[E_N] = { [E_TYPE] = { "type", 4 }, [E_DELTA] = { "delta", 5 }, [E_ID] = { "id", 2 } };
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_value f[E_N];
	struct ag_json_fault fault;
	struct ag_str type;

	(void)p;
	if (ag_str_eq(data, AG_STR("[DONE]"))) {
		a->has_done = true;
		return false;
	}
	if (ag_json_scan(data, &fields, f, &fault) < 0) {
		a->content_events++;
		a->content_bytes += data.n;
		return false;
	}
	type = f[E_TYPE].type == AG_JSON_STRING ? ag_figure_inside(data, f[E_TYPE]) : name;
	if (ag_str_eq(type, AG_STR("message-start"))) {
		ag_figure_text(data, f[E_ID], a->id, sizeof(a->id));
	} else if (ag_str_eq(type, AG_STR("message-end"))) {
		if (f[E_DELTA].type == AG_JSON_OBJECT)
			read_answer(ag_json_raw(data, f[E_DELTA]), a);
		a->has_error = strcmp(a->finish_reason, "ERROR") == 0 || strcmp(a->finish_reason, "TIMEOUT") == 0;
		a->has_done = true;
	} else if (f[E_DELTA].type == AG_JSON_OBJECT) {
		a->content_events++;
		a->content_bytes += f[E_DELTA].len > DELTA_FRAME + DELTA_LEAST
		    ? f[E_DELTA].len - DELTA_FRAME : DELTA_LEAST;
	}
	return false;
}

const struct ag_wire ag_wire_cohere = { .on_body = on_body, .on_event = on_event, .on_error = on_error };
