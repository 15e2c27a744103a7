/* rules_load.h - guardrails and configs on their way into the catalogue. */
#ifndef AG_CONTROL_RULES_LOAD_H
#define AG_CONTROL_RULES_LOAD_H

#include "catalog/catalog_build.h"
#include "control/pg.h"

struct ag_rules_load {
	int64_t *guardrails, *configs; /* owned: ids, in the order of their rows */
	uint32_t n_guardrails, n_configs;
	PGresult *bindings, *defaults; /* owned: by workspace */
	int next_binding, next_default;
};

/* Puts all of them into b, before the workspaces. */
int ag_rules_load(struct ag_rules_load *l, struct ag_pg *pg, struct ag_catalog_build *b,
    struct ag_err *err) AG_MUST_CHECK;
/* What a workspace is under; asked in order of id. */
void ag_rules_load_workspace(struct ag_rules_load *l, struct ag_catalog_build *b,
    struct ag_cat_workspace *row);
void ag_rules_load_fini(struct ag_rules_load *l);

#endif
