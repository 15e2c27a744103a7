/* json.h - objects written member by member.  What a client may have sent is valid JSON afterwards,
 * whatever its bytes: those that are no UTF-8 become U+FFFD. */
#ifndef AG_TELEMETRY_JSON_H
#define AG_TELEMETRY_JSON_H

#include <stdbool.h>

#include "base/buf.h"

/* The inside of a string. */
void ag_json_put_text(struct ag_buf *b, struct ag_str s);

/* {"name": begins a member, with a comma unless it is the first of its object. */
void ag_json_name(struct ag_buf *b, const char *name);
void ag_json_str(struct ag_buf *b, const char *name, struct ag_str v);
void ag_json_int(struct ag_buf *b, const char *name, int64_t v);
void ag_json_bool(struct ag_buf *b, const char *name, bool v);
/* These write nothing when there is nothing to tell: an empty text, a zero. */
void ag_json_str_if(struct ag_buf *b, const char *name, struct ag_str v);
void ag_json_int_if(struct ag_buf *b, const char *name, int64_t v);

#endif
