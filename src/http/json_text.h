/* json_text.h - the inside of JSON strings and numbers.  Internal to json_*.c. */
#ifndef AG_HTTP_JSON_TEXT_H
#define AG_HTTP_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/str.h"

/* inside: between the quotes, and known to hold no bare quote or control byte.  Are all escapes
 * of a kind that exists?  Surrogates are not looked at. */
bool json_escapes_are_good(struct ag_str inside);

/* Decodes what stands between the quotes; out holds inside.n bytes at least.  Returns the length
 * or -EINVAL (bad escape, lone surrogate). */
ssize_t json_decode(struct ag_str inside, char *out, size_t cap);

/* Length of the JSON number that s starts with, 0: none. */
size_t json_number_len(struct ag_str s);

#endif
