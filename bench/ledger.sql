-- ledger.sql - a ledger of :rows rows over the last :days days, made in place, with its roll-ups.
--
-- For measuring views, in a database of its own with the schema loaded; never in one that counts.
-- psql -v rows=10000000 -v days=30 -f bench/ledger.sql; bench/views.sql asks each view afterwards.
\set ON_ERROR_STOP on
set synchronous_commit = off;
set timezone = 'UTC';
select setseed(0.5);

insert into aigate.organisation (slug, name) values ('bench', 'Bench') returning id as org \gset
insert into aigate.workspace (organisation_id, slug, name)
	select :org, 'ws-' || i, 'Workspace ' || i from generate_series(1, 20) i;
insert into aigate.api_key (organisation_id, workspace_id, kind, name, key_hash, key_mask, scopes, metadata,
	creation_mode)
	select :org, w.id, 'workspace-service', 'key ' || i, sha256(i::text::bytea), '***' || i,
		array['completions.write'], jsonb_build_object('user_email', 'u' || i || '@example.com'), 'api'
	from generate_series(1, 400) i
		join (select id, row_number() over (order by id) as n from aigate.workspace
			where organisation_id = :org) w on w.n = 1 + i % 20;
insert into aigate.integration (organisation_id, slug, name, family)
	values (:org, 'openai', 'OpenAI', 'openai') returning id as integration \gset
insert into aigate.meter (organisation_id, level, scope_id, kind, unit, limit_amount, period_kind)
	select :org, 'key', id, 'budget', 'nusd', 1000000000000, 'monthly' from aigate.api_key
	where organisation_id = :org;
select aigate.make_partitions_for((select array_agg(t) from generate_series(now() - make_interval(days => :days),
	now(), interval '1 day') t), 'month');

-- A key has two models of eight, a busy hour of day, an error in thirty, a lost usage in a thousand.
create temporary table bench_key as
	select id, workspace_id, (row_number() over (order by id))::int as n from aigate.api_key
	where organisation_id = :org;
create unique index on bench_key (n);
create temporary table bench_model (n int, model text, in_pusd bigint, out_pusd bigint);
insert into bench_model values (0, 'gpt-5', 1250000, 10000000), (1, 'gpt-5-mini', 250000, 2000000),
	(2, 'gpt-5-nano', 50000, 400000), (3, 'gpt-4o', 2500000, 10000000), (4, 'gpt-4o-mini', 150000, 600000),
	(5, 'gpt-4.1', 2000000, 8000000), (6, 'o3', 2000000, 8000000), (7, 'gpt-4.1-mini', 400000, 1600000);

insert into aigate.ledger (boot_id, worker, seq, request_id, attempt, received_at, sent_at, first_byte_at,
	finished_at, organisation_id, workspace_id, api_key_id, integration_id, provider_id, family,
	provider_slug, requested_model, served_model, endpoint, is_stream, outcome, is_final, status,
	client_status, error_type, usage_source, service_tier, input_fresh, cache_read, cache_write_5m,
	cache_write_1h, input_audio, input_image, cache_read_audio, output_total, reasoning, output_audio,
	output_image, accepted_prediction, rejected_prediction, web_searches, units, cost_nusd,
	charged_nusd, held_nusd, queue_us, admit_us, connect_us, overhead_us, request_bytes,
	response_bytes, cache_status, metadata)
select 1, r.i % 2, r.i, gen_random_uuid(), 1, r.at, r.at + interval '1 ms',
	r.at + make_interval(secs => 0.2 + 0.8 * r.d3), r.at + make_interval(secs => 0.4 + 6 * r.d3 * r.d4),
	:org, k.workspace_id, k.id, :integration, 1, 'openai', 'openai', m.model, m.model, 'chatComplete',
	r.d1 < 0.5, case when r.is_error then 'upstream_5xx' else 'answered' end, true,
	case when r.is_error then 503 else 200 end, case when r.is_error then 503 else 200 end,
	case when r.is_error then 'server_error' end,
	case when r.d2 < 0.001 then 'unknown' else 'reported' end, 'standard', r.tokens, r.tokens / 4, 0, 0, 0,
	0, 0, r.tokens / 3, 0, 0, 0, 0, 0, 0, 0, r.cost, r.cost, r.cost * 3, 0, 12, 0, 40 + (r.d4 * 20)::int,
	1000, 3000, 0, jsonb_build_object('subscription_tier', (array['free', 'pro', 'enterprise'])[1 + k.n % 3])
from (select s.*, case when s.is_error then 0 else
			(s.tokens * m.in_pusd + s.tokens / 4 * m.in_pusd / 10 + s.tokens / 3 * m.out_pusd) / 1000 end as cost
		from (select i, now() - make_interval(secs => :days * 86400.0 * (i::float8 / :rows)) as at,
				1 + (399 * power(random(), 1.5))::int as key_n, random() as d1, random() as d2, random() as d3,
				random() as d4, random() < 0.033 as is_error, 100 + (random() * 2000)::bigint as tokens
			from generate_series(1, :rows) i) s
			join bench_model m on m.n = (s.key_n + (s.d1 < 0.3)::int) % 8) r
	join bench_key k on k.n = r.key_n
	join bench_model m on m.n = (k.n + (r.d1 < 0.3)::int) % 8;

insert into aigate.usage_hour (hour, organisation_id, workspace_id, api_key_id, integration_id, provider_id,
	family, model, endpoint, status_class, tier, requests, attempts, errors, unknown_usage, input_total,
	output_total, cache_read, cost_nusd, charged_nusd, unknown_nusd, held_nusd, latency_us, overhead_us)
select date_trunc('hour', received_at), organisation_id, workspace_id, api_key_id, integration_id, provider_id,
	family, served_model, endpoint, status / 100, coalesce(metadata ->> 'subscription_tier', ''), count(*),
	count(*), count(*) filter (where outcome <> 'answered'), count(*) filter (where usage_source = 'unknown'),
	sum(input_fresh + cache_read), sum(output_total), sum(cache_read), sum(cost_nusd), sum(charged_nusd),
	coalesce(sum(charged_nusd) filter (where usage_source = 'unknown'), 0), sum(held_nusd),
	sum(extract(epoch from finished_at - received_at) * 1000000)::bigint, sum(overhead_us)
from aigate.ledger where organisation_id = :org
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11;
insert into aigate.usage_day (day,
	organisation_id, workspace_id, api_key_id, integration_id, provider_id, status_class,
	family, model, endpoint, tier, requests, attempts, errors, unknown_usage, estimated_usage,
	input_total, output_total, cache_read, cache_write, reasoning, cost_nusd, charged_nusd,
	unknown_nusd, provider_cost_nusd, held_nusd, latency_us, first_byte_us, overhead_us,
	cache_hits, request_bytes, response_bytes)
select (hour at time zone 'UTC')::date,
	organisation_id, workspace_id, api_key_id, integration_id, provider_id, status_class,
	family, model, endpoint, tier, sum(requests), sum(attempts), sum(errors),
	sum(unknown_usage), sum(estimated_usage), sum(input_total), sum(output_total),
	sum(cache_read), sum(cache_write), sum(reasoning), sum(cost_nusd), sum(charged_nusd),
	sum(unknown_nusd), sum(provider_cost_nusd), sum(held_nusd), sum(latency_us),
	sum(first_byte_us), sum(overhead_us), sum(cache_hits), sum(request_bytes),
	sum(response_bytes)
from aigate.usage_hour where organisation_id = :org group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11;
insert into aigate.error_hour
select date_trunc('hour', received_at), organisation_id, workspace_id, family, requested_model, outcome, status,
	coalesce(error_type, ''), count(*), sum(charged_nusd), max(received_at)
from aigate.ledger where organisation_id = :org and outcome <> 'answered'
group by 1, 2, 3, 4, 5, 6, 7, 8;
create function pg_temp.bucket(us float8) returns int language sql immutable as $$
	select case when us < 8 then us::int else
		4 * (floor(ln(us) / ln(2::float8))::int - 1)
		+ (floor(us / power(2::float8, floor(ln(us) / ln(2::float8)) - 2))::int & 3) end $$;
insert into aigate.latency_hour (hour, organisation_id, family, model, bucket, total, first_byte,
	overhead)
select c.hour, c.organisation_id, c.family, c.model, c.bucket,
	count(*) filter (where c.what = 1), count(*) filter (where c.what = 2), count(*) filter (where c.what = 3)
from (select date_trunc('hour', l.received_at) as hour, l.organisation_id, l.family,
			l.served_model as model, w.what, pg_temp.bucket(w.us) as bucket
		from aigate.ledger l, lateral (values
			(1, (extract(epoch from l.finished_at - l.received_at) * 1000000)::float8),
			(2, (extract(epoch from l.first_byte_at - l.sent_at) * 1000000)::float8),
			(3, l.overhead_us::float8)) w(what, us)
		where l.organisation_id = :org and l.outcome = 'answered') c
group by 1, 2, 3, 4, 5;
insert into aigate.metadata_hour
select hour, organisation_id, workspace_id, 'subscription_tier', tier, sum(requests), sum(attempts), sum(errors),
	sum(input_total), sum(output_total), sum(cost_nusd), sum(charged_nusd)
from aigate.usage_hour where organisation_id = :org group by 1, 2, 3, 5;
insert into aigate.budget_state (meter_id, period, settled, requests)
select m.id, p.number, coalesce(sum(u.charged_nusd), 0), coalesce(sum(u.attempts), 0)
from aigate.meter m
	cross join lateral aigate.period_at(m.period_kind, m.period_days, m.anchor_date, m.resets, now()) p
	left join aigate.usage_hour u on u.api_key_id = m.scope_id and u.hour >= p.starts_at
where m.organisation_id = :org group by 1, 2;
vacuum analyze aigate.ledger;
vacuum analyze aigate.usage_hour;
vacuum analyze aigate.usage_day;
vacuum analyze aigate.error_hour;
vacuum analyze aigate.latency_hour;
vacuum analyze aigate.metadata_hour;
analyze;
