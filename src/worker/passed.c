/* passed.c - requests that pass as they are to a provider named by header: files, batches, and any other
 * path it has.  Key, scope, limits and the ledger hold as for every request; what has no price falls
 * under unpriced_model. */
#include "base/num.h"
#include "policy/media.h"
#include "provider/figure.h"
#include "worker/request.h"

/* By its name, or by its looks: many a provider reads JSON whatever it is called. */
bool
ag_passed_is_json(const struct ag_http_head *head, struct ag_str body)
{
	struct ag_str v = ag_http_header_get(head, AG_STR("content-type"));

	if (v.n >= 16 && ag_str_ieq(ag_str_n(v.p, 16), AG_STR("application/json")))
		return true;
	if (ag_str_starts(body, AG_STR("\xef\xbb\xbf")))
		body = ag_str_skip(body, 3);
	while (body.n > 0 && memchr(" \t\r\n", body.p[0], 4))
		body = ag_str_skip(body, 1);
	return body.n > 0 && body.p[0] == '{';
}

/* One way to spell each path: what a provider would make another path of has rules of its own here, or
 * leads out of its base. */
static bool
is_plain(struct ag_str path)
{
	for (size_t i = 0; i < path.n; i++) {
		int hi, lo, c;

		if (path.p[i] == ';' || path.p[i] == '\\' || (path.p[i] == '/' && i > 0 && path.p[i - 1] == '/'))
			return false;
		if (path.p[i] != '%')
			continue;
		hi = path.n - i > 2 ? ag_hex_value(path.p[i + 1]) : -1;
		lo = path.n - i > 2 ? ag_hex_value(path.p[i + 2]) : -1;
		if (hi < 0 || lo < 0)
			return false;
		c = hi << 4 | lo;
		/* Needlessly escaped (RFC 3986 2.3), or what ends a segment or a text. */
		if (c < 0x20 || c == 0x7f || c == '/' || c == '\\' || c == '%' || c == '-' || c == '.' || c == '_' ||
		    c == '~' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
			return false;
		i += 2;
	}
	return true;
}

bool
ag_passed_is_named(const struct ag_http_head *head)
{
	static const struct ag_str names[] = { { "x-portkey-provider", 18 }, { "x-aigate-provider", 17 },
		{ "x-portkey-virtual-key", 21 }, { "x-aigate-virtual-key", 20 } };

	for (size_t i = 0; i < AG_ARRAY_LEN(names); i++)
		if (ag_http_header_get(head, names[i]).n > 0)
			return true;
	return false;
}

enum ag_verdict
ag_passed_scan(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	static const struct ag_str names[] = { { "model", 5 }, { "stream", 6 }, { "n", 1 }, { "best_of", 7 } };
	struct ag_json_value f[4];
	struct ag_json_fault fault;
	struct ag_str text;

	r->is_passed = r->is_raw_body = true;
	if (!ag_passed_is_named(head)) {
		*out_detail = AG_STR("x-portkey-provider: @slug is required for this path");
		return AG_DENY_BAD_REQUEST;
	}
	if (!is_plain(head->path) || ag_req_is_own_path(head->path)) {
		*out_detail = AG_STR("The path is another spelling of one that is served here, or not plainly one");
		return AG_DENY_BAD_REQUEST;
	}
	if (r->body_len == 0 || !ag_passed_is_json(head, ag_req_body(r)))
		return AG_ALLOW;
	if (r->body_len > UINT32_MAX || ag_figure_scan(ag_req_body(r), names, 4, f, &fault) < 0) {
		*out_detail = AG_STR("Invalid request body: not one JSON object whose fields stand once");
		return AG_DENY_BAD_REQUEST;
	}
	r->is_stream = f[1].type == AG_JSON_TRUE;
	if (f[0].type == AG_JSON_ABSENT || f[0].type == AG_JSON_NULL)
		return AG_ALLOW;
	if (f[0].type != AG_JSON_STRING || !ag_json_string_plain(ag_json_raw(ag_req_body(r), f[0]), &text) ||
	    text.n == 0 || text.n > 255) {
		*out_detail = AG_STR("Invalid request body: not a model's name: \"model\"");
		return AG_DENY_BAD_REQUEST;
	}
	r->field[AG_F_MODEL] = f[0];
	r->field[AG_F_N] = f[2];
	r->field[AG_F_BEST_OF] = f[3];
	r->requested_model = ag_arena_dup(&r->arena, text);
	return AG_ALLOW;
}

/* Answers asked for, if that is what it means there; what is no count is more than any budget pays. */
static uint64_t
count_of(const struct ag_req *r, enum ag_field f)
{
	struct ag_str raw = ag_json_raw(ag_req_body(r), r->field[f]);
	uint64_t n;

	if (r->field[f].type == AG_JSON_STRING)
		raw = ag_figure_inside(ag_req_body(r), r->field[f]);
	if (!ag_req_is_given(r, f))
		return 1;
	if (ag_parse_u64(raw, UINT32_MAX, &n) < 0)
		return UINT32_MAX;
	return n > 0 ? n : 1;
}

/* What such a path makes of its body nobody here knows: with a price the most that its model can, without
 * one what unpriced_model says. */
enum ag_verdict
ag_passed_estimate(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	struct ag_estimate_in in = {
		.endpoint = AG_EP_CHAT, .body_bytes = r->body_len, .price = r->target.price,
		.media = AG_MEDIA_UNKNOWN_TOKENS,
		.default_limit = r->w->conf->default_max_tokens_reasoning,
		.default_limit_reasoning = r->w->conf->default_max_tokens_reasoning,
	};

	uint64_t n = count_of(r, AG_F_N), best_of = count_of(r, AG_F_BEST_OF);

	(void)out_detail;
	ag_objects_read_path(r, head);
	in.choices = n > best_of ? n : best_of;
	ag_estimate(&in, &r->est);
	if (r->target.price && r->target.price->max_output > 0)
		ag_estimate_set_limit(&r->est, r->target.price->max_output);
	if (r->requested_model.n == 0 || r->object.work != AG_WORK_COUNTED)
		r->est = (struct ag_estimate){ .choices = 1, .text_bytes = r->body_len };
	r->est.must_write_limit = false;
	r->est.is_fixed = true;
	if (r->object.work != AG_WORK_COUNTED)
		r->target.price = NULL; /* of the model that answers: not of what this does */
	if (r->target.price)
		r->bound = ag_price_bound(r->target.price, r->target.multiples, r->est.input, AG_TIER_PRIORITY, 1);
	ag_price_bound_uplift(&r->bound);
	return AG_ALLOW;
}
