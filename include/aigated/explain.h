/* explain.h - why a request was admitted, fitted or refused: the newest decisions of each worker.
 *
 * A ring of full entries (refused and fitted requests: every meter as it stood) and one of brief
 * entries (the rest).  W: the worker with this index, or its successor; nobody waits for anybody: a
 * reader who meets an entry that is being overwritten leaves it out.  Decisions older than the rings
 * are told by the ledger alone, which knows nothing of refused requests. */
#ifndef AIGATED_EXPLAIN_H
#define AIGATED_EXPLAIN_H

#include <assert.h>
#include <stdint.h>

#include "aigated/shm_layout.h"

#define AG_EXPLAIN_FULL  256u  /* entries a worker */
#define AG_EXPLAIN_BRIEF 4096u
#define AG_EXPLAIN_TEXT  64u

enum ag_explain_flags {
	AG_EXPLAIN_FITTED = 1,     /* the output limit was lowered to what was left */
	AG_EXPLAIN_UNGOVERNED = 2, /* no meter was looked at: directive govern */
	AG_EXPLAIN_UNPRICED = 4,
};

struct ag_explain_brief {
	int64_t at_us;           /* wall: the request arrived */
	uint8_t request_id[16];
	uint64_t trace_hash;     /* FNV-1a of the trace id; 0: that is the request's own id */
	int64_t key_id, workspace_id, provider_id;
	int64_t input, output;   /* tokens at most, as it was decided */
	int64_t nusd;            /* held, or what would have been */
	uint16_t verdict;        /* enum ag_verdict */
	uint8_t flags;           /* enum ag_explain_flags */
	uint8_t endpoint;        /* enum ag_endpoint */
	uint8_t n_meters, n_policies; /* stood on; policies among them */
	uint16_t reserved;
	uint32_t waited_ms;      /* for what others held (hold_wait) */
	uint32_t reserved2;
	uint64_t reserved3[2];
};

/* A meter when the request was first refused by one: everything but what this request wanted. */
struct ag_explain_meter {
	int64_t id, limit, used, held, wanted; /* used: settled, or admitted in the window */
	int64_t resets_at_us;    /* INT64_MAX never */
	int64_t window_us;
	uint8_t level, kind, unit, period_kind;
	uint8_t enforcement, suspect;
	uint16_t reserved;
};

struct ag_explain {
	struct ag_explain_brief brief;
	int64_t org_id, integration_id, grant_id;
	int64_t output_asked;    /* output tokens at most before it was fitted */
	uint32_t refused;        /* place in meter[] of the one that refused (first), AG_NONE_IX none */
	uint8_t trace_len, model_len, detail_len, reserved;
	char trace[AG_EXPLAIN_TEXT], model[AG_EXPLAIN_TEXT], detail[2 * AG_EXPLAIN_TEXT]; /* cut */
	struct ag_explain_meter meter[AG_HOLDS_MAX];
};
static_assert(sizeof(struct ag_explain_brief) % 8 == 0 && sizeof(struct ag_explain_meter) == 64 &&
    sizeof(struct ag_explain) % 8 == 0, "copied by words");

/* seq: 2 * number + 1 while entry `number` is written, 2 * number + 2 when it stands, 0 never. */
struct ag_explain_brief_slot {
	struct ag_a64 seq;
	struct ag_a64 word[sizeof(struct ag_explain_brief) / 8];
} AG_ALIGNED(64);
struct ag_explain_slot {
	struct ag_a64 seq;
	struct ag_a64 word[sizeof(struct ag_explain) / 8];
} AG_ALIGNED(64);
static_assert(sizeof(struct ag_explain_brief_slot) == 128, "two lines");

/* Of one worker. */
struct ag_explain_ring {
	struct ag_a64 n_full, n_brief; /* entries ever written */
	struct ag_a64 reserved[6];
	struct ag_explain_slot full[AG_EXPLAIN_FULL];
	struct ag_explain_brief_slot brief[AG_EXPLAIN_BRIEF];
};

#endif
