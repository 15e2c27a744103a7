/* status.c - /healthz (is the process alive) and /readyz (can it serve, and how well). */
#include "base/clock.h"
#include "worker/request.h"

void
ag_reply_healthz(struct ag_req *r)
{
	ag_reply_json(r, 200, AG_STR("{\"status\":\"ok\"}"));
}

void
ag_reply_readyz(struct ag_req *r)
{
	const struct ag_shm_hdr *hdr = r->w->shm->hdr;
	int64_t down_us = ag_a64_get(&hdr->pg_down_since_us);
	char at[AG_ISO8601_LEN];
	struct ag_buf b;

	if (r->w->is_draining) {
		ag_reply_json(r, 503, AG_STR("{\"status\":\"draining\"}"));
		return;
	}
	if (ag_a32_observe(&hdr->state) != AG_SHM_READY || !r->view) {
		ag_reply_json(r, 503, AG_STR("{\"status\":\"starting\"}"));
		return;
	}
	if (ag_a32_get(&hdr->intake_closed)) {
		ag_reply_json(r, 503, AG_STR("{\"status\":\"degraded\",\"degraded\":[\"journal full: new requests are refused\"]}"));
		return;
	}
	if (down_us == 0) {
		ag_reply_json(r, 200, AG_STR("{\"status\":\"ok\"}"));
		return;
	}
	ag_clock_iso8601(down_us, at);
	ag_buf_init(&b, 256);
	ag_buf_printf(&b, "{\"status\":\"degraded\",\"degraded\":[\"postgresql away since %s: records wait in the journal\"]}", at);
	ag_reply_json(r, 200, ag_buf_str(&b));
	ag_buf_fini(&b);
}
