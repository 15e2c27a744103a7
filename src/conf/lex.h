/* lex.h - one line of a configuration file as words.
 *
 * Blanks separate words, # begins a comment where a word would begin, "..." keeps blanks and knows
 * \" and \\.  The words are views into the struct, which the caller keeps and reuses. */
#ifndef AG_CONF_LEX_H
#define AG_CONF_LEX_H

#include "base/err.h"
#include "base/str.h"

#define AG_LEX_WORDS 8
#define AG_LEX_BYTES 4096 /* of one line, longer ones are refused */

struct ag_lex {
	struct ag_str word[AG_LEX_WORDS]; /* borrowed: text */
	size_t n;                         /* 0: nothing but blanks and a comment */
	char text[AG_LEX_BYTES];
};

/* line without its newline.  -EINVAL and err (what is wrong, without file and line number). */
int ag_lex_line(struct ag_lex *lex, struct ag_str line, struct ag_err *err) AG_MUST_CHECK;

#endif
