-- 0023_price_kinds.sql - multiples of list prices by kind of token.  Writer: control.
-- A row is never edited: the ledger names it, and prices of the past are told by it.

create table aigate.price_adjustment (
	id bigint generated always as identity primary key,
	multiples jsonb not null unique check (jsonb_typeof(multiples) = 'object'),
	created_at timestamptz not null default now()
);
comment on table aigate.price_adjustment is 'What prices of the list were multiplied by, kind by kind; each combination once; W: control, insert only';
comment on column aigate.price_adjustment.id is 'Internal number';
comment on column aigate.price_adjustment.multiples is 'Multiple of each kind that was said, in millionths: {"default": 1000000, "response_token": 500000}';
comment on column aigate.price_adjustment.created_at is 'When it was first said';

alter table aigate.integration add column price_adjustment_id bigint references aigate.price_adjustment (id);
comment on column aigate.integration.price_adjustment_id is 'price_adjustment.id of pricing_adjustments where kinds have multiples of their own, else null';
comment on column aigate.integration.pricing_adjustments is 'What list prices are multiplied by, as it was said: {"multiplier": {"default": n, "response_token": n}}; null nothing';

alter table aigate.ledger add column price_adjustment_id bigint;
comment on column aigate.ledger.price_adjustment_id is 'price_adjustment.id by which kinds of tokens were multiplied, null none';
