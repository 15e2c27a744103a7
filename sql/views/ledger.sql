-- ledger.sql - the ledger row by row, with what follows from it; its partitions.

create or replace view aigate.v_attempt as
select l.received_at, l.request_id, l.attempt, l.attempt - 1 as retries, l.is_final, l.organisation_id,
	l.workspace_id, l.api_key_id, l.user_id, l.integration_id, l.provider_id, l.family,
	l.provider_slug, l.requested_model, l.served_model, l.endpoint, l.is_stream, l.outcome, l.status,
	l.client_status, l.error_type, l.finish_reason, l.usage_source, l.service_tier,
	l.input_fresh + l.cache_read + l.cache_write_5m + l.cache_write_1h as input_tokens,
	l.output_total as output_tokens, l.cache_read as cached_tokens, l.reasoning as reasoning_tokens,
	l.price_id, l.price_ppm / 1000000::numeric as price_multiplier, l.cost_nusd / 1000000000::numeric as cost_usd,
	l.provider_cost_nusd / 1000000000::numeric as reported_usd,
	l.charged_nusd / 1000000000::numeric as charged_usd,
	l.held_nusd / 1000000000::numeric as held_usd,
	round(extract(epoch from l.finished_at - l.received_at)::numeric * 1000, 3) as total_ms,
	round(extract(epoch from l.first_byte_at - l.sent_at)::numeric * 1000, 3) as first_byte_ms,
	l.queue_us, l.admit_us, l.connect_us, l.overhead_us, l.request_bytes, l.response_bytes,
	l.cache_status, l.trace_id, l.span_id, l.upstream_id, l.metadata, l.config_id,
	l.price_adjustment_id
from aigate.ledger l;

create or replace view aigate.v_partition as
select p.name, p.from_at, p.until_at, p.is_detaching, nullif(p.rows_estimate, -1) as rows_estimate,
	p.bytes
from aigate.ledger_partitions() p;
