/* endpoints.c - what clients call besides chat, completions and embeddings: where it goes. */
#include "worker/request.h"

#define PATH_MAX_BYTES 8192

/* The client's path behind /v1, with its query. */
static struct ag_str
rest_of(const struct ag_http_head *head)
{
	return ag_str_starts(head->target, AG_STR("/v1/")) ? ag_str_skip(head->target, 3) : head->target;
}

enum ag_verdict
ag_req_expand_path(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	struct ag_err err = { "" };
	struct ag_buf b;
	int rc;

	ag_buf_init(&b, PATH_MAX_BYTES);
	rc = ag_provider_expand(r->target.family, r->path.p, r->dest->config, r->target.model, rest_of(head), &b, &err);
	r->path = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	if (rc == 0 && r->path.p)
		return AG_ALLOW;
	*out_detail = ag_arena_dup(&r->arena, ag_str(err.text));
	return AG_DENY_BAD_REQUEST;
}
