/* logs.c - POST /v1/logs: calls that clients made elsewhere, kept as they tell them;
 * GET /v1/logs/{id}: one request, of ours or told.
 *
 * What is told costs no budget and is in no report: reports are of what passed through here.  Bodies
 * and headers are there for what was told alone; ours are never kept. */
#include "base/json.h"
#include "base/num.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/mask.h"
#include "control/reader.h"
#include "control/sql_logs.h"

#include <event2/http.h>

#define LIST_MAX  1000
#define MS_MAX    INT64_C(86400000)
#define TOKEN_MAX INT64_C(1000000000000)

static struct json_object *
member(struct json_object *obj, const char *name)
{
	struct json_object *v = NULL;

	return json_object_is_type(obj, json_type_object) && json_object_object_get_ex(obj, name, &v) ? v : NULL;
}

static void
put_text(struct json_object *row, const char *name, const char *v)
{
	json_object_object_add(row, name, v ? json_object_new_string(v) : NULL);
}

/* A number that is counted, of any type a client may have made of it; 0 when there is none. */
static int64_t
count_of(struct json_object *v, int64_t max)
{
	int64_t n = json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double)
	    ? json_object_get_int64(v) : 0;

	return n < 0 ? 0 : n > max ? max : n;
}

static int64_t
tokens_of(struct json_object *usage, const char *name, const char *other_name)
{
	struct json_object *v = member(usage, name);

	return count_of(v ? v : member(usage, other_name), TOKEN_MAX);
}

/* Copy of a request or response with its headers masked. */
static struct json_object *
kept_part(struct json_object *part)
{
	struct json_object *out = json_object_new_object();

	ag_json_foreach(part, name, value) {
		if (strcmp(name, "headers") == 0)
			json_object_object_add(out, name, ag_mask_json(value));
		else
			json_object_object_add(out, name, json_object_get(value));
	}
	return out;
}

static int
read_request(struct ag_call *c, struct json_object *in, struct json_object *row)
{
	const char *url = NULL, *method = "POST", *provider = "";
	struct json_object *headers;

	if (ag_field_text(c, in, "request.url", 2048, &url) == AG_FIELD_BAD ||
	    ag_field_text(c, in, "request.method", 16, &method) == AG_FIELD_BAD ||
	    ag_field_text(c, in, "request.provider", 128, &provider) == AG_FIELD_BAD ||
	    ag_field_object(c, in, "request.headers", &headers) == AG_FIELD_BAD)
		return -1;
	if (!url || !*url)
		return ag_call_invalid(c, "request.url: is required");
	if (!member(in, "body"))
		return ag_call_invalid(c, "request.body: is required");
	put_text(row, "url", url);
	put_text(row, "method", method);
	put_text(row, "provider", provider);
	json_object_object_add(row, "request", kept_part(in));
	return 0;
}

static int
read_response(struct ag_call *c, struct json_object *in, struct json_object *row)
{
	struct json_object *body = member(in, "body"), *usage = member(body, "usage"), *ms, *headers;
	bool is_stream = false;
	struct ag_str text;
	int64_t status = 200;
	enum ag_field f = ag_field_number(c, in, "response.status", &text);

	if (f == AG_FIELD_BAD || ag_field_bool(c, in, "response.streamingMode", &is_stream) == AG_FIELD_BAD ||
	    ag_field_object(c, in, "response.headers", &headers) == AG_FIELD_BAD)
		return -1;
	if (f == AG_FIELD_SET && ag_parse_i64(text, 100, 599, &status) < 0)
		return ag_call_invalid(c, "response.status: must be from 100 to 599, not %.40s", text.p);
	if (!body)
		return ag_call_invalid(c, "response.body: is required");
	ms = member(in, "response_time");
	json_object_object_add(row, "ms", json_object_new_int64(
	    count_of(ms ? ms : member(in, "responseTime"), MS_MAX)));
	json_object_object_add(row, "status", json_object_new_int64(status));
	json_object_object_add(row, "is_stream", json_object_new_boolean(is_stream));
	json_object_object_add(row, "tin", json_object_new_int64(
	    tokens_of(usage, "prompt_tokens", "input_tokens")));
	json_object_object_add(row, "tout", json_object_new_int64(
	    tokens_of(usage, "completion_tokens", "output_tokens")));
	json_object_object_add(row, "response", kept_part(in));
	return 0;
}

/* Names of the trace have columns of their own, spelled either way. */
static int
read_metadata(struct ag_call *c, struct json_object *in, struct json_object *row)
{
	static const struct { const char *name, *other, *column; } names[] = {
		{ "trace_id", "traceId", "trace_id" }, { "span_id", "spanId", "span_id" },
		{ "span_name", "spanName", "span_name" },
		{ "parent_span_id", "parentSpanId", "parent_span_id" },
	};
	struct json_object *metadata = NULL, *rest = json_object_new_object();

	if (ag_field_metadata(c, in, "metadata", &metadata) == AG_FIELD_BAD) {
		json_object_put(rest);
		return -1;
	}
	if (metadata) {
		ag_json_foreach(metadata, name, value)
			json_object_object_add(rest, name, json_object_get(value));
	}
	for (size_t i = 0; i < AG_ARRAY_LEN(names); i++) {
		struct json_object *v = member(rest, names[i].name);

		v = v ? v : member(rest, names[i].other);
		put_text(row, names[i].column, v ? json_object_get_string(v) : NULL);
		json_object_object_del(rest, names[i].name);
		json_object_object_del(rest, names[i].other);
	}
	json_object_object_add(row, "metadata", rest);
	return 0;
}

/* NULL: answered. */
static struct json_object *
read_log(struct ag_call *c, struct json_object *in)
{
	struct json_object *row = json_object_new_object(), *request = NULL, *response = NULL, *model;

	if (!json_object_is_type(in, json_type_object))
		ag_call_invalid(c, "a log must be an object");
	else if (ag_field_object(c, in, "request", &request) == AG_FIELD_BAD ||
	    ag_field_object(c, in, "response", &response) == AG_FIELD_BAD)
		;
	else if (!request)
		ag_call_invalid(c, "request: is required");
	else if (!response)
		ag_call_invalid(c, "response: is required");
	else if (read_request(c, request, row) == 0 && read_response(c, response, row) == 0 &&
	    read_metadata(c, in, row) == 0) {
		model = member(member(request, "body"), "model");
		put_text(row, "model", json_object_is_type(model, json_type_string) ? json_object_get_string(model) : "");
		return row;
	}
	json_object_put(row);
	return NULL;
}

static struct json_object *
read_logs(struct ag_call *c)
{
	struct json_object *rows = json_object_new_array(), *row;
	size_t n = c->list ? ag_json_len(c->list) : 1;

	if (n < 1 || n > LIST_MAX) {
		ag_call_invalid(c, "a list must have 1 to %d logs, not %zu", LIST_MAX, n);
		json_object_put(rows);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		if (!(row = read_log(c, c->list ? ag_json_at(c->list, i) : c->body))) {
			json_object_put(rows);
			return NULL;
		}
		json_object_array_add(rows, row);
	}
	return rows;
}

void
ag_log_create(struct ag_call *c)
{
	const char *counts = evhttp_find_header(c->headers, "x-portkey-override-service-log-usage");
	struct json_object *rows = NULL, *ids = NULL, *answer;
	struct ag_pg_args a = { 0 };

	if (!ag_call_has(c, AG_SCOPE_COMPLETIONS_WRITE) && ag_call_need(c, AG_SCOPE_LOGS_WRITE) < 0)
		return;
	if (counts && strcasecmp(counts, "true") == 0) {
		ag_call_invalid(c, "x-portkey-override-service-log-usage: not implemented by this gateway;"
		    " logs that are told never count against budgets");
		return;
	}
	if (!c->actor.workspace_id) {
		ag_call_invalid(c, "logs are told with a key of a workspace");
		return;
	}
	if (!(rows = read_logs(c)))
		return;
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, c->actor.workspace_id);
	ag_pg_arg_i64(&a, c->actor.key_id);
	ag_pg_arg_json(&a, rows);
	if (ag_call_json(c, SQL_LOG_INSERT, &a, &ids) == 0 && ag_call_commit(c) == 0) {
		answer = json_object_new_object();
		json_object_object_add(answer, "status", json_object_new_string("success"));
		json_object_object_add(answer, "log_ids", ids);
		ag_call_ok(c, answer);
	} else {
		json_object_put(ids);
	}
	json_object_put(rows);
}

/* ---- reading one ---- */

static void
answer_log(struct ag_call *c, struct json_object *value)
{
	if (value)
		ag_call_ok(c, value);
	else
		ag_call_not_found(c, "log", c->arg[0]);
}

static bool
is_uuid(const char *s)
{
	return strlen(s) == 36 && strspn(s, "0123456789abcdefABCDEF-") == 36 && s[8] == '-' && s[13] == '-' &&
	    s[18] == '-' && s[23] == '-';
}

void
ag_log_get(struct ag_call *c)
{
	int64_t workspace_id;
	struct ag_ask *a;

	if (!ag_call_has(c, AG_SCOPE_COMPLETIONS_WRITE) && !ag_call_has(c, AG_SCOPE_LOGS_WRITE) &&
	    ag_call_need(c, AG_SCOPE_LOGS_VIEW) < 0)
		return;
	/* Whatever else the key may do: who may look at no logs looks at none. */
	if (ag_security_need(c, AG_SUBJECT_VIEW_LOGS) < 0 ||
	    ag_workspace_resolve(c, ag_call_query(c, "workspace_slug"), false, &workspace_id) < 0)
		return;
	if (!is_uuid(c->arg[0])) {
		ag_call_not_found(c, "log", c->arg[0]);
		return;
	}
	if (!(a = ag_ask_new())) {
		ag_call_fail(c, 500, "AB04", "out of memory");
		return;
	}
	ag_ask_i64(a, c->actor.org_id);
	ag_ask_i64(a, workspace_id);
	ag_ask_text(a, c->arg[0]);
	ag_ask_i64(a, ag_call_has(c, AG_SCOPE_LOGS_VIEW) ? 0 : c->actor.key_id ? c->actor.key_id : -1);
	ag_ask_i64(a, ag_security_only_person(c));
	ag_ask_i64(a, ag_security_closes(c->actor.closed, AG_SUBJECT_VIEW_LOG_METADATA) != NULL);
	ag_buf_puts(&a->sql, SQL_LOG_GET);
	ag_call_read(c, a, answer_log);
}
