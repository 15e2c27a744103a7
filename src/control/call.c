#include "control/call.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "control/sql.h"

#undef ag_call_fail
#undef ag_call_invalid
#undef ag_call_not_found

void
ag_call_ok(struct ag_call *c, struct json_object *answer)
{
	assert(c->status == 0);
	c->status = 200;
	c->answer = answer ? answer : json_object_new_object();
}

void
ag_call_ok_file(struct ag_call *c, const struct ag_call_file *file)
{
	ag_call_ok(c, NULL);
	c->file = *file;
}

void
ag_call_defer(struct ag_call *c)
{
	assert(c->status == 0);
	c->is_deferred = true;
	if (c->in_txn)
		ag_pg_rollback(c->ctl->pg);
	c->in_txn = false;
}

static const char *
error_type(int status)
{
	switch (status) {
	case 400: return "invalid_request_error";
	case 401: return "authentication_error";
	case 403: return "permission_error";
	case 404: return "not_found_error";
	case 405: return "method_not_allowed";
	case 409: return "conflict_error";
	case 412: return "precondition_failed";
	case 413: return "request_too_large";
	case 429: return "rate_limit_error";
	case 501: return "not_implemented_error";
	default: return status >= 500 ? "server_error" : "invalid_request_error";
	}
}

struct json_object *
ag_reply_error(int status, const char *code, const char *message)
{
	struct json_object *j = json_object_new_object();
	struct json_object *data = json_object_new_object(), *error = json_object_new_object();

	json_object_object_add(data, "message", json_object_new_string(message));
	json_object_object_add(data, "errorCode", json_object_new_string(code));
	json_object_object_add(error, "message", json_object_new_string(message));
	json_object_object_add(error, "type", json_object_new_string(error_type(status)));
	json_object_object_add(error, "param", NULL);
	json_object_object_add(error, "code", json_object_new_string(code));
	json_object_object_add(j, "success", json_object_new_boolean(0));
	json_object_object_add(j, "data", data);
	json_object_object_add(j, "error", error);
	return j;
}

static int AG_PRINTF(4, 0)
fail(struct ag_call *c, int status, const char *code, const char *fmt, va_list ap)
{
	char text[1024];

	if (c->status != 0)
		return -1; /* the first reason is the reason */
	vsnprintf(text, sizeof(text), fmt, ap);
	c->status = status;
	c->answer = ag_reply_error(status, code, text);
	return -1;
}

int
ag_call_fail(struct ag_call *c, int status, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail(c, status, code, fmt, ap);
	va_end(ap);
	return -1;
}

int
ag_call_invalid(struct ag_call *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail(c, 400, "AB01", fmt, ap);
	va_end(ap);
	return -1;
}

int
ag_call_not_found(struct ag_call *c, const char *kind, const char *name)
{
	return ag_call_fail(c, 404, "AB08", "%s \"%.255s\" not found", kind, name);
}

bool
ag_call_has(const struct ag_call *c, enum ag_scope scope)
{
	return c->actor.is_operator || (ag_scopes_has(c->actor.scopes, scope) &&
	    !ag_security_closes_scope(c->actor.closed, scope));
}

int
ag_call_need(struct ag_call *c, enum ag_scope scope)
{
	const char *closed;

	if (ag_call_has(c, scope))
		return 0;
	closed = ag_security_closes_scope(c->actor.closed, scope);
	if (ag_scopes_has(c->actor.scopes, scope) && closed)
		return ag_call_fail(c, 403, "AB03",
		    "the workspace does not allow %s: security_settings.%s is false",
		    ag_scope_name(scope), closed);
	return ag_call_fail(c, 401, "AB05", "the API key lacks the scope %s", ag_scope_name(scope));
}

/* ---- PostgreSQL ---- */

static int
unavailable(struct ag_call *c)
{
	return ag_call_fail(c, 503, "AB04",
	    "the database is not reachable; nothing was changed, traffic is served on");
}

static void
explain(struct ag_call *c, const struct ag_err *err)
{
	switch (ag_pg_fault(c->ctl->pg)) {
	case AG_PG_LOST:
		ag_warn("%s, answering admin calls with 503", err->text);
		unavailable(c);
		break;
	case AG_PG_CONFLICT:
		if (*ag_pg_constraint(c->ctl->pg))
			ag_call_fail(c, 409, "AB07", "already exists, or still in use (%s)",
			    ag_pg_constraint(c->ctl->pg));
		else
			ag_call_fail(c, c->if_match[0] ? 412 : 409, "AB07",
			    "changed by somebody else at the same time; read it again");
		break;
	case AG_PG_DATA:
		ag_call_invalid(c, "a value cannot be stored: %s", err->text);
		break;
	case AG_PG_OK:
	case AG_PG_FAILED:
		ag_error("admin call failed: %s trace=%s", err->text, c->trace_id);
		ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
		break;
	}
}

PGresult *
ag_call_sql(struct ag_call *c, const char *sql, const struct ag_pg_args *args)
{
	struct ag_err err = { "" };
	PGresult *res;

	int64_t left = c->until_us - ag_clock_mono_us();

	if (c->status != 0)
		return NULL;
	if (left <= 0) {
		ag_call_fail(c, 503, "AB04", "the database is too slow; nothing was changed");
		return NULL;
	}
	ag_pg_set_deadline(c->ctl->pg, left < AG_PG_DEADLINE_US ? left : AG_PG_DEADLINE_US);
	if (!c->in_txn) {
		if (ag_pg_begin(c->ctl->pg, AG_PG_CHANGE, &err) < 0) {
			explain(c, &err);
			return NULL;
		}
		c->in_txn = true;
	}
	res = ag_pg_exec(c->ctl->pg, sql, args, &err);
	if (!res)
		explain(c, &err);
	return res;
}

int
ag_call_json(struct ag_call *c, const char *sql, const struct ag_pg_args *args,
    struct json_object **out)
{
	AG_AUTO(ag_pgres) PGresult *res = ag_call_sql(c, sql, args);

	if (!res)
		return -1;
	*out = NULL;
	if (PQntuples(res) > 0 && !PQgetisnull(res, 0, 0)) {
		*out = json_tokener_parse(PQgetvalue(res, 0, 0));
		if (!*out)
			return ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
	}
	return 0;
}

int
ag_call_commit(struct ag_call *c)
{
	struct ag_err err = { "" };
	PGresult *locked;
	int rc;

	if (c->status != 0)
		return -1;
	assert(c->in_txn);
	if (c->if_match[0] && !c->is_matched)
		return ag_call_fail(c, 412, "AB01", "If-Match: not offered for this call; nothing was changed");
	locked = ag_call_sql(c, SQL_CHANGE_LOCK, NULL);
	PQclear(locked);
	if (!locked)
		return -1;
	c->in_txn = false;
	rc = ag_pg_commit(c->ctl->pg, &err);
	if (rc == -EINPROGRESS) {
		/* The row may stand: what the segment says is settled by loading anew. */
		ag_control_must_load(c->ctl, "a commit was cut off");
		return ag_call_fail(c, 503, "AB04",
		    "the database broke off while committing; whether the change was made is unknown");
	}
	if (rc < 0) {
		explain(c, &err);
		return -1;
	}
	rc = ag_plan_apply(&c->plan, c->ctl, &err);
	if (rc < 0) {
		ag_error("stored but not published: %s trace=%s", err.text, c->trace_id);
		ag_control_must_load(c->ctl, "a change was stored but not published");
		return ag_call_fail(c, 500, "AB04", "stored, but not in force yet: %s", err.text);
	}
	return 0;
}

static const char *
version_of(struct json_object *obj)
{
	struct json_object *v;

	return json_object_object_get_ex(obj, "_version", &v) && v ? json_object_get_string(v) : NULL;
}

void
ag_call_tag(struct ag_call *c, struct json_object *obj)
{
	const char *version = version_of(obj);

	if (version)
		snprintf(c->etag, sizeof(c->etag), "\"%.20s\"", version);
}

int
ag_call_match(struct ag_call *c, struct json_object *before)
{
	const char *version = version_of(before), *p = c->if_match;
	char want[AG_ETAG_LEN];

	if (c->status != 0)
		return -1;
	if (!*p || !version)
		return 0;
	c->is_matched = true;
	snprintf(want, sizeof(want), "\"%.20s\"", version);
	/* A list; a weak one ("W/...") never matches, as the standard says. */
	while (*p) {
		struct ag_str one = ag_str_trim(ag_str_n(p, strcspn(p, ",")));

		if (ag_str_eq(one, AG_STR("*")) || ag_str_eq(one, ag_str(want)))
			return 0;
		p += strcspn(p, ",");
		p += *p == ',';
	}
	return ag_call_fail(c, 412, "AB07", "If-Match: the object is at version %s, changed by somebody else; "
	    "read it again", want);
}

void
ag_call_strip(struct json_object *obj)
{
	const char *inner[16];
	size_t n = 0;

	ag_json_foreach(obj, name, value) {
		(void)value;
		if (name[0] == '_' && n < AG_ARRAY_LEN(inner))
			inner[n++] = name;
	}
	while (n > 0)
		json_object_object_del(obj, inner[--n]);
}

/* ---- query ---- */

const char *
ag_call_query(struct ag_call *c, const char *name)
{
	const char *v = evhttp_find_header(c->query, name);

	return v && *v ? v : NULL;
}

static int
query_i64(struct ag_call *c, const char *name, const char *other_name, int64_t max, int64_t *io)
{
	const char *v = ag_call_query(c, name);

	if (!v)
		v = ag_call_query(c, other_name);
	if (v && ag_parse_i64(ag_str(v), 0, max, io) < 0)
		return ag_call_invalid(c, "%s: must be an integer from 0 to %lld, not \"%.40s\"", name,
		    (long long)max, v);
	return 0;
}

int
ag_call_page(struct ag_call *c, int64_t default_size, struct ag_page *out)
{
	int64_t size = default_size, page = 0;

	if (query_i64(c, "page_size", "pageSize", INT32_MAX, &size) < 0 ||
	    query_i64(c, "current_page", "currentPage", INT32_MAX, &page) < 0)
		return -1;
	if (size == 0)
		size = default_size;
	if (size > 1000)
		size = 1000;
	out->limit = size;
	out->offset = page * size;
	return 0;
}
