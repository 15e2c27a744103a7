#include "flusher/rollup.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "flusher/meta.h"
#include "shm/ring.h"

#define GROUPS_FIRST 256u
#define DIM_MAX      256u /* bytes of a text dimension */
#define TEXTS_MAX    ((size_t)64 << 20)

void
ag_rollup_init(struct ag_rollup *r)
{
	memset(r, 0, sizeof(*r));
	ag_buf_init(&r->texts, TEXTS_MAX);
}

void
ag_rollup_fini(struct ag_rollup *r)
{
	free(r->usage);
	free(r->budget);
	free(r->usage_ix);
	free(r->budget_ix);
	ag_buf_fini(&r->texts);
}

void
ag_rollup_reset(struct ag_rollup *r)
{
	if (r->usage_ix)
		memset(r->usage_ix, 0, r->cap_usage * 2 * sizeof(*r->usage_ix));
	if (r->budget_ix)
		memset(r->budget_ix, 0, r->cap_budget * 2 * sizeof(*r->budget_ix));
	r->n_usage = r->n_budget = 0;
	ag_buf_reset(&r->texts);
}

/* A sum that cannot be held stays at the ceiling, where PostgreSQL refuses to add it: the batch
 * is taken apart and the culprit found. */
static void
add_to(int64_t *sum, uint64_t v)
{
	if (v > INT64_MAX || __builtin_add_overflow(*sum, (int64_t)v, sum))
		*sum = INT64_MAX;
}

static uint64_t
budget_hash(const struct ag_budget_group *g)
{
	return ag_mix64((uint64_t)g->meter_id * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)g->period);
}

/* Where the group with this hash may stand, once the table has its new size. */
static void
index_put(uint32_t *ix, size_t slots, uint64_t hash, size_t group)
{
	size_t i = hash & (slots - 1);

	while (ix[i])
		i = (i + 1) & (slots - 1);
	ix[i] = (uint32_t)group + 1;
}

static int
grow_usage(struct ag_rollup *r)
{
	size_t cap = r->cap_usage ? r->cap_usage * 2 : GROUPS_FIRST;
	struct ag_usage_group *g = reallocarray(r->usage, cap, sizeof(*g));
	uint32_t *ix;

	if (!g)
		return -ENOMEM;
	r->usage = g;
	ix = calloc(cap * 2, sizeof(*ix));
	if (!ix)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_usage; i++)
		index_put(ix, cap * 2, g[i].hash, i);
	free(r->usage_ix);
	r->usage_ix = ix;
	r->cap_usage = cap;
	return 0;
}

static int
grow_budget(struct ag_rollup *r)
{
	size_t cap = r->cap_budget ? r->cap_budget * 2 : GROUPS_FIRST;
	struct ag_budget_group *g = reallocarray(r->budget, cap, sizeof(*g));
	uint32_t *ix;

	if (!g)
		return -ENOMEM;
	r->budget = g;
	ix = calloc(cap * 2, sizeof(*ix));
	if (!ix)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_budget; i++)
		index_put(ix, cap * 2, budget_hash(&g[i]), i);
	free(r->budget_ix);
	r->budget_ix = ix;
	r->cap_budget = cap;
	return 0;
}

/* ---- usage -------------------------------------------------------------------------------- */

static bool
usage_matches(const struct ag_rollup *r, const struct ag_usage_group *a,
    const struct ag_usage_group *key, const struct ag_str text[AG_UT_COUNT])
{
	if (a->hash != key->hash || a->hour_us != key->hour_us || a->org_id != key->org_id ||
	    a->workspace_id != key->workspace_id || a->key_id != key->key_id ||
	    a->integration_id != key->integration_id || a->endpoint != key->endpoint ||
	    a->status_class != key->status_class)
		return false;
	for (int t = 0; t < AG_UT_COUNT; t++) {
		if (!ag_str_eq(ag_str_n(r->texts.p + a->text[t].off, a->text[t].len), text[t]))
			return false;
	}
	return true;
}

static struct ag_usage_group *
usage_find(struct ag_rollup *r, const struct ag_usage_group *key,
    const struct ag_str text[AG_UT_COUNT])
{
	size_t mask = r->cap_usage * 2 - 1, i = key->hash & mask;
	struct ag_usage_group *g;

	for (; r->usage_ix[i]; i = (i + 1) & mask) {
		g = &r->usage[r->usage_ix[i] - 1];
		if (usage_matches(r, g, key, text))
			return g;
	}
	g = &r->usage[r->n_usage];
	*g = *key;
	for (int t = 0; t < AG_UT_COUNT; t++) {
		char *p = ag_buf_reserve(&r->texts, text[t].n + 1);

		if (!p)
			return NULL;
		g->text[t].off = (uint32_t)r->texts.n;
		g->text[t].len = (uint32_t)text[t].n;
		if (text[t].n)
			memcpy(p, text[t].p, text[t].n);
		ag_buf_commit(&r->texts, text[t].n);
	}
	r->usage_ix[i] = (uint32_t)++r->n_usage;
	return g;
}

static uint64_t
usage_hash(const struct ag_usage_group *k, const struct ag_str text[AG_UT_COUNT])
{
	const uint64_t words[] = { (uint64_t)k->hour_us, (uint64_t)k->org_id,
		(uint64_t)k->workspace_id, (uint64_t)k->key_id, (uint64_t)k->integration_id,
		(uint64_t)k->endpoint << 32 | k->status_class, ag_fnv1a(text[0]), ag_fnv1a(text[1]),
		ag_fnv1a(text[2]) };
	uint64_t h = 0;

	for (size_t i = 0; i < AG_ARRAY_LEN(words); i++)
		h = (h ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15) + (h >> 29);
	return ag_mix64(h);
}

static void
usage_sum(struct ag_usage_group *g, const struct ag_record *rec)
{
	const struct ag_usage *u = &rec->usage;

	add_to(&g->sum[AG_US_REQUESTS], rec->is_final != 0);
	add_to(&g->sum[AG_US_ATTEMPTS], 1);
	add_to(&g->sum[AG_US_ERRORS], rec->outcome != AG_OUT_ANSWERED);
	add_to(&g->sum[AG_US_UNKNOWN], u->source == AG_USAGE_UNKNOWN);
	add_to(&g->sum[AG_US_INPUT], u->input_fresh);
	add_to(&g->sum[AG_US_INPUT], u->cache_read);
	add_to(&g->sum[AG_US_INPUT], u->cache_write_5m);
	add_to(&g->sum[AG_US_INPUT], u->cache_write_1h);
	add_to(&g->sum[AG_US_OUTPUT], u->output_total);
	add_to(&g->sum[AG_US_CACHE_READ], u->cache_read);
	add_to(&g->sum[AG_US_CACHE_WRITE], u->cache_write_5m);
	add_to(&g->sum[AG_US_CACHE_WRITE], u->cache_write_1h);
	add_to(&g->sum[AG_US_REASONING], u->reasoning);
	add_to(&g->sum[AG_US_COST], rec->cost_nusd > 0 ? (uint64_t)rec->cost_nusd : 0);
	add_to(&g->sum[AG_US_CHARGED], rec->charged_nusd > 0 ? (uint64_t)rec->charged_nusd : 0);
	if (rec->finished_at_us > rec->received_at_us)
		add_to(&g->sum[AG_US_LATENCY], (uint64_t)(rec->finished_at_us - rec->received_at_us));
	if (rec->sent_at_us > 0 && rec->first_byte_at_us > rec->sent_at_us)
		add_to(&g->sum[AG_US_FIRST_BYTE], (uint64_t)(rec->first_byte_at_us - rec->sent_at_us));
	add_to(&g->sum[AG_US_OVERHEAD], rec->overhead_us);
}

/* The dimensions are a key, and an index entry has a limit of its own. */
static struct ag_str
clip(struct ag_str s, size_t max)
{
	if (s.n > max) {
		s.n = max;
		while (s.n > 0 && ((unsigned char)s.p[s.n] & 0xc0) == 0x80)
			s.n--;
	}
	return s;
}

int
ag_rollup_add_usage(struct ag_rollup *r, const struct ag_record *rec, struct ag_str tier)
{
	struct ag_str model = ag_record_string(rec, AG_RS_SERVED_MODEL);
	struct ag_str family = ag_record_string(rec, AG_RS_PROVIDER);
	char clean[2][DIM_MAX];
	struct ag_str text[AG_UT_COUNT];
	struct ag_usage_group key = { 0 }, *g;

	if (model.n == 0)
		model = ag_record_string(rec, AG_RS_REQUESTED_MODEL);
	family = clip(family, DIM_MAX);
	model = clip(model, DIM_MAX);
	ag_text_clean(family, clean[0]);
	ag_text_clean(model, clean[1]);
	text[AG_UT_FAMILY] = ag_str_n(clean[0], family.n);
	text[AG_UT_MODEL] = ag_str_n(clean[1], model.n);
	text[AG_UT_TIER] = clip(tier, DIM_MAX);
	key.hour_us = rec->received_at_us - rec->received_at_us % AG_US_PER_HOUR;
	key.org_id = rec->org_id;
	key.workspace_id = rec->workspace_id;
	key.key_id = rec->key_id;
	key.integration_id = rec->integration_id;
	key.endpoint = rec->endpoint;
	key.status_class = rec->status / 100;
	key.hash = usage_hash(&key, text);
	if (r->n_usage == r->cap_usage && grow_usage(r) < 0)
		return -ENOMEM;
	g = usage_find(r, &key, text);
	if (!g)
		return -ENOMEM;
	usage_sum(g, rec);
	return 0;
}

/* ---- budgets ------------------------------------------------------------------------------ */

static struct ag_budget_group *
budget_find(struct ag_rollup *r, int64_t meter_id, int64_t period)
{
	struct ag_budget_group key = { .meter_id = meter_id, .period = period }, *g;
	size_t mask = r->cap_budget * 2 - 1, i = budget_hash(&key) & mask;

	for (; r->budget_ix[i]; i = (i + 1) & mask) {
		g = &r->budget[r->budget_ix[i] - 1];
		if (g->meter_id == meter_id && g->period == period)
			return g;
	}
	r->budget[r->n_budget] = key;
	g = &r->budget[r->n_budget++];
	r->budget_ix[i] = (uint32_t)r->n_budget;
	return g;
}

int
ag_rollup_add_charges(struct ag_rollup *r, const struct ag_record *rec)
{
	const struct ag_charge *c = ag_record_charges(rec);

	while (r->cap_budget - r->n_budget < rec->n_charges) {
		if (grow_budget(r) < 0)
			return -ENOMEM;
	}
	for (unsigned i = 0; i < rec->n_charges; i++) {
		struct ag_budget_group *g;

		if (c[i].amount < 0) {
			ag_error("record carries a negative charge, charging nothing: meter=%lld amount=%lld",
			    (long long)c[i].meter_id, (long long)c[i].amount);
			continue;
		}
		g = budget_find(r, c[i].meter_id, c[i].period);
		g->policy_id = c[i].meter_id >= AG_METER_DERIVED ? c[i].policy_id : 0;
		add_to(&g->settled, (uint64_t)c[i].amount);
		add_to(&g->requests, 1);
	}
	return 0;
}
