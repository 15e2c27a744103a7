/* limits.c - budgets, rates and metadata from the command line, as the admin API wants them. */
#include <json-c/json.h>
#include <string.h>

#include "base/json.h"
#include "base/num.h"
#include "tools/aigatectl/ctl.h"

/* A decimal as it was typed: json-c keeps the text of a number it has parsed. */
static struct json_object *
number_new(const char *text)
{
	int64_t value;

	if (ag_parse_decimal(ag_str(text), 9, INT64_MAX / 4, &value) < 0 || value < 0)
		return NULL;
	return json_tokener_parse(text);
}

static enum ctl_exit
add_budget(const struct ctl_limit_opts *l, bool as_array, struct json_object *body)
{
	const char *amount = l->budget ? l->budget : l->budget_tokens;
	struct json_object *limits, *array;

	if (l->budget && l->budget_tokens)
		return ctl_fail(CTL_USAGE, "give --budget or --budget-tokens, not both");
	if (!amount)
		return l->period || l->alert || l->enforcement || l->on_exhaust
		           ? ctl_fail(CTL_USAGE, "--period, --alert, --enforcement and --on-exhaust need a --budget")
		           : CTL_OK;
	limits = json_object_new_object();
	json_object_object_add(limits, "type", json_object_new_string(l->budget ? "cost" : "tokens"));
	json_object_object_add(limits, "credit_limit", number_new(amount));
	if (l->alert)
		json_object_object_add(limits, "alert_threshold", number_new(l->alert));
	if (l->period)
		json_object_object_add(limits, "periodic_reset", json_object_new_string(l->period));
	if (l->enforcement)
		json_object_object_add(limits, "enforcement", json_object_new_string(l->enforcement));
	if (l->on_exhaust)
		json_object_object_add(limits, "on_exhaust", json_object_new_string(l->on_exhaust));
	array = as_array ? json_object_new_array() : NULL;
	if (array)
		json_object_array_add(array, limits);
	json_object_object_add(body, "usage_limits", array ? array : limits);
	if (!ctl_json_at(limits, "credit_limit"))
		return ctl_fail(CTL_USAGE, "\"%s\" is no amount", amount);
	if (l->alert && !ctl_json_at(limits, "alert_threshold"))
		return ctl_fail(CTL_USAGE, "\"%s\" is no amount", l->alert);
	return CTL_OK;
}

static enum ctl_exit
add_rates(struct json_object *array, const char *type, const char *unit,
          const struct ctl_list *list)
{
	for (unsigned i = 0; i < list->n; i++) {
		struct json_object *rate;
		uint64_t value;

		if (ag_parse_u64(ag_str(list->v[i]), INT32_MAX, &value) < 0)
			return ctl_fail(CTL_USAGE, "\"%s\" is no number of %s", list->v[i], type);
		rate = json_object_new_object();
		json_object_object_add(rate, "type", json_object_new_string(type));
		json_object_object_add(rate, "unit", json_object_new_string(unit));
		json_object_object_add(rate, "value", json_object_new_int64((int64_t)value));
		json_object_array_add(array, rate);
	}
	return CTL_OK;
}

enum ctl_exit
ctl_limits_add(const struct ctl_limit_opts *l, bool as_array, struct json_object *body)
{
	const struct {
		const char *type, *unit;
		const struct ctl_list *list;
	} rows[] = {
		{ "requests", "rps", &l->rps }, { "requests", "rpm", &l->rpm },
		{ "requests", "rph", &l->rph }, { "requests", "rpd", &l->rpd },
		{ "tokens", "rpm", &l->tpm },
	};
	struct json_object *array = json_object_new_array();
	enum ctl_exit status = add_budget(l, as_array, body);

	for (size_t i = 0; status == CTL_OK && i < AG_ARRAY_LEN(rows); i++)
		status = add_rates(array, rows[i].type, rows[i].unit, rows[i].list);
	if (status == CTL_OK && ag_json_len(array) > 0)
		json_object_object_add(body, "rate_limits", array);
	else
		json_object_put(array);
	return status;
}

enum ctl_exit
ctl_metadata(const struct ctl_list *pairs, struct json_object **out)
{
	struct json_object *o = json_object_new_object();

	for (unsigned i = 0; i < pairs->n; i++) {
		const char *equals = strchr(pairs->v[i], '=');
		char name[128];

		if (!equals || equals == pairs->v[i] ||
		    !ag_str_copy(ag_str_n(pairs->v[i], (size_t)(equals - pairs->v[i])), name,
		                 sizeof(name))) {
			json_object_put(o);
			return ctl_fail(CTL_USAGE, "\"%s\" is not of the form name=value", pairs->v[i]);
		}
		json_object_object_add(o, name, json_object_new_string(equals + 1));
	}
	*out = o;
	return CTL_OK;
}

void
ctl_put_usage_limits(struct ag_buf *b, struct json_object *value)
{
	if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < ag_json_len(value); i++)
			ctl_put_usage_limits(b, ag_json_at(value, i));
		return;
	}
	if (!ctl_json_at(value, "credit_limit"))
		return;
	if (b->n > 0)
		ag_buf_puts(b, ", ");
	if (strcmp(ctl_json_text(value, "type"), "tokens") == 0)
		ag_buf_printf(b, "%s tokens", ctl_json_text(value, "credit_limit"));
	else
		ag_buf_printf(b, "$%s", ctl_json_text(value, "credit_limit"));
	if (ctl_json_at(value, "periodic_reset"))
		ag_buf_printf(b, " %s", ctl_json_text(value, "periodic_reset"));
	if (ctl_json_at(value, "periodic_reset_days"))
		ag_buf_printf(b, " every %s days", ctl_json_text(value, "periodic_reset_days"));
	if (ctl_json_at(value, "current_usage"))
		ag_buf_printf(b, ", %s used", ctl_json_text(value, "current_usage"));
	if (ctl_json_at(value, "enforcement") && strcmp(ctl_json_text(value, "enforcement"), "strict") != 0)
		ag_buf_printf(b, ", %s", ctl_json_text(value, "enforcement"));
}

void
ctl_put_rate_limits(struct ag_buf *b, struct json_object *value)
{
	if (!json_object_is_type(value, json_type_array))
		return;
	for (size_t i = 0; i < ag_json_len(value); i++) {
		struct json_object *rate = ag_json_at(value, i);
		bool is_tokens = strcmp(ctl_json_text(rate, "type"), "tokens") == 0;

		ag_buf_printf(b, "%s%s %s%s", b->n > 0 ? ", " : "", ctl_json_text(rate, "value"),
		              ctl_json_text(rate, "unit"), is_tokens ? " tokens" : "");
	}
}
