/* limits.c - GET /v1/limits: what binds the asking key, as it stands in shared memory.
 *
 *   {"object":"limits","key_id":"<uuid>","at":"<now>","limits":[...],"status":"active"}
 *
 * limits and status are told in policy/readback.h.  Needs completions.write or logs.view; consumes
 * nothing, asks nobody: it is answered while PostgreSQL and control are away. */
#include "base/clock.h"
#include "base/scope.h"
#include "policy/readback.h"
#include "worker/request.h"

#define LIMITS_BODY_MAX ((size_t)4 << 20)

void
ag_reply_limits(struct ag_req *r, const struct ag_http_head *head)
{
	enum ag_verdict verdict = ag_admit_authenticate(r, head, NULL, 0, NULL);
	char uuid[AG_UUID_TEXT], at[AG_ISO8601_LEN];
	struct ag_buf body;

	r->trace_id = ag_admit_trace_id(r, head);
	if (verdict == AG_ALLOW && !ag_scopes_has(r->key.scopes, AG_SCOPE_COMPLETIONS_WRITE) &&
	    !ag_scopes_has(r->key.scopes, AG_SCOPE_LOGS_VIEW))
		verdict = AG_DENY_SCOPE;
	if (verdict != AG_ALLOW) {
		ag_reply_verdict(r, verdict, AG_STR_NONE, AG_NONE_IX);
		return;
	}
	ag_uuid_text(r->key.uuid, uuid);
	ag_clock_iso8601(r->rec.received_at_us, at);
	ag_buf_init(&body, LIMITS_BODY_MAX);
	ag_buf_printf(&body, "{\"object\":\"limits\",\"key_id\":\"%s\",\"at\":\"%s\",", uuid, at);
	ag_readback_put(&body, r->w->shm, ag_view_catalog(r->view), &r->key, r->rec.received_at_us);
	ag_buf_putc(&body, '}');
	if (body.failed)
		ag_reply_verdict(r, AG_DENY_NO_CAPACITY, AG_STR("the list of limits is too long"), AG_NONE_IX);
	else
		ag_reply_json(r, 200, ag_buf_str(&body));
	ag_buf_fini(&body);
}
