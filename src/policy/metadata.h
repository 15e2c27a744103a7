/* metadata.h - the metadata of a request: its baggage, overlaid by what the client says of it, overlaid by its
 * key's, overlaid by its workspace's (the workspace wins).  A key's may have a second part, behind a line
 * feed, which all but baggage overlay. */
#ifndef AG_POLICY_METADATA_H
#define AG_POLICY_METADATA_H

#include "base/arena.h"
#include "base/attr.h"

#define AG_METADATA_MAX 2048

struct ag_metadata_in {
	struct ag_str baggage;                 /* value of the header, or empty */
	struct ag_str request, key, workspace; /* a JSON object each, a key's one of them or two, or empty */
};

/* What the client sent and is no proper object is left out, as the wire contract asks, and so is a member of
 * it whose value is no scalar.  Baggage is about more than us: of it that is left out which has no room.
 * *out: a JSON object in the arena, or empty.  -E2BIG. */
int ag_metadata_merge(struct ag_arena *arena, const struct ag_metadata_in *in, struct ag_str *out) AG_MUST_CHECK;

#endif
