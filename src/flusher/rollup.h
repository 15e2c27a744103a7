/* rollup.h - what one batch adds to the hourly roll-ups and to budget_state, summed before it is
 * sent: an upsert costs PostgreSQL some forty microseconds a group.
 *
 * A hash table for each, that keeps its memory from batch to batch.  Owner: the batch. */
#ifndef AG_FLUSHER_ROLLUP_H
#define AG_FLUSHER_ROLLUP_H

#include "aigated/record.h"
#include "base/buf.h"
#include "flusher/meta.h"

/* Tables of groups by hour; each is a row of shapes[] in rollup.c and a statement in sql.h. */
enum ag_rollup_table { AG_RT_USAGE, AG_RT_ERROR, AG_RT_LATENCY, AG_RT_METADATA, AG_RT_COUNT };

enum { /* sums of usage_hour, in the order of AG_SQL_USAGE */
	AG_US_REQUESTS, AG_US_ATTEMPTS, AG_US_ERRORS, AG_US_UNKNOWN, AG_US_ESTIMATED, AG_US_INPUT,
	AG_US_OUTPUT, AG_US_CACHE_READ, AG_US_CACHE_WRITE, AG_US_REASONING, AG_US_COST,
	AG_US_CHARGED, AG_US_UNKNOWN_NUSD, AG_US_PROVIDER_COST, AG_US_HELD, AG_US_LATENCY,
	AG_US_FIRST_BYTE, AG_US_OVERHEAD, AG_US_CACHE_HITS, AG_US_REQUEST_BYTES,
	AG_US_RESPONSE_BYTES,
	AG_US_COUNT
};

#define AG_GROUP_DIMS  7u
#define AG_GROUP_TEXTS 4u
#define AG_GROUP_SUMS  ((unsigned)AG_US_COUNT)

/* What stands in the columns of a group: numbers first, then texts, then sums. */
struct ag_group_shape {
	const char *dims;  /* a letter each: t time, 8 bigint, 4 int, 2 smallint; the first is the hour */
	unsigned n_dims, n_texts;
	const char *sums;  /* the same; t is the greatest, not the sum */
};

struct ag_group {
	uint64_t hash;
	int64_t dim[AG_GROUP_DIMS];
	struct { uint32_t off, len; } text[AG_GROUP_TEXTS]; /* in the texts of the roll-up */
	int64_t sum[AG_GROUP_SUMS];
};

struct ag_groups {
	struct ag_group *at;  /* owned */
	size_t n, cap;
	uint32_t *ix;         /* owned: open addressing, index + 1; twice the capacity */
};

struct ag_budget_group {
	int64_t meter_id, period;
	int64_t policy_id; /* 0: meter_id is a row of table meter */
	int64_t settled, requests;
};

struct ag_rollup {
	struct ag_groups groups[AG_RT_COUNT];
	struct ag_budget_group *budget; /* owned */
	size_t n_budget, cap_budget;
	uint32_t *budget_ix;            /* owned: as ix of ag_groups */
	struct ag_buf texts;
};

extern const struct ag_group_shape ag_group_shapes[AG_RT_COUNT];

void ag_rollup_init(struct ag_rollup *r);
void ag_rollup_fini(struct ag_rollup *r);
void ag_rollup_reset(struct ag_rollup *r);

/* -ENOMEM: some of it may have been added. */
int ag_rollup_add_usage(struct ag_rollup *r, const struct ag_record *rec,
    const struct ag_meta *meta) AG_MUST_CHECK;
int ag_rollup_add_charges(struct ag_rollup *r, const struct ag_record *rec) AG_MUST_CHECK;

/* Bucket of latency_hour that a duration falls in; aigate.latency_bucket_us() is its inverse. */
unsigned ag_latency_bucket(uint64_t us);

#endif
