/* batch.h - the records of one transaction: rows, sums, gaps, what is put aside, positions.
 *
 * Filled from rings or from the journal, record by record, in order of number within a stream.
 * Everything is copied: the source may be released while the batch is under way.  A batch that
 * failed is reset and filled again from the same source.
 *
 * Taking apart: when PostgreSQL refuses a batch for its data, half of it is tried, down to one
 * record, which is then condemned: it goes to quarantine instead of the ledger. */
#ifndef AG_FLUSHER_BATCH_H
#define AG_FLUSHER_BATCH_H

#include "aigated/record.h"
#include "base/buf.h"
#include "flusher/journal.h"
#include "flusher/rollup.h"
#include "flusher/row.h"
#include "flusher/stream.h"

#define AG_REASON_MAX 256

struct ag_gap {
	uint64_t boot_id;
	uint32_t worker;
	uint64_t from_seq, to_seq;
};

/* What became of an object that a provider keeps. */
struct ag_batch_object {
	int64_t integration_id, workspace_id, key_id, at_us;
	size_t off, len;      /* of its id, in object_ids */
	uint8_t kind;         /* enum ag_object_kind */
};

/* How far a stream goes with this batch. */
struct ag_advance {
	uint64_t boot_id;
	uint32_t worker;
	uint64_t was, now;
};

enum ag_batch_add {
	AG_BATCH_ADDED,
	AG_BATCH_SKIPPED, /* stored already */
	AG_BATCH_FULL,    /* not taken: the batch is complete without it */
	AG_BATCH_FAILED,  /* out of memory: the batch must be reset */
};

struct ag_batch {
	struct ag_streams *streams;    /* borrowed: flusher */
	struct ag_buf rows[AG_ROW_SHAPES]; /* binary COPY, complete after ag_batch_seal() */
	size_t n_rows_of[AG_ROW_SHAPES];
	struct ag_rollup rollup;
	struct ag_meta meta;           /* keys counted by; values of the record being taken */
	struct ag_advance *advance;    /* owned */
	size_t n_advance, cap_advance;
	struct ag_gap *gaps;           /* owned */
	size_t n_gaps, cap_gaps;
	struct ag_batch_object *objects; /* owned */
	size_t n_objects, cap_objects;
	struct ag_buf object_ids;
	size_t n_records, n_rows;      /* n_rows: of all shapes */

	bool is_quarantine;            /* its one record is put aside */
	uint8_t put_aside[AG_RECORD_MAX] AG_ALIGNED(8);
	struct ag_advance put_aside_of; /* boot_id, worker, now: whose record it is */
	char reason[AG_REASON_MAX];

	/* Taking apart. */
	uint32_t limit, limit_max;     /* most records; limit_max is flush_batch */
	bool is_bisecting;
	struct {
		bool is_set, drop_charges;
		uint64_t boot_id, seq;
		uint32_t worker;
		char reason[AG_REASON_MAX];
	} condemned;

	/* Where it came from: W: whoever fills it. */
	bool is_from_journal;
	uint64_t ring_cursor[AG_WORKERS_MAX];
	struct ag_journal_pos journal_end;
	int64_t filled_at_us;          /* monotonic */
	bool is_cut;                   /* more was waiting than it could take */
};

void ag_batch_init(struct ag_batch *b, struct ag_streams *streams, uint32_t limit_max);
void ag_batch_fini(struct ag_batch *b);
void ag_batch_set_limit(struct ag_batch *b, uint32_t limit_max);
/* Keys of metadata that metadata_hour counts by; the list is borrowed. */
void ag_batch_set_metadata(struct ag_batch *b, const char *list);
/* Empty again, the state of taking apart kept. */
void ag_batch_reset(struct ag_batch *b);

enum ag_batch_add ag_batch_add(struct ag_batch *b, uint64_t boot_id,
    const struct ag_record *rec) AG_MUST_CHECK;
/* No more records: false when memory ran out and the batch must be reset. */
bool ag_batch_seal(struct ag_batch *b) AG_MUST_CHECK;

/* It is in PostgreSQL: the streams move on. */
void ag_batch_stored(struct ag_batch *b);
/* PostgreSQL refuses its data for `reason`: the next one is smaller, or its record condemned. */
void ag_batch_refused(struct ag_batch *b, const char *reason);

#endif
