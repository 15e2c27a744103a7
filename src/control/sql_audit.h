/* sql_audit.h - statements about the audit log. */
#ifndef AG_CONTROL_SQL_AUDIT_H
#define AG_CONTROL_SQL_AUDIT_H

#include "control/sql.h"

#define SQL_AUDIT                                                                            \
	"insert into aigate.audit_log (organisation_id, actor_kind, actor_id, action, object_kind," \
	" object_uuid, method, uri, client_ip, request_id, before, after, workspace_id, query,"  \
	" request_headers, request_body, response_status)"                                       \
	" values ($1, $2, $3, $4, $5, $6::uuid, $7, $8, $9, $10, $11::jsonb, $12::jsonb,"        \
	" nullif($13::bigint, 0), $14, $15::jsonb, $16::jsonb, 200)"

/* A record as the API shows it, from row a of audit_log. */
#define SQL_AUDIT_OBJECT                                                                     \
	"json_build_object('id', a.id, 'timestamp', " SQL_TIME("a.at") ", 'method', a.method,"   \
	" 'uri', a.uri, 'request_id', a.request_id, 'request_body', coalesce(a.request_body::text, '')," \
	" 'query_params', coalesce(a.query, ''), 'request_headers', coalesce(a.request_headers::text, '')," \
	" 'user_id', coalesce((select uuid from aigate.api_key where a.actor_kind = 'api_key' and id = a.actor_id)," \
	" (select uuid from aigate.app_user where a.actor_kind = 'user' and id = a.actor_id))," \
	" 'user_type', a.actor_kind, 'organisation_id', (select uuid from aigate.organisation"   \
	" where id = a.organisation_id), 'workspace_id', (select uuid from aigate.workspace"     \
	" where id = a.workspace_id), 'response_status_code', a.response_status,"                \
	" 'resource_type', a.object_kind, 'resource_id', a.object_uuid, 'action', a.action,"     \
	" 'client_ip', a.client_ip, 'country', null, 'before', a.before, 'after', a.after)"

#endif
