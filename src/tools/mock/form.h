/* form.h - multipart/form-data, read as RFC 7578 has it. */
#ifndef AG_MOCK_FORM_H
#define AG_MOCK_FORM_H

#include <stdbool.h>

#include "base/str.h"

/* The value of the first part of that name, p NULL: there is none.  is_file: it came with a name of a file. */
struct ag_str mock_form_field(struct ag_str content_type, struct ag_str body, const char *name,
			      bool *is_file);

#endif
