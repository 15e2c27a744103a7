#include "flusher/params.h"

#include "flusher/pgbin.h"

#define PARAMS_MAX ((size_t)256 << 20)

void
ag_params_init(struct ag_params *p)
{
	memset(p, 0, sizeof(*p));
	ag_buf_init(&p->mem, PARAMS_MAX);
	for (int i = 0; i < AG_PARAMS_MAX; i++)
		p->formats[i] = 1;
}

void
ag_params_fini(struct ag_params *p)
{
	ag_buf_fini(&p->mem);
}

static void
start(struct ag_params *p)
{
	ag_buf_reset(&p->mem);
	p->n = 0;
}

/* Room for one array of n fields with `bytes` of values in all; NULL: out of memory. */
static bool
array_begin(struct ag_params *p, struct ag_pgw *w, enum ag_pg_type type, size_t n, size_t bytes)
{
	w->p = ag_buf_reserve(&p->mem, AG_PG_ARRAY_HEAD + n * 4 + bytes);
	if (!w->p)
		return false;
	p->off[p->n] = p->mem.n;
	if (n == 0) { /* an empty array has no dimension */
		ag_pgw_u32(w, 0);
		ag_pgw_u32(w, 0);
		ag_pgw_u32(w, (uint32_t)type);
	} else {
		ag_pgw_array(w, type, (uint32_t)n);
	}
	return true;
}

static void
array_end(struct ag_params *p, const struct ag_pgw *w)
{
	size_t bytes = (size_t)(w->p - (p->mem.p + p->mem.n));

	ag_buf_commit(&p->mem, bytes);
	p->lengths[p->n++] = (int)bytes;
}

static bool
done(struct ag_params *p)
{
	for (int i = 0; i < p->n; i++)
		p->values[i] = p->mem.p + p->off[i];
	return !p->mem.failed;
}

/* One array per call: `value` is evaluated for i of 0..count-1. */
#define ARRAY(p, type, put, bytes, count, value)                              \
	do {                                                                   \
		struct ag_pgw w_;                                              \
		if (!array_begin((p), &w_, (type), (count), (count) * (bytes))) \
			return false;                                          \
		for (size_t i = 0; i < (count); i++)                           \
			put(&w_, (value));                                     \
		array_end((p), &w_);                                           \
	} while (0)
#define INT8S(p, count, value) ARRAY(p, AG_PG_INT8, ag_pgw_int8, 8, count, (int64_t)(value))
#define INT4S(p, count, value) ARRAY(p, AG_PG_INT4, ag_pgw_int4, 4, count, (int32_t)(value))
#define TIMES(p, count, value) ARRAY(p, AG_PG_TIMESTAMPTZ, ag_pgw_time, 8, count, value)
#define BOOLS(p, count, value) ARRAY(p, AG_PG_BOOL, ag_pgw_bool, 1, count, value)
#define INT2S(p, count, value) ARRAY(p, AG_PG_INT2, ag_pgw_int2, 2, count, (int16_t)(value))

bool
ag_params_position(struct ag_params *p, const struct ag_batch *b)
{
	start(p);
	INT8S(p, b->n_advance, b->advance[i].boot_id);
	INT4S(p, b->n_advance, b->advance[i].worker);
	INT8S(p, b->n_advance, b->advance[i].was);
	INT8S(p, b->n_advance, b->advance[i].now);
	return done(p);
}

static bool
group_texts(struct ag_params *p, const struct ag_rollup *r, const struct ag_groups *gs, unsigned t)
{
	size_t bytes = 0;
	struct ag_pgw w;

	for (size_t i = 0; i < gs->n; i++)
		bytes += gs->at[i].text[t].len;
	if (!array_begin(p, &w, AG_PG_TEXT, gs->n, bytes))
		return false;
	for (size_t i = 0; i < gs->n; i++)
		ag_pgw_bytes(&w, r->texts.p + gs->at[i].text[t].off, gs->at[i].text[t].len);
	array_end(p, &w);
	return true;
}

/* A column of numbers, of the type its letter names: see struct ag_group_shape. */
static bool
group_numbers(struct ag_params *p, const struct ag_groups *gs, char type, unsigned c, bool is_sum)
{
#define CELL (is_sum ? gs->at[i].sum[c] : gs->at[i].dim[c])
	switch (type) {
	case 't':
		ARRAY(p, AG_PG_TIMESTAMPTZ, ag_pgw_time, 8, gs->n, CELL);
		break;
	case '4':
		INT4S(p, gs->n, CELL);
		break;
	case '2':
		INT2S(p, gs->n, CELL);
		break;
	default:
		INT8S(p, gs->n, CELL);
		break;
	}
#undef CELL
	return true;
}

bool
ag_params_groups(struct ag_params *p, const struct ag_batch *b, enum ag_rollup_table table)
{
	const struct ag_group_shape *shape = &ag_group_shapes[table];
	const struct ag_groups *gs = &b->rollup.groups[table];

	start(p);
	for (unsigned c = 0; shape->dims[c]; c++) {
		if (!group_numbers(p, gs, shape->dims[c], c, false))
			return false;
	}
	for (unsigned t = 0; t < shape->n_texts; t++) {
		if (!group_texts(p, &b->rollup, gs, t))
			return false;
	}
	for (unsigned c = 0; shape->sums[c]; c++) {
		if (!group_numbers(p, gs, shape->sums[c], c, true))
			return false;
	}
	return done(p);
}

bool
ag_params_moments(struct ag_params *p, const struct ag_batch *b, const char *unit)
{
	const struct ag_groups *gs = &b->rollup.groups[AG_RT_USAGE];
	size_t one = strlen(unit);
	struct ag_pgw w;

	start(p);
	ARRAY(p, AG_PG_TIMESTAMPTZ, ag_pgw_time, 8, gs->n, gs->at[i].dim[0]);
	w.p = ag_buf_reserve(&p->mem, one + 1);
	if (!w.p)
		return false;
	p->off[p->n] = p->mem.n;
	ag_pgw_raw(&w, unit, one);
	array_end(p, &w);
	return done(p);
}

bool
ag_params_budget(struct ag_params *p, const struct ag_batch *b)
{
	const struct ag_budget_group *g = b->rollup.budget;
	size_t n = b->rollup.n_budget;

	start(p);
	INT8S(p, n, g[i].meter_id);
	INT8S(p, n, g[i].period);
	INT8S(p, n, g[i].settled);
	INT8S(p, n, g[i].requests);
	INT8S(p, n, g[i].policy_id);
	return done(p);
}

bool
ag_params_gap(struct ag_params *p, const struct ag_batch *b)
{
	start(p);
	INT8S(p, b->n_gaps, b->gaps[i].boot_id);
	INT4S(p, b->n_gaps, b->gaps[i].worker);
	INT8S(p, b->n_gaps, b->gaps[i].from_seq);
	INT8S(p, b->n_gaps, b->gaps[i].to_seq);
	return done(p);
}

bool
ag_params_quarantine(struct ag_params *p, const struct ag_batch *b)
{
	const struct ag_record *rec = (const struct ag_record *)(const void *)b->put_aside;
	size_t one = 1, reason = strlen(b->reason);
	struct ag_pgw w;

	start(p);
	INT8S(p, one, b->put_aside_of.boot_id);
	INT4S(p, one, b->put_aside_of.worker);
	INT8S(p, one, b->put_aside_of.now);
	if (!array_begin(p, &w, AG_PG_TEXT, 1, reason))
		return false;
	ag_pgw_bytes(&w, b->reason, reason);
	array_end(p, &w);
	if (!array_begin(p, &w, AG_PG_BYTEA, 1, rec->len))
		return false;
	ag_pgw_bytes(&w, rec, rec->len);
	array_end(p, &w);
	return done(p);
}

/* Ids by their offsets in the texts of the batch. */
bool
ag_params_object(struct ag_params *p, const struct ag_batch *b)
{
	const struct ag_batch_object *o = b->objects;
	size_t n = b->n_objects;
	struct ag_pgw w;

	start(p);
	INT8S(p, n, o[i].integration_id);
	if (!array_begin(p, &w, AG_PG_TEXT, n, b->object_ids.n))
		return false;
	for (size_t i = 0; i < n; i++)
		ag_pgw_bytes(&w, b->object_ids.p + o[i].off, o[i].len);
	array_end(p, &w);
	INT8S(p, n, o[i].workspace_id);
	INT8S(p, n, o[i].key_id);
	INT2S(p, n, o[i].kind);
	ARRAY(p, AG_PG_TIMESTAMPTZ, ag_pgw_time, 8, n, o[i].at_us);
	return done(p);
}

bool
ag_params_truth(struct ag_params *p, const int64_t *meter_ids, const int64_t *periods, size_t n)
{
	start(p);
	INT8S(p, n, meter_ids[i]);
	INT8S(p, n, periods[i]);
	return done(p);
}

/* ---- bodies ---- */

bool
ag_params_body_workspaces(struct ag_params *p, const struct ag_body_batch *b)
{
	start(p);
	INT8S(p, b->n, b->row[i].body->workspace_id);
	return done(p);
}

bool
ag_params_body_days(struct ag_params *p, const struct ag_body_batch *b)
{
	start(p);
	TIMES(p, b->n, b->row[i].body->received_at_us);
	return done(p);
}

static bool
body_texts(struct ag_params *p, const struct ag_body_batch *b, unsigned part)
{
	size_t bytes = 0;
	struct ag_pgw w;

	for (size_t i = 0; i < b->n; i++)
		bytes += b->row[i].part[part].len;
	if (!array_begin(p, &w, AG_PG_TEXT, b->n, bytes))
		return false;
	for (size_t i = 0; i < b->n; i++) {
		if (b->row[i].part[part].is_text)
			ag_pgw_bytes(&w, b->texts.p + b->row[i].part[part].off, b->row[i].part[part].len);
		else
			ag_pgw_null(&w);
	}
	array_end(p, &w);
	return true;
}

bool
ag_params_bodies(struct ag_params *p, const struct ag_body_batch *b)
{
	const struct ag_body_row *row = b->row;
	struct ag_pgw w;

	start(p);
	if (!array_begin(p, &w, AG_PG_UUID, b->n, b->n * sizeof(row->body->request_id)))
		return false;
	for (size_t i = 0; i < b->n; i++)
		ag_pgw_bytes(&w, row[i].body->request_id, sizeof(row->body->request_id));
	array_end(p, &w);
	INT2S(p, b->n, row[i].body->attempt);
	TIMES(p, b->n, row[i].body->received_at_us);
	INT8S(p, b->n, row[i].body->org_id);
	INT8S(p, b->n, row[i].body->workspace_id);
	INT8S(p, b->n, row[i].body->key_id);
	if (!body_texts(p, b, 0) || !body_texts(p, b, 1))
		return false;
	INT8S(p, b->n, row[i].body->request_bytes);
	INT8S(p, b->n, row[i].body->response_bytes);
	BOOLS(p, b->n, row[i].part[0].is_cut);
	BOOLS(p, b->n, row[i].part[1].is_cut);
	INT4S(p, b->n, row[i].taken);
	return done(p);
}
