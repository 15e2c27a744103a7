/* sql_shadow.h - the statement of shadow.c. */
#ifndef AG_CONTROL_SQL_SHADOW_H
#define AG_CONTROL_SQL_SHADOW_H

/* $1 [{m, n}]: counters of meters as they stand in the segment $2.  One that is less than it was seen
 * began anew.  Repeating it changes nothing. */
#define SQL_SHADOW_NOTE                                                                      \
	"insert into aigate.shadow_state as s (meter_id, would_refuse, boot_id, seen)"           \
	" select t.m, t.n, $2, t.n from jsonb_to_recordset($1::jsonb) as t(m bigint, n bigint)"  \
	" on conflict (meter_id) do update set would_refuse = s.would_refuse + excluded.seen"    \
	" - case when s.boot_id = excluded.boot_id and s.seen <= excluded.seen then s.seen else 0 end," \
	" boot_id = excluded.boot_id, seen = excluded.seen, updated_at = now()"                  \
	" where (s.boot_id, s.seen) is distinct from (excluded.boot_id, excluded.seen)"

#endif
