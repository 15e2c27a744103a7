/* catalog.h - the catalogue blob: everything of which there are thousands, not millions.
 *
 * control serialises it from PostgreSQL (src/catalog/catalog_build.[ch]); each worker copies the
 * newest generation and builds a private index (src/catalog/catalog.[ch]).  A header, then arrays of
 * fixed-size rows, then a heap of bytes; rows refer to each other by index in their array and to
 * text by {offset, length} in the heap.  Nothing is trusted on load: every offset and index is
 * checked once, and a blob that fails is refused whole (the worker keeps its last generation).
 *
 * Secrets are in it only sealed (vault.h). */
#ifndef AIGATED_CATALOG_H
#define AIGATED_CATALOG_H

#include <assert.h>
#include <stdint.h>

#include "aigated/shm_layout.h"

#define AG_CATALOG_MAGIC   UINT64_C(0x676f6c6174616361)
#define AG_CATALOG_VERSION 6u
#define AG_ENTITY_METERS   8u

struct ag_cat_text { uint32_t off, len; };   /* in the heap; len 0 = none */

enum ag_cat_state { AG_CAT_ACTIVE = 1, AG_CAT_ARCHIVED = 2, AG_CAT_EXPIRED = 3 };

struct ag_cat_org {
	int64_t id;
	uint8_t uuid[16];
	struct ag_cat_text name;
	uint32_t n_meters, meters[AG_ENTITY_METERS];
	uint32_t flags;                /* AG_CAT_ORG_... */
};
#define AG_CAT_ORG_SAVED_ONLY 1u       /* requests may name configs, not bring their own */

struct ag_cat_workspace {
	int64_t id;
	uint8_t uuid[16];
	struct ag_cat_text slug;
	struct ag_cat_text metadata;   /* JSON object text, or none */
	struct ag_cat_text guardrails; /* uint32_t each: rows of ag_cat_guardrail, in order */
	uint32_t org_ix;
	uint32_t state;                /* enum ag_cat_state */
	uint32_t n_meters, meters[AG_ENTITY_METERS];
	uint32_t has_rules;            /* 1: there are guardrails, or a config below is not 0 */
	uint32_t config_no, user_config_no; /* default config, the one of user keys: row + 1; 0 none */
	uint32_t body_log;             /* enum ag_body_log: which bodies are kept */
	uint32_t reserved;
};

enum ag_price_kind {
#define X(name, text) AG_PK_##name,
#include "aigated/tbl/price_kinds.h"
#undef X
	AG_PK_COUNT
};

/* What list prices are multiplied by, in millionths; src/policy/price.h says what counts for a kind that is
 * not said. */
struct ag_price_multiples {
	uint32_t ppm[AG_PK_COUNT];     /* 0 to AG_PPM_MAX, or AG_PPM_NONE: not said */
};
#define AG_PPM_ONE  1000000u
#define AG_PPM_MAX  1000000000u
#define AG_PPM_NONE UINT32_MAX

struct ag_cat_integration {
	int64_t id;
	uint8_t uuid[16];
	struct ag_cat_text slug;
	struct ag_cat_text family;     /* provider id: "openai", see src/provider/registry.c */
	struct ag_cat_text base_url;   /* custom host incl. version path; none = family default */
	struct ag_cat_text sealed_key; /* vault.h; none = provider needs no key */
	struct ag_cat_text headers;    /* custom headers, "name: value\n" each, checked; or none */
	struct ag_cat_text config;     /* `configurations`, a JSON object without secrets */
	uint32_t state;
	uint32_t allow_all_models;     /* 0: only the rows of ag_cat_model that are enabled */
	uint32_t first_model, n_models; /* rows of this integration, sorted by slug bytes */
	int64_t price_adjustment_id;   /* price_adjustment.id of the multiples; 0: price_ppm says all */
	uint32_t price_ppm;            /* one multiple for all kinds; 0: none, or kinds have their own */
	uint32_t flags;                /* AG_CAT_INTEGRATION_... */
	struct ag_price_multiples multiples; /* when AG_CAT_INTEGRATION_ADJUSTED */
};
#define AG_CAT_INTEGRATION_SHARED    1u /* objects in its account are all workspaces' */
#define AG_CAT_INTEGRATION_UNCOUNTED 2u /* work that no answer counts is done under limits too */
#define AG_CAT_INTEGRATION_ADJUSTED  4u /* list prices are multiplied */

/* Integration x workspace. */
struct ag_cat_grant {
	int64_t id;
	uint32_t integration_ix, workspace_ix;
	uint32_t is_enabled;
	uint32_t n_meters, meters[AG_ENTITY_METERS];
	uint32_t reserved;
};

/* What "@slug" means in a workspace. */
struct ag_cat_provider {
	int64_t id;
	uint8_t uuid[16];
	struct ag_cat_text slug;
	uint32_t workspace_ix, grant_ix;
	int64_t expires_at_us;         /* INT64_MAX never */
	uint32_t state;
	uint32_t n_meters, meters[AG_ENTITY_METERS];
	uint32_t reserved;
};

/* A model an integration names: enabled or disabled, maybe with a price of its own. */
struct ag_cat_model {
	struct ag_cat_text slug;
	struct ag_cat_text base_model; /* whose price counts, for custom and fine-tuned ones */
	uint32_t is_enabled;
	uint32_t price_ix;             /* own price, or AG_NONE_IX */
};

/* Prices in pico-USD per token or unit, -1 = none given (fall-backs: src/policy/price.c). */
enum ag_price_item {
	AG_PI_IN, AG_PI_CACHED_IN, AG_PI_CACHE_W_5M, AG_PI_CACHE_W_1H, AG_PI_OUT, AG_PI_REASONING,
	AG_PI_AUDIO_IN, AG_PI_AUDIO_OUT, AG_PI_IMAGE_IN, AG_PI_IMAGE_OUT,
	AG_PI_T_IN, AG_PI_T_CACHED_IN, AG_PI_T_CACHE_W_5M, AG_PI_T_OUT, /* above tier_gt */
	AG_PI_BATCH_IN, AG_PI_BATCH_CACHED_IN, AG_PI_BATCH_OUT,
	AG_PI_FLEX_IN, AG_PI_FLEX_CACHED_IN, AG_PI_FLEX_OUT,
	AG_PI_PRIO_IN, AG_PI_PRIO_CACHED_IN, AG_PI_PRIO_OUT,
	AG_PI_UNIT, AG_PI_SEARCH, AG_PI_REQUEST,
	AG_PI_COUNT
};

enum ag_mode {
	AG_MODE_CHAT = 1, AG_MODE_RESPONSES, AG_MODE_COMPLETION, AG_MODE_EMBEDDING, AG_MODE_IMAGE,
	AG_MODE_AUDIO_TRANSCRIPTION, AG_MODE_AUDIO_SPEECH, AG_MODE_RERANK, AG_MODE_MODERATION
};

enum ag_price_unit {
	AG_PU_NONE, AG_PU_OTHER, AG_PU_IMAGE, AG_PU_PIXEL, AG_PU_SECOND, AG_PU_CHARACTER, AG_PU_SEARCH
};

struct ag_cat_price {
	int64_t id;                    /* price.id */
	struct ag_cat_text family;     /* of the provider: prices sort by (family, model, from) */
	struct ag_cat_text model;
	int64_t effective_from_us;     /* wall; INT64_MIN = always */
	int64_t p[AG_PI_COUNT];        /* pico-USD, -1 none */
	int64_t tier_gt;               /* input tokens above which the T_ prices count, 0 no tier */
	uint32_t tier_is_ge;           /* 1: "at or above" (xAI) */
	uint32_t context_window;       /* tokens, 0 unknown */
	uint32_t max_output;           /* tokens, 0 unknown */
	uint32_t mode;                 /* enum ag_mode */
	uint32_t unit;                 /* enum ag_price_unit: what AG_PI_UNIT counts */
	uint32_t flags;                /* AG_MF_... */
};
#define AG_MF_VISION     1u
#define AG_MF_TOOLS      2u
#define AG_MF_JSON       4u
#define AG_MF_REASONING  8u
#define AG_MF_STREAM     16u
#define AG_MF_PDF        32u
#define AG_MF_AUDIO      64u
#define AG_MF_CACHE      128u
#define AG_MF_SEARCH     256u
#define AG_MF_NO_SAMPLING 512u

/* A limit on whatever meets its conditions, counted apart for each value of its groups; in force.
 * Sorted by workspace, in one workspace by age. */
struct ag_cat_policy {
	int64_t id;                    /* policy.id, below 2^31 */
	uint8_t uuid[16];
	int64_t limit, alert_at, window_us; /* as in struct ag_meter */
	uint32_t workspace_ix;
	uint32_t kind;                 /* enum ag_meter_kind */
	uint32_t unit;                 /* enum ag_unit */
	uint32_t period_kind, period_days, anchor_day; /* budgets */
	uint32_t enforcement, on_exhaust; /* budgets: enum ag_enforcement, enum ag_exhaust */
	uint32_t n_conditions, n_groups;
	struct ag_cat_text conditions; /* src/catalog/rules.h */
	struct ag_cat_text groups;
};

/* Checks on requests; see src/catalog/guard.h. */
struct ag_cat_guardrail {
	int64_t id;
	int64_t org_id, workspace_id;  /* workspace 0: of the whole organisation */
	uint8_t uuid[16];
	struct ag_cat_text slug;
	struct ag_cat_text checks;
	struct ag_cat_text on_success, on_fail; /* feedback, as in struct ag_guard */
	uint32_t n_checks;
	uint32_t flags;                /* AG_GUARD_... */
};

/* How requests that name it, or whose key or workspace does, are served. */
struct ag_cat_config {
	int64_t id;
	int64_t workspace_id;
	uint8_t uuid[16];
	struct ag_cat_text slug;
	struct ag_cat_text body;       /* src/catalog/guard.h */
};

enum ag_cat_section {
	AG_CAT_ORG, AG_CAT_WORKSPACE, AG_CAT_INTEGRATION, AG_CAT_GRANT, AG_CAT_PROVIDER,
	AG_CAT_MODEL, AG_CAT_PRICE, AG_CAT_POLICY, AG_CAT_GUARDRAIL, AG_CAT_CONFIG, AG_CAT_HEAP,
	AG_CAT_SECTIONS
};

struct ag_cat_hdr {
	uint64_t magic;
	uint32_t version;
	uint32_t crc;                  /* CRC-32C of everything behind the header */
	uint64_t bytes;                /* whole blob */
	struct { uint32_t off, n; } section[AG_CAT_SECTIONS]; /* off in bytes; n rows (heap: bytes) */
};

#endif
