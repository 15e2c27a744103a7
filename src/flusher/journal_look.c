/* Looking at a journal from outside, while its owner writes: nothing is locked, cut or deleted. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "flusher/journal_int.h"

int
ag_journal_open_to_look(const char *dir, struct ag_journal **out, struct ag_err *err)
{
	struct ag_journal *j = calloc(1, sizeof(*j));
	int rc = 0;

	if (!j)
		return ag_err_set(err, -ENOMEM, "could not look at the journal: out of memory");
	j->dir_fd = j->lock_fd = j->read_fd = -1;
	j->next_number = 1;
	j->dir = strdup(dir);
	j->in = malloc(READ_BYTES);
	if (!j->dir || !j->in)
		rc = ag_err_set(err, -ENOMEM, "could not look at the journal: out of memory");
	if (rc == 0) {
		j->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (j->dir_fd < 0)
			rc = ag_err_set(err, -errno, "could not open journal directory \"%s\": %s", dir,
			    strerror(errno));
	}
	if (rc == 0)
		rc = ag_journal_scan_dir(j, err);
	if (rc < 0) {
		ag_journal_free(j);
		return rc;
	}
	*out = j;
	return 0;
}

bool
ag_journal_is_in_use(const struct ag_journal *j)
{
	AG_AUTO(ag_fd) int fd = openat(j->dir_fd, "lock", O_RDONLY | O_CLOEXEC);

	/* A lock taken here goes with the descriptor, a moment later. */
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

size_t
ag_journal_segments(const struct ag_journal *j)
{
	return j->n_segs;
}

int
ag_journal_segment_at(struct ag_journal *j, size_t i, struct ag_journal_segment *out)
{
	struct ag_journal_segment s = { .number = j->segs[i].number, .bytes = j->segs[i].readable,
		.is_damaged = j->segs[i].is_damaged };
	struct segment_hdr h;
	ssize_t n;
	int rc = ag_journal_open_for_reading(j, s.number);

	if (rc < 0)
		return rc; /* -ENOENT: stored and gone since it was listed */
	n = pread(j->read_fd, &h, sizeof(h), 0);
	if (n < 0)
		return -errno;
	s.has_header = n == (ssize_t)sizeof(h) && h.magic == JOURNAL_MAGIC && h.number == s.number;
	if (s.has_header)
		s.created_at_us = h.created_at_us;
	*out = s;
	return 0;
}

void
ag_journal_damage(const struct ag_journal *j, unsigned *out_places, uint64_t *out_bytes)
{
	*out_places = j->damaged_places;
	*out_bytes = j->damaged_bytes;
}
