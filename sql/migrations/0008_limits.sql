-- 0008_limits.sql - virtual keys, and alerts of what policies count.  Writer: control.

alter table aigate.provider
	add column owns_integration boolean not null default false;
comment on column aigate.provider.owns_integration is 'Made as a virtual key: the integration below it was made for it alone, changes with it and goes with it';

-- As in meter: the meters of a policy have no row there.
alter table aigate.policy
	add column threshold_arming int not null default 0 check (threshold_arming >= 0),
	add column exhausted_arming int not null default 0 check (exhausted_arming >= 0);
comment on column aigate.policy.threshold_arming is 'Times the threshold alerts of its values were armed anew by an edit';
comment on column aigate.policy.exhausted_arming is 'Times the exhaustion alerts of its values were armed anew by an edit';

alter table aigate.alert
	add column value_key text;
comment on column aigate.alert.value_key is 'Of a policy: the value whose usage it tells of, as in policy_entity; null of other levels';
comment on column aigate.alert.meter_id is 'meter.id of the budget, or from 2^62 on the number of a policy''s meter';
comment on column aigate.alert.arming is 'threshold_arming or exhausted_arming of the meter or the policy at the time';
