-- 0015_bodies.sql - what was asked and answered, where a workspace wants it kept; which config a request
-- was under; exports that end.

-- ---- what a workspace wants kept ----

alter table aigate.workspace
	add column body_log text not null default 'off'
		check (body_log in ('off', 'on_request', 'on', 'enforced')),
	add column body_redact jsonb not null default '["email", "card", "phone"]'
		check (jsonb_typeof(body_redact) = 'array'),
	add column body_patterns jsonb not null default '[]'
		check (jsonb_typeof(body_patterns) = 'array');
comment on column aigate.workspace.body_log is 'Which bodies are kept: off none, on_request those whose request asks for it, on those whose request does not refuse it, enforced all';
comment on column aigate.workspace.body_redact is 'What is taken out of bodies before they are stored, beside credentials: an array of email, card, phone';
comment on column aigate.workspace.body_patterns is 'Regular expressions whose matches are taken out too';

-- ---- bodies ----

-- Beside the ledger, not in it: rows here may be missing (they are given up before a record of the
-- ledger waits for them), and go by a retention of their own.
create table aigate.request_body (
	request_id uuid not null,
	attempt smallint not null,
	received_at timestamptz not null,
	organisation_id bigint not null,
	workspace_id bigint not null,
	api_key_id bigint not null,
	request text,
	response text,
	request_bytes bigint not null check (request_bytes >= 0),
	response_bytes bigint not null check (response_bytes >= 0),
	is_request_cut boolean not null,
	is_response_cut boolean not null,
	redactions int not null check (redactions >= 0),
	primary key (request_id, attempt, received_at)
) partition by range (received_at);
comment on table aigate.request_body is 'Bodies of requests and answers of workspaces that want them kept, redacted; names a row of ledger by request_id and attempt; partitions of a day; closed to operators; W: flusher, insert only';
comment on column aigate.request_body.request_id is 'ledger.request_id';
comment on column aigate.request_body.attempt is 'ledger.attempt: the last one';
comment on column aigate.request_body.received_at is 'ledger.received_at; the partition key';
comment on column aigate.request_body.organisation_id is 'organisation.id';
comment on column aigate.request_body.workspace_id is 'workspace.id';
comment on column aigate.request_body.api_key_id is 'api_key.id of the caller';
comment on column aigate.request_body.request is 'Body of the request as the client sent it, redacted, cut to body_log_max; null when it is not text';
comment on column aigate.request_body.response is 'What the client was sent, a stream with its events, redacted, cut to body_log_max; null when it is not text';
comment on column aigate.request_body.request_bytes is 'Length of the request''s body as it came';
comment on column aigate.request_body.response_bytes is 'Length of what the client was sent';
comment on column aigate.request_body.is_request_cut is 'Whether more came than is kept';
comment on column aigate.request_body.is_response_cut is 'Whether more was sent than is kept';
comment on column aigate.request_body.redactions is 'How often something was taken out';

create function aigate.body_partitions()
returns table (name text, from_at timestamptz, until_at timestamptz, is_detaching boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
	select c.relname::text, b[1]::timestamptz, b[2]::timestamptz,
		coalesce((to_jsonb(i) ->> 'inhdetachpending')::boolean, false)
	from pg_inherits i join pg_class c on c.oid = i.inhrelid,
		regexp_match(pg_get_expr(c.relpartbound, 0), 'FROM \(''(.+)''\) TO \(''(.+)''\)') b
	where i.inhparent = 'aigate.request_body'::regclass
$$;
comment on function aigate.body_partitions() is 'Partitions of request_body';

-- The days of these moments, as aigate.make_partition() has it for the ledger: attached, so that nobody
-- waits.  A moment far from now is a clock that is wrong, and gets none.
create function aigate.make_body_partitions(moments timestamptz[]) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC'
	set lock_timeout = '5s'
as $$
declare
	first_at timestamptz;
	base text;
	part text;
	n int;
	made int := 0;
begin
	perform pg_advisory_xact_lock(hashtext('aigate.make_body_partitions'));
	for first_at in select distinct date_trunc('day', at) from unnest(moments) at
		where at between now() - interval '10 years' and now() + interval '1 month' order by 1
	loop
		continue when exists (select from aigate.body_partitions() p
			where first_at >= p.from_at and first_at < p.until_at);
		base := 'request_body_' || to_char(first_at, 'YYYY_MM_DD');
		part := base;
		n := 1;
		while to_regclass('aigate.' || part) is not null loop -- detached, and still there
			n := n + 1;
			part := base || '_' || n;
		end loop;
		execute format('create table aigate.%I (like aigate.request_body including defaults '
		    'including constraints including comments including storage)', part);
		execute format('comment on table aigate.%I is %L', part, 'Bodies of ' ||
		    to_char(first_at, 'YYYY-MM-DD') || ' (UTC); W: flusher, insert only');
		execute format('revoke all on aigate.%I from public', part);
		execute format('alter table aigate.request_body attach partition aigate.%I for values from (%L) to (%L)',
		    part, first_at, first_at + interval '1 day');
		made := made + 1;
	end loop;
	return made;
end
$$;
comment on function aigate.make_body_partitions(timestamptz[]) is 'Makes the partitions of request_body that these moments need; how many were missing';

create function aigate.drop_body_partition(part text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '500ms'
as $$
begin
	if not exists (select from aigate.body_partitions() p where p.name = part
	    and p.until_at < now() - interval '1 day') then
		raise exception 'no past partition of request_body is called "%"', part;
	end if;
	execute format('alter table aigate.request_body detach partition aigate.%I', part);
	execute format('drop table aigate.%I', part);
end
$$;
comment on function aigate.drop_body_partition(text) is 'Drops a past partition of request_body with all its rows';

-- JSON where it is JSON that jsonb can hold (a cut one is not), else the text itself.
create function aigate.body_value(body text) returns jsonb
language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
	return body::jsonb;
exception when others then
	return to_jsonb(body);
end
$$;
comment on function aigate.body_value(text) is 'A body as JSON: its value, or a string when it is not JSON';

-- ---- which config a request was under ----

alter table aigate.ledger add column config_id bigint;
comment on column aigate.ledger.config_id is 'config.id of the config the request was under; null none, or one it brought itself';

-- ---- exports that end ----

alter table aigate.log_export drop constraint log_export_status_check;
alter table aigate.log_export add constraint log_export_status_check
	check (status in ('draft', 'in_progress', 'success', 'failed', 'stopped', 'expired'));
create index log_export_whole_ix on aigate.log_export (finished_at) where status = 'success';
comment on column aigate.log_export.status is 'draft, in_progress (waiting or being written), success, failed, stopped, expired (it was there, its file is removed)';
