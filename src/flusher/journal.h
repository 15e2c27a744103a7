/* journal.h - ledger records on disk while PostgreSQL is slow or away.
 *
 * Append-only segments in one directory, "<number>.journal", each a header and then entries
 * {magic, length, CRC-32C, segment, boot id, record}.  Owner: the flusher, alone (flock on "lock").
 *
 * Append collects in memory; write hands it to the kernel, where it outlives this process; sync
 * makes a power cut leave it.  What was appended is the journal's when write returned 0, and gone
 * altogether when it failed.  Reading follows the order of appending and sees what is the
 * journal's.  Segments go whole, when all of them is stored; the file of one is kept, as "spare",
 * and becomes the next segment.
 *
 * A sync that fails costs nothing: copies of what was not synced are kept in memory, and the next
 * write puts them into new segments.  The copies have a ceiling; a disk that is further behind
 * takes no more.
 *
 * With a syncer (syncer.h) syncs and deletions are a thread's and nothing here waits for them;
 * without, ag_journal_sync_start() returns when it is done.
 *
 * Fails with -ENOSPC (ceiling reached, or disk full), -EAGAIN (the disk is too far behind) and
 * other -errno of the file system. */
#ifndef AG_FLUSHER_JOURNAL_H
#define AG_FLUSHER_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "aigated/record.h"
#include "base/err.h"

#define AG_JOURNAL_SEGMENT_BYTES (UINT64_C(64) << 20)

struct ag_journal;

/* A place between two entries. */
struct ag_journal_pos {
	uint64_t segment;
	uint64_t off;
};

struct ag_journal_entry {
	uint64_t boot_id;
	const struct ag_record *rec; /* borrowed: valid until the next read */
};

/* Opens or creates dir, drops the torn tail of the newest segment with a warning.  -EBUSY: another
 * process has it.  segment_bytes is lowered when max_bytes is small. */
int ag_journal_open(const char *dir, uint64_t segment_bytes, uint64_t max_bytes,
    struct ag_journal **out, struct ag_err *err) AG_MUST_CHECK;
void ag_journal_free(struct ag_journal *j); /* what was not written is given up; waits for the syncer */
void ag_journal_set_max(struct ag_journal *j, uint64_t max_bytes);

/* Syncs and deletions in a thread from now on.  -errno: as before. */
int ag_journal_start_syncer(struct ag_journal *j) AG_MUST_CHECK;
/* Of copies of what is not synced; one chunk at least. */
void ag_journal_set_max_unsynced(struct ag_journal *j, uint64_t bytes);

/* -ENOSPC, -EAGAIN: a ceiling; nothing was appended, what was before still stands. */
int ag_journal_append(struct ag_journal *j, uint64_t boot_id,
    const struct ag_record *rec) AG_MUST_CHECK;
/* On failure all that was appended since the last good write is gone.  Also writes again what a
 * failed sync may have lost, of which nothing goes. */
int ag_journal_write(struct ag_journal *j) AG_MUST_CHECK;
bool ag_journal_owes_write(const struct ag_journal *j); /* a sync has failed since */

/* Begins to sync what is written, unless a sync is under way. */
int ag_journal_sync_start(struct ag_journal *j) AG_MUST_CHECK;
/* What came of it: 1 under way, 0 none is (any more), -errno it failed. */
int ag_journal_sync_look(struct ag_journal *j) AG_MUST_CHECK;
int ag_journal_sync_event_fd(const struct ag_journal *j); /* then it is worth a look; -1 without syncer */
/* All that was appended: written, synced, waited for. */
int ag_journal_sync(struct ag_journal *j) AG_MUST_CHECK;
uint64_t ag_journal_unsynced_bytes(const struct ag_journal *j);
/* Since when (monotonic) something has been waiting for a sync, 0: nothing is. */
int64_t ag_journal_unsynced_since_us(const struct ag_journal *j);

uint64_t ag_journal_bytes(const struct ag_journal *j); /* with what is to be written */
struct ag_journal_pos ag_journal_first(const struct ag_journal *j);
struct ag_journal_pos ag_journal_end(const struct ag_journal *j);
bool ag_journal_pos_is_before(struct ag_journal_pos a, struct ag_journal_pos b);

/* The entry at *pos, which moves behind it: 1, 0 at the end, -errno when it could not be read.
 * Damaged stretches are skipped and reported. */
int ag_journal_read(struct ag_journal *j, struct ag_journal_pos *pos,
    struct ag_journal_entry *out) AG_MUST_CHECK;

/* Everything before pos is stored: segments that end there go, synced or not, but for the one that
 * is being synced; one of which something had to be
 * skipped is kept as "<number>.journal.damaged". */
void ag_journal_trim(struct ag_journal *j, struct ag_journal_pos pos);

/* ---- from outside (journal_look.c) ---- */

struct ag_journal_segment {
	uint64_t number, bytes;
	int64_t created_at_us;  /* wall */
	bool has_header;        /* it begins as a segment should */
	bool is_damaged;        /* of what was read so far */
};

/* To read and list only, beside whoever owns it. */
int ag_journal_open_to_look(const char *dir, struct ag_journal **out,
    struct ag_err *err) AG_MUST_CHECK;
bool ag_journal_is_in_use(const struct ag_journal *j);
size_t ag_journal_segments(const struct ag_journal *j);
int ag_journal_segment_at(struct ag_journal *j, size_t i,
    struct ag_journal_segment *out) AG_MUST_CHECK;
/* Stretches that reading had to skip so far, and their bytes. */
void ag_journal_damage(const struct ag_journal *j, unsigned *out_places, uint64_t *out_bytes);

#endif
