#include "flusher/rollup.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "shm/record_name.h"
#include "shm/ring.h"

#define GROUPS_FIRST 256u
#define DIM_MAX      256u /* bytes of a text dimension */
#define ERROR_NAME_MAX    64u  /* of one that makes errors differ */
#define TEXTS_MAX    ((size_t)64 << 20)

#define SHAPE(dims_, n_texts_, sums_) \
	{ .dims = (dims_), .n_dims = sizeof(dims_) - 1, .n_texts = (n_texts_), .sums = (sums_) }

const struct ag_group_shape ag_group_shapes[AG_RT_COUNT] = {
	/* hour, organisation, workspace, key, integration, provider, status class; family, model,
	 * endpoint, tier */
	[AG_RT_USAGE] = SHAPE("t888882", 4, "888888888888888888888"),
	/* hour, organisation, workspace, status; family, model, outcome, error type; attempts,
	 * charged, last */
	[AG_RT_ERROR] = SHAPE("t884", 4, "88t"),
	/* hour, organisation, bucket; family, model; total, first byte, overhead */
	[AG_RT_LATENCY] = SHAPE("t82", 2, "888"),
	/* hour, organisation, workspace; key, value; requests, attempts, errors, input, output, cost,
	 * charged */
	[AG_RT_METADATA] = SHAPE("t88", 2, "8888888"),
};

void
ag_rollup_init(struct ag_rollup *r)
{
	memset(r, 0, sizeof(*r));
	ag_buf_init(&r->texts, TEXTS_MAX);
}

void
ag_rollup_fini(struct ag_rollup *r)
{
	for (int t = 0; t < AG_RT_COUNT; t++) {
		free(r->groups[t].at);
		free(r->groups[t].ix);
	}
	free(r->budget);
	free(r->budget_ix);
	ag_buf_fini(&r->texts);
}

void
ag_rollup_reset(struct ag_rollup *r)
{
	for (int t = 0; t < AG_RT_COUNT; t++) {
		struct ag_groups *g = &r->groups[t];

		if (g->n)
			memset(g->ix, 0, g->cap * 2 * sizeof(*g->ix));
		g->n = 0;
	}
	if (r->n_budget)
		memset(r->budget_ix, 0, r->cap_budget * 2 * sizeof(*r->budget_ix));
	r->n_budget = 0;
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
grow_groups(struct ag_groups *gs)
{
	size_t cap = gs->cap ? gs->cap * 2 : GROUPS_FIRST;
	struct ag_group *g = reallocarray(gs->at, cap, sizeof(*g));
	uint32_t *ix;

	if (!g)
		return -ENOMEM;
	gs->at = g;
	ix = calloc(cap * 2, sizeof(*ix));
	if (!ix)
		return -ENOMEM;
	for (size_t i = 0; i < gs->n; i++)
		index_put(ix, cap * 2, g[i].hash, i);
	free(gs->ix);
	gs->ix = ix;
	gs->cap = cap;
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

/* ---- groups by hour ----------------------------------------------------------------------- */

/* A text dimension and its hash, taken once a record. */
struct dim_text {
	struct ag_str s;
	uint64_t hash;
};

static struct dim_text
dim_text(struct ag_str s)
{
	return (struct dim_text){ .s = s, .hash = ag_hash_name(s) };
}

static bool
group_matches(const struct ag_rollup *r, const struct ag_group *a, uint64_t hash,
    const int64_t *dim, size_t n_dims, const struct dim_text *text, size_t n_texts)
{
	if (a->hash != hash || memcmp(a->dim, dim, n_dims * sizeof(*dim)) != 0)
		return false;
	for (size_t t = 0; t < n_texts; t++) {
		if (!ag_str_eq(ag_str_n(r->texts.p + a->text[t].off, a->text[t].len), text[t].s))
			return false;
	}
	return true;
}

static bool
group_put_texts(struct ag_rollup *r, struct ag_group *g, const struct dim_text *text, size_t n)
{
	for (size_t t = 0; t < n; t++) {
		char *p = ag_buf_reserve(&r->texts, text[t].s.n + 1);

		if (!p)
			return false;
		g->text[t].off = (uint32_t)r->texts.n;
		g->text[t].len = (uint32_t)text[t].s.n;
		if (text[t].s.n)
			memcpy(p, text[t].s.p, text[t].s.n);
		ag_buf_commit(&r->texts, text[t].s.n);
	}
	return true;
}

/* The group of these dimensions, made when it is new.  NULL: out of memory. */
static struct ag_group *
group_get(struct ag_rollup *r, enum ag_rollup_table table, const int64_t *dim,
    const struct dim_text *text)
{
	struct ag_groups *gs = &r->groups[table];
	size_t n_dims = ag_group_shapes[table].n_dims, n_texts = ag_group_shapes[table].n_texts;
	uint64_t hash = 0;
	struct ag_group *g;
	size_t i;

	for (i = 0; i < n_dims; i++)
		hash = (hash ^ (uint64_t)dim[i]) * UINT64_C(0x9e3779b97f4a7c15) + (hash >> 29);
	for (i = 0; i < n_texts; i++)
		hash = (hash ^ text[i].hash) * UINT64_C(0x9e3779b97f4a7c15) + (hash >> 29);
	hash = ag_mix64(hash);
	if (gs->n == gs->cap && grow_groups(gs) < 0)
		return NULL;
	for (i = hash & (gs->cap * 2 - 1); gs->ix[i]; i = (i + 1) & (gs->cap * 2 - 1)) {
		g = &gs->at[gs->ix[i] - 1];
		if (group_matches(r, g, hash, dim, n_dims, text, n_texts))
			return g;
	}
	g = &gs->at[gs->n];
	*g = (struct ag_group){ .hash = hash };
	memcpy(g->dim, dim, n_dims * sizeof(*dim));
	if (!group_put_texts(r, g, text, n_texts))
		return NULL;
	gs->ix[i] = (uint32_t)++gs->n;
	return g;
}

/* ---- usage -------------------------------------------------------------------------------- */

static uint64_t
at_least_0(int64_t v)
{
	return v > 0 ? (uint64_t)v : 0;
}

static void
usage_sum_money(int64_t *sum, const struct ag_record *rec)
{
	const struct ag_usage *u = &rec->usage;

	add_to(&sum[AG_US_COST], at_least_0(rec->cost_nusd));
	add_to(&sum[AG_US_CHARGED], at_least_0(rec->charged_nusd));
	if (u->source == AG_USAGE_UNKNOWN)
		add_to(&sum[AG_US_UNKNOWN_NUSD], at_least_0(rec->charged_nusd));
	add_to(&sum[AG_US_PROVIDER_COST], at_least_0(u->provider_cost_nusd));
	add_to(&sum[AG_US_HELD], at_least_0(rec->held_nusd));
	add_to(&sum[AG_US_LATENCY], at_least_0(rec->finished_at_us - rec->received_at_us));
	if (rec->sent_at_us > 0 && rec->first_byte_at_us > rec->sent_at_us)
		add_to(&sum[AG_US_FIRST_BYTE], (uint64_t)(rec->first_byte_at_us - rec->sent_at_us));
	add_to(&sum[AG_US_OVERHEAD], rec->overhead_us);
	add_to(&sum[AG_US_CACHE_HITS], rec->cache_status != 0);
	add_to(&sum[AG_US_REQUEST_BYTES], rec->request_bytes);
	add_to(&sum[AG_US_RESPONSE_BYTES], rec->response_bytes);
}

static void
usage_sum(int64_t *sum, const struct ag_record *rec)
{
	const struct ag_usage *u = &rec->usage;

	add_to(&sum[AG_US_REQUESTS], rec->is_final != 0);
	add_to(&sum[AG_US_ATTEMPTS], 1);
	add_to(&sum[AG_US_ERRORS], rec->outcome != AG_OUT_ANSWERED);
	add_to(&sum[AG_US_UNKNOWN], u->source == AG_USAGE_UNKNOWN);
	add_to(&sum[AG_US_ESTIMATED], u->source == AG_USAGE_PARTIAL || u->source == AG_USAGE_ESTIMATED);
	add_to(&sum[AG_US_INPUT], u->input_fresh);
	add_to(&sum[AG_US_INPUT], u->cache_read);
	add_to(&sum[AG_US_INPUT], u->cache_write_5m);
	add_to(&sum[AG_US_INPUT], u->cache_write_1h);
	add_to(&sum[AG_US_OUTPUT], u->output_total);
	add_to(&sum[AG_US_CACHE_READ], u->cache_read);
	add_to(&sum[AG_US_CACHE_WRITE], u->cache_write_5m);
	add_to(&sum[AG_US_CACHE_WRITE], u->cache_write_1h);
	add_to(&sum[AG_US_REASONING], u->reasoning);
	usage_sum_money(sum, rec);
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

static struct dim_text
clean_dim(struct ag_str s, size_t max, char *mem)
{
	s = clip(s, max);
	ag_text_clean(s, mem);
	return dim_text(ag_str_n(mem, s.n));
}

static int
add_error(struct ag_rollup *r, const struct ag_record *rec, int64_t hour_us, struct dim_text family)
{
	char model[ERROR_NAME_MAX], type[ERROR_NAME_MAX];
	const int64_t dim[AG_GROUP_DIMS] = { hour_us, rec->org_id, rec->workspace_id, rec->status };
	const struct dim_text text[] = { family,
		clean_dim(ag_record_string(rec, AG_RS_REQUESTED_MODEL), sizeof(model), model),
		dim_text(ag_outcome_name(rec->outcome)),
		clean_dim(ag_record_string(rec, AG_RS_ERROR_TYPE), sizeof(type), type) };
	struct ag_group *g = group_get(r, AG_RT_ERROR, dim, text);

	if (!g)
		return -ENOMEM;
	add_to(&g->sum[0], 1);
	add_to(&g->sum[1], at_least_0(rec->charged_nusd));
	if (rec->received_at_us > g->sum[2])
		g->sum[2] = rec->received_at_us;
	return 0;
}

unsigned
ag_latency_bucket(uint64_t us)
{
	unsigned e;

	if (us < 8)
		return (unsigned)us;
	e = 63 - (unsigned)__builtin_clzll(us);
	return 4 * (e - 1) + (unsigned)(us >> (e - 2) & 3);
}

static int
add_latency(struct ag_rollup *r, const struct ag_record *rec, int64_t hour_us,
    const struct dim_text *family_and_model)
{
	const int64_t took[] = { rec->finished_at_us - rec->received_at_us,
		rec->sent_at_us > 0 ? rec->first_byte_at_us - rec->sent_at_us : -1, rec->overhead_us };

	for (unsigned i = 0; i < AG_ARRAY_LEN(took); i++) {
		int64_t dim[AG_GROUP_DIMS] = { hour_us, rec->org_id, 0 };
		struct ag_group *g;

		if (took[i] < 0)
			continue;
		dim[2] = ag_latency_bucket((uint64_t)took[i]);
		g = group_get(r, AG_RT_LATENCY, dim, family_and_model);
		if (!g)
			return -ENOMEM;
		add_to(&g->sum[i], 1);
	}
	return 0;
}

static int
add_metadata(struct ag_rollup *r, const struct ag_record *rec, int64_t hour_us,
    const struct ag_meta *meta)
{
	for (unsigned k = 1; k < meta->n; k++) {
		const int64_t dim[AG_GROUP_DIMS] = { hour_us, rec->org_id, rec->workspace_id };
		struct dim_text text[2];
		struct ag_group *g;

		if (meta->value[k].n == 0)
			continue;
		text[0] = dim_text(meta->key[k]);
		text[1] = dim_text(clip(meta->value[k], DIM_MAX));
		g = group_get(r, AG_RT_METADATA, dim, text);
		if (!g)
			return -ENOMEM;
		add_to(&g->sum[0], rec->is_final != 0);
		add_to(&g->sum[1], 1);
		add_to(&g->sum[2], rec->outcome != AG_OUT_ANSWERED);
		add_to(&g->sum[3], ag_usage_input_total(&rec->usage));
		add_to(&g->sum[4], rec->usage.output_total);
		add_to(&g->sum[5], at_least_0(rec->cost_nusd));
		add_to(&g->sum[6], at_least_0(rec->charged_nusd));
	}
	return 0;
}

int
ag_rollup_add_usage(struct ag_rollup *r, const struct ag_record *rec, const struct ag_meta *meta)
{
	struct ag_str served = ag_record_string(rec, AG_RS_SERVED_MODEL);
	int64_t hour_us = rec->received_at_us - rec->received_at_us % AG_US_PER_HOUR;
	const int64_t dim[] = { hour_us, rec->org_id, rec->workspace_id, rec->key_id,
		rec->integration_id, rec->provider_id, rec->status / 100 };
	char family[DIM_MAX], model[DIM_MAX];
	struct dim_text text[AG_GROUP_TEXTS];
	struct ag_group *g;
	int rc = 0;

	if (served.n == 0)
		served = ag_record_string(rec, AG_RS_REQUESTED_MODEL);
	text[0] = clean_dim(ag_record_string(rec, AG_RS_PROVIDER), sizeof(family), family);
	text[1] = clean_dim(served, sizeof(model), model);
	text[2] = dim_text(ag_endpoint_name(rec->endpoint));
	text[3] = dim_text(clip(meta->value[AG_META_TIER], DIM_MAX));
	g = group_get(r, AG_RT_USAGE, dim, text);
	if (!g)
		return -ENOMEM;
	usage_sum(g->sum, rec);
	if (rec->outcome != AG_OUT_ANSWERED)
		rc = add_error(r, rec, hour_us, text[0]);
	else
		rc = add_latency(r, rec, hour_us, text);
	return rc < 0 ? rc : add_metadata(r, rec, hour_us, meta);
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
