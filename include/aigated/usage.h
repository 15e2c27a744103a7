/* usage.h - what one attempt used, normalised once per provider into disjoint counters.
 *
 * input_total = input_fresh + cache_read + cache_write_5m + cache_write_1h always holds; parts
 * named "of" are inside their whole.  Missing is 0, never negative. */
#ifndef AIGATED_USAGE_H
#define AIGATED_USAGE_H

#include <stdint.h>

enum ag_usage_source {
	AG_USAGE_NONE = 0,      /* nothing was used: refused, not sent */
	AG_USAGE_REPORTED = 1,  /* the provider's final figures */
	AG_USAGE_PARTIAL = 2,   /* the answer broke off after some figures */
	AG_USAGE_ESTIMATED = 3, /* counted by us from bytes */
	AG_USAGE_UNKNOWN = 4,   /* sent, and nothing is known: the hold is charged */
};

enum ag_service_tier {
	AG_TIER_STANDARD = 0,
	AG_TIER_BATCH = 1,
	AG_TIER_FLEX = 2,
	AG_TIER_PRIORITY = 3,
	AG_TIER_PROVISIONED = 4,
	AG_TIER_FAST = 5,
};

struct ag_usage {
	uint64_t input_fresh;
	uint64_t cache_read;
	uint64_t cache_write_5m;
	uint64_t cache_write_1h;
	uint64_t input_audio;        /* of input_fresh */
	uint64_t input_image;        /* of input_fresh */
	uint64_t cache_read_audio;   /* of cache_read */
	uint64_t output_total;
	uint64_t reasoning;          /* of output_total */
	uint64_t output_audio;       /* of output_total */
	uint64_t output_image;       /* of output_total */
	uint64_t accepted_prediction; /* of output_total */
	uint64_t rejected_prediction; /* of output_total */
	uint64_t web_searches;
	uint64_t units;              /* images, pages, characters, search units, ms of audio */
	int64_t provider_cost_nusd;  /* as reported by the provider, -1 none */
	uint32_t source;             /* enum ag_usage_source */
	uint32_t service_tier;       /* enum ag_service_tier, as the response reports it */
	uint32_t geo_num, geo_den;   /* uplift of the region as a ratio; 0/0 means 1/1 */
};

static inline uint64_t
ag_usage_input_total(const struct ag_usage *u)
{
	return u->input_fresh + u->cache_read + u->cache_write_5m + u->cache_write_1h;
}

#endif
