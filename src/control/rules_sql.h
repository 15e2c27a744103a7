/* rules_sql.h - statements about configs and guardrails; see sql.h for how objects are made. */
#ifndef AG_CONTROL_RULES_SQL_H
#define AG_CONTROL_RULES_SQL_H

#include "control/sql.h"

#define SQL_KEY_UUID(id) "(select uuid from aigate.api_key where id = " id ")"

/* ---- configs ---- */

#define SQL_CONFIG_MEMBERS(c)                                                                \
	"'_id', " c ".id, 'id', " c ".uuid, 'name', " c ".name, 'workspace_id',"                 \
	" (select uuid from aigate.workspace where id = " c ".workspace_id), 'slug', " SQL_SLUG(c ".slug") \
	", 'organisation_id', (select uuid from aigate.organisation where id = " c ".organisation_id)," \
	" 'is_default', " c ".is_default::int, 'status', " c ".status, 'owner_id', "             \
	SQL_KEY_UUID(c ".owner_key_id") ", 'updated_by', " SQL_KEY_UUID(c ".updated_key_id")     \
	", 'created_at', " SQL_TIME(c ".created_at") ", 'last_updated_at', " SQL_TIME(c ".updated_at") \
	", 'object', 'config'"
#define SQL_CONFIG_OBJECT(c) "json_build_object(" SQL_CONFIG_MEMBERS(c) ")"
/* The config is a text: what it says, word for word. */
#define SQL_CONFIG_DETAIL(c, v)                                                              \
	"json_build_object(" SQL_CONFIG_MEMBERS(c) ", '_version', " c ".xmin::text, '_workspace'," \
	" " c ".workspace_id,"                                                                   \
	" 'config', " v ".body::text, 'format', 'json', 'type', 'ORG_CONFIG', 'version_id', " v ".uuid)"

/* $1 organisation, $2 workspace or 0, $3 limit, $4 offset */
#define SQL_CONFIG_LIST SQL_PAGE(                                                            \
	"select * from aigate.config where organisation_id = $1 and status <> 'deleted'"         \
	" and ($2::bigint = 0 or workspace_id = $2)", SQL_CONFIG_OBJECT("p"), "$3", "$4")

/* $1 organisation, $2 slug or uuid */
#define SQL_CONFIG_GET                                                                       \
	"select " SQL_CONFIG_DETAIL("c", "v") " from aigate.config c join lateral"               \
	" (select * from aigate.config_version where config_id = c.id order by id desc limit 1) v on true" \
	" where c.organisation_id = $1 and c.status <> 'deleted' and (c.slug = $2 or c.uuid::text = lower($2))"

/* $1 config, $2 limit, $3 offset */
#define SQL_CONFIG_VERSIONS                                                                  \
	"select json_build_object('object', 'list', 'total',"                                    \
	" (select count(*) from aigate.config_version where config_id = $1), 'data', coalesce("  \
	"(select json_agg(json_build_object('id', c.uuid, 'name', c.name, 'slug', " SQL_SLUG("c.slug") \
	", 'version_id', p.uuid, 'config', p.body::text, 'format', 'json', 'type', 'ORG_CONFIG'," \
	" 'status', c.status, 'is_default', c.is_default::int, 'owner_id', " SQL_KEY_UUID("p.created_key_id") \
	", 'created_at', " SQL_TIME("p.created_at") ", 'last_updated_at', " SQL_TIME("p.created_at") \
	", 'object', 'config') order by p.id desc) from (select * from aigate.config_version"    \
	" where config_id = $1 order by id desc limit $2 offset $3) p, aigate.config c where c.id = $1), '[]'))"

#define SQL_CONFIG_INSERT                                                                    \
	"insert into aigate.config (organisation_id, workspace_id, slug, name, is_default, owner_key_id," \
	" updated_key_id) values ($1, $2, $3, $4, $5, nullif($6::bigint, 0), nullif($6::bigint, 0))" \
	" returning id, uuid"
#define SQL_CONFIG_VERSION_INSERT                                                            \
	"insert into aigate.config_version (config_id, body, created_key_id)"                    \
	" values ($1, $2::json, nullif($3::bigint, 0)) returning uuid"
/* $1 workspace: whoever was its default is no more. */
#define SQL_CONFIG_NO_DEFAULT                                                                \
	"update aigate.config set is_default = false, updated_at = now()"                        \
	" where workspace_id = $1 and is_default"
#define SQL_CONFIG_SET_DEFAULT                                                               \
	"update aigate.config set is_default = true, updated_at = now() where id = $1"
/* $1 id, $2 name or null, $3 status or null, $4 default or null, $5 key */
#define SQL_CONFIG_UPDATE                                                                    \
	"update aigate.config set name = coalesce($2, name), status = coalesce($3, status),"     \
	" is_default = coalesce($4::boolean, is_default), updated_key_id = nullif($5::bigint, 0)," \
	" updated_at = now() where id = $1"
#define SQL_CONFIG_DELETE                                                                    \
	"update aigate.config set status = 'deleted', is_default = false, slug = slug || '~' || id," \
	" updated_at = now() where id = $1"
/* Keys and workspaces that stand on config $1. */
#define SQL_CONFIG_USERS                                                                     \
	"select (select count(*) from aigate.api_key k where k.workspace_id = c.workspace_id"    \
	" and k.config_id = c.slug and k.status <> 'deleted'), (select count(*) from aigate.workspace w" \
	" where w.user_config_id = c.id and w.status = 'active') from aigate.config c where c.id = $1"

/* $1 workspace, $2 slug or uuid: a config that may be somebody's default. */
#define SQL_CONFIG_FIND                                                                      \
	"select id, slug from aigate.config where workspace_id = $1 and status = 'active'"       \
	" and (slug = $2 or uuid::text = lower($2))"
#define SQL_KEY_SET_CONFIG "update aigate.api_key set config_id = $2 where id = $1"
#define SQL_WORKSPACE_SET_USER_CONFIG                                                        \
	"update aigate.workspace set user_config_id = nullif($2::bigint, 0) where id = $1"

/* ---- guardrails ---- */

#define SQL_GUARDRAIL_MEMBERS(g)                                                             \
	"'_id', " g ".id, '_workspace', coalesce(" g ".workspace_id, 0), 'id', " g ".uuid,"      \
	" 'name', " g ".name, 'slug', " SQL_SLUG(g ".slug") ", 'organisation_id',"               \
	" (select uuid from aigate.organisation where id = " g ".organisation_id), 'workspace_id'," \
	" (select uuid from aigate.workspace where id = " g ".workspace_id), 'status', " g ".status," \
	" 'created_at', " SQL_TIME(g ".created_at") ", 'last_updated_at', " SQL_TIME(g ".updated_at") \
	", 'owner_id', " SQL_KEY_UUID(g ".owner_key_id") ", 'updated_by', " SQL_KEY_UUID(g ".updated_key_id")

/* $1 organisation, $2 workspace (0 any, -1 those of the organisation), $3 JSON array of ids or null,
 * $4 limit, $5 offset */
#define SQL_GUARDRAIL_LIST SQL_PAGE(                                                         \
	"select * from aigate.guardrail where organisation_id = $1 and status = 'active'"        \
	" and ($2::bigint = 0 or coalesce(workspace_id, -1) = $2) and ($3::jsonb is null"        \
	" or $3::jsonb ? uuid::text or $3::jsonb ? slug)",                                       \
	"json_build_object(" SQL_GUARDRAIL_MEMBERS("p") ")", "$4", "$5")

/* $1 organisation, $2 slug or uuid */
#define SQL_GUARDRAIL_GET                                                                    \
	"select json_build_object(" SQL_GUARDRAIL_MEMBERS("g") ", '_version', g.xmin::text, 'version_id', g.version," \
	" 'checks', g.checks, 'actions', g.actions) from aigate.guardrail g where g.organisation_id = $1" \
	" and g.status = 'active' and (g.slug = $2 or g.uuid::text = lower($2))"

#define SQL_GUARDRAIL_INSERT                                                                 \
	"insert into aigate.guardrail (organisation_id, workspace_id, slug, name, checks, actions," \
	" owner_key_id, updated_key_id) values ($1, nullif($2::bigint, 0), $3, $4, $5::jsonb, $6::jsonb," \
	" nullif($7::bigint, 0), nullif($7::bigint, 0)) returning uuid, version"
#define SQL_GUARDRAIL_UPDATE                                                                 \
	"update aigate.guardrail set name = coalesce($2, name), checks = coalesce($3::jsonb, checks)," \
	" actions = coalesce($4::jsonb, actions), version = gen_random_uuid(),"                  \
	" updated_key_id = nullif($5::bigint, 0), updated_at = now() where id = $1 returning version"
#define SQL_GUARDRAIL_ARCHIVE                                                                \
	"update aigate.guardrail set status = 'archived', slug = slug || '~' || id, updated_at = now()" \
	" where id = $1"

/* What stands on guardrail $1: defaults of organisation and workspaces, and the name of one config that
 * names it in the version in force. */
#define SQL_GUARDRAIL_USERS                                                                  \
	"select (select count(*) from aigate.guardrail_default d where d.guardrail_id = g.id"    \
	" and (d.workspace_id is null or exists (select from aigate.workspace w where w.id = d.workspace_id" \
	" and w.status = 'active'))), (select c.slug from aigate.config c join lateral"          \
	" (select body from aigate.config_version where config_id = c.id order by id desc limit 1) v on true" \
	" where c.organisation_id = g.organisation_id and c.status <> 'deleted'"                 \
	" and (position('\"' || g.slug || '\"' in v.body::text) > 0"                             \
	" or position('\"' || g.uuid || '\"' in v.body::text) > 0) limit 1)"                     \
	" from aigate.guardrail g where g.id = $1"

/* $1 organisation, $2 workspace (0: only those of the organisation itself), $3 slug or uuid */
#define SQL_GUARDRAIL_FIND                                                                   \
	"select id, slug from aigate.guardrail where organisation_id = $1 and status = 'active'" \
	" and (workspace_id is null or workspace_id = $2) and (slug = $3 or uuid::text = lower($3))"

/* $1 organisation, $2 workspace or 0 */
#define SQL_GUARDRAIL_DEFAULTS_CLEAR                                                         \
	"delete from aigate.guardrail_default where organisation_id = $1"                        \
	" and coalesce(workspace_id, 0) = $2"
#define SQL_GUARDRAIL_DEFAULT_ADD                                                            \
	"insert into aigate.guardrail_default (organisation_id, workspace_id, guardrail_id, position)" \
	" values ($1, nullif($2::bigint, 0), $3, $4)"
#define SQL_ORG_DEFAULTS                                                                     \
	"select json_build_object('input_guardrails', coalesce((select json_agg(json_build_object('id', g.uuid," \
	" 'slug', g.slug) order by d.position) from aigate.guardrail_default d"                  \
	" join aigate.guardrail g on g.id = d.guardrail_id where d.organisation_id = $1"         \
	" and d.workspace_id is null), '[]'), 'output_guardrails', '[]'::json)"

/* $1 organisation */
#define SQL_EXCLUSIONS                                                                       \
	"select json_build_object('object', 'list', 'total', count(*), 'data', coalesce(json_agg(" \
	"json_build_object('workspace_id', w.uuid, 'slug', w.slug, 'name', w.name, 'excluded', exists" \
	" (select from aigate.guardrail_exclusion x where x.workspace_id = w.id)) order by w.id), '[]'))" \
	" from aigate.workspace w where w.organisation_id = $1 and w.status = 'active'"
#define SQL_EXCLUSIONS_CLEAR                                                                 \
	"delete from aigate.guardrail_exclusion where workspace_id in"                           \
	" (select id from aigate.workspace where organisation_id = $1)"
#define SQL_EXCLUSION_ADD                                                                    \
	"insert into aigate.guardrail_exclusion (workspace_id) values ($1) on conflict do nothing"
#define SQL_EXCLUSION_DROP                                                                   \
	"delete from aigate.guardrail_exclusion where workspace_id = $1"

/* ---- loading ---- */

#define SQL_LOAD_GUARDRAILS                                                                  \
	"select g.id, g.uuid, g.organisation_id, coalesce(g.workspace_id, 0), g.slug, g.checks, g.actions" \
	" from aigate.guardrail g join aigate.organisation o on o.id = g.organisation_id and o.status = 'active'" \
	" where g.status = 'active' order by g.id"
#define SQL_LOAD_CONFIGS                                                                     \
	"select c.id, c.uuid, c.workspace_id, c.slug, v.body from aigate.config c"               \
	" join aigate.workspace w on w.id = c.workspace_id and w.status = 'active'"              \
	" join aigate.organisation o on o.id = c.organisation_id and o.status = 'active'"        \
	" join lateral (select body from aigate.config_version where config_id = c.id"           \
	" order by id desc limit 1) v on true where c.status = 'active' order by c.id"
/* The guardrails of each workspace in order: those of its organisation first. */
#define SQL_LOAD_WORKSPACE_GUARDRAILS                                                        \
	"select w.id, d.guardrail_id from aigate.workspace w"                                    \
	" join aigate.guardrail_default d on d.organisation_id = w.organisation_id"              \
	" and (d.workspace_id = w.id or (d.workspace_id is null and not exists"                  \
	" (select from aigate.guardrail_exclusion x where x.workspace_id = w.id)))"              \
	" where w.status = 'active' order by w.id, d.workspace_id nulls first, d.position, d.id"
/* Its default config, and that of user keys. */
#define SQL_LOAD_WORKSPACE_CONFIGS                                                           \
	"select w.id, coalesce(c.id, 0), coalesce(u.id, 0) from aigate.workspace w"              \
	" left join aigate.config c on c.workspace_id = w.id and c.is_default and c.status = 'active'" \
	" left join aigate.config u on u.id = w.user_config_id and u.status = 'active'"          \
	" where w.status = 'active' and (c.id is not null or u.id is not null) order by w.id"

#endif
