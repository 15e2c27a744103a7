/* Appending, writing, syncing.
 *
 *   append ──► chunk ──write──► the kernel's memory ──sync──► disk
 *                └── a copy is kept until it is synced, or stored in PostgreSQL (trim)
 *
 * A round of syncs covers what was written when it began, one segment after the other, oldest
 * first; what is written meanwhile is the next round's.
 *
 * After a failed sync nobody knows what is on disk behind the last good one, and file systems
 * differ in what they still show of it.  So the copies move, in order, to segments of new numbers,
 * which the next write makes; only then are the old ones cut. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "flusher/journal_int.h"
#include "flusher/syncer.h"
#include "shm/ring.h"

/* ---- chunks ------------------------------------------------------------------------------- */

static struct chunk *
chunk_add(struct ag_journal *j, const struct segment *s)
{
	struct chunk *c = j->spare ? j->spare : malloc(sizeof(*c));

	if (!c)
		return NULL;
	j->spare = NULL;
	c->next = NULL;
	c->segment = s->number;
	c->off = s->end;
	c->n = c->written = 0;
	if (j->last_chunk)
		j->last_chunk->next = c;
	else
		j->chunks = c;
	j->last_chunk = c;
	j->n_chunks++;
	return c;
}

static void
chunk_free(struct ag_journal *j, struct chunk *c)
{
	j->n_chunks--;
	if (j->spare)
		free(c);
	else
		j->spare = c;
}

/* Of those that is_gone() names. */
static void
chunks_sift(struct ag_journal *j, bool (*is_gone)(const struct chunk *c, const void *arg),
    const void *arg)
{
	struct chunk **at = &j->chunks, *c;

	j->last_chunk = NULL;
	while ((c = *at) != NULL) {
		if (is_gone(c, arg)) {
			*at = c->next;
			chunk_free(j, c);
		} else {
			j->last_chunk = c;
			at = &c->next;
		}
	}
}

struct before { struct ag_journal_pos pos; bool is_unwritten_too; };

static bool
chunk_is_before(const struct chunk *c, const void *arg)
{
	const struct before *b = arg;
	struct ag_journal_pos end = { .segment = c->segment, .off = c->off + c->n };

	return (c->written == c->n || b->is_unwritten_too) && !ag_journal_pos_is_before(b->pos, end);
}

void
ag_journal_drop_copies(struct ag_journal *j, struct ag_journal_pos pos, bool is_segment_gone)
{
	struct before b = { .pos = pos, .is_unwritten_too = is_segment_gone };

	chunks_sift(j, chunk_is_before, &b);
}

const uint8_t *
ag_journal_copy_at(const struct ag_journal *j, uint64_t segment, uint64_t off, size_t n)
{
	/* The first few: what is read is the oldest, and what was stored is dropped. */
	for (const struct chunk *c = j->chunks; c && c->segment <= segment; c = c->next) {
		if (c->segment == segment && n == 0)
			return c->mem;
		if (c->segment == segment && off >= c->off && off - c->off <= c->n &&
		    n <= c->n - (off - c->off))
			return c->mem + (off - c->off);
	}
	return NULL;
}

void
ag_journal_set_max_unsynced(struct ag_journal *j, uint64_t bytes)
{
	j->max_chunks = bytes / CHUNK_BYTES ? (size_t)(bytes / CHUNK_BYTES) : 1;
}

/* ---- append ------------------------------------------------------------------------------- */

/* Nothing is written to it nor synced any more. */
static void
segment_settle(struct segment *s)
{
	if (s->is_sealed && !s->is_to_cut && s->synced == s->end)
		ag_fd_close(&s->fd);
}

/* The segment to come: made when it is written. */
static struct segment *
segment_plan(struct ag_journal *j)
{
	struct segment *s = ag_journal_segment_add(j, j->next_number);

	if (!s)
		return NULL;
	j->next_number++;
	if (j->n_segs > 1) {
		s[-1].is_sealed = true;
		segment_settle(&s[-1]);
	}
	s->is_ours = s->is_new = true;
	s->end = sizeof(struct segment_hdr);
	j->bytes += s->end;
	return s;
}

int
ag_journal_append(struct ag_journal *j, uint64_t boot_id, const struct ag_record *rec)
{
	struct entry_hdr h = { .magic = ENTRY_MAGIC, .len = rec->len, .boot_id = boot_id };
	size_t need = sizeof(h) + rec->len;
	struct segment *s = j->n_segs ? &j->segs[j->n_segs - 1] : NULL;
	struct chunk *c = j->last_chunk;

	assert(rec->len >= ag_record_fixed_bytes(1) && rec->len <= AG_RECORD_MAX);
	if (j->append_error)
		return j->append_error;
	if (j->bytes + need + sizeof(struct segment_hdr) + j->spare_bytes > j->max_bytes)
		ag_journal_spare_drop(j);
	if (j->bytes + need + sizeof(struct segment_hdr) > j->max_bytes)
		return -ENOSPC;
	if (s && (s->is_sealed || s->end + need > j->segment_bytes))
		s = NULL;
	if (!s || (c && (c->segment != s->number || c->off + c->n != s->end || c->n + need > CHUNK_BYTES)))
		c = NULL;
	if (!c && j->n_chunks >= j->max_chunks)
		return -EAGAIN;
	if (!s)
		s = segment_plan(j);
	if (!s)
		return j->append_error = -ENOMEM;
	if (!c)
		c = chunk_add(j, s);
	if (!c)
		return j->append_error = -ENOMEM;
	h.segment = (uint32_t)s->number;
	h.crc = entry_crc(&h, rec);
	memcpy(c->mem + c->n, &h, sizeof(h));
	memcpy(c->mem + c->n + sizeof(h), rec, rec->len);
	c->n += need;
	s->end += need;
	j->bytes += need;
	return 0;
}

/* ---- write -------------------------------------------------------------------------------- */

static struct segment *
segment_get(struct ag_journal *j, uint64_t number)
{
	for (size_t i = j->n_segs; i-- > 0;) {
		if (j->segs[i].number == number)
			return &j->segs[i];
	}
	return NULL;
}

/* At its place: after a failure it is written over. */
static int
write_at(int fd, const void *p, size_t n, uint64_t off)
{
	size_t done = 0;

	while (done < n) {
		ssize_t k = pwrite(fd, (const uint8_t *)p + done, n - done, (off_t)(off + done));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		done += (size_t)k;
	}
	return 0;
}

/* The spare becomes the file of segment s.  False: there is none, or it will not do. */
static bool
segment_take_spare(struct ag_journal *j, struct segment *s, const struct segment_hdr *h, const char *name)
{
	union { struct segment_hdr h; uint8_t bytes[PAGE_BYTES]; } page = { .h = *h };

	if (!j->spare_bytes)
		return false;
	page.h.is_reused = 1;
	s->fd = openat(j->dir_fd, SPARE_NAME, O_WRONLY | O_CLOEXEC);
	/* Its head first: under its new name it never shows its old one. */
	if (s->fd >= 0 && write_at(s->fd, &page, sizeof(page), 0) == 0 &&
	    linkat(j->dir_fd, SPARE_NAME, j->dir_fd, name, 0) == 0)
		s->reused = j->spare_bytes;
	else
		ag_fd_close(&s->fd);
	ag_journal_spare_drop(j); /* its first name, or all of it */
	return s->reused > 0;
}

static int
segment_create(struct ag_journal *j, struct segment *s)
{
	struct segment_hdr h = { .magic = JOURNAL_MAGIC, .number = s->number,
		.created_at_us = ag_clock_wall_us() };
	char name[32];
	int rc;

	ag_journal_segment_name(h.number, name);
	if (segment_take_spare(j, s, &h, name))
		return 0;
	s->fd = openat(j->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return -errno;
	rc = write_at(s->fd, &h, sizeof(h), 0);
	if (rc < 0) {
		ag_fd_close(&s->fd);
		ag_journal_segment_unlink(j, s->number);
	}
	return rc;
}

static int
chunk_write(struct ag_journal *j, struct chunk *c)
{
	struct segment *s = segment_get(j, c->segment);
	size_t n = c->n - c->written, pad = 0;
	int rc = 0;

	assert(s);
	if (s->fd < 0)
		rc = segment_create(j, s);
	/* Of a reused file the page is written whole: to keep its rest the kernel might have to read it,
	 * and would wait for a disk that is stuck. */
	if (c->off + c->n < s->reused) {
		pad = (size_t)(-(c->off + c->n) % PAGE_BYTES);
		memset(c->mem + c->n, 0, pad);
	}
	if (rc == 0)
		rc = write_at(s->fd, c->mem + c->written, n + pad, c->off + c->written);
	if (rc < 0)
		return rc;
	c->written = c->n;
	s->written = c->off + c->n;
	return 0;
}

static bool
chunk_is_empty(const struct chunk *c, const void *arg)
{
	(void)arg;
	return c->n == 0;
}

/* All that is not the journal's yet. */
static void
undo_appended(struct ag_journal *j)
{
	for (struct chunk *c = j->chunks; c; c = c->next) {
		const struct segment *s = segment_get(j, c->segment);
		uint64_t keep;

		assert(s);
		keep = s->readable > c->off ? s->readable - c->off : 0;
		c->n = keep < c->n ? (size_t)keep : c->n;
		c->written = c->written < c->n ? c->written : c->n;
	}
	chunks_sift(j, chunk_is_empty, NULL);
	for (size_t i = j->n_segs; i-- > 0 && j->segs[i].end != j->segs[i].readable;) {
		struct segment *s = &j->segs[i];

		s->end = s->readable;
		s->written = s->written < s->end ? s->written : s->end;
		if (s->end == 0 && s->fd >= 0)
			ag_journal_segment_unlink(j, s->number);
		else if (s->fd >= 0 && ftruncate(s->fd, (off_t)s->written) < 0)
			ag_warn("could not cut journal segment %016" PRIx64 ": %s, its records are skipped "
			    "when read again", s->number, strerror(errno));
		if (s->end == 0)
			ag_journal_segment_drop(j, i);
	}
	ag_journal_count_bytes(j);
}

/* What was behind the last good sync is written again elsewhere. */
static void
cut_old_segments(struct ag_journal *j)
{
	for (size_t i = j->n_segs; i-- > 0;) {
		struct segment *s = &j->segs[i];

		if (!s->is_to_cut)
			continue;
		s->is_to_cut = false;
		if (s->end == 0) {
			ag_journal_segment_unlink(j, s->number);
			ag_journal_segment_drop(j, i);
			continue;
		}
		if (ftruncate(s->fd, (off_t)s->end) < 0)
			ag_warn("could not cut journal segment %016" PRIx64 ": %s, its records are skipped "
			    "when read again", s->number, strerror(errno));
		ag_fd_close(&s->fd);
	}
}

bool
ag_journal_owes_write(const struct ag_journal *j)
{
	for (size_t i = 0; i < j->n_segs; i++) {
		if (j->segs[i].written < j->segs[i].readable)
			return true;
	}
	return false;
}

int
ag_journal_write(struct ag_journal *j)
{
	int rc = j->append_error;

	j->append_error = 0;
	for (struct chunk *c = j->chunks; c && rc == 0; c = c->next) {
		if (c->written < c->n)
			rc = chunk_write(j, c);
	}
	if (rc < 0) {
		undo_appended(j);
		return rc;
	}
	for (size_t i = 0; i < j->n_segs; i++) {
		if (j->segs[i].end > j->segs[i].readable && !j->written_at_us)
			j->written_at_us = ag_clock_mono_us();
		j->segs[i].readable = j->segs[i].end;
	}
	cut_old_segments(j);
	return 0;
}

/* ---- sync --------------------------------------------------------------------------------- */

static bool
chunk_is_synced(const struct chunk *c, const void *arg)
{
	const struct segment *s = arg;

	return c->segment == s->number && c->off + c->n <= s->synced;
}

static void
segment_synced(struct ag_journal *j, struct segment *s, uint64_t to)
{
	s->synced = to;
	s->is_new = false;
	chunks_sift(j, chunk_is_synced, s);
	segment_settle(s);
}

/* Its entries belong to the segment it is in now. */
static void
chunk_name_entries(struct chunk *c)
{
	for (size_t at = 0; at < c->n;) {
		struct entry_hdr h;
		uint8_t *p = c->mem + at;

		memcpy(&h, p, sizeof(h));
		h.segment = (uint32_t)c->segment;
		h.crc = entry_crc(&h, (const struct ag_record *)(const void *)(p + sizeof(h)));
		memcpy(p, &h, sizeof(h));
		at += sizeof(h) + h.len;
	}
}

/* What is not synced of segment i moves to one that is still to be made. */
static int
segment_move(struct ag_journal *j, size_t i)
{
	struct segment *to = segment_plan(j), *s = &j->segs[i];

	if (!to)
		return -ENOMEM;
	for (struct chunk *c = j->chunks; c; c = c->next) {
		size_t less = s->synced > c->off ? (size_t)(s->synced - c->off) : 0;

		if (c->segment != s->number)
			continue;
		less = less < c->n ? less : c->n;
		memmove(c->mem, c->mem + less, c->n - less);
		c->n -= less;
		c->written = 0;
		c->segment = to->number;
		c->off = to->end;
		chunk_name_entries(c);
		to->end += c->n;
	}
	to->readable = to->end;
	s->end = s->readable = s->written = s->synced;
	s->is_sealed = s->is_to_cut = true;
	if (to->end == sizeof(struct segment_hdr)) /* all of it was stored meanwhile */
		ag_journal_segment_drop(j, j->n_segs - 1);
	return 0;
}

static int
sync_failed(struct ag_journal *j, int rc)
{
	size_t n = j->n_segs;

	for (size_t i = 0; i < n; i++) {
		struct segment *s = &j->segs[i];

		assert(s->end == s->readable);
		/* All that are not synced, that they stay in order. */
		if (s->synced == s->readable || (s->is_ours && segment_move(j, i) == 0))
			continue;
		/* Of an earlier life there is no copy: what its file still shows is what there is. */
		ag_error("could not sync journal segment %016" PRIx64 ": %s, going on with what it shows",
		    s->number, strerror(-rc));
		s->synced = s->written;
	}
	chunks_sift(j, chunk_is_empty, NULL);
	ag_journal_count_bytes(j);
	if (j->round_at_us)
		j->written_at_us = j->round_at_us;
	return rc;
}

/* The oldest segment of this round that is not synced; NULL: the round is over. */
static struct segment *
sync_next(struct ag_journal *j)
{
	for (size_t i = 0; i < j->n_segs && j->segs[i].number <= j->goal.segment; i++) {
		struct segment *s = &j->segs[i];

		if (s->synced < s->written && (s->number < j->goal.segment || s->synced < j->goal.off))
			return s;
	}
	return NULL;
}

static int
sync_here(struct ag_journal *j, const struct segment *s)
{
	if (s->is_new && fsync(j->dir_fd) < 0)
		return -errno;
	return fdatasync(s->fd) < 0 ? -errno : 0;
}

/* Goes on with the round as far as can be without waiting. */
static int
sync_go_on(struct ag_journal *j)
{
	struct segment *s;
	int rc = 0;

	while ((s = sync_next(j)) != NULL) {
		if (s->fd < 0) { /* of an earlier life */
			char name[32];

			ag_journal_segment_name(s->number, name);
			s->fd = openat(j->dir_fd, name, O_WRONLY | O_CLOEXEC);
			rc = s->fd < 0 ? -errno : 0;
		}
		if (rc == 0 && j->syncer) {
			j->is_syncing = true;
			j->sync_segment = s->number;
			j->sync_to = s->written;
			ag_syncer_sync(j->syncer, s->fd, s->is_new);
			return 0;
		}
		if (rc == 0)
			rc = sync_here(j, s);
		if (rc < 0)
			break;
		segment_synced(j, s, s->written);
	}
	if (rc < 0)
		rc = sync_failed(j, rc);
	j->round_at_us = 0;
	return rc;
}

int
ag_journal_sync_start(struct ag_journal *j)
{
	if (j->is_syncing)
		return 0;
	j->goal = ag_journal_end(j);
	j->round_at_us = j->written_at_us;
	j->written_at_us = 0;
	return sync_go_on(j);
}

static int
sync_take(struct ag_journal *j, bool is_patient)
{
	struct segment *s;
	int rc = 0;

	if (!j->is_syncing)
		return 0;
	if (!ag_syncer_take(j->syncer, is_patient, &rc))
		return 1;
	j->is_syncing = false;
	if (rc < 0) {
		rc = sync_failed(j, rc);
		j->round_at_us = 0;
		return rc;
	}
	s = segment_get(j, j->sync_segment);
	assert(s);
	segment_synced(j, s, j->sync_to);
	rc = sync_go_on(j);
	return rc < 0 ? rc : j->is_syncing;
}

int
ag_journal_sync_look(struct ag_journal *j)
{
	int error, rc = sync_take(j, false);
	unsigned n = j->syncer ? ag_syncer_unlinks_failed(j->syncer, &error) : 0;

	if (n)
		ag_warn("could not delete %u segments of the journal: %s, keeping them: their records are "
		    "skipped when read again", n, strerror(error));
	return rc;
}

int
ag_journal_sync_event_fd(const struct ag_journal *j)
{
	return j->syncer ? ag_syncer_event_fd(j->syncer) : -1;
}

static int
sync_wait(struct ag_journal *j)
{
	int rc = 0;

	while (j->is_syncing && rc >= 0)
		rc = sync_take(j, true);
	return rc < 0 ? rc : 0;
}

int
ag_journal_sync(struct ag_journal *j)
{
	int rc = ag_journal_write(j);

	if (rc == 0)
		rc = sync_wait(j); /* for a round that had begun before */
	if (rc == 0)
		rc = ag_journal_sync_start(j);
	return rc == 0 ? sync_wait(j) : rc;
}

uint64_t
ag_journal_unsynced_bytes(const struct ag_journal *j)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < j->n_segs; i++)
		bytes += j->segs[i].readable - j->segs[i].synced;
	return bytes;
}

int64_t
ag_journal_unsynced_since_us(const struct ag_journal *j)
{
	if (!j->bytes)
		return 0;
	return j->round_at_us ? j->round_at_us : j->written_at_us;
}

int
ag_journal_start_syncer(struct ag_journal *j)
{
	return ag_syncer_start(j->dir_fd, &j->syncer);
}
