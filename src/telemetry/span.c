#include "telemetry/span.h"

#include <stdio.h>
#include <unistd.h>

#include "base/num.h"
#include "shm/event_ring.h"
#include "shm/record_name.h"
#include "shm/ring.h"
#include "telemetry/json.h"

enum { KIND_SERVER = 2, KIND_CLIENT = 3 };
enum { STATUS_ERROR = 2 };

/* ---- attributes -------------------------------------------------------------------------- */

/* {"key":NAME,"value":{ ... its value and }} are the caller's */
static void
attr_open(struct ag_buf *b, const char *name)
{
	if (b->n > 0 && b->p[b->n - 1] != '[')
		ag_buf_putc(b, ',');
	ag_buf_putc(b, '{');
	ag_json_str(b, "key", ag_str(name));
	ag_json_name(b, "value");
	ag_buf_putc(b, '{');
}

static void
attr_str(struct ag_buf *b, const char *name, struct ag_str v)
{
	if (v.n == 0)
		return;
	attr_open(b, name);
	ag_json_str(b, "stringValue", v);
	ag_buf_puts(b, "}}");
}

/* 64 bits are a string in JSON, as protobuf writes them. */
static void
attr_int(struct ag_buf *b, const char *name, int64_t v)
{
	attr_open(b, name);
	ag_json_name(b, "intValue");
	ag_buf_putc(b, '"');
	ag_buf_put_i64(b, v);
	ag_buf_puts(b, "\"}}");
}

static void
attr_int_if(struct ag_buf *b, const char *name, int64_t v)
{
	if (v != 0)
		attr_int(b, name, v);
}

static void
attr_bool(struct ag_buf *b, const char *name, bool v)
{
	attr_open(b, name);
	ag_json_bool(b, "boolValue", v);
	ag_buf_puts(b, "}}");
}

static void
attr_list_of_one(struct ag_buf *b, const char *name, struct ag_str v)
{
	if (v.n == 0)
		return;
	attr_open(b, name);
	ag_buf_puts(b, "\"arrayValue\":{\"values\":[{");
	ag_json_str(b, "stringValue", v);
	ag_buf_puts(b, "}]}}}");
}

/* ---- words ------------------------------------------------------------------------------- */

static struct ag_str
operation_of(unsigned endpoint)
{
	switch (endpoint) {
	case AG_EP_CHAT:
	case AG_EP_MESSAGES:
	case AG_EP_RESPONSES:
		return AG_STR("chat");
	case AG_EP_COMPLETION:
		return AG_STR("text_completion");
	case AG_EP_EMBEDDING:
		return AG_STR("embeddings");
	case AG_EP_GENERATE:
		return AG_STR("generate_content");
	default:
		return ag_endpoint_name(endpoint);
	}
}

/* Families whose name in the conventions is another than ours. */
static struct ag_str
provider_of(struct ag_str family)
{
	static const struct { const char *ours, *theirs; } words[] = {
		{ "azure-openai", "azure.ai.openai" }, { "azure-ai", "azure.ai.inference" },
		{ "bedrock", "aws.bedrock" }, { "google", "gcp.gemini" }, { "vertex-ai", "gcp.vertex_ai" },
		{ "mistral-ai", "mistral_ai" }, { "x-ai", "x_ai" }, { "perplexity-ai", "perplexity" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(words); i++)
		if (ag_str_eq(family, ag_str(words[i].ours)))
			return ag_str(words[i].theirs);
	return family;
}

/* "@slug/model" names the provider too. */
static struct ag_str
model_of(struct ag_str requested)
{
	const char *slash = requested.n > 0 && requested.p[0] == '@' ? memchr(requested.p, '/', requested.n) : NULL;

	return slash ? ag_str_skip(requested, (size_t)(slash - requested.p) + 1) : requested;
}

static void
put_server(struct ag_buf *b, struct ag_str host)
{
	const char *colon = host.n > 0 ? memrchr(host.p, ':', host.n) : NULL;
	struct ag_str port = colon ? ag_str_skip(host, (size_t)(colon - host.p) + 1) : AG_STR_NONE;
	uint64_t number;

	/* The last colon of an address of IPv6 stands before a port only behind its bracket. */
	if (colon && ag_parse_u64(port, UINT16_MAX, &number) == 0 && (host.p[0] != '[' || colon[-1] == ']'))
		host.n = (size_t)(colon - host.p);
	else
		colon = NULL;
	if (host.n > 2 && host.p[0] == '[')
		host = ag_str_n(host.p + 1, host.n - 2);
	attr_str(b, "server.address", host);
	if (colon)
		attr_int(b, "server.port", (int64_t)number);
}

/* ---- spans ------------------------------------------------------------------------------- */

struct span {
	const struct ag_event *e;
	struct ag_str id, parent; /* parent n 0: it is the first of its trace */
	int kind;
	int64_t from_us, to_us;   /* wall */
};

/* Up to the attributes: "name":" is open. */
static void
span_open(struct ag_buf *b, const struct span *s)
{
	if (b->n > 0 && b->p[b->n - 1] != '[')
		ag_buf_putc(b, ',');
	ag_buf_putc(b, '{');
	ag_json_str(b, "traceId", ag_str_n(s->e->trace, sizeof(s->e->trace)));
	ag_json_str(b, "spanId", s->id);
	ag_json_str_if(b, "parentSpanId", s->parent);
	ag_json_str_if(b, "traceState", ag_event_string(s->e, AG_ES_STATE));
	ag_json_int(b, "flags", s->e->flags & AG_EVENT_SAMPLED ? 1 : 0);
	ag_json_int(b, "kind", s->kind);
	ag_buf_puts(b, ",\"startTimeUnixNano\":\"");
	ag_buf_put_i64(b, s->from_us * 1000);
	ag_buf_puts(b, "\",\"endTimeUnixNano\":\"");
	ag_buf_put_i64(b, (s->to_us > s->from_us ? s->to_us : s->from_us) * 1000);
	ag_buf_puts(b, "\",\"name\":\"");
}

static void
span_close(struct ag_buf *b, bool is_error)
{
	ag_buf_puts(b, "],\"status\":{");
	if (is_error)
		ag_json_int(b, "code", STATUS_ERROR);
	ag_buf_puts(b, "}}");
}

static void
put_owner(struct ag_buf *b, const struct ag_event *e)
{
	char uuid[37];
	size_t at = 0;

	for (size_t i = 0; i < sizeof(e->request_id); i++) {
		static const char digit[] = "0123456789abcdef";

		if (i == 4 || i == 6 || i == 8 || i == 10)
			uuid[at++] = '-';
		uuid[at++] = digit[e->request_id[i] >> 4];
		uuid[at++] = digit[e->request_id[i] & 15];
	}
	attr_str(b, "aigate.request_id", ag_str_n(uuid, at));
	attr_int_if(b, "aigate.organisation_id", e->org_id);
	attr_int_if(b, "aigate.workspace_id", e->workspace_id);
	attr_int_if(b, "aigate.key_id", e->key_id);
	attr_int_if(b, "aigate.user_id", e->user_id);
	attr_str(b, "aigate.endpoint", ag_endpoint_name(e->endpoint));
}

static void
put_number(struct ag_buf *b, const char *name, unsigned v)
{
	char text[AG_U64_DIGITS];

	attr_str(b, name, ag_str_n(text, ag_fmt_u64(text, v)));
}

/* ---- the request ------------------------------------------------------------------------- */

/* The path, where there are few of them; else what it stands for. */
static void
put_request_name(struct ag_buf *b, const struct ag_event *e)
{
	bool is_one_of_many = e->endpoint == AG_EP_GENERATE || e->endpoint == AG_EP_GENERATE_COUNT ||
	    e->endpoint == AG_EP_FILES || e->endpoint == AG_EP_BATCHES || e->endpoint == AG_EP_PROXY;

	ag_json_put_text(b, ag_event_string(e, AG_ES_METHOD));
	ag_buf_putc(b, ' ');
	ag_json_put_text(b, is_one_of_many ? ag_endpoint_name(e->endpoint) : ag_event_string(e, AG_ES_PATH));
}

static void
put_request(struct ag_buf *b, const struct ag_event *e)
{
	struct span s = { .e = e, .id = ag_str_n(e->span, sizeof(e->span)), .kind = KIND_SERVER,
		.from_us = e->received_at_us, .to_us = e->finished_at_us };
	struct ag_str error = ag_event_string(e, AG_ES_ERROR);
	bool is_error = e->status >= 500 || e->status == 0;

	if (e->flags & AG_EVENT_CHILD)
		s.parent = ag_str_n(e->parent, sizeof(e->parent));
	span_open(b, &s);
	put_request_name(b, e);
	ag_buf_puts(b, "\",\"attributes\":[");
	attr_str(b, "http.request.method", ag_event_string(e, AG_ES_METHOD));
	attr_str(b, "url.path", ag_event_string(e, AG_ES_PATH));
	attr_str(b, "url.scheme", e->flags & AG_EVENT_TLS ? AG_STR("https") : AG_STR("http"));
	attr_str(b, "client.address", ag_event_string(e, AG_ES_PEER));
	attr_str(b, "user_agent.original", ag_event_string(e, AG_ES_AGENT));
	attr_int_if(b, "http.response.status_code", e->status);
	if (error.n > 0)
		attr_str(b, "error.type", error);
	else if (e->flags & AG_EVENT_CLIENT_LEFT)
		attr_str(b, "error.type", AG_STR("client_left"));
	else if (e->status >= 500)
		put_number(b, "error.type", e->status);
	put_owner(b, e);
	attr_str(b, "aigate.trace_id", ag_event_string(e, AG_ES_TRACE_ID));
	attr_str(b, "aigate.requested_model", ag_event_string(e, AG_ES_MODEL));
	attr_int(b, "aigate.attempts", e->attempts);
	attr_int_if(b, "aigate.queue_us", e->queue_us);
	span_close(b, is_error);
}

/* ---- an attempt -------------------------------------------------------------------------- */

static void
put_usage(struct ag_buf *b, const struct ag_record *rec)
{
	const struct ag_usage *u = &rec->usage;

	attr_int(b, "gen_ai.usage.input_tokens", (int64_t)ag_usage_input_total(u));
	attr_int(b, "gen_ai.usage.output_tokens", (int64_t)u->output_total);
	attr_int_if(b, "gen_ai.usage.cache_read.input_tokens", (int64_t)u->cache_read);
	attr_int_if(b, "gen_ai.usage.cache_creation.input_tokens", (int64_t)(u->cache_write_5m + u->cache_write_1h));
	attr_int_if(b, "aigate.reasoning_tokens", (int64_t)u->reasoning);
	attr_str(b, "aigate.usage_source", ag_usage_source_name(u->source));
	attr_int(b, "aigate.cost_nusd", rec->cost_nusd);
	attr_int(b, "aigate.charged_nusd", rec->charged_nusd);
	attr_int_if(b, "aigate.price_id", rec->price_id);
}

static void
put_error(struct ag_buf *b, const struct ag_record *rec)
{
	struct ag_str type = ag_record_string(rec, AG_RS_ERROR_TYPE);

	if (type.n > 0)
		attr_str(b, "error.type", type);
	else if (rec->status >= 400)
		put_number(b, "error.type", rec->status);
	else
		attr_str(b, "error.type", ag_outcome_name(rec->outcome));
}

static void
put_attempt(struct ag_buf *b, const struct ag_event *e, const struct ag_record *rec)
{
	struct ag_str provider = provider_of(ag_record_string(rec, AG_RS_PROVIDER));
	struct ag_str model = model_of(ag_record_string(rec, AG_RS_REQUESTED_MODEL));
	struct span s = { .e = e, .id = ag_record_string(rec, AG_RS_SPAN_ID), .kind = KIND_CLIENT,
		.parent = ag_str_n(e->span, sizeof(e->span)), .from_us = rec->sent_at_us,
		.to_us = rec->finished_at_us };

	span_open(b, &s);
	ag_json_put_text(b, operation_of(rec->endpoint));
	if (model.n > 0)
		ag_buf_putc(b, ' ');
	ag_json_put_text(b, model);
	ag_buf_puts(b, "\",\"attributes\":[");
	attr_str(b, "gen_ai.operation.name", operation_of(rec->endpoint));
	attr_str(b, "gen_ai.provider.name", provider);
	attr_str(b, "gen_ai.system", provider); /* its name before 1.37, which many still read */
	attr_str(b, "gen_ai.request.model", model);
	attr_str(b, "gen_ai.response.model", ag_record_string(rec, AG_RS_SERVED_MODEL));
	attr_str(b, "gen_ai.response.id", ag_record_string(rec, AG_RS_UPSTREAM_ID));
	attr_list_of_one(b, "gen_ai.response.finish_reasons", ag_record_string(rec, AG_RS_FINISH_REASON));
	put_usage(b, rec);
	put_server(b, ag_event_string(e, AG_ES_HOST));
	attr_int_if(b, "http.response.status_code", rec->status);
	if (rec->outcome != AG_OUT_ANSWERED)
		put_error(b, rec);
	put_owner(b, e);
	attr_str(b, "aigate.provider", ag_record_string(rec, AG_RS_PROVIDER_SLUG));
	attr_int_if(b, "aigate.integration_id", rec->integration_id);
	attr_int(b, "aigate.attempt", rec->attempt);
	attr_str(b, "aigate.outcome", ag_outcome_name(rec->outcome));
	attr_bool(b, "aigate.stream", rec->is_stream);
	if (rec->first_byte_at_us > rec->sent_at_us)
		attr_int(b, "aigate.first_byte_us", rec->first_byte_at_us - rec->sent_at_us);
	attr_int(b, "aigate.overhead_us", rec->overhead_us);
	span_close(b, rec->outcome != AG_OUT_ANSWERED);
}

/* ---- all of an event --------------------------------------------------------------------- */

bool
ag_span_is_wanted(const struct ag_event *e)
{
	return (e->flags & AG_EVENT_TRACED) && (e->flags & AG_EVENT_SAMPLED) && e->endpoint != AG_EP_NONE;
}

uint32_t
ag_span_put(struct ag_buf *b, const struct ag_event *e)
{
	const struct ag_record *rec = ag_event_record(e);
	uint32_t n = 0;

	if (rec && ag_record_string(rec, AG_RS_SPAN_ID).n > 0) {
		put_attempt(b, e, rec);
		n++;
	}
	if (e->kind == AG_EVENT_REQUEST) {
		put_request(b, e);
		n++;
	}
	return n;
}

void
ag_span_put_head(struct ag_buf *b, struct ag_str service, uint64_t boot_id)
{
	char host[256] = "", id[17];

	(void)gethostname(host, sizeof(host) - 1);
	(void)snprintf(id, sizeof(id), "%016llx", (unsigned long long)boot_id);
	ag_buf_puts(b, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
	attr_str(b, "service.name", service);
	attr_str(b, "service.version", AG_STR(PACKAGE_VERSION));
	attr_str(b, "service.instance.id", ag_str(id));
	attr_str(b, "host.name", ag_str(host));
	ag_buf_puts(b, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"aigated\",\"version\":\"" PACKAGE_VERSION
	    "\"},\"spans\":[");
}

void
ag_span_put_tail(struct ag_buf *b)
{
	ag_buf_puts(b, "]}]}]}");
}
