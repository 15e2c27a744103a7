/* sql_providers.h - statements of providers and virtual keys, two views of the same row. */
#ifndef AG_CONTROL_SQL_PROVIDERS_H
#define AG_CONTROL_SQL_PROVIDERS_H

#include "control/sql.h"

/* $1 organisation, $2 workspace, $3 integration by slug or uuid: the workspace's grant of it. */
#define SQL_PROVIDER_GRANT                                                                   \
	"select g.id, coalesce(g.is_enabled, false), i.id, i.uuid from aigate.integration i"     \
	" left join aigate.integration_workspace g on g.integration_id = i.id and g.workspace_id = $2" \
	" where i.organisation_id = $1 and i.status = 'active'"                                  \
	" and (i.slug = $3 or i.uuid::text = lower($3))"                                         \
	" and (i.workspace_id is null or i.workspace_id = $2)"

#define SQL_PROVIDER_MAKE                                                                    \
	"insert into aigate.provider (workspace_id, integration_workspace_id, slug, name, note," \
	" usage_limits, rate_limits, expires_at, owns_integration)"                              \
	" values ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb,"                                     \
	" timestamptz 'epoch' + $8::bigint * interval '1 microsecond', $9)"                      \
	" returning id, uuid, usage_limits, rate_limits"

#define SQL_PROVIDER_FIND                                                                    \
	"select p.id, p.uuid, p.slug, p.owns_integration, i.id, i.uuid, i.slug,"                 \
	" (select count(*) from aigate.provider q where q.status = 'active'"                     \
	" and q.integration_workspace_id = g.id)"                                                \
	" from aigate.provider p" SQL_PROVIDER_FROM("p")                                         \
	" where p.workspace_id = $1 and p.status = 'active' and (p.slug = $2 or p.uuid::text = lower($2))" \
	" for update of p"

#define SQL_PROVIDER_UPDATE                                                                  \
	"update aigate.provider set name = coalesce($2, name),"                                  \
	" note = case when $3 then $4 else note end,"                                            \
	" usage_limits = case when $5 then $6::jsonb else usage_limits end,"                     \
	" rate_limits = case when $7 then $8::jsonb else rate_limits end,"                       \
	" expires_at = case when $9 then timestamptz 'epoch' + $10::bigint * interval '1 microsecond'" \
	" else expires_at end, updated_at = now() where id = $1 returning usage_limits, rate_limits"

#define SQL_PROVIDER_ARCHIVE                                                                 \
	"update aigate.provider set status = 'archived', slug = slug || '~' || id, updated_at = now()" \
	" where id = $1"

#define SQL_METERS_RETIRE_PROVIDER                                                           \
	"update aigate.meter set retired_at = now(), updated_at = now()"                         \
	" where retired_at is null and level = 'provider' and scope_id = $1 returning id"

/* The same row as a virtual key. */
#define SQL_VIRTUAL_KEY_OBJECT(p)                                                            \
	"jsonb_build_object('_id', " p ".id, '_version', " p ".xmin::text, '_expired',"          \
	" coalesce(" p ".expires_at <= now(), false), 'id', " p ".uuid, 'organisation_id', o.uuid, 'name', " p ".name,"                      \
	" 'note', coalesce(" p ".note, ''), 'status', 'active', 'usage_limits', " p ".usage_limits," \
	" 'reset_usage', null, 'created_at', " SQL_TIME(p ".created_at") ", 'slug', " p ".slug," \
	" 'workspace_id', w.uuid, 'model_config', '{}'::jsonb, 'rate_limits', " p ".rate_limits," \
	" 'expires_at', " SQL_TIME(p ".expires_at") ", 'last_reset_at', null, 'integration_id', i.slug," \
	" 'tags', null, 'workspace_name', w.name, 'provider', i.family, 'object', 'virtual-key')"
#define SQL_VIRTUAL_KEY_FROM(p)                                                              \
	SQL_PROVIDER_FROM(p) " join aigate.organisation o on o.id = i.organisation_id"

/* $1 workspace, $2 limit, $3 offset */
#define SQL_VIRTUAL_KEY_LIST                                                                 \
	"with f as (select *, xmin from aigate.provider where workspace_id = $1 and status = 'active')," \
	" p as (select * from f order by id desc limit $2 offset $3)"                            \
	" select json_build_object('object', 'list', 'total', (select count(*) from f), 'data',"    \
	" coalesce((select json_agg(" SQL_VIRTUAL_KEY_OBJECT("p") " order by p.id desc) from p"  \
	SQL_VIRTUAL_KEY_FROM("p") "), '[]'))"
#define SQL_VIRTUAL_KEY_GET                                                                  \
	"select " SQL_VIRTUAL_KEY_OBJECT("p") " || jsonb_build_object('key', '', 'masked_api_key'," \
	" i.key_mask, 'ai_provider_name', i.family) from aigate.provider p"                      \
	SQL_VIRTUAL_KEY_FROM("p")                                                                \
	" where p.workspace_id = $1 and p.status = 'active' and (p.slug = $2 or p.uuid::text = lower($2))"

/* $1 organisation, $2 slug or uuid */
#define SQL_VIRTUAL_KEY_WORKSPACES                                                           \
	"select p.workspace_id from aigate.provider p join aigate.workspace w"                   \
	" on w.id = p.workspace_id and w.status = 'active' where w.organisation_id = $1"         \
	" and p.status = 'active' and (p.slug = $2 or p.uuid::text = lower($2)) limit 2"

/* Integrations made for the virtual keys of workspace $1. */
#define SQL_WORKSPACE_VIRTUAL_KEYS                                                           \
	"select distinct g.integration_id from aigate.provider p"                                \
	" join aigate.integration_workspace g on g.id = p.integration_workspace_id"              \
	" where p.workspace_id = $1 and p.status = 'active' and p.owns_integration"

#endif
