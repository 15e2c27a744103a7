#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "conf/conf.h"
#include "control/exports.h"
#include "control/sql_logs.h"

#define LIMIT_US   AG_US_PER_HOUR /* of one export */
#define BUF_MAX    ((size_t)64 << 20) /* a row with the largest bodies there may be */
#define WRITE_AT   ((size_t)256 << 10)
#define RETRY_US   (5 * AG_US_PER_SEC)
#define TICK_US    (3 * AG_US_PER_SEC) /* patience with PostgreSQL */

struct ag_exports {
	struct ag_control *ctl;      /* borrowed */
	struct ag_reader *reader;    /* owned */
	struct ag_ask *ask;          /* owned; NULL: none is being made */
	struct json_object *filters, *fields; /* owned, of the one being made */
	enum ag_export_format format;
	int64_t id, rows, bytes;
	char uuid[AG_UUID_LEN];
	int fd;
	struct ag_buf out;
	char why[256];               /* "" or why it cannot go on */
	bool has_more;               /* rows may wait */
	bool is_drained;
	int64_t again_us, expire_us; /* monotonic: not before; the next look for files that are too old */
};

struct ag_exports *
ag_exports_new(struct ag_control *ctl)
{
	struct ag_exports *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->ctl = ctl;
	x->fd = -1;
	x->has_more = true; /* what our predecessor left */
	ag_buf_init(&x->out, BUF_MAX);
	x->reader = ag_reader_new(ctl, 1, LIMIT_US);
	if (!x->reader) {
		ag_exports_free(x);
		return NULL;
	}
	return x;
}

void
ag_exports_free(struct ag_exports *x)
{
	if (!x)
		return;
	ag_reader_free(x->reader);
	ag_buf_fini(&x->out);
	free(x);
}

void
ag_export_path(const struct ag_control *ctl, const char *uuid, const char *format, bool is_part, char *out,
    size_t cap)
{
	snprintf(out, cap, "%s/%s.%s%s", ctl->ctx->conf->export_dir, uuid, format, is_part ? ".part" : "");
}

static const char *
format_name(enum ag_export_format f)
{
	return f == AG_EXPORT_CSV ? "csv" : "jsonl";
}

/* Closes and lets go of everything of the one being made, but its row. */
static void
forget(struct ag_exports *x, bool is_file_kept)
{
	char path[1024];

	if (x->fd >= 0) {
		close(x->fd);
		ag_export_path(x->ctl, x->uuid, format_name(x->format), true, path, sizeof(path));
		if (!is_file_kept)
			(void)unlink(path);
	}
	x->fd = -1;
	json_object_put(x->filters);
	json_object_put(x->fields);
	x->filters = x->fields = NULL;
	ag_ask_free(x->ask);
	x->ask = NULL;
	ag_buf_reset(&x->out);
	ag_buf_shrink(&x->out);
}

/* ---- writing ---- */

static void
write_out(struct ag_exports *x)
{
	while (x->out.n > 0 && !x->why[0]) {
		ssize_t n = write(x->fd, x->out.p, x->out.n);

		if (n < 0 && errno != EINTR)
			snprintf(x->why, sizeof(x->why), "could not write the file: %s", strerror(errno));
		if (n > 0) {
			ag_buf_consume(&x->out, (size_t)n);
			x->bytes += n;
		}
	}
}

/* RFC 4180: quotes where they are needed, doubled inside. */
static void
put_csv(struct ag_buf *b, struct ag_str s)
{
	bool is_plain = true;

	for (size_t i = 0; i < s.n; i++)
		is_plain = is_plain && s.p[i] != ',' && s.p[i] != '"' && s.p[i] != '\r' && s.p[i] != '\n';
	if (is_plain) {
		ag_buf_put_str(b, s);
		return;
	}
	ag_buf_putc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			ag_buf_putc(b, '"');
		ag_buf_putc(b, s.p[i]);
	}
	ag_buf_putc(b, '"');
}

static void
put_csv_head(struct ag_exports *x)
{
	for (size_t i = 0; i < ag_json_len(x->fields); i++) {
		if (i > 0)
			ag_buf_putc(&x->out, ',');
		put_csv(&x->out, ag_str(json_object_get_string(ag_json_at(x->fields, i))));
	}
	ag_buf_puts(&x->out, "\r\n");
}

static bool
job_on_row(struct ag_ask *a, const PGresult *row)
{
	struct ag_exports *x = a->arg;

	if (x->format == AG_EXPORT_CSV) {
		for (int i = 0; i < PQnfields(row); i++) {
			if (i > 0)
				ag_buf_putc(&x->out, ',');
			put_csv(&x->out, ag_pg_text(row, 0, i));
		}
		ag_buf_puts(&x->out, "\r\n");
	} else {
		ag_buf_put_str(&x->out, ag_pg_text(row, 0, 0));
		ag_buf_putc(&x->out, '\n');
	}
	x->rows++;
	if (x->out.failed)
		snprintf(x->why, sizeof(x->why), "a log is too long");
	if (x->out.n >= WRITE_AT)
		write_out(x);
	return !x->why[0];
}

/* ---- its end ---- */

static bool
store_end(struct ag_exports *x, const char *why)
{
	struct ag_err err = { "" };
	struct ag_pg_args a = { 0 };
	PGresult *res;

	ag_pg_set_deadline(x->ctl->pg, TICK_US);
	if (ag_pg_begin(x->ctl->pg, AG_PG_WRITE, &err) < 0)
		return false;
	ag_pg_arg_i64(&a, x->id);
	ag_pg_arg_i64(&a, why ? 0 : x->rows);
	ag_pg_arg_i64(&a, why ? 0 : x->bytes);
	ag_pg_arg_text(&a, why);
	res = ag_pg_exec(x->ctl->pg, SQL_EXPORT_END, &a, &err);
	PQclear(res);
	if (!res) {
		ag_pg_rollback(x->ctl->pg);
		return false;
	}
	return ag_pg_commit(x->ctl->pg, &err) == 0;
}

/* The file gets its name when all of it is on the disk. */
static void
complete(struct ag_exports *x)
{
	char part[1024], path[1024];

	write_out(x);
	ag_export_path(x->ctl, x->uuid, format_name(x->format), true, part, sizeof(part));
	ag_export_path(x->ctl, x->uuid, format_name(x->format), false, path, sizeof(path));
	if (!x->why[0] && (fsync(x->fd) < 0 || rename(part, path) < 0))
		snprintf(x->why, sizeof(x->why), "could not finish the file: %s", strerror(errno));
}

static void
job_on_end(struct ag_ask *a, enum ag_ask_end end, const PGresult *res, const char *why)
{
	struct ag_exports *x = a->arg;
	bool is_whole = false, goes_on_later = end == AG_ASK_DRAINED || end == AG_ASK_LOST;

	(void)res;
	if (end == AG_ASK_DONE) {
		complete(x);
		is_whole = !x->why[0];
	} else if (!goes_on_later && !x->why[0]) {
		snprintf(x->why, sizeof(x->why), "%s", end == AG_ASK_SLOW ? "it took longer than an hour" : why);
	}
	/* A lost connection, or an end that could not be stored: all of it once more. */
	if (goes_on_later || !store_end(x, is_whole ? NULL : x->why)) {
		x->again_us = ag_clock_mono_us() + RETRY_US;
	} else {
		ag_info("export %s: %s, rows=%lld bytes=%lld", x->uuid, is_whole ? "done" : x->why,
		    (long long)x->rows, (long long)x->bytes);
	}
	forget(x, is_whole);
	x->has_more = true;
}

/* ---- its beginning ---- */

static int
open_file(struct ag_exports *x)
{
	const char *dir = x->ctl->ctx->conf->export_dir;
	char path[1024];

	if (mkdir(dir, 0750) < 0 && errno != EEXIST) {
		snprintf(x->why, sizeof(x->why), "could not make export_dir: %s", strerror(errno));
		return -1;
	}
	ag_export_path(x->ctl, x->uuid, format_name(x->format), true, path, sizeof(path));
	x->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (x->fd < 0) {
		snprintf(x->why, sizeof(x->why), "could not make the file: %s", strerror(errno));
		return -1;
	}
	return 0;
}

static void
begin(struct ag_exports *x, const PGresult *row)
{
	struct ag_export_query q = { .org_id = ag_pg_i64(row, 0, 2), .workspace_id = ag_pg_i64(row, 0, 3),
		.now_us = ag_pg_i64(row, 0, 7), .only_person = ag_pg_i64(row, 0, 8) };
	struct ag_err err = { "" };

	x->id = ag_pg_i64(row, 0, 0);
	ag_str_copy(ag_pg_text(row, 0, 1), x->uuid, sizeof(x->uuid));
	x->rows = x->bytes = 0;
	x->why[0] = '\0';
	q.filters = x->filters = json_tokener_parse(PQgetvalue(row, 0, 4));
	q.fields = x->fields = json_tokener_parse(PQgetvalue(row, 0, 5));
	q.format = x->format = ag_str_eq(ag_pg_text(row, 0, 6), AG_STR("csv")) ? AG_EXPORT_CSV : AG_EXPORT_JSONL;
	x->ask = ag_ask_new();
	if (!x->ask || !q.filters || !q.fields)
		snprintf(x->why, sizeof(x->why), "out of memory");
	else if (ag_export_ask(&q, false, x->ask, &err) < 0)
		snprintf(x->why, sizeof(x->why), "%s", err.text);
	else if (open_file(x) == 0) {
		if (x->format == AG_EXPORT_CSV)
			put_csv_head(x);
		x->ask->arg = x;
		x->ask->on_row = job_on_row;
		x->ask->on_end = job_on_end;
		ag_reader_ask(x->reader, x->ask);
		return;
	}
	if (!store_end(x, x->why))
		x->again_us = ag_clock_mono_us() + RETRY_US;
	ag_warn("export %s: %s, failed", x->uuid, x->why);
	forget(x, false);
}

void
ag_exports_tick(struct ag_exports *x)
{
	struct ag_err err = { "" };
	PGresult *res;

	if (!x->is_drained && x->ctl->is_loaded && ag_clock_mono_us() >= x->expire_us)
		x->expire_us = ag_exports_expire(x->ctl, ag_clock_mono_us());
	if (x->is_drained || x->ask || !x->has_more || !x->ctl->is_loaded || ag_clock_mono_us() < x->again_us)
		return;
	ag_pg_set_deadline(x->ctl->pg, TICK_US);
	if (ag_pg_begin(x->ctl->pg, AG_PG_WRITE, &err) < 0) {
		x->again_us = ag_clock_mono_us() + RETRY_US;
		return;
	}
	res = ag_pg_exec(x->ctl->pg, SQL_EXPORT_NEXT, NULL, &err);
	ag_pg_rollback(x->ctl->pg);
	x->has_more = !res || PQntuples(res) > 0;
	if (!res)
		x->again_us = ag_clock_mono_us() + RETRY_US;
	else if (x->has_more)
		begin(x, res);
	PQclear(res);
}

void
ag_exports_kick(struct ag_exports *x)
{
	x->has_more = true;
	ag_exports_tick(x);
}

void
ag_exports_stop(struct ag_exports *x, const char *uuid)
{
	if (!x->ask || strcmp(x->uuid, uuid) != 0)
		return;
	ag_reader_cancel(x->reader, x->ask);
	forget(x, false);
	x->has_more = true;
}

void
ag_exports_drain(struct ag_exports *x)
{
	x->is_drained = true;
	ag_reader_drain(x->reader);
}
