/* throttle.h - how often one caller may ask: a token bucket each, of a bounded number of callers.
 *
 * A bucket is one word, the time at which it is full again.  Where the table has no room for one more
 * caller the one whose bucket is fullest is forgotten, which costs it at most a burst. */
#ifndef AG_CONTROL_THROTTLE_H
#define AG_CONTROL_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

struct ag_throttle;

struct ag_throttle *ag_throttle_new(void);
void ag_throttle_free(struct ag_throttle *t); /* NULL-safe */

/* who: any number but 0.  per_minute 0: no limit.  false: not now, *out_wait_us until one more fits. */
bool ag_throttle_take(struct ag_throttle *t, int64_t who, uint64_t per_minute, uint64_t burst,
    int64_t now_us, int64_t *out_wait_us);
/* Until one more fits, without taking it; 0: now. */
int64_t ag_throttle_wait(const struct ag_throttle *t, int64_t who, uint64_t per_minute, uint64_t burst, int64_t now_us);

#endif
