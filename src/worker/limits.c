/* limits.c - GET /v1/limits: what binds the asking key, as it stands in shared memory.
 *
 *   {"object":"limits","key_id":"<uuid>","at":"<now>","limits":[...],"status":"active"}
 *
 * limits and status are told in policy/readback.h.  Needs completions.write or logs.view; consumes
 * nothing, asks nobody: it is answered while PostgreSQL and control are away.
 *
 * What policies count depends on the request: ?model= and the header x-portkey-metadata say what it
 * would be; without them such a policy is told without figures. */
#include "base/clock.h"
#include "base/scope.h"
#include "policy/metadata.h"
#include "policy/readback.h"
#include "worker/request.h"

#define LIMITS_BODY_MAX ((size_t)4 << 20)

/* The target of the model that is asked about. */
static enum ag_verdict
target_of(struct ag_req *r, const struct ag_http_head *head, bool *out_given, struct ag_str *out_detail)
{
	struct ag_route_in in = { .cat = ag_view_catalog(r->view), .ws = r->ws,
		.model = ag_req_query(r, head, AG_STR("model")), .endpoint = AG_EP_CHAT,
		.now_us = r->rec.received_at_us };

	*out_given = r->ws && in.model.n > 0;
	return *out_given ? ag_route_resolve(&in, &r->target, out_detail) : AG_ALLOW;
}

static enum ag_verdict
ask(struct ag_req *r, const struct ag_http_head *head, bool *out_has_target, struct ag_str *out_detail)
{
	char blob[AG_METADATA_MAX];
	size_t n = 0;
	enum ag_verdict verdict = ag_admit_authenticate(r, head, blob, sizeof(blob), &n);

	*out_has_target = false;
	if (verdict != AG_ALLOW)
		return verdict;
	if (!ag_scopes_has(r->key.scopes, AG_SCOPE_COMPLETIONS_WRITE) &&
	    !ag_scopes_has(r->key.scopes, AG_SCOPE_LOGS_VIEW))
		return AG_DENY_SCOPE;
	if (r->ws && ag_admit_metadata(r, head, ag_str_n(blob, n)) < 0) {
		*out_detail = AG_STR("The metadata of this request, its key and its workspace is larger "
		    "than 2048 bytes");
		return AG_DENY_BAD_REQUEST;
	}
	return target_of(r, head, out_has_target, out_detail);
}

void
ag_reply_limits(struct ag_req *r, const struct ag_http_head *head)
{
	struct ag_readback_about about = { .target = NULL };
	struct ag_str detail = AG_STR_NONE;
	bool has_target;
	enum ag_verdict verdict = ask(r, head, &has_target, &detail);
	char uuid[AG_UUID_TEXT], at[AG_ISO8601_LEN];
	struct ag_buf body;

	if (verdict != AG_ALLOW) {
		ag_reply_verdict(r, verdict, detail, AG_NONE_IX);
		return;
	}
	about.metadata = r->metadata;
	about.target = has_target ? &r->target : NULL;
	ag_uuid_text(r->key.uuid, uuid);
	ag_clock_iso8601(r->rec.received_at_us, at);
	ag_buf_init(&body, LIMITS_BODY_MAX);
	ag_buf_printf(&body, "{\"object\":\"limits\",\"key_id\":\"%s\",\"at\":\"%s\",", uuid, at);
	ag_readback_put(&body, r->w->shm, ag_view_catalog(r->view), &r->key, &about,
	    r->rec.received_at_us);
	ag_buf_putc(&body, '}');
	if (body.failed)
		ag_reply_verdict(r, AG_DENY_NO_CAPACITY, AG_STR("the list of limits is too long"), AG_NONE_IX);
	else
		ag_reply_json(r, 200, ag_buf_str(&body));
	ag_buf_fini(&body);
}
