/* tally.h - what the simulator saw: counters, the log of requests, the last request verbatim.
 * Single process, single thread: plain words. */
#ifndef AG_MOCK_TALLY_H
#define AG_MOCK_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

#define MOCK_LOG_MAX    100000u
#define MOCK_MODELS_MAX 1024u

/* field, what it counts.  The first group is zeroed by a reset, the gauges are not. */
#define MOCK_COUNTERS(X)                                                                           \
	X(connections)           /* that carried at least one provider request */                  \
	X(requests)              /* provider requests read completely, or refused half-way */      \
	X(refused)               /* by the checks: never answered with 2xx */                      \
	X(accepted)              /* passed the checks and a 2xx was begun */                       \
	X(answered)              /* ... and finished completely */                                 \
	X(errors)                /* scripted error answers sent completely */                      \
	X(broken)                /* broken off by script: close, cut, reset */                     \
	X(cancelled)             /* the client left before the answer was complete */              \
	X(streams)               /* of accepted: answered by a stream */                           \
	X(streams_without_usage) /* of streams: did not ask for include_usage */                   \
	X(strict_violations)     /* what no gateway may send */                                    \
	X(prompt_tokens)         /* sums of the usage that was sent */                             \
	X(completion_tokens)                                                                       \
	X(max_inflight)
#define MOCK_GAUGES(X)                                                                             \
	X(inflight)         /* requests being answered */                                          \
	X(waiting)          /* of them: until a release */                                         \
	X(open_connections) /* that carried a provider request */

struct mock_log_entry {
	uint64_t n; /* from 1, in the order of arrival */
	int64_t t_us, done_us;
	int64_t prompt_tokens, completion_tokens, max_tokens;
	uint64_t body_bytes;
	int32_t status;      /* 0: no answer begun */
	int32_t chunks_sent; /* content chunks of a stream */
	bool stream, is_completed, is_usage_sent;
	const char *outcome; /* open answered error broken cancelled; static */
	char model[96], path[64], id[48], client_request_id[64], request_id[64], key_hint[8];
};

struct mock_model_count {
	char name[96];
	uint64_t n;
};

struct mock_tally {
#define X(field) uint64_t field;
	MOCK_COUNTERS(X)
	MOCK_GAUGES(X)
#undef X
	char last_violation[160];
	struct mock_log_entry *log;     /* owned ring; NULL: log is off */
	uint64_t log_n;                 /* entries ever written since the reset */
	uint32_t epoch;                 /* moves at a reset: older log numbers are void */
	struct mock_model_count *model; /* owned, open addressing */
	struct ag_buf last_head, last_body;
};

int mock_tally_init(struct mock_tally *t, bool has_log) AG_MUST_CHECK;
void mock_tally_fini(struct mock_tally *t);
void mock_tally_reset(struct mock_tally *t);

void mock_tally_violation(struct mock_tally *t, const char *why);
void mock_tally_inflight(struct mock_tally *t, int by);
void mock_tally_model(struct mock_tally *t, struct ag_str model);
void mock_tally_last(struct mock_tally *t, struct ag_str head, struct ag_str body);

/* A new entry, or NULL when the log is off. */
struct mock_log_entry *mock_tally_log(struct mock_tally *t);
/* The entry if it is still there. */
struct mock_log_entry *mock_tally_entry(struct mock_tally *t, uint64_t n, uint32_t epoch);

void mock_tally_put_stats(const struct mock_tally *t, struct ag_buf *out);
void mock_tally_put_log(const struct mock_tally *t, uint64_t since, struct ag_buf *out);
void mock_tally_put_last(const struct mock_tally *t, struct ag_buf *out);

#endif
