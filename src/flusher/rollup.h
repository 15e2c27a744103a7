/* rollup.h - what one batch adds to usage_hour and budget_state, summed before it is sent:
 * an upsert costs PostgreSQL some forty microseconds a group.
 *
 * Two hash tables that keep their memory from batch to batch.  Owner: the batch. */
#ifndef AG_FLUSHER_ROLLUP_H
#define AG_FLUSHER_ROLLUP_H

#include "aigated/record.h"
#include "base/buf.h"

enum { /* sums of usage_hour, in the order of AG_SQL_USAGE */
	AG_US_REQUESTS, AG_US_ATTEMPTS, AG_US_ERRORS, AG_US_UNKNOWN, AG_US_INPUT, AG_US_OUTPUT,
	AG_US_CACHE_READ, AG_US_CACHE_WRITE, AG_US_REASONING, AG_US_COST, AG_US_CHARGED,
	AG_US_LATENCY, AG_US_FIRST_BYTE, AG_US_OVERHEAD,
	AG_US_COUNT
};

enum { AG_UT_FAMILY, AG_UT_MODEL, AG_UT_TIER, AG_UT_COUNT };

struct ag_usage_group {
	int64_t hour_us;
	int64_t org_id, workspace_id, key_id, integration_id;
	uint32_t endpoint, status_class;
	uint64_t hash;
	struct { uint32_t off, len; } text[AG_UT_COUNT]; /* in the texts of the roll-up */
	int64_t sum[AG_US_COUNT];
};

struct ag_budget_group {
	int64_t meter_id, period;
	int64_t policy_id; /* 0: meter_id is a row of table meter */
	int64_t settled, requests;
};

struct ag_rollup {
	struct ag_usage_group *usage;   /* owned */
	size_t n_usage, cap_usage;
	struct ag_budget_group *budget; /* owned */
	size_t n_budget, cap_budget;
	uint32_t *usage_ix, *budget_ix; /* owned: open addressing, index + 1; twice the capacity */
	struct ag_buf texts;
};

void ag_rollup_init(struct ag_rollup *r);
void ag_rollup_fini(struct ag_rollup *r);
void ag_rollup_reset(struct ag_rollup *r);

/* -ENOMEM: nothing was added. */
int ag_rollup_add_usage(struct ag_rollup *r, const struct ag_record *rec,
    struct ag_str tier) AG_MUST_CHECK;
int ag_rollup_add_charges(struct ag_rollup *r, const struct ag_record *rec) AG_MUST_CHECK;

#endif
