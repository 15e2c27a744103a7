/* sql_keys.h - statements about the two secrets of a key. */
#ifndef AG_CONTROL_SQL_KEYS_H
#define AG_CONTROL_SQL_KEYS_H

#include "control/sql.h"

/* The end of a key that gets a new secret: a person's lives no longer from now on than its workspace lets it. */
#define SQL_KEY_NEW_END                                                                      \
	"case when kind = 'workspace-user' then least(expires_at, date_trunc('milliseconds', clock_timestamp())" \
	" + (select w.user_key_max_ttl_days from aigate.workspace w where w.id = workspace_id)"  \
	" * interval '1 day') else expires_at end"

/* $1 key, $2 hash, $3 mask, $4 microseconds the former secret works on.  None while a former one works. */
#define SQL_KEY_ROTATE                                                                       \
	"update aigate.api_key set former_hash = key_hash, former_expires_at = date_trunc('milliseconds',"  \
	" clock_timestamp() + $4::bigint * interval '1 microsecond'), key_hash = $2::bytea, key_mask = $3," \
	" rotated_at = clock_timestamp(), updated_at = now(), rotation_seed = null, secret_told_at = null," \
	" expires_at = " SQL_KEY_NEW_END                                                         \
	" where id = $1 and coalesce(former_expires_at <= clock_timestamp(), true) returning " SQL_TIME("former_expires_at")

#define SQL_KEY_FORGET                                                                       \
	"update aigate.api_key set former_hash = null, former_expires_at = null, updated_at = now()" \
	" where id = $1 and former_expires_at > clock_timestamp() returning id"

/* ---- by timetable ---- */

/* The first date of the policy behind now: Monday, the first, or so many days, at midnight UTC. */
#define SQL_ROTATION_AFTER_NOW(policy)                                                       \
	"(case when " policy " ->> 'rotation_period' = 'weekly'"                                 \
	" then date_trunc('week', now() at time zone 'UTC') + interval '7 days'"                 \
	" when " policy " ->> 'rotation_period' = 'monthly'"                                     \
	" then date_trunc('month', now() at time zone 'UTC') + interval '1 month'"               \
	" when " policy " ? 'rotation_period_days' then date_trunc('day', now() at time zone 'UTC')" \
	" + (" policy " ->> 'rotation_period_days')::int * interval '1 day' end at time zone 'UTC')"

/* $1 key, $2 policy or null, $3 date in microseconds or null */
#define SQL_KEY_SCHEDULE                                                                     \
	"update aigate.api_key k set rotation_policy = $2::jsonb, next_rotation_at = case"       \
	" when $2::jsonb is null then null"                                                      \
	" when $3::bigint is not null then timestamptz 'epoch' + $3::bigint * interval '1 microsecond'" \
	" when k.rotation_policy is not distinct from $2::jsonb then k.next_rotation_at"         \
	" else " SQL_ROTATION_AFTER_NOW("$2::jsonb") " end where id = $1"

#define SQL_KEY_MAY_ROTATE                                                                   \
	"next_rotation_at is not null and status <> 'deleted' and coalesce(expires_at > now(), true)"
/* $1 how many to pass over.  A key in transition waits for its end. */
#define SQL_KEYS_DUE                                                                         \
	"select id, uuid, organisation_id from aigate.api_key where " SQL_KEY_MAY_ROTATE         \
	" and next_rotation_at <= now() and coalesce(former_expires_at <= now(), true)"          \
	" order by next_rotation_at, id offset $1 limit 1 for update skip locked"
/* Microseconds until one is due; null: none is. */
#define SQL_KEY_NEXT_DUE                                                                     \
	"select (extract(epoch from greatest(min(greatest(next_rotation_at, former_expires_at)), now())"  \
	" - now()) * 1000000)::bigint from aigate.api_key where " SQL_KEY_MAY_ROTATE             \
	" having count(*) > 0"
/* $1 key, $2 hash, $3 mask, $4 seed.  One that is due once has no timetable afterwards. */
#define SQL_KEY_ROTATE_DUE                                                                   \
	"update aigate.api_key k set former_hash = key_hash, former_expires_at = date_trunc('milliseconds',"  \
	" clock_timestamp() + (rotation_policy ->> 'key_transition_period_ms')::bigint"          \
	" * interval '1 millisecond'), key_hash = $2::bytea, key_mask = $3, rotation_seed = $4::bytea," \
	" secret_told_at = null, rotated_at = clock_timestamp(), updated_at = now(), expires_at = " \
	SQL_KEY_NEW_END ", next_rotation_at = "                                                  \
	SQL_ROTATION_AFTER_NOW("k.rotation_policy") ", rotation_policy = case when "             \
	SQL_ROTATION_AFTER_NOW("k.rotation_policy") " is not null then rotation_policy end where id = $1"
#define SQL_ALERT_ROTATED                                                                    \
	"insert into aigate.alert (organisation_id, period, kind, arming, reason, level, scope_id, scope_uuid," \
	" scope_name, workspace_id, transition_ends_at) select organisation_id,"                 \
	" extract(epoch from rotated_at)::bigint, 'rotated', 0, 'scheduled', 'key', id, uuid, name," \
	" workspace_id, former_expires_at from aigate.api_key where id = $1"

#define SQL_KEY_SEED                                                                         \
	"select rotation_seed, uuid, key_hash, case when former_expires_at > now() then "        \
	SQL_TIME("former_expires_at") " end from aigate.api_key"                                 \
	" where id = $1 and rotation_seed is not null for update"
#define SQL_KEY_TOLD                                                                         \
	"update aigate.api_key set secret_told_at = coalesce(secret_told_at, now()) where id = $1"
#define SQL_KEY_SEEDS_OVER                                                                   \
	"update aigate.api_key set rotation_seed = null where rotation_seed is not null"         \
	" and (status = 'deleted' or (secret_told_at is not null and coalesce(former_expires_at <= now(), true)))"

#endif
