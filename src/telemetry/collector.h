/* collector.h - the HTTP side of an export: one request at a time to one collector, on a kept
 * connection; what its answer means. */
#ifndef AG_TELEMETRY_COLLECTOR_H
#define AG_TELEMETRY_COLLECTOR_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct ag_conf;
struct ag_collector;
struct event_base;

enum ag_collected {
	AG_COLLECTED,       /* taken, but for what the answer says */
	AG_COLLECT_LATER,   /* worth another try */
	AG_COLLECT_REFUSED, /* never will be */
};

struct ag_collect_result {
	enum ag_collected what;
	struct ag_str answer;     /* body; borrowed during the call */
	int64_t retry_after_us;   /* 0: it does not say */
	const char *why;          /* unless AG_COLLECTED; borrowed during the call */
};

typedef void (*ag_collector_done)(void *arg, const struct ag_collect_result *r);

struct ag_collector *ag_collector_new(struct event_base *base, const struct ag_conf *conf,
    ag_collector_done done, void *arg); /* NULL: no memory */
void ag_collector_free(struct ag_collector *c); /* NULL-safe; a request under way is forgotten */
/* body stays where it is until done is called, which is never from within.  -errno and err: the
 * headers file cannot be used, or there is no memory. */
int ag_collector_post(struct ag_collector *c, struct ag_str body, struct ag_err *err) AG_MUST_CHECK;

#endif
