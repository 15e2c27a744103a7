/* replay.h - stores a journal in PostgreSQL without a daemon, exactly once: positions move in the
 * transaction that stores, as ever, so that what the daemon has stored is skipped.
 *
 * Takes the lock of the journal: -EBUSY while a flusher runs.  Segments go when they are stored; a
 * replay that fails or is killed goes on from where it was.  Blocks until it is done; gives up when
 * PostgreSQL has not stored anything for half a minute. */
#ifndef AG_FLUSHER_REPLAY_H
#define AG_FLUSHER_REPLAY_H

#include <stdint.h>

#include "base/err.h"

struct ag_replay_opts {
	const char *dir, *conninfo;
	uint64_t max_bytes;          /* ceiling of the journal, as configured */
	uint32_t batch;              /* most records in one transaction */
	const char *metadata;        /* keys of metadata_hour */
	const char *partition_unit;  /* "month", "day" */
};

struct ag_replay_report {
	uint64_t stored, quarantined, missing;
	uint64_t bytes_before, bytes_after;
};

int ag_replay(const struct ag_replay_opts *opts, struct ag_replay_report *out,
    struct ag_err *err) AG_MUST_CHECK;

#endif
