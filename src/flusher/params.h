/* params.h - bound parameters of one statement, binary arrays made from a batch. */
#ifndef AG_FLUSHER_PARAMS_H
#define AG_FLUSHER_PARAMS_H

#include "base/buf.h"
#include "flusher/batch.h"
#include "flusher/body_batch.h"

#define AG_PARAMS_MAX 32

struct ag_params {
	struct ag_buf mem;
	size_t off[AG_PARAMS_MAX];
	int lengths[AG_PARAMS_MAX];
	const char *values[AG_PARAMS_MAX]; /* into mem, after ag_params_done() */
	int formats[AG_PARAMS_MAX];        /* all 1 */
	int n;
};

void ag_params_init(struct ag_params *p);
void ag_params_fini(struct ag_params *p);

/* Each starts anew; false: out of memory. */
bool ag_params_position(struct ag_params *p, const struct ag_batch *b) AG_MUST_CHECK;
bool ag_params_groups(struct ag_params *p, const struct ag_batch *b,
    enum ag_rollup_table table) AG_MUST_CHECK;
bool ag_params_moments(struct ag_params *p, const struct ag_batch *b, const char *unit) AG_MUST_CHECK;
bool ag_params_budget(struct ag_params *p, const struct ag_batch *b) AG_MUST_CHECK;
bool ag_params_gap(struct ag_params *p, const struct ag_batch *b) AG_MUST_CHECK;
bool ag_params_object(struct ag_params *p, const struct ag_batch *b) AG_MUST_CHECK;
bool ag_params_quarantine(struct ag_params *p, const struct ag_batch *b) AG_MUST_CHECK;
/* Of bodies: what AG_SQL_BODY_RULES, _PARTITIONS and _INSERT ask for. */
bool ag_params_body_workspaces(struct ag_params *p, const struct ag_body_batch *b) AG_MUST_CHECK;
bool ag_params_body_days(struct ag_params *p, const struct ag_body_batch *b) AG_MUST_CHECK;
bool ag_params_bodies(struct ag_params *p, const struct ag_body_batch *b) AG_MUST_CHECK;
bool ag_params_truth(struct ag_params *p, const int64_t *meter_ids, const int64_t *periods,
    size_t n) AG_MUST_CHECK;

#endif
