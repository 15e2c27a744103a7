/* meta.h - text that PostgreSQL will take, whatever a client put into it.
 *
 * Pure functions, no allocation; out has the length of in, and room for it. */
#ifndef AG_FLUSHER_META_H
#define AG_FLUSHER_META_H

#include <stdbool.h>

#include "base/str.h"

/* Copies in with NUL bytes and what is not UTF-8 replaced by '?'. */
void ag_text_clean(struct ag_str in, char *out);

/* The same for a JSON object that is to become jsonb: besides, \u0000 and lone surrogates become
 * \ufffd, raw control characters blanks.  False when it is not an object that jsonb can hold
 * (syntax, depth, absurd exponents); out is undefined then.
 * *out_tier: inside of the string at top-level key "subscription_tier", in out, or empty. */
bool ag_meta_clean(struct ag_str in, char *out, struct ag_str *out_tier);

#endif
