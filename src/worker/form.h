/* form.h - the heads of a form's parts (RFC 7578), read so that nobody can read them differently.
 *
 * Which model a form asks for decides what is allowed and held, so that a part whose name two readers
 * could take for two names is refused: no second header of a kind, no parameter twice, no quoted quote,
 * no line that goes on. */
#ifndef AG_WORKER_FORM_H
#define AG_WORKER_FORM_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/str.h"

/* Of multipart/form-data; n 0: it is none, or not exactly one boundary. */
struct ag_str ag_form_boundary(struct ag_str content_type);

struct ag_form_part {
	struct ag_str name;
	bool is_file; /* it has a filename: what follows is the file itself */
};
/* A part by its header lines, without the blank one; -EINVAL: it could be read in two ways. */
int ag_form_part_read(struct ag_str part_head, struct ag_form_part *out) AG_MUST_CHECK;

/* Every part of a body; -EINVAL: it is not exactly a form, or what fn returned below 0. */
typedef int ag_form_fn(void *arg, const struct ag_form_part *part, struct ag_str value);
int ag_form_each(struct ag_str body, struct ag_str boundary, ag_form_fn *fn, void *arg) AG_MUST_CHECK;

#endif
