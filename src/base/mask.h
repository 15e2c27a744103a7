/* mask.h - what may be shown of a secret. */
#ifndef AG_BASE_MASK_H
#define AG_BASE_MASK_H

#include <stdio.h>

#include "base/str.h"

#define AG_MASK_LEN 16

/* "ab*****xyz"; of short secrets the stars only. */
static inline void
ag_secret_mask(struct ag_str s, char out[AG_MASK_LEN])
{
	if (s.n < 12)
		snprintf(out, AG_MASK_LEN, "*****");
	else
		snprintf(out, AG_MASK_LEN, "%.2s*****%.3s", s.p, s.p + s.n - 3);
}

#endif
