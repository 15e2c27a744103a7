/* schema.h - JSON Schemas for metadata: the part of draft-07 in which metadata can be described.
 *
 * {"type": "object", "required": [...], "additionalProperties": true|false, "properties": {NAME: {"type":
 * "string", "enum", "default", "pattern", "minLength", "maxLength"}}}, with title, description, examples,
 * $schema, $id and $comment said but meaning nothing.  Absent additionalProperties is true.  Whatever else a
 * schema holds is refused by name: it would not be enforced.  Patterns: base/pattern.h. */
#ifndef AG_CONTROL_SCHEMA_H
#define AG_CONTROL_SCHEMA_H

#include <json-c/json.h>

#include "base/attr.h"
#include "base/err.h"

#define AG_SCHEMA_BYTES_MAX 16384
#define AG_SCHEMA_PROPERTIES_MAX 64

/* Whether this is a schema we enforce; -EINVAL, err names member and rule. */
int ag_schema_check(struct json_object *schema, struct ag_err *err) AG_MUST_CHECK;

/* Fills defaults in and holds metadata (an object, changed) against a schema that was checked.
 * -EINVAL: err names the member and the rule it breaks. */
int ag_schema_apply(struct json_object *schema, struct json_object *metadata,
    struct ag_err *err) AG_MUST_CHECK;

#endif
