-- spend.sql - dollars, requests and tokens from the hourly roll-up.  Days are UTC.
-- Dollars are numeric: exact to the nano-dollar.

create or replace view aigate.v_spend_by_day as
select (u.hour at time zone 'UTC')::date as day, u.organisation_id, o.name as organisation,
	sum(u.cost_nusd) / 1000000000::numeric as cost_usd,
	sum(u.charged_nusd) / 1000000000::numeric as charged_usd,
	sum(u.requests)::bigint as requests, sum(u.errors)::bigint as errors,
	sum(u.input_total)::bigint as input_tokens, sum(u.output_total)::bigint as output_tokens
from aigate.usage_hour u left join aigate.organisation o on o.id = u.organisation_id
group by 1, 2, 3;
comment on view aigate.v_spend_by_day is 'Spend per day and organisation, US dollars';

create or replace view aigate.v_spend_by_key as
select (u.hour at time zone 'UTC')::date as day, u.organisation_id, u.workspace_id,
	w.slug as workspace, u.api_key_id, k.name as api_key, k.metadata ->> 'user_email' as user_email,
	sum(u.cost_nusd) / 1000000000::numeric as cost_usd,
	sum(u.charged_nusd) / 1000000000::numeric as charged_usd,
	sum(u.requests)::bigint as requests, sum(u.errors)::bigint as errors,
	sum(u.input_total)::bigint as input_tokens, sum(u.output_total)::bigint as output_tokens
from aigate.usage_hour u
	left join aigate.api_key k on k.id = u.api_key_id
	left join aigate.workspace w on w.id = u.workspace_id
group by 1, 2, 3, 4, 5, 6, 7;
comment on view aigate.v_spend_by_key is 'Spend per day and API key, US dollars';

create or replace view aigate.v_spend_by_workspace as
select (u.hour at time zone 'UTC')::date as day, u.organisation_id, u.workspace_id,
	w.slug as workspace, w.name,
	sum(u.cost_nusd) / 1000000000::numeric as cost_usd,
	sum(u.charged_nusd) / 1000000000::numeric as charged_usd,
	sum(u.requests)::bigint as requests, sum(u.errors)::bigint as errors,
	sum(u.input_total)::bigint as input_tokens, sum(u.output_total)::bigint as output_tokens
from aigate.usage_hour u left join aigate.workspace w on w.id = u.workspace_id
group by 1, 2, 3, 4, 5;
comment on view aigate.v_spend_by_workspace is 'Spend per day and workspace, US dollars';

create or replace view aigate.v_spend_by_model as
select (u.hour at time zone 'UTC')::date as day, u.organisation_id, u.family, u.model,
	sum(u.cost_nusd) / 1000000000::numeric as cost_usd,
	sum(u.charged_nusd) / 1000000000::numeric as charged_usd,
	sum(u.requests)::bigint as requests, sum(u.errors)::bigint as errors,
	sum(u.input_total)::bigint as input_tokens, sum(u.output_total)::bigint as output_tokens,
	sum(u.cache_read)::bigint as cached_tokens, sum(u.reasoning)::bigint as reasoning_tokens,
	round(sum(u.latency_us) / nullif(sum(u.attempts), 0) / 1000, 1) as mean_latency_ms
from aigate.usage_hour u
group by 1, 2, 3, 4;
comment on view aigate.v_spend_by_model is 'Spend per day and model, US dollars';

create or replace view aigate.v_spend_by_tier as
select (u.hour at time zone 'UTC')::date as day, u.organisation_id, u.tier,
	sum(u.cost_nusd) / 1000000000::numeric as cost_usd,
	sum(u.charged_nusd) / 1000000000::numeric as charged_usd,
	sum(u.requests)::bigint as requests, sum(u.errors)::bigint as errors,
	sum(u.input_total)::bigint as input_tokens, sum(u.output_total)::bigint as output_tokens,
	count(distinct u.api_key_id) as api_keys
from aigate.usage_hour u
group by 1, 2, 3;
comment on view aigate.v_spend_by_tier is 'Spend per day and metadata.subscription_tier, US dollars';

create or replace view aigate.v_spend_today as
select u.organisation_id, o.name as organisation, u.workspace_id, w.slug as workspace,
	sum(u.cost_nusd) / 1000000000::numeric as cost_usd,
	sum(u.charged_nusd) / 1000000000::numeric as charged_usd,
	sum(u.requests)::bigint as requests, sum(u.errors)::bigint as errors,
	sum(u.input_total)::bigint as input_tokens, sum(u.output_total)::bigint as output_tokens
from aigate.usage_hour u
	left join aigate.organisation o on o.id = u.organisation_id
	left join aigate.workspace w on w.id = u.workspace_id
where u.hour >= date_trunc('day', now() at time zone 'UTC') at time zone 'UTC'
group by 1, 2, 3, 4;
comment on view aigate.v_spend_today is 'Spend since 00:00 UTC per workspace, US dollars';
