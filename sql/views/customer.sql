-- customer.sql - who spends, who has begun to, who has stopped.  A customer is an API key; days are UTC.

create or replace view aigate.v_customer as
select u.organisation_id, u.workspace_id, w.slug as workspace, u.api_key_id, k.name as api_key,
	k.metadata ->> 'user_email' as user_email, u.first_day, u.last_day,
	u.cost_nusd / 1000000000::numeric as cost_usd,
	u.cost_7d / 1000000000::numeric as cost_7d_usd,
	u.cost_before_7d / 1000000000::numeric as cost_before_7d_usd,
	u.requests, u.requests_7d
from (select organisation_id, workspace_id, api_key_id, min(day) as first_day, max(day) as last_day,
		sum(cost_nusd) as cost_nusd,
		coalesce(sum(cost_nusd) filter (where day > t.today - 7), 0) as cost_7d,
		coalesce(sum(cost_nusd) filter (where day > t.today - 14 and day <= t.today - 7), 0)
			as cost_before_7d,
		sum(requests)::bigint as requests,
		coalesce(sum(requests) filter (where day > t.today - 7), 0)::bigint as requests_7d
	from aigate.usage_day, (select (now() at time zone 'UTC')::date as today) t group by 1, 2, 3) u
	left join aigate.workspace w on w.id = u.workspace_id
	left join aigate.api_key k on k.id = u.api_key_id;

create or replace view aigate.v_top_customer as
select rank() over (partition by c.organisation_id order by c.cost_nusd desc) as place,
	c.organisation_id, c.workspace_id, w.slug as workspace, c.api_key_id, k.name as api_key,
	k.metadata ->> 'user_email' as user_email,
	c.cost_nusd / 1000000000::numeric as cost_usd,
	round(100 * c.cost_nusd / nullif(sum(c.cost_nusd) over (partition by c.organisation_id), 0), 2)
		as cost_percent,
	c.requests, c.tokens
from (select organisation_id, workspace_id, api_key_id, sum(cost_nusd) as cost_nusd,
		sum(requests)::bigint as requests, sum(input_total + output_total)::bigint as tokens
	from aigate.usage_day where day > (now() at time zone 'UTC')::date - 30 group by 1, 2, 3) c
	left join aigate.workspace w on w.id = c.workspace_id
	left join aigate.api_key k on k.id = c.api_key_id;

create or replace view aigate.v_new_customer as
select * from aigate.v_customer where first_day > (now() at time zone 'UTC')::date - 7;

create or replace view aigate.v_silent_customer as
select *, (now() at time zone 'UTC')::date - last_day as silent_days from aigate.v_customer
where last_day <= (now() at time zone 'UTC')::date - 7;
