-- trouble.sql - attempts that went wrong, those whose usage nobody reported, and whether the
-- ledger is whole.

create or replace view aigate.v_errors as
select e.hour, e.organisation_id, e.workspace_id, e.family, e.model, e.outcome, e.status, e.error_type,
	e.attempts, e.last_at, e.charged_nusd / 1000000000::numeric as charged_usd
from aigate.error_hour e;

create or replace view aigate.v_error_rate as
select u.day, u.organisation_id, u.family, u.model,
	sum(u.attempts)::bigint as attempts, sum(u.errors)::bigint as errors,
	round(100 * sum(u.errors) / nullif(sum(u.attempts), 0), 2) as error_percent,
	(sum(u.errors) filter (where u.status_class = 4))::bigint as errors_4xx,
	(sum(u.errors) filter (where u.status_class = 5))::bigint as errors_5xx,
	(sum(u.errors) filter (where u.status_class = 0))::bigint as errors_no_answer
from aigate.usage_day u group by 1, 2, 3, 4;

create or replace view aigate.v_unknown_usage as
select l.received_at, l.request_id, l.attempt, l.organisation_id, l.workspace_id, l.api_key_id,
	l.family, l.requested_model as model, l.outcome, l.usage_source,
	l.held_nusd / 1000000000::numeric as held_usd,
	l.charged_nusd / 1000000000::numeric as charged_usd
from aigate.ledger l
where l.usage_source in ('unknown', 'partial', 'estimated');

create or replace view aigate.v_leakage as
select u.day, u.organisation_id, u.family, u.model,
	sum(u.attempts)::bigint as attempts, sum(u.unknown_usage)::bigint as unknown_attempts,
	sum(u.estimated_usage)::bigint as estimated_attempts,
	round(100 * sum(u.unknown_usage + u.estimated_usage) / nullif(sum(u.attempts), 0), 2)
		as unreported_percent,
	sum(u.unknown_nusd) / 1000000000::numeric as unknown_usd
from aigate.usage_day u
where u.unknown_usage > 0 or u.estimated_usage > 0
group by 1, 2, 3, 4;

create or replace view aigate.v_ledger_health as
select (select max(updated_at) from aigate.ledger_position) as last_stored_at,
	(select count(*) from aigate.ledger_position) as streams,
	(select coalesce(sum(to_seq - from_seq + 1), 0)::bigint from aigate.ledger_gap) as missing,
	(select max(noticed_at) from aigate.ledger_gap) as last_missing_at,
	(select count(*) from aigate.ledger_quarantine) as quarantined,
	(select max(created_at) from aigate.ledger_quarantine) as last_quarantined_at,
	(select count(*) from aigate.ledger_partitions()) as partitions,
	(select min(from_at) from aigate.ledger_partitions()) as ledger_from,
	(select max(until_at) from aigate.ledger_partitions()) as made_until;
