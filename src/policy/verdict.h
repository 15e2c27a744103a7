/* verdict.h - the outcome of admission: allowed, or the one rule that refused. */
#ifndef AG_POLICY_VERDICT_H
#define AG_POLICY_VERDICT_H

#include <stdbool.h>

#include "shm/counters.h"

enum ag_verdict {
	AG_ALLOW,
#define X(name, status, shape, type, code, counter, retry, text) AG_DENY_##name,
#include "aigated/tbl/verdicts.h"
#undef X
	AG_VERDICTS
};

enum ag_error_shape {
	AG_SHAPE_A, /* {"status":"failure","message":..,"error":{..}}, "Portkey Error: .. Error Code: .." */
	AG_SHAPE_B, /* {"status":"failure","message":..} */
	AG_SHAPE_C, /* {"error":{"message","type","param","code"}} */
	AG_SHAPE_N, /* {"message":"Not Found","ok":false} */
};

struct ag_verdict_def {
	const char *name;
	int status;
	enum ag_error_shape shape;
	const char *type;
	const char *code;         /* NULL: null */
	enum ag_counter counter;
	bool should_retry;        /* whether waiting can help */
	const char *text;         /* holds at most two %s: see tbl/verdicts.h */
};
extern const struct ag_verdict_def ag_verdict_defs[AG_VERDICTS];

#endif
