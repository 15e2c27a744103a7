-- 0006_alert.sql - what people are told of their budgets.  Writer: control.

-- How often the alerts of a meter were armed anew (raised limit, raised or removed threshold).
alter table aigate.meter
	add column threshold_arming int not null default 0 check (threshold_arming >= 0),
	add column exhausted_arming int not null default 0 check (exhausted_arming >= 0);
comment on column aigate.meter.threshold_arming is 'Times the threshold alert was armed anew by an edit: with it one more may be raised in a period';
comment on column aigate.meter.exhausted_arming is 'Times the exhaustion alert was armed anew by an edit';

create table aigate.alert (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	organisation_id bigint not null,
	meter_id bigint not null,
	period bigint not null,
	kind text not null check (kind in ('threshold', 'exhausted')),
	arming int not null check (arming >= 0),
	reason text not null check (reason in ('reached', 'refused')),
	level text not null check (level in ('key', 'workspace', 'grant', 'provider', 'organisation', 'policy')),
	scope_id bigint not null,
	scope_uuid uuid,
	scope_name text not null,
	workspace_id bigint,
	unit text not null check (unit in ('nusd', 'tokens', 'requests')),
	limit_amount bigint check (limit_amount >= 0),
	alert_amount bigint check (alert_amount >= 0),
	settled bigint not null check (settled >= 0),
	held bigint not null check (held >= 0),
	period_ends_at timestamptz,
	created_at timestamptz not null default now(),
	attempts int not null default 0 check (attempts >= 0),
	next_attempt_at timestamptz not null default now(),
	webhook_at timestamptz,
	command_at timestamptz,
	delivered_at timestamptz,
	last_error text,
	unique (meter_id, period, kind, arming)
);
create index alert_waiting_ix on aigate.alert (next_attempt_at) where delivered_at is null;
create index alert_organisation_ix on aigate.alert (organisation_id, id desc);
comment on table aigate.alert is 'Budget alerts, each once: the row is made first and delivered afterwards; W: control';
comment on column aigate.alert.id is 'Order in which they were raised';
comment on column aigate.alert.uuid is 'Identifier the receiver sees; the same in every attempt';
comment on column aigate.alert.organisation_id is 'Tenant';
comment on column aigate.alert.meter_id is 'meter.id of the budget';
comment on column aigate.alert.period is 'Number of the period, as in budget_state';
comment on column aigate.alert.kind is 'threshold (alert_amount reached), exhausted (used up)';
comment on column aigate.alert.arming is 'meter.threshold_arming or exhausted_arming at the time';
comment on column aigate.alert.reason is 'reached (the amount), refused (used up by what is left being too little for a request)';
comment on column aigate.alert.level is 'What scope_id names, as in meter';
comment on column aigate.alert.scope_id is 'id in the table of level';
comment on column aigate.alert.scope_uuid is 'uuid of it, null when it has none';
comment on column aigate.alert.scope_name is 'Name of key, workspace, integration, provider or organisation at the time';
comment on column aigate.alert.workspace_id is 'workspace.id it belongs to, null none';
comment on column aigate.alert.unit is 'Unit of the amounts: nusd (nano-USD), tokens, requests';
comment on column aigate.alert.limit_amount is 'Limit when it was raised, null none';
comment on column aigate.alert.alert_amount is 'Threshold when it was raised, null none';
comment on column aigate.alert.settled is 'Settled spend of the period when it was raised';
comment on column aigate.alert.held is 'Held by requests in flight when it was raised';
comment on column aigate.alert.period_ends_at is 'End of the period, null never or past';
comment on column aigate.alert.created_at is 'When it was raised';
comment on column aigate.alert.attempts is 'Attempts to deliver it';
comment on column aigate.alert.next_attempt_at is 'Not delivered before; given up a day after created_at';
comment on column aigate.alert.webhook_at is 'When the webhook took it';
comment on column aigate.alert.command_at is 'When the command took it';
comment on column aigate.alert.delivered_at is 'When all that was configured had taken it; null waiting or given up';
comment on column aigate.alert.last_error is 'Why the last attempt failed, null none failed';
