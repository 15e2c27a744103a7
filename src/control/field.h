/* field.h - members of a request body, each with its rule; a broken rule answers 400 naming both. */
#ifndef AG_CONTROL_FIELD_H
#define AG_CONTROL_FIELD_H

#include "control/call.h"

enum ag_field { AG_FIELD_ABSENT, AG_FIELD_NULL, AG_FIELD_SET, AG_FIELD_BAD /* answered */ };

/* `path` is what messages call it ("defaults.metadata"); the member is what follows the last dot.
 * obj NULL: absent.  Outputs are borrowed from obj and written only with AG_FIELD_SET. */
enum ag_field ag_field_text(struct ag_call *c, struct json_object *obj, const char *path, size_t max,
    const char **out);
enum ag_field ag_field_bool(struct ag_call *c, struct json_object *obj, const char *path, bool *out);
enum ag_field ag_field_object(struct ag_call *c, struct json_object *obj, const char *path,
    struct json_object **out);
enum ag_field ag_field_array(struct ag_call *c, struct json_object *obj, const char *path,
    struct json_object **out);
/* The text of a JSON number, as it was written. */
enum ag_field ag_field_number(struct ag_call *c, struct json_object *obj, const char *path,
    struct ag_str *out);
/* ISO 8601 with zone, or a date, to wall us. */
enum ag_field ag_field_time(struct ag_call *c, struct json_object *obj, const char *path,
    int64_t *out_us);
/* [a-zA-Z0-9_-]{1,255} */
enum ag_field ag_field_slug(struct ag_call *c, struct json_object *obj, const char *path,
    const char **out);
/* An object of scalars with at most 2048 bytes of text: what requests carry along. */
enum ag_field ag_field_metadata(struct ag_call *c, struct json_object *obj, const char *path,
    struct json_object **out);
/* Members that are documented but not served: 400 when one of them holds anything. */
int ag_field_refuse(struct ag_call *c, struct json_object *obj, const char *const *names,
    const char *prefix) AG_MUST_CHECK;

int ag_parse_time(struct ag_str s, int64_t *out_us) AG_MUST_CHECK;
bool ag_slug_ok(const char *s);
bool ag_email_ok(const char *s); /* something@something, one line, at most 254 bytes */

#endif
