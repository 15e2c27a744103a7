/* utf8.h - which bytes are characters (RFC 3629): what is stored and what is told must be text. */
#ifndef AG_BASE_UTF8_H
#define AG_BASE_UTF8_H

#include "base/str.h"

/* Bytes of the character that s, of at least one byte, begins with; 0: it begins with none (too long for
 * what it says, half of a pair, past the last one, cut).  A NUL is a character here. */
size_t ag_utf8_len(struct ag_str s);

#endif
