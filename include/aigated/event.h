/* event.h - what a worker tells telemetry of a request: at its end, and of each attempt before the last.
 *
 * Travels worker -> event ring -> telemetry, in this machine's byte order: fixed part, the strings one
 * behind the other without NULs, filled up to a multiple of 8, then the ledger record of the attempt, if
 * there was one, without charges.  Nothing in it is a prompt, an answer or a secret.  Money does not
 * depend on it: the ledger has its own way, and what does not fit here is dropped and counted. */
#ifndef AIGATED_EVENT_H
#define AIGATED_EVENT_H

#include <assert.h>
#include <stdint.h>

#include "aigated/record.h"

enum ag_event_kind {
	AG_EVENT_PAD = 0,     /* runs to the end of the ring */
	AG_EVENT_REQUEST = 1, /* a request has ended */
	AG_EVENT_ATTEMPT = 2, /* an attempt that another one follows */
};

enum ag_event_flags {
	AG_EVENT_TRACED = 1,       /* trace and span are set */
	AG_EVENT_CHILD = 2,        /* so is parent */
	AG_EVENT_SAMPLED = 4,
	AG_EVENT_CLIENT_LEFT = 8,  /* before it had everything */
	AG_EVENT_TLS = 16,
	AG_EVENT_ADMIN = 32,       /* passed to control */
	AG_EVENT_STREAM = 64,
};

enum ag_event_str {
	AG_ES_METHOD,
	AG_ES_PATH,      /* without query, which may hold a key; cut */
	AG_ES_PEER,      /* address of the client */
	AG_ES_AGENT,     /* its user-agent; cut */
	AG_ES_TRACE_ID,  /* as the ledger and the client have it: any text */
	AG_ES_STATE,     /* tracestate */
	AG_ES_MODEL,     /* as asked for */
	AG_ES_ERROR,     /* type of the error it was answered with by us */
	AG_ES_HOST,      /* of the provider: host, perhaps with port */
	AG_ES_COUNT
};

struct ag_event {
	uint32_t len;             /* of all, a multiple of 8 */
	uint16_t kind;            /* enum ag_event_kind */
	uint16_t status;          /* what the client was told, 0 nothing */
	uint8_t request_id[16];
	int64_t received_at_us;   /* wall */
	int64_t finished_at_us;   /* wall */
	int64_t org_id, workspace_id, key_id, user_id; /* 0: nobody, or not known yet */
	uint64_t request_bytes, response_bytes;        /* bodies */
	uint32_t queue_us;
	uint16_t attempts;
	uint8_t endpoint;         /* enum ag_endpoint */
	uint8_t flags;            /* enum ag_event_flags */
	char trace[32], span[16], parent[16]; /* lower-case hexadecimal */
	uint32_t record_len;      /* 0 none */
	uint16_t str_len[AG_ES_COUNT];
	uint16_t reserved;
	/* char strings[], padding, struct ag_record */
};
static_assert(sizeof(struct ag_event) % 8 == 0, "the record is aligned");

#define AG_EVENT_TEXT_MAX 512u /* of one string */
#define AG_EVENT_MAX      (sizeof(struct ag_event) + AG_ES_COUNT * AG_EVENT_TEXT_MAX + 8 + AG_RECORD_MAX)

#endif
