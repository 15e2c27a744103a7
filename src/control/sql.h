/* sql.h - every statement of the control process, bound, by noun.
 *
 * Objects are made by PostgreSQL in the form the API shows them; members whose name begins with
 * an underscore are for us and leave before the answer does. */
#ifndef AG_CONTROL_SQL_H
#define AG_CONTROL_SQL_H

#define SQL_TIME(col) "to_char(" col " at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
#define SQL_EPOCH_US(col) "coalesce((extract(epoch from " col ") * 1000000)::bigint, 9223372036854775807)"
/* A deleted row keeps its slug with a mark behind it, so that the slug is free again. */
#define SQL_SLUG(col) "split_part(" col ", '~', 1)"

/* One page of the rows of `f` (with column id) as {total, data}; $limit and $offset are the
 * numbers of parameters. */
#define SQL_PAGE(with_f, object, limit, offset)                                             \
	"with f as (" with_f "), p as (select * from f order by id desc limit " limit           \
	" offset " offset ") select json_build_object('object', 'list',"                        \
	" 'total', (select count(*) from f),"                                                   \
	" 'data', coalesce((select json_agg(" object " order by p.id desc) from p), '[]'))"

/* ---- all ---- */

/* Actor of an operator: by slug or uuid; the only one when $1 is null. */
/* By slug or uuid, or by a name that is nobody's slug. */
#define SQL_ORG_FIND                                                                         \
	"select o.id from aigate.organisation o where o.status = 'active'"                       \
	" and ($1::text is null or o.slug = $1 or o.uuid::text = lower($1) or (o.name = $1"      \
	" and not exists (select from aigate.organisation s where s.status = 'active' and s.slug = $1))) limit 2"

/* A change about to be committed holds the lock until it is seen by all; a load asks for all of it first, and so
 * begins behind every COMMIT that was under way, its own predecessor's too. */
#define AG_LOCK_CHANGES "4702958313379115841" /* any number nobody else uses */
#define SQL_CHANGE_LOCK "select pg_advisory_xact_lock_shared(" AG_LOCK_CHANGES ")"
#define SQL_LOAD_LOCK   "select pg_advisory_xact_lock(" AG_LOCK_CHANGES ")"

/* ---- meters ---- */

#define SQL_METER_OWNERS                                                                     \
	"select distinct on (meter_id) meter_id, owner from aigate.v_budget"                     \
	" where meter_id = any ($1::bigint[]) and owner is not null order by meter_id"

#define SQL_METERS_OF                                                                        \
	"select scope_id, id, kind, unit from aigate.meter"                                      \
	" where level = $1 and retired_at is null"                                               \
	" and scope_id = any (array(select jsonb_array_elements_text($2::jsonb)::bigint)) order by id"

#define SQL_METER_COLUMNS                                                                    \
	"id, level, scope_id, kind, unit, limit_amount,"                                         \
	" coalesce(alert_amount, 9223372036854775807), coalesce(window_us, 0), period_kind,"     \
	" coalesce(period_days, 0), coalesce(anchor_date - date '1970-01-01', 0), resets,"       \
	" enforcement, on_exhaust"

#define SQL_METERS_LOCK                                                                      \
	"select " SQL_METER_COLUMNS " from aigate.meter"                                         \
	" where level = $1 and scope_id = $2 and retired_at is null order by id for update"

#define SQL_METER_INSERT                                                                     \
	"insert into aigate.meter (organisation_id, level, scope_id, kind, unit, limit_amount,"  \
	" alert_amount, window_us, period_kind, period_days, anchor_date, enforcement, on_exhaust)" \
	" values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"                                      \
	" case when $9 = 'days' then coalesce(date '1970-01-01' + $11::int, current_date) end, $12, $13)"

#define SQL_METER_UPDATE                                                                     \
	"update aigate.meter set limit_amount = $2, alert_amount = $3, period_kind = $4,"        \
	" period_days = $5, anchor_date = case when $4 = 'days'"                                 \
	" then coalesce(date '1970-01-01' + $6::int, anchor_date, current_date) end,"            \
	" resets = resets + $7, enforcement = $9, on_exhaust = $10, updated_at = now(),"          \
	/* $8 is what is settled: a limit raised above it arms both alerts anew, see alerts.h */  \
	" exhausted_arming = exhausted_arming + ($2 > limit_amount and $2 > $8)::int,"           \
	" threshold_arming = threshold_arming + (($2 > limit_amount and $2 > $8)"                \
	" or coalesce($3, 9223372036854775807) > coalesce(alert_amount, 9223372036854775807))::int" \
	" where id = $1"

#define SQL_METER_RETIRE                                                                     \
	"update aigate.meter set retired_at = now(), updated_at = now() where id = $1"

/* All meters of what belongs to a workspace ($1) that goes: its own, its providers', its grants'. */
#define SQL_METERS_RETIRE_WORKSPACE                                                          \
	"update aigate.meter m set retired_at = now(), updated_at = now()"                       \
	" where retired_at is null and ((level = 'workspace' and scope_id = $1)"                 \
	" or (level = 'key' and scope_id in (select id from aigate.api_key where workspace_id = $1))" \
	" or (level = 'grant' and scope_id in"                                                   \
	" (select id from aigate.integration_workspace where workspace_id = $1))"                \
	" or (level = 'provider' and scope_id in"                                                \
	" (select id from aigate.provider where workspace_id = $1))) returning id"

#define SQL_METERS_RETIRE_INTEGRATION                                                        \
	"update aigate.meter m set retired_at = now(), updated_at = now()"                       \
	" where retired_at is null and ((level = 'grant' and scope_id in"                        \
	" (select id from aigate.integration_workspace where integration_id = $1))"              \
	" or (level = 'provider' and scope_id in (select p.id from aigate.provider p"            \
	" join aigate.integration_workspace g on g.id = p.integration_workspace_id"              \
	" where g.integration_id = $1))) returning id"

/* ---- alerts ---- */

/* $1: array of what alerts.c found.  One row each, unless it stands already; a period that is over
 * has each kind once, whatever was armed since.  Returns those made. */
#define SQL_ALERT_RAISE                                                                      \
	"insert into aigate.alert (organisation_id, meter_id, period, kind, arming, reason, level," \
	" scope_id, scope_uuid, scope_name, workspace_id, unit, limit_amount, alert_amount, settled," \
	" held, period_ends_at, value_key)"                                                      \
	" select m.organisation_id, m.id, d.period, d.kind, case d.kind when 'threshold'"        \
	" then m.threshold_arming else m.exhausted_arming end, d.reason, m.level, m.scope_id,"   \
	" s.uuid, coalesce(s.name, m.level || ' ' || m.scope_id), s.workspace_id, m.unit,"       \
	" d.limit_amount, d.alert_amount, d.settled, d.held,"                                    \
	" timestamptz 'epoch' + d.ends_us * interval '1 microsecond',"                           \
	" (select value_key from aigate.policy_entity where meter_id = d.meter_id)"              \
	" from jsonb_to_recordset($1::jsonb) as d(meter_id bigint, policy_id bigint, period bigint," \
	" kind text, reason text, is_closed boolean, settled bigint, held bigint,"               \
	" limit_amount bigint, alert_amount bigint, ends_us bigint) cross join lateral ("        \
	"select id, organisation_id, level, scope_id, unit, threshold_arming, exhausted_arming"  \
	" from aigate.meter where id = d.meter_id union all select d.meter_id, organisation_id," \
	" 'policy', id, unit, threshold_arming, exhausted_arming from aigate.policy"             \
	" where id = d.policy_id) m left join lateral ("                                         \
	"select uuid, name, workspace_id from aigate.api_key where m.level = 'key' and id = m.scope_id" \
	" union all select uuid, name, id from aigate.workspace where m.level = 'workspace'"     \
	" and id = m.scope_id union all select i.uuid, i.name, g.workspace_id"                   \
	" from aigate.integration_workspace g join aigate.integration i on i.id = g.integration_id" \
	" where m.level = 'grant' and g.id = m.scope_id"                                         \
	" union all select uuid, name, workspace_id from aigate.provider where m.level = 'provider'" \
	" and id = m.scope_id union all select uuid, name, null from aigate.organisation"        \
	" where m.level = 'organisation' and id = m.scope_id"                                    \
	" union all select uuid, name, workspace_id from aigate.policy where m.level = 'policy'" \
	" and id = m.scope_id) s on true"                                                        \
	" where not d.is_closed or not exists (select from aigate.alert x where x.meter_id = d.meter_id" \
	" and x.period = d.period and x.kind = d.kind)"                                          \
	" on conflict (meter_id, period, kind, arming) do nothing returning id"

#define SQL_AMOUNT(unit, col)                                                                \
	"case " unit " when 'nusd' then trim_scale(" col " / 1000000000::numeric) else " col "::numeric end"

/* What waits: id, webhook taken, command taken, the text to deliver or null when it is not time. */
#define SQL_ALERT_DUE                                                                        \
	"select a.id, a.webhook_at is not null, a.command_at is not null,"                       \
	" case when a.next_attempt_at > now() then null when a.kind = 'rotated' then"            \
	" json_build_object('object', 'alert', 'id', a.uuid, 'kind', a.kind, 'reason', a.reason," \
	" 'scope', 'api_key', 'scope_id', a.scope_uuid, 'name', a.scope_name, 'organisation_id', o.uuid," \
	" 'workspace_id', w.uuid, 'workspace', w.slug, 'key_transition_expires_at', "            \
	SQL_TIME("a.transition_ends_at") ", 'created_at', " SQL_TIME("a.created_at")             \
	", 'alert_emails', (select to_json(k.alert_emails) from aigate.api_key k where k.id = a.scope_id))" \
	" else json_build_object('object', 'alert', 'id', a.uuid, 'kind', a.kind, 'reason', a.reason, 'scope', case a.level when 'key' then 'api_key'"   \
	" when 'grant' then 'integration' else a.level end, 'scope_id', a.scope_uuid,"           \
	" 'name', a.scope_name, 'value_key', a.value_key, 'organisation_id', o.uuid, 'workspace_id', w.uuid,"              \
	" 'workspace', w.slug, 'type', case a.unit when 'nusd' then 'cost' else a.unit end,"     \
	" 'credit_limit', " SQL_AMOUNT("a.unit", "a.limit_amount")                               \
	", 'alert_threshold', " SQL_AMOUNT("a.unit", "a.alert_amount")                           \
	", 'current_usage', " SQL_AMOUNT("a.unit", "a.settled")                                  \
	", 'held', " SQL_AMOUNT("a.unit", "a.held")                                              \
	", 'next_usage_reset_at', " SQL_TIME("a.period_ends_at") ", 'created_at', " SQL_TIME("a.created_at") \
	", 'alert_emails', (select to_json(k.alert_emails) from aigate.api_key k"                \
	" where a.level = 'key' and k.id = a.scope_id)) end"                                     \
	" from aigate.alert a left join aigate.organisation o on o.id = a.organisation_id"       \
	" left join aigate.workspace w on w.id = a.workspace_id"                                 \
	" where a.delivered_at is null and a.created_at > now() - interval '1 day'"              \
	" order by a.next_attempt_at, a.id limit 16"

/* $1 id, $2 webhook took it, $3 command took it, $4 all did, $5 why not */
#define SQL_ALERT_OUTCOME                                                                    \
	"update aigate.alert set attempts = attempts + 1,"                                       \
	" webhook_at = case when $2 then coalesce(webhook_at, now()) else webhook_at end,"       \
	" command_at = case when $3 then coalesce(command_at, now()) else command_at end,"       \
	" delivered_at = case when $4 then coalesce(delivered_at, now()) end, last_error = $5,"  \
	" next_attempt_at = now() + least(3600, 2 ^ least(attempts, 12)) * (0.75 + random() / 2)" \
	" * interval '1 second' where id = $1"

/* ---- workspaces ---- */

/* Its own guardrails, its default config; null when it has none. */
#define SQL_WORKSPACE_GUARDRAILS(w)                                                          \
	"(select json_agg(g.slug order by d.position) from aigate.guardrail_default d"           \
	" join aigate.guardrail g on g.id = d.guardrail_id where d.workspace_id = " w ".id)"
#define SQL_WORKSPACE_CONFIG(w)                                                              \
	"(select slug from aigate.config where workspace_id = " w ".id and is_default and status = 'active')"

#define SQL_WORKSPACE_OBJECT(w)                                                              \
	"json_build_object('_id', " w ".id, '_version', " w ".xmin::text, 'id', " w ".uuid, 'slug', " SQL_SLUG(w ".slug")      \
	", 'name', " w ".name, 'icon', " w ".icon, 'description', " w ".description,"            \
	" 'created_at', " SQL_TIME(w ".created_at") ", 'last_updated_at', " SQL_TIME(w ".updated_at") \
	", 'defaults', case when coalesce(" w ".metadata::text, " w ".user_config_id::text, "    \
	SQL_WORKSPACE_GUARDRAILS(w) "::text, " SQL_WORKSPACE_CONFIG(w) ") is null then null"     \
	" else json_build_object('metadata', " w ".metadata, 'is_default', " w ".is_default::int," \
	" 'input_guardrails', coalesce(" SQL_WORKSPACE_GUARDRAILS(w) ", '[]'::json),"            \
	" 'output_guardrails', '[]'::json, 'config_id', " SQL_WORKSPACE_CONFIG(w)                \
	", 'user_api_key_config', (select slug from aigate.config where id = " w ".user_config_id)," \
	" 'object', 'workspace') end,"                                                           \
	" 'is_default', " w ".is_default::int, 'scim_source_id', null,"                          \
	" 'usage_limits', " w ".usage_limits, 'rate_limits', " w ".rate_limits,"                 \
	" 'security_settings', " w ".security_settings, 'settings', json_build_object("                       \
	"'debug_log', (" w ".body_log <> 'off')::int, 'body_log', " w ".body_log, 'redact', " w ".body_redact," \
	" 'redact_patterns', " w ".body_patterns, 'user_api_key_ttl', coalesce(" w ".user_key_ttl_days, 0)," \
	" 'user_key_metadata', case when " w ".user_key_metadata is null then '0'"               \
	" when " w ".user_key_metadata = 'true' then '1' else " w ".user_key_metadata end,"      \
	" 'user_api_key_count', coalesce(" w ".user_key_count, -1),"                             \
	" 'user_api_key_max_ttl', coalesce(" w ".user_key_max_ttl_days, 0),"                     \
	" 'user_key_metadata_override', " w ".user_key_metadata_override::int),"                 \
	" 'status', " w ".status, 'object', 'workspace')"

/* $1 organisation, $2 name contains, $3 exact name, $4 JSON array of states, $5 only this id, $6 limit, $7 offset */
#define SQL_WORKSPACE_LIST SQL_PAGE(                                                         \
	"select *, xmin from aigate.workspace where organisation_id = $1"                              \
	" and ($2::text is null or position($2 in name) > 0) and ($3::text is null or name = $3)" \
	" and $4::jsonb ? status and ($5::bigint = 0 or id = $5)",                               \
	SQL_WORKSPACE_OBJECT("p"), "$6", "$7")

#define SQL_WORKSPACE_FIND                                                                   \
	"select id, uuid, slug, name from aigate.workspace"                                      \
	" where organisation_id = $1 and status = 'active' and (slug = $2 or uuid::text = lower($2))"

#define SQL_WORKSPACE_GET                                                                    \
	"select " SQL_WORKSPACE_OBJECT("w") " from aigate.workspace w where id = $1"

/* What GET of one adds. */
#define SQL_WORKSPACE_MORE                                                                   \
	"select json_build_object('organisation_id', o.uuid, 'last_reset_at', null,"             \
	" 'created_by', null, 'creation_source', 'api', 'users', coalesce((select json_agg(json_build_object(" \
	"'object', 'workspace-user', 'id', u.uuid, 'first_name', u.first_name, 'last_name', u.last_name," \
	" 'email', u.email, 'org_role', u.role, 'role', m.role, 'created_at', " SQL_TIME("m.created_at") \
	", 'last_updated_at', " SQL_TIME("m.updated_at") ", 'status', u.status, 'workspace_id', w.uuid)" \
	" order by m.id) from (select * from aigate.workspace_user where workspace_id = w.id order by id limit 1000) m" \
	" join aigate.app_user u on u.id = m.user_id and u.status = 'active'), '[]'))"           \
	" from aigate.workspace w join aigate.organisation o on o.id = w.organisation_id where w.id = $1"

#define SQL_WORKSPACE_INSERT                                                                 \
	"insert into aigate.workspace (organisation_id, slug, name, description, icon, metadata," \
	" usage_limits, rate_limits, body_log, body_redact, body_patterns)"                      \
	" values ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8::jsonb, coalesce($9, 'off'),"     \
	" coalesce($10::jsonb, '[\"email\", \"card\", \"phone\"]'), coalesce($11::jsonb, '[]')) returning id, uuid"

#define SQL_WORKSPACE_UPDATE                                                                 \
	"update aigate.workspace set name = coalesce($2, name),"                                 \
	" description = case when $3 then $4 else description end,"                              \
	" icon = case when $5 then $6 else icon end,"                                            \
	" metadata = case when $7 then $8::jsonb else metadata end,"                             \
	" usage_limits = case when $9 then $10::jsonb else usage_limits end,"                    \
	" rate_limits = case when $11 then $12::jsonb else rate_limits end,"                     \
	" body_log = coalesce($13, body_log), body_redact = coalesce($14::jsonb, body_redact),"  \
	" body_patterns = coalesce($15::jsonb, body_patterns), updated_at = now()"               \
	" where id = $1 returning usage_limits, rate_limits"

/* A provider whose access was withdrawn serves nobody, so it keeps nobody. */
#define SQL_WORKSPACE_DEPENDENTS                                                             \
	"select (select count(*) from aigate.api_key where workspace_id = $1 and status <> 'deleted')," \
	" (select count(*) from aigate.provider p join aigate.integration_workspace g"           \
	" on g.id = p.integration_workspace_id and g.is_enabled"                                 \
	" where p.workspace_id = $1 and p.status = 'active')"

#define SQL_WORKSPACE_ARCHIVE                                                                \
	"update aigate.workspace set status = 'archived', slug = slug || '~' || id, is_default = false," \
	" updated_at = now() where id = $1"
#define SQL_WORKSPACE_ARCHIVE_PROVIDERS                                                      \
	"update aigate.provider set status = 'archived', slug = slug || '~' || id, updated_at = now()" \
	" where workspace_id = $1 and status = 'active'"
#define SQL_WORKSPACE_ARCHIVE_GRANTS                                                         \
	"update aigate.integration_workspace set is_enabled = false, updated_at = now()"         \
	" where workspace_id = $1"
#define SQL_WORKSPACE_DELETE_KEYS                                                            \
	"update aigate.api_key set status = 'deleted', updated_at = now()"                       \
	" where workspace_id = $1 and status <> 'deleted' returning id"

/* ---- organisation ---- */

#define SQL_ORG_SETTINGS_GET                                                                 \
	"select json_build_object('_id', id, '_version', xmin::text, 'organisation_id', uuid, 'name', name," \
	" 'usage_limits', usage_limits, 'rate_limits', rate_limits,"                             \
	" 'api_key_metadata_schema', settings -> 'api_key_metadata_schema',"                     \
	" 'workspace_metadata_schema', settings -> 'workspace_metadata_schema',"                 \
	" 'saved_only', coalesce((settings ->> 'saved_only')::boolean, false),"  \
	" 'api_key_max_lifetime_days', settings -> 'api_key_max_lifetime_days',"                 \
	" 'user_api_key_max_lifetime_days', settings -> 'user_api_key_max_lifetime_days',"       \
	" 'last_updated_at', " SQL_TIME("updated_at") ", 'object', 'organisation-settings')"     \
	" from aigate.organisation where id = $1"

#define SQL_ORG_SETTINGS_UPDATE                                                              \
	"update aigate.organisation set"                                                         \
	" usage_limits = case when $2 then $3::jsonb else usage_limits end,"                     \
	" rate_limits = case when $4 then $5::jsonb else rate_limits end, updated_at = now()"    \
	" where id = $1 returning usage_limits, rate_limits, uuid"

/* ---- policies ---- */

/* Numbers of enum ag_unit and enum ag_period_kind. */
#define SQL_UNIT_NO(p) "case " p ".unit when 'nusd' then 1 when 'tokens' then 2 else 3 end"
#define SQL_PERIOD_NO(p)                                                                     \
	"case " p ".period_kind when 'monthly' then 2 when 'days' then 3 when 'weekly_monday'"   \
	" then 4 else 0 end"
#define SQL_MODE_NO(p) "case " p ".enforcement when 'adaptive' then 1 when 'shadow' then 2 else 0 end"
/* Columns 3 to 11 of what tells how a meter of a policy is to stand. */
#define SQL_POLICY_METER(p)                                                                  \
	" " p ".id, " SQL_UNIT_NO(p) ", " p ".limit_amount, coalesce(" p ".alert_amount, 9223372036854775807)," \
	" " SQL_PERIOD_NO(p) ", coalesce(" p ".period_days, 0), coalesce(" p ".anchor_date - date '1970-01-01', 0)," \
	" " SQL_MODE_NO(p) ", (" p ".on_exhaust = 'finish')::int"

#define SQL_POLICY_MONEY(p, col)                                                             \
	"case when " p ".unit = 'nusd' then trim_scale(" p "." col "::numeric / 1000000000)"     \
	" else " p "." col "::numeric end"

#define SQL_POLICY_OBJECT(p)                                                                 \
	"(case when " p ".kind = 'usage' then jsonb_build_object('credit_limit', "               \
	SQL_POLICY_MONEY(p, "limit_amount") ", 'type', case " p ".unit when 'nusd' then 'cost' else " p ".unit end," \
	" 'alert_threshold', " SQL_POLICY_MONEY(p, "alert_amount") ", 'periodic_reset',"         \
	" case " p ".period_kind when 'monthly' then 'monthly' when 'weekly_monday' then 'weekly' end," \
	" 'periodic_reset_days', " p ".period_days, '_period', " SQL_PERIOD_NO(p) ","            \
	" '_anchor', " p ".anchor_date - date '1970-01-01', 'object', 'policy_usage_limits',"    \
	" 'enforcement', " p ".enforcement) || case " p ".enforcement when 'adaptive' then"      \
	" jsonb_build_object('on_exhaust', " p ".on_exhaust) else '{}' end"                      \
	" else jsonb_build_object('type', " p ".unit, 'unit', case " p ".window_us"              \
	" when 1000000 then 'rps' when 60000000 then 'rpm' when 3600000000 then 'rph'"           \
	" when 86400000000 then 'rpd' when 604800000000 then 'rpw' else 'concurrent' end,"       \
	" 'value', " p ".limit_amount, 'target', 'llm', 'object', 'policy_rate_limits') end"     \
	" || jsonb_build_object('_id', " p ".id, '_version', " p ".xmin::text, '_unit', " SQL_UNIT_NO(p) ", '_limit', " p ".limit_amount," \
	" 'id', " p ".uuid, 'name', " p ".name, 'description', " p ".description,"               \
	" 'conditions', " p ".conditions, 'group_by', " p ".group_by, 'status', " p ".status,"   \
	" 'workspace_id', (select uuid from aigate.workspace where id = " p ".workspace_id),"    \
	" 'organisation_id', (select uuid from aigate.organisation where id = " p ".organisation_id)," \
	" 'created_at', " SQL_TIME(p ".created_at") ", 'last_updated_at', " SQL_TIME(p ".updated_at") "))"

/* $1 organisation, $2 workspace or 0, $3 kind, $4 status, $5 unit or null, $6 window or -1, $7 limit, $8 offset */
#define SQL_POLICY_LIST SQL_PAGE(                                                            \
	"select *, xmin from aigate.policy where organisation_id = $1 and ($2::bigint = 0 or workspace_id = $2)" \
	" and kind = $3 and status = $4 and ($5::text is null or unit = $5)"                     \
	" and ($6::bigint = -1 or coalesce(window_us, 0) = $6)", SQL_POLICY_OBJECT("p"), "$7", "$8")

/* $1 organisation, $2 workspace or 0, $3 kind, $4 uuid */
#define SQL_POLICY_GET                                                                       \
	"select " SQL_POLICY_OBJECT("p") " from aigate.policy p where p.organisation_id = $1"    \
	" and ($2::bigint = 0 or p.workspace_id = $2) and p.kind = $3 and p.uuid::text = lower($4)"

#define SQL_POLICY_COUNT                                                                     \
	"select count(*) from aigate.policy where workspace_id = $1 and status = 'active'"

#define SQL_POLICY_INSERT                                                                    \
	"insert into aigate.policy (organisation_id, workspace_id, kind, name, description, conditions," \
	" group_by, unit, limit_amount, alert_amount, window_us, period_kind, period_days, anchor_date," \
	" enforcement, on_exhaust)"                                                              \
	" values ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8, $9, $10, $11, $12, $13,"         \
	" case when $12 = 'days' then coalesce(date '1970-01-01' + $14::int, current_date) end, $15, $16)" \
	" returning uuid"

#define SQL_POLICY_UPDATE                                                                    \
	"update aigate.policy set name = case when $2 then $3 else name end,"                    \
	" description = case when $4 then $5 else description end,"                              \
	" conditions = coalesce($6::jsonb, conditions), limit_amount = $7, alert_amount = $8,"   \
	/* No value has settled more than the limit: raised, it arms the alerts of all, as of a meter */ \
	" exhausted_arming = exhausted_arming + ($7 > limit_amount)::int,"                       \
	" threshold_arming = threshold_arming + ($7 > limit_amount"                              \
	" or coalesce($8, 9223372036854775807) > coalesce(alert_amount, 9223372036854775807))::int," \
	" window_us = $9, period_kind = $10, period_days = $11, anchor_date = case when $10 = 'days'" \
	" then coalesce(date '1970-01-01' + $12::int, anchor_date, current_date) end,"           \
	" enforcement = $13, on_exhaust = $14, status = coalesce($15, status), updated_at = now()" \
	" where id = $1"

#define SQL_POLICY_ARCHIVE                                                                   \
	"update aigate.policy set status = 'archived', updated_at = now() where id = $1"

/* $1 policy, $2 part of a value key or null.  Last: the latest period whose alerts, as they are
 * armed, have been raised. */
#define SQL_POLICY_VALUES                                                                    \
	"select e.uuid, e.meter_id, e.value_key,"                                                \
	" (select max(period) from aigate.alert where meter_id = e.meter_id and kind = 'threshold'" \
	" and arming = p.threshold_arming),"                                                     \
	" (select max(period) from aigate.alert where meter_id = e.meter_id and kind = 'exhausted'" \
	" and arming = p.exhausted_arming)"                                                      \
	" from aigate.policy_entity e join aigate.policy p on p.id = e.policy_id"                \
	" where e.policy_id = $1 and ($2::text is null or position($2 in e.value_key) > 0) order by e.id"

/* How the meters of a policy are to stand: columns 0 to 9 as of a value. */
#define SQL_POLICY_DEF                                                                       \
	"select 0, 0, ''," SQL_POLICY_METER("p") " from aigate.policy p where p.id = $1"         \
	" and p.kind = 'usage'"

/* $1 policy, $2 value key or null, $3 uuid or null */
#define SQL_POLICY_VALUE_RESET                                                               \
	"with e as (update aigate.policy_entity set resets = resets + 1 where policy_id = $1"    \
	" and ($2::text is null or value_key = $2) and ($3::text is null or uuid::text = lower($3))" \
	" returning *) select e.meter_id, e.resets, e.value_key," SQL_POLICY_METER("p")          \
	" from e join aigate.policy p on p.id = e.policy_id"

/* $1 [{m, p, v}]: meters made on first use. */
#define SQL_POLICY_VALUES_NOTE                                                               \
	"insert into aigate.policy_entity (meter_id, policy_id, value_key)"                      \
	" select t.m, t.p, t.v from jsonb_to_recordset($1::jsonb) as t(m bigint, p bigint, v text)" \
	" join aigate.policy p on p.id = t.p on conflict (meter_id) do nothing"

#define SQL_POLICY_VALUES_FORGET                                                             \
	"delete from aigate.policy_entity where resets = 0 and meter_id = any"                   \
	" (array(select jsonb_array_elements_text($1::jsonb)::bigint))"

#define SQL_POLICIES_ACTIVE                                                                  \
	"select p.id from aigate.policy p join aigate.workspace w on w.id = p.workspace_id"      \
	" join aigate.organisation o on o.id = w.organisation_id where p.status = 'active'"      \
	" and w.status = 'active' and o.status = 'active' order by p.id"

/* ---- API keys ---- */

#define SQL_KEY_OBJECT(k)                                                                    \
	"json_build_object('_id', " k ".id, '_status', " k ".status, '_user_id', " k ".user_id," \
	" '_workspace_id', " k ".workspace_id, '_since_us', (extract(epoch from"                 \
	" coalesce(" k ".rotated_at, " k ".created_at)) * 1000000)::bigint, '_expired',"         \
	" coalesce(" k ".expires_at <= now(), false), 'id', " k ".uuid, 'key', " k ".key_mask,"  \
	" 'name', " k ".name, 'description', coalesce(" k ".description, ''), 'type', " k ".kind," \
	" 'organisation_id', (select uuid from aigate.organisation where id = " k ".organisation_id)," \
	" 'workspace_id', (select uuid from aigate.workspace where id = " k ".workspace_id),"    \
	" 'user_id', (select uuid from aigate.app_user where id = " k ".user_id),"               \
	" 'status', 'active', 'created_at', " SQL_TIME(k ".created_at")                          \
	", 'last_updated_at', " SQL_TIME(k ".updated_at") ", 'creation_mode', " k ".creation_mode," \
	" 'rate_limits', " k ".rate_limits, 'usage_limits', " k ".usage_limits,"                 \
	" 'reset_usage', null, 'expires_at', " SQL_TIME(k ".expires_at") ", 'last_reset_at', null," \
	" 'next_usage_reset_at', null, 'alert_emails', to_json(" k ".alert_emails),"             \
	" 'expiry_enforced', 0, 'allow_config_override', " k ".allow_config_override::int,"      \
	" 'last_rotated_at', " SQL_TIME(k ".rotated_at") ", 'rotation_policy', " k ".rotation_policy"\
	" || jsonb_build_object('next_rotation_at', " SQL_TIME(k ".next_rotation_at") ")"        \
	", 'new_secret_waiting', " k ".rotation_seed is not null and " k ".secret_told_at is null," \
	" 'key_transition_expires_at', case when " k ".former_expires_at > now() then "          \
	SQL_TIME(k ".former_expires_at") " end, '_version', " k ".xmin::text,"                   \
	" 'api_key_defaults_id', null, 'scopes', to_json(" k ".scopes),"                         \
	" 'defaults', json_build_object('metadata', " k ".metadata, 'config_id', " k ".config_id," \
	" 'allow_config_override', coalesce(" k ".allow_config_override, true)), 'object', 'api-key')"

/* $1 organisation, $2 workspace or 0, $3 JSON array of kinds, $4 JSON array of uuids or null, $5 limit, $6 offset */
#define SQL_KEY_LIST SQL_PAGE(                                                               \
	"select *, xmin from aigate.api_key where organisation_id = $1 and status <> 'deleted'"  \
	" and ($2::bigint = 0 or workspace_id = $2) and $3::jsonb ? kind"                        \
	" and ($4::jsonb is null or $4::jsonb ? uuid::text)", SQL_KEY_OBJECT("p"), "$5", "$6")

#define SQL_KEY_FIND                                                                         \
	"select id, kind, coalesce(workspace_id, 0), uuid from aigate.api_key"                   \
	" where organisation_id = $1 and uuid::text = lower($2) and status <> 'deleted'"

/* A name may stand several times. */
#define SQL_KEY_NAMED                                                                        \
	"select uuid from aigate.api_key where organisation_id = $1 and name = $2"               \
	" and status <> 'deleted' limit 2"

#define SQL_KEY_NAME                                                                         \
	"select uuid, name from aigate.api_key where id = $1 and status <> 'deleted'"

#define SQL_DOLLARS(sum) "trim_scale((" sum ") / 1000000000::numeric)"
#define SQL_USAGE_SUMS(f)                                                                    \
	"'requests', coalesce(sum(" f "requests), 0)::bigint, 'errors', coalesce(sum(" f "errors), 0)::bigint," \
	" 'cost', " SQL_DOLLARS("coalesce(sum(" f "cost_nusd), 0)")                              \
	", 'charged', " SQL_DOLLARS("coalesce(sum(" f "charged_nusd), 0)")                       \
	", 'input_tokens', coalesce(sum(" f "input_total), 0)::bigint,"                          \
	" 'output_tokens', coalesce(sum(" f "output_total), 0)::bigint,"                         \
	" 'cache_read_tokens', coalesce(sum(" f "cache_read), 0)::bigint"

/* $1 key, $2 from, $3 up to: microseconds. */
#define SQL_USAGE_OF_KEY                                                                     \
	"with u as (select (hour at time zone 'UTC')::date as day, family, model, requests, errors," \
	" cost_nusd, charged_nusd, input_total, output_total, cache_read from aigate.usage_hour"  \
	" where api_key_id = $1"                                                                 \
	" and hour >= date_trunc('hour', timestamptz 'epoch' + $2::bigint * interval '1 microsecond')" \
	" and hour < timestamptz 'epoch' + $3::bigint * interval '1 microsecond'),"              \
	" d as (select day, family, model, json_build_object('day', day, 'provider', family,"    \
	" 'model', model, " SQL_USAGE_SUMS("") ") as one from u group by day, family, model)"    \
	" select json_build_object('total', (select json_build_object(" SQL_USAGE_SUMS("u.") ") from u)," \
	" 'data', coalesce((select json_agg(one order by day, family, model) from d), '[]'))"

#define SQL_KEY_GET "select " SQL_KEY_OBJECT("k") " from aigate.api_key k where id = $1"

#define SQL_KEY_INSERT                                                                       \
	"insert into aigate.api_key (organisation_id, workspace_id, user_id, kind, name, description," \
	" key_hash, key_mask, scopes, metadata, allow_config_override, expires_at, usage_limits," \
	" rate_limits, alert_emails) values ($1, nullif($2::bigint, 0), nullif($3::bigint, 0), $4, $5, $6," \
	" $7::bytea, $8, array(select jsonb_array_elements_text($9::jsonb)), $10::jsonb, $11::boolean," \
	" timestamptz 'epoch' + $12::bigint * interval '1 microsecond', $13::jsonb,"             \
	" coalesce($14::jsonb, '[]'), case when $15::jsonb is not null"                          \
	" then array(select jsonb_array_elements_text($15::jsonb)) end) returning id, uuid"

#define SQL_KEY_UPDATE                                                                       \
	"update aigate.api_key set name = coalesce($2, name),"                                   \
	" description = case when $3 then $4 else description end,"                              \
	" scopes = case when $5::jsonb is null then scopes"                                      \
	" else array(select jsonb_array_elements_text($5::jsonb)) end,"                          \
	" metadata = case when $6 then $7::jsonb else metadata end,"                             \
	" allow_config_override = case when $8 then $9::boolean else allow_config_override end," \
	" expires_at = case when $10 then timestamptz 'epoch' + $11::bigint * interval '1 microsecond'" \
	" else expires_at end,"                                                                  \
	" usage_limits = case when $12 then $13::jsonb else usage_limits end,"                   \
	" rate_limits = case when $14 then coalesce($15::jsonb, '[]') else rate_limits end,"     \
	" alert_emails = case when $16 then case when $17::jsonb is not null"                    \
	" then array(select jsonb_array_elements_text($17::jsonb)) end else alert_emails end,"   \
	" updated_at = now() where id = $1 returning usage_limits, rate_limits"

#define SQL_KEY_DELETE                                                                       \
	"update aigate.api_key set status = 'deleted', rotation_seed = null, next_rotation_at = null," \
	" updated_at = now() where id = $1"

#define SQL_USER_FIND                                                                        \
	"select id from aigate.app_user where organisation_id = $1 and uuid::text = lower($2)"   \
	" and status = 'active'"

/* What a workspace w gives the keys of a person u along; null: nothing. */
#define SQL_USER_KEY_METADATA                                                                \
	"case when w.user_key_metadata = 'true' then jsonb_build_object('_user', u.email)"       \
	" else w.user_key_metadata end"
/* The metadata of a key's slot: what overlays that of its requests, and behind a line feed, which JSON of
 * PostgreSQL never holds, what gives way to it (policy/metadata.h). */
#define SQL_KEY_CARRIED                                                                      \
	"case when k.kind <> 'workspace-user' or w.user_key_metadata is null then k.metadata::text" \
	" when w.user_key_metadata_override then coalesce(k.metadata, '{}')::text || E'\\n' || (("  \
	SQL_USER_KEY_METADATA ") - array(select jsonb_object_keys(coalesce(k.metadata, '{}'))))::text" \
	" else (coalesce(k.metadata, '{}') || (" SQL_USER_KEY_METADATA "))::text end"

/* What a key slot holds.  Columns: id, uuid, organisation, workspace, user, kind, hash, scopes,
 * metadata, expiry, whether it is shut, ids of its meters; then those that have names. */
#define KEY_COL_CONFIG        12 /* -1: one that is gone */
#define KEY_COL_CONFIG_LOCKED 13 /* whether that one binds */
#define KEY_COL_ROLE          14 /* of its user in its workspace */
#define KEY_COL_FORMER_HASH   15 /* of the former secret while it works */
#define KEY_COL_FORMER_EXPIRY 16
#define SQL_KEY_SLOTS(ids)                                                                   \
	"select k.id, k.uuid, k.organisation_id, coalesce(k.workspace_id, 0), coalesce(k.user_id, 0)," \
	" k.kind, k.key_hash, k.scopes, " SQL_KEY_CARRIED ", " SQL_EPOCH_US("k.expires_at") ","           \
	" k.status <> 'active' or o.status <> 'active' or coalesce(w.status <> 'active', false)," \
	" " ids ", case when k.config_id is null then 0 else coalesce((select id from aigate.config" \
	" where workspace_id = k.workspace_id and slug = k.config_id), -1) end,"                 \
	" coalesce(not k.allow_config_override, false),"                                         \
	" case when u.role in ('owner', 'admin') then 'admin' else m.role end,"                  \
	" case when k.former_expires_at > now() then k.former_hash end, "                        \
	SQL_EPOCH_US("k.former_expires_at") " from aigate.api_key k"                             \
	" join aigate.organisation o on o.id = k.organisation_id"                                \
	" left join aigate.workspace w on w.id = k.workspace_id"                                 \
	" left join aigate.app_user u on u.id = k.user_id and u.status = 'active'"               \
	" left join aigate.workspace_user m on m.user_id = u.id and m.workspace_id = k.workspace_id"
/* The loader has their meters already. */
#define SQL_KEY_SLOTS_ALL SQL_KEY_SLOTS("null") " where k.status <> 'deleted' order by k.id"
/* $1 JSON array of ids */
#define SQL_KEY_SLOTS_OF                                                                     \
	SQL_KEY_SLOTS("(select array_agg(id order by id) from aigate.meter"                      \
	" where level = 'key' and scope_id = k.id and retired_at is null)")                      \
	" where k.id = any (array(select jsonb_array_elements_text($1::jsonb)::bigint))"         \
	" and k.status <> 'deleted' order by k.id"

/* ---- integrations ---- */

#define SQL_INTEGRATION_SUMMARY(i)                                                           \
	"json_build_object('id', " i ".uuid, 'organisation_id',"                                 \
	" (select uuid from aigate.organisation where id = " i ".organisation_id),"              \
	" 'workspace_id', (select uuid from aigate.workspace where id = " i ".workspace_id),"    \
	" 'ai_provider_id', " i ".family, 'name', " i ".name, 'status', " i ".status,"           \
	" 'created_at', " SQL_TIME(i ".created_at") ", 'last_updated_at', " SQL_TIME(i ".updated_at") \
	", 'slug', " SQL_SLUG(i ".slug") ", 'description', coalesce(" i ".description, ''),"     \
	" 'type', case when " i ".workspace_id is null then 'organisation' else 'workspace' end," \
	" 'object', 'integration')"

/* $1 organisation, $2 workspace to which it must be known or 0, $3 'organisation', 'workspace' or
 * 'all', $4 limit, $5 offset */
#define SQL_INTEGRATION_LIST SQL_PAGE(                                                       \
	"select * from aigate.integration i where organisation_id = $1 and status = 'active'"    \
	" and ($2::bigint = 0 or workspace_id = $2 or (workspace_id is null and exists"          \
	" (select from aigate.integration_workspace g where g.integration_id = i.id"             \
	" and g.workspace_id = $2 and g.is_enabled)))"                                           \
	" and ($3 = 'all' or ($3 = 'organisation') = (workspace_id is null))",                   \
	SQL_INTEGRATION_SUMMARY("p"), "$4", "$5")

#define SQL_INTEGRATION_FIND                                                                 \
	"select id, uuid, coalesce(workspace_id, 0), slug, name, allow_all_models, global_access, family" \
	" from aigate.integration where organisation_id = $1 and status = 'active'"              \
	" and (slug = $2 or uuid::text = lower($2))"

#define SQL_INTEGRATION_DETAIL                                                               \
	"select (" SQL_INTEGRATION_SUMMARY("i") ")::jsonb || jsonb_build_object("                \
	"'_version', i.xmin::text, 'masked_key', key_mask, 'configurations', configurations,"    \
	" 'global_workspace_access_settings', global_access, 'global_workspace_access', global_access," \
	" 'allow_all_models', allow_all_models, 'workspace_count', (select count(*)"             \
	" from aigate.integration_workspace g where g.integration_id = i.id and g.is_enabled),"  \
	" 'secret_mappings', coalesce((select jsonb_agg(jsonb_build_object('target_field', 'key',"  \
	" 'secret_reference_id', s.uuid, 'secret_key', m.secret_key, 'value_format', m.value_format))" \
	" from aigate.integration_secret m join aigate.secret_reference s on s.id = m.secret_reference_id" \
	" where m.integration_id = i.id), '[]'), 'pricing_adjustments', pricing_adjustments)"           \
	" from aigate.integration i where id = $1"

#define SQL_UUID_NEW "select gen_random_uuid()"

#define SQL_INTEGRATION_INSERT                                                               \
	"insert into aigate.integration (uuid, organisation_id, workspace_id, slug, name, family," \
	" description, sealed_key, key_mask, configurations, custom_host)"                       \
	" values ($1::uuid, $2, nullif($3::bigint, 0), $4, $5, $6, $7, $8::bytea, $9, $10::jsonb, $11)" \
	" returning id"

#define SQL_INTEGRATION_UPDATE                                                               \
	"update aigate.integration set name = coalesce($2, name),"                               \
	" description = case when $3 then $4 else description end,"                              \
	" sealed_key = coalesce($5::bytea, sealed_key), key_mask = coalesce($6, key_mask),"      \
	" configurations = coalesce($7::jsonb, configurations),"                                 \
	" custom_host = case when $7::jsonb is null then custom_host else $8 end,"               \
	" updated_at = now() where id = $1"

#define SQL_PRICE_ADJUSTMENT_PUT                                                             \
	"insert into aigate.price_adjustment (multiples) values ($1::jsonb) on conflict do nothing"

/* $1 integration, $2 whether to set, $3 what or null, $4 its multiples in millionths or null */
#define SQL_INTEGRATION_ADJUST                                                               \
	"update aigate.integration set pricing_adjustments = case when $2 then $3::jsonb"       \
	" else pricing_adjustments end, price_adjustment_id = case when $2"                      \
	" then (select id from aigate.price_adjustment where multiples = $4::jsonb)"             \
	" else price_adjustment_id end where id = $1"                                            \
	" returning pricing_adjustments is not null and configurations ->> 'price_multiplier' is not null"

#define SQL_INTEGRATION_ARCHIVE                                                              \
	"update aigate.integration set status = 'archived', slug = slug || '~' || id,"           \
	" sealed_key = null, updated_at = now() where id = $1"
#define SQL_INTEGRATION_ARCHIVE_PROVIDERS                                                    \
	"update aigate.provider set status = 'archived', slug = slug || '~' || id, updated_at = now()" \
	" where status = 'active' and integration_workspace_id in"                               \
	" (select id from aigate.integration_workspace where integration_id = $1)"
#define SQL_INTEGRATION_ARCHIVE_GRANTS                                                       \
	"update aigate.integration_workspace set is_enabled = false, updated_at = now()"         \
	" where integration_id = $1"

/* ---- models of an integration ---- */

#define SQL_MODEL_LIST                                                                       \
	"select json_build_object('object', 'list', 'total', count(m.id), 'allow_all_models',"   \
	" i.allow_all_models, 'models', coalesce(json_agg(json_build_object('slug', m.slug, 'name', m.slug," \
	" 'enabled', m.is_enabled, 'is_custom', m.is_custom, 'is_finetune', m.is_finetune,"      \
	" 'base_model_slug', m.base_model, 'pricing_config', m.pricing_config,"                  \
	" 'created_at', " SQL_TIME("m.created_at") ", 'last_updated_at', " SQL_TIME("m.updated_at") \
	") order by m.slug) filter (where m.id is not null), '[]'::json))"                       \
	" from aigate.integration i left join aigate.integration_model m on m.integration_id = i.id" \
	" where i.id = $1 group by i.id"

#define SQL_MODEL_UPSERT                                                                     \
	"insert into aigate.integration_model (integration_id, slug, is_enabled, is_custom, is_finetune," \
	" base_model, pricing_config) values ($1, $2, $3, coalesce($4::boolean, false),"         \
	" coalesce($5::boolean, false), $6, $8::jsonb) on conflict (integration_id, slug) do update set" \
	" is_enabled = $3, is_custom = coalesce($4::boolean, integration_model.is_custom),"      \
	" is_finetune = coalesce($5::boolean, integration_model.is_finetune),"                   \
	" base_model = coalesce($6, integration_model.base_model),"                              \
	" pricing_config = case when $7 then $8::jsonb else integration_model.pricing_config end," \
	" updated_at = now()"

#define SQL_MODEL_DELETE                                                                     \
	"delete from aigate.integration_model where integration_id = $1 and slug = $2 and is_custom"
#define SQL_MODEL_IS_THERE                                                                   \
	"select is_custom from aigate.integration_model where integration_id = $1 and slug = $2"

#define SQL_ALLOW_ALL_MODELS                                                                 \
	"update aigate.integration set allow_all_models = $2, updated_at = now() where id = $1"

#define SQL_PRICE_INSERT                                                                     \
	"insert into aigate.price (integration_id, family, model, mode, effective_from, in_pusd," \
	" out_pusd, cached_in_pusd, cache_w_5m_pusd, reasoning_pusd, audio_in_pusd, audio_out_pusd," \
	" image_in_pusd, image_out_pusd, source) select $1, i.family, $2, 'chat', clock_timestamp(), $3," \
	" $4, $5, $6, $7, $8, $9, $10, $11, 'pricing_config'"                                    \
	" from aigate.integration i where i.id = $1"

/* ---- grants and providers ---- */

#define SQL_GRANT_LIST                                                                       \
	"select json_build_object('object', 'list', 'total', count(g.id),"                       \
	" 'global_workspace_access', i.global_access, 'workspaces',"                             \
	" coalesce(json_agg(json_build_object('_id', g.id, 'id', w.slug, 'enabled', g.is_enabled," \
	" 'usage_limits', g.usage_limits, 'rate_limits', g.rate_limits, 'created_at',"           \
	" " SQL_TIME("g.created_at") ", 'last_updated_at', " SQL_TIME("g.updated_at")            \
	") order by g.id) filter (where g.id is not null), '[]'::json))"                         \
	" from aigate.integration i left join (aigate.integration_workspace g"                   \
	" join aigate.workspace w on w.id = g.workspace_id and w.status = 'active')"             \
	" on g.integration_id = i.id where i.id = $1 group by i.id"

#define SQL_GRANT_IS_ENABLED                                                                 \
	"select is_enabled from aigate.integration_workspace"                                    \
	" where integration_id = $1 and workspace_id = $2 for update"
/* Of an integration that belongs to one workspace. */
#define SQL_GRANT_OF_ONE                                                                     \
	"select id from aigate.integration_workspace where integration_id = $1"

#define SQL_GRANT_UPSERT                                                                     \
	"insert into aigate.integration_workspace (integration_id, workspace_id, is_enabled, usage_limits," \
	" rate_limits) values ($1, $2, $3, $5::jsonb, $7::jsonb)"                                \
	" on conflict (integration_id, workspace_id) do update set is_enabled = $3,"             \
	" usage_limits = case when $4 then $5::jsonb else integration_workspace.usage_limits end," \
	" rate_limits = case when $6 then $7::jsonb else integration_workspace.rate_limits end," \
	" updated_at = now() returning id, usage_limits, rate_limits"

#define SQL_GRANT_HAS_PROVIDER                                                               \
	"select 1 from aigate.provider where integration_workspace_id = $1 and status = 'active' limit 1"

#define SQL_PROVIDER_INSERT                                                                  \
	"insert into aigate.provider (workspace_id, integration_workspace_id, slug, name, note)" \
	" values ($1, $2, $3, $4, 'Created automatically on integration access grant')"

#define SQL_GLOBAL_ACCESS_SET                                                                \
	"update aigate.integration set global_access = $2::jsonb, updated_at = now() where id = $1"

/* Workspaces a global grant of integration $1 reaches: those without a grant, or all when $3. */
#define SQL_GLOBAL_TARGETS                                                                   \
	"select w.id from aigate.workspace w where w.organisation_id = $2 and w.status = 'active'" \
	" and ($3 or not exists (select from aigate.integration_workspace g"                     \
	" where g.integration_id = $1 and g.workspace_id = w.id)) order by w.id"

/* Integrations of organisation $1 that every new workspace is granted. */
#define SQL_GLOBAL_INTEGRATIONS                                                              \
	"select id, slug, name, global_access from aigate.integration where organisation_id = $1" \
	" and status = 'active' and (global_access ->> 'enabled')::boolean order by id"

#define SQL_PROVIDER_OBJECT(p)                                                               \
	"json_build_object('_id', " p ".id, '_version', " p ".xmin::text, '_expired'," \
	" coalesce(" p ".expires_at <= now(), false), 'id', " p ".uuid, 'name', " p ".name, 'integration_id', i.slug, 'ai_provider_id', i.family," \
	" 'ai_provider_name', i.family, 'note', coalesce(" p ".note, ''), 'status', 'active', 'usage_limits', " p ".usage_limits," \
	" 'reset_usage', null, 'created_at', " SQL_TIME(p ".created_at") ", 'last_updated_at',"  \
	" " SQL_TIME(p ".updated_at") ", 'slug', " p ".slug, 'rate_limits', " p ".rate_limits,"  \
	" 'expires_at', " SQL_TIME(p ".expires_at") ", 'workspace_id', w.uuid, 'object', 'provider')"
#define SQL_PROVIDER_FROM(p)                                                                 \
	" join aigate.integration_workspace g on g.id = " p ".integration_workspace_id"          \
	" join aigate.integration i on i.id = g.integration_id"                                  \
	" join aigate.workspace w on w.id = " p ".workspace_id"

/* $1 workspace, $2 limit, $3 offset */
#define SQL_PROVIDER_LIST                                                                    \
	"with f as (select *, xmin from aigate.provider where workspace_id = $1 and status = 'active')," \
	" p as (select * from f order by id desc limit $2 offset $3)"                            \
	" select json_build_object('object', 'list', 'total', (select count(*) from f), 'data',"    \
	" coalesce((select json_agg(" SQL_PROVIDER_OBJECT("p") " order by p.id desc) from p"     \
	SQL_PROVIDER_FROM("p") "), '[]'))"
#define SQL_PROVIDER_GET                                                                     \
	"select " SQL_PROVIDER_OBJECT("p") " from aigate.provider p" SQL_PROVIDER_FROM("p")      \
	" where p.workspace_id = $1 and p.status = 'active' and (p.slug = $2 or p.uuid::text = lower($2))"

/* ---- organisation ---- */

#define SQL_ORG_INSERT                                                                       \
	"insert into aigate.organisation (slug, name) values ($1, $2) returning id, uuid"

/* ---- loading ---- */

#define SQL_LOAD_METERS                                                                      \
	"select " SQL_METER_COLUMNS " from aigate.meter where retired_at is null order by id"
#define SQL_LOAD_BUDGETS                                                                     \
	"select b.meter_id, b.period, b.settled from aigate.budget_state b"                      \
	" join aigate.meter m on m.id = b.meter_id and m.retired_at is null and m.kind = 'budget'" \
	" order by b.meter_id, b.period"

/* Newest last, so that of too many the oldest fleeting ones go. */
#define SQL_LOAD_OBJECTS                                                                     \
	"select integration_id, object_id, workspace_id, is_fleeting,"                          \
	" (extract(epoch from created_at) * 1000000)::bigint from aigate.provider_object"      \
	" where not is_fleeting or created_at > now() - interval '31 days' order by created_at"

/* Values that were reset by hand: their meters must know how often. */
#define SQL_LOAD_POLICY_RESETS                                                               \
	"select e.meter_id, e.resets, e.value_key," SQL_POLICY_METER("p")                        \
	" from aigate.policy_entity e join aigate.policy p on p.id = e.policy_id"                \
	" and p.status = 'active' where e.resets > 0 order by e.id"
/* What each value of each usage policy has spent. */
#define SQL_LOAD_POLICY_BUDGETS                                                              \
	"select b.meter_id, coalesce(e.resets, 0), coalesce(e.value_key, '')," SQL_POLICY_METER("p") "," \
	" b.period, b.settled from aigate.budget_state b"                                        \
	" join aigate.policy p on p.id = b.policy_id and p.status = 'active' and p.kind = 'usage'" \
	" left join aigate.policy_entity e on e.meter_id = b.meter_id"                           \
	" order by b.meter_id, b.period"
#define SQL_LOAD_POLICIES                                                                    \
	"select p.id, p.uuid, p.workspace_id, p.kind = 'usage', p.window_us, p.conditions, p.group_by," \
	SQL_POLICY_METER("p") " from aigate.policy p where p.status = 'active' order by p.id"

/* Meters that stand on rows of the catalogue. */
#define SQL_LOAD_ENTITY_METERS                                                               \
	"select " SQL_METER_COLUMNS " from aigate.meter where retired_at is null"                \
	" and level in ('workspace', 'grant', 'provider', 'organisation') order by id"
#define SQL_LOAD_ORGS                                                                        \
	"select id, uuid, name, coalesce(settings -> 'saved_only' = 'true', false)"             \
	" from aigate.organisation where status = 'active' order by id"
#define SQL_LOAD_WORKSPACES                                                                  \
	"select w.id, w.uuid, w.slug, w.metadata, w.organisation_id, w.status, w.body_log from aigate.workspace w" \
	" join aigate.organisation o on o.id = w.organisation_id and o.status = 'active'"        \
	" where w.status = 'active' order by w.id"
#define SQL_LOAD_INTEGRATIONS                                                                \
	"select i.id, i.uuid, i.slug, i.family, i.custom_host, i.sealed_key, i.configurations,"  \
	" i.allow_all_models, to_json(coalesce(i.pricing_adjustments -> 'multiplier' ->> 'default'," \
	" i.configurations ->> 'price_multiplier')), x.id, x.multiples from aigate.integration i" \
	" join aigate.organisation o on o.id = i.organisation_id and o.status = 'active'"        \
	" left join aigate.price_adjustment x on x.id = i.price_adjustment_id"                   \
	" where i.status = 'active' order by i.id"
#define SQL_LOAD_MODELS                                                                      \
	"select m.integration_id, m.slug, m.base_model, m.is_enabled, p.id from aigate.integration_model m" \
	" left join lateral (select id from aigate.price where integration_id = m.integration_id" \
	" and model = m.slug order by effective_from desc, id desc limit 1) p"                   \
	" on m.pricing_config is not null order by m.integration_id, m.slug"
#define SQL_LOAD_GRANTS                                                                      \
	"select id, integration_id, workspace_id, is_enabled from aigate.integration_workspace order by id"
#define SQL_LOAD_PROVIDERS                                                                   \
	"select id, slug, workspace_id, integration_workspace_id, " SQL_EPOCH_US("expires_at")   \
	", uuid from aigate.provider where status = 'active' order by id"
/* Prices in the order of enum ag_price_item from column 11 on. */
#define SQL_LOAD_PRICES                                                                      \
	"select id, integration_id is not null, family, model,"                                  \
	" case when effective_from = '-infinity' then -9223372036854775808"                      \
	" when effective_from = 'infinity' then 9223372036854775807"                             \
	" else (extract(epoch from effective_from) * 1000000)::bigint end,"                      \
	" coalesce(tier_gt, 0), tier_is_ge, coalesce(context_window, 0), coalesce(max_output, 0)," \
	" mode, flags, in_pusd, cached_in_pusd, cache_w_5m_pusd, cache_w_1h_pusd, out_pusd,"     \
	" reasoning_pusd, audio_in_pusd, audio_out_pusd, image_in_pusd, image_out_pusd, t_in_pusd," \
	" t_cached_in_pusd, t_cache_w_5m_pusd, t_out_pusd, batch_in_pusd, batch_cached_in_pusd," \
	" batch_out_pusd, flex_in_pusd, flex_cached_in_pusd, flex_out_pusd, prio_in_pusd,"       \
	" prio_cached_in_pusd, prio_out_pusd, unit_pusd, search_pusd, request_pusd, unit"        \
	" from aigate.price order by id"

#endif
