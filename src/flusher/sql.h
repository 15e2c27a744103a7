/* sql.h - every statement of the flusher, named.  Parameters are bound, arrays in binary. */
#ifndef AG_FLUSHER_SQL_H
#define AG_FLUSHER_SQL_H

#include "flusher/row_columns.h"

/* $1 unit: day, month */
#define AG_SQL_PARTITIONS "select aigate.ensure_partitions($1::text)"
/* $1 moments timestamptz[], $2 unit; answers how many partitions were missing. */
#define AG_SQL_PARTITIONS_FOR \
	"select aigate.make_partitions_for($1::timestamptz[], $2::text)"
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

/* The rows of row.h. */
#define AG_SQL_IN_FULL_BOTH(name) ", " #name
#define AG_SQL_IN_FULL_FULL(name) ", " #name
#define AG_SQL_IN_LEAN_BOTH(name) ", " #name
#define AG_SQL_IN_LEAN_FULL(name)
#define AG_SQL_IN_FULL(shape, name, ...) AG_SQL_IN_FULL_##shape(name)
#define AG_SQL_IN_LEAN(shape, name, ...) AG_SQL_IN_LEAN_##shape(name)
#define AG_SQL_COPY(in_shape) \
	"copy aigate.ledger (boot_id" AG_ROW_COLUMNS(in_shape) ") from stdin (format binary)"
#define AG_SQL_COPY_LEAN AG_SQL_COPY(AG_SQL_IN_LEAN)
#define AG_SQL_COPY_FULL AG_SQL_COPY(AG_SQL_IN_FULL)

/* Of a table, its function that lists partitions and the one that drops one.  $1 seconds to keep; names
 * that need no quotes; attached, is detaching, detached and marked. */
#define AG_SQL_EXPIRED(table, partitions) \
	"select name, case when is_detaching then 'i' else 'a' end from " \
	"aigate." partitions "() where until_at < now() - make_interval(secs => " \
	"$1::float8) and name ~ '^[a-z0-9_]+$' union all select c.relname::text, 'd' from " \
	"pg_class c where c.relnamespace = 'aigate'::regnamespace and c.relkind = 'r' and " \
	"not c.relispartition and c.relname ~ '^" table "_[a-z0-9_]+$' and " \
	"obj_description(c.oid, 'pg_class') = 'Being dropped' order by 1 limit 64"
#define AG_SQL_MARK        "comment on table aigate.%s is 'Being dropped'"
#define AG_SQL_DETACH      "alter table aigate.%s detach partition aigate.%s %s"
#define AG_SQL_DROP        "drop table aigate.%s"
#define AG_SQL_DROP_LOCKED(drop) "select aigate." drop "($1::text)"

/* Roll-ups: columns in the order of ag_group_shapes.  Sorted, so that flushers of several nodes lock
 * rows in one order. */
/* Hours and, of the same figures, days. */
#define AG_SQL_USAGE \
	"with n as (select * from unnest($1::timestamptz[], $2::bigint[], $3::bigint[], " \
	"$4::bigint[], $5::bigint[], $6::bigint[], $7::smallint[], $8::text[], $9::text[], " \
	"$10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], " \
	"$15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], " \
	"$20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[], " \
	"$25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[], $29::bigint[], " \
	"$30::bigint[], $31::bigint[], $32::bigint[]) as t(hour, organisation_id, " \
	"workspace_id, api_key_id, integration_id, provider_id, status_class, family, model, " \
	"endpoint, tier, requests, attempts, errors, unknown_usage, estimated_usage, " \
	"input_total, output_total, cache_read, cache_write, reasoning, cost_nusd, " \
	"charged_nusd, unknown_nusd, provider_cost_nusd, held_nusd, latency_us, " \
	"first_byte_us, overhead_us, cache_hits, request_bytes, response_bytes)), d as " \
	"(insert into aigate.usage_day as u (day, organisation_id, workspace_id, api_key_id, " \
	"integration_id, provider_id, status_class, family, model, endpoint, tier, requests, " \
	"attempts, errors, unknown_usage, estimated_usage, input_total, output_total, " \
	"cache_read, cache_write, reasoning, cost_nusd, charged_nusd, unknown_nusd, " \
	"provider_cost_nusd, held_nusd, latency_us, first_byte_us, overhead_us, cache_hits, " \
	"request_bytes, response_bytes) select (hour at time zone 'UTC')::date, " \
	"organisation_id, workspace_id, api_key_id, integration_id, provider_id, " \
	"status_class, family, model, endpoint, tier, sum(requests)::bigint, " \
	"sum(attempts)::bigint, sum(errors)::bigint, sum(unknown_usage)::bigint, " \
	"sum(estimated_usage)::bigint, sum(input_total)::bigint, sum(output_total)::bigint, " \
	"sum(cache_read)::bigint, sum(cache_write)::bigint, sum(reasoning)::bigint, " \
	"sum(cost_nusd)::bigint, sum(charged_nusd)::bigint, sum(unknown_nusd)::bigint, " \
	"sum(provider_cost_nusd)::bigint, sum(held_nusd)::bigint, sum(latency_us)::bigint, " \
	"sum(first_byte_us)::bigint, sum(overhead_us)::bigint, sum(cache_hits)::bigint, " \
	"sum(request_bytes)::bigint, sum(response_bytes)::bigint from n group by 1, 2, 3, 4, " \
	"5, 6, 7, 8, 9, 10, 11 order by 1, organisation_id, workspace_id, api_key_id, " \
	"integration_id, provider_id, family, model, endpoint, status_class, tier on " \
	"conflict (day, organisation_id, workspace_id, api_key_id, integration_id, " \
	"provider_id, family, model, endpoint, status_class, tier) do update set requests = " \
	"u.requests + excluded.requests, attempts = u.attempts + excluded.attempts, errors = " \
	"u.errors + excluded.errors, unknown_usage = u.unknown_usage + " \
	"excluded.unknown_usage, estimated_usage = u.estimated_usage + " \
	"excluded.estimated_usage, input_total = u.input_total + excluded.input_total, " \
	"output_total = u.output_total + excluded.output_total, cache_read = u.cache_read + " \
	"excluded.cache_read, cache_write = u.cache_write + excluded.cache_write, reasoning " \
	"= u.reasoning + excluded.reasoning, cost_nusd = u.cost_nusd + excluded.cost_nusd, " \
	"charged_nusd = u.charged_nusd + excluded.charged_nusd, unknown_nusd = " \
	"u.unknown_nusd + excluded.unknown_nusd, provider_cost_nusd = u.provider_cost_nusd + " \
	"excluded.provider_cost_nusd, held_nusd = u.held_nusd + excluded.held_nusd, " \
	"latency_us = u.latency_us + excluded.latency_us, first_byte_us = u.first_byte_us + " \
	"excluded.first_byte_us, overhead_us = u.overhead_us + excluded.overhead_us, " \
	"cache_hits = u.cache_hits + excluded.cache_hits, request_bytes = u.request_bytes + " \
	"excluded.request_bytes, response_bytes = u.response_bytes + " \
	"excluded.response_bytes) insert into aigate.usage_hour as u (hour, organisation_id, " \
	"workspace_id, api_key_id, integration_id, provider_id, status_class, family, model, " \
	"endpoint, tier, requests, attempts, errors, unknown_usage, estimated_usage, " \
	"input_total, output_total, cache_read, cache_write, reasoning, cost_nusd, " \
	"charged_nusd, unknown_nusd, provider_cost_nusd, held_nusd, latency_us, " \
	"first_byte_us, overhead_us, cache_hits, request_bytes, response_bytes) select * " \
	"from n order by hour, organisation_id, workspace_id, api_key_id, integration_id, " \
	"provider_id, family, model, endpoint, status_class, tier on conflict (hour, " \
	"organisation_id, workspace_id, api_key_id, integration_id, provider_id, family, " \
	"model, endpoint, status_class, tier) do update set requests = u.requests + " \
	"excluded.requests, attempts = u.attempts + excluded.attempts, errors = u.errors + " \
	"excluded.errors, unknown_usage = u.unknown_usage + excluded.unknown_usage, " \
	"estimated_usage = u.estimated_usage + excluded.estimated_usage, input_total = " \
	"u.input_total + excluded.input_total, output_total = u.output_total + " \
	"excluded.output_total, cache_read = u.cache_read + excluded.cache_read, cache_write " \
	"= u.cache_write + excluded.cache_write, reasoning = u.reasoning + " \
	"excluded.reasoning, cost_nusd = u.cost_nusd + excluded.cost_nusd, charged_nusd = " \
	"u.charged_nusd + excluded.charged_nusd, unknown_nusd = u.unknown_nusd + " \
	"excluded.unknown_nusd, provider_cost_nusd = u.provider_cost_nusd + " \
	"excluded.provider_cost_nusd, held_nusd = u.held_nusd + excluded.held_nusd, " \
	"latency_us = u.latency_us + excluded.latency_us, first_byte_us = u.first_byte_us + " \
	"excluded.first_byte_us, overhead_us = u.overhead_us + excluded.overhead_us, " \
	"cache_hits = u.cache_hits + excluded.cache_hits, request_bytes = u.request_bytes + " \
	"excluded.request_bytes, response_bytes = u.response_bytes + excluded.response_bytes"

#define AG_SQL_ERROR \
	"insert into aigate.error_hour as u (hour, organisation_id, workspace_id, status, " \
	"family, model, outcome, error_type, attempts, charged_nusd, last_at) select * from " \
	"unnest($1::timestamptz[], $2::bigint[], $3::bigint[], $4::int[], $5::text[], " \
	"$6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[], " \
	"$11::timestamptz[]) as t(hour, organisation_id, workspace_id, status, family, " \
	"model, outcome, error_type, attempts, charged_nusd, last_at) order by hour, " \
	"organisation_id, workspace_id, family, model, outcome, status, error_type on " \
	"conflict (hour, organisation_id, workspace_id, family, model, outcome, status, " \
	"error_type) do update set attempts = u.attempts + excluded.attempts, charged_nusd = " \
	"u.charged_nusd + excluded.charged_nusd, last_at = greatest(u.last_at, " \
	"excluded.last_at)"

#define AG_SQL_LATENCY \
	"insert into aigate.latency_hour as u (hour, organisation_id, bucket, family, model, " \
	"total, first_byte, overhead) select * from unnest($1::timestamptz[], $2::bigint[], " \
	"$3::smallint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[]) " \
	"as t(hour, organisation_id, bucket, family, model, total, first_byte, overhead) order " \
	"by hour, organisation_id, family, model, bucket on conflict (hour, organisation_id, " \
	"family, model, bucket) do update set total = u.total + excluded.total, first_byte = " \
	"u.first_byte + excluded.first_byte, overhead = u.overhead + excluded.overhead"

#define AG_SQL_METADATA \
	"insert into aigate.metadata_hour as u (hour, organisation_id, workspace_id, " \
	"meta_key, meta_value, requests, attempts, errors, input_total, output_total, " \
	"cost_nusd, charged_nusd) select * from unnest($1::timestamptz[], $2::bigint[], " \
	"$3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], " \
	"$9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[]) as t(hour, " \
	"organisation_id, workspace_id, meta_key, meta_value, requests, attempts, errors, " \
	"input_total, output_total, cost_nusd, charged_nusd) order by hour, organisation_id, " \
	"workspace_id, meta_key, meta_value on conflict (hour, organisation_id, " \
	"workspace_id, meta_key, meta_value) do update set requests = u.requests + " \
	"excluded.requests, attempts = u.attempts + excluded.attempts, errors = u.errors + " \
	"excluded.errors, input_total = u.input_total + excluded.input_total, output_total = " \
	"u.output_total + excluded.output_total, cost_nusd = u.cost_nusd + " \
	"excluded.cost_nusd, charged_nusd = u.charged_nusd + excluded.charged_nusd"

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

/* $1 integration_id[], $2 id[], $3 workspace_id[], $4 api_key_id[], $5 kind[] (enum ag_object_kind), $6
 * when[].  Who made it first keeps it; only who made it can have it deleted.  What the provider has
 * deleted by now goes a little at a time. */
#define AG_SQL_OBJECT \
	"with n as (select * from unnest($1::bigint[], $2::text[], $3::bigint[], " \
	"$4::bigint[], $5::smallint[], $6::timestamptz[]) as t(integration_id, object_id, " \
	"workspace_id, api_key_id, kind, at)), gone as (delete from aigate.provider_object o " \
	"using n where n.kind = 3 and o.integration_id = n.integration_id and o.object_id = " \
	"n.object_id and o.workspace_id = n.workspace_id), old as (delete from " \
	"aigate.provider_object where ctid = any(array(select ctid from aigate.provider_object where " \
	"is_fleeting and created_at < now() - interval '31 days' order by created_at limit 1000))) " \
	"insert into aigate.provider_object " \
	"(integration_id, object_id, workspace_id, api_key_id, is_fleeting, created_at) " \
	"select integration_id, object_id, workspace_id, api_key_id, kind = 2, at from n " \
	"where kind < 3 and not exists (select from n as g where g.kind = 3 and " \
	"g.integration_id = n.integration_id and g.object_id = n.object_id) order by 1, 2 " \
	"on conflict do nothing"

/* $1 boot_id[], $2 worker[], $3 seq[], $4 reason[], $5 record[] */
#define AG_SQL_QUARANTINE \
	"insert into aigate.ledger_quarantine (boot_id, worker, seq, reason, record) select " \
	"* from unnest($1::bigint[], $2::int[], $3::bigint[], $4::text[], $5::bytea[])"

/* What workspaces ($1 ids) want of their bodies: id, whether none, kinds as bits of enum ag_redact_kind,
 * a pattern; a row a pattern, one at least. */
#define AG_SQL_BODY_RULES \
	"select w.id, w.body_log = 'off', (w.body_redact ? 'email')::int * 4 + (w.body_redact ? " \
	"'card')::int * 8 + (w.body_redact ? 'phone')::int * 16, p from aigate.workspace w left " \
	"join lateral jsonb_array_elements_text(w.body_patterns) p on true where w.id = any " \
	"($1::bigint[]) order by w.id"
/* $1 moments */
#define AG_SQL_BODY_PARTITIONS "select aigate.make_body_partitions($1::timestamptz[])"
/* Columns in the order of ag_params_bodies(); what is there was stored by an earlier life. */
#define AG_SQL_BODY_INSERT \
	"insert into aigate.request_body (request_id, attempt, received_at, organisation_id, " \
	"workspace_id, api_key_id, request, response, request_bytes, response_bytes, " \
	"is_request_cut, is_response_cut, redactions) select * from unnest($1::uuid[], " \
	"$2::smallint[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[], " \
	"$7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::boolean[], $12::boolean[], " \
	"$13::int[]) on conflict do nothing"

/* $1 meter_id[], $2 period[]; in the order asked */
#define AG_SQL_TRUTH \
	"select coalesce(b.settled, 0) from unnest($1::bigint[], $2::bigint[]) with " \
	"ordinality t(meter_id, period, n) left join aigate.budget_state b using (meter_id, " \
	"period) order by t.n"

#endif
