/* sql_logs.h - statements about logs of single requests, their exports, and feedback. */
#ifndef AG_CONTROL_SQL_LOGS_H
#define AG_CONTROL_SQL_LOGS_H

#include "control/sql_analytics.h"

/* A body that is kept, as a member of request or response; null: none is. */
#define SQL_LOG_BODY(part)                                                                   \
	"(select jsonb_build_object('body', aigate.body_value(b." part "), 'body_bytes', b." part "_bytes)" \
	" || case when b.is_" part "_cut then '{\"body_truncated\": true}'::jsonb else '{}' end"  \
	" from aigate.request_body b where b.request_id = l.request_id and b.attempt = l.attempt" \
	" and b.received_at = l.received_at) as " part

/* Rows of what the gateway served and of what clients told, in one shape, x.  A request costs what all
 * of its attempts cost. */
#define SQL_LOGS                                                                             \
	"(select l.request_id as uuid, l.received_at as at, l.organisation_id, l.workspace_id, l.api_key_id," \
	" l.trace_id, l.span_id, null::text as span_name, null::text as parent_span_id,"         \
	" case l.endpoint when 'complete' then '/v1/completions' when 'embed' then '/v1/embeddings'" \
	" else '/v1/chat/completions' end as url, 'POST' as method, l.family as org, " SQL_MODEL " as model," \
	" " SQL_TOKENS_IN " as tin, l.output_total as tout,"                                     \
	" case when l.attempt = 1 then l.cost_nusd::numeric else (select sum(e.cost_nusd) from aigate.ledger e" \
	" where e.request_id = l.request_id and e.received_at = l.received_at) end as cost,"     \
	" trim_scale(round(" SQL_LATENCY_US "::numeric / 1000, 3)) as ms, " SQL_CODE " as code,"  \
	" l.outcome = 'answered' as is_success, l.is_stream, coalesce(l.metadata, '{}') as metadata," \
	" l.cache_status, l.attempt - 1 as retries, l.provider_slug as provider,"                \
	" l.config_id, false as is_told, " SQL_LOG_BODY("request") ", " SQL_LOG_BODY("response")               \
	" from aigate.ledger l where l.is_final"                                                 \
	" union all select c.uuid, c.created_at, c.organisation_id, c.workspace_id, c.api_key_id," \
	" c.trace_id, c.span_id, c.span_name, c.parent_span_id, c.request_url, c.request_method," \
	" c.family, c.model, c.input_tokens, c.output_tokens, 0::numeric, c.response_time_ms::numeric," \
	" c.status, c.status between 200 and 299, c.is_stream, c.metadata, 0, 0, '',"            \
	" null::bigint, true, c.request, c.response from aigate.custom_log c) x"

#define SQL_LOG_REQUEST_WITH(bodies)                                                         \
	"coalesce(" bodies ", '{}') || jsonb_build_object('url', x.url, 'method', x.method)"
#define SQL_LOG_RESPONSE_WITH(bodies)                                                        \
	"coalesce(" bodies ", '{}') || jsonb_build_object('status', x.code, 'responseTime', x.ms)"
#define SQL_LOG_REQUEST  SQL_LOG_REQUEST_WITH("x.request")
#define SQL_LOG_RESPONSE SQL_LOG_RESPONSE_WITH("x.response")
/* What the gateway kept is for whoever may view logs ($4 is 0), and for the key that asked ($4). */
#define SQL_LOG_SHOWN(part)                                                                  \
	"case when x.is_told or $4::bigint = 0 or x.api_key_id = $4 then x." part " end"
#define SQL_LOG_ORG  "(select uuid from aigate.organisation where id = x.organisation_id)"
#define SQL_LOG_WORKSPACE                                                                    \
	"(select " SQL_SLUG("w.slug") " from aigate.workspace w where w.id = x.workspace_id)"

/* Of the keys of a person alone. */
#define SQL_LOG_OF_PERSON(p) "x.api_key_id in (select id from aigate.api_key where user_id = " p "::bigint)"
/* What a request carried along, as two lists; none where it is kept from the caller ($6). */
#define SQL_LOG_PAIRS(side)                                                                  \
	"(select coalesce(json_agg(" side " order by key), '[]') from jsonb_each_text(x.metadata) where $6::bigint = 0)"

/* $1 organisation, $2 workspace or 0, $3 the log, $4 see SQL_LOG_SHOWN, $5 a person whose keys' logs alone, or 0,
 * $6 1: without metadata */
#define SQL_LOG_GET                                                                          \
	"select json_build_object('_id', x.uuid, 'id', x.uuid, 'organisation_id', " SQL_LOG_ORG   \
	", 'created_at', " SQL_TIME("x.at") ", 'request', " SQL_LOG_REQUEST_WITH(SQL_LOG_SHOWN("request")) " || jsonb_build_object(" \
	"'portkeyHeaders', '{}'::jsonb), 'response', " SQL_LOG_RESPONSE_WITH(SQL_LOG_SHOWN("response")) " || jsonb_build_object("  \
	"'lastUsedOptionJsonPath', 'config'), 'metrics', json_build_object('id', x.uuid,"        \
	" 'organisation_id', " SQL_LOG_ORG ", 'created_at', " SQL_TIME("x.at")                    \
	", 'is_success', x.is_success, 'ai_org', x.org, 'ai_model', x.model, 'req_units', x.tin," \
	" 'res_units', x.tout, 'total_units', x.tin + x.tout, 'cost', " SQL_LOG_CENTS            \
	", 'cost_currency', 'USD', 'request_url', x.url, 'request_method', x.method,"            \
	" 'response_status_code', x.code, 'response_time', x.ms, 'cache_status',"                \
	" case x.cache_status when 0 then 'MISS' when 2 then 'SEMANTIC HIT' else 'HIT' end,"     \
	" 'stream_mode', x.is_stream::int, 'retry_success_count', case when x.is_success then x.retries else 0 end," \
	" 'trace_id', x.trace_id, 'span_id', x.span_id, 'span_name', x.span_name,"               \
	" 'parent_span_id', x.parent_span_id, 'config', " SQL_CONFIG_SLUG("x.config_id") ", 'config_id'," \
	" (select uuid from aigate.config where id = x.config_id), 'virtual_key', nullif(x.provider, ''),"            \
	" 'workspace_slug', " SQL_LOG_WORKSPACE ", 'api_key_id', (select uuid from aigate.api_key" \
	" where id = x.api_key_id), 'metadata.key', " SQL_LOG_PAIRS("key") ", 'metadata.value'," \
	SQL_LOG_PAIRS("value") "), 'finalUntransformedRequest', null,"                           \
	" 'transformedRequest', null, 'originalResponse', null, 'object', 'log')"                \
	" from " SQL_LOGS " where x.organisation_id = $1 and ($2::bigint = 0 or x.workspace_id = $2)" \
	" and x.uuid = $3::uuid and ($5::bigint = 0 or " SQL_LOG_OF_PERSON("$5") ") limit 1"
#define SQL_LOG_CENTS "trim_scale(round(x.cost / 10000000, 7))"

/* $1 organisation, $2 workspace, $3 key or 0, $4 array of rows.  Names in the order given. */
#define SQL_LOG_INSERT                                                                       \
	"with i as (insert into aigate.custom_log (organisation_id, workspace_id, api_key_id, trace_id," \
	" span_id, span_name, parent_span_id, request_url, request_method, family, model, status," \
	" is_stream, response_time_ms, input_tokens, output_tokens, request, response, metadata)" \
	" select $1, $2, nullif($3::bigint, 0), v ->> 'trace_id', v ->> 'span_id', v ->> 'span_name'," \
	" v ->> 'parent_span_id', v ->> 'url', v ->> 'method', v ->> 'provider', v ->> 'model',"  \
	" (v ->> 'status')::int, (v ->> 'is_stream')::boolean, (v ->> 'ms')::bigint, (v ->> 'tin')::bigint," \
	" (v ->> 'tout')::bigint, v -> 'request', v -> 'response', v -> 'metadata'"              \
	" from jsonb_array_elements($4::jsonb) with ordinality t(v, n) order by n returning id, uuid)" \
	" select json_agg(uuid order by id) from i"

/* ---- feedback ---- */

/* $1 organisation, $2 workspace, $3 key or 0, $4 array of {trace_id, value, weight, metadata} */
#define SQL_FEEDBACK_INSERT                                                                  \
	"with i as (insert into aigate.feedback (organisation_id, workspace_id, api_key_id, trace_id," \
	" value, weight, metadata) select $1, $2, nullif($3::bigint, 0), v ->> 'trace_id',"       \
	" (v ->> 'value')::smallint, (v ->> 'weight')::numeric, v -> 'metadata'"                 \
	" from jsonb_array_elements($4::jsonb) with ordinality t(v, n) order by n returning id, uuid)" \
	" select json_agg(uuid order by id) from i"

#define SQL_FEEDBACK_OBJECT                                                                  \
	"json_build_object('_id', id, 'id', uuid, 'trace_id', trace_id, 'value', value, 'weight', weight," \
	" 'metadata', metadata)"
/* $1 organisation, $2 workspace, $3 the feedback */
#define SQL_FEEDBACK_GET                                                                     \
	"select " SQL_FEEDBACK_OBJECT " from aigate.feedback where organisation_id = $1 and workspace_id = $2" \
	" and uuid::text = lower($3) for update"
/* $1 id, $2 {value, weight, metadata}, what is absent stays */
#define SQL_FEEDBACK_UPDATE                                                                  \
	"update aigate.feedback set value = coalesce(($2::jsonb ->> 'value')::smallint, value),"  \
	" weight = coalesce(($2::jsonb ->> 'weight')::numeric, weight),"                         \
	" metadata = coalesce($2::jsonb -> 'metadata', metadata), updated_at = now()"            \
	" where id = $1 returning " SQL_FEEDBACK_OBJECT

/* ---- exports ---- */

#define SQL_EXPORT_OBJECT                                                                    \
	"json_build_object('_id', e.id, '_workspace', e.workspace_id, '_whole_us', case when e.status = 'success'" \
	" then (extract(epoch from e.finished_at) * 1000000)::bigint end, 'id', e.uuid, 'organisation_id'," \
	" (select uuid from aigate.organisation where id = e.organisation_id), 'filters', e.filters," \
	" 'requested_data', e.requested_data, 'format', e.format, 'status', e.status,"           \
	" 'description', e.description, 'error', e.error, 'total', e.total,"                     \
	" 'total_records', e.total_records, 'bytes', e.bytes, 'created_at', " SQL_TIME("e.created_at") \
	", 'last_updated_at', " SQL_TIME("e.updated_at") ", 'created_by', (select uuid from aigate.api_key" \
	" where id = e.api_key_id), 'workspace_id', (select uuid from aigate.workspace"          \
	" where id = e.workspace_id), 'object', 'export')"

/* $1 organisation, $2 workspace, $3 key or 0, $4 description, $5 filters, $6 fields, $7 format, $8 total,
 * $9 key for downloads, $10 a person whose keys' logs alone, or 0 */
#define SQL_EXPORT_INSERT                                                                    \
	"insert into aigate.log_export as e (organisation_id, workspace_id, api_key_id, description," \
	" filters, requested_data, format, total, download_key, only_user_id) values ($1, $2,"   \
	" nullif($3::bigint, 0), $4, $5::jsonb, $6::jsonb, $7, $8, $9::bytea, nullif($10::bigint, 0)) returning " SQL_EXPORT_OBJECT

/* $1 organisation, $2 workspace or 0, $3 the export, $4 a person whose exports alone, or 0 */
#define SQL_EXPORT_GET                                                                       \
	"select " SQL_EXPORT_OBJECT " from aigate.log_export e where e.organisation_id = $1"      \
	" and ($2::bigint = 0 or e.workspace_id = $2) and e.uuid::text = lower($3)"             \
	" and ($4::bigint = 0 or e.only_user_id = $4)"
#define SQL_EXPORT_LOCK SQL_EXPORT_GET " for update"

/* $1 organisation, $2 workspace, $3 limit, $4 offset, $5 as $4 of SQL_EXPORT_GET */
#define SQL_EXPORT_LIST SQL_PAGE(                                                            \
	"select * from aigate.log_export where organisation_id = $1 and workspace_id = $2"       \
	" and ($5::bigint = 0 or only_user_id = $5)",                                            \
	"(with e as (select p.*) select " SQL_EXPORT_OBJECT " from e)", "$3", "$4")

/* $1 id, $2 filters or null, $3 fields or null, $4 total, $5 format or null, $6 description or null, $7 as $10
 * of SQL_EXPORT_INSERT */
#define SQL_EXPORT_UPDATE                                                                    \
	"update aigate.log_export as e set filters = coalesce($2::jsonb, filters),"              \
	" requested_data = coalesce($3::jsonb, requested_data), total = $4, format = coalesce($5, format)," \
	" description = coalesce($6, description), only_user_id = nullif($7::bigint, 0), status = 'draft'," \
	" error = null, total_records = 0,"                                                      \
	" bytes = 0, updated_at = now() where id = $1 returning " SQL_EXPORT_OBJECT

#define SQL_EXPORT_START                                                                     \
	"update aigate.log_export as e set status = 'in_progress', started_at = now(), finished_at = null," \
	" error = null, total_records = 0, bytes = 0, updated_at = now() where id = $1 returning " \
	SQL_EXPORT_OBJECT
#define SQL_EXPORT_STOP                                                                      \
	"update aigate.log_export as e set status = 'stopped', finished_at = now(), updated_at = now()" \
	" where id = $1 returning " SQL_EXPORT_OBJECT

/* The one that waits longest. */
#define SQL_EXPORT_NEXT                                                                      \
	"select id, uuid, organisation_id, workspace_id, filters, requested_data, format,"       \
	" (extract(epoch from created_at) * 1000000)::bigint, coalesce(only_user_id, 0)"         \
	" from aigate.log_export where status = 'in_progress' order by started_at, id limit 1"
/* $1 id, $2 records, $3 bytes, $4 why it failed or null; not when it was stopped meanwhile */
#define SQL_EXPORT_END                                                                       \
	"update aigate.log_export set status = case when $4::text is null then 'success' else 'failed' end," \
	" total_records = $2, bytes = $3, error = $4, finished_at = now(), updated_at = now()"   \
	" where id = $1 and status = 'in_progress'"

/* $1 lifetime in microseconds: whose files are to go */
#define SQL_EXPORT_DUE                                                                       \
	"select id, uuid, format from aigate.log_export where status = 'success'"                \
	" and finished_at < now() - $1::bigint * interval '1 microsecond'"                       \
	" order by finished_at limit 100 for update skip locked"
#define SQL_EXPORT_EXPIRED                                                                   \
	"update aigate.log_export set status = 'expired', updated_at = now() where id = $1"

#define SQL_EXPORT_FILE                                                                      \
	"select uuid, format, status, download_key from aigate.log_export where uuid::text = lower($1)"

#endif
