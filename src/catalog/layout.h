/* layout.h - what building and loading agree on: the bytes of a row of each section.
 * Sections follow one another in the order of enum ag_cat_section without gaps, each begins at a
 * multiple of 8, the heap is last; so no byte of a blob is without meaning. */
#ifndef AG_CATALOG_LAYOUT_H
#define AG_CATALOG_LAYOUT_H

#include <string.h>

#include "aigated/catalog.h"
#include "base/str.h"

static_assert(sizeof(struct ag_cat_hdr) % 8 == 0, "sections begin aligned");
static_assert(sizeof(struct ag_cat_org) % 8 == 0, "rows are aligned");
static_assert(sizeof(struct ag_cat_workspace) % 8 == 0, "rows are aligned");
static_assert(sizeof(struct ag_cat_integration) % 8 == 0, "rows are aligned");
static_assert(sizeof(struct ag_cat_grant) % 8 == 0, "rows are aligned");
static_assert(sizeof(struct ag_cat_provider) % 8 == 0, "rows are aligned");
static_assert(sizeof(struct ag_cat_model) % 8 == 0, "rows are aligned");
static_assert(sizeof(struct ag_cat_price) % 8 == 0, "rows are aligned");
static_assert(sizeof(struct ag_cat_policy) % 8 == 0, "rows are aligned");
static_assert(sizeof(struct ag_cat_guardrail) % 8 == 0, "rows are aligned");
static_assert(sizeof(struct ag_cat_config) % 8 == 0, "rows are aligned");

static inline size_t
ag_cat_row_bytes(enum ag_cat_section s)
{
	switch (s) {
	case AG_CAT_ORG: return sizeof(struct ag_cat_org);
	case AG_CAT_WORKSPACE: return sizeof(struct ag_cat_workspace);
	case AG_CAT_INTEGRATION: return sizeof(struct ag_cat_integration);
	case AG_CAT_GRANT: return sizeof(struct ag_cat_grant);
	case AG_CAT_PROVIDER: return sizeof(struct ag_cat_provider);
	case AG_CAT_MODEL: return sizeof(struct ag_cat_model);
	case AG_CAT_PRICE: return sizeof(struct ag_cat_price);
	case AG_CAT_POLICY: return sizeof(struct ag_cat_policy);
	case AG_CAT_GUARDRAIL: return sizeof(struct ag_cat_guardrail);
	case AG_CAT_CONFIG: return sizeof(struct ag_cat_config);
	case AG_CAT_HEAP: return 1;
	case AG_CAT_SECTIONS: break;
	}
	assert(!"a section of the catalogue");
	return 1;
}

/* Order of texts wherever the blob is sorted: by bytes, the shorter first. */
static inline int
ag_cat_text_cmp(struct ag_str a, struct ag_str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

#endif
