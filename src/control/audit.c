/* audit.c - who changed what: written with the change, read back by GET /v1/audit-logs.
 *
 * Rows are only ever added, in the transaction of what they tell of; the database refuses anything
 * else, whoever tries.  Calls that were refused changed nothing and leave none. */
#include "base/num.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/mask.h"
#include "control/reader.h"
#include "control/sql_audit.h"

#define PAGE_MAX 100

static void
arg_id(struct ag_pg_args *a, int64_t id)
{
	if (id)
		ag_pg_arg_i64(a, id);
	else
		ag_pg_arg_text(a, NULL);
}

int
ag_call_audit(struct ag_call *c, const char *action, const char *object_kind,
    const char *object_uuid, struct json_object *before, struct json_object *after)
{
	struct json_object *was = ag_mask_json(before), *is = ag_mask_json(after);
	struct json_object *headers = ag_mask_headers(c->headers), *body = ag_mask_json(c->body);
	const char *mark = strchr(c->uri, '?');
	struct ag_pg_args a = { 0 };
	PGresult *res;

	arg_id(&a, c->actor.org_id);
	ag_pg_arg_text(&a, c->actor.is_operator ? "operator" : c->actor.person_id ? "user"
	    : c->actor.key_id ? "api_key" : "system");
	arg_id(&a, c->actor.key_id ? c->actor.key_id : c->actor.person_id);
	ag_pg_arg_text(&a, action);
	ag_pg_arg_text(&a, object_kind);
	ag_pg_arg_text(&a, object_uuid);
	ag_pg_arg_text(&a, c->method);
	ag_pg_arg_text(&a, c->uri);
	ag_pg_arg_text(&a, c->client_ip[0] ? c->client_ip : NULL);
	ag_pg_arg_text(&a, c->trace_id);
	ag_pg_arg_json(&a, was);
	ag_pg_arg_json(&a, is);
	ag_pg_arg_i64(&a, c->actor.workspace_id);
	ag_pg_arg_text(&a, mark && mark[1] ? mark + 1 : NULL);
	ag_pg_arg_json(&a, headers);
	ag_pg_arg_json(&a, body);
	res = ag_call_sql(c, SQL_AUDIT, &a);
	PQclear(res);
	json_object_put(was);
	json_object_put(is);
	json_object_put(headers);
	json_object_put(body);
	return res ? 0 : -1;
}

/* ---- reading ---- */

/* Filters that compare a column with a text as it is. */
static const struct {
	const char *name;
	const char *where; /* %d: the number of the parameter */
} filters[] = {
	{ "method", " and a.method = upper($%d)" },
	{ "uri", " and position($%d in a.uri) > 0" },
	{ "request_id", " and a.request_id = $%d" },
	{ "user_type", " and a.actor_kind = $%d" },
	{ "user_id", " and ((a.actor_kind = 'api_key' and a.actor_id = (select id from aigate.api_key"
	  " where uuid::text = lower($%1$d))) or (a.actor_kind = 'user' and a.actor_id = (select id"
	  " from aigate.app_user where uuid::text = lower($%1$d))))" },
	{ "workspace_id", " and a.workspace_id = (select id from aigate.workspace w where"
	  " w.organisation_id = a.organisation_id and (w.uuid::text = lower($%1$d) or w.slug = $%1$d))" },
	{ "resource_type", " and a.object_kind = $%d" },
	{ "resource_id", " and a.object_uuid::text = lower($%d)" },
	{ "action", " and a.action = $%d" },
	{ "client_ip", " and a.client_ip = $%d" },
	{ "country", " and $%d = ''" }, /* nobody tells us countries: nothing has one */
};

static int
check_choice(struct ag_call *c, const char *name, const char *const *choices, const char *text)
{
	const char *v = ag_call_query(c, name);

	for (; v && *choices; choices++)
		if (strcasecmp(v, *choices) == 0)
			return 0;
	return v ? ag_call_invalid(c, "%s: must be %s, not \"%.40s\"", name, text, v) : 0;
}

static int
need_time(struct ag_call *c, const char *name, int64_t *out_us)
{
	const char *v = ag_call_query(c, name);

	if (!v)
		return ag_call_invalid(c, "%s: is required", name);
	if (ag_parse_time(ag_str(v), out_us) < 0)
		return ag_call_invalid(c, "%s: must be an ISO 8601 time, not \"%.40s\"", name, v);
	return 0;
}

/* The caller's own organisation, by uuid or slug; nothing tells that others are there. */
static int
check_organisation(struct ag_call *c)
{
	const char *name = ag_call_query(c, "organisation_id");
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	if (!name)
		return 0;
	ag_pg_arg_text(&a, name);
	res = ag_call_sql(c, SQL_ORG_FIND, &a);
	if (!res)
		return -1;
	if (PQntuples(res) != 1 || ag_pg_i64(res, 0, 0) != c->actor.org_id)
		return ag_call_fail(c, 403, "AB03", "organisation_id: belongs to somebody else");
	return 0;
}

static int
add_filters(struct ag_call *c, struct ag_ask *a)
{
	static const char *const methods[] = { "POST", "PUT", "DELETE", NULL };
	static const char *const types[] = { "user", "api_key", "operator", "system", NULL };
	const char *v;
	int64_t status;

	if (check_choice(c, "method", methods, "POST, PUT or DELETE") < 0 ||
	    check_choice(c, "user_type", types, "user, api_key, operator or system") < 0)
		return -1;
	for (size_t i = 0; i < AG_ARRAY_LEN(filters); i++) {
		const char *from, *at;
		int n;

		if (!(v = ag_call_query(c, filters[i].name)))
			continue;
		n = ag_ask_text(a, v);
		for (from = filters[i].where; (at = strchr(from, '%')) != NULL; from = at + strcspn(at, "d") + 1) {
			ag_buf_put(&a->sql, from, (size_t)(at - from));
			ag_buf_put_i64(&a->sql, n);
		}
		ag_buf_puts(&a->sql, from);
	}
	v = ag_call_query(c, "response_status_code");
	if (v && ag_parse_i64(ag_str(v), 100, 599, &status) < 0)
		return ag_call_invalid(c, "response_status_code: must be from 100 to 599, not \"%.40s\"", v);
	if (v)
		ag_buf_printf(&a->sql, " and a.response_status = $%d", ag_ask_i64(a, status));
	return 0;
}

static void
answer_list(struct ag_call *c, struct json_object *value)
{
	ag_call_ok(c, value);
}

void
ag_audit_list(struct ag_call *c)
{
	struct ag_ask *a;
	int64_t from, to;
	struct ag_page page;

	if (need_time(c, "start_time", &from) < 0 || need_time(c, "end_time", &to) < 0 ||
	    check_organisation(c) < 0 || ag_call_page(c, PAGE_MAX, &page) < 0)
		return;
	if (from >= to) {
		ag_call_invalid(c, "start_time: must be before end_time");
		return;
	}
	if (page.limit > PAGE_MAX) {
		ag_call_invalid(c, "page_size: must be at most %d", PAGE_MAX);
		return;
	}
	if (!(a = ag_ask_new())) {
		ag_call_fail(c, 500, "AB04", "out of memory");
		return;
	}
	ag_buf_printf(&a->sql, "with f as (select * from aigate.audit_log a where a.organisation_id = $%d",
	    ag_ask_i64(a, c->actor.org_id));
	ag_buf_printf(&a->sql, " and a.at >= timestamptz 'epoch' + $%d::bigint * interval '1 microsecond'",
	    ag_ask_i64(a, from));
	ag_buf_printf(&a->sql, " and a.at < timestamptz 'epoch' + $%d::bigint * interval '1 microsecond'",
	    ag_ask_i64(a, to));
	if (add_filters(c, a) < 0) {
		ag_ask_free(a);
		return;
	}
	ag_buf_printf(&a->sql, "), a as (select * from f order by id desc limit $%d", ag_ask_i64(a, page.limit));
	ag_buf_printf(&a->sql, " offset $%d) select json_build_object('records', coalesce((select json_agg("
	    SQL_AUDIT_OBJECT " order by a.id desc) from a), '[]'), 'total', (select count(*) from f),"
	    " 'object', 'analytics-graph')", ag_ask_i64(a, page.offset));
	ag_call_read(c, a, answer_list);
}
