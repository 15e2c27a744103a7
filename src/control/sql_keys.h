/* sql_keys.h - statements about the two secrets of a key. */
#ifndef AG_CONTROL_SQL_KEYS_H
#define AG_CONTROL_SQL_KEYS_H

#include "control/sql.h"

/* $1 key, $2 hash, $3 mask, $4 microseconds the former secret works on.  None while a former one works. */
#define SQL_KEY_ROTATE                                                                       \
	"update aigate.api_key set former_hash = key_hash, former_expires_at = date_trunc('milliseconds',"  \
	" clock_timestamp() + $4::bigint * interval '1 microsecond'), key_hash = $2::bytea, key_mask = $3," \
	" rotated_at = clock_timestamp(), updated_at = now() where id = $1"                      \
	" and coalesce(former_expires_at <= clock_timestamp(), true) returning " SQL_TIME("former_expires_at")

#define SQL_KEY_FORGET                                                                       \
	"update aigate.api_key set former_hash = null, former_expires_at = null, updated_at = now()" \
	" where id = $1 and former_expires_at > clock_timestamp() returning id"

#endif
