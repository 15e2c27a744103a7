/* atomic.h - words that several processes share.
 *
 * Structs, so that a plain = or ++ does not compile.  get set add cas are relaxed: atomic by
 * themselves, they order nothing around them; right for tallies and ceilings.  publish is a
 * release store and observe an acquire load: all that the writer stored before publish() is
 * visible after the observe() that returned its value.
 *
 * ag_a128 is a pair that changes as one, by compare-and-exchange only.  It needs cmpxchg16b or
 * its equal; configure passes -mcx16.  A plain read of its halves may be torn: it serves as
 * the guess of a compare-and-exchange, which verifies it. */
#ifndef AG_BASE_ATOMIC_H
#define AG_BASE_ATOMIC_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ag_a32 { _Atomic uint32_t v; };
struct ag_a64 { _Atomic int64_t v; };

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "an atomic that hides a lock cannot be shared");
static_assert(ATOMIC_INT_LOCK_FREE == 2, "an atomic that hides a lock cannot be shared");

static inline uint32_t
ag_a32_get(const struct ag_a32 *a)
{
	return atomic_load_explicit(&a->v, memory_order_relaxed);
}

static inline void
ag_a32_set(struct ag_a32 *a, uint32_t v)
{
	atomic_store_explicit(&a->v, v, memory_order_relaxed);
}

/* Returns the value before the addition. */
static inline uint32_t
ag_a32_add(struct ag_a32 *a, uint32_t v)
{
	return atomic_fetch_add_explicit(&a->v, v, memory_order_relaxed);
}

static inline uint32_t
ag_a32_observe(const struct ag_a32 *a)
{
	return atomic_load_explicit(&a->v, memory_order_acquire);
}

static inline void
ag_a32_publish(struct ag_a32 *a, uint32_t v)
{
	atomic_store_explicit(&a->v, v, memory_order_release);
}

/* On failure *expected holds what was found. */
static inline bool
ag_a32_cas(struct ag_a32 *a, uint32_t *expected, uint32_t v)
{
	return atomic_compare_exchange_strong_explicit(&a->v, expected, v,
	    memory_order_acq_rel, memory_order_acquire);
}

static inline int64_t
ag_a64_get(const struct ag_a64 *a)
{
	return atomic_load_explicit(&a->v, memory_order_relaxed);
}

static inline void
ag_a64_set(struct ag_a64 *a, int64_t v)
{
	atomic_store_explicit(&a->v, v, memory_order_relaxed);
}

/* Returns the value before the addition. */
static inline int64_t
ag_a64_add(struct ag_a64 *a, int64_t v)
{
	return atomic_fetch_add_explicit(&a->v, v, memory_order_relaxed);
}

/* Sets bits, clears those that are not in v: of words whose bits have several owners. */
static inline void
ag_a64_or(struct ag_a64 *a, int64_t v)
{
	atomic_fetch_or_explicit(&a->v, v, memory_order_relaxed);
}

static inline void
ag_a64_and(struct ag_a64 *a, int64_t v)
{
	atomic_fetch_and_explicit(&a->v, v, memory_order_relaxed);
}

static inline int64_t
ag_a64_observe(const struct ag_a64 *a)
{
	return atomic_load_explicit(&a->v, memory_order_acquire);
}

static inline void
ag_a64_publish(struct ag_a64 *a, int64_t v)
{
	atomic_store_explicit(&a->v, v, memory_order_release);
}

static inline bool
ag_a64_cas(struct ag_a64 *a, int64_t *expected, int64_t v)
{
	return atomic_compare_exchange_strong_explicit(&a->v, expected, v,
	    memory_order_acq_rel, memory_order_acquire);
}

struct ag_pair { int64_t lo, hi; };

struct ag_a128 {
	struct ag_a64 lo, hi;
} __attribute__((aligned(16)));

static_assert(sizeof(struct ag_a128) == 16, "a pair is two words");

/* May be torn between the halves: a guess for ag_a128_cas(), or a reading for people. */
static inline struct ag_pair
ag_a128_peek(const struct ag_a128 *a)
{
	return (struct ag_pair){ .lo = ag_a64_get(&a->lo), .hi = ag_a64_get(&a->hi) };
}

/* Full barrier.  The __sync form, because the __atomic one calls a library that may lock. */
static inline bool
ag_a128_cas(struct ag_a128 *a, struct ag_pair expected, struct ag_pair v)
{
	unsigned __int128 e = ((unsigned __int128)(uint64_t)expected.hi << 64) | (uint64_t)expected.lo;
	unsigned __int128 n = ((unsigned __int128)(uint64_t)v.hi << 64) | (uint64_t)v.lo;

	return __sync_bool_compare_and_swap((unsigned __int128 *)(void *)a, e, n);
}

#endif
