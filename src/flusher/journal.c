/* Segments are listed oldest first.  Only the newest is written to, and only by the process that
 * made it: after a restart writing goes on in a new one.  So a torn tail is at the end of the
 * segment that was newest when the process died; a machine that dies while syncs are behind may
 * leave one at the end of a segment before it, too, which is read as damage there.
 *
 * An entry is found again behind damage by its magic on an 8-byte boundary and its checksum.
 *
 * A segment that is stored leaves its file to the next: pages and blocks are there already, so that writing
 * costs less, and a sync has no metadata to change.  Behind its last entry such a file shows what stood
 * there before, a full one less than an entry; an entry names its segment, and the head says that the rest
 * is no damage. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "flusher/journal_int.h"
#include "flusher/syncer.h"
#include "shm/ring.h"

void
ag_journal_segment_name(uint64_t number, char out[32])
{
	snprintf(out, 32, "%016" PRIx64 ".journal", number);
}

static bool
segment_number(const char *name, uint64_t *out)
{
	uint64_t v = 0;

	if (strlen(name) != 24 || strcmp(name + 16, ".journal") != 0)
		return false;
	for (int i = 0; i < 16; i++) {
		const char *digits = "0123456789abcdef";
		const char *at = strchr(digits, name[i]);

		if (!at)
			return false;
		v = v << 4 | (uint64_t)(at - digits);
	}
	*out = v;
	return v > 0;
}

/* ---- the list of segments ----------------------------------------------------------------- */

struct segment *
ag_journal_segment_add(struct ag_journal *j, uint64_t number)
{
	if (j->n_segs == j->cap_segs) {
		size_t cap = j->cap_segs ? j->cap_segs * 2 : 16;
		struct segment *p = reallocarray(j->segs, cap, sizeof(*p));

		if (!p)
			return NULL;
		j->segs = p;
		j->cap_segs = cap;
	}
	j->segs[j->n_segs] = (struct segment){ .number = number, .fd = -1 };
	return &j->segs[j->n_segs++];
}

void
ag_journal_segment_drop(struct ag_journal *j, size_t i)
{
	ag_fd_close(&j->segs[i].fd);
	j->bytes -= j->segs[i].end;
	memmove(j->segs + i, j->segs + i + 1, (j->n_segs - i - 1) * sizeof(*j->segs));
	j->n_segs--;
}

void
ag_journal_count_bytes(struct ag_journal *j)
{
	j->bytes = 0;
	for (size_t i = 0; i < j->n_segs; i++)
		j->bytes += j->segs[i].end;
}

static int
segment_compare(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

void
ag_journal_segment_unlink(struct ag_journal *j, uint64_t number)
{
	char name[32];

	ag_journal_segment_name(number, name);
	if (unlinkat(j->dir_fd, name, 0) < 0 && errno != ENOENT)
		ag_warn("could not delete journal segment \"%s\": %s, keeping it: its records are "
		    "skipped when read again", name, strerror(errno));
}

void
ag_journal_spare_drop(struct ag_journal *j)
{
	j->spare_bytes = 0;
	if (unlinkat(j->dir_fd, SPARE_NAME, 0) < 0 && errno != ENOENT)
		ag_warn("could not delete \"%s/" SPARE_NAME "\": %s", j->dir, strerror(errno));
}

/* Whether the file may show more than was written to it as this segment. */
static bool
segment_shows_old(const struct ag_journal *j, uint64_t number, const char *name)
{
	AG_AUTO(ag_fd) int fd = openat(j->dir_fd, name, O_RDONLY | O_CLOEXEC);
	struct segment_hdr h;

	return fd >= 0 && pread(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) &&
	    h.magic == JOURNAL_MAGIC && h.number == number && h.is_reused != 0;
}

int
ag_journal_scan_dir(struct ag_journal *j, struct ag_err *err)
{
	DIR *d = opendir(j->dir);
	struct dirent *e;

	if (!d)
		return ag_err_set(err, -errno, "could not read journal directory \"%s\": %s", j->dir,
		    strerror(errno));
	while ((e = readdir(d)) != NULL) {
		struct segment *s;
		struct stat st;
		uint64_t number;

		if (!segment_number(e->d_name, &number))
			continue;
		if (fstatat(j->dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		s = ag_journal_segment_add(j, number);
		if (!s) {
			closedir(d);
			return ag_err_set(err, -ENOMEM, "could not list the journal: out of memory");
		}
		/* Whoever wrote it may have died before it was synced. */
		s->end = s->readable = s->written = (uint64_t)st.st_size;
		s->is_new = s->is_sealed = true;
		s->shows_old = segment_shows_old(j, number, e->d_name);
		if (number >= j->next_number)
			j->next_number = number + 1;
	}
	closedir(d);
	if (j->n_segs > 1)
		qsort(j->segs, j->n_segs, sizeof(*j->segs), segment_compare);
	ag_journal_count_bytes(j);
	return 0;
}

/* All of it that could be read is stored; what could not be is somebody's to look at. */
static void
segment_retire(struct ag_journal *j, const struct segment *s)
{
	char name[32], aside[40];

	ag_journal_segment_name(s->number, name);
	if (!s->is_damaged && s->is_ours && !j->spare_bytes && s->written > 0 &&
	    renameat(j->dir_fd, name, j->dir_fd, SPARE_NAME) == 0) {
		j->spare_bytes = s->reused > s->written ? s->reused : s->written;
		return;
	}
	if (!s->is_damaged) {
		/* A big file takes its time to go. */
		if (!j->syncer || !ag_syncer_unlink(j->syncer, name))
			ag_journal_segment_unlink(j, s->number);
		return;
	}
	snprintf(aside, sizeof(aside), "%s.damaged", name);
	if (renameat(j->dir_fd, name, j->dir_fd, aside) < 0) {
		ag_warn("could not keep damaged journal segment \"%s\": %s, deleting it", name,
		    strerror(errno));
		ag_journal_segment_unlink(j, s->number);
		return;
	}
	ag_warn("journal segment \"%s\" was damaged, keeping it as \"%s\"", name, aside);
}

/* The newest segment ends behind its last whole entry.  In a file that was reused, nothing tells what was
 * torn from what is old: there the numbers of the records have to. */
static int
drop_torn_tail(struct ag_journal *j, struct ag_err *err)
{
	struct segment *s = j->n_segs ? &j->segs[j->n_segs - 1] : NULL;
	uint64_t off = 0, good = sizeof(struct segment_hdr), last_seq = 0;
	const struct ag_record *rec;
	struct entry_hdr h;
	char name[32];
	int rc;

	if (!s)
		return 0;
	rc = ag_journal_open_for_reading(j, s->number);
	while (rc == 0) {
		rc = ag_journal_find_entry(j, &off, s->end, &h, &rec);
		if (rc == -EIO && j->io_tries < IO_TRIES) {
			rc = 0; /* the next try is at once: nobody else is served meanwhile */
			continue;
		}
		if (rc <= 0)
			break;
		off += sizeof(h) + h.len;
		good = off;
		last_seq = rec->seq;
		rc = 0;
		if (off + sizeof(h) > s->end)
			break;
	}
	if (rc < 0)
		return ag_err_set(err, rc, "could not read journal segment %016" PRIx64 ": %s",
		    s->number, strerror(-rc));
	if (s->end <= good && s->end >= sizeof(struct segment_hdr))
		return 0;
	ag_journal_segment_name(s->number, name);
	if (!s->shows_old)
		ag_warn("journal segment \"%s\" has a torn tail: dropping %" PRIu64 " bytes behind record "
		    "%" PRIu64 ", going on from there", name, s->end > good ? s->end - good : s->end,
		    last_seq);
	j->in_n = 0;
	if (good == sizeof(struct segment_hdr)) {
		ag_fd_close(&j->read_fd);
		ag_journal_segment_unlink(j, s->number);
		ag_journal_segment_drop(j, j->n_segs - 1);
		return 0;
	}
	{
		AG_AUTO(ag_fd) int fd = openat(j->dir_fd, name, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || ftruncate(fd, (off_t)good) < 0 || fsync(fd) < 0)
			return ag_err_set(err, -errno, "could not cut journal segment \"%s\": %s", name,
			    strerror(errno));
	}
	s->end = s->readable = s->written = s->synced = good;
	s->shows_old = false;
	ag_journal_count_bytes(j);
	return 0;
}

/* ---- opening ------------------------------------------------------------------------------ */

void
ag_journal_set_max(struct ag_journal *j, uint64_t max_bytes)
{
	j->max_bytes = max_bytes;
	/* Room comes back a segment at a time: keep at least four in the ceiling. */
	j->segment_bytes = j->segment_bytes_wanted;
	if (j->segment_bytes > max_bytes / 4)
		j->segment_bytes = max_bytes / 4;
	if (j->segment_bytes < SEGMENT_LEAST)
		j->segment_bytes = SEGMENT_LEAST;
}

static int
open_dir(struct ag_journal *j, struct ag_err *err)
{
	if (mkdir(j->dir, 0700) < 0 && errno != EEXIST)
		return ag_err_set(err, -errno, "could not make journal directory \"%s\": %s", j->dir,
		    strerror(errno));
	j->dir_fd = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dir_fd < 0)
		return ag_err_set(err, -errno, "could not open journal directory \"%s\": %s", j->dir,
		    strerror(errno));
	j->lock_fd = openat(j->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (j->lock_fd < 0)
		return ag_err_set(err, -errno, "could not open \"%s/lock\": %s", j->dir,
		    strerror(errno));
	if (flock(j->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return ag_err_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno,
		    "could not lock journal \"%s\": %s", j->dir,
		    errno == EWOULDBLOCK ? "another process uses it" : strerror(errno));
	return 0;
}

int
ag_journal_open(const char *dir, uint64_t segment_bytes, uint64_t max_bytes,
    struct ag_journal **out, struct ag_err *err)
{
	struct ag_journal *j = calloc(1, sizeof(*j));
	int rc;

	if (!j)
		return ag_err_set(err, -ENOMEM, "could not open the journal: out of memory");
	j->dir_fd = j->lock_fd = j->read_fd = -1;
	j->next_number = 1;
	j->max_chunks = 64;
	j->segment_bytes_wanted = segment_bytes;
	ag_journal_set_max(j, max_bytes);
	j->dir = strdup(dir);
	j->in = malloc(READ_BYTES);
	if (!j->dir || !j->in)
		rc = ag_err_set(err, -ENOMEM, "could not open the journal: out of memory");
	else
		rc = open_dir(j, err);
	if (rc == 0)
		ag_journal_spare_drop(j); /* of an earlier life */
	if (rc == 0)
		rc = ag_journal_scan_dir(j, err);
	if (rc == 0)
		rc = drop_torn_tail(j, err);
	if (rc < 0) {
		ag_journal_free(j);
		return rc;
	}
	*out = j;
	return 0;
}

void
ag_journal_free(struct ag_journal *j)
{
	if (!j)
		return;
	ag_syncer_stop(j->syncer); /* first: it holds descriptors of ours */
	while (j->n_segs)
		ag_journal_segment_drop(j, j->n_segs - 1);
	ag_journal_drop_copies(j, (struct ag_journal_pos){ .segment = UINT64_MAX }, true);
	if (j->spare_bytes)
		ag_journal_spare_drop(j);
	free(j->spare);
	ag_fd_close(&j->read_fd);
	ag_fd_close(&j->lock_fd);
	ag_fd_close(&j->dir_fd);
	free(j->segs);
	free(j->in);
	free(j->dir);
	free(j);
}

/* ---- places ------------------------------------------------------------------------------- */

struct ag_journal_pos
ag_journal_first(const struct ag_journal *j)
{
	return (struct ag_journal_pos){ .segment = j->n_segs ? j->segs[0].number : j->next_number,
		.off = sizeof(struct segment_hdr) };
}

struct ag_journal_pos
ag_journal_end(const struct ag_journal *j)
{
	const struct segment *s = j->n_segs ? &j->segs[j->n_segs - 1] : NULL;
	uint64_t off = s ? s->readable : 0;

	if (off < sizeof(struct segment_hdr))
		off = sizeof(struct segment_hdr);
	return (struct ag_journal_pos){ .segment = s ? s->number : j->next_number, .off = off };
}

uint64_t
ag_journal_bytes(const struct ag_journal *j)
{
	return j->bytes;
}

bool
ag_journal_pos_is_before(struct ag_journal_pos a, struct ag_journal_pos b)
{
	return a.segment != b.segment ? a.segment < b.segment : a.off < b.off;
}

void
ag_journal_trim(struct ag_journal *j, struct ag_journal_pos pos)
{
	while (j->n_segs) {
		struct segment *s = &j->segs[0];
		struct ag_journal_pos end = { .segment = s->number, .off = s->readable };

		if (ag_journal_pos_is_before(pos, end))
			break;
		/* Something waits to be written to it, or the syncer has it: it goes next time. */
		if (s->end != s->readable || (j->is_syncing && j->sync_segment == s->number))
			break;
		if (j->read_fd >= 0 && j->read_number == s->number)
			ag_fd_close(&j->read_fd);
		end.off = UINT64_MAX;
		ag_journal_drop_copies(j, end, true);
		segment_retire(j, s);
		ag_journal_segment_drop(j, 0);
	}
	ag_journal_drop_copies(j, pos, false);
	if (!j->n_segs)
		j->written_at_us = 0;
}
