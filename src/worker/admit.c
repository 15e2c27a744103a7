/* admit.c - from a parsed message to what may be asked of whom: key, workspace, body, route, estimate;
 * then the meters (take.c) and the body's edits (edit.c).  No I/O; every refusal names its rule. */
#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/scope.h"
#include "limit/alert.h"
#include "limit/holds.h"
#include "shm/counters.h"
#include "shm/keytab.h"
#include "shm/metertab.h"
#include "policy/metadata.h"
#include "worker/request.h"
#include "worker/upstream.h"

/* ---- who --------------------------------------------------------------------------------- */

struct ag_str
ag_admit_header(const struct ag_http_head *head, struct ag_str portkey, struct ag_str own)
{
	struct ag_str v = ag_http_header_get(head, portkey);

	return v.p ? v : ag_http_header_get(head, own);
}
#define HEADER(head, name) AG_ADMIT_HEADER(head, name)
#define BAGGAGE_MAX 8192 /* what has to be passed on at least */

static struct ag_str
bearer(struct ag_str v)
{
	return v.n > 7 && ag_str_ieq(ag_str_n(v.p, 7), AG_STR("bearer ")) ? ag_str_trim(ag_str_skip(v, 7)) : v;
}

struct ag_str
ag_admit_key_of(const struct ag_http_head *head)
{
	struct ag_str key = HEADER(head, "api-key");

	if (key.n == 0)
		key = bearer(ag_http_header_get(head, AG_STR("authorization")));
	if (key.n == 0)
		key = ag_http_header_get(head, AG_STR("x-api-key"));
	if (key.n == 0)
		key = ag_http_header_get(head, AG_STR("api-key"));
	if (key.n == 0)
		key = ag_http_header_get(head, AG_STR("x-goog-api-key"));
	return key.n > 0 ? key : ag_inbound_query_key(head);
}

enum ag_verdict
ag_admit_authenticate(struct ag_req *r, const struct ag_http_head *head, char *blob, size_t blob_cap,
    size_t *out_blob_bytes)
{
	struct ag_str key = ag_admit_key_of(head);
	uint8_t hash[AG_SHA256_LEN];
	int rc;

	if (key.n == 0)
		return AG_DENY_NO_KEY;
	/* Cold, budgets may be restored once more: whoever spent meanwhile would be forgotten. */
	if (ag_a32_observe(&r->w->shm->hdr->state) != AG_SHM_READY)
		return AG_DENY_NOT_READY;
	ag_sha256(key.p, key.n, hash);
	rc = ag_keytab_find(r->w->shm, hash, &r->key, blob, blob_cap, out_blob_bytes);
	if (rc == -EAGAIN)
		return AG_DENY_NO_CAPACITY;
	if (rc < 0 || r->key.state != AG_KEY_ACTIVE)
		return AG_DENY_KEY_UNKNOWN;
	if (r->key.expires_at_us <= r->admit_at_us)
		return AG_DENY_KEY_EXPIRED;
	if (!r->view)
		return AG_DENY_NOT_READY;
	if (r->key.workspace_id != 0) {
		r->ws = ag_catalog_workspace(ag_view_catalog(r->view), r->key.workspace_id);
		if (!r->ws || r->ws->state != AG_CAT_ACTIVE)
			return AG_DENY_KEY_NO_WORKSPACE;
	}
	return AG_ALLOW;
}

/* ---- what -------------------------------------------------------------------------------- */

/* Names whose meaning is the client's to hide a second value behind, so each may stand once. */
const struct ag_str ag_field_names[AG_FIELDS] = {
	[AG_F_MODEL] = { "model", 5 },
	[AG_F_STREAM] = { "stream", 6 },
	[AG_F_STREAM_OPTIONS] = { "stream_options", 14 },
	[AG_F_MAX_TOKENS] = { "max_tokens", 10 },
	[AG_F_MAX_COMPLETION_TOKENS] = { "max_completion_tokens", 21 },
	[AG_F_N] = { "n", 1 },
	[AG_F_BEST_OF] = { "best_of", 7 },
	[AG_F_MESSAGES] = { "messages", 8 },
	[AG_F_PROMPT] = { "prompt", 6 },
	[AG_F_INPUT] = { "input", 5 },
	[AG_F_SERVICE_TIER] = { "service_tier", 12 },
	[AG_F_USER] = { "user", 4 },
	[AG_F_WEB_SEARCH] = { "web_search_options", 18 },
	[AG_F_SEARCH_PARAMETERS] = { "search_parameters", 17 },
	[AG_F_ENABLE_SEARCH] = { "enable_search", 13 },
	[AG_F_PLUGINS] = { "plugins", 7 },
	[AG_F_TOOLS] = { "tools", 5 },
	[AG_F_MODELS] = { "models", 6 },
	[AG_F_PROVIDER] = { "provider", 8 },
};
static struct ag_json_fields body_fields = AG_JSON_FIELDS(ag_field_names);

static enum ag_verdict
bad(struct ag_str *out_detail, const char *why)
{
	*out_detail = ag_str(why);
	return AG_DENY_BAD_REQUEST;
}

static enum ag_verdict
bad_field(struct ag_req *r, struct ag_str *out_detail, const char *why, int field)
{
	struct ag_buf b;

	ag_buf_init(&b, 512);
	ag_buf_printf(&b, "Invalid request body: %s", why);
	if (field >= 0)
		ag_buf_printf(&b, ": \"%s\"", ag_field_names[field].p);
	*out_detail = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	return AG_DENY_BAD_REQUEST;
}

/* A string field, decoded into the arena. */
static int
read_string(struct ag_req *r, enum ag_field f, struct ag_str *out)
{
	struct ag_str raw = ag_json_raw(ag_req_body(r), r->field[f]);
	struct ag_buf b;
	int rc;

	if (ag_json_string_plain(raw, out)) {
		*out = ag_arena_dup(&r->arena, *out);
		return out->p ? 0 : -ENOMEM;
	}
	ag_buf_init(&b, 1024);
	rc = ag_json_string_decode(raw, &b);
	if (rc == 0) {
		*out = ag_arena_dup(&r->arena, ag_buf_str(&b));
		/* A NUL or control byte in a name is never honest. */
		for (size_t i = 0; i < out->n; i++)
			if ((unsigned char)out->p[i] < 0x20)
				rc = -EINVAL;
	}
	ag_buf_fini(&b);
	return rc;
}

static bool
is_json_type(struct ag_str v)
{
	const char *end = v.p ? memchr(v.p, ';', v.n) : NULL;

	return ag_str_ieq(ag_str_trim(ag_str_n(v.p, end ? (size_t)(end - v.p) : v.n)), AG_STR("application/json"));
}

static enum ag_verdict
scan_stream_options(struct ag_req *r, struct ag_str *out_detail, struct ag_json_value *out_usage)
{
	static const struct ag_str names[1] = { { "include_usage", 13 } };
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_fault fault;
	struct ag_str raw = ag_json_raw(ag_req_body(r), r->field[AG_F_STREAM_OPTIONS]);

	*out_usage = (struct ag_json_value){ 0 };
	if (!ag_req_is_given(r, AG_F_STREAM_OPTIONS))
		return AG_ALLOW;
	if (r->field[AG_F_STREAM_OPTIONS].type != AG_JSON_OBJECT ||
	    ag_json_scan(raw, &fields, out_usage, &fault) < 0)
		return bad_field(r, out_detail, "not a proper object", AG_F_STREAM_OPTIONS);
	if (out_usage->type != AG_JSON_ABSENT && out_usage->type != AG_JSON_TRUE &&
	    out_usage->type != AG_JSON_FALSE && out_usage->type != AG_JSON_NULL)
		return bad_field(r, out_detail, "include_usage is not a boolean", AG_F_STREAM_OPTIONS);
	r->wants_usage = out_usage->type == AG_JSON_TRUE;
	return AG_ALLOW;
}

static enum ag_verdict
scan_body(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	struct ag_json_fault fault;
	enum ag_json_type stream;

	if (!is_json_type(ag_http_header_get(head, AG_STR("content-type"))))
		return AG_DENY_BAD_CONTENT_TYPE;
	if (ag_http_header_get(head, AG_STR("content-encoding")).p)
		return bad(out_detail, "A content-encoding of the request body is not implemented");
	if (r->body_len > UINT32_MAX || ag_json_scan(ag_req_body(r), &body_fields, r->field, &fault) < 0)
		return bad_field(r, out_detail, r->body_len > UINT32_MAX ? "too long" : fault.why,
		    r->body_len > UINT32_MAX ? -1 : fault.field);
	if (r->field[AG_F_MODEL].type != AG_JSON_STRING)
		return bad_field(r, out_detail, "a string is required", AG_F_MODEL);
	if (read_string(r, AG_F_MODEL, &r->requested_model) < 0 || r->requested_model.n == 0 ||
	    r->requested_model.n > 255)
		return bad_field(r, out_detail, "not a model's name", AG_F_MODEL);
	stream = r->field[AG_F_STREAM].type;
	if (stream != AG_JSON_ABSENT && stream != AG_JSON_NULL && stream != AG_JSON_TRUE && stream != AG_JSON_FALSE)
		return bad_field(r, out_detail, "not a boolean", AG_F_STREAM);
	r->is_stream = stream == AG_JSON_TRUE && r->endpoint != AG_EP_EMBEDDING;
	/* A model that was neither allowed nor priced could answer. */
	if (ag_req_is_given(r, AG_F_MODELS))
		return bad_field(r, out_detail, "other models to fall back to are not supported", AG_F_MODELS);
	if (r->endpoint == AG_EP_CHAT && r->field[AG_F_MESSAGES].type != AG_JSON_ARRAY)
		return bad_field(r, out_detail, "an array is required", AG_F_MESSAGES);
	return AG_ALLOW;
}

/* ---- which provider ---------------------------------------------------------------------- */

static struct ag_str
without_at(struct ag_str s)
{
	const char *slash;

	if (s.n > 0 && s.p[0] == '@')
		s = ag_str_skip(s, 1);
	slash = s.p ? memchr(s.p, '/', s.n) : NULL;
	return slash ? ag_str_n(s.p, (size_t)(slash - s.p)) : s;
}

/* Where a path that passes says which model is called, whatever the body says. */
static bool
is_named_in_path(const struct ag_provider *family)
{
	for (const struct ag_provider_path *p = family->paths; p->endpoint != AG_EP_NONE; p++)
		if (strstr(p->path, "{model}") || strstr(p->path, "{deployment}"))
			return true;
	return false;
}

static enum ag_verdict
resolve(struct ag_req *r, struct ag_route_in *in, struct ag_str *out_detail)
{
	enum ag_verdict v = ag_route_resolve(in, &r->target, out_detail);

	if (v != AG_ALLOW || !r->is_passed || in->model.n == 0 || !is_named_in_path(r->target.family))
		return v;
	in->model = r->requested_model = AG_STR_NONE;
	r->field[AG_F_MODEL] = (struct ag_json_value){ 0 };
	r->target = (struct ag_target){ 0 };
	return ag_route_resolve(in, &r->target, out_detail);
}

static enum ag_verdict
find_target(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	static const struct { struct ag_str portkey, own; } unsupported[] = {
		{ { "x-portkey-custom-host", 21 }, { "x-aigate-custom-host", 20 } },
		{ { "x-portkey-forward-headers", 25 }, { "x-aigate-forward-headers", 24 } },
		{ { "x-portkey-cache", 15 }, { "x-aigate-cache", 14 } },
	};
	bool is_configured = r->rules && r->rules->has_config && (r->rules->config.provider.n > 0 ||
	    (r->rules->config.flags & AG_CONFIG_HAS_TARGET));
	/* A config that says who serves decides alone. */
	struct ag_str provider = is_configured ? AG_STR_NONE : HEADER(head, "provider");
	struct ag_str slug = is_configured ? r->rules->config.provider : HEADER(head, "virtual-key");
	struct ag_route_in in = {
		.cat = ag_view_catalog(r->view), .ws = r->ws, .model = r->requested_model,
		.endpoint = r->endpoint, .now_us = r->admit_at_us,
	};
	enum ag_verdict v;

	for (size_t i = 0; i < AG_ARRAY_LEN(unsupported); i++)
		if (ag_admit_header(head, unsupported[i].portkey, unsupported[i].own).n > 0) {
			*out_detail = unsupported[i].portkey;
			return AG_DENY_CONFIG_UNSUPPORTED;
		}
	if (provider.n > 0 && provider.p[0] != '@') {
		*out_detail = ag_arena_dup(&r->arena, provider);
		return AG_DENY_PROVIDER_RAW;
	}
	in.provider = ag_arena_dup(&r->arena, without_at(provider.n > 0 ? provider : slug));
	v = resolve(r, &in, out_detail);
	if (v != AG_ALLOW)
		return v;
	if (ag_view_dest(r->w, r->view, r->target.integration, r->target.family, &r->dest) < 0) {
		struct ag_str name = ag_catalog_text(in.cat, r->target.integration->slug);

		ag_error("cannot use integration \"%.*s\": its credential or host does not open", AG_STR_ARG(name));
		return AG_DENY_INTERNAL;
	}
	r->path = ag_str(r->is_stream && r->target.path->stream_path ? r->target.path->stream_path
	    : r->target.path->path);
	if (r->path.p && memchr(r->path.p, '{', r->path.n))
		return ag_req_expand_path(r, head, out_detail);
	return AG_ALLOW;
}

/* Guardrails come before the models an integration allows: who is told that a model is not allowed
 * is told first by which rule. */
static enum ag_verdict
guard(struct ag_req *r, enum ag_verdict found, struct ag_str model)
{
	enum ag_verdict v;

	if (found != AG_ALLOW && found != AG_DENY_MODEL_NOT_ALLOWED)
		return found;
	v = ag_req_guard(r, found == AG_ALLOW ? r->target.model : model);
	return v != AG_ALLOW ? v : found;
}

/* ---- how much ---------------------------------------------------------------------------- */

static enum ag_verdict
read_count(struct ag_req *r, enum ag_field f, uint64_t *out, struct ag_str *out_detail)
{
	if (!ag_req_is_given(r, f))
		return AG_ALLOW;
	if (r->field[f].type != AG_JSON_NUMBER ||
	    ag_json_u64(ag_json_raw(ag_req_body(r), r->field[f]), out) < 0 || *out == 0 || *out > UINT32_MAX)
		return bad_field(r, out_detail, "not a positive whole number", (int)f);
	return AG_ALLOW;
}

/* Absent is "auto". A model without a price for priority is not served so. */
enum ag_service_tier
ag_req_absent_tier(const struct ag_req *r)
{
	const struct ag_cat_price *p = r->target.price;

	return r->w->conf->assumed_service_tier == AG_ASSUME_PRIORITY && p &&
	    (p->p[AG_PI_PRIO_IN] >= 0 || p->p[AG_PI_PRIO_OUT] >= 0) ? AG_TIER_PRIORITY : AG_TIER_STANDARD;
}

static enum ag_service_tier
asked_tier(struct ag_req *r)
{
	struct ag_str raw = ag_json_raw(ag_req_body(r), r->field[AG_F_SERVICE_TIER]);

	if (!ag_req_is_given(r, AG_F_SERVICE_TIER))
		return ag_req_absent_tier(r);
	if (r->field[AG_F_SERVICE_TIER].type != AG_JSON_STRING)
		return AG_TIER_STANDARD;
	/* "auto" is what the provider's project says, which may be priority. */
	if (ag_json_string_eq(raw, AG_STR("priority")) || ag_json_string_eq(raw, AG_STR("fast")) ||
	    ag_json_string_eq(raw, AG_STR("auto")))
		return AG_TIER_PRIORITY;
	return ag_json_string_eq(raw, AG_STR("flex")) ? AG_TIER_FLEX : AG_TIER_STANDARD;
}

/* Legacy completions answer each prompt of an array; token ids are one prompt. */
static uint64_t
prompts_of(struct ag_req *r)
{
	struct ag_str raw = ag_json_raw(ag_req_body(r), r->field[AG_F_PROMPT]);
	struct ag_json_iter it;
	struct ag_json_value first;
	int64_t n;

	if (r->endpoint != AG_EP_COMPLETION || r->field[AG_F_PROMPT].type != AG_JSON_ARRAY)
		return 1;
	ag_json_iter_init(&it, raw);
	if (ag_json_array_next(&it, &first) != 1 || first.type == AG_JSON_NUMBER)
		return 1;
	n = ag_json_array_count(raw);
	return n > 0 ? (uint64_t)n : 1;
}

static bool
asks_search(const struct ag_req *r)
{
	return ag_req_is_given(r, AG_F_WEB_SEARCH) || ag_req_is_given(r, AG_F_SEARCH_PARAMETERS) ||
	    ag_req_is_given(r, AG_F_PLUGINS) || (ag_req_is_given(r, AG_F_ENABLE_SEARCH) &&
	    r->field[AG_F_ENABLE_SEARCH].type != AG_JSON_FALSE);
}

/* One call a request, by a model that always searches or because the client asks for it. */
static uint32_t
searches_of(const struct ag_req *r)
{
	return asks_search(r) || memmem(r->target.model.p, r->target.model.n, "search", 6) != NULL;
}

static enum ag_verdict
estimate(struct ag_req *r, struct ag_str *out_detail)
{
	uint64_t limit = 0, completion_limit = 0, n = 1, best_of = 1;
	struct ag_estimate_in in = {
		.endpoint = r->endpoint, .body_bytes = r->body_len, .price = r->target.price,
		.default_limit = r->w->conf->default_max_tokens,
		.default_limit_reasoning = r->w->conf->default_max_tokens_reasoning,
	};
	enum ag_verdict v = read_count(r, AG_F_MAX_TOKENS, &limit, out_detail);

	if (v == AG_ALLOW)
		v = read_count(r, AG_F_MAX_COMPLETION_TOKENS, &completion_limit, out_detail);
	if (v == AG_ALLOW)
		v = read_count(r, AG_F_N, &n, out_detail);
	if (v == AG_ALLOW)
		v = read_count(r, AG_F_BEST_OF, &best_of, out_detail);
	if (v != AG_ALLOW)
		return v;
	if (limit > 0 && completion_limit > 0)
		return bad(out_detail, "Setting max_tokens and max_completion_tokens at the same time is not supported");
	in.client_limit = r->client_limit = limit > 0 ? limit : completion_limit;
	in.choices = (n > best_of ? n : best_of) * prompts_of(r);
	/* Messages with nothing nested in them are text alone, the usual kind: nothing to look for. */
	if (r->field[AG_F_MESSAGES].type == AG_JSON_ARRAY && r->field[AG_F_MESSAGES].depth > 2)
		in.messages = ag_json_raw(ag_req_body(r), r->field[AG_F_MESSAGES]);
	if (r->endpoint == AG_EP_EMBEDDING && ag_req_is_given(r, AG_F_INPUT))
		in.input = ag_json_raw(ag_req_body(r), r->field[AG_F_INPUT]);
	if (r->field[AG_F_TOOLS].type == AG_JSON_ARRAY)
		in.tools = ag_json_raw(ag_req_body(r), r->field[AG_F_TOOLS]);
	in.calls = in.tools.n > 0 ? r->w->conf->default_max_tool_calls : 0;
	r->searches = searches_of(r);
	in.is_searching = r->searches > 0;
	ag_estimate(&in, &r->est);
	if (AG_UNLIKELY(r->est.has_server_tools))
		r->searches = r->w->conf->default_max_tool_calls;
	/* Asked for, and without a price. */
	if (AG_UNLIKELY(r->searches > 0) && (r->est.has_server_tools || asks_search(r)) && r->target.price &&
	    r->target.price->p[AG_PI_SEARCH] < 0)
		r->tools.fee = AG_STR("web search");
	if (r->target.price)
		r->bound = ag_price_bound(r->target.price, r->target.multiples, r->est.input, asked_tier(r),
		    r->searches);
	return AG_ALLOW;
}

/* ---- all of it --------------------------------------------------------------------------- */

static enum ag_verdict
read_headers(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	struct ag_str timeout = HEADER(head, "request-timeout");
	uint64_t ms;

	if (timeout.n == 0) {
		r->timeout_us = r->rules ? r->rules->config.timeout_ms * AG_US_PER_MS : 0;
		return AG_ALLOW;
	}
	if (ag_parse_u64(timeout, 3600000, &ms) < 0 || ms == 0)
		return bad(out_detail, "x-portkey-request-timeout is not a number of milliseconds between 1 and 3600000");
	r->timeout_us = (int64_t)ms * AG_US_PER_MS;
	return AG_ALLOW;
}

/* Several headers count as one, joined by commas. */
static struct ag_str
baggage_of(struct ag_req *r, const struct ag_http_head *head)
{
	struct ag_str all = AG_STR_NONE;
	struct ag_buf b;

	if (AG_LIKELY(!(head->name_lengths & UINT64_C(1) << 7)))
		return all;
	ag_buf_init(&b, BAGGAGE_MAX);
	for (size_t i = 0; i < head->n_headers; i++) {
		if (head->header[i].id != AG_HN_BAGGAGE)
			continue;
		if (b.n > 0)
			ag_buf_putc(&b, ',');
		ag_buf_put_str(&b, head->header[i].value);
	}
	if (b.n > 0)
		all = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	return all;
}

int
ag_admit_metadata(struct ag_req *r, const struct ag_http_head *head, struct ag_str blob)
{
	const struct ag_metadata_in in = { .baggage = baggage_of(r, head), .request = HEADER(head, "metadata"),
		.key = blob, .workspace = ag_catalog_text(ag_view_catalog(r->view), r->ws->metadata) };

	return ag_metadata_merge(&r->arena, &in, &r->metadata);
}

enum ag_verdict
ag_req_admit(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail,
    uint32_t *out_meter)
{
	char blob[AG_METADATA_MAX];
	size_t blob_bytes = 0;
	struct ag_json_value usage;
	enum ag_verdict v;

	v = ag_admit_authenticate(r, head, blob, sizeof(blob), &blob_bytes);
	if (v != AG_ALLOW)
		return v;
	if (!r->ws)
		return AG_DENY_SCOPE; /* organisation keys do not call models */
	if (!ag_scopes_has(r->key.scopes, AG_SCOPE_COMPLETIONS_WRITE))
		return AG_DENY_SCOPE;
	/* A customer comes seldom: its meters are needed when its body is read. */
	for (uint32_t i = 0; i < r->key.n_meters; i++)
		ag_metertab_warm(r->w->shm, r->key.meters[i]);
	r->wants_bodies = r->ws->body_log != 0 && ag_bodies_wanted(r, head);
	if ((v = ag_req_rules(r, head, out_detail)) != AG_ALLOW ||
	    (v = read_headers(r, head, out_detail)) != AG_ALLOW ||
	    (r->rules && (v = ag_req_params(r, head, out_detail)) != AG_ALLOW) ||
	    (v = r->endpoint > AG_EP_EMBEDDING ? ag_inbound_scan(r, head, out_detail)
	            : scan_body(r, head, out_detail)) != AG_ALLOW ||
	    (v = scan_stream_options(r, out_detail, &usage)) != AG_ALLOW)
		return v;
	if (ag_admit_metadata(r, head, ag_str_n(blob, blob_bytes)) < 0)
		return bad(out_detail, "The metadata of this request, its key and its workspace is larger than 2048 bytes");
	v = find_target(r, head, out_detail);
	if (r->dest)
		ag_upstream_warm_idle(r->dest->origin);
	if (r->rules && r->rules->n_guards > 0)
		v = guard(r, v, *out_detail);
	if (v != AG_ALLOW)
		return v;
	if (r->target.path->endpoint != r->endpoint)
		v = ag_xlate_open(r, head, out_detail);
	else
		v = r->endpoint > AG_EP_EMBEDDING ? ag_inbound_estimate(r, head, out_detail) : estimate(r, out_detail);
	if (v == AG_ALLOW && AG_UNLIKELY(r->est.may_name_objects || r->is_passed))
		v = ag_objects_check(r, head, out_detail);
	if (v != AG_ALLOW)
		return v;
	r->n_meters = r->n_policies = 0;
	r->is_governed = r->w->conf->govern;
	if (r->is_governed)
		v = ag_req_take(r, out_detail, out_meter);
	else
		r->est.must_write_limit = false;
	if (v != AG_ALLOW)
		return v;
	if (r->xl)
		return ag_xlate_seal(r, out_detail);
	if (r->endpoint > AG_EP_EMBEDDING)
		ag_inbound_edit(r);
	else
		ag_req_edit_body(r, &usage);
	return AG_ALLOW;
}
