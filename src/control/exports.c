#include "control/exports.h"

#include <errno.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/json.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/sql_logs.h"

#define PAGE 50

static struct json_object *
member(struct json_object *obj, const char *name)
{
	struct json_object *v = NULL;

	return obj && json_object_object_get_ex(obj, name, &v) ? v : NULL;
}

static int64_t
id_of(struct json_object *row)
{
	return json_object_get_int64(member(row, "_id"));
}

/* ---- what is asked for ---- */

/* What a body says, and what it is counted with; lives as long as the call. */
struct wish {
	struct ag_export_query query;
	struct json_object *filters, *fields;   /* borrowed from the body, or NULL */
	const char *format, *description;
};

static bool
has_metadata(struct json_object *filters, struct json_object *fields)
{
	bool has = member(filters, "metadata") != NULL;

	for (size_t i = 0; !has && i < ag_json_len(fields); i++) {
		const char *name = json_object_get_string(ag_json_at(fields, i));

		has = name && strcmp(name, "metadata") == 0;
	}
	return has;
}

int
ag_export_may_see(struct ag_call *c, struct json_object *filters, struct json_object *fields)
{
	const char *closed = ag_security_closes(c->actor.closed, AG_SUBJECT_VIEW_LOG_METADATA);

	if (!closed || !has_metadata(filters, fields))
		return 0;
	return ag_call_fail(c, 403, "AB03", "metadata: the workspace does not allow it in an export:"
	    " security_settings.%s is false", closed);
}

static int
read_wish(struct ag_call *c, struct wish *w)
{
	w->format = w->description = NULL;
	w->filters = w->fields = NULL;
	if (ag_field_object(c, c->body, "filters", &w->filters) == AG_FIELD_BAD ||
	    ag_field_array(c, c->body, "requested_data", &w->fields) == AG_FIELD_BAD ||
	    ag_field_text(c, c->body, "format", 16, &w->format) == AG_FIELD_BAD ||
	    ag_field_text(c, c->body, "description", 1000, &w->description) == AG_FIELD_BAD)
		return -1;
	if (w->format && strcmp(w->format, "jsonl") != 0 && strcmp(w->format, "csv") != 0)
		return ag_call_invalid(c, "format: must be jsonl or csv, not \"%s\"", w->format);
	return ag_export_may_see(c, w->filters, w->fields);
}

/* Refuses what could not be exported, then counts, then goes on in then(). */
static void
count_first(struct ag_call *c, const struct ag_export_query *q,
    void (*then)(struct ag_call *c, struct json_object *value))
{
	struct ag_ask *trial = ag_ask_new(), *count = ag_ask_new();
	struct ag_err err = { "" };

	if (!trial || !count)
		ag_call_fail(c, 500, "AB04", "out of memory");
	else if (ag_export_ask(q, false, trial, &err) < 0 || ag_export_ask(q, true, count, &err) < 0)
		ag_call_invalid(c, "%s", err.text);
	ag_ask_free(trial);
	if (c->status != 0)
		ag_ask_free(count);
	else
		ag_call_read(c, count, then);
}

static enum ag_export_format
format_of(const char *name)
{
	return name && strcmp(name, "csv") == 0 ? AG_EXPORT_CSV : AG_EXPORT_JSONL;
}

static void
answer_made(struct ag_call *c, struct json_object *row, struct json_object *total)
{
	struct json_object *answer = json_object_new_object();

	json_object_object_add(answer, "id", json_object_get(member(row, "id")));
	json_object_object_add(answer, "total", json_object_get(total));
	json_object_object_add(answer, "object", json_object_new_string("export"));
	ag_call_ok(c, answer);
}

/* Of the key, or the one named: in the body, or by filters.workspace_slug. */
static int
workspace_of(struct ag_call *c, int64_t *out_id)
{
	struct json_object *slug = member(member(c->body, "filters"), "workspace_slug");
	const char *name = NULL;

	if (ag_field_text(c, c->body, "workspace_id", AG_SLUG_MAX, &name) == AG_FIELD_BAD)
		return -1;
	if (!name && json_object_is_type(slug, json_type_string))
		name = json_object_get_string(slug);
	return ag_workspace_resolve(c, name, true, out_id);
}

/* ---- create ---- */

static void
create_counted(struct ag_call *c, struct json_object *total)
{
	struct json_object *row = NULL, *empty = json_object_new_object();
	uint8_t key[32];
	struct ag_pg_args a = { 0 };
	int64_t workspace_id;
	struct wish w;

	if (read_wish(c, &w) == 0 && workspace_of(c, &workspace_id) == 0 &&
	    getrandom(key, sizeof(key), 0) == (ssize_t)sizeof(key)) {
		ag_pg_arg_i64(&a, c->actor.org_id);
		ag_pg_arg_i64(&a, workspace_id);
		ag_pg_arg_i64(&a, c->actor.key_id);
		ag_pg_arg_text(&a, w.description);
		ag_pg_arg_json(&a, w.filters ? w.filters : empty);
		ag_pg_arg_json(&a, w.fields);
		ag_pg_arg_text(&a, w.format ? w.format : "jsonl");
		ag_pg_arg_i64(&a, json_object_get_int64(total));
		ag_pg_arg_bytes(&a, ag_str_n((const char *)key, sizeof(key)));
		ag_pg_arg_i64(&a, ag_security_only_person(c));
		if (ag_call_json(c, SQL_EXPORT_INSERT, &a, &row) == 0 &&
		    ag_call_audit(c, "create", "log_export", json_object_get_string(member(row, "id")), NULL, row) == 0 &&
		    ag_call_commit(c) == 0)
			answer_made(c, row, total);
		ag_mem_wipe(key, sizeof(key));
	}
	json_object_put(row);
	json_object_put(empty);
	json_object_put(total);
}

void
ag_export_create(struct ag_call *c)
{
	struct json_object *empty = json_object_new_object();
	struct ag_export_query q = { .org_id = c->actor.org_id, .now_us = ag_clock_wall_us(),
		.only_person = ag_security_only_person(c) };
	struct wish w;

	if (read_wish(c, &w) == 0 && workspace_of(c, &q.workspace_id) == 0) {
		q.filters = w.filters ? w.filters : empty;
		q.fields = w.fields;
		q.format = format_of(w.format);
		if (!w.fields)
			ag_call_invalid(c, "requested_data: is required");
		else
			count_first(c, &q, create_counted);
	}
	json_object_put(empty);
}

/* ---- one ---- */

struct json_object *
ag_export_find(struct ag_call *c, const char *sql)
{
	struct json_object *row = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, c->actor.workspace_id);
	ag_pg_arg_text(&a, c->arg[0]);
	ag_pg_arg_i64(&a, ag_security_only_person(c));
	if (ag_call_json(c, sql, &a, &row) == 0 && !row)
		ag_call_not_found(c, "export", c->arg[0]);
	return row;
}

static const char *
status_of(struct json_object *row)
{
	return json_object_get_string(member(row, "status"));
}

void
ag_export_get(struct ag_call *c)
{
	struct json_object *row = ag_export_find(c, SQL_EXPORT_GET);

	if (!row)
		return;
	ag_export_show_life(c->ctl, row);
	ag_call_strip(row);
	ag_call_ok(c, row);
}

void
ag_export_list(struct ag_call *c)
{
	struct json_object *list = NULL, *data;
	struct ag_pg_args a = { 0 };
	struct ag_page page;
	int64_t workspace_id;

	if (ag_workspace_resolve(c, ag_call_query(c, "workspace_id"), true, &workspace_id) < 0 ||
	    ag_call_page(c, PAGE, &page) < 0)
		return;
	ag_pg_arg_i64(&a, c->actor.org_id);
	ag_pg_arg_i64(&a, workspace_id);
	ag_pg_arg_i64(&a, page.limit);
	ag_pg_arg_i64(&a, page.offset);
	ag_pg_arg_i64(&a, ag_security_only_person(c));
	if (ag_call_json(c, SQL_EXPORT_LIST, &a, &list) < 0)
		return;
	data = member(list, "data");
	for (size_t i = 0; i < ag_json_len(data); i++) {
		ag_export_show_life(c->ctl, ag_json_at(data, i));
		ag_call_strip(ag_json_at(data, i));
	}
	ag_call_ok(c, list);
}

/* Of bodies nothing is withheld from who may export: they are there of logs that clients told, and
 * where the workspace has them kept. */
void
ag_export_fields(struct ag_call *c)
{
	struct json_object *answer = json_object_new_object(), *denied;
	int64_t workspace_id;

	if (ag_workspace_resolve(c, ag_call_query(c, "workspace_id"), true, &workspace_id) == 0) {
		denied = json_object_new_array();
		if (ag_security_closes(c->actor.closed, AG_SUBJECT_VIEW_LOG_METADATA))
			json_object_array_add(denied, json_object_new_string("metadata"));
		json_object_object_add(answer, "deniedFields", denied);
		json_object_object_add(answer, "object", json_object_new_string("export-field-restrictions"));
		ag_call_ok(c, answer);
		return;
	}
	json_object_put(answer);
}

/* ---- changes ---- */

static struct json_object *
find_idle(struct ag_call *c)
{
	struct json_object *row = ag_export_find(c, SQL_EXPORT_LOCK);

	if (row && strcmp(status_of(row), "in_progress") == 0) {
		ag_call_fail(c, 409, "AB07", "the export is being made; cancel it first");
		json_object_put(row);
		return NULL;
	}
	return row;
}

static void
update_counted(struct ag_call *c, struct json_object *total)
{
	struct json_object *before = find_idle(c), *after = NULL;
	struct ag_pg_args a = { 0 };
	struct wish w;

	if (before && read_wish(c, &w) == 0) {
		ag_pg_arg_i64(&a, id_of(before));
		ag_pg_arg_json(&a, w.filters);
		ag_pg_arg_json(&a, w.fields);
		ag_pg_arg_i64(&a, json_object_get_int64(total));
		ag_pg_arg_text(&a, w.format);
		ag_pg_arg_text(&a, w.description);
		ag_pg_arg_i64(&a, ag_security_only_person(c));
		if (ag_call_json(c, SQL_EXPORT_UPDATE, &a, &after) == 0 &&
		    ag_call_audit(c, "update", "log_export", json_object_get_string(member(after, "id")), before,
		        after) == 0 && ag_call_commit(c) == 0) {
			ag_export_unlink(c->ctl, json_object_get_string(member(after, "id")));
			answer_made(c, after, total);
		}
	}
	json_object_put(before);
	json_object_put(after);
	json_object_put(total);
}

void
ag_export_update(struct ag_call *c)
{
	struct ag_export_query q = { .org_id = c->actor.org_id, .now_us = ag_clock_wall_us(),
		.only_person = ag_security_only_person(c) };
	struct json_object *row = find_idle(c);
	struct wish w;

	if (row && read_wish(c, &w) == 0) {
		q.workspace_id = json_object_get_int64(member(row, "_workspace"));
		q.filters = w.filters ? w.filters : member(row, "filters");
		q.fields = w.fields ? w.fields : member(row, "requested_data");
		q.format = format_of(w.format ? w.format : json_object_get_string(member(row, "format")));
		if (ag_export_may_see(c, q.filters, q.fields) == 0)
			count_first(c, &q, update_counted);
	}
	json_object_put(row);
}

static void
answer_message(struct ag_call *c, const char *message)
{
	struct json_object *answer = json_object_new_object();

	json_object_object_add(answer, "message", json_object_new_string(message));
	json_object_object_add(answer, "object", json_object_new_string("export"));
	ag_call_ok(c, answer);
}

static int
change(struct ag_call *c, struct json_object *before, const char *sql, const char *action)
{
	struct json_object *after = NULL;
	struct ag_pg_args a = { 0 };
	int rc = -1;

	ag_pg_arg_i64(&a, id_of(before));
	if (ag_call_json(c, sql, &a, &after) == 0 &&
	    ag_call_audit(c, action, "log_export", json_object_get_string(member(before, "id")), before, after) == 0)
		rc = ag_call_commit(c);
	json_object_put(after);
	return rc;
}

void
ag_export_start(struct ag_call *c)
{
	struct json_object *row = find_idle(c);

	if (!row)
		return;
	if (ag_export_may_see(c, member(row, "filters"), member(row, "requested_data")) == 0 &&
	    change(c, row, SQL_EXPORT_START, "start") == 0) {
		ag_export_unlink(c->ctl, json_object_get_string(member(row, "id")));
		answer_message(c, "Export started");
		ag_exports_kick(c->ctl->exports);
	}
	json_object_put(row);
}

void
ag_export_cancel(struct ag_call *c)
{
	struct json_object *row = ag_export_find(c, SQL_EXPORT_LOCK);

	if (!row)
		return;
	if (strcmp(status_of(row), "in_progress") != 0 && strcmp(status_of(row), "draft") != 0)
		ag_call_fail(c, 409, "AB07", "the export is %s: there is nothing to cancel", status_of(row));
	else if (change(c, row, SQL_EXPORT_STOP, "cancel") == 0) {
		ag_exports_stop(c->ctl->exports, json_object_get_string(member(row, "id")));
		answer_message(c, "Export cancelled");
	}
	json_object_put(row);
}
