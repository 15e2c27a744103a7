/* analytics.h - what a report is asked over: time, workspace, filters; as the start of a statement.
 *
 * Reports count attempts, the rows of the ledger: a request is its final attempt, money and tokens
 * are those of all attempts.  Where no filter needs more than the hourly roll-up knows, whole hours
 * come from there and only the ends of the time from the ledger: the sums are the same.
 * Times are half open: from time_of_generation_min, up to but not at time_of_generation_max. */
#ifndef AG_CONTROL_ANALYTICS_H
#define AG_CONTROL_ANALYTICS_H

#include "control/call.h"
#include "control/reader.h"

struct ag_report {
	struct ag_ask *ask;        /* owned until it is read */
	int64_t min_us, max_us;
	int64_t zone_s;            /* offset of the time asked from: where days begin */
	int64_t workspace_id;      /* 0: all of the organisation */
	int64_t only_person;       /* whose keys are counted; 0: all */
	int64_t width_s;           /* of a bucket */
	int64_t first, last;       /* numbers of buckets */
	bool is_raw;               /* a filter needs the ledger */
	const char *metadata_key;  /* borrowed; its value is column mkey of s */
};

/* Which workspaces. */
enum ag_report_scope { AG_REPORT_WORKSPACE, AG_REPORT_ORGANISATION /* unless the caller names one */ };

/* Reads the query, begins the statement: "with s as (...)".  may_sum: sums of requests, cost and
 * tokens by time, model, key and workspace are all that is wanted.  metadata_key NULL: none.
 * Columns of s:
 *   n bucket, requests 0 or 1 (in sums more), cost nano-USD, tin, tout tokens, family, model,
 *   api_key_id, workspace_id; from the ledger also at, code (HTTP status), is_error, latency_us,
 *   usr, provider, provider_id, cache_status, attempt, answered, trace_id, request_id, price_id,
 *   config_id, mkey.
 * < 0: answered, nothing to free. */
int ag_report_begin(struct ag_call *c, enum ag_report_scope scope, bool may_sum,
    const char *metadata_key, struct ag_report *out) AG_MUST_CHECK;

/* SQL for the amounts of the API. */
#define SQL_CENTS(nusd) "coalesce(trim_scale(round((" nusd ")::numeric / 10000000, 7)), 0)"
#define SQL_RATIO(a, b) "coalesce(trim_scale(round((" a ")::numeric / nullif((" b ")::numeric, 0), 4)), 0)"
#define SQL_MS(us)      "coalesce(trim_scale(round((" us ")::numeric / 1000, 3)), 0)"

#endif
