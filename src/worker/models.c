/* models.c - GET /v1/models: exactly the models this key may call, as "@slug/model". */
#include <errno.h>

#include "base/num.h"
#include "base/scope.h"
#include "shm/counters.h"
#include "policy/metadata.h"
#include "worker/request.h"

#define MODELS_BODY_MAX ((size_t)8 << 20)

struct filter {
	struct ag_str provider;   /* slug, n 0: all */
	struct ag_str family;     /* n 0: all */
	struct ag_str model;      /* the only one a config leaves, n 0: all */
	struct ag_str id;         /* the only one asked for: "@slug/model" or "model"; n 0: all */
	uint64_t limit, offset;
	uint64_t seen, shown;
};

/* The slug of "@slug", whose @ most clients write as %40. */
static struct ag_str
slug_of(struct ag_req *r, struct ag_str v)
{
	struct ag_str s = ag_req_unescape(r, v);

	return s.n > 0 && s.p[0] == '@' ? ag_str_skip(s, 1) : s;
}

/* name=value in a query, as it stands there. */
static struct ag_str
query_get(struct ag_str query, struct ag_str name)
{
	while (query.n > 0) {
		const char *amp = memchr(query.p, '&', query.n);
		struct ag_str pair = ag_str_n(query.p, amp ? (size_t)(amp - query.p) : query.n);

		if (pair.n > name.n && pair.p[name.n] == '=' && ag_str_starts(pair, name))
			return ag_str_skip(pair, name.n + 1);
		query = ag_str_skip(query, pair.n + 1);
	}
	return AG_STR_NONE;
}

struct ag_str
ag_req_query(struct ag_req *r, const struct ag_http_head *head, struct ag_str name)
{
	return ag_req_unescape(r, query_get(head->query, name));
}

/* A request that names a provider asks for its models alone. */
static struct ag_str
asked_provider(struct ag_req *r, const struct ag_http_head *head)
{
	struct ag_str v = ag_http_header_get(head, AG_STR("x-portkey-provider"));

	if (ag_str_ieq(ag_http_header_get(head, AG_STR("x-portkey-fetch-integrated-models")), AG_STR("true")) ||
	    v.n == 0 || v.p[0] != '@')
		v = query_get(head->query, AG_STR("provider"));
	return slug_of(r, v);
}

static void
put_model(struct ag_buf *b, struct filter *f, struct ag_str slug, struct ag_str model, struct ag_str family)
{
	if (f->seen++ < f->offset || f->shown >= f->limit)
		return;
	if (f->shown++ > 0)
		ag_buf_putc(b, ',');
	ag_buf_puts(b, "{\"id\":\"@");
	ag_buf_put_json(b, slug);
	ag_buf_putc(b, '/');
	ag_buf_put_json(b, model);
	ag_buf_puts(b, "\",\"slug\":\"");
	ag_buf_put_json(b, model);
	ag_buf_puts(b, "\",\"canonical_slug\":\"");
	ag_buf_put_json(b, model);
	ag_buf_puts(b, "\",\"object\":\"model\",\"created\":0,\"owned_by\":\"");
	ag_buf_put_json(b, family);
	ag_buf_puts(b, "\"}");
}

static bool
is_asked(const struct filter *f, struct ag_str slug, struct ag_str model)
{
	if (f->id.n == 0 || ag_str_eq(f->id, model))
		return true;
	return f->id.n == slug.n + model.n + 2 && f->id.p[0] == '@' &&
	    ag_str_starts(ag_str_skip(f->id, 1), slug) && f->id.p[slug.n + 1] == '/' &&
	    ag_str_eq(ag_str_skip(f->id, slug.n + 2), model);
}

/* Whether guardrails and config of this key would let it through. */
static bool
is_open(struct ag_req *r, const struct filter *f, struct ag_str slug, struct ag_str model)
{
	struct ag_guard_subject s = ag_req_subject(r);

	if ((f->model.n > 0 && !ag_str_eq(f->model, model)) || !is_asked(f, slug, model))
		return false;
	s.model = model;
	s.slug = slug;
	s.endpoint = AG_EP_NONE;
	for (uint32_t i = 0; r->rules && i < r->rules->n_guards; i++)
		if (!ag_guard_allows(&r->rules->guard[i], &s))
			return false;
	return true;
}

/* What the family has a price for and the integration does not disable. */
static void
put_family(struct ag_req *r, const struct ag_catalog *cat, struct ag_buf *b, struct filter *f, struct ag_str slug,
    const struct ag_cat_integration *i)
{
	struct ag_str family = ag_catalog_text(cat, i->family), last = AG_STR_NONE;
	uint32_t n;
	const struct ag_cat_price *p = ag_catalog_prices(cat, family, &n);

	for (uint32_t k = 0; k < n; k++) {
		struct ag_str model = ag_catalog_text(cat, p[k].model);

		/* Rows of one model with several dates are neighbours; named ones were put before. */
		if (ag_str_eq(model, last) || ag_catalog_model(cat, i, model))
			continue;
		last = model;
		if (is_open(r, f, slug, model))
			put_model(b, f, slug, model, family);
	}
}

static void
put_provider(struct ag_req *r, struct ag_buf *b, struct filter *f, const struct ag_cat_provider *p)
{
	const struct ag_catalog *cat = ag_view_catalog(r->view);
	const struct ag_cat_grant *grant = ag_catalog_grant_at(cat, p->grant_ix);
	const struct ag_cat_integration *i = ag_catalog_integration_at(cat, grant->integration_ix);
	struct ag_str slug = ag_catalog_text(cat, p->slug), family = ag_catalog_text(cat, i->family);
	const struct ag_cat_model *m;
	uint32_t n;

	if (p->state != AG_CAT_ACTIVE || p->expires_at_us <= r->rec.received_at_us || !grant->is_enabled ||
	    i->state != AG_CAT_ACTIVE)
		return;
	if ((f->provider.n > 0 && !ag_str_eq(f->provider, slug)) ||
	    (f->family.n > 0 && !ag_str_eq(f->family, family)))
		return;
	m = ag_catalog_models(cat, i, &n);
	for (uint32_t k = 0; k < n; k++)
		if (m[k].is_enabled && is_open(r, f, slug, ag_catalog_text(cat, m[k].slug)))
			put_model(b, f, slug, ag_catalog_text(cat, m[k].slug), family);
	if (i->allow_all_models)
		put_family(r, cat, b, f, slug, i);
}

/* What a config decides is decided for lists too: its provider alone, its model alone. */
static void
apply_config(struct ag_req *r, struct filter *f)
{
	const struct ag_config *c = r->rules ? &r->rules->config : NULL;
	static const struct ag_str names[] = { { "model", 5 } };
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_value v;
	struct ag_json_fault fault;
	struct ag_str model;
	const char *slash;

	if (!c)
		return;
	if (c->provider.n > 0)
		f->provider = c->provider;
	if (c->overrides.n == 0 || ag_json_scan(c->overrides, &fields, &v, &fault) < 0 ||
	    v.type != AG_JSON_STRING || !ag_json_string_plain(ag_json_raw(c->overrides, v), &model))
		return;
	slash = memchr(model.p, '/', model.n);
	if (model.n > 0 && model.p[0] == '@' && slash) {
		if (c->provider.n == 0)
			f->provider = ag_str_n(model.p + 1, (size_t)(slash - model.p) - 1);
		model = ag_str_skip(model, (size_t)(slash - model.p) + 1);
	}
	f->model = model;
}

static enum ag_verdict
read_rules(struct ag_req *r, const struct ag_http_head *head, struct ag_str key_metadata,
    struct ag_str *out_detail)
{
	enum ag_verdict v = ag_req_rules(r, head, out_detail);

	if (v == AG_ALLOW && r->rules && ag_admit_metadata(r, head, key_metadata) < 0) {
		*out_detail = AG_STR("The metadata of this request, its key and its workspace is larger than 2048 bytes");
		return AG_DENY_BAD_REQUEST;
	}
	return v;
}

/* Who asks, and what its rules are. */
static enum ag_verdict
admit(struct ag_req *r, const struct ag_http_head *head, struct filter *f, struct ag_str *out_detail)
{
	char blob[AG_METADATA_MAX];
	size_t blob_bytes = 0;
	enum ag_verdict v = ag_admit_authenticate(r, head, blob, sizeof(blob), &blob_bytes);
	struct ag_str limit = query_get(head->query, AG_STR("limit"));
	struct ag_str offset = query_get(head->query, AG_STR("offset"));

	if (v != AG_ALLOW)
		return v;
	if (!r->ws || (!ag_scopes_has(r->key.scopes, AG_SCOPE_COMPLETIONS_WRITE) &&
	    !ag_scopes_has(r->key.scopes, AG_SCOPE_VIRTUAL_KEYS_LIST)))
		return AG_DENY_SCOPE;
	if ((limit.n > 0 && ag_parse_u64(limit, UINT32_MAX, &f->limit) < 0) ||
	    (offset.n > 0 && ag_parse_u64(offset, UINT32_MAX, &f->offset) < 0)) {
		*out_detail = AG_STR("limit and offset are whole numbers");
		return AG_DENY_BAD_REQUEST;
	}
	return read_rules(r, head, ag_str_n(blob, blob_bytes), out_detail);
}

/* All that pass the filter, as members of an array. */
static void
put_models(struct ag_req *r, const struct ag_http_head *head, struct filter *f, struct ag_buf *list)
{
	const struct ag_cat_provider *p;
	uint32_t n;

	f->provider = asked_provider(r, head);
	f->family = slug_of(r, query_get(head->query, AG_STR("ai_service")));
	apply_config(r, f);
	p = ag_catalog_providers(ag_view_catalog(r->view), r->ws, &n);
	for (uint32_t i = 0; i < n; i++)
		put_provider(r, list, f, &p[i]);
}

void
ag_reply_models(struct ag_req *r, const struct ag_http_head *head)
{
	struct filter f = { .limit = UINT64_MAX };
	struct ag_str detail = AG_STR_NONE;
	struct ag_buf list, body;
	enum ag_verdict verdict = admit(r, head, &f, &detail);

	if (verdict != AG_ALLOW) {
		ag_reply_verdict(r, verdict, detail, AG_NONE_IX);
		return;
	}
	ag_buf_init(&list, MODELS_BODY_MAX);
	ag_buf_init(&body, MODELS_BODY_MAX + 256);
	put_models(r, head, &f, &list);
	ag_buf_printf(&body, "{\"object\":\"list\",\"total\":%llu,\"total_count\":%llu,\"data\":[",
	    (unsigned long long)f.seen, (unsigned long long)f.seen);
	ag_buf_put_str(&body, ag_buf_str(&list));
	ag_buf_puts(&body, "]}");
	if (list.failed || body.failed)
		ag_reply_verdict(r, AG_DENY_NO_CAPACITY, AG_STR("the list of models is too long, use limit and offset"),
		    AG_NONE_IX);
	else
		ag_reply_json(r, 200, ag_buf_str(&body));
	ag_buf_fini(&list);
	ag_buf_fini(&body);
}

void
ag_reply_model(struct ag_req *r, const struct ag_http_head *head)
{
	struct filter f = { .limit = 1 };
	struct ag_str detail = AG_STR_NONE;
	struct ag_buf one;
	enum ag_verdict verdict = admit(r, head, &f, &detail);

	f.limit = 1;
	f.offset = 0;
	f.id = ag_req_unescape(r, ag_str_skip(head->path, sizeof("/v1/models/") - 1));
	if (verdict == AG_ALLOW && f.id.n == 0)
		verdict = AG_DENY_NOT_FOUND;
	if (verdict != AG_ALLOW) {
		ag_reply_verdict(r, verdict, detail, AG_NONE_IX);
		return;
	}
	ag_buf_init(&one, 4096);
	put_models(r, head, &f, &one);
	if (one.n > 0 && !one.failed)
		ag_reply_json(r, 200, ag_buf_str(&one));
	else
		ag_reply_verdict(r, AG_DENY_MODEL_UNKNOWN, f.id, AG_NONE_IX);
	ag_buf_fini(&one);
}
