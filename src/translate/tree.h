/* tree.h - json-c trees as the translators use them: read leniently, built without checking each call.
 *
 * Building never fails at the place: ag_tree_is_short() tells afterwards, once, that memory ran out
 * and the tree is not whole. */
#ifndef AG_TRANSLATE_TREE_H
#define AG_TRANSLATE_TREE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

/* -EINVAL with err: no JSON object, or not UTF-8. */
int ag_tree_parse(struct ag_str text, struct json_object **out, struct ag_err *err) AG_MUST_CHECK;

/* Absent and null alike: NULL, p NULL, otherwise. */
struct json_object *ag_tree_get(struct json_object *obj, const char *key);
struct json_object *ag_tree_array(struct json_object *obj, const char *key);
struct json_object *ag_tree_object(struct json_object *obj, const char *key);
struct ag_str ag_tree_str(struct json_object *obj, const char *key);
bool ag_tree_true(struct json_object *obj, const char *key);
int64_t ag_tree_int(struct json_object *obj, const char *key, int64_t otherwise);
/* A whole number that is not negative, also as 12.0; -1: it is none. */
int64_t ag_tree_count(struct json_object *obj, const char *key);
/* The text of a string node; p NULL: it is none. */
struct ag_str ag_tree_text(struct json_object *node);

static inline bool
ag_tree_is(struct json_object *obj, const char *key, const char *want)
{
	return ag_str_eq(ag_tree_str(obj, key), ag_str(want));
}

/* Take value over; a NULL value is a failed allocation. */
void ag_tree_put(struct json_object *obj, const char *key, struct json_object *value);
void ag_tree_push(struct json_object *array, struct json_object *value);
void ag_tree_put_str(struct json_object *obj, const char *key, struct ag_str s);
void ag_tree_put_int(struct json_object *obj, const char *key, int64_t v);
void ag_tree_put_true(struct json_object *obj, const char *key, bool v);
/* The same node under another parent; value NULL: nothing. */
void ag_tree_share(struct json_object *obj, const char *key, struct json_object *value);
struct json_object *ag_tree_new(void);
struct json_object *ag_tree_new_array(void);
bool ag_tree_is_short(void);

/* The value as compact text. */
void ag_tree_write(struct json_object *value, struct ag_buf *out);

#endif
