/* sql_secrets.h - statements about secrets that are kept elsewhere. */
#ifndef AG_CONTROL_SQL_SECRETS_H
#define AG_CONTROL_SQL_SECRETS_H

#include "control/sql.h"

#define SQL_SECRET_REF_OBJECT(s)                                                             \
	"json_build_object('_id', " s ".id, '_version', " s ".xmin::text, 'id', " s ".uuid, 'name', " s ".name," \
	" 'slug', " SQL_SLUG(s ".slug") ", 'description', " s ".description, 'manager_type', " s ".manager_type," \
	" 'auth_config', " s ".auth_config, 'secret_path', " s ".secret_path, 'secret_key', " s ".secret_key," \
	" 'allow_all_workspaces', " s ".allow_all_workspaces, 'allowed_workspaces', coalesce((select json_agg(" \
	"w.slug order by w.id) from aigate.secret_reference_workspace x join aigate.workspace w"     \
	" on w.id = x.workspace_id where x.secret_reference_id = " s ".id), '[]'), 'allowed_hosts', " s ".allowed_hosts, 'tags', " s ".tags," \
	" 'status', upper(" s ".status), 'last_checked_at', " SQL_TIME(s ".checked_at") ", 'last_error', " \
	s ".last_error, 'created_at', " SQL_TIME(s ".created_at") ", 'last_updated_at', "          \
	SQL_TIME(s ".updated_at") ", 'object', 'secret-reference')"

/* $1 organisation, $2 manager or null, $3 tags or null, $4 part of name or slug or null, $5 limit, $6 offset */
#define SQL_SECRET_REF_LIST SQL_PAGE(                                                        \
	"select *, xmin from aigate.secret_reference where organisation_id = $1 and status = 'active'" \
	" and ($2::text is null or manager_type = $2) and ($3::jsonb is null or tags @> $3::jsonb)"  \
	" and ($4::text is null or position(lower($4) in lower(name || ' ' || slug)) > 0)",      \
	SQL_SECRET_REF_OBJECT("p"), "$5", "$6")
#define SQL_SECRET_REF_FIND                                                                  \
	"select id, uuid, manager_type, sealed_auth, secret_path, secret_key, allowed_hosts, updated_at::text" \
	" from aigate.secret_reference"                                                          \
	" where organisation_id = $1 and status = 'active' and (slug = $2 or uuid::text = lower($2)) for update"
#define SQL_SECRET_REF_GET                                                                   \
	"select " SQL_SECRET_REF_OBJECT("s") " from aigate.secret_reference s where id = $1"

/* $1 uuid, $2 organisation, $3 slug, $4 name, $5 description, $6 manager, $7 masked, $8 sealed, $9 path,
 * $10 key, $11 for all, $12 tags, $13 hosts */
#define SQL_SECRET_REF_INSERT                                                                \
	"insert into aigate.secret_reference (uuid, organisation_id, slug, name, description, manager_type," \
	" auth_config, sealed_auth, secret_path, secret_key, allow_all_workspaces, tags, allowed_hosts)" \
	" values ($1::uuid, $2, $3, $4, $5, $6, $7::jsonb, $8::bytea, $9, $10, $11, coalesce($12::jsonb, '{}'), $13::jsonb)" \
	" returning id"
#define SQL_SECRET_REF_UPDATE                                                                \
	"update aigate.secret_reference set name = coalesce($2, name),"                          \
	" description = case when $3 then $4 else description end, auth_config = $5::jsonb, sealed_auth = $6::bytea," \
	" secret_path = $7, secret_key = $8, allow_all_workspaces = coalesce($9::boolean, allow_all_workspaces)," \
	" tags = coalesce($10::jsonb, tags), allowed_hosts = case when $11 then $12::jsonb else allowed_hosts end," \
	" checked_at = null, updated_at = now() where id = $1"
#define SQL_SECRET_REF_FREE_ALL                                                              \
	"delete from aigate.secret_reference_workspace where secret_reference_id = $1"
#define SQL_SECRET_REF_ALLOW                                                                 \
	"insert into aigate.secret_reference_workspace (secret_reference_id, workspace_id) values ($1, $2)" \
	" on conflict do nothing"
/* Who uses it, and whether the workspace may. */
#define SQL_SECRET_REF_USERS                                                                 \
	"select i.slug, i.family, i.configurations, i.workspace_id is null or s.allow_all_workspaces or exists (" \
	"select from aigate.secret_reference_workspace x where x.secret_reference_id = s.id"     \
	" and x.workspace_id = i.workspace_id) from aigate.integration_secret m join aigate.integration i" \
	" on i.id = m.integration_id and i.status = 'active' join aigate.secret_reference s"     \
	" on s.id = m.secret_reference_id where s.id = $1 order by i.id"
#define SQL_SECRET_REF_IN_USE                                                                \
	"select i.slug from aigate.integration_secret m join aigate.integration i on i.id = m.integration_id" \
	" and i.status = 'active' where m.secret_reference_id = $1 limit 1"
#define SQL_SECRET_REF_ARCHIVE                                                               \
	"update aigate.secret_reference set status = 'archived', slug = slug || '~' || id,"      \
	" sealed_auth = '\\x', auth_config = '{}', updated_at = now() where id = $1"

/* $1 organisation; whether there are others beside it */
#define SQL_SECRET_OWNER                                                                     \
	"select slug, exists (select from aigate.organisation where id <> $1 and status = 'active')" \
	" from aigate.organisation where id = $1"

/* $1 reference, $2 workspace or 0 */
#define SQL_SECRET_REF_MAY                                                                   \
	"select 1 from aigate.secret_reference s where id = $1 and ($2::bigint = 0 or s.allow_all_workspaces" \
	" or exists (select from aigate.secret_reference_workspace where secret_reference_id = s.id" \
	" and workspace_id = $2))"
#define SQL_INTEGRATION_SECRET_SET                                                           \
	"insert into aigate.integration_secret (integration_id, secret_reference_id, secret_key, value_format)" \
	" values ($1, $2, $3, $4) on conflict (integration_id) do update set secret_reference_id = $2," \
	" secret_key = $3, value_format = $4"
#define SQL_INTEGRATION_SECRET_DROP "delete from aigate.integration_secret where integration_id = $1"

/* Of an integration and its reference all that reading the secret needs. */
#define SQL_SECRET_MAPPED                                                                    \
	"select m.integration_id, i.uuid, i.slug, i.sealed_key, s.id, s.uuid, s.slug, s.manager_type, s.sealed_auth," \
	" s.secret_path, coalesce(m.secret_key, s.secret_key), coalesce(m.value_format = 'json', false)," \
	" i.organisation_id, s.updated_at::text from aigate.integration_secret m join aigate.integration i on i.id = m.integration_id and i.status = 'active'" \
	" join aigate.secret_reference s on s.id = m.secret_reference_id"
/* $1 seconds since the last look: integrations whose secret is to be read again. */
#define SQL_SECRETS_DUE SQL_SECRET_MAPPED                                                    \
	" where coalesce(s.checked_at < now() - $1::bigint * interval '1 second', true)"         \
	" order by s.checked_at nulls first, m.integration_id limit 16"
/* $1 integration, $2 reference, $3 its version: still what was asked for. */
#define SQL_SECRET_ASKED SQL_SECRET_MAPPED                                                   \
	" where m.integration_id = $1 and s.id = $2 and s.updated_at::text = $3 for update of m, s"
#define SQL_SECRET_REF_CHECKED                                                               \
	"update aigate.secret_reference set checked_at = now(), last_error = $2 where id = $1"
#define SQL_INTEGRATION_RESEAL                                                               \
	"update aigate.integration set sealed_key = $2::bytea, key_mask = $3, updated_at = now() where id = $1"

#endif
