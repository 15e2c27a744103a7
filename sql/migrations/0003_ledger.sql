-- 0003_ledger.sql - what was used and what it cost.  Writer: flusher, one transaction a batch:
-- rows, roll-ups, budgets and position change together or not at all.

create table aigate.ledger (
	boot_id bigint not null,
	worker int not null,
	seq bigint not null,
	request_id uuid not null,
	attempt smallint not null,
	received_at timestamptz not null,
	sent_at timestamptz,
	first_byte_at timestamptz,
	finished_at timestamptz,
	organisation_id bigint not null,
	workspace_id bigint,
	api_key_id bigint,
	user_id bigint,
	integration_id bigint,
	integration_workspace_id bigint,
	provider_id bigint,
	family text not null,
	provider_slug text not null,
	requested_model text not null,
	served_model text not null,
	endpoint text not null,
	is_stream boolean not null,
	outcome text not null,
	is_final boolean not null,
	status int,
	client_status int,
	error_type text,
	finish_reason text,
	usage_source text not null,
	service_tier text not null,
	input_fresh bigint not null,
	cache_read bigint not null,
	cache_write_5m bigint not null,
	cache_write_1h bigint not null,
	input_audio bigint not null,
	input_image bigint not null,
	cache_read_audio bigint not null,
	output_total bigint not null,
	reasoning bigint not null,
	output_audio bigint not null,
	output_image bigint not null,
	accepted_prediction bigint not null,
	rejected_prediction bigint not null,
	web_searches bigint not null,
	units bigint not null,
	geo_num int,
	geo_den int,
	price_id bigint,
	cost_nusd bigint not null check (cost_nusd >= 0),
	provider_cost_nusd bigint check (provider_cost_nusd >= 0),
	charged_nusd bigint not null check (charged_nusd >= 0),
	held_nusd bigint not null check (held_nusd >= 0),
	queue_us bigint not null,
	admit_us bigint not null,
	connect_us bigint not null,
	overhead_us bigint not null,
	request_bytes bigint not null,
	response_bytes bigint not null,
	cache_status int not null,
	trace_id text,
	span_id text,
	upstream_id text,
	metadata jsonb,
	charge_meter_id bigint[],
	charge_period bigint[],
	charge_amount bigint[],
	constraint ledger_counters_check check (least(input_fresh, cache_read, cache_write_5m, cache_write_1h, input_audio,
		input_image, cache_read_audio, output_total, reasoning, output_audio,
		output_image, accepted_prediction, rejected_prediction, web_searches, units) >=
		0),
	primary key (received_at, boot_id, worker, seq)
) partition by range (received_at);
create index ledger_workspace_ix on aigate.ledger (workspace_id, received_at);
create index ledger_api_key_ix on aigate.ledger (api_key_id, received_at);
create index ledger_request_ix on aigate.ledger (request_id);
comment on table aigate.ledger is 'One row per attempt that reached, or may have reached, a provider; exactly once; monthly partitions; W: flusher, insert only';
comment on column aigate.ledger.boot_id is 'Segment the record was made in, with worker and seq its name';
comment on column aigate.ledger.worker is 'Worker index';
comment on column aigate.ledger.seq is 'Number in the stream of this worker, from 1';
comment on column aigate.ledger.request_id is 'Request (UUIDv7); its attempts share it';
comment on column aigate.ledger.attempt is 'Attempt, from 1';
comment on column aigate.ledger.received_at is 'When the request arrived; the partition key';
comment on column aigate.ledger.sent_at is 'When the attempt was sent; null not sent';
comment on column aigate.ledger.first_byte_at is 'First byte of the answer; null none came';
comment on column aigate.ledger.finished_at is 'When the attempt ended';
comment on column aigate.ledger.organisation_id is 'organisation.id';
comment on column aigate.ledger.workspace_id is 'workspace.id';
comment on column aigate.ledger.api_key_id is 'api_key.id';
comment on column aigate.ledger.user_id is 'app_user.id, null service key';
comment on column aigate.ledger.integration_id is 'integration.id';
comment on column aigate.ledger.integration_workspace_id is 'integration_workspace.id: the grant';
comment on column aigate.ledger.provider_id is 'provider.id';
comment on column aigate.ledger.family is 'Provider family';
comment on column aigate.ledger.provider_slug is 'Slug of the provider in the workspace';
comment on column aigate.ledger.requested_model is 'Model the client asked for';
comment on column aigate.ledger.served_model is 'Model the answer names, empty unknown';
comment on column aigate.ledger.endpoint is 'chatComplete, complete, embed';
comment on column aigate.ledger.is_stream is 'Whether the answer was streamed';
comment on column aigate.ledger.outcome is 'How the attempt ended: a row of the settlement matrix';
comment on column aigate.ledger.is_final is 'Last attempt of its request';
comment on column aigate.ledger.status is 'HTTP status of the provider, null none';
comment on column aigate.ledger.client_status is 'HTTP status the client was told, null none';
comment on column aigate.ledger.error_type is 'Type of error, null none';
comment on column aigate.ledger.finish_reason is 'As the provider says, null none';
comment on column aigate.ledger.usage_source is 'none, reported, partial, estimated, unknown (the hold was charged)';
comment on column aigate.ledger.service_tier is 'standard, batch, flex, priority, provisioned, fast';
comment on column aigate.ledger.input_fresh is 'Input tokens neither read from nor written to a cache';
comment on column aigate.ledger.cache_read is 'Input tokens read from the cache';
comment on column aigate.ledger.cache_write_5m is 'Input tokens written to the 5-minute cache';
comment on column aigate.ledger.cache_write_1h is 'Input tokens written to the 1-hour cache';
comment on column aigate.ledger.input_audio is 'Audio tokens, of input_fresh';
comment on column aigate.ledger.input_image is 'Image tokens, of input_fresh';
comment on column aigate.ledger.cache_read_audio is 'Audio tokens, of cache_read';
comment on column aigate.ledger.output_total is 'Output tokens, reasoning included';
comment on column aigate.ledger.reasoning is 'Reasoning tokens, of output_total';
comment on column aigate.ledger.output_audio is 'Audio tokens, of output_total';
comment on column aigate.ledger.output_image is 'Image tokens, of output_total';
comment on column aigate.ledger.accepted_prediction is 'Accepted prediction tokens, of output_total';
comment on column aigate.ledger.rejected_prediction is 'Rejected prediction tokens, of output_total';
comment on column aigate.ledger.web_searches is 'Web searches run by the provider';
comment on column aigate.ledger.units is 'Images, pages, characters, ms of audio: what unit of the price says';
comment on column aigate.ledger.geo_num is 'Uplift of the region, numerator; null none';
comment on column aigate.ledger.geo_den is 'Uplift of the region, denominator; null none';
comment on column aigate.ledger.price_id is 'price.id the cost was computed with, null unpriced';
comment on column aigate.ledger.cost_nusd is 'What the provider will bill, computed from usage, nano-USD';
comment on column aigate.ledger.provider_cost_nusd is 'Cost the provider reported, nano-USD, null none';
comment on column aigate.ledger.charged_nusd is 'What the budgets were charged, nano-USD';
comment on column aigate.ledger.held_nusd is 'What was reserved at admission, nano-USD';
comment on column aigate.ledger.queue_us is 'Waited before admission, microseconds';
comment on column aigate.ledger.admit_us is 'Admission, microseconds';
comment on column aigate.ledger.connect_us is 'Connecting to the provider, microseconds';
comment on column aigate.ledger.overhead_us is 'Spent in the gateway altogether, microseconds';
comment on column aigate.ledger.request_bytes is 'Bytes sent to the provider';
comment on column aigate.ledger.response_bytes is 'Bytes received from the provider';
comment on column aigate.ledger.cache_status is 'Answer from our own cache, 0 no';
comment on column aigate.ledger.trace_id is 'Trace of the client, null none';
comment on column aigate.ledger.span_id is 'Span of the client, null none';
comment on column aigate.ledger.upstream_id is 'Identifier the provider gave, null none';
comment on column aigate.ledger.metadata is 'Merged metadata of the request';
comment on column aigate.ledger.charge_meter_id is 'Budgets charged: meter.id';
comment on column aigate.ledger.charge_period is 'Budgets charged: number of the period';
comment on column aigate.ledger.charge_amount is 'Budgets charged: amount in the unit of the meter';

-- Months from the one before last to `ahead` months from now.  Makes what is missing, returns how
-- many were made.  Security definer: the flusher may call it and make nothing else.
create function aigate.ensure_partitions(ahead int default 3) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	this_month timestamp := date_trunc('month', now() at time zone 'UTC');
	first_day timestamp;
	part text;
	made int := 0;
begin
	if ahead < 1 or ahead > 120 then
		raise exception 'months ahead must be 1 to 120, not %', ahead;
	end if;
	perform pg_advisory_xact_lock(hashtext('aigate.ensure_partitions'));
	for i in -2 .. ahead loop
		first_day := this_month + make_interval(months => i);
		part := 'ledger_' || to_char(first_day, 'YYYY_MM');
		if to_regclass('aigate.' || part) is null then
			execute format('create table aigate.%I partition of aigate.ledger for values from (%L) to (%L)',
			    part, to_char(first_day, 'YYYY-MM-DD') || ' 00:00:00+00',
			    to_char(first_day + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
			execute format('comment on table aigate.%I is %L', part,
			    'Ledger of ' || to_char(first_day, 'YYYY-MM') || ' (UTC); W: flusher, insert only');
			made := made + 1;
		end if;
	end loop;
	return made;
end
$$;
comment on function aigate.ensure_partitions(int) is 'Makes the monthly partitions of ledger that are missing; called by the flusher at start and daily';
select aigate.ensure_partitions();

create table aigate.usage_hour (
	hour timestamptz not null,
	organisation_id bigint not null,
	workspace_id bigint not null,
	api_key_id bigint not null,
	integration_id bigint not null,
	family text not null,
	model text not null,
	endpoint text not null,
	status_class smallint not null,
	tier text not null,
	requests bigint not null default 0,
	attempts bigint not null default 0,
	errors bigint not null default 0,
	unknown_usage bigint not null default 0,
	input_total bigint not null default 0,
	output_total bigint not null default 0,
	cache_read bigint not null default 0,
	cache_write bigint not null default 0,
	reasoning bigint not null default 0,
	cost_nusd bigint not null default 0 check (cost_nusd >= 0),
	charged_nusd bigint not null default 0 check (charged_nusd >= 0),
	latency_us bigint not null default 0,
	first_byte_us bigint not null default 0,
	overhead_us bigint not null default 0,
	primary key (hour, organisation_id, workspace_id, api_key_id, integration_id, family, model,
	    endpoint, status_class, tier)
);
create index usage_hour_workspace_ix on aigate.usage_hour (workspace_id, hour);
create index usage_hour_api_key_ix on aigate.usage_hour (api_key_id, hour);
comment on table aigate.usage_hour is 'Roll-up of ledger by hour; in a dimension 0 and the empty text stand for none; W: flusher';
comment on column aigate.usage_hour.hour is 'Hour of received_at, its start';
comment on column aigate.usage_hour.organisation_id is 'organisation.id';
comment on column aigate.usage_hour.workspace_id is 'workspace.id';
comment on column aigate.usage_hour.api_key_id is 'api_key.id';
comment on column aigate.usage_hour.integration_id is 'integration.id';
comment on column aigate.usage_hour.family is 'Provider family';
comment on column aigate.usage_hour.model is 'Model served, else requested';
comment on column aigate.usage_hour.endpoint is 'chatComplete, complete, embed';
comment on column aigate.usage_hour.status_class is 'Hundreds of the provider status: 2, 4, 5; 0 no answer';
comment on column aigate.usage_hour.tier is 'metadata.subscription_tier, empty none';
comment on column aigate.usage_hour.requests is 'Requests: final attempts';
comment on column aigate.usage_hour.attempts is 'Attempts: ledger rows';
comment on column aigate.usage_hour.errors is 'Attempts that did not end as answered';
comment on column aigate.usage_hour.unknown_usage is 'Attempts whose usage stayed unknown';
comment on column aigate.usage_hour.input_total is 'Input tokens, cached ones included';
comment on column aigate.usage_hour.output_total is 'Output tokens';
comment on column aigate.usage_hour.cache_read is 'Input tokens read from the cache';
comment on column aigate.usage_hour.cache_write is 'Input tokens written to the cache';
comment on column aigate.usage_hour.reasoning is 'Reasoning tokens';
comment on column aigate.usage_hour.cost_nusd is 'Sum of ledger.cost_nusd, nano-USD';
comment on column aigate.usage_hour.charged_nusd is 'Sum of ledger.charged_nusd, nano-USD';
comment on column aigate.usage_hour.latency_us is 'Sum of finished_at - received_at, microseconds';
comment on column aigate.usage_hour.first_byte_us is 'Sum of first_byte_at - sent_at where both are known, microseconds';
comment on column aigate.usage_hour.overhead_us is 'Sum of overhead_us, microseconds';

create table aigate.budget_state (
	meter_id bigint not null,
	period bigint not null,
	settled bigint not null check (settled >= 0),
	requests bigint not null check (requests >= 0),
	updated_at timestamptz not null default now(),
	primary key (meter_id, period)
);
comment on table aigate.budget_state is 'Settled spend of each budget and period: the sum of the charges of all ledger rows; W: flusher';
comment on column aigate.budget_state.meter_id is 'meter.id';
comment on column aigate.budget_state.period is 'Number of the period: calendar number + resets';
comment on column aigate.budget_state.settled is 'Sum charged, in the unit of the meter';
comment on column aigate.budget_state.requests is 'Records that charged it';
comment on column aigate.budget_state.updated_at is 'Last change';

create table aigate.ledger_position (
	boot_id bigint not null,
	worker int not null,
	seq bigint not null check (seq > 0),
	updated_at timestamptz not null default now(),
	primary key (boot_id, worker)
);
comment on table aigate.ledger_position is 'Last record of each stream that is stored; changed in the transaction that stores it, so that nothing is stored twice; W: flusher';
comment on column aigate.ledger_position.boot_id is 'Segment of the stream';
comment on column aigate.ledger_position.worker is 'Worker of the stream';
comment on column aigate.ledger_position.seq is 'Number of the last record stored';
comment on column aigate.ledger_position.updated_at is 'Last change';

create table aigate.ledger_quarantine (
	id bigint generated always as identity primary key,
	boot_id bigint not null,
	worker int not null,
	seq bigint not null,
	reason text not null,
	record bytea not null,
	created_at timestamptz not null default now(),
	unique (boot_id, worker, seq)
);
comment on table aigate.ledger_quarantine is 'Records PostgreSQL refused as ledger rows, put aside alone; their charges are in budget_state; W: flusher';
comment on column aigate.ledger_quarantine.id is 'Internal number';
comment on column aigate.ledger_quarantine.boot_id is 'Segment of the stream';
comment on column aigate.ledger_quarantine.worker is 'Worker of the stream';
comment on column aigate.ledger_quarantine.seq is 'Number in the stream';
comment on column aigate.ledger_quarantine.reason is 'SQLSTATE and message of the refusal';
comment on column aigate.ledger_quarantine.record is 'The record as it came, struct ag_record';
comment on column aigate.ledger_quarantine.created_at is 'When it was put aside';

create table aigate.ledger_gap (
	id bigint generated always as identity primary key,
	boot_id bigint not null,
	worker int not null,
	from_seq bigint not null,
	to_seq bigint not null,
	noticed_at timestamptz not null default now(),
	check (from_seq <= to_seq)
);
comment on table aigate.ledger_gap is 'Record numbers that never arrived: empty unless a machine crashed or a disk lost data; W: flusher';
comment on column aigate.ledger_gap.id is 'Internal number';
comment on column aigate.ledger_gap.boot_id is 'Segment of the stream';
comment on column aigate.ledger_gap.worker is 'Worker of the stream';
comment on column aigate.ledger_gap.from_seq is 'First number missing';
comment on column aigate.ledger_gap.to_seq is 'Last number missing';
comment on column aigate.ledger_gap.noticed_at is 'When the flusher noticed';
