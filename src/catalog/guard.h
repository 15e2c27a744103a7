/* guard.h - the checks of a guardrail, and a config, as bytes that need no tree to be read.
 *
 *     check:  u8 kind, u8 flags, u32 length, payload
 *     list:   u16 count, text...
 *     payload of MODELS:     list (models when no rule is met), u16 rules; each rule: text (member of
 *                            the metadata), u16 values; each value: text, list (models)
 *     payload of META_KEYS:  u8 operator, list
 *     payload of META_PAIRS: u8 operator, u16 pairs; each: text, text
 *     payload of TYPES:      list (allowed), list (blocked)
 *
 *     config: u8 flags, u8 strict, u32 timeout (ms), text provider, block defaults, block overrides,
 *             u16 guards; each guard: u8 is_inline; then text slug, or
 *             text id, u32 flags, text on_success, text on_fail, u16 checks, block
 *     block:  u32 length, bytes
 *
 * text and host byte order as in rules.h.  Written by src/policy (guard_read, config_read) from JSON,
 * checked once when a catalogue is loaded, read by the worker. */
#ifndef AG_CATALOG_GUARD_H
#define AG_CATALOG_GUARD_H

#include "catalog/rules.h"

#define AG_GUARD_CHECKS_MAX  32u
#define AG_GUARD_LIST_MAX    1000u /* texts of one list, rules, values */
#define AG_CONFIG_GUARDS_MAX 20u
#define AG_CONFIG_BLOCK_MAX  65536u

enum ag_check_kind {
	AG_CHECK_MODEL_WHITELIST = 1, /* payload MODELS */
	AG_CHECK_MODEL_RULES,         /* payload MODELS */
	AG_CHECK_META_KEYS,
	AG_CHECK_META_PAIRS,
	AG_CHECK_TYPES,
	AG_CHECK_KINDS
};
#define AG_CHECK_NOT           1u
#define AG_CHECK_ERROR_FAILS   2u /* whatever the gateway is told to do with errors */
#define AG_CHECK_ERROR_PASSES  4u
#define AG_CHECK_FLAGS         7u

enum ag_check_op { AG_CHECK_ALL = 1, AG_CHECK_ANY, AG_CHECK_NONE };

#define AG_GUARD_DENY   1u /* a failing verdict stops the request */
#define AG_GUARD_ASYNC  2u /* never stands in a request's way */
#define AG_GUARD_FLAGS  3u

struct ag_check {
	enum ag_check_kind kind;
	uint32_t flags;
	struct ag_str payload;
};

/* A guardrail in force, from the catalogue or from a config; texts borrowed. */
struct ag_guard {
	struct ag_str id;                  /* what it is called in answers: its slug */
	struct ag_str on_success, on_fail; /* "value":5,"weight":1 - empty: no feedback */
	struct ag_str checks;
	uint32_t flags, n_checks;
};

#define AG_CONFIG_HAS_TARGET 1u /* it stood in `targets` */
enum ag_config_strict { AG_CONFIG_STRICT_UNSET, AG_CONFIG_STRICT_OFF, AG_CONFIG_STRICT_ON };

struct ag_config {
	uint32_t flags;
	enum ag_config_strict strict;
	uint32_t timeout_ms;               /* 0 none */
	struct ag_str provider;            /* slug; n 0: the request names it */
	struct ag_str defaults, overrides; /* JSON objects, or empty */
	struct ag_str guards;
	uint32_t n_guards;
};

/* ---- reading: from the front of *left; false when the bytes do not say what they should ---- */

static inline bool
ag_guard_block(struct ag_str *left, struct ag_str *out)
{
	uint32_t n = 0;

	if (!ag_rule_bytes(left, &n, sizeof(n)) || left->n < n)
		return false;
	*out = ag_str_n(left->p, n);
	*left = ag_str_skip(*left, n);
	return true;
}

static inline bool
ag_guard_count(struct ag_str *left, uint32_t *out)
{
	uint16_t n = 0;

	if (!ag_rule_bytes(left, &n, sizeof(n)))
		return false;
	*out = n;
	return true;
}

static inline bool
ag_check_next(struct ag_str *left, struct ag_check *out)
{
	uint8_t kind = 0, flags = 0;

	if (!ag_rule_bytes(left, &kind, 1) || kind == 0 || kind >= AG_CHECK_KINDS ||
	    !ag_rule_bytes(left, &flags, 1) || flags > AG_CHECK_FLAGS)
		return false;
	out->kind = (enum ag_check_kind)kind;
	out->flags = flags;
	return ag_guard_block(left, &out->payload);
}

/* All of it and nothing behind it. */
bool ag_config_open(struct ag_str bytes, struct ag_config *out);
/* One guard of a config.  *out_slug is set (n > 0) for one that is named, else *out is filled. */
bool ag_config_guard(struct ag_str *left, struct ag_str *out_slug, struct ag_guard *out);

/* Whether they are exactly what their counts say. */
bool ag_guard_checks_ok(struct ag_str checks, uint32_t n_checks);
bool ag_config_ok(struct ag_str bytes);

/* ---- writing ---- */

void ag_guard_put_count(struct ag_buf *b, size_t n); /* at most 65535 */
void ag_guard_put_block(struct ag_buf *b, struct ag_str s);
void ag_check_put(struct ag_buf *b, const struct ag_check *c);
/* The guards follow. */
void ag_config_put(struct ag_buf *b, const struct ag_config *c);
void ag_config_put_ref(struct ag_buf *b, struct ag_str slug);
void ag_config_put_guard(struct ag_buf *b, const struct ag_guard *g);

#endif
