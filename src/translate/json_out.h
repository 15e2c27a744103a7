/* json_out.h - JSON written straight into a buffer.  Commas come of themselves: a member or an element
 * that follows another one sees its last byte.  key NULL: an element. */
#ifndef AG_TRANSLATE_JSON_OUT_H
#define AG_TRANSLATE_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct json_object;

void ag_jo_key(struct ag_buf *b, const char *key); /* comma and key, the value follows */
void ag_jo_open(struct ag_buf *b, const char *key, char bracket); /* '{' or '[' */
void ag_jo_close(struct ag_buf *b, char bracket);                 /* '}' or ']' */
void ag_jo_str(struct ag_buf *b, const char *key, struct ag_str s);
void ag_jo_int(struct ag_buf *b, const char *key, int64_t v);
void ag_jo_u64(struct ag_buf *b, const char *key, uint64_t v);
void ag_jo_bool(struct ag_buf *b, const char *key, bool v);
void ag_jo_null(struct ag_buf *b, const char *key);
void ag_jo_raw(struct ag_buf *b, const char *key, struct ag_str json); /* already JSON */
void ag_jo_tree(struct ag_buf *b, const char *key, struct json_object *v);

#endif
