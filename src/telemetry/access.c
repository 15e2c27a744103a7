#include "telemetry/access.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/log.h"
#include "conf/conf.h"
#include "shm/counters.h"
#include "shm/event_ring.h"
#include "shm/record_name.h"
#include "shm/ring.h"
#include "telemetry/json.h"

#define LINES_MAX ((size_t)4 << 20)
#define LINES_AT  65536u /* bytes that are not gathered further */

/* ---- a line ------------------------------------------------------------------------------ */

static void
put_ids(struct ag_buf *b, const struct ag_event *e)
{
	const uint8_t *u = e->request_id;

	ag_json_name(b, "request_id");
	ag_buf_putc(b, '"');
	for (size_t i = 0; i < sizeof(e->request_id); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			ag_buf_putc(b, '-');
		ag_buf_put_hex(b, &u[i], 1);
	}
	ag_buf_putc(b, '"');
	ag_json_str_if(b, "trace_id", ag_event_string(e, AG_ES_TRACE_ID));
	if (e->flags & AG_EVENT_TRACED) {
		ag_json_str(b, "w3c_trace_id", ag_str_n(e->trace, sizeof(e->trace)));
		ag_json_str(b, "span_id", ag_str_n(e->span, sizeof(e->span)));
	}
	if (e->flags & AG_EVENT_CHILD)
		ag_json_str(b, "parent_span_id", ag_str_n(e->parent, sizeof(e->parent)));
}

static void
put_request(struct ag_buf *b, const struct ag_event *e)
{
	int64_t us = e->finished_at_us - e->received_at_us;

	ag_json_str(b, "client", ag_event_string(e, AG_ES_PEER));
	ag_json_bool(b, "tls", e->flags & AG_EVENT_TLS);
	ag_json_str_if(b, "method", ag_event_string(e, AG_ES_METHOD));
	ag_json_str_if(b, "path", ag_event_string(e, AG_ES_PATH));
	ag_json_int(b, "status", e->status);
	ag_json_str_if(b, "error", ag_event_string(e, AG_ES_ERROR));
	if (e->flags & AG_EVENT_CLIENT_LEFT)
		ag_json_bool(b, "client_left", true);
	ag_json_int(b, "duration_us", us > 0 ? us : 0);
	ag_json_int_if(b, "queue_us", e->queue_us);
	ag_json_int(b, "request_bytes", (int64_t)e->request_bytes);
	ag_json_int(b, "response_bytes", (int64_t)e->response_bytes);
	ag_json_str_if(b, "user_agent", ag_event_string(e, AG_ES_AGENT));
	ag_json_int_if(b, "organisation_id", e->org_id);
	ag_json_int_if(b, "workspace_id", e->workspace_id);
	ag_json_int_if(b, "key_id", e->key_id);
	ag_json_int_if(b, "user_id", e->user_id);
	if (e->flags & AG_EVENT_ADMIN)
		ag_json_bool(b, "admin", true);
	if (e->endpoint == AG_EP_NONE)
		return;
	ag_json_str(b, "endpoint", ag_endpoint_name(e->endpoint));
	ag_json_bool(b, "stream", e->flags & AG_EVENT_STREAM);
	ag_json_str_if(b, "requested_model", ag_event_string(e, AG_ES_MODEL));
}

static void
put_attempt(struct ag_buf *b, const struct ag_event *e, const struct ag_record *rec)
{
	ag_json_int(b, "attempts", e->attempts);
	ag_json_str_if(b, "attempt_span_id", ag_record_string(rec, AG_RS_SPAN_ID));
	ag_json_str(b, "provider", ag_record_string(rec, AG_RS_PROVIDER));
	ag_json_str(b, "provider_slug", ag_record_string(rec, AG_RS_PROVIDER_SLUG));
	ag_json_str_if(b, "upstream_host", ag_event_string(e, AG_ES_HOST));
	ag_json_int_if(b, "upstream_status", rec->status);
	ag_json_str_if(b, "upstream_id", ag_record_string(rec, AG_RS_UPSTREAM_ID));
	ag_json_str_if(b, "upstream_error", ag_record_string(rec, AG_RS_ERROR_TYPE));
	ag_json_str_if(b, "model", ag_record_string(rec, AG_RS_SERVED_MODEL));
	ag_json_str(b, "outcome", ag_outcome_name(rec->outcome));
	ag_json_str_if(b, "finish_reason", ag_record_string(rec, AG_RS_FINISH_REASON));
	ag_json_int(b, "overhead_us", rec->overhead_us);
	if (rec->first_byte_at_us > rec->sent_at_us)
		ag_json_int(b, "first_byte_us", rec->first_byte_at_us - rec->sent_at_us);
	ag_json_str(b, "usage_source", ag_usage_source_name(rec->usage.source));
	ag_json_int(b, "input_tokens", (int64_t)ag_usage_input_total(&rec->usage));
	ag_json_int_if(b, "cached_tokens", (int64_t)rec->usage.cache_read);
	ag_json_int(b, "output_tokens", (int64_t)rec->usage.output_total);
	ag_json_int(b, "cost_nusd", rec->cost_nusd);
	ag_json_int(b, "charged_nusd", rec->charged_nusd);
}

void
ag_access_put_line(struct ag_buf *b, const struct ag_event *e)
{
	const struct ag_record *rec = ag_event_record(e);
	char at[AG_ISO8601_LEN];

	ag_clock_iso8601(e->received_at_us, at);
	ag_buf_putc(b, '{');
	ag_json_str(b, "time", ag_str(at));
	put_ids(b, e);
	put_request(b, e);
	if (rec)
		put_attempt(b, e, rec);
	ag_buf_put(b, "}\n", 2);
}

/* ---- the file ---------------------------------------------------------------------------- */

static void
lost(struct ag_access *a, const char *what, int err)
{
	if (!a->has_failed)
		ag_error("could not %s access log \"%s\": %s, its lines are dropped", what, a->path, strerror(err));
	a->has_failed = true;
	ag_count_add(AG_CNT_access_dropped, (int64_t)a->n_lines);
	ag_buf_reset(&a->lines);
	a->n_lines = 0;
}

static int
open_file(struct ag_access *a)
{
	int fd = open(a->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);

	if (fd < 0)
		return -errno;
	ag_fd_close(&a->fd);
	a->fd = fd;
	a->is_cut = false;
	return 0;
}

void
ag_access_init(struct ag_access *a, const char *path)
{
	*a = (struct ag_access){ .path = path, .fd = -1 };
	ag_buf_init(&a->lines, LINES_MAX);
}

void
ag_access_fini(struct ag_access *a)
{
	ag_buf_fini(&a->lines);
	ag_fd_close(&a->fd);
}

void
ag_access_reopen(struct ag_access *a)
{
	int rc;

	if (!a->path[0])
		return;
	ag_access_write(a); /* what was gathered belongs to the file that was there */
	rc = open_file(a);
	if (rc < 0)
		ag_error("could not reopen access log \"%s\": %s, writing to the old one", a->path, strerror(-rc));
}

/* All of p, or as much as the file takes: its length.  errno says why no more. */
static size_t
write_some(int fd, const char *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t put = write(fd, p + done, n - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			break;
		done += (size_t)put;
	}
	return done;
}

static uint64_t
lines_in(const char *p, size_t n)
{
	uint64_t lines = 0;

	for (const char *end = p + n; p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
		lines++;
	return lines;
}

void
ag_access_write(struct ag_access *a)
{
	uint64_t taken;
	size_t done;
	int rc;

	if (a->n_lines == 0)
		return;
	rc = a->fd >= 0 ? 0 : open_file(a);
	if (rc < 0) {
		lost(a, "open", -rc);
		return;
	}
	/* The half of a line that a full disk left is ended first: it spoils no other. */
	if (a->is_cut && write_some(a->fd, "\n", 1) == 1)
		a->is_cut = false;
	done = a->is_cut ? 0 : write_some(a->fd, a->lines.p, a->lines.n);
	taken = lines_in(a->lines.p, done);
	ag_count_add(AG_CNT_access_lines, (int64_t)taken);
	if (done < a->lines.n) {
		a->is_cut = a->is_cut || (done > 0 && a->lines.p[done - 1] != '\n');
		a->n_lines -= taken;
		lost(a, "write", errno);
		return;
	}
	if (a->has_failed)
		ag_notice("access log \"%s\" is written again", a->path);
	a->has_failed = false;
	a->n_lines = 0;
	ag_buf_reset(&a->lines);
}

/* ---- what goes in ------------------------------------------------------------------------ */

/* By the request's own random bits: every reader of its id comes to the same answer. */
static bool
is_kept(const struct ag_event *e, uint32_t sample)
{
	uint64_t bits;

	if (sample >= AG_RATIO_ONE || e->status >= 400 || e->status == 0 ||
	    ag_event_string(e, AG_ES_ERROR).n > 0 || (e->flags & AG_EVENT_CLIENT_LEFT))
		return true;
	memcpy(&bits, e->request_id + 8, sizeof(bits));
	return ag_mix64(bits) % AG_RATIO_ONE < sample;
}

/* Errors behind a head that said 200 are errors too. */
static bool
is_failed(const struct ag_event *e)
{
	const struct ag_record *rec = ag_event_record(e);

	return rec && rec->outcome != AG_OUT_ANSWERED;
}

void
ag_access_take(struct ag_access *a, const struct ag_event *e, uint32_t sample)
{
	size_t before = a->lines.n;

	if (!a->path[0] || (!is_kept(e, sample) && !is_failed(e)))
		return;
	ag_access_put_line(&a->lines, e);
	if (a->lines.failed) {
		a->lines.failed = false;
		a->lines.n = before;
		ag_count(AG_CNT_access_dropped);
		return;
	}
	a->n_lines++;
	if (a->lines.n >= LINES_AT)
		ag_access_write(a);
}
