/* rules.h - the conditions and groups of a policy as bytes that need no tree to be read.
 *
 *     condition: u8 key, u8 is_any, u16 values, u16 excludes, text name, text...
 *     group:     u8 key, text name
 *     text:      u16 length, bytes
 *
 * Host byte order: the bytes do not leave the machine.  `name` is the member of the metadata for
 * AG_RULE_METADATA, else empty.  Written by control, checked once when a catalogue is loaded, read
 * by the worker at every request. */
#ifndef AG_CATALOG_RULES_H
#define AG_CATALOG_RULES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

#define AG_RULE_CONDITIONS_MAX 16u
#define AG_RULE_VALUES_MAX     100u /* of one condition, and of its excludes */
#define AG_RULE_GROUPS_MAX     8u
#define AG_RULE_TEXT_MAX       512u

enum ag_rule_key {
	AG_RULE_API_KEY = 1,
	AG_RULE_METADATA,
	AG_RULE_WORKSPACE,
	AG_RULE_ORG,
	AG_RULE_VIRTUAL_KEY,
	AG_RULE_PROVIDER,
	AG_RULE_MODEL,
	AG_RULE_ENDPOINT,
	AG_RULE_KEYS
};

struct ag_rule_head {
	enum ag_rule_key key;
	bool is_any;                 /* any value that is there */
	uint16_t n_values, n_excludes; /* texts that follow */
	struct ag_str name;
};

/* ---- reading: from the front of *left; false when the bytes do not say what they should ---- */

static inline bool
ag_rule_bytes(struct ag_str *left, void *out, size_t n)
{
	if (left->n < n)
		return false;
	memcpy(out, left->p, n);
	*left = ag_str_skip(*left, n);
	return true;
}

static inline bool
ag_rule_text(struct ag_str *left, struct ag_str *out)
{
	uint16_t n;

	if (!ag_rule_bytes(left, &n, sizeof(n)) || left->n < n || n > AG_RULE_TEXT_MAX)
		return false;
	*out = ag_str_n(left->p, n);
	*left = ag_str_skip(*left, n);
	return true;
}

static inline bool
ag_rule_group(struct ag_str *left, enum ag_rule_key *out_key, struct ag_str *out_name)
{
	uint8_t key;

	if (!ag_rule_bytes(left, &key, 1) || key == 0 || key >= AG_RULE_KEYS)
		return false;
	*out_key = (enum ag_rule_key)key;
	return ag_rule_text(left, out_name);
}

static inline bool
ag_rule_condition(struct ag_str *left, struct ag_rule_head *out)
{
	uint8_t key, any;

	if (!ag_rule_bytes(left, &key, 1) || key == 0 || key >= AG_RULE_KEYS ||
	    !ag_rule_bytes(left, &any, 1) || any > 1 ||
	    !ag_rule_bytes(left, &out->n_values, 2) || !ag_rule_bytes(left, &out->n_excludes, 2))
		return false;
	out->key = (enum ag_rule_key)key;
	out->is_any = any != 0;
	return ag_rule_text(left, &out->name);
}

/* Whether both are exactly what their counts say. */
bool ag_rules_ok(struct ag_str conditions, uint32_t n_conditions, struct ag_str groups,
    uint32_t n_groups);

/* ---- writing ---- */

void ag_rule_put_text(struct ag_buf *b, struct ag_str s); /* at most AG_RULE_TEXT_MAX bytes */
void ag_rule_put_condition(struct ag_buf *b, const struct ag_rule_head *h); /* its texts follow */
void ag_rule_put_group(struct ag_buf *b, enum ag_rule_key key, struct ag_str name);

#endif
