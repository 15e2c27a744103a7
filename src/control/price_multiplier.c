#include "control/price_multiplier.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "base/json.h"
#include "base/num.h"
#include "control/call.h"
#include "control/field.h"
#include "control/sql.h"
#include "policy/price_kinds.h"

#define PPM_DIGITS 6
#define WHERE      "pricing_adjustments.multiplier"

/* Ours do not tell these apart from what stands beside them. */
static const struct {
	const char *name;
	enum ag_price_kind is_in;
} uncounted[] = {
	{ "cache_read_image_input_token", AG_PK_CACHE_READ },
	{ "cache_write_image_input_token", AG_PK_CACHE_WRITE },
};

static int
read_ppm(struct json_object *value, uint32_t *out_ppm)
{
	int64_t ppm;

	if (!json_object_is_type(value, json_type_string) && !json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double))
		return -EINVAL;
	if (ag_parse_decimal(ag_str(json_object_get_string(value)), PPM_DIGITS, AG_PPM_MAX, &ppm) < 0 ||
	    ppm < 0)
		return -EINVAL;
	*out_ppm = (uint32_t)ppm;
	return 0;
}

int
ag_price_multiplier(struct json_object *value, uint32_t *out_ppm)
{
	uint32_t ppm;

	if (read_ppm(value, &ppm) < 0 || ppm == 0)
		return -EINVAL;
	*out_ppm = ppm;
	return 0;
}

/* ---- what was said ---- */

static int
read_kind(struct ag_call *c, const char *name, bool is_member, struct json_object *value,
    struct ag_price_multiples *m)
{
	enum ag_price_kind kind = is_member || !strchr(name, '.') ? ag_price_kind_find(ag_str(name)) : AG_PK_COUNT;
	uint32_t ppm;

	for (size_t i = 0; kind == AG_PK_COUNT && i < AG_ARRAY_LEN(uncounted); i++)
		if (strcmp(name, uncounted[i].name) == 0)
			return 0; /* check_uncounted() */
	if (kind == AG_PK_COUNT)
		return ag_call_invalid(c, WHERE ".%.64s: not a kind that this gateway counts", name);
	if (read_ppm(value, &ppm) < 0)
		return ag_call_invalid(c, WHERE ".%s: must be a number from 0 to 1000, with six decimals at "
		    "most", name);
	m->ppm[kind] = ppm;
	return 0;
}

/* {"image": {"default": 2}}: one more level, and no deeper. */
static int
read_kinds(struct ag_call *c, struct json_object *multiplier, struct ag_price_multiples *m)
{
	char path[160];

	ag_json_foreach(multiplier, name, value) {
		bool is_group = strcmp(name, "image") == 0 || strcmp(name, "additional_units") == 0;

		if (!value)
			continue;
		if (!is_group) {
			if (read_kind(c, name, false, value, m) < 0)
				return -1;
			continue;
		}
		if (!json_object_is_type(value, json_type_object))
			return ag_call_invalid(c, WHERE ".%s: must be an object", name);
		ag_json_foreach(value, unit, one) {
			snprintf(path, sizeof(path), "%s.%.64s", name, unit);
			if (one && read_kind(c, path, true, one, m) < 0)
				return -1;
		}
	}
	return 0;
}

static int
check_uncounted(struct ag_call *c, struct json_object *multiplier, const struct ag_price_multiples *m)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(uncounted); i++) {
		enum ag_price_kind kind = uncounted[i].is_in;
		uint32_t own, whole = m->ppm[AG_PK_DEFAULT] == AG_PPM_NONE ? AG_PPM_ONE : m->ppm[AG_PK_DEFAULT];
		struct json_object *value = NULL;

		if (!json_object_object_get_ex(multiplier, uncounted[i].name, &value) || !value)
			continue;
		if (m->ppm[kind] != AG_PPM_NONE)
			whole = m->ppm[kind];
		if (read_ppm(value, &own) < 0 || own != whole)
			return ag_call_invalid(c, WHERE ".%s: not counted apart by this gateway: give %s",
			    uncounted[i].name, ag_price_kind_name(kind));
	}
	return 0;
}

/* NULL when one number, above 0, says as much. */
static struct json_object *
kinds_of(const struct ag_price_multiples *m)
{
	uint32_t all = m->ppm[AG_PK_DEFAULT] == AG_PPM_NONE ? AG_PPM_ONE : m->ppm[AG_PK_DEFAULT];
	bool is_uniform = all > 0;
	struct json_object *kinds;

	for (int i = 0; i < AG_PK_COUNT; i++)
		is_uniform = is_uniform && (m->ppm[i] == AG_PPM_NONE || m->ppm[i] == all);
	if (is_uniform)
		return NULL;
	kinds = json_object_new_object();
	for (int i = 0; i < AG_PK_COUNT; i++)
		if (m->ppm[i] != AG_PPM_NONE)
			json_object_object_add(kinds, ag_price_kind_name((enum ag_price_kind)i),
			    json_object_new_int64(m->ppm[i]));
	return kinds;
}

int
ag_pricing_adjustments_read(struct ag_call *c, struct ag_pricing_adjustments *out)
{
	struct json_object *given = NULL, *multiplier = NULL;
	enum ag_field f = ag_field_object(c, c->body, "pricing_adjustments", &given);
	struct ag_price_multiples m;

	out->is_given = f == AG_FIELD_SET || f == AG_FIELD_NULL;
	if (f != AG_FIELD_SET)
		return f == AG_FIELD_BAD ? -1 : 0;
	ag_json_foreach(given, name, value) {
		(void)value;
		if (strcmp(name, "multiplier") != 0)
			return ag_call_invalid(c, "pricing_adjustments.%.64s: not known", name);
	}
	if (ag_field_object(c, given, WHERE, &multiplier) == AG_FIELD_BAD)
		return -1;
	ag_price_multiples_none(&m);
	if (multiplier && (read_kinds(c, multiplier, &m) < 0 || check_uncounted(c, multiplier, &m) < 0))
		return -1;
	for (int i = 0; i < AG_PK_COUNT && !out->stored; i++)
		out->stored = m.ppm[i] != AG_PPM_NONE ? given : NULL;
	out->kinds = kinds_of(&m);
	return 0;
}

void
ag_pricing_adjustments_fini(struct ag_pricing_adjustments *p)
{
	json_object_put(p->kinds);
	p->kinds = NULL;
}

/* ---- storing it ---- */

/* A statement of its own: what another transaction has just added is seen by the next one only. */
static int
put_combination(struct ag_call *c, struct json_object *kinds)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	if (!kinds)
		return 0;
	ag_pg_arg_json(&a, kinds);
	res = ag_call_sql(c, SQL_PRICE_ADJUSTMENT_PUT, &a);
	return res ? 0 : -1;
}

int
ag_pricing_adjustments_store(struct ag_call *c, int64_t integration_id, const struct ag_pricing_adjustments *p)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	if (put_combination(c, p->kinds) < 0)
		return -1;
	ag_pg_arg_i64(&a, integration_id);
	ag_pg_arg_bool(&a, p->is_given);
	ag_pg_arg_json(&a, p->stored);
	ag_pg_arg_json(&a, p->kinds);
	res = ag_call_sql(c, SQL_INTEGRATION_ADJUST, &a);
	if (!res)
		return -1;
	if (ag_pg_bool(res, 0, 0))
		return ag_call_invalid(c, "pricing_adjustments, configurations.price_multiplier: exclude each "
		    "other");
	return 0;
}
