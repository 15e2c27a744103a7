/* endpoints.c - what clients call besides chat, completions and embeddings: the fields that admission
 * acts on, found where each protocol has them; the estimate; the edits; where it goes.
 *
 * A field that steers what a request may cost stands once, in one spelling, or the request is
 * refused; as admit.c has it for OpenAI's. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/num.h"
#include "policy/media.h"
#include "provider/figure.h"
#include "worker/request.h"

#define PATH_MAX_BYTES 8192
#define ACTION_GENERATE "generateContent"
#define ACTION_STREAM   "streamGenerateContent"
#define ACTION_COUNT    "countTokens"

static enum ag_verdict
bad(struct ag_req *r, struct ag_str *out_detail, const char *why, const char *field)
{
	struct ag_buf b;

	ag_buf_init(&b, 512);
	ag_buf_printf(&b, "Invalid request body: %s", why);
	if (field)
		ag_buf_printf(&b, ": \"%s\"", field);
	*out_detail = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	return AG_DENY_BAD_REQUEST;
}

/* ---- the fields of each protocol --------------------------------------------------------- */

struct field {
	struct ag_str name;
	enum ag_field f;
};
#define FIELD(text, id) { { text, sizeof(text) - 1 }, id }

static const struct field messages_fields[] = {
	FIELD("model", AG_F_MODEL), FIELD("stream", AG_F_STREAM), FIELD("max_tokens", AG_F_MAX_TOKENS),
	FIELD("messages", AG_F_MESSAGES), FIELD("tools", AG_F_TOOLS), FIELD("speed", AG_F_SPEED),
	FIELD("inference_geo", AG_F_GEO), FIELD("fallbacks", AG_F_MODELS), FIELD("mcp_servers", AG_F_PLUGINS),
	FIELD("container", AG_F_STATE), FIELD("service_tier", AG_F_SERVICE_TIER),
	FIELD("anthropic_version", AG_F_PROMPT), FIELD("thinking", AG_F_THINKING),
};
static const struct field responses_fields[] = {
	FIELD("model", AG_F_MODEL), FIELD("stream", AG_F_STREAM), FIELD("max_output_tokens", AG_F_MAX_OUTPUT),
	FIELD("input", AG_F_INPUT), FIELD("tools", AG_F_TOOLS), FIELD("previous_response_id", AG_F_STATE),
	FIELD("conversation", AG_F_CONTENTS), FIELD("prompt", AG_F_PROMPT), FIELD("background", AG_F_BACKGROUND),
	FIELD("service_tier", AG_F_SERVICE_TIER), FIELD("store", AG_F_STORE),
	FIELD("max_tool_calls", AG_F_MAX_TOOL_CALLS),
};
/* Both spellings are read there. */
static const struct field generate_fields[] = {
	FIELD("contents", AG_F_CONTENTS), FIELD("generationConfig", AG_F_GENERATION),
	FIELD("generation_config", AG_F_INPUT), FIELD("tools", AG_F_TOOLS), FIELD("cachedContent", AG_F_STATE),
	FIELD("cached_content", AG_F_PROMPT), FIELD("serviceTier", AG_F_SERVICE_TIER),
	FIELD("service_tier", AG_F_USER),
};
static const struct field plain_fields[] = {
	FIELD("model", AG_F_MODEL), FIELD("input", AG_F_INPUT), FIELD("documents", AG_F_DOCUMENTS),
	FIELD("stream", AG_F_STREAM), FIELD("n", AG_F_N),
};

static const struct inbound {
	enum ag_endpoint endpoint;
	const struct field *fields;
	size_t n;
	enum ag_field required; /* an array, or AG_F_MODEL: nothing more */
	bool is_free;           /* providers do not bill it */
} inbounds[] = {
	{ AG_EP_MESSAGES, messages_fields, AG_ARRAY_LEN(messages_fields), AG_F_MESSAGES, false },
	{ AG_EP_COUNT_TOKENS, messages_fields, AG_ARRAY_LEN(messages_fields), AG_F_MESSAGES, true },
	{ AG_EP_RESPONSES, responses_fields, AG_ARRAY_LEN(responses_fields), AG_F_MODEL, false },
	{ AG_EP_GENERATE, generate_fields, AG_ARRAY_LEN(generate_fields), AG_F_CONTENTS, false },
	{ AG_EP_GENERATE_COUNT, generate_fields, AG_ARRAY_LEN(generate_fields), AG_F_MODEL, true },
	{ AG_EP_MODERATION, plain_fields, AG_ARRAY_LEN(plain_fields), AG_F_MODEL, true },
	{ AG_EP_RERANK, plain_fields, AG_ARRAY_LEN(plain_fields), AG_F_DOCUMENTS, false },
};

static const struct inbound *
inbound_of(enum ag_endpoint ep)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(inbounds); i++)
		if (inbounds[i].endpoint == ep)
			return &inbounds[i];
	return NULL;
}

static struct ag_str
raw_of(const struct ag_req *r, enum ag_field f)
{
	return ag_json_raw(ag_req_body(r), r->field[f]);
}

static int
scan_fields(struct ag_req *r, const struct inbound *in, struct ag_json_fault *fault)
{
	struct ag_str names[16];
	struct ag_json_value out[16];
	int rc;

	assert(in->n <= AG_ARRAY_LEN(names));
	for (size_t i = 0; i < in->n; i++)
		names[i] = in->fields[i].name;
	rc = ag_figure_scan(ag_req_body(r), names, in->n, out, fault);
	for (size_t i = 0; rc == 0 && i < in->n; i++)
		r->field[in->fields[i].f] = out[i];
	return rc;
}

/* Percent-decoded into the arena; p NULL: not well-formed, or it holds what no name does. */
static struct ag_str
unescape(struct ag_req *r, struct ag_str s)
{
	struct ag_str out = AG_STR_NONE;
	bool is_good = true;
	struct ag_buf b;

	ag_buf_init(&b, 1024);
	for (size_t i = 0; i < s.n && is_good; i++) {
		char c = s.p[i];

		if (c == '%') {
			int hi = s.n - i > 2 ? ag_hex_value(s.p[i + 1]) : -1;
			int lo = s.n - i > 2 ? ag_hex_value(s.p[i + 2]) : -1;

			is_good = hi >= 0 && lo >= 0;
			if (is_good)
				c = (char)(hi << 4 | lo);
			i += 2;
		}
		is_good = is_good && (unsigned char)c >= 0x20;
		ag_buf_putc(&b, c);
	}
	if (is_good && !b.failed && b.n > 0)
		out = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	return out;
}

/* ---- where it stands --------------------------------------------------------------------- */

static struct ag_str
query_value(struct ag_str query, struct ag_str name)
{
	while (query.n > 0) {
		const char *amp = memchr(query.p, '&', query.n);
		struct ag_str one = ag_str_n(query.p, amp ? (size_t)(amp - query.p) : query.n);

		if (one.n > name.n && one.p[name.n] == '=' && ag_str_starts(one, name))
			return ag_str_skip(one, name.n + 1);
		query = ag_str_skip(query, one.n + 1);
	}
	return AG_STR_NONE;
}

struct ag_str
ag_inbound_query_key(const struct ag_http_head *head)
{
	return ag_str_starts(head->path, AG_STR("/v1beta/")) ? query_value(head->query, AG_STR("key")) : AG_STR_NONE;
}

/* "/v1beta/models/MODEL:ACTION"; the model may hold slashes, as "@slug/gemini-2.5-pro" does. */
bool
ag_inbound_gemini(struct ag_req *r, const struct ag_http_head *head)
{
	struct ag_str path = ag_str_skip(head->path, sizeof("/v1beta/models/") - 1), action;
	const char *colon = path.n > 0 ? memrchr(path.p, ':', path.n) : NULL;

	if (!colon)
		return false;
	action = ag_str_skip(path, (size_t)(colon - path.p) + 1);
	r->requested_model = unescape(r, ag_str_n(path.p, (size_t)(colon - path.p)));
	r->is_stream = ag_str_eq(action, AG_STR(ACTION_STREAM));
	r->is_array = r->is_stream && !ag_str_eq(query_value(head->query, AG_STR("alt")), AG_STR("sse"));
	r->endpoint = ag_str_eq(action, AG_STR(ACTION_COUNT)) ? AG_EP_GENERATE_COUNT : AG_EP_GENERATE;
	return r->requested_model.n > 0 && r->requested_model.n <= 255 &&
	    (r->endpoint == AG_EP_GENERATE_COUNT || r->is_stream || ag_str_eq(action, AG_STR(ACTION_GENERATE)));
}

/* A segment of dots would leave the provider's base. */
static bool
has_dots(struct ag_str path)
{
	while (path.n > 0) {
		const char *slash = memchr(path.p, '/', path.n);
		struct ag_str one = ag_str_n(path.p, slash ? (size_t)(slash - path.p) : path.n);
		size_t dots = 0, at = 0;

		while (at < one.n) {
			bool is_escaped = one.n - at >= 3 && one.p[at] == '%' && one.p[at + 1] == '2' &&
			    (one.p[at + 2] | 0x20) == 'e';

			if (!is_escaped && one.p[at] != '.')
				break;
			at += is_escaped ? 3 : 1;
			dots++;
		}
		if (dots > 0 && at == one.n && dots <= 2)
			return true;
		path = ag_str_skip(path, one.n + 1);
	}
	return false;
}

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
	struct ag_str rest = rest_of(head);
	const char *query = rest.n > 0 ? memchr(rest.p, '?', rest.n) : NULL;
	struct ag_buf b;
	int rc;

	if (has_dots(ag_str_n(rest.p, query ? (size_t)(query - rest.p) : rest.n)) ||
	    memchr(rest.p, '\\', rest.n) || memchr(rest.p, '#', rest.n)) {
		*out_detail = AG_STR("The path must not hold . or .. as a segment");
		return AG_DENY_BAD_REQUEST;
	}
	ag_buf_init(&b, PATH_MAX_BYTES);
	rc = ag_provider_expand(r->target.family, r->path.p, r->dest->config, r->target.model, rest, &b, &err);
	r->path = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	if (rc == 0 && r->path.p) {
		const char *alt = r->is_array && r->target.path->endpoint == r->endpoint
		    ? memmem(r->path.p, r->path.n, "?alt=sse", 8) : NULL;

		if (alt)
			r->path.n = (size_t)(alt - r->path.p);
		return AG_ALLOW;
	}
	*out_detail = ag_arena_dup(&r->arena, ag_str(err.text));
	return AG_DENY_BAD_REQUEST;
}

/* ---- the body ---------------------------------------------------------------------------- */

static bool
is_media_type(const struct ag_http_head *head, struct ag_str want)
{
	struct ag_str v = ag_http_header_get(head, AG_STR("content-type"));
	const char *end = v.p ? memchr(v.p, ';', v.n) : NULL;

	return ag_str_ieq(ag_str_trim(ag_str_n(v.p, end ? (size_t)(end - v.p) : v.n)), want);
}

static enum ag_verdict
read_model(struct ag_req *r, struct ag_str *out_detail)
{
	struct ag_str raw = raw_of(r, AG_F_MODEL), text;
	struct ag_buf b;
	int rc = 0;

	if (r->field[AG_F_MODEL].type != AG_JSON_STRING)
		return bad(r, out_detail, "a string is required", "model");
	ag_buf_init(&b, 1024);
	if (ag_json_string_plain(raw, &text))
		ag_buf_put_str(&b, text);
	else
		rc = ag_json_string_decode(raw, &b);
	for (size_t i = 0; i < b.n; i++)
		if ((unsigned char)b.p[i] < 0x20)
			rc = -EINVAL;
	if (rc == 0 && !b.failed && b.n > 0 && b.n <= 255)
		r->requested_model = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	return r->requested_model.n > 0 ? AG_ALLOW : bad(r, out_detail, "not a model's name", "model");
}

static enum ag_verdict
read_stream(struct ag_req *r, struct ag_str *out_detail)
{
	enum ag_json_type t = r->field[AG_F_STREAM].type;

	if (t != AG_JSON_ABSENT && t != AG_JSON_NULL && t != AG_JSON_TRUE && t != AG_JSON_FALSE)
		return bad(r, out_detail, "not a boolean", "stream");
	r->is_stream = t == AG_JSON_TRUE;
	return AG_ALLOW;
}

/* Two spellings of one member, of which a reader may take either. */
static enum ag_verdict
join(struct ag_req *r, enum ag_field into, enum ag_field other, const char *name, struct ag_str *out_detail)
{
	if (r->field[other].type == AG_JSON_ABSENT)
		return AG_ALLOW;
	if (r->field[into].type != AG_JSON_ABSENT)
		return bad(r, out_detail, "duplicate field", name);
	r->field[into] = r->field[other];
	r->field[other] = (struct ag_json_value){ 0 };
	return AG_ALLOW;
}

/* What generationConfig holds, with offsets in the body. */
static enum ag_verdict
scan_generation(struct ag_req *r, struct ag_str *out_detail)
{
	static const struct ag_str names[] = { { "maxOutputTokens", 15 }, { "max_output_tokens", 17 },
		{ "candidateCount", 14 }, { "candidate_count", 15 } };
	struct ag_json_value *g = &r->field[AG_F_GENERATION], f[4];
	struct ag_json_fault fault;

	if (!ag_req_is_given(r, AG_F_GENERATION))
		return AG_ALLOW;
	if (g->type != AG_JSON_OBJECT || ag_figure_scan(raw_of(r, AG_F_GENERATION), names, 4, f, &fault) < 0)
		return bad(r, out_detail, "not a proper object", "generationConfig");
	if ((f[0].type && f[1].type) || (f[2].type && f[3].type))
		return bad(r, out_detail, "duplicate field", "generationConfig");
	for (int i = 0; i < 4; i++) {
		f[i].off += g->off;
		f[i].key_off += g->off;
	}
	r->field[AG_F_MAX_OUTPUT] = f[0].type ? f[0] : f[1];
	r->field[AG_F_N] = f[2].type ? f[2] : f[3];
	return AG_ALLOW;
}

static enum ag_verdict
scan_own(struct ag_req *r, const struct inbound *in, struct ag_str *out_detail)
{
	bool is_gemini = in->fields == generate_fields;
	enum ag_verdict v;

	if (is_gemini) {
		if ((v = join(r, AG_F_GENERATION, AG_F_INPUT, "generationConfig", out_detail)) != AG_ALLOW ||
		    (v = join(r, AG_F_STATE, AG_F_PROMPT, "cachedContent", out_detail)) != AG_ALLOW ||
		    (v = join(r, AG_F_SERVICE_TIER, AG_F_USER, "serviceTier", out_detail)) != AG_ALLOW)
			return v;
		return scan_generation(r, out_detail);
	}
	if ((v = read_model(r, out_detail)) != AG_ALLOW || (v = read_stream(r, out_detail)) != AG_ALLOW)
		return v;
	/* A model that was neither allowed nor priced could answer; and nobody would wait for the end. */
	if (ag_req_is_given(r, AG_F_MODELS))
		return bad(r, out_detail, "other models to fall back to are not supported", "fallbacks");
	if (r->field[AG_F_BACKGROUND].type == AG_JSON_TRUE)
		return bad(r, out_detail, "an answer that is not waited for is not supported", "background");
	return AG_ALLOW;
}

static enum ag_verdict
scan_json(struct ag_req *r, const struct inbound *in, struct ag_str *out_detail)
{
	struct ag_json_fault fault;
	enum ag_verdict v;

	if (r->body_len > UINT32_MAX)
		return bad(r, out_detail, "too long", NULL);
	if (scan_fields(r, in, &fault) < 0)
		return bad(r, out_detail, fault.why, fault.field >= 0 ? in->fields[fault.field].name.p : NULL);
	v = scan_own(r, in, out_detail);
	if (v == AG_ALLOW && in->required != AG_F_MODEL && r->field[in->required].type != AG_JSON_ARRAY &&
	    (in->required != AG_F_CONTENTS || r->field[in->required].type != AG_JSON_OBJECT))
		v = bad(r, out_detail, "an array is required", in->required == AG_F_MESSAGES ? "messages"
		    : in->required == AG_F_CONTENTS ? "contents" : "documents");
	return v;
}

enum ag_verdict
ag_inbound_scan(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	const struct inbound *in = inbound_of(r->endpoint);

	if (ag_http_header_get(head, AG_STR("content-encoding")).p)
		return bad(r, out_detail, "A content-encoding of the request body is not implemented", NULL);
	if (ag_endpoint_is_media(r->endpoint))
		return ag_media_scan(r, head, out_detail);
	if (!in)
		return ag_passed_scan(r, head, out_detail);
	if (!is_media_type(head, AG_STR("application/json")))
		return AG_DENY_BAD_CONTENT_TYPE;
	return scan_json(r, in, out_detail);
}

/* ---- how much ---------------------------------------------------------------------------- */

static enum ag_verdict
read_count(struct ag_req *r, enum ag_field f, const char *name, uint64_t *out, struct ag_str *out_detail)
{
	if (!ag_req_is_given(r, f))
		return AG_ALLOW;
	if (r->field[f].type != AG_JSON_NUMBER || ag_json_u64(raw_of(r, f), out) < 0 || *out == 0 || *out > UINT32_MAX)
		return bad(r, out_detail, "not a positive whole number", name);
	return AG_ALLOW;
}

static uint64_t
media_of(const struct ag_req *r)
{
	uint64_t media = 0;

	if (r->endpoint == AG_EP_MESSAGES) {
		media = ag_media_messages(raw_of(r, AG_F_MESSAGES));
	} else if (r->endpoint == AG_EP_RESPONSES) {
		media = ag_req_is_given(r, AG_F_INPUT) ? ag_media_items(raw_of(r, AG_F_INPUT)) : 0;
		if (ag_req_is_given(r, AG_F_CONTENTS) || ag_req_is_given(r, AG_F_PROMPT))
			media += AG_MEDIA_UNKNOWN_TOKENS;
	} else if (r->endpoint == AG_EP_GENERATE) {
		media = ag_media_contents(raw_of(r, AG_F_CONTENTS));
	}
	if (ag_req_is_given(r, AG_F_STATE))
		media += AG_MEDIA_UNKNOWN_TOKENS;
	return media + (ag_req_is_given(r, AG_F_TOOLS) ? 1024 : 0);
}

static enum ag_service_tier
asked_tier(const struct ag_req *r)
{
	struct ag_str raw = raw_of(r, AG_F_SERVICE_TIER);

	if (r->field[AG_F_SPEED].type == AG_JSON_STRING && ag_json_string_eq(raw_of(r, AG_F_SPEED), AG_STR("fast")))
		return AG_TIER_FAST;
	if (r->endpoint != AG_EP_MESSAGES && !ag_req_is_given(r, AG_F_SERVICE_TIER))
		return ag_req_absent_tier(r);
	if (r->field[AG_F_SERVICE_TIER].type != AG_JSON_STRING || r->endpoint == AG_EP_MESSAGES)
		return AG_TIER_STANDARD;
	if (ag_json_string_eq(raw, AG_STR("flex")))
		return AG_TIER_FLEX;
	/* A word that is not known here may be known there. */
	return ag_json_string_eq(raw, AG_STR("default")) || ag_json_string_eq(raw, AG_STR("standard")) ||
	    ag_json_string_eq(raw, AG_STR("scale")) ? AG_TIER_STANDARD : AG_TIER_PRIORITY;
}

static void
set_bound(struct ag_req *r)
{
	if (!r->target.price)
		return;
	r->bound = ag_price_bound(r->target.price, r->target.multiples, r->est.input, asked_tier(r), r->searches);
	/* A region is a tenth dearer, asked for by name or because the account says so. */
	if (r->endpoint == AG_EP_MESSAGES)
		ag_price_bound_uplift(&r->bound);
}

/* Anthropic refuses a limit that is not above the budget of thinking. */
static uint64_t
thinking_of(const struct ag_req *r)
{
	static const struct ag_str name = { "budget_tokens", 13 };
	struct ag_json_value v;
	struct ag_json_fault fault;
	uint64_t budget;

	if (r->endpoint != AG_EP_MESSAGES || r->field[AG_F_THINKING].type != AG_JSON_OBJECT ||
	    ag_figure_scan(raw_of(r, AG_F_THINKING), &name, 1, &v, &fault) < 0 || v.type != AG_JSON_NUMBER ||
	    ag_json_u64(ag_json_raw(raw_of(r, AG_F_THINKING), v), &budget) < 0 || budget > UINT32_MAX)
		return 0;
	return budget;
}

static enum ag_verdict
estimate_chat(struct ag_req *r, struct ag_str *out_detail)
{
	enum ag_field limit_field = r->endpoint == AG_EP_MESSAGES ? AG_F_MAX_TOKENS : AG_F_MAX_OUTPUT;
	struct ag_estimate_in in = {
		.endpoint = AG_EP_CHAT, .body_bytes = r->body_len, .price = r->target.price,
		.default_limit = r->w->conf->default_max_tokens,
		.default_limit_reasoning = r->w->conf->default_max_tokens_reasoning, .choices = 1,
	};
	bool has_server_tools;
	enum ag_verdict v = read_count(r, limit_field, r->endpoint == AG_EP_MESSAGES ? "max_tokens"
	    : r->endpoint == AG_EP_GENERATE ? "maxOutputTokens" : "max_output_tokens", &in.client_limit, out_detail);

	if (v == AG_ALLOW && r->endpoint == AG_EP_GENERATE)
		v = read_count(r, AG_F_N, "candidateCount", &in.choices, out_detail);
	if (v != AG_ALLOW)
		return v;
	r->client_limit = in.client_limit;
	in.media = media_of(r);
	v = ag_tools_read(r, &in.calls, &has_server_tools, out_detail);
	if (v != AG_ALLOW)
		return v;
	in.is_searching = has_server_tools || r->searches > 0;
	ag_estimate(&in, &r->est);
	r->est.thinking = thinking_of(r);
	r->est.has_server_tools = has_server_tools;
	r->est.may_name_objects |= has_server_tools;
	if (r->endpoint == AG_EP_RESPONSES && r->field[AG_F_STORE].type != AG_JSON_FALSE) {
		r->object.becomes = AG_OBJECT_FLEETING;
		r->object.brings = true;
	}
	set_bound(r);
	return AG_ALLOW;
}

/* One unit of search for each hundred documents, of which long ones count as several. */
static void
estimate_rerank(struct ag_req *r)
{
	int64_t documents = ag_json_array_count(raw_of(r, AG_F_DOCUMENTS));
	int64_t units = ((documents > 0 ? documents : 0) + (int64_t)(r->body_len / 500) + 99) / 100;

	r->est = (struct ag_estimate){ .input = r->body_len, .text_bytes = r->body_len, .choices = 1 };
	set_bound(r);
	if (r->target.price && r->target.price->p[AG_PI_UNIT] > 0)
		r->bound.fixed_pusd += (units > 0 ? units : 1) *
		    ag_price_item_pusd(r->target.price, r->target.multiples, AG_PI_UNIT);
}

enum ag_verdict
ag_inbound_estimate(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	const struct inbound *in = inbound_of(r->endpoint);

	if (ag_endpoint_is_media(r->endpoint))
		return ag_media_estimate(r);
	if (!in)
		return ag_passed_estimate(r, head, out_detail);
	if (in->is_free) {
		r->est = (struct ag_estimate){ .choices = 1, .may_name_objects = r->endpoint != AG_EP_MODERATION };
		return AG_ALLOW;
	}
	if (r->endpoint == AG_EP_RERANK) {
		estimate_rerank(r);
		return AG_ALLOW;
	}
	return estimate_chat(r, out_detail);
}

/* ---- edits ------------------------------------------------------------------------------- */

/* before, figure, behind: at the member's place, or as the first of the object at `at`. */
static void
put_limit(struct ag_req *r, const struct ag_json_value *v, size_t at, const char *before, const char *behind)
{
	char text[96];
	bool is_there = v->type != AG_JSON_ABSENT;
	size_t n = (size_t)snprintf(text, sizeof(text), "%s%llu%s", is_there ? "" : before,
	    (unsigned long long)r->est.limit, is_there ? "" : behind);

	ag_edit_add(r, is_there ? v->off : at, is_there ? v->len : 0, ag_arena_dup(&r->arena, ag_str_n(text, n)));
}

static size_t
body_start(const struct ag_req *r)
{
	const char *brace = memchr(ag_req_body(r).p, '{', r->body_len);

	return (size_t)(brace - ag_req_body(r).p) + 1;
}

static void
edit_generation(struct ag_req *r)
{
	const struct ag_json_value *g = &r->field[AG_F_GENERATION], *v = &r->field[AG_F_MAX_OUTPUT];
	char text[96];
	size_t n;

	if (g->type == AG_JSON_OBJECT) {
		bool is_empty = ag_str_trim(ag_str_n(ag_req_body(r).p + g->off + 1, g->len - 2)).n == 0;

		put_limit(r, v, g->off + 1, "\"maxOutputTokens\":", is_empty ? "" : ",");
	} else if (g->type == AG_JSON_NULL) {
		n = (size_t)snprintf(text, sizeof(text), "{\"maxOutputTokens\":%llu}",
		    (unsigned long long)r->est.limit);
		ag_edit_add(r, g->off, g->len, ag_arena_dup(&r->arena, ag_str_n(text, n)));
	} else {
		put_limit(r, v, body_start(r), "\"generationConfig\":{\"maxOutputTokens\":", "},");
	}
}

static void
edit_limit(struct ag_req *r)
{
	if (r->endpoint == AG_EP_MESSAGES)
		put_limit(r, &r->field[AG_F_MAX_TOKENS], body_start(r), "\"max_tokens\":", ",");
	else if (r->endpoint == AG_EP_RESPONSES)
		put_limit(r, &r->field[AG_F_MAX_OUTPUT], body_start(r), "\"max_output_tokens\":", ",");
	else if (r->endpoint == AG_EP_GENERATE)
		edit_generation(r);
}

/* A platform's: its version stands in the body; the model in the path, except where tokens are counted. */
static void
edit_platform(struct ag_req *r)
{
	const char *version = r->target.family->anthropic_version;
	char text[64];
	size_t n;

	if (r->field[AG_F_PROMPT].type == AG_JSON_ABSENT) {
		n = (size_t)snprintf(text, sizeof(text), "\"anthropic_version\":\"%s\",", version);
		ag_edit_add(r, body_start(r), 0, ag_arena_dup(&r->arena, ag_str_n(text, n)));
	}
	if (r->endpoint == AG_EP_COUNT_TOKENS)
		ag_edit_model(r);
	else
		ag_edit_cut(r, &r->field[AG_F_MODEL]);
}

void
ag_inbound_edit(struct ag_req *r)
{
	bool is_platform = r->target.family->anthropic_version &&
	    (r->endpoint == AG_EP_MESSAGES || r->endpoint == AG_EP_COUNT_TOKENS);

	if (ag_endpoint_is_media(r->endpoint)) {
		ag_media_edit(r);
		return;
	}
	if (r->field[AG_F_MODEL].type == AG_JSON_STRING && !is_platform)
		ag_edit_model(r);
	if (r->est.must_write_limit && r->est.limit > 0)
		edit_limit(r);
	if (AG_UNLIKELY(r->tools.to_write > 0))
		ag_tools_edit(r);
	if (is_platform)
		edit_platform(r);
}
