#include "control/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/money.h"
#include "base/num.h"
#include "control/field.h"
#include "limit/alert.h"
#include "limit/holds.h"

#define BUDGET_MAX_NUSD  (INT64_C(4000000000) * AG_NUSD_PER_USD)
#define TOKENS_MAX       INT64_C(4000000000000000000)
#define RATE_MAX         INT64_C(1000000000000000)

static const struct {
	const char *unit;
	int64_t window_us;
} rate_units[] = {
	{ "rps", AG_US_PER_SEC }, { "rpm", AG_US_PER_MIN }, { "rph", AG_US_PER_HOUR },
	{ "rpd", AG_US_PER_DAY }, { "rpw", 7 * AG_US_PER_DAY },
	{ "concurrent", 0 }, /* no window: so many requests at a time, a gauge */
};

/* A number that prints as `text` and not as a double would. */
static struct json_object *
exact_number(int64_t v, int scale)
{
	char text[40];
	size_t n = ag_fmt_decimal(text, sizeof(text) - 1, v, scale);

	text[n] = '\0';
	return memchr(text, '.', n) ? json_object_new_double_s(strtod(text, NULL), text)
	                            : json_object_new_int64(strtoll(text, NULL, 10));
}

static int
unit_scale(enum ag_unit unit)
{
	return unit == AG_UNIT_NUSD ? 9 : 0;
}

struct json_object *
ag_limits_amount(int64_t v, enum ag_unit unit)
{
	return exact_number(v, unit_scale(unit));
}

/* An amount of a budget: dollars or tokens; 0 answered for absent and null. */
static int
amount_member(struct ag_call *c, struct json_object *obj, const char *path, enum ag_unit unit,
    int64_t *out)
{
	int64_t max = unit == AG_UNIT_NUSD ? BUDGET_MAX_NUSD : TOKENS_MAX;
	struct ag_str text;
	int rc;

	*out = 0;
	switch (ag_field_number(c, obj, path, &text)) {
	case AG_FIELD_ABSENT:
	case AG_FIELD_NULL:
		return 0;
	case AG_FIELD_BAD:
		return -1;
	case AG_FIELD_SET:
		break;
	}
	rc = ag_parse_decimal(text, unit_scale(unit), max, out);
	if (rc == -EDOM)
		return ag_call_invalid(c, "%s: %.*s is finer than %s", path, AG_STR_ARG(text),
		    unit == AG_UNIT_NUSD ? "a billionth of a dollar"
		    : unit == AG_UNIT_TOKENS ? "one token" : "one request");
	if (rc == 0 && *out > 0)
		return 0;
	if (unit == AG_UNIT_NUSD)
		return ag_call_invalid(c,
		    "%s: must be more than 0 and at most 4000000000 US dollars, not %.*s", path,
		    AG_STR_ARG(text));
	return ag_call_invalid(c, "%s: must be from 1 to %lld %s, not %.*s", path,
	    (long long)TOKENS_MAX, unit == AG_UNIT_TOKENS ? "tokens" : "requests", AG_STR_ARG(text));
}

static int
choice_member(struct ag_call *c, struct json_object *obj, const char *path, const char *const *names,
    const char *all, int *out)
{
	const char *text;
	enum ag_field f = ag_field_text(c, obj, path, 64, &text);

	*out = -1;
	if (f == AG_FIELD_BAD)
		return -1;
	if (f != AG_FIELD_SET)
		return 0;
	for (int i = 0; names[i]; i++)
		if (strcmp(names[i], text) == 0) {
			*out = i;
			return 0;
		}
	return ag_call_invalid(c, "%s: must be one of %s, not \"%s\"", path, all, text);
}

/* Whether a moment is the beginning of a period of this kind. */
static bool
is_turn(const struct ag_limit *l, int64_t at_us)
{
	int64_t start, end;

	ag_period_number(l->period_kind, l->period_days, 0, 0, at_us, &start, &end);
	return start == at_us;
}

const char *const ag_enforcement_names[] = { [AG_ENFORCE_STRICT] = "strict",
	[AG_ENFORCE_ADAPTIVE] = "adaptive", [AG_ENFORCE_SHADOW] = "shadow", NULL };
const char *const ag_exhaust_names[] = { [AG_EXHAUST_CUT] = "cut", [AG_EXHAUST_FINISH] = "finish", NULL };

/* enforcement, on_exhaust. */
static int
mode_members(struct ag_call *c, struct json_object *obj, const char *path, struct ag_limit *l)
{
	char p[128];
	int which;

	snprintf(p, sizeof(p), "%s.enforcement", path);
	if (choice_member(c, obj, p, ag_enforcement_names, "strict, adaptive, shadow", &which) < 0)
		return -1;
	l->enforcement = which < 0 ? AG_ENFORCE_STRICT : (enum ag_enforcement)which;
	if (l->enforcement == AG_ENFORCE_ADAPTIVE && l->unit == AG_UNIT_REQUESTS)
		return ag_call_invalid(c, "%s: a budget of requests has nothing to learn: strict or shadow", p);
	snprintf(p, sizeof(p), "%s.on_exhaust", path);
	if (choice_member(c, obj, p, ag_exhaust_names, "cut, finish", &which) < 0)
		return -1;
	if (which >= 0 && l->enforcement != AG_ENFORCE_ADAPTIVE)
		return ag_call_invalid(c, "%s: belongs to enforcement adaptive", p);
	l->on_exhaust = which < 0 ? AG_EXHAUST_CUT : (enum ag_exhaust)which;
	return 0;
}

void
ag_limits_add_mode(struct json_object *obj, const struct ag_shm *shm, uint32_t ix,
    enum ag_enforcement mode, enum ag_exhaust on_exhaust, enum ag_unit unit)
{
	const struct ag_meter *m = ix == AG_NONE_IX ? NULL : ag_metertab_at(shm, ix);

	json_object_object_add(obj, "enforcement", json_object_new_string(ag_enforcement_names[mode]));
	switch (mode) {
	case AG_ENFORCE_STRICT:
		json_object_object_add(obj, "bound", json_object_new_int64(0));
		break;
	case AG_ENFORCE_ADAPTIVE:
		json_object_object_add(obj, "on_exhaust", json_object_new_string(ag_exhaust_names[on_exhaust]));
		json_object_object_add(obj, "bound", exact_number(m ? ag_holds_bound(shm, ix) : 0, unit_scale(unit)));
		break;
	case AG_ENFORCE_SHADOW:
		json_object_object_add(obj, "bound", NULL);
		json_object_object_add(obj, "would_refuse",
		    json_object_new_int64(m ? ag_a64_get(&m->mode.would_refuse) : 0));
		break;
	}
}

/* periodic_reset, periodic_reset_days, next_usage_reset_at. */
static int
period_members(struct ag_call *c, struct json_object *obj, const char *path,
    enum ag_period_kind weekly, struct ag_limit *l)
{
	static const char *const resets[] = { "monthly", "weekly", NULL };
	struct ag_str days = AG_STR_NONE;
	int64_t next_us = 0, n = 0;
	char p[128];
	enum ag_field f;
	int which;

	snprintf(p, sizeof(p), "%s.periodic_reset", path);
	if (choice_member(c, obj, p, resets, "monthly, weekly, null", &which) < 0)
		return -1;
	l->period_kind = which == 0 ? AG_PERIOD_MONTHLY : which == 1 ? weekly : AG_PERIOD_NONE;
	snprintf(p, sizeof(p), "%s.periodic_reset_days", path);
	f = ag_field_number(c, obj, p, &days);
	if (f == AG_FIELD_BAD)
		return -1;
	if (f == AG_FIELD_SET) {
		if (ag_parse_decimal(days, 0, 365, &n) < 0 || n < 1)
			return ag_call_invalid(c, "%s: must be from 1 to 365, not %.*s", p,
			    AG_STR_ARG(days));
		if (which >= 0)
			return ag_call_invalid(c, "%s: excludes periodic_reset; give one of them", p);
		l->period_kind = AG_PERIOD_DAYS;
		l->period_days = (uint32_t)n;
	}
	snprintf(p, sizeof(p), "%s.next_usage_reset_at", path);
	f = ag_field_time(c, obj, p, &next_us);
	if (f == AG_FIELD_BAD)
		return -1;
	if (f != AG_FIELD_SET)
		return 0;
	next_us -= next_us % AG_US_PER_DAY;
	if (l->period_kind == AG_PERIOD_DAYS)
		l->anchor_day = (int32_t)(next_us / AG_US_PER_DAY);
	else if (!is_turn(l, next_us))
		return ag_call_invalid(c, "%s: does not fall on a turn of periodic_reset; "
		    "leave it out or give periodic_reset_days", p);
	return 0;
}

/* Weeks of policies begin on Mondays. */
static int
usage_read_as(struct ag_call *c, struct json_object *obj, const char *path, bool is_policy,
    struct ag_limit *l)
{
	static const enum ag_unit units[] = { AG_UNIT_NUSD, AG_UNIT_TOKENS, AG_UNIT_REQUESTS };
	static const char *const types[] = { "cost", "tokens", "requests", NULL };
	char p[128];
	int which;

	*l = (struct ag_limit){ .kind = AG_METER_BUDGET, .unit = AG_UNIT_NUSD, .limit = INT64_MAX,
		.alert_at = INT64_MAX, .anchor_day = INT32_MIN };
	if (!json_object_is_type(obj, json_type_object))
		return ag_call_invalid(c, "%s: must be an object", path);
	snprintf(p, sizeof(p), "%s.type", path);
	if (choice_member(c, obj, p, types, "cost, tokens, requests", &which) < 0)
		return -1;
	l->unit = units[which < 0 ? 0 : which];
	if (mode_members(c, obj, path, l) < 0)
		return -1;
	snprintf(p, sizeof(p), "%s.credit_limit", path);
	if (amount_member(c, obj, p, l->unit, &l->limit) < 0)
		return -1;
	snprintf(p, sizeof(p), "%s.alert_threshold", path);
	if (amount_member(c, obj, p, l->unit, &l->alert_at) < 0)
		return -1;
	if (l->limit == 0 && l->alert_at == 0)
		return ag_call_invalid(c, "%s.credit_limit: is required", path);
	if (l->limit == 0)
		l->limit = INT64_MAX;
	if (l->alert_at == 0)
		l->alert_at = INT64_MAX;
	return period_members(c, obj, path, is_policy ? AG_PERIOD_WEEKLY_MONDAY : AG_PERIOD_WEEKLY, l);
}

static int
usage_read(struct ag_call *c, struct json_object *obj, const char *path, struct ag_limit *l)
{
	return usage_read_as(c, obj, path, false, l);
}

int
ag_limits_policy_usage(struct ag_call *c, struct json_object *obj, struct ag_limit *out)
{
	struct json_object *v;

	if (!json_object_object_get_ex(obj, "type", &v) || !v)
		return ag_call_invalid(c, "type: is required: cost, tokens or requests");
	if (usage_read_as(c, obj, "policy", true, out) < 0)
		return -1;
	if (out->limit == INT64_MAX)
		return ag_call_invalid(c, "credit_limit: is required");
	if (out->alert_at != INT64_MAX && out->alert_at >= out->limit)
		return ag_call_invalid(c, "alert_threshold: must be less than credit_limit");
	return 0;
}

static struct json_object *
usage_write(const struct ag_limit *l)
{
	static const char *const periods[] = { [AG_PERIOD_NONE] = NULL, [AG_PERIOD_WEEKLY] = "weekly",
		[AG_PERIOD_MONTHLY] = "monthly", [AG_PERIOD_DAYS] = NULL };
	struct json_object *j = json_object_new_object();

	json_object_object_add(j, "credit_limit", l->limit == INT64_MAX
	    ? NULL : exact_number(l->limit, unit_scale(l->unit)));
	json_object_object_add(j, "type",
	    json_object_new_string(l->unit == AG_UNIT_NUSD ? "cost" : l->unit == AG_UNIT_TOKENS ? "tokens" : "requests"));
	json_object_object_add(j, "alert_threshold", l->alert_at == INT64_MAX
	    ? NULL : exact_number(l->alert_at, unit_scale(l->unit)));
	json_object_object_add(j, "periodic_reset", periods[l->period_kind]
	    ? json_object_new_string(periods[l->period_kind]) : NULL);
	if (l->period_kind == AG_PERIOD_DAYS)
		json_object_object_add(j, "periodic_reset_days",
		    json_object_new_int64(l->period_days));
	if (l->anchor_day != INT32_MIN)
		json_object_object_add(j, "anchor_day", json_object_new_int64(l->anchor_day));
	if (l->enforcement != AG_ENFORCE_STRICT)
		json_object_object_add(j, "enforcement",
		    json_object_new_string(ag_enforcement_names[l->enforcement]));
	if (l->enforcement == AG_ENFORCE_ADAPTIVE)
		json_object_object_add(j, "on_exhaust",
		    json_object_new_string(ag_exhaust_names[l->on_exhaust]));
	return j;
}

static bool
is_same(const struct ag_limit *a, const struct ag_limit *b)
{
	return a->kind == b->kind && a->unit == b->unit && a->window_us == b->window_us &&
	    a->period_kind == b->period_kind && a->period_days == b->period_days;
}

static int
add_unique(struct ag_call *c, const char *path, struct ag_limits *all, const struct ag_limit *l)
{
	for (uint32_t i = 0; i < all->n; i++)
		if (is_same(&all->row[i], l))
			return ag_call_invalid(c, "%s: the same kind of limit stands there twice", path);
	if (all->n == AG_KEY_METERS_MAX)
		return ag_call_invalid(c, "%s: at most %u limits, usage and rate limits together", path,
		    AG_KEY_METERS_MAX);
	all->row[all->n++] = *l;
	return 0;
}

int
ag_limits_usage_member(struct ag_call *c, struct json_object *obj, const char *path,
    enum ag_limits_shape shape, bool *out_present, struct json_object **out_norm)
{
	struct json_object *v = NULL, *norm = NULL;
	struct ag_limits all = { .n = 0 };
	bool is_array;
	size_t n;

	*out_norm = NULL;
	*out_present = json_object_object_get_ex(obj, path, &v);
	if (!v)
		return 0;
	is_array = json_object_is_type(v, json_type_array);
	if (is_array && shape == AG_LIMITS_OBJECT)
		return ag_call_invalid(c, "%s: must be an object or null", path);
	n = is_array ? ag_json_len(v) : 1;
	if (shape == AG_LIMITS_ARRAY_OF_ONE && n > 1)
		return ag_call_invalid(c, "%s: at most one limit can be given here", path);
	if (n == 0)
		return 0;
	if (shape != AG_LIMITS_OBJECT)
		norm = json_object_new_array();
	for (size_t i = 0; i < n; i++) {
		struct ag_limit l;
		char p[80];

		snprintf(p, sizeof(p), is_array ? "%.40s[%zu]" : "%.40s", path, i);
		if (usage_read(c, is_array ? ag_json_at(v, i) : v, p, &l) < 0 ||
		    add_unique(c, p, &all, &l) < 0) {
			json_object_put(norm);
			return -1;
		}
		if (shape == AG_LIMITS_OBJECT)
			norm = usage_write(&l);
		else
			json_object_array_add(norm, usage_write(&l));
	}
	*out_norm = norm;
	return 0;
}

static int
rate_read(struct ag_call *c, struct json_object *obj, const char *path, struct ag_limit *l)
{
	static const char *const types[] = { "requests", "tokens", NULL };
	static const char *const units[] = { "rps", "rpm", "rph", "rpd", "rpw", "concurrent", NULL };
	struct ag_str value = AG_STR_NONE;
	char p[128];
	int which;
	enum ag_field f;

	*l = (struct ag_limit){ .kind = AG_METER_RATE, .alert_at = INT64_MAX,
		.anchor_day = INT32_MIN };
	if (!json_object_is_type(obj, json_type_object))
		return ag_call_invalid(c, "%s: must be an object", path);
	snprintf(p, sizeof(p), "%s.type", path);
	if (choice_member(c, obj, p, types, "requests, tokens", &which) < 0)
		return -1;
	if (which < 0)
		return ag_call_invalid(c, "%s: is required: requests or tokens", p);
	l->unit = which == 1 ? AG_UNIT_TOKENS : AG_UNIT_REQUESTS;
	snprintf(p, sizeof(p), "%s.unit", path);
	if (choice_member(c, obj, p, units, "rps, rpm, rph, rpd, rpw, concurrent", &which) < 0)
		return -1;
	if (which < 0)
		return ag_call_invalid(c, "%s: is required: rps, rpm, rph, rpd, rpw or concurrent", p);
	l->window_us = rate_units[which].window_us;
	if (l->window_us == 0)
		l->kind = AG_METER_GAUGE;
	if (l->kind == AG_METER_GAUGE && l->unit != AG_UNIT_REQUESTS)
		return ag_call_invalid(c, "%s: concurrent counts requests: type must be requests", p);
	snprintf(p, sizeof(p), "%s.value", path);
	f = ag_field_number(c, obj, p, &value);
	if (f == AG_FIELD_BAD)
		return -1;
	if (f != AG_FIELD_SET)
		return ag_call_invalid(c, "%s: is required", p);
	if (ag_parse_decimal(value, 0, RATE_MAX, &l->limit) < 0 || l->limit < 0)
		return ag_call_invalid(c, "%s: must be an integer from 0 to %lld, not %.*s", p,
		    (long long)RATE_MAX, AG_STR_ARG(value));
	return 0;
}

int
ag_limits_policy_rate(struct ag_call *c, struct json_object *obj, struct ag_limit *out)
{
	return rate_read(c, obj, "policy", out);
}

static struct json_object *
rate_write(const struct ag_limit *l)
{
	struct json_object *j = json_object_new_object();

	json_object_object_add(j, "type",
	    json_object_new_string(l->unit == AG_UNIT_TOKENS ? "tokens" : "requests"));
	for (size_t i = 0; i < AG_ARRAY_LEN(rate_units); i++)
		if (rate_units[i].window_us == l->window_us)
			json_object_object_add(j, "unit", json_object_new_string(rate_units[i].unit));
	json_object_object_add(j, "value", json_object_new_int64(l->limit));
	return j;
}

int
ag_limits_rate_member(struct ag_call *c, struct json_object *obj, const char *path,
    enum ag_limits_shape shape, bool *out_present, struct json_object **out_norm)
{
	struct json_object *v = NULL, *norm;
	struct ag_limits all = { .n = 0 };
	bool is_array;
	size_t n;

	*out_norm = NULL;
	*out_present = json_object_object_get_ex(obj, path, &v);
	if (!v)
		return 0;
	is_array = json_object_is_type(v, json_type_array);
	n = is_array ? ag_json_len(v) : 1;
	if (shape == AG_LIMITS_ARRAY_OF_ONE && n > 1)
		return ag_call_invalid(c, "%s: at most one limit can be given here", path);
	if (n == 0)
		return 0;
	norm = json_object_new_array();
	for (size_t i = 0; i < n; i++) {
		struct ag_limit l;
		char p[80];

		snprintf(p, sizeof(p), is_array ? "%.40s[%zu]" : "%.40s", path, i);
		if (rate_read(c, is_array ? ag_json_at(v, i) : v, p, &l) < 0 ||
		    add_unique(c, p, &all, &l) < 0) {
			json_object_put(norm);
			return -1;
		}
		json_object_array_add(norm, rate_write(&l));
	}
	*out_norm = norm;
	return 0;
}

/* ---- stored JSON ---- */

/* What was stored was checked on the way in; a call that cannot answer reads it back. */
static int
stored_rows(struct json_object *stored, int (*read)(struct ag_call *, struct json_object *,
    const char *, struct ag_limit *), struct ag_limits *out)
{
	struct ag_call scratch = { 0 };
	bool is_array = json_object_is_type(stored, json_type_array);
	size_t n = !stored ? 0 : is_array ? ag_json_len(stored) : 1;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		struct json_object *one = is_array ? ag_json_at(stored, i) : stored;
		struct ag_limit *l = &out->row[out->n];
		struct json_object *anchor;

		if (out->n == AG_KEY_METERS_MAX)
			return -E2BIG;
		if (read(&scratch, one, "", l) < 0) {
			rc = -EINVAL;
			break;
		}
		if (json_object_object_get_ex(one, "anchor_day", &anchor))
			l->anchor_day = json_object_get_int(anchor);
		out->n++;
	}
	json_object_put(scratch.answer);
	return rc;
}

int
ag_limits_from_stored(struct json_object *usage, struct json_object *rates, struct ag_limits *out)
{
	int rc;

	out->n = 0;
	rc = stored_rows(usage, usage_read, out);
	return rc < 0 ? rc : stored_rows(rates, rate_read, out);
}

/* ---- answers ---- */

/* The meter of a budget: columns of SQL_METERS_OF. */
static const struct ag_meter *
meter_of(struct ag_call *c, const struct ag_limit *l, const PGresult *meters, int64_t scope_id)
{
	const struct ag_shm *shm = c->ctl->ctx->shm;

	for (int i = 0; meters && i < PQntuples(meters); i++) {
		uint32_t ix;

		if (ag_pg_i64(meters, i, 0) != scope_id ||
		    !ag_str_eq(ag_pg_text(meters, i, 2), AG_STR("budget")) ||
		    ag_str_eq(ag_pg_text(meters, i, 3), AG_STR("nusd")) != (l->unit == AG_UNIT_NUSD) ||
		    ag_metertab_find(shm, ag_pg_i64(meters, i, 1), &ix) < 0)
			continue;
		if (ag_a32_get(&shm->meters[ix].period_kind) == (uint32_t)l->period_kind &&
		    (l->period_kind != AG_PERIOD_DAYS ||
		    ag_meter_period_days(&shm->meters[ix]) == l->period_days))
			return &shm->meters[ix];
	}
	return NULL;
}

static bool
decorate_one(struct ag_call *c, struct json_object *one, const PGresult *meters, int64_t scope_id)
{
	struct ag_call scratch = { 0 };
	const struct ag_meter *m;
	struct ag_meter_state st = { 0 };
	char when[AG_ISO8601_LEN];
	struct ag_limit l;
	bool is_exhausted;

	if (usage_read(&scratch, one, "", &l) < 0) {
		json_object_put(scratch.answer);
		return false;
	}
	st.limit = st.remaining = l.limit;
	st.resets_at_us = INT64_MAX;
	m = meter_of(c, &l, meters, scope_id);
	if (m)
		ag_meter_read(m, 0, ag_clock_wall_us(), &st);
	is_exhausted = m && ag_budget_is_exhausted(m, &st);
	json_object_object_del(one, "anchor_day");
	json_object_object_add(one, "current_usage", exact_number(st.settled, unit_scale(l.unit)));
	json_object_object_add(one, "held", exact_number(st.held, unit_scale(l.unit)));
	json_object_object_add(one, "remaining", l.limit == INT64_MAX
	    ? NULL : exact_number(st.remaining, unit_scale(l.unit)));
	if (m && st.resets_at_us != INT64_MAX) {
		ag_clock_iso8601(st.resets_at_us, when);
		json_object_object_add(one, "next_usage_reset_at", json_object_new_string(when));
	} else {
		json_object_object_add(one, "next_usage_reset_at", NULL);
	}
	json_object_object_add(one, "status",
	    json_object_new_string(is_exhausted ? "exhausted" : "active"));
	ag_limits_add_mode(one, c->ctl->ctx->shm, m ? (uint32_t)(m - c->ctl->ctx->shm->meters) : AG_NONE_IX,
	    l.enforcement, l.on_exhaust, l.unit);
	return is_exhausted && l.enforcement != AG_ENFORCE_SHADOW;
}

bool
ag_limits_decorate(struct ag_call *c, struct json_object *obj, const PGresult *meters,
    int64_t scope_id)
{
	struct json_object *v;
	bool is_exhausted = false;

	if (!json_object_object_get_ex(obj, "usage_limits", &v) || !v)
		return false;
	if (!json_object_is_type(v, json_type_array))
		return decorate_one(c, v, meters, scope_id);
	for (size_t i = 0; i < ag_json_len(v); i++)
		if (decorate_one(c, ag_json_at(v, i), meters, scope_id))
			is_exhausted = true;
	return is_exhausted;
}
