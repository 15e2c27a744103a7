#include "policy/readback.h"

#include "base/clock.h"
#include "base/money.h"
#include "limit/alert.h"
#include "limit/holds.h"
#include "policy/policy_match.h"
#include "shm/metertab.h"

enum status { ST_ACTIVE, ST_LIMITED, ST_EXHAUSTED };
static const char *const status_names[] = { "active", "limited", "exhausted" };

struct readback {
	struct ag_buf *out;
	const struct ag_shm *shm;
	int64_t now_us;
	uint32_t n; /* limits written */
};

static enum status
worse(enum status a, enum status b)
{
	return a > b ? a : b;
}

static void
put_amount(struct ag_buf *b, const char *name, int64_t v, uint32_t unit)
{
	char text[40];

	ag_buf_printf(b, ",\"%s\":", name);
	if (v == INT64_MAX)
		ag_buf_puts(b, "null");
	else if (unit == AG_UNIT_NUSD)
		ag_buf_put(b, text, ag_fmt_usd(text, sizeof(text), v));
	else
		ag_buf_put_i64(b, v);
}

static void
put_time(struct ag_buf *b, const char *name, int64_t at_us)
{
	char at[AG_ISO8601_LEN];

	if (at_us == INT64_MAX) {
		ag_buf_printf(b, ",\"%s\":null", name);
		return;
	}
	ag_clock_iso8601(at_us, at);
	ag_buf_printf(b, ",\"%s\":\"%s\"", name, at);
}

static void
put_period(struct ag_buf *b, uint32_t kind, uint32_t days)
{
	switch ((enum ag_period_kind)kind) {
	case AG_PERIOD_NONE:
		ag_buf_puts(b, ",\"period\":\"none\"");
		break;
	case AG_PERIOD_WEEKLY:
	case AG_PERIOD_WEEKLY_MONDAY:
		ag_buf_puts(b, ",\"period\":\"weekly\"");
		break;
	case AG_PERIOD_MONTHLY:
		ag_buf_puts(b, ",\"period\":\"monthly\"");
		break;
	case AG_PERIOD_DAYS:
		ag_buf_printf(b, ",\"period\":\"days\",\"period_days\":%u", (unsigned)days);
		break;
	}
}

static void
put_window(struct ag_buf *b, int64_t us)
{
	static const struct {
		const char *name;
		int64_t us;
	} units[] = { { "rps", AG_US_PER_SEC }, { "rpm", AG_US_PER_MIN }, { "rph", AG_US_PER_HOUR },
		{ "rpd", AG_US_PER_DAY }, { "rpw", 7 * AG_US_PER_DAY } };

	for (size_t i = 0; i < AG_ARRAY_LEN(units); i++)
		if (units[i].us == us)
			ag_buf_printf(b, ",\"unit\":\"%s\"", units[i].name);
	ag_buf_printf(b, ",\"window_s\":%lld", (long long)(us / AG_US_PER_SEC));
}

/* What it does with what may not fit, and by how much it can be passed; m NULL: not used yet. */
static void
put_mode(struct readback *r, enum ag_enforcement mode, enum ag_exhaust on_exhaust,
    const struct ag_meter *m, uint32_t unit)
{
	static const char *const modes[] = { "strict", "adaptive", "shadow" };
	struct ag_buf *b = r->out;

	ag_buf_printf(b, ",\"enforcement\":\"%s\"", modes[mode]);
	switch (mode) {
	case AG_ENFORCE_STRICT:
		put_amount(b, "bound", 0, unit);
		break;
	case AG_ENFORCE_ADAPTIVE:
		ag_buf_printf(b, ",\"on_exhaust\":\"%s\"",
		    on_exhaust == AG_EXHAUST_CUT ? "cut" : "finish");
		put_amount(b, "bound",
		    m ? ag_holds_bound(r->shm, (uint32_t)(m - r->shm->meters)) : 0, unit);
		break;
	case AG_ENFORCE_SHADOW:
		put_amount(b, "bound", INT64_MAX, unit);
		ag_buf_printf(b, ",\"would_refuse\":%lld",
		    m ? (long long)ag_a64_get(&m->mode.would_refuse) : 0LL);
		break;
	}
}

static void
put_head(struct readback *r, const char *scope, struct ag_str name, uint32_t kind, uint32_t unit)
{
	struct ag_buf *b = r->out;

	if (r->n++ > 0)
		ag_buf_putc(b, ',');
	ag_buf_printf(b, "{\"scope\":\"%s\",\"name\":\"", scope);
	ag_buf_put_json(b, name);
	ag_buf_printf(b, "\",\"kind\":\"%s\",\"type\":\"%s\"",
	    kind == AG_METER_BUDGET ? "budget" : kind == AG_METER_RATE ? "rate" : "concurrency",
	    unit == AG_UNIT_NUSD ? "cost" : unit == AG_UNIT_TOKENS ? "tokens" : "requests");
}

static enum status
put_figures(struct ag_buf *b, const struct ag_meter_state *s, uint32_t kind, uint32_t unit,
    int64_t alert_at, bool is_exhausted)
{
	enum status st = is_exhausted ? ST_EXHAUSTED
	    : s->limit != INT64_MAX && s->remaining <= 0 ? ST_LIMITED : ST_ACTIVE;

	put_amount(b, "limit", s->limit, unit);
	put_amount(b, "used", kind == AG_METER_BUDGET ? s->settled : s->used, unit);
	put_amount(b, "held", kind == AG_METER_BUDGET ? s->held : 0, unit);
	put_amount(b, "remaining", s->limit == INT64_MAX ? INT64_MAX : s->remaining, unit);
	if (kind == AG_METER_BUDGET && alert_at != INT64_MAX)
		put_amount(b, "alert_threshold", alert_at, unit);
	put_time(b, "resets_at", s->resets_at_us);
	ag_buf_printf(b, ",\"status\":\"%s\"}", status_names[st]);
	return st;
}

/* It binds nothing: its own status is told, the key's does not follow it. */
static bool
is_shadow(const struct ag_meter *m, uint32_t kind)
{
	return kind == AG_METER_BUDGET && ag_meter_enforcement(m) == AG_ENFORCE_SHADOW;
}

static enum status
put_meter(struct readback *r, const struct ag_meter *m, const char *scope, struct ag_str name)
{
	uint32_t kind = ag_a32_observe(&m->kind), unit = ag_a32_get(&m->unit);
	struct ag_buf *b = r->out;
	struct ag_meter_state s;
	enum status st;

	if (kind == AG_METER_FREE)
		return ST_ACTIVE; /* went since the key was read */
	ag_meter_read(m, 1, r->now_us, &s);
	put_head(r, scope, name, kind, unit);
	if (kind == AG_METER_BUDGET) {
		put_period(b, ag_a32_get(&m->period_kind), ag_meter_period_days(m));
		put_mode(r, ag_meter_enforcement(m), ag_meter_on_exhaust(m), m, unit);
	} else if (kind == AG_METER_RATE) {
		put_window(b, ag_a64_get(&m->window_us));
	}
	st = put_figures(b, &s, kind, unit, ag_a64_get(&m->alert_at), ag_budget_is_exhausted(m, &s));
	return is_shadow(m, kind) ? ST_ACTIVE : st;
}

static enum status
put_meters(struct readback *r, const uint32_t *meters, uint32_t n, const char *scope,
    struct ag_str name)
{
	enum status st = ST_ACTIVE;

	for (uint32_t i = 0; i < n; i++)
		if (meters[i] < r->shm->hdr->sizes.meters)
			st = worse(st, put_meter(r, ag_metertab_at(r->shm, meters[i]), scope, name));
	return st;
}

static enum status
put_key(struct readback *r, const struct ag_key *key)
{
	char uuid[AG_POLICY_UUID];

	ag_policy_uuid_text(key->uuid, uuid);
	return put_meters(r, key->meters, key->n_meters, "api_key", ag_str(uuid));
}

/* Whether a provider before this one stands on the same grant: its limits are shared, told once. */
static bool
is_grant_told(const struct ag_cat_provider *all, uint32_t i, int64_t now_us)
{
	for (uint32_t k = 0; k < i; k++)
		if (all[k].grant_ix == all[i].grant_ix && all[k].state == AG_CAT_ACTIVE &&
		    all[k].expires_at_us > now_us)
			return true;
	return false;
}

/* Without words: the grant's limits stand in the answer already. */
static enum status
status_of(const struct readback *r, const uint32_t *meters, uint32_t n)
{
	enum status st = ST_ACTIVE;

	for (uint32_t i = 0; i < n; i++) {
		const struct ag_meter *m = ag_metertab_at(r->shm, meters[i]);
		struct ag_meter_state s;

		ag_meter_read(m, 1, r->now_us, &s);
		if (ag_a32_observe(&m->kind) == AG_METER_FREE || is_shadow(m, ag_a32_get(&m->kind)))
			continue;
		st = worse(st, ag_budget_is_exhausted(m, &s) ? ST_EXHAUSTED
		    : s.limit != INT64_MAX && s.remaining <= 0 ? ST_LIMITED : ST_ACTIVE);
	}
	return st;
}

/* Grants and providers; how the best of them stands. */
static enum status
put_providers(struct readback *r, const struct ag_catalog *cat, const struct ag_cat_workspace *ws)
{
	enum status best = ST_EXHAUSTED;
	bool any = false;
	uint32_t n;
	const struct ag_cat_provider *p = ag_catalog_providers(cat, ws, &n);

	for (uint32_t i = 0; i < n; i++) {
		const struct ag_cat_grant *g = ag_catalog_grant_at(cat, p[i].grant_ix);
		const struct ag_cat_integration *in = ag_catalog_integration_at(cat, g->integration_ix);
		enum status st;

		if (p[i].state != AG_CAT_ACTIVE || p[i].expires_at_us <= r->now_us || !g->is_enabled ||
		    in->state != AG_CAT_ACTIVE)
			continue;
		st = g->n_meters == 0 ? ST_ACTIVE : is_grant_told(p, i, r->now_us)
		    ? status_of(r, g->meters, g->n_meters)
		    : put_meters(r, g->meters, g->n_meters, "integration", ag_catalog_text(cat, in->slug));
		st = worse(st, put_meters(r, p[i].meters, p[i].n_meters, "provider",
		    ag_catalog_text(cat, p[i].slug)));
		best = st < best ? st : best;
		any = true;
	}
	return any ? best : ST_ACTIVE;
}

/* ---- policies ---- */

/* As it stands, or as it would with its first use; limits are the policy's: the meter follows when
 * it is used again. */
static bool
read_value(const struct readback *r, const struct ag_cat_policy *p, const struct ag_meter *m,
    struct ag_meter_state *out)
{
	bool is_exhausted = false;

	*out = (struct ag_meter_state){ .resets_at_us = INT64_MAX };
	if (m) {
		ag_meter_read(m, 1, r->now_us, out);
		is_exhausted = ag_budget_is_exhausted(m, out) && out->limit == p->limit;
	} else if (p->kind == AG_METER_BUDGET) {
		int64_t start;

		ag_period_number((enum ag_period_kind)p->period_kind, p->period_days, p->anchor_day, 0,
		    r->now_us, &start, &out->resets_at_us);
	} else {
		out->resets_at_us = r->now_us;
	}
	out->limit = p->limit;
	out->remaining = out->used < p->limit ? p->limit - out->used : 0;
	return is_exhausted || (p->kind == AG_METER_BUDGET && out->settled >= p->limit);
}

static void
put_depends(struct ag_buf *b, struct ag_str names)
{
	ag_buf_puts(b, ",\"depends_on\":[");
	for (bool is_first = true; names.n > 0; is_first = false) {
		const char *comma = memchr(names.p, ',', names.n);
		size_t n = comma ? (size_t)(comma - names.p) : names.n;

		ag_buf_puts(b, is_first ? "\"" : ",\"");
		ag_buf_put_json(b, ag_str_n(names.p, n));
		ag_buf_putc(b, '"');
		names = ag_str_skip(names, n + (comma != NULL));
	}
	ag_buf_putc(b, ']');
}

/* key NULL: it depends on what of the request is not known. */
static enum status
put_policy(struct readback *r, const struct ag_cat_policy *p, const struct ag_policy_key *key,
    struct ag_str depends)
{
	const struct ag_meter *m = NULL;
	struct ag_buf *b = r->out;
	struct ag_meter_state s;
	char uuid[AG_POLICY_UUID];
	bool is_exhausted;
	enum status st;
	uint32_t ix;

	if (key && ag_metertab_find(r->shm, key->id, &ix) == 0)
		m = ag_metertab_at(r->shm, ix);
	ag_policy_uuid_text(p->uuid, uuid);
	put_head(r, "policy", ag_str(uuid), p->kind, p->unit);
	if (p->kind == AG_METER_BUDGET) {
		put_period(b, p->period_kind, p->period_days);
		put_mode(r, (enum ag_enforcement)p->enforcement, (enum ag_exhaust)p->on_exhaust, m, p->unit);
	} else if (p->kind == AG_METER_RATE) {
		put_window(b, p->window_us);
	}
	if (!key) {
		put_depends(b, depends);
		put_amount(b, "limit", p->limit, p->unit);
		ag_buf_puts(b, ",\"used\":null,\"held\":null,\"remaining\":null");
		if (p->kind == AG_METER_BUDGET && p->alert_at != INT64_MAX)
			put_amount(b, "alert_threshold", p->alert_at, p->unit);
		ag_buf_printf(b, ",\"resets_at\":null,\"status\":\"%s\"}", status_names[ST_ACTIVE]);
		return ST_ACTIVE;
	}
	ag_buf_puts(b, ",\"value_key\":\"");
	ag_buf_put_json(b, ag_str_n(key->text, key->n));
	ag_buf_putc(b, '"');
	is_exhausted = read_value(r, p, m, &s);
	st = put_figures(b, &s, p->kind, p->unit, p->alert_at, is_exhausted);
	return p->kind == AG_METER_BUDGET && p->enforcement == AG_ENFORCE_SHADOW ? ST_ACTIVE : st;
}

static enum status
put_policies(struct readback *r, const struct ag_catalog *cat, const struct ag_cat_workspace *ws,
    const struct ag_key *key, const struct ag_readback_about *about)
{
	const struct ag_target *t = about->target;
	struct ag_policy_subject subject = { .cat = cat, .ws = ws, .key_uuid = key->uuid,
		.metadata = about->metadata, .endpoint = AG_EP_NONE };
	enum status st = ST_ACTIVE;
	struct ag_policy_facts facts;
	struct ag_policy_key value;
	struct ag_buf depends;
	uint32_t n;
	const struct ag_cat_policy *row = ag_catalog_policies(cat, ws, &n);

	if (n == 0)
		return st;
	if (t) {
		subject.provider = t->provider;
		subject.family = ag_str(t->family->name);
		subject.model = t->model;
	}
	ag_policy_facts_init(&facts, &subject);
	ag_buf_init(&depends, 65536);
	for (uint32_t i = 0; i < n; i++)
		switch (ag_policy_binds(cat, &row[i], &facts, &value, &depends)) {
		case AG_POLICY_APART:
			break;
		case AG_POLICY_BINDS:
			st = worse(st, put_policy(r, &row[i], &value, AG_STR_NONE));
			break;
		case AG_POLICY_DEPENDS:
			put_policy(r, &row[i], NULL, ag_buf_str(&depends));
			break;
		}
	ag_buf_fini(&depends);
	ag_policy_facts_fini(&facts);
	return st;
}

void
ag_readback_put(struct ag_buf *out, const struct ag_shm *shm, const struct ag_catalog *cat,
    const struct ag_key *key, const struct ag_readback_about *about, int64_t now_us)
{
	struct readback r = { .out = out, .shm = shm, .now_us = now_us };
	const struct ag_cat_org *org = cat ? ag_catalog_org(cat, key->org_id) : NULL;
	const struct ag_cat_workspace *ws = cat ? ag_catalog_workspace(cat, key->workspace_id) : NULL;
	enum status st;

	ag_buf_puts(out, "\"limits\":[");
	st = put_key(&r, key);
	if (ws) {
		st = worse(st, put_meters(&r, ws->meters, ws->n_meters, "workspace",
		    ag_catalog_text(cat, ws->slug)));
		st = worse(st, put_providers(&r, cat, ws));
	}
	if (org)
		st = worse(st, put_meters(&r, org->meters, org->n_meters, "organisation",
		    ag_catalog_text(cat, org->name)));
	if (ws)
		st = worse(st, put_policies(&r, cat, ws, key, about));
	ag_buf_printf(out, "],\"status\":\"%s\"", status_names[st]);
}
