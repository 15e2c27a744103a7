/* price.h - usage times price, exactly: what an attempt costs, and the most it can cost.
 *
 * Pure.  Sums in 128-bit millionths of pico-USD, rounded up once to nano-USD.  Formula and fall-backs: the tier
 * is chosen once per request by all input tokens; a service tier without a price of its own is
 * the standard price times its usual multiplier; a missing price falls back within its tier
 * (cached and written tokens and input media to `in`, the rest of the output to `out`).
 *
 * Multiples of an integration: a kind's own counts wherever its tokens are counted apart.  A kind that
 * is not said has that of DEFAULT (else 1) where the price list prices it apart, and else that of the
 * kind whose price it falls back to: {request_token: 0.5} halves cached tokens that have no price of
 * their own.  The kinds of text replace the plain ones where pictures' tokens have prices of their own.
 * NULL for multiples: list prices as they stand. */
#ifndef AG_POLICY_PRICE_H
#define AG_POLICY_PRICE_H

#include "aigated/catalog.h"
#include "aigated/usage.h"

/* Nano-USD for what was used.  price must not be NULL. */
int64_t ag_price_cost_nusd(const struct ag_cat_price *price, const struct ag_price_multiples *multiples,
    const struct ag_usage *usage);

/* AG_PI_IN, AG_PI_OUT, AG_PI_UNIT, AG_PI_SEARCH or AG_PI_REQUEST at its multiple, rounded up to the
 * pico-dollar; 0 when there is none. */
int64_t ag_price_item_pusd(const struct ag_cat_price *price, const struct ag_price_multiples *multiples,
    enum ag_price_item item);

/* The most that at most `input` prompt and `output` completion tokens can cost, whatever of the
 * prompt is cached or written, at the dearest tier those counts can select, and at the service tier
 * asked for or the standard one.  searches: calls of the provider's search it may make. */
struct ag_price_bound {
	int64_t in_pusd;  /* per input token, dearest way */
	int64_t out_pusd; /* per output token, dearest way */
	int64_t fixed_pusd; /* per request */
};
struct ag_price_bound ag_price_bound(const struct ag_cat_price *price,
    const struct ag_price_multiples *multiples, uint64_t input,
    enum ag_service_tier asked, uint32_t searches);
/* A tenth more for each token, which some providers take for a region. */
void ag_price_bound_uplift(struct ag_price_bound *b);
int64_t ag_price_bound_nusd(const struct ag_price_bound *b, uint64_t input, uint64_t output);
/* Most output tokens that `room` nano-USD pay for besides `input`; 0 when not even that fits. */
uint64_t ag_price_bound_fit(const struct ag_price_bound *b, uint64_t input, int64_t room_nusd);

#endif
