/* tools.h - tools of a request that its provider runs itself: how often they may be called, and for what fee.
 *
 * Each call may read the whole prompt once more, and some cost a fee that is no token.  What is not known
 * counts as the most there is: run by the provider, without a limit, for a fee that nobody here can price. */
#ifndef AG_POLICY_TOOLS_H
#define AG_POLICY_TOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define AG_TOOLS_OPEN 3u /* tools into which a limit is written */

struct ag_tools {
	bool is_run;        /* by the provider, one at least */
	bool is_searching;  /* for the price's fee a search */
	uint64_t uses;      /* the sum of the limits that tools have of their own */
	uint32_t n_unlimited; /* tools that are run and have none */
	uint32_t n_open;    /* of them those that can be given one; above AG_TOOLS_OPEN: too many */
	size_t open[AG_TOOLS_OPEN]; /* where: behind the brace of each, in `tools` */
	struct ag_str fee;  /* name of one that takes another fee, in `tools` or static; n 0 none */
};

/* `tools` of a request, raw JSON. */
void ag_tools_anthropic(struct ag_str tools, struct ag_tools *out);
void ag_tools_responses(struct ag_str tools, struct ag_tools *out);
void ag_tools_gemini(struct ag_str tools, struct ag_tools *out);

#endif
