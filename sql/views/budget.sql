-- budget.sql - budgets in force with what was settled in each of their periods.
-- Shared memory decides admission; this is what PostgreSQL knows, held requests left out.

create or replace view aigate.v_budget as
select m.id as meter_id, m.organisation_id, m.level, m.scope_id,
	case m.level
	when 'key' then (select k.name from aigate.api_key k where k.id = m.scope_id)
	when 'workspace' then (select w.name from aigate.workspace w where w.id = m.scope_id)
	when 'grant' then (select i.slug || ' @ ' || w.slug
		from aigate.integration_workspace g
			join aigate.integration i on i.id = g.integration_id
			join aigate.workspace w on w.id = g.workspace_id
		where g.id = m.scope_id)
	when 'provider' then (select p.slug from aigate.provider p where p.id = m.scope_id)
	when 'organisation' then (select o.name from aigate.organisation o where o.id = m.scope_id)
	end as owner,
	m.unit, m.period_kind, s.period,
	coalesce(s.settled, 0) as used, m.limit_amount as "limit",
	case when m.unit = 'nusd' then coalesce(s.settled, 0) / 1000000000::numeric end as used_usd,
	case when m.unit = 'nusd' then m.limit_amount / 1000000000::numeric end as limit_usd,
	round(100 * coalesce(s.settled, 0) / nullif(m.limit_amount, 0)::numeric, 2) as used_percent,
	coalesce(s.requests, 0) as requests, s.updated_at, m.retired_at,
	m.enforcement, case m.enforcement when 'adaptive' then m.on_exhaust end as on_exhaust,
	case m.enforcement when 'shadow' then coalesce(w.would_refuse, 0) end as would_refuse
from aigate.meter m left join aigate.budget_state s on s.meter_id = m.id
	left join aigate.shadow_state w on w.meter_id = m.id
where m.kind = 'budget'
union all -- what policies count apart has no row in meter
select s.meter_id, p.organisation_id, 'policy', p.id,
	coalesce(p.name, p.uuid::text) || coalesce(' ' || e.value_key, ''),
	p.unit, p.period_kind, s.period, s.settled, p.limit_amount,
	case when p.unit = 'nusd' then s.settled / 1000000000::numeric end,
	case when p.unit = 'nusd' then p.limit_amount / 1000000000::numeric end,
	round(100 * s.settled / nullif(p.limit_amount, 0)::numeric, 2),
	s.requests, s.updated_at, case when p.status = 'archived' then p.updated_at end,
	p.enforcement, case p.enforcement when 'adaptive' then p.on_exhaust end,
	case p.enforcement when 'shadow' then coalesce(w.would_refuse, 0) end
from aigate.budget_state s join aigate.policy p on p.id = s.policy_id
	left join aigate.policy_entity e on e.meter_id = s.meter_id
	left join aigate.shadow_state w on w.meter_id = s.meter_id;

-- Budgets in force, in their present period, with how fast they go: the mean of the last 24 hours.
create or replace view aigate.v_budget_now as
with recent as (
	select organisation_id, workspace_id, api_key_id, integration_id, provider_id,
		sum(charged_nusd) as nusd, sum(input_total + output_total) as tokens, sum(requests) as requests
	from aigate.usage_hour where hour > now() - interval '24 hours'
	group by 1, 2, 3, 4, 5
), burn as (
	select 'key' as level, api_key_id as scope_id, nusd, tokens, requests from recent
	union all select 'workspace', workspace_id, nusd, tokens, requests from recent
	union all select 'organisation', organisation_id, nusd, tokens, requests from recent
	union all select 'provider', provider_id, nusd, tokens, requests from recent
	union all select 'grant', g.id, nusd, tokens, requests
	from recent r join aigate.integration_workspace g
		on g.integration_id = r.integration_id and g.workspace_id = r.workspace_id
), rate as (
	select level, scope_id, sum(nusd) as nusd, sum(tokens) as tokens, sum(requests) as requests
	from burn group by 1, 2
), m as (
	select m.*, p.number as period, p.starts_at, p.ends_at, coalesce(s.settled, 0) as settled,
		coalesce(case m.unit when 'nusd' then r.nusd when 'tokens' then r.tokens else r.requests end,
			0) / 24 as per_hour
	from aigate.meter m
		cross join lateral aigate.period_at(m.period_kind, m.period_days, m.anchor_date, m.resets,
			now()) p
		left join aigate.budget_state s on s.meter_id = m.id and s.period = p.number
		left join rate r on r.level = m.level and r.scope_id = m.scope_id
	where m.kind = 'budget' and m.retired_at is null
)
select m.id as meter_id, m.organisation_id, m.level, m.scope_id,
	case m.level
	when 'key' then (select k.name from aigate.api_key k where k.id = m.scope_id)
	when 'workspace' then (select w.name from aigate.workspace w where w.id = m.scope_id)
	when 'grant' then (select i.slug || ' @ ' || w.slug
		from aigate.integration_workspace g
			join aigate.integration i on i.id = g.integration_id
			join aigate.workspace w on w.id = g.workspace_id
		where g.id = m.scope_id)
	when 'provider' then (select p.slug from aigate.provider p where p.id = m.scope_id)
	when 'organisation' then (select o.name from aigate.organisation o where o.id = m.scope_id)
	end as owner,
	m.unit, m.period_kind, m.period, m.starts_at as period_starts_at, m.ends_at as period_ends_at,
	m.settled as used, m.limit_amount as "limit", greatest(m.limit_amount - m.settled, 0) as "left",
	case when m.unit = 'nusd' then m.settled / 1000000000::numeric end as used_usd,
	case when m.unit = 'nusd' then m.limit_amount / 1000000000::numeric end as limit_usd,
	round(100 * m.settled / nullif(m.limit_amount, 0)::numeric, 2) as used_percent,
	round(m.per_hour / case when m.unit = 'nusd' then 1000000000 else 1 end, 6) as burn_per_hour,
	case when m.settled >= m.limit_amount then now()
	when m.per_hour > 0 and (m.limit_amount - m.settled) / m.per_hour < 876000
	then now() + make_interval(secs => ((m.limit_amount - m.settled) / m.per_hour * 3600)::float8)
	end as exhausted_at,
	m.settled + m.per_hour * extract(epoch from m.ends_at - now())::numeric / 3600 > m.limit_amount
		as exceeds_period
from m;

create or replace view aigate.v_policy_budget as
select p.id as policy_id, p.organisation_id, p.workspace_id, p.name as policy, e.value_key, s.meter_id,
	p.unit, p.period_kind, s.period, s.settled as used, p.limit_amount as "limit",
	case when p.unit = 'nusd' then s.settled / 1000000000::numeric end as used_usd,
	case when p.unit = 'nusd' then p.limit_amount / 1000000000::numeric end as limit_usd,
	round(100 * s.settled / nullif(p.limit_amount, 0)::numeric, 2) as used_percent,
	s.requests, s.updated_at
from aigate.policy p
	join aigate.budget_state s on s.policy_id = p.id
	left join aigate.policy_entity e on e.meter_id = s.meter_id
where p.kind = 'usage' and p.status = 'active'
	and s.period = (select n.number from aigate.period_at(p.period_kind, p.period_days, p.anchor_date,
		coalesce(e.resets, 0), now()) n);

create or replace view aigate.v_alert as
select a.created_at, a.organisation_id, a.workspace_id, a.level, a.scope_name, a.kind, a.reason, a.unit,
	case when a.unit = 'nusd' then a.settled / 1000000000::numeric else a.settled end as settled,
	case when a.unit = 'nusd' then a.limit_amount / 1000000000::numeric else a.limit_amount end
		as "limit",
	case when a.unit = 'nusd' then a.alert_amount / 1000000000::numeric else a.alert_amount end
		as threshold,
	a.period_ends_at, a.delivered_at, a.attempts, a.last_error, a.uuid, a.value_key
from aigate.alert a;
