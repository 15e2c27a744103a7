#include <errno.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/num.h"
#include "control/exports.h"
#include "control/field.h"
#include "control/sql_logs.h"

#define SPAN_US     (30 * AG_US_PER_DAY)
#define SPAN_MAX_US (93 * AG_US_PER_DAY)
#define FIELDS_MAX  32

static const struct { const char *name, *sql; } fields[] = {
	{ "id", "x.uuid" },
	{ "trace_id", "x.trace_id" },
	{ "created_at", SQL_TIME("x.at") },
	{ "request", SQL_LOG_REQUEST },
	{ "response", SQL_LOG_RESPONSE },
	{ "is_success", "x.is_success" },
	{ "ai_org", "x.org" },
	{ "ai_model", "x.model" },
	{ "req_units", "x.tin" },
	{ "res_units", "x.tout" },
	{ "total_units", "x.tin + x.tout" },
	{ "request_url", "x.url" },
	{ "cost", SQL_LOG_CENTS },
	{ "cost_currency", "'USD'::text" },
	{ "response_time", "x.ms" },
	{ "response_status_code", "x.code" },
	{ "mode", "'single'::text" },
	{ "config", SQL_CONFIG_SLUG("x.config_id") },
	{ "prompt_slug", "null::text" },
	{ "metadata", "x.metadata" },
};

#define ITEMS "regexp_split_to_array(trim($%d), '\\s*,\\s*')"
#define SCORE "(select avg(fb.value * fb.weight) from aigate.feedback fb where fb.workspace_id = x.workspace_id" \
	" and fb.trace_id = x.trace_id)"

/* is_list: a text, a number or an array of them; else a number with `scale` decimals. */
static const struct filter {
	const char *name;
	bool is_list;
	int scale;
	const char *where;
} filters[] = {
	{ "total_units_min", false, 0, " and x.tin + x.tout >= $%d::bigint" },
	{ "total_units_max", false, 0, " and x.tin + x.tout <= $%d::bigint" },
	{ "prompt_token_min", false, 0, " and x.tin >= $%d::bigint" },
	{ "prompt_token_max", false, 0, " and x.tin <= $%d::bigint" },
	{ "completion_token_min", false, 0, " and x.tout >= $%d::bigint" },
	{ "completion_token_max", false, 0, " and x.tout <= $%d::bigint" },
	{ "cost_min", false, 7, " and x.cost >= $%d::bigint" },
	{ "cost_max", false, 7, " and x.cost <= $%d::bigint" },
	{ "weighted_feedback_min", false, 3, " and " SCORE " >= $%d::bigint / 1000::numeric" },
	{ "weighted_feedback_max", false, 3, " and " SCORE " <= $%d::bigint / 1000::numeric" },
	{ "ai_model", true, 0, " and x.model = any (" ITEMS ")" },
	{ "ai_org_model", true, 0, " and x.org || '__' || x.model = any (" ITEMS ")" },
	{ "status_code", true, 0, " and x.code::text = any (" ITEMS ")" },
	{ "virtual_keys", true, 0, " and x.provider = any (" ITEMS ")" },
	{ "api_key_ids", true, 0, " and x.api_key_id = any (array(select id from aigate.api_key"
	  " where organisation_id = $1 and uuid::text = any (" ITEMS ")))" },
	{ "configs", true, 0, " and x.config_id = any (" SQL_CONFIGS_NAMED ")" },
	{ "trace_id", true, 0, " and x.trace_id = any (" ITEMS ")" },
	{ "span_id", true, 0, " and x.span_id = any (" ITEMS ")" },
};

/* Members of filters that are read elsewhere. */
static const char *const others[] = { "time_of_generation_min", "time_of_generation_max", "metadata",
	"workspace_slug", "page_size", "current_page" };

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

static const char *
text_of(struct json_object *v)
{
	return json_object_is_type(v, json_type_string) ? json_object_get_string(v)
	                                                : json_object_to_json_string(v);
}

static bool
is_scalar(struct json_object *v)
{
	return json_object_is_type(v, json_type_string) || json_object_is_type(v, json_type_int) ||
	    json_object_is_type(v, json_type_double);
}

static int
add_list(const struct filter *f, struct json_object *v, struct ag_ask *a, struct ag_err *err)
{
	bool is_array = json_object_is_type(v, json_type_array);
	size_t n = is_array ? ag_json_len(v) : 1;
	struct ag_buf text;
	int rc = 0;

	ag_buf_init(&text, 64u << 10);
	for (size_t i = 0; i < n; i++) {
		struct json_object *item = is_array ? ag_json_at(v, i) : v;

		if (!is_scalar(item))
			rc = ag_err_set(err, -EINVAL, "filters.%s: must be a string or an array of strings", f->name);
		else
			ag_buf_printf(&text, "%s%s", i > 0 ? "," : "", text_of(item));
	}
	if (rc == 0 && text.failed)
		rc = ag_err_set(err, -EINVAL, "filters.%s: is too long", f->name);
	if (rc == 0 && text.n > 0)
		put_where(a, f->where, ag_ask_keep(a, ag_buf_str(&text)));
	ag_buf_fini(&text);
	return rc;
}

static int
add_number(const struct filter *f, struct json_object *v, struct ag_ask *a, struct ag_err *err)
{
	int64_t value;

	if (!is_scalar(v) || ag_parse_decimal(ag_str(text_of(v)), f->scale, INT64_MAX, &value) < 0)
		return ag_err_set(err, -EINVAL, "filters.%s: must be a number, not \"%.40s\"", f->name, text_of(v));
	put_where(a, f->where, ag_ask_i64(a, value));
	return 0;
}

static int
add_metadata(struct json_object *v, struct ag_ask *a, struct ag_err *err)
{
	const char *text;

	if (!json_object_is_type(v, json_type_object))
		return ag_err_set(err, -EINVAL, "filters.metadata: must be an object of strings");
	text = json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN);
	put_where(a, " and not exists (select from jsonb_each($%d::jsonb) m(k, v) where case"
	    " when jsonb_typeof(m.v) = 'array' then coalesce(not m.v ? (x.metadata ->> m.k), true)"
	    " else x.metadata ->> m.k is distinct from m.v #>> '{}' end)", ag_ask_keep(a, ag_str(text)));
	return 0;
}

static bool
is_among(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static int
add_filter(const char *name, struct json_object *v, struct ag_ask *a, struct ag_err *err)
{
	if (!v)
		return 0;
	if (strcmp(name, "metadata") == 0)
		return add_metadata(v, a, err);
	for (size_t i = 0; i < AG_ARRAY_LEN(filters); i++)
		if (strcmp(filters[i].name, name) == 0)
			return filters[i].is_list ? add_list(&filters[i], v, a, err)
			                          : add_number(&filters[i], v, a, err);
	if (strcmp(name, "prompt_slug") == 0)
		return ag_err_set(err, -EINVAL, "filters.prompt_slug: this gateway has no prompts; leave it out");
	if (!is_among(name, others, AG_ARRAY_LEN(others)))
		return ag_err_set(err, -EINVAL, "filters.%.64s: there is no such filter", name);
	return 0;
}

static int
read_time(const struct ag_export_query *q, const char *name, int64_t *io_us, struct ag_err *err)
{
	struct json_object *v;

	if (!json_object_object_get_ex(q->filters, name, &v) || !v)
		return 0;
	if (!json_object_is_type(v, json_type_string) ||
	    ag_parse_time(ag_str(json_object_get_string(v)), io_us) < 0)
		return ag_err_set(err, -EINVAL, "filters.%s: must be an ISO 8601 time, not \"%.40s\"", name,
		    text_of(v));
	return 0;
}

static int
add_span(const struct ag_export_query *q, struct ag_ask *a, struct ag_err *err)
{
	int64_t min, max = q->now_us;

	if (read_time(q, "time_of_generation_max", &max, err) < 0)
		return -EINVAL;
	min = max - SPAN_US;
	if (read_time(q, "time_of_generation_min", &min, err) < 0)
		return -EINVAL;
	if (min > max)
		return ag_err_set(err, -EINVAL,
		    "filters.time_of_generation_min: must not be after time_of_generation_max");
	if (max - min > SPAN_MAX_US)
		return ag_err_set(err, -EINVAL,
		    "filters.time_of_generation_max: must be at most 93 days after time_of_generation_min");
	put_where(a, " and x.at >= " SQL_US("$%d"), ag_ask_i64(a, min));
	put_where(a, " and x.at < " SQL_US("$%d"), ag_ask_i64(a, max));
	return 0;
}

static int
read_count(const struct ag_export_query *q, const char *name, int64_t min, int64_t max, int64_t *io,
    struct ag_err *err)
{
	struct json_object *v;

	if (!json_object_object_get_ex(q->filters, name, &v) || !v)
		return 0;
	if (ag_parse_i64(ag_str(text_of(v)), min, max, io) < 0)
		return ag_err_set(err, -EINVAL, "filters.%s: must be from %lld to %lld, not \"%.40s\"", name,
		    (long long)min, (long long)max, text_of(v));
	return 0;
}

static int
add_fields(const struct ag_export_query *q, struct ag_ask *a, struct ag_err *err)
{
	size_t n = ag_json_len(q->fields);

	if (n < 1 || n > FIELDS_MAX)
		return ag_err_set(err, -EINVAL, "requested_data: must name 1 to %d fields", FIELDS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct json_object *v = ag_json_at(q->fields, i);
		const char *sql = NULL;

		for (size_t k = 0; k < AG_ARRAY_LEN(fields); k++)
			if (strcmp(fields[k].name, text_of(v)) == 0)
				sql = fields[k].sql;
		if (!sql)
			return ag_err_set(err, -EINVAL, "requested_data: there is no field \"%.64s\"", text_of(v));
		if (q->format == AG_EXPORT_CSV)
			ag_buf_printf(&a->sql, "%s(%s)::text as \"%s\"", i > 0 ? ", " : "", sql, text_of(v));
		else
			ag_buf_printf(&a->sql, "%s'%s', %s", i > 0 ? ", " : "json_build_object(", text_of(v), sql);
	}
	if (q->format == AG_EXPORT_JSONL)
		ag_buf_puts(&a->sql, ")::text");
	return 0;
}

int
ag_export_ask(const struct ag_export_query *q, bool is_count, struct ag_ask *a, struct ag_err *err)
{
	int64_t size = AG_EXPORT_ROWS_MAX, page = 0;

	if (read_count(q, "page_size", 1, AG_EXPORT_ROWS_MAX, &size, err) < 0 ||
	    read_count(q, "current_page", 0, 1000000, &page, err) < 0)
		return -EINVAL;
	ag_ask_i64(a, q->org_id);
	ag_ask_i64(a, q->workspace_id);
	ag_buf_puts(&a->sql, is_count ? "select to_json(count(*)) from (select 1 as " : "select ");
	if (is_count)
		ag_buf_puts(&a->sql, "one");
	else if (add_fields(q, a, err) < 0)
		return -EINVAL;
	ag_buf_puts(&a->sql, " from " SQL_LOGS " where x.organisation_id = $1 and x.workspace_id = $2");
	if (q->only_person)
		put_where(a, " and " SQL_LOG_OF_PERSON("$%d"), ag_ask_i64(a, q->only_person));
	if (add_span(q, a, err) < 0)
		return -EINVAL;
	ag_json_foreach(q->filters, name, value)
		if (add_filter(name, value, a, err) < 0)
			return -EINVAL;
	/* A count needs no order, a file always the same. */
	ag_buf_printf(&a->sql, "%s limit $%d", is_count ? "" : " order by x.at, x.uuid", ag_ask_i64(a, size));
	ag_buf_printf(&a->sql, " offset $%d%s", ag_ask_i64(a, page * size), is_count ? ") y" : "");
	return a->sql.failed ? ag_err_set(err, -EINVAL, "filters: are too long") : 0;
}
