/* json_weight.h - what a JSON text will weigh as a tree, told before one is made of it.
 *
 * Two bytes of a text become a hundred and more of a tree, "{}" eight hundred: the length of a text is no
 * ceiling for the memory that it takes. */
#ifndef AG_BASE_JSON_WEIGHT_H
#define AG_BASE_JSON_WEIGHT_H

#include "base/str.h"

#define AG_JSON_WEIGHT_MAX ((size_t)1 << 20) /* some 75 MiB */

/* In units of a plain value, some 72 bytes.  The text need not be well-formed. */
size_t ag_json_weight(struct ag_str text);

#endif
