/* err.h - a message for a person, without allocation: what could not be done, to what, why.
 * Functions that take a struct ag_err fill it whenever they return < 0; NULL is allowed. */
#ifndef AG_BASE_ERR_H
#define AG_BASE_ERR_H

#include "base/attr.h"

struct ag_err {
	char text[256];
};

/* Sets the text (cut to fit) and returns rc, so that a caller writes
 * return ag_err_set(err, -EINVAL, "..."). err may be NULL. */
int ag_err_set(struct ag_err *err, int rc, const char *fmt, ...) AG_PRINTF(3, 4);

/* An analyser sees one file at a time: what it must know is that the caller fails. */
#ifdef __clang_analyzer__
#define ag_err_set(...) ((void)(ag_err_set)(__VA_ARGS__), -1)
#endif

#endif
