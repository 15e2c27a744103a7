-- 0020_price_adjustments.sql - integrations whose list prices are adjusted.  Writer: control.

alter table aigate.integration add column pricing_adjustments jsonb;
comment on column aigate.integration.pricing_adjustments is 'What list prices are multiplied by, as {"multiplier": {"default": n}}; null nothing';
