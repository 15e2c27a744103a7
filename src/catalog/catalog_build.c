#include "catalog/catalog_build.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "catalog/layout.h"

struct ag_catalog_build {
	struct ag_buf section[AG_CAT_SECTIONS];
	size_t max_bytes;
	bool failed;
};

struct ag_catalog_build *
ag_catalog_build_new(size_t max_bytes)
{
	struct ag_catalog_build *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->max_bytes = max_bytes < UINT32_MAX ? max_bytes : UINT32_MAX;
	for (int s = 0; s < AG_CAT_SECTIONS; s++)
		ag_buf_init(&b->section[s], b->max_bytes);
	return b;
}

void
ag_catalog_build_free(struct ag_catalog_build *b)
{
	if (!b)
		return;
	for (int s = 0; s < AG_CAT_SECTIONS; s++)
		ag_buf_fini(&b->section[s]);
	free(b);
}

struct ag_cat_text
ag_catalog_build_text(struct ag_catalog_build *b, struct ag_str s)
{
	struct ag_buf *heap = &b->section[AG_CAT_HEAP];
	struct ag_cat_text t = { .off = (uint32_t)heap->n, .len = (uint32_t)s.n };

	if (s.n == 0)
		return (struct ag_cat_text){ 0, 0 };
	if (s.n > b->max_bytes) {
		heap->failed = true;
		return (struct ag_cat_text){ 0, 0 };
	}
	ag_buf_put_str(heap, s);
	return t;
}

static uint32_t
add_row(struct ag_catalog_build *b, enum ag_cat_section s, const void *row)
{
	size_t bytes = ag_cat_row_bytes(s);
	uint32_t ix = (uint32_t)(b->section[s].n / bytes);

	ag_buf_put(&b->section[s], row, bytes);
	return ix;
}

uint32_t
ag_catalog_build_org(struct ag_catalog_build *b, const struct ag_cat_org *row)
{
	return add_row(b, AG_CAT_ORG, row);
}

uint32_t
ag_catalog_build_workspace(struct ag_catalog_build *b, const struct ag_cat_workspace *row)
{
	return add_row(b, AG_CAT_WORKSPACE, row);
}

uint32_t
ag_catalog_build_integration(struct ag_catalog_build *b, const struct ag_cat_integration *row)
{
	struct ag_cat_integration copy = *row;

	copy.first_model = (uint32_t)(b->section[AG_CAT_MODEL].n / sizeof(struct ag_cat_model));
	copy.n_models = 0;
	return add_row(b, AG_CAT_INTEGRATION, &copy);
}

void
ag_catalog_build_model(struct ag_catalog_build *b, const struct ag_cat_model *row)
{
	struct ag_buf *owners = &b->section[AG_CAT_INTEGRATION];
	struct ag_cat_integration *last;

	assert(owners->failed || owners->n >= sizeof(*last));
	if (owners->failed)
		return;
	last = (struct ag_cat_integration *)(void *)(owners->p + owners->n - sizeof(*last));
	last->n_models++;
	add_row(b, AG_CAT_MODEL, row);
}

uint32_t
ag_catalog_build_grant(struct ag_catalog_build *b, const struct ag_cat_grant *row)
{
	return add_row(b, AG_CAT_GRANT, row);
}

void
ag_catalog_build_provider(struct ag_catalog_build *b, const struct ag_cat_provider *row)
{
	add_row(b, AG_CAT_PROVIDER, row);
}

void
ag_catalog_build_policy(struct ag_catalog_build *b, const struct ag_cat_policy *row)
{
	add_row(b, AG_CAT_POLICY, row);
}

uint32_t
ag_catalog_build_guardrail(struct ag_catalog_build *b, const struct ag_cat_guardrail *row)
{
	return add_row(b, AG_CAT_GUARDRAIL, row);
}

uint32_t
ag_catalog_build_config(struct ag_catalog_build *b, const struct ag_cat_config *row)
{
	return add_row(b, AG_CAT_CONFIG, row);
}

uint32_t
ag_catalog_build_price(struct ag_catalog_build *b, const struct ag_cat_price *row)
{
	return add_row(b, AG_CAT_PRICE, row);
}

static struct ag_str
heap_text(const struct ag_catalog_build *b, struct ag_cat_text t)
{
	return ag_str_n(b->section[AG_CAT_HEAP].p + t.off, t.len);
}

static int
cmp_i64(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* A row to be sorted beside the place it came from. */
struct price_ref {
	struct ag_cat_price row;
	uint32_t was;
};

static int
cmp_prices(const void *pa, const void *pb, void *arg)
{
	const struct price_ref *a = pa, *b = pb;
	const struct ag_catalog_build *build = arg;
	int c = ag_cat_text_cmp(heap_text(build, a->row.family), heap_text(build, b->row.family));

	if (c == 0)
		c = ag_cat_text_cmp(heap_text(build, a->row.model), heap_text(build, b->row.model));
	if (c == 0)
		c = cmp_i64(a->row.effective_from_us, b->row.effective_from_us);
	return c != 0 ? c : cmp_i64(a->was, b->was);
}

/* Prices change places, so the models that name one are told its new place. */
static int
sort_prices(struct ag_catalog_build *b)
{
	struct ag_cat_price *rows = (void *)b->section[AG_CAT_PRICE].p;
	struct ag_cat_model *models = (void *)b->section[AG_CAT_MODEL].p;
	size_t n = b->section[AG_CAT_PRICE].n / sizeof(*rows);
	size_t n_models = b->section[AG_CAT_MODEL].n / sizeof(*models);
	struct price_ref *refs = calloc(n + 1, sizeof(*refs));
	uint32_t *now_at = calloc(n + 1, sizeof(*now_at));
	int rc = -ENOMEM;

	if (refs && now_at) {
		for (size_t i = 0; i < n; i++)
			refs[i] = (struct price_ref){ .row = rows[i], .was = (uint32_t)i };
		qsort_r(refs, n, sizeof(*refs), cmp_prices, b);
		for (size_t i = 0; i < n; i++) {
			rows[i] = refs[i].row;
			now_at[refs[i].was] = (uint32_t)i;
		}
		for (size_t i = 0; i < n_models; i++)
			if (models[i].price_ix < n)
				models[i].price_ix = now_at[models[i].price_ix];
		rc = 0;
	}
	free(refs);
	free(now_at);
	return rc;
}

static int
cmp_models(const void *pa, const void *pb, void *arg)
{
	const struct ag_cat_model *a = pa, *b = pb;

	return ag_cat_text_cmp(heap_text(arg, a->slug), heap_text(arg, b->slug));
}

static void
sort_models(struct ag_catalog_build *b)
{
	struct ag_cat_integration *owners = (void *)b->section[AG_CAT_INTEGRATION].p;
	struct ag_cat_model *models = (void *)b->section[AG_CAT_MODEL].p;
	size_t n = b->section[AG_CAT_INTEGRATION].n / sizeof(*owners);

	for (size_t i = 0; i < n; i++)
		if (owners[i].n_models > 1)
			qsort_r(models + owners[i].first_model, owners[i].n_models, sizeof(*models),
			    cmp_models, b);
}

struct provider_ref {
	struct ag_cat_provider row;
	uint32_t was;
};

static int
cmp_providers(const void *pa, const void *pb)
{
	const struct provider_ref *a = pa, *b = pb;
	int c = cmp_i64(a->row.workspace_ix, b->row.workspace_ix);

	return c != 0 ? c : cmp_i64(a->was, b->was);
}

/* By workspace, and in one workspace as they were added. */
static int
sort_providers(struct ag_catalog_build *b)
{
	struct ag_cat_provider *rows = (void *)b->section[AG_CAT_PROVIDER].p;
	size_t n = b->section[AG_CAT_PROVIDER].n / sizeof(*rows);
	struct provider_ref *refs = calloc(n + 1, sizeof(*refs));

	if (!refs)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		refs[i] = (struct provider_ref){ .row = rows[i], .was = (uint32_t)i };
	qsort(refs, n, sizeof(*refs), cmp_providers);
	for (size_t i = 0; i < n; i++)
		rows[i] = refs[i].row;
	free(refs);
	return 0;
}

static int
cmp_policies(const void *pa, const void *pb)
{
	const struct ag_cat_policy *a = pa, *b = pb;
	int c = cmp_i64(a->workspace_ix, b->workspace_ix);

	return c != 0 ? c : cmp_i64(a->id, b->id);
}

static void
sort_policies(struct ag_catalog_build *b)
{
	struct ag_buf *rows = &b->section[AG_CAT_POLICY];

	if (rows->n > 0)
		qsort(rows->p, rows->n / sizeof(struct ag_cat_policy), sizeof(struct ag_cat_policy),
		    cmp_policies);
}

static int
total_bytes(struct ag_catalog_build *b, struct ag_cat_hdr *hdr, struct ag_err *err)
{
	uint64_t total = sizeof(*hdr);

	for (int s = 0; s < AG_CAT_SECTIONS; s++) {
		if (b->section[s].failed || total > b->max_bytes)
			return ag_err_set(err, -ENOSPC,
			    "cannot build the catalogue: more than %zu bytes", b->max_bytes);
		hdr->section[s].off = (uint32_t)total;
		hdr->section[s].n = (uint32_t)(b->section[s].n /
		    ag_cat_row_bytes((enum ag_cat_section)s));
		total += b->section[s].n;
	}
	hdr->bytes = total;
	if (total > b->max_bytes)
		return ag_err_set(err, -ENOSPC, "cannot build the catalogue: %llu bytes of %zu",
		    (unsigned long long)total, b->max_bytes);
	return 0;
}

int
ag_catalog_build_finish(struct ag_catalog_build *b, struct ag_buf *out, struct ag_err *err)
{
	struct ag_cat_hdr hdr = { .magic = AG_CATALOG_MAGIC, .version = AG_CATALOG_VERSION };
	int rc = total_bytes(b, &hdr, err);

	if (rc < 0)
		return rc;
	if (sort_prices(b) < 0 || sort_providers(b) < 0)
		return ag_err_set(err, -ENOMEM, "could not build the catalogue: out of memory");
	sort_models(b);
	sort_policies(b);

	ag_buf_reset(out);
	ag_buf_put(out, &hdr, sizeof(hdr));
	for (int s = 0; s < AG_CAT_SECTIONS; s++)
		if (b->section[s].n > 0)
			ag_buf_put(out, b->section[s].p, b->section[s].n);
	if (out->failed)
		return ag_err_set(err, -ENOSPC,
		    "cannot build the catalogue: %llu bytes do not fit the buffer",
		    (unsigned long long)hdr.bytes);
	hdr.crc = ag_crc32c(0, out->p + sizeof(hdr), out->n - sizeof(hdr));
	memcpy(out->p, &hdr, sizeof(hdr));
	return 0;
}
