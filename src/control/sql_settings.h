/* sql_settings.h - statements about what an organisation demands and presets. */
#ifndef AG_CONTROL_SQL_SETTINGS_H
#define AG_CONTROL_SQL_SETTINGS_H

#include "control/sql.h"

#define SQL_SETTINGS "select settings from aigate.organisation where id = $1 and status = 'active'"

/* $2: an object of what changes; null takes a setting away. */
#define SQL_SETTINGS_MERGE                                                                   \
	"update aigate.organisation set settings = (select coalesce(jsonb_object_agg(key, value), '{}')" \
	" from jsonb_each(settings || $2::jsonb) where jsonb_typeof(value) <> 'null'), updated_at = now()" \
	" where id = $1"

#endif
