/* sample.h - a value that satisfies a JSON schema, the same one every time. */
#ifndef AG_MOCK_SAMPLE_H
#define AG_MOCK_SAMPLE_H

#include "base/buf.h"

struct json_object;

/* Compact.  Follows "$ref" into the schema's own "$defs" and "definitions"; types of any case; NULL: "{}". */
void mock_sample_put(struct json_object *schema, struct ag_buf *out);

#endif
