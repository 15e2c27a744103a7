/* reconcile.h - brings meters back to the truth of the ledger.
 *
 * A process that dies inside an operation may leave a meter too high (never too low): it is marked
 * suspect, and here made exact; besides, all meters are looked at in turn, slowly.  One round:
 *   1. read `used` of up to AG_RECONCILE_BATCH meters;
 *   2. look through all in-flight slots: a meter that any of them holds waits for another round;
 *   3. note the last number every ring has given, and wait until all of those are stored:
 *      what was charged to these meters before 2. is in PostgreSQL then;
 *   4. read the settled sums from PostgreSQL;
 *   5. look through the slots again, and put the sum in place of `used` by an exchange that fails
 *      when `used` is not what it was in 1.
 * A request that begins after 2. is seen in 5., or has moved `used`.  The one interleaving that
 * slips through (two requests that swap equal holds during 5.) is mended by the next round. */
#ifndef AG_FLUSHER_RECONCILE_H
#define AG_FLUSHER_RECONCILE_H

#include <stdbool.h>

#include "flusher/store.h"
#include "flusher/stream.h"
#include "shm/segment.h"

#define AG_RECONCILE_BATCH 128u

struct ag_reconcile;

struct ag_reconcile *ag_reconcile_new(struct ag_shm *shm, struct ag_streams *streams);
void ag_reconcile_free(struct ag_reconcile *r);

/* Once a second, while PostgreSQL answers and nothing waits in the journal: goes as far as it can
 * without waiting.  May ask the store: must be the last thing its caller does. */
void ag_reconcile_tick(struct ag_reconcile *r, struct ag_store *store);
/* The answer to its question; settled NULL: none came. */
void ag_reconcile_on_truth(struct ag_reconcile *r, const int64_t *settled, size_t n);

#endif
