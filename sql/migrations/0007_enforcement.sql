-- 0007_enforcement.sql - what a budget does with a request that may not fit, and what shadow budgets noted.

alter table aigate.meter
	add column enforcement text not null default 'strict' check (enforcement in ('strict', 'adaptive', 'shadow')),
	add column on_exhaust text not null default 'cut' check (on_exhaust in ('cut', 'finish')),
	add check (kind = 'budget' or enforcement = 'strict');
comment on column aigate.meter.enforcement is 'Budgets: strict (the worst case is held, never passed), adaptive (what answers usually take is held, more while they come), shadow (never refuses, counts in shadow_state)';
comment on column aigate.meter.on_exhaust is 'Adaptive: what becomes of a stream for which no more can be held: cut, finish';

alter table aigate.policy
	add column enforcement text not null default 'strict' check (enforcement in ('strict', 'adaptive', 'shadow')),
	add column on_exhaust text not null default 'cut' check (on_exhaust in ('cut', 'finish')),
	add check (kind = 'usage' or enforcement = 'strict');
comment on column aigate.policy.enforcement is 'As in meter';
comment on column aigate.policy.on_exhaust is 'As in meter';

create table aigate.shadow_state (
	meter_id bigint primary key,
	would_refuse bigint not null check (would_refuse >= 0),
	boot_id bigint not null,
	seen bigint not null check (seen >= 0),
	updated_at timestamptz not null default now()
);
comment on table aigate.shadow_state is 'What budgets in shadow would have refused; W: control, seconds behind shared memory';
comment on column aigate.shadow_state.meter_id is 'meter.id, or from 2^62 on the number of a policy''s meter';
comment on column aigate.shadow_state.would_refuse is 'Requests a strict budget would have refused, in all';
comment on column aigate.shadow_state.boot_id is 'Segment of shared memory that seen was read in';
comment on column aigate.shadow_state.seen is 'Counter of the meter in that segment when it was last read';
comment on column aigate.shadow_state.updated_at is 'When it was last raised';
