/* journal.c - journal status, verify, replay: ledger records on disk that PostgreSQL has not got. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "flusher/journal.h"
#include "flusher/replay.h"
#include "tools/aigatectl/ctl.h"

/* A stream of records, and what of it the journal holds. */
struct seen {
	uint64_t boot_id, first, last, records, missing, repeated;
	uint32_t worker;
};

struct seen_list {
	struct seen *v; /* owned */
	size_t n, cap;
};

/* Arguments, configuration, directory: what all three begin with.  *out_dir is borrowed. */
static enum ctl_exit
begin(struct ctl *ctl, int argc, char **argv, const char **out_dir)
{
	const struct ctl_opt opts[] = { { "dir", CTL_OPT_TEXT, out_dir }, { NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, NULL, 0);

	ag_log_level = AG_LOG_WARN;
	if (status != CTL_OK || *out_dir)
		return status;
	if (!ctl_conf(ctl))
		return CTL_BAD_FILE;
	*out_dir = ctl->conf->journal_dir;
	return CTL_OK;
}

static enum ctl_exit
look(const char *dir, struct ag_journal **out)
{
	struct ag_err err = { "" };

	if (ag_journal_open_to_look(dir, out, &err) < 0)
		return ctl_fail(CTL_FAILED, "%s", err.text);
	return CTL_OK;
}

static void
put_time(struct ag_buf *b, struct json_object *value)
{
	time_t at = (time_t)(json_object_get_int64(value) / AG_US_PER_SEC);
	struct tm tm;
	char text[32] = "-";

	if (at > 0 && gmtime_r(&at, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	ag_buf_puts(b, text);
}

/* ---- status ------------------------------------------------------------------------------- */

static struct json_object *
list_segments(struct ag_journal *j, uint64_t *out_bytes)
{
	struct json_object *list = json_object_new_array();

	*out_bytes = 0;
	for (size_t i = 0; i < ag_journal_segments(j); i++) {
		struct ag_journal_segment s;
		struct json_object *o;
		char name[32];
		int rc = ag_journal_segment_at(j, i, &s);

		if (rc < 0)
			continue; /* stored meanwhile */
		o = json_object_new_object();
		snprintf(name, sizeof(name), "%016" PRIx64, s.number);
		json_object_object_add(o, "segment", json_object_new_string(name));
		json_object_object_add(o, "bytes", json_object_new_int64((int64_t)s.bytes));
		json_object_object_add(o, "created_at_us", json_object_new_int64(s.created_at_us));
		json_object_object_add(o, "has_header", json_object_new_boolean(s.has_header));
		json_object_array_add(list, o);
		*out_bytes += s.bytes;
	}
	return list;
}

enum ctl_exit
ctl_journal_status(struct ctl *ctl, int argc, char **argv)
{
	static const struct ctl_column columns[] = { { "segment", "segment", NULL },
		{ "bytes", "bytes", NULL }, { "begun", "created_at_us", put_time } };
	struct ag_journal *j = NULL;
	struct json_object *answer, *list;
	const char *dir = NULL;
	enum ctl_exit status = begin(ctl, argc, argv, &dir);
	uint64_t bytes;

	if (status == CTL_OK)
		status = look(dir, &j);
	if (status != CTL_OK)
		return status;
	list = list_segments(j, &bytes);
	answer = json_object_new_object();
	json_object_object_add(answer, "dir", json_object_new_string(dir));
	json_object_object_add(answer, "in_use", json_object_new_boolean(ag_journal_is_in_use(j)));
	json_object_object_add(answer, "bytes", json_object_new_int64((int64_t)bytes));
	if (ctl->conf)
		json_object_object_add(answer, "max_bytes",
		                       json_object_new_int64((int64_t)ctl->conf->journal_max));
	json_object_object_add(answer, "segments", list);
	ctl_print_list(ctl, answer, list, columns, AG_ARRAY_LEN(columns));
	ctl_say("%s: %" PRIu64 " bytes in %zu segments, %s", dir, bytes, ag_journal_segments(j),
	        ag_journal_is_in_use(j) ? "in use by a flusher" : "not in use");
	json_object_put(answer);
	ag_journal_free(j);
	return CTL_OK;
}

/* ---- verify ------------------------------------------------------------------------------- */

static struct seen *
seen_get(struct seen_list *list, uint64_t boot_id, uint32_t worker)
{
	for (size_t i = list->n; i > 0; i--) {
		if (list->v[i - 1].boot_id == boot_id && list->v[i - 1].worker == worker)
			return &list->v[i - 1];
	}
	if (list->n == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 16;
		list->v = reallocarray(list->v, list->cap, sizeof(*list->v));
		if (!list->v)
			abort();
	}
	list->v[list->n] = (struct seen){ .boot_id = boot_id, .worker = worker };
	return &list->v[list->n++];
}

static int
read_all(struct ag_journal *j, struct seen_list *list)
{
	struct ag_journal_pos pos = ag_journal_first(j);
	struct ag_journal_entry e;
	int rc;

	/* A sector that cannot be read is given up, and skipped, after some tries. */
	while ((rc = ag_journal_read(j, &pos, &e)) > 0 || rc == -EIO) {
		struct seen *s;

		if (rc == -EIO)
			continue;
		s = seen_get(list, e.boot_id, e.rec->worker);
		if (s->records == 0)
			s->first = e.rec->seq;
		else if (e.rec->seq <= s->last)
			s->repeated++;
		else
			s->missing += e.rec->seq - s->last - 1;
		s->records++;
		if (e.rec->seq > s->last)
			s->last = e.rec->seq;
	}
	return rc == -ENOENT ? 0 : rc; /* stored and gone while we read */
}

static struct json_object *
list_streams(const struct seen_list *list, uint64_t *out_records, uint64_t *out_missing)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < list->n; i++) {
		const struct seen *s = &list->v[i];
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "boot_id", json_object_new_int64((int64_t)s->boot_id));
		json_object_object_add(o, "worker", json_object_new_int64(s->worker));
		json_object_object_add(o, "first", json_object_new_int64((int64_t)s->first));
		json_object_object_add(o, "last", json_object_new_int64((int64_t)s->last));
		json_object_object_add(o, "records", json_object_new_int64((int64_t)s->records));
		json_object_object_add(o, "missing", json_object_new_int64((int64_t)s->missing));
		json_object_object_add(o, "repeated", json_object_new_int64((int64_t)s->repeated));
		json_object_array_add(array, o);
		*out_records += s->records;
		*out_missing += s->missing;
	}
	return array;
}

static enum ctl_exit
report_verify(struct ctl *ctl, struct ag_journal *j, const struct seen_list *list)
{
	static const struct ctl_column columns[] = { { "boot", "boot_id", NULL },
		{ "worker", "worker", NULL }, { "first", "first", NULL }, { "last", "last", NULL },
		{ "records", "records", NULL }, { "missing", "missing", NULL },
		{ "repeated", "repeated", NULL } };
	struct json_object *answer = json_object_new_object(), *array;
	uint64_t records = 0, missing = 0, bytes;
	unsigned places;

	ag_journal_damage(j, &places, &bytes);
	array = list_streams(list, &records, &missing);
	json_object_object_add(answer, "records", json_object_new_int64((int64_t)records));
	json_object_object_add(answer, "missing", json_object_new_int64((int64_t)missing));
	json_object_object_add(answer, "damaged_places", json_object_new_int64(places));
	json_object_object_add(answer, "damaged_bytes", json_object_new_int64((int64_t)bytes));
	json_object_object_add(answer, "streams", array);
	ctl_print_list(ctl, answer, array, columns, AG_ARRAY_LEN(columns));
	json_object_put(answer);
	ctl_say("%" PRIu64 " records whole, %" PRIu64 " numbers missing, %u damaged places of %" PRIu64
	        " bytes", records, missing, places, bytes);
	return missing || places ? CTL_FAILED : CTL_OK;
}

enum ctl_exit
ctl_journal_verify(struct ctl *ctl, int argc, char **argv)
{
	struct seen_list list = { .n = 0 };
	struct ag_journal *j = NULL;
	const char *dir = NULL;
	enum ctl_exit status = begin(ctl, argc, argv, &dir);
	int rc;

	if (status == CTL_OK)
		status = look(dir, &j);
	if (status != CTL_OK)
		return status;
	rc = read_all(j, &list);
	status = report_verify(ctl, j, &list);
	if (rc < 0)
		status = ctl_fail(CTL_FAILED, "could not read the journal to its end: %s", strerror(-rc));
	free(list.v);
	ag_journal_free(j);
	return status;
}

/* ---- replay ------------------------------------------------------------------------------- */

enum ctl_exit
ctl_journal_replay(struct ctl *ctl, int argc, char **argv)
{
	struct ag_replay_report report;
	struct ag_replay_opts opts = { 0 };
	struct ag_err err = { "" };
	const char *dir = NULL;
	enum ctl_exit status = begin(ctl, argc, argv, &dir);
	int rc;

	if (status != CTL_OK)
		return status;
	if (!ctl_conf(ctl))
		return CTL_BAD_FILE;
	opts = (struct ag_replay_opts){ .dir = dir,
		.conninfo = ctl->database ? ctl->database : ctl->conf->database,
		.max_bytes = ctl->conf->journal_max, .batch = ctl->conf->flush_batch,
		.metadata = ctl->conf->rollup_metadata,
		.partition_unit = ctl->conf->ledger_partition == AG_PARTITION_DAY ? "day" : "month" };
	rc = ag_replay(&opts, &report, &err);
	if (rc == -EBUSY)
		return ctl_fail(CTL_FAILED, "the journal is in use: the daemon stores it by itself");
	if (ctl->output != CTL_OUT_TABLE)
		printf("{\"stored\": %" PRIu64 ", \"quarantined\": %" PRIu64 ", \"missing\": %" PRIu64
		       ", \"bytes_before\": %" PRIu64 ", \"bytes_left\": %" PRIu64 "}\n", report.stored,
		       report.quarantined, report.missing, report.bytes_before, report.bytes_after);
	else
		printf("stored %" PRIu64 " records, put %" PRIu64 " aside, %" PRIu64
		       " never arrived; %" PRIu64 " bytes left of %" PRIu64 "\n", report.stored,
		       report.quarantined, report.missing, report.bytes_after, report.bytes_before);
	if (rc < 0)
		return ctl_fail(rc == -ETIMEDOUT ? CTL_UNREACHABLE : CTL_FAILED, "%s", err.text);
	return CTL_OK;
}
