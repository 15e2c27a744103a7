-- adjustment.sql - what repricing found.

create or replace view aigate.v_adjustment as
select (a.received_at at time zone 'UTC')::date as day, a.organisation_id, a.workspace_id, a.family,
	a.model, a.run, a.reason, a.created_by, min(a.created_at) as created_at, count(*) as attempts,
	sum(a.delta_nusd) / 1000000000::numeric as delta_usd
from aigate.ledger_adjustment a
group by 1, 2, 3, 4, 5, 6, 7, 8;
