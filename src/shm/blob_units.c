#include "shm/blob_units.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define ORDERS 6u /* runs of 1 << 0 .. 1 << 5 units */
#define FULL   ORDERS
#define NONE   UINT32_MAX

struct block {
	uint32_t used; /* bit = unit in use */
	uint32_t prev, next; /* in the list of its order; NONE ends */
};

struct ag_blob_units {
	uint32_t n_blocks;
	uint32_t first[ORDERS]; /* blocks whose longest free run is 1 << order */
	struct block *blocks;   /* owned */
};

static uint32_t
order_of(uint32_t bytes)
{
	uint32_t units = (bytes + AG_BLOB_UNIT - 1) / AG_BLOB_UNIT, order = 0;

	assert(units <= AG_BLOB_RUN_MAX);
	while ((1u << order) < units)
		order++;
	return order;
}

static uint32_t
run_mask(uint32_t order, uint32_t at)
{
	uint32_t run = order == 5 ? UINT32_MAX : (1u << (1u << order)) - 1;

	return run << at;
}

/* Position of a free aligned run of that order, or NONE. */
static uint32_t
find_run(uint32_t used, uint32_t order)
{
	for (uint32_t at = 0; at < 32; at += 1u << order)
		if ((used & run_mask(order, at)) == 0)
			return at;
	return NONE;
}

static uint32_t
longest_run(uint32_t used)
{
	for (uint32_t order = ORDERS; order-- > 0;)
		if (find_run(used, order) != NONE)
			return order;
	return FULL;
}

static void
block_unlink(struct ag_blob_units *b, uint32_t ix, uint32_t order)
{
	struct block *k = &b->blocks[ix];

	if (order == FULL)
		return;
	if (k->prev == NONE)
		b->first[order] = k->next;
	else
		b->blocks[k->prev].next = k->next;
	if (k->next != NONE)
		b->blocks[k->next].prev = k->prev;
}

static void
block_link(struct ag_blob_units *b, uint32_t ix, uint32_t order)
{
	struct block *k = &b->blocks[ix];

	if (order == FULL)
		return;
	k->prev = NONE;
	k->next = b->first[order];
	if (k->next != NONE)
		b->blocks[k->next].prev = ix;
	b->first[order] = ix;
}

static void
block_set(struct ag_blob_units *b, uint32_t ix, uint32_t used)
{
	uint32_t before = longest_run(b->blocks[ix].used), after = longest_run(used);

	b->blocks[ix].used = used;
	if (before != after) {
		block_unlink(b, ix, before);
		block_link(b, ix, after);
	}
}

struct ag_blob_units *
ag_blob_units_new(uint32_t units)
{
	struct ag_blob_units *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->n_blocks = units / AG_BLOB_RUN_MAX;
	b->blocks = calloc(b->n_blocks ? b->n_blocks : 1, sizeof(*b->blocks));
	if (!b->blocks) {
		ag_blob_units_free(b);
		return NULL;
	}
	for (uint32_t order = 0; order < ORDERS; order++)
		b->first[order] = NONE;
	for (uint32_t ix = b->n_blocks; ix-- > 0;)
		block_link(b, ix, ORDERS - 1);
	return b;
}

void
ag_blob_units_free(struct ag_blob_units *b)
{
	if (!b)
		return;
	free(b->blocks);
	free(b);
}

int
ag_blob_units_take(struct ag_blob_units *b, uint32_t bytes, uint32_t *out_unit)
{
	uint32_t order = order_of(bytes);

	/* The tightest block first, so that long runs last. */
	for (uint32_t have = order; have < ORDERS; have++) {
		uint32_t ix = b->first[have], at;

		if (ix == NONE)
			continue;
		at = find_run(b->blocks[ix].used, order);
		assert(at != NONE);
		block_set(b, ix, b->blocks[ix].used | run_mask(order, at));
		*out_unit = ix * AG_BLOB_RUN_MAX + at;
		return 0;
	}
	return -ENOSPC;
}

void
ag_blob_units_give(struct ag_blob_units *b, uint32_t unit, uint32_t bytes)
{
	uint32_t ix = unit / AG_BLOB_RUN_MAX;
	uint32_t mask = run_mask(order_of(bytes), unit % AG_BLOB_RUN_MAX);

	assert(ix < b->n_blocks && (b->blocks[ix].used & mask) == mask);
	block_set(b, ix, b->blocks[ix].used & ~mask);
}

bool
ag_blob_units_claim(struct ag_blob_units *b, uint32_t unit, uint32_t bytes)
{
	uint32_t ix = unit / AG_BLOB_RUN_MAX, at = unit % AG_BLOB_RUN_MAX, order, mask;

	if (bytes == 0 || bytes > AG_BLOB_BYTES_MAX || ix >= b->n_blocks)
		return false;
	order = order_of(bytes);
	mask = run_mask(order, at);
	if (at % (1u << order) != 0 || (b->blocks[ix].used & mask) != 0)
		return false;
	block_set(b, ix, b->blocks[ix].used | mask);
	return true;
}
