#include "policy/price.h"

#include <stdbool.h>

#include "base/attr.h"
#include "base/money.h"

/* Prices of one request, after tier, service tier and fall-backs. */
struct rates {
	int64_t in, cached, w5m, w1h, out, reasoning, audio_in, audio_out, image_in, image_out;
};

static int64_t
or_else(int64_t price, int64_t otherwise)
{
	return price >= 0 ? price : otherwise;
}

static int64_t
max_i64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* price * num / den, rounded up; prices stay far below 2^53, the product in 128 bits where it needs them. */
static int64_t
scaled(int64_t price, int64_t num, int64_t den)
{
	int64_t product;

	if (price < 0 || num == den)
		return price;
	if (AG_LIKELY(!__builtin_mul_overflow(price, num, &product) && product <= INT64_MAX - den))
		return den == 1 ? product : (product + den - 1) / den;
	return (int64_t)(((__int128)price * num + den - 1) / den);
}

void
ag_price_scale(const struct ag_cat_price *price, uint32_t ppm, struct ag_cat_price *out)
{
	*out = *price;
	for (int i = 0; i < AG_PI_COUNT; i++)
		out->p[i] = scaled(price->p[i], ppm, 1000000);
}

static bool
is_above_tier(const struct ag_cat_price *p, uint64_t input)
{
	if (p->tier_gt <= 0)
		return false;
	return p->tier_is_ge ? input >= (uint64_t)p->tier_gt : input > (uint64_t)p->tier_gt;
}

/* Own column if the catalogue has one, else the standard price times the usual multiplier. */
static int64_t
tier_price(int64_t own, int64_t standard, bool may_use_own, int64_t num, int64_t den)
{
	return may_use_own && own >= 0 ? own : scaled(standard, num, den);
}

static void
apply_service_tier(const struct ag_cat_price *p, enum ag_service_tier tier, bool is_long, struct rates *r)
{
	int64_t in = -1, cached = -1, out = -1, num = 1, den = 1;

	switch (tier) {
	case AG_TIER_BATCH:
		in = p->p[AG_PI_BATCH_IN], cached = p->p[AG_PI_BATCH_CACHED_IN], out = p->p[AG_PI_BATCH_OUT];
		den = 2;
		break;
	case AG_TIER_FLEX:
		in = p->p[AG_PI_FLEX_IN], cached = p->p[AG_PI_FLEX_CACHED_IN], out = p->p[AG_PI_FLEX_OUT];
		den = 2;
		break;
	case AG_TIER_PRIORITY:
	case AG_TIER_FAST:
		in = p->p[AG_PI_PRIO_IN], cached = p->p[AG_PI_PRIO_CACHED_IN], out = p->p[AG_PI_PRIO_OUT];
		num = 2;
		break;
	case AG_TIER_PROVISIONED:
	case AG_TIER_STANDARD:
		return;
	}
	/* Columns of service tiers hold below the long-context threshold only.  What is derived
	 * from `in` keeps its relation to it: cache writes of a flex request cost half as well. */
	if (!is_long && in >= 0 && r->in > 0) {
		r->w5m = scaled(r->w5m, in, r->in);
		r->w1h = scaled(r->w1h, in, r->in);
	} else {
		r->w5m = scaled(r->w5m, num, den);
		r->w1h = scaled(r->w1h, num, den);
	}
	r->cached = tier_price(cached, r->cached, !is_long, num, den);
	r->in = tier_price(in, r->in, !is_long, num, den);
	r->out = tier_price(out, r->out, !is_long, num, den);
	r->reasoning = scaled(r->reasoning, num, den);
}

static struct rates
rates_of(const struct ag_cat_price *p, uint64_t input, enum ag_service_tier tier)
{
	bool is_long = is_above_tier(p, input);
	struct rates r = {
		.in = or_else(p->p[AG_PI_IN], 0),
		.out = or_else(p->p[AG_PI_OUT], 0),
		.cached = p->p[AG_PI_CACHED_IN],
		.w5m = p->p[AG_PI_CACHE_W_5M],
		.w1h = p->p[AG_PI_CACHE_W_1H],
		.reasoning = p->p[AG_PI_REASONING],
	};

	if (is_long) {
		/* All rates come from the tier, with fall-backs of the same tier. */
		r.in = or_else(p->p[AG_PI_T_IN], r.in);
		r.out = or_else(p->p[AG_PI_T_OUT], r.out);
		r.cached = p->p[AG_PI_T_CACHED_IN];
		r.w5m = p->p[AG_PI_T_CACHE_W_5M];
		r.w1h = -1;
	}
	r.w5m = or_else(r.w5m, r.in);
	r.w1h = or_else(r.w1h, r.w5m);
	r.reasoning = or_else(r.reasoning, r.out);
	apply_service_tier(p, tier, is_long, &r);
	r.cached = or_else(r.cached, r.in);
	if (p->p[AG_PI_REASONING] < 0)
		r.reasoning = r.out;
	r.audio_in = or_else(p->p[AG_PI_AUDIO_IN], r.in);
	r.image_in = or_else(p->p[AG_PI_IMAGE_IN], r.in);
	r.audio_out = or_else(p->p[AG_PI_AUDIO_OUT], r.out);
	r.image_out = or_else(p->p[AG_PI_IMAGE_OUT], r.out);
	return r;
}

static uint64_t
less(uint64_t whole, uint64_t part)
{
	return whole > part ? whole - part : 0;
}

int64_t
ag_price_cost_nusd(const struct ag_cat_price *p, const struct ag_usage *u)
{
	struct rates r = rates_of(p, ag_usage_input_total(u), (enum ag_service_tier)u->service_tier);
	struct ag_pusd sum = { 0 };

	ag_pusd_add(&sum, less(u->input_fresh, u->input_audio + u->input_image), r.in);
	ag_pusd_add(&sum, u->input_audio, r.audio_in);
	ag_pusd_add(&sum, u->input_image, r.image_in);
	ag_pusd_add(&sum, u->cache_read, r.cached);
	ag_pusd_add(&sum, u->cache_write_5m, r.w5m);
	ag_pusd_add(&sum, u->cache_write_1h, r.w1h);
	ag_pusd_add(&sum, less(u->output_total, u->reasoning + u->output_audio + u->output_image), r.out);
	ag_pusd_add(&sum, u->reasoning, r.reasoning);
	ag_pusd_add(&sum, u->output_audio, r.audio_out);
	ag_pusd_add(&sum, u->output_image, r.image_out);
	if (u->geo_den > 0)
		ag_pusd_scale(&sum, u->geo_num, u->geo_den);
	ag_pusd_add(&sum, u->web_searches, or_else(p->p[AG_PI_SEARCH], 0));
	ag_pusd_add(&sum, u->units, or_else(p->p[AG_PI_UNIT], 0));
	ag_pusd_add(&sum, 1, or_else(p->p[AG_PI_REQUEST], 0));
	return ag_pusd_to_nusd(sum);
}

static struct ag_price_bound
bound_of(const struct rates *r)
{
	struct ag_price_bound b = { 0 };

	b.in_pusd = max_i64(max_i64(r->in, r->cached), max_i64(r->w5m, r->w1h));
	b.in_pusd = max_i64(b.in_pusd, max_i64(r->audio_in, r->image_in));
	b.out_pusd = max_i64(max_i64(r->out, r->reasoning), max_i64(r->audio_out, r->image_out));
	return b;
}

struct ag_price_bound
ag_price_bound(const struct ag_cat_price *p, uint64_t input, enum ag_service_tier asked, uint32_t searches)
{
	/* The response reports its own tier, which may be the standard one although another was asked
	 * for, and may count fewer tokens than the bound: the dearest of all that can come. */
	const enum ag_service_tier tiers[] = { AG_TIER_STANDARD, asked };
	const uint64_t inputs[] = { 0, input };
	size_t n_tiers = asked == AG_TIER_STANDARD ? 1 : 2, n_inputs = is_above_tier(p, input) ? 2 : 1;
	struct ag_price_bound most = {
		.fixed_pusd = or_else(p->p[AG_PI_REQUEST], 0) + searches * or_else(p->p[AG_PI_SEARCH], 0),
	};

	for (size_t i = 0; i < n_tiers; i++)
		for (size_t j = 0; j < n_inputs; j++) {
			struct rates r = rates_of(p, inputs[j], tiers[i]);
			struct ag_price_bound b = bound_of(&r);

			most.in_pusd = max_i64(most.in_pusd, b.in_pusd);
			most.out_pusd = max_i64(most.out_pusd, b.out_pusd);
		}
	return most;
}

void
ag_price_bound_uplift(struct ag_price_bound *b)
{
	b->in_pusd += b->in_pusd / 10 + 1;
	b->out_pusd += b->out_pusd / 10 + 1;
}

int64_t
ag_price_bound_nusd(const struct ag_price_bound *b, uint64_t input, uint64_t output)
{
	struct ag_pusd sum = { 0 };

	ag_pusd_add(&sum, input, b->in_pusd);
	ag_pusd_add(&sum, output, b->out_pusd);
	ag_pusd_add(&sum, 1, b->fixed_pusd);
	return ag_pusd_to_nusd(sum);
}

uint64_t
ag_price_bound_fit(const struct ag_price_bound *b, uint64_t input, int64_t room_nusd)
{
	__int128 room = (__int128)room_nusd * AG_PUSD_PER_NUSD;

	room -= (__int128)input * b->in_pusd + b->fixed_pusd;
	if (room < 0)
		return 0;
	if (b->out_pusd == 0)
		return UINT32_MAX;
	room /= b->out_pusd;
	return room > UINT32_MAX ? UINT32_MAX : (uint64_t)room;
}
