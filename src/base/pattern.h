/* pattern.h - regular expressions that cannot hang: no step back, time at most pattern x text.
 *
 * The part of ECMA 262 that says which texts there are: literals, . [classes] \d \D \w \W \s
 * \S, \t \n \r \f \v \0 \xHH \uHHHH, groups (..) (?:..), | * + ? {m} {m,} {m,n} (lazy ones mean
 * the same here), ^ and $ (of the whole text).  By code points of UTF-8.  What needs stepping
 * back or looking around (\1, \k, (?=, (?!, (?<, \b, \B, \p) is refused by name.  Searched for
 * anywhere in the text. */
#ifndef AG_BASE_PATTERN_H
#define AG_BASE_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct ag_pattern;

#define AG_PATTERN_TEXT_MAX  512   /* bytes of a pattern */
#define AG_PATTERN_STEPS_MAX 1024  /* of its program, counted repetitions written out */

/* -EINVAL: not understood, not supported or too big; -ENOMEM. */
int ag_pattern_compile(struct ag_str text, struct ag_pattern **out, struct ag_err *err) AG_MUST_CHECK;
void ag_pattern_free(struct ag_pattern *p); /* NULL-safe */

/* Takes a scratch of p's own: not from two places at once. */
bool ag_pattern_matches(struct ag_pattern *p, struct ag_str text);

/* Steps of its program: what a byte of text costs at most. */
unsigned ag_pattern_steps(const struct ag_pattern *p);

/* All that matches, in one pass: for each end of a match in [from, to) sets began[end] (of
 * text.n + 1 words) to where the longest match that ends there begins.  Where none ends, the
 * word stays.  Empty matches are none.  The state between calls that cover a text piece by
 * piece is p's own: begin at 0. */
void ag_pattern_spans(struct ag_pattern *p, struct ag_str text, size_t from, size_t to, uint32_t *began,
    size_t *out_at);

#endif
