#include "control/price_multiplier.h"

#include <errno.h>
#include <json-c/json.h>

#include "base/num.h"

#define PPM_DIGITS 6
#define PPM_MAX    INT64_C(1000000000)

int
ag_price_multiplier(struct json_object *value, uint32_t *out_ppm)
{
	int64_t ppm;

	if (!json_object_is_type(value, json_type_string) && !json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double))
		return -EINVAL;
	if (ag_parse_decimal(ag_str(json_object_get_string(value)), PPM_DIGITS, PPM_MAX, &ppm) < 0 ||
	    ppm <= 0)
		return -EINVAL;
	*out_ppm = (uint32_t)ppm;
	return 0;
}
