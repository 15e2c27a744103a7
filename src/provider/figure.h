/* figure.h - counts and short texts out of a scanned answer, for the readers of each protocol. */
#ifndef AG_PROVIDER_FIGURE_H
#define AG_PROVIDER_FIGURE_H

#include <stdbool.h>
#include <stdint.h>

#include "http/json_scan.h"

/* A scan for names that are no static table, away from the hot path. */
static inline int
ag_figure_scan(struct ag_str text, const struct ag_str *names, size_t n, struct ag_json_value *out,
    struct ag_json_fault *fault)
{
	struct ag_json_fields fields = { .name = names, .n = n };

	return ag_json_scan(text, &fields, out, fault);
}

/* A count to believe; false when there is none.  Negative is 0, a fraction is rounded up. */
bool ag_figure_read(struct ag_str text, struct ag_json_value v, uint64_t *out);

/* Something stands there and it is no count: half of such a report is no report. */
static inline bool
ag_figure_is_absurd(struct ag_str text, struct ag_json_value v)
{
	uint64_t n;

	return v.type != AG_JSON_ABSENT && v.type != AG_JSON_NULL && !ag_figure_read(text, v, &n);
}

static inline uint64_t
ag_figure_or(struct ag_str text, struct ag_json_value v, uint64_t otherwise)
{
	uint64_t n;

	return ag_figure_read(text, v, &n) ? n : otherwise;
}

/* A string without escapes, cut to fit; nothing otherwise. */
void ag_figure_text(struct ag_str text, struct ag_json_value v, char *out, size_t cap);

/* The string's bytes without its quotes, as they stand; n 0: it is none. */
struct ag_str ag_figure_inside(struct ag_str text, struct ag_json_value v);

#endif
