-- 0024_ledger_summaries.sql - ranges of ledger_stream_ix are summarized by vacuum.
--
-- With autosummarize each insert that begins a range asks autovacuum to summarize the one before.
-- The list of what was asked for has 256 places for the whole server; under load it is full, and each
-- request that finds no place is a line of the server's log, with the statement, the whole COPY.
--
-- Who asks the index: aigatectl tail, for a few numbers at the end of a stream, once a second.
-- (Recovery and the flusher ask ledger_position, a table of its own.)  A range without a summary is read
-- whole, so what must stay small is what was added since the last summary.  Vacuum summarizes whatever
-- is not, and inserts alone bring it about; but by default only when a fifth of a partition is new, by
-- then gigabytes.  So a partition is vacuumed after 200,000 new rows, some 100 MB: of a partition to
-- which rows are only added it reads what is new, and nothing else.

-- Of a partitioned index options cannot be changed, and making it anew would read the whole ledger: it
-- keeps the option, which does nothing there, and each partition has an index with one of its own.
do $$
declare
	part regclass;
begin
	for part in select inhrelid from pg_inherits where inhparent = 'aigate.ledger_stream_ix'::regclass loop
		execute format('alter index %s set (autosummarize = off)', part);
	end loop;
	for part in select inhrelid from pg_inherits where inhparent = 'aigate.ledger'::regclass loop
		execute format('alter table %s set (autovacuum_vacuum_insert_scale_factor = 0, '
		    'autovacuum_vacuum_insert_threshold = 200000)', part);
	end loop;
end
$$;

-- As in 0009, but that it knows when it is vacuumed, and brings its index of streams: attaching takes that
-- one instead of a copy of the parent's with its option.
create or replace function aigate.make_partition(at timestamptz, unit text) returns boolean
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
	    'including comments) with (autovacuum_vacuum_insert_scale_factor = 0, '
	    'autovacuum_vacuum_insert_threshold = 200000)', part);
	execute format('comment on table aigate.%I is %L', part, 'Ledger of ' ||
	    to_char(first_at, case unit when 'day' then 'YYYY-MM-DD' else 'YYYY-MM' end) ||
	    ' (UTC); W: flusher, insert only');
	execute format('create index on aigate.%I using brin (boot_id, worker, seq) with (pages_per_range = 32)',
	    part);
	execute format('alter table aigate.ledger attach partition aigate.%I for values from (%L) to (%L)',
	    part, first_at, end_at);
	return true;
end
$$;
