-- 0017_rotation.sql - keys that get new secrets by a timetable.  Writer: control.

alter table aigate.api_key
	add column rotation_policy jsonb,
	add column next_rotation_at timestamptz,
	add column rotation_seed bytea check (octet_length(rotation_seed) = 32),
	add column secret_told_at timestamptz,
	add check (next_rotation_at is null or rotation_policy is not null);
comment on column aigate.api_key.rotation_policy is 'rotation_period or rotation_period_days (neither: once) and key_transition_period_ms; null no timetable';
comment on column aigate.api_key.next_rotation_at is 'When the next secret is due; null none';
comment on column aigate.api_key.rotation_seed is 'From which, with the master key, the secret of the last rotation by timetable is made anew to be told; null once that is over';
comment on column aigate.api_key.secret_told_at is 'When that secret was told first, null not yet';
create index api_key_rotation_ix on aigate.api_key (next_rotation_at) where next_rotation_at is not null;
create index api_key_seed_ix on aigate.api_key (former_expires_at) where rotation_seed is not null;

-- Beside budgets people are told of rotations: those alerts have no meter and no amounts.
alter table aigate.alert
	alter column meter_id drop not null,
	alter column unit drop not null,
	alter column settled drop not null,
	alter column held drop not null,
	drop constraint alert_kind_check,
	drop constraint alert_reason_check,
	add column transition_ends_at timestamptz,
	add constraint alert_kind_check check (kind in ('threshold', 'exhausted', 'rotated')),
	add constraint alert_reason_check check (reason in ('reached', 'refused', 'scheduled')),
	add constraint alert_budget_check check (kind = 'rotated'
		or (meter_id is not null and unit is not null and settled is not null and held is not null));
create unique index alert_rotation_key on aigate.alert (scope_id, period) where kind = 'rotated';
comment on column aigate.alert.meter_id is 'meter.id of the budget; null for a rotation';
comment on column aigate.alert.kind is 'threshold (alert_amount reached), exhausted (used up), rotated (a key got a new secret)';
comment on column aigate.alert.reason is 'reached (the amount), refused (used up by what is left being too little for a request), scheduled (a rotation by timetable)';
comment on column aigate.alert.period is 'Number of the period, as in budget_state; of a rotation its second since 1970';
comment on column aigate.alert.unit is 'Unit of the amounts: nusd (nano-USD), tokens, requests; null for a rotation';
comment on column aigate.alert.settled is 'Settled spend of the period when it was raised; null for a rotation';
comment on column aigate.alert.held is 'Held by requests in flight when it was raised; null for a rotation';
comment on column aigate.alert.transition_ends_at is 'When the former secret of the rotated key ends';
