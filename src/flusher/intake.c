/* Out of the rings: into a batch, or into the journal. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "flusher/flusher.h"
#include "shm/counters.h"

#define JOURNAL_AGAIN_US (500 * AG_US_PER_MS)
#define LATE_SYNCS       10 /* this many times journal_sync is late */
#define LATE_LEAST_US    AG_US_PER_SEC
#define UNSYNCED_RINGS   UINT64_C(4)
#define UNSYNCED_LEAST   (UINT64_C(64) << 20)
#define UNSYNCED_MOST    (UINT64_C(512) << 20)

static uint64_t
ring_tail(const struct ag_intake *in, uint32_t w)
{
	return (uint64_t)ag_a64_get(&in->ring[w].hdr->tail); /* the flusher is its only writer */
}

static uint64_t
ring_head(const struct ag_intake *in, uint32_t w)
{
	return (uint64_t)ag_a64_observe(&in->ring[w].hdr->head);
}

/* While the disk is behind the kernel: several times what the rings hold, within reason. */
static uint64_t
unsynced_max(const struct ag_shm *shm)
{
	uint64_t bytes = UNSYNCED_RINGS * shm->hdr->sizes.ring_bytes * shm->hdr->sizes.workers;

	bytes = bytes > UNSYNCED_LEAST ? bytes : UNSYNCED_LEAST;
	return bytes < UNSYNCED_MOST ? bytes : UNSYNCED_MOST;
}

void
ag_intake_init(struct ag_intake *in, struct ag_shm *shm, struct ag_journal *journal,
    struct ag_streams *streams, int64_t now_us)
{
	memset(in, 0, sizeof(*in));
	in->shm = shm;
	in->journal = journal;
	in->streams = streams;
	in->boot_id = shm->hdr->boot_id;
	in->n_rings = shm->hdr->sizes.workers;
	ag_journal_set_max_unsynced(journal, unsynced_max(shm));
	assert(in->n_rings <= AG_WORKERS_MAX);
	for (uint32_t w = 0; w < in->n_rings; w++)
		in->ring[w] = ag_ring_of(shm, w);
	/* What stands in the rings already may be as old as the last life of this process. */
	in->looked_at_us = now_us;
}

uint64_t
ag_intake_pending_bytes(const struct ag_intake *in)
{
	uint64_t bytes = 0;

	for (uint32_t w = 0; w < in->n_rings; w++)
		bytes += ring_head(in, w) - ring_tail(in, w);
	return bytes;
}

bool
ag_intake_is_pending(const struct ag_intake *in)
{
	return ag_intake_pending_bytes(in) > 0;
}

unsigned
ag_intake_fill_percent(const struct ag_intake *in)
{
	uint64_t most = 0;

	for (uint32_t w = 0; w < in->n_rings; w++) {
		uint64_t used = ring_head(in, w) - ring_tail(in, w);

		most = used > most ? used : most;
	}
	return (unsigned)(most * 100 / in->shm->hdr->sizes.ring_bytes);
}

/* ---- marks -------------------------------------------------------------------------------- */

static bool
mark_is_passed(const struct ag_intake *in, const struct ag_mark *m)
{
	for (uint32_t w = 0; w < in->n_rings; w++) {
		if ((int64_t)ring_tail(in, w) < m->head[w])
			return false;
	}
	return true;
}

int64_t
ag_intake_look(struct ag_intake *in, int64_t now_us)
{
	struct ag_mark m = { .since_us = in->looked_at_us };
	const struct ag_mark *last;
	bool is_new = false;

	while (in->n_marks && mark_is_passed(in, &in->marks[in->mark_first])) {
		in->mark_first = (in->mark_first + 1) % AG_MARKS;
		in->n_marks--;
	}
	last = in->n_marks ? &in->marks[(in->mark_first + in->n_marks - 1) % AG_MARKS] : NULL;
	for (uint32_t w = 0; w < in->n_rings; w++) {
		m.head[w] = (int64_t)ring_head(in, w);
		if (m.head[w] != (last ? last->head[w] : (int64_t)ring_tail(in, w)))
			is_new = true;
	}
	/* No room for a mark: the next one will speak for this moment too. */
	if (is_new && in->n_marks == AG_MARKS)
		return in->marks[in->mark_first].since_us;
	if (is_new)
		in->marks[(in->mark_first + in->n_marks++) % AG_MARKS] = m;
	in->looked_at_us = now_us;
	return in->n_marks ? in->marks[in->mark_first].since_us : 0;
}

/* ---- records ------------------------------------------------------------------------------ */

/* The next record of ring w behind *cursor, corrupt stretches left out. */
static const struct ag_record *
ring_next(struct ag_intake *in, uint32_t w, uint64_t *cursor)
{
	bool is_corrupt = false;
	const struct ag_record *rec = ag_ring_peek(&in->ring[w], cursor, &is_corrupt);

	if (!is_corrupt)
		return rec;
	/* Its numbers turn up as a gap with the next record. */
	ag_error("usage ring of worker %u is corrupt at %llu, going on at its head", w,
	    (unsigned long long)*cursor);
	*cursor = ring_head(in, w);
	return NULL;
}

void
ag_intake_publish_stored(struct ag_intake *in)
{
	for (uint32_t w = 0; w < in->n_rings; w++) {
		const struct ag_stream *s = ag_streams_get(in->streams, in->boot_id, w);

		if (s && ag_a64_get(&in->ring[w].hdr->stored_seq) < (int64_t)s->stored)
			ag_a64_publish(&in->ring[w].hdr->stored_seq, (int64_t)s->stored);
	}
}

static void
ring_release(struct ag_intake *in, uint32_t w, uint64_t cursor, uint64_t safe_seq)
{
	uint64_t safe = (uint64_t)ag_a64_get(&in->ring[w].hdr->safe_seq);

	/* A batch may come back after the watchdog has released its records. */
	if (cursor > ring_tail(in, w))
		ag_ring_release(&in->ring[w], cursor, safe_seq > safe ? safe_seq : safe);
}

void
ag_intake_release(struct ag_intake *in, const struct ag_batch *b)
{
	assert(!b->is_from_journal);
	for (uint32_t w = 0; w < in->n_rings; w++) {
		const struct ag_stream *s = ag_streams_get(in->streams, in->boot_id, w);

		ring_release(in, w, b->ring_cursor[w], s ? s->stored : 0);
	}
}

bool
ag_intake_fill_from_rings(struct ag_intake *in, struct ag_batch *b)
{
	ag_batch_reset(b);
	b->is_from_journal = false;
	for (uint32_t i = 0; i < in->n_rings; i++) {
		uint32_t w = (in->first_ring + i) % in->n_rings;
		uint64_t cursor = ring_tail(in, w);
		enum ag_batch_add added = AG_BATCH_ADDED;
		const struct ag_record *rec;

		b->ring_cursor[w] = cursor;
		while ((rec = ring_next(in, w, &cursor)) != NULL) {
			added = ag_batch_add(b, in->boot_id, rec);
			if (added == AG_BATCH_FAILED)
				return false;
			if (added == AG_BATCH_FULL)
				break;
			b->ring_cursor[w] = cursor;
		}
		if (added != AG_BATCH_FULL)
			b->ring_cursor[w] = cursor;
	}
	if (!b->is_bisecting && in->n_rings)
		in->first_ring = (in->first_ring + 1) % in->n_rings;
	return ag_batch_seal(b);
}

int
ag_intake_fill_from_journal(struct ag_intake *in, struct ag_batch *b, struct ag_journal_pos pos)
{
	struct ag_journal_entry e;
	int rc;

	ag_batch_reset(b);
	b->is_from_journal = true;
	b->journal_end = pos;
	while ((rc = ag_journal_read(in->journal, &pos, &e)) > 0) {
		enum ag_batch_add added = ag_batch_add(b, e.boot_id, e.rec);

		if (added == AG_BATCH_FAILED)
			return -ENOMEM;
		if (added == AG_BATCH_FULL)
			break;
		b->journal_end = pos;
	}
	if (rc == 0)
		b->journal_end = pos; /* behind damage at the end, too */
	if (rc < 0)
		return rc;
	return ag_batch_seal(b) ? 0 : -ENOMEM;
}

/* ---- journal ------------------------------------------------------------------------------ */

struct journalled {
	uint64_t cursor[AG_WORKERS_MAX];
	uint64_t seq[AG_WORKERS_MAX];
	uint64_t records;
};

static int
journal_ring(struct ag_intake *in, uint32_t w, struct journalled *done)
{
	const struct ag_stream *s = ag_streams_get(in->streams, in->boot_id, w);
	uint64_t safe = (uint64_t)ag_a64_get(&in->ring[w].hdr->safe_seq);
	uint64_t cursor = ring_tail(in, w);
	const struct ag_record *rec;

	if (s && s->stored > safe)
		safe = s->stored;
	done->cursor[w] = cursor;
	done->seq[w] = safe;
	while ((rec = ring_next(in, w, &cursor)) != NULL) {
		if (rec->seq > safe) {
			int rc = ag_journal_append(in->journal, in->boot_id, rec);

			if (rc < 0)
				return rc;
			done->seq[w] = rec->seq;
			done->records++;
		}
		done->cursor[w] = cursor;
	}
	done->cursor[w] = cursor;
	return 0;
}

static void
journal_failed(struct ag_intake *in, int rc, int64_t now_us)
{
	if (!in->has_journal_failed)
		ag_error("could not write the journal: %s, records wait in the rings",
		    rc == -ENOSPC ? "no room left" : rc == -EAGAIN ? "the disk is too far behind" :
		    strerror(-rc));
	in->has_journal_failed = true;
	in->journal_again_at_us = now_us + JOURNAL_AGAIN_US;
}

static void
sync_failed(struct ag_intake *in, int rc, int64_t now_us)
{
	if (!in->has_sync_failed)
		ag_error("could not sync the journal: %s, writing it again elsewhere", strerror(-rc));
	in->has_sync_failed = true;
	in->journal_again_at_us = now_us + JOURNAL_AGAIN_US;
}

static void
journal_worked(struct ag_intake *in, bool *has_failed)
{
	bool was_bad = *has_failed;

	*has_failed = false;
	if (was_bad && !in->has_journal_failed && !in->has_sync_failed)
		ag_notice("the journal can be written again");
}

int
ag_intake_to_journal(struct ag_intake *in, int64_t now_us)
{
	struct journalled done = { .records = 0 };
	int append = 0, rc;

	if ((in->has_journal_failed || in->has_sync_failed) && now_us < in->journal_again_at_us)
		return -EAGAIN;
	for (uint32_t w = 0; w < in->n_rings; w++) {
		rc = journal_ring(in, w, &done);
		append = append ? append : rc;
	}
	rc = ag_journal_write(in->journal);
	ag_a64_set(&ag_counters_mine[AG_CNT_journal_bytes], (int64_t)ag_journal_bytes(in->journal));
	if (rc < 0) {
		journal_failed(in, rc, now_us);
		return rc;
	}
	for (uint32_t w = 0; w < in->n_rings; w++)
		ring_release(in, w, done.cursor[w], done.seq[w]);
	ag_count_add(AG_CNT_journal_records, (int64_t)done.records);
	if (append < 0)
		journal_failed(in, append, now_us);
	else
		journal_worked(in, &in->has_journal_failed);
	rc = ag_intake_sync(in, now_us);
	return append < 0 ? append : rc;
}

int
ag_intake_sync(struct ag_intake *in, int64_t now_us)
{
	int rc = ag_journal_sync_look(in->journal);

	if (rc > 0)
		return 0;
	if (rc == 0 && in->is_syncing) {
		journal_worked(in, &in->has_sync_failed);
		in->journal_again_at_us = 0; /* its copies have gone: there may be room again */
	}
	in->is_syncing = false;
	/* What was written meanwhile has waited long enough: on at once. */
	if (rc == 0 && ag_journal_unsynced_bytes(in->journal) > 0 && !ag_journal_owes_write(in->journal)) {
		rc = ag_journal_sync_start(in->journal);
		in->is_syncing = rc == 0;
	}
	if (rc < 0)
		sync_failed(in, rc, now_us);
	return rc;
}

bool
ag_intake_owes_write(const struct ag_intake *in, int64_t now_us)
{
	return in->has_sync_failed && now_us >= in->journal_again_at_us &&
	    ag_journal_owes_write(in->journal);
}

void
ag_intake_note_lag(const struct ag_intake *in, int64_t journal_sync_us, int64_t now_us)
{
	static struct ag_log_limit limit;
	struct ag_a64 *late = &ag_counters_mine[AG_CNT_journal_late_seconds];
	int64_t since_us = ag_journal_unsynced_since_us(in->journal);
	int64_t patience_us = LATE_SYNCS * journal_sync_us;
	bool was_late = ag_a64_get(late) != 0;

	if (patience_us < LATE_LEAST_US)
		patience_us = LATE_LEAST_US;
	ag_a64_set(&ag_counters_mine[AG_CNT_journal_unsynced_bytes],
	    (int64_t)ag_journal_unsynced_bytes(in->journal));
	if (since_us && now_us - since_us > patience_us) {
		ag_a64_set(late, (now_us - since_us) / AG_US_PER_SEC);
		if (ag_log_allowed(&limit, 1))
			ag_warn("the disk is slow: the journal waits for its sync since %lld ms, a power cut would "
			    "cost more than journal_sync; going on", (long long)((now_us - since_us) / AG_US_PER_MS));
	} else if (was_late) {
		ag_a64_set(late, 0);
		ag_notice("the disk keeps up again");
	}
}

bool
ag_intake_is_synced(struct ag_intake *in, bool is_late)
{
	static bool is_told;
	uint64_t bytes;

	if (ag_intake_sync(in, ag_clock_mono_us()) < 0)
		ag_debug("the last sync failed");
	bytes = ag_journal_unsynced_bytes(in->journal);
	if (bytes == 0)
		return true;
	if (is_late && in->has_sync_failed) {
		ag_error("leaving with %llu bytes of the journal that could not be synced, a power cut "
		    "would cost them", (unsigned long long)bytes);
		return true;
	}
	if (is_late && !is_told)
		ag_notice("waiting for the disk to sync the journal");
	is_told = is_told || is_late;
	return false;
}
