#include "control/analytics.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/num.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/sql_analytics.h"

#define SPAN_MAX      (400 * AG_US_PER_DAY)
#define SPAN_RAW_MAX  (93 * AG_US_PER_DAY)
#define METADATA_KEYS 8
#define CENTS_SCALE   7     /* a cent is 10^7 nano-dollars */
#define AMOUNT_MAX    INT64_C(4000000000000000000)

/* ---- time ---- */

/* "+05:30" at the end of an ISO 8601 time, in seconds; 0 where there is none. */
static int64_t
zone_of(const char *v)
{
	const char *t = strpbrk(v, "Tt ");
	const char *sign = t ? strpbrk(t, "+-") : NULL;
	uint64_t h = 0, m = 0;

	if (!sign || ag_parse_u64(ag_str_n(sign + 1, 2), 14, &h) < 0)
		return 0;
	t = sign + 3 + (sign[3] == ':');
	if (*t && ag_parse_u64(ag_str_n(t, strlen(t) < 2 ? strlen(t) : 2), 59, &m) < 0)
		m = 0;
	return (*sign == '-' ? -1 : 1) * (int64_t)(h * 3600 + m * 60);
}

static int
read_time(struct ag_call *c, const char *name, int64_t *out_us)
{
	const char *v = ag_call_query(c, name);

	if (!v)
		return ag_call_invalid(c, "%s: is required", name);
	/* "+" of a zone that nobody encoded has become a blank. */
	if (ag_parse_time(ag_str(v), out_us) < 0)
		return ag_call_invalid(c, "%s: must be an ISO 8601 time such as 2026-11-01T00:00:00Z, not"
		    " \"%.40s\"", name, v);
	return 0;
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int
read_span(struct ag_call *c, struct ag_report *r)
{
	int64_t span;

	if (read_time(c, "time_of_generation_min", &r->min_us) < 0 ||
	    read_time(c, "time_of_generation_max", &r->max_us) < 0)
		return -1;
	if (r->min_us > r->max_us)
		return ag_call_invalid(c, "time_of_generation_min: must not be after time_of_generation_max");
	span = r->max_us - r->min_us;
	if (span > SPAN_MAX)
		return ag_call_invalid(c, "time_of_generation_max: must be at most 400 days after"
		    " time_of_generation_min");
	r->zone_s = zone_of(ag_call_query(c, "time_of_generation_min"));
	r->width_s = span <= 2 * AG_US_PER_HOUR ? 60 : span <= 7 * AG_US_PER_DAY ? 3600 : 86400;
	r->first = floor_div(floor_div(r->min_us, AG_US_PER_SEC) + r->zone_s, r->width_s);
	r->last = floor_div(floor_div(r->max_us - 1, AG_US_PER_SEC) + r->zone_s, r->width_s);
	return 0;
}

/* ---- filters ---- */

/* A filter and its condition on a row l of the ledger; the parameter stands for %d. */
struct bound {
	const char *name;
	int64_t min, max;  /* of the value */
	int scale;         /* decimals of the value as it is given */
	const char *where;
};

#define FEEDBACK_OF_ROW                                                                      \
	"(select avg(fb.value * fb.weight) from aigate.feedback fb where fb.workspace_id = l.workspace_id" \
	" and fb.trace_id = l.trace_id)"

static const struct bound bounds[] = {
	{ "total_units_min", 0, INT64_MAX, 0, " and " SQL_TOKENS_IN " + l.output_total >= $%d::bigint" },
	{ "total_units_max", 0, INT64_MAX, 0, " and " SQL_TOKENS_IN " + l.output_total <= $%d::bigint" },
	{ "prompt_token_min", 0, INT64_MAX, 0, " and " SQL_TOKENS_IN " >= $%d::bigint" },
	{ "prompt_token_max", 0, INT64_MAX, 0, " and " SQL_TOKENS_IN " <= $%d::bigint" },
	{ "completion_token_min", 0, INT64_MAX, 0, " and l.output_total >= $%d::bigint" },
	{ "completion_token_max", 0, INT64_MAX, 0, " and l.output_total <= $%d::bigint" },
	{ "cost_min", 0, AMOUNT_MAX, CENTS_SCALE, " and l.cost_nusd >= $%d::bigint" },
	{ "cost_max", 0, AMOUNT_MAX, CENTS_SCALE, " and l.cost_nusd <= $%d::bigint" },
	{ "weighted_feedback_min", -10000, 10000, 3,
	  " and " FEEDBACK_OF_ROW " >= $%d::bigint / 1000::numeric" },
	{ "weighted_feedback_max", -10000, 10000, 3,
	  " and " FEEDBACK_OF_ROW " <= $%d::bigint / 1000::numeric" },
};

/* The where text with the number of its parameter. */
static void
put_where(struct ag_ask *a, const char *where, int n)
{
	const char *at;

	for (; (at = strstr(where, "%d")) != NULL; where = at + 2) {
		ag_buf_put(&a->sql, where, (size_t)(at - where));
		ag_buf_put_i64(&a->sql, n);
	}
	ag_buf_puts(&a->sql, where);
}

static int
read_bound(struct ag_call *c, const struct bound *b, const char *v, int64_t *out)
{
	int64_t value;

	if (ag_parse_decimal(ag_str(v), b->scale, INT64_MAX, &value) < 0)
		return ag_call_invalid(c, "%s: must be a number, not \"%.40s\"", b->name, v);
	if (value < b->min || value > b->max)
		return ag_call_invalid(c, "%s: %.40s is out of range", b->name, v);
	*out = value;
	return 0;
}

static int
add_bounds(struct ag_call *c, struct ag_report *r)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(bounds); i++) {
		const char *v = ag_call_query(c, bounds[i].name);
		int64_t value = 0;

		if (!v)
			continue;
		if (read_bound(c, &bounds[i], v, &value) < 0)
			return -1;
		put_where(r->ask, bounds[i].where, ag_ask_i64(r->ask, value));
	}
	return 0;
}

/* Each item of a comma list, blanks around it left out. */
static bool
each_item(const char *v, bool (*is_good)(struct ag_str item))
{
	struct ag_str rest = ag_str(v);

	for (;;) {
		const char *comma = memchr(rest.p, ',', rest.n);
		struct ag_str item = ag_str_trim(ag_str_n(rest.p, comma ? (size_t)(comma - rest.p) : rest.n));

		if (!is_good(item))
			return false;
		if (!comma)
			return true;
		rest = ag_str_skip(rest, (size_t)(comma - rest.p) + 1);
	}
}

static bool
is_status(struct ag_str item)
{
	uint64_t v;

	return ag_parse_u64(item, 599, &v) == 0 && v >= 100;
}

static bool
is_uuid(struct ag_str item)
{
	for (size_t i = 0; i < item.n; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? item.p[i] != '-'
		    : !strchr("0123456789abcdefABCDEF", item.p[i]) || !item.p[i])
			return false;
	return item.n == 36;
}

static bool
is_org_model(struct ag_str item)
{
	return memmem(item.p, item.n, "__", 2) != NULL;
}

static bool
is_named(struct ag_str item)
{
	return item.n > 0;
}

static bool
is_cache_status(struct ag_str item)
{
	static const char *const names[] = { "hit", "simple", "semantic", "semantic hit", "miss",
		"semantic miss", "refresh", "disabled" };

	for (size_t i = 0; i < AG_ARRAY_LEN(names); i++)
		if (ag_str_ieq(item, ag_str(names[i])))
			return true;
	return false;
}

/* Lists: %d is a text that PostgreSQL takes apart.  is_raw: the roll-up does not know it. */
static const struct listed {
	const char *name;
	bool (*is_good)(struct ag_str item);
	const char *must_be;
	bool is_raw;
	const char *where;
} lists[] = {
	{ "status_code", is_status, "HTTP statuses", true,
	  " and " SQL_CODE " = any (" SQL_ITEMS "::int[])" },
	{ "virtual_keys", is_named, "slugs of providers", true, " and l.provider_slug = any (" SQL_ITEMS ")" },
	{ "configs", is_named, "slugs or ids of configs", true, " and l.config_id = any (" SQL_CONFIGS_NAMED ")" },
	{ "trace_id", is_named, "traces", true, " and l.trace_id = any (" SQL_ITEMS ")" },
	{ "span_id", is_named, "spans", true, " and l.span_id = any (" SQL_ITEMS ")" },
	{ "cache_status", is_cache_status, "hit, semantic hit, miss, disabled", true,
	  " and (case l.cache_status when 0 then 'miss' when 2 then 'semantic hit' else 'hit' end) = any"
	  " (array(select case when x in ('hit', 'simple') then 'hit' when x in ('semantic', 'semantic hit')"
	  " then 'semantic hit' else 'miss' end from unnest(" SQL_ITEMS ") i(y), lower(y) x))" },
	{ "api_key_ids", is_uuid, "ids of API keys", false,
	  " and l.api_key_id = any (array(select id from aigate.api_key where organisation_id = $1"
	  " and uuid = any (" SQL_ITEMS "::uuid[])))" },
	{ "ai_org_model", is_org_model, "of the form provider__model", false,
	  " and l.family || '__' || " SQL_MODEL " = any (" SQL_ITEMS ")" },
};

/* The same condition on rows of the roll-up, whose model is one column. */
#define ROLLUP_ORG_MODEL " and l.family || '__' || l.model = any (" SQL_ITEMS ")"

static int
check_lists(struct ag_call *c, struct ag_report *r)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(lists); i++) {
		const char *v = ag_call_query(c, lists[i].name);

		if (v && !each_item(v, lists[i].is_good))
			return ag_call_invalid(c, "%s: must be %s, separated by commas, not \"%.80s\"",
			    lists[i].name, lists[i].must_be, v);
		r->is_raw = r->is_raw || (v && lists[i].is_raw);
	}
	for (size_t i = 0; i < AG_ARRAY_LEN(bounds); i++)
		r->is_raw = r->is_raw || ag_call_query(c, bounds[i].name);
	r->is_raw = r->is_raw || ag_call_query(c, "metadata");
	if (ag_call_query(c, "prompt_slug"))
		return ag_call_invalid(c, "prompt_slug: this gateway has no prompts; leave it out");
	return 0;
}

static void
add_lists(struct ag_call *c, struct ag_report *r, bool is_rollup)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(lists); i++) {
		const char *v = ag_call_query(c, lists[i].name);
		bool is_model = lists[i].is_good == is_org_model;

		if (v)
			put_where(r->ask, is_rollup && is_model ? ROLLUP_ORG_MODEL : lists[i].where,
			    ag_ask_text(r->ask, v));
	}
}

/* {"key":"value"}: all must be there; a list as value: one of them. */
static int
add_metadata(struct ag_call *c, struct ag_report *r)
{
	const char *v = ag_call_query(c, "metadata");
	struct json_object *j = v ? json_tokener_parse(v) : NULL;
	int n = 0;

	if (!v)
		return 0;
	if (!json_object_is_type(j, json_type_object) || ag_json_members(j) == 0 ||
	    ag_json_members(j) > METADATA_KEYS) {
		json_object_put(j);
		return ag_call_invalid(c, "metadata: must be a JSON object of 1 to %d strings, not \"%.80s\"",
		    METADATA_KEYS, v);
	}
	ag_json_foreach(j, key, value) {
		(void)key;
		if (json_object_is_type(value, json_type_object))
			n = -1;
	}
	json_object_put(j);
	if (n < 0)
		return ag_call_invalid(c, "metadata: must be a JSON object of strings, not \"%.80s\"", v);
	n = ag_ask_text(r->ask, v);
	put_where(r->ask, " and not exists (select from jsonb_each($%d::jsonb) m(k, v) where case"
	    " when jsonb_typeof(m.v) = 'array' then coalesce(not m.v ? (l.metadata ->> m.k), true)"
	    " else l.metadata ->> m.k is distinct from m.v #>> '{}' end)", n);
	return 0;
}

/* ---- rows ---- */

static void
put_scope(struct ag_report *r)
{
	/* $1 is the organisation, $2 the workspace where there is one. */
	ag_buf_puts(&r->ask->sql, " where l.organisation_id = $1");
	if (r->workspace_id)
		ag_buf_puts(&r->ask->sql, " and l.workspace_id = $2");
	if (r->only_person)
		ag_buf_printf(&r->ask->sql, " and l.api_key_id in (select id from aigate.api_key"
		    " where user_id = $%d)", ag_ask_i64(r->ask, r->only_person));
}

static void
put_between(struct ag_report *r, const char *column, int64_t from_us, int64_t to_us)
{
	ag_buf_printf(&r->ask->sql, "%s >= " SQL_US("$%d"), column, ag_ask_i64(r->ask, from_us));
	ag_buf_printf(&r->ask->sql, " and %s < " SQL_US("$%d"), column, ag_ask_i64(r->ask, to_us));
}

static void
put_bucket(struct ag_report *r, const char *column)
{
	ag_buf_printf(&r->ask->sql, "select floor((date_part('epoch', %s) + %lld) / %lld)::bigint as n, ",
	    column, (long long)r->zone_s, (long long)r->width_s);
}

static int
put_filters(struct ag_call *c, struct ag_report *r)
{
	add_lists(c, r, false);
	return add_bounds(c, r) < 0 || add_metadata(c, r) < 0 ? -1 : 0;
}

/* Everything about each attempt.  Not materialized: to read rows twice for the columns needed costs a
 * fraction of writing all columns away. */
static int
put_raw(struct ag_call *c, struct ag_report *r)
{
	ag_buf_puts(&r->ask->sql, "with s as not materialized (");
	put_bucket(r, "l.received_at");
	ag_buf_puts(&r->ask->sql, SQL_RAW_COLUMNS);
	if (r->metadata_key)
		ag_buf_printf(&r->ask->sql, ", l.metadata ->> $%d as mkey", ag_ask_text(r->ask, r->metadata_key));
	ag_buf_puts(&r->ask->sql, " from aigate.ledger l");
	put_scope(r);
	ag_buf_puts(&r->ask->sql, " and ");
	put_between(r, "l.received_at", r->min_us, r->max_us);
	if (put_filters(c, r) < 0)
		return -1;
	ag_buf_puts(&r->ask->sql, ")");
	return 0;
}

/* Whole hours from the roll-up, the rest from the ledger. */
static int
put_sums(struct ag_call *c, struct ag_report *r)
{
	int64_t from = -floor_div(-r->min_us, AG_US_PER_HOUR) * AG_US_PER_HOUR;
	int64_t to = floor_div(r->max_us, AG_US_PER_HOUR) * AG_US_PER_HOUR;

	ag_buf_puts(&r->ask->sql, "with s as not materialized (");
	put_bucket(r, "l.hour");
	ag_buf_puts(&r->ask->sql, SQL_SUM_COLUMNS " from aigate.usage_hour l");
	put_scope(r);
	ag_buf_puts(&r->ask->sql, " and ");
	put_between(r, "l.hour", from, to);
	add_lists(c, r, true);
	ag_buf_puts(&r->ask->sql, " union all ");
	put_bucket(r, "l.received_at");
	ag_buf_puts(&r->ask->sql, SQL_EDGE_COLUMNS " from aigate.ledger l");
	put_scope(r);
	ag_buf_puts(&r->ask->sql, " and ((");
	put_between(r, "l.received_at", r->min_us, from);
	ag_buf_puts(&r->ask->sql, ") or (");
	put_between(r, "l.received_at", to, r->max_us);
	ag_buf_puts(&r->ask->sql, "))");
	if (put_filters(c, r) < 0)
		return -1;
	ag_buf_puts(&r->ask->sql, ")");
	return 0;
}

static int
find_workspace(struct ag_call *c, enum ag_report_scope scope, struct ag_report *r)
{
	const char *slug = ag_call_query(c, "workspace_slug");
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	if (ag_workspace_resolve(c, slug, false, &r->workspace_id) < 0)
		return -1;
	if (r->workspace_id || scope == AG_REPORT_ORGANISATION)
		return 0;
	ag_pg_arg_i64(&a, c->actor.org_id);
	res = ag_call_sql(c, SQL_WORKSPACE_DEFAULT, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_invalid(c, "workspace_slug: is required with an admin key");
	r->workspace_id = ag_pg_i64(res, 0, 0);
	return 0;
}

int
ag_report_begin(struct ag_call *c, enum ag_report_scope scope, bool may_sum,
    const char *metadata_key, struct ag_report *out)
{
	struct ag_report r = { .is_raw = !may_sum, .metadata_key = metadata_key,
		.only_person = ag_security_only_person(c) };
	int rc;

	if (read_span(c, &r) < 0 || check_lists(c, &r) < 0 || find_workspace(c, scope, &r) < 0)
		return -1;
	/* Hours that do not begin where the buckets do, and too little of them. */
	if (r.zone_s % 3600 != 0 || r.width_s < 3600 || r.max_us - r.min_us < 2 * AG_US_PER_HOUR)
		r.is_raw = true;
	if (r.is_raw && r.max_us - r.min_us > SPAN_RAW_MAX)
		return ag_call_invalid(c, "time_of_generation_max: must be at most 93 days after"
		    " time_of_generation_min for this report and these filters");
	if (!(r.ask = ag_ask_new()))
		return ag_call_fail(c, 500, "AB04", "out of memory");
	ag_ask_i64(r.ask, c->actor.org_id);
	if (r.workspace_id)
		ag_ask_i64(r.ask, r.workspace_id);
	rc = r.is_raw ? put_raw(c, &r) : put_sums(c, &r);
	if (rc < 0) {
		ag_ask_free(r.ask);
		return -1;
	}
	*out = r;
	return 0;
}
