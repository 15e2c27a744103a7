/* journal_int.h - the inside of the journal, for journal.c (files), journal_write.c and journal_read.c. */
#ifndef AG_FLUSHER_JOURNAL_INT_H
#define AG_FLUSHER_JOURNAL_INT_H

#include <assert.h>
#include <stddef.h>

#include "base/hash.h"
#include "flusher/journal.h"

#define JOURNAL_MAGIC   UINT64_C(0x316c6e726a646761) /* "agdjrnl1" */
#define ENTRY_MAGIC     UINT32_C(0x324a4741)         /* "AGJ2" */
#define ENTRY_MAGIC_1   UINT32_C(0x314a4741)         /* "AGJ1", read only: names no segment */
#define SPARE_NAME      "spare"
#define PAGE_BYTES      4096u
#define READ_BYTES      ((size_t)1 << 18)
#define CHUNK_BYTES     ((size_t)1 << 20)
#define SEGMENT_LEAST   UINT64_C(65536)
#define SECTOR_BYTES    UINT64_C(4096)
#define IO_TRIES        8u  /* half a second apart; then a sector that cannot be read is skipped */

struct segment_hdr {
	uint64_t magic;
	uint64_t number;
	int64_t created_at_us;
	uint64_t is_reused; /* behind the last entry stands what the file held before, which is no damage */
	uint64_t reserved[4];
};
static_assert(sizeof(struct segment_hdr) == 64, "entries start aligned");

struct entry_hdr {
	uint32_t magic;
	uint32_t len;      /* of the record */
	uint32_t crc;      /* see entry_crc() */
	uint32_t segment;  /* its number, low bits: what a file held before has another */
	uint64_t boot_id;
};
static_assert(sizeof(struct entry_hdr) == 24, "the record behind it is aligned");

/* Offsets in the file: synced <= written, and both <= end; readable <= end. */
struct segment {
	uint64_t number;
	uint64_t readable; /* what is the journal's: the kernel has it, or did, and there is a copy */
	uint64_t end;      /* with what was appended since and not yet written */
	uint64_t written;  /* the kernel has it */
	uint64_t synced;   /* a power cut leaves it */
	int fd;            /* owned: for writing and syncing; -1 not open */
	uint64_t reused;   /* bytes of the file it took over, 0: it was new */
	bool is_ours;      /* made by this process: there are copies of what is not synced */
	bool is_new;       /* its name is not synced */
	bool is_sealed;    /* nothing is appended any more */
	bool is_to_cut;    /* a sync failed: what is behind `end` stands in a later segment */
	bool shows_old;    /* of an earlier life, in a reused file: what is behind the last entry is no damage */
	bool is_damaged;   /* something in it was skipped: kept aside when it would be deleted */
};

/* A copy of what was appended to one segment, kept until it is synced or stored: when a sync has
 * failed, the kernel may have dropped what it was given. */
struct chunk {
	struct chunk *next;     /* owned */
	uint64_t segment, off;  /* the place of mem[0] */
	size_t n, written;      /* bytes; of them given to the kernel */
	uint8_t mem[CHUNK_BYTES + PAGE_BYTES] __attribute__((aligned(8))); /* the last page: zeros behind it */
};

struct ag_syncer;

struct ag_journal {
	char *dir;               /* owned */
	int dir_fd, lock_fd;     /* owned */
	uint64_t segment_bytes, segment_bytes_wanted, max_bytes;
	struct segment *segs;    /* owned, oldest first */
	size_t n_segs, cap_segs;
	uint64_t next_number;
	uint64_t bytes;          /* `end` of all segments */
	uint64_t spare_bytes;    /* of the file SPARE_NAME, whose pages the next segment takes over; 0: none */

	struct chunk *chunks, *last_chunk; /* owned, oldest first */
	struct chunk *spare;     /* owned */
	size_t n_chunks, max_chunks;
	int append_error;        /* -errno of an append that failed since the last write */

	struct ag_syncer *syncer; /* owned; NULL: syncs are waited for */
	bool is_syncing;         /* `sync_segment` up to `sync_to` is at the syncer */
	uint64_t sync_segment, sync_to;
	struct ag_journal_pos goal; /* of this round: what was written when it began */
	int64_t written_at_us, round_at_us; /* monotonic; see ag_journal_unsynced_since_us() */

	int read_fd;             /* owned; -1 none */
	uint64_t read_number;
	uint8_t *in;             /* owned: READ_BYTES, of in_off on */
	uint64_t in_off;
	size_t in_n;
	uint64_t io_segment, io_off; /* where the disk could not read last */
	unsigned io_tries;           /* how often, there */
	uint64_t damaged_bytes;      /* skipped so far */
	unsigned damaged_places;
};

/* The record has a checksum of its own: this one binds it to the head. */
static inline uint32_t
entry_crc(const struct entry_hdr *h, const struct ag_record *rec)
{
	const uint64_t bound[] = { h->boot_id, (uint64_t)h->segment << 32 | h->len, rec->crc };

	return ag_crc32c(0, bound, sizeof(bound));
}

/* Lists the segments there are. */
int ag_journal_scan_dir(struct ag_journal *j, struct ag_err *err) AG_MUST_CHECK;
void ag_journal_segment_name(uint64_t number, char out[32]);
/* NULL: no memory. */
struct segment *ag_journal_segment_add(struct ag_journal *j, uint64_t number) AG_MUST_CHECK;
/* Of the list, and its descriptor. */
void ag_journal_segment_drop(struct ag_journal *j, size_t i);
void ag_journal_segment_unlink(struct ag_journal *j, uint64_t number);
void ag_journal_spare_drop(struct ag_journal *j);
void ag_journal_count_bytes(struct ag_journal *j);
/* Makes segment `number` the one that is read; -errno. */
int ag_journal_open_for_reading(struct ag_journal *j, uint64_t number) AG_MUST_CHECK;
/* First entry of it at or behind *off and before `end`, damage skipped: 1, 0 none, -errno. */
int ag_journal_find_entry(struct ag_journal *j, uint64_t *off, uint64_t end,
    struct entry_hdr *out_hdr, const struct ag_record **out_rec) AG_MUST_CHECK;
/* The copy of n bytes at off, NULL when there is none (any more). */
const uint8_t *ag_journal_copy_at(const struct ag_journal *j, uint64_t segment, uint64_t off,
    size_t n);
/* Copies of what stands before pos go, but for what is still to be written. */
void ag_journal_drop_copies(struct ag_journal *j, struct ag_journal_pos pos, bool is_segment_gone);

#endif
