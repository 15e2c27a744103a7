/* meta.h - text that PostgreSQL will take, whatever a client put into it.
 *
 * Pure functions, no allocation; out has the length of in, and room for it. */
#ifndef AG_FLUSHER_META_H
#define AG_FLUSHER_META_H

#include <stdbool.h>

#include "base/str.h"

/* Copies in with NUL bytes and what is not UTF-8 replaced by '?'. */
void ag_text_clean(struct ag_str in, char *out);

/* Whether that would change nothing: UTF-8 without NUL. */
bool ag_text_is_clean(struct ag_str in);

/* Top-level members of metadata that are counted by: what to look for, and what was found. */
#define AG_META_KEYS 9u
#define AG_META_TIER 0u    /* "subscription_tier", always looked for */
struct ag_meta {
	unsigned n;
	struct ag_str key[AG_META_KEYS];   /* borrowed */
	struct ag_str value[AG_META_KEYS]; /* in out; empty: not there */
};

/* The tier and the keys of a list "a, b"; what does not fit is left out.  `list` is borrowed. */
void ag_meta_keys(struct ag_meta *m, struct ag_str list);

/* The same for a JSON object that is to become jsonb: besides, \u0000 and lone surrogates become
 * \ufffd, raw control characters blanks.  False when it is not an object that jsonb can hold
 * (syntax, depth, absurd exponents); out is undefined then.
 * m->value: the insides of strings at top-level keys, numbers and words as they stand. */
bool ag_meta_clean(struct ag_str in, char *out, struct ag_meta *m);

#endif
