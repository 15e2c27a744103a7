/* family.h - which provider families an integration may name. */
#ifndef AG_CONTROL_FAMILY_H
#define AG_CONTROL_FAMILY_H

#include <stdbool.h>

#include "base/str.h"

enum ag_family { AG_FAMILY_SPOKEN, AG_FAMILY_LATER, AG_FAMILY_UNKNOWN };

struct ag_family_needs {
	bool key;          /* unless it has a custom host */
	bool custom_host;
};

/* "open-ai" and "hugging-face", as old clients say, are known too: *out_name is the proper one. */
enum ag_family ag_family_find(struct ag_str id, struct ag_family_needs *out,
    const char **out_name);

#endif
