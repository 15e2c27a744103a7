-- trouble.sql - attempts that went wrong, and those whose usage nobody reported.

create or replace view aigate.v_errors as
select date_trunc('hour', l.received_at) as hour, l.organisation_id, l.workspace_id, l.family,
	l.requested_model as model, l.outcome, l.status, l.error_type,
	count(*) as attempts, max(l.received_at) as last_at,
	sum(l.charged_nusd) / 1000000000::numeric as charged_usd
from aigate.ledger l
where l.outcome <> 'answered'
group by 1, 2, 3, 4, 5, 6, 7, 8;
comment on view aigate.v_errors is 'Attempts that did not end as answered, per hour; ask with a range of hour';

create or replace view aigate.v_unknown_usage as
select l.received_at, l.request_id, l.attempt, l.organisation_id, l.workspace_id, l.api_key_id,
	l.family, l.requested_model as model, l.outcome, l.usage_source,
	l.held_nusd / 1000000000::numeric as held_usd,
	l.charged_nusd / 1000000000::numeric as charged_usd
from aigate.ledger l
where l.usage_source in ('unknown', 'partial', 'estimated');
comment on view aigate.v_unknown_usage is 'Attempts whose usage the provider did not report in full: charged by hold or estimate';
