/* rate.c - a strict sliding window, see README for the proof.
 *
 * bucket[slice % 18] = {hi = slice * 2 + sealed, lo = admitted in it}, changed only as a pair; hi
 * never goes back.  A slice is 1/16 of the window.  Its number is
 *
 *     resets * 2^40 + AHEAD + now / slice length
 *
 * so that after a change of the window (metertab.c raises resets) all old slices are older than
 * any new one, and count no more.  AHEAD keeps what is looked at before the first slice positive:
 * an untouched bucket is slice 0.
 *
 * earlier = {hi = e, lo = sum of the 16 slices before e}, or lo = UNKNOWN: the sum is found once a
 * slice and not at each admission, which would read five lines of memory more.  When e is open those
 * 16 are sealed and only fall, so that what was ever true of e is never too little.  Who lowers a
 * sealed slice forgets the sum; one that was added up before and is put there after shows too much
 * for the rest of the slice, and whoever it would refuse adds up again. */
#include "limit/algorithms.h"
#include "shm/crash_point.h"

#define AHEAD       36
#define EPOCH_SHIFT 40
#define EPOCH_MASK  ((INT64_C(1) << EPOCH_SHIFT) - 1)
#define RESETS_MASK 0x3fffffu /* what is left of 63 bits */
#define UNKNOWN     INT64_MAX

static int64_t
slice_of(struct ag_pair p)
{
	return p.hi >> 1;
}

static bool
is_sealed(struct ag_pair p)
{
	return (p.hi & 1) != 0;
}

static struct ag_a128 *
bucket_of(struct ag_meter *m, int64_t slice)
{
	return &m->rate.bucket[slice % AG_RATE_BUCKETS];
}

/* The numbering in force; false while the window is being changed. */
static bool
numbering(const struct ag_meter *m, int64_t *out_epoch, int64_t *out_slice_us)
{
	uint32_t resets = ag_a32_observe(&m->resets);
	int64_t window_us = ag_a64_observe(&m->window_us);

	if (window_us < AG_RATE_SLICES || ag_a32_get(&m->resets) != resets)
		return false;
	*out_epoch = ((int64_t)(resets & RESETS_MASK) << EPOCH_SHIFT) + AHEAD;
	*out_slice_us = window_us / AG_RATE_SLICES;
	return true;
}

static int64_t
newest_slice(const struct ag_meter *m)
{
	int64_t newest = 0;

	for (int i = 0; i < AG_RATE_BUCKETS; i++) {
		int64_t hi = ag_a64_observe(&m->rate.bucket[i].hi);

		if (hi >> 1 > newest)
			newest = hi >> 1;
	}
	return newest;
}

/* Seals every slice before e and opens e.  Each step may be repeated by anybody and left undone by
 * a death.  Returns e, or the number of a later slice that was met. */
static int64_t
slice_open(struct ag_meter *m, int64_t e)
{
	struct ag_a128 *own = bucket_of(m, e);
	struct ag_pair cur;

	for (int64_t k = e - AG_RATE_BUCKETS + 1; k < e; k++) {
		struct ag_a128 *b = bucket_of(m, k);
		struct ag_pair want;

		do {
			cur = ag_pair_read(b);
			if (slice_of(cur) > k)
				return slice_of(cur); /* same bucket, so at least 18 later: past e */
			if (slice_of(cur) == k && is_sealed(cur))
				break;
			want = (struct ag_pair){
				.hi = k * 2 + 1,
				.lo = slice_of(cur) == k ? cur.lo : 0,
			};
			AG_CRASH_POINT();
		} while (!ag_a128_cas(b, cur, want));
	}
	do {
		cur = ag_pair_read(own);
		if (slice_of(cur) >= e)
			return slice_of(cur); /* another was quicker */
		AG_CRASH_POINT();
	} while (!ag_a128_cas(own, cur, (struct ag_pair){ .hi = e * 2, .lo = 0 }));
	return e;
}

/* What was admitted in the 16 slices before e.  They are sealed, so this can only fall; -1 when a
 * later slice has taken the place of one, which then is e's no more. */
static int64_t
earlier_sum(const struct ag_meter *m, int64_t e)
{
	int64_t sum = 0;

	/* A slice has one bucket it can stand in, so the order of the buckets tells nothing. */
	for (int i = 0; i < AG_RATE_BUCKETS; i++) {
		struct ag_pair p = ag_pair_read(&m->rate.bucket[i]);
		int64_t k = slice_of(p);

		if (k > e)
			return -1;
		if (k < e && k >= e - AG_RATE_SLICES)
			sum = ag_amount_add(sum, p.lo);
	}
	return sum;
}

/* The same, as somebody found it: may be too much, never too little.  UNKNOWN: nobody did. */
static int64_t
earlier_known(const struct ag_meter *m, int64_t e)
{
	struct ag_pair known = ag_pair_read(&m->rate_more.earlier);

	return known.hi == e ? known.lo : UNKNOWN;
}

/* Adds up and leaves the sum for others, unless what they know changed meanwhile. */
static int64_t
earlier_find(struct ag_meter *m, int64_t e)
{
	struct ag_pair known = ag_pair_read(&m->rate_more.earlier);
	int64_t sum = earlier_sum(m, e);

	if (sum >= 0 && (known.hi < e || (known.hi == e && sum < known.lo)))
		(void)ag_a128_cas(&m->rate_more.earlier, known, (struct ag_pair){ .hi = e, .lo = sum });
	return sum;
}

/* A slice was lowered: what is known of a window it lies in is too much. */
static void
earlier_forget(struct ag_meter *m, int64_t slice)
{
	struct ag_pair known;

	do {
		known = ag_pair_read(&m->rate_more.earlier);
		if (known.hi <= slice || known.lo == UNKNOWN)
			return;
	} while (!ag_a128_cas(&m->rate_more.earlier, known,
	    (struct ag_pair){ .hi = known.hi, .lo = UNKNOWN }));
}

/* Is there room for amount behind what slice e and those before it hold? */
static bool
has_room(int64_t earlier, int64_t own, int64_t amount, int64_t limit)
{
	int64_t sum = ag_amount_add(earlier, own);

	return sum <= limit && amount <= limit - sum;
}

/* Adds amount to the slice of now if the window then holds at most limit; *out_used: what it holds. */
static enum ag_take
slice_add(struct ag_meter *m, int64_t amount, int64_t limit, int64_t e, int64_t *out_slice,
    int64_t *out_used)
{
	for (;;) {
		struct ag_a128 *own = bucket_of(m, e);
		struct ag_pair cur = ag_pair_read(own);
		int64_t earlier;

		if (slice_of(cur) < e) {
			e = slice_open(m, e);
			continue;
		}
		if (slice_of(cur) > e || is_sealed(cur)) {
			int64_t newest = newest_slice(m);

			/* Our clock is behind somebody's, who may have died between sealing and opening. */
			e = newest > e ? newest : slice_open(m, e + 1);
			continue;
		}
		earlier = earlier_known(m, e);
		if (earlier == UNKNOWN || !has_room(earlier, cur.lo, amount, limit)) {
			earlier = earlier_find(m, e);
			if (earlier < 0) {
				e = newest_slice(m);
				continue;
			}
			if (!has_room(earlier, cur.lo, amount, limit))
				return AG_TAKE_DENIED;
		}
		AG_CRASH_POINT();
		if (ag_a128_cas(own, cur,
		        (struct ag_pair){ .hi = cur.hi, .lo = ag_amount_add(cur.lo, amount) })) {
			AG_CRASH_POINT();
			*out_slice = e;
			*out_used = ag_amount_add(ag_amount_add(earlier, cur.lo), amount);
			return AG_TAKE_OK;
		}
	}
}

/* When slice k is in no window any more: the first instant of slice k + 17. */
static int64_t
leaves_at(int64_t k, int64_t epoch, int64_t slice_us)
{
	int64_t n = (k & EPOCH_MASK) - (epoch & EPOCH_MASK) + AG_RATE_SLICES + 1, at;

	return __builtin_mul_overflow(n, slice_us, &at) ? INT64_MAX : at;
}

enum ag_take
ag_rate_take(struct ag_meter *m, int64_t amount, int64_t now_us, int64_t *out_slice,
    struct ag_rate_left *out_left)
{
	int64_t epoch, slice_us, limit = ag_a64_get(&m->limit), used;

	if (!numbering(m, &epoch, &slice_us))
		return AG_TAKE_DENIED; /* for the few ns of a change, or until its dead author's successor */
	if (slice_add(m, amount, limit, epoch + now_us / slice_us, out_slice, &used) != AG_TAKE_OK)
		return AG_TAKE_DENIED;
	if (out_left)
		*out_left = (struct ag_rate_left){
			.is_rate = true,
			.limit = limit,
			.remaining = ag_amount_sub(limit, used),
			/* What was taken last leaves last. */
			.resets_at_us = leaves_at(*out_slice, epoch, slice_us),
		};
	return AG_TAKE_OK;
}

/* Takes amount out of the slice it went to, sealed or not, unless that has left the window. */
static void
slice_sub(struct ag_meter *m, int64_t slice, int64_t amount)
{
	struct ag_a128 *b = bucket_of(m, slice);
	struct ag_pair cur;

	do {
		cur = ag_pair_read(b);
		if (slice_of(cur) != slice)
			return;
		AG_CRASH_POINT();
	} while (!ag_a128_cas(b, cur,
	    (struct ag_pair){ .hi = cur.hi, .lo = ag_amount_sub(cur.lo, amount) }));
	AG_CRASH_POINT();
	earlier_forget(m, slice);
	AG_CRASH_POINT();
}

void
ag_rate_settle(struct ag_meter *m, const struct ag_hold *h, int64_t actual, int64_t now_us)
{
	int64_t epoch, slice_us, slice, used;

	if (h->unit == AG_UNIT_REQUESTS || actual == h->amount)
		return;
	if (actual < h->amount) {
		slice_sub(m, h->period, h->amount - actual);
		return;
	}
	/* What was used cannot be refused any more: the window goes into debt. */
	if (numbering(m, &epoch, &slice_us) &&
	    slice_add(m, actual - h->amount, INT64_MAX, epoch + now_us / slice_us, &slice, &used) !=
	        AG_TAKE_OK)
		assert(!"an unlimited window refuses nothing");
}

void
ag_rate_release(struct ag_meter *m, const struct ag_hold *h)
{
	slice_sub(m, h->period, h->amount);
}

/* The earliest instant at which `want` fits, when slices leave one after the other. */
static int64_t
fits_at(const struct ag_meter *m, int64_t e, int64_t epoch, int64_t slice_us, int64_t room)
{
	for (int64_t k = e - AG_RATE_SLICES; k <= e; k++) {
		struct ag_pair p = ag_pair_read(&m->rate.bucket[k % AG_RATE_BUCKETS]);

		if (slice_of(p) != k)
			continue;
		room = ag_amount_add(room, p.lo);
		if (room >= 0)
			return leaves_at(k, epoch, slice_us);
	}
	return INT64_MAX;
}

void
ag_rate_read(const struct ag_meter *m, int64_t want, int64_t now_us, struct ag_meter_state *out)
{
	struct ag_meter_state s = {
		.limit = ag_a64_get(&m->limit),
		.resets_at_us = now_us,
		.fits_at_us = INT64_MAX,
	};
	int64_t epoch, slice_us, e, newest, last = 0;

	if (!numbering(m, &epoch, &slice_us)) {
		*out = s; /* nothing fits while the window changes */
		return;
	}
	e = epoch + now_us / slice_us;
	newest = newest_slice(m);
	if (newest > e)
		e = newest;
	for (int i = 0; i < AG_RATE_BUCKETS; i++) {
		struct ag_pair p = ag_pair_read(&m->rate.bucket[i]);
		int64_t k = slice_of(p);

		if (k < e - AG_RATE_SLICES || k > e || p.lo == 0)
			continue;
		s.used = ag_amount_add(s.used, p.lo);
		last = k > last ? k : last;
	}
	if (last > 0)
		s.resets_at_us = leaves_at(last, epoch, slice_us);
	s.remaining = ag_amount_sub(s.limit, s.used);
	if (want <= s.limit - s.used)
		s.fits_at_us = now_us;
	else if (want <= s.limit)
		s.fits_at_us = fits_at(m, e, epoch, slice_us, s.limit - want - s.used);
	*out = s;
}
