/* sql_analytics.h - pieces of the statements that reports are put together from.
 *
 * l is a row of the ledger or of usage_hour, s a row of what a report is asked over (analytics.h),
 * b a bucket of time with its number n and its name ts. */
#ifndef AG_CONTROL_SQL_ANALYTICS_H
#define AG_CONTROL_SQL_ANALYTICS_H

#include "control/sql.h"

#define SQL_US(p)     "(timestamptz 'epoch' + " p "::bigint * interval '1 microsecond')"
#define SQL_MODEL     "coalesce(nullif(l.served_model, ''), l.requested_model)"
#define SQL_TOKENS_IN "(l.input_fresh + l.cache_read + l.cache_write_5m + l.cache_write_1h)"
#define SQL_ITEMS     "regexp_split_to_array(trim($%d), '\\s*,\\s*')"
/* What the client was told; an answer that broke off after a good status is no good one. */
#define SQL_CODE                                                                             \
	"(case when l.outcome = 'answered' then coalesce(l.client_status, l.status, 200)"        \
	" when coalesce(l.client_status, l.status, 0) >= 400 then coalesce(l.client_status, l.status)" \
	" when l.outcome like 'client_left%' then 499 else 502 end)"
/* date_part: extract() computes in numeric, which costs more than all the rest of a report. */
#define SQL_LATENCY_US "round(date_part('epoch', l.finished_at - l.received_at) * 1000000)::bigint"

#define SQL_EDGE_COLUMNS                                                                     \
	"l.is_final::int::bigint as requests, l.cost_nusd as cost, " SQL_TOKENS_IN " as tin,"     \
	" l.output_total as tout, l.family, " SQL_MODEL " as model, l.api_key_id, l.workspace_id"
#define SQL_SUM_COLUMNS                                                                      \
	"l.requests, l.cost_nusd as cost, l.input_total as tin, l.output_total as tout, l.family," \
	" l.model, nullif(l.api_key_id, 0) as api_key_id, nullif(l.workspace_id, 0) as workspace_id"
#define SQL_RAW_COLUMNS                                                                      \
	SQL_EDGE_COLUMNS ", l.received_at as at, " SQL_CODE " as code,"                          \
	" l.is_final and l.outcome <> 'answered' as is_error, " SQL_LATENCY_US " as latency_us," \
	" l.metadata ->> '_user' as usr, l.provider_slug as provider, l.provider_id, l.cache_status," \
	" l.attempt, l.outcome = 'answered' as answered, l.trace_id, l.request_id, l.price_id,"     \
	" l.config_id"
/* The ids of configs that a list ($%d) names by slug or id. */
#define SQL_CONFIGS_NAMED                                                                    \
	"array(select id from aigate.config where organisation_id = $1 and (slug = any (" SQL_ITEMS ")" \
	" or uuid::text = any (" SQL_ITEMS ")))"
#define SQL_CONFIG_SLUG(id)                                                                  \
	"(select " SQL_SLUG("g.slug") " from aigate.config g where g.id = " id ")"

#define SQL_WORKSPACE_DEFAULT                                                                \
	"select id from aigate.workspace where organisation_id = $1 and status = 'active' and is_default"

/* Feedback once each, at the first request of its trace. */
#define SQL_FEEDBACK                                                                         \
	"f as (select distinct on (fb.id) fb.id, fb.value, fb.weight, s.n, s.model from s"       \
	" join aigate.feedback fb on fb.workspace_id = s.workspace_id and fb.trace_id = s.trace_id" \
	" where s.requests = 1 order by fb.id, s.at)"
/* What the traces of the time are thought of. */
#define SQL_FEEDBACK_BY_TRACE                                                                \
	"fb as (select workspace_id, trace_id, avg(value * weight) as score from aigate.feedback" \
	" where organisation_id = $1 group by workspace_id, trace_id)"

/* Requests that an attempt after the first one saved, and whether another provider did. */
#define SQL_RESCUED                                                                          \
	"r as (select n, attempt, exists (select from aigate.ledger e where e.request_id = s.request_id" \
	" and e.received_at = s.at and e.attempt < s.attempt"                                    \
	" and e.provider_id is distinct from s.provider_id) as is_fallback from s"               \
	" where requests = 1 and answered and attempt > 1)"

/* Hits of our own cache and what their tokens would have cost, pico-dollars. */
#define SQL_HITS                                                                             \
	"h as (select s.n, s.cache_status, s.latency_us, s.tin * coalesce(p.in_pusd, 0)::numeric" \
	" + s.tout * coalesce(p.out_pusd, 0)::numeric as saved from s"                           \
	" left join aigate.price p on p.id = s.price_id where s.requests = 1 and s.cache_status <> 0)"

#endif
