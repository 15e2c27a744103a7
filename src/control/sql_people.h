/* sql_people.h - statements about persons: users, members of workspaces, invites. */
#ifndef AG_CONTROL_SQL_PEOPLE_H
#define AG_CONTROL_SQL_PEOPLE_H

#include "control/sql.h"

/* ---- users ---- */

/* A person who is gone keeps the address with a mark behind it, so that it is free again. */
#define SQL_USER_OBJECT(u)                                                                   \
	"json_build_object('_id', " u ".id, '_version', " u ".xmin::text, 'object', 'user', 'id', " u ".uuid," \
	" 'first_name', " u ".first_name, 'last_name', " u ".last_name, 'role', " u ".role,"     \
	" 'email', " u ".email, 'status', " u ".status, 'created_at', " SQL_TIME(u ".created_at") \
	", 'last_updated_at', " SQL_TIME(u ".updated_at") ", 'workspace_ids', coalesce((select"  \
	" json_agg(w.uuid order by w.id) from aigate.workspace_user m join aigate.workspace w"   \
	" on w.id = m.workspace_id and w.status = 'active' where m.user_id = " u ".id), '[]'))"

/* $1 organisation, $2 role or null, $3 address or null, $4 limit, $5 offset */
#define SQL_USER_LIST SQL_PAGE(                                                              \
	"select *, xmin from aigate.app_user where organisation_id = $1 and status = 'active'"         \
	" and ($2::text is null or role = $2) and ($3::text is null or lower(email) = lower($3))", \
	SQL_USER_OBJECT("p"), "$4", "$5")

/* $1 organisation, $2 uuid */
#define SQL_USER_GET                                                                         \
	"select " SQL_USER_OBJECT("u") " from aigate.app_user u where u.organisation_id = $1"    \
	" and u.uuid::text = lower($2) and u.status = 'active'"

#define SQL_USER_LOCK "select role from aigate.app_user where id = $1 for update"
#define SQL_USER_SET_ROLE "update aigate.app_user set role = $2, updated_at = now() where id = $1"
#define SQL_USER_ARCHIVE                                                                     \
	"update aigate.app_user set status = 'archived', email = email || '~' || id, updated_at = now()" \
	" where id = $1"
#define SQL_USER_LEAVE_ALL "delete from aigate.workspace_user where user_id = $1"
/* $1 user, $2 workspace or 0 */
#define SQL_USER_DELETE_KEYS                                                                 \
	"update aigate.api_key set status = 'deleted', updated_at = now() where user_id = $1"    \
	" and ($2::bigint = 0 or workspace_id = $2) and status <> 'deleted' returning id"
#define SQL_USER_METERS_RETIRE                                                               \
	"update aigate.meter m set retired_at = now(), updated_at = now() where retired_at is null" \
	" and level = 'key' and scope_id in (select id from aigate.api_key where user_id = $1"   \
	" and ($2::bigint = 0 or workspace_id = $2)) returning id"
#define SQL_USER_KEYS                                                                        \
	"select coalesce(json_agg(id), '[]') from aigate.api_key where user_id = $1 and status <> 'deleted'"

#define SQL_USER_IS_THERE                                                                    \
	"select 1 from aigate.app_user where organisation_id = $1 and lower(email) = lower($2)"  \
	" and status = 'active'"
/* $1 organisation, $2 address, $3 first name, $4 last name, $5 role */
#define SQL_USER_INSERT                                                                      \
	"insert into aigate.app_user (organisation_id, email, first_name, last_name, role)"      \
	" values ($1, $2, coalesce($3, ''), coalesce($4, ''), $5) returning id, uuid"

/* ---- members ---- */

#define SQL_MEMBER_OBJECT                                                                    \
	"json_build_object('_version', m.xmin::text, '_security', w.security_settings, 'object', 'workspace-user', 'id', u.uuid,"  \
	" 'first_name', u.first_name, 'last_name', u.last_name, 'org_role', u.role, 'role', m.role," \
	" 'created_at', " SQL_TIME("m.created_at") ", 'last_updated_at', " SQL_TIME("m.updated_at") \
	", 'status', u.status, 'workspace_id', w.uuid, 'email', u.email, 'scopes', '[]'::json,"  \
	" 'settings', null)"
#define SQL_MEMBER_FROM                                                                      \
	" from aigate.workspace_user m join aigate.app_user u on u.id = m.user_id and u.status = 'active'" \
	" join aigate.workspace w on w.id = m.workspace_id"

/* $1 workspace, $2 role or null, $3 address or null, $4 limit, $5 offset */
#define SQL_MEMBER_LIST                                                                      \
	"with f as (select m.id, " SQL_MEMBER_OBJECT " as one" SQL_MEMBER_FROM " where w.id = $1" \
	" and ($2::text is null or m.role = $2) and ($3::text is null or lower(u.email) = lower($3)))," \
	" p as (select * from f order by id desc limit $4 offset $5)"                            \
	" select json_build_object('object', 'list', 'total', (select count(*) from f), 'data',"   \
	" coalesce((select json_agg(one order by id desc) from p), '[]'))"
/* $1 workspace, $2 uuid of the person */
#define SQL_MEMBER_GET                                                                       \
	"select " SQL_MEMBER_OBJECT SQL_MEMBER_FROM " where w.id = $1 and u.uuid::text = lower($2)"
#define SQL_MEMBER_FIND                                                                      \
	"select m.id, u.id, m.role" SQL_MEMBER_FROM " where w.id = $1 and u.uuid::text = lower($2) for update of m"
#define SQL_MEMBER_INSERT                                                                    \
	"insert into aigate.workspace_user (workspace_id, user_id, role) values ($1, $2, $3)"
#define SQL_MEMBER_SET_ROLE                                                                  \
	"update aigate.workspace_user set role = $2, updated_at = now() where id = $1"
#define SQL_MEMBER_DELETE "delete from aigate.workspace_user where id = $1"
#define SQL_MEMBERS_LEAVE "delete from aigate.workspace_user where workspace_id = $1"

/* What a person is in a workspace, membership or not.  $1 user, $2 workspace */
#define SQL_ROLE_IN                                                                          \
	"select case when u.role in ('owner', 'admin') then 'admin' else m.role end"             \
	" from aigate.app_user u left join aigate.workspace_user m on m.user_id = u.id and m.workspace_id = $2" \
	" where u.id = $1 and u.status = 'active'"
/* The same of the person a key belongs to. */
#define SQL_ROLE_OF_KEY                                                                      \
	"select case when u.role in ('owner', 'admin') then 'admin' else m.role end"             \
	" from aigate.api_key k join aigate.app_user u on u.id = k.user_id and u.status = 'active'" \
	" left join aigate.workspace_user m on m.user_id = u.id and m.workspace_id = k.workspace_id" \
	" where k.id = $1"

/* ---- what a workspace closes to its people, see security.h ---- */

/* Person, role in the organisation, in the workspace, its switches.  $1 a key that stands */
#define SQL_SECURITY_OF_KEY                                                                  \
	"select u.id, u.role, coalesce(m.role, ''), w.security_settings from aigate.api_key k"   \
	" join aigate.app_user u on u.id = k.user_id and u.status = 'active'"                    \
	" join aigate.workspace w on w.id = k.workspace_id and w.status = 'active'"              \
	" left join aigate.workspace_user m on m.user_id = u.id and m.workspace_id = w.id"       \
	" where k.id = $1 and k.status <> 'deleted'"
#define SQL_SECURITY_OF_WORKSPACE "select security_settings from aigate.workspace where id = $1"
/* Adds $2 to what is stored; null: nothing is stored any more.  $1 workspace */
#define SQL_SECURITY_SET                                                                     \
	"update aigate.workspace set security_settings = case when $2::jsonb is null then '{}'"  \
	" else security_settings || $2::jsonb end where id = $1"

/* ---- what a workspace demands of the keys of its people, see user_keys.h ---- */

/* $1 workspace, then each behind whether it is given: days (0 none), days, number (-1 none), metadata, whether it
 * gives way.  No row: a key would live longer by itself than it may. */
#define SQL_USER_KEYS_SET                                                                    \
	"with n as (select id, case when $2 then nullif($3::int, 0) else user_key_ttl_days end as ttl," \
	" case when $4 then nullif($5::int, 0) else user_key_max_ttl_days end as max_ttl"        \
	" from aigate.workspace where id = $1)"                                                  \
	" update aigate.workspace w set user_key_ttl_days = n.ttl, user_key_max_ttl_days = n.max_ttl," \
	" user_key_count = case when $6 then nullif($7::int, -1) else user_key_count end,"       \
	" user_key_metadata = case when $8 then $9::jsonb else user_key_metadata end,"           \
	" user_key_metadata_override = case when $10 then $11 else user_key_metadata_override end" \
	" from n where w.id = n.id and (n.ttl <= n.max_ttl) is not false returning w.id"
#define SQL_USER_KEYS_IN                                                                     \
	"select coalesce(json_agg(id), '[]') from aigate.api_key where workspace_id = $1"        \
	" and kind = 'workspace-user' and status <> 'deleted'"
/* $1 workspace, $2 person: days, days, number, metadata, whether it gives way, keys that work */
#define SQL_USER_KEYS_OF                                                                     \
	"select coalesce(w.user_key_ttl_days, 0), coalesce(w.user_key_max_ttl_days, 0),"         \
	" coalesce(w.user_key_count, -1), " SQL_USER_KEY_METADATA ", w.user_key_metadata_override," \
	" (select count(*) from aigate.api_key where workspace_id = w.id and user_id = u.id"     \
	" and status = 'active' and coalesce(expires_at > now(), true))"                         \
	" from aigate.workspace w join aigate.app_user u on u.id = $2 where w.id = $1"
#define SQL_USER_KEYS_TURN                                                                   \
	"insert into aigate.user_key_turn as t (workspace_id, user_id) values ($1, $2)"          \
	" on conflict (workspace_id, user_id) do update set turns = t.turns + 1"

/* ---- invites ---- */

#define SQL_INVITE_STATUS(i) "case when " i ".status = 'pending' and " i ".expires_at <= now() then 'expired' else " i ".status end"
#define SQL_INVITE_OBJECT(i)                                                                 \
	"json_build_object('_id', " i ".id, '_version', " i ".xmin::text, '_key_scopes', " i ".key_scopes," \
	" 'object', 'invite', 'id', " i ".uuid," \
	" 'email', " i ".email, 'role', " i ".role, 'created_at', " SQL_TIME(i ".created_at")    \
	", 'expires_at', " SQL_TIME(i ".expires_at") ", 'accepted_at', " SQL_TIME(i ".accepted_at") \
	", 'status', " SQL_INVITE_STATUS(i) ", 'invited_by', (select uuid from aigate.api_key"    \
	" where id = " i ".invited_by_key_id), 'workspaces', coalesce((select json_agg(json_build_object(" \
	"'id', coalesce(e ->> 'name', w.uuid::text), 'workspace_id', w.uuid, 'role', e ->> 'role') order by w.id) from jsonb_array_elements(" \
	i ".workspaces) e join aigate.workspace w on w.id = (e ->> 'id')::bigint), '[]'))"

/* $1 organisation, $2 role or null, $3 address or null, $4 status or null, $5 limit, $6 offset */
#define SQL_INVITE_LIST SQL_PAGE(                                                            \
	"select *, xmin from aigate.invite i where organisation_id = $1 and ($2::text is null or role = $2)" \
	" and ($3::text is null or lower(email) = lower($3))"                                    \
	" and ($4::text is null or " SQL_INVITE_STATUS("i") " = $4)", SQL_INVITE_OBJECT("p"), "$5", "$6")
#define SQL_INVITE_GET                                                                       \
	"select " SQL_INVITE_OBJECT("i") " from aigate.invite i where i.organisation_id = $1"    \
	" and i.uuid::text = lower($2)"
/* One that nobody can accept any more makes room for a new one. */
#define SQL_INVITE_CLEAR                                                                     \
	"update aigate.invite set status = 'cancelled', updated_at = now() where organisation_id = $1" \
	" and lower(email) = lower($2) and status = 'pending' and expires_at <= now()"
/* $1 organisation, $2 address, $3 role, $4 workspaces, $5 JSON array of scopes or null, $6 hash,
 * $7 key or null, $8 days */
#define SQL_INVITE_INSERT                                                                    \
	"insert into aigate.invite (organisation_id, email, role, workspaces, key_scopes, token_hash," \
	" invited_by_key_id, expires_at) values ($1, $2, $3, $4::jsonb, case when $5::jsonb is not null" \
	" then array(select jsonb_array_elements_text($5::jsonb)) end, $6::bytea, $7,"           \
	" now() + $8::int * interval '1 day') returning uuid"
#define SQL_INVITE_CANCEL                                                                    \
	"update aigate.invite set status = 'cancelled', updated_at = now()"                      \
	" where id = $1 and status = 'pending' returning id"
/* $1 invite, $2 hash, $3 days */
#define SQL_INVITE_RENEW                                                                     \
	"update aigate.invite set token_hash = $2::bytea, expires_at = now() + $3::int * interval '1 day'," \
	" updated_at = now() where id = $1 and status = 'pending' returning id"
#define SQL_INVITE_BY_TOKEN                                                                  \
	"select i.id, i.organisation_id, i.email, i.role, i.workspaces, to_json(i.key_scopes), i.uuid" \
	" from aigate.invite i join aigate.organisation o on o.id = i.organisation_id and o.status = 'active'" \
	" where i.token_hash = $1::bytea and i.status = 'pending' and i.expires_at > now() for update of i"
#define SQL_INVITE_ACCEPT                                                                    \
	"update aigate.invite set status = 'accepted', accepted_at = now(), updated_at = now(), user_id = $2" \
	" where id = $1"
/* $1 organisation, $2 id */
#define SQL_WORKSPACE_IS_ACTIVE                                                              \
	"select uuid from aigate.workspace where organisation_id = $1 and id = $2 and status = 'active'"

#endif
