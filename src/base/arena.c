#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN 1024  /* what most requests need: kept by each that waits for its answer */
#define BLOCK_MAX 65536

struct ag_arena_block {
	struct ag_arena_block *next;
	size_t cap, used;
	_Alignas(16) char mem[];
};

void
ag_arena_init(struct ag_arena *a, size_t max)
{
	*a = (struct ag_arena){ .max = max };
}

static void
arena_free_from(struct ag_arena *a, struct ag_arena_block *b)
{
	while (b) {
		struct ag_arena_block *next = b->next;

		a->total -= b->cap;
		free(b);
		b = next;
	}
}

void
ag_arena_fini(struct ag_arena *a)
{
	arena_free_from(a, a->first);
	*a = (struct ag_arena){ .max = a->max };
}

void
ag_arena_reset(struct ag_arena *a)
{
	if (!a->first)
		return;
	arena_free_from(a, a->first->next);
	a->first->next = NULL;
	a->first->used = 0;
	a->top = a->first;
}

/* Doubling, so that an arena of many texts takes few blocks; 0: past the ceiling. */
static size_t
block_size(const struct ag_arena *a, size_t need)
{
	size_t cap = a->total < BLOCK_MIN ? BLOCK_MIN : a->total < BLOCK_MAX ? a->total : BLOCK_MAX;

	if (cap > a->max - a->total)
		cap = a->max - a->total;
	if (cap < need)
		cap = need;
	return cap <= a->max - a->total ? cap : 0;
}

void *
ag_arena_alloc(struct ag_arena *a, size_t n)
{
	struct ag_arena_block *b = a->top;
	size_t need;
	void *at;

	if (n > a->max)
		return NULL;
	need = (n + 15) & ~(size_t)15;
	if (!b || b->cap - b->used < need) {
		size_t cap = block_size(a, need);

		if (cap == 0)
			return NULL;
		b = malloc(sizeof(*b) + cap);
		if (!b)
			return NULL;
		*b = (struct ag_arena_block){ .cap = cap };
		if (a->top)
			a->top->next = b;
		else
			a->first = b;
		a->top = b;
		a->total += cap;
	}
	at = b->mem + b->used;
	b->used += need;
	return memset(at, 0, n);
}

struct ag_str
ag_arena_dup(struct ag_arena *a, struct ag_str s)
{
	char *at = ag_arena_alloc(a, s.n + 1);

	if (!at)
		return AG_STR_NONE;
	if (s.n > 0)
		memcpy(at, s.p, s.n);
	at[s.n] = '\0';
	return ag_str_n(at, s.n);
}
