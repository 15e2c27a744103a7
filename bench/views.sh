#!/bin/sh
# views.sh CONNINFO - asks each view of the schema for all it has, and says how long it took.
# After bench/ledger.sql.  With -p also the plan.
set -eu
plan=
if [ "${1:-}" = -p ]; then
	plan=1
	shift
fi
for v in $(psql -XAt -c "select relname from pg_class where relnamespace = 'aigate'::regnamespace
    and relkind = 'v' order by 1" "$1"); do
	case $v in
	# Row by row, or hour by hour: made to be asked with a range.
	v_attempt) where="where received_at > now() - interval '1 hour'" ;;
	v_usage_by_hour) where="where hour > now() - interval '1 day'" ;;
	v_latency_by_hour) where="where hour > now() - interval '1 day'" ;;
	*) where= ;;
	esac
	out=$(psql -XAt -c "explain (analyze, costs off, timing off, buffers off) select * from aigate.$v $where" "$1")
	rows=$(printf '%s\n' "$out" | sed -n '1s/.*rows=\([0-9]*\).*/\1/p')
	ms=$(printf '%s\n' "$out" | sed -n 's/^Execution Time: \(.*\) ms/\1/p')
	printf '%-24s %10s ms %9s rows  %s\n' "$v" "$ms" "$rows" "$where"
	if [ -n "$plan" ]; then
		printf '%s\n' "$out" | sed 's/^/    /'
	fi
done
