/* backoff.h - how long to wait before a dead child is started again.
 * Pure: times are passed in.  One owner: the child's row in the master. */
#ifndef AG_MASTER_BACKOFF_H
#define AG_MASTER_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#define AG_BACKOFF_FIRST_US  INT64_C(100000)
#define AG_BACKOFF_MAX_US    INT64_C(10000000)
#define AG_BACKOFF_EARLY_US  INT64_C(5000000)  /* died before: an early death */
#define AG_BACKOFF_STABLE_US INT64_C(60000000) /* lived so long: all is forgiven */

struct ag_backoff {
	uint32_t early_deaths; /* in a row */
};

/* The delay before the next start.  The first early death costs nothing, the second 100 ms, then
 * twice that each time up to 10 s.  Never having served is an early death at any age. */
int64_t ag_backoff_next(struct ag_backoff *b, int64_t lived_us, bool has_served);

#endif
