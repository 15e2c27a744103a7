/* body.h - what was asked and what was answered, on its way from a worker to the flusher.
 *
 * An entry of a ring of bodies (shm/body_ring.h), for workspaces that want bodies kept.  It
 * names the row of the ledger by request_id and attempt.  Bodies are as they came and went, cut
 * to body_log_max; credentials of ours are taken out by the worker, all else that is redacted
 * by the flusher, before anything is written down.  May be lost: it is given up before a record
 * would wait. */
#ifndef AIGATED_BODY_H
#define AIGATED_BODY_H

#include <assert.h>
#include <stdint.h>

#include "aigated/shm_layout.h"

/* Which bodies a workspace wants kept; ag_cat_workspace.body_log, workspace.body_log. */
enum ag_body_log {
	AG_BODY_LOG_OFF = 0,
	AG_BODY_LOG_ON_REQUEST = 1, /* those whose request says x-aigate-debug: true */
	AG_BODY_LOG_ON = 2,         /* those whose request does not say false */
	AG_BODY_LOG_ENFORCED = 3,   /* all */
};

/* What a workspace may have taken out beside what is built in: regular expressions, this many, each of
 * at most so many steps (base/pattern.h), which bounds what a byte of a body costs. */
#define AG_BODY_PATTERNS_MAX 16u
#define AG_BODY_STEPS_MAX    256u

enum ag_body_kind { AG_BODY_ENTRY = 1, AG_BODY_PAD = 2 /* filler to the end of the ring */ };

struct ag_body {
	uint32_t len;              /* whole entry, a multiple of 16 */
	uint32_t kind;             /* enum ag_body_kind */
	uint32_t request_len;      /* bytes kept of the request, behind this struct */
	uint32_t response_len;     /* bytes kept of the answer, behind those */
	uint8_t request_id[16];
	int64_t received_at_us;    /* wall */
	int64_t org_id, workspace_id, key_id;
	uint64_t request_bytes;    /* how long they were; more than is kept: cut */
	uint64_t response_bytes;
	uint32_t attempt;
	uint32_t reserved[3];      /* zero */
	/* char request[], response[] */
};
static_assert(sizeof(struct ag_body) % 16 == 0, "entries begin on multiples of 16");

#endif
