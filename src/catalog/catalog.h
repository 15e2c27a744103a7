/* catalog.h - a worker's private view of one catalogue generation, indexed for look-up.
 *
 * Made once per generation from a copied blob; immutable; freed when the last request that uses it
 * ends.  Every offset and index of the blob is checked by ag_catalog_load(); look-ups after that
 * cannot fail but by absence.  All pointers are borrowed from the catalogue. */
#ifndef AG_CATALOG_CATALOG_H
#define AG_CATALOG_CATALOG_H

#include <stddef.h>
#include <stdint.h>

#include "aigated/catalog.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

struct ag_catalog;

/* Takes the memory of blob on success (it is then empty); -EBADMSG naming what is wrong. */
int ag_catalog_load(struct ag_buf *blob, uint32_t generation, struct ag_catalog **out,
    struct ag_err *err) AG_MUST_CHECK;
struct ag_catalog *ag_catalog_ref(struct ag_catalog *cat);
void ag_catalog_unref(struct ag_catalog *cat); /* NULL-safe */
uint32_t ag_catalog_gen(const struct ag_catalog *cat);

struct ag_str ag_catalog_text(const struct ag_catalog *cat, struct ag_cat_text t);

/* By database id; NULL when absent. */
const struct ag_cat_workspace *ag_catalog_workspace(const struct ag_catalog *cat, int64_t id);
const struct ag_cat_org *ag_catalog_org(const struct ag_catalog *cat, int64_t id);

/* By index in the blob (a field *_ix of another row). */
const struct ag_cat_org *ag_catalog_org_at(const struct ag_catalog *cat, uint32_t ix);
const struct ag_cat_workspace *ag_catalog_workspace_at(const struct ag_catalog *cat, uint32_t ix);
const struct ag_cat_integration *ag_catalog_integration_at(const struct ag_catalog *cat, uint32_t ix);
const struct ag_cat_grant *ag_catalog_grant_at(const struct ag_catalog *cat, uint32_t ix);
const struct ag_cat_price *ag_catalog_price_at(const struct ag_catalog *cat, uint32_t ix);
uint32_t ag_catalog_n_integrations(const struct ag_catalog *cat);
uint32_t ag_catalog_integration_ix(const struct ag_catalog *cat, const struct ag_cat_integration *i);

/* The provider a slug means in this workspace. */
const struct ag_cat_provider *ag_catalog_provider(const struct ag_catalog *cat,
    const struct ag_cat_workspace *ws, struct ag_str slug);
/* All providers of a workspace, in the order they were made (oldest first). */
const struct ag_cat_provider *ag_catalog_providers(const struct ag_catalog *cat,
    const struct ag_cat_workspace *ws, uint32_t *out_n);

/* The policies in force in a workspace, oldest first. */
const struct ag_cat_policy *ag_catalog_policies(const struct ag_catalog *cat,
    const struct ag_cat_workspace *ws, uint32_t *out_n);

/* Of the workspace or its whole organisation, by slug or uuid. */
const struct ag_cat_guardrail *ag_catalog_guardrail(const struct ag_catalog *cat,
    const struct ag_cat_workspace *ws, struct ag_str name);
const struct ag_cat_guardrail *ag_catalog_guardrail_at(const struct ag_catalog *cat, uint32_t ix);
/* Of the workspace, by slug or uuid; by id; by row + 1 (a field *_no of another row). */
const struct ag_cat_config *ag_catalog_config(const struct ag_catalog *cat,
    const struct ag_cat_workspace *ws, struct ag_str name);
const struct ag_cat_config *ag_catalog_config_by_id(const struct ag_catalog *cat, int64_t id);
const struct ag_cat_config *ag_catalog_config_no(const struct ag_catalog *cat, uint32_t no);

/* The row an integration has for a model; NULL when it names none of that slug. */
const struct ag_cat_model *ag_catalog_model(const struct ag_catalog *cat,
    const struct ag_cat_integration *integration, struct ag_str slug);
const struct ag_cat_model *ag_catalog_models(const struct ag_catalog *cat,
    const struct ag_cat_integration *integration, uint32_t *out_n);

/* The price in force at at_us (wall) for a model of a family; NULL unknown.  An exact name wins;
 * else a dated alias ("-2026-07-09", "-20260709") is tried without its date. */
const struct ag_cat_price *ag_catalog_price(const struct ag_catalog *cat, struct ag_str family,
    struct ag_str model, int64_t at_us);
/* All models of a family that have a price, for GET /v1/models of an integration that allows all:
 * rows [first, first + n), sorted by model, several effective dates of one model adjacent. */
const struct ag_cat_price *ag_catalog_prices(const struct ag_catalog *cat, struct ag_str family,
    uint32_t *out_n);

#endif
