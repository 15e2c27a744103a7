/* flusher.h - the state of the flusher process, shared by its files and by nobody else.
 *
 * Where records are: rings -> (direct) PostgreSQL, while the journal is empty;
 *                    rings -> journal -> PostgreSQL, in order, while it holds anything.
 * A ring is released only when its records are written to the journal, or committed.
 *
 * Threads: all of this is the main thread's.  The other (syncer.h) knows descriptors only. */
#ifndef AG_FLUSHER_FLUSHER_H
#define AG_FLUSHER_FLUSHER_H

#include <event2/event.h>

#include "aigated/role.h"
#include "conf/conf.h"
#include "flusher/batch.h"
#include "flusher/journal.h"
#include "flusher/store.h"
#include "shm/ring.h"
#include "shm/segment.h"

#define AG_MARKS 32u

/* The heads of all rings as seen at some moment: when every tail has passed them, nothing of that
 * moment or before waits in a ring. */
struct ag_mark {
	int64_t since_us; /* everything behind the mark before came later than this */
	int64_t head[AG_WORKERS_MAX];
};

struct ag_intake {
	struct ag_shm *shm;          /* borrowed */
	struct ag_journal *journal;  /* borrowed: flusher */
	struct ag_streams *streams;  /* borrowed: flusher */
	uint64_t boot_id;
	struct ag_ring ring[AG_WORKERS_MAX];
	uint32_t n_rings, first_ring; /* first_ring: whose turn it is to come first in a batch */
	struct ag_mark marks[AG_MARKS];
	uint32_t mark_first, n_marks;
	int64_t looked_at_us;        /* monotonic: all that stood in the rings then is marked */
	bool has_journal_failed;     /* writing it, since the last success */
	bool has_sync_failed;        /* syncing it, since the last success */
	bool is_syncing;             /* a sync was begun, and nobody has seen its end */
	int64_t journal_again_at_us; /* not before, after a failure */
};

void ag_intake_init(struct ag_intake *in, struct ag_shm *shm, struct ag_journal *journal,
    struct ag_streams *streams, int64_t now_us);
bool ag_intake_is_pending(const struct ag_intake *in);
uint64_t ag_intake_pending_bytes(const struct ag_intake *in);
/* Looks at the heads; since when the oldest record waits, at most (0: none does). */
int64_t ag_intake_look(struct ag_intake *in, int64_t now_us);
/* Everything in the rings written to the journal, and the rings released: what does not fit stays
 * where it is.  Begins a sync, unless one is under way.  -errno of the journal. */
int ag_intake_to_journal(struct ag_intake *in, int64_t now_us) AG_MUST_CHECK;
/* Takes note of a sync that has ended and begins the next if something waits for it. */
int ag_intake_sync(struct ag_intake *in, int64_t now_us) AG_MUST_CHECK;
/* Leaving: whether all is synced.  A sync under way is waited for as long as the disk takes; true
 * all the same, and an error in the log, when it is late and syncs fail. */
bool ag_intake_is_synced(struct ag_intake *in, bool is_late);
/* A sync failed and it is time to write again what it left: ag_intake_to_journal() does. */
bool ag_intake_owes_write(const struct ag_intake *in, int64_t now_us);
/* Counters, and a word in the log when the disk is much behind what journal_sync promises. */
void ag_intake_note_lag(const struct ag_intake *in, int64_t journal_sync_us, int64_t now_us);
/* False: out of memory. */
bool ag_intake_fill_from_rings(struct ag_intake *in, struct ag_batch *b) AG_MUST_CHECK;
/* From *pos on. -errno: the journal could not be read. */
int ag_intake_fill_from_journal(struct ag_intake *in, struct ag_batch *b,
    struct ag_journal_pos pos) AG_MUST_CHECK;
/* The records a batch took from the rings are safe. */
void ag_intake_release(struct ag_intake *in, const struct ag_batch *b);
/* Publishes how far each stream of this segment is stored. */
void ag_intake_publish_stored(struct ag_intake *in);
/* Fullest ring, in per cent. */
unsigned ag_intake_fill_percent(const struct ag_intake *in);

struct ag_bodies_out;
struct ag_reconcile;
struct ag_retention;

struct ag_flusher {
	struct ag_role_ctx *ctx;     /* borrowed */
	struct event_base *base;     /* owned */
	struct ag_store *store;      /* owned */
	struct ag_journal *journal;  /* owned */
	struct ag_reconcile *reconcile; /* owned */
	struct ag_retention *retention, *body_retention; /* owned */
	struct ag_bodies_out *bodies; /* owned */
	struct ag_streams streams;
	struct ag_batch batch;
	struct ag_intake intake;

	bool is_in_flight;           /* batch is at the store */
	bool was_ready;              /* positions were read at least once */
	struct ag_journal_pos replayed; /* the journal before it is stored */
	struct ag_journal_pos old_end;  /* the end of what earlier processes left */
	int64_t flush_at_us;         /* monotonic: next flush */
	int64_t retry_at_us;         /* monotonic: no batch before, after a failure */
	int64_t down_since_us;       /* monotonic, 0 = PostgreSQL answers */

	struct event *ev_tick, *ev_second, *ev_synced, *ev_life, *ev_signal[5]; /* owned */
	int64_t partitions_at_us, retention_at_us, body_retention_at_us; /* monotonic */
	bool is_leaving, is_orphaned, must_leave_now;
	int64_t leave_by_us;         /* monotonic */
	int exit_status;
};

#endif
