/* span.h - events as spans of OTLP's JSON: a server span for the request, a client span for each attempt.
 *
 * Names follow OpenTelemetry's conventions for HTTP and for generative AI, as of 1.38; what they have no
 * name for stands under aigate.  Ids are those of the ledger. */
#ifndef AG_TELEMETRY_SPAN_H
#define AG_TELEMETRY_SPAN_H

#include "aigated/event.h"
#include "base/buf.h"

/* Whether it is to be exported: traced, sampled, and about a provider's endpoint. */
bool ag_span_is_wanted(const struct ag_event *e);
/* Appends the spans of a wanted event as members of an array; returns how many. */
uint32_t ag_span_put(struct ag_buf *b, const struct ag_event *e);

/* What stands before the spans of a request to the collector, and behind them. */
void ag_span_put_head(struct ag_buf *b, struct ag_str service, uint64_t boot_id);
void ag_span_put_tail(struct ag_buf *b);

#endif
