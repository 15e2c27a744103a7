#include "policy/price.h"

#include <assert.h>
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

/* ---- multiples ---- */

/* What the prices of one request are multiplied by, in millionths. */
struct factors {
	uint32_t all, in, cached, cached_audio, written, out, reasoning, audio_in, audio_out, image_in,
	    image_out, accepted, rejected;
};

static uint32_t
said_or(const struct ag_price_multiples *m, enum ag_price_kind kind, uint32_t otherwise)
{
	return m->ppm[kind] != AG_PPM_NONE ? m->ppm[kind] : otherwise;
}

static struct factors
factors_of(const struct ag_cat_price *p, const struct ag_price_multiples *m)
{
	struct factors f = { AG_PPM_ONE, AG_PPM_ONE, AG_PPM_ONE, AG_PPM_ONE, AG_PPM_ONE, AG_PPM_ONE, AG_PPM_ONE,
		AG_PPM_ONE, AG_PPM_ONE, AG_PPM_ONE, AG_PPM_ONE, AG_PPM_ONE, AG_PPM_ONE };

	if (AG_LIKELY(!m))
		return f;
	f.all = said_or(m, AG_PK_DEFAULT, AG_PPM_ONE);
	f.in = said_or(m, AG_PK_INPUT, f.all);
	f.out = said_or(m, AG_PK_OUTPUT, f.all);
	f.cached = said_or(m, AG_PK_CACHE_READ, p->p[AG_PI_CACHED_IN] >= 0 ? f.all : f.in);
	f.written = said_or(m, AG_PK_CACHE_WRITE,
	    p->p[AG_PI_CACHE_W_5M] >= 0 || p->p[AG_PI_CACHE_W_1H] >= 0 ? f.all : f.in);
	f.reasoning = said_or(m, AG_PK_REASONING, p->p[AG_PI_REASONING] >= 0 ? f.all : f.out);
	f.audio_in = said_or(m, AG_PK_INPUT_AUDIO, p->p[AG_PI_AUDIO_IN] >= 0 ? f.all : f.in);
	f.audio_out = said_or(m, AG_PK_OUTPUT_AUDIO, p->p[AG_PI_AUDIO_OUT] >= 0 ? f.all : f.out);
	f.image_in = said_or(m, AG_PK_INPUT_IMAGE, p->p[AG_PI_IMAGE_IN] >= 0 ? f.all : f.in);
	f.image_out = said_or(m, AG_PK_OUTPUT_IMAGE, p->p[AG_PI_IMAGE_OUT] >= 0 ? f.all : f.out);
	f.cached_audio = said_or(m, AG_PK_CACHE_READ_AUDIO, f.cached);
	f.accepted = said_or(m, AG_PK_ACCEPTED, f.out);
	f.rejected = said_or(m, AG_PK_REJECTED, f.out);
	if (p->p[AG_PI_IMAGE_IN] >= 0 || p->p[AG_PI_IMAGE_OUT] >= 0) {
		f.in = said_or(m, AG_PK_INPUT_TEXT, f.in);
		f.out = said_or(m, AG_PK_OUTPUT_TEXT, f.out);
		f.cached = said_or(m, AG_PK_CACHE_READ_TEXT, f.cached);
		f.written = said_or(m, AG_PK_CACHE_WRITE_TEXT, f.written);
	}
	return f;
}

static enum ag_price_kind
kind_of_unit(uint32_t unit)
{
	switch ((enum ag_price_unit)unit) {
	case AG_PU_IMAGE:
	case AG_PU_PIXEL:
		return AG_PK_IMAGE;
	case AG_PU_SECOND:
		return AG_PK_SECOND;
	case AG_PU_CHARACTER:
		return AG_PK_CHARACTER;
	case AG_PU_SEARCH:
		return AG_PK_SEARCH_UNIT;
	case AG_PU_NONE:
	case AG_PU_OTHER:
		break;
	}
	return AG_PK_DEFAULT;
}

static uint32_t
unit_factor(const struct ag_cat_price *p, const struct ag_price_multiples *m, uint32_t all)
{
	return m ? said_or(m, kind_of_unit(p->unit), all) : AG_PPM_ONE;
}

static uint32_t
search_factor(const struct ag_price_multiples *m, uint32_t all)
{
	return m ? said_or(m, AG_PK_SEARCH, all) : AG_PPM_ONE;
}

static int64_t
at_multiple(int64_t price, uint32_t ppm)
{
	return scaled(or_else(price, 0), ppm, AG_PPM_ONE);
}

int64_t
ag_price_item_pusd(const struct ag_cat_price *p, const struct ag_price_multiples *m, enum ag_price_item item)
{
	struct factors f = factors_of(p, m);

	if (item == AG_PI_IN)
		return at_multiple(p->p[item], f.in);
	if (item == AG_PI_OUT)
		return at_multiple(p->p[item], f.out);
	if (item == AG_PI_UNIT)
		return at_multiple(p->p[item], unit_factor(p, m, f.all));
	if (item == AG_PI_SEARCH)
		return at_multiple(p->p[item], search_factor(m, f.all));
	assert(item == AG_PI_REQUEST);
	return at_multiple(p->p[item], f.all);
}

/* ---- what it costs ---- */

static uint64_t
less(uint64_t whole, uint64_t part)
{
	return whole > part ? whole - part : 0;
}

static uint64_t
part_of(uint64_t whole, uint64_t part)
{
	return part < whole ? part : whole;
}

/* Millionths of pico-dollars.  Far beyond AG_NUSD_MAX a product stands still, and sums stay in 128 bits. */
#define SUM_MAX ((__int128)1 << 92)

static void
add(__int128 *sum, uint64_t count, int64_t price, uint32_t ppm)
{
	int64_t each;
	__int128 v;

	if (count == 0 || price == 0)
		return; /* most kinds of most answers */
	if (AG_LIKELY(!__builtin_mul_overflow(price, (int64_t)ppm, &each)))
		v = (__int128)count * each; /* 64 bits by 63 */
	else if (__builtin_mul_overflow((__int128)count, (__int128)price * ppm, &v))
		v = SUM_MAX;
	*sum += v > SUM_MAX ? SUM_MAX : v;
}

static __int128
cost_of_tokens(const struct rates *r, const struct factors *f, const struct ag_usage *u)
{
	uint64_t cached_audio = part_of(u->cache_read, u->cache_read_audio);
	uint64_t plain = less(u->output_total, u->reasoning + u->output_audio + u->output_image);
	uint64_t accepted = part_of(plain, u->accepted_prediction);
	uint64_t rejected = part_of(plain - accepted, u->rejected_prediction);
	__int128 sum = 0;

	add(&sum, less(u->input_fresh, u->input_audio + u->input_image), r->in, f->in);
	add(&sum, u->input_audio, r->audio_in, f->audio_in);
	add(&sum, u->input_image, r->image_in, f->image_in);
	add(&sum, u->cache_read - cached_audio, r->cached, f->cached);
	add(&sum, cached_audio, r->cached, f->cached_audio);
	add(&sum, u->cache_write_5m, r->w5m, f->written);
	add(&sum, u->cache_write_1h, r->w1h, f->written);
	add(&sum, plain - accepted - rejected, r->out, f->out);
	add(&sum, accepted, r->out, f->accepted);
	add(&sum, rejected, r->out, f->rejected);
	add(&sum, u->reasoning, r->reasoning, f->reasoning);
	add(&sum, u->output_audio, r->audio_out, f->audio_out);
	add(&sum, u->output_image, r->image_out, f->image_out);
	return sum;
}

int64_t
ag_price_cost_nusd(const struct ag_cat_price *p, const struct ag_price_multiples *m, const struct ag_usage *u)
{
	struct rates r = rates_of(p, ag_usage_input_total(u), (enum ag_service_tier)u->service_tier);
	struct factors f = factors_of(p, m);
	struct ag_pusd sum = { cost_of_tokens(&r, &f, u) };
	const int64_t per_nusd = (int64_t)AG_PPM_ONE * AG_PUSD_PER_NUSD;

	if (u->geo_den > 0)
		ag_pusd_scale(&sum, u->geo_num, u->geo_den);
	add(&sum.v, u->web_searches, or_else(p->p[AG_PI_SEARCH], 0), search_factor(m, f.all));
	add(&sum.v, u->units, or_else(p->p[AG_PI_UNIT], 0), unit_factor(p, m, f.all));
	add(&sum.v, 1, or_else(p->p[AG_PI_REQUEST], 0), f.all);
	/* A quotient rounded up twice is the quotient of the product rounded up once: below nine dollars, where
	 * the sum fits in half, by a constant. */
	if (AG_LIKELY(sum.v >= 0 && sum.v <= INT64_MAX - per_nusd))
		return ((int64_t)sum.v + per_nusd - 1) / per_nusd;
	ag_pusd_scale(&sum, 1, AG_PPM_ONE);
	return ag_pusd_to_nusd(sum);
}

/* ---- the most it can cost ---- */

static struct ag_price_bound
bound_of(const struct rates *r, const struct factors *f)
{
	const int64_t in[] = { at_multiple(r->in, f->in), at_multiple(r->cached, f->cached),
		at_multiple(r->cached, f->cached_audio), at_multiple(r->w5m, f->written),
		at_multiple(r->w1h, f->written), at_multiple(r->audio_in, f->audio_in),
		at_multiple(r->image_in, f->image_in) };
	const int64_t out[] = { at_multiple(r->out, f->out), at_multiple(r->out, f->accepted),
		at_multiple(r->out, f->rejected), at_multiple(r->reasoning, f->reasoning),
		at_multiple(r->audio_out, f->audio_out), at_multiple(r->image_out, f->image_out) };
	struct ag_price_bound b = { 0 };

	for (size_t i = 0; i < AG_ARRAY_LEN(in); i++)
		b.in_pusd = max_i64(b.in_pusd, in[i]);
	for (size_t i = 0; i < AG_ARRAY_LEN(out); i++)
		b.out_pusd = max_i64(b.out_pusd, out[i]);
	return b;
}

struct ag_price_bound
ag_price_bound(const struct ag_cat_price *p, const struct ag_price_multiples *m, uint64_t input,
    enum ag_service_tier asked, uint32_t searches)
{
	/* The response reports its own tier, which may be the standard one although another was asked
	 * for, and may count fewer tokens than the bound: the dearest of all that can come. */
	const enum ag_service_tier tiers[] = { AG_TIER_STANDARD, asked };
	const uint64_t inputs[] = { 0, input };
	size_t n_tiers = asked == AG_TIER_STANDARD ? 1 : 2, n_inputs = is_above_tier(p, input) ? 2 : 1;
	struct ag_price_bound most = { .fixed_pusd = ag_price_item_pusd(p, m, AG_PI_REQUEST) +
		searches * ag_price_item_pusd(p, m, AG_PI_SEARCH) };
	struct factors f = factors_of(p, m);

	for (size_t i = 0; i < n_tiers; i++)
		for (size_t j = 0; j < n_inputs; j++) {
			struct rates r = rates_of(p, inputs[j], tiers[i]);
			struct ag_price_bound b = bound_of(&r, &f);

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
