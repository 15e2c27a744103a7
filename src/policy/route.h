/* route.h - which provider of the workspace serves this request, or the rule that forbids it.
 *
 * Pure: a catalogue, a workspace and two names in, a target out.  Addressing, first that applies:
 * header x-portkey-provider / x-portkey-virtual-key ("@slug" or slug), model "@slug/model", the
 * first provider of the workspace (oldest first) that names the bare model, then the first that allows
 * all models. */
#ifndef AG_POLICY_ROUTE_H
#define AG_POLICY_ROUTE_H

#include "catalog/catalog.h"
#include "policy/verdict.h"
#include "provider/provider.h"

struct ag_route_in {
	const struct ag_catalog *cat;
	const struct ag_cat_workspace *ws;
	struct ag_str provider;  /* from a header, "@" cut; n 0: none */
	struct ag_str model;     /* as the client wrote it */
	enum ag_endpoint endpoint;
	int64_t now_us;          /* wall */
};

struct ag_target {
	const struct ag_cat_provider *provider;
	const struct ag_cat_grant *grant;
	const struct ag_cat_integration *integration;
	const struct ag_provider *family;
	const struct ag_provider_path *path; /* how it is served; its endpoint is not in->endpoint: translated */
	const struct ag_cat_price *price; /* NULL: unpriced */
	const struct ag_price_multiples *multiples; /* what it is taken times; NULL: as it stands */
	struct ag_str model;              /* what the provider is asked for; in in->model, or in the catalogue */
};

/* On refusal *out_detail is what the verdict's text names (borrowed from in). */
enum ag_verdict ag_route_resolve(const struct ag_route_in *in, struct ag_target *out,
    struct ag_str *out_detail) AG_MUST_CHECK;

/* What this integration multiplies that price by; NULL: by nothing, as a price of its own is final. */
const struct ag_price_multiples *ag_route_multiples(const struct ag_cat_integration *i,
    const struct ag_cat_price *price);

/* Whether this provider may serve that model: by its name, or else where all may be served and it does
 * not stand for one that may not. */
bool ag_route_allows(const struct ag_catalog *cat, const struct ag_cat_integration *i,
    const struct ag_provider *family, struct ag_str model);

#endif
