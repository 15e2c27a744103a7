/* sql.h - every statement of the flusher, named.  Parameters are bound, arrays in binary. */
#ifndef AG_FLUSHER_SQL_H
#define AG_FLUSHER_SQL_H

#define AG_SQL_PARTITIONS "select aigate.ensure_partitions()"
#define AG_SQL_POSITIONS  "select boot_id, worker, seq from aigate.ledger_position"

/* $1 boot_id[], $2 worker[], $3 number stored so far (0: none), $4 number stored with this batch.
 * Answers how many streams stood where we thought: fewer than asked means that another hand, or an
 * earlier attempt of ours, has stored some of these records. */
#define AG_SQL_POSITION \
	"with n as (select * from unnest($1::bigint[], $2::int[], $3::bigint[], " \
	"$4::bigint[]) as t(boot_id, worker, was, seq)), made as (insert into " \
	"aigate.ledger_position (boot_id, worker, seq) select boot_id, worker, seq from n " \
	"where was = 0 order by 1, 2 on conflict do nothing returning 1), moved as (update " \
	"aigate.ledger_position p set seq = n.seq, updated_at = now() from n where " \
	"p.boot_id = n.boot_id and p.worker = n.worker and p.seq = n.was returning 1) " \
	"select (select count(*) from made) + (select count(*) from moved)"

#define AG_SQL_COPY \
	"copy aigate.ledger (" \
	"boot_id, worker, seq, request_id, attempt, received_at, sent_at, first_byte_at, " \
	"finished_at, organisation_id, workspace_id, api_key_id, user_id, integration_id, " \
	"integration_workspace_id, provider_id, family, provider_slug, requested_model, " \
	"served_model, endpoint, is_stream, outcome, is_final, status, client_status, " \
	"error_type, finish_reason, usage_source, service_tier, input_fresh, cache_read, " \
	"cache_write_5m, cache_write_1h, input_audio, input_image, cache_read_audio, " \
	"output_total, reasoning, output_audio, output_image, accepted_prediction, " \
	"rejected_prediction, web_searches, units, geo_num, geo_den, price_id, cost_nusd, " \
	"provider_cost_nusd, charged_nusd, held_nusd, queue_us, admit_us, connect_us, " \
	"overhead_us, request_bytes, response_bytes, cache_status, trace_id, span_id, " \
	"upstream_id, metadata, charge_meter_id, charge_period, charge_amount" \
	") from stdin (format binary)"

/* Sorted, so that flushers of several nodes lock rows in one order. */
#define AG_SQL_USAGE \
	"insert into aigate.usage_hour as u (hour, organisation_id, workspace_id, " \
	"api_key_id, integration_id, family, model, endpoint, status_class, tier, requests, " \
	"attempts, errors, unknown_usage, input_total, output_total, cache_read, " \
	"cache_write, reasoning, cost_nusd, charged_nusd, latency_us, first_byte_us, " \
	"overhead_us) select * from unnest($1::timestamptz[], $2::bigint[], $3::bigint[], " \
	"$4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::smallint[], " \
	"$10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], " \
	"$15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], " \
	"$20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[]) order " \
	"by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 on conflict (hour, organisation_id, workspace_id, " \
	"api_key_id, integration_id, family, model, endpoint, status_class, tier) do update " \
	"set requests = u.requests + excluded.requests, attempts = u.attempts + " \
	"excluded.attempts, errors = u.errors + excluded.errors, unknown_usage = " \
	"u.unknown_usage + excluded.unknown_usage, input_total = u.input_total + " \
	"excluded.input_total, output_total = u.output_total + excluded.output_total, " \
	"cache_read = u.cache_read + excluded.cache_read, cache_write = u.cache_write + " \
	"excluded.cache_write, reasoning = u.reasoning + excluded.reasoning, cost_nusd = " \
	"u.cost_nusd + excluded.cost_nusd, charged_nusd = u.charged_nusd + " \
	"excluded.charged_nusd, latency_us = u.latency_us + excluded.latency_us, " \
	"first_byte_us = u.first_byte_us + excluded.first_byte_us, overhead_us = " \
	"u.overhead_us + excluded.overhead_us"

/* $1 meter_id[], $2 period[], $3 settled[], $4 requests[], $5 policy_id[] (0 none) */
#define AG_SQL_BUDGET \
	"insert into aigate.budget_state as b (meter_id, period, settled, requests, " \
	"policy_id) select m, p, s, r, nullif(policy, 0) from unnest($1::bigint[], " \
	"$2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) as t(m, p, s, r, policy) " \
	"order by 1, 2 on conflict (meter_id, period) do update set settled = b.settled + " \
	"excluded.settled, requests = b.requests + excluded.requests, updated_at = now()"

/* $1 boot_id[], $2 worker[], $3 from_seq[], $4 to_seq[] */
#define AG_SQL_GAP \
	"insert into aigate.ledger_gap (boot_id, worker, from_seq, to_seq) select * from " \
	"unnest($1::bigint[], $2::int[], $3::bigint[], $4::bigint[])"

/* $1 boot_id[], $2 worker[], $3 seq[], $4 reason[], $5 record[] */
#define AG_SQL_QUARANTINE \
	"insert into aigate.ledger_quarantine (boot_id, worker, seq, reason, record) select " \
	"* from unnest($1::bigint[], $2::int[], $3::bigint[], $4::text[], $5::bytea[])"

/* $1 meter_id[], $2 period[]; in the order asked */
#define AG_SQL_TRUTH \
	"select coalesce(b.settled, 0) from unnest($1::bigint[], $2::bigint[]) with " \
	"ordinality t(meter_id, period, n) left join aigate.budget_state b using (meter_id, " \
	"period) order by t.n"

#endif
