/* catalog_build.h - control's side: rows in, one blob out.  Adds copy what they are given; indices of
 * rows are returned for others to refer to.  Errors are sticky and told by _finish(). */
#ifndef AG_CATALOG_CATALOG_BUILD_H
#define AG_CATALOG_CATALOG_BUILD_H

#include "aigated/catalog.h"
#include "base/buf.h"
#include "base/err.h"

struct ag_catalog_build;

struct ag_catalog_build *ag_catalog_build_new(size_t max_bytes);
void ag_catalog_build_free(struct ag_catalog_build *b);

struct ag_cat_text ag_catalog_build_text(struct ag_catalog_build *b, struct ag_str s);
uint32_t ag_catalog_build_org(struct ag_catalog_build *b, const struct ag_cat_org *row);
uint32_t ag_catalog_build_workspace(struct ag_catalog_build *b, const struct ag_cat_workspace *row);
/* Its models must follow directly, before the next integration; first_model and n_models are set
 * here. */
uint32_t ag_catalog_build_integration(struct ag_catalog_build *b, const struct ag_cat_integration *row);
void ag_catalog_build_model(struct ag_catalog_build *b, const struct ag_cat_model *row);
uint32_t ag_catalog_build_grant(struct ag_catalog_build *b, const struct ag_cat_grant *row);
void ag_catalog_build_provider(struct ag_catalog_build *b, const struct ag_cat_provider *row);
void ag_catalog_build_policy(struct ag_catalog_build *b, const struct ag_cat_policy *row);
/* Before the workspaces that name them. */
uint32_t ag_catalog_build_guardrail(struct ag_catalog_build *b, const struct ag_cat_guardrail *row);
uint32_t ag_catalog_build_config(struct ag_catalog_build *b, const struct ag_cat_config *row);
uint32_t ag_catalog_build_price(struct ag_catalog_build *b, const struct ag_cat_price *row);

/* Sorts what look-ups need sorted, seals the header; -ENOSPC, -ENOMEM. */
int ag_catalog_build_finish(struct ag_catalog_build *b, struct ag_buf *out, struct ag_err *err) AG_MUST_CHECK;

#endif
