#include "control/rules_load.h"

#include <errno.h>
#include <stdlib.h>

#include "control/rules_sql.h"
#include "policy/config_read.h"
#include "policy/guard_read.h"

#define COMPILED_MAX (1u << 20)

static int
take_ids(int64_t **out, const PGresult *res, struct ag_err *err)
{
	*out = calloc((size_t)PQntuples(res) + 1, sizeof(**out));
	return *out ? 0 : ag_err_set(err, -ENOMEM, "could not read the catalogue: out of memory");
}

/* Row + 1 of an id among those that were put, 0: it was not. */
static uint32_t
no_of(const int64_t *ids, uint32_t n, int64_t id)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ids[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && ids[lo] == id ? lo + 1 : 0;
}

static int
read_guardrail(struct ag_catalog_build *b, const PGresult *res, int i, struct ag_err *err)
{
	struct ag_cat_guardrail row = { .id = ag_pg_i64(res, i, 0), .org_id = ag_pg_i64(res, i, 2),
		.workspace_id = ag_pg_i64(res, i, 3) };
	struct ag_guard_actions actions;
	struct ag_read_fault f = { "", "its id cannot be read" };
	struct ag_buf checks;
	int rc = ag_pg_uuid(res, i, 1, row.uuid);

	ag_buf_init(&checks, COMPILED_MAX);
	if (rc == 0)
		rc = ag_guard_read_checks(ag_pg_text(res, i, 5), "checks", &checks, &row.n_checks, &f);
	if (rc == 0)
		rc = ag_guard_read_actions(ag_pg_text(res, i, 6), "actions", &actions, &f);
	if (rc == 0) {
		row.flags = actions.flags;
		row.slug = ag_catalog_build_text(b, ag_pg_text(res, i, 4));
		row.checks = ag_catalog_build_text(b, ag_buf_str(&checks));
		row.on_success = ag_catalog_build_text(b, ag_str(actions.on_success));
		row.on_fail = ag_catalog_build_text(b, ag_str(actions.on_fail));
		ag_catalog_build_guardrail(b, &row);
	} else {
		ag_err_set(err, -EINVAL, "guardrail \"%s\" cannot be read: %s %s", PQgetvalue(res, i, 4),
		    f.path, f.why);
	}
	ag_buf_fini(&checks);
	return rc < 0 ? -EINVAL : 0;
}

static int
read_config(struct ag_catalog_build *b, const PGresult *res, int i, struct ag_err *err)
{
	struct ag_cat_config row = { .id = ag_pg_i64(res, i, 0), .workspace_id = ag_pg_i64(res, i, 2) };
	struct ag_read_fault f = { "", "its id cannot be read" };
	struct ag_buf body;
	int rc = ag_pg_uuid(res, i, 1, row.uuid);

	ag_buf_init(&body, COMPILED_MAX);
	if (rc == 0)
		rc = ag_config_read(ag_pg_text(res, i, 4), &body, &f);
	if (rc == 0) {
		row.slug = ag_catalog_build_text(b, ag_pg_text(res, i, 3));
		row.body = ag_catalog_build_text(b, ag_buf_str(&body));
		ag_catalog_build_config(b, &row);
	} else {
		ag_err_set(err, -EINVAL, "config \"%s\" cannot be read: %s %s", PQgetvalue(res, i, 3),
		    f.path, f.why);
	}
	ag_buf_fini(&body);
	return rc < 0 ? -EINVAL : 0;
}

int
ag_rules_load(struct ag_rules_load *l, struct ag_pg *pg, struct ag_catalog_build *b, struct ag_err *err)
{
	AG_AUTO(ag_pgres) PGresult *guardrails = ag_pg_exec(pg, SQL_LOAD_GUARDRAILS, NULL, err);
	AG_AUTO(ag_pgres) PGresult *configs = guardrails ? ag_pg_exec(pg, SQL_LOAD_CONFIGS, NULL, err) : NULL;

	*l = (struct ag_rules_load){ .n_configs = 0 };
	if (!configs)
		return -EIO;
	if (take_ids(&l->guardrails, guardrails, err) < 0 || take_ids(&l->configs, configs, err) < 0)
		return -ENOMEM;
	for (int i = 0; i < PQntuples(guardrails); i++) {
		if (read_guardrail(b, guardrails, i, err) < 0)
			return -EINVAL;
		l->guardrails[l->n_guardrails++] = ag_pg_i64(guardrails, i, 0);
	}
	for (int i = 0; i < PQntuples(configs); i++) {
		if (read_config(b, configs, i, err) < 0)
			return -EINVAL;
		l->configs[l->n_configs++] = ag_pg_i64(configs, i, 0);
	}
	l->bindings = ag_pg_exec(pg, SQL_LOAD_WORKSPACE_GUARDRAILS, NULL, err);
	l->defaults = l->bindings ? ag_pg_exec(pg, SQL_LOAD_WORKSPACE_CONFIGS, NULL, err) : NULL;
	return l->defaults ? 0 : -EIO;
}

/* Moves to the first row of a workspace; whether there is one. */
static bool
seek(const PGresult *res, int *io_next, int64_t workspace_id)
{
	while (*io_next < PQntuples(res) && ag_pg_i64(res, *io_next, 0) < workspace_id)
		(*io_next)++;
	return *io_next < PQntuples(res) && ag_pg_i64(res, *io_next, 0) == workspace_id;
}

void
ag_rules_load_workspace(struct ag_rules_load *l, struct ag_catalog_build *b, struct ag_cat_workspace *row)
{
	struct ag_buf list;

	ag_buf_init(&list, COMPILED_MAX);
	for (; seek(l->bindings, &l->next_binding, row->id); l->next_binding++) {
		uint32_t no = no_of(l->guardrails, l->n_guardrails,
		    ag_pg_i64(l->bindings, l->next_binding, 1)), ix = no - 1;

		if (no > 0)
			ag_buf_put(&list, &ix, sizeof(ix));
	}
	row->guardrails = ag_catalog_build_text(b, ag_buf_str(&list));
	ag_buf_fini(&list);
	if (seek(l->defaults, &l->next_default, row->id)) {
		row->config_no = no_of(l->configs, l->n_configs, ag_pg_i64(l->defaults, l->next_default, 1));
		row->user_config_no = no_of(l->configs, l->n_configs,
		    ag_pg_i64(l->defaults, l->next_default, 2));
	}
	row->has_rules = row->guardrails.len > 0 || row->config_no > 0 || row->user_config_no > 0;
}

void
ag_rules_load_fini(struct ag_rules_load *l)
{
	free(l->guardrails);
	free(l->configs);
	PQclear(l->bindings);
	PQclear(l->defaults);
	*l = (struct ag_rules_load){ .n_configs = 0 };
}
