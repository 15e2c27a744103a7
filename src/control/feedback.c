/* feedback.c - POST /v1/feedback (one or a list), PUT /v1/feedback/{id}: what users thought of an
 * answer, met with requests by workspace and trace (graphs.c, groups.c). */
#include "base/json.h"
#include "base/num.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/sql_logs.h"

#define LIST_MAX   1000
#define WEIGHT_DIGITS 9

static int
need_workspace(struct ag_call *c)
{
	return c->actor.workspace_id ? 0
	    : ag_call_invalid(c, "feedback is given with a key of a workspace");
}

/* A whole number from -10 to 10; Python may say 5.0. */
static int
read_value(struct ag_call *c, struct json_object *in, bool is_needed, struct json_object *out)
{
	struct ag_str text;
	int64_t v;

	switch (ag_field_number(c, in, "value", &text)) {
	case AG_FIELD_BAD:
		return -1;
	case AG_FIELD_ABSENT:
	case AG_FIELD_NULL:
		return is_needed ? ag_call_invalid(c, "value: is required") : 0;
	case AG_FIELD_SET:
		break;
	}
	if (ag_parse_decimal(text, 0, 10, &v) < 0)
		return ag_call_invalid(c, "value: must be a whole number from -10 to 10, not %.40s", text.p);
	json_object_object_add(out, "value", json_object_new_int64(v));
	return 0;
}

static int
read_weight(struct ag_call *c, struct json_object *in, struct json_object *out)
{
	char shown[32];
	struct ag_str text;
	int64_t v, one = INT64_C(1000000000);

	switch (ag_field_number(c, in, "weight", &text)) {
	case AG_FIELD_BAD:
		return -1;
	case AG_FIELD_ABSENT:
	case AG_FIELD_NULL:
		return 0;
	case AG_FIELD_SET:
		break;
	}
	if (ag_parse_decimal(text, WEIGHT_DIGITS, one, &v) < 0 || v < 0)
		return ag_call_invalid(c, "weight: must be from 0 to 1, not %.40s", text.p);
	shown[ag_fmt_decimal(shown, sizeof(shown), v, WEIGHT_DIGITS)] = '\0';
	json_object_object_add(out, "weight", json_object_new_string(shown));
	return 0;
}

/* "traceID" is what the Node SDK declares. */
static int
read_trace(struct ag_call *c, struct json_object *in, const char **out)
{
	if (ag_field_text(c, in, "trace_id", 256, out) == AG_FIELD_BAD ||
	    (!*out && ag_field_text(c, in, "traceID", 256, out) == AG_FIELD_BAD))
		return -1;
	return *out && **out ? 0 : ag_call_invalid(c, "trace_id: is required");
}

/* What is given, in the form it is stored in; NULL: answered. */
static struct json_object *
read_feedback(struct ag_call *c, struct json_object *in, bool is_new)
{
	struct json_object *out = json_object_new_object(), *metadata = NULL;
	const char *trace = NULL;

	if (!json_object_is_type(in, json_type_object)) {
		ag_call_invalid(c, "feedback must be an object, or an array of objects");
	} else if ((!is_new || read_trace(c, in, &trace) == 0) &&
	    read_value(c, in, true, out) == 0 && read_weight(c, in, out) == 0 &&
	    ag_field_metadata(c, in, "metadata", &metadata) != AG_FIELD_BAD) {
		if (is_new && !json_object_object_get(out, "weight"))
			json_object_object_add(out, "weight", json_object_new_int(1));
		if (trace)
			json_object_object_add(out, "trace_id", json_object_new_string(trace));
		if (metadata)
			json_object_object_add(out, "metadata", json_object_get(metadata));
		else if (is_new)
			json_object_object_add(out, "metadata", json_object_new_object());
		return out;
	}
	json_object_put(out);
	return NULL;
}

/* One object or a list as rows; NULL: answered. */
static struct json_object *
read_all(struct ag_call *c)
{
	struct json_object *rows = json_object_new_array(), *row;
	size_t n = c->list ? ag_json_len(c->list) : 1;

	if (n < 1 || n > LIST_MAX) {
		ag_call_invalid(c, "a list must have 1 to %d items, not %zu", LIST_MAX, n);
		json_object_put(rows);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		row = read_feedback(c, c->list ? ag_json_at(c->list, i) : c->body, true);
		if (!row) {
			json_object_put(rows);
			return NULL;
		}
		json_object_array_add(rows, row);
	}
	return rows;
}

static void
answer_ids(struct ag_call *c, struct json_object *ids, const char *message)
{
	struct json_object *answer = json_object_new_object();

	json_object_object_add(answer, "status", json_object_new_string("success"));
	json_object_object_add(answer, "message", json_object_new_string(message));
	json_object_object_add(answer, "feedback_ids", ids);
	ag_call_ok(c, answer);
}

void
ag_feedback_create(struct ag_call *c)
{
	struct json_object *rows = NULL, *ids = NULL;
	struct ag_pg_args a = { 0 };

	if (need_workspace(c) < 0 || !(rows = read_all(c)))
		return;
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, c->actor.workspace_id);
	ag_pg_arg_i64(&a, c->actor.key_id);
	ag_pg_arg_json(&a, rows);
	if (ag_call_json(c, SQL_FEEDBACK_INSERT, &a, &ids) == 0 && ag_call_commit(c) == 0)
		answer_ids(c, ids, "Feedback successfully saved");
	else
		json_object_put(ids);
	json_object_put(rows);
}

void
ag_feedback_update(struct ag_call *c)
{
	struct json_object *before = NULL, *after = NULL, *change = NULL, *ids;
	struct ag_pg_args find = { 0 }, a = { 0 };

	if (need_workspace(c) < 0)
		return;
	ag_pg_arg_i64(&find, c->actor.org_id);
	ag_pg_arg_i64(&find, c->actor.workspace_id);
	ag_pg_arg_text(&find, c->arg[0]);
	if (ag_call_json(c, SQL_FEEDBACK_GET, &find, &before) < 0)
		return;
	if (!before)
		ag_call_not_found(c, "feedback", c->arg[0]);
	else if ((change = read_feedback(c, c->body, false)) != NULL) {
		ag_pg_arg_i64(&a, json_object_get_int64(json_object_object_get(before, "_id")));
		ag_pg_arg_json(&a, change);
		if (ag_call_json(c, SQL_FEEDBACK_UPDATE, &a, &after) == 0 &&
		    ag_call_audit(c, "update", "feedback", json_object_get_string(json_object_object_get(after, "id")),
		        before, after) == 0 && ag_call_commit(c) == 0) {
			ids = json_object_new_array();
			json_object_array_add(ids, json_object_get(json_object_object_get(after, "id")));
			answer_ids(c, ids, "Feedback successfully updated");
		}
	}
	json_object_put(before);
	json_object_put(after);
	json_object_put(change);
}
