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

#define SQL_ORG_DEFAULTS_GET                                                                 \
	"select json_build_object('_version', xmin::text, '_uuid', uuid, 'object', 'organisation-defaults'," \
	" 'input_guardrails', coalesce(settings -> 'input_guardrails', '[]'),"                   \
	" 'output_guardrails', coalesce(settings -> 'output_guardrails', '[]'))"                 \
	" from aigate.organisation where id = $1 and status = 'active'"

/* $1 organisation; `col` is skips_input_guardrails or skips_output_guardrails. */
#define SQL_EXCLUSIONS_LIST(col)                                                             \
	"select json_build_object('object', 'list', 'total', count(*), 'data', coalesce(json_agg(" \
	"json_build_object('workspace_id', uuid, 'slug', slug, 'name', name, 'excluded', " col ")" \
	" order by id desc), '[]')) from aigate.workspace where organisation_id = $1 and status = 'active'" \
	" and " col
#define SQL_EXCLUSIONS_CLEAR(col)                                                            \
	"update aigate.workspace set " col " = false, updated_at = now() where organisation_id = $1 and " col
/* $1 organisation, $2 workspace, $3 */
#define SQL_EXCLUSIONS_SET(col)                                                              \
	"update aigate.workspace set " col " = $3, updated_at = now()"                           \
	" where organisation_id = $1 and id = $2 and " col " <> $3"

#endif
