/* status.c - /healthz (is the process alive) and /readyz (can it serve, and how well).
 *
 * {"status":"ok"}                    200
 * {"status":"degraded",              200: requests are served, something else is not as it should be
 *  "degraded":["what", ...]}         503: they are not
 * {"status":"starting"}              503: limits are not loaded yet
 * {"status":"draining"}              503 */
#include <stdio.h>

#include "base/clock.h"
#include "shm/counters.h"
#include "worker/request.h"

#define SILENCE_US (10 * AG_US_PER_SEC) /* beats come every second */

void
ag_reply_healthz(struct ag_req *r)
{
	ag_reply_json(r, 200, AG_STR("{\"status\":\"ok\"}"));
}

static void
put_reason(struct ag_buf *b, const char *what)
{
	ag_buf_puts(b, b->n > 0 ? ",\"" : "\"");
	ag_buf_put_json(b, ag_str(what));
	ag_buf_putc(b, '"');
}

/* Dead, not yet at work, or without a sign of life. */
static bool
is_away(const struct ag_shm *shm, uint32_t proc_ix, int64_t now_us)
{
	const struct ag_proc_slot *p = ag_shm_proc(shm, proc_ix);

	return ag_a32_get(&p->pid) == 0 || !ag_a32_get(&p->is_serving) ||
	    now_us - ag_a64_get(&p->heartbeat_us) > SILENCE_US;
}

static void
put_processes(const struct ag_req *r, struct ag_buf *b)
{
	const struct ag_shm *shm = r->w->shm;
	int64_t now_us = ag_clock_wall_us();
	uint32_t n = shm->hdr->sizes.workers, serving = 0;
	char text[96];

	if (is_away(shm, AG_PROC_FLUSHER, now_us))
		put_reason(b, "flusher away: records wait in the rings");
	if (is_away(shm, AG_PROC_CONTROL, now_us))
		put_reason(b, "control away: nothing can be administered");
	if (r->w->events.hdr && is_away(shm, AG_PROC_TELEMETRY, now_us))
		put_reason(b, "telemetry away: access log and spans wait, then are dropped");
	for (uint32_t i = 0; i < n; i++)
		serving += i == r->w->ctx->worker_ix || !is_away(shm, AG_PROC_WORKER(i), now_us);
	if (serving < n) {
		snprintf(text, sizeof(text), "%u of %u workers serve", serving, n);
		put_reason(b, text);
	}
}

/* What is wrong, as members of an array; false: requests are refused for it. */
static bool
put_reasons(const struct ag_req *r, struct ag_buf *b)
{
	const struct ag_shm_hdr *hdr = r->w->shm->hdr;
	bool is_full = ag_a32_get(&hdr->intake_closed) != 0, serves = r->w->conf->full_ring == AG_FULL_RING_SERVE;
	int64_t down_us = ag_a64_get(&hdr->pg_down_since_us), late_s;
	char at[AG_ISO8601_LEN], text[96];

	if (is_full)
		put_reason(b, serves ? "journal full: requests are served unrecorded"
		    : "journal full: new requests are refused");
	if (down_us != 0) {
		ag_clock_iso8601(down_us, at);
		snprintf(text, sizeof(text), "postgresql away since %s: records wait in the journal", at);
		put_reason(b, text);
	}
	/* The flusher sets it only when it is worth telling. */
	late_s = ag_counter_sum(r->w->shm, AG_CNT_journal_late_seconds);
	if (late_s > 0) {
		snprintf(text, sizeof(text), "disk slow: the journal waits for its sync since %lld s",
		    (long long)late_s);
		put_reason(b, text);
	}
	put_processes(r, b);
	return !is_full || serves;
}

void
ag_reply_readyz(struct ag_req *r)
{
	struct ag_buf reasons, b;
	bool is_served;

	if (r->w->is_draining) {
		ag_reply_json(r, 503, AG_STR("{\"status\":\"draining\"}"));
		return;
	}
	if (ag_a32_observe(&r->w->shm->hdr->state) != AG_SHM_READY || !r->view) {
		ag_reply_json(r, 503, AG_STR("{\"status\":\"starting\"}"));
		return;
	}
	ag_buf_init(&reasons, 1024);
	is_served = put_reasons(r, &reasons);
	if (reasons.n == 0) {
		ag_reply_json(r, 200, AG_STR("{\"status\":\"ok\"}"));
		return;
	}
	ag_buf_init(&b, 2048);
	ag_buf_printf(&b, "{\"status\":\"degraded\",\"degraded\":[%.*s]}", AG_STR_ARG(ag_buf_str(&reasons)));
	ag_reply_json(r, is_served ? 200 : 503, ag_buf_str(&b));
	ag_buf_fini(&b);
	ag_buf_fini(&reasons);
}
