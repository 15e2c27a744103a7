/* json.h - walking json-c trees that strangers wrote.
 *
 * json-c's own walkers trust that a node is of the kind they are for: a count of what is no array ends the
 * process, and so does a walk over what is no object.  Here such a node, and null, holds nothing. */
#ifndef AG_BASE_JSON_H
#define AG_BASE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

/* The elements of an array; 0: it is none. */
static inline size_t
ag_json_len(const struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

/* The element at i, borrowed; NULL: there is none, or it is null. */
static inline struct json_object *
ag_json_at(const struct json_object *array, size_t i)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_get_idx(array, i) : NULL;
}

/* The members of an object; 0: it is none. */
static inline size_t
ag_json_members(const struct json_object *obj)
{
	return json_object_is_type(obj, json_type_object) ? (size_t)json_object_object_length(obj) : 0;
}

/* For ag_json_foreach(): the member at *at, false behind the last. */
static inline bool
ag_json_next(struct lh_entry **at, const char **out_name, struct json_object **out_value)
{
	if (!*at)
		return false;
	*out_name = lh_entry_k(*at);
	*out_value = lh_entry_v(*at);
	*at = lh_entry_next(*at);
	return true;
}

/* Each member of an object in its order.  Declares name and value; the body may delete the member it is at. */
#define ag_json_foreach(obj, name, value)                                                                     \
	const char *name = NULL;                                                                              \
	struct json_object *value = NULL;                                                                     \
	struct lh_entry *name##_at = json_object_is_type((obj), json_type_object)                             \
	    ? lh_table_head(json_object_get_object(obj)) : NULL;                                              \
	while (ag_json_next(&name##_at, &name, &value))

#endif
