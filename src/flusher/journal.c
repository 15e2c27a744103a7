/* Segments are listed oldest first.  Only the newest is written to, and only by the process that
 * made it: after a restart writing goes on in a new one, so that a torn tail can be in one place
 * alone, the end of the segment that was newest when the process or the machine died.
 *
 * An entry is found again behind damage by its magic on an 8-byte boundary and its checksum. */
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

static int
segment_add(struct ag_journal *j, uint64_t number, uint64_t bytes)
{
	if (j->n_segs == j->cap_segs) {
		size_t cap = j->cap_segs ? j->cap_segs * 2 : 16;
		struct segment *p = reallocarray(j->segs, cap, sizeof(*p));

		if (!p)
			return -ENOMEM;
		j->segs = p;
		j->cap_segs = cap;
	}
	j->segs[j->n_segs++] = (struct segment){ .number = number, .bytes = bytes };
	j->synced_bytes += bytes;
	return 0;
}

static int
segment_compare(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static void
segment_unlink(struct ag_journal *j, uint64_t number)
{
	char name[32];

	ag_journal_segment_name(number, name);
	if (unlinkat(j->dir_fd, name, 0) < 0 && errno != ENOENT)
		ag_warn("could not delete journal segment \"%s\": %s, keeping it: its records are "
		    "skipped when read again", name, strerror(errno));
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
		struct stat st;
		uint64_t number;
		int rc;

		if (!segment_number(e->d_name, &number))
			continue;
		if (fstatat(j->dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		rc = segment_add(j, number, (uint64_t)st.st_size);
		if (rc < 0) {
			closedir(d);
			return ag_err_set(err, rc, "could not list the journal: out of memory");
		}
		if (number >= j->next_number)
			j->next_number = number + 1;
	}
	closedir(d);
	if (j->n_segs > 1)
		qsort(j->segs, j->n_segs, sizeof(*j->segs), segment_compare);
	return 0;
}

/* All of it that could be read is stored; what could not be is somebody's to look at. */
static void
segment_retire(struct ag_journal *j, const struct segment *s)
{
	char name[32], aside[40];

	if (!s->is_damaged) {
		segment_unlink(j, s->number);
		return;
	}
	ag_journal_segment_name(s->number, name);
	snprintf(aside, sizeof(aside), "%s.damaged", name);
	if (renameat(j->dir_fd, name, j->dir_fd, aside) < 0) {
		ag_warn("could not keep damaged journal segment \"%s\": %s, deleting it", name,
		    strerror(errno));
		segment_unlink(j, s->number);
		return;
	}
	ag_warn("journal segment \"%s\" was damaged, keeping it as \"%s\"", name, aside);
}

/* The newest segment ends behind its last whole entry. */
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
		rc = ag_journal_find_entry(j, &off, s->bytes, &h, &rec);
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
		if (off + sizeof(h) > s->bytes)
			break;
	}
	if (rc < 0)
		return ag_err_set(err, rc, "could not read journal segment %016" PRIx64 ": %s",
		    s->number, strerror(-rc));
	if (s->bytes <= good && s->bytes >= sizeof(struct segment_hdr))
		return 0;
	ag_journal_segment_name(s->number, name);
	ag_warn("journal segment \"%s\" has a torn tail: dropping %" PRIu64 " bytes behind record "
	    "%" PRIu64 ", going on from there", name, s->bytes > good ? s->bytes - good : s->bytes,
	    last_seq);
	j->in_n = 0;
	j->synced_bytes -= s->bytes;
	if (good == sizeof(struct segment_hdr)) {
		ag_fd_close(&j->read_fd);
		segment_unlink(j, s->number);
		j->n_segs--;
		return 0;
	}
	{
		AG_AUTO(ag_fd) int fd = openat(j->dir_fd, name, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || ftruncate(fd, (off_t)good) < 0 || fsync(fd) < 0)
			return ag_err_set(err, -errno, "could not cut journal segment \"%s\": %s", name,
			    strerror(errno));
	}
	s->bytes = good;
	j->synced_bytes += good;
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
	j->dir_fd = j->lock_fd = j->write_fd = j->read_fd = -1;
	j->next_number = 1;
	j->segment_bytes_wanted = segment_bytes;
	ag_journal_set_max(j, max_bytes);
	j->dir = strdup(dir);
	j->out = malloc(WRITE_BYTES);
	j->in = malloc(READ_BYTES);
	if (!j->dir || !j->out || !j->in)
		rc = ag_err_set(err, -ENOMEM, "could not open the journal: out of memory");
	else
		rc = open_dir(j, err);
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
	ag_fd_close(&j->read_fd);
	ag_fd_close(&j->write_fd);
	ag_fd_close(&j->lock_fd);
	ag_fd_close(&j->dir_fd);
	free(j->segs);
	free(j->in);
	free(j->out);
	free(j->dir);
	free(j);
}

/* ---- writing ------------------------------------------------------------------------------ */

static int
write_out(struct ag_journal *j)
{
	size_t done = 0;

	while (done < j->out_n) {
		ssize_t n = write(j->write_fd, j->out + done, j->out_n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
		j->written += (size_t)n;
	}
	j->out_n = 0;
	return 0;
}

/* The segment being written is complete: later entries go to a new one. */
static int
segment_close(struct ag_journal *j)
{
	int rc = ag_journal_sync(j);

	ag_fd_close(&j->write_fd);
	return rc;
}

static int
segment_create(struct ag_journal *j)
{
	struct segment_hdr h = { .magic = JOURNAL_MAGIC, .number = j->next_number,
		.created_at_us = ag_clock_wall_us() };
	char name[32];
	int rc;

	ag_journal_segment_name(h.number, name);
	j->write_fd = openat(j->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (j->write_fd < 0)
		return -errno;
	j->next_number++;
	rc = segment_add(j, h.number, 0);
	/* The name must survive a power cut as surely as the bytes. */
	if (rc == 0 && fsync(j->dir_fd) < 0)
		rc = -errno;
	if (rc < 0) {
		ag_fd_close(&j->write_fd);
		segment_unlink(j, h.number);
		if (j->n_segs && j->segs[j->n_segs - 1].number == h.number)
			j->n_segs--;
		return rc;
	}
	j->written = 0;
	memcpy(j->out, &h, sizeof(h));
	j->out_n = sizeof(h);
	return 0;
}

int
ag_journal_append(struct ag_journal *j, uint64_t boot_id, const struct ag_record *rec)
{
	struct entry_hdr h = { .magic = ENTRY_MAGIC, .len = rec->len, .boot_id = boot_id };
	size_t need = sizeof(h) + rec->len;
	int rc = 0;

	assert(rec->len >= ag_record_fixed_bytes(1) && rec->len <= AG_RECORD_MAX);
	if (j->write_error)
		return j->write_error;
	if (ag_journal_bytes(j) + need + sizeof(struct segment_hdr) > j->max_bytes)
		return -ENOSPC;
	if (j->write_fd >= 0 && j->written + j->out_n + need > j->segment_bytes)
		rc = segment_close(j);
	if (rc == 0 && j->write_fd < 0)
		rc = segment_create(j);
	if (rc == 0 && j->out_n + need > WRITE_BYTES)
		rc = write_out(j);
	if (rc < 0) {
		j->write_error = rc;
		return rc;
	}
	h.crc = entry_crc(&h, rec);
	memcpy(j->out + j->out_n, &h, sizeof(h));
	memcpy(j->out + j->out_n + sizeof(h), rec, rec->len);
	j->out_n += need;
	return 0;
}

/* After a failure nobody knows what of the unsynced part is on disk: it is cut off, and writing
 * goes on in a new segment.  Should even the cut fail, the entries that stay are read again and
 * skipped by their numbers. */
static int
sync_failed(struct ag_journal *j, int rc)
{
	struct segment *s;

	j->out_n = 0;
	j->write_error = 0;
	if (j->write_fd < 0)
		return rc;
	s = &j->segs[j->n_segs - 1];
	if (ftruncate(j->write_fd, (off_t)s->bytes) < 0)
		ag_warn("could not cut journal segment %016" PRIx64 ": %s, its records are skipped when "
		    "read again", s->number, strerror(errno));
	ag_fd_close(&j->write_fd);
	if (s->bytes == 0) {
		segment_unlink(j, s->number);
		j->n_segs--;
	}
	return rc;
}

int
ag_journal_sync(struct ag_journal *j)
{
	struct segment *s;
	int rc = j->write_error;

	if (rc < 0)
		return sync_failed(j, rc);
	if (j->write_fd < 0)
		return 0;
	s = &j->segs[j->n_segs - 1];
	if (j->out_n == 0 && j->written == s->bytes)
		return 0;
	rc = write_out(j);
	if (rc == 0 && fdatasync(j->write_fd) < 0)
		rc = -errno;
	if (rc < 0)
		return sync_failed(j, rc);
	j->synced_bytes += j->written - s->bytes;
	s->bytes = j->written;
	return 0;
}

uint64_t
ag_journal_bytes(const struct ag_journal *j)
{
	uint64_t pending = 0;

	if (j->write_fd >= 0)
		pending = j->written + j->out_n - j->segs[j->n_segs - 1].bytes;
	return j->synced_bytes + pending;
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
	uint64_t off = s ? s->bytes : 0;

	if (off < sizeof(struct segment_hdr))
		off = sizeof(struct segment_hdr);
	return (struct ag_journal_pos){ .segment = s ? s->number : j->next_number, .off = off };
}

bool
ag_journal_pos_is_before(struct ag_journal_pos a, struct ag_journal_pos b)
{
	return a.segment != b.segment ? a.segment < b.segment : a.off < b.off;
}

void
ag_journal_trim(struct ag_journal *j, struct ag_journal_pos pos)
{
	size_t gone = 0;

	for (; gone < j->n_segs; gone++) {
		struct segment *s = &j->segs[gone];
		struct ag_journal_pos end = { .segment = s->number, .off = s->bytes };
		bool is_newest = gone + 1 == j->n_segs;

		if (ag_journal_pos_is_before(pos, end))
			break;
		/* The newest goes too when nothing waits to be written to it. */
		if (is_newest && j->write_fd >= 0 && (j->out_n || j->written != s->bytes))
			break;
		if (is_newest)
			ag_fd_close(&j->write_fd);
		if (j->read_fd >= 0 && j->read_number == s->number)
			ag_fd_close(&j->read_fd);
		segment_retire(j, s);
		j->synced_bytes -= s->bytes;
	}
	memmove(j->segs, j->segs + gone, (j->n_segs - gone) * sizeof(*j->segs));
	j->n_segs -= gone;
}
