-- 0005_policy.sql - limits on whatever meets conditions, counted apart for each value they group by.
-- Their meters have no row in meter: the number is made of policy and value, see budget_state.

create table aigate.policy (
	id bigint generated always as identity (maxvalue 2147483647) primary key,
	uuid uuid not null unique default gen_random_uuid(),
	organisation_id bigint not null references aigate.organisation (id),
	workspace_id bigint not null references aigate.workspace (id),
	kind text not null check (kind in ('usage', 'rate')),
	name text,
	description text,
	conditions jsonb not null,
	group_by jsonb not null,
	unit text not null check (unit in ('nusd', 'tokens', 'requests')),
	limit_amount bigint not null check (limit_amount >= 0),
	alert_amount bigint check (alert_amount >= 0),
	window_us bigint check (window_us > 0),
	period_kind text not null default 'none' check (period_kind in ('none', 'monthly', 'days', 'weekly_monday')),
	period_days int check (period_days between 1 and 365),
	anchor_date date,
	status text not null default 'active' check (status in ('active', 'archived')),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	check (kind = 'rate' or window_us is null),
	check (kind = 'usage' or (alert_amount is null and period_kind = 'none')),
	check ((period_kind = 'days') = (period_days is not null and anchor_date is not null))
);
create index policy_workspace_ix on aigate.policy (workspace_id, kind, id desc);
comment on table aigate.policy is 'Limit on the requests of a workspace that meet its conditions, counted apart for each value of its groups; W: control';
comment on column aigate.policy.id is 'Internal number, also in the ledger''s charges and in shared memory: below 2^31';
comment on column aigate.policy.uuid is 'Identifier the admin API shows';
comment on column aigate.policy.organisation_id is 'Tenant';
comment on column aigate.policy.workspace_id is 'Workspace whose requests it looks at';
comment on column aigate.policy.kind is 'usage (a budget), rate (a window, or at a time when window_us is null)';
comment on column aigate.policy.name is 'Display name';
comment on column aigate.policy.description is 'Free text';
comment on column aigate.policy.conditions is 'Array of {key, value, excludes}, all must hold';
comment on column aigate.policy.group_by is 'Array of {key}; never changes: the numbers of its meters are made of it';
comment on column aigate.policy.unit is 'nusd (nano-USD), tokens, requests; never changes';
comment on column aigate.policy.limit_amount is 'Ceiling of each value, in unit';
comment on column aigate.policy.alert_amount is 'Amount at which people are told, in unit; null none';
comment on column aigate.policy.window_us is 'Length of the window of a rate, microseconds; null: a budget, or requests at a time';
comment on column aigate.policy.period_kind is 'Budgets: none (for ever), monthly, days, weekly_monday';
comment on column aigate.policy.period_days is 'Length of a period of kind days';
comment on column aigate.policy.anchor_date is 'First day of the first period of kind days, UTC';
comment on column aigate.policy.status is 'active, archived (looked at no more, and for good)';
comment on column aigate.policy.created_at is 'When it was made';
comment on column aigate.policy.updated_at is 'Last change';

create table aigate.policy_entity (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	meter_id bigint not null unique check (meter_id >= 4611686018427387904),
	policy_id bigint not null references aigate.policy (id),
	value_key text not null,
	resets int not null default 0 check (resets >= 0),
	created_at timestamptz not null default now()
);
create index policy_entity_policy_ix on aigate.policy_entity (policy_id, id);
comment on table aigate.policy_entity is 'Value that a usage policy counts apart: what its meter is called; goes with the meter when that counts nothing; W: control';
comment on column aigate.policy_entity.id is 'Internal number';
comment on column aigate.policy_entity.uuid is 'Identifier the admin API shows';
comment on column aigate.policy_entity.meter_id is 'Number of the meter: 2^62 + 62 bits of SHA-256 of policy and value';
comment on column aigate.policy_entity.policy_id is 'policy.id';
comment on column aigate.policy_entity.value_key is 'key:value parts joined by -, "default" without groups; cut to 216 bytes';
comment on column aigate.policy_entity.resets is 'Times its usage was reset by hand: shifts the period number; such a row stays';
comment on column aigate.policy_entity.created_at is 'When it was first seen';

alter table aigate.budget_state add column policy_id bigint;
create index budget_state_policy_ix on aigate.budget_state (policy_id, meter_id) where policy_id is not null;
comment on column aigate.budget_state.policy_id is 'policy.id of a meter made on first use, so that it can be made again from here alone; null: meter_id is meter.id';
comment on column aigate.budget_state.meter_id is 'meter.id, or from 2^62 on the number of a policy''s meter';
