/* price_multiplier.h - what the list prices of an integration are multiplied by: numbers from 0 to 1000, exact
 * to a millionth.
 *
 * Said by configurations.price_multiplier, one for all and above 0, or by pricing_adjustments.multiplier, one
 * for each kind of tokens and units (tbl/price_kinds.h).  Where kinds differ the combination becomes a row of
 * price_adjustment, which the ledger names; else the ledger keeps the one number beside each price. */
#ifndef AG_CONTROL_PRICE_MULTIPLIER_H
#define AG_CONTROL_PRICE_MULTIPLIER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

struct json_object;
struct ag_call;

/* A JSON number or a text with one; -EINVAL when it is neither or out of range. */
int ag_price_multiplier(struct json_object *value, uint32_t *out_ppm) AG_MUST_CHECK;

/* What a body says of pricing_adjustments, checked. */
struct ag_pricing_adjustments {
	bool is_given;              /* absent: as they stand */
	struct json_object *stored; /* borrowed: body; NULL: nothing is adjusted */
	struct json_object *kinds;  /* owned; millionths by kind, NULL: one number says it all */
};

int ag_pricing_adjustments_read(struct ag_call *c, struct ag_pricing_adjustments *out) AG_MUST_CHECK;
void ag_pricing_adjustments_fini(struct ag_pricing_adjustments *p);
/* In the open transaction, after the row's configurations: the two ways exclude each other. */
int ag_pricing_adjustments_store(struct ag_call *c, int64_t integration_id,
    const struct ag_pricing_adjustments *p) AG_MUST_CHECK;

#endif
