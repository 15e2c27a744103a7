-- 0011_analytics.sql - what is read back: logs given by clients, feedback, exports, a full audit log.
-- Writer of all of it: control.

-- ---- logs of clients ----

create table aigate.custom_log (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	organisation_id bigint not null references aigate.organisation (id),
	workspace_id bigint not null references aigate.workspace (id),
	api_key_id bigint references aigate.api_key (id),
	trace_id text,
	span_id text,
	span_name text,
	parent_span_id text,
	request_url text not null,
	request_method text not null,
	family text not null,
	model text not null,
	status int not null,
	is_stream boolean not null,
	response_time_ms bigint not null check (response_time_ms >= 0),
	input_tokens bigint not null check (input_tokens >= 0),
	output_tokens bigint not null check (output_tokens >= 0),
	request jsonb not null,
	response jsonb not null,
	metadata jsonb not null default '{}',
	created_at timestamptz not null default now()
);
create index custom_log_workspace_ix on aigate.custom_log (workspace_id, created_at);
comment on table aigate.custom_log is 'Calls that clients made elsewhere and told us about; they cost no budget and are in no roll-up; W: control, insert only';
comment on column aigate.custom_log.id is 'Internal number';
comment on column aigate.custom_log.uuid is 'Name of the log';
comment on column aigate.custom_log.organisation_id is 'Tenant';
comment on column aigate.custom_log.workspace_id is 'Workspace of the key that told it';
comment on column aigate.custom_log.api_key_id is 'Key that told it';
comment on column aigate.custom_log.trace_id is 'Trace of the client, null none';
comment on column aigate.custom_log.span_id is 'Span of the client, null none';
comment on column aigate.custom_log.span_name is 'Name of the span, null none';
comment on column aigate.custom_log.parent_span_id is 'Span above it, null none';
comment on column aigate.custom_log.request_url is 'Where the client called';
comment on column aigate.custom_log.request_method is 'How it called';
comment on column aigate.custom_log.family is 'Provider as the client names it, empty unknown';
comment on column aigate.custom_log.model is 'Model of the request, empty unknown';
comment on column aigate.custom_log.status is 'HTTP status of the answer';
comment on column aigate.custom_log.is_stream is 'Whether the answer was streamed';
comment on column aigate.custom_log.response_time_ms is 'How long it took, milliseconds, as the client says';
comment on column aigate.custom_log.input_tokens is 'Input tokens of the answer''s usage, 0 none told';
comment on column aigate.custom_log.output_tokens is 'Output tokens of the answer''s usage, 0 none told';
comment on column aigate.custom_log.request is 'The request as told, credentials masked';
comment on column aigate.custom_log.response is 'The answer as told, credentials masked';
comment on column aigate.custom_log.metadata is 'Metadata as told';
comment on column aigate.custom_log.created_at is 'When it was told';

-- ---- feedback ----

create table aigate.feedback (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	organisation_id bigint not null references aigate.organisation (id),
	workspace_id bigint not null references aigate.workspace (id),
	api_key_id bigint references aigate.api_key (id),
	trace_id text not null,
	value smallint not null check (value between -10 and 10),
	weight numeric not null default 1 check (weight between 0 and 1),
	metadata jsonb not null default '{}',
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);
create index feedback_trace_ix on aigate.feedback (workspace_id, trace_id);
comment on table aigate.feedback is 'What users thought of an answer; meets requests by workspace and trace; W: control';
comment on column aigate.feedback.id is 'Internal number';
comment on column aigate.feedback.uuid is 'Name of the feedback';
comment on column aigate.feedback.organisation_id is 'Tenant';
comment on column aigate.feedback.workspace_id is 'Workspace of the key that gave it';
comment on column aigate.feedback.api_key_id is 'Key that gave it';
comment on column aigate.feedback.trace_id is 'Trace of the requests it is about';
comment on column aigate.feedback.value is 'From -10 to 10';
comment on column aigate.feedback.weight is 'How much it counts, 0 to 1';
comment on column aigate.feedback.metadata is 'Metadata of the feedback';
comment on column aigate.feedback.created_at is 'When it was given';
comment on column aigate.feedback.updated_at is 'Last change';

-- ---- exports ----

create table aigate.log_export (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	organisation_id bigint not null references aigate.organisation (id),
	workspace_id bigint not null references aigate.workspace (id),
	api_key_id bigint references aigate.api_key (id),
	description text,
	filters jsonb not null,
	requested_data jsonb not null,
	format text not null default 'jsonl' check (format in ('jsonl', 'csv')),
	status text not null default 'draft'
		check (status in ('draft', 'in_progress', 'success', 'failed', 'stopped')),
	total bigint not null default 0 check (total >= 0),
	total_records bigint not null default 0 check (total_records >= 0),
	bytes bigint not null default 0 check (bytes >= 0),
	error text,
	download_key bytea not null check (length(download_key) = 32),
	started_at timestamptz,
	finished_at timestamptz,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);
create index log_export_workspace_ix on aigate.log_export (workspace_id, id desc);
create index log_export_waiting_ix on aigate.log_export (started_at, id) where status = 'in_progress';
comment on table aigate.log_export is 'Exports of logs, asked for and made; the file is named by uuid in export_dir; W: control';
comment on column aigate.log_export.id is 'Internal number';
comment on column aigate.log_export.uuid is 'Name of the export and of its file';
comment on column aigate.log_export.organisation_id is 'Tenant';
comment on column aigate.log_export.workspace_id is 'Workspace whose logs it holds';
comment on column aigate.log_export.api_key_id is 'Key that asked for it, null an operator';
comment on column aigate.log_export.description is 'Free text';
comment on column aigate.log_export.filters is 'Which logs, as given';
comment on column aigate.log_export.requested_data is 'Which fields of them, in order';
comment on column aigate.log_export.format is 'jsonl: an object a line; csv: RFC 4180 with names in the first line';
comment on column aigate.log_export.status is 'draft, in_progress (waiting or being written), success, failed, stopped';
comment on column aigate.log_export.total is 'Logs that matched when it was asked for or changed';
comment on column aigate.log_export.total_records is 'Logs in the file';
comment on column aigate.log_export.bytes is 'Length of the file, bytes';
comment on column aigate.log_export.error is 'Why it failed, null it did not';
comment on column aigate.log_export.download_key is 'Signs the addresses it is fetched from';
comment on column aigate.log_export.started_at is 'When it was started last, null never';
comment on column aigate.log_export.finished_at is 'When it ended, null not yet';
comment on column aigate.log_export.created_at is 'When it was asked for';
comment on column aigate.log_export.updated_at is 'Last change';

-- ---- the audit log ----

alter table aigate.audit_log
	add column workspace_id bigint,
	add column response_status int,
	add column query text,
	add column request_headers jsonb,
	add column request_body jsonb;
comment on column aigate.audit_log.workspace_id is 'Workspace of the key that called, null a key of the organisation or an operator';
comment on column aigate.audit_log.response_status is 'HTTP status of the answer; refused calls change nothing and are not here; null not over HTTP';
comment on column aigate.audit_log.query is 'What stood behind the question mark, null nothing';
comment on column aigate.audit_log.request_headers is 'Headers of the call, credentials masked';
comment on column aigate.audit_log.request_body is 'Body of the call, credentials masked';

create function aigate.audit_log_refuse() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
	raise exception 'rows of audit_log are added, never changed' using errcode = 'insufficient_privilege';
end
$$;
comment on function aigate.audit_log_refuse() is 'Refuses every change of audit_log but an insert, whoever tries';
create trigger audit_log_append_only before update or delete or truncate on aigate.audit_log
	for each statement execute function aigate.audit_log_refuse();

-- ---- following the ledger ----

-- Rows of one stream become visible in the order of seq (the flusher moves ledger_position in the
-- same transaction), so whoever follows asks for a range of seq.  Rows lie on disk in that order too:
-- a block range index costs next to nothing when rows are added.
create index ledger_stream_ix on aigate.ledger using brin (boot_id, worker, seq)
	with (pages_per_range = 32, autosummarize = on);
