/* form.h - the heads of a form's parts (RFC 7578), read so that nobody can read them differently.
 *
 * Which model a form asks for decides what is allowed and held, so that a part whose name two readers
 * could take for two names is refused: no second header of a kind, no parameter twice, no quoted quote,
 * no line that goes on. */
#ifndef AG_WORKER_FORM_H
#define AG_WORKER_FORM_H

#include "base/str.h"

/* Of multipart/form-data; n 0: it is none, or not exactly one boundary. */
struct ag_str ag_form_boundary(struct ag_str content_type);
/* The name of a part by its header lines, without the blank one; -EINVAL: not plainly one. */
int ag_form_part_name(struct ag_str part_head, struct ag_str *out_name);

#endif
