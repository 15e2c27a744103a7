#include "control/shadow.h"

#include <errno.h>

#include <json-c/json.h>

#include "base/json.h"
#include "base/log.h"
#include "control/pg.h"
#include "control/sql_shadow.h"
#include "shm/metertab.h"

#define BATCH 500u
#define STORE_US (2 * INT64_C(1000000)) /* patience with PostgreSQL: the tick has other things to do */

static int
store(struct ag_control *ctl, struct json_object *rows, struct ag_err *err)
{
	struct ag_pg_args a = { 0 };
	PGresult *res;
	int rc = ag_pg_begin(ctl->pg, AG_PG_WRITE, err);

	if (rc < 0)
		return rc;
	ag_pg_arg_json(&a, rows);
	ag_pg_arg_i64(&a, (int64_t)ctl->ctx->shm->hdr->boot_id);
	res = ag_pg_exec(ctl->pg, SQL_SHADOW_NOTE, &a, err);
	if (!res) {
		ag_pg_rollback(ctl->pg);
		return -EIO;
	}
	PQclear(res);
	return ag_pg_commit(ctl->pg, err);
}

static void
add_row(struct json_object *rows, const struct ag_meter *m)
{
	struct json_object *row = json_object_new_object();

	json_object_object_add(row, "m", json_object_new_int64(ag_a64_get(&m->id)));
	json_object_object_add(row, "n", json_object_new_int64(ag_a64_get(&m->mode.would_refuse)));
	json_object_array_add(rows, row);
}

/* Slots from *at on, until a batch is full; false: the table is at its end. */
static bool
gather(const struct ag_shm *shm, uint32_t *at, struct json_object *rows)
{
	for (uint32_t from, to; ag_metertab_next_run(shm, *at, &from, &to);)
		for (*at = from; *at < to; (*at)++) {
			const struct ag_meter *m = &shm->meters[*at];

			if (ag_a64_observe(&m->id) <= 0 || ag_a32_observe(&m->kind) != AG_METER_BUDGET ||
			    ag_a64_get(&m->mode.would_refuse) == 0)
				continue;
			if (ag_json_len(rows) == BATCH)
				return true;
			add_row(rows, m);
		}
	return false;
}

void
ag_shadow_tick(struct ag_control *ctl)
{
	const struct ag_shm *shm = ctl->ctx->shm;
	uint32_t noted = ag_a32_observe(&shm->hdr->would_refuse), at = 0;
	struct ag_err err = { "" };
	bool is_more = true;
	int rc = 0;

	if (noted == ctl->shadow_noted || !ctl->is_loaded || ctl->is_draining || !ag_pg_is_up(ctl->pg))
		return;
	ag_pg_set_deadline(ctl->pg, STORE_US);
	while (rc == 0 && is_more) {
		struct json_object *rows = json_object_new_array();

		is_more = gather(shm, &at, rows);
		if (ag_json_len(rows) > 0)
			rc = store(ctl, rows, &err);
		json_object_put(rows);
	}
	ag_pg_set_deadline(ctl->pg, AG_PG_DEADLINE_US);
	if (rc < 0)
		ag_warn("could not store what shadow budgets noted: %s, trying again", err.text);
	else
		ctl->shadow_noted = noted;
}
