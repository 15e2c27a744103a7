/* The journal on a disk that fails: cut power, full, errors reading.  The calls it makes are ours. */
#include <errno.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

static ssize_t faulty_pread(int fd, void *p, size_t n, off_t at);
static ssize_t faulty_pwrite(int fd, const void *p, size_t n, off_t at);
static int faulty_fdatasync(int fd);

#define pread     faulty_pread
#define pwrite    faulty_pwrite
#define fdatasync faulty_fdatasync
#include "../../src/flusher/journal.c"
#include "../../src/flusher/journal_read.c"
#include "../../src/flusher/journal_write.c"
#include "../../src/flusher/syncer.c"
#undef pread
#undef pwrite
#undef fdatasync

#include "shm/ring.h"
#include "tap.h"

static char dir[] = "/tmp/ag-journal-XXXXXX";

/* ---- the disk ---- */

static struct {
	uint64_t bad_from, bad_to; /* offsets that cannot be read */
	unsigned heals_after;      /* reads of one entry that fail, 0: for ever */
	uint64_t room;             /* bytes that fit, when is_full */
	uint64_t written_to;       /* offset behind the last write */
	bool is_full;
	_Atomic bool fails_sync, is_stuck; /* the syncer's thread asks */
	int gate[2];               /* a sync waits at its end while is_stuck */
} disk;

static ssize_t
faulty_pread(int fd, void *p, size_t n, off_t at)
{
	uint64_t from = (uint64_t)at;

	if (from < disk.bad_to && from + n > disk.bad_from) {
		bool is_asked_alone = n <= AG_RECORD_MAX + sizeof(struct entry_hdr);

		if (is_asked_alone && disk.heals_after == 1)
			disk.bad_to = 0;
		else if (is_asked_alone && disk.heals_after > 1)
			disk.heals_after--;
		errno = EIO;
		return -1;
	}
	return pread(fd, p, n, at);
}

static ssize_t
faulty_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (disk.is_full && disk.room == 0) {
		errno = ENOSPC;
		return -1;
	}
	if (disk.is_full && n > disk.room)
		n = disk.room; /* as file systems do: what fits, then the error */
	if (disk.is_full)
		disk.room -= n;
	disk.written_to = (uint64_t)at + n;
	return pwrite(fd, p, n, at);
}

static int
faulty_fdatasync(int fd)
{
	char end;

	if (disk.is_stuck && read(disk.gate[0], &end, 1) < 0)
		abort();
	if (disk.fails_sync) {
		errno = EIO;
		return -1;
	}
	return fdatasync(fd);
}

/* ---- helpers ---- */

static uint64_t rng = 0x853c49e6748fea9bu;

static uint64_t
rnd(uint64_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 8) % n;
}

static void
clean(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL) {
		if (strstr(e->d_name, ".journal"))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
	memset(&disk, 0, sizeof(disk));
}

static struct ag_journal *
opened(uint64_t max_bytes)
{
	struct ag_journal *j = NULL;
	struct ag_err err = { "" };

	if (ag_journal_open(dir, 1 << 20, max_bytes, &j, &err) < 0) {
		printf("# %s\n", err.text);
		exit(99);
	}
	return j;
}

static int
append(struct ag_journal *j, uint64_t seq)
{
	uint8_t mem[AG_RECORD_MAX] __attribute__((aligned(8)));
	struct ag_record fixed = { .seq = 0, .worker = 1 }, *rec = (struct ag_record *)(void *)mem;
	char model[64];
	struct ag_str strs[AG_RS_COUNT] = { [AG_RS_REQUESTED_MODEL] = ag_str_n(model, seq % 60) };

	memset(model, 'm', sizeof(model));
	ag_record_build(&fixed, NULL, 0, strs, mem, sizeof(mem));
	rec->seq = seq;
	ag_record_seal(rec);
	return ag_journal_append(j, 7, rec);
}

/* Reads all, trying again as the flusher does; how many, and whether they only grow. */
static uint64_t
read_on(struct ag_journal *j, unsigned *out_tries, bool *out_in_order, uint64_t *out_last)
{
	struct ag_journal_pos pos = ag_journal_first(j);
	struct ag_journal_entry e;
	uint64_t n = 0;
	int rc;

	*out_tries = 0;
	*out_in_order = true;
	*out_last = 0;
	while ((rc = ag_journal_read(j, &pos, &e)) != 0 && *out_tries < 1000) {
		if (rc < 0) {
			++*out_tries;
			continue;
		}
		*out_in_order = *out_in_order && e.rec->seq > *out_last;
		*out_last = e.rec->seq;
		n++;
	}
	return n;
}

static void
filled(struct ag_journal *j, uint64_t from, uint64_t to)
{
	for (uint64_t seq = from; seq <= to; seq++) {
		if (append(j, seq) < 0)
			abort();
	}
	if (ag_journal_sync(j) < 0)
		abort();
}

static void
segment_path(uint64_t number, const char *suffix, char out[400])
{
	char name[32];

	ag_journal_segment_name(number, name);
	snprintf(out, 400, "%s/%s%s", dir, name, suffix);
}

/* ---- power ---- */

/* What was synced stays; what was written behind it is cut anywhere, or full of anything. */
static bool
survives_a_cut(bool *out_lost)
{
	struct ag_journal *j = opened(1 << 24);
	uint64_t synced = 50 + rnd(300), more = rnd(200), last, n, size;
	char path[400];
	bool in_order;
	unsigned tries;
	int fd;

	filled(j, 1, synced);
	size = j->segs[j->n_segs - 1].synced;
	for (uint64_t seq = synced + 1; seq <= synced + more; seq++) {
		if (append(j, seq) < 0)
			abort();
	}
	if (ag_journal_write(j) < 0) /* on its way to the disk, not synced */
		abort();
	segment_path(j->segs[j->n_segs - 1].number, "", path);
	fd = open(path, O_RDWR);
	size += rnd(j->segs[j->n_segs - 1].written - size + 1);
	if (ftruncate(fd, (off_t)size) < 0)
		abort();
	if (rnd(2) && size > j->segs[j->n_segs - 1].synced) { /* sectors came in another order */
		uint64_t at = j->segs[j->n_segs - 1].synced;
		static const uint8_t zero[512];

		at += rnd(size - at);
		if (pwrite(fd, zero, size - at < 512 ? size - at : 512, (off_t)at) < 0)
			abort();
	}
	if (rnd(2)) { /* and the file has room that was never written */
		if (ftruncate(fd, (off_t)(size + rnd(9000))) < 0)
			abort();
	}
	close(fd);
	ag_journal_free(j);

	j = opened(1 << 24);
	n = read_on(j, &tries, &in_order, &last);
	*out_lost = n < synced || last < synced;
	filled(j, synced + more + 1, synced + more + 20);
	n = read_on(j, &tries, &in_order, &last);
	ag_journal_free(j);
	clean();
	return in_order && last == synced + more + 20 && n >= synced + 20;
}

static void
power_cuts_cost_nothing_that_was_synced(void)
{
	int broken = 0, lost = 0;

	for (int i = 0; i < 300; i++) {
		bool is_lost = false;

		if (!survives_a_cut(&is_lost))
			broken++;
		lost += is_lost;
	}
	is_i64(lost, 0, "300 cuts: all that was synced is read");
	is_i64(broken, 0, "in order, nothing invented, and writing goes on behind");
}

/* As above, in a file that was used before: what did not reach the disk shows what stood there then. */
static bool
survives_a_cut_when_reused(bool *out_lost)
{
	static uint8_t old[1 << 20];
	struct ag_journal *j = opened(1 << 24);
	uint64_t synced = 50 + rnd(300), more = rnd(200), first = 1000, last, n, at;
	bool in_order, is_whole;
	unsigned tries;
	char path[400];
	ssize_t old_n;
	int fd;

	filled(j, 1, 100 + rnd(500));
	ag_journal_trim(j, ag_journal_end(j));
	snprintf(path, sizeof(path), "%s/%s", dir, SPARE_NAME);
	fd = open(path, O_RDONLY);
	old_n = read(fd, old, sizeof(old));
	close(fd);
	filled(j, first + 1, first + synced);
	if (access(path, F_OK) == 0 || j->segs[0].reused != (uint64_t)old_n)
		abort();
	at = (j->segs[0].synced + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES; /* the page was written whole */
	for (uint64_t seq = first + synced + 1; seq <= first + synced + more; seq++) {
		if (append(j, seq) < 0)
			abort();
	}
	if (ag_journal_write(j) < 0)
		abort();
	is_whole = disk.written_to % PAGE_BYTES == 0 || disk.written_to > (uint64_t)old_n;
	segment_path(j->segs[0].number, "", path);
	fd = open(path, O_RDWR);
	for (; at + 512 <= (uint64_t)old_n; at += 512) {
		if (rnd(2) && pwrite(fd, old + at, 512, (off_t)at) != 512)
			abort();
	}
	close(fd);
	ag_journal_free(j);

	j = opened(1 << 24);
	n = read_on(j, &tries, &in_order, &last);
	*out_lost = n < synced || last < first + synced;
	in_order = in_order && n <= synced + more && last <= first + synced + more;
	filled(j, first + synced + more + 1, first + synced + more + 20);
	n = read_on(j, &tries, &in_order, &last);
	ag_journal_free(j);
	clean();
	return is_whole && in_order && last == first + synced + more + 20 && n >= synced + 20;
}

static void
power_cuts_cost_a_reused_file_no_more(void)
{
	int broken = 0, lost = 0;

	for (int i = 0; i < 300; i++) {
		bool is_lost = false;

		broken += !survives_a_cut_when_reused(&is_lost);
		lost += is_lost;
	}
	is_i64(lost, 0, "300 cuts of a file in use for the second time: all that was synced is read");
	is_i64(broken, 0, "in order, and nothing of what it held before");
}

/* Entries as they were before they named their segment. */
static void
entries_of_the_format_before_are_read(void)
{
	struct ag_journal *j = opened(1 << 24);
	const struct ag_record *rec;
	struct entry_hdr h;
	uint64_t n, last, off = sizeof(struct segment_hdr), end;
	unsigned tries;
	bool in_order;
	char path[400];
	int fd;

	filled(j, 1, 30);
	end = j->segs[0].end;
	segment_path(j->segs[0].number, "", path);
	fd = open(path, O_WRONLY);
	if (ag_journal_open_for_reading(j, j->segs[0].number) < 0)
		abort();
	ag_journal_drop_copies(j, ag_journal_end(j), true);
	while (off < end && ag_journal_find_entry(j, &off, end, &h, &rec) > 0) {
		h.magic = ENTRY_MAGIC_1;
		h.segment = 0;
		h.crc = ag_crc32c(ag_crc32c(0, &h.boot_id, sizeof(h.boot_id)), rec, h.len);
		if (pwrite(fd, &h, sizeof(h), (off_t)off) != (ssize_t)sizeof(h))
			abort();
		off += sizeof(h) + h.len;
	}
	close(fd);
	ag_journal_free(j);
	j = opened(1 << 24);
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 30 && last == 30 && in_order, "entries of the format before are read");
	ag_journal_free(j);
	clean();
}

/* ---- reading ---- */

static void
a_sector_that_heals_costs_nothing(void)
{
	struct ag_journal *j = opened(1 << 24);
	uint64_t n, last;
	unsigned tries;
	bool in_order;

	filled(j, 1, 500);
	disk.bad_from = 40960;
	disk.bad_to = 45056;
	disk.heals_after = 3;
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 500 && in_order, "all are read in the end");
	ok(tries > 0, "after trying again");
	ag_journal_free(j);
	clean();
}

static void
a_sector_that_stays_bad_is_given_up(void)
{
	struct ag_journal *j = opened(1 << 24);
	struct ag_journal_pos end;
	uint64_t n, last, bytes;
	unsigned tries;
	bool in_order;
	char path[400];

	filled(j, 1, 500);
	disk.bad_from = 40960;
	disk.bad_to = 45056;
	n = read_on(j, &tries, &in_order, &last);
	ok(last == 500 && in_order, "what is behind it is read");
	ok(n < 500 && n > 480, "the sector's records are missing, and no others");
	is_i64(tries, IO_TRIES - 1, "after as many tries as are allowed");
	bytes = ag_journal_bytes(j);
	end = ag_journal_end(j);
	segment_path(j->segs[0].number, ".damaged", path);
	ag_journal_trim(j, end);
	ok(access(path, F_OK) == 0, "the segment is kept aside");
	ok(bytes > 0 && ag_journal_bytes(j) == 0, "and counts no more");
	unlink(path);
	ag_journal_free(j);
	clean();
}

static void
a_bad_sector_does_not_keep_it_from_opening(void)
{
	struct ag_journal *j = opened(1 << 24);
	uint64_t n, last;
	unsigned tries;
	bool in_order;

	filled(j, 1, 500);
	ag_journal_free(j);
	disk.bad_from = 40960;
	disk.bad_to = 45056;
	j = opened(1 << 24);
	n = read_on(j, &tries, &in_order, &last);
	ok(last == 500 && n > 480 && in_order, "opened, and read around it");
	ag_journal_free(j);
	clean();
}

/* ---- writing ---- */

static void
a_full_disk_takes_what_fits_and_goes_on_when_there_is_room(void)
{
	struct ag_journal *j = opened(1 << 24);
	uint64_t n, last, seq;
	unsigned tries;
	bool in_order;
	int rc = 0;

	filled(j, 1, 100);
	disk.is_full = true;
	disk.room = 3000;
	for (seq = 101; seq <= 200 && rc == 0; seq++)
		rc = append(j, seq);
	if (rc == 0)
		rc = ag_journal_sync(j);
	is_i64(rc, -ENOSPC, "said so");
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 100 && last == 100, "what was synced stands, what was not is gone");
	disk.is_full = false;
	filled(j, 101, 200);
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 200 && in_order, "with room again it goes on");
	disk.fails_sync = true;
	rc = append(j, 201);
	if (rc == 0)
		rc = ag_journal_sync(j);
	is_i64(rc, -EIO, "a sync that fails is told");
	disk.fails_sync = false;
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 201 && last == 201, "and costs nothing: it was the journal's already");
	filled(j, 202, 300);
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 300 && in_order, "nothing of it is there twice");
	ag_journal_free(j);
	j = opened(1 << 24);
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 300 && in_order && last == 300, "nor after a restart");
	ag_journal_free(j);
	clean();
}

/* ---- syncs that fail ---- */

static void
written(struct ag_journal *j, uint64_t from, uint64_t to)
{
	for (uint64_t seq = from; seq <= to; seq++) {
		if (append(j, seq) < 0)
			abort();
	}
	if (ag_journal_write(j) < 0)
		abort();
}

/* What the kernel drops when it could not write it: the file reads as it was synced, or as zeros. */
static void
unsynced_pages_are_dropped(struct ag_journal *j)
{
	static const uint8_t zero[4096];

	for (size_t i = 0; i < j->n_segs; i++) {
		const struct segment *s = &j->segs[i];

		for (uint64_t at = s->synced; s->fd >= 0 && at < s->written; at += sizeof(zero)) {
			uint64_t n = s->written - at < sizeof(zero) ? s->written - at : sizeof(zero);

			if (pwrite(s->fd, zero, n, (off_t)at) < 0)
				abort();
		}
	}
}

static void
a_failed_sync_costs_nothing_even_if_the_pages_are_dropped(void)
{
	struct ag_journal *j = opened(1 << 24);
	uint64_t n, last;
	unsigned tries;
	bool in_order;

	ag_journal_free(j);
	j = NULL;
	if (ag_journal_open(dir, 65536, 1 << 24, &j, &(struct ag_err){ "" }) < 0)
		abort();
	filled(j, 1, 100);
	written(j, 101, 1000); /* several segments */
	ok(j->n_segs > 3, "several segments wait for the disk");
	unsynced_pages_are_dropped(j);
	disk.fails_sync = true;
	is_i64(ag_journal_sync_start(j), -EIO, "the sync fails");
	ok(ag_journal_owes_write(j), "it has to be written again");
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 1000 && in_order && tries == 0, "all is read, from memory");
	disk.is_full = true;
	disk.room = 40000;
	is_i64(ag_journal_write(j), -ENOSPC, "writing it again fails half-way");
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 1000 && in_order && tries == 0, "all is read still");
	if (append(j, 1001) < 0)
		abort();
	is_i64(ag_journal_write(j), -ENOSPC, "and takes nothing new with it");
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 1000 && last == 1000, "which is gone");
	disk.is_full = false;
	is_i64(ag_journal_write(j), 0, "with room it is written");
	is_i64(ag_journal_sync_start(j), -EIO, "the next sync fails too");
	disk.fails_sync = false;
	written(j, 1001, 1100);
	is_i64(ag_journal_sync(j), 0, "until one succeeds");
	is_i64((int64_t)ag_journal_unsynced_bytes(j), 0, "nothing waits for the disk");
	is_i64((int64_t)j->n_chunks, 0, "no copy is kept");
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 1100 && in_order && last == 1100, "each once, in order");
	ag_journal_free(j);
	j = opened(1 << 24);
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 1100 && in_order && last == 1100, "after a restart, too");
	ag_journal_free(j);
	clean();
}

static void
what_is_stored_is_not_written_again(void)
{
	struct ag_journal *j = opened(1 << 24);
	uint64_t n, last;
	unsigned tries;
	bool in_order;

	filled(j, 1, 100);
	written(j, 101, 300);
	disk.fails_sync = true;
	is_i64(ag_journal_sync_start(j), -EIO, "the sync fails");
	ag_journal_trim(j, ag_journal_end(j));
	is_i64((int64_t)ag_journal_bytes(j), 0, "PostgreSQL has it all: the journal is empty");
	ok(!ag_journal_owes_write(j) && j->n_chunks == 0 && j->n_segs == 0, "and owes nothing");
	disk.fails_sync = false;
	filled(j, 301, 310);
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 10 && last == 310, "it is used again");
	ag_journal_free(j);
	clean();
}

/* ---- a disk that does not answer ---- */

static void
disk_sticks(void)
{
	if (pipe(disk.gate) < 0)
		abort();
	disk.is_stuck = true;
}

static void
disk_answers(void)
{
	disk.is_stuck = false;
	close(disk.gate[1]);
}

static void
a_stuck_sync_holds_up_nothing(void)
{
	struct ag_journal *j = NULL;
	struct ag_journal_pos end;
	uint64_t n, last;
	unsigned tries;
	bool in_order;

	if (ag_journal_open(dir, 65536, 1 << 24, &j, &(struct ag_err){ "" }) < 0 ||
	    ag_journal_start_syncer(j) < 0)
		abort();
	disk_sticks();
	written(j, 1, 10);
	is_i64(ag_journal_sync_start(j), 0, "a sync begins");
	written(j, 11, 1000);
	is_i64(ag_journal_sync_look(j), 1, "it is under way");
	is_i64(ag_journal_sync_start(j), 0, "a second one does not begin");
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 1000 && in_order && last == 1000, "what was written meanwhile is read");
	ok(ag_journal_unsynced_since_us(j) > 0, "and known to wait");
	end = ag_journal_end(j);
	ag_journal_trim(j, end);
	ok(ag_journal_bytes(j) > 0, "the segment that is being synced stays");
	is_i64((int64_t)j->n_chunks, 0, "but copies of what is stored do not");
	disk_answers();
	is_i64(ag_journal_sync(j), 0, "the disk answers");
	ag_journal_trim(j, end);
	is_i64((int64_t)ag_journal_bytes(j), 0, "then all goes");
	ag_journal_free(j);
	j = opened(1 << 24);
	is_i64((int64_t)j->n_segs, 0, "from the directory, too");
	ag_journal_free(j);
	close(disk.gate[0]);
	clean();
}

static void
a_disk_too_far_behind_is_told(void)
{
	struct ag_journal *j = opened(1 << 26);
	uint64_t seq = 0, n, last;
	unsigned tries;
	bool in_order;
	int rc;

	ag_journal_set_max_unsynced(j, 2 * CHUNK_BYTES);
	if (ag_journal_start_syncer(j) < 0)
		abort();
	disk_sticks();
	written(j, 1, ++seq);
	if (ag_journal_sync_start(j) < 0)
		abort();
	while ((rc = append(j, seq + 1)) == 0)
		seq++;
	is_i64(rc, -EAGAIN, "no room for more copies");
	is_i64(ag_journal_write(j), 0, "what was before stands");
	ok(seq * 300 > CHUNK_BYTES && j->n_chunks == 2, "the ceiling is what was said");
	disk_answers();
	is_i64(ag_journal_sync(j), 0, "the disk answers");
	is_i64(append(j, ++seq), 0, "and there is room again");
	if (ag_journal_sync(j) < 0)
		abort();
	n = read_on(j, &tries, &in_order, &last);
	ok(n == seq && in_order && last == seq, "all of it is there");
	ag_journal_free(j);
	close(disk.gate[0]);
	clean();
}

/* It failed after more had been written: everything unsynced moves, in order. */
static void
a_stuck_sync_may_fail_in_the_end(void)
{
	struct ag_journal *j = NULL;
	uint64_t n, last;
	unsigned tries;
	bool in_order;
	int rc;

	if (ag_journal_open(dir, 65536, 1 << 24, &j, &(struct ag_err){ "" }) < 0 ||
	    ag_journal_start_syncer(j) < 0)
		abort();
	disk_sticks();
	disk.fails_sync = true;
	written(j, 1, 200);
	if (ag_journal_sync_start(j) < 0)
		abort();
	written(j, 201, 900);
	disk_answers();
	while ((rc = ag_journal_sync_look(j)) > 0)
		;
	is_i64(rc, -EIO, "the failure is told");
	disk.fails_sync = false;
	is_i64(ag_journal_sync(j), 0, "written again, it is synced");
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 900 && in_order && last == 900, "each once, in order");
	ag_journal_free(j);
	close(disk.gate[0]);
	j = opened(1 << 24);
	n = read_on(j, &tries, &in_order, &last);
	ok(n == 900 && in_order && last == 900, "after a restart, too");
	ag_journal_free(j);
	clean();
}

int
main(void)
{
	ag_log_level = AG_LOG_ERROR;
	if (!freopen("/dev/null", "w", stderr) || !mkdtemp(dir))
		return 99;
	power_cuts_cost_nothing_that_was_synced();
	power_cuts_cost_a_reused_file_no_more();
	entries_of_the_format_before_are_read();
	a_sector_that_heals_costs_nothing();
	a_sector_that_stays_bad_is_given_up();
	a_bad_sector_does_not_keep_it_from_opening();
	a_full_disk_takes_what_fits_and_goes_on_when_there_is_room();
	a_failed_sync_costs_nothing_even_if_the_pages_are_dropped();
	what_is_stored_is_not_written_again();
	a_stuck_sync_holds_up_nothing();
	a_disk_too_far_behind_is_told();
	a_stuck_sync_may_fail_in_the_end();
	{
		char lock[64];

		snprintf(lock, sizeof(lock), "%s/lock", dir);
		unlink(lock);
		rmdir(dir);
	}
	return done();
}
