#include "worker/request.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "shm/counters.h"
#include "worker/upstream.h"
#include "worker/wait.h"

#define SPARE_REQS 256
#define REQ_ARENA_MAX ((size_t)1 << 20)
#define ADMIN_BODY_MAX ((size_t)1 << 20) /* what control takes */

#define AG_TO(state) (1u << AG_REQ_##state)
static const uint32_t req_may_go[AG_REQ_STATES] = {
#define X(name, to, deadline) [AG_REQ_##name] = to,
#include "aigated/tbl/states.h"
#undef X
};
static const char *const req_state_name[AG_REQ_STATES] = {
#define X(name, to, deadline) [AG_REQ_##name] = #name,
#include "aigated/tbl/states.h"
#undef X
};

void
ag_req_goto(struct ag_req *r, enum ag_req_state next)
{
	assert(r->magic == AG_REQ_MAGIC);
	assert(req_may_go[r->state] & (1u << next));
	ag_debug("req=%02x%02x state=%s next=%s", r->id[14], r->id[15], req_state_name[r->state],
	    req_state_name[next]);
	r->state = next;
}

static struct ag_req *
req_new(struct ag_worker *w)
{
	struct ag_arena arena = { 0 };
	struct ag_req *r;

	if (!ag_list_is_empty(&w->spare_reqs)) {
		r = AG_LIST_ENTRY(w->spare_reqs.next, struct ag_req, node);
		ag_list_remove(&r->node);
		w->n_spare_reqs--;
		arena = r->arena;
	} else {
		r = malloc(sizeof(*r));
		if (!r)
			return NULL;
		ag_arena_init(&arena, REQ_ARENA_MAX);
	}
	memset(r, 0, offsetof(struct ag_req, meters));
	r->magic = AG_REQ_MAGIC;
	r->arena = arena;
	r->w = w;
	ag_list_init(&r->node);
	ag_list_init(&r->resolve.node);
	ag_list_init(&r->wait.node);
	ag_list_init(&r->token_wait.node);
	return r;
}

void
ag_req_free(struct ag_req *r)
{
	struct ag_worker *w = r->w;

	assert(r->magic == AG_REQ_MAGIC && !r->slot);
	if (AG_UNLIKELY(w->events.hdr != NULL))
		ag_req_event_end(r);
	if (AG_UNLIKELY(r->bodies != NULL))
		ag_bodies_end(r);
	ag_wait_leave(r);
	if (r->is_resolving)
		ag_origin_resolve_cancel(&r->resolve);
	if (r->is_awaiting_token)
		ag_token_cancel(&r->token_wait);
	if (r->up) {
		r->up->may_keep = false;
		ag_upstream_done(r->up);
	}
	if (r->has_sse)
		ag_sse_fini(&r->sse);
	if (r->xl)
		ag_xlate_free(r);
	ag_buf_fini(&r->acc);
	ag_req_forget_head(r);
	ag_buf_fini(&r->msg);
	ag_buf_fini(&r->merged);
	ag_bearer_unref(r->bearer);
	ag_view_unref(r->view);
	ag_mem_wipe(&r->key, sizeof(r->key));
	ag_req_wipe_head(r);
	r->magic = 0;
	if (w->head_of == r)
		w->head_of = NULL;
	if (w->n_spare_reqs < SPARE_REQS) {
		ag_arena_reset(&r->arena);
		ag_list_push_front(&w->spare_reqs, &r->node);
		w->n_spare_reqs++;
		return;
	}
	ag_arena_fini(&r->arena);
	free(r);
}

/* ---- routes ------------------------------------------------------------------------------ */

/* The meter it waits for, or AG_NONE_IX: answered or on its way, and perhaps gone. */
static uint32_t
serve_inference(struct ag_req *r, const struct ag_http_head *head)
{
	struct ag_str detail = AG_STR_NONE;
	uint32_t meter = AG_NONE_IX;
	enum ag_verdict v;

	ag_req_goto(r, AG_REQ_ADMIT);
	v = ag_req_admit(r, head, &detail, &meter);
	if (v != AG_ALLOW && ag_wait_enter(r, v, detail, meter))
		return meter;
	ag_wait_leave(r);
	ag_req_explain(r, v, detail, meter);
	if (v != AG_ALLOW) {
		ag_reply_verdict(r, v, detail, meter);
		return AG_NONE_IX;
	}
	r->admitted_us = ag_clock_mono_us();
	if (r->wait.since_us > 0)
		r->rec.queue_us = (uint32_t)(r->admitted_us - r->wait.since_us);
	ag_count(AG_CNT_req_admitted);
	ag_req_goto(r, AG_REQ_ROUTE);
	ag_req_send(r);
	return AG_NONE_IX;
}

struct ag_http_head *
ag_req_head(struct ag_req *r)
{
	struct ag_worker *w = r->w;

	if (w->head_of != r) {
		ag_http_head_init(&w->head, w->conf->max_head);
		if (ag_http_parse_request(r->msg.p, r->head_len, &w->head) != AG_PARSE_DONE)
			assert(!"a head that was whole is whole");
		w->head_of = r;
	}
	return &w->head;
}

uint32_t
ag_req_again(struct ag_req *r, int64_t wall_us)
{
	const struct ag_http_head *head = ag_req_head(r);

	ag_view_unref(r->view);
	r->view = ag_worker_view(r->w);
	if (r->view)
		ag_view_ref(r->view);
	ag_req_wipe_head(r);
	ag_arena_reset(&r->arena);
	ag_req_trace(r, head);
	if (AG_UNLIKELY(r->w->events.hdr != NULL))
		ag_req_event_begin(r, head);
	if (r->xl)
		ag_xlate_free(r);
	/* Its rules may be others now: laid over the body as it came. */
	if (r->merged.n > 0)
		r->body_len = r->came_len;
	ag_buf_fini(&r->merged);
	r->rules = NULL;
	r->refusal = AG_STR_NONE;
	r->target = (struct ag_target){ 0 };
	r->ws = NULL;
	r->dest = NULL;
	r->path = r->requested_model = r->metadata = AG_STR_NONE;
	r->wants_usage = r->is_passed = r->is_raw_body = r->caps_price = false;
	memset(r->field, 0, sizeof(r->field));
	r->n_edits = 0;
	r->est = (struct ag_estimate){ 0 };
	r->client_limit = r->searches = 0;
	memset(&r->object, 0, sizeof(r->object));
	memset(&r->tools, 0, sizeof(r->tools));
	r->rate_requests = r->rate_tokens = (struct ag_rate_note){ 0 };
	r->admit_at_us = wall_us;
	/* Its model stands in the path. */
	if ((r->endpoint == AG_EP_GENERATE || r->endpoint == AG_EP_GENERATE_COUNT) && !ag_inbound_gemini(r, head))
		assert(!"a path that named a model names it");
	return serve_inference(r, head);
}

#define SERVE(name, ep)                                                            \
	static void                                                                \
	serve_##name(struct ag_req *r, const struct ag_http_head *head)            \
	{                                                                          \
		r->endpoint = ep;                                                  \
		(void)serve_inference(r, head);                                        \
	}
SERVE(chat, AG_EP_CHAT)
SERVE(completion, AG_EP_COMPLETION)
SERVE(embedding, AG_EP_EMBEDDING)
SERVE(messages, AG_EP_MESSAGES)
SERVE(count_tokens, AG_EP_COUNT_TOKENS)
SERVE(responses, AG_EP_RESPONSES)
SERVE(moderation, AG_EP_MODERATION)
SERVE(rerank, AG_EP_RERANK)
SERVE(image, AG_EP_IMAGE)
SERVE(image_edit, AG_EP_IMAGE_EDIT)
SERVE(image_variation, AG_EP_IMAGE_VARIATION)
SERVE(speech, AG_EP_SPEECH)
SERVE(transcription, AG_EP_TRANSCRIPTION)
SERVE(translation, AG_EP_TRANSLATION)
/* Of a provider that is named; without one there is nothing there: req_route(). */
SERVE(files, AG_EP_FILES)
SERVE(batches, AG_EP_BATCHES)
SERVE(proxy, AG_EP_PROXY)

static void
serve_gemini(struct ag_req *r, const struct ag_http_head *head)
{
	if (ag_inbound_gemini(r, head))
		(void)serve_inference(r, head);
	else
		ag_reply_verdict(r, AG_DENY_NOT_FOUND, AG_STR_NONE, AG_NONE_IX);
}

static void
serve_admin(struct ag_req *r, const struct ag_http_head *head)
{
	(void)head;
	ag_count(AG_CNT_req_admin);
	if (r->body_len > ADMIN_BODY_MAX) {
		ag_reply_json(r, 413, AG_STR("{\"success\":false,\"data\":{\"message\":\"the body is longer than the 1 MiB "
		    "an admin call takes\",\"errorCode\":\"AB01\"},\"error\":{\"message\":\"the body is longer than the "
		    "1 MiB an admin call takes\",\"type\":\"request_too_large\",\"param\":null,\"code\":\"AB01\"}}"));
		return;
	}
	r->is_admin = true;
	ag_req_goto(r, AG_REQ_ROUTE);
	ag_req_send(r);
}

static void
serve_healthz(struct ag_req *r, const struct ag_http_head *head)
{
	(void)head;
	ag_reply_healthz(r);
}

static void
serve_readyz(struct ag_req *r, const struct ag_http_head *head)
{
	(void)head;
	ag_reply_readyz(r);
}

static void
serve_health(struct ag_req *r, const struct ag_http_head *head)
{
	(void)head;
	ag_reply_json(r, 200,
	    AG_STR("{\"status\":\"success\",\"message\":\"Server is healthy\",\"version\":\"" PACKAGE_VERSION "\"}"));
}

#define GET    (1u << AG_HTTP_GET | 1u << AG_HTTP_HEAD)
#define POST   (1u << AG_HTTP_POST)
#define PASSED (ANY & ~(1u << AG_HTTP_HEAD))
#define ANY    (GET | POST | 1u << AG_HTTP_PUT | 1u << AG_HTTP_PATCH | 1u << AG_HTTP_DELETE)

/* First match wins; is_prefix also matches below the path. */
static const struct route {
	const char *path;
	uint32_t methods;
	bool is_prefix;
	void (*serve)(struct ag_req *r, const struct ag_http_head *head);
} routes[] = {
	{ "/v1/chat/completions", POST, false, serve_chat },
	{ "/v1/completions", POST, false, serve_completion },
	{ "/v1/embeddings", POST, false, serve_embedding },
	{ "/v1/messages", POST, false, serve_messages },
	{ "/v1/messages/count_tokens", POST, false, serve_count_tokens },
	{ "/v1/responses", POST, false, serve_responses },
	{ "/v1beta/models", POST, true, serve_gemini },
	{ "/v1/moderations", POST, false, serve_moderation },
	{ "/v1/rerank", POST, false, serve_rerank },
	{ "/v1/images/generations", POST, false, serve_image },
	{ "/v1/images/edits", POST, false, serve_image_edit },
	{ "/v1/images/variations", POST, false, serve_image_variation },
	{ "/v1/audio/speech", POST, false, serve_speech },
	{ "/v1/audio/transcriptions", POST, false, serve_transcription },
	{ "/v1/audio/translations", POST, false, serve_translation },
	{ "/v1/models", GET, false, ag_reply_models },
	{ "/v1/models", GET, true, ag_reply_model },
	{ "/v1/limits", GET, false, ag_reply_limits },
	{ "/v1/usage", GET, false, serve_admin },
	{ "/v1/openapi.json", GET, false, serve_admin },
	{ "/healthz", GET, false, serve_healthz },
	{ "/readyz", GET, false, serve_readyz },
	{ "/v1/health", GET, false, serve_health },
	{ "/v1/admin", ANY, true, serve_admin },
	{ "/v2/admin", ANY, true, serve_admin },
	{ "/v1/api-keys", ANY, true, serve_admin },
	{ "/v1/invites", ANY, true, serve_admin },
	{ "/v1/integrations", ANY, true, serve_admin },
	{ "/v1/providers", ANY, true, serve_admin },
	{ "/v1/virtual-keys", ANY, true, serve_admin },
	{ "/v1/configs", ANY, true, serve_admin },
	{ "/v1/guardrails", ANY, true, serve_admin },
	{ "/v1/policies", ANY, true, serve_admin },
	{ "/v1/model-configs/pricing", GET, true, ag_reply_pricing },
	{ "/model-configs/pricing", GET, true, ag_reply_pricing },
	{ "/v1/workspace-exclusions", ANY, true, serve_admin },
	{ "/v1/secret-references", ANY, true, serve_admin },
	{ "/v1/audit-logs", ANY, true, serve_admin },
	{ "/v1/analytics", ANY, true, serve_admin },
	{ "/v1/logs", ANY, true, serve_admin },
	{ "/v1/feedback", ANY, true, serve_admin },
	{ "/v1/labels", ANY, true, serve_admin },
	{ "/v1/collections", ANY, true, serve_admin },
	{ "/v1/prompts", ANY, true, serve_admin },
	{ "/v1/mcp-integrations", ANY, true, serve_admin },
	{ "/v1/mcp-servers", ANY, true, serve_admin },
	{ "/v1/scim", ANY, true, serve_admin },
	{ "/v1/files", PASSED, true, serve_files },
	{ "/v1/batches", PASSED, true, serve_batches },
	{ "/v1", PASSED, true, serve_proxy },
};

static bool
route_matches(const struct route *route, struct ag_str path)
{
	struct ag_str want = ag_str(route->path);

	if (!ag_str_starts(path, want))
		return false;
	return path.n == want.n || (route->is_prefix && path.p[want.n] == '/');
}

bool
ag_req_is_own_path(struct ag_str path)
{
	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	for (size_t i = 0; i < AG_ARRAY_LEN(routes); i++) {
		struct ag_str want = ag_str(routes[i].path);

		if (routes[i].methods == PASSED || path.n < want.n || !ag_str_ieq(ag_str_n(path.p, want.n), want))
			continue;
		if (path.n == want.n || (routes[i].is_prefix && path.p[want.n] == '/'))
			return true;
	}
	return false;
}

/* What is asked of a path it does not take: OPTIONS is told, the rest refused; both name what the
 * path takes. */
static void
reply_methods(struct ag_req *r, const struct route *route, bool is_options)
{
	static const char *const name[] = { [AG_HTTP_GET] = "GET", [AG_HTTP_HEAD] = "HEAD",
		[AG_HTTP_POST] = "POST", [AG_HTTP_PUT] = "PUT", [AG_HTTP_PATCH] = "PATCH",
		[AG_HTTP_DELETE] = "DELETE" };
	struct ag_buf b;

	ag_buf_init(&b, 128);
	ag_buf_puts(&b, "OPTIONS");
	for (size_t i = 0; i < AG_ARRAY_LEN(name); i++)
		if (name[i] && (route->methods & (1u << i)))
			ag_buf_printf(&b, ", %s", name[i]);
	r->allow = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	if (is_options)
		ag_reply_text(r, 204, AG_STR_NONE);
	else
		ag_reply_verdict(r, AG_DENY_METHOD, AG_STR_NONE, AG_NONE_IX);
}

static void
req_route(struct ag_req *r, const struct ag_http_head *head)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(routes); i++) {
		if (!route_matches(&routes[i], head->path) ||
		    (routes[i].methods == PASSED && !ag_passed_is_named(head)))
			continue;
		if (routes[i].methods & (1u << head->method))
			routes[i].serve(r, head);
		else
			reply_methods(r, &routes[i], head->method == AG_HTTP_OPTIONS);
		return;
	}
	if (head->method == AG_HTTP_OPTIONS && ag_str_eq(head->path, AG_STR("*")))
		ag_reply_text(r, 204, AG_STR_NONE);
	else if (head->method == AG_HTTP_GET && ag_str_eq(head->path, AG_STR("/")))
		ag_reply_text(r, 200, AG_STR("AI Gateway says hey!"));
	else
		ag_reply_verdict(r, AG_DENY_NOT_FOUND, AG_STR_NONE, AG_NONE_IX);
}

void
ag_req_start(struct ag_client *c, const struct ag_http_head *head, struct ag_buf *msg,
    size_t head_len, size_t body_len)
{
	struct ag_req *r = req_new(c->w);

	if (!r) {
		ag_buf_fini(msg);
		ag_reply_bad_message(c, 503, "out of memory");
		return;
	}
	r->client = c;
	c->req = r;
	r->msg = *msg;
	c->w->head_of = r;
	r->head_len = head_len;
	r->body_len = body_len;
	r->received_us = ag_clock_mono_us();
	r->is_head_method = head->method == AG_HTTP_HEAD;
	r->is_http10 = head->minor == 0;
	r->wants_keep_alive = head->is_keep_alive;
	ag_buf_init(&r->acc, c->w->conf->max_body);
	r->rec.received_at_us = r->admit_at_us = ag_clock_wall_us();
	ag_worker_uuid7(c->w, r->rec.received_at_us, r->id);
	ag_req_trace(r, head);
	if (AG_UNLIKELY(r->w->events.hdr != NULL))
		ag_req_event_begin(r, head);
	r->view = ag_worker_view(c->w);
	if (r->view)
		ag_view_ref(r->view);
	req_route(r, head);
}

void
ag_req_free_spares(struct ag_worker *w)
{
	while (!ag_list_is_empty(&w->spare_reqs)) {
		struct ag_req *r = AG_LIST_ENTRY(w->spare_reqs.next, struct ag_req, node);

		ag_list_remove(&r->node);
		ag_arena_fini(&r->arena);
		free(r);
	}
	w->n_spare_reqs = 0;
}
