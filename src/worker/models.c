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
	uint64_t limit, offset;
	uint64_t seen, shown;
};

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

static struct ag_str
percent_decode(struct ag_req *r, struct ag_str v)
{
	struct ag_str s = ag_arena_dup(&r->arena, v);
	char *out = (char *)(uintptr_t)s.p;
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int hi = s.p[i] == '%' && s.n - i > 2 ? hex_digit(s.p[i + 1]) : -1;
		int lo = hi >= 0 ? hex_digit(s.p[i + 2]) : -1;

		if (lo >= 0) {
			out[n++] = (char)(hi << 4 | lo);
			i += 2;
		} else {
			out[n++] = s.p[i];
		}
	}
	s.n = n;
	return s;
}

/* The slug of "@slug", whose @ most clients write as %40. */
static struct ag_str
slug_of(struct ag_req *r, struct ag_str v)
{
	struct ag_str s = percent_decode(r, v);

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
	return percent_decode(r, query_get(head->query, name));
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

/* What the family has a price for and the integration does not disable. */
static void
put_family(const struct ag_catalog *cat, struct ag_buf *b, struct filter *f, struct ag_str slug,
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
		if (m[k].is_enabled)
			put_model(b, f, slug, ag_catalog_text(cat, m[k].slug), family);
	if (i->allow_all_models)
		put_family(cat, b, f, slug, i);
}

void
ag_reply_models(struct ag_req *r, const struct ag_http_head *head)
{
	struct filter f = { .limit = UINT64_MAX };
	struct ag_str v;
	struct ag_buf list, body;
	uint32_t n;
	const struct ag_cat_provider *p;
	enum ag_verdict verdict = ag_admit_authenticate(r, head, NULL, 0, NULL);

	if (verdict == AG_ALLOW && (!r->ws || (!ag_scopes_has(r->key.scopes, AG_SCOPE_COMPLETIONS_WRITE) &&
	    !ag_scopes_has(r->key.scopes, AG_SCOPE_VIRTUAL_KEYS_LIST))))
		verdict = AG_DENY_SCOPE;
	if (verdict == AG_ALLOW) {
		v = query_get(head->query, AG_STR("limit"));
		if (v.n > 0 && ag_parse_u64(v, UINT32_MAX, &f.limit) < 0)
			verdict = AG_DENY_BAD_REQUEST;
		v = query_get(head->query, AG_STR("offset"));
		if (v.n > 0 && ag_parse_u64(v, UINT32_MAX, &f.offset) < 0)
			verdict = AG_DENY_BAD_REQUEST;
	}
	if (verdict != AG_ALLOW) {
		ag_reply_verdict(r, verdict, AG_STR("limit and offset are whole numbers"), AG_NONE_IX);
		return;
	}
	f.provider = asked_provider(r, head);
	f.family = slug_of(r, query_get(head->query, AG_STR("ai_service")));
	ag_buf_init(&list, MODELS_BODY_MAX);
	ag_buf_init(&body, MODELS_BODY_MAX + 256);
	p = ag_catalog_providers(ag_view_catalog(r->view), r->ws, &n);
	for (uint32_t i = 0; i < n; i++)
		put_provider(r, &list, &f, &p[i]);
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
