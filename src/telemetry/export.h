/* export.h - spans on their way to a collector: OTLP over HTTP, as JSON, in batches.
 *
 * One request at a time.  What cannot be sent waits, up to otlp_queue; what does not fit is dropped and
 * counted, the newest first: what is told is told without holes.  A batch is tried for ten minutes. */
#ifndef AG_TELEMETRY_EXPORT_H
#define AG_TELEMETRY_EXPORT_H

#include <stdbool.h>

#include "aigated/event.h"
#include "base/attr.h"

struct ag_conf;
struct ag_export;
struct event_base;

struct ag_export *ag_export_new(struct event_base *base, const struct ag_conf *conf, uint64_t boot_id);
void ag_export_free(struct ag_export *x); /* NULL-safe; what waits is dropped, counted and told */

void ag_export_take(struct ag_export *x, const struct ag_event *e);
/* Sends what is due. */
void ag_export_tick(struct ag_export *x, int64_t now_us);
/* No more will come: what is there goes at once, and what fails now is not tried again. */
void ag_export_leave(struct ag_export *x);
bool ag_export_is_idle(const struct ag_export *x); /* nothing waits, nothing is under way */

/* Spans that an answer of the collector says it did not take; 0 when it says nothing of the kind. */
uint64_t ag_export_rejected(struct ag_str answer);

#endif
