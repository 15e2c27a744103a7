/* row_columns.h - the columns of aigate.ledger that the flusher fills, one row each: in which shape
 * of row, name, how it is put (put_* in row.c), of what.  boot_id stands before them.
 *
 * A lean row leaves out what nearly all records have as the table's default: NULL, or the 0 that
 * migration 0025 gives.  What is left out is media, predictions, searches, units, prices that are
 * no list prices, waiting: a column that a whole deployment may fill (user, metadata, config, span)
 * or that errors and caches fill stays, since it costs little and a full row much. */
#ifndef AG_FLUSHER_ROW_COLUMNS_H
#define AG_FLUSHER_ROW_COLUMNS_H

#define AG_ROW_COLUMNS(X) \
	X(BOTH, worker, int4, rec->worker) \
	X(BOTH, seq, int8, (int64_t)rec->seq) \
	X(BOTH, request_id, uuid, rec->request_id) \
	X(BOTH, attempt, int2, (int16_t)rec->attempt) \
	X(BOTH, received_at, time, rec->received_at_us) \
	X(BOTH, sent_at, time_or_null, rec->sent_at_us) \
	X(BOTH, first_byte_at, time_or_null, rec->first_byte_at_us) \
	X(BOTH, finished_at, time_or_null, rec->finished_at_us) \
	X(BOTH, organisation_id, int8, rec->org_id) \
	X(BOTH, workspace_id, id, rec->workspace_id) \
	X(BOTH, api_key_id, id, rec->key_id) \
	X(BOTH, user_id, id, rec->user_id) \
	X(BOTH, integration_id, id, rec->integration_id) \
	X(BOTH, integration_workspace_id, id, rec->grant_id) \
	X(BOTH, provider_id, id, rec->provider_id) \
	X(BOTH, family, text, rec, AG_RS_PROVIDER) \
	X(BOTH, provider_slug, text, rec, AG_RS_PROVIDER_SLUG) \
	X(BOTH, requested_model, text, rec, AG_RS_REQUESTED_MODEL) \
	X(BOTH, served_model, text, rec, AG_RS_SERVED_MODEL) \
	X(BOTH, endpoint, name, ag_endpoint_name(rec->endpoint)) \
	X(BOTH, is_stream, flag, rec->is_stream) \
	X(BOTH, outcome, name, ag_outcome_name(rec->outcome)) \
	X(BOTH, is_final, flag, rec->is_final) \
	X(BOTH, status, int4_or_null, rec->status) \
	X(BOTH, client_status, int4_or_null, rec->client_status) \
	X(BOTH, error_type, text_or_null, rec, AG_RS_ERROR_TYPE) \
	X(BOTH, finish_reason, text_or_null, rec, AG_RS_FINISH_REASON) \
	X(BOTH, usage_source, name, ag_usage_source_name(u->source)) \
	X(BOTH, service_tier, name, ag_service_tier_name(u->service_tier)) \
	X(BOTH, input_fresh, int8, (int64_t)u->input_fresh) \
	X(BOTH, cache_read, int8, (int64_t)u->cache_read) \
	X(BOTH, cache_write_5m, int8, (int64_t)u->cache_write_5m) \
	X(FULL, cache_write_1h, int8, (int64_t)u->cache_write_1h) \
	X(FULL, input_audio, int8, (int64_t)u->input_audio) \
	X(FULL, input_image, int8, (int64_t)u->input_image) \
	X(FULL, cache_read_audio, int8, (int64_t)u->cache_read_audio) \
	X(BOTH, output_total, int8, (int64_t)u->output_total) \
	X(BOTH, reasoning, int8, (int64_t)u->reasoning) \
	X(FULL, output_audio, int8, (int64_t)u->output_audio) \
	X(FULL, output_image, int8, (int64_t)u->output_image) \
	X(FULL, accepted_prediction, int8, (int64_t)u->accepted_prediction) \
	X(FULL, rejected_prediction, int8, (int64_t)u->rejected_prediction) \
	X(FULL, web_searches, int8, (int64_t)u->web_searches) \
	X(FULL, units, int8, (int64_t)u->units) \
	X(FULL, geo_num, ratio, u->geo_den, u->geo_num) \
	X(FULL, geo_den, ratio, u->geo_den, u->geo_den) \
	X(BOTH, price_id, id, rec->price_id) \
	X(FULL, price_ppm, int4_or_null, rec->price_ppm) \
	X(BOTH, cost_nusd, int8, rec->cost_nusd) \
	X(FULL, provider_cost_nusd, cost_or_null, u->provider_cost_nusd) \
	X(BOTH, charged_nusd, int8, rec->charged_nusd) \
	X(BOTH, held_nusd, int8, rec->held_nusd) \
	X(FULL, queue_us, int8, rec->queue_us) \
	X(BOTH, admit_us, int8, rec->admit_us) \
	X(BOTH, connect_us, int8, rec->connect_us) \
	X(BOTH, overhead_us, int8, rec->overhead_us) \
	X(BOTH, request_bytes, int8, (int64_t)rec->request_bytes) \
	X(BOTH, response_bytes, int8, (int64_t)rec->response_bytes) \
	X(FULL, cache_status, int4, rec->cache_status) \
	X(BOTH, trace_id, text_or_null, rec, AG_RS_TRACE_ID) \
	X(BOTH, span_id, text_or_null, rec, AG_RS_SPAN_ID) \
	X(BOTH, upstream_id, text_or_null, rec, AG_RS_UPSTREAM_ID) \
	X(BOTH, metadata, metadata, rec, meta) \
	X(BOTH, charge_meter_id, charges, rec, offsetof(struct ag_charge, meter_id)) \
	X(BOTH, charge_period, charges, rec, offsetof(struct ag_charge, period)) \
	X(BOTH, charge_amount, charges, rec, offsetof(struct ag_charge, amount)) \
	X(BOTH, config_id, id, ag_record_config_id(rec)) \
	X(FULL, price_adjustment_id, id, ag_record_price_adjustment_id(rec))

#endif
