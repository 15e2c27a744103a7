/* record.h - one ledger record: one attempt that was sent, or might have been, to a provider.
 *
 * Travels draft (in-flight slot) -> ring -> journal -> PostgreSQL unchanged, little-endian host
 * layout, fixed part first, then the charges, then the strings one behind the other in the
 * order of enum ag_record_str, without NULs.  len covers all; crc is CRC-32C over everything
 * from `version` on.  Key of a record: (boot_id of the segment, worker, seq). */
#ifndef AIGATED_RECORD_H
#define AIGATED_RECORD_H

#include <assert.h>
#include <stdint.h>

#include "aigated/shm_layout.h"
#include "aigated/usage.h"
#include "base/str.h"

/* 2 added config_id, 3 price_adjustment_id.  What an earlier program left in the journal is of its version
 * and stays so: whoever reads knows all (ag_record_config_id(), ag_record_charges(), ...). */
#define AG_RECORD_VERSION 3u
#define AG_RECORD_PAD     0xffffu /* version of a filler that runs to the end of the ring */

enum ag_endpoint {
	AG_EP_NONE = 0,
#define X(name, number, text) AG_EP_##name = number,
#include "aigated/tbl/endpoints.h"
#undef X
	AG_EP_RECORDED,        /* those below it are what clients call, and stand in records */
	/* What providers alone speak. */
	AG_EP_CONVERSE = 32,   /* Bedrock */
	AG_EP_COHERE_CHAT = 33,
	AG_EP_COHERE_EMBED = 34,
	AG_EP_COHERE_RERANK = 35,
	AG_EP_GEMINI_EMBED = 36,
	AG_EP_GEMINI_EMBED_ONE = 37, /* embedContent: one text */
	AG_EP_VERTEX_EMBED = 38, /* predict, of Google's embedding models */
	AG_EP_TITAN_EMBED = 39, /* Bedrock's invoke, as Titan has it */
	AG_EP_INVOKE_COHERE_EMBED = 40, /* and as Cohere */
};

/* How an attempt ended; rows of the settlement matrix (src/policy/settle.c). */
enum ag_outcome {
	AG_OUT_ANSWERED = 1,         /* 2xx, complete */
	AG_OUT_CONNECT_FAILED = 2,   /* no byte was sent */
	AG_OUT_UPSTREAM_4XX = 3,
	AG_OUT_UPSTREAM_429 = 4,
	AG_OUT_UPSTREAM_5XX = 5,
	AG_OUT_TIMEOUT_FIRST_BYTE = 6,
	AG_OUT_TIMEOUT_STREAM = 7,
	AG_OUT_CLIENT_LEFT_BEFORE = 8, /* before the first byte of content */
	AG_OUT_CLIENT_LEFT_DURING = 9,
	AG_OUT_UPSTREAM_BROKE_BEFORE = 10, /* closed or reset before a head came */
	AG_OUT_UPSTREAM_BROKE_DURING = 11,
	AG_OUT_WORKER_DIED = 12,
	AG_OUT_BUDGET_CUT = 13, /* an adaptive budget could not pay for more */
};

enum ag_record_str {
	AG_RS_REQUESTED_MODEL,
	AG_RS_SERVED_MODEL,
	AG_RS_PROVIDER,       /* family: "openai" */
	AG_RS_PROVIDER_SLUG,  /* of the workspace: "openai-prod" */
	AG_RS_FINISH_REASON,
	AG_RS_ERROR_TYPE,
	AG_RS_TRACE_ID,
	AG_RS_SPAN_ID,
	AG_RS_UPSTREAM_ID,    /* id the provider gave the answer or the request */
	AG_RS_METADATA,       /* merged metadata, a JSON object */
	AG_RS_COUNT
};

/* What a meter was charged for this attempt. */
struct ag_charge {
	int64_t meter_id;
	int64_t period;   /* number of the account: see ag_period_number() + resets */
	int64_t amount;   /* in unit, >= 0 */
	uint32_t policy_id; /* of an id from AG_METER_DERIVED on: policy.id; else without meaning */
	uint32_t unit;    /* enum ag_unit */
};

struct ag_record {
	uint32_t len;            /* whole record, a multiple of 8 */
	uint32_t crc;
	uint16_t version;
	uint16_t n_charges;      /* budget meters only: rates leave nothing behind */
	uint16_t worker;
	uint16_t attempt;        /* from 1 */
	uint64_t seq;
	uint8_t request_id[16];  /* UUIDv7 */
	int64_t received_at_us;  /* wall */
	int64_t sent_at_us;      /* wall; 0 not sent */
	int64_t first_byte_at_us; /* wall; 0 none came */
	int64_t finished_at_us;  /* wall */
	int64_t org_id, workspace_id, key_id, user_id;
	int64_t integration_id, grant_id, provider_id;
	int64_t price_id;        /* row of price that was used, 0 none */
	int64_t cost_nusd;       /* computed from usage, what the provider will bill */
	int64_t charged_nusd;    /* what the customer's budgets were charged */
	int64_t held_nusd;       /* what was reserved */
	struct ag_usage usage;
	uint32_t admit_us, connect_us, overhead_us, queue_us;
	uint64_t request_bytes, response_bytes;
	uint16_t status;         /* of the provider, 0 none */
	uint16_t client_status;  /* what the client was told, 0 nothing */
	uint8_t endpoint;        /* enum ag_endpoint */
	uint8_t outcome;         /* enum ag_outcome */
	uint8_t is_stream;
	uint8_t is_final;        /* the last attempt of its request */
	uint16_t cache_status;   /* 0 none */
	uint8_t object;          /* enum ag_object_kind: what became of the provider's object AG_RS_UPSTREAM_ID;
	                            0 in records of before */
	uint8_t reserved;        /* zero */
	uint16_t str_len[AG_RS_COUNT];
	uint32_t price_ppm;      /* the price was taken times this / 10^6; 0: as it stands, or adjusted */
	int64_t config_id;       /* the config it was under, 0 none; from version 2 on */
	int64_t price_adjustment_id; /* by what each kind was multiplied, 0 none; from version 3 on */
	/* struct ag_charge charge[n_charges]; char strings[] */
};
static_assert(sizeof(struct ag_record) % 8 == 0, "charges follow aligned");
#define AG_RECORD_MAX AG_DRAFT_BYTES
#define AG_RECORD_USUAL 768 /* bytes most records stay below: for guesses */

#endif
