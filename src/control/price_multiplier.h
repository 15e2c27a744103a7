/* price_multiplier.h - what the list prices of an integration are multiplied by: a number above 0, up to
 * 1000, exact to a millionth.
 *
 * Said by configurations.price_multiplier, or by pricing_adjustments.multiplier.default as the API we
 * follow has it.  One multiple for all kinds of tokens: the ledger keeps one beside each price. */
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
};

int ag_pricing_adjustments_read(struct ag_call *c, struct ag_pricing_adjustments *out) AG_MUST_CHECK;
/* In the open transaction, after the row's configurations: the two ways exclude each other. */
int ag_pricing_adjustments_store(struct ag_call *c, int64_t integration_id,
    const struct ag_pricing_adjustments *p) AG_MUST_CHECK;

#endif
