/* price.h - usage times price, exactly: what an attempt costs, and the most it can cost.
 *
 * Pure.  Sums in 128-bit pico-USD, rounded up once to nano-USD.  Formula and fall-backs: the tier
 * is chosen once per request by all input tokens; a service tier without a price of its own is
 * the standard price times its usual multiplier; a missing price falls back within its tier
 * (cached and written tokens and input media to `in`, the rest of the output to `out`). */
#ifndef AG_POLICY_PRICE_H
#define AG_POLICY_PRICE_H

#include "aigated/catalog.h"
#include "aigated/usage.h"

/* A price list's row at a multiple of ppm / 10^6, each price rounded up to the pico-dollar. */
void ag_price_scale(const struct ag_cat_price *price, uint32_t ppm, struct ag_cat_price *out);

/* Nano-USD for what was used.  price must not be NULL. */
int64_t ag_price_cost_nusd(const struct ag_cat_price *price, const struct ag_usage *usage);

/* The most that at most `input` prompt and `output` completion tokens can cost, whatever of the
 * prompt is cached or written, at the dearest tier those counts can select, and at the service tier
 * asked for or the standard one.  searches: calls of the provider's search it may make. */
struct ag_price_bound {
	int64_t in_pusd;  /* per input token, dearest way */
	int64_t out_pusd; /* per output token, dearest way */
	int64_t fixed_pusd; /* per request */
};
struct ag_price_bound ag_price_bound(const struct ag_cat_price *price, uint64_t input,
    enum ag_service_tier asked, uint32_t searches);
/* A tenth more for each token, which some providers take for a region. */
void ag_price_bound_uplift(struct ag_price_bound *b);
int64_t ag_price_bound_nusd(const struct ag_price_bound *b, uint64_t input, uint64_t output);
/* Most output tokens that `room` nano-USD pay for besides `input`; 0 when not even that fits. */
uint64_t ag_price_bound_fit(const struct ag_price_bound *b, uint64_t input, int64_t room_nusd);

#endif
