-- 0010_reprice.sql - at what multiple of the list a row was priced, and what it should have cost.

alter table aigate.ledger add column price_ppm int check (price_ppm > 0);
comment on column aigate.ledger.price_ppm is 'Multiple of price_id that counted, in millionths: price_multiplier of the integration; null 1';

-- History is never edited: what was wrong stays, and the difference stands here.
create table aigate.ledger_adjustment (
	id bigint generated always as identity primary key,
	run uuid not null,
	received_at timestamptz not null,
	boot_id bigint not null,
	worker int not null,
	seq bigint not null,
	request_id uuid not null,
	organisation_id bigint not null,
	workspace_id bigint,
	api_key_id bigint,
	family text not null,
	model text not null,
	old_price_id bigint,
	new_price_id bigint not null,
	delta_nusd bigint not null,
	reason text not null,
	created_by text not null default current_user,
	created_at timestamptz not null default now(),
	unique (boot_id, worker, seq, run)
);
create index ledger_adjustment_received_ix on aigate.ledger_adjustment (received_at);
comment on table aigate.ledger_adjustment is 'Differences between what ledger rows cost and what they should have, by aigatectl reprice; budgets are not touched; W: aigatectl, insert only';
comment on column aigate.ledger_adjustment.id is 'Internal number';
comment on column aigate.ledger_adjustment.run is 'The run of aigatectl reprice that made it';
comment on column aigate.ledger_adjustment.received_at is 'As in the ledger row';
comment on column aigate.ledger_adjustment.boot_id is 'Name of the ledger row, with worker and seq';
comment on column aigate.ledger_adjustment.worker is 'Worker index';
comment on column aigate.ledger_adjustment.seq is 'Number in the stream of this worker';
comment on column aigate.ledger_adjustment.request_id is 'Request, as in the ledger row';
comment on column aigate.ledger_adjustment.organisation_id is 'organisation.id';
comment on column aigate.ledger_adjustment.workspace_id is 'workspace.id';
comment on column aigate.ledger_adjustment.api_key_id is 'api_key.id';
comment on column aigate.ledger_adjustment.family is 'Provider family';
comment on column aigate.ledger_adjustment.model is 'Model served, else requested';
comment on column aigate.ledger_adjustment.old_price_id is 'price.id the row was priced with, null unpriced';
comment on column aigate.ledger_adjustment.new_price_id is 'price.id it was priced with now';
comment on column aigate.ledger_adjustment.delta_nusd is 'To add to cost_nusd and earlier adjustments of the row, nano-USD; may be negative';
comment on column aigate.ledger_adjustment.reason is 'Why, as whoever ran it says';
comment on column aigate.ledger_adjustment.created_by is 'Database account';
comment on column aigate.ledger_adjustment.created_at is 'When it was made';
