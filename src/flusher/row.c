#include "flusher/row.h"

#include <assert.h>
#include <stddef.h>

#include "flusher/meta.h"
#include "flusher/pgbin.h"
#include "flusher/row_columns.h"
#include "shm/record_name.h"
#include "shm/ring.h"

/* Fields of fixed size, array heads and the replacement for unreadable metadata. */
#define ROW_FIXED  2048u

/* ---- how columns are put: AG_ROW_COLUMNS names them put_* ------------------------------------ */

#define put_int2 ag_pgw_int2
#define put_int4 ag_pgw_int4
#define put_int8 ag_pgw_int8
#define put_flag ag_pgw_bool
#define put_time ag_pgw_time

static void
put_uuid(struct ag_pgw *w, const uint8_t id[16])
{
	ag_pgw_bytes(w, id, 16);
}

static void
put_name(struct ag_pgw *w, struct ag_str name)
{
	ag_pgw_bytes(w, name.p, name.n);
}

static void
put_text(struct ag_pgw *w, const struct ag_record *rec, enum ag_record_str which)
{
	struct ag_str s = ag_record_string(rec, which);

	ag_pgw_u32(w, (uint32_t)s.n);
	ag_text_clean(s, w->p);
	w->p += s.n;
}

static void
put_text_or_null(struct ag_pgw *w, const struct ag_record *rec, enum ag_record_str which)
{
	if (rec->str_len[which])
		put_text(w, rec, which);
	else
		ag_pgw_null(w);
}

static void
put_id(struct ag_pgw *w, int64_t id)
{
	if (id)
		ag_pgw_int8(w, id);
	else
		ag_pgw_null(w);
}

static void
put_time_or_null(struct ag_pgw *w, int64_t wall_us)
{
	if (wall_us)
		ag_pgw_time(w, wall_us);
	else
		ag_pgw_null(w);
}

static void
put_int4_or_null(struct ag_pgw *w, uint32_t v)
{
	if (v)
		ag_pgw_int4(w, (int32_t)v);
	else
		ag_pgw_null(w);
}

/* A part of a ratio, which is none when its denominator is 0. */
static void
put_ratio(struct ag_pgw *w, uint32_t den, uint32_t part)
{
	if (den)
		ag_pgw_int4(w, (int32_t)part);
	else
		ag_pgw_null(w);
}

static void
put_cost_or_null(struct ag_pgw *w, int64_t nusd)
{
	if (nusd >= 0)
		ag_pgw_int8(w, nusd);
	else
		ag_pgw_null(w);
}

/* jsonb on the wire: a version byte, then the text. */
static void
put_metadata(struct ag_pgw *w, const struct ag_record *rec, struct ag_meta *meta)
{
	static const struct ag_str unreadable = AG_STR("{\"aigate_unreadable\":true}");
	struct ag_str s = ag_record_string(rec, AG_RS_METADATA);

	if (s.n == 0) {
		memset(meta->value, 0, sizeof(meta->value));
		ag_pgw_null(w);
		return;
	}
	if (!ag_meta_clean(s, w->p + 5, meta)) {
		memcpy(w->p + 5, unreadable.p, unreadable.n);
		s.n = unreadable.n;
	}
	ag_pgw_u32(w, (uint32_t)s.n + 1);
	*w->p++ = 1;
	w->p += s.n;
}

/* One column of the charges: the int64_t at this offset of each. */
static void
put_charges(struct ag_pgw *w, const struct ag_record *rec, size_t offset)
{
	const struct ag_charge *c = ag_record_charges(rec);
	uint32_t n = rec->n_charges;

	if (n == 0) {
		ag_pgw_null(w);
		return;
	}
	ag_pgw_u32(w, AG_PG_ARRAY_HEAD + n * 12);
	ag_pgw_array(w, AG_PG_INT8, n);
	for (uint32_t i = 0; i < n; i++) {
		int64_t v;

		memcpy(&v, (const char *)&c[i] + offset, sizeof(v));
		ag_pgw_int8(w, v);
	}
}

/* ---- what a bigint cannot hold ------------------------------------------------------------- */

static const char *
row_refusal(const struct ag_record *rec)
{
	const struct ag_usage *u = &rec->usage;
	uint64_t all = u->input_fresh | u->cache_read | u->cache_write_5m | u->cache_write_1h |
	    u->input_audio | u->input_image | u->cache_read_audio | u->output_total | u->reasoning |
	    u->output_audio | u->output_image | u->accepted_prediction | u->rejected_prediction |
	    u->web_searches | u->units | rec->request_bytes | rec->response_bytes;

	if (all > INT64_MAX)
		return "a usage counter is out of range";
	if (u->geo_num > INT32_MAX || u->geo_den > INT32_MAX || rec->attempt > INT16_MAX)
		return "a small number is out of range";
	if (rec->received_at_us <= 0 || rec->received_at_us > INT64_MAX / 4 ||
	    rec->sent_at_us < 0 || rec->sent_at_us > INT64_MAX / 4 ||
	    rec->first_byte_at_us < 0 || rec->first_byte_at_us > INT64_MAX / 4 ||
	    rec->finished_at_us < 0 || rec->finished_at_us > INT64_MAX / 4)
		return "a time is out of range";
	return NULL;
}

/* ---- shapes: whether a column that lean rows leave out is as the table has it by default ------- */

#define is_default_int4(v)           ((v) == 0)
#define is_default_int8(v)           ((v) == 0)
#define is_default_id(v)             ((v) == 0)
#define is_default_int4_or_null(v)   ((v) == 0)
#define is_default_ratio(den, part)  ((den) == 0)
#define is_default_cost_or_null(v)   ((v) < 0)

enum ag_row_shape
ag_row_shape(const struct ag_record *rec)
{
	const struct ag_usage *u = &rec->usage;

#define IS_LEAN_BOTH(type, ...)
#define IS_LEAN_FULL(type, ...) & is_default_##type(__VA_ARGS__)
#define IS_LEAN(shape, name, type, ...) IS_LEAN_##shape(type, __VA_ARGS__)
	return 1 AG_ROW_COLUMNS(IS_LEAN) ? AG_ROW_LEAN : AG_ROW_FULL;
}

#define COUNT_BOTH 1
#define COUNT_FULL 0
#define COUNT_LEAN(shape, ...) + COUNT_##shape
#define COUNT_ALL(shape, ...)  + 1
static const uint16_t n_fields[AG_ROW_SHAPES] = {
	[AG_ROW_LEAN] = 1 AG_ROW_COLUMNS(COUNT_LEAN), /* 1: boot_id */
	[AG_ROW_FULL] = 1 AG_ROW_COLUMNS(COUNT_ALL),
};

static void
put_row(struct ag_pgw *w, enum ag_row_shape shape, uint64_t boot_id, const struct ag_record *rec,
    struct ag_meta *meta)
{
	const struct ag_usage *u = &rec->usage;

	ag_pgw_u16(w, n_fields[shape]);
	ag_pgw_int8(w, (int64_t)boot_id);
#define PUT_BOTH(type, ...) put_##type(w, __VA_ARGS__);
#define PUT_FULL(type, ...) if (shape == AG_ROW_FULL) put_##type(w, __VA_ARGS__);
#define PUT(shape, name, type, ...) PUT_##shape(type, __VA_ARGS__)
	AG_ROW_COLUMNS(PUT)
}

const char *
ag_row_put(struct ag_buf *out, enum ag_row_shape shape, uint64_t boot_id,
    const struct ag_record *rec, struct ag_meta *meta)
{
	const char *refusal = row_refusal(rec);
	struct ag_pgw w;
	char *from;

	if (refusal)
		return refusal;
	/* Strings keep their length; a charge of 32 bytes becomes three fields of 12. */
	from = ag_buf_reserve(out, ROW_FIXED + 2 * (size_t)rec->len);
	if (!from)
		return "out of memory";
	w.p = from;
	put_row(&w, shape, boot_id, rec, meta);
	ag_buf_commit(out, (size_t)(w.p - from));
	return NULL;
}

void
ag_row_put_header(struct ag_buf *out)
{
	static const char header[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";

	ag_buf_put(out, header, sizeof(header));
}

void
ag_row_put_trailer(struct ag_buf *out)
{
	ag_buf_put(out, "\377\377", 2);
}
