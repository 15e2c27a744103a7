/* baggage.h - the header baggage, as W3C Baggage has it: "userId=alice,isProduction=false;ttl=5". */
#ifndef AG_HTTP_BAGGAGE_H
#define AG_HTTP_BAGGAGE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* The next member whose name is a token; others are skipped.  *rest is what of the header's value (of several
 * headers: joined by commas) is left.  Borrowed from it; *out_value is percent-encoded, its properties cut. */
bool ag_baggage_next(struct ag_str *rest, struct ag_str *out_name, struct ag_str *out_value);

/* Appends the value as it reads, as the inside of a JSON string.  false: it is no text (broken UTF-8, a NUL);
 * the buffer may hold a part of it then. */
bool ag_baggage_put_json(struct ag_buf *b, struct ag_str value);

#endif
