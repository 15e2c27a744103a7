/* The journal: what was synced comes back in order, whatever happened to the files. */
#include "flusher/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "shm/ring.h"
#include "tap.h"

static char dir[] = "/tmp/ag-journal-XXXXXX";

/* Names of the segments, oldest first; n of them. */
static int
segments(char names[][300], int max)
{
	struct dirent **list;
	int n = scandir(dir, &list, NULL, alphasort), found = 0;

	for (int i = 0; i < n; i++) {
		if (strstr(list[i]->d_name, ".journal") && found < max)
			snprintf(names[found++], 300, "%s/%s", dir, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return found;
}

static void
clean(void)
{
	static char names[256][300];
	int n = segments(names, 256);

	for (int i = 0; i < n; i++)
		unlink(names[i]);
}

static struct ag_journal *
opened(uint64_t segment_bytes, uint64_t max_bytes)
{
	struct ag_journal *j = NULL;
	struct ag_err err;

	if (ag_journal_open(dir, segment_bytes, max_bytes, &j, &err) < 0) {
		printf("# %s\n", err.text);
		exit(99);
	}
	return j;
}

static int
append(struct ag_journal *j, uint64_t boot, uint64_t seq)
{
	uint8_t mem[AG_RECORD_MAX] __attribute__((aligned(8)));
	struct ag_record fixed = { .seq = 0, .worker = 1 }, *rec = (struct ag_record *)(void *)mem;
	struct ag_str strs[AG_RS_COUNT] = { [AG_RS_REQUESTED_MODEL] = AG_STR("gpt-5-mini") };

	ag_record_build(&fixed, NULL, 0, strs, mem, sizeof(mem));
	rec->seq = seq;
	ag_record_seal(rec);
	return ag_journal_append(j, boot, rec);
}

/* As append(), of the version before: shorter by config_id.  No charges, so strings follow. */
static int
append_version_1(struct ag_journal *j, uint64_t boot, uint64_t seq)
{
	uint8_t mem[AG_RECORD_MAX] __attribute__((aligned(8)));
	struct ag_record fixed = { .worker = 1 }, *rec = (struct ag_record *)(void *)mem;
	struct ag_str strs[AG_RS_COUNT] = { [AG_RS_REQUESTED_MODEL] = AG_STR("gpt-4") };
	size_t n = ag_record_build(&fixed, NULL, 0, strs, mem, sizeof(mem));
	size_t less = sizeof(*rec) - ag_record_fixed_bytes(1);

	memmove(mem + ag_record_fixed_bytes(1), mem + sizeof(*rec), n - sizeof(*rec));
	rec->version = 1;
	rec->len -= (uint32_t)less;
	rec->seq = seq;
	ag_record_seal(rec);
	return ag_journal_append(j, boot, rec);
}

/* Appends seq from..to of boot and syncs. */
static void
filled(struct ag_journal *j, uint64_t boot, uint64_t from, uint64_t to)
{
	for (uint64_t seq = from; seq <= to; seq++) {
		if (append(j, boot, seq) < 0)
			abort();
	}
	if (ag_journal_sync(j) < 0)
		abort();
}

/* How many entries there are, and whether seq only grows; *last: of the last one. */
static int
count(struct ag_journal *j, bool *out_in_order, uint64_t *out_last)
{
	struct ag_journal_pos pos = ag_journal_first(j);
	struct ag_journal_entry e;
	int n = 0;

	*out_in_order = true;
	*out_last = 0;
	while (ag_journal_read(j, &pos, &e) > 0) {
		if (e.rec->seq <= *out_last)
			*out_in_order = false;
		*out_last = e.rec->seq;
		n++;
	}
	return n;
}

static void
holds(struct ag_journal *j, int n, uint64_t last, const char *text)
{
	bool in_order;
	uint64_t got_last;
	int got = count(j, &in_order, &got_last);

	if (!ok(got == n && got_last == last && in_order, "%s", text))
		printf("# got %d up to %llu, want %d up to %llu\n", got, (unsigned long long)got_last, n,
		    (unsigned long long)last);
}

static off_t
size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? -1 : st.st_size;
}

static void
damage(const char *path, off_t at, const char *bytes)
{
	int fd = open(path, O_WRONLY);

	if (pwrite(fd, bytes, strlen(bytes), at) < 0)
		abort();
	close(fd);
}

/* ---- */

static void
what_was_synced_is_read_after_a_restart(void)
{
	struct ag_journal *j = opened(1 << 20, 1 << 24);
	struct ag_journal_pos pos;
	struct ag_journal_entry e;

	filled(j, 7, 1, 1000);
	holds(j, 1000, 1000, "read while being written");
	if (append(j, 7, 1001) < 0)
		abort();
	holds(j, 1000, 1000, "what is not written is not seen");
	ag_journal_free(j);
	j = opened(1 << 20, 1 << 24);
	holds(j, 1000, 1000, "after a restart the synced ones are there");
	filled(j, 8, 1001, 1500);
	holds(j, 1500, 1500, "writing goes on behind them");
	pos = ag_journal_first(j);
	ok(ag_journal_read(j, &pos, &e) == 1 && e.boot_id == 7, "the boot id is kept");
	ag_journal_free(j);
	clean();
}

static void
what_the_version_before_left_is_read(void)
{
	struct ag_journal *j = opened(1 << 20, 1 << 24);
	struct ag_journal_pos pos;
	struct ag_journal_entry e;

	for (uint64_t seq = 1; seq <= 50; seq++)
		if ((seq % 2 ? append_version_1(j, 7, seq) : append(j, 7, seq)) < 0)
			abort();
	if (ag_journal_sync(j) < 0)
		abort();
	ag_journal_free(j);
	j = opened(1 << 20, 1 << 24);
	holds(j, 50, 50, "records of both versions, in order");
	pos = ag_journal_first(j);
	ok(ag_journal_read(j, &pos, &e) == 1 && e.rec->version == 1 &&
	    ag_str_eq(ag_record_string(e.rec, AG_RS_REQUESTED_MODEL), AG_STR("gpt-4")), "as they were written");
	ag_journal_free(j);
	clean();
}

static void
a_second_process_is_kept_out(void)
{
	struct ag_journal *j = opened(1 << 20, 1 << 24), *other = NULL;
	struct ag_err err;

	is_i64(ag_journal_open(dir, 1 << 20, 1 << 24, &other, &err), -EBUSY, "the journal has one owner");
	ag_journal_free(j);
}

static void
a_torn_tail_is_cut(void)
{
	struct ag_journal *j = opened(1 << 20, 1 << 24);
	static char names[8][300];
	off_t size;

	filled(j, 7, 1, 100);
	ag_journal_free(j);
	segments(names, 8);
	size = size_of(names[0]);
	if (truncate(names[0], size - 5) < 0)
		abort();
	j = opened(1 << 20, 1 << 24);
	holds(j, 99, 99, "an entry cut short is dropped");
	ok(size_of(names[0]) < size - 5, "and cut off the file");
	filled(j, 7, 100, 120);
	holds(j, 120, 120, "what comes later follows");
	ag_journal_free(j);
	segments(names, 8);
	j = NULL;
	if (truncate(names[1], 70) < 0)
		abort();
	j = opened(1 << 20, 1 << 24);
	holds(j, 99, 99, "a segment without a whole entry is dropped");
	ok(size_of(names[1]) < 0, "and deleted");
	ag_journal_free(j);
	clean();
}

static void
damage_in_the_middle_costs_its_entries_only(void)
{
	struct ag_journal *j = opened(1 << 20, 1 << 24);
	static char names[8][300];
	struct ag_journal_pos pos;
	struct ag_journal_entry e;
	uint64_t before = 0, after = 0;
	off_t size;

	filled(j, 7, 1, 100);
	ag_journal_free(j);
	segments(names, 8);
	size = size_of(names[0]);
	damage(names[0], 64 + (size - 64) / 2 + 40, "rotten");
	j = opened(1 << 20, 1 << 24);
	is_i64(size_of(names[0]), size, "nothing is cut off");
	holds(j, 99, 100, "one entry is lost, the rest is read");
	pos = ag_journal_first(j);
	while (ag_journal_read(j, &pos, &e) > 0) {
		if (before && !after && e.rec->seq != before + 1)
			after = e.rec->seq;
		if (!after)
			before = e.rec->seq;
	}
	is_i64((int64_t)(after - before), 2, "its number is missing");
	ag_journal_free(j);
	clean();
}

static void
segments_turn_over_and_go_when_stored(void)
{
	struct ag_journal *j = opened(65536, 1 << 24);
	struct ag_journal_pos pos;
	struct ag_journal_entry e;
	static char names[64][300];
	int n, left;
	uint64_t bytes;

	filled(j, 7, 1, 1000);
	n = segments(names, 64);
	ok(n > 4, "a thousand entries take several segments");
	holds(j, 1000, 1000, "read across segments in order");
	pos = ag_journal_first(j);
	for (int i = 0; i < 500; i++) {
		if (ag_journal_read(j, &pos, &e) != 1)
			abort();
	}
	bytes = ag_journal_bytes(j);
	ag_journal_trim(j, pos);
	left = segments(names, 64);
	ok(left < n && left > 1, "segments that are stored whole are deleted");
	ok(ag_journal_bytes(j) < bytes, "and counted off");
	is_i64(ag_journal_read(j, &pos, &e), 1, "reading goes on where it was");
	is_i64((int64_t)e.rec->seq, 501, "with the next one");
	while (ag_journal_read(j, &pos, &e) > 0)
		;
	ag_journal_trim(j, pos);
	is_i64(segments(names, 64), 0, "when all is stored nothing is left");
	is_i64((int64_t)ag_journal_bytes(j), 0, "no bytes either");
	filled(j, 7, 1001, 1010);
	holds(j, 10, 1010, "and it can be used again");
	ag_journal_free(j);
	clean();
}

static bool
stands(const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* What was stored leaves its file to the next segment, and nothing else. */
static void
a_file_is_used_again(void)
{
	struct ag_journal *j = opened(65536, 1 << 24);
	char names[64][300];
	unsigned places;
	uint64_t bytes;
	off_t size;

	filled(j, 7, 1, 1000);
	size = size_of(segments(names, 64) ? names[0] : "");
	ag_journal_trim(j, ag_journal_end(j));
	is_i64(segments(names, 64), 0, "all is stored: no segment is left");
	ok(stands("spare"), "but a file for the next");
	filled(j, 7, 2001, 2010);
	ok(!stands("spare") && segments(names, 64) == 1, "which becomes that");
	is_i64(size_of(names[0]), size, "and is no new one");
	holds(j, 10, 2010, "it holds what was written to it now");
	ag_journal_free(j);
	j = opened(65536, 1 << 24);
	holds(j, 10, 2010, "after a restart, too");
	filled(j, 7, 2011, 2020);
	ag_journal_trim(j, ag_journal_end(j));
	filled(j, 7, 3001, 4000);
	ag_journal_free(j);
	/* Its rest may have any length. */
	if (segments(names, 64) < 2 || truncate(names[0], size_of(names[0]) + 100) < 0)
		abort();
	j = opened(65536, 1 << 24);
	holds(j, 1000, 4000, "so it does when several segments follow");
	ag_journal_damage(j, &places, &bytes);
	is_i64(places, 0, "and nothing of it counts as damage");
	ag_journal_trim(j, ag_journal_end(j));
	filled(j, 7, 4001, 5000);
	ag_journal_trim(j, ag_journal_end(j));
	ok(stands("spare"), "a file is kept");
	ag_journal_free(j);
	ok(!stands("spare"), "but not when the journal is closed");
	clean();
}

static void
the_ceiling_counts_the_spare(void)
{
	struct ag_journal *j = opened(1 << 20, 300000);
	uint64_t seq = 0, spare, most = 0;
	char path[80];

	while (append(j, 7, ++seq) == 0)
		;
	is_i64(ag_journal_sync(j), 0, "full");
	ag_journal_trim(j, ag_journal_end(j));
	snprintf(path, sizeof(path), "%s/spare", dir);
	spare = stands("spare") ? (uint64_t)size_of(path) : 0;
	ok(spare > 0, "all is stored, a file is kept");
	while (append(j, 7, ++seq) == 0) {
		uint64_t now = ag_journal_bytes(j) + (stands("spare") ? spare : 0);

		most = now > most ? now : most;
	}
	ok(!stands("spare") && most <= 300000, "it makes room when the ceiling comes near");
	ok(ag_journal_bytes(j) > 290000, "and the journal takes as much as before");
	ag_journal_free(j);
	clean();
}

static void
the_ceiling_holds(void)
{
	struct ag_journal *j = opened(1 << 20, 300000);
	struct ag_journal_pos pos;
	struct ag_journal_entry e;
	uint64_t seq = 0;
	int rc;

	while ((rc = append(j, 7, seq + 1)) == 0)
		seq++;
	is_i64(rc, -ENOSPC, "past the ceiling nothing is taken");
	is_i64(ag_journal_sync(j), 0, "what was before it still stands");
	ok(ag_journal_bytes(j) <= 300000, "the ceiling is not passed");
	holds(j, (int)seq, seq, "all that was taken is there");
	pos = ag_journal_first(j);
	for (uint64_t i = 0; i < seq / 2; i++) {
		if (ag_journal_read(j, &pos, &e) != 1)
			abort();
	}
	ag_journal_trim(j, pos);
	is_i64(append(j, 7, seq + 1), 0, "there is room again before all of it is stored");
	ag_journal_free(j);
	clean();
}

static void
a_failed_write_leaves_nothing_of_its_batch(void)
{
	struct ag_journal *j = opened(1 << 20, 1 << 24);
	uint64_t bytes;
	char path[80];

	filled(j, 7, 1, 20);
	ag_journal_free(j);
	j = opened(1 << 20, 1 << 24);
	/* The name of the next segment is taken, so that it cannot be made. */
	snprintf(path, sizeof(path), "%s/%016llx.journal", dir,
	    (unsigned long long)ag_journal_first(j).segment + 1);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	bytes = ag_journal_bytes(j);
	is_i64(append(j, 7, 21), 0, "an entry is collected");
	is_i64(append(j, 7, 22), 0, "and another");
	ok(ag_journal_write(j) < 0, "the write that cannot be done says so");
	is_i64((int64_t)ag_journal_bytes(j), (int64_t)bytes, "nothing of it is left");
	unlink(path);
	is_i64(append(j, 7, 21), 0, "afterwards it is taken");
	is_i64(ag_journal_sync(j), 0, "and synced");
	holds(j, 21, 21, "each once");
	ag_journal_free(j);
	clean();
}

int
main(void)
{
	char lock[64];

	ag_log_level = AG_LOG_ERROR;
	if (!mkdtemp(dir))
		return 99;
	what_was_synced_is_read_after_a_restart();
	what_the_version_before_left_is_read();
	a_second_process_is_kept_out();
	a_torn_tail_is_cut();
	damage_in_the_middle_costs_its_entries_only();
	segments_turn_over_and_go_when_stored();
	a_file_is_used_again();
	the_ceiling_counts_the_spare();
	the_ceiling_holds();
	a_failed_write_leaves_nothing_of_its_batch();
	snprintf(lock, sizeof(lock), "%s/lock", dir);
	unlink(lock);
	rmdir(dir);
	return done();
}
