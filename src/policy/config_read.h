/* config_read.h - a config: from JSON to the bytes of catalog/guard.h.
 *
 * Pure; the same for configs that are saved and for those a request brings.  What the data plane does
 * not do is refused by name.  Guardrails are named, not looked up: that is the caller's. */
#ifndef AG_POLICY_CONFIG_READ_H
#define AG_POLICY_CONFIG_READ_H

#include "catalog/guard.h"
#include "policy/read_json.h"

#define AG_CONFIG_JSON_MAX AG_CONFIG_BLOCK_MAX

int ag_config_read(struct ag_str json, struct ag_buf *out, struct ag_read_fault *f) AG_MUST_CHECK;

#endif
