/* check.h - whether a blob may be believed: every offset, index and order, once, before use. */
#ifndef AG_CATALOG_CHECK_H
#define AG_CATALOG_CHECK_H

#include "aigated/catalog.h"
#include "base/err.h"
#include "base/str.h"

/* The sections of a blob as arrays; pointers into the blob. */
struct ag_cat_view {
	const struct ag_cat_hdr *hdr;
	const struct ag_cat_org *org;
	const struct ag_cat_workspace *workspace;
	const struct ag_cat_integration *integration;
	const struct ag_cat_grant *grant;
	const struct ag_cat_provider *provider;
	const struct ag_cat_model *model;
	const struct ag_cat_price *price;
	const struct ag_cat_policy *policy;
	const struct ag_cat_guardrail *guardrail;
	const struct ag_cat_config *config;
	const char *heap;
	uint32_t n[AG_CAT_SECTIONS];
};

static inline struct ag_str
ag_cat_view_text(const struct ag_cat_view *v, struct ag_cat_text t)
{
	return ag_str_n(v->heap + t.off, t.len);
}

/* Fills out; -EBADMSG naming what is wrong.  blob must be 8-byte aligned. */
int ag_cat_check(struct ag_str blob, struct ag_cat_view *out, struct ag_err *err) AG_MUST_CHECK;

#endif
