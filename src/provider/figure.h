/* figure.h - counts and short texts out of a scanned answer, for the readers of each protocol. */
#ifndef AG_PROVIDER_FIGURE_H
#define AG_PROVIDER_FIGURE_H

#include <stdbool.h>
#include <stdint.h>

#include "http/json_scan.h"

/* A count to believe; false when there is none.  Negative is 0, a fraction is rounded up. */
bool ag_figure_read(struct ag_str text, struct ag_json_value v, uint64_t *out);

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
