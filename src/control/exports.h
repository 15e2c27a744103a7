/* exports.h - exports of logs: asked for, made one after the other in the background, fetched.
 *
 * The row of log_export is the truth: draft until it is started, in_progress while it waits or is
 * written, then success, failed or stopped, and expired when its file was removed for its age
 * (export_lifetime); from any of them but in_progress it can be changed and started again.  A successor
 * of this process begins anew what was in progress.  One export is written at a time, row by row into a
 * file of its own, which gets its name when it is whole.
 *
 * Files: exports.c endpoints, export_query.c which logs and fields, export_job.c writing,
 * export_file.c fetching, export_life.c removing. */
#ifndef AG_CONTROL_EXPORTS_H
#define AG_CONTROL_EXPORTS_H

#include "control/call.h"
#include "control/reader.h"

#define AG_EXPORT_ROWS_MAX 50000

struct ag_exports;

struct ag_exports *ag_exports_new(struct ag_control *ctl); /* NULL: no memory */
void ag_exports_free(struct ag_exports *x);
/* Once a second: takes the next one up. */
void ag_exports_tick(struct ag_exports *x);
/* There is one more to make. */
void ag_exports_kick(struct ag_exports *x);
/* Stops writing it, if it is the one; its row says already what became of it. */
void ag_exports_stop(struct ag_exports *x, const char *uuid);
/* What is being written is left to the successor. */
void ag_exports_drain(struct ag_exports *x);

/* ---- export_query.c ---- */

enum ag_export_format { AG_EXPORT_JSONL, AG_EXPORT_CSV };

/* What an export is asked over; as it is stored. */
struct ag_export_query {
	int64_t org_id, workspace_id;
	int64_t only_person;           /* whose keys' logs; 0: all */
	struct json_object *filters;   /* borrowed: an object */
	struct json_object *fields;    /* borrowed: an array of names */
	enum ag_export_format format;
	int64_t now_us;                /* when it was asked for: the default end of its time */
};
/* Makes the statement of an ask.  Rows: one column, a JSON object as text, or a column a field.
 * is_count: one column, how many there are.  -EINVAL: the text names the filter or field. */
int ag_export_ask(const struct ag_export_query *q, bool is_count, struct ag_ask *a,
    struct ag_err *err) AG_MUST_CHECK;

/* ---- exports.c ---- */

/* The export the path names, by SQL_EXPORT_GET or _LOCK, if the caller may know of it.
 * NULL: answered. */
struct json_object *ag_export_find(struct ag_call *c, const char *sql);
/* 403 when it holds, or picks by, metadata that is kept from the caller. */
int ag_export_may_see(struct ag_call *c, struct json_object *filters,
    struct json_object *fields) AG_MUST_CHECK;

/* ---- export_file.c ---- */

/* Path of the file of an export, whole or being written. */
void ag_export_path(const struct ag_control *ctl, const char *uuid, const char *format, bool is_part,
    char *out, size_t cap);

/* ---- export_life.c ---- */

/* Removes the files that are older than export_lifetime, some at a time; monotonic us of the next look. */
int64_t ag_exports_expire(struct ag_control *ctl, int64_t now_us);
/* Removes the file of an export, whatever its format: it is asked for anew. */
void ag_export_unlink(const struct ag_control *ctl, const char *uuid);
/* Says when its file goes, beside what else a row of SQL_EXPORT_OBJECT says; null: not, or it has none. */
void ag_export_show_life(const struct ag_control *ctl, struct json_object *row);

#endif
