/* price_multiplier.h - configurations.price_multiplier of an integration: what its list prices are
 * multiplied by.  A number above 0, up to 1000, exact to a millionth. */
#ifndef AG_CONTROL_PRICE_MULTIPLIER_H
#define AG_CONTROL_PRICE_MULTIPLIER_H

#include <stdint.h>

#include "base/attr.h"

struct json_object;

/* A JSON number or a text with one; -EINVAL when it is neither or out of range. */
int ag_price_multiplier(struct json_object *value, uint32_t *out_ppm) AG_MUST_CHECK;

#endif
