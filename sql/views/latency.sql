-- latency.sql - how long answered attempts took: exact over the last hour, by histogram (within an
-- eighth of the value) for longer ranges.

create or replace view aigate.v_latency_last_hour as
select l.organisation_id, l.workspace_id, l.family, l.model, l.attempts,
	round((l.total[1] / 1000)::numeric, 1) as p50_ms,
	round((l.total[2] / 1000)::numeric, 1) as p95_ms,
	round((l.total[3] / 1000)::numeric, 1) as p99_ms,
	round((l.first_byte[1] / 1000)::numeric, 1) as first_byte_p50_ms,
	round((l.first_byte[2] / 1000)::numeric, 1) as first_byte_p95_ms,
	round((l.first_byte[3] / 1000)::numeric, 1) as first_byte_p99_ms,
	round(l.overhead[1]::numeric, 1) as overhead_p50_us,
	round(l.overhead[2]::numeric, 1) as overhead_p95_us,
	round(l.overhead[3]::numeric, 1) as overhead_p99_us
from (select organisation_id, workspace_id, family,
		coalesce(nullif(served_model, ''), requested_model) as model, count(*) as attempts,
		percentile_cont(array[0.5, 0.95, 0.99]) within group
			(order by (extract(epoch from finished_at - received_at) * 1000000)::float8) as total,
		percentile_cont(array[0.5, 0.95, 0.99]) within group
			(order by (extract(epoch from first_byte_at - sent_at) * 1000000)::float8) as first_byte,
		percentile_cont(array[0.5, 0.95, 0.99]) within group (order by overhead_us::float8) as overhead
	from aigate.ledger
	where received_at >= now() - interval '1 hour' and outcome = 'answered'
	group by 1, 2, 3, 4) l;

create or replace view aigate.v_latency_by_hour as
with b as (
	select hour, organisation_id, family, model, bucket,
		aigate.latency_bucket_us(bucket)::numeric as from_us,
		aigate.latency_bucket_us(bucket + 1)::numeric as to_us,
		sum(total) as total, sum(first_byte) as first_byte, sum(overhead) as overhead
	from aigate.latency_hour group by 1, 2, 3, 4, 5
), c as (
	select *, sum(total) over w as total_to, sum(total) over a as total_all,
		sum(first_byte) over w as first_to, sum(first_byte) over a as first_all,
		sum(overhead) over w as overhead_to, sum(overhead) over a as overhead_all
	from b
	window w as (partition by hour, organisation_id, family, model order by bucket),
		a as (partition by hour, organisation_id, family, model)
)
select hour, organisation_id, family, model, max(total_all)::bigint as attempts,
	round(min(to_us - (to_us - from_us) * (total_to - 0.50 * total_all) / total)
		filter (where total > 0 and total_to >= 0.50 * total_all) / 1000, 1) as p50_ms,
	round(min(to_us - (to_us - from_us) * (total_to - 0.95 * total_all) / total)
		filter (where total > 0 and total_to >= 0.95 * total_all) / 1000, 1) as p95_ms,
	round(min(to_us - (to_us - from_us) * (total_to - 0.99 * total_all) / total)
		filter (where total > 0 and total_to >= 0.99 * total_all) / 1000, 1) as p99_ms,
	round(min(to_us - (to_us - from_us) * (first_to - 0.50 * first_all) / first_byte)
		filter (where first_byte > 0 and first_to >= 0.50 * first_all) / 1000, 1) as first_byte_p50_ms,
	round(min(to_us - (to_us - from_us) * (first_to - 0.95 * first_all) / first_byte)
		filter (where first_byte > 0 and first_to >= 0.95 * first_all) / 1000, 1) as first_byte_p95_ms,
	round(min(to_us - (to_us - from_us) * (first_to - 0.99 * first_all) / first_byte)
		filter (where first_byte > 0 and first_to >= 0.99 * first_all) / 1000, 1) as first_byte_p99_ms,
	round(min(to_us - (to_us - from_us) * (overhead_to - 0.99 * overhead_all) / overhead)
		filter (where overhead > 0 and overhead_to >= 0.99 * overhead_all), 1) as overhead_p99_us
from c group by 1, 2, 3, 4;

create or replace view aigate.v_latency_by_day as
with b as (
	select (hour at time zone 'UTC')::date as day, organisation_id, family, model, bucket,
		aigate.latency_bucket_us(bucket)::numeric as from_us,
		aigate.latency_bucket_us(bucket + 1)::numeric as to_us,
		sum(total) as total, sum(first_byte) as first_byte, sum(overhead) as overhead
	from aigate.latency_hour group by 1, 2, 3, 4, 5
), c as (
	select *, sum(total) over w as total_to, sum(total) over a as total_all,
		sum(first_byte) over w as first_to, sum(first_byte) over a as first_all,
		sum(overhead) over w as overhead_to, sum(overhead) over a as overhead_all
	from b
	window w as (partition by day, organisation_id, family, model order by bucket),
		a as (partition by day, organisation_id, family, model)
)
select day, organisation_id, family, model, max(total_all)::bigint as attempts,
	round(min(to_us - (to_us - from_us) * (total_to - 0.50 * total_all) / total)
		filter (where total > 0 and total_to >= 0.50 * total_all) / 1000, 1) as p50_ms,
	round(min(to_us - (to_us - from_us) * (total_to - 0.95 * total_all) / total)
		filter (where total > 0 and total_to >= 0.95 * total_all) / 1000, 1) as p95_ms,
	round(min(to_us - (to_us - from_us) * (total_to - 0.99 * total_all) / total)
		filter (where total > 0 and total_to >= 0.99 * total_all) / 1000, 1) as p99_ms,
	round(min(to_us - (to_us - from_us) * (first_to - 0.50 * first_all) / first_byte)
		filter (where first_byte > 0 and first_to >= 0.50 * first_all) / 1000, 1) as first_byte_p50_ms,
	round(min(to_us - (to_us - from_us) * (first_to - 0.95 * first_all) / first_byte)
		filter (where first_byte > 0 and first_to >= 0.95 * first_all) / 1000, 1) as first_byte_p95_ms,
	round(min(to_us - (to_us - from_us) * (first_to - 0.99 * first_all) / first_byte)
		filter (where first_byte > 0 and first_to >= 0.99 * first_all) / 1000, 1) as first_byte_p99_ms,
	round(min(to_us - (to_us - from_us) * (overhead_to - 0.99 * overhead_all) / overhead)
		filter (where overhead > 0 and overhead_to >= 0.99 * overhead_all), 1) as overhead_p99_us
from c group by 1, 2, 3, 4;
