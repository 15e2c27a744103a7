/* bedrock.c - Amazon Bedrock: what an answer of Converse cost, where a region lives, and requests that are
 * signed.
 *
 * The credential is either a key of Bedrock's own, sent as a bearer, or a JSON object
 * {"aws_access_key_id","aws_secret_access_key","aws_session_token"}, with which each request is signed. */
#include <errno.h>
#include <string.h>

#include "provider/figure.h"
#include "provider/provider.h"
#include "provider/sigv4.h"

/* ---- usage ------------------------------------------------------------------------------- */

enum { U_INPUT, U_OUTPUT, U_READ, U_WRITE, U_DETAILS, U_N };

/* [{"ttl":"1h","inputTokens":1000}]: what of the written is kept for an hour; *out_sum: all of it. */
static uint64_t
written_for_an_hour(struct ag_str usage, struct ag_json_value v, uint64_t *out_sum)
{
	static const struct ag_str names[] = { { "ttl", 3 }, { "inputTokens", 11 } };
	struct ag_str rows = ag_json_raw(usage, v);
	struct ag_json_iter it;
	struct ag_json_value row, f[2];
	struct ag_json_fault fault;
	uint64_t hour = 0;

	*out_sum = 0;
	if (v.type != AG_JSON_ARRAY)
		return 0;
	ag_json_iter_init(&it, rows);
	while (ag_json_array_next(&it, &row) == 1) {
		struct ag_str one = ag_json_raw(rows, row);
		uint64_t n;

		if (row.type != AG_JSON_OBJECT || ag_figure_scan(one, names, 2, f, &fault) < 0 ||
		    !ag_figure_read(one, f[1], &n))
			continue;
		*out_sum += n;
		if (ag_str_eq(ag_figure_inside(one, f[0]), AG_STR("1h")))
			hour += n;
	}
	return hour;
}

/* Counters are disjoint: inputTokens holds neither what was read from a cache nor what was written. */
static void
read_usage(struct ag_str text, struct ag_json_value v, struct ag_answer *a)
{
	static const struct ag_str names[U_N] = {
		[U_INPUT] = { "inputTokens", 11 }, [U_OUTPUT] = { "outputTokens", 12 },
		[U_READ] = { "cacheReadInputTokens", 20 }, [U_WRITE] = { "cacheWriteInputTokens", 21 },
		[U_DETAILS] = { "cacheDetails", 12 },
	};
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_value f[U_N];
	struct ag_json_fault fault;
	struct ag_str usage = ag_json_raw(text, v);
	struct ag_usage *u = &a->usage;
	uint64_t written, sum, hour;

	if (v.type != AG_JSON_OBJECT || ag_json_scan(usage, &fields, f, &fault) < 0)
		return;
	if (!a->has_usage)
		u->provider_cost_nusd = -1;
	if (ag_figure_is_absurd(usage, f[U_INPUT]) || ag_figure_is_absurd(usage, f[U_OUTPUT])) {
		a->has_usage = false;
		return;
	}
	a->has_usage |= f[U_INPUT].type == AG_JSON_NUMBER || f[U_OUTPUT].type == AG_JSON_NUMBER;
	a->reported_bytes = a->content_bytes;
	u->input_fresh = ag_figure_or(usage, f[U_INPUT], u->input_fresh);
	u->output_total = ag_figure_or(usage, f[U_OUTPUT], u->output_total);
	u->cache_read = ag_figure_or(usage, f[U_READ], u->cache_read);
	hour = written_for_an_hour(usage, f[U_DETAILS], &sum);
	written = ag_figure_or(usage, f[U_WRITE], sum);
	if (f[U_WRITE].type == AG_JSON_NUMBER || f[U_DETAILS].type == AG_JSON_ARRAY) {
		u->cache_write_1h = hour < written ? hour : written;
		u->cache_write_5m = written - u->cache_write_1h;
	}
}

static void
read_tier(struct ag_str text, struct ag_json_value v, struct ag_answer *a)
{
	static const struct ag_str name = { "type", 4 };
	struct ag_str tier = ag_json_raw(text, v), word;
	struct ag_json_value f;
	struct ag_json_fault fault;

	if (v.type != AG_JSON_OBJECT || ag_figure_scan(tier, &name, 1, &f, &fault) < 0)
		return;
	word = ag_figure_inside(tier, f);
	if (ag_str_eq(word, AG_STR("priority")))
		a->usage.service_tier = AG_TIER_PRIORITY;
	else if (ag_str_eq(word, AG_STR("flex")))
		a->usage.service_tier = AG_TIER_FLEX;
	else if (ag_str_eq(word, AG_STR("reserved")))
		a->usage.service_tier = AG_TIER_PROVISIONED;
}

enum { F_USAGE, F_STOP, F_TIER, F_DELTA, F_TYPE, F_N };

static bool
scan(struct ag_str text, struct ag_json_value f[F_N])
{
	static const struct ag_str names[F_N] = {
		[F_USAGE] = { "usage", 5 }, [F_STOP] = { "stopReason", 10 }, [F_TIER] = { "serviceTier", 11 },
		[F_DELTA] = { "delta", 5 }, [F_TYPE] = { "__type", 6 },
	};
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_fault fault;

	return ag_json_scan(text, &fields, f, &fault) == 0;
}

static void
on_body(const struct ag_provider *p, struct ag_str body, struct ag_answer *a)
{
	struct ag_json_value f[F_N];

	(void)p;
	if (scan(body, f)) {
		ag_figure_text(body, f[F_STOP], a->finish_reason, sizeof(a->finish_reason));
		read_usage(body, f[F_USAGE], a);
		read_tier(body, f[F_TIER], a);
	}
	a->has_done = true;
}

/* What is around the text in a delta: it is no output. */
#define DELTA_FRAME (sizeof("{\"text\":\"\"}") - 1)
#define DELTA_LEAST 2u

static bool
on_event(const struct ag_provider *p, struct ag_str name, struct ag_str data, struct ag_answer *a)
{
	struct ag_json_value f[F_N];

	(void)p;
	if (!scan(data, f)) {
		a->content_events++;
		a->content_bytes += data.n;
		return false;
	}
	if (ag_str_eq(name, AG_STR("contentBlockDelta"))) {
		a->content_events++;
		a->content_bytes += f[F_DELTA].len > DELTA_FRAME + DELTA_LEAST
		    ? f[F_DELTA].len - DELTA_FRAME : DELTA_LEAST;
	} else if (ag_str_eq(name, AG_STR("messageStop"))) {
		ag_figure_text(data, f[F_STOP], a->finish_reason, sizeof(a->finish_reason));
	} else if (ag_str_eq(name, AG_STR("metadata"))) {
		read_usage(data, f[F_USAGE], a);
		read_tier(data, f[F_TIER], a);
	}
	return false;
}

/* "com.amazon.coral#ThrottlingException" */
static void
on_error(const struct ag_provider *p, struct ag_str body, struct ag_answer *a)
{
	struct ag_json_value f[F_N];
	struct ag_str type;
	const char *hash;

	(void)p;
	if (!scan(body, f))
		return;
	type = ag_figure_inside(body, f[F_TYPE]);
	hash = type.n > 0 ? memrchr(type.p, '#', type.n) : NULL;
	(void)ag_str_copy(hash ? ag_str_skip(type, (size_t)(hash - type.p) + 1) : type, a->error_type,
	    sizeof(a->error_type));
}

const struct ag_wire ag_wire_converse = { .on_body = on_body, .on_event = on_event, .on_error = on_error };

/* ---- where ------------------------------------------------------------------------------- */

const struct ag_provider_path ag_bedrock_paths[] = {
	{ AG_EP_CONVERSE, "/model/{model}/converse", "/model/{model}/converse-stream", &ag_wire_converse },
	{ AG_EP_PROXY, "{rest}", NULL, &ag_wire_converse },
	{ AG_EP_NONE, NULL, NULL, NULL }
};
/* Models that do not converse are invoked, each in its maker's own words. */
static const struct ag_provider_path titan_paths[] = {
	{ AG_EP_TITAN_EMBED, "/model/{model}/invoke", NULL, &ag_wire_converse },
	{ AG_EP_NONE, NULL, NULL, NULL }
};
static const struct ag_provider_path cohere_paths[] = {
	{ AG_EP_INVOKE_COHERE_EMBED, "/model/{model}/invoke", NULL, &ag_wire_converse },
	{ AG_EP_NONE, NULL, NULL, NULL }
};

const struct ag_provider_path *
ag_bedrock_paths_of(struct ag_str model)
{
	if (model.n == 0)
		return ag_bedrock_paths;
	if (memmem(model.p, model.n, "amazon.titan-embed-text", 23))
		return titan_paths;
	return memmem(model.p, model.n, "cohere.embed", 12) ? cohere_paths : ag_bedrock_paths;
}

static struct ag_str
text_of(struct ag_str json, struct ag_str name)
{
	struct ag_json_value v;
	struct ag_json_fault fault;
	struct ag_str text;

	if (json.n == 0 || ag_figure_scan(json, &name, 1, &v, &fault) < 0 || v.type != AG_JSON_STRING ||
	    !ag_json_string_plain(ag_json_raw(json, v), &text))
		return AG_STR_NONE;
	return text;
}

/* China's regions have a domain of their own. */
int
ag_bedrock_place(struct ag_str config, struct ag_str name, struct ag_str model, struct ag_buf *out)
{
	(void)model;
	if (!ag_str_eq(name, AG_STR("aws_domain")))
		return -ENOENT;
	ag_buf_puts(out, ag_str_starts(text_of(config, AG_STR("aws_region")), AG_STR("cn-"))
	    ? "amazonaws.com.cn" : "amazonaws.com");
	return 0;
}

/* "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-...": the last part has the price. */
struct ag_str
ag_bedrock_priced_as(struct ag_str config, struct ag_str model)
{
	const char *slash = ag_str_starts(model, AG_STR("arn:")) ? memrchr(model.p, '/', model.n) : NULL;

	(void)config;
	return slash ? ag_str_skip(model, (size_t)(slash - model.p) + 1) : model;
}

/* ---- signing ----------------------------------------------------------------------------- */

bool
ag_bedrock_is_signing(struct ag_str secret)
{
	return secret.n > 0 && secret.p[0] == '{';
}

unsigned
ag_bedrock_hide(struct ag_str secret, struct ag_str out[AG_HIDDEN_MAX])
{
	static const struct ag_str names[] = { { "aws_secret_access_key", 21 }, { "aws_session_token", 17 } };
	unsigned n = 0;

	for (size_t i = 0; i < AG_ARRAY_LEN(names); i++) {
		out[n] = text_of(secret, names[i]);
		n += out[n].n > 0;
	}
	return n;
}

int
ag_bedrock_sign(const struct ag_sign_in *in, struct ag_buf *out, struct ag_err *err)
{
	const char *query = memchr(in->target.p, '?', in->target.n);
	size_t path_n = query ? (size_t)(query - in->target.p) : in->target.n;
	struct ag_sigv4_key key = { 0 };
	struct ag_sigv4_in v4 = {
		.access_key = text_of(in->secret, AG_STR("aws_access_key_id")),
		.secret_key = text_of(in->secret, AG_STR("aws_secret_access_key")),
		.session_token = text_of(in->secret, AG_STR("aws_session_token")),
		.region = text_of(in->config, AG_STR("aws_region")), .service = AG_STR("bedrock"),
		.method = in->method, .host = in->host, .path = ag_str_n(in->target.p, path_n),
		.query = ag_str_skip(in->target, query ? path_n + 1 : path_n), .content_type = in->content_type,
		.wall_s = in->now_s,
	};
	int rc;

	if (v4.access_key.n == 0 || v4.secret_key.n == 0)
		return ag_err_set(err, -EINVAL, "the credential holds no aws_access_key_id with its aws_secret_access_key");
	if (v4.region.n == 0)
		return ag_err_set(err, -EINVAL, "configurations.aws_region is not set");
	memcpy(v4.body_hash, in->body_sha256, sizeof(v4.body_hash));
	rc = ag_sigv4_headers(&key, &v4, out);
	ag_mem_wipe(&key, sizeof(key));
	return rc < 0 ? ag_err_set(err, rc, "a part of the request is too long to be signed") : 0;
}
