/* shm_layout.h - what the processes share, byte by byte.
 *
 * One segment, created by the master, mapped by every process, outliving all of them.  Only
 * fixed-width integers, indices and offsets; atomics through base/atomic.h.  Every field says
 * who writes it (W) and who reads it (R).  Any change of size, order or meaning bumps
 * AG_SHM_LAYOUT: a segment of another layout is refused by name, never guessed at.
 *
 * The functions that work on these structs live in src/shm and src/limit. */
#ifndef AIGATED_SHM_LAYOUT_H
#define AIGATED_SHM_LAYOUT_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/attr.h"
#include "base/hash.h"

#define AG_SHM_MAGIC  UINT64_C(0x6169676174656431) /* "aigated1" */
#define AG_SHM_LAYOUT 12u

/* Bytes of the segment's file that are locked as names, not as bytes: one a process slot from 0 on
 * (held while the process lives), and one for insertions into the meter table. */
#define AG_SHM_LOCK_PROCS  0
#define AG_SHM_LOCK_METERS (1 << 20)

#define AG_HIST_BUCKETS    54u  /* of a histogram, see shm/histogram.h; the last one has no bound */
#define AG_HIST_CELLS      (AG_HIST_BUCKETS + 1u) /* and the sum */
#define AG_WORKERS_MAX     64u
#define AG_KEY_METERS_MAX  8u   /* meters of one API key */
#define AG_HOLDS_MAX       24u  /* meters one request may stand on, all levels together */
#define AG_DRAFT_BYTES     3072u /* a ledger record with its strings and charges */
#define AG_LAST_WORDS      256u
#define AG_NONE_IX         UINT32_MAX

/* ---- header ------------------------------------------------------------------------------ */

/* Sizes asked for by the configuration; a segment is re-attached only when all agree. */
struct ag_shm_sizes {
	uint32_t workers;        /* worker slots and rings */
	uint32_t inflight;       /* in-flight slots per worker */
	uint32_t keys;           /* key slots, a power of two, twice the number of keys allowed */
	uint32_t meters;         /* meter slots, a power of two */
	uint32_t blob_units;     /* 64-byte units of key metadata */
	uint32_t counters;       /* cells per process: tbl/counters.h, then tbl/histograms.h */
	uint32_t objects;        /* places for objects of providers, a power of two */
	uint32_t reserved;       /* zero */
	uint64_t ring_bytes;     /* data bytes of one usage ring, a power of two */
	uint64_t catalog_bytes;  /* bytes of one of the two catalogue areas */
	uint64_t body_ring_bytes; /* data bytes of one ring of bodies, a power of two; 0: none are kept */
};

enum ag_shm_state {
	AG_SHM_COLD = 0,  /* fresh: limits and spend not loaded yet; workers refuse with 503 */
	AG_SHM_READY = 1, /* keys, catalogue and meters stand */
};

struct ag_shm_hdr {
	uint64_t magic;            /* W: master, published last  R: all */
	uint32_t layout;           /* W: master  R: all */
	uint32_t hdr_size;
	uint64_t total_size;
	struct ag_shm_sizes sizes;
	uint64_t procs_off;        /* struct ag_proc_slot[3 + workers]: control, flusher, telemetry, workers */
	uint64_t counters_off;     /* struct ag_a64[3 + workers][counters], rows padded to a line */
	uint64_t keys_off;         /* struct ag_key_slot[keys] */
	uint64_t blobs_off;        /* key metadata, 64-byte units */
	uint64_t meters_off;       /* struct ag_meter[meters] */
	uint64_t catalog_off;      /* struct ag_catalog_hdr, then two areas */
	uint64_t inflight_off;     /* struct ag_inflight[workers][inflight] */
	uint64_t rings_off;        /* struct ag_ring_hdr + data, per worker; behind them, on a page of its
	                              own, struct ag_explain_ring[workers]: explain.h */
	uint64_t boot_id;          /* random, > 0, per creation: names the record streams (W: master) */
	struct ag_a32 state;       /* enum ag_shm_state  W: control  R: all */
	struct ag_a32 key_epoch;   /* bumped by control on every key change  R: people */
	struct ag_a64 created_at_us; /* wall */
	struct ag_a64 pg_down_since_us; /* wall, 0 = reachable  W: flusher  R: workers (/readyz) */
	struct ag_a32 intake_closed; /* 1: journal and rings full, refuse new requests  W: flusher */
	struct ag_a32 ledger_ready;  /* 1: PostgreSQL holds all that earlier segments left in the journal,
	                                so budget_state is true  W: flusher  R: control */
	struct ag_a32 policy_meters; /* meters made on first use, about  W: under AG_SHM_LOCK_METERS */
	struct ag_a32 policy_made;   /* goes up with each of them, and each name  W: as above  R: control */
	struct ag_a32 would_refuse; /* goes up with every refusal a shadow budget noted  R: control */
	uint32_t reserved;         /* zero */
	uint64_t learned_off;      /* struct ag_learned[AG_LEARNED_SLOTS]  W: master */
	uint64_t objects_off;      /* struct ag_a128[objects]: shm/objtab.h  W: master */
	uint64_t bodies_off;       /* struct ag_body_ring_hdr + data, per worker; see body.h */
	struct ag_a64 waiting;     /* bit per worker in which somebody waits; W: that worker  R: workers */
	uint64_t meter_bits_off;   /* struct ag_a64[meters / 64], rounded up: see below  W: master */
	uint64_t reserved_line[2]; /* zero */
};
static_assert(sizeof(struct ag_shm_hdr) % 64 == 0, "what follows the header is line-aligned");

/* ---- processes --------------------------------------------------------------------------- */

enum ag_role { AG_ROLE_NONE, AG_ROLE_CONTROL, AG_ROLE_FLUSHER, AG_ROLE_WORKER, AG_ROLE_TELEMETRY };

#define AG_PROC_CONTROL      0u
#define AG_PROC_FLUSHER      1u
#define AG_PROC_TELEMETRY    2u /* without telemetry its slot stays AG_ROLE_NONE */
#define AG_PROC_WORKER(ix)   (3u + (ix))

#define AG_WAITING_TOLD 8u

/* Who has waited longest in a worker for one meter: worker/wait.c.  since_us is stored last, 0 first. */
struct ag_waiting {
	struct ag_a64 since_us;     /* monotonic, 0 nobody */
	struct ag_a32 meter;
	uint32_t reserved;
};

/* W: the process itself, but for pid and incarnation (master, before the fork returns to work) */
struct ag_proc_slot {
	struct ag_a32 role;
	struct ag_a32 pid;          /* 0 when none */
	struct ag_a32 incarnation;  /* grows with every fork of this slot  W: master */
	struct ag_a32 is_serving;   /* 1 once the process does its work */
	struct ag_a64 heartbeat_us; /* wall, once a second */
	struct ag_a64 started_at_us;
	struct ag_a32 inflight;     /* workers: requests in flight */
	struct ag_a32 connections;  /* workers: client connections open */
	struct ag_a32 catalog_gen;  /* workers: generation of the catalogue in use */
	struct ag_a32 slots_high;   /* workers: in-flight slots from here on were never used */
	struct ag_a32 reserved[4];
	struct ag_waiting waiting[AG_WAITING_TOLD]; /* workers; R: the others */
	char last_words[AG_LAST_WORDS]; /* W: crash path, async-signal-safe  R: master */
};
static_assert(sizeof(struct ag_proc_slot) == 448, "process slots are seven lines");

/* ---- API keys ---------------------------------------------------------------------------- */

enum ag_key_state {
	AG_KEY_FREE = 0,
	AG_KEY_TOMB = 1,      /* freed; probing goes on past it */
	AG_KEY_ACTIVE = 2,
	AG_KEY_DISABLED = 3,  /* archived, or its workspace is: answers 401 */
};

enum ag_key_kind {
	AG_KEY_ORG_SERVICE = 1,
	AG_KEY_WORKSPACE_SERVICE = 2,
	AG_KEY_WORKSPACE_USER = 3,
};

/* The content of a key slot, copied as 64-bit words under the slot's seqlock. */
/* flags of a key.  While a rotation is in transition a key stands in two slots that differ in hash,
 * expiry and this: the former secret, which works until its own expires_at_us.  All else, id and
 * meters above all, is the same. */
#define AG_KEY_FLAG_FORMER 2u

struct ag_key {
	uint8_t hash[AG_SHA256_LEN]; /* SHA-256 of the key's bytes */
	int64_t id;                  /* api_key.id */
	int64_t org_id;
	int64_t workspace_id;        /* 0 for organisation keys */
	int64_t user_id;             /* 0 for service keys */
	int64_t expires_at_us;       /* wall; INT64_MAX = never */
	uint64_t scopes[3];          /* bit = row of tbl/scopes.h */
	uint8_t uuid[16];
	uint32_t state;              /* enum ag_key_state */
	uint32_t kind;               /* enum ag_key_kind */
	uint32_t blob_unit;          /* first 64-byte unit of the metadata text, see policy/metadata.h */
	uint32_t blob_bytes;         /* its length, 0 = none */
	uint32_t n_meters;
	uint32_t meters[AG_KEY_METERS_MAX]; /* indices into the meter table */
	uint32_t flags;              /* AG_KEY_FLAG_... */
	int64_t config_id;           /* default config, 0 = none */
	uint64_t serial;             /* order of writing, set by keytab.c: of two slots with one id and
	                                AG_KEY_FLAG_FORMER alike (control died while a key changed its hash)
	                                the later stands */
};
static_assert(sizeof(struct ag_key) % 8 == 0, "a key is copied by words");
#define AG_KEY_FLAG_CONFIG_LOCKED 1u /* requests may not name another config */
#define AG_KEY_WORDS (sizeof(struct ag_key) / 8)

/* W: control only. R: all, seqlock: seq odd while it changes. */
struct ag_key_slot {
	struct ag_a32 seq;
	uint32_t reserved;
	struct ag_a64 word[AG_KEY_WORDS];
} AG_ALIGNED(64);

/* ---- meters ------------------------------------------------------------------------------ */

enum ag_meter_kind {
	AG_METER_FREE = 0,
	AG_METER_BUDGET = 1, /* used <= limit over a calendar period */
	AG_METER_RATE = 2,   /* strict sliding window */
	AG_METER_GAUGE = 3,  /* at most limit at a time */
};

enum ag_unit { AG_UNIT_NUSD = 1, AG_UNIT_TOKENS = 2, AG_UNIT_REQUESTS = 3 };

enum ag_scope_kind {
	AG_LEVEL_KEY = 1,
	AG_LEVEL_WORKSPACE = 2,
	AG_LEVEL_GRANT = 3,    /* integration x workspace */
	AG_LEVEL_PROVIDER = 4, /* virtual key */
	AG_LEVEL_ORG = 5,
	AG_LEVEL_POLICY = 6,
};

enum ag_period_kind {
	AG_PERIOD_NONE = 0,
	AG_PERIOD_WEEKLY = 1,  /* Sunday 00:00 UTC */
	AG_PERIOD_MONTHLY = 2, /* the 1st, 00:00 UTC */
	AG_PERIOD_DAYS = 3,    /* every period_days from anchor_day */
	AG_PERIOD_WEEKLY_MONDAY = 4, /* policies */
};

/* What a budget does with a request that may not fit. */
enum ag_enforcement {
	AG_ENFORCE_STRICT = 0,   /* the worst case is held: never passed */
	AG_ENFORCE_ADAPTIVE = 1, /* what such answers usually take is held, and more while they come */
	AG_ENFORCE_SHADOW = 2,   /* never refuses; notes what strict would have refused */
};

/* Adaptive: what becomes of a stream for which no more can be held. */
enum ag_exhaust {
	AG_EXHAUST_CUT = 0,    /* it ends with an error, the provider is cancelled */
	AG_EXHAUST_FINISH = 1, /* it goes on, and what it takes beyond is charged all the same */
};

/* Ids of table meter stay below; an id from here on is made of a policy and what the request was
 * grouped by (src/policy/policy_match.h), for a meter that appears on first use. */
#define AG_METER_DERIVED   (INT64_C(1) << 62)
#define AG_METER_CLOSED    INT64_C(-1) /* limit of a meter that is about to go: refuses all */
#define AG_METER_NAME_MAX  216u

#define AG_RATE_SLICES  16 /* capacity comes back at most 1/16 of a window late */
#define AG_RATE_BUCKETS (AG_RATE_SLICES + 2)

/* How one meter is set up.  Written by control while kind is FREE or, for limits, field by field
 * with single stores; id is the row in table meter.  Meters of policies are also made, and kept as
 * the policy says, by workers, under AG_SHM_LOCK_METERS.  See src/limit/README. */
struct ag_meter {
	/* line 0: identity and limits, read-mostly.  W: control  R: all */
	struct ag_a64 id;          /* meter.id, 0 = never used, < 0 = freed: see src/shm/README */
	struct ag_a64 limit;       /* in unit; a budget of INT64_MAX is unlimited but counted */
	struct ag_a64 alert_at;    /* in unit; INT64_MAX = none */
	struct ag_a64 window_us;   /* rate: length of the window */
	struct ag_a32 kind;        /* enum ag_meter_kind, published last */
	struct ag_a32 unit;        /* enum ag_unit */
	struct ag_a32 level;       /* enum ag_scope_kind */
	struct ag_a32 period_kind; /* enum ag_period_kind */
	struct ag_a32 days_and_mode; /* bits 0-15 length of a period of kind days, 16-23 enum
	                                ag_enforcement, 24-31 enum ag_exhaust: see metertab.h */
	struct ag_a32 anchor_day;  /* days since 1970, for AG_PERIOD_DAYS */
	struct ag_a32 resets;      /* times the usage was reset: shifts the period number; rates: raised
	                              also when the window changes, so that old slices count no more */
	struct ag_a32 suspect;     /* 1: a process died inside an operation; flusher checks and clears */

	/* line 1 on: hot.  W: workers (and recovery) */
	union {
		struct {
			/* hi = number of the period, lo = used (settled + held); slot = period & 1 */
			struct ag_a128 account[2];
			/* settled part of the account, for people and the reconciler: held = used - settled */
			struct ag_a64 settled[2];
			/* last refusal with nothing held: its period and limit mixed, see limit/alert.h; 0: none */
			struct ag_a64 refused;
			/* number up to which closed periods have told all their alerts  W: control */
			struct ag_a64 told_period;
			/* of a policy's: the value key, for people; the length is published last, 0 none */
			struct ag_a32 name_len;
			uint32_t reserved_name;
			char name[AG_METER_NAME_MAX];
		} budget;
		struct {
			/* hi = number of the slice * 2 + sealed, lo = admitted in it */
			struct ag_a128 bucket[AG_RATE_BUCKETS];
		} rate;
		struct {
			struct ag_a64 used;
		} gauge;
		struct { /* behind what the kinds use.  Level policy only */
			uint8_t of_kind[288];
			struct ag_a64 owner;    /* policy.id  W: who made it, before the id */
			struct ag_a32 is_noted; /* 1: its name stands in PostgreSQL  W: control */
			uint32_t reserved;
		} policy;
		struct { /* behind that.  Budgets */
			uint8_t of_others[304];
			struct ag_a64 would_refuse; /* shadow: requests strict would have refused */
			uint64_t reserved;
		} mode;
		struct { /* behind that.  Rates */
			uint8_t of_others[304];
			/* hi = number of a slice, lo = what the 16 before it hold at most: see rate.c */
			struct ag_a128 earlier;
		} rate_more;
	} AG_ALIGNED(64);
};
static_assert(sizeof(struct ag_meter) == 384, "a meter is six lines");

/* Beside the table a bit a slot (slot n: bit n % 64 of word n / 64), so that who goes through all
 * meters need not touch the slots without one.  W: under AG_SHM_LOCK_METERS  R: all.  It is set before
 * the id is published and cleared after the slot may be claimed again: whoever dies in between leaves
 * a bit too many, which costs a look, never one too few. */

/* ---- requests in flight ------------------------------------------------------------------ */

/* What one request holds of one meter. */
struct ag_hold {
	int64_t meter_id;   /* guards against an index that changed hands */
	uint32_t meter_ix;
	uint32_t unit;      /* enum ag_unit */
	int64_t period;     /* budget: number of the account; rate: number of the slice */
	int64_t amount;     /* in unit */
};
static_assert(sizeof(struct ag_hold) == 32, "two holds a line");

enum ag_inflight_state {
	AG_INFLIGHT_FREE = 0,
	AG_INFLIGHT_TAKING = 1,   /* holds are being taken */
	AG_INFLIGHT_HELD = 2,     /* all taken, nothing sent to a provider */
	AG_INFLIGHT_SENT = 3,     /* bytes may have reached the provider: must be charged and recorded */
	AG_INFLIGHT_RECORDING = 4, /* the final record is going to the ring as number rec_seq */
	AG_INFLIGHT_SETTLING = 5, /* recorded; holds are being settled, the last one first */
	AG_INFLIGHT_RELEASING = 6, /* refused or never sent: holds are being given back, no record */
	AG_INFLIGHT_RETRYING = 7, /* as RECORDING, of an attempt that failed: HELD comes next */
};

/* What a request costs, in each unit a meter may count. */
struct ag_amounts {
	int64_t nusd;
	int64_t tokens;
	int64_t requests;
};

/* W: the worker that owns the slot; after its death its successor, before it accepts.
 * In every state: holds[0 .. progress) surely stand, holds[progress .. n_holds) (at most one)
 * may or may not, what is above n_holds does not. */
struct ag_inflight {
	struct ag_a32 state;    /* enum ag_inflight_state */
	struct ag_a32 progress;
	struct ag_a32 n_holds;
	uint32_t draft_bytes;   /* valid bytes of the draft */
	uint64_t rec_seq;       /* RECORDING, RETRYING: sequence number of the record */
	uint32_t incarnation;   /* of the worker that took the slot */
	uint32_t charges_held;  /* 1: nothing is known, each meter is charged what is held of it */
	struct ag_amounts actual; /* what to settle, written before RECORDING */
	struct ag_amounts held;   /* the worst case: what strict meters hold */
	uint64_t rec_at;        /* RECORDING, RETRYING: count in the ring where the record stands,
	                           complete, published once head is past it */
	/* SENT: a hold is being changed from raise_from to raise_to; limit/raise.c */
	struct ag_a32 raising;  /* 1 + index of the hold, 0 none: published after what it needs */
	uint32_t reserved2;
	int64_t raise_from, raise_to;
	uint32_t adaptive;      /* bit per hold: of an adaptive budget, perhaps less than the worst case */
	uint32_t would_refuse;  /* bit per hold: of a shadow budget, where strict would have refused */
	uint64_t reserved3;
	struct ag_hold holds[AG_HOLDS_MAX];
	/* The ledger record under construction (record.h), without charges.  Written while HELD,
	 * never touched from SENT on: a successor can finish it without knowing anything else. */
	uint8_t draft[AG_DRAFT_BYTES];
} AG_ALIGNED(64);
static_assert(sizeof(struct ag_inflight) == 128 + 768 + AG_DRAFT_BYTES, "no hidden padding");

/* ---- usage rings ------------------------------------------------------------------------- */

/* Single producer (the worker with this index, or its successor), single consumer (flusher).
 * head and tail count bytes for ever; position in data = count & (ring_bytes - 1). */
struct ag_ring_hdr {
	struct ag_a64 head;      /* W: worker, published after the record  R: flusher */
	struct ag_a64 next_seq;  /* W: worker: number the next record gets, from 1; stored before head */
	struct ag_a64 reserved_w[6];
	struct ag_a64 tail;      /* W: flusher, published after the record is safe  R: worker */
	struct ag_a64 safe_seq;  /* W: flusher: last number that is safe (journal or PostgreSQL) */
	struct ag_a64 stored_seq; /* W: flusher: last number committed in PostgreSQL */
	struct ag_a64 reserved_r[5];
};
static_assert(sizeof(struct ag_ring_hdr) == 128, "producer and consumer on lines of their own");

/* ---- rings of bodies ---------------------------------------------------------------------- */

/* Apart from the usage rings, so that no body ever takes the place of a record.  Same hands, same
 * counting; entries are struct ag_body (body.h), given up by the worker when there is no room. */
struct ag_body_ring_hdr {
	struct ag_a64 head;      /* W: worker, published after the entry  R: flusher */
	struct ag_a64 reserved_w[7];
	struct ag_a64 tail;      /* W: flusher, published after the entry is stored or given up  R: worker */
	struct ag_a64 reserved_r[7];
};
static_assert(sizeof(struct ag_body_ring_hdr) == 128, "producer and consumer on lines of their own");

/* ---- what answers usually take ------------------------------------------------------------ */

#define AG_LEARNED_SLOTS   4096u
#define AG_LEARNED_BUCKETS 88u

/* How much output the answers to one key's requests to one model took: how many fell into each
 * range of tokens (limit/learned.h).  A guess that nothing relies on: several may count at once,
 * and one may lose its slot to another while it does. */
struct ag_learned {
	struct ag_a64 tag;     /* of key and model; 0 never used */
	struct ag_a32 total;   /* sum of the buckets, about */
	struct ag_a32 used_at; /* seconds, wall: the oldest of a set makes room */
	struct ag_a32 bucket[AG_LEARNED_BUCKETS];
	uint32_t reserved[4];
} AG_ALIGNED(64);
static_assert(sizeof(struct ag_learned) == 384, "six lines");

/* ---- catalogue --------------------------------------------------------------------------- */

/* Two areas take turns.  control writes area (generation + 1) & 1 after storing `writing`, then
 * publishes generation.  A reader copies area generation & 1 and keeps the copy only when
 * `writing` is still below generation + 2.  Blob format: catalog.h. */
struct ag_catalog_hdr {
	struct ag_a32 generation;  /* W: control  R: workers, at the start of each request */
	struct ag_a32 writing;     /* generation being written */
	struct ag_a64 bytes[2];    /* length of the blob in each area */
	struct ag_a64 reserved[5];
};
static_assert(sizeof(struct ag_catalog_hdr) == 64, "one line, then the areas");

#endif
