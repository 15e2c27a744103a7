#include "control/price_multiplier.h"

#include <errno.h>
#include <json-c/json.h>

#include "base/num.h"
#include "control/call.h"
#include "control/field.h"
#include "control/sql.h"

#define PPM_DIGITS 6
#define PPM_MAX    INT64_C(1000000000)

int
ag_price_multiplier(struct json_object *value, uint32_t *out_ppm)
{
	int64_t ppm;

	if (!json_object_is_type(value, json_type_string) && !json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double))
		return -EINVAL;
	if (ag_parse_decimal(ag_str(json_object_get_string(value)), PPM_DIGITS, PPM_MAX, &ppm) < 0 ||
	    ppm <= 0)
		return -EINVAL;
	*out_ppm = (uint32_t)ppm;
	return 0;
}

/* Whether a kind of tokens is said to have the multiple of all. */
static bool
is_default(struct json_object *value, uint32_t ppm)
{
	uint32_t own;

	return ag_price_multiplier(value, &own) == 0 && own == ppm;
}

static int
check_kinds(struct ag_call *c, struct json_object *multiplier, uint32_t ppm)
{
	json_object_object_foreach(multiplier, name, value) {
		if (strcmp(name, "default") == 0 || !value || is_default(value, ppm))
			continue;
		if (json_object_is_type(value, json_type_object) && json_object_object_length(value) == 0)
			continue;
		return ag_call_invalid(c, "pricing_adjustments.multiplier.%.64s: not implemented by this "
		    "gateway, which has one multiple for all: give default", name);
	}
	return 0;
}

int
ag_pricing_adjustments_read(struct ag_call *c, struct ag_pricing_adjustments *out)
{
	struct json_object *given = NULL, *multiplier = NULL, *all = NULL;
	enum ag_field f = ag_field_object(c, c->body, "pricing_adjustments", &given);
	uint32_t ppm = 1000000;

	out->is_given = f == AG_FIELD_SET || f == AG_FIELD_NULL;
	if (f != AG_FIELD_SET)
		return f == AG_FIELD_BAD ? -1 : 0;
	json_object_object_foreach(given, name, value) {
		(void)value;
		if (strcmp(name, "multiplier") != 0)
			return ag_call_invalid(c, "pricing_adjustments.%.64s: not known", name);
	}
	if (ag_field_object(c, given, "pricing_adjustments.multiplier", &multiplier) == AG_FIELD_BAD)
		return -1;
	if (multiplier && json_object_object_get_ex(multiplier, "default", &all) && all &&
	    ag_price_multiplier(all, &ppm) < 0)
		return ag_call_invalid(c, "pricing_adjustments.multiplier.default: must be a number above 0, "
		    "up to 1000, with six decimals at most");
	if (multiplier && check_kinds(c, multiplier, ppm) < 0)
		return -1;
	out->stored = all ? given : NULL;
	return 0;
}

int
ag_pricing_adjustments_store(struct ag_call *c, int64_t integration_id, const struct ag_pricing_adjustments *p)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, integration_id);
	ag_pg_arg_bool(&a, p->is_given);
	ag_pg_arg_json(&a, p->stored);
	res = ag_call_sql(c, SQL_INTEGRATION_ADJUST, &a);
	if (!res)
		return -1;
	if (ag_pg_bool(res, 0, 0))
		return ag_call_invalid(c, "pricing_adjustments, configurations.price_multiplier: exclude each "
		    "other");
	return 0;
}
