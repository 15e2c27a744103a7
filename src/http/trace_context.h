/* trace_context.h - the headers traceparent and tracestate, as W3C Trace Context has them.
 *
 * Ids stay what they are on the wire: lower-case hexadecimal, not all zeros. */
#ifndef AG_HTTP_TRACE_CONTEXT_H
#define AG_HTTP_TRACE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define AG_TRACE_ID_LEN    32u
#define AG_SPAN_ID_LEN     16u
#define AG_TRACE_STATE_MAX 512u /* what has to be passed on at least */

enum ag_trace_flags {
	AG_TRACE_SAMPLED = 1,
	AG_TRACE_RANDOM = 2, /* the last seven bytes of the trace id are random */
};

struct ag_trace_parent {
	struct ag_str trace_id, parent_id; /* borrowed: the header's value */
	uint8_t flags;                     /* enum ag_trace_flags; what others there are is left out */
};

/* false: it names no trace, and is to be treated as if it were not there. */
bool ag_trace_parent_parse(struct ag_str value, struct ag_trace_parent *out);
/* Appends the value: version 00. */
void ag_trace_parent_put(struct ag_buf *b, const struct ag_trace_parent *p);

/* Whether the members of a tracestate (several headers: joined by commas) are what they may be. */
bool ag_trace_state_is_valid(struct ag_str value);

void ag_trace_hex(const uint8_t *id, size_t n, char *out); /* 2 * n digits, no NUL */
bool ag_span_id_is_valid(struct ag_str text); /* 16 digits in lower case, not all zero */
/* A UUID, or 32 hexadecimal digits, of any case, that may serve as a trace id. */
bool ag_trace_id_of(struct ag_str text, char out[AG_TRACE_ID_LEN]);

#endif
