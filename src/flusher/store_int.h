/* store_int.h - the inside of the store: store.c has the connection, store_step.c what is said
 * over it. */
#ifndef AG_FLUSHER_STORE_INT_H
#define AG_FLUSHER_STORE_INT_H

#include <libpq-fe.h>

#include "base/clock.h"
#include "flusher/params.h"
#include "flusher/store.h"

#define TRUTH_MAX        512u
#define BACKOFF_FIRST_US (100 * AG_US_PER_MS)

enum store_state { STORE_OFF, STORE_CONNECTING, STORE_SETUP, STORE_READY, STORE_BUSY };

/* What is sent; the answer decides what comes next. */
enum store_step {
	STEP_NONE,
	STEP_PREPARE,    /* SETUP: one after the other */
	STEP_PARTITIONS,
	STEP_POSITIONS,
	STEP_BEGIN,      /* BUSY: a batch, in this order */
	STEP_POSITION,
	STEP_COPY_LEAN,
	STEP_COPY_FULL,
	STEP_USAGE,
	STEP_ERROR,
	STEP_LATENCY,
	STEP_METADATA,
	STEP_BUDGET,
	STEP_GAP,
	STEP_QUARANTINE,
	STEP_OBJECT,
	STEP_COMMIT,
	STEP_ROLLBACK,   /* what went wrong stands in result and why */
	STEP_TRUTH,
	STEP_PARTITIONS_AGAIN,
	STEP_PARTITIONS_FOR, /* rows without one: made, then the batch again */
};

struct ag_store {
	struct event_base *base;        /* borrowed */
	const char *conninfo;           /* borrowed: conf */
	const struct ag_store_ops *ops; /* borrowed */
	void *arg;

	PGconn *pg;                     /* owned; NULL in OFF */
	struct event *ev_io;            /* owned: reading, or the connection being made */
	struct event *ev_write;         /* owned: while libpq has bytes to send */
	struct event *ev_timer;         /* owned: time to connect again */
	enum store_state state;
	enum store_step step;
	size_t preparing;               /* row of prepared[] */
	int64_t backoff_us, since_us;   /* since_us: start of CONNECTING, SETUP or BUSY */
	bool wants_partitions, was_told_down;
	char told[AG_REASON_MAX];       /* why it was not reachable, as told last */
	const char *partition_unit;     /* static: "month", "day" */
	bool is_partition_missing;      /* of the batch being stored */

	struct ag_params params;
	const struct ag_batch *batch;   /* borrowed: caller, while BUSY */
	size_t copied;                  /* bytes of its rows that are sent */
	bool is_copying, has_failed;    /* has_failed: this step's answer was an error */
	enum ag_store_result result;
	char sqlstate[6], why[AG_REASON_MAX];
	int64_t truth[TRUTH_MAX];
	size_t n_truth;
	int64_t answer;                 /* single number of the last answer */
};

static inline bool
ag_store_is_copy(enum store_step step)
{
	return step == STEP_COPY_LEAN || step == STEP_COPY_FULL;
}

/* Which rows this step copies. */
static inline enum ag_row_shape
ag_store_shape(enum store_step step)
{
	return step == STEP_COPY_LEAN ? AG_ROW_LEAN : AG_ROW_FULL;
}

/* The connection is gone, or given up.  Tells whoever waits for an answer. */
void ag_store_lose(struct ag_store *st, const char *why);
void ag_store_trim_message(char *s); /* one line, no blanks behind it */
/* Pushes what libpq has buffered; true when all is out. */
bool ag_store_flush(struct ag_store *st);
/* Rows go out a piece at a time, as fast as PostgreSQL takes them. */
void ag_store_copy_more(struct ag_store *st);

void ag_store_send(struct ag_store *st, enum store_step step);
/* Something came, or may have come: takes all answers that are whole. */
void ag_store_on_answer(struct ag_store *st);
/* READY, and on to what was put off. */
void ag_store_idle(struct ag_store *st);

#endif
