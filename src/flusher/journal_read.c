/* Reading goes through one buffer; an entry is taken only when its checksum agrees. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "flusher/journal_int.h"
#include "shm/ring.h"

static bool
entry_len_is_sane(const struct entry_hdr *h)
{
	return (h->magic == ENTRY_MAGIC || h->magic == ENTRY_MAGIC_1) &&
	    h->len >= ag_record_fixed_bytes(1) && h->len <= AG_RECORD_MAX && h->len % 8 == 0;
}

static bool
entry_is_whole(const struct entry_hdr *h, const struct ag_record *rec, uint64_t segment)
{
	if (h->magic == ENTRY_MAGIC)
		return h->segment == (uint32_t)segment && h->crc == entry_crc(h, rec) &&
		    ag_record_is_valid(rec, h->len);
	/* Only what a ring gave out as whole is appended, its checksum among it: one look at the bytes will do. */
	return h->crc == ag_crc32c(ag_crc32c(0, &h->boot_id, sizeof(h->boot_id)), rec, h->len) &&
	    ag_record_is_shaped(rec, h->len);
}

int
ag_journal_open_for_reading(struct ag_journal *j, uint64_t number)
{
	char name[32];

	if (j->read_fd >= 0 && j->read_number == number)
		return 0;
	ag_fd_close(&j->read_fd);
	j->in_n = 0;
	ag_journal_segment_name(number, name);
	j->read_fd = openat(j->dir_fd, name, O_RDONLY | O_CLOEXEC);
	j->read_number = number;
	/* After a failed sync a segment may stand in memory alone; see read_at(). */
	if (j->read_fd < 0 && !(errno == ENOENT && ag_journal_copy_at(j, number, 0, 0)))
		return -errno;
	return 0;
}

/* n bytes at off of the open segment, which ends at `end`: a view, or NULL with *rc = 0 (short) or
 * -errno. */
static const uint8_t *
read_at(struct ag_journal *j, uint64_t off, size_t n, uint64_t end, int *rc)
{
	const uint8_t *copy = ag_journal_copy_at(j, j->read_number, off, n);

	*rc = 0;
	if (off > end || n > end - off)
		return NULL;
	if (copy)
		return copy;
	if (off >= j->in_off && off - j->in_off <= j->in_n && n <= j->in_n - (off - j->in_off))
		return j->in + (off - j->in_off);
	j->in_off = off;
	j->in_n = 0;
	while (j->in_n < n) {
		size_t want = READ_BYTES - j->in_n;
		ssize_t got;

		if (want > end - off - j->in_n)
			want = (size_t)(end - off - j->in_n);
		got = pread(j->read_fd, j->in + j->in_n, want, (off_t)(off + j->in_n));
		if (got < 0 && errno == EINTR)
			continue;
		/* A bad sector further on is no reason not to see what is asked for. */
		if (got < 0 && errno == EIO && want > n - j->in_n) {
			end = off + n;
			continue;
		}
		if (got < 0) {
			*rc = -errno;
			return NULL;
		}
		if (got == 0)
			return NULL;
		j->in_n += (size_t)got;
	}
	return j->in;
}

/* The entry that stands exactly at off: 1 and its header; 0 none; -errno. */
static int
entry_at(struct ag_journal *j, uint64_t off, uint64_t end, struct entry_hdr *out_hdr,
    const struct ag_record **out_rec)
{
	struct entry_hdr h;
	const uint8_t *p;
	int rc;

	p = read_at(j, off, sizeof(h), end, &rc);
	if (!p)
		return rc;
	memcpy(&h, p, sizeof(h));
	if (!entry_len_is_sane(&h))
		return 0;
	p = read_at(j, off, sizeof(h) + h.len, end, &rc);
	if (!p)
		return rc;
	*out_hdr = h;
	*out_rec = (const struct ag_record *)(const void *)(p + sizeof(h));
	return entry_is_whole(&h, *out_rec, j->read_number) ? 1 : 0;
}

/* What the disk does not give now it may give later; but not waiting for ever is worth a sector. */
static bool
is_given_up(struct ag_journal *j, uint64_t off)
{
	if (j->io_segment == j->read_number && j->io_tries >= IO_TRIES)
		return true;
	if (j->io_segment != j->read_number || j->io_off != off)
		j->io_tries = 0;
	j->io_segment = j->read_number;
	j->io_off = off;
	return ++j->io_tries >= IO_TRIES;
}

int
ag_journal_find_entry(struct ag_journal *j, uint64_t *off, uint64_t end, struct entry_hdr *out_hdr,
    const struct ag_record **out_rec)
{
	uint64_t at = *off < sizeof(struct segment_hdr) ? sizeof(struct segment_hdr) : *off;

	for (; at + sizeof(struct entry_hdr) <= end; at += 8) {
		int rc = entry_at(j, at, end, out_hdr, out_rec);

		if (rc == -EIO && is_given_up(j, at)) {
			at = (at / SECTOR_BYTES + 1) * SECTOR_BYTES - 8;
			continue;
		}
		if (rc != 0) {
			*off = at;
			return rc;
		}
	}
	return 0;
}

static size_t
segment_index(const struct ag_journal *j, uint64_t number)
{
	size_t i = 0;

	while (i < j->n_segs && j->segs[i].number < number)
		i++;
	return i;
}

int
ag_journal_read(struct ag_journal *j, struct ag_journal_pos *pos, struct ag_journal_entry *out)
{
	for (size_t i = segment_index(j, pos->segment); i < j->n_segs; i++) {
		struct segment *s = &j->segs[i];
		uint64_t from = s->number == pos->segment ? pos->off : 0, at;
		const struct ag_record *rec;
		struct entry_hdr h = { 0 };
		int rc;

		if (from < sizeof(struct segment_hdr))
			from = sizeof(struct segment_hdr);
		at = from;
		rc = at < s->readable ? ag_journal_open_for_reading(j, s->number) : 0;
		if (rc == 0 && at < s->readable)
			rc = ag_journal_find_entry(j, &at, s->readable, &h, &rec);
		if (rc < 0)
			return rc;
		if (rc == 0)
			at = s->readable > from ? s->readable : from;
		if (at > from && (rc > 0 || !s->shows_old)) {
			s->is_damaged = true;
			j->damaged_places++;
			j->damaged_bytes += at - from;
			ag_error("journal segment %016" PRIx64 " is damaged: skipped %" PRIu64
			    " bytes at %" PRIu64, s->number, at - from, from);
		}
		*pos = (struct ag_journal_pos){ .segment = s->number, .off = at };
		if (rc == 0)
			continue;
		pos->off = at + sizeof(h) + h.len;
		*out = (struct ag_journal_entry){ .boot_id = h.boot_id, .rec = rec };
		return 1;
	}
	return 0;
}
