/* metrics.h - what Prometheus scrapes: GET /metrics on the listener of metrics_listen.
 *
 * Text exposition format 0.0.4.  Counters and histograms are read from shared memory at each scrape;
 * the fullest budgets come from a walk over the meter table, some slots a tick, so that no scrape
 * waits for a million meters.  PostgreSQL is asked once a walk, for the names of those few. */
#ifndef AG_CONTROL_METRICS_H
#define AG_CONTROL_METRICS_H

#include "control/control.h"

struct ag_metrics;

/* NULL without memory.  Without a listener (fd < 0) it does nothing. */
struct ag_metrics *ag_metrics_start(struct ag_control *ctl, int fd);
void ag_metrics_free(struct ag_metrics *m);
/* Once a second. */
void ag_metrics_tick(struct ag_metrics *m);

#endif
