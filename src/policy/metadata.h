/* metadata.h - the metadata of a request: the client's, overlaid by its key's, overlaid by its
 * workspace's (the workspace wins). */
#ifndef AG_POLICY_METADATA_H
#define AG_POLICY_METADATA_H

#include "base/arena.h"
#include "base/attr.h"

#define AG_METADATA_MAX 2048

/* Each text is a JSON object or empty; what the client sent and is no proper object is left out, as
 * the wire contract asks, and so is a member of it whose value is no scalar.  *out: a JSON object
 * in the arena, or empty.  -E2BIG. */
int ag_metadata_merge(struct ag_arena *arena, struct ag_str request, struct ag_str key,
    struct ag_str workspace, struct ag_str *out) AG_MUST_CHECK;

#endif
