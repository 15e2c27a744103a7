/* translate.c - a request in one protocol, its provider in another: the body is read and built anew before
 * anything is held.  The answer: translate_answer.c. */
#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "translate/tree.h"
#include "worker/translate.h"

/* Tokens of a request that its bytes do not show: some providers add words of their own to tools. */
#define HIDDEN_TOOL_TOKENS 1024u

static struct ag_str
header(const struct ag_http_head *head, struct ag_str portkey, struct ag_str own)
{
	struct ag_str v = ag_http_header_get(head, portkey);

	return v.p ? v : ag_http_header_get(head, own);
}

/* ---- the request ------------------------------------------------------------------------- */

static struct ag_xlate *
xlate_new(struct ag_req *r)
{
	struct ag_xlate *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	ag_buf_init(&x->body, AG_XLATE_OUT_MAX);
	ag_buf_init(&x->out, AG_XLATE_OUT_MAX);
	ag_buf_init(&x->passed, 65536);
	ag_buf_init(&x->acc, r->w->conf->max_body > AG_XLATE_EVENT_MAX ? r->w->conf->max_body : AG_XLATE_EVENT_MAX);
	ag_buf_init(&x->error_text, 65536);
	r->xl = x;
	return x;
}

void
ag_xlate_free(struct ag_req *r)
{
	struct ag_xlate *x = r->xl;

	if (x->reader && x->upstream->reader->fini)
		x->upstream->reader->fini(x->reader);
	if (x->writer && x->client->writer->fini)
		x->client->writer->fini(x->writer);
	if (x->framing)
		x->upstream->framing->fini(x->framing);
	free(x->reader);
	free(x->writer);
	free(x->framing);
	json_object_put(x->chat);
	json_object_put(x->request);
	ag_buf_fini(&x->body);
	ag_buf_fini(&x->out);
	ag_buf_fini(&x->passed);
	ag_buf_fini(&x->acc);
	ag_buf_fini(&x->error_text);
	free(x);
	r->xl = NULL;
}

struct ag_str
ag_xlate_body(const struct ag_req *r)
{
	return ag_buf_str(&r->xl->body);
}

size_t
ag_xlate_bytes(const struct ag_req *r)
{
	return r->xl->body.cap + r->xl->acc.cap + r->xl->out.cap;
}

static enum ag_verdict
refused(struct ag_req *r, const struct ag_err *err, int rc, struct ag_str *out_detail)
{
	if (rc == -ENOMEM) {
		*out_detail = AG_STR("out of memory");
		return AG_DENY_NO_CAPACITY;
	}
	*out_detail = ag_arena_dup(&r->arena, ag_str(err->text));
	return AG_DENY_BAD_REQUEST;
}

static struct ag_build_in
build_in(const struct ag_req *r)
{
	return (struct ag_build_in){
		.chat = r->xl->chat, .family = r->target.family, .model = r->target.model,
		.model_flags = r->target.price ? r->target.price->flags : 0, .limit = r->est.limit,
		.is_stream = r->is_stream, .is_strict = r->xl->is_strict,
	};
}

static int
build(struct ag_req *r, struct ag_err *err)
{
	struct ag_xlate *x = r->xl;
	struct ag_exchange_in ex = { .body = ag_req_body(r), .model = r->target.model, .family = r->target.family,
		.is_strict = x->is_strict };
	struct ag_build_in in = build_in(r);
	int rc;

	ag_buf_reset(&x->body);
	rc = x->exchange ? x->exchange->build(&ex, &x->body, err) : x->upstream->build(&in, &x->body, err);
	x->limit = r->est.limit;
	if (rc == 0 && x->body.failed)
		rc = ag_err_set(err, -ENOMEM, "out of memory");
	return rc;
}

static enum ag_service_tier
asked_tier(const struct ag_req *r, struct ag_str tier)
{
	if (tier.n == 0)
		return ag_req_absent_tier(r);
	if (ag_str_eq(tier, AG_STR("priority")) || ag_str_eq(tier, AG_STR("fast")) || ag_str_eq(tier, AG_STR("auto")))
		return AG_TIER_PRIORITY;
	return ag_str_eq(tier, AG_STR("flex")) ? AG_TIER_FLEX : AG_TIER_STANDARD;
}

/* The chat's messages and tools are looked at in OpenAI's form, whatever form they came in. */
static int
estimate(struct ag_req *r, uint64_t body_bytes, struct ag_err *err)
{
	struct ag_xlate *x = r->xl;
	struct json_object *tools = ag_tree_array(x->chat, "tools"), *many = ag_tree_get(x->chat, "n");
	int64_t limit = ag_tree_int(x->chat, "max_completion_tokens", 0), n = ag_tree_int(x->chat, "n", 1);
	struct ag_buf messages, tool_text;
	struct ag_estimate_in in = {
		.endpoint = AG_EP_CHAT, .price = r->target.price,
		.body_bytes = body_bytes + (ag_json_len(tools) > 0 ? HIDDEN_TOOL_TOKENS : 0),
		.default_limit = r->w->conf->default_max_tokens,
		.default_limit_reasoning = r->w->conf->default_max_tokens_reasoning,
		.choices = (uint64_t)n,
	};

	if (limit < 0 || limit > UINT32_MAX || (ag_tree_get(x->chat, "max_completion_tokens") && limit == 0))
		return ag_err_set(err, -EINVAL, "Invalid request body: not a positive whole number: the output limit");
	if (n < 1 || n > 128 || (many && !json_object_is_type(many, json_type_int)))
		return ag_err_set(err, -EINVAL, "Invalid request body: not a positive whole number: \"n\"");
	ag_buf_init(&messages, AG_XLATE_OUT_MAX);
	ag_buf_init(&tool_text, AG_XLATE_OUT_MAX);
	ag_tree_write(ag_tree_array(x->chat, "messages"), &messages);
	in.messages = ag_buf_str(&messages);
	if (tools) {
		ag_tree_write(tools, &tool_text);
		in.tools = ag_buf_str(&tool_text);
	}
	in.client_limit = r->client_limit = (uint64_t)limit;
	r->searches = memmem(r->target.model.p, r->target.model.n, "search", 6) != NULL ||
	    ag_tree_get(x->chat, "web_search_options") != NULL;
	in.is_searching = r->searches > 0;
	if (messages.failed || tool_text.failed) {
		ag_buf_fini(&messages);
		ag_buf_fini(&tool_text);
		return ag_err_set(err, -ENOMEM, "out of memory");
	}
	ag_estimate(&in, &r->est);
	ag_buf_fini(&messages);
	ag_buf_fini(&tool_text);
	if (r->target.price)
		r->bound = ag_price_bound(r->target.price, r->target.multiples, r->est.input,
		    asked_tier(r, ag_tree_str(x->chat, "service_tier")), r->searches);
	if (r->target.path->endpoint == AG_EP_MESSAGES)
		ag_price_bound_uplift(&r->bound);
	return 0;
}

/* Embeddings and the like: no output, no limit. */
static void
estimate_exchange(struct ag_req *r)
{
	struct ag_estimate_in in = { .endpoint = AG_EP_EMBEDDING, .price = r->target.price,
		.body_bytes = r->body_len, .choices = 1 };

	if (ag_req_is_given(r, AG_F_INPUT))
		in.input = ag_json_raw(ag_req_body(r), r->field[AG_F_INPUT]);
	ag_estimate(&in, &r->est);
	if (r->target.price)
		r->bound = ag_price_bound(r->target.price, r->target.multiples, r->est.input, AG_TIER_STANDARD, 0);
}

static int
open_chat(struct ag_req *r, struct ag_err *err)
{
	struct ag_xlate *x = r->xl;
	struct ag_parse_in parse = { .body = ag_req_body(r), .path_model = r->requested_model,
		.path_stream = r->is_stream, .is_strict = x->is_strict };
	int rc = x->client->parse(&parse, &x->chat, err);

	if (rc == 0 && x->client->wants_request)
		rc = ag_tree_parse(ag_req_body(r), &x->request, err);
	if (rc == 0)
		rc = estimate(r, r->body_len, err);
	if (rc == 0)
		rc = build(r, err);
	/* What the provider reads may be longer than what the client wrote. */
	if (rc == 0 && x->body.n > r->body_len)
		rc = estimate(r, x->body.n, err);
	if (rc == 0 && x->upstream->thinking) {
		struct ag_build_in in = build_in(r);

		r->est.thinking = x->upstream->thinking(&in);
	}
	return rc;
}

static enum ag_verdict
find_protocols(struct ag_req *r, struct ag_str *out_detail)
{
	struct ag_xlate *x = r->xl;

	x->client = ag_protocol_of(r->endpoint);
	x->upstream = ag_protocol_of(r->target.path->endpoint);
	if (x->client && x->upstream && x->client->parse && x->client->writer && x->upstream->build &&
	    x->upstream->reader)
		return AG_ALLOW;
	x->client = x->upstream = NULL;
	x->exchange = ag_exchange_of(r->endpoint, r->target.path->endpoint);
	if (x->exchange)
		return AG_ALLOW;
	*out_detail = ag_str(r->target.family->name);
	return AG_DENY_ENDPOINT_UNSERVED;
}

enum ag_verdict
ag_xlate_open(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	struct ag_str strict = header(head, AG_STR("x-portkey-strict-open-ai-compliance"),
	    AG_STR("x-aigate-strict-open-ai-compliance"));
	struct ag_xlate *x = xlate_new(r);
	struct ag_err err = { "" };
	enum ag_verdict v;
	int rc;

	if (!x) {
		*out_detail = AG_STR("out of memory");
		return AG_DENY_NO_CAPACITY;
	}
	v = find_protocols(r, out_detail);
	if (v != AG_ALLOW)
		return v;
	x->is_strict = ag_str_ieq(strict, AG_STR("true"));
	x->in.is_strict = !ag_str_ieq(strict, AG_STR("false"));
	if (x->exchange) {
		v = r->endpoint > AG_EP_EMBEDDING ? ag_inbound_estimate(r, head, out_detail) : AG_ALLOW;
		if (v != AG_ALLOW)
			return v;
		if (r->endpoint == AG_EP_EMBEDDING)
			estimate_exchange(r);
		rc = build(r, &err);
	} else {
		rc = open_chat(r, &err);
	}
	return rc < 0 ? refused(r, &err, rc, out_detail) : AG_ALLOW;
}

/* Built here, so that nothing of that name stands in it. */
static int
cap_price(struct ag_req *r, struct ag_err *err)
{
	struct ag_buf *body = &r->xl->body, b;

	ag_buf_init(&b, AG_XLATE_OUT_MAX);
	ag_buf_printf(&b, "{\"provider\":{\"max_price\":%.*s},", AG_STR_ARG(ag_edit_max_price(r)));
	ag_buf_put_str(&b, ag_str_skip(ag_buf_str(body), 1));
	ag_buf_fini(body);
	*body = b;
	return b.failed ? ag_err_set(err, -ENOMEM, "out of memory") : 0;
}

enum ag_verdict
ag_xlate_seal(struct ag_req *r, struct ag_str *out_detail)
{
	struct ag_xlate *x = r->xl;
	struct ag_err err = { "" };
	int rc = x->exchange || r->est.limit == x->limit ? 0 : build(r, &err);

	if (rc == 0 && AG_UNLIKELY(r->caps_price))
		rc = cap_price(r, &err);

	json_object_put(x->chat);
	x->chat = NULL;
	ag_client_count(r->client);
	if (rc == 0)
		return AG_ALLOW;
	ag_req_release(r);
	return refused(r, &err, rc, out_detail);
}
