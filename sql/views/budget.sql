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
	coalesce(s.requests, 0) as requests, s.updated_at, m.retired_at
from aigate.meter m left join aigate.budget_state s on s.meter_id = m.id
where m.kind = 'budget'
union all -- what policies count apart has no row in meter
select s.meter_id, p.organisation_id, 'policy', p.id,
	coalesce(p.name, p.uuid::text) || coalesce(' ' || e.value_key, ''),
	p.unit, p.period_kind, s.period, s.settled, p.limit_amount,
	case when p.unit = 'nusd' then s.settled / 1000000000::numeric end,
	case when p.unit = 'nusd' then p.limit_amount / 1000000000::numeric end,
	round(100 * s.settled / nullif(p.limit_amount, 0)::numeric, 2),
	s.requests, s.updated_at, case when p.status = 'archived' then p.updated_at end
from aigate.budget_state s join aigate.policy p on p.id = s.policy_id
	left join aigate.policy_entity e on e.meter_id = s.meter_id;
comment on view aigate.v_budget is 'Budgets and their settled spend, a row per meter and period';
