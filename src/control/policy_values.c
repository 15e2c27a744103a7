#include "control/policy_values.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/limits.h"
#include "control/policies.h"
#include "control/sql.h"
#include "limit/policy_meter.h"
#include "shm/counters.h"
#include "shm/metertab.h"

#define NOTE_MAX  500u /* in one statement */
#define EVICT_MAX 256u /* in one tick */

void
ag_policy_value_def(const PGresult *res, int row, struct ag_meter_def *out)
{
	*out = (struct ag_meter_def){
		.id = ag_pg_i64(res, row, 0),
		.kind = AG_METER_BUDGET,
		.unit = (enum ag_unit)ag_pg_i64(res, row, 4),
		.level = AG_LEVEL_POLICY,
		.limit = ag_pg_i64(res, row, 5),
		.alert_at = ag_pg_i64(res, row, 6),
		.period_kind = (enum ag_period_kind)ag_pg_i64(res, row, 7),
		.period_days = (uint32_t)ag_pg_i64(res, row, 8),
		.anchor_day = (uint32_t)ag_pg_i64(res, row, 9),
		.enforcement = (enum ag_enforcement)ag_pg_i64(res, row, 10),
		.on_exhaust = (enum ag_exhaust)ag_pg_i64(res, row, 11),
		.resets = (uint32_t)ag_pg_i64(res, row, 1),
		.owner = ag_pg_i64(res, row, 3),
		.name = ag_pg_text(res, row, 2),
	};
}

/* ---- names ---- */

/* A client's own words: what is no text is shown as question marks. */
static struct json_object *
name_of(const struct ag_meter *m)
{
	struct ag_str left = ag_str_n(m->budget.name, ag_a32_observe(&m->budget.name_len));
	char out[AG_METER_NAME_MAX];
	size_t n = 0;

	if (left.n > AG_METER_NAME_MAX)
		left.n = AG_METER_NAME_MAX;
	while (left.n > 0) {
		size_t k = (unsigned char)left.p[0] < 0x20 ? 0 : ag_utf8_len(left);

		if (k == 0)
			out[n++] = '?';
		else
			memcpy(out + n, left.p, k);
		n += k;
		left = ag_str_skip(left, k > 0 ? k : 1);
	}
	return json_object_new_string_len(out, (int)n);
}

struct notes {
	struct json_object *rows; /* owned: [{m, p, v}] */
	uint32_t ix[NOTE_MAX];
	int64_t id[NOTE_MAX];
	size_t n;
	struct ag_meter_walk walk; /* where the scan goes on */
	bool is_over;
};

/* Fills rows with meters whose names are not stored yet; false: there are none left. */
static bool
notes_fill(const struct ag_shm *shm, struct notes *o)
{
	json_object_put(o->rows);
	o->rows = json_object_new_array();
	o->n = 0;
	while (!o->is_over && o->n < NOTE_MAX) {
		const struct ag_meter *m;
		struct json_object *row;
		uint32_t ix;
		int64_t id;

		if (!ag_metertab_walk(shm, &o->walk, &ix)) {
			o->is_over = true;
			break;
		}
		m = &shm->meters[ix];
		id = ag_a64_observe(&m->id);
		if (id < AG_METER_DERIVED || ag_a32_observe(&m->kind) != AG_METER_BUDGET ||
		    ag_a32_get(&m->policy.is_noted) || ag_a32_observe(&m->budget.name_len) == 0)
			continue;
		row = json_object_new_object();
		json_object_object_add(row, "m", json_object_new_int64(id));
		json_object_object_add(row, "p", json_object_new_int64(ag_a64_get(&m->policy.owner)));
		json_object_object_add(row, "v", name_of(m));
		json_object_array_add(o->rows, row);
		o->ix[o->n] = ix;
		o->id[o->n++] = id;
	}
	return o->n > 0;
}

static void
notes_mark(const struct ag_shm *shm, const struct notes *o)
{
	for (size_t i = 0; i < o->n; i++) {
		struct ag_meter *m = ag_metertab_at(shm, o->ix[i]);

		if (ag_a64_get(&m->id) == o->id[i])
			ag_a32_set(&m->policy.is_noted, 1);
	}
}

/* One statement in a transaction of its own. */
static int
run_json(struct ag_control *ctl, const char *sql, struct json_object *arg, struct ag_err *err)
{
	struct ag_pg_args a = { 0 };
	PGresult *res;
	int rc;

	ag_pg_arg_json(&a, arg);
	ag_pg_set_deadline(ctl->pg, AG_PG_DEADLINE_US);
	rc = ag_pg_begin(ctl->pg, AG_PG_WRITE, err);
	if (rc < 0)
		return rc;
	res = ag_pg_exec(ctl->pg, sql, &a, err);
	if (!res) {
		ag_pg_rollback(ctl->pg);
		return -EIO;
	}
	PQclear(res);
	return ag_pg_commit(ctl->pg, err);
}

static int
note_all(struct ag_control *ctl, struct ag_err *err)
{
	const struct ag_shm *shm = ctl->ctx->shm;
	uint32_t made = ag_a32_observe(&shm->hdr->policy_made);
	struct notes o = { .n = 0 };
	int rc = 0;

	if (made == ctl->values_noted)
		return 0;
	while (rc == 0 && notes_fill(shm, &o)) {
		rc = run_json(ctl, SQL_POLICY_VALUES_NOTE, o.rows, err);
		if (rc == 0)
			notes_mark(shm, &o);
	}
	json_object_put(o.rows);
	if (rc == 0)
		ctl->values_noted = made;
	return rc;
}

int
ag_policy_values_note(struct ag_call *c)
{
	struct ag_err err = { "" };

	assert(!c->in_txn);
	if (note_all(c->ctl, &err) == 0)
		return 0;
	return ag_call_fail(c, 503, "AB04", "the database is not reachable; traffic is served on");
}

/* ---- clearing away ---- */

struct id_set {
	int64_t *id; /* owned; in order */
	size_t n;
	bool is_known; /* PostgreSQL has said */
};

static int
cmp_i64(const void *pa, const void *pb)
{
	const int64_t *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

static bool
is_gone(int64_t policy_id, void *arg)
{
	const struct id_set *active = arg;

	return active->is_known && !bsearch(&policy_id, active->id, active->n, sizeof(policy_id), cmp_i64);
}

static int
read_active(struct ag_control *ctl, struct id_set *out, struct ag_err *err)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	int rc;

	ag_pg_set_deadline(ctl->pg, AG_PG_DEADLINE_US);
	rc = ag_pg_begin(ctl->pg, AG_PG_READ, err);
	if (rc < 0)
		return rc;
	res = ag_pg_exec(ctl->pg, SQL_POLICIES_ACTIVE, NULL, err);
	ag_pg_rollback(ctl->pg);
	if (!res)
		return -EIO;
	out->id = calloc((size_t)PQntuples(res) + 1, sizeof(*out->id));
	if (!out->id)
		return ag_err_set(err, -ENOMEM, "out of memory");
	for (int i = 0; i < PQntuples(res); i++)
		out->id[out->n++] = ag_pg_i64(res, i, 0);
	out->is_known = true;
	return 0;
}

/* Without PostgreSQL as well, or a table that nothing leaves would fill: then all policies are held
 * for living, and names stay behind until their meter goes another time. */
static int
clear_away(struct ag_control *ctl, struct ag_err *err)
{
	struct id_set active = { .n = 0 };
	int64_t gone[EVICT_MAX];
	struct json_object *ids;
	size_t n;
	int rc = 0;

	if (ag_a32_get(&ctl->ctx->shm->hdr->policy_meters) == 0)
		return 0;
	if (ag_pg_is_up(ctl->pg))
		rc = read_active(ctl, &active, err);
	n = ag_policy_meters_evict(ctl->ctx->shm, ag_clock_wall_us(), is_gone, &active, gone, EVICT_MAX);
	ag_count_add(AG_CNT_policy_meters_evicted, (int64_t)n);
	ctl->freed_meters += (uint32_t)n;
	ids = json_object_new_array();
	for (size_t i = 0; i < n; i++)
		json_object_array_add(ids, json_object_new_int64(gone[i]));
	if (rc == 0 && n > 0 && ag_pg_is_up(ctl->pg))
		rc = run_json(ctl, SQL_POLICY_VALUES_FORGET, ids, err);
	json_object_put(ids);
	free(active.id);
	return rc;
}

void
ag_policy_values_tick(struct ag_control *ctl, bool has_time)
{
	struct ag_err err = { "" };

	if (!ctl->is_loaded || ctl->is_draining)
		return;
	if ((ag_pg_is_up(ctl->pg) && note_all(ctl, &err) < 0) ||
	    (has_time && clear_away(ctl, &err) < 0))
		ag_warn("could not look after the values of policies: %s, trying again", err.text);
}

/* ---- answers ---- */

static struct json_object *
member(struct json_object *obj, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(obj, name, &v);
	return v;
}

struct value_state {
	struct json_object *usage; /* owned */
	int64_t period;
	bool is_exhausted;
	uint32_t ix;               /* slot of the meter, AG_NONE_IX none */
};

static void
add_mode(struct ag_call *c, struct json_object *obj, const struct value_state *st)
{
	const struct ag_shm *shm = c->ctl->ctx->shm;
	const struct ag_meter *m = st->ix == AG_NONE_IX ? NULL : ag_metertab_at(shm, st->ix);

	if (m)
		ag_limits_add_mode(obj, shm, st->ix, ag_meter_enforcement(m),
		    ag_meter_on_exhaust(m), ag_a32_get(&m->unit));
}

static struct value_state
state_of(struct ag_call *c, struct json_object *policy, int64_t meter_id)
{
	const struct ag_shm *shm = c->ctl->ctx->shm;
	int64_t limit = json_object_get_int64(member(policy, "_limit"));
	struct ag_meter_state st = { 0 };
	uint32_t ix = AG_NONE_IX;

	if (ag_metertab_find(shm, meter_id, &ix) == 0)
		ag_meter_read(ag_metertab_at(shm, ix), 0, ag_clock_wall_us(), &st);
	return (struct value_state){
		.ix = ix,
		.usage = ag_limits_amount(st.settled, (enum ag_unit)json_object_get_int(member(policy, "_unit"))),
		.period = st.period,
		.is_exhausted = st.settled >= limit,
	};
}

static PGresult *
read_values(struct ag_call *c, struct json_object *policy, const char *search)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, json_object_get_int64(member(policy, "_id")));
	ag_pg_arg_text(&a, search);
	return ag_call_sql(c, SQL_POLICY_VALUES, &a);
}

static struct json_object *
was_raised(const PGresult *res, int row, int col, int64_t period)
{
	return json_object_new_boolean(!PQgetisnull(res, row, col) && period != 0 &&
	    ag_pg_i64(res, row, col) == period);
}

int
ag_policy_values_map(struct ag_call *c, struct json_object *policy, struct json_object **out)
{
	AG_AUTO(ag_pgres) PGresult *res = read_values(c, policy, NULL);
	struct json_object *map;

	if (!res)
		return -1;
	map = json_object_new_object();
	for (int i = 0; i < PQntuples(res); i++) {
		struct value_state st = state_of(c, policy, ag_pg_i64(res, i, 1));
		struct json_object *one = json_object_new_object();

		json_object_object_add(one, "current_usage", st.usage);
		json_object_object_add(one, "status",
		    json_object_new_string(st.is_exhausted ? "exhausted" : "active"));
		json_object_object_add(one, "is_threshold_alerts_sent", was_raised(res, i, 3, st.period));
		json_object_object_add(one, "is_exhausted_alerts_sent", was_raised(res, i, 4, st.period));
		add_mode(c, one, &st);
		json_object_object_add(map, PQgetvalue(res, i, 2), one);
	}
	*out = map;
	return 0;
}

/* -1 any, 0 active, 1 exhausted. */
static int
wanted_status(struct ag_call *c, int *out)
{
	const char *status = ag_call_query(c, "status");

	*out = -1;
	if (!status)
		return 0;
	*out = strcmp(status, "exhausted") == 0;
	if (*out == 0 && strcmp(status, "active") != 0)
		return ag_call_invalid(c, "status: must be active or exhausted, not \"%.40s\"", status);
	return 0;
}

static struct json_object *
value_page(struct ag_call *c, struct json_object *policy, const PGresult *res, int want,
    const struct ag_page *page)
{
	struct json_object *list = json_object_new_object(), *data = json_object_new_array();
	int64_t total = 0;

	for (int i = 0; i < PQntuples(res); i++) {
		struct value_state st = state_of(c, policy, ag_pg_i64(res, i, 1));
		struct json_object *one;

		if ((want >= 0 && st.is_exhausted != (want == 1)) || ++total <= page->offset ||
		    total > page->offset + page->limit) {
			json_object_put(st.usage);
			continue;
		}
		one = json_object_new_object();
		json_object_object_add(one, "id", json_object_new_string(PQgetvalue(res, i, 0)));
		json_object_object_add(one, "value_key", json_object_new_string(PQgetvalue(res, i, 2)));
		json_object_object_add(one, "current_usage", st.usage);
		json_object_object_add(one, "status",
		    json_object_new_string(st.is_exhausted ? "exhausted" : "active"));
		add_mode(c, one, &st);
		json_object_array_add(data, one);
	}
	json_object_object_add(list, "object", json_object_new_string("list"));
	json_object_object_add(list, "total", json_object_new_int64(total));
	json_object_object_add(list, "data", data);
	return list;
}

void
ag_policy_value_list(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct json_object *policy = NULL;
	struct ag_page page;
	int want;

	if (ag_call_page(c, 100, &page) < 0 || wanted_status(c, &want) < 0 ||
	    ag_policy_values_note(c) < 0 || ag_policy_find(c, "usage", &policy) < 0)
		return;
	if (page.limit > 100) {
		page.offset = page.offset / page.limit * 100;
		page.limit = 100;
	}
	res = read_values(c, policy, ag_call_query(c, "search"));
	if (res)
		ag_call_ok(c, value_page(c, policy, res, want, &page));
	json_object_put(policy);
}

int
ag_policy_values_reset(struct ag_call *c, int64_t policy_id, const char *value_key, const char *uuid,
    struct json_object *list, int *out_n)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };
	struct ag_err err = { "" };
	uint32_t ix;

	ag_pg_arg_i64(&a, policy_id);
	ag_pg_arg_text(&a, value_key);
	ag_pg_arg_text(&a, uuid);
	res = ag_call_sql(c, SQL_POLICY_VALUE_RESET, &a);
	for (int i = 0; res && i < PQntuples(res); i++) {
		struct ag_meter_def def;

		ag_policy_value_def(res, i, &def);
		if (list) {
			struct json_object *one = json_object_new_object();

			json_object_object_add(one, "value_key", json_object_new_string(PQgetvalue(res, i, 2)));
			json_object_object_add(one, "resets", json_object_new_int64(ag_pg_i64(res, i, 1)));
			json_object_array_add(list, one);
		}
		def.name = AG_STR_NONE; /* it has one; and the plan outlives the result */
		if (ag_plan_meter(&c->plan, c->ctl, &def, &ix, &err) < 0)
			return ag_call_fail(c, 503, "AB04", "%s", err.text);
	}
	*out_n = res ? PQntuples(res) : 0;
	return res ? 0 : -1;
}

void
ag_policy_value_reset(struct ag_call *c)
{
	struct json_object *policy = NULL, *after = json_object_new_array();
	int n = 0;

	/* What was before is a reset less of what is after. */
	if (ag_policy_values_note(c) < 0 || ag_policy_find(c, "usage", &policy) < 0) {
		json_object_put(after);
		return;
	}
	if (ag_policy_values_reset(c, json_object_get_int64(member(policy, "_id")), NULL, c->arg[1], after,
	    &n) == 0 && n == 0)
		ag_call_not_found(c, "policy entity", c->arg[1]);
	if (ag_call_audit(c, "reset", "policy_entity",
	    json_object_get_string(member(policy, "id")), policy, after) == 0 && ag_call_commit(c) == 0)
		ag_call_ok(c, NULL);
	json_object_put(policy);
	json_object_put(after);
}
