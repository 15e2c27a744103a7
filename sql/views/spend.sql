-- spend.sql - dollars, requests and tokens from the roll-ups.  Days and hours are UTC.
-- Dollars are numeric: exact to the nano-dollar.  Groups are made of numbers first and get their
-- names afterwards: joining before would name every hour of every key.

create or replace view aigate.v_spend_by_day as
select u.day, u.organisation_id, o.name as organisation,
	u.cost_nusd / 1000000000::numeric as cost_usd,
	u.charged_nusd / 1000000000::numeric as charged_usd,
	u.requests, u.errors, u.input_tokens, u.output_tokens
from (select day, organisation_id,
		sum(cost_nusd) as cost_nusd, sum(charged_nusd) as charged_nusd,
		sum(requests)::bigint as requests, sum(errors)::bigint as errors,
		sum(input_total)::bigint as input_tokens, sum(output_total)::bigint as output_tokens
	from aigate.usage_day group by 1, 2) u
	left join aigate.organisation o on o.id = u.organisation_id;

create or replace view aigate.v_spend_by_key as
select u.day, u.organisation_id, u.workspace_id,
	w.slug as workspace, u.api_key_id, k.name as api_key, k.metadata ->> 'user_email' as user_email,
	u.cost_nusd / 1000000000::numeric as cost_usd,
	u.charged_nusd / 1000000000::numeric as charged_usd,
	u.requests, u.errors, u.input_tokens, u.output_tokens
from (select day, organisation_id, workspace_id, api_key_id,
		sum(cost_nusd) as cost_nusd, sum(charged_nusd) as charged_nusd,
		sum(requests)::bigint as requests, sum(errors)::bigint as errors,
		sum(input_total)::bigint as input_tokens, sum(output_total)::bigint as output_tokens
	from aigate.usage_day group by 1, 2, 3, 4) u
	left join aigate.api_key k on k.id = u.api_key_id
	left join aigate.workspace w on w.id = u.workspace_id;

create or replace view aigate.v_spend_by_workspace as
select u.day, u.organisation_id, u.workspace_id, w.slug as workspace, w.name,
	u.cost_nusd / 1000000000::numeric as cost_usd,
	u.charged_nusd / 1000000000::numeric as charged_usd,
	u.requests, u.errors, u.input_tokens, u.output_tokens
from (select day, organisation_id, workspace_id,
		sum(cost_nusd) as cost_nusd, sum(charged_nusd) as charged_nusd,
		sum(requests)::bigint as requests, sum(errors)::bigint as errors,
		sum(input_total)::bigint as input_tokens, sum(output_total)::bigint as output_tokens
	from aigate.usage_day group by 1, 2, 3) u
	left join aigate.workspace w on w.id = u.workspace_id;

create or replace view aigate.v_spend_by_model as
select u.day, u.organisation_id, u.family, u.model,
	sum(u.cost_nusd) / 1000000000::numeric as cost_usd,
	sum(u.charged_nusd) / 1000000000::numeric as charged_usd,
	sum(u.requests)::bigint as requests, sum(u.errors)::bigint as errors,
	sum(u.input_total)::bigint as input_tokens, sum(u.output_total)::bigint as output_tokens,
	sum(u.cache_read)::bigint as cached_tokens, sum(u.reasoning)::bigint as reasoning_tokens,
	round(sum(u.latency_us) / nullif(sum(u.attempts), 0) / 1000, 1) as mean_latency_ms
from aigate.usage_day u
group by 1, 2, 3, 4;

create or replace view aigate.v_spend_by_tier as
select u.day, u.organisation_id, u.tier,
	sum(u.cost_nusd) / 1000000000::numeric as cost_usd,
	sum(u.charged_nusd) / 1000000000::numeric as charged_usd,
	sum(u.requests)::bigint as requests, sum(u.errors)::bigint as errors,
	sum(u.input_tokens)::bigint as input_tokens, sum(u.output_tokens)::bigint as output_tokens,
	count(*) as api_keys -- each once: counting distinct ones would sort every hour of every key
from (select day, organisation_id, tier, api_key_id,
		sum(cost_nusd) as cost_nusd, sum(charged_nusd) as charged_nusd, sum(requests) as requests,
		sum(errors) as errors, sum(input_total) as input_tokens, sum(output_total) as output_tokens
	from aigate.usage_day group by 1, 2, 3, 4) u
group by 1, 2, 3;

create or replace view aigate.v_spend_by_provider as
select u.day, u.organisation_id, u.workspace_id, w.slug as workspace, u.integration_id,
	i.slug as integration, u.provider_id, p.slug as provider, u.family,
	u.cost_nusd / 1000000000::numeric as cost_usd,
	u.charged_nusd / 1000000000::numeric as charged_usd,
	u.reported_nusd / 1000000000::numeric as reported_usd,
	u.requests, u.errors, u.input_tokens, u.output_tokens
from (select day, organisation_id, workspace_id, integration_id,
		provider_id, family, sum(cost_nusd) as cost_nusd, sum(charged_nusd) as charged_nusd,
		sum(provider_cost_nusd) as reported_nusd,
		sum(requests)::bigint as requests, sum(errors)::bigint as errors,
		sum(input_total)::bigint as input_tokens, sum(output_total)::bigint as output_tokens
	from aigate.usage_day group by 1, 2, 3, 4, 5, 6) u
	left join aigate.workspace w on w.id = u.workspace_id
	left join aigate.integration i on i.id = u.integration_id
	left join aigate.provider p on p.id = u.provider_id;

create or replace view aigate.v_spend_by_metadata as
select (m.hour at time zone 'UTC')::date as day, m.organisation_id, m.workspace_id, m.meta_key,
	m.meta_value,
	sum(m.cost_nusd) / 1000000000::numeric as cost_usd,
	sum(m.charged_nusd) / 1000000000::numeric as charged_usd,
	sum(m.requests)::bigint as requests, sum(m.errors)::bigint as errors,
	sum(m.input_total)::bigint as input_tokens, sum(m.output_total)::bigint as output_tokens
from aigate.metadata_hour m
group by 1, 2, 3, 4, 5;

-- Everything the roll-up knows, with names: group by what you need.
create or replace view aigate.v_usage_by_hour as
select u.hour, u.organisation_id, o.name as organisation, u.workspace_id, w.slug as workspace,
	u.api_key_id, k.name as api_key, u.integration_id, i.slug as integration, u.provider_id,
	p.slug as provider, u.family, u.model, u.endpoint, u.status_class, u.tier,
	u.requests, u.attempts, u.errors, u.unknown_usage, u.estimated_usage,
	u.input_total as input_tokens, u.output_total as output_tokens,
	u.cache_read as cached_tokens, u.cache_write as cache_written_tokens,
	u.reasoning as reasoning_tokens,
	u.cost_nusd / 1000000000::numeric as cost_usd,
	u.charged_nusd / 1000000000::numeric as charged_usd,
	u.provider_cost_nusd / 1000000000::numeric as reported_usd,
	u.latency_us, u.first_byte_us, u.overhead_us, u.cache_hits, u.request_bytes, u.response_bytes
from aigate.usage_hour u
	left join aigate.organisation o on o.id = u.organisation_id
	left join aigate.workspace w on w.id = u.workspace_id
	left join aigate.api_key k on k.id = u.api_key_id
	left join aigate.integration i on i.id = u.integration_id
	left join aigate.provider p on p.id = u.provider_id;

create or replace view aigate.v_spend_by_hour as
select u.hour, u.organisation_id, o.name as organisation, u.workspace_id, w.slug as workspace,
	u.cost_nusd / 1000000000::numeric as cost_usd,
	u.charged_nusd / 1000000000::numeric as charged_usd,
	u.requests, u.errors, u.input_tokens, u.output_tokens
from (select hour, organisation_id, workspace_id,
		sum(cost_nusd) as cost_nusd, sum(charged_nusd) as charged_nusd,
		sum(requests)::bigint as requests, sum(errors)::bigint as errors,
		sum(input_total)::bigint as input_tokens, sum(output_total)::bigint as output_tokens
	from aigate.usage_hour group by 1, 2, 3) u
	left join aigate.organisation o on o.id = u.organisation_id
	left join aigate.workspace w on w.id = u.workspace_id;

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

create or replace view aigate.v_model_share as
select m.organisation_id, m.family, m.model, m.requests, m.tokens,
	m.cost_nusd / 1000000000::numeric as cost_usd,
	round(100 * m.cost_nusd / nullif(sum(m.cost_nusd) over w, 0), 2) as cost_percent,
	round(100 * m.requests / nullif(sum(m.requests) over w, 0), 2) as requests_percent,
	m.cost_nusd / 1000000000::numeric / nullif(m.requests, 0) as usd_per_request
from (select organisation_id, family, model, sum(requests)::bigint as requests,
		sum(input_total + output_total)::bigint as tokens, sum(cost_nusd) as cost_nusd
	from aigate.usage_day where day > (now() at time zone 'UTC')::date - 30
	group by 1, 2, 3) m
window w as (partition by m.organisation_id);

create or replace view aigate.v_peak_hour as
select h.organisation_id, extract(isodow from h.hour at time zone 'UTC')::int as weekday,
	extract(hour from h.hour at time zone 'UTC')::int as hour_of_day,
	count(*)::bigint as hours, sum(h.requests)::bigint as requests,
	round(avg(h.requests), 1) as mean_requests, max(h.requests) as most_requests,
	sum(h.cost_nusd) / 1000000000::numeric as cost_usd,
	max(h.cost_nusd) / 1000000000::numeric as most_cost_usd
from (select organisation_id, hour, sum(requests)::bigint as requests, sum(cost_nusd) as cost_nusd
	from aigate.usage_hour where hour >= now() - interval '28 days' group by 1, 2) h
group by 1, 2, 3;

-- What reading from providers' caches saved, at the list prices of the day: an own price or a service
-- tier of the request is not looked at.
create or replace view aigate.v_cache_saving as
select c.day, c.organisation_id, c.family, c.model, c.input_tokens, c.cached_tokens,
	c.cache_written_tokens,
	round(100 * c.cached_tokens / nullif(c.input_tokens, 0)::numeric, 2) as cached_percent,
	c.cached_tokens * (p.in_pusd - coalesce(p.cached_in_pusd, p.in_pusd)) / 1000000000000::numeric
		as saved_usd,
	c.cache_written_tokens * (coalesce(p.cache_w_5m_pusd, p.in_pusd) - p.in_pusd)
		/ 1000000000000::numeric as writing_cost_usd,
	c.cache_hits
from (select day, organisation_id, family, model,
		sum(input_total)::bigint as input_tokens, sum(cache_read)::bigint as cached_tokens,
		sum(cache_write)::bigint as cache_written_tokens, sum(cache_hits)::bigint as cache_hits
	from aigate.usage_day where cache_read > 0 or cache_write > 0 or cache_hits > 0
	group by 1, 2, 3, 4) c
	left join lateral (select r.in_pusd, r.cached_in_pusd, r.cache_w_5m_pusd from aigate.price r
		where r.integration_id is null and r.family = c.family and r.model = c.model
			and r.effective_from <= (c.day + 1)::timestamp at time zone 'UTC'
		order by r.effective_from desc limit 1) p on true;
