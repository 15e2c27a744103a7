-- 0009_rollups.sql - roll-ups that long ranges are answered from, and partitions by month or day,
-- made ahead, made on demand, and dropped without holding anybody up.  Writer: flusher.

-- ---- usage_hour: one dimension and a few sums more --------------------------------------------

alter table aigate.usage_hour
	add column provider_id bigint not null default 0,
	add column estimated_usage bigint not null default 0,
	add column unknown_nusd bigint not null default 0 check (unknown_nusd >= 0),
	add column provider_cost_nusd bigint not null default 0 check (provider_cost_nusd >= 0),
	add column held_nusd bigint not null default 0 check (held_nusd >= 0),
	add column cache_hits bigint not null default 0,
	add column request_bytes bigint not null default 0,
	add column response_bytes bigint not null default 0;
alter table aigate.usage_hour drop constraint usage_hour_pkey;
alter table aigate.usage_hour add primary key (hour, organisation_id, workspace_id, api_key_id,
	integration_id, provider_id, family, model, endpoint, status_class, tier);
comment on column aigate.usage_hour.provider_id is 'provider.id';
comment on column aigate.usage_hour.estimated_usage is 'Attempts whose usage was partial or estimated';
comment on column aigate.usage_hour.unknown_nusd is 'Sum of ledger.charged_nusd over attempts whose usage stayed unknown, nano-USD';
comment on column aigate.usage_hour.provider_cost_nusd is 'Sum of ledger.provider_cost_nusd where reported, nano-USD';
comment on column aigate.usage_hour.held_nusd is 'Sum of ledger.held_nusd, nano-USD';
comment on column aigate.usage_hour.cache_hits is 'Attempts answered from our own cache';
comment on column aigate.usage_hour.request_bytes is 'Bytes sent to providers';
comment on column aigate.usage_hour.response_bytes is 'Bytes received from providers';

-- The same by day: long ranges are answered from a twentieth of the rows.
create table aigate.usage_day (
	day date not null,
	organisation_id bigint not null,
	workspace_id bigint not null,
	api_key_id bigint not null,
	integration_id bigint not null,
	provider_id bigint not null,
	status_class smallint not null,
	family text not null,
	model text not null,
	endpoint text not null,
	tier text not null,
	requests bigint not null default 0,
	attempts bigint not null default 0,
	errors bigint not null default 0,
	unknown_usage bigint not null default 0,
	estimated_usage bigint not null default 0,
	input_total bigint not null default 0,
	output_total bigint not null default 0,
	cache_read bigint not null default 0,
	cache_write bigint not null default 0,
	reasoning bigint not null default 0,
	cost_nusd bigint not null default 0 check (cost_nusd >= 0),
	charged_nusd bigint not null default 0 check (charged_nusd >= 0),
	unknown_nusd bigint not null default 0 check (unknown_nusd >= 0),
	provider_cost_nusd bigint not null default 0 check (provider_cost_nusd >= 0),
	held_nusd bigint not null default 0 check (held_nusd >= 0),
	latency_us bigint not null default 0,
	first_byte_us bigint not null default 0,
	overhead_us bigint not null default 0,
	cache_hits bigint not null default 0,
	request_bytes bigint not null default 0,
	response_bytes bigint not null default 0,
	primary key (day, organisation_id, workspace_id, api_key_id, integration_id, provider_id, family, model,
	    endpoint, status_class, tier)
);
create index usage_day_workspace_ix on aigate.usage_day (workspace_id, day);
create index usage_day_api_key_ix on aigate.usage_day (api_key_id, day);
comment on table aigate.usage_day is 'Roll-up of usage_hour by day (UTC); in a dimension 0 and the empty text stand for none; W: flusher';
comment on column aigate.usage_day.day is 'Day of received_at, UTC';
do $$
declare
	c record;
begin
	for c in select a.attname, col_description(h.attrelid, h.attnum) as words
		from pg_attribute a join pg_attribute h on h.attrelid = 'aigate.usage_hour'::regclass
			and h.attname = a.attname
		where a.attrelid = 'aigate.usage_day'::regclass and a.attnum > 0
	loop
		execute format('comment on column aigate.usage_day.%I is %L', c.attname, c.words);
	end loop;
end
$$;
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
from aigate.usage_hour group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11;

-- ---- attempts that went wrong -------------------------------------------------------------------

create table aigate.error_hour (
	hour timestamptz not null,
	organisation_id bigint not null,
	workspace_id bigint not null,
	family text not null,
	model text not null,
	outcome text not null,
	status int not null,
	error_type text not null,
	attempts bigint not null default 0,
	charged_nusd bigint not null default 0 check (charged_nusd >= 0),
	last_at timestamptz not null,
	primary key (hour, organisation_id, workspace_id, family, model, outcome, status, error_type)
);
comment on table aigate.error_hour is 'Roll-up of the attempts that did not end as answered, by hour; 0 and the empty text stand for none; W: flusher';
comment on column aigate.error_hour.hour is 'Hour of received_at, its start';
comment on column aigate.error_hour.organisation_id is 'organisation.id';
comment on column aigate.error_hour.workspace_id is 'workspace.id';
comment on column aigate.error_hour.family is 'Provider family';
comment on column aigate.error_hour.model is 'Model requested';
comment on column aigate.error_hour.outcome is 'How the attempts ended, as in ledger';
comment on column aigate.error_hour.status is 'HTTP status of the provider';
comment on column aigate.error_hour.error_type is 'Type of error';
comment on column aigate.error_hour.attempts is 'Attempts';
comment on column aigate.error_hour.charged_nusd is 'Sum of ledger.charged_nusd, nano-USD';
comment on column aigate.error_hour.last_at is 'received_at of the last one';

-- ---- how long answers took ------------------------------------------------------------------------

create table aigate.latency_hour (
	hour timestamptz not null,
	organisation_id bigint not null,
	family text not null,
	model text not null,
	bucket smallint not null check (bucket between 0 and 255),
	total bigint not null default 0,
	first_byte bigint not null default 0,
	overhead bigint not null default 0,
	primary key (hour, organisation_id, family, model, bucket)
);
comment on table aigate.latency_hour is 'Histograms of answered attempts by hour: how many took as long as the bucket says; W: flusher';
comment on column aigate.latency_hour.hour is 'Hour of received_at, its start';
comment on column aigate.latency_hour.organisation_id is 'organisation.id';
comment on column aigate.latency_hour.family is 'Provider family';
comment on column aigate.latency_hour.model is 'Model served, else requested';
comment on column aigate.latency_hour.bucket is 'Which span of time: four to a doubling, see latency_bucket_us()';
comment on column aigate.latency_hour.total is 'Attempts whose finished_at - received_at falls in the bucket';
comment on column aigate.latency_hour.first_byte is 'Attempts whose first_byte_at - sent_at falls in it';
comment on column aigate.latency_hour.overhead is 'Attempts whose overhead_us falls in it';

-- Bucket b below 8 is b microseconds; from there on each doubling has four of the same width.
create function aigate.latency_bucket_us(bucket int) returns bigint
language sql immutable strict parallel safe
as $$ select case when bucket < 8 then bucket::bigint
	else (4 + (bucket & 3))::bigint << least((bucket >> 2) - 1, 60) end $$;
comment on function aigate.latency_bucket_us(int) is 'Where a bucket of latency_hour begins, microseconds; it ends where the next one begins';

-- ---- chosen keys of metadata --------------------------------------------------------------------

create table aigate.metadata_hour (
	hour timestamptz not null,
	organisation_id bigint not null,
	workspace_id bigint not null,
	meta_key text not null,
	meta_value text not null,
	requests bigint not null default 0,
	attempts bigint not null default 0,
	errors bigint not null default 0,
	input_total bigint not null default 0,
	output_total bigint not null default 0,
	cost_nusd bigint not null default 0 check (cost_nusd >= 0),
	charged_nusd bigint not null default 0 check (charged_nusd >= 0),
	primary key (hour, organisation_id, workspace_id, meta_key, meta_value)
);
create index metadata_hour_key_ix on aigate.metadata_hour (meta_key, meta_value, hour);
comment on table aigate.metadata_hour is 'Roll-up by hour and value of the metadata keys that the directive rollup_metadata names; W: flusher';
comment on column aigate.metadata_hour.hour is 'Hour of received_at, its start';
comment on column aigate.metadata_hour.organisation_id is 'organisation.id';
comment on column aigate.metadata_hour.workspace_id is 'workspace.id, 0 none';
comment on column aigate.metadata_hour.meta_key is 'Key of the metadata';
comment on column aigate.metadata_hour.meta_value is 'Its value as JSON has it, without quotes; cut to 256 bytes';
comment on column aigate.metadata_hour.requests is 'Requests: final attempts';
comment on column aigate.metadata_hour.attempts is 'Attempts: ledger rows';
comment on column aigate.metadata_hour.errors is 'Attempts that did not end as answered';
comment on column aigate.metadata_hour.input_total is 'Input tokens, cached ones included';
comment on column aigate.metadata_hour.output_total is 'Output tokens';
comment on column aigate.metadata_hour.cost_nusd is 'Sum of ledger.cost_nusd, nano-USD';
comment on column aigate.metadata_hour.charged_nusd is 'Sum of ledger.charged_nusd, nano-USD';

-- ---- the ledger -----------------------------------------------------------------------------------

-- Few rows: what the views of leakage read.
create index ledger_unreported_ix on aigate.ledger (received_at)
	where usage_source in ('unknown', 'partial', 'estimated');

insert into aigate.error_hour (hour, organisation_id, workspace_id, family, model, outcome, status,
	error_type, attempts, charged_nusd, last_at)
select date_trunc('hour', received_at, 'UTC'), organisation_id, coalesce(workspace_id, 0), family,
	left(requested_model, 64), outcome, coalesce(status, 0), coalesce(left(error_type, 64), ''),
	count(*), sum(charged_nusd), max(received_at)
from aigate.ledger where outcome <> 'answered'
group by 1, 2, 3, 4, 5, 6, 7, 8;

-- Partitions of ledger as PostgreSQL has them, and nobody else keeps a list.  Sizes are those of the last
-- vacuum or analyze, and the bounds are read without their table: neither waits for a partition that is
-- being dropped.
create function aigate.ledger_partitions()
returns table (name text, from_at timestamptz, until_at timestamptz, is_detaching boolean,
	rows_estimate bigint, bytes bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
	select c.relname::text, b[1]::timestamptz, b[2]::timestamptz,
		coalesce((to_jsonb(i) ->> 'inhdetachpending')::boolean, false), -- not before PostgreSQL 14
		c.reltuples::bigint, 8192::bigint * (c.relpages + (select coalesce(sum(x.relpages), 0)
			from pg_index n join pg_class x on x.oid = n.indexrelid where n.indrelid = c.oid))
	from pg_inherits i join pg_class c on c.oid = i.inhrelid,
		regexp_match(pg_get_expr(c.relpartbound, 0), 'FROM \(''(.+)''\) TO \(''(.+)''\)') b
	where i.inhparent = 'aigate.ledger'::regclass
$$;
comment on function aigate.ledger_partitions() is 'Partitions of ledger: what they hold and how much of it';

-- Makes the partition that holds `at`, unless there is one.  Attached, not created in place: that
-- takes no lock that a reader or writer of the ledger would wait for.
create function aigate.make_partition(at timestamptz, unit text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC'
	set lock_timeout = '5s'
as $$
declare
	first_at timestamptz := date_trunc(unit, at);
	end_at timestamptz := date_trunc(unit, at) + ('1 ' || unit)::interval;
	base text;
	part text;
	n int := 1;
begin
	if unit not in ('day', 'month') then
		raise exception 'partitions are made by day or month, not by %', unit;
	end if;
	perform pg_advisory_xact_lock(hashtext('aigate.ensure_partitions'));
	if exists (select from aigate.ledger_partitions() p where at >= p.from_at and at < p.until_at) then
		return false;
	end if;
	-- Days stand in this month already: it is completed by days.
	if exists (select from aigate.ledger_partitions() p
	    where p.from_at < end_at and p.until_at > first_at) then
		return aigate.make_partition(at, 'day');
	end if;
	base := 'ledger_' || to_char(first_at, case unit when 'day' then 'YYYY_MM_DD' else 'YYYY_MM' end);
	part := base;
	while to_regclass('aigate.' || part) is not null loop -- detached, and still there
		n := n + 1;
		part := base || '_' || n;
	end loop;
	execute format('create table aigate.%I (like aigate.ledger including defaults including constraints '
	    'including comments)', part);
	execute format('comment on table aigate.%I is %L', part, 'Ledger of ' ||
	    to_char(first_at, case unit when 'day' then 'YYYY-MM-DD' else 'YYYY-MM' end) ||
	    ' (UTC); W: flusher, insert only');
	execute format('alter table aigate.ledger attach partition aigate.%I for values from (%L) to (%L)',
	    part, first_at, end_at);
	return true;
end
$$;
comment on function aigate.make_partition(timestamptz, text) is 'Makes the partition of ledger, a day or a month, that holds this moment; false: there is one';

-- For rows that have no partition.  Ten years back, a month ahead: beyond that a clock is wrong.
create function aigate.make_partitions_for(moments timestamptz[], unit text) returns int
language sql security definer set search_path = pg_catalog, pg_temp
as $$
	select count(*) filter (where aigate.make_partition(at, unit))::int
	from (select distinct date_trunc('day', at, 'UTC') as at from unnest(moments) at
		where at between now() - interval '10 years' and now() + interval '1 month' order by 1) days
$$;
comment on function aigate.make_partitions_for(timestamptz[], text) is 'Makes the partitions these moments need; how many were missing';

drop function aigate.ensure_partitions(int);
create function aigate.ensure_partitions(unit text default 'month', ahead int default 3) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
declare
	made int := 0;
begin
	if ahead < 1 or ahead > 120 then
		raise exception 'partitions ahead must be 1 to 120, not %', ahead;
	end if;
	for i in 0 .. ahead loop
		if aigate.make_partition(date_trunc(unit, now()) + i * ('1 ' || unit)::interval, unit) then
			made := made + 1;
		end if;
	end loop;
	return made;
end
$$;
comment on function aigate.ensure_partitions(text, int) is 'Makes the partitions of ledger that are missing, from now to `ahead`; called by the flusher at start and daily';

-- For whoever may not detach concurrently: only the owner of ledger may, from PostgreSQL 14 on.
-- Detaching takes a lock that everybody waits for; it is held for a moment, and waited for no
-- longer than half a second.
create function aigate.drop_partition(part text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '500ms'
as $$
begin
	if not exists (select from aigate.ledger_partitions() p where p.name = part
	    and p.until_at < now() - interval '1 day') then
		raise exception 'no past partition of ledger is called "%"', part;
	end if;
	execute format('alter table aigate.ledger detach partition aigate.%I', part);
	execute format('drop table aigate.%I', part);
end
$$;
comment on function aigate.drop_partition(text) is 'Drops a past partition of ledger with all its rows';

-- ---- which period of a budget a moment belongs to ---------------------------------------------------

-- As ag_period_number() has it: numbers of all kinds are made from the day the period begins on.
create function aigate.period_at(kind text, days int, anchor date, resets int, at timestamptz)
returns table (number bigint, starts_at timestamptz, ends_at timestamptz)
language sql immutable parallel safe
as $$
	select (resets & 1073741823)::bigint * 4294967297 + case when kind = 'none' then 1 else
			2 * ((s.first_day - date '1970-01-01')::bigint + 1000000) + (s.ordinal & 1) end,
		s.first_day::timestamp at time zone 'UTC', s.next_day::timestamp at time zone 'UTC'
	from (select (at at time zone 'UTC')::date as day) d,
		lateral (select floor((d.day - a.anchor) / a.days::numeric)::int as ordinal from (select
			case kind when 'weekly' then date '1969-12-28' when 'weekly_monday' then date '1969-12-29'
				else anchor end as anchor,
			case kind when 'days' then greatest(days, 1) else 7 end as days) a) r,
		lateral (select case kind
			when 'monthly' then date_trunc('month', d.day::timestamp)::date
			when 'weekly' then date '1969-12-28' + r.ordinal * 7
			when 'weekly_monday' then date '1969-12-29' + r.ordinal * 7
			when 'days' then anchor + r.ordinal * greatest(days, 1) end as first_day,
			case kind
			when 'monthly' then (date_trunc('month', d.day::timestamp) + interval '1 month')::date
			when 'weekly' then date '1969-12-28' + (r.ordinal + 1) * 7
			when 'weekly_monday' then date '1969-12-29' + (r.ordinal + 1) * 7
			when 'days' then anchor + (r.ordinal + 1) * greatest(days, 1) end as next_day,
			case kind
			when 'monthly' then extract(year from d.day)::int * 12 + extract(month from d.day)::int
			else r.ordinal end as ordinal) s
$$;
comment on function aigate.period_at(text, int, date, int, timestamptz) is 'Number, begin and end (null: for ever) of the period of a budget that holds this moment';
