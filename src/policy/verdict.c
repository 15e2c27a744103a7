#include "policy/verdict.h"

#include <stddef.h>

const struct ag_verdict_def ag_verdict_defs[AG_VERDICTS] = {
	[AG_ALLOW] = { .name = "ALLOW", .status = 200, .text = "" },
#define X(id, http, form, kind, errcode, cnt, retry, fmt)                                      \
	[AG_DENY_##id] = { .name = #id, .status = http, .shape = AG_SHAPE_##form, .type = kind, \
	                   .code = errcode, .counter = AG_CNT_##cnt, .should_retry = retry,     \
	                   .text = fmt },
#include "aigated/tbl/verdicts.h"
#undef X
};
