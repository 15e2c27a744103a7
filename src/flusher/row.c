/* The order of fields is that of the column list in AG_SQL_COPY (sql.h). */
#include "flusher/row.h"

#include <assert.h>

#include "flusher/meta.h"
#include "flusher/pgbin.h"
#include "shm/record_name.h"
#include "shm/ring.h"

#define ROW_FIELDS 69u
/* Fields of fixed size, array heads and the replacement for unreadable metadata. */
#define ROW_FIXED  2048u

static void
put_name(struct ag_pgw *w, struct ag_str name)
{
	ag_pgw_bytes(w, name.p, name.n);
}

static void
put_text(struct ag_pgw *w, const struct ag_record *rec, enum ag_record_str which, bool is_nullable)
{
	struct ag_str s = ag_record_string(rec, which);

	if (s.n == 0 && is_nullable) {
		ag_pgw_null(w);
		return;
	}
	ag_pgw_u32(w, (uint32_t)s.n);
	ag_text_clean(s, w->p);
	w->p += s.n;
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
put_status(struct ag_pgw *w, unsigned status)
{
	if (status)
		ag_pgw_int4(w, (int32_t)status);
	else
		ag_pgw_null(w);
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

/* ---- the row ------------------------------------------------------------------------------ */

static void
put_identity(struct ag_pgw *w, uint64_t boot_id, const struct ag_record *rec)
{
	ag_pgw_int8(w, (int64_t)boot_id);
	ag_pgw_int4(w, rec->worker);
	ag_pgw_int8(w, (int64_t)rec->seq);
	ag_pgw_bytes(w, rec->request_id, sizeof(rec->request_id));
	ag_pgw_int2(w, (int16_t)rec->attempt);
	ag_pgw_time(w, rec->received_at_us);
	put_time_or_null(w, rec->sent_at_us);
	put_time_or_null(w, rec->first_byte_at_us);
	put_time_or_null(w, rec->finished_at_us);
	ag_pgw_int8(w, rec->org_id);
	put_id(w, rec->workspace_id);
	put_id(w, rec->key_id);
	put_id(w, rec->user_id);
	put_id(w, rec->integration_id);
	put_id(w, rec->grant_id);
	put_id(w, rec->provider_id);
}

static void
put_outcome(struct ag_pgw *w, const struct ag_record *rec)
{
	put_text(w, rec, AG_RS_PROVIDER, false);
	put_text(w, rec, AG_RS_PROVIDER_SLUG, false);
	put_text(w, rec, AG_RS_REQUESTED_MODEL, false);
	put_text(w, rec, AG_RS_SERVED_MODEL, false);
	put_name(w, ag_endpoint_name(rec->endpoint));
	ag_pgw_bool(w, rec->is_stream);
	put_name(w, ag_outcome_name(rec->outcome));
	ag_pgw_bool(w, rec->is_final);
	put_status(w, rec->status);
	put_status(w, rec->client_status);
	put_text(w, rec, AG_RS_ERROR_TYPE, true);
	put_text(w, rec, AG_RS_FINISH_REASON, true);
	put_name(w, ag_usage_source_name(rec->usage.source));
	put_name(w, ag_service_tier_name(rec->usage.service_tier));
}

static void
put_usage(struct ag_pgw *w, const struct ag_usage *u)
{
	const uint64_t counters[] = { u->input_fresh, u->cache_read, u->cache_write_5m,
		u->cache_write_1h, u->input_audio, u->input_image, u->cache_read_audio, u->output_total,
		u->reasoning, u->output_audio, u->output_image, u->accepted_prediction,
		u->rejected_prediction, u->web_searches, u->units };

	for (size_t i = 0; i < AG_ARRAY_LEN(counters); i++)
		ag_pgw_int8(w, (int64_t)counters[i]);
	if (u->geo_den) {
		ag_pgw_int4(w, (int32_t)u->geo_num);
		ag_pgw_int4(w, (int32_t)u->geo_den);
	} else {
		ag_pgw_null(w);
		ag_pgw_null(w);
	}
}

static void
put_money(struct ag_pgw *w, const struct ag_record *rec)
{
	put_id(w, rec->price_id);
	if (rec->price_ppm)
		ag_pgw_int4(w, (int32_t)rec->price_ppm);
	else
		ag_pgw_null(w);
	ag_pgw_int8(w, rec->cost_nusd);
	if (rec->usage.provider_cost_nusd >= 0)
		ag_pgw_int8(w, rec->usage.provider_cost_nusd);
	else
		ag_pgw_null(w);
	ag_pgw_int8(w, rec->charged_nusd);
	ag_pgw_int8(w, rec->held_nusd);
	ag_pgw_int8(w, rec->queue_us);
	ag_pgw_int8(w, rec->admit_us);
	ag_pgw_int8(w, rec->connect_us);
	ag_pgw_int8(w, rec->overhead_us);
	ag_pgw_int8(w, (int64_t)rec->request_bytes);
	ag_pgw_int8(w, (int64_t)rec->response_bytes);
	ag_pgw_int4(w, (int32_t)rec->cache_status);
	put_text(w, rec, AG_RS_TRACE_ID, true);
	put_text(w, rec, AG_RS_SPAN_ID, true);
	put_text(w, rec, AG_RS_UPSTREAM_ID, true);
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

static void
put_charges(struct ag_pgw *w, const struct ag_record *rec)
{
	const struct ag_charge *c = ag_record_charges(rec);
	uint32_t n = rec->n_charges, bytes = AG_PG_ARRAY_HEAD + n * 12;

	for (unsigned column = 0; column < 3; column++) {
		if (n == 0) {
			ag_pgw_null(w);
			continue;
		}
		ag_pgw_u32(w, bytes);
		ag_pgw_array(w, AG_PG_INT8, n);
		for (uint32_t i = 0; i < n; i++)
			ag_pgw_int8(w, column == 0 ? c[i].meter_id : column == 1 ? c[i].period : c[i].amount);
	}
}

const char *
ag_row_put(struct ag_buf *out, uint64_t boot_id, const struct ag_record *rec,
    struct ag_meta *meta)
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
	ag_pgw_u16(&w, ROW_FIELDS);
	put_identity(&w, boot_id, rec);
	put_outcome(&w, rec);
	put_usage(&w, &rec->usage);
	put_money(&w, rec);
	put_metadata(&w, rec, meta);
	put_charges(&w, rec);
	put_id(&w, ag_record_config_id(rec));
	put_id(&w, ag_record_price_adjustment_id(rec));
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
