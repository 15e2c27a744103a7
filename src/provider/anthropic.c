/* anthropic.c - reading what an answer of the Messages API cost.
 *
 * Counters are disjoint: input_tokens is what stands behind the last cache breakpoint alone.  In a
 * stream each usage replaces the figures it names: they are totals, never to be added. */
#include <string.h>

#include "provider/figure.h"
#include "provider/provider.h"

enum { U_INPUT, U_WRITE, U_READ, U_SPLIT, U_OUTPUT, U_DETAILS, U_SERVER, U_TIER, U_SPEED, U_GEO, U_N };

static void
read_split(struct ag_str usage, struct ag_json_value v, struct ag_usage *u)
{
	static const struct ag_str names[] = { { "ephemeral_5m_input_tokens", 25 },
		{ "ephemeral_1h_input_tokens", 25 } };
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_value f[2];
	struct ag_json_fault fault;
	struct ag_str split = ag_json_raw(usage, v);

	if (v.type != AG_JSON_OBJECT || ag_json_scan(split, &fields, f, &fault) < 0)
		return;
	u->cache_write_5m = ag_figure_or(split, f[0], u->cache_write_5m);
	u->cache_write_1h = ag_figure_or(split, f[1], u->cache_write_1h);
}

static uint64_t
read_inner(struct ag_str usage, struct ag_json_value v, struct ag_str name, uint64_t otherwise)
{
	struct ag_json_value f;
	struct ag_json_fault fault;
	struct ag_str inner = ag_json_raw(usage, v);

	if (v.type != AG_JSON_OBJECT || ag_figure_scan(inner, &name, 1, &f, &fault) < 0)
		return otherwise;
	return ag_figure_or(inner, f, otherwise);
}

static void
read_tier(struct ag_str usage, const struct ag_json_value *f, struct ag_usage *u)
{
	struct ag_str tier = ag_figure_inside(usage, f[U_TIER]), speed = ag_figure_inside(usage, f[U_SPEED]);
	struct ag_str geo = ag_figure_inside(usage, f[U_GEO]);

	if (ag_str_eq(speed, AG_STR("fast")))
		u->service_tier = AG_TIER_FAST;
	else if (ag_str_eq(tier, AG_STR("batch")))
		u->service_tier = AG_TIER_BATCH;
	else if (ag_str_eq(tier, AG_STR("priority")))
		u->service_tier = AG_TIER_PROVISIONED; /* capacity bought beforehand, at no price of its own */
	if (geo.n > 0 && !ag_str_eq(geo, AG_STR("global")) && !ag_str_eq(geo, AG_STR("not_available"))) {
		u->geo_num = 11;
		u->geo_den = 10;
	}
}

static void
read_usage(struct ag_str text, struct ag_json_value v, struct ag_answer *a)
{
	static const struct ag_str names[U_N] = {
		[U_INPUT] = { "input_tokens", 12 }, [U_WRITE] = { "cache_creation_input_tokens", 27 },
		[U_READ] = { "cache_read_input_tokens", 23 }, [U_SPLIT] = { "cache_creation", 14 },
		[U_OUTPUT] = { "output_tokens", 13 }, [U_DETAILS] = { "output_tokens_details", 21 },
		[U_SERVER] = { "server_tool_use", 15 }, [U_TIER] = { "service_tier", 12 },
		[U_SPEED] = { "speed", 5 }, [U_GEO] = { "inference_geo", 13 },
	};
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_value f[U_N];
	struct ag_json_fault fault;
	struct ag_str usage = ag_json_raw(text, v);
	struct ag_usage *u = &a->usage;
	uint64_t written;

	if (v.type != AG_JSON_OBJECT || ag_json_scan(usage, &fields, f, &fault) < 0)
		return;
	if (!a->has_usage)
		u->provider_cost_nusd = -1;
	a->has_usage |= f[U_INPUT].type == AG_JSON_NUMBER || f[U_OUTPUT].type == AG_JSON_NUMBER;
	if (ag_figure_is_absurd(usage, f[U_INPUT]) || ag_figure_is_absurd(usage, f[U_OUTPUT])) {
		a->has_usage = false;
		return;
	}
	u->input_fresh = ag_figure_or(usage, f[U_INPUT], u->input_fresh);
	u->cache_read = ag_figure_or(usage, f[U_READ], u->cache_read);
	u->output_total = ag_figure_or(usage, f[U_OUTPUT], u->output_total);
	if (f[U_OUTPUT].type == AG_JSON_NUMBER)
		a->reported_bytes = a->content_bytes;
	read_split(usage, f[U_SPLIT], u);
	/* A total that is not that of the split known so far: the rest was written for five minutes. */
	if (ag_figure_read(usage, f[U_WRITE], &written)) {
		if (u->cache_write_1h > written)
			u->cache_write_1h = written;
		u->cache_write_5m = written - u->cache_write_1h;
	}
	u->reasoning = read_inner(usage, f[U_DETAILS], AG_STR("thinking_tokens"), u->reasoning);
	if (u->reasoning > u->output_total)
		u->reasoning = u->output_total;
	u->web_searches = read_inner(usage, f[U_SERVER], AG_STR("web_search_requests"), u->web_searches);
	read_tier(usage, f, u);
}

enum { M_ID, M_MODEL, M_USAGE, M_STOP, M_ERROR, M_N };
static const struct ag_str message_names[M_N] = {
	[M_ID] = { "id", 2 }, [M_MODEL] = { "model", 5 }, [M_USAGE] = { "usage", 5 },
	[M_STOP] = { "stop_reason", 11 }, [M_ERROR] = { "error", 5 },
};
static struct ag_json_fields message_fields = AG_JSON_FIELDS(message_names);

static void
read_error(struct ag_str text, struct ag_json_value v, struct ag_answer *a)
{
	static const struct ag_str name = { "type", 4 };
	struct ag_json_value f;
	struct ag_json_fault fault;
	struct ag_str error = ag_json_raw(text, v);

	if (v.type == AG_JSON_OBJECT && ag_figure_scan(error, &name, 1, &f, &fault) == 0)
		ag_figure_text(error, f, a->error_type, sizeof(a->error_type));
}

static void
read_message(struct ag_str message, struct ag_answer *a)
{
	struct ag_json_value f[M_N];
	struct ag_json_fault fault;

	if (ag_json_scan(message, &message_fields, f, &fault) < 0)
		return;
	ag_figure_text(message, f[M_ID], a->id, sizeof(a->id));
	ag_figure_text(message, f[M_MODEL], a->model, sizeof(a->model));
	ag_figure_text(message, f[M_STOP], a->finish_reason, sizeof(a->finish_reason));
	read_usage(message, f[M_USAGE], a);
	read_error(message, f[M_ERROR], a);
}

static void
on_body(const struct ag_provider *p, struct ag_str body, struct ag_answer *a)
{
	(void)p;
	read_message(body, a);
	a->has_done = true;
}

static void
on_error(const struct ag_provider *p, struct ag_str body, struct ag_answer *a)
{
	(void)p;
	read_message(body, a);
}

/* What is around the text in a delta's event: it is no output. */
#define DELTA_FRAME (sizeof("{\"type\":\"input_json_delta\",\"partial_json\":\"\"}") - 1)
#define DELTA_LEAST 2u

enum { E_TYPE, E_MESSAGE, E_DELTA, E_USAGE, E_ERROR, E_N };

static void
on_typed(struct ag_str type, struct ag_str data, const struct ag_json_value *f, struct ag_answer *a)
{
	if (ag_str_eq(type, AG_STR("content_block_delta"))) {
		a->content_events++;
		a->content_bytes += f[E_DELTA].len > DELTA_FRAME + DELTA_LEAST
		    ? f[E_DELTA].len - DELTA_FRAME : DELTA_LEAST;
	} else if (ag_str_eq(type, AG_STR("message_start"))) {
		if (f[E_MESSAGE].type == AG_JSON_OBJECT)
			read_message(ag_json_raw(data, f[E_MESSAGE]), a);
	} else if (ag_str_eq(type, AG_STR("message_delta"))) {
		if (f[E_DELTA].type == AG_JSON_OBJECT)
			read_message(ag_json_raw(data, f[E_DELTA]), a);
		read_usage(data, f[E_USAGE], a);
	} else if (ag_str_eq(type, AG_STR("message_stop"))) {
		a->has_done = true;
	} else if (ag_str_eq(type, AG_STR("error"))) {
		a->has_error = true;
		read_error(data, f[E_ERROR], a);
	}
}

static bool
on_event(const struct ag_provider *p, struct ag_str name, struct ag_str data, struct ag_answer *a)
{
	static const struct ag_str names[E_N] = {
		[E_TYPE] = { "type", 4 }, [E_MESSAGE] = { "message", 7 }, [E_DELTA] = { "delta", 5 },
		[E_USAGE] = { "usage", 5 }, [E_ERROR] = { "error", 5 },
	};
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_value f[E_N];
	struct ag_json_fault fault;

	(void)p;
	if (ag_json_scan(data, &fields, f, &fault) < 0) {
		a->content_events++;
		a->content_bytes += data.n;
		return false;
	}
	on_typed(f[E_TYPE].type == AG_JSON_STRING ? ag_figure_inside(data, f[E_TYPE]) : name, data, f, a);
	return false;
}

const struct ag_wire ag_wire_anthropic = { .on_body = on_body, .on_event = on_event, .on_error = on_error };
